/* qat.c: Quantization-aware training: marks the weights and values that the int8 model rounds. The ranges
 * that training observes become parameters of the net: V.range for value V. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "graph/op.h"
#include "quantize/calibrate.h"

/* Adds a statistic to the net's parameters. Training updates it, and inference does not read it. */
static Weight *add_statistic(Graph *graph, const char *name, const char *member, int64_t size, Node *owner) {
  Weight *weight = NEW(graph->arena, Weight);
  *weight = (Weight){.name = name,
                     .member = member,
                     .rank = 1,
                     .dim = {size},
                     .size = size,
                     .statistic = true,
                     .training_only = true,
                     .init = {.kind = INIT_CONSTANT},
                     .owner = owner};
  vec_push(graph->arena, graph->weights, weight);
  return weight;
}

static QatRounding *rounds_at(Graph *graph, const Node *node) {
  Node *own = graph->nodes.data[node->id];
  QatRounding *rounds = NEW(graph->arena, QatRounding);
  if (own->rounds) *rounds = *own->rounds;
  rounds->aware = graph->training->aware;
  own->rounds = rounds;
  return rounds;
}

/* The range of a value; the operands of a concat share the range of the concat. */
static Weight *range_of_value(Graph *graph, const Calibrated *made, const Node *seen, Weight **known) {
  const char *name = seen->name;
  if (known[seen->id]) return known[seen->id];
  for (int i = 0; i < made->chosen.n; i++)
    if (made->chosen.data[i].seen && made->chosen.data[i].last == seen) name = made->chosen.data[i].name;
  return known[seen->id] = add_statistic(graph, arena_printf(graph->arena, "%s.range", name), "range", 2,
                                         graph->nodes.data[seen->id]);
}

static void round_value(Graph *graph, const Calibrated *made, const Chosen *c, Weight **known) {
  QatRounding *rounds = rounds_at(graph, c->last);
  rounds->value = !c->wide; /* training ignores the error of int16 */
  if (c->seen) {
    rounds->range = range_of_value(graph, made, c->seen, known);
    rounds->joins = c->node->op->traits.int8 == INT8_MOVE && c->node->nin > 1;
    rounds->observed = !rounds->joins;
    return;
  }
  rounds->lo = (double)c->scale * (INT8_MIN - c->zero);
  rounds->hi = (double)c->scale * (INT8_MAX - c->zero);
}

/* Whether the value is not rounded. An input of bytes is exact. Outputs and loss operands whose scale is
 * known without data stay exact for their callers and losses. */
static bool is_exact_rescale(const Graph *graph, const Chosen *c) {
  bool scores = false;
  for (int i = 0; i < graph_ports(graph); i++) scores |= graph_port(graph, i)->node == c->last;
  return node_is_input(c->node) ? port_is_bytes(c->node->port) : scores && !c->seen;
}

/* The rounding that determines the value's scale. Operators that keep the input's scale are skipped. */
static const QatRounding *source_of(const Node *node) {
  for (;; node = node->in[0]) {
    if (node->rounds && node->rounds->value) return node->rounds;
    const bool same = node->op->traits.int8 == INT8_LARGEST ||
                      (node->op->traits.int8 == INT8_MOVE && node->nin == 1) ||
                      (node->op->identity && node->op->identity(node));
    if (!same) return NULL;
  }
}

/* Rounds means with the scale of their operand. */
static void round_means(Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    const QatRounding *source = node->op->traits.int8 == INT8_MEAN ? source_of(node->in[0]) : NULL;
    if (!source || (node->rounds && node->rounds->value)) continue;
    QatRounding *rounds = rounds_at(graph, node);
    *rounds = *source;
    rounds->weights = rounds->observed = rounds->joins = false;
  }
}

void aware_prepare(Graph *graph) {
  static const Table none = {0};
  static const Calibration how = {.range = RANGE_MINMAX, .rounding = "float", .keep = &none, .wide = &none};
  QatSettings *aware = graph->training->aware;
  const Calibrated *made = calibrate(graph->arena, graph, NULL, NULL, &how);
  Weight **known = NEW_ARRAY(graph->arena, Weight *, graph->nodes.n + 1);
  aware->on = add_statistic(graph, "quantize.on", "on", 1, graph->nodes.data[0]);
  for (int i = 0; i < made->chosen.n; i++) {
    const Chosen *c = &made->chosen.data[i];
    const Int8Form form = c->node->op->traits.int8;
    const bool exact = is_exact_rescale(graph, c);
    if (c->kept || (exact && form != INT8_RECURRENT)) continue;
    if (form == INT8_PRODUCT || form == INT8_RECURRENT || form == INT8_SVDF)
      rounds_at(graph, c->node)->weights = true;
    round_value(graph, made, c, known);
    if (exact)
      rounds_at(graph, c->last)->value = false; /* the layer rounds h before it multiplies h by weights */
  }
  round_means(graph);
  for (int i = 0; i < graph->nodes.n; i++)
    if (graph->nodes.data[i]->op->traits.fold == FOLD_SCALE) rounds_at(graph, graph->nodes.data[i]);
}

const Table *aware_ranges(Arena *arena, const Graph *graph, const float *weights) {
  Table *ranges = NEW(arena, Table);
  if (!graph->training || !graph->training->aware || !(weights[graph->training->aware->on->offset] > 0))
    return NULL;
  for (int i = 0; i < graph->nodes.n; i++) {
    const QatRounding *rounds = graph->nodes.data[i]->rounds;
    const char *name = graph->nodes.data[i]->name;
    if (!rounds || !rounds->range || rounds->range->owner->id != i) continue;
    const float *range = weights + rounds->range->offset;
    Observed *observed = NEW(arena, Observed);
    *observed = (Observed){.name = name, .lo = fmin((double)range[0], 0), .hi = fmax((double)range[1], 0)};
    table_set(arena, ranges, name, observed);
  }
  return ranges;
}
