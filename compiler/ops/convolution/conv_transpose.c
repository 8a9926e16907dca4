// conv_transpose.c: Transposed convolution (Zeiler et al., 2010), and the gradients of its input and weight.
// Without bias, the layer computes the same function as the input gradient of a convolution.
// SPDX-License-Identifier: Apache-2.0
//
//     out[y*S + ky*D - P][x*S + kx*D - P][f] += in[y][x][c] * weight[c][f][ky][kx], starting from bias[f],
//
// with S the stride, D the dilation and P the number of elements that padding removes at the start of each
// axis. On each axis, I input elements and a kernel of K elements give (I - 1)*S + D*(K - 1) + 1 + output_pad
// output elements, minus the padding; with pad=same, I*S elements.
#include "graph/shape.h"
#include "ops/convolution/correlation.h"
#include "kernel/window.h"
#include "ops/registry.h"

static const Param params[] = {
    {"filters", PARAM_INT, NULL, "output channels", 0, 0, NULL},
    {"kernel", PARAM_WINDOW, NULL, "size of the window: N, HxW or [h, w]; for a sequence, one number N", 0, 0,
     NULL},
    {"stride", PARAM_WINDOW, "1", "step in the output for each step of one element in the input", 0, 0, NULL},
    {"pad", PARAM_PAD, "valid",
     "number of elements cropped from the output: valid, same (output size = input size * stride), N, [h, "
     "w], [top, bottom, left, right] or [before, after]",
     0, 0, NULL},
    {"output_pad", PARAM_INT, "0", "number of rows and columns added at the end of the output", 0, 1000000,
     NULL},
    {"dilation", PARAM_WINDOW, "1", "step from one element of the window to the next", 0, 0, NULL},
    {"groups", PARAM_INT, "1", "number of channel groups; each group is convolved separately", 0, 0, NULL},
    {"bias", PARAM_BOOL, "true", "adds a trained constant per filter", 0, 0, NULL},
    {"init", PARAM_INIT, "he", "initial weights; use bilinear for upsampling", 0, 0, NULL},
    {"bias_init", PARAM_INIT, "zeros", "initial bias", 0, 0, NULL},
    {0},
};

static bool output_size(ShapeContext *context, Node *node, Window *w, int64_t output[2]) {
  PadRule rule;
  if (!window_arguments(context, node, w, &rule)) return false;
  if (rule == PAD_CAUSAL) {
    Diag *diag = op_error_at(context, node, "pad", DIAG_bad_value, "conv_transpose has no pad=causal");
    diag_help(diag, "pad=[0, %lld] removes outputs that depend on later inputs",
              (long long)(w->dilation[1] * (w->kernel[1] - 1)));
    return false;
  }
  const Extent in = shape_extent(node->in[0]->shape);
  const int64_t input[2] = {in.h, in.w}, output_pad = arg_int(node, "output_pad");
  const bool sequence = node->in[0]->shape.rank == 2;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t extra = sequence && axis == 0 ? 0 : output_pad;
    output[axis] = window_transposed(input[axis], w->kernel[axis], w->stride[axis], w->dilation[axis], extra,
                                     rule, &w->before[axis], &w->after[axis]);
    if (output[axis] >= 1) continue;
    Diag *diag = op_error(context, node, DIAG_kernel_exceeds_input,
                          "the padding of conv_transpose removes all of its output");
    diag_fact(diag, "%s: %s", window_axis_name(node, axis),
              window_transposed_formula(context->arena, input[axis], w->kernel[axis], w->stride[axis],
                                        w->dilation[axis], extra, w->before[axis], w->after[axis]));
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "pad=same makes the output %s",
              window_size_text(context->arena, node,
                               (int64_t[]){input[0] * w->stride[0], input[1] * w->stride[1]}));
    return false;
  }
  return window_addressable(context, node, w, output, input);
}

static void shape(ShapeContext *context, Node *node) {
  Window *window = NEW(context->arena, Window);
  int64_t output[2];
  if (!output_size(context, node, window, output)) return;
  const int64_t filters = arg_int(node, "filters"), channels = shape_extent(node->in[0]->shape).c;
  window->groups = arg_int(node, "groups");
  if (!window_groups_fit(context, node, channels, filters)) return;
  node->window = window;
  correlation_shape(context, node, output[0], output[1], filters);
}

static const Op op_transpose_input_gradient = {
    .name = "conv_transpose input gradient",
    .family = FAMILY_CONV,
    .traits.product = true,
    .cost = correlation_cost,
    .eval = correlation_eval_gather,
    .lower = correlation_lower_gather,
};
static const Op op_transpose_weight_gradient = {
    .name = "conv_transpose weight gradient",
    .family = FAMILY_CONV_WEIGHTS,
    .traits.product = true,
    .cost = correlation_cost,
    .eval = correlation_eval_weights,
    .lower = correlation_lower_weights,
};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_transpose_input_gradient, &op_transpose_weight_gradient);
}

const Op op_conv_transpose = {
    .traits.transposed = true,
    .name = "conv_transpose",
    .group = "convolution",
    .summary = "transposed convolution: upsamples an image or a sequence",
    .params = params,
    .example = "conv_transpose(16, 4x4, stride=2, pad=1)",
    .detail =
        "out[y*S + ky*D - P][x*S + kx*D - P][f] += in[y][x][c] * weight[c][f][ky][kx], starting from bias[f]",
    .family = FAMILY_CONV_SCATTER,
    .traits.product = true,
    .traits.int8 = INT8_PRODUCT,
    .traits.needs_axes = true,
    .shape = shape,
    .cost = correlation_cost,
    .eval = correlation_eval_spread,
    .gradient = gradient,
    .lower = correlation_lower_spread,
    .traits.stream = STREAM_TRANSPOSED,
};
