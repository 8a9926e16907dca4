/* diag_fix.c: Application of the fixes of messages to source texts. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/diag_record.h"

typedef VEC(DiagFix) Fixes; /* edits of one source, in the order of their spans */

static bool fix_equal(const DiagFix *a, const DiagFix *b) {
  return a->span.start == b->span.start && a->span.end == b->span.end && strcmp(a->text, b->text) == 0;
}

/* Two insertions at one position overlap, too, because their order is undefined. */
static bool fix_meets(const DiagFix *a, const DiagFix *b) {
  if (a->span.start == b->span.start) return true;
  return a->span.start < b->span.end && b->span.start < a->span.end;
}

static bool can_apply(const Diag *diag, const bool *may_change, const Fixes *accepted) {
  for (int i = 0; i < diag->fixes.n; i++) {
    const DiagFix *fix = &diag->fixes.data[i];
    if (!may_change[fix->span.file]) return false;
    const Fixes *others = &accepted[fix->span.file];
    for (int k = 0; k < others->n; k++)
      if (fix_meets(fix, &others->data[k]) && !fix_equal(fix, &others->data[k])) return false;
  }
  return diag->fixes.n > 0;
}

static void fix_insert(Arena *arena, Fixes *list, DiagFix fix) {
  int at = list->n;
  for (int i = 0; i < list->n; i++)
    if (fix_equal(&list->data[i], &fix)) return;
  vec_push(arena, *list, fix);
  for (; at > 0 && list->data[at - 1].span.start > fix.span.start; at--) list->data[at] = list->data[at - 1];
  list->data[at] = fix;
}

static FixedSource source_fix(Arena *arena, const Source *source, const Fixes *fixes) {
  Text text = {.arena = arena};
  uint32_t at = 0;
  text_put(&text, "%s", source->mark ? "\xef\xbb\xbf" : "");
  for (int i = 0; i < fixes->n; i++) {
    const DiagFix *fix = &fixes->data[i];
    text_bytes(&text, source->text + at, fix->span.start - at);
    text_put(&text, "%s", fix->text);
    at = fix->span.end;
  }
  text_bytes(&text, source->text + at, source->n - at);
  return (FixedSource){.fixes = fixes->n, .text = text.s, .n = text.n};
}

int diags_fix(const Diags *diags, const bool *may_change, FixedSource **fixed) {
  Arena *arena = diags->arena;
  const int n = diags->sources->list.n;
  Fixes *accepted = NEW_ARRAY(arena, Fixes, n + 1);
  bool doubt = false; /* messages are in the order of evaluation: sizes of later values follow from earlier */
  for (int i = 0; i < diags->list.n; i++) {
    const Diag *diag = diags->list.data[i];
    const bool consequence = doubt && diag->from_sizes;
    doubt |= diag->id == DIAG_suspicious_value;
    if (consequence || !can_apply(diag, may_change, accepted)) continue;
    for (int k = 0; k < diag->fixes.n; k++) {
      const DiagFix fix = diag->fixes.data[k];
      fix_insert(arena, &accepted[fix.span.file], fix);
    }
  }
  VEC(FixedSource) changed = {0};
  for (uint32_t file = 1; file <= (uint32_t)n; file++) {
    if (accepted[file].n == 0) continue;
    FixedSource one = source_fix(arena, sources_get(diags->sources, file), &accepted[file]);
    one.file = file;
    vec_push(arena, changed, one);
  }
  *fixed = changed.data;
  return changed.n;
}
