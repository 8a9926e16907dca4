/* overlay.c: Boxes, labels and masks on images. */
// SPDX-License-Identifier: MIT-0
#include "hosted/display/overlay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/display/lettering.h"

static const uint8_t BLACK[3] = {0, 0, 0}, WHITE[3] = {255, 255, 255};
static const int PART = 115; /* opacity of a color, out of 256 */

static int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }
static int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

cnn_image cnn_overlay_copy(const cnn_image *image) {
  const size_t n = (size_t)image->height * (size_t)image->width;
  cnn_image copy = {image->height, image->width, 3, malloc(3 * n)};
  for (size_t i = 0; copy.pixel && i < 3 * n; i++)
    copy.pixel[i] = image->pixel[image->channels == 3 ? i : i / 3];
  return copy;
}

/* Labels need an image whose sides have a few hundred pixels. A long image is enlarged less, so that its long
 * side has at most MOST pixels. */
bool cnn_overlay_enlarge(cnn_image *image) {
  enum { WANTED = 320, MOST = 2048 };
  const int32_t side = least(image->height, image->width), end = most(image->height, image->width);
  const int32_t factor = most(1, least((WANTED + side - 1) / side, MOST / end));
  if (factor == 1) return true;
  cnn_image large = {factor * image->height, factor * image->width, 3, NULL};
  large.pixel = malloc(3 * (size_t)large.height * (size_t)large.width);
  if (!large.pixel) return false;
  for (size_t i = 0; i < (size_t)large.height * (size_t)large.width; i++) {
    const size_t y = i / (size_t)large.width / (size_t)factor, x = i % (size_t)large.width / (size_t)factor;
    memcpy(large.pixel + 3 * i, image->pixel + 3 * (y * (size_t)image->width + x), 3);
  }
  free(image->pixel);
  *image = large;
  return true;
}

static uint8_t *pixel_at(const cnn_image *image, int32_t y, int32_t x) {
  return image->pixel + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
}

static int32_t short_side(const cnn_image *image) { return least(image->height, image->width); }

static int32_t pen_of(const cnn_image *image) {
  const int32_t side = short_side(image);
  return side < 100 ? 1 : most(2, side / 400);
}

/* ---- Boxes */

typedef struct Area {
  int32_t left, top, right, bottom; /* right and bottom are exclusive */
} Area;

static int32_t pixel_of(double value, int32_t end) { /* clipped to 0..end; NaN becomes 0 */
  return value > 0 ? value < end ? (int32_t)(value + 0.5) : end : 0;
}

static Area area_of(const cnn_image *image, const double box[4]) {
  return (Area){pixel_of(box[0], image->width), pixel_of(box[1], image->height),
                pixel_of(box[2], image->width), pixel_of(box[3], image->height)};
}

static void fill(const cnn_image *image, Area area, const uint8_t color[3]) {
  for (int32_t y = most(area.top, 0); y < least(area.bottom, image->height); y++)
    for (int32_t x = most(area.left, 0); x < least(area.right, image->width); x++)
      memcpy(pixel_at(image, y, x), color, 3);
}

void cnn_overlay_box(const cnn_image *image, const double box[4], const uint8_t color[3]) {
  const Area a = area_of(image, box);
  const int32_t pen = pen_of(image), top = least(a.top + pen, a.bottom), bottom = most(a.bottom - pen, a.top);
  fill(image, (Area){a.left, a.top, a.right, top}, color);
  fill(image, (Area){a.left, bottom, a.right, a.bottom}, color);
  fill(image, (Area){a.left, a.top, least(a.left + pen, a.right), a.bottom}, color);
  fill(image, (Area){most(a.right - pen, a.left), a.top, a.right, a.bottom}, color);
}

static double label_size(const cnn_image *image) {
  return fmin(2.5, fmax(short_side(image) < 200 ? 0.5 : 0.7, short_side(image) / 600.0));
}

static int64_t common(Area a, Area b) { /* number of pixels that two areas share */
  const int64_t width = least(a.right, b.right) - most(a.left, b.left),
                height = least(a.bottom, b.bottom) - most(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/* Number of pixels of an area that other labels occupy. If the area is partly above or below the image, the
 * result is larger than any number of pixels. */
static int64_t taken(const cnn_image *image, Area place, const Area *placed, int32_t count) {
  int64_t pixels = place.top < 0 || place.bottom > image->height ? INT64_MAX / 2 : 0;
  for (int32_t i = 0; i < count; i++) pixels += common(place, placed[i]);
  return pixels;
}

/* Places a label where it hides the fewest pixels of other labels. Tries four heights: above the box, inside
 * at its top, below it, and inside at its bottom. At each height the label is left-aligned or right-aligned;
 * then the same heights are tried to the right and to the left of the box. */
static Area place_find(const cnn_image *image, Area box, int32_t width, int32_t height, const Area *placed,
                       int32_t count) {
  const int32_t top[] = {box.top - height, box.top, box.bottom, box.bottom - height};
  const int32_t left[] = {box.left, box.right - width, box.right, box.left - width};
  Area best = {0};
  int64_t fewest = INT64_MAX;
  for (int k = 0; k < 16; k++) {
    const int32_t x = most(0, least(left[k / 8 * 2 + k % 2], image->width - width)), y = top[k % 8 / 2];
    const Area place = {x, y, x + width, y + height};
    const int64_t pixels = taken(image, place, placed, count);
    if (pixels < fewest) best = place;
    if (pixels < fewest) fewest = pixels;
  }
  return best;
}

bool cnn_overlay_labels(const cnn_image *image, const cnn_label *label, int32_t labels) {
  const double size = label_size(image);
  const int32_t edge = (int32_t)(3 * size + 1.5), height = cnn_text_height(size) + edge;
  Area *placed = malloc(sizeof *placed * ((size_t)labels + 1));
  if (!placed) return false;
  for (int32_t i = 0; i < labels; i++)
    placed[i] = place_find(image, area_of(image, label[i].box),
                           cnn_text_width(label[i].text, size) + 2 * edge, height, placed, i);
  for (int32_t i = labels; i-- > 0;) {
    uint8_t luma;
    cnn_luma(label[i].rgb, 1, &luma);
    fill(image, placed[i], label[i].rgb);
    cnn_text_draw(image, placed[i].left + edge, placed[i].top + edge, size, luma > 140 ? BLACK : WHITE,
                  label[i].text);
  }
  free(placed);
  return true;
}

/* ---- Legend */

/* Places the legend's entries from left to right in lines, and returns the height of these lines. If the
 * image has rows at `top` and below, also draws the entries there. */
static int32_t legend_lay(const cnn_image *image, int32_t top, double size, const cnn_key *key,
                          int32_t keys) {
  const int32_t line = cnn_text_height(size) + (int32_t)(6 * size), gap = (int32_t)(8 * size),
                square = (int32_t)(12 * size + 0.5);
  int32_t left = gap, y = top + gap;
  for (int32_t i = 0; i < keys; i++) {
    const int32_t width = square + gap + cnn_text_width(key[i].text, size);
    if (left > gap && left + width + gap > image->width) {
      left = gap;
      y += line;
    }
    if (top < image->height) {
      fill(image, (Area){left, y, left + square, y + square}, key[i].rgb);
      cnn_text_draw(image, left + square + gap, y, size, BLACK, key[i].text);
    }
    left += width + 2 * gap;
  }
  return y + line - top;
}

bool cnn_overlay_legend(cnn_image *image, const cnn_key *key, int32_t keys) {
  const double size = label_size(image);
  const int32_t top = image->height, strip = legend_lay(image, top, size, key, keys);
  const size_t before = 3 * (size_t)top * (size_t)image->width,
               all = before + 3 * (size_t)strip * (size_t)image->width;
  uint8_t *pixel = realloc(image->pixel, all);
  if (!pixel) return false;
  memset(pixel + before, 255, all - before);
  *image = (cnn_image){top + strip, image->width, 3, pixel};
  (void)legend_lay(image, top, size, key, keys);
  return true;
}

/* ---- Masks */

static void blend(uint8_t *pixel, const uint8_t color[3]) {
  for (int i = 0; i < 3; i++) pixel[i] = (uint8_t)((pixel[i] * (256 - PART) + color[i] * PART + 128) / 256);
}

/* Whether some pixel above, below, left or right of (y, x) has a number that differs from the number of (y,
 * x). Pixels at a distance of at most `pen` count. */
static bool on_edge(const int32_t *number, int32_t height, int32_t width, int32_t y, int32_t x, int32_t pen) {
  const int64_t at = (int64_t)y * width + x;
  for (int32_t d = 1; d <= pen; d++) {
    if ((x >= d && number[at - d] != number[at]) || (x + d < width && number[at + d] != number[at]) ||
        (y >= d && number[at - (int64_t)d * width] != number[at]) ||
        (y + d < height && number[at + (int64_t)d * width] != number[at]))
      return true;
  }
  return false;
}

void cnn_overlay_mask(const cnn_image *image, const uint8_t *mask, const uint8_t color[3]) {
  const int32_t height = image->height, width = image->width, pen = pen_of(image);
  for (int32_t y = 0; y < height; y++)
    for (int32_t x = 0; x < width; x++) {
      const uint8_t *at = mask + (int64_t)y * width + x;
      if (!*at) continue;
      bool edge = false;
      for (int32_t d = 1; d <= pen && !edge; d++)
        edge = x < d || !at[-d] || x + d >= width || !at[d] || y < d || !at[-(int64_t)d * width] ||
               y + d >= height || !at[(int64_t)d * width];
      if (edge) memcpy(pixel_at(image, y, x), color, 3);
      else blend(pixel_at(image, y, x), color);
    }
}

void cnn_overlay_classes(const cnn_image *image, const int32_t *class, const int32_t *segment,
                         void color(int64_t class, uint8_t rgb[3])) {
  const int32_t height = image->height, width = image->width, pen = (pen_of(image) + 1) / 2;
  for (int32_t y = 0; y < height; y++)
    for (int32_t x = 0; x < width; x++) {
      const int32_t own = class[(int64_t)y * width + x];
      uint8_t rgb[3];
      if (own < 0) continue;
      color(own, rgb);
      if (on_edge(segment ? segment : class, height, width, y, x, pen)) memcpy(pixel_at(image, y, x), rgb, 3);
      else blend(pixel_at(image, y, x), rgb);
    }
}
