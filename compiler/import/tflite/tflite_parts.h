/* tflite_parts.h: Rewrites of TensorFlow Lite models: in quantized models, SPLIT, SPLIT_V, UNPACK, PACK and
 * GATHER become slices and concats; streaming models become models of whole sequences. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_PARTS_H
#define CNNC_TFLITE_PARTS_H
#include "import/tflite/tflite.h"

typedef VEC(TflTensor) TflTensors;
/* Stores the numbers of a constant INT32 list, and returns their number; -1: the tensor is not such a list,
 * is empty, or has more than `most` numbers. */
int tflite_integers(const TflTensor *, int most, int64_t *to);
/* Adds a constant list; returns the number of its tensor. */
int tflite_add_integers(Arena *, TflTensors *, int n, const int64_t *list);

/* Converts a streaming model, whose variables keep rows of earlier calls, to a model of a sequence of many
 * calls. If this is not possible, the model stays unchanged. The new model's outputs are the concatenated
 * outputs of the calls. narrow: rows of width 1 are stored without their width. */
void tflite_raise(Arena *, TflModel *, bool narrow);
/* Converts SPLIT, SPLIT_V, UNPACK, PACK, and GATHER of consecutive constant indices to slices and concats.
 * Each STRIDED_SLICE gets an entry for each dimension of its input, and loses its ellipsis and new
 * dimensions. Operators with computed sizes or bounds stay unchanged. */
void tflite_part(Arena *, TflModel *);
#endif
