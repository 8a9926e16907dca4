/* truth.c: what is true of a picture. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/truth.h"

#include <stdlib.h>

void cnn_truth_free(cnn_truth *truth) {
  free(truth->object);
  free(truth->instance);
  free(truth->pixels);
  *truth = (cnn_truth){0};
}
