/* unicode.h: UTF-8, and composition of names to one form (NFC). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_UNICODE_H
#define CNN_UNICODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool cnn_text_plain(const char *text, size_t n); /* UTF-8 without control characters */
/* Number of leading bytes that are valid UTF-8. */
size_t cnn_utf8_length(const unsigned char *bytes, size_t n);

/* Copies a name and composes letters with the marks after them (NFC, but only for Latin, modern Greek,
 * Cyrillic, Japanese and Korean). macOS may store file names decomposed: letters and marks are separate
 * characters. The copy is from malloc; NULL: out of memory. */
char *cnn_composed(const char *name);

typedef enum cnn_likeness {
  CNN_OTHER_NAME,
  CNN_SAME_LETTERS, /* equal except for upper and lower case */
  CNN_SAME_NAME     /* equal after composition */
} cnn_likeness;
cnn_likeness cnn_names_compare(const char *a, const char *b);
#endif
