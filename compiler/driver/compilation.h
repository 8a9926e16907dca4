/* compilation.h: State of a compilation, passed from stage to stage. Private to compile.c, compilation.c,
 * fit.c, fit_board.c and output.c. */
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
  const Options *options, *asked; /* asked: the options as given; `options` may have better targets for the
                                     net */
  Sources sources;
  Diags *diags;
  Ast *program;
  const char *labels_file;
  Graph *graph;  /* the program's graph; quantized if the weights are int8; with --stream or --slide, the
                    graph of one step */
  bool training; /* training code is generated or, for a summary, measured */
  const float *weights;    /* the weights to compile in, or NULL */
  bool quantized;          /* the graph is an int8 graph, which contains its int8 weights */
  const Graph *floats;     /* the float graph of an int8 graph; otherwise NULL */
  QuantFile *file;         /* the int8 weight file, or NULL */
  Node **made;             /* made[id of a float node]: the int8 node with the same value */
  const char *order;       /* suggested lines of a --rename file, or NULL */
  const char *tuning_file; /* NAME.tune next to the program; NULL if there is none */
  Tuning tuning;
  const char *summary;
  EmitOptions emit;
  ProgramOptions lowering;
  struct {
    Plan *infer, *train, *look; /* NULL: this plan is not needed */
  } plans;
  Programs programs;
  LayoutOptions layout_options;
  Layout *layout;
  Net *net;        /* the layout, with the names and texts of the generated C */
  EmitUnit *units; /* C text, for the C compiler */
  int nunits;
  struct {
    const void *bytes;
    size_t n;
  } data;                    /* weights that are too large for the C text; bytes NULL: none */
  Bands bands;               /* row bands of inference, to meet --ram */
  const char *bands_to;      /* the last layer in row bands */
  int64_t ram_whole;         /* bytes of RAM needed without row bands */
  double recompute_overhead; /* extra MACs of --memory, as a fraction of the step's other MACs */
  Outputs *outputs;
  VEC(Stage) stages; /* times of the stages, for --time-report */
  double since;
} Compilation;

/* ---- compilation.c ---- */
bool has_errors(const Compilation *);
double now(void);                                 /* monotonic time in seconds */
void stage_done(Compilation *, const char *name); /* records the time of a stage, for --time-report */
void print_times(const Compilation *);
bool cannot_write(Compilation *, const char *path, const char *why); /* reports the error; returns false */
/* Opens a stream for the messages of the C compiler if standard error carries JSON or SARIF. NULL: the
 * messages go to standard error. */
FILE *messages_open(const Compilation *);
bool backend_failed(Compilation *, const Backend *, const char *why);   /* reports the error; returns false */
const char *with_suffix(Arena *, const char *path, const char *suffix); /* net.cnn, ".c": net.c */
const char *header_path(const Compilation *); /* path of the header to write, or NULL */
const char *c_name(const Compilation *);      /* prefix of C names */

/* ---- compile.c ---- */
PlanOptions plan_options(const Compilation *, PlanKind);
Plan *make_plan(const Compilation *, PlanKind);
/* Lowers inference with the current plans and options. */
void lower_inference(Compilation *);
void lower_training(Compilation *);
void lay_out(Compilation *);                /* computes the layout of the lowered programs */
SummarySizes sizes_of(const Compilation *); /* sizes of the layout */

/* ---- fit.c, fit_board.c ---- */
bool fit(Compilation *);
void fit_ram(Compilation *);    /* computes the first layers in row bands if --ram requires it */
void fit_flash(Compilation *);  /* chooses smaller constants if --flash requires it */
bool fits_board(Compilation *); /* reports sizes beyond --flash and --ram; false after an error */

/* ---- output.c ---- */
bool output_possible(Compilation *); /* whether the net can have this output; if not, reports why */
bool emit_output(Compilation *);     /* writes the view or the C text, then the reports and the dependency
                                        file */
bool backend(Compilation *);         /* runs the C compiler if the output needs it */
WordList input_files(const Compilation *);
void print_results(Compilation *); /* prints renaming rules and the summary, if the options want them */
#endif
