/* out_index.c: operators of indices, out to ONNX, which has them as whole numbers. */
// SPDX-License-Identifier: Apache-2.0
#include "export/onnx_out.h"
#include "ops/index/index.h"

static const char *out_cast(OnnxOut *o, const char *x, TensorType to) {
  const char *y = out_one(o, "Cast", x);
  out_int(o, "to", to);
  return y;
}

const char *export_argmax(OnnxOut *o, const Node *node) {
  (void)node;
  const char *y = out_one(o, "ArgMax", out_input(o, 0));
  out_int(o, "axis", 1);
  out_int(o, "keepdims", 1);
  return out_cast(o, y, TENSOR_FLOAT);
}

const char *export_topk(OnnxOut *o, const Node *node) {
  const int64_t k = arg_int(node, "k"), row[] = {0, 1, k};
  const char *values = out_two(o, "TopK", out_input(o, 0), out_list(o, "k", 1, &k));
  out_int(o, "axis", 1);
  out_int(o, "largest", arg_bool(node, "largest"));
  const char *indices = out_cast(o, out_also(o, "indices"), TENSOR_FLOAT);
  const char *y = out_two(o, "Concat", out_reshape(o, values, 3, row), out_reshape(o, indices, 3, row));
  out_int(o, "axis", 1);
  return y;
}

/* Is a value a whole number below `count` wherever it comes from? Other indices are cut to that first. */
static bool is_index_below(const Node *value, int64_t count) {
  const Node *from = value;
  while (from->op->family == FAMILY_ALIAS) from = from->in[0];
  if (from->op == &op_argmax) return shape_extent(from->in[0]->shape).c <= count;
  const bool column = from->op->traits.channel_slice && from->in[0]->op == &op_topk &&
                      from->op->traits.channel_slice(from) == 1;
  return column && shape_row_elements(from->in[0]->in[0]->shape) <= count;
}

/* An input as whole numbers from 0 to count - 1. */
static const char *out_indices(OnnxOut *o, const Node *node, int input, int64_t count) {
  const char *x = out_input(o, input);
  if (!is_index_below(node->in[input], count)) {
    const char *const in[] = {x, out_number(o, "first", 0), out_number(o, "last", (double)(count - 1))};
    x = out_node(o, "Clip", 3, in);
  }
  return out_cast(o, x, TENSOR_INT64);
}

const char *export_gather(OnnxOut *o, const Node *node) {
  const Shape in = node->in[0]->shape;
  const Extent e = shape_extent(in);
  const int64_t k = node->shape.dim[0], row[] = {0, 1, k}, pixels[] = {0, e.c, e.h * e.w};
  const bool vector = in.rank == 1, each = arg_bool(node, "each");
  const char *x = out_input(o, 0), *index = out_indices(o, node, 1, vector ? e.c : e.h * e.w);
  if (in.rank == 3) x = out_reshape(o, x, 3, pixels);
  if (vector) {
    if (node->in[1]->shape.rank == 2) index = out_reshape(o, index, 2, (const int64_t[]){0, k});
    const char *y = out_two(o, "GatherElements", x, index);
    out_int(o, "axis", 1);
    return out_reshape(o, y, 3, row);
  }
  if (!each || node->in[1]->shape.rank == 1) {
    if (node->in[1]->shape.rank == 1) index = out_reshape(o, index, 3, row);
    index = out_two(o, "Expand", index, out_list(o, "all", 3, (const int64_t[]){1, e.c, k}));
  }
  const char *y = out_two(o, "GatherElements", x, index);
  out_int(o, "axis", 2);
  return y;
}
