/* constant_values.c: Import of constants as values, if they are not weights of an operator. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include "import/import.h"

static Tensor *constant_numbers(ModelImport *im, Shape shape) {
  const int64_t n = shape_elements(shape);
  return constant_new(im, TENSOR_FLOAT, 1, &n);
}

Value *constant_statement(ModelImport *im, const OnnxNode *node, int input, const char *name, Shape shape,
                          const Tensor *t, bool frozen) {
  for (int64_t i = 0; i < t->n; i++) {
    const double number = tensor_number(t, i);
    if (number > DBL_MAX || isnan(number)) return no(im, "an infinite or NaN constant");
    frozen = frozen || number <= EXCLUDED;
  }
  Text list = {.arena = im->arena};
  for (int a = 0; a < shape.rank; a++) text_put(&list, "%s%lld", a ? ", " : "", (long long)shape.dim[a]);
  const char *layer = node ? layer_of_constant(im, node, input) : layer_called(im, name);
  if (frozen) put_mask(im, layer, "weight", t, shape.rank, shape.dim);
  else put_weight(im, layer, "weight", t, shape.rank, shape.dim);
  Value *value =
      emit(im, 0, NULL, shape, "constant([%s]%s, name=\"%s\")", list.s, frozen ? ", frozen=true" : "", layer);
  value->name = identifier(im, layer);
  return value;
}

/* For element `at` of the value: the index of this element in the ONNX tensor that the view describes. */
static int64_t element_of(const Tensor *t, const View *x, Shape shape, int64_t at) {
  int64_t index[3] = {0}, place = 0;
  for (int a = shape.rank - 1; a >= 0; a--) {
    index[a] = at % shape.dim[a];
    at /= shape.dim[a];
  }
  for (int d = 0; d < t->rank; d++) {
    const Factors *along = &x->along[d + x->rank - t->rank];
    int64_t along_d = 0;
    for (int i = 0; i < along->n; i++) {
      const Factor f = along->f[i];
      along_d = along_d * f.size + (f.axis == BATCH ? 0 : index[f.axis] / f.inner % f.size);
    }
    place = place * t->dim[d] + (t->dim[d] == 1 ? 0 : along_d);
  }
  return place;
}

Value *constant_vector(ModelImport *im, const OnnxNode *node, int input, int64_t n, const double *numbers,
                       bool frozen) {
  const Shape shape = shape_vector(n);
  Tensor *t = constant_numbers(im, shape);
  for (int64_t i = 0; t && i < n; i++) tensor_put(t, i, numbers[i]);
  if (!t) return NULL;
  return constant_statement(im, node, input, NULL, shape, t, frozen);
}

Value *constant_operand(ModelImport *im, const OnnxNode *node, int input, const Tensor *t,
                        const View *beside) {
  Shape shape = beside->value->shape;
  const int c = shape.rank - 1;
  bool channels = false;
  for (int d = 0; d < t->rank; d++) {
    const int of = d + beside->rank - t->rank;
    if (t->dim[d] == 1) continue;
    if (beside->size[of] != factors_size(&beside->along[of]))
      return no(im, "a constant that varies along an axis over which the value is broadcast");
    for (int i = 0; i < beside->along[of].n; i++) {
      if (beside->along[of].f[i].axis == BATCH) return no(im, "a constant that varies over the batch");
      channels = channels || beside->along[of].f[i].axis == c;
    }
  }
  if (!channels) shape.dim[c] = 1;
  Tensor *all = constant_numbers(im, shape);
  for (int64_t i = 0; all && i < all->n; i++)
    tensor_put(all, i, tensor_number(t, element_of(t, beside, shape, i)));
  return all ? constant_statement(im, node, input, NULL, shape, all, false) : NULL;
}

View *constant_view(ModelImport *im, const OnnxNode *node, int input, const Tensor *t, const View *like) {
  Shape shape = like->value->shape;
  int of[3] = {-1, -1, -1};
  if (t->rank != like->rank || t->n == 0)
    return no(im, "a constant concatenated with a value of a different rank");
  if (t->dim[0] != 1 || like->size[0] != 1) return no(im, "a constant concatenated along the batch");
  for (int d = 1; d < like->rank; d++) {
    const int axis = like->along[d].n == 1 ? like->along[d].f[0].axis : -1;
    const bool whole = axis >= 0 && factors_whole(&like->along[d], like->value, axis);
    if (whole) of[axis] = d;
    else if (like->along[d].n)
      return no(im, "a constant concatenated with a value whose dimensions were merged or split");
  }
  for (int d = 1; d < like->rank; d++) { /* an axis for a dimension in which the value has one element */
    if (like->along[d].n || t->dim[d] == 1) continue;
    int a = 0;
    while (a < shape.rank && (of[a] >= 0 || shape.dim[a] != 1)) a++;
    if (a == shape.rank) return no(im, "a constant along an axis that the concatenated values do not have");
    of[a] = d;
  }
  for (int a = 0; a < shape.rank; a++) {
    if (of[a] < 0 && shape.dim[a] != 1)
      return no(im, "a constant concatenated with a value whose dimensions were merged or split");
    shape.dim[a] = of[a] < 0 ? 1 : t->dim[of[a]];
  }
  Tensor *all = constant_numbers(im, shape);
  if (!all) return NULL;
  View *view = view_new(im, NULL, like->rank);
  view->value = NEW(im->arena, Value);
  view->value->shape = shape;
  for (int a = 0; a < shape.rank; a++)
    if (of[a] >= 0) view_set(view, of[a], a);
  for (int64_t i = 0; i < all->n; i++) tensor_put(all, i, tensor_number(t, element_of(t, view, shape, i)));
  view->value = constant_statement(im, node, input, NULL, shape, all, false);
  return view->value ? view : NULL;
}

View *constant_alone(ModelImport *im, const OnnxNode *node, int input, const Tensor *t) {
  const int first = t->rank > 1 && t->dim[0] == 1;
  Shape shape = {.rank = t->rank - first};
  if (shape.rank > 3 && !first) return no(im, "a constant that varies over the batch");
  if (shape.rank > 3 || shape.rank < 1 || t->n == 0)
    return no(im, "a constant of %s where a value is expected",
              text_counted(im->arena, t->rank, "dimension"));
  Tensor *all = constant_numbers(im, shape_sequence(1, t->n));
  View *view = view_new(im, NULL, t->rank);
  for (int a = 0; a < shape.rank; a++) shape.dim[a] = t->dim[a + first];
  for (int64_t i = 0; all && i < t->n; i++) tensor_put(all, i, tensor_number(t, i));
  view->value = all ? constant_statement(im, node, input, NULL, shape, all, false) : NULL;
  if (!view->value) return NULL;
  for (int a = 0; a < shape.rank; a++) view_set(view, a + first, a);
  return view;
}

View *value_or_constant(ModelImport *im, const OnnxNode *node, int input) {
  const Tensor *t = constant_of(im, node, input);
  return t ? constant_alone(im, node, input, t) : view_of(im, node, input);
}
