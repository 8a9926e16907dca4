/* int8_cost.h: Common part of all int8 vector schedules: checks whether they support a kernel, and predicted
 * cycles. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_COST_H
#define CNNC_INT8_COST_H
#include "schedule/int8/int8_words.h"

/* Whether the kernel's root has the operator `op`, and vector schedules support the kernel. They do not
 * support int16 activations, a leading axis or batched kernels, nor targets that use the schedules of dsp.h
 * or have no int8 products (DOT_NONE). */
bool int8_takes(const Lower *, const Op *);
bool int8_by_channel(const Correlation *); /* whether the layer is depthwise: each channel is a group */
/* The reason why products of words of kind `Dot` are not supported for the correlation, or NULL. */
const char *int8_refused(const Lower *, Dot, const Int8Product *, const Correlation *);
const char *int8_product_refused(const Lower *); /* int8_refused for a node of op_int8_product */
/* Cycles of `products` vector products and `others` other vector operations, at two products or four other
 * operations per cycle, and of the loads of the weights. If several of these schedules support a layer, they
 * pack its weights in the same way for all targets of the generated file. So the schedule can be chosen for
 * each target separately, by the cycles on that target. */
Cycles int8_cycles(const Lower *, const Correlation *, double products, double others);
/* Number of vector products of a direct convolution, in units of a product of two int16 per lane; faster
 * kinds of products count as less than 1. */
double int8_direct_products(const Lower *, const Correlation *);
#endif
