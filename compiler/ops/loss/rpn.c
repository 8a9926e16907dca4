/* rpn.c: Loss of a region proposal network (Ren et al., 2015): whether an anchor contains an object, and the
 * deltas of the anchor. In the source, the loss applies to the value of `proposals`, but the loss reads the
 * inputs of that operator: scores and deltas. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/random.h"
#include "ops/detection/box.h"
#include "ops/detection/cells.h"
#include "kernel/routine.h"
#include "ops/loss/objects.h"

static const char text[] =
#include "ops/loss/rpn_text.inc"
    ;

#define float double
#define int32_t double
#include "ops/detection/best_routine.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/detection/delta_routine.h"
#include "ops/loss/rpn_routine.h"
#undef float
#undef int32_t

enum { SCORES, DELTAS, VALUES };

static const Param params[] = {
    {"positives", PARAM_NUMBER, "0.5", "at most this fraction of the sampled anchors are positive", 0, 1,
     NULL},
    {"sample", PARAM_INT, "256", "maximum number of sampled anchors per image", 0, 0, NULL},
    {"high", PARAM_NUMBER, "0.7",
     "minimum IoU of a positive anchor with an object; an object's best anchor is also positive", 0, 1, NULL},
    {"low", PARAM_NUMBER, "0.3", "an anchor is negative if its IoU with every object is below this value", 0,
     1, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  if (!node->in[0]->shape.rank) return;
  if (!node->hidden) {
    Diag *diag =
        op_error(context, node, DIAG_loss_mismatch, "rpn needs an output of proposals, but this value is %s",
                 shape_text(context->arena, node->in[0]->shape));
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "name that value: p = scores -> proposals(...), and loss = rpn(p)");
    return;
  }
  if (arg_number(node, "low") > arg_number(node, "high")) {
    op_error_at(context, node, "low", DIAG_bad_value, "low of rpn is %.9g, above its high, %.9g",
                arg_number(node, "low"), arg_number(node, "high"));
    return;
  }
  node->shape = shape_vector(1);
}

/* ---- reference ---- */
static void run_routine(double *const *b, const double *n) {
  cnn_rpn_routine(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                  (int)n[0], (int)n[1], (int)n[2], (int)n[3], (int)n[4], (int)n[5], (double)(float)n[6],
                  (double)(float)n[7]);
}

static double softplus_of(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

static void eval(const Eval *eval) {
  const Node *node = eval->node, *picture = picture_of(node->hidden->of);
  const Extent cells = shape_extent(node->in[SCORES]->shape);
  const int64_t rows = cells.h * cells.w * cells.c,
                most = shape_elements(node->in[VALUES + TRUTH_CLASS]->shape);
  Arena *arena = arena_new();
  double *sigmoid = NEW_ARRAY(arena, double, rows), *softplus = NEW_ARRAY(arena, double, rows),
         *draws = NEW_ARRAY(arena, double, rows), *anchors = NEW_ARRAY(arena, double, rows *BOX),
         *anchor_log = NEW_ARRAY(arena, double, 2 * rows), *truth_log = NEW_ARRAY(arena, double, 2 * most),
         *scratch = NEW_ARRAY(arena, double, 2 * rows);
  uint32_t key[2];
  eval_keys(eval, key);
  for (int64_t i = 0; i < rows; i++) {
    sigmoid[i] = 1 / (1 + exp(-eval->in[SCORES][i]));
    softplus[i] = softplus_of(eval->in[SCORES][i]);
    draws[i] = (double)random_uniform(key[0], key[1], (uint32_t)i);
    cells_anchor(node->hidden->of, cells, i, anchors + i * BOX);
  }
  objects_logs_run(anchors, rows, anchor_log);
  objects_logs_run(eval->in[VALUES + TRUTH_BOX], most, truth_log);
  cnn_rpn_routine(
      eval->in[SCORES], sigmoid, softplus, draws, eval->in[DELTAS], anchors, anchor_log,
      eval->in[VALUES + TRUTH_COUNT], eval->in[VALUES + TRUTH_CLASS], eval->in[VALUES + TRUTH_BOX], truth_log,
      scratch, scratch + rows, eval->out, (int)rows, (int)most, picture ? (int)picture->shape.dim[0] : 0,
      picture ? (int)picture->shape.dim[1] : 0, (int)arg_int(node, "sample"), most_positives(node),
      (double)(float)arg_number(node, "high"), (double)(float)arg_number(node, "low"));
  arena_free(arena);
}

/* ---- the nest ---- */
static const Routine routine = {
    .name = "rpn",
    .depth = 5,
    .text = text,
    .uses = &delta_routine,
    .also = &best_routine,
    .nbufs = 14,
    .nnumbers = 8,
    .elem = {F32, F32, F32, F32, F32, F32, F32, I32, I32, F32, F32, F32, F32, F32},
    .writes = {[11] = true, [12] = true, [13] = true},
    .whole = {true, true, true, true, true, true},
    .run = run_routine,
};

typedef struct Logits {
  Buf *sigmoid, *softplus;
  const Ix *cell;
} Logits;

static void logits_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const Logits *to = context;
  Nest *b = l->b;
  Val score = nest_let(b, "s", walk_load(l, l->in[SCORES], y, x, c, part, lanes)),
      rest = vlog(add(num(b, 1), vexp(sub(num(b, 0), vabs(score)))));
  walk_put(l, to->sigmoid, vsigmoid(score), to->cell, x, c, part, lanes);
  walk_put(l, to->softplus, add(vmax(num(b, 0), score), rest), to->cell, x, c, part, lanes);
}

static void fill_logits(Lower *l, Extent cells, Logits *to) {
  Nest *b = l->b;
  NEST_FOR(b, y, cells.h)
    NEST_FOR(b, x, cells.w) {
      const Ix cell = y * cells.w + x;
      to->cell = &cell;
      walk_channels(l, cells.c, &y, &x, logits_body, to);
    }
}

static void fill_draws(Lower *l, Buf *draws, Buf *keys, int64_t n) {
  Nest *b = l->b;
  Val key0 = nest_let(b, "key0", nest_load(b, nest_at(b, keys, 0), 1)),
      key1 = nest_let(b, "key1", nest_load(b, nest_at(b, keys, 1), 1));
  NEST_FOR(b, i, n) nest_store(b, nest_at(b, draws, i), uniform(key0, key1, position(b, &i)));
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Node *node = l->node, *picture = picture_of(node->hidden->of);
  const Extent cells = shape_extent(node->in[SCORES]->shape);
  const int64_t count = cells.h * cells.w, rows = count * cells.c;
  const Objects truth = loss_objects(l, VALUES);
  double stride[2];
  cells_strides(node->hidden->of, stride);
  Buf *keys = lower_keys(l), *corners = cells_anchor_corners(l, node->hidden->of),
      *anchors = lower_scratch(l, "anchors", 3, (int64_t[]){1, rows, BOX}),
      *anchor_log = objects_logs_room(l, "anchor_log", rows),
      *truth_log = objects_logs_room(l, "truth_log", truth.most),
      *draws = lower_scratch(l, "draws", 1, &rows), *match = lower_scratch(l, "match", 1, &rows),
      *rows_of = lower_scratch(l, "rows_of", 1, &rows);
  Logits logits = {.sigmoid = lower_scratch(l, "sigmoid", 2, (int64_t[]){count, cells.c}),
                   .softplus = lower_scratch(l, "softplus", 2, (int64_t[]){count, cells.c})};
  nest_fn(b, b->name, false);
  Buf *scores = lower_contiguous(l, "scores", l->in[SCORES]),
      *deltas = lower_contiguous(l, "deltas", l->in[DELTAS]);
  cells_boxes(l, cells, stride, cells.c, corners, anchors);
  fill_logits(l, cells, &logits);
  fill_draws(l, draws, keys, rows);
  objects_logs_fill(l, anchor_log, anchors, rows);
  objects_logs_fill(l, truth_log, truth.box, truth.most);
  Buf *buf[] = {scores,      logits.sigmoid, logits.softplus, draws,     deltas, anchors, anchor_log,
                truth.count, truth.label,    truth.box,       truth_log, match,  rows_of, l->out};
  nest_routine(b, &routine, buf,
               (double[]){(double)rows, (double)truth.most, picture ? (double)picture->shape.dim[0] : 0,
                          picture ? (double)picture->shape.dim[1] : 0, (double)arg_int(node, "sample"),
                          (double)most_positives(node), arg_number(node, "high"), arg_number(node, "low")});
}

const Op op_loss_rpn = {
    .name = "rpn",
    .group = "loss",
    .summary = "loss of a region proposal network (scores and boxes)",
    .detail = "An anchor inside the image is positive if its IoU with a ground-truth box is at least `high`, "
              "or is the largest IoU of all anchors with that box. An anchor is negative if its IoU with "
              "every ground-truth box is below `low`. `sample` of these anchors are drawn at random; at most "
              "the fraction `positives` is positive. The loss is the binary cross-entropy of the scores "
              "of the drawn anchors, plus the smooth L1 (beta 1/9) of the deltas of the positive anchors, "
              "divided by `sample`. Ren et al., 2015",
    .params = params,
    .example = "loss = rpn(p)",
    .traits.object_target = true,
    .traits.per_image = true,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
