/* measure.h: Counts for metrics: accuracy, top(k), mae, iou, dice, and counts per class. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_MEASURE_H
#define CNN_MEASURE_H
#include "cnn.h"
#include "hosted/data/outputs.h"

/* Integers are in one array: the tallies of several threads can be added in any order with the same result.
 * The order of floating-point additions changes the result. So the floating-point numbers of each sample are
 * returned, and the caller adds them in the order of the samples (cnn_sums_add). */
typedef struct cnn_tally {
  const cnn_network *network;
  int64_t counts; /* length of count */
  int64_t *count;
  bool confusion; /* also counts pairs of true and predicted class, for the first output with classes */
  /* if each pixel has a class: iou, accuracy and dice are computed, even if the program does not name them */
  bool all;
} cnn_tally;

typedef struct cnn_sums {
  double loss, loss_weight, absolute;
} cnn_sums; /* sums of one output */

bool cnn_tally_open(cnn_tally *tally, const cnn_network *network, bool confusion); /* false: no memory */
void cnn_tally_close(cnn_tally *tally);
void cnn_tally_clear(cnn_tally *tally);
void cnn_tally_add(cnn_tally *tally, const cnn_tally *other);
/* Adds sample number `slot` of a batch to the tally. Writes the sample's floating-point numbers to
 * sums[network->outputs]. */
void cnn_tally_sample(cnn_tally *tally, float *const output[], void *const target[], int64_t slot,
                      cnn_sums sums[]);
void cnn_sums_add(cnn_sums *total, const cnn_sums *sums, int32_t outputs);
/* The loss is NaN if no output has a loss, or if some loss cannot be computed from the outputs of infer, such
 * as a loss on objects. */
void cnn_tally_measures(const cnn_tally *tally, int64_t samples, const cnn_sums *total,
                        cnn_measures *measures);

int32_t cnn_tally_first(const cnn_network *network); /* the first output with classes, or -1 */
const cnn_class_counts *cnn_tally_classes(const cnn_tally *tally, int32_t output);
const int64_t *cnn_tally_confusion(const cnn_tally *tally); /* NULL: no confusion matrix was counted */
/* whether larger is better, for a metric or a loss */
bool cnn_metric_rises(const char *name);
#endif
