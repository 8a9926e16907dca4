// depthwise.c: Depthwise convolution: separate kernels for each channel (Sifre 2014, Chollet 2016), and the
// gradients of its input and weight.
// SPDX-License-Identifier: Apache-2.0
//
//     out[y][x][c*M + m] = bias[c*M + m] + sum over ky, kx of in[y*S + ky*D - P][x*S + kx*D - P][c] *
//     weight[c*M + m][0][ky][kx]
//
// with M the multiplier. This is a convolution with as many groups as the input has channels.
#include "graph/shape.h"
#include "ops/convolution/correlation.h"
#include "kernel/window.h"

static const Param params[] = {
    {"kernel", PARAM_WINDOW, NULL, "size of the window: N, HxW or [h, w]; for a sequence, one number N", 0, 0,
     NULL},
    {"stride", PARAM_WINDOW, "1", "step from one window to the next", 0, 0, NULL},
    {"pad", PARAM_PAD, "valid",
     "zeros around an image: valid, same, N, [h, w] or [top, bottom, left, right]; a sequence: valid, same, "
     "causal, N or [before, after]",
     0, 0, NULL},
    {"dilation", PARAM_WINDOW, "1", "step from one element of the window to the next", 0, 0, NULL},
    {"multiplier", PARAM_INT, "1", "output channels per input channel", 0, 0, NULL},
    {"bias", PARAM_BOOL, "true", "adds a trained constant per output channel", 0, 0, NULL},
    {"init", PARAM_INIT, "he",
     "initial weights; a literal kernel initializes every filter; add frozen=true to exclude the filters "
     "from training",
     0, 0, NULL},
    {"bias_init", PARAM_INIT, "zeros", "initial bias", 0, 0, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  Extent out;
  if (!op_window(context, node, &out)) return;
  const int64_t channels = shape_extent(node->in[0]->shape).c, multiplier = arg_int(node, "multiplier");
  int64_t outputs;
  if (!size_multiply(channels, multiplier, &outputs) || outputs > SHAPE_MOST_ELEMENTS) {
    Diag *diag = op_error(context, node, DIAG_too_large, "depthwise would have %lld * %lld output channels",
                          (long long)channels, (long long)multiplier);
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  Window *window = NEW(context->arena, Window);
  *window = *node->window;
  window->groups = channels;
  window->multiplier = multiplier;
  node->window = window;
  correlation_shape(context, node, out.h, out.w, outputs);
}

static const Op op_depthwise_input_gradient = {
    .name = "depthwise input gradient",
    .family = FAMILY_DEPTHWISE_SCATTER,
    .traits.product = true,
    .cost = correlation_cost,
    .eval = correlation_eval_spread,
    .lower = correlation_lower_spread,
};
static const Op op_depthwise_weight_gradient = {
    .name = "depthwise weight gradient",
    .family = FAMILY_DEPTHWISE_WEIGHTS,
    .traits.product = true,
    .cost = correlation_cost,
    .eval = correlation_eval_weights,
    .lower = correlation_lower_weights,
};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_depthwise_input_gradient, &op_depthwise_weight_gradient);
}

static bool fuses_row_means(const Node *node) {
  const Correlation k = correlation_of(node);
  return k.groups > 1 && k.l == 1 && k.s == 1 && !node->shape.regions && !correlation_near_limits(&k);
}

const Op op_depthwise = {
    .name = "depthwise",
    .group = "convolution",
    .summary = "convolution of each channel with its own kernels",
    .params = params,
    .example = "depthwise(3x3, pad=same)",
    .detail = "out[y][x][c*M + m] = bias[c*M + m] + sum over ky, kx of in[y*S + ky*D - P][x*S + kx*D - P][c] "
              "* weight[c*M + m][0][ky][kx]",
    .family = FAMILY_DEPTHWISE,
    .traits.product = true,
    .traits.row_local = true,
    .traits.needs_axes = true,
    .shape = shape,
    .cost = correlation_cost,
    .eval = correlation_eval_gather,
    .gradient = gradient,
    .lower = correlation_lower_gather,
    .traits.fuses_row_means = fuses_row_means,
    .traits.int8 = INT8_PRODUCT,
    .traits.stream = STREAM_WINDOW,
};
