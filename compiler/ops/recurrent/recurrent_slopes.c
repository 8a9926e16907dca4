/* recurrent_slopes.c: Nests of the backward pass of a core: the slopes of its sums, from the last step to
 * the first, and the gradients of the weights of h. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "ops/recurrent/recurrent.h"

enum { TOGETHER_COLUMNS = 8, OUTER_ROWS = 4, OUTER_COLUMNS = 2 };

typedef struct Back {
  Lower *l;
  const Recurrent *r;
  Record at;
  Slopes to;
  Buf *dh, *dc; /* gradients of h and c of the current row, then of the previous row */
  Buf *sums;    /* gradients of the sums that contain h */
  Buf *inner;   /* gradients: of m with `project`, of r*h with reset=before */
  Buf *read;    /* QAT, gru: gradients of the rounded h, which the products read; or NULL */
  RoundingSteps steps;
  const Ix *row, *before, *step; /* before: the previous row, if there is one */
} Back;

RoundingSteps recurrent_steps(Lower *l) {
  Nest *b = l->b;
  Buf *range = lower_weight(l, CORE_RANGE);
  const Val on = nest_load(b, nest_at(b, lower_weight(l, PART_SWITCH), 0), 1),
            lo = range ? nest_load(b, nest_at(b, range, 0), 1) : on,
            hi = range ? nest_load(b, nest_at(b, range, 1), 1) : on;
  RoundingSteps steps = rounding_steps(b, recurrent_of(l->node)->reads, on, lo, hi);
  steps.any = nest_let(b, "rounds", steps.any);
  steps.scale = nest_let(b, "scale", steps.scale);
  steps.least = nest_let(b, "least", steps.least);
  steps.most = nest_let(b, "most", steps.most);
  return steps;
}

/* A vector of `lanes` units, starting at unit `c`; only the first `part` of them exist. */
typedef struct Place {
  const Back *back;
  const Ix *c;
  int part, lanes;
} Place;

/* ---- numbers of a unit ---- */
static Val unit_number(const Place *p, Buf *buf, int64_t channel) {
  const Ix none = {0}, c = *p->c + channel;
  return walk_load(p->back->l, buf, &none, &none, &c, p->part, p->lanes);
}

static void set_number(const Place *p, Buf *buf, int64_t channel, Val value) {
  const Ix none = {0}, c = *p->c + channel;
  walk_put(p->back->l, buf, value, &none, &none, &c, p->part, p->lanes);
}

static Val recorded(const Place *p, int64_t channel) {
  const Ix none = {0}, c = *p->c + channel;
  return walk_load(p->back->l, p->back->l->in[1], &none, p->back->row, &c, p->part, p->lanes);
}

/* A number from the record of the previous row. In the first step: from the initial value, which is input
 * `input` of the core; 0 if `input` is 0. */
static Val recorded_before(const Place *p, int64_t channel, int input) {
  const Back *k = p->back;
  Lower *l = k->l;
  Nest *b = l->b;
  const Ix none = {0}, c = *p->c + channel;
  Val start = input ? walk_load(l, l->in[input + 1], &none, &none, p->c, p->part, p->lanes)
                    : splat(num(b, 0), p->lanes);
  if (k->r->rows == 1) return start;
  return pick(b, nest_at_least(b, *k->step, 1),
              walk_load(l, l->in[1], &none, k->before, &c, p->part, p->lanes), start);
}

static void give_slope(const Place *p, int64_t channel, Val value) {
  const Ix none = {0}, c = *p->c + channel;
  lower_store(p->back->l, value, &none, p->back->row, &c, p->part, p->lanes);
}

/* x * (1 - x): the derivative of the logistic function, computed from its value x. */
static Val logistic_slope(Nest *b, Val x) { return mul(normal_factor(x), sub(num(b, 1), x)); }
static Val tanh_slope(Nest *b, Val x) { return sub(num(b, 1), mul(x, x)); }

/* ---- the cells ---- */
static void lstm_slopes(const Place *p) {
  const Back *k = p->back;
  Nest *b = k->l->b;
  const int64_t units = k->r->units;
  Val i = nest_let(b, "i", recorded(p, 0)), f = nest_let(b, "f", recorded(p, units)),
      g = nest_let(b, "g", recorded(p, 2 * units)), o = nest_let(b, "o", recorded(p, 3 * units)),
      c = nest_let(b, "cell", recorded(p, k->at.state)), curve = nest_let(b, "curve", vtanh(c)),
      dm = nest_let(b, "dm", unit_number(p, k->r->project ? k->inner : k->dh, 0));
  Val dc = add(unit_number(p, k->dc, 0), mul(mul(dm, o), tanh_slope(b, curve)));
  if (k->r->clip > 0) dc = choose(less_eq(num(b, k->r->clip), vabs(c)), num(b, 0), dc);
  dc = nest_let(b, "change", dc);
  Val slope[4] = {mul(mul(dc, g), logistic_slope(b, i)),
                  mul(mul(dc, recorded_before(p, k->at.state, k->r->state)), logistic_slope(b, f)),
                  mul(mul(dc, i), tanh_slope(b, g)), mul(mul(dm, curve), logistic_slope(b, o))};
  for (int s = 0; s < 4; s++) {
    Val given = nest_let(b, "slope", slope[s]);
    set_number(p, k->sums, s * units, given);
    give_slope(p, s * units, given);
  }
  set_number(p, k->dc, 0, mul(dc, f));
}

/* Slopes of z and of the candidate; with reset=after, also of r. */
static void candidate_slopes(const Place *p) {
  const Back *k = p->back;
  Nest *b = k->l->b;
  const int64_t units = k->r->units;
  Val dh = nest_let(b, "dh", unit_number(p, k->dh, 0)), z = nest_let(b, "z", recorded(p, units)),
      n = nest_let(b, "n", recorded(p, 2 * units));
  Val dz = nest_let(
      b, "dz", mul(mul(dh, sub(recorded_before(p, k->at.hidden, k->r->hidden), n)), logistic_slope(b, z)));
  Val dn = nest_let(b, "dn", mul(mul(dh, sub(num(b, 1), z)), tanh_slope(b, n)));
  set_number(p, k->sums, units, dz);
  give_slope(p, units, dz);
  give_slope(p, 2 * units, dn);
  if (k->r->before) {
    set_number(p, k->sums, 2 * units, dn);
    set_number(p, k->dh, 0, mul(dh, z));
    return;
  }
  Val reset = nest_let(b, "r", recorded(p, 0)), dq = nest_let(b, "dq", mul(dn, reset)),
      dr = nest_let(b, "dr", mul(mul(dn, recorded(p, k->at.state)), logistic_slope(b, reset)));
  set_number(p, k->sums, 0, dr);
  set_number(p, k->sums, 2 * units, dq);
  give_slope(p, 0, dr);
  give_slope(p, k->to.other, dr);
  give_slope(p, k->to.other + units, dz);
  give_slope(p, k->to.other + 2 * units, dq);
  set_number(p, k->dh, 0, mul(dh, z));
}

/* Slopes of r with reset=before, computed from the gradients of r*h. */
static void reset_slopes(const Place *p) {
  const Back *k = p->back;
  Nest *b = k->l->b;
  Val given = unit_number(p, k->inner, 0);
  if (k->r->reads) given = rounding_passed(&k->steps, recorded(p, k->at.state), given);
  Val inner = nest_let(b, "inner", given), reset = nest_let(b, "r", recorded(p, 0));
  Val dr = nest_let(
      b, "dr", mul(mul(inner, recorded_before(p, k->at.hidden, k->r->hidden)), logistic_slope(b, reset)));
  set_number(p, k->sums, 0, dr);
  give_slope(p, 0, dr);
  set_number(p, k->dh, 0, fma_(inner, reset, unit_number(p, k->dh, 0)));
}

static void rnn_slopes(const Place *p) {
  const Back *k = p->back;
  Nest *b = k->l->b;
  Val h = nest_let(b, "h", recorded(p, 0)), dh = unit_number(p, k->dh, 0);
  Val slope = nest_let(b, "slope",
                       k->r->relu ? choose(less_eq(h, num(b, 0)), num(b, 0), dh) : mul(dh, tanh_slope(b, h)));
  set_number(p, k->sums, 0, slope);
  give_slope(p, 0, slope);
}

typedef struct PlaceBody {
  const Back *back;
  void (*body)(const Place *);
} PlaceBody;

static void at_place(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                     const void *context) {
  const PlaceBody *of = context;
  (void)l;
  (void)y;
  (void)x;
  of->body(&(Place){of->back, c, part, lanes});
}

static void each_place(const Back *k, int64_t n, void (*body)(const Place *)) {
  const Ix none = {0};
  walk_channels(k->l, n, &none, &none, at_place, &(PlaceBody){k, body});
}

static void clear_place(const Place *p) { set_number(p, p->back->dh, 0, num(p->back->l->b, 0)); }
static void clear_cell(const Place *p) { set_number(p, p->back->dc, 0, num(p->back->l->b, 0)); }
static void begin_cell(const Place *p) {
  Lower *l = p->back->l;
  set_number(p, p->back->dc, 0, unit_number(p, l->in[recurrent_final_cell(l->node)], 0));
}
static void begin_place(const Place *p) {
  set_number(p, p->back->dh, 0, unit_number(p, p->back->l->in[0], 0));
}

static void add_place(const Place *p) {
  const Back *k = p->back;
  const Ix none = {0};
  Val dy = walk_load(k->l, k->l->in[0], &none, k->row, p->c, p->part, p->lanes);
  set_number(p, k->dh, 0, add(unit_number(p, k->dh, 0), dy));
}

static void give_dh(const Place *p) { give_slope(p, p->back->to.other, unit_number(p, p->back->dh, 0)); }

/* ---- slopes passed back through weights ---- */
typedef struct Through {
  Buf *weight, *from, *to;
  int64_t first, n; /* first row of the weight, number of rows */
  int64_t slope;    /* index in `from` of the slope for row `first` */
  bool adds;
} Through;

static void through_columns(const Columns *set, const void *context) {
  const Through *t = context;
  Nest *b = set->l->b;
  const Ix none = {0};
  Buf *sum = COLUMNS_REGISTERS(b, "sum", set);
  COLUMNS_EACH(b, set, v, c)
    nest_store(b, nest_at(b, sum, *v), t->adds ? columns_load(set, t->to, &none, &none, c) : num(b, 0));
  NEST_FOR(b, s, t->n) {
    const Ix row = s + t->first;
    Val slope = nest_let(b, "slope", nest_load(b, nest_at(b, t->from, s + t->slope), 1));
    COLUMNS_EACH(b, set, v, c)
      nest_accumulate(b, nest_at(b, sum, *v), slope, columns_load(set, t->weight, &row, &none, c));
  }
  COLUMNS_EACH(b, set, v, c)
    walk_put(set->l, t->to, nest_get(b, nest_at(b, sum, *v)), &none, &none, c, set->part, set->lanes);
}

static void bring_through(const Back *k, Through t) {
  walk_columns(k->l, t.to->dim[0], TOGETHER_COLUMNS, false, through_columns, &t);
}

/* ---- a row ---- */
/* QAT: sets the gradients of clipped elements of h to 0. */
static void pass_h(const Place *p) {
  const Back *k = p->back;
  set_number(
      p, k->dh, 0,
      rounding_passed(&k->steps, recorded_before(p, k->at.hidden, k->r->hidden), unit_number(p, k->dh, 0)));
}
static void add_read(const Place *p) {
  const Back *k = p->back;
  set_number(
      p, k->dh, 0,
      add(unit_number(p, k->dh, 0), rounding_passed(&k->steps, recorded_before(p, k->at.hidden, k->r->hidden),
                                                    unit_number(p, k->read, 0))));
}

static void lstm_row_back(const Back *k, Buf *const weight[2]) {
  const int64_t units = k->r->units;
  if (k->r->project) {
    each_place(k, k->r->outputs, give_dh);
    bring_through(k, (Through){weight[1], k->dh, k->inner, 0, k->r->outputs, 0, false});
  }
  each_place(k, units, lstm_slopes);
  bring_through(k, (Through){weight[0], k->sums, k->dh, 0, 4 * units, 0, false});
  if (k->r->reads) each_place(k, k->r->outputs, pass_h);
}

static void gru_row_back(const Back *k, Buf *const weight[2]) {
  const int64_t units = k->r->units;
  each_place(k, units, candidate_slopes);
  if (k->r->before) {
    bring_through(k, (Through){weight[0], k->sums, k->inner, 2 * units, units, 2 * units, false});
    each_place(k, units, reset_slopes);
  }
  bring_through(k, (Through){weight[0], k->sums, k->read ? k->read : k->dh, 0, (k->r->before ? 2 : 3) * units,
                             0, !k->read});
  if (k->read) each_place(k, units, add_read);
}

static void rnn_row_back(const Back *k, Buf *const weight[2]) {
  each_place(k, k->r->units, rnn_slopes);
  bring_through(k, (Through){weight[0], k->sums, k->dh, 0, k->r->units, 0, false});
  if (k->r->reads) each_place(k, k->r->units, pass_h);
}

/* ---- the last row of the slopes: gradients of the initial values ---- */
static void give_start_h(const Place *p) {
  const Back *k = p->back;
  const Ix none = {0}, row = none + k->r->rows;
  lower_store(k->l, unit_number(p, k->dh, 0), &none, &row, p->c, p->part, p->lanes);
}
static void give_start_c(const Place *p) {
  const Back *k = p->back;
  const Ix none = {0}, row = none + k->r->rows, c = *p->c + k->r->outputs;
  lower_store(k->l, unit_number(p, k->dc, 0), &none, &row, &c, p->part, p->lanes);
}
static void give_start_rest(const Place *p) {
  const Back *k = p->back;
  const Ix none = {0}, row = none + k->r->rows, c = *p->c + (k->r->outputs + (k->dc ? k->r->units : 0));
  lower_store(k->l, num(k->l->b, 0), &none, &row, &c, p->part, p->lanes);
}

static void give_start(const Back *k) {
  const int64_t rest = k->to.width - k->r->outputs - (k->dc ? k->r->units : 0);
  if (k->to.rows == k->r->rows) return;
  each_place(k, k->r->outputs, give_start_h);
  if (k->dc) each_place(k, k->r->units, give_start_c);
  if (rest) each_place(k, rest, give_start_rest);
}

static Back back_of(Lower *l) {
  const Recurrent *r = recurrent_of(l->node);
  Back k = {.l = l, .r = r, .at = recurrent_record(r), .to = recurrent_slopes(r)};
  const int64_t sums = r->gates * r->units;
  k.dh = lower_scratch(l, "dh", 1, &r->outputs);
  k.sums = lower_scratch(l, "slopes", 1, &sums);
  if (r->cell == CELL_LSTM) k.dc = lower_scratch(l, "dc", 1, &r->units);
  if (r->reads && r->cell == CELL_GRU) k.read = lower_scratch(l, "read", 1, &r->units);
  if (r->project || r->before) k.inner = lower_scratch(l, "inner", 1, &r->units);
  return k;
}

void recurrent_lower_slopes(Lower *l) {
  static void (*const rows[])(const Back *, Buf *const[2]) = {lstm_row_back, gru_row_back, rnn_row_back};
  Nest *b = l->b;
  Back k = back_of(l);
  const Recurrent *r = k.r;
  const Ix none = {0};
  Buf *weight[2] = {lower_weight(l, CORE_WEIGHT), lower_weight(l, CORE_PROJECTION)};
  nest_fn(b, b->name, false);
  if (r->reads) k.steps = recurrent_steps(l);
  each_place(&k, r->outputs, r->last ? begin_place : clear_place);
  if (k.dc) each_place(&k, r->units, recurrent_final_cell(l->node) ? begin_cell : clear_cell);
  NEST_FOR(b, back, r->rows) {
    const Ix step = none + (r->rows - 1) - back, row = r->reverse ? none + back : step,
             before = r->reverse ? row + 1 : row - 1;
    k.row = &row;
    k.step = &step;
    k.before = &before;
    if (!r->last) each_place(&k, r->outputs, add_place);
    rows[r->cell](&k, weight);
  }
  give_start(&k);
}

/* ---- gradients of weights ---- */
typedef struct OuterRows { /* n rows of the weight, starting at outer->first + row */
  const Recurrent *r;
  const Outer *outer;
  const Ix *row;
  int n;
  const RoundingSteps *steps; /* QAT: rounds the numbers of the record; or NULL */
} OuterRows;

static void outer_step(const Columns *set, const OuterRows *o, Buf *sum, const Ix *slopes_row, Buf *buf,
                       const Ix *x_row, int64_t from) {
  Lower *l = set->l;
  Nest *b = l->b;
  const Ix none = {0};
  Val slope[OUTER_ROWS];
  for (int s = 0; s < o->n; s++)
    slope[s] = nest_let(
        b, "slope", nest_load(b, nest_at(b, l->in[0], 0, *slopes_row, *o->row + (o->outer->slope + s)), 1));
  COLUMNS_EACH(b, set, v, c) {
    const Ix channel = *c + from;
    Val x = columns_load(set, buf, &none, x_row, &channel);
    x = nest_let(b, "x", o->steps ? rounding_rounded(o->steps, x) : x);
    for (int s = 0; s < o->n; s++) nest_accumulate(b, nest_at(b, sum, s, *v), slope[s], x);
  }
}

static void outer_of_columns(const Columns *set, const void *context) {
  const OuterRows *o = context;
  const Recurrent *r = o->r;
  Lower *l = set->l;
  Nest *b = l->b;
  const Ix none = {0}, first = none + recurrent_row(r, 0);
  Buf *sum = NEST_REGISTERS(b, "sum", set->lanes, o->n, set->full + set->more);
  for (int s = 0; s < o->n; s++)
    COLUMNS_EACH(b, set, v, c) nest_store(b, nest_at(b, sum, s, *v), num(b, 0));
  if (o->outer->moved && r->hidden) outer_step(set, o, sum, &first, l->in[2], &none, 0);
  if (r->rows > o->outer->moved)
    NEST_FROM(b, step, (int64_t)o->outer->moved, r->rows) {
      const Ix row = r->reverse ? none + (r->rows - 1) - step : step, of = !o->outer->moved ? row
                                                                           : r->reverse     ? row + 1
                                                                                            : row - 1;
      outer_step(set, o, sum, &row, l->in[1], &of, o->outer->from);
    }
  for (int s = 0; s < o->n; s++)
    COLUMNS_EACH(b, set, v, c) {
      const Ix row = *o->row + (o->outer->first + s);
      Val total = nest_get(b, nest_at(b, sum, s, *v));
      if (lower_adds(l)) total = add(columns_load(set, l->out, &row, &none, c), total);
      walk_put(l, l->out, total, &row, &none, c, set->part, set->lanes);
    }
}

static void outer_of_rows(Lower *l, const Recurrent *r, const Outer *outer, const RoundingSteps *steps) {
  Nest *b = l->b;
  const int64_t blocks = l->plain ? outer->n : outer->n / OUTER_ROWS, each = l->plain ? 1 : OUTER_ROWS;
  const Ix none = {0}, rest = none + blocks * each;
  if (blocks)
    NEST_FOR(b, block, blocks) {
      const Ix row = block * each;
      walk_columns(l, outer->columns, OUTER_COLUMNS, false, outer_of_columns,
                   &(OuterRows){r, outer, &row, (int)each, steps});
    }
  if (outer->n > blocks * each)
    walk_columns(l, outer->columns, OUTER_COLUMNS, false, outer_of_columns,
                 &(OuterRows){r, outer, &rest, (int)(outer->n - blocks * each), steps});
}

void recurrent_lower_weights(Lower *l) {
  const Recurrent *r = recurrent_of(l->node);
  Outer outer[MOST_OUTERS];
  const int n = recurrent_outers(r, l->node->hidden->wrt, outer);
  RoundingSteps steps;
  nest_fn(l->b, l->b->name, false);
  if (r->reads) steps = recurrent_steps(l);
  for (int i = 0; i < n; i++) outer_of_rows(l, r, &outer[i], r->reads ? &steps : NULL);
}
