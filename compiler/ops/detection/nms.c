/* nms.c: nms, non-maximum suppression. Boxes are ordered by descending score, and by row if scores are equal.
 * A box is dropped if its score is below `score`, or if its IoU with an earlier remaining box of the same
 * class exceeds `iou`. The result is the first `max` remaining boxes, as in torchvision's batched_nms. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "ops/detection/yolo.h"
#include "kernel/routine.h"

static const char text[] =
#include "ops/detection/nms_text.inc"
    ;
static const char rows_text[] =
#include "ops/detection/nms_rows_text.inc"
    ;

static const char best_text[] =
#include "ops/detection/nms_best_text.inc"
    ;

enum { BOX = 4, ROW = 6, KEPT = 5, FLOAT_COUNTS = 1 << 24 };

static const Param params[] = {
    {"scores", PARAM_VALUE, "",
     "scores of each box for each class, one row per box; not used for rows of yolo, which contain their "
     "scores",
     0, 0, NULL},
    {"iou", PARAM_NUMBER, "0.5",
     "drop a box if its IoU with a kept better box of its class is above this value", 0, 1, NULL},
    {"score", PARAM_NUMBER, "0.25", "minimum score of a box", 0, 0, NULL},
    {"max", PARAM_INT, "100", "number of rows of the result", 0, 0, NULL},
    {0},
};

/* Whether the first input contains both boxes and scores, in rows with the columns of yolo. */
static bool has_scores(const Node *node) { return node->nin == 1; }

static Shape scores_shape(const Node *node) {
  const Shape in = node->in[0]->shape;
  return has_scores(node) ? shape_sequence(in.dim[0], in.dim[1] - YOLO_CLASSES) : node->in[1]->shape;
}

/* Boxes per row: one, or one per class. */
static int64_t boxes_of_row(const Node *node) {
  int64_t rows, columns = BOX;
  if (!has_scores(node)) shape_table(node->in[0]->shape, &rows, &columns);
  return columns / BOX;
}

static void shape_of_rows(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  const bool rows = in.rank == 2 && !in.regions;
  if (rows && in.dim[1] > YOLO_CLASSES) {
    if (shape_elements(scores_shape(node)) > FLOAT_COUNTS)
      op_error(context, node, DIAG_too_large, "nms of %s scores: the limit is 16,777,216 (2^24) scores",
               shape_text(context->arena, scores_shape(node)));
    else node->shape = shape_sequence(arg_int(node, "max"), ROW);
    return;
  }
  Diag *diag = rows && in.dim[1] == BOX
                   ? op_error(context, node, DIAG_missing_argument, "nms of %s boxes needs their scores",
                              shape_text(context->arena, in))
                   : op_error(context, node, DIAG_wrong_shape,
                              "nms without scores needs rows from yolo (x y w h, objectness, and a number "
                              "for each class), but its input is %s",
                              shape_text(context->arena, in));
  op_note_origin(context, diag, node->in[0]);
  if (rows && in.dim[1] == BOX)
    diag_help(diag, "write nms(scores); scores must be a value of %lld rows with a number for each class",
              (long long)in.dim[0]);
  else diag_help(diag, "boxes are rows of x1 y1 x2 y2, and need scores: boxes -> nms(scores)");
}

static void shape(ShapeContext *context, Node *node) {
  if (has_scores(node)) {
    shape_of_rows(context, node);
    return;
  }
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
                 "nms of %s boxes and %s scores: a row must have one box, or one for each of %lld classes",
                 shape_text(context->arena, boxes), shape_text(context->arena, scores), (long long)classes);
    op_note_origin(context, diag, node->in[0]);
    op_note_origin(context, diag, node->in[1]);
    return;
  }
  if (shape_elements(scores) > FLOAT_COUNTS) {
    op_error_at(context, node, "scores", DIAG_too_large,
                "nms of %s scores: the limit is 16,777,216 (2^24) scores",
                shape_text(context->arena, scores));
    return;
  }
  node->shape = shape_sequence(arg_int(node, "max"), ROW);
}

static int64_t classes(const Node *node) {
  const Shape scores = scores_shape(node);
  return scores.dim[scores.rank - 1];
}

/* ---- reference ---- */
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

static float length_shared(float a0, float a1, float b0, float b1) {
  const float from = a0 > b0 ? a0 : b0, to = a1 < b1 ? a1 : b1;
  return to > from ? to - from : 0;
}

/* The IoU of two boxes, computed in float, so that areas underflow and overflow as in generated code. */
static double overlap(const double *box, const double *other) {
  float a[BOX], b[BOX];
  for (int c = 0; c < BOX; c++) a[c] = (float)box[c], b[c] = (float)other[c];
  const float shared = length_shared(a[0], a[2], b[0], b[2]) * length_shared(a[1], a[3], b[1], b[3]),
              both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared;
  return shared > 0 ? (double)(shared / both) : 0;
}

typedef struct Suppression {
  int64_t rows, classes, most, each; /* each: boxes per row, 1 or one per class */
  double iou, least;
} Suppression;

/* Stores the kept boxes, class by class, in found[rows * classes]; returns their number. */
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
      for (int64_t k = 0; k < left && s->iou < 1; k++)
        covered = covered || overlap(own[k].box, own[i].box) > s->iou;
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

/* An argument, rounded to float as in generated code. */
static double in_float(const Node *node, const char *name) { return (double)(float)arg_number(node, name); }

/* For rows of yolo: first computes the corners of the boxes, and the scores (objectness times class). Scores
 * are rounded to float, so that the same scores are equal as in generated code, and have the same order. */
static void run_rows(const Suppression *s, const double *rows, double *out) {
  Arena *arena = arena_new();
  double *boxes = NEW_ARRAY(arena, double, s->rows *BOX),
         *scores = NEW_ARRAY(arena, double, s->rows * s->classes);
  for (int64_t i = 0; i < s->rows; i++) {
    const double *row = rows + i * (YOLO_CLASSES + s->classes);
    for (int c = 0; c < BOX; c++) boxes[i * BOX + c] = row[c % 2] + (c < 2 ? -.5 : .5) * row[YOLO_W + c % 2];
    for (int64_t c = 0; c < s->classes; c++)
      scores[i * s->classes + c] = (double)(float)(row[YOLO_OBJECT] * row[YOLO_CLASSES + c]);
  }
  suppress(s, boxes, scores, out);
  arena_free(arena);
}

static void eval(const Eval *eval) {
  Suppression s = {.most = arg_int(eval->node, "max"),
                   .each = boxes_of_row(eval->node),
                   .iou = in_float(eval->node, "iou"),
                   .least = in_float(eval->node, "score")};
  shape_table(scores_shape(eval->node), &s.rows, &s.classes);
  if (has_scores(eval->node)) run_rows(&s, eval->in[0], eval->out);
  else suppress(&s, eval->in[0], eval->in[1], eval->out);
}

/* ---- runtime functions ---- */
static void clear(double *buf, int64_t n) {
  for (int64_t i = 0; i < n; i++) buf[i] = 0;
}

static void run(double *const *buf, const double *number) {
  const Suppression s = {(int64_t)number[0], (int64_t)number[1],       (int64_t)number[2],
                         (int64_t)number[3], (double)(float)number[4], (double)(float)number[5]};
  clear(buf[2], s.rows * s.classes * 2);
  clear(buf[3], s.most * KEPT);
  suppress(&s, buf[0], buf[1], buf[4]);
}

static void run_of_rows(double *const *buf, const double *number) {
  const Suppression s = {(int64_t)number[0],       (int64_t)number[1],      (int64_t)number[2], 1,
                         (double)(float)number[4], (double)(float)number[5]};
  clear(buf[1], s.rows * s.classes * 2);
  clear(buf[2], s.most * KEPT);
  run_rows(&s, buf[0], buf[3]);
}

static const Routine routine = {.name = "nms",
                                .depth = 5,
                                .text = text,
                                .uses = &suppress_routine,
                                .nbufs = 5,
                                .nnumbers = 6,
                                .elem = {F32, F32, F32, F32, F32},
                                .writes = {[2] = true, [3] = true, [4] = true},
                                .whole = {true, true, true, true},
                                .run = run};

/* The reference of the runtime function for iou=1, which suppresses no box. */
static void run_best(double *const *buf, const double *number) {
  const Suppression s = {
      (int64_t)number[0],      (int64_t)number[1], (int64_t)number[2], (int64_t)number[3], 1,
      (double)(float)number[4]};
  clear(buf[2], s.rows * s.classes);
  suppress(&s, buf[0], buf[1], buf[3]);
}

static const Routine nms_best_routine = {.name = "nms_best",
                                         .depth = 4,
                                         .text = best_text,
                                         .uses = &best_routine,
                                         .nbufs = 4,
                                         .nnumbers = 5,
                                         .elem = {F32, F32, F32, F32},
                                         .writes = {[2] = true, [3] = true},
                                         .whole = {true, true, true, true},
                                         .run = run_best};

static const Routine rows_routine = {.name = "nms_rows",
                                     .depth = 5,
                                     .text = rows_text,
                                     .uses = &suppress_routine,
                                     .nbufs = 4,
                                     .nnumbers = 6,
                                     .elem = {F32, F32, F32, F32},
                                     .writes = {[1] = true, [2] = true, [3] = true},
                                     .whole = {true, true, true, true},
                                     .run = run_of_rows};

/* Whether all rows are results of yolo: then class scores are sigmoids, and at most 1. */
static bool made_by_yolo(const Node *rows) {
  if (rows->op == &op_yolo) return true;
  if (!rows->op->traits.channel_offset && rows->op->family != FAMILY_ALIAS) return false;
  for (int k = 0; k < rows->nin; k++)
    if (!made_by_yolo(rows->in[k])) return false;
  return rows->nin > 0;
}

/* Buffers of a runtime function. heap: candidates; kept: kept boxes, or NULL with all_kept; found: rows of
 * the result. */
typedef struct Scratch {
  Buf *heap, *kept, *found;
} Scratch;

static bool all_kept(const Node *node) { return !has_scores(node) && in_float(node, "iou") >= 1; }

static Scratch scratch_of(Lower *l, int64_t candidates) {
  const int64_t rows = arg_int(l->node, "max");
  Scratch s = {NULL, NULL, NULL};
  if (all_kept(l->node)) s.heap = lower_scratch(l, "best", 1, &candidates);
  else {
    s.heap = lower_scratch(l, "heap", 2, (int64_t[]){candidates, 2});
    s.kept = lower_scratch(l, "kept", 2, (int64_t[]){KEPT, rows});
  }
  s.found = lower_scratch(l, "found", 2, (int64_t[]){rows, ROW});
  return s;
}

static void call_routine(Lower *l, const Scratch *s, double number[6]) {
  Nest *b = l->b;
  const Node *node = l->node;
  Buf *in = lower_contiguous(l, has_scores(node) ? "rows" : "boxes", l->in[0]);
  if (has_scores(node)) {
    number[3] = made_by_yolo(node->in[0]);
    nest_routine(b, &rows_routine, (Buf *[]){in, s->heap, s->kept, s->found}, number);
    return;
  }
  Buf *scores = lower_contiguous(l, "scores", l->in[1]);
  if (all_kept(node)) {
    number[4] = number[5];
    nest_routine(b, &nms_best_routine, (Buf *[]){in, scores, s->heap, s->found}, number);
  } else nest_routine(b, &routine, (Buf *[]){in, scores, s->heap, s->kept, s->found}, number);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Node *node = l->node;
  const int64_t rows = arg_int(node, "max");
  int64_t boxes, classes;
  shape_table(scores_shape(node), &boxes, &classes);
  const Scratch s = scratch_of(l, boxes * classes);
  nest_fn(b, b->name, false);
  call_routine(l, &s,
               (double[]){(double)boxes, (double)classes, (double)rows, (double)boxes_of_row(node),
                          arg_number(node, "iou"), arg_number(node, "score")});
  NEST_FOR(b, x, rows)
    NEST_FOR(b, c, ROW) {
      const Ix y = 0 * x;
      lower_store(l, nest_load(b, nest_at(b, s.found, x, c), 1), &y, &x, &c, 1, 1);
    }
}

const Op op_nms = {
    .name = "nms",
    .group = "detection",
    .summary = "non-maximum suppression: drops boxes that overlap a higher-scoring box of the same class",
    .detail =
        "the current value is the rows of yolo (score = objectness * class score). With scores=, the current "
        "value is boxes: rows x1 y1 x2 y2, or rows with one box per class, as decode returns for 4*classes "
        "deltas. The result has rows x1 y1 x2 y2 score class by descending score; equal scores are ordered "
        "by input row; unused rows have class -1. A box is dropped if its IoU with a kept box of the "
        "same class and of higher score is more than iou; iou=1 drops no boxes. No gradient passes",
    .params = params,
    .example = "nms(scores, iou=0.5, max=20)",
    .traits.per_image = true,
    .traits.detects = DETECTS_BOXES,
    .traits.classes = classes,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
