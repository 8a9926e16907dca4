// conv_winograd_tile.c: Transforms of input and output tiles for Winograd convolutions.
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "schedule/float/conv_winograd.h"

enum {
  WIDEST_EDGE = 2,
  FEW = 4 /* if a row has at most FEW tiles, one function computes all of them, and tests each column */
};

/* The first output of a tile along an axis. tile: the argument of a tile function. It is the index of the
 * tile or, with a dilation, the first output itself. */
static Ix first_output(const Conv *c, int axis, const Ix *tile) {
  return c->dilated ? *tile : c->w[axis].m * *tile;
}

/* ---- split ---- */
static Cond at_border(Nest *b, const Ix *border, const Ix *place, int64_t size) {
  return cond_or(nest_no(b, *border), nest_within(b, *place, 0, size));
}

/* Loads a vector of the input. border: flag, rows of the tile may be outside the image; NULL: all rows are
 * inside. The caller has tested the column. */
static Val winograd_tile_input_at(const Conv *c, const Ix *border, const Ix *y, const Ix *x,
                                  const Ix *channel, int part) {
  Nest *b = c->l->b;
  const int L = c->p.lanes;
  const Ref ref = lower_at(c->l, c->l->in[0], c->turned ? x : y, c->turned ? y : x, channel);
  Val value = nest_load_part(b, ref, part, L), zero = L > 1 ? splat(num(b, 0), L) : num(b, 0);
  return border ? pick(b, at_border(b, border, y, c->k.large.h), value, zero) : value;
}

/* If the channels fill more than one vector, but less than two, they are processed as two whole vectors that
 * overlap. This needs half as much code as a whole vector and a partial vector. The common lanes are stored
 * twice. Returns the start of the second vector; 0 if the vectors do not overlap. */
static int64_t overlapping(int64_t channels, int lanes) {
  return channels > lanes && channels < 2 * lanes ? channels - lanes : 0;
}

void winograd_channels(Nest *b, int64_t groups, int64_t channels, int64_t panel, int lanes,
                       EachChannels *each, const void *data) {
  const int64_t width = panel ? panel : lanes, whole = channels / width, rest = channels % width,
                step = panel ? 0 : overlapping(channels, lanes);
  NEST_FOR(b, g, groups) {
    if (step) {
      NEST_FOR(b, p, 2) each(data, &(Channels){channels * g + step * p, g, NEST_Z, NEST_Z, lanes});
      continue;
    }
    if (whole)
      NEST_FOR(b, p, whole)
        NEST_FOR(b, v, width / lanes) {
          const Channels at = {channels * g + width * p + lanes * v, g, p, lanes * v, lanes};
          each(data, &at);
        }
    for (int64_t inner = 0; inner < rest; inner += lanes)
      each(data, &(Channels){channels * g + (whole * width + inner), g, NEST_Z + whole, NEST_Z + inner,
                             (int)smaller(rest - inner, lanes)});
  }
}

/* A tile. y0, x0: its first input; t: its index in the block. */
typedef struct Split {
  const Conv *c;
  const Ix *border; /* flag: the tile may be partly outside the image; NULL: the whole tile is inside */
  bool far;
  Ix slot, y0, x0, t;
} Split;

static Ref split_at(const Split *s, const Ix *point, const Channels *at) {
  Nest *b = s->c->l->b;
  Buf *V = s->c->p.V;
  return s->c->panel ? nest_at(b, V, s->slot, *point, at->group, at->panel, s->t, at->inner)
                     : nest_at(b, V, s->slot, *point, s->t, at->channel);
}

static void fetch_ahead(const Split *, const Channels *);

/* Transforms column i of a tile along the first axis; stores zeros if the column is outside the image. */
static void split_column(const Split *s, const Channels *at, const Ix *i, Buf *d) {
  const Conv *c = s->c;
  Nest *b = c->l->b;
  const int rows = c->w[0].n;
  const Ix column = s->x0 + c->dilation[1] * *i;
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE];
  NEST_IF(b, s->border ? at_border(b, s->border, &column, c->k.large.w) : nest_always(b)) {
    for (int k = 0; k < rows; k++)
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      winograd_tile_input_at(c, s->border, NEST_IX(s->y0 + c->dilation[0] * k), &column,
                                             &at->channel, at->part));
    winograd_input(b, &c->w[0], x, y);
    for (int k = 0; k < rows; k++) nest_store(b, nest_at(b, d, k, *i), y[k]);
  }
  if (s->border)
    NEST_ELSE(b)
      NEST_ROLLED(b, k, rows) nest_store(b, nest_at(b, d, k, *i), num(b, 0));
}

/* Whether a tile has more than twice as many vectors as the CPU has registers, so that most of them are in
 * memory anyway. */
static bool in_memory(const Conv *c) { return c->w[0].n * c->w[1].n > 2 * c->l->target->registers; }

/* Transforms some channels of a tile. Loops are not unrolled if the tile may be at a border (such tiles are
 * few), or if its values are in memory anyway. Positions are tested only if the tile may be at a border. */
static void winograd_tile_split_channels(const void *split, const Channels *at) {
  const Split *s = split;
  const Conv *c = s->c;
  Nest *b = c->l->b;
  if (s->far && at->part == c->p.lanes)
    NEST_IF(b, s->border ? nest_no(b, *s->border) : nest_always(b)) fetch_ahead(s, at);
  const int rows = c->w[0].n, columns = c->w[1].n;
  const LoopKind loop = s->border || in_memory(c) ? ROLLED : UNROLLED;
  Buf *d = NEST_REGISTERS(b, "d", c->p.lanes, rows, columns);
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE];
  NEST_LOOP(b, i, loop, 1, NEST_IX(0), 1, NEST_IX(columns)) split_column(s, at, &i, d);
  NEST_LOOP(b, i, loop, 1, NEST_IX(0), 1, NEST_IX(rows)) {
    for (int k = 0; k < columns; k++) x[k] = nest_get(b, nest_at(b, d, i, k));
    winograd_input(b, &c->w[1], x, y);
    for (int k = 0; k < columns; k++) nest_store(b, split_at(s, NEST_IX(columns * i + k), at), y[k]);
  }
}

/* Prefetches the columns that the tile after the next tile reads, but the next tile does not. The prefetches
 * are distributed over the vectors of channels, a few lines each, so that other loads need not wait. */
static void fetch_ahead(const Split *s, const Channels *at) {
  const Conv *c = s->c;
  Nest *b = c->l->b;
  Buf *in = c->l->in[0];
  const int m = c->w[1].m * c->w[1].stride, n = c->w[1].n, y_axis = in->rank - 3;
  const int64_t size = c->l->target->line / 4, lines = ceil_divide(m * c->p.lanes, size);
  Ix first = (s->x0 + m + n) * in->room[y_axis + 2];
  first = first + at->channel * (lines * size / c->p.lanes);
  if (c->whole) first = first + *c->l->row * buf_room(in, 1);
  NEST_FOR(b, y, c->w[0].n)
    NEST_FOR(b, line, lines)
      nest_prefetch(b, in, (s->y0 + y) * buf_room(in, y_axis + 1) + first + size * line);
}

enum { INSIDE, BORDER, EITHER }; /* tiles that a function computes: inside, at a border, or both */

static NestFn *winograd_tile_split_tile(const Conv *c, const char *name, int kind) {
  Nest *b = c->l->b;
  NestFn *fn = nest_fn(b, name, true);
  const Ix image = c->whole ? nest_arg(b, "image") : NEST_Z;
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t"),
           border = kind == EITHER ? nest_flag(b, "border") : NEST_Z + 1;
  c->l->row = &image;
  const Split split = {.c = c,
                       .border = kind == INSIDE ? NULL : &border,
                       .far = kind != BORDER && !c->turned && !c->dilated &&
                              buf_elements(c->l->in[0]) * 4 > c->l->target->blocking.winograd_input,
                       .slot = slot,
                       .y0 = c->w[0].stride * first_output(c, 0, &ty) - c->k.before[0],
                       .x0 = c->w[1].stride * first_output(c, 1, &tx) - c->k.before[1],
                       .t = t};
  winograd_channels(b, c->panel ? c->k.groups : 1, c->panel ? c->k.l : c->k.large.c, c->panel, c->p.lanes,
                    winograd_tile_split_channels, &split);
  return fn;
}

/* Row ty of tiles; its first tile is tile t0 of the block. If an edge has few tiles, each of these tiles has
 * its own call with a constant position, so that its tests are constant. */
typedef struct Row {
  Ix image; /* batched kernel: index of the image */
  Ix slot, ty, t0;
  Ix first;   /* with a dilation: the first column of the phase */
  Ix more[3]; /* additional arguments of the row's tiles. split: `border`; join: f0, and the phase of the
                 output along each axis */
} Row;

/* Declares the parameters that all row functions have. */
static Row row_args(Nest *b) {
  Row row = {.slot = nest_arg(b, "slot")};
  row.ty = nest_arg(b, "ty");
  row.t0 = nest_arg(b, "t0");
  return row;
}

static void winograd_call_tile(const Conv *c, NestFn *fn, const Row *r, const Ix *tx) {
  Nest *b = c->l->b;
  const int64_t step = c->dilated ? c->dilation[1] * c->w[1].m : 1;
  const Ix arg[] = {r->image,    r->slot,    r->ty,      r->first + step * *tx,
                    r->t0 + *tx, r->more[0], r->more[1], r->more[2]};
  const int n = fn->nparams - b->nleads; /* split_tile takes fewer parameters */
  nest_call_list(b, fn, n, c->whole ? arg : arg + 1);
}

static void winograd_tile_tiles(const Conv *c, NestFn *fn, bool edge, const Row *r, int64_t from,
                                int64_t to) {
  if (from >= to) return;
  Nest *b = c->l->b;
  if (!edge || to - from > WIDEST_EDGE)
    NEST_FROM(b, tx, from, to) winograd_call_tile(c, fn, r, &tx);
  else
    for (int64_t tx = from; tx < to; tx++) winograd_call_tile(c, fn, r, NEST_IX(tx));
}

/* Processes one part of a row: consecutive tiles along the second axis. A row of a batched kernel has a part
 * for each row of tiles of its image. With a dilation, a part belongs to one phase along each axis. n: index
 * of the part's tiles along the first axis. */
typedef void Parts(const Conv *, const Row *, const Ix *n, NestFn *const fn[2]);

static void row_parts(const Conv *c, Parts *parts, const Row *row, NestFn *const fn[2]) {
  Nest *b = c->l->b;
  if (c->whole) {
    NEST_FOR(b, ty, c->tiles[0]) {
      Row part = *row;
      part.image = row->ty;
      part.ty = ty;
      part.t0 = row->t0 + c->tiles[1] * ty;
      parts(c, &part, &ty, fn);
    }
    return;
  }
  if (!c->dilated) {
    parts(c, row, &row->ty, fn);
    return;
  }
  NEST_FOR(b, i, c->by_phase ? c->tiles[0] : c->phases[0])
    NEST_FOR(b, j, c->phases[1]) {
      const Ix n = c->by_phase ? i : row->ty, phase = c->by_phase ? row->ty : i;
      Row part = *row;
      part.ty = phase + c->dilation[0] * c->w[0].m * n;
      part.first = j;
      part.t0 = row->t0 + c->tiles[1] * (c->phases[1] * i + j);
      parts(c, &part, &n, fn);
    }
}

/* Sets `from` and `to`: along the axis, all inputs of the tiles t with *from <= t < *to are inside the
 * image. */
static void tiles_inside(const Conv *c, int axis, int64_t *from, int64_t *to) {
  const Correlation *k = &c->k;
  const Winograd *w = &c->w[axis];
  const int64_t step = c->dilation[axis] * w->stride * w->m,
                /* the inputs of phase 0 begin first; those of the last phase begin `last` inputs later */
      last = c->phases[axis] - 1;
  *from = 0;
  *to = c->tiles[axis];
  while (*from < *to && step * *from < k->before[axis]) (*from)++;
  while (*to > *from && step * (*to - 1) + c->dilation[axis] * (w->n - 1) + last - k->before[axis] >=
                            extent_side(k->large, axis))
    (*to)--;
}

/* The condition that tile tx of the row only reads inputs inside the image. The condition holds for the tiles
 * t with from <= t < to along each axis; with a dilation, for these tiles of each phase. */
static Cond sees_inputs(const Conv *c, const Ix *n, const Ix *tx, const int64_t from[2],
                        const int64_t to[2]) {
  Nest *b = c->l->b;
  const Cond rows = nest_within(b, *n, from[0], to[0]), columns = nest_within(b, *tx, from[1], to[1]);
  if (to[0] - from[0] == c->tiles[0]) return columns;
  return to[1] - from[1] == c->tiles[1] ? rows : cond_and(rows, columns);
}

static void split_parts(const Conv *c, const Row *row, const Ix *n, NestFn *const fn[2]) {
  Nest *b = c->l->b;
  int64_t from[2], to[2];
  Row outside = *row;
  outside.more[0] = NEST_Z + 1;
  for (int axis = 0; axis < 2; axis++) tiles_inside(c, axis, &from[axis], &to[axis]);
  NEST_FOR(b, tx, c->tiles[1]) {
    if (fn[INSIDE] && fn[BORDER]) {
      NEST_IF(b, sees_inputs(c, n, &tx, from, to)) winograd_call_tile(c, fn[INSIDE], row, &tx);
      NEST_ELSE(b) winograd_call_tile(c, fn[BORDER], &outside, &tx);
    } else if (fn[INSIDE]) winograd_call_tile(c, fn[INSIDE], row, &tx);
    else winograd_call_tile(c, fn[BORDER], &outside, &tx);
  }
}

NestFn *winograd_split_row(const Conv *c) {
  Nest *b = c->l->b;
  int64_t from[2], to[2];
  bool any = true, all = true;
  for (int axis = 0; axis < 2; axis++) {
    tiles_inside(c, axis, &from[axis], &to[axis]);
    any = any && from[axis] < to[axis];
    all = all && to[axis] - from[axis] == c->tiles[axis];
  }
  if (!all && c->tiles[1] <= FEW) any = false;
  const bool one = any && !all && in_memory(c);
  NestFn *inside = any ? winograd_tile_split_tile(c, "split", one ? EITHER : INSIDE) : NULL, *border = NULL;
  if (one) border = inside;
  else if (!all) border = winograd_tile_split_tile(c, any ? "split_border" : "split", BORDER);
  NestFn *fn = nest_fn(b, "split_row", false);
  const Row row = row_args(b);
  row_parts(c, split_parts, &row, (NestFn *const[]){inside, border});
  return fn;
}

NestFn *winograd_split(Lower *l, const Correlation *k, const Winograd *w, int lanes, Buf *V) {
  const Conv c = {.p = {.lanes = lanes, .V = V},
                  .panel = V->dim[V->rank - 1],
                  .l = l,
                  .whole = l->rows > 0,
                  .k = *k,
                  .w = {w[0], w[1]},
                  .dilation = {1, 1},
                  .phases = {1, 1},
                  .tiles = {ceil_divide(k->small.h, w[0].m), ceil_divide(k->small.w, w[1].m)}};
  return winograd_split_row(&c);
}

/* ---- join ---- */
/* A vector of channels of tile t of the block. channel: the first output channel; f: its position in M; part:
 * number of channels that exist. edge: some columns of the tile may be outside the output. */
typedef struct Join {
  const Conv *c;
  bool edge;
  Ix slot, ty, tx, t, channel, f, phase[2];
  int part;
  Val bias;
} Join;

static Val finished(const Join *j, Val sum, const Ix *oy, const Ix *ox) {
  const bool turned = j->c->turned;
  return lower_finish(j->c->l, add(sum, j->bias), turned ? ox : oy, turned ? oy : ox, &j->channel, j->part,
                      j->c->p.lanes);
}

static void winograd_tile_put(const Join *j, Val x, const Ix *oy, const Ix *ox) {
  const bool turned = j->c->turned;
  lower_put(j->c->l, x, turned ? ox : oy, turned ? oy : ox, &j->channel, j->part, j->c->p.lanes);
}

/* Index in the node's output, along the axis, of output k of the tile. */
static Ix output_of(const Join *j, int axis, const Ix *k) {
  const Conv *c = j->c;
  const Ix q = first_output(c, axis, axis ? &j->tx : &j->ty) + c->dilation[axis] * *k;
  return c->stride[axis] * q + j->phase[axis] - c->shift[axis];
}

static Cond inside_output(const Join *j, int axis, const Ix *o) {
  return nest_within(j->c->l->b, *o, j->c->stride[axis] > 1 ? 0 : NO_LO, j->c->out[axis]);
}

static void put_row(const Join *j, const Val *y, const Ix *oy) {
  Nest *b = j->c->l->b;
  for (int k = 0; k < j->c->w[1].m; k++) {
    const Ix ox = output_of(j, 1, NEST_IX(k));
    NEST_IF(b, j->edge ? inside_output(j, 1, &ox) : nest_always(b))
      winograd_tile_put(j, finished(j, y[k], oy, &ox), oy, &ox);
  }
}

/* Pools two rows of a tile into one row. (No 2x2 window spans two tiles.) */
static void pool_rows(const Join *j, Val y[2][WINOGRAD_TILE], const Ix *oy) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const int m = c->w[1].m;
  const Ix py = (c->w[0].m / POOLED) * j->ty + oy[POOLED];
  for (int k = 0; k < m; k += POOLED) {
    const Ix ox[POOLED] = {m * j->tx + k, m * j->tx + k + 1}, px = (m / POOLED) * j->tx + k / POOLED;
    NEST_IF(b, j->edge ? nest_below(b, px, shape_extent(pool->shape).w) : nest_always(b)) {
      Val x[POOLED * POOLED];
      for (int i = 0; i < POOLED * POOLED; i++)
        x[i] = finished(j, y[i / POOLED][k + i % POOLED], &oy[i / POOLED], &ox[i % POOLED]);
      winograd_tile_put(j, pool->op->traits.pool(x, POOLED * POOLED), &py, &px);
    }
  }
}

/* Loads the bias. Packed biases are padded to whole vectors; unpacked biases are not. */
static Val bias_at(const Join *j) {
  const Conv *c = j->c;
  const int L = c->p.lanes;
  const Ref ref = nest_at(c->l->b, c->bias, j->channel);
  return c->whole && j->part < L ? nest_load_part(c->l->b, ref, j->part, L) : nest_load(c->l->b, ref, L);
}

static void winograd_tile_join_channels(Join *j) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const int m = c->w[0].m, n = c->w[1].n, L = c->p.lanes, rows = pool ? POOLED : 1;
  Buf *d = NEST_REGISTERS(b, "d", L, m, n);
  Val x[WINOGRAD_TILE], y[POOLED][WINOGRAD_TILE];
  NEST_UNROLL(b, i, n) {
    for (int k = 0; k < c->w[0].n; k++)
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      nest_load(b, nest_at(b, c->p.M, j->slot, n * k + i, j->t, j->f), L));
    winograd_output(b, &c->w[0], x, y[0]);
    for (int k = 0; k < m; k++) nest_store(b, nest_at(b, d, k, i), y[0][k]);
  }
  j->bias = c->bias ? nest_let(b, "b", bias_at(j)) : num(b, 0);
  NEST_UNROLL(b, i, m / rows) {
    const Ix first = output_of(j, 0, NEST_IX(rows * i)), oy[POOLED + 1] = {first, first + 1, i};
    NEST_IF(b, pool ? nest_below(b, (m / POOLED) * j->ty + i, shape_extent(pool->shape).h)
                    : inside_output(j, 0, &first)) {
      for (int r = 0; r < rows; r++) {
        for (int k = 0; k < n; k++) x[k] = nest_get(b, nest_at(b, d, rows * i + r, k));
        winograd_output(b, &c->w[1], x, y[r]);
        for (int k = 0; pool && k < c->w[1].m; k++)
          y[r][k] = nest_let(b, nest_text(b, "y%d%d", r, k), y[r][k]);
      }
      if (pool) pool_rows(j, y, oy);
      else put_row(j, y[0], oy);
    }
  }
}

static NestFn *winograd_tile_join_tile(const Conv *c, const Bundle *bundle, const char *name, bool edge) {
  Nest *b = c->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "%s%s", name, bundle == &c->p.bundle[1] ? "_rest" : ""), true);
  const Ix image = c->whole ? nest_arg(b, "image") : NEST_Z;
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t"),
           f0 = nest_arg(b, "f0"), py = nest_arg(b, "py"), px = nest_arg(b, "px");
  c->l->row = &image;
  const int64_t whole = bundle->valid / c->p.lanes, rest = bundle->valid % c->p.lanes,
                step = c->l->out->place == OVER ? 0 : overlapping(bundle->valid, c->p.lanes);
  Join join = {
      .c = c, .edge = edge, .slot = slot, .ty = ty, .tx = tx, .t = t, .phase = {py, px}, .part = c->p.lanes};
  if (whole)
    NEST_FOR(b, v, whole + (step > 0)) {
      join.f = (step ? step : c->p.lanes) * v;
      join.channel = f0 + join.f;
      winograd_tile_join_channels(&join);
    }
  if (rest && !step) {
    join.f = NEST_Z + c->p.lanes * whole;
    join.channel = f0 + join.f;
    join.part = (int)rest;
    winograd_tile_join_channels(&join);
  }
  return fn;
}

/* Sets `from` and `to`: the tiles t of a row with *from <= t < *to have all their columns inside the output.
 * If a row has at most FEW tiles and some of them are not inside, the range is empty. */
static void tiles_whole(const Conv *c, int64_t *from, int64_t *to) {
  const Node *pool = c->l->kernel->pool;
  const int64_t columns = pool         ? shape_extent(pool->shape).w * POOLED
                          : c->dilated ? (c->out[1] - c->phases[1]) / c->dilation[1] + 1
                                       : (c->out[1] + c->shift[1]) / c->stride[1];
  *from = c->shift[1] > 0; /* the first tile of some phase starts before the output */
  *to = larger(*from, columns / c->w[1].m);
  if (*to - *from < c->tiles[1] && c->tiles[1] <= FEW) *to = *from;
}

static void join_parts(const Conv *c, const Row *row, const Ix *n, NestFn *const fn[2]) {
  int64_t from, to;
  (void)n;
  tiles_whole(c, &from, &to);
  if (from) winograd_tile_tiles(c, fn[BORDER], true, row, 0, from);
  if (fn[INSIDE]) winograd_tile_tiles(c, fn[INSIDE], false, row, from, to);
  if (fn[BORDER]) winograd_tile_tiles(c, fn[BORDER], true, row, to, c->tiles[1]);
}

NestFn *winograd_join_row(const Points *p, const Bundle *bundle) {
  const Conv *c = (const Conv *)p;
  Nest *b = c->l->b;
  int64_t from, to;
  tiles_whole(c, &from, &to);
  NestFn *whole = from < to ? winograd_tile_join_tile(c, bundle, "join", false) : NULL, *edge = NULL;
  if (to - from < c->tiles[1]) edge = winograd_tile_join_tile(c, bundle, whole ? "join_edge" : "join", true);
  NestFn *fn = nest_fn(b, nest_text(b, "join_row%s", bundle == &c->p.bundle[1] ? "_rest" : ""), false);
  Row row = row_args(b);
  row.more[0] = nest_arg(b, "f0");
  row.more[1] = nest_arg(b, "py");
  row.more[2] = nest_arg(b, "px");
  row_parts(c, join_parts, &row, (NestFn *const[]){whole, edge});
  return fn;
}
