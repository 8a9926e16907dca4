/* conv_tile.c: The innermost function of the direct convolution: the sums of one tile over all taps and
 * the input channels of a block, from initialization to the stores. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "schedule/float/conv_tile.h"

enum { FEW_CHANNELS = 4, MOST_POOLED = 4, FEW_TAPS = 3 };

void tile_channels(Nest *b, const Tile *t, TileArgs *a) {
  const Direct *d = t->d;
  /* Whether the function for whole panels also computes the tiles of the rest panel. */
  const bool both = t->part == d->lanes && d->panels[1].before;
  a->panel = nest_varied(b, "panel", both);
  a->c0 = nest_arg(b, "c0");
  a->f0 = nest_varied(b, "f0", both);
  a->h = nest_varied(b, "h", both);
}

static TileArgs tile_params(Nest *b, Tile *t) {
  TileArgs a = {.y = nest_arg(b, "y")};
  a.x0 = nest_arg(b, "x0");
  tile_channels(b, t, &a);
  a.left = nest_flag(b, "left");
  a.right = nest_flag(b, "right");
  a.first = a.last = NEST_Z + 1;
  if (t->d->blocks > 1) {
    a.first = nest_flag(b, "first");
    a.last = nest_flag(b, "last");
  }
  if (t->rows > 1) a.edge = nest_flag(b, "edge");
  if (t->narrower) a.narrow = nest_flag(b, "narrow");
  t->real_pixels = t->pixels - t->narrower * a.narrow;
  t->real_columns = t->x->parts * t->real_pixels;
  return a;
}

/* Row and column, in the convolution's result before pooling, of sum (r, q) of a tile. */
static Ix tile_row_of(const Tile *t, const TileArgs *a, int r) {
  return t->y->out_first + (a->y * t->y->parts + r) * t->y->out_step;
}
static Ix column_of(const Tile *t, const TileArgs *a, const Ix *q) {
  return t->x->out_first + (a->x0 * t->x->parts + *q) * t->x->out_step;
}

static int lanes_stored(const Tile *t, int v) { return v == t->vectors - 1 ? t->part : t->d->lanes; }

static Val tile_bias(Nest *b, const Tile *t, const TileArgs *a, int v) {
  const Direct *d = t->d;
  return d->bias ? nest_load(b, nest_at(b, d->bias, a->f0 + d->lanes * v), d->lanes) : num(b, 0);
}

static Val start_value(Nest *b, const Tile *t, const TileArgs *a, const Ix *oy, const Ix *ox, int v) {
  const Direct *d = t->d;
  const int L = d->lanes;
  if (d->diagonals) return v == 0 && diagonal_starts_with_bias(d) ? tile_bias(b, t, a, t->cut) : num(b, 0);
  Val bias = tile_bias(b, t, a, v);
  if (d->blocks == 1) return bias;
  const Ref sum = nest_at(b, d->l->out, *oy, *ox, a->f0 + L * v);
  return pick(b, nest_yes(b, a->first), bias, nest_load_part(b, sum, lanes_stored(t, v), L));
}

static void start_tile(Nest *b, const Tile *t, const TileArgs *a, Buf *acc) {
  for (int r = 0; r < t->rows; r++)
    NEST_UNROLL(b, q, t->real_columns) {
      const Ix oy = tile_row_of(t, a, r), ox = column_of(t, a, &q), p = r * t->columns + q;
      for (int v = 0; v < t->terms; v++)
        nest_store(b, nest_at(b, acc, 0, p, v), start_value(b, t, a, &oy, &ox, v));
      for (int u = 1; u < t->chains; u++)
        for (int v = 0; v < t->terms; v++) nest_store(b, nest_at(b, acc, u, p, v), num(b, 0));
    }
}

/* If the result is larger than the second-level cache, its cache lines are not in this cache when the tile
 * stores its outputs. So the lines are prefetched while the sums are computed, and the stores do not wait. */
static void fetch_output(Nest *b, const Tile *t, const TileArgs *a) {
  const Direct *d = t->d;
  Buf *out = d->l->out;
  if (d->blocks > 1 || t->rows > 1 || d->l->images > 1 || d->lanes == 1 || d->joined ||
      4 * buf_elements(out) <= d->l->target->l2)
    return;
  const int64_t line_floats = d->l->target->line / 4, lines = ceil_divide(t->vectors * d->lanes, line_floats);
  NEST_FOR(b, p, t->real_pixels)
    NEST_FOR(b, line, lines)
      nest_prefetch(b, out,
                    tile_row_of(t, a, 0) * buf_room(out, 1) + column_of(t, a, &p) * out->room[2] + a->f0 +
                        line_floats * line);
}

/* With groups narrower than a vector, a tile reads one cache line per pixel. Hardware prefetchers do not
 * predict these reads. If inputs and outputs together are larger than the second-level cache, the code
 * prefetches the pixels that the next row of tiles reads, but this row does not. */
static void fetch_input(Nest *b, const Tile *t, const TileArgs *a) {
  const Direct *d = t->d;
  Buf *in = d->l->in[0], *out = d->l->out;
  if (!d->diagonals || t->cut || 4 * (buf_elements(in) + buf_elements(out)) <= d->l->target->l2) return;
  const Ix iy = t->y->in_first + (a->y + 1) * t->y->in_step + (t->y->taps - 1) * t->y->tap_step,
           ix = t->x->in_first + a->x0 * t->x->in_step + (t->x->taps - 1) * t->x->tap_step;
  NEST_FOR(b, r, t->y->in_step)
    NEST_FOR(b, p, t->real_pixels * t->x->in_step)
      nest_prefetch(b, in, (iy - r) * buf_room(in, 1) + (ix + p) * in->room[2] + a->c0);
}

static Val whole_sum(Nest *b, const Tile *t, Buf *acc, const Ix *p, int v) {
  Val sum = nest_get(b, nest_at(b, acc, 0, *p, v));
  for (int u = 1; u < t->chains; u++) sum = add(sum, nest_get(b, nest_at(b, acc, u, *p, v)));
  return sum;
}

/* The output vectors v with first_vector <= v < end_vector are finished together. These are all vectors of
 * the tile or, if diagonals are computed in several cuts, one vector. */
static int first_vector(const Tile *t) { return t->cut; }
static int end_vector(const Tile *t) {
  return t->d->diagonals && diagonal_cuts(t->d) > 1 ? t->cut + 1 : t->vectors;
}

static void pixel_outputs(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Ix *p,
                          Val out[MOST_VECTORS]) {
  const Direct *d = t->d;
  if (d->diagonals) diagonal_outputs(b, t, acc, p, out);
  for (int v = 0; v < t->vectors; v++) {
    if (!d->diagonals) out[v] = whole_sum(b, t, acc, p, v);
    else if (d->bias && !diagonal_starts_with_bias(d)) out[v] = add(out[v], tile_bias(b, t, a, v));
  }
}

/* Applies the nodes fused before the pooling to the sums, pools each window, and stores the results. */
static void finish_windows(Nest *b, const Tile *t, const TileArgs *a, Buf *acc) {
  const Direct *d = t->d;
  NEST_UNROLL(b, p, t->real_pixels)
    for (int v = 0; v < t->vectors; v++) {
      const Ix ox = a->x0 + p, f = a->f0 + d->lanes * v;
      Val x[MOST_POOLED];
      int n = 0;
      for (int r = 0; r < t->rows; r++)
        for (int i = 0; i < t->x->parts; i++) {
          const Ix q = p * t->x->parts + i, place = q + r * t->columns, y = tile_row_of(t, a, r),
                   x_ = column_of(t, a, &q);
          x[n++] =
              lower_finish(d->l, whole_sum(b, t, acc, &place, v), &y, &x_, &f, lanes_stored(t, v), d->lanes);
        }
      lower_put(d->l, d->l->kernel->pool->op->traits.pool(x, n), &a->y, &ox, &f, lanes_stored(t, v),
                d->lanes);
    }
}

/* `part` lanes of the consecutive vectors x, from lane `from` on. */
static Val lanes_from(Nest *b, const Direct *d, const Val *x, int64_t from, int64_t part) {
  const int64_t L = d->lanes, v = from / L;
  if (from % L == 0) return x[v];
  int *lane = NEW_ARRAY(b->arena, int, L);
  for (int64_t i = 0; i < L; i++) lane[i] = i < part ? (int)(from % L + i) : 0;
  return shuffle(x[v], x[v + 1 < d->vectors ? v + 1 : v], (int)L, lane);
}

/* Stores all phases of a pixel. The phases of one output row have the same order in memory as in the
 * vectors. */
static void finish_phases(Nest *b, const Tile *t, const TileArgs *a, Buf *acc) {
  const Direct *d = t->d;
  const Ix zero = {0};
  const int64_t rows = d->joined->stride[0], run = d->joined->stride[1] * d->joined->l;
  NEST_UNROLL(b, p, t->real_pixels) {
    Val x[MOST_VECTORS];
    for (int v = 0; v < t->vectors; v++) {
      const Val sum =
          lower_finish(d->l, whole_sum(b, t, acc, &p, v), &zero, &zero, &zero, d->lanes, d->lanes);
      x[v] = nest_let(b, nest_text(b, "s%d", v), d->lanes > 1 ? splat(sum, d->lanes) : sum);
    }
    for (int64_t r = 0; r < rows; r++)
      for (int64_t i = 0; i < run; i += d->lanes) {
        const int64_t part = smaller(run - i, d->lanes);
        lower_put(d->l, lanes_from(b, d, x, r * run + i, part), NEST_IX(a->y * rows + r), &zero,
                  NEST_IX((a->x0 + p) * run + i), (int)part, d->lanes);
      }
  }
}

/* Finishes the outputs; used if the fused nodes need tens of instructions. The sums are copied to memory, and
 * a loop that is not unrolled finishes them. So the code is small, and its constants stay in registers. */
static void finish_in_loop(Nest *b, const Tile *t, const TileArgs *a, Buf *acc) {
  const Direct *d = t->d;
  const Ix oy = tile_row_of(t, a, 0);
  Buf *sum = NEST_REGISTERS(b, "sum", d->lanes, t->pixels, t->vectors);
  NEST_UNROLL(b, p, t->real_pixels) {
    Val out[MOST_VECTORS];
    pixel_outputs(b, t, a, acc, &p, out);
    for (int v = first_vector(t); v < end_vector(t); v++) nest_store(b, nest_at(b, sum, p, v), out[v]);
  }
  NEST_FOR(b, p, t->real_pixels)
    for (int v = first_vector(t); v < end_vector(t); v++) {
      const Ix ox = column_of(t, a, &p), f = a->f0 + d->lanes * v;
      lower_store(d->l, nest_get(b, nest_at(b, sum, p, v)), &oy, &ox, &f, lanes_stored(t, v), d->lanes);
    }
}

/* Stores the outputs or, if `finished` is false because more input channels follow, the partial sums. */
static void store_sums(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, bool finished) {
  const Direct *d = t->d;
  const Ix oy = tile_row_of(t, a, 0);
  NEST_UNROLL(b, p, t->real_pixels) {
    Val out[MOST_VECTORS];
    pixel_outputs(b, t, a, acc, &p, out);
    for (int v = first_vector(t); v < end_vector(t); v++) {
      const Ix ox = column_of(t, a, &p), f = a->f0 + d->lanes * v;
      if (finished) lower_store(d->l, out[v], &oy, &ox, &f, lanes_stored(t, v), d->lanes);
      else nest_store_part(b, nest_at(b, d->l->out, oy, ox, f), out[v], lanes_stored(t, v));
    }
  }
}

static void finish_tile(Nest *b, const Tile *t, const TileArgs *a, Buf *acc) {
  const Direct *d = t->d;
  const Ix first = {0};
  const bool loop = t->pixels > 1 && lower_costly(d->l, whole_sum(b, t, acc, &first, 0));
  NEST_IF(b, nest_yes(b, a->last)) (loop ? finish_in_loop(b, t, a, acc) : store_sums(b, t, a, acc, true));
  if (d->blocks > 1)
    NEST_ELSE(b) store_sums(b, t, a, acc, false);
}

/* Whether the taps of a row are treated as one tap that has the channels of all these taps. This needs merged
 * taps, and a copy of the input without gaps between pixels. */
static bool joins_taps(const Direct *d) { return has_merged(d) && d->lined; }
/* Numbers of iterations: of the loop over the channels of a tap, and of the loop over the taps of a row. */
static int64_t tile_steps(const Direct *d) { return joins_taps(d) ? direct_run(d) : d->steps; }
static int64_t tile_row_taps(const Tile *t) { return joins_taps(t->d) ? 1 : t->x->taps; }

/* Whether the taps are not adjacent in the panel: a phase of a transposed convolution uses only some taps of
 * a panel. */
static bool taps_apart(const Tile *t) { return t->x->taps < t->d->k.kernel[1] && t->x->tap_stride != 1; }

/* While a tile reads its panel, it prefetches a slice of the next panel. The prefetches are only at the first
 * tap of each kernel row (tx = 0). The slice depends on the tile's row, on the tile's position in that row,
 * and on the channel. If the taps are not adjacent, the tile prefetches a slice of each tap instead. Slices
 * of neighboring tiles may overlap. */
static void fetch_next(Nest *b, const Tile *t, const TileArgs *a, const Ix *ty, const Ix *tx, const Ix *c,
                       int u) {
  const Direct *d = t->d;
  const bool apart = taps_apart(t);
  const int64_t tap = d->block * t->panels->width,
                panel =
                    d->k.kernel[0] * (is_tight(d) ? 2 * d->steps * t->panels->width : d->k.kernel[1] * tap),
                line = d->l->target->line / elem_bytes(t->panels->w->type.elem),
                share = ceil_divide((apart ? tap : panel) / t->runs, line) * line;
  const int64_t sites = apart ? d->steps : t->y->taps * tile_steps(d),
                lines = (share / line + sites - 1) / sites, tiles = (t->x->count + t->pixels - 1) / t->pixels;
  const Ix ky = t->y->tap_first + *ty * t->y->tap_stride, kx = t->x->tap_first + *tx * t->x->tap_stride,
           first = apart ? (ky * d->k.kernel[1] + kx) * tap : NEST_Z,
           tile = (t->again ? NEST_Z : a->y * (tiles * share)) + a->x0 * (share / t->pixels),
           site = (apart ? NEST_Z : *ty * tile_steps(d)) + *c * t->chains + u;
  for (int64_t i = 0; i < lines; i++)
    nest_prefetch(b, t->panels->w, (a->panel + 1) * panel + first + tile + (site * lines + i) * line);
}

/* The condition that a row is inside the input. If a tile has several rows of sums, each row is tested if the
 * tile is at an edge. If the tile has one row of sums, no test is needed, because the range of ty excludes
 * rows outside the input. */
static Cond row_inside(Nest *b, const Tile *t, const TileArgs *a, const Ix *iy, int r) {
  return t->rows > 1
             ? cond_or(nest_no(b, a->edge), nest_within(b, *iy + r * t->y->part_step, 0, t->y->in_size))
             : nest_always(b);
}

/* Loads the operands of a pixel's terms: one number, one word or, with narrow groups, vectors. */
static void load_inputs(Nest *b, const Tile *t, Buf *in, const Ix *y, const Ix *x, const Ix *channel,
                        Val input[MOST_VECTORS]) {
  const Direct *d = t->d;
  if (has_pairs(d)) {
    input[0] = splat(direct_input_pair(d, in, y, x, channel), d->lanes);
    return;
  }
  if (!d->diagonals) {
    input[0] = nest_load(b, nest_at(b, in, *y, *x, *channel), 1);
    return;
  }
  for (int u = t->term[0].input; u <= t->term[t->terms - 1].input; u++) {
    const Ref ref = nest_at(b, in, *y, *x, d->lanes * u);
    const int part = diagonal_inputs(t, u);
    input[u] = nest_let(b, nest_text(b, "x%d", u), nest_load_part(b, ref, part, d->lanes));
  }
}

static Val tile_weights_of(Nest *b, const Tile *t, const TileArgs *a, const Ix *ky, const Ix *kx, const Ix *c,
                           int v) {
  const Term *term = &t->term[v];
  if (has_pairs(t->d))
    return direct_weight_pairs(t->d, t->panels, &a->panel, ky, kx, NEST_IX(*c + term->row),
                               NEST_IX(a->h + term->lane));
  return nest_load(b, nest_at(b, t->panels->w, a->panel, *ky, *kx, *c + term->row, a->h + term->lane),
                   t->d->lanes);
}

/* Adds the products of a term to its sum. */
static void add_term(Nest *b, const Tile *t, Ref sum, Val input, Val weights) {
  if (has_pairs(t->d)) nest_store(b, sum, dot_bf16(input, weights, nest_get(b, sum)));
  else nest_accumulate(b, sum, input, weights);
}

int64_t tile_edges(const Axis *x, int64_t pixels) {
  int64_t n = 0;
  for (int64_t from = 0; from < x->count; from += pixels)
    n += axis_before(x, from) || axis_behind(x, smaller(from + pixels, x->count) - 1);
  return n;
}

/* The loop over the taps of a row is unrolled, with two exceptions: there are many taps, or the code would be
 * large and no tile is at an edge. (For tiles at an edge, unrolled code can skip taps.) */
static LoopKind taps_kind(const Tile *t) {
  const Axis *x = t->x;
  const Blocking *most = &t->d->l->target->blocking;
  const int64_t sums = tile_row_taps(t) * tile_steps(t->d) * t->columns * t->terms;
  const bool large = tile_steps(t->d) <= FEW_CHANNELS && sums > most->direct_sums && t->d->l->images <= 1;
  return x->taps > most->unrolled_taps || (large && tile_edges(x, t->pixels) == 0) ? SERIAL : UNROLLED;
}

/* A loop over few channels is unrolled, unless many taps of a row are unrolled, too. If both loops were
 * unrolled, clang would load the inputs of several channels in advance, and run out of registers. */
static LoopKind channels_kind(const Tile *t) {
  if (tile_steps(t->d) > FEW_CHANNELS) return SERIAL;
  return tile_row_taps(t) > FEW_TAPS && taps_kind(t) == UNROLLED ? ROLLED : UNROLLED;
}

/* Adds the products of one tap and a block of input channels to the sums. */
static void tile_tap(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Ix *ty, const Ix *tx) {
  const Direct *d = t->d;
  const Axis *x = t->x;
  const Ix iy = t->y->in_first + a->y * t->y->in_step + *ty * t->y->tap_step,
           ix = x->in_first + a->x0 * x->in_step + *tx * x->tap_step;
  const Ix ky = t->y->tap_first + *ty * t->y->tap_stride, kx = x->tap_first + *tx * x->tap_stride;
  const Ix none = {0};
  Buf *in = NEST_VIEW(b, "i", d->from, iy, d->lined ? none : ix, d->lined ? ix * d->in + a->c0 : a->c0);
  const bool each =
      d->l->images > 1 &&
      !t->guarded; /* whether `in` is pinned for each channel; without this pin, compilers load vectors of
                      images for several channels in advance, and run out of registers */
  if (!each) nest_pin(b, in);
  if (t->guarded) {
    for (int r = 0; r < t->rows; r++)
      NEST_UNROLL(b, q, t->real_columns)
        NEST_IF(b, row_inside(b, t, a, &iy, r))
          NEST_IF(b, nest_within(b, ix + q * x->part_step, 0, x->in_size))
            NEST_FOR(b, c, tile_steps(d)) {
              Val input[MOST_VECTORS];
              load_inputs(b, t, in, NEST_IX(r * t->y->part_step), NEST_IX(q * x->part_step), &c, input);
              for (int v = 0; v < t->terms; v++)
                add_term(b, t, nest_at(b, acc, 0, r * t->columns + q, v), input[t->term[v].input],
                         tile_weights_of(b, t, a, &ky, &kx, &c, v));
            }
    return;
  }
  NEST_LOOP(b, c, channels_kind(t), 1, NEST_IX(0), 1, NEST_IX(tile_steps(d) / t->chains))
    for (int u = 0; u < t->chains; u++) {
      const Ix channel = c * t->chains + u;
      if (each) nest_pin(b, in);
      if (t->runs)
        NEST_IF(b, taps_apart(t) ? nest_always(b) : nest_is(b, *tx, 0)) fetch_next(b, t, a, ty, tx, &c, u);
      Val w[MOST_VECTORS];
      for (int v = 0; v < t->terms; v++)
        w[v] = nest_let(b, nest_text(b, "w%d", v), tile_weights_of(b, t, a, &ky, &kx, &channel, v));
      for (int r = 0; r < t->rows; r++)
        NEST_IF(b, row_inside(b, t, a, &iy, r))
          NEST_UNROLL(b, q, t->real_columns)
            NEST_IF(b, cond_or(nest_no(b, a->left), nest_at_least(b, ix + q * x->part_step, 0)))
              NEST_IF(b, cond_or(nest_no(b, a->right), nest_below(b, ix + q * x->part_step, x->in_size))) {
                Val input[MOST_VECTORS];
                load_inputs(b, t, in, NEST_IX(r * t->y->part_step), NEST_IX(q * x->part_step), &channel,
                            input);
                for (int v = 0; v < t->terms; v++)
                  add_term(b, t, nest_at(b, acc, u, r * t->columns + q, v), input[t->term[v].input], w[v]);
              }
    }
}

static void tile_taps(Nest *b, const Tile *t, const TileArgs *a, Buf *acc) {
  for (const Ix ty = *axis_taps(b, "ty", t->y, &a->y); nest_enter(b);)
    NEST_IF(b, t->rows > 1 ? nest_always(b)
                           : nest_within(b, t->y->in_first + a->y * t->y->in_step + ty * t->y->tap_step, 0,
                                         t->y->in_size))
      NEST_LOOP(b, tx, taps_kind(t), 1, NEST_IX(0), 1, NEST_IX(tile_row_taps(t)))
        tile_tap(b, t, a, acc, &ty, &tx);
}

static Buf *sum_taps(Nest *b, const Tile *t, const TileArgs *a) {
  const Direct *d = t->d;
  Buf *acc = NEST_REGISTERS(b, "a", d->lanes, t->chains, t->rows * t->columns, t->terms);
  start_tile(b, t, a, acc);
  if (!t->piece) {
    fetch_output(b, t, a);
    fetch_input(b, t, a);
  }
  if (!t->y->taps || !t->x->taps) return acc;
  if (d->inner == 1) tile_taps(b, t, a, acc);
  else
    NEST_FOR(b, ib, d->inner) {
      TileArgs block = *a;
      block.panel += ib;
      block.c0 += ib * d->block;
      tile_taps(b, t, &block, acc);
    }
  return acc;
}

/* Computes a tile or, if there are several cuts, its output vector `cut`, from initialization to the
 * stores. */
static void sum_tile(Nest *b, Tile *t, const TileArgs *a, int cut) {
  const Direct *d = t->d;
  const int pieces = d->diagonals ? diagonal_pieces(d) : 1;
  Buf *acc = NULL;
  t->squares =
      pieces > 1 ? NEST_REGISTERS(b, "y", d->lanes, t->rows * t->columns, diagonal_squares(d)) : NULL;
  for (t->piece = 0; t->piece < pieces; t->piece++) {
    if (d->diagonals) diagonal_terms(t, cut);
    if (!t->terms) continue;
    acc = sum_taps(b, t, a);
    if (pieces > 1) diagonal_keep(b, t, acc);
  }
  t->piece = 0;
  if (d->l->kernel->pool) finish_windows(b, t, a, acc);
  else if (d->joined) finish_phases(b, t, a, acc);
  else finish_tile(b, t, a, acc);
}

NestFn *tile_function(Tile *t, const char *phase) {
  Direct *d = t->d;
  t->rows = (int)t->y->parts;
  t->columns = t->pixels * (int)t->x->parts;
  Nest *b = d->l->b;
  const char *kind = t->part < d->lanes ? "_part"
                     : t->panels->first ? "_rest"
                                        : "",
             *edge = t->guarded ? "_edge" : "";
  NestFn *fn = nest_fn(b, nest_text(b, "%stile_%dx%d%s%s", phase, t->pixels, t->vectors, kind, edge), true);
  const TileArgs a = tile_params(b, t);
  for (int cut = 0; cut < (d->diagonals ? diagonal_cuts(d) : 1); cut++) sum_tile(b, t, &a, cut);
  t->cut = 0;
  return fn;
}

/* ---- split of a row into tiles ---- */
/* If possible, all tiles have the same width, or two widths that differ by one. Otherwise the last tile is
 * narrower. */
Tiling tiling_of(int64_t width, int64_t pixels) {
  const int64_t tiles = ceil_divide(width, pixels), narrow = tiles * pixels - width;
  if (narrow == 0) return (Tiling){.pixels = pixels, .count = tiles};
  if (pixels > 1 && narrow < tiles)
    return (Tiling){.pixels = pixels, .count = tiles - narrow, .rest = pixels - 1, .rests = narrow};
  return (Tiling){.pixels = pixels, .count = width / pixels, .rest = width % pixels, .rests = 1};
}
