/* proposals.c: Fuzz target for the runtime function proposals, with any numbers in arrays of exactly the
 * declared sizes; the result must satisfy the definition of proposals. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include <string.h>
#include "ops/detection/best_routine.h"
#include "ops/detection/proposals_routine.h"

typedef struct Case {
  int rows, before, most;
  float overlap;
  const float *boxes, *scores, *out;
} Case;

static int large(const float *box) { return box[2] - box[0] >= 1e-3f && box[3] - box[1] >= 1e-3f; }

static int covers(const float *kept, const float *box, float overlap) {
  const float corners[4] = {kept[0], kept[1], kept[2], kept[3]};
  return cnn_proposals_covered_routine(corners, box, 0, 1, 1, overlap);
}

/* The number of rows that precede row i in the order of scores. The runtime function considers row i only
 * if that number is less than `before`. */
static int better(const Case *c, int i) {
  int n = 0;
  for (int k = 0; k < c->rows; k++)
    n += c->scores[k] == c->scores[k] && cnn_best_behind_routine(c->scores, (float)i, (float)k);
  return n;
}

static int same(const float *a, const float *b) { return !memcmp(a, b, 4 * sizeof *a); }

static void check(const Case *c, int kept) {
  for (int i = 0; i < kept; i++) {
    int from = 0;
    while (from < c->rows && !(same(c->boxes + 4 * from, c->out + 4 * i) &&
                               c->scores[from] == c->scores[from] && better(c, from) < c->before))
      from++;
    hold(from < c->rows && large(c->out + 4 * i));
    for (int k = 0; k < i; k++) hold(!covers(c->out + 4 * k, c->out + 4 * i, c->overlap));
  }
  for (int i = 0; i < c->rows && kept < c->most; i++) { /* each missing row must have a reason */
    const float *box = c->boxes + 4 * i;
    int found = !large(box) || !(c->scores[i] == c->scores[i]) || better(c, i) >= c->before;
    for (int k = 0; k < kept && !found; k++)
      found = same(c->out + 4 * k, box) || covers(c->out + 4 * k, box, c->overlap);
    hold(found);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 4) return 0;
  const int rows = bytes[0] % 90 + 1, before = bytes[1] % rows + 1, most = bytes[2] % 80 + 1;
  Bytes rest = {bytes + 4, n - 4};
  float *boxes = numbers(&rest, rows * 4), *scores = numbers(&rest, rows), *best = room(rows),
        *kept = room(most * 4), *out = room(most * 4);
  const Case c = {rows, before, most, (float)bytes[3] / 255.f, boxes, scores, out};
  cnn_proposals_routine(boxes, scores, best, kept, out, rows, before, most, c.overlap);
  static const float none[4];
  int found = most;
  while (found > 0 && same(out + 4 * (found - 1), none)) found--;
  check(&c, found);
  release((float *const[]){boxes, scores, best, kept, out}, 5);
  return 0;
}
