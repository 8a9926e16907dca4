// int8_pool.c: Maxima and means over windows of int8 or int16 values. The result usually has the scale and
// zero point of the input. A mean is sum / n of the stored numbers, with halves rounded away from zero. If
// the net's rounding is `float`, a mean is the mean of the numbers minus the zero point, with halves rounded
// to even. n counts the elements inside the input and, with count_pad, also the padding, which is 0. In
// imported nets a mean may instead be the sum times one factor, and have another scale than the input.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/walk.h"
#include "ops/int8/int8.h"

typedef struct Span1 {
  int64_t lo, hi;
} Span1; /* along an axis: a mean counts positions lo .. hi - 1 */

static Span1 counted(const Node *node, int axis) {
  const Int8Pool *p = node->detail;
  const Window *w = node->window;
  const int64_t large = extent_side(shape_extent(node->in[0]->shape), axis);
  return p->count_pad ? (Span1){-w->before[axis], large + w->after[axis]} : (Span1){0, large};
}

static bool lies_in(Span1 span, int64_t at) { return at >= span.lo && at < span.hi; }

/* ---- eval ---- */
static bool is_real(const Eval *eval, int64_t y, int64_t x) {
  const Int8Pool *p = eval->node->detail;
  return !p->from_first ||
         stream_first_row(eval, &p->row) + (double)(eval->node->shape.rank == 2 ? x : y) >= 0;
}

static double window_value(const Eval *eval, int64_t y, int64_t x, int64_t c) {
  const Node *node = eval->node;
  const Int8Pool *p = node->detail;
  const Window *w = node->window;
  const Extent in = shape_extent(node->in[0]->shape);
  const int64_t zero = node->in[0]->quant->zero;
  int64_t n = 0, sum = 0, most = node->quant->wide ? INT16_MIN : INT8_MIN;
  for (int64_t ky = 0; ky < w->kernel[0]; ky++)
    for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
      const int64_t iy = y * w->stride[0] + ky * w->dilation[0] - w->before[0],
                    ix = x * w->stride[1] + kx * w->dilation[1] - w->before[1];
      const bool inside = iy >= 0 && iy < in.h && ix >= 0 && ix < in.w;
      const int64_t q = inside ? (int64_t)eval->in[0][(iy * in.w + ix) * in.c + c] : zero;
      if (lies_in(counted(node, 0), iy) && lies_in(counted(node, 1), ix) && is_real(eval, iy, ix)) {
        n++;
        sum += q;
      }
      if (inside && q > most) most = q;
    }
  Stored stored = p->stored;
  if (p->from_first && !n) n = 1; /* n is 0 only before the stream's first row; such results are undefined */
  if (p->scaled) return stored_put(stored, multiplier_apply(p->rounding, sum - n * zero, p->factor));
  if (p->even) return stored_put(stored, average_even(sum - n * zero, n));
  stored.zero = 0;
  return stored_put(stored, p->mean ? average_of(sum, n) : most);
}

static void eval(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t y = 0; y < e.h; y++)
    for (int64_t x = 0; x < e.w; x++)
      for (int64_t c = 0; c < e.c; c++) eval->out[(y * e.w + x) * e.c + c] = window_value(eval, y, x, c);
}

/* ---- lower ---- */
/* Whether all windows are inside the counted area (with within_input: inside the input), so that n is
 * constant. */
static bool all_inside(const Node *node, bool within_input) {
  const Window *w = node->window;
  const Extent in = shape_extent(node->in[0]->shape), out = shape_extent(node->shape);
  for (int axis = 0; axis < 2; axis++) {
    const int64_t last = (extent_side(out, axis) - 1) * w->stride[axis] +
                         (w->kernel[axis] - 1) * w->dilation[axis] - w->before[axis];
    const Span1 span = within_input ? (Span1){0, extent_side(in, axis)} : counted(node, axis);
    if (-w->before[axis] < span.lo || last >= span.hi) return false;
  }
  return true;
}

typedef struct Sums {
  Ref value, count; /* count: its buffer is NULL if the count is constant */
  const Ix *y, *x, *c;
  int part, lanes;
} Sums;

/* Returns `number`, or 0 for a row before the first row of the stream. */
static Val from_first(Lower *l, const Ix *y, const Ix *x, Val number, int lanes) {
  const Int8Pool *p = l->node->detail;
  if (!p->from_first) return number;
  const Val before = less(stream_row_number(l, &p->row, l->node->shape.rank == 2 ? x : y), num(l->b, 0)),
            none = num_i32(l->b, 0);
  return choose(before, lanes > 1 ? splat(none, lanes) : none, number);
}

static void take(Lower *l, const Sums *sums, Val q) {
  Nest *b = l->b;
  const Int8Pool *p = l->node->detail;
  const Val before = nest_get(b, sums->value);
  nest_store(b, sums->value, p->mean ? add(before, q) : vmax(before, q));
}

static void count(Lower *l, const Sums *sums, const Ix *y, const Ix *x) {
  if (!sums->count.buf) return;
  nest_store(l->b, sums->count, add(nest_get(l->b, sums->count), from_first(l, y, x, num_i32(l->b, 1), 1)));
}

static Val repeated(const Sums *sums, Val one) { return sums->lanes > 1 ? splat(one, sums->lanes) : one; }
static Val sum_number(Lower *l, const Sums *sums, int32_t value) {
  return repeated(sums, num_i32(l->b, value));
}

static void window_nest(Lower *l, const Sums *sums) {
  Nest *b = l->b;
  const Node *node = l->node;
  const Int8Pool *p = node->detail;
  const Window *w = node->window;
  const Extent in = shape_extent(node->in[0]->shape);
  const Span1 rows = counted(node, 0), columns = counted(node, 1);
  const int32_t zero = node->quant->zero;
  const bool padding = p->mean && p->count_pad && (zero || l->updatable);
  const bool pads = padding || (p->count_pad && sums->count.buf);
  NEST_FOR(b, ky, w->kernel[0])
    NEST_FOR(b, kx, w->kernel[1]) {
      const Ix iy = *sums->y * w->stride[0] + ky * w->dilation[0] - w->before[0],
               ix = *sums->x * w->stride[1] + kx * w->dilation[1] - w->before[1];
      NEST_IF(b, cond_and(nest_within(b, iy, 0, in.h), nest_within(b, ix, 0, in.w))) {
        take(l, sums,
             from_first(l, &iy, &ix, int8_load_part(l, l->in[0], &iy, &ix, sums->c, sums->part, sums->lanes),
                        sums->lanes));
        count(l, sums, &iy, &ix);
      }
      if (pads)
        NEST_ELSE(b)
          NEST_IF(
              b, cond_and(nest_within(b, iy, rows.lo, rows.hi), nest_within(b, ix, columns.lo, columns.hi))) {
            if (padding) take(l, sums, repeated(sums, lower_number(l, "padding", zero)));
            count(l, sums, &iy, &ix);
          }
    }
}

static Buf *variable(Lower *l, const char *name, int lanes) {
  const int64_t one = 1;
  return nest_buf(l->b, REGS, name, (Type){I32, lanes}, 1, &one);
}

/* The mean of `count` numbers from their sum; with `even`, count times the zero point is first subtracted
 * from the sum. */
static Val mean_value(Lower *l, const Sums *sums, Val sum, Val count) {
  const Int8Pool *p = l->node->detail;
  if (!p->even) return nest_primitive(l->b, &primitive_average, sum, count, NULL);
  const Val zeros = mul(count, int8_zero(l, 0));
  return nest_primitive(l->b, &primitive_average_even,
                        sub(sum, sums->lanes > 1 ? splat(zeros, sums->lanes) : zeros), count, NULL);
}

static void pool_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  Nest *b = l->b;
  const Int8Pool *p = context;
  const int64_t *kernel = l->node->window->kernel, n = kernel[0] * kernel[1];
  Sums sums = {nest_at(b, variable(l, p->mean ? "sum" : "most", lanes), 0), {0}, y, x, c, part, lanes};
  Stored stored = p->stored;
  if (!p->scaled && !p->even) stored = (Stored){0, stored.lo, stored.hi, stored.bound, true};
  nest_store(b, sums.value, sum_number(l, &sums, p->mean ? 0 : l->node->quant->wide ? INT16_MIN : INT8_MIN));
  if (p->mean && (p->from_first || !all_inside(l->node, !p->count_pad))) {
    sums.count = nest_at(b, variable(l, "n", 1), 0);
    nest_store(b, sums.count, num_i32(b, 0));
  }
  window_nest(l, &sums);
  if (p->scaled) {
    const Val moved =
        sub(nest_get(b, sums.value),
            repeated(&sums, lower_number(l, "zeros", (int32_t)n * l->node->in[0]->quant->zero)));
    int8_store(l, int8_rounded(l, p->rounding, moved, p->factor, "mean"), stored, y, x, c, part, lanes);
    return;
  }
  const Val value = nest_get(b, sums.value),
            some = sums.count.buf ? nest_get(b, sums.count) : num_i32(b, (int32_t)n),
            count = p->from_first ? vmax(some, num_i32(b, 1)) : some;
  int8_store(l, p->mean ? mean_value(l, &sums, value, count) : value, stored, y, x, c, part, lanes);
}

/* Creates the nest of a max pool on packed bytes, four per lane. Returns false if this nest is not supported.
 */
static bool lower_largest(Lower *l) {
  enum { FEWEST_LANES = 4 };
  Nest *b = l->b;
  const Int8Pool *p = l->node->detail;
  const Window *w = l->node->window;
  const Extent e = shape_extent(l->node->shape), in = shape_extent(l->node->in[0]->shape);
  int lanes = l->target->lanes;
  while (lanes > FEWEST_LANES && e.c % (lanes * WORD_BYTES)) lanes /= 2;
  if (p->mean || p->scaled || l->node->quant->wide || int8_cuts_below(l, p->stored) ||
      int8_cuts_above(l, p->stored) || l->plain || lanes < FEWEST_LANES || e.c % (lanes * WORD_BYTES))
    return false;
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, e.h * e.w * e.c * w->kernel[0] * w->kernel[1] / WORD_BYTES), 1, NEST_IX(0), 1,
            NEST_IX(e.h))
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, n, e.c / (lanes * WORD_BYTES)) {
        const Ref most = nest_at(b, variable(l, "most", lanes), 0);
        const Ix c = n * (lanes * WORD_BYTES);
        nest_store(b, most, splat(num_i32(b, (int32_t)0x80808080u), lanes));
        NEST_FOR(b, ky, w->kernel[0])
          NEST_FOR(b, kx, w->kernel[1]) {
            const Ix iy = y * w->stride[0] + ky * w->dilation[0] - w->before[0],
                     ix = x * w->stride[1] + kx * w->dilation[1] - w->before[1];
            NEST_IF(b, cond_and(nest_within(b, iy, 0, in.h), nest_within(b, ix, 0, in.w)))
              nest_store(b, most,
                         nest_primitive(b, &primitive_max_bytes, nest_get(b, most),
                                        nest_load_words(b, lower_at(l, l->in[0], &iy, &ix, &c), lanes),
                                        NULL));
          }
        nest_store_words(b, lower_at(l, l->out, &y, &x, &c), nest_get(b, most));
      }
  return true;
}

static void lower(Lower *l) {
  const int64_t most =
      l->node->quant->wide ? 1 << 7 : 1 << 15; /* maximum number of elements whose sum is exact in float */
  Nest *b = l->b;
  const Int8Pool *p = l->node->detail;
  const int64_t *kernel = l->node->window->kernel;
  const Extent e = shape_extent(l->node->shape);
  if (lower_largest(l)) return;
  nest_fn(b, b->name, false);
  const bool fit =
      !p->scaled || int8_steps_fit(p->rounding, p->factor, kernel[0] * kernel[1] * int8_most(l->node->in[0]));
  if (!l->plain && l->target->lanes > 1)
    lower_needs(l, fit, "a mean with a scale close to its input's scale");
  if (!p->mean || (kernel[0] * kernel[1] <= most && lower_assumes(l, fit))) {
    walk_pixels(l, e, pool_body, p);
    return;
  }
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) pool_body(l, &y, &x, &c, 1, 1, p);
}

static double lowest(const Node *node) {
  const Int8Pool *p = node->detail;
  return p->mean ? 0 : -INFINITY;
}

static bool counts_inside(const Node *node) {
  const Int8Pool *p = node->detail;
  return p->mean && !p->count_pad;
}

static void count_rows(Arena *arena, Node *node, Node *calls, int64_t rows, int64_t offset) {
  Int8Pool *p = NEW(arena, Int8Pool);
  Node *in = node->in[0];
  *p = *(const Int8Pool *)node->detail;
  p->from_first = true;
  p->row = (StreamRow){rows, offset};
  node->detail = p;
  node->nin = 2;
  node->in = NEW_ARRAY(arena, Node *, 2);
  node->in[0] = in;
  node->in[1] = calls;
}

const Op op_int8_pool = {
    .name = "int8_pool",
    .detail = "mean: sum / n; a half is rounded away from zero, or to even with the rounding mode float",
    .traits.per_image = true,
    .traits.row_local = true,
    .eval = eval,
    .lower = lower,
    .traits.stream = STREAM_WINDOW,
    .traits.row_fill = lowest,
    .traits.counts_inside = counts_inside,
    .traits.count_rows = count_rows};
