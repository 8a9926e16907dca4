/* program_occlude.c: `net occlude`: Change of the score of a class or of a detected box when a square of the
 * image is covered. The square moves over the whole image (Zeiler and Fergus, 2014). In a sequence, a range
 * of time is covered; in a vector, a few adjacent elements. */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/commands/asked.h"
#include "hosted/commands/program.h"
#include "hosted/commands/viewer.h"
#include "hosted/training/findings.h"

enum { STRIP = 600 }; /* approximate width of a drawn sequence, in pixels */

typedef struct Arguments {
  const char *weights, *out;
  cnn_weights_names names;
  cnn_asked asked;
  int64_t window, stride, index;
  double fill;
  int fit;
  bool filled;
} Arguments;

typedef struct Occlusion {
  cnn_viewer viewer;
  const cnn_port *port;
  int32_t height, width,
      channels; /* size of the input: a sequence has one row; a vector has one row and one channel */
  int32_t window, stride, rows, columns; /* rows, columns: number of positions of the window */
  const cnn_asked *asked;
  cnn_unit unit;
  bool boxed;          /* true: compares the score of a box */
  cnn_found box;       /* the box whose score is compared */
  bool likely;         /* true: compares probabilities of a unit; false: scores */
  cnn_status status;   /* status of the search for `box` in the covered image */
  double whole;        /* the score of the uncovered input */
  float *plain, *fill; /* fill: value per channel */
  float *value;        /* [rows][columns]: the score for each position of the window */
  /* per pixel; drop: mean decrease of the score for windows that cover the pixel; times: number of these
   * windows */
  float *drop, *times;
} Occlusion;

static double value_now(Occlusion *o) {
  double score = 0;
  if (o->boxed && o->status.code == CNN_OK) o->status = cnn_asked_again(&o->viewer, &o->box, &score);
  if (o->boxed) return score;
  return o->likely ? cnn_viewer_probability(&o->viewer, o->unit) : cnn_viewer_score(&o->viewer, o->unit);
}

/* First row (or column) of the window with number i. The last window ends at the edge of the image. */
static int32_t place(const Occlusion *o, int32_t i, int32_t extent) {
  const int32_t at = i * o->stride, last = extent > o->window ? extent - o->window : 0;
  return at < last ? at : last;
}

static int32_t positions(const Occlusion *o, int32_t extent) {
  const int32_t last = extent > o->window ? extent - o->window : 0;
  return (last + o->stride - 1) / o->stride + 1;
}

/* Covers a window, measures the score, and uncovers the window. */
static void try_window(Occlusion *o, int32_t row, int32_t column) {
  const int32_t top = place(o, row, o->height), left = place(o, column, o->width);
  float *value = o->viewer.value[0];
  for (int32_t y = top; y < o->height && y < top + o->window; y++)
    for (int32_t x = left; x < o->width && x < left + o->window; x++)
      memcpy(value + ((int64_t)y * o->width + x) * o->channels, o->fill, (size_t)o->channels * sizeof(float));
  cnn_viewer_forward(&o->viewer);
  const float now = (float)value_now(o);
  o->value[(int64_t)row * o->columns + column] = now;
  for (int32_t y = top; y < o->height && y < top + o->window; y++)
    for (int32_t x = left; x < o->width && x < left + o->window; x++) {
      const int64_t at = (int64_t)y * o->width + x;
      memcpy(value + at * o->channels, o->plain + at * o->channels, (size_t)o->channels * sizeof(float));
      o->drop[at] += (float)o->whole - now;
      o->times[at]++;
    }
}

/* The name of the class or box: "disc", "disc at 12,30", "disc (12.0 30.5 80.2 99.0)" */
static const char *name_of(const Occlusion *o, char room[300]) {
  if (!o->boxed) return cnn_asked_name(o->viewer.network, o->asked, o->unit, room);
  char number[24];
  const double *box = o->box.box;
  snprintf(room, 300, "%.80s (%s %s %s %s)", cnn_program_label(o->viewer.network, NULL, o->box.label, number),
           cnn_number_fixed(box[0], 1).text, cnn_number_fixed(box[1], 1).text,
           cnn_number_fixed(box[2], 1).text, cnn_number_fixed(box[3], 1).text);
  return room;
}

static const char *of_what(const Occlusion *o) { return o->likely ? "probability" : "score"; }

/* Prints the window that lowers the score most. */
static void report(const Occlusion *o, const char *path) {
  int64_t worst = 0;
  char room[300];
  for (int64_t i = 1; i < (int64_t)o->rows * o->columns; i++)
    if (o->value[i] < o->value[worst]) worst = i;
  const int32_t top = place(o, (int32_t)(worst / o->columns), o->height),
                left = place(o, (int32_t)(worst % o->columns), o->width);
  const int32_t bottom = top + o->window < o->height ? top + o->window : o->height,
                right = left + o->window < o->width ? left + o->window : o->width;
  printf("%s: %s %s %s; %s with ", path, name_of(o, room), of_what(o), cnn_number_fixed(o->whole, 4).text,
         cnn_number_fixed((double)o->value[worst], 4).text);
  if (o->port->rank == 3) printf("rows %d to %d, columns", top, bottom - 1);
  else printf(o->port->rank == 2 ? "positions" : "elements");
  printf(" %d to %d covered\n", left, right - 1);
}

/* Marks the box or the requested pixel on the last panel. */
static void mark(cnn_figure *figure, const Occlusion *o) {
  double box[4];
  if (!cnn_port_is_picture(o->port)) return;
  if (o->boxed) cnn_view_box(&o->viewer.view, o->box.box, box);
  if (o->boxed || cnn_asked_place(&o->viewer, o->asked, o->height, o->width, box))
    cnn_figure_mark(figure, box);
}

/* Draws the image in gray. Pixels whose covering changes the score get the color of `scale`. */
static void draw_overlay(cnn_figure *figure, const Occlusion *o, const cnn_scale *scale) {
  if (!cnn_port_is_picture(o->port)) return;
  uint8_t *rgb = cnn_figure_panel(figure, o->height, o->width, "both");
  const float *pixel = o->plain;
  const double dark = o->port->type == CNN_I8 ? -128 : 0;
  for (int64_t i = 0; rgb && i < (int64_t)o->height * o->width; i++, rgb += 3, pixel += o->channels) {
    double gray = 0;
    for (int32_t c = 0; c < o->channels; c++) gray += ((double)pixel[c] - dark) / o->channels;
    cnn_scale_color(scale, (double)o->drop[i], rgb);
    const double cover = 0.9 * sqrt(fmin(fabs((double)o->drop[i]) / scale->high, 1));
    for (int c = 0; c < 3; c++)
      rgb[c] = (uint8_t)(cover * rgb[c] + (1 - cover) * fmin(fmax(gray, 0), 255) + 0.5);
  }
}

static cnn_status draw(const Occlusion *o, const Arguments *a, const char *path) {
  char title[400], subtitle[600], room[300], caption[64], covered[48];
  snprintf(title, sizeof title, "%s: occlusion, %s", o->viewer.network->name, name_of(o, room));
  snprintf(covered, sizeof covered, o->height > 1 ? "%dx%d" : "%d", o->window, o->window);
  snprintf(subtitle, sizeof subtitle, "%s: %s %s; windows of %s, every %d", path, of_what(o),
           cnn_number_fixed(o->whole, 4).text, covered, o->stride);
  const cnn_scale scale = cnn_scale_of(o->drop, (int64_t)o->height * o->width);
  cnn_figure *figure = cnn_figure_new(title, subtitle);
  const bool picture = cnn_port_is_picture(o->port);
  const int32_t zoom = picture ? 0 : STRIP / o->width < 1 ? 1 : STRIP / o->width > 12 ? 12 : STRIP / o->width;
  snprintf(caption, sizeof caption, "decrease of %s if covered", of_what(o));
  cnn_figure_section(figure, "", picture ? &scale : NULL, picture ? 0 : 1, zoom);
  cnn_figure_input(figure, o->port, o->plain, o->port->name);
  mark(figure, o);
  if (!picture) cnn_figure_section(figure, "", &scale, 1, zoom); /* the map is drawn below the input */
  cnn_figure_values(figure, o->drop, o->height, o->width, o->width, 1, &scale, caption);
  mark(figure, o);
  draw_overlay(figure, o, &scale);
  if (picture) mark(figure, o);
  cnn_status status = cnn_figure_write(figure, a->out);
  cnn_figure_free(figure);
  return status;
}

/* The fill value: as requested, or the image's mean color. */
static void choose_fill(Occlusion *o, const Arguments *a) {
  const int64_t pixels = (int64_t)o->height * o->width;
  for (int32_t c = 0; c < o->channels; c++) {
    double sum = 0;
    for (int64_t i = 0; i < pixels; i++) sum += (double)o->plain[i * o->channels + c];
    o->fill[c] = (float)(a->filled ? a->fill : sum / (double)pixels);
  }
}

/* Chooses the score to explain: in a net that detects boxes, the score of a box, unless a pixel was
 * requested. */
static cnn_status choose(Occlusion *o, const Arguments *a, const char *path) {
  const cnn_network *network = o->viewer.network;
  const bool finds = cnn_output_first(network, CNN_OUTPUT_DETECTIONS) >= 0;
  o->asked = &a->asked;
  o->boxed = finds && !a->asked.at_pixel;
  if (a->asked.of_box && !finds)
    return cnn_failure(CNN_BAD_ARGUMENT, "--box: no output of %s has boxes", network->name);
  const cnn_status status = o->boxed ? cnn_asked_box(&o->viewer, path, &a->asked, &o->box)
                                     : cnn_asked_unit(&o->viewer, path, &a->asked, &o->unit);
  if (status.code != CNN_OK) return status;
  o->likely = !o->boxed && !isnan(cnn_viewer_probability(&o->viewer, o->unit));
  o->whole = o->boxed ? o->box.score : value_now(o);
  return status;
}

static cnn_status measure(Occlusion *o, const Arguments *a, const char *path) {
  o->port = &o->viewer.network->input[0];
  o->channels = o->port->rank > 1 ? o->port->dim[o->port->rank - 1] : 1;
  o->width = o->port->rank > 1 ? o->port->dim[o->port->rank - 2] : o->port->dim[0];
  o->height = o->port->rank > 2 ? o->port->dim[0] : 1;
  const int32_t side = o->height > 1 && o->height < o->width ? o->height : o->width;
  o->window = (int32_t)(a->window ? a->window : side > 7 ? (side + 3) / 7 : 1);
  o->stride = (int32_t)(a->stride ? a->stride : o->window > 7 ? (o->window + 1) / 4 : 1);
  if (o->window > o->width && o->window > o->height)
    return cnn_failure(CNN_BAD_ARGUMENT, "a window of %d covers all of the input \"%s\"", o->window,
                       o->port->name);
  o->rows = positions(o, o->height);
  o->columns = positions(o, o->width);
  const size_t pixels = (size_t)o->height * (size_t)o->width;
  o->plain = malloc((size_t)o->port->size * sizeof(float));
  o->fill = calloc((size_t)o->channels, sizeof(float));
  o->value = calloc((size_t)o->rows * (size_t)o->columns, sizeof(float));
  o->drop = calloc(pixels, sizeof(float));
  o->times = calloc(pixels, sizeof(float));
  if (!o->plain || !o->fill || !o->value || !o->drop || !o->times)
    return cnn_failure(CNN_NO_MEMORY, "%s: no memory", path);
  cnn_status status = cnn_viewer_read(&o->viewer, path, a->index, (cnn_fit)a->fit);
  if (status.code != CNN_OK) return status;
  memcpy(o->plain, o->viewer.value[0], (size_t)o->port->size * sizeof(float));
  cnn_viewer_forward(&o->viewer);
  cnn_viewer_warn(&o->viewer);
  status = choose(o, a, path);
  if (status.code != CNN_OK) return status;
  choose_fill(o, a);
  for (int32_t row = 0; row < o->rows && o->status.code == CNN_OK; row++)
    for (int32_t column = 0; column < o->columns; column++) try_window(o, row, column);
  for (size_t i = 0; i < pixels; i++) o->drop[i] /= o->times[i] > 0 ? o->times[i] : 1;
  return o->status;
}

static cnn_status finish(const Occlusion *o, const Arguments *a, const char *path) {
  const int64_t dim[2] = {o->rows, o->columns};
  report(o, path);
  cnn_status status = cnn_program_finish();
  if (status.code != CNN_OK) return status;
  return cnn_out_is_array(a->out) ? cnn_out_array(a->out, CNN_F32, o->value, 2, dim) : draw(o, a, path);
}

static int occlude(const cnn_program *program, const Arguments *a, const char *path) {
  Occlusion o = {0};
  cnn_status status = cnn_viewer_open(&o.viewer, program, a->weights, &a->names);
  if (status.code == CNN_OK) status = measure(&o, a, path);
  if (status.code == CNN_OK) status = finish(&o, a, path);
  cnn_viewer_close(&o.viewer);
  free(o.plain);
  free(o.fill);
  free(o.value);
  free(o.drop);
  free(o.times);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_occlude(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.fit = (int)cnn_fit_usual(program->network)};
  const cnn_flag flag[] = {
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "OUT",
       ".png: a figure; .npy: the probability (or score) for each position of the window", 0, 0, NULL, NULL},
      {"class", 0, CNN_VALUE_TEXT, &a.asked.class, "K",
       "the class: a number or a label (default: the predicted class)", 0, 0, NULL, NULL},
      CNN_FLAG_PIXEL(a.asked),
      {"box", 0, CNN_VALUE_WHOLE, &a.asked.box, "N",
       "use the score of the N-th detected box; with --class, of the N-th box of that class (default: 1, "
       "the best)",
       1, 1e6, NULL, &a.asked.of_box},
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"window", 0, CNN_VALUE_WHOLE, &a.window, "N",
       "side of the window in pixels (default: a seventh of the image's shorter side)", 1, 1e6, NULL, NULL},
      {"stride", 0, CNN_VALUE_WHOLE, &a.stride, "N",
       "pixels from one position to the next (default: 1; for large windows a quarter of the side)", 1, 1e6,
       NULL, NULL},
      {"fill", 0, CNN_VALUE_NUMBER, &a.fill, "X",
       "fill value of the window (default: the image's mean color)", -1e30, 1e30, NULL, &a.filled},
      CNN_FLAG_INDEX(a.index),
      CNN_FLAG_FIT(a.fit, NULL),
  };
  cnn_usage usage = {program->name, "occlude",
                     "IMAGE",       "Draws how much a score drops when parts of an input are covered.",
                     flag,          sizeof flag / sizeof *flag};
  int operand, parsed = cnn_usage_parse(&usage, argc, argv, &operand);
  if (parsed != CNN_GO_ON) return parsed;
  if (a.asked.of_box && a.asked.at_pixel)
    return cnn_usage_error(&usage, "--box and --pixel are mutually exclusive");
  int ready = cnn_viewer_usage(&usage, program, a.weights, argv[operand], a.out, true);
  return ready == CNN_GO_ON ? occlude(program, &a, argv[operand]) : ready;
}
