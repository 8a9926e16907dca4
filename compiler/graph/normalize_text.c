/* normalize_text.c: Text of the normalize operator of an input. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/normalize_text.h"
#include "base/text.h"
#include "graph/op.h"

static const char *normalize_value_text(Arena *arena, const Const *value) {
  if (value->kind == CONST_INT) return arena_printf(arena, "%lld", (long long)value->i);
  if (value->kind != CONST_LIST) return text_float(arena, value->f);
  const char *text = "";
  for (int i = 0; i < value->n; i++)
    text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", normalize_value_text(arena, &value->items[i]));
  return arena_printf(arena, "[%s]", text);
}

const char *graph_normalize(Arena *arena, const Graph *graph, const Node *input) {
  const Node *node = NULL;
  for (int i = 0; !node && i < graph->nodes.n; i++) {
    const Node *user = graph->nodes.data[i];
    if (user->op->traits.fold == FOLD_NORMALIZE && user->in[0] == input) node = user;
  }
  if (!node) return NULL;
  const char *text = "";
  for (const Param *param = node->op->params; param->name; param++) {
    const char *separator = param == node->op->params ? "" : ", ";
    text = arena_printf(arena, "%s%s%s=%s", text, separator, param->name,
                        normalize_value_text(arena, arg_const(node, param->name)));
  }
  return arena_printf(arena, "%s(%s)", node->op->name, text);
}
