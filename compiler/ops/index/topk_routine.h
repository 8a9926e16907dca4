// SPDX-License-Identifier: MIT-0
/* The largest or smallest numbers of a vector and their indices. Copied into generated C. */

/* x[n] -> out[k][2]: the k <= n largest numbers, or the k smallest numbers if `largest` is 0, sorted, and
 * their indices; ties by index. NaN is larger than all numbers. work[2][n]: scratch; n is at most 2^24. */
static void cnn_topk_routine(const float *restrict x, float *restrict work, float *restrict out, int n, int k,
                             int largest) {
  float *const keys = work + n;
  int numbers = 0, first = 0, kept;
  for (int i = 0; i < n; i++) {
    keys[i] = largest ? x[i] : -x[i];
    if (x[i] == x[i]) work[numbers++] = (float)i;
    else if (largest && first < k) out[2 * first++ + 1] = (float)i;
  }
  kept = first + cnn_best_routine(keys, work, numbers, k - first);
  for (int i = first; i < kept; i++) out[2 * i + 1] = work[i - first];
  for (int i = 0; kept < k; i++)
    if (x[i] != x[i]) out[2 * kept++ + 1] = (float)i;
  for (int i = 0; i < k; i++) out[2 * i] = x[(int)out[2 * i + 1]];
}
