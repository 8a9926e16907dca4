/* lettering.c: Text in images, drawn with a stroke font, which can be scaled to any size, and needs no font
 * file or library.
 *
 * A glyph is a list of strokes, separated by blanks. A stroke is a polyline; each point is two characters:
 * the column 0..8 and the row a..q. Capitals are between the rows a and m, small letters begin at e,
 * descenders end at q. */
// SPDX-License-Identifier: MIT-0
#include "hosted/display/lettering.h"

#include <math.h>
#include <string.h>

static const char *const GLYPHS[] = {
    /* ' ' to '~' */
    "",
    "0a0i 0l0m",
    "0a0c 2a2c",
    "2a1m 6a5m 0e7e 0i7i",
    "6d4b2b0d0e2g4g6i6j4l2l0j 3a3n",
    "7a0m 1a2b2c1d0c0b1a 6j7k7l6m5l5k6j",
    "7m1d1b2a3a4b4d0i0k2m4m7i",
    "0a0c",
    "2a0d0j2n",
    "0a2d2j0n",
    "3c3i 0d6h 6d0h",
    "3e3k 0h6h",
    "1l1m0o",
    "0h4h",
    "0l0m",
    "0n5a",
    "2a4a6c6k4m2m0k0c2a",
    "1c3a3m 1m5m",
    "0c2a4a6c6e0m6m",
    "0b1a4a6c6d4f2f 4f6h6k4m1m0l",
    "5m5a0i6i",
    "6a0a0f1e4e6g6k4m2m0l",
    "5a3a1c0f0k2m4m6k6h4f2f0h",
    "0a6a2m",
    "2a4a6c6d4f2f0d0c2a 2f0h0k2m4m6k6h4f",
    "1m3m5k6h6c4a2a0c0e2g4g6e",
    "0e0f 0l0m",
    "1e1f 1l1m0o",
    "5d0h5l",
    "0f6f 0j6j",
    "0d5h0l",
    "0b2a4a6c6d3g3i 3l3m",
    "5f3f2g2i3j5j5e 5j7j8h8d6b2b0d0k2m6m",
    "0m4a8m 1i7i",
    "0f5f7e7b5a0a0m6m8k8h6f5f",
    "8c6a2a0c0k2m6m8k",
    "0a0m5m8j8d5a0a",
    "7a0a0m7m 0f6f",
    "7a0a0m 0f6f",
    "8c6a2a0c0k2m6m8k8g5g",
    "0a0m 8a8m 0f8f",
    "2a2m 0a4a 0m4m",
    "6a6k4m2m0k",
    "0a0m 8a0h 3e8m",
    "0a0m7m",
    "0m0a4g8a8m",
    "0m0a8m8a",
    "2a6a8c8k6m2m0k0c2a",
    "0m0a6a8c8e6g0g",
    "2a6a8c8k6m2m0k0c2a 5j8n",
    "0m0a6a8c8e6g0g 4g8m",
    "8c6a2a0c0d2f6g8i8k6m2m0k",
    "0a8a 4a4m",
    "0a0k2m6m8k8a",
    "0a4m8a",
    "0a2m4e6m8a",
    "0a8m 8a0m",
    "0a4g8a 4g4m",
    "0a8a0m8m",
    "2a0a0n2n",
    "0a5n",
    "0a2a2n0n",
    "0e3a6e",
    "0n7n",
    "0a2c",
    "1e4e6f6m 6h2h0i0k2m4m6k",
    "0a0m 0g2e4e6g6k4m2m0k",
    "6f4e2e0g0k2m4m6l",
    "6a6m 6g4e2e0g0k2m4m6k",
    "0i6i6g4e2e0g0k2m4m6l",
    "5a4a2c2m 0e5e",
    "6e6o4q2q0p 6g4e2e0g0k2m4m6k",
    "0a0m 0g2e4e6g6m",
    "0e0m 0a0b",
    "2e2o0q 2a2b",
    "0a0m 6e0i 2h6m",
    "0a0k2m",
    "0e0m 0g1e3e4g4m 4g5e7e8g8m",
    "0e0m 0g2e4e6g6m",
    "2e4e6g6k4m2m0k0g2e",
    "0e0q 0g2e4e6g6k4m2m0k",
    "6e6q 6g4e2e0g0k2m4m6k",
    "0e0m 0g2e4e",
    "6f5e1e0f0h1i5i6j6l5m1m0l",
    "2b2k4m5m 0e5e",
    "0e0k2m4m6k 6e6m",
    "0e3m6e",
    "0e2m4f6m8e",
    "0e6m 6e0m",
    "0e3m 6e2p0q",
    "0e6e0m6m",
    "3a2a1b1f0g1h1m2n3n",
    "0a0n",
    "0a1a2b2f3g2h2m1n0n",
    "0h1g2g4i5i6h",
};

enum { SPACE = 2, BETWEEN = 4 }; /* width of a blank, and gap between two letters, in columns */

/* The glyph of the next character; each non-ASCII character becomes one question mark. */
static const char *next_glyph(const char **text) {
  const unsigned char c = (unsigned char)*(*text)++;
  if (c >= 0x80) {
    while (((unsigned char)**text & 0xC0) == 0x80) (*text)++;
    return GLYPHS['?' - ' '];
  }
  return c < ' ' || c > '~' ? GLYPHS[0] : GLYPHS[c - ' '];
}

static int glyph_columns(const char *glyph) {
  int most = *glyph ? 0 : SPACE;
  for (; *glyph; glyph++)
    if (*glyph >= '0' && *glyph <= '9' && *glyph - '0' > most) most = *glyph - '0';
  return most;
}

int32_t cnn_text_width(const char *text, double size) {
  int columns = 0;
  while (*text) columns += glyph_columns(next_glyph(&text)) + BETWEEN;
  return (int32_t)ceil((columns > BETWEEN ? columns - BETWEEN : 0) * size + 1);
}

int32_t cnn_text_height(double size) { return (int32_t)ceil(16 * size + 1); }

/* Distance from a point to the line segment between a and b. */
static double distance(double x, double y, const double a[2], const double b[2]) {
  double dx = b[0] - a[0], dy = b[1] - a[1], square = dx * dx + dy * dy;
  double t = square > 0 ? ((x - a[0]) * dx + (y - a[1]) * dy) / square : 0;
  t = t < 0 ? 0 : t > 1 ? 1 : t;
  return hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}

/* Distance from a point to the nearest stroke; x and y count columns and rows from the glyph's top left. */
static double glyph_distance(const char *glyph, double x, double y) {
  double nearest = 1e9, from[2] = {0, 0};
  bool drawing = false;
  for (; *glyph; glyph += *glyph == ' ' ? 1 : 2) {
    if (*glyph == ' ') {
      drawing = false;
      continue;
    }
    const double to[2] = {glyph[0] - '0', glyph[1] - 'a'};
    if (drawing) nearest = fmin(nearest, distance(x, y, from, to));
    memcpy(from, to, sizeof from);
    drawing = true;
  }
  return nearest;
}

static void blend(uint8_t *pixel, const uint8_t color[3], double cover) {
  for (int i = 0; i < 3; i++) pixel[i] = (uint8_t)(pixel[i] + (color[i] - pixel[i]) * cover + 0.5);
}

void cnn_text_draw(const cnn_image *image, double left, double top, double size, const uint8_t color[3],
                   const char *text) {
  const double pen = 0.35 + 0.3 * size; /* half of the stroke's width, in pixels */
  while (*text) {
    const char *glyph = next_glyph(&text);
    const int columns = glyph_columns(glyph);
    const int32_t x1 = (int32_t)(left + columns * size + 3), y1 = (int32_t)(top + 16 * size + 3);
    for (int32_t y = (int32_t)top - 1; *glyph && y < y1 && y < image->height; y++)
      for (int32_t x = (int32_t)left - 1; x < x1 && x < image->width; x++) {
        if (x < 0 || y < 0) continue;
        const double near = size * glyph_distance(glyph, (x - left) / size, (y - top) / size),
                     cover = 0.5 + pen - near;
        if (cover > 0)
          blend(image->pixel + 3 * ((size_t)y * (size_t)image->width + (size_t)x), color,
                cover < 1 ? cover : 1);
      }
    left += (columns + BETWEEN) * size;
  }
}
