/* recurrent_keep.c: States of recurrent layers that outlive a call (keep=true, or steps of a stream), and
 * their updates from the layer's last row. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "ops/recurrent/recurrent.h"
#include "ops/registry.h"

static const bool of_cell = true; /* `detail` of an update of c */
/* Inputs of an update: the layer, the state, and the inputs of the layer. */
enum { OF_LAYER, OF_STATE, OF_INPUTS };

/* The nodes that compute an update of h or c. In training nothing is stored: with several calls per sample,
 * the next call reads the value directly. */
static Node *update_parts(Graph *graph, Node *node, bool training) {
  Node *value = node->in[OF_LAYER];
  Node *final = recurrent_final(graph, node, value, node->detail != NULL);
  if (training) return final;
  node->op = &op_update;
  node->nin = 2;
  node->in[OF_LAYER] = final;
  graph_append(graph, node);
  return node;
}

static const Op op_kept = {.name = "state update",
                           .role = ROLE_UPDATE,
                           .eval = recurrent_eval_final,
                           .parts = update_parts,
                           .traits.weights_of_input = true};

Node *recurrent_state(Graph *graph, const Node *layer, const char *part, Shape shape) {
  Node *state =
      state_hidden(graph, arena_printf(graph->arena, "%s.%s", layer->name, part), shape, F32, NULL, 0);
  state->span = layer->span;
  state->site = layer->site;
  state->precision = layer->precision;
  state->kept = true;
  return state;
}

Node *recurrent_update(Graph *graph, Node *layer, const Op *op, Node *state) {
  Node **in = NEW_ARRAY(graph->arena, Node *, OF_INPUTS + layer->nin);
  in[OF_LAYER] = layer;
  in[OF_STATE] = state;
  for (int k = 0; k < layer->nin; k++) in[OF_INPUTS + k] = layer->in[k];
  Node *update = graph_node(graph, op, OF_INPUTS + layer->nin, in);
  update->name = arena_printf(graph->arena, "%s_update", state->name);
  update->shape = state->shape;
  update->span = layer->span;
  update->site = layer->site;
  update->kept = true;
  return update;
}

/* The state, which starts from the given value if there is one. */
static Node *started(Graph *graph, Node *given, Node *state, Node *calls) {
  return given ? stream_started(graph, given, state, calls) : state;
}

Node *recurrent_keep(Graph *graph, Node *layer, Node *calls, int64_t rows, int64_t offset) {
  const Recurrent r = recurrent_direction(layer, 0);
  Node **in = NEW_ARRAY(graph->arena, Node *, 4), *state[2] = {NULL};
  Node *hidden = r.hidden ? layer->in[r.hidden] : NULL, *cell = r.state ? layer->in[r.state] : NULL;
  int nin = 0;
  in[nin++] = layer->in[0];
  state[0] = recurrent_state(graph, layer, "hidden", shape_vector(r.outputs));
  in[nin++] = started(graph, hidden, state[0], calls);
  if (r.cell == CELL_LSTM) {
    state[1] = recurrent_state(graph, layer, "cell", shape_vector(r.units));
    in[nin++] = started(graph, cell, state[1], calls);
  }
  if (calls) {
    KeptLayer *kept = NEW(graph->arena, KeptLayer);
    *kept = (KeptLayer){offset < 0, {rows, offset}};
    layer->detail = kept;
    if (kept->masked) in[nin++] = calls;
  }
  layer->in = in;
  layer->nin = nin;
  graph_append(graph, layer);
  for (int k = 0; k < 2; k++)
    if (state[k]) recurrent_update(graph, layer, &op_kept, state[k])->detail = k ? &of_cell : NULL;
  return layer;
}
