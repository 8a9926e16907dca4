/* alias.c: Pass that chooses the values that are aliases of other values. A concat whose inputs are written
 * directly into it needs no kernel. A slice that is a view needs no kernel either. In training, a slice that
 * is narrow and has several users is copied instead. A part of another value has that value's pixel stride.
 * So a part of several pixels cannot be viewed with another shape (flatten). A part cannot be an output or a
 * part of two values.
 * Rows of an image (bands.c) are always views of the image, and an image that is assembled from rows contains
 * these rows. In both cases the pixels of the image are contiguous.
 *
 * Attention and matmul accept pixels at any distance from each other (reads_anywhere). Three more kinds of
 * values are views if only these operators read or write them: heads, slices of values with a leading axis,
 * and slices that are reshaped without a change of the channels per pixel.
 *
 * Requires: a verified graph. Preserves: values and order; adds copies of those concat inputs whose producers
 * do not write into the concat. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/alias.h"
#include "graph/op.h"
#include "passes/fuse.h"
#include "passes/node_tables.h"
#include "ops/registry.h"

enum { NEAR = 2, WIDE = 3 };

typedef struct Placer {
  Arena *arena;
  Inside *inside; /* by node id; until the pass ends, the nodes that it adds have the highest ids */
  int ids;
  const Plan *plan;
  Graph *graph;
  int *uses; /* by node id: the result of fuse_uses */
  /* by node id. output: the value or an alias of it is an output; whole: an alias of the value has another
   * shape, or the value has parts that are rows (concat_offset, slice_offset) */
  bool *output, *whole;
  bool *anywhere;      /* by node id: whether the value's pixels may be at any distance from each other */
  bool *rows;          /* by node id: whether an alias or slice of the value has another leading axis */
  const Node **reader; /* by node id: the first reader of the value */
} Placer;

static bool is_alias(const Node *node) { return node->op->family == FAMILY_ALIAS && node->nin; }

static bool have_same_pixels(const Node *a, const Node *b) {
  const Extent x = shape_extent(a->shape), y = shape_extent(b->shape);
  return x.h == y.h && x.w == y.w;
}

static bool is_one_pixel(const Node *node) {
  const Extent e = shape_extent(node->shape);
  return e.h == 1 && e.w == 1;
}

static bool has_its_channels(const Node *alias) {
  return shape_extent(alias->shape).c == shape_extent(alias->in[0]->shape).c;
}

static bool reads_anywhere(const Placer *p, const Node *node) {
  if (is_alias(node)) return has_its_channels(node) && p->anywhere[node->id];
  return node->op->traits.reads_anywhere || node->op->traits.channel_slice;
}

static bool plain_result(const Node *node) { return node->result == RESULT_SAMPLE && !node->target; }

static void look_at_readers(Placer *p) {
  const Graph *graph = p->graph;
  for (int i = 0; i < graph->nodes.n; i++) p->anywhere[i] = p->plan->images <= 1;
  for (int i = graph->nodes.n - 1; i >= 0; i--) {
    const Node *node = graph->nodes.data[i];
    p->anywhere[i] = p->anywhere[i] && plain_result(node) && !plan_whole_batch(p->plan, node);
    for (int k = 0; p->uses[i] && k < node->nin; k++) {
      const int of = node->in[k]->id;
      p->anywhere[of] = p->anywhere[of] && reads_anywhere(p, node);
      if (is_alias(node) || node->op->traits.channel_slice)
        p->rows[of] = p->rows[of] || p->rows[i] || node->shape.regions != node->in[k]->shape.regions;
    }
  }
}

static void look_around(Placer *p) {
  const Graph *graph = p->graph;
  for (int i = 0; i < graph->outputs.n; i++) p->output[graph->outputs.data[i].node->id] = true;
  for (int i = graph->nodes.n - 1; i >= 0; i--) {
    const Node *node = graph->nodes.data[i];
    if (!p->uses[i]) continue;
    if (node->op->traits.slice_offset) p->whole[node->in[0]->id] = true;
    if (node->op->traits.concat_offset) p->whole[i] = true;
    for (int k = 0; k < node->nin; k++) p->reader[node->in[k]->id] = node;
    if (!is_alias(node)) continue;
    const int of = node->in[0]->id;
    p->output[of] = p->output[of] || p->output[i];
    p->whole[of] = p->whole[of] || p->whole[i] ||
                   (!have_same_pixels(node, node->in[0]) && !(has_its_channels(node) && p->anywhere[i]));
  }
}

static bool plain_value(const Node *node) { return plain_result(node) && !node->shape.regions; }

/* Whether the value's pixel stride may be larger than its number of channels. A value with one
 * channel stays dense, because kernels read its columns as vectors. */
static bool can_be_spread(const Placer *p, const Node *node) {
  return is_one_pixel(node) || (!p->whole[node->id] && shape_extent(node->shape).c > 1);
}

/* ---- concat ---- */
static Node *producer(Node *node) {
  while (is_alias(node)) node = node->in[0];
  return node;
}

static bool can_lie_in(const Placer *p, const Node *node, const Node *join) {
  if (p->inside[node->id].within || p->output[node->id] || node_is_input(node) || node_is_state(node) ||
      !plain_value(node))
    return false;
  return have_same_pixels(node, join) ? can_be_spread(p, node) : is_one_pixel(join);
}

/* Writing an input directly into the concat makes the whole concat live from then on, and moves the input's
 * pixels apart in memory, which wastes cache lines. If there is much work between the input and the concat,
 * it is cheaper to copy the input later. In training the input and the concat are kept for the backward pass
 * anyway. */
static bool is_near_join(const Placer *p, const Node *node, const Node *join) {
  int64_t between = 0;
  for (int i = node->id + 1; i < join->id; i++) {
    const Node *other = p->graph->nodes.data[i];
    if (p->uses[i] && other->op->family != FAMILY_ALIAS && other->op->family != FAMILY_MAP)
      between += shape_elements(other->shape);
  }
  return p->plan->training || between <= NEAR * shape_elements(join->shape);
}

static void place_in_join(Placer *p, const Node *node, const Node *join, int k) {
  p->inside[node->id].within = join;
  p->inside[node->id].from = join->op->traits.channel_offset(join, k);
}

static Node *copy_into_join(Placer *p, Node *join, int k) {
  Node *copy = NEW(p->arena, Node);
  *copy = (Node){.op = &op_copy,
                 .id = p->ids++,
                 .name = join->name,
                 .shape = join->in[k]->shape,
                 .elem = join->in[k]->elem,
                 .quant = join->in[k]->quant,
                 .nin = 1,
                 .span = join->span,
                 .site = join->site,
                 .backward = join->backward,
                 .hidden = hidden_of(p->arena, join)};
  copy->in = NEW_ARRAY(p->arena, Node *, 1);
  copy->in[0] = join->in[k];
  return copy;
}

/* Whether one kernel computes the concat and its only reader. This kernel reads each input once; separate
 * copies of inputs into the concat would be a second pass over memory. */
static bool is_fused(const Placer *p, const Node *join) {
  const Node *reader = p->reader[join->id];
  return p->uses[join->id] == 1 && reader && reader->op->family == FAMILY_MAP;
}

/* Where possible, makes inputs of `join` aliases of `join`, and appends copies of the other inputs to `to`.
 * Changes nothing if no input can be an alias, or if a fused concat would need a copy. */
static void place_join(Placer *p, Node *join, Nodes *to) {
  int n = 0;
  for (int k = 0; k < join->nin; k++) {
    Node *node = producer(join->in[k]);
    if (!can_lie_in(p, node, join) || !is_near_join(p, node, join)) continue;
    place_in_join(p, node, join, k);
    n++;
  }
  const bool done = p->inside[join->id].done = n > 0 && (n == join->nin || !is_fused(p, join));
  for (int k = 0; k < join->nin; k++) {
    Node *node = producer(join->in[k]);
    Inside *inside = &p->inside[node->id];
    const bool here = inside->within == join && inside->from == join->op->traits.channel_offset(join, k);
    if (!done && here) {
      inside->within = NULL;
      inside->from = 0;
    }
    if (!done || here) continue;
    Node *copy = join->in[k] = copy_into_join(p, join, k);
    place_in_join(p, copy, join, k);
    vec_push(p->arena, *to, copy);
  }
}

/* ---- slice ---- */
/* Whether a slice is copied, instead of being a view. Gradients of a convolution read each pixel several
 * times. If the slice is a small part of a wide value (for example one of many layers in a concat), one copy
 * is faster than repeated reads of the view. The pixels of the copy are adjacent, and layers of equal size
 * share functions, even if different values contain their inputs. */
static bool is_copied(const Placer *p, const Node *node) {
  return p->plan->training && p->uses[node->id] > 1 &&
         WIDE * shape_extent(node->shape).c <= shape_extent(node->in[0]->shape).c;
}

/* Whether the node views a concat that has no kernel, in another shape. Each pixel of the concat has channels
 * of all inputs, so an input is not contiguous in the pixels of the other shape. */
static bool is_reshaped_join(const Placer *p, const Node *node) {
  const Node *made = node;
  while (is_alias(made)) made = made->in[0];
  return p->inside[made->id].done && !have_same_pixels(node, made);
}

static void place_part(const Placer *p, const Node *node) {
  const int64_t channel = node->op->traits.channel_slice(node);
  const bool plain =
      p->anywhere[node->id] ? plain_result(node->in[0]) : plain_value(node) && plain_value(node->in[0]);
  if (channel < 0 || p->inside[node->id].within || p->output[node->id] || !plain ||
      node->shape.regions != node->in[0]->shape.regions || !can_be_spread(p, node) || is_copied(p, node) ||
      is_reshaped_join(p, node->in[0]))
    return;
  p->inside[node->id] = (Inside){.within = node->in[0], .from = channel, .done = true};
}

/* ---- heads ---- */
/* Whether the parts along the leading axis of the value (heads) can be groups of channels of a value without
 * this axis. */
static bool can_be_heads(const Placer *p, const Node *node) {
  return node->shape.regions && p->anywhere[node->id] && !p->rows[node->id] && !p->output[node->id] &&
         !p->inside[node->id].within && plain_result(node);
}

static void place_heads(const Placer *p, const Node *node) {
  const Node *whole = node->in[0];
  if (!can_be_heads(p, node) || !plain_value(whole) || is_reshaped_join(p, whole)) return;
  p->inside[node->id] = (Inside){whole, 0, shape_extent(node->shape).c, true};
}

/* The kernel that computes the heads writes each head as a group of channels of the joined value. */
static void place_joined_heads(const Placer *p, const Node *node) {
  const Node *rows = node->in[0];
  if (!plain_value(node) || p->inside[node->id].done || !rows->op->traits.reads_anywhere ||
      rows->op->traits.splits_channels || !can_be_heads(p, rows))
    return;
  p->inside[rows->id] = (Inside){node, 0, shape_extent(rows->shape).c, false};
  p->inside[node->id].done = true;
}

static void place_views(const Placer *p, const Node *node) {
  const OpTraits *traits = &node->op->traits;
  if (traits->channel_slice) place_part(p, node);
  if (traits->splits_channels) place_heads(p, node);
  if (traits->joins_channels) place_joined_heads(p, node);
}

/* ---- rows ---- */
static void place_rows(const Placer *p, const Node *node) {
  if (node->op->traits.slice_offset)
    p->inside[node->id] = (Inside){node->in[0], node->op->traits.slice_offset(node), 0, true};
  if (!node->op->traits.concat_offset) return;
  for (int k = 0; k < node->nin; k++)
    p->inside[node->in[k]->id] = (Inside){node, node->op->traits.concat_offset(node, k), 0, false};
  p->inside[node->id].done = true;
}

/* The table `inside` has room for a copy of each input of each concat. */
static Placer placer_of(Arena *arena, Plan *plan) {
  Graph *graph = plan->graph;
  const int n = graph->nodes.n;
  int most = n;
  for (int i = 0; i < n; i++)
    most += graph->nodes.data[i]->op->traits.channel_offset ? graph->nodes.data[i]->nin : 0;
  return (Placer){arena,
                  NEW_ARRAY(arena, Inside, most + 1),
                  n,
                  plan,
                  graph,
                  fuse_uses(arena, plan),
                  NEW_ARRAY(arena, bool, n + 1),
                  NEW_ARRAY(arena, bool, n + 1),
                  NEW_ARRAY(arena, bool, n + 1),
                  NEW_ARRAY(arena, bool, n + 1),
                  NEW_ARRAY(arena, const Node *, n + 1)};
}

static void set_places(const Placer *p, Plan *plan, const Nodes *nodes) {
  const int before = plan->graph->nodes.n;
  int *was = NEW_ARRAY(p->arena, int, nodes->n + 1);
  plan->inside = NEW_ARRAY(p->arena, Inside, nodes->n + 1);
  for (int i = 0; i < nodes->n; i++) {
    const int id = nodes->data[i]->id;
    plan->inside[i] = p->inside[id];
    was[i] = id < before ? id : -1;
  }
  plan_set_nodes(p->arena, plan, nodes, was);
  plan_set_homes(p->arena, plan);
}

void place_values(Arena *arena, Plan *plan) {
  const Graph *graph = plan->graph;
  Placer p = placer_of(arena, plan);
  Nodes to = {0};
  look_at_readers(&p);
  look_around(&p);
  for (int i = 0; i < graph->nodes.n; i++)
    if (p.uses[i]) place_rows(&p, graph->nodes.data[i]);
  for (int i = 0; i < graph->nodes.n; i++) {
    Node *node = graph->nodes.data[i];
    if (p.uses[i] && node->op->traits.channel_offset && node->op->traits.channel_offset(node, 0) == 0 &&
        plain_value(node))
      place_join(&p, node, &to);
    vec_push(arena, to, node);
  }
  for (int i = 0; i < graph->nodes.n; i++)
    if (p.uses[i]) place_views(&p, graph->nodes.data[i]);
  set_places(&p, plan, &to);
}
