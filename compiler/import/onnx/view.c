/* view.c: Tensors of a graph as views of channels-last values: most moves of data cost nothing, and `lay`
 * emits statements for the other moves. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

/* ---- factors ---- */
void factors_push(Factors *to, Factor f) {
  if (f.size == 1) return;
  Factor *last = to->n ? &to->f[to->n - 1] : NULL;
  if (last && last->axis == f.axis && last->inner == f.inner * f.size)
    *last = (Factor){f.axis, f.inner, last->size * f.size};
  else if (to->n < MOST_FACTORS) to->f[to->n++] = f;
  else to->f[MOST_FACTORS - 1].axis = BATCH; /* too many factors: this mark makes `lay` refuse the view */
}

Factors factors_one(int axis, int64_t inner, int64_t size) {
  Factors one = {0};
  factors_push(&one, (Factor){axis, inner, size});
  return one;
}

static void factors_append(Factors *to, const Factors *more) {
  for (int i = 0; i < more->n; i++) factors_push(to, more->f[i]);
}

int64_t factors_size(const Factors *factors) {
  int64_t size = 1;
  for (int i = 0; i < factors->n; i++) size *= factors->f[i].size;
  return size;
}

static bool factor_equal(Factor a, Factor b) {
  return a.axis == b.axis && a.inner == b.inner && a.size == b.size;
}

bool factors_equal(const Factors *a, const Factors *b) {
  bool equal = a->n == b->n;
  for (int i = 0; equal && i < a->n; i++) equal = factor_equal(a->f[i], b->f[i]);
  return equal;
}

bool factors_whole(const Factors *factors, const Value *value, int axis) {
  const Factors whole = factors_one(axis, 1, value->shape.dim[axis]);
  return factors_equal(factors, &whole);
}

bool factors_batch(const Factors *factors) {
  for (int i = 0; i < factors->n; i++)
    if (factors->f[i].axis == BATCH) return true;
  return false;
}

/* ---- views ---- */
View *view_new(ModelImport *im, Value *value, int rank) {
  View *view = NEW(im->arena, View);
  view->value = value;
  view->rank = rank;
  for (int d = 0; d < rank; d++) view->size[d] = 1;
  return view;
}

View *view_copy(ModelImport *im, const View *view, Value *value) {
  View *copy = NEW(im->arena, View);
  *copy = *view;
  copy->value = value;
  return copy;
}

void view_set(View *view, int d, int axis) {
  view->size[d] = view->value->shape.dim[axis];
  view->along[d] = factors_one(axis, 1, view->size[d]);
}

static void batch_as(View *view, const View *like) {
  view->size[0] = like->size[0];
  view->along[0] = like->along[0];
}

View *view_standard(ModelImport *im, Value *value, const View *like, int rank) {
  View *view = view_new(im, value, rank);
  batch_as(view, like);
  const int c = value->shape.rank - 1;
  if (rank > 1) view_set(view, 1, c);
  for (int axis = 0; axis < c && axis + 2 < rank; axis++) view_set(view, axis + 2, axis);
  return view;
}

View *view_laid(ModelImport *im, const View *like, Value *value, int chan, int npos, const int *pos) {
  View *view = view_new(im, value, like->rank);
  if (npos && pos[0] == AS_IT_LIES) view = view_copy(im, like, value);
  batch_as(view, like);
  view_set(view, chan, value->shape.rank - 1);
  if (npos && pos[0] == AS_IT_LIES) return view;
  for (int k = 0; k < npos; k++) view_set(view, pos[k], k);
  return view;
}

View *view_permute(ModelImport *im, const View *view, const int *from, int rank) {
  View *to = view_new(im, view->value, rank);
  for (int d = 0; d < rank; d++) {
    to->size[d] = view->size[from[d]];
    to->along[d] = view->along[from[d]];
  }
  return to;
}

View *view_without(ModelImport *im, const View *view, const bool *drop) {
  int from[MOST_DIMS], n = 0;
  for (int d = 0; d < view->rank; d++)
    if (!drop[d]) from[n++] = d;
  return view_permute(im, view, from, n);
}

/* Factors of a reshaped view; the factors before index `at` are already used. */
typedef struct Rest {
  int n, at;
  Factor f[MOST_DIMS * MOST_FACTORS];
} Rest;

/* Takes the next factors, with `want` elements in total; false: the factors cannot be split at that size. */
static bool take_factors(Rest *rest, int64_t want, Factors *to) {
  while (want > 1) {
    if (rest->at == rest->n) return false;
    Factor *f = &rest->f[rest->at];
    if (f->size <= want) {
      if (want % f->size) return false;
      want /= f->size;
      factors_push(to, *f);
      rest->at++;
      continue;
    }
    if (f->size % want) return false;
    const int64_t minor = f->size / want;
    factors_push(to, (Factor){f->axis, f->inner * minor, want});
    f->size = minor;
    want = 1;
  }
  return true;
}

View *view_reshape(ModelImport *im, const View *view, int rank, const int64_t *size) {
  Rest rest = {0};
  View *to = view_new(im, view->value, rank);
  int64_t before = 1, after = 1;
  for (int d = 0; d < view->rank; d++) {
    if (view->size[d] != factors_size(&view->along[d]))
      return no(im, "a reshape of a repeated tensor (tile)");
    for (int i = 0; i < view->along[d].n; i++) rest.f[rest.n++] = view->along[d].f[i];
    before *= view->size[d];
  }
  for (int d = 0; d < rank; d++) {
    if (size[d] < 1 || after > before) return no(im, "a reshape to a different number of elements");
    after *= size[d];
    to->size[d] = size[d];
  }
  if (after != before) return no(im, "a reshape to a different number of elements");
  for (int d = 0; d < rank; d++)
    if (!take_factors(&rest, size[d], &to->along[d]))
      return no(im, "a reshape that splits an axis into unequal parts");
  return to;
}

/* ---- laying out ---- */
static bool order_of_memory(const Factors *want, Shape shape) {
  int64_t stride[3] = {1, 1, 1}, at = shape_elements(shape);
  for (int axis = shape.rank - 2; axis >= 0; axis--) stride[axis] = stride[axis + 1] * shape.dim[axis + 1];
  for (int i = 0; i < want->n; i++) {
    const Factor f = want->f[i];
    if (f.axis == BATCH || stride[f.axis] * f.inner * f.size != at) return false;
    at = stride[f.axis] * f.inner;
  }
  return at == 1;
}

Value *reshaped(ModelImport *im, Value *value, Shape shape) {
  if (shape_equal(shape, value->shape)) return value;
  if (shape.rank == 1) return emit_one(im, value, shape, "flatten");
  /* reshapes the operand of the flatten instead: the operand's rows may be the rows of the new shape, and
   * --stream needs rows */
  if (value->made && strcmp(value->made->call, "flatten") == 0)
    return reshaped(im, value->made->in[0], shape);
  if (shape.rank == 2)
    return emit_one(im, value, shape, "reshape([%lld, %lld])", (long long)shape.dim[0],
                    (long long)shape.dim[1]);
  return emit_one(im, value, shape, "reshape(%lldx%lldx%lld)", (long long)shape.dim[0],
                  (long long)shape.dim[1], (long long)shape.dim[2]);
}

static Factors whole_axes(const Value *value, int n, const int *axis) {
  Factors all = {0};
  for (int i = 0; i < n; i++) factors_push(&all, (Factor){axis[i], 1, value->shape.dim[axis[i]]});
  return all;
}

/* Shuffles the channels, if `want` only exchanges their outer and their inner part; otherwise NULL. */
static Value *shuffled(ModelImport *im, Value *v, const Factors *want) {
  const int last = v->shape.rank - 1;
  Factors rest = {0}, before = {0};
  for (int i = 0; i < want->n - 2; i++) factors_push(&rest, want->f[i]);
  for (int axis = 0; axis < last; axis++) factors_push(&before, (Factor){axis, 1, v->shape.dim[axis]});
  if (want->n < 2 || !factors_equal(&rest, &before)) return NULL;
  const Factor a = want->f[want->n - 2], b = want->f[want->n - 1];
  const bool both = a.axis == last && b.axis == last && a.size * b.size == v->shape.dim[last];
  if (!both || a.inner != 1 || b.inner != a.size) return NULL;
  return emit_one(im, v, v->shape, "channel_shuffle(%lld)", (long long)b.size);
}

static Value *to_space(ModelImport *im, Value *v, const Factors *pos, int npos, const Factors *c) {
  const Shape s = v->shape;
  bool fits = s.rank == 3 && npos == 2;
  for (int k = 0; fits && k < 2; k++)
    fits = pos[k].n == 2 && factor_equal(pos[k].f[0], (Factor){k, 1, s.dim[k]}) && pos[k].f[1].axis == 2;
  if (!fits || pos[0].f[1].size != pos[1].f[1].size) return NULL;
  const int64_t k = pos[0].f[1].size, a = pos[0].f[1].inner, b = pos[1].f[1].inner,
                depth = s.dim[2] / (k * k);
  const Shape to = shape_image(s.dim[0] * k, s.dim[1] * k, depth);
  if (depth * k * k != s.dim[2]) return NULL;
  const Factors crd = factors_one(2, k * k, depth), dcr = factors_one(2, 1, depth);
  if (a == k && b == 1 && factors_equal(c, &crd))
    return emit_one(im, v, to, "depth_to_space(%lld, order=crd)", (long long)k);
  if (a == k * depth && b == depth && factors_equal(c, &dcr))
    return emit_one(im, v, to, "depth_to_space(%lld, order=dcr)", (long long)k);
  return NULL;
}

static Value *to_depth(ModelImport *im, Value *v, const Factors *pos, int npos, const Factors *c) {
  const Shape s = v->shape;
  if (s.rank != 3 || npos != 2 || pos[0].n != 1 || pos[1].n != 1) return NULL;
  const int64_t k = pos[0].f[0].inner;
  if (k < 2 || pos[1].f[0].inner != k || pos[0].f[0].axis != 0 || pos[1].f[0].axis != 1) return NULL;
  if (pos[0].f[0].size * k != s.dim[0] || pos[1].f[0].size * k != s.dim[1]) return NULL;
  const Factor deep = {2, 1, s.dim[2]}, down = {0, 1, k}, across = {1, 1, k};
  const Shape to = shape_image(s.dim[0] / k, s.dim[1] / k, s.dim[2] * k * k);
  Factors crd = {0}, dcr = {0};
  factors_push(&crd, deep), factors_push(&crd, down), factors_push(&crd, across);
  factors_push(&dcr, down), factors_push(&dcr, across), factors_push(&dcr, deep);
  if (factors_equal(c, &crd)) return emit_one(im, v, to, "space_to_depth(%lld, order=crd)", (long long)k);
  if (factors_equal(c, &dcr)) return emit_one(im, v, to, "space_to_depth(%lld, order=dcr)", (long long)k);
  return NULL;
}

static Value *moved(ModelImport *im, Value *v, const Factors *pos, int npos, const Factors *c) {
  const int last = v->shape.rank - 1, first[] = {last, 0, 1};
  const Factors chw = whole_axes(v, last + 1, first);
  if (npos == 0 && last > 0 && factors_equal(c, &chw))
    return emit_one(im, v, shape_vector(shape_elements(v->shape)), "flatten(order=chw)");
  Factors want = {0};
  for (int k = 0; k < npos; k++) factors_append(&want, &pos[k]);
  factors_append(&want, c);
  Value *made = shuffled(im, v, &want);
  if (!made) made = to_space(im, v, pos, npos, c);
  if (!made) made = to_depth(im, v, pos, npos, c);
  if (!made) made = moved_as_windows(im, v, npos, pos, c);
  if (!made) made = permuted(im, v, &want);
  return made ? made : no(im, "needs a transpose of %s", shape_text(im->arena, v->shape));
}

View *view_split_channels(ModelImport *im, const View *view, int64_t n) {
  const Shape s = view->value->shape;
  const int c = s.rank - 1, to_c = c == 2 ? 2 : c + 1;
  const int64_t width = c == 2 ? s.dim[1] : 1;
  View *to = view_copy(im, view, view->value);
  for (int d = 0; d < view->rank; d++) {
    Factors along = {0};
    for (int i = 0; i < view->along[d].n; i++) {
      Factor f = view->along[d].f[i];
      if (f.axis == c && f.inner >= n && f.inner % n == 0) f.inner /= n, f.axis = to_c - 1;
      else if (f.axis == c && f.inner * f.size > n) return NULL;
      else if (f.axis == c) f.axis = to_c;
      else if (f.axis == 0) f.inner *= width;
      else if (f.axis == 1) f.axis = 0;
      factors_push(&along, f);
    }
    to->along[d] = along;
  }
  if (s.dim[c] % n) return NULL;
  const int64_t parts = s.dim[c] / n;
  const Shape shape = c == 2   ? shape_image(s.dim[0] * width, parts, n)
                      : c == 1 ? shape_image(s.dim[0], parts, n)
                               : shape_sequence(parts, n);
  to->value = reshaped(im, view->value, shape);
  return to;
}

View *view_with_axis(ModelImport *im, const View *view, int d) {
  const Shape s = view->value->shape;
  const Factor own = view->along[d].f[0];
  int64_t stride[3] = {1, 1, 1};
  for (int a = s.rank - 2; a >= 0; a--) stride[a] = stride[a + 1] * s.dim[a + 1];
  if (view->along[d].n != 1 || own.axis == BATCH || view->value->regions) return NULL;
  const int64_t behind = own.inner * stride[own.axis], whole = behind * own.size;
  const int64_t before = shape_elements(s) / whole;
  const int first = before > 1; /* the axis of the dimension */
  View *to = view_copy(im, view, view->value);
  for (int k = 0; k < view->rank; k++) {
    to->along[k] = (Factors){0};
    for (int i = 0; i < view->along[k].n; i++) {
      Factor f = view->along[k].f[i];
      const int64_t at = f.axis == BATCH ? 0 : f.inner * stride[f.axis];
      if (f.axis != BATCH && at >= whole) f = (Factor){0, at / whole, f.size};
      else if (f.axis != BATCH && at >= behind && at * f.size <= whole)
        f = (Factor){first, at / behind, f.size};
      else if (f.axis != BATCH && at * f.size <= behind) f = (Factor){first + 1, at, f.size};
      else if (f.axis != BATCH) return NULL;
      factors_push(&to->along[k], f);
    }
  }
  to->value = reshaped(im, view->value,
                       first ? shape_image(before, own.size, behind) : shape_sequence(own.size, behind));
  return to;
}

/* Whether the positions a are after the positions b in memory. */
static bool is_behind(const Factors *a, const Factors *b) {
  if (!a->n || !b->n) return !a->n && b->n;
  if (a->f[0].axis != b->f[0].axis) return a->f[0].axis > b->f[0].axis;
  return a->f[0].inner < b->f[0].inner;
}

static void sort_positions(const View *view, int npos, int *pos) {
  for (int i = 1; i < npos; i++)
    for (int k = i; k > 0 && is_behind(&view->along[pos[k - 1]], &view->along[pos[k]]); k--) {
      const int moved_back = pos[k];
      pos[k] = pos[k - 1];
      pos[k - 1] = moved_back;
    }
}

typedef enum Laid { LAID_WRONG, LAID_FULL, LAID_REPEATED } Laid;

/* Checks that the given dimensions do not contain the batch, and that the other dimensions contain nothing
 * else. LAID_REPEATED: a given dimension is broadcast. */
static Laid check_dimensions(ModelImport *im, const View *view, int nchan, const int *chan, int npos,
                             const int *pos) {
  bool used[MOST_DIMS] = {false}, repeated = false;
  for (int i = 0; i < nchan; i++) used[chan[i]] = true;
  for (int i = 0; i < npos; i++) used[pos[i]] = true;
  for (int d = 0; d < view->rank; d++) {
    const Factors *along = &view->along[d];
    if (used[d] && factors_batch(along))
      return no(im, "a dimension that mixes the batch with other axes"), LAID_WRONG;
    for (int i = 0; !used[d] && i < along->n; i++)
      if (along->f[i].axis != BATCH)
        return no(im, "an additional axis besides batch, channels and positions"), LAID_WRONG;
    repeated = repeated || (used[d] && view->size[d] != factors_size(along));
  }
  return repeated ? LAID_REPEATED : LAID_FULL;
}

Value *lay(ModelImport *im, const View *view, int nchan, const int *chan, int npos, int *pos,
           bool any_order) {
  const Laid state = check_dimensions(im, view, nchan, chan, npos, pos);
  if (state == LAID_REPEATED) {
    view = view_repeated(im, view);
    return view ? lay(im, view, nchan, chan, npos, pos, any_order) : NULL;
  }
  if (state == LAID_WRONG) return NULL;
  if (npos > 2) return no(im, "more than two spatial dimensions");
  if (any_order) sort_positions(view, npos, pos);
  Factors channels = {0}, want = {0}, at[2];
  Shape shape = {.rank = npos + 1};
  for (int i = 0; i < nchan; i++) factors_append(&channels, &view->along[chan[i]]);
  for (int i = 0; i < npos; i++) {
    at[i] = view->along[pos[i]];
    factors_append(&want, &at[i]);
    shape.dim[i] = factors_size(&at[i]);
  }
  factors_append(&want, &channels);
  shape.dim[npos] = factors_size(&channels);
  if (order_of_memory(&want, view->value->shape)) return reshaped(im, view->value, shape);
  Value *v = moved(im, view->value, at, npos, &channels);
  return v ? reshaped(im, v, shape) : NULL;
}

/* Whether dimension `axis` is the value's channel axis, and the other dimensions, in any order, are its
 * positions. */
static bool lies_whole(const View *x, int axis) {
  const Shape s = x->value->shape;
  int64_t covered = 1;
  if (!factors_whole(&x->along[axis], x->value, s.rank - 1)) return false;
  for (int d = 0; d < x->rank; d++) {
    if (d == axis || !x->along[d].n || factors_batch(&x->along[d])) continue;
    if (x->size[d] != factors_size(&x->along[d])) return false;
    covered *= x->size[d];
  }
  return covered * s.dim[s.rank - 1] == shape_elements(s);
}

Value *lay_channels(ModelImport *im, const View *x, int axis, int *npos, int pos[MOST_DIMS]) {
  *npos = 0;
  for (int d = 0; d < x->rank; d++)
    if (d != axis && x->along[d].n && !factors_batch(&x->along[d])) pos[(*npos)++] = d;
  bool mixed = false; /* positions that are parts of several axes, such as windows, keep their order */
  for (int i = 0; i < *npos; i++) mixed = mixed || x->along[pos[i]].n > 1;
  if (*npos > 2 && lies_whole(x, axis)) {
    *npos = x->value->shape.rank - 1;
    pos[0] = AS_IT_LIES;
    return x->value;
  }
  if (mixed) return lay(im, x, 1, &axis, *npos, pos, false);
  return lay(im, x, 1, &axis, *npos, pos, true);
}

bool in_memory_order(const View *view, int n, const int *dims) {
  Factors all = {0};
  for (int i = 0; i < n; i++) {
    if (view->size[dims[i]] != factors_size(&view->along[dims[i]])) return false;
    factors_append(&all, &view->along[dims[i]]);
  }
  return order_of_memory(&all, view->value->shape);
}

Value *lay_in_order(ModelImport *im, const View *view, int n, const int *dims) {
  int pos[2] = {0};
  const int npos = n < 1 ? 0 : n < 3 ? n - 1 : 2;
  if (in_memory_order(view, n, dims)) return view->value;
  for (int k = 0; k < npos; k++) pos[k] = dims[k];
  return lay(im, view, n - npos, dims + npos, npos, pos, false);
}

Value *lay_standard(ModelImport *im, const View *view) {
  const int chan[] = {1};
  int pos[MOST_DIMS];
  if (view->rank < 2) return no(im, "a tensor of %s", text_counted(im->arena, view->rank, "dimension"));
  for (int d = 2; d < view->rank; d++) pos[d - 2] = d;
  return lay(im, view, 1, chan, view->rank - 2, pos, false);
}
