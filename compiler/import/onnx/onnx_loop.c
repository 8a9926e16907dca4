/* onnx_loop.c: Unrolling of a Loop whose count is known, and of a Scan of a known number of rows: the body is
 * repeated for each iteration. A condition that is not known yet, such as a comparison with a size, is
 * recorded; the importer computes it, and reads the model again if it ends the loop earlier. A value that one
 * iteration passes to the next becomes a separate tensor for each iteration; values that each iteration
 * appends to a result are concatenated. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/onnx/onnx_inline.h"

enum { MOST_ITERATIONS = 64, MOST_CARRIED = 64, DEEPEST_NUMBER = 16 };
enum { MOST_TRIED = 1 << 16 }; /* with more nodes, loops with unknown conditions are not unrolled */

typedef struct Loop {
  NodeProto *node;
  const GraphProto *body;
  bool scans; /* a Scan, whose body has neither an iteration number nor a condition */
  /* carried: number of values passed to the next iteration; joined: number of results with a row per
   * iteration */
  int carried, joined;
  int elements;       /* for a Scan: number of scanned tensors; an iteration reads one row of each tensor */
  int64_t iterations; /* maximum number of iterations */
  int64_t end;        /* number of iterations to unroll at most */
  const char *condition;
  const char *value[MOST_CARRIED], *row[MOST_CARRIED][MOST_ITERATIONS];
} Loop;

/* ---- constants ---- */
static bool tensor_single(Inliner *in, const TensorProto *proto, int64_t *to) {
  const char *why = NULL;
  const Tensor *t = proto->data_location ? NULL : onnx_constant(in->arena, proto, "", &why);
  if (!t || t->n != 1 || (!tensor_whole(t->type) && tensor_number(t, 0) != floor(tensor_number(t, 0))))
    return false;
  *to = tensor_integer(t, 0);
  return true;
}

/* The result of an operator on integers; false: the operator is unsupported, or its result overflows. */
static bool number_of_two(const char *op, int64_t a, int64_t b, int64_t *to) {
  const struct {
    const char *op;
    bool value;
  } truth[] = {{"Less", a < b},   {"LessOrEqual", a <= b}, {"Greater", a > b}, {"GreaterOrEqual", a >= b},
               {"Equal", a == b}, {"And", a && b},         {"Or", a || b}};
  for (size_t i = 0; i < sizeof truth / sizeof *truth; i++)
    if (!strcmp(op, truth[i].op)) return *to = truth[i].value, true;
  if (!strcmp(op, "Add")) return !__builtin_add_overflow(a, b, to);
  if (!strcmp(op, "Sub")) return !__builtin_sub_overflow(a, b, to);
  return !strcmp(op, "Mul") && !__builtin_mul_overflow(a, b, to);
}

static bool passes_number(const NodeProto *node) {
  static const char *const ops[] = {"Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape"};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (!strcmp(node->op_type, ops[i])) return node->input.n > 0;
  return false;
}

static bool constant_whole(Inliner *in, const char *name, int depth, int64_t *to);

static bool node_whole(Inliner *in, const NodeProto *node, int depth, int64_t *to) {
  int64_t a, b;
  if (!node || *onnx_domain(node->domain) || depth == DEEPEST_NUMBER) return false;
  if (passes_number(node)) return constant_whole(in, node->input.data[0], depth + 1, to);
  if (!strcmp(node->op_type, "Not") && node->input.n == 1) {
    if (!constant_whole(in, node->input.data[0], depth + 1, &a)) return false;
    return *to = !a, true;
  }
  if (node->input.n == 2)
    return constant_whole(in, node->input.data[0], depth + 1, &a) &&
           constant_whole(in, node->input.data[1], depth + 1, &b) && number_of_two(node->op_type, a, b, to);
  const AttributeProto *value = onnx_attribute_named(&node->attribute, "value"),
                       *integer = onnx_attribute_named(&node->attribute, "value_int");
  if (strcmp(node->op_type, "Constant") != 0 || (!value && !integer)) return false;
  if (integer) *to = integer->i;
  return integer || (value->t && tensor_single(in, value->t, to));
}

/* The value of a tensor that is one integer and only depends on constants; false: the value is unknown. */
static bool constant_whole(Inliner *in, const char *name, int depth, int64_t *to) {
  Origin *origin = table_find(&in->origins, name);
  if (!origin) return false;
  if (!origin->known)
    origin->known = origin->constant ? tensor_single(in, origin->constant, &origin->number)
                                     : node_whole(in, origin->maker, depth, &origin->number);
  *to = origin->number;
  return origin->known;
}

static bool constant_number(Inliner *in, const char *name, int64_t *to) {
  return constant_whole(in, name, 0, to);
}

static const char *add_integer(Inliner *in, Scope *scope, const char *name, TensorType type, int64_t number) {
  TensorProto *constant = NEW(in->arena, TensorProto);
  *constant = (TensorProto){.name = name, .data_type = type};
  if (type == TENSOR_INT64) vec_push(in->arena, constant->int64_data, number);
  else vec_push(in->arena, constant->int32_data, number);
  const char *known = inline_name(in, scope, name);
  inline_constant(in, constant, known);
  return known;
}

/* ---- iterations ---- */
static NodeProto *loop_node(Inliner *in, const Loop *l, const char *op, const char *to) {
  NodeProto *node = NEW(in->arena, NodeProto);
  *node = (NodeProto){.name = l->node->name,
                      .op_type = op,
                      .domain = "",
                      .metadata_props = l->node->metadata_props,
                      .guard = l->node->guard};
  vec_push(in->arena, node->output, to);
  inline_node(in, node);
  return node;
}

static AttributeProto *loop_attribute(Inliner *in, NodeProto *node, const char *name) {
  AttributeProto *a = NEW(in->arena, AttributeProto);
  *a = (AttributeProto){.name = name, .s = "", .ref_attr_name = ""};
  vec_push(in->arena, node->attribute, a);
  return a;
}

/* The number for tensor i in a Scan's attribute, which is a list with one number per tensor. 0 for a Loop, or
 * if the attribute or the number is missing. */
static int64_t scan_number(const Loop *l, const char *name, int i) {
  const AttributeProto *a = l->scans ? onnx_attribute_named(&l->node->attribute, name) : NULL;
  return a && i < a->ints.n ? a->ints.data[i] : 0;
}

/* Appends a node that selects the part of scanned tensor e that iteration k reads. */
static void put_scan_element(Inliner *in, const Loop *l, Scope *scope, int e, int64_t k) {
  const char *name = ((ValueInfoProto *)l->body->input.data[l->carried + e])->name;
  const int64_t index = scan_number(l, "scan_input_directions", e) ? l->iterations - 1 - k : k;
  const char *at = add_integer(in, scope, arena_printf(in->arena, "%s/index", name), TENSOR_INT64, index);
  NodeProto *part = loop_node(in, l, "Gather", inline_name(in, scope, name));
  vec_push(in->arena, part->input, l->node->input.data[l->carried + e]);
  vec_push(in->arena, part->input, at);
  loop_attribute(in, part, "axis")->i = scan_number(l, "scan_input_axes", e);
}

/* Appends the nodes of an iteration. Sets l->condition to the condition after the iteration. False after
 * inline_refuse(). */
static bool run_iteration(Inliner *in, Loop *l, Scope *outer, int64_t k, int depth) {
  Scope scope = {.outer = outer, .node = l->node, .guard = (int)l->node->guard};
  scope.path = inline_path(in, l->node, "loop", arena_printf(in->arena, "%lld", (long long)k));
  const GraphProto *body = l->body;
  const int own = l->scans ? 0 : 2, results = l->scans ? 0 : 1;
  for (int i = 0; i < own; i++)
    add_integer(in, &scope, ((ValueInfoProto *)body->input.data[i])->name, i ? TENSOR_BOOL : TENSOR_INT64,
                i ? 1 : k);
  for (int i = 0; i < l->carried; i++)
    table_set(in->arena, &scope.names, ((ValueInfoProto *)body->input.data[own + i])->name,
              (void *)(uintptr_t)l->value[i]);
  for (int e = 0; e < l->elements; e++) put_scan_element(in, l, &scope, e, k);
  if (!inline_graph(in, body, &scope, depth)) return false;
  for (int i = 0; i < l->carried; i++)
    l->value[i] = inline_tensor(in, &scope, ((ValueInfoProto *)body->output.data[results + i])->name);
  for (int i = 0; i < l->joined; i++) {
    const ValueInfoProto *row = body->output.data[results + l->carried + i];
    l->row[i][k] = inline_tensor(in, &scope, row->name);
  }
  if (!l->scans) l->condition = inline_tensor(in, &scope, ((ValueInfoProto *)body->output.data[0])->name);
  return true;
}

typedef enum Again { LOOP_ENDS, LOOP_RUNS, LOOP_UNKNOWN, LOOP_ASSUMED } Again;

/* Whether the loop continues after iteration k. LOOP_ASSUMED: the importer will compute the condition. */
static Again runs_again(Inliner *in, const Loop *l, int64_t k) {
  int64_t again = 1;
  if (l->scans || constant_number(in, l->condition, &again)) return again ? LOOP_RUNS : LOOP_ENDS;
  if (k + 1 == l->iterations) return LOOP_ENDS;
  if (!l->node->output.n || !*l->node->output.data[0] || in->nodes > MOST_TRIED) return LOOP_UNKNOWN;
  const OnnxCondition condition = {
      .outputs = l->node->output, .name = l->condition, .iteration = k, .last = k + 1 == l->end};
  vec_push(in->arena, in->flat->conditions, condition);
  return LOOP_ASSUMED;
}

/* Appends a result that has one row per iteration. */
static void put_loop_rows(Inliner *in, const Loop *l, int joined, const char *to, int64_t iterations) {
  const int64_t axis = scan_number(l, "scan_output_axes", joined);
  const bool reversed = scan_number(l, "scan_output_directions", joined) != 0;
  WireTexts rows = {0};
  for (int64_t k = 0; k < iterations; k++) {
    const char *row = arena_printf(in->arena, "%s/row%lld", to, (long long)k);
    NodeProto *one = loop_node(in, l, "Unsqueeze", row);
    vec_push(in->arena, one->input, l->row[joined][reversed ? iterations - 1 - k : k]);
    AttributeProto *axes = loop_attribute(in, one, "axes");
    vec_push(in->arena, axes->ints, axis);
    vec_push(in->arena, rows, row);
  }
  NodeProto *all = loop_node(in, l, "Concat", to);
  all->input = rows;
  loop_attribute(in, all, "axis")->i = axis;
}

/* Appends the results of the loop: the values after the last iteration, and the rows of all iterations. */
static void put_results(Inliner *in, const Loop *l, int64_t iterations) {
  for (int i = 0; i < l->node->output.n; i++) {
    const char *to = l->node->output.data[i];
    if (!*to) continue;
    if (i >= l->carried) put_loop_rows(in, l, i - l->carried, to, iterations);
    else {
      NodeProto *last = loop_node(in, l, "Identity", to);
      vec_push(in->arena, last->input, l->value[i]);
    }
  }
}

/* ---- the loop ---- */
/* The entry of the loop in the list of an earlier import; NULL: none. */
static const OnnxLoop *known_loop(const Inliner *in, const NodeProto *node) {
  for (int i = 0; in->loops && node->output.n && i < in->loops->n; i++)
    if (!strcmp(in->loops->data[i].output, node->output.data[0])) return &in->loops->data[i];
  return NULL;
}

/* The maximum number of iterations of a Loop, if it is constant or known from an earlier import; -1: unknown.
 * The condition may end the Loop earlier. */
static int64_t constant_count(Inliner *in, const NodeProto *node) {
  const OnnxLoop *known = known_loop(in, node);
  int64_t count = INT64_MAX, begins = 1;
  if (known) return known->most;
  if (node->input.n < 2) return -1;
  if (*node->input.data[0] && !constant_number(in, node->input.data[0], &count)) return -1;
  if (*node->input.data[1] && !constant_number(in, node->input.data[1], &begins)) return -1;
  return begins ? count : 0;
}

static bool read_loop(Inliner *in, NodeProto *node, Loop *l) {
  const AttributeProto *a = onnx_attribute_named(&node->attribute, "body"),
                       *scanned = onnx_attribute_named(&node->attribute, "num_scan_inputs");
  *l = (Loop){.node = node, .scans = scanned != NULL, .elements = scanned ? (int)scanned->i : 0};
  const int own = l->scans ? 0 : 2, results = l->scans ? 0 : 1;
  if (l->elements < l->scans || l->elements > node->input.n) return false;
  l->carried = node->input.n - l->elements - own;
  l->body = a ? inline_subgraph(in, a) : NULL;
  if (!l->body || l->carried < 0 || l->carried > MOST_CARRIED ||
      l->body->input.n != own + l->carried + l->elements)
    return false;
  l->joined = l->body->output.n - results - l->carried;
  for (int i = 0; i < l->carried; i++) l->value[i] = node->input.data[own + i];
  const OnnxLoop *known = known_loop(in, node);
  l->iterations = !l->scans ? constant_count(in, node) : known ? known->most : -1;
  l->end = known && known->until ? known->until : MOST_ITERATIONS;
  if (l->end > l->iterations) l->end = l->iterations;
  return l->joined >= 0 && l->joined <= MOST_CARRIED && node->output.n <= l->carried + l->joined &&
         l->iterations >= 0;
}

bool inline_loop(Inliner *in, NodeProto *node, Scope *scope, int depth) {
  const OnnxFlat before = *in->flat;
  Loop *l = NEW(in->arena, Loop);
  Again again = LOOP_RUNS;
  int64_t k = 0;
  if (depth == DEEPEST) return inline_refuse(in, "its loops are nested too deeply");
  bool known = read_loop(in, node, l);
  for (; known && again != LOOP_ENDS && k < l->end; k++) {
    known = run_iteration(in, l, scope, k, depth) && (again = runs_again(in, l, k)) != LOOP_UNKNOWN;
  }
  if (in->flat->why) return false;
  if (again == LOOP_RUNS && k < l->iterations) known = false;
  if (known && (k || !l->joined)) {
    put_results(in, l, k);
    return true;
  }
  in->flat->nodes.n = before.nodes.n;
  in->flat->constants.n = before.constants.n;
  in->flat->names.n = before.names.n;
  in->flat->guards.n = before.guards.n;
  in->flat->conditions.n = before.conditions.n;
  inline_node(in, node);
  return true;
}
