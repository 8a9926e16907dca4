/* op_table.c: Operators and losses by name: ops.def and losses.def as tables. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "ops/registry.h"

#define OP(name) extern const Op op_##name;
#include "ops/ops.def"
#undef OP

const Op *const op_table[] = {
#define OP(name) &op_##name,
#include "ops/ops.def"
#undef OP
    NULL,
};

const Op *op_find(const char *name) {
  for (int i = 0; op_table[i]; i++)
    if (!strcmp(op_table[i]->name, name)) return op_table[i];
  return NULL;
}

#define LOSS(name, ...) extern const Op op_loss_##name, op_loss_##name##_scale, op_loss_##name##_gradient;
#define SUMMED(name, ...) LOSS(name, __VA_ARGS__) extern const Op op_loss_##name##_slopes;
#define OBJECTS(name, ...) extern const Op op_loss_##name;
#include "ops/loss/losses.def"
#undef LOSS
#undef SUMMED
#undef OBJECTS

const Op *const loss_table[] = {
#define LOSS(name, ...) &op_loss_##name,
#define SUMMED(name, ...) &op_loss_##name,
#define OBJECTS(name, ...) &op_loss_##name,
#include "ops/loss/losses.def"
#undef LOSS
#undef SUMMED
#undef OBJECTS
    NULL,
};

const Loss losses[] = {
#define PARTS(name)                                                                                          \
  .op = &op_loss_##name, .scale = &op_loss_##name##_scale, .gradient = &op_loss_##name##_gradient
#define LOSS(name, ...) {PARTS(name), .absorbs = {__VA_ARGS__}},
#define SUMMED(name, ...) {PARTS(name), .slopes = &op_loss_##name##_slopes, .absorbs = {__VA_ARGS__}},
#define OBJECTS(name, ...) {.op = &op_loss_##name, __VA_ARGS__},
#include "ops/loss/losses.def"
#undef LOSS
#undef SUMMED
#undef OBJECTS
    {.op = NULL},
};

const Loss *loss_parts(const Op *op) {
  for (const Loss *loss = losses; loss->op; loss++)
    if (loss->op == op) return loss;
  return NULL;
}

int loss_operands(const Loss *loss, Node *value, Node **in) {
  const bool inside = loss && loss->inside && value->op == loss->inside;
  const int n = inside ? value->nin : 1;
  for (int i = 0; i < n; i++) in[i] = inside ? value->in[i] : value;
  for (int i = 0; loss && i < 4 && loss->absorbs[i]; i++)
    if (in[0]->op == loss->absorbs[i]) {
      in[0] = in[0]->in[0];
      break;
    }
  return n;
}

int64_t node_macs(const Node *node) {
  const Node *rows = node_forward(node);
  return node->op->cost ? shape_rows(rows->shape) * node->op->cost(node).macs : 0;
}

/* Description of a parameter's permitted values, for help and documents. */
const char *param_type_text(const Param *param) {
  switch (param->type) {
  case PARAM_INT: return "integer";
  case PARAM_NUMBER: return "number";
  case PARAM_BOOL: return "true or false";
  case PARAM_STRING: return "string";
  case PARAM_WINDOW: return "N, HxW or [h, w]";
  case PARAM_PAD: return "valid, same, causal, N, [h, w] or [t, b, l, r]";
  case PARAM_BORDER: return "N, [h, w] or [t, b, l, r]";
  case PARAM_REACH: return "N or [before, after]";
  case PARAM_CHOICE: return param->choices;
  case PARAM_INIT: return "initialization";
  case PARAM_CHANNELS: return "number, or a list with one per channel";
  case PARAM_NUMBERS: return "number, or a list of numbers";
  case PARAM_SHAPE: return "dimensions";
  case PARAM_RANGE: return "range lo..hi";
  case PARAM_LIST: return "list";
  case PARAM_VALUE: return "value";
  case PARAM_OPERAND: return "value or number";
  case PARAM_OPERANDS: return "values or numbers";
  case PARAM_VALUES: return "values";
  }
  return "";
}
