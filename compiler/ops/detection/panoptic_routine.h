// SPDX-License-Identifier: MIT-0
/* Panoptic segmentation: instances painted onto free pixels, and background classes. Copied into generated
 * C. */

/* A mask in a box of the image. */
typedef struct cnn_panoptic_instance_routine {
  const float *mask; /* points to the mask's channel in [height][width][channels] */
  int height, width, channels;
  /* left, top: the box's corner, in result pixels; across, down: mask cells per result pixel */
  float left, top, across, down;
} cnn_panoptic_instance_routine;

/* Mask cell (y, x); 0 outside the mask. */
static float cnn_panoptic_cell_routine(const cnn_panoptic_instance_routine *of, int y, int x) {
  return y >= 0 && y < of->height && x >= 0 && x < of->width ? of->mask[(y * of->width + x) * of->channels]
                                                             : 0.f;
}

/* The mask at the center of pixel (y, x) of the result, interpolated bilinearly between mask cells. */
static float cnn_panoptic_mask_routine(const cnn_panoptic_instance_routine *of, int y, int x) {
  const float v = ((float)y + 0.5f - of->top) * of->down + 0.5f,
              u = ((float)x + 0.5f - of->left) * of->across + 0.5f;
  if (!(v >= 0.f && v < (float)of->height + 1.f && u >= 0.f && u < (float)of->width + 1.f)) return 0.f;
  const int i = (int)v, j = (int)u;
  const float low = v - (float)i, right = u - (float)j;
  const float above = cnn_panoptic_cell_routine(of, i - 1, j - 1) * (1.f - right) +
                      cnn_panoptic_cell_routine(of, i - 1, j) * right,
              below = cnn_panoptic_cell_routine(of, i, j - 1) * (1.f - right) +
                      cnn_panoptic_cell_routine(of, i, j) * right;
  return above * (1.f - low) + below * low;
}

/* The first of the n pixels along an axis whose center is not before `edge`; n: there is none. */
static int cnn_panoptic_edge_routine(float edge, int n) {
  if (!(edge > 0.5f)) return 0;
  if (!(edge < (float)n)) return n;
  const int at = (int)edge;
  return (float)at + 0.5f < edge ? at + 1 : at;
}

/* The row after row `last` by descending score; equal scores are ordered by row. last = -1: returns the first
 * row. Returns -1 if there is none. Rows with a NaN score are skipped. */
static int cnn_panoptic_next_routine(const float *boxes, int rows, int last) {
  int best = -1;
  for (int i = 0; i < rows; i++) {
    const float score = boxes[6 * i + 4];
    if (last >= 0 && !(score < boxes[6 * last + 4] || (score == boxes[6 * last + 4] && i > last))) continue;
    if (best < 0 ? score == score : score > boxes[6 * best + 4]) best = i;
  }
  return best;
}

/* Paints instance `number` on the free pixels that its mask covers (mask > threshold), if at least half of
 * the covered pixels are free. edge: left, top, right and bottom of the box, in result pixels.
 * out[h][w][2]: class, instance. While a pixel is free, its class in `out` is the number of the last instance
 * whose mask covers the pixel. */
static void cnn_panoptic_paint_routine(const cnn_panoptic_instance_routine *of, const float *box,
                                       const int *edge, float *out, int w, int number, float threshold) {
  int area = 0, left = 0;
  for (int y = edge[1]; y < edge[3]; y++)
    for (int x = edge[0]; x < edge[2]; x++) {
      float *pixel = out + 2 * (y * w + x);
      if (!(cnn_panoptic_mask_routine(of, y, x) > threshold)) continue;
      area++;
      if (pixel[1] > 0.f) continue;
      pixel[0] = (float)number;
      left++;
    }
  if (2 * (float)left < (float)area) return;
  for (int y = edge[1]; y < edge[3]; y++)
    for (int x = edge[0]; x < edge[2]; x++) {
      float *pixel = out + 2 * (y * w + x);
      if (pixel[1] > 0.f || pixel[0] != (float)number) continue;
      pixel[0] = (float)(int)box[5];
      pixel[1] = (float)number;
    }
}

/* scores[h][w][classes], boxes[rows][6] (x1 y1 x2 y2 score class, in image pixels),
 * masks[rows][height][width][channels] -> out[h][w][2]. A pixel of the result covers 1 / across by 1 / down
 * image pixels. */
static void cnn_panoptic_routine(const float *restrict scores, const float *restrict boxes,
                                 const float *restrict masks, float *restrict out, int h, int w, int classes,
                                 int rows, int height, int width, int channels, float threshold, float across,
                                 float down) {
  for (int i = 0; i < 2 * h * w; i++) out[i] = 0.f;
  for (int row = cnn_panoptic_next_routine(boxes, rows, -1); row >= 0;
       row = cnn_panoptic_next_routine(boxes, rows, row)) {
    const float *box = boxes + 6 * row, x1 = box[0] * across, y1 = box[1] * down, x2 = box[2] * across,
                y2 = box[3] * down;
    if (!(box[5] >= 0.f && box[5] < (float)channels && x1 < x2 && y1 < y2)) continue;
    const cnn_panoptic_instance_routine instance = {masks + row * height * width * channels + (int)box[5],
                                                    height,
                                                    width,
                                                    channels,
                                                    x1,
                                                    y1,
                                                    (float)width / (x2 - x1),
                                                    (float)height / (y2 - y1)};
    const int edge[4] = {cnn_panoptic_edge_routine(x1, w), cnn_panoptic_edge_routine(y1, h),
                         cnn_panoptic_edge_routine(x2, w), cnn_panoptic_edge_routine(y2, h)};
    cnn_panoptic_paint_routine(&instance, box, edge, out, w, row + 1, threshold);
  }
  for (int i = 0; i < h * w; i++) {
    int best = 0;
    if (out[2 * i + 1] > 0.f) continue;
    for (int c = 1; c < classes; c++)
      if (scores[i * classes + c] > scores[i * classes + best]) best = c;
    out[2 * i] = (float)best;
  }
}
