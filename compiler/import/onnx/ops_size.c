/* ops_size.c: Import of Pad, Resize, Upsample, DepthToSpace and SpaceToDepth. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"

/* ---- padding ---- */
typedef struct Pads {
  /* by dimension of the tensor: number of elements to add at the start (low) and at the end (high) */
  int64_t low[MOST_DIMS], high[MOST_DIMS];
  const char *mode; /* the mode's name in the language */
  /* infinite: the padding number if it is infinite (`value` is then 0); otherwise 0 */
  double value, infinite;
} Pads;

static bool pad_mode(ModelImport *im, const OnnxNode *node, Pads *p) {
  const Tensor *value = constant_of(im, node, 2);
  const char *mode = onnx_text(node, "mode", "constant");
  const bool constant = strcmp(mode, "constant") == 0;
  p->mode = constant ? "zero" : mode;
  if (!constant && strcmp(mode, "reflect") != 0 && strcmp(mode, "edge") != 0)
    return no(im, "padding by mode %s", mode), false;
  if (given(node, 2) && !value) return no(im, "padding with a computed value"), false;
  if (constant) p->value = value && value->n ? tensor_number(value, 0) : onnx_float(node, "value", 0);
  if (isinf(p->value)) p->infinite = p->value, p->value = 0;
  return isfinite(p->value) || (no(im, "padding with NaN"), false);
}

static bool read_pads(ModelImport *im, const OnnxNode *node, const View *x, Pads *p) {
  int64_t pads[2 * MOST_DIMS];
  const Tensor *t = constant_of(im, node, 1), *axes = constant_of(im, node, 3);
  const WireInts *list = onnx_ints(node, "pads") ? onnx_ints(node, "pads") : onnx_ints(node, "paddings");
  if (given(node, 1) && !t) return no(im, "computed padding"), false;
  if (!t && !list) return no(im, "missing padding"), false;
  const int64_t n = (t ? t->n : list->n) / 2;
  if (n > x->rank || (axes && axes->n != n) || (!axes && n != x->rank))
    return no(im, "padding without two numbers per axis"), false;
  for (int i = 0; i < 2 * n; i++) {
    pads[i] = t ? tensor_integer(t, i) : list->data[i];
    if (pads[i] < -INT32_MAX || pads[i] > INT32_MAX) return no(im, "invalid padding"), false;
  }
  for (int i = 0; i < n; i++) {
    int64_t d = axes ? tensor_integer(axes, i) : i;
    if (d < 0) d += x->rank;
    if (d < 0 || d >= x->rank) return no(im, "an invalid axis"), false;
    p->low[d] = pads[i];
    p->high[d] = pads[i + n];
  }
  return pad_mode(im, node, p);
}

/* Number of elements to add at the start (low) and at the end (high) of each axis of a value; a negative
 * number crops. The last axis is the channels. */
typedef struct Border {
  int64_t low[3], high[3];
} Border;

static int64_t resized_part(int64_t size, int sign) { return sign * size > 0 ? sign * size : 0; }

/* The argument with the numbers of positions to add (sign 1) or to crop (sign -1) on each side; NULL: all
 * these numbers are 0. */
static const char *border_sides(ModelImport *im, const Border *b, int n, int sign, Shape *to) {
  bool any = false, equal = true;
  Text list = {.arena = im->arena};
  for (int a = 0; a < n; a++) {
    const int64_t l = resized_part(b->low[a], sign), h = resized_part(b->high[a], sign);
    to->dim[a] += sign * (l + h);
    any = any || l || h;
    equal = equal && l == h && l == resized_part(b->low[0], sign);
    text_put(&list, "%s%lld, %lld", a ? ", " : "", (long long)l, (long long)h);
  }
  if (!any) return NULL;
  return equal ? arena_printf(im->arena, "%lld", (long long)resized_part(b->low[0], sign))
               : arena_printf(im->arena, "[%s]", list.s);
}

static Value *take_off(ModelImport *im, Value *v, const Border *b) {
  const int c = v->shape.rank - 1;
  const int64_t from = resized_part(b->low[c], -1), to = v->shape.dim[c] - resized_part(b->high[c], -1);
  Shape shape = v->shape;
  const char *list = border_sides(im, b, c, -1, &shape);
  for (int a = 0; a < c; a++)
    if (shape.dim[a] < 1) return no(im, "padding that removes all elements");
  if (from >= to) return no(im, "padding that removes all elements");
  if (list) v = emit_one(im, v, shape, "crop(%s)", list);
  shape.dim[c] = to - from;
  const bool part = shape.dim[c] != v->shape.dim[c];
  return part ? emit_one(im, v, shape, "slice(%lld..%lld)", (long long)from, (long long)to) : v;
}

/* Pads the channels. For this purpose, the channels become the columns of an image. */
static Value *pad_value_columns(ModelImport *im, Value *v, int64_t before, int64_t behind, const Pads *p) {
  Shape to = v->shape;
  const int c = to.rank - 1;
  const int64_t columns = to.dim[c], rows = shape_elements(to) / columns;
  const Shape narrow = shape_image(rows, columns, 1), wide = shape_image(rows, columns + before + behind, 1);
  Text call = {.arena = im->arena};
  text_put(&call, "zero_pad([0, 0, %lld, %lld]", (long long)before, (long long)behind);
  if (strcmp(p->mode, "zero") != 0) text_put(&call, ", mode=%s", p->mode);
  if (p->value != 0) text_put(&call, ", value=%s", number_text(im->arena, p->value));
  to.dim[c] = columns + before + behind;
  v = emit_one(im, reshaped(im, v, narrow), wide, "%s)", call.s);
  return reshaped(im, v, to);
}

static Value *put_on(ModelImport *im, Value *v, const Border *b, const Pads *p) {
  const int c = v->shape.rank - 1;
  const int64_t before = resized_part(b->low[c], 1), behind = resized_part(b->high[c], 1);
  Shape shape = v->shape;
  const char *list = c ? border_sides(im, b, c, 1, &shape) : NULL;
  const bool zero = strcmp(p->mode, "zero") == 0;
  shape.dim[c] += before + behind;
  if (!list && !before && !behind) return v;
  if (!c) return pad_value_columns(im, v, before, behind, p);
  if (!zero && (before || behind)) {
    if (list) {
      shape.dim[c] -= before + behind;
      v = emit_one(im, v, shape, "zero_pad(%s, mode=%s)", list, p->mode);
    }
    return pad_value_columns(im, v, before, behind, p);
  }
  Text call = {.arena = im->arena};
  text_put(&call, "zero_pad(%s", list ? list : "0");
  if (!zero) text_put(&call, ", mode=%s", p->mode);
  if (p->value != 0) text_put(&call, ", value=%s", number_text(im->arena, p->value));
  if (before || behind) text_put(&call, ", channels=[%lld, %lld]", (long long)before, (long long)behind);
  return emit_one(im, v, shape, "%s)", call.s);
}

/* For a tensor of quantized integers: replaces the padding number by the real number that it represents. */
static bool real_padding(ModelImport *im, const OnnxNode *node, const View *x, Pads *p) {
  const TensorType type = im->item[node->in[0]].bytes;
  const Quant *quant = quant_of(x->value);
  if (!type) return true;
  if (!quant) return no(im, "integers whose scale is unknown"), false;
  p->value = (p->value - (double)(quant->zero - quant_shift(type))) * (double)quant->scale;
  return true;
}

/* Adds the infinite padding number to the border of a value that was padded with zeros. */
static View *with_infinite_border(ModelImport *im, const OnnxNode *node, const View *y, const Pads *p) {
  int64_t dim[MOST_DIMS];
  for (int d = 0; d < y->rank; d++) dim[d] = p->low[d] || p->high[d] ? y->size[d] : 1;
  Tensor *t = constant_new(im, TENSOR_FLOAT, y->rank, dim);
  if (!t) return NULL;
  for (int64_t i = 0; i < t->n; i++) {
    bool border = false;
    int64_t at = i;
    for (int d = y->rank - 1; d >= 0; d--) {
      const int64_t k = at % dim[d];
      border = border || (dim[d] > 1 && (k < p->low[d] || k >= dim[d] - p->high[d]));
      at /= dim[d];
    }
    tensor_put(t, i, border ? p->infinite : 0);
  }
  Value *border = constant_operand(im, node, 2, t, y);
  if (!border) return NULL;
  Value *both[] = {y->value, border};
  return view_copy(im, y, emit(im, 2, both, y->value->shape, "add(%%1)"));
}

static bool is_padded(const Pads *p, int d) { return p->low[d] || p->high[d]; }

/* The axes of the value that are the dimensions of a tensor in the standard layout, or in one where the
 * innermost dimension in memory is the channels: for steps that were stacked along the first dimension. */
static const View *laid_to_pad(ModelImport *im, const View *x, const Pads *p, int axis[MOST_DIMS]) {
  const int last = x->value->shape.rank - 1;
  int chan = x->rank - 1, pos[MOST_DIMS], npos = 0;
  const bool standard = !x->along[0].n || factors_batch(&x->along[0]);
  for (int d = 0; d < x->rank; d++)
    if (x->along[d].n && x->along[d].f[x->along[d].n - 1].axis == last) chan = d;
  for (int d = 0; d < x->rank; d++)
    if (d != chan && (is_padded(p, d) || (x->along[d].n && !factors_batch(&x->along[d])))) pos[npos++] = d;
  Value *v = standard ? lay_standard(im, x) : lay(im, x, 1, &chan, npos, pos, false);
  if (!v) return NULL;
  for (int d = 1; standard && d < x->rank; d++) axis[d] = d == 1 ? v->shape.rank - 1 : d - 2;
  for (int k = 0; !standard && k < npos; k++) axis[pos[k]] = k;
  if (!standard) axis[chan] = npos;
  return standard ? view_standard(im, v, x, x->rank) : view_laid(im, x, v, chan, npos, pos);
}

View *import_pad(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  Pads p = {0};
  if (!x || !read_pads(im, node, x, &p) || !real_padding(im, node, x, &p)) return NULL;
  bool any = false, direct = true;
  int axis[MOST_DIMS];
  for (int d = 0; d < x->rank; d++) {
    axis[d] = x->along[d].n == 1 ? x->along[d].f[0].axis : BATCH;
    if (!is_padded(&p, d)) continue;
    any = true;
    direct = direct && axis[d] >= 0 && factors_whole(&x->along[d], x->value, axis[d]);
  }
  if (!any) return view_copy(im, x, x->value);
  if (is_padded(&p, 0) && (!x->along[0].n || factors_batch(&x->along[0])))
    return no(im, "padding of the batch");
  if (!direct && !(x = laid_to_pad(im, x, &p, axis))) return NULL;
  Border b = {{0}, {0}};
  int at[3] = {-1, -1, -1};
  const int c = x->value->shape.rank - 1;
  for (int d = 0; d < x->rank; d++) {
    if (!is_padded(&p, d)) continue;
    at[axis[d]] = d;
    b.low[axis[d]] = p.low[d];
    b.high[axis[d]] = p.high[d];
  }
  Value *v = take_off(im, x->value, &b);
  if (v) v = put_on(im, v, &b, &p);
  if (!v) return NULL;
  View *to = view_copy(im, x, v);
  for (int a = 0; a <= c; a++)
    if (at[a] >= 0) view_set(to, at[a], a);
  return p.infinite != 0 ? with_infinite_border(im, node, to, &p) : to;
}

/* ---- resizing ---- */
typedef struct Sizes {
  int n; /* number of axes of positions */
  int64_t in[2], out[2];
  bool exact; /* no size was rounded when it was computed from a factor */
} Sizes;

static bool read_sizes(ModelImport *im, const OnnxNode *node, const View *x, Sizes *s) {
  const bool early = strcmp(node->op, "Upsample") == 0 || node->nin == 2;
  const Tensor *scales = constant_of(im, node, early ? 1 : 2),
               *sizes = early ? NULL : constant_of(im, node, 3);
  const AttributeProto *attribute = onnx_attribute(node, "scales");
  const WireInts *axes = onnx_ints(node, "axes");
  if ((given(node, 3) && !sizes) || (given(node, early ? 1 : 2) && !scales))
    return no(im, "a computed size"), false;
  const bool by_size = sizes && sizes->n;
  const int64_t n = by_size     ? sizes->n
                    : scales    ? scales->n
                    : attribute ? (int64_t)(attribute->floats.n / 4)
                                : 0;
  if (n != (axes ? axes->n : x->rank)) return no(im, "a missing size"), false;
  s->exact = true;
  for (int d = 0; d < x->rank; d++) {
    int64_t at = axes ? -1 : d, out = x->size[d];
    for (int i = 0; axes && i < axes->n; i++)
      if (axes->data[i] == d || axes->data[i] == d - x->rank) at = i;
    const double factor = by_size || at < 0 ? 1
                          : scales          ? tensor_number(scales, at)
                                            : (double)wire_float(attribute->floats.at + 4 * at);
    if (by_size && at >= 0) out = tensor_integer(sizes, at);
    else if (!(factor > 0 && factor < 1e6)) return no(im, "an invalid factor"), false;
    else out = (int64_t)floor((double)x->size[d] * factor + 1e-6);
    if (out < 1 || out > INT32_MAX) return no(im, "an invalid size"), false;
    if (!by_size) s->exact = s->exact && fabs((double)x->size[d] * factor - (double)out) < 1e-4;
    if (d < 2 && out != x->size[d]) return no(im, "a resize of the batch or channels"), false;
    if (d >= 2) s->out[d - 2] = out;
  }
  return true;
}

/* Index of the input element that ONNX selects for element `at` of the result; -1: unknown. */
static int64_t nearest_source(int64_t in, int64_t out, int64_t at, const char *how, const char *rounding) {
  const double factor = (double)out / (double)in, i = (double)at;
  double place;
  if (strcmp(how, "asymmetric") == 0) place = i / factor;
  else if (strcmp(how, "half_pixel") == 0) place = (i + 0.5) / factor - 0.5;
  else if (strcmp(how, "pytorch_half_pixel") == 0) place = out > 1 ? (i + 0.5) / factor - 0.5 : 0;
  else if (strcmp(how, "align_corners") == 0) place = out > 1 ? i * (double)(in - 1) / (double)(out - 1) : 0;
  else return -1;
  if (fabs(place - rint(place)) < 1e-6) place = rint(place);
  const double from = strcmp(rounding, "floor") == 0               ? floor(place)
                      : strcmp(rounding, "ceil") == 0              ? ceil(place)
                      : strcmp(rounding, "round_prefer_ceil") == 0 ? floor(place + 0.5)
                                                                   : ceil(place - 0.5);
  return from < 0 ? 0 : from < (double)in ? (int64_t)from : in - 1;
}

enum { MOST_PLACES = 1 << 20 };

/* Number of result elements after which the pattern of their source positions repeats. */
static int64_t resize_period(int64_t in, int64_t out, const char *how) {
  if (strcmp(how, "align_corners") == 0) return out;
  int64_t a = in, b = out;
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return out / a;
}

/* Whether the language's resize selects the same elements as the node. For element i of the result it selects
 * element i * in / out, rounded down or, with `exact`, the element with the nearest center. Checks the first
 * and the last period. */
static bool nearest_fits(const Sizes *s, bool exact, const char *how, const char *rounding) {
  for (int a = 0; a < s->n; a++) {
    const int64_t in = s->in[a], out = s->out[a], period = resize_period(in, out, how);
    if (period > MOST_PLACES) return false;
    for (int64_t i = 0; i < 2 * period; i++) {
      const int64_t at = i < period ? i : out - 1 - (i - period);
      const int64_t ours = exact ? (2 * at + 1) * in / (2 * out) : at * in / out;
      if (nearest_source(in, out, at, how, rounding) != ours) return false;
    }
  }
  return true;
}

static const char *size_text(ModelImport *im, const Sizes *s) {
  return s->n == 2 ? arena_printf(im->arena, "%lldx%lld", (long long)s->out[0], (long long)s->out[1])
                   : arena_printf(im->arena, "%lld", (long long)s->out[0]);
}

static const char *resized_nearest(ModelImport *im, const Sizes *s, const char *how, const char *rounding) {
  bool whole = true;
  for (int a = 0; a < s->n; a++) whole = whole && s->out[a] % s->in[a] == 0;
  const bool below = nearest_fits(s, false, how, rounding);
  if (!s->exact || (!below && !nearest_fits(s, true, how, rounding)))
    return no(im, "a nearest resize with %s and %s", how, rounding);
  const long long h = s->out[0] / s->in[0], w = s->n == 2 ? s->out[1] / s->in[1] : h;
  if (whole && below) return arena_printf(im->arena, h == w ? "upsample(%lld)" : "upsample(%lldx%lld)", h, w);
  return arena_printf(im->arena, "resize(%s, mode=%s)", size_text(im, s),
                      below ? "nearest" : "nearest_exact");
}

/* The call of a linear or cubic resize; NULL after no(). */
static const char *resized_between(ModelImport *im, const OnnxNode *node, const Sizes *s, const char *how,
                                   bool cubic) {
  bool large = true;
  for (int a = 0; a < s->n; a++) large = large && s->out[a] > 1;
  const char *mode = cubic ? "cubic" : "linear";
  const bool corners = strcmp(how, "align_corners") == 0;
  const bool half = strcmp(how, "half_pixel") == 0 || (strcmp(how, "pytorch_half_pixel") == 0 && large);
  if (!corners && !half) return no(im, "a %s resize with %s", mode, how);
  if (cubic && fabs(onnx_float(node, "cubic_coeff_a", -0.75) + 0.75) > 1e-6)
    return no(im, "a cubic resize with a coefficient other than -3/4");
  if (onnx_int(node, "exclude_outside", 0)) return no(im, "a resize with exclude_outside");
  if (!s->exact) return no(im, "a resize to a fractional size");
  return arena_printf(im->arena, "resize(%s%s%s)", size_text(im, s), cubic ? ", mode=cubic" : "",
                      corners ? ", corners=true" : "");
}

View *import_resize(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const bool early = strcmp(node->op, "Upsample") == 0 || node->nin == 2;
  const char *mode = onnx_text(node, "mode", "nearest");
  const char *how = onnx_text(node, "coordinate_transformation_mode", early ? "asymmetric" : "half_pixel");
  const char *rounding = onnx_text(node, "nearest_mode", early ? "floor" : "round_prefer_floor");
  Sizes s = {0};
  if (!x) return NULL;
  if (x->rank != 3 && x->rank != 4)
    return no(im, "a resize of %s", text_counted(im->arena, x->rank, "dimension"));
  if (onnx_int(node, "antialias", 0)) return no(im, "a resize with antialias");
  if (strcmp(onnx_text(node, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0)
    return no(im, "a resize that keeps the aspect ratio");
  if (!read_sizes(im, node, x, &s)) return NULL;
  Value *v = lay_standard(im, x);
  if (!v) return NULL;
  s.n = v->shape.rank - 1;
  Shape to = v->shape;
  for (int a = 0; a < s.n; a++) {
    s.in[a] = v->shape.dim[a];
    to.dim[a] = s.out[a];
  }
  const char *call = strcmp(mode, "nearest") == 0 ? resized_nearest(im, &s, how, rounding)
                     : strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0
                         ? resized_between(im, node, &s, how, false)
                     : strcmp(mode, "cubic") == 0 ? resized_between(im, node, &s, how, true)
                                                  : no(im, "a %s resize", mode);
  return call ? view_standard(im, emit_one(im, v, to, "%s", call), x, x->rank) : NULL;
}

/* The tensor whose blocks of k x k pixels are moved; NULL after no(). */
static const View *blocks(ModelImport *im, const OnnxNode *node, int64_t *k) {
  const View *x = view_of(im, node, 0);
  *k = onnx_int(node, "blocksize", 0);
  if (!x) return NULL;
  if (x->rank != 4) return no(im, "blocks of a value that is not an image");
  const bool depth = strcmp(node->op, "DepthToSpace") == 0;
  const bool fits = *k >= 1 && *k <= 1024 &&
                    (depth ? x->size[1] % (*k * *k) == 0 : x->size[2] % *k == 0 && x->size[3] % *k == 0);
  return fits ? x : no(im, "an invalid or unsupported block size");
}

/* Whether the model computes a dilated convolution by parts of an image: the first dimension is not the
 * batch, or is exchanged with the parts, or the parts are positions of the value. The view then moves the
 * blocks. */
static bool moved_by_view(const ModelImport *im, const OnnxNode *node, const View *x) {
  const OnnxNode *next = node_reading(im, node->out[0]);
  const WireInts *perm = next && strcmp(next->op, "Transpose") == 0 ? onnx_ints(next, "perm") : NULL;
  const int last = x->value->shape.rank - 1;
  if (x->along[0].n && !factors_batch(&x->along[0])) return true;
  if (x->along[1].n && x->along[1].f[0].axis != last) return true;
  return x->size[1] == 1 && perm && perm->n == 4 && perm->data[0] == 1;
}

/* Splits dimensions, permutes the parts and joins them to four dimensions. */
static View *view_of_blocks(ModelImport *im, const View *x, const int64_t *parts, const int *from,
                            const int64_t *size) {
  const View *apart = view_reshape(im, x, 6, parts);
  return apart ? view_reshape(im, view_permute(im, apart, from, 6), 4, size) : NULL;
}

View *import_depth_to_space(ModelImport *im, const OnnxNode *node) {
  int64_t k;
  const View *x = blocks(im, node, &k);
  if (!x) return NULL;
  const bool columns_first = strcmp(onnx_text(node, "mode", "DCR"), "CRD") == 0;
  const int64_t n = x->size[0], c = x->size[1] / (k * k), h = x->size[2], w = x->size[3];
  if (moved_by_view(im, node, x)) {
    const int64_t dcr[] = {n, k, k, c, h, w}, crd[] = {n, c, k, k, h, w}, size[] = {n, c, h * k, w * k};
    const int from_dcr[] = {0, 3, 4, 1, 5, 2}, from_crd[] = {0, 1, 4, 2, 5, 3};
    return view_of_blocks(im, x, columns_first ? crd : dcr, columns_first ? from_crd : from_dcr, size);
  }
  Value *v = lay_standard(im, x);
  const char *order = columns_first ? "crd" : "dcr";
  return v ? view_standard(im,
                           emit_one(im, v, shape_image(h * k, w * k, c), "depth_to_space(%lld, order=%s)",
                                    (long long)k, order),
                           x, 4)
           : NULL;
}

View *import_space_to_depth(ModelImport *im, const OnnxNode *node) {
  int64_t k;
  const View *x = blocks(im, node, &k);
  if (!x) return NULL;
  const int64_t n = x->size[0], c = x->size[1], h = x->size[2] / k, w = x->size[3] / k;
  if (moved_by_view(im, node, x)) {
    const int64_t parts[] = {n, c, h, k, w, k}, size[] = {n, k * k * c, h, w};
    const int from[] = {0, 3, 5, 1, 2, 4};
    return view_of_blocks(im, x, parts, from, size);
  }
  Value *v = lay_standard(im, x);
  return v ? view_standard(im,
                           emit_one(im, v, shape_image(h, w, c * k * k), "space_to_depth(%lld, order=dcr)",
                                    (long long)k),
                           x, 4)
           : NULL;
}
