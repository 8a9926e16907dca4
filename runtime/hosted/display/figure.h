/* figure.h: Page of heat maps: a title, and sections of panels; a section has one color scale, or none. The
 * caller sets the pixels of panels; the page chooses the size at which they are drawn. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FIGURE_H
#define CNN_FIGURE_H
#include <stdbool.h>
#include "cnn_image.h"

/* ---- color scales: from dark to light, or, for signed numbers, from blue through white at 0 to red. NaN
 * and infinity are magenta, which is on neither scale. */

typedef struct cnn_scale {
  double low, high;
  bool signs;
  int64_t unsound, values; /* number of NaN and infinite values; number of all values */
} cnn_scale;

/* Scale of the finite values. If some are negative, the scale is symmetric about 0, and `signs` is true. */
cnn_scale cnn_scale_of(const float *value, int64_t n);
void cnn_scale_color(const cnn_scale *scale, double value, uint8_t rgb[3]);

/* ---- pages */

typedef struct cnn_figure cnn_figure;

/* NULL: out of memory; the functions below accept NULL. cnn_figure_write reports any earlier lack of memory.
 */
cnn_figure *cnn_figure_new(const char *title, const char *subtitle);
void cnn_figure_free(cnn_figure *figure);
/* Starts a section for the next panels. `scale` is drawn next to these panels, and the heading reports the
 * number of NaN and infinite values. NULL: no scale. `zoom`: side of a panel's pixel in pixels of the page;
 * 0: automatic. `columns` 0: automatic. */
void cnn_figure_section(cnn_figure *figure, const char *heading, const cnn_scale *scale, int32_t columns,
                        int32_t zoom);
/* Draws all panels of the last section with this width, whatever their number of pixels. For panels whose
 * horizontal axis is time, equal times are then at the same column. */
void cnn_figure_strips(cnn_figure *figure, int32_t width);
/* Adds a panel of RGB pixels for the caller to fill; NULL: out of memory. */
uint8_t *cnn_figure_panel(cnn_figure *figure, int32_t height, int32_t width, const char *caption);
/* Adds a panel of numbers: value[y*down + x*right]. */
void cnn_figure_values(cnn_figure *figure, const float *value, int32_t height, int32_t width, int64_t down,
                       int64_t right, const cnn_scale *scale, const char *caption);
/* Marks a part of the last panel. box: x1 y1 x2 y2, in pixels of the panel. */
void cnn_figure_mark(cnn_figure *figure, const double box[4]);
cnn_status cnn_figure_write(const cnn_figure *figure, const char *path); /* a PNG, written atomically */
#endif
