/* options.h: Options of a compilation (cnnc FILE.cnn). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OPTIONS_H
#define CNNC_OPTIONS_H
#include "backend/system.h"
#include "base/arena.h"
#include "base/diag.h"
#include "sema/sema.h"
#include "flags.h"
#include "passes/plan.h"
#include "target/cpu.h"

typedef enum Action { ACTION_COMPILE, ACTION_HELP, ACTION_VERSION, ACTION_EXPLAIN } Action;

typedef enum OutputKind {
  OUTPUT_NONE, /* no -o and no --emit: checks the program and prints its summary */
  OUTPUT_C,
  OUTPUT_HEADER,
  OUTPUT_OBJECT,
  OUTPUT_SHARED,
  OUTPUT_WASM,
  OUTPUT_PROGRAM,
  OUTPUT_MODEL, /* packed weights */
  OUTPUT_ONNX,
  OUTPUT_LIBRARY, /* a folder with C files and build files, for CMake, Arduino, Zephyr and others */
  OUTPUT_EXAMPLE, /* a program that calls NAME.c: only for `cnnc new` */
  OUTPUT_SUMMARY, /* from here on: views of the program */
  OUTPUT_JSON,
  OUTPUT_DOT,
  OUTPUT_AST,
  OUTPUT_GRAPH,
  OUTPUT_NESTS,
  OUTPUT_LOWERED,
  OUTPUT_SCHEDULE,
} OutputKind;

typedef enum EmbedKind { EMBED_BY_SIZE, EMBED_AS_TEXT, EMBED_AS_FILE, EMBED_AS_OBJECT } EmbedKind;

typedef enum Level {
  LEVEL_FULL,  /* -O2 */
  LEVEL_PLAIN, /* -O0: reference loops */
  LEVEL_QUICK, /* -O1: C that compiles fast */
  LEVEL_SMALL, /* -Os: small code (reference loops), with fusion of layers */
} Level;

typedef enum ReportKind { REPORT_TRACE, REPORT_WCET } ReportKind;
typedef struct ReportUse {
  ReportKind kind;
  const char *path; /* "-": standard output; format by suffix: .json, .csv (only a trace), else text */
} ReportUse;

typedef struct Options {
  Action action;
  FlagsGiven given;           /* all options of the command line */
  const char *topic;          /* HELP: the topic, or NULL; EXPLAIN: a slug */
  const char *input, *output; /* output NULL: none; "-": standard output */
  OutputKind kind;
  bool kind_given;
  const char *after; /* with OUTPUT_GRAPH, prints the graph after this pass; NULL: the source's graph */
  const char *weights, *weights_prefix, *rename, *prefix, *cc, *runtime; /* NULL: not given */
  const char *version_name, *author, *url; /* metadata of a library; NULL: not given */
  int match;                               /* matching of weights. 0: by name; 1: by order */
  int layout;                              /* layout of ONNX inputs. 0: chw; 1: hwc; -1: not given */
  int opset;                               /* operator set of an ONNX model. 0: 17; 1: 23; -1: not given */
  EmbedKind embed;
  int64_t batch;
  Streaming streaming;         /* --stream, --slide, --lookahead */
  int64_t memory;              /* limit of training memory in bytes; 0: none */
  bool train;                  /* generate training code, if there is a train block */
  bool train_given;            /* whether --train or --no-train is given */
  bool network, look;          /* network: generate NAME_network; look: code for inspection */
  VEC(const Target *) targets; /* best first */
  bool targets_given, native;  /* native: cnnc chose a target for this machine's CPU */
  const Cpu *cpu;              /* --cpu; NULL: not given */
  int64_t flash, ram;          /* bytes that inference may use; 0: no limit */
  int64_t flash_wait;          /* extra cycles to read 16 bytes from flash; 0: none */
  const System *system;        /* of --os or of the suffix of -o; NULL: this machine's system, or no system */
  const Target *machine;       /* machine that the C compiler compiles for; NULL: this machine */
  int threads;                 /* 0: openmp; 1: pool; 2: none; -1: not given */
  bool threaded, pool;         /* threaded: several threads; pool: a thread pool instead of OpenMP */
  bool mpi;                    /* an executable that can train in several MPI processes */
  int64_t mpi_most;            /* number of processes that can share a batch; 0: not given */
  Defines defines;
  WordList directories, warnings;
  Level level;
  int precision;    /* --precision. 0: f32; 1: bf16; 2: f16w; -1: not given */
  bool exact, tune; /* exact: no algorithms that round differently, such as Winograd; tune: measure
                       schedules */
  bool updatable;   /* int8 models: code and layout do not depend on the weights */
  bool acsl;        /* the generated C has annotations and an entry point for Frama-C */
  VEC(ReportUse) reports;
  bool no_fma;   /* generated C rounds each product before an addition */
  int denormals; /* --denormals. 0: flush; 1: keep; -1: not given */
  bool single_file, summary, time_report, verbose;
  bool dependencies;
  const char *dependency_file;
  bool fix; /* --fix: apply the suggested fixes to the source before compilation */
  DiagFormat format;
  int color; /* the argument of flag_wants_color */
} Options;

/* The options of a command line without options. */
#define OPTIONS_DEFAULT                                                                                      \
  {.batch = 1, .layout = -1, .opset = -1, .threads = -1, .precision = -1, .denormals = -1}

/* False after an error on the command line, which was reported on standard error. */
bool options_parse(Options *, Arena *, int argc, char **argv);
/* Checks the options, and chooses the output, targets and threads that the command line does not name. False
 * after an error, which was reported. */
bool options_check(Options *, Arena *);
bool options_check_streaming(const Streaming *);               /* false after an error, which was reported */
bool options_kind_of_suffix(const char *suffix, OutputKind *); /* false: no kind of output has this suffix */
bool options_view(OutputKind);                                 /* a view of the program instead of code */
bool options_backend(OutputKind);                              /* produced by the C compiler */
bool options_plain(const Options *);                           /* reference schedules: -O0, -Os */
/* adds the target, if it is missing; the list is sorted by descending march_level */
void options_add_target(Options *, Arena *, const Target *);
Precision options_precision(const Options *);
bool options_step(const Options *); /* whether --stream or --slide is given, so that one step is compiled */
extern const Flag options_table[];
const char *const *options_kinds(Arena *); /* the values of --emit */
const char *const *options_targets(Arena *);
const char *const *options_cpus(Arena *);
#endif
