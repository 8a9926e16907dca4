/* ops_map.c: Import of elementwise functions of one value, and softmax. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"

View *import_map(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  return x ? map_view(im, x, "%s", onnx_operator(node->op)->word) : NULL;
}

View *import_none(ModelImport *im, const OnnxNode *node) {
  return no(im, "%s", onnx_operator(node->op)->word);
}

View *import_same(ModelImport *im, const OnnxNode *node) { return view_of(im, node, 0); }

View *import_dropout(ModelImport *im, const OnnxNode *node) {
  const Tensor *training = constant_of(im, node, 2);
  if (node->nout > 1 && node->out[1] && (im->readers[node->out[1]] || im->wanted[node->out[1]]))
    return no(im, "the mask of a dropout");
  if (given(node, 2) && (!training || training->n != 1 || tensor_number(training, 0) != 0))
    return no(im, "a dropout in training mode");
  return view_of(im, node, 0);
}

/* For an unsigned type, rounds down, because the conversion of negative numbers is undefined. */
View *import_truncated(ModelImport *im, const View *x, TensorType to) {
  const bool counts = tensor_counts(to);
  View *y = map_view(im, counts ? x : map_view(im, x, "relu"), "floor");
  if (!counts) {
    const View *below = map_view(im, map_view(im, x, "multiply(-1)"), "relu");
    y = two_values(im, y, true, map_view(im, below, "floor"), "subtract");
  }
  if (y) y->value->whole = true, y->value->counts = counts;
  return y;
}

View *import_cast(ModelImport *im, const OnnxNode *node) {
  const int64_t to = onnx_int(node, "to", 0);
  const bool is_float = to == TENSOR_FLOAT || to == TENSOR_FLOAT16 || to == TENSOR_DOUBLE;
  const View *x = view_of(im, node, 0);
  if (!x || is_float || is_truth(im, node->in[0])) return x ? view_copy(im, x, x->value) : NULL;
  if (to == TENSOR_BOOL) return truth_of(im, x);
  if (x->value->whole || only_chooses(im, node->out[0])) return view_copy(im, x, x->value);
  return import_truncated(im, x, (TensorType)to);
}

View *import_leaky_relu(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const double slope = onnx_float(node, "alpha", 0.01);
  return x ? map_view(im, x, "leaky_relu(slope=%s)", number_text(im->arena, slope)) : NULL;
}

View *import_elu(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const double alpha = onnx_float(node, "alpha", 1);
  if (!x) return NULL;
  return alpha == 1 ? map_view(im, x, "elu")
                    : map_view(im, x, "elu(alpha=%s)", number_text(im->arena, alpha));
}

View *import_selu(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const double a = onnx_float(node, "alpha", 1.67326), g = onnx_float(node, "gamma", 1.0507);
  if (!x) return NULL;
  if (fabs(a - 1.67326) <= 1e-3 && fabs(g - 1.0507) <= 1e-3) return map_view(im, x, "selu");
  const View *y = map_view(im, x, "elu(alpha=%s)", number_text(im->arena, a));
  return map_view(im, y, "multiply(%s)", number_text(im->arena, g));
}

View *import_gelu(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const bool by_tanh = strcmp(onnx_text(node, "approximate", "none"), "tanh") == 0;
  return x ? map_view(im, x, by_tanh ? "gelu(approximate=tanh)" : "gelu") : NULL;
}

View *import_mish(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  if (!x) return NULL;
  Value *gate = map_view(im, map_view(im, x, "softplus"), "tanh")->value, *both[] = {gate, x->value};
  return view_copy(im, x, emit(im, 2, both, gate->shape, "multiply(%%*)"));
}

View *import_hard_sigmoid(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const double alpha = onnx_float(node, "alpha", 0.2), beta = onnx_float(node, "beta", 0.5);
  if (!x) return NULL;
  if (fabs(alpha - 1.0 / 6) < 1e-4 && beta == 0.5) return map_view(im, x, "hard_sigmoid");
  x = map_view(im, x, "multiply(%s)", number_text(im->arena, alpha));
  x = map_view(im, x, "add(%s)", number_text(im->arena, beta));
  return map_view(im, x, "clip(0, 1)");
}

/* Reads a bound of Clip: a constant input or, before opset 11, an attribute. A computed
 * bound leaves *value unchanged. */
static bool bound(ModelImport *im, const OnnxNode *node, int input, const char *name, double *value) {
  const Tensor *t = constant_of(im, node, input);
  if (given(node, input) && !t) return true;
  if (t && t->n == 1) *value = tensor_number(t, 0);
  else if (t && t->n > 1) return no(im, "bounds that are not scalars"), false;
  else *value = onnx_float(node, name, *value);
  return true;
}

static View *clipped(ModelImport *im, const View *x, double low, double high) {
  const bool below = low > -LARGEST_BOUND, above = high < LARGEST_BOUND;
  if (!below && !above) return view_copy(im, x, x->value);
  if (low == 0 && high == 6) return map_view(im, x, "relu6");
  if (low == 0 && !above) return map_view(im, x, "relu");
  if (!above) return map_view(im, x, "maximum(%s)", number_text(im->arena, low));
  if (!below) low = -3.4028234e38;
  return map_view(im, x, "clip(%s, %s)", number_text(im->arena, low), number_text(im->arena, high));
}

View *import_clip(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  double low = -INFINITY, high = INFINITY;
  if (!x || !bound(im, node, 1, "min", &low) || !bound(im, node, 2, "max", &high)) return NULL;
  if (!(low <= high)) return no(im, "bounds in the wrong order");
  x = clipped(im, x, low, high);
  for (int k = 1; k < 3 && x; k++)
    if (given(node, k) && !constant_of(im, node, k))
      x = two_values(im, x, false, view_of(im, node, k), k == 1 ? "maximum" : "minimum");
  return x ? view_copy(im, x, x->value) : NULL;
}

View *import_pow(ModelImport *im, const OnnxNode *node) {
  const Tensor *t = constant_of(im, node, 1);
  const View *x = view_of(im, node, 0);
  if (!x) return NULL;
  if (!t || t->n != 1) return no(im, "an exponent that is not one constant number");
  const double power = tensor_number(t, 0);
  if (power == 1) return view_copy(im, x, x->value);
  if (power == 2) return map_view(im, x, "square");
  if (power == 0.5) return map_view(im, x, "sqrt");
  const bool whole = power != 0 && fabs(power) <= 64 && power == floor(power);
  if (whole || power == -0.5) return map_view(im, x, "power(%s)", number_text(im->arena, power));
  if (!isfinite(power) || power == floor(power))
    return no(im, "an exponent that is 0, infinite or NaN, or an integer outside -64 .. 64");
  x = map_view(im, map_view(im, x, "log"), "multiply(%s)", number_text(im->arena, power));
  return map_view(im, x, "exp"); /* if x is negative, both this result and the power are NaN */
}

/* Imports an Erf that is not part of a gelu: erf(x) = (x / t) * (sqrt2 * gelu(sqrt2 * t) / t - 1), where t is
 * |x|, but at least 1e-6. x is first clamped to -6 .. 6, because the second factor is 1 from t = 6 on. */
View *import_erf(ModelImport *im, const OnnxNode *node) {
  const View *given_x = view_of(im, node, 0);
  if (!given_x) return NULL;
  const View *x = clipped(im, given_x, -6, 6);
  const char *root = number_text(im->arena, sqrt(2));
  const View *t = map_view(im, map_view(im, x, "abs"), "maximum(1e-6)"),
             *g = map_view(im, t, "multiply(%s)", root);
  g = map_view(im, map_view(im, g, "gelu"), "multiply(%s)", root);
  Value *size[] = {g->value, t->value}, *sign[] = {x->value, t->value}, *both[2];
  both[0] = emit_one(im, emit(im, 2, size, x->value->shape, "divide(%%1)"), x->value->shape, "add(-1)");
  both[1] = emit(im, 2, sign, x->value->shape, "divide(%%1)");
  return view_copy(im, x, emit(im, 2, both, x->value->shape, "multiply(%%*)"));
}

/* The dimension along which the slopes of PRelu vary; -1 after no(). A vector has one slope per channel if it
 * does not fit the last dimension; in opsets before 7, always. */
static int slopes_along(ModelImport *im, const View *x, const Tensor *slope) {
  int along = 1, vary = 0;
  if (slope->rank > x->rank) return no(im, "slopes with more dimensions than the value"), -1;
  for (int d = 0; d < slope->rank; d++) {
    if (slope->dim[d] == 1) continue;
    vary++;
    along = d + x->rank - slope->rank;
  }
  const bool fits = im->onnx->opset >= 7 && x->size[along] == slope->n;
  if (vary == 1 && slope->rank == 1 && x->rank > 2 && !fits) along = 1;
  if (vary == 1 && x->size[along] == slope->n) return along;
  return no(im, "slopes that are not one per channel"), -1;
}

View *import_prelu(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *slope = constant_of(im, node, 1);
  if (!x) return NULL;
  if (!slope || slope->n == 0 || x->rank < 2) return no(im, "a computed slope");
  const int along = slope->n == 1 ? 1 : slopes_along(im, x, slope);
  const double sign = onnx_int(node, "cnnc_negative", 0) ? -1 : 1;
  int pos[MOST_DIMS], npos = 0;
  if (along < 0) return NULL;
  Value *v = slope->n == 1 ? x->value
             : along == 1  ? lay_standard(im, x)
                           : lay_channels(im, x, along, &npos, pos);
  if (!v) return NULL;
  const int64_t channels = v->shape.dim[v->shape.rank - 1];
  const char *layer = layer_of(im, node, 1);
  Tensor *each = constant_new(im, TENSOR_FLOAT, 1, &channels);
  if (!each) return NULL;
  for (int64_t i = 0; i < channels; i++)
    tensor_put(each, i, sign * tensor_number(slope, slope->n == 1 ? 0 : i));
  put_vector(im, layer, "weight", each);
  Value *y = emit_one(im, v, v->shape, "prelu(name=\"%s\")", layer);
  return slope->n == 1 ? view_copy(im, x, y)
         : along == 1  ? view_standard(im, y, x, x->rank)
                       : view_laid(im, x, y, along, npos, pos);
}

View *import_softmax(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const bool flat = im->onnx->opset < 13 && !onnx_int(node, "cnnc_single", 0);
  if (!x) return NULL;
  int64_t axis = onnx_int(node, "axis", flat ? 1 : -1);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  for (int64_t d = axis + 1; flat && d < x->rank; d++)
    if (x->size[d] > 1) return no(im, "a softmax over several axes (opset below 13)");
  if (axis == 0 && x->size[0] > 1) return no(im, "a softmax over the batch");
  if (!reduced_along(im, node, x, axis, 1)) return NULL;
  View *y = mapped_along_axis(im, x, (int)axis, onnx_operator(node->op)->word, "");
  if (y) return y;
  int pos[MOST_DIMS], npos;
  Value *v = lay_channels(im, x, (int)axis, &npos, pos);
  if (!v) return NULL;
  return view_laid(im, x, emit_one(im, v, v->shape, "%s", onnx_operator(node->op)->word), (int)axis, npos,
                   pos);
}
