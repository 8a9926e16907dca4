/* program_features.c: `net features`: Values of the layers for an input. */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/commands/asked.h"
#include "hosted/commands/program.h"
#include "hosted/training/findings.h"
#include "hosted/training/measure.h"
#include "hosted/commands/viewer.h"

enum {
  OVERVIEW = 8,
  OVERVIEW_HEIGHT = 200,
  STRIP = 960
}; /* limits when all layers are shown: maps per layer; height and width of a sequence */

typedef struct Arguments {
  const char *weights, *out, *layer;
  cnn_weights_names names;
  cnn_asked asked;
  int64_t channels, scale, index;
  int fit;
} Arguments;

static const char *shape_text(int32_t rank, const int32_t dim[3], char room[48]) {
  if (rank == 3) snprintf(room, 48, "%dx%dx%d", dim[0], dim[1], dim[2]);
  else if (rank == 2) snprintf(room, 48, "%dx%d", dim[0], dim[1]);
  else snprintf(room, 48, "%d", dim[0]);
  return room;
}

/* Height of each channel of a sequence in the figure, in pixels. All sequences have the same width, so that
 * they line up in time. */
static int32_t strip_zoom(int32_t channels) {
  const int32_t zoom = OVERVIEW_HEIGHT / channels;
  return zoom < 1 ? 1 : zoom > 8 ? 8 : zoom;
}

/* Marks the requested pixel on the last panel, a map of height x width. Has no effect if the map does not
 * contain the pixel. */
static void mark_pixel(cnn_figure *figure, const cnn_viewer *viewer, const Arguments *a, int32_t height,
                       int32_t width) {
  double mark[4];
  if (cnn_asked_place(viewer, &a->asked, height, width, mark)) cnn_figure_mark(figure, mark);
}

static const char *range_text(const cnn_scale *scale, char room[120]) {
  snprintf(room, 120, " (%s to %s)", cnn_number(scale->low, 3).text, cnn_number(scale->high, 3).text);
  return room;
}

/* Draws the first maps of a layer side by side: at most the requested number, or OVERVIEW if all layers are
 * drawn. A sequence or a vector is drawn as one panel. */
static void draw_layer(cnn_figure *figure, const cnn_viewer *viewer, const Arguments *a, int32_t index) {
  const int32_t most = a->layer ? (int32_t)a->channels : OVERVIEW, columns = a->layer ? 0 : OVERVIEW;
  const int32_t scale_wanted = a->layer ? (int32_t)a->scale : 0;
  const cnn_layer *layer = &viewer->network->layer[index];
  const float *value = cnn_viewer_layer(viewer, index);
  const cnn_scale scale = cnn_scale_of(value, layer->bytes / 4);
  const cnn_sheet sheet = cnn_sheet_of(layer->rank, layer->dim);
  const bool wave = layer->rank == 2 && layer->dim[1] == 1 && !layer->regions;
  const bool map = layer->rank == 3 && layer->dim[0] * layer->dim[1] > 1;
  const int32_t channels = sheet.maps, shown = channels < most ? channels : most;
  char heading[200], shape[48], first[48] = "", caption[24] = "", range[120];
  if (shown < channels) snprintf(first, sizeof first, ", the first %d", shown);
  snprintf(heading, sizeof heading, "%s: %s, %s%s%s", layer->name, layer->op,
           shape_text(layer->rank, layer->dim, shape), first,
           wave               ? range_text(&scale, range)
           : layer->rank == 2 ? " (time to the right, channels upwards)"
                              : "");
  cnn_figure_section(figure, heading, wave ? NULL : &scale,
                     wave  ? 1
                     : map ? columns
                           : 1,
                     wave                                ? 1
                     : !scale_wanted && layer->rank == 2 ? strip_zoom(layer->dim[1])
                                                         : scale_wanted);
  if (!scale_wanted && layer->rank == 2) cnn_figure_strips(figure, STRIP);
  if (wave) cnn_figure_wave(figure, value, layer->dim[0], 1, 0, "");
  for (int32_t c = 0; c < shown && !wave; c++) {
    if (channels > 1) snprintf(caption, sizeof caption, "%d", c);
    cnn_figure_values(figure, value + sheet.first + c, sheet.height, sheet.width, sheet.down, sheet.right,
                      &scale, caption);
    if (map && !layer->regions) mark_pixel(figure, viewer, a, sheet.height, sheet.width);
  }
}

static void draw_input(cnn_figure *figure, const cnn_viewer *viewer, const Arguments *a, int32_t i) {
  const cnn_port *port = &viewer->network->input[i];
  const bool wave = cnn_port_is_wave(port);
  const cnn_scale scale = cnn_scale_of(viewer->value[i], port->size);
  char shape[48], heading[200], range[120];
  snprintf(heading, sizeof heading, "%s: input, %s%s", port->name, shape_text(port->rank, port->dim, shape),
           wave ? range_text(&scale, range) : "");
  cnn_figure_section(figure, heading, NULL, port->rank == 3 ? OVERVIEW : port->rank == 2,
                     wave              ? 1
                     : port->rank == 2 ? strip_zoom(port->dim[1])
                                       : 0);
  if (port->rank == 2) cnn_figure_strips(figure, STRIP);
  cnn_figure_input(figure, port, viewer->value[i], "");
  if (port == cnn_picture_input(viewer->network) && cnn_port_is_picture(port))
    mark_pixel(figure, viewer, a, port->dim[0], port->dim[1]);
}

/* Writes to `says` the probability (or, if there is none, the score) of the requested class at the requested
 * pixel. The defaults are the best class, and the mean over all pixels. `says` is empty if nothing was
 * requested and no output has classes. */
static cnn_status ask(const cnn_viewer *viewer, const Arguments *a, const char *path, char says[300]) {
  const cnn_network *network = viewer->network;
  *says = 0;
  if (!a->asked.class && !a->asked.at_pixel && cnn_tally_first(network) < 0) return cnn_success();
  cnn_unit unit;
  const cnn_status status = cnn_asked_unit(viewer, path, &a->asked, &unit);
  if (status.code != CNN_OK) return status;
  const double probability = cnn_viewer_probability(viewer, unit);
  const bool likely = !isnan(probability);
  const double value = likely ? probability : cnn_viewer_score(viewer, unit);
  char room[200];
  snprintf(says, 300, ": %s%s %s", cnn_asked_name(network, &a->asked, unit, room), likely ? "" : ", score",
           cnn_number_fixed(value, 4).text);
  return status;
}

/* Whether the layer computes a list of boxes, of which a heat map shows nothing. */
static bool lists_boxes(const cnn_network *network, int32_t l) {
  static const char *const op[] = {"yolo", "default_boxes", "decode", "proposals", "nms"};
  for (size_t k = 0; k < sizeof op / sizeof *op; k++)
    if (strcmp(network->layer[l].op, op[k]) == 0) return true;
  return false;
}

static cnn_status draw(const cnn_viewer *viewer, const Arguments *a, int32_t layer, const char *path,
                       const char *says) {
  const cnn_network *network = viewer->network;
  char title[200], subtitle[600];
  snprintf(title, sizeof title, a->layer ? "%s: features of %s" : "%s: features", network->name, a->layer);
  snprintf(subtitle, sizeof subtitle, "%s%s", path, says);
  cnn_figure *figure = cnn_figure_new(title, subtitle);
  for (int32_t i = 0; i < network->inputs; i++) draw_input(figure, viewer, a, i);
  if (a->layer) draw_layer(figure, viewer, a, layer);
  for (int32_t i = 0; i < network->layers && !a->layer; i++)
    if (cnn_layer_is_new(network, i) && !lists_boxes(network, i)) draw_layer(figure, viewer, a, i);
  cnn_status status = cnn_figure_write(figure, a->out);
  cnn_figure_free(figure);
  return status;
}

static cnn_status write_array(const cnn_viewer *viewer, const Arguments *a, int32_t layer) {
  const cnn_layer *shown = &viewer->network->layer[layer];
  const int64_t dim[3] = {shown->dim[0], shown->dim[1], shown->dim[2]};
  return cnn_out_array(a->out, CNN_F32, cnn_viewer_layer(viewer, layer), shown->rank, dim);
}

static int features(const cnn_program *program, const Arguments *a, const char *path) {
  cnn_viewer viewer;
  int32_t layer = 0;
  char says[300];
  cnn_status status = cnn_viewer_open(&viewer, program, a->weights, &a->names);
  if (status.code == CNN_OK && a->layer) status = cnn_layer_find(program->network, a->layer, &layer);
  if (status.code == CNN_OK) status = cnn_viewer_read(&viewer, path, a->index, (cnn_fit)a->fit);
  if (status.code == CNN_OK) {
    cnn_viewer_forward(&viewer);
    cnn_viewer_warn(&viewer);
    status = ask(&viewer, a, path, says);
  }
  if (status.code == CNN_OK) {
    status = cnn_out_is_array(a->out) ? write_array(&viewer, a, layer) : draw(&viewer, a, layer, path, says);
  }
  cnn_viewer_close(&viewer);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_features(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.channels = 64, .fit = (int)cnn_fit_usual(program->network)};
  const cnn_flag flag[] = {
      {"layer", 0, CNN_VALUE_TEXT, &a.layer, "NAME",
       "a layer that the command info lists (default: all layers, a few channels of each)", 0, 0, NULL, NULL},
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "OUT", ".png: a figure; .npy: the layer's values", 0, 0, NULL,
       NULL},
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"class", 0, CNN_VALUE_TEXT, &a.asked.class, "K",
       "class whose probability is printed: a number or a label (default: the predicted class)", 0, 0, NULL,
       NULL},
      CNN_FLAG_PIXEL(a.asked),
      {"channels", 0, CNN_VALUE_WHOLE, &a.channels, "N", "with --layer: maximum number of channels (64)", 1,
       1024, NULL, NULL},
      {"scale", 0, CNN_VALUE_WHOLE, &a.scale, "N",
       "with --layer: side of each element in pixels (default: as large as fits into the figure)", 1, 64,
       NULL, NULL},
      CNN_FLAG_INDEX(a.index),
      CNN_FLAG_FIT(a.fit, NULL),
  };
  cnn_usage usage = {
      program->name, "features",
      "IMAGE",       "Draws the values of the layers for an input (PNG, JPEG, WebP, .npy, .npz).",
      flag,          sizeof flag / sizeof *flag};
  int operand, parsed = cnn_usage_parse(&usage, argc, argv, &operand);
  if (parsed != CNN_GO_ON) return parsed;
  if (a.out && cnn_out_is_array(a.out) && !a.layer)
    return cnn_usage_error(&usage, "-o OUT.npy needs --layer");
  int ready = cnn_viewer_usage(&usage, program, a.weights, argv[operand], a.out, true);
  return ready == CNN_GO_ON ? features(program, &a, argv[operand]) : ready;
}
