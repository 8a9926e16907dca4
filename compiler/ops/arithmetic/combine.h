/* combine.h: Operands of add, subtract, multiply, divide, maximum and minimum: the current value, then named
 * values and numbers as in the source. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMBINE_H
#define CNNC_COMBINE_H
#include "kernel/map.h"

void combine_shape(ShapeContext *, Node *);
int combine_count(const Node *);                  /* number of operands, including the current value */
int combine_input(const Node *, int operand);     /* index in node->in; -1: the operand is a number */
double combine_number(const Node *, int operand); /* the operand, which must be a number */
double combine_x(const Node *, int operand, const double *x);
Val combine_value(Map *, int operand);
bool combine_turns(const Node *);    /* op->traits.commutes: whether the two operands can be exchanged */
bool combine_has_int8(const Node *); /* whether ops/int8/int8_combine.c supports the node */
#endif
