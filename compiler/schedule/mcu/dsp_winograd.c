// dsp_winograd.c: Exact int8 3x3 convolutions with stride 1: Winograd's F(4x4,3x3) and F(2x2,3x3) in
// integers.
// SPDX-License-Identifier: Apache-2.0
//
// F(4x4): a tile of 6x6 inputs d, minus their zero point, is transformed to V = B'dB. The elements of V are
// at most 68 * 255 = 17,340 in magnitude, so they fit into int16. Weights g are transformed to U = GgG',
// where G is multiplied by 24 (its last row by 6). The elements of U are at most 144 * 127 = 18,288 in
// magnitude. Sums of products are modulo 2^32, and A'(U.V)A is 576 times the outputs, modulo 2^32.
// Multiplying this result by the inverse of 9 modulo 2^32 yields 64 times the outputs. The outputs are exact
// if they are below 2^25, which depends on the weights. F(2x2): a tile has 4x4 inputs, |V| <= 4 * 255; G is
// multiplied by 2, and |U| <= 9 * 127. A'(U.V)A is 4 times the outputs, which are exact if they are below
// 2^29.
//
// In every output, the sum at point (1,1) has the coefficient 1. So the bias, times 576 or 4, is the initial
// value of this sum. Compared with a direct convolution, F(4x4) needs 1/4 of the products, and 8x the memory
// for its int16 weights; F(2x2) needs 1/2.25 of the products, and 3.6x the memory.
//
// Example: `x: 16x16x16 -> conv(24, 3x3, pad=same)` --target=armv7e-m, lines 21-35 of conv1:
//
//     const int32_t p = n_sub_halves(d4, d2);
//     const int32_t q = n_sub_halves(d3, d1);
//     const int32_t q2 = n_add_halves(q, q);
//     const int32_t e = n_sub_halves(d0, d2);
//     const int32_t s = n_add_halves(d1, d2);
//     const int32_t t = n_sub_halves(d1, d2);
//     const int32_t e2 = n_add_halves(e, e);
//     const int32_t s2 = n_add_halves(s, s);
//     const int32_t t2 = n_add_halves(t, t);
//     column[0][0][x] = n_add_halves(n_add_halves(e2, e2), p);
//     column[0][1][x] = n_sub_halves(n_add_halves(d3, d4), n_add_halves(s2, s2));
//     column[0][2][x] = n_add_halves(n_sub_halves(d4, d3), n_add_halves(t2, t2));
//     column[0][3][x] = n_add_halves(p, q2);
//     column[0][4][x] = n_sub_halves(p, q2);
//     column[0][5][x] = n_sub_halves(n_sub_halves(d5, d3), n_add_halves(q2, q2));
#include "schedule/mcu/helium.h"
#include "schedule/int8/int8_words.h"

enum { MOST_M = 4, MOST_SIDE = MOST_M + 2, SUMS = 8, WORDS = 4, WIDE = 16 };

typedef struct Winograd8 {
  Correlation k;
  int m, side, points; /* a tile has m x m outputs, side x side inputs and `points` sums of products */
  int tiles, filters;  /* numbers of tiles and filters per iteration: 4 and 2; or 2 and 4 if rows are short or
                          not whole groups of four tiles */
  int64_t words;       /* number of words that hold the channels of a point */
  const DspFilter *filter;
  Buf *weight, *start; /* weight: [blocks][points][words][filters]; start: [all filters] */
  Buf *column, *input,
      *sum; /* column: [2][side][m*tiles + 2]; input: [points][words][tiles]; sum: [points][8] */
  DspFinish finish;
} Winograd8;

static Winograd8 winograd_of_layer(const Node *node, int m) {
  Winograd8 d = {.k = int8_geometry(node), .m = m, .side = m + 2, .points = (m + 2) * (m + 2)};
  d.tiles = d.k.large.w >= WIDE && d.k.large.w % (m * 4) == 0 ? 4 : 2;
  d.filters = SUMS / d.tiles;
  d.words = d.k.l / 2;
  return d;
}

static bool dsp_winograd_sums_fit(const DspFilter *filter, int64_t filters, int m) {
  const int64_t most = (INT64_C(1) << (m == 4 ? 25 : 29)) - 1;
  for (int64_t f = 0; f < filters; f++)
    if (filter[f].lo < -most || filter[f].hi > most) return false;
  return true;
}

static const char *dsp_winograd_refused(const Lower *l, const Choice *choice) {
  const int m = choice->m;
  const char *limits = dsp_limits(l);
  if (limits) return limits;
  const Winograd8 d = winograd_of_layer(l->node, m);
  const Correlation *k = &d.k;
  if (l->exact) return "--exact";
  if (l->small >= (m == 4 ? SMALL_TILES : SMALL_BYTES)) return "not enough flash for its weights";
  for (int axis = 0; axis < 2; axis++)
    if (k->kernel[axis] != 3 || k->stride[axis] != 1 || k->dilation[axis] != 1 || k->before[axis] != 1)
      return "not a 3x3 kernel with stride, dilation and padding 1";
  if (k->groups != 1 || k->l % (2 * WORDS) || k->s % d.filters)
    return "groups, channels not a multiple of 8, or filters not a multiple of 4 (2 in wide images)";
  if (k->large.h != k->small.h || k->large.w != k->small.w || k->large.h % m || k->large.w % (m * d.tiles))
    return "the output size differs from the input size, or is not whole tiles";
  const DspFilter *filter = dsp_filters(l);
  if (lower_assumes(l, dsp_winograd_sums_fit(filter, k->s, m))) return NULL;
  return m == 4 ? "a sum can exceed 2^25" : "a sum can exceed 2^29";
}

/* Inputs are transformed along the `side` rows of a tile and along its columns. Adjacent tiles share columns,
 * so there are m columns per tile, and two more per group of tiles. Outputs are transformed along `side` rows
 * and m columns. Loops and register spills add a fifth to the transforms' instructions. Beginning and ending
 * the loop over the channels takes about 40 instructions per point. */
static Cycles dsp_winograd_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  const int m = choice->m;
  const Winograd8 d = winograd_of_layer(l->node, m);
  const double tiles = (double)(d.k.large.h / m * (d.k.large.w / m)), filters = (double)d.k.s,
               words = (double)d.words, products = tiles * (double)d.points * words * filters,
               splits = tiles * words * (d.side + m + 2.0 / d.tiles), joins = tiles * filters * (d.side + m),
               extra = 1.2, around = 40, moved = (splits + joins * extra) * (double)d.side;
  DspWork rest = dsp_finish_work(l, tiles * filters * (double)(m * m));
  rest.loads += moved;
  rest.stores += moved;
  rest.others += (splits * (m == 4 ? 18 : 4) + joins * (m == 4 ? 13 : 4)) * extra +
                 around * tiles * filters * d.points / (double)SUMS;
  Cycles c = dsp_cycles(l,
                        (DspWork){.loads = 0.75 * products,
                                  .pairs = products,
                                  .others = 0.1 * products,
                                  .flash = 4 * products / d.tiles},
                        rest);
  c.weight_bytes = dsp_bytes(5, (int64_t[]){d.k.s * d.points * d.words, d.k.s, d.k.s, d.k.s, d.k.s});
  return c;
}

/* ---- constants ---- */
static int32_t point_weight(const Winograd8 *d, const Int8Product *p, int64_t f, int64_t c, int point) {
  static const int32_t four[][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 6}},
                       two[][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
  const int32_t (*const G)[3] = d->m == 4 ? four : two;
  const int8_t *g = p->weight + (f * d->k.l + c) * 9;
  int32_t sum = 0;
  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 3; x++) sum += G[point / d->side][y] * g[3 * y + x] * G[point % d->side][x];
  return d->filter[f].constant ? 0 : sum;
}

static void dsp_winograd_make_constants(Lower *l, Winograd8 *d) {
  const Int8Product *p = l->node->detail;
  const int64_t filters = d->k.s, blocks = filters / d->filters;
  int32_t *weight = NEW_ARRAY(l->arena, int32_t, filters * d->points * d->words), *to = weight,
          *start = NEW_ARRAY(l->arena, int32_t, filters);
  d->filter = dsp_filters(l);
  lower_needs(l, dsp_winograd_sums_fit(d->filter, filters, d->m),
              d->m == 4 ? "sums below 2^25" : "sums below 2^29");
  d->finish = dsp_finish(l, filters, d->filter, false);
  d->finish.doubled = d->finish.quick && p->rounding == ROUNDING_DOUBLE;
  for (int64_t block = 0; block < blocks; block++)
    for (int point = 0; point < d->points; point++)
      for (int64_t word = 0; word < d->words; word++)
        for (int i = 0; i < d->filters; i++) {
          const int64_t f = block * d->filters + i, c = word / 2 * 4 + word % 2;
          *to++ = int8_halves(point_weight(d, p, f, c, point), point_weight(d, p, f, c + 2, point));
        }
  for (int64_t f = 0; f < filters; f++)
    start[f] = d->filter[f].constant ? 0 : (int32_t)((d->m == 4 ? 576 : 4) * (uint32_t)p->bias[f]);
  d->weight =
      lower_constants(l, "points", I32, 4, (int64_t[]){blocks, d->points, d->words, d->filters}, weight);
  d->start = lower_constants(l, "start", I32, 1, &filters, start);
}

/* ---- the input ---- */
static void dsp_winograd_split(Nest *b, int m, Val v[], const Val d[]) {
  if (m == 4) {
    winograd_split_halves(b, v, d);
    return;
  }
  v[0] = halves_minus(d[0], d[2]);
  v[1] = halves_plus(d[1], d[2]);
  v[2] = halves_minus(d[2], d[1]);
  v[3] = halves_minus(d[1], d[3]);
}

/* Transforms column x of a row of tiles, for four channels, with two channels per word. */
static void dsp_winograd_split_column(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *ix, const Ix *c,
                                      const Ix *x) {
  Nest *b = l->b;
  const int32_t zero = l->node->in[0]->quant->zero;
  const Val less_zero = lower_number(l, "less_zero", int8_halves(-zero, -zero)),
            none = lower_number(l, "padding", (int32_t)(((uint32_t)zero & 0xffu) * 0x01010101u));
  Val bytes[MOST_SIDE];
  for (int i = 0; i < d->side; i++) {
    const Ix iy = *ty * d->m + i - 1;
    bytes[i] = nest_let(b, nest_text(b, "bytes%d", i),
                        pick(b, nest_within(b, iy, 0, d->k.large.h),
                             nest_load_words(b, nest_at(b, l->in[0], iy, *ix, *c * 4), 1), none));
  }
  for (int odd = 0; odd < 2; odd++) {
    Val in[MOST_SIDE], v[MOST_SIDE];
    for (int i = 0; i < d->side; i++)
      in[i] = nest_let(
          b, nest_text(b, "d%d", i),
          nest_primitive(b, odd ? &primitive_add_odd8 : &primitive_add_even8, less_zero, bytes[i], NULL));
    dsp_winograd_split(b, d->m, v, in);
    for (int i = 0; i < d->side; i++) nest_store(b, nest_at(b, d->column, odd, i, *x), v[i]);
  }
}

static void input_nest(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *tx) {
  Nest *b = l->b;
  NEST_FOR(b, c, d->k.l / 4) {
    NEST_FOR(b, x, d->m * d->tiles + 2) {
      const Ix ix = *tx * (d->m * d->tiles) + x - 1;
      NEST_IF(b, nest_within(b, ix, 0, d->k.large.w)) dsp_winograd_split_column(l, d, ty, &ix, &c, &x);
      NEST_ELSE(b)
        for (int odd = 0; odd < 2; odd++)
          for (int i = 0; i < d->side; i++) nest_store(b, nest_at(b, d->column, odd, i, x), num_i32(b, 0));
    }
    NEST_FOR(b, odd, 2)
      NEST_FOR(b, i, d->side)
        NEST_FOR(b, t, d->tiles) {
          Val in[MOST_SIDE], v[MOST_SIDE];
          for (int j = 0; j < d->side; j++)
            in[j] = nest_let(b, nest_text(b, "d%d", j),
                             nest_load(b, nest_at(b, d->column, odd, i, t * d->m + j), 1));
          dsp_winograd_split(b, d->m, v, in);
          for (int j = 0; j < d->side; j++)
            nest_store(b, nest_at(b, d->input, i * d->side + j, c * 2 + odd, t), v[j]);
        }
  }
}

/* ---- products ---- */
static Val dsp_winograd_named(Lower *l, Buf *of, const char *name, const Ix *at, int n) {
  Nest *b = l->b;
  return nest_let(b, nest_text(b, "%s%d", name, n), nest_load(b, nest_ref(b, of, of->rank, at), 1));
}

/* Multiplies two filters by four tiles, or two tiles by four filters. */
static void dsp_winograd_multiply(Lower *l, const Winograd8 *d, Buf *sums, const Ix *block, const Ix *point,
                                  const Ix *word) {
  Nest *b = l->b;
  const bool few_filters = d->filters == 2;
  Val two[2], four[2];
  for (int i = 0; i < 2; i++) {
    const Ix none = {0}, w[4] = {*block, *point, *word, none + i}, v[3] = {*point, *word, none + i};
    two[i] = few_filters ? dsp_winograd_named(l, d->weight, "w", w, i)
                         : dsp_winograd_named(l, d->input, "v", v, i);
  }
  for (int half = 0; half < 2; half++) {
    for (int i = 0; i < 2; i++) {
      const Ix none = {0}, w[4] = {*block, *point, *word, none + 2 * half + i},
               v[3] = {*point, *word, none + 2 * half + i};
      four[i] = few_filters ? dsp_winograd_named(l, d->input, "v", v, 2 * half + i)
                            : dsp_winograd_named(l, d->weight, "w", w, 2 * half + i);
    }
    for (int i = 0; i < 2; i++)
      for (int j = 0; j < 2; j++) {
        const int t = few_filters ? 2 * half + i : j, f = few_filters ? j : 2 * half + i;
        const Ref sum = nest_at(b, sums, f, t);
        nest_store(b, sum, nest_primitive(b, &primitive_dot2_here, nest_get(b, sum), four[i], two[j]));
      }
  }
}

static void point_nest(Lower *l, const Winograd8 *d, const Ix *block, const Ix *point) {
  Nest *b = l->b;
  Buf *sums = nest_buf(b, REGS, "sum", (Type){I32, 1}, 2, (int64_t[]){d->filters, d->tiles});
  for (int f = 0; f < d->filters; f++)
    for (int t = 0; t < d->tiles; t++)
      nest_store(b, nest_at(b, sums, f, t),
                 pick(b, nest_is(b, *point, d->side + 1),
                      nest_load(b, nest_at(b, d->start, *block * d->filters + f), 1), num_i32(b, 0)));
  NEST_FOR(b, k, d->words / WORDS)
    for (int u = 0; u < WORDS; u++) {
      const Ix word = k * WORDS + u;
      dsp_winograd_multiply(l, d, sums, block, point, &word);
    }
  for (int f = 0; f < d->filters; f++)
    for (int t = 0; t < d->tiles; t++)
      nest_store(b, nest_at(b, d->sum, *point, f * d->tiles + t), nest_get(b, nest_at(b, sums, f, t)));
}

/* ---- the output ---- */
/* y = A'm. */
static void dsp_winograd_join(Nest *b, int outputs, Val y[], const Val m[]) {
  if (outputs == 4) {
    winograd_join_words(b, y, m);
    return;
  }
  y[0] = wrapped_plus(wrapped_plus(m[0], m[1]), m[2]);
  y[1] = wrapped_minus(wrapped_minus(m[1], m[2]), m[3]);
}

/* The sum to requantize, from a result y of join: twice the sum if d->finish.doubled is set, otherwise the
 * sum itself. */
static Val dsp_winograd_sum_of(Lower *l, const Winograd8 *d, Val y) {
  const int most = d->m == 4 ? 6 : 2;
  return nest_primitive(l->b, d->m == 4 ? &primitive_part576 : &primitive_shift_right, y,
                        num_i32(l->b, d->finish.doubled ? most - 1 : most), NULL);
}

static void output_nest(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *tx, const Ix *f, const Ix *t,
                        const Ix *e) {
  Nest *b = l->b;
  Buf *half = nest_buf(b, REGS, "half", (Type){I32, 1}, 2, (int64_t[]){d->side, d->m});
  for (int i = 0; i < d->side; i++) {
    Val m[MOST_SIDE], y[MOST_M];
    for (int j = 0; j < d->side; j++)
      m[j] = nest_let(b, nest_text(b, "m%d", j), nest_load(b, nest_at(b, d->sum, d->side * i + j, *e), 1));
    dsp_winograd_join(b, d->m, y, m);
    for (int j = 0; j < d->m; j++) nest_store(b, nest_at(b, half, i, j), y[j]);
  }
  for (int j = 0; j < d->m; j++) {
    Val m[MOST_SIDE], y[MOST_M];
    for (int i = 0; i < d->side; i++) m[i] = nest_get(b, nest_at(b, half, i, j));
    dsp_winograd_join(b, d->m, y, m);
    for (int i = 0; i < d->m; i++) {
      const Ix oy = *ty * d->m + i, ox = *tx * (d->m * d->tiles) + *t * d->m + j;
      lower_store(l, dsp_finished(l, &d->finish, dsp_winograd_sum_of(l, d, y[i]), f), &oy, &ox, f, 1, 1);
    }
  }
}

static void tiles_nest(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *tx) {
  Nest *b = l->b;
  input_nest(l, d, ty, tx);
  NEST_FOR(b, block, d->k.s / d->filters) {
    NEST_FOR(b, point, d->points) point_nest(l, d, &block, &point);
    NEST_FOR(b, i, d->filters)
      NEST_FOR(b, t, d->tiles) {
        const Ix f = block * d->filters + i, e = i * d->tiles + t;
        output_nest(l, d, ty, tx, &f, &t, &e);
      }
  }
}

static bool dsp_winograd_build(Lower *l) {
  Winograd8 d = winograd_of_layer(l->node, l->choice.m);
  Nest *b = l->b;
  dsp_winograd_make_constants(l, &d);
  d.input = lower_scratch_of(l, "split", I32, 3, (int64_t[]){d.points, d.words, d.tiles});
  lower_about(l, "int8, Winograd F(%dx%d,3x3) in integers, rounding %s%s", d.m, d.m,
              rounding_name(d.finish.rounding),
              d.finish.quick || d.finish.rounding == ROUNDING_FLOAT ? "" : ", 64-bit");
  nest_fn(b, b->name, false);
  NEST_FOR(b, ty, d.k.large.h / d.m)
    NEST_FOR(b, tx, d.k.large.w / (d.m * d.tiles)) {
      d.column = nest_buf(b, STACK, "column", (Type){I32, 1}, 3, (int64_t[]){2, d.side, d.m * d.tiles + 2});
      d.sum = nest_buf(b, STACK, "sums", (Type){I32, 1}, 2, (int64_t[]){d.points, SUMS});
      tiles_nest(l, &d, &ty, &tx);
    }
  return true;
}

/* ---- candidate ---- */
static bool dsp_winograd_takes(const Lower *l) {
  if (!dsp_takes(l) || l->node->op != &op_int8_product || helium_takes(l)) return false;
  const Correlation k = int8_geometry(l->node);
  return k.groups == 1 && k.kernel[0] == 3 && k.kernel[1] == 3;
}

static void dsp_winograd_sizes(const Lower *l, Choices *choices) {
  (void)l;
  for (int m = 4; m >= 2; m -= 2) choices_add(choices, (Choice){.m = m});
}

static const char *dsp_winograd_title(const Lower *l, const Choice *choice) {
  return arena_printf(l->arena, "Winograd F(%dx%d,3x3)", choice->m, choice->m);
}

static Small dsp_winograd_small(const Choice *choice) { return choice->m > 2 ? SMALL_NOT : SMALL_TILES; }

const Schedule schedule_dsp_winograd = {.name = "Winograd",
                                        .tuning_name = "winograd",
                                        .families = FAMILY_BIT(FAMILY_INT8),
                                        .takes = dsp_winograd_takes,
                                        .sizes = dsp_winograd_sizes,
                                        .title = dsp_winograd_title,
                                        .refused = dsp_winograd_refused,
                                        .cycles = dsp_winograd_cycles,
                                        .build = dsp_winograd_build,
                                        .small = dsp_winograd_small};
