// int8_recurrent_core.c: Loop nest of int8 recurrent cores: row after row, unit after unit.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8_recurrent.h"

enum { MOST_GATES = 4 };

typedef struct Core {
  Lower *l;
  const Int8Recurrent *p;
  Buf *weight, *bias, *points;
  Int8Factors factors;
  Buf *h, *next, *wide, *c, *middle, *update;
  Buf *gate; /* a unit's sums, then the activated gates */
  bool packed;
  RecurrentWords words[2]; /* if packed: words of the gates that read h, and of the gate that reads r*h */
} Core;

/* ---- numbers ---- */
static Val cut_to_wide(const Lower *l, Val x) {
  Nest *b = l->b;
  if (l->target->dsp && !l->plain) return nest_primitive(b, &primitive_clamp16, x, NULL, NULL);
  return vmax(vmin(x, num_i32(b, INT16_MAX)), num_i32(b, INT16_MIN));
}
static Val halved_up(Nest *b, Val x, int bits) {
  return nest_primitive(b, &primitive_shift_right, add(x, num_i32(b, INT32_C(1) << (bits - 1))),
                        num_i32(b, bits), NULL);
}
static Val halved_away(Nest *b, Val x, int bits) {
  return nest_primitive(b, &primitive_shift_halves_away, x, num_i32(b, INT32_C(1) << (bits - 1)),
                        num_i32(b, bits));
}
Val int8_upper_byte(Nest *b, Val wide) { return vmin(halved_up(b, wide, 8), num_i32(b, INT8_MAX)); }

static Val unit_value(const Core *core, Buf *buf, const Ix *u) {
  return convert(nest_load(core->l->b, nest_at(core->l->b, buf, *u), 1), I32);
}
static void put_unit(const Core *core, Buf *buf, const Ix *u, Val value) {
  nest_store(core->l->b, nest_at(core->l->b, buf, *u), convert(value, buf->type.elem));
}
static Ref gate_ref(const Core *core, int gate) { return nest_at(core->l->b, core->gate, gate); }
static Val gate_value(const Core *core, int gate) { return nest_get(core->l->b, gate_ref(core, gate)); }

/* ---- functions of int16 values ---- */
/* gemmlowp's sigmoid, computed from exp(-|q|), or its tanh, computed from exp(-2*|q|). */
static Val fixed_value(const Core *core, bool tanh, Val q, int whole) {
  Nest *b = core->l->b;
  const Val zero = num_i32(b, 0), below = nest_let(b, "below", vmin(q, sub(zero, q))),
            part = nest_primitive(b, &primitive_exponential_halves, below, num_i32(b, whole + tanh), NULL),
            y = nest_primitive(b, &primitive_reciprocal_halves, part, NULL, NULL),
            most = num_i32(b, INT16_MAX),
            size = nest_let(
                b, "size",
                vmin(tanh ? mul(sub(y, num_i32(b, 1 << 13)), num_i32(b, 4)) : mul(y, num_i32(b, 2)), most)),
            mirrored = tanh ? sub(zero, size) : sub(most, size);
  return choose(less(zero, q), size, choose(less(q, zero), mirrored, num_i32(b, tanh ? 0 : 1 << 14)));
}

static void put_curve(const Core *core, const Curve *curve, int whole, Val q, Ref to) {
  Lower *l = core->l;
  Nest *b = l->b;
  if (core->p->litert) {
    nest_store(b, to, fixed_value(core, curve->tanh, nest_let(b, "q", q), whole));
    return;
  }
  const CurvePlace place = int8_curve_place(l, curve, q);
  NEST_CHOSEN(b, n, place.step, 0, CURVE_STEPS)
  nest_store(b, to, int8_curve_value(l, curve, core->points, &place, &n));
}

static void activate(const Core *core, int gate, bool tanh) {
  put_curve(core, tanh ? &int8_gate_tanh : &int8_gate_sigmoid, FIXED_WHOLE, gate_value(core, gate),
            gate_ref(core, gate));
}

/* ---- sums ---- */
/* For a gate of unit u: the part of its sum that depends on `from`, rounded. */
static Val hidden_value(const Core *core, Buf *from, int gate, const Ix *u) {
  Nest *b = core->l->b;
  const Int8Recurrent *p = core->p;
  const Ix s = *u + gate * p->r.units;
  const int64_t one = 1;
  const Elem elem = p->wide ? I64 : I32;
  const Ref sum = nest_at(b, nest_buf(b, REGS, "sum", (Type){elem, 1}, 1, &one), 0);
  nest_store(b, sum, core->bias ? nest_load(b, nest_at(b, core->bias, s), 1) : convert(num_i32(b, 0), elem));
  NEST_FOR(b, k, p->r.outputs)
    int8_add_term(core->l, sum, convert(nest_load(b, nest_at(b, from, k), 1), I32),
                  convert(nest_load(b, nest_at(b, core->weight, s, k), 1), I32));
  return int8_factored(core->l, &core->factors, nest_get(b, sum), &s);
}

static Val input_gate(const Core *core, const Ix *row, int gate, const Ix *u) {
  const Ix none = {0}, c = *u + gate * core->p->r.units;
  return int8_load(core->l, core->l->in[0], &none, row, &c);
}

/* part: the result of part_of_gate */
static void put_gate(const Core *core, const Ix *row, Val part, int gate, const Ix *u) {
  Nest *b = core->l->b;
  nest_store(b, gate_ref(core, gate),
             cut_to_wide(core->l, add(input_gate(core, row, gate, u),
                                      core->p->litert ? part : cut_to_wide(core->l, part))));
}

/* If the weights are packed, computes the sums of a unit for the gates of words[part]. */
static void packed_sums(const Core *core, int part, const Ix *u, Val sum[]) {
  if (core->packed) int8_recurrent_sums(core->l, &core->words[part], u, sum);
}

/* The part of a gate's sum that depends on h, or on r*h in gru with reset=before, rounded. sum: the sums that
 * packed_sums computes. */
static Val part_of_gate(const Core *core, const Val sum[], int gate, const Ix *u) {
  const bool second = core->p->r.before && gate == 2;
  if (core->packed)
    return int8_recurrent_rounded_sum(core->l, &core->words[second], sum[second ? 0 : gate], gate, u);
  return hidden_value(core, second ? core->middle : core->h, gate, u);
}

static void sum_gate(const Core *core, const Ix *row, const Val sum[], int gate, const Ix *u) {
  put_gate(core, row, part_of_gate(core, sum, gate, u), gate, u);
}

static void sum_lstm_gates(const Core *core, const Ix *row, const Ix *u) {
  Val sum[MOST_GATES];
  packed_sums(core, 0, u, sum);
  for (int g = 0; g < core->p->r.gates; g++) {
    sum_gate(core, row, sum, g, u);
    activate(core, g, g == 2);
  }
}

static Val cell_rounded(const Core *core, Val x, Multiplier factor, const char *name) {
  if (core->packed) return int8_recurrent_rounded(core->l, core->p->rounding, x, factor);
  return int8_rounded(core->l, core->p->rounding, x, factor, name);
}

/* ---- the cells ---- */
static void put_h(const Core *core, const Ix *row, const Ix *u, Val h) {
  const Ix none = {0};
  if (!core->p->r.last && !core->p->r.keeps)
    lower_store(core->l, convert(h, core->l->node->elem), &none, row, u, 1, 1);
}

/* Stores channel first + u of the state for the next row. */
static void keep_unit(const Core *core, const Ix *row, const Ix *u, int64_t first, Val value) {
  const Ix none = {0}, c = *u + first;
  if (core->p->r.keeps) lower_store(core->l, convert(value, I16), &none, row, &c, 1, 1);
}

static void int8_lstm_unit(const Core *core, const Ix *row, const Ix *u) {
  Nest *b = core->l->b;
  const Int8Recurrent *p = core->p;
  const Curve curve = int8_cell_curve(p);
  sum_lstm_gates(core, row, u);
  const Val fc = mul(gate_value(core, 1), unit_value(core, core->c, u)),
            ig = mul(gate_value(core, 0), gate_value(core, 2)),
            kept = p->litert ? halved_away(b, fc, UNIT_BITS) : cell_rounded(core, fc, p->forget, "forget"),
            more = p->litert ? halved_away(b, ig, 2 * UNIT_BITS + p->bits)
                             : cell_rounded(core, ig, p->add, "add");
  Val c = cut_to_wide(core->l, add(cut_to_wide(core->l, kept), cut_to_wide(core->l, more)));
  if (p->clip >= 0) c = vmax(vmin(c, num_i32(b, p->clip)), num_i32(b, -p->clip));
  c = nest_let(b, "cell", c);
  put_unit(core, core->c, u, c);
  put_curve(core, &curve, UNIT_BITS + p->bits, c, gate_ref(core, 0));
  const Val h =
      nest_let(b, "made",
               int8_stored(core->l, p->stored,
                           cell_rounded(core, mul(gate_value(core, 0), gate_value(core, 3)), p->out, "out")));
  nest_store(b, nest_at(b, core->next, *u), p->r.keeps ? convert(convert(h, I32), core->next->type.elem) : h);
  put_h(core, row, u, convert(h, I32));
  keep_unit(core, row, u, 0, sub(convert(h, I32), num_i32(b, p->zero)));
  keep_unit(core, row, u, p->r.units, c);
}

/* Gate 2 is n in the formulas of int8_recurrent.c. */
static void put_gru(const Core *core, const Ix *row, const Ix *u, Val z) {
  Nest *b = core->l->b;
  activate(core, 2, true);
  const Val n = gate_value(core, 2), old = unit_value(core, core->wide, u),
            sum = add(mul(sub(num_i32(b, 1 << UNIT_BITS), z), n), mul(z, old)),
            made = nest_let(b, "made", cut_to_wide(core->l, halved_up(b, sum, UNIT_BITS))),
            h = nest_let(b, "value", int8_upper_byte(b, made));
  put_unit(core, core->wide, u, made);
  put_unit(core, core->next, u, h);
  put_h(core, row, u, h);
  keep_unit(core, row, u, 0, made);
}

static void int8_gru_unit(const Core *core, const Ix *row, const Ix *u) {
  Nest *b = core->l->b;
  Val sum[MOST_GATES];
  packed_sums(core, 0, u, sum);
  for (int g = 0; g < 2; g++) {
    sum_gate(core, row, sum, g, u);
    activate(core, g, false);
  }
  if (core->p->r.before) {
    put_unit(core, core->update, u, gate_value(core, 1));
    const Val scaled = mul(gate_value(core, 0), unit_value(core, core->wide, u));
    put_unit(core, core->middle, u, int8_upper_byte(b, halved_up(b, scaled, UNIT_BITS)));
    return;
  }
  const Val part = mul(gate_value(core, 0), cut_to_wide(core->l, part_of_gate(core, sum, 2, u)));
  nest_store(b, gate_ref(core, 2),
             cut_to_wide(core->l, add(input_gate(core, row, 2, u), halved_up(b, part, UNIT_BITS))));
  put_gru(core, row, u, gate_value(core, 1));
}

static void int8_candidate_unit(const Core *core, const Ix *row, const Ix *u) {
  Val sum[MOST_GATES];
  packed_sums(core, 1, u, sum);
  sum_gate(core, row, sum, 2, u);
  put_gru(core, row, u, unit_value(core, core->update, u));
}

static void int8_rnn_unit(const Core *core, const Ix *row, const Ix *u) {
  Nest *b = core->l->b;
  const Int8Recurrent *p = core->p;
  Val sum[MOST_GATES];
  packed_sums(core, 0, u, sum);
  sum_gate(core, row, sum, 0, u);
  if (!p->r.relu) activate(core, 0, true);
  const Val a = gate_value(core, 0),
            made = p->r.relu ? convert(int8_stored(core->l, p->stored,
                                                   cell_rounded(core, vmax(a, num_i32(b, 0)), p->out, "out")),
                                       I32)
                             : int8_upper_byte(b, a),
            h = nest_let(b, "made", made);
  put_unit(core, core->next, u, h);
  put_h(core, row, u, h);
}

/* ---- the core ---- */
static Buf *state_scratch(Lower *l, const char *name, Elem elem, int64_t n) {
  return lower_scratch_of(l, name, elem, 1, &n);
}

/* A bias, if there is one, includes a term for the zero point of h: minus the zero point times the sum of the
 * weights. */
static void put_constants(Core *core) {
  Lower *l = core->l;
  const Int8Recurrent *p = core->p;
  const int64_t sums = p->r.gates * p->r.units, dim[2] = {sums, p->r.outputs};
  int32_t *bias = NEW_ARRAY(l->arena, int32_t, sums);
  for (int64_t s = 0; s < sums && p->bias; s++) {
    bias[s] = p->bias[s];
    for (int64_t k = 0; k < p->r.outputs; k++) bias[s] -= p->weight[s * p->r.outputs + k] * p->zero;
  }
  core->packed = int8_recurrent_has_words(l, p, bias);
  if (core->packed) {
    int8_recurrent_words(l, p, bias, core->words);
    core->points = int8_curve_points(l);
    return;
  }
  core->weight = lower_constants(l, "weight", I8, 2, dim, p->weight);
  if (p->bias) core->bias = lower_constants(l, "bias", I32, 1, &sums, bias);
  core->factors = int8_factors_of(l, p->rounding, p->wide, sums, p->factor);
  if (!p->litert) core->points = int8_curve_points(l);
}

static Core int8_core_of(Lower *l) {
  const Int8Recurrent *p = l->node->detail;
  const Recurrent *r = &p->r;
  Core core = {.l = l, .p = p};
  put_constants(&core);
  const Elem elem = p->wide ? I16 : I8;
  core.h = state_scratch(l, "h", elem, r->outputs);
  core.next = state_scratch(l, "next", elem, r->outputs);
  if (r->cell == CELL_LSTM) core.c = state_scratch(l, "c", I16, r->units);
  if (r->cell == CELL_GRU) core.wide = state_scratch(l, "wide", I16, r->units);
  if (!r->before) return core;
  core.middle = state_scratch(l, "middle", I8, r->units);
  core.update = state_scratch(l, "update", I16, r->units);
  return core;
}

static void put_start(const Core *core) {
  Lower *l = core->l;
  Nest *b = l->b;
  const Recurrent *r = &core->p->r;
  const Ix none = {0};
  NEST_FOR(b, u, r->units) {
    const Val h = r->hidden    ? int8_load(l, l->in[r->hidden], &none, &none, &u)
                  : core->wide ? num_i32(b, 0)
                               : num_i32(b, core->p->zero);
    if (core->wide) put_unit(core, core->wide, &u, h);
    put_unit(core, core->h, &u,
             core->wide ? int8_upper_byte(b, h)
             : r->keeps ? add(h, num_i32(b, core->p->zero))
                        : h);
    const Ix cell = u + (r->keeps ? r->units : 0);
    const int from = r->keeps ? r->hidden : r->state;
    if (core->c)
      put_unit(core, core->c, &u, from ? int8_load(l, l->in[from], &none, &none, &cell) : num_i32(b, 0));
  }
}

void int8_recurrent_lower(Lower *l) {
  static void (*const units[])(const Core *, const Ix *, const Ix *) = {int8_lstm_unit, int8_gru_unit,
                                                                        int8_rnn_unit};
  Nest *b = l->b;
  Core core = int8_core_of(l);
  const Recurrent *r = &core.p->r;
  const int64_t gates = r->gates;
  const Ix none = {0};
  lower_about(l, "%s bits, rounding %s", core.p->wide ? "16" : "8",
              core.p->litert ? "litert" : rounding_name(core.p->rounding));
  nest_fn(b, b->name, false);
  core.gate = nest_buf(b, REGS, "gate", (Type){I32, 1}, 1, &gates);
  put_start(&core);
  NEST_FOR(b, step, r->rows) {
    const Ix row = r->reverse ? none + (r->rows - 1) - step : step;
    if (core.packed) int8_recurrent_window(l, &core.words[0], core.h);
    NEST_FOR(b, u, r->units) units[r->cell](&core, &row, &u);
    if (core.packed && r->before) int8_recurrent_window(l, &core.words[1], core.middle);
    if (r->before)
      NEST_FOR(b, u, r->units) int8_candidate_unit(&core, &row, &u);
    NEST_FOR(b, u, r->units) nest_store(b, nest_at(b, core.h, u), nest_load(b, nest_at(b, core.next, u), 1));
  }
  if (r->last && !r->keeps)
    NEST_FOR(b, u, r->units) lower_store(l, nest_load(b, nest_at(b, core.h, u), 1), &none, &none, &u, 1, 1);
}
