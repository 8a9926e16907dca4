/* masks.c: Loss of Mask R-CNN's head (He et al., 2017): whether each pixel of a region belongs to its object.
 */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/routine.h"
#include "ops/loss/objects.h"

static const char text[] =
#include "ops/loss/masks_text.inc"
    ;

#define float double
#define int32_t double
#define uint8_t double
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/masks_routine.h"
#undef float
#undef int32_t
#undef uint8_t

enum { SCORES, BOXES, VALUES };

static const Param params[] = {
    {"boxes", PARAM_VALUE, NULL, "the boxes of the regions, as passed to roi_align or roi_pool", 0, 0, NULL},
    {"overlap", PARAM_NUMBER, "0.5", "minimum IoU of a region with a ground-truth box to get the box's mask",
     0, 1, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  const Node *scores = node->in[SCORES], *boxes = node->in[BOXES];
  if (!scores->shape.rank || !objects_table(context, node, boxes, "boxes")) return;
  if (scores->shape.rank != 3 || !scores->shape.regions) {
    Diag *diag =
        op_error(context, node, DIAG_loss_mismatch,
                 "the loss 'masks' needs an image per region, R regions of HxWxclasses, but this value is %s",
                 shape_text(context->arena, scores->shape));
    op_note_origin(context, diag, scores);
    diag_help(diag, "roi_align produces regions; the operators after it apply to each region");
    return;
  }
  if (objects_rows(boxes->shape) == scores->shape.regions && objects_columns(boxes->shape) == 4) {
    node->shape = shape_vector(1);
    return;
  }
  Diag *diag =
      op_error(context, node, DIAG_loss_mismatch, "masks of %s and boxes of %s: each region needs one box",
               shape_text(context->arena, scores->shape), shape_text(context->arena, boxes->shape));
  op_note_origin(context, diag, scores);
  op_note_origin(context, diag, boxes);
  diag_help(diag, "use the boxes of roi_align or roi_pool");
}

/* ---- reference ---- */
typedef struct Sizes {
  int64_t rows, height, width, classes, most, tall, wide;
} Sizes;

static Sizes mask_sizes(const Node *node) {
  const Shape s = node->in[SCORES]->shape;
  const Extent picture = shape_extent(node->in[VALUES + TRUTH_INSTANCE]->shape);
  return (Sizes){
      s.regions, s.dim[0], s.dim[1], s.dim[2], shape_elements(node->in[VALUES + TRUTH_CLASS]->shape),
      picture.h, picture.w};
}

static void run_routine(double *const *b, const double *n) {
  cnn_masks_routine(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], (int)n[0], (int)n[1], (int)n[2],
                    (int)n[3], (int)n[4], (int)n[5], (int)n[6], (double)(float)n[7]);
}

static void eval(const Eval *eval) {
  const Sizes s = mask_sizes(eval->node);
  const int64_t n = s.rows * s.height * s.width * s.classes;
  Arena *arena = arena_new();
  double *softplus = NEW_ARRAY(arena, double, n), *sigmoid = NEW_ARRAY(arena, double, n);
  for (int64_t i = 0; i < n; i++) {
    const double x = eval->in[SCORES][i];
    sigmoid[i] = 1 / (1 + exp(-x));
    softplus[i] = log1p(exp(-fabs(x))) + (x > 0 ? x : 0);
  }
  cnn_masks_routine(eval->in[SCORES], softplus, sigmoid, eval->in[BOXES], eval->in[VALUES + TRUTH_COUNT],
                    eval->in[VALUES + TRUTH_CLASS], eval->in[VALUES + TRUTH_BOX],
                    eval->in[VALUES + TRUTH_INSTANCE], eval->out, (int)s.rows, (int)s.height, (int)s.width,
                    (int)s.classes, (int)s.most, (int)s.tall, (int)s.wide,
                    (double)(float)arg_number(eval->node, "overlap"));
  arena_free(arena);
}

/* ---- the nest ---- */
static const Routine routine = {
    .name = "masks",
    .depth = 3,
    .text = text,
    .uses = &match_routine,
    .nbufs = 9,
    .nnumbers = 8,
    .elem = {F32, F32, F32, F32, I32, I32, F32, U8, F32},
    .writes = {[8] = true},
    .whole = {true, true, true, true, true, true, true},
    .run = run_routine,
};

static void lower(Lower *l) {
  Nest *b = l->b;
  const Sizes s = mask_sizes(l->node);
  const Objects truth = loss_objects(l, VALUES);
  const int64_t dim[3] = {s.rows * s.height, s.width, s.classes};
  Buf *softplus = lower_scratch(l, "softplus", 3, dim), *sigmoid = lower_scratch(l, "sigmoid", 3, dim);
  nest_fn(b, b->name, false);
  Buf *scores = lower_contiguous(l, "scores", l->in[SCORES]),
      *boxes = lower_contiguous(l, "boxes", l->in[BOXES]);
  objects_sigmoid(l, scores, sigmoid, softplus);
  Buf *buf[] = {scores,      softplus,    sigmoid,   boxes,
                truth.count, truth.label, truth.box, l->in[VALUES + TRUTH_INSTANCE],
                l->out};
  nest_routine(b, &routine, buf,
               (double[]){(double)s.rows, (double)s.height, (double)s.width, (double)s.classes,
                          (double)s.most, (double)s.tall, (double)s.wide, arg_number(l->node, "overlap")});
}

const Op op_loss_masks = {
    .name = "masks",
    .group = "loss",
    .summary = "mask loss of regions",
    .detail = "The output is R regions of m x m x classes, after a sigmoid or as raw scores. Only regions "
              "whose IoU with a ground-truth box is at least `overlap` have a loss: the binary cross-entropy "
              "between the channel of the object's class and the mask of the object. The mask is cropped to "
              "the region's box and sampled bilinearly to m x m. The result is the mean over these regions "
              "and their pixels",
    .params = params,
    .example = "loss = masks(masks, boxes=regions)",
    .traits.object_target = true,
    .traits.per_image = true,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
