/* bench_check.h: Numbers that distort a measurement of `net bench`: NaN, infinities, subnormal numbers. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_BENCH_CHECK_H
#define CNN_BENCH_CHECK_H
#include "cnn.h"
#include "hosted/data/batch.h"

typedef struct cnn_bench_warnings {
  char line[4][600];
  int32_t count;
} cnn_bench_warnings;

/* Adds a warning if a number of an output is NaN or infinite. */
void cnn_bench_check_outputs(cnn_bench_warnings *warnings, const cnn_network *network, float *const *output,
                             int32_t samples);
/* Computes the values of all layers for the first sample with the code for inspection. Adds a warning with
 * the layers that have more than a thousandth of subnormal numbers. False: not checked, because the net
 * has no such code, or memory runs out. */
bool cnn_bench_check_layers(cnn_bench_warnings *warnings, const cnn_network *network, const float *weights,
                            const cnn_batch *batch);
/* The same for the gradients of the weights. */
void cnn_bench_check_gradients(cnn_bench_warnings *warnings, const cnn_network *network,
                               const float *gradients);
#endif
