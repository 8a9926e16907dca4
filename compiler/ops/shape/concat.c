/* concat.c: concat, concatenation of values: the channels of the current value, then the channels of the
 * named values, in order. With axis=height, width or length, rows or columns are concatenated instead. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "ops/shape/region.h"
#include "kernel/map.h"
#include "kernel/parts.h"
#include "ops/registry.h"

static const Param params[] = {
    {"x", PARAM_VALUES, NULL, "values whose shapes differ only along the axis", 0, 0, NULL},
    {"axis", PARAM_CHOICE, "channels",
     "axis of the concatenation: channels, height or width (of images), length (of sequences)", 0, 0,
     "channels length height width"},
    {0}};

typedef enum Axis { HEIGHT, WIDTH, CHANNELS } Axis; /* axes of an extent: a sequence's length is its width */

static Axis axis_of(const Node *node) {
  return arg_is(node, "axis", "height") ? HEIGHT : arg_is(node, "axis", "channels") ? CHANNELS : WIDTH;
}

static int64_t size_along(const Node *node, Axis axis) {
  const Extent e = shape_extent(node->shape);
  return axis == HEIGHT ? e.h : axis == WIDTH ? e.w : e.c;
}

static Box start_of(const Node *node, int k) { /* start of operand k in the result */
  const Axis axis = axis_of(node);
  int64_t at = 0;
  for (int i = 0; i < k; i++) at += size_along(node->in[i], axis);
  return (Box){axis == HEIGHT ? at : 0, axis == WIDTH ? at : 0, axis == CHANNELS ? at : 0};
}

/* The first channel of operand k in the result; -1: the axis is not channels. */
static int64_t offset_of(const Node *node, int k) {
  return axis_of(node) == CHANNELS ? start_of(node, k).c : -1;
}

/* ---- the shape ---- */
static bool axis_exists(ShapeContext *context, const Node *node) {
  const Shape in = node->in[0]->shape;
  const char *axis = arg_const(node, "axis")->s;
  const bool picture = in.rank == 3, of_length = !strcmp(axis, "length");
  if (axis_of(node) == CHANNELS || (in.rank > 1 && picture != of_length)) return true;
  Diag *diag = op_error_at(context, node, "axis", DIAG_bad_value, "concat along the %s of %s: %s", axis,
                           shape_text(context->arena, in),
                           picture        ? "an image has height, width and channels"
                           : in.rank == 2 ? "a sequence has length and channels"
                                          : "a vector has only channels");
  op_note_origin(context, diag, node->in[0]);
  return false;
}

/* Whether the shapes have equal ranks, and equal sizes along all axes but `axis`. */
static bool agree(Shape a, Shape b, Axis axis) {
  const Extent x = shape_extent(a), y = shape_extent(b);
  return a.rank == b.rank && (axis == HEIGHT || x.h == y.h) && (axis == WIDTH || x.w == y.w) &&
         (axis == CHANNELS || x.c == y.c);
}

static void disagree(ShapeContext *context, const Node *node, const Node *other) {
  const Node *first = node->in[0];
  Diag *diag = op_error(context, node, DIAG_shape_mismatch,
                        "concat of %s and %s: all dimensions but the %s must be equal",
                        shape_text(context->arena, first->shape), shape_text(context->arena, other->shape),
                        arg_const(node, "axis")->s);
  op_note_origin(context, diag, first);
  op_note_origin(context, diag, other);
  if (first->shape.rank != other->shape.rank)
    diag_help(diag, "flatten turns both into vectors; reshape changes the number of dimensions");
  else if (axis_of(node) == CHANNELS && first->shape.rank == 2 && first->shape.dim[1] == other->shape.dim[1])
    diag_help(diag, "use axis=length to join the rows");
  else if (axis_of(node) == CHANNELS)
    diag_help(diag, "use pad=same or zero_pad in one branch, or crop in the other");
}

static void shape(ShapeContext *context, Node *node) {
  const Shape first = node->in[0]->shape;
  for (int k = 0; k < node->nin; k++)
    if (!node->in[k]->shape.rank) return;
  if (!axis_exists(context, node)) return;
  const Axis axis = axis_of(node);
  const Node *rows = op_common_rows(context, node);
  if (!rows) return;
  for (int k = 1; k < node->nin; k++) {
    if (!agree(first, node->in[k]->shape, axis)) {
      disagree(context, node, node->in[k]);
      return;
    }
  }
  const Box end = start_of(node, node->nin);
  node->shape = shape_with_rows(first, rows->shape);
  node->shape.dim[axis == CHANNELS ? first.rank - 1
                  : axis == WIDTH  ? first.rank - 2
                                   : 0] = end.y + end.x + end.c;
}

/* ---- reference and nest ---- */
static void run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent out = shape_extent(node->shape);
  for (int k = 0; k < node->nin; k++) {
    const Extent in = shape_extent(node->in[k]->shape);
    const Box at = start_of(node, k);
    for (int64_t i = 0; i < in.h * in.w * in.c; i++) {
      const int64_t y = i / (in.w * in.c) + at.y, x = i / in.c % in.w + at.x, c = i % in.c + at.c;
      eval->out[(y * out.w + x) * out.c + c] = eval->in[k][i];
    }
  }
}

static void copy_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  const int k = *(const int *)context;
  const Box at = start_of(l->node, k);
  const Ix ty = *y + at.y, tx = *x + at.x, tc = *c + at.c;
  lower_store(l, walk_load(l, l->in[k], y, x, c, part, lanes), &ty, &tx, &tc, part, lanes);
}

static void lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  for (int k = 0; k < l->node->nin; k++) walk_pixels(l, shape_extent(l->node->in[k]->shape), copy_body, &k);
}

static void backward(Gradient *gradient, Node *node, Node *dy) {
  for (int k = 0; k < node->nin; k++)
    if (gradient_wanted(gradient, node->in[k])) {
      const Shape own = node->in[k]->shape;
      Node *part = box_gradient_cut(gradient, node, dy, shape_with_rows(own, node->shape), start_of(node, k));
      gradient_add(gradient, node->in[k], parts_gradient(gradient, node, own, part));
    }
}

static StreamRule stream_rule(const Node *node) {
  const Axis rows = node->shape.rank == 3 ? HEIGHT : WIDTH;
  return node->shape.rank > 1 && axis_of(node) == rows ? STREAM_WHOLE : STREAM_ROWS;
}

const Op op_concat = {
    .name = "concat",
    .group = "combining",
    .summary = "concatenates the current value and other values along the channels or another axis",
    .detail =
        "the result has the channels of x0, then the channels of x1, ...; axis=length joins the rows of "
        "sequences, for example the rows of several yolo operators; axis=height and axis=width join images",
    .params = params,
    .example = "conv(16, 3x3, pad=same) -> concat(skip)",
    .traits.keeps_spatial = true,
    .traits.equal_rows = true,
    .shape = shape,
    .traits.channel_offset = offset_of,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.int8 = INT8_MOVE,
    .traits.stream_rule = stream_rule,
};

/* ---- copies of operands that their producers cannot write into the result ---- */
MAP_EVAL(copy_eval) { return x[0]; }
MAP_VALUE(copy_map) { return m->x[0]; }

const Op op_copy = {.name = "concat part", MAP_OPERATOR, .map_eval = copy_eval, .map = copy_map};
