/* detection.c: Loss of Fast R-CNN's head (Girshick, 2015): the class of a region's object, and the deltas of
 * its box. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "kernel/routine.h"
#include "ops/loss/objects.h"

static const char text[] =
#include "ops/loss/detection_text.inc"
    ;

#define float double
#define int32_t double
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/detection/delta_routine.h"
#include "ops/loss/detection_routine.h"
#undef float
#undef int32_t

enum { SCORES, DELTAS, BOXES, VALUES };

static const Param params[] = {
    {"deltas", PARAM_VALUE, NULL, "box deltas: 4 numbers per row, or 4 for each class", 0, 0, NULL},
    {"boxes", PARAM_VALUE, NULL, "the boxes of the regions, as passed to roi_align or roi_pool", 0, 0, NULL},
    {"overlap", PARAM_NUMBER, "0.5", "minimum IoU of a region with a ground-truth box to get the box's class",
     0, 1, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  const Node *scores = node->in[SCORES], *deltas = node->in[DELTAS], *boxes = node->in[BOXES];
  if (!objects_table(context, node, scores, "scores") || !objects_table(context, node, deltas, "deltas") ||
      !objects_table(context, node, boxes, "boxes"))
    return;
  const int64_t rows = objects_rows(scores->shape), classes = objects_columns(scores->shape),
                width = objects_columns(deltas->shape);
  const Node *other = objects_rows(deltas->shape) != rows  ? deltas
                      : objects_rows(boxes->shape) != rows ? boxes
                                                           : NULL;
  if (other) {
    Diag *diag = op_error(
        context, node, DIAG_loss_mismatch,
        "the loss 'detection' has scores of shape %s and %s of shape %s: both need one row per region",
        shape_text(context->arena, scores->shape), other == deltas ? "deltas" : "boxes",
        shape_text(context->arena, other->shape));
    op_note_origin(context, diag, scores);
    op_note_origin(context, diag, other);
    return;
  }
  if (objects_columns(boxes->shape) != 4) {
    Diag *diag = op_error(context, node, DIAG_loss_mismatch,
                          "boxes must be rows of x1 y1 x2 y2, but these boxes are %s",
                          shape_text(context->arena, boxes->shape));
    op_note_origin(context, diag, boxes);
    diag_help(diag, "use the boxes of roi_align or roi_pool");
    return;
  }
  if (classes < 2) {
    Diag *diag =
        op_error(context, node, DIAG_loss_mismatch,
                 "detection needs scores for classes and background, but there is one score per region");
    op_note_origin(context, diag, scores);
    diag_help(diag, "use classes + 1 scores: class 0 is the background");
    return;
  }
  if (width != 4 && width != 4 * classes) {
    Diag *diag = op_error(context, node, DIAG_loss_mismatch,
                          "detection needs 4 or %lld deltas per region, but the deltas are %s",
                          (long long)(4 * classes), shape_text(context->arena, deltas->shape));
    op_note_origin(context, diag, deltas);
    diag_help(
        diag,
        "either 4 for all classes together, or 4 for each of the %lld classes, including the background",
        (long long)classes);
    return;
  }
  node->shape = shape_vector(1);
}

/* ---- reference ---- */
static void run_routine(double *const *b, const double *n) {
  cnn_detection_routine(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], (int)n[0],
                        (int)n[1], (int)n[2], (int)n[3], (double)(float)n[4]);
}

static void eval(const Eval *eval) {
  const Node *node = eval->node;
  Node *const *in = node->in;
  const int64_t rows = objects_rows(in[SCORES]->shape), classes = objects_columns(in[SCORES]->shape),
                most = shape_elements(in[VALUES + TRUTH_CLASS]->shape);
  Arena *arena = arena_new();
  double *softmax = NEW_ARRAY(arena, double, rows *classes), *log_sum = NEW_ARRAY(arena, double, rows),
         *box_log = NEW_ARRAY(arena, double, 2 * rows), *truth_log = NEW_ARRAY(arena, double, 2 * most);
  chances_run(eval->in[SCORES], rows, classes, softmax, log_sum);
  objects_logs_run(eval->in[BOXES], rows, box_log);
  objects_logs_run(eval->in[VALUES + TRUTH_BOX], most, truth_log);
  cnn_detection_routine(eval->in[SCORES], softmax, log_sum, eval->in[DELTAS], eval->in[BOXES], box_log,
                        eval->in[VALUES + TRUTH_COUNT], eval->in[VALUES + TRUTH_CLASS],
                        eval->in[VALUES + TRUTH_BOX], truth_log, eval->out, (int)rows, (int)classes,
                        (int)objects_columns(in[DELTAS]->shape), (int)most,
                        (double)(float)arg_number(node, "overlap"));
  arena_free(arena);
}

/* ---- the nest ---- */
static const Routine routine = {
    .name = "detection",
    .depth = 3,
    .text = text,
    .uses = &delta_routine,
    .nbufs = 11,
    .nnumbers = 5,
    .elem = {F32, F32, F32, F32, F32, F32, I32, I32, F32, F32, F32},
    .writes = {[10] = true},
    .whole = {true, true, true, true},
    .run = run_routine,
};

static void lower(Lower *l) {
  Nest *b = l->b;
  Node *const *in = l->node->in;
  const int64_t rows = objects_rows(in[SCORES]->shape);
  const Objects truth = loss_objects(l, VALUES);
  const Chances chances = chances_room(l, in[SCORES]->shape);
  Buf *box_log = objects_logs_room(l, "box_log", rows),
      *truth_log = objects_logs_room(l, "truth_log", truth.most);
  nest_fn(b, b->name, false);
  Buf *scores = lower_contiguous(l, "scores", l->in[SCORES]),
      *deltas = lower_contiguous(l, "deltas", l->in[DELTAS]),
      *boxes = lower_contiguous(l, "boxes", l->in[BOXES]);
  chances_fill(l, &chances, scores);
  objects_logs_fill(l, box_log, boxes, rows);
  objects_logs_fill(l, truth_log, truth.box, truth.most);
  Buf *buf[] = {scores,      chances.softmax, chances.log_sum, deltas,    boxes, box_log,
                truth.count, truth.label,     truth.box,       truth_log, l->out};
  nest_routine(b, &routine, buf,
               (double[]){(double)rows, (double)chances.classes, (double)objects_columns(in[DELTAS]->shape),
                          (double)truth.most, arg_number(l->node, "overlap")});
}

const Op op_loss_detection = {
    .name = "detection",
    .group = "loss",
    .summary = "class loss and box loss of regions",
    .detail = "scores are R x (1 + classes), class 0 is the background; deltas are R x 4 or R x 4*(1 + "
              "classes). The loss is the sum of two parts, divided by R: the cross-entropy of all rows; and, "
              "for rows whose IoU with a ground-truth box is at least `overlap`, the smooth L1 (beta 1) "
              "between the deltas and the true deltas, which are multiplied by 10 10 5 5",
    .params = params,
    .example = "loss = detection(scores, deltas, boxes=regions)",
    .traits.object_target = true,
    .traits.per_image = true,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
