/* blurpool.c: blurpool: the input is blurred with a binomial filter of K elements along each axis, and every
 * S-th element is kept, S: stride (Zhang, 2019: Making Convolutional Networks Shift-Invariant Again):
 *
 * y[i][j] = sum over k, l of B(k) * B(l) * x[i*S + k - before][j*S + l - before],
 * B(k) = choose(K - 1, k) / 2^(K - 1), before = floor((K - 1) / 2)
 *
 * The input is padded by mirroring at its first and last elements, as in the paper's code (reflect). */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include "kernel/axes.h"
#include "kernel/window.h"

static const Param params[] = {
    {"kernel", PARAM_WINDOW, "3", "size of the filter: 2 is [1 1]/2, 3 is [1 2 1]/4, 5 is [1 4 6 4 1]/16", 0,
     0, NULL},
    {"stride", PARAM_WINDOW, "2", "step from one window to the next", 0, 0, NULL},
    {0},
};

static int64_t output_side(const Node *node, int axis) {
  return extent_side(shape_extent(node->shape), axis);
}

/* ---- the shape ---- */
static bool within_limits(ShapeContext *context, const Node *node, const Window *w) {
  for (int axis = 0; axis < 2; axis++) {
    const bool kernel = w->kernel[axis] > AXIS_TAPS;
    if (!kernel && w->stride[axis] <= AXIS_PERIOD) continue;
    const char *param = kernel ? "kernel" : "stride";
    op_error_at(context, node, param, DIAG_too_large, "%s of blurpool is %lld, but must be at most %d", param,
                (long long)(kernel ? w->kernel[axis] : w->stride[axis]), kernel ? AXIS_TAPS : AXIS_PERIOD);
    return false;
  }
  return true;
}

static void too_small(ShapeContext *context, const Node *node, const Window *w) {
  int64_t most[2];
  Diag *diag = op_error(context, node, DIAG_kernel_exceeds_input, "%s kernel %s does not fit its %s input",
                        node->op->name, window_size_text(context->arena, node, w->kernel),
                        shape_text(context->arena, node->in[0]->shape));
  for (int axis = 0; axis < 2; axis++) {
    const int64_t in = output_side(node->in[0], axis);
    most[axis] = 2 * in - 1;
    if (w->after[axis] >= in)
      diag_fact(diag,
                "%s: mirroring a border of floor(%lld / 2) = %lld needs %lld elements, but there are %lld",
                window_axis_name(node, axis), (long long)w->kernel[axis], (long long)w->after[axis],
                (long long)w->after[axis] + 1, (long long)in);
  }
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "use a kernel of at most %s", window_size_text(context->arena, node, most));
}

static void shape(ShapeContext *context, Node *node) {
  Window *w = NEW(context->arena, Window);
  PadRule rule;
  int64_t out[2];
  if (!window_arguments(context, node, w, &rule) || !within_limits(context, node, w)) return;
  for (int axis = 0; axis < 2; axis++) {
    w->before[axis] = (w->kernel[axis] - 1) / 2;
    w->after[axis] = w->kernel[axis] / 2;
    out[axis] = (output_side(node->in[0], axis) - 1) / w->stride[axis] + 1;
  }
  if (w->after[0] >= output_side(node->in[0], 0) || w->after[1] >= output_side(node->in[0], 1)) {
    too_small(context, node, w);
    return;
  }
  node->window = w;
  node->shape = window_shape(node, out[0], out[1], shape_extent(node->in[0]->shape).c);
}

static Cost cost(const Node *node) {
  return (Cost){.macs = shape_row_elements(node->shape) * node->window->kernel[0] * node->window->kernel[1]};
}

/* ---- reference ---- */
static int eval_rule(const Node *node, int axis, int64_t to, AxisTap tap[AXIS_TAPS]) {
  const int64_t n = node->window->kernel[axis], last = output_side(node->in[0], axis) - 1;
  double row[AXIS_TAPS] = {1}; /* after each step: row `step` of Pascal's triangle, divided by 2^step */
  for (int64_t step = 1; step < n; step++)
    for (int64_t k = step; k >= 0; k--) row[k] = (row[k] + (k ? row[k - 1] : 0)) / 2;
  for (int64_t k = 0; k < n; k++) {
    const int64_t at = to * node->window->stride[axis] + k - (n - 1) / 2;
    tap[k] = (AxisTap){last - llabs(last - llabs(at)), row[k]};
  }
  return (int)n;
}

static void run(const Eval *eval) { axes_run(eval, eval_rule); }
static void back_run(const Eval *eval) { axes_run_back(eval, eval_rule); }

/* ---- the nest ---- */
static int nest_rule(const Node *node, int axis, int64_t to, AxisTap tap[AXIS_TAPS]) {
  const Window *w = node->window;
  const int64_t n = w->kernel[axis], in = output_side(node->in[0], axis);
  double weight = ldexp(1, -(int)(n - 1));
  for (int64_t k = 0; k < n; k++) {
    int64_t from = to * w->stride[axis] - w->before[axis] + k;
    if (from < 0) from = -from;
    if (from >= in) from = 2 * in - 2 - from;
    tap[k] = (AxisTap){from, weight};
    weight = weight * (double)(n - 1 - k) / (double)(k + 1);
  }
  return (int)n;
}

static AxisPeriod period_of(const Node *node, int axis) {
  const int64_t in = output_side(node->in[0], axis);
  if (in == 1) return (AxisPeriod){.from = 0, .to = 1};
  return (AxisPeriod){.from = output_side(node, axis) == 1 ? in : node->window->stride[axis], .to = 1};
}

static void lower(Lower *l) { axes_lower(l, nest_rule, period_of); }
static void back_lower(Lower *l) { axes_lower_back(l, nest_rule, period_of); }

static const Op op_back = {.name = "blurpool input gradient", .eval = back_run, .lower = back_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_blurpool = {
    .name = "blurpool",
    .group = "pooling",
    .summary = "binomial blur with a stride (antialiased subsampling)",
    .detail =
        "applies the binomial filter along each axis, [1 2 1]/4 for kernel 3. The input is mirrored at its "
        "borders. An axis of I elements becomes O = floor((I - 1) / S) + 1 with the stride S. Zhang, 2019",
    .params = params,
    .example = "maxpool(2, stride=1) -> blurpool",
    .traits.needs_axes = true,
    .shape = shape,
    .cost = cost,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.stream = STREAM_AHEAD,
};
