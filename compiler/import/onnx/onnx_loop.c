/* onnx_loop.c: Unrolling of a Loop whose count and condition are constants: its body is repeated for each
 * iteration. Values that an iteration passes to the next one are tensors of the iteration; values that each
 * iteration adds to a result are concatenated. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/onnx_inline.h"

enum { MOST_ITERATIONS = 64, MOST_CARRIED = 64 };

typedef struct Loop {
  NodeProto *node;
  const GraphProto *body;
  int carried, joined; /* number of values passed on; number of results with a row per iteration */
  const char *value[MOST_CARRIED], *row[MOST_CARRIED][MOST_ITERATIONS];
} Loop;

/* ---- constants ---- */
/* The node in the list that makes a tensor; NULL: none. */
static const NodeProto *listed_maker(const Inliner *in, const char *name) {
  for (int i = in->flat->nodes.n - 1; i >= 0; i--) {
    const NodeProto *node = in->flat->nodes.data[i];
    for (int k = 0; k < node->output.n; k++)
      if (!strcmp(node->output.data[k], name)) return node;
  }
  return NULL;
}

static bool tensor_single(Inliner *in, const TensorProto *proto, int64_t *to) {
  const char *why = NULL;
  const Tensor *t = proto->data_location ? NULL : onnx_constant(in->arena, proto, "", &why);
  if (!t || t->n != 1) return false;
  *to = tensor_integer(t, 0);
  return true;
}

/* A tensor that is one constant number, possibly converted. */
static bool constant_number(Inliner *in, const char *name, int64_t *to) {
  for (int i = 0; i < in->flat->names.n; i++)
    if (!strcmp(in->flat->names.data[i], name)) return tensor_single(in, in->flat->constants.data[i], to);
  const NodeProto *node = listed_maker(in, name);
  if (!node || *onnx_domain(node->domain)) return false;
  if ((!strcmp(node->op_type, "Identity") || !strcmp(node->op_type, "Cast")) && node->input.n == 1)
    return constant_number(in, node->input.data[0], to);
  const AttributeProto *value = onnx_attribute_named(&node->attribute, "value"),
                       *integer = onnx_attribute_named(&node->attribute, "value_int");
  if (strcmp(node->op_type, "Constant") != 0 || (!value && !integer)) return false;
  if (integer) *to = integer->i;
  return integer || (value->t && tensor_single(in, value->t, to));
}

static const char *add_integer(Inliner *in, Scope *scope, const char *name, TensorType type, int64_t number) {
  TensorProto *constant = NEW(in->arena, TensorProto);
  *constant = (TensorProto){.name = name, .data_type = type};
  if (type == TENSOR_INT64) vec_push(in->arena, constant->int64_data, number);
  else vec_push(in->arena, constant->int32_data, number);
  vec_push(in->arena, in->flat->constants, constant);
  const char *known = inline_name(in, scope, name);
  vec_push(in->arena, in->flat->names, known);
  return known;
}

/* ---- iterations ---- */
/* Appends the nodes of an iteration. False if the condition after it is not a constant. */
static bool run_iteration(Inliner *in, Loop *l, Scope *outer, int64_t k, int depth, int64_t *again) {
  Scope scope = {.outer = outer, .node = l->node, .guard = (int)l->node->guard};
  scope.path = inline_path(in, l->node, "loop", arena_printf(in->arena, "%lld", (long long)k));
  const GraphProto *body = l->body;
  for (int i = 0; i < 2; i++)
    add_integer(in, &scope, ((ValueInfoProto *)body->input.data[i])->name, i ? TENSOR_BOOL : TENSOR_INT64,
                i ? 1 : k);
  for (int i = 0; i < l->carried; i++)
    table_set(in->arena, &scope.names, ((ValueInfoProto *)body->input.data[2 + i])->name,
              (void *)(uintptr_t)l->value[i]);
  if (!inline_graph(in, body, &scope, depth)) return false;
  const char *const condition = inline_tensor(in, &scope, ((ValueInfoProto *)body->output.data[0])->name);
  for (int i = 0; i < l->carried; i++)
    l->value[i] = inline_tensor(in, &scope, ((ValueInfoProto *)body->output.data[1 + i])->name);
  for (int i = 0; i < l->joined; i++)
    l->row[i][k] = inline_tensor(in, &scope, ((ValueInfoProto *)body->output.data[1 + l->carried + i])->name);
  return constant_number(in, condition, again);
}

static NodeProto *loop_node(Inliner *in, const Loop *l, const char *op, const char *to) {
  NodeProto *node = NEW(in->arena, NodeProto);
  *node = (NodeProto){.name = l->node->name,
                      .op_type = op,
                      .domain = "",
                      .metadata_props = l->node->metadata_props,
                      .guard = l->node->guard};
  vec_push(in->arena, node->output, to);
  vec_push(in->arena, in->flat->nodes, node);
  return node;
}

static AttributeProto *loop_attribute(Inliner *in, NodeProto *node, const char *name) {
  AttributeProto *a = NEW(in->arena, AttributeProto);
  *a = (AttributeProto){.name = name, .s = "", .ref_attr_name = ""};
  vec_push(in->arena, node->attribute, a);
  return a;
}

/* The results of the loop: the last values, and all rows. */
static void put_results(Inliner *in, const Loop *l, int64_t iterations) {
  for (int i = 0; i < l->node->output.n; i++) {
    const char *to = l->node->output.data[i];
    const int joined = i - l->carried;
    if (!*to) continue;
    if (joined < 0) {
      NodeProto *last = loop_node(in, l, "Identity", to);
      vec_push(in->arena, last->input, l->value[i]);
      continue;
    }
    WireTexts rows = {0};
    for (int64_t k = 0; k < iterations; k++) {
      const char *row = arena_printf(in->arena, "%s/row%lld", to, (long long)k);
      NodeProto *one = loop_node(in, l, "Unsqueeze", row);
      vec_push(in->arena, one->input, l->row[joined][k]);
      AttributeProto *axes = loop_attribute(in, one, "axes");
      vec_push(in->arena, axes->ints, 0);
      vec_push(in->arena, rows, row);
    }
    NodeProto *all = loop_node(in, l, "Concat", to);
    all->input = rows;
    loop_attribute(in, all, "axis")->i = 0;
  }
}

/* ---- the loop ---- */
/* The constant count of a Loop; -1: it has none. */
static int64_t constant_count(Inliner *in, const NodeProto *node) {
  int64_t count = -1, begins = 1;
  if (node->input.n < 2 || !*node->input.data[0] || !constant_number(in, node->input.data[0], &count))
    return -1;
  if (*node->input.data[1] && !constant_number(in, node->input.data[1], &begins)) return -1;
  return begins ? count : 0;
}

static bool read_loop(Inliner *in, NodeProto *node, Loop *l) {
  const AttributeProto *a = onnx_attribute_named(&node->attribute, "body");
  *l = (Loop){.node = node, .carried = node->input.n - 2};
  l->body = a ? wire_read(in->wire, onnx_graph_message, a->g.at, a->g.n) : NULL;
  if (!l->body || l->carried > MOST_CARRIED || l->body->input.n != 2 + l->carried) return false;
  l->joined = l->body->output.n - 1 - l->carried;
  for (int i = 0; i < l->carried; i++) l->value[i] = node->input.data[2 + i];
  return l->joined >= 0 && l->joined <= MOST_CARRIED && node->output.n <= l->carried + l->joined;
}

bool inline_loop(Inliner *in, NodeProto *node, Scope *scope, int depth) {
  const OnnxFlat before = *in->flat;
  const int64_t count = constant_count(in, node);
  Loop *l = NEW(in->arena, Loop);
  int64_t again = 1, k = 0;
  if (depth == DEEPEST) return inline_refuse(in, "its loops are nested too deeply");
  bool known = count >= 0 && count <= MOST_ITERATIONS && read_loop(in, node, l);
  for (; known && again && k < count; k++) known = run_iteration(in, l, scope, k, depth, &again);
  if (in->flat->why) return false;
  if (known && (k || !l->joined)) {
    put_results(in, l, k);
    return true;
  }
  in->flat->nodes.n = before.nodes.n;
  in->flat->constants.n = before.constants.n;
  in->flat->names.n = before.names.n;
  in->flat->guards.n = before.guards.n;
  vec_push(in->arena, in->flat->nodes, node);
  return true;
}
