/* standardize.h: what layernorm, groupnorm and instancenorm share: h = (x - mean) / sqrt(variance + epsilon),
 * with mean and biased variance of a group of elements of one value, then h * weight + bias by channel. In
 * training the two are nodes of their own, so that element-wise gradients serve for weight and bias. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_STANDARDIZE_H
#define CNNC_STANDARDIZE_H
#include "ops/engine/lower.h"

typedef struct Groups {
  bool by_pixel;    /* the channels of each pixel; else all pixels of some channels */
  int64_t channels; /* of a group */
} Groups;
typedef Groups GroupsOf(const Node *forward);

#define STANDARDIZE_PARAMS                                                                                   \
  {"epsilon", PARAM_NUMBER, "1e-5", "added to the variance", 0, 1e6, NULL},                                  \
      {"init", PARAM_INIT, "ones", "the factors at the start", 0, 0, NULL},                                  \
      {"bias_init", PARAM_INIT, "zeros", "the constants at the start", 0, 0, NULL}, {0}

void standardize_shape(ShapeContext *, Node *); /* a weight and a bias a channel; the input's shape */
void standardize_run(const Eval *, GroupsOf *); /* input x; with weight and bias where the op has params */
void standardize_lower(Lower *, GroupsOf *);
void standardize_back_run(const Eval *, GroupsOf *); /* inputs dy, x */
void standardize_back_lower(Lower *, GroupsOf *);
void standardize_gradient(Gradient *, Node *, Node *dy, const Op *back);
void standardize_affine_gradient(Gradient *, Node *, Node *dy, const Op *back);
Node *standardize_train(Graph *, Node *, const Op *standardized);
#endif
