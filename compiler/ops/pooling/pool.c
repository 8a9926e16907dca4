/* pool.c: Pooling windows: shape rules, traversal in nests, gradients. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/pooling/pool.h"
#include "base/number.h"
#include "graph/shape.h"
#include "kernel/window.h"

enum { UNROLL_MOST = 16 }; /* maximum number of taps of an unrolled window */

Taps pool_taps(const Window *w, int axis, int64_t o, int64_t lo, int64_t hi) {
  const int64_t start = o * w->stride[axis] - w->before[axis];
  return (Taps){larger(0, ceil_divide(lo - start, w->dilation[axis])),
                smaller(w->kernel[axis] - 1, floor_divide(hi - 1 - start, w->dilation[axis]))};
}

/* ---- shapes ---- */

/* Whether at least one window reads only padding. The last window may begin after the end of the input.
 * A window that begins before the input may skip the input, if the input is shorter than the dilation. */
static bool sees_padding_alone(const Window *w, int axis, int64_t input, int64_t output) {
  const int64_t dilation = w->dilation[axis], stride = w->stride[axis], before = w->before[axis];
  if (before > dilation * (w->kernel[axis] - 1) || (output - 1) * stride - before >= input) return true;
  int64_t outside = smaller(output, ceil_divide(before, stride));
  outside = input < dilation ? smaller(outside, dilation)
                             : 0; /* windows o and o + dilation begin at the same position modulo dilation */
  for (int64_t o = 0; o < outside; o++) {
    const Taps taps = pool_taps(w, axis, o, 0, input);
    if (taps.last < taps.first) return true;
  }
  return false;
}

void pool_shape(ShapeContext *context, Node *node) {
  const Extent in = shape_extent(node->in[0]->shape);
  Extent out;
  if (!op_window(context, node, &out)) return;
  for (int axis = 0; axis < 2; axis++) {
    if (!sees_padding_alone(node->window, axis, extent_side(in, axis), extent_side(out, axis))) continue;
    Diag *diag = op_error_at(context, node, "pad", DIAG_bad_value,
                             "a window of %s would contain only padding", node->op->name);
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "padding must be less than the kernel, %s",
              window_size_text(context->arena, node, node->window->kernel));
    return;
  }
  node->shape = window_shape(node, out.h, out.w, in.c);
}

void pool_shape_global(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  const Extent e = shape_extent(in);
  if (!in.rank) return;
  if (in.rank == 1) {
    diag_help(op_error_vector(context, node), "a vector already has one element per channel: remove %s",
              node->op->name);
    return;
  }
  Window *w = NEW(context->arena, Window);
  *w = (Window){.kernel = {e.h, e.w}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1, .multiplier = 1};
  node->window = w;
  node->shape = shape_with_rows(in.rank == 3 ? shape_image(1, 1, e.c) : shape_vector(e.c), in);
}

/* ---- traversal of windows ---- */
Pool pool_of(const Node *node) {
  const Node *forward = node_forward(node);
  Pool p = {.window = *forward->window};
  p.large = shape_extent(forward->in[0]->shape);
  p.small = shape_extent(forward->shape);
  for (int axis = 0; axis < 2; axis++) {
    const Window *w = &p.window;
    const int64_t outputs = extent_side(p.small, axis);
    window_compact(&p.window, axis, extent_side(p.large, axis), outputs);
    const int64_t reach = w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    const int64_t from = smaller(ceil_divide(w->before[axis], w->stride[axis]), outputs);
    const int64_t to =
        floor_divide(extent_side(p.large, axis) - reach + w->before[axis], w->stride[axis]) + 1;
    p.inner[axis][0] = from;
    p.inner[axis][1] = larger(from, smaller(to, outputs));
  }
  return p;
}

typedef struct Walk {
  const Pool *pool;
  PoolBody *body;
  const void *context;
} Walk;
typedef struct WalkPixel {
  const Walk *walk;
  const PoolPixel *pixel;
} WalkPixel;

static void channels_of_window(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                               const void *context) {
  const WalkPixel *at_ = context;
  (void)y;
  (void)x;
  at_->walk->body(l, at_->pixel, c, part, lanes, at_->walk->context);
}

static void columns(Lower *l, const Walk *walk, const Ix *y, bool clip_rows, int64_t from, int64_t to,
                    bool clip_columns) {
  Nest *b = l->b;
  if (from < to)
    NEST_FROM(b, x, from, to) {
      const PoolPixel pixel = {walk->pool, y, &x, {clip_rows, clip_columns}};
      walk_channels(l, walk->pool->small.c, y, &x, channels_of_window, &(WalkPixel){walk, &pixel});
    }
}

static void rows(Lower *l, const Walk *walk, int64_t from, int64_t to, bool clip_rows) {
  Nest *b = l->b;
  const Pool *p = walk->pool;
  const int64_t *inner = p->inner[1], width = p->small.w;
  const int64_t taps = p->window.kernel[0] * p->window.kernel[1];
  const int64_t work = bounded_product((to - from) * width * p->small.c, taps);
  if (from < to)
    NEST_LOOP(b, y, l->node->hidden ? SERIAL : walk_rows(l, work), 1, NEST_IX(from), 1, NEST_IX(to)) {
      if (clip_rows || l->plain) {
        columns(l, walk, &y, clip_rows, 0, width, inner[0] > 0 || inner[1] < width);
      } else {
        columns(l, walk, &y, false, 0, inner[0], true);
        columns(l, walk, &y, false, inner[0], inner[1], false);
        columns(l, walk, &y, false, inner[1], width, true);
      }
    }
}

void pool_walk(Lower *l, const Pool *p, PoolBody body, const void *context) {
  const Walk walk = {p, body, context};
  const int64_t *inner = p->inner[0], height = p->small.h;
  if (l->plain) {
    rows(l, &walk, 0, height, inner[0] > 0 || inner[1] < height);
    return;
  }
  rows(l, &walk, 0, inner[0], true);
  rows(l, &walk, inner[0], inner[1], false);
  rows(l, &walk, inner[1], height, true);
}

/* Creates one loop per axis over the taps of a window. If windows may extend outside the image, taps outside
 * are skipped. */
static void each_tap(Lower *l, const PoolPixel *at_, int axis, const Ix *row, PoolTap tap, void *context) {
  Nest *b = l->b;
  const Window *w = &at_->pool->window;
  const int64_t kernel = w->kernel[axis], dilation = w->dilation[axis],
                size = extent_side(at_->pool->large, axis);
  const Ix start = (axis ? *at_->x : *at_->y) * w->stride[axis] - w->before[axis];
  const bool clip = at_->clip[axis], few = !l->plain && w->kernel[0] * w->kernel[1] <= UNROLL_MOST;
  const char *name = axis ? "kx" : "ky";
  const Ix zero = {0}, whole = zero + kernel, below_edge = -start, beyond_edge = size - start;
  const int64_t last = extent_side(at_->pool->small, axis) - 1;
  const bool fits = size + w->before[axis] + last * w->stride[axis] <= INT32_MAX;
  const bool by_bounds = clip && dilation == 1 && fits;
  const Ix lo[2] = {zero, below_edge}, hi[2] = {whole, beyond_edge};
  for (const Ix k = *nest_loop(b, name, few && !clip ? UNROLLED : SERIAL, by_bounds ? 2 : 1, lo,
                               by_bounds ? 2 : 1, hi);
       nest_enter(b);) {
    const Ix position_ = start + k * dilation;
    if (clip && !by_bounds) {
      NEST_IF(b, nest_within(b, position_, 0, size)) {
        if (axis) tap(l, row, &position_, context);
        else each_tap(l, at_, 1, &position_, tap, context);
      }
    } else if (axis) tap(l, row, &position_, context);
    else each_tap(l, at_, 1, &position_, tap, context);
  }
}

void pool_each_tap(Lower *l, const PoolPixel *pixel, PoolTap tap, void *context) {
  each_tap(l, pixel, 0, NULL, tap, context);
}

typedef struct Combined {
  Buf *value;
  Val (*combine)(Val, Val);
  const Ix *c;
  int part, lanes;
} Combined;

static void combine_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const Combined *t = context;
  const Ref at = nest_at(l->b, t->value, 0);
  nest_store(l->b, at, t->combine(nest_get(l->b, at), walk_load(l, l->in[0], y, x, t->c, t->part, t->lanes)));
}

Val pool_combine(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes, const char *name,
                 double start, Val (*combine)(Val, Val)) {
  Nest *b = l->b;
  Combined of = {NEST_REGISTERS(b, name, lanes, 1), combine, c, part, lanes};
  nest_store(b, nest_at(b, of.value, 0), num(b, start));
  pool_each_tap(l, pixel, combine_tap, &of);
  return nest_get(b, nest_at(b, of.value, 0));
}

/* ---- the backward pass: a window distributes its gradient over its elements ---- */
static PoolTarget target_of(Lower *l, const Pool *p) { /* called before nest_fn */
  const Window *w = &p->window;
  PoolTarget target = {l->out, POOL_FINAL};
  for (int axis = 0; axis < 2; axis++) {
    const int64_t reach = w->dilation[axis] * (w->kernel[axis] - 1) + 1,
                  outputs = extent_side(p->small, axis);
    const bool inside = p->inner[axis][0] == 0 && p->inner[axis][1] == outputs,
               covers = w->dilation[axis] == 1 && (outputs == 1 || w->stride[axis] == reach) &&
                        outputs * reach == extent_side(p->large, axis);
    if (!inside || !covers) target.sum = target.sum == POOL_FINAL ? POOL_ONCE : target.sum;
    if (outputs > 1 && w->stride[axis] < reach) target.sum = POOL_ADD;
  }
  if (target.sum != POOL_FINAL) target.buf = walk_sum_begin(l, p->large);
  return target;
}

void pool_target_put(Lower *l, const PoolTarget *target, Val val, const Ix *y, const Ix *x, const Ix *c,
                     int part, int lanes) {
  if (target->sum == POOL_FINAL) lower_store(l, val, y, x, c, part, lanes);
  else
    walk_put(l, target->buf,
             target->sum == POOL_ONCE ? val : add(walk_load(l, target->buf, y, x, c, part, lanes), val), y, x,
             c, part, lanes);
}

void pool_lower_gradient(Lower *l, PoolBody body) {
  const Pool pool = pool_of(l->node);
  const PoolTarget target = target_of(l, &pool);
  nest_fn(l->b, l->b->name, false);
  if (target.sum != POOL_FINAL) walk_clear(l, target.buf, pool.large);
  pool_walk(l, &pool, body, &target);
  walk_sum_end(l, target.buf, pool.large);
}
