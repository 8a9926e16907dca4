/* recurrent_eval.c: Reference of recurrent layers, in double, row by row. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "ops/recurrent/recurrent.h"

static double sigma(double x) { return 1 / (1 + exp(-x)); }

/* Returns start + the sum of weight[i] * x[i], added in this order. */
static double sum_on(double start, const double *weight, const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) start += weight[i] * x[i];
  return start;
}

/* ---- gates ---- */
typedef struct Parameters { /* parameters of one direction; a member is NULL if the layer does not have it */
  const double *input, *input_bias, *hidden_bias, *hidden, *projection;
  RoundingGrid grid; /* QAT: how h is rounded before it is multiplied by weights */
} Parameters;

/* x as an operand of a product: with bf16, x is rounded. */
static double product_operand(const Recurrent *r, double x) { return r->bf16 ? bf16_nearest(x) : x; }

/* x: the rows of the input, as operands of products. */
static void run_gates(const Recurrent *r, const Parameters *p, const double *x, double *gates) {
  const int64_t sums = r->gates * r->units, both = recurrent_summed_bias(r);
  for (int64_t t = 0; t < r->rows; t++)
    for (int64_t s = 0; s < sums; s++) {
      double bias = p->input_bias ? p->input_bias[s] : 0;
      if (p->hidden_bias && s < both) bias += p->hidden_bias[s];
      gates[t * sums + s] = sum_on(bias, p->input + s * r->channels, x + t * r->channels, r->channels);
    }
}

void recurrent_eval_gates(const Eval *eval) {
  const Parameters p = {
      eval->weight[INPUT_WEIGHT], eval->weight[INPUT_BIAS], eval->weight[HIDDEN_BIAS], NULL, NULL, {0}};
  run_gates(recurrent_of(eval->node), &p, eval->in[0], eval->out);
}

/* ---- the core ---- */
typedef struct Row { /* a row of the core; h, c: those of the previous row */
  const Recurrent *r;
  const Parameters *p;
  const double *gates, *h, *c;
  double *to, *read; /* to: record of this row; read: h as operand of products, rounded in QAT and bf16 */
} Row;

static void read_rounded(const Row *row, const double *from) {
  for (int64_t k = 0; k < row->r->outputs; k++)
    row->read[k] = product_operand(row->r, rounding_nearest(&row->p->grid, from[k]));
}

static double gate_sum(const Row *row, int64_t gate, int64_t u) {
  const int64_t s = gate * row->r->units + u;
  return sum_on(row->gates[s], row->p->hidden + s * row->r->outputs, row->read, row->r->outputs);
}

static void lstm_row(const Row *row) {
  const Recurrent *r = row->r;
  const Record at = recurrent_record(r);
  const int64_t units = r->units;
  double *middle = row->to + (r->project ? at.middle : at.hidden);
  for (int64_t u = 0; u < units; u++) {
    const double i = sigma(gate_sum(row, 0, u)), f = sigma(gate_sum(row, 1, u)),
                 g = tanh(gate_sum(row, 2, u)), o = sigma(gate_sum(row, 3, u));
    double c = f * row->c[u] + i * g;
    if (r->clip > 0 && fabs(c) > r->clip) c = copysign(r->clip, c);
    row->to[u] = i;
    row->to[units + u] = f;
    row->to[2 * units + u] = g;
    row->to[3 * units + u] = o;
    row->to[at.state + u] = c;
    middle[u] = o * tanh(c);
  }
  for (int64_t u = 0; u < units && r->project; u++) middle[u] = product_operand(r, middle[u]);
  for (int64_t j = 0; j < r->outputs && r->project; j++)
    row->to[at.hidden + j] = sum_on(0, row->p->projection + j * units, middle, units);
}

static void gru_row(const Row *row) {
  const Recurrent *r = row->r;
  const Record at = recurrent_record(r);
  const int64_t units = r->units;
  double *reset = row->to, *update = row->to + units, *q = row->to + at.state;
  for (int64_t u = 0; u < units; u++) {
    reset[u] = sigma(gate_sum(row, 0, u));
    update[u] = sigma(gate_sum(row, 1, u));
    q[u] = reset[u] * row->h[u];
  }
  if (r->before) read_rounded(row, q);
  for (int64_t u = 0; u < units; u++) {
    const int64_t s = 2 * units + u;
    double sum;
    if (r->before) sum = gate_sum(row, 2, u);
    else sum = row->gates[s];
    row->to[s] = sum;
  }
  for (int64_t u = 0; u < units; u++) {
    const int64_t s = 2 * units + u;
    if (!r->before) {
      q[u] = sum_on(row->p->hidden_bias ? row->p->hidden_bias[s] : 0, row->p->hidden + s * units, row->read,
                    units);
      row->to[s] += reset[u] * q[u];
    }
    const double n = row->to[s] = tanh(row->to[s]);
    row->to[at.hidden + u] = (1 - update[u]) * n + update[u] * row->h[u];
  }
}

static void rnn_row(const Row *row) {
  for (int64_t u = 0; u < row->r->units; u++) {
    const double sum = gate_sum(row, 0, u);
    row->to[u] = !row->r->relu ? tanh(sum) : sum < 0 ? 0 : sum; /* relu(NaN) is NaN */
  }
}

/* below: number of initial rows with negative indices, which do not change h and c. */
static void run_core(Arena *arena, const Recurrent *r, const Parameters *p, const double *gates,
                     const double *h, const double *c, int64_t below, double *record) {
  static void (*const rows[])(const Row *) = {lstm_row, gru_row, rnn_row};
  const Record at = recurrent_record(r);
  double *read = NEW_ARRAY(arena, double, r->outputs);
  for (int64_t step = 0; step < r->rows; step++) {
    const int64_t t = recurrent_row(r, step);
    double *to = record + t * at.width;
    const Row row = {r, p, gates + t * r->gates * r->units, h, c, to, read};
    if (step >= below) {
      read_rounded(&row, h);
      rows[r->cell](&row);
    } else {
      memcpy(to + at.state, c, (size_t)(r->cell == CELL_LSTM ? r->units : 0) * sizeof *to);
      memcpy(to + at.hidden, h, (size_t)r->outputs * sizeof *to);
    }
    h = to + at.hidden;
    c = to + at.state;
  }
}

/* Copies the part of a record that the layer returns: h of all rows, or of the row computed last. */
static void give(const Recurrent *r, const double *record, double *out, int64_t pitch) {
  const Record at = recurrent_record(r);
  for (int64_t t = 0; t < r->rows; t++)
    if (!r->last || t == recurrent_row(r, r->rows - 1))
      memcpy(out + (r->last ? 0 : t * pitch), record + t * at.width + at.hidden,
             (size_t)r->outputs * sizeof *out);
}

static const double *start_from(const Eval *eval, int input, const double *zeros) {
  return input ? eval->in[input] : zeros;
}

/* The rounding grid of a core; nodes without `reads` do not round. */
static RoundingGrid core_grid(const Eval *eval) {
  const QatRounding *reads = recurrent_of(eval->node)->reads;
  return reads ? rounding_grid(reads, eval->weight[CORE_RANGE], eval->weight[PART_SWITCH])
               : (RoundingGrid){0};
}

static Parameters core_parameters(const Eval *eval) {
  return (Parameters){
      NULL,           NULL, eval->weight[CORE_BIAS], eval->weight[CORE_WEIGHT], eval->weight[CORE_PROJECTION],
      core_grid(eval)};
}

void recurrent_eval_record(const Eval *eval) {
  const Recurrent *r = recurrent_of(eval->node);
  const Parameters p = core_parameters(eval);
  Arena *arena = arena_new();
  const double *zeros = NEW_ARRAY(arena, double, r->units + r->outputs);
  run_core(arena, r, &p, eval->in[0], start_from(eval, r->hidden, zeros), start_from(eval, r->state, zeros),
           0, eval->out);
  arena_free(arena);
}

void recurrent_eval_core(const Eval *eval) {
  const Recurrent *r = recurrent_of(eval->node);
  const Record from = recurrent_record(r), to = recurrent_value(r);
  Arena *arena = arena_new();
  Eval of = *eval;
  of.out = NEW_ARRAY(arena, double, r->rows *from.width);
  recurrent_eval_record(&of);
  if (to.width == r->outputs) give(r, of.out, eval->out, r->outputs);
  for (int64_t t = 0; t < r->rows && to.width > r->outputs; t++) {
    double *row = eval->out + t * to.width;
    memcpy(row + to.hidden, of.out + t * from.width + from.hidden, (size_t)r->outputs * sizeof *row);
    memcpy(row + to.state, of.out + t * from.width + from.state, (size_t)r->units * sizeof *row);
  }
  arena_free(arena);
}

/* ---- the layer ---- */
double *recurrent_layer_record(Arena *arena, const Recurrent *r, int way, const double *const *in,
                               const double *const *weights) {
  const double *const *weight = weights + way * DIRECTION_WEIGHTS;
  const Parameters p = {weight[INPUT_WEIGHT],  weight[INPUT_BIAS], weight[HIDDEN_BIAS],
                        weight[HIDDEN_WEIGHT], weight[PROJECTION], {0}};
  double *gates = NEW_ARRAY(arena, double, r->rows * r->gates * r->units),
         *record = NEW_ARRAY(arena, double, r->rows *recurrent_record(r).width),
         *zeros = NEW_ARRAY(arena, double, r->units + r->outputs),
         *x = NEW_ARRAY(arena, double, r->rows * r->channels);
  const double first = r->calls ? in[r->calls][0] * (double)r->first.rows + (double)r->first.offset : 0;
  for (int64_t i = 0; i < r->rows * r->channels; i++) x[i] = product_operand(r, in[0][i]);
  run_gates(r, &p, x, gates);
  run_core(arena, r, &p, gates, r->hidden ? in[r->hidden] + way * r->outputs : zeros,
           r->state ? in[r->state] + way * r->units : zeros, first < 0 ? (int64_t)-first : 0, record);
  return record;
}

void recurrent_eval(const Eval *eval) {
  const Node *layer = eval->node;
  const int directions = recurrent_directions(layer);
  for (int d = 0; d < directions; d++) {
    const Recurrent r = recurrent_direction(layer, d);
    Arena *arena = arena_new();
    give(&r, recurrent_layer_record(arena, &r, d, eval->in, eval->weight), eval->out + d * r.outputs,
         directions * r.outputs);
    arena_free(arena);
  }
}

void recurrent_eval_final(const Eval *eval) {
  const Recurrent r = recurrent_direction(eval->node->in[0], 0);
  const Record at = recurrent_record(&r);
  const bool cell = eval->node->detail != NULL;
  Arena *arena = arena_new();
  const double *record = recurrent_layer_record(arena, &r, 0, eval->in + 2, eval->weight);
  memcpy(eval->out, record + (r.rows - 1) * at.width + (cell ? at.state : at.hidden),
         (size_t)shape_elements(eval->node->shape) * sizeof *record);
  arena_free(arena);
}

/* ---- slopes ---- */
typedef struct BackRow {
  const Recurrent *r;
  const double *weight, *projection, *record, *h, *c; /* h and c of the previous row */
  double *dh, *dc, *to; /* dh, dc: gradients of h and c of this row, then of the previous row */
  double *spare;        /* scratch: one number per unit */
  RoundingGrid grid;    /* QAT: rounding of h where it was multiplied by weights */
} BackRow;

/* Adds the slopes of n sums, multiplied by rows first .. first+n-1 of the weights, to dh (the gradients of
 * `h`). In QAT, gradients of clipped elements of h are left unchanged. */
static void through_weights(const BackRow *row, const double *slope, int64_t first, int64_t n,
                            const double *h, double *dh) {
  const int64_t outputs = row->r->outputs;
  for (int64_t k = 0; k < outputs; k++)
    for (int64_t s = 0; s < n && !rounding_clips(&row->grid, h[k]); s++)
      dh[k] += slope[s] * row->weight[(first + s) * outputs + k];
}

static void lstm_back(const BackRow *row) {
  const Recurrent *r = row->r;
  const Record at = recurrent_record(r);
  const int64_t units = r->units, other = recurrent_slopes(r).other;
  double *dm = row->spare;
  for (int64_t u = 0; u < units; u++) {
    dm[u] = r->project ? 0 : row->dh[u];
    for (int64_t j = 0; j < r->outputs && r->project; j++)
      dm[u] += row->dh[j] * row->projection[j * units + u];
  }
  for (int64_t j = 0; j < r->outputs && r->project; j++) row->to[other + j] = row->dh[j];
  for (int64_t u = 0; u < units; u++) {
    const double i = row->record[u], f = row->record[units + u], g = row->record[2 * units + u],
                 o = row->record[3 * units + u], c = row->record[at.state + u], curve = tanh(c);
    double dc = row->dc[u] + dm[u] * o * (1 - curve * curve);
    if (r->clip > 0 && fabs(c) >= r->clip) dc = 0;
    row->to[u] = dc * g * i * (1 - i);
    row->to[units + u] = dc * row->c[u] * f * (1 - f);
    row->to[2 * units + u] = dc * i * (1 - g * g);
    row->to[3 * units + u] = dm[u] * curve * o * (1 - o);
    row->dc[u] = dc * f;
  }
  for (int64_t k = 0; k < r->outputs; k++) row->dh[k] = 0;
  through_weights(row, row->to, 0, 4 * units, row->h, row->dh);
}

static void gru_back(const BackRow *row) {
  const Recurrent *r = row->r;
  const Record at = recurrent_record(r);
  const int64_t units = r->units, other = recurrent_slopes(r).other;
  double *scaled = row->spare; /* reset=before: gradients of r*h */
  for (int64_t u = 0; u < units; u++) scaled[u] = 0;
  for (int64_t u = 0; u < units; u++) {
    const double z = row->record[units + u], n = row->record[2 * units + u];
    row->to[units + u] = row->dh[u] * (row->h[u] - n) * z * (1 - z);
    row->to[2 * units + u] = row->dh[u] * (1 - z) * (1 - n * n);
  }
  if (r->before) through_weights(row, row->to + 2 * units, 2 * units, units, row->record + at.state, scaled);
  for (int64_t u = 0; u < units; u++) {
    const double reset = row->record[u], z = row->record[units + u], dn = row->to[2 * units + u];
    const double inner = r->before ? scaled[u] * row->h[u] : dn * row->record[at.state + u];
    row->to[u] = inner * reset * (1 - reset);
    row->dh[u] = row->dh[u] * z + scaled[u] * reset;
    if (r->before) continue;
    row->to[other + u] = row->to[u];
    row->to[other + units + u] = row->to[units + u];
    row->to[other + 2 * units + u] = dn * reset;
  }
  through_weights(row, row->to, 0, 2 * units, row->h, row->dh);
  if (!r->before) through_weights(row, row->to + other + 2 * units, 2 * units, units, row->h, row->dh);
}

static void rnn_back(const BackRow *row) {
  const int64_t units = row->r->units;
  for (int64_t u = 0; u < units; u++) {
    const double h = row->record[u];
    row->to[u] = !row->r->relu ? row->dh[u] * (1 - h * h) : h <= 0 ? 0 : row->dh[u];
  }
  for (int64_t u = 0; u < units; u++) row->dh[u] = 0;
  through_weights(row, row->to, 0, units, row->h, row->dh);
}

int recurrent_final_cell(const Node *slopes) {
  const Recurrent *r = recurrent_of(slopes);
  const int n = 2 + (r->hidden > 0) + (r->state > 0);
  return slopes->nin > n ? n : 0;
}

void recurrent_eval_slopes(const Eval *eval) {
  static void (*const rows[])(const BackRow *) = {lstm_back, gru_back, rnn_back};
  const Recurrent *r = recurrent_of(eval->node);
  const Record at = recurrent_record(r);
  const Slopes to = recurrent_slopes(r);
  const double *dy = eval->in[0], *record = eval->in[1];
  Arena *arena = arena_new();
  double *zeros = NEW_ARRAY(arena, double, r->units + r->outputs), *dh = NEW_ARRAY(arena, double, r->outputs),
         *dc = NEW_ARRAY(arena, double, r->units), *spare = NEW_ARRAY(arena, double, r->units);
  const int final = recurrent_final_cell(eval->node);
  for (int64_t u = 0; u < r->units && final; u++) dc[u] = eval->in[final][u];
  for (int64_t step = r->rows - 1; step >= 0; step--) {
    const int64_t t = recurrent_row(r, step);
    const double *before = step ? record + recurrent_row(r, step - 1) * at.width : NULL;
    for (int64_t k = 0; k < r->outputs; k++)
      if (!r->last) dh[k] += dy[t * r->outputs + k];
      else if (step == r->rows - 1) dh[k] = dy[k];
    rows[r->cell](
        &(BackRow){r, eval->weight[CORE_WEIGHT], eval->weight[CORE_PROJECTION], record + t * at.width,
                   before ? before + at.hidden : start_from(eval, r->hidden ? r->hidden + 1 : 0, zeros),
                   before ? before + at.state : start_from(eval, r->state ? r->state + 1 : 0, zeros), dh, dc,
                   eval->out + t * to.width, spare, core_grid(eval)});
  }
  if (to.rows > r->rows) {
    double *start = eval->out + r->rows * to.width;
    for (int64_t k = 0; k < to.width; k++)
      start[k] = k < r->outputs ? dh[k] : k < r->outputs + r->units ? dc[k - r->outputs] : 0;
  }
  arena_free(arena);
}

/* ---- gradients of the weights that multiply h or a value computed from h ---- */
static void add_outer(const Eval *eval, const Recurrent *r, const Outer *o) {
  const RoundingGrid grid = core_grid(eval);
  const Record at = recurrent_record(r);
  const Slopes slopes = recurrent_slopes(r);
  for (int64_t step = 0; step < r->rows; step++) {
    const double *d = eval->in[0] + recurrent_row(r, step) * slopes.width + o->slope;
    const double *x = eval->in[1] + recurrent_row(r, step) * at.width + o->from;
    if (o->moved && step) x = eval->in[1] + recurrent_row(r, step - 1) * at.width + o->from;
    else if (o->moved && r->hidden) x = eval->in[2];
    else if (o->moved) continue;
    for (int64_t s = 0; s < o->n; s++)
      for (int64_t k = 0; k < o->columns; k++)
        eval->out[(o->first + s) * o->columns + k] += d[s] * rounding_nearest(&grid, x[k]);
  }
}

void recurrent_eval_weights(const Eval *eval) {
  const Recurrent *r = recurrent_of(eval->node);
  Outer outer[MOST_OUTERS];
  const int n = recurrent_outers(r, eval->node->hidden->wrt, outer);
  for (int i = 0; i < n; i++) add_outer(eval, r, &outer[i]);
}
