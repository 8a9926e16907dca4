/* contents.c: The numbers that an input of a net usually has. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/contents.h"
#include <math.h>
#include <string.h>
#include "base/arena.h"
#include "graph/op.h"

/* A node computed from one input and constants. line: y = gain*x + shift for the input x; for other nodes,
 * gain is NAN. */
typedef struct Derived {
  bool from_input, normalized; /* normalized: by the operator normalize */
  double gain, shift;
} Derived;

const char *contents_name(ContentsKind kind) {
  static const char *const names[] = {[CONTENTS_NORMAL] = "normal",
                                      [CONTENTS_BYTES] = "bytes",
                                      [CONTENTS_SOUND] = "sound",
                                      [CONTENTS_INDICES] = "indices",
                                      [CONTENTS_MASK] = "mask"};
  return names[kind];
}

/* Whether the node only depends on `input`, or on constants besides; at: position of the derived operand. */
static bool derives(const Node *node, const Derived *derived, int *at) {
  int found = 0;
  for (int k = 0; k < node->nin; k++) {
    if (derived[node->in[k]->id].from_input) *at = k, found++;
    else if (!node->in[k]->op->source) return false;
  }
  return found == 1 && node->nweights == 0 && !node->op->traits.indices && !node_is_state(node);
}

/* The coefficients of an elementwise operator of one operand, from three of its results for channel 0. */
static void derive_line(const Node *node, const Derived *from, Derived *to) {
  const double x[] = {from->shift, from->gain * 255 / 2 + from->shift, from->gain * 255 + from->shift};
  double y[3];
  to->gain = to->shift = NAN;
  if (node_moves_elements(node) || node->op->family == FAMILY_POOL)
    to->gain = from->gain, to->shift = from->shift;
  if (node->op->family != FAMILY_MAP || node->nin != 1 || !node->op->map_eval) return;
  for (int k = 0; k < 3; k++) y[k] = node->op->map_eval(node, &x[k], NULL, 0);
  if (fabs(y[0] + y[2] - 2 * y[1]) > 1e-6 * (fabs(y[0]) + fabs(y[2]))) return;
  to->gain = (y[2] - y[0]) / 255;
  to->shift = y[0];
}

/* Whether the net converts bytes to small numbers here: the operator normalize leaves at most 200 of 255, as
 * after subtraction of a mean, or another operator divides by 50 to 1000. */
static bool scales_bytes(const Derived *derived) {
  const double most = 200, factor = fabs(derived->gain);
  if (derived->normalized) return derived->gain * 255 + derived->shift <= most;
  return factor <= 1.0 / 50 && factor >= 1.0 / 1000;
}

/* Looks for operators that read the input as indices or as a mask, or that scale it. */
static void walk_users(const Graph *graph, Derived *derived, Contents *read, bool *bytes) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    const OpTraits *traits = &node->op->traits;
    for (int k = 0; k < node->nin; k++) {
      if (!derived[node->in[k]->id].from_input) continue;
      const int64_t count = traits->index_count ? traits->index_count(node, k) : 0;
      if (count > 0 && (read->kind != CONTENTS_INDICES || count < read->count))
        *read = (Contents){CONTENTS_INDICES, count};
      if (read->kind == CONTENTS_NORMAL && traits->mask && traits->mask(node) == k)
        read->kind = CONTENTS_MASK;
    }
    int at = 0;
    if (!derives(node, derived, &at)) continue;
    Derived *to = &derived[node->id];
    const Derived *from = &derived[node->in[at]->id];
    *to = (Derived){.from_input = true, .normalized = from->normalized || traits->fold == FOLD_NORMALIZE};
    derive_line(node, from, to);
    *bytes = *bytes || scales_bytes(to);
  }
}

Contents graph_contents(const Graph *given, int index) {
  const Graph *graph = given->floats ? given->floats : given;
  const Node *input = graph->inputs.data[index].node;
  Arena *arena = arena_new();
  Derived *derived = NEW_ARRAY(arena, Derived, graph->nodes.n + 1);
  Contents read = {CONTENTS_NORMAL, 0};
  bool bytes = port_is_bytes(input->port);
  memset(derived, 0, (size_t)graph->nodes.n * sizeof *derived);
  derived[input->id] = (Derived){.from_input = true, .gain = 1};
  walk_users(graph, derived, &read, &bytes);
  arena_free(arena);
  if (read.kind != CONTENTS_NORMAL) return read;
  if (input->port->rate) return (Contents){CONTENTS_SOUND, 0};
  if (bytes) return (Contents){CONTENTS_BYTES, 0};
  return (Contents){input->port->elem == I32 ? CONTENTS_MASK : CONTENTS_NORMAL, 0};
}
