// SPDX-License-Identifier: MIT-0
/* IoU of boxes x1 y1 x2 y2. Copied into generated C. */

/* The intersection area of two boxes, divided by the area of their union; 0 if they do not intersect. */
static float cnn_box_overlap_routine(const float *a, const float *b) {
  const float left = a[0] > b[0] ? a[0] : b[0], right = a[2] < b[2] ? a[2] : b[2];
  const float top = a[1] > b[1] ? a[1] : b[1], bottom = a[3] < b[3] ? a[3] : b[3];
  const float width = right - left, height = bottom - top, shared = width * height;
  if (!(width > 0.f && height > 0.f)) return 0.f;
  return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared);
}
