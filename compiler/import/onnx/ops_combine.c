/* ops_combine.c: Import of elementwise sums, differences, products, quotients, maxima and minima of values
 * and constants. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"

static bool commutes(const char *word) {
  return strcmp(word, "subtract") != 0 && strcmp(word, "divide") != 0;
}

/* ---- with a constant ---- */
static View *with_number(ModelImport *im, const View *x, double number, const char *word) {
  const bool factor = strcmp(word, "multiply") == 0 || strcmp(word, "divide") == 0;
  const bool term = strcmp(word, "add") == 0 || strcmp(word, "subtract") == 0;
  const bool unbounded = strcmp(word, "minimum") == 0   ? number >= LARGEST_BOUND
                         : strcmp(word, "maximum") == 0 ? number <= -LARGEST_BOUND
                                                        : false;
  if (unbounded || (factor && number == 1) || (term && number == 0 && x->value->made))
    return view_copy(im, x, x->value);
  View *y = map_view(im, x, "%s(%s)", word, number_text(im->arena, number));
  if (number != 0) y->value->odd = x->value->odd; /* like a product, a quotient counts as finite */
  return y;
}

bool read_once(const ModelImport *im, int tensor, const Value *value) {
  while (im->readers[tensor] == 1) {
    const OnnxNode *maker = im->maker[tensor] < 0 ? NULL : &im->onnx->node[im->maker[tensor]];
    if (!maker || (value->made && value->made->origin == maker)) return true;
    int k = 0;
    while (k < maker->nin && !(maker->in[k] && im->item[maker->in[k]].view)) k++;
    if (k == maker->nin) return false;
    tensor = maker->in[k];
  }
  return false;
}

/* Fuses a constant factor or term into the weights of the preceding norm; false: not possible. */
static bool absorbed(ModelImport *im, bool once, const View *x, const Tensor *t, const char *word) {
  const char *layer = x->value->affine;
  if (!layer || x->value->reads || !once) return false;
  const bool factor = strcmp(word, "multiply") == 0;
  if (!factor && strcmp(word, "add") != 0) return false;
  const ImportWeight *weight = weight_named(im, layer, "weight"), *bias = weight_named(im, layer, "bias");
  for (int64_t i = 0; i < t->n; i++) {
    const double b = tensor_number(bias->tensor, i), number = tensor_number(t, i);
    tensor_put((Tensor *)(uintptr_t)bias->tensor, i, factor ? b * number : b + number);
    if (factor) tensor_put((Tensor *)(uintptr_t)weight->tensor, i, tensor_number(weight->tensor, i) * number);
  }
  return true;
}

/* ---- preprocessing of raw inputs, as one operator `normalize` ---- */
static void put_list(Text *out, const char *name, int64_t n, const double *number, double otherwise) {
  bool equal = true, needed = false;
  for (int64_t i = 0; i < n; i++) {
    equal = equal && number[i] == number[0];
    needed = needed || number[i] != otherwise;
  }
  if (!needed) return;
  text_put(out, "%s%s=%s", out->n ? ", " : "", name, equal ? "" : "[");
  for (int64_t i = 0; i < (equal ? 1 : n); i++)
    text_put(out, "%s%s", i ? ", " : "", number_text(out->arena, number[i]));
  if (!equal) text_put(out, "]");
}

static const char *normalize_text(ModelImport *im, const Prepared *p) {
  Text text = {.arena = im->arena};
  double mean[MOST_PREPARED];
  for (int64_t i = 0; i < p->n; i++) mean[i] = p->shift[i] == 0 ? 0 : -p->shift[i];
  put_list(&text, "mean", p->n, mean, 0);
  put_list(&text, "scale", p->n, p->gain, 1);
  return arena_printf(im->arena, "normalize(%s)", text.n ? text.s : "scale=1");
}

static bool prepare(Prepared *p, const Tensor *t, const char *word) {
  if (p->n > 1 && t->n > 1 && p->n != t->n) return false;
  const int64_t n = t->n > p->n ? t->n : p->n;
  const Prepared from = *p;
  for (int64_t i = 0; i < n; i++) {
    const double number = tensor_number(t, t->n > 1 ? i : 0);
    double gain = from.gain[from.n > 1 ? i : 0], shift = from.shift[from.n > 1 ? i : 0];
    const bool adds = strcmp(word, "add") == 0, factor = strcmp(word, "multiply") == 0;
    if (adds || strcmp(word, "subtract") == 0) shift += adds ? number : -number;
    else gain = factor ? gain * number : gain / number, shift = factor ? shift * number : shift / number;
    if (!(fabs(gain) < 1e30 && fabs(gain) > 1e-30 && fabs(shift) < 1e30)) return false;
    p->gain[i] = gain;
    p->shift[i] = shift;
  }
  p->n = n;
  return true;
}

/* Merges the operator into the operator `normalize` of an input. NULL: not possible, or the value has other
 * users. */
static View *with_prepared(ModelImport *im, bool once, const View *x, const Tensor *t, const char *word) {
  Value *value = x->value;
  static const char *const words[] = {"add", "subtract", "multiply", "divide", NULL};
  int k = 0;
  while (words[k] && strcmp(words[k], word) != 0) k++;
  if (!words[k] || t->n > MOST_PREPARED || (value->made && !value->prepared)) return NULL;
  if (value->reads || !once) return NULL;
  Prepared *p = NEW(im->arena, Prepared);
  *p = value->prepared ? *value->prepared : (Prepared){.n = 1, .gain = {1}};
  if (!prepare(p, t, word)) return NULL;
  if (!value->made) {
    View *y = map_view(im, x, "%s", normalize_text(im, p));
    y->value->prepared = p;
    return y;
  }
  value->prepared = p;
  value->made->call = normalize_text(im, p);
  return view_copy(im, x, value);
}

static const Tensor *mapped(ModelImport *im, const Tensor *t, double (*of)(double)) {
  Tensor *to = constant_new(im, TENSOR_FLOAT, 1, &t->n);
  for (int64_t i = 0; to && i < t->n; i++) tensor_put(to, i, of(tensor_number(t, i)));
  return to;
}

static double minus(double x) { return -x; }
static double inverse(double x) { return 1 / x; }
static double unchanged(double x) { return x; }

static View *with_shift(ModelImport *im, const OnnxNode *node, int input, const View *x, const Tensor *t) {
  if (!t) return NULL;
  const char *layer = layer_of(im, node, input);
  put_vector(im, layer, "bias", t);
  return map_view(im, x, "bias(name=\"%s\")", layer);
}

static View *with_vector(ModelImport *im, const OnnxNode *node, bool once, int input, const View *x,
                         const Tensor *t, const char *word) {
  if (absorbed(im, once, x, t, word)) return view_copy(im, x, x->value);
  if (strcmp(word, "add") == 0) return with_shift(im, node, input, x, mapped(im, t, unchanged));
  if (strcmp(word, "subtract") == 0) return with_shift(im, node, input, x, mapped(im, t, minus));
  const Tensor *factors = mapped(im, t, strcmp(word, "divide") == 0 ? inverse : unchanged);
  if (!factors) return NULL;
  const char *layer = layer_of(im, node, input);
  put_vector(im, layer, "weight", factors);
  return map_view(im, x, "scale(name=\"%s\")", layer);
}

/* The value after a broadcast to the size of a larger constant; NULL after no(). */
static const View *as_large(ModelImport *im, const View *x, const Tensor *t) {
  View *large = view_copy(im, x, x->value);
  bool repeats = false;
  for (int d = 0; d < t->rank && t->rank <= x->rank; d++) {
    const int along = d + x->rank - t->rank;
    if (t->dim[d] == 1 || x->size[along] != 1) continue;
    if (along == 0 || x->along[along].n) return no(im, "a value broadcast along an unsupported axis");
    large->size[along] = t->dim[d];
    repeats = true;
  }
  return repeats ? view_repeated(im, large) : x;
}

/* Combines a value with a constant. `once`: the value has no other user. */
static View *with_constant(ModelImport *im, const OnnxNode *node, bool once, int input, const View *x,
                           const Tensor *t, const char *word) {
  if (t->rank > x->rank && t->n > 1) return no(im, "a constant with more dimensions than the value");
  if (t->n == 0) return no(im, "a constant without elements");
  if (!(x = as_large(im, x, t))) return NULL;
  bool equal = true, finite = true;
  for (int64_t i = 1; equal && i < t->n; i++) equal = tensor_number(t, i) == tensor_number(t, 0);
  for (int64_t i = 0; finite && i < t->n; i++) finite = isfinite(tensor_number(t, i));
  int along = -1, vary = 0;
  for (int d = 0; d < t->rank; d++) {
    if (t->dim[d] == 1) continue;
    along = d + x->rank - t->rank;
    if (x->size[along] != t->dim[d]) return no(im, "a constant of the wrong shape");
    vary++;
  }
  const bool channels =
      vary == 1 && x->along[along].n && factors_whole(&x->along[along], x->value, x->value->shape.rank - 1);
  View *prepared = t->n == 1 || channels ? with_prepared(im, once, x, t, word) : NULL;
  if (prepared) return prepared;
  if (t->n == 1) return with_number(im, x, tensor_number(t, 0), word);
  const bool extreme = strcmp(word, "maximum") == 0 || strcmp(word, "minimum") == 0;
  if (channels && !extreme && finite) return with_vector(im, node, once, input, x, t, word);
  if (equal) return with_number(im, x, tensor_number(t, 0), word);
  Value *both[] = {x->value, constant_operand(im, node, input, t, x)};
  return both[1] ? view_copy(im, x, emit(im, 2, both, x->value->shape, "%s(%%*)", word)) : NULL;
}

View *beside_constant(ModelImport *im, const OnnxNode *node, int input, const View *x, const Tensor *t,
                      const char *word) {
  return with_constant(im, node, true, input, x, t, word);
}

/* ---- two values ---- */
static View *align(ModelImport *im, const View *x, int rank) {
  const int more = rank - x->rank;
  View *to = view_new(im, x->value, rank);
  for (int d = 0; d < x->rank; d++) {
    to->size[d + more] = x->size[d];
    to->along[d + more] = x->along[d];
  }
  return to;
}

/* Whether the small value has one number for each channel of the big value, in the same order. */
static bool is_gate(const View *small, const View *big) {
  const int last = small->value->shape.rank - 1, c = big->value->shape.rank - 1;
  if (c != 2 || shape_elements(small->value->shape) != big->value->shape.dim[c]) return false;
  if (small->value->shape.dim[last] != big->value->shape.dim[c]) return false;
  int64_t channels = 1;
  for (int d = 0; d < big->rank; d++) {
    Factors along = small->along[d];
    if (small->size[d] != 1 && small->size[d] != big->size[d]) return false;
    for (int i = 0; i < along.n; i++) {
      if (along.f[i].axis == BATCH) continue;
      along.f[i].axis = c;
      channels *= along.f[i].size;
    }
    if (along.n && !factors_equal(&along, &big->along[d])) return false;
  }
  return channels == big->value->shape.dim[c];
}

void take_back(ModelImport *im, int statements) {
  while (im->statements.n > statements) {
    const Statement *last = im->statements.data[--im->statements.n];
    for (int i = 0; i < last->nin; i++) last->in[i]->reads--;
  }
}

/* If `small` has one number per channel of `big`, in another order: `small`, permuted to the order of `big`.
 * NULL: `small` has another shape or cannot be permuted. */
static const View *as_gate(ModelImport *im, const View *small, const View *big) {
  const int c = big->value->shape.rank - 1;
  Factors all = {0};
  int chan[MOST_DIMS], n = 0;
  if (c != 2 || shape_elements(small->value->shape) != big->value->shape.dim[c]) return NULL;
  for (int d = 0; d < big->rank; d++) {
    const Factors *along = &big->along[d];
    const bool channels = along->n && along->f[0].axis == c;
    if (!channels && small->size[d] != 1) return NULL;
    if (!channels) continue;
    if (small->size[d] != big->size[d]) return NULL;
    for (int i = 0; i < along->n; i++) factors_push(&all, along->f[i]);
    chan[n++] = d;
  }
  if (!factors_whole(&all, big->value, c)) return NULL;
  const int before = im->statements.n;
  Value *v = lay(im, small, n, chan, 0, NULL, false);
  if (!v) take_back(im, before);
  return v ? view_copy(im, small, v) : NULL;
}

static View *gated(ModelImport *im, const View *big, const View *small, const char *word) {
  Value *gate = small->value;
  const int64_t c = big->value->shape.dim[2];
  const Shape to = shape_image(1, 1, c);
  if (!shape_equal(gate->shape, to)) gate = emit_one(im, gate, to, "reshape(1x1x%lld)", (long long)c);
  Value *both[] = {big->value, gate};
  return view_copy(im, big, emit(im, 2, both, big->value->shape, "%s(%%*)", word));
}

/* Whether the small value has one channel, and has the same shape and layout as the big value in all other
 * dimensions. */
static bool is_plane(const View *small, const View *big) {
  const int c = big->value->shape.rank - 1;
  if (small->value->shape.rank != c + 1 || small->value->shape.dim[c] != 1) return false;
  for (int a = 0; a < c; a++)
    if (small->value->shape.dim[a] != big->value->shape.dim[a]) return false;
  for (int d = 0; d < big->rank; d++) {
    if (factors_equal(&small->along[d], &big->along[d]) && small->size[d] == big->size[d]) continue;
    if (small->along[d].n || small->size[d] != 1 || !factors_whole(&big->along[d], big->value, c))
      return false;
  }
  return true;
}

static View *plane(ModelImport *im, const View *big, const View *small, const char *word) {
  Value *both[] = {big->value, small->value};
  return view_copy(im, big, emit(im, 2, both, big->value->shape, "%s(%%*)", word));
}

/* If `small` has one number per position of `big`: `small`, converted to the layout of `big`. NULL: `small`
 * has another shape or cannot be converted. */
static const View *as_plane(ModelImport *im, const View *small, const View *big) {
  const int c = big->value->shape.rank - 1;
  int pos[MOST_DIMS], n = 0;
  Shape shape = big->value->shape;
  shape.dim[c] = 1;
  if (c < 1 || shape_elements(small->value->shape) != shape_elements(shape)) return NULL;
  for (int axis = 0; axis < c; axis++) /* the dimensions of the plane, in memory order */
    for (int d = 0, before = n; shape.dim[axis] > 1 && n == before; d++) {
      if (d == big->rank) return NULL;
      if (factors_whole(&big->along[d], big->value, axis)) pos[n++] = d;
    }
  for (int d = 0, k = 0; d < big->rank; d++) {
    for (k = 0; k < n && pos[k] != d;) k++;
    if (small->size[d] != (k < n ? big->size[d] : 1)) return NULL;
  }
  const int before = im->statements.n;
  Value *v = lay(im, small, 0, NULL, n, pos, false);
  if (!v) take_back(im, before);
  return v ? view_copy(im, small, reshaped(im, v, shape)) : NULL;
}

/* Whether the small value is one number for all elements of the big value. */
static bool is_single(const View *small, const View *big) {
  if (shape_elements(small->value->shape) != 1) return false;
  for (int d = 0; d < small->rank; d++) {
    if (small->size[d] != 1 && small->size[d] != big->size[d]) return false;
    for (int i = 0; i < small->along[d].n; i++)
      if (small->along[d].f[i].axis != BATCH) return false;
  }
  return true;
}

/* The language repeats an HxWx1 value for every channel, but it does not broadcast a single number over all
 * elements. So the elements of the big value become the channels of one pixel, and the number becomes a 1x1x1
 * value. */
static View *with_single(ModelImport *im, const View *big, const View *small, const char *word) {
  const Shape pixel = shape_image(1, 1, shape_elements(big->value->shape)), one = shape_image(1, 1, 1);
  Value *both[] = {reshaped(im, big->value, pixel), reshaped(im, small->value, one)};
  Value *v = emit(im, 2, both, pixel, "%s(%%*)", word);
  return view_copy(im, big, reshaped(im, v, big->value->shape));
}

static bool same_layout(const View *a, const View *b) {
  for (int d = 0; d < a->rank; d++)
    if (!factors_equal(&a->along[d], &b->along[d]) || a->size[d] != b->size[d]) return false;
  return shape_equal(a->value->shape, b->value->shape);
}

/* x, broadcast to the sizes of `like` in the dimensions in which x has one element, except the batch. */
static View *spread_like(ModelImport *im, const View *x, const View *like) {
  View *to = view_copy(im, x, x->value);
  for (int d = 0; d < x->rank; d++)
    if (x->size[d] == 1 && !factors_batch(&like->along[d])) to->size[d] = like->size[d];
  return to;
}

/* Combines two values whose elements have different orders, or which have broadcast dimensions: both are
 * converted to the layout of an image. */
static View *both_laid(ModelImport *im, const View *x, const View *y, const char *word) {
  const View *a = spread_like(im, x, y), *b = spread_like(im, y, x);
  Value *both[2] = {lay_standard(im, a), NULL};
  if (both[0]) both[1] = lay_standard(im, b);
  if (!both[0] || !both[1] || !shape_equal(both[0]->shape, both[1]->shape)) {
    const char *of = arena_printf(im->arena, "%s and %s", shape_text(im->arena, a->value->shape),
                                  shape_text(im->arena, b->value->shape));
    return no(im, "two values whose shapes have no common layout: %s", of);
  }
  return view_standard(im, emit(im, 2, both, both[0]->shape, "%s(%%*)", word), a, a->rank);
}

/* Whether the last statement computes the value. If this value is the first operand, the new statement
 * continues the chain of statements, for example the branch of a residual block. */
static bool made_last(const ModelImport *im, const Value *value) {
  return value->made && value->made == im->statements.data[im->statements.n - 1];
}

/* If a is broadcast to the size of b: computes a - b as -b + a, or a / b as 1 / b * a. */
static View *with_opposite(ModelImport *im, const View *a, const View *b, const char *word) {
  const bool difference = strcmp(word, "subtract") == 0;
  const View *of = map_view(im, b, difference ? "multiply(-1)" : "power(-1)");
  return two_values(im, of, true, a, difference ? "add" : "multiply");
}

View *two_values(ModelImport *im, const View *x, bool alone, const View *y, const char *word) {
  const int rank = x->rank > y->rank ? x->rank : y->rank;
  const View *a = align(im, x, rank), *b = align(im, y, rank);
  if (x->value->regions != y->value->regions)
    return no(im, "one operand has a value per region, the other has one for the whole image");
  for (int d = 0; d < rank; d++)
    if (a->size[d] != b->size[d] && a->size[d] != 1 && b->size[d] != 1)
      return no(im, "two values whose sizes do not match");
  if (same_layout(a, b)) {
    const bool turned = !alone && commutes(word) && made_last(im, b->value);
    Value *both[] = {turned ? b->value : a->value, turned ? a->value : b->value};
    return view_copy(im, a, emit(im, 2, both, a->value->shape, "%s(%%*)", word));
  }
  if (is_single(b, a)) return with_single(im, a, b, word);
  if (is_single(a, b) && commutes(word)) return with_single(im, b, a, word);
  if (is_gate(b, a)) return gated(im, a, b, word);
  if (is_gate(a, b) && commutes(word)) return gated(im, b, a, word);
  if (is_plane(b, a)) return plane(im, a, b, word);
  if (is_plane(a, b) && commutes(word)) return plane(im, b, a, word);
  const View *gate = as_gate(im, b, a), *other = gate || !commutes(word) ? NULL : as_gate(im, a, b);
  if (gate) return gated(im, a, gate, word);
  if (other) return gated(im, b, other, word);
  const View *map = as_plane(im, b, a), *turned = map || !commutes(word) ? NULL : as_plane(im, a, b);
  if (map) return plane(im, a, map, word);
  if (turned) return plane(im, b, turned, word);
  View *rows = combined_by_rows(im, a, b, word);
  if (!rows && commutes(word)) rows = combined_by_rows(im, b, a, word);
  if (!rows) rows = combined_by_heads(im, a, b, word);
  if (!rows && commutes(word)) rows = combined_by_heads(im, b, a, word);
  if (rows) return rows;
  const bool repeats = shape_elements(a->value->shape) < shape_elements(b->value->shape);
  if (repeats && !commutes(word)) return with_opposite(im, a, b, word);
  View *laid = both_laid(im, a, b, word);
  return laid ? laid : repeats ? combined_repeated(im, b, a, word) : combined_repeated(im, a, b, word);
}

static View *combine_two(ModelImport *im, const OnnxNode *node, const View *x, int first, int input,
                         const char *word) {
  const Item *item = &im->item[node->in[input]];
  if (item->constant) {
    const bool once = read_once(im, node->in[first], x->value);
    return with_constant(im, node, once, input, x, item->constant, word);
  }
  return two_values(im, x, im->readers[node->in[first]] == 1, item->view, word);
}

/* Adds three or more values with the same layout in one sum, which int8 models round once. NULL: not
 * possible. */
static View *sum_of_all(ModelImport *im, const OnnxNode *node) {
  Value **all = NEW_ARRAY(im->arena, Value *, node->nin);
  if (strcmp(node->op, "Sum") != 0 || node->nin < 3 || node->nin > MOST_INPUTS) return NULL;
  const View *first = given(node, 0) ? im->item[node->in[0]].view : NULL;
  for (int i = 0; i < node->nin; i++) {
    const View *x = given(node, i) ? im->item[node->in[i]].view : NULL;
    if (!x || x->rank != first->rank || x->value->regions != first->value->regions || !same_layout(x, first))
      return NULL;
    all[i] = x->value;
  }
  return view_copy(im, first, emit(im, node->nin, all, first->value->shape, "add(%%*)"));
}

/* x / t for integers x and t > 0, rounded towards 0 as in ONNX, or rounded down. The quotient is computed
 * from x + 1/2, so that a rounding error never changes an exact integer to the next smaller integer. */
static View *whole_quotient(ModelImport *im, const OnnxNode *node, const View *x) {
  const Tensor *t = constant_of(im, node, 1);
  const bool counts = x->value->counts, floor = counts || onnx_int(node, "cnnc_floor", 0);
  View *part[2] = {NULL, NULL};
  for (int64_t i = 0; i < t->n; i++)
    if (tensor_number(t, i) <= 0) return no(im, "an integer division by a number that is not positive");
  for (int k = 0; k < (floor ? 1 : 2); k++) {
    View *from = k ? map_view(im, x, "multiply(-1)") : view_copy(im, x, x->value);
    from = map_view(im, floor ? from : map_view(im, from, "relu"), "add(0.5)");
    View *y = combine_two(im, node, from, 0, 1, "divide");
    part[k] = y ? map_view(im, y, "floor") : NULL;
    if (!part[k]) return NULL;
  }
  View *y = floor ? part[0] : two_values(im, part[0], true, part[1], "subtract");
  if (y) y->value->whole = true, y->value->counts = counts;
  return y;
}

/* Marks sums, differences, products, minima and maxima of integers as integers. */
static void set_integers(const ModelImport *im, const OnnxNode *node, const char *word, Value *to) {
  bool whole = strcmp(word, "divide") != 0, counts = strcmp(word, "subtract") != 0;
  for (int i = 0; i < node->nin && whole; i++) {
    const Item *item = &im->item[node->in[i]];
    const Tensor *t = item->constant;
    whole = t ? tensor_whole(t->type) : item->view && item->view->value->whole;
    counts = counts && (t || (item->view && item->view->value->counts));
    for (int64_t k = 0; t && k < t->n && counts; k++) counts = tensor_number(t, k) >= 0;
  }
  if (whole) to->whole = true, to->counts = counts;
}

View *import_combine(ModelImport *im, const OnnxNode *node) {
  const char *word = onnx_operator(node->op)->word;
  View *sum = sum_of_all(im, node);
  if (sum) return sum;
  int first = 0;
  while (first < node->nin && constant_of(im, node, first)) first++;
  const View *x = view_of(im, node, first);
  if (!x) return NULL;
  const Tensor *t = strcmp(word, "divide") == 0 ? constant_of(im, node, 1) : NULL;
  const bool whole = x->value->whole || onnx_int(node, "cnnc_floor", 0);
  if (t && first == 0 && tensor_whole(t->type) && whole) return whole_quotient(im, node, x);
  if (first > 0 && strcmp(word, "divide") == 0) {
    x = map_view(im, x, "power(-1)");
    word = "multiply";
  }
  if (first > 0 && strcmp(word, "subtract") == 0) {
    x = map_view(im, x, "multiply(-1)");
    word = "add";
  }
  View *y = view_copy(im, x, x->value);
  for (int i = 0; y && i < node->nin; i++)
    if (i != first && given(node, i)) y = combine_two(im, node, y, first, i, word);
  if (y && y->value != im->item[node->in[first]].view->value)
    set_integers(im, node, onnx_operator(node->op)->word, y->value);
  return strcmp(word, "add") == 0 ? rotary_of(im, y) : y;
}

/* x / y, but 0 where y is 0: x * n / (y + 1 - n), where n is 0 for y = 0, otherwise 1. So the result is
 * rounded once, like x / y. */
View *import_divide_no_nan(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0), *y = x ? view_of(im, node, 1) : NULL;
  if (!y) return NULL;
  const View *nonzero = truth_of(im, y);
  View *divisor =
      two_values(im, map_view(im, map_view(im, nonzero, "multiply(-1)"), "add(1)"), true, y, "add");
  View *kept = divisor ? two_values(im, x, false, nonzero, "multiply") : NULL;
  return kept ? two_values(im, kept, true, divisor, "divide") : NULL;
}
