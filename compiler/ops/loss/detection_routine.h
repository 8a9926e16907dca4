// SPDX-License-Identifier: MIT-0
/* The loss of an image's regions (Girshick, 2015). Each row adds the cross-entropy of its class; class 0 is
 * the background. A row whose IoU with a ground-truth box is at least `overlap` also adds the smooth L1 of
 * its deltas. The sum is divided by the number of rows. scores, softmax[rows][classes], log_sum[rows]:
 * log(sum of exp); deltas[rows][width], width 4 or 4*classes; boxes[rows][4]; box_log[rows][2],
 * truth_log[most][2]: logarithms of sizes. out: the loss, then its gradients with respect to scores and
 * deltas. Copied into generated C. */
static void cnn_detection_routine(const float *restrict scores, const float *restrict softmax,
                                  const float *restrict log_sum, const float *restrict deltas,
                                  const float *restrict boxes, const float *restrict box_log,
                                  const int32_t *restrict count, const int32_t *restrict label,
                                  const float *restrict truth, const float *restrict truth_log,
                                  float *restrict out, int rows, int classes, int width, int most,
                                  float overlap) {
  static const float weight[4] = {10.f, 10.f, 5.f, 5.f};
  const float share = 1.f / (float)rows;
  const int n = cnn_match_count_routine(count, most);
  float *by_score = out + 1, *by_delta = by_score + rows * classes, sum = 0.f;
  for (int i = 0; i < rows * width; i++) by_delta[i] = 0.f;
  for (int r = 0; r < rows; r++) {
    float shared, wanted[4], slope;
    int best = cnn_match_truth_routine(boxes + 4 * r, truth, label, n, classes - 1, &shared);
    if (!(shared >= overlap)) best = -1;
    const int class_of_row = best < 0 ? 0 : (int)label[best] + 1;
    for (int c = 0; c < classes; c++)
      by_score[r * classes + c] = share * (softmax[r * classes + c] - (c == class_of_row ? 1.f : 0.f));
    sum += log_sum[r] - scores[r * classes + class_of_row];
    if (best < 0) continue;
    const int first = r * width + (width > 4 ? 4 * class_of_row : 0);
    cnn_delta_encode_routine(boxes + 4 * r, box_log + 2 * r, truth + 4 * best, truth_log + 2 * best, weight,
                             wanted);
    for (int k = 0; k < 4; k++) {
      sum += cnn_delta_smooth_routine(deltas[first + k] - wanted[k], 1.f, &slope);
      by_delta[first + k] = share * slope;
    }
  }
  out[0] = share * sum;
}
