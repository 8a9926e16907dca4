/* calibrate.h: scales, zeros and weights of 8 and 16 bits for a net of floats whose values were observed on
 * data. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CALIBRATE_H
#define CNNC_CALIBRATE_H
#include "base/table.h"
#include "base/arrays.h"
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
  RANGE_ENTROPY,    /* the cut whose 8 bits tell most of what was seen (Kullback and Leibler), of 128 */
} RangeKind;

/* Measurements of a recurrent layer on the samples. */
typedef struct CellSeen {
  double most;    /* of an lstm: the largest |c| */
  double clamped; /* fraction of the sums of gates beyond -8 .. 8, where sigmoid and tanh are flat */
} CellSeen;

typedef struct Calibration {
  RangeKind range;
  double percentile;
  bool per_tensor;    /* weights have one scale, not one a filter */
  bool reduced;       /* weights have 7 bits: -64 to 64 */
  bool no_correction; /* of the bias, for what rounding the weights moves the mean of each channel */
  const char *rounding;
  const Table *keep;  /* names of layers that stay in floats */
  const Table *wide;  /* names of values that get 16 bits */
  bool all_wide;      /* all do that can */
  const Table *cells; /* CellSeen by layer; NULL: there were no samples */
} Calibration;

typedef struct SeenRange {
  double lo, hi, cut; /* cut: the part of what was seen that lies outside */
} SeenRange;
SeenRange range_of(const Calibration *, const Observed *, bool wide);

/* A value that is stored, for those who want to know. */
typedef struct Chosen {
  const char *name;
  const Node *node, *last; /* of the net of floats: the layer, and the last that is fused into it */
  const Node *seen;        /* the value whose numbers it has a range for; NULL: what it can be is known */
  bool kept;               /* it stays in floats: it has no scale */
  bool wide;               /* it has 16 bits */
  float scale;
  int zero;
  double cut;
  int64_t bytes_before, bytes; /* of its weights */
} Chosen;
typedef struct Calibrated {
  Arrays arrays;
  VEC(Chosen) chosen;
  VEC(const Node *) norms; /* batchnorms that are folded into layers */
  const char *missing;     /* a value that was not observed, or NULL */
} Calibrated;

/* Moves what channels are multiplied by between layers, in place; between how many pairs of them. The net of
 * floats stays what it is. */
int equalize(Arena *, const Graph *, float *weights);

/* Layers with weights, which can stay in floats. */
bool calibrate_is_layer(const Node *);

/* uses: graph_live. Whether another node that is computed has one of its parameters, too. */
bool weights_are_shared(const Graph *, const int *uses, const Node *);

/* Values for which 16 bits can be chosen: of layers, sums and products of two values, inputs of floats. */
bool calibrate_can_widen(const Node *);

/* weights: in floats, as the weights struct; observed: of Observed, by name. Both NULL: which values have a
 * scale is all that is asked; its arrays are of no use then. */
Calibrated *calibrate(Arena *, const Graph *, const float *weights, const Table *observed,
                      const Calibration *);

/* ---- qat.c: training for 8 bits ---- */
/* The parameters that it adds to a net, and what is rounded at its nodes. */
void aware_prepare(Graph *);
/* Of Observed, as training left the ranges in the weights. NULL: they have none, or training ended before it
 * rounded. */
const Table *aware_ranges(Arena *, const Graph *, const float *weights);
#endif
