// pair.c: sums, differences and products of two values of 8 or 16 bits, each with a scale of its own.
// SPDX-License-Identifier: Apache-2.0
#include "ops/engine/walk.h"
#include "ops/int8/int8.h"

static int64_t rounded(const Int8Pair *p, int64_t x, int64_t y) {
  return p->product ? multiplier_apply(p->rounding, x * y, p->factor)
                    : addition_apply(p->rounding, &p->addition, x, y);
}

/* ---- eval ---- */
static int64_t operand(const Eval *eval, int k, int64_t y, int64_t x, int64_t c) {
  const Extent e = shape_extent(eval->node->in[k]->shape);
  const int64_t at = ((e.h == 1 ? 0 : y) * e.w + (e.w == 1 ? 0 : x)) * e.c + (e.c == 1 ? 0 : c);
  return (int64_t)eval->in[k][at] - eval->node->in[k]->quant->zero;
}

static void eval(const Eval *eval) {
  const Int8Pair *p = eval->node->detail;
  const Extent e = shape_extent(eval->node->shape);
  double *out = eval->out;
  for (int64_t y = 0; y < e.h; y++)
    for (int64_t x = 0; x < e.w; x++)
      for (int64_t c = 0; c < e.c; c++)
        *out++ = stored_put(p->stored, rounded(p, operand(eval, 0, y, x, c), operand(eval, 1, y, x, c)));
}

/* ---- lower ---- */
typedef struct Place {
  const Ix *y, *x, *c;
  int part, lanes;
} Place;

/* A side of 1 is repeated. */
static Val operand_value(Lower *l, int k, const Place *at) {
  Nest *b = l->b;
  const int64_t *dim = l->in[k]->dim;
  const Ix none = {0};
  const bool one = dim[2] == 1;
  const Val q = int8_load_part(l, l->in[k], dim[0] == 1 ? &none : at->y, dim[1] == 1 ? &none : at->x,
                               one ? &none : at->c, one ? 1 : at->part, one ? 1 : at->lanes);
  return sub(q, num_i32(b, l->node->in[k]->quant->zero));
}

static Val sum_value(Lower *l, const Int8Pair *p, Val x, Val y) {
  Nest *b = l->b;
  const Addition *a = &p->addition;
  if (p->rounding == ROUNDING_FLOAT && p->wide) {
    const Val first = mul(num_i64(b, a->fa), convert(x, I64)),
              second = mul(num_i64(b, a->fb), convert(y, I64));
    return nest_primitive(b, &primitive_shift_wide, add(first, second), num_i32(b, a->shift), NULL);
  }
  if (p->rounding == ROUNDING_FLOAT) {
    const Val half = num_i32(b, INT32_C(1) << (a->shift - 1)),
              sum = add(add(half, mul(num_i32(b, (int32_t)a->fa), x)), mul(num_i32(b, (int32_t)a->fb), y));
    return nest_primitive(b, &primitive_shift_right, sum, num_i32(b, a->shift), NULL);
  }
  const Val one = num_i32(b, 1 << a->bits), first = int8_rounded(l, p->rounding, mul(one, x), a->a),
            second = int8_rounded(l, p->rounding, mul(one, y), a->b);
  return int8_rounded(l, p->rounding, a->b.real < 0 ? sub(first, second) : add(first, second), a->out);
}

static void body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes, const void *context) {
  const Int8Pair *p = context;
  const Place at = {y, x, c, part, lanes};
  const Val first = operand_value(l, 0, &at), second = operand_value(l, 1, &at);
  int8_store(l,
             p->product ? int8_rounded(l, p->rounding, mul(first, second), p->factor)
                        : sum_value(l, p, first, second),
             p->stored, y, x, c, part, lanes);
}

/* Do vectors compute the same? */
static bool steps_fit(const Node *node) {
  const Int8Pair *p = node->detail;
  const int64_t a = int8_most(node->in[0]), b = int8_most(node->in[1]),
                part = (a > b ? a : b) << p->addition.bits;
  if (p->product) return int8_steps_fit(p->rounding, p->factor, a * b);
  if (p->wide && p->rounding == ROUNDING_FLOAT) return false;
  return int8_steps_fit(p->rounding, p->addition.a, part) &&
         int8_steps_fit(p->rounding, p->addition.b, part) &&
         int8_steps_fit(p->rounding, p->addition.out, part + 2);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Int8Pair *p = l->node->detail;
  const Extent e = int8_joined(l);
  lower_about(l, "%s bits, rounding %s", p->wide ? "16" : "8", rounding_name(p->rounding));
  nest_fn(b, b->name, false);
  if (steps_fit(l->node)) {
    walk_pixels(l, e, body, p);
    return;
  }
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) body(l, &y, &x, &c, 1, 1, p);
}

const Op op_int8_pair = {.name = "int8_pair",
                         .detail = "the operands less their zeros, brought to one scale, rounded",
                         .family = FAMILY_INT8,
                         .alone = true,
                         .keeps_spatial = true,
                         .eval = eval,
                         .lower = lower};
