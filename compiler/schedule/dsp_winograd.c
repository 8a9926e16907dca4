// dsp_winograd.c: Winograd's F(4x4,3x3) in whole numbers, exact: 3x3 convolutions of stride 1 in 8 bits.
// SPDX-License-Identifier: Apache-2.0
//
// A tile of 6x6 inputs d, less their zero, becomes V = B'dB: at most 68 * 255 = 17,340, which fits into 16
// bits. Weights are U = GgG', with G times 24 (its last row times 6): at most 144 * 127 = 18,288. Sums of
// products are modulo 2^32, and A'(U.V)A is 576 times the outputs modulo 2^32. Times 1 / 9, that is 64 times
// the outputs: they are exact if they lie below 2^25, which follows from the weights. The sum at point (1,1)
// enters every output once: it begins at 576 times the bias.
//
// Four times fewer products, in weights of 16 bits that are eight times as large.
#include "schedule/dsp.h"

enum { M = 4, SIDE = 6, POINTS = 36, SUMS = 8, BIASED = 7, WORDS = 4, WIDE = 16 };

typedef struct Winograd8 {
  Correlation k;
  int tiles, filters; /* at once: 4 and 2, or 2 and 4 on narrow maps */
  int64_t words;      /* of the channels of a point */
  const DspFilter *filter;
  Buf *weight, *start;       /* [blocks][36][words][filters], [all filters] */
  Buf *column, *input, *sum; /* [2][6][4*tiles + 2], [36][words][tiles], [36][8] */
  DspFinish finish;
} Winograd8;

static Winograd8 winograd_of_layer(const Node *node) {
  Winograd8 d = {.k = int8_geometry(node)};
  d.tiles = d.k.large.w >= WIDE ? 4 : 2;
  d.filters = SUMS / d.tiles;
  d.words = d.k.l / 2;
  return d;
}

const char *dsp_winograd_refused(const Lower *l) {
  static const int64_t most = (INT64_C(1) << 25) - 1;
  const Winograd8 d = winograd_of_layer(l->node);
  const Correlation *k = &d.k;
  if (l->exact) return "--exact";
  if (l->small) return "no flash is left for its weights";
  for (int axis = 0; axis < 2; axis++)
    if (k->kernel[axis] != 3 || k->stride[axis] != 1 || k->dilation[axis] != 1 || k->before[axis] != 1)
      return "no kernel of 3x3 with stride 1 and a border of 1";
  if (k->groups != 1 || k->l % (2 * WORDS) || k->s % d.filters) return "channels are no multiple of 8";
  if (k->large.h != k->small.h || k->large.w != k->small.w || k->large.h % M || k->large.w % (M * d.tiles))
    return "the map is not made of whole tiles";
  const DspFilter *filter = dsp_filters(l->arena, l->node);
  for (int64_t f = 0; f < k->s; f++)
    if (filter[f].lo < -most || filter[f].hi > most) return "a sum can exceed 2^25";
  return NULL;
}

/* A word of an input is split in 6 rows and, of tiles side by side, 4 and a half columns; an output is joined
 * in 10. Loops and what compilers spill add a fifth. */
Cycles dsp_winograd_cycles(const Lower *l) {
  const Winograd8 d = winograd_of_layer(l->node);
  const double tiles = (double)(d.k.large.h / M * (d.k.large.w / M)), filters = (double)d.k.s,
               words = (double)d.words, products = tiles * (double)POINTS * words * filters,
               splits = tiles * words * 10.5, joins = tiles * filters * 10, extra = 1.2,
               moved = (splits + joins * extra) * (double)SIDE;
  DspWork rest = dsp_finish_work(l, tiles * filters * (double)(M * M));
  rest.loads += moved;
  rest.stores += moved;
  rest.others += (splits * 18 + joins * 13) * extra;
  Cycles c = dsp_cycles(l,
                        (DspWork){.loads = 0.75 * products,
                                  .pairs = products,
                                  .others = 0.1 * products,
                                  .flash = 4 * products / d.tiles},
                        rest);
  c.weight_bytes = dsp_bytes(5, (int64_t[]){d.k.s * POINTS * d.words, d.k.s, d.k.s, d.k.s, d.k.s});
  return c;
}

/* ---- constants ---- */
static int32_t point_weight(const Winograd8 *d, const Int8Product *p, int64_t f, int64_t c, int point) {
  static const int32_t G[SIDE][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 6}};
  const int8_t *g = p->weight + (f * d->k.l + c) * 9;
  int32_t sum = 0;
  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 3; x++) sum += G[point / SIDE][y] * g[3 * y + x] * G[point % SIDE][x];
  return d->filter[f].constant ? 0 : sum;
}

static void make_constants(Lower *l, Winograd8 *d) {
  const Int8Product *p = l->node->detail;
  const int64_t filters = d->k.s, blocks = filters / d->filters;
  int32_t *weight = NEW_ARRAY(l->arena, int32_t, filters * POINTS * d->words), *to = weight,
          *start = NEW_ARRAY(l->arena, int32_t, filters);
  d->filter = dsp_filters(l->arena, l->node);
  d->finish = dsp_finish(l, filters, d->filter, false);
  d->finish.doubled = d->finish.quick && p->rounding == ROUNDING_DOUBLE;
  for (int64_t block = 0; block < blocks; block++)
    for (int point = 0; point < POINTS; point++)
      for (int64_t word = 0; word < d->words; word++)
        for (int i = 0; i < d->filters; i++) {
          const int64_t f = block * d->filters + i, c = word / 2 * 4 + word % 2;
          *to++ = int8_halves(point_weight(d, p, f, c, point), point_weight(d, p, f, c + 2, point));
        }
  for (int64_t f = 0; f < filters; f++)
    start[f] = d->filter[f].constant ? 0 : (int32_t)(576 * (uint32_t)p->bias[f]);
  d->weight = lower_constants(l, "points", I32, 4, (int64_t[]){blocks, POINTS, d->words, d->filters}, weight);
  d->start = lower_constants(l, "start", I32, 1, &filters, start);
}

/* ---- the input ---- */
static Val plus(Val a, Val b) { return nest_primitive(a->nest, &primitive_add_halves, a, b, NULL); }
static Val minus(Val a, Val b) { return nest_primitive(a->nest, &primitive_sub_halves, a, b, NULL); }

/* v = B'd, each half by itself. */
static void split(Nest *b, Val v[SIDE], const Val d[SIDE]) {
  const Val p = nest_let(b, "p", minus(d[4], d[2])), q = nest_let(b, "q", minus(d[3], d[1])),
            q2 = nest_let(b, "q2", plus(q, q)), e = nest_let(b, "e", minus(d[0], d[2])),
            s = nest_let(b, "s", plus(d[1], d[2])), t = nest_let(b, "t", minus(d[1], d[2])),
            e2 = nest_let(b, "e2", plus(e, e)), s2 = nest_let(b, "s2", plus(s, s)),
            t2 = nest_let(b, "t2", plus(t, t));
  v[0] = plus(plus(e2, e2), p);
  v[1] = minus(plus(d[3], d[4]), plus(s2, s2));
  v[2] = plus(minus(d[4], d[3]), plus(t2, t2));
  v[3] = plus(p, q2);
  v[4] = minus(p, q2);
  v[5] = minus(minus(d[5], d[3]), plus(q2, q2));
}

/* Column x of four channels: six rows of the picture, two channels a word. */
static void split_column(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *ix, const Ix *c, const Ix *x) {
  Nest *b = l->b;
  const int32_t zero = l->node->in[0]->quant->zero;
  const Val less_zero = num_i32(b, int8_halves(-zero, -zero)),
            none = num_i32(b, (int32_t)(((uint32_t)zero & 0xffu) * 0x01010101u));
  Val bytes[SIDE];
  for (int i = 0; i < SIDE; i++) {
    const Ix iy = *ty * M + i - 1;
    bytes[i] = nest_let(b, nest_text(b, "bytes%d", i),
                        pick(b, nest_within(b, iy, 0, d->k.large.h),
                             nest_load_words(b, nest_at(b, l->in[0], iy, *ix, *c * 4), 1), none));
  }
  for (int odd = 0; odd < 2; odd++) {
    Val in[SIDE], v[SIDE];
    for (int i = 0; i < SIDE; i++)
      in[i] = nest_let(
          b, nest_text(b, "d%d", i),
          nest_primitive(b, odd ? &primitive_add_odd8 : &primitive_add_even8, less_zero, bytes[i], NULL));
    split(b, v, in);
    for (int i = 0; i < SIDE; i++) nest_store(b, nest_at(b, d->column, odd, i, *x), v[i]);
  }
}

static void input_nest(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *tx) {
  Nest *b = l->b;
  NEST_FOR(b, c, d->k.l / 4) {
    NEST_FOR(b, x, M * d->tiles + 2) {
      const Ix ix = *tx * (M * d->tiles) + x - 1;
      NEST_IF(b, nest_within(b, ix, 0, d->k.large.w)) split_column(l, d, ty, &ix, &c, &x);
      NEST_ELSE(b)
        for (int odd = 0; odd < 2; odd++)
          for (int i = 0; i < SIDE; i++) nest_store(b, nest_at(b, d->column, odd, i, x), num_i32(b, 0));
    }
    NEST_FOR(b, odd, 2)
      NEST_FOR(b, i, SIDE)
        NEST_FOR(b, t, d->tiles) {
          Val in[SIDE], v[SIDE];
          for (int j = 0; j < SIDE; j++)
            in[j] = nest_let(b, nest_text(b, "d%d", j),
                             nest_load(b, nest_at(b, d->column, odd, i, t * M + j), 1));
          split(b, v, in);
          for (int j = 0; j < SIDE; j++)
            nest_store(b, nest_at(b, d->input, i * SIDE + j, c * 2 + odd, t), v[j]);
        }
  }
}

/* ---- products ---- */
static Val named(Lower *l, Buf *of, const char *name, const Ix *at, int n) {
  Nest *b = l->b;
  return nest_let(b, nest_text(b, "%s%d", name, n), nest_load(b, nest_ref(b, of, of->rank, at), 1));
}

/* Two numbers of one side by four of the other: the filters are two, or the tiles. */
static void multiply(Lower *l, const Winograd8 *d, Buf *sums, const Ix *block, const Ix *point,
                     const Ix *word) {
  Nest *b = l->b;
  const bool few_filters = d->filters == 2;
  Val two[2], four[2];
  for (int i = 0; i < 2; i++) {
    const Ix none = {0}, w[4] = {*block, *point, *word, none + i}, v[3] = {*point, *word, none + i};
    two[i] = few_filters ? named(l, d->weight, "w", w, i) : named(l, d->input, "v", v, i);
  }
  for (int half = 0; half < 2; half++) {
    for (int i = 0; i < 2; i++) {
      const Ix none = {0}, w[4] = {*block, *point, *word, none + 2 * half + i},
               v[3] = {*point, *word, none + 2 * half + i};
      four[i] =
          few_filters ? named(l, d->input, "v", v, 2 * half + i) : named(l, d->weight, "w", w, 2 * half + i);
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
                 pick(b, nest_is(b, *point, BIASED),
                      nest_load(b, nest_at(b, d->start, *block * d->filters + f), 1), num_i32(b, 0)));
  NEST_FOR(b, k, d->words / WORDS)
    for (int u = 0; u < WORDS; u++) {
      const Ix word = k * WORDS + u;
      multiply(l, d, sums, block, point, &word);
    }
  for (int f = 0; f < d->filters; f++)
    for (int t = 0; t < d->tiles; t++)
      nest_store(b, nest_at(b, d->sum, *point, f * d->tiles + t), nest_get(b, nest_at(b, sums, f, t)));
}

/* ---- the output ---- */
static Val wrap(Val a, Val b, int shift) {
  return nest_primitive(a->nest, &primitive_wrap_sum, a, b, num_i32(a->nest, shift));
}

/* y = A'm. */
static void join(Nest *b, Val y[M], const Val m[SIDE]) {
  const Val a = nest_let(b, "a", wrap(m[1], m[2], 0)),
            s = nest_let(b, "s", nest_primitive(b, &primitive_wrap_difference, m[1], m[2], NULL)),
            c = nest_let(b, "c", wrap(m[3], m[4], 0)),
            d = nest_let(b, "d", nest_primitive(b, &primitive_wrap_difference, m[3], m[4], NULL));
  y[0] = wrap(wrap(m[0], a, 0), c, 0);
  y[1] = wrap(s, d, 1);
  y[2] = wrap(a, c, 2);
  y[3] = wrap(wrap(s, d, 3), m[5], 2);
}

static void output_nest(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *tx, const Ix *f, const Ix *t,
                        const Ix *e) {
  Nest *b = l->b;
  Buf *half = nest_buf(b, REGS, "half", (Type){I32, 1}, 2, (int64_t[]){SIDE, M});
  for (int i = 0; i < SIDE; i++) {
    Val m[SIDE], y[M];
    for (int j = 0; j < SIDE; j++)
      m[j] = nest_let(b, nest_text(b, "m%d", j), nest_load(b, nest_at(b, d->sum, SIDE * i + j, *e), 1));
    join(b, y, m);
    for (int j = 0; j < M; j++) nest_store(b, nest_at(b, half, i, j), y[j]);
  }
  for (int j = 0; j < M; j++) {
    Val m[SIDE], y[M];
    for (int i = 0; i < SIDE; i++) m[i] = nest_get(b, nest_at(b, half, i, j));
    join(b, y, m);
    for (int i = 0; i < M; i++) {
      const Ix oy = *ty * M + i, ox = *tx * (M * d->tiles) + *t * M + j;
      const Val sum =
          nest_primitive(b, &primitive_part576, y[i], num_i32(b, d->finish.doubled ? 5 : 6), NULL);
      lower_store(l, dsp_finished(l, &d->finish, sum, f), &oy, &ox, f, 1, 1);
    }
  }
}

static void tiles_nest(Lower *l, const Winograd8 *d, const Ix *ty, const Ix *tx) {
  Nest *b = l->b;
  input_nest(l, d, ty, tx);
  NEST_FOR(b, block, d->k.s / d->filters) {
    NEST_FOR(b, point, POINTS) point_nest(l, d, &block, &point);
    NEST_FOR(b, i, d->filters)
      NEST_FOR(b, t, d->tiles) {
        const Ix f = block * d->filters + i, e = i * d->tiles + t;
        output_nest(l, d, ty, tx, &f, &t, &e);
      }
  }
}

bool schedule_dsp_winograd(Lower *l) {
  Winograd8 d = winograd_of_layer(l->node);
  Nest *b = l->b;
  make_constants(l, &d);
  d.input = lower_scratch_of(l, "split", I32, 3, (int64_t[]){POINTS, d.words, d.tiles});
  lower_about(l, "8 bits, Winograd F(4x4,3x3) in whole numbers, rounding %s%s",
              rounding_name(d.finish.rounding),
              d.finish.quick || d.finish.rounding == ROUNDING_FLOAT ? "" : " in 64 bits");
  nest_fn(b, b->name, false);
  NEST_FOR(b, ty, d.k.large.h / M)
    NEST_FOR(b, tx, d.k.large.w / (M * d.tiles)) {
      d.column = nest_buf(b, STACK, "column", (Type){I32, 1}, 3, (int64_t[]){2, SIDE, M * d.tiles + 2});
      d.sum = nest_buf(b, STACK, "sums", (Type){I32, 1}, 2, (int64_t[]){POINTS, SUMS});
      tiles_nest(l, &d, &ty, &tx);
    }
  return true;
}
