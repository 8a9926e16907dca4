/* deep.c: two steps of training; prints the bits of loss and gradients in one number. */
// SPDX-License-Identifier: MIT-0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "deep.h"

static float images[DEEP_TRAIN_BATCH * DEEP_IMAGE_SIZE];
static int32_t classes[DEEP_TRAIN_BATCH];
static deep_weights weights, gradients;
static deep_training training;

static uint64_t mixed(uint64_t sum, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (sum ^ bits) * UINT64_C(1099511628211);
}

int main(void) {
  for (int i = 0; i < DEEP_TRAIN_BATCH * DEEP_IMAGE_SIZE; i++) images[i] = (float)(i * 37 % 101) / 50 - 1;
  for (int i = 0; i < DEEP_TRAIN_BATCH; i++) classes[i] = i % 5;
  deep_init(&weights, 1);
  uint64_t sum = UINT64_C(14695981039346656037);
  for (int step = 0; step < 2; step++) {
    sum = mixed(sum, deep_gradients(&weights, images, classes, DEEP_TRAIN_BATCH - step, 1, (uint64_t)step,
                                    &gradients, NULL, &training));
    for (int i = 0; i < DEEP_PARAMETERS; i++) {
      float g, w;
      memcpy(&g, (const char *)&gradients + 4 * i, sizeof g);
      memcpy(&w, (const char *)&weights + 4 * i, sizeof w);
      w -= 0.1f * g;
      sum = mixed(sum, g);
      memcpy((char *)&weights + 4 * i, &w, sizeof w);
    }
  }
  printf("%016" PRIx64 "\n", sum);
  return 0;
}
