/* combine.h: the operands of add, subtract, multiply, divide and maximum: the current value, then named
 * values and numbers as they were written. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMBINE_H
#define CNNC_COMBINE_H
#include "kernel/map.h"

void combine_shape(ShapeContext *, Node *);
int combine_count(const Node *);                  /* operands, the current value included */
int combine_input(const Node *, int operand);     /* which of node->in it is, -1: a number */
double combine_number(const Node *, int operand); /* that number */
double combine_x(const Node *, int operand, const double *x);
Val combine_value(Map *, int operand);
bool combine_turns(const Node *);    /* op->traits.commutes of add and multiply */
bool combine_has_int8(const Node *); /* one for which Int8Combine has a form */
#endif
