/* measure.h: Quantization error of an int8 model, layer by layer; measurements of the float net's recurrent
 * layers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MEASURE_H
#define CNNC_MEASURE_H
#include "base/table.h"
#include "graph/graph.h"

typedef struct Measured { /* sums of squares of a value of the float net */
  bool there;             /* the value is stored as int8 or int16 */
  double signal, noise;   /* sums of squares; signal: of the value; noise: of the value's error */
  double alone; /* sum of squares of the layer's own error: of the error of its value when its operands have
                   the float net's values */
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
