/* rpn.c: Fuzz target for the runtime function of the loss `rpn`, with any numbers in arrays of exactly the
 * declared sizes. At most `sample` anchors count. If the image's size is given, all anchors that count are
 * inside the image. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include "ops/detection/best_routine.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/delta_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/rpn_routine.h"

typedef struct Case {
  int rows, n, height, width, sample, positives;
  float high, low;
  const float *anchors, *truth, *draws, *match, *out;
  const int32_t *label;
} Case;

static int inside(const Case *c, const float *a) {
  return !c->width || (a[0] >= 0.f && a[1] >= 0.f && a[2] <= (float)c->width && a[3] <= (float)c->height);
}

static float best_overlap(const Case *c, int r) {
  float most = 0.f;
  for (int t = 0; t < c->n; t++) {
    const float shared = cnn_box_overlap_routine(c->anchors + 4 * r, c->truth + 4 * t);
    if (c->label[t] >= 0 && shared > most) most = shared;
  }
  return most;
}

static void check_match(const Case *c) {
  for (int r = 0; r < c->rows; r++) {
    const int t = (int)c->match[r];
    const float most = best_overlap(c, r);
    hold((float)t == c->match[r] && t >= -3 && t < c->n);
    hold((t == -3) == !inside(c, c->anchors + 4 * r));
    if (t == -1) hold(most < c->low);
    if (t == -2) hold(!(most >= c->high && most > 0.f) && !(most < c->low));
    if (t >= 0) hold(c->label[t] >= 0 && most > 0.f);
  }
}

/* Checks that at most `most` anchors of a kind, positive or negative, have a gradient: those with the largest
 * random numbers. Returns how many anchors of this kind should have a gradient. */
static int check_drawn(const Case *c, int positive, int most) {
  int counted = 0, all = 0;
  for (int r = 0; r < c->rows; r++) {
    const int kind = positive ? c->match[r] >= 0.f : c->match[r] == -1.f;
    all += kind;
    if (!kind || c->out[1 + r] == 0.f) continue;
    int before = 0;
    counted++;
    for (int k = 0; k < c->rows; k++)
      before += (positive ? c->match[k] >= 0.f : c->match[k] == -1.f) &&
                (c->draws[k] > c->draws[r] || (c->draws[k] == c->draws[r] && k < r));
    hold(before < most);
  }
  hold(counted <= most);
  return all < most ? all : most;
}

static void check(const Case *c) {
  check_match(c);
  const int found = check_drawn(c, 1, c->positives);
  check_drawn(c, 0, c->sample - found);
  for (int r = 0; r < c->rows; r++) {
    if (c->match[r] < -1.f) hold(c->out[1 + r] == 0.f);
    for (int k = 0; k < 4 && c->match[r] < 0.f; k++) hold(c->out[1 + c->rows + 4 * r + k] == 0.f);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 9) return 0;
  const int rows = bytes[0] % 20 + 1, most = bytes[1] % 6 + 1, height = bytes[2] % 24, width = bytes[3] % 24,
            sample = bytes[4] % 12 + 1, positives = bytes[5] % (sample + 1);
  const int32_t count = count_of(bytes[6]);
  const float high = (float)bytes[7] / 255.f, low = high * (float)bytes[8] / 255.f;
  Bytes rest = {bytes + 9, size - 9};
  int32_t *label = labels(&rest, most);
  float *truth = numbers(&rest, most * 4), *anchors = numbers(&rest, rows * 4), *draws = room(rows),
        *scores = numbers(&rest, rows), *sigmoid = numbers(&rest, rows), *softplus = numbers(&rest, rows),
        *deltas = numbers(&rest, rows * 4), *anchor_log = numbers(&rest, rows * 2),
        *truth_log = numbers(&rest, most * 2), *match = room(rows), *rows_of = room(rows),
        *out = room(1 + rows * 5);
  for (int r = 0; r < rows; r++) /* random numbers of 0 .. 1, some of them equal */
    draws[r] = (float)(rest.left ? rest.left--, *rest.at++ : 7) / 256.f;
  cnn_rpn_routine(scores, sigmoid, softplus, draws, deltas, anchors, anchor_log, &count, label, truth,
                  truth_log, match, rows_of, out, rows, most, height, width, sample, positives, high, low);
  check(&(Case){rows,
                count < 0      ? 0
                : count < most ? count
                               : most,
                height, width, sample, positives, high, low, anchors, truth, draws, match, out, label});
  release((float *const[]){truth, anchors, draws, scores, sigmoid, softplus, deltas, anchor_log, truth_log,
                           match, rows_of, out},
          12);
  free(label);
  return 0;
}
