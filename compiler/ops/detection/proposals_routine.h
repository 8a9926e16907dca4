// SPDX-License-Identifier: MIT-0
/* Region proposals: the boxes x1 y1 x2 y2 with the best scores, without boxes whose IoU with a better kept
 * box exceeds `overlap`. Copied into generated C. */

/* Does the box's IoU with one of the kept boxes `from` .. to - 1 exceed `overlap`? kept[4][most]: the corners
 * of kept boxes, coordinate by coordinate, so that a vector holds several boxes. */
static int cnn_proposals_covered_routine(const float *restrict kept, const float *restrict box, int from,
                                         int to, int most, float overlap) {
  const float x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3], area = (x2 - x1) * (y2 - y1);
  int covered = 0;
  for (int k = from; k < to; k++) {
    const float a1 = kept[k], b1 = kept[most + k], a2 = kept[2 * most + k], b2 = kept[3 * most + k];
    const float left = a1 > x1 ? a1 : x1, right = a2 < x2 ? a2 : x2, top = b1 > y1 ? b1 : y1,
                bottom = b2 < y2 ? b2 : y2;
    const float width = right > left ? right - left : 0.f, height = bottom > top ? bottom - top : 0.f,
                shared = width * height;
    covered |= shared > overlap * (area + (a2 - a1) * (b2 - b1) - shared);
  }
  return covered;
}

/* boxes[rows][4], scores[rows] -> out[most][4]: selects the `before` boxes with the best scores, drops boxes
 * with a width or height below 0.001, and keeps the best boxes whose IoU with every better kept box is at
 * most `overlap`; unused rows are 0. NaN scores are ignored. best[rows], kept[4][most]: scratch. */
static void cnn_proposals_routine(const float *restrict boxes, const float *restrict scores,
                                  float *restrict best, float *restrict kept, float *restrict out, int rows,
                                  int before, int most, float overlap) {
  enum { BLOCK = 64 };
  int n = 0, found = 0;
  for (int i = 0; i < rows; i++)
    if (scores[i] == scores[i]) best[n++] = (float)i;
  n = cnn_best_routine(scores, best, n, before);
  for (int i = 0; i < n && found < most; i++) {
    const float *box = boxes + 4 * (int)best[i];
    int covered = !(box[2] - box[0] >= 1e-3f && box[3] - box[1] >= 1e-3f);
    for (int from = 0; from < found && !covered; from += BLOCK)
      covered = cnn_proposals_covered_routine(kept, box, from, from + BLOCK < found ? from + BLOCK : found,
                                              most, overlap);
    if (covered) continue;
    for (int c = 0; c < 4; c++) kept[most * c + found] = out[4 * found + c] = box[c];
    found++;
  }
  for (int i = 4 * found; i < 4 * most; i++) out[i] = 0.f;
}
