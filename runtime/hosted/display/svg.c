/* svg.c: Building blocks of SVG drawings. */
// SPDX-License-Identifier: MIT-0
#include "hosted/display/svg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cnn_svg_put(cnn_writer *writer, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length > 0)
    cnn_writer_put(writer, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

cnn_text cnn_svg_at(double value) { return cnn_number_fixed(value, 1); }

/* Writes at most `most` characters of a text, with XML's special characters escaped; "…" marks a cut. */
static void put_escaped(cnn_writer *writer, const char *text, int most) {
  for (int n = 0; *text; text++) {
    if (((unsigned char)*text & 0xC0) != 0x80 && ++n > most) {
      cnn_writer_put(writer, "…", 3);
      return;
    }
    const char *replacement = *text == '<'   ? "&lt;"
                              : *text == '>' ? "&gt;"
                              : *text == '&' ? "&amp;"
                              : *text == '"' ? "&quot;"
                                             : NULL;
    if (replacement) {
      cnn_writer_put(writer, replacement, strlen(replacement));
    } else if ((unsigned char)*text >= 32) {
      cnn_writer_put(writer, text, 1);
    }
  }
}

void cnn_svg_text(cnn_writer *writer, double x, double y, const char *anchor, const char *style,
                  const char *text, int most) {
  cnn_svg_put(writer, "<text x=\"%s\" y=\"%s\" text-anchor=\"%s\" %s>", cnn_svg_at(x).text,
              cnn_svg_at(y).text, anchor, style);
  put_escaped(writer, text, most);
  cnn_svg_put(writer, "</text>\n");
}

void cnn_svg_line(cnn_writer *writer, double x1, double y1, double x2, double y2, const char *color) {
  cnn_svg_put(writer, "<line x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\" stroke=\"%s\"/>\n", cnn_svg_at(x1).text,
              cnn_svg_at(y1).text, cnn_svg_at(x2).text, cnn_svg_at(y2).text, color);
}

void cnn_svg_dot(cnn_writer *writer, double x, double y, const char *color) {
  cnn_svg_put(writer, "<circle cx=\"%s\" cy=\"%s\" r=\"3\" fill=\"%s\"/>\n", cnn_svg_at(x).text,
              cnn_svg_at(y).text, color);
}

void cnn_svg_begin(cnn_writer *writer, double width, double height) {
  cnn_svg_put(writer,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %s %s\" width=\"%s\" height=\"%s\" "
              "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"%s\">\n",
              cnn_svg_at(width).text, cnn_svg_at(height).text, cnn_svg_at(width).text,
              cnn_svg_at(height).text, CNN_SVG_INK);
  cnn_svg_put(writer, "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n");
}
