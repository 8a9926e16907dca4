/* nearest.c: the distance of names. */
// SPDX-License-Identifier: MIT-0
#include "nearest.h"

#include <string.h>

enum { LONGEST = 127 };

/* Levenshtein, 1965. Names differ at their ends: what they begin with is often the same path. */
int32_t cnn_letters_between(const char *a, const char *b) {
  int32_t row[LONGEST + 1], n = (int32_t)(strlen(a) < LONGEST ? strlen(a) : LONGEST),
                            m = (int32_t)(strlen(b) < LONGEST ? strlen(b) : LONGEST);
  a += strlen(a) - (size_t)n;
  b += strlen(b) - (size_t)m;
  for (int32_t j = 0; j <= m; j++) row[j] = j;
  for (int32_t i = 1; i <= n; i++) {
    int32_t corner = row[0];
    row[0] = i;
    for (int32_t j = 1; j <= m; j++) {
      const int32_t swap = corner + (a[i - 1] != b[j - 1]),
                    step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      corner = row[j];
      row[j] = swap < step ? swap : step;
    }
  }
  return row[m];
}
