/* standardize.h: Common code of layernorm, groupnorm and instancenorm: h = (x - mean) / sqrt(variance +
 * epsilon), then h * weight + bias, with one weight and bias per channel. Mean and biased variance are those
 * of a group of elements of one image's value. In training, h and h * weight + bias are separate nodes, so
 * that element-wise gradients handle weight and bias. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_STANDARDIZE_H
#define CNNC_STANDARDIZE_H
#include "kernel/lower.h"

typedef struct Standardize { /* the detail of a node, and of its hidden nodes */
  bool by_pixel;    /* true: a group is all channels of one pixel; false: `channels` channels of all pixels */
  int64_t channels; /* channels per group */
  /* standardized: computes h in training; back: computes the gradient of x from the gradient of h */
  const Op *standardized, *back;
} Standardize;

#define STANDARDIZE_PARAMS                                                                                   \
  {"epsilon", PARAM_NUMBER, "1e-5", "added to the variance", 0, 1e6, NULL},                                  \
      {"init", PARAM_INIT, "ones", "initial factors", 0, 0, NULL},                                           \
      {"bias_init", PARAM_INIT, "zeros", "initial constants", 0, 0, NULL}, {0}

/* Adds one weight and one bias per channel; the result has the input's shape. */
void standardize_shape(ShapeContext *, Node *, Standardize);
void standardize_run(const Eval *);      /* input x; a hidden node only computes h, without weight and bias */
void standardize_back_run(const Eval *); /* inputs dy, x */
void standardize_lower(Lower *);         /* the nests of standardize_run and standardize_back_run */
void standardize_gradient(Gradient *, Node *, Node *dy); /* adds the gradient of x; dy: gradient of h */
void standardize_affine_gradient(Gradient *, Node *, Node *dy);
Node *standardize_train(Graph *, Node *);

/* Three macros with the Op members of three operators: layernorm (or groupnorm, instancenorm), the hidden
 * operator that computes h, and the hidden operator that computes the gradient of x. */
#define STANDARDIZE_OPERATOR                                                                                 \
  .eval = standardize_run, .gradient = standardize_affine_gradient, .train = standardize_train,              \
  .lower = standardize_lower
#define STANDARDIZE_TRAINED                                                                                  \
  .eval = standardize_run, .gradient = standardize_gradient, .lower = standardize_lower
#define STANDARDIZE_BACK .eval = standardize_back_run, .lower = standardize_lower
#endif
