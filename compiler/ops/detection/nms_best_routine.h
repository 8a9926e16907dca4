// SPDX-License-Identifier: MIT-0
/* The boxes with the best scores, without suppression. Copied into generated C. */

/* boxes[rows][each][4], scores[rows][classes] -> out[most][6]: a box, its score and its class. each: boxes
 * per row, 1 or `classes`. least: minimum score. best[rows * classes]: scratch, for at most 2^24 scores. */
static void cnn_nms_best_routine(const float *restrict boxes, const float *restrict scores,
                                 float *restrict best, float *restrict out, int rows, int classes, int most,
                                 int each, float least) {
  int n = 0;
  for (int i = 0; i < rows * classes; i++) {
    best[n] = (float)i;
    n += scores[i] >= least;
  }
  n = cnn_best_routine(scores, best, n, most);
  for (int k = 0; k < most; k++) {
    const int at = k < n ? (int)best[k] : 0;
    const float *box = boxes + (each > 1 ? at : at / classes) * 4;
    for (int c = 0; c < 4; c++) out[6 * k + c] = k < n ? box[c] : 0.f;
    out[6 * k + 4] = k < n ? scores[at] : 0.f;
    out[6 * k + 5] = k < n ? (float)(at % classes) : -1.f;
  }
}
