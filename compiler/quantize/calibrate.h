/* calibrate.h: scales, zeros and weights of 8 bits for a net of floats whose values were observed on data. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CALIBRATE_H
#define CNNC_CALIBRATE_H
#include "base/table.h"
#include "exchange/arrays.h"
#include "graph/graph.h"

typedef struct Observed { /* of a value, by the name of its layer or input */
  const char *name;
  double lo, hi; /* 0 is among them */
  int bins, channels;
  const double *count, *mean; /* by bin between lo and hi; by channel */
} Observed;

typedef enum RangeKind {
  RANGE_MSE,        /* the cut with the least squared error, of 128 */
  RANGE_MINMAX,     /* all that was seen */
  RANGE_PERCENTILE, /* without so much at each end */
} RangeKind;

typedef struct Calibration {
  RangeKind range;
  double percentile;
  bool per_tensor;    /* weights have one scale, not one a filter */
  bool no_correction; /* of the bias, for what rounding the weights moves the mean of each channel */
  const char *rounding;
} Calibration;

typedef struct Range {
  double lo, hi, cut; /* cut: the part of what was seen that lies outside */
} Range;
Range range_of(const Calibration *, const Observed *);

/* A value that is stored, for those who want to know. */
typedef struct Chosen {
  const char *name;
  float scale;
  int zero;
  double cut;
  int64_t bytes_before, bytes; /* of its weights */
  int dead;                    /* filters that became zeros */
} Chosen;
typedef struct Calibrated {
  Arrays arrays;
  VEC(Chosen) chosen;
  const char *missing; /* a value that was not observed, or NULL */
  const char *shares;  /* a layer with the weights of another one, whose bias has another unit; or NULL */
} Calibrated;

/* weights: in floats, as the weights struct; observed: of Observed, by name. */
Calibrated *calibrate(Arena *, const Graph *, const float *weights, const Table *observed,
                      const Calibration *);
#endif
