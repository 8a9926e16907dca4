/* suggest.c: Search for the name most similar to a misspelled word ("did you mean"). */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/text.h"
#include "hosted/base/similar.h"

enum { LONGEST = 63, NO_MATCH = 1000 };

static int least(int a, int b) { return a < b ? a : b; }

/* Whether the longer word begins with the shorter word, or ends with '_' and the shorter word. Examples:
 * kernel_size and kernel, learning_rate and rate. The shorter word must have at least 4 characters. */
static bool is_part(const char *word, int n, const char *name, int m) {
  const int shorter = least(n, m), longer = n + m - shorter;
  const char *inner = n < m ? word : name, *outer = n < m ? name : word;
  if (shorter < 4 || shorter == longer) return false;
  if (memcmp(inner, outer, (size_t)shorter) == 0) return true;
  return outer[longer - shorter - 1] == '_' && memcmp(inner, outer + longer - shorter, (size_t)shorter) == 0;
}

/* Maximum edit distance for a word of n characters. */
static int limit_of(int n) { return n < 5 ? 1 : n < 9 ? 2 : 3; }

/* Whether both words have the same digits: adam2 is not a misspelled adam1. */
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
  return cnn_letters_between(word, name) <= limit_of((int)n);
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
    int distance = cnn_letters_between(word, *names);
    if (distance > limit || distance >= n || distance >= m)
      distance = is_part(word, n, *names, m) ? limit + 1 : NO_MATCH;
    if (distance < best_distance) {
      best = *names;
      best_distance = distance;
    }
  }
  return best;
}
