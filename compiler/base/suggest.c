/* suggest.c: "did you mean": the name that a misspelt word most likely stands for. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/text.h"

enum { LONGEST = 63, NO_MATCH = 1000 };

static char plain(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

static int least(int a, int b) { return a < b ? a : b; }

/* Edit distance with swaps of neighbors (Damerau-Levenshtein, restricted), blind to case. Three rows of the
 * table are enough. */
static int edit_distance(const char *a, int n, const char *b, int m) {
  int rows[3][LONGEST + 1];
  for (int j = 0; j <= m; j++) rows[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *now = rows[i % 3];
    const int *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      const bool same = plain(a[i - 1]) == plain(b[j - 1]);
      now[j] = least(least(above[j] + 1, now[j - 1] + 1), above[j - 1] + !same);
      const bool swapped =
          i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) && plain(a[i - 2]) == plain(b[j - 1]);
      if (swapped) now[j] = least(now[j], two_above[j - 2] + 1);
    }
  }
  return rows[n % 3][m];
}

/* One word is the other's beginning, or its last part after a '_': kernel_size and kernel, learning_rate and
 * rate. */
static bool is_part(const char *word, int n, const char *name, int m) {
  const int shorter = least(n, m), longer = n + m - shorter;
  const char *inner = n < m ? word : name, *outer = n < m ? name : word;
  if (shorter < 4 || shorter == longer) return false;
  if (memcmp(inner, outer, (size_t)shorter) == 0) return true;
  return outer[longer - shorter - 1] == '_' && memcmp(inner, outer + longer - shorter, (size_t)shorter) == 0;
}

/* A third of the word may be wrong. */
static int limit_of(int n) { return n < 5 ? 1 : n < 9 ? 2 : 3; }

/* The digits of both are the same: adam2 is no misspelt adam1. */
static bool same_digits(const char *a, const char *b) {
  for (;;) {
    a += strcspn(a, "0123456789");
    b += strcspn(b, "0123456789");
    if (*a != *b) return false;
    if (!*a) return true;
    a++;
    b++;
  }
}

bool is_misspelt(const char *word, const char *name) {
  const size_t n = strlen(word), m = strlen(name);
  if (n > LONGEST || m > LONGEST || !same_digits(word, name)) return false;
  return edit_distance(word, (int)n, name, (int)m) <= limit_of((int)n);
}

const char *suggest(const char *word, const char *const *names) {
  const size_t length = strlen(word);
  if (length == 0 || length > LONGEST) return NULL;
  const int n = (int)length;
  const int limit = limit_of(n);
  const char *best = NULL;
  int best_distance = NO_MATCH;
  for (; *names; names++) {
    if (strlen(*names) > LONGEST || strcmp(word, *names) == 0) continue;
    const int m = (int)strlen(*names);
    int distance = edit_distance(word, n, *names, m);
    if (distance > limit || distance >= n || distance >= m)
      distance = is_part(word, n, *names, m) ? limit + 1 : NO_MATCH;
    if (distance < best_distance) {
      best = *names;
      best_distance = distance;
    }
  }
  return best;
}
