/* maxpool.c: maxpool, y[i][j][c] = max over the window of x, where padding counts as minus infinity. The
 * gradient goes to the maximum. If several elements equal the maximum, the first of them in row order gets
 * the gradient. If the maximum is NaN, the first element of the window gets the gradient. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/pooling/pool.h"

static const Param params[] = {
    {"kernel", PARAM_WINDOW, NULL, "size of the window", 0, 0, NULL},
    {"stride", PARAM_WINDOW, "kernel", "step from one window to the next", 0, 0, NULL},
    {"pad", PARAM_PAD, "valid",
     "padding around an image: valid, same, N, [h, w] or [top, bottom, left, right]; a sequence: valid, "
     "same, "
     "causal, N or [before, after]",
     0, 0, NULL},
    {"dilation", PARAM_WINDOW, "1", "step from one element of the window to the next", 0, 0, NULL},
    {"ceil", PARAM_BOOL, "false", "also compute a last window that extends past the end of the input", 0, 0,
     NULL},
    {0},
};

/* ---- eval ---- */
static int64_t position_of(const Window *w, int axis, int64_t o, int64_t k) {
  return o * w->stride[axis] + k * w->dilation[axis] - w->before[axis];
}

/* The index of the window's first largest element. NaN counts as the largest. */
static int64_t largest_in_window(const double *x, Extent in, const Window *w, int64_t oy, int64_t ox,
                                 int64_t c) {
  const Taps rows = pool_taps(w, 0, oy, 0, in.h), columns = pool_taps(w, 1, ox, 0, in.w);
  int64_t best = -1;
  for (int64_t ky = rows.first; ky <= rows.last; ky++)
    for (int64_t kx = columns.first; kx <= columns.last; kx++) {
      const int64_t i = (position_of(w, 0, oy, ky) * in.w + position_of(w, 1, ox, kx)) * in.c + c;
      if (best < 0 || x[i] > x[best] || (isnan(x[i]) && !isnan(x[best]))) best = i;
    }
  return best;
}

void maxpool_run(const Eval *eval) {
  const Extent in = shape_extent(eval->node->in[0]->shape), out = shape_extent(eval->node->shape);
  for (int64_t y = 0; y < out.h; y++)
    for (int64_t x = 0; x < out.w; x++)
      for (int64_t c = 0; c < out.c; c++)
        eval->out[(y * out.w + x) * out.c + c] =
            eval->in[0][largest_in_window(eval->in[0], in, eval->node->window, y, x, c)];
}

/* ---- lower ---- */
static void max_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                       const void *context) {
  (void)context;
  lower_store(l, pool_combine(l, pixel, c, part, lanes, "most", -INFINITY, vmax_nan), pixel->y, pixel->x, c,
              part, lanes);
}

void maxpool_lower(Lower *l) {
  const Pool pool = pool_of(l->node);
  nest_fn(l->b, l->b->name, false);
  pool_walk(l, &pool, max_window, NULL);
}

static Val largest_of(const Val *x, int n) {
  Val most = x[0];
  for (int i = 1; i < n; i++) most = vmax_nan(most, x[i]);
  return most;
}

/* ---- input gradient ----
 * Inputs are dy, x, y. */
static int64_t receiver(const double *x, Extent in, const Window *w, int64_t oy, int64_t ox, int64_t c) {
  const int64_t best = largest_in_window(x, in, w, oy, ox, c);
  if (!isnan(x[best])) return best;
  const int64_t row = position_of(w, 0, oy, pool_taps(w, 0, oy, 0, in.h).first);
  const int64_t column = position_of(w, 1, ox, pool_taps(w, 1, ox, 0, in.w).first);
  return (row * in.w + column) * in.c + c;
}

static void gradient_run(const Eval *eval) {
  const Node *of = eval->node->hidden->of;
  const Extent in = shape_extent(of->in[0]->shape), out = shape_extent(of->shape);
  for (int64_t i = 0; i < in.h * in.w * in.c; i++) eval->out[i] = 0;
  for (int64_t y = 0; y < out.h; y++)
    for (int64_t x = 0; x < out.w; x++)
      for (int64_t c = 0; c < out.c; c++)
        eval->out[receiver(eval->in[1], in, of->window, y, x, c)] += eval->in[0][(y * out.w + x) * out.c + c];
}

typedef struct GradientTap {
  Buf *left;
  Val most;
  const PoolTarget *target;
  const Ix *c;
  int part, lanes;
} GradientTap;

static void maxpool_gradient_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const GradientTap *t = context;
  Nest *b = l->b;
  Val less_than = nest_let(b, "less", less(walk_load(l, l->in[1], y, x, t->c, t->part, t->lanes), t->most));
  Val left = nest_let(b, "before", nest_get(b, nest_at(b, t->left, 0)));
  pool_target_put(l, t->target, choose(less_than, num(b, 0), left), y, x, t->c, t->part, t->lanes);
  nest_store(b, nest_at(b, t->left, 0), choose(less_than, left, num(b, 0)));
}

static void maxpool_gradient_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                                    const void *context) {
  Nest *b = l->b;
  GradientTap tap = {NEST_REGISTERS(b, "left", lanes, 1),
                     nest_let(b, "most", walk_load(l, l->in[2], pixel->y, pixel->x, c, part, lanes)),
                     context,
                     c,
                     part,
                     lanes};
  nest_store(b, nest_at(b, tap.left, 0), walk_load(l, l->in[0], pixel->y, pixel->x, c, part, lanes));
  pool_each_tap(l, pixel, maxpool_gradient_tap, &tap);
}

static void gradient_lower(Lower *l) { pool_lower_gradient(l, maxpool_gradient_window); }

static const Op op_gradient = {
    .name = "maxpool input gradient", .eval = gradient_run, .lower = gradient_lower};

void maxpool_backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_gradient, node, 3, (Node *[]){dy, node->in[0], node});
}

static double lowest(const Node *node) {
  (void)node;
  return -INFINITY;
}

const Op op_maxpool = {
    .name = "maxpool",
    .group = "pooling",
    .summary = "maximum of each window",
    .detail = "y = max over the window of x; elements in the padding are minus infinity",
    .params = params,
    .example = "maxpool(2)",
    .family = FAMILY_POOL,
    .traits.row_local = true,
    .traits.needs_axes = true,
    .shape = pool_shape,
    .eval = maxpool_run,
    .gradient = maxpool_backward,
    .lower = maxpool_lower,
    .traits.pool = largest_of,
    .traits.int8 = INT8_LARGEST,
    .traits.stream = STREAM_WINDOW,
    .traits.row_fill = lowest,
};
