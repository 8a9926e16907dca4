/* picture.c: Fuzz target for the image readers and the EXIF reader. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Checks that the orientation remains the same if JPEG's mark "Exif" precedes the EXIF data. */
static void expect_same_marked(const uint8_t *bytes, size_t n, int orientation) {
  static const char mark[6] = "Exif\0";
  if (n >= sizeof mark && memcmp(bytes, mark, sizeof mark) == 0) return;
  uint8_t *marked = malloc(sizeof mark + n);
  if (!marked) return;
  memcpy(marked, mark, sizeof mark);
  if (n) memcpy(marked + sizeof mark, bytes, n);
  if (cnn_exif_orientation(marked, sizeof mark + n) != orientation) abort();
  free(marked);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  cnn_image image;
  int orientation = cnn_exif_orientation(bytes, n);
  if (orientation < 1 || orientation > 8) abort();
  expect_same_marked(bytes, n, orientation);
  cnn_status status = cnn_image_decode(&image, "input", bytes, n);
  if ((status.code == CNN_OK) != (image.pixel != NULL)) abort();
  if (cnn_png_whole(bytes, n) + cnn_jpeg_whole(bytes, n) + cnn_webp_whole(bytes, n) > 1) abort();
  volatile unsigned sum = 0;
  for (size_t i = 0; image.pixel && i < (size_t)image.height * (size_t)image.width * (size_t)image.channels;
       i++)
    sum += image.pixel[i];
  cnn_image_free(&image);
  return 0;
}
