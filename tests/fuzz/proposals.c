/* proposals.c: fuzz target for the routine proposals: any numbers, arrays of just the size that it is told;
 * what it keeps is what proposals means, whatever the numbers. */
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "ops/detection/best_routine.h"
#include "ops/detection/proposals_routine.h"

typedef struct Case {
  int rows, before, most;
  float overlap;
  const float *boxes, *scores, *out;
} Case;

static void hold(int truth) {
  if (!truth) abort();
}

static int large(const float *box) { return box[2] - box[0] >= 1e-3f && box[3] - box[1] >= 1e-3f; }

static int covers(const float *kept, const float *box, float overlap) {
  const float corners[4] = {kept[0], kept[1], kept[2], kept[3]};
  return cnn_proposals_covered_routine(corners, box, 0, 1, 1, overlap);
}

/* How many rows come before row i: a row is looked at if fewer than `before` do. */
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
  for (int i = 0; i < c->rows && kept < c->most; i++) { /* all that is missing has a reason */
    const float *box = c->boxes + 4 * i;
    int found = !large(box) || !(c->scores[i] == c->scores[i]) || better(c, i) >= c->before;
    for (int k = 0; k < kept && !found; k++)
      found = same(c->out + 4 * k, box) || covers(c->out + 4 * k, box, c->overlap);
    hold(found);
  }
}

static float number_of(uint8_t b) { /* a byte a number: some of them odd ones, else quarters */
  static const float odd[] = {0.f, -0.f, 1e38f, -1e38f, 1e-45f};
  if (b == 255) return (float)strtod("nan", NULL);
  if (b == 254) return (float)strtod("inf", NULL);
  return b < 5 ? odd[b] : (float)b / 4.f - 32.f;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 4) return 0;
  const int rows = bytes[0] % 90 + 1, before = bytes[1] % rows + 1, most = bytes[2] % 80 + 1;
  float *boxes = calloc((size_t)rows * 4, sizeof *boxes), *scores = calloc((size_t)rows, sizeof *scores),
        *best = malloc((size_t)rows * sizeof *best), *kept = malloc((size_t)most * 4 * sizeof *kept),
        *out = malloc((size_t)most * 4 * sizeof *out);
  hold(boxes && scores && best && kept && out);
  for (int i = 0; i < rows * 5 && (size_t)i < n - 4; i++)
    *(i % 5 < 4 ? boxes + i / 5 * 4 + i % 5 : scores + i / 5) = number_of(bytes[4 + i]);
  const Case c = {rows, before, most, (float)bytes[3] / 255.f, boxes, scores, out};
  cnn_proposals_routine(boxes, scores, best, kept, out, rows, before, most, c.overlap);
  static const float none[4];
  int found = most;
  while (found > 0 && same(out + 4 * (found - 1), none)) found--;
  check(&c, found);
  free(boxes);
  free(scores);
  free(best);
  free(kept);
  free(out);
  return 0;
}
