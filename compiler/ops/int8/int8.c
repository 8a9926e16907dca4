/* int8.c: Common code of int8 and int16 nests: loads, rounding, stores, scalar and vectorized. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

bool int8_is_wide(const Node *node) {
  bool wide = node->elem == I16;
  for (int k = 0; k < node->nin; k++) wide |= node->in[k]->elem == I16;
  return wide;
}

int64_t int8_most(const Node *value) { return value->elem == I16 ? 1 << 15 : UINT8_MAX; }

int64_t int8_most_read(const Node *node) {
  int64_t most = 0;
  for (int k = 0; k < node->nin; k++) most = int8_most(node->in[k]) > most ? int8_most(node->in[k]) : most;
  return most;
}

Val int8_load_part(Lower *l, Buf *buf, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  return convert(nest_load_part(b, nest_at(b, buf, *y, *x, *c), part, lanes), I32);
}

Val int8_load(Lower *l, Buf *buf, const Ix *y, const Ix *x, const Ix *c) {
  return int8_load_part(l, buf, y, x, c, 1, 1);
}

int32_t int8_halves(int32_t low, int32_t high) {
  return (int32_t)(((uint32_t)low & 0xffffu) | (uint32_t)high << 16);
}

/* ---- words ---- */
int32_t words_lift(Dot dot) { return dot == DOT_BYTES || dot == DOT_PAIRS ? -INT8_MIN : 0; }

const Primitive *words_dot(Dot dot, int lanes) {
  switch (dot) {
  case DOT_BYTES: return &primitive_dot_bytes;
  case DOT_PAIRS: return lanes > 1 ? &primitive_dot_pairs : &primitive_dot_bytes;
  case DOT_SIGNED: return &primitive_dot_signed;
  default: return &primitive_dot_halves;
  }
}

/* ---- rounding ---- */
Steps int8_steps(Rounding rounding, Multiplier factor) {
  Steps s = {.m = factor.m};
  if (rounding == ROUNDING_DOUBLE) {
    s.left = 1 + (factor.e > 0 ? factor.e : 0);
    s.shift = factor.e < 0 ? -factor.e : 0;
  } else {
    s.left = factor.m && factor.e > -2 ? factor.e + 2 : 0;
    s.shift = factor.m ? s.left - factor.e - 1 : 1;
  }
  s.half = s.shift ? INT32_C(1) << (s.shift - 1) : 0;
  return s;
}

bool int8_steps_fit(Rounding rounding, Multiplier factor, int64_t most) {
  enum { MOST_LEFT = 30 };
  const int32_t left = int8_steps(rounding, factor).left;
  return rounding == ROUNDING_FLOAT || (left <= MOST_LEFT && most <= INT32_MAX >> left);
}

Val int8_stepped(Lower *l, Rounding rounding, Val x, Val left, Val m, Val half, Val shift) {
  Nest *b = l->b;
  const Val moved = left ? nest_primitive(b, &primitive_shift_left, x, left, NULL) : x;
  if (rounding == ROUNDING_DOUBLE)
    return nest_primitive(b, &primitive_shift_halves_away,
                          nest_primitive(b, &primitive_high_product_rounded, moved, m, NULL), half, shift);
  const Val product = nest_primitive(b, &primitive_high_product, moved, m, NULL);
  return nest_primitive(b, &primitive_shift_right, add(product, half), shift, NULL);
}

static Val named(Lower *l, const char *name, const char *step, int32_t value) {
  return lower_number(l, nest_text(l->b, "%s_%s", name, step), value);
}

const Primitive *int8_requantizer(Rounding rounding, Elem sum, bool far) {
  static const Primitive *const of[][ROUNDINGS] = {{[ROUNDING_SINGLE] = &primitive_requantize_single,
                                                    [ROUNDING_DOUBLE] = &primitive_requantize_double,
                                                    [ROUNDING_FLOAT] = &primitive_requantize_float},
                                                   {[ROUNDING_SINGLE] = &primitive_requantize_far_single,
                                                    [ROUNDING_DOUBLE] = &primitive_requantize_far_double,
                                                    [ROUNDING_FLOAT] = &primitive_requantize_float},
                                                   {[ROUNDING_SINGLE] = &primitive_requantize_wide,
                                                    [ROUNDING_DOUBLE] = &primitive_requantize_reduced,
                                                    [ROUNDING_FLOAT] = &primitive_requantize_wide_float}};
  return of[sum == I64 ? 2 : far][rounding];
}

/* Whether a sum may exceed int32 during its requantization. An updatable model must not have such sums. */
bool int8_reaches_far(Lower *l, const Multiplier *factor, int64_t n) {
  bool far = false;
  for (int64_t i = 0; i < n; i++) far |= factor[i].far;
  lower_needs(l, !far, "sums within int32, also while they are requantized");
  return far && !l->updatable;
}

Val int8_rounded(Lower *l, Rounding rounding, Val sum, Multiplier factor, const char *name) {
  Nest *b = l->b;
  const bool wide = sum->type.elem == I64;
  if (rounding == ROUNDING_FLOAT)
    return nest_primitive(b, int8_requantizer(rounding, sum->type.elem, false), sum,
                          lower_real(l, name, factor.real), NULL);
  if (sum->type.lanes > 1) {
    const Steps s = int8_steps(rounding, factor);
    const Val left = s.left || l->updatable ? named(l, name, "left", s.left) : NULL,
              by_factor = named(l, name, "factor", s.m), half = named(l, name, "half", s.half),
              shift = named(l, name, "shift", s.shift);
    return int8_stepped(l, rounding, sum, left, by_factor, half, shift);
  }
  const int32_t m = wide && rounding == ROUNDING_DOUBLE ? multiplier_reduced(factor) : factor.m;
  const Val mantissa = named(l, name, "m", m), exponent = named(l, name, "e", factor.e);
  const Primitive *by = int8_requantizer(rounding, sum->type.elem, int8_reaches_far(l, &factor, 1));
  return nest_primitive(b, by, sum, mantissa, exponent);
}

/* ---- stores ---- */
Val int8_zero(Lower *l, int operand) {
  return lower_number(l, nest_text(l->b, "zero_%d", operand), l->node->in[operand]->quant->zero);
}

Val int8_stored_zero(Lower *l, Stored stored) {
  return stored.settled ? num_i32(l->b, 0) : lower_number(l, "zero", stored.zero);
}
Val int8_lowest(Lower *l, Stored stored) {
  return stored.bound == BOUND_NONE ? num_i32(l->b, stored.lo) : lower_number(l, "lowest", stored.lo);
}
Val int8_highest(Lower *l, Stored stored) {
  return stored.bound == BOUND_RELU6 ? lower_number(l, "highest", stored.hi) : num_i32(l->b, stored.hi);
}

bool int8_adds_zero(const Lower *l, Stored stored) {
  return l->updatable ? !stored.settled : stored.zero != 0;
}
bool int8_cuts_below(const Lower *l, Stored stored) {
  return l->updatable ? stored.bound != BOUND_NONE : stored.lo > INT8_MIN;
}
bool int8_cuts_above(const Lower *l, Stored stored) {
  return l->updatable ? stored.bound == BOUND_RELU6 : stored.hi < INT8_MAX;
}

Val int8_cut(Lower *l, Stored stored, Val q) {
  const Val highest = int8_highest(l, stored), lowest = int8_lowest(l, stored);
  return vmax(vmin(q, highest), lowest);
}

Val int8_stored(Lower *l, Stored stored, Val rounded) {
  const Val q = add(rounded, int8_stored_zero(l, stored));
  return convert(int8_cut(l, stored, q), l->node->elem);
}

void int8_store(Lower *l, Val rounded, Stored stored, const Ix *y, const Ix *x, const Ix *c, int part,
                int lanes) {
  lower_store(l, int8_stored(l, stored, rounded), y, x, c, part, lanes);
}

/* ---- contiguous pixels ---- */
static bool can_join(const Lower *l, const Buf *buf) {
  for (int d = 0; d < 3 && buf->rank == 3; d++)
    if (buf->dim[d] != l->out->dim[d]) return false;
  return buf->rank == 3 && buf->room[2] == buf->dim[2] && !buf->flat;
}

static void join(Buf *buf) {
  if (buf->dim[1] == 1) return;
  buf->room[2] = buf->dim[2] *= buf->dim[1];
  buf->room[1] = buf->dim[1] = 1;
}

Extent int8_joined(Lower *l) {
  const Extent e = shape_extent(l->node->shape);
  bool all = !l->plain && can_join(l, l->out);
  for (int k = 0; k < l->kernel->nchain; k++) /* the view would change the channel index of weights */
    all = all && l->kernel->chain[k]->nweights == 0;
  for (int k = 0; k < l->node->nin; k++) all = all && can_join(l, l->in[k]);
  for (int k = 0; k < l->nothers; k++) all = all && can_join(l, l->other[k]);
  if (!all) return e;
  for (int k = 0; k < l->node->nin; k++) join(l->in[k]);
  for (int k = 0; k < l->nothers; k++) join(l->other[k]);
  join(l->out);
  return (Extent){.n = e.n, .h = e.h, .w = 1, .c = e.w * e.c};
}
