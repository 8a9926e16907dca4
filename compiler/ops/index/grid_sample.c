/* grid_sample.c: grid_sample, an image sampled at the points of a grid, as in torch. The range -1 .. 1 of x
 * and y reaches from one outer edge of the image to the other; with corners=true it reaches from the center
 * of the first pixel to the center of the last pixel. Outside of the image, the argument outside= selects 0,
 * the nearest border pixel, or the image mirrored at its edges. If a coordinate is NaN, the result with
 * outside=zeros is NaN (bilinear) or 0 (nearest); with the other values of outside=, the first pixel along
 * the axis is used. An infinite coordinate is outside of the image; with outside=reflect, it counts as
 * NaN. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "ops/index/index.h"
#include "ops/index/sampling.h"

static const Param params[] = {
    {"grid", PARAM_VALUE, NULL, "x and y of each point, in -1 .. 1: PxQx2 or Lx2", 0, 0, NULL},
    {"mode", PARAM_CHOICE, "bilinear", "interpolate between pixels, or use the nearest pixel", 0, 0,
     "bilinear nearest"},
    {"outside", PARAM_CHOICE, "zeros", "values of the pixels outside the image", 0, 0,
     "zeros border reflect"},
    {"corners", PARAM_BOOL, "false",
     "true: -1 and 1 are the centers of the border pixels; false: the outer edges of these pixels", 0, 0,
     NULL},
    {0},
};

enum { POINT = 2 };

/* ---- the shape ---- */
static bool takes_grid(ShapeContext *context, const Node *node) {
  const Shape grid = node->in[1]->shape;
  if (grid.rank > 1 && grid.dim[grid.rank - 1] == POINT) return true;
  Diag *diag = op_error_at(
      context, node, "grid", DIAG_wrong_shape,
      grid.rank > 1 ? "grid of grid_sample is %s, but needs x and y: two channels"
                    : "grid of grid_sample is %s, but must have x and y of each point: PxQx2 or Lx2",
      shape_text(context->arena, grid));
  op_note_origin(context, diag, node->in[1]);
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape, grid = node->in[1]->shape;
  if (!in.rank || !grid.rank) return;
  if (!sampling_takes_image(context, node, node->in[0]) || !takes_grid(context, node) ||
      !op_same_regions(context, node, node->in[0], node->in[1]))
    return;
  node->shape = grid;
  node->shape.dim[grid.rank - 1] = in.dim[2];
}

static Sampling sampling_of(const Node *node) {
  const Node *forward = node_forward(node);
  return (Sampling){.nearest = arg_is(forward, "mode", "nearest"),
                    .corners = arg_bool(forward, "corners"),
                    .outside = arg_is(forward, "outside", "border")    ? OUTSIDE_BORDER
                               : arg_is(forward, "outside", "reflect") ? OUTSIDE_REFLECT
                                                                       : OUTSIDE_ZEROS};
}

static Cost cost(const Node *node) {
  const Node *forward = node_forward(node);
  const int corners = arg_is(forward, "mode", "nearest") ? 0 : SAMPLE_CORNERS;
  return (Cost){.macs = corners * shape_row_elements(forward->shape)};
}

/* ---- reference ---- */
typedef struct Grid {
  Sampling sampling;
  SampleImage image;
  int64_t points;
} Grid;

static Grid sampled_grid(const Node *node) {
  const Node *forward = node_forward(node);
  const Extent e = shape_extent(forward->in[0]->shape), to = shape_extent(forward->shape);
  return (Grid){sampling_of(node), {e, 0, e.c}, to.h * to.w};
}

static void grid_point(const Grid *g, const double *grid, int64_t p, SamplePoint point[2]) {
  point[0] = sample_point(&g->sampling, grid[POINT * p + 1], g->image.e.h);
  point[1] = sample_point(&g->sampling, grid[POINT * p], g->image.e.w);
}

static void eval(const Eval *eval) {
  const Grid g = sampled_grid(eval->node);
  SamplePoint point[2];
  for (int64_t i = 0; i < g.points * g.image.e.c; i++) eval->out[i] = 0;
  for (int64_t p = 0; p < g.points; p++) {
    grid_point(&g, eval->in[1], p, point);
    sample_take(&g.image, point, 1, eval->in[0], eval->out + p * g.image.e.c);
  }
}

static void back_eval(const Eval *eval) { /* inputs: dy, grid */
  const Grid g = sampled_grid(eval->node);
  SamplePoint point[2];
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++) eval->out[i] = 0;
  for (int64_t p = 0; p < g.points; p++) {
    grid_point(&g, eval->in[1], p, point);
    sample_spread(&g.image, point, 1, eval->in[0] + p * g.image.e.c, eval->out);
  }
}

static void points_eval(const Eval *eval) { /* inputs: dy, image, grid */
  const Grid g = sampled_grid(eval->node);
  SamplePoint point[2];
  for (int64_t p = 0; p < g.points; p++) {
    double slopes[3] = {0};
    grid_point(&g, eval->in[2], p, point);
    sample_slopes(&g.image, point, eval->in[0] + p * g.image.e.c, eval->in[1], slopes);
    eval->out[POINT * p] = slopes[2];
    eval->out[POINT * p + 1] = slopes[1];
  }
}

/* ---- the nests ---- */
typedef struct Work {
  Lower *l;
  Sampling sampling;
  Extent image, to;
  Buf *grid, *from, *dy; /* from: the image, or its gradient */
  const Ix *y, *x;
  bool slopes;
} Work;

static Work grid_work(Lower *l) {
  const Node *forward = node_forward(l->node);
  return (Work){.l = l,
                .sampling = sampling_of(l->node),
                .image = shape_extent(forward->in[0]->shape),
                .to = shape_extent(forward->shape)};
}

static void each_grid_point(Work *w, LoopKind kind, SampleBody body) {
  Lower *l = w->l;
  Nest *b = l->b;
  const Ix zero = {0}, one = zero + 1;
  NEST_LOOP(b, y, w->to.h > 1 ? kind : SERIAL, 1, NEST_IX(0), 1, NEST_IX(w->to.h))
    NEST_LOOP(b, x, w->to.h > 1 ? SERIAL : kind, 1, NEST_IX(0), 1, NEST_IX(w->to.w)) {
      w->y = &y;
      w->x = &x;
      Val at_x = nest_let(b, "x", walk_load(l, w->grid, &y, &x, &zero, 1, 1)),
          at_y = nest_let(b, "y", walk_load(l, w->grid, &y, &x, &one, 1, 1));
      sample_choose(l, &w->sampling, w->image, at_y, at_x, w->slopes, body, w);
    }
}

typedef struct Corners {
  const Work *work;
  const Sample *sample;
  Val weight[SAMPLE_CORNERS];
} Corners;

static void corners_of(Corners *c, const Work *work, const Sample *sample) {
  Nest *b = work->l->b;
  *c = (Corners){.work = work, .sample = sample};
  for (int k = 0; k < SAMPLE_CORNERS; k++)
    if (sample_has(sample, k)) c->weight[k] = nest_let(b, nest_text(b, "w%d", k), sample_weight(sample, k));
}

static void take_channels(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  const Corners *at = context;
  lower_store(l, sample_value(at->sample, at->work->from, at->weight, c, part, lanes, NULL), y, x, c, part,
              lanes);
}

static void take_point(const Sample *sample, const void *context) {
  const Work *w = context;
  Corners corners;
  corners_of(&corners, w, sample);
  walk_channels(w->l, w->image.c, w->y, w->x, take_channels, &corners);
}

static LoopKind grid_rows(const Work *w) {
  return walk_rows(w->l, bounded_product(8 * w->to.h * w->to.w, w->image.c));
}

static void lower(Lower *l) {
  Work w = grid_work(l);
  w.from = l->in[0];
  w.grid = l->in[1];
  nest_fn(l->b, l->b->name, false);
  each_grid_point(&w, grid_rows(&w), take_point);
}

/* ---- gradients ---- */
static void spread_channels(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                            const void *context) {
  const Corners *at = context;
  Val dy = nest_let(l->b, "dy", walk_load(l, at->work->dy, y, x, c, part, lanes));
  sample_add(at->sample, at->work->from, at->weight, dy, c, part, lanes);
}

static void spread_point(const Sample *sample, const void *context) {
  const Work *w = context;
  Corners corners;
  corners_of(&corners, w, sample);
  walk_channels(w->l, w->image.c, w->y, w->x, spread_channels, &corners);
}

static void back_lower(Lower *l) {
  Work w = grid_work(l);
  w.dy = l->in[0];
  w.grid = l->in[1];
  w.from = walk_sum_begin(l, w.image);
  nest_fn(l->b, l->b->name, false);
  walk_clear(l, w.from, w.image);
  each_grid_point(&w, SERIAL, spread_point);
  walk_sum_end(l, w.from, w.image);
}

static void slope_point(const Sample *sample, const void *context) {
  const Work *w = context;
  Lower *l = w->l;
  const Ix zero = {0};
  Val product[SAMPLE_CORNERS];
  sample_products(sample, w->from, w->dy, w->y, w->x, &zero, w->image.c, product);
  for (int axis = 0; axis < 2; axis++) {
    const Ix c = zero + (1 - axis);
    lower_store(l, sample_slope(sample, axis, product), w->y, w->x, &c, 1, 1);
  }
}

static void points_lower(Lower *l) {
  Work w = grid_work(l);
  w.dy = l->in[0];
  w.from = l->in[1];
  w.grid = l->in[2];
  w.slopes = true;
  nest_fn(l->b, l->b->name, false);
  each_grid_point(&w, grid_rows(&w), slope_point);
}

static const Op op_back = {.name = "grid_sample input gradient",
                           .cost = cost,
                           .eval = back_eval,
                           .lower = back_lower},
                op_points = {.name = "grid_sample grid gradient",
                             .cost = cost,
                             .eval = points_eval,
                             .lower = points_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  Node *image = node->in[0], *grid = node->in[1];
  gradient_input(gradient, &op_back, node, 2, (Node *[]){dy, grid});
  if (!sampling_of(node).nearest)
    gradient_operand(gradient, &op_points, node, 1, 3, (Node *[]){dy, image, grid});
}

const Op op_grid_sample = {
    .name = "grid_sample",
    .group = "index",
    .summary = "samples an image at the points of a grid",
    .detail = "as grid_sample in PyTorch: X = ((x + 1)*W - 1)/2, or with corners=true X = (x + 1)/2*(W - 1); "
              "Y is computed in the same way. mode=bilinear interpolates between the four nearest pixels; "
              "mode=nearest rounds X and Y, half to even. outside=zeros: pixels outside the image are 0. "
              "outside=border: X is clamped to 0 .. W - 1. outside=reflect: X is mirrored at -1/2 and W - "
              "1/2, or with corners=true at 0 and W - 1, and then clamped",
    .params = params,
    .example = "image -> grid_sample(grid)",
    .traits.per_image = true,
    .shape = shape,
    .cost = cost,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
