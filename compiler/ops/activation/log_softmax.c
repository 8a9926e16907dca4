/* log_softmax.c: log_softmax, the logarithm of softmax, y[c] = x[c] - log(sum over k of exp(x[k])), without
 * rounding small probabilities to 0. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"
#include "ops/activation/lines.h"
#include "ops/activation/softmax.h"

static const Param params[] = {LINES_AXIS, {0}};

static void log_line_run(const Node *node, int64_t n, double *const *in, double *out) {
  double largest, log_sum = softmax_log_sum(in[0], n, &largest);
  (void)node;
  for (int64_t i = 0; i < n; i++) out[i] = in[0][i] - largest - log_sum;
}
static void run(const Eval *eval) { lines_run(eval, log_line_run); }

static Val log_of_sum(Nest *b, Val sum) { return nest_let(b, "log_sum", vlog(sum)); }

static void shifted_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  const SoftmaxRow *row = context;
  lower_store(l, sub(sub(walk_load(l, l->in[0], y, x, c, part, lanes), row->largest), row->of_sum), y, x, c,
              part, lanes);
}

static void lower(Lower *l) { softmax_lower_rows(l, log_of_sum, shifted_body); }

/* ---- input gradient: dx = dy - exp(y) * sum of dy; inputs dy, y ---- */
static void log_line_back_run(const Node *node, int64_t n, double *const *in, double *out) {
  double sum = 0;
  (void)node;
  for (int64_t i = 0; i < n; i++) sum += in[0][i];
  for (int64_t i = 0; i < n; i++) out[i] = in[0][i] - exp(in[1][i]) * sum;
}
static void gradient_run(const Eval *eval) { lines_run(eval, log_line_back_run); }

static Val element(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                   const void *context) {
  (void)context;
  return walk_load(l, l->in[0], y, x, c, part, lanes);
}

static void gradient_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  const Val *sum = context;
  lower_store(l,
              sub(walk_load(l, l->in[0], y, x, c, part, lanes),
                  mul(normal_factor(vexp(walk_load(l, l->in[1], y, x, c, part, lanes))), *sum)),
              y, x, c, part, lanes);
}

static void gradient_lower(Lower *l) { softmax_lower_gradient(l, element, gradient_body); }

static const Op op_gradient = {
    .name = "log_softmax input gradient", .eval = gradient_run, .lower = gradient_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  softmax_backward(gradient, node, dy, &op_gradient);
}

/* ---- along positions ---- */
typedef struct Shift {
  Val largest, log_sum;
} Shift;
static Val shifted_exp(const Line *line, Val const *in, const void *context) {
  (void)line;
  return vexp(sub(in[0], ((const Shift *)context)->largest));
}
static Val log_shifted(const Line *line, Val const *in, const void *context) {
  const Shift *of = context;
  (void)line;
  return sub(sub(in[0], of->largest), of->log_sum);
}
static void log_softmax_line(const Line *line) {
  Shift of = {.largest = line_max(line)};
  of.log_sum = log_of_sum(line->l->b, line_sum(line, "sum", shifted_exp, &of));
  line_store(line, log_shifted, &of);
}
static void lines_nest(Lower *l) { lines_lower(l, log_softmax_line); }

static Val log_back_value(const Line *line, Val const *in, const void *context) {
  (void)line;
  return sub(in[0], mul(normal_factor(vexp(in[1])), *(const Val *)context));
}
static void log_softmax_back_line(const Line *line) {
  const Val sum = line_sum(line, "sum", NULL, NULL);
  line_store(line, log_back_value, &sum);
}
static void lines_back_nest(Lower *l) { lines_lower(l, log_softmax_back_line); }

static const Op op_lines_back = {
    .name = "log_softmax input gradient", .eval = gradient_run, .lower = lines_back_nest};
static void lines_backward(Gradient *gradient, Node *node, Node *dy) {
  softmax_backward(gradient, node, dy, &op_lines_back);
}

static const Op op_log_softmax_lines;
static void shape(ShapeContext *context, Node *node) { lines_shape(context, node, &op_log_softmax_lines); }

#define LOG_SOFTMAX                                                                                          \
  .name = "log_softmax", .group = "activation", .params = params, .shape = shape,                            \
  .traits.keeps_spatial = true,                                                                              \
  .summary = "log-probabilities over the channels of each pixel, or over another axis",                      \
  .detail = "y[c] = x[c] - log(sum over k of exp(x[k]))", .example = "dense(10) -> log_softmax"

static const Op op_log_softmax_lines = {LOG_SOFTMAX, .eval = run, .gradient = lines_backward,
                                        .lower = lines_nest, .traits.stream_rule = lines_stream_rule};

const Op op_log_softmax = {
    LOG_SOFTMAX,          .traits.softmax = true, .traits.scores = SCORES_LOG,  .eval = run,
    .gradient = backward, .lower = lower,         .traits.stream = STREAM_ROWS,
};
