/* shapes.h: synthetic images of colored shapes, with all annotations. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SHAPES_H
#define CNN_SHAPES_H
#include "cnn_image.h"
#include "hosted/data/truth.h"

enum {
  CNN_SHAPES = 5,
  CNN_SHAPES_LEAST = 16,
  CNN_SHAPES_MOST = 1024
}; /* kinds; a side of an image in pixels */
extern const char *const cnn_shape_names[1 + CNN_SHAPES]; /* of the classes of pixels; 0: background */

/* Picture `index` of `stream`, size x size; its truth has objects, instances and pixels. The same on every
 * machine. Both are to be freed; they are empty after a failure. */
cnn_status cnn_shapes_make(uint64_t seed, uint64_t stream, uint32_t index, int32_t size, cnn_image *image,
                           cnn_truth *truth);
#endif
