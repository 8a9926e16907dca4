// images.c: Batch-innermost layout: the decision whether a net uses this layout, and the kernels that convert
// inputs and results.
// SPDX-License-Identifier: Apache-2.0
#include "graph/bf16.h"
#include "schedule/float/images.h"
#include "schedule/cost.h"
#include "ops/registry.h"

/* ---- decision: cost of a batch with both layouts ---- */
static const double WORTH =
    1.05; /* required speed-up, because values are converted to another layout and back */

static double dense_alone(const Target *target, int64_t macs, int64_t batch, int64_t weight_bytes) {
  const double streamed = 4 * (double)macs / target->l3_rate,
               computed = (double)macs / target->lanes / target->fmas,
               apart = streamed > computed ? streamed : computed;
  const double together = batch ? cost_together(target, macs, 4 * macs, batch, weight_bytes).total : apart;
  return apart < together ? apart : together;
}

/* Cycles per image. batch: number of images of a batched dense layer; 0: dense layers are not batched. */
static double images_one_by_one(const Node *node, const Target *target, int64_t batch, int64_t weight_bytes) {
  const double macs = (double)node_macs(node);
  if (node->op->family == FAMILY_DENSE) return dense_alone(target, node_macs(node), batch, weight_bytes);
  if (node->op->family == FAMILY_DEPTHWISE) /* lanes are channels; the cost assumes full vectors */
    return macs / (target->lanes * target->fmas * target->rates->interleaved);
  const Correlation k = correlation_of(node);
  const double direct = cost_direct(target, &k, weight_bytes).total;
  const bool squares = k.kernel[0] == 3 && k.kernel[1] == 3 && k.stride[0] == 1 && k.stride[1] == 1;
  if (!squares || k.l < target->blocking.winograd_channels || k.s < target->blocking.winograd_channels)
    return direct;
  const double winograd = cost_winograd(target, &k, 4, 0, weight_bytes).total;
  return winograd < direct ? winograd : direct;
}

static bool near_enough(const Node *node, int lanes,
                        int64_t cache) { /* whether a layer's inputs and outputs for `lanes` images fit in
                                            `cache` bytes */
  int64_t floats = shape_elements(node->shape);
  for (int k = 0; k < node->nin; k++) floats += shape_elements(node->in[k]->shape);
  return floats <= cache / 4 / lanes;
}

int images_side_by_side(const Graph *graph, int ntargets, const Target *const *target, int64_t batch,
                        bool training) {
  const Target *widest = target_widest(ntargets, target);
  double apart = 0, dense = 0, together = 0;
  for (int t = 0; t < ntargets; t++)
    if (target[t]->lanes == 1) return 1;
  const int lanes = widest->lanes;
  if (batch < 2 * lanes || graph_has_halves(graph)) return 1;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    const Family family = node->op->family;
    if (node->shape.regions)
      return 1; /* regions already fill vectors, so kernels process images one by one */
    if (family == FAMILY_MAP || family == FAMILY_ALIAS)
      continue; /* most of these nodes are fused into the producer of their input */
    if (!near_enough(node, lanes, target[0]->l2)) return 1;
    if (family != FAMILY_CONV && family != FAMILY_CONV_SCATTER && family != FAMILY_DEPTHWISE &&
        family != FAMILY_DENSE)
      continue;
    const bool large = family == FAMILY_DENSE && node_macs(node) >= TOGETHER_WEIGHTS;
    *(large ? &dense : &apart) +=
        images_one_by_one(node, widest, training && !large ? 0 : batch, 4 * graph->parameters);
    together += (double)node_macs(node) / (widest->fmas * lanes * widest->rates->interleaved);
  }
  if (training)
    apart *=
        widest->rates->gradients; /* `dense` is not scaled: the gradients of large dense layers are batched */
  return apart + dense > WORTH * together ? lanes : 1;
}

/* ---- a scalar kernel ---- */
Lower *images_begin(Arena *arena, const Kernel *kernel, const Target *target, const LowerOptions *options) {
  Target *scalar = NEW(arena, Target);
  *scalar = *target;
  scalar->lanes = 1;
  LowerOptions o = *options;
  o.layout_lanes = 1;
  o.layout = scalar; /* weights are broadcast one by one, so packed weights need no padding to vectors */
  return lower_begin(arena, kernel, scalar, &o);
}

static bool images_of_images(const Lower *l, int buffer) {
  return lower_binding(l, buffer)->kind == BIND_VALUE || lower_binding(l, buffer)->kind == BIND_KEYS;
}

void images_values(Lower *l) {
  for (int i = 0; i < l->b->nbufs; i++)
    if (images_of_images(l, i)) buf_append(l->b->buf[i], l->images);
}

void images_end(Lower *l) {
  bool *images = NEW_ARRAY(l->arena, bool, l->b->nbufs + 1);
  for (int i = 0; i < l->b->nbufs; i++) images[i] = images_of_images(l, i);
  nest_widen(l->b, l->images, images);
  lower_about(l, "%d interleaved images", l->images);
}

/* ---- conversion to the interleaved layout and back ---- */
/* Gathers one element of each image. If there are fewer images than lanes, the unused lanes repeat the last
 * image. */
static void gather_element(Nest *b, Buf *in, Buf *out, const Ix *row, const Ix *i, const Ix *count) {
  const int64_t lanes = out->dim[2];
  const Elem elem = out->type.elem;
  Buf *side = NEST_BUF_OF(b, STACK, "side", elem, lanes);
  NEST_FOR(b, n, lanes)
    nest_store(b, nest_at(b, side, n),
               pick(b, nest_below(b, n - *count, 0),
                    convert(nest_load(b, nest_at(b, in, n, *row, *i), 1), elem),
                    convert(nest_load(b, nest_at(b, in, *count - 1, *row, *i), 1), elem)));
  nest_store(b, nest_at(b, out, *i, *row, 0), nest_load(b, nest_at(b, side, 0), (int)lanes));
}

static void gather_square(Nest *b, Buf *in, Buf *out, const Ix *row, const Ix *first) {
  const int lanes = (int)out->dim[2];
  Val x[LANES];
  for (int n = 0; n < lanes; n++)
    x[n] = nest_let(b, nest_text(b, "x%d", n),
                    convert(nest_load(b, nest_at(b, in, n, *row, *first), lanes), out->type.elem));
  walk_transpose(b, x, lanes);
  for (int n = 0; n < lanes; n++) nest_store(b, nest_at(b, out, *first + n, *row, 0), x[n]);
}

bool images_gather(Lower *l) {
  Nest *b = l->b;
  if (!node_is_input(l->node) && !node_is_target(l->node)) return false;
  const Extent e = shape_extent(l->node->shape);
  const int64_t rows = l->node->port->chw ? e.c : 1, length = e.h * e.w * e.c / rows, lanes = l->images,
                whole = length / lanes;
  Buf *in = l->in[0], *out = l->out;
  in->dim[0] = lanes;
  in->dim[1] = rows;
  in->dim[2] = length;
  out->dim[0] = length;
  out->dim[1] = rows;
  out->dim[2] = lanes; /* a view of [h][w][c][images]: [h*w*c][1][images], or [h*w][c][images] for chw */
  for (int d = 0; d < 3; d++) {
    in->room[d] = in->dim[d];
    out->room[d] = out->dim[d];
  }
  nest_fn(b, b->name, false);
  const Ix count = *nest_size(b, "count", 1, lanes);
  NEST_IF(b, nest_at_least(b, count, lanes))
    NEST_FOR(b, row, rows) {
      if (whole)
        NEST_FOR(b, m, whole) gather_square(b, in, out, &row, NEST_IX(m * lanes));
      if (length % lanes)
        NEST_FROM(b, i, whole * lanes, length) gather_element(b, in, out, &row, &i, &count);
    }
  NEST_ELSE(b)
    NEST_FOR(b, row, rows)
      NEST_FOR(b, i, length) gather_element(b, in, out, &row, &i, &count);
  lower_about(l, "%d interleaved images", l->images);
  return true;
}

Nest *images_scatter(Arena *arena, const Node *value, int images) {
  Nest *b = nest_new(arena, "outputs", "copies interleaved images out, one after the other");
  const int64_t length = shape_elements(value->shape);
  Buf *in = NEST_BUF(b, INPUT, "in", length, images), *out = NEST_BUF(b, OUTPUT, "out", images, length);
  nest_fn(b, b->name, false);
  const Ix count = *nest_size(b, "count", 1, images);
  NEST_FROM(b, n, 0, count)
    NEST_FOR(b, i, length) nest_store(b, nest_at(b, out, n, i), nest_load(b, nest_at(b, in, i, n), 1));
  return b;
}
