/* onnx_inline.c: Inlining of a model's graph into one list of nodes. The nodes of a function replace its
 * call. The nodes of both branches of an If are put before the If. Loops are unrolled if their number of
 * iterations is known. The names of tensors that are local to a call, branch or iteration get its path as a
 * prefix. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/onnx_inline.h"

enum { MOST_NODES = 1 << 20 };

const char *onnx_domain(const char *domain) { return strcmp(domain, "ai.onnx") == 0 ? "" : domain; }

static const FunctionProto *function_of(const Inliner *in, const NodeProto *node) {
  for (int i = 0; i < in->model->functions.n; i++) {
    const FunctionProto *f = in->model->functions.data[i];
    if (strcmp(f->name, node->op_type) == 0 && strcmp(onnx_domain(f->domain), onnx_domain(node->domain)) == 0)
      return f;
  }
  return NULL;
}

bool inline_refuse(Inliner *in, const char *why) {
  in->flat->why = why;
  return false;
}

/* ---- names ---- */
static const char *joined(Inliner *in, const char *path, const char *name) {
  const size_t n = strlen(path) + strlen(name) + 2;
  if (n > in->room) return inline_refuse(in, "its functions are too large"), "";
  in->room -= n;
  return arena_printf(in->arena, "%s/%s", path, name);
}

const char *inline_path(Inliner *in, const NodeProto *node, const char *otherwise, const char *branch) {
  const char *name = *node->name ? node->name : node->output.n ? node->output.data[0] : otherwise;
  if (*branch) name = joined(in, name, branch);
  int *used = table_find(&in->paths, name);
  if (used) name = joined(in, name, arena_printf(in->arena, "%d", ++*used));
  else {
    used = NEW(in->arena, int);
    *used = 1;
    table_set(in->arena, &in->paths, name, used);
  }
  return name;
}

const char *inline_name(Inliner *in, Scope *scope, const char *name) {
  const char *known = joined(in, scope->path, name);
  table_set(in->arena, &scope->names, name, (void *)(uintptr_t)known);
  return known;
}

const char *inline_tensor(Inliner *in, Scope *scope, const char *name) {
  for (; scope && *name; scope = scope->outer) {
    const char *known = table_find(&scope->names, name);
    if (known || scope->function) return known ? known : inline_name(in, scope, name);
  }
  return name;
}

/* ---- the list ---- */
#ifdef __wasi__ /* the browser build unrolls no loops */
#define set_origin(in, name, constant, maker) ((void)0)
#else
static void set_origin(Inliner *in, const char *name, const TensorProto *constant, const NodeProto *maker) {
  Origin *origin = table_find(&in->origins, name);
  if (!origin) table_set(in->arena, &in->origins, name, origin = NEW(in->arena, Origin));
  *origin = (Origin){.constant = constant, .maker = maker};
}
#endif

void inline_node(Inliner *in, NodeProto *node) {
  vec_push(in->arena, in->flat->nodes, node);
  for (int i = 0; i < node->output.n; i++)
    if (*node->output.data[i]) set_origin(in, node->output.data[i], NULL, node);
}

void inline_constant(Inliner *in, TensorProto *constant, const char *name) {
  vec_push(in->arena, in->flat->constants, constant);
  vec_push(in->arena, in->flat->names, name);
  set_origin(in, name, constant, NULL);
}

/* Subgraphs are read once: the iterations of a loop share the graphs in its body. */
const GraphProto *inline_subgraph(Inliner *in, const AttributeProto *a) {
  const char *key = arena_printf(in->arena, "%p", (const void *)a->g.at);
  GraphProto *graph = table_find(&in->graphs, key);
  if (graph) return graph;
  graph = wire_read(in->wire, onnx_graph_message, a->g.at, a->g.n);
  if (graph) table_set(in->arena, &in->graphs, key, graph);
  else inline_refuse(in, in->wire->why);
  return graph;
}

/* ---- nodes ---- */
/* The attributes of a node. A reference is replaced by the attribute of the call or, if the call does not set
 * it, by the default of the function. A reference without either is dropped. */
static WireList attributes_of(Inliner *in, const Scope *scope, const NodeProto *node) {
  WireList all = {0};
  while (scope && !scope->function) scope = scope->outer;
  for (int i = 0; i < node->attribute.n; i++) {
    AttributeProto *a = node->attribute.data[i];
    if (scope && *a->ref_attr_name) {
      const AttributeProto *given = onnx_attribute_named(&scope->node->attribute, a->ref_attr_name);
      if (!given) given = onnx_attribute_named(&scope->function->attribute_proto, a->ref_attr_name);
      if (!given) continue;
      AttributeProto *copy = NEW(in->arena, AttributeProto);
      *copy = *given;
      copy->name = a->name;
      a = copy;
    }
    vec_push(in->arena, all, a);
  }
  return all;
}

static NodeProto *copied_node(Inliner *in, Scope *scope, const NodeProto *node) {
  NodeProto *copy = NEW(in->arena, NodeProto);
  *copy = *node;
  copy->name = scope && scope->function ? joined(in, scope->path, node->name) : node->name;
  copy->attribute = attributes_of(in, scope, node);
  copy->guard = scope ? scope->guard : 0;
  if (scope && node->metadata_props.n == 0) copy->metadata_props = scope->node->metadata_props;
  copy->input = copy->output = (WireTexts){0};
  for (int i = 0; i < node->input.n; i++)
    vec_push(in->arena, copy->input, inline_tensor(in, scope, node->input.data[i]));
  for (int i = 0; i < node->output.n; i++)
    vec_push(in->arena, copy->output, inline_tensor(in, scope, node->output.data[i]));
  return copy;
}

static bool inline_nodes(Inliner *in, const WireList *nodes, Scope *scope, int depth);

static bool expand_call(Inliner *in, const NodeProto *node, const FunctionProto *function, int depth) {
  Scope call = {.node = node, .function = function, .guard = (int)node->guard};
  call.path = inline_path(in, node, function->name, "");
  if (depth == DEEPEST) return inline_refuse(in, "its functions call each other too deeply");
  for (int i = 0; i < function->input.n; i++)
    table_set(in->arena, &call.names, function->input.data[i],
              (void *)(uintptr_t)(i < node->input.n ? node->input.data[i] : ""));
  for (int i = 0; i < function->output.n && i < node->output.n; i++)
    if (*node->output.data[i])
      table_set(in->arena, &call.names, function->output.data[i], (void *)(uintptr_t)node->output.data[i]);
  return inline_nodes(in, &function->node, &call, depth + 1);
}

/* ---- branches ---- */
static void inline_constants(Inliner *in, Scope *scope, const GraphProto *graph) {
  for (int i = 0; i < graph->initializer.n; i++) {
    TensorProto *constant = graph->initializer.data[i];
    inline_constant(in, constant, scope ? inline_name(in, scope, constant->name) : constant->name);
  }
}

bool inline_graph(Inliner *in, const GraphProto *graph, Scope *scope, int depth) {
  inline_constants(in, scope, graph);
  for (int i = 0; i < graph->node.n; i++) {
    const NodeProto *inner = graph->node.data[i];
    for (int k = 0; k < inner->output.n; k++)
      if (*inner->output.data[k]) inline_name(in, scope, inner->output.data[k]);
  }
  return inline_nodes(in, &graph->node, scope, depth + 1);
}

/* The results of the branch become inputs of the If. */
static bool expand_branch(Inliner *in, NodeProto *node, const AttributeProto *a, bool value, Scope *outer,
                          int depth) {
  Scope branch = {.outer = outer, .node = node, .guard = in->flat->guards.n};
  branch.path = inline_path(in, node, "if", value ? "then" : "else");
  const OnnxGuard guard = {
      .outer = (int)node->guard, .name = node->input.n ? node->input.data[0] : "", .value = value};
  vec_push(in->arena, in->flat->guards, guard);
  if (depth == DEEPEST) return inline_refuse(in, "its branches are nested too deeply");
  const GraphProto *graph = inline_subgraph(in, a);
  if (!graph || !inline_graph(in, graph, &branch, depth)) return false;
  for (int k = 0; k < node->output.n; k++) {
    const ValueInfoProto *result = k < graph->output.n ? graph->output.data[k] : NULL;
    vec_push(in->arena, node->input, result ? inline_tensor(in, &branch, result->name) : "");
  }
  return true;
}

static bool expand_if(Inliner *in, NodeProto *node, Scope *scope, int depth) {
  const AttributeProto *yes = onnx_attribute_named(&node->attribute, "then_branch"),
                       *no = onnx_attribute_named(&node->attribute, "else_branch");
  const bool whole = yes && no && node->input.n == 1;
  if (whole && !expand_branch(in, node, yes, true, scope, depth)) return false;
  if (whole && !expand_branch(in, node, no, false, scope, depth)) return false;
  inline_node(in, node);
  return true;
}

/* ---- the model ---- */
static bool inline_nodes(Inliner *in, const WireList *nodes, Scope *scope, int depth) {
  for (int i = 0; i < nodes->n && !in->flat->why; i++) {
    const NodeProto *node = nodes->data[i];
    const FunctionProto *function = function_of(in, node);
    const bool own = !function && !*onnx_domain(node->domain),
               branches = own && strcmp(node->op_type, "If") == 0,
               loop = own && (!strcmp(node->op_type, "Loop") || !strcmp(node->op_type, "Scan"));
    if (++in->nodes > MOST_NODES) return inline_refuse(in, "it has more than 2^20 nodes");
    NodeProto *copy =
        scope || function || branches || loop ? copied_node(in, scope, node) : (NodeProto *)(uintptr_t)node;
    if (function && !expand_call(in, copy, function, depth)) return false;
    if (branches && !expand_if(in, copy, scope, depth)) return false;
    if (loop && !inline_loop(in, copy, scope, depth)) return false;
    if (!function && !branches && !loop) inline_node(in, copy);
  }
  return !in->flat->why;
}

bool onnx_inline(Wire *wire, const ModelProto *model, const OnnxLoops *loops, size_t file_bytes,
                 OnnxFlat *flat) {
  Inliner in = {.arena = wire->arena,
                .wire = wire,
                .model = model,
                .flat = flat,
                .loops = loops,
                .room = 8 * file_bytes + ((size_t)16 << 20)};
  const OnnxGuard none = {0};
  *flat = (OnnxFlat){0};
  vec_push(in.arena, flat->guards, none);
  inline_constants(&in, NULL, model->graph);
  return inline_nodes(&in, &model->graph->node, NULL, 0);
}
