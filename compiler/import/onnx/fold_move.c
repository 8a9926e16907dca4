/* fold_move.c: Constant folding of operators that move elements. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/fold.h"

/* A constant made of elements of x: element (i0, i1, ...) is element `from` + i0*stride[0] + i1*stride[1] +
 * ... of x. */
static const Tensor *strided(ModelImport *im, const Tensor *x, int rank, const int64_t *dim,
                             const int64_t *stride, int64_t from) {
  Tensor *to = constant_new(im, x->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    int64_t at = from, rest = i;
    for (int d = rank - 1; d >= 0; d--) {
      at += rest % dim[d] * stride[d];
      rest /= dim[d];
    }
    const int width = tensor_width(to->type);
    if (to->type == x->type)
      memcpy((uint8_t *)(uintptr_t)to->data + i * width, x->data + at * width, (size_t)width);
    else tensor_put(to, i, tensor_number(x, at));
  }
  if (to) to->name = x->name;
  return to;
}

void strides_of(const Tensor *x, int64_t *stride) {
  int64_t at = 1;
  for (int d = x->rank - 1; d >= 0; d--) {
    stride[d] = at;
    at *= x->dim[d];
  }
}

const Tensor *fold_transpose(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  const WireInts *perm = onnx_ints(node, "perm");
  int64_t stride[MOST_DIMS], dim[MOST_DIMS], by[MOST_DIMS];
  if (perm && perm->n != x->rank)
    return no(im, "a permutation of %s", text_counted(im->arena, perm->n, "dimension"));
  strides_of(x, stride);
  for (int d = 0; d < x->rank; d++) {
    const int64_t at = perm ? perm->data[d] : x->rank - 1 - d;
    for (int before = 0; before < d && perm; before++)
      if (perm->data[before] == at) return no(im, "an invalid permutation");
    if (at < 0 || at >= x->rank) return no(im, "an invalid permutation");
    dim[d] = x->dim[at];
    by[d] = stride[at];
  }
  return strided(im, x, x->rank, dim, by, 0);
}

const Tensor *fold_expand(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *s = constant_of(im, node, 1);
  int64_t dim[MOST_DIMS], by[MOST_DIMS], stride[MOST_DIMS];
  if (!s || s->n > MOST_DIMS) return no(im, "a missing shape");
  const int rank = s->n > x->rank ? (int)s->n : x->rank;
  strides_of(x, stride);
  for (int d = 0; d < rank; d++) {
    const int own = d - (rank - x->rank), asked = d - (rank - (int)s->n);
    const int64_t have = own < 0 ? 1 : x->dim[own], want = asked < 0 ? 1 : tensor_integer(s, asked);
    if (have != 1 && want != 1 && have != want) return no(im, "a broadcast to an incompatible shape");
    dim[d] = have == 1 ? want : have;
    by[d] = have == 1 ? 0 : stride[own];
  }
  return strided(im, x, rank, dim, by, 0);
}

const Tensor *fold_concat(ModelImport *im, const OnnxNode *node) {
  const Tensor *first = constant_of(im, node, 0);
  int64_t axis = onnx_int(node, "axis", 0), dim[MOST_DIMS], outer = 1, at = 0;
  if (axis < 0) axis += first->rank;
  if (axis < 0 || axis >= first->rank) return no(im, "an invalid axis");
  memcpy(dim, first->dim, sizeof dim);
  dim[axis] = 0;
  for (int i = 0; i < node->nin; i++) {
    const Tensor *x = constant_of(im, node, i);
    bool fits = x && x->rank == first->rank;
    for (int d = 0; fits && d < x->rank; d++) fits = d == axis || x->dim[d] == first->dim[d];
    if (!fits) return no(im, "constants whose shapes do not match");
    dim[axis] += x->dim[axis];
  }
  for (int d = 0; d < axis; d++) outer *= dim[d];
  Tensor *to = constant_new(im, first->type, first->rank, dim);
  for (int64_t o = 0; to && o < outer; o++)
    for (int i = 0; i < node->nin; i++) {
      const Tensor *x = constant_of(im, node, i);
      for (int64_t k = 0, n = x->n / outer; k < n; k++) tensor_put(to, at++, tensor_number(x, o * n + k));
    }
  return to;
}

const Tensor *fold_slice(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *list[4];
  static const char *const name[] = {"starts", "ends", "axes", "steps"};
  int64_t dim[MOST_DIMS], by[MOST_DIMS], from = 0;
  for (int k = 0; k < 4; k++) {
    const WireInts *attribute = onnx_ints(node, name[k]);
    list[k] =
        attribute ? tensor_list(im->arena, attribute->n, attribute->data) : constant_of(im, node, k + 1);
  }
  if (!list[0] || !list[1] || list[0]->n != list[1]->n) return no(im, "missing bounds");
  memcpy(dim, x->dim, sizeof dim);
  strides_of(x, by);
  for (int64_t i = 0; i < list[0]->n; i++) {
    int64_t d = list[2] && i < list[2]->n ? tensor_integer(list[2], i) : i;
    const int64_t step = list[3] && i < list[3]->n ? tensor_integer(list[3], i) : 1;
    if (d < 0) d += x->rank;
    if (d < 0 || d >= x->rank || step == 0 || step < -INT32_MAX || step > INT32_MAX)
      return no(im, "invalid bounds");
    const int64_t n = dim[d], least = step > 0 ? 0 : -1, most = step > 0 ? n : n - 1;
    int64_t low = tensor_integer(list[0], i), high = tensor_integer(list[1], i);
    if (low < 0) low = low < -n ? least : low + n;
    if (high < 0) high = high < -n ? least : high + n;
    low = low > most ? most : low;
    high = high > most ? most : high;
    const int64_t count = step > 0 ? (high - low + step - 1) / step : (low - high - step - 1) / -step;
    dim[d] = count > 0 ? count : 0;
    from += count > 0 ? low * by[d] : 0;
    by[d] = count > 1 ? by[d] * step : 0;
  }
  return strided(im, x, x->rank, dim, by, from);
}

const Tensor *fold_shaped(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  Value *vector = NEW(im->arena, Value); /* the constant's elements in order, as a vector */
  vector->shape = shape_vector(x->n);
  View *view = view_new(im, vector, x->rank);
  int64_t stride = 1;
  for (int d = x->rank - 1; d >= 0; d--) {
    if (x->dim[d] == 0) return no(im, "a constant without elements");
    view->size[d] = x->dim[d];
    view->along[d] = factors_one(0, stride, x->dim[d]);
    stride *= x->dim[d];
  }
  const Item item = im->item[node->in[0]];
  im->item[node->in[0]] = (Item){.view = view};
  const View *to = onnx_operator(node->op)->import(im, node);
  im->item[node->in[0]] = item;
  return to ? tensor_shaped(im->arena, x, to->rank, to->size) : NULL;
}

/* ---- repetition, padding, parts ---- */
/* Copies a number: its bytes, if both constants have the same type. */
static void copy_number(Tensor *to, int64_t i, const Tensor *x, int64_t at) {
  const int width = tensor_width(to->type);
  if (to->type != x->type) tensor_put(to, i, tensor_number(x, at));
  else memcpy((uint8_t *)(uintptr_t)to->data + i * width, x->data + at * width, (size_t)width);
}

const Tensor *fold_tile(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *times = constant_of(im, node, 1);
  int64_t dim[MOST_DIMS], stride[MOST_DIMS];
  if (!times || times->n != x->rank || node->nin > 2)
    return no(im, "repeats must have one number per dimension");
  strides_of(x, stride);
  for (int d = 0; d < x->rank; d++) {
    const int64_t n = tensor_integer(times, d);
    if (n < 0 || n > INT32_MAX) return no(im, "an invalid number of repeats");
    dim[d] = x->dim[d] * n;
  }
  Tensor *to = constant_new(im, x->type, x->rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    int64_t at = 0, rest = i;
    for (int d = x->rank - 1; d >= 0; d--) {
      at += rest % dim[d] % x->dim[d] * stride[d];
      rest /= dim[d];
    }
    copy_number(to, i, x, at);
  }
  return to;
}

const Tensor *fold_split(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *sizes = constant_of(im, node, 1), *first = NULL;
  const WireInts *list = onnx_ints(node, "split");
  const int axis = fold_axis(im, x, onnx_int(node, "axis", 0));
  int64_t stride[MOST_DIMS], dim[MOST_DIMS], at = 0;
  if (axis < 0) return NULL;
  if ((sizes && sizes->n != node->nout) || (!sizes && list && list->n != node->nout))
    return no(im, "more or fewer split sizes than outputs");
  const int64_t n = x->dim[axis], each = (n + node->nout - 1) / node->nout;
  strides_of(x, stride);
  memcpy(dim, x->dim, sizeof dim);
  for (int k = 0; k < node->nout; k++) {
    dim[axis] = sizes ? tensor_integer(sizes, k) : list ? list->data[k] : each < n - at ? each : n - at;
    if (dim[axis] < 0 || dim[axis] > n - at || (k == node->nout - 1 && dim[axis] < n - at))
      return no(im, "split sizes whose sum is not the axis size");
    const Tensor *part = strided(im, x, x->rank, dim, stride, at * stride[axis]);
    if (!part) return NULL;
    if (k == 0) first = part;
    fold_result(im, node, k, part);
    at += dim[axis];
  }
  return first;
}

/* For one dimension: its padded size, the first kept index of the source, the number of kept elements, and
 * the number of padding elements before them. */
typedef struct Padded {
  int64_t size, from, kept, before;
} Padded;

/* The source index for a padded position, in this padding mode; -1: the position has the padding number. */
static int64_t padded_from(const Padded *p, int64_t at, const char *mode) {
  const int64_t n = p->kept;
  at -= p->before;
  if (at >= 0 && at < n) return p->from + at;
  if (strcmp(mode, "edge") == 0) return p->from + (at < 0 ? 0 : n - 1);
  if (strcmp(mode, "wrap") == 0) return p->from + (at % n + n) % n;
  if (strcmp(mode, "reflect") != 0 || n < 2) return -1;
  const int64_t turn = (at % (2 * n - 2) + 2 * n - 2) % (2 * n - 2);
  return p->from + (turn < n ? turn : 2 * n - 2 - turn);
}

static int64_t above_zero(int64_t n) { return n > 0 ? n : 0; }

static bool read_padding(ModelImport *im, const OnnxNode *node, const Tensor *x, Padded *p) {
  const Tensor *pads = constant_of(im, node, 1), *axes = constant_of(im, node, 3);
  const WireInts *list = onnx_ints(node, "pads");
  const int64_t n = (pads ? pads->n : list ? list->n : 0) / 2;
  if (n != (axes ? axes->n : x->rank) || n > x->rank)
    return no(im, "padding without two numbers per axis"), false;
  for (int d = 0; d < x->rank; d++) p[d] = (Padded){.size = x->dim[d], .kept = x->dim[d]};
  for (int64_t i = 0; i < n; i++) {
    const int d = fold_axis(im, x, axes ? tensor_integer(axes, i) : i);
    const int64_t low = pads ? tensor_integer(pads, i) : list->data[i],
                  high = pads ? tensor_integer(pads, i + n) : list->data[i + n];
    if (d < 0) return false;
    if (low < -INT32_MAX || low > INT32_MAX || high < -INT32_MAX || high > INT32_MAX)
      return no(im, "invalid padding"), false;
    const int64_t kept = x->dim[d] - above_zero(-low) - above_zero(-high);
    if (kept < 1) return no(im, "padding that removes all elements"), false;
    p[d] = (Padded){x->dim[d] + low + high, above_zero(-low), kept, above_zero(low)};
  }
  return true;
}

const Tensor *fold_pad(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *value = constant_of(im, node, 2);
  const char *mode = onnx_text(node, "mode", "constant");
  const double number = value && value->n ? tensor_number(value, 0) : onnx_float(node, "value", 0);
  int64_t dim[MOST_DIMS], stride[MOST_DIMS];
  Padded p[MOST_DIMS];
  if (x->n == 0) return no(im, "padding of an empty constant");
  if (!read_padding(im, node, x, p)) return NULL;
  for (int d = 0; d < x->rank; d++) dim[d] = p[d].size;
  strides_of(x, stride);
  Tensor *to = constant_new(im, x->type, x->rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    int64_t at = 0, rest = i;
    for (int d = x->rank - 1; d >= 0; d--) {
      const int64_t from = padded_from(&p[d], rest % dim[d], mode);
      at = from < 0 || at < 0 ? -1 : at + from * stride[d];
      rest /= dim[d];
    }
    if (at < 0) tensor_put(to, i, number);
    else copy_number(to, i, x, at);
  }
  return to;
}

const Tensor *fold_trilu(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *shift = constant_of(im, node, 1);
  const bool upper = onnx_int(node, "upper", 1) != 0;
  const int64_t k = shift && shift->n ? tensor_integer(shift, 0) : 0;
  if (x->rank < 2 || k < -INT32_MAX || k > INT32_MAX)
    return no(im, "a triangle of a tensor that is not a matrix");
  const int64_t columns = x->dim[x->rank - 1], rows = x->dim[x->rank - 2];
  Tensor *to = constant_new(im, x->type, x->rank, x->dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    const int64_t off = i % columns - i / columns % rows;
    if (upper ? off >= k : off <= k) copy_number(to, i, x, i);
    else tensor_put(to, i, 0);
  }
  return to;
}

const Tensor *fold_eye(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  const int64_t k = onnx_int(node, "k", 0), type = onnx_int(node, "dtype", (int64_t)x->type);
  if (x->rank != 2) return no(im, "a diagonal of a tensor that is not a matrix");
  if (type < 1 || type > 16) return no(im, "a diagonal of an unknown type");
  Tensor *to = constant_new(im, (TensorType)type, 2, x->dim);
  for (int64_t i = 0; to && i < to->n; i++) tensor_put(to, i, i % x->dim[1] - i / x->dim[1] == k);
  return to;
}
