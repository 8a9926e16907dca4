/* program_dream.c: `net dream`: An input with a high score of a class, found by gradient ascent on the score.
 * The start is noise or an image (Simonyan, Vedaldi and Zisserman, 2014). Without regularization the patterns
 * are not recognizable. So each step shifts the image by a few pixels (jitter; Mordvintsev et al., 2015).
 * Each step also moves the image back towards the start image (decay; Simonyan et al.). Every fourth step
 * also blurs the image, until the blur has faded out (Yosinski et al., 2015). */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/commands/program.h"
#include "hosted/data/drawn.h"
#include "hosted/commands/viewer.h"
#include "hosted/training/findings.h"

enum { BLUR_EVERY = 4, CLASSES_MOST = 64 };

typedef struct Arguments {
  const char *weights, *out, *output, *from;
  cnn_weights_names names;
  int64_t steps, jitter, index;
  double rate, decay, blur;
  uint64_t seed;
  int fit;
} Arguments;

typedef struct Dream {
  cnn_viewer viewer;
  const cnn_port *port;
  int32_t height, width, channels; /* a sequence has one row, a vector one pixel */
  double low, high, step;          /* range of the values; step: mean change of a value in step 0 at rate 1 */
  float *start, *picture, *row;    /* row: scratch space for blurring */
  cnn_unit unit[CLASSES_MOST];
  int32_t units;
  unsigned char *result; /* [units][size], in the input's type */
} Dream;

typedef struct Score {
  double score, probability;
} Score;

/* ---- The image */

/* Blurs one line of `count` pixels. The distance between adjacent pixels of the line is `apart` floats.
 * Beyond the ends of the line, the outermost pixels are repeated. */
static void blur_line(float *line, int32_t count, int64_t apart, double sigma, float *room) {
  const int32_t reach = (int32_t)ceil(3 * sigma);
  for (int32_t i = 0; i < count; i++) room[i] = line[i * apart];
  for (int32_t i = 0; i < count; i++) {
    double sum = 0, weights = 0;
    for (int32_t k = -reach; k <= reach; k++) {
      const int32_t from = i + k < 0 ? 0 : i + k >= count ? count - 1 : i + k;
      const double weight = exp(-0.5 * k * k / (sigma * sigma));
      sum += weight * (double)room[from];
      weights += weight;
    }
    line[i * apart] = (float)(sum / weights);
  }
}

static void blur(Dream *d, double sigma) {
  const int64_t across = (int64_t)d->width * d->channels;
  for (int32_t y = 0; y < d->height; y++)
    for (int32_t c = 0; c < d->channels; c++)
      blur_line(d->picture + y * across + c, d->width, d->channels, sigma, d->row);
  for (int64_t x = 0; x < across && d->height > 1; x++)
    blur_line(d->picture + x, d->height, across, sigma, d->row);
}

/* Index of the first channel of pixel (y, x) after a cyclic shift of the image by (down, right). */
static int64_t shifted(const Dream *d, int32_t y, int32_t x, int32_t down, int32_t right) {
  return ((int64_t)((y + down) % d->height) * d->width + (x + right) % d->width) * d->channels;
}

static void show(Dream *d, int32_t down, int32_t right) {
  const float *from = d->picture;
  for (int32_t y = 0; y < d->height; y++)
    for (int32_t x = 0; x < d->width; x++, from += d->channels)
      memcpy(d->viewer.value[0] + shifted(d, y, x, down, right), from, (size_t)d->channels * sizeof(float));
  cnn_viewer_forward(&d->viewer);
}

/* ---- Ascent */

static void ascend(Dream *d, const Arguments *a, cnn_unit unit, int64_t step) {
  const cnn_random random = cnn_random_keys(a->seed + 1, (uint64_t)step);
  const uint32_t jitter = (uint32_t)a->jitter;
  const int32_t down = (int32_t)cnn_random_below(
      random, 0, (jitter < (uint32_t)d->height ? jitter : (uint32_t)d->height - 1) + 1);
  const int32_t right = (int32_t)cnn_random_below(
      random, 1, (jitter < (uint32_t)d->width ? jitter : (uint32_t)d->width - 1) + 1);
  show(d, down, right);
  cnn_viewer_backward(&d->viewer, unit);
  const float *gradient = cnn_viewer_gradient(&d->viewer, 0);
  const double left = 1 - (double)step / (double)a->steps; /* falls from 1 towards 0 */
  double sum = 0;
  for (int64_t k = 0; k < d->port->size; k++) sum += fabs((double)gradient[k]);
  const double rate =
      sum > 0 && isfinite(sum) ? a->rate * d->step * (0.25 + 0.75 * left) * (double)d->port->size / sum : 0;
  float *to = d->picture, *start = d->start;
  for (int32_t y = 0; y < d->height; y++)
    for (int32_t x = 0; x < d->width; x++) {
      const float *slope = gradient + shifted(d, y, x, down, right);
      for (int32_t c = 0; c < d->channels; c++, to++, start++) {
        const double moved = (double)*to + rate * (double)slope[c],
                     kept = moved + a->decay * ((double)*start - moved);
        *to = (float)fmin(fmax(kept, d->low), d->high);
      }
    }
  if (step % BLUR_EVERY == 0 && a->blur * left > 0.2) blur(d, a->blur * left);
}

static Score score_of(Dream *d, cnn_unit unit) {
  show(d, 0, 0);
  return (Score){cnn_viewer_score(&d->viewer, unit), cnn_viewer_probability(&d->viewer, unit)};
}

static void report(const Dream *d, cnn_unit unit, Score before, Score after, char *caption, size_t room) {
  char name[120];
  cnn_unit_name(d->viewer.network, unit, name);
  printf("%s: score %s -> %s", name, cnn_number_fixed(before.score, 4).text,
         cnn_number_fixed(after.score, 4).text);
  if (!isnan(after.probability))
    printf(", probability %s -> %s", cnn_number_fixed(before.probability, 4).text,
           cnn_number_fixed(after.probability, 4).text);
  printf("\n");
  snprintf(caption, room, "%s: %s", name, cnn_number_fixed(after.score, 1).text);
}

static cnn_status dream_all(Dream *d, const Arguments *a) {
  const size_t bytes = (size_t)d->port->size * sizeof(float),
               raw = (size_t)d->port->size * cnn_type_bytes(d->port->type);
  char title[200], subtitle[300], caption[200];
  snprintf(title, sizeof title, "%s: inputs that maximize the score", d->viewer.network->name);
  snprintf(subtitle, sizeof subtitle,
           "%lld step%s of gradient ascent on the score from %s; under each image, its score",
           (long long)a->steps, a->steps == 1 ? "" : "s", a->from ? a->from : "noise");
  cnn_figure *figure = cnn_figure_new(title, subtitle);
  cnn_figure_section(figure, "", NULL, 0, 0);
  if (a->from) cnn_figure_input(figure, d->port, d->start, "from");
  for (int32_t i = 0; i < d->units; i++) {
    memcpy(d->picture, d->start, bytes);
    const Score before = score_of(d, d->unit[i]);
    for (int64_t step = 0; step < a->steps; step++) ascend(d, a, d->unit[i], step);
    const Score after = score_of(d, d->unit[i]);
    report(d, d->unit[i], before, after, caption, sizeof caption);
    cnn_figure_input(figure, d->port, d->viewer.value[0], caption);
    memcpy(d->result + (size_t)i * raw, d->viewer.raw[0], raw);
  }
  cnn_status status;
  if (cnn_out_is_array(a->out)) {
    int64_t dim[4] = {d->units};
    for (int32_t k = 0; k < d->port->rank; k++) dim[k + 1] = d->port->dim[k];
    status = cnn_out_array(a->out, d->port->type, d->result, d->port->rank + 1, dim);
  } else {
    status = cnn_figure_write(figure, a->out);
  }
  cnn_figure_free(figure);
  return status;
}

/* ---- Start */

static cnn_status choose_units(Dream *d, const Arguments *a) {
  const cnn_network *network = d->viewer.network;
  d->unit[0] = (cnn_unit){cnn_unit_output(network), 0, CNN_EVERYWHERE};
  if (strcmp(a->output, "all") == 0) {
    const int32_t channels =
        network->output[d->unit[0].output].dim[network->output[d->unit[0].output].rank - 1];
    if (channels > CLASSES_MOST)
      return cnn_failure(CNN_BAD_ARGUMENT, "--output=all shows at most %d outputs, but the net has %d",
                         CLASSES_MOST, channels);
    for (d->units = 0; d->units < channels; d->units++)
      d->unit[d->units] = (cnn_unit){d->unit[0].output, d->units, CNN_EVERYWHERE};
    return cnn_success();
  }
  d->units = 1;
  return cnn_unit_parse(network, a->output, &d->unit[0]);
}

/* Starts from noise around the middle of the range, or from an image. */
static cnn_status start(Dream *d, const Arguments *a) {
  const bool bounded = isfinite(d->low);
  const double middle = bounded ? (d->low + d->high) / 2 : 0;
  const cnn_random random = cnn_random_keys(a->seed, 0);
  for (int64_t k = 0; k < d->port->size; k++) {
    const double value = middle + 8 * d->step * cnn_drawn_normal(random, (uint32_t)k);
    d->viewer.value[0][k] = (float)fmin(fmax(value, d->low), d->high);
  }
  cnn_status status =
      a->from ? cnn_viewer_read(&d->viewer, a->from, a->index, (cnn_fit)a->fit) : cnn_success();
  memcpy(d->start, d->viewer.value[0], (size_t)d->port->size * sizeof(float));
  return status;
}

static cnn_status dream_open(Dream *d, const Arguments *a) {
  const cnn_network *network = d->viewer.network;
  if (network->inputs != 1)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s has %d inputs; dream supports one", network->name,
                       network->inputs);
  if (network->look->gradient[0] < 0)
    return cnn_failure(CNN_BAD_ARGUMENT, "the outputs of %s have no gradient with respect to its input",
                       network->name);
  d->port = &network->input[0];
  d->channels = d->port->dim[d->port->rank - 1];
  d->width = d->port->rank > 1 ? d->port->dim[d->port->rank - 2] : 1;
  d->height = d->port->rank > 2 ? d->port->dim[0] : 1;
  cnn_port_range(d->port, &d->low, &d->high);
  d->step = isfinite(d->low) ? (d->high - d->low) / 255 : 1.0 / 64;
  cnn_status status = choose_units(d, a);
  if (status.code != CNN_OK) return status;
  const size_t n = (size_t)d->port->size;
  d->start = malloc(n * sizeof(float));
  d->picture = malloc(n * sizeof(float));
  d->row = malloc((size_t)(d->width > d->height ? d->width : d->height) * sizeof(float));
  d->result = malloc(n * (size_t)d->units * cnn_type_bytes(d->port->type));
  if (!d->start || !d->picture || !d->row || !d->result)
    return cnn_failure(CNN_NO_MEMORY, "no memory to dream");
  return start(d, a);
}

static int dream(const cnn_program *program, Arguments *a) {
  Dream d = {0};
  cnn_status status = cnn_viewer_open(&d.viewer, program, a->weights, &a->names);
  if (status.code == CNN_OK) status = dream_open(&d, a);
  if (status.code == CNN_OK && a->jitter < 0) a->jitter = (d.width + 13) / 14;
  if (status.code == CNN_OK) status = dream_all(&d, a);
  if (status.code == CNN_OK) status = cnn_program_finish();
  cnn_viewer_close(&d.viewer);
  free(d.start);
  free(d.picture);
  free(d.row);
  free(d.result);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_dream(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.steps = 256,
                 .jitter = -1,
                 .rate = 8,
                 .decay = 0.01,
                 .blur = 1,
                 .fit = (int)cnn_fit_usual(program->network)};
  const cnn_flag flag[] = {
      {"output", 0, CNN_VALUE_TEXT, &a.output, "K|all",
       "a class by number or label, or an output's channel; all: one image for each", 0, 0, NULL, NULL},
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "OUT",
       ".png: a figure; .npy: the inputs themselves, as predict reads them", 0, 0, NULL, NULL},
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"from", 0, CNN_VALUE_TEXT, &a.from, "IMAGE", "start image (default: noise)", 0, 0, NULL, NULL},
      {"steps", 0, CNN_VALUE_WHOLE, &a.steps, "N", "number of steps of gradient ascent (256)", 1, 1e6, NULL,
       NULL},
      {"rate", 0, CNN_VALUE_NUMBER, &a.rate, "X", "size of a step, in shades of gray (8)", 0, 1e6, NULL,
       NULL},
      {"decay", 0, CNN_VALUE_NUMBER, &a.decay, "X",
       "fraction by which each step moves back towards the start image (0.01)", 0, 1, NULL, NULL},
      {"blur", 0, CNN_VALUE_NUMBER, &a.blur, "X",
       "standard deviation of the first step's blur, in pixels; the blur fades out (1)", 0, 100, NULL, NULL},
      {"jitter", 0, CNN_VALUE_WHOLE, &a.jitter, "N",
       "largest random shift per step, in pixels (a fourteenth of the width)", 0, 1e6, NULL, NULL},
      {"seed", 0, CNN_VALUE_SEED, &a.seed, "S", "seed of the noise and the shifts (0)", 0, 0, NULL, NULL},
      CNN_FLAG_INDEX(a.index),
      CNN_FLAG_FIT(a.fit, NULL),
  };
  cnn_usage usage = {program->name,
                     "dream",
                     "",
                     "Generates an input that maximizes an output.",
                     flag,
                     sizeof flag / sizeof *flag};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  if (parsed != CNN_GO_ON) return parsed;
  if (!a.output) return cnn_usage_error(&usage, "this command needs --output");
  int ready = cnn_viewer_usage(&usage, program, a.weights, a.from, a.out, true);
  return ready == CNN_GO_ON ? dream(program, &a) : ready;
}
