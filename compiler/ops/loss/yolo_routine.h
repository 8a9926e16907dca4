// SPDX-License-Identifier: MIT-0
/* The loss of a YOLOv3 head (Redmon and Farhadi, 2018) for an image: a ground-truth object belongs to the
 * anchor whose shape has the highest IoU, in the cell of its center. Copied into generated C. */

/* anchor[total][4]: width, height and their logarithms, for all heads; this head has `own` anchors from
 * `first` on. */
typedef struct cnn_yolo_head_routine {
  int h, w, own, first, total, classes;
  float across, down; /* distances between adjacent cells, in pixels of the image */
  const float *anchor;
} cnn_yolo_head_routine;

/* The cell, from 0 to n - 1, that contains a position; for a position outside, the nearest cell. */
static int cnn_yolo_cell_routine(float at, int n) {
  return !(at > 0.f) ? 0 : at < (float)n ? (int)at : n - 1;
}

/* The row that an object belongs to; -1: no row of this head. */
static int cnn_yolo_place_routine(const cnn_yolo_head_routine *of, const float *truth, int32_t label) {
  const float width = truth[2] - truth[0], height = truth[3] - truth[1];
  float most = -1.f;
  int best = -1;
  if (!(label >= 0 && label < of->classes && width > 0.f && height > 0.f)) return -1;
  for (int i = 0; i < of->total; i++) {
    const float *anchor = of->anchor + 4 * i;
    const float shared = (width < anchor[0] ? width : anchor[0]) * (height < anchor[1] ? height : anchor[1]),
                overlap = shared / (width * height + anchor[0] * anchor[1] - shared);
    if (overlap > most) {
      most = overlap;
      best = i;
    }
  }
  if (best < of->first || best >= of->first + of->own) return -1;
  const int column = cnn_yolo_cell_routine(0.5f * (truth[0] + truth[2]) / of->across, of->w),
            row = cnn_yolo_cell_routine(0.5f * (truth[1] + truth[3]) / of->down, of->h);
  return (row * of->w + column) * of->own + best - of->first;
}

/* Corners of a row's box. sigmoid: sigmoids of the row's numbers; size: exp(tw), exp(th). */
static void cnn_yolo_box_routine(const cnn_yolo_head_routine *of, int r, const float *sigmoid,
                                 const float *size, float *box) {
  const int cell = r / of->own;
  const float *anchor = of->anchor + 4 * (of->first + r % of->own);
  const float x = (sigmoid[0] + (float)(cell % of->w)) * of->across,
              y = (sigmoid[1] + (float)(cell / of->w)) * of->down, width = 0.5f * anchor[0] * size[0],
              height = 0.5f * anchor[1] * size[1];
  box[0] = x - width;
  box[1] = y - height;
  box[2] = x + width;
  box[3] = y + height;
}

/* Returns the scaled square of a difference, and sets its slope. */
static float cnn_yolo_square_routine(float difference, float scale, float *slope) {
  *slope = 2.f * scale * difference;
  return scale * difference * difference;
}

/* The loss of row r's box for object `truth`. by: the gradient. area: the area of the image. */
static float cnn_yolo_shape_routine(const cnn_yolo_head_routine *of, int r, const float *t,
                                    const float *sigmoid, const float *truth, const float *truth_log,
                                    float area, float *by) {
  const int cell = r / of->own;
  const float *anchor = of->anchor + 4 * (of->first + r % of->own);
  const float scale = 2.f - (truth[2] - truth[0]) * (truth[3] - truth[1]) / area,
              x = 0.5f * (truth[0] + truth[2]) / of->across - (float)(cell % of->w),
              y = 0.5f * (truth[1] + truth[3]) / of->down - (float)(cell / of->w);
  float sum = cnn_yolo_square_routine(sigmoid[0] - x, scale, by) +
              cnn_yolo_square_routine(sigmoid[1] - y, scale, by + 1) +
              cnn_yolo_square_routine(t[2] - (truth_log[0] - anchor[2]), scale, by + 2) +
              cnn_yolo_square_routine(t[3] - (truth_log[1] - anchor[3]), scale, by + 3);
  for (int k = 0; k < 2; k++) by[k] *= sigmoid[k] * (1.f - sigmoid[k]);
  return sum;
}

/* Does one of the first n objects belong to row r and have class c? */
static int cnn_yolo_class_routine(const float *place, const int32_t *label, int n, int r, int c) {
  int has = 0;
  for (int k = 0; k < n; k++) has |= place[k] == (float)r && label[k] == c;
  return has;
}

/* The objectness loss of rows without an object: the target is 0; rows whose box has an IoU above `ignore`
 * with some object have no loss. by: the gradient, which already contains 1 at the objectness of rows with an
 * object; these rows are skipped. */
static float cnn_yolo_empty_routine(const cnn_yolo_head_routine *of, const float *sigmoid,
                                    const float *softplus, const float *size, const int32_t *label,
                                    const float *truth, int n, float ignore, float *by) {
  const int columns = 5 + of->classes;
  float sum = 0.f;
  for (int y = 0; y < of->h; y++) {
    float line = 0.f;
    for (int r = y * of->w * of->own; r < (y + 1) * of->w * of->own; r++) {
      float box[4], shared;
      if (by[r * columns + 4] > 0.f) continue;
      cnn_yolo_box_routine(of, r, sigmoid + r * columns, size + 2 * r, box);
      cnn_match_truth_routine(box, truth, label, n, of->classes, &shared);
      if (shared > ignore) continue;
      line += softplus[r * columns + 4];
      by[r * columns + 4] = sigmoid[r * columns + 4];
    }
    sum += line;
  }
  return sum;
}

/* t[rows][5 + classes], and its sigmoid and softplus; size[rows][2]: exp(tw), exp(th); truth_log[most][2]:
 * logarithms of sizes. place[most]: the row of each object. If several objects share a row, the last object
 * defines the box, and all of them define the classes. out: the loss, then its gradient with respect to t. */
static void cnn_yolo_routine(const float *restrict t, const float *restrict sigmoid,
                             const float *restrict softplus, const float *restrict size,
                             const float *restrict anchor, const int32_t *restrict count,
                             const int32_t *restrict label, const float *restrict truth,
                             const float *restrict truth_log, float *restrict place, float *restrict out,
                             int h, int w, int own, int first, int total, int classes, int most, float across,
                             float down, float area, float ignore) {
  const cnn_yolo_head_routine head = {h, w, own, first, total, classes, across, down, anchor};
  const int n = cnn_match_count_routine(count, most), columns = 5 + classes;
  float *by = out + 1;
  for (int i = 0; i < h * w * own * columns; i++) by[i] = 0.f;
  for (int k = 0; k < most; k++) {
    place[k] = k < n ? (float)cnn_yolo_place_routine(&head, truth + 4 * k, label[k]) : -1.f;
    if (place[k] >= 0.f) by[(int)place[k] * columns + 4] = 1.f;
  }
  float sum = cnn_yolo_empty_routine(&head, sigmoid, softplus, size, label, truth, n, ignore, by);
  for (int k = 0; k < n; k++) {
    const int r = (int)place[k], at = r * columns;
    int again = 0;
    for (int i = k + 1; i < n; i++) again |= place[i] == place[k];
    if (r < 0 || again) continue;
    sum += cnn_yolo_shape_routine(&head, r, t + at, sigmoid + at, truth + 4 * k, truth_log + 2 * k, area,
                                  by + at);
    for (int c = 4; c < columns; c++) {
      const int is = c == 4 || cnn_yolo_class_routine(place, label, k + 1, r, c - 5);
      sum += softplus[at + c] - (is ? t[at + c] : 0.f);
      by[at + c] = sigmoid[at + c] - (is ? 1.f : 0.f);
    }
  }
  out[0] = sum;
}
