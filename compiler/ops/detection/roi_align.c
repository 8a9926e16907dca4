/* roi_align.c: roi_align, the features inside each box, resampled to one size (He et al., 2017), as in
 * torchvision. A box is divided into size x size bins; a bin is the mean of samples x samples equally
 * spaced points. Along the x axis, point i of a bin is at
 *
 * at = x1*scale - offset + bin*width/size + (i + 1/2)*width/(size*samples), width = (x2 - x1)*scale
 *
 * where offset is 1/2 for aligned=true. For aligned=false, offset is 0, and a width below 1 counts as 1. A
 * point between -1 and the length of the axis is clamped to the axis; a point further outside is 0. Between
 * features the value is interpolated bilinearly. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "ops/detection/roi.h"

static const Param params[] = {
    {"features", PARAM_VALUE, NULL, "the image from which the regions are taken", 0, 0, NULL},
    {"size", PARAM_WINDOW, NULL, "height and width of the result for each region", 0, 0, NULL},
    {"scale", PARAM_NUMBER, NULL, "number of features per input pixel: 1/16 if a feature is 16 pixels wide",
     0, 0, NULL},
    {"samples", PARAM_INT, "2", "number of sampling points per bin along each axis", 1, 1000, NULL},
    {"aligned", PARAM_BOOL, "true",
     "false: do not subtract half a feature from the coordinates (legacy RoIAlign)", 0, 0, NULL},
    {0},
};

typedef struct Align {
  Roi roi;
  int64_t samples;
  bool aligned;
  double offset, share; /* share: weight of a point along one axis, 1 / samples */
} Align;

static Align align_of(const Node *node) {
  const bool aligned = arg_bool(node, "aligned");
  const int64_t samples = arg_int(node, "samples");
  return (Align){roi_of(node), samples, aligned, aligned ? 0.5 : 0, 1. / (double)samples};
}

/* A point is interpolated from up to four features k = 2*row + column. Whether feature k exists: an axis of
 * length 1 has no second row or column. */
static bool has_corner(const Align *a, int k) {
  return (k / 2 == 0 || a->roi.length[0] > 1) && (k % 2 == 0 || a->roi.length[1] > 1);
}

static Cost cost(const Node *node) {
  const int64_t samples = arg_int(node, "samples");
  return (Cost){.macs = 4 * samples * samples * shape_row_elements(node_forward(node)->shape)};
}

/* ---- reference ---- */
typedef struct Point {
  int64_t low;
  double near, far; /* near: weight of the feature at `low`; far: of the feature at `low` + 1 */
} Point;

static Point point_of(const Align *a, const double *box, int axis, int64_t bin, int64_t sample) {
  const double from = box[axis ? 0 : 1] * a->roi.scale - a->offset,
               to = box[axis ? 2 : 3] * a->roi.scale - a->offset, last = (double)(a->roi.length[axis] - 1);
  double span = to - from;
  if (!a->aligned && !(span > 1)) span = 1;
  const double at = from + span / (double)a->roi.size[axis] *
                               ((double)bin + ((double)sample + 0.5) / (double)a->samples),
               on = at > 0 ? fmin(at, last) : 0;
  const int64_t low = smaller((int64_t)on, larger(a->roi.length[axis] - 2, 0));
  const double inside = at >= -1 && at <= last + 1 ? a->share : 0;
  return (Point){low, inside * (1 - (on - (double)low)), inside * (on - (double)low)};
}

typedef void Corner(void *context, int64_t pixel, double weight);

/* Calls `corner` for each feature around each point of a bin: for four features, or fewer if an axis has only
 * one. */
static void each_corner(const Align *a, const double *box, const int64_t bin[2], Corner corner,
                        void *context) {
  for (int64_t i = 0; i < a->samples * a->samples; i++) {
    const Point y = point_of(a, box, 0, bin[0], i / a->samples),
                x = point_of(a, box, 1, bin[1], i % a->samples);
    for (int k = 0; k < 4; k++)
      if (has_corner(a, k))
        corner(context, (y.low + k / 2) * a->roi.length[1] + x.low + k % 2,
               (k / 2 ? y.far : y.near) * (k % 2 ? x.far : x.near));
  }
}

/* forward: `bin` is the result, and `from` the features; backward: `features` is the result, and `from` is dy
 * of the bin */
typedef struct Pixels {
  int64_t channels;
  double *bin, *features;
  const double *from;
} Pixels;

static void gather_corner(void *context, int64_t pixel, double weight) {
  const Pixels *p = context;
  for (int64_t c = 0; c < p->channels; c++) p->bin[c] += weight * p->from[pixel * p->channels + c];
}

static void scatter_corner(void *context, int64_t pixel, double weight) {
  const Pixels *p = context;
  for (int64_t c = 0; c < p->channels; c++) p->features[pixel * p->channels + c] += weight * p->from[c];
}

static void eval(const Eval *eval) {
  const Align a = align_of(eval->node);
  for (int64_t p = 0; p < a.roi.size[0] * a.roi.size[1]; p++) {
    Pixels pixels = {.channels = a.roi.channels, .bin = eval->out + p * a.roi.channels, .from = eval->in[1]};
    for (int64_t c = 0; c < a.roi.channels; c++) pixels.bin[c] = 0;
    each_corner(&a, roi_box(eval, 0, eval->row), (int64_t[]){p / a.roi.size[1], p % a.roi.size[1]},
                gather_corner, &pixels);
  }
}

static void back_eval(const Eval *eval) {
  const Align a = align_of(eval->node);
  const int64_t bins = a.roi.size[0] * a.roi.size[1];
  for (int64_t i = 0; i < shape_elements(eval->node->shape); i++) eval->out[i] = 0;
  for (int64_t p = 0; p < a.roi.rows * bins; p++) {
    Pixels pixels = {
        .channels = a.roi.channels, .features = eval->out, .from = eval->in[0] + p * a.roi.channels};
    each_corner(&a, roi_box(eval, 1, p / bins),
                (int64_t[]){p % bins / a.roi.size[1], p % bins % a.roi.size[1]}, scatter_corner, &pixels);
  }
}

/* ---- the nest ----
 * The nest first computes tables of the positions of a region's points along both axes. Then, bin by bin, the
 * nest reads the corners of these points in vectors of channels. */
typedef struct Table { /* the points along one axis, indexed by bin*samples + sample */
  Buf *low, *near, *far;
} Table;
typedef struct Work {
  Lower *l;
  Align align;
  Table table[2];
  Buf *boxes, *features; /* features: in the backward pass, the gradient of the features */
  const Ix *n, *bin[2];
} Work;

static void make_tables(Work *w, LoopKind kind) { /* called before nest_fn */
  for (int axis = 0; axis < 2; axis++) {
    const int64_t points = w->align.roi.size[axis] * w->align.samples, rows = w->align.roi.rows;
    w->table[axis] = (Table){walk_row_scratch(w->l, axis ? "column" : "row", kind, rows, points),
                             walk_row_scratch(w->l, axis ? "column_near" : "row_near", kind, rows, points),
                             walk_row_scratch(w->l, axis ? "column_far" : "row_far", kind, rows, points)};
  }
}

static void table_put(const Work *w, Buf *buf, const Ix *k, Val val) {
  walk_put(w->l, buf, val, w->n, NULL, k, 1, 1);
}

static Val side_of(const Work *w, const char *name, int side) {
  Nest *b = w->l->b;
  return nest_let(
      b, name,
      sub(mul(roi_side(w->l, w->boxes, w->n, side), num(b, w->align.roi.scale)), num(b, w->align.offset)));
}

static Val align_number(Nest *b, const Ix *index) { return convert(position(b, index), F32); }

static void put_point(const Work *w, int axis, Val at_, const Ix *k) {
  Nest *b = w->l->b;
  const Table *t = &w->table[axis];
  const int64_t length = w->align.roi.length[axis];
  Val nothing = num(b, 0),
      inside = choose(less_eq(num(b, -1), at_),
                      choose(less_eq(at_, num(b, (double)length)), num(b, w->align.share), nothing), nothing),
      share = nest_let(b, "share", inside),
      on = nest_let(b, "on", vmin(vmax(at_, nothing), num(b, (double)(length - 1))));
  NEST_CHOSEN(b, low, on, 0, larger(length - 1, 1)) {
    Val after = nest_let(b, "after", sub(on, align_number(b, &low)));
    table_put(w, t->low, k, align_number(b, &low));
    table_put(w, t->near, k, mul(share, sub(num(b, 1), after)));
    table_put(w, t->far, k, mul(share, after));
  }
}

static void put_points(const Work *w, int axis) {
  Nest *b = w->l->b;
  const Align *a = &w->align;
  Val from = side_of(w, "from", axis ? 0 : 1), to = side_of(w, "to", axis ? 2 : 3), span = sub(to, from);
  if (!a->aligned) span = vmax(span, num(b, 1));
  Val step = nest_let(b, "step", div_(span, num(b, (double)a->roi.size[axis])));
  NEST_FOR(b, bin, a->roi.size[axis])
    NEST_FOR(b, i, a->samples) {
      Val part = div_(add(align_number(b, &i), num(b, 0.5)), num(b, (double)a->samples)),
          at_ = nest_let(b, "at", add(from, mul(step, add(align_number(b, &bin), part))));
      const Ix k = bin * a->samples + i;
      put_point(w, axis, at_, &k);
    }
}

static Val table_at(const Work *w, const char *name, Buf *buf, const Ix *k) {
  return nest_let(w->l->b, name, walk_load(w->l, buf, w->n, NULL, k, 1, 1));
}

/* Called for each point of a bin, with the weights of its corners. */
typedef void PointBody(const Work *, const Ix *y, const Ix *x, const Val weight[4], const void *context);

static void each_point(const Work *w, PointBody body, const void *context) {
  Nest *b = w->l->b;
  const Align *a = &w->align;
  const Table *rows = &w->table[0], *columns = &w->table[1];
  NEST_FOR(b, iy, a->samples) {
    const Ix ky = *w->bin[0] * a->samples + iy;
    NEST_CHOSEN(b, y, walk_load(w->l, rows->low, w->n, NULL, &ky, 1, 1), 0, larger(a->roi.length[0] - 1, 1)) {
      Val top = table_at(w, "top", rows->near, &ky), bottom = table_at(w, "bottom", rows->far, &ky);
      NEST_FOR(b, ix, a->samples) {
        const Ix kx = *w->bin[1] * a->samples + ix;
        NEST_CHOSEN(b, x, walk_load(w->l, columns->low, w->n, NULL, &kx, 1, 1), 0,
                    larger(a->roi.length[1] - 1, 1)) {
          Val left = table_at(w, "left", columns->near, &kx), right = table_at(w, "right", columns->far, &kx),
              weight[4];
          for (int k = 0; k < 4; k++)
            weight[k] = nest_let(b, nest_text(b, "w%d", k), mul(k / 2 ? bottom : top, k % 2 ? right : left));
          body(w, &y, &x, weight, context);
        }
      }
    }
  }
}

static void each_bin(Work *w, LoopKind kind, RoiBody body) {
  Nest *b = w->l->b;
  const Roi *roi = &w->align.roi;
  NEST_LOOP(b, n, kind, 1, NEST_IX(0), 1, NEST_IX(roi->rows)) {
    w->n = w->l->row = &n;
    for (int axis = 0; axis < 2; axis++) put_points(w, axis);
    NEST_FOR(b, py, roi->size[0])
      NEST_FOR(b, px, roi->size[1]) {
        w->bin[0] = &py;
        w->bin[1] = &px;
        roi_channels(w->l, roi->channels, body, w);
      }
  }
}

typedef struct Vectors {
  Buf *sum; /* registers */
  const Ix *c;
  int count, part, lanes;
} Vectors;

static void gather_point(const Work *w, const Ix *y, const Ix *x, const Val weight[4], const void *context) {
  Nest *b = w->l->b;
  const Vectors *v = context;
  NEST_UNROLL(b, i, v->count) {
    const Ix c = *v->c + i * v->lanes;
    Val sum = nest_get(b, nest_at(b, v->sum, i));
    for (int k = 0; k < 4; k++) {
      const Ix row = *y + k / 2, column = *x + k % 2;
      if (has_corner(&w->align, k))
        sum = fma_(walk_load(w->l, w->features, &row, &column, &c, v->part, v->lanes), weight[k], sum);
    }
    nest_store(b, nest_at(b, v->sum, i), sum);
  }
}

static void gather_bin(Lower *l, const Ix *c, int count, int part, int lanes, const void *context) {
  Nest *b = l->b;
  const Work *w = context;
  const Vectors v = {NEST_REGISTERS(b, "sum", lanes, count), c, count, part, lanes};
  NEST_UNROLL(b, i, count) nest_store(b, nest_at(b, v.sum, i), num(b, 0));
  each_point(w, gather_point, &v);
  NEST_UNROLL(b, i, count) {
    const Ix at_ = *c + i * lanes;
    lower_store(l, nest_get(b, nest_at(b, v.sum, i)), w->bin[0], w->bin[1], &at_, part, lanes);
  }
}

static void lower(Lower *l) {
  Work w = {.l = l, .align = align_of(l->node), .boxes = l->in[0], .features = l->in[1]};
  const LoopKind kind = roi_rows(l, &w.align.roi, 4 * w.align.samples * w.align.samples);
  make_tables(&w, kind);
  nest_fn(l->b, l->b->name, false);
  each_bin(&w, kind, gather_bin);
}

/* ---- the gradient of the features ---- Inputs are dy and the boxes. */
static void scatter_point(const Work *w, const Ix *y, const Ix *x, const Val weight[4], const void *context) {
  Nest *b = w->l->b;
  const Vectors *v = context;
  NEST_UNROLL(b, i, v->count) {
    const Ix c = *v->c + i * v->lanes;
    Val dy = nest_get(b, nest_at(b, v->sum, i));
    for (int k = 0; k < 4; k++) {
      const Ix row = *y + k / 2, column = *x + k % 2;
      if (has_corner(&w->align, k))
        walk_put(w->l, w->features,
                 fma_(dy, weight[k], walk_load(w->l, w->features, &row, &column, &c, v->part, v->lanes)),
                 &row, &column, &c, v->part, v->lanes);
    }
  }
}

static void scatter_bin(Lower *l, const Ix *c, int count, int part, int lanes, const void *context) {
  Nest *b = l->b;
  const Work *w = context;
  const Vectors v = {NEST_REGISTERS(b, "dy", lanes, count), c, count, part, lanes};
  const Ix row = *w->n * w->align.roi.size[0] + *w->bin[0];
  NEST_UNROLL(b, i, count) {
    const Ix at_ = *c + i * lanes;
    nest_store(b, nest_at(b, v.sum, i), walk_load(l, l->in[0], &row, w->bin[1], &at_, part, lanes));
  }
  each_point(w, scatter_point, &v);
}

static void back_lower(Lower *l) {
  Work w = {.l = l, .align = align_of(l->node), .boxes = l->in[1]};
  const Extent e = shape_extent(l->node->shape);
  w.features = walk_sum_begin(l, e);
  make_tables(&w, SERIAL);
  nest_fn(l->b, l->b->name, false);
  walk_clear(l, w.features, e);
  each_bin(&w, SERIAL, scatter_bin);
  walk_sum_end(l, w.features, e);
}

static const Op op_back = {
    .name = "roi_align input gradient", .cost = cost, .eval = back_eval, .lower = back_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_operand(gradient, &op_back, node, 1, 2, (Node *[]){dy, node->in[0]});
}

const Op op_roi_align = {
    .name = "roi_align",
    .group = "detection",
    .summary = "features inside each box, resampled bilinearly to a fixed size",
    .detail = "the current value is the boxes, N x 4: x1 y1 x2 y2 in input pixels. The result is N regions "
              "of size x size x channels. A bin is the mean of samples x samples points. Points up to one "
              "feature outside the image are moved to the border of the image; points farther outside are 0. "
              "No gradient passes to the boxes. The results are those of torchvision's roi_align with "
              "sampling_ratio=samples",
    .params = params,
    .example = "boxes -> roi_align(features, 7, scale=1/16)",
    .traits.per_image = true,
    .traits.loops_over_rows = true,
    .shape = roi_shape,
    .cost = cost,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
