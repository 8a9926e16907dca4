/* text.c: String builder; conversion of numbers, UTF-8, JSON strings and shell words. Independent of the
 * locale: cnnc never calls setlocale. */
// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void text_reserve(Text *text, size_t more) {
  const size_t need = text->n + more + 1;
  if (need <= text->room) return;
  size_t room = text->room ? 2 * text->room : 128;
  if (room < need) room = need;
  text->s = arena_grow(text->arena, text->s, text->room, room);
  text->room = room;
}

void text_bytes(Text *text, const char *s, size_t n) {
  text_reserve(text, n);
  if (n) memcpy(text->s + text->n, s, n);
  text->n += n;
  text->s[text->n] = 0;
}

void text_put(Text *text, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  text_reserve(text, 0);
  const size_t left = text->room - text->n;
  const int n = vsnprintf(text->s + text->n, left, format, args);
  if (n >= 0 && (size_t)n >= left) {
    text_reserve(text, (size_t)n);
    vsnprintf(text->s + text->n, (size_t)n + 1, format, again);
  }
  if (n > 0) text->n += (size_t)n;
  text->s[text->n] = 0;
  va_end(again);
  va_end(args);
}

const char *text_thousands(Arena *arena, int64_t value) {
  char digits[32], grouped[48];
  snprintf(digits, sizeof digits, "%" PRIu64, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
  const size_t n = strlen(digits);
  size_t used = 0;
  if (value < 0) grouped[used++] = '-';
  for (size_t i = 0; i < n; i++) {
    if (i && (n - i) % 3 == 0) grouped[used++] = ',';
    grouped[used++] = digits[i];
  }
  return arena_copy(arena, grouped, used);
}

const char *text_counted(Arena *arena, int64_t n, const char *noun) {
  return arena_printf(arena, "%lld %s%s", (long long)n, noun, n == 1 ? "" : "s");
}

const char *text_float(Arena *arena, double value) {
  if (isnan(value)) return "nan";
  if (isinf((float)value)) return value > 0 ? "inf" : "-inf";
  const float rounded = (float)value;
  char shortest[32];
  for (int digits = 1; digits <= 9; digits++) {
    snprintf(shortest, sizeof shortest, "%.*g", digits, (double)rounded);
    if (strtof(shortest, NULL) == rounded) break;
  }
  return arena_copy(arena, shortest, strlen(shortest));
}

const char *text_double(Arena *arena, double value) {
  char digits[40];
  if (value == floor(value) && fabs(value) < 1e15) {
    snprintf(digits, sizeof digits, "%.0f", value == 0 ? 0 : value);
    return arena_copy(arena, digits, strlen(digits));
  }
  for (int n = 1; n <= 17; n++) {
    snprintf(digits, sizeof digits, "%.*g", n, value);
    if (strtod(digits, NULL) == value) break;
  }
  return arena_copy(arena, digits, strlen(digits));
}

bool text_number(const char *s, double *value) {
  const char *c = s;
  if (*c == '+' || *c == '-') c++;
  const char *digits = c;
  while (*c >= '0' && *c <= '9') c++;
  if (c == digits) return false;
  if (*c == '.') {
    const char *fraction = ++c;
    while (*c >= '0' && *c <= '9') c++;
    if (c == fraction) return false;
  }
  if (*c == 'e' || *c == 'E') {
    if (*++c == '+' || *c == '-') c++;
    const char *exponent = c;
    while (*c >= '0' && *c <= '9') c++;
    if (c == exponent) return false;
  }
  if (*c) return false;
  *value = strtod(s, NULL);
  return true;
}

int text_decode(const char *s, size_t n, uint32_t *code) {
  const unsigned char *u = (const unsigned char *)s;
  const int length = n == 0                        ? 0
                     : u[0] < 0x80                 ? 1
                     : u[0] >= 0xc2 && u[0] < 0xe0 ? 2
                     : u[0] >= 0xe0 && u[0] < 0xf0 ? 3
                     : u[0] >= 0xf0 && u[0] < 0xf5 ? 4
                                                   : 0;
  if (length == 0 || n < (size_t)length) return 0;
  static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t value = u[0] & mask[length];
  for (int i = 1; i < length; i++) {
    if ((u[i] & 0xc0) != 0x80) return 0;
    value = value << 6 | (u[i] & 0x3f);
  }
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
  *code = value;
  return length;
}

int text_encode(char out[4], uint32_t code) {
  if (code < 0x80) return out[0] = (char)code, 1;
  const int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (int i = length - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
  out[0] = (char)(lead[length] | code);
  return length;
}

void text_json(Text *text, const char *utf8) {
  text_bytes(text, "\"", 1);
  for (const char *c = utf8, *end = utf8 + strlen(utf8); c < end;) {
    uint32_t code = 0;
    const int length = text_decode(c, (size_t)(end - c), &code);
    if (length == 0) text_put(text, "\\ufffd");
    else if (code == '"' || code == '\\') text_put(text, "\\%c", (int)code);
    else if (code == '\n') text_put(text, "\\n");
    else if (code == '\t') text_put(text, "\\t");
    else if (code < 0x20 || code == 0x7f) text_put(text, "\\u%04x", (unsigned)code);
    else text_bytes(text, c, (size_t)length);
    c += length ? length : 1;
  }
  text_bytes(text, "\"", 1);
}

const char *text_shell(Arena *arena, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-/=:,@%";
  if (*word && !word[strspn(word, plain)]) return word;
  Text out = {.arena = arena};
  text_put(&out, "'");
  for (; *word; word++)
    if (*word == '\'') text_put(&out, "'\\''");
    else text_bytes(&out, word, 1);
  text_put(&out, "'");
  return out.s;
}

void text_hex_float(Text *out, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const int exponent = (int)(bits >> 23 & 255);
  const uint32_t fraction = bits & 0x7fffff;
  const char *sign = bits >> 31 ? "-" : "";
  if (exponent == 0 && fraction == 0) {
    text_put(out, "%s0.0f", sign);
    return;
  }
  char digits[8];
  snprintf(digits, sizeof digits, "%06" PRIx32, fraction << 1);
  int n = 6;
  while (n > 0 && digits[n - 1] == '0') n--;
  text_put(out, "%s0x%d%s%.*sp%df", sign, exponent ? 1 : 0, n ? "." : "", n, digits,
           exponent ? exponent - 127 : -126);
}
