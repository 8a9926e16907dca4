/* forms_rotary.c: Pattern matching of rotary embeddings in imported statements: pairs of channels are rotated
 * by constant cosines and sines. The two channels of a pair are neighbors, or are at the same position in
 * both halves of a head. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "import/onnx/forms.h"

/* The value x that is rotated, and the cosines and sines of the angles, [positions][heads][width]. */
typedef struct Rotary {
  const Value *x;
  int64_t places, heads, pairs;
  const Tensor *cosine, *sine;
  int64_t width; /* number of angles per head: one for each pair, or two equal angles for each pair */
} Rotary;

/* ---- parts ---- */
static bool is_statement(const Value *v, int nin, const char *call) {
  return v->made && v->made->nin == nin && strcmp(v->made->call, call) == 0;
}

/* The value v before its reshapes. */
static const Value *before_reshapes(const Value *v) {
  while (v->made && v->made->nin == 1 && strncmp(v->made->call, "reshape(", 8) == 0) v = v->made->in[0];
  return v;
}

/* If v is the product of a value and a constant: this value, and the constant in *t. Otherwise NULL. */
static const Value *times_constant(ModelImport *im, const Value *v, const Tensor **t) {
  v = before_reshapes(v);
  for (int k = 0; k < 2 && is_statement(v, 2, "multiply(%*)"); k++) {
    *t = numbers_of_constant(im, v->made->in[!k]);
    if (*t) return v->made->in[k];
  }
  return NULL;
}

/* If v is the first half of the channels of a value (with `second`: the second half), that value; otherwise
 * NULL. */
static const Value *half_of_channels(const Value *v, bool second) {
  long long from, to;
  if (!v->made || v->made->nin != 1 || sscanf(v->made->call, "slice(%lld..%lld)", &from, &to) != 2)
    return NULL;
  const Value *x = v->made->in[0];
  const int64_t channels = x->shape.dim[x->shape.rank - 1], half = channels / 2;
  return channels % 2 == 0 && from == (second ? half : 0) && to == (second ? channels : half) ? x : NULL;
}

static bool same_elements(const Value *a, const Value *b) {
  return a && b && shape_equal(a->shape, b->shape) && before_reshapes(a) == before_reshapes(b);
}

static bool same_numbers(const Tensor *a, const Tensor *b) {
  for (int64_t i = 0; a->n == b->n && i < a->n; i++)
    if (tensor_number(a, i) != tensor_number(b, i)) return false;
  return a->n == b->n;
}

/* ---- forms ---- */
/* Whether v is the concatenation of x1*c - x2*s and x2*c + x1*s, where x1 and x2 are the halves of x. */
static bool is_turned(ModelImport *im, const Value *v, Rotary *r) {
  if (!is_statement(v, 2, "concat(%*)")) return false;
  const Value *below = v->made->in[0], *above = v->made->in[1];
  if (!is_statement(below, 2, "subtract(%*)") || !is_statement(above, 2, "add(%*)")) return false;
  const Tensor *cosine, *sine;
  const Value *a = times_constant(im, below->made->in[0], &r->cosine),
              *b = times_constant(im, below->made->in[1], &r->sine);
  r->x = a ? half_of_channels(a, false) : NULL;
  if (!r->x || !b || !same_elements(r->x, half_of_channels(b, true))) return false;
  for (int k = 0; k < 2; k++) {
    const Value *c = times_constant(im, above->made->in[k], &cosine),
                *d = times_constant(im, above->made->in[!k], &sine);
    if (c && d && same_elements(r->x, half_of_channels(c, true)) &&
        same_elements(r->x, half_of_channels(d, false)))
      return same_numbers(cosine, r->cosine) && same_numbers(sine, r->sine);
  }
  return false;
}

/* Whether v is x*c + concat(-x2, x1)*s; find_sizes and repeats_after check the cosines c and sines s. */
static bool is_half_rotated(ModelImport *im, const Value *v, Rotary *r) {
  for (int k = 0; k < 2 && is_statement(v, 2, "add(%*)"); k++) {
    const Value *turned = times_constant(im, v->made->in[!k], &r->sine),
                *x = times_constant(im, v->made->in[k], &r->cosine);
    if (!x || !turned || !is_statement(turned, 2, "concat(%*)")) continue;
    const Value *minus = turned->made->in[0];
    r->x = half_of_channels(turned->made->in[1], false);
    if (!r->x || !is_statement(minus, 1, "multiply(-1)")) continue;
    if (same_elements(r->x, half_of_channels(minus->made->in[0], true)) &&
        before_reshapes(x) == before_reshapes(r->x))
      return true;
  }
  return false;
}

/* Sets the sizes. False if the number of angles is not positions x heads x pairs or, with `twice`, twice that
 * number. */
static bool find_sizes(Rotary *r, bool twice) {
  const Shape s = r->x->shape;
  const int last = s.rank - 1;
  if (s.rank < 2) return false;
  *r = (Rotary){.x = r->x, .cosine = r->cosine, .sine = r->sine, .places = s.dim[0]};
  r->heads = last == 2 ? s.dim[1] : 1;
  r->pairs = s.dim[last] / 2;
  r->width = twice ? 2 * r->pairs : r->pairs;
  return r->cosine->n == r->places * r->heads * r->width && r->sine->n == r->cosine->n;
}

static double angle_number(const Rotary *r, const Tensor *t, int64_t place, int64_t head, int64_t pair) {
  return tensor_number(t, (place * r->heads + head) * r->width + pair);
}

/* Whether the angles repeat after this number of heads, and are the same for both halves of the channels. */
static bool repeats_after(const Rotary *r, int64_t heads) {
  for (int64_t i = 0; i < r->places; i++)
    for (int64_t h = 0; h < r->heads; h++)
      for (int64_t c = 0; c < r->width; c++) {
        const int64_t first = h % heads, pair = c % r->pairs;
        if (angle_number(r, r->cosine, i, h, c) != angle_number(r, r->cosine, i, first, pair) ||
            angle_number(r, r->sine, i, h, c) != angle_number(r, r->sine, i, first, pair))
          return false;
      }
  return true;
}

/* ---- the operator ---- */
static Value *angles(ModelImport *im, const Rotary *r, const Tensor *t, int64_t own, const char *name) {
  const int64_t dim[] = {r->places, own * r->pairs};
  Tensor *to = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!to) return NULL;
  for (int64_t i = 0; i < to->n; i++)
    tensor_put(to, i, angle_number(r, t, i / dim[1], i % dim[1] / r->pairs, i % r->pairs));
  return constant_statement(im, NULL, 0, name, shape_sequence(dim[0], dim[1]), to, false);
}

/* Converts a view of positions x heads x channels to a view of positions x channels. */
static View *view_of_sequence(ModelImport *im, const View *like, Value *v) {
  View *y = view_copy(im, like, v);
  const Shape s = like->value->shape;
  for (int d = 0; d < y->rank && s.rank == 3; d++)
    for (int i = 0; i < y->along[d].n; i++) {
      Factor *f = &y->along[d].f[i];
      if (f->axis == 1) f->inner *= s.dim[2];
      else if (f->axis == 2) f->axis = 1;
    }
  return y;
}

View *rotary_of(ModelImport *im, View *y) {
  Rotary r = {0};
  if (!y || quant_of(y->value)) return y;
  const bool turned = is_turned(im, y->value, &r), half = !turned && is_half_rotated(im, y->value, &r);
  if ((!turned && !half) || !find_sizes(&r, half)) return y;
  /* neighbors: whether a pair is two neighboring channels; each head of the value is then one pair */
  const bool neighbors = r.pairs == 1 && r.heads > 1;
  int64_t own = 1;
  while (own < r.heads && (r.heads % own || !repeats_after(&r, own))) own++;
  if (own > 1 && !neighbors) return y;
  const Shape shape = shape_sequence(r.places, 2 * r.pairs * r.heads), made = y->value->shape;
  if (!shape_equal(made, shape) && !shape_equal(made, r.x->shape)) return y;
  const Value *before = before_reshapes(r.x), *x = shape_equal(before->shape, shape) ? before : r.x;
  Value *in[] = {reshaped(im, (Value *)(uintptr_t)x, shape), angles(im, &r, r.cosine, own, "cos"),
                 angles(im, &r, r.sine, own, "sin")};
  if (!in[1] || !in[2]) return y;
  const int64_t heads = r.heads / own;
  const char *split = heads > 1 ? arena_printf(im->arena, ", heads=%lld", (long long)heads) : "";
  Value *v = emit(im, 3, in, shape, "rotary(%%1, %%2%s%s)", split, neighbors ? ", interleaved=true" : "");
  return view_of_sequence(im, y, v);
}
