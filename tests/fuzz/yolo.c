/* yolo.c: fuzz target for the routine of the loss yolo: any numbers, arrays of just the size that it is told.
 * What a row without a truth says of its box and classes costs nothing. */
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/yolo_routine.h"

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
  const int32_t count = (int32_t)bytes[7] - 8;
  const float across = (float)(bytes[8] + 1) / 8.f, down = (float)(bytes[9] + 1) / 8.f,
              ignore = (float)bytes[10] / 255.f;
  const uint8_t *at = bytes + 12;
  size_t left = size - 12;
  int32_t *label = calloc((size_t)most, sizeof *label);
  hold(label != NULL);
  for (int k = 0; k < most && left; k++, at++, left--)
    label[k] = *at == 255 ? INT32_MAX : *at == 254 ? INT32_MIN : (int32_t)*at % 6 - 1;
  float *truth = numbers(&at, &left, most * 4), *log = numbers(&at, &left, most * 2),
        *anchor = numbers(&at, &left, total * 4), *t = numbers(&at, &left, rows * columns),
        *sigmoid = numbers(&at, &left, rows * columns), *softplus = numbers(&at, &left, rows * columns),
        *sizes = numbers(&at, &left, rows * 2), *place = malloc((size_t)most * sizeof *place),
        *out = malloc((size_t)(1 + rows * columns) * sizeof *out);
  hold(place && out);
  cnn_yolo_routine(t, sigmoid, softplus, sizes, anchor, &count, label, truth, log, place, out, h, w, own,
                   first, total, classes, most, across, down, across * down * (float)(h * w), ignore);
  check(place, out, rows, columns, most);
  float *all[] = {truth, log, anchor, t, sigmoid, softplus, sizes, place, out};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  free(label);
  return 0;
}
