/* scores.c: prints a checksum of the compiled-in model and what it makes of a picture; with -DTRAINING the
 * weights to train on from must be the same ones. */
// SPDX-License-Identifier: Apache-2.0
#include "large.h"
#include <string.h>

#include "print_scores.h"

int main(void) {
  static large_workspace workspace;
  static uint8_t image[LARGE_IMAGE_SIZE];
  float score[LARGE_OUTPUT_SIZE];
  for (int i = 0; i < LARGE_IMAGE_SIZE; i++) image[i] = (uint8_t)(i * 37);
  if ((uintptr_t)&large_trained % LARGE_ALIGNMENT != 0) return 2;
  large_infer(&large_trained, image, score, &workspace);
  print_scores(&large_trained, score);
#ifdef TRAINING
  static large_model model;
  large_pack(&model, (const large_weights *)(const void *)large_network.initial);
  if (memcmp(&model, &large_trained, sizeof model) != 0) return 3;
#endif
  return 0;
}
