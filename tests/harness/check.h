/* check.h: Interface of netcheck's parts, which compare a net's results with eval's. eval is the reference
 * interpreter of graphs, in double precision (reference/eval.h). */
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
  /* precision=bf16: largest permitted difference between eval's gradients and the gradients in floats */
  double rounding;
  int64_t streams; /* --stream: minimum number of step and window sizes that the net must support */
  const char *cut; /* name of an input without a gradient, although values depend on it; or NULL */
  bool f16w;       /* --precision=f16w */
  Share share;     /* selection of targets, levels and C compiler */
} Limits;

typedef struct Check {
  Sample sample;
  Limits limits;
  const char *work; /* directory for compiled code */
  /* Whether inputs contain NaN, infinities and denormals. Then schedules are chosen as with --exact, and
   * results must be NaN or infinite exactly where eval's are (but see may_spread). */
  bool special;
  bool infer;        /* inference only */
  bool rows;         /* values have a leading axis, so images are not interleaved */
  double *gradients; /* gradients of eval; NULL without a train block */
  GraphRun forward;  /* result of eval for inference */
  GraphRun far;      /* if `special`: result of sample_infer_far */
  GraphRun training; /* result of eval for training */
} Check;

enum { SEED = 11, STEP = 3 };

/* Prints a TAP line. */
void report(bool ok, const Check *, const char *what, double error, double limit);
void report_error(const Check *, const char *what, double error, double limit); /* ok if error <= limit */

/* Error of the float outputs of all images. */
double outputs_error(const Check *, float *const *output);
/* Whether this output may have NaN in more places than eval's output: a kernel before the output reads more
 * numbers than the formula of its operator needs. */
bool may_spread(const Check *, const Node *output);
/* Error of loss, gradients and outputs. The error of a parameter's gradient is relative to the gradient's
 * largest element. */
double training_error(const Check *, float loss, const float *gradients, float *const *output);
/* Threshold below which a gradient counts as 0: the fraction `part` of the magnitude of its summands. */
double gradient_floor(const Sample *, const GraphRun *, const Weight *, double part);
/* Accepted difference of a weight's gradient: a multiple of the largest change of the gradient if values are
 * rounded to floats. `moved` is the result of sample_round; if `moved` is NULL, the result is 0. */
double gradient_rounding(const Weight *, const double *moved);

/* ---- the interpreter ---- */
#define NEST_ERROR 1e-6 /* limit of errors: constants of nests are floats, all else is double */
/* Largest error of a machine's results: outputs, loss and gradients. */
double machine_error(const Check *, const Machine *, bool training);
/* slopes.c: largest error of the values of all layers and of the gradients of the inputs. */
double look_error(const Check *, const Program *);

/* Generates code for the target and level, and compiles it with the functions in `glue` to a library. NULL:
 * the compilation failed. */
void *compiled_glue(const Check *, const Target *, const char *level, const Text *glue);

/* ---- the checks ---- */
void check_compiled(Check *, const Target *, const char *level); /* compiled.c */
void check_foreign(Check *, const Target *);                     /* compiled.c */
void check_races(const Check *);                                 /* compiled.c */
void check_nests(Check *);                                       /* nests.c */
/* nests.c: checks inference with each schedule and each variant that tuning may choose */
void check_choices(Check *);
void check_accuracy(Check *);                             /* accuracy.c */
void accuracy_table(void);                                /* accuracy.c: prints the table of all errors */
void check_commands(Check *);                             /* commands.c */
void check_programs(Check *);                             /* programs.c */
void check_exchanges(const Check *);                      /* exchanges.c */
void check_elements(const Check *, const char *rounding); /* exchanges.c */
void check_differences(Check *);                          /* slopes.c */
void check_look(Check *);                                 /* slopes.c */
/* streams.c: checks steps and windows; nests: only in the interpreter */
void check_streams(Check *, bool nests);
void check_step_programs(Check *); /* streams.c: check_programs for the program of a step, and of a window */
/* int8.c: quantizes the net with random parameters, once for each rounding, and compares every output byte
 * with eval's. nests: only in the interpreter; then a net with float values is compared only if it has bf16
 * layers. */
void check_int8(Check *, bool nests);
/* calibrated.c: checks that the weights of a calibration are a complete int8 model. */
void check_calibrated(Check *);
/* aware.c: compares the outputs of QAT and of the int8 model that is quantized from the QAT weights. */
void check_aware(Check *);
/* models.c: checks an imported int8 model like check_int8, and compares the hash of each stored
 * value with the hash in the file `values`. */
void check_model(Check *, const char *weights, const char *rounding, const char *values);
#endif
