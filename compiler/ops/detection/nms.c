/* nms.c: nms, non-maximum suppression. A box is dropped where its score is too low, or where it overlaps a
 * box of the same class and a better score by more than `iou`: the area that two boxes share, divided by the
 * area of both. Those that are left come by descending score, ties by row; as torchvision's batched_nms. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "ops/engine/routine.h"

static const char text[] =
#include "ops/detection/nms_text.inc"
    ;

enum { BOX = 4, ROW = 6, FLOAT_COUNTS = 1 << 24 };

static const Param params[] = {
    {"scores", PARAM_VALUE, NULL, "the score of each box for each class: as many rows as there are boxes", 0,
     0, NULL},
    {"iou", PARAM_NUMBER, "0.5", "a box that overlaps a better one by more is dropped", 0, 1, NULL},
    {"score", PARAM_NUMBER, "0.25", "a score below is no detection", 0, 0, NULL},
    {"max", PARAM_INT, "100", "rows of the result", 0, 0, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  const Shape boxes = node->in[0]->shape, scores = node->in[1]->shape;
  int64_t rows, columns, scored, classes;
  if (!boxes.rank || !scores.rank) return;
  if (!shape_table(boxes, &rows, &columns) || columns % BOX) {
    Diag *diag =
        op_error(context, node, DIAG_wrong_shape, "nms takes boxes, rows of x1 y1 x2 y2, but its input is %s",
                 shape_text(context->arena, boxes));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  if (!shape_table(scores, &scored, &classes) || scored != rows) {
    Diag *diag = op_error_at(context, node, "scores", DIAG_shape_mismatch,
                             "nms of %s boxes and %s scores: each box needs a row of scores",
                             shape_text(context->arena, boxes), shape_text(context->arena, scores));
    op_note_origin(context, diag, node->in[0]);
    op_note_origin(context, diag, node->in[1]);
    return;
  }
  if (columns != BOX && columns != BOX * classes) {
    Diag *diag =
        op_error(context, node, DIAG_shape_mismatch,
                 "nms of %s boxes and %s scores: a row has one box, or one for each of %lld classes",
                 shape_text(context->arena, boxes), shape_text(context->arena, scores), (long long)classes);
    op_note_origin(context, diag, node->in[0]);
    op_note_origin(context, diag, node->in[1]);
    return;
  }
  if (shape_elements(scores) > FLOAT_COUNTS) {
    op_error_at(context, node, "scores", DIAG_too_large,
                "nms of %s scores: it takes at most 16,777,216 (2^24)", shape_text(context->arena, scores));
    return;
  }
  node->shape = shape_sequence(arg_int(node, "max"), ROW);
}

/* ---- the meaning ---- */
typedef struct Found {
  double score;
  int64_t row, label;
  const double *box;
} Found;

static int best_first(const void *a, const void *b) {
  const Found *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  if (x->row != y->row) return x->row < y->row ? -1 : 1;
  return (x->label > y->label) - (x->label < y->label);
}

static double length_shared(double a0, double a1, double b0, double b1) {
  const double from = a0 > b0 ? a0 : b0, to = a1 < b1 ? a1 : b1;
  return to > from ? to - from : 0;
}

static double overlap(const double *a, const double *b) {
  const double shared = length_shared(a[0], a[2], b[0], b[2]) * length_shared(a[1], a[3], b[1], b[3]),
               both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared;
  return shared > 0 ? shared / both : 0;
}

typedef struct Suppression {
  int64_t rows, classes, most, each; /* each: boxes of a row, 1 or one for each class */
  double iou, least;
} Suppression;

/* Class by class: sorted, then each against those that are kept. found[rows * classes]; how many are kept. */
static int64_t keep(const Suppression *s, const double *boxes, const double *scores, Found *found) {
  int64_t kept = 0;
  for (int64_t label = 0; label < s->classes; label++) {
    Found *own = found + kept;
    int64_t n = 0, left = 0;
    for (int64_t row = 0; row < s->rows; row++) {
      const double score = scores[row * s->classes + label];
      if (score >= s->least)
        own[n++] = (Found){score, row, label, boxes + (row * s->each + (s->each > 1 ? label : 0)) * BOX};
    }
    qsort(own, (size_t)n, sizeof *own, best_first);
    for (int64_t i = 0; i < n; i++) {
      bool covered = false;
      for (int64_t k = 0; k < left; k++) covered = covered || overlap(own[k].box, own[i].box) > s->iou;
      if (!covered) own[left++] = own[i];
    }
    kept += left;
  }
  return kept;
}

static void suppress(const Suppression *s, const double *boxes, const double *scores, double *out) {
  Arena *arena = arena_new();
  Found *found = NEW_ARRAY(arena, Found, s->rows * s->classes + 1);
  const int64_t kept = keep(s, boxes, scores, found);
  qsort(found, (size_t)kept, sizeof *found, best_first);
  for (int64_t i = 0; i < s->most; i++) {
    double *row = out + i * ROW;
    for (int c = 0; c < BOX; c++) row[c] = i < kept ? found[i].box[c] : 0;
    row[BOX] = i < kept ? found[i].score : 0;
    row[BOX + 1] = i < kept ? (double)found[i].label : -1;
  }
  arena_free(arena);
}

/* As the generated code has them. */
static double in_float(const Node *node, const char *name) { return (double)(float)arg_number(node, name); }

static void eval(const Eval *eval) {
  int64_t rows, columns;
  Suppression s = {.most = arg_int(eval->node, "max"),
                   .iou = in_float(eval->node, "iou"),
                   .least = in_float(eval->node, "score")};
  shape_table(eval->node->in[0]->shape, &rows, &columns);
  shape_table(eval->node->in[1]->shape, &s.rows, &s.classes);
  s.each = columns / BOX;
  suppress(&s, eval->in[0], eval->in[1], eval->out);
}

/* ---- the routine ---- */
static void run(double *const *buf, const double *number) {
  const Suppression s = {(int64_t)number[0], (int64_t)number[1],       (int64_t)number[2],
                         (int64_t)number[3], (double)(float)number[4], (double)(float)number[5]};
  for (int64_t i = 0; i < s.rows * s.classes; i++) buf[2][i] = 0;
  suppress(&s, buf[0], buf[1], buf[3]);
}

static const Routine routine = {.name = "nms",
                                .text = text,
                                .nbufs = 4,
                                .nnumbers = 6,
                                .elem = {F32, F32, F32, F32},
                                .writes = {[2] = true, [3] = true},
                                .whole = {true, true, true, true},
                                .run = run};

static void lower(Lower *l) {
  Nest *b = l->b;
  const int64_t rows = arg_int(l->node, "max");
  int64_t boxes, classes, columns;
  shape_table(l->node->in[0]->shape, &boxes, &columns);
  shape_table(l->node->in[1]->shape, &boxes, &classes);
  Buf *heap = lower_scratch(l, "heap", 1, (int64_t[]){boxes * classes}),
      *found = lower_scratch(l, "found", 2, (int64_t[]){rows, ROW});
  nest_fn(b, b->name, false);
  Buf *buf[] = {lower_contiguous(l, "boxes", l->in[0]), lower_contiguous(l, "scores", l->in[1]), heap, found};
  nest_routine(b, &routine, buf,
               (double[]){(double)boxes, (double)classes, (double)rows, (double)(columns / BOX),
                          arg_number(l->node, "iou"), arg_number(l->node, "score")});
  NEST_FOR(b, x, rows)
    NEST_FOR(b, c, ROW) {
      const Ix y = 0 * x;
      lower_store(l, nest_load(b, nest_at(b, found, x, c), 1), &y, &x, &c, 1, 1);
    }
}

const Op op_nms = {
    .name = "nms",
    .group = "detection",
    .summary = "the best boxes, without those that overlap a better one of their class",
    .detail =
        "boxes are rows of four, or of four for each class, as decode makes them of deltas for each class; "
        "rows x1 y1 x2 y2 score class by descending score, ties by row; missing rows have class -1; a box "
        "is dropped whose shared area with a better one, divided by the area of both, is more than iou; no "
        "gradient passes",
    .params = params,
    .example = "nms(scores, iou=0.5, max=20)",
    .alone = true,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
