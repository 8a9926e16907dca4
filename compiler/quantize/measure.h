/* measure.h: what a net of 8 bits loses, layer by layer. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MEASURE_H
#define CNNC_MEASURE_H
#include "base/table.h"
#include "graph/graph.h"

typedef struct Measured { /* of a value of the net of floats: sums of squares */
  bool there;             /* it is stored in 8 or 16 bits */
  double signal, noise;   /* of the value; of what it is off by */
  double alone; /* the same where what the layer reads is exact but for being stored: what it adds itself */
} Measured;

/* made: by node id of the net of floats, what has its value (quantize_graph). input: by input, [samples][h]
 * [w][c], as the caller has them. By node id of the net of floats. */
const Measured *measure_layers(Arena *, const Graph *floats, const float *weights, const Graph *bytes,
                               Node *const *made, int64_t samples, const double *const *input);
/* Cells and gates of the recurrent layers of the float net on samples: CellSeen (calibrate.h), by layer. */
const Table *measure_cells(Arena *, const Graph *floats, const float *weights, int64_t samples,
                           const double *const *input);
double measured_decibels(double signal, double noise); /* HUGE_VAL: there is no noise */
#endif
