/* topk.c: Fuzz target for the runtime function topk, with any numbers in arrays of exactly the declared
 * sizes. The result must be sorted and contain the k best elements, each once. */
// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"
#include "ops/detection/best_routine.h"
#include "ops/index/topk_routine.h"

/* Whether element a comes before element b in the result. */
static int before(const float *x, int a, int b, int largest) {
  const int odd_a = x[a] != x[a], odd_b = x[b] != x[b];
  if (odd_a != odd_b) return largest ? odd_a : odd_b;
  if (odd_a || x[a] == x[b]) return a < b;
  return largest ? x[a] > x[b] : x[a] < x[b];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n < 3) return 0;
  const int count = bytes[0] % 120 + 1, k = bytes[1] % count + 1, largest = bytes[2] % 2;
  Bytes rest = {bytes + 3, n - 3};
  float *x = numbers(&rest, count), *work = room(2 * count), *out = room(2 * k);
  int taken[120] = {0};
  cnn_topk_routine(x, work, out, count, k, largest);
  for (int i = 0; i < k; i++) {
    const float value = out[2 * i], index = out[2 * i + 1];
    hold(index >= 0.f && index < (float)count && (float)(int)index == index && !taken[(int)index]);
    taken[(int)index] = 1;
    hold(value == x[(int)index] || (value != value && x[(int)index] != x[(int)index]));
    hold(i == 0 || before(x, (int)out[2 * i - 1], (int)index, largest));
  }
  for (int i = 0; i < count; i++) hold(taken[i] || before(x, (int)out[2 * k - 1], i, largest));
  release((float *const[]){x, work, out}, 3);
  return 0;
}
