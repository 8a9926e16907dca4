// SPDX-License-Identifier: MIT-0
/* Sampling of the regions that a training step uses (Ren et al., 2015). Copied into generated C. */

/* Appends regions of kind `wanted`, with the largest random numbers, to the `from` rows of out, until there
 * are `most` rows or no more such regions. Returns the number of rows. */
static int cnn_sample_add_routine(const float *restrict regions, const float *restrict draws,
                                  const float *restrict kind, float *restrict rows_of, float *restrict out,
                                  int rows, float wanted, int from, int most) {
  int n = 0;
  for (int r = 0; r < rows; r++)
    if (kind[r] == wanted) rows_of[n++] = (float)r;
  n = cnn_best_routine(draws, rows_of, n, most > from ? most - from : 0);
  for (int i = 0; i < n; i++)
    for (int c = 0; c < 4; c++) out[4 * (from + i) + c] = regions[4 * (int)rows_of[i] + c];
  return from + n;
}

/* out[sample][4]: the ground-truth boxes, then regions whose IoU with a ground-truth box is at least 0.5,
 * until there are `positives` rows in all, then other regions, then zeros. regions[rows][4]: an empty box is
 * a missing region; draws[rows]: random numbers; count, label[most], truth[most][4]: ground truth.
 * kind[rows], rows_of[rows]: scratch. */
static void cnn_sample_routine(const float *restrict regions, const float *restrict draws,
                               const int32_t *restrict count, const int32_t *restrict label,
                               const float *restrict truth, float *restrict kind, float *restrict rows_of,
                               float *restrict out, int rows, int most, int sample, int positives) {
  const int n = cnn_match_count_routine(count, most);
  int found = 0;
  for (int t = 0; t < n && found < sample; t++) {
    if (label[t] < 0) continue;
    for (int c = 0; c < 4; c++) out[4 * found + c] = truth[4 * t + c];
    found++;
  }
  for (int r = 0; r < rows; r++) {
    const float *box = regions + 4 * r;
    float shared;
    cnn_match_truth_routine(box, truth, label, n, 0, &shared);
    kind[r] = !(box[2] > box[0] && box[3] > box[1]) ? -1.f : shared >= 0.5f ? 1.f : 0.f;
  }
  found = cnn_sample_add_routine(regions, draws, kind, rows_of, out, rows, 1.f, found, positives);
  found = cnn_sample_add_routine(regions, draws, kind, rows_of, out, rows, 0.f, found, sample);
  for (int i = 4 * found; i < 4 * sample; i++) out[i] = 0.f;
}
