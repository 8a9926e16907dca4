// conv_winograd.c: convolutions with stride 1 by squares of 2, 3 and 5 and by 2, 3, 5 and 7 in a row, the
// phases of dilated and of transposed ones, and input gradients, of one group of channels or of several, by
// Winograd's algorithm: F(4x4,3x3), F(2x2,5x5), F(1x4,1x7) and others.
// SPDX-License-Identifier: Apache-2.0
//
// The output is cut into tiles. For a block of whole rows of tiles, where xi is one of a tile's points, t a
// tile of the block, and G w G^T is computed when the weights are packed:
//
//     split     V[xi][t][c] = B^T (input tile t, channel c) B
//     multiply  M[xi][t][f] = sum over c of V[xi][t][c] * (G w G^T)[xi][c][f]
//     join      output tile t, channel f = finish(A^T M[..][t][f] A + bias[f])
//
// multiply is the register tile of the direct convolution: tiles times two vectors of output channels stay in
// registers while all input channels pass by, and each call fetches its share of the weights that come next.
// Blocks are so small that V and M stay in the second cache. Layers with many blocks give each thread blocks
// of its own. Those with few, or with many weights, share out rows of tiles, then points, then rows again,
// and the threads wait in between. The sums are the same for any number of threads.
//
// With groups V holds the channels of all of them. Each group has its panels of weights, in bundles, and its
// products and outputs are made before those of the next.
//
// A dilated convolution is one without a dilation for each phase of rows and columns. Their tiles are all in
// one matrix V, so that the weights are read once for all of them; split and join alone know where they lie.
//
// Rounding: winograd_error says how much, by the number of channels; up to 512 it is less than 3e-5 of the
// largest output on random data, 5e-5 with F(6x6,3x3) (tests/run/winograd.cnn holds it to that). --exact
// keeps to the direct convolution.
#include "base/number.h"
#include "schedule/choice.h"
#include "schedule/conv_winograd.h"

enum {
  MOST_SLOTS = 8,
  FEW_BLOCKS = 4,
};

static int64_t line_of(const Conv *c) { return c->l->target->line / 4; } /* floats of a cache line */
static int64_t padded(const Conv *c, int64_t floats) { return target_odd_lines(c->l->target, floats); }

/* ---- choices ---- */
/* The number of slots at which two, four and eight threads wait for each other least. */
static int64_t choose_slots(int64_t blocks) {
  int64_t best = 1, least = INT64_MAX;
  for (int64_t slots = 2; slots <= MOST_SLOTS; slots++) {
    int64_t time = 0;
    for (int64_t threads = 2; threads <= 8; threads *= 2)
      time +=
          (ceil_divide(slots, threads) * (blocks / slots) + ceil_divide(blocks % slots, threads)) * threads;
    if (time < least) {
      best = slots;
      least = time;
    }
  }
  return best;
}

static Bundle bundle_of(const Conv *c, int64_t panels, bool rest) {
  const int64_t channels = panels * c->panels[0].width;
  const Panels none = {0}, *last = rest ? &c->panels[1] : &none;
  return (Bundle){
      .count = panels, .width = channels + last->width, .valid = channels + last->valid, .rest = rest};
}

static int64_t phases_of(const Conv *c) { return c->stride[0] * c->stride[1]; }

/* As many panels of a phase as make about so many products; a divisor of them all. */
static int64_t panels_of_phase(const Conv *c, int64_t products) {
  const int64_t panels = c->panels[0].count / phases_of(c);
  int64_t bundle = smaller(panels, larger(products / c->panels[0].width, 1));
  while (panels % bundle) bundle--;
  return bundle;
}

static void choose_blocks(Conv *c) {
  const bool rest = c->panels[1].count > 0,
             threads = c->l->threads && schedule_outer(c->l, correlation_macs(&c->k)) == PARALLEL;
  const Blocking *most = &c->l->target->blocking;
  const bool near = threads && 4 * c->points * c->k.groups * c->k.l * c->k.s <= most->winograd_weights;
  const int64_t panels = c->panels[0].count;
  int64_t bundle = phases_of(c) > 1 ? panels_of_phase(c, most->winograd_products) : panels;
  c->block = c->rows;
  if (c->rows * c->columns > most->winograd_tiles || c->l->choice.tiles) {
    if (panels) bundle = smaller(bundle, ceil_divide(most->winograd_products, c->panels[0].width));
    const int64_t bytes =
        4 * c->points * c->columns *
        (padded(c, c->k.large.c) + padded(c, bundle * c->panels[0].width + c->panels[1].width));
    c->block = smaller(c->rows, larger(most->winograd_block / bytes, 1));
    /* Phases are many and small, and every block reads all weights. */
    if (c->dilated) c->block = smaller(c->rows, larger(c->block, most->winograd_tiles / c->columns));
    if (c->l->choice.tiles) c->block = smaller(c->rows, larger(c->l->choice.tiles / c->columns, 1));
    c->block = ceil_divide(c->rows, ceil_divide(c->rows, c->block));
  }
  if (near && c->rows > 1) c->block = smaller(c->block, larger(1, c->rows / FEW_BLOCKS));
  c->blocks = c->rows / c->block;
  c->last = c->rows % c->block;
  /* Blocks of whole phases have no rows of their own that the prover could see. */
  c->by_blocks = threads && !c->by_phase && (c->blocks >= FEW_BLOCKS || (near && c->blocks > 1));
  c->by_points = threads && !c->by_blocks;
  c->bundles = bundle ? panels / bundle : 0;
  c->slots = c->by_blocks ? choose_slots(c->blocks) : 1;
  c->bundle[0] = bundle_of(c, bundle, false);
  c->bundle[1] = bundle_of(c, bundle ? panels % bundle : 0, rest);
}

/* ---- packed weights ---- */
/* Of a group all points lie together: its weights are one stream. */
static Ix point_of(const Conv *c, const Ix *group, const Ix *xi) { return c->points * *group + *xi; }

/* in, out: of the group; phase: along each axis. */
static void pack_element(const Conv *c, Pack *pack, const Ix *group, const Ix *panel, const Ix *in,
                         const Ix *f, const Ix *out, const Ix phase[2]) {
  Nest *b = pack->nest;
  const Winograd *wy = &c->w[0], *wx = &c->w[1];
  const Ix from = *group * c->k.l + *in, to = *group * c->filters + *out;
  Val half[WINOGRAD_TILE][WINOGRAD_TILE], x[WINOGRAD_TILE], y[WINOGRAD_TILE];
  for (int j = 0; j < wx->r; j++) {
    for (int i = 0; i < wy->r; i++) {
      const Ix ky = phase[0] + (c->spread ? c->stride[0] * (wy->r - 1 - i) : i),
               kx = phase[1] + (c->spread ? c->stride[1] * (wx->r - 1 - j) : j);
      Ix index[4];
      const int rank = correlation_weight_index(&c->own, index, c->spread ? &from : &to, c->spread ? out : in,
                                                c->turned ? &kx : &ky, c->turned ? &ky : &kx);
      x[i] =
          nest_let(b, nest_text(b, "w%d%d", i, j), lower_packed_weight(c->l, pack, rank, index, &to, &from));
    }
    winograd_weight(b, wy, x, y);
    for (int i = 0; i < wy->n; i++) half[i][j] = nest_let(b, nest_text(b, "g%d%d", i, j), y[i]);
  }
  for (int i = 0; i < wy->n; i++) {
    winograd_weight(b, wx, half[i], y);
    for (int j = 0; j < wx->n; j++)
      nest_store(b, nest_at(b, pack->out, c->points * *group + wx->n * i + j, *panel, *in, *f),
                 mul(num(b, wy->scale[i] * wx->scale[j]), y[j]));
  }
}

static void pack_panels(Conv *c, Panels *panels, const char *member) {
  const int64_t groups = c->k.groups, each = panels->count / phases_of(c);
  Pack *pack =
      lower_pack(c->l, member, 4, (int64_t[]){groups * c->points, panels->count, c->k.l, panels->width});
  Nest *b = pack->nest;
  NEST_FOR(b, group, groups)
    NEST_FOR(b, py, c->stride[0])
      NEST_FOR(b, px, c->stride[1])
        NEST_FOR(b, p, each)
          NEST_FOR(b, in, c->k.l)
            NEST_FOR(b, f, panels->valid) {
              const Ix panel = each * (c->stride[1] * py + px) + p,
                       out = panels->first + panels->width * p + f;
              pack_element(c, pack, &group, &panel, &in, &f, &out, (const Ix[]){py, px});
            }
  if (panels->valid < panels->width)
    NEST_FOR(b, xi, groups * c->points)
      NEST_FOR(b, panel, panels->count)
        NEST_FOR(b, in, c->k.l)
          NEST_FROM(b, f, panels->valid, panels->width)
            nest_store(b, nest_at(b, pack->out, xi, panel, in, f), num(b, 0));
  panels->w = lower_pack_done(c->l, pack);
}

/* Of phases each has panels of its own. */
static int64_t panel_width(const Conv *c, int64_t unit) {
  const bool two = phases_of(c) > 1 ? c->filters % (2 * unit) == 0 : c->filters > unit;
  return two ? 2 * unit : unit;
}

static void make_panels(Conv *c) {
  const int64_t unit = direct_unit(c->l, c->filters), width = panel_width(c, unit), whole = c->k.s / width,
                rest = c->k.s % width;
  c->lanes = (int)smaller(c->l->target->lanes, unit);
  c->vectors = c->lanes == 1 ? 4 : 2;
  if (whole) c->panels[0] = (Panels){.count = whole, .width = width, .valid = width};
  if (rest)
    c->panels[1] =
        (Panels){.count = 1, .width = ceil_divide(rest, unit) * unit, .valid = rest, .first = whole * width};
  if (whole) pack_panels(c, &c->panels[0], "weight");
  if (rest) pack_panels(c, &c->panels[1], whole ? "weight_rest" : "weight");
  c->bias = correlation_bias(c->l, &c->own, c->spread, c->k.groups * c->filters + unit);
}

/* ---- multiply ---- */
/* The last parameter, where there are groups. */
static Ix group_arg(const Conv *c) {
  Nest *b = c->l->b;
  return c->k.groups > 1 ? nest_arg(b, "group") : NEST_Z;
}

/* `count` tiles times the vectors from place h of a panel's rows. `lines` of the weights that come later are
 * fetched with each row, one after the other from the element `ahead` on. */
static NestFn *multiply_tile(Conv *c, const Panels *panels, int64_t count, int vectors, int64_t lines) {
  Nest *b = c->l->b;
  const int L = c->lanes;
  for (int i = 0; i < c->nmultiply; i++)
    if (c->multiply[i].panels == panels && c->multiply[i].count == count && c->multiply[i].lines == lines)
      return c->multiply[i].fn;
  NestFn *fn =
      nest_fn(b, nest_text(b, "multiply_%dx%d%s", (int)count, vectors, panels->first ? "_rest" : ""), true);
  const Ix slot = nest_arg(b, "slot"), xi = nest_arg(b, "xi"), t = nest_arg(b, "t"),
           panel = nest_arg(b, "panel"), h = nest_arg(b, "h"), f = nest_arg(b, "f");
  const Ix ahead = nest_arg(b, "ahead"), group = group_arg(c), point = point_of(c, &group, &xi),
           c0 = c->k.l * group;
  Buf *a = NEST_REGISTERS(b, "a", L, count, vectors);
  NEST_UNROLL(b, p, count)
    for (int v = 0; v < vectors; v++) nest_store(b, nest_at(b, a, p, v), num(b, 0));
  NEST_FOR(b, i, c->k.l) {
    for (int64_t k = 0; k < lines; k++)
      nest_prefetch(b, panels->w, ahead + line_of(c) * lines * i + line_of(c) * k);
    Val w[4];
    for (int v = 0; v < vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v),
                      nest_load(b, nest_at(b, panels->w, point, panel, i, h + L * v), L));
    NEST_UNROLL(b, p, count)
      for (int v = 0; v < vectors; v++)
        nest_accumulate(b, nest_at(b, a, p, v), nest_load(b, nest_at(b, c->V, slot, xi, t + p, c0 + i), 1),
                        w[v]);
  }
  NEST_UNROLL(b, p, count)
    for (int v = 0; v < vectors; v++)
      nest_store(b, nest_at(b, c->M, slot, xi, t + p, f + h + L * v), nest_get(b, nest_at(b, a, p, v)));
  c->multiply[c->nmultiply++] = (MultiplyTile){panels, count, lines, fn};
  return fn;
}

/* A block times a panel, tile after tile. Each call fetches `share` of the panel that comes next. */
typedef struct Product {
  NestFn *whole, *rest;
  Tiling row;
  int64_t calls, share;
  int vectors;
} Product;

static Product product_functions(Conv *c, const Panels *panels, int64_t tiles_) {
  Product p = {.vectors = (int)smaller(c->vectors, panels->width / c->lanes)};
  p.row = direct_tiling(c->l, tiles_, p.vectors);
  p.calls = p.row.count + p.row.rests;
  p.share = ceil_divide(ceil_divide(c->k.l * panels->width, line_of(c)),
                        p.calls * (panels->width / (p.vectors * c->lanes)));
  const int64_t lines = ceil_divide(p.share, c->k.l);
  p.whole = multiply_tile(c, panels, p.row.pixels, p.vectors, lines);
  if (p.row.rests) p.rest = multiply_tile(c, panels, p.row.rest, p.vectors, lines);
  return p;
}

/* next: the number of the panel that follows, counted through all points. */
static void product(Nest *b, const Conv *c, const Panels *panels, const Product *p, const Ix *slot,
                    const Ix *xi, const Ix *group, const Ix *panel, const Ix *f, const Ix *next) {
  const int64_t step = p->vectors * c->lanes, share = line_of(c) * p->share;
  const int n = c->k.groups > 1 ? 8 : 7;
  NEST_FOR(b, h, panels->width / step) {
    const Ix ahead = *next * (c->k.l * panels->width) + share * p->calls * h;
    NEST_FOR(b, i, p->row.count)
      nest_call_list(
          b, p->whole, n,
          (const Ix[]){*slot, *xi, p->row.pixels * i, *panel, step * h, *f, ahead + share * i, *group});
    if (p->row.rests)
      NEST_FOR(b, i, p->row.rests)
        nest_call_list(b, p->rest, n,
                       (const Ix[]){*slot, *xi, p->row.pixels * p->row.count + p->row.rest * i, *panel,
                                    step * h, *f, ahead + share * (p->row.count + i), *group});
  }
}

/* One point, all of the bundle's panels. A point after the other, V and M of a point stay near, and the
 * weights of whole blocks are one stream. */
static NestFn *multiply_point(Conv *c, const Bundle *bundle, int64_t rows) {
  Nest *b = c->l->b;
  const Panels *panels = c->panels;
  Product whole = {0}, rest = {0};
  if (bundle->count) whole = product_functions(c, &panels[0], rows * c->columns);
  if (bundle->rest) rest = product_functions(c, &panels[1], rows * c->columns);
  NestFn *fn = nest_fn(b,
                       nest_text(b, "multiply_%s%s", rows == c->block ? "block" : "last",
                                 bundle == &c->bundle[1] ? "_rest" : ""),
                       false);
  const Ix slot = nest_arg(b, "slot"), xi = nest_arg(b, "xi"), first = nest_arg(b, "first"),
           group = group_arg(c), point = point_of(c, &group, &xi);
  const bool whole_points =
      bundle->count == panels[0].count; /* else the next panel that follows in the file is another bundle's */
  const Ix here = panels[0].count * point + first;
  if (bundle->count)
    NEST_FOR(b, i, bundle->count)
      product(b, c, &panels[0], &whole, &slot, &xi, &group, NEST_IX(first + i), NEST_IX(panels[0].width * i),
              NEST_IX(here + i + (whole_points ? 1 : panels[0].count)));
  if (bundle->rest)
    product(b, c, &panels[1], &rest, &slot, &xi, &group, NEST_IX(0), NEST_IX(panels[0].width * bundle->count),
            NEST_IX(point + 1));
  return fn;
}

/* ---- blocks ---- */
static bool bundle_used(const Conv *c, int kind) {
  return kind == 0 ? c->bundles > 0 : c->bundle[1].count || c->bundle[1].rest;
}

static void block_functions(Conv *c) {
  c->split_row = winograd_split_row(c);
  for (int kind = 0; kind < 2; kind++) {
    if (!bundle_used(c, kind)) continue;
    Bundle *bundle = &c->bundle[kind];
    c->join_row[kind] = winograd_join_row(c, bundle);
    bundle->multiply[0] = multiply_point(c, bundle, c->block);
    if (c->last) bundle->multiply[1] = multiply_point(c, bundle, c->last);
  }
}

/* The block whose rows of tiles start at ty. kind: of the loops over rows and points. */
typedef struct Block {
  bool last;
  LoopKind kind;
  const Ix *slot, *ty;
} Block;

static int64_t block_rows(const Conv *c, const Block *k) { return k->last ? c->last : c->block; }

/* Bundle g of a group and a phase. */
static void bundle_of_block(Nest *b, const Conv *c, const Block *k, int kind, const Ix *g, const Ix *group,
                            const Ix phase[2]) {
  const Bundle *bundle = &c->bundle[kind];
  const Ix first = *g * c->bundle[0].count, f0 = *group * c->filters + first * c->panels[0].width,
           panel = first + c->panels[0].count / phases_of(c) * (c->stride[1] * phase[0] + phase[1]);
  NEST_LOOP(b, xi, k->kind, 1, NEST_IX(0), 1, NEST_IX(c->points))
    nest_call_list(b, bundle->multiply[k->last], c->k.groups > 1 ? 4 : 3,
                   (const Ix[]){*k->slot, xi, panel, *group});
  NEST_LOOP(b, r, k->kind, 1, NEST_IX(0), 1, NEST_IX(block_rows(c, k)))
    nest_call(b, c->join_row[kind], *k->slot, *k->ty + r, c->columns * r, f0, phase[0], phase[1]);
}

static void block(Nest *b, const Conv *c, bool last, LoopKind kind, const Ix *slot, const Ix *ty) {
  const Block k = {last, kind, slot, ty};
  NEST_LOOP(b, r, kind, 1, NEST_IX(0), 1, NEST_IX(block_rows(c, &k)))
    nest_call(b, c->split_row, *slot, *ty + r, c->columns * r);
  NEST_FOR(b, group, c->k.groups)
    NEST_FOR(b, py, c->stride[0])
      NEST_FOR(b, px, c->stride[1]) {
        const Ix phase[] = {py, px};
        if (c->bundles)
          NEST_FOR(b, g, c->bundles / phases_of(c)) bundle_of_block(b, c, &k, 0, &g, &group, phase);
        if (bundle_used(c, 1)) bundle_of_block(b, c, &k, 1, NEST_IX(c->bundles), &group, phase);
      }
}

static void all_blocks(Nest *b, const Conv *c) {
  const Ix none = {0};
  const int64_t each = c->blocks / c->slots, left = c->blocks % c->slots;
  const LoopKind kind =
      c->by_blocks || c->by_points ? PARALLEL : SERIAL; /* of what threads do together on one block */
  if (c->by_blocks)
    NEST_PARALLEL(b, s, c->slots)
      NEST_FOR(b, k, each) block(b, c, false, SERIAL, &s, NEST_IX(c->block * (each * s + k)));
  if (c->by_blocks && left)
    NEST_PARALLEL(b, s, left) block(b, c, false, SERIAL, &s, NEST_IX(c->block * (each * c->slots + s)));
  if (!c->by_blocks)
    NEST_FOR(b, k, c->blocks) block(b, c, false, kind, &none, NEST_IX(c->block * k));
  if (c->last) block(b, c, true, kind, &none, NEST_IX(c->block * c->blocks));
}

bool phases_alike(const Correlation *k) {
  bool alike = k->dilation[0] == 1 && k->dilation[1] == 1;
  for (int axis = 0; axis < 2; axis++) alike = alike && k->kernel[axis] % k->stride[axis] == 0;
  return alike;
}

/* Output o of an axis is stride*y + tap - before: with o + before = stride*q + r, r < stride, it is of phase
 * r and sees through the tap r + stride*t the input q - t. The first q is before / stride. */
Correlation phases_correlation(const Correlation *k) {
  Correlation phases = *k;
  int64_t count[2];
  for (int axis = 0; axis < 2; axis++) {
    const int64_t S = k->stride[axis], P = k->before[axis];
    phases.kernel[axis] = k->kernel[axis] / S;
    phases.before[axis] = phases.kernel[axis] - 1 - P / S;
    phases.stride[axis] = 1;
    count[axis] = (extent_side(k->large, axis) - 1 + P) / S - P / S + 1;
  }
  phases.l = k->s;
  phases.s = k->stride[0] * k->stride[1] * k->l;
  phases.large = k->small;
  phases.small = (Extent){k->small.n, count[0], count[1], phases.s * k->groups};
  return phases;
}

Correlation winograd_correlation(const Node *node) {
  const Correlation k = correlation_of(node);
  const bool strides = k.stride[0] > 1 || k.stride[1] > 1;
  return strides && correlation_spreads(node) && phases_alike(&k) ? phases_correlation(&k)
                                                                  : correlation_gathering(node);
}

static void exchange(int64_t *a, int64_t *b) {
  const int64_t was = *a;
  *a = *b;
  *b = was;
}

static void turn(Conv *c) {
  exchange(&c->k.large.h, &c->k.large.w);
  exchange(&c->k.small.h, &c->k.small.w);
  exchange(&c->k.kernel[0], &c->k.kernel[1]);
  exchange(&c->k.before[0], &c->k.before[1]);
  exchange(&c->k.dilation[0], &c->k.dilation[1]);
  exchange(&c->stride[0], &c->stride[1]);
  exchange(&c->shift[0], &c->shift[1]);
  exchange(&c->out[0], &c->out[1]);
}

/* Rows of tiles: blocks are as many of them as fit the cache, so the smaller ones. */
static void cut_tiles(Conv *c) {
  const Node *pool = c->l->kernel->pool;
  const Extent used =
      pool ? shape_extent(pool->shape) : c->k.small; /* windows may leave a row or a column over */
  for (int axis = 0; axis < 2; axis++) {
    const WinogradTiles tiles =
        winograd_tiles(&c->k, axis, (pool ? POOLED : 1) * extent_side(used, axis), c->w[axis].m);
    c->dilation[axis] = tiles.step;
    c->phases[axis] = tiles.phases;
    c->tiles[axis] = tiles.each;
    c->dilated = c->dilated || tiles.step > 1;
  }
  c->by_phase = c->dilated && c->phases[0] > c->tiles[0];
  c->rows = c->by_phase ? c->phases[0] : c->tiles[0];
  c->columns = c->phases[0] * c->tiles[0] / c->rows * c->phases[1] * c->tiles[1];
}

static Conv conv_of(Lower *l) {
  Conv c = {.l = l,
            .own = correlation_of(l->node),
            .k = winograd_correlation(l->node),
            .spread = correlation_spreads(l->node)};
  const Extent out = shape_extent(l->node->shape);
  c.filters = out.c / c.k.groups;
  for (int axis = 0; axis < 2; axis++) {
    c.stride[axis] = c.own.stride[axis];
    c.shift[axis] = c.stride[axis] > 1 ? c.own.before[axis] % c.stride[axis] : 0;
    c.out[axis] = extent_side(out, axis);
  }
  c.turned = c.k.large.h == 1 && c.k.small.h == 1 && c.out[0] == 1;
  if (c.turned) turn(&c);
  winograd_axes(&c.k, l->choice.m, c.w);
  cut_tiles(&c);
  return c;
}

bool schedule_conv_winograd(Lower *l) {
  Conv c = conv_of(l);
  const int64_t phases = phases_of(&c) * c.phases[0] * c.phases[1]; /* a dilated one is not transposed */
  c.points = c.w[0].n * c.w[1].n;
  make_panels(&c);
  choose_blocks(&c);
  const int64_t tiles_ = (c.block * c.columns) | 1, channels = larger(c.bundle[0].width, c.bundle[1].width);
  c.V = lower_scratch(l, "V", 4, (int64_t[]){c.slots, c.points, tiles_, padded(&c, c.k.large.c)});
  c.M = lower_scratch(l, "M", 4, (int64_t[]){c.slots, c.points, tiles_, padded(&c, channels)});
  block_functions(&c);
  nest_fn(l->b, l->b->name, false);
  if (phases > 1) direct_fill(l, NULL, c.lanes);
  all_blocks(l->b, &c);
  const Correlation k = winograd_correlation(l->node);
  const char *name = winograd_name(l->arena, &k, l->choice.m);
  if (phases > 1)
    lower_about(l, "%d phases, each %s, blocks of %d tiles", (int)phases, name, (int)(c.block * c.columns));
  else lower_about(l, "%s, blocks of %d tiles", name, (int)(c.block * c.columns));
  lower_detail(l, "blocks: %d of %d tiles; transformed inputs and products of a block take %d KB",
               (int)(c.blocks + (c.last > 0)), (int)(c.block * c.columns),
               (int)(4 * c.points * tiles_ * (padded(&c, c.k.large.c) + padded(&c, channels)) >> 10));
  return true;
}
