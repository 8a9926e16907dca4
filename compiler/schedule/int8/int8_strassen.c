// int8_strassen.c: Exact int8 1x1 convolutions with stride 1, with Strassen in integers.
// SPDX-License-Identifier: Apache-2.0
//
// The convolution is a matrix product: [pixels][input channels] times [input channels][filters]. All three
// matrices are divided in halves along both axes. Seven products of sums of blocks then replace eight
// products of blocks. The code has Winograd's form of the algorithm, with fifteen additions (strassen.h). A
// tile has two adjacent pixels, one of each half. A bundle has filters of one half, then the same number of
// filters of the other half. Factors are sums of up to four bytes: at most 512. So the sums of two factors,
// which the inner product (int8_inner.c) needs on some targets, also fit into int16. Sums of products are
// modulo 2^32, and the final result fits into 32 bits.
//
// int8_points.c stores the factors, and conv_points.c multiplies.
//
// Example: `x: 8x8x512 -> conv(256, 1x1)` --target=x86-64-v3, lines 4-13 of conv1_join_row:
//
//     const v8i m0 = LOAD(v8i, M[0][0][t0][0]);
//     const v8i m1 = LOAD(v8i, M[0][1][t0][0]);
//     const v8i m2 = LOAD(v8i, M[0][2][t0][0]);
//     const v8i m3 = LOAD(v8i, M[0][3][t0][0]);
//     const v8i m4 = LOAD(v8i, M[0][4][t0][0]);
//     const v8i m5 = LOAD(v8i, M[0][5][t0][0]);
//     const v8i m6 = LOAD(v8i, M[0][6][t0][0]);
//     const v8i u = n_wrap_sum_x8(m0, m5, (v8i){0});
//     const v8i u_2 = n_wrap_sum_x8(u, m6, (v8i){0});
//     AT(v8c, out[0][2*ty][32*bundle]) = n_i8_from_i32_x8(n_max_x8i(n_min_x8i(n_shift_right_x8(n_hig ...
#include "base/number.h"
#include "schedule/float/strassen.h"
#include "schedule/int8/int8_points.h"

enum { POINTS = STRASSEN_PRODUCTS, BLOCKS = STRASSEN_BLOCKS, HALVES = 2 };

static int64_t int8_strassen_pixels_of(const Points8 *d) { return d->k.small.h * d->k.small.w; }

/* ---- halves, and words modulo 2^32 ---- */
static const StrassenSums of_halves = {halves_plus, halves_minus}, of_words = {wrapped_plus, wrapped_minus};

/* ---- the input ---- */
/* Splits the words of four blocks into even and odd bytes. Computes Strassen's factors of the even bytes, and
 * of the odd bytes. */
static void split_blocks(Nest *b, Val y[2][POINTS], const Val bytes[BLOCKS],
                         void (*split)(Nest *, const StrassenSums *, const Val *, Val *)) {
  for (int odd = 0; odd < 2; odd++) {
    Val x[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
      x[i] = words_half(b, nest_text(b, odd ? "odd%d" : "even%d", i), odd, bytes[i]);
    split(b, &of_halves, x, y[odd]);
  }
}

/* For the inner product: multiplies the even words of a tile at a point by the odd words, and stores the sum
 * of the products. */
static void store_own(const Points8 *d, const Ix *point, const Ix *tile) {
  Nest *b = d->l->b;
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->channels}, 1, (int64_t[]){1});
  const Ref to = nest_at(b, sum, 0);
  nest_store(b, to, splat(num_i32(b, 0), d->channels));
  NEST_FOR(b, n, d->quads / d->channels) {
    const Ix at = n * d->channels;
    nest_store(
        b, to,
        nest_primitive(b, &primitive_dot_halves, nest_get(b, to),
                       nest_load(b, nest_at(b, d->p.V, 0, *point, *tile, at), d->channels),
                       nest_load(b, nest_at(b, d->p.V, 0, *point, *tile, d->quads + at), d->channels)));
  }
  const Val all = nest_let(b, "all", nest_get(b, to));
  nest_store(b, nest_at(b, d->p.inner[0], *point, *tile), inner_total(all));
}

/* Loads words of a pixel. If the last tile has no second pixel, zeros replace the words of the missing
 * pixel. */
static Val int8_strassen_input_at(const Points8 *d, const Ix *pixel, const Ix *quad) {
  Nest *b = d->l->b;
  const Val bytes = nest_load_words(b, nest_at(b, d->l->in[0], 0, *pixel, *quad * WORD_BYTES), d->channels);
  return int8_strassen_pixels_of(d) % HALVES == 0 ? bytes
                                                  : pick(b, nest_below(b, *pixel, int8_strassen_pixels_of(d)),
                                                         bytes, splat(num_i32(b, 0), d->channels));
}

static NestFn *int8_strassen_split_row(const Points8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_row", true);
  (void)nest_arg(b, "slot"); /* all slots share V */
  const Ix ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0");
  NEST_FOR(b, n, d->quads / d->channels) {
    const Ix quad = n * d->channels;
    Val bytes[BLOCKS], y[2][POINTS];
    for (int i = 0; i < BLOCKS; i++)
      bytes[i] = nest_let(b, nest_text(b, "bytes%d", i),
                          int8_strassen_input_at(d, NEST_IX(HALVES * ty + strassen_row(i)),
                                                 NEST_IX(quad + strassen_column(i) * d->quads)));
    split_blocks(b, y, bytes, strassen_left);
    for (int odd = 0; odd < 2; odd++)
      for (int i = 0; i < POINTS; i++)
        nest_store(b, nest_at(b, d->p.V, 0, i, t0, d->quads * odd + quad), y[odd][i]);
  }
  if (d->p.inner[0])
    NEST_FOR(b, point, POINTS) store_own(d, &point, &t0);
  return fn;
}

/* ---- weights ---- */
static void store_own_weights(const Points8 *d, const Ix *slot, const Ix *point) {
  Nest *b = d->l->b;
  Buf *w = d->p.panels[0].w,
      *sum = nest_buf(b, REGS, "a", (Type){I32, d->p.lanes}, 1, (int64_t[]){d->p.vectors});
  for (int v = 0; v < d->p.vectors; v++) nest_store(b, nest_at(b, sum, v), splat(num_i32(b, 0), d->p.lanes));
  NEST_FOR(b, quad, d->quads)
    for (int v = 0; v < d->p.vectors; v++) {
      const Ref to = nest_at(b, sum, v);
      const Ix f = NEST_Z + v * d->p.lanes;
      nest_store(b, to,
                 nest_primitive(b, &primitive_dot_halves, nest_get(b, to),
                                nest_load(b, nest_at(b, w, *slot * POINTS + *point, 0, quad, f), d->p.lanes),
                                nest_load(b, nest_at(b, w, *slot * POINTS + *point, 0, d->quads + quad, f),
                                          d->p.lanes)));
    }
  for (int v = 0; v < d->p.vectors; v++)
    nest_store(b, nest_at(b, d->p.inner[1], *slot, *point, v * d->p.lanes), nest_get(b, nest_at(b, sum, v)));
}

/* Prefetches weights, which are read from memory in one stream for each vector of each block. */
static void int8_strassen_prefetch_weights(const Points8 *d, const Ix *bundle, const Ix *quad) {
  enum { AHEAD = 8 };
  Nest *b = d->l->b;
  for (int i = 0; i < BLOCKS; i++)
    for (int v = 0; v < d->p.vectors; v++)
      if (v * d->p.lanes % d->finish.unit == 0)
        nest_prefetch(b, d->weight,
                      points8_vector(d, bundle, strassen_column(i), v) * buf_room(d->weight, 1) +
                          (*quad + strassen_row(i) * d->quads + AHEAD) * d->finish.unit);
}

static NestFn *split_weights(const Points8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_weights", true);
  const Ix slot = nest_arg(b, "slot"), bundle = nest_arg(b, "bundle");
  NEST_FOR(b, quad, d->quads) {
    int8_strassen_prefetch_weights(d, &bundle, &quad);
    for (int v = 0; v < d->p.vectors; v++) {
      Val bytes[BLOCKS], y[2][POINTS];
      for (int i = 0; i < BLOCKS; i++)
        bytes[i] = nest_let(b, nest_text(b, "bytes%d", i),
                            nest_load(b,
                                      nest_at(b, d->weight, points8_vector(d, &bundle, strassen_column(i), v),
                                              0, quad + strassen_row(i) * d->quads, points8_lane(d, v)),
                                      d->p.lanes));
      split_blocks(b, y, bytes, strassen_right);
      for (int odd = 0; odd < 2; odd++)
        for (int i = 0; i < POINTS; i++)
          nest_store(
              b, nest_at(b, d->p.panels[0].w, slot * POINTS + i, 0, d->quads * odd + quad, v * d->p.lanes),
              y[odd][i]);
    }
  }
  if (d->p.inner[1])
    NEST_FOR(b, point, POINTS) store_own_weights(d, &slot, &point);
  return fn;
}

/* ---- the output ---- */
static NestFn *int8_strassen_join_row(const Points *p, const Bundle *of) {
  const Points8 *d = (const Points8 *)p;
  Nest *b = d->l->b;
  (void)of;
  NestFn *fn = nest_fn(b, "join_row", true);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0"),
           bundle = nest_arg(b, "bundle");
  for (int v = 0; v < d->p.vectors; v++) {
    Val m[POINTS], y[BLOCKS];
    for (int i = 0; i < POINTS; i++)
      m[i] = nest_let(b, nest_text(b, "m%d", i),
                      nest_load(b, nest_at(b, d->p.M, slot, i, t0, v * d->p.lanes), d->p.lanes));
    strassen_result(b, &of_words, m, y);
    for (int i = 0; i < BLOCKS; i++) {
      const Ix pixel = HALVES * ty + strassen_row(i);
      NEST_IF(b, int8_strassen_pixels_of(d) % HALVES ? nest_below(b, pixel, int8_strassen_pixels_of(d))
                                                     : nest_always(b))
        points8_finish(d, y[i], &NEST_Z, &pixel, &bundle, strassen_column(i), v);
    }
  }
  return fn;
}

/* ---- the kernel ---- */
/* Chooses the largest blocks whose factors and sums stay in a cache. For each bundle of filters, factors and
 * sums are read sequentially, so the L3 cache is fast enough. */
static void int8_strassen_choose_blocks(Points8 *d, const Lower *l) {
  enum { ROOM = 1 << 19 };
  const int64_t room = larger(ROOM, l->target->blocking.winograd_block / 4 * 3),
                tile = 4 * POINTS * (2 * d->quads + points8_width(d));
  d->p.width = 1;
  d->p.rows = ceil_divide(int8_strassen_pixels_of(d), HALVES);
  d->p.block = ceil_divide(d->p.rows, ceil_divide(d->p.rows * tile, room));
}

/* Sets the sizes. Returns NULL, or the reason why no sizes are possible. */
static const char *int8_strassen_sizes(Points8 *d, const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  if (!points8_fit(d, l, &k, HALVES)) return "channels / 2 or filters / 2 is not whole vectors";
  d->p.points = POINTS;
  int8_strassen_choose_blocks(d, l);
  return int8_strassen_pixels_of(d) < HALVES ? "a single pixel" : NULL;
}

static bool int8_strassen_build(Lower *l) {
  Points8 d;
  if (int8_strassen_sizes(&d, l)) return false;
  lower_view_rows(l, 1);
  const bool inner = inner_gains(l);
  points8_begin(&d, l, l->target->line / 8, inner);
  NestFn *split = int8_strassen_split_row(&d);
  d.p.weights = split_weights(&d);
  points_functions(&d.p, split, int8_strassen_join_row);
  nest_fn(l->b, l->b->name, false);
  points_loops(l->b, &d.p);
  points8_about(&d, "Strassen's algorithm",
                inner ? ", products of int16 pairs (half as many, with Winograd's inner product)"
                      : ", products of int16 pairs");
  const int64_t blocks = d.p.blocks + (d.p.last > 0);
  if (blocks > 1) lower_detail(l, "%d blocks of %d tiles", (int)blocks, (int)d.p.block);
  return true;
}

/* ---- candidate ---- */
static bool int8_strassen_takes(const Lower *l) {
  if (!int8_takes(l, &op_int8_product)) return false;
  const Correlation k = int8_geometry(l->node);
  const Int8Product *p = l->node->detail;
  return correlation_pointwise(&k) && k.groups == 1 && !p->dense;
}

static const char *int8_strassen_refused(const Lower *l, const Choice *choice) {
  Points8 d;
  (void)choice;
  if (words_kind(l) != DOT_HALVES)
    return "the products are not of int16 pairs, so direct convolution is faster";
  const char *why = int8_product_refused(l);
  return why ? why : int8_strassen_sizes(&d, l);
}

/* Measured time of the products, divided by the time of a direct convolution. (Seven products replace eight.)
 * The additions take two or three operations for each word of the input, of the weights and of the sums. The
 * largest cost is that sums are initialized and stored nearly twice as often. */
static const double PRODUCTS = 0.79;

static Cycles int8_strassen_cycles(const Lower *l, const Target *target, const Choice *choice) {
  Points8 d;
  (void)target;
  (void)choice;
  int8_strassen_sizes(&d, l);
  const double bands = (double)ceil_divide(d.p.rows, d.p.block), inputs = 2.1 / (double)d.k.s,
               weights = 2.1 * bands / (double)int8_strassen_pixels_of(&d), sums = 20 / (double)d.k.l,
               direct = int8_direct_products(l, &d.k);
  return int8_cycles(l, &d.k, PRODUCTS * direct, 2 * (inputs + weights + sums) * direct);
}

const Schedule schedule_int8_strassen = {.name = "Strassen",
                                         .families = FAMILY_BIT(FAMILY_INT8),
                                         .takes = int8_strassen_takes,
                                         .refused = int8_strassen_refused,
                                         .cycles = int8_strassen_cycles,
                                         .build = int8_strassen_build};
