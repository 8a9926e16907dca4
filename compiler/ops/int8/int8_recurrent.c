/* int8_recurrent.c: Int8 cores of recurrent layers. round() rounds to integers, sat() saturates to int16; h
 * is relative to its zero point:
 *
 * a      = sat(gates + sat(round(W_hh h)));  in LiteRT: sat(gates + round(W_hh h))
 * lstm   c' = sat(sat(round(f*c)) + sat(round(i*g))), clamped to -clip..clip;  h' = round(o * tanh(c'))
 * gru    n = tanh(sat(a_x + ((r*a_h + 2^14) >> 15)));  h' = sat(((2^15 - z)*n + z*h + 2^14) >> 15)
 * rnn    h' = tanh(a), or round(max(a, 0)) in the scale of h
 *
 * a_x and a_h are the two terms of a; in gru with reset=before, n is tanh(a) with r*h in place of h. In gru,
 * and in rnn with tanh, h' is int16. The value of these layers is the int8 number (h' + 2^7) >> 8, at most
 * 127, by which the weights W_hh are also multiplied. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8_recurrent.h"

const Curve int8_gate_sigmoid = {3, 0, false}, int8_gate_tanh = {3, 0, true};

Curve int8_cell_curve(const Int8Recurrent *p) {
  const int32_t up = p->bits + GATE_BITS;
  return up >= 0 ? (Curve){3 << up, 0, true} : (Curve){3, -up, true};
}

/* ---- eval ---- */
typedef struct State { /* arrays by unit */
  int64_t *h, *wide, *c, *next, *middle, *update;
} State;

static int64_t int8_sigmoid_of(const Int8Recurrent *p, int64_t a) {
  return p->litert ? fixed_logistic(a) : curve_value(&int8_gate_sigmoid, a);
}
static int64_t int8_tanh_of(const Int8Recurrent *p, int64_t a) {
  return p->litert ? fixed_tanh(a, FIXED_WHOLE) : curve_value(&int8_gate_tanh, a);
}
static int64_t tanh_of_cell(const Int8Recurrent *p, int64_t c) {
  const Curve curve = int8_cell_curve(p);
  return p->litert ? fixed_tanh(c, UNIT_BITS + p->bits) : curve_value(&curve, c);
}

/* The part of sum `s` that depends on h, with its bias, rounded. */
static int64_t int8_hidden_part(const Int8Recurrent *p, int64_t s, const int64_t *h) {
  int64_t sum = p->bias ? p->bias[s] : 0;
  for (int64_t k = 0; k < p->r.outputs; k++) sum += p->weight[s * p->r.outputs + k] * (h[k] - p->zero);
  return (p->wide ? multiplier_apply_wide : multiplier_apply)(p->rounding, sum, p->factor[s]);
}

static int64_t int8_gate_sum(const Int8Recurrent *p, const double *gates, int64_t s, const int64_t *h) {
  const int64_t part = int8_hidden_part(p, s, h);
  return cut_wide((int64_t)gates[s] + (p->litert ? part : cut_wide(part)));
}

static int64_t next_cell(const Int8Recurrent *p, int64_t i, int64_t f, int64_t g, int64_t c) {
  const int64_t kept = p->litert ? shift_half_away(f * c, UNIT_BITS)
                                 : multiplier_apply(p->rounding, f * c, p->forget),
                more = p->litert ? shift_half_away(i * g, 2 * UNIT_BITS + p->bits)
                                 : multiplier_apply(p->rounding, i * g, p->add),
                sum = cut_wide(cut_wide(kept) + cut_wide(more));
  if (p->clip < 0) return sum;
  return sum > p->clip ? p->clip : sum < -p->clip ? -p->clip : sum;
}

static void int8_lstm_row(const Int8Recurrent *p, const double *gates, const State *s) {
  const int64_t units = p->r.units;
  for (int64_t u = 0; u < units; u++) {
    const int64_t i = int8_sigmoid_of(p, int8_gate_sum(p, gates, u, s->h)),
                  f = int8_sigmoid_of(p, int8_gate_sum(p, gates, units + u, s->h)),
                  g = int8_tanh_of(p, int8_gate_sum(p, gates, 2 * units + u, s->h)),
                  o = int8_sigmoid_of(p, int8_gate_sum(p, gates, 3 * units + u, s->h));
    s->c[u] = next_cell(p, i, f, g, s->c[u]);
    s->next[u] = stored_put(p->stored, multiplier_apply(p->rounding, tanh_of_cell(p, s->c[u]) * o, p->out));
  }
}

static int64_t upper_bits(int64_t wide) { return cut_narrow(shift_half_up(wide, 8)); }

static void int8_gru_row(const Int8Recurrent *p, const double *gates, const State *s) {
  const int64_t units = p->r.units, one = 1 << UNIT_BITS;
  for (int64_t u = 0; u < units; u++) {
    const int64_t r = int8_sigmoid_of(p, int8_gate_sum(p, gates, u, s->h));
    s->update[u] = int8_sigmoid_of(p, int8_gate_sum(p, gates, units + u, s->h));
    if (p->r.before) s->middle[u] = upper_bits(shift_half_up(r * s->wide[u], UNIT_BITS));
    else s->middle[u] = shift_half_up(r * cut_wide(int8_hidden_part(p, 2 * units + u, s->h)), UNIT_BITS);
  }
  for (int64_t u = 0; u < units; u++) {
    const int64_t at = 2 * units + u, z = s->update[u],
                  a = p->r.before ? int8_gate_sum(p, gates, at, s->middle)
                                  : cut_wide((int64_t)gates[at] + s->middle[u]),
                  n = int8_tanh_of(p, a);
    s->wide[u] = cut_wide(shift_half_up((one - z) * n + z * s->wide[u], UNIT_BITS));
    s->next[u] = upper_bits(s->wide[u]);
  }
}

static void int8_rnn_row(const Int8Recurrent *p, const double *gates, const State *s) {
  for (int64_t u = 0; u < p->r.units; u++) {
    const int64_t a = int8_gate_sum(p, gates, u, s->h);
    s->next[u] = p->r.relu ? stored_put(p->stored, multiplier_apply(p->rounding, a > 0 ? a : 0, p->out))
                           : upper_bits(int8_tanh_of(p, a));
  }
}

static void start_state(const Int8Recurrent *p, const Eval *eval, const State *s) {
  const Recurrent *r = &p->r;
  const bool wide = r->cell == CELL_GRU;
  for (int64_t u = 0; u < r->units; u++) {
    const int64_t h = r->hidden ? (int64_t)eval->in[r->hidden][u] : wide ? 0 : p->zero;
    s->h[u] = wide ? upper_bits(h) : r->keeps ? h + p->zero : h;
    s->wide[u] = h;
    s->c[u] = r->keeps && !wide ? (int64_t)eval->in[r->hidden][r->units + u]
              : r->state        ? (int64_t)eval->in[r->state][u]
                                : 0;
  }
}

const double *int8_idle_gates(Arena *arena, const Int8Recurrent *p) {
  const int64_t units = p->r.units;
  double *gates = NEW_ARRAY(arena, double, p->r.gates *units);
  int64_t *h = NEW_ARRAY(arena, int64_t, units);
  for (int64_t u = 0; u < units && p->r.cell == CELL_GRU && !p->r.before; u++) {
    const int64_t r = int8_sigmoid_of(p, int8_gate_sum(p, gates, u, h));
    gates[2 * units + u] =
        (double)-shift_half_up(r * cut_wide(int8_hidden_part(p, 2 * units + u, h)), UNIT_BITS);
  }
  return gates;
}

/* Stores the state that the next row needs. */
static void keep_row(const Int8Recurrent *p, const State *s, double *to) {
  for (int64_t u = 0; u < p->r.units; u++) {
    to[u] = (double)(p->r.cell == CELL_GRU ? s->wide[u] : s->next[u] - p->zero);
    if (p->r.cell == CELL_LSTM) to[p->r.units + u] = (double)s->c[u];
  }
}

static void eval(const Eval *eval) {
  static void (*const rows[])(const Int8Recurrent *, const double *,
                              const State *) = {int8_lstm_row, int8_gru_row, int8_rnn_row};
  const Int8Recurrent *p = eval->node->detail;
  const Recurrent *r = &p->r;
  const int64_t units = r->units;
  Arena *arena = arena_new();
  State s = {NEW_ARRAY(arena, int64_t, units), NEW_ARRAY(arena, int64_t, units),
             NEW_ARRAY(arena, int64_t, units), NEW_ARRAY(arena, int64_t, units),
             NEW_ARRAY(arena, int64_t, units), NEW_ARRAY(arena, int64_t, units)};
  start_state(p, eval, &s);
  for (int64_t step = 0; step < r->rows; step++) {
    const int64_t t = recurrent_row(r, step);
    rows[r->cell](p, eval->in[0] + t * r->gates * units, &s);
    for (int64_t u = 0; u < units; u++) s.h[u] = s.next[u];
    if (r->keeps) keep_row(p, &s, eval->out + t * shape_extent(eval->node->shape).c);
    for (int64_t u = 0; u < units && !r->keeps; u++)
      if (!r->last) eval->out[t * units + u] = (double)s.h[u];
      else if (step == r->rows - 1) eval->out[u] = (double)s.h[u];
  }
  arena_free(arena);
}

static Cost cost(const Node *node) {
  const Int8Recurrent *p = node->detail;
  const int64_t weights = p->r.gates * p->r.units * p->r.outputs, sums = p->r.gates * p->r.units;
  return (Cost){p->r.rows * weights, weights + sums, weights + 4 * sums};
}

const Op op_int8_recurrent = {.name = "int8_recurrent",
                              .detail = "lstm, gru or rnn over the rows of int16 gates",
                              .traits.per_image = true,
                              .traits.layer_part = true,
                              .cost = cost,
                              .eval = eval,
                              .traits.stream = STREAM_RECURRENT,
                              .keep = int8_recurrent_keep,
                              .lower = int8_recurrent_lower};
