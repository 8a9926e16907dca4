// conv_direct.c: Direct convolution. Tiles read the input itself. Only two kinds of tiles can read a padded
// copy: tile registers (conv_matrix.c), and tiles for bf16 inputs with an odd number of channels
// (conv_padded.c).
// SPDX-License-Identifier: Apache-2.0
//
// A tile of PX pixels of a row times NV vectors of output channels stays in registers during the loops over
// taps and input channels. The range of ty, or a condition, excludes rows outside of the input. Only tiles at
// the left and right edge have columns outside of the input. Only these tiles test columns: in calls of other
// tiles, the flags `left` and `right` are constant zeros. Weights are packed in the order in which a tile
// reads them: in panels of one or two vectors of the widest target (with interleaved images, of up to four
// channels). The remaining channels of a group have a separate panel, padded with zeros.
//
// Example: `x: 28x28x8 -> conv(16, 3x3, stride=2)` --target=x86-64-v3, lines 8-17 of conv1_tile_5x2_body:
//
//     for (int ty = 0; ty < 3; ty++)
//       UNROLL for (int tx = 0; tx < 3; tx++) {
//         ptrdiff_t i = (2*y + ty)*224 + (2*x0 + tx)*8 + c0;
//         PIN(i);
//         for (int c = 0; c < 8; c++) {
//           const v8 w0 = LOAD(v8, weight[panel][ty][tx][c][h]);
//           const v8 w1 = LOAD(v8, weight[panel][ty][tx][c][h + 8]);
//           UNROLL for (int q = 0; q < 5 - narrow; q++) {
//             a[0][q][0] += in[i + c + 16*q] * w0;
//             a[0][q][1] += in[i + c + 16*q] * w1;
#include "base/number.h"
#include "kernel/walk.h"
#include "schedule/float/conv_tile.h"

/* ---- choices ---- */
/* Input channels per block: the largest divisor of `channels` that is at least 16 and for which a panel fits
 * in Blocking.direct_panel; `channels` if there is no such divisor. */
static int64_t choose_block(const Lower *l, int64_t channels, int64_t floats_a_channel) {
  const int64_t most = l->layout->blocking.direct_panel / 4 / floats_a_channel;
  if (channels <= most || most < 16) return channels;
  for (int64_t block = most; block >= 16; block--)
    if (channels % block == 0) return block;
  return channels;
}

static bool own_pairs(const Lower *l) {
  const Correlation k = correlation_of(l->node);
  return direct_pairs(l, &k, l->node->op->family == FAMILY_CONV_SCATTER);
}

/* The maximum number of pixels (1 to 16) of a tile whose accumulators, weights and one broadcast input fit in
 * the registers. An operand of bf16 words needs two registers, unless the target has an instruction that
 * multiplies words. */
static int most_pixels(const Lower *l, int vectors, int64_t parts) {
  const Target *t = l->target;
  const int64_t operands = (vectors + 1) * (own_pairs(l) && t->dots <= 0 ? 2 : 1) + !t->fma,
                pixels = (t->registers - operands) / (vectors * parts);
  return pixels > 16 ? 16 : pixels < 1 ? 1 : (int)pixels;
}

/* The largest tile width up to `most` that divides the row and is wide enough; if there is none, a width that
 * splits the row evenly. parts: sums per pixel and output channel. A width is wide enough if it is more than
 * half of `most`, and if a tile has more than Target.chains sums. With fewer sums, the CPU would wait for the
 * results of earlier additions. Without fused multiply-adds, Target.chains sums are enough, because a sum
 * only waits for its addition. */
static int64_t even_pixels(const Target *t, int64_t width, int vectors, int64_t parts, int64_t most) {
  const int64_t under_way = t->chains - !t->fma;
  for (int64_t pixels = smaller(width, most); pixels * 2 > most && pixels * vectors * parts > under_way;
       pixels--)
    if (width % pixels == 0) return pixels;
  return ceil_divide(width, ceil_divide(width, most));
}

/* The width of a tile: Choice.pixels if it is set, but at most the widest tile that fits. For the default
 * width: after a tile with many sums, the CPU waits until most of the sums are stored. If a sum has few
 * products, this wait is a large part of the time. Then the tile is made narrower, if a smaller width divides
 * the row. The weights must also fit in the L1 cache, because narrower tiles read the weights more often.
 * products: number of products of a sum; if it is 0, the tile is never made narrower. */
static int tile_pixels(const Lower *l, int64_t width, int vectors, int64_t parts, int64_t products) {
  const Target *t = l->target;
  const int64_t most = most_pixels(l, vectors, parts), few = t->stores / vectors;
  if (l->choice.pixels) return (int)smaller(l->choice.pixels, smaller(width, most));
  const int64_t pixels = even_pixels(t, width, vectors, parts, most);
  if (products && 4 * products * vectors * t->lanes <= t->l1 * 3 / 4)
    for (int64_t i = few; i > few * 3 / 4 && i < pixels; i--)
      if (width % i == 0) return (int)i;
  return (int)pixels;
}

Tiling direct_tiling(const Lower *l, int64_t width, int vectors) {
  return tiling_of(width, tile_pixels(l, width, vectors, 1, 0));
}

/* If the fused nodes are expensive, they already distribute the stores over time. So tile_pixels is allowed
 * to make tiles narrower only if the fused nodes are cheap. With a leading axis, the cost of the fused nodes
 * is not known here, so tiles are not made narrower. */
static int own_pixels(const Direct *d, const Axis *y, const Axis *x, int vectors) {
  if (d->diagonals) return diagonal_pixels(d, x->count);
  const bool few = d->l->target->stores && d->l->images <= 1 && !d->l->b->nleads &&
                   !lower_costly(d->l, splat(num(d->l->b, 0), d->lanes));
  return tile_pixels(d->l, x->count, vectors, y->parts * x->parts, few ? d->in * y->taps * x->taps : 0);
}

static int tile_lanes(const Lower *l, int64_t channels) {
  return (int)smaller(l->target->lanes, direct_unit(l, channels));
}

/* Width of a tile in vectors. If the target has fewer than 32 registers, tiles with a fused pooling are
 * narrower, because the pooling needs several sums per pixel. */
static int tile_vectors(const Lower *l, int lanes, int64_t channels) {
  const int64_t most = l->kernel->pool && l->target->registers < 32 ? 2 : 4,
                tiles = (channels + most - 1) / most;
  if (l->images > 1) return (int)((channels + tiles - 1) / tiles);
  return lanes == 1 ? 4 : l->kernel->pool && l->target->registers < 32 ? 1 : 2;
}

/* Number of adjacent rows that a pointwise convolution without pooling treats as one row. All rows are merged
 * if a row has at most Target.chains pixels. Otherwise, the result is 1 in two cases: if there is a single
 * panel, because threads then share the rows, and if the tiles of a row are at least 90 % full. In the other
 * cases, the result is the smallest divisor of the number of rows with which tiles are at least 97 % full; if
 * no divisor achieves this, the result is 1. */
static int64_t rows_joined(const Lower *l, const Correlation *k, int vectors) {
  if (!correlation_pointwise(k) || l->kernel->pool) return 1;
  const int64_t width = k->small.w, rows = k->small.h, most = most_pixels(l, vectors, 1);
  if (width <= l->target->chains) return rows;
  if (k->s <= 2 * direct_unit(l, k->s) || 10 * width >= 9 * most * ceil_divide(width, most)) return 1;
  for (int64_t n = 2; n <= rows; n++)
    if (rows % n == 0 && 100 * n * width >= 97 * most * ceil_divide(n * width, most)) return n;
  return 1;
}

/* A pointwise convolution can divide its pixels into blocks, and treat each block as a row. Returns the
 * number of blocks; 0: no blocks, for example because all inputs stay in the second-level cache. Blocks are
 * so small that the inputs of a block stay in that cache while all panels read them. Each block reads all
 * weights. */
static int64_t rows_of_pixels(const Lower *l, const Correlation *k, int64_t weights) {
  enum { FEWEST_TILES = 4 };
  const Target *t = l->target;
  const int64_t pixels = k->small.h * k->small.w, bytes = elem_bytes(l->in[0]->type.elem) * k->l,
                most = (weights > t->blocking.direct_weights ? t->l2 / 2 : t->l2 / 4) / bytes;
  if (!correlation_pointwise(k) || l->kernel->pool || l->kernel->gate || l->images > 1 || l->b->nleads ||
      t->lanes == 1)
    return 0;
  if (k->s <= 2 * direct_unit(l, k->s) || pixels * bytes <= t->l2 / 2) return 0;
  if (k->small.h > 1 && weights <= t->blocking.direct_weights)
    return 0; /* the outer loop is over rows, so each row is already a block */
  for (int64_t rows = ceil_divide(pixels, larger(most, 1));
       rows * FEWEST_TILES * most_pixels(l, 2, 1) <= pixels; rows++)
    if (pixels % rows == 0) return rows;
  return 0;
}

static int direct_vectors(const Lower *l, int lanes, int64_t channels) {
  return (int)smaller(tile_vectors(l, lanes, channels), ceil_divide(channels, lanes));
}

/* Tile widths to try for a convolution. The first width is usually the default. most: width of the widest
 * tile that fits in the registers. */
enum { MOST_TILES = 5 };
static int direct_tiles(const Lower *l, int pixels[MOST_TILES], int *most) {
  const Correlation k = correlation_of(l->node);
  const Axis y = axis_pooled(&k, 0, l->kernel->pool), x = axis_pooled(&k, 1, l->kernel->pool);
  const int vectors = direct_vectors(l, tile_lanes(l, k.s), k.s);
  const int64_t width = x.count * rows_joined(l, &k, vectors), parts = y.parts * x.parts;
  int n = 0;
  pixels[n++] = tile_pixels(l, width, vectors, parts, k.l * k.kernel[0] * k.kernel[1]);
  *most = (int)smaller(width, most_pixels(l, vectors, parts));
  for (int64_t tiles = (width + *most - 1) / *most;
       n < MOST_TILES && tiles <= width && (width + tiles - 1) / tiles * 2 > *most; tiles++) {
    const int each = (int)((width + tiles - 1) / tiles);
    if (each != pixels[n - 1] && each != pixels[0]) pixels[n++] = each;
  }
  if (n < MOST_TILES && *most != pixels[0] && *most != pixels[1 % n]) pixels[n++] = *most;
  return n;
}

const char *direct_pixels_refused(const Lower *l, const Choice *choice) {
  int pixels[MOST_TILES], most = 0;
  if (choice->pixels) direct_tiles(l, pixels, &most);
  return choice->pixels > most ? arena_printf(l->arena, "a tile has at most %d pixels", most) : NULL;
}

/* ---- packed weights ---- */
typedef struct Row { /* a row of a panel: its weights for one tap and one input channel */
  Ix g, fb, ib,
      c; /* group, panel, block of input channels; c: input channel in the block, or pair of input channels */
  /* after an upsampling, along each axis: the tap is the sum of the kernel elements n, from <= n < to */
  int64_t from[2], to[2];
  bool half;      /* c is a pair whose second channel does not exist */
  int64_t member; /* index of c's group among the layer's groups that form group g (Direct.members) */
} Row;

static Val packed_element(const Direct *d, Pack *pack, const Ix *out, const Ix *in, const Ix *out_channel,
                          const Ix *in_channel, const Ix *ky, const Ix *kx) {
  Ix index[4];
  const int rank = correlation_weight_index(&d->k, index, d->spread ? in_channel : out_channel,
                                            d->spread ? out : in, ky, kx);
  return lower_packed_weight(d->l, pack, rank, index, out_channel, in_channel);
}

static Val packed_sum(const Direct *d, Pack *pack, const Row *row, const Ix *out, const Ix *in,
                      const Ix *out_channel, const Ix *in_channel) {
  Val sum = NULL;
  for (int64_t i = row->from[0]; i < row->to[0]; i++)
    for (int64_t j = row->from[1]; j < row->to[1]; j++) {
      const Ix ky = NEST_Z + i, kx = NEST_Z + j;
      Val w = packed_element(d, pack, out, in, out_channel, in_channel, &ky, &kx);
      sum = sum ? add(sum, w) : w;
    }
  return sum;
}

/* Compilers unroll two nested loops if they have up to MOST iterations in total. From LEAST iterations on,
 * ROLLED prevents this, because unrolling creates too much code for a loop that runs once. */
static LoopKind row_kind(const Direct *d, const Panels *panels) {
  enum { LEAST = 129, MOST = 512 };
  const int64_t rounds = panels->valid * (d->block > 1 ? d->block : d->k.kernel[1]);
  return rounds >= LEAST && rounds <= MOST ? ROLLED : SERIAL;
}

/* Packs a row for all filters of a panel. If group row->g consists of several groups of the layer, the row's
 * channels belong to group row->member of these groups, and the filters of the other groups get zeros. */
static void pack_row(const Direct *d, const Panels *panels, Pack *pack, const Row *row, const Ix *ky,
                     const Ix *kx) {
  Nest *b = pack->nest;
  const int n = has_pairs(d) ? 2 : 1;
  const int64_t members = members_of(d), filters = panels->valid / members;
  const Ix panel = panel_of(d, panels, &row->g, &row->fb, &row->ib), none = {0},
           x = has_merged(d) ? none : *kx, c = has_merged(d) ? *kx * d->steps + row->c : row->c;
  for (int64_t of = 0; of < members; of++)
    NEST_LOOP(b, f, row_kind(d, panels), 1, NEST_IX(of * filters), 1, NEST_IX((of + 1) * filters)) {
      for (int i = 0; i < n; i++) {
        const bool zero = (i && row->half) || (members > 1 && of != row->member);
        const Ix channel = row->ib * d->block + n * row->c + i, in_channel = row->g * d->in + channel,
                 in = members > 1 ? channel - row->member * (d->in / members) : channel,
                 out = panels->first + row->fb * panels->width + f, out_channel = row->g * d->out + out;
        nest_store(b, nest_at(b, pack->out, panel, *ky, x, c, n * f + i),
                   zero           ? num(b, 0)
                   : d->repeat[0] ? packed_sum(d, pack, row, &out, &in, &out_channel, &in_channel)
                                  : packed_element(d, pack, &out, &in, &out_channel, &in_channel, ky, kx));
      }
    }
  if (panels->valid < panels->width)
    NEST_FROM(b, f, n * panels->valid, n * panels->width)
      nest_store(b, nest_at(b, pack->out, panel, *ky, x, c, f), num(b, 0));
}

/* For a convolution after an upsampling: packs the weights tap by tap, because each merged tap is the sum of
 * its own set of kernel elements. */
static void pack_sums(const Direct *d, const Panels *panels, Pack *pack, Row *row) {
  Nest *b = pack->nest;
  for (int64_t ty = 0; ty < d->k.kernel[0]; ty++)
    for (int64_t tx = 0; tx < d->k.kernel[1]; tx++) {
      const Ix ky = NEST_Z + ty, kx = NEST_Z + tx;
      axis_repeated_sum(&d->own, 0, d->repeat[0], ty, &row->from[0], &row->to[0]);
      axis_repeated_sum(&d->own, 1, d->repeat[1], tx, &row->from[1], &row->to[1]);
      NEST_FOR(b, c, d->steps) {
        row->c = c;
        pack_row(d, panels, pack, row, &ky, &kx);
      }
    }
}

/* Packs the weights of one tap: all channels of a block, which belong to d->members groups of the layer. */
static void pack_tap(const Direct *d, const Panels *panels, Pack *pack, Row *row, const Ix *ky,
                     const Ix *kx) {
  Nest *b = pack->nest;
  const int odd = has_pairs(d) && (d->spread ? d->k.s : d->k.l) % 2;
  const int64_t steps = d->steps / members_of(d);
  for (row->member = 0; row->member < members_of(d); row->member++)
    for (int half = 0; half <= odd; half++)
      if (half || steps > odd)
        NEST_FROM(b, c, row->member * steps + (half ? steps - 1 : 0),
                  row->member * steps + (half ? steps : steps - odd)) {
          row->c = c;
          row->half = half;
          pack_row(d, panels, pack, row, ky, kx);
        }
}

/* Packs a row of a tight kernel (Direct.tight): the weights of all channels of tap 0, then of tap 1, .. */
static void pack_tight_row(const Direct *d, const Panels *panels, Pack *pack, const Row *row, const Ix *ky) {
  Nest *b = pack->nest;
  const Ix panel = panel_of(d, panels, &row->g, &row->fb, &row->ib), none = {0};
  for (int64_t w = 0; w < d->steps; w++) {
    const Ix word = none + w;
    NEST_FOR(b, f, panels->valid)
      for (int64_t n = 2 * w; n < 2 * w + 2; n++) {
        const Ix kx = none + n / d->in, in = none + n % d->in,
                 out = panels->first + row->fb * panels->width + f;
        nest_store(b, nest_at(b, pack->out, panel, *ky, none, word, 2 * f + n % 2),
                   n < d->in * d->k.kernel[1] ? packed_element(d, pack, &out, &in, &out, &in, ky, &kx)
                                              : num(b, 0));
      }
    if (panels->valid < panels->width)
      NEST_FROM(b, f, 2 * panels->valid, 2 * panels->width)
        nest_store(b, nest_at(b, pack->out, panel, *ky, none, word, f), num(b, 0));
  }
}

static void pack_group(const Direct *d, const Panels *panels, Pack *pack, const Ix *g) {
  const Correlation *k = &d->k;
  Nest *b = pack->nest;
  NEST_FOR(b, fb, panels->count)
    NEST_FOR(b, ib, d->blocks * d->inner) {
      Row row = {.g = *g, .fb = fb, .ib = ib};
      if (d->repeat[0]) pack_sums(d, panels, pack, &row);
      else
        NEST_FOR(b, ky, k->kernel[0]) {
          if (is_tight(d)) pack_tight_row(d, panels, pack, &row, &ky);
          else
            NEST_FOR(b, kx, k->kernel[1]) pack_tap(d, panels, pack, &row, &ky, &kx);
        }
    }
}

/* Packs the weights of panels[0 .. kinds-1] into one buffer. */
static void direct_pack_panels(Direct *d, Panels *panels, int kinds, const char *member) {
  Lower *l = d->l;
  const Correlation *k = &d->k;
  const int64_t dim[] = {k->groups * panels->each * d->blocks * d->inner, k->kernel[0],
                         has_merged(d) ? 1 : k->kernel[1], direct_run(d),
                         panels->width * (has_pairs(d) ? 2 : 1)};
  Pack *pack = d->repeat[0] ? lower_pack(l, member, 5, dim) : lower_pack_weights(l, member, 5, dim);
  Nest *b = pack->nest;
  NEST_FOR(b, g, k->groups)
    for (int i = 0; i < kinds; i++) pack_group(d, &panels[i], pack, &g);
  Buf *w = lower_pack_done(l, pack);
  for (int i = 0; i < kinds; i++) panels[i].w = w;
}

Direct direct_begin(Lower *l, bool spread) {
  Direct d = {.l = l, .k = correlation_of(l->node), .spread = spread, .from = l->in[0]};
  d.own = d.k;
  d.members = l->kernel->root->window->groups / d.k.groups;
  for (int axis = 0; axis < 2 && l->node->op->family == FAMILY_CONV_REPEATED; axis++) {
    d.repeat[axis] = ((const int64_t *)l->node->detail)[axis];
    d.k.kernel[axis] = axis_repeated_taps(&d.own, axis, d.repeat[axis]);
  }
  d.pairs = direct_pairs(l, &d.k, spread);
  d.merged = d.pairs && direct_merges(l, &d.k);
  d.in = spread ? d.k.s : d.k.l;
  d.tight = d.merged && direct_is_tight(l, &d.k);
  d.in += d.pairs && !is_tight(&d) && d.in % 2;
  d.out = spread ? d.k.l : d.k.s;
  d.lanes = tile_lanes(l, d.out);
  d.vectors = tile_vectors(l, d.lanes, d.out);
  const int64_t unit = direct_unit(l, d.out),
                width = l->images > 1  ? d.vectors
                        : d.out > unit ? direct_panel_vectors(l, &d.own) * unit
                                       : unit,
                taps = d.k.kernel[0] * d.k.kernel[1];
  /* Pooling, leading axis, gate: a single block, because the tile function has no free parameter for flags of
   * blocks. bf16 result: a single block, because a bf16 number cannot hold a partial sum. Pairs: a single
   * block, which direct_inner_blocks may divide. */
  d.block = l->kernel->pool || l->kernel->gate || l->b->nleads || l->out->type.elem == BF16 || has_pairs(&d)
                ? d.in
                : choose_block(l, d.in, width * taps);
  d.blocks = d.in / d.block;
  d.inner = d.pairs && !d.merged ? direct_inner_blocks(l) : 1;
  d.block /= d.inner;
  d.steps = is_tight(&d) ? direct_run_of(l, &d.k) : has_pairs(&d) ? d.block / 2 : d.block;
  const int64_t whole = d.out / width, rest = d.out % width, last = ceil_divide(rest, unit) * unit;
  const bool one =
      whole &&
      last == width; /* whether the rest panel is as wide as the other panels, and is stored after them */
  d.panels[0] = (Panels){.count = whole, .width = width, .valid = width, .each = whole + one};
  d.panels[1] = (Panels){.count = rest > 0,
                         .width = last,
                         .valid = rest,
                         .first = whole * width,
                         .each = one ? whole + 1 : 1,
                         .before = one ? whole : 0};
  if (whole) direct_pack_panels(&d, &d.panels[0], one ? 2 : 1, "weight");
  if (rest && !one) direct_pack_panels(&d, &d.panels[1], 1, whole ? "weight_rest" : "weight");
  d.bias = correlation_bias(l, &d.k, spread, d.k.groups * d.out + unit);
  return d;
}

/* ---- a row of tiles ---- */
typedef struct RowTiles {
  NestFn *fn;
  int64_t first, count;
  int pixels;
  bool left, right, narrow;
} RowTiles; /* `count` adjacent tiles, starting at pixel `first` */

static void call_tile(Nest *b, const Direct *d, const RowTiles *run, const TileArgs *row, const Ix *x0) {
  Ix args[12] = {
      row->y, *x0, row->panel, row->c0, row->f0, row->h, NEST_Z + (int)run->left, NEST_Z + (int)run->right};
  int n = 8;
  if (d->blocks > 1) {
    args[n++] = row->first;
    args[n++] = row->last;
  }
  if (d->l->kernel->pool) args[n++] = row->edge;
  args[n++] = NEST_Z + (int)run->narrow;
  nest_call_list(b, run->fn, run->fn->nparams - b->nleads, args);
}

/* Divides `tiles` adjacent tiles, from pixel kind->first on, into runs: each tile at an edge is a run, and
 * the tiles between the edges form one run. */
static int runs_of(const Axis *x, const RowTiles *kind, int64_t tiles, RowTiles *run, int n) {
  for (int64_t t = 0, length; t < tiles; t += length) {
    const int64_t from = kind->first + t * kind->pixels;
    RowTiles r = *kind;
    r.first = from;
    r.left = axis_before(x, from);
    r.right = axis_behind(x, from + kind->pixels - 1);
    length = 1;
    while (!r.left && !r.right && t + length < tiles &&
           !axis_behind(x, from + (length + 1) * kind->pixels - 1))
      length++;
    r.count = length;
    run[n++] = r;
  }
  return n;
}

static int64_t all_weights(const Direct *d) { /* bytes */
  const int64_t taps = d->k.kernel[0] * d->k.kernel[1];
  if (d->diagonals) return 4 * taps * d->out * d->diagonals->n * d->diagonals->ins;
  return 4 * d->k.groups * d->in * d->out * taps;
}

/* Whether the outer loop is over rows and the inner loop over panels. A fused pooling needs this order.
 * Without a pooling, Choice.order can set the order. By default, the outer loop is over rows if all weights
 * stay in a cache (except with interleaved images), or if each row is a block of pixels (Direct.blocked). In
 * all other cases, and if there is a single row, the outer loop is over panels. */
static bool rows_first(const Direct *d, const Axis *y) {
  const Order order = d->l->choice.order;
  const bool own = d->l->images <= 1 && all_weights(d) <= d->l->target->blocking.direct_weights;
  return d->l->kernel->pool ||
         (y->count > 1 && (order == ORDER_OWN ? own || d->blocked : order == ORDER_ROWS));
}

/* Divides a row into left edge, middle and right edge. The edges are computed by tiles of one pixel, which
 * check at run time whether a column is inside the input. */
static int runs_with_edges(Tile *t, NestFn *whole, int64_t pixels, const char *phase, RowTiles *run) {
  int64_t from, to;
  axis_inside(t->x, &from, &to);
  t->pixels = 1;
  t->narrower = 0;
  t->guarded = true;
  t->chains = 1;
  NestFn *edge = tile_function(t, phase);
  const int64_t middle = (to - from) / pixels, end = from + middle * pixels;
  run[0] = (RowTiles){.fn = edge, .first = 0, .count = from, .pixels = 1};
  run[1] = (RowTiles){.fn = whole, .first = from, .count = middle, .pixels = (int)pixels};
  run[2] = (RowTiles){.fn = edge, .first = end, .count = t->x->count - end, .pixels = 1};
  return 3;
}

/* Whether a tile function can have another parameter. */
static bool one_more(const Direct *d) {
  return (d->blocks > 1) * 2 + (d->inner > 1) + (d->l->kernel->pool != NULL) + (d->l->b->nleads != 0) < 2;
}

/* Sets t->again and t->runs, which determine the prefetch of panels. */
static void choose_runs(Tile *t, const Tiling *tiling, bool wide) {
  const Direct *d = t->d;
  const bool far = d->blocked && all_weights(d) > d->l->target->blocking.direct_weights;
  t->again = rows_first(d, t->y);
  if ((!t->again || far) && !wide && d->l->images <= 1)
    t->runs = (t->again ? 1 : t->y->count) * (tiling->count + tiling->rests);
}

static NestFn *row_function(Direct *d, const Panels *panels, const Axis *y, const Axis *x, int vectors,
                            int part, const char *phase) {
  Nest *b = d->l->b;
  const int64_t pixels = own_pixels(d, y, x, vectors);
  const Tiling tiling = tiling_of(x->count, pixels);
  const Blocking *most = &d->l->target->blocking;
  const int64_t edges = tile_edges(x, pixels);
  const bool wide = edges > most->edge_tiles || (edges && x->taps > most->unrolled_taps);
  Tile t = {.d = d,
            .panels = panels,
            .y = y,
            .x = x,
            .pixels = (int)pixels,
            .vectors = vectors,
            .part = part,
            .terms = vectors,
            .chains = 1,
            .narrower = tiling.rests && !wide && one_more(d) ? (int)(pixels - tiling.rest) : 0};
  for (int v = 0; v < vectors; v++) t.term[v] = (Term){.lane = v * d->lanes};
  choose_runs(&t, &tiling, wide);
  const int chains = d->l->target->chains;
  while (t.chains < chains && pixels * y->parts * x->parts * vectors * t.chains < chains &&
         d->steps % (2 * t.chains) == 0)
    t.chains *= 2;
  RowTiles run[64];
  int n = 0;
  NestFn *whole = tile_function(&t, phase), *last = whole;
  if (tiling.rests && !t.narrower) {
    t.pixels = (int)tiling.rest;
    last = tile_function(&t, phase);
  }
  if (!wide) {
    n = runs_of(x, &(RowTiles){.fn = whole, .pixels = (int)pixels}, tiling.count, run, n);
    const RowTiles narrow = {
        .fn = last, .first = tiling.count * pixels, .pixels = (int)tiling.rest, .narrow = t.narrower > 0};
    n = runs_of(x, &narrow, tiling.rests, run, n);
  } else n = runs_with_edges(&t, whole, pixels, phase, run);
  NestFn *fn = nest_fn(b,
                       nest_text(b, "%srow_%d%s", phase, vectors,
                                 part < d->lanes ? "_part"
                                 : panels->first ? "_rest"
                                                 : ""),
                       false);
  TileArgs a = {.y = nest_arg(b, "y")};
  tile_channels(b, &t, &a);
  if (d->blocks > 1) {
    a.first = nest_flag(b, "first");
    a.last = nest_flag(b, "last");
  }
  if (y->parts > 1) a.edge = nest_flag(b, "edge");
  for (int i = 0; i < n; i++) {
    if (run[i].count == 0) continue;
    if (run[i].count == 1) call_tile(b, d, &run[i], &a, NEST_IX(run[i].first));
    else
      NEST_FOR(b, i_, run[i].count) call_tile(b, d, &run[i], &a, NEST_IX(run[i].first + run[i].pixels * i_));
  }
  return fn;
}

void direct_functions(Direct *d, const Axis *y, const Axis *x, const char *phase, NestFn *row[2][2]) {
  for (int i = 0; i < 2; i++) {
    const Panels *panels = &d->panels[i];
    const int64_t whole = panels->valid / (d->vectors * d->lanes),
                  rest = panels->valid % (d->vectors * d->lanes);
    row[i][0] = row[i][1] = NULL;
    if (!panels->count) continue;
    const int vectors = (int)((rest + d->lanes - 1) / d->lanes);
    if (i && whole && panels->w == d->panels[0].w) row[i][0] = row[0][0];
    else if (whole) row[i][0] = row_function(d, panels, y, x, d->vectors, d->lanes, phase);
    if (rest) row[i][1] = row_function(d, panels, y, x, vectors, (int)rest - (vectors - 1) * d->lanes, phase);
  }
}

/* ---- a gate: the weights are scaled for each image ---- */
static void gate_begin(Direct *d) {
  static const char *const name[] = {"gated", "gated_rest"};
  for (int i = 0; i < 2; i++)
    if (d->panels[i].count) {
      d->packed[i] = d->panels[i].w;
      d->panels[i].w = i && d->packed[1] == d->packed[0]
                           ? d->panels[0].w
                           : lower_scratch(d->l, name[i], d->packed[i]->rank, d->packed[i]->dim);
    }
}

/* Multiplies the weights of input channel c in panel fb by the gate of that channel. */
static void gate_channel(const Direct *d, int i, const Ix *fb, const Ix *c) {
  Nest *b = d->l->b;
  const Panels *panels = &d->panels[i];
  Val gate = nest_let(b, "gate", nest_load(b, nest_at(b, d->l->in[1], 0, 0, *c), 1));
  const Ix panel = panels->before + *fb;
  NEST_UNROLL(b, v, panels->width / d->lanes) {
    Val w = nest_load(b, nest_at(b, d->packed[i], panel, 0, 0, *c, d->lanes * v), d->lanes);
    nest_store(b, nest_at(b, panels->w, panel, 0, 0, *c, d->lanes * v), mul(w, gate));
  }
}

/* Scales a panel just before it is used for the whole image. */
static void gate_panel(const Direct *d, int i, const Ix *fb) {
  Nest *b = d->l->b;
  if (d->l->kernel->gate)
    NEST_FOR(b, c, d->in) gate_channel(d, i, fb, &c);
}

/* If each row reads all panels: scales all panels before the first row. */
static void gate_panels(const Direct *d) {
  Nest *b = d->l->b;
  if (d->l->kernel->gate)
    NEST_LOOP(b, c, walk_rows(d->l, d->in * d->out), 1, NEST_IX(0), 1, NEST_IX(d->in))
      for (int i = 0; i < 2; i++)
        if (d->panels[i].count)
          NEST_FOR(b, fb, d->panels[i].count) gate_channel(d, i, &fb, &c);
}

/* ---- all rows, panels, blocks ---- */
typedef struct Flags {
  bool first, last, edge;
} Flags; /* first, last: the block of input channels is the first or the last block; edge: the row is at an
            edge */

static void call_row(Nest *b, const Direct *d, NestFn *row, const Panels *panels, const Ix *y, const Ix *g,
                     const Ix *fb, const Ix *ib, const Ix *h, Flags flags) {
  const Ix f0 = *g * d->out + panels->first + *fb * panels->valid + *h;
  Ix args[8] = {*y, panel_of(d, panels, g, fb, ib), *g * d->in + *ib * d->block, f0, *h};
  if (d->diagonals) { /* the first input channel and the first lane of the group of output f0 */
    args[2] = f0 / d->diagonals->outs * d->diagonals->ins;
    args[4] = *h / d->diagonals->outs * d->diagonals->ins;
  }
  int n = 5;
  if (d->blocks > 1) {
    args[n++] = NEST_Z + (int)flags.first;
    args[n++] = NEST_Z + (int)flags.last;
  }
  if (d->l->kernel->pool) args[n++] = NEST_Z + (int)flags.edge;
  nest_call_list(b, row, n, args);
}

/* Adds the products of one block of input channels to row y of all output channels of one panel. */
static void panel_row(Nest *b, const Direct *d, NestFn *const row[2], const Panels *panels, const Ix *y,
                      const Ix *g, const Ix *fb, const Ix *ib, Flags flags) {
  const int64_t step = d->vectors * d->lanes, whole = panels->valid / step;
  if (row[0])
    NEST_FOR(b, h, whole) call_row(b, d, row[0], panels, y, g, fb, ib, NEST_IX(step * h), flags);
  if (row[1]) call_row(b, d, row[1], panels, y, g, fb, ib, NEST_IX(step * whole), flags);
}

static void each_block(Nest *b, const Direct *d, NestFn *const row[2], const Panels *panels, const Axis *rows,
                       const Ix *y, const Ix *g, const Ix *fb, bool edge) {
  for (int part = 0; part < 3; part++) { /* the first block, the middle blocks, the last block */
    const int64_t from = part == 0   ? 0
                         : part == 1 ? 1
                                     : d->blocks - 1,
                  to = part == 0   ? 1
                       : part == 1 ? d->blocks - 1
                                   : d->blocks;
    if (from >= to || (part == 2 && d->blocks == 1)) continue;
    const Flags flags = {part == 0, to == d->blocks, edge};
    NEST_FROM(b, ib, from, to) {
      if (y) panel_row(b, d, row, panels, y, g, fb, &ib, flags);
      else
        NEST_FOR(b, y_, rows->count) panel_row(b, d, row, panels, &y_, g, fb, &ib, flags);
    }
  }
}

static void each_row(Direct *d, const Axis *y, NestFn *const row[2][2], LoopKind kind, int64_t from,
                     int64_t to, bool edge) {
  Nest *b = d->l->b;
  const LoopKind panels =
      d->blocked && !d->panels[1].count ? kind : SERIAL; /* threads divide the (row, group, panel) triples */
  if (from < to)
    NEST_LOOP(b, y_, kind, 1, NEST_IX(from), 1, NEST_IX(to))
      NEST_LOOP(b, g, panels, 1, NEST_IX(0), 1, NEST_IX(d->k.groups))
        for (int i = 0; i < 2; i++)
          if (d->panels[i].count)
            NEST_LOOP(b, fb, panels, 1, NEST_IX(0), 1, NEST_IX(d->panels[i].count))
              each_block(b, d, row[i], &d->panels[i], y, &y_, &g, &fb, edge);
}

void direct_loops(Direct *d, const Axis *y, NestFn *const row[2][2], LoopKind outer) {
  Nest *b = d->l->b;
  if (rows_first(d, y)) {
    int64_t from = 0, to = y->count;
    if (y->parts > 1) axis_inside(y, &from, &to);
    gate_panels(d);
    each_row(d, y, row, SERIAL, 0, from, true);
    each_row(d, y, row, outer, from, to, false);
    each_row(d, y, row, SERIAL, to, y->count, true);
    return;
  }
  const bool by_group = d->k.groups > 1;
  NEST_LOOP(b, g, by_group ? outer : SERIAL, 1, NEST_IX(0), 1, NEST_IX(d->k.groups))
    for (int i = 0; i < 2; i++)
      if (d->panels[i].count) {
        const LoopKind kind = by_group || d->panels[i].count == 1 ? SERIAL : outer;
        NEST_LOOP(b, fb, kind, 1, NEST_IX(0), 1, NEST_IX(d->panels[i].count)) {
          gate_panel(d, i, &fb);
          each_block(b, d, row[i], &d->panels[i], y, NULL, &g, &fb, false);
        }
      }
}

void direct_gather(Direct *d, int64_t macs) {
  const Axis y = axis_gathered(&d->k, 0), x = axis_gathered(&d->k, 1);
  NestFn *row[2][2];
  direct_functions(d, &y, &x, "", row);
  nest_fn(d->l->b, d->l->b->name, false);
  direct_loops(d, &y, row, schedule_outer(d->l, macs));
}

static bool conv_direct_build(Lower *l) {
  Direct d = direct_begin(l, false);
  if (direct_matrix(l, l->target)) {
    direct_by_matrix(&d);
    return true;
  }
  if (l->kernel->gate) gate_begin(&d);
  if (d.in != d.k.l || is_tight(&d)) padded_begin(&d, true, false, false, 0);
  const int vectors = direct_vectors(l, d.lanes, d.out);
  const int64_t blocks = rows_of_pixels(l, &d.k, all_weights(&d)),
                rows = blocks ? blocks : d.k.small.h / rows_joined(l, &d.k, vectors);
  d.blocked = blocks > 0;
  if (rows != d.k.small.h) {
    lower_view_rows(l, rows);
    d.k.large.w = d.k.small.w = d.k.small.h * d.k.small.w / rows;
    d.k.large.h = d.k.small.h = rows;
  }
  const Axis y = axis_pooled(&d.k, 0, l->kernel->pool), x = axis_pooled(&d.k, 1, l->kernel->pool);
  NestFn *row[2][2];
  direct_functions(&d, &y, &x, "", row);
  nest_fn(l->b, l->b->name, false);
  const int parts = (int)(y.parts * x.parts), pixels = own_pixels(&d, &y, &x, vectors);
  const LoopKind outer = schedule_outer(l, correlation_macs(&d.k));
  padded_fill(&d, outer);
  direct_loops(&d, &y, row, outer);
  lower_about(l, "tiles of %d pixels x %d vectors of %d channels", pixels, vectors, d.lanes);
  lower_detail(l, "registers: %d of %d: %d sums, %d of weights, 1 of the input",
               (pixels * parts + 1) * vectors + 1, l->target->registers, pixels * parts * vectors, vectors);
  if (d.blocked && rows_first(&d, &y))
    lower_detail(l, "order: blocks of %d pixels, each with all panels of weights", (int)x.count);
  else
    lower_detail(l, "%s",
                 rows_first(&d, &y) ? "order: row by row, each with all panels of weights"
                                    : "order: panel by panel of weights, each over the whole image");
  if (l->kernel->gate) lower_detail(l, "gate: the weights, not the input, are scaled for each image");
  if (d.blocks > 1)
    lower_detail(l, "input channels: %d blocks of %d, so that a panel of weights stays in the L2 cache",
                 (int)d.blocks, (int)d.block);
  cost_padding_detail(l, &d.own);
  return true;
}

static Cycles conv_direct_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_ranked(l->node);
  Cycles floats = cost_direct(target, &k, l->weight_bytes);
  if (direct_is_tight(l, &k))
    floats.products *= (double)(2 * direct_run_of(l, &k)) / (double)(k.l * k.kernel[1]);
  else if (direct_pads_channels(l, &k)) floats.products *= (double)(k.l + 1) / (double)k.l;
  if (direct_matrix(l, target)) return cost_tiles(floats, target, &k, direct_matrix_products(l));
  return direct_pairs(l, &k, false) ? cost_pairs(floats, target) : floats;
}

/* Lists the choice itself, then other tile widths, then both loop orders. */
static void conv_direct_variants(const Lower *l, const Choice *own, Choices *variants) {
  int pixels[MOST_TILES], most;
  const int tiles = direct_tiles(l, pixels, &most);
  choices_add(variants, *own);
  for (int i = 1; i < tiles; i++)
    choices_add(variants, (Choice){.schedule = own->schedule, .pixels = pixels[i]});
  for (int order = ORDER_ROWS; order <= ORDER_PANELS; order++)
    choices_add(variants, (Choice){.schedule = own->schedule, .order = (Order)order});
}

const Schedule schedule_conv_direct = {.name = "direct",
                                       .tuning_name = "direct",
                                       .families = FAMILY_BIT(FAMILY_CONV) | FAMILY_BIT(FAMILY_DEPTHWISE),
                                       .takes = takes_channels,
                                       .refused = direct_pixels_refused,
                                       .cycles = conv_direct_cycles,
                                       .build = conv_direct_build,
                                       .variants = conv_direct_variants};
