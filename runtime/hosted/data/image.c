/* image.c: Image decoding to gray or RGB bytes; the first bytes determine the format. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/image.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "hosted/base/file.h"

cnn_status cnn_image_allocate(cnn_image *image, const char *path, uint32_t height, uint32_t width,
                              int32_t channels) {
  if (height == 0 || width == 0) return cnn_failure(CNN_BAD_FORMAT, "%s: is an image without pixels", path);
  if ((uint64_t)height * width > CNN_PIXELS_MOST || height > INT32_MAX / 8 || width > INT32_MAX / 8)
    return cnn_failure(CNN_BAD_FORMAT, "%s: claims %u x %u pixels; the limit is %d", path, width, height,
                       CNN_PIXELS_MOST);
  *image = (cnn_image){(int32_t)height, (int32_t)width, channels,
                       malloc((size_t)height * width * (size_t)channels)};
  return image->pixel ? cnn_success()
                      : cnn_failure(CNN_NO_MEMORY, "%s: no memory for %u x %u pixels", path, width, height);
}

void cnn_image_free(cnn_image *image) {
  free(image->pixel);
  *image = (cnn_image){0};
}

void cnn_image_over_black(const uint8_t *mixed, cnn_image *image) {
  size_t pixels = (size_t)image->height * (size_t)image->width, channels = (size_t)image->channels;
  for (size_t i = 0; i < pixels; i++, mixed += channels + 1)
    for (size_t c = 0; c < channels; c++)
      image->pixel[i * channels + c] = (uint8_t)((mixed[c] * mixed[channels] + 127) / 255);
}

/* ---- Kinds */

typedef struct Kind {
  const char *name;
  size_t at, n; /* position of `magic` in a file, and its length */
  const char *magic;
  cnn_status (*decode)(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                       int *orientation); /* NULL: the format is not supported */
  bool (*whole)(const unsigned char *bytes, size_t n);
} Kind;

static const Kind kinds[] = {
    {"PNG", 0, 8, "\x89PNG\r\n\x1a\n", cnn_png_decode, cnn_png_whole},
    {"JPEG", 0, 3, "\xff\xd8\xff", cnn_jpeg_decode, cnn_jpeg_whole},
    {"WebP", 8, 4, "WEBP", cnn_webp_decode, cnn_webp_whole},
    {"GIF", 0, 4, "GIF8", NULL, NULL},
    {"BMP", 0, 2, "BM", NULL, NULL},
    {"TIFF", 0, 4, "II*\0", NULL, NULL},
    {"TIFF", 0, 4, "MM\0*", NULL, NULL},
    {"HEIC", 4, 7, "ftyphei", NULL, NULL},
    {"HEIC", 4, 8, "ftypmif1", NULL, NULL},
    {"AVIF", 4, 8, "ftypavif", NULL, NULL},
    {"JPEG XL", 0, 8, "\0\0\0\x0cJXL ", NULL, NULL},
};

static const Kind *kind_of(const unsigned char *bytes, size_t n) {
  for (const Kind *kind = kinds; kind < kinds + sizeof kinds / sizeof *kinds; kind++) {
    if (n < kind->at + kind->n || memcmp(bytes + kind->at, kind->magic, kind->n) != 0) continue;
    if (kind->magic[0] == 'B' && (n < 14 || memcmp(bytes + 6, "\0\0\0", 4) != 0))
      continue; /* "BM" may also begin a text, so the reserved bytes of a BMP must be 0 */
    return kind;
  }
  return NULL;
}

bool cnn_image_known(const unsigned char *bytes, size_t n) { return kind_of(bytes, n) != NULL; }

bool cnn_image_named(const char *name) {
  static const char *const suffixes[] = {".png", ".jpg", ".jpeg", ".webp"};
  size_t n = strlen(name);
  for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; s++) {
    size_t m = strlen(suffixes[s]), i = 0;
    if (n <= m) continue;
    while (i < m && tolower((unsigned char)name[n - m + i]) == suffixes[s][i]) i++;
    if (i == m) return true;
  }
  return false;
}

/* ---- Reading */

cnn_status cnn_image_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n) {
  *image = (cnn_image){0};
  const Kind *kind = kind_of(bytes, n);
  if (n == 0) return cnn_failure(CNN_BAD_FORMAT, "%s: is empty", path);
  if (!kind) return cnn_failure(CNN_BAD_FORMAT, "%s: is not an image: neither PNG, JPEG nor WebP", path);
  if (!kind->decode)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: is a %s image; convert it to PNG, JPEG or WebP, for instance with "
                       "magick \"%s\" \"%s.png\"",
                       path, kind->name, path, path);
  int orientation = 1;
  cnn_status status = kind->decode(image, path, bytes, n, &orientation);
  if (status.code == CNN_OK) status = cnn_image_turn(image, path, orientation);
  if (status.code != CNN_OK) cnn_image_free(image);
  return status;
}

/* An image that looks damaged is decoded, because the decoder describes the damage. */
cnn_status cnn_image_inspect(const char *path) {
  cnn_file file;
  cnn_status status = cnn_file_open(&file, path);
  const Kind *kind = status.code == CNN_OK ? kind_of(file.data, file.size) : NULL;
  if (status.code == CNN_OK && !(kind && kind->whole && kind->whole(file.data, file.size))) {
    cnn_image image;
    status = cnn_image_decode(&image, path, file.data, file.size);
    cnn_image_free(&image);
  }
  cnn_file_close(&file);
  return status;
}

cnn_status cnn_image_read(cnn_image *image, const char *path) {
  *image = (cnn_image){0};
  cnn_file file;
  cnn_status status = cnn_file_open(&file, path);
  if (status.code == CNN_OK) status = cnn_image_decode(image, path, file.data, file.size);
  cnn_file_close(&file);
  return status;
}
