/* formatting.c: Formatting, like `cnnc fmt`; sends only the changed part. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "syntax/format.h"
#include "lsp/lsp.h"

static bool continues(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* The changed part as one edit. */
static json_t *edit_json(const Server *s, Arena *arena, const Document *d, const Text *laid) {
  size_t same = 0, rest = 0;
  const size_t most = d->n < laid->n ? d->n : laid->n;
  while (same < most && d->text[same] == laid->s[same]) same++;
  while (same > 0 && ((same < d->n && continues(d->text[same])) ||
                      (same < laid->n && continues(laid->s[same])) || d->text[same - 1] == '\r'))
    same--;
  while (rest < most - same && d->text[d->n - rest - 1] == laid->s[laid->n - rest - 1]) rest++;
  while (rest > 0 && (continues(d->text[d->n - rest]) || d->text[d->n - rest] == '\n')) rest--;
  const Lines lines = lines_of(arena, d->text, d->n);
  return json_pack("{s:{s:o, s:o}, s:o}", "range", "start", lines_place(&lines, s->utf8, same), "end",
                   lines_place(&lines, s->utf8, d->n - rest), "newText",
                   json_stringn(laid->s + same, laid->n - rest - same));
}

/* A text with syntax errors is not changed. */
json_t *answer_format(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  const Document *d = document_of(s, params, failure);
  if (!d) return NULL;
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  Text laid = {.arena = arena};
  const uint32_t source = sources_add(&sources, d->path, arena_copy(arena, d->text, d->n), d->n);
  switch (format_source(&laid, arena, diags, &sources, source)) {
  case FORMAT_MISTAKES: return json_null();
  case FORMAT_CHANGED:
    *failure = (Failure){RPC_REQUEST_FAILED, "formatting would change the meaning of the program"};
    return NULL;
  case FORMATTED: break;
  }
  if (laid.n == d->n && memcmp(laid.s ? laid.s : "", d->text, d->n) == 0) return json_array();
  return json_pack("[o]", edit_json(s, arena, d, &laid));
}
