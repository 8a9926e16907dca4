/* out_norm.c: Export of normalizations to ONNX. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "export/onnx_out.h"

const char *export_batchnorm(OnnxOut *o, const Node *node) {
  static const char *const member[] = {"weight", "bias"};
  const int64_t channels = out_extent(node).c;
  const char *in[5] = {out_input(o, 0)};
  for (int k = 0; k < 4; k++)
    in[k + 1] = node->weight[k] ? out_weight(o, k, 1, &channels) : out_filled(o, member[k], channels, k == 0);
  const char *y = out_node(o, "BatchNormalization", 5, in);
  out_float(o, "epsilon", arg_number(node, "epsilon"));
  return y;
}

/* ONNX's LayerNormalization is over the last axis, so the channels are moved there. */
const char *export_layernorm(OnnxOut *o, const Node *node) {
  const int64_t channels = out_extent(node).c;
  const char *const in[] = {out_channels_last(o, out_input(o, 0), node->shape),
                            out_weight(o, 0, 1, &channels), out_weight(o, 1, 1, &channels)};
  const char *y = out_node(o, "LayerNormalization", 3, in);
  out_int(o, "axis", -1);
  out_float(o, "epsilon", arg_number(node, "epsilon"));
  return out_channels_first(o, y, node->shape);
}

/* y = x / sqrt(mean(x*x) + epsilon) * weight */
const char *export_rmsnorm(OnnxOut *o, const Node *node) {
  const int64_t channels = out_extent(node).c, axis = 1;
  const double epsilon = arg_number(node, "epsilon");
  const char *x = out_input(o, 0);
  if (o->opset < 23) {
    const char *mean = out_reduced(o, "ReduceMean", out_two(o, "Mul", x, x), 1, &axis);
    const char *root = out_one(o, "Sqrt", out_two(o, "Add", mean, out_number(o, "epsilon", epsilon)));
    const char *scaled = out_two(o, "Div", x, root);
    return out_two(o, "Mul", scaled, out_channels(o, 0));
  }
  const char *last = out_channels_last(o, x, node->shape), *weight = out_weight(o, 0, 1, &channels);
  const char *y = out_two(o, "RMSNormalization", last, weight);
  out_int(o, "axis", -1);
  out_float(o, "epsilon", epsilon);
  return out_channels_first(o, y, node->shape);
}

static const char *standardized(OnnxOut *o, const Node *node, const char *x, const char *weight,
                                const char *bias) {
  const char *const in[] = {x, weight, bias};
  const char *y = out_node(o, "InstanceNormalization", 3, in);
  out_float(o, "epsilon", arg_number(node, "epsilon"));
  return y;
}

const char *export_groupnorm(OnnxOut *o, const Node *node) {
  const int64_t groups = arg_int(node, "groups"), dim[] = {0, groups, -1};
  const char *x = out_reshape(o, out_input(o, 0), 3, dim);
  const char *ones = out_filled(o, "ones", groups, 1), *zeros = out_filled(o, "zeros", groups, 0);
  x = standardized(o, node, x, ones, zeros);
  x = out_shaped(o, x, node->shape);
  x = out_two(o, "Mul", x, out_channels(o, 0));
  return out_two(o, "Add", x, out_channels(o, 1));
}

const char *export_instancenorm(OnnxOut *o, const Node *node) {
  const int64_t channels = out_extent(node).c, dim[] = {0, channels, 1};
  const bool vector = node->shape.rank == 1;
  const char *x = vector ? out_reshape(o, out_input(o, 0), 3, dim) : out_input(o, 0);
  const char *scale = out_weight(o, 0, 1, &channels), *shift = out_weight(o, 1, 1, &channels);
  const char *y = standardized(o, node, x, scale, shift);
  return vector ? out_shaped(o, y, node->shape) : y;
}

/* ---- lrn ---- */
/* If a window has an even number of channels, ONNX may place it differently than cnnc, and onnxruntime only
 * supports odd windows. So a 1x1 convolution with equal weights within the window sums the squares. */
static const char *even_window(OnnxOut *o, const Node *node, const char *x) {
  const int64_t channels = out_extent(node).c, size = arg_int(node, "size");
  const int64_t dim[] = {channels, channels, 1, 1};
  const int64_t before = arg_is(node, "even", "after") ? (size - 1) / 2 : size / 2, after = size - 1 - before;
  float *within = NEW_ARRAY(o->arena, float, channels *channels);
  for (int64_t c = 0; c < channels; c++)
    for (int64_t k = 0; k < channels; k++)
      within[c * channels + k] =
          k >= c - before && k <= c + after ? (float)(arg_number(node, "alpha") / (double)size) : 0;
  const char *squares = out_two(o, "Mul", x, x), *window = out_floats(o, "window", 4, dim, within);
  const char *sum = out_two(o, "Conv", squares, window);
  sum = out_two(o, "Add", sum, out_number(o, "constant", arg_number(node, "bias")));
  return out_two(o, "Div", x, out_two(o, "Pow", sum, out_number(o, "beta", arg_number(node, "beta"))));
}

static const char *odd_window(OnnxOut *o, const Node *node, const char *x) {
  const char *y = out_one(o, "LRN", x);
  out_int(o, "size", arg_int(node, "size"));
  out_float(o, "alpha", arg_number(node, "alpha"));
  out_float(o, "beta", arg_number(node, "beta"));
  out_float(o, "bias", arg_number(node, "bias"));
  return y;
}

const char *export_lrn(OnnxOut *o, const Node *node) {
  const Extent e = out_extent(node);
  const char *x = out_input(o, 0);
  const bool picture = node->shape.rank == 3;
  if (!picture) x = out_shaped(o, x, shape_image(e.h, e.w, e.c));
  x = (arg_int(node, "size") % 2 ? odd_window : even_window)(o, node, x);
  return picture ? x : out_shaped(o, x, node->shape);
}

/* ---- normalize and l2norm ---- */
static double channel_scale(const Node *node, const char *name, int64_t c) {
  const Const *value = arg_const(node, name);
  if (value->kind == CONST_LIST) value = &value->items[value->n > 1 ? c : 0];
  return value->kind == CONST_INT ? (double)value->i : value->f;
}

static bool all_are(const float *value, int64_t n, float what) {
  int64_t i = 0;
  while (i < n && value[i] == what) i++;
  return i == n;
}

static const char *out_parameters(OnnxOut *o, const Node *node, const char *what, int64_t n,
                                  const float *value) {
  const int64_t dim[] = {n, 1, 1};
  return all_are(value, n, value[0]) ? out_number(o, what, (double)value[0])
                                     : out_floats(o, what, node->shape.rank, dim, value);
}

/* x*(scale/std) - mean/std */
const char *export_normalize(OnnxOut *o, const Node *node) {
  const int64_t n = out_extent(node).c;
  float *gain = NEW_ARRAY(o->arena, float, n), *mean = NEW_ARRAY(o->arena, float, n);
  for (int64_t c = 0; c < n; c++) {
    const double std = channel_scale(node, "std", c);
    gain[c] = (float)(channel_scale(node, "scale", c) / std);
    mean[c] = (float)(channel_scale(node, "mean", c) / std);
  }
  const char *x = out_input(o, 0);
  if (!all_are(gain, n, 1)) x = out_two(o, "Mul", x, out_parameters(o, node, "factor", n, gain));
  return all_are(mean, n, 0) ? x : out_two(o, "Sub", x, out_parameters(o, node, "mean", n, mean));
}

const char *export_l2norm(OnnxOut *o, const Node *node) {
  int64_t axis[2];
  const int n = out_axes(node, axis);
  const char *x = out_input(o, 0), *norm = out_reduced(o, "ReduceL2", x, n, axis);
  return out_two(o, "Div", x, out_two(o, "Max", norm, out_number(o, "epsilon", arg_number(node, "epsilon"))));
}
