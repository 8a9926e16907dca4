/* softmax.c: softmax over the channels of each pixel, or along another axis: y[c] = exp(x[c]) / sum over k of
 * exp(x[k]) (Bridle, 1990). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/activation/lines.h"
#include "ops/activation/softmax.h"
#include <math.h>
#include "kernel/map.h"

/* ---- shared with log_softmax ---- */
double softmax_log_sum(const double *x, int64_t channels, double *largest) {
  double sum = 0;
  *largest = x[0];
  for (int64_t c = 1; c < channels; c++) *largest = x[c] > *largest ? x[c] : *largest;
  for (int64_t c = 0; c < channels; c++) sum += exp(x[c] - *largest);
  return log(sum);
}

typedef struct Row {
  Buf *in, *row;
  Val largest;
} Row;

static void exponential_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                             const void *context) {
  const Row *row = context;
  walk_put(l, row->row, vexp(sub(walk_load(l, row->in, y, x, c, part, lanes), row->largest)), y, x, c, part,
           lanes);
}

static Val row_element(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  return walk_load(l, ((const Row *)context)->row, y, x, c, part, lanes);
}

Val softmax_exponentials(Lower *l, Buf *in, Buf *row, int64_t channels, const Ix *y, const Ix *x,
                         Val *largest) {
  *largest = walk_row_max(l, in, y, x, channels);
  const Row context = {in, row, *largest};
  walk_channels(l, channels, y, x, exponential_body, &context);
  return walk_row_sum(l, channels, y, x, row_element, &context);
}

void softmax_lower_rows(Lower *l, Val (*of_sum)(Nest *, Val sum), WalkBody body) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const LoopKind kind = l->threads ? walk_rows(l, 4 * e.h * e.w * e.c) : SERIAL;
  SoftmaxRow row = {.row = walk_row_scratch(l, "row", kind, e.h, e.c)};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, kind, 1, NEST_IX(0), 1, NEST_IX(e.h))
    NEST_FOR(b, x, e.w) {
      row.sum = softmax_exponentials(l, l->in[0], row.row, e.c, &y, &x, &row.largest);
      row.of_sum = of_sum(b, row.sum);
      walk_channels(l, e.c, &y, &x, body, &row);
    }
}

void softmax_lower_gradient(Lower *l, WalkValue element, WalkBody body) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      const Val sum = walk_row_sum(l, e.c, &y, &x, element, NULL);
      walk_channels(l, e.c, &y, &x, body, &sum);
    }
}

void softmax_backward(Gradient *gradient, Node *node, Node *dy, const Op *op) {
  gradient_input(gradient, op, node, 2, (Node *[]){dy, node});
}

/* ---- forward ---- */
static void line_run(const Node *node, int64_t n, double *const *in, double *out) {
  double largest, log_sum = softmax_log_sum(in[0], n, &largest);
  (void)node;
  for (int64_t i = 0; i < n; i++) out[i] = exp(in[0][i] - largest - log_sum);
}
static void run(const Eval *eval) { lines_run(eval, line_run); }

static Val inverse_of_sum(Nest *b, Val sum) { return nest_let(b, "factor", div_(num(b, 1), sum)); }

/* An exponential divided by the sum; 0 if the quotient is subnormal. */
static Val quotient_of(Val exponential, Val sum, Val factor) {
  const double normal = 0x1.0000ap-126; /* more than vexp's smallest result, and the rounding of the factor */
  return mul(at_least(exponential, mul(sum, num(sum->nest, normal))), factor);
}

static void scaled_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const SoftmaxRow *row = context;
  const Val exponential = walk_load(l, row->row, y, x, c, part, lanes);
  lower_store(l, quotient_of(exponential, row->sum, row->of_sum), y, x, c, part, lanes);
}

static void lower(Lower *l) { softmax_lower_rows(l, inverse_of_sum, scaled_body); }

/* ---- input gradient: dx = y * (dy - sum of dy*y); inputs dy, y ---- */
static void line_back_run(const Node *node, int64_t n, double *const *in, double *out) {
  double dot = 0;
  (void)node;
  for (int64_t i = 0; i < n; i++) dot += in[0][i] * in[1][i];
  for (int64_t i = 0; i < n; i++) out[i] = in[1][i] * (in[0][i] - dot);
}
static void gradient_run(const Eval *eval) { lines_run(eval, line_back_run); }

static Val product(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                   const void *context) {
  (void)context;
  return mul(walk_load(l, l->in[0], y, x, c, part, lanes), walk_load(l, l->in[1], y, x, c, part, lanes));
}

static void softmax_gradient_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                                  const void *context) {
  const Val *dot = context;
  lower_store(l,
              mul(normal_factor(walk_load(l, l->in[1], y, x, c, part, lanes)),
                  sub(walk_load(l, l->in[0], y, x, c, part, lanes), *dot)),
              y, x, c, part, lanes);
}

static void gradient_lower(Lower *l) { softmax_lower_gradient(l, product, softmax_gradient_body); }

static const Op op_gradient = {
    .name = "softmax input gradient", .eval = gradient_run, .lower = gradient_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  softmax_backward(gradient, node, dy, &op_gradient);
}

/* ---- along positions ---- */
static Val shifted_exponential(const Line *line, Val const *in, const void *context) {
  (void)line;
  return vexp(sub(in[0], *(const Val *)context));
}
typedef struct Scaled {
  Val largest, sum, factor;
} Scaled;
static Val scaled_exponential(const Line *line, Val const *in, const void *context) {
  const Scaled *of = context;
  return quotient_of(shifted_exponential(line, in, &of->largest), of->sum, of->factor);
}
static void softmax_line(const Line *line) {
  Scaled of = {.largest = line_max(line)};
  of.sum = line_sum(line, "sum", shifted_exponential, &of.largest);
  of.factor = inverse_of_sum(line->l->b, of.sum);
  line_store(line, scaled_exponential, &of);
}
static void lines_nest(Lower *l) { lines_lower(l, softmax_line); }

static Val line_product(const Line *line, Val const *in, const void *context) {
  (void)line, (void)context;
  return mul(in[0], in[1]);
}
static Val without_mean(const Line *line, Val const *in, const void *context) {
  (void)line;
  return mul(normal_factor(in[1]), sub(in[0], *(const Val *)context));
}
static void softmax_back_line(const Line *line) {
  const Val dot = line_sum(line, "dot", line_product, NULL);
  line_store(line, without_mean, &dot);
}
static void lines_back_nest(Lower *l) { lines_lower(l, softmax_back_line); }

static const Op op_lines_back = {
    .name = "softmax input gradient", .eval = gradient_run, .lower = lines_back_nest};
static void lines_backward(Gradient *gradient, Node *node, Node *dy) {
  softmax_backward(gradient, node, dy, &op_lines_back);
}

static const Op op_softmax_lines;
static void shape(ShapeContext *context, Node *node) { lines_shape(context, node, &op_softmax_lines); }

#define SOFTMAX                                                                                              \
  .name = "softmax", .group = "activation", .params = lines_params, .shape = shape,                          \
  .traits.keeps_spatial = true, .traits.int8 = INT8_SOFTMAX,                                                 \
  .summary = "probabilities over the channels of each pixel, or over another axis",                          \
  .detail = "y[c] = exp(x[c]) / sum over k of exp(x[k])", .example = "dense(10) -> softmax"

static const Op op_softmax_lines = {SOFTMAX, .eval = run, .gradient = lines_backward, .lower = lines_nest,
                                    .traits.stream_rule = lines_stream_rule};

const Op op_softmax = {
    SOFTMAX,
    .traits.softmax = true,
    .traits.scores = SCORES_PROBABILITY,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.stream = STREAM_ROWS,
};
