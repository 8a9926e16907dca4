/* detection.c: Fuzz target for the runtime function of the loss `detection`, with any numbers in arrays of
 * exactly the declared sizes. Only rows that match a ground-truth box may have gradients of their deltas. If
 * each class has its own deltas, only the deltas of that box's class may have gradients. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/delta_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/detection_routine.h"

typedef struct Case {
  int rows, classes, width, n;
  float overlap;
  const float *boxes, *truth, *softmax, *out;
  const int32_t *label;
} Case;

/* The class of a row: 1 plus the label of the ground-truth box with the largest overlap; 0 (background) if
 * this overlap is below `overlap`. */
static int class_of(const Case *c, int r) {
  float most = 0.f;
  int class_of_row = 0;
  for (int t = 0; t < c->n; t++) {
    if (c->label[t] < 0 || c->label[t] >= c->classes - 1) continue;
    const float shared = cnn_box_overlap_routine(c->boxes + 4 * r, c->truth + 4 * t);
    if (!(shared > most)) continue;
    most = shared;
    class_of_row = shared >= c->overlap ? (int)c->label[t] + 1 : 0;
  }
  return class_of_row;
}

static int equal(float a, float b) { return a == b || (a != a && b != b); }

static void check(const Case *c) {
  const float share = 1.f / (float)c->rows, *by_delta = c->out + 1 + c->rows * c->classes;
  for (int r = 0; r < c->rows; r++) {
    const int class_of_row = class_of(c, r), first = c->width > 4 ? 4 * class_of_row : 0;
    for (int k = 0; k < c->classes; k++) {
      const int at = r * c->classes + k;
      hold(equal(c->out[1 + at], share * (c->softmax[at] - (k == class_of_row ? 1.f : 0.f))));
    }
    for (int k = 0; k < c->width; k++) {
      const float slope = by_delta[r * c->width + k];
      if (class_of_row && k >= first && k < first + 4) hold(!(slope > share) && !(slope < -share));
      else hold(slope == 0.f);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 6) return 0;
  const int rows = bytes[0] % 12 + 1, classes = bytes[1] % 4 + 2, width = bytes[2] % 2 ? 4 : 4 * classes,
            most = bytes[3] % 6 + 1;
  const int32_t count = count_of(bytes[4]);
  const float overlap = (float)bytes[5] / 255.f;
  Bytes rest = {bytes + 6, size - 6};
  int32_t *label = labels(&rest, most);
  float *truth = numbers(&rest, most * 4), *boxes = numbers(&rest, rows * 4),
        *scores = numbers(&rest, rows * classes), *softmax = numbers(&rest, rows * classes),
        *log_sum = numbers(&rest, rows), *deltas = numbers(&rest, rows * width),
        *box_log = numbers(&rest, rows * 2), *truth_log = numbers(&rest, most * 2),
        *out = room(1 + rows * (classes + width));
  cnn_detection_routine(scores, softmax, log_sum, deltas, boxes, box_log, &count, label, truth, truth_log,
                        out, rows, classes, width, most, overlap);
  check(&(Case){rows, classes, width,
                count < 0      ? 0
                : count < most ? count
                               : most,
                overlap, boxes, truth, softmax, out, label});
  release((float *const[]){truth, boxes, scores, softmax, log_sum, deltas, box_log, truth_log, out}, 9);
  free(label);
  return 0;
}
