/* csv.c: CSV reader, one row at a time. A quoted cell may contain separators, line ends and doubled quotes.
 */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/csv.h"

#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/base/unicode.h"

enum { CELLS_MOST = 1 << 20, CELL_MOST = 1 << 16 };

static char separator_of(const unsigned char *at, const unsigned char *end) {
  static const char separators[] = ",;\t";
  int64_t count[3] = {0};
  bool quoted = false;
  for (; at < end && (quoted || (*at != '\n' && *at != '\r')); at++) {
    const char *found = *at && !quoted ? strchr(separators, *at) : NULL;
    if (*at == '"') quoted = !quoted;
    if (found) count[found - separators]++;
  }
  int best = 0;
  for (int s = 1; s < 3; s++)
    if (count[s] > count[best]) best = s;
  return separators[best];
}

static cnn_status no_utf8(const char *path, const unsigned char *bytes, const unsigned char *bad) {
  int64_t line = 1;
  for (const unsigned char *at = bytes; at < bad; at++) line += *at == '\n' || (*at == '\r' && at[1] != '\n');
  return cnn_failure(
      CNN_BAD_FORMAT,
      "%s:%lld: is not UTF-8: the byte 0x%02X; a table in Latin-1 or Windows-1252 is converted by "
      "iconv -f WINDOWS-1252 -t UTF-8 \"%s\" >utf8.csv",
      path, (long long)line, *bad, path);
}

cnn_status cnn_csv_open(cnn_csv *csv, const char *path, const unsigned char *bytes, size_t n) {
  *csv = (cnn_csv){.path = path, .next_line = 1};
  const char *text;
  size_t length;
  const cnn_status status = cnn_text_of(path, bytes, n, &text, &length);
  if (status.code != CNN_OK) return status;
  if (n && memchr(bytes, 0, n))
    return cnn_failure(CNN_BAD_FORMAT, "%s: is not a text file: it contains NUL bytes", path);
  const size_t sound = cnn_utf8_length(bytes, n);
  if (sound < n) return no_utf8(path, bytes, bytes + sound);
  csv->at = (const unsigned char *)text;
  csv->end = csv->at + length;
  csv->separator = separator_of(csv->at, csv->end);
  return cnn_success();
}

void cnn_csv_close(cnn_csv *csv) {
  free(csv->cell);
  free(csv->start);
  free(csv->text);
  *csv = (cnn_csv){0};
}

static bool put(cnn_csv *csv, char letter) {
  if (csv->text_bytes == csv->text_room) {
    size_t room = csv->text_room ? 2 * csv->text_room : 256;
    char *moved = realloc(csv->text, room);
    if (!moved) return false;
    csv->text = moved;
    csv->text_room = room;
  }
  csv->text[csv->text_bytes++] = letter;
  return true;
}

static bool cell_begin(cnn_csv *csv) {
  if (csv->cells == csv->room) {
    int32_t room = csv->room ? 2 * csv->room : 16;
    size_t *start = realloc(csv->start, sizeof *start * (size_t)room);
    if (start) csv->start = start;
    const char **cell = start ? realloc(csv->cell, sizeof *cell * (size_t)room) : NULL;
    if (!cell) return false;
    csv->cell = cell;
    csv->room = room;
  }
  csv->start[csv->cells++] = csv->text_bytes;
  return true;
}

static bool at_line_end(const cnn_csv *csv) {
  return csv->at >= csv->end || *csv->at == '\n' || *csv->at == '\r';
}
static bool at_cell_end(const cnn_csv *csv) {
  return at_line_end(csv) || *csv->at == (unsigned char)csv->separator;
}
static bool blank(const cnn_csv *csv, char letter) {
  return letter == ' ' || (letter == '\t' && csv->separator != '\t');
}

static void line_end(cnn_csv *csv) {
  if (csv->at < csv->end && *csv->at == '\r') csv->at++;
  if (csv->at < csv->end && *csv->at == '\n') csv->at++;
  csv->next_line++;
}

static cnn_status no_memory(const cnn_csv *csv) {
  return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", csv->path);
}

static cnn_status too_long(const cnn_csv *csv) {
  return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: cell %d has more than %d bytes; a quote may be missing",
                     csv->path, (long long)csv->line, csv->cells, CELL_MOST);
}

/* Reads the rest of a quoted cell, after the opening quote. */
static cnn_status quoted_take(cnn_csv *csv) {
  int64_t opened = csv->next_line;
  size_t begin = csv->text_bytes;
  for (;; csv->at++) {
    if (csv->at >= csv->end)
      return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: the quote that opens here is not closed", csv->path,
                         (long long)opened);
    if (*csv->at == '"' && (csv->at + 1 == csv->end || csv->at[1] != '"')) break;
    if (*csv->at == '"') csv->at++;
    else if (*csv->at == '\n') csv->next_line++;
    if (csv->text_bytes - begin >= CELL_MOST) return too_long(csv);
    if (!put(csv, (char)*csv->at)) return no_memory(csv);
  }
  csv->at++;
  while (!at_cell_end(csv) && blank(csv, (char)*csv->at)) csv->at++;
  if (at_cell_end(csv)) return cnn_success();
  return cnn_failure(CNN_BAD_FORMAT,
                     "%s:%lld: there is text after the closing quote of cell %d; a quote in quotes is "
                     "written twice",
                     csv->path, (long long)csv->next_line, csv->cells);
}

static cnn_status cell_take(cnn_csv *csv) {
  if (csv->cells == CELLS_MOST)
    return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: has more than %d cells", csv->path, (long long)csv->line,
                       CELLS_MOST);
  if (!cell_begin(csv)) return no_memory(csv);
  while (!at_cell_end(csv) && blank(csv, (char)*csv->at)) csv->at++;
  size_t begin = csv->text_bytes;
  if (csv->at < csv->end && *csv->at == '"') {
    csv->at++;
    cnn_status status = quoted_take(csv);
    if (status.code != CNN_OK) return status;
  } else {
    for (; !at_cell_end(csv); csv->at++) {
      if (csv->text_bytes - begin >= CELL_MOST) return too_long(csv);
      if (!put(csv, (char)*csv->at)) return no_memory(csv);
    }
    while (csv->text_bytes > begin && blank(csv, csv->text[csv->text_bytes - 1])) csv->text_bytes--;
  }
  return put(csv, 0) ? cnn_success() : no_memory(csv);
}

static void blank_lines_pass(cnn_csv *csv) {
  for (;;) {
    const unsigned char *at = csv->at;
    while (at < csv->end && blank(csv, (char)*at)) at++;
    if (at < csv->end && *at != '\n' && *at != '\r') return;
    csv->at = at;
    if (at == csv->end) return;
    line_end(csv);
  }
}

bool cnn_csv_has_more(cnn_csv *csv) {
  blank_lines_pass(csv);
  return csv->at < csv->end;
}

cnn_status cnn_csv_row(cnn_csv *csv, bool *more) {
  csv->cells = 0;
  csv->text_bytes = 0;
  *more = cnn_csv_has_more(csv);
  csv->line = csv->next_line;
  if (!*more) return cnn_success();
  for (;;) {
    cnn_status status = cell_take(csv);
    if (status.code != CNN_OK) return status;
    if (at_line_end(csv)) break;
    csv->at++; /* the separator */
  }
  line_end(csv);
  for (int32_t c = 0; c < csv->cells; c++) csv->cell[c] = csv->text + csv->start[c];
  return cnn_success();
}
