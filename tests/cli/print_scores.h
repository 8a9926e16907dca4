/* print_scores.h: a checksum of a model and its scores, to so many places as compilers agree on. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

static void print_scores(const large_model *model, const float *score) {
  const unsigned char *bytes = (const unsigned char *)model;
  uint32_t sum = 0;
  for (size_t i = 0; i < sizeof *model; i++) sum = sum * 31u + bytes[i];
  printf("%08lx\n", (unsigned long)sum);
  for (int i = 0; i < LARGE_OUTPUT_SIZE; i++) printf("%.3f\n", (double)score[i]);
}
