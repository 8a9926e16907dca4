// SPDX-License-Identifier: MIT-0
/* Boxes x1 y1 x2 y2. Copied into generated C. */

/* The area that two boxes share, divided by the area of both; 0 where they share none. */
static float cnn_box_overlap_routine(const float *a, const float *b) {
  const float left = a[0] > b[0] ? a[0] : b[0], right = a[2] < b[2] ? a[2] : b[2];
  const float top = a[1] > b[1] ? a[1] : b[1], bottom = a[3] < b[3] ? a[3] : b[3];
  const float width = right - left, height = bottom - top, shared = width * height;
  if (!(width > 0.f && height > 0.f)) return 0.f;
  return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
}

/* The truth of classes 0 .. classes - 1 that a box overlaps most, and by how much; -1: none of `n`. */
static int cnn_box_truth_routine(const float *box, const float *truth, const int32_t *label, int n,
                                 int classes, float *most) {
  int best = -1;
  *most = 0.f;
  for (int t = 0; t < n; t++) {
    const float overlap =
        label[t] >= 0 && label[t] < classes ? cnn_box_overlap_routine(box, truth + 4 * t) : 0.f;
    if (overlap > *most) *most = overlap, best = t;
  }
  return best;
}

/* How a box is moved and stretched to become another (Ren et al., 2015): dx dy dw dh times 10 10 5 5. The
 * logarithms of width and height are given. */
static void cnn_box_encode_routine(const float *box, const float *box_log, const float *truth,
                                   const float *truth_log, const float *weight, float *delta) {
  for (int k = 0; k < 2; k++) {
    const float size = box[k + 2] - box[k], from = box[k] + 0.5f * size,
                to = truth[k] + 0.5f * (truth[k + 2] - truth[k]);
    delta[k] = weight[k] * (to - from) / size;
    delta[k + 2] = weight[k + 2] * (truth_log[k] - box_log[k]);
  }
}

/* The smooth L1 loss of a difference (Girshick, 2015), and its slope. */
static float cnn_box_smooth_routine(float difference, float beta, float *slope) {
  const float size = difference < 0.f ? -difference : difference;
  *slope = size < beta ? difference / beta : difference < 0.f ? -1.f : 1.f;
  return size < beta ? 0.5f * size * size / beta : size - 0.5f * beta;
}

/* Whole numbers 0 .. most of a count that comes from outside. */
static int cnn_box_count_routine(const int32_t *count, int most) {
  return !(count[0] > 0) ? 0 : count[0] < most ? (int)count[0] : most;
}
