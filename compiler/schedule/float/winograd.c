// winograd.c: Winograd convolutions: their matrices, computed from the points at which polynomials are
// multiplied; the tile sizes of a convolution; the transforms as code.
// SPDX-License-Identifier: Apache-2.0
//
// A convolution is a product of polynomials, which is computed from the values of the polynomials at n points
// (Toom and Cook). The points are 0, pairs p and -p (first p = 1, then 2, 0.5 and 0.75), and infinity; the
// value at infinity is the leading coefficient. The points determine all matrices. The rows of a pair of
// points p, -p differ only in the signs of odd powers, except in input transforms with odd n (see by_rows).
// So both rows are computed from two sums: one sum of the even powers, and one sum of the odd powers.
// Coefficients are exact in floats. Each sum begins with a value whose coefficient is 1. So no addition has
// two products as operands. (If both were products, C compilers could differ in which of the two they fuse
// with the addition.)
#include "schedule/float/winograd.h"
#include <math.h>
#include "base/number.h"

/* ---- the matrices ---- */
static const double points[WINOGRAD_TILE - 1] = {0, 1, -1, 2, -2, 0.5, -0.5, 0.75, -0.75};

/* The coefficients of the product of (x - points[l]) over the first `count` points without point `except`. */
static void winograd_product_of(int count, int except, double coefficient[WINOGRAD_TILE]) {
  for (int k = 0; k < WINOGRAD_TILE; k++) coefficient[k] = k == 0;
  for (int l = 0; l < count; l++) {
    if (l == except) continue;
    for (int k = WINOGRAD_TILE - 1; k >= 0; k--)
      coefficient[k] = (k ? coefficient[k - 1] : 0) - points[l] * coefficient[k];
  }
}

static double value_at(const double coefficient[WINOGRAD_TILE], double x) {
  double sum = 0;
  for (int k = WINOGRAD_TILE - 1; k >= 0; k--) sum = sum * x + coefficient[k];
  return sum;
}

Winograd winograd_of(int m, int r) {
  Winograd w = {.m = m, .r = r, .n = m + r - 1, .stride = 1};
  const int finite = w.n - 1;
  for (int j = 0; j < finite; j++) {
    winograd_product_of(finite, j, w.input[j]);
    double power = 1;
    for (int k = 0; k < w.n; k++, power *= points[j]) {
      if (k < m) w.output[k][j] = power;
      if (k < r) w.weight[j][k] = power;
    }
    w.scale[j] = 1 / value_at(w.input[j], points[j]);
  }
  winograd_product_of(finite, finite, w.input[finite]);
  w.weight[finite][r - 1] = w.output[m - 1][finite] = w.scale[finite] = 1;
  return w;
}

/* With stride 2, the first m + 1 points are the points of F(m,2), applied to the even inputs; the other m
 * points are the odd inputs. */
static Winograd even_inputs(int m) { return winograd_of(m, 2); }

Winograd winograd_of_stride_two(int m) {
  const Winograd even = even_inputs(m);
  Winograd w = {.m = m, .r = 3, .n = 2 * m + 1, .stride = 2};
  for (int j = 0; j < even.n; j++) {
    for (int i = 0; i < even.n; i++) w.input[j][2 * i] = even.input[j][i];
    for (int k = 0; k < even.r; k++) w.weight[j][2 * k] = even.weight[j][k];
    for (int k = 0; k < m; k++) w.output[k][j] = even.output[k][j];
    w.scale[j] = even.scale[j];
  }
  for (int k = 0; k < m; k++) {
    const int j = even.n + k;
    w.input[j][2 * k + 1] = w.weight[j][1] = w.output[k][j] = w.scale[j] = 1;
  }
  return w;
}

/* ---- tile sizes that a convolution supports ---- */
int winograd_sizes(const Correlation *k, int m[WINOGRAD_SIZES]) {
  const int64_t shorter = smaller(k->kernel[0], k->kernel[1]), longer = larger(k->kernel[0], k->kernel[1]);
  const bool square = shorter == longer;
  int n = 0;
  if (k->stride[0] != 1 || k->stride[1] != 1) {
    if (k->stride[0] != 2 || k->stride[1] != 2 || !square || longer != 3) return 0;
    for (int size = 4; size >= 2; size--) m[n++] = size;
    return n;
  }
  if (longer != 2 && longer != 3 && longer != 5 && (longer != 7 || square)) return 0;
  if (!square && shorter != 1) return 0;
  if (longer == 2) {
    m[0] = 3;
    return 1;
  }
  const bool dilated = square && longer == 3 && (k->dilation[0] > 1 || k->dilation[1] > 1);
  /* The phases of a dilated convolution are small images. Tiles of 6x6 outputs are faster only if one tile
   * contains a whole phase. */
  const bool one =
      dilated && ceil_divide(k->small.h, k->dilation[0]) <= 6 && ceil_divide(k->small.w, k->dilation[1]) <= 6;
  if (one || (!square && longer == 3)) m[n++] = 6;
  if (!square || longer == 3) m[n++] = 4;
  if (dilated) m[n++] = 3;
  m[n++] = 2;
  return n;
}

void winograd_axes(const Correlation *k, int m, Winograd *w) {
  for (int axis = 0; axis < 2; axis++)
    w[axis] = k->stride[axis] == 2  ? winograd_of_stride_two(m)
              : k->kernel[axis] > 1 ? winograd_of(m, (int)k->kernel[axis])
                                    : winograd_of(1, 1);
}

const char *winograd_name(Arena *arena, const Correlation *k, int m) {
  const int r[] = {(int)k->kernel[0], (int)k->kernel[1]};
  return arena_printf(arena, "Winograd F(%dx%d,%dx%d)%s", r[0] > 1 ? m : 1, r[1] > 1 ? m : 1, r[0], r[1],
                      k->stride[0] == 2 ? " with stride 2" : "");
}

WinogradTiles winograd_tiles(const Correlation *k, int axis, int64_t size, int m) {
  if (k->kernel[axis] == 1) return (WinogradTiles){1, 1, size};
  const int64_t step = k->dilation[axis], phases = smaller(step, size);
  return (WinogradTiles){step, phases, ceil_divide(ceil_divide(size, phases), m)};
}

const char *winograd_refused_for(Arena *arena, const Target *layout, bool exact, bool weights,
                                 const Correlation *k) {
  int m[WINOGRAD_SIZES];
  const bool strides = k->stride[0] != 1 || k->stride[1] != 1;
  if (!winograd_sizes(k, m))
    return strides ? "a stride, except 2 for a 3x3 kernel"
                   : "a kernel other than 2x2, 3x3, 5x5, 1xN, Nx1 (N = 2, 3, 5, 7)";
  if (strides && (k->dilation[0] != 1 || k->dilation[1] != 1)) return "a stride and a dilation";
  if (weights && (k->dilation[0] != 1 || k->dilation[1] != 1)) return "a dilation";
  if (k->l < layout->blocking.winograd_channels)
    return arena_printf(arena, "fewer than %d input channels", (int)layout->blocking.winograd_channels);
  if (layout->lanes == 1) return "no vectors";
  return exact ? "--exact" : NULL;
}

const char *winograd_refused(const Lower *l, const Correlation *k) {
  if (l->kernel->pool && (k->kernel[0] != k->kernel[1] || k->kernel[0] == 2))
    return "a fused pooling with windows across two tiles";
  if (l->kernel->pool && (k->dilation[0] != 1 || k->dilation[1] != 1))
    return "a fused pooling with windows across several phases";
  if (l->kernel->pool && (k->stride[0] != 1 || k->stride[1] != 1)) return "a fused pooling after a stride";
  return winograd_refused_for(l->arena, l->layout, l->exact, l->node->op->family == FAMILY_CONV_WEIGHTS, k);
}

/* ---- rounding ---- */
static double winograd_size_of(double x) { return x < 0 ? -x : x; }

/* Maxima over the outputs of an axis. variance: the sum of the variances of an output's products, for data of
 * variance 1; absolute: the sum of the absolute coefficients of an output. */
typedef struct Spread {
  double variance, absolute;
} Spread;

static Spread spread_of(const Winograd *w) {
  Spread worst = {0};
  for (int k = 0; k < w->m; k++) {
    Spread sum = {0};
    for (int i = 0; i < w->n; i++) {
      double input = 0, weight = 0, input_sum = 0, weight_sum = 0;
      for (int j = 0; j < w->n; j++) {
        input += w->input[i][j] * w->input[i][j];
        input_sum += winograd_size_of(w->input[i][j]);
      }
      for (int j = 0; j < w->r; j++) {
        weight += w->weight[i][j] * w->weight[i][j];
        weight_sum += winograd_size_of(w->weight[i][j]);
      }
      sum.variance += w->output[k][i] * w->output[k][i] * input * weight * w->scale[i] * w->scale[i];
      sum.absolute += winograd_size_of(w->output[k][i] * w->scale[i]) * input_sum * weight_sum;
    }
    worst.variance = fmax(worst.variance, sum.variance);
    worst.absolute = fmax(worst.absolute, sum.absolute);
  }
  return worst;
}

/* An output is the sum over i of output[k][i] * M[i], and M[i] is a sum over the channels of (row i of B^T x)
 * * (row i of G w). For data of variance 1, each channel adds V[i] = |row i of B^T|^2 * |row i of G|^2 to the
 * variance of M[i]. The sum has `channels` steps. Each step rounds the partial sum, which on average is half
 * of the total. The relative rounding error of a step is at most u; its standard deviation is u/sqrt(3). The
 * transforms add a few roundings of the total. Each channel adds r to the variance of the exact output. In
 * two dimensions, V and r are products of their values along both axes. It is assumed that the ratio of the
 * largest error to the largest output equals the ratio of their standard deviations. The worst case uses
 * absolute values everywhere: u times (channels + the roundings of the transforms) times the sums of absolute
 * coefficients. */
WinogradError winograd_error(const Winograd axis[2], int64_t channels) {
  const double unit = 0x1p-24, transform_steps = 32;
  const double margin =
      axis[0].n > 1 && axis[1].n > 1 ? 1.5 : 2; /* larger for a single axis, where fewer errors cancel */
  const Spread y = spread_of(&axis[0]), x = spread_of(&axis[1]);
  const double steps = (double)channels / 2 + transform_steps, taps = (double)(axis[0].r * axis[1].r);
  return (WinogradError){margin * unit * sqrt(steps / 3 * y.variance * x.variance / taps),
                         unit * ((double)channels + transform_steps) * y.absolute * x.absolute / taps};
}

/* ---- as code ---- */
static Val add_scaled(Nest *b, Val sum, double factor, Val x) {
  return factor == 1 ? add(sum, x) : factor == -1 ? sub(sum, x) : add(sum, mul(num(b, factor), x));
}

/* The sum of k[i]*x[i] for i = first, first + step ..., divided by `factor`. One of the coefficients equals
 * `factor`, so the sum begins with an unscaled x[i]. */
static Val sum_of(Nest *b, int n, const double *k, double factor, const Val *x, int first, int step) {
  int start = first;
  while (start < n && k[start] != factor) start += step;
  if (start >= n) nest_misuse(b, "no coefficient of the transform equals the factor");
  Val sum = x[start];
  for (int i = first; i < n; i += step)
    if (k[i] != 0 && i != start) sum = add_scaled(b, sum, k[i] / factor, x[i]);
  return sum;
}

static Val winograd_named(Nest *b, const char *name, Val x) {
  return x->op == LOAD ? x : nest_let(b, name, x);
}

/* y = matrix * x. Rows 1 and 2, 3 and 4, ... belong to pairs of points, p and -p, and share partial sums. If
 * n is odd, the last finite point has no partner. Then the rows of the input transform share no sums,
 * because the polynomials of p and -p contain the factor of the point without partner. */
static void by_rows(Nest *b, int n, int columns, const double matrix[][WINOGRAD_TILE], const Val *x, Val *y) {
  const bool pairs = n % 2 == 0 || columns < n;
  for (int j = 0; j < n; j++) {
    if (!pairs || j == 0 || j >= n - 1 - n % 2) {
      y[j] = sum_of(b, columns, matrix[j], 1, x, 0, 1);
      continue;
    }
    Val p = winograd_named(b, "p", sum_of(b, columns, matrix[j], 1, x, 0, 2)),
        q = winograd_named(b, "q", sum_of(b, columns, matrix[j], points[j], x, 1, 2));
    y[j] = add_scaled(b, p, points[j], q);
    y[j + 1] = add_scaled(b, p, -points[j], q);
    j++;
  }
}

void winograd_input(Nest *b, const Winograd *w, const Val *x, Val *y) {
  if (w->stride == 1) {
    by_rows(b, w->n, w->n, w->input, x, y);
    return;
  }
  const Winograd even = even_inputs(w->m);
  Val of_even[WINOGRAD_TILE];
  for (int i = 0; i < even.n; i++) of_even[i] = x[2 * i];
  winograd_input(b, &even, of_even, y);
  for (int k = 0; k < w->m; k++) y[even.n + k] = x[2 * k + 1];
}

void winograd_weight(Nest *b, const Winograd *w, const Val *x, Val *y) {
  if (w->stride == 1) {
    by_rows(b, w->n, w->r, w->weight, x, y);
    return;
  }
  const Winograd even = even_inputs(w->m);
  winograd_weight(b, &even, (const Val[]){x[0], x[2]}, y);
  for (int k = 0; k < w->m; k++) y[even.n + k] = x[1];
}

/* Like by_rows, but pairs of points are columns of the matrix: even rows use the sum of a pair, odd rows use
 * the difference. */
static void by_columns(Nest *b, int n, int rows, const double matrix[][WINOGRAD_TILE], const Val *x, Val *y) {
  Val even[WINOGRAD_TILE], odd[WINOGRAD_TILE];
  even[0] = odd[0] = x[0];
  even[n - 1] = odd[n - 1] = x[n - 1];
  if (n > 2) even[n - 2] = odd[n - 2] = x[n - 2];
  for (int j = 1; j + 2 < n; j += 2) {
    even[j] = nest_let(b, "s", add(x[j], x[j + 1]));
    odd[j] = nest_let(b, "d", sub(x[j], x[j + 1]));
  }
  for (int i = 0; i < rows; i++) {
    double k[WINOGRAD_TILE];
    for (int j = 0; j < n; j++) k[j] = j > 0 && j < n - 1 && j % 2 == 0 ? 0 : matrix[i][j];
    y[i] = sum_of(b, n, k, 1, i % 2 ? odd : even, 0, 1);
  }
}

static void winograd_turned(const double matrix[][WINOGRAD_TILE],
                            double turned[WINOGRAD_TILE][WINOGRAD_TILE]) {
  for (int i = 0; i < WINOGRAD_TILE; i++)
    for (int j = 0; j < WINOGRAD_TILE; j++) turned[j][i] = matrix[i][j];
}

void winograd_output(Nest *b, const Winograd *w, const Val *x, Val *y) {
  if (w->stride == 1) {
    by_columns(b, w->n, w->m, w->output, x, y);
    return;
  }
  const Winograd even = even_inputs(w->m);
  winograd_output(b, &even, x, y);
  for (int k = 0; k < w->m; k++) y[k] = add(y[k], x[even.n + k]);
}

void winograd_output_gradient(Nest *b, const Winograd *w, const Val *x, Val *y) {
  if (w->stride == 1) {
    double turned[WINOGRAD_TILE][WINOGRAD_TILE];
    winograd_turned(w->output, turned);
    by_rows(b, w->n, w->m, turned, x, y);
    return;
  }
  const Winograd even = even_inputs(w->m);
  winograd_output_gradient(b, &even, x, y);
  for (int k = 0; k < w->m; k++) y[even.n + k] = x[k];
}

void winograd_weight_gradient(Nest *b, const Winograd *w, const Val *x, Val *y) {
  if (w->stride == 1) {
    double turned[WINOGRAD_TILE][WINOGRAD_TILE];
    winograd_turned(w->weight, turned);
    by_columns(b, w->n, w->r, turned, x, y);
    return;
  }
  const Winograd even = even_inputs(w->m);
  Val of_even[WINOGRAD_TILE], middle = x[even.n];
  winograd_weight_gradient(b, &even, x, of_even);
  for (int k = 1; k < w->m; k++) middle = add(middle, x[even.n + k]);
  y[0] = of_even[0];
  y[1] = middle;
  y[2] = of_even[1];
}
