// SPDX-License-Identifier: MIT-0
/* Loss of a detector that corrects default boxes (Liu et al., 2016). Copied into generated C. */

/* Matches boxes with ground-truth objects. match[row]: index of the object; -1: none. A box gets the object
 * with the highest IoU, if this IoU is at least `overlap`. Then an object's best box gets the object, even
 * below `overlap`; if objects share their best box, it gets the last of these objects. Returns the number of
 * matched boxes. */
static int cnn_multibox_match_routine(const float *restrict boxes, const int32_t *restrict label,
                                      const float *restrict truth, float *restrict match, int rows,
                                      int classes, int n, float overlap) {
  int positives = 0;
  for (int r = 0; r < rows; r++) {
    float shared;
    const int best = cnn_match_truth_routine(boxes + 4 * r, truth, label, n, classes - 1, &shared);
    match[r] = shared >= overlap ? (float)best : -1.f;
  }
  for (int t = 0; t < n; t++) {
    float most = 0.f;
    int best = -1;
    for (int r = 0; r < rows && label[t] >= 0 && label[t] < classes - 1; r++) {
      const float shared = cnn_box_overlap_routine(boxes + 4 * r, truth + 4 * t);
      if (shared > most) most = shared, best = r;
    }
    if (best >= 0) match[best] = (float)t;
  }
  for (int r = 0; r < rows; r++) positives += match[r] >= 0.f;
  return positives;
}

/* The loss: for each matched box, the cross-entropy of its class and the smooth L1 of its deltas; for each
 * selected unmatched box, the cross-entropy of the background. The unmatched boxes with the highest
 * cross-entropy are selected: `negatives` per matched box. The sum of all terms is divided by the number of
 * matched boxes. scores, softmax[rows][classes], log_sum[rows]: log(sum of exp); deltas, boxes[rows][4];
 * box_log[rows][2], truth_log[most][2]: logarithms of sizes. match, worst, cost[rows]: scratch. out: the
 * loss, then its gradients with respect to scores and deltas. */
static void cnn_multibox_routine(const float *restrict scores, const float *restrict softmax,
                                 const float *restrict log_sum, const float *restrict deltas,
                                 const float *restrict boxes, const float *restrict box_log,
                                 const int32_t *restrict count, const int32_t *restrict label,
                                 const float *restrict truth, const float *restrict truth_log,
                                 float *restrict match, float *restrict worst, float *restrict cost,
                                 float *restrict out, int rows, int classes, int most, int negatives,
                                 float overlap) {
  static const float weight[4] = {10.f, 10.f, 5.f, 5.f};
  const int n = cnn_match_count_routine(count, most),
            positives = cnn_multibox_match_routine(boxes, label, truth, match, rows, classes, n, overlap);
  const float share = 1.f / (float)(positives > 0 ? positives : 1);
  float *by_score = out + 1, *by_delta = by_score + rows * classes, sum = 0.f;
  int others = 0;
  for (int i = 0; i < rows * classes; i++) by_score[i] = 0.f;
  for (int i = 0; i < rows * 4; i++) by_delta[i] = 0.f;
  for (int r = 0; r < rows; r++) {
    float wanted[4], slope;
    const int t = (int)match[r], class_of_row = t < 0 ? 0 : (int)label[t] + 1;
    cost[r] = log_sum[r] - scores[r * classes + class_of_row];
    if (t < 0) {
      if (cost[r] == cost[r]) worst[others++] = (float)r;
      continue;
    }
    sum += cost[r];
    for (int c = 0; c < classes; c++)
      by_score[r * classes + c] = share * (softmax[r * classes + c] - (c == class_of_row ? 1.f : 0.f));
    cnn_delta_encode_routine(boxes + 4 * r, box_log + 2 * r, truth + 4 * t, truth_log + 2 * t, weight,
                             wanted);
    for (int k = 0; k < 4; k++) {
      sum += cnn_delta_smooth_routine(deltas[4 * r + k] - wanted[k], 1.f, &slope);
      by_delta[4 * r + k] = share * slope;
    }
  }
  if (positives > 0 && others > 0 &&
      negatives <= (others - 1) / positives) /* negatives * positives < others, without overflow */
    others = cnn_best_routine(cost, worst, others, negatives * positives);
  for (int i = 0; i < others && positives > 0; i++) {
    const int r = (int)worst[i];
    sum += cost[r];
    for (int c = 0; c < classes; c++)
      by_score[r * classes + c] = share * (softmax[r * classes + c] - (c == 0 ? 1.f : 0.f));
  }
  out[0] = share * sum;
}
