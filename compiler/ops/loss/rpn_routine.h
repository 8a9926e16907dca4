// SPDX-License-Identifier: MIT-0
/* Loss of region proposals (Ren et al., 2015). Copied into generated C. */

/* Matches anchors with ground-truth objects. For each anchor: the index of the object with the highest IoU,
 * if this IoU is at least `high`, or if the anchor is the best one for some object; -1: every IoU is below
 * `low`; -2: the highest IoU is between `low` and `high`; -3: the anchor extends outside the image. If
 * `width` is 0, no anchor counts as outside. */
static void cnn_rpn_match_routine(const float *restrict anchors, const int32_t *restrict label,
                                  const float *restrict truth, float *restrict match, int rows, int n,
                                  int height, int width, float high, float low) {
  float shared;
  for (int r = 0; r < rows; r++) {
    const float *a = anchors + 4 * r;
    const int inside =
        width == 0 || (a[0] >= 0.f && a[1] >= 0.f && a[2] <= (float)width && a[3] <= (float)height);
    const int best = inside ? cnn_match_truth_routine(a, truth, label, n, 0, &shared) : -1;
    if (!inside) match[r] = -3.f;
    else match[r] = shared >= high && best >= 0 ? (float)best : shared < low ? -1.f : -2.f;
  }
  for (int t = 0; t < n; t++) {
    float most = 0.f;
    for (int r = 0; r < rows; r++) {
      shared = match[r] != -3.f ? cnn_box_overlap_routine(anchors + 4 * r, truth + 4 * t) : 0.f;
      if (shared > most) most = shared;
    }
    for (int r = 0; r < rows && label[t] >= 0 && most > 0.f;
         r++) { /* all anchors with this largest IoU, up to rounding */
      if (match[r] == -3.f) continue;
      if (cnn_box_overlap_routine(anchors + 4 * r, truth + 4 * t) >= 0.99999f * most)
        match[r] = (float)cnn_match_truth_routine(anchors + 4 * r, truth, label, n, 0, &shared);
    }
  }
}

/* Selects the rows with the largest random numbers, at most `most`: rows with a ground truth or, if
 * `positive` is 0, negative rows (match is -1). Returns the number of selected rows. */
static int cnn_rpn_draw_routine(const float *restrict match, const float *restrict draws,
                                float *restrict rows_of, int rows, int positive, int most) {
  int n = 0;
  for (int r = 0; r < rows; r++)
    if (positive ? match[r] >= 0.f : match[r] == -1.f) rows_of[n++] = (float)r;
  return cnn_best_routine(draws, rows_of, n, most);
}

/* The loss of at most `sample` anchors, of which at most `positives` have a ground truth: the binary
 * cross-entropy of the anchors' scores, and the smooth L1 (beta 1/9) of the deltas of anchors with a ground
 * truth; divided by `sample`. scores, sigmoid, softplus, draws[rows]; deltas, anchors[rows][4];
 * anchor_log[rows][2], truth_log[most][2]: logarithms of sizes. match, rows_of[rows]: scratch. out: the loss,
 * then its gradients with respect to scores and deltas. */
static void cnn_rpn_routine(const float *restrict scores, const float *restrict sigmoid,
                            const float *restrict softplus, const float *restrict draws,
                            const float *restrict deltas, const float *restrict anchors,
                            const float *restrict anchor_log, const int32_t *restrict count,
                            const int32_t *restrict label, const float *restrict truth,
                            const float *restrict truth_log, float *restrict match, float *restrict rows_of,
                            float *restrict out, int rows, int most, int height, int width, int sample,
                            int positives, float high, float low) {
  static const float weight[4] = {1.f, 1.f, 1.f, 1.f};
  const float share = 1.f / (float)sample, beta = 1.f / (float)9;
  const int n = cnn_match_count_routine(count, most);
  float *by_score = out + 1, *by_delta = by_score + rows, sum = 0.f;
  for (int i = 0; i < 5 * rows; i++) by_score[i] = 0.f;
  cnn_rpn_match_routine(anchors, label, truth, match, rows, n, height, width, high, low);
  const int found = cnn_rpn_draw_routine(match, draws, rows_of, rows, 1, positives);
  for (int i = 0; i < found; i++) {
    const int r = (int)rows_of[i], t = (int)match[r];
    float wanted[4], slope;
    sum += softplus[r] - scores[r];
    by_score[r] = share * (sigmoid[r] - 1.f);
    cnn_delta_encode_routine(anchors + 4 * r, anchor_log + 2 * r, truth + 4 * t, truth_log + 2 * t, weight,
                             wanted);
    for (int k = 0; k < 4; k++) {
      sum += cnn_delta_smooth_routine(deltas[4 * r + k] - wanted[k], beta, &slope);
      by_delta[4 * r + k] = share * slope;
    }
  }
  const int others = cnn_rpn_draw_routine(match, draws, rows_of, rows, 0, sample - found);
  for (int i = 0; i < others; i++) {
    const int r = (int)rows_of[i];
    sum += softplus[r];
    by_score[r] = share * sigmoid[r];
  }
  out[0] = share * sum;
}
