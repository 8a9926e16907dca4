/* similar.c: "Did you mean": the known name that is most similar to a misspelled word. */
// SPDX-License-Identifier: MIT-0
#include "hosted/base/similar.h"

#include <stddef.h>
#include <string.h>

enum { LONGEST = 127 };

static char plain(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

static int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

static int32_t length_of(const char *name) {
  const size_t n = strlen(name);
  return n < LONGEST ? (int32_t)n : LONGEST;
}

/* Optimal string alignment distance. Of long names, compares only the last LONGEST letters, because long
 * names often begin with the same path. */
int32_t cnn_letters_between(const char *a, const char *b) {
  const int32_t n = length_of(a), m = length_of(b);
  int32_t rows[3][LONGEST + 1];
  a += strlen(a) - (size_t)n;
  b += strlen(b) - (size_t)m;
  for (int32_t j = 0; j <= m; j++) rows[0][j] = j;
  for (int32_t i = 1; i <= n; i++) {
    int32_t *now = rows[i % 3];
    const int32_t *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
    now[0] = i;
    for (int32_t j = 1; j <= m; j++) {
      const int32_t differs = plain(a[i - 1]) != plain(b[j - 1]);
      now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + differs);
      if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) && plain(a[i - 2]) == plain(b[j - 1]))
        now[j] = least(now[j], two_above[j - 2] + 1);
    }
  }
  return rows[n % 3][m];
}

const char *cnn_similar(const char *word, const char *const *name, int32_t names) {
  const int32_t length = length_of(word);
  const char *best = NULL;
  int32_t fewest = length < 5 ? 1 : length < 9 ? 2 : 3; /* longer words may have more wrong letters */
  for (int32_t i = 0; i < names; i++) {
    const int32_t letters = cnn_letters_between(word, name[i]);
    if (letters > fewest || (best && letters == fewest)) continue;
    if (letters >= length || letters >= length_of(name[i])) continue;
    best = name[i];
    fewest = letters;
  }
  return best;
}
