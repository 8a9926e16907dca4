/* image.h: Image functions for readers of data sets, in addition to cnn_image.h, and the interface of the
 * decoders. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_HOSTED_IMAGE_H
#define CNN_HOSTED_IMAGE_H
#include "cnn_image.h"

/* Whether bytes begin like an image file, even of an unsupported format. */
bool cnn_image_known(const unsigned char *bytes, size_t n);
bool cnn_image_named(const char *name); /* whether it has the extension of a supported image format */
/* Checks that a file is an image. The file is decoded only if its beginning or its end is not valid. */
cnn_status cnn_image_inspect(const char *path);
cnn_status cnn_image_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n);
/* Checks that the input `port` accepts images of `channels` channels and this size (0 x 0: unknown). `what`
 * names the image in messages. */
cnn_status cnn_image_fits(const char *what, int32_t height, int32_t width, int32_t channels,
                          const cnn_port *port);
/* Converts an input back to an image; the caller allocates image->pixel. `input` is channels-last, as in all
 * samples, even with layout=chw. */
void cnn_image_of_input(const cnn_port *port, const void *input, cnn_image *image);
/* Reads a mask: the classes of a PNG, which are its palette indices or gray values, as one channel. */
cnn_status cnn_image_read_classes(cnn_image *mask, const char *path);

/* Position of an image in an input: an area of the image fills a rectangle of the input. */
typedef struct cnn_frame {
  cnn_area source;
  int32_t top, left, height, width;
} cnn_frame;
cnn_frame cnn_frame_make(int32_t h, int32_t w, int32_t out_h, int32_t out_w, cnn_fit fit);
/* Index of the pixel, in an image of height x width, that is nearest to pixel (y, x) of the input; -1: the
 * input pixel is outside the image. */
int64_t cnn_frame_source(const cnn_frame *frame, int32_t y, int32_t x, int32_t height, int32_t width);

/* The image that a prediction's inputs were read from; NULL: they were not an image. */
const cnn_image *cnn_inputs_picture(const cnn_inputs *inputs);

/* ---- For the readers */

enum { CNN_PIXELS_MOST = 1 << 27 }; /* maximum pixels of an image; a small file can state any size */
cnn_status cnn_image_allocate(cnn_image *image, const char *path, uint32_t height, uint32_t width,
                              int32_t channels);
/* Blends the image `mixed`, whose last channel is alpha, over black. */
void cnn_image_over_black(const uint8_t *mixed, cnn_image *image);
/* The orientation, 1 to 8; also 1 (upright) if EXIF has no valid orientation. */
int cnn_exif_orientation(const unsigned char *bytes, size_t n);
cnn_status cnn_image_turn(cnn_image *image, const char *path, int orientation);

/* Each decoder sets the EXIF orientation, but does not rotate the pixels. */
bool cnn_png_whole(const unsigned char *bytes, size_t n); /* whether header and end are present */
bool cnn_jpeg_whole(const unsigned char *bytes, size_t n);
bool cnn_webp_whole(const unsigned char *bytes, size_t n);
cnn_status cnn_png_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                          int *orientation);
cnn_status cnn_jpeg_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                           int *orientation);
cnn_status cnn_webp_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                           int *orientation);
#endif
