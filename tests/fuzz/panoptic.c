/* panoptic.c: Fuzz target for the runtime function panoptic, with any numbers in arrays of exactly the
 * declared sizes. Each pixel of the result must have a valid class and instance. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include "ops/detection/panoptic_routine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 10) return 0;
  const int h = bytes[0] % 9 + 1, w = bytes[1] % 9 + 1, classes = bytes[2] % 4 + 1, rows = bytes[3] % 7 + 1,
            height = bytes[4] % 5 + 1, width = bytes[5] % 5 + 1, things = bytes[6] % 3 + 1;
  const float threshold = number_of(bytes[7]), across = (float)(bytes[8] + 1) / 64.f,
              down = (float)(bytes[9] + 1) / 64.f;
  Bytes rest = {bytes + 10, n - 10};
  float *boxes = numbers(&rest, rows * 6), *masks = numbers(&rest, rows * height * width * things),
        *scores = numbers(&rest, h * w * classes), *out = room(h * w * 2);
  cnn_panoptic_routine(scores, boxes, masks, out, h, w, classes, rows, height, width, things, threshold,
                       across, down);
  for (int i = 0; i < h * w; i++) {
    const float label = out[2 * i], instance = out[2 * i + 1];
    hold(instance >= 0.f && instance <= (float)rows && (float)(int)instance == instance);
    if (instance > 0.f)
      hold(label == (float)(int)boxes[6 * ((int)instance - 1) + 5] && label < (float)things);
    else hold(label >= 0.f && label < (float)classes && (float)(int)label == label);
  }
  release((float *const[]){boxes, masks, scores, out}, 4);
  return 0;
}
