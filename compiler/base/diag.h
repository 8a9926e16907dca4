/* diag.h: errors and warnings. Recorded with spans as byte offsets while the compiler works, printed at the
 * end in source order. This knows nothing of nets: diag.def is the table of slugs. */
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
  bool binary;    /* a file without lines: messages name it alone */
  uint32_t *line; /* where each line starts */
  int lines;
  int rank; /* messages are printed in this order: imports have a lower rank than the file that imports them
             */
} Source;
typedef struct Sources {
  Arena *arena;
  VEC(Source *) list;
} Sources;
uint32_t sources_add(Sources *, const char *path, const char *text,
                     size_t n); /* the index for Span.file; at most 1 GiB of text, kept, not copied */
uint32_t sources_add_binary(Sources *, const char *path);
const Source *sources_get(const Sources *, uint32_t file);
typedef struct Place_ {
  const char *path;
  int line, column;
} SourcePlace; /* from 1; columns count code points */
SourcePlace sources_place(const Sources *, uint32_t file, uint32_t offset);

/* Where in the expansion of blocks something happens: the stack of applications, innermost first. NULL in the
 * net itself. */
typedef struct Site {
  const struct Site *outer;
  Span applied;
  const char *block;
} Site; /* "in stage, applied here" */

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
typedef struct Diag Diag;   /* one message, to hang notes on; never NULL */

Diags *diags_new(Arena *, const Sources *);
/* An error or warning (as diag.def and -W options say) at a span, in an application of blocks (NULL: none).
 * Returns a message that swallows what is hung on it when the warning is off, or when the same slug was
 * reported for the same span and the same text already (a block applied often). */
Diag *diag_report(Diags *, DiagId, Span, const Site *, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void diag_note(Diag *, Span, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* "note: ..." with its own place and source line */
void diag_fact(Diag *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* "= height: floor(...) ..." */
void diag_help(Diag *, const char *format, ...) __attribute__((format(printf, 2, 3))); /* "= help: ..." */

/* A help's text edit, for --fix and for editors: the range is replaced (an empty one:
 * inserted at). All fixes of a message belong together. They hold no newlines. */
void diag_fix(Diag *, Span, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "did you mean '...'?", with its fix where the source has the word there, bare or in quotes. */
void diag_meant(Diag *, Span, const char *word, const char *meant);

/* Of a file that cannot be written; "-": standard output. False. */
bool diag_cannot_write(Diags *, const char *path, const char *why);

bool diags_option(Diags *,
                  const char *option); /* "unread-input", "no-unread-input", "error", "error=unused-value",
                                          "no-error=..."; false: no such slug, or not a warning */
int diags_errors(const Diags *);       /* so far, warnings made errors included */
int diags_mistakes(const Diags *);     /* the same without these: names there may be wrong or missing */
/* The text and place of error i of those that are kept; NULL after the last. */
const char *diags_error(const Diags *, int i, Span *where);
int diags_warnings(const Diags *);

typedef enum DiagFormat { DIAG_TEXT, DIAG_JSON, DIAG_SARIF } DiagFormat;
/* In source order (imports first, messages without a place last), then the count. At most 100 errors and 100
 * warnings are kept. */
void diags_print(Diags *, FILE *, DiagFormat, bool color);

/* A source with the fixes of all messages applied: of two that overlap the first in the list counts. */
typedef struct FixedSource {
  uint32_t file;
  int fixes;
  const char *text;
  size_t n;
} FixedSource;
/* may_change: by Span.file. How many sources change; their texts keep the byte order marks of the files. */
int diags_fix(const Diags *, const bool *may_change, FixedSource **fixed);

int diag_find(const char *slug); /* its DiagId, or -1 */
#endif
