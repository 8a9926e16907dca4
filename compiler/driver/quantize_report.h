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

/* Result of evaluating a program on the data. */
typedef struct Judgement {
  const char *metric; /* NULL: nothing */
  double value;
  bool share; /* a fraction of 1: printed in percent */
} Judgement;

typedef struct Quantizing {
  Arena *arena;
  Sources sources;
  Diags *diags;
  const char *program, *weights, *data, *output, *samples, *cc, *runtime, *work, *report, *threads;
  Calibration how;
  Table keep, wide;
  WordList keeps, directories;
  Defines defines;
  bool help, no_equalize, wrong; /* wrong: an error on the command line */
  bool failed;                   /* a program failed, and has printed the reason */
  bool calibrates;               /* --calibrate: ranges are always chosen from data */
  double most_lost;              /* points; below 0: any */

  const Graph *graph;
  float *values;       /* the equalized weights */
  int equalized;       /* number of equalized pairs of layers */
  const Table *ranges; /* ranges from QAT; NULL: chosen from data */
  Observations seen;
  const Calibrated *made;
  const Measured *measured; /* by node id; of the last `made` */
  Judgement before, after;
} Quantizing;

double quantize_lost(const Quantizing *); /* in points, or the change of a metric that is not a fraction */
void quantize_warn(Quantizing *);         /* [saturating-layer] */
void quantize_print(const Quantizing *);
bool quantize_report(Quantizing *); /* --report */
#endif
