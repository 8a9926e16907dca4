/* onnx_composed.h: Decomposition of standard operators. Private to onnx_composed.c and onnx_fused.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ONNX_COMPOSED_H
#define CNNC_ONNX_COMPOSED_H
#include "import/onnx/node_build.h"

/* Each function replaces one node by other nodes. */
void put_softsign(NodeBuild *);
void put_sinh(NodeBuild *);
void put_cosh(NodeBuild *);
void put_tan(NodeBuild *);
void put_atan(NodeBuild *);
void put_sign(NodeBuild *);
void put_celu(NodeBuild *);
void put_thresholded_relu(NodeBuild *);
void put_mean_of_all(NodeBuild *);
void put_log_sum_exp(NodeBuild *);
#endif
