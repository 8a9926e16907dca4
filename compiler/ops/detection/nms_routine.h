// SPDX-License-Identifier: MIT-0
/* Non-maximum suppression: the boxes x1 y1 x2 y2 of the best scores, class by class without those that
 * overlap a better one of their class. Copied into generated C. */

/* Of two scores, does the first come before the second? The larger does; of equal ones that of the first row.
 */
static int cnn_nms_before_routine(const float *scores, float a, float b) {
  const float x = scores[(int)a], y = scores[(int)b];
  return x > y || (x == y && a < b);
}

/* The place `at` of a heap, below which all is in order: the best of it rises to it. */
static void cnn_nms_sink_routine(const float *scores, float *heap, int at, int n) {
  for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && cnn_nms_before_routine(scores, heap[child + 1], heap[child])) child++;
    if (!cnn_nms_before_routine(scores, heap[child], heap[at])) return;
    const float moved = heap[at];
    heap[at] = heap[child];
    heap[child] = moved;
    at = child;
  }
}

/* The area that two boxes share, divided by the area of both; 0 where they share none. */
static float cnn_nms_overlap_routine(const float *a, const float *b) {
  const float left = a[0] > b[0] ? a[0] : b[0], right = a[2] < b[2] ? a[2] : b[2];
  const float top = a[1] > b[1] ? a[1] : b[1], bottom = a[3] < b[3] ? a[3] : b[3];
  const float width = right - left, height = bottom - top, shared = width * height;
  if (!(width > 0.f && height > 0.f)) return 0.f;
  return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
}

/* boxes[rows][each][4], scores[rows][classes] -> out[most][6]: a box, its score and its class; missing rows
 * are of class -1. A row has one box, or one for each class. heap[rows * classes]: scratch; a float counts so
 * far. */
static void cnn_nms_routine(const float *restrict boxes, const float *restrict scores, float *restrict heap,
                            float *restrict out, int rows, int classes, int most, int each, float overlap,
                            float least) {
  int n = 0, kept = 0;
  for (int i = 0; i < rows * classes; i++)
    if (scores[i] >= least) heap[n++] = (float)i;
  for (int i = n / 2 - 1; i >= 0; i--) cnn_nms_sink_routine(scores, heap, i, n);
  while (n > 0 && kept < most) {
    const int best = (int)heap[0], label = best % classes;
    const float *box = boxes + (each > 1 ? best : best / classes) * 4;
    int covered = 0;
    heap[0] = heap[--n];
    cnn_nms_sink_routine(scores, heap, 0, n);
    for (int k = 0; k < kept && !covered; k++)
      covered = (int)out[6 * k + 5] == label && cnn_nms_overlap_routine(out + 6 * k, box) > overlap;
    if (covered) continue;
    for (int c = 0; c < 4; c++) out[6 * kept + c] = box[c];
    out[6 * kept + 4] = scores[best];
    out[6 * kept + 5] = (float)label;
    kept++;
  }
  for (; kept < most; kept++)
    for (int c = 0; c < 6; c++) out[6 * kept + c] = c == 5 ? -1.f : 0.f;
}
