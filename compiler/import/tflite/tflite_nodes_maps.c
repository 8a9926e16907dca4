/* tflite_nodes_maps.c: Conversion of TensorFlow Lite's elementwise operators, reductions, operators on
 * indices, and IF to ONNX nodes. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/tflite/tflite_nodes.h"

void nodes_none(Nodes *n) { nodes_refuse(n, n->onnx_name); }

static int inputs(Nodes *n, int *in) {
  int count = 0;
  for (int i = 0; i < n->op->nin && i < MOST_DIMS; i++) in[count++] = nodes_in(n, i);
  return count;
}

/* Converts an operator to one ONNX node with the same inputs. */
void nodes_same(Nodes *n) {
  int in[MOST_DIMS];
  nodes_finish(n, nodes_apply(n, n->onnx_name, inputs(n, in), in));
}

/* Converts an operator with any number of inputs to one ONNX node. */
void nodes_sum(Nodes *n) {
  int *in = NEW_ARRAY(n->arena, int, n->op->nin + 1);
  for (int i = 0; i < n->op->nin; i++) in[i] = nodes_in(n, i);
  nodes_finish(n, nodes_apply(n, n->onnx_name, n->op->nin, in));
}

void nodes_slope(Nodes *n) {
  const int made = nodes_apply_one(n, n->onnx_name, nodes_in(n, 0));
  onnx_set_float(n->arena, nodes_last(n), "alpha", n->op->code == TFL_ELU ? 1 : (double)n->op->beta);
  nodes_finish(n, made);
}

void nodes_gelu(Nodes *n) {
  const int made = nodes_apply_one(n, "Gelu", nodes_in(n, 0));
  if (n->op->middle) onnx_set_text(n->arena, nodes_last(n), "approximate", "tanh");
  nodes_finish(n, made);
}

void nodes_clip(Nodes *n) {
  const int code = n->op->code;
  const int in[] = {nodes_in(n, 0), nodes_number(n, code == TFL_RELU_N1_TO_1 ? -1 : 0),
                    nodes_number(n, code == TFL_RELU6 ? 6 : 1)};
  nodes_finish(n, nodes_apply(n, "Clip", 3, in));
}

void nodes_rsqrt(Nodes *n) {
  nodes_finish(n, nodes_apply_one(n, "Reciprocal", nodes_apply_one(n, "Sqrt", nodes_in(n, 0))));
}

void nodes_square(Nodes *n) {
  const bool difference = n->op->code == TFL_SQUARED_DIFFERENCE;
  const int in[] = {nodes_in(n, 0), nodes_in(n, 1)}, x = difference ? nodes_apply(n, "Sub", 2, in) : in[0];
  const int twice[] = {x, x};
  nodes_finish(n, nodes_apply(n, "Mul", 2, twice));
}

/* FLOOR_DIV rounds integers down, but ONNX's Div truncates them, so the remainder is subtracted first. */
void nodes_floor_div(Nodes *n) {
  const int in[] = {nodes_in(n, 0), nodes_in(n, 1)};
  const TflTensor *x = nodes_tensor(n, 0);
  if (x && x->code == TFL_FLOAT32)
    return nodes_finish(n, nodes_apply_one(n, "Floor", nodes_apply(n, "Div", 2, in)));
  const int rest[] = {in[0], nodes_apply(n, "Mod", 2, in)};
  const int whole[] = {nodes_apply(n, "Sub", 2, rest), in[1]};
  nodes_finish(n, nodes_apply(n, "Div", 2, whole));
}

/* For example, a <= b becomes Not(Greater(a, b)). */
void nodes_not(Nodes *n) {
  const int in[] = {nodes_in(n, 0), nodes_in(n, 1)};
  nodes_finish(n, nodes_apply_one(n, "Not", nodes_apply(n, n->onnx_name, 2, in)));
}

void nodes_select(Nodes *n) {
  const int in[] = {nodes_in(n, 0), nodes_in(n, 1), nodes_in(n, 2)};
  const TflTensor *by = nodes_tensor(n, 0), *x = nodes_tensor(n, 1);
  if (n->op->code == TFL_SELECT && by && x && by->rank != x->rank && by->size != 1)
    return nodes_refuse(n, "its condition is a vector that selects whole rows");
  nodes_finish(n, nodes_apply(n, "Where", 3, in));
}

/* Adds an If node, whose inputs are the condition and the results of both branches. The nodes of the branches
 * precede the If node. */
void nodes_if(Nodes *n) {
  int *in = NEW_ARRAY(n->arena, int, n->op->nin + 1);
  for (int i = 0; i < n->op->nin; i++) in[i] = nodes_in(n, i);
  nodes_apply(n, "If", n->op->nin, in);
  OnnxNode *node = nodes_last(n);
  node->nout = n->op->nout;
  node->out = NEW_ARRAY(n->arena, int, node->nout + 1);
  for (int i = 0; i < node->nout; i++) node->out[i] = nodes_out(n, i);
}

void nodes_cast(Nodes *n) {
  static const struct {
    int code, onnx;
  } types[] = {{TFL_FLOAT32, TENSOR_FLOAT}, {TFL_FLOAT16, TENSOR_FLOAT16}, {TFL_INT32, TENSOR_INT32},
               {TFL_UINT8, TENSOR_UINT8},   {TFL_INT64, TENSOR_INT64},     {TFL_BOOL, TENSOR_BOOL},
               {TFL_INT16, TENSOR_INT16},   {TFL_INT8, TENSOR_INT8}};
  const TflTensor *out = &n->m->tensor[n->op->out[0]];
  if (nodes_complex(n)) return nodes_real(n);
  const int made = nodes_apply_one(n, "Cast", nodes_in(n, 0));
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i].code == out->code) onnx_set_int(n->arena, nodes_last(n), "to", types[i].onnx);
  nodes_finish(n, made);
}

/* ---- reductions ---- */
/* Returns input k as a list of axes. The input may also be a scalar: one axis. */
int nodes_axes(Nodes *n, int k) {
  const int64_t one[] = {-1};
  int64_t list[2 * MOST_DIMS];
  const int count = nodes_list(n, k, list);
  if (count >= 0) return nodes_integers(n, count, list);
  const int in[] = {nodes_in(n, k), nodes_integers(n, 1, one)};
  return nodes_rank(n, k) == 1 ? in[0] : nodes_apply(n, "Reshape", 2, in);
}

void nodes_reduce(Nodes *n) {
  if (!nodes_in(n, 1)) return nodes_refuse(n, "its axes are missing");
  const int in[] = {nodes_in(n, 0), nodes_axes(n, 1)};
  const int made = nodes_apply(n, n->onnx_name, 2, in);
  onnx_set_int(n->arena, nodes_last(n), "keepdims", n->op->keeps);
  onnx_set_int(n->arena, nodes_last(n), "noop_with_empty_axes", 1);
  nodes_finish(n, made);
}

void nodes_argmax(Nodes *n) {
  int64_t axis[2 * MOST_DIMS];
  if (nodes_list(n, 1, axis) != 1) return nodes_refuse(n, "its axis is not a constant");
  const int made = nodes_apply_one(n, n->onnx_name, nodes_in(n, 0));
  onnx_set_int(n->arena, nodes_last(n), "axis", axis[0]);
  onnx_set_int(n->arena, nodes_last(n), "keepdims", 0);
  nodes_finish(n, made);
}

/* ---- indices ---- */
void nodes_topk(Nodes *n) {
  int64_t k[2 * MOST_DIMS];
  if (nodes_list(n, 1, k) != 1 || n->op->nout != 2)
    return nodes_refuse(n, "its number of elements is not a constant");
  const int in[] = {nodes_in(n, 0), nodes_integers(n, 1, k)};
  nodes_apply(n, "TopK", 2, in);
  OnnxNode *node = nodes_last(n);
  node->out = NEW_ARRAY(n->arena, int, 2);
  node->nout = 2;
  for (int i = 0; i < 2; i++) node->out[i] = nodes_out(n, i);
}

void nodes_embedding(Nodes *n) {
  const int in[] = {nodes_in(n, 1), nodes_in(n, 0)};
  nodes_finish(n, nodes_apply(n, "Gather", 2, in));
}

/* Builds a OneHot of 1 and 0, then scales it to the operator's two numbers. */
void nodes_one_hot(Nodes *n) {
  static const int64_t two = 2;
  Tensor *ends = tensor_new(n->arena, TENSOR_FLOAT, 1, &two);
  tensor_put(ends, 1, 1);
  const int in[] = {nodes_in(n, 0), nodes_in(n, 1), nodes_constant(n, ends)};
  int hot = nodes_apply(n, "OneHot", 3, in);
  onnx_set_int(n->arena, nodes_last(n), "axis", n->op->axis);
  const int apart[] = {nodes_in(n, 2), nodes_in(n, 3)}, spread[] = {hot, nodes_apply(n, "Sub", 2, apart)};
  const int sum[] = {nodes_apply(n, "Mul", 2, spread), nodes_in(n, 3)};
  hot = nodes_apply(n, "Add", 2, sum);
  nodes_finish(n, hot);
}
