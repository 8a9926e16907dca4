/* stochastic_pool.c: stochastic_pool (Zeiler & Fergus, 2013). In each window an element is drawn with a
 * probability proportional to it, r[i] / sum of r, where r = max(x, 0):
 *
 * training   y = the drawn r[i]: the first for which r[0] + ... + r[i] exceeds u * sum of r
 * inference  y = sum of r*r / sum of r, the expected value of a draw
 *
 * u is a random number, 0 <= u < 1. If no element of a window is positive, y is 0. */
// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"
#include "ops/pooling/pool.h"

static const Param params[] = {
    {"kernel", PARAM_WINDOW, NULL, "size of the window", 0, 0, NULL},
    {"stride", PARAM_WINDOW, "kernel", "step from one window to the next", 0, 0, NULL},
    {0},
};

static const Op op_sample, op_sample_gradient, op_mean_gradient;

/* ---- reference ---- */
typedef struct Sight { /* a window of one channel, without padding */
  const double *x;
  Extent in;
  const Window *window;
  int64_t first;
} Sight;

static Sight sight_of(const Node *forward, const double *x, int64_t oy, int64_t ox, int64_t c) {
  const Extent in = shape_extent(forward->in[0]->shape);
  const Window *w = forward->window;
  return (Sight){x, in, w, (oy * w->stride[0] * in.w + ox * w->stride[1]) * in.c + c};
}

static int64_t sight_place(const Sight *s, int64_t k) { /* index in x of the window's element k */
  return s->first + (k / s->window->kernel[1] * s->in.w + k % s->window->kernel[1]) * s->in.c;
}
static int64_t sight_count(const Sight *s) { return s->window->kernel[0] * s->window->kernel[1]; }
static double rate(const Sight *s, int64_t k) {
  return s->x[sight_place(s, k)] > 0 ? s->x[sight_place(s, k)] : 0;
}

static double total(const Sight *s, int power) {
  double sum = 0;
  for (int64_t k = 0; k < sight_count(s); k++) sum += power == 2 ? rate(s, k) * rate(s, k) : rate(s, k);
  return sum;
}

static int64_t drawn(const Sight *s, double u) { /* -1: no positive element */
  double sum = 0;
  int64_t last = -1;
  const double limit = u * total(s, 1);
  for (int64_t k = 0; k < sight_count(s); k++) {
    if (rate(s, k) <= 0) continue;
    last = k;
    sum += rate(s, k);
    if (sum > limit) break;
  }
  return last;
}

static double mean_of(const Sight *s) { return total(s, 1) > 0 ? total(s, 2) / total(s, 1) : 0; }

static void forward_run(const Eval *eval, bool sample) {
  const Extent out = shape_extent(eval->node->shape);
  const Node *forward = node_forward(eval->node);
  const int64_t first = eval->row * shape_row_elements(forward->shape);
  uint32_t key[2];
  eval_keys(eval, key);
  for (int64_t i = 0; i < out.h * out.w * out.c; i++) {
    const Sight s = sight_of(forward, eval->in[0], i / out.c / out.w, i / out.c % out.w, i % out.c);
    const int64_t k = sample ? drawn(&s, random_uniform(key[0], key[1], (uint32_t)(first + i))) : 0;
    eval->out[i] = !sample ? mean_of(&s) : k < 0 ? 0 : rate(&s, k);
  }
}

static void back_run(const Eval *eval, bool sample) {
  const Node *forward = eval->node->hidden->of;
  const Extent out = shape_extent(forward->shape);
  const int64_t first = eval->row * shape_row_elements(forward->shape);
  uint32_t key[2];
  eval_keys(eval, key);
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++) eval->out[i] = 0;
  for (int64_t i = 0; i < out.h * out.w * out.c; i++) {
    const Sight s = sight_of(forward, eval->in[1], i / out.c / out.w, i / out.c % out.w, i % out.c);
    const int64_t k = sample ? drawn(&s, random_uniform(key[0], key[1], (uint32_t)(first + i))) : -1;
    if (k >= 0) eval->out[sight_place(&s, k)] += eval->in[0][i];
    for (int64_t j = 0; !sample && j < sight_count(&s); j++)
      if (rate(&s, j) > 0)
        eval->out[sight_place(&s, j)] += eval->in[0][i] * (2 * rate(&s, j) - mean_of(&s)) / total(&s, 1);
  }
}

static void mean_run(const Eval *eval) { forward_run(eval, false); }
static void sample_run(const Eval *eval) { forward_run(eval, true); }
static void mean_back_run(const Eval *eval) { back_run(eval, false); }
static void sample_back_run(const Eval *eval) { back_run(eval, true); }

/* ---- the nests ---- */
typedef struct Tap { /* registers and values of one window */
  const PoolPixel *pixel;
  Buf *x, *sum, *squares, *found;
  Val limit, dy, mean;
  const PoolTarget *target;
  const Ix *c;
  int part, lanes;
} Tap;

static Val rate_at(Lower *l, const Tap *t, const Ix *y, const Ix *x) {
  return nest_let(l->b, "r", vmax(walk_load(l, t->x, y, x, t->c, t->part, t->lanes), num(l->b, 0)));
}

static Buf *zero_register(Nest *b, const char *name, int lanes) {
  Buf *buf = NEST_REGISTERS(b, name, lanes, 1);
  nest_store(b, nest_at(b, buf, 0), num(b, 0));
  return buf;
}

static Val held_value(Nest *b, Buf *buf) { return nest_get(b, nest_at(b, buf, 0)); }

static void add_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const Tap *t = context;
  Nest *b = l->b;
  Val r = rate_at(l, t, y, x);
  nest_store(b, nest_at(b, t->sum, 0), add(held_value(b, t->sum), r));
  if (t->squares) nest_store(b, nest_at(b, t->squares, 0), add(mul(r, r), held_value(b, t->squares)));
}

static Tap tap_of(Lower *l, const PoolPixel *pixel, Buf *x, bool squares, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  Tap tap = {.pixel = pixel, .x = x, .c = c, .part = part, .lanes = lanes};
  tap.sum = zero_register(b, "sum", lanes);
  if (squares) tap.squares = zero_register(b, "squares", lanes);
  pool_each_tap(l, pixel, add_tap, &tap);
  return tap;
}

static Val window_mean(Nest *b, const Tap *t) {
  Val sum = held_value(b, t->sum), none = less_eq(sum, num(b, 0));
  return choose(none, num(b, 0), div_(held_value(b, t->squares), choose(none, num(b, 1), sum)));
}

static void mean_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                        const void *context) {
  const Tap tap = tap_of(l, pixel, l->in[0], true, c, part, lanes);
  (void)context;
  lower_store(l, window_mean(l->b, &tap), pixel->y, pixel->x, c, part, lanes);
}

static void mean_lower(Lower *l) {
  const Pool pool = pool_of(l->node);
  nest_fn(l->b, l->b->name, false);
  pool_walk(l, &pool, mean_window, NULL);
}

static void mean_back_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const Tap *t = context;
  Nest *b = l->b;
  Val r = rate_at(l, t, y, x);
  Val slope = mul(t->dy, sub(mul(num(b, 2), r), t->mean));
  pool_target_put(l, t->target, choose(less_eq(r, num(b, 0)), num(b, 0), slope), y, x, t->c, t->part,
                  t->lanes);
}

static void mean_back_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                             const void *context) {
  Nest *b = l->b;
  Tap tap = tap_of(l, pixel, l->in[1], true, c, part, lanes);
  Val dy = walk_load(l, l->in[0], pixel->y, pixel->x, c, part, lanes), sum = held_value(b, tap.sum);
  tap.target = context;
  tap.mean = nest_let(b, "mean", window_mean(b, &tap));
  tap.dy = nest_let(b, "d", div_(dy, choose(less_eq(sum, num(b, 0)), num(b, 1), sum)));
  pool_each_tap(l, pixel, mean_back_tap, &tap);
}

static void mean_back_lower(Lower *l) { pool_lower_gradient(l, mean_back_window); }

/* Random numbers are drawn one by one, and loaded as a vector. */
static Val uniforms(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  const Extent e = pixel->pool->small;
  Buf *keys = lower_keys(l);
  const Ix first = ((lower_row(l) * e.h + *pixel->y) * e.w + *pixel->x) * e.c + *c;
  Val key0 = nest_load(b, nest_at(b, keys, 0), 1), key1 = nest_load(b, nest_at(b, keys, 1), 1);
  if (lanes == 1) return uniform(key0, key1, position(b, &first));
  Buf *u = NEST_BUF(b, STACK, "u", lanes);
  NEST_FOR(b, k, part) {
    const Ix index = first + k;
    nest_store(b, nest_at(b, u, k), uniform(key0, key1, position(b, &index)));
  }
  return nest_load_part(b, nest_at(b, u, 0), part, lanes);
}

/* Sets the limit that the running sum exceeds at the drawn element. */
static void draw(Lower *l, Tap *tap, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  tap->limit = nest_let(b, "limit", mul(uniforms(l, tap->pixel, c, part, lanes), held_value(b, tap->sum)));
  nest_store(b, nest_at(b, tap->sum, 0), num(b, 0));
  tap->found = zero_register(b, "found", lanes);
}

/* Each positive element before which the running sum is at most the limit replaces `found`. So the last of
 * them is the drawn element, even if rounding keeps the total of the window at or below the limit. */
static void sample_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const Tap *t = context;
  Nest *b = l->b;
  Val r = rate_at(l, t, y, x), sum = held_value(b, t->sum), found = held_value(b, t->found);
  Val positive = choose(less(num(b, 0), r), r, found);
  nest_store(b, nest_at(b, t->found, 0), choose(less_eq(sum, t->limit), positive, found));
  nest_store(b, nest_at(b, t->sum, 0), add(held_value(b, t->sum), r));
}

static void sample_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                          const void *context) {
  Tap tap = tap_of(l, pixel, l->in[0], false, c, part, lanes);
  (void)context;
  draw(l, &tap, c, part, lanes);
  pool_each_tap(l, pixel, sample_tap, &tap);
  lower_store(l, held_value(l->b, tap.found), pixel->y, pixel->x, c, part, lanes);
}

static void sample_lower(Lower *l) {
  const Pool pool = pool_of(l->node);
  lower_keys(l);
  nest_fn(l->b, l->b->name, false);
  pool_walk(l, &pool, sample_window, NULL);
}

/* ---- backward: dy goes to the drawn element, which is recomputed ---- */
static Val tap_number(Lower *l, const Tap *t, const Ix *y, const Ix *x) {
  const Window *w = &t->pixel->pool->window;
  const Ix number = (*y - *t->pixel->y * w->stride[0]) * w->kernel[1] + (*x - *t->pixel->x * w->stride[1]);
  return convert(position(l->b, &number), F32);
}

static void find_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const Tap *t = context;
  Nest *b = l->b;
  Val r = rate_at(l, t, y, x), sum = held_value(b, t->sum), found = held_value(b, t->found);
  Val positive = choose(less(num(b, 0), r), tap_number(l, t, y, x), found);
  nest_store(b, nest_at(b, t->found, 0), choose(less_eq(sum, t->limit), positive, found));
  nest_store(b, nest_at(b, t->sum, 0), add(held_value(b, t->sum), r));
}

static void give_tap(Lower *l, const Ix *y, const Ix *x, void *context) {
  const Tap *t = context;
  Nest *b = l->b;
  Val here = equal(held_value(b, t->found), tap_number(l, t, y, x));
  pool_target_put(l, t->target, choose(here, t->dy, num(b, 0)), y, x, t->c, t->part, t->lanes);
}

static void sample_back_window(Lower *l, const PoolPixel *pixel, const Ix *c, int part, int lanes,
                               const void *context) {
  Nest *b = l->b;
  Tap tap = tap_of(l, pixel, l->in[1], false, c, part, lanes);
  draw(l, &tap, c, part, lanes);
  nest_store(b, nest_at(b, tap.found, 0), num(b, -1));
  pool_each_tap(l, pixel, find_tap, &tap);
  tap.target = context;
  tap.dy = nest_let(b, "d", walk_load(l, l->in[0], pixel->y, pixel->x, c, part, lanes));
  pool_each_tap(l, pixel, give_tap, &tap);
}

static void sample_back_lower(Lower *l) {
  lower_keys(l);
  pool_lower_gradient(l, sample_back_window);
}

/* ---- the operators ---- */
static void backward(Gradient *gradient, Node *node, Node *dy, const Op *op) {
  gradient_input(gradient, op, node, 2, (Node *[]){dy, node->in[0]});
}
static void mean_backward(Gradient *gradient, Node *node, Node *dy) {
  backward(gradient, node, dy, &op_mean_gradient);
}
static void sample_backward(Gradient *gradient, Node *node, Node *dy) {
  backward(gradient, node, dy, &op_sample_gradient);
}

static Node *train(Graph *graph, Node *node) {
  return graph_hidden(graph, &op_sample, node, node->shape, RESULT_SAMPLE, 1, node->in);
}

static const Op op_sample = {
    .name = "stochastic_pool sample", .eval = sample_run, .gradient = sample_backward, .lower = sample_lower};
static const Op op_sample_gradient = {
    .name = "stochastic_pool sample gradient", .eval = sample_back_run, .lower = sample_back_lower};
static const Op op_mean_gradient = {
    .name = "stochastic_pool input gradient", .eval = mean_back_run, .lower = mean_back_lower};

const Op op_stochastic_pool = {
    .name = "stochastic_pool",
    .group = "pooling",
    .summary = "training: a random element of each window, more likely if it is larger; inference: the "
               "expected value",
    .detail = "r = max(x, 0); training: y = r[i] with probability r[i] / (sum of r); inference: y = (sum of "
              "r*r) / (sum of r). Zeiler & Fergus, 2013",
    .params = params,
    .example = "conv(16, 3x3) -> relu -> stochastic_pool(2)",
    .traits.needs_axes = true,
    .shape = pool_shape,
    .eval = mean_run,
    .gradient = mean_backward,
    .train = train,
    .lower = mean_lower,
    .traits.stream = STREAM_WINDOW,
};
