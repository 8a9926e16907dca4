/* map.h: Elementwise operators, y = f(x0, x1, ...). The operator defines f and its derivatives twice, for
 * numbers (eval) and for values of a nest. From f and its derivatives, map.c derives eval, the backward pass
 * and the nests. map.c also has the shape rules. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MAP_H
#define CNNC_MAP_H
#include "kernel/lower.h"

void map_shape(ShapeContext *, Node *);          /* one operand, which has the same shape as the result */
void map_shape_weighted(ShapeContext *, Node *); /* like map_shape, with one weight per channel, which the
                                                    argument init= initializes */
void map_shape_weight(ShapeContext *, Node *, const char *member,
                      bool decay); /* like map_shape_weighted, with `member` as the weight's name */
/* Several operands. An operand of shape 1x1xC (or a vector of C) is broadcast to every pixel, an operand of
 * shape HxWx1 to every channel. Otherwise the shapes must be equal. */
void map_shape_operands(ShapeContext *, Node *);
void map_run(const Eval *);                      /* op->eval */
void map_backward(Gradient *, Node *, Node *dy); /* op->gradient */
void map_backward_operand(Gradient *, Node *, Node *dy, int k, bool derivative_is_one);
uint32_t map_needs_x(const Node *, int wrt); /* for op->map_needs: the derivative reads only x[wrt] */
uint32_t map_needs_y(const Node *, int wrt);

extern const Op op_map_gradient;        /* inputs: dy, and the operands of the derivative; value: dy times
                                           the derivative with respect to x[wrt]; elementwise, so passes
                                           can fuse the node */
extern const Op op_map_weight_gradient; /* like op_map_gradient, but for a parameter: the products are summed
                                           over the pixels */
extern const Op op_sum_pixels; /* 1x1xC: the gradient of an operand that was broadcast to all pixels */

#define MAP_OPERATOR                                                                                         \
  .family = FAMILY_MAP, .traits.keeps_spatial = true, .eval = map_run, .gradient = map_backward,             \
  .lower = lower_plain_map

/* Macros for the heads of an operator's functions. They define the parameter names for the bodies. */
#define UNUSED __attribute__((unused))
#define MAP_EVAL(name)                                                                                       \
  static double name(UNUSED const Node *node, UNUSED const double *x, UNUSED const double *weight,           \
                     UNUSED int64_t c)
#define MAP_SLOPE(name)                                                                                      \
  static double name(UNUSED const Node *node, UNUSED const double *x, UNUSED double y,                       \
                     UNUSED const double *weight, UNUSED int64_t c, UNUSED int wrt)
#define MAP_VALUE(name) static Val name(Map *m)
#define MAP_GRADIENT(name) static Val name(UNUSED Map *m, UNUSED Val dy, UNUSED int wrt)
#define number(value) num(m->b, value)
#endif
