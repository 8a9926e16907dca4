/* viewer.c: A net with one sample and access to all of its values. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/viewer.h"
#include "hosted/base/number.h"
#include "hosted/base/similar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/data/dataset.h"
#include "hosted/training/evaluate.h"
#include "hosted/training/measure.h"
#include "hosted/weights/npz.h"
#include "hosted/commands/program.h"
#include "hosted/commands/written.h"

/* ---- opening and reading */

static bool allocate(cnn_viewer *viewer) {
  const cnn_network *network = viewer->network;
  viewer->memory = cnn_aligned(network->look->bytes);
  viewer->value = calloc((size_t)network->inputs + 1, sizeof *viewer->value);
  viewer->raw = calloc((size_t)network->inputs + 1, sizeof *viewer->raw);
  viewer->input = calloc((size_t)network->inputs + 1, sizeof *viewer->input);
  viewer->seed = cnn_outputs_alloc(network, 1);
  bool fine = viewer->memory && viewer->value && viewer->raw && viewer->input && viewer->seed;
  for (int32_t i = 0; fine && i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    viewer->value[i] = calloc((size_t)port->size + 1, sizeof(float));
    viewer->raw[i] = calloc((size_t)port->size + 1, cnn_type_bytes(port->type));
    viewer->input[i] = calloc((size_t)port->size + 1, cnn_type_bytes(port->type));
    fine = viewer->value[i] && viewer->raw[i] && viewer->input[i];
  }
  return fine;
}

cnn_status cnn_viewer_open(cnn_viewer *viewer, const cnn_program *program, const char *weights,
                           const cnn_weights_names *names) {
  const cnn_network *network = program->network;
  *viewer = (cnn_viewer){.program = program, .network = network};
  cnn_status status = cnn_program_weights(program, weights, names, &viewer->weights);
  if (status.code != CNN_OK) return status;
  if (!allocate(viewer)) return cnn_failure(CNN_NO_MEMORY, "no memory to inspect %s", network->name);
  network->look->pack(viewer->memory, viewer->weights);
  return cnn_success();
}

void cnn_viewer_close(cnn_viewer *viewer) {
  for (int32_t i = 0; i < viewer->network->inputs; i++) {
    if (viewer->value) free(viewer->value[i]);
    if (viewer->raw) free(viewer->raw[i]);
    if (viewer->input) free(viewer->input[i]);
  }
  free(viewer->value);
  free(viewer->raw);
  free(viewer->input);
  cnn_outputs_free(viewer->network, viewer->seed);
  free(viewer->memory);
  free(viewer->weights);
  *viewer = (cnn_viewer){.network = viewer->network};
}

void cnn_port_floats(const cnn_port *port, const void *raw, float *value) {
  for (int64_t k = 0; k < port->size; k++) value[k] = (float)cnn_port_number(port, raw, k);
}

cnn_status cnn_viewer_read(cnn_viewer *viewer, const char *path, int64_t index, cnn_fit fit) {
  const cnn_network *network = viewer->network;
  cnn_inputs *inputs;
  cnn_status status = cnn_inputs_open(&inputs, path, network, fit);
  if (status.code != CNN_OK) return status;
  if (index >= cnn_inputs_count(inputs)) {
    status = cnn_failure(CNN_BAD_ARGUMENT, "%s: there is no sample %lld; the number of samples is %lld", path,
                         (long long)index, (long long)cnn_inputs_count(inputs));
  } else {
    status = cnn_inputs_sample(inputs, index, viewer->raw);
  }
  const cnn_port *seen = cnn_picture_input(network);
  const cnn_image *picture = status.code == CNN_OK ? cnn_inputs_picture(inputs) : NULL;
  if (seen)
    viewer->view = cnn_view_make(seen, picture ? picture->height : seen->dim[0],
                                 picture ? picture->width : seen->dim[1], fit);
  cnn_inputs_close(inputs);
  for (int32_t i = 0; status.code == CNN_OK && i < network->inputs; i++)
    cnn_port_floats(&network->input[i], viewer->raw[i], viewer->value[i]);
  return status;
}

/* ---- Running */

static void feed(cnn_viewer *viewer, int32_t i) {
  const cnn_port *port = &viewer->network->input[i];
  double low, high;
  cnn_port_range(port, &low, &high);
  for (int64_t k = 0; k < port->size; k++) {
    const double value = fmin(fmax((double)viewer->value[i][k], low), high);
    cnn_port_store(port, viewer->raw[i], k,
                   port->type == CNN_F32 ? (double)viewer->value[i][k] : floor(value + 0.5));
  }
  cnn_port_arrange(port, viewer->raw[i], viewer->input[i]);
}

void cnn_viewer_forward(cnn_viewer *viewer) {
  for (int32_t i = 0; i < viewer->network->inputs; i++) feed(viewer, i);
  viewer->network->look->forward(viewer->memory, viewer->weights, (const void *const *)viewer->input);
}

static int32_t channels_of(const cnn_port *port) { return port->dim[port->rank - 1]; }

/* Positions of a unit: from `first` up to but not including `end`. */
typedef struct Span {
  int64_t first, end;
} Span;

static Span span_of(const cnn_port *port, cnn_unit unit) {
  if (unit.position == CNN_EVERYWHERE) return (Span){0, port->size / channels_of(port)};
  return (Span){unit.position, unit.position + 1};
}

void cnn_viewer_backward(cnn_viewer *viewer, cnn_unit unit) {
  const cnn_network *network = viewer->network;
  for (int32_t o = 0; o < network->outputs; o++)
    memset(viewer->seed[o], 0, (size_t)network->output[o].size * sizeof(float));
  const cnn_port *port = &network->output[unit.output];
  const Span span = span_of(port, unit);
  for (int64_t p = span.first; p < span.end; p++)
    viewer->seed[unit.output][p * channels_of(port) + unit.channel] = 1 / (float)(span.end - span.first);
  network->look->backward(viewer->memory, viewer->weights, (const void *const *)viewer->input,
                          (const float *const *)viewer->seed);
}

static const float *at(const cnn_viewer *viewer, int64_t place) {
  return place < 0 ? viewer->input[-1 - place] : (const float *)viewer->memory + place;
}

const float *cnn_viewer_layer(const cnn_viewer *viewer, int32_t layer) {
  return at(viewer, viewer->network->look->layer[layer]);
}

bool cnn_layer_is_new(const cnn_network *network, int32_t layer) {
  for (int32_t i = 0; i < layer; i++)
    if (network->look->layer[i] == network->look->layer[layer]) return false;
  return network->look->layer[layer] >= 0;
}

void cnn_viewer_warn(const cnn_viewer *viewer) {
  const cnn_network *network = viewer->network;
  int32_t layers = 0, first = -1;
  for (int32_t i = 0; i < network->layers; i++) {
    if (!cnn_layer_is_new(network, i)) continue;
    const cnn_scale scale = cnn_scale_of(cnn_viewer_layer(viewer, i), network->layer[i].bytes / 4);
    if (scale.unsound > 0 && layers++ == 0) first = i;
  }
  if (first < 0) return;
  const cnn_layer *layer = &network->layer[first];
  const cnn_scale scale = cnn_scale_of(cnn_viewer_layer(viewer, first), layer->bytes / 4);
  fprintf(stderr, "%s: warning: %s of %s values of %s (%s, line %d) are NaN or infinite",
          viewer->program->name, cnn_number_grouped(scale.unsound).text,
          cnn_number_grouped(scale.values).text, layer->name, layer->op, (int)layer->line);
  if (layers > 1)
    fprintf(stderr, "; so are some values of %d layer%s after it", (int)layers - 1, layers > 2 ? "s" : "");
  fprintf(stderr, "\n");
}

const float *cnn_viewer_gradient(const cnn_viewer *viewer, int32_t input) {
  const int64_t place = viewer->network->look->gradient[input];
  return place < 0 ? NULL : at(viewer, place);
}

/* ---- Units */

double cnn_viewer_score(const cnn_viewer *viewer, cnn_unit unit) {
  const cnn_port *port = &viewer->network->output[unit.output];
  const float *score = at(viewer, viewer->network->look->score[unit.output]);
  const int32_t channels = channels_of(port);
  const Span span = span_of(port, unit);
  double sum = 0;
  for (int64_t p = span.first; p < span.end; p++) sum += (double)score[p * channels + unit.channel];
  return sum / (double)(span.end - span.first);
}

double cnn_viewer_probability(const cnn_viewer *viewer, cnn_unit unit) {
  const cnn_port *port = &viewer->network->output[unit.output];
  const float *score = at(viewer, viewer->network->look->score[unit.output]);
  const int32_t channels = channels_of(port);
  if (port->scores == CNN_SCORES_NONE) return NAN;
  const bool binary = port->scores == CNN_SCORES_BINARY || port->scores == CNN_SCORES_BINARY_LOGIT;
  const Span span = span_of(port, unit);
  double mean = 0;
  for (int64_t p = span.first; p < span.end; p++) {
    const float *at_p = score + p * channels;
    double sum = 0;
    for (int32_t c = 0; c < channels; c++) sum += exp((double)at_p[c] - (double)at_p[unit.channel]);
    mean += binary ? 1 / (1 + exp(-(double)at_p[unit.channel])) : 1 / sum;
  }
  return mean / (double)(span.end - span.first);
}

int32_t cnn_unit_output(const cnn_network *network) {
  const int32_t first = cnn_tally_first(network);
  return first < 0 ? 0 : first;
}

cnn_unit cnn_viewer_best(const cnn_viewer *viewer, cnn_unit unit) {
  unit.channel = 0;
  cnn_unit best = unit;
  for (; unit.channel < channels_of(&viewer->network->output[unit.output]); unit.channel++)
    if (cnn_viewer_score(viewer, unit) > cnn_viewer_score(viewer, best)) best = unit;
  return best;
}

static bool same_text(const char *a, const char *b, size_t n) { /* ignores ASCII case */
  for (size_t i = 0; i < n; i++) {
    const char x = (char)(a[i] >= 'A' && a[i] <= 'Z' ? a[i] + 32 : a[i]),
               y = (char)(b[i] >= 'A' && b[i] <= 'Z' ? b[i] + 32 : b[i]);
    if (x != y || !x) return x == y;
  }
  return b[n] == 0;
}

bool cnn_class_parse(const cnn_network *network, int32_t classes, const char *text, int32_t *class) {
  char *end;
  errno = 0;
  const long number = strtol(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end && !errno && number < classes) {
    *class = (int32_t)number;
    return true;
  }
  for (int32_t c = 0; network->label && c < network->labels && c < classes; c++) {
    *class = c;
    if (same_text(text, network->label[c], strlen(text)) && strlen(text) == strlen(network->label[c]))
      return true;
  }
  return false;
}

static bool parse_channel(const cnn_network *network, int32_t o, const char *text, int32_t *channel) {
  return cnn_class_parse(network, channels_of(&network->output[o]), text, channel);
}

cnn_status cnn_unit_parse(const cnn_network *network, const char *text, cnn_unit *unit) {
  const int32_t usual = unit->output;
  if (parse_channel(network, unit->output, text, &unit->channel)) return cnn_success();
  for (int32_t o = 0; o < network->outputs; o++) {
    const char *name = network->output[o].name;
    const size_t n = strlen(name);
    unit->output = o;
    if (strncmp(text, name, n) == 0 && text[n] == ':' &&
        parse_channel(network, o, text + n + 1, &unit->channel))
      return cnn_success();
  }
  const cnn_port *port = &network->output[usual];
  unit->output = usual;
  return cnn_failure(CNN_BAD_ARGUMENT, "the net has no output '%s'; the channels of %s are 0 to %d%s%s%s",
                     text, port->name, channels_of(port) - 1, network->label ? ", or the labels '" : "",
                     network->label && network->labels ? network->label[0] : "",
                     network->label ? "' and so on" : "");
}

const char *cnn_unit_name(const cnn_network *network, cnn_unit unit, char room[120]) {
  const cnn_port *port = &network->output[unit.output];
  char number[24];
  const bool several = network->outputs > 1, labeled = network->label && network->labels == channels_of(port);
  if (!labeled) snprintf(number, sizeof number, "%d", unit.channel);
  snprintf(room, 120, "%s%s%s", several ? port->name : "", several ? ":" : "",
           labeled ? network->label[unit.channel] : number);
  return room;
}

/* ---- Layers by name */

cnn_status cnn_layer_find(const cnn_network *network, const char *name, int32_t *layer) {
  int32_t nearest = -1, distance = 4; /* names at this distance, or farther, are not suggested */
  for (*layer = 0; *layer < network->layers; ++*layer) {
    const char *have = network->layer[*layer].name, *dot = strrchr(have, '.');
    if (strcmp(have, name) == 0) return cnn_success();
    const bool part = (dot && strcmp(dot + 1, name) == 0) ||
                      (strncmp(have, name, strlen(name)) == 0 &&
                       have[strlen(name)] == '.'); /* matches conv1 or stage1 in stage1.conv1 */
    const int32_t letters = part ? 1 : cnn_letters_between(have, name);
    if (letters < distance) {
      nearest = *layer;
      distance = letters;
    }
  }
  return cnn_failure(CNN_BAD_ARGUMENT, "the net has no layer '%s'%s%s%s; 'info' lists them all", name,
                     nearest < 0 ? "" : "; the nearest is '", nearest < 0 ? "" : network->layer[nearest].name,
                     nearest < 0 ? "" : "'");
}

/* ---- Drawing */

bool cnn_port_is_picture(const cnn_port *port) {
  return port->rank == 3 && (port->dim[2] == 1 || port->dim[2] == 3);
}

void cnn_port_range(const cnn_port *port, double *low, double *high) {
  *low = port->type == CNN_I8 ? -128 : port->type == CNN_I16 ? -32768 : port->type == CNN_I32 ? INT32_MIN : 0;
  *high = *low + (port->type == CNN_I16 ? 65535 : port->type == CNN_I32 ? UINT32_MAX : 255);
  if (port->type == CNN_F32 && !cnn_port_is_picture(port)) {
    *low = -INFINITY;
    *high = INFINITY;
  }
}

cnn_sheet cnn_sheet_of(int32_t rank, const int32_t dim[3]) {
  if (rank == 3 && (int64_t)dim[0] * dim[1] > 1)
    return (cnn_sheet){dim[2], dim[0], dim[1], (int64_t)dim[1] * dim[2], dim[2], 0};
  if (rank == 2) return (cnn_sheet){1, dim[1], dim[0], -1, dim[1], dim[1] - 1};
  const int32_t n = dim[rank - 1];
  int32_t width = n;
  for (int32_t w = n > 40 ? 8 : n; w <= n && w <= 64; w++)
    if (n % w == 0) width = w; /* more than 40 values: equal lines of 8 to 64 values, if possible */
  return (cnn_sheet){1, n / width, width, width, 1, 0};
}

void cnn_port_pixels(const cnn_port *port, const float *value, uint8_t *rgb) {
  const cnn_scale found = cnn_scale_of(value, port->size);
  double low, high;
  cnn_port_range(port, &low, &high);
  if (port->type == CNN_F32 && (found.signs || found.high > high || found.high <= 2)) {
    low = found.low;
    high = found.high;
  }
  for (int64_t i = 0; i < port->size; i++) {
    const double shade = fmin(fmax(((double)value[i] - low) / (high - low) * 255, 0), 255);
    const uint8_t byte = isnan(shade) ? 0 : (uint8_t)(shade + 0.5);
    if (port->dim[2] == 3) rgb[i] = byte;
    else memset(rgb + 3 * i, byte, 3);
  }
}

bool cnn_port_is_wave(const cnn_port *port) {
  return port->rank == 2 && port->regions == 0 && (port->dim[1] == 1 || port->rate > 0);
}

/* Each column of the panel covers the samples from its lowest to its highest one, and all values up to those
 * of the next column, so that the curve is continuous. */
void cnn_figure_wave(cnn_figure *figure, const float *value, int64_t length, int32_t channels, int32_t c,
                     const char *caption) {
  enum { HEIGHT = 120, WIDTH = 960 };
  static const uint8_t ink[3] = {31, 94, 160};
  const cnn_scale scale = cnn_scale_of(value, length * channels);
  const double high = scale.high, low = scale.signs ? scale.low : fmin(scale.low, 0);
  uint8_t *rgb = cnn_figure_panel(figure, HEIGHT, WIDTH, caption);
  if (!rgb) return;
  memset(rgb, 255, 3 * HEIGHT * WIDTH);
  const int32_t zero = (int32_t)((HEIGHT - 1) * high / (high - low) + 0.5);
  for (int32_t x = 0; x < WIDTH; x++) {
    const int64_t from = x * length / WIDTH, next = (x + 1) * length / WIDTH,
                  last = next < length ? next : length - 1;
    double least = INFINITY, most = -INFINITY;
    for (int64_t t = from; t <= last; t++) {
      const double sample = (double)value[t * channels + c];
      if (isfinite(sample)) least = fmin(least, sample), most = fmax(most, sample);
    }
    memset(rgb + 3 * (zero * WIDTH + x), 200, 3);
    if (least > most) continue;
    const int32_t top = (int32_t)((HEIGHT - 1) * (high - most) / (high - low) + 0.5),
                  bottom = (int32_t)((HEIGHT - 1) * (high - least) / (high - low) + 0.5);
    for (int32_t y = top; y <= bottom; y++) memcpy(rgb + 3 * (y * WIDTH + x), ink, 3);
  }
}

void cnn_figure_input(cnn_figure *figure, const cnn_port *port, const float *value, const char *caption) {
  if (cnn_port_is_picture(port)) {
    uint8_t *rgb = cnn_figure_panel(figure, port->dim[0], port->dim[1], caption);
    if (rgb) cnn_port_pixels(port, value, rgb);
    return;
  }
  if (cnn_port_is_wave(port)) {
    for (int32_t c = 0; c < port->dim[1]; c++)
      cnn_figure_wave(figure, value, port->dim[0], port->dim[1], c, caption);
    return;
  }
  const cnn_sheet sheet = cnn_sheet_of(port->rank, port->dim);
  const cnn_scale scale = cnn_scale_of(value, port->size);
  cnn_figure_values(figure, value + sheet.first, sheet.height, sheet.width, sheet.down, sheet.right, &scale,
                    caption);
}

/* ---- the command line */

bool cnn_out_is_array(const char *path) {
  const size_t n = strlen(path);
  return n > 4 && strcmp(path + n - 4, ".npy") == 0;
}

cnn_status cnn_out_array(const char *path, cnn_type type, const void *value, int32_t rank,
                         const int64_t *dim) {
  static const cnn_dtype dtype[] = {[CNN_F32] = CNN_DTYPE_F32,
                                    [CNN_U8] = CNN_DTYPE_U8,
                                    [CNN_I8] = CNN_DTYPE_I8,
                                    [CNN_I16] = CNN_DTYPE_I16,
                                    [CNN_I32] = CNN_DTYPE_I32};
  cnn_tensor tensor = {.name = "", .dtype = dtype[type], .rank = rank, .data = value};
  memcpy(tensor.dim, dim, sizeof *dim * (size_t)rank);
  cnn_tensor_measure(&tensor); /* the array is already in memory, so computing its size cannot overflow */
  return cnn_npy_write(path, &tensor);
}

int cnn_viewer_usage(const cnn_usage *usage, const cnn_program *program, const char *weights,
                     const char *input, const char *out, bool array) {
  static const char *const both[] = {".png", ".npy", NULL}, *const picture[] = {".png", NULL};
  const int ready = cnn_program_needs_weights(usage, program, weights);
  if (ready != CNN_GO_ON) return ready;
  if (!out) return cnn_usage_error(usage, "this command needs -o OUT.png");
  const cnn_written written[] = {{"-o", out}, {NULL, NULL}};
  int status = cnn_usage_suffix(usage, "-o", out, array ? both : picture);
  if (status == CNN_GO_ON) status = cnn_written_apart(usage, written);
  if (status == CNN_GO_ON) {
    status = cnn_written_spares(usage, written, weights, "the weights are read from it");
  }
  return status == CNN_GO_ON ? cnn_written_spares(usage, written, input, "it is an input") : status;
}
