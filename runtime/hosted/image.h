/* image.h: what the readers of data sets need of pictures besides cnn_image.h. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_HOSTED_IMAGE_H
#define CNN_HOSTED_IMAGE_H
#include "cnn_image.h"

bool cnn_image_named(const char *name); /* it ends as pictures do that can be read: .png, .jpg, .jpeg */
bool cnn_image_known(const unsigned char *bytes, size_t n); /* they begin as PNG or JPEG files do */
cnn_status cnn_image_decode(cnn_image *image, const char *path, const unsigned char *bytes, size_t n);
/* Whether an input of the net can take pictures of so many channels and this size (0 x 0: not known yet). `what` names the picture. */
cnn_status cnn_image_fits(const char *what, int32_t height, int32_t width, int32_t channels, const cnn_port *port);
#endif
