/* int8_cost.h: int8 vector schedules as candidates: the kernels that they support, the reasons why not,
 * and their predicted cycles. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_COST_H
#define CNNC_INT8_COST_H
#include "schedule/int8/int8_words.h"

/* Is it a kernel of this operator that schedules for vectors compute? Layers with int16 activations and other
 * kinds of kernels have reference schedules alone. */
bool int8_takes(const Lower *, const Op *);
bool int8_by_channel(const Correlation *); /* depthwise: each channel by itself */
/* Why no schedule computes products of words of this kind with that geometry; NULL: they can be. */
const char *int8_refused(const Lower *, Dot, const Int8Product *, const Correlation *);
const char *int8_product_refused(const Lower *); /* of an op_int8_product, with the words of the layer */
/* Operations on vectors, of which two products, or four others, run in a cycle. The weights are packed in one
 * way for all targets of the file, so each target chooses by its own cycles. */
Cycles int8_cycles(const Lower *, const Correlation *, double products, double others);
/* Products of a direct convolution, each of two int16 in a lane or as much time. */
double int8_direct_products(const Lower *, const Correlation *);
#endif
