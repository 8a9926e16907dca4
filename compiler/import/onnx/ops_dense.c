/* ops_dense.c: Import of products with weight matrices, and of Equal. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

/* Transposes the integers from which a constant was dequantized, so that they match the transposed constant
 * `t`. */
static void keep_bytes(ModelImport *im, Tensor *t, const Tensor *from) {
  const int64_t out = t->dim[0], in = t->dim[1];
  if (from->whole->rank != 2 || from->whole->dim[0] != in || from->whole->dim[1] != out) return;
  Tensor *whole = constant_new(im, from->whole->type, 2, t->dim);
  if (!whole) return;
  for (int64_t o = 0; o < out; o++)
    for (int64_t i = 0; i < in; i++) tensor_put(whole, o * in + i, tensor_number(from->whole, i * out + o));
  t->whole = whole;
  t->scale = from->scale;
  t->zero = from->zero;
  t->axis = 1 - from->axis;
}

/* The matrix as [out][in], times a factor. */
static const Tensor *by_units(ModelImport *im, const Tensor *w, bool transposed, double factor) {
  if (transposed && factor == 1) return w;
  const int64_t in = w->dim[transposed], out = w->dim[!transposed], dim[] = {out, in};
  Tensor *t = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!t) return NULL;
  for (int64_t o = 0; o < out; o++)
    for (int64_t i = 0; i < in; i++)
      tensor_put(t, o * in + i, factor * tensor_number(w, transposed ? o * in + i : i * out + o));
  t->name = w->name;
  if (factor == 1 && w->whole) keep_bytes(im, t, w);
  return t;
}

/* If the product's only user is an Add of a constant vector: the vector, which becomes the bias. The Add
 * becomes an Identity. Otherwise NULL. */
static const Tensor *vector_behind(ModelImport *im, const OnnxNode *node, const View *x, int64_t units) {
  const int made = node->out[0];
  if (im->readers[made] != 1 || im->wanted[made]) return NULL;
  OnnxNode *next = node_reading(im, made);
  if (next->nin != 2 || strcmp(next->op, "Add") != 0) return NULL;
  const Tensor *t = constant_beside(im, next, next->in[0] == made, x);
  if (!t || t->n != units || units == 1 || t->rank < 1 || t->dim[t->rank - 1] != units) return NULL;
  next->op = "Identity";
  next->in[0] = made;
  next->nin = 1;
  return t;
}

static bool same_constant(const Tensor *a, const Tensor *b) {
  if (!a || !b) return a == b;
  if (a->type != b->type || a->n != b->n || a->whole || b->whole) return false;
  return a->data == b->data || memcmp(a->data, b->data, (size_t)a->n * (size_t)tensor_width(a->type)) == 0;
}

/* An earlier layer with the same matrix and bias, as in each step of an unrolled recurrent layer; NULL: there
 * is none. */
static const char *layer_with(ModelImport *im, const Tensor *w, const Tensor *bias, int rank) {
  const size_t end = strlen(".weight");
  for (int i = 0; i < im->weights.n && w->name; i++) {
    const ImportWeight *old = &im->weights.data[i];
    const size_t n = strlen(old->name);
    if (old->rank != rank || !old->tensor->name || strcmp(old->tensor->name, w->name) != 0) continue;
    if (n < end || strcmp(old->name + n - end, ".weight") != 0 || !same_constant(old->tensor, w)) continue;
    const char *layer = arena_copy(im->arena, old->name, n - end);
    const ImportWeight *with = weight_named(im, layer, "bias");
    if (same_constant(with ? with->tensor : NULL, bias)) return layer;
  }
  return NULL;
}

/* x times the matrix, along the last dimension of the view: a dense layer, or a 1x1 convolution. */
static View *dense_product(ModelImport *im, const OnnxNode *node, const View *x, const Tensor *w,
                           const Tensor *bias) {
  const int last = x->rank - 1;
  int pos[MOST_DIMS], npos;
  if (!w) return NULL;
  if (last < 1) return no(im, "a tensor of %s", text_counted(im->arena, x->rank, "dimension"));
  if (w->dim[1] != x->size[last]) return no(im, "a matrix of the wrong shape");
  Value *v = lay_channels(im, x, last, &npos, pos);
  if (!v) return NULL;
  const int64_t units = w->dim[0], dim[] = {units, w->dim[1], 1, 1};
  if (!bias) bias = vector_behind(im, node, x, units);
  const char *layer = layer_of(im, node, 1);
  const char *shared = layer_with(im, w, bias, npos ? 2 + npos : 2);
  const char *as = shared ? arena_printf(im->arena, ", weights=\"%s\"", shared) : "";
  const char *end = arena_printf(im->arena, "%s%s, name=\"%s\")", bias ? "" : ", bias=false", as, layer);
  Shape to = v->shape;
  to.dim[npos] = units;
  if (npos == 0) v = emit_one(im, v, to, "dense(%lld%s", (long long)units, end);
  else v = emit_one(im, v, to, "conv(%lld, %s%s", (long long)units, npos == 2 ? "1x1" : "1", end);
  if (!shared) put_weight(im, layer, "weight", w, npos ? 2 + npos : 2, dim);
  if (!shared) put_vector(im, layer, "bias", bias);
  return view_laid(im, x, v, last, npos, pos);
}

/* A product with a constant vector. The vector is a matrix of one column or row; the result does not have
 * this dimension of one element. */
static View *vector_product(ModelImport *im, const OnnxNode *node, int constant, const Tensor *w) {
  const View *x = view_of(im, node, !constant);
  int from[MOST_DIMS];
  bool drop[MOST_DIMS] = {false};
  if (!x) return NULL;
  const int last = x->rank - 1;
  if (last < 1) return no(im, "a tensor of %s", text_counted(im->arena, x->rank, "dimension"));
  for (int d = 0; d <= last; d++) from[d] = d;
  if (constant == 0) from[last] = last - 1, from[last - 1] = last;
  const Tensor *units = tensor_shaped(im->arena, w, 2, (const int64_t[]){1, w->n});
  const View *y = dense_product(im, node, view_permute(im, x, from, x->rank), units, NULL);
  drop[last] = true;
  return y ? view_without(im, y, drop) : NULL;
}

/* MatMul, and onnxruntime's FusedMatMul, which may transpose each matrix and multiply by `alpha`. */
View *import_matmul(ModelImport *im, const OnnxNode *node) {
  const int constant = constant_of(im, node, 1) ? 1 : 0;
  const Tensor *w = constant_of(im, node, constant);
  if (onnx_int(node, "transBatchA", 0) || onnx_int(node, "transBatchB", 0))
    return no(im, "a product with several matrices");
  /* constant queries: only attention has a softmax that is 0 if all keys are masked */
  const OnnxNode *softmax = softmax_after(im, node->out[0]);
  if (!w || (w->rank > 2 && softmax && onnx_int(softmax, "cnnc_zero", 0)))
    return import_two_matrices(im, node);
  if (w->rank == 1 && w->n) return vector_product(im, node, constant, w);
  if (constant == 0 || w->rank != 2 || w->n == 0) return import_matrices(im, node, constant);
  View *x = view_of(im, node, 0);
  if (!x) return NULL;
  if (onnx_int(node, "transA", 0)) {
    int from[MOST_DIMS];
    if (x->rank < 2) return no(im, "a tensor of %s", text_counted(im->arena, x->rank, "dimension"));
    for (int d = 0; d < x->rank; d++) from[d] = d < x->rank - 2 ? d : 2 * x->rank - 3 - d;
    x = view_permute(im, x, from, x->rank);
  }
  const bool transposed = onnx_int(node, "transB", 0) != 0;
  return dense_product(im, node, x, by_units(im, w, transposed, onnx_float(node, "alpha", 1)), NULL);
}

View *import_gemm(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *w = constant_of(im, node, 1), *b = constant_of(im, node, 2);
  if (!x) return NULL;
  if (!w) return import_two_gemm(im, node);
  if (onnx_int(node, "transA", 0) && x->rank == 2) x = view_permute(im, x, (const int[]){1, 0}, 2);
  if (given(node, 2) && !b) return no(im, "a computed bias");
  if (w->rank != 2 || w->n == 0 || x->rank != 2) return no(im, "a product of operands that are not matrices");
  w = by_units(im, w, onnx_int(node, "transB", 0) != 0, onnx_float(node, "alpha", 1));
  if (!w) return NULL;
  if (!b) return dense_product(im, node, x, w, NULL);
  const int64_t units = w->dim[0];
  const double beta = onnx_float(node, "beta", 1);
  if (b->n != units && b->n != 1) return no(im, "a bias that varies over rows");
  if (b->n != units || beta != 1) {
    Tensor *whole = constant_new(im, TENSOR_FLOAT, 1, &units);
    if (!whole) return NULL;
    for (int64_t i = 0; i < units; i++) tensor_put(whole, i, beta * tensor_number(b, b->n == 1 ? 0 : i));
    b = whole;
  }
  return dense_product(im, node, x, w, b);
}

/* ---- one-hot ---- */
/* Whether a tensor is an integer input of the model, possibly after operators that only move elements. */
static bool is_whole(const ModelImport *im, int tensor) {
  static const char *const moves[] = {"Reshape",   "Expand",  "Unsqueeze", "Squeeze",
                                      "Transpose", "Flatten", "Identity",  NULL};
  while (im->maker[tensor] >= 0) {
    const OnnxNode *node = &im->onnx->node[im->maker[tensor]];
    int k = 0;
    while (moves[k] && strcmp(moves[k], node->op) != 0) k++;
    if (!moves[k]) return false;
    tensor = node->in[0];
  }
  for (int i = 0; i < im->ports.n; i++)
    if (im->ports.data[i]->tensor == tensor)
      return im->ports.data[i]->type && tensor_whole(im->ports.data[i]->type);
  return false;
}

/* The only dimension along which the constant varies, if the value is broadcast along it. -1: the operands
 * have another form. */
static int compared_dimension(const View *x, const Tensor *t) {
  int along = -1;
  for (int d = 0; d < x->rank; d++) {
    const int own = d - (x->rank - t->rank);
    const bool varies = own >= 0 && t->dim[own] > 1;
    if (varies && (along >= 0 || x->along[d].n || (x->size[d] != 1 && x->size[d] != t->dim[own]))) return -1;
    if (varies) along = d;
    else if (x->size[d] != factors_size(&x->along[d])) return -1;
  }
  return t->rank <= x->rank && along >= 1 ? along : -1;
}

/* Compares any two values by their difference. */
static View *other_equal(ModelImport *im, const OnnxNode *node) {
  View *y = differing(im, node);
  return y ? map_view(im, map_view(im, y, "multiply(-1)"), "add(1)") : NULL;
}

/* Imports Equal: as one_hot; as max(1 - |x - k|, 0) for an integer input x and several constants k; or with
 * other_equal. */
View *import_equal(ModelImport *im, const OnnxNode *node) {
  const int constant = constant_of(im, node, 0) ? 0 : 1;
  const Tensor *t = constant_of(im, node, constant);
  const View *x = t ? view_of(im, node, !constant) : NULL;
  View *hot = x ? equal_to_range(im, x, t) : NULL;
  if (hot || im->why) return hot;
  const int along = x && is_whole(im, node->in[!constant]) ? compared_dimension(x, t) : -1;
  int pos[MOST_DIMS], npos;
  if (along < 0) return other_equal(im, node);
  View *one = view_copy(im, x, x->value);
  one->size[along] = 1;
  Value *v = lay_channels(im, one, along, &npos, pos);
  if (!v) return NULL;
  const int64_t dim[] = {t->n, 1, 1, 1};
  Tensor *ones = constant_new(im, TENSOR_FLOAT, 2, dim), *numbers = constant_new(im, TENSOR_FLOAT, 1, dim);
  if (!ones || !numbers) return NULL;
  for (int64_t i = 0; i < t->n; i++) {
    tensor_put(ones, i, 1);
    tensor_put(numbers, i, -tensor_number(t, i));
  }
  const char *layer = layer_of(im, node, -1);
  Shape to = v->shape;
  to.dim[npos] = t->n;
  const char *kernel = npos == 0 ? "" : npos == 1 ? ", 1" : ", 1x1";
  v = emit_one(im, v, to, "%s(%lld%s, frozen=true, name=\"%s\")", npos ? "conv" : "dense", (long long)t->n,
               kernel, layer);
  put_weight(im, layer, "weight", ones, npos ? 2 + npos : 2, dim);
  put_vector(im, layer, "bias", numbers);
  static const char *const steps[] = {"abs", "multiply(-1)", "add(1)", "relu"};
  for (int i = 0; i < 4; i++) v = emit_one(im, v, to, "%s", steps[i]);
  return view_laid(im, x, v, along, npos, pos);
}
