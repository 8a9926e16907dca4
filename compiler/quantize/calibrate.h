/* calibrate.h: Calibration: chooses scales, zero points and int8 weights for a float net from ranges of its
 * values. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CALIBRATE_H
#define CNNC_CALIBRATE_H
#include "base/table.h"
#include "base/arrays.h"
#include "graph/graph.h"

typedef struct Observed { /* statistics of the value of a layer or net input */
  const char *name;
  double lo, hi; /* the observed range, extended to include 0 */
  int bins, channels;
  const double *count, *mean; /* count: per bin between lo and hi; mean: per channel */
} Observed;

typedef enum RangeKind {
  RANGE_MSE,        /* the clipping range with the smallest squared error, of 128 candidates */
  RANGE_MINMAX,     /* minimum and maximum */
  RANGE_PERCENTILE, /* clips a fraction of the elements at each end */
  RANGE_ENTROPY,    /* the clipping range with the smallest KL divergence, of 113 candidates; for int16
                       values, the same as RANGE_MINMAX */
} RangeKind;

/* Measurements of a recurrent layer or an svdf on the samples. */
typedef struct CellSeen {
  double most; /* lstm: the largest |c|; svdf: the largest |feature| */
  /* fraction of the gates' sums that are outside of -8 .. 8, where sigmoid and tanh are flat */
  double clamped;
} CellSeen;

typedef struct Calibration {
  RangeKind range;
  double percentile;
  bool per_tensor;    /* one weight scale per layer, not per filter */
  bool reduced;       /* 7-bit weights: -64 to 64 */
  bool no_correction; /* no bias correction for the mean shift that weight rounding causes */
  const char *rounding;
  const Table *keep;  /* names of layers that stay float */
  const Table *wide;  /* names of values stored as int16 */
  bool all_wide;      /* all values that can be int16 are int16 */
  bool bf16;          /* layers that stay float have precision=bf16, unless the program says otherwise */
  const Table *cells; /* CellSeen by layer; NULL: no samples, or no recurrent layers */
} Calibration;

typedef struct SeenRange {
  double lo, hi, cut; /* cut: fraction of the observed elements that saturate */
} SeenRange;
SeenRange range_of(const Calibration *, const Observed *, bool wide);

/* The chosen scale of a value, or the decision that a layer stays float. */
typedef struct Chosen {
  const char *name;
  const Node *node, *last; /* of the float net: the node, and the last node fused after it */
  const Node *seen;        /* the node whose observed range is used; NULL: no observed range is used */
  bool kept;               /* the layer stays float; `scale` and `zero` are not set */
  bool wide;               /* stored as int16 */
  float scale;
  int zero;
  double cut;
  bool gates;                  /* cut is the fraction of the gates' sums outside of -8 .. 8; if the layer
                                  stays float: this is the reason */
  int64_t bytes_before, bytes; /* size of the layer's weights as f32, and after quantization */
} Chosen;
typedef struct Calibrated {
  Arrays arrays;
  VEC(Chosen) chosen;
  VEC(const Node *) norms; /* batchnorms that are folded into layers */
  VEC(const char *) inner; /* int16 values within layers: features of svdf */
  const char *missing;     /* a value that was not observed, or NULL */
} Calibrated;

/* Cross-layer equalization, in place; returns the number of layer pairs. The float net with the new weights
 * computes the same function. */
int equalize(Arena *, const Graph *, float *weights);

/* Whether the node is a convolution, dense layer, recurrent layer or svdf. Calibration.keep can keep these
 * layers float. */
bool calibrate_is_layer(const Node *);
bool calibrate_has_bf16(const Calibration *,
                        const Node *); /* whether a float layer multiplies bf16 numbers */

/* Whether the node shares a parameter with another live node; uses: the result of graph_live. */
bool weights_are_shared(const Graph *, const int *uses, const Node *);

/* Whether the value can be int16: a float input, or the value of a convolution, dense layer or matmul, or a
 * sum, difference or product of values. */
bool calibrate_can_widen(const Node *);

/* weights: float, as in the weights struct; observed: table of Observed, by name. If both are NULL, the
 * function only determines which values have a scale, and the arrays of the result are undefined. */
Calibrated *calibrate(Arena *, const Graph *, const float *weights, const Table *observed,
                      const Calibration *);

/* ---- qat.c: quantization-aware training ---- */
/* Adds the parameters of QAT to a graph, and marks the nodes that round. */
void aware_prepare(Graph *);
/* Table of Observed, by name, from the ranges that training stored in the weights. NULL: no ranges, or
 * training ended before rounding began. */
const Table *aware_ranges(Arena *, const Graph *, const float *weights);
#endif
