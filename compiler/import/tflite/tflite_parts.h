/* tflite_parts.h: Rewrites of TensorFlow Lite models: SPLIT, SPLIT_V, UNPACK, PACK and GATHER of quantized
 * ones as slices and joins, streaming models as models of whole sequences. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_PARTS_H
#define CNNC_TFLITE_PARTS_H
#include "import/tflite/tflite.h"

typedef VEC(TflTensor) TflTensors;
/* The numbers of a constant list; -1: it is not constant, or has more than `most`. */
int tflite_integers(const TflTensor *, int most, int64_t *to);
int tflite_add_integers(Arena *, TflTensors *, int n, const int64_t *list); /* as a constant: its tensor */

/* Converts a model that holds rows of earlier calls in variables to a model of a sequence of many calls, if
 * all its variables are used so; its outputs are those of the calls, one after the other. narrow: rows are
 * stored without their width, which is 1. */
void tflite_raise(Arena *, TflModel *, bool narrow);
/* Converts SPLIT, SPLIT_V, UNPACK, PACK, and GATHER of constant indices to slices and joins; slices with an
 * ellipsis or new dimensions become plain ones. */
void tflite_part(Arena *, TflModel *);
#endif
