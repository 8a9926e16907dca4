/* int8.c: what the nests of 8 bits share: loads, rounding, stores. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

Val int8_load(Lower *l, Buf *buf, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  return convert(nest_load(b, nest_at(b, buf, *y, *x, *c), 1), I32);
}

Val int8_rounded(Lower *l, Rounding rounding, Val sum, Multiplier factor) {
  Nest *b = l->b;
  if (rounding == ROUNDING_FLOAT)
    return nest_primitive(b, &primitive_requantize_float, sum, num(b, (double)factor.real), NULL);
  return nest_primitive(
      b, rounding == ROUNDING_SINGLE ? &primitive_requantize_single : &primitive_requantize_double, sum,
      num_i32(b, factor.m), num_i32(b, factor.e));
}

void int8_store(Lower *l, Val rounded, Stored stored, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  const Val q =
      vmax(vmin(add(rounded, num_i32(b, stored.zero)), num_i32(b, stored.hi)), num_i32(b, stored.lo));
  lower_store(l, convert(q, I8), y, x, c, 1, 1);
}
