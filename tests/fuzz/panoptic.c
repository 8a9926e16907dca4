/* panoptic.c: fuzz target for the routine panoptic: any numbers, arrays of just the size that it is told;
 * each pixel has a class and an instance that are there. */
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>
#include "ops/detection/panoptic_routine.h"

static void hold(int truth) {
  if (!truth) abort();
}

static float number_of(uint8_t byte) { /* most of them odd ones, else quarters */
  static const float odd[] = {0.f, -0.f, 1e38f, -1e38f, 1e-45f};
  if (byte == 255) return (float)strtod("nan", NULL);
  if (byte == 254) return (float)strtod("inf", NULL);
  if (byte == 253) return (float)strtod("-inf", NULL);
  return byte < 5 ? odd[byte] : (float)byte / 4.f - 16.f;
}

static float *numbers(const uint8_t **bytes, size_t *left, int n) {
  float *x = calloc((size_t)n, sizeof *x);
  hold(x != NULL);
  for (int i = 0; i < n && *left; i++, (*bytes)++, (*left)--) x[i] = number_of(**bytes);
  return x;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 10) return 0;
  const int h = bytes[0] % 9 + 1, w = bytes[1] % 9 + 1, classes = bytes[2] % 4 + 1, rows = bytes[3] % 7 + 1,
            height = bytes[4] % 5 + 1, width = bytes[5] % 5 + 1, things = bytes[6] % 3 + 1;
  const float threshold = number_of(bytes[7]), across = (float)(bytes[8] + 1) / 64.f,
              down = (float)(bytes[9] + 1) / 64.f;
  const uint8_t *at = bytes + 10;
  size_t left = n - 10;
  float *boxes = numbers(&at, &left, rows * 6), *masks = numbers(&at, &left, rows * height * width * things),
        *scores = numbers(&at, &left, h * w * classes), *out = malloc((size_t)(h * w) * 2 * sizeof *out);
  hold(out != NULL);
  cnn_panoptic_routine(scores, boxes, masks, out, h, w, classes, rows, height, width, things, threshold,
                       across, down);
  for (int i = 0; i < h * w; i++) {
    const float label = out[2 * i], instance = out[2 * i + 1];
    hold(instance >= 0.f && instance <= (float)rows && (float)(int)instance == instance);
    if (instance > 0.f)
      hold(label == (float)(int)boxes[6 * ((int)instance - 1) + 5] && label < (float)things);
    else hold(label >= 0.f && label < (float)classes && (float)(int)label == label);
  }
  free(boxes);
  free(masks);
  free(scores);
  free(out);
  return 0;
}
