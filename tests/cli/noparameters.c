/* noparameters.c: a net without weights: two inputs, one of them signed bytes with the channels first. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include "plain.h"

int main(void) {
  static plain_workspace workspace;
  int8_t a[PLAIN_A_SIZE];
  float b[PLAIN_B_SIZE] = {0}, pooled[PLAIN_POOLED_SIZE], scaled[PLAIN_SCALED_SIZE];
  for (int c = 0; c < 3; c++)
    for (int p = 0; p < 20; p++) a[20 * c + p] = (int8_t)(100 * c - 120 + p);
  plain_infer(a, b, pooled, scaled, &workspace);
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 2; x++)
      for (int c = 0; c < 3; c++) {
        const float wanted = (float)(100 * c - 120 + (2 * y + 1) * 4 + 2 * x + 1),
                    got = pooled[(2 * y + x) * 3 + c];
        if (got < wanted || got > wanted)
          return printf("%d %d %d: %g instead of %g\n", y, x, c, (double)got, (double)wanted), 1;
      }
  return scaled[0] < 0 || scaled[0] > 0;
}
