/* resample.c: Image resampling. Resampling is bilinear with half-pixel centers. When an image shrinks by a
 * factor, the triangle filter widens by this factor, so that no pixel is skipped. The arithmetic is Pillow's
 * (ImagingResample). Weights are in 22-bit fixed point. The width is resampled before the height, and
 * intermediate results are rounded to bytes. */
// SPDX-License-Identifier: MIT-0
#include "cnn_image.h"

enum { PRECISION = 22 }; /* 32 bits, minus 8 bits of a pixel and 2 bits of headroom for the sums of weights */

typedef struct Axis {
  double from, scale, support;
  int32_t in, taps;
} Axis; /* taps: maximum number of source pixels per output pixel */

static Axis axis_make(int32_t in, double from, double length, int32_t out) {
  double scale = length / (double)out, support = scale < 1 ? 1 : scale;
  int32_t reach = (int32_t)support;
  if ((double)reach < support) reach++;
  return (Axis){from, scale, support, in, 2 * reach + 1};
}

/* The unnormalized weight of source pixel t for an output pixel. `center` is the output pixel's center, in
 * source pixels. */
static double triangle(const Axis *axis, int32_t t, double center) {
  double distance = ((double)t - center + 0.5) * (1 / axis->support),
         share = distance < 0 ? 1 + distance : 1 - distance;
  return share > 0 ? share : 0;
}

/* Computes the weights of the source pixels of output pixel i. Sets *first to the first of these source
 * pixels. Returns the number of weights. */
static int32_t axis_weights(const Axis *axis, int32_t i, int32_t *weight, int32_t *first) {
  double center = axis->from + ((double)i + 0.5) * axis->scale, total = 0;
  double low = center - axis->support + 0.5, high = center + axis->support + 0.5;
  int32_t begin = low<0 ? 0 : (int32_t)low, end = high>(double) axis->in ? axis->in : (int32_t)high;
  for (int32_t t = begin; t < end; t++) total += triangle(axis, t, center);
  for (int32_t t = begin; t < end; t++)
    weight[t - begin] = (int32_t)(0.5 + triangle(axis, t, center) / total * (double)(1 << PRECISION));
  *first = begin;
  return end - begin;
}

/* A weighted sum of source pixels along one axis, rounded to a byte. `step`: bytes from one of these pixels
 * to the next. */
static uint8_t weighted(const uint8_t *in, size_t step, const int32_t *weight, int32_t taps) {
  int32_t sum = 1 << (PRECISION - 1);
  for (int32_t t = 0; t < taps; t++) sum += weight[t] * (int32_t)in[(size_t)t * step];
  sum >>= PRECISION;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Returns the number of source rows that the output needs. Sets *top to the first of these rows. */
static int32_t rows_needed(const Axis *rows, int32_t out_h, int32_t *top) {
  double first = rows->from + 0.5 * rows->scale - rows->support + 0.5,
         last = rows->from + ((double)out_h - 0.5) * rows->scale + rows->support + 0.5;
  *top = first < 0 ? 0 : (int32_t)first;
  return (last > (double)rows->in ? rows->in : (int32_t)last) - *top;
}

size_t cnn_resample_scratch(int32_t h, int32_t w, int32_t channels, cnn_area area, int32_t out_h,
                            int32_t out_w) {
  Axis rows = axis_make(h, area.y, area.height, out_h), columns = axis_make(w, area.x, area.width, out_w);
  int32_t top, taps = rows.taps > columns.taps ? rows.taps : columns.taps;
  return (size_t)taps * sizeof(int32_t) +
         (size_t)rows_needed(&rows, out_h, &top) * (size_t)out_w * (size_t)channels;
}

void cnn_resample(const uint8_t *in, int32_t h, int32_t w, int32_t channels, cnn_area area, uint8_t *out,
                  int32_t out_h, int32_t out_w, size_t out_stride, void *scratch) {
  Axis rows = axis_make(h, area.y, area.height, out_h), columns = axis_make(w, area.x, area.width, out_w);
  int32_t *weight = scratch, top, first, needed = rows_needed(&rows, out_h, &top);
  /* `middle` has `needed` * out_w * channels bytes. */
  uint8_t *middle = (uint8_t *)(weight + (rows.taps > columns.taps ? rows.taps : columns.taps));
  size_t depth = (size_t)channels, in_stride = (size_t)w * depth, row_bytes = (size_t)out_w * depth;
  for (int32_t x = 0; x < out_w; x++) {
    int32_t taps = axis_weights(&columns, x, weight, &first);
    const uint8_t *from = in + (size_t)top * in_stride + (size_t)first * depth;
    for (int32_t y = 0; y < needed; y++)
      for (size_t c = 0; c < depth; c++)
        middle[(size_t)y * row_bytes + (size_t)x * depth + c] =
            weighted(from + (size_t)y * in_stride + c, depth, weight, taps);
  }
  for (int32_t y = 0; y < out_h; y++) {
    int32_t taps = axis_weights(&rows, y, weight, &first);
    const uint8_t *from = middle + (size_t)(first - top) * row_bytes;
    for (size_t i = 0; i < row_bytes; i++)
      out[(size_t)y * out_stride + i] = weighted(from + i, row_bytes, weight, taps);
  }
}

void cnn_luma(const uint8_t *rgb, size_t n, uint8_t *gray) {
  for (size_t i = 0; i < n; i++) /* 16-bit fixed-point factors of red, green and blue */
    gray[i] =
        (uint8_t)((19595u * rgb[3 * i] + 38470u * rgb[3 * i + 1] + 7471u * rgb[3 * i + 2] + 0x8000u) >> 16);
}
