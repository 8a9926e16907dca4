/* live_channels.c: Analysis of the channels of an int8 model: which of them must be stored. Unused channels
 * need not be stored. Constant channels need not be stored either, if all their users can fold them into
 * biases.
 *
 * Channels before and after a channel-wise operator are kept or removed together (they have one root).
 * Convolutions and dense layers do not tie channels together, except convolutions with groups: they tie all
 * channels of a group together. Liveness is propagated backwards. The net's outputs, and the operands and
 * results of unknown operators, are live. The channels that live filters read are live, too, unless they can
 * be folded into biases. Finally, some unused channels are kept, so that schedules get the channel counts
 * that they need. */
// SPDX-License-Identifier: Apache-2.0
#include "quantize/live_channels.h"

/* If channels are removed, the number of remaining channels is a multiple of UNIT; before and after a 3x3
 * convolution with stride 1 and one group, it is a multiple of WINOGRAD_UNIT. */
enum { UNIT = 4, WINOGRAD_UNIT = 8 };

static int64_t channel_count(const Node *node) { return shape_extent(node->shape).c; }

static int64_t channel_root(const Channels *c, int64_t at) {
  while (c->root[at] != at) at = c->root[at] = c->root[c->root[at]];
  return at;
}

static int64_t root_at(const Channels *c, const Node *node, int64_t channel) {
  return channel_root(c, c->first[node->id] + channel);
}

bool channel_constant(const Channels *c, const Node *node, int64_t channel) {
  const Interval interval = c->interval[node->id][channel];
  return interval.lo == interval.hi;
}

bool channel_needed(const Channels *c, const Node *node, int64_t channel) {
  return c->needed[root_at(c, node, channel)];
}

bool channel_kept(const Channels *c, const Node *node, int64_t channel) {
  return c->kept[root_at(c, node, channel)];
}

int64_t channels_kept(const Channels *c, const Node *node) {
  int64_t n = 0;
  for (int64_t i = 0; i < channel_count(node); i++) n += channel_kept(c, node, i);
  return n;
}

/* ---- channels kept or removed together (union-find) ---- */
static void tie(Channels *c, const Node *a, int64_t i, const Node *b, int64_t j) {
  const int64_t x = root_at(c, a, i), y = root_at(c, b, j);
  c->root[x > y ? x : y] = x > y ? y : x;
}

static void need_all(Channels *c, const Node *node) {
  if (c->first[node->id] < 0) return;
  for (int64_t i = 0; i < channel_count(node); i++) c->needed[root_at(c, node, i)] = true;
}

static bool is_channelwise(const Node *node) {
  return node->op == &op_int8_pool || node->op == &op_int8_table || node->op == &op_int8_border ||
         node->op == &op_int8_repeat;
}

/* Keeps the channels of each group together, so that groups stay complete. */
static void join_groups(Channels *c, const Node *node) {
  const Filters f = filters_of(node);
  for (int64_t g = 0; g < f.groups && f.groups > 1; g++) {
    for (int64_t i = 0; i < f.channels; i++)
      tie(c, node->in[0], g * f.channels, node->in[0], g * f.channels + i);
    for (int64_t i = 0; i < f.filters; i++) tie(c, node->in[0], g * f.channels, node, g * f.filters + i);
  }
}

static void join_operand(Channels *c, const Node *node, int k) {
  const Node *in = node->in[k];
  const int64_t n = channel_count(in), all = channel_count(node),
                at = node->op->traits.channel_offset ? node->op->traits.channel_offset(node, k) : -1;
  for (int64_t i = 0; i < n && at >= 0; i++) tie(c, in, i, node, at + i);
  for (int64_t i = 0; i < all && at < 0; i++) tie(c, in, i % n, node, i);
}

/* Keeps operand and result channels together; false: the operator is unknown. */
static bool tie_channels(Channels *c, const Node *node) {
  bool known = node->elem == I8 && node->nin > 0;
  for (int k = 0; k < node->nin; k++) known = known && node->in[k]->elem == I8;
  if (!known) return false;
  if (is_product(node)) {
    join_groups(c, node);
    return true;
  }
  if (node->op->family == FAMILY_ALIAS) known = channel_count(node) % channel_count(node->in[0]) == 0;
  else if (node->op == &op_int8_combine)
    for (int k = 0; k < node->nin; k++) known = known && channel_count(node->in[k]) == channel_count(node);
  else known = node->op->traits.channel_offset || is_channelwise(node);
  for (int k = 0; k < node->nin && known; k++) join_operand(c, node, k);
  return known;
}

static void join_all(Channels *c) {
  const Graph *graph = c->graph;
  bool *known = NEW_ARRAY(c->arena, bool, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) known[i] = tie_channels(c, graph->nodes.data[i]);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (known[i]) continue;
    need_all(c, node);
    for (int k = 0; k < node->nin; k++) need_all(c, node->in[k]);
  }
  for (int i = 0; i < graph->outputs.n; i++) need_all(c, graph->outputs.data[i].node);
}

/* ---- required channels ---- */
static bool in_bias(const Channels *c, const Node *node, const Filters *f, int64_t channel) {
  const Node *in = node->in[0];
  return channel_constant(c, in, channel) &&
         (!f->clipped || c->interval[in->id][channel].lo == in->quant->zero);
}

static bool reads(const Node *node, const Filters *f, int64_t filter, int64_t i) {
  const Int8Product *p = node->detail;
  const int8_t *weight = p->weight + (filter * f->channels + i) * f->taps;
  for (int64_t t = 0; t < f->taps; t++)
    if (weight[t]) return true;
  return false;
}

/* Marks the channels that the layer's live filters read, except those that are folded into biases. True: at
 * least one channel was not marked before. */
static bool mark_needed_inputs(Channels *c, const Node *node) {
  const Filters f = filters_of(node);
  bool more = false;
  for (int64_t filter = 0; filter < f.groups * f.filters; filter++) {
    if (channel_constant(c, node, filter) || !channel_needed(c, node, filter)) continue;
    for (int64_t i = 0; i < f.channels; i++) {
      const int64_t channel = filter / f.filters * f.channels + i, root = root_at(c, node->in[0], channel);
      if (c->needed[root] || in_bias(c, node, &f, channel) || !reads(node, &f, filter, i)) continue;
      more = c->needed[root] = true;
    }
  }
  return more;
}

static void find_needed(Channels *c) {
  for (bool more = true; more;) {
    more = false;
    for (int i = c->graph->nodes.n - 1; i >= 0; i--)
      if (is_product(c->graph->nodes.data[i])) more |= mark_needed_inputs(c, c->graph->nodes.data[i]);
  }
}

/* ---- channel counts that schedules need ---- */
static bool for_winograd(const Node *node) {
  return node->op == &op_int8_product && node->window && node->window->groups == 1 &&
         node->window->kernel[0] == 3 && node->window->kernel[1] == 3 && node->window->stride[0] == 1 &&
         node->window->stride[1] == 1;
}

static bool fill_up(Channels *c, const Node *node, int64_t unit) {
  int64_t n = channels_kept(c, node);
  const int64_t before = n;
  for (int64_t i = 0; i < channel_count(node) && (!n || n % unit); i++) {
    if (channel_kept(c, node, i)) continue;
    c->kept[root_at(c, node, i)] = true;
    n = channels_kept(c, node);
  }
  return n > before;
}

static void find_kept(Channels *c) {
  const Graph *graph = c->graph;
  int64_t *unit = NEW_ARRAY(c->arena, int64_t, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) unit[i] = UNIT;
  for (int i = 0; i < graph->nodes.n; i++)
    if (for_winograd(graph->nodes.data[i])) unit[i] = unit[graph->nodes.data[i]->in[0]->id] = WINOGRAD_UNIT;
  for (int64_t i = 0; i < c->all; i++) c->kept[i] = c->needed[i];
  for (bool more = true; more;) {
    more = false;
    for (int i = 0; i < graph->nodes.n; i++)
      if (c->first[i] >= 0) more |= fill_up(c, graph->nodes.data[i], unit[i]);
  }
}

Channels channels_of(Arena *arena, const Graph *graph) {
  Channels c = {.arena = arena,
                .graph = graph,
                .interval = intervals_of(arena, graph),
                .first = NEW_ARRAY(arena, int64_t, graph->nodes.n + 1)};
  for (int i = 0; i < graph->nodes.n; i++) {
    c.first[i] = c.interval[i] ? c.all : -1;
    if (c.interval[i]) c.all += channel_count(graph->nodes.data[i]);
  }
  c.root = NEW_ARRAY(arena, int64_t, c.all + 1);
  c.needed = NEW_ARRAY(arena, bool, c.all + 1);
  c.kept = NEW_ARRAY(arena, bool, c.all + 1);
  for (int64_t i = 0; i < c.all; i++) c.root[i] = i;
  join_all(&c);
  find_needed(&c);
  find_kept(&c);
  return c;
}
