// transposed.c: Transposed convolutions with int8 or int16 values: bias + sum of all contributions to a
// position, then rounded:
// SPDX-License-Identifier: Apache-2.0
//
// x[f] = bias[f] + sum over taps with y + P - ky*D = n*S, and channels, of weight * (q[n] - zero)
//
// with the padding P, dilation D, stride S and input position n. The nest loops over i and r for the output
// rows y = S*i + r. For each of these rows, it tests which input rows near i contribute. Columns are
// processed in the same way.
#include "ops/int8/int8.h"

static int64_t rounded_down(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/* ---- eval ---- */
/* The input position that contributes to output position `at` through the tap, or -1. */
static int64_t meets(const Correlation *k, int axis, int64_t at, int64_t tap) {
  const int64_t place = at + k->before[axis] - tap * k->dilation[axis], i = place / k->stride[axis];
  return place >= 0 && place % k->stride[axis] == 0 && i < extent_side(k->small, axis) ? i : -1;
}

static int64_t transposed_sum_at(const Eval *eval, const Correlation *k, int64_t y, int64_t x, int64_t f) {
  const Int8Product *p = eval->node->detail;
  const int64_t zero = eval->node->in[0]->quant->zero, group = f / k->l;
  int64_t sum = p->wide_bias ? p->wide_bias[f] : p->bias[f];
  for (int64_t ky = 0; ky < k->kernel[0]; ky++)
    for (int64_t kx = 0; kx < k->kernel[1]; kx++) {
      const int64_t iy = meets(k, 0, y, ky), ix = meets(k, 1, x, kx);
      for (int64_t c = 0; c < k->s && iy >= 0 && ix >= 0; c++)
        sum += ((int64_t)eval->in[0][(iy * k->small.w + ix) * k->small.c + group * k->s + c] - zero) *
               p->weight[((f * k->s + c) * k->kernel[0] + ky) * k->kernel[1] + kx];
    }
  return sum;
}

static void eval(const Eval *eval) { int8_product_eval(eval, transposed_sum_at); }

/* ---- lower ---- */
/* Output position S*i + r depends only on input positions i + first_row .. i + behind_last_row - 1. S is the
 * stride, 0 <= r < S; positions along axis 1 are columns instead of rows. */
static int64_t first_row(const Correlation *k, int axis) {
  return rounded_down(k->before[axis] - (k->kernel[axis] - 1) * k->dilation[axis], k->stride[axis]);
}
static int64_t behind_last_row(const Correlation *k, int axis) {
  return rounded_down(k->stride[axis] - 1 + k->before[axis], k->stride[axis]) + 1;
}

typedef struct Place {
  Ix i, r; /* S*i + r */
} Place;

/* Adds the terms of all input positions. Along each axis, an input position contributes through at most one
 * tap. If the dilation is 1, the index of this tap is ry (or rx); otherwise all taps are tested. */
static void lower_transposed_sum(Lower *l, const Correlation *k, const Int8Constants *constants,
                                 const Ref *sum, const Place *y, const Place *x, const Ix *g, const Ix *f) {
  Nest *b = l->b;
  const Val zero = int8_zero(l, 0);
  const int64_t tries[2] = {k->dilation[0] == 1 ? 1 : k->kernel[0], k->dilation[1] == 1 ? 1 : k->kernel[1]};
  NEST_FROM(b, dy, first_row(k, 0), behind_last_row(k, 0))
    NEST_FROM(b, dx, first_row(k, 1), behind_last_row(k, 1))
      NEST_FOR(b, ty, tries[0])
        NEST_FOR(b, tx, tries[1]) {
          const Ix ry = y->r + k->before[0] - dy * k->stride[0], rx = x->r + k->before[1] - dx * k->stride[1],
                   iy = y->i + dy, ix = x->i + dx, ky = tries[0] > 1 ? ty : ry, kx = tries[1] > 1 ? tx : rx;
          const Cond met = tries[0] > 1 || tries[1] > 1
                               ? cond_and(nest_within(b, ry - ky * k->dilation[0], 0, 1),
                                          nest_within(b, rx - kx * k->dilation[1], 0, 1))
                               : nest_within(b, ky, 0, k->kernel[0]),
                     kernel =
                         cond_and(nest_within(b, ky, 0, k->kernel[0]), nest_within(b, kx, 0, k->kernel[1])),
                     inside = cond_and(nest_within(b, iy, 0, k->small.h), nest_within(b, ix, 0, k->small.w));
          NEST_IF(b, met)
            NEST_IF(b, cond_and(kernel, inside))
              NEST_FOR(b, c, k->s) {
                const Ix channel = *g * k->s + c;
                int8_add_term(l, *sum, sub(int8_load(l, l->in[0], &iy, &ix, &channel), zero),
                              convert(nest_load(b, nest_at(b, constants->weight, *f, ky, kx, c), 1), I32));
              }
        }
}

static void lower_place(Lower *l, const Correlation *k, const Int8Constants *constants, const Place *py,
                        const Place *px) {
  const Int8Product *p = l->node->detail;
  Nest *b = l->b;
  const Ix y = py->i * k->stride[0] + py->r, x = px->i * k->stride[1] + px->r;
  NEST_FOR(b, g, k->groups)
    NEST_FOR(b, o, k->l) {
      const Ix f = g * k->l + o;
      const Ref at = int8_sum(l);
      nest_store(b, at, nest_load(b, nest_at(b, constants->bias, f), 1));
      lower_transposed_sum(l, k, constants, &at, py, px, &g, &f);
      int8_store(l, int8_factored(l, &constants->factors, nest_get(b, at), &f), p->stored, &y, &x, &f, 1, 1);
    }
}

static void lower(Lower *l) {
  const Correlation geometry = int8_geometry(l->node), *k = &geometry;
  const Int8Constants constants = int8_constants(l, k, k->s);
  const int64_t s = k->stride[0], t = k->stride[1];
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, i, (k->large.h + s - 1) / s)
    NEST_FOR(b, r, s)
      NEST_IF(b, nest_within(b, i * s + r, 0, k->large.h))
        NEST_FOR(b, j, (k->large.w + t - 1) / t)
          NEST_FOR(b, q, t)
            NEST_IF(b, nest_within(b, j * t + q, 0, k->large.w)) {
              const Place y = {i, r}, x = {j, q};
              lower_place(l, k, &constants, &y, &x);
            }
}

const Op op_int8_transposed = {
    .name = "int8_transposed",
    .detail = "x[f] = bias[f] + sum of weight * (in - zero point) over all contributions to the pixel; "
              "out[f] = clamp(round(x[f] * factor[f]) + zero point of out)",
    .traits.per_image = true,
    .family = FAMILY_INT8,
    .cost = int8_product_cost,
    .eval = eval,
    .lower = lower,
    .traits.stream = STREAM_TRANSPOSED};
