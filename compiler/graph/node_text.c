/* node_text.c: Text of a node for comments and reports: its layer and source line. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/file.h"
#include "base/text.h"
#include "graph/node_text.h"
#include "graph/op.h"

/* The source text of a call, joined to one line, without comments. */
static const char *call_text(Arena *arena, const Sources *sources, Span span) {
  const Source *source = sources_get(sources, span.file);
  if (!source || span.end > source->n || span.start >= span.end) return "";
  Text out = {.arena = arena};
  bool blank = false;
  for (uint32_t i = span.start; i < span.end; i++) {
    const char c = source->text[i];
    if (c == '#') {
      while (i + 1 < span.end && source->text[i + 1] != '\n') i++;
    } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') blank = out.n > 0;
    else {
      text_put(&out, blank ? " %c" : "%c", c);
      blank = false;
    }
  }
  return out.n ? out.s : "";
}

static const char *layer_place(Arena *arena, const Sources *sources, const Node *node) {
  const Source *source = sources_get(sources, node->span.file);
  if (!source) return "";
  const SourcePlace place = sources_place(sources, node->span.file, node->span.start);
  const char *file = node->span.file == 1 ? "line" : arena_printf(arena, "%s, line", base_name(place.path));
  return arena_printf(arena, "%s %d: %s", file, place.line, call_text(arena, sources, node->span));
}

const char *layer_text(Arena *arena, const Sources *sources, const Node *node) {
  const char *place = node_is_input(node) || !*node->name ? "" : layer_place(arena, sources, node);
  const char *text = arena_printf(arena, "%s%s%s", node->name, *place ? ", " : "", place);
  return node->hidden ? arena_printf(arena, "%s of %s", node->op->name, text) : text;
}
