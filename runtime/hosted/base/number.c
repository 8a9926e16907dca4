/* number.c: Formatting of numbers. */
// SPDX-License-Identifier: MIT-0
#include "hosted/base/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Replaces a decimal comma by a point: the calling program may have set a locale with decimal commas. Other
 * commas cannot occur, because digit grouping is never enabled. */
static void point(char *text) {
  for (char *c = text; *c; c++) {
    if (*c == ',') *c = '.';
  }
}

cnn_text cnn_number(double value, int digits) {
  cnn_text number;
  if (isnan(value)) return (cnn_text){"nan"};
  snprintf(number.text, sizeof number.text, "%.*g", digits, value);
  point(number.text);
  return number;
}

cnn_text cnn_number_fixed(double value, int decimals) {
  cnn_text number;
  if (isnan(value)) return (cnn_text){"nan"};
  if (fabs(value) >= 1e15) return cnn_number(value, 6);
  snprintf(number.text, sizeof number.text, "%.*f", decimals, value);
  point(number.text);
  return number;
}

cnn_text cnn_number_grouped(int64_t value) {
  char digits[24];
  cnn_text number;
  int length = snprintf(digits, sizeof digits, "%" PRIu64, value < 0 ? 0 - (uint64_t)value : (uint64_t)value),
      at = 0;
  if (value < 0) number.text[at++] = '-';
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) number.text[at++] = ',';
    number.text[at++] = digits[i];
  }
  number.text[at] = 0;
  return number;
}

cnn_text cnn_number_bytes(uint64_t bytes) {
  static const char *const unit[] = {"bytes", "KB", "MB", "GB", "TB"};
  double value = (double)bytes;
  int u = 0;
  while (value >= 1000 && u < 4) {
    value /= 1000;
    u++;
  }
  cnn_text number = cnn_number_fixed(value, u == 0 || value >= 100 ? 0 : 1);
  size_t at = strlen(number.text);
  snprintf(number.text + at, sizeof number.text - at, " %s", unit[u]);
  return number;
}

cnn_text cnn_number_duration(double seconds) {
  cnn_text number;
  int64_t s = seconds > 0 && seconds < 1e9 ? (int64_t)(seconds + 0.5) : 0;
  if (s >= 3600) {
    snprintf(number.text, sizeof number.text, "%" PRId64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60),
             (int)(s % 60));
  } else {
    snprintf(number.text, sizeof number.text, "%d:%02d", (int)(s / 60), (int)(s % 60));
  }
  return number;
}
