/* unicode.h: UTF-8, and names that are the same although their bytes differ. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_UNICODE_H
#define CNN_UNICODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool cnn_text_plain(const char *text, size_t n);              /* UTF-8 without control characters */
size_t cnn_utf8_length(const unsigned char *bytes, size_t n); /* how many bytes at the beginning are UTF-8 */

/* A copy in which a letter and the marks after it are one character, where there is one (NFC, for the
 * scripts that have such letters most): macOS writes names of files taken apart. From malloc; NULL: no
 * memory. */
char *cnn_composed(const char *name);

typedef enum cnn_likeness {
  CNN_OTHER_NAME,
  CNN_SAME_LETTERS, /* but for capitals */
  CNN_SAME_NAME     /* when composed */
} cnn_likeness;
cnn_likeness cnn_names_compare(const char *a, const char *b);
#endif
