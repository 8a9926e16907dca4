/* measure.c: Quantization error per layer: runs the float net and the int8 model in the reference interpreter
 * on a few samples, and each int8 layer also on the float net's values. Measurements of recurrent layers. */
// SPDX-License-Identifier: Apache-2.0
#include "quantize/measure.h"
#include "quantize/calibrate.h"
#include <math.h>
#include "reference/eval.h"
#include "graph/op.h"
#include "base/arithmetic.h"
#include "ops/recurrent/recurrent.h"

typedef struct Measuring {
  const Graph *floats, *bytes;
  const double *weights, *kept; /* weights: of the float net; kept: of the int8 model's float layers */
  const Node **like;            /* by node id of `bytes`: the node of `floats` with the same value, or NULL */
  Measured *of;
} Measuring;

/* ---- values ---- */
static double real_of(const Node *node, double q) {
  return node->quant ? (q - node->quant->zero) * (double)node->quant->scale : q;
}

static double stored_as(const Node *node, double x) {
  if (!node->quant) return x;
  const bool wide = node->quant->wide;
  const int least = node->elem == U8 ? 0 : wide ? INT16_MIN : INT8_MIN;
  const double q = nearbyint(x / (double)node->quant->scale) + node->quant->zero;
  return fmin(fmax(q, least), least + (wide ? UINT16_MAX : UINT8_MAX));
}

/* The float net's value of an operand, quantized like the operand. If the float net has no such value, the
 * int8 model's value. */
static const double *exact(Arena *arena, const Measuring *m, const Node *node, const GraphRun *floats,
                           const GraphRun *bytes) {
  const Node *like = m->like[node->id];
  if (!like) return bytes->value[node->id];
  const int64_t n = shape_elements(node->shape);
  double *value = NEW_ARRAY(arena, double, n);
  for (int64_t i = 0; i < n; i++) value[i] = stored_as(node, floats->value[like->id][i]);
  return value;
}

static double noise_of(const Node *node, const double *q, const double *x) {
  double sum = 0;
  for (int64_t i = 0; i < shape_elements(node->shape); i++) {
    const double off = real_of(node, q[i]) - x[i];
    sum += off * off;
  }
  return sum;
}

static void add_measured_layer(Arena *arena, const Measuring *m, const Node *node, const GraphRun *floats,
                               const GraphRun *bytes) {
  const Node *like = m->like[node->id];
  if (!like || !node->quant || !node->nin || node->shape.regions) return;
  Measured *of = &m->of[like->id];
  const int64_t n = shape_elements(node->shape);
  const double *x = floats->value[like->id];
  Eval eval = {.node = node,
               .in = NEW_ARRAY(arena, const double *, node->nin + 1),
               .out = NEW_ARRAY(arena, double, n),
               .count = 1};
  for (int k = 0; k < node->nin; k++) eval.in[k] = exact(arena, m, node->in[k], floats, bytes);
  node->op->eval(&eval);
  of->there = true;
  of->noise += noise_of(node, bytes->value[node->id], x);
  of->alone += noise_of(node, eval.out, x);
  for (int64_t i = 0; i < n; i++) of->signal += x[i] * x[i];
}

/* ---- a sample ---- */
/* Converts a value to the caller's layout. */
static const double *arranged(Arena *arena, const Node *port, const double *from) {
  const Extent e = shape_extent(port->shape);
  if (!port->port->chw) return from;
  double *to = NEW_ARRAY(arena, double, e.h *e.w *e.c);
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) to[c * e.h * e.w + p] = from[p * e.c + c];
  return to;
}

static const double **one_sample(Arena *arena, const Graph *graph, int64_t sample,
                                 const double *const *input) {
  const double **one = NEW_ARRAY(arena, const double *, graph->inputs.n + 1);
  for (int i = 0; i < graph->inputs.n; i++) {
    const Node *node = graph->inputs.data[i].node;
    one[i] = arranged(arena, node, input[i] + sample * shape_elements(node->shape));
  }
  return one;
}

static void add_sample(const Measuring *m, int64_t sample, const double *const *input) {
  Arena *arena = arena_new();
  const double **one = one_sample(arena, m->floats, sample, input);
  GraphRun floats = {.count = 1, .weights = m->weights, .input = one},
           bytes = {.count = 1, .weights = m->kept, .input = one};
  graph_run(arena, m->floats, &floats);
  graph_run(arena, m->bytes, &bytes);
  for (int i = 0; i < m->bytes->nodes.n; i++)
    add_measured_layer(arena, m, m->bytes->nodes.data[i], &floats, &bytes);
  arena_free(arena);
}

/* The weights of the int8 model's float layers. */
static const double *kept_weights(Arena *arena, const Graph *bytes) {
  double *to = NEW_ARRAY(arena, double, bytes->parameters + 1);
  for (int w = 0; w < bytes->weights.n; w++) {
    const Weight *weight = bytes->weights.data[w];
    for (int64_t i = 0; i < weight->size; i++) to[weight->offset + i] = (double)weight->init.values[i];
  }
  return to;
}

static const double *doubles(Arena *arena, const float *from, int64_t n) {
  double *to = NEW_ARRAY(arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) to[i] = (double)from[i];
  return to;
}

const Measured *measure_layers(Arena *arena, const Graph *floats, const float *weights, const Graph *bytes,
                               Node *const *made, int64_t samples, const double *const *input) {
  Measuring m = {.floats = floats,
                 .bytes = bytes,
                 .weights = doubles(arena, weights, floats->parameters),
                 .kept = kept_weights(arena, bytes),
                 .like = NEW_ARRAY(arena, const Node *, bytes->nodes.n + 1),
                 .of = NEW_ARRAY(arena, Measured, floats->nodes.n + 1)};
  /* If several float nodes have the same int8 node, m.like gets the last of these float nodes: its value
   * includes the fused nodes. */
  for (int i = 0; i < floats->nodes.n; i++)
    if (made[i]) m.like[made[i]->id] = floats->nodes.data[i];
  for (int64_t n = 0; n < samples; n++) add_sample(&m, n, input);
  return m.of;
}

/* ---- recurrent layers ---- */
/* The number of gates of a row whose sums are beyond -8 .. 8. The third gate of lstm and gru, and the gate of
 * rnn, use tanh instead of sigmoid. Of an rnn with relu, only sums above 8 count. */
static int64_t clamped_gates(const Recurrent *r, const double *row) {
  static const double FLAT = 8;
  const double open = 1 / (1 + exp(-FLAT)), flat = tanh(FLAT);
  int64_t n = 0;
  for (int64_t s = 0; s < r->gates * r->units; s++) {
    const bool tangent = r->cell == CELL_RNN || s / r->units == 2;
    n += r->relu ? row[s] > FLAT : tangent ? fabs(row[s]) > flat : row[s] > open || row[s] < 1 - open;
  }
  return n;
}

static void add_features(Arena *arena, const Node *node, const double *const *in, const double *const *weight,
                         CellSeen *seen) {
  const Svdf s = svdf_of(node);
  const double *f = svdf_features(arena, &s, in, weight[FEATURE_WEIGHT]);
  for (int64_t i = (s.memory - 1) * s.features; i < (s.memory - 1 + s.rows) * s.features; i++)
    seen->most = fmax(seen->most, fabs(f[i]));
}

static void add_cells(Arena *arena, const Node *node, const GraphRun *run, int64_t samples, CellSeen *seen) {
  const double *in[MOST_INPUTS], *weight[MOST_WEIGHTS];
  for (int k = 0; k < node->nin; k++) in[k] = run->value[node->in[k]->id];
  for (int k = 0; k < node->nweights; k++)
    weight[k] = node->weight[k] ? run->weights + node->weight[k]->offset : NULL;
  if (node->op->traits.int8 == INT8_SVDF) {
    add_features(arena, node, in, weight, seen);
    return;
  }
  const int directions = recurrent_directions(node);
  for (int way = 0; way < directions; way++) {
    const Recurrent r = recurrent_direction(node, way);
    const Record at = recurrent_record(&r);
    const double *record = recurrent_layer_record(arena, &r, way, in, weight),
                 sums = (double)(r.rows * r.gates * r.units * samples * directions);
    for (int64_t t = 0; t < r.rows; t++) {
      const double *row = record + t * at.width;
      seen->clamped += (double)clamped_gates(&r, row) / sums;
      for (int64_t u = 0; u < r.units && r.cell == CELL_LSTM; u++)
        seen->most = fmax(seen->most, fabs(row[at.state + u]));
    }
  }
}

static bool has_cells(const Node *node) {
  return node->op->traits.int8 == INT8_RECURRENT || node->op->traits.int8 == INT8_SVDF;
}

const Table *measure_cells(Arena *arena, const Graph *floats, const float *weights, int64_t samples,
                           const double *const *input) {
  Table *cells = NEW(arena, Table);
  int found = 0;
  for (int i = 0; i < floats->nodes.n; i++) {
    if (!has_cells(floats->nodes.data[i])) continue;
    table_set(arena, cells, floats->nodes.data[i]->name, NEW(arena, CellSeen));
    found++;
  }
  for (int64_t n = 0; n < samples && found; n++) {
    Arena *own = arena_new();
    GraphRun run = {.count = 1,
                    .weights = doubles(own, weights, floats->parameters),
                    .input = one_sample(own, floats, n, input)};
    graph_run(own, floats, &run);
    for (int i = 0; i < floats->nodes.n; i++) {
      const Node *node = floats->nodes.data[i];
      if (has_cells(node) && run.value[i]) add_cells(own, node, &run, samples, table_find(cells, node->name));
    }
    arena_free(own);
  }
  return found && samples ? cells : NULL;
}

double measured_decibels(double signal, double noise) {
  return noise > 0 && signal > 0 ? 10 * log10(signal / noise) : HUGE_VAL;
}
