/* multibox.c: Loss of a detector that corrects default boxes (Liu et al., 2016, SSD): the class of a box's
 * object, and the deltas of the box. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/routine.h"
#include "ops/loss/objects.h"

static const char text[] =
#include "ops/loss/multibox_text.inc"
    ;

#define float double
#define int32_t double
#include "ops/detection/best_routine.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/detection/delta_routine.h"
#include "ops/loss/multibox_routine.h"
#undef float
#undef int32_t

enum { SCORES, DELTAS, BOXES, VALUES };
enum { BOX = 4 };

static const Param params[] = {
    {"deltas", PARAM_VALUE, NULL, "box deltas: 4 numbers per row", 0, 0, NULL},
    {"boxes", PARAM_VALUE, NULL, "the default boxes, a value of the operator default_boxes", 0, 0, NULL},
    {"overlap", PARAM_NUMBER, "0.5", "minimum IoU for a default box to be matched with a ground-truth box", 0,
     1, NULL},
    {"negatives", PARAM_INT, "3", "number of background boxes in the loss for each box with an object", 0,
     1e6, NULL},
    {0},
};

static bool rows_equal(ShapeContext *context, const Node *node, int k, const char *what) {
  const Node *scores = node->in[SCORES], *other = node->in[k];
  if (!objects_table(context, node, other, what)) return false;
  if (objects_rows(other->shape) == objects_rows(scores->shape) && objects_columns(other->shape) == BOX)
    return true;
  Diag *diag =
      op_error(context, node, DIAG_loss_mismatch, "multibox of %s scores needs %lldx4 %s, but these are %s",
               shape_text(context->arena, scores->shape), (long long)objects_rows(scores->shape), what,
               shape_text(context->arena, other->shape));
  op_note_origin(context, diag, scores);
  op_note_origin(context, diag, other);
  diag_help(diag, "each box has a row in all three: multibox(scores, deltas, boxes=priors)");
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  const Node *scores = node->in[SCORES];
  if (!objects_table(context, node, scores, "scores") || !rows_equal(context, node, DELTAS, "deltas") ||
      !rows_equal(context, node, BOXES, "boxes"))
    return;
  if (objects_columns(scores->shape) < 2) {
    Diag *diag = op_error(context, node, DIAG_loss_mismatch,
                          "multibox needs scores for classes and background, but there is one score per box");
    op_note_origin(context, diag, scores);
    diag_help(diag, "use classes + 1 scores: class 0 is the background");
    return;
  }
  node->shape = shape_vector(1);
}

/* ---- reference ---- */
static void run_routine(double *const *b, const double *n) {
  cnn_multibox_routine(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                       (int)n[0], (int)n[1], (int)n[2], (int)n[3], (double)(float)n[4]);
}

static void eval(const Eval *eval) {
  const Node *node = eval->node;
  const Shape scores = node->in[SCORES]->shape;
  const int64_t rows = objects_rows(scores), classes = objects_columns(scores),
                most = shape_elements(node->in[VALUES + TRUTH_CLASS]->shape);
  Arena *arena = arena_new();
  double *softmax = NEW_ARRAY(arena, double, rows *classes), *log_sum = NEW_ARRAY(arena, double, rows),
         *box_log = NEW_ARRAY(arena, double, 2 * rows), *truth_log = NEW_ARRAY(arena, double, 2 * most),
         *scratch = NEW_ARRAY(arena, double, 3 * rows);
  chances_run(eval->in[SCORES], rows, classes, softmax, log_sum);
  objects_logs_run(eval->in[BOXES], rows, box_log);
  objects_logs_run(eval->in[VALUES + TRUTH_BOX], most, truth_log);
  cnn_multibox_routine(eval->in[SCORES], softmax, log_sum, eval->in[DELTAS], eval->in[BOXES], box_log,
                       eval->in[VALUES + TRUTH_COUNT], eval->in[VALUES + TRUTH_CLASS],
                       eval->in[VALUES + TRUTH_BOX], truth_log, scratch, scratch + rows, scratch + 2 * rows,
                       eval->out, (int)rows, (int)classes, (int)most, (int)arg_int(node, "negatives"),
                       (double)(float)arg_number(node, "overlap"));
  arena_free(arena);
}

/* ---- the nest ---- */
static const Routine routine = {
    .name = "multibox",
    .depth = 4,
    .text = text,
    .uses = &delta_routine,
    .also = &best_routine,
    .nbufs = 14,
    .nnumbers = 5,
    .elem = {F32, F32, F32, F32, F32, F32, I32, I32, F32, F32, F32, F32, F32, F32},
    .writes = {[10] = true, [11] = true, [12] = true, [13] = true},
    .whole = {true, true, true, true},
    .run = run_routine,
};

static void lower(Lower *l) {
  Nest *b = l->b;
  const int64_t rows = objects_rows(l->node->in[SCORES]->shape);
  const Objects truth = loss_objects(l, VALUES);
  const Chances chances = chances_room(l, l->node->in[SCORES]->shape);
  Buf *box_log = objects_logs_room(l, "box_log", rows),
      *truth_log = objects_logs_room(l, "truth_log", truth.most),
      *match = lower_scratch(l, "match", 1, &rows), *worst = lower_scratch(l, "worst", 1, &rows),
      *cost = lower_scratch(l, "cost", 1, &rows);
  nest_fn(b, b->name, false);
  Buf *scores = lower_contiguous(l, "scores", l->in[SCORES]),
      *deltas = lower_contiguous(l, "deltas", l->in[DELTAS]),
      *boxes = lower_contiguous(l, "boxes", l->in[BOXES]);
  chances_fill(l, &chances, scores);
  objects_logs_fill(l, box_log, boxes, rows);
  objects_logs_fill(l, truth_log, truth.box, truth.most);
  Buf *buf[] = {scores,      chances.softmax, chances.log_sum, deltas, boxes, box_log, truth.count,
                truth.label, truth.box,       truth_log,       match,  worst, cost,    l->out};
  nest_routine(b, &routine, buf,
               (double[]){(double)rows, (double)chances.classes, (double)truth.most,
                          (double)arg_int(l->node, "negatives"), arg_number(l->node, "overlap")});
}

const Op op_loss_multibox = {
    .name = "multibox",
    .group = "loss",
    .summary = "class loss and box loss of default boxes (SSD)",
    .detail =
        "scores are N x (1 + classes), class 0 is the background; deltas are N x 4; boxes come from "
        "default_boxes. A default box is matched with the ground-truth box with the largest IoU, if this IoU "
        "is at least `overlap`; each ground-truth box is also matched with the default box with the largest "
        "IoU. The loss is the sum of three parts, divided by the number of matched boxes: the cross-entropy "
        "of the matched boxes; the smooth L1 (beta 1) between their deltas and the true deltas, which are "
        "multiplied by 10 10 5 5; and the cross-entropy of the other boxes with the largest loss, "
        "`negatives` boxes for each matched box. Liu et al., 2016",
    .params = params,
    .example = "loss = multibox(scores, deltas, boxes=priors)",
    .traits.object_target = true,
    .traits.per_image = true,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
