// recurrent_core.c: Nest of a core. The core computes row after row, in vectors of units with all gates in
// registers, so that each row reads the weights of h once. h and c are in scratch. If the weights are larger
// than half of the L1 cache, every other row reads them backwards.
// SPDX-License-Identifier: Apache-2.0
//
// Example: `x: 5x8 -> lstm(8)` --target=x86-64-v3, lines 11-22 of lstm1:
//
//     for (int k = 0; k < 8; k++) {
//       const float x = h[k];
//       sum[0][0] += x * LOAD(v8, weight[0][k][0][0]);
//       sum[1][0] += x * LOAD(v8, weight[0][k][1][0]);
//       sum[2][0] += x * LOAD(v8, weight[0][k][2][0]);
//       sum[3][0] += x * LOAD(v8, weight[0][k][3][0]);
//     }
//     const v8 t = n_sigmoid_x8(sum[0][0]);
//     const v8 i = n_select_x8(t < n_splat_x8(7.888609e-31f), (v8){0}, t);
//     const v8 t_2 = n_sigmoid_x8(sum[1][0]);
//     const v8 f = n_select_x8(t_2 < n_splat_x8(7.888609e-31f), (v8){0}, t_2);
//     const v8 g = n_tanh_x8(sum[2][0]);
#include "base/number.h"
#include "graph/bf16.h"
#include "ops/recurrent/recurrent.h"

enum { MOST_SUMS = 8, MOST_GATES = 4 }; /* MOST_SUMS independent sums hide the latency of an addition */

/* The product of the vector `from` with weights, which are packed by blocks of units:
 * [block][number][gate][unit]. In bf16 the product multiplies words of two numbers:
 * [block][word][gate][unit][2]. */
typedef struct Product {
  Buf *weight, *from;
  int64_t gates, units, numbers; /* numbers: length of `from` without padding */
  int64_t block;                 /* units of a block */
  int64_t word, words;           /* word: numbers per word, 2 in bf16, else 1; words: number of words */
} Product;

typedef struct Core {
  Lower *l;
  const Recurrent *r;
  Record at;
  Buf *h, *c;      /* h and c of the previous row */
  Buf *next;       /* buffer for the new h, needed while other units of the row still read the previous h */
  Buf *middle, *z; /* middle: operand of a second product; z: the update gates, stored until that product */
  Buf *read;       /* QAT and bf16: h rounded, for the products; or NULL */
  RoundingSteps steps;
  Buf *bias; /* gru: bias of the candidates' products with h, if r multiplies these products; or NULL */
  Product product[2];
} Core;

/* Vectors of units, starting at `unit`, whose sums become the row's results. The last vector has `part`
 * units. */
typedef struct Units {
  const Core *core;
  const Ix *row, *unit;
  Buf *sum; /* [gate][vector] */
  int vectors, part, lanes;
} Units;
typedef void UnitsBody(const Units *);

/* ---- packed weights ---- */
static int core_lanes(const Lower *l) { return l->plain || l->images > 1 ? 1 : l->target->lanes; }

/* All targets of the generated C share the packed weights, so the block is that of the widest target;
 * narrower targets split it. */
static int64_t units_per_block(const Lower *l, int64_t gates, int64_t units) {
  const int64_t lanes = l->plain || l->images > 1 ? 1 : l->layout_lanes;
  int64_t vectors = lanes > 1 ? MOST_SUMS / (gates == 3 ? 4 : gates) : 1;
  while (vectors > 1 && vectors / 2 * lanes >= units) vectors /= 2;
  return vectors * lanes;
}

static Product pack_product(Lower *l, const char *member, int weight, int64_t first, int64_t gates,
                            int64_t units, int64_t numbers) {
  Product p = {.gates = gates, .units = units, .numbers = numbers, .block = units_per_block(l, gates, units)};
  const Elem elem = node_weight_elem(l->node);
  p.word = elem == BF16 ? 2 : 1;
  p.words = ceil_divide(numbers, p.word);
  const int64_t blocks = ceil_divide(units, p.block), dim[4] = {blocks, p.words, gates, p.block * p.word};
  Pack *pack = lower_pack_weights(l, member, 4, dim);
  Nest *b = pack->nest;
  Buf *source = lower_pack_source(l, pack, l->node->weight[weight], "");
  NEST_FOR(b, block, blocks)
    NEST_FOR(b, k, p.words)
      NEST_FOR(b, g, gates)
        NEST_FOR(b, u, p.block)
          for (int i = 0; i < p.word; i++) {
            const Ix unit = block * p.block + u;
            const Ix index[2] = {(first + g) * units + unit, p.word * k + i};
            Val w = nest_load(b, nest_ref(b, source, 2, index), 1);
            if (pack->scale) w = lower_rounded(l, pack, w, index, NULL);
            if (elem != F32) w = convert(convert(w, elem), F32);
            if (units % p.block) w = pick(b, nest_below(b, unit, units), w, num(b, 0));
            if (numbers % p.word && i) w = pick(b, nest_below(b, index[1], numbers), w, num(b, 0));
            nest_store(b, nest_at(b, pack->out, block, k, g, p.word * u + i), w);
          }
  p.weight = lower_pack_done(l, pack);
  return p;
}

/* ---- inputs and results of a row ---- */
static Val gate_at(const Units *u, int64_t gate, int v) {
  Lower *l = u->core->l;
  const Ix y = {0}, c = *u->unit + (gate * u->core->r->units + v * u->lanes);
  return walk_load(l, l->in[0], &y, u->row, &c, v == u->vectors - 1 ? u->part : u->lanes, u->lanes);
}

static Val load_unit(const Units *u, Buf *buf, int v) {
  const Ix none = {0}, c = *u->unit + v * u->lanes;
  return walk_load(u->core->l, buf, &none, &none, &c, v == u->vectors - 1 ? u->part : u->lanes, u->lanes);
}

static void store_unit(const Units *u, Buf *buf, int v, Val value) {
  if (buf->type.elem == BF16) value = convert(value, BF16);
  const Ix none = {0}, c = *u->unit + v * u->lanes;
  walk_put(u->core->l, buf, value, &none, &none, &c, v == u->vectors - 1 ? u->part : u->lanes, u->lanes);
}

/* Stores vector v of the part of the record that begins at `channel`. */
static void record_part(const Units *u, int64_t channel, int v, Val value) {
  const Ix y = {0}, c = *u->unit + (channel + v * u->lanes);
  walk_put(u->core->l, u->core->l->out, value, &y, u->row, &c, v == u->vectors - 1 ? u->part : u->lanes,
           u->lanes);
}

static void note_row(const Units *u, int64_t channel, int v, Val value) {
  if (u->core->r->records) record_part(u, channel, v, value);
}

static void give_c(const Units *u, int v, Val c) {
  if (u->core->r->records || u->core->r->keeps) record_part(u, u->core->at.state, v, c);
}

static void give_h(const Units *u, int v, Val h) {
  const Ix y = {0}, c = *u->unit + v * u->lanes;
  if (u->core->at.width > u->core->r->outputs || u->core->r->records)
    record_part(u, u->core->at.hidden, v, h);
  else if (!u->core->r->last)
    lower_store(u->core->l, h, &y, u->row, &c, v == u->vectors - 1 ? u->part : u->lanes, u->lanes);
}

static Val unit_sum(const Units *u, int gate, int v) {
  return nest_get(u->core->l->b, nest_at(u->core->l->b, u->sum, gate, v));
}

/* A gate multiplies numbers of any size, so small gates are 0. */
static Val gate_factor(Val sum) { return normal_factor(vsigmoid(sum)); }

/* A state that decays becomes 0, and not subnormal. */
static Val state_value(Val x) { return choose(less(vabs(x), num(x->nest, 1e-30)), num(x->nest, 0), x); }

/* ---- the cells ---- */
static void lstm_units(const Units *u) {
  Nest *b = u->core->l->b;
  const Recurrent *r = u->core->r;
  for (int v = 0; v < u->vectors; v++) {
    Val i = nest_let(b, "i", gate_factor(unit_sum(u, 0, v))),
        f = nest_let(b, "f", gate_factor(unit_sum(u, 1, v))), g = nest_let(b, "g", vtanh(unit_sum(u, 2, v))),
        o = nest_let(b, "o", gate_factor(unit_sum(u, 3, v)));
    Val c = fma_(f, load_unit(u, u->core->c, v), mul(i, g));
    if (r->clip > 0) c = vmax(num(b, -r->clip), vmin(num(b, r->clip), c));
    c = nest_let(b, "cell", state_value(nest_let(b, "sum", c)));
    Val h = nest_let(b, "made", state_value(nest_let(b, "hidden", mul(o, vtanh(c)))));
    store_unit(u, u->core->c, v, c);
    note_row(u, 0, v, i);
    note_row(u, r->units, v, f);
    note_row(u, 2 * r->units, v, g);
    note_row(u, 3 * r->units, v, o);
    give_c(u, v, c);
    if (r->project) {
      store_unit(u, u->core->middle, v, h);
      note_row(u, u->core->at.middle, v, h);
      continue;
    }
    store_unit(u, u->core->next, v, h);
    give_h(u, v, h);
  }
}

static void projected_units(const Units *u) {
  for (int v = 0; v < u->vectors; v++) {
    store_unit(u, u->core->h, v, unit_sum(u, 0, v));
    give_h(u, v, unit_sum(u, 0, v));
  }
}

static void give_gru(const Units *u, Buf *to, int v, Val z, Val n) {
  Nest *b = u->core->l->b;
  Val candidate = nest_let(b, "n", n);
  Val mean = nest_let(b, "mean", fma_(z, sub(load_unit(u, u->core->h, v), candidate), candidate));
  Val h = nest_let(b, "made", state_value(mean));
  note_row(u, 2 * u->core->r->units, v, candidate);
  store_unit(u, to, v, h);
  give_h(u, v, h);
}

static void gru_units(const Units *u) {
  Nest *b = u->core->l->b;
  const Recurrent *r = u->core->r;
  for (int v = 0; v < u->vectors; v++) {
    Val reset = nest_let(b, "r", gate_factor(unit_sum(u, 0, v))),
        z = nest_let(b, "z", gate_factor(unit_sum(u, 1, v)));
    Val q = nest_let(b, "q", r->before ? mul(reset, load_unit(u, u->core->h, v)) : unit_sum(u, 2, v));
    note_row(u, 0, v, reset);
    note_row(u, r->units, v, z);
    note_row(u, u->core->at.state, v, q);
    if (!r->before) {
      give_gru(u, u->core->next, v, z, vtanh(fma_(reset, q, gate_at(u, 2, v))));
      continue;
    }
    store_unit(u, u->core->middle, v, r->reads ? rounding_rounded(&u->core->steps, q) : q);
    store_unit(u, u->core->z, v, z);
  }
}

static void candidate_units(const Units *u) {
  for (int v = 0; v < u->vectors; v++)
    give_gru(u, u->core->h, v, nest_let(u->core->l->b, "z", load_unit(u, u->core->z, v)),
             vtanh(unit_sum(u, 0, v)));
}

static void rnn_units(const Units *u) {
  Nest *b = u->core->l->b;
  for (int v = 0; v < u->vectors; v++) {
    Val sum = unit_sum(u, 0, v),
        h = nest_let(b, "made", state_value(u->core->r->relu ? vmax(num(b, 0), sum) : vtanh(sum)));
    store_unit(u, u->core->next, v, h);
    give_h(u, v, h);
  }
}

/* ---- products ---- */
/* The sums of a product for one row, computed in the order of the stored weights, or backwards. */
typedef struct Pass {
  const Core *core;
  const Product *product;
  const Ix *row;
  UnitsBody *body;
  bool back;
} Pass;

static Ix in_pass_order(const Pass *pass, const Ix *at, int64_t n) {
  const Ix none = {0};
  return pass->back ? none + (n - 1) - *at : *at;
}

/* The initial value of the sums of gate g. */
static Val first_term(const Units *u, const Product *p, int g, int v) {
  const Core *core = u->core;
  const Recurrent *r = core->r;
  const bool second = p == &core->product[1];
  if (second && r->cell == CELL_LSTM) return num(core->l->b, 0);
  if (second) return gate_at(u, 2, v);
  if (r->cell != CELL_GRU || r->before || g < 2) return gate_at(u, g, v);
  if (!core->bias) return num(core->l->b, 0);
  const Ix none = {0}, c = *u->unit + (2 * r->units + v * u->lanes);
  return walk_load(core->l, core->bias, &none, &none, &c, v == u->vectors - 1 ? u->part : u->lanes, u->lanes);
}

/* Adds the products of a number (in bf16, of a word of two numbers) with the weights of all gates. */
static void add_gate_products(const Units *u, const Product *p, const Ix *block, const Ix *at,
                              const Ix *word) {
  Nest *b = u->core->l->b;
  const Ref from = nest_at(b, p->from, p->word * *word);
  const bool pairs = p->word == 2;
  Val x = nest_let(b, "x", pairs ? splat(nest_load_pairs(b, from, 1), u->lanes) : nest_load(b, from, 1));
  for (int g = 0; g < p->gates; g++)
    for (int v = 0; v < u->vectors; v++) {
      const Ref sum = nest_at(b, u->sum, g, v),
                weight = nest_at(b, p->weight, *block, *word, g, p->word * (*at + v * u->lanes));
      if (pairs) nest_store(b, sum, dot_bf16(x, nest_load_pairs(b, weight, u->lanes), nest_get(b, sum)));
      else nest_accumulate(b, sum, x, nest_load(b, weight, u->lanes));
    }
}

static void sum_units(const Pass *pass, const Ix *block, const Ix *at, int vectors, int part, int lanes) {
  const Core *core = pass->core;
  const Product *p = pass->product;
  Nest *b = core->l->b;
  const Ix unit = *block * p->block + *at;
  Units u = {core,    pass->row, &unit, NEST_REGISTERS(b, "sum", lanes, p->gates, vectors),
             vectors, part,      lanes};
  for (int g = 0; g < p->gates; g++)
    for (int v = 0; v < vectors; v++) nest_store(b, nest_at(b, u.sum, g, v), first_term(&u, p, g, v));
  NEST_FOR(b, k, p->words) {
    const Ix word = in_pass_order(pass, &k, p->words);
    add_gate_products(&u, p, block, at, &word);
  }
  pass->body(&u);
}

static void whole_blocks(const Pass *pass, int vectors, int lanes) {
  const Product *p = pass->product;
  Nest *b = pass->core->l->b;
  const int64_t blocks = p->units / p->block, side = vectors * lanes;
  if (blocks)
    NEST_FOR(b, block, blocks)
      NEST_FOR(b, part, p->block / side) {
        const Ix of = in_pass_order(pass, &block, blocks),
                 at = in_pass_order(pass, &part, p->block / side) * side;
        sum_units(pass, &of, &at, vectors, lanes, lanes);
      }
}

/* Visits all units of a row: the complete blocks, the complete groups of `vectors` vectors in the incomplete
 * last block, and the remaining units. */
static void each_unit(const Pass *pass) {
  const Product *p = pass->product;
  Lower *l = pass->core->l;
  Nest *b = l->b;
  const int lanes = core_lanes(l), most = MOST_SUMS / (int)(p->gates == 3 ? MOST_GATES : p->gates),
            vectors = lanes == 1 ? 1 : (int)smaller(most, p->block / lanes);
  const int64_t side = vectors * lanes, left = p->units % p->block;
  const Ix none = {0}, last = none + p->units / p->block, rest = none + left / side * side;
  if (!pass->back) whole_blocks(pass, vectors, lanes);
  if (left / side)
    NEST_FOR(b, part, left / side) {
      const Ix at = part * side;
      sum_units(pass, &last, &at, vectors, lanes, lanes);
    }
  if (left % side)
    sum_units(pass, &last, &rest, (int)ceil_divide(left % side, lanes), (int)((left % side - 1) % lanes + 1),
              lanes);
  if (pass->back) whole_blocks(pass, vectors, lanes);
}

/* ---- the core ---- */
static Buf *core_scratch(Lower *l, const char *name, int64_t n) { return lower_scratch(l, name, 1, &n); }

/* Scratch for n operands of a product; in bf16, n is rounded up to whole words. */
static Buf *operand_scratch(const Core *core, const char *name, int64_t n) {
  return core->r->bf16 ? lower_scratch_of(core->l, name, BF16, 1, (int64_t[]){ceil_divide(n, 2) * 2})
                       : core_scratch(core->l, name, n);
}

static Core core_of(Lower *l) {
  const Recurrent *r = recurrent_of(l->node);
  Core core = {.l = l, .r = r, .at = recurrent_value(r)};
  const int64_t gates = r->cell == CELL_GRU && r->before ? 2 : r->gates;
  core.product[0] = pack_product(l, "weight", CORE_WEIGHT, 0, gates, r->units, r->outputs);
  if (r->project)
    core.product[1] = pack_product(l, "projection", CORE_PROJECTION, 0, 1, r->outputs, r->units);
  else if (gates < r->gates)
    core.product[1] = pack_product(l, "candidate", CORE_WEIGHT, gates, 1, r->units, r->units);
  if (r->cell == CELL_GRU && !r->before) core.bias = lower_weight(l, CORE_BIAS);
  core.product[0].from = core.h = core_scratch(l, "h", r->outputs);
  if (r->reads || r->bf16) core.product[0].from = core.read = operand_scratch(&core, "read", r->outputs);
  if (r->cell == CELL_LSTM) core.c = core_scratch(l, "c", r->units);
  if (core.product[1].weight) core.product[1].from = core.middle = operand_scratch(&core, "middle", r->units);
  else core.next = core_scratch(l, "next", r->units);
  if (r->cell == CELL_GRU && r->before) core.z = core_scratch(l, "update", r->units);
  return core;
}

static void copy_start(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  Buf *const *buf = context;
  walk_put(l, buf[0], walk_load(l, buf[1], y, x, c, part, lanes), y, x, c, part, lanes);
}

static void clear_start(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  Buf *buf = *(Buf *const *)context;
  Val zero = splat(num(l->b, 0), lanes);
  walk_put(l, buf, buf->type.elem == BF16 ? convert(zero, BF16) : zero, y, x, c, part, lanes);
}

static void start_core(Lower *l, Buf *state, int input) {
  const Ix none = {0};
  Buf *both[2] = {state, input ? l->in[input] : NULL};
  if (state) walk_channels(l, state->dim[0], &none, &none, input ? copy_start : clear_start, both);
}

static void give_last(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  lower_store(l, walk_load(l, *(Buf *const *)context, y, x, c, part, lanes), y, x, c, part, lanes);
}

static void round_h(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                    const void *context) {
  const Core *core = context;
  Val h = walk_load(l, core->h, y, x, c, part, lanes);
  walk_put(l, core->read, core->r->bf16 ? convert(h, BF16) : rounding_rounded(&core->steps, h), y, x, c, part,
           lanes);
}

/* Clears a vector of n operands, if its last word has padding. */
static void clear_padding(Lower *l, Buf *operands, int64_t n) {
  const Ix none = {0};
  if (operands && n < operands->dim[0])
    walk_channels(l, operands->dim[0], &none, &none, clear_start, &operands);
}

static void core_row(const Core *core, const Ix *step, bool back) {
  static UnitsBody *const first[] = {lstm_units, gru_units, rnn_units};
  const Recurrent *r = core->r;
  const Ix none = {0}, row = r->reverse ? none + (r->rows - 1) - *step : *step;
  if (core->read) walk_channels(core->l, r->outputs, &none, &none, round_h, core);
  each_unit(&(Pass){core, &core->product[0], &row, first[r->cell], back});
  if (core->product[1].weight)
    each_unit(&(Pass){core, &core->product[1], &row, r->cell == CELL_LSTM ? projected_units : candidate_units,
                      back});
}

static void keep_next(const Core *core) {
  const Ix none = {0};
  if (core->next)
    walk_channels(core->l, core->r->units, &none, &none, copy_start, (Buf *[]){core->h, core->next});
}

/* A core with its two buffers of h exchanged, if it has two: it reads h of the previous row from core->next,
 * and stores the new h in core->h. */
static Core core_exchanged(const Core *core) {
  Core other = *core;
  if (!core->next) return other;
  other.h = core->next;
  if (!core->read) other.product[0].from = other.h;
  other.next = core->h;
  return other;
}

/* Whether every other row reads the weights backwards, so that the weights read last are still in a cache. */
static bool turns(const Core *core) {
  const Lower *l = core->l;
  const int64_t weights = core->product[0].gates * core->product[0].units * core->product[0].numbers;
  return core_lanes(l) > 1 && core->r->rows > 1 &&
         weights * elem_bytes(node_weight_elem(l->node)) > l->layout->l1 / 2;
}

void recurrent_lower_core(Lower *l) {
  Nest *b = l->b;
  Core core = core_of(l);
  const Recurrent *r = core.r;
  const int64_t pairs = turns(&core) ? r->rows / 2 : 0;
  nest_fn(b, b->name, false);
  if (r->reads) core.steps = recurrent_steps(l);
  clear_padding(l, core.read, r->outputs);
  clear_padding(l, core.middle, r->units);
  start_core(l, core.h, r->hidden);
  start_core(l, core.c, r->state);
  if (pairs)
    NEST_FOR(b, pair, pairs) {
      const Ix step = 2 * pair, next = 2 * pair + 1;
      const Core other = core_exchanged(&core);
      core_row(&core, &step, false);
      core_row(&other, &next, true);
    }
  if (2 * pairs < r->rows)
    NEST_FROM(b, step, 2 * pairs, r->rows) {
      core_row(&core, &step, false);
      keep_next(&core);
    }
  const Ix none = {0};
  if (r->last && core.at.width == r->outputs && !r->records)
    walk_channels(l, r->outputs, &none, &none, give_last, &core.h);
}
