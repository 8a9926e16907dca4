// SPDX-License-Identifier: MIT-0
/* Non-maximum suppression: the boxes x1 y1 x2 y2 with the best scores, without boxes whose IoU with a better
 * kept box of the same class exceeds `overlap`. Copied into generated C. */

/* boxes[rows][each][4], scores[rows][classes] -> out[most][6]: a box, its score and its class. each: boxes
 * per row, 1 or `classes`. least: minimum score. heap[rows * classes][2], kept[5][most]: scratch. An entry of
 * the heap is a score and its index in `scores`, below 2^24, so that it is exact in float. */
static void cnn_nms_routine(const float *restrict boxes, const float *restrict scores, float *restrict heap,
                            float *restrict kept, float *restrict out, int rows, int classes, int most,
                            int each, float overlap, float least) {
  int n = 0, found = 0;
  for (int i = 0; i < rows * classes; i++) {
    heap[2 * n] = scores[i];
    heap[2 * n + 1] = (float)i;
    n += scores[i] >= least;
  }
  for (int batch = 0, wanted = most; n > 0 && found < most; heap += 2 * batch, wanted *= 2) {
    batch = cnn_suppress_batch_routine(heap, n, wanted);
    n -= batch;
    for (int left = batch; left > 0 && found < most; left--) {
      float score;
      const int best = cnn_suppress_take_routine(heap, left, &score);
      found = cnn_suppress_keep_routine(kept, out, boxes + (each > 1 ? best : best / classes) * 4, score,
                                        best % classes, found, most, overlap);
    }
  }
  cnn_suppress_end_routine(out, found, most);
}
