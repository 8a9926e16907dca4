// batchnorm.c: batchnorm, y = (x - mean) / sqrt(variance + epsilon) * weight + bias, channel by channel
// (Ioffe and Szegedy, 2015).
//
// In inference, and where the layer is frozen, mean and variance are the running statistics and the operator
// is element-wise. In training they are the statistics of the batch. Nets run image by image, so the operator
// is divided into these nodes:
//
//     moments    each image: mean and sum of squared deviations of its pixels
//     merge      the batch: mean, 1 / sqrt(biased variance + epsilon), biased variance (Chan, Golub and
//                LeVeque, 1979)
//     running    the batch: running = momentum*running + (1 - momentum)*batch, with the unbiased variance
//     apply      each image: y
//
// The nodes of the backward pass, with h = (x - mean) / sqrt(variance + epsilon):
//
//     sums       each image: sum dy, sum dy*h
//     means      the batch: both divided by the number of pixels of all images
//     gradient   dx = weight / sqrt(variance + epsilon) * (dy - mean(dy) - h * mean(dy*h)),
//                dweight = sum dy*h, dbias = sum dy
//
// In QAT the layer has a switch as an additional weight. Once the switch is above 0, the running statistics
// no longer change, merge returns the running statistics, and means returns 0.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "kernel/map.h"
#include "kernel/walk.h"

enum { WEIGHT, BIAS, MEAN, VARIANCE };                /* indices in node->weight */
enum { MERGED_MEAN, MERGED_FACTOR, MERGED_VARIANCE }; /* rows of `merge` */

static const Param params[] = {
    {"momentum", PARAM_NUMBER, "0.9",
     "fraction of the running statistics that each step keeps; PyTorch's momentum=0.1 is momentum=0.9 here",
     0, 1, NULL},
    {"epsilon", PARAM_NUMBER, "1e-5", "added to the variance", 0, 1e6, NULL},
    {"scale", PARAM_BOOL, "true", "multiply by one trained factor per channel", 0, 0, NULL},
    {"shift", PARAM_BOOL, "true", "add one trained constant per channel", 0, 0, NULL},
    {"init", PARAM_INIT, "ones", "initial factors", 0, 0, NULL},
    {"bias_init", PARAM_INIT, "zeros", "initial constants", 0, 0, NULL},
    {0},
};

/* Reports a momentum that was probably meant as in PyTorch, where momentum is the factor of the new
 * statistics. */
static void doubt_momentum(ShapeContext *context, const Node *node) {
  const double momentum = arg_number(node, "momentum");
  if (momentum <= 0 || momentum >= 0.5) return;
  const char *kept = text_float(context->arena, 1 - momentum);
  Diag *diag = op_error_at(context, node, "momentum", DIAG_suspicious_value,
                           "momentum=%s keeps little of the running statistics at each step",
                           text_float(context->arena, momentum));
  diag_help(diag, "PyTorch's momentum is the weight of the new statistics: %s there is momentum=%s here",
            text_float(context->arena, momentum), kept);
}

static void shape(ShapeContext *context, Node *node) {
  const int64_t channels = shape_extent(node->in[0]->shape).c;
  if (!node->in[0]->shape.rank) return;
  node->nweights = 4;
  Weight **weight = node->weight = NEW_ARRAY(context->arena, Weight *, 4);
  const bool scale = arg_bool(node, "scale"), shift = arg_bool(node, "shift");
  if (scale && !(weight[WEIGHT] = op_weight(context, node, "weight", 1, &channels, "init", 1, 1, 1, false)))
    return;
  if (shift && !(weight[BIAS] = op_weight(context, node, "bias", 1, &channels, "bias_init", 0, 1, 1, false)))
    return;
  weight[MEAN] = op_statistic(context, node, "running_mean", channels, 0);
  weight[VARIANCE] = op_statistic(context, node, "running_var", channels, 1);
  if (weight[MEAN] && weight[VARIANCE]) node->shape = node->in[0]->shape;
  doubt_momentum(context, node);
}

/* ---- with running statistics ---- */
static double epsilon(const Node *node) { return arg_number(node, "epsilon"); }
static double or_one(const Node *node, const double *weight) {
  return node->weight[WEIGHT] ? weight[WEIGHT] : 1;
}
static double or_zero(const Node *node, const double *weight) {
  return node->weight[BIAS] ? weight[BIAS] : 0;
}

MAP_EVAL(normalized) {
  return (x[0] - weight[MEAN]) / sqrt(weight[VARIANCE] + epsilon(node)) * or_one(node, weight) +
         or_zero(node, weight);
}
MAP_SLOPE(slope) { return or_one(node, weight) / sqrt(weight[VARIANCE] + epsilon(node)); }

/* Reads the variance before the weight; as arguments of one call, they would be read in an unspecified
 * order. */
static Val gain(Map *m) {
  Val factor = div_(number(1), vsqrt(add(map_weight(m, VARIANCE), number(epsilon(m->node)))));
  return m->node->weight[WEIGHT] ? mul(map_weight(m, WEIGHT), factor) : factor;
}
MAP_VALUE(value) {
  Val centered = sub(m->x[0], map_weight(m, MEAN)), factor = gain(m);
  return m->node->weight[BIAS] ? fma_(centered, factor, map_weight(m, BIAS)) : mul(centered, factor);
}
MAP_GRADIENT(gradient) { return mul(dy, gain(m)); }

/* ---- moments: 1x2xC per image, the mean and the sum of squared deviations of each channel ---- */
static void moments_run(const Eval *eval) {
  const Extent e = shape_joined(eval->node->in[0]->shape);
  const int64_t pixels = e.h * e.w;
  for (int64_t c = 0; c < e.c; c++) {
    double sum = 0, squares = 0;
    for (int64_t p = 0; p < pixels; p++) sum += eval->in[0][p * e.c + c];
    const double mean = sum / (double)pixels;
    for (int64_t p = 0; p < pixels; p++)
      squares += (eval->in[0][p * e.c + c] - mean) * (eval->in[0][p * e.c + c] - mean);
    eval->out[c] = mean;
    eval->out[e.c + c] = squares;
  }
}

static void store_row(Lower *l, Val val, int64_t row, const Ix *c, int part, int lanes) {
  const Ix zero = {0}, x = zero + row;
  lower_store(l, lanes > 1 && val->type.lanes == 1 ? splat(val, lanes) : val, &zero, &x, c, part, lanes);
}

static Val load_statistics(Lower *l, int in, int64_t row, const Ix *c, int part, int lanes) {
  const Ix zero = {0}, x = zero + row;
  return walk_load(l, l->in[in], &zero, &x, c, part, lanes);
}

static Val index_value_of(Nest *b, const Ix *index) { return convert(position(b, index), F32); }

/* Moments of a block of rows, whose vectors stay in the L1 cache: the mean, then the sum of squared
 * deviations from it. all_*: moments of all blocks so far, merged like the moments of images in `merge`. */
typedef struct Moments {
  const Columns *set;
  Extent e;
  int64_t rows; /* rows of a block */
  Buf *mean, *squares, *all_means, *all_squares;
} Moments;

static int64_t rows_at_a_time(const Lower *l, Extent e, int64_t channels) {
  int64_t rows = l->plain ? e.h : smaller(e.h, larger(l->target->l1 / 2 / (4 * e.w * channels), 1));
  while (e.h % rows) rows--;
  return rows;
}

static void clear_columns(const Columns *set, Buf *buf) {
  Nest *b = set->l->b;
  COLUMNS_EACH(b, set, v, c) nest_store(b, nest_at(b, buf, *v), num(b, 0));
}

static void mean_of_block(const Moments *m, const Ix *block) {
  Nest *b = m->set->l->b;
  clear_columns(m->set, m->mean);
  NEST_FOR(b, row, m->rows)
    NEST_FOR(b, x, m->e.w)
      COLUMNS_EACH(b, m->set, v, c) {
        const Ix y = m->rows * *block + row;
        nest_store(
            b, nest_at(b, m->mean, *v),
            add(nest_get(b, nest_at(b, m->mean, *v)), columns_load(m->set, m->set->l->in[0], &y, &x, c)));
      }
  const int64_t pixels = m->rows * m->e.w;
  if (pixels > 1)
    COLUMNS_EACH(b, m->set, v, c)
      nest_store(b, nest_at(b, m->mean, *v),
                 mul(nest_get(b, nest_at(b, m->mean, *v)), num(b, 1 / (double)pixels)));
}

static void squares_of_block(const Moments *m, const Ix *block) {
  Nest *b = m->set->l->b;
  clear_columns(m->set, m->squares);
  NEST_FOR(b, row, m->rows)
    NEST_FOR(b, x, m->e.w)
      COLUMNS_EACH(b, m->set, v, c) {
        const Ix y = m->rows * *block + row;
        Val d = nest_let(
            b, "d",
            sub(columns_load(m->set, m->set->l->in[0], &y, &x, c), nest_get(b, nest_at(b, m->mean, *v))));
        nest_accumulate(b, nest_at(b, m->squares, *v), d, d);
      }
}

static void merge_block(const Moments *m, const Ix *block) {
  Nest *b = m->set->l->b;
  const Ix next = *block + 1;
  Val share = nest_let(b, "share", div_(num(b, 1), index_value_of(b, &next)));
  Val between =
      nest_let(b, "between", mul(mul(index_value_of(b, block), share), num(b, (double)(m->rows * m->e.w))));
  COLUMNS_EACH(b, m->set, v, c) {
    Val old = nest_get(b, nest_at(b, m->all_means, *v));
    Val delta = nest_let(b, "delta", sub(nest_get(b, nest_at(b, m->mean, *v)), old));
    nest_store(b, nest_at(b, m->all_means, *v), fma_(delta, share, old));
    nest_store(b, nest_at(b, m->all_squares, *v),
               add(nest_get(b, nest_at(b, m->all_squares, *v)),
                   fma_(mul(delta, delta), between, nest_get(b, nest_at(b, m->squares, *v)))));
  }
}

static void moments_of_columns(const Columns *set, const void *context) {
  (void)context;
  Lower *l = set->l;
  Nest *b = l->b;
  Moments m = {.set = set, .e = shape_joined(l->node->in[0]->shape)};
  m.rows = rows_at_a_time(l, m.e, (set->full + set->more) * set->lanes);
  const int64_t blocks = m.e.h / m.rows;
  m.mean = COLUMNS_REGISTERS(b, "mean", set);
  m.squares = COLUMNS_REGISTERS(b, "squares", set);
  m.all_means = blocks > 1 ? COLUMNS_REGISTERS(b, "all_means", set) : m.mean;
  m.all_squares = blocks > 1 ? COLUMNS_REGISTERS(b, "all_squares", set) : m.squares;
  if (blocks > 1) {
    clear_columns(set, m.all_means);
    clear_columns(set, m.all_squares);
  }
  NEST_FOR(b, block, blocks) {
    mean_of_block(&m, &block);
    squares_of_block(&m, &block);
    if (blocks > 1) merge_block(&m, &block);
  }
  COLUMNS_EACH(b, set, v, c) {
    store_row(l, nest_get(b, nest_at(b, m.all_means, *v)), 0, c, set->part, set->lanes);
    store_row(l, nest_get(b, nest_at(b, m.all_squares, *v)), 1, c, set->part, set->lanes);
  }
}

static void moments_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_columns(l, shape_extent(l->node->in[0]->shape).c, l->target->registers / 2 - 2, true,
               moments_of_columns, NULL);
}

static const Op op_moments = {.name = "batchnorm moments", .eval = moments_run, .lower = moments_lower};

/* ---- merge: 1x3xC per batch; merges images in order, so that the result does not depend on threads ---- */
static int64_t pixels_of(const Node *hidden) { /* pixels of an image of the layer's input */
  const Extent e = shape_joined(hidden->hidden->of->in[0]->shape);
  return e.h * e.w;
}

/* Whether the running statistics are used and no longer change: in QAT, once rounding begins. */
static bool is_held(const Eval *eval) {
  const int at = rounding_switch(eval->node);
  return at >= 0 && eval->weight[at][0] > 0;
}

/* Selects `held` once the running statistics no longer change, and `otherwise` before. */
static Val if_held(Lower *l, Val held, Val otherwise) {
  Nest *b = l->b;
  Val on = nest_load(b, nest_at(b, lower_weight(l, rounding_switch(l->node)), 0), 1);
  return choose(less(num(b, 0), on), held, otherwise);
}

static Val statistic(Lower *l, int k, const Ix *c, int part, int lanes) {
  const Ix zero = {0};
  return walk_load(l, lower_weight(l, k), &zero, &zero, c, part, lanes);
}

static void merge_run(const Eval *eval) {
  const int64_t channels = shape_extent(eval->node->shape).c, pixels = pixels_of(eval->node);
  const bool held = is_held(eval);
  for (int64_t c = 0; c < channels; c++) {
    double mean = 0, squares = 0;
    for (int64_t n = 0; n < eval->count; n++) {
      const double *image = eval->in[0] + n * 2 * channels;
      const double delta = image[c] - mean;
      mean += delta / (double)(n + 1);
      squares += image[channels + c] + delta * delta * (double)pixels * (double)n / (double)(n + 1);
    }
    if (held) mean = eval->weight[MEAN][c];
    const double variance = held ? eval->weight[VARIANCE][c] : squares / (double)(pixels * eval->count);
    eval->out[MERGED_MEAN * channels + c] = mean;
    eval->out[MERGED_FACTOR * channels + c] = 1 / sqrt(variance + epsilon(eval->node));
    eval->out[MERGED_VARIANCE * channels + c] = variance;
  }
}

typedef struct BatchContext {
  const Ix *count;
} BatchContext;

static void merge_channels(Lower *l, const Ix *y0, const Ix *x0, const Ix *c, int part, int lanes,
                           const void *context) {
  (void)y0;
  (void)x0;
  Nest *b = l->b;
  const Ix count = *((const BatchContext *)context)->count, pixels_all = count * pixels_of(l->node);
  const double pixels = (double)pixels_of(l->node);
  Buf *mean = NEST_REGISTERS(b, "mean", lanes, 1), *squares = NEST_REGISTERS(b, "squares", lanes, 1);
  nest_store(b, nest_at(b, mean, 0), num(b, 0));
  nest_store(b, nest_at(b, squares, 0), num(b, 0));
  NEST_FROM(b, n, 0, count) {
    const Ix next = n + 1;
    Val share = nest_let(b, "share", div_(num(b, 1), index_value_of(b, &next)));
    Val delta = nest_let(b, "delta",
                         sub(nest_load_part(b, nest_at(b, l->in[0], n, 0, 0, *c), part, lanes),
                             nest_get(b, nest_at(b, mean, 0))));
    Val between = mul(mul(index_value_of(b, &n), share), num(b, pixels));
    nest_store(b, nest_at(b, mean, 0), fma_(delta, share, nest_get(b, nest_at(b, mean, 0))));
    nest_store(b, nest_at(b, squares, 0),
               add(nest_get(b, nest_at(b, squares, 0)),
                   fma_(mul(delta, delta), between,
                        nest_load_part(b, nest_at(b, l->in[0], n, 0, 1, *c), part, lanes))));
  }
  Val center = nest_get(b, nest_at(b, mean, 0)),
      spread = div_(nest_get(b, nest_at(b, squares, 0)), index_value_of(b, &pixels_all));
  if (rounding_switch(l->node) >= 0) {
    center = if_held(l, statistic(l, MEAN, c, part, lanes), center);
    spread = if_held(l, statistic(l, VARIANCE, c, part, lanes), spread);
  }
  Val variance = nest_let(b, "variance", spread);
  store_row(l, center, MERGED_MEAN, c, part, lanes);
  store_row(l, div_(num(b, 1), vsqrt(add(variance, num(b, epsilon(l->node))))), MERGED_FACTOR, c, part,
            lanes);
  store_row(l, variance, MERGED_VARIANCE, c, part, lanes);
}

static void lower_batch(Lower *l, int64_t channels, WalkBody body) {
  const Ix zero = {0};
  nest_fn(l->b, l->b->name, false);
  BatchContext context = {lower_count(l)};
  walk_channels(l, channels, &zero, &zero, body, &context);
}

static void merge_lower(Lower *l) { lower_batch(l, shape_extent(l->node->shape).c, merge_channels); }

static const Op op_merge = {.name = "batchnorm merge", .eval = merge_run, .lower = merge_lower};

/* ---- running: new value of the statistic hidden->wrt ---- */
static void running_run(const Eval *eval) {
  const Node *node = eval->node;
  const int64_t channels = shape_extent(node->shape).c;
  const double momentum = arg_number(node, "momentum"), n = (double)(eval->count * pixels_of(node));
  const double unbiased = node->hidden->wrt == VARIANCE && n > 1 ? n / (n - 1) : 1;
  const double *batch =
      eval->in[0] + (node->hidden->wrt == VARIANCE ? MERGED_VARIANCE : MERGED_MEAN) * channels;
  for (int64_t c = 0; c < channels && !is_held(eval); c++)
    eval->out[c] = momentum * eval->out[c] + (1 - momentum) * batch[c] * unbiased;
}

static void running_channels(Lower *l, const Ix *y0, const Ix *x0, const Ix *c, int part, int lanes,
                             const void *context) {
  Nest *b = l->b;
  const bool variance = l->node->hidden->wrt == VARIANCE;
  const double momentum = arg_number(l->node, "momentum");
  Val batch = load_statistics(l, 0, variance ? MERGED_VARIANCE : MERGED_MEAN, c, part, lanes);
  if (variance) {
    const Ix n = *((const BatchContext *)context)->count * pixels_of(l->node), less_one = n - 1;
    batch = mul(batch, div_(index_value_of(b, &n), vmax(index_value_of(b, &less_one), num(b, 1))));
  }
  Val old = walk_load(l, l->out, y0, x0, c, part, lanes);
  Val moved = fma_(num(b, momentum), old, mul(num(b, 1 - momentum), batch));
  if (rounding_switch(l->node) >= 0) moved = if_held(l, old, moved);
  walk_put(l, l->out, moved, y0, x0, c, part, lanes);
}

static void running_lower(Lower *l) { lower_batch(l, l->node->target->size, running_channels); }

static const Op op_running = {.name = "batchnorm running", .eval = running_run, .lower = running_lower};

/* ---- apply ---- */
static void apply_run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const double *mean = eval->in[1] + MERGED_MEAN * e.c, *factor = eval->in[1] + MERGED_FACTOR * e.c;
  for (int64_t i = 0; i < e.h * e.w * e.c; i++) {
    const int64_t c = i % e.c;
    eval->out[i] =
        (eval->in[0][i] - mean[c]) * factor[c] * (eval->weight[WEIGHT] ? eval->weight[WEIGHT][c] : 1) +
        (eval->weight[BIAS] ? eval->weight[BIAS][c] : 0);
  }
}

typedef struct ApplyContext {
  Buf *weight, *bias;
} ApplyContext;

static Val channel(Lower *l, Buf *buf, const Ix *c, int part, int lanes) {
  const Ix zero = {0};
  return walk_load(l, buf, &zero, &zero, c, part, lanes);
}

static void apply_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const ApplyContext *apply = context;
  Val factor = load_statistics(l, 1, MERGED_FACTOR, c, part, lanes),
      centered = sub(walk_load(l, l->in[0], y, x, c, part, lanes),
                     load_statistics(l, 1, MERGED_MEAN, c, part, lanes));
  if (apply->weight) factor = mul(factor, channel(l, apply->weight, c, part, lanes));
  Val result = mul(centered, factor);
  lower_store(l, apply->bias ? add(result, channel(l, apply->bias, c, part, lanes)) : result, y, x, c, part,
              lanes);
}

static void apply_lower(Lower *l) {
  ApplyContext context = {lower_weight(l, WEIGHT), lower_weight(l, BIAS)};
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), apply_body, &context);
}

/* ---- sums: 1x2xC per image, sum dy and sum dy*h, where h is the normalized x; inputs dy, x, merged ---- */
static void sums_run(const Eval *eval) {
  const Extent e = shape_joined(eval->node->in[0]->shape);
  const double *mean = eval->in[2] + MERGED_MEAN * e.c, *factor = eval->in[2] + MERGED_FACTOR * e.c;
  for (int64_t c = 0; c < 2 * e.c; c++) eval->out[c] = 0;
  for (int64_t i = 0; i < e.h * e.w * e.c; i++) {
    const int64_t c = i % e.c;
    eval->out[c] += eval->in[0][i];
    eval->out[e.c + c] += eval->in[0][i] * (eval->in[1][i] - mean[c]) * factor[c];
  }
}

static void sums_of_columns(const Columns *set, const void *context) {
  (void)context;
  Lower *l = set->l;
  Nest *b = l->b;
  const Extent e = shape_joined(l->node->in[0]->shape);
  Buf *mean = COLUMNS_REGISTERS(b, "mean", set), *sum = COLUMNS_REGISTERS(b, "sum", set),
      *products = COLUMNS_REGISTERS(b, "products", set);
  COLUMNS_EACH(b, set, v, c)
    nest_store(b, nest_at(b, mean, *v), load_statistics(l, 2, MERGED_MEAN, c, set->part, set->lanes));
  clear_columns(set, sum);
  clear_columns(set, products);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      COLUMNS_EACH(b, set, v, c) {
        Val dy = nest_let(b, "dy", columns_load(set, l->in[0], &y, &x, c));
        nest_store(b, nest_at(b, sum, *v), add(nest_get(b, nest_at(b, sum, *v)), dy));
        nest_accumulate(b, nest_at(b, products, *v), dy,
                        sub(columns_load(set, l->in[1], &y, &x, c), nest_get(b, nest_at(b, mean, *v))));
      }
  COLUMNS_EACH(b, set, v, c) {
    Val factor = load_statistics(l, 2, MERGED_FACTOR, c, set->part, set->lanes);
    store_row(l, nest_get(b, nest_at(b, sum, *v)), 0, c, set->part, set->lanes);
    store_row(l, mul(nest_get(b, nest_at(b, products, *v)), factor), 1, c, set->part, set->lanes);
  }
}

static void sums_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_columns(l, shape_extent(l->node->in[0]->shape).c, l->target->registers / 3 - 1, true, sums_of_columns,
               NULL);
}

static const Op op_sums = {.name = "batchnorm sums", .eval = sums_run, .lower = sums_lower};

/* ---- means: the results of `sums`, added over the images and divided by the batch's pixels ---- */
static void means_run(const Eval *eval) {
  const int64_t n = 2 * shape_extent(eval->node->shape).c;
  for (int64_t c = 0; c < n; c++) {
    double sum = 0;
    for (int64_t image = 0; image < eval->count && !is_held(eval); image++) sum += eval->in[0][image * n + c];
    eval->out[c] = sum / (double)(eval->count * pixels_of(eval->node));
  }
}

static void means_of_channels(Lower *l, const Ix *y0, const Ix *x0, const Ix *c, int part, int lanes,
                              const void *context) {
  (void)y0;
  (void)x0;
  Nest *b = l->b;
  const Ix count = *((const BatchContext *)context)->count, pixels_all = count * pixels_of(l->node);
  for (int row = 0; row < 2; row++) {
    Buf *sum = NEST_REGISTERS(b, row ? "products" : "sum", lanes, 1);
    nest_store(b, nest_at(b, sum, 0), num(b, 0));
    NEST_FROM(b, n, 0, count)
      nest_store(b, nest_at(b, sum, 0),
                 add(nest_get(b, nest_at(b, sum, 0)),
                     nest_load_part(b, nest_at(b, l->in[0], n, 0, row, *c), part, lanes)));
    Val all = div_(nest_get(b, nest_at(b, sum, 0)), index_value_of(b, &pixels_all));
    store_row(l, rounding_switch(l->node) >= 0 ? if_held(l, num(b, 0), all) : all, row, c, part, lanes);
  }
}

static void means_lower(Lower *l) { lower_batch(l, shape_extent(l->node->shape).c, means_of_channels); }

static const Op op_means = {.name = "batchnorm means", .eval = means_run, .lower = means_lower};

/* ---- input gradient: inputs dy, x, merged, means ---- */
static void input_gradient_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  const double *mean = eval->in[2] + MERGED_MEAN * e.c, *factor = eval->in[2] + MERGED_FACTOR * e.c,
               *mean_dy = eval->in[3], *mean_dyh = eval->in[3] + e.c;
  for (int64_t i = 0; i < e.h * e.w * e.c; i++) {
    const int64_t c = i % e.c;
    const double h = (eval->in[1][i] - mean[c]) * factor[c];
    eval->out[i] = (eval->weight[WEIGHT] ? eval->weight[WEIGHT][c] : 1) * factor[c] *
                   (eval->in[0][i] - mean_dy[c] - h * mean_dyh[c]);
  }
}

static void input_gradient_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                                const void *context) {
  const ApplyContext *apply = context;
  Nest *b = l->b;
  Val factor = nest_let(b, "factor", load_statistics(l, 2, MERGED_FACTOR, c, part, lanes));
  Val h = mul(
      sub(walk_load(l, l->in[1], y, x, c, part, lanes), load_statistics(l, 2, MERGED_MEAN, c, part, lanes)),
      factor);
  Val centered =
      sub(walk_load(l, l->in[0], y, x, c, part, lanes),
          fma_(h, load_statistics(l, 3, 1, c, part, lanes), load_statistics(l, 3, 0, c, part, lanes)));
  Val dx = mul(centered, factor);
  lower_store(l, apply->weight ? mul(dx, channel(l, apply->weight, c, part, lanes)) : dx, y, x, c, part,
              lanes);
}

static void input_gradient_lower(Lower *l) {
  ApplyContext context = {lower_weight(l, WEIGHT), NULL};
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), input_gradient_body, &context);
}

static const Op op_input_gradient = {
    .name = "batchnorm input gradient", .eval = input_gradient_run, .lower = input_gradient_lower};

/* ---- weight gradients: adds the sums of each image ---- */
static int64_t statistics_row(const Node *node) { return node->hidden->wrt == WEIGHT ? 1 : 0; }

static void weight_gradient_run(const Eval *eval) {
  const int64_t channels = eval->node->target->size;
  for (int64_t c = 0; c < channels; c++)
    eval->out[c] += eval->in[0][statistics_row(eval->node) * channels + c];
}

static void weight_gradient_body(Lower *l, const Ix *y0, const Ix *x0, const Ix *c, int part, int lanes,
                                 const void *context) {
  (void)context;
  walk_put(l, l->out,
           add(walk_load(l, l->out, y0, x0, c, part, lanes),
               load_statistics(l, 0, statistics_row(l->node), c, part, lanes)),
           y0, x0, c, part, lanes);
}

static void weight_gradient_lower(Lower *l) {
  const Ix zero = {0};
  nest_fn(l->b, l->b->name, false);
  walk_channels(l, l->node->target->size, &zero, &zero, weight_gradient_body, NULL);
}

static const Op op_weight_gradient = {
    .name = "batchnorm weight gradient", .eval = weight_gradient_run, .lower = weight_gradient_lower};

static void apply_backward(Gradient *pass, Node *node, Node *dy) {
  Graph *graph = gradient_graph(pass);
  Node *x = node->in[0], *merged = node->in[1];
  const bool wanted = gradient_wanted(pass, x);
  if (!wanted && !gradient_trained(pass, node, WEIGHT) && !gradient_trained(pass, node, BIAS)) return;
  const Shape two_rows = shape_image(1, 2, shape_extent(node->shape).c);
  Node *sums = graph_hidden(graph, &op_sums, node, two_rows, RESULT_SAMPLE, 3, (Node *[]){dy, x, merged});
  for (int k = WEIGHT; k <= BIAS; k++)
    if (gradient_trained(pass, node, k)) gradient_sum(pass, &op_weight_gradient, node, k, 1, &sums);
  if (!wanted) return;
  Node *means = graph_hidden(graph, &op_means, node, two_rows, RESULT_BATCH, 1, &sums);
  gradient_add(pass, x,
               graph_hidden(graph, &op_input_gradient, node, node->shape, RESULT_SAMPLE, 4,
                            (Node *[]){dy, x, merged, means}));
}

static const Op op_apply = {.name = "batchnorm apply",
                            .traits.elementwise = true,
                            .traits.keeps_spatial = true,
                            .eval = apply_run,
                            .gradient = apply_backward,
                            .lower = apply_lower};

static Node *train(Graph *graph, Node *node) {
  if (node->frozen) return node;
  if (node->rounds) rounding_add_switch(graph->arena, node, node->rounds->aware);
  const int64_t channels = shape_extent(node->shape).c;
  Node *moments =
      graph_hidden(graph, &op_moments, node, shape_image(1, 2, channels), RESULT_SAMPLE, 1, node->in);
  Node *merged = graph_hidden(graph, &op_merge, node, shape_image(1, 3, channels), RESULT_BATCH, 1, &moments);
  for (int k = MEAN; k <= VARIANCE; k++) {
    Node *running = graph_hidden(graph, &op_running, node, shape_vector(channels), RESULT_BATCH, 1, &merged);
    running->hidden->wrt = k;
    running->target = node->weight[k];
  }
  return graph_hidden(graph, &op_apply, node, node->shape, RESULT_SAMPLE, 2, (Node *[]){node->in[0], merged});
}

const Op op_batchnorm = {
    .name = "batchnorm",
    .group = "normalization",
    .summary = "batch normalization of each channel",
    .detail = "y = (x - mean) / sqrt(variance + epsilon) * weight + bias. In training, mean and variance are "
              "computed over the batch; in inference and with frozen=true, they are the running statistics",
    .params = params,
    .example = "conv(32, 3x3, bias=false) -> batchnorm -> relu",
    .traits.fold = FOLD_SCALE,
    .shape = shape,
    .train = train,
    MAP_OPERATOR,
    .map_eval = normalized,
    .map_slope = slope,
    .map = value,
    .map_gradient = gradient,
};
