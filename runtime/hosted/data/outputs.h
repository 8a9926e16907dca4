/* outputs.h: Kinds of outputs, for comparisons with targets. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_OUTPUTS_H
#define CNN_OUTPUTS_H
#include "cnn.h"

/* Properties of an output that metrics use. Positions are the pixels of an image, or the rows of a
 * sequence; a vector has one position. Each position has a class, one independent yes/no answer per channel,
 * or numbers without classes. */
typedef struct cnn_judged {
  int64_t positions, channels; /* channels: scores per position */
  int64_t classes;             /* number of classes that are counted separately; 0: none */
  bool binary;                 /* one yes/no per channel; an output with one channel then has 2 classes */
  bool class_target; /* target: one int32_t class per position; otherwise floats in the output's shape */
  bool has_target;
} cnn_judged;
cnn_judged cnn_judge(const cnn_network *network, int32_t output);
#endif
