/* fold.h: Shared parts of constant folding. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FOLD_H
#define CNNC_FOLD_H
#include "import/import.h"

typedef const Tensor *Folding(ModelImport *, const OnnxNode *); /* NULL: not possible */
#define FOLD(op, function) Folding function;
#include "import/onnx/folds.def"
#undef FOLD
/* Folds elementwise operators. *found: whether the node is an elementwise operator. */
const Tensor *fold_elements(ModelImport *, const OnnxNode *, bool *found);

/* Sets the node's result that has the index `output`. */
void fold_result(ModelImport *, const OnnxNode *, int output, const Tensor *);
/* The numbers of a constant; NULL after no(): there are too many. */
double *fold_numbers(ModelImport *, const Tensor *);
/* Checks an axis of a constant; a negative axis counts from the end. Returns the axis counted from the start;
 * -1 after no(). */
int fold_axis(ModelImport *, const Tensor *, int64_t axis);

/* For element i of the shape `dim`: the index of the corresponding number in a constant that is broadcast to
 * this shape. */
int64_t repeated_at(const Tensor *, int rank, const int64_t *dim, int64_t i);
/* The common shape to which two constants are broadcast; false after no(). */
bool common_shape(ModelImport *, const Tensor *, const Tensor *, int *rank, int64_t *dim);
/* Distances between neighbors along each dimension, in elements. */
void strides_of(const Tensor *, int64_t *stride);
#endif
