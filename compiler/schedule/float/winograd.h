/* winograd.h: Winograd's short convolutions along an axis, F(m,r): m outputs from n inputs, n = m + r - 1,
 * with n products instead of m*r (Lavin and Gray, 2015):
 *
 * output = A^T [ (G weight) * (B^T input) ]     with * elementwise
 *
 * With stride 2 a window of 3 reads two even inputs and the odd input between them. F(m,2) computes m sums
 * of the even inputs with m + 1 products; the odd inputs are multiplied by the middle weight, which needs m
 * more products. So there are n = 2m + 1 products instead of 3m.
 *
 * For an image, F(m,r) is applied along both axes: F(m x m, r x r). Along an axis on which the kernel has
 * length 1, the algorithm is F(1,1), the identity. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WINOGRAD_H
#define CNNC_WINOGRAD_H
#include "ops/convolution/correlation.h"

enum { WINOGRAD_TILE = 10 };
typedef struct Winograd {
  int m, r, n, stride; /* n = (m - 1) * stride + r: the number of inputs, and of products */
  double input[WINOGRAD_TILE][WINOGRAD_TILE];  /* B^T [n][n] */
  double weight[WINOGRAD_TILE][WINOGRAD_TILE]; /* G [n][r], without the factors `scale` */
  double scale[WINOGRAD_TILE];                 /* [n]: factors of the rows of G */
  double output[WINOGRAD_TILE][WINOGRAD_TILE]; /* A^T [m][n] */
} Winograd;
Winograd winograd_of(int m, int r);     /* with stride 1; n is at most WINOGRAD_TILE */
Winograd winograd_of_stride_two(int m); /* for windows of 3 with stride 2 */

/* The reason why the kernel is not supported; NULL: it is supported. */
const char *winograd_refused(const Lower *, const Correlation *); /* the convolution as a gather */
/* weights: whether the kernel is a weight gradient */
const char *winograd_refused_for(Arena *, const Target *layout, bool exact, bool weights,
                                 const Correlation *);
/* Stores the possible tile sizes in m, and returns their number. A size is the number of outputs of a tile
 * along each axis on which the kernel is longer than 1. */
enum { WINOGRAD_SIZES = 4 };
int winograd_sizes(const Correlation *, int m[WINOGRAD_SIZES]);
/* An axis whose outputs are divided into tiles. With a dilation each phase is divided separately: phase p has
 * the outputs p, p + step, ...; each: number of tiles of a phase. */
typedef struct WinogradTiles {
  int64_t step, phases, each;
} WinogradTiles;
WinogradTiles winograd_tiles(const Correlation *, int axis, int64_t size, int m);
void winograd_axes(const Correlation *, int m, Winograd *axis);
const char *winograd_name(Arena *, const Correlation *, int m); /* for example "Winograd F(4x4,3x3)" */

/* Rounding error of a float sum over the input channels. typical: expected on random data, relative to the
 * largest output; worst: proven bound, relative to (largest input) * (largest weight) * channels * (taps of
 * the kernel). */
typedef struct WinogradError {
  double typical, worst;
} WinogradError;
WinogradError winograd_error(const Winograd axis[2], int64_t channels);

/* Build transforms from x to y as statements. winograd_input: n inputs to n points; winograd_weight: r
 * weights to n points, without `scale`; winograd_output: n points to m outputs. */
void winograd_input(Nest *, const Winograd *, const Val *x, Val *y);
void winograd_weight(Nest *, const Winograd *, const Val *x, Val *y);
void winograd_output(Nest *, const Winograd *, const Val *x, Val *y);
/* Build the transforms of gradients. The first function: m output gradients to n points; the second function:
 * n points, which the caller has multiplied by `scale`, to r weight gradients. */
void winograd_output_gradient(Nest *, const Winograd *, const Val *x, Val *y);
void winograd_weight_gradient(Nest *, const Winograd *, const Val *x, Val *y);
#endif
