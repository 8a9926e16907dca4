/* int8.h: what comparing nets of 8 bits shares: drawn ones (int8.c) and imported ones (models.c). */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_INT8_H
#define TEST_INT8_H
#include "check.h"

/* The sample's graph becomes that of 8 bits, by a file of weights; false after saying what is wrong. */
bool int8_quantize(Check *, const char *weights);
bool int8_whole_numbers(const Graph *); /* nothing is computed in floats */
/* Code and nests against check->forward. images: of them the interpreter, which is slow, has the first
 * ones. */
void int8_compare(Check *, const char *rounding, const char *weights, int64_t images);
#endif
