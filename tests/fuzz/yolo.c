/* yolo.c: Fuzz target for the runtime function of the loss `yolo`, with any numbers in arrays of exactly the
 * declared sizes. In rows without a ground-truth box, the gradients of the box and of the class scores must
 * be 0. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/yolo_routine.h"

static void check(const float *place, const float *out, int rows, int columns, int most) {
  for (int k = 0; k < most; k++)
    hold(place[k] >= -1.f && place[k] < (float)rows && (float)(int)place[k] == place[k]);
  for (int r = 0; r < rows; r++) {
    int owned = 0;
    for (int k = 0; k < most; k++) owned |= place[k] == (float)r;
    for (int c = 0; c < columns && !owned; c++) hold(c == 4 || out[1 + r * columns + c] == 0.f);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 12) return 0;
  const int h = bytes[0] % 4 + 1, w = bytes[1] % 4 + 1, own = bytes[2] % 3 + 1, first = bytes[3] % 3,
            total = first + own + bytes[4] % 2, classes = bytes[5] % 3 + 1, most = bytes[6] % 6 + 1,
            rows = h * w * own, columns = 5 + classes;
  const int32_t count = count_of(bytes[7]);
  const float across = (float)(bytes[8] + 1) / 8.f, down = (float)(bytes[9] + 1) / 8.f,
              ignore = (float)bytes[10] / 255.f;
  Bytes rest = {bytes + 12, size - 12};
  int32_t *label = labels(&rest, most);
  float *truth = numbers(&rest, most * 4), *log = numbers(&rest, most * 2),
        *anchor = numbers(&rest, total * 4), *t = numbers(&rest, rows * columns),
        *sigmoid = numbers(&rest, rows * columns), *softplus = numbers(&rest, rows * columns),
        *sizes = numbers(&rest, rows * 2), *place = room(most), *out = room(1 + rows * columns);
  cnn_yolo_routine(t, sigmoid, softplus, sizes, anchor, &count, label, truth, log, place, out, h, w, own,
                   first, total, classes, most, across, down, across * down * (float)(h * w), ignore);
  check(place, out, rows, columns, most);
  release((float *const[]){truth, log, anchor, t, sigmoid, softplus, sizes, place, out}, 9);
  free(label);
  return 0;
}
