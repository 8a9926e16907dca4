/* measure.h: Quantization error of an int8 model, layer by layer; measurements of the float net's recurrent
 * layers and svdf layers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MEASURE_H
#define CNNC_MEASURE_H
#include "base/table.h"
#include "graph/graph.h"

typedef struct Measured { /* a value of the float net, compared with the int8 model */
  bool there;             /* the value was compared; false: no other member is set */
  double signal, noise;   /* sums of squares; signal: of the value; noise: of the value's error */
  double alone; /* like `noise`, but with the float net's values as operands: the layer's own error */
} Measured;

/* made: the int8 node for each float node id, from quantize_graph. input: for each input, [samples][h][w][c]
 * numbers, also if the caller's layout is CHW. Returns an array by float node id. */
const Measured *measure_layers(Arena *, const Graph *floats, const float *weights, const Graph *bytes,
                               Node *const *made, int64_t samples, const double *const *input);
/* Measurements of the float net's recurrent layers and svdf layers on samples. Returns a table of CellSeen
 * (calibrate.h), by layer name; NULL: no such layers, or no samples. */
const Table *measure_cells(Arena *, const Graph *floats, const float *weights, int64_t samples,
                           const double *const *input);
double measured_decibels(double signal, double noise); /* HUGE_VAL if signal or noise is 0 */
#endif
