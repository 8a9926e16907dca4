/* width.c: Width of a text in columns, from the tables of the C library. */
// SPDX-License-Identifier: MIT-0
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
#include "hosted/display/width.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

static int width(const char *text) {
  mbstate_t state = {0};
  size_t left = strlen(text);
  int columns = 0;
  while (left > 0) {
    wchar_t character;
    const size_t n = mbrtowc(&character, text, left, &state);
    const int own = n < left + 1 ? wcwidth(character) : -1;
    const size_t taken = n < left + 1 ? n : 1;
    if (n >= left + 1) memset(&state, 0, sizeof state); /* an invalid or incomplete character */
    columns += own < 0 ? 1 : own;
    text += taken;
    left -= taken;
  }
  return columns;
}

static int characters(const char *text) {
  int count = 0;
  for (; *text; text++) count += ((unsigned char)*text & 0xC0) != 0x80;
  return count;
}

int cnn_text_columns(const char *text) {
  const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (!utf8) return characters(text);
  const locale_t before = uselocale(utf8);
  const int columns = width(text);
  uselocale(before);
  freelocale(utf8);
  return columns;
}
