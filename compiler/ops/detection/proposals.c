/* proposals.c: proposals, the regions of an image that may contain an object (Ren et al., 2015). Each cell
 * has several anchors, which are boxes around the cell's center. Each anchor has a score, and deltas that
 * move and scale it. The boxes with the best scores, at most `before`, are candidates. A candidate remains if
 * it is not too small (SMALLEST), and its IoU with every better remaining candidate is at most `iou`, as in
 * torchvision's filter_proposals. The result is the best `max` remaining candidates. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "ops/detection/cells.h"
#include "ops/detection/decoder.h"
#include "ops/detection/lists.h"
#include "ops/detection/proposals_sample.h"
#include "kernel/routine.h"
#include "kernel/window.h"

static const char text[] =
#include "ops/detection/proposals_text.inc"
    ;

enum { FLOAT_COUNTS = 1 << 24 };
#define SMALLEST 1e-3 /* minimum width and height of a box, in image pixels */

static const Param params[] = {
    {"deltas", PARAM_VALUE, NULL, "dx dy dw dh of each anchor", 0, 0, NULL},
    {"anchors", PARAM_LIST, NULL, "[width, height] of each anchor of a cell, in image pixels", 0, 0, NULL},
    {"stride", PARAM_WINDOW, "16", "number of image pixels from one cell to the next", 0, 0, NULL},
    {"before", PARAM_INT, "2000",
     "number of boxes with the highest scores; all other boxes are dropped before suppression", 0, 0, NULL},
    {"max", PARAM_INT, "300", "number of rows of the result", 0, 0, NULL},
    {"iou", PARAM_NUMBER, "0.7", "drop a box if its IoU with a kept box of higher score is above this value",
     0, 1, NULL},
    {"sample", PARAM_INT, "64", "number of rows of the result in training", 0, 0, NULL},
    {"positives", PARAM_NUMBER, "0.25",
     "in training, at most this fraction of the sampled regions contain an object", 0, 1, NULL},
    {0},
};

/* ---- the shape ---- */
static bool scores_fit(ShapeContext *context, const Node *node) {
  const Shape scores = node->in[0]->shape;
  const int anchors = list_count(node, "anchors");
  if (scores.rank != 3 || scores.regions) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape,
                          "proposals needs an image of scores, one for each anchor, but its input is %s",
                          shape_text(context->arena, scores));
    op_note_origin(context, diag, node->in[0]);
    return false;
  }
  if (scores.dim[2] != anchors) {
    Diag *diag = op_error_at(
        context, node, "anchors", DIAG_shape_mismatch, "proposals has %s, but its input %s has %s per cell",
        text_counted(context->arena, anchors, "anchor"), shape_text(context->arena, scores),
        text_counted(context->arena, scores.dim[2], "score"));
    op_note_origin(context, diag, node->in[0]);
    if (scores.dim[2] == BOX * anchors)
      diag_help(
          diag,
          "the current value must be the scores, and the argument the deltas: scores -> proposals(deltas)");
    else diag_help(diag, "put conv(%d, 1x1) before it to get one score per anchor", anchors);
    return false;
  }
  if (shape_elements(scores) <= FLOAT_COUNTS) return true;
  Diag *diag =
      op_error(context, node, DIAG_too_large, "proposals of %s scores: the limit is 16,777,216 (2^24) scores",
               shape_text(context->arena, scores));
  op_note_origin(context, diag, node->in[0]);
  return false;
}

static bool deltas_fit(ShapeContext *context, const Node *node) {
  const Shape scores = node->in[0]->shape, deltas = node->in[1]->shape;
  const Shape wanted = shape_image(scores.dim[0], scores.dim[1], BOX * scores.dim[2]);
  if (shape_equal(deltas, wanted)) return true;
  Diag *diag = op_error_at(context, node, "deltas", DIAG_shape_mismatch,
                           "proposals of %s scores needs %s deltas, four for each anchor, but these are %s",
                           shape_text(context->arena, scores), shape_text(context->arena, wanted),
                           shape_text(context->arena, deltas));
  op_note_origin(context, diag, node->in[0]);
  if (node->in[1] != node->in[0]) op_note_origin(context, diag, node->in[1]);
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  int64_t stride[2];
  if (!node->in[0]->shape.rank || !node->in[1]->shape.rank) return;
  if (list_of_pairs(context, node, "anchors") && window_pair(context, node, "stride", stride) &&
      scores_fit(context, node) && deltas_fit(context, node))
    node->shape = shape_sequence(arg_int(node, "max"), BOX);
}

/* ---- anchors ---- */
typedef struct Anchors {
  Extent cells; /* h, w: number of cells; c: number of anchors of a cell */
  int64_t count, before, most;
  double stride[2]; /* distance between rows and between columns of cells, in image pixels */
  Decoder decoder;
} Anchors;

static Anchors anchors_of(const Node *node) {
  Anchors a = {.cells = shape_extent(node->in[0]->shape),
               .most = arg_int(node, "max"),
               .decoder = {{1, 1, 1, 1}, picture_of(node)}};
  a.count = a.cells.h * a.cells.w * a.cells.c;
  a.before = arg_int(node, "before") < a.count ? arg_int(node, "before") : a.count;
  cells_strides(node, a.stride);
  return a;
}

/* ---- reference ---- */
typedef struct Found {
  double score;
  int64_t row;
} Found;

static int compare_scores(const void *a, const void *b) {
  const Found *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return x->row < y->row ? -1 : 1;
}

static double box_overlap_share(const double *a, const double *b) {
  double side[2];
  for (int c = 0; c < 2; c++) {
    const double from = a[c] > b[c] ? a[c] : b[c], to = a[c + 2] < b[c + 2] ? a[c + 2] : b[c + 2];
    if (!(to > from)) return 0;
    side[c] = to - from;
  }
  const double shared = side[0] * side[1];
  return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
}

static void choose_best(const double *boxes, const double *scores, int64_t rows, int64_t before, int64_t most,
                        double iou, double *out) {
  Arena *arena = arena_new();
  Found *found = NEW_ARRAY(arena, Found, rows);
  int64_t n = 0, kept = 0;
  for (int64_t i = 0; i < rows; i++)
    if (scores[i] == scores[i]) found[n++] = (Found){scores[i], i};
  qsort(found, (size_t)n, sizeof *found, compare_scores);
  for (int64_t i = 0; i < 4 * most; i++) out[i] = 0;
  for (int64_t i = 0; i < n && i < before && kept < most; i++) {
    const double *box = boxes + BOX * found[i].row;
    bool dropped = !(box[2] - box[0] >= SMALLEST && box[3] - box[1] >= SMALLEST);
    for (int64_t k = 0; k < kept; k++) dropped = dropped || box_overlap_share(out + BOX * k, box) > iou;
    for (int c = 0; c < BOX && !dropped; c++) out[BOX * kept + c] = box[c];
    kept += !dropped;
  }
  arena_free(arena);
}

static void eval(const Eval *eval) {
  const Node *node = eval->node;
  const Anchors a = anchors_of(node);
  Arena *arena = arena_new();
  double *boxes = NEW_ARRAY(arena, double, a.count *BOX);
  for (int64_t i = 0; i < a.count; i++) {
    double anchor[BOX];
    cells_anchor(node, a.cells, i, anchor);
    decoder_run(&a.decoder, anchor, eval->in[1] + i * BOX, boxes + i * BOX);
  }
  choose_best(boxes, eval->in[0], a.count, a.before, a.most, (double)(float)arg_number(node, "iou"),
              eval->out);
  arena_free(arena);
}

/* ---- runtime function ---- */
static void run_routine(double *const *buf, const double *number) {
  const int64_t rows = (int64_t)number[0], before = (int64_t)number[1], most = (int64_t)number[2];
  choose_best(buf[0], buf[1], rows, before, most, (double)(float)number[3], buf[4]);
  for (int64_t i = 0; i < rows; i++) buf[2][i] = 0;
  for (int64_t i = 0; i < BOX * most; i++) buf[3][i] = 0;
}

static const Routine routine = {.name = "proposals",
                                .depth = 4,
                                .text = text,
                                .uses = &best_routine,
                                .nbufs = 5,
                                .nnumbers = 4,
                                .elem = {F32, F32, F32, F32, F32},
                                .writes = {[2] = true, [3] = true, [4] = true},
                                .whole = {true, true, true},
                                .run = run_routine};

/* ---- the nest ---- */
static Buf *anchor_sides(Lower *l, int64_t anchors) { /* width, height, width, height of each anchor */
  float *to = NEW_ARRAY(l->arena, float, anchors *BOX);
  for (int64_t i = 0; i < anchors * BOX; i++)
    to[i] = (float)list_pair(l->node, "anchors", (int)(i / BOX), (int)(i % 2));
  return lower_table(l, to, anchors * BOX);
}

typedef struct Cell {
  const DecoderTables *tables;
  Buf *sides, *boxes;
  Val center;
  const Ix *number;
} Cell;

static void decode_anchors(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                           const void *context) {
  const Cell *cell = context;
  Nest *b = l->b;
  Val side = nest_load_part(b, nest_at(b, cell->sides, *c), part, lanes),
      center = lanes > BOX ? decoder_pairs(cell->center, lanes, 0) : cell->center,
      boxes = decoder_vector(l, cell->tables, walk_load(l, l->in[1], y, x, c, part, lanes), center, side);
  walk_put(l, cell->boxes, boxes, cell->number, x, c, part, lanes);
}

static void decode_anchor(Lower *l, const Cell *cell, const Val *center, const Ix *y, const Ix *x,
                          const Ix *first) {
  Nest *b = l->b;
  for (int axis = 0; axis < 2; axis++) {
    const Ix from = *first + axis, to = from + 2;
    Val out[2], side = nest_load(b, nest_at(b, cell->sides, from), 1);
    decoder_scalar(l, cell->tables->decoder, axis, walk_load(l, l->in[1], y, x, &from, 1, 1),
                   walk_load(l, l->in[1], y, x, &to, 1, 1), center[axis], side, out);
    walk_put(l, cell->boxes, out[0], cell->number, x, &from, 1, 1);
    walk_put(l, cell->boxes, out[1], cell->number, x, &to, 1, 1);
  }
}

static void decode_cells(Lower *l, const Anchors *a, Cell *cell, int lanes) {
  Nest *b = l->b;
  NEST_LOOP(b, y, walk_rows(l, a->count * BOX * 8), 1, NEST_IX(0), 1, NEST_IX(a->cells.h))
    NEST_FOR(b, x, a->cells.w) {
      const Ix number = y * a->cells.w + x;
      const Val at[2] = {nest_let(b, "cx", cells_center(b, &x, a->stride[1])),
                         nest_let(b, "cy", cells_center(b, &y, a->stride[0]))};
      cell->number = &number;
      if (lanes == 1)
        NEST_FOR(b, k, a->cells.c) {
          const Ix first = k * BOX;
          decode_anchor(l, cell, at, &y, &x, &first);
        }
      else {
        cell->center =
            nest_let(b, "centre", shuffle(splat(at[0], BOX), splat(at[1], BOX), BOX, (int[]){0, 4, 0, 4}));
        walk_channels(l, a->cells.c * BOX, &y, &x, decode_anchors, cell);
      }
    }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Anchors a = anchors_of(l->node);
  const int lanes = walk_lanes(l, a.cells.c * BOX);
  const DecoderTables tables = decoder_tables(l, &a.decoder, lanes);
  Buf *boxes = lower_scratch(l, "boxes", 2, (int64_t[]){a.count / a.cells.c, a.cells.c * BOX}),
      *best = lower_scratch(l, "best", 1, &a.count),
      *kept = lower_scratch(l, "kept", 2, (int64_t[]){BOX, a.most}),
      *found = lower_scratch(l, "found", 2, (int64_t[]){a.most, BOX});
  Cell cell = {.tables = &tables, .sides = anchor_sides(l, a.cells.c), .boxes = boxes};
  nest_fn(b, b->name, false);
  decode_cells(l, &a, &cell, lanes);
  nest_routine(b, &routine, (Buf *[]){boxes, lower_contiguous(l, "scores", l->in[0]), best, kept, found},
               (double[]){(double)a.count, (double)a.before, (double)a.most, arg_number(l->node, "iou")});
  NEST_FOR(b, x, a.most)
    NEST_FOR(b, c, BOX) {
      const Ix y = 0 * x;
      lower_store(l, nest_load(b, nest_at(b, found, x, c), 1), &y, &x, &c, 1, 1);
    }
}

const Op op_proposals = {
    .name = "proposals",
    .group = "detection",
    .summary = "regions that may contain an object, from the scores and deltas of anchors",
    .detail =
        "the current value is the scores, H x W x anchors; deltas are H x W x 4*anchors, dx dy dw dh of each "
        "anchor. Anchors are boxes around the centers (i + 0.5)*stride. Boxes are decoded as in decode with "
        "weights of 1, and clipped to the image. Only the `before` boxes with the best scores are used. "
        "Boxes with a side below 0.001 pixels are dropped, then boxes whose IoU with a kept box of "
        "higher score is more than iou. The result has rows x1 y1 x2 y2 by descending score; unused rows are "
        "zeros. In "
        "training with a loss for objects, the result has `sample` rows instead. The ground-truth boxes are "
        "first. Random regions whose IoU with a ground-truth box is at least 0.5 follow, until there are "
        "positives*sample rows. Other random regions follow; unused rows are zeros. No gradient passes. Ren "
        "et al., 2015",
    .params = params,
    .example = "scores -> proposals(deltas, anchors=[[64, 64], [128, 64], [64, 128]], stride=16)",
    .traits.per_image = true,
    .shape = shape,
    .eval = eval,
    .train = proposals_sample,
    .lower = lower,
};
