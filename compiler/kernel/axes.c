/* axes.c: Separable weighted sums along height and width. One pass computes both axes if the code has few
 * products or if only one axis changes. Otherwise each axis has its own pass, and a scratch buffer holds the
 * result of the first pass. If weights repeat along an axis, a loop runs over the periods; the elements of a
 * period are unrolled with constant weights. Elements near the ends are unrolled separately. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/axes.h"
#include "base/number.h"
#include "kernel/walk.h"

enum {
  AT_ONCE = 256, /* maximum number of products in the code of one pass over both axes; with more products,
                    each axis has its own pass */
  IN_LINE = 16,  /* maximum number of products of an element in one expression */
  FEW = 4        /* maximum number of adjacent equal result elements whose stores are unrolled */
};

/* ---- reference ---- */

/* The taps of a result element. If an input element occurs more than once, as at a border, its weights are
 * added first. So an infinite input element gives infinity, not NaN, even if its weights have different
 * signs. */
static int axis_taps_at(const Node *forward, AxisRule rule, int axis, int64_t to, AxisTap tap[AXIS_TAPS]) {
  const int all = rule(forward, axis, to, tap);
  int n = 0;
  for (int i = 0; i < all; i++) {
    int k = 0;
    while (k < n && tap[k].from != tap[i].from) k++;
    if (k < n) tap[k].weight += tap[i].weight;
    else tap[n++] = tap[i];
  }
  return n;
}

static void axes_run_rule(const Node *forward, AxisRule rule, const double *from, double *to, bool back) {
  const Extent in = shape_extent(forward->in[0]->shape), out = shape_extent(forward->shape);
  AxisTap rows[AXIS_TAPS], columns[AXIS_TAPS];
  for (int64_t y = 0; y < out.h; y++) {
    const int nrows = axis_taps_at(forward, rule, 0, y, rows);
    for (int64_t x = 0; x < out.w; x++) {
      const int ncolumns = axis_taps_at(forward, rule, 1, x, columns);
      for (int k = 0; k < nrows * ncolumns; k++) {
        const AxisTap row = rows[k / ncolumns], column = columns[k % ncolumns];
        const double weight = row.weight * column.weight;
        const int64_t large = (row.from * in.w + column.from) * in.c, small = (y * out.w + x) * out.c;
        for (int64_t c = 0; weight != 0 && c < in.c; c++) {
          if (back) to[large + c] += weight * from[small + c];
          else to[small + c] += weight * from[large + c];
        }
      }
    }
  }
}

static void run_from_zero(const Eval *eval, AxisRule rule, bool back) {
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = 0;
  axes_run_rule(node_forward(eval->node), rule, eval->in[0], eval->out, back);
}

void axes_run(const Eval *eval, AxisRule rule) { run_from_zero(eval, rule, false); }
void axes_run_back(const Eval *eval, AxisRule rule) { run_from_zero(eval, rule, true); }

/* ---- a map along an axis ---- */
typedef struct Tap { /* `count` consecutive source elements with the same weight */
  int64_t from, count;
  double weight;
} Tap;
typedef struct Line { /* the taps of one result element */
  int n, room;
  Tap *tap;
} Line;
/* The map has `head` separate lines, then `count` repetitions of `period` lines, then the remaining separate
 * lines. Each repetition reads the source `step` elements after the previous repetition. line[] holds the
 * head, one period, and the tail. */
typedef struct AxisMap {
  int64_t size, head, period, step, count, lines;
  Line *line;
} AxisMap;

static void line_add(Arena *arena, Line *line, int64_t from, double weight) {
  int at_ = line->n;
  if (weight == 0) return;
  for (int i = 0; i < line->n; i++)
    if (line->tap[i].from == from) {
      line->tap[i].weight += weight;
      return;
    }
  if (line->n == line->room) {
    Tap *more = NEW_ARRAY(arena, Tap, line->room = 2 * line->room + 2);
    for (int i = 0; i < line->n; i++) more[i] = line->tap[i];
    line->tap = more;
  }
  while (at_ > 0 && line->tap[at_ - 1].from > from) {
    line->tap[at_] = line->tap[at_ - 1];
    at_--;
  }
  line->tap[at_] = (Tap){from, 1, weight};
  line->n++;
}

static void line_join(Line *line) {
  int n = 0;
  for (int i = 0; i < line->n; i++) {
    Tap *last = n ? &line->tap[n - 1] : NULL;
    if (last && last->from + last->count == line->tap[i].from && last->weight == line->tap[i].weight)
      last->count += line->tap[i].count;
    else line->tap[n++] = line->tap[i];
  }
  line->n = n;
}

static bool line_follows(const Line *a, const Line *b,
                         int64_t step) { /* whether b equals a after a shift by step */
  bool same = a->n == b->n;
  for (int i = 0; i < a->n && same; i++)
    same = a->tap[i].from + step == b->tap[i].from && a->tap[i].count == b->tap[i].count &&
           a->tap[i].weight == b->tap[i].weight;
  return same;
}

/* Finds the repetitions from the middle outwards, because the ends differ. cut: number of repetitions in the
 * middle that `line` does not contain. */
static AxisMap map_of(Line *line, int64_t lines, int64_t period, int64_t step, int64_t cut) {
  AxisMap map = {.size = lines + cut * period, .head = lines, .lines = lines, .line = line};
  const int64_t last = lines - period;
  int64_t from = larger(last, 0) / 2, to = from;
  if (period < 1) return map;
  while (from > 0 && line_follows(&line[from - 1], &line[from - 1 + period], step)) from--;
  while (to < last && line_follows(&line[to], &line[to + period], step)) to++;
  const int64_t rounds = (to + period - from) / period, tail = from + rounds * period;
  if (rounds < 2) return map;
  for (int64_t i = tail; i < lines; i++) {
    Line *end = &line[from + period + i - tail];
    *end = line[i];
    for (int k = 0; k < end->n; k++) end->tap[k].from += cut * step;
  }
  map.head = from;
  map.period = period;
  map.step = step;
  map.count = rounds + cut;
  map.lines = from + period + lines - tail;
  return map;
}

static AxisMap map_spread(Arena *arena,
                          int64_t size) { /* for the gradient of an input axis of size 1: its only element is
                                             the sum of all `size` elements of dy */
  Line *line = NEW_ARRAY(arena, Line, 1);
  line->n = line->room = 1;
  line->tap = NEW_ARRAY(arena, Tap, 1);
  line->tap[0] = (Tap){0, size, 1};
  return (AxisMap){.size = 1, .head = 1, .lines = 1, .line = line};
}

static AxisMap map_make(Arena *arena, const Node *forward, int axis, AxisRule rule, AxisPeriod p, bool back) {
  const int64_t in = extent_side(shape_extent(forward->in[0]->shape), axis),
                out = extent_side(shape_extent(forward->shape), axis);
  if (in == 1 && back) return map_spread(arena, out);
  AxisTap tap[AXIS_TAPS];
  int64_t ends = 4 + p.border;
  const int64_t taps = rule(forward, axis, out / 2, tap);
  if (p.from > 0) ends += (taps + p.from - 1) / p.from;
  const int64_t cut = larger(0, out / p.to - 2 * ends), begin = ends * p.to;
  const int64_t kept_out = out - cut * p.to, kept_in = in - cut * p.from, lines = back ? kept_in : kept_out;
  Line *line = NEW_ARRAY(arena, Line, lines);
  for (int64_t o = 0; o < kept_out; o++) {
    const bool behind = o >= begin && cut;
    const int n = rule(forward, axis, behind ? o + cut * p.to : o, tap);
    for (int k = 0; k < n; k++) {
      const int64_t from = tap[k].from - (behind ? cut * p.from : 0);
      line_add(arena, &line[back ? from : o], back ? o : from, tap[k].weight);
    }
  }
  for (int64_t i = 0; i < lines; i++) line_join(&line[i]);
  return back ? map_of(line, lines, p.from, p.to, cut) : map_of(line, lines, p.to, p.from, cut);
}

static AxisMap map_identity(Arena *arena, int64_t size) {
  Line *line = NEW_ARRAY(arena, Line, 1);
  line_add(arena, line, 0, 1);
  return (AxisMap){.size = size, .period = 1, .step = 1, .count = size, .lines = 1, .line = line};
}

static bool is_identity(const AxisMap *map) {
  return map->count == map->size && map->period == 1 && map->step == 1 && map->line[0].n == 1 &&
         map->line[0].tap[0].from == 0 && map->line[0].tap[0].count == 1 && map->line[0].tap[0].weight == 1;
}

/* Number of products in the code, in which consecutive equal lines are merged. */
static int64_t axis_products(const AxisMap *map) {
  int64_t n = 0;
  for (int64_t i = 0; i < map->lines; i++)
    if (!i || !line_follows(&map->line[i - 1], &map->line[i], 0)) n += larger(1, map->line[i].n);
  return n;
}

/* ---- the nest ---- */
typedef struct Pass {
  Lower *l;
  Buf *from, *to; /* to: NULL for the result, to which the fused nodes are applied */
  const AxisMap *map[2];
  int64_t channels;
} Pass;
/* Result elements with equal taps: along each axis, `times` elements from position `to` on. line: their taps,
 * relative to position `base` of the source. */
typedef struct Spot {
  const Pass *pass;
  Ix to[2], base[2];
  int64_t times[2];
  const Line *line[2];
} Spot;

static Val tap_load(const Spot *spot, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  return walk_load(spot->pass->l, spot->pass->from, y, x, c, part, lanes);
}

static int64_t elements_of(const Line *line) {
  int64_t n = 0;
  for (int i = 0; i < line->n; i++) n += line->tap[i].count;
  return n;
}

static Val row_expression(const Spot *spot, const Tap *row, int64_t k, const Ix *c, int part, int lanes) {
  const Line *columns = spot->line[1];
  Nest *b = spot->pass->l->b;
  const Ix y = spot->base[0] + (row->from + k);
  Val sum = NULL;
  for (int j = 0; j < columns->n; j++) {
    const double weight = row->weight * columns->tap[j].weight;
    for (int64_t i = 0; i < columns->tap[j].count; i++) {
      const Ix x = spot->base[1] + (columns->tap[j].from + i);
      Val product = tap_load(spot, &y, &x, c, part, lanes);
      if (weight != 1) product = mul(product, num(b, weight));
      sum = sum ? add(product, sum) : product;
    }
  }
  return sum;
}

/* The weighted sum for a result element. Each row is summed separately, to shorten the dependency chain. */
static Val expression(const Spot *spot, const Ix *c, int part, int lanes) {
  const Line *rows = spot->line[0];
  Val sum = NULL;
  for (int i = 0; i < rows->n; i++)
    for (int64_t k = 0; k < rows->tap[i].count; k++) {
      Val row = row_expression(spot, &rows->tap[i], k, c, part, lanes);
      sum = sum && row ? add(sum, row) : row;
    }
  return sum ? sum : num(spot->pass->l->b, 0);
}

static Val axis_taps_sum(const Spot *spot, const Ix *c, int part, int lanes) {
  const Line *rows = spot->line[0], *columns = spot->line[1];
  Nest *b = spot->pass->l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  for (int i = 0; i < rows->n; i++)
    NEST_FOR(b, ky, rows->tap[i].count)
      for (int j = 0; j < columns->n; j++)
        NEST_FOR(b, kx, columns->tap[j].count) {
          const Ix y = spot->base[0] + rows->tap[i].from + ky, x = spot->base[1] + columns->tap[j].from + kx;
          const double weight = rows->tap[i].weight * columns->tap[j].weight;
          nest_store(b, nest_at(b, sum, 0),
                     add(mul(tap_load(spot, &y, &x, c, part, lanes), num(b, weight)),
                         nest_get(b, nest_at(b, sum, 0))));
        }
  return nest_get(b, nest_at(b, sum, 0));
}

static void spot_body(Lower *l, const Ix *unused_y, const Ix *unused_x, const Ix *c, int part, int lanes,
                      const void *context) {
  Nest *b = l->b;
  const Spot *spot = context;
  (void)unused_y;
  (void)unused_x;
  const bool many = elements_of(spot->line[0]) * elements_of(spot->line[1]) > IN_LINE;
  Val value = nest_let(b, "v", many ? axis_taps_sum(spot, c, part, lanes) : expression(spot, c, part, lanes));
  const LoopKind kind[2] = {spot->times[0] > FEW ? SERIAL : UNROLLED,
                            spot->times[1] > FEW ? SERIAL : UNROLLED};
  NEST_LOOP(b, ty, kind[0], 1, NEST_IX(0), 1, NEST_IX(spot->times[0]))
    NEST_LOOP(b, tx, kind[1], 1, NEST_IX(0), 1, NEST_IX(spot->times[1])) {
      const Ix y = spot->to[0] + ty, x = spot->to[1] + tx;
      if (spot->pass->to) walk_put(l, spot->pass->to, value, &y, &x, c, part, lanes);
      else lower_store(l, value, &y, &x, c, part, lanes);
    }
}

static void each_line(Spot *spot, int axis);

/* Computes lines first .. first+n-1 of the map, and stores them from position `to` on. Consecutive equal
 * lines are merged. */
static void lines(Spot *spot, int axis, int64_t first, int64_t n, const Ix *to, const Ix *base) {
  const AxisMap *map = spot->pass->map[axis];
  for (int64_t i = 0, times; i < n; i += times) {
    for (times = 1; i + times < n; times++)
      if (!line_follows(&map->line[first + i], &map->line[first + i + times], 0)) break;
    spot->to[axis] = *to + i;
    spot->base[axis] = *base;
    spot->times[axis] = times;
    spot->line[axis] = &map->line[first + i];
    if (axis == 0) each_line(spot, 1);
    else walk_channels(spot->pass->l, spot->pass->channels, &spot->to[0], &spot->to[1], spot_body, spot);
  }
}

static void each_line(Spot *spot, int axis) {
  const Pass *pass = spot->pass;
  Nest *b = pass->l->b;
  const AxisMap *map = pass->map[axis];
  const Ix zero = {0}, tail = zero + (map->head + map->period * map->count);
  const int64_t work = bounded_product(bounded_product(map->size, pass->map[1]->size), pass->channels);
  const LoopKind kind = axis == 0 ? walk_rows(pass->l, work) : SERIAL;
  lines(spot, axis, 0, map->head, &zero, &zero);
  if (map->count) {
    for (const Ix k = *nest_loop(b, axis ? "x" : "y", kind, 1, NEST_IX(0), 1, NEST_IX(map->count));
         nest_enter(b);) {
      const Ix to = k * map->period + map->head, base = k * map->step;
      lines(spot, axis, map->head, map->period, &to, &base);
    }
  }
  lines(spot, axis, map->head + map->period, map->lines - map->head - map->period, &tail, &zero);
}

static void pass_put(Lower *l, Buf *from, Buf *to, const AxisMap *rows, const AxisMap *columns) {
  const Pass pass = {l, from, to, {rows, columns}, shape_extent(l->node->shape).c};
  Spot spot = {.pass = &pass};
  each_line(&spot, 0);
}

static void lower_maps(Lower *l, const AxisMap map[2]) {
  const Extent in = shape_extent(l->node->in[0]->shape), out = shape_extent(l->node->shape);
  const int64_t products = bounded_product(axis_products(&map[0]), axis_products(&map[1]));
  if (products <= AT_ONCE || is_identity(&map[0]) || is_identity(&map[1])) {
    nest_fn(l->b, l->b->name, false);
    pass_put(l, l->in[0], NULL, &map[0], &map[1]);
    return;
  }
  const bool columns_first = in.h * out.w <= out.h * in.w;
  const int64_t dim[3] = {columns_first ? in.h : out.h, columns_first ? out.w : in.w, in.c};
  const AxisMap rows = map_identity(l->arena, dim[0]), columns = map_identity(l->arena, dim[1]);
  Buf *between = lower_scratch(l, "between", 3, dim);
  nest_fn(l->b, l->b->name, false);
  pass_put(l, l->in[0], between, columns_first ? &rows : &map[0], columns_first ? &map[1] : &columns);
  const AxisMap all_rows = map_identity(l->arena, out.h), all_columns = map_identity(l->arena, out.w);
  pass_put(l, between, NULL, columns_first ? &map[0] : &all_rows, columns_first ? &all_columns : &map[1]);
}

static void axes_lower_kernel(Lower *l, AxisRule rule, AxisPeriodOf period, bool back) {
  const Node *forward = node_forward(l->node);
  AxisMap map[2];
  for (int axis = 0; axis < 2; axis++)
    map[axis] = map_make(l->arena, forward, axis, rule, period(forward, axis), back);
  lower_maps(l, map);
}

void axes_lower(Lower *l, AxisRule rule, AxisPeriodOf period) { axes_lower_kernel(l, rule, period, false); }
void axes_lower_back(Lower *l, AxisRule rule, AxisPeriodOf period) {
  axes_lower_kernel(l, rule, period, true);
}
