// conv_points.c: Driver of fast convolutions (Winograd, Strassen): blocks of tiles, packed weights, products
// point by point.
// SPDX-License-Identifier: Apache-2.0
//
// The output is divided into tiles. The input of a tile and the weights are transformed to points; xi is the
// index of a point. Each point is multiplied separately. The weights are transformed when they are packed
// (int8, and batched kernels in training: in each call). A block consists of whole rows of tiles; t is the
// index of a tile in the block:
//
//     split     V[xi][t][c] = the input of tile t, channel c, transformed
//     multiply  M[xi][t][f] = sum over c of V[xi][t][c] * weight[xi][c][f]
//     join      output tile t, channel f = finish(M[..][t][f] transformed back + bias[f])
//
// multiply uses register tiles, like the direct convolution: the sums of some tiles and a few vectors of
// output channels stay in registers during the loop over input channels. In float, each call of a register
// tile prefetches its share of the next panel of weights. The block size is chosen so that V and M usually
// fit in the L2 cache. In float, threads process separate blocks if there are enough blocks. Otherwise the
// threads share each block: they divide its rows of tiles (split), then its points (multiply), then its rows
// of tiles (join), with barriers between these steps. In int8, the threads share V and process separate
// bundles. The results do not depend on the number of threads.
//
// With groups, V contains the channels of all groups. Each group has its own panels of weights, which are
// divided into bundles. A group's products and outputs are computed before those of the next group.
#include "schedule/conv_points.h"
#include "base/number.h"
#include "schedule/int8/int8_words.h"

enum {
  MOST_SLOTS = 8,
  FEW_BLOCKS = 4,
  MOST_AXIS = 16, /* maximum number of points of a tile, and of taps of a filter, along an axis */
  MOST_VECTORS = 8
};

static int64_t points_line_of(const Points *c) { return c->l->target->line / 4; } /* floats per cache line */
static int64_t points_padded(const Points *c, int64_t floats) {
  return target_odd_lines(c->l->target, floats);
}
static int64_t points_phases_of(const Points *c) { return c->phases[0] * c->phases[1]; }
static Elem elem_of(const Points *c) { return points_int8(c) ? I32 : F32; } /* type of V, M and the weights */
/* Number of output channels of a group, over all phases. */
static int64_t all_filters(const Points *c) { return points_phases_of(c) * c->filters; }

/* ---- choices ---- */
/* The number of slots, from 2 on, with the least idle time, summed for two, four and eight threads. */
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

static Bundle bundle_of(const Points *c, int64_t panels, bool rest) {
  const int64_t channels = panels * c->panels[0].width;
  const Panels none = {0}, *last = rest ? &c->panels[1] : &none;
  return (Bundle){
      .count = panels, .width = channels + last->width, .valid = channels + last->valid, .rest = rest};
}

/* Number of panels per bundle: the largest divisor of a phase's number of panels for which a bundle has at
 * most `products` output channels; at least 1. */
static int64_t panels_of_phase(const Points *c, int64_t products) {
  const int64_t panels = c->panels[0].count / points_phases_of(c);
  int64_t bundle = smaller(panels, larger(products / c->panels[0].width, 1));
  while (panels % bundle) bundle--;
  return bundle;
}

static void choose_blocks(Points *c) {
  const bool rest = c->panels[1].count > 0,
             threads = c->l->threads && (c->images || schedule_outer(c->l, c->macs) == PARALLEL);
  const Blocking *most = &c->l->target->blocking;
  const int64_t chosen = c->l->choice.tiles ? c->l->choice.tiles : c->block_tiles;
  const bool near = threads && 4 * c->points * c->groups * c->in * all_filters(c) <= most->winograd_weights;
  const int64_t panels = c->panels[0].count;
  int64_t bundle = points_phases_of(c) > 1 ? panels_of_phase(c, most->winograd_products) : panels;
  c->block = c->rows;
  if (c->rows * c->width > most->winograd_tiles || chosen) {
    if (panels) bundle = smaller(bundle, ceil_divide(most->winograd_products, c->panels[0].width));
    const int64_t bytes =
        4 * c->points * c->width *
        (points_padded(c, c->channels) + points_padded(c, bundle * c->panels[0].width + c->panels[1].width));
    c->block = smaller(c->rows, larger(most->winograd_block / bytes, 1));
    /* With many small phases or images, blocks are larger, because every block reads all weights. */
    if (c->many_small) c->block = smaller(c->rows, larger(c->block, most->winograd_tiles / c->width));
    if (chosen) c->block = smaller(c->rows, larger(chosen / c->width, 1));
    c->block = ceil_divide(c->rows, ceil_divide(c->rows, c->block));
  }
  if (near && c->rows > 1) c->block = smaller(c->block, larger(1, c->rows / FEW_BLOCKS));
  c->blocks = c->rows / c->block;
  c->last = c->rows % c->block;
  c->by_blocks = threads && !c->alone && (c->blocks >= FEW_BLOCKS || (near && c->blocks > 1));
  c->by_points = threads && !c->by_blocks;
  c->bundles = bundle ? panels / bundle : 0;
  c->slots = c->by_blocks ? choose_slots(c->blocks) : 1;
  c->bundle[0] = bundle_of(c, bundle, false);
  c->bundle[1] = bundle_of(c, bundle ? panels % bundle : 0, rest);
}

/* ---- packed weights ---- */
/* All points of a group are consecutive, so the weights of a group are read sequentially. */
static Ix points_point_of(const Points *c, const Ix *group, const Ix *xi) { return c->points * *group + *xi; }

static Ref packed_at(const Points *c, Pack *pack, const PointWeight *w, Ix point) {
  Nest *b = pack->nest;
  return w->points ? nest_at(b, w->points, point, w->row, w->f)
                   : nest_at(b, pack->out, c->points * w->group + point, w->panel, w->in, w->f);
}

static int taps_of(const PointPack *how, int axis) { return how->taps[axis][0] * how->taps[axis][1]; }

/* Transforms taps of filter f along one axis: the taps from[first + k][f], k = 0, 1, ..., become the values
 * y. */
static void transformed(const Points *c, Nest *b, const PointPack *how, int axis, Buf *from, const Ix *first,
                        const Ix *f, Val *y) {
  Val x[MOST_AXIS];
  for (int k = 0; k < taps_of(how, axis); k++)
    x[k] = nest_let(b, nest_text(b, "w%d", k), nest_load(b, nest_at(b, from, *first + k, *f), 1));
  how->transform(c, b, axis, x, y);
}

/* Packs the filters of a panel for one input channel. In the natural layout, the window of a filter is
 * contiguous. In the packed layout, each point has a row with one number per filter. So the taps are first
 * copied to rows of one number per filter; then compilers can vectorize the transform. This code is kept
 * small, because it runs at most once per call. */
static void pack_filters(const Points *c, Pack *pack, PointWeight *at, const Panels *panels,
                         const PointPack *how) {
  Nest *b = pack->nest;
  const Ix first = panels->first + panels->width * at->out;
  const int *points = how->points, rows = taps_of(how, 0), columns = taps_of(how, 1);
  Val y[MOST_AXIS];
  Buf *tap = NEST_BUF(b, STACK, "taps", rows * columns, panels->valid),
      *half = NEST_BUF(b, STACK, "half", points[0] * columns, panels->valid);
  NEST_FOR(b, f, panels->valid)
    NEST_FOR(b, j, how->taps[1][0])
      NEST_FOR(b, v, how->taps[1][1])
        NEST_ROLLED(b, i, how->taps[0][0])
          NEST_FOR(b, u, how->taps[0][1]) {
            const Ix at_tap = rows * (how->taps[1][1] * j + v) + how->taps[0][1] * i + u;
            at->out = first + f;
            nest_store(b, nest_at(b, tap, at_tap, f), how->read(c, pack, at, (const Ix[]){i, u, j, v}));
          }
  NEST_FOR(b, j, columns)
    NEST_FOR(b, f, panels->valid) {
      transformed(c, b, how, 0, tap, NEST_IX(rows * j), &f, y);
      for (int i = 0; i < points[0]; i++) nest_store(b, nest_at(b, half, columns * i + j, f), y[i]);
    }
  NEST_FOR(b, i, points[0])
    NEST_FOR(b, f, panels->valid) {
      at->f = f;
      transformed(c, b, how, 1, half, NEST_IX(columns * i), &f, y);
      for (int j = 0; j < points[1]; j++) {
        const Ix point = points[1] * i + j;
        nest_store(b, packed_at(c, pack, at, point), y[j]);
      }
    }
}

/* Number of input channels that are packed together. The rows of a channel at successive points are often a
 * power of two apart in memory, and a cache can hold only few lines at such distances. So the rows of several
 * channels are collected first, and then copied to each point as one contiguous block. */
static int64_t channels_at_a_time(const Points *c, const Panels *panels) {
  enum { ENOUGH = 8 };
  const Target *target = c->l->target;
  int64_t rows = target->lanes > 1 ? ENOUGH : 1;
  while (rows > 1 && (c->in % rows || c->points * rows * panels->valid * 4 > target->l1)) rows--;
  return rows;
}

/* Packs one panel. at->out is the index of the panel in its group and phase; at->panel is its index in the
 * group. */
static void pack_channels(const Points *c, Pack *pack, PointWeight *at, const Panels *panels,
                          const PointPack *how) {
  Nest *b = pack->nest;
  const int64_t rows = channels_at_a_time(c, panels);
  const Ix out = at->out;
  NEST_FOR(b, block, c->in / rows) {
    at->points = rows > 1 ? NEST_BUF(b, STACK, "points", c->points, rows, panels->valid) : NULL;
    NEST_FOR(b, row, rows) {
      at->row = row;
      at->in = rows * block + row;
      at->out = out;
      pack_filters(c, pack, at, panels, how);
    }
    if (rows > 1)
      NEST_FOR(b, xi, c->points)
        NEST_FOR(b, row, rows)
          NEST_ROLLED(b, f, panels->valid)
            nest_store(b, nest_at(b, pack->out, c->points * at->group + xi, at->panel, rows * block + row, f),
                       nest_load(b, nest_at(b, at->points, xi, row, f), 1));
  }
}

/* Stores zeros for the missing filters of the last panel. */
static void clear_rest(const Points *c, Pack *pack, const Ix *xi, const Ix *panel, const Panels *panels) {
  Nest *b = pack->nest;
  NEST_FOR(b, in, c->in)
    NEST_FROM(b, f, panels->valid, panels->width)
      nest_store(b, nest_at(b, pack->out, *xi, *panel, in, f), num(b, 0));
}

/* Whether the kernel is a batched kernel in training. Such a kernel transforms its weights itself, once per
 * call, to scratch memory. */
static bool packs_itself(const Points *c) { return c->images && !c->l->call; }

static void pack_panel(Points *c, int kind, const int64_t dim[4], const PointPack *how) {
  Lower *l = c->l;
  Nest *b = l->b;
  Panels *panels = &c->panels[kind];
  Pack pack = {.nest = b, .out = lower_scratch(l, kind ? "weight_rest" : "weight", 4, dim)};
  vec_push(l->arena, pack.source, l->node->weight[0]);
  vec_push(l->arena, pack.source_buf, lower_weight(l, 0));
  c->pack[kind] = nest_fn(b, kind ? "transform_rest" : "transform", false);
  const Ix panel = nest_arg(b, "panel");
  pack_channels(c, &pack, &(PointWeight){.panel = panel, .out = panel}, panels, how);
  if (panels->valid < panels->width)
    NEST_FOR(b, xi, c->points) clear_rest(c, &pack, &xi, &panel, panels);
  panels->w = pack.out;
}

static void pack_panels(Points *c, Panels *panels, const char *member, const PointPack *how) {
  const int64_t each = panels->count / points_phases_of(c),
                dim[] = {c->groups * c->points, panels->count, c->in, panels->width};
  if (packs_itself(c)) {
    pack_panel(c, panels == &c->panels[1], dim, how);
    return;
  }
  Pack *pack = lower_pack(c->l, member, 4, dim);
  Nest *b = pack->nest;
  NEST_FOR(b, group, c->groups)
    NEST_FOR(b, py, c->phases[0])
      NEST_FOR(b, px, c->phases[1])
        NEST_FOR(b, p, each)
          pack_channels(
              c, pack,
              &(PointWeight){
                  .group = group, .panel = each * (c->phases[1] * py + px) + p, .out = p, .phase = {py, px}},
              panels, how);
  if (panels->valid < panels->width)
    NEST_FOR(b, xi, c->groups * c->points)
      NEST_FOR(b, panel, panels->count) clear_rest(c, pack, &xi, &panel, panels);
  panels->w = lower_pack_done(c->l, pack);
}

/* Width of a panel: two vectors; one vector if it has enough lanes for all filters, or if a panel of two
 * vectors would contain filters of two phases. */
static int64_t panel_width(const Points *c, int64_t unit) {
  const bool two = points_phases_of(c) > 1 ? c->filters % (2 * unit) == 0 : c->filters > unit;
  return two ? 2 * unit : unit;
}

static void make_panels(Points *c, const PointPack *how) {
  const int64_t unit = direct_unit(c->l, c->filters), width = panel_width(c, unit),
                whole = all_filters(c) / width, rest = all_filters(c) % width;
  c->lanes = (int)smaller(c->l->target->lanes, unit);
  c->vectors = c->lanes == 1 ? 4 : 2;
  if (whole) c->panels[0] = (Panels){.count = whole, .width = width, .valid = width};
  if (rest)
    c->panels[1] =
        (Panels){.count = 1, .width = ceil_divide(rest, unit) * unit, .valid = rest, .first = whole * width};
  if (whole) pack_panels(c, &c->panels[0], "weight", how);
  if (rest) pack_panels(c, &c->panels[1], whole ? "weight_rest" : "weight", how);
}

/* ---- multiply ---- */
/* The last argument of the functions that multiply: the group, or the part of the input channels. Without
 * groups and parts, these functions do not have this argument. */
static Ix group_arg(const Points *c) {
  Nest *b = c->l->b;
  return c->groups > 1 ? nest_arg(b, "group") : c->parts > 1 ? nest_arg(b, "part") : NEST_Z;
}

/* Arguments of the function of a register tile. The function multiplies the block's tiles from t on by the
 * panel's columns from h on, and stores the products in M, from column f + h on. A column is an output
 * channel. */
typedef struct MultiplyArgs {
  const Panels *panels;
  int vectors;
  Ix slot, xi, t, panel, h, f, ahead, group;
  Ix point; /* index of (group, xi) in the array of weights; int8: index of (slot, xi) */
} MultiplyArgs;

static MultiplyArgs multiply_args(const Points *c, const Panels *panels, int vectors) {
  Nest *b = c->l->b;
  MultiplyArgs m = {.panels = panels, .vectors = vectors, .slot = nest_arg(b, "slot")};
  m.xi = nest_arg(b, "xi");
  m.t = nest_arg(b, "t");
  m.panel = nest_arg(b, "panel");
  m.h = nest_arg(b, "h");
  m.f = nest_arg(b, "f");
  m.ahead = nest_arg(b, "ahead");
  m.group = group_arg(c);
  m.point = points_point_of(c, points_int8(c) ? &m.slot : &m.group, &m.xi);
  return m;
}

static void add_product(const Points *c, Ref sum, Val x, Val w) {
  Nest *b = c->l->b;
  if (points_int8(c)) nest_store(b, sum, nest_primitive(b, c->dot, nest_get(b, sum), x, w));
  else nest_accumulate(b, sum, x, w);
}

/* Adds the products of channel i for all tiles. For the inner product (int8_inner.c), channel i is paired
 * with channel i + in/2: the input of each channel is added to the weight of the other channel before the
 * multiplication. */
static void add_channel(const Points *c, const MultiplyArgs *m, Buf *a, const Ix *i) {
  Nest *b = c->l->b;
  const int L = c->lanes, n = points_int8(c) && c->inner[0] ? 2 : 1;
  const Ix slot = points_int8(c) ? m->group : m->slot, c0 = points_int8(c) ? NEST_Z : c->in * m->group;
  Val w[2][MOST_VECTORS], x[2];
  for (int k = 0; k < n; k++)
    for (int v = 0; v < m->vectors; v++) {
      const Ref at = nest_at(b, m->panels->w, m->point, m->panel, *i + c->in / n * k, m->h + L * v);
      w[k][v] = nest_let(b, nest_text(b, k ? "u%d" : "w%d", v), nest_load(b, at, L));
    }
  NEST_UNROLL(b, p, a->dim[0]) {
    for (int k = 0; k < n; k++) {
      x[k] = nest_load(b, nest_at(b, c->V, slot, m->xi, m->t + p, c0 + *i + c->in / n * k), 1);
      if (points_int8(c)) x[k] = nest_let(b, k ? "y" : "x", splat(x[k], L));
    }
    for (int v = 0; v < m->vectors; v++)
      if (n == 1) add_product(c, nest_at(b, a, p, v), x[0], w[0][v]);
      else add_product(c, nest_at(b, a, p, v), halves_plus(x[0], w[1][v]), halves_plus(x[1], w[0][v]));
  }
}

/* Initializes the sums with zeros. For the inner product (int8_inner.c), the initial value is -(inner[0] +
 * inner[1]): the products of inputs with inputs, and of weights with weights, are subtracted. */
static void begin_sums(const Points *c, const MultiplyArgs *m, Buf *a) {
  Nest *b = c->l->b;
  const Val zero = points_int8(c) ? splat(num_i32(b, 0), c->lanes) : num(b, 0);
  NEST_UNROLL(b, p, a->dim[0])
    for (int v = 0; v < m->vectors; v++) {
      Val begin = zero;
      if (points_int8(c) && c->inner[0]) {
        const Val of_inputs = nest_load(b, nest_at(b, c->inner[0], m->xi, m->t + p), 1),
                  of_weights =
                      nest_load(b, nest_at(b, c->inner[1], m->slot, m->xi, m->h + c->lanes * v), c->lanes);
        begin = wrapped_minus(zero, wrapped_plus(splat(of_inputs, c->lanes), of_weights));
      }
      nest_store(b, nest_at(b, a, p, v), begin);
    }
}

/* The function that multiplies `count` tiles in registers (a register tile). For each input channel, the
 * function prefetches the next `lines` cache lines of later weights, beginning at element `ahead` of the
 * panels. */
static NestFn *multiply_tile(Points *c, const Panels *panels, int64_t count, int vectors, int64_t lines) {
  Nest *b = c->l->b;
  for (int i = 0; i < c->nmultiply; i++)
    if (c->multiply[i].panels == panels && c->multiply[i].count == count && c->multiply[i].lines == lines)
      return c->multiply[i].fn;
  NestFn *fn =
      nest_fn(b, nest_text(b, "multiply_%dx%d%s", (int)count, vectors, panels->first ? "_rest" : ""), true);
  const MultiplyArgs m = multiply_args(c, panels, vectors);
  Buf *a = nest_buf(b, REGS, "a", (Type){elem_of(c), c->lanes}, 2, (int64_t[]){count, vectors});
  begin_sums(c, &m, a);
  NEST_FOR(b, i, c->in / (points_int8(c) && c->inner[0] ? 2 : 1)) {
    for (int64_t k = 0; k < lines; k++)
      nest_prefetch(b, panels->w, m.ahead + points_line_of(c) * lines * i + points_line_of(c) * k);
    add_channel(c, &m, a, &i);
  }
  NEST_UNROLL(b, p, count)
    for (int v = 0; v < vectors; v++)
      nest_store(b, nest_at(b, c->M, m.slot, m.xi, m.t + p, m.f + m.h + c->lanes * v),
                 nest_get(b, nest_at(b, a, p, v)));
  c->multiply[c->nmultiply++] = (MultiplyTile){panels, count, lines, fn};
  return fn;
}

Tiling points_tiling(const Points *c, int64_t tiles_, int vectors) {
  return c->most ? tiling_of(tiles_, ceil_divide(tiles_, ceil_divide(tiles_, c->most)))
                 : direct_tiling(c->l, tiles_, vectors);
}

/* The product of a block and a panel, computed by calls of register tiles. share: in float, the number of
 * cache lines of the next panel that each call prefetches. */
typedef struct Product {
  NestFn *whole, *rest;
  Tiling row;
  int64_t calls, share;
  int vectors;
} Product;

static Product product_functions(Points *c, const Panels *panels, int64_t tiles_) {
  Product p = {.vectors = (int)smaller(c->vectors, panels->width / c->lanes)};
  p.row = points_tiling(c, tiles_, p.vectors);
  p.calls = p.row.count + p.row.rests;
  p.share = ceil_divide(ceil_divide(buf_room(panels->w, 2), points_line_of(c)),
                        p.calls * (panels->width / (p.vectors * c->lanes)));
  /* Int8: no prefetches, because the weights were just transformed and are in a cache. */
  const int64_t lines = points_int8(c) ? 0 : ceil_divide(p.share, c->in);
  p.whole = multiply_tile(c, panels, p.row.pixels, p.vectors, lines);
  if (p.row.rests) p.rest = multiply_tile(c, panels, p.row.rest, p.vectors, lines);
  return p;
}

/* next: index, among the panels of all points, of the panel that is prefetched. */
static void points_product(Nest *b, const Points *c, const Panels *panels, const Product *p, const Ix *slot,
                           const Ix *xi, const Ix *group, const Ix *panel, const Ix *f, const Ix *next) {
  const int64_t step = p->vectors * c->lanes, share = points_line_of(c) * p->share;
  const int n = c->groups > 1 || c->parts > 1 ? 8 : 7;
  NEST_FOR(b, h, panels->width / step) {
    const Ix ahead = *next * buf_room(panels->w, 2) + share * p->calls * h;
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

/* Multiplies V of a block at one point by all panels of the bundle. Because points are processed one by one,
 * V and M of a point stay in a cache, and the weights of a point are read sequentially. */
static NestFn *multiply_point(Points *c, const Bundle *bundle, int64_t rows) {
  Nest *b = c->l->b;
  const Panels *panels = c->panels;
  Product whole = {0}, rest = {0};
  if (bundle->count) whole = product_functions(c, &panels[0], rows * c->width);
  if (bundle->rest) rest = product_functions(c, &panels[1], rows * c->width);
  NestFn *fn = nest_fn(b,
                       nest_text(b, "multiply_%s%s", rows == c->block ? "block" : "last",
                                 bundle == &c->bundle[1] ? "_rest" : ""),
                       false);
  const Ix slot = nest_arg(b, "slot"), xi = nest_arg(b, "xi"), first = nest_arg(b, "first"),
           group = group_arg(c), point = points_point_of(c, points_int8(c) ? &slot : &group, &xi);
  const bool whole_points =
      bundle->count == panels[0].count; /* whether the bundle has all panels of a point; if not, the next
                                           panel in memory belongs to another bundle */
  const Ix here = panels[0].count * point + first;
  if (bundle->count)
    NEST_FOR(b, i, bundle->count)
      points_product(b, c, &panels[0], &whole, &slot, &xi, &group, NEST_IX(first + i),
                     NEST_IX(panels[0].width * i), NEST_IX(here + i + (whole_points ? 1 : panels[0].count)));
  if (bundle->rest)
    points_product(b, c, &panels[1], &rest, &slot, &xi, &group, NEST_IX(0),
                   NEST_IX(panels[0].width * bundle->count), NEST_IX(point + 1));
  return fn;
}

/* ---- blocks ---- */
static bool bundle_used(const Points *c, int kind) {
  return kind == 0 ? c->bundles > 0 : c->bundle[1].count || c->bundle[1].rest;
}

void points_functions(Points *c, NestFn *split_row, JoinRow *join_row) {
  c->split_row = split_row;
  for (int kind = 0; kind < 2; kind++) {
    if (!bundle_used(c, kind)) continue;
    Bundle *bundle = &c->bundle[kind];
    c->join_row[kind] = join_row(c, bundle);
    bundle->multiply[0] = multiply_point(c, bundle, c->block);
    if (c->last) bundle->multiply[1] = multiply_point(c, bundle, c->last);
  }
}

/* A block: rows of tiles, starting at row ty. kind: the kind of the loops over rows and points. */
typedef struct Block {
  bool last;
  LoopKind kind;
  const Ix *slot, *ty;
} Block;

static int64_t block_rows(const Points *c, const Block *k) { return k->last ? c->last : c->block; }

/* Computes the products and then the outputs of bundle g of a group and a phase. */
static void bundle_of_block(Nest *b, const Points *c, const Block *k, int kind, const Ix *g, const Ix *group,
                            const Ix phase[2]) {
  const Bundle *bundle = &c->bundle[kind];
  const Ix first = *g * c->bundle[0].count, f0 = *group * c->filters + first * c->panels[0].width,
           panel = first + c->panels[0].count / points_phases_of(c) * (c->phases[1] * phase[0] + phase[1]);
  NEST_LOOP(b, xi, k->kind, 1, NEST_IX(0), 1, NEST_IX(c->points))
    nest_call_list(b, bundle->multiply[k->last], c->groups > 1 ? 4 : 3,
                   (const Ix[]){*k->slot, xi, panel, *group});
  const int n = c->join_row[kind]->nparams - b->nleads; /* some join functions have no phase parameters */
  NEST_LOOP(b, r, k->kind, 1, NEST_IX(0), 1, NEST_IX(block_rows(c, k)))
    NEST_IF(b, c->images ? nest_at_least(b, c->count - *k->ty - r, 1) : nest_always(b))
      nest_call_list(b, c->join_row[kind], n,
                     (const Ix[]){*k->slot, *k->ty + r, c->width * r, f0, phase[0], phase[1]});
}

/* Calls a function for each row of tiles of the block. */
static void call_rows(Nest *b, const Points *c, const Block *k, NestFn *fn, const Ix *slot,
                      const Ix *bundle) {
  NEST_FOR(b, r, block_rows(c, k)) nest_call(b, fn, *slot, *k->ty + r, c->width * r, *bundle);
}

/* Int8: for each bundle, transforms its weights, then computes its products and outputs. */
static void bundles_by_slots(Nest *b, const Points *c, const Block *k) {
  const int64_t each = c->bundles / c->slots;
  NEST_LOOP(b, slot, c->by_bundles, 1, NEST_IX(0), 1, NEST_IX(c->slots))
    NEST_FOR(b, n, each) {
      const Ix bundle = each * slot + n;
      if (c->clear) nest_call(b, c->clear, slot);
      NEST_FOR(b, part, c->parts) {
        nest_call_list(b, c->weights, c->parts > 1 ? 3 : 2, (const Ix[]){slot, bundle, part});
        NEST_FOR(b, xi, c->points)
          nest_call_list(b, c->bundle[0].multiply[k->last], c->parts > 1 ? 4 : 3,
                         (const Ix[]){slot, xi, NEST_Z, part});
        call_rows(b, c, k, c->join_row[0], &slot, &bundle);
      }
      if (c->finish) call_rows(b, c, k, c->finish, &slot, &bundle);
    }
}

/* Calls split_row for row r of a block. In a batched kernel, each row is an image. If the batch has no image
 * for row r, the first image of the batch is transformed instead, and the products of row r are not used. */
static void split_row(Nest *b, const Points *c, const Block *k, const Ix *r) {
  const Ix ty = *k->ty + *r, t0 = c->width * *r;
  if (!c->images) {
    nest_call(b, c->split_row, *k->slot, ty, t0);
    return;
  }
  NEST_IF(b, nest_at_least(b, c->count - ty, 1)) nest_call(b, c->split_row, *k->slot, ty, t0);
  NEST_ELSE(b) nest_call(b, c->split_row, *k->slot, NEST_Z, t0);
}

static void points_block(Nest *b, const Points *c, bool last, LoopKind kind, const Ix *slot, const Ix *ty) {
  const Block k = {last, kind, slot, ty};
  NEST_LOOP(b, r, kind, 1, NEST_IX(0), 1, NEST_IX(block_rows(c, &k))) split_row(b, c, &k, &r);
  if (points_int8(c)) {
    bundles_by_slots(b, c, &k);
    return;
  }
  NEST_FOR(b, group, c->groups)
    NEST_FOR(b, py, c->phases[0])
      NEST_FOR(b, px, c->phases[1]) {
        const Ix phase[] = {py, px};
        if (c->bundles)
          NEST_FOR(b, g, c->bundles / points_phases_of(c)) bundle_of_block(b, c, &k, 0, &g, &group, phase);
        if (bundle_used(c, 1)) bundle_of_block(b, c, &k, 1, NEST_IX(c->bundles), &group, phase);
      }
}

/* For batched kernels. In training, transforms the weights. Then processes the blocks that contain images of
 * the batch, one after the other. */
static void image_blocks(Nest *b, Points *c) {
  const Ix none = {0};
  const LoopKind kind = c->by_points ? PARALLEL : SERIAL;
  c->count = lower_rows(c->l);
  for (int i = 0; i < 2; i++)
    if (c->pack[i])
      NEST_LOOP(b, panel, c->panels[i].count > 1 ? kind : SERIAL, 1, NEST_IX(0), 1,
                NEST_IX(c->panels[i].count))
        nest_call(b, c->pack[i], panel);
  NEST_FOR(b, k, c->blocks)
    NEST_IF(b, nest_at_least(b, c->count - c->block * k, 1))
      points_block(b, c, false, kind, &none, NEST_IX(c->block * k));
  if (c->last)
    NEST_IF(b, nest_at_least(b, c->count - c->block * c->blocks, 1))
      points_block(b, c, true, kind, &none, NEST_IX(c->block * c->blocks));
}

void points_loops(Nest *b, Points *c) {
  if (c->images) {
    image_blocks(b, c);
    return;
  }
  const Ix none = {0};
  const int64_t each = c->blocks / c->slots, left = c->blocks % c->slots;
  /* The kind of the loops in a block, if the blocks are computed one after the other. */
  const LoopKind kind = c->by_blocks || c->by_points ? PARALLEL : c->by_bundles;
  if (c->by_blocks)
    NEST_PARALLEL(b, s, c->slots)
      NEST_FOR(b, k, each) points_block(b, c, false, SERIAL, &s, NEST_IX(c->block * (each * s + k)));
  if (c->by_blocks && left)
    NEST_PARALLEL(b, s, left)
      points_block(b, c, false, SERIAL, &s, NEST_IX(c->block * (each * c->slots + s)));
  if (!c->by_blocks)
    NEST_FOR(b, k, c->blocks) points_block(b, c, false, kind, &none, NEST_IX(c->block * k));
  if (c->last) points_block(b, c, true, kind, &none, NEST_IX(c->block * c->blocks));
}

static int64_t block_tiles(const Points *c) { return c->block * c->width; }
static int64_t widest_bundle(const Points *c) { return larger(c->bundle[0].width, c->bundle[1].width); }

void points_begin(Points *c, const PointPack *how) {
  make_panels(c, how);
  choose_blocks(c);
  const int64_t tiles_ = block_tiles(c) | 1;
  c->V = lower_scratch(c->l, "V", 4, (int64_t[]){c->slots, c->points, tiles_, points_padded(c, c->channels)});
  c->M = lower_scratch(c->l, "M", 4,
                       (int64_t[]){c->slots, c->points, tiles_, points_padded(c, widest_bundle(c))});
}

void points_begin_words(Points *c, int64_t odd) {
  const int64_t width = c->vectors * c->lanes, tiles_ = block_tiles(c) + 1;
  c->blocks = c->rows / c->block;
  c->last = c->rows % c->block;
  c->panels[0] = (Panels){.count = 1, .width = width, .valid = width};
  c->bundle[0] = bundle_of(c, 1, false);
  c->V = lower_scratch_of(c->l, "V", I32, 4, (int64_t[]){c->parts, c->points, tiles_, c->in + odd});
  c->panels[0].w =
      lower_scratch_of(c->l, "U", I32, 4, (int64_t[]){c->slots * c->points, 1, c->in + 1, width});
  c->M = lower_scratch_of(c->l, "M", I32, 4, (int64_t[]){c->slots, c->points, tiles_, width});
}

void points_about(const Points *c, const char *name) {
  const int64_t floats =
      c->points * (block_tiles(c) | 1) * (points_padded(c, c->channels) + points_padded(c, widest_bundle(c)));
  lower_about(c->l, "%s, blocks of %d tiles", name, (int)block_tiles(c));
  lower_detail(c->l, "blocks: %d of %d tiles; transformed inputs and products of a block take %d KB",
               (int)(c->blocks + (c->last > 0)), (int)block_tiles(c), (int)(4 * floats >> 10));
}
