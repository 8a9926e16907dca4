// pair.c: sums, differences and products of two values of 8 bits, each with a scale of its own.
// SPDX-License-Identifier: Apache-2.0
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
static Val operand_value(Lower *l, int k, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->in[k]->shape);
  const Ix none = {0};
  return sub(int8_load(l, l->in[k], e.h == 1 ? &none : y, e.w == 1 ? &none : x, e.c == 1 ? &none : c),
             num_i32(b, l->node->in[k]->quant->zero));
}

static Val sum_value(Lower *l, const Int8Pair *p, Val x, Val y) {
  Nest *b = l->b;
  const Addition *a = &p->addition;
  if (p->rounding == ROUNDING_FLOAT) {
    const Val half = num_i32(b, INT32_C(1) << (a->shift - 1)),
              sum = add(add(half, mul(num_i32(b, (int32_t)a->fa), x)), mul(num_i32(b, (int32_t)a->fb), y));
    return nest_primitive(b, &primitive_shift_right, sum, num_i32(b, a->shift), NULL);
  }
  const Val one = num_i32(b, 1 << ADDITION_BITS), first = int8_rounded(l, p->rounding, mul(one, x), a->a),
            second = int8_rounded(l, p->rounding, mul(one, y), a->b);
  return int8_rounded(l, p->rounding, a->b.real < 0 ? sub(first, second) : add(first, second), a->out);
}

static void lower(Lower *l) {
  const Int8Pair *p = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  Nest *b = l->b;
  lower_about(l, "8 bits, rounding %s", rounding_name(p->rounding));
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) {
        const Val first = operand_value(l, 0, &y, &x, &c), second = operand_value(l, 1, &y, &x, &c);
        int8_store(l,
                   p->product ? int8_rounded(l, p->rounding, mul(first, second), p->factor)
                              : sum_value(l, p, first, second),
                   p->stored, &y, &x, &c);
      }
}

const Op op_int8_pair = {.name = "int8_pair",
                         .detail = "the operands less their zeros, brought to one scale, rounded",
                         .family = FAMILY_INT8,
                         .alone = true,
                         .keeps_spatial = true,
                         .eval = eval,
                         .lower = lower};
