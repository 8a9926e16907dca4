/* nms.c: Fuzz target for the runtime function nms, with any numbers in arrays of exactly the declared sizes;
 * the result must satisfy the definition of nms. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include <string.h>
#include "ops/detection/box_routine.h"
#include "ops/detection/suppress_routine.h"
#include "ops/detection/nms_routine.h"

static void check_rows(const float *out, int kept, int classes, float overlap, float least) {
  for (int i = 0; i < kept; i++) {
    const float *row = out + 6 * i;
    hold(row[4] >= least && row[5] >= 0 && row[5] < (float)classes && (float)(int)row[5] == row[5]);
    hold(i == 0 || out[6 * i - 2] >= row[4]);
    for (int k = 0; k < i; k++)
      hold(out[6 * k + 5] != row[5] || !(cnn_box_overlap_routine(out + 6 * k, row) > overlap));
  }
}

/* Checks each candidate that is not in the result. Either its score is less than `least`, or a row of the
 * result suppresses the candidate, or the result is full and its last row has at least this score. */
static void check_missing(const float *boxes, const float *scores, const float *out, int rows, int classes,
                          int most, int each, int kept, float overlap, float least) {
  for (int i = 0; i < rows * classes; i++) {
    const float *box = boxes + (each > 1 ? i : i / classes) * 4;
    int found = !(scores[i] >= least) || (kept == most && scores[i] <= out[6 * most - 2]);
    for (int k = 0; k < kept && !found; k++)
      found =
          (int)out[6 * k + 5] == i % classes && out[6 * k + 4] >= scores[i] &&
          (!memcmp(out + 6 * k, box, 4 * sizeof *out) || cnn_box_overlap_routine(out + 6 * k, box) > overlap);
    hold(found);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 5) return 0;
  const int rows = bytes[0] % 24 + 1, classes = bytes[1] % 5 + 1, most = bytes[2] % 30 + 1,
            each = bytes[2] > 200 ? classes : 1;
  const float overlap = (float)bytes[3] / 255.f, least = (float)bytes[4] / 16.f - 8.f;
  Bytes rest = {bytes + 5, n - 5};
  float *boxes = numbers(&rest, rows * each * 4), *scores = numbers(&rest, rows * classes),
        *heap = room(rows * classes * 2), *corners = room(most * 5), *out = room(most * 6);
  cnn_nms_routine(boxes, scores, heap, corners, out, rows, classes, most, each, overlap, least);
  int kept = 0;
  while (kept < most && out[6 * kept + 5] >= 0.f) kept++;
  for (int i = kept; i < most; i++) hold(out[6 * i + 5] == -1.f && out[6 * i + 4] == 0.f);
  check_rows(out, kept, classes, overlap, least);
  check_missing(boxes, scores, out, rows, classes, most, each, kept, overlap, least);
  release((float *const[]){boxes, scores, heap, corners, out}, 5);
  return 0;
}
