/* yolo.c: yolo, the boxes of a YOLOv3 head (Redmon and Farhadi, 2018). Each cell of the input has, for each
 * anchor, tx ty tw th, an objectness and a score per class. With s the sigmoid, a row of the result is
 *
 * (s(tx) + column)*stride  (s(ty) + row)*stride  anchor width*exp(tw)  anchor height*exp(th)  s(others)
 *
 * s(others): the sigmoids of the objectness and of the class scores. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/yolo.h"
#include <math.h>
#include "ops/detection/box.h"
#include "base/number.h"
#include "kernel/map.h"
#include "kernel/walk.h"

enum { MOST_CLASSES = 1000000 };

static const Param params[] = {
    {"classes", PARAM_INT, NULL, "number of classes", 1, MOST_CLASSES, NULL},
    {"anchors", PARAM_LIST, NULL, "anchor boxes, each a pair [width, height] in image pixels", 0, 0, NULL},
    {0},
};

/* ---- the shape ---- */
static double number_at(const Const *list, int i) {
  return list->items[i].kind == CONST_INT ? (double)list->items[i].i : list->items[i].f;
}

static bool is_anchor_number(const Const *value) {
  return value->kind == CONST_INT || value->kind == CONST_FLOAT;
}

static bool anchors_wrong(ShapeContext *context, const Node *node, const char *what) {
  Diag *diag = op_error_at(context, node, "anchors", DIAG_bad_value, "'anchors' of yolo %s", what);
  diag_help(diag,
            "anchors are pairs of a width and a height in pixels: anchors=[[10, 13], [16, 30], [33, 23]]");
  return false;
}

static bool read_anchors(ShapeContext *context, const Node *node, YoloHead *head) {
  const Const *list = arg_const(node, "anchors");
  if (list->kind != CONST_LIST) return false; /* an error was reported */
  if (!list->n) return anchors_wrong(context, node, "is an empty list");
  double (*anchor)[2] = arena_alloc(context->arena, (size_t)list->n * sizeof *anchor);
  for (int i = 0; i < list->n; i++) {
    const Const *pair = &list->items[i];
    if (pair->kind == CONST_POISON) return false;
    if (pair->kind != CONST_LIST || pair->n != 2 || !is_anchor_number(&pair->items[0]) ||
        !is_anchor_number(&pair->items[1]))
      return anchors_wrong(context, node,
                           arena_printf(context->arena, "has no pair of numbers at index %d", i));
    for (int k = 0; k < 2; k++) anchor[i][k] = number_at(pair, k);
    if (!(anchor[i][0] > 0 && anchor[i][1] > 0))
      return anchors_wrong(context, node,
                           arena_printf(context->arena,
                                        "has the pair [%g, %g]: width and height must be positive",
                                        anchor[i][0], anchor[i][1]));
  }
  head->anchors = list->n;
  head->anchor = (const double (*)[2])anchor;
  return true;
}

static bool channels_fit(ShapeContext *context, const Node *node, const YoloHead *head) {
  const Shape in = node->in[0]->shape;
  const int64_t needed = head->anchors * (YOLO_CLASSES + head->classes);
  if (in.rank == 3 && in.dim[2] == needed) return true;
  Diag *diag = op_error(
      context, node, DIAG_wrong_shape,
      "yolo with %lld %s and %lld %s needs an image of (5 + %lld)*%lld = %lld channels, but its input is %s",
      (long long)head->classes, head->classes == 1 ? "class" : "classes", (long long)head->anchors,
      head->anchors == 1 ? "anchor" : "anchors", (long long)head->classes, (long long)head->anchors,
      (long long)needed, shape_text(context->arena, in));
  op_note_origin(context, diag, node->in[0]);
  if (in.rank == 3)
    diag_help(diag, "the convolution before it needs (5 + classes)*anchors filters: conv(%lld, 1x1)",
              (long long)needed);
  return false;
}

/* Finds the size of the image, which must be a multiple of the number of cells along each axis; false after
 * an error. */
static bool picture_fits(ShapeContext *context, const Node *node, YoloHead *head) {
  const Node *picture = picture_of(node);
  if (!picture) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape,
                          "yolo locates boxes in an image, but no input before it is an image");
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "an input with height, width and channels is an image, as in `input image: 416x416x3`");
    return false;
  }
  head->picture_h = picture->shape.dim[0];
  head->picture_w = picture->shape.dim[1];
  const bool tall = head->picture_h % head->h != 0;
  if (!tall && head->picture_w % head->w == 0) return true;
  Diag *diag =
      op_error(context, node, DIAG_wrong_shape,
               "the size of yolo's cells must be a whole number of pixels: image %s %lld / %lld cells",
               tall ? "height" : "width", (long long)(tall ? head->picture_h : head->picture_w),
               (long long)(tall ? head->h : head->w));
  op_note_origin(context, diag, picture);
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "use an image whose height and width are multiples of the net's total stride (416x416 for "
                  "32), and pad=same in the layers before yolo");
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  YoloHead *head = NEW(context->arena, YoloHead);
  if (!in.rank || !read_anchors(context, node, head)) return;
  head->classes = arg_int(node, "classes");
  if (!channels_fit(context, node, head)) return;
  head->h = in.dim[0];
  head->w = in.dim[1];
  if (!picture_fits(context, node, head)) return;
  node->detail = head;
  node->shape = shape_sequence(head->h * head->w * head->anchors, YOLO_CLASSES + head->classes);
  node->shape.regions = in.regions;
}

/* ---- reference ---- */
static double step_of(const YoloHead *head, int column) {
  return column == YOLO_X ? (double)head->picture_w / (double)head->w
                          : (double)head->picture_h / (double)head->h;
}

static double squashed(double t) { return 1 / (1 + exp(-t)); }

static double decoded(const YoloHead *head, int64_t row, int64_t column, double t) {
  const int64_t cell = row / head->anchors;
  const double *anchor = head->anchor[row % head->anchors];
  switch (column) {
  case YOLO_X: return (squashed(t) + (double)(cell % head->w)) * step_of(head, YOLO_X);
  case YOLO_Y: return (squashed(t) + (double)(cell / head->w)) * step_of(head, YOLO_Y);
  case YOLO_W: return anchor[0] * exp(t);
  case YOLO_H: return anchor[1] * exp(t);
  default: return squashed(t);
  }
}

static double slope(const YoloHead *head, int64_t row, int64_t column, double t) {
  if (column == YOLO_W || column == YOLO_H) return decoded(head, row, column, t);
  return squashed(t) * squashed(-t) * (column < YOLO_W ? step_of(head, (int)column) : 1);
}

static void run(const Eval *eval) {
  const YoloHead *head = eval->node->detail;
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t i = 0; i < e.w * e.c; i++) eval->out[i] = decoded(head, i / e.c, i % e.c, eval->in[0][i]);
}

static void run_back(const Eval *eval) { /* inputs: dy, x */
  const YoloHead *head = eval->node->detail;
  const int64_t n = YOLO_CLASSES + head->classes;
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++)
    eval->out[i] = eval->in[0][i] * slope(head, i / n, i % n, eval->in[1][i]);
}

/* ---- the nest ---- */
typedef struct Rows {
  const YoloHead *head;
  bool back;
  int lanes, width; /* lanes: lanes of a vector, 1 without vectors; width: number of columns of `factor` */
  const float *factor, *shape; /* factor: [anchor][column]; shape: [column], 1 for w and h, else 0 */
  const float *step[2];        /* [axis][column]: the stride in column x (axis 0) or y (axis 1), else 0 */
  Ix y, x, a;
} Rows;

static float *yolo_table(Lower *l, int64_t n) { return NEW_ARRAY(l->arena, float, n); }

static void make_yolo_tables(Lower *l, Rows *r) {
  const YoloHead *head = r->head;
  r->lanes = walk_lanes(l, YOLO_CLASSES + head->classes);
  r->width = r->lanes < BOX ? BOX : r->lanes;
  float *factor = yolo_table(l, head->anchors * r->width), *which = yolo_table(l, r->width);
  for (int64_t i = 0; i < head->anchors * r->width; i++) {
    const int64_t c = i % r->width;
    factor[i] = c >= BOX      ? 1
                : c >= YOLO_W ? (float)head->anchor[i / r->width][c - YOLO_W]
                              : (float)step_of(head, (int)c);
  }
  which[YOLO_W] = which[YOLO_H] = 1;
  for (int k = 0; k < 2; k++) {
    float *step = yolo_table(l, r->width);
    step[k] = (float)step_of(head, k);
    r->step[k] = step;
  }
  r->factor = factor;
  r->shape = which;
}

static Val constant(Lower *l, const float *table, int64_t n, const Ix *at, int part, int lanes) {
  Map m = {.b = l->b, .node = l->node, .lower = l, .c = at, .part = part, .lanes = lanes};
  return map_constant(&m, table, n);
}

/* The input at column c of the row; its gradient has the same index. */
static Ref raw(Lower *l, Buf *buf, const Rows *r, const Ix *c) {
  return nest_at(l->b, buf, r->y, r->x, r->a * (YOLO_CLASSES + r->head->classes) + *c);
}

static Ix row_of(const Rows *r) { return (r->y * r->head->w + r->x) * r->head->anchors + r->a; }

static void put(Lower *l, const Rows *r, Val value, const Ix *c, int part, int lanes) {
  const Ix zero = {0}, row = row_of(r), channel = r->a * (YOLO_CLASSES + r->head->classes) + *c;
  if (!r->back) lower_store(l, value, &zero, &row, c, part, lanes);
  else {
    const Val dy = walk_load(l, l->in[0], &zero, &row, c, part, lanes);
    lower_store(l, mul(dy, value), &r->y, &r->x, &channel, part, lanes);
  }
}

static Val sigmoid_or_slope(const Rows *r, Val t, Nest *b) {
  Val s = vsigmoid(t);
  return r->back ? mul(normal_factor(s), sub(num(b, 1), s)) : s;
}

static void score(Lower *l, const Rows *r, const Ix *c, int part, int lanes) {
  Val t = nest_load_part(l->b, raw(l, l->in[r->back], r, c), part, lanes);
  put(l, r, sigmoid_or_slope(r, t, l->b), c, part, lanes);
}

/* The column (axis 0) or row (axis 1) of the cell, times the step. */
static Val corner(Lower *l, const Rows *r, int axis, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  Val cell = convert(nest_index_value(b, axis ? r->y : r->x), F32);
  return mul(constant(l, r->step[axis], r->width, c, part, lanes), cell);
}

/* The box and the first scores, or their gradients, as one vector. */
static void box_vector(Lower *l, const Rows *r, int part) {
  Nest *b = l->b;
  const Ix zero = {0}, at = r->a * r->width;
  Val t = nest_load_part(b, raw(l, l->in[r->back], r, &zero), part, r->lanes),
      of_shape = less(num(b, 0.5), constant(l, r->shape, r->width, &zero, r->lanes, r->lanes)),
      value = mul(choose(of_shape, vexp(t), sigmoid_or_slope(r, t, b)),
                  constant(l, r->factor, r->head->anchors * r->width, &at, r->lanes, r->lanes));
  if (!r->back) { /* in separate statements, because each call creates a table, and C evaluates arguments in
                     any order */
    const Val down = corner(l, r, 1, &zero, r->lanes, r->lanes),
              right = corner(l, r, 0, &zero, r->lanes, r->lanes);
    value = add(value, add(right, down));
  }
  put(l, r, value, &zero, part, r->lanes);
}

/* The four numbers of the box, or their gradients, one by one. */
static void box_numbers(Lower *l, const Rows *r) {
  Nest *b = l->b;
  for (int k = 0; k < BOX; k++) {
    const Ix zero = {0}, c = zero + k, at = r->a * r->width + k;
    Val t = nest_load(b, raw(l, l->in[r->back], r, &c), 1),
        value = mul(k < YOLO_W ? sigmoid_or_slope(r, t, b) : vexp(t),
                    constant(l, r->factor, r->head->anchors * r->width, &at, 1, 1));
    put(l, r, k < YOLO_W && !r->back ? add(value, corner(l, r, k, &c, 1, 1)) : value, &c, 1, 1);
  }
}

static void decode_yolo_row(Lower *l, const Rows *r) {
  Nest *b = l->b;
  const int64_t n = YOLO_CLASSES + r->head->classes, vectors = n / r->lanes, rest = n % r->lanes;
  const Ix zero = {0}, tail = zero + vectors * r->lanes;
  if (r->lanes < BOX) box_numbers(l, r);
  else box_vector(l, r, (int)smaller(r->lanes, n));
  const int64_t first = r->lanes < BOX ? BOX / r->lanes : 1;
  if (vectors > first)
    NEST_FROM(b, v, first, vectors) {
      const Ix c = v * r->lanes;
      score(l, r, &c, r->lanes, r->lanes);
    }
  if (rest && vectors) score(l, r, &tail, (int)rest, walk_lanes(l, rest));
}

static void lower_boxes(Lower *l, bool back) {
  Nest *b = l->b;
  Rows r = {.head = l->node->detail, .back = back};
  make_yolo_tables(l, &r);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, 4 * shape_row_elements(l->node->shape)), 1, NEST_IX(0), 1, NEST_IX(r.head->h))
    NEST_FOR(b, x, r.head->w)
      NEST_FOR(b, a, r.head->anchors) {
        r.y = y;
        r.x = x;
        r.a = a;
        decode_yolo_row(l, &r);
      }
}

/* ---- cell by cell ----
 * The rows of a cell have the same order as its channels, so a vector can contain numbers of several
 * anchors. */
typedef struct CellTables { /* the tables of Rows, but with one element per channel */
  int64_t channels;
  const float *factor, *shape, *step[2];
} CellTables;
typedef struct Cell {
  const CellTables *tables;
  Val at[2]; /* column and row of the cell, as floats */
} Cell;

static CellTables cell_tables(Lower *l, const YoloHead *head) {
  const int64_t n = YOLO_CLASSES + head->classes, channels = head->anchors * n;
  float *factor = yolo_table(l, channels), *which = yolo_table(l, channels);
  float *step[2] = {yolo_table(l, channels), yolo_table(l, channels)};
  for (int64_t i = 0; i < channels; i++) {
    const int64_t c = i % n;
    which[i] = c == YOLO_W || c == YOLO_H;
    factor[i] = c >= BOX      ? 1
                : c >= YOLO_W ? (float)head->anchor[i / n][c - YOLO_W]
                              : (float)step_of(head, (int)c);
    if (c < YOLO_W) step[c][i] = factor[i];
  }
  return (CellTables){channels, factor, which, {step[0], step[1]}};
}

static void cell_vector(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const Cell *cell = context;
  const CellTables *t = cell->tables;
  Nest *b = l->b;
  const float *const table[] = {t->shape, t->factor, t->step[0], t->step[1]};
  Val value = walk_load(l, l->in[0], y, x, c, part, lanes), of[4];
  for (int k = 0; k < 4; k++) of[k] = constant(l, table[k], t->channels, c, part, lanes);
  Val of_shape = less(num(b, 0.5), of[0]),
      power = nest_let(b, "power", vexp(choose(of_shape, value, sub(num(b, 0), value))));
  value = mul(choose(of_shape, power, div_(num(b, 1), add(num(b, 1), power))), of[1]);
  value = add(value, add(mul(of[2], cell->at[0]), mul(of[3], cell->at[1])));
  lower_store(l, value, y, x, c, part, lanes);
}

/* Builds the nest over cells, if the target has vectors and the result can be viewed as cells: it is
 * contiguous, images are not interleaved, and no nodes are fused after the operator. Otherwise returns
 * false. */
static bool lower_cells(Lower *l) {
  const YoloHead *head = l->node->detail;
  Buf *out = l->out;
  int64_t *dim = out->dim + out->leads, *room = out->room + out->leads;
  if (l->kernel->nchain || l->plain || walk_lanes(l, YOLO_CLASSES + head->classes) == 1 || out->flat ||
      out->rank != 3 + out->leads || l->images > 1)
    return false;
  Nest *b = l->b;
  const CellTables tables = cell_tables(l, head);
  room[0] = dim[0] = head->h;
  room[1] = dim[1] = head->w;
  room[2] = dim[2] = tables.channels;
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, 4 * shape_row_elements(l->node->shape)), 1, NEST_IX(0), 1, NEST_IX(head->h))
    NEST_FOR(b, x, head->w) {
      const Cell cell = {&tables,
                         {nest_let(b, "column", convert(nest_index_value(b, x), F32)),
                          nest_let(b, "row", convert(nest_index_value(b, y), F32))}};
      walk_channels(l, tables.channels, &y, &x, cell_vector, &cell);
    }
  return true;
}

static void lower(Lower *l) {
  if (!lower_cells(l)) lower_boxes(l, false);
}
static void lower_back(Lower *l) { lower_boxes(l, true); }

static const Op op_yolo_gradient = {.name = "yolo input gradient", .eval = run_back, .lower = lower_back};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_yolo_gradient, node, 2, (Node *[]){dy, node->in[0]});
}

static int64_t classes(const Node *node) { return node->shape.dim[1] - YOLO_CLASSES; }

const Op op_yolo = {
    .name = "yolo",
    .group = "detection",
    .summary = "decodes the boxes of YOLOv3; the result has one row for each anchor in each cell",
    .detail = "For each anchor, the input has tx ty tw th, objectness and class scores. The rows of the "
              "result are ordered by cell, then by anchor. A row has center x y = (sigmoid(t) + column or "
              "row of the cell) * stride and w h = anchor * exp(t), in image pixels, then the sigmoids of "
              "objectness and class scores. stride = size of the first image input / number of cells",
    .params = params,
    .example = "conv(255, 1x1) -> yolo(80, anchors=[[10, 14], [23, 27], [37, 58]]) -> nms",
    .traits.classes = classes,
    .shape = shape,
    .eval = run,
    .gradient = gradient,
    .lower = lower,
};
