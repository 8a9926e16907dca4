/* sample.c: Fuzz target for the runtime function that samples regions for training, with any numbers in
 * arrays of exactly the declared sizes. The rows of the result must be ground-truth boxes, then regions with
 * an object, then regions without an object, then zeros. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include <string.h>
#include "ops/detection/best_routine.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/detection/sample_routine.h"

typedef struct Case {
  int rows, n, sample, positives;
  const float *regions, *draws, *truth, *out;
  const int32_t *label;
} Case;

static int same(const float *a, const float *b) { return !memcmp(a, b, 4 * sizeof *a); }

/* 1: a region with an object, 0: a region without an object, -1: an empty box, which is not a region. */
static int kind_of(const Case *c, int r) {
  const float *box = c->regions + 4 * r;
  int kind = 0;
  if (!(box[2] > box[0] && box[3] > box[1])) return -1;
  for (int t = 0; t < c->n; t++)
    kind |= c->label[t] >= 0 && cnn_box_overlap_routine(box, c->truth + 4 * t) >= 0.5f;
  return kind;
}

/* Checks `taken` rows, beginning with row `from`. They must be different regions of `kind`: those with the
 * largest random numbers. */
static void check_kind(const Case *c, int kind, int from, int taken) {
  int all = 0, *used = calloc((size_t)c->rows, sizeof *used);
  hold(used != NULL);
  for (int r = 0; r < c->rows; r++) all += kind_of(c, r) == kind;
  hold(taken <= all);
  for (int i = 0; i < taken; i++) {
    int best = -1;
    for (int r = 0; r < c->rows; r++)
      if (kind_of(c, r) == kind && !used[r] && (best < 0 || c->draws[r] > c->draws[best])) best = r;
    hold(best >= 0 && same(c->out + 4 * (from + i), c->regions + 4 * best));
    used[best] = 1;
  }
  free(used);
}

static int most_of(const Case *c, int kind, int room_left) {
  int all = 0;
  for (int r = 0; r < c->rows; r++) all += kind_of(c, r) == kind;
  return all < room_left ? all : room_left > 0 ? room_left : 0;
}

static void check(const Case *c) {
  static const float none[4];
  int at = 0;
  for (int t = 0; t < c->n && at < c->sample; t++)
    if (c->label[t] >= 0) hold(same(c->out + 4 * at++, c->truth + 4 * t));
  for (int kind = 1; kind >= 0; kind--) {
    const int taken = most_of(c, kind, (kind ? c->positives : c->sample) - at);
    check_kind(c, kind, at, taken);
    at += taken;
  }
  for (; at < c->sample; at++) hold(same(c->out + 4 * at, none));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 5) return 0;
  const int rows = bytes[0] % 24 + 1, most = bytes[1] % 6 + 1, sample = bytes[2] % 20 + 1,
            positives = bytes[3] % (sample + 1);
  const int32_t count = count_of(bytes[4]);
  Bytes rest = {bytes + 5, size - 5};
  int32_t *label = labels(&rest, most);
  float *truth = numbers(&rest, most * 4), *regions = numbers(&rest, rows * 4), *draws = room(rows),
        *kind = room(rows), *rows_of = room(rows), *out = room(sample * 4);
  for (int r = 0; r < rows; r++) /* random numbers of 0 .. 1, some of them equal */
    draws[r] = (float)(rest.left ? rest.left--, *rest.at++ : 7) / 256.f;
  cnn_sample_routine(regions, draws, &count, label, truth, kind, rows_of, out, rows, most, sample, positives);
  check(&(Case){rows,
                count < 0      ? 0
                : count < most ? count
                               : most,
                sample, positives, regions, draws, truth, out, label});
  release((float *const[]){truth, regions, draws, kind, rows_of, out}, 6);
  free(label);
  return 0;
}
