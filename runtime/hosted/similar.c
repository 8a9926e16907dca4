/* similar.c: "did you mean": the name that a misspelt word most likely stands for. */
// SPDX-License-Identifier: MIT-0
#include "similar.h"

#include <stddef.h>
#include <string.h>

enum { LONGEST = 63 };

static char plain(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

static int least(int a, int b) { return a < b ? a : b; }

/* How many letters are to be changed, added, removed or swapped with their neighbours, blind to case. */
static int distance(const char *a, int n, const char *b, int m) {
  int rows[3][LONGEST + 1];
  for (int j = 0; j <= m; j++) rows[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *now = rows[i % 3];
    const int *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      const int differs = plain(a[i - 1]) != plain(b[j - 1]);
      now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + differs);
      if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) && plain(a[i - 2]) == plain(b[j - 1]))
        now[j] = least(now[j], two_above[j - 2] + 1);
    }
  }
  return rows[n % 3][m];
}

const char *cnn_similar(const char *word, const char *const *name, int32_t names) {
  const size_t length = strlen(word);
  if (length == 0 || length > LONGEST) return NULL;
  const char *best = NULL;
  int fewest = length < 5 ? 1 : length < 9 ? 2 : 3; /* a third of the word may be wrong */
  for (int32_t i = 0; i < names; i++) {
    const size_t other = strlen(name[i]);
    if (other > LONGEST) continue;
    const int d = distance(word, (int)length, name[i], (int)other);
    if (d > fewest || (best && d == fewest) || d >= (int)length || d >= (int)other) continue;
    best = name[i];
    fewest = d;
  }
  return best;
}
