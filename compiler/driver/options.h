/* options.h: the command line, as a record. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OPTIONS_H
#define CNNC_OPTIONS_H
#include "base/arena.h"
#include "base/diag.h"
#include "sema/sema.h"
#include "target/cpu.h"

typedef enum Action { ACTION_COMPILE, ACTION_HELP, ACTION_VERSION, ACTION_EXPLAIN } Action;

typedef enum OutputKind {
  OUTPUT_NONE, /* no -o: the program is checked, and its summary printed */
  OUTPUT_C,
  OUTPUT_HEADER,
  OUTPUT_OBJECT,
  OUTPUT_SHARED,
  OUTPUT_WASM,
  OUTPUT_PROGRAM,
  OUTPUT_MODEL, /* packed weights */
  OUTPUT_ONNX,
  OUTPUT_LIBRARY, /* a folder for other build systems */
  OUTPUT_EXAMPLE, /* a program around NAME.c: of `cnnc new` alone */
  OUTPUT_SUMMARY,
  OUTPUT_JSON,
  OUTPUT_DOT,
  OUTPUT_AST,
  OUTPUT_GRAPH,
  OUTPUT_NESTS,
  OUTPUT_LOWERED,
  OUTPUT_SCHEDULE, /* views of the program */
} OutputKind;

typedef enum EmbedKind { EMBED_BY_SIZE, EMBED_AS_TEXT, EMBED_AS_FILE, EMBED_AS_OBJECT } EmbedKind;

typedef enum Level {
  LEVEL_FULL,  /* -O2 */
  LEVEL_PLAIN, /* -O0: loops as one would write them */
  LEVEL_QUICK, /* -O1: little work for the C compiler */
  LEVEL_SMALL, /* -Os: plain loops of fused layers */
} Level;

/* A row of the table: what the command line accepts, --help and cnnc(1) tell, and shells complete. */
typedef struct OptionRow {
  const char *name;
  int code;                 /* name: the long option; NULL: the code is its letter */
  int has_arg;              /* as getopt_long has it */
  const char *shown, *help; /* NULL: not told */
  const char *values;       /* words that the value may be, @file, @folder, or where its words are:
                             * @kinds @passes @targets @cpus @warnings @messages @topics; NULL: anything */
} OptionRow;

/* Rows that several tables have; read_diagnostics and read_color (options_words.h) read their values. */
#define ROW_DIAGNOSTICS(code)                                                                                \
  {"diagnostics",                                                                                            \
   code,                                                                                                     \
   required_argument,                                                                                        \
   "--diagnostics=KIND",                                                                                     \
   "how messages are written on standard error: text json sarif",                                            \
   "text json sarif"}
#define ROW_COLOR(code)                                                                                      \
  {"color",                                                                                                  \
   code,                                                                                                     \
   required_argument,                                                                                        \
   "--color=WHEN",                                                                                           \
   "auto always never; NO_COLOR is honored",                                                                 \
   "auto always never"}

typedef struct Options {
  Action action;
  const char *topic;          /* HELP: what about, or NULL; EXPLAIN: a slug */
  const char *input, *output; /* output NULL: none; "-": standard output */
  OutputKind kind;
  const char *after; /* a pass: with OUTPUT_GRAPH the graph behind it; NULL: as written */
  const char *weights, *weights_prefix, *rename, *prefix, *cc, *runtime; /* NULL: not given */
  const char *version_name, *author, *url;                               /* of a library; NULL: not given */
  int match;  /* the weights: 0 by name, 1 by order */
  int layout; /* of the inputs of a model of ONNX: 0 chw, 1 hwc; -1: not given */
  EmbedKind embed;
  int64_t batch;
  int64_t memory; /* bytes that training may take; 0: as many as it needs */
  bool train; /* training code is wanted; for a program without either option: if there is a train block */
  bool train_given;
  bool network, look;          /* with NAME_network, and what looks inside; programs have both in any case */
  VEC(const Target *) targets; /* best first */
  bool targets_given, native;  /* native: by that word */
  const Cpu *cpu;              /* of a board; NULL: not given */
  int64_t flash, ram;          /* bytes that inference may take of each; 0: as many as it needs */
  int64_t flash_wait;          /* cycles; 0: none */
  const Target *machine;       /* that an object is for; NULL: this one */
  bool openmp;
  bool mpi;         /* a program that processes of MPI can share */
  int64_t mpi_most; /* by so many; 0: as many as there are shards without it */
  Defines defines;
  VEC(const char *) directories, warnings;
  Level level;
  bool exact, tune; /* no algorithm that rounds differently; schedules are measured */
  bool updatable;   /* int8 models: code and layout depend on no number of the weights file */
  bool no_fma;      /* generated C rounds each product before it is added to something */
  bool single_file, summary, time_report, verbose;
  bool dependencies;
  const char *dependency_file;
  bool fix; /* fixes of messages are applied to the program first */
  DiagFormat format;
  bool color;
} Options;

/* False after a mistake in the command line, which is reported on standard error: exit 2. */
bool options_parse(Options *, Arena *, int argc, char **argv);
bool options_view(OutputKind);             /* a text about the program rather than the program */
bool options_backend(OutputKind);          /* made by the C compiler */
bool options_plain(const Options *);       /* without schedules */
bool options_color(int choice);            /* of --color: auto, always, never */
extern const OptionRow options_table[];    /* ends with a row without a code */
const char *const *options_kinds(Arena *); /* the values of --emit */
const char *const *options_targets(Arena *);
const char *const *options_cpus(Arena *);
const char *const *options_slugs(Arena *, bool warnings); /* of warnings, or of all messages */
#endif
