/* moves.c: Copies between a value and its parts. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/parts/moves.h"

void parts_copy(const Eval *eval) {
  const int64_t n = shape_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = eval->in[0][i];
}

/* ---- moves ---- */
typedef struct Move {
  const PartSpot *spot;
  bool to_parts;
} Move;

static void move_body(Lower *l, const Ix *unused_y, const Ix *unused_x, const Ix *c, int part, int lanes,
                      const void *context) {
  const Move *move = context;
  const PartSpot *s = move->spot;
  const Ix whole_c = s->whole_c + *c;
  (void)unused_y;
  (void)unused_x;
  if (move->to_parts) {
    l->row = &s->part_row;
    lower_store(l, parts_load(l, l->in[0], &s->whole_row, &s->whole_y, &s->whole_x, &whole_c, part, lanes),
                &s->part_y, &s->part_x, c, part, lanes);
  } else {
    l->row = &s->whole_row;
    lower_store(l, parts_load(l, l->in[0], &s->part_row, &s->part_y, &s->part_x, c, part, lanes), &s->whole_y,
                &s->whole_x, &whole_c, part, lanes);
  }
}

static void part_move(Lower *l, const PartSpot *spot, int64_t channels, bool to_parts) {
  const Move move = {spot, to_parts};
  walk_channels(l, channels, NULL, NULL, move_body, &move);
}

/* ---- heads ---- */
typedef struct Heads {
  int64_t rows, heads;
  Extent part;
} Heads;

static Heads heads_of(const Node *node, bool to_parts) {
  const Node *parts = to_parts ? node : node->in[0], *whole = to_parts ? node->in[0] : node;
  const int64_t rows = shape_rows(whole->shape);
  return (Heads){rows, shape_rows(parts->shape) / rows, shape_extent(parts->shape)};
}

void heads_run(const Eval *eval, bool to_parts) {
  const Heads k = heads_of(eval->node, to_parts);
  const int64_t pixels = k.part.h * k.part.w, d = k.part.c;
  for (int64_t n = 0; n < k.rows * k.heads; n++)
    for (int64_t p = 0; p < pixels; p++)
      for (int64_t c = 0; c < d; c++) {
        const int64_t part = (n * pixels + p) * d + c,
                      whole = ((n / k.heads * pixels + p) * k.heads + n % k.heads) * d + c;
        eval->out[to_parts ? part : whole] = eval->in[0][to_parts ? whole : part];
      }
}

void heads_lower(Lower *l, bool to_parts) {
  Nest *b = l->b;
  const Heads k = heads_of(l->node, to_parts);
  const LoopKind kind = walk_rows(l, shape_elements(l->node->shape));
  nest_fn(b, b->name, false);
  NEST_LOOP(b, r, k.rows > 1 ? kind : SERIAL, 1, NEST_IX(0), 1, NEST_IX(k.rows))
    NEST_LOOP(b, h, k.rows > 1 ? SERIAL : kind, 1, NEST_IX(0), 1, NEST_IX(k.heads))
      NEST_FOR(b, y, k.part.h)
        NEST_FOR(b, x, k.part.w) {
          const PartSpot spot = {r, y, x, h * k.part.c, r * k.heads + h, y, x};
          part_move(l, &spot, k.part.c, to_parts);
        }
}

/* ---- windows ---- */
static bool shift_number(const Const *c, int64_t *to) {
  *to = c->kind == CONST_INT ? c->i : (int64_t)c->f;
  return c->kind == CONST_INT || (double)*to == c->f;
}

static int64_t modulo(int64_t a, int64_t n) { return (a % n + n) % n; }

bool windows_shift(ShapeContext *context, const Node *node, const int64_t whole[2], int64_t shift[2]) {
  const Const *value = arg_const(node, "shift");
  const bool list = value->kind == CONST_LIST || value->kind == CONST_DIMS;
  const int n = list ? value->n : 1;
  bool fits = n <= 2;
  for (int axis = 0; axis < 2 && fits; axis++)
    fits = shift_number(list ? &value->items[axis < n ? axis : n - 1] : value, &shift[axis]);
  for (int axis = 0; axis < 2 && fits; axis++) shift[axis] = modulo(shift[axis], whole[axis]);
  if (!fits)
    op_error_at(context, node, "shift", DIAG_wrong_type, "shift of %s takes an integer or [dy, dx]",
                node->op->name);
  return fits;
}

Windows windows_of(const Node *node) { return *(const Windows *)node->detail; }

static int64_t window_position(const Windows *w, int axis, int64_t window, int64_t at) {
  const int64_t from = w->grid ? at * w->count[axis] + window : window * w->size[axis] + at;
  return modulo(from + w->shift[axis], w->count[axis] * w->size[axis]);
}

void windows_run(const Eval *eval, bool to_parts) {
  const Windows w = windows_of(eval->node);
  const int64_t c = shape_extent(eval->node->shape).c, width = w.count[1] * w.size[1];
  int64_t part = 0;
  for (int64_t n = 0; n < w.count[0] * w.count[1]; n++)
    for (int64_t p = 0; p < w.size[0] * w.size[1]; p++) {
      const int64_t y = window_position(&w, 0, n / w.count[1], p / w.size[1]),
                    x = window_position(&w, 1, n % w.count[1], p % w.size[1]);
      for (int64_t k = 0; k < c; k++, part++) {
        const int64_t whole = (y * width + x) * c + k;
        eval->out[to_parts ? part : whole] = eval->in[0][to_parts ? whole : part];
      }
    }
}

/* Along an axis, there is a loop over windows and a loop over the positions in a window; the order of the
 * stored result determines which is the outer loop. A WindowRounds is a range of the outer loop for which the
 * inner ranges are the same. There may be two inner ranges with different offsets, because the shift wraps
 * around. */
typedef struct WindowRounds {
  int64_t outer[2];
  int nparts;
  struct {
    int64_t inner[2], offset;
  } part[2];
} WindowRounds;

static void add_rounds(WindowRounds *to, int *n, int64_t from, int64_t until, int64_t cut, int64_t inner,
                       int64_t shift, int64_t length) {
  if (from >= until) return;
  WindowRounds *r = &to[(*n)++];
  *r = (WindowRounds){.outer = {from, until}};
  const int64_t range[2][2] = {{0, cut}, {cut, inner}};
  for (int k = 0; k < 2; k++) {
    if (range[k][0] >= range[k][1]) continue;
    r->part[r->nparts].inner[0] = range[k][0];
    r->part[r->nparts].inner[1] = range[k][1];
    r->part[r->nparts++].offset = k ? shift - length : shift;
  }
}

static int window_rounds(const Windows *w, int axis, bool by_window, WindowRounds to[3]) {
  const int64_t outer = by_window ? w->count[axis] : w->size[axis],
                inner = by_window ? w->size[axis] : w->count[axis], length = outer * inner,
                shift = w->shift[axis], wrap = length - shift;
  int n = 0;
  if (by_window != w->grid) { /* in the image, the outer loop has the larger steps */
    const int64_t at = wrap / inner, cut = wrap % inner;
    add_rounds(to, &n, 0, at, inner, inner, shift, length);
    if (cut) add_rounds(to, &n, at, at + 1, cut, inner, shift, length);
    add_rounds(to, &n, at + (cut > 0), outer, 0, inner, shift, length);
  } else {
    const int64_t at = wrap / outer, cut = wrap % outer;
    add_rounds(to, &n, 0, cut, at + 1, inner, shift, length);
    add_rounds(to, &n, cut, outer, at, inner, shift, length);
  }
  return n;
}

typedef struct WindowLoops {
  Lower *l;
  Windows w;
  bool to_parts, by_window;
  WindowRounds rows[3], columns[3];
  int ncolumns;
} WindowLoops;

static Ix window_spot(const WindowLoops *k, int axis, const Ix *outer, const Ix *inner, int64_t offset) {
  const bool outer_steps = k->by_window != k->w.grid;
  const int64_t step = k->w.grid ? k->w.count[axis] : k->w.size[axis];
  return outer_steps ? *outer * step + *inner + offset : *inner * step + *outer + offset;
}

static void window_columns(const WindowLoops *k, const Ix *outer_y, const Ix *inner_y, const Ix *whole_y) {
  Nest *b = k->l->b;
  const Ix zero = {0};
  const Ix *window_y = k->by_window ? outer_y : inner_y, *y = k->by_window ? inner_y : outer_y;
  for (int i = 0; i < k->ncolumns; i++) {
    const WindowRounds *r = &k->columns[i];
    NEST_FROM(b, outer, r->outer[0], r->outer[1])
      for (int p = 0; p < r->nparts; p++)
        NEST_FROM(b, inner, r->part[p].inner[0], r->part[p].inner[1]) {
          const Ix x = window_spot(k, 1, &outer, &inner, r->part[p].offset);
          const PartSpot spot = {zero,
                                 *whole_y,
                                 x,
                                 zero,
                                 *window_y * k->w.count[1] + (k->by_window ? outer : inner),
                                 *y,
                                 k->by_window ? inner : outer};
          part_move(k->l, &spot, shape_extent(k->l->node->shape).c, k->to_parts);
        }
  }
}

void windows_lower(Lower *l, bool to_parts) {
  Nest *b = l->b;
  WindowLoops k = {.l = l, .w = windows_of(l->node), .to_parts = to_parts};
  k.by_window = to_parts || !k.w.grid;
  const int nrows = window_rounds(&k.w, 0, k.by_window, k.rows);
  k.ncolumns = window_rounds(&k.w, 1, k.by_window, k.columns);
  const LoopKind kind = walk_rows(l, shape_elements(l->node->shape) / nrows);
  nest_fn(b, b->name, false);
  for (int i = 0; i < nrows; i++) {
    const WindowRounds *r = &k.rows[i];
    NEST_LOOP(b, outer, kind, 1, NEST_IX(r->outer[0]), 1, NEST_IX(r->outer[1]))
      for (int p = 0; p < r->nparts; p++)
        NEST_FROM(b, inner, r->part[p].inner[0], r->part[p].inner[1]) {
          const Ix y = window_spot(&k, 0, &outer, &inner, r->part[p].offset);
          window_columns(&k, &outer, &inner, &y);
        }
  }
}
