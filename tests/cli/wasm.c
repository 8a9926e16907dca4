/* wasm.c: prints the outputs of a net for the image that wasm.mjs has, too. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include "small.h"

int main(void) {
  static uint8_t image[SMALL_IMAGE_SIZE];
  static float output[SMALL_OUTPUT_SIZE];
  static Small_workspace workspace;
  for (int i = 0; i < SMALL_IMAGE_SIZE; i++) image[i] = (uint8_t)(i * 37 % 251);
  Small_infer(&Small_trained, image, output, &workspace);
  for (int i = 0; i < SMALL_OUTPUT_SIZE; i++) printf("%.9g\n", (double)output[i]);
  return 0;
}
