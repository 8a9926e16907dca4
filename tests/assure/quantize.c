/* quantize.c: exhaustive check of quantize_float, for every quotient of a number and a scale, including NaN
 * and infinities. The conversion to an integer must be defined, and the result must be in the range of the
 * contract that --acsl assumes (compiler/emit/acsl.c). */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  uint64_t wrong = 0;
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits++) {
    const uint32_t word = (uint32_t)bits;
    float y;
    memcpy(&y, &word, sizeof y);
    const float cut = !(y > -131072.0f) ? -131072.0f : y > 131072.0f ? 131072.0f : y;
    const float nearest = cut + 12582912.0f, rest = nearest - 12582912.0f;
    wrong += !(rest >= -131072.0f && rest <= 131072.0f);
  }
  printf("%" PRIu64 " of 2^32 quotients give results out of range\n", wrong);
  return wrong != 0;
}
