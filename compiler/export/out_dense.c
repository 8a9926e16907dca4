/* out_dense.c: ONNX export of dense layers and of flatten. ONNX flattens an image channel by channel. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "export/onnx_out.h"

/* Whether the elements of the vector may have another order: the vector is not an output, and all its users
 * work with any order. A dense layer can permute the columns of its weights, and an elementwise function
 * keeps the order. */
static bool order_is_free(const OnnxOut *o, const Node *vector) {
  if (out_is_output(o, vector)) return false;
  for (int i = vector->id + 1; i < o->graph->nodes.n; i++) {
    const Node *node = o->graph->nodes.data[i];
    for (int k = 0; o->reads[i] && k < node->nin; k++) {
      if (node->in[k] != vector || node->op->family == FAMILY_DENSE) continue;
      if (!out_keeps_order(node) || !order_is_free(o, node)) return false;
    }
  }
  return true;
}

const char *export_flatten(OnnxOut *o, const Node *node) {
  const char *x = out_input(o, 0);
  const Node *from = node->in[0];
  const Extent e = out_extent(from);
  if (from->shape.rank == 1) return x;
  if (e.h * e.w > 1 && e.c > 1 && !arg_is(node, "order", "chw")) {
    if (order_is_free(o, node)) o->flattened[node->id] = node;
    else x = out_channels_last(o, x, from->shape);
  }
  const char *y = out_one(o, "Flatten", x);
  out_int(o, "axis", 1);
  return y;
}

/* The weights with their columns in ONNX's order: channel by channel. */
static const char *moved_columns(OnnxOut *o, const Node *node, const Node *flatten) {
  const Weight *weight = node->weight[0];
  const Extent e = out_extent(flatten->in[0]);
  const int64_t units = weight->dim[0], pixels = e.h * e.w, columns = weight->dim[1];
  Text key = {.arena = o->arena};
  text_put(&key, "%s of %lld pixels", weight->name, (long long)pixels);
  const char *known = table_find(&o->initializers, key.s);
  if (known) return known;
  const NamedArray *whole = out_whole(o, weight);
  const size_t size = whole ? 1 : sizeof(float);
  const char *from = whole ? whole->data : (const void *)(o->numbers->weights + weight->offset);
  char *to = arena_alloc(o->arena, size * (size_t)(units * columns));
  for (int64_t u = 0; u < units; u++)
    for (int64_t c = 0; c < e.c; c++)
      for (int64_t p = 0; p < pixels; p++)
        memcpy(to + size * (size_t)(u * columns + c * pixels + p),
               from + size * (size_t)(u * columns + p * e.c + c), size);
  const char *name = whole ? out_dequantized(o, weight, whole, 2, weight->dim, to)
                           : out_named(o, weight->name, 2, weight->dim, (const float *)(const void *)to);
  table_set(o->arena, &o->initializers, key.s, (void *)(uintptr_t)name);
  return name;
}

const char *export_dense(OnnxOut *o, const Node *node) {
  const Node *in = node->in[0], *flatten = o->flattened[in->id];
  const char *x = out_input(o, 0);
  if (in->shape.rank > 1) x = out_shaped(o, x, shape_vector(out_extent(in).c));
  const char *weight = flatten ? moved_columns(o, node, flatten) : out_weight(o, 0, 2, node->weight[0]->dim);
  const char *const all[] = {x, weight, node->weight[1] ? out_weight(o, 1, 1, &node->weight[1]->size) : NULL};
  const char *y = out_node(o, "Gemm", node->weight[1] ? 3 : 2, all);
  out_int(o, "transB", 1);
  return y;
}
