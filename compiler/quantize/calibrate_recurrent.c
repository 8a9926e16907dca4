/* calibrate_recurrent.c: Calibration of recurrent layers: int8 weights with one scale per gate, and the scale
 * of an LSTM's cell state c. Calibration of svdf. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include "ops/int8/int8_recurrent.h"
#include "quantize/calibrator.h"

/* Whether a recurrent layer or svdf has an int8 form: the input must be int8, a recurrent layer must have no
 * projection, and the sums of an rnn with relu must be small. True for all other nodes. */
bool calibrate_has_form(const Calibrator *k, const Node *node) {
  const bool svdf = node->op->traits.int8 == INT8_SVDF;
  if (node->op->traits.int8 != INT8_RECURRENT && !svdf) return true;
  return (svdf || !recurrent_direction(node, 0).project) && !k->quant[node->in[0]->id].wide &&
         calibrate_sums_beyond(k, node) == 0;
}

double calibrate_sums_beyond(const Calibrator *k, const Node *node) {
  static const double MUCH = 0.01;
  const CellSeen *seen = k->how->cells ? table_find(k->how->cells, node->name) : NULL;
  const bool relu = node->op->traits.int8 == INT8_RECURRENT && recurrent_direction(node, 0).relu;
  return relu && seen && seen->clamped > MUCH ? seen->clamped : 0;
}

/* The sum of two parameters of n elements; NULL counts as zeros. */
static double *parameter_sum(const Calibrator *k, const Weight *a, const Weight *b, int64_t n) {
  double *sum = NEW_ARRAY(k->arena, double, n);
  for (int64_t i = 0; i < n; i++)
    sum[i] = (a ? (double)k->weights[a->offset + i] : 0) + (b ? (double)k->weights[b->offset + i] : 0);
  return sum;
}

/* Whether the weight scale `scale` leaves room for the sums of a gate, including the bias: at most half of
 * INT32_MAX. */
static bool gate_has_room(const double *w, const double *bias, int64_t rows, int64_t columns, double scale,
                          Quant in) {
  const double reach = fmax(in.zero - INT8_MIN, INT8_MAX - in.zero), unit = (double)in.scale * scale;
  for (int64_t s = 0; s < rows; s++) {
    double most = fabs(bias[s]) / unit;
    for (int64_t i = 0; i < columns; i++) most += (fabs(w[s * columns + i]) / scale + 1) * reach;
    if (most > INT32_MAX / 2) return false;
  }
  return true;
}

/* Quantizes the weights of the gates: with one scale per gate, as in TensorFlow Lite, or with one scale for
 * all gates (per_tensor). to_bias: NULL, or the parameter for which `bias` is quantized, too. */
static void put_gate_weights(Calibrator *k, const Weight *weight, const Weight *to_bias, const double *bias,
                             int64_t gates, Quant in) {
  static const double NO_WEIGHTS = 0x1p-16, GROWTH = 1.25;
  const int64_t rows = weight->dim[0] / gates, columns = weight->dim[1], sums = weight->dim[0], one = 1;
  const double *w = parameter_sum(k, weight, NULL, weight->size);
  float *scale = NEW_ARRAY(k->arena, float, gates), largest = 0;
  int8_t *q = NEW_ARRAY(k->arena, int8_t, weight->size);
  int32_t *b = NEW_ARRAY(k->arena, int32_t, sums);
  for (int64_t g = 0; g < gates; g++) {
    const double *own = w + g * rows * columns;
    double most = 0;
    for (int64_t i = 0; i < rows * columns; i++) most = fmax(most, fabs(own[i]));
    double tight = most > 0 ? calibrate_filter_scale(k, own, rows * columns, most) : NO_WEIGHTS;
    while (isfinite(tight) && !gate_has_room(own, bias + g * rows, rows, columns, tight, in)) tight *= GROWTH;
    scale[g] = (float)fmax(tight, (double)FLT_MIN);
    largest = fmaxf(largest, scale[g]);
  }
  for (int64_t s = 0; s < sums; s++) {
    float *own = &scale[s / rows];
    if (k->how->per_tensor) *own = largest;
    for (int64_t i = s * columns; i < (s + 1) * columns; i++)
      q[i] = (int8_t)calibrate_stored_weight(k, w[i], (double)*own);
    b[s] = (int32_t)fmax(-INT32_MAX, fmin(INT32_MAX, round(bias[s] / ((double)in.scale * (double)*own))));
  }
  arrays_add(&k->made->arrays, weight->name, I8, weight->rank, weight->dim, q);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.scale", weight->name), F32, 1,
             k->how->per_tensor ? &one : &gates, scale);
  if (to_bias) arrays_add(&k->made->arrays, to_bias->name, I32, 1, &sums, b);
}

static int64_t put_recurrent_weights(Calibrator *k, const Node *node, Quant h) {
  int64_t bytes = 0;
  for (int way = 0; way < recurrent_directions(node); way++) {
    Weight *const *weight = node->weight + way * DIRECTION_WEIGHTS;
    const Recurrent r = recurrent_direction(node, way);
    const int64_t sums = r.gates * r.units, summed = recurrent_summed_bias(&r);
    double *x = parameter_sum(k, weight[INPUT_BIAS], weight[HIDDEN_BIAS], sums),
           *apart = NEW_ARRAY(k->arena, double, sums);
    for (int64_t s = summed; s < sums && weight[HIDDEN_BIAS]; s++) {
      apart[s] = (double)k->weights[weight[HIDDEN_BIAS]->offset + s];
      x[s] -= apart[s];
    }
    put_gate_weights(k, weight[INPUT_WEIGHT], weight[INPUT_BIAS], x, r.gates, k->quant[node->in[0]->id]);
    put_gate_weights(k, weight[HIDDEN_WEIGHT], summed < sums ? weight[HIDDEN_BIAS] : NULL, apart, r.gates, h);
    bytes += weight[INPUT_WEIGHT]->size + weight[HIDDEN_WEIGHT]->size + 4 * sums;
  }
  return bytes;
}

/* The scale of an LSTM's cell state c: the smallest power of two for which c fits into int16, clamped to the
 * range that the kernels support. Without samples, c is assumed to be in -16 .. 16. */
static float cell_scale(const CellSeen *seen, double clip) {
  static const double UNKNOWN = 16;
  enum { LEAST = -15, MOST = FIXED_WHOLE_MOST - UNIT_BITS };
  double most = seen ? seen->most : UNKNOWN;
  if (clip > 0) most = fmin(most, clip);
  const double bits = most > 0 ? ceil(log2(most / INT16_MAX)) : (double)LEAST;
  return (float)ldexp(1, (int)fmin(MOST, fmax(LEAST, bits)));
}

void calibrate_recurrent(Calibrator *k, const Node *node) {
  const Recurrent r = recurrent_direction(node, 0);
  const CellSeen *seen = k->how->cells ? table_find(k->how->cells, node->name) : NULL;
  const Chosen known = {.name = node->name, .node = node, .last = node, .scale = 1 / 128.0f};
  Chosen *chosen = NULL;
  if (r.cell == CELL_LSTM || r.relu) {
    if (!(chosen = calibrate_seen(k, node, node))) return;
  } else {
    k->quant[node->id] = (Quant){.scale = known.scale};
    vec_push(k->arena, k->made->chosen, known);
    chosen = &k->made->chosen.data[k->made->chosen.n - 1];
  }
  if (!k->weights) return;
  chosen->gates = seen && seen->clamped > chosen->cut;
  if (chosen->gates) chosen->cut = seen->clamped;
  chosen->bytes = put_recurrent_weights(k, node, k->quant[node->id]);
  for (int w = 0; w < node->nweights; w++)
    if (node->weight[w]) chosen->bytes_before += 4 * node->weight[w]->size;
  if (r.cell != CELL_LSTM) return;
  const int64_t one = 1;
  float *cell = NEW(k->arena, float);
  *cell = cell_scale(seen, r.clip);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.cell.scale", node->name), F32, 1, &one, cell);
}

/* ---- svdf ---- */
static const double SUMS_MOST = 0x1p30; /* about half of INT32_MAX */

/* Quantizes the weights of features; returns one scale per feature (with per_tensor, all are equal). */
static float *put_feature_weights(Calibrator *k, const Node *node) {
  static const double NO_WEIGHTS = 0x1p-16;
  const Weight *weight = node->weight[FEATURE_WEIGHT];
  const int64_t features = weight->dim[0], columns = weight->dim[1], one = 1;
  const double *w = parameter_sum(k, weight, NULL, weight->size);
  float *scale = NEW_ARRAY(k->arena, float, features), largest = 0;
  int8_t *q = NEW_ARRAY(k->arena, int8_t, weight->size);
  for (int64_t f = 0; f < features; f++) {
    double most = 0;
    for (int64_t i = 0; i < columns; i++) most = fmax(most, fabs(w[f * columns + i]));
    scale[f] = (float)fmax(most > 0 ? calibrate_filter_scale(k, w + f * columns, columns, most) : NO_WEIGHTS,
                           (double)FLT_MIN);
    largest = fmaxf(largest, scale[f]);
  }
  for (int64_t f = 0; f < features; f++) {
    if (k->how->per_tensor) scale[f] = largest;
    for (int64_t i = f * columns; i < (f + 1) * columns; i++)
      q[i] = (int8_t)calibrate_stored_weight(k, w[i], (double)scale[f]);
  }
  arrays_add(&k->made->arrays, weight->name, I8, 2, weight->dim, q);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.scale", weight->name), F32, 1,
             k->how->per_tensor ? &one : &features, scale);
  return scale;
}

/* The int16 scale of the features: the largest observed feature fits into int16, and all rescaled sums fit
 * into int32. Without samples, the largest feature is assumed to be as large as the weights permit. */
static float feature_scale(const Calibrator *k, const Node *node, const float *weights,
                           const CellSeen *seen) {
  const Weight *weight = node->weight[FEATURE_WEIGHT];
  const Quant in = k->quant[node->in[0]->id];
  const double *w = parameter_sum(k, weight, NULL, weight->size),
               reach = fmax(in.zero - INT8_MIN, INT8_MAX - in.zero);
  double most = 0, needed = 0;
  for (int64_t f = 0; f < weight->dim[0]; f++) {
    double sum = 0, unit = (double)in.scale * (double)weights[k->how->per_tensor ? 0 : f];
    for (int64_t i = 0; i < weight->dim[1]; i++) sum += fabs(w[f * weight->dim[1] + i]) * (double)in.scale;
    most = fmax(most, sum * reach);
    needed = fmax(needed, (sum * reach / unit + (double)weight->dim[1] * reach) * unit * 2 / SUMS_MOST);
  }
  if (seen && seen->most > 0) most = seen->most;
  return (float)fmax(fmax(most / INT16_MAX, needed), (double)FLT_MIN);
}

/* Quantizes the weights over time to int16, and the biases to int32. The sums of products with the largest
 * features stay below 2^30. */
static void put_time_weights(Calibrator *k, const Node *node, double feature) {
  const Svdf s = svdf_of(node);
  const Weight *weight = node->weight[TIME_WEIGHT], *bias = node->weight[SVDF_BIAS];
  const int64_t terms = s.rank * s.memory, one = 1;
  const double *w = parameter_sum(k, weight, NULL, weight->size), *b = parameter_sum(k, bias, NULL, s.units);
  double scale = 0;
  for (int64_t u = 0; u < s.units; u++) {
    double sum = 0;
    for (int64_t i = u * terms; i < (u + 1) * terms; i++) {
      sum += fabs(w[i]);
      scale = fmax(scale, fabs(w[i]) / INT16_MAX);
    }
    scale = fmax(scale, fmax(sum * -INT16_MIN, fabs(b[u]) / feature) * 2 / SUMS_MOST);
  }
  float *own = NEW(k->arena, float);
  *own = (float)fmax(scale, (double)FLT_MIN / fmin(1, feature));
  int16_t *q = NEW_ARRAY(k->arena, int16_t, weight->size);
  int32_t *sums = NEW_ARRAY(k->arena, int32_t, s.units);
  for (int64_t i = 0; i < weight->size; i++)
    q[i] = (int16_t)fmax(-INT16_MAX, fmin(INT16_MAX, nearbyint(w[i] / (double)*own)));
  for (int64_t u = 0; u < s.units; u++)
    sums[u] = (int32_t)fmax(-SUMS_MOST, fmin(SUMS_MOST, round(b[u] / (feature * (double)*own))));
  arrays_add(&k->made->arrays, weight->name, I16, 2, weight->dim, q);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.scale", weight->name), F32, 1, &one, own);
  if (bias) arrays_add(&k->made->arrays, bias->name, I32, 1, &s.units, sums);
}

void calibrate_svdf(Calibrator *k, const Node *node) {
  const CellSeen *seen = k->how->cells ? table_find(k->how->cells, node->name) : NULL;
  Chosen *chosen = calibrate_seen(k, node, node);
  if (!chosen || !k->weights) return;
  const char *name = arena_printf(k->arena, "%s.features", node->name);
  const int64_t one = 1;
  float *feature = NEW(k->arena, float);
  *feature = feature_scale(k, node, put_feature_weights(k, node), seen);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.scale", name), F32, 1, &one, feature);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.zero", name), I8, 1, &one, NEW(k->arena, int8_t));
  vec_push(k->arena, k->made->inner, name);
  put_time_weights(k, node, (double)*feature);
  const int64_t f = node->weight[FEATURE_WEIGHT]->size, t = node->weight[TIME_WEIGHT]->size,
                b = node->weight[SVDF_BIAS] ? 4 * node->weight[SVDF_BIAS]->size : 0;
  chosen->bytes_before = 4 * (f + t) + b;
  chosen->bytes = f + 2 * t + b;
}
