// SPDX-License-Identifier: MIT-0
/* Selection of the rows with the best scores. Copied into generated C. */

/* Whether row a is ranked after row b: it has a lower score, or the same score and a larger index. */
static int cnn_best_behind_routine(const float *scores, float a, float b) {
  const float x = scores[(int)a], y = scores[(int)b];
  return x < y || (x == y && a > b);
}

/* Restores the order of a heap whose root is the worst row: moves the row at `at` down while a child is
 * worse. */
static void cnn_best_sink_routine(const float *scores, float *heap, int at, int n) {
  for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && cnn_best_behind_routine(scores, heap[child + 1], heap[child])) child++;
    if (!cnn_best_behind_routine(scores, heap[child], heap[at])) return;
    const float moved = heap[at];
    heap[at] = heap[child];
    heap[child] = moved;
    at = child;
  }
}

/* rows[n]: the indices of rows, in ascending order, without rows whose score is NaN. Moves the best
 * min(n, most) rows to the front, the best row first; returns min(n, most). Indices are below 2^24,
 * so floats represent them exactly. */
static int cnn_best_routine(const float *scores, float *rows, int n, int most) {
  const int kept = n < most ? n : most;
  for (int k = kept / 2 - 1; k >= 0; k--) cnn_best_sink_routine(scores, rows, k, kept);
  for (int i = kept; kept > 0 && i < n; i++) {
    if (!cnn_best_behind_routine(scores, rows[0], rows[i])) continue;
    rows[0] = rows[i];
    cnn_best_sink_routine(scores, rows, 0, kept);
  }
  for (int left = kept - 1; left > 0; left--) { /* move the heap's worst row to the heap's end */
    const float worst = rows[0];
    rows[0] = rows[left];
    rows[left] = worst;
    cnn_best_sink_routine(scores, rows, 0, left);
  }
  return kept;
}
