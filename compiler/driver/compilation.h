/* compilation.h: a program on its way: what its stages find out and leave to those after them. Private to
 * compile.c, lowering.c, write.c and library.c, budget.c,
 * streaming.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMPILATION_H
#define CNNC_COMPILATION_H
#include "backend/backend.h"
#include "base/file.h"
#include "emit/emit.h"
#include "report/summary.h"
#include "passes/plan.h"
#include "lir/lir.h"
#include "quantize/quantize.h"
#include "schedule/tuning.h"
#include "syntax/ast.h"
#include "options.h"

typedef struct Stage {
  const char *name;
  double seconds;
} Stage;

typedef struct Compilation {
  Arena *arena;
  const Options *options;
  Sources sources;
  Diags *diags;
  Ast *program;
  const char *labels_file;
  Graph *graph;            /* as written; of a quantized net, that of 8 bits */
  bool training;           /* training code is written */
  const float *weights;    /* compiled in, or NULL */
  bool quantized;          /* the net is one of 8 bits, and has its weights */
  QuantFile *file;         /* of such a net */
  Node **made;             /* and by node of the net of floats what has its value */
  const char *order;       /* lines for --rename, or NULL */
  const char *tuning_file; /* NAME.tune beside the program, if there is one, or NULL */
  Tuning tuning;
  const char *summary;
  EmitOptions emit;
  ProgramOptions lowering;
  Programs programs;
  LayoutOptions layout_options;
  Layout *layout;
  Net *net;             /* the layout, printed */
  Bands bands;          /* of inference, so that it fits into --ram */
  const char *bands_to; /* the layer at which they end */
  int64_t ram_whole;    /* the RAM that it takes without them */
  double again;         /* multiply-adds of the training step that --memory costs, as a part of all others */
  Outputs *outputs;
  VEC(Stage) stages; /* for --time-report */
  double since;
} Compilation;

/* ---- compilation.c ---- */
bool good(const Compilation *);                   /* there are no errors so far */
double now(void);                                 /* in seconds, from some point on */
void stage_done(Compilation *, const char *name); /* for --time-report */
void print_times(const Compilation *);
bool cannot_write(Compilation *, const char *path, const char *why); /* reports it; false */
/* Where the C compiler's messages go: where ours are JSON or SARIF, they alone are on standard error. */
FILE *messages_open(const Compilation *);                               /* NULL: to standard error */
bool backend_failed(Compilation *, const Backend *, const char *why);   /* reports it; false */
const char *with_suffix(Arena *, const char *path, const char *suffix); /* net.cnn, ".c": net.c */
const char *base_name(const char *path);
const char *header_path(const Compilation *); /* of the header beside the output, or NULL */
const char *c_name(const Compilation *);      /* what names in C begin with */

/* ---- lowering.c ---- */
bool lower(Compilation *); /* plans, schedules and lays out everything; sizes go into `summary` */
PlanOptions plan_options(const Compilation *, PlanKind);
void lower_inference(Compilation *);        /* once more, by the options that stand in it now */
SummarySizes sizes_of(const Compilation *); /* behind lower() */

/* ---- budget.c ---- */
/* Of inference that takes so much flash, how small the constants of each kernel have to be, by the ids of
 * their roots, for the net to be as fast as --flash allows; NULL: it fits, or nothing is larger. alike: set
 * where functions are to be few, too. */
const Small *budget_small(const Compilation *, int64_t flash, bool *alike);
bool budget_check(Compilation *); /* reports what is beyond --flash and --ram */

/* ---- streaming.c ---- */
void fit_ram(Compilation *); /* computes the first layers band by band, where --ram needs it */

/* ---- write.c ---- */
bool write_view(Compilation *);
bool write_all(Compilation *);
bool write_dependencies(Compilation *);
bool add_output(Compilation *, const char *path, const Text *);

/* ---- library.c ---- */
bool write_library(Compilation *);
const char *library_file(const Compilation *, const char *path); /* the path in the library's folder */
#endif
