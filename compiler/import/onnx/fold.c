/* fold.c: Constant folding: computes tensors that only depend on constants and on known sizes. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/onnx/fold.h"

/* ---- limits ---- */
static size_t room_to_compute(const ModelImport *im) { return room_of_file(im->onnx->bytes) - *im->computed; }

bool may_compute(ModelImport *im, size_t bytes) {
  if (bytes > room_to_compute(im)) return no(im, "constants that are too large"), false;
  *im->computed += bytes;
  return true;
}

Tensor *constant_new(ModelImport *im, TensorType type, int rank, const int64_t *dim) {
  int64_t n = 1, all = 1; /* all: the product of the sizes that are not 0; if `all` is below 2^31, the product
                             of any of these sizes is also below 2^31 */
  if (rank > MOST_DIMS) return no(im, "a constant of more than 8 dimensions");
  for (int d = 0; d < rank; d++) {
    if (dim[d] < 0 || dim[d] > INT32_MAX) return no(im, "a constant with an invalid size");
    all *= dim[d] ? dim[d] : 1;
    if (all > INT32_MAX) return no(im, "a constant of 2^31 or more numbers");
    n *= dim[d];
  }
  const int width = tensor_width(type);
  if (width == 0) return no(im, "a constant of an unsupported type");
  /* 1-byte and 2-byte numbers count as 4 bytes: they are not faster to compute than 4-byte numbers */
  if (!may_compute(im, (size_t)n * (width > 4 ? 8 : 4))) return NULL;
  return tensor_new(im->arena, type, rank, dim);
}

void fold_result(ModelImport *im, const OnnxNode *node, int output, const Tensor *t) {
  if (output < node->nout && node->out[output]) im->item[node->out[output]].constant = t;
}

double *fold_numbers(ModelImport *im, const Tensor *t) {
  if (!may_compute(im, sizeof(double) * (size_t)t->n)) return NULL;
  double *number = NEW_ARRAY(im->arena, double, t->n + 1);
  for (int64_t i = 0; i < t->n; i++) number[i] = tensor_number(t, i);
  return number;
}

int fold_axis(ModelImport *im, const Tensor *x, int64_t axis) {
  if (axis < 0) axis += x->rank;
  if (axis >= 0 && axis < x->rank) return (int)axis;
  no(im, "an invalid axis");
  return -1;
}

/* ---- casts, filled constants, ranges, Constant, Shape ---- */
const Tensor *fold_cast(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  const Tensor *like = constant_of(im, node, 1); /* CastLike casts x to the type of this input */
  const int64_t to = like ? (int64_t)like->type : onnx_int(node, "to", 0);
  if (to == (int64_t)x->type) return x;
  if (to < 1 || to > 16) return no(im, "a cast to an unsupported type");
  Tensor *t = constant_new(im, (TensorType)to, x->rank, x->dim);
  for (int64_t i = 0; t && i < t->n; i++) {
    const double number = tensor_number(x, i);
    tensor_put(t, i, to == TENSOR_BOOL ? number != 0 : number);
  }
  return t;
}

const Tensor *fold_dropout(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *training = constant_of(im, node, 2);
  if (training && training->n == 1 && tensor_number(training, 0) != 0)
    return no(im, "a dropout in training mode");
  Tensor *mask = node->nout > 1 ? constant_new(im, TENSOR_BOOL, x->rank, x->dim) : NULL;
  for (int64_t i = 0; mask && i < mask->n; i++) tensor_put(mask, i, 1);
  fold_result(im, node, 1, mask);
  return x;
}

const Tensor *fold_filled(ModelImport *im, const OnnxNode *node) {
  const Tensor *s = constant_of(im, node, 0), *value = NULL;
  const AttributeProto *attribute = onnx_attribute(node, "value");
  const char *why = NULL;
  int64_t dim[MOST_DIMS];
  if (attribute && attribute->t) value = onnx_constant(im->arena, attribute->t, im->onnx->path, &why);
  if (s->n > MOST_DIMS || (value && value->n != 1)) return no(im, "an unsupported ConstantOfShape");
  for (int d = 0; d < s->n; d++) dim[d] = tensor_integer(s, d);
  Tensor *t = constant_new(im, value ? value->type : TENSOR_FLOAT, (int)s->n, dim);
  const double number = value ? tensor_number(value, 0) : 0;
  for (int64_t i = 0; t && i < t->n; i++) tensor_put(t, i, number);
  return t;
}

const Tensor *fold_range(ModelImport *im, const OnnxNode *node) {
  const Tensor *t[3];
  for (int k = 0; k < 3; k++) {
    t[k] = constant_of(im, node, k);
    if (!t[k] || t[k]->n != 1) return no(im, "a range without three scalar inputs");
  }
  const double low = tensor_number(t[0], 0), high = tensor_number(t[1], 0), step = tensor_number(t[2], 0);
  const double count = step != 0 ? ceil((high - low) / step) : 0;
  if (!(count < 1e9)) return no(im, "a constant with an invalid size");
  const int64_t n = count > 0 ? (int64_t)count : 0;
  Tensor *to = constant_new(im, t[0]->type, 1, &n);
  for (int64_t i = 0; to && i < n; i++) tensor_put(to, i, low + (double)i * step);
  return to;
}

static const Tensor *floats_constant(ModelImport *im, const WireBytes *floats) {
  const int64_t n = (int64_t)(floats->n / sizeof(float));
  Tensor *t = NEW(im->arena, Tensor);
  *t = (Tensor){.type = TENSOR_FLOAT, .rank = 1, .dim = {n}, .n = n, .data = floats->at};
  return n ? t : tensor_new(im->arena, TENSOR_FLOAT, 1, &n);
}

static const Tensor *fold_constant(ModelImport *im, const OnnxNode *node) {
  const AttributeProto *a = onnx_attribute(node, "value");
  const char *why = "it has no supported value", *path = im->onnx->path;
  Tensor *t = a && a->t ? onnx_constant(im->arena, a->t, path, &why) : NULL;
  if (t) return t->name = NULL, t;
  if ((a = onnx_attribute(node, "sparse_value")) && a->sparse_tensor) {
    const size_t most = room_to_compute(im);
    size_t room = most;
    t = onnx_sparse(im->arena, a->sparse_tensor, path, &room, &why);
    *im->computed += most - room;
    return t ? t : no(im, "a sparse constant: %s", why);
  }
  if (onnx_attribute(node, "value_string") || onnx_attribute(node, "value_strings"))
    return no(im, "a string constant");
  if ((a = onnx_attribute(node, "value_floats"))) return floats_constant(im, &a->floats);
  if ((a = onnx_attribute(node, "value_float"))) return tensor_scalar(im->arena, TENSOR_FLOAT, (double)a->f);
  if ((a = onnx_attribute(node, "value_int"))) {
    Tensor *one = tensor_list(im->arena, 1, &a->i);
    return one->rank = 0, one;
  }
  if ((a = onnx_attribute(node, "value_ints"))) return tensor_list(im->arena, a->ints.n, a->ints.data);
  return no(im, "%s", why);
}

static const Tensor *shape_as_constant(ModelImport *im, const OnnxNode *node) {
  const Item *item = given(node, 0) ? &im->item[node->in[0]] : NULL;
  if (!item || (!item->view && !item->constant)) return NULL;
  const int rank = item->view ? item->view->rank : item->constant->rank;
  const int64_t *size = item->view ? item->view->size : item->constant->dim;
  int64_t from = onnx_int(node, "start", 0), to = onnx_int(node, "end", rank);
  double all = 1;
  for (int d = 0; d < rank; d++) all *= (double)size[d];
  if (strcmp(node->op, "Size") == 0) return tensor_scalar(im->arena, TENSOR_INT64, all);
  from = from < 0 ? from + rank : from;
  to = to < 0 ? to + rank : to;
  from = from < 0 ? 0 : from;
  to = to > rank ? rank : to;
  return tensor_list(im->arena, to > from ? (int)(to - from) : 0, size + (from < rank ? from : 0));
}

static const struct {
  const char *op;
  Folding *fold;
} foldings[] = {
#define FOLD(op, function) {#op, function},
#include "import/onnx/folds.def"
#undef FOLD
};

static const Tensor *computed(ModelImport *im, const OnnxNode *node) {
  bool found = false;
  for (size_t i = 0; i < sizeof foldings / sizeof *foldings; i++)
    if (strcmp(foldings[i].op, node->op) == 0) return foldings[i].fold(im, node);
  const Tensor *t = fold_elements(im, node, &found);
  const OnnxOperator *row = onnx_operator(node->op);
  if (found) return t;
  if (row && row->import == import_none) return no(im, "%s", row->word);
  return no(im, "constants that cnnc does not compute; onnxsim, or onnxruntime's optimizer, does");
}

bool fold(ModelImport *im, const OnnxNode *node) {
  const Tensor *t = NULL;
  bool constant = true;
  for (int i = 0; i < node->nin; i++) constant = constant && (!given(node, i) || constant_of(im, node, i));
  if (strcmp(node->op, "Constant") == 0) t = fold_constant(im, node);
  else if (strcmp(node->op, "Shape") == 0 || strcmp(node->op, "Size") == 0) t = shape_as_constant(im, node);
  else if (!constant || !given(node, 0)) return false;
  else t = computed(im, node);
  if (!t && !im->why) no(im, "a constant that cannot be computed");
  if (t) fold_result(im, node, 0, t);
  return t != NULL;
}
