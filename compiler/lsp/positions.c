/* positions.c: Conversion between byte offsets and the editor's lines and characters; URIs. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "lsp/lsp.h"

/* A line ends with \n, \r\n or \r. */
Lines lines_of(Arena *arena, const char *text, size_t n) {
  VEC(size_t) start = {0};
  vec_push(arena, start, 0);
  for (size_t i = 0; i < n; i++)
    if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == n || text[i + 1] != '\n')))
      vec_push(arena, start, i + 1);
  return (Lines){text, n, start.data, start.n};
}

/* The number of bytes of the character at `at`. *units: the number of the character's UTF-8 or UTF-16 code
 * units, in which the editor counts. */
static size_t character_at(const Lines *lines, size_t at, bool utf8, json_int_t *units) {
  uint32_t code;
  const int length = text_decode(lines->text + at, lines->n - at, &code);
  *units = utf8 ? (length ? length : 1) : length && code >= 0x10000 ? 2 : 1;
  return length ? (size_t)length : 1;
}

static size_t line_end(const Lines *lines, int line) {
  size_t end = line + 1 < lines->count ? lines->start[line + 1] : lines->n;
  if (line + 1 == lines->count) return end;
  if (end > lines->start[line] && lines->text[end - 1] == '\n') end--;
  if (end > lines->start[line] && lines->text[end - 1] == '\r') end--;
  return end;
}

/* Invalid positions are moved. A position after the end of a line moves to that end; a position after the
 * last line, to the end of the text; a position within a character, to the start of that character. */
size_t lines_offset(const Lines *lines, bool utf8, json_int_t line, json_int_t character) {
  if (line >= lines->count) return lines->n;
  size_t at = lines->start[line];
  const size_t end = line_end(lines, (int)line);
  while (character > 0 && at < end) {
    json_int_t units;
    const size_t bytes = character_at(lines, at, utf8, &units);
    if (units > character) break;
    character -= units;
    at += bytes;
  }
  return at;
}

json_t *lines_place(const Lines *lines, bool utf8, size_t offset) {
  if (offset > lines->n) offset = lines->n;
  int low = 0, high = lines->count - 1;
  while (low < high) {
    const int middle = low + (high - low + 1) / 2;
    if (lines->start[middle] <= offset) low = middle;
    else high = middle - 1;
  }
  json_int_t column = 0, units;
  for (size_t at = lines->start[low]; at < offset; column += units) {
    at += character_at(lines, at, utf8, &units);
    if (at > offset) break;
  }
  return json_pack("{s:i, s:I}", "line", low, "character", column);
}

bool place_read(const json_t *position, json_int_t *line, json_int_t *character) {
  const json_t *l = json_object_get(position, "line"), *c = json_object_get(position, "character");
  if (!json_is_integer(l) || !json_is_integer(c)) return false;
  *line = json_integer_value(l);
  *character = json_integer_value(c);
  return *line >= 0 && *character >= 0;
}

/* ---- URIs ---- */
static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : (tolower((unsigned char)c) - 'a') + 10; }

/* If the scheme is not file, the URI itself is used as the path. */
const char *path_of_uri(Arena *arena, const char *uri) {
  static const char scheme[] = "file://";
  if (strncmp(uri, scheme, sizeof scheme - 1) != 0) return arena_copy(arena, uri, strlen(uri));
  const char *from = strchr(uri + sizeof scheme - 1,
                            '/'); /* start of the path, after the host, which is empty or this machine */
  Text path = {.arena = arena};
  text_put(&path, "%s", "");
  for (; from && *from; from++) {
    const bool escaped =
        from[0] == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2]);
    const char c = escaped ? (char)(16 * digit(from[1]) + digit(from[2])) : *from;
    if (escaped) from += 2;
    if (c) text_bytes(&path, &c, 1);
  }
  return path.s;
}

const char *uri_of_path(Arena *arena, const char *path) {
  Text uri = {.arena = arena};
  text_put(&uri, "file://");
  for (const char *c = path; *c; c++)
    if (isalnum((unsigned char)*c) || strchr("/._-~", *c)) text_bytes(&uri, c, 1);
    else text_put(&uri, "%%%02X", (unsigned)(unsigned char)*c);
  return uri.s;
}

json_t *string_json(Arena *arena, const char *text) {
  json_t *json = json_string(text);
  if (json) return json;
  Text clean = {.arena = arena};
  for (size_t at = 0, n = strlen(text); at < n;) {
    uint32_t code;
    const int length = text_decode(text + at, n - at, &code);
    if (length) text_bytes(&clean, text + at, (size_t)length);
    else text_put(&clean, "\xef\xbf\xbd");
    at += length ? (size_t)length : 1;
  }
  return json_string(clean.s);
}
