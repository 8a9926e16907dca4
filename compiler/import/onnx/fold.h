/* fold.h: shared parts of constant folding. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FOLD_H
#define CNNC_FOLD_H
#include "import/import.h"

typedef const Tensor *Folding(ModelImport *, const OnnxNode *); /* NULL after no() */
#define FOLD(op, function) Folding function;
#include "import/onnx/folds.def"
#undef FOLD
/* The operators that go element by element; *found: it is one of them. */
const Tensor *fold_elements(ModelImport *, const OnnxNode *, bool *found);

/* A constant to be filled in. NULL and the reason: its size cannot be, or is too large. */
Tensor *fold_new(ModelImport *, TensorType, int rank, const int64_t *dim);
/* Another result than the first. */
void fold_result(ModelImport *, const OnnxNode *, int output, const Tensor *);
/* The numbers of a constant; NULL and the reason: they are too many. */
double *fold_numbers(ModelImport *, const Tensor *);
/* The attribute `axis`, or a number of an input; -1 and the reason: there is no such axis. */
int fold_axis(ModelImport *, const Tensor *, int64_t axis);

/* Where element i of a shape is found in a constant that is repeated along dimensions of size 1. */
int64_t repeated_at(const Tensor *, int rank, const int64_t *dim, int64_t i);
/* Of two constants that are repeated to the same shape. */
bool common_shape(ModelImport *, const Tensor *, const Tensor *, int *rank, int64_t *dim);
/* How far apart neighbors along each dimension are. */
void strides_of(const Tensor *, int64_t *stride);
#endif
