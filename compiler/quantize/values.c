/* values.c: node by node from a graph of floats to one of 8 bits.
 *
 * A value that the file has a scale for is stored in 8 bits; layers, sums, pools, functions and moves have a
 * form of 8 bits. What has none computes in floats between conversions. */
// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "quantize/quantizer.h"

/* ---- nodes ---- */
/* As `of` of the net of floats, but for the operator and what it reads. */
static Node *node_like(Quantizer *q, const Op *op, const Node *of, int nin, Node *const *in) {
  Node *node = graph_node(q->to, op, nin, in);
  node->name = of->name;
  node->shape = of->shape;
  node->span = of->span;
  node->site = of->site;
  node->window = of->window;
  node->arg = of->arg;
  return node;
}

Node *quant_node(Quantizer *q, const Op *op, const Node *of, int nin, Node *const *in, const Quant *quant) {
  Node *node = node_like(q, op, of, nin, in);
  node->elem = I8;
  node->quant = quant;
  return node;
}

Node *quant_bytes(Quantizer *q, const Node *of) {
  Node *value = q->map[of->id];
  if (!value || value->quant) return value;
  quant_problem(q, "%s.scale: F32 [1] and %s.zero: I8 [1] are missing", of->name, of->name);
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

/* Of u8, which is q + 128. */
static Quant caller_quant(Quant quant, Elem elem) {
  if (elem == U8) quant.zero -= INT8_MIN;
  return quant;
}

/* ---- inputs ---- */
/* The caller's bytes are its value's, of u8 less 128; floats become bytes. */
static Node *input_node(Quantizer *q, const Node *node) {
  Quant quant;
  Node *input = graph_copy_node(q->arena, node, NULL);
  graph_append(q->to, input);
  if (!quant_given(q, node->name, &quant)) return input;
  input->elem = node->port->elem;
  if (input->elem != F32) input->quant = quant_keep(q, caller_quant(quant, input->elem));
  if (input->elem == I8) return input;
  Node *made = quant_node(q, input->elem == U8 ? &op_int8_from_bytes : &op_int8_from_float, node, 1, &input,
                          quant_keep(q, quant));
  made->name = arena_printf(q->arena, "%s_int8", node->name);
  return made;
}

/* ---- what stays in floats ---- */
static Node *float_node(Quantizer *q, const Node *node) {
  Node *copy = graph_copy_node(q->arena, node, NULL);
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k]) {
      quant_problem(q, "%s: %s has parameters and no form of 8 bits, which is not built yet", node->name,
                    node->op->name);
      q->refused = true;
      return NULL;
    }
  for (int k = 0; k < node->nin; k++)
    if (!(copy->in[k] = quant_floats(q, node->in[k]))) return NULL;
  copy->nweights = 0;
  graph_append(q->to, copy);
  bool computes = false;
  for (int k = 0; k < node->nin; k++) computes |= q->map[node->in[k]->id]->quant != NULL;
  if (computes)
    diag_report(q->diags, DIAG_not_int8, node->span, node->site,
                "%s has no form of 8 bits: %s computes in floats, between conversions", node->op->name,
                node->name);
  return copy;
}

/* ---- the walk ---- */
static bool reads_bytes(const Quantizer *q, const Node *node) {
  Node *value = q->map[node->in[0]->id];
  return value && value->quant;
}

/* What has a scale is stored in 8 bits, whatever made it. */
static Node *stored_floats(Quantizer *q, const Node *node) {
  Quant quant;
  Node *value = float_node(q, node);
  if (!value || !quant_given(q, node->name, &quant)) return value;
  Node *made = quant_node(q, &op_int8_from_float, node, 1, &value, quant_keep(q, quant));
  made->name = arena_printf(q->arena, "%s_int8", node->name);
  return made;
}

static bool is_border(const Node *node) { /* of zeros, and no less than its input */
  int64_t before[2], after[2];
  return node->op->border && node->op->border(node, before, after) && before[0] >= 0 && before[1] >= 0 &&
         after[0] >= 0 && after[1] >= 0;
}

static Node *value_of(Quantizer *q, const Node *node) {
  enum { MOST_SUMMED = INT32_MAX / 256 };
  if (node->op == &op_input) return input_node(q, node);
  if (node->op->identity && node->op->identity(node)) return q->map[node->in[0]->id];
  if (node->shape.regions) return stored_floats(q, node);
  if (is_border(node) && reads_bytes(q, node)) return quant_border(q, node);
  switch (node->op->int8) {
  case INT8_PRODUCT: return quant_product(q, node);
  case INT8_SUM:
  case INT8_DIFFERENCE:
  case INT8_MULTIPLY:
    if (node->nin == 2 && !quant_is_function(node)) return quant_pair(q, node);
    break;
  case INT8_MEAN:
    if (node->window->kernel[0] * node->window->kernel[1] > MOST_SUMMED) break;
    return quant_pool(q, node);
  case INT8_LARGEST: return quant_pool(q, node);
  case INT8_SOFTMAX:
    if (shape_extent(node->shape).c <= SOFTMAX_CHANNELS) return quant_softmax(q, node);
    break;
  case INT8_MOVE:
    if (reads_bytes(q, node)) return quant_move(q, node);
    break;
  default: break;
  }
  return quant_is_function(node) && reads_bytes(q, node) ? quant_function(q, node) : stored_floats(q, node);
}

static void walk(Quantizer *q) {
  for (int i = 0; i < q->from->nodes.n; i++) {
    const Node *node = q->from->nodes.data[i];
    if (!q->uses[i] && node->op != &op_input) continue;
    bool lost = false; /* what it reads could not be made: that was told */
    for (int k = 0; k < node->nin; k++) lost |= !q->map[node->in[k]->id];
    if (lost && node->op->int8 != INT8_PRODUCT) continue;
    q->map[i] = q->fused[i] ? q->map[node->in[0]->id] : value_of(q, node);
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
  if (port->as == AS_FLOATS) return quant_floats(q, port->node);
  if (port->as == AS_CLASS) {
    Node *of = node_like(q, &op_int8_class, port->node, 1, &value);
    of->name = arena_printf(q->arena, "%s_class", port->node->name);
    of->shape = class_shape(value->shape);
    of->elem = I32;
    return of;
  }
  Node *bytes = quant_bytes(q, port->node);
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

/* What nobody asked the file for. */
static void find_leftovers(Quantizer *q) {
  for (int i = 0; i < q->file->arrays.n && !q->refused; i++)
    if (!q->file->arrays.data[i]->used)
      quant_problem(q, "%s: no layer of the net has it", q->file->arrays.data[i]->name);
}

static void report_problems(const Quantizer *q) {
  enum { SHOWN = 20 };
  const int n = q->problems.n;
  if (!n) return;
  Diag *diag = diag_report(q->diags, DIAG_weights_mismatch, q->from->name_span, NULL,
                           "%s is not quantised for %s: %d %s", q->file->path, q->from->name, n,
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

Graph *quantize_graph(Arena *arena, Diags *diags, const Graph *from, QuantFile *file) {
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
                 .fused = NEW_ARRAY(arena, bool, n)};
  const int errors = diags_errors(diags);
  q.to->weights.data = NULL;
  q.to->weights.n = q.to->weights.room = 0;
  q.to->parameters = 0;
  q.to->training = NULL;
  find_readers(&q);
  walk(&q);
  add_ports(&q);
  find_leftovers(&q);
  report_problems(&q);
  if (diags_errors(diags) > errors) return NULL;
  graph_verify(q.to);
  return q.to;
}
