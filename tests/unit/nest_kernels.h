/* nest_kernels.h: Kernels written as nests, for the tests of prover, interpreter, printer and mutations. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TEST_NEST_KERNELS_H
#define CNNC_TEST_NEST_KERNELS_H
#include "nest/nest.h"

typedef struct Conv { /* NHWC, h x w x ci -> oh x ow x co, k x k, stride s, padding p on each side */
  int h, w, ci, co, k, s, p;
  bool relu;
  int px, nv, cb; /* tile: px pixels x nv vectors; cb input channels per block */
  int lanes;
} Conv;
int conv_oh(const Conv *), conv_ow(const Conv *);

Nest *conv_plain(Arena *, const char *name, const Conv *);
Nest *conv_direct(Arena *, const char *name, Conv);
Nest *conv_winograd(Arena *, const char *name, int H, int CI, int CO, int rows,
                    int ncb); /* F(4x4,3x3); rows: rows of tiles per block */
Nest *conv_weight_gradient(Arena *, const char *name, int H, int CI, int CO, int K);

Nest *max_pool2(Arena *, const char *name, int H, int W, int C);
Nest *dense(Arena *, const char *name, int I, int O, int NV, int U, bool relu);
Nest *lenet_conv1(Arena *, const char *name); /* 28x28x1, 5x5 pad 2, 6 filters, relu, 2x2 max: 14x14x6 */
Nest *lenet_conv2(Arena *, const char *name); /* 14x14x6, 5x5, 16 filters, relu, 2x2 max: 5x5x16 */

/* nest_chosen.c: data-dependent indices; C channels in vectors of `lanes`. */
Nest *chosen_rows(Arena *, int N, int ROWS, int C, int lanes);
Nest *chosen_rows_gradient(Arena *, int N, int ROWS, int C, int lanes);
Nest *chosen_sampling(Arena *, int N, int H, int W, int C, int lanes);
Nest *chosen_sampling_gradient(Arena *, int N, int H, int W, int C, int lanes);
Nest *chosen_window(Arena *, int N);
#endif
