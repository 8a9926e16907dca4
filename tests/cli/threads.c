/* threads.c: two nets in one program, each with one model, in several threads at once: the outputs are those
 * of a single thread. */
// SPDX-License-Identifier: MIT-0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "norms.h"
#include "small.h"

enum { THREADS = 4, ROUNDS = 200 };
static Small_model small_model;
static norms_model norms_model_;
static float small_expected[SMALL_BATCH * SMALL_OUTPUT_SIZE], class_expected[NORMS_CLASS_SIZE],
    value_expected[NORMS_VALUE_SIZE];

static void fill(float *values, size_t n) {
  for (size_t i = 0; i < n; i++) values[i] = (float)((i * 2654435761u >> 8) % 1000) / 1000.0f - 0.45f;
}

static void run_small(float *output, Small_workspace *workspace) {
  uint8_t image[SMALL_BATCH * SMALL_IMAGE_SIZE];
  for (size_t i = 0; i < sizeof image; i++) image[i] = (uint8_t)(i * 37);
  Small_infer(&small_model, image, output, workspace);
}

static void run_norms(float *class, float *value, norms_workspace *workspace) {
  float x[NORMS_X_SIZE];
  fill(x, NORMS_X_SIZE);
  norms_infer(&norms_model_, x, class, value, workspace);
}

static void *thread(void *wrong) {
  Small_workspace *small = malloc(sizeof *small);
  norms_workspace *norms = malloc(sizeof *norms);
  for (int round = 0; small && norms && round < ROUNDS; round++) {
    float output[SMALL_BATCH * SMALL_OUTPUT_SIZE], class[NORMS_CLASS_SIZE], value[NORMS_VALUE_SIZE];
    memset(small, round & 1 ? 0xff : 0, sizeof *small); /* a workspace needs no initialisation */
    run_small(output, small);
    run_norms(class, value, norms);
    if (memcmp(output, small_expected, sizeof output) || memcmp(class, class_expected, sizeof class) ||
        memcmp(value, value_expected, sizeof value))
      *(int *)wrong = 1;
  }
  free(small);
  free(norms);
  return NULL;
}

int main(void) {
  static Small_weights small_weights;
  static norms_weights norms_weights_;
  static Small_workspace small_workspace;
  static norms_workspace norms_workspace_;
  fill((float *)&small_weights, SMALL_PARAMETERS);
  fill((float *)&norms_weights_, NORMS_PARAMETERS);
  for (size_t i = 0; i < sizeof norms_weights_.c_batchnorm1_running_var / sizeof(float); i++)
    norms_weights_.c_batchnorm1_running_var[i] = 1;
  for (size_t i = 0; i < sizeof norms_weights_.batchnorm1_running_var / sizeof(float); i++)
    norms_weights_.batchnorm1_running_var[i] = 2;
  Small_pack(&small_model, &small_weights);
  norms_pack(&norms_model_, &norms_weights_);
  run_small(small_expected, &small_workspace);
  run_norms(class_expected, value_expected, &norms_workspace_);
  if (!(small_expected[0] > 0) || !(class_expected[0] == class_expected[0]))
    return puts("no sensible output"), 1;
  pthread_t threads[THREADS];
  int wrong[THREADS] = {0};
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, thread, &wrong[i])) return 1;
  int status = 0;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    status |= wrong[i];
  }
  return status;
}
