/* roi.c: Common code of roi_align and roi_pool: shapes, boxes, loops over channels. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/roi.h"
#include "base/number.h"
#include "kernel/window.h"

enum {
  BOX = 4,
  TOGETHER = 8 /* maximum number of vectors per loop iteration */
};

/* ---- the shape ---- */
static bool takes_boxes(ShapeContext *context, const Node *node) {
  const Shape boxes = node->in[0]->shape;
  int64_t rows, columns;
  if (shape_table(boxes, &rows, &columns) && columns == BOX) return true;
  Diag *diag =
      op_error(context, node, DIAG_wrong_shape, "%s takes boxes, rows of x1 y1 x2 y2, but its input is %s",
               node->op->name, shape_text(context->arena, boxes));
  op_note_origin(context, diag, node->in[0]);
  if (boxes.rank == 3)
    diag_help(diag, "the current value is the boxes: boxes -> %s(features, size, scale)", node->op->name);
  return false;
}

static bool takes_features(ShapeContext *context, const Node *node) {
  const Shape features = node->in[1]->shape;
  if (features.rank == 3 && !features.regions) return true;
  Diag *diag = op_error_at(context, node, "features", DIAG_wrong_shape,
                           "%s takes its regions from an image, but features is %s", node->op->name,
                           shape_text(context->arena, features));
  op_note_origin(context, diag, node->in[1]);
  return false;
}

static bool takes_scale(ShapeContext *context, const Node *node) {
  if (arg_const(node, "scale")->kind == CONST_POISON) return false;
  const double scale = arg_number(node, "scale");
  if (scale > 1) {
    Diag *diag = op_error_at(context, node, "scale", DIAG_suspicious_value,
                             "a scale of %.9g means %.9g features for each pixel of the input", scale, scale);
    diag_help(diag, "write the scale as features per pixel: 1/%.9g if a feature is %.9g pixels wide", scale,
              scale);
  }
  if ((float)scale > 0) return true;
  Diag *diag = op_error_at(context, node, "scale", DIAG_bad_value, "scale of %s is %g, but must be positive",
                           node->op->name, arg_number(node, "scale"));
  diag_help(diag, "scale is the number of features per input pixel: 1/16 after four layers of stride 2");
  return false;
}

/* Whether floats exactly represent the positions along each axis: of the features, and of the samples of all
 * regions (roi_pool: of their elements). If not, reports an error. */
static bool small_enough(ShapeContext *context, const Node *node, const int64_t size[2]) {
  const Shape features = node->in[1]->shape;
  int64_t rows, columns;
  shape_table(node->in[0]->shape, &rows, &columns);
  const int64_t samples = arg_const(node, "samples")->kind == CONST_INT ? arg_int(node, "samples") : 1,
                positions = bounded_product(rows, bounded_product(larger(size[0], size[1]), samples));
  if (positions <= ROI_FAR && larger(features.dim[0], features.dim[1]) <= ROI_FAR) return true;
  Arena *arena = context->arena;
  Diag *diag = op_error(context, node, DIAG_too_large,
                        "%s of %lld regions of %lldx%lld from %s: the limits along an axis are 4,194,304 "
                        "(2^22) features, and 2^22 %s over all regions",
                        node->op->name, (long long)rows, (long long)size[0], (long long)size[1],
                        shape_text(arena, features), samples > 1 ? "samples" : "elements");
  op_note_origin(context, diag, node->in[0]);
  op_note_origin(context, diag, node->in[1]);
  return false;
}

void roi_shape(ShapeContext *context, Node *node) {
  int64_t size[2], rows, columns;
  if (!node->in[0]->shape.rank || !node->in[1]->shape.rank) return;
  if (!takes_boxes(context, node) || !takes_features(context, node) ||
      !window_size(context, node, "size", size) || !takes_scale(context, node) ||
      !small_enough(context, node, size))
    return;
  shape_table(node->in[0]->shape, &rows, &columns);
  node->shape = shape_image(size[0], size[1], node->in[1]->shape.dim[2]);
  node->shape.regions = rows;
}

Roi roi_of(const Node *node) {
  const Node *forward = node_forward(node);
  const Extent value = shape_extent(forward->shape), features = shape_extent(forward->in[1]->shape);
  return (Roi){.rows = value.n,
               .channels = value.c,
               .size = {value.h, value.w},
               .length = {features.h, features.w},
               .scale = (double)(float)arg_number(forward, "scale")};
}

/* ---- boxes ---- */
const double *roi_box(const Eval *eval, int k, int64_t row) {
  const Node *node = eval->node;
  const bool of_row = node->shape.regions && node->in[k]->shape.regions;
  return eval->in[k] + (of_row ? 0 : row * BOX);
}

/* The buffer is [1][N][4] for N boxes, and [N][1][1][4] or, in a view, [N][1][4] for N regions of a box. */
Val roi_side(Lower *l, Buf *boxes, const Ix *n, int side) {
  Nest *b = l->b;
  return nest_load(b,
                   boxes->rank == 4     ? nest_at(b, boxes, *n, 0, 0, side)
                   : boxes->dim[0] == 1 ? nest_at(b, boxes, 0, *n, side)
                                        : nest_at(b, boxes, *n, 0, side),
                   1);
}

/* ---- loops ---- */
LoopKind roi_rows(const Lower *l, const Roi *roi, int64_t work) {
  const int64_t elements = roi->rows * roi->size[0] * roi->size[1] * roi->channels;
  return walk_rows(l, bounded_product(elements, work));
}

void roi_channels(Lower *l, int64_t channels, RoiBody body, const void *context) {
  Nest *b = l->b;
  const int lanes = walk_lanes(l, channels), most = l->plain ? 1 : TOGETHER;
  const int64_t vectors = channels / lanes, groups = vectors / most, singles = vectors % most,
                rest = channels % lanes;
  const Ix zero = {0};
  if (groups)
    NEST_FOR(b, g, groups) {
      const Ix c = g * (most * lanes);
      body(l, &c, most, lanes, lanes, context);
    }
  if (singles) {
    const Ix c = zero + groups * most * lanes;
    body(l, &c, (int)singles, lanes, lanes, context);
  }
  if (rest) {
    const Ix c = zero + vectors * lanes;
    body(l, &c, 1, (int)rest, walk_lanes(l, rest), context);
  }
}
