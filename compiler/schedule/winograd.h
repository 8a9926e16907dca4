/* winograd.h: Winograd's short convolutions F(m x m, r x r): m x m outputs from n x n inputs, n = m + r - 1,
 * by n*n products instead of m*m*r*r (Lavin and Gray, 2015):
 *
 *     output = A^T [ (G weight G^T) * (B^T input B) ] A     with * element by element */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WINOGRAD_H
#define CNNC_WINOGRAD_H
#include "nest/build.h"

enum { WINOGRAD_TILE = 6 };
typedef struct Winograd {
  int m, r, n;
  double input[WINOGRAD_TILE][WINOGRAD_TILE];  /* B^T [n][n]: integers */
  double weight[WINOGRAD_TILE][WINOGRAD_TILE]; /* G   [n][r]: integers, each row to be multiplied by */
  double scale[WINOGRAD_TILE];                 /* [n] one over an integer */
  double output[WINOGRAD_TILE][WINOGRAD_TILE]; /* A^T [m][n]: integers */
} Winograd;
Winograd winograd_of(int m, int r); /* n is 4 or 6 */

/* How far a sum over so many channels may be from the exact one, in floats. typical: what to expect of random
 * data, relative to the largest output; worst: proven, relative to (largest input) * (largest weight) *
 * channels * r*r. */
typedef struct WinogradError {
  double typical, worst;
} WinogradError;
WinogradError winograd_error(const Winograd *, int64_t channels);

/* One dimension of a transform as statements: n values become n, r become n (without the scale), n become m.
 */
void winograd_input(Nest *, const Winograd *, const Val *x, Val *y);
void winograd_weight(Nest *, const Winograd *, const Val *x, Val *y);
void winograd_output(Nest *, const Winograd *, const Val *x, Val *y);
/* Backwards: m values become n; n (times the scale already) become r. */
void winograd_output_gradient(Nest *, const Winograd *, const Val *x, Val *y);
void winograd_weight_gradient(Nest *, const Winograd *, const Val *x, Val *y);
#endif
