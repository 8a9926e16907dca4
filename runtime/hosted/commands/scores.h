/* scores.h: Class scores at one position of an output, and their ranking. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SCORES_H
#define CNN_SCORES_H
#include "cnn_network.h"
#include "hosted/training/measure.h"

/* Writes the class probabilities to score[judged->classes], whatever kind of scores the output has. */
void cnn_class_scores(const cnn_port *port, const cnn_judged *judged, const float *value, double *score);
/* Ranks the classes by score: rank[] begins with the best `wanted` classes. Of classes with equal
 * scores, the class with the lower number is better. */
void cnn_rank_classes(const double *score, int64_t classes, int64_t wanted, int64_t *rank);
/* The best class; also writes `score`, as cnn_class_scores does. */
int64_t cnn_class_at(const cnn_port *port, const cnn_judged *judged, const float *value, double *score);
#endif
