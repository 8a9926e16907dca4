/* out_recurrent.c: ONNX export of recurrent layers and states. A state becomes an input NAME and an output
 * NAME_next; the model's metadata lists the pair, so that importing the model restores the state. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "export/onnx_out.h"
#include "ops/recurrent/recurrent.h"

static const int64_t gate_of[][4] = {/* [cell][gate in ONNX's order]: the gate's index in the language */
                                     [CELL_LSTM] = {0, 3, 1, 2},
                                     [CELL_GRU] = {1, 0, 2},
                                     [CELL_RNN] = {0}};

const char *recurrent_refusal(const Node *node) {
  if (!node->op->traits.recurrent) return NULL;
  const Recurrent r = recurrent_direction(node, 0);
  return r.project    ? "a projection of h"
         : r.clip > 0 ? "clip of lstm limits the cell state c, but clip in ONNX limits the sums of the gates"
                      : NULL;
}

/* ---- weights ---- */
/* The parameters with the indices part[0 .. nparts-1] of each direction, concatenated. The gates are in
 * ONNX's order. */
static const char *gates_out(OnnxOut *o, const Recurrent *r, const char *suffix, int nparts, const int *part,
                             int64_t columns, bool matrix) {
  const Node *node = o->node;
  const int64_t sums = r->gates * r->units, directions = recurrent_directions(node), size = sums * columns;
  const char *key = arena_printf(o->arena, "%s recurrent", node->weight[part[0]]->name),
             *known = table_find(&o->initializers, key);
  if (known) return known;
  float *values = NEW_ARRAY(o->arena, float, directions * nparts * size), *to = values;
  for (int64_t way = 0; way < directions; way++)
    for (int p = 0; p < nparts; p++)
      for (int64_t s = 0; s < sums; s++, to += columns) {
        const Weight *weight = node->weight[way * DIRECTION_WEIGHTS + part[p]];
        const int64_t row = gate_of[r->cell][s / r->units] * r->units + s % r->units;
        memcpy(to, o->numbers->weights + weight->offset + row * columns, (size_t)columns * sizeof *to);
      }
  const int64_t dim[] = {directions, nparts * sums, columns};
  const Weight *first = node->weight[part[0]];
  const char *name = arena_printf(o->arena, "%.*s%s", (int)(strlen(first->name) - strlen(first->member)),
                                  first->name, suffix);
  name = out_named(o, name, matrix ? 3 : 2, dim, values);
  table_set(o->arena, &o->initializers, key, (void *)(uintptr_t)name);
  return name;
}

/* ---- values ---- */
/* The input in ONNX's order: [rows][N][channels]. */
static const char *rows_out(OnnxOut *o, const Node *node, const Recurrent *r) {
  static const int64_t rows_first[] = {2, 0, 1}, regions_first[] = {1, 0, 2};
  const int64_t one[] = {1, -1, r->channels}, apart[] = {-1, r->rows, r->channels};
  if (node->in[0]->shape.regions)
    return out_permute(o, out_reshape(o, out_input(o, 0), 3, apart), 3, regions_first);
  return node->in[0]->shape.rank == 1 ? out_reshape(o, out_input(o, 0), 3, one)
                                      : out_permute(o, out_input(o, 0), 3, rows_first);
}

/* The value of an initial state, [directions][N][units]; "": it is zero. */
static const char *start_out(OnnxOut *o, const Node *node, const Recurrent *r, int input) {
  static const int64_t directions_first[] = {1, 0, 2};
  const int64_t directions = recurrent_directions(node), one[] = {1, -1, r->units},
                several[] = {0, directions, r->units};
  if (!input) return "";
  const char *x = out_input(o, input);
  if (node->in[input]->kept) return x;
  if (directions == 1) return out_reshape(o, x, 3, one);
  return out_permute(o, out_reshape(o, x, 3, several), 3, directions_first);
}

static const char *last_out(OnnxOut *o, const char *x, const Recurrent *r, int64_t directions) {
  static const int64_t images_first[] = {1, 0, 2};
  const int64_t one[] = {-1, r->units}, several[] = {0, directions * r->units};
  if (directions == 1) return out_reshape(o, x, 2, one);
  return out_reshape(o, out_permute(o, x, 3, images_first), 2, several);
}

static const char *all_out(OnnxOut *o, const char *x, const Recurrent *r, int64_t directions) {
  static const int64_t images_first[] = {2, 1, 3, 0};
  const int64_t dim[] = {0, directions * r->units, r->rows};
  return out_reshape(o, out_permute(o, x, 4, images_first), 3, dim);
}

/* Adds the next value of a state as another output of the layer's ONNX node. */
static const char *final_out(OnnxOut *o, const Node *node, int input) {
  const int state = node->in[input]->port->index;
  o->next[state] = o->next_port[state];
  vec_push(o->arena, o->last->output, o->next[state]);
  return o->next[state];
}

/* ---- the layer ---- */
static void layer_attributes(OnnxOut *o, const Recurrent *r, int64_t directions) {
  out_int(o, "hidden_size", r->units);
  if (directions == 2) out_text(o, "direction", "bidirectional");
  else if (r->reverse) out_text(o, "direction", "reverse");
  if (r->cell == CELL_GRU && !r->before) out_int(o, "linear_before_reset", 1);
  for (int64_t way = 0; way < directions && r->relu; way++) out_also_text(o, "activations", "Relu");
}

const char *export_recurrent(OnnxOut *o, const Node *node) {
  static const char *const op[] = {[CELL_LSTM] = "LSTM", [CELL_GRU] = "GRU", [CELL_RNN] = "RNN"};
  static const int biases[] = {INPUT_BIAS, HIDDEN_BIAS}, input[] = {INPUT_WEIGHT}, hidden[] = {HIDDEN_WEIGHT};
  const Recurrent r = recurrent_direction(node, 0);
  const int64_t directions = recurrent_directions(node);
  const char *in[7] = {rows_out(o, node, &r)};
  in[1] = gates_out(o, &r, "weight_ih_l0", 1, input, r.channels, true);
  in[2] = gates_out(o, &r, "weight_hh_l0", 1, hidden, r.units, true);
  in[3] = node->weight[INPUT_BIAS] ? gates_out(o, &r, "bias", 2, biases, 1, false) : "";
  in[4] = "";
  in[5] = start_out(o, node, &r, r.hidden);
  in[6] = start_out(o, node, &r, r.state);
  const char *all = out_node(o, op[r.cell], r.state ? 7 : r.hidden ? 6 : in[3][0] ? 4 : 3, in);
  const char *last = r.keeps ? final_out(o, node, r.hidden) : r.last ? out_also(o, "last") : "";
  if (r.keeps && r.state) final_out(o, node, r.state);
  layer_attributes(o, &r, directions);
  if (r.last) o->last->output.data[0] = "";
  return r.last ? last_out(o, last, &r, directions) : all_out(o, all, &r, directions);
}

/* ---- states ---- */
/* The dimensions of a state as input and output. For a recurrent layer, ONNX requires [directions, N,
 * units]. */
static int state_dims(const Node *state, int64_t dim[4]) {
  const int64_t kept[] = {1, 0, state->shape.dim[0]};
  if (!state->kept) return out_dims(state->shape, 0, dim);
  memcpy(dim, kept, sizeof kept);
  return 3;
}

const char *export_state(OnnxOut *o, const Node *node) {
  int64_t dim[4];
  const int rank = state_dims(node, dim);
  const char *name =
      table_find(&o->names, node->name) ? arena_printf(o->arena, "%s_state", node->name) : node->name;
  const char *next = arena_printf(o->arena, "%s_next", name);
  while (table_find(&o->names, next)) next = arena_printf(o->arena, "%s_", next);
  table_set(o->arena, &o->names, name, o);
  table_set(o->arena, &o->names, next, o);
  o->next_port[node->port->index] = next;
  vec_push(o->arena, o->model->input, out_port(o, name, TENSOR_FLOAT, rank, dim, node->kept));
  return name;
}

const char *export_update(OnnxOut *o, const Node *node) {
  return o->next[node->in[1]->port->index] = out_input(o, 0);
}

/* The metadata of a state: NAME_next, and the state's initial numbers unless `init` is the number 0. */
static const char *state_note(OnnxOut *o, const Node *state, const char *next) {
  const Const *init = arg_const(state, "init");
  Text text = {.arena = o->arena};
  text_put(&text, "%s", next);
  const int n = init->kind == CONST_LIST ? init->n : state_initial(state, 0) != 0;
  for (int i = 0; i < n; i++) text_put(&text, "%s%.9g", i ? " " : "=", state_initial(state, i));
  return text.s;
}

void out_states(OnnxOut *o, ModelProto *model) {
  for (int k = 0; k < graph_states(o->graph); k++) {
    const Node *state = graph_state(o->graph, k);
    int64_t dim[4];
    const int rank = state_dims(state, dim);
    if (!o->next[k]) continue;
    o->node = state;
    const char *next = o->next_port[k];
    if (strcmp(o->next[k], next) != 0) {
      out_one(o, "Identity", o->next[k]);
      o->last->output.data[0] = o->last->name = next;
    }
    vec_push(o->arena, o->model->output, out_port(o, next, TENSOR_FLOAT, rank, dim, state->kept));
    StringStringEntryProto *entry = NEW(o->arena, StringStringEntryProto);
    *entry = (StringStringEntryProto){arena_printf(o->arena, "%s%s", ONNX_STATE_KEY, o->value[state->id]),
                                      state_note(o, state, next)};
    vec_push(o->arena, model->metadata_props, entry);
  }
}
