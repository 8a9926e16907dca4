/* ops_spectrum.c: Import of Fourier transforms: DFT and STFT. A one-sided STFT becomes an stft if the
 * language has its window. A one-sided DFT becomes an stft if its length is a power of two, at least 64, and
 * at most the length of the input. Other transforms become products with the constant matrix of the
 * transform. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"

enum { FAST_FROM = 64, MOST_COEFFICIENTS = 1 << 24 };
static const double TURN = 6.283185307179586476925;

/* A transform of `length` points: `in` input numbers, each with `parts` parts (1: real, 2: complex), and
 * `out` complex results. */
typedef struct Transform {
  int64_t length, in, out;
  int parts;
  bool inverse;
  const double *window; /* a factor for each input, or NULL */
} Transform;

/* weight [2*out][in*parts]: real and imaginary parts alternate */
static Tensor *transform_matrix(ModelImport *im, const Transform *f) {
  const int64_t columns = f->in * f->parts, dim[] = {2 * f->out, columns};
  if (f->out > MOST_COEFFICIENTS / (2 * columns))
    return no(im, "a Fourier transform of %lld numbers, whose matrix is too large", (long long)f->in);
  Tensor *w = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!w) return NULL;
  const double sign = f->inverse ? 1 : -1, scale = f->inverse ? 1.0 / (double)f->length : 1;
  for (int64_t k = 0; k < f->out; k++)
    for (int64_t i = 0; i < f->in; i++) {
      const double angle = TURN * (double)(k * i % f->length) / (double)f->length;
      const double factor = scale * (f->window ? f->window[i] : 1);
      const double re = factor * cos(angle), turned = factor * sign * sin(angle);
      const int64_t real = 2 * k * columns + i * f->parts, imaginary = real + columns;
      tensor_put(w, real, re);
      tensor_put(w, imaginary, turned);
      if (f->parts == 1) continue;
      tensor_put(w, real + 1, -turned);
      tensor_put(w, imaginary + 1, re);
    }
  return w;
}

/* ---- DFT ---- */
/* Transforms the channels of each position with stft. */
static Value *fast_rows(ModelImport *im, Value *v, const Transform *f) {
  const Shape s = v->shape;
  const int64_t rows = shape_elements(s) / f->in, channels = 2 * f->out;
  v = reshaped(im, v, shape_image(rows, f->in, 1));
  v = emit_one(im, v, shape_sequence(f->in, 1), "split_rows");
  value_of_regions(im, v, rows);
  v = emit_one(im, v, shape_sequence(1, channels), "stft(%lld, %lld, window=ones, give=complex)",
               (long long)f->in, (long long)f->in);
  v = emit_one(im, v, shape_image(rows, 1, channels), "join_rows");
  v->regions = 0;
  Shape to = s;
  to.dim[s.rank - 1] = channels;
  return reshaped(im, v, to);
}

/* The number in a constant scalar input. If the input is omitted: the attribute `name`, or `otherwise` if the
 * attribute is missing too. 0 after no(). */
static int64_t one_number(ModelImport *im, const OnnxNode *node, int input, const char *name,
                          int64_t otherwise) {
  const Tensor *t = constant_of(im, node, input);
  if (!given(node, input)) return onnx_int(node, name, otherwise);
  if (t && t->n == 1) return tensor_integer(t, 0);
  no(im, "a Fourier transform of computed size");
  return 0;
}

View *import_dft(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  if (!x) return NULL;
  const int last = x->rank - 1;
  int64_t axis = one_number(im, node, 2, "axis", im->onnx->opset < 20 ? 1 : -2);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= last || x->size[last] > 2) return no(im, "an invalid axis");
  const int64_t length = one_number(im, node, 1, "dft_length", x->size[axis]);
  if (im->why) return NULL;
  if (length < 1 || length > INT32_MAX) return no(im, "an empty Fourier transform");
  Transform f = {.length = length, .parts = (int)x->size[last], .inverse = onnx_int(node, "inverse", 0) != 0};
  const bool half = onnx_int(node, "onesided", 0) != 0;
  if (half && (f.inverse || f.parts == 2)) return no(im, "onesided=1 with complex numbers");
  f.in = x->size[axis];
  f.out = half ? length / 2 + 1 : length;
  int chan[2] = {(int)axis, last}, pos[MOST_DIMS], npos = 0;
  for (int d = 0; d < last; d++)
    if (d != axis && x->size[d] > 1 && !factors_batch(&x->along[d])) pos[npos++] = d;
  Value *v = lay(im, x, 2, chan, npos, pos, true);
  if (!v) return NULL;
  if (length < f.in) {
    Shape to = v->shape;
    to.dim[npos] = length * f.parts;
    v = emit_one(im, v, to, "slice(0..%lld)", (long long)to.dim[npos]);
    f.in = length;
  }
  const bool fast = half && f.in == length && length >= FAST_FROM && (length & (length - 1)) == 0;
  const Tensor *w = fast ? NULL : transform_matrix(im, &f);
  if (!fast && !w) return NULL;
  v = fast ? fast_rows(im, v, &f) : frozen_product(im, node, v, w);
  View *y = view_laid(im, x, v, (int)axis, npos, pos);
  y->size[axis] = f.out;
  y->along[axis] = factors_one(npos, 2, f.out);
  y->size[last] = 2;
  y->along[last] = factors_one(npos, 1, 2);
  return y;
}

/* ---- STFT ---- */
/* The name of this window in cnnc's stft, or NULL. */
static const char *window_name(const double *window, int64_t n) {
  static const struct {
    const char *name;
    double a;
    int less; /* a window of n samples has the period `n - less` */
  } known[] = {{"ones", 1, 0},
               {"hann", 0.5, 0},
               {"hann_symmetric", 0.5, 1},
               {"hamming", 0.54, 0},
               {"hamming_symmetric", 0.54, 1}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    const double a = known[k].a, turn = TURN / (double)(n - known[k].less);
    int64_t i = 0;
    while (i < n && fabs(window[i] - (a - (1 - a) * cos(turn * (double)i))) < 1e-6) i++;
    if (i == n) return known[k].name;
  }
  return NULL;
}

static Value *frames_by_matrix(ModelImport *im, const OnnxNode *node, Value *v, const Transform *f,
                               int64_t step, Shape to) {
  const Tensor *w = transform_matrix(im, f);
  if (!w) return NULL;
  const int64_t dim[] = {w->dim[0], 1, w->dim[1], 1};
  const char *layer = layer_of(im, node, -1);
  v = emit_one(im, v, to, "conv(%lld, %lld, stride=%lld, bias=false, frozen=true, name=\"%s\")",
               (long long)w->dim[0], (long long)f->in, (long long)step, layer);
  put_weight(im, layer, "weight", w, 3, dim);
  return v;
}

/* Inputs: the signal [batch][length][1], the step, the window, and the length of a frame. */
View *import_stft(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *window = constant_of(im, node, 2);
  if (!x) return NULL;
  if (x->rank < 2 || x->rank > 3 || (x->rank == 3 && x->size[2] != 1))
    return no(im, "an STFT of complex numbers");
  if (given(node, 2) && !window) return no(im, "a computed window");
  const int64_t step = one_number(im, node, 1, "frame_step", 0);
  const int64_t size = one_number(im, node, 3, "frame_length", window ? window->n : x->size[1]);
  if (im->why) return NULL;
  if (step < 1 || size < 2 || size > x->size[1] || (window && window->n != size))
    return no(im, "frames with an invalid size");
  if (!may_compute(im, sizeof(double) * (size_t)size)) return NULL;
  double *factor = NEW_ARRAY(im->arena, double, size);
  for (int64_t i = 0; i < size; i++) factor[i] = window ? tensor_number(window, i) : 1;
  const bool half = onnx_int(node, "onesided", 1) != 0;
  const Transform f = {
      .length = size, .in = size, .out = half ? size / 2 + 1 : size, .parts = 1, .window = factor};
  int pos = 1;
  Value *v = lay(im, x, 0, NULL, 1, &pos, false);
  if (!v) return NULL;
  const Shape to = shape_sequence((v->shape.dim[0] - size) / step + 1, 2 * f.out);
  const char *name = half ? window_name(factor, size) : NULL;
  if (name)
    v = emit_one(im, v, to, "stft(%lld, %lld, window=%s, give=complex)", (long long)size, (long long)step,
                 name);
  else v = frames_by_matrix(im, node, v, &f, step, to);
  if (!v) return NULL;
  View *y = view_new(im, v, 4);
  y->size[0] = x->size[0];
  y->along[0] = x->along[0];
  view_set(y, 1, 0);
  y->size[2] = f.out;
  y->along[2] = factors_one(1, 2, f.out);
  y->size[3] = 2;
  y->along[3] = factors_one(1, 1, 2);
  return y;
}
