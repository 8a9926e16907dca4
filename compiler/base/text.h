/* text.h: String builder; conversion of numbers, UTF-8, JSON strings and shell words; suggested names. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TEXT_H
#define CNNC_TEXT_H
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"

typedef struct Text {
  Arena *arena;
  char *s;
  size_t n, room;
} Text; /* s: NULL before the first output, then zero-terminated */

void text_put(Text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(Text *, const char *s, size_t n);
const char *text_thousands(Arena *, int64_t);                   /* 1234567 -> "1,234,567" */
const char *text_counted(Arena *, int64_t n, const char *noun); /* "1 row", "2 rows" */
const char *text_float(Arena *, double);  /* shortest decimal that reads back as the same float; "1.5",
                                             "1e-05"; independent of the locale */
const char *text_double(Arena *, double); /* like text_float, for a double; an integral value below 1e15
                                             has neither point nor exponent */
void text_json(Text *, const char *utf8); /* appends a JSON string with its quotes */
const char *text_shell(Arena *, const char *word); /* the word, in single quotes if a shell needs them */
bool text_number(const char *s, double *value); /* whether s is a decimal number; a point needs digits on both
                                                   sides; *value is infinite if the number is too large */
int text_decode(const char *s, size_t n, uint32_t *code); /* number of bytes of the UTF-8 character at s, 0 if
                                                             the character is invalid within n bytes */
int text_encode(char out[4], uint32_t code);              /* returns the number of bytes written */

/* The name among `names` (NULL-terminated) that a misspelled `word` most likely means, or NULL. */
const char *suggest(const char *word, const char *const *names);
/* Whether the word is the name with a few wrong, missing or additional letters, but with the same digits. */
bool is_misspelt(const char *word, const char *name);
void text_hex_float(Text *, float); /* 0x1.99999ap-4f; for a finite number */
#endif
