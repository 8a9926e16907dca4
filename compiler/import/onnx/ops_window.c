/* ops_window.c: Import of convolutions, pooling and RoiAlign. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/products.h"

typedef struct Window2 { /* a window of one or two axes */
  int n;
  int64_t kernel[2], stride[2], dilation[2], before[2], after[2], in[2], out[2];
  bool same;
  int pos[2];       /* the tensor's dimensions along which the window moves */
  int64_t rows;     /* number of images if the images are a part of the value and not a batch; otherwise 1 */
  int64_t block[2]; /* see image_of_parts */
} Window2;

static bool ints_of(ModelImport *im, const OnnxNode *node, const char *name, int n, int64_t *to) {
  const WireInts *list = onnx_ints(node, name);
  if (!list || list->n == 0) return true;
  if (list->n != n) return no(im, "%s of %s", name, text_counted(im->arena, list->n, "number")), false;
  for (int i = 0; i < n; i++) {
    to[i] = list->data[i];
    if (to[i] < -INT32_MAX || to[i] > INT32_MAX) return no(im, "%s are out of range", name), false;
  }
  return true;
}

static bool read_window(ModelImport *im, const OnnxNode *node, Window2 *w) {
  int64_t pads[4] = {0};
  const char *automatic = onnx_text(node, "auto_pad", "NOTSET");
  for (int k = 0; k < w->n; k++) w->stride[k] = w->dilation[k] = 1;
  if (!ints_of(im, node, "strides", w->n, w->stride) || !ints_of(im, node, "dilations", w->n, w->dilation) ||
      !ints_of(im, node, "pads", 2 * w->n, pads))
    return false;
  w->same = strncmp(automatic, "SAME", 4) == 0;
  for (int k = 0; k < w->n; k++) {
    if (w->kernel[k] < 1 || w->stride[k] < 1 || w->dilation[k] < 1)
      return no(im, "a kernel, stride or dilation below 1"), false;
    w->before[k] = strcmp(automatic, "VALID") == 0 ? 0 : pads[k];
    w->after[k] = strcmp(automatic, "VALID") == 0 ? 0 : pads[k + w->n];
    if (w->before[k] < 0 || w->after[k] < 0) return no(im, "negative padding"), false;
  }
  return true;
}

static void window_input(Window2 *w, Shape in) {
  for (int k = 0; k < w->n; k++) w->in[k] = in.dim[k];
}

static void pad_same(Window2 *w, bool upper) {
  for (int k = 0; k < w->n; k++) {
    const int64_t out = (w->in[k] + w->stride[k] - 1) / w->stride[k];
    int64_t pad = (out - 1) * w->stride[k] + w->dilation[k] * (w->kernel[k] - 1) + 1 - w->in[k];
    if (pad < 0) pad = 0;
    w->before[k] = upper ? pad / 2 : pad - pad / 2;
    w->after[k] = pad - w->before[k];
  }
}

static bool count_out(ModelImport *im, Window2 *w, bool ceil) {
  for (int k = 0; k < w->n; k++) {
    const int64_t room = w->in[k] + w->before[k] + w->after[k] - w->dilation[k] * (w->kernel[k] - 1) - 1;
    if (room < 0) return no(im, "a window larger than its input"), false;
    w->out[k] = room / w->stride[k] + 1;
    if (ceil && room % w->stride[k]) w->out[k]++;
    if (ceil && (w->out[k] - 1) * w->stride[k] >= w->in[k] + w->before[k]) w->out[k]--;
  }
  return true;
}

static Shape shape_out(const Window2 *w, int64_t channels) {
  return w->n == 2 ? shape_image(w->out[0], w->out[1], channels) : shape_sequence(w->out[0], channels);
}

static const char *pair_text(Arena *arena, int n, const int64_t *v) {
  if (n == 1 || v[0] == v[1]) return arena_printf(arena, "%lld", (long long)v[0]);
  return arena_printf(arena, "%lldx%lld", (long long)v[0], (long long)v[1]);
}

static void put_pad(Text *out, const Window2 *w) {
  const long long t = w->before[0], b = w->after[0], l = w->before[1], r = w->after[1];
  if (w->n == 1 && (t || b)) text_put(out, t == b ? ", pad=%lld" : ", pad=[%lld, %lld]", t, b);
  if (w->n == 1 || (!t && !b && !l && !r)) return;
  if (t == b && l == r && t == l) text_put(out, ", pad=%lld", t);
  else if (t == b && l == r) text_put(out, ", pad=[%lld, %lld]", t, l);
  else text_put(out, ", pad=[%lld, %lld, %lld, %lld]", t, b, l, r);
}

static const char *window_text(Arena *arena, const Window2 *w, bool pooling) {
  Text text = {.arena = arena};
  const long long h = w->kernel[0], x = w->kernel[1];
  if (w->n == 2) text_put(&text, "%lldx%lld", h, x);
  else text_put(&text, "%lld", h);
  const bool step = w->stride[0] != 1 || (w->n == 2 && w->stride[1] != 1);
  if (step || pooling) text_put(&text, ", stride=%s", pair_text(arena, w->n, w->stride));
  put_pad(&text, w);
  if (w->dilation[0] != 1 || (w->n == 2 && w->dilation[1] != 1))
    text_put(&text, ", dilation=%s", pair_text(arena, w->n, w->dilation));
  return text.s;
}

/* Sets the axes of the window: the dimensions after the channels. If the first dimension of a sequence is not
 * a batch, this dimension is also an axis of the window. The window has size 1 along this axis, because each
 * index of the dimension is a separate sequence. */
static void find_positions(const View *x, Window2 *w) {
  w->pos[0] = 2;
  w->pos[1] = 3;
  if (w->n > 1 || !x->along[0].n || factors_batch(&x->along[0])) return;
  int64_t *const each[] = {w->kernel, w->stride, w->dilation, w->before, w->after};
  for (int i = 0; i < 5; i++) {
    each[i][1] = each[i][0];
    each[i][0] = i < 3;
  }
  w->n = 2;
  w->pos[0] = 0;
  w->pos[1] = 2;
}

/* A dilated convolution may be written as a convolution of parts of an image (SpaceToBatch): pixel (y, x) of
 * part (i, k) is pixel (y * block[0] + i, x * block[1] + k) of the image. If the first dimension of x counts
 * such parts, sets `block` and returns the image. Otherwise NULL. */
static const View *image_of_parts(ModelImport *im, const View *x, int64_t block[2]) {
  View *to = view_copy(im, x, x->value);
  block[0] = block[1] = 1;
  for (int i = 0; i < x->along[0].n; i++) {
    const Factor f = x->along[0].f[i];
    int d = 2;
    while (d < x->rank && (x->along[d].n != 1 || x->along[d].f[0].axis != f.axis ||
                           x->along[d].f[0].inner != f.inner * f.size))
      d++;
    if (d == x->rank || f.axis == BATCH || block[d - 2] != 1) return NULL;
    factors_push(&to->along[d], f);
    to->size[d] *= block[d - 2] = f.size;
  }
  to->size[0] = 1;
  to->along[0].n = 0;
  return x->along[0].n ? to : NULL;
}

/* The parts of the image y, in the order of the parts x. */
static View *parts_of_image(ModelImport *im, const View *y, const View *x, const int64_t block[2]) {
  View *to = view_copy(im, y, y->value);
  to->size[0] = x->size[0];
  for (int i = 0; i < x->along[0].n; i++) {
    int d = 2;
    while (x->along[d].n != 1 || x->along[d].f[0].axis != x->along[0].f[i].axis) d++;
    const int axis = y->along[d].f[0].axis;
    factors_push(&to->along[0], (Factor){axis, 1, block[d - 2]});
    to->size[d] = y->size[d] / block[d - 2];
    to->along[d] = (Factors){0};
    factors_push(&to->along[d], (Factor){axis, block[d - 2], to->size[d]});
  }
  return to;
}

/* Lays out the value for the window, and sets the members of the window that depend on the value's size. NULL
 * after no(). */
static Value *lay_window(ModelImport *im, const OnnxNode *node, const View *x, Window2 *w, bool pointwise) {
  static const int channels[] = {1};
  bool steps = w->same; /* whether the window moves by several elements, or its padding depends on the size */
  for (int k = 0; k < w->n; k++) steps = steps || w->stride[k] != 1;
  const View *image = steps ? NULL : image_of_parts(im, x, w->block);
  if (image) {
    for (int k = 0; k < w->n; k++) {
      w->dilation[k] *= w->block[k];
      w->before[k] *= w->block[k];
      w->after[k] *= w->block[k];
    }
    x = image;
  } else w->block[0] = w->block[1] = 1;
  find_positions(x, w);
  w->rows = w->n == 2 ? rows_of_images(x) : 1;
  Value *v = w->rows > 1 ? lay_images(im, x, pointwise) : lay(im, x, 1, channels, w->n, w->pos, pointwise);
  if (!v) return NULL;
  window_input(w, v->shape);
  if (w->same) pad_same(w, strcmp(onnx_text(node, "auto_pad", ""), "SAME_UPPER") == 0);
  return v;
}

static Shape shape_of_windows(const Window2 *w, const Value *laid, int64_t channels) {
  const Shape out = shape_out(w, channels);
  return w->rows > 1 && laid->shape.parts ? shape_of_parts(w->rows, out) : out;
}

static View *view_windows(ModelImport *im, Value *v, const View *x, const Window2 *w) {
  if (w->block[0] * w->block[1] > 1) {
    View *image = view_copy(im, x, v);
    image->size[0] = 1;
    image->along[0].n = 0;
    return parts_of_image(im, view_laid(im, image, v, 1, w->n, w->pos), x, w->block);
  }
  return w->rows > 1 ? view_images(im, v, x) : view_laid(im, x, v, 1, w->n, w->pos);
}

/* ---- convolutions ---- */
static bool fits_kernel(ModelImport *im, const OnnxNode *node, const Tensor *weight) {
  const WireInts *shape = onnx_ints(node, "kernel_shape");
  bool fits = !shape || shape->n == 0 || shape->n == weight->rank - 2;
  Text asked = {.arena = im->arena}, own = {.arena = im->arena};
  for (int k = 0; shape && k < shape->n; k++) {
    fits = fits && shape->data[k] == weight->dim[k + 2];
    text_put(&asked, "%s%lld", k ? "x" : "", (long long)shape->data[k]);
  }
  for (int k = 2; k < weight->rank; k++)
    text_put(&own, "%s%lld", k > 2 ? "x" : "", (long long)weight->dim[k]);
  return fits || (no(im, "kernel_shape=%s, but its weights are %s", asked.s, own.s), false);
}

static bool window_weights(ModelImport *im, const OnnxNode *node, const Tensor **weight,
                           const Tensor **bias) {
  *weight = constant_of(im, node, 1);
  *bias = constant_of(im, node, 2);
  if (!*weight) return no(im, "computed weights"), false;
  if (given(node, 2) && !*bias) return no(im, "a computed bias"), false;
  if ((*weight)->rank > 4) return no(im, "more than two spatial dimensions"), false;
  if ((*weight)->n == 0) return no(im, "weights without numbers"), false;
  if ((*weight)->rank < 3)
    return no(im, "weights of %s", text_counted(im->arena, (*weight)->rank, "dimension")), false;
  return fits_kernel(im, node, *weight);
}

static const char *end_text(ModelImport *im, const Tensor *bias, const char *layer) {
  return arena_printf(im->arena, "%s, name=\"%s\")", bias ? "" : ", bias=false", layer);
}

/* If the only user of a convolution is an Add of one constant per channel: the constant, which becomes the
 * bias. The Add becomes an Identity. Otherwise NULL. */
static const Tensor *bias_behind(ModelImport *im, const OnnxNode *node, int64_t channels) {
  const int made = node->out[0];
  if (im->readers[made] != 1 || im->wanted[made]) return NULL;
  OnnxNode *next = node_reading(im, made);
  if (next->nin != 2 || strcmp(next->op, "Add") != 0) return NULL;
  const View *view = im->item[node->in[0]].view;
  const Tensor *t = view ? constant_beside(im, next, next->in[0] == made, view) : NULL;
  if (!t || t->n != channels || channels == 1) return NULL;
  const int c = t->rank - (view->rank - 1); /* the dimension of t that corresponds to the channels */
  if (c < 0 || t->dim[c] != channels) return NULL;
  next->op = "Identity";
  next->in[0] = made;
  next->nin = 1;
  return t;
}

View *import_conv(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *weight, *bias;
  if (!x || !window_weights(im, node, &weight, &bias)) return NULL;
  Window2 w = {.n = weight->rank - 2, .kernel = {weight->dim[2], weight->rank == 4 ? weight->dim[3] : 1}};
  if (x->rank != weight->rank)
    return no(im, "weights of %s", text_counted(im->arena, weight->rank, "dimension"));
  if (!read_window(im, node, &w)) return NULL;
  bool one = !w.same;
  for (int k = 0; k < w.n; k++)
    one = one && w.kernel[k] == 1 && w.stride[k] == 1 && w.before[k] + w.after[k] == 0;
  Value *v = lay_window(im, node, x, &w, one);
  if (!v || !count_out(im, &w, false)) return NULL;
  const int64_t groups = onnx_int(node, "group", 1), filters = weight->dim[0], channels = v->shape.dim[w.n];
  if (groups < 1 || channels % groups || weight->dim[1] != channels / groups || filters % groups)
    return no(im, "weights that do not match %lld channels", (long long)channels);
  if (!bias) bias = bias_behind(im, node, filters);
  if (bias && bias->n != filters) return no(im, "a bias of the wrong shape");
  Text call = {.arena = im->arena};
  const char *window = window_text(im->arena, &w, false), *layer = layer_of(im, node, 1);
  if (groups > 1 && groups == channels) {
    text_put(&call, "depthwise(%s", window);
    if (filters != groups) text_put(&call, ", multiplier=%lld", (long long)(filters / groups));
  } else {
    text_put(&call, "conv(%lld, %s", (long long)filters, window);
    if (groups > 1) text_put(&call, ", groups=%lld", (long long)groups);
  }
  v = emit_one(im, v, shape_of_windows(&w, v, filters), "%s%s", call.s, end_text(im, bias, layer));
  const int64_t dim[] = {filters, weight->dim[1], w.kernel[0], w.kernel[1]};
  put_weight(im, layer, "weight", weight, w.n + 2, dim);
  put_vector(im, layer, "bias", bias);
  return view_windows(im, v, x, &w);
}

/* Sets the size of the output. If output_shape or auto_pad=SAME defines the size (SAME: the stride times the
 * input's size), also sets the crop that produces this size. */
static bool transposed_size(ModelImport *im, const OnnxNode *node, Window2 *w, int64_t *more) {
  int64_t size[2];
  for (int k = 0; k < w->n; k++) size[k] = w->in[k] * w->stride[k];
  const bool asked = onnx_ints(node, "output_shape") && onnx_ints(node, "output_shape")->n;
  if (asked && !ints_of(im, node, "output_shape", w->n, size)) return false;
  const bool upper = strcmp(onnx_text(node, "auto_pad", ""), "SAME_UPPER") == 0;
  for (int k = 0; k < w->n; k++) {
    const int64_t full = (w->in[k] - 1) * w->stride[k] + w->dilation[k] * (w->kernel[k] - 1) + 1;
    if (asked || w->same) {
      int64_t cut = full + more[k] - size[k];
      if (cut < 0) more[k] -= cut, cut = 0;
      w->before[k] = upper ? cut / 2 : cut - cut / 2;
      w->after[k] = cut - w->before[k];
    }
    w->out[k] = full + more[k] - w->before[k] - w->after[k];
    if (w->out[k] < 1 || more[k] < 0) return no(im, "an output without elements"), false;
  }
  return true;
}

View *import_conv_transpose(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *weight, *bias;
  if (!x || !window_weights(im, node, &weight, &bias)) return NULL;
  Window2 w = {.n = weight->rank - 2, .kernel = {weight->dim[2], weight->rank == 4 ? weight->dim[3] : 1}};
  int64_t more[2] = {0, 0};
  Value *v = x->rank == weight->rank
                 ? lay_standard(im, x)
                 : no(im, "weights of %s", text_counted(im->arena, weight->rank, "dimension"));
  if (!v || !read_window(im, node, &w)) return NULL;
  window_input(&w, v->shape);
  if (!ints_of(im, node, "output_padding", w.n, more) || !transposed_size(im, node, &w, more)) return NULL;
  const int64_t groups = onnx_int(node, "group", 1), filters = weight->dim[1] * groups;
  if (groups < 1 || weight->dim[0] != v->shape.dim[w.n]) return no(im, "weights of the wrong shape");
  // The language has one output_pad for both axes. If ONNX's output_padding differs between the axes, fewer
  // elements are cropped at the end, or additional elements are added and then cropped.
  const bool differ = w.n == 2 && more[0] != more[1];
  int64_t beyond[2] = {0, 0};
  for (int k = 0; differ && k < 2; k++) {
    const int64_t within = more[k] < w.after[k] ? more[k] : w.after[k];
    w.after[k] -= within, more[k] -= within;
  }
  for (int k = 0; differ && k < 2; k++) beyond[k] = more[k] < more[1 - k] ? more[1 - k] - more[k] : 0;
  more[0] += beyond[0];
  if (bias && bias->n != filters) return no(im, "a bias of the wrong shape");
  const char *layer = layer_of(im, node, 1);
  Text call = {.arena = im->arena};
  text_put(&call, "conv_transpose(%lld, %s", (long long)filters, window_text(im->arena, &w, false));
  if (more[0]) text_put(&call, ", output_pad=%lld", (long long)more[0]);
  if (groups > 1) text_put(&call, ", groups=%lld", (long long)groups);
  const Shape exact = shape_out(&w, filters);
  for (int k = 0; k < w.n; k++) w.out[k] += beyond[k];
  v = emit_one(im, v, shape_out(&w, filters), "%s%s", call.s, end_text(im, bias, layer));
  put_weight(im, layer, "weight", weight, weight->rank, weight->dim);
  put_vector(im, layer, "bias", bias);
  if (beyond[0] || beyond[1])
    v = emit_one(im, v, exact, "crop([0, %lld, 0, %lld])", (long long)beyond[0], (long long)beyond[1]);
  return view_standard(im, v, x, x->rank);
}

/* ---- pooling ---- */
static View *global(ModelImport *im, const View *x, Value *v, const char *word) {
  const int64_t c = v->shape.dim[v->shape.rank - 1];
  const Shape to = v->shape.rank == 3 ? shape_image(1, 1, c) : shape_vector(c);
  v = emit_one(im, v, to, "%s", word);
  View *view = view_new(im, v, x->rank);
  view->size[0] = x->size[0];
  view->along[0] = x->along[0];
  view_set(view, 1, v->shape.rank - 1);
  return view;
}

View *import_pool(ModelImport *im, const OnnxNode *node) {
  const bool mean = strcmp(node->op, "AveragePool") == 0;
  const View *x = view_of(im, node, 0);
  const WireInts *kernel = onnx_ints(node, "kernel_shape");
  if (!x) return NULL;
  if (node->nout > 1 && node->out[1]) return no(im, "the indices of the maxima as an output");
  if (!kernel || kernel->n < 1 || kernel->n > 2) return no(im, "more than two spatial dimensions");
  Window2 w = {.n = kernel->n, .kernel = {kernel->data[0], kernel->n == 2 ? kernel->data[1] : 1}};
  if (x->rank != w.n + 2) return no(im, "a window of %s", text_counted(im->arena, w.n, "dimension"));
  if (!read_window(im, node, &w)) return NULL;
  const bool ceil = onnx_int(node, "ceil_mode", 0) != 0;
  Value *v = lay_window(im, node, x, &w, false);
  if (!v || !count_out(im, &w, ceil)) return NULL;
  bool padded = false, all = mean && w.rows == 1;
  for (int k = 0; k < w.n; k++) {
    padded = padded || w.before[k] || w.after[k];
    all = all && w.kernel[k] == w.in[k] && w.out[k] == 1;
  }
  if (all && !padded) return global(im, x, v, "global_avgpool");
  const bool count = mean && padded && onnx_int(node, "count_include_pad", 0);
  v = emit_one(im, v, shape_of_windows(&w, v, v->shape.dim[w.n]), "%s(%s%s%s)", mean ? "avgpool" : "maxpool",
               window_text(im->arena, &w, true), ceil ? ", ceil=true" : "", count ? ", count_pad=true" : "");
  return view_windows(im, v, x, &w);
}

View *import_global(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  Value *v = x ? lay_standard(im, x) : NULL;
  return v ? global(im, x, v, onnx_operator(node->op)->word) : NULL;
}

/* ---- regions ---- */
/* Computes the features inside each box. In the result, each box is an image. */
View *import_roi_align(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0), *boxes = view_of(im, node, 1);
  const Tensor *image = constant_of(im, node, 2);
  const int dims[] = {0, 1};
  const int64_t samples = onnx_int(node, "sampling_ratio", 0), h = onnx_int(node, "output_height", 1),
                w = onnx_int(node, "output_width", 1);
  if (!x || !boxes) return NULL;
  if (x->rank != 4 || x->size[0] != 1 || x->value->regions) return no(im, "regions of more than one image");
  for (int64_t i = 0; image && i < image->n; i++)
    if (tensor_integer(image, i) != 0) return no(im, "regions of more than one image");
  if (boxes->rank != 2 || boxes->size[1] != 4 || !in_memory_order(boxes, 2, dims))
    return no(im, "boxes that are not rows of four numbers");
  if (strcmp(onnx_text(node, "mode", "avg"), "avg") != 0)
    return no(im, "mode=%s", onnx_text(node, "mode", "avg"));
  if (samples < 1)
    return no(im, "sampling_ratio=%lld; a fixed number of samples is needed", (long long)samples);
  const char *at = onnx_text(node, "coordinate_transformation_mode",
                             im->onnx->opset < 16 ? "output_half_pixel" : "half_pixel");
  const bool aligned = strcmp(at, "half_pixel") == 0;
  if (!aligned && strcmp(at, "output_half_pixel") != 0)
    return no(im, "coordinate_transformation_mode=%s", at);
  Value *both[] = {boxes->value, lay_standard(im, x)};
  if (!both[1]) return NULL;
  if (h < 1 || w < 1 || h > INT32_MAX || w > INT32_MAX) return no(im, "empty regions");
  const Shape to = shape_image(h, w, both[1]->shape.dim[2]), table = shape_sequence(boxes->size[0], 4);
  if (!shape_equal(both[0]->shape, table))
    both[0] = emit_one(im, both[0], table, "reshape([%lld, 4])", (long long)table.dim[0]);
  Value *v = emit(im, 2, both, to, "roi_align(%%*, %lldx%lld, scale=%s, samples=%lld%s)", (long long)h,
                  (long long)w, number_text(im->arena, onnx_float(node, "spatial_scale", 1)),
                  (long long)samples, aligned ? "" : ", aligned=false");
  value_of_regions(im, v, boxes->size[0]);
  View *view = view_new(im, v, 4);
  view->size[0] = v->regions;
  view->along[0] = factors_one(BATCH, 1, v->regions);
  view_set(view, 1, 2);
  view_set(view, 2, 0);
  view_set(view, 3, 1);
  return view;
}
