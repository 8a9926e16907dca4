// SPDX-License-Identifier: MIT-0
/* Candidates of non-maximum suppression, and kept boxes. Copied into generated C.
 *
 * heap[][2]: a candidate's score and its number, row * classes + class. kept[5][most]: corners and class of
 * kept boxes, coordinate by coordinate, so that a vector holds several boxes. */

/* Does the first candidate come before the second? The larger score comes first; equal scores are ordered by
 * number. */
static int cnn_suppress_before_routine(const float *a, const float *b) {
  return a[0] > b[0] || (a[0] == b[0] && a[1] < b[1]);
}

/* Restores the heap order at position `at`, if both of its children are already heaps: moves the candidate at
 * `at` down while a child comes before it. */
static void cnn_suppress_sink_routine(float *heap, int at, int n) {
  const float moved[2] = {heap[2 * at], heap[2 * at + 1]};
  for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
    child += child + 1 < n && cnn_suppress_before_routine(heap + 2 * child + 2, heap + 2 * child);
    if (!cnn_suppress_before_routine(heap + 2 * child, moved)) break;
    heap[2 * at] = heap[2 * child];
    heap[2 * at + 1] = heap[2 * child + 1];
    at = child;
  }
  heap[2 * at] = moved[0];
  heap[2 * at + 1] = moved[1];
}

static void cnn_suppress_order_routine(float *heap, int n) {
  for (int i = n / 2 - 1; i >= 0; i--) cnn_suppress_sink_routine(heap, i, n);
}

/* A score that about `wanted` of n candidates exceed, as estimated from 64 candidates. */
static float cnn_suppress_pivot_routine(const float *heap, int n, int wanted) {
  enum { SAMPLE = 64 };
  float above = 0.f, pivot = 0.f;
  for (int rank = 0; rank * (n / SAMPLE) <= wanted; rank++) {
    int any = 0;
    for (int i = 0; i < SAMPLE; i++) {
      const float score = heap[2 * (n / SAMPLE * i)];
      const int better = (rank == 0 || score < above) && (!any || score > pivot);
      pivot = better ? score : pivot;
      any |= better;
    }
    above = pivot;
  }
  return pivot;
}

/* Moves some of the best candidates to the front: at least `wanted`, or all. Orders them as a heap, and
 * returns the size of this heap. Sorting all candidates would be slow, and most of them are never used. */
static int cnn_suppress_batch_routine(float *heap, int n, int wanted) {
  int front = 0;
  if (n / 16 > wanted && n >= 64) {
    const float pivot = cnn_suppress_pivot_routine(heap, n, 4 * wanted);
    for (int i = 0; i < n; i++) {
      const float score = heap[2 * i], number = heap[2 * i + 1];
      heap[2 * i] = heap[2 * front];
      heap[2 * i + 1] = heap[2 * front + 1];
      heap[2 * front] = score;
      heap[2 * front + 1] = number;
      front += score > pivot;
    }
  }
  if (front < wanted || front == 0) front = n; /* n is small, or many scores are equal */
  cnn_suppress_order_routine(heap, front);
  return front;
}

/* Removes the best candidate from the heap; returns its row * classes + class. */
static int cnn_suppress_take_routine(float *heap, int n, float *score) {
  const float number = heap[1];
  *score = heap[0];
  heap[0] = heap[2 * n - 2];
  heap[1] = heap[2 * n - 1];
  cnn_suppress_sink_routine(heap, 0, n - 1);
  return (int)number;
}

/* Does the box's IoU with one of the kept boxes `from` .. to - 1 of class `label` exceed `overlap`? */
static int cnn_suppress_covered_routine(const float *restrict kept, const float *restrict box, float label,
                                        int from, int to, int most, float overlap) {
  const float x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3], area = (x2 - x1) * (y2 - y1);
  int covered = 0;
  for (int k = from; k < to; k++) {
    const float a1 = kept[k], b1 = kept[most + k], a2 = kept[2 * most + k], b2 = kept[3 * most + k];
    const float left = a1 > x1 ? a1 : x1, right = a2 < x2 ? a2 : x2, top = b1 > y1 ? b1 : y1,
                bottom = b2 < y2 ? b2 : y2;
    const float width = right - left, height = bottom - top, shared = width * height,
                both = (a2 - a1) * (b2 - b1) + area - shared;
    covered |= (kept[4 * most + k] == label) & (width > 0.f) & (height > 0.f) & (shared / both > overlap);
  }
  return covered;
}

/* The candidate becomes row `found` of out[most][6], x1 y1 x2 y2 score class, unless it is suppressed;
 * returns the number of rows so far. */
static int cnn_suppress_keep_routine(float *restrict kept, float *restrict out, const float *box, float score,
                                     int label, int found, int most, float overlap) {
  enum { BLOCK = 64 };
  for (int from = 0; from < found; from += BLOCK)
    if (cnn_suppress_covered_routine(kept, box, (float)label, from,
                                     from + BLOCK < found ? from + BLOCK : found, most, overlap))
      return found;
  for (int c = 0; c < 4; c++) kept[c * most + found] = out[6 * found + c] = box[c];
  kept[4 * most + found] = out[6 * found + 5] = (float)label;
  out[6 * found + 4] = score;
  return found + 1;
}

/* Fills the unused rows of out[most][6]: class -1, other columns 0. */
static void cnn_suppress_end_routine(float *restrict out, int found, int most) {
  for (int i = 6 * found; i < 6 * most; i++) out[i] = i % 6 == 5 ? -1.f : 0.f;
}
