/* panoptic.c: panoptic, a class and an instance for each pixel (Kirillov et al., 2019). Instances are painted
 * by descending score onto free pixels. An instance is dropped if less than half of its mask would be
 * visible. The remaining pixels get the best class of the current value. A mask is sampled at the centers of
 * pixels, with bilinear interpolation between the centers of mask cells. Cells outside the mask count as
 * 0. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include "ops/detection/box.h"
#include "kernel/routine.h"

static const char text[] =
#include "ops/detection/panoptic_text.inc"
    ;

enum { ROW = 6, SCORE = 4, LABEL = 5 };

static const Param params[] = {
    {"boxes", PARAM_VALUE, NULL, "the instances, as rows of nms: x1 y1 x2 y2 score class", 0, 0, NULL},
    {"masks", PARAM_VALUE, NULL, "masks of the boxes, one channel per class", 0, 0, NULL},
    {"threshold", PARAM_NUMBER, "0.5", "mask value above which a pixel belongs to an instance", 0, 0, NULL},
    {0},
};

/* ---- the shape ---- */
typedef struct Scale {
  double across, down; /* pixels of the result per pixel of the boxes' image */
} Scale;               /* node->detail */

static bool inputs_fit(ShapeContext *context, const Node *node) {
  const Shape in = node->in[0]->shape, boxes = node->in[1]->shape, masks = node->in[2]->shape;
  Diag *diag = NULL;
  const Node *wrong = node->in[0];
  if (in.rank != 3 || in.regions)
    diag = op_error(context, node, DIAG_wrong_shape,
                    "panoptic takes an image with a number for each class, but its input is %s",
                    shape_text(context->arena, in));
  else if (boxes.rank != 2 || boxes.dim[1] != ROW || boxes.regions) {
    wrong = node->in[1];
    diag = op_error_at(context, node, "boxes", DIAG_wrong_shape,
                       "panoptic takes boxes of nms, rows of x1 y1 x2 y2 score class, not %s",
                       shape_text(context->arena, boxes));
  } else if (masks.rank != 3 || masks.regions != boxes.dim[0]) {
    wrong = node->in[2];
    diag = op_error_at(context, node, "masks", DIAG_wrong_shape,
                       "panoptic of %s boxes needs %lld masks, but the masks are %s",
                       shape_text(context->arena, boxes), (long long)boxes.dim[0],
                       shape_text(context->arena, masks));
    diag_help(diag,
              "make the masks with roi_align, one region per box: %lld regions of height x width x classes",
              (long long)boxes.dim[0]);
  }
  if (diag) op_note_origin(context, diag, wrong);
  return !diag;
}

static void shape(ShapeContext *context, Node *node) {
  for (int k = 0; k < 3; k++)
    if (!node->in[k]->shape.rank) return;
  if (!inputs_fit(context, node)) return;
  const Shape in = node->in[0]->shape;
  const Node *picture = picture_of(node);
  Scale *scale = NEW(context->arena, Scale);
  *scale = (Scale){1, 1};
  if (picture)
    *scale = (Scale){(double)in.dim[1] / (double)picture->shape.dim[1],
                     (double)in.dim[0] / (double)picture->shape.dim[0]};
  node->detail = scale;
  node->shape = shape_image(in.dim[0], in.dim[1], 2);
}

/* ---- reference ---- */
typedef struct Panoptic {
  int64_t h, w, classes, rows, height, width, channels; /* height, width: size of a mask */
  double threshold, across, down;
  const double *scores, *boxes, *masks;
} Panoptic;

static int by_score(const void *a, const void *b) { /* rows with equal scores keep their order */
  const double *x = *(const double *const *)a, *y = *(const double *const *)b;
  if (x[SCORE] != y[SCORE]) return x[SCORE] > y[SCORE] ? -1 : 1;
  return (x > y) - (x < y);
}

static double cell(const Panoptic *p, const double *mask, int64_t y, int64_t x) {
  return y < 0 || y >= p->height || x < 0 || x >= p->width ? 0 : mask[(y * p->width + x) * p->channels];
}

/* Whether a pixel belongs to the instance. across, down: the position of the pixel's center in the instance's
 * box, 0 .. 1 inside the box. */
static bool belongs(const Panoptic *p, const double *mask, double across, double down) {
  if (!(across >= 0 && across < 1 && down >= 0 && down < 1)) return false;
  const double x = across * (double)p->width - .5, y = down * (double)p->height - .5;
  const int64_t j = (int64_t)floor(x), i = (int64_t)floor(y);
  double sum = 0;
  for (int64_t k = 0; k < 4; k++) {
    const int64_t row = i + k / 2, column = j + k % 2;
    sum += cell(p, mask, row, column) * (1 - fabs((double)row - y)) * (1 - fabs((double)column - x));
  }
  return sum > p->threshold;
}

/* Finds the pixels of an instance; returns their number. */
static int64_t outline(const Panoptic *p, const double *row, bool *own) {
  const double left = row[0] * p->across, top = row[1] * p->down, width = row[2] * p->across - left,
               height = row[3] * p->down - top;
  const double *mask =
      p->masks + (row - p->boxes) / ROW * p->height * p->width * p->channels + (int64_t)row[LABEL];
  int64_t n = 0;
  for (int64_t i = 0; i < p->h * p->w; i++) {
    const double x = (double)(i % p->w) + .5 - left, y = (double)(i / p->w) + .5 - top;
    own[i] = width > 0 && height > 0 && belongs(p, mask, x / width, y / height);
    n += own[i];
  }
  return n;
}

static void paint(const Panoptic *p, double *out) {
  Arena *arena = arena_new();
  const double **order = NEW_ARRAY(arena, const double *, p->rows + 1);
  bool *own = NEW_ARRAY(arena, bool, p->h * p->w);
  size_t n = 0;
  for (int64_t r = 0; r < p->rows; r++)
    if (!isnan(p->boxes[r * ROW + SCORE])) order[n++] = p->boxes + r * ROW;
  qsort(order, n, sizeof *order, by_score);
  for (int64_t i = 0; i < p->h * p->w; i++) out[2 * i + 1] = 0;
  for (size_t k = 0; k < n; k++) {
    if (!(order[k][LABEL] >= 0 && order[k][LABEL] < (double)p->channels)) continue;
    const int64_t area = outline(p, order[k], own);
    int64_t left = 0;
    for (int64_t i = 0; i < p->h * p->w; i++) left += own[i] && out[2 * i + 1] == 0;
    for (int64_t i = 0; 2 * left >= area && i < p->h * p->w; i++) {
      if (!own[i] || out[2 * i + 1] != 0) continue;
      out[2 * i] = floor(order[k][LABEL]);
      out[2 * i + 1] = (double)((order[k] - p->boxes) / ROW + 1);
    }
  }
  for (int64_t i = 0; i < p->h * p->w; i++) {
    const double *score = p->scores + i * p->classes;
    int64_t best = 0;
    for (int64_t c = 0; c < p->classes; c++) best = score[c] > score[best] ? c : best;
    if (out[2 * i + 1] == 0) out[2 * i] = (double)best;
  }
  arena_free(arena);
}

static void eval(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->in[0]->shape), mask = shape_extent(node->in[2]->shape);
  const Scale *scale = node->detail;
  const Panoptic p = {e.h,
                      e.w,
                      e.c,
                      mask.n,
                      mask.h,
                      mask.w,
                      mask.c,
                      (double)(float)arg_number(node, "threshold"),
                      (double)(float)scale->across,
                      (double)(float)scale->down,
                      eval->in[0],
                      eval->in[1],
                      eval->in[2]};
  paint(&p, eval->out);
}

/* ---- runtime function ---- */
enum { NUMBERS = 10 };

static void run(double *const *buf, const double *number) {
  const Panoptic p = {(int64_t)number[0],
                      (int64_t)number[1],
                      (int64_t)number[2],
                      (int64_t)number[3],
                      (int64_t)number[4],
                      (int64_t)number[5],
                      (int64_t)number[6],
                      (double)(float)number[7],
                      (double)(float)number[8],
                      (double)(float)number[9],
                      buf[0],
                      buf[1],
                      buf[2]};
  paint(&p, buf[3]);
}

static const Routine routine = {.name = "panoptic",
                                .depth = 4,
                                .text = text,
                                .nbufs = 4,
                                .nnumbers = NUMBERS,
                                .elem = {F32, F32, F32, F32},
                                .writes = {[3] = true},
                                .whole = {true, true, true, true, true, true, true},
                                .run = run};

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->in[0]->shape), mask = shape_extent(l->node->in[2]->shape);
  const Scale *scale = l->node->detail;
  Buf *painted = lower_scratch(l, "painted", 3, (int64_t[]){e.h, e.w, 2});
  nest_fn(b, b->name, false);
  Buf *buf[] = {lower_contiguous(l, "scores", l->in[0]), lower_contiguous(l, "boxes", l->in[1]),
                lower_contiguous(l, "masks", l->in[2]), painted};
  nest_routine(b, &routine, buf,
               (double[NUMBERS]){(double)e.h, (double)e.w, (double)e.c, (double)mask.n, (double)mask.h,
                                 (double)mask.w, (double)mask.c, arg_number(l->node, "threshold"),
                                 scale->across, scale->down});
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, 2) lower_store(l, nest_load(b, nest_at(b, painted, y, x, c), 1), &y, &x, &c, 1, 1);
}

/* classes: number of classes of pixels, one per channel of the current value. things: number of classes of
 * instances, one per mask of a box. */
static int64_t classes(const Node *node) { return shape_extent(node->in[0]->shape).c; }
static int64_t things(const Node *node) { return shape_extent(node->in[2]->shape).c; }

const Op op_panoptic = {
    .name = "panoptic",
    .group = "detection",
    .summary = "a class and an instance for each pixel",
    .detail = "The result has two channels: class and instance. Boxes are painted by descending score, each "
              "on the unpainted pixels where its mask (in the channel of its class, interpolated bilinearly) "
              "is above the threshold. A box is dropped if less than half of the pixels of its mask are "
              "unpainted. Instance k is row k - 1 of the boxes. All other pixels have instance 0, and their "
              "class is the largest channel of the current value. No gradient passes",
    .params = params,
    .example = "panoptic(found, masks, threshold=0.5)",
    .traits.per_image = true,
    .traits.detects = DETECTS_SEGMENTS,
    .traits.classes = classes,
    .traits.things = things,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
