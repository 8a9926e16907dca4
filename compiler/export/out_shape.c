/* out_shape.c: ONNX export of constants and of operators that move elements. ONNX's images are
 * channels-first, so a Transpose precedes operators that depend on the net's channels-last order. */
// SPDX-License-Identifier: Apache-2.0
#include "export/onnx_out.h"

const char *export_reshape(OnnxOut *o, const Node *node) {
  const Shape from = node->in[0]->shape, to = node->shape;
  if (shape_equal(from, to)) return out_input(o, 0);
  const Extent a = shape_extent(from), b = shape_extent(to);
  const char *x = out_input(o, 0);
  if (a.h * a.w > 1 && a.c > 1) x = out_channels_last(o, x, from);
  if (b.h * b.w == 1 || b.c == 1) return out_shaped(o, x, to);
  const int64_t dim[] = {0, to.dim[0], to.dim[1], to.dim[2]};
  return out_channels_first(o, out_reshape(o, x, to.rank + 1, dim), to);
}

const char *export_concat(OnnxOut *o, const Node *node) {
  const int64_t axis = arg_is(node, "axis", "channels") ? 1
                       : arg_is(node, "axis", "width")  ? 3
                                                        : 2; /* height, or length of a sequence */
  const char **in = NEW_ARRAY(o->arena, const char *, node->nin);
  for (int k = 0; k < node->nin; k++)
    in[k] = out_repeated(o, node->in[k]->shape, out_input(o, k), shape_rows(node->shape));
  const char *y = out_node(o, "Concat", node->nin, in);
  out_int(o, "axis", axis);
  return y;
}

/* ---- constants ---- */
const char *out_for_images(OnnxOut *o, const Node *node, const char *x) {
  if (o->single[node->id]) return x;
  const int64_t more[] = {1, 1, 1};
  const char *images = out_one(o, "Shape", o->graph->inputs.data[0].name);
  out_int(o, "start", 0);
  out_int(o, "end", 1);
  const char *sizes = out_two(o, "Concat", images, out_list(o, "ones", node->shape.rank, more));
  out_int(o, "axis", 0);
  return out_two(o, "Expand", x, sizes);
}

const char *export_constant(OnnxOut *o, const Node *node) {
  const Extent e = out_extent(node);
  const Weight *weight = node->weight[0];
  int64_t dim[4];
  const int rank = out_dims(node->shape, 1, dim);
  const float *from = o->numbers->weights + weight->offset;
  float *to = NEW_ARRAY(o->arena, float, weight->size);
  for (int64_t i = 0; i < weight->size; i++) to[i % e.c * e.h * e.w + i / e.c] = from[i];
  return out_for_images(o, node, out_named(o, weight->name, rank, dim, to));
}

/* ---- channels and blocks ---- */
const char *export_channel_shuffle(OnnxOut *o, const Node *node) {
  const int64_t groups = arg_int(node, "groups"), channels = out_extent(node).c;
  const int64_t dim[] = {0, groups, channels / groups, -1}, from[] = {0, 2, 1, 3};
  const char *x = out_reshape(o, out_input(o, 0), 4, dim);
  return out_shaped(o, out_permute(o, x, 4, from), node->shape);
}

typedef struct Blocks { /* blocks of fy x fx pixels; flat: extent of the image before space_to_depth; deep:
                           its extent after space_to_depth, with the pixels of a block as channels */
  Extent flat, deep;
  int64_t fy, fx;
  bool dcr, square;
} Blocks;

static Blocks depth_blocks(const Node *node, bool to_deep) {
  const Extent in = out_extent(node->in[0]), out = out_extent(node);
  Blocks b = {.flat = to_deep ? in : out, .deep = to_deep ? out : in, .dcr = arg_is(node, "order", "dcr")};
  b.fy = b.flat.h / b.deep.h;
  b.fx = b.flat.w / b.deep.w;
  b.square = node->shape.rank == 3 && b.fy == b.fx;
  return b;
}

const char *export_space_to_depth(OnnxOut *o, const Node *node) {
  const Blocks b = depth_blocks(node, true);
  if (b.square && b.dcr) {
    const char *y = out_one(o, "SpaceToDepth", out_input(o, 0));
    out_int(o, "blocksize", b.fy);
    return y;
  }
  const int64_t dim[] = {0, b.flat.c, b.deep.h, b.fy, b.deep.w, b.fx};
  static const int64_t crd[] = {0, 1, 3, 5, 2, 4}, dcr[] = {0, 3, 5, 1, 2, 4};
  const char *x = out_reshape(o, out_input(o, 0), 6, dim);
  return out_shaped(o, out_permute(o, x, 6, b.dcr ? dcr : crd), node->shape);
}

const char *export_depth_to_space(OnnxOut *o, const Node *node) {
  const Blocks b = depth_blocks(node, false);
  if (b.square) {
    const char *y = out_one(o, "DepthToSpace", out_input(o, 0));
    out_int(o, "blocksize", b.fy);
    out_text(o, "mode", b.dcr ? "DCR" : "CRD");
    return y;
  }
  const int64_t crd_dim[] = {0, b.flat.c, b.fy, b.fx, b.deep.h, b.deep.w},
                dcr_dim[] = {0, b.fy, b.fx, b.flat.c, b.deep.h, b.deep.w};
  static const int64_t crd[] = {0, 1, 4, 2, 5, 3}, dcr[] = {0, 3, 4, 1, 5, 2};
  const char *x = out_reshape(o, out_input(o, 0), 6, b.dcr ? dcr_dim : crd_dim);
  return out_shaped(o, out_permute(o, x, 6, b.dcr ? dcr : crd), node->shape);
}
