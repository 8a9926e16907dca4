/* program_saliency.c: `net saliency`: Pixels on which the score depends. The saliency of a pixel is the
 * largest |d score / d channel| of its channels (Simonyan, Vedaldi and Zisserman, 2014). Optionally, the
 * gradients are averaged over noisy copies of the input, because the average is smoother (SmoothGrad; Smilkov
 * et al., 2017). */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/commands/asked.h"
#include "hosted/commands/program.h"
#include "hosted/training/findings.h"
#include "hosted/data/drawn.h"
#include "hosted/commands/viewer.h"

typedef struct Arguments {
  const char *weights, *out;
  cnn_weights_names names;
  cnn_asked asked;
  int64_t smooth, index;
  uint64_t seed;
  double noise;
  int fit;
} Arguments;

typedef struct Saliency {
  cnn_viewer viewer;
  cnn_unit unit;
  double score, probability;
  float *plain; /* the original input */
  float *sum;   /* sums of gradients */
} Saliency;

/* Averages the gradients at noisy copies of the input; with one copy, uses the input itself. */
static void add_up(Saliency *s, const Arguments *a, int32_t input) {
  const int64_t n = s->viewer.network->input[input].size;
  const cnn_scale range = cnn_scale_of(s->plain, n);
  const double spread = a->smooth > 1 ? a->noise * (range.signs ? range.high : range.high - range.low) : 0;
  const float *gradient = cnn_viewer_gradient(&s->viewer, input);
  for (int64_t copy = 0; copy < a->smooth; copy++) {
    const cnn_random random = cnn_random_keys(a->seed, (uint64_t)copy);
    for (int64_t k = 0; k < n; k++)
      s->viewer.value[input][k] =
          s->plain[k] + (float)(spread > 0 ? spread * cnn_drawn_normal(random, (uint32_t)k) : 0);
    cnn_viewer_forward(&s->viewer);
    cnn_viewer_backward(&s->viewer, s->unit);
    for (int64_t k = 0; k < n; k++) s->sum[k] += gradient[k] / (float)a->smooth;
  }
  memcpy(s->viewer.value[input], s->plain, (size_t)n * sizeof(float));
}

/* Replaces the gradients of each pixel of an image with the largest absolute value among its channels. Other
 * inputs keep the absolute value of each element's gradient. */
static void reduce(const cnn_port *port, float *gradient) {
  const int32_t channels = cnn_port_is_picture(port) ? port->dim[2] : 1;
  for (int64_t p = 0; p < port->size / channels; p++) {
    float largest = 0;
    for (int32_t c = 0; c < channels; c++) largest = fmaxf(largest, fabsf(gradient[p * channels + c]));
    gradient[p] = largest;
  }
}

static cnn_status draw(Saliency *s, const Arguments *a, int32_t input, const char *path) {
  const cnn_port *port = &s->viewer.network->input[input];
  char title[300], subtitle[300], room[200], chance[80] = "";
  snprintf(title, sizeof title, "%s: saliency of %s", s->viewer.network->name,
           cnn_asked_name(s->viewer.network, &a->asked, s->unit, room));
  if (!isnan(s->probability))
    snprintf(chance, sizeof chance, ", probability %s", cnn_number_fixed(s->probability, 4).text);
  snprintf(subtitle, sizeof subtitle, "%s: score %s%s", path, cnn_number_fixed(s->score, 3).text, chance);
  reduce(port, s->sum);
  const bool picture = cnn_port_is_picture(port);
  const int64_t pixels = picture ? (int64_t)port->dim[0] * port->dim[1] : port->size;
  const cnn_scale scale = cnn_scale_of(s->sum, pixels);
  const int32_t plane[3] = {port->dim[0], port->dim[1], 1};
  const cnn_sheet sheet = picture ? cnn_sheet_of(3, plane) : cnn_sheet_of(port->rank, port->dim);
  cnn_figure *figure = cnn_figure_new(title, subtitle);
  cnn_figure_section(figure, "", &scale, picture ? 0 : 1, 0);
  double mark[4];
  const bool marked = picture && cnn_asked_place(&s->viewer, &a->asked, port->dim[0], port->dim[1], mark);
  cnn_figure_input(figure, port, s->plain, port->name);
  if (marked) cnn_figure_mark(figure, mark);
  cnn_figure_values(figure, s->sum + sheet.first, sheet.height, sheet.width, sheet.down, sheet.right, &scale,
                    a->smooth > 1 ? "|d score / d input|, smoothed" : "|d score / d input|");
  if (marked) cnn_figure_mark(figure, mark);
  cnn_status status = cnn_figure_write(figure, a->out);
  cnn_figure_free(figure);
  return status;
}

static cnn_status write_array(const Saliency *s, const char *path, int32_t input) {
  const cnn_port *port = &s->viewer.network->input[input];
  const int64_t dim[3] = {port->dim[0], port->dim[1], port->dim[2]};
  return cnn_out_array(path, CNN_F32, s->sum, port->rank, dim);
}

static cnn_status measure(Saliency *s, const Arguments *a, const char *path) {
  cnn_viewer *viewer = &s->viewer;
  const cnn_network *network = viewer->network;
  cnn_status status = cnn_viewer_read(viewer, path, a->index, (cnn_fit)a->fit);
  if (status.code != CNN_OK) return status;
  cnn_viewer_forward(viewer);
  cnn_viewer_warn(viewer);
  status = cnn_asked_unit(viewer, path, &a->asked, &s->unit);
  if (status.code != CNN_OK) return status;
  s->score = cnn_viewer_score(viewer, s->unit);
  s->probability = cnn_viewer_probability(viewer, s->unit);
  int32_t input = 0;
  while (input < network->inputs && !cnn_viewer_gradient(viewer, input)) input++;
  if (input == network->inputs)
    return cnn_failure(CNN_BAD_ARGUMENT, "the outputs of %s have no gradient with respect to its inputs",
                       network->name);
  const int64_t n = network->input[input].size;
  s->plain = malloc((size_t)n * sizeof(float));
  s->sum = calloc((size_t)n, sizeof(float));
  if (!s->plain || !s->sum) return cnn_failure(CNN_NO_MEMORY, "%s: no memory", path);
  memcpy(s->plain, viewer->value[input], (size_t)n * sizeof(float));
  add_up(s, a, input);
  return cnn_out_is_array(a->out) ? write_array(s, a->out, input) : draw(s, a, input, path);
}

static int saliency(const cnn_program *program, const Arguments *a, const char *path) {
  Saliency s = {0};
  cnn_status status = cnn_viewer_open(&s.viewer, program, a->weights, &a->names);
  if (status.code == CNN_OK) status = measure(&s, a, path);
  cnn_viewer_close(&s.viewer);
  free(s.plain);
  free(s.sum);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_saliency(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.smooth = 1, .noise = 0.15, .fit = (int)cnn_fit_usual(program->network)};
  const cnn_flag flag[] = {
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "OUT", ".png: a figure; .npy: the gradient, with its signs", 0, 0,
       NULL, NULL},
      {"class", 0, CNN_VALUE_TEXT, &a.asked.class, "K",
       "the class: a number or a label (default: the predicted class)", 0, 0, NULL, NULL},
      CNN_FLAG_PIXEL(a.asked),
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"smooth", 0, CNN_VALUE_WHOLE, &a.smooth, "N",
       "average over N noisy copies of the input (1: only the input itself)", 1, 1e6, NULL, NULL},
      {"noise", 0, CNN_VALUE_NUMBER, &a.noise, "X",
       "standard deviation of the noise, as a fraction of the input's range (0.15)", 0, 10, NULL, NULL},
      {"seed", 0, CNN_VALUE_SEED, &a.seed, "S", "seed of the noise (0)", 0, 0, NULL, NULL},
      CNN_FLAG_INDEX(a.index),
      CNN_FLAG_FIT(a.fit, NULL),
  };
  cnn_usage usage = {program->name, "saliency",
                     "IMAGE",       "Draws how much each part of an input affects the score of a class.",
                     flag,          sizeof flag / sizeof *flag};
  int operand, parsed = cnn_usage_parse(&usage, argc, argv, &operand);
  if (parsed != CNN_GO_ON) return parsed;
  int ready = cnn_viewer_usage(&usage, program, a.weights, argv[operand], a.out, true);
  return ready == CNN_GO_ON ? saliency(program, &a, argv[operand]) : ready;
}
