/* image.h: images for the readers of data sets, in addition to cnn_image.h, and the interface of the
 * decoders. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_HOSTED_IMAGE_H
#define CNN_HOSTED_IMAGE_H
#include "cnn_image.h"

bool cnn_image_known(const unsigned char *bytes,
                     size_t n); /* they begin like an image file, also of an unsupported format */
bool cnn_image_named(
    const char *name); /* a file of this name is an image of a supported format, by its extension */
/* Whether a file is an image: one that begins and ends as it should is not decoded. */
cnn_status cnn_image_inspect(const char *path);
cnn_status cnn_image_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n);
/* Whether an input of the net can take images of `channels` channels and this size (0 x 0: not known yet).
 * `what` names the image. */
cnn_status cnn_image_fits(const char *what, int32_t height, int32_t width, int32_t channels,
                          const cnn_port *port);
/* A mask: the classes of a PNG, which are its palette's indices or its grays, as one channel. */
cnn_status cnn_image_read_classes(cnn_image *mask, const char *path);

/* Position of an image in an input: an area of it fills a rectangle there. */
typedef struct cnn_frame {
  cnn_area source;
  int32_t top, left, height, width;
} cnn_frame;
cnn_frame cnn_frame_make(int32_t h, int32_t w, int32_t out_h, int32_t out_w, cnn_fit fit);
/* The pixel of an image of height x width that is nearest to one of the input; -1: it is outside. */
int64_t cnn_frame_source(const cnn_frame *frame, int32_t y, int32_t x, int32_t height, int32_t width);

/* The image that the inputs of a prediction were read from; NULL: they were not an image. */
const cnn_image *cnn_inputs_picture(const cnn_inputs *inputs);

/* ---- For the readers */

enum { CNN_PIXELS_MOST = 1 << 27 }; /* a small file can claim to be an image of any size */
cnn_status cnn_image_allocate(cnn_image *image, const char *path, uint32_t height, uint32_t width,
                              int32_t channels);
void cnn_image_over_black(const uint8_t *mixed,
                          cnn_image *image); /* mixed: its pixels with alpha behind their channels */
int cnn_exif_orientation(const unsigned char *bytes,
                         size_t n); /* 1 to 8; 1, upright, also where EXIF says nothing or rubbish */
cnn_status cnn_image_turn(cnn_image *image, const char *path, int orientation);

/* Each sets the orientation that its EXIF asks for; pixels are as they are stored. */
bool cnn_png_whole(const unsigned char *bytes,
                   size_t n); /* header and end are there, as far as can be seen */
bool cnn_jpeg_whole(const unsigned char *bytes, size_t n);
bool cnn_webp_whole(const unsigned char *bytes, size_t n);
cnn_status cnn_png_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                          int *orientation);
cnn_status cnn_jpeg_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                           int *orientation);
cnn_status cnn_webp_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n,
                           int *orientation);
#endif
