/* multibox.c: Fuzz target for the runtime function of the loss `multibox`, with any numbers in arrays of
 * exactly the declared sizes. Boxes that are assigned to a ground-truth box must overlap it. Of the other
 * boxes, only those with the largest losses count: at most `negatives` boxes for each assigned box. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include "ops/detection/best_routine.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/delta_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/multibox_routine.h"

typedef struct Case {
  int rows, classes, n, negatives;
  float overlap;
  const float *boxes, *truth, *match, *cost, *out;
  const int32_t *label;
} Case;

static int counts(const Case *c, int t) { return c->label[t] >= 0 && c->label[t] < c->classes - 1; }

static float shared(const Case *c, int r, int t) {
  return cnn_box_overlap_routine(c->boxes + 4 * r, c->truth + 4 * t);
}

/* Checks that each assigned box overlaps its ground-truth box by at least `overlap`, or at least as much as
 * any other box does. A box that overlaps a valid ground-truth box by at least `overlap` must be assigned. */
static void check_truths(const Case *c) {
  for (int r = 0; r < c->rows; r++) {
    const int t = (int)c->match[r];
    hold((float)t == c->match[r] && t >= -1 && t < c->n);
    for (int k = 0; k < c->n && t < 0; k++)
      hold(!counts(c, k) || !(shared(c, r, k) >= c->overlap) || !(shared(c, r, k) > 0.f));
    if (t < 0) continue;
    hold(counts(c, t) && shared(c, r, t) > 0.f);
    for (int k = 0; k < c->rows && !(shared(c, r, t) >= c->overlap); k++)
      hold(!(shared(c, k, t) > shared(c, r, t)));
  }
}

static int has_slope(const Case *c, int r) {
  int has = 0;
  for (int k = 0; k < c->classes; k++) has |= c->out[1 + r * c->classes + k] != 0.f;
  return has;
}

static void check_slopes(const Case *c) {
  int positives = 0, others = 0;
  float least = 0.f;
  for (int r = 0; r < c->rows; r++) positives += c->match[r] >= 0.f;
  for (int r = 0; r < c->rows; r++) {
    for (int k = 0; k < 4 && c->match[r] < 0.f; k++)
      hold(c->out[1 + c->rows * c->classes + 4 * r + k] == 0.f);
    if (c->match[r] >= 0.f || !has_slope(c, r)) continue;
    hold(positives > 0 && c->cost[r] == c->cost[r]);
    if (!others++ || c->cost[r] < least) least = c->cost[r];
  }
  hold(others <= positives * c->negatives);
  /* the counted boxes have the largest losses: fewer boxes than the limit have a loss above the smallest
   * counted loss */
  for (int r = 0, worse = 0; r < c->rows && others; r++) {
    worse += c->match[r] < 0.f && c->cost[r] > least;
    hold(worse < positives * c->negatives);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 6) return 0;
  const int rows = bytes[0] % 16 + 1, classes = bytes[1] % 4 + 2, most = bytes[2] % 6 + 1,
            negatives = bytes[3] % 5;
  const int32_t count = count_of(bytes[4]);
  const float overlap = (float)bytes[5] / 255.f;
  Bytes rest = {bytes + 6, size - 6};
  int32_t *label = labels(&rest, most);
  float *truth = numbers(&rest, most * 4), *boxes = numbers(&rest, rows * 4),
        *scores = numbers(&rest, rows * classes), *log_sum = numbers(&rest, rows),
        *softmax = numbers(&rest, rows * classes), *deltas = numbers(&rest, rows * 4),
        *box_log = numbers(&rest, rows * 2), *truth_log = numbers(&rest, most * 2), *match = room(rows),
        *worst = room(rows), *cost = room(rows), *out = room(1 + rows * (classes + 4));
  cnn_multibox_routine(scores, softmax, log_sum, deltas, boxes, box_log, &count, label, truth, truth_log,
                       match, worst, cost, out, rows, classes, most, negatives, overlap);
  const Case c = {rows,      classes, count < 0 ? 0 : count < most ? count : most,
                  negatives, overlap, boxes,
                  truth,     match,   cost,
                  out,       label};
  check_truths(&c);
  check_slopes(&c);
  release((float *const[]){truth, boxes, scores, log_sum, softmax, deltas, box_log, truth_log, match, worst,
                           cost, out},
          12);
  free(label);
  return 0;
}
