/* out_window.c: Export of operators with windows to ONNX. A sequence only has a window along its length. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "export/onnx_out.h"

typedef struct Axes { /* n: number of axes of the window, 1 for a sequence; first: index of the first axis in
                         arrays of {height, width} */
  int n, first;
} Axes;

static Axes axes_of(const Node *node) { return node->in[0]->shape.rank == 2 ? (Axes){1, 1} : (Axes){2, 0}; }

static const int64_t none[2] = {0, 0};

static void put_sizes(OnnxOut *o, const char *attribute, const Node *node, const int64_t size[2]) {
  const Axes a = axes_of(node);
  out_ints(o, attribute, a.n, size + a.first);
}

static int sides(const Node *node, const int64_t before[2], const int64_t after[2], int64_t side[4]) {
  const Axes a = axes_of(node);
  for (int i = 0; i < a.n; i++) {
    side[i] = before[a.first + i];
    side[a.n + i] = after[a.first + i];
  }
  return 2 * a.n;
}

static void put_pads(OnnxOut *o, const Node *node, const int64_t before[2], const int64_t after[2]) {
  int64_t side[4];
  const int n = sides(node, before, after, side);
  out_ints(o, "pads", n, side);
}

const char *out_padded(OnnxOut *o, const char *x, const Node *node, const int64_t before[2],
                       const int64_t after[2], const char *mode, double value) {
  const Axes a = axes_of(node);
  int64_t side[4], pads[8] = {0};
  sides(node, before, after, side);
  for (int i = 0; i < a.n; i++) {
    pads[2 + i] = side[i];
    pads[a.n + 4 + i] = side[a.n + i];
  }
  const bool constant = strcmp(mode, "constant") == 0;
  const char *const in[] = {x, out_list(o, "pads", 2 * (a.n + 2), pads),
                            constant ? out_number(o, "border", value) : NULL};
  const char *y = out_node(o, "Pad", constant ? 3 : 2, in);
  out_text(o, "mode", mode);
  return y;
}

/* ---- convolutions ---- */
static const char *convolved(OnnxOut *o, const char *op, const char *x, const char *weight,
                             const char *bias) {
  const char *const in[] = {x, weight, bias};
  return out_node(o, op, bias ? 3 : 2, in);
}

static const char *out_bias(OnnxOut *o, const Node *node) {
  return node->weight[1] ? out_weight(o, 1, 1, &node->weight[1]->size) : NULL;
}

static void put_window(OnnxOut *o, const Node *node, int64_t groups, const int64_t before[2],
                       const int64_t after[2]) {
  const Window *w = node->window;
  put_sizes(o, "kernel_shape", node, w->kernel);
  put_sizes(o, "strides", node, w->stride);
  put_pads(o, node, before, after);
  put_sizes(o, "dilations", node, w->dilation);
  out_int(o, "group", groups);
}

const char *out_convolved(OnnxOut *o, const Node *node, const char *x, const char *weight, int64_t groups,
                          const int64_t before[2], const int64_t after[2]) {
  const char *y = convolved(o, "Conv", x, weight, NULL);
  put_window(o, node, groups, before, after);
  return y;
}

static const char *weight_of(OnnxOut *o, const Node *node) {
  return out_weight(o, 0, node->weight[0]->rank, node->weight[0]->dim);
}

const char *export_conv(OnnxOut *o, const Node *node) {
  const Window *w = node->window;
  const int64_t groups = node->op->family == FAMILY_DEPTHWISE ? out_extent(node->in[0]).c : w->groups;
  /* separate statements, because C evaluates arguments in any order */
  const char *weight = weight_of(o, node), *bias = out_bias(o, node);
  const char *y = convolved(o, "Conv", out_input(o, 0), weight, bias);
  put_window(o, node, groups, w->before, w->after);
  return y;
}

/* For a ConvTranspose: sets the numbers of elements to crop before and after each axis, and the
 * output_padding (`more`). */
static void cut_ends(const Node *node, int64_t before[2], int64_t after[2], int64_t more[2]) {
  const Window *w = node->window;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t in = extent_side(out_extent(node->in[0]), axis), out = extent_side(out_extent(node), axis);
    const int64_t all = (in - 1) * w->stride[axis] + w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    before[axis] = w->before[axis] > 0 ? w->before[axis] : 0;
    after[axis] = all - before[axis] - (out + (w->before[axis] < 0 ? w->before[axis] : 0));
    more[axis] = after[axis] < 0 ? -after[axis] : 0;
    if (after[axis] < 0) after[axis] = 0;
  }
}

const char *export_conv_transpose(OnnxOut *o, const Node *node) {
  const Window *w = node->window;
  /* a negative w->before pads the start with zeros, which need the bias: an Add after the Pad adds it */
  const bool early = w->before[0] < 0 || w->before[1] < 0;
  const char *bias = early ? NULL : out_bias(o, node);
  int64_t before[2], after[2], more[2];
  cut_ends(node, before, after, more);
  const char *y = convolved(o, "ConvTranspose", out_input(o, 0), weight_of(o, node), bias);
  put_window(o, node, w->groups, before, after);
  if (more[0] || more[1]) put_sizes(o, "output_padding", node, more);
  if (!early) return y;
  for (int axis = 0; axis < 2; axis++) before[axis] = w->before[axis] < 0 ? -w->before[axis] : 0;
  y = out_padded(o, y, node, before, none, "constant", 0);
  return node->weight[1] ? out_two(o, "Add", y, out_channels(o, 1)) : y;
}

/* ---- pooling ---- */
/* The padding after the input. With ceil=true, the number of windows determines this padding, because the
 * last window may extend beyond the given padding. */
static void ends(const Node *node, int64_t after[2]) {
  const Window *w = node->window;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t in = extent_side(out_extent(node->in[0]), axis), out = extent_side(out_extent(node), axis);
    const int64_t needed =
        (out - 1) * w->stride[axis] + w->dilation[axis] * (w->kernel[axis] - 1) + 1 - in - w->before[axis];
    after[axis] = !w->ceil ? w->after[axis] : needed > 0 ? needed : 0;
  }
}

static bool has_border(const int64_t before[2], const int64_t after[2]) {
  return before[0] || before[1] || after[0] || after[1];
}

/* Whether the padding at one side is at least as large as the kernel. onnxruntime rejects such padding. */
static bool wide_border(const Window *w, const int64_t before[2], const int64_t after[2]) {
  for (int axis = 0; axis < 2; axis++)
    if (before[axis] >= w->kernel[axis] || after[axis] >= w->kernel[axis]) return true;
  return false;
}

const char *export_maxpool(OnnxOut *o, const Node *node) {
  const Window *w = node->window;
  int64_t after[2];
  ends(node, after);
  const bool wide = wide_border(w, w->before, after);
  const char *x = wide ? out_padded(o, out_input(o, 0), node, w->before, after, "constant", (double)-INFINITY)
                       : out_input(o, 0);
  const char *y = out_one(o, "MaxPool", x);
  put_sizes(o, "kernel_shape", node, w->kernel);
  put_sizes(o, "strides", node, w->stride);
  put_pads(o, node, wide ? none : w->before, wide ? none : after);
  put_sizes(o, "dilations", node, w->dilation);
  return y;
}

static const char *averaged(OnnxOut *o, const Node *node, const char *x, const int64_t before[2],
                            const int64_t after[2], bool count_pad) {
  const char *y = out_one(o, "AveragePool", x);
  put_sizes(o, "kernel_shape", node, node->window->kernel);
  put_sizes(o, "strides", node, node->window->stride);
  put_pads(o, node, before, after);
  out_int(o, "count_include_pad", count_pad);
  return y;
}

/* Number of elements along an axis that the mean of window `at` counts. */
static int64_t counted_elements(const Node *node, int axis, int64_t at) {
  const Window *w = node->window;
  const bool pad = arg_bool(node, "count_pad");
  const int64_t from = pad ? -w->before[axis] : 0,
                to = extent_side(out_extent(node->in[0]), axis) + (pad ? w->after[axis] : 0);
  int64_t n = 0;
  for (int64_t k = 0; k < w->kernel[axis]; k++) {
    const int64_t place = at * w->stride[axis] - w->before[axis] + k * w->dilation[axis];
    n += place >= from && place < to;
  }
  return n;
}

/* Convolves each channel with the same kernel. */
static const char *filtered(OnnxOut *o, const Node *node, const char *x, const float *kernel,
                            const int64_t before[2], const int64_t after[2]) {
  const Window *w = node->window;
  const Axes a = axes_of(node);
  const int64_t channels = out_extent(node).c, taps = w->kernel[0] * w->kernel[1];
  const int64_t dim[] = {channels, 1, w->kernel[a.first], w->kernel[1]};
  float *all = NEW_ARRAY(o->arena, float, channels *taps);
  for (int64_t i = 0; i < channels * taps; i++) all[i] = kernel[i % taps];
  const char *y = convolved(o, "Conv", x, out_floats(o, "kernel", a.n + 2, dim, all), NULL);
  put_sizes(o, "kernel_shape", node, w->kernel);
  put_sizes(o, "strides", node, w->stride);
  put_pads(o, node, before, after);
  put_sizes(o, "dilations", node, w->dilation);
  out_int(o, "group", channels);
  return y;
}

/* In opset 17, AveragePool has no dilations. So a convolution computes the sum of each window, which is
 * multiplied by 1 / (number of elements that the mean counts). */
static const char *dilated_mean(OnnxOut *o, const Node *node, const int64_t after[2]) {
  const Window *w = node->window;
  const Extent e = out_extent(node);
  const Axes a = axes_of(node);
  const int64_t taps = w->kernel[0] * w->kernel[1], dim[] = {1, 1, a.n == 1 ? e.w : e.h, e.w};
  float *ones = NEW_ARRAY(o->arena, float, taps), *share = NEW_ARRAY(o->arena, float, e.h *e.w);
  for (int64_t i = 0; i < taps; i++) ones[i] = 1;
  for (int64_t i = 0; i < e.h * e.w; i++)
    share[i] = (float)(1 / (double)(counted_elements(node, 0, i / e.w) * counted_elements(node, 1, i % e.w)));
  const char *sum = filtered(o, node, out_input(o, 0), ones, w->before, after);
  return out_two(o, "Mul", sum, out_floats(o, "share", a.n + 2, dim, share));
}

const char *export_avgpool(OnnxOut *o, const Node *node) {
  const Window *w = node->window;
  int64_t after[2], more[2];
  ends(node, after);
  if (w->dilation[0] != 1 || w->dilation[1] != 1) return dilated_mean(o, node, after);
  const bool count_pad = arg_bool(node, "count_pad") && has_border(w->before, w->after);
  for (int axis = 0; axis < 2; axis++) more[axis] = after[axis] - w->after[axis];
  if (!count_pad) return averaged(o, node, out_input(o, 0), w->before, after, false);
  if (more[0] <= 0 && more[1] <= 0) return averaged(o, node, out_input(o, 0), w->before, after, true);
  for (int axis = 0; axis < 2; axis++) more[axis] = more[axis] > 0 ? more[axis] : 0;
  return averaged(o, node, out_padded(o, out_input(o, 0), node, w->before, w->after, "constant", 0), none,
                  more, false);
}

/* With r = max(x, 0): the mean of r*r divided by the mean of r; 0 if all r are 0. */
const char *export_stochastic_pool(OnnxOut *o, const Node *node) {
  const Window *w = node->window;
  const char *r = out_one(o, "Relu", out_input(o, 0));
  const char *squares = averaged(o, node, out_two(o, "Mul", r, r), w->before, w->after, false);
  const char *sum = averaged(o, node, r, w->before, w->after, false);
  const char *const least[] = {sum, out_number(o, "least", 1e-37)};
  return out_two(o, "Div", squares, out_node(o, "Max", 2, least));
}

static double binomial(int64_t n, int64_t k) {
  double value = 1;
  for (int64_t i = 0; i < k; i++) value *= (double)(n - i) / (double)(i + 1);
  return round(value) / pow(2, (double)n);
}

const char *export_blurpool(OnnxOut *o, const Node *node) {
  const Window *w = node->window;
  float *kernel = NEW_ARRAY(o->arena, float, w->kernel[0] * w->kernel[1]);
  for (int64_t y = 0; y < w->kernel[0]; y++)
    for (int64_t x = 0; x < w->kernel[1]; x++)
      kernel[y * w->kernel[1] + x] = (float)(binomial(w->kernel[0] - 1, y) * binomial(w->kernel[1] - 1, x));
  const char *x = has_border(w->before, w->after)
                      ? out_padded(o, out_input(o, 0), node, w->before, w->after, "reflect", 0)
                      : out_input(o, 0);
  return filtered(o, node, x, kernel, none, none);
}

const char *export_global(OnnxOut *o, const Node *node) {
  const char *y = out_one(o, onnx_way(node->op)->word, out_input(o, 0));
  return node->shape.rank == 1 ? out_shaped(o, y, node->shape) : y;
}
