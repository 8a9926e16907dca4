/* decode.c: decode, boxes moved and scaled by a net's predictions. decoder.c implements the arithmetic. A row
 * of deltas gives one box, or one box for each class. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/box.h"
#include "ops/detection/decoder.h"
#include "ops/detection/lists.h"

static const Param params[] = {
    {"deltas", PARAM_VALUE, NULL, "dx dy dw dh for each box, or for each box and class", 0, 0, NULL},
    {"weights", PARAM_LIST, "[10,10,5,5]", "divisors of dx dy dw dh", 0, 0, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  const Shape boxes = node->in[0]->shape, deltas = node->in[1]->shape;
  int64_t rows, side, moved, columns;
  if (!boxes.rank || !deltas.rank) return;
  if (!shape_table(boxes, &rows, &side) || side != BOX) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape,
                          "decode takes boxes, rows of x1 y1 x2 y2, but its input is %s",
                          shape_text(context->arena, boxes));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  if (!shape_table(deltas, &moved, &columns) || moved != rows) {
    Diag *diag = op_error_at(context, node, "deltas", DIAG_shape_mismatch,
                             "decode of %s boxes and %s deltas: each box needs a row of deltas",
                             shape_text(context->arena, boxes), shape_text(context->arena, deltas));
    op_note_origin(context, diag, node->in[0]);
    op_note_origin(context, diag, node->in[1]);
    if (deltas.rank != 2 && shape_elements(deltas) == rows * BOX)
      diag_help(diag, "reshape([%lld, 4]) turns the deltas into rows", (long long)rows);
    return;
  }
  if (columns % BOX) {
    Diag *diag =
        op_error_at(context, node, "deltas", DIAG_wrong_shape,
                    "deltas of decode are four numbers, or four for each class, but a row of %s has %lld",
                    shape_text(context->arena, deltas), (long long)columns);
    op_note_origin(context, diag, node->in[1]);
    return;
  }
  if (list_of_numbers(context, node, "weights", BOX)) node->shape = shape_sequence(rows, columns);
}

static Decoder decoder_of(const Node *node) {
  Decoder d = {.picture = picture_of(node)};
  for (int i = 0; i < BOX; i++) d.weight[i] = list_number(node, "weights", i);
  return d;
}

static void run(const Eval *eval) {
  const Decoder d = decoder_of(eval->node);
  const int64_t rows = eval->node->shape.dim[0], columns = eval->node->shape.dim[1];
  for (int64_t i = 0; i < rows * columns; i += BOX)
    decoder_run(&d, eval->in[0] + i / columns * BOX, eval->in[1] + i, eval->out + i);
}

/* ---- the nest ---- */
/* Loads from row `row` of boxes or deltas. If the value has regions, the row is pixel (row, 0) of the buffer;
 * if it is a sequence, the row is pixel (0, row). */
static Val load_row(Lower *l, Buf *buf, const Ix *row, const Ix *c, int part, int lanes) {
  const Ix zero = {0};
  const bool below = buf->dim[buf->leads] > 1;
  return walk_load(l, buf, below ? row : &zero, below ? &zero : row, c, part, lanes);
}

/* center: x, y, x, y of the box's center; side: its width, height, width, height */
typedef struct Row {
  const DecoderTables *tables;
  Val center, side;
} Row;

static void decode_vector(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  const Row *row = context;
  const bool wide = lanes > BOX;
  Val side = wide ? decoder_pairs(row->side, lanes, 0) : row->side,
      center = wide ? decoder_pairs(row->center, lanes, 0) : row->center,
      delta = load_row(l, l->in[1], x, c, part, lanes);
  lower_store(l, decoder_vector(l, row->tables, delta, center, side), y, x, c, part, lanes);
}

static void decode_scalar(Lower *l, const Decoder *d, const Ix *row, const Ix *first) {
  Nest *b = l->b;
  const Ix zero = {0};
  for (int axis = 0; axis < 2; axis++) {
    const Ix low = zero + axis, high = low + 2, from = *first + axis, to = from + 2;
    Val corner = load_row(l, l->in[0], row, &low, 1, 1), out[2],
        side = nest_let(b, "side", sub(load_row(l, l->in[0], row, &high, 1, 1), corner)),
        center = fma_(side, num(b, 0.5), corner);
    decoder_scalar(l, d, axis, load_row(l, l->in[1], row, &from, 1, 1), load_row(l, l->in[1], row, &to, 1, 1),
                   center, side, out);
    lower_store(l, out[0], &zero, row, &from, 1, 1);
    lower_store(l, out[1], &zero, row, &to, 1, 1);
  }
}

static void decode_row(Lower *l, const DecoderTables *tables, const Ix *row, int64_t columns) {
  Nest *b = l->b;
  const Ix zero = {0};
  Val box = nest_let(b, "box", load_row(l, l->in[0], row, &zero, BOX, BOX)),
      corner = decoder_pairs(box, BOX, 0);
  Row of = {.tables = tables, .side = nest_let(b, "side", sub(decoder_pairs(box, BOX, 2), corner))};
  of.center = nest_let(b, "centre", fma_(of.side, num(b, 0.5), corner));
  walk_channels(l, columns, &zero, row, decode_vector, &of);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const int64_t rows = l->node->shape.dim[0], columns = l->node->shape.dim[1];
  const int lanes = walk_lanes(l, columns);
  const Decoder d = decoder_of(l->node);
  const DecoderTables tables = decoder_tables(l, &d, lanes);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, i, walk_rows(l, rows * columns * 8), 1, NEST_IX(0), 1, NEST_IX(rows)) {
    if (lanes > 1) decode_row(l, &tables, &i, columns);
    else
      NEST_FOR(b, k, columns / BOX) {
        const Ix first = k * BOX;
        decode_scalar(l, &d, &i, &first);
      }
  }
}

const Op op_decode = {
    .name = "decode",
    .group = "detection",
    .summary = "moves and scales boxes by predicted deltas",
    .detail = "the current value is the boxes, rows x1 y1 x2 y2. The deltas dx dy dw dh are divided by the "
              "weights. The center of a box moves by dx*width and dy*height; its sides are multiplied by "
              "exp(dw) and exp(dh), with dw and dh limited to log(1000/16). Corners are clipped to the "
              "image, which is the first HxWxC input that the boxes or deltas depend on; without such an "
              "input, corners are only clipped to at least 0. With 4*classes deltas per row, the result has "
              "one box per class, and nms accepts it. No gradient passes",
    .params = params,
    .example = "default_boxes([30, 60], [1, 2, 0.5], 8) -> decode(deltas)",
    .shape = shape,
    .eval = run,
    .lower = lower,
};
