/* image_exif.c: EXIF orientation. */
// SPDX-License-Identifier: MIT-0
#include <libexif/exif-data.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/image.h"

static const char exif_mark[6] =
    "Exif\0"; /* in JPEG this precedes the data; PNG and WebP omit it, but libexif requires it */

static int orientation_of(ExifData *exif) {
  ExifEntry *entry = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (!entry || entry->format != EXIF_FORMAT_SHORT || entry->components < 1 || entry->size < 2) return 1;
  int orientation = exif_get_short(entry->data, exif_data_get_byte_order(exif));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

int cnn_exif_orientation(const unsigned char *bytes, size_t n) {
  enum { MOST = 1 << 20 };
  bool marked = n >= sizeof exif_mark && memcmp(bytes, exif_mark, sizeof exif_mark) == 0;
  size_t mark = marked ? 0 : sizeof exif_mark;
  if (n > MOST) return 1;
  unsigned char *copy = malloc(mark + n + 1);
  ExifData *exif = exif_data_new();
  int orientation = 1;
  if (copy && exif) {
    memcpy(copy, exif_mark, mark);
    memcpy(copy + mark, bytes, n);
    exif_data_unset_option(exif, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION); /* disables libexif's repairs */
    exif_data_load_data(exif, copy, (unsigned int)(mark + n));
    orientation = orientation_of(exif);
  }
  if (exif) exif_data_unref(exif);
  free(copy);
  return orientation;
}

/* 1: unchanged; 2: mirrored left to right; 3: rotated by 180 degrees; 4: mirrored top to bottom; 5 to 8: the
 * same with rows and columns exchanged. */
cnn_status cnn_image_turn(cnn_image *image, const char *path, int orientation) {
  if (orientation < 2 || orientation > 8) return cnn_success();
  bool swapped = orientation >= 5, up = (1 << orientation) & (1 << 3 | 1 << 4 | 1 << 6 | 1 << 7);
  bool left = (1 << orientation) & (1 << 2 | 1 << 3 | 1 << 7 | 1 << 8);
  cnn_image out;
  int32_t h = image->height, w = image->width;
  cnn_status status = cnn_image_allocate(&out, path, (uint32_t)(swapped ? w : h), (uint32_t)(swapped ? h : w),
                                         image->channels);
  if (status.code != CNN_OK) return status;
  size_t bytes = (size_t)image->channels;
  for (int32_t y = 0; y < out.height; y++)
    for (int32_t x = 0; x < out.width; x++) {
      int32_t row = swapped ? x : y, column = swapped ? y : x;
      if (up) row = h - 1 - row;
      if (left) column = w - 1 - column;
      memcpy(out.pixel + ((size_t)y * (size_t)out.width + (size_t)x) * bytes,
             image->pixel + ((size_t)row * (size_t)w + (size_t)column) * bytes, bytes);
    }
  cnn_image_free(image);
  *image = out;
  return status;
}
