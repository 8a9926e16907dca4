/* drop.c: Removal of dead channels (live_channels.c) from an int8 model: from the nodes that compute dead
 * channels, and from the nodes that read them. Contributions of constant channels move into biases. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "base/text.h"
#include "quantize/live_channels.h"
#include "quantize/quantize.h"

typedef struct Drop {
  Arena *arena;
  const Channels *channels;
  Node **map; /* by node id: the new node */
} Drop;

/* ---- layers ---- */
/* Contribution of the channels that are not needed to a filter's sum: each is constant or has weights 0. */
static int64_t share_of_constants(const Drop *d, const Node *node, const Filters *f, int64_t filter) {
  const Int8Product *p = node->detail;
  const Node *in = node->in[0];
  int64_t sum = 0;
  for (int64_t i = 0; i < f->channels; i++) {
    const int64_t channel = filter / f->filters * f->channels + i,
                  q = d->channels->interval[in->id][channel].lo;
    for (int64_t t = 0; t < f->taps && !channel_needed(d->channels, in, channel); t++)
      sum += p->weight[(filter * f->channels + i) * f->taps + t] * (q - in->quant->zero);
  }
  return sum;
}

/* Writes a filter's weights for the remaining channels: 0 if the filter is constant or unused, and for
 * channels that are not needed. Returns the end of the written weights. */
static int8_t *put_kept_weights(const Drop *d, const Node *node, const Filters *f, int64_t filter,
                                int8_t *to) {
  const Int8Product *p = node->detail;
  const Node *in = node->in[0];
  const bool zeros =
      channel_constant(d->channels, node, filter) || !channel_needed(d->channels, node, filter);
  for (int64_t i = 0; i < f->channels; i++) {
    const int64_t channel = filter / f->filters * f->channels + i;
    if (!channel_kept(d->channels, in, channel)) continue;
    const bool none = zeros || !channel_needed(d->channels, in, channel);
    for (int64_t t = 0; t < f->taps; t++)
      *to++ = none ? 0 : p->weight[(filter * f->channels + i) * f->taps + t];
  }
  return to;
}

static int32_t dropped_bias(const Drop *d, const Node *node, const Filters *f, int64_t filter) {
  const Int8Product *p = node->detail;
  if (!channel_needed(d->channels, node, filter)) return 0;
  if (channel_constant(d->channels, node, filter))
    return (int32_t)sum_interval(node, d->channels->interval[node->in[0]->id], filter).lo;
  return (int32_t)(p->bias[filter] + share_of_constants(d, node, f, filter));
}

static const Int8Product *smaller_product(const Drop *d, const Node *node) {
  const Int8Product *p = node->detail;
  const Filters f = filters_of(node);
  const int64_t filters = channels_kept(d->channels, node);
  Int8Product *made = NEW(d->arena, Int8Product);
  int8_t *weight = NEW_ARRAY(d->arena, int8_t, filters *f.channels *f.taps), *to = weight;
  int32_t *bias = NEW_ARRAY(d->arena, int32_t, filters);
  Multiplier *factor = NEW_ARRAY(d->arena, Multiplier, filters);
  int64_t n = 0;
  for (int64_t i = 0; i < f.groups * f.filters; i++) {
    if (!channel_kept(d->channels, node, i)) continue;
    to = put_kept_weights(d, node, &f, i, to);
    bias[n] = dropped_bias(d, node, &f, i);
    factor[n++] = p->factor[i];
  }
  *made = *p;
  made->weight = weight;
  made->bias = bias;
  made->factor = factor;
  return made;
}

/* ---- other operators ---- */
static const Int8Table *smaller_table(const Drop *d, const Node *node) {
  const Int8Table *t = node->detail;
  const int64_t channels = channels_kept(d->channels, node);
  if (t->channels == 1) return t;
  int8_t (*value)[256] = (int8_t (*)[256])arena_alloc(d->arena, 256 * (size_t)channels);
  int64_t n = 0;
  for (int64_t c = 0; c < t->channels; c++)
    for (int q = 0, row = channel_kept(d->channels, node, c) ? (int)n++ : -1; q < 256 && row >= 0; q++)
      value[row][q] = t->value[c][q];
  Int8Table *made = NEW(d->arena, Int8Table);
  *made = (Int8Table){(const int8_t (*)[256])value, channels};
  return made;
}

static const Window *fewer_groups(const Drop *d, const Node *node) {
  const Filters f = filters_of(node);
  if (!node->window || f.groups == 1) return node->window;
  Window *window = NEW(d->arena, Window);
  *window = *node->window;
  window->groups = channels_kept(d->channels, node) / f.filters;
  return window;
}

static Node *smaller_node(const Drop *d, const Node *node) {
  Node *copy = graph_copy_node(d->arena, node, d->map);
  if (d->channels->first[node->id] < 0) return copy;
  copy->shape.dim[node->shape.rank - 1] = channels_kept(d->channels, node);
  if (node->op == &op_int8_table) copy->detail = smaller_table(d, node);
  if (!is_product(node)) return copy;
  copy->detail = smaller_product(d, node);
  copy->window = fewer_groups(d, node);
  return copy;
}

static bool anything_goes(const Channels *c) {
  for (int64_t i = 0; i < c->all; i++)
    if (c->root[i] == i && !c->kept[i]) return true;
  return false;
}

Graph *drop_idle_channels(Arena *arena, Graph *graph) {
  if (!graph->floats || graph->updatable) return graph;
  const Channels channels = channels_of(arena, graph);
  if (!anything_goes(&channels)) return graph;
  Graph *to = graph_copy_head(arena, graph);
  const Drop d = {arena, &channels, NEW_ARRAY(arena, Node *, graph->nodes.n + 1)};
  for (int i = 0; i < graph->nodes.n; i++)
    graph_append(to, d.map[i] = smaller_node(&d, graph->nodes.data[i]));
  graph_copy_ports(to, graph, d.map);
  return to;
}

/* ---- messages ---- */
static int64_t packed_bytes(int64_t filters, int64_t terms) {
  return filters * (terms + (int64_t)sizeof(int32_t));
}

/* The dead filters of a layer, and the bytes by which the weights of the layer get smaller. */
typedef struct Idle {
  const Node *node;
  int64_t idle, filters, left, saved;
} Idle;

static Idle idle_of(const Channels *c, const Node *node) {
  const Filters f = filters_of(node);
  const int64_t filters = f.groups * f.filters, left = channels_kept(c, node),
                channels = f.groups > 1 ? f.channels : channels_kept(c, node->in[0]);
  Idle of = {.node = node, .filters = filters, .left = left};
  of.saved = packed_bytes(filters, f.channels * f.taps) - packed_bytes(left, channels * f.taps);
  for (int64_t i = 0; i < filters; i++)
    of.idle += channel_constant(c, node, i) || !channel_needed(c, node, i);
  return of;
}

static void note_layer(Arena *arena, Diags *diags, const Idle *of) {
  Diag *diag = diag_report(diags, DIAG_dead_filters, of->node->span, of->node->site,
                           "%" PRId64 " of %" PRId64
                           " filters of %s have no effect: their output is constant, or is not used",
                           of->idle, of->filters, of->node->name);
  if (of->saved)
    diag_fact(diag, "%" PRId64 " filters remain; the weights need %s bytes less", of->left,
              text_thousands(arena, of->saved));
  else diag_fact(diag, "%" PRId64 " filters remain; no bytes are saved", of->left);
}

/* Reports several layers in one message. */
static void note_layers(Arena *arena, Diags *diags, const Graph *graph, int layers, const Idle *of) {
  enum { MOST_LINES = 32 };
  Idle sum = {0};
  for (int i = 0; i < layers; i++) {
    sum.idle += of[i].idle;
    sum.filters += of[i].filters;
    sum.saved += of[i].saved;
  }
  Diag *diag = diag_report(
      diags, DIAG_dead_filters, NO_SPAN, NULL,
      "net %s: %s of %s filters in %d layers have no effect; dropping them saves %s bytes of weights "
      "(--emit=graph --after=drop prints the remaining net)",
      graph->name, text_thousands(arena, sum.idle), text_thousands(arena, sum.filters), layers,
      text_thousands(arena, sum.saved));
  for (int i = 0; i < layers && i < MOST_LINES; i++)
    diag_fact(diag, "%s: %s of %s filters; %s bytes saved", of[i].node->name,
              text_thousands(arena, of[i].idle), text_thousands(arena, of[i].filters),
              text_thousands(arena, of[i].saved));
  if (layers > MOST_LINES) diag_fact(diag, "and %d more layers", layers - MOST_LINES);
}

void note_idle_filters(Arena *arena, Diags *diags, const Graph *graph) {
  const Channels channels = channels_of(arena, graph);
  VEC(Idle) layers = {0};
  for (int i = 0; i < graph->nodes.n; i++) {
    if (!is_product(graph->nodes.data[i])) continue;
    const Idle of = idle_of(&channels, graph->nodes.data[i]);
    if (of.idle) vec_push(arena, layers, of);
  }
  if (layers.n == 1) note_layer(arena, diags, layers.data);
  if (layers.n > 1) note_layers(arena, diags, graph, layers.n, layers.data);
}
