/* roi_pool.c: roi_pool, max pooling of the features inside each box to one size (Girshick, 2015), as in
 * torchvision. The corners of a box are rounded to features, with halves rounded away from zero; both corners
 * belong to the box. A box is at least one feature high and wide. Along each axis, `first` is the first
 * feature of the box, `length` the number of the box's features, and `size` the number of bins. Bin k has the
 * features
 *
 * first + floor(k * length / size) .. first + ceil((k + 1) * length / size) - 1
 *
 * that exist; an empty bin is 0. Of equal elements, the first in row order is selected; NaN is never the
 * largest. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include "ops/detection/roi.h"

static const Param params[] = {
    {"features", PARAM_VALUE, NULL, "the image from which the regions are taken", 0, 0, NULL},
    {"size", PARAM_WINDOW, NULL, "height and width of the result for each region", 0, 0, NULL},
    {"scale", PARAM_NUMBER, NULL, "number of features per input pixel: 1/16 if a feature is 16 pixels wide",
     0, 0, NULL},
    {0},
};

/* ---- reference ----
 * The ends of bins are rounded to integers. A tiny error could change an end by 1, so each step of the
 * computation is rounded to a float, as in generated code. */
typedef struct Bin { /* the features from[axis] .. to[axis] - 1 */
  int64_t from[2], to[2];
} Bin;

static float cell_of(const Roi *roi, double at) {
  const float cell = (float)at * (float)roi->scale, far = (float)ROI_FAR;
  return roundf(cell > -far ? cell < far ? cell : far : -far);
}

static int64_t cut_between(float x, int64_t from, int64_t to) {
  return x > (float)from ? x < (float)to ? (int64_t)x : to : from;
}

static Bin bin_of(const Roi *roi, const double *box, int64_t y, int64_t x) {
  Bin bin;
  for (int axis = 0; axis < 2; axis++) {
    const float first = cell_of(roi, box[axis ? 0 : 1]), last = cell_of(roi, box[axis ? 2 : 3]),
                length = last - first + 1, step = (length > 1 ? length : 1) / (float)roi->size[axis];
    const int64_t k = axis ? x : y;
    bin.from[axis] = cut_between(floorf((float)k * step) + first, 0, roi->length[axis]);
    bin.to[axis] = cut_between(ceilf((float)(k + 1) * step) + first, bin.from[axis], roi->length[axis]);
  }
  return bin;
}

static double largest_in_bin(const Roi *roi, const Bin *bin, const double *features, int64_t c, int64_t *at) {
  double most = -(double)FLT_MAX;
  *at = -1;
  for (int64_t y = bin->from[0]; y < bin->to[0]; y++)
    for (int64_t x = bin->from[1]; x < bin->to[1]; x++) {
      const int64_t i = (y * roi->length[1] + x) * roi->channels + c;
      if (features[i] > most) {
        most = features[i];
        *at = i;
      }
    }
  return bin->from[0] < bin->to[0] && bin->from[1] < bin->to[1] ? most : 0;
}

static void eval(const Eval *eval) {
  const Roi roi = roi_of(eval->node);
  int64_t at;
  for (int64_t p = 0; p < roi.size[0] * roi.size[1]; p++) {
    const Bin bin = bin_of(&roi, roi_box(eval, 0, eval->row), p / roi.size[1], p % roi.size[1]);
    for (int64_t c = 0; c < roi.channels; c++)
      eval->out[p * roi.channels + c] = largest_in_bin(&roi, &bin, eval->in[1], c, &at);
  }
}

static void back_eval(const Eval *eval) {
  const Roi roi = roi_of(eval->node);
  const int64_t bins = roi.size[0] * roi.size[1];
  int64_t at;
  for (int64_t i = 0; i < shape_elements(eval->node->shape); i++) eval->out[i] = 0;
  for (int64_t p = 0; p < roi.rows * bins; p++) {
    const Bin bin = bin_of(&roi, roi_box(eval, 1, p / bins), p % bins / roi.size[1], p % bins % roi.size[1]);
    for (int64_t c = 0; c < roi.channels; c++) {
      largest_in_bin(&roi, &bin, eval->in[2], c, &at);
      if (at >= 0) eval->out[at] += eval->in[0][p * roi.channels + c];
    }
  }
}

/* ---- the nest ---- */
typedef struct Work {
  Lower *l;
  Roi roi;
  Buf *boxes, *features, *sum; /* sum: the gradient of the features, summed so far */
  Val first[2], step[2];       /* per axis; first: first feature of the region; step: size of a bin */
  const Ix *n, *bin[2], *from[2], *to[2];
} Work;

static Val roi_number(Nest *b, const Ix *index) { return convert(position(b, index), F32); }
static Val whole(Val x) { return convert(convert(x, I32), F32); } /* rounds towards zero */

/* Number `side` of the box in features, x, rounded to an integer, with halves away from zero:
 * trunc((t + 1) / 2), or trunc((t - 1) / 2) for t < 0, where t = trunc(2*x). No product is an operand of an
 * addition, so the C compiler cannot use fma, and each product is rounded as in eval. */
static Val cell_at(const Work *w, const char *name, int side) {
  Nest *b = w->l->b;
  const double most = 2 * (double)ROI_FAR;
  Val at_ = mul(mul(roi_side(w->l, w->boxes, w->n, side), num(b, w->roi.scale)), num(b, 2)),
      halves = nest_let(b, "halves", whole(vmin(vmax(at_, num(b, -most)), num(b, most)))),
      more = add(halves, choose(less(halves, num(b, 0)), num(b, -1), num(b, 1)));
  return nest_let(b, name, whole(mul(more, num(b, 0.5))));
}

static void find_region(Work *w) {
  Nest *b = w->l->b;
  for (int axis = 0; axis < 2; axis++) {
    Val first = w->first[axis] = cell_at(w, axis ? "left" : "top", axis ? 0 : 1),
        last = cell_at(w, axis ? "right" : "bottom", axis ? 2 : 3),
        length = vmax(add(sub(last, first), num(b, 1)), num(b, 1));
    w->step[axis] =
        nest_let(b, axis ? "column_step" : "row_step", div_(length, num(b, (double)w->roi.size[axis])));
  }
}

/* next = 0: the start of the current bin, rounded down; next = 1: the end of the bin, rounded up. */
static Val edge_at(const Work *w, int axis, int64_t next) {
  Nest *b = w->l->b;
  const Ix k = *w->bin[axis] + next;
  Val at_ = nest_let(b, "edge", mul(roi_number(b, &k), w->step[axis])), below = whole(at_);
  if (next) {
    below = nest_let(b, "below", below);
    below = add(below, choose(less(below, at_), num(b, 1), num(b, 0)));
  }
  return add(below, w->first[axis]);
}

static void each_pooled_bin(Work *w, int axis, RoiBody body) {
  Nest *b = w->l->b;
  NEST_FOR(b, k, w->roi.size[axis]) {
    w->bin[axis] = &k;
    NEST_CHOSEN(b, from, edge_at(w, axis, 0), 0, w->roi.length[axis] + 1)
    NEST_CHOSEN(b, to, edge_at(w, axis, 1), from, w->roi.length[axis] + 1) {
      w->from[axis] = &from;
      w->to[axis] = &to;
      if (axis) roi_channels(w->l, w->roi.channels, body, w);
      else each_pooled_bin(w, 1, body);
    }
  }
}

static void each_region(Work *w, LoopKind kind, RoiBody body) {
  Nest *b = w->l->b;
  NEST_LOOP(b, n, kind, 1, NEST_IX(0), 1, NEST_IX(w->roi.rows)) {
    w->n = w->l->row = &n;
    find_region(w);
    each_pooled_bin(w, 0, body);
  }
}

/* The largest element of each channel, in registers; -FLT_MAX for an empty bin. */
static Buf *largest_buffer(const Work *w, const Ix *c, int count, int part, int lanes) {
  Nest *b = w->l->b;
  Buf *most = NEST_REGISTERS(b, "most", lanes, count);
  NEST_UNROLL(b, i, count) nest_store(b, nest_at(b, most, i), num(b, -(double)FLT_MAX));
  NEST_FROM(b, y, *w->from[0], *w->to[0])
    NEST_FROM(b, x, *w->from[1], *w->to[1])
      NEST_UNROLL(b, i, count) {
        const Ix ci = *c + i * lanes;
        nest_store(
            b, nest_at(b, most, i),
            vmax(walk_load(w->l, w->features, &y, &x, &ci, part, lanes), nest_get(b, nest_at(b, most, i))));
      }
  return most;
}

static void gather_largest(Lower *l, const Ix *c, int count, int part, int lanes, const void *context) {
  Nest *b = l->b;
  const Work *w = context;
  Buf *most = largest_buffer(w, c, count, part, lanes);
  const Cond any =
      cond_and(nest_at_least(b, *w->to[0] - *w->from[0], 1), nest_at_least(b, *w->to[1] - *w->from[1], 1));
  NEST_UNROLL(b, i, count) {
    const Ix ci = *c + i * lanes;
    Val value = pick(b, any, nest_get(b, nest_at(b, most, i)), splat(num(b, 0), lanes));
    lower_store(l, value, w->bin[0], w->bin[1], &ci, part, lanes);
  }
}

static void lower(Lower *l) {
  Work w = {.l = l, .roi = roi_of(l->node), .boxes = l->in[0], .features = l->in[1]};
  nest_fn(l->b, l->b->name, false);
  each_region(&w, roi_rows(l, &w.roi, 1), gather_largest);
}

/* ---- the gradient of the features ----
 * Inputs are dy, the boxes, the features. Each bin adds dy to the gradient of its largest element; if several
 * elements are largest, only to the gradient of the first. */
static void scatter_largest(Lower *l, const Ix *c, int count, int part, int lanes, const void *context) {
  Nest *b = l->b;
  const Work *w = context;
  Buf *most = largest_buffer(w, c, count, part, lanes), *left = NEST_REGISTERS(b, "left", lanes, count);
  const Ix row = *w->n * w->roi.size[0] + *w->bin[0];
  NEST_UNROLL(b, i, count) {
    const Ix ci = *c + i * lanes;
    nest_store(b, nest_at(b, left, i), walk_load(l, l->in[0], &row, w->bin[1], &ci, part, lanes));
  }
  NEST_FROM(b, y, *w->from[0], *w->to[0])
    NEST_FROM(b, x, *w->from[1], *w->to[1])
      NEST_UNROLL(b, i, count) {
        const Ix ci = *c + i * lanes;
        Val is = nest_let(
                b, "is",
                equal(walk_load(l, w->features, &y, &x, &ci, part, lanes), nest_get(b, nest_at(b, most, i)))),
            before = nest_let(b, "before", nest_get(b, nest_at(b, left, i))), nothing = num(b, 0);
        walk_put(l, w->sum, add(walk_load(l, w->sum, &y, &x, &ci, part, lanes), choose(is, before, nothing)),
                 &y, &x, &ci, part, lanes);
        nest_store(b, nest_at(b, left, i), choose(is, nothing, before));
      }
}

static void back_lower(Lower *l) {
  Work w = {.l = l, .roi = roi_of(l->node), .boxes = l->in[1], .features = l->in[2]};
  const Extent e = shape_extent(l->node->shape);
  w.sum = walk_sum_begin(l, e);
  nest_fn(l->b, l->b->name, false);
  walk_clear(l, w.sum, e);
  each_region(&w, SERIAL, scatter_largest);
  walk_sum_end(l, w.sum, e);
}

static const Op op_back = {.name = "roi_pool input gradient", .eval = back_eval, .lower = back_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_operand(gradient, &op_back, node, 1, 3, (Node *[]){dy, node->in[0], node->in[1]});
}

const Op op_roi_pool = {
    .name = "roi_pool",
    .group = "detection",
    .summary = "features inside each box, max-pooled to a fixed size",
    .detail =
        "the current value is the boxes, N x 4: x1 y1 x2 y2 in input pixels. The result is N regions of size "
        "x size x channels. The corners of a box are rounded to whole features, and the box includes both "
        "corners; a bin outside the image is 0. No gradient passes to the boxes. The results are those of "
        "torchvision's roi_pool",
    .params = params,
    .example = "boxes -> roi_pool(features, 7, scale=1/16)",
    .traits.per_image = true,
    .traits.loops_over_rows = true,
    .shape = roi_shape,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
