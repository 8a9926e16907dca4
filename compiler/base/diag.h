/* diag.h: Diagnostics: errors, warnings and notes, recorded with source spans and printed at the end in
 * source order. diag.def is the table of slugs. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DIAG_H
#define CNNC_DIAG_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/arena.h"

typedef struct Span {
  uint32_t file, start, end;
} Span; /* the bytes of `file` from `start` to `end` (exclusive); file 1: the main file; 0: no position */
#define NO_SPAN ((Span){0, 0, 0})

typedef struct SourceMark { /* the offset of a character, and the number of characters before it */
  uint32_t at, characters;
} SourceMark;
/* A source text and its lines. */
typedef struct Source {
  const char *path, *text; /* text: without the byte order mark */
  size_t n;
  bool mark;      /* the file begins with a byte order mark */
  bool binary;    /* a file without lines: messages print only the file's name */
  uint32_t *line; /* offset of each line */
  int lines;
  int rank;              /* order of messages: imports before the importing file */
  VEC(SourceMark) marks; /* one mark per 1024 bytes; none until a column of a long line is needed */
} Source;
typedef struct Sources {
  Arena *arena;
  VEC(Source *) list;
} Sources;
uint32_t sources_add(Sources *, const char *path, const char *text,
                     size_t n); /* returns the id for Span.file; the text, at most 1 GiB, is not copied */
uint32_t sources_add_binary(Sources *, const char *path);
const Source *sources_get(const Sources *, uint32_t file);
typedef struct Place_ {
  const char *path;
  int line, column;
} SourcePlace; /* lines and columns are counted from 1 (0: no position); a column is one code point */
SourcePlace sources_place(const Sources *, uint32_t file, uint32_t offset);

/* Stack of block applications, innermost first. NULL: the position is not in a block. */
typedef struct Site {
  const struct Site *outer;
  Span applied;
  const char *block;
} Site; /* printed as "in BLOCK, applied here" */

typedef enum DiagLevel { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR } DiagLevel;
typedef enum DiagId {
#define DIAG(id, slug, level, summary, page) DIAG_##id,
#include "base/diag.def"
#undef DIAG
  DIAG_COUNT
} DiagId;
typedef struct DiagInfo { /* a row of diag.def; page: the text that --explain prints */
  const char *slug;
  DiagLevel level;
  const char *summary, *page;
} DiagInfo;
extern const DiagInfo diag_info[DIAG_COUNT];

typedef struct Diags Diags; /* all messages of a compilation */
typedef struct Diag Diag;   /* one message */

Diags *diags_new(Arena *, const Sources *);
/* Records a message. diag.def and the -W options determine whether it is an error, a warning or a note.
 * A message is not recorded if a -W option turns its slug off, if its level already has 100 messages, or if
 * it repeats the slug, text and span of another message (in a block that is applied several times). The
 * result is never NULL. */
Diag *diag_report(Diags *, DiagId, Span, const Site *, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void diag_note(Diag *, Span, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* "note: ..." with its own position and source line */
void diag_fact(Diag *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* "= height: floor(...) ..." */
void diag_help(Diag *, const char *format, ...) __attribute__((format(printf, 2, 3))); /* "= help: ..." */

/* Adds a text edit for --fix and editors: the new text replaces the span. An empty span is an insertion. All
 * edits of a message form one fix. The new text has no newlines. */
void diag_fix(Diag *, Span, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds an edit that appends an argument to a call. Calls with comments are not edited. */
void diag_fix_argument(Diag *, Span call, const char *argument);
/* Marks a message as a result of the sizes of values. If an earlier message doubts a size (suspicious-value),
 * this message may be only a consequence, and its fix is not applied with the others. Returns the message. */
Diag *diag_from_sizes(Diag *);
/* Adds "did you mean '...'?", with a fix if the source has the word at the span, with or without quotes. */
void diag_meant(Diag *, Span, const char *word, const char *meant);

/* Reports a file that cannot be written; "-": standard output. Returns false. */
bool diag_cannot_write(Diags *, const char *path, const char *why);

bool diags_option(Diags *,
                  const char *option); /* "unread-input", "no-unread-input", "error", "error=unused-value",
                                          "no-error=..."; false: no such slug, or the slug of an error */
void diags_options(Diags *, const WordList *); /* diags_option for each of the words, all of them valid */
int diags_errors(const Diags *);               /* number of errors, including warnings that count as errors */
int diags_mistakes(const Diags *);             /* number of errors, excluding warnings that count as errors */
/* Text and position of recorded error i; NULL after the last error. */
const char *diags_error(const Diags *, int i, Span *where);
int diags_warnings(const Diags *);

typedef enum DiagFormat { DIAG_TEXT, DIAG_JSON, DIAG_SARIF } DiagFormat;
/* Prints all messages in source order (imports first, messages without a position last). With DIAG_TEXT, then
 * prints the numbers of errors and warnings. */
void diags_print(Diags *, FILE *, DiagFormat, bool color);

/* A source with the fixes of all messages applied. Of fixes that overlap, only the first is applied; fixes of
 * messages that may be consequences of a suspicious value are left out. */
typedef struct FixedSource {
  uint32_t file;
  int fixes;
  const char *text;
  size_t n;
} FixedSource;
/* may_change[file]: whether this source (Span.file) may be changed. Returns the number of changed sources;
 * *fixed has one element for each of them. The new text of a source begins with a byte order mark if the
 * source does. */
int diags_fix(const Diags *, const bool *may_change, FixedSource **fixed);

int diag_find(const char *slug); /* DiagId of a slug, or -1 */
#endif
