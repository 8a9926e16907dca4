/* measure.h: Quantization error of an int8 model, layer by layer. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MEASURE_H
#define CNNC_MEASURE_H
#include "base/table.h"
#include "graph/graph.h"

typedef struct Measured { /* sums of squares of a value of the float net */
  bool there;             /* the value is stored as int8 or int16 */
  double signal, noise;   /* sum of squares of the value, and of its error */
  double alone; /* sum of squares of the error that the layer itself adds: its error on the float net's values
                   as operands */
} Measured;

/* made: the int8 node for each float node id, from quantize_graph. input: for each input, [samples][h][w][c]
 * numbers in the caller's layout. Returns an array by float node id. */
const Measured *measure_layers(Arena *, const Graph *floats, const float *weights, const Graph *bytes,
                               Node *const *made, int64_t samples, const double *const *input);
/* Measurements of the cells and gates of the float net's recurrent layers on samples: CellSeen (calibrate.h),
 * by layer. */
const Table *measure_cells(Arena *, const Graph *floats, const float *weights, int64_t samples,
                           const double *const *input);
double measured_decibels(double signal, double noise); /* HUGE_VAL if the noise is 0 */
#endif
