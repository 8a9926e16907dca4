/* svg.h: Building blocks of SVG drawings. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SVG_H
#define CNN_SVG_H
#include "hosted/base/file.h"
#include "hosted/base/number.h"

#define CNN_SVG_INK "#24292f"
#define CNN_SVG_FAINT "#d8dee4"

__attribute__((format(printf, 2, 3))) void cnn_svg_put(cnn_writer *writer, const char *format, ...);
cnn_text cnn_svg_at(double value); /* a coordinate */
void cnn_svg_begin(cnn_writer *writer, double width, double height);
/* Writes at most `most` characters of a text, with XML's special characters escaped; "…" marks a cut. */
void cnn_svg_text(cnn_writer *writer, double x, double y, const char *anchor, const char *style,
                  const char *text, int most);
void cnn_svg_line(cnn_writer *writer, double x1, double y1, double x2, double y2, const char *color);
void cnn_svg_dot(cnn_writer *writer, double x, double y, const char *color);
#endif
