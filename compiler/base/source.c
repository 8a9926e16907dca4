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

/* ---- columns ---- */

/* A mark stores the number of characters before an offset. A source with long lines has one mark per
 * MARK_BYTES bytes. */
enum { MARK_BYTES = 1024 };

static uint32_t character_end(const Source *source, uint32_t at) {
  uint32_t code;
  const int length = text_decode(source->text + at, source->n - at, &code);
  return at + (length ? (uint32_t)length : 1); /* an invalid UTF-8 byte counts as one character */
}

/* The number of whole characters from one offset to another; the second offset may be inside a character. */
static uint32_t characters_between(const Source *source, uint32_t at, uint32_t offset) {
  uint32_t n = 0;
  while (at < offset && (at = character_end(source, at)) <= offset) n++;
  return n;
}

static void marks_make(Arena *arena, Source *source) {
  uint32_t at = 0;
  for (uint32_t n = 0; at < source->n; n++, at = character_end(source, at))
    if (at >= (uint32_t)source->marks.n * MARK_BYTES) vec_push(arena, source->marks, ((SourceMark){at, n}));
}

static uint32_t characters_before(const Source *source, uint32_t offset) {
  uint32_t i = offset / MARK_BYTES;
  if (i >= (uint32_t)source->marks.n) i = (uint32_t)source->marks.n - 1;
  if (i > 0 && source->marks.data[i].at > offset) i--;
  const SourceMark *mark = &source->marks.data[i];
  return mark->characters + characters_between(source, mark->at, offset);
}

/* The number of characters from the start of a line to an offset. Far from the start, characters are counted
 * from the last mark before the offset: a long line may contain many messages and nodes, and each of them
 * needs a column. */
static uint32_t characters_from(Arena *arena, Source *source, uint32_t begin, uint32_t offset) {
  if (offset - begin <= MARK_BYTES) return characters_between(source, begin, offset);
  if (!source->marks.n) marks_make(arena, source);
  return characters_before(source, offset) - characters_before(source, begin);
}

SourcePlace sources_place(const Sources *sources, uint32_t file, uint32_t offset) {
  if (!sources_get(sources, file)) return (SourcePlace){NULL, 0, 0};
  Source *source = sources->list.data[file - 1];
  if (offset > source->n) offset = (uint32_t)source->n;
  const int line = source_line_at(source, offset);
  const uint32_t column = characters_from(sources->arena, source, source->line[line], offset);
  return (SourcePlace){source->path, line + 1, (int)column + 1};
}
