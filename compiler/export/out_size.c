/* out_size.c: Export of padding, slicing and resizing to ONNX. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "export/onnx_out.h"
#include "ops/shape/region.h"

/* ---- borders ---- */
/* The padding along ONNX's axes: first the sizes before each axis, then the sizes after each axis. */
static int pads_of(const Node *node, const int64_t before[2], const int64_t after[2], const Const *channels,
                   int64_t pads[8]) {
  const int rank = node->shape.rank + 1;
  memset(pads, 0, 8 * sizeof *pads);
  for (int side = 0; side < 2; side++) {
    const int64_t *size = side ? after : before;
    pads[side * rank + 1] = channels->kind == CONST_LIST ? channels->items[side].i : 0;
    if (rank > 2) pads[side * rank + 2] = size[rank == 3];
    if (rank > 3) pads[side * rank + 3] = size[1];
  }
  return 2 * rank;
}

const char *export_zero_pad(OnnxOut *o, const Node *node) {
  const bool constant = arg_is(node, "mode", "zero");
  int64_t before[2], after[2], pads[8];
  box_border_of(node, "n", before, after);
  const int n = pads_of(node, before, after, arg_const(node, "channels"), pads);
  const char *const in[] = {out_input(o, 0), out_list(o, "pads", n, pads),
                            constant ? out_number(o, "border", arg_number(node, "value")) : NULL};
  const char *y = out_node(o, "Pad", constant ? 3 : 2, in);
  out_text(o, "mode", constant ? "constant" : arg_const(node, "mode")->s);
  return y;
}

/* ---- parts ---- */
const char *out_part(OnnxOut *o, const char *x, int n, const int64_t *from, const int64_t *to,
                     const int64_t *axis) {
  const char *const in[] = {x, out_list(o, "starts", n, from), out_list(o, "ends", n, to),
                            out_list(o, "axes", n, axis)};
  return out_node(o, "Slice", 4, in);
}

/* Slices the positions from (y, x) on; the slice has the size of the node's value. */
static const char *out_inside(OnnxOut *o, const Node *node, int64_t y, int64_t x) {
  const Extent e = out_extent(node);
  const int64_t from[] = {y, x}, to[] = {y + e.h, x + e.w}, axis[] = {2, 3};
  const int sequence = node->shape.rank == 2;
  return out_part(o, out_input(o, 0), 2 - sequence, from + sequence, to + sequence, axis);
}

const char *export_crop(OnnxOut *o, const Node *node) {
  const Box box = box_inside(node, "n");
  return out_inside(o, node, box.y, box.x);
}

const char *export_crop_like(OnnxOut *o, const Node *node) {
  const Extent from = out_extent(node->in[0]), to = out_extent(node);
  return out_inside(o, node, (from.h - to.h) / 2, (from.w - to.w) / 2);
}

const char *export_slice(OnnxOut *o, const Node *node) {
  const int64_t from = node->op->traits.channel_slice(node), to = from + out_extent(node).c, axis = 1;
  return out_part(o, out_input(o, 0), 1, &from, &to, &axis);
}

/* ---- sizes ---- */
static const char *resized(OnnxOut *o, const char *x, Extent in, Shape shape, const char *mode,
                           const char *place) {
  int64_t dim[4];
  const Extent out = shape_extent(shape);
  const int rank = out_dims(shape, 1, dim);
  const bool whole = out.h % in.h == 0 && out.w % in.w == 0;
  const float factor[] = {1, 1, (float)(rank == 3 ? out.w / in.w : out.h / in.h), (float)(out.w / in.w)};
  float *scales = NEW_ARRAY(o->arena, float, 4);
  memcpy(scales, factor, sizeof factor);
  const char *sizes = NULL;
  if (!whole) { /* Resize needs all sizes; N and C are those of x */
    const char *images = out_one(o, "Shape", x);
    out_int(o, "start", 0);
    out_int(o, "end", 2);
    sizes = out_two(o, "Concat", images, out_list(o, "size", rank - 2, dim + 2));
    out_int(o, "axis", 0);
  }
  const char *const all[] = {x, "", whole ? out_floats(o, "scales", 1, (const int64_t[]){rank}, scales) : "",
                             sizes};
  const char *y = out_node(o, "Resize", whole ? 3 : 4, all);
  out_text(o, "mode", mode);
  out_text(o, "coordinate_transformation_mode", place);
  return y;
}

/* The index of the input element that becomes element `at` of the output. With `exact`, the input element has
 * the nearest center; otherwise its index is `at` * in / out, rounded down. */
static int64_t source(int64_t in, int64_t out, int64_t at, bool exact) {
  return exact ? (2 * at + 1) * in / (2 * out) : at * in / out;
}

/* Whether ONNX runtimes, which compute the source index with a float factor, select the same elements as
 * source(). */
static bool rounds_right(int64_t in, int64_t out, bool exact) {
  const float scale = (float)out / (float)in;
  for (int64_t at = 0; at < out; at++) {
    const float place = exact ? ((float)at + 0.5F) / scale - 0.5F : (float)at / scale;
    const int64_t found = (int64_t)floorf(exact ? place + 0.5F : place);
    if (source(in, out, at, exact) != found) return false;
  }
  return true;
}

/* Selects elements by index along each axis, with Gather. */
static const char *out_picked(OnnxOut *o, const Node *node, bool exact) {
  const char *x = out_input(o, 0);
  for (int axis = node->shape.rank == 2; axis < 2; axis++) {
    const int64_t in = extent_side(out_extent(node->in[0]), axis), out = extent_side(out_extent(node), axis);
    if (in == out) continue;
    int64_t *from = NEW_ARRAY(o->arena, int64_t, out);
    for (int64_t at = 0; at < out; at++) from[at] = source(in, out, at, exact);
    x = out_two(o, "Gather", x, out_list(o, "places", (int)out, from));
    out_int(o, "axis", node->shape.rank == 2 ? 2 : 2 + axis);
  }
  return x;
}

static const char *nearest(OnnxOut *o, const Node *node, bool exact) {
  const Extent in = out_extent(node->in[0]), out = out_extent(node);
  if (!rounds_right(in.h, out.h, exact) || !rounds_right(in.w, out.w, exact))
    return out_picked(o, node, exact);
  const char *y =
      resized(o, out_input(o, 0), in, node->shape, "nearest", exact ? "half_pixel" : "asymmetric");
  out_text(o, "nearest_mode", exact ? "round_prefer_ceil" : "floor");
  return y;
}

/* onnxruntime's cubic mode requires images, so a sequence is resized as an image of height 1. */
static const char *between(OnnxOut *o, const Node *node, const char *mode, bool corners) {
  const Extent in = out_extent(node->in[0]), out = out_extent(node);
  const char *place = corners ? "align_corners" : "half_pixel", *x = out_input(o, 0);
  if (node->shape.rank == 3 || strcmp(mode, "cubic") != 0) return resized(o, x, in, node->shape, mode, place);
  x = out_shaped(o, x, shape_image(1, in.w, in.c));
  return out_shaped(o, resized(o, x, in, shape_image(1, out.w, out.c), mode, place), node->shape);
}

const char *export_upsample(OnnxOut *o, const Node *node) {
  if (shape_equal(node->shape, node->in[0]->shape)) return out_input(o, 0);
  return arg_is(node, "mode", "nearest") ? nearest(o, node, false) : between(o, node, "linear", false);
}

const char *export_resize(OnnxOut *o, const Node *node) {
  const bool corners = arg_bool(node, "corners");
  if (shape_equal(node->shape, node->in[0]->shape)) return out_input(o, 0);
  if (arg_is(node, "mode", "nearest")) return nearest(o, node, false);
  if (arg_is(node, "mode", "nearest_exact")) return nearest(o, node, true);
  return between(o, node, arg_is(node, "mode", "cubic") ? "cubic" : "linear", corners);
}
