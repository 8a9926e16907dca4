/* int8.h: Comparison of int8 models: random models (int8.c) and imported models (models.c). */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_INT8_H
#define TEST_INT8_H
#include "check.h"

/* Converts the sample's graph to an int8 model with the weight file `weights`; false after printing an
 * error. */
bool int8_quantize(Check *, const char *weights);
bool int8_whole_numbers(const Graph *); /* whether no value is computed in float */
/* Compares the results of compiled code and of nests in the interpreter with check->forward. images: number
 * of images for the interpreter, which is slow. */
void int8_compare(Check *, const char *rounding, const char *weights, int64_t images);
#endif
