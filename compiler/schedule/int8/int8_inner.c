// int8_inner.c: int16 products with Winograd's inner product (1968), which halves the multiplications.
// SPDX-License-Identifier: Apache-2.0
//
// A word of the input has the halves x1, x3 in the plane of odd bytes, and x0, x2 in the plane of even bytes.
// The weights w0 to w3 are split in the same way.
//
//     x0*w0 + x1*w1 = (x0 + w1) * (x1 + w0) - x0*x1 - w0*w1
//
// For the four bytes of a word, the product (x0 + w1) * (x1 + w0) needs two additions of halves and one
// product of halves; the direct sum x0*w0 + x1*w1 needs two products of halves. The products x0*x1 are
// computed once per pixel; the products w0*w1 are part of the bias. A product is a multiplication and an
// addition, so there are four vector operations in both cases, but one multiplication rather than two. x86
// multiplies in half of its vector units, but adds in all of them. Sums of products are modulo 2^32, and the
// result exactly equals the direct sum.
#include "base/number.h"
#include "schedule/int8/int8_words.h"

/* With the inner product, tiles have fewer pixels. So the inner product is faster only for layers that meet
 * three conditions. A window has at most MOST_TAPS taps, because each output sums the products x0*x1 of all
 * taps. There are at least FEWEST_PIXELS output pixels. An input pixel has at least FEWEST_WORDS words. */
enum { MOST_TAPS = 16, FEWEST_PIXELS = 32, FEWEST_WORDS = 8 };

bool inner_gains(const Lower *l) { return l->target->dot == DOT_HALVES && l->target->avx != AVX_NONE; }

bool inner_pays(const Lower *l, const Words *w, const Correlation *k) {
  return inner_gains(l) && w->dot == DOT_HALVES && k->groups == 1 && w->group >= FEWEST_WORDS &&
         k->small.h * k->small.w >= FEWEST_PIXELS && k->kernel[0] * k->kernel[1] <= MOST_TAPS;
}

int32_t inner_of_weights(const int8_t *weight, int64_t n, int64_t stride) {
  int32_t sum = 0;
  for (int64_t i = 0; i + 1 < n; i += 2) sum += weight[i * stride] * weight[(i + 1) * stride];
  return sum;
}

Buf *inner_begin(Lower *l, const Words *w) {
  return lower_scratch_of(l, "even_by_odd", I32, 2, (int64_t[]){w->rows, w->columns});
}

Val inner_total(Val all) {
  Nest *b = all->nest;
  Val total = lane_at(b, all, NEST_IX(0));
  for (int i = 1; i < all->type.lanes; i++) total = wrapped_plus(total, lane_at(b, all, NEST_IX(i)));
  return total;
}

/* The sum of the products x0*x1 of `count` vectors of words, from position `at` of row y on. */
static Val products_of(Lower *l, const Words *w, const Ix *y, const Ix *at, int lanes, int64_t count) {
  Nest *b = l->b;
  Buf *sum = nest_buf(b, REGS, nest_text(b, "a%d", lanes), (Type){I32, lanes}, 1, (int64_t[]){1});
  const Ref to = nest_at(b, sum, 0);
  nest_store(b, to, lanes > 1 ? splat(num_i32(b, 0), lanes) : num_i32(b, 0));
  NEST_FOR(b, i, count) {
    const Ix from = *at + lanes * i;
    nest_store(b, to,
               nest_primitive(b, &primitive_dot_halves, nest_get(b, to),
                              nest_load(b, nest_at(b, w->buf, 0, *y, from), lanes),
                              nest_load(b, nest_at(b, w->buf, 1, *y, from), lanes)));
  }
  const Val all = nest_let(b, nest_text(b, "all%d", lanes), nest_get(b, to));
  return lanes == 1 ? all : inner_total(all);
}

NestFn *inner_function(Lower *l, const Words *w, Buf *inner) {
  Nest *b = l->b;
  NestFn *fn = nest_fn(b, "even_by_odd", true);
  const Ix y = nest_arg(b, "y"), x = nest_arg(b, "x");
  Val total = num_i32(b, 0);
  int64_t done = 0;
  for (int lanes = l->target->lanes; lanes >= 1; lanes = lanes > 4 ? lanes / 2 : lanes - 3) {
    const int64_t count = (w->pixel - done) / lanes;
    const Ix at = x * w->step + done;
    if (count) total = wrapped_plus(total, products_of(l, w, &y, &at, lanes, count));
    done += count * lanes;
  }
  nest_store(b, nest_at(b, inner, y, x), total);
  return fn;
}

void inner_fill(Lower *l, const Words *w, NestFn *fn, LoopKind outer) {
  Nest *b = l->b;
  NEST_LOOP(b, y, w->rows > 1 ? outer : SERIAL, 1, NEST_IX(0), 1, NEST_IX(w->rows))
    NEST_FOR(b, x, w->columns) nest_call(b, fn, y, x);
}
