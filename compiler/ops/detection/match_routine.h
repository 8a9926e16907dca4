// SPDX-License-Identifier: MIT-0
/* Matching of boxes with ground-truth objects. Copied into generated C. */

/* Clamps a count from outside to an integer in 0 .. most. */
static int cnn_match_count_routine(const int32_t *count, int most) {
  return !(count[0] > 0) ? 0 : count[0] < most ? (int)count[0] : most;
}

/* Of n ground-truth boxes the one with the largest overlap, and that overlap; -1: there is none. Only the
 * classes 0 .. classes - 1 count; if `classes` is 0, all. */
static int cnn_match_truth_routine(const float *box, const float *truth, const int32_t *label, int n,
                                   int classes, float *most) {
  int best = -1;
  *most = 0.f;
  for (int t = 0; t < n; t++) {
    const float overlap = label[t] >= 0 && (classes == 0 || label[t] < classes)
                              ? cnn_box_overlap_routine(box, truth + 4 * t)
                              : 0.f;
    if (overlap > *most) *most = overlap, best = t;
  }
  return best;
}
