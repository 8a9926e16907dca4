/* index.c: Operators on indices: checks of shapes and ranges, access to an index, and the pixel that an index
 * selects. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/index/index.h"

int64_t index_of(double number, int64_t count) {
  return number > 0 ? number < (double)(count - 1) ? (int64_t)number : count - 1 : 0;
}

bool index_fits(ShapeContext *context, const Node *node, const Node *value, int64_t count) {
  if (count <= INDEX_COUNTS) return true;
  Diag *diag = op_error(context, node, DIAG_too_large, "%s of %s: indices must be below 16,777,216 (2^24)",
                        node->op->name, shape_text(context->arena, value->shape));
  op_note_origin(context, diag, value);
  return false;
}

bool index_is_flat(Shape shape) { return shape.rank == 1 || shape.dim[shape.rank - 1] == 1; }

bool index_rows_shape(ShapeContext *context, Node *node, int64_t channels) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return false;
  if (index_is_flat(in)) {
    node->shape = in.rank == 1 ? shape_sequence(in.dim[0], channels) : in;
    node->shape.dim[node->shape.rank - 1] = channels;
    node->shape.regions = in.regions;
    return true;
  }
  Diag *diag = op_error(context, node, DIAG_wrong_shape,
                        "%s takes indices, a vector of L, Lx1 or HxWx1, but its input is %s", node->op->name,
                        shape_text(context->arena, in));
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "argmax computes the index of the largest channel, slice(0..1) selects the first channel");
  return false;
}

Ref index_of_pixel(Lower *l, Buf *buf, const Ix *y, const Ix *x) {
  const int64_t *dim = buf->dim + buf->leads;
  const bool vector = dim[0] == 1 && dim[1] == 1;
  return vector ? nest_at(l->b, buf, *y, 0, *x) : nest_at(l->b, buf, *y, *x, 0);
}

Ref index_element(Lower *l, Buf *buf, const Ix *k) {
  const int64_t *dim = buf->dim + buf->leads;
  return dim[1] == 1 ? nest_at(l->b, buf, 0, 0, *k) : nest_at(l->b, buf, 0, *k, 0);
}

/* In an image, finds the row, index / width rounded down, and then the column. The row is exact, because the
 * float quotient of two integers below 2^24 is never rounded up to the next integer. */
void index_choose(Lower *l, Extent e, Val number, IndexBody body, const void *context) {
  Nest *b = l->b;
  const Ix zero = {0};
  if (e.h == 1) {
    NEST_CHOSEN(b, x, number, 0, e.w) body(l, &(IndexPixel){&zero, &x}, context);
    return;
  }
  NEST_CHOSEN(b, p, number, 0, e.h * e.w) {
    Val pixel = nest_let(b, "pixel", convert(position(b, &p), F32));
    NEST_CHOSEN(b, y, div_(pixel, num(b, (double)e.w)), 0, e.h) {
      Val row = convert(position(b, &y), F32);
      NEST_CHOSEN(b, x, sub(pixel, mul(row, num(b, (double)e.w))), 0, e.w)
      body(l, &(IndexPixel){&y, &x}, context);
    }
  }
}
