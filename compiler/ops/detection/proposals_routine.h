// SPDX-License-Identifier: MIT-0
/* Regions that may hold an object: of the boxes x1 y1 x2 y2 of the best scores those that no better one
 * overlaps. Copied into generated C. */

/* Of two scores, does the first come behind the second? The smaller does; of equal ones that of the last row.
 */
static int cnn_proposals_behind_routine(const float *scores, float a, float b) {
  const float x = scores[(int)a], y = scores[(int)b];
  return x < y || (x == y && a > b);
}

/* The place `at` of a heap, below which all is in order: the worst of it rises to it. */
static void cnn_proposals_sink_routine(const float *scores, float *heap, int at, int n) {
  for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && cnn_proposals_behind_routine(scores, heap[child + 1], heap[child])) child++;
    if (!cnn_proposals_behind_routine(scores, heap[child], heap[at])) return;
    const float moved = heap[at];
    heap[at] = heap[child];
    heap[child] = moved;
    at = child;
  }
}

/* The rows of the `before` best scores, the best first; how many there are. A score that is no number is
 * none.
 */
static int cnn_proposals_best_routine(const float *restrict scores, float *restrict heap, int rows,
                                      int before) {
  int n = 0, next = 0;
  for (; next < rows && n < before; next++)
    if (scores[next] == scores[next]) heap[n++] = (float)next;
  for (int k = n / 2 - 1; k >= 0; k--) cnn_proposals_sink_routine(scores, heap, k, n);
  for (; next < rows; next++)
    if (scores[next] == scores[next] && cnn_proposals_behind_routine(scores, heap[0], (float)next)) {
      heap[0] = (float)next;
      cnn_proposals_sink_routine(scores, heap, 0, n);
    }
  for (int left = n - 1; left > 0; left--) { /* the worst goes to the end */
    const float worst = heap[0];
    heap[0] = heap[left];
    heap[left] = worst;
    cnn_proposals_sink_routine(scores, heap, 0, left);
  }
  return n;
}

/* Does one of the boxes from..to - 1 overlap the box by more? kept[4][most]: their corners, coordinate by
 * coordinate, so that a vector holds several boxes. */
static int cnn_proposals_covered_routine(const float *restrict kept, const float *restrict box, int from,
                                         int to, int most, float overlap) {
  const float x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3], area = (x2 - x1) * (y2 - y1);
  int covered = 0;
  for (int k = from; k < to; k++) {
    const float a1 = kept[k], b1 = kept[most + k], a2 = kept[2 * most + k], b2 = kept[3 * most + k];
    const float left = a1 > x1 ? a1 : x1, right = a2 < x2 ? a2 : x2, top = b1 > y1 ? b1 : y1,
                bottom = b2 < y2 ? b2 : y2;
    const float width = right > left ? right - left : 0.f, height = bottom > top ? bottom - top : 0.f,
                shared = width * height;
    covered |= shared > overlap * (area + (a2 - a1) * (b2 - b1) - shared);
  }
  return covered;
}

/* boxes[rows][4], scores[rows] -> out[most][4]: of the `before` best boxes, of which those that are smaller
 * than a thousandth along an axis drop out, the best that none before them overlaps by more than `overlap`;
 * missing ones are 0. heap[before], kept[4][most]: scratch; a float counts so far. */
static void cnn_proposals_routine(const float *restrict boxes, const float *restrict scores,
                                  float *restrict heap, float *restrict kept, float *restrict out, int rows,
                                  int before, int most, float overlap) {
  enum { BLOCK = 64 };
  const int n = cnn_proposals_best_routine(scores, heap, rows, before);
  int found = 0;
  for (int i = 0; i < n && found < most; i++) {
    const float *box = boxes + 4 * (int)heap[i];
    int covered = !(box[2] - box[0] >= 1e-3f && box[3] - box[1] >= 1e-3f);
    for (int from = 0; from < found && !covered; from += BLOCK)
      covered = cnn_proposals_covered_routine(kept, box, from, from + BLOCK < found ? from + BLOCK : found,
                                              most, overlap);
    if (covered) continue;
    for (int c = 0; c < 4; c++) kept[most * c + found] = out[4 * found + c] = box[c];
    found++;
  }
  for (int i = 4 * found; i < 4 * most; i++) out[i] = 0.f;
}
