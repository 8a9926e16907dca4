// SPDX-License-Identifier: MIT-0
/* The loss of the masks of an image's regions (He et al., 2017). The ground truth of a row is the object with
 * the highest IoU with the row's box, if this IoU is at least `overlap`. The object's pixels, sampled
 * bilinearly at the centers of the mask's cells and rounded to 0 or 1, are compared with the mask channel of
 * the object's class (binary cross-entropy). The loss is the mean over the rows with such an object, and over
 * their cells. score, softplus, sigmoid[rows][height][width][classes] of the linear output; boxes[rows][4];
 * instance[tall][wide]: for each pixel of the image 0, or k + 1 for object k. out: the loss, then its
 * gradient. Copied into generated C. */

/* Samples `instance` bilinearly at a point, where pixels equal to `of` count as 1 and all other pixels as 0.
 * The point (0, 0) is the center of the first pixel. */
static float cnn_masks_sample_routine(const uint8_t *instance, int tall, int wide, int of, float y, float x) {
  float sum = 0.f;
  y = !(y > 0.f) ? 0.f : y < (float)(tall - 1) ? y : (float)(tall - 1);
  x = !(x > 0.f) ? 0.f : x < (float)(wide - 1) ? x : (float)(wide - 1);
  const int top = (int)y, left = (int)x;
  for (int i = 0; i < 4; i++) {
    const int dy = i / 2, dx = i % 2;
    const float along = dx ? x - (float)left : 1.f - (x - (float)left);
    const float down = dy ? y - (float)top : 1.f - (y - (float)top);
    const int row = top + dy < tall ? top + dy : top, column = left + dx < wide ? left + dx : left;
    if ((int)instance[row * wide + column] == of) sum += down * along;
  }
  return sum;
}

static void cnn_masks_routine(const float *restrict score, const float *restrict softplus,
                              const float *restrict sigmoid, const float *restrict boxes,
                              const int32_t *restrict count, const int32_t *restrict label,
                              const float *restrict truth, const uint8_t *restrict instance,
                              float *restrict out, int rows, int height, int width, int classes, int most,
                              int tall, int wide, float overlap) {
  const int n = cnn_match_count_routine(count, most), cells = height * width;
  float *slope = out + 1, sum = 0.f;
  int matched = 0;
  for (int i = 0; i < rows * cells * classes; i++) slope[i] = 0.f;
  for (int r = 0; r < rows; r++) {
    const float *box = boxes + 4 * r;
    float shared;
    const int best = cnn_match_truth_routine(box, truth, label, n, classes, &shared);
    if (best < 0 || !(shared >= overlap)) continue;
    matched++;
    for (int cell = 0; cell < cells; cell++) {
      const float y = box[1] + ((float)(cell / width) + 0.5f) * (box[3] - box[1]) / (float)height - 0.5f;
      const float x = box[0] + ((float)(cell % width) + 0.5f) * (box[2] - box[0]) / (float)width - 0.5f;
      const float inside = cnn_masks_sample_routine(instance, tall, wide, best + 1, y, x) >= 0.5f ? 1.f : 0.f;
      const int at = (r * cells + cell) * classes + (int)label[best];
      sum += softplus[at] - inside * score[at];
      slope[at] = sigmoid[at] - inside;
    }
  }
  const float share = matched ? 1.f / (float)(matched * cells) : 0.f;
  for (int i = 0; i < rows * cells * classes; i++) slope[i] *= share;
  out[0] = share * sum;
}
