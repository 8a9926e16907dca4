/* tflite_nodes_layers.c: Conversion of TensorFlow Lite's convolutions, matrix products, pools, norms,
 * softmax, resizing, DEPTH_TO_SPACE and SPACE_TO_DEPTH to ONNX nodes. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/tflite/tflite_nodes.h"

/* ---- convolutions ---- */
static void set_text(Nodes *n, const char *name, const char *value) {
  onnx_set_text(n->arena, nodes_last(n), name, value);
}

static void set_pair(Nodes *n, const char *name, const int64_t pair[2]) {
  onnx_set_ints(n->arena, nodes_last(n), name, 2, pair);
}

/* Sets the strides, dilations and padding of the last node. SAME_UPPER: if the total padding is odd, one more
 * element is added at the end than at the start. */
static void set_window(Nodes *n, bool dilated) {
  const TflOperator *op = n->op;
  const int64_t *b = op->border, pads[4] = {b[0], b[2], b[1], b[3]};
  set_pair(n, "strides", op->stride);
  if (dilated) set_pair(n, "dilations", op->dilation);
  if (op->same) set_text(n, "auto_pad", "SAME_UPPER");
  else onnx_set_ints(n->arena, nodes_last(n), "pads", 4, pads);
}

void nodes_conv(Nodes *n) {
  static const int64_t depthwise[] = {3, 0, 1, 2};
  const bool each = n->op->code == TFL_DEPTHWISE_CONV_2D;
  const TflTensor *x = nodes_tensor(n, 0), *w = nodes_tensor(n, 1);
  if (!x || !w || x->rank != 4 || w->rank != 4) return nodes_refuse(n, "its weights have the wrong shape");
  int in[] = {nodes_channels_first(n, nodes_in(n, 0)), 0, nodes_in(n, 2)};
  in[1] = each ? nodes_permuted(n, nodes_in(n, 1), 4, depthwise) : nodes_channels_first(n, nodes_in(n, 1));
  const int made = nodes_apply(n, "Conv", in[2] ? 3 : 2, in);
  const int64_t channels = x->dim[3], of = w->dim[3];
  if (each) onnx_set_int(n->arena, nodes_last(n), "group", channels);
  else if (of > 0 && channels % of == 0) onnx_set_int(n->arena, nodes_last(n), "group", channels / of);
  set_window(n, true);
  nodes_finish(n, nodes_channels_last(n, made));
}

/* ONNX computes the size of a ConvTranspose's result from stride and pads; output_padding adds the elements
 * that are missing. */
void nodes_transpose_conv(Nodes *n) {
  static const int64_t perm[] = {3, 0, 1, 2};
  const TflTensor *w = nodes_tensor(n, 1), *x = nodes_tensor(n, 2), *out = &n->m->tensor[n->op->out[0]];
  if (!x || !w || x->rank != 4 || w->rank != 4 || out->rank != 4 || x->size < 0 || out->size < 0)
    return nodes_refuse(n, "its weights have the wrong shape");
  int in[] = {nodes_channels_first(n, nodes_in(n, 2)), nodes_permuted(n, nodes_in(n, 1), 4, perm),
              nodes_in(n, 3)};
  int64_t pads[4], more[2];
  for (int a = 0; a < 2; a++) {
    const int64_t all = (x->dim[1 + a] - 1) * n->op->stride[a] + w->dim[1 + a], extra = all - out->dim[1 + a];
    pads[a] = n->op->same && extra > 0 ? extra / 2 : 0;
    pads[2 + a] = extra > 0 ? extra - pads[a] : 0;
    more[a] = extra < 0 ? -extra : 0;
    if (more[a] >= n->op->stride[a] && more[a])
      return nodes_refuse(n, "the size of its result does not match its stride");
  }
  const int made = nodes_apply(n, "ConvTranspose", in[2] ? 3 : 2, in);
  set_pair(n, "strides", n->op->stride);
  onnx_set_ints(n->arena, nodes_last(n), "pads", 4, pads);
  set_pair(n, "output_padding", more);
  nodes_finish(n, nodes_channels_last(n, made));
}

void nodes_pool(Nodes *n) {
  if (nodes_rank(n, 0) != 4) return nodes_refuse(n, "its input is not an image");
  const int made = nodes_apply_one(n, n->onnx_name, nodes_channels_first(n, nodes_in(n, 0)));
  set_pair(n, "kernel_shape", n->op->size);
  set_window(n, false);
  nodes_finish(n, nodes_channels_last(n, made));
}

/* ---- products ---- */
/* If the operator keeps the dimensions before the last one, it becomes a MatMul. Otherwise the input is
 * reshaped to [rows, w->dim[1]], for a Gemm. */
void nodes_dense(Nodes *n) {
  const TflTensor *x = nodes_tensor(n, 0), *w = nodes_tensor(n, 1);
  const int bias = nodes_in(n, 2);
  if (!x || !w || w->rank != 2) return nodes_refuse(n, "its weights are not a matrix");
  const bool many = n->op->keeps && x->rank > 2;
  if (!many) {
    const int64_t flat[] = {-1, w->dim[1]};
    int in[] = {nodes_in(n, 0), nodes_in(n, 1), bias};
    const int shaped[] = {in[0], nodes_integers(n, 2, flat)};
    if (x->rank != 2) in[0] = nodes_apply(n, "Reshape", 2, shaped);
    const int made = nodes_apply(n, "Gemm", bias ? 3 : 2, in);
    onnx_set_int(n->arena, nodes_last(n), "transB", 1);
    return nodes_finish(n, made);
  }
  static const int64_t turned[] = {1, 0};
  const int in[] = {nodes_in(n, 0), nodes_permuted(n, nodes_in(n, 1), 2, turned)};
  int made = nodes_apply(n, "MatMul", 2, in);
  const int sum[] = {made, bias};
  if (bias) made = nodes_apply(n, "Add", 2, sum);
  nodes_finish(n, made);
}

void nodes_matmul(Nodes *n) {
  int in[2];
  if (n->op->asymmetric)
    return nodes_refuse(n, "it quantizes its input at run time (asymmetric_quantize_inputs)");
  for (int k = 0; k < 2; k++) {
    const int rank = nodes_rank(n, k);
    int64_t perm[MOST_DIMS];
    in[k] = nodes_in(n, k);
    if (rank < 2) return nodes_refuse(n, "its operands are not matrices");
    for (int d = 0; d < rank; d++) perm[d] = d;
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    if (n->op->transposed[k]) in[k] = nodes_permuted(n, in[k], rank, perm);
  }
  nodes_finish(n, nodes_apply(n, "MatMul", 2, in));
}

/* ---- norms ---- */
void nodes_l2norm(Nodes *n) {
  const int made = nodes_apply_one(n, "LpNormalization", nodes_in(n, 0));
  onnx_set_int(n->arena, nodes_last(n), "axis", -1);
  onnx_set_float(n->arena, nodes_last(n), "cnnc_epsilon", 1e-6);
  nodes_finish(n, made);
}

void nodes_lrn(Nodes *n) {
  const TflOperator *op = n->op;
  if (nodes_rank(n, 0) != 4) return nodes_refuse(n, "its input is not an image");
  if (op->groups < 0 || op->groups > INT16_MAX) return nodes_refuse(n, "its radius is out of range");
  const int64_t size = 2 * op->groups + 1;
  const int made = nodes_apply_one(n, "LRN", nodes_channels_first(n, nodes_in(n, 0)));
  onnx_set_int(n->arena, nodes_last(n), "size", size);
  onnx_set_float(n->arena, nodes_last(n), "alpha", (double)op->alpha * (double)size);
  onnx_set_float(n->arena, nodes_last(n), "beta", (double)op->beta);
  onnx_set_float(n->arena, nodes_last(n), "bias", (double)op->bias);
  nodes_finish(n, nodes_channels_last(n, made));
}

void nodes_softmax(Nodes *n) {
  const bool scaled = n->op->code == TFL_SOFTMAX && n->op->beta != 1;
  int in[] = {nodes_in(n, 0), scaled ? nodes_number(n, (double)n->op->beta) : 0};
  if (scaled) in[0] = nodes_apply(n, "Mul", 2, in);
  const int made = nodes_apply_one(n, n->onnx_name, in[0]);
  onnx_set_int(n->arena, nodes_last(n), "axis", -1);
  nodes_finish(n, made);
}

/* ---- resizing ---- */
void nodes_resize(Nodes *n) {
  const TflOperator *op = n->op;
  const TflTensor *x = nodes_tensor(n, 0);
  const bool linear = op->code == TFL_RESIZE_BILINEAR;
  if (!x || x->rank != 4 || !nodes_in(n, 1)) return nodes_refuse(n, "its input is not an image");
  const int64_t spatial[] = {2, 3};
  const int in[] = {nodes_channels_first(n, nodes_in(n, 0)), 0, 0, nodes_in(n, 1)};
  const int made = nodes_apply(n, "Resize", 4, in);
  onnx_set_ints(n->arena, nodes_last(n), "axes", 2, spatial);
  set_text(n, "mode", linear ? "linear" : "nearest");
  set_text(n, "coordinate_transformation_mode",
           op->corners  ? "align_corners"
           : op->middle ? "half_pixel"
                        : "asymmetric");
  set_text(n, "nearest_mode", op->corners || op->middle ? "round_prefer_ceil" : "floor");
  nodes_finish(n, nodes_channels_last(n, made));
}

void nodes_blocks(Nodes *n) {
  if (nodes_rank(n, 0) != 4) return nodes_refuse(n, "its input is not an image");
  const int made = nodes_apply_one(n, n->onnx_name, nodes_channels_first(n, nodes_in(n, 0)));
  onnx_set_int(n->arena, nodes_last(n), "blocksize", n->op->size[0]);
  set_text(n, "mode", "DCR");
  nodes_finish(n, nodes_channels_last(n, made));
}
