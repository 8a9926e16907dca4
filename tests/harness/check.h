/* check.h: the parts of netcheck: what is compared with eval, and how far it may differ. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_CHECK_H
#define TEST_CHECK_H
#include "base/text.h"
#include "compare.h"
#include "machine.h"
#include "passes/plan.h"
#include "sample.h"
#include "share.h"
#include "target/target.h"

typedef struct Limits {
  int64_t images, batch;
  double tolerance, gradient, difference;
  int64_t streams; /* --stream: the least number of ways in which it is computed */
  const char *cut; /* an input that no gradient reaches, though values depend on it, or NULL */
  Share share;     /* targets, levels, C compiler */
} Limits;

typedef struct Check {
  Sample sample;
  Limits limits;
  const char *work; /* a directory for compiled code */
  /* inputs hold NaN, infinities and denormal numbers: no method that rounds differently, classes are
     compared */
  bool special;
  bool infer;        /* inference alone */
  bool rows;         /* values have a leading axis: images are not interleaved */
  double *gradients; /* eval's; NULL without a train block */
  GraphRun forward;  /* eval's runs: inference, training */
  GraphRun far;      /* special: inference, see sample_infer_far */
  GraphRun training;
} Check;

enum { SEED = 11, STEP = 3 };

/* A line of TAP. */
void report(bool ok, const Check *, const char *what, double error, double limit);
void report_error(const Check *, const char *what, double error, double limit); /* ok if error <= limit */

/* The error of outputs in floats: of the first `count` images of each output. */
double outputs_error(const Check *, float *const *output);
/* The error of loss, gradients and outputs; each parameter is held against its own scale. */
double training_error(const Check *, float loss, const float *gradients, float *const *output);
/* What counts as nothing in a gradient: `part` of the size of the terms that are summed up to it. */
double gradient_floor(const Sample *, const GraphRun *, const Weight *, double part);
/* What rounding to floats may make of a gradient, by sample_round; NULL: nothing. */
double gradient_rounding(const Weight *, const double *moved);

/* ---- the interpreter ---- */
#define NEST_ERROR 1e-6 /* constants of nests are floats, all else is double */
/* The largest error of what a machine has computed: outputs, loss and gradients. */
double machine_error(const Check *, const Machine *, bool training);
/* Of the values of all layers and the gradients of the inputs: slopes.c. */
double look_error(const Check *, const Program *);

/* The program for that target and level with these functions behind it, as a library; NULL: it failed. */
void *compiled_glue(const Check *, const Target *, const char *level, const Text *glue);

/* ---- the checks ---- */
void check_compiled(Check *, const Target *, const char *level); /* compiled.c */
void check_foreign(Check *, const Target *);                     /* compiled.c */
void check_races(const Check *);                                 /* compiled.c */
void check_nests(Check *);                                       /* nests.c */
void check_choices(Check *);                                     /* nests.c */
void check_accuracy(Check *);                                    /* accuracy.c */
void accuracy_table(void);                                       /* accuracy.c: of all programs */
void check_commands(Check *);                                    /* commands.c */
void check_programs(Check *);                                    /* programs.c */
void check_exchanges(const Check *);                             /* exchanges.c */
void check_elements(const Check *, const char *rounding);        /* exchanges.c */
void check_differences(Check *);                                 /* slopes.c */
void check_look(Check *);                                        /* slopes.c */
void check_streams(Check *);                                     /* streams.c */
/* int8.c: the program quantized at random, by each rounding: every byte as eval has it. */
void check_int8(Check *, bool nests); /* nests: in the interpreter alone, of any program */
/* aware.c: training for 8 bits, as its weights say that it rounds, against the net of 8 bits. */
void check_aware(Check *);
/* An imported model: the same, and each stored value against hashes of a reference. */
void check_model(Check *, const char *weights, const char *rounding, const char *values);
#endif
