/* int8_recurrent_keep.c: Int8 cores of recurrent layers whose state outlives a call: with keep=true, or in
 * steps of a stream. For each row the core returns the state for the next row: for lstm h relative to its
 * zero point, then c; for gru the int16 h. The last of these rows becomes the state, and the layer's value is
 * computed from these rows. The value of rnn is its state. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8_recurrent.h"
#include "ops/registry.h"

static bool is_lstm(const Int8Recurrent *p) { return p->r.cell == CELL_LSTM; }

/* ---- the layer's value, from the rows that the core returns ---- */
static int64_t first_kept(const Int8Recurrent *p) { return p->r.last ? p->r.rows - 1 : 0; }

static void value_eval(const Eval *eval) {
  const Int8Recurrent *p = eval->node->detail;
  const int64_t width = shape_extent(eval->node->in[0]->shape).c, units = p->r.units,
                rows = shape_elements(eval->node->shape) / units;
  for (int64_t t = 0; t < rows; t++)
    for (int64_t u = 0; u < units; u++) {
      const int64_t kept = (int64_t)eval->in[0][(first_kept(p) + t) * width + u];
      eval->out[t * units + u] = (double)(is_lstm(p) ? kept + p->zero : cut_narrow(shift_half_up(kept, 8)));
    }
}

static void value_lower(Lower *l) {
  Nest *b = l->b;
  const Int8Recurrent *p = l->node->detail;
  const Ix top = {0};
  nest_fn(b, b->name, false);
  NEST_FOR(b, t, shape_elements(l->node->shape) / p->r.units)
    NEST_FOR(b, u, p->r.units) {
      const Ix row = t + first_kept(p);
      const Val kept = int8_load(l, l->in[0], &top, &row, &u),
                value = is_lstm(p) ? add(kept, num_i32(b, p->zero)) : int8_upper_byte(b, kept);
      lower_store(l, convert(value, l->node->elem), &top, &t, &u, 1, 1);
    }
}

static const Op op_value = {
    .name = "int8 recurrent value", .traits.layer_part = true, .eval = value_eval, .lower = value_lower};

/* ---- an lstm's initial h and c, from the source's arguments, in the core's form; default: 0 ---- */
static void given_eval(const Eval *eval) {
  const Int8Recurrent *p = eval->node->detail;
  for (int64_t u = 0; u < p->r.units; u++) {
    eval->out[u] = p->r.hidden ? eval->in[p->r.hidden - 1][u] - p->zero : 0;
    eval->out[p->r.units + u] = p->r.state ? eval->in[p->r.state - 1][u] : 0;
  }
}

static void given_lower(Lower *l) {
  Nest *b = l->b;
  const Int8Recurrent *p = l->node->detail;
  const Ix top = {0};
  const Val zero = num_i32(b, 0);
  nest_fn(b, b->name, false);
  NEST_FOR(b, u, p->r.units) {
    const Ix at = u + p->r.units;
    const Val h = p->r.hidden ? sub(int8_load(l, l->in[p->r.hidden - 1], &top, &top, &u), num_i32(b, p->zero))
                              : zero,
              c = p->r.state ? int8_load(l, l->in[p->r.state - 1], &top, &top, &u) : zero;
    lower_store(l, convert(h, I16), &top, &top, &u, 1, 1);
    lower_store(l, convert(c, I16), &top, &top, &at, 1, 1);
  }
}

static const Op op_given = {
    .name = "int8 recurrent start", .traits.layer_part = true, .eval = given_eval, .lower = given_lower};

/* ---- the layer ---- */
/* The state before row 0, if the source specifies it; NULL: zeros. */
static Node *given_start(Graph *graph, const Node *core, const Int8Recurrent *p, Shape shape,
                         const Quant *quant) {
  if (core->nin == 1) return NULL;
  if (!is_lstm(p)) return core->in[p->r.hidden];
  Node *given = graph_part(graph, core, &op_given, "start", shape, core->nin - 1, core->in + 1);
  given->elem = I16;
  given->quant = quant;
  return given;
}

static Node *core_state(Graph *graph, const Node *core, Shape shape, Elem elem, const Quant *quant) {
  Node *state =
      state_hidden(graph, arena_printf(graph->arena, "%s.state", core->name), shape, elem, quant, 0);
  state->span = core->span;
  state->site = core->site;
  return state;
}

Node *int8_recurrent_keep(Graph *graph, Node *core, Node *calls, int64_t rows, int64_t offset) {
  const Int8Recurrent *of = core->detail;
  Int8Recurrent *p = NEW(graph->arena, Int8Recurrent);
  *p = *of;
  p->r.rows = core->in[0]->shape.dim[0];
  p->r.hidden = 1;
  p->r.state = 0;
  const bool records = p->r.cell != CELL_RNN;
  const int64_t width = is_lstm(p) ? 2 * p->r.units : p->r.units;
  Quant *quant = NEW(graph->arena, Quant);
  *quant = (Quant){.scale = 1.0f / (1 << UNIT_BITS), .wide = true};
  const Shape one = shape_sequence(1, width), value = core->shape;
  Node *given = given_start(graph, core, of, one, quant), *gates = core->in[0],
       *state = core_state(graph, core, one, records ? I16 : core->elem, records ? quant : core->quant);
  if (calls && offset < 0)
    gates = stream_masked_channels(graph, gates, calls, rows, offset, int8_idle_gates(graph->arena, p));
  p->r.keeps = records;
  Node *in[2] = {gates, given ? stream_started(graph, given, state, calls) : state},
       *made = graph_part(graph, core, core->op, records ? "record" : "",
                          records || !p->r.last ? shape_sequence(p->r.rows, width) : value, 2, in);
  made->detail = p;
  Node *last = made;
  made->elem = records ? I16 : core->elem;
  made->quant = records ? quant : core->quant;
  if (made->shape.rank == 2) last = rows_cut(graph, made, p->r.rows - 1, 1);
  update_hidden(graph, last, state);
  if (!records) return made;
  Node *shown = graph_part(graph, core, &op_value, "", value, 1, &made);
  shown->detail = p;
  shown->elem = core->elem;
  shown->quant = core->quant;
  return shown;
}
