/* deformable_attention.c: deformable_attention (Zhu et al., 2021): for each query and head, the weighted sum
 * of samples at a few places of a few images (the levels):
 *
 * y[i][h*d + c] = sum over l, p of weights[i][h][l][p] * sample(level l, places[i][h][l][p])[h*d + c]
 *
 * with query i, head h of d channels, level l and sampling point p of the level. Places are x, y in 0 .. 1;
 * between pixels a sample is interpolated bilinearly, outside the image it is 0. The sum is computed in one
 * pass, without storing samples. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/parts.h"
#include "ops/detection/roi.h"
#include "ops/index/index.h"
#include "ops/index/sampling.h"

enum { FIRST, PLACES, SHARES, MORE, POINT = 2, MOST_LEVELS = MOST_INPUTS - 3 };

static const Param params[] = {
    {"places", PARAM_VALUE, NULL, "x and y of the sampling points, in 0 .. 1: L x (heads*levels*points*2)", 0,
     0, NULL},
    {"weights", PARAM_VALUE, NULL, "one weight per sampling point: L x (heads*levels*points)", 0, 0, NULL},
    {"heads", PARAM_INT, NULL, "number of channel groups; each has its own sampling points", 0, 0, NULL},
    {"x", PARAM_VALUES, "", "additional levels: images with the same number of channels", 0, 0, NULL},
    {0},
};

/* ---- sizes ---- */
static int level_count(const Node *forward) { return forward->nin - 2; }
static int level_input(int level) { return level ? MORE + level - 1 : FIRST; }

typedef struct Deform {
  int levels;
  int64_t queries, heads, points, channels, width; /* width: number of channels per head */
} Deform;

static Deform deform_of(const Node *node) {
  const Node *forward = node_forward(node);
  const int64_t heads = arg_int(forward, "heads"), channels = forward->in[FIRST]->shape.dim[2];
  const Shape weights = forward->in[SHARES]->shape;
  const int levels = level_count(forward);
  return (Deform){levels,   weights.dim[0],  heads, weights.dim[1] / (heads * levels),
                  channels, channels / heads};
}

static Extent level_extent(const Node *node, int level) {
  return shape_extent(node_forward(node)->in[level_input(level)]->shape);
}

static const Sampling between = {.unit = true};

/* ---- the shape ---- */
static bool takes_levels(ShapeContext *context, const Node *node) {
  const Node *first = node->in[FIRST];
  if (!sampling_takes_image(context, node, first)) return false;
  for (int k = MORE; k < node->nin; k++) {
    const Node *level = node->in[k];
    if (!sampling_takes_image(context, node, level)) return false;
    if (level->shape.dim[2] == first->shape.dim[2]) continue;
    Diag *diag = op_error_at(context, node, "x", DIAG_shape_mismatch,
                             "levels of deformable_attention must have equally many channels, not %lld and "
                             "%lld",
                             (long long)first->shape.dim[2], (long long)level->shape.dim[2]);
    op_note_origin(context, diag, first);
    op_note_origin(context, diag, level);
    return false;
  }
  return parts_divide(context, node, "heads", arg_int(node, "heads"), first->shape.dim[2], "channels",
                      "input", first);
}

static bool takes_places(ShapeContext *context, const Node *node) {
  const Shape places = node->in[PLACES]->shape, weights = node->in[SHARES]->shape;
  const int64_t samples = arg_int(node, "heads") * level_count(node);
  const bool table = places.rank == 2 && places.dim[1] % (POINT * samples) == 0;
  if (table && weights.rank == 2 && weights.dim[0] == places.dim[0] &&
      POINT * weights.dim[1] == places.dim[1])
    return true;
  Arena *arena = context->arena;
  Diag *diag = table ? op_error_at(context, node, "weights", DIAG_shape_mismatch,
                                   "weights of deformable_attention have the shape %s, but its places have "
                                   "the shape %s: each place needs one weight",
                                   shape_text(arena, weights), shape_text(arena, places))
                     : op_error_at(context, node, "places", DIAG_shape_mismatch,
                                   "places of deformable_attention have the shape %s, but must contain x and "
                                   "y of each point of %lld heads and %d level%s",
                                   shape_text(arena, places), (long long)arg_int(node, "heads"),
                                   level_count(node), level_count(node) == 1 ? "" : "s");
  op_note_origin(context, diag, node->in[table ? SHARES : PLACES]);
  if (!table) diag_help(diag, "Lx%lld is one point per head and level", (long long)(POINT * samples));
  else diag_help(diag, "use %lldx%lld", (long long)places.dim[0], (long long)(places.dim[1] / POINT));
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  for (int k = 0; k < node->nin; k++)
    if (!node->in[k]->shape.rank) return;
  if (arg_const(node, "heads")->kind == CONST_POISON) return;
  if (level_count(node) > MOST_LEVELS) {
    op_error(context, node, DIAG_too_many_arguments, "deformable_attention takes at most %d levels",
             MOST_LEVELS);
    return;
  }
  if (!takes_levels(context, node) || !takes_places(context, node)) return;
  for (int k = 1; k < node->nin; k++)
    if (!op_same_regions(context, node, node->in[FIRST], node->in[k])) return;
  node->shape = shape_sequence(node->in[PLACES]->shape.dim[0], node->in[FIRST]->shape.dim[2]);
  node->shape.regions = node->in[FIRST]->shape.regions;
}

static Cost cost(const Node *node) {
  const Deform d = deform_of(node);
  return (Cost){.macs = SAMPLE_CORNERS * d.queries * d.channels * d.levels * d.points};
}

/* ---- reference ---- */
/* Called for each sample, with its image, its point, and its index among the samples of all queries. */
typedef void EachSample(const Eval *, const SampleImage *, int level, const SamplePoint point[2],
                        int64_t query, int64_t number);

static void each_sample(const Eval *eval, const double *places, EachSample body) {
  const Deform d = deform_of(eval->node);
  const int64_t of_query = d.heads * d.levels * d.points;
  for (int64_t n = 0; n < d.queries * of_query; n++) {
    const int64_t head = n % of_query / (d.levels * d.points);
    const int level = (int)(n / d.points % d.levels);
    const Extent e = level_extent(eval->node, level);
    const SampleImage image = {e, head * d.width, (head + 1) * d.width};
    const SamplePoint point[2] = {sample_point(&between, places[POINT * n + 1], e.h),
                                  sample_point(&between, places[POINT * n], e.w)};
    body(eval, &image, level, point, n / of_query, n);
  }
}

static void take_sample(const Eval *eval, const SampleImage *image, int level, const SamplePoint point[2],
                        int64_t query, int64_t number) {
  sample_take(image, point, eval->in[SHARES][number], eval->in[level_input(level)],
              eval->out + query * image->e.c);
}

static void clear_result(const Eval *eval) {
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++) eval->out[i] = 0;
}

static void eval(const Eval *eval) {
  clear_result(eval);
  each_sample(eval, eval->in[PLACES], take_sample);
}

/* Inputs: dy, places, weights. */
static void spread_sample(const Eval *eval, const SampleImage *image, int level, const SamplePoint point[2],
                          int64_t query, int64_t number) {
  if (level == eval->node->hidden->wrt)
    sample_spread(image, point, eval->in[2][number], eval->in[0] + query * image->e.c, eval->out);
}

static void level_eval(const Eval *eval) {
  clear_result(eval);
  each_sample(eval, eval->in[1], spread_sample);
}

/* Inputs: dy, places, weights, levels. */
static void slopes_of(const Eval *eval, const SampleImage *image, int level, const SamplePoint point[2],
                      int64_t query, double slopes[3]) {
  sample_slopes(image, point, eval->in[0] + query * image->e.c, eval->in[3 + level], slopes);
}

static void place_sample(const Eval *eval, const SampleImage *image, int level, const SamplePoint point[2],
                         int64_t query, int64_t number) {
  double slopes[3] = {0};
  slopes_of(eval, image, level, point, query, slopes);
  eval->out[POINT * number] = eval->in[2][number] * slopes[2];
  eval->out[POINT * number + 1] = eval->in[2][number] * slopes[1];
}

static void weigh_sample(const Eval *eval, const SampleImage *image, int level, const SamplePoint point[2],
                         int64_t query, int64_t number) {
  double slopes[3] = {0};
  slopes_of(eval, image, level, point, query, slopes);
  eval->out[number] = slopes[0];
}

static void places_eval(const Eval *eval) { each_sample(eval, eval->in[1], place_sample); }
static void weights_eval(const Eval *eval) { each_sample(eval, eval->in[1], weigh_sample); }

/* ---- the nests ---- */
typedef struct Spread { /* image: a level or its gradient; dy: only in the backward pass */
  Lower *l;
  Deform d;
  Buf *places, *weights, *image, *dy, *sum;
  const Ix *query, *head, *number, *c; /* c: the first channel of `count` vectors */
  int count, part, lanes;
  bool of_weights; /* whether the result is the gradient of the weights, not of the places */
} Spread;

static Val sample_number(const Spread *s, const char *name, Buf *buf, const Ix *c) {
  const Ix zero = {0};
  return nest_let(s->l->b, name, walk_load(s->l, buf, &zero, s->query, c, 1, 1));
}

/* Visits the points of one level, for the current query and head. */
static void each_sampled_place(Spread *s, int level, bool slopes, SampleBody body) {
  Nest *b = s->l->b;
  const Extent e = level_extent(s->l->node, level);
  NEST_FOR(b, p, s->d.points) {
    const Ix number = *s->head * (s->d.levels * s->d.points) + level * s->d.points + p, x = number * POINT,
             y = x + 1;
    s->number = &number;
    Val at_y = sample_number(s, "y", s->places, &y), at_x = sample_number(s, "x", s->places, &x);
    sample_choose(s->l, &between, e, at_y, at_x, slopes, body, s);
  }
}

/* The weights of the corners of a sample, times the sample's weight. */
static void weighted_corners(const Spread *s, const Sample *sample, Val weight[SAMPLE_CORNERS]) {
  Nest *b = s->l->b;
  Val own = sample_number(s, "weight", s->weights, s->number);
  for (int k = 0; k < SAMPLE_CORNERS; k++)
    weight[k] = sample_has(sample, k)
                    ? nest_let(b, nest_text(b, "w%d", k), mul(own, sample_weight(sample, k)))
                    : NULL;
}

static void sum_sample(const Sample *sample, const void *context) {
  const Spread *s = context;
  Nest *b = s->l->b;
  Val weight[SAMPLE_CORNERS];
  weighted_corners(s, sample, weight);
  NEST_UNROLL(b, i, s->count) {
    const Ix c = *s->head * s->d.width + *s->c + i * s->lanes;
    nest_store(
        b, nest_at(b, s->sum, i),
        sample_value(sample, s->image, weight, &c, s->part, s->lanes, nest_get(b, nest_at(b, s->sum, i))));
  }
}

static void sum_samples_of(Lower *l, const Ix *c, int count, int part, int lanes, const void *context) {
  Nest *b = l->b;
  Spread s = *(const Spread *)context;
  const Ix zero = {0};
  s.c = c;
  s.count = count;
  s.part = part;
  s.lanes = lanes;
  s.sum = NEST_REGISTERS(b, "sum", lanes, count);
  NEST_UNROLL(b, i, count) nest_store(b, nest_at(b, s.sum, i), num(b, 0));
  for (int level = 0; level < s.d.levels; level++) {
    s.image = l->in[level_input(level)];
    each_sampled_place(&s, level, false, sum_sample);
  }
  NEST_UNROLL(b, i, count) {
    const Ix at_ = *s.head * s.d.width + *c + i * lanes;
    lower_store(l, nest_get(b, nest_at(b, s.sum, i)), &zero, s.query, &at_, part, lanes);
  }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  Spread s = {.l = l, .d = deform_of(l->node), .places = l->in[PLACES], .weights = l->in[SHARES]};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, i, walk_rows(l, 2 * cost(l->node).macs), 1, NEST_IX(0), 1, NEST_IX(s.d.queries))
    NEST_FOR(b, head, s.d.heads) {
      s.query = &i;
      s.head = &head;
      roi_channels(l, s.d.width, sum_samples_of, &s);
    }
}

/* ---- gradients ---- */
typedef struct Spreading {
  const Spread *s;
  const Sample *sample;
  const Val *weight;
} Spreading;

static void spread_channels_of_head(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                                    const void *context) {
  const Spreading *to = context;
  const Ix at_ = *to->s->head * to->s->d.width + *c;
  Val dy = nest_let(l->b, "dy", walk_load(l, to->s->dy, y, x, &at_, part, lanes));
  sample_add(to->sample, to->s->image, to->weight, dy, &at_, part, lanes);
}

static void spread_one(const Sample *sample, const void *context) {
  const Spread *s = context;
  const Ix zero = {0};
  Val weight[SAMPLE_CORNERS];
  weighted_corners(s, sample, weight);
  walk_channels(s->l, s->d.width, &zero, s->query, spread_channels_of_head, &(Spreading){s, sample, weight});
}

static void level_lower(Lower *l) { /* inputs: dy, places, weights */
  Nest *b = l->b;
  Spread s = {.l = l, .d = deform_of(l->node), .dy = l->in[0], .places = l->in[1], .weights = l->in[2]};
  const Extent e = shape_extent(l->node->shape);
  s.image = walk_sum_begin(l, e);
  nest_fn(b, b->name, false);
  walk_clear(l, s.image, e);
  NEST_FOR(b, i, s.d.queries)
    NEST_FOR(b, head, s.d.heads) {
      s.query = &i;
      s.head = &head;
      each_sampled_place(&s, l->node->hidden->wrt, false, spread_one);
    }
  walk_sum_end(l, s.image, e);
}

static void slope_of_sample(const Sample *sample, const void *context) {
  const Spread *s = context;
  Lower *l = s->l;
  const Ix zero = {0}, first = *s->head * s->d.width;
  Val product[SAMPLE_CORNERS];
  sample_products(sample, s->image, s->dy, &zero, s->query, &first, s->d.width, product);
  if (s->of_weights) {
    lower_store(l, sample_total(sample, product), &zero, s->query, s->number, 1, 1);
    return;
  }
  Val own = sample_number(s, "weight", s->weights, s->number);
  for (int axis = 0; axis < 2; axis++) {
    const Ix c = *s->number * POINT + (1 - axis);
    lower_store(l, mul(own, sample_slope(sample, axis, product)), &zero, s->query, &c, 1, 1);
  }
}

static void lower_slopes(Lower *l, bool of_weights) { /* inputs: dy, places, weights, levels */
  Nest *b = l->b;
  Spread s = {.l = l,
              .d = deform_of(l->node),
              .dy = l->in[0],
              .places = l->in[1],
              .weights = l->in[2],
              .of_weights = of_weights};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, i, walk_rows(l, 2 * cost(l->node).macs), 1, NEST_IX(0), 1, NEST_IX(s.d.queries))
    NEST_FOR(b, head, s.d.heads) {
      s.query = &i;
      s.head = &head;
      for (int level = 0; level < s.d.levels; level++) {
        s.image = l->in[3 + level];
        each_sampled_place(&s, level, !of_weights, slope_of_sample);
      }
    }
}
static void places_lower(Lower *l) { lower_slopes(l, false); }
static void weights_lower(Lower *l) { lower_slopes(l, true); }

static const Op op_level = {.name = "deformable_attention level gradient",
                            .cost = cost,
                            .eval = level_eval,
                            .lower = level_lower},
                op_places = {.name = "deformable_attention places gradient",
                             .cost = cost,
                             .eval = places_eval,
                             .lower = places_lower},
                op_weights = {.name = "deformable_attention weights gradient",
                              .cost = cost,
                              .eval = weights_eval,
                              .lower = weights_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  Node *in[MOST_INPUTS + 1] = {dy, node->in[PLACES], node->in[SHARES]};
  const int levels = level_count(node);
  for (int level = 0; level < levels; level++) {
    in[3 + level] = node->in[level_input(level)];
    Node *dx = gradient_operand(gradient, &op_level, node, level_input(level), 3, in);
    if (dx) dx->hidden->wrt = level;
  }
  for (int k = PLACES; k <= SHARES; k++)
    gradient_operand(gradient, k == PLACES ? &op_places : &op_weights, node, k, 3 + levels, in);
}

const Op op_deformable_attention = {
    .name = "deformable_attention",
    .group = "index",
    .summary =
        "multi-scale deformable attention: for each head, weighted sums of a few samples from several images",
    .detail = "y[i][h*d + c] = sum over l, p of weights[i][h][l][p] * sample(level l, "
              "places[i][h][l][p])[h*d + c]. The current value is level 0; places are x, y in 0 .. 1. A "
              "sample between pixels is interpolated bilinearly; pixels outside the image are 0",
    .params = params,
    .example = "p3 -> deformable_attention(places, share, 8, p4, p5)",
    .traits.per_image = true,
    .shape = shape,
    .cost = cost,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
