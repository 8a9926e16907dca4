/* calibrator.h: State of a calibration. Private to calibrate.c, calibrate_indices.c and
 * calibrate_recurrent.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CALIBRATOR_H
#define CNNC_CALIBRATOR_H
#include "quantize/calibrate.h"

typedef struct Calibrator {
  Arena *arena;
  const Graph *graph;
  const float *weights;
  const Table *observed;
  const Calibration *how;
  Calibrated *made;
  Quant *quant;      /* this array and the next ones: by node id */
  bool *fused;       /* the node is fused after its input: one scale for both values */
  bool *real;        /* the value stays float */
  bool *boxes;       /* the value has regions of boxes, so it stays float */
  const Node **join; /* NULL, or the node whose range the value shares: a concat that reads it; for a state,
                        the node that computes its next value */
  int *uses;
  const Node **reader;
} Calibrator;

/* ---- calibrate.c ---- */
/* Chooses the scale of the node's value from its observed range; NULL: no range was observed. last: the last
 * node that is fused after the node, or the node itself. */
Chosen *calibrate_seen(Calibrator *, const Node *, const Node *last);
/* The scale of n weights; most: the largest |w|. */
double calibrate_filter_scale(const Calibrator *, const double *w, int64_t n, double most);
double calibrate_stored_weight(const Calibrator *, double w, double scale); /* w as int8 stores it */

Chosen *calibrate_as(Calibrator *, const Node *, const Node *last, Quant, double cut);
Quant calibrate_between(double lo, double hi, bool wide); /* scale and zero point of a range */

/* ---- calibrate_indices.c ---- */
/* Handles nodes whose values are indices, and embeddings with int8 tables; false: the node is neither.
 * for_floats: only float nodes use the value. */
bool calibrate_indices(Calibrator *, const Node *, bool for_floats);
/* ---- calibrate_recurrent.c ---- */
bool calibrate_has_form(const Calibrator *, const Node *); /* false: a recurrent layer or svdf stays float */
/* For an rnn with relu: the fraction of the sums above 8, the limit of int8 gates, if it exceeds 1 %;
 * otherwise 0. Unlike sigmoid and tanh, relu is not flat there, so such a layer stays float. */
double calibrate_sums_beyond(const Calibrator *, const Node *);
void calibrate_recurrent(Calibrator *, const Node *);
void calibrate_svdf(Calibrator *, const Node *);
#endif
