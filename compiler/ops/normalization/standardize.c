/* standardize.c: Normalization of groups of elements, and its gradients. A group is the channels of one pixel
 * (layernorm) or some channels of all pixels (groupnorm, instancenorm). In layernorm, x - mean is stored in a
 * row of scratch. In groupnorm and instancenorm, x - x[0][0][c] is summed instead of x, so that a large mean
 * does not hide the variance; then the sums of a group's channels are merged (Chan, Golub and LeVeque,
 * 1979). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/standardize.h"
#include <math.h>
#include "kernel/map.h"
#include "kernel/walk.h"

enum { WEIGHT, BIAS };

static double standardize_epsilon(const Node *node) { return arg_number(node, "epsilon"); }
static bool is_affine(const Node *node) { return node->op->params != NULL; }

static const Standardize *detail_of(const Node *node) { return node->detail; }

void standardize_shape(ShapeContext *context, Node *node, Standardize detail) {
  const int64_t channels = shape_extent(node->in[0]->shape).c;
  if (!node->in[0]->shape.rank) return;
  Standardize *kept = NEW(context->arena, Standardize);
  *kept = detail;
  node->detail = kept;
  node->nweights = 2;
  node->weight = NEW_ARRAY(context->arena, Weight *, 2);
  node->weight[WEIGHT] = op_weight(context, node, "weight", 1, &channels, "init", 1, 1, 1, false);
  if (!node->weight[WEIGHT]) return;
  node->weight[BIAS] = op_weight(context, node, "bias", 1, &channels, "bias_init", 0, 1, 1, false);
  if (node->weight[BIAS]) node->shape = node->in[0]->shape;
}

/* ---- reference ---- */
typedef struct Group { /* elements of a group; factor: 1 / sqrt(variance + epsilon) */
  bool by_pixel;
  Extent e;
  int64_t channels, number, count;
  double mean, factor;
} Group;

static int64_t group_place(const Group *g, int64_t i) {
  if (g->by_pixel) return g->number * g->e.c + i;
  return i / g->channels * g->e.c + g->number * g->channels + i % g->channels;
}

static int64_t group_count(const Group *g) { return g->e.h * g->e.w * g->e.c / g->count; }

static Group group_begin(const Node *node) {
  const Standardize *of = detail_of(node);
  Group g = {.by_pixel = of->by_pixel, .e = shape_extent(node->shape), .channels = of->channels};
  g.count = g.channels * (g.by_pixel ? 1 : g.e.h * g.e.w);
  return g;
}

static void group_measure(Group *g, const Node *node, const double *x) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < g->count; i++) sum += x[group_place(g, i)];
  g->mean = sum / (double)g->count;
  for (int64_t i = 0; i < g->count; i++)
    squares += (x[group_place(g, i)] - g->mean) * (x[group_place(g, i)] - g->mean);
  g->factor = 1 / sqrt(squares / (double)g->count + standardize_epsilon(node));
}

void standardize_run(const Eval *eval) {
  Group g = group_begin(eval->node);
  const double *weight = eval->weight[WEIGHT], *bias = eval->weight[BIAS];
  for (; g.number < group_count(&g); g.number++) {
    group_measure(&g, eval->node, eval->in[0]);
    for (int64_t i = 0; i < g.count; i++) {
      const int64_t at_ = group_place(&g, i), c = at_ % g.e.c;
      const double h = (eval->in[0][at_] - g.mean) * g.factor;
      eval->out[at_] = is_affine(eval->node) ? h * weight[c] + bias[c] : h;
    }
  }
}

void standardize_back_run(const Eval *eval) {
  Group g = group_begin(eval->node);
  const double *dy = eval->in[0], *x = eval->in[1];
  for (; g.number < group_count(&g); g.number++) {
    double sum = 0, products = 0;
    group_measure(&g, eval->node, x);
    for (int64_t i = 0; i < g.count; i++) {
      sum += dy[group_place(&g, i)];
      products += dy[group_place(&g, i)] * (x[group_place(&g, i)] - g.mean) * g.factor;
    }
    for (int64_t i = 0; i < g.count; i++) {
      const double h = (x[group_place(&g, i)] - g.mean) * g.factor;
      eval->out[group_place(&g, i)] =
          g.factor * (dy[group_place(&g, i)] - sum / (double)g.count - h * products / (double)g.count);
    }
  }
}

/* ---- stored values ---- */
typedef struct Work {
  Buf *x, *dy;                            /* dy: NULL in the forward pass */
  Buf *weight, *bias;                     /* NULL: none */
  Buf *row;                               /* x - mean, if groups are within a pixel */
  Buf *mean, *factor, *sum, *products;    /* per channel, if groups are over pixels */
  Val row_mean, row_factor, dy_mean, dot; /* per pixel; dot: factor * (mean of dy*h) */
  int64_t pixels;
} Work;

static Work work_begin(Lower *l) {
  const bool back = !is_affine(l->node) && l->node->nin == 2;
  return (Work){.x = l->in[back],
                .dy = back ? l->in[0] : NULL,
                .weight = is_affine(l->node) ? lower_weight(l, WEIGHT) : NULL,
                .bias = is_affine(l->node) ? lower_weight(l, BIAS) : NULL};
}

static void store_result(Lower *l, const Work *w, Val h, const Ix *y, const Ix *x, const Ix *c, int part,
                         int lanes) {
  if (w->weight)
    h = fma_(h, walk_load(l, w->weight, y, x, c, part, lanes), walk_load(l, w->bias, y, x, c, part, lanes));
  lower_store(l, h, y, x, c, part, lanes);
}

static Val root_of(Nest *b, Val variance, const Node *node) {
  return div_(num(b, 1), vsqrt(add(variance, num(b, standardize_epsilon(node)))));
}

/* ---- by pixel ---- */
static Val row_x(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes, const void *context) {
  return walk_load(l, ((const Work *)context)->x, y, x, c, part, lanes);
}
static Val row_dy(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes, const void *context) {
  return walk_load(l, ((const Work *)context)->dy, y, x, c, part, lanes);
}
static Val row_square(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  Val d = walk_load(l, ((const Work *)context)->row, y, x, c, part, lanes);
  return mul(d, d);
}
static Val row_product(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  return mul(row_dy(l, y, x, c, part, lanes, context),
             walk_load(l, ((const Work *)context)->row, y, x, c, part, lanes));
}

static void center_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const Work *w = context;
  walk_put(l, w->row, sub(walk_load(l, w->x, y, x, c, part, lanes), w->row_mean), y, x, c, part, lanes);
}

static void pixel_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Work *w = context;
  Val d = walk_load(l, w->row, y, x, c, part, lanes);
  if (!w->dy) {
    store_result(l, w, mul(d, w->row_factor), y, x, c, part, lanes);
    return;
  }
  Val centered = sub(walk_load(l, w->dy, y, x, c, part, lanes), w->dy_mean);
  lower_store(l, mul(w->row_factor, sub(centered, mul(d, w->dot))), y, x, c, part, lanes);
}

static void lower_by_pixel(Lower *l, Work *w, Extent e) {
  enum { MOST_LOCAL = 1 << 12 }; /* maximum number of floats of a row on the stack */
  Nest *b = l->b;
  const LoopKind kind = l->threads ? walk_rows(l, 4 * e.h * e.w * e.c) : SERIAL;
  Val part = num(b, 1 / (double)e.c);
  /* threads share the pixels of the only row: each pixel then has its own `row`, on the stack */
  const bool local = kind == PARALLEL && e.h == 1 && e.c <= MOST_LOCAL;
  if (!local) w->row = walk_row_scratch(l, "row", kind, e.h, e.c);
  nest_fn(b, b->name, false);
  WALK_PIXELS(b, y, x, e, local || e.h > 1 ? kind : SERIAL) {
    if (local) w->row = NEST_BUF(b, STACK, "row", e.c);
    w->row_mean = nest_let(b, "mean", mul(walk_row_sum(l, e.c, &y, &x, row_x, w), part));
    walk_channels(l, e.c, &y, &x, center_body, w);
    Val variance = mul(walk_row_sum(l, e.c, &y, &x, row_square, w), part);
    w->row_factor = nest_let(b, "factor", root_of(b, variance, l->node));
    if (w->dy) {
      w->dy_mean = nest_let(b, "dy_mean", mul(walk_row_sum(l, e.c, &y, &x, row_dy, w), part));
      Val products = mul(walk_row_sum(l, e.c, &y, &x, row_product, w), part);
      w->dot = nest_let(b, "dot", mul(products, mul(w->row_factor, w->row_factor)));
    }
    walk_channels(l, e.c, &y, &x, pixel_body, w);
  }
}

/* ---- over pixels ---- */
/* Moments of each channel separately: `mean` gets the mean and, until the merge, `factor` the sum of
 * squared deviations. */
static void moments_body(Lower *l, const Ix *y0, const Ix *x0, const Ix *c, int part, int lanes,
                         const void *context) {
  const Work *w = context;
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1), *squares = NEST_REGISTERS(b, "squares", lanes, 1);
  Val first = nest_let(b, "first", walk_load(l, w->x, y0, x0, c, part, lanes)),
      pixels = num(b, 1 / (double)w->pixels);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  nest_store(b, nest_at(b, squares, 0), num(b, 0));
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      Val d = nest_let(b, "d", sub(walk_load(l, w->x, &y, &x, c, part, lanes), first));
      nest_store(b, nest_at(b, sum, 0), add(nest_get(b, nest_at(b, sum, 0)), d));
      nest_accumulate(b, nest_at(b, squares, 0), d, d);
    }
  Val all = nest_get(b, nest_at(b, sum, 0)), shift = nest_let(b, "shift", mul(all, pixels));
  walk_put(l, w->mean, add(first, shift), y0, x0, c, part, lanes);
  walk_put(l, w->factor, vmax(sub(nest_get(b, nest_at(b, squares, 0)), mul(all, shift)), num(b, 0)), y0, x0,
           c, part, lanes);
}

static void sums_body(Lower *l, const Ix *y0, const Ix *x0, const Ix *c, int part, int lanes,
                      const void *context) {
  const Work *w = context;
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1), *products = NEST_REGISTERS(b, "products", lanes, 1);
  Val mean = nest_let(b, "mean_", walk_load(l, w->mean, y0, x0, c, part, lanes));
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  nest_store(b, nest_at(b, products, 0), num(b, 0));
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      Val dy = nest_let(b, "dy", walk_load(l, w->dy, &y, &x, c, part, lanes));
      nest_store(b, nest_at(b, sum, 0), add(nest_get(b, nest_at(b, sum, 0)), dy));
      nest_accumulate(b, nest_at(b, products, 0), dy, sub(walk_load(l, w->x, &y, &x, c, part, lanes), mean));
    }
  walk_put(l, w->sum, nest_get(b, nest_at(b, sum, 0)), y0, x0, c, part, lanes);
  walk_put(l, w->products, nest_get(b, nest_at(b, products, 0)), y0, x0, c, part, lanes);
}

static Val channel_of(Nest *b, Buf *buf, const Ix *c) { return nest_load(b, nest_at(b, buf, *c), 1); }

static void add_to_sum(Nest *b, Buf *sum, Val v) {
  nest_store(b, nest_at(b, sum, 0), add(nest_get(b, nest_at(b, sum, 0)), v));
}

/* Stores the mean and the factor of a group for each of its channels. */
static void merge_moments(Lower *l, const Work *w, const Ix *first, int64_t channels) {
  Nest *b = l->b;
  Buf *sum = NEST_REGISTERS(b, "all", 1, 1), *squares = NEST_REGISTERS(b, "spread", 1, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  nest_store(b, nest_at(b, squares, 0), num(b, 0));
  NEST_FOR(b, i, channels) add_to_sum(b, sum, channel_of(b, w->mean, NEST_IX(*first + i)));
  Val mean = nest_let(b, "mean_", mul(nest_get(b, nest_at(b, sum, 0)), num(b, 1 / (double)channels)));
  NEST_FOR(b, i, channels) {
    const Ix c = *first + i;
    Val d = nest_let(b, "d", sub(channel_of(b, w->mean, &c), mean));
    add_to_sum(b, squares, fma_(mul(d, d), num(b, (double)w->pixels), channel_of(b, w->factor, &c)));
  }
  Val variance = mul(nest_get(b, nest_at(b, squares, 0)), num(b, 1 / (double)(channels * w->pixels)));
  Val factor = nest_let(b, "factor_", root_of(b, variance, l->node));
  NEST_FOR(b, i, channels) {
    nest_store(b, nest_at(b, w->mean, *first + i), mean);
    nest_store(b, nest_at(b, w->factor, *first + i), factor);
  }
}

/* For each channel of a group, stores the group's mean of dy in `sum`, and the group's
 * factor * (mean of dy*h) in `products`. */
static void merge_sums(Lower *l, const Work *w, const Ix *first, int64_t channels) {
  Nest *b = l->b;
  Buf *sum = NEST_REGISTERS(b, "all_dy", 1, 1), *products = NEST_REGISTERS(b, "all_products", 1, 1);
  Val part = num(b, 1 / (double)(channels * w->pixels));
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  nest_store(b, nest_at(b, products, 0), num(b, 0));
  NEST_FOR(b, i, channels) {
    add_to_sum(b, sum, channel_of(b, w->sum, NEST_IX(*first + i)));
    add_to_sum(b, products, channel_of(b, w->products, NEST_IX(*first + i)));
  }
  Val factor = nest_let(b, "f", channel_of(b, w->factor, first));
  Val mean = nest_let(b, "dy_mean", mul(nest_get(b, nest_at(b, sum, 0)), part)),
      dot = nest_let(b, "dot", mul(mul(nest_get(b, nest_at(b, products, 0)), part), mul(factor, factor)));
  NEST_FOR(b, i, channels) {
    nest_store(b, nest_at(b, w->sum, *first + i), mean);
    nest_store(b, nest_at(b, w->products, *first + i), dot);
  }
}

static void value_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Work *w = context;
  Val d = sub(walk_load(l, w->x, y, x, c, part, lanes), walk_load(l, w->mean, y, x, c, part, lanes)),
      factor = walk_load(l, w->factor, y, x, c, part, lanes);
  if (!w->dy) {
    store_result(l, w, mul(d, factor), y, x, c, part, lanes);
    return;
  }
  Val centered = sub(walk_load(l, w->dy, y, x, c, part, lanes), walk_load(l, w->sum, y, x, c, part, lanes));
  lower_store(l, mul(factor, sub(centered, mul(d, walk_load(l, w->products, y, x, c, part, lanes)))), y, x, c,
              part, lanes);
}

static void lower_over_pixels(Lower *l, Work *w, Extent e, int64_t channels) {
  Nest *b = l->b;
  const Ix zero = {0};
  w->pixels = e.h * e.w;
  w->mean = lower_scratch(l, "mean", 1, &e.c);
  w->factor = lower_scratch(l, "factor", 1, &e.c);
  if (w->dy) {
    w->sum = lower_scratch(l, "sum_dy", 1, &e.c);
    w->products = lower_scratch(l, "sum_products", 1, &e.c);
  }
  nest_fn(b, b->name, false);
  walk_channels(l, e.c, &zero, &zero, moments_body, w);
  NEST_FOR(b, g, e.c / channels) merge_moments(l, w, NEST_IX(g * channels), channels);
  if (w->dy) {
    walk_channels(l, e.c, &zero, &zero, sums_body, w);
    NEST_FOR(b, g, e.c / channels) merge_sums(l, w, NEST_IX(g * channels), channels);
  }
  walk_pixels(l, e, value_body, w);
}

void standardize_lower(Lower *l) {
  const Extent e = shape_extent(l->node->shape);
  const Standardize *of = detail_of(l->node);
  Work w = work_begin(l);
  if (of->by_pixel) lower_by_pixel(l, &w, e);
  else lower_over_pixels(l, &w, e, of->channels);
}

void standardize_gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, detail_of(node)->back, node, 2, (Node *[]){dy, node->in[0]});
}

/* ---- in training: a node computes h (the normalized x), then another node computes h*weight + bias ---- */
MAP_EVAL(affine) { return x[0] * weight[WEIGHT] + weight[BIAS]; }
MAP_SLOPE(affine_slope) { return weight[WEIGHT]; }
static double affine_weight_slope(UNUSED const Node *node, const double *x, UNUSED double y,
                                  UNUSED const double *weight, UNUSED int64_t c, int k) {
  return k == WEIGHT ? x[0] : 1;
}
MAP_VALUE(affine_value) {
  /* a separate statement: each call creates a buffer, and C evaluates arguments in any order */
  const Val bias = map_weight(m, BIAS);
  return fma_(m->x[0], map_weight(m, WEIGHT), bias);
}
MAP_GRADIENT(affine_gradient) { return mul(map_weight(m, WEIGHT), dy); }
static Val affine_weight_gradient(Map *m, Val dy, int k) { return k == WEIGHT ? mul(m->x[0], dy) : dy; }

static const Op op_affine = {.name = "norm affine",
                             MAP_OPERATOR,
                             .map_eval = affine,
                             .map_slope = affine_slope,
                             .map_weight_slope = affine_weight_slope,
                             .map = affine_value,
                             .map_gradient = affine_gradient,
                             .map_weight_gradient = affine_weight_gradient};

Node *standardize_train(Graph *graph, Node *node) {
  Node *h = graph_hidden(graph, detail_of(node)->standardized, node, node->shape, RESULT_SAMPLE, 1, node->in);
  return graph_hidden(graph, &op_affine, node, node->shape, RESULT_SAMPLE, 1, &h);
}

/* ---- input gradient of the operator when one node computes h*weight + bias, as in the inference graph;
 * inspection needs this gradient ---- */
MAP_EVAL(weighted) { return x[0] * weight[WEIGHT]; }
MAP_VALUE(weighted_value) { return mul(m->x[0], map_weight(m, WEIGHT)); }
static const Op op_weighted = {.name = "norm weighted",
                               .family = FAMILY_MAP,
                               .traits.keeps_spatial = true,
                               .eval = map_run,
                               .lower = lower_plain_map,
                               .map_eval = weighted,
                               .map = weighted_value};

void standardize_affine_gradient(Gradient *gradient, Node *node, Node *dy) {
  if (!gradient_wanted(gradient, node->in[0])) return;
  Graph *graph = gradient_graph(gradient);
  standardize_gradient(gradient, node,
                       graph_hidden(graph, &op_weighted, node, node->shape, RESULT_SAMPLE, 1, &dy));
}
