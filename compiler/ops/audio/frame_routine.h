// SPDX-License-Identifier: MIT-0
/* The samples of a frame. Copied into generated C. */

/* Sample i of x[n]. Outside of x: 0 or, with `mirror`, the sample at position i reflected at the first or
 * last sample. */
static float cnn_frame_sample_routine(const float *x, int i, int n, int mirror) {
  if (mirror && i < 0) i = -i;
  if (mirror && i >= n) i = 2 * (n - 1) - i;
  return i >= 0 && i < n ? x[i] : 0.f;
}
