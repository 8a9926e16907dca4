/* runs.c: Fuzz target for outlines. The first two bytes are the size of the image. The third byte selects
 * whether the remaining bytes are packed runs or polygon corners. Accepted runs are packed and unpacked
 * again, which must give the same runs. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/outline.h"
#include "hosted/data/runs.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void runs_check(const cnn_outline *outline, const uint8_t *map, int32_t height, int32_t width) {
  int64_t inside = 0, painted = 0;
  for (int32_t i = 1; i < outline->runs; i += 2) inside += outline->run[i];
  for (int32_t i = 0; i < height * width; i++) painted += map[i];
  if (inside != painted) abort();
  const cnn_runs runs = {height, width, outline->runs, outline->run};
  char *text = cnn_runs_text(&runs);
  cnn_outline *again = calloc(1, sizeof *again);
  if (!text || !again || cnn_outline_unpack(again, text, strlen(text), height, width).code != CNN_OK) abort();
  if (again->runs != outline->runs ||
      memcmp(again->run, outline->run, (size_t)again->runs * sizeof *again->run) != 0)
    abort();
  cnn_outline_free(again);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 3) return 0;
  const int32_t height = 1 + bytes[0] % 64, width = 1 + bytes[1] % 64;
  const bool packed = bytes[2] % 2;
  cnn_outline *outline = calloc(1, sizeof *outline);
  uint8_t *map = calloc((size_t)height, (size_t)width);
  if (!outline || !map) abort();
  cnn_status status;
  if (packed) {
    status = cnn_outline_unpack(outline, (const char *)bytes + 3, n - 3, height, width);
  } else { /* corners in quarters of a pixel */
    double corner[64];
    size_t corners = n - 3 < 64 ? n - 3 : 64;
    for (size_t i = 0; i < corners; i++) corner[i] = (int8_t)bytes[3 + i] * 0.25 + width / 2.0;
    status = cnn_outline_polygon(outline, corner, corners, height, width);
  }
  if ((status.code == CNN_OK) != (status.message[0] == 0)) abort();
  if (status.code == CNN_OK) {
    if (!cnn_outline_paint(outline, height, width, 1, map)) abort();
    if (packed) runs_check(outline, map, height, width);
  }
  free(map);
  cnn_outline_free(outline);
  return 0;
}
