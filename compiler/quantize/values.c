/* values.c: Conversion of a float graph to an int8 or int16 graph, node by node.
 *
 * A value with a scale in the file is stored as int8, or as int16 if the metadata say so. Layers, sums,
 * pools, functions and moves have int8 forms. Other nodes are computed in float, between conversions. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "base/text.h"
#include "graph/bf16.h"
#include "ops/arithmetic/combine.h"
#include "ops/registry.h"
#include "quantize/quantizer.h"

/* ---- nodes ---- */
/* Whether the operator has the window of `of`; conversions after a layer have no window. */
static bool has_windows(const Op *op, const Node *of) {
  return op == of->op || op == &op_int8_product || op == &op_int8_transposed || op == &op_int8_pool;
}

/* A copy of the float node `of`, with another operator and other operands. */
static Node *node_like(Quantizer *q, const Op *op, const Node *of, int nin, Node *const *in) {
  Node *node = graph_node(q->to, op, nin, in);
  node->name = of->name;
  node->shape = of->shape;
  node->span = of->span;
  node->site = of->site;
  node->window = has_windows(op, of) ? of->window : NULL;
  node->arg = of->arg;
  node->detail = op == of->op ? of->detail : NULL;
  return node;
}

Node *quant_node(Quantizer *q, const Op *op, const Node *of, int nin, Node *const *in, const Quant *quant) {
  Node *node = node_like(q, op, of, nin, in);
  node->elem = quant->wide ? I16 : I8;
  node->quant = quant;
  return node;
}

Node *quant_int8_value(Quantizer *q, const Node *of) {
  Node *value = q->map[of->id];
  if (!value || value->quant) return value;
  quant_problem(q, "%s.scale (F32 [1]) and %s.zero (I8 [1]) are missing", of->name, of->name);
  return NULL;
}

Node *quant_floats(Quantizer *q, const Node *of) {
  Node *value = q->map[of->id];
  if (!value || !value->quant) return value;
  if (!q->floats[of->id]) {
    q->floats[of->id] = node_like(q, &op_int8_to_float, of, 1, &value);
    q->floats[of->id]->shape = value->shape;
    q->floats[of->id]->name = arena_printf(q->arena, "%s_float", of->name);
  }
  return q->floats[of->id];
}

void quant_separate(Quantizer *q, int first) {
  for (int i = first; i < q->to->nodes.n; i++) q->to->nodes.data[i]->hidden = NULL;
}

/* The scale and zero point for the caller, whose u8 elements are the int8 elements + 128. */
static Quant caller_quant(Quant quant, Elem elem) {
  if (elem == U8) quant.zero -= INT8_MIN;
  return quant;
}

static const char *stored_name(Quantizer *q, const Node *node, const Quant *quant) {
  return arena_printf(q->arena, "%s_int%s", node->name, quant->wide ? "16" : "8");
}

/* ---- inputs ---- */
/* An input: the caller's bytes, minus 128 for u8, or quantized floats. Without a scale in the file, the
 * input stays as it is. */
static Node *input_node(Quantizer *q, const Node *node) {
  Quant quant;
  Node *input = graph_copy_node(q->arena, node, NULL);
  graph_append(q->to, input);
  if (!quant_given(q, node->name, &quant)) return input;
  const bool bytes = port_is_bytes(node->port);
  if (quant.wide && bytes)
    quant_problem(q, "%s: has 16 bits, but the program declares it as %s", node->name,
                  elem_name(node->port->elem));
  if (bytes) quant.wide = false;
  if (bytes) input->elem = node->port->elem;
  if (bytes) input->quant = quant_keep(q, caller_quant(quant, input->elem));
  if (input->elem == I8) return input;
  Node *made = quant_node(q, input->elem == U8 ? &op_int8_from_bytes : &op_int8_from_float, node, 1, &input,
                          quant_keep(q, quant));
  made->name = stored_name(q, node, &quant);
  return made;
}

static bool is_recurrent(const Node *node) {
  return node->op->traits.int8 == INT8_RECURRENT || node->op->traits.int8 == INT8_SVDF;
}

/* Whether the layer stays float: as the program specifies, or because its weights are float in the file. */
static bool stays_float(const Quantizer *q, const Node *node) {
  if (node->precision != PRECISION_GIVEN) return node_given_as_float(node);
  const bool weighted = node->op->traits.int8 == INT8_PRODUCT || is_recurrent(node);
  const QuantArray *weight =
      weighted && node->weight[0] ? table_find(&q->file->by_name, node->weight[0]->name) : NULL;
  return weight && weight->known && weight->elem == F32;
}

static bool is_int8_recurrent(const Quantizer *q, const Node *node) {
  return !stays_float(q, node) && quant_is_recurrent(q, node);
}

/* ---- states ---- */
/* The layer with keep=true to which the state belongs. */
static const Node *layer_of_state(const Quantizer *q, const Node *state) {
  for (int i = state->id + 1; i < q->from->nodes.n; i++)
    for (int k = 1; k < q->from->nodes.data[i]->nin; k++)
      if (q->from->nodes.data[i]->in[k] == state) return q->from->nodes.data[i];
  return NULL;
}

/* A state, with the scale that the file contains for it; without a scale, the state is float. NULL: an int8
 * layer with keep=true creates its own states. */
static Node *state_node(Quantizer *q, const Node *node) {
  Quant quant;
  if (node->kept && is_int8_recurrent(q, layer_of_state(q, node))) return NULL;
  Node *state = graph_copy_node(q->arena, node, NULL);
  graph_append(q->to, state);
  if (node->kept || !quant_given(q, node->name, &quant)) return state;
  state->elem = quant.wide ? I16 : I8;
  state->quant = quant_keep(q, quant);
  return state;
}

static bool quants_equal(const Quant *a, const Quant *b) {
  return a && b && a->scale == b->scale && a->zero == b->zero && a->wide == b->wide;
}

/* The update of a layer with keep=true. If a conversion follows the float layer, the update reads the layer
 * itself. */
static Node *kept_update(Quantizer *q, const Node *node) {
  if (!q->map[node->in[1]->id]) return NULL; /* an int8 layer creates its own update */
  Node *update = graph_copy_node(q->arena, node, NULL);
  for (int k = 0; k < node->nin; k++)
    if (!(update->in[k] = k ? quant_floats(q, node->in[k]) : q->map[node->in[0]->id])) return NULL;
  while (update->in[0]->op != node->in[0]->op) update->in[0] = update->in[0]->in[0];
  graph_append(q->to, update);
  return update;
}

/* If the value has the state's type and scale, the update copies it; otherwise the update converts it. Users
 * of the update read the value itself. */
static Node *update_node(Quantizer *q, const Node *node) {
  const Quant *quant = q->map[node->in[1]->id]->quant;
  Node *value = q->map[node->in[0]->id], *in[2] = {value, q->map[node->in[1]->id]};
  if (!quant) in[0] = quant_floats(q, node->in[0]);
  else if (!value->quant) {
    in[0] = quant_node(q, &op_int8_from_float, node, 1, &value, quant);
    in[0]->name = stored_name(q, node, quant);
  } else if (!quants_equal(value->quant, quant)) in[0] = quant_requantized(q, node, value, *quant);
  Node *update = node_like(q, node->op, node, 2, in);
  update->elem = in[1]->elem;
  update->quant = quant;
  return value;
}

/* ---- nodes that stay float ---- */
static Weight *float_weight(Quantizer *q, const Weight *weight, Node *owner) {
  const float *values = quant_array(q, weight->name, F32, weight->rank, weight->dim);
  if (!values || q->kept[weight->id]) return q->kept[weight->id];
  for (int64_t i = 0; i < weight->size; i++)
    if (!isfinite(values[i])) {
      quant_problem(q, "%s: has %g; must be finite numbers", weight->name, (double)values[i]);
      return NULL;
    }
  Weight *own = NEW(q->arena, Weight);
  *own = *weight;
  own->owner = owner;
  own->frozen = true;
  own->init = (Init){.kind = INIT_LITERAL, .values = values};
  vec_push(q->arena, q->to->weights, own);
  return q->kept[weight->id] = own;
}

/* If the file has int8 weights for a float layer, replaces them by the numbers that they represent. */
static void quantize_constant(Quantizer *q, const Node *node) {
  QuantFile *file = q->file;
  const Weight *weight = node->weight[0], *bias = node->nweights > 1 ? node->weight[1] : NULL;
  QuantArray *w = table_find(&file->by_name, weight->name),
             *b = bias ? table_find(&file->by_name, bias->name) : NULL;
  const QuantArray *scale = quant_file_find(file, arena_printf(q->arena, "%s.scale", weight->name));
  const Node *in = q->map[node->in[0]->id];
  const int64_t filters = int8_filters(node), terms = weight->size / filters;
  if (!w || !w->known || w->elem != I8 || w->size != weight->size || !scale || !scale->known ||
      scale->elem != F32 || (scale->size != 1 && scale->size != filters) || !in || !in->quant)
    return;
  const bool has_bias = b && b->known && (b->elem == I32 || b->elem == I64) && b->size == filters;
  float *values = NEW_ARRAY(q->arena, float, weight->size), *biases = NEW_ARRAY(q->arena, float, filters);
  for (int64_t f = 0; f < filters; f++) {
    const float s = ((const float *)scale->data)[scale->size == 1 ? 0 : f];
    for (int64_t i = 0, at; i < terms; i++)
      at = int8_weight_index(node, f, i), values[at] = (float)((const int8_t *)w->data)[at] * s;
    if (has_bias)
      biases[f] = (float)((b->elem == I64 ? (double)((const int64_t *)b->data)[f]
                                          : (double)((const int32_t *)b->data)[f]) *
                          (double)s * (double)in->quant->scale);
  }
  w->used = true;
  QuantArray *own = NEW(q->arena, QuantArray), *own_bias = NEW(q->arena, QuantArray);
  *own = *w;
  own->elem = F32;
  own->data = values;
  table_set(q->arena, &file->by_name, weight->name, own);
  if (!has_bias) return;
  b->used = true;
  *own_bias = *b;
  own_bias->elem = F32;
  own_bias->data = biases;
  table_set(q->arena, &file->by_name, bias->name, own_bias);
}

static bool take_weights(Quantizer *q, const Node *node, Node *copy) {
  bool found = true;
  copy->weight = NEW_ARRAY(q->arena, Weight *, node->nweights + 1);
  if (node->op->traits.int8 == INT8_PRODUCT) quantize_constant(q, node);
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k]) found &= (copy->weight[k] = float_weight(q, node->weight[k], copy)) != NULL;
  return found;
}

static bool is_combination(const Node *node) {
  return node->op->traits.int8 == INT8_SUM || node->op->traits.int8 == INT8_DIFFERENCE ||
         node->op->traits.int8 == INT8_MULTIPLY;
}

/* Whether the result or an operand is int16. */
static bool has_wide(const Quantizer *q, const Node *node) {
  bool wide = quant_file_wide(q->file, node->name);
  for (int k = 0; k < node->nin; k++) {
    const Node *value = q->map[node->in[k]->id];
    wide |= value && value->quant && value->quant->wide;
  }
  return wide;
}

static const char *recurrent_reason(const Quantizer *q, const Node *node) {
  return has_wide(q, node) ? " with int16 values" : " with project=";
}

/* Reports a node that computes in float because it has no int8 or int16 form. */
static void note_floats(Quantizer *q, const Node *node) {
  const bool function = quant_is_function(node) || node->op->traits.int8 == INT8_SOFTMAX,
             wide = function && !quant_is_wide_function(q, node) && !quant_is_wide_softmax(q, node) &&
                    has_wide(q, node),
             several = is_combination(node) && !function && !combine_has_int8(node),
             recurs = is_recurrent(node) && !quant_is_recurrent(q, node);
  if (!wide && !several && !recurs && (node->op->traits.int8 != INT8_NONE || function)) return;
  const char *of = recurs                             ? recurrent_reason(q, node)
                   : !several                         ? ""
                   : combine_count(node) == node->nin ? " of more than two values"
                                                      : " of values and numbers";
  diag_report(q->diags, DIAG_not_int8, node->span, node->site,
              "%s%s has no int%s form: %s computes in float, with conversions before and after",
              node->op->name, of, wide ? "16" : "8", node->name);
}

static Node *float_node(Quantizer *q, const Node *node) {
  Node *copy = graph_copy_node(q->arena, node, NULL);
  if (!take_weights(q, node, copy)) return NULL;
  for (int k = 0; k < node->nin; k++)
    if (!(copy->in[k] = quant_floats(q, node->in[k]))) return NULL;
  graph_append(q->to, copy);
  if (copy->precision == PRECISION_GIVEN)
    copy->precision = q->options->fallback == PRECISION_GIVEN ? q->file->fallback : q->options->fallback;
  bool computes = false;
  for (int k = 0; k < node->nin; k++) computes |= q->map[node->in[k]->id]->quant != NULL;
  if (computes && !node_given_as_float(node)) note_floats(q, node);
  return copy;
}

/* ---- conversion ---- */
static bool reads_int8(const Quantizer *q, const Node *node) {
  for (int k = 0; k < node->nin; k++) {
    const Node *value = q->map[node->in[k]->id];
    if (!value || !value->quant) return false;
  }
  return true;
}

/* Whether the node has no scale because all of its users are float layers. */
static bool for_floats(Quantizer *q, const Node *node) {
  Quant own;
  int readers = 0;
  for (int i = node->id + 1; i < q->from->nodes.n; i++) {
    const Node *reader = q->from->nodes.data[i];
    for (int k = 0; k < reader->nin && q->uses[i]; k++) {
      if (reader->in[k] != node) continue;
      if (!stays_float(q, reader)) return false;
      readers++;
    }
  }
  return readers && readers == q->uses[node->id] && !quant_given(q, node->name, &own);
}

/* Computes the node in float; a result that has a scale is stored as int8 or int16. */
static Node *stored_floats(Quantizer *q, const Node *node) {
  Quant quant;
  Node *value = float_node(q, node);
  if (!value || !quant_given(q, node->name, &quant)) return value;
  Node *made = quant_node(q, &op_int8_from_float, node, 1, &value, quant_keep(q, quant));
  made->name = stored_name(q, node, &quant);
  return made;
}

/* The index of an argmax stays float, which is exact. But if the file has a scale for the index, the index is
 * stored as int8 or int16. */
static Node *argmax_node(Quantizer *q, const Node *node) {
  Node *in = q->map[node->in[0]->id];
  Quant quant;
  if (quant_given(q, node->name, &quant)) return stored_floats(q, node);
  return node_like(q, &op_int8_argmax, node, 1, &in);
}

/* Whether the embedding's table is int8 in the file. */
static bool has_int8_table(const Quantizer *q, const Node *node) {
  const QuantArray *table = table_find(&q->file->by_name, node->weight[0]->name);
  return table && table->known && table->elem == I8;
}

bool quantize_is_border(const Node *node) {
  int64_t before[2], after[2];
  return node->op->traits.padding && node->op->traits.padding(node, before, after) && before[0] >= 0 &&
         before[1] >= 0 && after[0] >= 0 && after[1] >= 0;
}

bool quantize_has_boxes(const Node *node, const bool *boxes) {
  if (!node->shape.regions || node->shape.parts) return false;
  bool made = true; /* whether no operand has regions */
  for (int k = 0; k < node->nin; k++) {
    if (boxes[node->in[k]->id]) return true;
    made = made && !node->in[k]->shape.regions;
  }
  return made && node->op->traits.int8 != INT8_MOVE;
}

/* An output `as i32`: floats that are converted to integers. */
static Node *whole_node(Quantizer *q, const Node *node) {
  Node *in = quant_floats(q, node->in[0]);
  if (!in) return NULL;
  Node *made = node_like(q, &op_whole, node, 1, &in);
  made->elem = node->elem;
  return made;
}

/* A state or its next value. */
static Node *state_or_update(Quantizer *q, const Node *node) {
  if (node_is_state(node)) return state_node(q, node);
  return node->kept ? kept_update(q, node) : update_node(q, node);
}

static Node *int8_value(Quantizer *q, const Node *node) {
  int64_t factor[2];
  if (node_is_input(node)) return input_node(q, node);
  if (node_is_state(node) || node_is_update(node)) return state_or_update(q, node);
  if (node->op->identity && node->op->identity(node)) return q->map[node->in[0]->id];
  if (node->op == &op_whole) return whole_node(q, node);
  if (q->boxes[node->id]) return stored_floats(q, node);
  const bool table = quant_has_table(q, node) && reads_int8(q, node);
  if (node_given_as_float(node)) return stored_floats(q, node);
  if (table) return quant_table(q, node);
  if (node->op->traits.repeats && node->op->traits.repeats(node, factor) && reads_int8(q, node))
    return quant_repeat(q, node, factor);
  if (quantize_is_border(node) && reads_int8(q, node)) return quant_border(q, node);
  switch (node->op->traits.int8) {
  case INT8_PRODUCT:
    if (stays_float(q, node)) break;
    return quant_product(q, node);
  case INT8_SUM:
  case INT8_DIFFERENCE:
  case INT8_MULTIPLY:
    if (combine_has_int8(node) && reads_int8(q, node)) return quant_combine(q, node);
    break;
  case INT8_MATMUL:
    if (reads_int8(q, node) && matmul_sizes(node).scale > 0) return quant_matmul(q, node);
    break;
  case INT8_MEAN:
    if (reads_int8(q, node) && node->window->kernel[0] * node->window->kernel[1] <=
                                   (has_wide(q, node) ? MOST_WIDE_SUMMED : MOST_SUMMED))
      return quant_pool(q, node);
    break;
  case INT8_LARGEST:
    if (reads_int8(q, node)) return quant_pool(q, node);
    break;
  case INT8_SOFTMAX:
    if (quant_is_wide_softmax(q, node) && reads_int8(q, node)) return quant_softmax_wide(q, node);
    if (quant_is_softmax(q, node) && reads_int8(q, node)) return quant_softmax(q, node);
    break;
  case INT8_MOVE:
    if (reads_int8(q, node)) return quant_move(q, node);
    break;
  case INT8_GATHER:
    if (q->map[node->in[0]->id]->quant) return quant_gather(q, node);
    break;
  case INT8_EMBEDDING:
    if (has_int8_table(q, node)) return quant_embedding(q, node);
    break;
  case INT8_ARGMAX:
    if (reads_int8(q, node)) return argmax_node(q, node);
    break;
  case INT8_RECURRENT:
  case INT8_SVDF:
    if (is_int8_recurrent(q, node)) return quant_recurrent(q, node);
    break;
  default: break;
  }
  if (quant_is_function(node) && reads_int8(q, node) && !for_floats(q, node) &&
      (quant_is_wide_function(q, node) || !has_wide(q, node)))
    return quant_function(q, node);
  return stored_floats(q, node);
}

/* Marks the file's arrays for a node as used, so that they are not reported as unused. Called if an operand
 * of the node has an error. */
static void pass_over(Quantizer *q, const Node *node) {
  const char *own = arena_printf(q->arena, "%s.", node->name);
  for (int i = 0; i < q->file->arrays.n; i++)
    q->file->arrays.data[i]->used |= strncmp(q->file->arrays.data[i]->name, own, strlen(own)) == 0;
  quant_file_wide(q->file, node->name);
}

static void quantize_nodes(Quantizer *q) {
  for (int i = 0; i < q->from->nodes.n; i++) {
    const Node *node = q->from->nodes.data[i];
    q->boxes[i] = quantize_has_boxes(node, q->boxes);
    if (!q->uses[i] && !node_is_input(node)) continue;
    bool lost = false; /* an operand of the node has an error that was reported */
    for (int k = 0; k < node->nin; k++) lost |= !q->map[node->in[k]->id] && !node->in[k]->kept;
    if (lost) pass_over(q, node);
    if (lost && node->op->traits.int8 != INT8_PRODUCT) continue;
    q->map[i] = q->fused[i] ? q->map[node->in[0]->id] : int8_value(q, node);
  }
}

/* ---- outputs ---- */
static Shape class_shape(Shape shape) {
  Shape classes = shape;
  classes.dim[shape.rank - 1] = 1;
  return classes;
}

static Node *output_node(Quantizer *q, const Port *port) {
  Node *value = q->map[port->node->id];
  if (!value) return NULL;
  if (port->node->op == &op_whole) return value;
  if (port->as == AS_FLOATS || q->options->floats) return quant_floats(q, port->node);
  if (port->as == AS_CLASS) {
    Node *of = node_like(q, &op_int8_class, port->node, 1, &value);
    of->name = arena_printf(q->arena, "%s_class", port->node->name);
    of->shape = class_shape(value->shape);
    of->elem = I32;
    return of;
  }
  Node *bytes = quant_int8_value(q, port->node);
  if (bytes && bytes->quant->wide) {
    quant_problem(q, "%s: has 16 bits, but the program declares it as %s", port->node->name,
                  port->as == AS_I8 ? "i8" : "u8");
    return NULL;
  }
  if (!bytes || port->as == AS_I8) return bytes;
  Node *of = node_like(q, &op_int8_to_bytes, port->node, 1, &bytes);
  of->name = arena_printf(q->arena, "%s_bytes", port->node->name);
  of->shape = bytes->shape;
  of->elem = U8;
  of->quant = quant_keep(q, caller_quant(*bytes->quant, U8));
  return of;
}

static void add_ports(Quantizer *q) {
  for (int i = 0; i < q->from->inputs.n; i++) {
    Port port = q->from->inputs.data[i];
    const Node *input = q->map[port.node->id];
    while (input->nin) input = input->in[0];
    port.node = q->to->nodes.data[input->id];
    vec_push(q->arena, q->to->inputs, port);
  }
  for (int i = 0; i < q->from->outputs.n; i++) {
    Port port = q->from->outputs.data[i];
    port.node = output_node(q, &port);
    if (port.node) vec_push(q->arena, q->to->outputs, port);
  }
}

/* Reports settings and arrays of the file that were not used. sure: whether all layers were created, so that
 * all settings and arrays were looked up. */
static void find_leftovers(Quantizer *q, bool sure) {
  for (int i = 0; i < q->file->layers.n; i++) {
    const QuantLayer *layer = &q->file->layers.data[i];
    const unsigned left = layer->given & ~layer->used;
    if (left & LAYER_PRECISION)
      quant_problem(q, "%s: has %s bits in the metadata, but the net stores no value of that name",
                    layer->name, layer->wide ? "16" : "8");
    if (sure && left & LAYER_ROUNDING)
      quant_problem(q, "%s: the metadata has its rounding, but no layer of that name rounds", layer->name);
    if (sure && left & LAYER_MEAN)
      quant_problem(q, "%s: the metadata has its mean, but no int8 mean has that name", layer->name);
    if (sure && left & LAYER_KERNEL)
      quant_problem(q, "%s: the metadata selects the arithmetic of an lstm, but no int8 lstm has that name",
                    layer->name);
    if (sure && left & LAYER_FACTOR)
      quant_problem(q, "%s: the metadata has its factor, but no layer of that name uses a factor",
                    layer->name);
  }
  for (int i = 0; i < q->file->arrays.n; i++)
    if (!q->file->arrays.data[i]->used)
      quant_problem(q, "%s: no layer of the net uses it", q->file->arrays.data[i]->name);
}

static void report_int8_problems(const Quantizer *q) {
  enum { SHOWN = 20 };
  const int n = q->problems.n;
  if (!n) return;
  Diag *diag = diag_report(q->diags, DIAG_weights_mismatch, q->from->name_span, NULL,
                           "%s is not quantized for %s: %d %s", q->file->path, q->from->name, n,
                           n == 1 ? "difference" : "differences");
  for (int i = 0; i < n && i < SHOWN; i++) diag_fact(diag, "%s", q->problems.data[i]);
  if (n > SHOWN) diag_fact(diag, "and %d more", n - SHOWN);
}

static void find_readers(Quantizer *q) {
  for (int i = 0; i < q->from->nodes.n; i++) {
    const Node *node = q->from->nodes.data[i];
    for (int k = 0; k < node->nin && q->uses[i]; k++) q->reader[node->in[k]->id] = node;
  }
}

/* Reports an error if --updatable is set and a value is int16, because the scales of int16 values are
 * constants in the code. */
static void report_wide(const Quantizer *q) {
  for (int i = 0; i < q->to->nodes.n && q->to->updatable; i++) {
    const Node *node = q->to->nodes.data[i];
    if (node->elem != I16) continue;
    diag_report(q->diags, DIAG_not_updatable, node->span, node->site,
                "%s is int16: --updatable needs int8 values", node->name);
    return;
  }
}

Graph *quantize_graph(Arena *arena, Diags *diags, const Graph *from, QuantFile *file,
                      const QuantizeOptions *options) {
  const int n = from->nodes.n + 1;
  Quantizer q = {.arena = arena,
                 .diags = diags,
                 .from = from,
                 .to = graph_copy_head(arena, from),
                 .file = file,
                 .map = NEW_ARRAY(arena, Node *, n),
                 .floats = NEW_ARRAY(arena, Node *, n),
                 .uses = graph_live(arena, from, 0, NULL),
                 .reader = NEW_ARRAY(arena, const Node *, n),
                 .fused = NEW_ARRAY(arena, bool, n),
                 .boxes = NEW_ARRAY(arena, bool, n),
                 .kept = NEW_ARRAY(arena, Weight *, from->weights.n + 1)};
  const int errors = diags_errors(diags);
  q.to->weights.data = NULL;
  q.to->weights.n = q.to->weights.room = 0;
  q.to->parameters = 0;
  q.to->training = NULL;
  q.to->floats = from;
  q.to->updatable = options->updatable;
  q.options = options;
  find_readers(&q);
  quantize_nodes(&q);
  add_ports(&q);
  find_leftovers(&q, !q.problems.n && diags_errors(diags) == errors);
  report_int8_problems(&q);
  report_wide(&q);
  if (diags_errors(diags) > errors) return NULL;
  graph_layout_weights(q.to);
  bf16_mark(arena, q.to, 0, NULL);
  for (int i = 0; i < from->nodes.n && options->made; i++) options->made[i] = q.map[i];
  graph_verify(q.to);
  if (!options->updatable) note_idle_filters(arena, diags, q.to);
  return q.to;
}
