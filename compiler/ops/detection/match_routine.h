// SPDX-License-Identifier: MIT-0
/* Matching of boxes with ground-truth objects. Copied into generated C. */

/* Clamps a count from the caller's data to 0 .. most. */
static int cnn_match_count_routine(const int32_t *count, int most) {
  return !(count[0] > 0) ? 0 : count[0] < most ? (int)count[0] : most;
}

/* Returns the index of the ground-truth box with the largest IoU with `box`, and sets *most to this IoU. If
 * no ground-truth box overlaps `box`, returns -1 and sets *most to 0. Ignores ground-truth boxes with a
 * negative label and, if `classes` is not 0, with a label of `classes` or more. */
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
