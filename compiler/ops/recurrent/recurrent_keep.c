/* recurrent_keep.c: states of layers with keep=true, and their updates from the layer's last row. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "ops/recurrent/recurrent.h"
#include "ops/registry.h"

/* Inputs of an update: the layer, the state, and the inputs of the layer. */
enum { OF_LAYER, OF_STATE, OF_INPUTS };

/* An update of h or c as it is computed. In training no call follows. */
static Node *update_parts(Graph *graph, Node *node, bool training) {
  Node *value = node->in[OF_LAYER], *state = node->in[OF_STATE];
  const bool cell = node->nin > OF_INPUTS + 2 && node->in[OF_INPUTS + 2] == state;
  Node *final = recurrent_final(graph, node, value, cell);
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

static Node *make_state(Graph *graph, const Node *layer, const char *part, int64_t n) {
  Node *state = state_hidden(graph, arena_printf(graph->arena, "%s.%s", layer->name, part), shape_vector(n),
                             F32, NULL, 0);
  state->span = layer->span;
  state->site = layer->site;
  state->precision = layer->precision;
  state->kept = true;
  return state;
}

static void make_update(Graph *graph, Node *layer, Node *state) {
  Node *in[OF_INPUTS + 3] = {[OF_LAYER] = layer, [OF_STATE] = state};
  for (int k = 0; k < layer->nin; k++) in[OF_INPUTS + k] = layer->in[k];
  Node *update = graph_node(graph, &op_kept, OF_INPUTS + layer->nin, in);
  update->name = arena_printf(graph->arena, "%s_update", state->name);
  update->shape = state->shape;
  update->span = layer->span;
  update->site = layer->site;
  update->kept = true;
}

void recurrent_keep(Graph *graph, Node *layer) {
  const Recurrent r = recurrent_direction(layer, 0);
  Node **in = NEW_ARRAY(graph->arena, Node *, 3);
  int nin = 0;
  in[nin++] = layer->in[0];
  in[nin++] = make_state(graph, layer, "hidden", r.outputs);
  if (r.cell == CELL_LSTM) in[nin++] = make_state(graph, layer, "cell", r.units);
  layer->in = in;
  layer->nin = nin;
  graph_append(graph, layer);
  for (int k = 1; k < nin; k++) make_update(graph, layer, in[k]);
}
