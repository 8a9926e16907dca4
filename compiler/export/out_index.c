/* out_index.c: ONNX export of sampling, of rotary, and of operators on indices. Indices in ONNX are int64. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "export/onnx_out.h"
#include "ops/index/index.h"

static const char *out_cast(OnnxOut *o, const char *x, TensorType to) {
  const char *y = out_one(o, "Cast", x);
  out_int(o, "to", to);
  return y;
}

const char *export_argmax(OnnxOut *o, const Node *node) {
  (void)node;
  const char *y = out_one(o, "ArgMax", out_input(o, 0));
  out_int(o, "axis", 1);
  out_int(o, "keepdims", 1);
  return out_cast(o, y, TENSOR_FLOAT);
}

const char *export_topk(OnnxOut *o, const Node *node) {
  const int64_t k = arg_int(node, "k"), row[] = {0, 1, k};
  const char *values = out_two(o, "TopK", out_input(o, 0), out_list(o, "k", 1, &k));
  out_int(o, "axis", 1);
  out_int(o, "largest", arg_bool(node, "largest"));
  const char *indices = out_cast(o, out_also(o, "indices"), TENSOR_FLOAT);
  values = out_reshape(o, values, 3, row);
  const char *y = out_two(o, "Concat", values, out_reshape(o, indices, 3, row));
  out_int(o, "axis", 1);
  return y;
}

/* Whether a value is always an integer in 0 .. count-1. out_indices clamps all other values. */
static bool is_index_below(const Node *value, int64_t count) {
  const Node *from = value;
  while (from->op->family == FAMILY_ALIAS) from = from->in[0];
  if (from->op == &op_argmax) return shape_extent(from->in[0]->shape).c <= count;
  const bool column = from->op->traits.channel_slice && from->in[0]->op == &op_topk &&
                      from->op->traits.channel_slice(from) == 1;
  return column && shape_row_elements(from->in[0]->in[0]->shape) <= count;
}

/* An input as int64 indices in 0 .. count-1. */
static const char *out_indices(OnnxOut *o, const Node *node, int input, int64_t count) {
  const char *x = out_input(o, input);
  if (!is_index_below(node->in[input], count)) {
    const char *const in[] = {x, out_number(o, "first", 0), out_number(o, "last", (double)(count - 1))};
    x = out_node(o, "Clip", 3, in);
  }
  return out_cast(o, x, TENSOR_INT64);
}

const char *export_gather(OnnxOut *o, const Node *node) {
  const Shape in = node->in[0]->shape;
  const Extent e = shape_extent(in);
  const int64_t k = node->shape.dim[0], row[] = {0, 1, k}, pixels[] = {0, e.c, e.h * e.w};
  const bool vector = in.rank == 1, each = arg_bool(node, "each");
  const char *x = out_input(o, 0), *index = out_indices(o, node, 1, vector ? e.c : e.h * e.w);
  if (in.rank == 3) x = out_reshape(o, x, 3, pixels);
  if (vector) {
    if (node->in[1]->shape.rank == 2) index = out_reshape(o, index, 2, (const int64_t[]){0, k});
    const char *y = out_two(o, "GatherElements", x, index);
    out_int(o, "axis", 1);
    return out_reshape(o, y, 3, row);
  }
  if (!each || node->in[1]->shape.rank == 1) {
    if (node->in[1]->shape.rank == 1) index = out_reshape(o, index, 3, row);
    index = out_two(o, "Expand", index, out_list(o, "all", 3, (const int64_t[]){1, e.c, k}));
  }
  const char *y = out_two(o, "GatherElements", x, index);
  out_int(o, "axis", 2);
  return y;
}

/* ---- one_hot and embedding ---- */
/* Compares x with (0, 1, ... n-1) along the channels. */
const char *export_one_hot(OnnxOut *o, const Node *node) {
  const int64_t n = arg_int(node, "n"), dim[] = {1, n, 1, 1};
  float *number = NEW_ARRAY(o->arena, float, n);
  for (int64_t i = 0; i < n; i++) number[i] = (float)i;
  Shape flat = node->shape;
  flat.dim[flat.rank - 1] = 1;
  const char *x = out_shaped(o, out_input(o, 0), flat);
  const char *same = out_two(o, "Equal", x, out_floats(o, "numbers", node->shape.rank + 1, dim, number));
  return out_cast(o, same, TENSOR_FLOAT);
}

const char *export_embedding(OnnxOut *o, const Node *node) {
  const Weight *weight = node->weight[0];
  const Extent e = out_extent(node);
  const bool picture = node->shape.rank == 3;
  const int64_t sizes[] = {0, picture ? e.h : e.w, e.w}, last[] = {0, node->shape.rank, 1, 2};
  const char *index = out_indices(o, node, 0, weight->dim[0]);
  if (node->in[0]->shape.rank > 1) index = out_reshape(o, index, picture ? 3 : 2, sizes);
  const char *y = out_two(o, "Gather", out_weight(o, 0, 2, weight->dim), index);
  return out_permute(o, y, node->shape.rank + 1, last);
}

/* ---- samples ---- */
static const char *out_samples(OnnxOut *o, const char *x, const char *grid, const char *mode,
                               const char *outside, bool corners) {
  const char *y = out_two(o, "GridSample", x, grid);
  out_text(o, "mode", o->opset >= 20 && strcmp(mode, "bilinear") == 0 ? "linear" : mode);
  out_text(o, "padding_mode", outside);
  out_int(o, "align_corners", corners);
  return y;
}

const char *export_grid_sample(OnnxOut *o, const Node *node) {
  static const int64_t picture[] = {0, 2, 3, 1}, list[] = {0, 2, 1};
  const Extent e = out_extent(node);
  const bool sequence = node->shape.rank == 2;
  const char *grid = out_permute(o, out_input(o, 1), node->shape.rank + 1, sequence ? list : picture);
  if (sequence) grid = out_reshape(o, grid, 4, (const int64_t[]){0, 1, e.w, 2});
  const char *outside = arg_is(node, "outside", "reflect")  ? "reflection"
                        : arg_is(node, "outside", "border") ? "border"
                                                            : "zeros";
  const char *y =
      out_samples(o, out_input(o, 0), grid, arg_is(node, "mode", "nearest") ? "nearest" : "bilinear", outside,
                  arg_bool(node, "corners"));
  return sequence ? out_shaped(o, y, node->shape) : y;
}

/* The sampling points of a level as GridSample's grid [N*heads, queries, points, 2]. The edges of the image
 * have the coordinates 0 and 1 in the net, and -1 and 1 in ONNX. */
static const char *out_level_grid(OnnxOut *o, const char *places, int64_t level, int64_t points,
                                  int64_t queries) {
  static const int64_t last[] = {0, 3, 1, 2};
  const int64_t to = level + 1, axis = 2, all[] = {-1, points, 2, queries};
  const char *own = out_part(o, places, 1, &level, &to, &axis);
  own = out_permute(o, out_reshape(o, own, 4, all), 4, last);
  own = out_two(o, "Mul", own, out_number(o, "two", 2));
  return out_two(o, "Sub", own, out_number(o, "one", 1));
}

/* Samples each level; the samples are concatenated, weighted and summed. */
const char *export_deformable_attention(OnnxOut *o, const Node *node) {
  const int levels = node->nin - 2;
  const int64_t heads = arg_int(node, "heads"), queries = node->shape.dim[0], channels = node->shape.dim[1],
                samples = node->in[2]->shape.dim[1] / heads, points = samples / levels,
                apart[] = {0, heads, levels, points * 2, queries}, weights[] = {-1, 1, samples, queries},
                last[] = {0, 1, 3, 2};
  const char *places = out_reshape(o, out_input(o, 1), 5, apart),
             **sampled = NEW_ARRAY(o->arena, const char *, levels);
  for (int level = 0; level < levels; level++) {
    const int in = level ? level + 2 : 0;
    const Extent e = out_extent(node->in[in]);
    const char *image =
                   out_reshape(o, out_input(o, in), 4, (const int64_t[]){-1, channels / heads, e.h, e.w}),
               *grid = out_level_grid(o, places, level, points, queries);
    sampled[level] = out_samples(o, image, grid, "bilinear", "zeros", false);
  }
  const char *all = sampled[0];
  if (levels > 1) {
    all = out_node(o, "Concat", levels, sampled);
    out_int(o, "axis", 3);
  }
  const char *by = out_permute(o, out_reshape(o, out_input(o, 2), 4, weights), 4, last);
  const char *products = out_two(o, "Mul", all, by), *axes = out_list(o, "axes", 1, &(int64_t){3});
  const char *sum = out_two(o, "ReduceSum", products, axes);
  out_int(o, "keepdims", 0);
  return out_reshape(o, sum, 3, (const int64_t[]){-1, channels, queries});
}

/* ---- rotary ---- */
static const char *channels_of_heads(OnnxOut *o, const char *x, int64_t from, int64_t to) {
  return out_part(o, x, 1, &from, &to, &(int64_t){2});
}

/* Exports rotary as ONNX's RotaryEmbedding, whose operands are [N, positions, channels]. */
static const char *rotary_operator(OnnxOut *o, const Node *node) {
  const int64_t heads = arg_int(node, "heads"), turned = 2 * node->in[1]->shape.dim[1];
  const char *in[3];
  for (int k = 0; k < 3; k++) in[k] = out_channels_last(o, out_input(o, k), node->in[k]->shape);
  const char *y = out_node(o, "RotaryEmbedding", 3, in);
  out_int(o, "num_heads", heads);
  if (turned < node->shape.dim[1] / heads) out_int(o, "rotary_embedding_dim", turned);
  if (arg_bool(node, "interleaved")) out_int(o, "interleaved", 1);
  return out_channels_first(o, y, node->shape);
}

const char *export_rotary(OnnxOut *o, const Node *node) {
  if (o->opset >= 23) return rotary_operator(o, node);
  const int64_t heads = arg_int(node, "heads"), width = node->shape.dim[1] / heads,
                pairs = node->in[1]->shape.dim[1], length = node->shape.dim[0],
                apart[] = {0, heads, width, length}, angle[] = {0, 1, pairs, length},
                of_pair[] = {0, heads * pairs, 2, length}, half[] = {0, heads, pairs, length},
                both[] = {0, heads, 2 * pairs, length}, one[] = {0, heads * pairs, 1, length};
  const bool neighbors = arg_bool(node, "interleaved");
  const char *x = out_reshape(o, out_input(o, 0), 4, apart),
             *cosine = out_reshape(o, out_input(o, 1), 4, angle),
             *sine = out_reshape(o, out_input(o, 2), 4, angle), *part[2], *y[3];
  const char *turned = 2 * pairs < width ? channels_of_heads(o, x, 0, 2 * pairs) : x;
  if (neighbors) turned = out_reshape(o, turned, 4, of_pair);
  for (int k = 0; k < 2; k++) {
    const int64_t step = neighbors ? 1 : pairs;
    part[k] = channels_of_heads(o, turned, k * step, (k + 1) * step);
    if (neighbors) part[k] = out_reshape(o, part[k], 4, half);
  }
  for (int i = 0; i < 2; i++) {
    const char *own = out_two(o, "Mul", part[i], cosine), *other = out_two(o, "Mul", part[1 - i], sine);
    y[i] = out_two(o, i == 0 ? "Sub" : "Add", own, other);
  }
  for (int k = 0; k < 2 && neighbors; k++) y[k] = out_reshape(o, y[k], 4, one);
  const char *all = out_node(o, "Concat", 2, y);
  out_int(o, "axis", 2);
  if (neighbors) all = out_reshape(o, all, 4, both);
  if (2 * pairs < width) {
    all = out_two(o, "Concat", all, channels_of_heads(o, x, 2 * pairs, width));
    out_int(o, "axis", 2);
  }
  return out_shaped(o, all, node->shape);
}
