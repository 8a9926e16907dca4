/* shapes.h: Synthetic images of colored shapes, with all annotations. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SHAPES_H
#define CNN_SHAPES_H
#include "cnn_image.h"
#include "hosted/data/truth.h"

enum {
  CNN_SHAPES = 5,
  CNN_SHAPES_LEAST = 16,
  CNN_SHAPES_MOST = 1024
}; /* number of kinds; limits of an image's side in pixels */
extern const char *const cnn_shape_names[1 + CNN_SHAPES]; /* names of the pixel classes; 0: background */

/* Image `index` of `stream`, size x size; its annotations have objects, instances and pixels. Images and
 * annotations are the same on every machine. The caller frees both; both are empty after a failure. */
cnn_status cnn_shapes_make(uint64_t seed, uint64_t stream, uint32_t index, int32_t size, cnn_image *image,
                           cnn_truth *truth);
#endif
