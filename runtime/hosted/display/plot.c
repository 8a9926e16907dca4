/* plot.c: Plots of a run and of an evaluation, as SVG: curves over epochs, and the confusion matrix, which is
 * also written as text. */
// SPDX-License-Identifier: MIT-0
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn.h"
#include "hosted/base/file.h"
#include "hosted/base/number.h"
#include "hosted/display/svg.h"

static const char *const TRAINING = "#d95f02", *const VALIDATION = "#1f6fb4", *const RATE = "#5b6770";

/* ---- Curves */

/* 1, 2 or 5 times a power of ten, so that about `wanted` steps fill the range. */
static double nice_step(double range, int wanted) {
  double raw = range / wanted, power = pow(10, floor(log10(raw))), lead = raw / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

typedef struct Panel {
  const char *title;
  double left, top, width, height;
  double low, high, step; /* range and step of the y axis */
  bool logarithmic;       /* the y axis; step 10: its ticks are powers of ten */
  int32_t epochs;
} Panel;

typedef double Series(const cnn_epoch *epoch, int32_t metric);

static double train_loss(const cnn_epoch *epoch, int32_t metric) { return (void)metric, epoch->train.loss; }
static double val_loss(const cnn_epoch *epoch, int32_t metric) {
  return (void)metric, epoch->val.samples ? epoch->val.loss : NAN;
}
static double rate(const cnn_epoch *epoch, int32_t metric) { return (void)metric, epoch->rate; }

static double train_metric(const cnn_epoch *epoch, int32_t metric) {
  return metric < epoch->train.metrics ? epoch->train.metric[metric].value : NAN;
}

static double val_metric(const cnn_epoch *epoch, int32_t metric) {
  return epoch->val.samples && metric < epoch->val.metrics ? epoch->val.metric[metric].value : NAN;
}

static double panel_x(const Panel *panel, double epoch) {
  if (panel->epochs < 2) return panel->left + panel->width / 2;
  return panel->left + panel->width * (epoch - 1) / (panel->epochs - 1);
}

static double panel_y(const Panel *panel, double value) {
  if (panel->logarithmic)
    return panel->top + panel->height * log(panel->high / value) / log(panel->high / panel->low);
  return panel->top + panel->height * (panel->high - value) / (panel->high - panel->low);
}

static void widen(Panel *panel, const cnn_epoch *epoch, Series *series, int32_t metric) {
  for (int32_t i = 0; i < panel->epochs; i++) {
    double value = series(&epoch[i], metric);
    if (!isfinite(value)) continue;
    if (!(panel->low <= value)) panel->low = value;
    if (!(panel->high >= value)) panel->high = value;
  }
}

/* The tick of a logarithmic axis after `value`: 1, 2 or 5 times a power of ten, or only powers of ten. */
static double next_tick(const Panel *panel, double value) {
  const double power = pow(10, floor(log10(value) + 1e-9)), lead = value / power;
  if (panel->step >= 10) return 10 * power;
  return (lead < 1.5 ? 2 : lead < 3 ? 5 : 10) * power;
}

/* Makes the axis logarithmic if the values are positive and span more than a decade, and widens the range to
 * whole ticks, which are powers of ten in more than three decades. */
static void choose_axis(Panel *panel) {
  if (!(panel->low > 0 && panel->high > 10 * panel->low)) return;
  panel->logarithmic = true;
  panel->step = panel->high > 1000 * panel->low ? 10 : 1;
  const double least = panel->low, most = panel->high;
  double tick = pow(10, floor(log10(least) + 1e-9));
  for (panel->low = tick; tick <= least * (1 + 1e-9); tick = next_tick(panel, tick)) panel->low = tick;
  while (tick < most * (1 - 1e-9)) tick = next_tick(panel, tick);
  panel->high = tick;
}

/* Rounds the range to whole steps; if all values are equal, the range is widened first. */
static void round_range(Panel *panel) {
  if (!(panel->low <= panel->high)) {
    panel->low = 0;
    panel->high = 1;
  }
  if (panel->high - panel->low < 1e-12 + 1e-9 * fabs(panel->high)) {
    double room = panel->high == 0 ? 1 : 0.5 * fabs(panel->high);
    panel->low -= room;
    panel->high += room;
  }
  panel->step = nice_step(panel->high - panel->low, 5);
  panel->low = floor(panel->low / panel->step + 1e-9) * panel->step;
  panel->high = ceil(panel->high / panel->step - 1e-9) * panel->step;
}

static void put_tick(cnn_writer *writer, const Panel *panel, double value) {
  const double right = panel->left + panel->width, y = panel_y(panel, value);
  cnn_svg_line(writer, panel->left, y, right, y,
               value < panel->low + 1e-6 * (panel->high - panel->low) ? CNN_SVG_INK : CNN_SVG_FAINT);
  cnn_svg_text(writer, panel->left - 8, y + 4, "end", "", cnn_number(value, 4).text, 20);
}

static void put_frame(cnn_writer *writer, const Panel *panel) {
  double bottom = panel->top + panel->height, right = panel->left + panel->width;
  cnn_svg_text(writer, panel->left, panel->top - 14, "start", "font-weight=\"bold\" font-size=\"14\"",
               panel->title, 60);
  int ticks = panel->logarithmic ? -1 : (int)floor((panel->high - panel->low) / panel->step + 0.5);
  for (int i = 0; i <= ticks; i++) {
    double value = panel->low + i * panel->step;
    put_tick(writer, panel, fabs(value) < 1e-9 * panel->step ? 0 : value);
  }
  for (double value = panel->low; panel->logarithmic && value < panel->high * 1.001;
       value = next_tick(panel, value))
    put_tick(writer, panel, value);
  double step = panel->epochs > 1 ? fmax(1, nice_step(panel->epochs - 1, 8)) : 1;
  for (double epoch = 1; epoch <= panel->epochs; epoch = epoch == 1 && step > 1 ? step : epoch + step) {
    double x = panel_x(panel, epoch);
    cnn_svg_line(writer, x, bottom, x, bottom + 4, CNN_SVG_INK);
    cnn_svg_text(writer, x, bottom + 18, "middle", "", cnn_number(epoch, 8).text, 20);
  }
  cnn_svg_text(writer, right, bottom + 34, "end", "font-size=\"11\" fill=\"#57606a\"", "epoch", 20);
}

static bool put_curve(cnn_writer *writer, const Panel *panel, const cnn_epoch *epoch, Series *series,
                      int32_t metric, const char *color) {
  bool drawing = false, any = false;
  for (int32_t i = 0; i < panel->epochs; i++) {
    double value = series(&epoch[i], metric);
    if (isfinite(value)) {
      double x = panel_x(panel, i + 1), y = panel_y(panel, value);
      if (!drawing)
        cnn_svg_put(
            writer,
            "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\" points=\"",
            color);
      cnn_svg_put(writer, "%s%s,%s", drawing ? " " : "", cnn_svg_at(x).text, cnn_svg_at(y).text);
      any = drawing = true;
    }
    if (drawing && (!isfinite(value) || i == panel->epochs - 1)) {
      cnn_svg_put(writer, "\"/>\n");
      drawing = false;
    }
  }
  for (int32_t i = 0; panel->epochs <= 40 && i < panel->epochs;
       i++) { /* with few epochs, points are marked */
    double value = series(&epoch[i], metric);
    if (isfinite(value)) cnn_svg_dot(writer, panel_x(panel, i + 1), panel_y(panel, value), color);
  }
  return any;
}

static void put_legend(cnn_writer *writer, double right, double y, const char *color, const char *text) {
  cnn_svg_line(writer, right - 24, y - 4, right - 2, y - 4, color);
  cnn_svg_dot(writer, right - 13, y - 4, color);
  cnn_svg_text(writer, right - 30, y, "end", "", text, 20);
}

static void put_pair(cnn_writer *writer, Panel panel, const cnn_epoch *epoch, Series *train, Series *val,
                     int32_t metric) {
  widen(&panel, epoch, train, metric);
  widen(&panel, epoch, val, metric);
  if (metric < 0) choose_axis(&panel); /* the loss */
  if (!panel.logarithmic) round_range(&panel);
  put_frame(writer, &panel);
  double right = panel.left + panel.width, y = panel.top - 14;
  if (put_curve(writer, &panel, epoch, train, metric, TRAINING))
    put_legend(writer, right, y, TRAINING, "training");
  if (put_curve(writer, &panel, epoch, val, metric, VALIDATION))
    put_legend(writer, right - 100, y, VALIDATION, "validation");
}

cnn_status cnn_plot_write(const char *path, const char *title, const cnn_epoch *epoch, int32_t epochs) {
  enum { WIDTH = 960, PANEL = 380, HEIGHT = 250, RATE_HEIGHT = 90 };
  cnn_writer writer;
  cnn_status status = cnn_writer_open(&writer, path);
  if (status.code != CNN_OK) return status;
  const cnn_measures *first =
      epochs > 0 ? &epoch[0].train : NULL; /* of the first epoch: train or val, whichever has more metrics */
  if (first && epoch[0].val.samples && epoch[0].val.metrics > first->metrics) first = &epoch[0].val;
  const int32_t metrics = first ? first->metrics : 0, rows = (metrics + 2) / 2;
  double height = 84 + rows * (HEIGHT + 84) + RATE_HEIGHT + 60;
  cnn_svg_begin(&writer, WIDTH, height);
  cnn_svg_text(&writer, 70, 36, "start", "font-weight=\"bold\" font-size=\"18\"", title, 80);
  for (int32_t i = 0; i <= metrics; i++) { /* the loss first, then the metrics, two panels side by side */
    Panel panel = {.width = PANEL, .height = HEIGHT, .low = NAN, .high = NAN, .epochs = epochs};
    panel.left = 70 + i % 2 * (PANEL + 100);
    panel.top = 90 + i / 2 * (HEIGHT + 84);
    panel.title = i == 0 ? "loss" : first->metric[i - 1].name;
    put_pair(&writer, panel, epoch, i == 0 ? train_loss : train_metric, i == 0 ? val_loss : val_metric,
             i - 1);
  }
  Panel panel = {.title = "learning rate",
                 .left = 70,
                 .top = 90 + rows * (HEIGHT + 84),
                 .width = 2 * PANEL + 100,
                 .height = RATE_HEIGHT,
                 .low = 0,
                 .high = NAN,
                 .epochs = epochs};
  widen(&panel, epoch, rate, 0);
  round_range(&panel);
  panel.step = (panel.high - panel.low) / 2;
  put_frame(&writer, &panel);
  put_curve(&writer, &panel, epoch, rate, 0, RATE);
  cnn_svg_put(&writer, "</svg>\n");
  return cnn_writer_commit(&writer);
}

/* ---- Confusion */

static const char *class_name(const cnn_network *network, const cnn_data *data, int32_t c, char room[16]) {
  const char *name = network->label && c < network->labels ? network->label[c]
                     : data                                ? cnn_data_class(data, c)
                                                           : NULL;
  if (name) return name;
  snprintf(room, 16, "%d", (int)c);
  return room;
}

/* The number of characters of a name, but at most `most`; *bytes is the size of these characters in bytes. */
static int start_of(const char *name, int most, int *bytes) {
  int length = 0;
  for (*bytes = 0; name[*bytes]; ++*bytes)
    if (((unsigned char)name[*bytes] & 0xC0) != 0x80 && length++ == most) return most;
  return length;
}

/* Writes at most `most` characters of a name in a column of `width`, right- or left-aligned. */
static void put_cell(cnn_writer *writer, const char *name, int most, int width, bool right) {
  int bytes, length = start_of(name, most, &bytes);
  if (right) cnn_svg_put(writer, "%*s", width - length, "");
  cnn_writer_put(writer, name, (size_t)bytes);
  if (!right) cnn_svg_put(writer, "%*s", width - length, "");
}

/* Prints the confusion matrix as text; names are shortened so that ten classes fit into 80 characters. */
static cnn_status confusion_print(const char *path, const cnn_network *network, const cnn_data *data,
                                  const cnn_evaluation *evaluation) {
  enum { NAME = 12, CELL = 6 };
  const int32_t n = evaluation->classes;
  cnn_writer writer;
  cnn_status status = cnn_writer_open(&writer, path);
  if (status.code != CNN_OK) return status;
  char room[16];
  cnn_svg_put(&writer, "rows: true class, columns: predicted class\n\n%*s", NAME, "");
  for (int32_t c = 0; c < n; c++) put_cell(&writer, class_name(network, data, c, room), CELL - 1, CELL, true);
  cnn_svg_put(&writer, "\n");
  for (int32_t r = 0; r < n; r++) {
    put_cell(&writer, class_name(network, data, r, room), NAME, NAME, false);
    for (int32_t c = 0; c < n; c++) {
      const long long count = (long long)evaluation->confusion[(int64_t)r * n + c];
      if (count == 0) cnn_svg_put(&writer, "%*s", CELL, ".");
      else cnn_svg_put(&writer, " %*lld", CELL - 1, count);
    }
    cnn_svg_put(&writer, "\n");
  }
  return cnn_writer_commit(&writer);
}

/* NAMED: maximum number of classes whose names are drawn; NAME_MOST: maximum characters of a name */
enum { NAMED = 120, NAME_MOST = 20 };

/* Approximate width of the longest name. */
static double width_of_names(const cnn_network *network, const cnn_data *data, int32_t n) {
  int longest = 0;
  char room[16];
  for (int32_t c = 0; c < n && n <= NAMED; c++) {
    int bytes, length = start_of(class_name(network, data, c, room), NAME_MOST, &bytes);
    if (length > longest) longest = length;
  }
  return longest * 7.5;
}

/* Draws the confusion matrix: rows are true classes, columns are predicted classes. A darker cell is a larger
 * share of its row. */
static cnn_status confusion_draw(const char *path, const cnn_network *network, const cnn_data *data,
                                 const cnn_evaluation *evaluation) {
  int32_t n = evaluation->classes;
  cnn_writer writer;
  cnn_status status = cnn_writer_open(&writer, path);
  if (status.code != CNN_OK) return status;
  double cell = n <= 12 ? 52 : n <= 30 ? 34 : n <= NAMED ? 14 : 1680.0 / n;
  const double names = width_of_names(network, data, n), left = 28 + names,
               top = 76 + 0.87 * names; /* column names are rotated by 60 degrees */
  bool named = n <= NAMED, numbered = n <= 30;
  cnn_svg_begin(&writer, fmax(left + n * cell + fmax(names / 2, 20) + 8, 340), top + n * cell + 24);
  cnn_svg_text(&writer, 20, 30, "start", "font-weight=\"bold\" font-size=\"16\"", network->name, 60);
  cnn_svg_text(&writer, 20, 50, "start", "fill=\"#57606a\"", "rows: true class, columns: predicted class",
               60);
  for (int32_t r = 0; r < n; r++) {
    const int64_t *row = evaluation->confusion + (int64_t)r * n;
    double all = 0, middle = (r + 0.5) * cell;
    char room[16];
    const char *name = class_name(network, data, r, room), *style = cell < 20 ? "font-size=\"9\"" : "";
    for (int32_t c = 0; c < n; c++) all += (double)row[c];
    if (named) {
      cnn_svg_text(&writer, left - 8, top + middle + 4, "end", style, name, NAME_MOST);
      cnn_svg_put(&writer, "<g transform=\"translate(%s %s) rotate(-60)\">\n",
                  cnn_svg_at(left + middle + 4).text, cnn_svg_at(top - 8).text);
      cnn_svg_text(&writer, 0, 0, "start", style, name, NAME_MOST);
      cnn_svg_put(&writer, "</g>\n");
    }
    for (int32_t c = 0; c < n; c++) {
      double part = all > 0 ? (double)row[c] / all : 0,
             shade = sqrt(part); /* the square root makes rare mistakes visible */
      int red = (int)(255 - shade * (r == c ? 225 : 20)),
          green = (int)(255 - shade * (r == c ? 145 : 190)); /* blue if correct, otherwise red */
      int blue = (int)(255 - shade * (r == c ? 75 : 215));
      if (row[c] == 0 && n > 30) continue;
      double x = left + c * cell, y = top + r * cell;
      cnn_svg_put(&writer,
                  "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" fill=\"#%02x%02x%02x\" stroke=\"%s\" "
                  "stroke-width=\"0.5\"/>\n",
                  cnn_svg_at(x).text, cnn_svg_at(y).text, cnn_svg_at(cell).text, cnn_svg_at(cell).text,
                  (unsigned)red, (unsigned)green, (unsigned)blue, CNN_SVG_FAINT);
      if (numbered && row[c] > 0) {
        const uint8_t rgb[3] = {(uint8_t)red, (uint8_t)green, (uint8_t)blue};
        uint8_t luma;
        char number[64];
        cnn_luma(rgb, 1, &luma);
        snprintf(number, sizeof number, "font-size=\"%d\" fill=\"%s\"", cell > 40 ? 12 : 9,
                 luma < 128 ? "#ffffff" : CNN_SVG_INK);
        cnn_svg_text(&writer, x + cell / 2, y + cell / 2 + 4, "middle", number,
                     cnn_number((double)row[c], 6).text, 12);
      }
    }
  }
  cnn_svg_put(&writer,
              "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" fill=\"none\" stroke=\"%s\"/>\n</svg>\n",
              cnn_svg_at(left).text, cnn_svg_at(top).text, cnn_svg_at(n * cell).text,
              cnn_svg_at(n * cell).text, CNN_SVG_INK);
  return cnn_writer_commit(&writer);
}

cnn_status cnn_confusion_write(const char *path, const cnn_network *network, const cnn_data *data,
                               const cnn_evaluation *evaluation) {
  if (!evaluation->confusion)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: there is no confusion matrix to draw", path);
  const size_t length = strlen(path);
  const bool text = length > 4 && strcmp(path + length - 4, ".txt") == 0;
  return (text ? confusion_print : confusion_draw)(path, network, data, evaluation);
}
