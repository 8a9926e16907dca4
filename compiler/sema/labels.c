/* labels.c: Class names: a list, or a file with one name per line. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/file.h"
#include "sema/context.h"

typedef VEC(const char *) Labels;

static bool label_add(Sema *s, Labels *labels, Table *seen, const char *label, Span span, const char *where) {
  if (label[0] == 0 || table_find(seen, label)) {
    const char *what = label[0] ? arena_printf(s->arena, "two labels are \"%s\"", label) : "an empty label";
    Diag *diag = diag_report(s->diags, DIAG_bad_label, span, NULL, "%s%s", what, where);
    diag_help(diag, "labels must be non-empty and distinct");
    return false;
  }
  if (strlen(label) > MOST_NAME) {
    diag_report(s->diags, DIAG_too_large, span, NULL, "a label of %zu bytes%s; the limit is %d",
                strlen(label), where, MOST_NAME);
    return false;
  }
  table_set(s->arena, seen, label, (void *)label);
  vec_push(s->arena, *labels, label);
  return true;
}

static bool list_read(Sema *s, const Const *list, Labels *labels) {
  Table seen = {0};
  for (int i = 0; i < list->n; i++) {
    const Const *item = &list->items[i];
    if (item->kind != CONST_STRING) {
      diag_report(s->diags, DIAG_bad_label, item->span, NULL, "a label is a string, but this is %s",
                  const_describe(s->arena, item));
      return false;
    }
    if (!label_add(s, labels, &seen, item->s, item->span, "")) return false;
  }
  return true;
}

/* ---- files ---- */

static const char *file_find(Sema *s, Span span, const char *path) {
  if (file_absolute(path)) return path;
  const Source *program = sources_get(s->sources, span.file);
  const char *first = program ? file_beside(s->arena, program->path, path) : path;
  if (file_exists(first)) return first;
  for (int i = 0; s->options && i < s->options->ndirs; i++) {
    const char *there = arena_printf(s->arena, "%s/%s", s->options->dirs[i], path);
    if (file_exists(there)) return there;
  }
  return first;
}

static bool utf8(const char *text, size_t n) {
  uint32_t code;
  for (size_t at = 0; at < n;) {
    const int length = text_decode(text + at, n - at, &code);
    if (length == 0 || code == 0) return false;
    at += (size_t)length;
  }
  return true;
}

static bool file_labels(Sema *s, const Const *name, Labels *labels) {
  const char *path = file_find(s, name->span, name->s), *why = "";
  size_t n = 0;
  const char *text = file_read(s->arena, path, &n, &why);
  if (!text) {
    diag_report(s->diags, DIAG_file_unreadable, name->span, NULL, "the labels cannot be read from %s: %s",
                path, why);
    return false;
  }
  if (s->options && s->options->labels_file) *s->options->labels_file = path;
  if (!utf8(text, n)) {
    diag_report(s->diags, DIAG_bad_label, name->span, NULL, "%s is not UTF-8 text", path);
    return false;
  }
  if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
    text += 3;
    n -= 3;
  }
  while (n && strchr(" \t\r\n", text[n - 1])) n--;
  Table seen = {0};
  int line = 1;
  for (const char *at = text, *end = text + n; at < end; line++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop) stop = end;
    size_t length = (size_t)(stop - at);
    while (length && strchr(" \t\r", at[length - 1])) length--;
    const char *where = arena_printf(s->arena, " (%s, line %d)", path, line);
    if (!label_add(s, labels, &seen, arena_copy(s->arena, at, length), name->span, where)) return false;
    at = stop + (stop < end);
  }
  return true;
}

void labels_read(Sema *s, const Frame *frame, const Stmt *stmt) {
  if (s->labels) {
    Diag *diag =
        diag_report(s->diags, DIAG_duplicate_statement, stmt->span, frame->site, "a second list of labels");
    diag_note(diag, s->labels->span, "the first list is here");
    return;
  }
  s->labels = stmt;
  const Const given = expr_eval(s, frame, stmt->value, NULL);
  Labels labels = {0};
  if (given.kind == CONST_POISON) return;
  if (given.kind != CONST_LIST && given.kind != CONST_STRING) {
    diag_report(s->diags, DIAG_bad_label, stmt->value->span, frame->site,
                "labels are a list of strings or the name of a file, but this is %s",
                const_describe(s->arena, &given));
    return;
  }
  if (!(given.kind == CONST_LIST ? list_read(s, &given, &labels) : file_labels(s, &given, &labels))) return;
  if (labels.n == 0) {
    const char *where = given.kind == CONST_LIST ? "list" : "file";
    diag_report(s->diags, DIAG_bad_label, stmt->value->span, frame->site, "there are no labels in this %s",
                where);
    return;
  }
  s->graph->nlabels = labels.n;
  s->graph->label = labels.data;
}

/* ---- one label per class of an output; a single unit has two classes ---- */

void labels_check(Sema *s) {
  const Graph *graph = s->graph;
  if (!graph->nlabels || graph->outputs.n == 0) return;
  for (int i = 0; i < graph->outputs.n; i++) {
    const Node *node = graph->outputs.data[i].node;
    if (!node->shape.rank) return;
    const int64_t channels = graph_classes(node);
    if (channels == graph->nlabels || (channels == 1 && graph->nlabels == 2 && !node->op->traits.classes))
      return;
  }
  const Port *output = &graph->outputs.data[0];
  const long long channels = (long long)graph_classes(output->node);
  Diag *diag = diag_report(s->diags, DIAG_labels_count, s->labels->value->span, NULL,
                           "%d label%s for an output of %lld class%s", graph->nlabels,
                           graph->nlabels == 1 ? "" : "s", channels, channels == 1 ? "" : "es");
  diag_note(diag, output->node->span, "the output '%s' has the shape %s here", output->name,
            shape_text(s->arena, output->node->shape));
  if (output->node->op->traits.classes)
    diag_help(diag, "there must be one label per class of %s", output->node->op->name);
  else diag_help(diag, "there must be one label per output channel; a single sigmoid unit takes two labels");
}
