/* diag_print.c: Messages as text, with the source line and carets below it. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/diag_record.h"

/* Numbers of columns. TAB: the width of a tab. If a line is wider than WIDEST, only WIDEST columns of it are
 * shown. They begin BEFORE_CARET columns before the caret, or at the start of the line if the caret is near
 * the start. */
enum { TAB = 4, WIDEST = 160, BEFORE_CARET = 60 };

typedef struct Palette {
  const char *error, *warning, *note, *bold, *caret, *gutter, *reset;
} Palette;

static const Palette plain = {"", "", "", "", "", "", ""};
static const Palette colored = {"\033[1;31m", "\033[1;35m", "\033[1;36m", "\033[1m",
                                "\033[1;32m", "\033[2m",    "\033[0m"};

/* ---- characters ---- */

typedef struct CodeRange {
  uint32_t first, last;
} CodeRange;

static bool is_within(uint32_t code, const CodeRange *range, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (code >= range[i].first && code <= range[i].last) return true;
  return false;
}

/* Width of a character on a terminal: 0 columns for combining marks, 2 for East Asian wide characters and
 * emoji. */
static int code_columns(uint32_t code) {
  static const CodeRange none[] = {{0x300, 0x36f},    {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
                                   {0x64b, 0x65f},    {0x900, 0x902},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
                                   {0x200b, 0x200f},  {0x202a, 0x202e}, {0x2060, 0x2064}, {0x20d0, 0x20ff},
                                   {0xfe00, 0xfe0f},  {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff},
                                   {0xe0100, 0xe01ef}};
  static const CodeRange two[] = {
      {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
      {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},
      {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
      {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};
  if (code < 0x300) return 1;
  if (is_within(code, none, sizeof none / sizeof *none)) return 0;
  return is_within(code, two, sizeof two / sizeof *two) ? 2 : 1;
}

static bool is_harmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

/* Prints user text. U+FFFD replaces invalid UTF-8, control characters except newlines, and the characters
 * U+202A to U+202E and U+2066 to U+2069, which change the text direction. */
static void put_clean(Text *text, const char *s) {
  for (const char *end = s + strlen(s); s < end;) {
    uint32_t code = 0;
    const int length = text_decode(s, (size_t)(end - s), &code);
    if (length == 0 || (is_harmful(code) && code != '\n')) text_put(text, "\xef\xbf\xbd");
    else text_bytes(text, s, (size_t)length);
    s += length ? length : 1;
  }
}

/* ---- the source line ---- */

/* A character of a source line, as it is displayed. */
typedef struct Cell {
  uint32_t offset;
  int column, columns, bytes;
  const char *s;
} Cell;

static int cells_make(Arena *arena, const Source *source, uint32_t begin, uint32_t end, Cell **cells) {
  VEC(Cell) list = {0};
  int column = 0;
  for (uint32_t at = begin; at < end;) {
    uint32_t code = 0;
    const int length = text_decode(source->text + at, end - at, &code);
    Cell cell = {.offset = at,
                 .column = column,
                 .columns = code_columns(code),
                 .bytes = length,
                 .s = source->text + at};
    if (code == '\t' && length) {
      cell.columns = TAB - column % TAB;
      cell.s = "    ";
      cell.bytes = cell.columns;
    } else if (length == 0 || is_harmful(code)) {
      cell.columns = 1;
      cell.s = "\xef\xbf\xbd";
      cell.bytes = 3;
    }
    vec_push(arena, list, cell);
    column += cell.columns;
    at += length ? (uint32_t)length : 1;
  }
  vec_push(arena, list,
           ((Cell){.offset = end, .column = column, .s = ""})); /* a caret may be at the line's end */
  *cells = list.data;
  return list.n - 1;
}

static int cell_column(const Cell *cells, int n, uint32_t offset) {
  int i = 0;
  while (i < n && cells[i + 1].offset <= offset) i++;
  return cells[i].column;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static void put_source(const Diags *diags, Text *text, const Palette *color, Span span) {
  const Source *source = sources_get(diags->sources, span.file);
  const SourcePlace place = sources_place(diags->sources, span.file, span.start);
  const uint32_t begin = source->line[place.line - 1];
  uint32_t end = place.line < source->lines ? source->line[place.line] - 1 : (uint32_t)source->n;
  /* A range over several lines is underlined up to the last nonblank character of its first line. */
  while (end > begin && is_blank(source->text[end - 1])) end--;

  Arena *scratch = arena_new(); /* freed below: many messages may show the same very long line */
  Cell *cells;
  const int n = cells_make(scratch, source, begin, end, &cells);
  const uint32_t start = span.start < end ? span.start : end;
  const uint32_t stop = span.end < end ? span.end : end;
  const int caret = cell_column(cells, n, start);
  int underlined = (stop > start ? cell_column(cells, n, stop) : caret) - caret;
  if (underlined < 1) underlined = 1;

  /* The range of shown columns. */
  const int width = cells[n].column;
  const int first = width <= WIDEST || caret <= BEFORE_CARET ? 0 : caret - BEFORE_CARET;
  const int last = width <= WIDEST ? width : first + WIDEST;
  const char *dots = first > 0 ? "..." : "";
  text_put(text, "%s%5d |%s %s", color->gutter, place.line, color->reset, dots);
  int skipped = first; /* column of the first shown cell; larger if a wide character crosses the left edge */
  for (int i = n - 1; i >= 0 && cells[i].column >= first; i--) skipped = cells[i].column;
  for (int i = 0; i < n; i++)
    if (cells[i].column >= first && cells[i].column + cells[i].columns <= last)
      text_bytes(text, cells[i].s, (size_t)cells[i].bytes);
  text_put(text, "%s\n%s      |%s ", width > last ? "..." : "", color->gutter, color->reset);
  const int indent = caret - skipped + (int)strlen(dots);
  for (int i = 0; i < indent; i++) text_bytes(text, " ", 1);
  if (underlined > last - caret && last > caret) underlined = last - caret;
  text_put(text, "%s^", color->caret);
  for (int i = 1; i < underlined; i++) text_bytes(text, "~", 1);
  text_put(text, "%s\n", color->reset);
  arena_free(scratch);
}

/* ---- messages ---- */

/* The slug is at the end of the first line, because the other lines may be code that the user copies. */
static void put_text_message(const Diags *diags, Text *text, const Palette *color, DiagLevel level, Span span,
                             const char *message, const char *slug) {
  static const char *const word[] = {"note", "warning", "error"};
  const char *const paint[] = {color->note, color->warning, color->error};
  text_put(text, "%s", color->bold);
  const Source *source = sources_get(diags->sources, span.file);
  if (source && source->binary) {
    put_clean(text, source->path);
    text_put(text, ": ");
  } else if (source) {
    const SourcePlace place = sources_place(diags->sources, span.file, span.start);
    put_clean(text, place.path);
    text_put(text, ":%d:%d: ", place.line, place.column);
  } else {
    text_put(text, "cnnc: ");
  }
  text_put(text, "%s%s%s:%s %s", color->reset, paint[level], word[level], color->reset,
           level == DIAG_NOTE ? "" : color->bold);
  const size_t first = strcspn(message, "\n");
  put_clean(text, arena_copy(text->arena, message, first));
  text_put(text, "%s", level == DIAG_NOTE ? "" : color->reset);
  if (slug) text_put(text, " [%s]", slug);
  put_clean(text, message + first);
  text_put(text, "\n");
  if (source && !source->binary) put_source(diags, text, color, span);
}

/* "= detail"; further lines of a long detail are aligned with its first character. */
static void put_fact(Text *text, const Palette *color, const char *label, const char *fact) {
  text_put(text, "      %s=%s %s", color->gutter, color->reset, label);
  for (const char *line = fact;;) {
    const char *next = strchr(line, '\n');
    Text part = {.arena = text->arena};
    text_bytes(&part, line, next ? (size_t)(next - line) : strlen(line));
    put_clean(text, part.s);
    text_put(text, "\n");
    if (!next) return;
    text_put(text, "        %*s", (int)strlen(label), "");
    line = next + 1;
  }
}

static void put_diag_count(Text *text, int n, const char *what) {
  text_put(text, "%d %s%s", n, what, n == 1 ? "" : "s");
}

void diags_put_text(const Diags *diags, Text *text, bool color) {
  const Palette *palette = color ? &colored : &plain;
  for (int i = 0; i < diags->list.n; i++) {
    const Diag *diag = diags->list.data[i];
    put_text_message(diags, text, palette, diag->level, diag->span, diag->message, diag_info[diag->id].slug);
    for (int j = 0; j < diag->facts.n; j++) put_fact(text, palette, "", diag->facts.data[j]);
    const DiagNote *notes;
    const int n = diag_all_notes(diag, diags->arena, &notes);
    for (int j = 0; j < n; j++)
      put_text_message(diags, text, palette, DIAG_NOTE, notes[j].span, notes[j].message, NULL);
    for (int j = 0; j < diag->helps.n; j++) put_fact(text, palette, "help: ", diag->helps.data[j]);
  }
  if (diags->errors) put_diag_count(text, diags->errors, "error");
  if (diags->errors && diags->warnings) text_put(text, ", ");
  if (diags->warnings) put_diag_count(text, diags->warnings, "warning");
  if (diags->cut) text_put(text, ", and more that are not shown");
  if (diags->errors || diags->warnings) text_put(text, "\n");
}
