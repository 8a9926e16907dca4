/* pixels.h: Class maps of images, as the targets of a net. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PIXELS_H
#define CNN_PIXELS_H
#include "hosted/data/dataset.h"

/* Checks that every output that needs a target accepts data->classes pixel classes. `what` names the set in
 * messages. */
cnn_status cnn_pixels_fit(const cnn_data *data, const char *what);
/* Smallest number of classes of the outputs that need pixel classes; 0: there is no such output. */
int64_t cnn_pixels_limit(const cnn_data *data);
/* Stores the classes of an image ([height][width], -1: ignored) as targets. The classes are resized like the
 * image, with the class of the nearest pixel; positions outside the image are ignored. */
void cnn_pixels_store(const cnn_data *data, const int32_t *pixels, int32_t height, int32_t width,
                      void *const target[]);
/* Reads a sample with annotations: its image, and its pixel classes if there are any. */
cnn_status cnn_pixels_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                           void *const target[]);
#endif
