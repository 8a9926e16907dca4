/* ops_elements.c: Import of GatherElements, GatherND, ScatterElements and ScatterND with constant indices,
 * and of CumSum. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

enum { MOST_ELEMENTS = 1 << 22 };
/* A selection from a tensor: the shape of the result, and the position of each element in the tensor. */
typedef struct Elements {
  int rank;
  int64_t size[MOST_DIMS], n;
  double *at;
} Elements;

static bool set_size(ModelImport *im, Elements *e, int64_t size) {
  if (e->rank == MOST_DIMS) return no(im, "more than 8 dimensions"), false;
  e->size[e->rank++] = size;
  if (size < 1 || e->n > MOST_ELEMENTS / size) return no(im, "too many elements"), false;
  e->n *= size;
  return true;
}

/* Number i of a constant index, as a position in a dimension of this size; a negative number counts from the
 * end. -1 after no(). */
static int64_t index_within(ModelImport *im, const Tensor *t, int64_t i, int64_t size) {
  int64_t at = tensor_integer(t, i);
  if (at < 0) at += size;
  return at >= 0 && at < size ? at : (no(im, "an index out of range"), -1);
}

static View *chosen_elements(ModelImport *im, const OnnxNode *node, const View *x, const Elements *e) {
  int dims[MOST_DIMS];
  for (int d = 0; d < x->rank; d++) {
    if (factors_batch(&x->along[d])) return no(im, "elements selected along the batch");
    dims[d] = d;
  }
  const View *full = view_repeated(im, x);
  Value *v = full ? lay_in_order(im, full, x->rank, dims) : NULL,
        *index = v ? constant_vector(im, node, 1, e->n, e->at, true) : NULL;
  if (!index) return NULL;
  Value *both[] = {reshaped(im, v, shape_vector(shape_elements(v->shape))), index};
  Value *chosen = emit(im, 2, both, shape_sequence(e->n, 1), "gather(%%1)");
  chosen->whole = v->whole;
  chosen->counts = v->counts;
  View *y = view_new(im, chosen, e->rank);
  int64_t inner = 1;
  for (int d = e->rank - 1; d >= 0; d--) {
    y->size[d] = e->size[d];
    y->along[d] = factors_one(0, inner, e->size[d]);
    inner *= e->size[d];
  }
  return y;
}

/* If the axis is 0, the position of element (i, j, k) in x is (index[i, j, k], j, k). Other axes are indexed
 * in the same way. */
static bool find_index_elements(ModelImport *im, const OnnxNode *node, const View *x, const Tensor *t,
                                Elements *e) {
  int64_t axis = onnx_int(node, "axis", 0);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank || t->rank != x->rank) return no(im, "an invalid axis"), false;
  for (int d = 0; d < t->rank; d++) {
    if (d != axis && t->dim[d] > x->size[d]) return no(im, "an index out of range"), false;
    if (!set_size(im, e, t->dim[d])) return false;
  }
  if (!may_compute(im, sizeof(double) * (size_t)e->n)) return false;
  e->at = NEW_ARRAY(im->arena, double, e->n);
  for (int64_t i = 0; i < e->n; i++) {
    int64_t stride = 1, place = 0, rest = i;
    for (int d = t->rank - 1; d >= 0; d--) {
      const int64_t along = d == axis ? index_within(im, t, i, x->size[d]) : rest % t->dim[d];
      if (along < 0) return false;
      place += along * stride;
      stride *= x->size[d];
      rest /= t->dim[d];
    }
    e->at[i] = (double)place;
  }
  return true;
}

/* Each row of the index has the coordinates of a part of x. The row omits the first `batch` coordinates,
 * because they equal the row's own coordinates in the index. */
static bool find_index_parts(ModelImport *im, const View *x, const Tensor *t, int64_t batch, Elements *e) {
  int64_t inner = 1, same = 1, rows = 1;
  if (t->rank < 1 || batch < 0 || batch >= t->rank) return no(im, "an invalid index"), false;
  const int64_t k = t->dim[t->rank - 1], first = batch + k;
  if (k < 1 || first > x->rank) return no(im, "an invalid index"), false;
  for (int d = 0; d + 1 < t->rank; d++) {
    if (d < batch && t->dim[d] != x->size[d]) return no(im, "an invalid index"), false;
    if (!set_size(im, e, t->dim[d])) return false;
    if (d < batch) same *= t->dim[d];
  }
  rows = e->n;
  for (int64_t d = first; d < x->rank; d++) {
    if (!set_size(im, e, x->size[d])) return false;
    inner *= x->size[d];
  }
  if (!may_compute(im, sizeof(double) * (size_t)e->n)) return false;
  e->at = NEW_ARRAY(im->arena, double, e->n);
  for (int64_t row = 0; row < rows; row++) {
    int64_t place = row / (rows / same);
    for (int64_t d = 0; d < k; d++) {
      const int64_t along = index_within(im, t, row * k + d, x->size[batch + d]);
      if (along < 0) return false;
      place = place * x->size[batch + d] + along;
    }
    for (int64_t i = 0; i < inner; i++) e->at[row * inner + i] = (double)(place * inner + i);
  }
  return true;
}

View *elements_by_constant(ModelImport *im, const OnnxNode *node, const Tensor *t) {
  const View *x = view_of(im, node, 0);
  Elements e = {.n = 1};
  return x && find_index_elements(im, node, x, t, &e) ? chosen_elements(im, node, x, &e) : NULL;
}

View *parts_by_constant(ModelImport *im, const OnnxNode *node, const Tensor *t) {
  const View *x = view_of(im, node, 0);
  Elements e = {.n = 1};
  const bool found = x && find_index_parts(im, x, t, onnx_int(node, "batch_dims", 0), &e);
  return found ? chosen_elements(im, node, x, &e) : NULL;
}

/* ---- scatters ---- */
/* Updates of a box of the data: the box starts at `low`, and has the size of the updates. */
typedef struct Box {
  const View *updates;
  const char *word; /* the operator that combines data and updates; NULL: the updates replace the data */
  int64_t low[MOST_DIMS];
} Box;

/* Joins values of at most three dimensions along one of them; NULL after no(). */
static View *joined_parts(ModelImport *im, int n, const View **part, int axis) {
  int chan = part[0]->rank - 1, pos[MOST_DIMS], npos = 0, along = 0;
  const int last = part[0]->value->shape.rank - 1;
  Value *in[3];
  for (int d = 0; d < part[0]->rank; d++) {
    const Factors *f = &part[0]->along[d];
    if (f->n && f->f[f->n - 1].axis == last && f->f[f->n - 1].inner == 1) chan = d;
  }
  for (int d = 0; d < part[0]->rank; d++) {
    if (d == axis) along = npos;
    if (d != chan && (d == axis || part[0]->size[d] > 1) && !factors_batch(&part[0]->along[d]))
      pos[npos++] = d;
  }
  if (chan == axis) along = npos;
  if (npos > 2) return no(im, "more than three dimensions");
  for (int i = 0; i < n; i++)
    if (!(in[i] = lay(im, part[i], 1, &chan, npos, pos, false))) return NULL;
  return view_laid(im, part[0], join_values(im, n, in, along), chan, npos, pos);
}

/* Joins values of more than three dimensions: the dimensions before the axis become one, and so do those
 * after the axis. */
static View *joined_in_order(ModelImport *im, int n, const View **part, int axis) {
  const View *flat[3], *of = part[0];
  int64_t size[] = {1, 0, 1}, whole[MOST_DIMS];
  for (int d = 0; d < of->rank; d++) {
    if (factors_batch(&of->along[d])) return no(im, "elements selected along the batch");
    whole[d] = of->size[d];
    if (d != axis) size[d < axis ? 0 : 2] *= of->size[d];
  }
  whole[axis] = 0;
  for (int i = 0; i < n; i++) {
    whole[axis] += size[1] = part[i]->size[axis];
    if (!(flat[i] = view_reshape(im, part[i], 3, size))) return NULL;
  }
  View *y = joined_parts(im, n, flat, 1);
  return y ? view_reshape(im, y, of->rank, whole) : NULL;
}

static View *joined_box(ModelImport *im, int n, const View **part, int axis) {
  const int before = im->statements.n;
  for (int i = 0; i < n; i++)
    if (!(part[i] = view_repeated(im, part[i]))) return NULL;
  View *y = joined_parts(im, n, part, axis);
  if (y) return y;
  take_back(im, before);
  return joined_in_order(im, n, part, axis);
}

/* Updates the box of x, whose dimensions before d are those of the updates. */
static View *updated_box(ModelImport *im, const Box *box, const View *x, int d) {
  const View *updates = box->updates, *part[3];
  int n = 0, next;
  while (d < x->rank && updates->size[d] == x->size[d]) d++;
  if (d == x->rank) {
    if (box->word) return two_values(im, x, false, updates, box->word);
    return view_copy(im, updates, updates->value);
  }
  const int64_t low = box->low[d], high = low + updates->size[d];
  for (next = d + 1; next < x->rank && updates->size[next] == x->size[next];) next++;
  if (low > 0 && !(part[n++] = cut_axis(im, x, d, 0, low, 1))) return NULL;
  const View *inner = box->word || next < x->rank ? cut_axis(im, x, d, low, high, 1) : updates;
  if (!inner || !(part[n++] = inner == updates ? updates : updated_box(im, box, inner, d + 1))) return NULL;
  if (high < x->size[d] && !(part[n++] = cut_axis(im, x, d, high, x->size[d], 1))) return NULL;
  return joined_box(im, n, part, d);
}

/* Whether the elements, in their order, are a box of x. Sets box->low, and the sizes of the box. */
static bool find_box(const View *x, const Elements *e, Box *box, int64_t size[MOST_DIMS]) {
  int64_t stride[MOST_DIMS], all = 1, n = 1;
  for (int d = x->rank - 1; d >= 0; d--) stride[d] = all, all *= x->size[d];
  for (int d = 0; d < x->rank; d++) {
    box->low[d] = (int64_t)e->at[0] / stride[d] % x->size[d];
    size[d] = (int64_t)e->at[e->n - 1] / stride[d] % x->size[d] - box->low[d] + 1;
    if (size[d] < 1 || (n *= size[d]) > e->n) return false;
  }
  for (int64_t i = 0; i < e->n && n == e->n; i++) {
    int64_t rest = i, place = 0;
    for (int d = x->rank - 1; d >= 0; d--) {
      place += (box->low[d] + rest % size[d]) * stride[d];
      rest /= size[d];
    }
    if ((int64_t)e->at[i] != place) return false;
  }
  return n == e->n;
}

/* Appends the updates to the elements of x, as vectors, and selects the elements of the result. */
static View *updated_elements(ModelImport *im, const OnnxNode *node, const View *x, const View *updates,
                              const Elements *e) {
  const View *both[] = {view_repeated(im, x), view_repeated(im, updates)};
  Value *in[2];
  Elements to = {.n = 1};
  for (int i = 0; i < 2; i++) {
    int dims[MOST_DIMS];
    for (int d = 0; both[i] && d < both[i]->rank; d++) {
      if (factors_batch(&both[i]->along[d])) return no(im, "elements selected along the batch");
      dims[d] = d;
    }
    Value *v = both[i] ? lay_in_order(im, both[i], both[i]->rank, dims) : NULL;
    if (!v) return NULL;
    in[i] = reshaped(im, v, shape_vector(shape_elements(v->shape)));
  }
  for (int d = 0; d < x->rank; d++)
    if (!set_size(im, &to, x->size[d])) return NULL;
  if (!may_compute(im, sizeof(double) * (size_t)to.n)) return NULL;
  to.at = NEW_ARRAY(im->arena, double, to.n);
  for (int64_t i = 0; i < to.n; i++) to.at[i] = (double)i;
  for (int64_t i = 0; i < e->n; i++) to.at[(int64_t)e->at[i]] = (double)(to.n + i);
  View *all = view_new(im, join_values(im, 2, in, 0), 1);
  view_set(all, 0, 0);
  return chosen_elements(im, node, all, &to);
}

/* An operand of a scatter. A constant gets the layout of the other operand, if that has the same rank. */
static const View *scatter_operand(ModelImport *im, const OnnxNode *node, int input, int other) {
  const Tensor *t = constant_of(im, node, input);
  const View *like = t ? view_of(im, node, other) : NULL;
  const View *view = like ? constant_view(im, node, input, t, like) : NULL;
  im->why = NULL;
  return view ? view : value_or_constant(im, node, input);
}

static const char *reduction_word(const OnnxNode *node) {
  static const char *const words[][2] = {
      {"add", "add"}, {"mul", "multiply"}, {"max", "maximum"}, {"min", "minimum"}};
  for (int i = 0; i < 4; i++)
    if (strcmp(onnx_text(node, "reduction", "none"), words[i][0]) == 0) return words[i][1];
  return NULL;
}

View *import_scatter(ModelImport *im, const OnnxNode *node) {
  const Tensor *t = constant_of(im, node, 1);
  const View *x = t ? scatter_operand(im, node, 0, 2) : no(im, "a scatter with computed indices");
  const View *updates = x ? scatter_operand(im, node, 2, 0) : NULL;
  Elements e = {.n = 1};
  Box box = {.word = reduction_word(node)};
  int64_t size[MOST_DIMS], n = 1;
  if (!updates) return NULL;
  const bool nd = strcmp(node->op, "ScatterND") == 0;
  if (!(nd ? find_index_parts(im, x, t, 0, &e) : find_index_elements(im, node, x, t, &e))) return NULL;
  for (int d = 0; d < updates->rank; d++) n *= updates->size[d];
  if (n != e.n) return no(im, "updates whose shape does not fit the indices");
  const int before = im->statements.n;
  View *y = NULL;
  if (find_box(x, &e, &box, size) && (box.updates = view_reshape(im, updates, x->rank, size)))
    y = updated_box(im, &box, x, 0);
  else if (box.word)
    return no(im, "a scatter with reduction=%s of elements that are not a box",
              onnx_text(node, "reduction", "none"));
  if (y || box.word) return y;
  take_back(im, before);
  return updated_elements(im, node, x, updates, &e);
}

/* ---- CumSum ---- */
/* Cumulative sums along a dimension, as a product with a frozen matrix of zeros and ones. */
View *import_cumsum(ModelImport *im, const OnnxNode *node) {
  enum { MOST_SUMMED = 4096 };
  const View *x = view_of(im, node, 0);
  const Tensor *t = constant_of(im, node, 1);
  int pos[MOST_DIMS], npos;
  if (!x) return NULL;
  if (!t || t->n != 1) return no(im, "a computed axis");
  int64_t axis = tensor_integer(t, 0);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  if (factors_batch(&x->along[axis])) return no(im, "prefix sums along the batch");
  if (x->size[axis] > MOST_SUMMED)
    return no(im, "prefix sums of too many numbers, %lld", (long long)x->size[axis]);
  Value *v = lay_channels(im, x, (int)axis, &npos, pos);
  if (!v) return NULL;
  const int64_t n = x->size[axis], dim[] = {n, n}, exclusive = onnx_int(node, "exclusive", 0) != 0;
  const bool reverse = onnx_int(node, "reverse", 0) != 0;
  Tensor *w = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!w) return NULL;
  for (int64_t i = 0; i < n * n; i++) {
    const int64_t to = i / n, from = i % n;
    tensor_put(w, i, reverse ? from >= to + exclusive : from <= to - exclusive);
  }
  return view_laid(im, x, frozen_product(im, node, v, w), (int)axis, npos, pos);
}
