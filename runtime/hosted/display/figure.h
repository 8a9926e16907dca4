/* figure.h: a page of heat maps: a title, and sections of panels with one color scale each. Panels
 * are given pixel by pixel; how large they are drawn is the page's business. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FIGURE_H
#define CNN_FIGURE_H
#include <stdbool.h>
#include "cnn_image.h"

/* ---- Colors of numbers ----
 * From dark to light, or, where numbers have signs, from blue over white at 0 to red. NaN and infinity are
 * magenta, which is on neither scale. */

typedef struct cnn_scale {
  double low, high;
  bool signs;
  int64_t unsound, values; /* how many are NaN or infinite, of how many */
} cnn_scale;

cnn_scale cnn_scale_of(const float *value, int64_t n); /* of the finite ones; signs: symmetric about 0 */
void cnn_scale_color(const cnn_scale *scale, double value, uint8_t rgb[3]);

/* ---- Pages. cnn_figure_write reports when memory has run out. */

typedef struct cnn_figure cnn_figure;

cnn_figure *
cnn_figure_new(const char *title,
               const char *subtitle); /* NULL: no memory; the functions below do nothing with it */
void cnn_figure_free(cnn_figure *figure);
/* Panels that follow belong to this section. `scale` (with a name of its numbers) is drawn next to them, and
 * the heading says how many of them are NaN or infinite; NULL: none. `zoom`: pixels a side of one pixel, 0:
 * as large as fits well; `columns` 0: as fits well. */
void cnn_figure_section(cnn_figure *figure, const char *heading, const cnn_scale *scale, int32_t columns,
                        int32_t zoom);
/* Panels of the last section are drawn this many pixels wide, however many they have, so that strips of one
 * time line up. */
void cnn_figure_strips(cnn_figure *figure, int32_t width);
/* A panel of RGB pixels to be filled in; NULL: no memory. */
uint8_t *cnn_figure_panel(cnn_figure *figure, int32_t height, int32_t width, const char *caption);
/* A panel of numbers: value[y*down + x*right]. */
void cnn_figure_values(cnn_figure *figure, const float *value, int32_t height, int32_t width, int64_t down,
                       int64_t right, const cnn_scale *scale, const char *caption);
/* Draws attention to a part of the last panel: x1 y1 x2 y2 in its pixels. */
void cnn_figure_mark(cnn_figure *figure, const double box[4]);
cnn_status cnn_figure_write(const cnn_figure *figure, const char *path); /* a PNG, whole or not at all */
#endif
