/* out_rows.c: ONNX export of values with several rows, of operators that split, join and transpose rows, and
 * of products of two values. In ONNX, each row is an image of the batch: R rows [C,L] in each of N images
 * become one tensor [N*R,C,L]. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "export/onnx_out.h"
#include "ops/attention/attention.h"
#include "ops/detection/box.h"
#include "ops/parts/moves.h"

/* ---- values that are the same for all images ---- */
static bool is_constant_source(const Node *node) {
  return (node->op->source && !node_is_state(node)) || node->op == &op_default_boxes;
}

/* Whether the ONNX form of the node broadcasts input k over the images. */
static bool repeats_images(const OnnxOut *o, const Node *node, int k) {
  const bool term = !node->in[k]->shape.regions || o->opset < 23;
  if (node->op == &op_attention) return k > VALUE ? term : o->opset < 23;
  if (node->op == &op_multihead_attention) return k == multihead_layer(node).core.mask && term;
  return node->op->family == FAMILY_MAP || node->op == &op_decode || node->op == &op_matmul;
}

/* Clears `single` of each constant that a node needs once per image; a constant with `single` is exported
 * once for the whole batch. A value computed from constants keeps `single` only if all of its operands keep
 * it. Returns false if nothing changed. */
static bool fewer_single(const OnnxOut *o, const bool *fixed, bool *single) {
  const Graph *g = o->graph;
  bool changed = false;
  for (int i = g->nodes.n - 1; i >= 0; i--) {
    const Node *node = g->nodes.data[i];
    if (!o->reads[i] || is_constant_source(node)) continue;
    for (int k = 0; k < node->nin; k++) {
      bool *in = &single[node->in[k]->id];
      if (*in && !(fixed[i] ? single[i] : repeats_images(o, node, k))) changed = true, *in = false;
      if (single[i] && !*in) changed = true, single[i] = false;
    }
  }
  return changed;
}

void out_find_constants(OnnxOut *o) {
  const Graph *g = o->graph;
  bool *fixed = NEW_ARRAY(o->arena, bool, g->nodes.n + 1),
       *single = NEW_ARRAY(o->arena, bool, g->nodes.n + 1);
  for (int i = 0; i < g->nodes.n; i++) {
    const Node *node = g->nodes.data[i];
    bool all = node->nin > 0;
    for (int k = 0; k < node->nin; k++) all = all && fixed[node->in[k]->id];
    fixed[i] = all || is_constant_source(node);
    single[i] = fixed[i] && !out_is_output(o, node);
  }
  while (fewer_single(o, fixed, single)) continue;
  o->single = single;
}

/* ---- operands with different numbers of rows ---- */
OutRows out_row_axes(const OnnxOut *o, const Node *node) {
  OutRows rows = {0};
  const int64_t all = shape_rows(node->shape);
  bool apart = false;
  for (int k = 0; k < node->nin; k++) {
    const bool single = o->single[node->in[k]->id];
    const int64_t n = shape_rows(node->in[k]->shape);
    apart = apart || (single ? n > 1 : n != all);
  }
  if (!apart) return rows;
  for (int64_t n = 1; n < all;) { /* n: 1, then the operands' row counts in ascending order */
    int64_t next = all;
    for (int k = 0; k < node->nin; k++) {
      const int64_t more = shape_rows(node->in[k]->shape);
      if (more > n && more < next) next = more;
    }
    rows.part[rows.n++] = next / n;
    n = next;
  }
  return rows;
}

static int row_dims(const OutRows *rows, int64_t count, int64_t dim[OUT_DIMS]) {
  int64_t n = 1;
  dim[0] = -1;
  for (int i = 0; i < rows->n; i++) {
    dim[rows->n - i] = n < count ? rows->part[i] : 1;
    n *= rows->part[i];
  }
  return rows->n + 1;
}

const char *out_beside(OnnxOut *o, const OutRows *rows, const Node *value, const char *x, int rank,
                       const int64_t *size) {
  int64_t dim[OUT_DIMS];
  const int n = row_dims(rows, shape_rows(value->shape), dim);
  memcpy(dim + n, size, sizeof *size * (size_t)rank);
  return out_reshape(o, x, n + rank, dim);
}

const char *out_whole_rows(OnnxOut *o, const char *x, Shape shape) {
  int64_t dim[4];
  const int rank = out_dims(shape, -1, dim);
  return out_reshape(o, x, rank, dim);
}

const char *out_repeated(OnnxOut *o, Shape shape, const char *x, int64_t rows) {
  const int64_t own = shape_rows(shape), more[] = {1, rows / own, 1, 1, 1, 1};
  int64_t size[4], apart[OUT_DIMS] = {-1, 1, own};
  const int rank = out_dims(shape, -1, size);
  if (own == rows) return x;
  memcpy(apart + 3, size + 1, sizeof *size * (size_t)(rank - 1));
  x = out_reshape(o, x, rank + 2, apart);
  x = out_two(o, "Expand", x, out_list(o, "repeats", rank + 2, more));
  return out_reshape(o, x, rank, size);
}

/* ---- heads ---- */
const char *export_heads(OnnxOut *o, const Node *node) {
  if (shape_equal(node->shape, node->in[0]->shape)) return out_input(o, 0);
  return out_whole_rows(o, out_input(o, 0), node->shape);
}

/* ---- rows of pixels ---- */
const char *export_split_rows(OnnxOut *o, const Node *node) {
  static const int64_t rows_first[] = {0, 2, 1, 3};
  return out_whole_rows(o, out_permute(o, out_input(o, 0), 4, rows_first), node->shape);
}

const char *export_join_rows(OnnxOut *o, const Node *node) {
  static const int64_t channels_first[] = {0, 2, 1, 3};
  const Shape to = node->shape;
  const int64_t dim[] = {-1, to.dim[0], to.dim[2], to.dim[1]};
  return out_permute(o, out_reshape(o, out_input(o, 0), 4, dim), 4, channels_first);
}

/* ---- windows ---- */
/* Rotates the axis so that position `from` comes first. */
static const char *rolled(OnnxOut *o, const char *x, int64_t axis, int64_t from, int64_t size) {
  if (from == 0) return x;
  const int64_t zero = 0;
  const char *const part[] = {out_part(o, x, 1, &from, &size, &axis), out_part(o, x, 1, &zero, &from, &axis)};
  const char *y = out_node(o, "Concat", 2, part);
  out_int(o, "axis", axis);
  return y;
}

static const char *rolled_image(OnnxOut *o, const char *x, const Windows *w, bool back) {
  for (int axis = 0; axis < 2; axis++) {
    const int64_t size = w->count[axis] * w->size[axis];
    x = rolled(o, x, 2 + axis, back && w->shift[axis] ? size - w->shift[axis] : w->shift[axis], size);
  }
  return x;
}

/* Without grid, an axis is split as [windows][pixels of a window]; with grid, as [pixels][windows]. */
const char *export_split_windows(OnnxOut *o, const Node *node) {
  static const int64_t block[] = {0, 2, 4, 1, 3, 5}, grid[] = {0, 3, 5, 1, 2, 4};
  const Windows w = windows_of(node);
  const int64_t c = node->shape.dim[2], *outer = w.grid ? w.size : w.count,
                *inner = w.grid ? w.count : w.size, dim[] = {0, c, outer[0], inner[0], outer[1], inner[1]};
  const char *x = out_reshape(o, rolled_image(o, out_input(o, 0), &w, false), 6, dim);
  return out_whole_rows(o, out_permute(o, x, 6, w.grid ? grid : block), node->shape);
}

const char *export_join_windows(OnnxOut *o, const Node *node) {
  static const int64_t block[] = {0, 3, 1, 4, 2, 5}, grid[] = {0, 3, 4, 1, 5, 2};
  const Windows w = windows_of(node);
  const int64_t dim[] = {-1, w.count[0], w.count[1], node->shape.dim[2], w.size[0], w.size[1]};
  const char *x = out_permute(o, out_reshape(o, out_input(o, 0), 6, dim), 6, w.grid ? grid : block);
  return rolled_image(o, out_shaped(o, x, shape_row(node->shape)), &w, true);
}

/* ---- matrices: in ONNX a matrix LxC is [C,L] ---- */
const char *export_transpose(OnnxOut *o, const Node *node) {
  static const int64_t turned[] = {0, 2, 1};
  (void)node;
  return out_permute(o, out_input(o, 0), 3, turned);
}

/* Operand k as [.., C, L] or, if `transposed`, as [.., L, C]. */
static const char *out_factor(OnnxOut *o, const OutRows *rows, const Node *node, int k, bool transposed) {
  static const int64_t last_two[] = {0, 1, 2, 3, 4, 5, 6, 7};
  const Extent e = out_extent(node->in[k]);
  int64_t from[OUT_DIMS];
  const char *x = out_input(o, k);
  if (rows->n || node->in[k]->shape.rank == 1)
    x = out_beside(o, rows, node->in[k], x, 2, (const int64_t[]){e.c, e.w});
  if (!transposed) return x;
  memcpy(from, last_two, sizeof last_two);
  from[rows->n + 1] = rows->n + 2;
  from[rows->n + 2] = rows->n + 1;
  return out_permute(o, x, rows->n + 3, from);
}

/* The matrices are exported transposed, so the exported product is (A * B)^T = B^T * A^T. */
const char *export_matmul(OnnxOut *o, const Node *node) {
  const OutRows rows = out_row_axes(o, node);
  const bool both = arg_is(node, "transpose", "both");
  const char *b = out_factor(o, &rows, node, 1, both || arg_is(node, "transpose", "right")),
             *a = out_factor(o, &rows, node, 0, both || arg_is(node, "transpose", "left")),
             *y = out_two(o, "MatMul", b, a);
  const double scale = arg_number(node, "scale");
  if (scale != 1) y = out_two(o, "Mul", y, out_number(o, "scale", scale));
  return rows.n ? out_whole_rows(o, y, node->shape) : y;
}
