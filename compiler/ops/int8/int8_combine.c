// int8_combine.c: Int8 and int16 sums of values, and differences and products of two values; each operand has
// its own scale.
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"
#include "ops/int8/int8.h"

/* ---- eval ---- */
static int64_t operand(const Eval *eval, int k, int64_t y, int64_t x, int64_t c) {
  const Extent e = shape_extent(eval->node->in[k]->shape);
  const int64_t at = ((e.h == 1 ? 0 : y) * e.w + (e.w == 1 ? 0 : x)) * e.c + (e.c == 1 ? 0 : c);
  return (int64_t)eval->in[k][at] - eval->node->in[k]->quant->zero;
}

static int64_t rounded(const Eval *eval, int64_t y, int64_t x, int64_t c) {
  const Int8Combine *p = eval->node->detail;
  if (p->product)
    return multiplier_apply(p->rounding, operand(eval, 0, y, x, c) * operand(eval, 1, y, x, c), p->factor);
  int64_t parts = 0;
  for (int32_t k = 0; k < p->addition.count; k++)
    parts += addition_part(p->rounding, &p->addition, k, operand(eval, k, y, x, c));
  return addition_rounded(p->rounding, &p->addition, parts);
}

static void eval(const Eval *eval) {
  const Int8Combine *p = eval->node->detail;
  const Extent e = shape_extent(eval->node->shape);
  double *out = eval->out;
  for (int64_t y = 0; y < e.h; y++)
    for (int64_t x = 0; x < e.w; x++)
      for (int64_t c = 0; c < e.c; c++) *out++ = stored_put(p->stored, rounded(eval, y, x, c));
}

/* ---- lower ---- */
typedef struct Place {
  const Ix *y, *x, *c;
  int part, lanes;
} Place;

/* Loads an element of operand k; dimensions of size 1 are broadcast. */
static Val load_operand(Lower *l, int k, const Place *at) {
  const int64_t *dim = l->in[k]->dim + l->in[k]->leads;
  const Ix none = {0};
  const bool one = dim[2] == 1;
  return int8_load_part(l, l->in[k], dim[0] == 1 ? &none : at->y, dim[1] == 1 ? &none : at->x,
                        one ? &none : at->c, one ? 1 : at->part, one ? 1 : at->lanes);
}

static Val operand_value(Lower *l, int k, const Place *at) {
  return sub(load_operand(l, k, at), int8_zero(l, k));
}

static Val sum_of_floats(Lower *l, const Int8Combine *p, const Place *at) {
  Nest *b = l->b;
  const Addition *a = &p->addition;
  Val sum = p->wide ? NULL : lower_number(l, "half", INT32_C(1) << (a->shift - 1));
  for (int k = 0; k < a->count; k++) {
    const Val x = operand_value(l, k, at),
              part = p->wide
                         ? mul(num_i64(b, a->addend[k].whole), convert(x, I64))
                         : mul(lower_number(l, nest_text(b, "whole_%d", k), (int32_t)a->addend[k].whole), x);
    sum = sum ? add(sum, part) : part;
  }
  return nest_primitive(b, p->wide ? &primitive_shift_wide : &primitive_shift_right, sum,
                        p->wide ? num_i32(b, a->shift) : lower_number(l, "shift", a->shift), NULL);
}

/* If the addend's factor is a power of two, as for the addend with the largest scale, no rounding is
 * needed. */
static Val part_value(Lower *l, const Int8Combine *p, int k, const Place *at) {
  Nest *b = l->b;
  const Multiplier factor = p->addition.addend[k].factor;
  const int32_t bits = p->addition.bits, whole = bits + factor.e - 1;
  const Val x = operand_value(l, k, at);
  if (factor.m == INT32_C(1) << 30 && whole >= 0 && !l->updatable)
    return mul(num_i32(b, INT32_C(1) << whole), x);
  return int8_rounded(l, p->rounding, mul(num_i32(b, INT32_C(1) << bits), x), factor,
                      nest_text(b, "part_%d", k));
}

static Val sum_value(Lower *l, const Int8Combine *p, const Place *at) {
  const Addition *a = &p->addition;
  if (p->rounding == ROUNDING_FLOAT) return sum_of_floats(l, p, at);
  Val sum = NULL;
  for (int k = 0; k < a->count; k++) {
    const Val part = part_value(l, p, k, at);
    sum = !sum ? part : a->addend[k].minus ? sub(sum, part) : add(sum, part);
  }
  return int8_rounded(l, p->rounding, sum, a->out, "sum");
}

static Val product_value(Lower *l, const Int8Combine *p, const Place *at) {
  const Val first = operand_value(l, 0, at), second = operand_value(l, 1, at);
  return int8_rounded(l, p->rounding, mul(first, second), p->factor, "product");
}

/* The function that the loops compute. linear: the sum as one linear function, or NULL. With a linear
 * function, `stored` has no zero point, because the function's constant includes the zero point. */
typedef struct Combination {
  const Int8Combine *p;
  const LinearSum *linear;
  Stored stored;
} Combination;

static void body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes, const void *context) {
  const Combination *combination = context;
  const Int8Combine *p = combination->p;
  const Place at = {y, x, c, part, lanes};
  const LinearSum *linear = combination->linear;
  const Val rounded = linear ? linear_sum_value(l, linear, load_operand(l, 0, &at), load_operand(l, 1, &at))
                      : p->product ? product_value(l, p, &at)
                                   : sum_value(l, p, &at);
  int8_store(l, rounded, combination->stored, y, x, c, part, lanes);
}

/* Whether the vectorized code gives the same result as the scalar code. */
static bool steps_fit(const Node *node) {
  const Int8Combine *p = node->detail;
  const Addition *a = &p->addition;
  if (p->product)
    return int8_steps_fit(p->rounding, p->factor, int8_most(node->in[0]) * int8_most(node->in[1]));
  if (p->rounding == ROUNDING_FLOAT) return !p->wide;
  const int64_t most = int8_most_read(node);
  for (int k = 0; k < a->count; k++)
    if (!int8_steps_fit(p->rounding, a->addend[k].factor, most << a->bits)) return false;
  return int8_steps_fit(p->rounding, a->out, addition_most(a, most));
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Int8Combine *p = l->node->detail;
  const Extent e = int8_joined(l);
  LinearSum linear;
  Combination combination = {.p = p, .stored = p->stored};
  if (!l->plain && !l->updatable && linear_sum(l->node, p, &linear)) {
    combination.linear = &linear;
    combination.stored.zero = 0;
  }
  lower_about(l, "%s bits, rounding %s%s", p->wide ? "16" : "8", rounding_name(p->rounding),
              combination.linear ? ", the sum as one linear function of its operands" : "");
  nest_fn(b, b->name, false);
  const bool vectors = !l->plain && l->target->lanes > 1, fit = combination.linear || steps_fit(l->node);
  if (vectors) lower_needs(l, fit, "scales of similar size");
  if (lower_assumes(l, fit)) {
    walk_pixels(l, e, body, &combination);
    return;
  }
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) body(l, &y, &x, &c, 1, 1, &combination);
}

const Op op_int8_combine = {
    .name = "int8_combine",
    .detail = "subtracts the zero points, adds or multiplies the rescaled operands, and rounds",
    .family = FAMILY_INT8,
    .traits.row_local = true,
    .traits.per_image = true,
    .traits.keeps_spatial = true,
    .eval = eval,
    .lower = lower,
    .traits.stream = STREAM_ROWS};
