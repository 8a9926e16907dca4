/* onnx_inline.c: Inlining of a model's graph into one list of nodes: functions at their calls, the branches
 * of each If before it. Names of tensors in a call or a branch get its path as a prefix. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/table.h"
#include "import/onnx/onnx.h"

enum { MOST_NODES = 1 << 20, DEEPEST = 16 };

typedef struct Inliner {
  Arena *arena;
  Wire *wire;
  const ModelProto *model;
  OnnxFlat *flat;
  size_t room; /* remaining bytes for new names */
  int nodes;   /* nodes visited so far */
  Table paths; /* paths of calls and branches */
} Inliner;
typedef struct Scope Scope; /* NULL: the graph itself */
struct Scope {
  Scope *outer; /* for a branch: the enclosing scope, which is visible; a function has none */
  const NodeProto *node;
  const FunctionProto *function; /* NULL: a branch */
  const char *path;              /* prefix of names within it */
  int guard;
  Table names; /* by tensor name: the name in the list */
};

const char *onnx_domain(const char *domain) { return strcmp(domain, "ai.onnx") == 0 ? "" : domain; }

static const FunctionProto *function_of(const Inliner *in, const NodeProto *node) {
  for (int i = 0; i < in->model->functions.n; i++) {
    const FunctionProto *f = in->model->functions.data[i];
    if (strcmp(f->name, node->op_type) == 0 && strcmp(onnx_domain(f->domain), onnx_domain(node->domain)) == 0)
      return f;
  }
  return NULL;
}

static bool refuse_inline(Inliner *in, const char *why) {
  in->flat->why = why;
  return false;
}

/* ---- names ---- */
static const char *joined(Inliner *in, const char *path, const char *name) {
  const size_t n = strlen(path) + strlen(name) + 2;
  if (n > in->room) return refuse_inline(in, "its functions are too large"), "";
  in->room -= n;
  return arena_printf(in->arena, "%s/%s", path, name);
}

/* The unique path of a call or a branch; nodes may have the same name. */
static const char *inlined_path(Inliner *in, const NodeProto *node, const char *otherwise,
                                const char *branch) {
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

static const char *add_name(Inliner *in, Scope *scope, const char *name) {
  const char *known = joined(in, scope->path, name);
  table_set(in->arena, &scope->names, name, (void *)(uintptr_t)known);
  return known;
}

static const char *tensor_of(Inliner *in, Scope *scope, const char *name) {
  for (; scope && *name; scope = scope->outer) {
    const char *known = table_find(&scope->names, name);
    if (known || scope->function) return known ? known : add_name(in, scope, name);
  }
  return name;
}

/* ---- nodes ---- */
/* Replaces attribute references by the call's attributes, or their defaults. */
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
    vec_push(in->arena, copy->input, tensor_of(in, scope, node->input.data[i]));
  for (int i = 0; i < node->output.n; i++)
    vec_push(in->arena, copy->output, tensor_of(in, scope, node->output.data[i]));
  return copy;
}

static bool expand(Inliner *in, const WireList *nodes, Scope *scope, int depth);

static bool expand_call(Inliner *in, const NodeProto *node, const FunctionProto *function, int depth) {
  Scope call = {.node = node, .function = function, .guard = (int)node->guard};
  call.path = inlined_path(in, node, function->name, "");
  if (depth == DEEPEST) return refuse_inline(in, "its functions call each other too deeply");
  for (int i = 0; i < function->input.n; i++)
    table_set(in->arena, &call.names, function->input.data[i],
              (void *)(uintptr_t)(i < node->input.n ? node->input.data[i] : ""));
  for (int i = 0; i < function->output.n && i < node->output.n; i++)
    if (*node->output.data[i])
      table_set(in->arena, &call.names, function->output.data[i], (void *)(uintptr_t)node->output.data[i]);
  return expand(in, &function->node, &call, depth + 1);
}

/* ---- branches ---- */
static void add_constants(Inliner *in, Scope *scope, const GraphProto *graph) {
  for (int i = 0; i < graph->initializer.n; i++) {
    TensorProto *constant = graph->initializer.data[i];
    vec_push(in->arena, in->flat->constants, constant);
    vec_push(in->arena, in->flat->names, scope ? add_name(in, scope, constant->name) : constant->name);
  }
}

/* The nodes of a branch of an If; its results become inputs of the If. */
static bool expand_branch(Inliner *in, NodeProto *node, const AttributeProto *a, bool value, Scope *outer,
                          int depth) {
  Scope branch = {.outer = outer, .node = node, .guard = in->flat->guards.n};
  branch.path = inlined_path(in, node, "if", value ? "then" : "else");
  const OnnxGuard guard = {
      .outer = (int)node->guard, .name = node->input.n ? node->input.data[0] : "", .value = value};
  vec_push(in->arena, in->flat->guards, guard);
  if (depth == DEEPEST) return refuse_inline(in, "its branches are nested too deeply");
  const GraphProto *graph = wire_read(in->wire, onnx_graph_message, a->g.at, a->g.n);
  if (!graph) return refuse_inline(in, in->wire->why);
  add_constants(in, &branch, graph);
  for (int i = 0; i < graph->node.n; i++) {
    const NodeProto *inner = graph->node.data[i];
    for (int k = 0; k < inner->output.n; k++)
      if (*inner->output.data[k]) add_name(in, &branch, inner->output.data[k]);
  }
  if (!expand(in, &graph->node, &branch, depth + 1)) return false;
  for (int k = 0; k < node->output.n; k++) {
    const ValueInfoProto *result = k < graph->output.n ? graph->output.data[k] : NULL;
    vec_push(in->arena, node->input, result ? tensor_of(in, &branch, result->name) : "");
  }
  return true;
}

static bool expand_if(Inliner *in, NodeProto *node, Scope *scope, int depth) {
  const AttributeProto *yes = onnx_attribute_named(&node->attribute, "then_branch"),
                       *no = onnx_attribute_named(&node->attribute, "else_branch");
  const bool whole = yes && no && node->input.n == 1;
  if (whole && !expand_branch(in, node, yes, true, scope, depth)) return false;
  if (whole && !expand_branch(in, node, no, false, scope, depth)) return false;
  vec_push(in->arena, in->flat->nodes, node);
  return true;
}

/* ---- the model ---- */
static bool expand(Inliner *in, const WireList *nodes, Scope *scope, int depth) {
  for (int i = 0; i < nodes->n && !in->flat->why; i++) {
    const NodeProto *node = nodes->data[i];
    const FunctionProto *function = function_of(in, node);
    const bool branches = !function && !*onnx_domain(node->domain) && strcmp(node->op_type, "If") == 0;
    if (++in->nodes > MOST_NODES) return refuse_inline(in, "it has more than 2^20 nodes");
    NodeProto *copy =
        scope || function || branches ? copied_node(in, scope, node) : (NodeProto *)(uintptr_t)node;
    if (function && !expand_call(in, copy, function, depth)) return false;
    if (branches && !expand_if(in, copy, scope, depth)) return false;
    if (!function && !branches) vec_push(in->arena, in->flat->nodes, copy);
  }
  return !in->flat->why;
}

bool onnx_inline(Wire *wire, const ModelProto *model, size_t file_bytes, OnnxFlat *flat) {
  Inliner in = {.arena = wire->arena,
                .wire = wire,
                .model = model,
                .flat = flat,
                .room = 8 * file_bytes + ((size_t)16 << 20)};
  const OnnxGuard none = {0};
  *flat = (OnnxFlat){0};
  vec_push(in.arena, flat->guards, none);
  add_constants(&in, NULL, model->graph);
  return expand(&in, &model->graph->node, NULL, 0);
}
