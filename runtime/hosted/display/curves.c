/* curves.c: Precision-recall curves of each class, as SVG. */
// SPDX-License-Identifier: MIT-0
#include "hosted/display/curves.h"

#include <stdio.h>
#include <stdlib.h>

#include "hosted/base/color.h"
#include "hosted/display/svg.h"

enum { LISTED = 22, NAME_MOST = 20, POINTS = CNN_RECALL_POINTS };
static const double LEFT = 70, TOP = 84, SIDE = 460, LINE = 20, COLUMN = 210;

typedef struct Row {
  double ap; /* at an IoU of 0.50: the area below the drawn curve */
  int32_t label;
} Row;

static int best_first(const void *a, const void *b) {
  const Row *x = a, *y = b;
  if (x->ap != y->ap) return x->ap > y->ap ? -1 : 1;
  return (x->label > y->label) - (x->label < y->label);
}

static void put_axes(cnn_writer *writer) {
  for (int i = 0; i <= 5; i++) {
    const double at = SIDE * i / 5.0, bottom = TOP + SIDE;
    const char *color = i ? CNN_SVG_FAINT : CNN_SVG_INK;
    cnn_svg_line(writer, LEFT, bottom - at, LEFT + SIDE, bottom - at, color);
    cnn_svg_line(writer, LEFT + at, bottom, LEFT + at, TOP, color);
    cnn_svg_text(writer, LEFT - 8, bottom - at + 4, "end", "", cnn_number(i / 5.0, 4).text, 20);
    cnn_svg_text(writer, LEFT + at, bottom + 18, "middle", "", cnn_number(i / 5.0, 4).text, 20);
  }
  const char *gray = "font-size=\"11\" fill=\"#57606a\"";
  cnn_svg_text(writer, LEFT + SIDE, TOP + SIDE + 36, "end", gray, "recall", 20);
  cnn_svg_text(writer, LEFT, TOP - 12, "middle", gray, "precision", 20);
}

static void put_color(cnn_writer *writer, int32_t label) {
  uint8_t rgb[3];
  cnn_class_color(label, rgb);
  cnn_svg_put(writer, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
}

static void put_curve(cnn_writer *writer, const cnn_precision_class *of, int32_t label) {
  cnn_svg_put(writer, "<polyline fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke=\"");
  put_color(writer, label);
  cnn_svg_put(writer, "\" points=\"");
  for (int point = 0; point < POINTS; point++)
    cnn_svg_put(writer, "%s%s,%s", point ? " " : "",
                cnn_svg_at(LEFT + SIDE * point / (double)(POINTS - 1)).text,
                cnn_svg_at(TOP + SIDE * (1 - of->curve[point])).text);
  cnn_svg_put(writer, "\"/>\n");
}

static void put_legend(cnn_writer *writer, const Row *row, int32_t rows, const cnn_precision_class *of_class,
                       const char *const *name) {
  for (int32_t i = 0; i < rows; i++) {
    const int32_t column = i / LISTED, line = i % LISTED;
    const double x = LEFT + SIDE + 30 + column * COLUMN, y = TOP + 14 + line * LINE;
    const cnn_precision_class *of = &of_class[row[i].label];
    cnn_svg_put(writer, "<rect x=\"%s\" y=\"%s\" width=\"20\" height=\"4\" fill=\"", cnn_svg_at(x).text,
                cnn_svg_at(y - 6).text);
    put_color(writer, row[i].label);
    cnn_svg_put(writer, "\"/>\n");
    cnn_svg_text(writer, x + 28, y, "start", "", cnn_number_fixed(of->ap50, 3).text, 8);
    cnn_svg_text(writer, x + 66, y, "start", "", name[row[i].label], NAME_MOST);
  }
}

cnn_status cnn_curves_write(const char *path, const char *title, const cnn_precision *precision,
                            const cnn_precision_class *of_class, int32_t classes, const char *const *name) {
  Row *row = calloc((size_t)classes + 1, sizeof *row);
  if (!row) return cnn_failure(CNN_NO_MEMORY, "%s: no memory for the curves", path);
  int32_t rows = 0;
  for (int32_t c = 0; c < classes; c++)
    if (of_class[c].truths) row[rows++] = (Row){of_class[c].ap50, c};
  qsort(row, (size_t)rows, sizeof *row, best_first);
  cnn_writer writer;
  const cnn_status status = cnn_writer_open(&writer, path);
  if (status.code == CNN_OK) {
    char about[220];
    snprintf(about, sizeof about,
             "at an IoU of 0.50, with the AP50 of each class; mean AP50 %s, AP75 %s, AP %s",
             cnn_number_fixed(precision->ap50, 3).text, cnn_number_fixed(precision->ap75, 3).text,
             cnn_number_fixed(precision->ap, 3).text);
    const int32_t columns = (rows + LISTED - 1) / LISTED;
    cnn_svg_begin(&writer, LEFT + SIDE + 40 + columns * COLUMN, TOP + SIDE + 56);
    cnn_svg_text(&writer, 20, 30, "start", "font-weight=\"bold\" font-size=\"16\"", title, 60);
    cnn_svg_text(&writer, 20, 50, "start", "fill=\"#57606a\"", about, 120);
    put_axes(&writer);
    for (int32_t i = rows; i-- > 0;) put_curve(&writer, &of_class[row[i].label], row[i].label);
    put_legend(&writer, row, rows, of_class, name);
    cnn_svg_put(&writer, "</svg>\n");
  }
  free(row);
  return status.code == CNN_OK ? cnn_writer_commit(&writer) : status;
}
