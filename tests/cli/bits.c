/* bits.c: a net of everything on a fixed input, as bare.c of tests/harness runs it: one output and all
 * gradients as bytes. With -DHOSTED it is a program of its own. */
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include "bits_net.h"

enum { OUTPUTS = 4 * BITS_OUTPUT_SIZE, GRADIENTS = 4 * BITS_PARAMETERS };
unsigned char bare_in[1], bare_out[OUTPUTS + 4 + GRADIENTS];
const long bare_in_bytes = 0, bare_out_bytes = sizeof bare_out;
void bare_run(void);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

void bare_run(void) {
  static Bits_weights weights, gradients;
  static Bits_model model;
  static Bits_workspace workspace;
  static Bits_training training;
  static float image[BITS_TRAIN_BATCH * BITS_IMAGE_SIZE];
  static const int32_t class[BITS_TRAIN_BATCH] = {0, 2, 1};
  float output[BITS_OUTPUT_SIZE];
  for (int i = 0; i < BITS_TRAIN_BATCH * BITS_IMAGE_SIZE; i++)
    image[i] = (float)(i * 7919 % 1000) / 999.f - 0.3f;
  Bits_init(&weights, 1);
  Bits_pack(&model, &weights);
  Bits_infer(&model, image, output, &workspace);
  const float loss =
      Bits_gradients(&weights, image, class, BITS_TRAIN_BATCH, 1, 1, &gradients, NULL, &training);
  memcpy(bare_out, output, OUTPUTS);
  memcpy(bare_out + OUTPUTS, &loss, sizeof loss);
  memcpy(bare_out + OUTPUTS + 4, &gradients, GRADIENTS);
}

#ifdef HOSTED
#include <stdio.h>
int main(void) {
  bare_run();
  return fwrite(bare_out, sizeof bare_out, 1, stdout) == 1 ? 0 : 1;
}
#endif
