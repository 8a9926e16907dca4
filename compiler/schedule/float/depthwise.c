// depthwise.c: Depthwise convolution and its gradients: vectors run over the channels.
// SPDX-License-Identifier: Apache-2.0
//
// A tile has a few pixels of one or two rows, for one vector of channels. Its sums stay in registers. An
// input that several outputs of the tile use is loaded once. The same code computes tiles at the edges and
// other tiles. It tests input rows and columns that may be outside the image. It does not store the second
// row of a tile if the image has no such row. One block of channels is processed for the whole image before
// the next block. So input rows that several tiles read are in the L1 cache. A layer with a
// multiplier above 1 is computed as a convolution with groups (conv_direct.c, conv_groups.c). In bf16, words
// are multiplied if the CPU multiplies a vector of words as fast as a vector of floats; a word has a number
// of one row and a number of the next row.
//
// Example: `x: 28x28x16 -> depthwise(3x3, pad=same)` --target=x86-64-v3, lines 5-14 of depthwise1_tile_2x4:
//
//     const v8 bias_2 = LOAD(v8, bias[8*v]);
//     UNROLL for (int q = 0; q < 2; q++)
//       UNROLL for (int p = 0; p < 4; p++)
//         a[q][p] = bias_2;
//     UNROLL for (int r = 0; r < 4; r++)
//       if (0 <= y + r - 1 && y + r - 1 < 28) {
//         v8 w[2][3];
//         UNROLL for (int q = 0; q < 2; q++) {
//           UNROLL for (int tx = 0; tx < 3; tx++)
//             w[q][tx] = (v8){0};
#include <math.h>
#include "base/number.h"
#include "kernel/walk.h"
#include "graph/bf16.h"
#include "nest/primitive.h"
#include "schedule/float/direct.h"

#ifdef __wasi__ /* the browser build has no bf16 */
enum { MOST_HALVES = 1 };
#else
enum { MOST_HALVES = 2 };
#endif
enum { MOST_PHASES = 9, MOST_UNROLLED = 9, SUMS_APART = 4 };

typedef struct Depthwise {
  Lower *l;
  Correlation k;
  int lanes;
  int halves;     /* 2: words with the bf16 numbers of two rows are multiplied, and a vector has two halves of
                     `lanes` channels; otherwise 1 */
  int64_t unit;   /* number of channels of a vector: lanes * halves */
  int64_t paired; /* the weights of the first `paired` channels are in `words` */
  Buf *w, *bias;  /* w[ky][kx][channel - paired] and bias[channel], padded to whole vectors */
  Buf *words; /* [1 + ky][kx][half][channel]: for ky from -1 on, words of the weights in rows ky and ky + 1 of
                 the kernel; weights outside the kernel are 0. Half h has the channels 4h to 4h + 3 of each
                 block of 8 channels */
} Depthwise;

/* Whether words are multiplied that have a number of one row and a number of the next row. With 3x3 weights,
 * 6 instructions then compute the 9 products of an output, and bf16 numbers need no conversion. Words are not
 * used if the net processes a stream (l->steps): the row before the first row of the stream may contain
 * infinity. A word would multiply infinity by 0, and the resulting NaN would be added to the sums of the
 * first row. */
static bool depthwise_pairs(const Lower *l) {
  static const double AS_FAST =
      2; /* Target.dots of a CPU that multiplies as many words as floats per cycle */
  return MOST_HALVES > 1 && l->target->dots >= AS_FAST && node_is_bf16(l->node) &&
         l->in[0]->type.elem == BF16 && l->images <= 1 && !l->steps;
}

static int64_t paired_channels(const Depthwise *d) { return MOST_HALVES > 1 ? d->paired : 0; }

static Val packed_tap(const Depthwise *d, Pack *pack, const Ix *ky, const Ix *kx, const Ix *c) {
  Ix index[4];
  const Ix none = {0};
  const int rank = correlation_weight_index(&d->k, index, c, &none, ky, kx);
  return lower_packed_weight(d->l, pack, rank, index, c, c);
}

static Buf *depthwise_pack_words(const Depthwise *d) {
  const Correlation *k = &d->k;
  Pack *pack =
      lower_pack_weights(d->l, "words", 4, (int64_t[]){k->kernel[0] + 1, k->kernel[1], 2, d->paired});
  Nest *b = pack->nest;
  NEST_FOR(b, first, k->kernel[0] + 1)
    NEST_FOR(b, kx, k->kernel[1])
      for (int h = 0; h < 2; h++)
        NEST_FOR(b, block, d->paired / 8) /* interleave_halves separates channels 0-3 and 4-7 */
          for (int i = 0; i < 8; i++) {
            const Ix ky = first + (i % 2 - 1), c = block * 8 + (4 * h + i / 2);
            nest_store(
                b, nest_at(b, pack->out, first, kx, h, block * 8 + i),
                pick(b, nest_within(b, ky, 0, k->kernel[0]), packed_tap(d, pack, &ky, &kx, &c), num(b, 0)));
          }
  return lower_pack_done(d->l, pack);
}

static Buf *depthwise_pack_weights(const Depthwise *d, int64_t padded) {
  const Correlation *k = &d->k;
  const int64_t paired = paired_channels(d), n = k->groups - paired;
  Pack *pack =
      lower_pack_weights(d->l, "weight", 3, (int64_t[]){k->kernel[0], k->kernel[1], padded - paired});
  Nest *b = pack->nest;
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, k->kernel[1]) {
      NEST_FOR(b, i, n) {
        const Ix c = i + paired;
        nest_store(b, nest_at(b, pack->out, ky, kx, i), packed_tap(d, pack, &ky, &kx, &c));
      }
      if (padded > k->groups)
        NEST_FROM(b, i, n, padded - paired) nest_store(b, nest_at(b, pack->out, ky, kx, i), num(b, 0));
    }
  return lower_pack_done(d->l, pack);
}

static Depthwise depthwise_begin(Lower *l, bool spread) {
  Depthwise d = {.l = l, .k = correlation_of(l->node)};
  const Correlation *k = &d.k;
  const int64_t unit = direct_unit(l, k->groups), padded = (k->groups + unit - 1) / unit * unit;
  d.lanes = l->target->lanes < unit ? l->target->lanes : (int)unit;
  d.halves = !spread && depthwise_pairs(l) && k->groups >= 2 * d.lanes ? 2 : 1;
  d.unit = d.lanes * d.halves;
  if (MOST_HALVES > 1 && d.halves > 1) {
    d.paired = k->groups / d.unit * d.unit;
    d.words = depthwise_pack_words(&d);
  }
  if (paired_channels(&d) < k->groups) d.w = depthwise_pack_weights(&d, padded);
  d.bias = correlation_bias(l, k, spread, padded);
  return d;
}

/* ---- a tile: some pixels, for the channels of a block ---- */
typedef struct Tile {
  const Depthwise *d;
  const Axis *y, *x;
  int lines, pixels;   /* size of the tile: number of rows of outputs; number of outputs per row */
  int64_t first, last; /* start of the first and of the last tile along a row */
  /* vectors of channels: the first vector of the first block, and the number per block */
  int64_t vector, each;
  int64_t blocks;
  bool part; /* the tile includes the channels that fill no vector; in that case there is one block */
} Tile;
typedef struct TileArgs {
  Ix y, x0, block;
} TileArgs;
typedef struct Channels {
  const Ix *c;
  int part, lanes, halves;
} Channels; /* a vector of channels. c: the first channel; part: number of channels in each half; lanes:
               number of lanes; halves: 2 if lanes hold words (numbers of two rows), otherwise 1 */

/* The taps first .. first+n-1 of a row of the kernel, which read row r of the tile's inputs. y: the index of
 * that input row in the image. With words, also the taps of the kernel's next row, which read the image's row
 * `next`. w: the weights of these taps, for each row of outputs that reads the inputs. */
typedef struct Taps {
  Ix y, next, r, first;
  int64_t n;
  Buf *w;
} Taps;

static int halves_of(const Channels *v) { return MOST_HALVES > 1 ? v->halves : 1; }

/* Whether row q of outputs reads row taps->r of the inputs or, with words, row taps->r or the next row. */
static Cond sees(Nest *b, const Tile *t, const Channels *v, const Taps *taps, const Ix *q) {
  return nest_within(b, taps->r - *q * t->y->in_step, 1 - halves_of(v), t->y->taps);
}

/* Registers [n][m] or, with two halves, [n][m][half]. */
static Buf *registers_by_half(Nest *b, const char *name, Elem elem, const Channels *v, int64_t n, int64_t m) {
  return nest_buf(b, REGS, name, (Type){elem, v->lanes}, halves_of(v) > 1 ? 3 : 2,
                  (int64_t[]){n, m, halves_of(v)});
}
static Ref half_at(Nest *b, Buf *buf, const Ix *i, const Ix *j, int h) {
  return MOST_HALVES == 1 || buf->rank == 2 ? nest_at(b, buf, *i, *j) : nest_at(b, buf, *i, *j, h);
}

static Val no_weight(Nest *b, const Channels *v) { return halves_of(v) > 1 ? num_i32(b, 0) : num(b, 0); }

/* Loads the weights of tap (ky, kx); with words, of the taps (ky, kx) and (ky + 1, kx). */
static void load_tap(Nest *b, const Tile *t, const Channels *v, const Taps *taps, const Ix *q, const Ix *tx,
                     const Ix *ky, const Ix *kx) {
  for (int h = 0; h < halves_of(v); h++)
    nest_store(b, half_at(b, taps->w, q, tx, h),
               halves_of(v) > 1
                   ? nest_load_pairs(b, nest_at(b, t->d->words, *ky + 1, *kx, h, *v->c), v->lanes)
                   : nest_load(b, nest_at(b, t->d->w, *ky, *kx, *v->c - paired_channels(t->d)), v->lanes));
}

/* Sets the upper or the lower half of all words of weights to 0. */
static void clear_halves(Nest *b, const Tile *t, const Channels *v, const Taps *taps, bool upper) {
  const Val zero = splat(num_i32(b, 0), v->lanes);
  NEST_UNROLL(b, q, t->lines)
    NEST_UNROLL(b, tx, taps->n)
      for (int h = 0; h < 2; h++) {
        const Ref w = half_at(b, taps->w, &q, &tx, h);
        nest_store(b, w,
                   upper ? nest_primitive(b, &primitive_low_halves, nest_get(b, w), zero, NULL)
                         : nest_primitive(b, &primitive_high_halves, zero, nest_get(b, w), NULL));
      }
}

/* Sets the weights for input rows outside the image to 0, because other rows are loaded in their place
 * (pairs_of_rows). */
static void clear_outside(Nest *b, const Tile *t, const TileArgs *a, const Channels *v, const Taps *taps) {
  const Axis *y = t->y;
  const Ix iy = y->in_first + a->y * y->in_step + taps->r * y->tap_step;
  if (axis_before(y, 0))
    NEST_IF(b, nest_below(b, iy, 0)) clear_halves(b, t, v, taps, false);
  if (axis_behind(y, y->count - 1))
    NEST_IF(b, nest_at_least(b, iy + y->tap_step, y->in_size)) clear_halves(b, t, v, taps, true);
}

/* Loads the weights of the taps. If a row of outputs does not read the input row of the taps, its weights are
 * zeros. */
static void depthwise_load_weights(Nest *b, const Tile *t, const Channels *v, const Taps *taps) {
  const Axis *y = t->y, *x = t->x;
  NEST_UNROLL(b, q, t->lines) {
    if (t->lines > 1)
      NEST_UNROLL(b, tx, taps->n)
        for (int h = 0; h < halves_of(v); h++)
          nest_store(b, half_at(b, taps->w, &q, &tx, h), no_weight(b, v));
    NEST_IF(b, sees(b, t, v, taps, &q))
      NEST_UNROLL(b, tx, taps->n) {
        const Ix ky = y->tap_first + (taps->r - q * y->in_step) * y->tap_stride,
                 kx = x->tap_first + (taps->first + tx) * x->tap_stride;
        load_tap(b, t, v, taps, &q, &tx, &ky, &kx);
      }
  }
}

/* The inputs that a tile reads in one row. At tap k, pixel p reads the input with index p * in_step + k *
 * tap_step. One loop runs over p, another over k; the loop with the larger step is called `outer`. If several
 * pixels read an input, it is loaded once: the generated loop runs over the inputs, and for each input, a
 * loop over `outer` finds the pixels that read it. */
typedef struct Inputs {
  bool taps_outer;
  int64_t outer, outer_step, inner, inner_step; /* numbers of iterations, and steps, of both loops */
  int64_t count;                                /* number of inputs from the first to the last */
  bool shared;                                  /* several pixels read the same input */
} Inputs;

static Inputs inputs_of(const Tile *t, const Taps *taps) {
  const Axis *x = t->x;
  Inputs n = {.taps_outer = x->tap_step > x->in_step || (x->tap_step == x->in_step && taps->n < t->pixels)};
  n.outer = n.taps_outer ? taps->n : t->pixels;
  n.inner = n.taps_outer ? t->pixels : taps->n;
  n.outer_step = larger(x->in_step, x->tap_step);
  n.inner_step = smaller(x->in_step, x->tap_step);
  n.count = (n.outer - 1) * n.outer_step + (n.inner - 1) * n.inner_step + 1;
  n.shared = n.inner_step == 1 && n.outer_step < n.inner;
  return n;
}

static void depthwise_product(Nest *b, const Channels *v, const Taps *taps, Buf *acc, const Val *in,
                              const Inputs *n, int q, const Ix *outer, const Ix *inner) {
  const Ix *pixel = n->taps_outer ? inner : outer, *tap = n->taps_outer ? outer : inner;
  for (int h = 0; h < halves_of(v); h++) {
    const Ref sum = half_at(b, acc, NEST_IX(q), pixel, h);
    const Val w = nest_get(b, half_at(b, taps->w, NEST_IX(q), tap, h));
    if (halves_of(v) > 1) nest_store(b, sum, dot_bf16(in[h], w, nest_get(b, sum)));
    else nest_accumulate(b, sum, in[h], w);
  }
}

/* Adds the products of an input. The loop over the rows of outputs is unrolled here, because compilers would
 * need more time for a generated loop. */
static void products(Nest *b, const Tile *t, const Channels *v, Buf *acc, const Taps *taps, const Val *in,
                     const Inputs *n, const Ix *i, const Ix *j) {
  for (int q = 0; q < t->lines; q++)
    NEST_IF(b, sees(b, t, v, taps, NEST_IX(q))) {
      if (!n->shared) depthwise_product(b, v, taps, acc, in, n, q, i, j);
      else
        NEST_UNROLL(b, k, n->outer) {
          const Ix inner = *i - k * n->outer_step;
          NEST_IF(b, nest_within(b, inner, 0, n->inner))
            depthwise_product(b, v, taps, acc, in, n, q, &k, &inner);
        }
    }
}

/* The conditions that an input is inside the image, at the left and at the right border. Tests that are true
 * for all tiles are omitted. */
typedef struct Borders {
  Cond left, right;
} Borders;

static Borders borders(Nest *b, const Tile *t, const Taps *taps, int64_t count, const Ix *input,
                       const Ix *ix) {
  const Axis *x = t->x;
  const int64_t inside = -x->in_first - t->first * x->in_step,
                outside = x->in_size - x->in_first - t->last * x->in_step;
  if (taps->n < x->taps || t->first == t->last)
    return (Borders){nest_within(b, *ix, 0, x->in_size), nest_always(b)};
  Borders borders = {nest_at_least(b, *ix, 0), nest_below(b, *ix, x->in_size)};
  if (inside > 0) borders.left = cond_or(nest_at_least(b, *input, inside), borders.left);
  if (outside < count) borders.right = cond_or(nest_below(b, *input, outside), borders.right);
  return borders;
}

/* Loads an input or, with words, the inputs of two rows, interleaved. */
static void depthwise_inputs(Nest *b, const Tile *t, const Channels *v, const Taps *taps, const Ix *ix,
                             Val in[MOST_HALVES]) {
  Buf *source = t->d->l->in[0];
  if (halves_of(v) == 1) {
    in[0] = nest_let(b, "x", walk_load(t->d->l, source, &taps->y, ix, v->c, v->part, v->lanes));
    return;
  }
  const Val x = nest_let(b, "x", nest_load_pairs(b, nest_at(b, source, taps->y, *ix, *v->c), v->lanes)),
            next =
                nest_let(b, "next", nest_load_pairs(b, nest_at(b, source, taps->next, *ix, *v->c), v->lanes));
  for (int h = 0; h < halves_of(v); h++)
    in[h] = nest_let(b, h ? "high" : "low", interleave_halves(x, next, h));
}

static void depthwise_columns(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Channels *v,
                              const Taps *taps) {
  const Axis *x = t->x;
  const Inputs n = inputs_of(t, taps);
  const int64_t start = x->in_first + t->first * x->in_step;
  const bool one_tile = taps->n == x->taps && t->first == t->last;
  int64_t from = 0, to = n.shared ? n.count : n.outer;
  if (n.shared && one_tile) { /* the loop skips inputs in the padding */
    from = smaller(larger(0, -start), to);
    to = larger(from, smaller(to, x->in_size - start));
  }
  depthwise_load_weights(b, t, v, taps);
  if (halves_of(v) > 1) clear_outside(b, t, a, v, taps);
  NEST_LOOP(b, i, UNROLLED, 1, NEST_IX(from), 1, NEST_IX(to))
    NEST_UNROLL(b, j, n.shared ? 1 : n.inner) {
      const Ix input = n.shared ? i : i * n.outer_step + j * n.inner_step,
               ix = x->in_first + a->x0 * x->in_step + taps->first * x->tap_step + input;
      const Borders in = borders(b, t, taps, n.count, &input, &ix);
      NEST_IF(b, in.left)
        NEST_IF(b, in.right) {
          Val value[MOST_HALVES];
          depthwise_inputs(b, t, v, taps, &ix, value);
          products(b, t, v, acc, taps, value, &n, &i, &j);
        }
    }
}

static void row_of_taps(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Channels *v, Taps taps) {
  const int64_t all = t->x->taps, most = ceil_divide(all, ceil_divide(all, MOST_UNROLLED)), rest = all % most;
  taps.w = registers_by_half(b, "w", halves_of(v) > 1 ? I32 : F32, v, t->lines, most);
  taps.n = most;
  NEST_FOR(b, piece, all / most) {
    taps.first = piece * most;
    depthwise_columns(b, t, a, acc, v, &taps);
  }
  taps.n = rest;
  taps.first = NEST_Z + (all - rest);
  if (rest) depthwise_columns(b, t, a, acc, v, &taps);
}

static bool unrolled(const Tile *t) {
  return t->lines * t->pixels * t->d->halves * t->y->taps * t->x->taps <=
         t->d->l->target->blocking.depthwise_sums;
}

/* Adds the products of words, each with numbers of two adjacent rows. A row outside the image is replaced by
 * the nearest row inside. */
static void pairs_of_rows(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Channels *v,
                          int64_t seen) {
  const Axis *y = t->y;
  NEST_LOOP(b, pair, unrolled(t) ? UNROLLED : SERIAL, 1, NEST_IX(0), 1, NEST_IX(ceil_divide(seen, 2))) {
    const Ix r = pair * 2, iy = y->in_first + a->y * y->in_step + r * y->tap_step, next = iy + y->tap_step;
    NEST_IF(b, cond_and(nest_at_least(b, next, 0), nest_below(b, iy, y->in_size)))
      NEST_CHOSEN(b, row, nest_index_value(b, iy), 0, y->in_size) {
        NEST_CHOSEN(b, next_row, nest_index_value(b, next), 0, y->in_size) {
          row_of_taps(b, t, a, acc, v, (Taps){.y = row, .next = next_row, .r = r});
        }
      }
  }
}

static void all_taps(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Channels *v) {
  const Axis *y = t->y;
  const int64_t seen = (t->lines - 1) * y->in_step + y->taps;
  if (halves_of(v) > 1) {
    pairs_of_rows(b, t, a, acc, v, seen);
    return;
  }
  for (const Ix r = *(unrolled(t) ? nest_loop(b, "r", UNROLLED, 1, NEST_IX(0), 1, NEST_IX(seen))
                                  : axis_taps(b, "r", y, &a->y));
       nest_enter(b);) {
    const Ix iy = y->in_first + a->y * y->in_step + r * y->tap_step;
    NEST_IF(b, nest_within(b, iy, 0, y->in_size)) row_of_taps(b, t, a, acc, v, (Taps){.y = iy, .r = r});
  }
}

/* The finished sums of half h of the channels. With words, the sums in `acc` are in the order of
 * interleave_halves and do not include the bias: this function restores the order of the channels, and adds
 * the bias. */
static Val half_of_sums(Nest *b, const Tile *t, Buf *acc, const Channels *v, const Ix *q, const Ix *p,
                        int h) {
  enum { MOST_LANES = 64 };
  const Val low = nest_get(b, half_at(b, acc, q, p, 0));
  if (halves_of(v) == 1) return low;
  int lane[MOST_LANES];
  for (int i = 0; i < v->lanes; i++) { /* the last four channels of each block of eight are in half 1 */
    const int c = h * v->lanes + i;
    lane[i] = c % 8 / 4 * v->lanes + c / 8 * 4 + c % 4;
  }
  const Val sum = shuffle(low, nest_get(b, half_at(b, acc, q, p, 1)), v->lanes, lane);
  const Buf *bias = t->d->bias;
  return bias ? add(sum, nest_load(b, nest_at(b, t->d->bias, *v->c + h * v->lanes), v->lanes)) : sum;
}

/* Stores the outputs. If the fused nodes need tens of instructions, the sums are copied to memory, and a loop
 * computes the fused nodes. */
static void store_tile(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Channels *v) {
  Lower *l = t->d->l;
  Buf *sum = NULL;
  const bool loop =
      t->lines * t->pixels > 1 && lower_costly(l, nest_get(b, half_at(b, acc, NEST_IX(0), NEST_IX(0), 0)));
  if (loop) {
    sum = registers_by_half(b, "sum", F32, v, t->lines, t->pixels);
    NEST_UNROLL(b, q, t->lines)
      NEST_UNROLL(b, p, t->pixels)
        for (int h = 0; h < halves_of(v); h++)
          nest_store(b, half_at(b, sum, &q, &p, h), half_of_sums(b, t, acc, v, &q, &p, h));
  }
  const LoopKind kind = loop ? SERIAL : UNROLLED;
  NEST_LOOP(b, q, kind, 1, NEST_IX(0), 1, NEST_IX(t->lines))
    NEST_IF(b, nest_below(b, a->y + q, t->y->count))
      NEST_LOOP(b, p, kind, 1, NEST_IX(0), 1, NEST_IX(t->pixels))
        for (int h = 0; h < halves_of(v); h++) {
          const Ix oy = t->y->out_first + (a->y + q) * t->y->out_step,
                   ox = t->x->out_first + (a->x0 + p) * t->x->out_step, c = *v->c + h * v->lanes;
          const Val value =
              loop ? nest_get(b, half_at(b, sum, &q, &p, h)) : half_of_sums(b, t, acc, v, &q, &p, h);
          lower_store(l, value, &oy, &ox, &c, v->part, v->lanes);
        }
}

static void tile_vector(Nest *b, const Tile *t, const TileArgs *a, const Channels *v) {
  const Depthwise *d = t->d;
  Buf *acc = registers_by_half(b, "a", F32, v, t->lines, t->pixels);
  const bool biased = d->bias && halves_of(v) == 1;
  Val start = biased ? nest_let(b, "bias", nest_load(b, nest_at(b, d->bias, *v->c), v->lanes)) : num(b, 0);
  NEST_UNROLL(b, q, t->lines)
    NEST_UNROLL(b, p, t->pixels)
      for (int h = 0; h < halves_of(v); h++) nest_store(b, half_at(b, acc, &q, &p, h), start);
  if (t->y->taps && t->x->taps) all_taps(b, t, a, acc, v);
  store_tile(b, t, a, acc, v);
}

/* The next narrower vector for the remaining channels. Only the last vector may have unused lanes. */
static int narrower(int lanes) { return lanes > 4 ? lanes / 2 : lanes; }
static int depthwise_part_of(int64_t rest, int lanes) { /* number of channels in the next vector if it has
                                                           `lanes` lanes; 0: a narrower vector is enough */
  return rest >= lanes || lanes <= 4 ? (int)smaller(rest, lanes) : 0;
}

typedef void VectorBody(Nest *, const Tile *, const TileArgs *, const Channels *);
static void block_vectors(Nest *b, const Tile *t, const TileArgs *a, VectorBody *body) {
  const Depthwise *d = t->d;
  if (t->each)
    NEST_FOR(b, v, t->each) {
      const Ix c = (t->vector + a->block * t->each + v) * d->unit;
      body(b, t, a, &(Channels){&c, d->lanes, d->lanes, d->halves});
    }
  int64_t c = t->part ? d->k.groups / d->unit * d->unit : d->k.groups;
  for (int lanes = d->lanes; c < d->k.groups; lanes = narrower(lanes)) {
    const int part = depthwise_part_of(d->k.groups - c, lanes);
    if (part) body(b, t, a, &(Channels){NEST_IX(c), part, lanes, 1});
    c += part;
  }
}

static NestFn *depthwise_tile_function(const Tile *t, const char *phase) {
  Nest *b = t->d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "%stile_%dx%d", phase, t->lines, t->pixels), true);
  TileArgs a = {.y = nest_arg(b, "y")};
  a.x0 = nest_arg(b, "x0");
  a.block = nest_arg(b, "block");
  block_vectors(b, t, &a, tile_vector);
  return fn;
}

/* ---- rows ---- */
/* Computes the means of rows that were just stored and are still in the first-level cache. The order of the
 * additions depends only on the width of the rows. There are several independent sums, so that no addition
 * waits for the previous addition. */
static void means_of_half(Nest *b, const Tile *t, const TileArgs *a, const Channels *v) {
  Lower *l = t->d->l;
  const int64_t width = t->d->k.small.w;
  NEST_FOR(b, q, t->lines)
    NEST_IF(b, nest_below(b, a->y + q, t->y->count)) {
      const Ix y = t->y->out_first + (a->y + q) * t->y->out_step;
      Buf *sum = NEST_REGISTERS(b, "sum", v->lanes, SUMS_APART);
      NEST_UNROLL(b, i, SUMS_APART) nest_store(b, nest_at(b, sum, i), num(b, 0));
      for (int64_t x0 = 0, n = SUMS_APART; x0 < width; x0 += (width - x0) / n * n) {
        n = smaller(n, width - x0);
        NEST_FOR(b, x, (width - x0) / n)
          NEST_UNROLL(b, i, n) {
            Val value = walk_load(l, l->out, &y, NEST_IX(x0 + x * n + i), v->c, v->part, v->lanes);
            nest_store(b, nest_at(b, sum, i), add(nest_get(b, nest_at(b, sum, i)), value));
          }
      }
      Val total = nest_get(b, nest_at(b, sum, 0));
      for (int i = 1; i < SUMS_APART; i++) total = add(total, nest_get(b, nest_at(b, sum, i)));
      walk_put(l, l->means, mul(total, num(b, 1.0 / (double)width)), &y, NEST_IX(0), v->c, v->part, v->lanes);
    }
}

static void means_of_rows(Nest *b, const Tile *t, const TileArgs *a, const Channels *v) {
  for (int h = 0; h < halves_of(v); h++)
    means_of_half(b, t, a, &(Channels){NEST_IX(*v->c + h * v->lanes), v->part, v->lanes, 1});
}

/* Number of vectors in a block: if possible, a divisor of `vectors` that is close to `most`. */
static int64_t depthwise_block_of(int64_t vectors, int64_t most) {
  if (vectors <= most) return vectors;
  for (int64_t each = most; each > most / 2; each--)
    if (vectors % each == 0) return each;
  for (int64_t each = most + 1; each <= 2 * most; each++)
    if (vectors % each == 0) return each;
  return most;
}

/* A tile, and the function that computes a row of such tiles for one block of channels. A phase has Rows for
 * whole blocks, and may have Rows for the remaining channels. */
typedef struct Rows {
  Tile tile;
  NestFn *fn;
} Rows;
typedef struct Plan {
  Axis y, x;
  int n;
  Rows rows[2];
} Plan;

/* Creates the function that computes a row of tiles for the channels of a block. */
static NestFn *rows_function(const Tile *tile, const char *phase) {
  Nest *b = tile->d->l->b;
  Tile t = *tile;
  const int64_t whole = t.x->count / t.pixels, rest = t.x->count % t.pixels;
  t.last = (whole - 1) * t.pixels;
  NestFn *body = depthwise_tile_function(&t, phase), *last = NULL;
  if (rest) {
    t.first = t.last = whole * t.pixels;
    t.pixels = (int)rest;
    last = depthwise_tile_function(&t, nest_text(b, "%slast_", phase));
  }
  NestFn *fn = nest_fn(b, nest_text(b, "%srows", phase), false);
  TileArgs a = {.y = nest_arg(b, "y")};
  a.block = nest_arg(b, "block");
  if (whole == 1) nest_call(b, body, a.y, 0, a.block);
  else
    NEST_FOR(b, i, whole) nest_call(b, body, a.y, i * tile->pixels, a.block);
  if (rest) nest_call(b, last, a.y, whole * tile->pixels, a.block);
  if (t.d->l->means) block_vectors(b, &t, &a, means_of_rows);
  return fn;
}

static void plan_rows(const Depthwise *d, Plan *plan, const char *phase) {
  enum { BLOCK_BYTES = 512 };
  const Axis *y = &plan->y, *x = &plan->x;
  const int64_t vectors = d->k.groups / d->unit,
                tiles = ceil_divide(x->count, d->l->target->blocking.depthwise_pixels / d->halves);
  Tile t = {.d = d, .y = y, .x = x, .lines = 2, .pixels = (int)ceil_divide(x->count, tiles)};
  /* Whether two adjacent rows of outputs read common rows of inputs. */
  const bool shared = y->count > 1 && y->tap_step == 1 && y->taps > y->in_step;
  if (!shared || !unrolled(&t)) t.lines = 1;
  t.each = depthwise_block_of(vectors, larger(BLOCK_BYTES / (4 * d->unit), 1));
  t.blocks = t.each ? vectors / t.each : 1;
  const int64_t left = d->k.groups - t.blocks * t.each * d->unit;
  t.part = t.blocks == 1;
  plan->rows[plan->n++] = (Rows){t, rows_function(&t, phase)};
  if (t.part || !left) return;
  t.vector = t.blocks * t.each;
  t.each = vectors - t.vector;
  t.blocks = 1;
  t.part = true;
  plan->rows[plan->n++] = (Rows){t, rows_function(&t, nest_text(d->l->b, "%srest_", phase))};
}

static void depthwise_all_rows(const Depthwise *d, const Plan *plan) {
  Nest *b = d->l->b;
  for (const Rows *r = plan->rows; r < plan->rows + plan->n; r++)
    NEST_FOR(b, block, r->tile.blocks)
      NEST_LOOP(b, y, schedule_outer(d->l, correlation_macs(&d->k)), 1, NEST_IX(0), 1,
                NEST_IX(ceil_divide(plan->y.count, r->tile.lines)))
        nest_call(b, r->fn, y * r->tile.lines, block);
}

static bool depthwise_build(Lower *l) {
  const Depthwise d = depthwise_begin(l, false);
  Plan plan = {.y = axis_gathered(&d.k, 0), .x = axis_gathered(&d.k, 1)};
  plan_rows(&d, &plan, "");
  nest_fn(l->b, l->b->name, false);
  depthwise_all_rows(&d, &plan);
  lower_about(l, "tiles of %dx%d pixels x a vector of %d channels", plan.rows->tile.lines,
              plan.rows->tile.pixels, (int)d.unit);
  cost_padding_detail(l, &d.k);
  return true;
}

static bool depthwise_scatter_build(Lower *l) {
  const Correlation k = correlation_of(l->node);
  const int64_t sy = k.stride[0], sx = k.stride[1];
  if (sy * sx > MOST_PHASES) return false;
  const Depthwise d = depthwise_begin(l, true);
  Nest *b = l->b;
  Plan plan[MOST_PHASES] = {0};
  for (int64_t r = 0; r < sy * sx; r++) {
    plan[r].y = axis_phase(&k, 0, r / sx);
    plan[r].x = axis_phase(&k, 1, r % sx);
    if (plan[r].y.count && plan[r].x.count)
      plan_rows(&d, &plan[r], sy * sx > 1 ? nest_text(b, "phase%d_", (int)r) : "");
  }
  nest_fn(b, b->name, false);
  if (sy * sx > 1) direct_fill(l, l->out, NULL, d.lanes);
  for (int64_t r = 0; r < sy * sx; r++) depthwise_all_rows(&d, &plan[r]);
  lower_about(l, "%d phases; a tile is pixels of one row x a vector of %d channels", (int)(sy * sx), d.lanes);
  return true;
}

/* ---- dw[c][0][ky][kx] += sum over y, x of dy[y][x][c] * in[y*S + ky*D - P][x*S + kx*D - P][c] ---- */
/* Adds the products of the columns x of row y with run.from <= x < run.to: vectors of channels times
 * `run.count` taps of row ky, from tap `run.first` on. */
static void depthwise_add_columns(Nest *b, const Lower *l, const Correlation *k, Buf *acc, int lanes,
                                  int part, int vectors, const Ix *y, const Ix *ky, const Ix *c, TapRun run) {
  const Ix iy = *y * k->stride[0] + *ky * k->dilation[0] - k->before[0];
  if (run.from < run.to)
    NEST_FROM(b, x, run.from, run.to)
      for (int v = 0; v < vectors; v++) {
        const Ref dy = nest_at(b, l->in[1], *y, x, *c + v * lanes);
        Val d = nest_let(b, nest_text(b, "d%d", v), nest_load_part(b, dy, part, lanes));
        for (int64_t kx = run.first; kx < run.first + run.count; kx++) {
          const Ref in =
              nest_at(b, l->in[0], iy, x * k->stride[1] + kx * k->dilation[1] - k->before[1], *c + v * lanes);
          nest_accumulate(b, nest_at(b, acc, v, kx), nest_load_part(b, in, part, lanes), d);
        }
      }
}

static void add_channels(Nest *b, const Lower *l, const Correlation *k, const TapRun *column, int ncolumns,
                         const Ix *c, int lanes, int part, int vectors) {
  TapRun common = {0, k->kernel[1], 0, k->small.w}; /* columns with all taps inside the input */
  int64_t inside = 0;
  for (int i = 0; i < ncolumns; i++) {
    common.from = column[i].from > common.from ? column[i].from : common.from;
    common.to = column[i].to < common.to ? column[i].to : common.to;
    inside += column[i].count;
  }
  if (inside < k->kernel[1] || common.from >= common.to) common.from = common.to = k->small.w;
  NEST_FOR(b, ky, k->kernel[0]) {
    Buf *acc = NEST_REGISTERS(b, "a", lanes, vectors, k->kernel[1]);
    for (int v = 0; v < vectors; v++)
      NEST_UNROLL(b, kx, k->kernel[1]) nest_store(b, nest_at(b, acc, v, kx), num(b, 0));
    NEST_FOR(b, y, k->small.h)
      NEST_IF(b, nest_within(b, y * k->stride[0] + ky * k->dilation[0] - k->before[0], 0, k->large.h)) {
        depthwise_add_columns(b, l, k, acc, lanes, part, vectors, &y, &ky, c, common);
        for (int i = 0; i < ncolumns; i++) { /* the columns where only some taps are inside the input */
          TapRun before = column[i], behind = column[i];
          before.to = before.to < common.from ? before.to : common.from;
          behind.from = behind.from > common.to ? behind.from : common.to;
          depthwise_add_columns(b, l, k, acc, lanes, part, vectors, &y, &ky, c, before);
          depthwise_add_columns(b, l, k, acc, lanes, part, vectors, &y, &ky, c, behind);
        }
      }
    for (int v = 0; v < vectors; v++)
      NEST_UNROLL(b, kx, k->kernel[1]) {
        Val sum = nest_let(b, "sum", nest_get(b, nest_at(b, acc, v, kx)));
        for (int lane = 0; lane < part; lane++) {
          Ix index[4];
          const Ix none = {0}, channel = *c + v * lanes + lane;
          const Ref ref =
              nest_ref(b, l->out, correlation_weight_index(k, index, &channel, &none, &ky, &kx), index);
          nest_store(b, ref, add(lanes > 1 ? lane_at(b, sum, NEST_IX(lane)) : sum, nest_load(b, ref, 1)));
        }
      }
  }
}

static bool depthwise_weights_build(Lower *l) {
  const Correlation k = correlation_of(l->node);
  TapRun column[MOST_TAP_RUNS];
  const int ncolumns = axis_runs(&k, 1, column);
  if (ncolumns < 0 || k.kernel[1] > MOST_UNROLLED) return false;
  Nest *b = l->b;
  int lanes = l->target->lanes;
  while (lanes > 4 && lanes / 2 >= k.groups) lanes /= 2;
  const int64_t pairs = k.groups / (2 * lanes);
  nest_fn(b, b->name, false);
  if (pairs)
    NEST_FOR(b, c, pairs) add_channels(b, l, &k, column, ncolumns, NEST_IX(c * 2 * lanes), lanes, lanes, 2);
  int64_t c = pairs * 2 * lanes;
  for (int narrow = lanes; c < k.groups; narrow = narrower(narrow)) {
    const int part = depthwise_part_of(k.groups - c, narrow);
    if (part) add_channels(b, l, &k, column, ncolumns, NEST_IX(c), narrow, part, 1);
    c += part;
  }
  lower_about(l, "the taps of a row x vectors of %d channels", lanes);
  return true;
}

/* In the cost model, all channels are outputs of a single group that has one input channel. */
static Cycles depthwise_cycles(const Lower *l, const Target *target, const Choice *choice) {
  Cycles c = cost_kernel(l, target, choice);
  Correlation k = correlation_of(l->node);
  k.s = k.groups;
  k.groups = k.l = 1;
  c.products = cost_direct(target, &k, l->weight_bytes).products;
  c.total = fmax(c.products, c.memory);
  return c;
}

const Schedule schedule_depthwise = {.name = "channels apart",
                                     .families = FAMILY_BIT(FAMILY_CONV) | FAMILY_BIT(FAMILY_DEPTHWISE),
                                     .takes = takes_depthwise,
                                     .cycles = depthwise_cycles,
                                     .build = depthwise_build};

const Schedule schedule_depthwise_scatter = {.name = "channels apart",
                                             .families = FAMILY_BIT(FAMILY_CONV_SCATTER) |
                                                         FAMILY_BIT(FAMILY_DEPTHWISE_SCATTER),
                                             .takes = takes_depthwise,
                                             .cycles = depthwise_cycles,
                                             .build = depthwise_scatter_build};

const Schedule schedule_depthwise_weights = {.name = "weight gradient",
                                             .families = FAMILY_BIT(FAMILY_CONV_WEIGHTS) |
                                                         FAMILY_BIT(FAMILY_DEPTHWISE_WEIGHTS),
                                             .takes = takes_depthwise,
                                             .cycles = cost_kernel,
                                             .build = depthwise_weights_build};
