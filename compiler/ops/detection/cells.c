/* cells.c: Boxes around the centers of cells. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/cells.h"
#include "ops/detection/lists.h"

void cells_strides(const Node *node, double to[2]) {
  const Const *stride = arg_const(node, "stride");
  for (int axis = 0; axis < 2; axis++) to[axis] = (double)stride->items[axis < stride->n ? axis : 0].i;
}

void cells_anchor(const Node *node, Extent cells, int64_t i, double box[BOX]) {
  const int64_t cell = i / cells.c;
  double stride[2];
  cells_strides(node, stride);
  for (int axis = 0; axis < 2; axis++) { /* x, y */
    const int64_t at = axis == 0 ? cell % cells.w : cell / cells.w;
    const double center = ((double)at + 0.5) * stride[1 - axis],
                 side = list_pair(node, "anchors", (int)(i % cells.c), axis);
    box[axis] = center - side / 2;
    box[axis + 2] = center + side / 2;
  }
}

Val cells_center(Nest *b, const Ix *cell, double stride) {
  return mul(add(convert(position(b, cell), F32), num(b, 0.5)), num(b, stride));
}

Buf *cells_anchor_corners(Lower *l, const Node *node) {
  const int n = list_count(node, "anchors");
  float *to = NEW_ARRAY(l->arena, float, n *BOX);
  for (int i = 0; i < n * BOX; i++) {
    const double half = list_pair(node, "anchors", i / BOX, i % 2) / 2;
    to[i] = (float)(i % BOX < 2 ? -half : half);
  }
  return lower_table(l, to, n * BOX);
}

void cells_boxes(Lower *l, Extent cells, const double stride[2], int64_t n, Buf *corners, Buf *to) {
  Nest *b = l->b;
  const int lanes = walk_lanes(l, BOX);
  const Ix zero = {0};
  NEST_LOOP(b, i, walk_rows(l, cells.h * cells.w * n * BOX), 1, NEST_IX(0), 1, NEST_IX(cells.h))
    NEST_FOR(b, j, cells.w) {
      Val at[2] = {nest_let(b, "x", cells_center(b, &j, stride[1])),
                   nest_let(b, "y", cells_center(b, &i, stride[0]))};
      if (lanes == BOX)
        at[0] =
            nest_let(b, "centre", shuffle(splat(at[0], BOX), splat(at[1], BOX), BOX, (int[]){0, 4, 0, 4}));
      NEST_FOR(b, k, n)
        for (int64_t from = 0; from < BOX; from += lanes) {
          const Ix row = (i * cells.w + j) * n + k, c = zero + from;
          Val box =
              add(at[lanes == BOX ? 0 : from % 2], nest_load(b, nest_at(b, corners, k * BOX + from), lanes));
          if (to) walk_put(l, to, box, &zero, &row, &c, lanes, lanes);
          else lower_store(l, box, &zero, &row, &c, lanes, lanes);
        }
    }
}
