/* tflite_parts.h: SPLIT, SPLIT_V, UNPACK, PACK and GATHER of a quantized TensorFlow Lite model as slices and
 * joins. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_PARTS_H
#define CNNC_TFLITE_PARTS_H
#include "import/tflite/tflite.h"

/* In place of those whose numbers are constants; slices with an ellipsis or new dimensions as plain ones. */
void tflite_part(Arena *, TflModel *);
#endif
