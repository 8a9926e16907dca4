// SPDX-License-Identifier: MIT-0
/* Non-maximum suppression of rows of yolo. Copied into generated C. */

/* rows[count][5 + classes], x y w h, objectness and class scores -> out[most][6]: the corners of a box, its
 * score (objectness times class score) and its class. shares: whether class scores are at most 1; if so, rows
 * with an objectness below `least` are skipped. heap[count * classes][2], kept[5][most]: scratch. */
static void cnn_nms_rows_routine(const float *restrict rows, float *restrict heap, float *restrict kept,
                                 float *restrict out, int count, int classes, int most, int shares,
                                 float overlap, float least) {
  /* `likely` is the last part of `heap`. Candidates overwrite an element of `likely` only after the second
   * loop has read it. */
  float *const likely = heap + (2 * classes - 1) * count;
  int nlikely = 0, n = 0, found = 0;
  for (int i = 0; i < count; i++) {
    likely[nlikely] = (float)i;
    nlikely += !shares | (rows[i * (5 + classes) + 4] >= least);
  }
  for (int k = 0; k < nlikely; k++) {
    const int i = (int)likely[k];
    const float *row = rows + i * (5 + classes);
    for (int c = 0; c < classes; c++) {
      const float score = row[4] * row[5 + c];
      heap[2 * n] = score;
      heap[2 * n + 1] = (float)(i * classes + c);
      n += score >= least;
    }
  }
  for (int batch = 0, wanted = most; n > 0 && found < most; heap += 2 * batch, wanted *= 2) {
    batch = cnn_suppress_batch_routine(heap, n, wanted);
    n -= batch;
    for (int left = batch; left > 0 && found < most; left--) {
      float score, box[4];
      const int best = cnn_suppress_take_routine(heap, left, &score);
      const float *row = rows + best / classes * (5 + classes);
      for (int c = 0; c < 4; c++) box[c] = row[c % 2] + (c < 2 ? -0.5f : 0.5f) * row[2 + c % 2];
      found = cnn_suppress_keep_routine(kept, out, box, score, best % classes, found, most, overlap);
    }
  }
  cnn_suppress_end_routine(out, found, most);
}
