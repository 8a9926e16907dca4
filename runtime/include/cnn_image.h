/* cnn_image.h: Reading, writing and resampling of images. Reading and writing need the hosted runtime.
 * Resampling is part of the core: it allocates no memory and needs no library. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_IMAGE_H
#define CNN_IMAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cnn_data.h"
#include "cnn_network.h"
#include "cnn_status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* ---- core */

/* A rectangle of pixels whose edges may be fractional; (y, x) is its upper left corner. */
typedef struct cnn_area {
  double y, x, height, width;
} cnn_area;

/* Resamples an area of an image to out_h x out_w pixels, bilinearly, with half-pixel centers. The image has h
 * x w x channels bytes. When shrinking, the triangle filter is widened, so that every source pixel counts.
 * The result is bit-identical to resize(size, BILINEAR) of Pillow before version 13. Rows of the output are
 * `out_stride` bytes apart. `scratch` has cnn_resample_scratch bytes, aligned for int32_t. The area must be
 * inside the image and not empty. */
size_t cnn_resample_scratch(int32_t h, int32_t w, int32_t channels, cnn_area area, int32_t out_h,
                            int32_t out_w);
void cnn_resample(const uint8_t *in, int32_t h, int32_t w, int32_t channels, cnn_area area, uint8_t *out,
                  int32_t out_h, int32_t out_w, size_t out_stride, void *scratch);

/* Luma of n RGB pixels: 0.299 R + 0.587 G + 0.114 B, rounded. */
void cnn_luma(const uint8_t *rgb, size_t n, uint8_t *gray);

/* ---- hosted */

typedef struct cnn_image {
  int32_t height, width, channels;
  uint8_t *pixel;
} cnn_image; /* 1 channel: gray, 3: RGB; rows without gaps */

/* Reads PNG, JPEG or WebP, determined by content. Alpha is blended over black, palettes and other depths
 * become 8-bit, and the image is rotated by its EXIF orientation. `image` is empty after an error. */
cnn_status cnn_image_read(cnn_image *image, const char *path);
void cnn_image_free(cnn_image *image);
cnn_status cnn_image_write(const char *path, const cnn_image *image); /* writes a PNG atomically */

/* Converts the image to an input of the net: resizes it, and makes it gray for an input with 1 channel, or
 * RGB for 3 channels. The elements are 0..255 (i8: minus 128), in the order height, width, channels. */
cnn_status cnn_image_feed(const cnn_image *image, const cnn_port *port, cnn_fit fit, void *input);

#ifdef __cplusplus
}
#endif
#endif
