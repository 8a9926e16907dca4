/* int8_svdf.h: The sums over time of an int8 svdf. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_SVDF_H
#define CNNC_INT8_SVDF_H
#include "ops/int8/int8.h"

/* The input has the features of all rows, int8 or int16. In node->window, the kernel is the memory, and
 * `before` is the number of padding rows before the first row. */
typedef struct Int8Svdf {
  Rounding rounding;
  Stored stored;
  const int16_t *weight; /* [features][memory] */
  const int32_t *bias;   /* by unit */
  Multiplier factor;
} Int8Svdf;
extern const Op op_int8_svdf;
#endif
