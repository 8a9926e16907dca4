/* view_parts.c: Moves of parts of a value (heads, windows of an image), and operators on rows. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "import/onnx/products.h"

/* ---- heads ---- */
/* Whether a value was joined from `rows` rows of nxc. */
static bool is_of_rows(const Value *v, int64_t rows, int64_t n, int64_t c) {
  return v->made && strcmp(v->made->call, "join_rows") == 0 &&
         shape_equal(v->made->in[0]->shape, shape_of_parts(rows, shape_sequence(n, c)));
}

/* The smaller of `first` and `second` becomes the heads. But if the value was joined from rows of `second` x
 * `after`, `first` becomes the heads. */
Value *exchanged_as_heads(ModelImport *im, Value *v, int64_t before, int64_t first, int64_t second,
                          int64_t after) {
  if (v->regions) return NULL;
  if (first <= second || is_of_rows(v, before * first, second, after)) {
    const Shape whole = shape_of_parts(before, shape_sequence(second, first * after));
    v = as_rows(im, v, before * first, second, after);
    v = emit_one(im, v, whole, "join_heads(%lld)", (long long)first);
    return joined_rows(im, v, before, shape_image(before, second, first * after));
  }
  const Shape part = shape_of_parts(before * second, shape_sequence(first, after));
  v = as_rows(im, v, before, first, second * after);
  v = emit_one(im, v, part, "split_heads(%lld)", (long long)second);
  return joined_rows(im, v, before * second, shape_image(before * second, first, after));
}

/* ---- windows ---- */
/* Whether a value was computed on windows: looks at the nearest statement before it that split or joined
 * windows. */
static bool is_of_windows(const Value *v) {
  for (int steps = 0; v->made && v->made->nin && steps < 200; steps++, v = v->made->in[0]) {
    if (strncmp(v->made->call, "split_windows(", 14) == 0) return true;
    if (strncmp(v->made->call, "join_windows(", 13) == 0) return false;
  }
  return false;
}

/* The value from which v was cropped along an axis; NULL: none. With `behind`, v has the positions from *at
 * on; otherwise the positions before *at. */
static Value *cropped(const Value *v, int axis, bool behind, int64_t *at) {
  const Statement *s = v->made;
  long long cut[4];
  if (!s || s->nin != 1 || v->shape.rank != 3) return NULL;
  if (sscanf(s->call, "crop([%lld, %lld, %lld, %lld])", &cut[0], &cut[1], &cut[2], &cut[3]) != 4) return NULL;
  for (int k = 0; k < 4; k++)
    if (k / 2 == axis ? (k % 2 == 0) != behind && cut[k] : cut[k]) return NULL;
  *at = behind ? cut[2 * axis] : s->in[0]->shape.dim[axis] - cut[2 * axis + 1];
  return s->in[0];
}

/* The value before a cyclic shift by *by along an axis; NULL: not shifted. */
static Value *before_roll(const Value *v, int axis, int64_t *by) {
  static const char *const calls[] = {"concat(%*, axis=height)", "concat(%*, axis=width)"};
  const Statement *s = v->made;
  int64_t until;
  if (!s || s->nin != 2 || strcmp(s->call, calls[axis]) != 0) return NULL;
  Value *of = cropped(s->in[0], axis, true, by);
  return of && cropped(s->in[1], axis, false, &until) == of && until == *by ? of : NULL;
}

/* The value before cyclic shifts along its height and width. shift: the distances of these shifts. */
static Value *before_rolls(Value *v, int64_t shift[2]) {
  shift[0] = shift[1] = 0;
  for (int step = 0; step < 2; step++)
    for (int axis = 0; axis < 2; axis++) {
      int64_t by;
      Value *of = before_roll(v, axis, &by);
      if (!of) continue;
      shift[axis] = (shift[axis] + by) % v->shape.dim[axis];
      v = of;
    }
  return v;
}

/* The value before the cyclic shifts that produced v, with v's quantization. If that value already has
 * another quantization: v itself, with shift = 0. */
static Value *before_rolls_as_stored(ModelImport *im, Value *v, int64_t shift[2]) {
  Value *image = before_rolls(v, shift);
  const Quant *wanted = quant_of(v), *has = quant_of(image);
  if (image == v || !wanted || (has && has->scale == wanted->scale && has->zero == wanted->zero))
    return image;
  if (has) return shift[0] = shift[1] = 0, v;
  image = same_value(im, image);
  image->quant = wanted;
  return image;
}

static const char *shift_text(ModelImport *im, const int64_t shift[2]) {
  if (!shift[0] && !shift[1]) return "";
  if (shift[0] == shift[1]) return arena_printf(im->arena, ", shift=%lld", (long long)shift[0]);
  return arena_printf(im->arena, ", shift=[%lld, %lld]", (long long)shift[0], (long long)shift[1]);
}

static Value *split_into_windows(ModelImport *im, Value *v, const int64_t size[2], const int64_t count[2],
                                 bool grid) {
  int64_t shift[2];
  const int64_t rows = count[0] * count[1], c = v->shape.dim[2], *asked = grid ? count : size;
  v = before_rolls_as_stored(im, v, shift);
  const char *text = asked[0] == asked[1]
                         ? arena_printf(im->arena, "%lld", (long long)asked[0])
                         : arena_printf(im->arena, "%lldx%lld", (long long)asked[0], (long long)asked[1]);
  const int64_t n = size[0] * size[1];
  v = emitted_once(im, v, shape_of_parts(rows, shape_image(size[0], size[1], c)),
                   arena_printf(im->arena, "split_windows(%s%s%s)", text, grid ? ", mode=grid" : "",
                                shift_text(im, shift)));
  v = emitted_once(im, v, shape_of_parts(rows, shape_sequence(n, c)),
                   arena_printf(im->arena, "reshape([%lld, %lld])", (long long)n, (long long)c));
  return rows == 1 ? v : emitted_once(im, v, shape_image(rows, n, c), "join_rows");
}

static Value *join_into_image(ModelImport *im, Value *v, const int64_t size[2], const int64_t count[2],
                              bool grid) {
  const int64_t rows = count[0] * count[1], c = shape_elements(v->shape) / (size[0] * size[1] * rows);
  const Shape whole = shape_image(size[0] * count[0], size[1] * count[1], c);
  v = as_rows(im, v, rows, size[0] * size[1], c);
  v = emitted_once(im, v, shape_of_parts(rows, shape_image(size[0], size[1], c)),
                   arena_printf(im->arena, "reshape(%lldx%lldx%lld)", (long long)size[0], (long long)size[1],
                                (long long)c));
  return emitted_once(im, v, whole,
                      arena_printf(im->arena, "join_windows([%lld, %lld]%s)", (long long)whole.dim[0],
                                   (long long)whole.dim[1], grid ? ", mode=grid" : ""));
}

/* Whether a->f[axis] is the outer part of this axis of v, and b->f[axis] the inner part. */
static bool are_parts(const Factors *a, const Factors *b, const Value *v, int axis) {
  return a->f[axis].axis == axis && b->f[axis].axis == axis && b->f[axis].inner == 1 &&
         a->f[axis].inner == b->f[axis].size && a->f[axis].size * b->f[axis].size == v->shape.dim[axis];
}

Value *moved_as_windows(ModelImport *im, Value *v, int npos, const Factors *pos, const Factors *c) {
  if (v->regions || v->shape.rank != 3 || npos != 2 || pos[0].n != 2 || pos[1].n != 2) return NULL;
  if (!factors_whole(c, v, 2)) return NULL;
  const Factor *f = pos[0].f, *g = pos[1].f;
  if (are_parts(&pos[0], &pos[1], v, 0) && are_parts(&pos[0], &pos[1], v, 1)) {
    if (is_of_windows(v))
      return join_into_image(im, v, (const int64_t[]){f[1].size, g[1].size},
                             (const int64_t[]){f[0].size, g[0].size}, false);
    return split_into_windows(im, v, (const int64_t[]){g[0].size, g[1].size},
                              (const int64_t[]){f[0].size, f[1].size}, false);
  }
  if (are_parts(&pos[1], &pos[0], v, 0) && are_parts(&pos[1], &pos[0], v, 1))
    return split_into_windows(im, v, (const int64_t[]){g[0].size, g[1].size},
                              (const int64_t[]){f[0].size, f[1].size}, true);
  const Factors positions = {2, {f[0], g[0]}}, rows = {2, {f[1], g[1]}};
  const bool grid = f[0].axis == 1 && f[1].axis == 0 && g[0].axis == 1 && g[1].axis == 0 && g[0].inner == 1 &&
                    g[1].inner == 1 && f[0].inner == g[0].size && f[1].inner == g[1].size &&
                    factors_size(&positions) == v->shape.dim[1] && factors_size(&rows) == v->shape.dim[0];
  return grid ? join_into_image(im, v, (const int64_t[]){f[0].size, g[0].size},
                                (const int64_t[]){f[1].size, g[1].size}, true)
              : NULL;
}

Value *join_windows_shifted(ModelImport *im, Value *v) {
  int64_t by[2], shift[2], h, w;
  Value *image = before_rolls(v, by);
  const Statement *s = image->made;
  long long size[2], at[2] = {0, 0};
  if (image == v || !s || strncmp(s->call, "join_windows(", 13) != 0) return v;
  const bool grid = strstr(s->call, "mode=grid") != NULL;
  if (sscanf(s->call, "join_windows([%lld, %lld]", &size[0], &size[1]) != 2) return v;
  const char *old = strstr(s->call, "shift=");
  if (old && sscanf(old, "shift=[%lld, %lld]", &at[0], &at[1]) != 2) {
    if (sscanf(old, "shift=%lld", &at[0]) != 1) return v;
    at[1] = at[0];
  }
  h = size[0], w = size[1];
  shift[0] = (at[0] + h - by[0]) % h;
  shift[1] = (at[1] + w - by[1]) % w;
  return emit_one(im, s->in[0], v->shape, "join_windows([%lld, %lld]%s%s)", (long long)h, (long long)w,
                  grid ? ", mode=grid" : "", shift_text(im, shift));
}

/* ---- operators on rows ---- */
/* Lists the dimensions of an axis, the outermost first, and returns their number. -1: a dimension combines
 * several axes, or the dimensions do not cover the axis. */
static int dimensions_of_axis(const View *x, int axis, int dims[MOST_DIMS]) {
  int n = 0;
  Factors all = {0};
  for (int d = 0; d < x->rank; d++) {
    const Factors *along = &x->along[d];
    if (along->n == 0 || along->f[0].axis != axis) continue;
    if (along->n != 1) return -1;
    int at = n++;
    for (; at > 0 && x->along[dims[at - 1]].f[0].inner < along->f[0].inner; at--) dims[at] = dims[at - 1];
    dims[at] = d;
  }
  for (int i = 0; i < n; i++) factors_push(&all, x->along[dims[i]].f[0]);
  return factors_whole(&all, x->value, axis) ? n : -1;
}

/* Whether each dimension is an axis, or a part of an axis. */
static bool is_plain(const View *x) {
  for (int d = 0; d < x->rank; d++)
    if (x->along[d].n > 1) return false;
  return true;
}

/* Combines `large` and `small`, which have the same number of elements. `part` is a view of `small` as [rows,
 * positions, channels], in the order of the axes of `large`. NULL if `small` has a plain layout and `large`
 * does not: both_laid then converts `large`. */
static View *combined_in_full(ModelImport *im, const View *large, const View *small, const View *part,
                              const char *word) {
  const Shape s = large->value->shape;
  const int before = im->statements.n, first = s.rank == 2;
  int chan = 2, pos[] = {first, 1};
  if (is_plain(small) && !is_plain(large)) return NULL;
  Value *both[] = {large->value, lay(im, part, 1, &chan, s.rank - 1, pos, false)};
  if (!both[1]) return take_back(im, before), NULL;
  return view_copy(im, large, emit(im, 2, both, s, "%s(%%*)", word));
}

/* Reshapes the larger value: the outer position dimensions that the smaller value lacks become rows. NULL if
 * the smaller value lacks none or all of the position dimensions, or if it has rows. */
static View *with_parts_as_rows(ModelImport *im, const View *large, const View *small) {
  const Shape s = large->value->shape;
  const int along = s.rank - 2;
  View *to = view_copy(im, large, large->value);
  int dims[MOST_DIMS];
  int64_t parts = 1;
  for (int i = along ? dimensions_of_axis(large, 0, dims) : 0; i > 0; i--)
    if (small->along[dims[i - 1]].n) return NULL;
  const int n = dimensions_of_axis(large, along, dims);
  for (int i = 0; i < n && !small->along[dims[i]].n; i++) parts *= large->size[dims[i]];
  if (parts == 1 || parts == s.dim[along]) return NULL;
  const int64_t rest = s.dim[along] / parts;
  for (int d = 0; d < large->rank; d++) {
    Factor *f = &to->along[d].f[0];
    if (!large->along[d].n) continue;
    if (f->axis == along)
      *f = (Factor){f->inner >= rest ? 0 : 1, f->inner >= rest ? f->inner / rest : f->inner, f->size};
    else if (f->axis == s.rank - 1) f->axis = 2;
    else if (f->axis == 0) f->inner *= parts;
  }
  to->value =
      reshaped(im, large->value, shape_image(along ? s.dim[0] * parts : parts, rest, s.dim[s.rank - 1]));
  return to;
}

View *combined_by_rows(ModelImport *im, const View *large, const View *small, const char *word) {
  const Shape s = large->value->shape;
  const int first = s.rank == 3 ? 0 : 1;
  View *part = view_new(im, small->value, 3);
  if (s.rank < 2 || large->value->regions || small->rank != large->rank) return NULL;
  for (int d = 0; d < large->rank; d++)
    if (large->size[d] != factors_size(&large->along[d]) ||
        (small->size[d] != 1 && small->size[d] != large->size[d]))
      return NULL;
  const int before = im->statements.n;
  const View *apart = with_parts_as_rows(im, large, small);
  if (apart) {
    const View *y = combined_by_rows(im, apart, small, word);
    return y ? view_copy(im, large, reshaped(im, y->value, s)) : (take_back(im, before), NULL);
  }
  for (int axis = 0; axis < s.rank; axis++) {
    int dims[MOST_DIMS];
    const int n = dimensions_of_axis(large, axis, dims), to = axis + first;
    if (n < 0 && s.dim[axis] > 1) return NULL;
    for (int i = 0; i < n; i++) {
      const int d = dims[i];
      if (small->size[d] != factors_size(&small->along[d]) && small->along[d].n) return NULL;
      const bool there = small->along[d].n > 0 || large->size[d] == 1;
      /* `small` may lack only the outermost dimensions of the rows */
      if (!there && (to > 0 || part->along[0].n)) return NULL;
      for (int f = 0; f < small->along[d].n; f++) factors_push(&part->along[to], small->along[d].f[f]);
      if (there) part->size[to] *= small->size[d];
    }
  }
  const int64_t rows = first ? 1 : s.dim[0], l = s.dim[s.rank - 2], m = s.dim[s.rank - 1];
  if (part->size[1] != l || part->size[2] != m) return NULL;
  if (part->size[0] == rows) return combined_in_full(im, large, small, part, word);
  Value *both[] = {NULL, laid_as_rows(im, part, l, m)};
  if (!both[1]) return take_back(im, before), NULL;
  both[0] = as_rows(im, large->value, rows, l, m);
  Value *v = emit(im, 2, both, both[0]->shape, "%s(%%*)", word);
  return view_copy(im, large, joined_rows(im, v, rows, s));
}

View *combined_repeated(ModelImport *im, const View *large, const View *small, const char *word) {
  const Shape s = large->value->shape;
  View *full = view_copy(im, small, small->value);
  int dims[MOST_DIMS], n = 0;
  if (large->value->regions || small->value->regions || small->rank != large->rank) return NULL;
  for (int axis = 0; axis < s.rank; axis++) {
    const int more = dimensions_of_axis(large, axis, dims + n);
    if (more < 0 && s.dim[axis] > 1) return NULL;
    n += more < 0 ? 0 : more;
  }
  for (int i = 0; i < n; i++) {
    const int d = dims[i];
    if (large->size[d] != factors_size(&large->along[d])) return NULL;
    if (small->size[d] == 1) full->size[d] = large->size[d];
  }
  const int before = im->statements.n;
  Value *both[] = {large->value, lay_in_order(im, full, n, dims)};
  if (!both[1]) return take_back(im, before), NULL;
  both[1] = reshaped(im, both[1], s);
  im->why = NULL;
  return view_copy(im, large, emit(im, 2, both, s, "%s(%%*)", word));
}

/* The dimensions of a view by role: heads, positions, channels. n: number of dimensions with each role; at:
 * the indices of these dimensions. */
typedef struct Apart {
  int n[3], at[3][MOST_DIMS];
} Apart;

/* Sorts the dimensions of the larger value by their role: parts of its channels along which the smaller
 * value is repeated, positions, other channels. False: not possible. */
static bool find_apart(const View *large, const View *small, Apart *to) {
  const int c = large->value->shape.rank - 1;
  *to = (Apart){0};
  for (int d = 0; d < large->rank; d++)
    if (large->size[d] != factors_size(&large->along[d]) ||
        (small->size[d] != 1 && small->size[d] != large->size[d]))
      return false;
  for (int axis = 0; axis <= c; axis++) {
    int dims[MOST_DIMS];
    const int n = dimensions_of_axis(large, axis, dims);
    if (n < 0 && large->value->shape.dim[axis] > 1) return false;
    for (int i = 0; i < n; i++) {
      const bool missing = !small->along[dims[i]].n;
      if (missing && axis < c) return false;
      const int part = missing ? 0 : axis < c ? 1 : 2;
      to->at[part][to->n[part]++] = dims[i];
    }
  }
  return to->n[0] > 0;
}

/* A view with the dimensions grouped as [heads, positions, channels]. */
static View *view_apart(ModelImport *im, const View *x, const Apart *parts) {
  View *to = view_new(im, x->value, 3);
  for (int part = 0; part < 3; part++)
    for (int i = 0; i < parts->n[part]; i++) {
      const int d = parts->at[part][i];
      to->size[part] *= x->size[d];
      for (int f = 0; f < x->along[d].n; f++) factors_push(&to->along[part], x->along[d].f[f]);
    }
  return to;
}

/* A view [heads, positions, channels] as rows of positions x channels. */
static Value *split_into_heads(ModelImport *im, const View *x) {
  static const int as_they_lie[] = {1, 0, 2};
  const int64_t heads = x->size[0], l = x->size[1], m = x->size[2];
  if (quant_of(x->value) || !in_memory_order(x, 3, as_they_lie)) return laid_as_rows(im, x, l, m);
  Value *v = reshaped(im, x->value, shape_sequence(l, heads * m));
  return emitted_once(im, v, shape_of_parts(heads, shape_sequence(l, m)),
                      arena_printf(im->arena, "split_heads(%lld)", (long long)heads));
}

View *combined_by_heads(ModelImport *im, const View *large, const View *small, const char *word) {
  Apart parts;
  if (large->rank != small->rank || large->value->regions || small->value->regions) return NULL;
  if (!find_apart(large, small, &parts)) return NULL;
  const View *a = view_apart(im, large, &parts), *b = view_apart(im, small, &parts);
  const int64_t heads = a->size[0], l = a->size[1], m = a->size[2];
  const int before = im->statements.n;
  View *one = view_copy(im, b, b->value); /* all heads use the same value */
  one->size[0] = 1;
  Value *both[] = {split_into_heads(im, a), laid_as_rows(im, one, l, m)};
  if (!both[0] || !both[1]) return take_back(im, before), NULL;
  Value *v = emit(im, 2, both, both[0]->shape, "%s(%%*)", word);
  View *y = view_copy(im, large, joined_rows(im, v, heads, shape_image(heads, l, m)));
  for (int part = 0; part < 3; part++) {
    int64_t inner = 1;
    for (int i = parts.n[part] - 1; i >= 0; i--) {
      const int d = parts.at[part][i];
      y->along[d] = factors_one(part, inner, y->size[d]);
      inner *= y->size[d];
    }
  }
  return y;
}

/* ---- softmax and other operators along an axis ---- */
View *mapped_along_axis(ModelImport *im, const View *x, int d, const char *word, const char *more) {
  static const char *const names[2][2] = {{"length", ""}, {"height", "width"}};
  const Value *v = x->value;
  const int c = v->shape.rank - 1;
  Factors positions = {0};
  const char *name = NULL;
  if (quant_of(v) || x->size[d] != factors_size(&x->along[d])) return NULL;
  for (int axis = 0; axis < c; axis++) {
    factors_push(&positions, (Factor){axis, 1, v->shape.dim[axis]});
    if (factors_whole(&x->along[d], v, axis)) name = names[c - 1][axis];
  }
  const Factor *f = x->along[d].n == 1 ? &x->along[d].f[0] : NULL;
  const View *apart = f && f->axis == c && f->inner == 1 && f->size < v->shape.dim[c]
                          ? view_split_channels(im, x, f->size)
                          : NULL;
  if (apart) return mapped_along_axis(im, apart, d, word, more);
  if (factors_whole(&x->along[d], v, c)) name = "channels";
  else if (!name && c == 2 && factors_equal(&positions, &x->along[d])) name = "positions";
  if (!name) return NULL;
  const bool channels = strcmp(name, "channels") == 0;
  if (channels) return *more ? map_view(im, x, "%s(%s)", word, more) : map_view(im, x, "%s", word);
  return map_view(im, x, "%s(%s%saxis=%s)", word, more, *more ? ", " : "", name);
}

/* ---- images ---- */
int64_t rows_of_images(const View *x) {
  return x->rank == 4 && x->along[0].n && !factors_batch(&x->along[0]) ? x->size[0] : 1;
}

Value *lay_images(ModelImport *im, const View *x, bool pointwise) {
  static const int last[] = {0, 2, 3, 1};
  const int64_t rows = rows_of_images(x), c = x->size[1];
  if (rows == 1) return lay_standard(im, x);
  const int64_t n = x->size[2] * x->size[3], size[] = {rows, n, c};
  const int chan = 2;
  int pos[] = {0, 1};
  const View *flat = view_reshape(im, view_permute(im, x, last, 4), 3, size);
  Value *v = !flat ? NULL : pointwise ? lay(im, flat, 1, &chan, 2, pos, false) : laid_as_rows(im, flat, n, c);
  return !v || pointwise
             ? v
             : emitted_once(im, v, shape_of_parts(rows, shape_image(x->size[2], x->size[3], c)),
                            arena_printf(im->arena, "reshape(%lldx%lldx%lld)", (long long)x->size[2],
                                         (long long)x->size[3], (long long)c));
}

View *view_images(ModelImport *im, Value *v, const View *like) {
  const int64_t rows = rows_of_images(like), c = v->shape.dim[2];
  if (rows == 1) return view_standard(im, v, like, like->rank);
  const bool apart = v->shape.parts;
  const int64_t h = apart ? v->shape.dim[0] : like->size[2], w = apart ? v->shape.dim[1] : like->size[3];
  if (apart) {
    v = emit_one(im, v, shape_of_parts(rows, shape_sequence(h * w, c)), "reshape([%lld, %lld])",
                 (long long)(h * w), (long long)c);
    v = joined_rows(im, v, rows, shape_image(rows, h * w, c));
  }
  View *y = view_new(im, v, 4);
  const int64_t inner[] = {1, 1, w, 1}, axis[] = {0, 2, 1, 1}, size[] = {rows, c, h, w};
  for (int d = 0; d < 4; d++) {
    y->size[d] = size[d];
    if (size[d] > 1) y->along[d] = factors_one((int)axis[d], inner[d], size[d]);
  }
  return y;
}
