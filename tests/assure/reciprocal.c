/* reciprocal.c: exhaustive check of softmax_reciprocal: for every argument, no step exceeds 32 bits, and the
 * result is in the range of the contract that --acsl assumes (compiler/emit/acsl.c). The check computes the
 * same steps with int64_t. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

static int64_t wide(int64_t a, int64_t b) { return (a * b + (1 << 30)) >> 31; }

static int fits(int64_t x) { return x == (int32_t)x; }

int main(void) {
  const int64_t one = 1 << 29;
  int64_t least = INT64_MAX, most = INT64_MIN, wrong = 0;
  for (int64_t half = INT64_C(1) << 30; half < INT64_C(1) << 31; half++) {
    int64_t x = 1515870810 + wide(half, -1010580540);
    int right = fits(x);
    for (int i = 0; i < 3; i++) {
      const int64_t product = wide(half, x), rest = one - product, step = wide(x, rest) * 4;
      x += step;
      right = right && fits(product) && fits(rest) && fits(step) && fits(x);
    }
    const int64_t result = x >= 1 << 30 ? INT32_MAX : x * 2;
    wrong += !right || !fits(result);
    least = result < least ? result : least;
    most = result > most ? result : most;
  }
  printf("%" PRId64 " wrong, %" PRId64 " to %" PRId64 "\n", wrong, least, most);
  return wrong || least < 1073741820 || most > 2147483647;
}
