/* yolo_loss.c: The loss yolo of a YOLOv3 head (Redmon and Farhadi, 2018). The loss reads the input of the
 * operator yolo: tx ty tw th, objectness and classes of each anchor in each cell. Each ground-truth object
 * belongs to the anchor whose shape has the highest IoU, among the anchors of all yolo losses of the net. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/detection/yolo.h"
#include "kernel/routine.h"
#include "ops/loss/objects.h"
#include "ops/registry.h"

static const char text[] =
#include "ops/loss/yolo_text.inc"
    ;

#define float double
#define int32_t double
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/loss/yolo_routine.h"
#undef float
#undef int32_t

enum { FLOAT_COUNTS = 1 << 24, SIDES = 4 };

static const Param params[] = {
    {"ignore", PARAM_NUMBER, "0.5",
     "unassigned boxes have no objectness loss if their IoU with an object is above this value", 0, 1, NULL},
    {"most", PARAM_INT, "64", "maximum number of objects per image", 1, 1 << 20, NULL},
    {0},
};

extern const Op op_yolo, op_loss_yolo;

static const YoloHead *head_of(const Node *loss) { return ((const LossDetail *)loss->detail)->made->detail; }

static void shape(ShapeContext *context, Node *node) {
  const Node *made = ((const LossDetail *)node->detail)->made;
  const YoloHead *head = made->detail;
  if (made->op != &op_yolo) {
    Diag *diag = op_error(context, node, DIAG_loss_mismatch,
                          "the loss yolo needs an output of the operator yolo, but this value comes from %s",
                          made->op->name);
    op_note_origin(context, diag, made);
    diag_help(
        diag,
        "name the value of yolo, head = ... -> yolo(...), and write yolo(head): each head has its own loss");
  } else if (made->shape.regions) {
    Diag *diag =
        op_error(context, node, DIAG_loss_mismatch,
                 "the loss yolo needs boxes of the whole image, but there are boxes for %lld regions",
                 (long long)made->shape.regions);
    op_note_origin(context, diag, made);
  } else if (head->h * head->w * head->anchors > FLOAT_COUNTS) {
    op_error(context, node, DIAG_too_large, "the loss yolo of %s boxes: the limit is 16,777,216 (2^24) boxes",
             shape_text(context->arena, made->shape));
  } else node->shape = shape_vector(1);
}

/* ---- all heads ---- */
typedef struct Anchors {
  int64_t first, total; /* first: index of this head's first anchor; total: number of anchors of all heads */
  double *side;         /* [total][SIDES]: width, height and their logarithms */
} Anchors;

static void put_anchors(Anchors *of, const YoloHead *head) {
  for (int64_t i = 0; i < head->anchors; i++, of->total++)
    for (int k = 0; k < 2; k++) {
      of->side[of->total * SIDES + k] = (double)(float)head->anchor[i][k];
      of->side[of->total * SIDES + 2 + k] = log(head->anchor[i][k]);
    }
}

static Anchors loss_anchors(Arena *arena, const Node *node) {
  const LossDetail *detail = node->detail;
  const Training *training = detail->training;
  Anchors all = {0};
  int64_t n = 0;
  for (int pass = 0; pass < 2; pass++) {
    if (pass) all.side = NEW_ARRAY(arena, double, n *SIDES);
    for (int i = 0; i < training->losses.n; i++) {
      const LossUse *use = &training->losses.data[i];
      if (use->op != &op_loss_yolo) continue;
      const Node *made = graph_port(detail->graph, use->port)->node;
      if (made == detail->made) all.first = all.total;
      if (pass) put_anchors(&all, made->detail);
      else n += ((const YoloHead *)made->detail)->anchors;
    }
  }
  return all;
}

/* ---- reference ---- */
enum { NUMBERS = 11 };

static void put_anchor_numbers(const Node *node, const Anchors *anchors, double number[NUMBERS]) {
  const YoloHead *head = head_of(node);
  const double all[NUMBERS] = {(double)head->h,
                               (double)head->w,
                               (double)head->anchors,
                               (double)anchors->first,
                               (double)anchors->total,
                               (double)head->classes,
                               (double)shape_elements(node->in[1 + TRUTH_CLASS]->shape),
                               (double)head->picture_w / (double)head->w,
                               (double)head->picture_h / (double)head->h,
                               (double)head->picture_h * (double)head->picture_w,
                               (double)(float)arg_number(node, "ignore")};
  for (int i = 0; i < NUMBERS; i++) number[i] = all[i];
}

static void run_routine(double *const *b, const double *n) {
  cnn_yolo_routine(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], (int)n[0], (int)n[1],
                   (int)n[2], (int)n[3], (int)n[4], (int)n[5], (int)n[6], n[7], n[8], n[9],
                   (double)(float)n[10]);
}

static void eval(const Eval *eval) {
  const Node *node = eval->node;
  const int64_t n = shape_elements(node->in[0]->shape), columns = YOLO_CLASSES + head_of(node)->classes,
                most = shape_elements(node->in[1 + TRUTH_CLASS]->shape);
  Arena *arena = arena_new();
  const double *t = eval->in[0];
  double *sigmoid = NEW_ARRAY(arena, double, n), *softplus = NEW_ARRAY(arena, double, n),
         *size = NEW_ARRAY(arena, double, n / columns * 2), *truth_log = NEW_ARRAY(arena, double, 2 * most),
         *place = NEW_ARRAY(arena, double, most), number[NUMBERS];
  for (int64_t i = 0; i < n; i++) {
    sigmoid[i] = 1 / (1 + exp(-t[i]));
    softplus[i] = (t[i] > 0 ? t[i] : 0) + log1p(exp(-fabs(t[i])));
  }
  for (int64_t i = 0; i < n / columns * 2; i++) size[i] = exp(t[i / 2 * columns + YOLO_W + i % 2]);
  objects_logs_run(eval->in[1 + TRUTH_BOX], most, truth_log);
  const Anchors anchors = loss_anchors(arena, node);
  put_anchor_numbers(node, &anchors, number);
  double *const buf[] = {(double *)t,
                         sigmoid,
                         softplus,
                         size,
                         anchors.side,
                         (double *)eval->in[1 + TRUTH_COUNT],
                         (double *)eval->in[1 + TRUTH_CLASS],
                         (double *)eval->in[1 + TRUTH_BOX],
                         truth_log,
                         place,
                         eval->out};
  run_routine(buf, number);
  arena_free(arena);
}

/* ---- the nest ---- */
static const Routine routine = {
    .name = "yolo",
    .depth = 4,
    .text = text,
    .uses = &match_routine,
    .nbufs = 11,
    .nnumbers = NUMBERS,
    .elem = {F32, F32, F32, F32, F32, I32, I32, F32, F32, F32, F32},
    .writes = {[9] = true, [10] = true},
    .whole = {true, true, true, true, true, true, true},
    .run = run_routine,
};

static void fill_sizes(Lower *l, Buf *size, const YoloHead *head) {
  Nest *b = l->b;
  NEST_FOR(b, y, head->h)
    NEST_FOR(b, x, head->w)
      NEST_FOR(b, a, head->anchors)
        NEST_FOR(b, k, 2) {
          const Ix c = a * (YOLO_CLASSES + head->classes) + YOLO_W + k,
                   row = (y * head->w + x) * head->anchors + a;
          nest_store(b, nest_at(b, size, row, k), vexp(nest_load(b, nest_at(b, l->in[0], y, x, c), 1)));
        }
}

static void fill_anchors(Lower *l, Buf *buf, const Anchors *anchors) {
  Nest *b = l->b;
  const int64_t n = anchors->total * SIDES;
  float *table = NEW_ARRAY(l->arena, float, n);
  for (int64_t i = 0; i < n; i++) table[i] = (float)anchors->side[i];
  NEST_FOR(b, i, n) {
    Map m = {.b = b, .node = l->node, .lower = l, .c = &i, .part = 1, .lanes = 1};
    nest_store(b, nest_at(b, buf, i), map_constant(&m, table, n));
  }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const YoloHead *head = head_of(l->node);
  const Extent e = shape_extent(l->node->in[0]->shape);
  const Objects truth = loss_objects(l, 1);
  const Anchors anchors = loss_anchors(l->arena, l->node);
  const int64_t room[] = {e.h, e.w, e.c}, sides = anchors.total * SIDES;
  Buf *sigmoid = lower_scratch(l, "sigmoid", 3, room), *softplus = lower_scratch(l, "softplus", 3, room),
      *size = lower_scratch(l, "size", 2, (int64_t[]){e.h * e.w * head->anchors, 2}),
      *side = lower_scratch(l, "anchor", 1, &sides), *place = lower_scratch(l, "place", 1, &truth.most),
      *truth_log = objects_logs_room(l, "truth_log", truth.most);
  nest_fn(b, b->name, false);
  Buf *t = lower_contiguous(l, "t", l->in[0]);
  objects_sigmoid(l, t, sigmoid, softplus);
  fill_sizes(l, size, head);
  fill_anchors(l, side, &anchors);
  objects_logs_fill(l, truth_log, truth.box, truth.most);
  Buf *buf[] = {t,           sigmoid,   softplus,  size,  side,  truth.count,
                truth.label, truth.box, truth_log, place, l->out};
  double number[NUMBERS];
  put_anchor_numbers(l->node, &anchors, number);
  nest_routine(b, &routine, buf, number);
}

const Op op_loss_yolo = {
    .name = "yolo",
    .group = "loss",
    .summary = "box, objectness and class loss of a YOLOv3 head",
    .detail =
        "The argument is a value of the operator yolo. Each ground-truth box is assigned to one anchor in "
        "the cell of its center: the anchor with the most similar shape among the anchors of all yolo "
        "losses. The loss of an assigned box is the sum of the squared errors of sigmoid(tx), sigmoid(ty), "
        "tw and th, times (2 - w*h / area of the image), plus the binary cross-entropy of objectness and "
        "classes. The loss of each other box is the binary cross-entropy of its objectness with target 0, "
        "or 0 if its IoU with a ground-truth box is above `ignore`. The losses are summed over all boxes",
    .params = params,
    .example = "loss = [yolo(small), yolo(large, ignore=0.7)]",
    .traits.object_target = true,
    .traits.per_image = true,
    .shape = shape,
    .eval = eval,
    .lower = lower,
};
