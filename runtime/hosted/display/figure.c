/* figure.c: Layout and drawing of a page of panels. */
// SPDX-License-Identifier: MIT-0
#include "hosted/display/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/display/lettering.h"
#include "hosted/base/number.h"

/* ---- Colors */

/* Viridis, by Stéfan van der Walt and Nathaniel Smith (2015, dedicated to the public): every sixteenth of its
 * 256 colors. */
static const uint8_t SEQUENTIAL[][3] = {
    {68, 1, 84},    {72, 24, 106},  {71, 45, 123},  {66, 64, 134},  {59, 82, 139},  {51, 99, 141},
    {44, 114, 142}, {38, 130, 142}, {33, 145, 140}, {31, 159, 136}, {39, 173, 129}, {61, 188, 116},
    {92, 200, 99},  {129, 211, 77}, {170, 220, 50}, {213, 226, 26}, {253, 231, 37},
};
/* The lightness of these colors (CIE L*: 97, 84, 66, 43, 20) decreases equally on both sides of the middle.
 * */
static const uint8_t DIVERGING[][3] = {
    {16, 42, 99},    {42, 98, 166},   {112, 163, 208}, {183, 211, 232}, {247, 247, 247},
    {247, 205, 182}, {230, 139, 108}, {188, 61, 58},   {107, 10, 36},
};

static const uint8_t UNSOUND[3] = {255, 0, 200};

cnn_scale cnn_scale_of(const float *value, int64_t n) {
  cnn_scale scale = {.low = INFINITY, .high = -INFINITY, .values = n};
  for (int64_t i = 0; i < n; i++) {
    scale.unsound += !isfinite(value[i]);
    if (!isfinite(value[i])) continue;
    scale.low = fmin(scale.low, (double)value[i]);
    scale.high = fmax(scale.high, (double)value[i]);
  }
  if (scale.low > scale.high) return (cnn_scale){0, 1, false, scale.unsound, n};
  scale.signs = scale.low < 0;
  if (scale.signs) {
    scale.high = fmax(scale.high, -scale.low);
    scale.low = -scale.high;
  }
  if (scale.low == scale.high) scale.high = scale.low + (scale.low == 0 ? 1 : fabs(scale.low));
  return scale;
}

void cnn_scale_color(const cnn_scale *scale, double value, uint8_t rgb[3]) {
  const uint8_t (*table)[3] = scale->signs ? DIVERGING : SEQUENTIAL;
  const int steps = scale->signs ? (int)(sizeof DIVERGING / sizeof *DIVERGING) - 1
                                 : (int)(sizeof SEQUENTIAL / sizeof *SEQUENTIAL) - 1;
  if (!isfinite(value)) {
    memcpy(rgb, UNSOUND, 3);
    return;
  }
  const double at = fmin(fmax((value - scale->low) / (scale->high - scale->low), 0), 1) * steps;
  const int k = at < steps ? (int)at : steps - 1;
  for (int i = 0; i < 3; i++)
    rgb[i] = (uint8_t)(table[k][i] + (table[k + 1][i] - table[k][i]) * (at - k) + 0.5);
}

/* ---- Pages */

enum {
  MARGIN = 28,
  GAP = 12,
  LINE = 5,
  PAGE = 1040,
  CELL_MOST = 280,
  HEIGHT_MOST = 480,
  ZOOM_MOST = 24,
  TIGHT = 4,
  THIN = 28,
  BAR = 16,
  BAR_MOST = 220,
  CAPTION_LEAST = 96
};
#define TITLE_SIZE 1.25
#define TEXT_SIZE 0.9
#define CAPTION_SIZE 0.75
static const uint8_t INK[3] = {34, 34, 38}, PALE[3] = {104, 104, 112}, FRAME[3] = {176, 176, 184};

typedef struct Panel {
  int32_t height, width;
  uint8_t *rgb;
  char caption[64];
  bool marked;
  double mark[4];
} Panel;

typedef struct Section {
  char heading[280];
  bool scaled;
  cnn_scale scale;
  int32_t columns, zoom, first, count, strip; /* strip: width of each panel in pixels; 0: automatic */
} Section;

struct cnn_figure {
  char title[200], subtitle[300];
  Section *section;
  Panel *panel;
  int32_t sections, panels;
  bool failed;
};

/* Makes room for one more element; the capacity doubles when the number of elements reaches a power of two.
 */
static bool grow(void **array, int32_t count, size_t bytes) {
  if ((count & (count - 1)) != 0) return true;
  void *moved = realloc(*array, bytes * (size_t)(count ? 2 * count : 1));
  if (moved) *array = moved;
  return moved != NULL;
}

cnn_figure *cnn_figure_new(const char *title, const char *subtitle) {
  cnn_figure *figure = calloc(1, sizeof *figure);
  if (!figure) return NULL;
  snprintf(figure->title, sizeof figure->title, "%s", title);
  snprintf(figure->subtitle, sizeof figure->subtitle, "%s", subtitle);
  return figure;
}

void cnn_figure_free(cnn_figure *figure) {
  if (!figure) return;
  for (int32_t i = 0; i < figure->panels; i++) free(figure->panel[i].rgb);
  free(figure->panel);
  free(figure->section);
  free(figure);
}

void cnn_figure_section(cnn_figure *figure, const char *heading, const cnn_scale *scale, int32_t columns,
                        int32_t zoom) {
  if (!figure || figure->failed) return;
  figure->failed = !grow((void **)&figure->section, figure->sections, sizeof *figure->section);
  if (figure->failed) return;
  Section *section = &figure->section[figure->sections++];
  *section = (Section){.scaled = scale != NULL, .columns = columns, .zoom = zoom, .first = figure->panels};
  if (scale) section->scale = *scale;
  snprintf(section->heading, sizeof section->heading, "%s", heading);
  const size_t n = strlen(section->heading);
  if (scale && scale->unsound > 0)
    snprintf(section->heading + n, sizeof section->heading - n,
             "%s%s of %s values are NaN or infinite (magenta)", n > 0 ? "; " : "",
             cnn_number_grouped(scale->unsound).text, cnn_number_grouped(scale->values).text);
}

void cnn_figure_strips(cnn_figure *figure, int32_t width) {
  if (figure && !figure->failed && figure->sections > 0) figure->section[figure->sections - 1].strip = width;
}

uint8_t *cnn_figure_panel(cnn_figure *figure, int32_t height, int32_t width, const char *caption) {
  if (!figure || figure->failed || figure->sections == 0) return NULL;
  uint8_t *rgb = calloc((size_t)height * (size_t)width, 3);
  figure->failed = !rgb || !grow((void **)&figure->panel, figure->panels, sizeof *figure->panel);
  if (figure->failed) {
    free(rgb);
    return NULL;
  }
  Panel *panel = &figure->panel[figure->panels++];
  *panel = (Panel){.height = height, .width = width, .rgb = rgb};
  snprintf(panel->caption, sizeof panel->caption, "%s", caption);
  figure->section[figure->sections - 1].count++;
  return rgb;
}

void cnn_figure_values(cnn_figure *figure, const float *value, int32_t height, int32_t width, int64_t down,
                       int64_t right, const cnn_scale *scale, const char *caption) {
  uint8_t *rgb = cnn_figure_panel(figure, height, width, caption);
  for (int64_t y = 0; rgb && y < height; y++)
    for (int64_t x = 0; x < width; x++, rgb += 3)
      cnn_scale_color(scale, (double)value[y * down + x * right], rgb);
}

void cnn_figure_mark(cnn_figure *figure, const double box[4]) {
  if (!figure || figure->failed || figure->panels == 0) return;
  Panel *panel = &figure->panel[figure->panels - 1];
  panel->marked = true;
  memcpy(panel->mark, box, sizeof panel->mark);
}

/* ---- Layout */

typedef struct Layout { /* layout of a section */
  int32_t columns, rows, room_width, room_height, cell_width, cell_height, width, height;
  int32_t gap, caption,
      bar; /* caption: height of the caption line; bar: width of the color scale with its numbers */
} Layout;

static int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }
static int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

static int32_t columns_for(const Section *section) {
  const int32_t n = most(section->count, 1);
  if (section->columns) return section->columns;
  return n <= 5 ? n : n <= 10 ? (n + 1) / 2 : n <= 12 ? 6 : n <= 64 ? 8 : 16;
}

static void scale_marks(const cnn_scale *scale, char mark[3][48]) {
  const double value[3] = {scale->high, (scale->low + scale->high) / 2, scale->low};
  for (int i = 0; i < 3; i++)
    snprintf(mark[i], 48, "%s",
             cnn_number(fabs(value[i]) < 2e-3 * (scale->high - scale->low) ? 0 : value[i], 3).text);
}

static int32_t bar_width(const Section *section) {
  char mark[3][48];
  int32_t width = 0;
  if (!section->scaled) return 0;
  scale_marks(&section->scale, mark);
  for (int i = 0; i < 3; i++) width = most(width, cnn_text_width(mark[i], CAPTION_SIZE));
  return 2 * GAP + BAR + 6 + width;
}

/* Computes the size at which a panel is drawn. Each pixel of the panel becomes `zoom` x `zoom` pixels of the
 * page, where `zoom` is the section's zoom or, if that is 0, the largest zoom that fits. If the section's
 * zoom is 0, a panel that is too large shrinks by an integer factor. section->strip replaces the width. A
 * panel of few rows is drawn taller. */
static void drawn_size(const Section *section, const Layout *layout, const Panel *panel, int32_t *height,
                       int32_t *width) {
  const int32_t room_width = layout->room_width, room_height = layout->room_height;
  if (!section->zoom && (panel->width > room_width || panel->height > room_height)) {
    const int32_t k =
        most((panel->width + room_width - 1) / room_width, (panel->height + room_height - 1) / room_height);
    *width = (panel->width + k - 1) / k;
    *height = (panel->height + k - 1) / k;
  } else {
    const int32_t zoom =
        section->zoom ? section->zoom
                      : least(least(room_width / panel->width, room_height / panel->height), ZOOM_MOST);
    *width = zoom * panel->width;
    *height = zoom * panel->height;
  }
  if (section->strip) *width = section->strip;
  if (*height < THIN && *width > THIN)
    *height = panel->height >= THIN ? *height : (THIN + panel->height - 1) / panel->height * panel->height;
}

static bool has_captions(const cnn_figure *figure, const Section *section) {
  for (int32_t i = section->first; i < section->first + section->count; i++)
    if (*figure->panel[i].caption) return true;
  return false;
}

/* Size limit of a panel. A single panel may be as wide as the page. If panels have no captions, their height
 * is limited so that the rows of the section take at most 2 * HEIGHT_MOST pixels together. */
static void find_room(const Section *section, Layout *layout) {
  layout->room_width = most((PAGE - layout->bar) / layout->columns - layout->gap, 1);
  layout->room_height = HEIGHT_MOST;
  if (section->count == 1 && layout->columns == 1) return;
  layout->room_height = layout->room_width = least(layout->room_width, CELL_MOST);
  if (!layout->caption)
    layout->room_height =
        most(least(layout->room_height, 2 * HEIGHT_MOST / most(layout->rows, 1) - layout->gap), 1);
}

static Layout lay_out(const cnn_figure *figure, const Section *section) {
  const bool captions = has_captions(figure, section);
  Layout layout = {.columns = columns_for(section),
                   .bar = bar_width(section),
                   .gap = captions ? GAP : TIGHT,
                   .caption = captions ? cnn_text_height(CAPTION_SIZE) + 6 : 0};
  layout.rows = (section->count + layout.columns - 1) / layout.columns;
  find_room(section, &layout);
  for (int32_t i = section->first; i < section->first + section->count; i++) {
    int32_t height, width;
    drawn_size(section, &layout, &figure->panel[i], &height, &width);
    layout.cell_width = most(layout.cell_width, width);
    layout.cell_height = most(layout.cell_height, height);
  }
  for (int32_t i = section->first; i < section->first + section->count; i++)
    layout.cell_width = most(layout.cell_width, least(cnn_text_width(figure->panel[i].caption, CAPTION_SIZE),
                                                      most(CAPTION_LEAST, layout.cell_width)));
  layout.width =
      least(layout.columns, section->count) * (layout.cell_width + layout.gap) - layout.gap + layout.bar;
  layout.height = layout.rows * (layout.cell_height + layout.caption + layout.gap) - layout.gap;
  if (*section->heading) layout.height += cnn_text_height(TEXT_SIZE) + LINE + 4;
  return layout;
}

/* ---- Drawing */

static uint8_t *pixel_at(const cnn_image *page, int32_t y, int32_t x) {
  return page->pixel + 3 * ((size_t)y * (size_t)page->width + (size_t)x);
}

/* Draws a frame around the area. */
static void draw_frame(const cnn_image *page, int32_t top, int32_t left, int32_t height, int32_t width) {
  for (int32_t x = left - 1; x <= left + width; x++) {
    memcpy(pixel_at(page, top - 1, x), FRAME, 3);
    memcpy(pixel_at(page, top + height, x), FRAME, 3);
  }
  for (int32_t y = top - 1; y <= top + height; y++) {
    memcpy(pixel_at(page, y, left - 1), FRAME, 3);
    memcpy(pixel_at(page, y, left + width), FRAME, 3);
  }
}

/* Draws a white line around the marked part, and a black line around the white line, so that the mark is
 * visible on any background. */
static void draw_mark(const cnn_image *page, const Panel *panel, int32_t top, int32_t left, int32_t height,
                      int32_t width) {
  const double across = (double)width / panel->width, down = (double)height / panel->height;
  const int32_t x0 = (int32_t)(panel->mark[0] * across), y0 = (int32_t)(panel->mark[1] * down);
  const int32_t x1 = most((int32_t)ceil(panel->mark[2] * across), x0 + 3),
                y1 = most((int32_t)ceil(panel->mark[3] * down), y0 + 3);
  for (int32_t y = most(y0 - 2, 0); y < least(y1 + 2, height); y++)
    for (int32_t x = most(x0 - 2, 0); x < least(x1 + 2, width); x++) {
      const bool inside = x >= x0 && x < x1 && y >= y0 && y < y1;
      const bool white = x >= x0 - 1 && x <= x1 && y >= y0 - 1 && y <= y1;
      if (!inside) memset(pixel_at(page, top + y, left + x), white ? 255 : 0, 3);
    }
}

/* A drawn pixel is the mean of the panel's pixels that it covers: one, or several if the panel shrinks. */
static void draw_panel(const cnn_image *page, const Panel *panel, int32_t top, int32_t left, int32_t height,
                       int32_t width) {
  for (int32_t y = 0; y < height; y++)
    for (int32_t x = 0; x < width; x++) {
      const int64_t y0 = (int64_t)y * panel->height / height, x0 = (int64_t)x * panel->width / width;
      const int64_t y1 = (int64_t)(y + 1) * panel->height / height,
                    x1 = (int64_t)(x + 1) * panel->width / width;
      int64_t sum[3] = {0}, n = 0;
      for (int64_t v = y0; v < (y1 > y0 ? y1 : y0 + 1); v++)
        for (int64_t u = x0; u < (x1 > x0 ? x1 : x0 + 1); u++, n++)
          for (int c = 0; c < 3; c++) sum[c] += panel->rgb[3 * (v * panel->width + u) + c];
      for (int c = 0; c < 3; c++) pixel_at(page, top + y, left + x)[c] = (uint8_t)((sum[c] + n / 2) / n);
    }
  if (panel->marked) draw_mark(page, panel, top, left, height, width);
  draw_frame(page, top, left, height, width);
}

/* Draws a caption centered under its panel; text that is too long is cut off and ends in "..". */
static void draw_caption(const cnn_image *page, const char *caption, int32_t top, int32_t middle,
                         int32_t room) {
  char text[64];
  snprintf(text, sizeof text, "%s", caption);
  for (size_t n = strlen(text); n > 3 && cnn_text_width(text, CAPTION_SIZE) > room; n--)
    memcpy(text + n - 3, "..", 3);
  cnn_text_draw(page, middle - cnn_text_width(text, CAPTION_SIZE) / 2, top, CAPTION_SIZE, PALE, text);
}

static void draw_scale(const cnn_image *page, const cnn_scale *scale, int32_t top, int32_t left,
                       int32_t height) {
  char mark[3][48];
  scale_marks(scale, mark);
  for (int32_t y = 0; y < height; y++)
    for (int32_t x = 0; x < BAR; x++)
      cnn_scale_color(scale, scale->high - (scale->high - scale->low) * y / (height - 1),
                      pixel_at(page, top + y, left + x));
  draw_frame(page, top, left, height, BAR);
  for (int i = 0; i < 3; i++) {
    if (i == 1 && height < 3 * cnn_text_height(CAPTION_SIZE)) continue;
    const int32_t y = top + i * (height - 1) / 2;
    for (int32_t x = 0; x < 4; x++) memcpy(pixel_at(page, y, left + BAR + x), FRAME, 3);
    cnn_text_draw(page, left + BAR + 7, y - 6 * CAPTION_SIZE, CAPTION_SIZE, INK, mark[i]);
  }
}

static void draw_section(const cnn_image *page, const cnn_figure *figure, const Section *section,
                         const Layout *layout, int32_t top) {
  if (*section->heading) {
    cnn_text_draw(page, MARGIN, top, TEXT_SIZE, INK, section->heading);
    top += cnn_text_height(TEXT_SIZE) + LINE + 4;
  }
  for (int32_t i = 0; i < section->count; i++) {
    const Panel *panel = &figure->panel[section->first + i];
    const int32_t y = top + i / layout->columns * (layout->cell_height + layout->caption + layout->gap);
    const int32_t x = MARGIN + i % layout->columns * (layout->cell_width + layout->gap);
    int32_t height, width;
    drawn_size(section, layout, panel, &height, &width);
    draw_panel(page, panel, y + (layout->cell_height - height) / 2, x + (layout->cell_width - width) / 2,
               height, width);
    draw_caption(page, panel->caption, y + layout->cell_height + 6, x + layout->cell_width / 2,
                 layout->cell_width);
  }
  if (section->scaled && section->count) {
    const int32_t height = least(layout->rows * (layout->cell_height + layout->caption + layout->gap) -
                                     layout->caption - layout->gap,
                                 BAR_MOST);
    const int32_t right =
        least(layout->columns, section->count) * (layout->cell_width + layout->gap) - layout->gap;
    draw_scale(page, &section->scale, top, MARGIN + right + 2 * GAP, most(height, 2));
  }
}

static void draw_page(const cnn_image *page, const cnn_figure *figure, const Layout *layout) {
  memset(page->pixel, 255, (size_t)page->height * (size_t)page->width * 3);
  int32_t top = MARGIN;
  cnn_text_draw(page, MARGIN, top, TITLE_SIZE, INK, figure->title);
  top += cnn_text_height(TITLE_SIZE) + LINE;
  cnn_text_draw(page, MARGIN, top, TEXT_SIZE, PALE, figure->subtitle);
  top += cnn_text_height(TEXT_SIZE) + 2 * LINE + 4;
  for (int32_t s = 0; s < figure->sections; s++) {
    draw_section(page, figure, &figure->section[s], &layout[s], top);
    top += layout[s].height + 4 * LINE;
  }
}

cnn_status cnn_figure_write(const cnn_figure *figure, const char *path) {
  const cnn_status no_memory = cnn_failure(CNN_NO_MEMORY, "%s: no memory for the image", path);
  if (!figure || figure->failed) return no_memory;
  Layout *layout = calloc((size_t)figure->sections + 1, sizeof *layout);
  if (!layout) return no_memory;
  int64_t width =
      most(cnn_text_width(figure->title, TITLE_SIZE), cnn_text_width(figure->subtitle, TEXT_SIZE));
  int64_t height =
      2 * MARGIN - 2 * LINE + cnn_text_height(TITLE_SIZE) + LINE + cnn_text_height(TEXT_SIZE) + 4;
  for (int32_t s = 0; s < figure->sections; s++) {
    layout[s] = lay_out(figure, &figure->section[s]);
    width = layout[s].width > width ? layout[s].width : width;
    width = cnn_text_width(figure->section[s].heading, TEXT_SIZE) > width
                ? cnn_text_width(figure->section[s].heading, TEXT_SIZE)
                : width;
    height += layout[s].height + 4 * LINE;
  }
  width += 2 * MARGIN;
  cnn_status status =
      cnn_failure(CNN_BAD_ARGUMENT, "%s: %lld x %lld pixels are too many; show fewer or smaller ones", path,
                  (long long)width, (long long)height);
  if (width * height < INT32_MAX / 8) {
    cnn_image page = {(int32_t)height, (int32_t)width, 3, malloc((size_t)(3 * width * height))};
    if (page.pixel) draw_page(&page, figure, layout);
    status = page.pixel ? cnn_image_write(path, &page) : no_memory;
    free(page.pixel);
  }
  free(layout);
  return status;
}
