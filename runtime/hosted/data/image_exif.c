/* image_exif.c: Reading of the EXIF orientation, and rotation of images by this orientation. */
// SPDX-License-Identifier: MIT-0
#include <string.h>
#include "hosted/data/image.h"

/* EXIF is a TIFF header and directories of entries of 12 bytes: tag, type, count, and the value or its
 * offset. Only the first directory is read, so links between directories cannot lead into a loop. */
enum { TIFF_VERSION = 42, TIFF_SHORT = 3, ORIENTATION = 0x0112, ENTRY_BYTES = 12 };

typedef struct Exif {
  const unsigned char *bytes;
  size_t n;
  bool big_endian;
} Exif;

/* Reads an unsigned number of 2 or 4 bytes. False: it extends beyond the EXIF data. */
static bool exif_number(const Exif *exif, uint64_t at, int bytes, uint32_t *number) {
  if (at > exif->n || exif->n - at < (size_t)bytes) return false;
  *number = 0;
  for (int b = 0; b < bytes; b++)
    *number = *number << 8 | exif->bytes[at + (size_t)(exif->big_endian ? b : bytes - 1 - b)];
  return true;
}

/* The standard requires one 16-bit number, which is stored in the entry itself. */
static int orientation_of(const Exif *exif, uint64_t entry) {
  uint32_t type, count, whole, value;
  if (!exif_number(exif, entry + 2, 2, &type) || type != TIFF_SHORT) return 1;
  if (!exif_number(exif, entry + 4, 4, &count) || count != 1) return 1;
  if (!exif_number(exif, entry + 8, 4, &whole) || !exif_number(exif, entry + 8, 2, &value)) return 1;
  return value >= 1 && value <= 8 ? (int)value : 1;
}

int cnn_exif_orientation(const unsigned char *bytes, size_t n) {
  static const char mark[6] = "Exif\0"; /* precedes the data in JPEG; PNG and WebP omit it */
  const size_t marked = n >= sizeof mark && memcmp(bytes, mark, sizeof mark) == 0 ? sizeof mark : 0;
  Exif exif = {.bytes = bytes + marked, .n = n - marked};
  uint32_t version, directory, entries, tag;
  if (exif.n < 2 || (memcmp(exif.bytes, "II", 2) != 0 && memcmp(exif.bytes, "MM", 2) != 0)) return 1;
  exif.big_endian = exif.bytes[0] == 'M';
  if (!exif_number(&exif, 2, 2, &version) || version != TIFF_VERSION) return 1;
  if (!exif_number(&exif, 4, 4, &directory) || !exif_number(&exif, directory, 2, &entries)) return 1;
  for (uint32_t i = 0; i < entries; i++) {
    const uint64_t entry = (uint64_t)directory + 2 + (uint64_t)i * ENTRY_BYTES;
    if (!exif_number(&exif, entry, 2, &tag)) return 1;
    if (tag == ORIENTATION) return orientation_of(&exif, entry);
  }
  return 1;
}

/* Orientation 2 mirrors left to right; 3 rotates by 180 degrees; 4 mirrors top to bottom; 5 transposes; 6
 * rotates by 90 degrees clockwise; 7 transposes along the other diagonal; 8 rotates by 90 degrees
 * counterclockwise. */
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
