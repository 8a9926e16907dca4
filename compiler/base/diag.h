/* diag.h: Errors and warnings. Recorded with spans as byte offsets while the compiler works, printed at the
 * end in source order. This is independent of nets: diag.def is the table of slugs. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DIAG_H
#define CNNC_DIAG_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/arena.h"

typedef struct Span {
  uint32_t file, start, end;
} Span; /* bytes start .. end-1 of source `file` (1 is the main file; 0: nowhere) */
#define NO_SPAN ((Span){0, 0, 0})

/* A source text and its lines; the table of sources is indexed by Span.file. */
typedef struct Source {
  const char *path, *text; /* the text after a byte order mark */
  size_t n;
  bool mark;      /* the file begins with a byte order mark */
  bool binary;    /* a binary file, which has no lines: messages only print its name */
  uint32_t *line; /* start of each line */
  int lines;
  int rank; /* messages are printed in this order: imports have a lower rank than the file that imports them
             */
} Source;
typedef struct Sources {
  Arena *arena;
  VEC(Source *) list;
} Sources;
uint32_t sources_add(
    Sources *, const char *path, const char *text,
    size_t n); /* the index for Span.file; at most 1 GiB of text, which is not copied and must stay valid */
uint32_t sources_add_binary(Sources *, const char *path);
const Source *sources_get(const Sources *, uint32_t file);
typedef struct Place_ {
  const char *path;
  int line, column;
} SourcePlace; /* from 1; columns count code points */
SourcePlace sources_place(const Sources *, uint32_t file, uint32_t offset);

/* Position in the expansion of blocks: the stack of applications, innermost first. NULL in the net itself. */
typedef struct Site {
  const struct Site *outer;
  Span applied;
  const char *block;
} Site; /* printed as "in stage, applied here" */

typedef enum DiagLevel { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR } DiagLevel;
typedef enum DiagId {
#define DIAG(id, slug, level, summary, page) DIAG_##id,
#include "base/diag.def"
#undef DIAG
  DIAG_COUNT
} DiagId;
/* diag.def rows:  DIAG(kernel_exceeds_input, "kernel-exceeds-input", ERROR, "one line for tables", "the page
 * that --explain prints, with an example") */
typedef struct DiagInfo {
  const char *slug;
  DiagLevel level;
  const char *summary, *page;
} DiagInfo;
extern const DiagInfo diag_info[DIAG_COUNT];

typedef struct Diags Diags; /* all of a compilation */
typedef struct Diag Diag;   /* one message, to which notes are added; never NULL */

Diags *diags_new(Arena *, const Sources *);
/* Records an error or warning (according to diag.def and -W options) at a span, in an application of blocks
 * (NULL: none). Returns a message that drops its notes if the warning is off, or if the same slug was already
 * reported with the same text for the same span (a block applied several times). */
Diag *diag_report(Diags *, DiagId, Span, const Site *, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void diag_note(Diag *, Span, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* "note: ..." with its own position and source line */
void diag_fact(Diag *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* "= height: floor(...) ..." */
void diag_help(Diag *, const char *format, ...) __attribute__((format(printf, 2, 3))); /* "= help: ..." */

/* Adds a help's text edit, for --fix and for editors: it replaces the range (an empty range is an insertion).
 * All fixes of a message belong together. They contain no newlines. */
void diag_fix(Diag *, Span, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "did you mean '...'?", with its fix if the source has the word there, bare or in quotes. */
void diag_meant(Diag *, Span, const char *word, const char *meant);

/* Reports a file that cannot be written; "-": standard output. Returns false. */
bool diag_cannot_write(Diags *, const char *path, const char *why);

bool diags_option(Diags *,
                  const char *option); /* "unread-input", "no-unread-input", "error", "error=unused-value",
                                          "no-error=..."; false: no such slug, or not a warning */
int diags_errors(const Diags *);       /* errors so far, including warnings that count as errors */
int diags_mistakes(
    const Diags *); /* the same without warnings: names may be wrong or missing in the program */
/* Text and position of recorded error i; NULL after the last one. */
const char *diags_error(const Diags *, int i, Span *where);
int diags_warnings(const Diags *);

typedef enum DiagFormat { DIAG_TEXT, DIAG_JSON, DIAG_SARIF } DiagFormat;
/* Prints in source order (imports first, messages without a position last), then the count. At most 100
 * errors and 100 warnings are kept. */
void diags_print(Diags *, FILE *, DiagFormat, bool color);

/* A source with the fixes of all messages applied; of two that overlap, the first one wins. */
typedef struct FixedSource {
  uint32_t file;
  int fixes;
  const char *text;
  size_t n;
} FixedSource;
/* may_change: by Span.file. Returns the number of sources that change; their texts keep the byte order marks
 * of the files. */
int diags_fix(const Diags *, const bool *may_change, FixedSource **fixed);

int diag_find(const char *slug); /* its DiagId, or -1 */
#endif
