// dsp_direct.c: int8 convolutions and dense layers on CPUs that multiply two pairs of int16 in one
// instruction.
// SPDX-License-Identifier: Apache-2.0
//
// The windows of two pixels are gathered as int16; the input's zero point is subtracted from each element. So
// padding is 0, and the sums need no correction for the zero point. Each 16-bit half of a weight word
// contains 256*wB + wA, for two filters A and B. SA is the sum of filter A's products with the window, and SB
// the sum of filter B's products. The sum of products with these halves is mix = 256*SB + SA; the sum of
// products with their low bytes is SA. So SB = (mix - SA) / 256. The difference is computed modulo 2^32, so
// SB is exact if |SB| < 2^23. Whether SB is in this range depends on the weights. A weight needs one byte of
// flash. One extra instruction extracts the low bytes of a weight word for both pixels. A tile has two pixels
// and four filters.
//
// Widening yields the four bytes of an input word in the order 0 2 1 3; weights are packed in the same order.
// A window is gathered tap by tap if the number of channels is a multiple of four; otherwise row by row, with
// zero weights for the elements that pad a row to a multiple of four.
//
// For every pair of pixels, the weights of all filters are read. If flash is slow (--flash-wait), several
// pairs of pixels can share these reads. The windows of the pairs are gathered first. Then the weights of
// four filters are copied to the stack, and the copy is used for all of these pairs.
//
// Example: `x: 14x14x16 -> conv(24, 3x3, pad=1)` --target=armv7e-m, lines 41-55 of conv1:
//
//     for (int k = 0; k < 9; k++) {
//       int32_t x0, x1;
//       LOAD2(x0, x1, window[0][8*k][0]);
//       int32_t w0, w1;
//       LOAD2(w0, w1, halves[block][8*k][0]);
//       mix[0][0] = n_dot2_here(mix[0][0], x0, w0);
//       mix[1][0] = n_dot2_here(mix[1][0], x1, w0);
//       const int32_t v0_2 = n_even_bytes(w0);
//       own[0][0] = n_dot2_here(own[0][0], x0, v0_2);
//       own[1][0] = n_dot2_here(own[1][0], x1, v0_2);
//       mix[0][1] = n_dot2_here(mix[0][1], x0, w1);
//       mix[1][1] = n_dot2_here(mix[1][1], x1, w1);
//       const int32_t v1_2 = n_even_bytes(w1);
//       own[0][1] = n_dot2_here(own[0][1], x0, v1_2);
//       own[1][1] = n_dot2_here(own[1][1], x1, v1_2);
#include <math.h>
#include "base/number.h"
#include "schedule/mcu/helium.h"

enum {
  FILTERS = 4,          /* number of filters of a tile */
  WORDS = 4,            /* number of words of each pixel in an iteration of the inner loop */
  MANY_WORDS = 8,       /* replaces WORDS if the number of a window's words is a multiple of this number */
  MOST_TOGETHER = 24,   /* maximum number of words in an iteration, for a layer with a single pixel */
  ODD_RUN = 64,         /* maximum elements of an unrolled window row if channels are not a multiple of 4 */
  MOST_WORDS = 1 << 11, /* maximum words of a window; two windows are on the stack: 16 KB */
  MOST_COPIED = 8 << 10 /* maximum bytes of windows and weights on the stack, if weights are copied */
};
static const int64_t MOST_REST = (INT64_C(1) << 23) - 1;

typedef struct Direct {
  Correlation k;
  bool pointwise;    /* 1x1 convolution with stride 1: `k` treats all pixels as one row */
  bool by_rows;      /* the window is gathered row by row */
  int64_t runs, run; /* a window is `runs` contiguous runs of `run` elements each; `run` is a multiple of 4 */
  int64_t words;     /* number of words of a window */
  int64_t blocks;    /* number of blocks of filters; the last block may have fewer filters */
  int64_t phases[2]; /* transposed: number of outputs per input pixel along each axis; each of these outputs
                        has its own weights. Otherwise 1 */
  int64_t together;  /* number of pairs of pixels that share a copy of the weights; 1: weights are not
                        copied */
  bool small;        /* the form with small constants */
  const DspFilter *filter;
  Buf *weight, *start; /* weight: [phases * blocks][words][2]; start: [filters of all blocks] */
  DspFinish finish;
} Direct;

/* In a transposed convolution whose kernel is as large as its stride, each output depends on one input pixel.
 * So the layer is a 1x1 convolution for each element of the kernel. */
static Correlation geometry_of(const Node *node, int64_t phases[2]) {
  phases[0] = phases[1] = 1;
  const Correlation t = int8_geometry(node);
  if (node->op != &op_int8_transposed) return t;
  Correlation k = {.large = t.small, .small = t.small, .groups = t.groups, .l = t.s, .s = t.l};
  k.small.c = t.large.c;
  for (int axis = 0; axis < 2; axis++) {
    k.kernel[axis] = k.stride[axis] = k.dilation[axis] = 1;
    phases[axis] = t.stride[axis];
  }
  return k;
}

static const char *transposed_refused(const Node *node) {
  const Correlation t = int8_geometry(node);
  if (t.l % FILTERS) return "the number of filters is not a multiple of 4";
  for (int axis = 0; axis < 2; axis++) {
    const int64_t S = t.stride[axis];
    if (t.kernel[axis] != S || t.dilation[axis] != 1 || t.before[axis] != 0 ||
        extent_side(t.large, axis) != S * extent_side(t.small, axis))
      return "the kernel differs from the stride, or there is padding or dilation";
  }
  return NULL;
}

static void dsp_direct_join_rows(Extent *e) {
  e->w *= e->h;
  e->h = 1;
}

static Direct direct_of(const Node *node) {
  int64_t phases[2];
  const Correlation k = geometry_of(node, phases);
  Direct d = {.k = k, .by_rows = k.l % 4 != 0, .phases = {phases[0], phases[1]}, .together = 1};
  d.pointwise = correlation_pointwise(&k) && node->op != &op_int8_transposed;
  d.runs = d.by_rows ? k.kernel[0] : k.kernel[0] * k.kernel[1];
  d.run = ceil_divide(d.by_rows ? k.kernel[1] * k.l : k.l, 4) * 4;
  d.words = d.runs * d.run / 2;
  d.blocks = ceil_divide(k.small.c, FILTERS);
  if (d.pointwise) {
    dsp_direct_join_rows(&d.k.large);
    dsp_direct_join_rows(&d.k.small);
  }
  return d;
}

static bool pairs_fit(const DspFilter *filter, int64_t filters) {
  for (int64_t f = 1; f < filters; f += 2)
    if (filter[f].lo < -MOST_REST || filter[f].hi > MOST_REST) return false;
  return true;
}

static const char *dsp_direct_form_refused(const Lower *l, bool small) {
  const Direct d = direct_of(l->node);
  const Correlation *k = &d.k;
  if (k->groups != 1) return "groups of channels";
  const char *transposed = l->node->op == &op_int8_transposed ? transposed_refused(l->node) : NULL;
  if (transposed) return transposed;
  if (d.words > MOST_WORDS) return "the window is too large";
  if (d.by_rows &&
      (d.run > ODD_RUN || k->dilation[1] != 1 || d.run > k->large.w * k->l || !dsp_has_no_gaps(l->in[0], 0)))
    return "the number of channels is not a multiple of 4, and rows of the window are long or not contiguous";
  if (d.pointwise && !(dsp_has_no_gaps(l->in[0], 0) && dsp_has_no_gaps(l->out, 0)))
    return "pixels are not contiguous";
  const DspFilter *filter = dsp_filters(l);
  if (!lower_assumes(l, pairs_fit(filter, k->small.c)))
    return "a sum can exceed 2^23, so two filters cannot share a register";
  if (small && !dsp_finish_shrinks(l, k->small.c, filter)) return "smaller constants would not save bytes";
  return NULL;
}

static Cycles dsp_direct_cycles_of(const Lower *l, const Direct *d) {
  const double height = (double)d->k.small.h, pairs = height * (double)(d->k.small.w / 2),
               singles = height * (double)(d->k.small.w % 2), pixels = 2 * pairs + singles,
               words = (double)d->words, phases = (double)(d->phases[0] * d->phases[1]),
               block = words * (double)d->blocks * phases, rounds = pixels / 2 * block,
               groups = pairs / (double)d->together, copied = d->together > 1 ? groups * block * 2 : 0;
  const double outputs = phases * (double)d->k.small.c;
  DspWork rest = dsp_finish_work(l, pixels * outputs);
  rest.loads += pixels * words / 2 + copied;
  rest.stores += pixels * words + copied;
  rest.others += pixels * (2 * words + 8 * (double)d->runs) + copied / 4;
  if (d->small) {
    const DspWork more = dsp_small_work((pairs + singles) * outputs);
    rest.loads += more.loads;
    rest.others += more.others;
  }
  Cycles c = dsp_cycles(l,
                        (DspWork){.loads = 4 * rounds,
                                  .pairs = 8 * rounds,
                                  .others = 2.3 * rounds,
                                  .flash = 8 * (groups + singles) * block},
                        rest);
  const int64_t filters = d->k.small.c, factors = d->small ? ceil_divide(filters, 4) : filters;
  c.weight_bytes = dsp_bytes(4, (int64_t[]){(int64_t)block * 2, d->blocks * FILTERS, filters, factors});
  if (!d->small) c.weight_bytes += dsp_bytes(1, &filters);
  return c;
}

/* Chooses how many pairs of pixels share a copy of the weights: the smallest divisor of the number of pairs
 * in a row for which the predicted cycles are within 2% of the minimum. In a transposed layer the number is
 * 1; otherwise the prover could not show that pixels in pairs, groups and phases cover the whole output. */
static void choose_together(const Lower *l, Direct *d) {
  const bool waits = l->cycles->line > 0 && l->node->op != &op_int8_transposed;
  const int64_t pairs = d->k.small.w / 2, pair = 8 * d->words, most = waits ? MOST_COPIED / pair - 1 : 1;
  const double near = 1.02;
  double best = dsp_direct_cycles_of(l, d).total;
  Direct tried = *d;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t n = 1; n <= pairs && n <= most; n++) {
      tried.together = n;
      const double cycles = pairs % n ? INFINITY : dsp_direct_cycles_of(l, &tried).total;
      if (pass == 0 && cycles < best) best = cycles;
      if (pass == 0 || cycles > near * best) continue;
      d->together = n;
      return;
    }
}

static Cycles dsp_direct_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  const bool small = choice->small;
  Direct d = direct_of(l->node);
  d.small = small;
  choose_together(l, &d);
  return dsp_direct_cycles_of(l, &d);
}

/* ---- constants ---- */
/* Index of element r of run `row` in a filter's weights, [c][ky][kx]; -1 if the element only pads the run. */
static int64_t dsp_direct_place_of(const Direct *d, int64_t row, int64_t r) {
  const Correlation *k = &d->k;
  const int64_t taps = k->kernel[0] * k->kernel[1];
  if (!d->by_rows) return r < k->l ? r * taps + row : -1;
  const int64_t kx = r / k->l, c = r % k->l;
  return kx < k->kernel[1] ? c * taps + row * k->kernel[1] + kx : -1;
}

/* The weights of a phase, which are interleaved with the weights of the other phases. */
typedef struct PhaseWeights {
  const Direct *d;
  const Int8Product *p;
  int64_t phase;
} PhaseWeights;

static int32_t dsp_direct_weight_at(const PhaseWeights *of, int64_t filter, int64_t row, int64_t r) {
  const Direct *d = of->d;
  const int64_t place = dsp_direct_place_of(d, row, r), phases = d->phases[0] * d->phases[1],
                terms = d->k.l * d->k.kernel[0] * d->k.kernel[1];
  return filter < d->k.small.c && place >= 0 && !d->filter[filter].constant
             ? of->p->weight[(filter * terms + place) * phases + of->phase]
             : 0;
}

/* Word `word` of the packed weights of filters f and f + 1. */
static int32_t packed_word(const PhaseWeights *of, int64_t f, int64_t word) {
  const int64_t run = of->d->run, element = word * 2, row = element / run,
                r = element % run / 4 * 4 + word % 2;
  const int32_t low = 256 * dsp_direct_weight_at(of, f + 1, row, r) + dsp_direct_weight_at(of, f, row, r),
                high = 256 * dsp_direct_weight_at(of, f + 1, row, r + 2) +
                       dsp_direct_weight_at(of, f, row, r + 2);
  return int8_halves(low, high);
}

static Buf *dsp_direct_packed_weights(Lower *l, const Direct *d) {
  const int64_t phases = d->phases[0] * d->phases[1];
  int32_t *weight = NEW_ARRAY(l->arena, int32_t, phases * d->blocks * d->words * 2), *to = weight;
  PhaseWeights of = {.d = d, .p = l->node->detail};
  for (of.phase = 0; of.phase < phases; of.phase++)
    for (int64_t block = 0; block < d->blocks; block++)
      for (int64_t word = 0; word < d->words; word++)
        for (int64_t pair = 0; pair < 2; pair++) *to++ = packed_word(&of, block * FILTERS + 2 * pair, word);
  return lower_constants(l, "halves", I32, 3, (int64_t[]){phases * d->blocks, d->words, 2}, weight);
}

static void dsp_direct_make_constants(Lower *l, Direct *d) {
  const Int8Product *p = l->node->detail;
  const int64_t padded = d->blocks * FILTERS, filters = d->k.small.c;
  int32_t *start = NEW_ARRAY(l->arena, int32_t, padded);
  d->filter = dsp_filters(l);
  lower_needs(l, pairs_fit(d->filter, filters), "sums below 2^23 for every second filter");
  for (int64_t f = 0; f < filters; f++) {
    start[f] = d->filter[f].constant ? 0 : p->bias[f];
    if (f % 2) start[f] = (int32_t)(256 * (uint32_t)start[f] + (uint32_t)start[f - 1]);
  }
  if (filters % 2)
    start[filters] = start[filters - 1]; /* the missing second filter of the last pair has the bias 0 */
  d->weight = dsp_direct_packed_weights(l, d);
  d->start = lower_constants(l, "start", I32, 1, &padded, start);
  d->finish = dsp_finish(l, filters, d->filter, true);
}

/* ---- the windows ---- */
/* Four filters of a phase. of_phase: index among the blocks of the phase; of_all: index among the blocks of
 * all phases; phase: index of the phase along each axis. */
typedef struct Block {
  Ix of_phase, of_all, phase[2];
} Block;

typedef struct Tile {
  int pixels;
  Buf *window; /* [tiles][words][pixels]: windows of the tiles that share a copy of the weights */
  Buf *weight; /* [words][2]: the block's weights on the stack; NULL: not copied */
  const Ix *at, *y, *x;
  const Block *block;
} Tile;

static void put_word(Lower *l, const Tile *tile, int p, const Ix *word, Val v) {
  nest_store(l->b, nest_at(l->b, tile->window, *tile->at, *word, p), v);
}

/* Widens four bytes to two words of int16, minus the zero point. */
static void widen_word(Lower *l, const Tile *tile, int p, const Ix *word, Ref from) {
  Nest *b = l->b;
  const int32_t zero = -l->node->in[0]->quant->zero;
  const Val bytes = nest_let(b, "bytes", nest_load_words(b, from, 1)),
            none = lower_number(l, "less_zero", int8_halves(zero, zero));
  const Ix second = *word + 1;
  put_word(l, tile, p, word, nest_primitive(b, &primitive_add_even8, none, bytes, NULL));
  put_word(l, tile, p, &second, nest_primitive(b, &primitive_add_odd8, none, bytes, NULL));
}

static Ix along(const Correlation *k, int axis, const Ix *at, const Ix *tap) {
  return *at * k->stride[axis] + *tap * k->dilation[axis] - k->before[axis];
}

static void gather_taps(Lower *l, const Direct *d, const Tile *tile, int p) {
  Nest *b = l->b;
  const Correlation *k = &d->k;
  const Ix x = *tile->x + p;
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, k->kernel[1]) {
      const Ix iy = along(k, 0, tile->y, &ky), ix = along(k, 1, &x, &kx);
      NEST_IF(b, cond_and(nest_within(b, iy, 0, k->large.h), nest_within(b, ix, 0, k->large.w)))
        NEST_FOR(b, c, k->l / 4) {
          const Ix word = (ky * k->kernel[1] + kx) * (k->l / 2) + c * 2;
          widen_word(l, tile, p, &word, nest_at(b, l->in[0], iy, ix, c * 4));
        }
      NEST_ELSE(b)
        NEST_FOR(b, c, k->l / 2) {
          const Ix word = (ky * k->kernel[1] + kx) * (k->l / 2) + c;
          put_word(l, tile, p, &word, num_i32(b, 0));
        }
    }
}

/* Element r of a row of the window; 0 if the element is outside the image or pads the row. left: the element
 * of the input's row at which the row of the window begins. */
static Val dsp_direct_row_element(Lower *l, const Direct *d, const Ix *iy, const Ix *left, int64_t r,
                                  Cond inside) {
  Nest *b = l->b;
  const int64_t width = d->k.large.w * d->k.l;
  if (r >= d->k.kernel[1] * d->k.l) return num_i32(b, 0);
  const Ix at = *left + r;
  const Val q = sub(convert(nest_load(b, nest_at(b, l->in[0], *iy, 0, at), 1), I32), int8_zero(l, 0));
  return pick(b, cond_and(inside, nest_within(b, at, 0, width)), q, num_i32(b, 0));
}

/* Gathers a window row by row. The input is viewed as rows of `width` elements. */
static void gather_rows(Lower *l, const Direct *d, const Tile *tile, int p) {
  Nest *b = l->b;
  const Correlation *k = &d->k;
  const int64_t width = k->large.w * k->l;
  NEST_FOR(b, ky, k->kernel[0]) {
    const Ix iy = along(k, 0, tile->y, &ky), left = ((*tile->x + p) * k->stride[1] - k->before[1]) * k->l;
    const Cond inside = nest_within(b, iy, 0, k->large.h);
    NEST_IF(b, cond_and(inside, nest_within(b, left, 0, width - d->run + 1)))
      for (int64_t r = 0; r < d->run; r += 4) {
        const Ix word = ky * (d->run / 2) + r / 2;
        widen_word(l, tile, p, &word, nest_at(b, l->in[0], iy, 0, left + r));
      }
    NEST_ELSE(b)
      for (int64_t r = 0; r < d->run; r += 4)
        for (int odd = 0; odd < 2; odd++) {
          const Ix word = ky * (d->run / 2) + r / 2 + odd;
          const Val low = dsp_direct_row_element(l, d, &iy, &left, r + odd, inside),
                    high = dsp_direct_row_element(l, d, &iy, &left, r + odd + 2, inside);
          put_word(l, tile, p, &word, nest_primitive(b, &primitive_low_halves, low, high, NULL));
        }
  }
}

/* ---- the products ---- */
typedef struct Sums {
  Buf *own, *mix; /* [pixels][2] */
} Sums;

static Val dsp_direct_weight_word(Lower *l, const Direct *d, const Tile *tile, const Ix *block,
                                  const Ix *word, int i) {
  Nest *b = l->b;
  return nest_let(
      b, nest_text(b, "w%d", i),
      nest_load(
          b, tile->weight ? nest_at(b, tile->weight, *word, i) : nest_at(b, d->weight, *block, *word, i), 1));
}

static Val window_word(Lower *l, const Tile *tile, const Ix *word, int p, int name) {
  Nest *b = l->b;
  return nest_let(b, nest_text(b, "x%d", name),
                  nest_load(b, nest_at(b, tile->window, *tile->at, *word, p), 1));
}

/* Multiplies the pixels' words by a word of two filters: first by its 16-bit halves, then by the low bytes of
 * these halves. */
static void dsp_direct_multiply(Lower *l, const Tile *tile, const Sums *sums, int i, Val w, const Val *x) {
  Nest *b = l->b;
  for (int own = 0; own < 2; own++) {
    if (own) w = nest_let(b, nest_text(b, "v%d", i), nest_primitive(b, &primitive_even_bytes, w, NULL, NULL));
    for (int p = 0; p < tile->pixels; p++) {
      const Ref sum = nest_at(b, own ? sums->own : sums->mix, p, i);
      nest_store(b, sum, nest_primitive(b, &primitive_dot2_here, nest_get(b, sum), x[p], w));
    }
  }
}

/* Adds the products of one word, for one or two pixels. */
static void dsp_direct_add_word(Lower *l, const Direct *d, const Tile *tile, const Sums *sums,
                                const Ix *block, const Ix *word) {
  Val x[2], w[2];
  for (int p = 0; p < tile->pixels; p++) x[p] = window_word(l, tile, word, p, p);
  for (int i = 0; i < 2; i++) w[i] = dsp_direct_weight_word(l, d, tile, block, word, i);
  for (int i = 0; i < 2; i++) dsp_direct_multiply(l, tile, sums, i, w[i], x);
}

/* Adds the products of two words, for one pixel. */
static void add_two_words(Lower *l, const Direct *d, const Tile *tile, const Sums *sums, const Ix *block,
                          const Ix *word) {
  const Ix at[2] = {*word + 0, *word + 1};
  Val x[2], w[2][2];
  for (int u = 0; u < 2; u++) x[u] = window_word(l, tile, &at[u], 0, u);
  for (int u = 0; u < 2; u++)
    for (int i = 0; i < 2; i++) w[u][i] = dsp_direct_weight_word(l, d, tile, block, &at[u], i);
  for (int u = 0; u < 2; u++)
    for (int i = 0; i < 2; i++) dsp_direct_multiply(l, tile, sums, i, w[u][i], &x[u]);
}

/* The stored value of pixel p and filter i of the block. */
static Val dsp_direct_finished(Lower *l, const Direct *d, const Sums *sums, const Ix *block, int i, int p,
                               const DspSteps *steps) {
  enum { WHOLE = 8 };
  Nest *b = l->b;
  const Ix f = *block * FILTERS + i;
  const Val own = nest_get(b, nest_at(b, sums->own, p, i / 2)),
            mix = nest_get(b, nest_at(b, sums->mix, p, i / 2));
  DspFinish finish = d->finish;
  finish.doubled = i % 2 && finish.quick && finish.rounding == ROUNDING_DOUBLE;
  const Val sum =
      i % 2 ? nest_primitive(b, &primitive_rest256, mix, own, num_i32(b, finish.doubled ? WHOLE - 1 : WHOLE))
            : own;
  return finish.quick ? dsp_stepped(l, &finish, steps, sum) : dsp_finished(l, &finish, sum, &f);
}

static void store_filter(Lower *l, const Direct *d, const Tile *tile, const Sums *sums, const Ix *block,
                         int i, const Val shift[2]) {
  const Ix pair = *block * (FILTERS / 2) + i / 2, f = *block * FILTERS + i;
  DspSteps steps = {NULL, NULL, NULL};
  if (d->finish.quick) steps = dsp_pair_steps(l, &d->finish, &pair, i % 2, shift);
  for (int p = 0; p < tile->pixels; p++) {
    const Ix y = *tile->y * d->phases[0] + tile->block->phase[0],
             x = (*tile->x + p) * d->phases[1] + tile->block->phase[1];
    lower_store(l, dsp_direct_finished(l, d, sums, block, i, p, &steps), &y, &x, &f, 1, 1);
  }
}

/* Loads the shifts of the filters i of a block with from <= i < to. These filters belong to one pair. */
static void load_shifts(Lower *l, const Direct *d, const Ix *block, int from, int to, Val shift[2]) {
  const Ix pair = *block * (FILTERS / 2) + from / 2;
  if (d->finish.quick) dsp_pair_shifts(l, &d->finish, &pair, from % 2, from % 2 + to - from, shift);
}

/* Requantizes and stores the sums. The last block may have fewer filters than the others, but uses the same
 * code, because the code is long. */
static void dsp_direct_store_sums(Lower *l, const Direct *d, const Tile *tile, const Sums *sums,
                                  const Ix *block) {
  Nest *b = l->b;
  const int64_t filters = d->k.small.c, rest = filters % FILTERS;
  const int always = rest ? (int)rest : FILTERS, most = (int)smaller(filters, FILTERS);
  Val shift[2];
  for (int i = 0; i < always; i++) {
    if (i % 2 == 0) load_shifts(l, d, block, i, i + 1 < always ? i + 2 : i + 1, shift);
    store_filter(l, d, tile, sums, block, i, shift);
  }
  for (int i = always; i < most; i++) {
    const Ix f = *block * FILTERS + i;
    NEST_IF(b, nest_below(b, f, filters)) {
      load_shifts(l, d, block, i, i + 1, shift);
      store_filter(l, d, tile, sums, block, i, shift);
    }
  }
}

/* The number of words in an iteration of the inner loop. A layer with a single pixel has less work per word,
 * so its loop is unrolled further. */
static int64_t words_together(const Direct *d) {
  if (d->k.small.h * d->k.small.w * d->phases[0] * d->phases[1] == 1)
    for (int64_t words = MOST_TOGETHER; words > MANY_WORDS; words -= 2)
      if (d->words % words == 0) return words;
  return d->words % MANY_WORDS ? WORDS : MANY_WORDS;
}

static void block_nest(Lower *l, const Direct *d, const Tile *tile) {
  Nest *b = l->b;
  const Ix *block = &tile->block->of_phase, *weights = &tile->block->of_all;
  const int64_t dims[2] = {tile->pixels, 2}, words = words_together(d), rest = d->words % words,
                most = d->words - rest;
  const Sums sums = {nest_buf(b, REGS, "own", (Type){I32, 1}, 2, dims),
                     nest_buf(b, REGS, "mix", (Type){I32, 1}, 2, dims)};
  for (int p = 0; p < tile->pixels; p++)
    for (int i = 0; i < 2; i++) {
      nest_store(b, nest_at(b, sums.own, p, i),
                 nest_load(b, nest_at(b, d->start, *block * FILTERS + 2 * i), 1));
      nest_store(b, nest_at(b, sums.mix, p, i),
                 nest_load(b, nest_at(b, d->start, *block * FILTERS + 2 * i + 1), 1));
    }
  const int step = tile->pixels == 1 ? 2 : 1; /* number of words per call below */
  NEST_FOR(b, k, most / words)
    for (int u = 0; u < words; u += step) {
      const Ix word = k * words + u;
      (step == 2 ? add_two_words : dsp_direct_add_word)(l, d, tile, &sums, weights, &word);
    }
  for (int64_t u = 0; u < rest; u++) {
    const Ix none = {0}, word = none + most + u;
    dsp_direct_add_word(l, d, tile, &sums, weights, &word);
  }
  dsp_direct_store_sums(l, d, tile, &sums, block);
}

/* Adjacent tiles of row y that share a copy of the weights. x: the first pixel of the first tile. */
typedef struct Group {
  int64_t tiles;
  int pixels; /* number of pixels of a tile */
  Buf *window;
  const Ix *y, *x;
} Group;

static Buf *copied_weights(Lower *l, const Direct *d, const Ix *block) {
  Nest *b = l->b;
  Buf *copy = nest_buf(b, STACK, "copy", (Type){I32, 1}, 2, (int64_t[]){d->words, 2});
  NEST_FOR(b, k, d->words / 2)
    for (int u = 0; u < 4; u++) {
      const Ix word = k * 2 + u / 2;
      nest_store(b, nest_at(b, copy, word, u % 2),
                 nest_load(b, nest_at(b, d->weight, *block, word, u % 2), 1));
    }
  return copy;
}

static void block_of_group(Lower *l, const Direct *d, const Group *g, const Block *block) {
  Nest *b = l->b;
  Tile tile = {.pixels = g->pixels, .window = g->window, .y = g->y, .block = block};
  if (g->tiles > 1) tile.weight = copied_weights(l, d, &block->of_all);
  NEST_FOR(b, t, g->tiles) {
    const Ix x = *g->x + t * g->pixels;
    tile.at = &t;
    tile.x = &x;
    block_nest(l, d, &tile);
  }
}

static void group_nest(Lower *l, const Direct *d, Group *g) {
  Nest *b = l->b;
  g->window = nest_buf(b, STACK, "window", (Type){I32, 1}, 3, (int64_t[]){g->tiles, d->words, g->pixels});
  NEST_FOR(b, t, g->tiles) {
    const Ix x = *g->x + t * g->pixels;
    const Tile tile = {.pixels = g->pixels, .window = g->window, .at = &t, .y = g->y, .x = &x};
    for (int p = 0; p < g->pixels; p++) (d->by_rows ? gather_rows : gather_taps)(l, d, &tile, p);
  }
  NEST_FOR(b, py, d->phases[0])
    NEST_FOR(b, px, d->phases[1])
      NEST_FOR(b, block, d->blocks) {
        const Ix phase = py * d->phases[1] + px;
        block_of_group(l, d, g, &(Block){block, phase * d->blocks + block, {py, px}});
      }
}

/* ---- the layer ---- */
static void rows_of_elements(Buf *buf) {
  int64_t *dim = buf->dim + buf->leads, *room = buf->room + buf->leads;
  room[2] = dim[2] *= dim[1];
  room[1] = dim[1] = 1;
}

static void pixels_side_by_side(Buf *buf) {
  int64_t *dim = buf->dim + buf->leads, *room = buf->room + buf->leads;
  room[1] = dim[1] *= dim[0];
  room[0] = dim[0] = 1;
}

static bool dsp_direct_build(Lower *l) {
  Direct d = direct_of(l->node);
  Nest *b = l->b;
  d.small = l->choice.small;
  dsp_direct_make_constants(l, &d);
  choose_together(l, &d);
  if (d.pointwise) {
    pixels_side_by_side(l->in[0]);
    pixels_side_by_side(l->out);
  }
  if (d.by_rows) rows_of_elements(l->in[0]);
  lower_about(l, "int8, two pixels x four filters, rounding %s%s", rounding_name(d.finish.rounding),
              d.finish.quick || d.finish.rounding == ROUNDING_FLOAT ? "" : ", 64-bit");
  if (d.together > 1)
    lower_about(l, "weights are copied to the stack, once per %d pixels", (int)(2 * d.together));
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, d.k.small.h) {
    NEST_FOR(b, group, d.k.small.w / 2 / d.together) {
      const Ix x = group * (2 * d.together);
      group_nest(l, &d, &(Group){.tiles = d.together, .pixels = 2, .y = &y, .x = &x});
    }
    const Ix none = {0}, x = none + d.k.small.w - 1;
    if (d.k.small.w % 2) group_nest(l, &d, &(Group){.tiles = 1, .pixels = 1, .y = &y, .x = &x});
  }
  return true;
}

static bool dsp_direct_takes(const Lower *l) {
  if (dsp_takes_gates(l)) return int8_geometry(l->node).groups == 1;
  if (!dsp_takes(l) || l->node->op == &op_int8_combine) return false;
  return l->node->op == &op_int8_transposed || (!helium_takes(l) && int8_geometry(l->node).groups == 1);
}

static const char *dsp_direct_refused(const Lower *l, const Choice *choice) {
  return dsp_form_refused(l, choice->small, dsp_direct_form_refused);
}

const Schedule schedule_dsp_direct = {.name = "two pixels, 4 filters",
                                      .tuning_name = "direct",
                                      .families = FAMILY_BIT(FAMILY_INT8),
                                      .takes = dsp_direct_takes,
                                      .sizes = dsp_forms,
                                      .title = dsp_form_title,
                                      .refused = dsp_direct_refused,
                                      .cycles = dsp_direct_cycles,
                                      .build = dsp_direct_build,
                                      .small = dsp_form_small};
