/* int8_draw.c: File of random int8 weights, occasionally at their limits. The scales in the file are chosen
 * so that few elements saturate and most elements differ from each other. Values with precision=i16 in the
 * program are int16. With `some_wide`, a fifth of the other values that can be int16 is int16, too. */
// SPDX-License-Identifier: Apache-2.0
#include "int8_draw.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "graph/bf16.h"
#include "ops/arithmetic/combine.h"
#include "ops/int8/int8_recurrent.h"
#include "quantize/calibrate.h"
#include "sample.h"

enum { HUGE_BIAS = (1 << 30) + 1000, WIDE_BITS = 8 };

typedef struct Drawing {
  Arena *arena;
  const Graph *graph;
  uint64_t state;
  double *scale; /* by node id */
  bool *fused;   /* by node id: whether the node is fused into the layer before it */
  int *uses;
  bool *wide; /* stored as int16 */
  bool some_wide, rounds_floats;
  bool halves; /* some layers stay float, in bf16 */
  uint64_t seed;
  Text header, data, notes;
} Drawing;

static double between(Drawing *d, double lo, double hi) { return lo + (hi - lo) * sample_number(&d->state); }

static void put_array(Drawing *d, const char *name, const char *type, int rank, const int64_t *dim,
                      const void *from, size_t bytes) {
  text_put(&d->header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", name, type);
  for (int i = 0; i < rank; i++) text_put(&d->header, "%s%lld", i ? "," : "", (long long)dim[i]);
  text_put(&d->header, "],\"data_offsets\":[%zu,%zu]}", d->data.n, d->data.n + bytes);
  text_bytes(&d->data, from, bytes);
}

/* Whether the layer stays float: its name begins with `kept`, it has precision=bf16, it computes on regions,
 * or a random number selects it. */
static bool is_kept(const Drawing *d, const Node *node) {
  const bool drawn = d->halves && (d->seed + (uint64_t)node->id) * UINT64_C(0xd1342543de82ef95) >> 62 == 0;
  return node->op->traits.int8 == INT8_PRODUCT &&
         (strncmp(node->name, "kept", 4) == 0 || node->precision == PRECISION_BF16 || drawn ||
          (node->shape.regions && !node->shape.parts));
}

/* Whether the value may be int16. A value that is computed in float must not be int16, because its rounding
 * may differ from eval's. */
static bool can_widen(const Drawing *d, const Node *node) {
  switch (node->op->traits.int8) {
  case INT8_PRODUCT: return !is_kept(d, node);
  case INT8_SUM:
  case INT8_DIFFERENCE:
  case INT8_MULTIPLY: return combine_has_int8(node);
  case INT8_RELU:
  case INT8_RELU6:
    /* a relu may be fused into its operand, which then needs an int16 form */
    return can_widen(d, node->in[0]);
  case INT8_MATMUL:
  case INT8_LARGEST:
  case INT8_MEAN:
  case INT8_LEAKY:
  case INT8_MOVE: return true;
  default: return node_is_input(node) && node->port->elem == F32;
  }
}

/* Whether the int8 model computes this mean as the sum times one factor. This is so if the node's name begins
 * with `factor`. */
static bool is_factor(const Node *node) { return strncmp(node->name, "factor", 6) == 0; }

static bool is_wide(const Drawing *d, const Node *node) { return node->nin && d->wide[node->in[0]->id]; }

static bool draw_wide(Drawing *d, const Node *node) {
  const bool drawn = d->some_wide && sample_number(&d->state) < 0.2;
  if (is_factor(node)) return is_wide(d, node);
  if (node->op->traits.int8 == INT8_LEAKY && !is_wide(d, node)) return false;
  return can_widen(d, node) && (drawn || node->precision == PRECISION_I16);
}

/* The setting `factor` of layers whose name begins with `litert`; NULL: none. */
static const char *factor_of(const Drawing *d, const Node *node, bool wide) {
  if (strncmp(node->name, "litert", 6) != 0 || node->op->traits.int8 == INT8_RECURRENT) return NULL;
  if (node->op->traits.int8 != INT8_PRODUCT) return "float";
  return wide || is_wide(d, node) ? "double" : NULL;
}

static void note(Drawing *d, const Node *node, bool wide) {
  const char *factor = factor_of(d, node, wide), *said = "";
  if (wide) said = "\\\"precision\\\":\\\"i16\\\"";
  if (is_factor(node))
    said = arena_printf(d->arena, "%s%s\\\"mean\\\":\\\"factor\\\"", said, *said ? "," : "");
  if (factor) said = arena_printf(d->arena, "%s%s\\\"factor\\\":\\\"%s\\\"", said, *said ? "," : "", factor);
  if (*said) text_put(&d->notes, "%s\\\"%s\\\":{%s}", d->notes.n ? "," : "", node->name, said);
}

/* Writes the scale and the zero point of a value. An int16 value has a smaller scale and the zero point 0. */
static void put_scale(Drawing *d, const Node *node, double scale, int zero) {
  const int64_t one = 1;
  const bool wide = d->wide[node->id] = draw_wide(d, node);
  note(d, node, wide);
  if (wide) {
    scale /= 1 << WIDE_BITS;
    zero = 0;
  }
  const float real = (float)scale;
  const int8_t q = (int8_t)zero;
  put_array(d, arena_printf(d->arena, "%s.scale", node->name), "F32", 1, &one, &real, sizeof real);
  put_array(d, arena_printf(d->arena, "%s.zero", node->name), "I8", 1, &one, &q, 1);
  d->scale[node->id] = scale * (wide ? 1 << WIDE_BITS : 1);
}

/* A divisor of the scale of a node's result. The factors of sums, which are mostly small, become large: for
 * nodes whose name begins with `far`, and for a few others, 4 or more. */
static double nearer(Drawing *d, const Node *node, double part) {
  const bool far = strncmp(node->name, "far", 3) == 0 || sample_number(&d->state) < part;
  return far ? exp2(between(d, 2, sample_number(&d->state) < 0.2 ? 34 : 14)) : 1;
}

static int any_zero(Drawing *d) {
  const double u = sample_number(&d->state);
  return u < 0.3 ? -128 : u < 0.4 ? 127 : (int)between(d, -128, 128);
}

/* ---- layers ---- */
/* Whether the node is the first one, in the order of computation, that has the weight. Shared weights are
 * written only for this node; other layers read the same weights. */
static bool is_first(const Drawing *d, const Weight *weight, const Node *node) {
  for (int i = 0; i < d->graph->nodes.n; i++) {
    const Node *one = d->graph->nodes.data[i];
    for (int k = 0; d->uses[i] && !d->fused[i] && k < one->nweights; k++)
      if (one->weight[k] == weight) return one == node;
  }
  return false;
}

/* In some layers, makes the results of many filters constant. In some layers, sets the weights of some input
 * channels to 0. Both changes test the removal of dead channels. */
static void draw_idle(Drawing *d, const Node *node, int8_t *w, int32_t *bias, double spread) {
  const double FAR = 40;
  const int64_t filters = int8_filters(node), terms = node->weight[0]->size / filters,
                taps = node->window ? node->window->kernel[0] * node->window->kernel[1] : 1;
  /* Idle filters have constant results. dead: probability that a filter is idle; below: probability that the
   * result of an idle filter is the lower bound. */
  const double dead = sample_number(&d->state) < 0.4 ? between(d, 0.1, 0.7) : 0, below = between(d, 0, 1);
  const int64_t unread = sample_number(&d->state) < 0.3 ? 2 + (int64_t)between(d, 0, 3) : 0;
  for (int64_t f = 0; f < filters; f++) {
    const bool idle = sample_number(&d->state) < dead, low = sample_number(&d->state) < below,
               zeros = sample_number(&d->state) < 0.5;
    for (int64_t i = 0; i < terms; i++)
      if ((idle && zeros) || (unread && terms > taps && i / taps % unread == 1))
        w[int8_weight_index(node, f, i)] = 0;
    if (idle && (low || !zeros)) bias[f] = (int32_t)(low ? -FAR * spread : FAR * spread);
  }
}

static void draw_weights(Drawing *d, const Node *node) {
  const Weight *weight = node->weight[0];
  const int64_t filters = int8_filters(node), terms = weight->size / filters, one = 1;
  int8_t *w = NEW_ARRAY(d->arena, int8_t, weight->size);
  int32_t *bias = NEW_ARRAY(d->arena, int32_t, filters);
  int64_t *wide_bias = NEW_ARRAY(d->arena, int64_t, filters);
  float *scale = NEW_ARRAY(d->arena, float, filters);
  const bool all = sample_number(&d->state) < 0.3;                   /* all filters share a scale */
  const int most_weight = sample_number(&d->state) < 0.4 ? 64 : 127; /* as with --reduce-range */
  const double spread = 5400 * sqrt((double)terms), own = between(d, 0.002, 0.02);
  /* the factor is at least 4 if the scale is at most a fifth of that of the sums */
  const double unit = d->scale[node->in[0]->id] * own, far = nearer(d, node, 0.03);
  const double usual = unit * spread / between(d, 20, 90);
  put_scale(d, node, far > 1 ? unit / far : usual, any_zero(d));
  const bool wide_in = d->wide[node->in[0]->id], wide = wide_in || d->wide[node->id];
  for (int64_t f = 0; f < filters; f++) {
    const double kind = sample_number(&d->state);
    const int64_t most = (INT64_C(1) << WIDE_SUM_BITS) - terms * INT8_MAX * (wide_in ? 1 << 15 : 255);
    for (int64_t i = 0; i < terms; i++)
      w[int8_weight_index(node, f, i)] =
          (int8_t)(kind < 0.1   ? (i % 2 ? most_weight : -most_weight)
                   : kind < 0.2 ? most_weight
                   : kind < 0.3 ? 0
                                : floor(between(d, -most_weight, most_weight + 1)));
    scale[f] = (float)(all ? own : own * between(d, 0.2, 2));
    bias[f] = (int32_t)between(d, -spread, spread);
    /* HUGE_BIAS permits only the reference schedule */
    if (kind >= 0.2 && kind < 0.203) bias[f] = kind < 0.2015 ? HUGE_BIAS : -HUGE_BIAS;
    wide_bias[f] = (int64_t)bias[f] * (wide_in ? 1 << WIDE_BITS : 1);
    /* with the bias `most - 1` or `1 - most`, sums reach their upper or lower bound */
    if (kind >= 0.2 && kind < 0.22) wide_bias[f] = kind < 0.21 ? most - 1 : 1 - most;
  }
  draw_idle(d, node, w, bias, spread);
  if (!is_first(d, weight, node)) return; /* the arrays of a shared weight are written for another layer */
  put_array(d, weight->name, "I8", weight->rank, weight->dim, w, (size_t)weight->size);
  put_array(d, arena_printf(d->arena, "%s.scale", weight->name), "F32", 1, all ? &one : &filters, scale,
            sizeof *scale * (size_t)(all ? 1 : filters));
  const char *bias_name = node->nweights > 1 && node->weight[1]
                              ? node->weight[1]->name
                              : arena_printf(d->arena, "%s.bias", node->name);
  put_array(d, bias_name, wide ? "I64" : "I32", 1, &filters, wide ? (const void *)wide_bias : bias,
            (size_t)(wide ? 8 : 4) * (size_t)filters);
}

static void draw_floats(Drawing *d, const Weight *weight, const Node *node) {
  if (!weight || !is_first(d, weight, node)) return;
  float *values = NEW_ARRAY(d->arena, float, weight->size);
  for (int64_t i = 0; i < weight->size; i++) values[i] = (float)between(d, -0.5, 1);
  put_array(d, weight->name, "F32", weight->rank, weight->dim, values, sizeof *values * (size_t)weight->size);
}

/* ---- recurrent layers ---- */
/* The hidden state h of an lstm, and of an rnn with relu, has a zero point. A matrix of weights has one
 * scale, one scale per gate, or one scale per row. Sums are mostly a few thousand, so that gates are neither
 * all open nor all closed. */
static void draw_rows(Drawing *d, const Node *node, const Weight *weight, const Weight *bias, int64_t gates,
                      double in) {
  const double kind = sample_number(&d->state),
               own = between(d, 0.3, 3) * 3000 / 4096.0 / in / 74 / sqrt((double)weight->dim[1]) / 74;
  const int64_t rows = weight->dim[0], scales = kind < 0.3 ? 1 : kind < 0.7 ? gates : rows;
  int8_t *w = NEW_ARRAY(d->arena, int8_t, weight->size);
  int32_t *b = NEW_ARRAY(d->arena, int32_t, rows);
  float *scale = NEW_ARRAY(d->arena, float, rows);
  for (int64_t i = 0; i < weight->size; i++) w[i] = (int8_t)floor(between(d, -127, 128));
  for (int64_t s = 0; s < scales; s++) scale[s] = (float)(own * between(d, 0.5, 1.5));
  for (int64_t s = 0; s < rows; s++)
    b[s] = (int32_t)between(d, -5500, 5500) * (int32_t)(sample_number(&d->state) < 0.1 ? 40 : 1);
  if (!is_first(d, weight, node)) return;
  put_array(d, weight->name, "I8", 2, weight->dim, w, (size_t)weight->size);
  put_array(d, arena_printf(d->arena, "%s.scale", weight->name), "F32", 1, &scales, scale,
            sizeof *scale * (size_t)scales);
  if (!bias) return;
  int64_t *wide_bias = NEW_ARRAY(d->arena, int64_t, rows);
  for (int64_t s = 0; s < rows; s++) wide_bias[s] = (int64_t)b[s] * (1 << WIDE_BITS);
  if (is_wide(d, node))
    put_array(d, bias->name, "I64", 1, &rows, wide_bias, sizeof *wide_bias * (size_t)rows);
  else put_array(d, bias->name, "I32", 1, &rows, b, sizeof *b * (size_t)rows);
}

/* The hidden state h of an lstm is int16 if the input of the lstm is int16. */
static void put_wide_h(Drawing *d, const Node *node) {
  const int64_t one = 1;
  const float scale = (float)between(d, 2e-5, 4e-5);
  const int8_t zero = 0;
  note(d, node, true);
  put_array(d, arena_printf(d->arena, "%s.scale", node->name), "F32", 1, &one, &scale, sizeof scale);
  put_array(d, arena_printf(d->arena, "%s.zero", node->name), "I8", 1, &one, &zero, 1);
  d->wide[node->id] = true;
  d->scale[node->id] = (double)scale * (1 << WIDE_BITS);
}

static bool is_int8_recurrent(const Drawing *d, const Node *node) {
  if (node->op->traits.int8 != INT8_RECURRENT || node_given_as_float(node)) return false;
  const Recurrent r = recurrent_direction(node, 0);
  return !r.project && (!is_wide(d, node) || r.cell == CELL_LSTM);
}

static void draw_recurrent(Drawing *d, const Node *node) {
  const Recurrent r = recurrent_direction(node, 0);
  const double in = d->scale[node->in[0]->id];
  const int64_t one = 1;
  if (is_wide(d, node)) put_wide_h(d, node);
  else if (r.cell == CELL_LSTM || r.relu) put_scale(d, node, between(d, 0.005, 0.012), any_zero(d));
  else d->scale[node->id] = 1 / 128.0;
  for (int way = 0; way < recurrent_directions(node); way++) {
    Weight *const *weight = node->weight + way * DIRECTION_WEIGHTS;
    const bool apart = r.cell == CELL_GRU && !r.before;
    draw_rows(d, node, weight[INPUT_WEIGHT], weight[INPUT_BIAS], r.gates, in);
    draw_rows(d, node, weight[HIDDEN_WEIGHT], apart ? weight[HIDDEN_BIAS] : NULL, r.gates,
              d->scale[node->id]);
  }
  if (r.cell != CELL_LSTM) return;
  const bool litert = strncmp(node->name, "litert", 6) == 0;
  const float cell = (float)ldexp(1, (int)between(d, -14, litert ? -9 : -8));
  put_array(d, arena_printf(d->arena, "%s.cell.scale", node->name), "F32", 1, &one, &cell, sizeof cell);
  if (litert && !is_wide(d, node))
    text_put(&d->notes, "%s\\\"%s\\\":{\\\"kernel\\\":\\\"litert\\\"}", d->notes.n ? "," : "", node->name);
}

/* The features are int8 or int16, and some of them saturate. Sums of products of the largest features
 * and the int16 weights nearly fill 32 bits. */
static void draw_svdf(Drawing *d, const Node *node) {
  const Svdf s = svdf_of(node);
  const int64_t one = 1, n = s.features * s.memory;
  const bool wide = sample_number(&d->state) < 0.6;
  const double in = d->scale[node->in[0]->id], spread = 5400 * sqrt((double)s.channels),
               own = between(d, 0.002, 0.02);
  const char *features = arena_printf(d->arena, "%s.features", node->name);
  const int8_t zero = (int8_t)(wide ? 0 : any_zero(d));
  const float feature = (float)(in * own * spread / (wide ? 10000 : 90) * between(d, 0.5, 2)),
              scale = (float)own;
  int8_t *w = NEW_ARRAY(d->arena, int8_t, s.features *s.channels);
  int16_t *time = NEW_ARRAY(d->arena, int16_t, n);
  int32_t *bias = NEW_ARRAY(d->arena, int32_t, s.units);
  const int64_t most = ((INT64_C(1) << 31) - (1 << 21)) / (wide ? 1 << 15 : 255) / (s.rank * s.memory);
  const double largest_time = fmin(32767, (double)most);
  for (int64_t i = 0; i < s.features * s.channels; i++) w[i] = (int8_t)floor(between(d, -127, 128));
  for (int64_t i = 0; i < n; i++) time[i] = (int16_t)floor(between(d, -largest_time, largest_time));
  for (int64_t u = 0; u < s.units; u++) bias[u] = (int32_t)between(d, -(1 << 20), 1 << 20);
  const float time_scale = (float)between(d, 1e-4, 1e-3);
  put_scale(d, node,
            (double)feature * (double)time_scale * (wide ? 10000 : 74) * 0.5 * largest_time *
                sqrt((double)(s.rank * s.memory)) / between(d, 20, 90),
            any_zero(d));
  if (wide)
    text_put(&d->notes, "%s\\\"%s\\\":{\\\"precision\\\":\\\"i16\\\"}", d->notes.n ? "," : "", features);
  put_array(d, arena_printf(d->arena, "%s.scale", features), "F32", 1, &one, &feature, sizeof feature);
  put_array(d, arena_printf(d->arena, "%s.zero", features), "I8", 1, &one, &zero, 1);
  const Weight *feature_weight = node->weight[FEATURE_WEIGHT], *time_weight = node->weight[TIME_WEIGHT];
  put_array(d, feature_weight->name, "I8", 2, feature_weight->dim, w, (size_t)feature_weight->size);
  put_array(d, arena_printf(d->arena, "%s.scale", feature_weight->name), "F32", 1, &one, &scale,
            sizeof scale);
  put_array(d, time_weight->name, "I16", 2, time_weight->dim, time, sizeof *time * (size_t)n);
  put_array(d, arena_printf(d->arena, "%s.scale", time_weight->name), "F32", 1, &one, &time_scale,
            sizeof time_scale);
  if (node->weight[SVDF_BIAS])
    put_array(d, node->weight[SVDF_BIAS]->name, "I32", 1, &s.units, bias, sizeof *bias * (size_t)s.units);
}

/* Writes the scale of a function's result. The range of the result is computed from the function's values at
 * inputs between -128 and 128 times the input's scale. */
static void draw_function(Drawing *d, const Node *node) {
  enum { STEPS = 64 };
  double lo = 0, hi = 0;
  double weight[MOST_WEIGHTS] = {0};
  for (int k = 0; k < node->nweights; k++) {
    const Weight *parameter = node->weight[k];
    if (!parameter) continue;
    float *values = NEW_ARRAY(d->arena, float, parameter->size);
    for (int64_t i = 0; i < parameter->size; i++) values[i] = (float)between(d, -0.5, 1);
    weight[k] = (double)values[0];
    if (is_first(d, parameter, node))
      put_array(d, parameter->name, "F32", parameter->rank, parameter->dim, values,
                sizeof *values * (size_t)parameter->size);
  }
  for (int i = -STEPS; i <= STEPS; i++) {
    const double x = d->scale[node->in[0]->id] * 2 * i, y = node->op->map_eval(node, &x, weight, 0);
    if (isfinite(y)) lo = fmin(lo, y), hi = fmax(hi, y);
  }
  const double scale = hi > lo ? (hi - lo) / 255 : 0.01;
  put_scale(d, node, scale, (int)fmin(127, fmax(-128, -128 - lo / scale)));
}

/* The scale is drawn so that a few sums saturate. */
static void draw_matmul(Drawing *d, const Node *node) {
  const MatrixProduct p = matmul_sizes(node);
  put_scale(d, node,
            d->scale[node->in[0]->id] * d->scale[node->in[1]->id] * p.scale * 74 * sqrt((double)p.k) *
                between(d, 0.7, 3) / nearer(d, node, 0.03),
            any_zero(d));
}

/* ---- tables and factors, as written by import ---- */
/* Layers whose name begins with `table` have a table in the file. */
static bool has_table(const Node *node) { return strncmp(node->name, "table", 5) == 0; }

static void draw_table(Drawing *d, const Node *node) {
  const int64_t channels = sample_number(&d->state) < 0.5 ? 1 : shape_extent(node->shape).c,
                dim[2] = {channels, 256};
  int8_t *table = NEW_ARRAY(d->arena, int8_t, 256 * channels);
  for (int64_t i = 0; i < 256 * channels; i++) table[i] = (int8_t)floor(between(d, -128, 128));
  put_array(d, arena_printf(d->arena, "%s.table", node->name), "I8", 2, dim, table, 256 * (size_t)channels);
  put_scale(d, node, between(d, 0.005, 0.03), any_zero(d));
}

/* ---- which values have a scale ---- */
static bool is_output(const Drawing *d, const Node *node) {
  for (int o = 0; o < d->graph->outputs.n; o++)
    if (d->graph->outputs.data[o].node == node) return true;
  return false;
}

static bool takes_bounds(const Node *node) {
  return node->op->traits.int8 == INT8_PRODUCT || node->op->traits.int8 == INT8_MATMUL ||
         combine_has_int8(node);
}

/* Whether the node is fused into the layer before it, like batchnorm and relu after a convolution: the
 * layer's own result is then not rounded. */
static bool is_fused(const Drawing *d, const Node *node) {
  if (node->nin != 1 || !node->in[0]->nin) return false;
  const Node *before = node->in[0];
  if (d->uses[before->id] != 1 || is_output(d, before) || is_kept(d, before) || node_given_as_float(before))
    return false;
  if (node->op->traits.fold == FOLD_SCALE)
    return before->op->traits.int8 == INT8_PRODUCT && !weights_are_shared(d->graph, d->uses, node);
  if (node->op->traits.int8 != INT8_RELU && node->op->traits.int8 != INT8_RELU6) return false;
  return takes_bounds(before) || (d->fused[before->id] && before->op->traits.fold == FOLD_SCALE);
}

static bool is_border(const Node *node) { /* whether the node pads with zeros and crops nothing */
  int64_t before[2], after[2];
  return node->op->traits.padding && node->op->traits.padding(node, before, after) && before[0] >= 0 &&
         before[1] >= 0 && after[0] >= 0 && after[1] >= 0;
}

static double largest(const Drawing *d, const Node *node) { /* largest scale of the node's operands */
  double most = 0;
  for (int k = 0; k < node->nin; k++) most = fmax(most, d->scale[node->in[k]->id]);
  return most;
}

/* Draws the scale of a sum. If sums are rounded as floats, the scale of an addend must be less than 2^16
 * times the scale of the sum. */
static double sum_scale(Drawing *d, const Node *node) {
  const double scale = largest(d, node) * between(d, 0.9, 1.8), far = nearer(d, node, 0.05);
  return scale / (d->rounds_floats ? fmin(far, 1 << 14) : far);
}

static bool repeats(const Node *node) {
  int64_t factor[2];
  return node->op->traits.repeats && node->op->traits.repeats(node, factor);
}

static bool is_fixed(const Node *node) { /* whether the node's scale is the same in all nets */
  return node->op->traits.int8 == INT8_SOFTMAX || node->op->traits.int8 == INT8_UNIT ||
         node->op->traits.int8 == INT8_SIGNED;
}

/* Writes the scale of an int16 sigmoid, tanh or softmax, which is always 1/32768. */
static void put_unit(Drawing *d, const Node *node) {
  const int64_t one = 1;
  const float real = 1 / 32768.0f;
  const int8_t zero = 0;
  d->wide[node->id] = true;
  note(d, node, true);
  put_array(d, arena_printf(d->arena, "%s.scale", node->name), "F32", 1, &one, &real, sizeof real);
  put_array(d, arena_printf(d->arena, "%s.zero", node->name), "I8", 1, &one, &zero, 1);
  d->scale[node->id] = (double)real * (1 << WIDE_BITS);
}

/* Draws the table of an embedding. The scale of the table is that of the layer's result. */
static void draw_table_of_rows(Drawing *d, const Node *node) {
  const Weight *weight = node->weight[0];
  int8_t *table = NEW_ARRAY(d->arena, int8_t, weight->size);
  for (int64_t i = 0; i < weight->size; i++) table[i] = (int8_t)floor(between(d, -128, 128));
  put_array(d, weight->name, "I8", weight->rank, weight->dim, table, (size_t)weight->size);
  put_scale(d, node, between(d, 0.005, 0.03), any_zero(d));
}

/* Whether the elements of the value are indices, which have no scale. */
static bool has_indices(const Node *node) {
  while (node->op->traits.int8 == INT8_MOVE && node->nin == 1) node = node->in[0];
  return node->op->traits.indices || (node_is_input(node) && node->port->elem == I32);
}

/* Whether an int8 layer reads the indices that the node moves, and therefore needs a scale for them. */
static bool feeds_layer(const Drawing *d, const Node *node) {
  for (int i = 0; i < d->graph->nodes.n; i++) {
    const Node *reader = d->graph->nodes.data[i];
    if (d->uses[i] && reader->nin && reader->in[0] == node && node->op->traits.int8 == INT8_MOVE &&
        reader->op->traits.int8 == INT8_PRODUCT && !is_kept(d, reader))
      return true;
  }
  return false;
}

static void draw_value(Drawing *d, const Node *node) {
  const double first = node->nin ? d->scale[node->in[0]->id] : 0;
  d->fused[node->id] = is_fused(d, node);
  d->scale[node->id] = first;
  d->wide[node->id] = node->nin && d->wide[node->in[0]->id];
  if (d->fused[node->id] || (node->op->identity && node->op->identity(node)) || node_is_update(node)) return;
  if (node->kept) return;
  if (has_indices(node)) {
    if (feeds_layer(d, node)) put_scale(d, node, between(d, 0.05, 0.3), any_zero(d));
    return;
  }
  if (node_is_state(node)) put_scale(d, node, between(d, 0.005, 0.03), any_zero(d));
  else if (node_is_input(node))
    put_scale(d, node, between(d, 0.005, 0.03), node->port->elem == U8 ? -128 : any_zero(d));
  else if (has_table(node)) draw_table(d, node);
  else if (is_factor(node))
    put_scale(d, node, first * between(d, 0.1, 3) / nearer(d, node, 0.1), any_zero(d));
  else if (is_kept(d, node)) {
    for (int k = 0; k < node->nweights; k++) draw_floats(d, node->weight[k], node);
    put_scale(d, node, 0.05, any_zero(d));
  } else if (is_int8_recurrent(d, node)) draw_recurrent(d, node);
  else if (node->op->traits.int8 == INT8_SVDF && !is_wide(d, node)) draw_svdf(d, node);
  else if (node->op->traits.int8 == INT8_EMBEDDING) draw_table_of_rows(d, node);
  else if (node->op->traits.int8 == INT8_PRODUCT) draw_weights(d, node);
  else if (combine_has_int8(node) && node->op->traits.int8 == INT8_MULTIPLY)
    put_scale(d, node, first * d->scale[node->in[1]->id] * between(d, 70, 140) / nearer(d, node, 0.05),
              any_zero(d));
  else if (node->op->traits.int8 == INT8_MATMUL && matmul_sizes(node).scale > 0) draw_matmul(d, node);
  else if (combine_has_int8(node)) put_scale(d, node, sum_scale(d, node), any_zero(d));
  else if (is_fixed(node) && is_wide(d, node) && node->precision == PRECISION_I16) put_unit(d, node);
  else if (is_fixed(node) && is_wide(d, node))
    put_scale(d, node, 1 / 200.0, any_zero(d)); /* computed in float, although the input is int16 */
  else if (is_fixed(node)) d->scale[node->id] = node->op->traits.int8 == INT8_SIGNED ? 1 / 128.0 : 1 / 256.0;
  else if (node->op->traits.int8 == INT8_MOVE && node->nin > 1) /* the scale is near those of the operands */
    put_scale(d, node, largest(d, node) * between(d, 0.7, 1.5) / nearer(d, node, 0.1), any_zero(d));
  else if (node->op->traits.int8 == INT8_LARGEST || node->op->traits.int8 == INT8_GATHER ||
           node->op->traits.int8 == INT8_MEAN || node->op->traits.int8 == INT8_MOVE || repeats(node) ||
           is_border(node)) {
    if (sample_number(&d->state) < 0.4 || strncmp(node->name, "far", 3) == 0)
      put_scale(d, node, first * between(d, 0.7, 1.5) / nearer(d, node, 0.1), any_zero(d));
  } else if (node->nin == 1 && node->op->family == FAMILY_MAP) draw_function(d, node);
  else { /* computed in float; other scales are not multiples of this scale, so few values are ties */
    for (int k = 0; k < node->nweights; k++) draw_floats(d, node->weight[k], node);
    put_scale(d, node, 0.0213, any_zero(d));
  }
}

/* Whether values without precision=i16 in the program may be int16. They must not be int16 if an output is
 * int8 or uint8, or if layers share weights: the shared bias would need two types. */
static bool may_widen(const Graph *graph, const int *uses) {
  for (int o = 0; o < graph->outputs.n; o++)
    if (graph->outputs.data[o].as == AS_I8 || graph->outputs.data[o].as == AS_U8) return false;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (uses[i] && node->op->traits.int8 == INT8_PRODUCT && node->weight[0]->owner != node) return false;
  }
  return true;
}

bool int8_draw(Arena *arena, const Graph *graph, const char *path, const char *rounding, uint64_t seed,
               bool some_wide) {
  Drawing d = {.arena = arena,
               .graph = graph,
               .state = seed * 2 + 1,
               .scale = NEW_ARRAY(arena, double, graph->nodes.n + 1),
               .fused = NEW_ARRAY(arena, bool, graph->nodes.n + 1),
               .wide = NEW_ARRAY(arena, bool, graph->nodes.n + 1),
               .uses = graph_live(arena, graph, 0, NULL),
               .header = {.arena = arena},
               .data = {.arena = arena},
               .notes = {.arena = arena}};
  d.rounds_floats = strcmp(rounding, "float") == 0;
  d.some_wide = some_wide && may_widen(graph, d.uses);
  /* netcheck has one seed for all programs, so the graph determines `halves` */
  d.halves = some_wide && !d.rounds_floats && (graph->nodes.n + graph->parameters) % 4 == 0;
  d.seed = seed;
  for (int i = 0; i < graph->nodes.n; i++)
    if (d.uses[i]) draw_value(&d, graph->nodes.data[i]);
  const char *arrays = d.header.n ? d.header.s : "";
  d.header = (Text){.arena = arena};
  text_put(&d.header,
           "{\"__metadata__\":{\"cnnc.quantization\":\"{\\\"version\\\":1,\\\"rounding\\\":\\\"%s\\\","
           "\\\"layers\\\":{%s}%s}\"}%s}",
           rounding, d.notes.n ? d.notes.s : "", d.halves ? ",\\\"fallback\\\":\\\"bf16\\\"" : "", arrays);
  while (d.header.n % 8) text_put(&d.header, " ");
  FILE *file = fopen(path, "wb");
  unsigned char length[8];
  for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)d.header.n >> (8 * i));
  if (!file) return false;
  const bool written = fwrite(length, 1, 8, file) == 8 &&
                       fwrite(d.header.s, 1, d.header.n, file) == d.header.n &&
                       fwrite(d.data.n ? d.data.s : "", 1, d.data.n, file) == d.data.n;
  return !fclose(file) && written;
}
