/* program_filters.c: `net filters`: The weights of a layer as images. */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/commands/program.h"
#include "hosted/commands/viewer.h"
#include "hosted/weights/origin.h"

enum {
  MATRIX_ROWS = 512,
  MATRIX_COLUMNS = 1024
}; /* largest part of a matrix (dense layer, 1x1 convolution) that is drawn */

typedef struct Arguments {
  const char *weights, *out, *layer;
  cnn_weights_names names;
  int64_t filters, channels, scale;
} Arguments;

/* A layer's weights as filters. Each channel of a filter has height x width numbers. The number at (y, x) of
 * channel c of filter f is value[f*filter + c*channel + y*down + x*right]. */
typedef struct Filters {
  const float *value;
  int64_t size; /* number of all weights */
  int32_t filters, channels, height, width;
  int64_t filter, channel, down, right;
} Filters;

/* The weights that can be drawn: "NAME.weight" with two or more dimensions. */
static const cnn_weight *weight_of(const cnn_network *network, const char *layer) {
  const size_t n = strlen(layer);
  for (int32_t i = 0; i < network->weights; i++) {
    const cnn_weight *weight = &network->weight[i];
    if (strncmp(weight->name, layer, n) == 0 && strcmp(weight->name + n, ".weight") == 0 && weight->rank >= 2)
      return weight;
  }
  return NULL;
}

/* Finds the layer `name`. If `name` is NULL, chooses the first convolution that has filters; if there is
 * none, the first layer whose weights are a matrix. */
static cnn_status choose_layer(const cnn_network *network, const char *name, int32_t *layer) {
  if (cnn_weights_fixed(network))
    return cnn_failure(CNN_BAD_ARGUMENT, "'filters' needs a float net; this is an int8 model");
  if (name) {
    cnn_status status = cnn_layer_find(network, name, layer);
    if (status.code == CNN_OK && !weight_of(network, name))
      return cnn_failure(CNN_BAD_ARGUMENT,
                         "layer '%s' (%s) has no filters; use a convolution or a dense layer", name,
                         network->layer[*layer].op);
    return status;
  }
  for (int32_t rank = 3; rank >= 2; rank--)
    for (*layer = 0; *layer < network->layers; ++*layer) {
      const cnn_weight *weight = weight_of(network, network->layer[*layer].name);
      if (weight && weight->rank >= rank) return cnn_success();
    }
  return cnn_failure(CNN_BAD_ARGUMENT, "the net has no layer with filters");
}

static Filters filters_of(const cnn_network *network, const float *weights, int32_t layer) {
  const cnn_weight *weight = weight_of(network, network->layer[layer].name);
  const int32_t *dim = weight->dim;
  Filters f = {.value = weights + weight->offset,
               .size = weight->size,
               .filters = dim[0],
               .channels = dim[1],
               .height = 1,
               .width = 1};
  if (weight->rank == 4) {
    f.height = dim[2];
    f.width = dim[3];
  }
  if (weight->rank == 3) f.width = dim[2]; /* a filter over a sequence: channels by time */
  f.right = 1;
  f.down = f.width;
  f.channel = (int64_t)f.height * f.width;
  f.filter = f.channel * f.channels;
  if (strcmp(network->layer[layer].op, "conv_transpose") ==
      0) { /* the first dimension of these weights counts input channels */
    f.filters = dim[1];
    f.channels = dim[0];
    f.filter = f.channel;
    f.channel *= dim[1];
  }
  if (weight->rank == 3) {
    f.height = f.channels;
    f.down = f.channel;
    f.channels = 1;
  }
  return f;
}

/* If a dense layer reads a gray input image directly, draws each row of its weights as an image. */
static void as_templates(const cnn_network *network, int32_t layer, Filters *f) {
  const cnn_port *port = &network->input[0];
  if (network->inputs != 1 || strcmp(network->layer[layer].op, "dense") != 0 || !cnn_port_is_picture(port) ||
      port->dim[2] != 1 || f->channels != port->size)
    return;
  for (int32_t i = 0; i < layer; i++)
    if (network->layer[i].parameters > 0) return;
  f->height = port->dim[0];
  f->width = port->dim[1];
  f->down = f->width;
  f->channel = f->filter;
  f->channels = 1;
}

/* Color filters: 0 is drawn as middle gray. */
static void draw_colors(cnn_figure *figure, const Filters *f, int32_t filter, double reach,
                        const char *caption) {
  uint8_t *rgb = cnn_figure_panel(figure, f->height, f->width, caption);
  for (int32_t y = 0; rgb && y < f->height; y++)
    for (int32_t x = 0; x < f->width; x++)
      for (int32_t c = 0; c < 3; c++) {
        const double shade =
            127.5 + 127.5 *
                        (double)f->value[filter * f->filter + c * f->channel + y * f->down + x * f->right] /
                        reach;
        *rgb++ = (uint8_t)fmin(fmax(isnan(shade) ? 127.5 : shade, 0), 255);
      }
}

static int32_t least(int64_t a, int64_t b) { return (int32_t)(a < b ? a : b); }

static cnn_status draw(const cnn_network *network, const float *weights, const Arguments *a, int32_t layer) {
  Filters f = filters_of(network, weights, layer);
  as_templates(network, layer, &f);
  const bool matrix = f.height * f.width == 1 && f.channels > 1,
             colors = f.channels == 3 && !matrix && network->input[0].dim[2] == 3;
  const bool mosaic = f.channels > 1 && !colors;
  const int32_t filters = least(f.filters, matrix                      ? MATRIX_ROWS
                                           : mosaic && a->filters > 32 ? 32
                                                                       : a->filters),
                channels = least(f.channels, matrix ? MATRIX_COLUMNS : a->channels);
  cnn_scale scale = cnn_scale_of(f.value, f.size);
  char title[200], subtitle[300], heading[200] = "", first[96] = "", caption[24];
  snprintf(title, sizeof title, "%s: filters of %s", network->name, network->layer[layer].name);
  if (filters < f.filters || (mosaic && channels < f.channels)) {
    if (mosaic)
      snprintf(first, sizeof first, "; the first %d, and %d %s", filters, channels,
               matrix ? "inputs" : "channels");
    else snprintf(first, sizeof first, "; the first %d", filters);
  }
  snprintf(subtitle, sizeof subtitle, "%s, %d filter%s of %dx%d%s%s", network->layer[layer].op, f.filters,
           f.filters == 1 ? "" : "s", f.height, f.width, "", first);
  if (f.channels > 1)
    snprintf(subtitle, sizeof subtitle, "%s, %d filters of %dx%dx%d%s", network->layer[layer].op, f.filters,
             f.height, f.width, f.channels, first);
  if (matrix)
    snprintf(subtitle, sizeof subtitle, "%s, %d units of %d inputs%s", network->layer[layer].op, f.filters,
             f.channels, first);
  if (mosaic)
    snprintf(heading, sizeof heading, "%s downwards, %s to the right", matrix ? "units" : "filters",
             matrix ? "inputs" : "input channels");
  cnn_figure *figure = cnn_figure_new(title, subtitle);
  cnn_figure_section(figure, heading, colors ? NULL : &scale,
                     matrix   ? 1
                     : mosaic ? channels
                              : 0,
                     (int32_t)a->scale);
  if (matrix) cnn_figure_values(figure, f.value, filters, channels, f.filter, f.channel, &scale, "");
  for (int32_t i = 0; mosaic && !matrix && i < filters * channels; i++)
    cnn_figure_values(figure, f.value + i / channels * f.filter + i % channels * f.channel, f.height, f.width,
                      f.down, f.right, &scale, "");
  for (int32_t i = 0; i < filters && !mosaic; i++) {
    const bool labeled = network->label && network->labels == f.filters && f.height * f.width > 100;
    snprintf(caption, sizeof caption, "%d", i);
    if (colors) draw_colors(figure, &f, i, fmax(fabs(scale.low), fabs(scale.high)), caption);
    else
      cnn_figure_values(figure, f.value + i * f.filter, f.height, f.width, f.down, f.right, &scale,
                        labeled ? network->label[i] : caption);
  }
  cnn_status status = cnn_figure_write(figure, a->out);
  cnn_figure_free(figure);
  return status;
}

static int filters(const cnn_program *program, const Arguments *a) {
  float *weights = NULL;
  int32_t layer = 0;
  cnn_status status = choose_layer(program->network, a->layer, &layer);
  if (status.code == CNN_OK) status = cnn_program_weights(program, a->weights, &a->names, &weights);
  if (status.code == CNN_OK) status = draw(program->network, weights, a, layer);
  free(weights);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_filters(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.filters = 256, .channels = 32};
  const cnn_flag flag[] = {
      {"layer", 0, CNN_VALUE_TEXT, &a.layer, "NAME",
       "a convolution or a dense layer (the first convolution, else the first dense layer)", 0, 0, NULL,
       NULL},
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "OUT.png", "the figure", 0, 0, NULL, NULL},
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"filters", 0, CNN_VALUE_WHOLE, &a.filters, "N",
       "maximum number of filters (256; at most 32 if each channel is drawn separately)", 1, 4096, NULL,
       NULL},
      {"channels", 0, CNN_VALUE_WHOLE, &a.channels, "N", "maximum number of channels per filter (32)", 1,
       4096, NULL, NULL},
      {"scale", 0, CNN_VALUE_WHOLE, &a.scale, "N",
       "side of each weight in pixels (default: as large as fits into the figure)", 1, 64, NULL, NULL},
  };
  cnn_usage usage = {
      program->name, "filters", "", "Draws the weights of a layer.", flag, sizeof flag / sizeof *flag};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  if (parsed != CNN_GO_ON) return parsed;
  int ready = cnn_viewer_usage(&usage, program, a.weights, NULL, a.out, false);
  return ready == CNN_GO_ON ? filters(program, &a) : ready;
}
