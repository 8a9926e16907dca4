/* written.c: Conversion of an int8 model back to the program's operators, for export: int8 values get a
 * Quant, and weights get the real numbers that the integers of the file represent. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "ops/int8/int8.h"
#include "quantize/quantize.h"

typedef struct Writing {
  Arena *arena;
  const Graph *from, *floats;
  Node *const *made;
  const QuantFile *file;
  Graph *to;
  Node **map;          /* by node id of `from`: the node of `to` */
  const Node **source; /* by node id of `from`: the first float node that the int8 node computes, or NULL */
  Table by_name;       /* float nodes by name */
} Writing;

/* ---- weights ---- */
static const QuantArray *array_of(const Writing *w, const char *name) {
  return table_find(&w->file->by_name, name);
}

/* The real numbers that the elements of parameter `k` represent; zeros if the file has no usable array.
 * unit: the scale of the layer's input. */
static float *real_numbers(Writing *w, const Node *node, int k, const Weight *weight, float unit) {
  const QuantArray *array = array_of(w, weight->name),
                   *scale = array_of(w, arena_printf(w->arena, "%s.scale", node->weight[0]->name));
  float *values = NEW_ARRAY(w->arena, float, weight->size);
  if (!array || array->size != weight->size) return values;
  if (array->elem == F32) return memcpy(values, array->data, sizeof *values * (size_t)weight->size);
  if (!scale || array->elem == I64) return values; /* ONNX has no int64 bias for int16 layers */
  const int64_t filters = int8_filters(node), terms = weight->size / filters;
  for (int64_t f = 0; f < filters; f++) {
    const float s = ((const float *)scale->data)[scale->size == 1 ? 0 : f];
    for (int64_t i = 0; i < terms; i++) {
      const int64_t at = k ? f : int8_weight_index(node, f, i);
      values[at] = k ? (float)((const int32_t *)array->data)[f] * s * unit
                     : (float)((const int8_t *)array->data)[at] * s;
    }
  }
  return values;
}

static Weight *take_weight(Writing *w, const Node *node, int k, Node *owner) {
  const QuantArray *bias = array_of(w, arena_printf(w->arena, "%s.bias", node->name));
  const Quant *in = owner->in[0]->quant;
  Weight *own = NEW(w->arena, Weight);
  if (node->weight[k]) *own = *node->weight[k];
  else if (k == 1 && node->op->traits.int8 == INT8_PRODUCT && bias) /* the bias of a folded batchnorm */
    *own = (Weight){.name = bias->name, .member = "bias", .rank = 1, .dim = {bias->size}, .size = bias->size};
  else return NULL;
  own->owner = owner;
  own->frozen = true;
  own->init = (Init){.kind = INIT_LITERAL, .values = real_numbers(w, node, k, own, in ? in->scale : 1)};
  vec_push(w->arena, w->to->weights, own);
  return own;
}

/* ---- nodes ---- */
static Node *copied_as_written(Writing *w, const Node *like, int nin, Node *const *in) {
  Node *node = graph_copy_node(w->arena, like, NULL);
  node->in = NEW_ARRAY(w->arena, Node *, nin + 1);
  node->nin = nin;
  for (int k = 0; k < nin; k++) node->in[k] = in[k];
  node->weight = NEW_ARRAY(w->arena, Weight *, like->nweights + 1);
  for (int k = 0; k < like->nweights; k++) node->weight[k] = take_weight(w, like, k, node);
  node->quant = NULL;
  node->elem = F32;
  graph_append(w->to, node);
  return node;
}

/* The float node that reads `node` and is computed by the same int8 node, such as a relu; NULL: none. */
static const Node *bound_after(const Writing *w, const Node *node) {
  for (int i = node->id + 1; i < w->floats->nodes.n; i++) {
    const Node *next = w->floats->nodes.data[i];
    if (w->made[i] == w->made[node->id] && next->nin == 1 && next->in[0] == node) return next;
  }
  return NULL;
}

static Node *with_bounds(Writing *w, const Node *like, Node *value, const Quant *quant) {
  for (const Node *next = like; (next = bound_after(w, next)) != NULL;)
    if (next->op->traits.int8 == INT8_RELU || next->op->traits.int8 == INT8_RELU6)
      value = copied_as_written(w, next, 1, &value);
  value->quant = quant;
  return value;
}

/* A node that only converts `value` to the scale of `node`. The language has no syntax for such a node. */
static Node *rescaled_as_written(Writing *w, const Node *node, Node *value) {
  Node *own = graph_node(w->to, &op_int8_from_float, 1, &value);
  own->name = node->name;
  own->shape = node->shape;
  own->span = node->span;
  own->site = node->site;
  own->quant = node->quant;
  return own;
}

static bool is_function(const Node *node) {
  return node && node->nin == 1 && node->op->family == FAMILY_MAP && node->op->map_eval;
}

/* Copies a node and its weights. The operator of the node is not specific to int8. */
static Node *kept(Writing *w, const Node *node) {
  Node *own = graph_copy_node(w->arena, node, w->map);
  own->weight = NEW_ARRAY(w->arena, Weight *, node->nweights + 1);
  for (int k = 0; k < node->nweights; k++) {
    if (!node->weight[k]) continue;
    own->weight[k] = NEW(w->arena, Weight);
    *own->weight[k] = *node->weight[k];
    vec_push(w->arena, w->to->weights, own->weight[k]);
  }
  graph_append(w->to, own);
  return own;
}

/* Whether the int8 operator has no syntax in the language, but computes the same as an operator that has
 * syntax. */
static bool is_int8_only(const Op *op) {
  return op == &op_int8_product || op == &op_int8_transposed || op == &op_int8_combine ||
         op == &op_int8_matmul || op == &op_int8_pool || op == &op_int8_softmax ||
         op == &op_int8_softmax_lines || op == &op_int8_softmax_wide || op == &op_int8_curve ||
         op == &op_int8_repeat || op == &op_int8_border || op == &op_int8_argmax || op == &op_int8_embedding;
}

static Node *written_node(Writing *w, const Node *node) {
  Node **in = NEW_ARRAY(w->arena, Node *, node->nin + 1);
  for (int k = 0; k < node->nin; k++) in[k] = w->map[node->in[k]->id];
  const Op *op = node->op;
  const Node *like = table_find(&w->by_name, node->name), *source = w->source[node->id];
  if (op == &op_int8_to_float || op == &op_int8_from_bytes || op == &op_int8_to_bytes || op == &op_int8_class)
    return in[0];
  if (op == &op_int8_from_float) return rescaled_as_written(w, node, in[0]);
  if (op == &op_int8_table || op == &op_int8_same || op == &op_int8_rescale) {
    if (!is_function(source)) return rescaled_as_written(w, node, in[0]);
    return with_bounds(w, source, copied_as_written(w, source, 1, in), node->quant);
  }
  if (is_int8_only(op)) return with_bounds(w, like, copied_as_written(w, like, node->nin, in), node->quant);
  return kept(w, node);
}

Graph *quantize_written(Arena *arena, const Graph *from, Node *const *made, const QuantFile *file,
                        Arrays *arrays) {
  const Graph *floats = from->floats;
  Writing w = {.arena = arena,
               .from = from,
               .floats = floats,
               .made = made,
               .file = file,
               .to = graph_copy_head(arena, from),
               .map = NEW_ARRAY(arena, Node *, from->nodes.n + 1),
               .source = NEW_ARRAY(arena, const Node *, from->nodes.n + 1)};
  w.to->floats = NULL;
  w.to->weights.data = NULL;
  w.to->weights.n = w.to->weights.room = 0;
  for (int i = 0; i < floats->nodes.n; i++) {
    const Node *node = floats->nodes.data[i];
    table_set(arena, &w.by_name, node->name, floats->nodes.data[i]);
    if (made[i] && !w.source[made[i]->id]) w.source[made[i]->id] = node;
  }
  for (int i = 0; i < from->nodes.n; i++) w.map[i] = written_node(&w, from->nodes.data[i]);
  graph_copy_ports(w.to, from, w.map);
  graph_layout_weights(w.to);
  arrays->arena = arena;
  for (int i = 0; i < file->arrays.n; i++) {
    const QuantArray *a = file->arrays.data[i];
    if (a->known) arrays_add(arrays, a->name, a->elem, a->rank, a->dim, a->data);
  }
  return w.to;
}
