/* int8_cost.h: int8 vector schedules as candidates: the kernels that they support, the reasons why other
 * kernels are unsupported, and predicted cycles. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_COST_H
#define CNNC_INT8_COST_H
#include "schedule/int8/int8_words.h"

/* Whether this is a kernel of the operator `op` that vector schedules support. Layers with int16
 * activations, and other kinds of kernels, only have reference schedules. */
bool int8_takes(const Lower *, const Op *);
bool int8_by_channel(const Correlation *); /* depthwise: each channel is a group */
/* The reason why products of words of kind `Dot` are not supported for the correlation, or NULL. */
const char *int8_refused(const Lower *, Dot, const Int8Product *, const Correlation *);
const char *int8_product_refused(const Lower *); /* int8_refused for a node of op_int8_product */
/* Cycles of vector operations: per cycle, two products or four other operations. All targets of a file share
 * the packing of weights for these schedules, so each target can choose by its own cycles. */
Cycles int8_cycles(const Lower *, const Correlation *, double products, double others);
/* Products of a direct convolution, in units of two int16 per lane. */
double int8_direct_products(const Lower *, const Correlation *);
#endif
