/* quantize_report.h: State of a run of `cnnc quantize`, and reports of its results. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_REPORT_H
#define CNNC_QUANTIZE_REPORT_H
#include "backend/observed.h"
#include "base/diag.h"
#include "flags.h"
#include "quantize/calibrate.h"
#include "quantize/measure.h"
#include "sema/sema.h"

/* Result of evaluating an executable on the test data. */
typedef struct Evaluation {
  const char *metric; /* NULL: there is none */
  double value;
  bool share; /* the value is a fraction, printed in percent */
} Evaluation;

typedef struct Quantizing {
  Arena *arena;
  Sources sources;
  Diags *diags;
  const char *program, *weights, *data, *output, *samples, *cc, *runtime, *work, *report, *threads;
  Calibration how;
  Table keep, wide;
  WordList keeps, directories, warnings;
  Defines defines;
  bool help, no_equalize, wrong; /* wrong: an error on the command line */
  bool failed;                   /* a step of the run failed; its message was printed or is in diags */
  bool calibrates;               /* --calibrate: ranges from data even after QAT */
  double max_loss;               /* --max-loss in percentage points; negative: no limit */

  const Graph *graph;
  float *values;       /* the weights, after equalization */
  int equalized;       /* number of equalized pairs of layers */
  const Table *ranges; /* ranges from QAT; NULL: chosen from data */
  Observations seen;
  const Calibrated *made;
  const Measured *measured; /* by node id: the errors with the scales in `made` */
  Evaluation before, after;
} Quantizing;

double accuracy_loss(
    const Quantizing *); /* loss in percentage points; for a metric that is not a fraction, after - before */
void quantize_warn(Quantizing *); /* warns about saturating layers */
void quantize_print(const Quantizing *);
bool quantize_report(Quantizing *); /* --report */
#endif
