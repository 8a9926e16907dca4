/* masks.c: Fuzz target for the runtime function of the loss `masks`, with any numbers in arrays of exactly
 * the declared sizes. In each row, only the channel for the class of the row's ground-truth box may have a
 * gradient. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/masks_routine.h"

typedef struct Case {
  int rows, cells, classes, n;
  float overlap;
  const float *boxes, *truth, *sigmoid, *out;
  const int32_t *label;
} Case;

/* The class of row r: that of the ground-truth box with the largest overlap, or -1 if this overlap is below
 * `overlap`. */
static int class_of(const Case *c, int r) {
  float most = 0.f;
  int class_of_row = -1;
  for (int t = 0; t < c->n; t++) {
    if (c->label[t] < 0 || c->label[t] >= c->classes) continue;
    const float shared = cnn_box_overlap_routine(c->boxes + 4 * r, c->truth + 4 * t);
    if (!(shared > most)) continue;
    most = shared;
    class_of_row = shared >= c->overlap ? (int)c->label[t] : -1;
  }
  return class_of_row;
}

/* Whether `slope` is a valid gradient: that of a cell inside the object, or that of a cell outside. NaN is
 * valid if `sigmoid` or the product of `sigmoid` and `share` is NaN. */
static int possible(float slope, float sigmoid, float share) {
  const float inside = (sigmoid - 1.f) * share, outside = sigmoid * share;
  return slope != slope ? sigmoid != sigmoid || share * sigmoid != share * sigmoid
                        : slope == inside || slope == outside;
}

static void check(const Case *c) {
  int matched = 0;
  for (int r = 0; r < c->rows; r++) matched += class_of(c, r) >= 0;
  const float share = matched ? 1.f / (float)(matched * c->cells) : 0.f;
  for (int r = 0; r < c->rows; r++)
    for (int i = 0; i < c->cells * c->classes; i++) {
      const int at = r * c->cells * c->classes + i;
      if (class_of(c, r) == i % c->classes) hold(possible(c->out[1 + at], c->sigmoid[at], share));
      else hold(c->out[1 + at] == 0.f);
    }
  if (!matched) hold(c->out[0] == 0.f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 9) return 0;
  const int rows = bytes[0] % 6 + 1, height = bytes[1] % 4 + 1, width = bytes[2] % 4 + 1,
            classes = bytes[3] % 3 + 1, most = bytes[4] % 6 + 1, tall = bytes[5] % 12 + 1,
            wide = bytes[6] % 12 + 1, elements = rows * height * width * classes;
  const int32_t count = count_of(bytes[7]);
  const float overlap = (float)bytes[8] / 255.f;
  Bytes rest = {bytes + 9, size - 9};
  int32_t *label = labels(&rest, most);
  float *truth = numbers(&rest, most * 4), *boxes = numbers(&rest, rows * 4),
        *score = numbers(&rest, elements), *softplus = numbers(&rest, elements),
        *sigmoid = numbers(&rest, elements), *out = room(1 + elements);
  uint8_t *instance = calloc((size_t)(tall * wide), 1);
  hold(instance != NULL);
  for (int i = 0; i < tall * wide && rest.left; i++, rest.left--) instance[i] = *rest.at++;
  cnn_masks_routine(score, softplus, sigmoid, boxes, &count, label, truth, instance, out, rows, height, width,
                    classes, most, tall, wide, overlap);
  check(&(Case){rows, height * width, classes,
                count < 0      ? 0
                : count < most ? count
                               : most,
                overlap, boxes, truth, sigmoid, out, label});
  release((float *const[]){truth, boxes, score, softplus, sigmoid, out}, 6);
  free(label);
  free(instance);
  return 0;
}
