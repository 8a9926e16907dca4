/* matmul.h: Sizes of a matrix product, for its float and int8 kernels. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MATMUL_H
#define CNNC_MATMUL_H
#include "graph/op.h"

/* y is LxM, with sums over K. left: A is stored as KxL, not LxK; right: B is stored as MxK, not KxM. */
typedef struct MatrixProduct {
  int64_t l, k, m;
  bool left, right;
  double scale;
} MatrixProduct;
MatrixProduct matmul_sizes(const Node *);
#endif
