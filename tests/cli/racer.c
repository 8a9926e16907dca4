// racer.c: inference and a training step of a net `n` by four threads, for ThreadSanitizer. Its only input is
// x, of floats, its output's loss takes floats.
// SPDX-License-Identifier: Apache-2.0
#include <omp.h>
#include "net.h"

enum { IMAGES = N_TRAIN_BATCH, CALLS = 3 };
static n_weights weights, gradients;
static n_model model;
static n_workspace workspace;
static n_training training;
static float input[IMAGES * N_X_SIZE + N_BATCH * N_X_SIZE], target[IMAGES * N_OUTPUT_SIZE],
    output[(IMAGES + N_BATCH) * N_OUTPUT_SIZE];

int main(void) {
  omp_set_num_threads(4);
  for (int i = 0; i < (int)(sizeof input / sizeof *input); i++) input[i] = (float)(i % 13) / 13;
  n_init(&weights, 1);
  n_pack(&model, &weights);
  for (int i = 0; i < CALLS; i++) {
    n_infer(&model, input, output, &workspace);
    n_gradients(&weights, input, target, IMAGES, 1, (uint64_t)i, &gradients, output, &training);
  }
  return 0;
}
