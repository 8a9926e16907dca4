/* source.c: Source texts, and conversion of byte offsets to lines and columns. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/diag.h"
#include "base/text.h"

static void lines_find(Arena *arena, Source *source) {
  VEC(uint32_t) starts = {0};
  vec_push(arena, starts, 0);
  for (const char *c = source->text, *end = c + source->n; (c = memchr(c, '\n', (size_t)(end - c))) != NULL;
       c++)
    vec_push(arena, starts, (uint32_t)(c + 1 - source->text));
  source->line = starts.data;
  source->lines = starts.n;
}

uint32_t sources_add(Sources *sources, const char *path, const char *text, size_t n) {
  Source *source = NEW(sources->arena, Source);
  const bool mark = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
  *source = (Source){.path = path, .text = mark ? text + 3 : text, .n = mark ? n - 3 : n, .mark = mark};
  lines_find(sources->arena, source);
  vec_push(sources->arena, sources->list, source);
  return (uint32_t)sources->list.n;
}

uint32_t sources_add_binary(Sources *sources, const char *path) {
  const uint32_t source = sources_add(sources, path, "", 0);
  sources->list.data[source - 1]->binary = true;
  return source;
}

const Source *sources_get(const Sources *sources, uint32_t file) {
  return file >= 1 && file <= (uint32_t)sources->list.n ? sources->list.data[file - 1] : NULL;
}

/* Index of the last line that starts at or before the offset. */
static int source_line_at(const Source *source, uint32_t offset) {
  int low = 0, high = source->lines - 1;
  while (low < high) {
    const int middle = low + (high - low + 1) / 2;
    if (source->line[middle] <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

SourcePlace sources_place(const Sources *sources, uint32_t file, uint32_t offset) {
  const Source *source = sources_get(sources, file);
  if (!source) return (SourcePlace){NULL, 0, 0};
  if (offset > source->n) offset = (uint32_t)source->n;
  const int line = source_line_at(source, offset);
  int column = 1;
  for (uint32_t at = source->line[line]; at < offset; column++) {
    uint32_t code;
    const int length = text_decode(source->text + at, source->n - at, &code);
    at += length ? (uint32_t)length : 1; /* an invalid UTF-8 byte counts as one character */
    if (at > offset) break;              /* the offset is inside a character: that character's column */
  }
  return (SourcePlace){source->path, line + 1, column};
}
