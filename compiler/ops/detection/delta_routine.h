// SPDX-License-Identifier: MIT-0
/* Deltas from one box to another. Copied into generated C. */

/* The deltas dx dy dw dh from `box` to `truth` (Ren et al., 2015), each times its weight. box_log, truth_log:
 * logarithms of the width and height. */
static void cnn_delta_encode_routine(const float *box, const float *box_log, const float *truth,
                                     const float *truth_log, const float *weight, float *delta) {
  for (int k = 0; k < 2; k++) {
    const float size = box[k + 2] - box[k], from = box[k] + 0.5f * size,
                to = truth[k] + 0.5f * (truth[k + 2] - truth[k]);
    delta[k] = weight[k] * (to - from) / size;
    delta[k + 2] = weight[k + 2] * (truth_log[k] - box_log[k]);
  }
}

/* The smooth L1 loss of a difference (Girshick, 2015), and its slope. The loss is quadratic below `beta`. */
static float cnn_delta_smooth_routine(float difference, float beta, float *slope) {
  const float size = difference < 0.f ? -difference : difference;
  *slope = size < beta ? difference / beta : difference < 0.f ? -1.f : 1.f;
  return size < beta ? 0.5f * size * size / beta : size - 0.5f * beta;
}
