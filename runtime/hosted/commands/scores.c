/* scores.c: Class scores, and ranking of classes by score. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/scores.h"

#include <math.h>
#include <string.h>

void cnn_class_scores(const cnn_port *port, const cnn_judged *judged, const float *value, double *score) {
  int64_t n = judged->channels;
  if (judged->binary) {
    for (int64_t c = 0; c < n; c++)
      score[c] = port->scores == CNN_SCORES_BINARY ? (double)value[c] : 1 / (1 + exp(-(double)value[c]));
    if (n == 1) {
      score[1] = score[0];
      score[0] = 1 - score[1];
    }
    return;
  }
  double top = -INFINITY, sum = 0;
  for (int64_t c = 0; c < n; c++) top = fmax(top, (double)value[c]);
  for (int64_t c = 0; c < n; c++) {
    score[c] = port->scores == CNN_SCORES_PROBABILITY
                   ? (double)value[c]
                   : exp((double)value[c] - (port->scores == CNN_SCORES_LOGIT ? top : 0));
    sum += score[c];
  }
  for (int64_t c = 0; port->scores == CNN_SCORES_LOGIT && c < n; c++) score[c] /= sum;
}

void cnn_rank_classes(const double *score, int64_t classes, int64_t wanted, int64_t *rank) {
  for (int64_t i = 0; i < classes; i++) rank[i] = i;
  for (int64_t i = 0; i < wanted && i < classes; i++) {
    int64_t best = i;
    for (int64_t j = i + 1; j < classes; j++) {
      if (score[rank[j]] > score[rank[best]] || (score[rank[j]] == score[rank[best]] && rank[j] < rank[best]))
        best = j;
    }
    int64_t chosen = rank[best];
    memmove(rank + i + 1, rank + i, (size_t)(best - i) * sizeof *rank);
    rank[i] = chosen;
  }
}

int64_t cnn_class_at(const cnn_port *port, const cnn_judged *judged, const float *value, double *score) {
  cnn_class_scores(port, judged, value, score);
  int64_t best = 0;
  for (int64_t c = 1; c < judged->classes; c++) {
    if (score[c] > score[best]) best = c;
  }
  return best;
}
