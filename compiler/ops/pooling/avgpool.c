/* avgpool.c: avgpool, y[i][j][c] = (sum over the window of x) / n. n is the number of the window's elements
 * inside the input. With count_pad, n also counts the padding, but not the elements that ceil adds after
 * the padding (as in PyTorch). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/pooling/pool.h"
#include "ops/shape/stream_mask.h"

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
    {"count_pad", PARAM_BOOL, "false", "include the padding in the mean, as zeros", 0, 0, NULL},
    {0},
};

/* ---- counted elements: those at counted_from <= position < counted_to ---- */
static int64_t counted_from(const Node *forward, int axis) {
  return arg_bool(forward, "count_pad") ? -forward->window->before[axis] : 0;
}
static int64_t counted_to(const Node *forward, int axis) {
  return extent_side(shape_extent(forward->in[0]->shape), axis) +
         (arg_bool(forward, "count_pad") ? forward->window->after[axis] : 0);
}

/* Whether n excludes rows before the start of an endless sequence, along this axis. If so, in[1] is the
 * number of calls so far. */
static bool counts_real_rows(const Node *node, int axis) {
  return node->nin == 2 && axis == (node->shape.rank == 2);
}

/* ---- eval ---- */
static double real_rows(const Eval *eval, int axis, int64_t o) {
  const Window *w = eval->node->window;
  const double first = stream_first_row(eval, eval->node->detail) + (double)(o * w->stride[axis]);
  double n = 0;
  for (int64_t k = 0; k < w->kernel[axis]; k++) n += first + (double)(k * w->dilation[axis]) >= 0;
  return n > 0 ? n : 1; /* n is 0 only for results before row 0, which are undefined */
}

/* 1 / n of a window */
static double window_share(const Eval *eval, const Node *forward, int64_t oy, int64_t ox) {
  double n = 1;
  for (int axis = 0; axis < 2; axis++) {
    if (counts_real_rows(eval->node, axis)) {
      n *= real_rows(eval, axis, axis ? ox : oy);
      continue;
    }
    const Taps taps = pool_taps(forward->window, axis, axis ? ox : oy, counted_from(forward, axis),
                                counted_to(forward, axis));
    n *= (double)(taps.last - taps.first + 1);
  }
  return 1 / n;
}

/* Without `spread`, adds each element of a window, divided by n, to the window's mean in `out`.
 * With `spread`, adds the window's dy, divided by n, to each element of the window in `out` (dx). */
static void eval_mean(const Eval *eval, const Node *forward, bool spread) {
  const double *from = eval->in[0];
  double *to = eval->out;
  const Window *w = forward->window;
  const Extent in = shape_extent(forward->in[0]->shape), out = shape_extent(forward->shape);
  for (int64_t y = 0; y < out.h; y++)
    for (int64_t x = 0; x < out.w; x++) {
      const Taps rows = pool_taps(w, 0, y, 0, in.h), columns = pool_taps(w, 1, x, 0, in.w);
      const double part = window_share(eval, forward, y, x);
      for (int64_t ky = rows.first; ky <= rows.last; ky++)
        for (int64_t kx = columns.first; kx <= columns.last; kx++)
          for (int64_t c = 0; c < out.c; c++) {
            const int64_t large = ((y * w->stride[0] + ky * w->dilation[0] - w->before[0]) * in.w +
                                   x * w->stride[1] + kx * w->dilation[1] - w->before[1]) *
                                      in.c +
                                  c;
            const int64_t small = (y * out.w + x) * out.c + c;
            if (spread) to[large] += from[small] * part;
            else to[small] += from[large] * part;
          }
    }
}

void avgpool_run(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = 0;
  eval_mean(eval, eval->node, false);
}

/* ---- lower ---- */
static Val window_index(Nest *b, const Ix *index) { return convert(position(b, index), F32); }

static Val real_pixels(Lower *l, const Ix *start, int64_t kernel, int64_t dilation) {
  Nest *b = l->b;
  const StreamRow *row = l->node->detail;
  if (dilation == 1) {
    const Ix end = *start + kernel;
    return vmax(num(b, 1), vmin(num(b, (double)kernel), stream_row_number(l, row, &end)));
  }
  Buf *n = NEST_REGISTERS(b, "n", 1, 1);
  nest_store(b, nest_at(b, n, 0), num(b, 0));
  NEST_FOR(b, k, kernel) {
    const Ix at = *start + k * dilation;
    nest_store(b, nest_at(b, n, 0),
               add(nest_get(b, nest_at(b, n, 0)),
                   choose(less(stream_row_number(l, row, &at), num(b, 0)), num(b, 0), num(b, 1))));
  }
  return vmax(num(b, 1), nest_get(b, nest_at(b, n, 0)));
}

/* Number of elements of this window that are counted along an axis. NULL: the window counts all its
 * elements. */
static Val counted_pixels(Lower *l, const Node *forward, const PoolPixel *pixel, int axis) {
  Nest *b = l->b;
  const Window *w = &pixel->pool->window;
  const int64_t kernel = w->kernel[axis], dilation = w->dilation[axis], from = counted_from(forward, axis),
                to = counted_to(forward, axis);
  const int64_t outputs = extent_side(pixel->pool->small, axis),
                last = (outputs - 1) * w->stride[axis] + (kernel - 1) * dilation - w->before[axis];
  const Ix first = (axis ? *pixel->x : *pixel->y) * w->stride[axis];
  if (counts_real_rows(l->node, axis)) return real_pixels(l, &first, kernel, dilation);
  if (!pixel->clip[axis] || (-w->before[axis] >= from && last < to)) return NULL;
  const Ix start = first - w->before[axis], end = start + kernel;
  if (dilation == 1)
    return sub(vmin(window_index(b, &end), num(b, (double)to)),
               vmax(window_index(b, &start), num(b, (double)from)));
  Buf *n = NEST_REGISTERS(b, "n", 1, 1);
  nest_store(b, nest_at(b, n, 0), num(b, 0));
  NEST_FOR(b, k, kernel) {
    const Ix position_ = start + k * dilation;
    NEST_IF(b, nest_within(b, position_, from, to))
      nest_store(b, nest_at(b, n, 0), add(nest_get(b, nest_at(b, n, 0)), num(b, 1)));
  }
  return nest_get(b, nest_at(b, n, 0));
}

static Val share_value(Lower *l, const PoolPixel *pixel) {
  Nest *b = l->b;
  const Node *forward = node_forward(l->node);
  const Window *w = forward->window;
  Val rows = counted_pixels(l, forward, pixel, 0), columns = counted_pixels(l, forward, pixel, 1);
  if (!rows && !columns) return num(b, 1 / ((double)w->kernel[0] * (double)w->kernel[1]));
  if (!rows) rows = num(b, (double)w->kernel[0]);
  if (!columns) columns = num(b, (double)w->kernel[1]);
  return nest_let(b, "share", div_(num(b, 1), mul(rows, columns)));
}

static void sum_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                       const void *context) {
  (void)context;
  const Val sum = pool_combine(l, pixel, c, part, lanes, "sum", 0, add);
  lower_store(l, mul(sum, share_value(l, pixel)), pixel->y, pixel->x, c, part, lanes);
}

void avgpool_lower(Lower *l) {
  const Pool pool = pool_of(l->node);
  nest_fn(l->b, l->b->name, false);
  pool_walk(l, &pool, sum_window, NULL);
}

static Val mean_of(const Val *x, int n) {
  Val sum = x[0];
  for (int i = 1; i < n; i++) sum = add(sum, x[i]);
  return mul(sum, num(sum->nest, 1.0 / n));
}

/* ---- input gradient: dx += dy / n under each window ---- */
static void gradient_run(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = 0;
  eval_mean(eval, eval->node->hidden->of, true);
}

typedef struct GradientTap {
  Val part_of_dy;
  const PoolTarget *target;
  const Ix *c;
  int part, lanes;
} GradientTap;

static void gradient_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const GradientTap *t = context;
  pool_target_put(l, t->target, t->part_of_dy, y, x, t->c, t->part, t->lanes);
}

static void gradient_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                            const void *context) {
  Nest *b = l->b;
  GradientTap tap = {
      nest_let(b, "d",
               mul(walk_load(l, l->in[0], pixel->y, pixel->x, c, part, lanes), share_value(l, pixel))),
      context, c, part, lanes};
  pool_each_tap(l, pixel, gradient_tap, &tap);
}

static void gradient_lower(Lower *l) { pool_lower_gradient(l, gradient_window); }

static const Op op_gradient = {
    .name = "avgpool input gradient", .eval = gradient_run, .lower = gradient_lower};

void avgpool_backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_gradient, node, 1, &dy);
}

static bool counts_inside(const Node *node) { return !arg_bool(node, "count_pad"); }

static const Op op_counted = {.name = "avgpool",
                              .params = params,
                              .traits.per_image = true,
                              .traits.keeps_spatial = true,
                              .eval = avgpool_run,
                              .lower = avgpool_lower};

static void count_rows(Arena *arena, Node *node, Node *calls, int64_t rows, int64_t offset) {
  StreamRow *row = NEW(arena, StreamRow);
  Node *pool = node->in[0];
  *row = (StreamRow){rows, offset};
  node->op = &op_counted;
  node->detail = row;
  node->nin = 2;
  node->in = NEW_ARRAY(arena, Node *, 2);
  node->in[0] = pool;
  node->in[1] = calls;
}

const Op op_avgpool = {
    .name = "avgpool",
    .group = "pooling",
    .summary = "mean of each window",
    .detail = "y = (sum over the window of x) / n; n is the number of window elements inside the input; with "
              "count_pad=true, n also counts the elements in the padding",
    .params = params,
    .example = "avgpool(2)",
    .family = FAMILY_POOL,
    .traits.row_local = true,
    .traits.needs_axes = true,
    .shape = pool_shape,
    .eval = avgpool_run,
    .gradient = avgpool_backward,
    .lower = avgpool_lower,
    .traits.pool = mean_of,
    .traits.int8 = INT8_MEAN,
    .traits.stream = STREAM_WINDOW,
    .traits.counts_inside = counts_inside,
    .traits.count_rows = count_rows,
};
