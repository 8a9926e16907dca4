/* quantizing.h: `cnnc quantize` on its way. Private to quantize.c, quantize_run.c and quantize_tell.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTISING_H
#define CNNC_QUANTISING_H
#include "backend/observed.h"
#include "base/diag.h"
#include "quantize/calibrate.h"
#include "quantize/measure.h"
#include "sema/sema.h"

/* What the test of the data says of a program. */
typedef struct Judgement {
  const char *metric; /* NULL: nothing */
  double value;
  bool share; /* of 1: told in per cent */
} Judgement;

typedef struct Quantizing {
  Arena *arena;
  Sources sources;
  Diags *diags;
  const char *program, *weights, *data, *output, *samples, *cc, *runtime, *work, *report, *threads;
  Calibration how;
  Table keep, wide;
  VEC(const char *) keeps, directories;
  Defines defines;
  bool help, no_equalize, wrong; /* wrong: what the command line asks for */
  bool failed;                   /* a program that was run, which has printed why */
  bool calibrates;               /* --calibrate: ranges are chosen from data in any case */
  double most_lost;              /* points; below 0: any */

  const Graph *graph;
  float *values;       /* the weights, equalized */
  int equalized;       /* between how many pairs of layers */
  const Table *ranges; /* as training for 8 bits left them; NULL: they are chosen from data */
  Observations seen;
  const Calibrated *made;
  const Measured *measured; /* by node id; of the last `made` */
  Judgement before, after;
} Quantizing;

bool quantize_failed(Quantizing *, const char *why); /* reports it, where it is not NULL; false */

/* ---- quantize_run.c: programs that cnnc builds ---- */
bool quantize_build(Quantizing *, const char *weights, const char *program); /* weights: of 8 bits, or NULL */
bool quantize_observe(Quantizing *, const char *program, const char *weights);
/* False where the data has no test for the net. */
bool quantize_judge(Quantizing *, const char *program, const char *weights, Judgement *);
double quantize_lost(const Quantizing *); /* in points, or what a metric that is no share has moved by */

/* ---- quantize_tell.c ---- */
void quantize_warn(Quantizing *); /* [saturating-layer] */
void quantize_tell(const Quantizing *);
bool quantize_report(Quantizing *); /* --report */
#endif
