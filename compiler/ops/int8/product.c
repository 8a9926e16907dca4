// product.c: Convolutions and dense layers with int8 or int16 values:
// SPDX-License-Identifier: Apache-2.0
//
// x[f] = bias[f] + sum over taps and channels of weight * (q - zero)
// q' = clamp(round(x[f] * factor[f]) + zero')
//
// Padding adds nothing. Before quantize/layers.c creates the node, it checks that the sums fit into 32 bits
// or, with int16 values, into 48 bits. So the products of sums with 15-bit factors fit into 64 bits.
#include <math.h>
#include "ops/int8/int8.h"
#include "ops/registry.h"

Correlation int8_geometry(const Node *node) {
  const Int8Product *p = node->detail;
  if (node->op == &op_int8_transposed) {
    Node like = *node;
    like.op = &op_conv_transpose;
    return correlation_of(&like);
  }
  if (!p->dense) return correlation_of(node);
  const Extent in = shape_extent(node->in[0]->shape), out = shape_extent(node->shape);
  return (Correlation){.large = in,
                       .small = out,
                       .kernel = {1, 1},
                       .stride = {1, 1},
                       .dilation = {1, 1},
                       .groups = 1,
                       .l = in.c,
                       .s = out.c,
                       .rank = 2};
}

Cost int8_product_cost(const Node *node) {
  const Correlation k = int8_geometry(node);
  const int64_t weights = k.groups * k.s * k.l * k.kernel[0] * k.kernel[1],
                filters = shape_extent(node->shape).c;
  return (Cost){correlation_macs(&k), weights + filters, weights + 4 * filters};
}

/* ---- eval ---- */
static int64_t sum_at(const Eval *eval, const Correlation *k, int64_t y, int64_t x, int64_t f) {
  const Int8Product *p = eval->node->detail;
  const int64_t zero = eval->node->in[0]->quant->zero, group = f / k->s;
  int64_t sum = p->wide_bias ? p->wide_bias[f] : p->bias[f];
  for (int64_t ky = 0; ky < k->kernel[0]; ky++)
    for (int64_t kx = 0; kx < k->kernel[1]; kx++) {
      const int64_t iy = y * k->stride[0] + ky * k->dilation[0] - k->before[0],
                    ix = x * k->stride[1] + kx * k->dilation[1] - k->before[1];
      if (iy < 0 || iy >= k->large.h || ix < 0 || ix >= k->large.w) continue;
      const double *in = eval->in[0] + (iy * k->large.w + ix) * k->large.c + group * k->l;
      for (int64_t c = 0; c < k->l; c++)
        sum += ((int64_t)in[c] - zero) * p->weight[((f * k->l + c) * k->kernel[0] + ky) * k->kernel[1] + kx];
    }
  return sum;
}

static int64_t int8_product_rounded(const Int8Product *p, int64_t sum, int64_t f) {
  if (p->real) return multiply_exactly(sum, p->real[f]);
  return (p->wide_bias ? multiplier_apply_wide : multiplier_apply)(p->rounding, sum, p->factor[f]);
}

void int8_product_eval(const Eval *eval, Int8SumAt *sum_of) {
  const Int8Product *p = eval->node->detail;
  const Correlation k = int8_geometry(eval->node);
  const Extent e = shape_extent(eval->node->shape);
  double *out = eval->out;
  for (int64_t y = 0; y < e.h; y++)
    for (int64_t x = 0; x < e.w; x++)
      for (int64_t f = 0; f < e.c; f++)
        *out++ = stored_put(p->stored, int8_product_rounded(p, sum_of(eval, &k, y, x, f), f));
}

static void eval(const Eval *eval) { int8_product_eval(eval, sum_at); }

/* ---- lower ---- */
static Buf *packed_weight(Lower *l, const Correlation *k, int64_t filters, int64_t channels) {
  const Int8Product *p = l->node->detail;
  const int64_t taps = k->kernel[0] * k->kernel[1];
  int8_t *packed = NEW_ARRAY(l->arena, int8_t, filters * channels * taps);
  for (int64_t f = 0; f < filters; f++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t t = 0; t < taps; t++)
        packed[(f * taps + t) * channels + c] = p->weight[(f * channels + c) * taps + t];
  return lower_constants(l, "weight", I8, 4, (int64_t[]){filters, k->kernel[0], k->kernel[1], channels},
                         packed);
}

/* The factors, which are doubles, as 53-bit integers times powers of two. */
static Int8Factors exact_factors(Lower *l, int64_t filters) {
  enum { DOUBLE_BITS = 53 };
  const Int8Product *p = l->node->detail;
  int64_t *m = NEW_ARRAY(l->arena, int64_t, filters);
  int32_t *e = NEW_ARRAY(l->arena, int32_t, filters);
  for (int64_t f = 0; f < filters; f++) {
    int exponent = 0;
    m[f] = (int64_t)ldexp(frexp(p->real[f], &exponent), DOUBLE_BITS);
    e[f] = exponent - DOUBLE_BITS;
  }
  return (Int8Factors){.factor = lower_constants(l, "factor", I64, 1, &filters, m),
                       .exponent = lower_constants(l, "exponent", I32, 1, &filters, e),
                       .by = &primitive_requantize_exact};
}

Int8Factors int8_factors_of(Lower *l, Rounding rounding, bool wide, int64_t n, const Multiplier *factor) {
  const bool floats = rounding == ROUNDING_FLOAT;
  int32_t *m = NEW_ARRAY(l->arena, int32_t, n), *e = NEW_ARRAY(l->arena, int32_t, n);
  float *real = NEW_ARRAY(l->arena, float, n);
  for (int64_t s = 0; s < n; s++) {
    m[s] = wide && rounding == ROUNDING_DOUBLE ? multiplier_reduced(factor[s]) : factor[s].m;
    e[s] = factor[s].e;
    real[s] = factor[s].real;
  }
  Int8Factors factors = {.factor = lower_constants(l, "factor", floats ? F32 : I32, 1, &n,
                                                   floats ? (const void *)real : (const void *)m),
                         .by = int8_requantizer(rounding, wide ? I64 : I32, int8_reaches_far(l, factor, n))};
  if (!floats) factors.exponent = lower_constants(l, "exponent", I32, 1, &n, e);
  return factors;
}

Int8Factors int8_factors(Lower *l, int64_t filters) {
  const Int8Product *p = l->node->detail;
  if (p->real) return exact_factors(l, filters);
  return int8_factors_of(l, p->rounding, p->wide_bias != NULL, filters, p->factor);
}

Val int8_factored(Lower *l, const Int8Factors *factors, Val sum, const Ix *f) {
  Nest *b = l->b;
  return nest_primitive(b, factors->by, sum, nest_load(b, nest_at(b, factors->factor, *f), 1),
                        factors->exponent ? nest_load(b, nest_at(b, factors->exponent, *f), 1) : NULL);
}

Int8Constants int8_constants(Lower *l, const Correlation *k, int64_t channels) {
  const Int8Product *p = l->node->detail;
  const int64_t filters = shape_extent(l->node->shape).c;
  lower_about(l, "%s bits, rounding %s", p->wide_bias ? "16" : "8", rounding_name(p->rounding));
  Int8Constants made = {.weight = packed_weight(l, k, filters, channels)};
  made.bias = p->wide_bias ? lower_constants(l, "bias", I64, 1, &filters, p->wide_bias)
                           : lower_constants(l, "bias", I32, 1, &filters, p->bias);
  made.factors = int8_factors(l, filters);
  return made;
}

Ref int8_sum(Lower *l) {
  const Int8Product *p = l->node->detail;
  const int64_t one = 1;
  return nest_at(l->b, nest_buf(l->b, REGS, "sum", (Type){p->wide_bias ? I64 : I32, 1}, 1, &one), 0);
}

void int8_add_term(Lower *l, Ref sum, Val q, Val weight) {
  if (sum.buf->type.elem == I32) nest_accumulate(l->b, sum, q, weight);
  else nest_store(l->b, sum, add(nest_get(l->b, sum), convert(mul(q, weight), I64)));
}

/* A loop over the taps of an axis. If the dilation is 1, the bounds of the loop exclude taps outside the
 * input; otherwise the body must test each tap. */
static const Ix *product_taps(Nest *b, const char *name, const Correlation *k, int axis, const Ix *at) {
  const int64_t size = k->kernel[axis], stride = k->stride[axis], before = k->before[axis],
                large = extent_side(k->large, axis), small = extent_side(k->small, axis);
  const Ix none = {0}, lo[2] = {none, none + before - *at * stride},
           hi[2] = {none + size, none + large + before - *at * stride};
  const bool clip = k->dilation[axis] == 1, behind = (small - 1) * stride + size - 1 - before >= large;
  return nest_loop(b, name, SERIAL, clip && before > 0 ? 2 : 1, lo, clip && behind ? 2 : 1, hi);
}
#define TAPS(b, v, axis, i) for (const Ix v = *product_taps(b, #v, k, axis, i); nest_enter(b);)

static void lower_sum(Lower *l, const Correlation *k, const Int8Constants *constants, const Ref *sum,
                      const Ix *y, const Ix *x, const Ix *g, const Ix *f) {
  Nest *b = l->b;
  const Val zero = int8_zero(l, 0);
  nest_store(b, *sum, nest_load(b, nest_at(b, constants->bias, *f), 1));
  TAPS(b, ky, 0, y)
    TAPS(b, kx, 1, x) {
      const Ix iy = *y * k->stride[0] + ky * k->dilation[0] - k->before[0],
               ix = *x * k->stride[1] + kx * k->dilation[1] - k->before[1];
      NEST_IF(b, cond_and(nest_within(b, iy, 0, k->large.h), nest_within(b, ix, 0, k->large.w)))
        NEST_FOR(b, c, k->l) {
          const Ix channel = *g * k->l + c;
          int8_add_term(l, *sum, sub(int8_load(l, l->in[0], &iy, &ix, &channel), zero),
                        convert(nest_load(b, nest_at(b, constants->weight, *f, ky, kx, c), 1), I32));
        }
    }
}

static void lower(Lower *l) {
  const Int8Product *p = l->node->detail;
  const Correlation geometry = int8_geometry(l->node), *k = &geometry;
  const Int8Constants constants = int8_constants(l, k, k->l);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, k->small.h)
    NEST_FOR(b, x, k->small.w)
      NEST_FOR(b, g, k->groups)
        NEST_FOR(b, s, k->s) {
          const Ix f = g * k->s + s;
          const Ref at = int8_sum(l);
          lower_sum(l, k, &constants, &at, &y, &x, &g, &f);
          int8_store(l, int8_factored(l, &constants.factors, nest_get(b, at), &f), p->stored, &y, &x, &f, 1,
                     1);
        }
}

const Op op_int8_product = {
    .name = "int8_product",
    .detail = "x[f] = bias[f] + sum of weight * (in - zero point); out[f] = clamp(round(x[f] * factor[f]) + "
              "zero point of out)",
    .family = FAMILY_INT8,
    .traits.row_local = true,
    .traits.per_image = true,
    .cost = int8_product_cost,
    .eval = eval,
    .lower = lower,
    .traits.stream = STREAM_WINDOW};
