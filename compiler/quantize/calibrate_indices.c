/* calibrate_indices.c: Calibration of indices, which stay float, and of embedding tables. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "graph/op.h"
#include "quantize/calibrator.h"

/* Quantizes the table of an embedding, with the range of its numbers. */
static void calibrate_table(Calibrator *k, const Node *node) {
  const Weight *weight = node->weight[0];
  const float *from = k->weights + weight->offset;
  double lo = 0, hi = 0;
  for (int64_t i = 0; i < weight->size; i++) {
    lo = fmin(lo, (double)from[i]);
    hi = fmax(hi, (double)from[i]);
  }
  const Quant quant = calibrate_between(lo, hi > lo ? hi : lo + 1, false);
  Chosen *chosen = calibrate_as(k, node, node, quant, 0);
  int8_t *table = NEW_ARRAY(k->arena, int8_t, weight->size);
  for (int64_t i = 0; i < weight->size; i++) {
    const double q = round((double)from[i] / (double)quant.scale) + quant.zero;
    table[i] = (int8_t)fmax(INT8_MIN, fmin(INT8_MAX, q));
  }
  arrays_add(&k->made->arrays, weight->name, I8, weight->rank, weight->dim, table);
  chosen->bytes_before = 4 * weight->size;
  chosen->bytes = weight->size;
}

bool calibrate_indices(Calibrator *k, const Node *node, bool for_floats) {
  const bool indices = node->op->traits.indices || (node_is_input(node) && node->port->elem == I32),
             table = node->op->traits.int8 == INT8_EMBEDDING && k->weights &&
                     node->precision == PRECISION_GIVEN && !for_floats &&
                     !weights_are_shared(k->graph, k->uses, node);
  if (table) calibrate_table(k, node);
  if (indices || table) k->real[node->id] = indices;
  return indices || table;
}
