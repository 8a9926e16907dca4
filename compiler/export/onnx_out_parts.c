/* onnx_out_parts.c: Nodes, attributes and constants of an exported model. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "export/onnx_out.h"

enum { ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT, ATTRIBUTE_TEXT, ATTRIBUTE_INTS = 7, ATTRIBUTE_TEXTS };

/* ---- names ---- */
static const char *unused(OnnxOut *o, const char *name) {
  const char *numbered = name;
  for (int n = 2; table_find(&o->names, numbered); n++) numbered = arena_printf(o->arena, "%s.%d", name, n);
  table_set(o->arena, &o->names, numbered, o);
  return numbered;
}

static const char *numbered_name(OnnxOut *o, const char *what) {
  return arena_printf(o->arena, "%s.%s", o->node->name, what);
}

/* ---- nodes ---- */
const char *out_node(OnnxOut *o, const char *op, int nin, const char *const *in) {
  NodeProto *node = NEW(o->arena, NodeProto);
  node->op_type = op;
  node->name = unused(o, numbered_name(o, op));
  for (int i = 0; i < nin; i++) vec_push(o->arena, node->input, in[i]);
  vec_push(o->arena, node->output, node->name);
  vec_push(o->arena, o->model->node, node);
  o->last = node;
  return node->name;
}

const char *out_one(OnnxOut *o, const char *op, const char *x) { return out_node(o, op, 1, &x); }

const char *out_two(OnnxOut *o, const char *op, const char *x, const char *y) {
  const char *const in[] = {x, y};
  return out_node(o, op, 2, in);
}

const char *out_also(OnnxOut *o, const char *what) {
  const char *name = unused(o, numbered_name(o, what));
  vec_push(o->arena, o->last->output, name);
  return name;
}

static AttributeProto *attribute(OnnxOut *o, const char *name, int64_t type) {
  AttributeProto *a = NEW(o->arena, AttributeProto);
  a->name = name;
  a->type = type;
  vec_push(o->arena, o->last->attribute, a);
  return a;
}

void out_int(OnnxOut *o, const char *name, int64_t value) { attribute(o, name, ATTRIBUTE_INT)->i = value; }

void out_float(OnnxOut *o, const char *name, double value) {
  attribute(o, name, ATTRIBUTE_FLOAT)->f = (float)value;
}

void out_text(OnnxOut *o, const char *name, const char *value) {
  attribute(o, name, ATTRIBUTE_TEXT)->s = value;
}

void out_also_text(OnnxOut *o, const char *name, const char *value) {
  const int n = o->last->attribute.n;
  AttributeProto *before = n ? o->last->attribute.data[n - 1] : NULL,
                 *a =
                     before && strcmp(before->name, name) == 0 ? before : attribute(o, name, ATTRIBUTE_TEXTS);
  vec_push(o->arena, a->strings, value);
}

void out_ints(OnnxOut *o, const char *name, int n, const int64_t *value) {
  AttributeProto *a = attribute(o, name, ATTRIBUTE_INTS);
  for (int i = 0; i < n; i++) vec_push(o->arena, a->ints, value[i]);
}

/* ---- constants ---- */
const char *out_constant(OnnxOut *o, const char *name, TensorType type, int rank, const int64_t *dim,
                         WireBytes bytes) {
  TensorProto *t = NEW(o->arena, TensorProto);
  t->name = unused(o, name);
  t->data_type = type;
  t->raw_data = bytes;
  for (int d = 0; d < rank; d++) vec_push(o->arena, t->dims, dim[d]);
  vec_push(o->arena, o->model->initializer, t);
  return t->name;
}

WireBytes out_words(Arena *arena, const void *words, size_t n) {
  const uint32_t *value = words;
  if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) return (WireBytes){(const uint8_t *)value, 4 * n, 0};
  uint8_t *bytes = arena_alloc(arena, 4 * n);
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &value[i], sizeof bits);
    for (size_t b = 0; b < 4; b++) bytes[4 * i + b] = (uint8_t)(bits >> (8 * b));
  }
  return (WireBytes){bytes, 4 * n, 0};
}

const char *out_named(OnnxOut *o, const char *name, int rank, const int64_t *dim, const float *value) {
  int64_t n = 1;
  for (int d = 0; d < rank; d++) n *= dim[d];
  return out_constant(o, name, TENSOR_FLOAT, rank, dim, out_words(o->arena, value, (size_t)n));
}

/* Layers that share a parameter share the tensor, if they need the same dimensions. */
const char *out_weight(OnnxOut *o, int k, int rank, const int64_t *dim) {
  const Weight *weight = o->node->weight[k];
  Text key = {.arena = o->arena};
  text_put(&key, "%s", weight->name);
  for (int d = 0; d < rank; d++) text_put(&key, " %lld", (long long)dim[d]);
  const char *known = table_find(&o->initializers, key.s);
  if (known) return known;
  const NamedArray *whole = out_whole(o, weight);
  const char *name = whole ? out_dequantized(o, weight, whole, rank, dim, whole->data) : NULL;
  if (!name) name = out_named(o, weight->name, rank, dim, o->numbers->weights + weight->offset);
  table_set(o->arena, &o->initializers, key.s, (void *)(uintptr_t)name);
  return name;
}

const char *out_channels(OnnxOut *o, int k) {
  const int64_t dim[] = {o->node->weight[k]->size, 1, 1};
  return out_weight(o, k, o->node->shape.rank, dim);
}

const char *out_floats(OnnxOut *o, const char *what, int rank, const int64_t *dim, const float *value) {
  return out_named(o, numbered_name(o, what), rank, dim, value);
}

const char *out_filled(OnnxOut *o, const char *what, int64_t n, double value) {
  float *all = NEW_ARRAY(o->arena, float, n);
  for (int64_t i = 0; i < n; i++) all[i] = (float)value;
  return out_floats(o, what, 1, &n, all);
}

const char *out_number(OnnxOut *o, const char *what, double value) {
  float *one = NEW(o->arena, float);
  *one = (float)value;
  return out_floats(o, what, 0, NULL, one);
}

const char *out_integers(OnnxOut *o, const char *what, int rank, const int64_t *dim, const int64_t *value) {
  int64_t n = 1;
  for (int d = 0; d < rank; d++) n *= dim[d];
  const Tensor *list = tensor_list(o->arena, (int)n, value);
  return out_constant(o, numbered_name(o, what), TENSOR_INT64, rank, dim,
                      (WireBytes){list->data, 8 * (size_t)n, 0});
}

const char *out_list(OnnxOut *o, const char *what, int n, const int64_t *value) {
  const int64_t dim[] = {n};
  return out_integers(o, what, 1, dim, value);
}

/* ---- values ---- */
const char *out_input(const OnnxOut *o, int k) { return o->value[o->node->in[k]->id]; }

Extent out_extent(const Node *node) { return shape_extent(node->shape); }

int out_dims(Shape shape, int64_t batch, int64_t dim[4]) {
  const Extent e = shape_extent(shape);
  const int64_t all[] = {batch, e.c, shape.rank == 2 ? e.w : e.h, e.w};
  memcpy(dim, all, sizeof all);
  return shape.rank + 1;
}

const char *out_reshape(OnnxOut *o, const char *x, int rank, const int64_t *dim) {
  return out_two(o, "Reshape", x, out_list(o, "shape", rank, dim));
}

const char *out_shaped(OnnxOut *o, const char *x, Shape shape) {
  int64_t dim[4];
  const int rank = out_dims(shape, 0, dim);
  return out_reshape(o, x, rank, dim);
}

const char *out_permute(OnnxOut *o, const char *x, int rank, const int64_t *from) {
  const char *y = out_one(o, "Transpose", x);
  out_ints(o, "perm", rank, from);
  return y;
}

const char *out_channels_last(OnnxOut *o, const char *x, Shape shape) {
  static const int64_t last[2][4] = {{0, 2, 1}, {0, 2, 3, 1}};
  return shape.rank == 1 ? x : out_permute(o, x, shape.rank + 1, last[shape.rank - 2]);
}

const char *out_channels_first(OnnxOut *o, const char *x, Shape shape) {
  static const int64_t first[2][4] = {{0, 2, 1}, {0, 3, 1, 2}};
  return shape.rank == 1 ? x : out_permute(o, x, shape.rank + 1, first[shape.rank - 2]);
}

const char *out_reduced(OnnxOut *o, const char *op, const char *x, int n, const int64_t *axis) {
  const bool listed = o->opset >= 18;
  const char *y = listed ? out_two(o, op, x, out_list(o, "axes", n, axis)) : out_one(o, op, x);
  if (!listed) out_ints(o, "axes", n, axis);
  out_int(o, "keepdims", 1);
  return y;
}

bool out_is_output(const OnnxOut *o, const Node *node) {
  for (int i = 0; i < o->graph->outputs.n; i++)
    if (o->graph->outputs.data[i].node == node) return true;
  return false;
}

int out_axes(const Node *node, int64_t axis[2]) {
  const bool all = arg_is(node, "axis", "positions") && node->shape.rank == 3;
  axis[0] = arg_is(node, "axis", "channels") ? 1 : arg_is(node, "axis", "width") ? 3 : 2;
  axis[1] = 3;
  return all ? 2 : 1;
}
