/* calibrate_recurrent.c: Calibration of recurrent layers: int8 weights with one scale per gate, and the scale
 * of c. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include "ops/int8/int8_recurrent.h"
#include "quantize/calibrator.h"

/* int8 recurrent layers have an int8 input, no projection, and no states between calls. */
bool calibrate_has_form(const Calibrator *k, const Node *node) {
  if (node->op->traits.int8 != INT8_RECURRENT) return true;
  const Recurrent r = recurrent_direction(node, 0);
  return !r.project && !r.keeps && !k->quant[node->in[0]->id].wide;
}

/* The sum of two parameters of n elements; NULL counts as zeros. */
static double *parameter_sum(const Calibrator *k, const Weight *a, const Weight *b, int64_t n) {
  double *sum = NEW_ARRAY(k->arena, double, n);
  for (int64_t i = 0; i < n; i++)
    sum[i] = (a ? (double)k->weights[a->offset + i] : 0) + (b ? (double)k->weights[b->offset + i] : 0);
  return sum;
}

/* Whether with `scale` the sums of a gate, including its bias, are at most half of INT32_MAX, in units of the
 * sums and of the gates. */
static bool gate_has_room(const double *w, const double *bias, int64_t rows, int64_t columns, double scale,
                          Quant in) {
  const double reach = fmax(in.zero - INT8_MIN, INT8_MAX - in.zero), unit = (double)in.scale * scale;
  for (int64_t s = 0; s < rows; s++) {
    double most = fabs(bias[s]) / unit;
    for (int64_t i = 0; i < columns; i++) most += (fabs(w[s * columns + i]) / scale + 1) * reach;
    if (most * fmax(1, unit * (1 << GATE_BITS) * 2) > INT32_MAX / 2) return false;
  }
  return true;
}

/* One scale per gate, as in TensorFlow Lite. */
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

/* The smallest power of two with which int16 holds c, within the range of all kernels; without samples, c is
 * assumed to be in -16 .. 16. */
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
  if (seen) chosen->cut = fmax(chosen->cut, seen->clamped);
  chosen->bytes = put_recurrent_weights(k, node, k->quant[node->id]);
  for (int w = 0; w < node->nweights; w++)
    if (node->weight[w]) chosen->bytes_before += 4 * node->weight[w]->size;
  if (r.cell != CELL_LSTM) return;
  const int64_t one = 1;
  float *cell = NEW(k->arena, float);
  *cell = cell_scale(seen, r.clip);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.cell.scale", node->name), F32, 1, &one, cell);
}
