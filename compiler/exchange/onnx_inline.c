/* onnx_inline.c: the functions that a model brings with it, put in the place of their calls. Names within a
 * call have the call's before them. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/table.h"
#include "exchange/onnx.h"

enum { MOST_NODES = 1 << 20, DEEPEST = 16 };

typedef struct Inliner {
  Arena *arena;
  const ModelProto *model;
  WireList *out;
  const char *why;
  size_t room; /* bytes of names that may still be made */
  int nodes;   /* looked at so far */
} Inliner;
typedef struct Call { /* NULL: in the graph itself */
  const NodeProto *node;
  const FunctionProto *function;
  const char *path; /* what stands before names within it */
  Table names;      /* of tensors: what they are outside */
} Call;

static const char *domain_of(const char *domain) { return strcmp(domain, "ai.onnx") == 0 ? "" : domain; }

static const FunctionProto *function_of(const Inliner *in, const NodeProto *node) {
  for (int i = 0; i < in->model->functions.n; i++) {
    const FunctionProto *f = in->model->functions.data[i];
    if (strcmp(f->name, node->op_type) == 0 && strcmp(domain_of(f->domain), domain_of(node->domain)) == 0)
      return f;
  }
  return NULL;
}

static const char *within(Inliner *in, const Call *call, const char *name) {
  const size_t n = strlen(call->path) + strlen(name) + 2;
  if (n > in->room) return in->why = "its functions are too large", "";
  in->room -= n;
  return arena_printf(in->arena, "%s/%s", call->path, name);
}

static const char *tensor_of(Inliner *in, Call *call, const char *name) {
  if (!call || !*name) return name;
  const char *known = table_find(&call->names, name);
  if (known) return known;
  known = within(in, call, name);
  table_set(in->arena, &call->names, name, (void *)(uintptr_t)known);
  return known;
}

static const AttributeProto *attribute_named(const WireList *list, const char *name) {
  for (int i = list->n - 1; i >= 0; i--)
    if (strcmp(((const AttributeProto *)list->data[i])->name, name) == 0) return list->data[i];
  return NULL;
}

/* Attributes that stand for those of the call, or for their defaults. */
static WireList attributes_of(Inliner *in, const Call *call, const NodeProto *node) {
  WireList all = {0};
  for (int i = 0; i < node->attribute.n; i++) {
    AttributeProto *a = node->attribute.data[i];
    if (call && *a->ref_attr_name) {
      const AttributeProto *given = attribute_named(&call->node->attribute, a->ref_attr_name);
      if (!given) given = attribute_named(&call->function->attribute_proto, a->ref_attr_name);
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

static NodeProto *copied(Inliner *in, Call *call, const NodeProto *node) {
  NodeProto *copy = NEW(in->arena, NodeProto);
  *copy = *node;
  copy->name = call ? within(in, call, node->name) : node->name;
  copy->attribute = attributes_of(in, call, node);
  if (call && node->metadata_props.n == 0) copy->metadata_props = call->node->metadata_props;
  copy->input = copy->output = (WireTexts){0};
  for (int i = 0; i < node->input.n; i++)
    vec_push(in->arena, copy->input, tensor_of(in, call, node->input.data[i]));
  for (int i = 0; i < node->output.n; i++)
    vec_push(in->arena, copy->output, tensor_of(in, call, node->output.data[i]));
  return copy;
}

static bool expand(Inliner *in, const WireList *nodes, Call *call, int depth);

static bool expand_call(Inliner *in, const NodeProto *node, const FunctionProto *function, int depth) {
  Call call = {.node = node, .function = function, .path = node->name};
  if (!*node->name) call.path = node->output.n ? node->output.data[0] : function->name;
  if (depth == DEEPEST) return in->why = "its functions call each other too deeply", false;
  for (int i = 0; i < function->input.n; i++)
    table_set(in->arena, &call.names, function->input.data[i],
              (void *)(uintptr_t)(i < node->input.n ? node->input.data[i] : ""));
  for (int i = 0; i < function->output.n && i < node->output.n; i++)
    if (*node->output.data[i])
      table_set(in->arena, &call.names, function->output.data[i], (void *)(uintptr_t)node->output.data[i]);
  return expand(in, &function->node, &call, depth + 1);
}

static bool expand(Inliner *in, const WireList *nodes, Call *call, int depth) {
  for (int i = 0; i < nodes->n && !in->why; i++) {
    const NodeProto *node = nodes->data[i];
    const FunctionProto *function = function_of(in, node);
    if (++in->nodes > MOST_NODES) return in->why = "it has more than 2^20 nodes", false;
    NodeProto *copy = call || function ? copied(in, call, node) : (NodeProto *)(uintptr_t)node;
    if (!function) vec_push(in->arena, *in->out, copy);
    else if (!expand_call(in, copy, function, depth)) return false;
  }
  return !in->why;
}

bool onnx_inline(Arena *arena, const ModelProto *model, size_t file_bytes, WireList *nodes,
                 const char **why) {
  Inliner in = {.arena = arena, .model = model, .out = nodes, .room = 8 * file_bytes + ((size_t)16 << 20)};
  *nodes = (WireList){0};
  const bool done = expand(&in, &model->graph->node, NULL, 0);
  *why = in.why;
  return done;
}
