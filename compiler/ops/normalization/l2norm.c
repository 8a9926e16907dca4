/* l2norm.c: l2norm, y = x / max(|x|, epsilon), as in PyTorch's normalize. |x| is the square root of the sum
 * of squares over the channels of a pixel, or along another axis. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"
#include "kernel/walk.h"
#include "ops/activation/lines.h"

static const Param params[] = {
    {"epsilon", PARAM_NUMBER, "1e-12", "lower bound of the divisor", 1e-30, 1e6, NULL}, LINES_AXIS, {0}};

static double epsilon_of(const Node *node) { return arg_number(node, "epsilon"); }

/* ---- reference ---- */
static double norm_of(const double *x, int64_t n) {
  double sum = 0;
  for (int64_t c = 0; c < n; c++) sum += x[c] * x[c];
  return sqrt(sum);
}

static void norm_line_run(const Node *node, int64_t n, double *const *in, double *out) {
  const double norm = norm_of(in[0], n), least = epsilon_of(node);
  for (int64_t i = 0; i < n; i++) out[i] = in[0][i] / (norm < least ? least : norm);
}
static void run(const Eval *eval) { lines_run(eval, norm_line_run); }

/* inputs dy, x: dx = (dy - y * sum of dy*y) / |x|, or dy / epsilon if |x| is at most epsilon */
static void norm_line_back_run(const Node *node, int64_t n, double *const *in, double *out) {
  const double *dy = in[0], *x = in[1], norm = norm_of(x, n), least = epsilon_of(node);
  double dot = 0;
  for (int64_t i = 0; i < n; i++) dot += dy[i] * x[i] / norm;
  for (int64_t i = 0; i < n; i++) out[i] = norm > least ? (dy[i] - x[i] / norm * dot) / norm : dy[i] / least;
}
static void back_run(const Eval *eval) { lines_run(eval, norm_line_back_run); }

/* ---- the nest: inputs x, or dy and x ---- */
static Val l2norm_product(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  Buf *const *of = context;
  return mul(walk_load(l, of[0], y, x, c, part, lanes), walk_load(l, of[1], y, x, c, part, lanes));
}

typedef struct Row {
  /* along: in the backward pass, the factor of x in the term that is subtracted from dy; otherwise NULL */
  Val factor, along;
} Row;

static void element_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  const Row *row = context;
  Val value = walk_load(l, l->in[0], y, x, c, part, lanes);
  if (row->along) value = sub(value, mul(walk_load(l, l->in[1], y, x, c, part, lanes), row->along));
  lower_store(l, mul(value, row->factor), y, x, c, part, lanes);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const bool back = l->node->nin == 2;
  const LoopKind kind = l->threads ? walk_rows(l, 2 * e.h * e.w * e.c) : SERIAL;
  Buf *squares[2] = {l->in[back], l->in[back]};
  Val least = num(b, epsilon_of(l->node));
  nest_fn(b, b->name, false);
  WALK_PIXELS(b, y, x, e, kind) {
    Val norm = nest_let(b, "norm", vsqrt(walk_row_sum(l, e.c, &y, &x, l2norm_product, squares)));
    Row row = {nest_let(b, "factor", div_(num(b, 1), vmax(least, norm))), NULL};
    if (back) {
      Val dot = mul(walk_row_sum(l, e.c, &y, &x, l2norm_product, l->in), mul(row.factor, row.factor));
      row.along = nest_let(b, "along", choose(less_eq(norm, least), num(b, 0), dot));
    }
    walk_channels(l, e.c, &y, &x, element_body, &row);
  }
}

static const Op op_back = {.name = "l2norm input gradient", .eval = back_run, .lower = lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 2, (Node *[]){dy, node->in[0]});
}

/* ---- along positions ---- */
static Val line_square(const Line *line, Val const *in, const void *context) {
  (void)context;
  const Val x = in[line->l->node->nin - 1];
  return mul(x, x);
}
static Val line_dot(const Line *line, Val const *in, const void *context) {
  (void)line, (void)context;
  return mul(in[0], in[1]);
}
static Val line_element(const Line *line, Val const *in, const void *context) {
  const Row *row = context;
  (void)line;
  return mul(row->along ? sub(in[0], mul(in[1], row->along)) : in[0], row->factor);
}
static void norm_line(const Line *line) {
  Nest *b = line->l->b;
  Val least = num(b, epsilon_of(line->l->node));
  Val norm = nest_let(b, "norm", vsqrt(line_sum(line, "squares", line_square, NULL)));
  Row row = {nest_let(b, "factor", div_(num(b, 1), vmax(least, norm))), NULL};
  if (line->l->node->nin == 2) {
    Val dot = mul(line_sum(line, "dot", line_dot, NULL), mul(row.factor, row.factor));
    row.along = nest_let(b, "along", choose(less_eq(norm, least), num(b, 0), dot));
  }
  line_store(line, line_element, &row);
}
static void lines_nest(Lower *l) { lines_lower(l, norm_line); }

static const Op op_lines_back = {.name = "l2norm input gradient", .eval = back_run, .lower = lines_nest};
static void lines_backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_lines_back, node, 2, (Node *[]){dy, node->in[0]});
}

static const Op op_l2norm_lines;
static void shape(ShapeContext *context, Node *node) { lines_shape(context, node, &op_l2norm_lines); }

#define L2NORM                                                                                               \
  .name = "l2norm", .group = "normalization", .params = params, .shape = shape,                              \
  .traits.keeps_spatial = true, .summary = "divides the channels of each pixel by their L2 norm",            \
  .detail =                                                                                                  \
      "y[c] = x[c] / max(sqrt(sum over k of x[k]^2), epsilon); with axis=, the sum is over another axis",    \
  .example = "conv(64, 1x1) -> l2norm -> scale(20)"

static const Op op_l2norm_lines = {L2NORM, .eval = run, .gradient = lines_backward, .lower = lines_nest,
                                   .traits.stream_rule = lines_stream_rule};

const Op op_l2norm = {L2NORM, .eval = run, .gradient = backward, .lower = lower,
                      .traits.stream = STREAM_ROWS};
