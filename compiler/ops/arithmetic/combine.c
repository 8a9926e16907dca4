/* combine.c: Operands of add, multiply and similar operators: values or numbers. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/arithmetic/combine.h"

/* The argument in the source for operand 1, 2, ...: a value or a number, as in add(x, 2). */
static const Const *written_constant(const Node *node, int operand) {
  const Const *x = arg_const(node, "x");
  return x->kind == CONST_LIST ? &x->items[operand - 1] : x;
}

int combine_count(const Node *node) {
  const Const *x = arg_const(node, "x");
  return x->kind == CONST_NONE ? node->nin
                               : 1 + (x->kind == CONST_LIST ? x->n : 1); /* NONE: a pass created the node */
}

bool combine_turns(const Node *node) {
  return node->nin == 2 && combine_count(node) == 2 && shape_equal(node->in[0]->shape, node->in[1]->shape);
}

bool combine_has_int8(const Node *node) {
  const Int8Form form = node->op->traits.int8;
  if (form != INT8_SUM && form != INT8_DIFFERENCE && form != INT8_MULTIPLY) return false;
  return node->nin >= 2 && combine_count(node) == node->nin && (form == INT8_SUM || node->nin == 2);
}

int combine_input(const Node *node, int operand) {
  if (!operand || arg_const(node, "x")->kind == CONST_NONE) return operand;
  if (written_constant(node, operand)->kind != CONST_VALUE) return -1;
  int in = 1;
  for (int i = 1; i < operand; i++) in += written_constant(node, i)->kind == CONST_VALUE;
  return in;
}

double combine_number(const Node *node, int operand) {
  const Const *x = written_constant(node, operand);
  return x->kind == CONST_INT ? (double)x->i : x->f;
}

double combine_x(const Node *node, int operand, const double *x) {
  const int in = combine_input(node, operand);
  return in < 0 ? combine_number(node, operand) : x[in];
}

Val combine_value(Map *m, int operand) {
  const int in = combine_input(m->node, operand);
  return in < 0 ? num(m->b, combine_number(m->node, operand)) : m->x[in];
}

void combine_shape(ShapeContext *context, Node *node) {
  if (combine_count(node) > 1000)
    op_error(context, node, DIAG_too_many_arguments, "%s of %d operands", node->op->name,
             combine_count(node));
  else map_shape_operands(context, node);
}
