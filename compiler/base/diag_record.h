/* diag_record.h: Recorded messages: interface between diag.c and the files that print them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DIAG_RECORD_H
#define CNNC_DIAG_RECORD_H
#include "base/diag.h"
#include "base/text.h"

typedef struct DiagNote {
  Span span;
  const char *message;
} DiagNote;

typedef struct DiagFix {
  Span span;
  const char *text;
} DiagFix;

struct Diag {
  Arena *arena; /* NULL: the message is suppressed */
  const Sources *sources;
  DiagId id;
  DiagLevel level;
  Span span;
  const Site *site;
  const char *message;
  bool from_sizes; /* see diag_from_sizes */
  VEC(const char *) facts;
  VEC(DiagNote) notes;
  VEC(const char *) helps;
  VEC(DiagFix) fixes;
};

typedef enum DiagSetting { SETTING_DEFAULT, SETTING_ON, SETTING_OFF } DiagSetting;

struct Diags {
  Arena *arena;
  const Sources *sources;
  VEC(Diag *) list;
  Diag muted;
  DiagSetting shown[DIAG_COUNT];    /* -Wslug, -Wno-slug */
  DiagSetting is_error[DIAG_COUNT]; /* -Werror=slug, -Wno-error=slug */
  bool all_errors;                  /* -Werror */
  int errors, warnings, notes;
  bool cut; /* messages above the limit were dropped */
};

/* The notes of a message, then notes about applications of blocks ("in BLOCK, applied here"). Returns the
 * number of notes. */
int diag_all_notes(const Diag *, Arena *, const DiagNote **notes);

void diags_put_text(const Diags *, Text *, bool color);
void diags_put_json(const Diags *, Text *);
void diags_put_sarif(const Diags *, Text *);
#endif
