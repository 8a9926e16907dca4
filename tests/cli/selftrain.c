/* selftrain.c: trains a net with nothing but its generated code: plain gradient descent on patterns that are
 * easy to tell apart. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "small.h"

enum { SAMPLES = SMALL_TRAIN_BATCH, STEPS = 300 };

static void sample(uint8_t *image, int32_t *class, int i) {
  *class = i % 3;
  for (int k = 0; k < SMALL_IMAGE_SIZE; k++) {
    const int y = k / SMALL_IMAGE_WIDTH, x = k % SMALL_IMAGE_WIDTH,
              on = *class == 0   ? x % 2
                   : *class == 1 ? y % 2
                                 : (x + y) % 2;
    image[k] = (uint8_t)(200 * on + (k * 7 + i * 13) % 40);
  }
}

int main(void) {
  static uint8_t images[SAMPLES * SMALL_IMAGE_SIZE];
  static int32_t classes[SAMPLES];
  Small_weights *weights = malloc(sizeof *weights), *gradients = malloc(sizeof *gradients),
                *again = malloc(sizeof *again);
  Small_training *training = malloc(sizeof *training);
  if (!weights || !gradients || !again || !training) return 1;
  for (int i = 0; i < SAMPLES; i++) sample(images + i * SMALL_IMAGE_SIZE, &classes[i], i);
  Small_init(weights, 1);
  Small_init(again, 1);
  if (memcmp(weights, again, sizeof *weights)) return puts("init is not reproducible"), 1;
  Small_init(again, 2);
  if (!memcmp(weights, again, sizeof *weights)) return puts("init does not depend on the seed"), 1;

  float output[SAMPLES * SMALL_OUTPUT_SIZE], first = 0, loss = 0;
  for (int step = 0; step < STEPS; step++) {
    loss = Small_gradients(weights, images, classes, SAMPLES, 1, (uint64_t)step, gradients, output, training);
    if (step == 0) first = loss;
    float *w = (float *)weights, *g = (float *)gradients;
    for (int k = 0; k < SMALL_PARAMETERS; k++) w[k] -= 0.05f * g[k];
  }
  if (!(loss < 0.1f * first)) return printf("the loss went from %g to %g\n", (double)first, (double)loss), 1;
  for (int32_t count = 1; count <= SAMPLES; count++) {
    memset(training, 0xff, sizeof *training);
    const float a = Small_gradients(weights, images, classes, count, 1, 7, gradients, output, training);
    memset(training, 0, sizeof *training);
    const float b = Small_gradients(weights, images, classes, count, 1, 7, again, NULL, training);
    if (memcmp(&a, &b, sizeof a) || memcmp(gradients, again, sizeof *gradients))
      return printf("count %d is not reproducible\n", (int)count), 1;
  }

  static Small_model model;
  static Small_workspace workspace;
  float inferred[SMALL_BATCH * SMALL_OUTPUT_SIZE];
  Small_pack(&model, weights);
  Small_infer(&model, images, inferred, &workspace);
  Small_gradients(weights, images, classes, SAMPLES, 1, 7, gradients, output, training);
  for (int k = 0; k < SMALL_BATCH * SMALL_OUTPUT_SIZE; k++)
    if (output[k] - inferred[k] > 1e-5f || inferred[k] - output[k] > 1e-5f)
      return puts("training and inference differ"), 1;
  for (int i = 0; i < SMALL_BATCH; i++)
    if (inferred[i * 3 + classes[i]] < 0.5f)
      return printf("sample %d is not %s\n", i, Small_labels[classes[i]]), 1;
  memset(inferred, 0, sizeof inferred);
  Small_infer_some(&model, images, 1, inferred, &workspace);
  if (inferred[classes[0]] < 0.5f || inferred[SMALL_OUTPUT_SIZE] < 0 || inferred[SMALL_OUTPUT_SIZE] > 0)
    return puts("infer_some"), 1;
  free(weights);
  free(gradients);
  free(again);
  free(training);
  return 0;
}
