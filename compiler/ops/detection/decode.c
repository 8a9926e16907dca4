/* decode.c: decode, boxes moved and stretched by what a net predicts for them (Ren et al., 2015), as
 * torchvision's BoxCoder. A box of centre (cx, cy), width w and height h and its deltas dx dy dw dh, each
 * divided by its weight:
 *
 *     centre (cx + dx*w, cy + dy*h), width w * exp(min(dw, log(1000/16))), height h * exp(min(dh, ...))
 *
 * The corners are cut to the picture, which is the net's. Deltas of several classes give as many boxes. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/detection/box.h"
#include "ops/detection/lists.h"
#include "ops/engine/walk.h"

enum { BOX = 4 };

static const Param params[] = {
    {"deltas", PARAM_VALUE, NULL, "dx dy dw dh of each box, or of each box for each class", 0, 0, NULL},
    {"weights", PARAM_LIST, "[10,10,5,5]", "what dx dy dw dh are divided by", 0, 0, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  const Shape boxes = node->in[0]->shape, deltas = node->in[1]->shape;
  if (!boxes.rank || !deltas.rank) return;
  if (boxes.rank != 2 || boxes.dim[1] != BOX || boxes.regions) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape,
                          "decode takes boxes, rows of x1 y1 x2 y2, but its input is %s",
                          shape_text(context->arena, boxes));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  if (deltas.rank != 2 || deltas.dim[0] != boxes.dim[0] || deltas.regions) {
    Diag *diag = op_error_at(context, node, "deltas", DIAG_shape_mismatch,
                             "decode of %s boxes and %s deltas: each box needs a row of deltas",
                             shape_text(context->arena, boxes), shape_text(context->arena, deltas));
    op_note_origin(context, diag, node->in[0]);
    op_note_origin(context, diag, node->in[1]);
    if (deltas.rank != 2 && shape_elements(deltas) == boxes.dim[0] * BOX)
      diag_help(diag, "reshape([%lld, 4]) makes such rows of it", (long long)boxes.dim[0]);
    return;
  }
  if (deltas.dim[1] % BOX) {
    Diag *diag = op_error_at(context, node, "deltas", DIAG_wrong_shape,
                             "deltas of decode are four numbers, or four for each class, but a row of %s has "
                             "%lld",
                             shape_text(context->arena, deltas), (long long)deltas.dim[1]);
    op_note_origin(context, diag, node->in[1]);
    return;
  }
  if (!list_of_numbers(context, node, "weights", BOX)) return;
  node->shape = shape_sequence(boxes.dim[0], deltas.dim[1]);
}

/* A side grows at most so much: the largest d of exp(d). */
static double most_growth(void) { return log(1000. / 16); }

/* ---- the meaning ---- */
static double cut(double x, double most) { return x < 0 ? 0 : x > most ? most : x; }

static void run(const Eval *eval) {
  const Node *node = eval->node, *picture = picture_of(node);
  const int64_t rows = node->shape.dim[0], columns = node->shape.dim[1];
  for (int64_t i = 0; i < rows * columns / BOX; i++) {
    const double *box = eval->in[0] + i * BOX / columns * BOX, *delta = eval->in[1] + i * BOX;
    for (int axis = 0; axis < 2; axis++) { /* x, y */
      const double side = box[axis + 2] - box[axis],
                   grown = delta[axis + 2] / list_number(node, "weights", axis + 2),
                   centre = box[axis] + side / 2 + delta[axis] / list_number(node, "weights", axis) * side,
                   half = exp(grown > most_growth() ? most_growth() : grown) * side / 2,
                   most = picture ? (double)picture->shape.dim[1 - axis] : INFINITY;
      eval->out[i * BOX + axis] = cut(centre - half, most);
      eval->out[i * BOX + axis + 2] = cut(centre + half, most);
    }
  }
}

/* ---- the nest ---- */
typedef struct Decoder {
  const Node *picture;
  Buf *factor, *sign, *most; /* of the numbers of a vector of boxes */
} Decoder;

/* So many numbers, of which each box has four. */
static Buf *pattern(Lower *l, int lanes, const double *of) {
  float *values = NEW_ARRAY(l->arena, float, lanes);
  for (int i = 0; i < lanes; i++) values[i] = (float)of[i % BOX];
  return lower_table(l, values, lanes);
}

static Decoder decoder(Lower *l, int lanes) {
  Decoder d = {.picture = picture_of(l->node)};
  double factor[BOX];
  for (int i = 0; i < BOX; i++) factor[i] = 1 / list_number(l->node, "weights", i);
  d.factor = pattern(l, lanes, factor);
  d.sign = pattern(l, lanes, (double[]){-1, -1, 1, 1});
  if (d.picture) {
    const double h = (double)d.picture->shape.dim[0], w = (double)d.picture->shape.dim[1];
    d.most = pattern(l, lanes, (double[]){w, h, w, h});
  }
  return d;
}

/* NaN stays. */
static Val cut_value(Nest *b, Val x, Val most) { return vmax(num(b, 0), most ? vmin(most, x) : x); }
static Val growth(Nest *b, Val d) { return vexp(vmin(num(b, most_growth()), d)); }

/* Lane k of the boxes of a vector, and the one behind it, twice: (a, b, c, d) is (a, b, a, b) or (c, d, c,
 * d).
 */
static Val pairs(Val x, int lanes, int k) {
  int lane[LANES] = {0};
  for (int i = 0; i < lanes; i++) lane[i] = i / BOX * BOX % x->type.lanes + k + i % 2;
  return shuffle(x, x, lanes, lane);
}

typedef struct Row { /* of boxes: of each number of a vector the centre and the side along its axis */
  const Decoder *d;
  Val centre, side;
} Row;

static void decode_vector(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  const Row *row = context;
  const Decoder *d = row->d;
  Nest *b = l->b;
  const int boxes = row->side->type.lanes;
  Val side = boxes == lanes ? row->side : pairs(row->side, lanes, 0),
      centre = boxes == lanes ? row->centre : pairs(row->centre, lanes, 0),
      delta = nest_let(
          b, "d",
          mul(walk_load(l, l->in[1], y, x, c, part, lanes), nest_load(b, nest_at(b, d->factor, 0), lanes)));
  Val moved = pairs(fma_(delta, side, centre), lanes, 0),
      half = pairs(mul(growth(b, delta), mul(side, num(b, 0.5))), lanes, 2);
  Val corner = fma_(half, nest_load(b, nest_at(b, d->sign, 0), lanes), moved),
      most = d->picture ? nest_load(b, nest_at(b, d->most, 0), lanes) : NULL;
  lower_store(l, cut_value(b, corner, most), y, x, c, part, lanes);
}

static Val lane_of(Lower *l, Buf *buf, const Ix *row, const Ix *column) {
  const Ix zero = {0};
  return walk_load(l, buf, &zero, row, column, 1, 1);
}

/* One box, number by number. */
static void decode_scalar(Lower *l, const Decoder *d, const Ix *row, const Ix *first) {
  Nest *b = l->b;
  const Ix zero = {0};
  for (int axis = 0; axis < 2; axis++) {
    const Ix low = zero + axis, high = low + 2, from = *first + axis, to = from + 2;
    Val corner = lane_of(l, l->in[0], row, &low),
        side = nest_let(b, "side", sub(lane_of(l, l->in[0], row, &high), corner)),
        by = mul(lane_of(l, l->in[1], row, &from), nest_load(b, nest_at(b, d->factor, low), 1)),
        grown = mul(lane_of(l, l->in[1], row, &to), nest_load(b, nest_at(b, d->factor, high), 1)),
        centre = nest_let(b, "centre", fma_(by, side, fma_(side, num(b, 0.5), corner))),
        half = nest_let(b, "half", mul(growth(b, grown), mul(side, num(b, 0.5)))),
        most = d->picture ? num(b, (double)d->picture->shape.dim[1 - axis]) : NULL;
    lower_store(l, cut_value(b, sub(centre, half), most), &zero, row, &from, 1, 1);
    lower_store(l, cut_value(b, add(centre, half), most), &zero, row, &to, 1, 1);
  }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const int64_t rows = l->node->shape.dim[0], columns = l->node->shape.dim[1];
  const int lanes = walk_lanes(l, columns);
  const Ix zero = {0};
  const Decoder d = decoder(l, lanes == 1 ? BOX : lanes);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, i, walk_rows(l, rows * columns * 8), 1, NEST_IX(0), 1, NEST_IX(rows)) {
    if (lanes == 1) {
      NEST_FOR(b, k, columns / BOX) {
        const Ix first = k * BOX;
        decode_scalar(l, &d, &i, &first);
      }
      continue;
    }
    Val box = nest_let(b, "box", nest_load(b, nest_at(b, l->in[0], 0, i, 0), BOX)),
        corner = pairs(box, BOX, 0);
    Row row = {.d = &d, .side = nest_let(b, "side", sub(pairs(box, BOX, 2), corner))};
    row.centre = nest_let(b, "centre", fma_(row.side, num(b, 0.5), corner));
    walk_channels(l, columns, &zero, &i, decode_vector, &row);
  }
}

const Op op_decode = {
    .name = "decode",
    .group = "detection",
    .summary = "boxes moved and stretched by predicted deltas",
    .detail =
        "the current value is the boxes, rows x1 y1 x2 y2; deltas dx dy dw dh are divided by the weights: "
        "the "
        "centre moves by dx*width, dy*height, the sides grow by exp(dw), exp(dh), where dw and dh count as "
        "at "
        "most log(1000/16). The corners are cut to the picture, the first input of height, width and "
        "channels "
        "that the boxes or deltas depend on; without one, only to 0. Deltas of 4*classes give a box for each "
        "class, which nms takes. No gradient passes",
    .params = params,
    .example = "default_boxes([30, 60], [1, 2, 0.5], 8) -> decode(deltas)",
    .shape = shape,
    .eval = run,
    .lower = lower,
};
