/* program_observe.c: `net observe`: Ranges, means and histograms of the net's values on a data set. cnnc
 * quantize chooses scales from these statistics. There are two passes over the samples: ranges first, then
 * histograms. */
// SPDX-License-Identifier: MIT-0
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/commands/program.h"
#include "hosted/commands/viewer.h"
#include "hosted/data/dataset.h"
#include "hosted/data/unscaled.h"

enum { BINS = 2048 };

typedef struct Arguments {
  const char *data, *weights, *out;
  cnn_weights_names names;
  int64_t samples, inputs;
} Arguments;

/* Statistics of an input, or of a layer's value. */
typedef struct Seen {
  const char *name;
  int64_t size;
  int32_t channels;
  double lo, hi;
  double *bin, *sum; /* bin[BINS]: counts of the histogram; sum[channels]: sums of the values */
} Seen;

typedef struct Observer {
  cnn_viewer viewer;
  const cnn_data *data;
  int64_t samples;
  int32_t count;
  Seen *seen;    /* inputs, then layers */
  void **target; /* [outputs]: all NULL, because targets are not read */
  int64_t inputs;
  json_t *input; /* the first samples: for each sample, a list of its inputs */
} Observer;

static bool seen_begin(Seen *seen, const char *name, int64_t size, int32_t channels) {
  *seen = (Seen){name, size, channels, 0, 0, calloc(BINS, sizeof(double)), NULL};
  seen->sum = calloc((size_t)channels + 1, sizeof(double));
  return seen->bin && seen->sum;
}

static cnn_status observer_open(Observer *o) {
  const cnn_network *network = o->viewer.network;
  bool fine = true;
  o->count = network->inputs + network->layers;
  o->seen = calloc((size_t)o->count + 1, sizeof *o->seen);
  o->target = calloc((size_t)cnn_ports(network) + 1, sizeof *o->target);
  for (int32_t i = 0; o->seen && fine && i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    fine = seen_begin(&o->seen[i], port->name, port->size, port->dim[port->rank - 1]);
  }
  for (int32_t i = 0; o->seen && fine && i < network->layers; i++) {
    const cnn_layer *layer = &network->layer[i];
    fine = seen_begin(&o->seen[network->inputs + i], layer->name, layer->bytes / (int64_t)sizeof(float),
                      layer->dim[layer->rank - 1]);
  }
  return o->seen && o->target && fine ? cnn_success()
                                      : cnn_failure(CNN_NO_MEMORY, "no memory to observe %s", network->name);
}

static void observer_close(Observer *o) {
  for (int32_t i = 0; o->seen && i < o->count; i++) {
    free(o->seen[i].bin);
    free(o->seen[i].sum);
  }
  free(o->seen);
  free(o->target);
}

/* ---- passes */

static json_t *input_numbers(const cnn_port *port, const float *value) {
  json_t *list = json_array();
  for (int64_t k = 0; list && k < port->size; k++)
    if (json_array_append_new(list, json_real((double)value[k])) != 0) {
      json_decref(list);
      list = NULL;
    }
  return list;
}

static cnn_status keep_inputs(Observer *o, int64_t index) {
  json_t *sample = json_array();
  bool kept = json_array_append_new(o->input, sample) == 0;
  for (int32_t i = 0; kept && i < o->viewer.network->inputs; i++) {
    const cnn_port *port = &o->viewer.network->input[i];
    for (int64_t k = 0; k < port->size; k++)
      if (!isfinite(o->viewer.value[i][k]))
        return cnn_failure(CNN_NOT_FINITE, "training sample %lld: an input is NaN or infinite",
                           (long long)index);
    kept = json_array_append_new(sample, input_numbers(port, o->viewer.value[i])) == 0;
  }
  return kept ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "no memory for the inputs of samples");
}

/* Returns false if a number is NaN or infinite. */
static bool see_range(Seen *seen, const float *value) {
  bool finite = true;
  for (int64_t k = 0; k < seen->size; k++) {
    seen->lo = fmin(seen->lo, (double)value[k]);
    seen->hi = fmax(seen->hi, (double)value[k]);
    seen->sum[k % seen->channels] += (double)value[k];
    finite = finite && isfinite(value[k]);
  }
  return finite;
}

static bool see_bins(Seen *seen, const float *value) {
  const double width = (seen->hi - seen->lo) / (double)BINS;
  for (int64_t k = 0; width > 0 && k < seen->size; k++) {
    const int bin = (int)(((double)value[k] - seen->lo) / width);
    seen->bin[bin < BINS ? bin : BINS - 1]++;
  }
  return true;
}

static cnn_status not_finite(const Seen *seen, int64_t index) {
  return cnn_failure(CNN_NOT_FINITE,
                     "training sample %lld: %s is NaN or infinite; check the weights and the data",
                     (long long)index, seen->name);
}

static cnn_status walk(Observer *o, bool (*see)(Seen *, const float *)) {
  const cnn_network *network = o->viewer.network;
  const int64_t all = cnn_data_count(o->data, CNN_PART_TRAIN);
  for (int64_t n = 0; n < o->samples; n++) { /* the samples are spread over the whole set */
    const int64_t index = (int64_t)((double)n * (double)all / (double)o->samples);
    cnn_status status = cnn_data_sample(o->data, CNN_PART_TRAIN, index, o->viewer.raw, o->target);
    if (status.code != CNN_OK) return status;
    for (int32_t i = 0; i < network->inputs; i++)
      cnn_port_floats(&network->input[i], o->viewer.raw[i], o->viewer.value[i]);
    if (see == see_range && n < o->inputs) status = keep_inputs(o, index);
    if (status.code != CNN_OK) return status;
    cnn_viewer_forward(&o->viewer);
    for (int32_t i = 0; i < network->inputs; i++)
      if (!see(&o->seen[i], o->viewer.value[i])) return not_finite(&o->seen[i], index);
    for (int32_t i = 0; i < network->layers; i++) {
      Seen *seen = &o->seen[network->inputs + i];
      if (!see(seen, cnn_viewer_layer(&o->viewer, i))) return not_finite(seen, index);
    }
  }
  return cnn_success();
}

/* ---- the result */

static json_t *numbers(const double *x, int32_t n, double by) {
  json_t *list = json_array();
  for (int32_t i = 0; list && i < n; i++)
    if (json_array_append_new(list, json_real(x[i] * by)) != 0) {
      json_decref(list);
      list = NULL;
    }
  return list;
}

static cnn_status write_seen(const Observer *o, const char *path) {
  json_t *values = json_array(),
         *root = json_pack("{s:I, s:b, s:O, s:o}", "samples", (json_int_t)o->samples, "targets",
                           !o->data->lacks_targets, "inputs", o->input, "values", values);
  bool complete = root != NULL;
  for (int32_t i = 0; complete && i < o->count; i++) {
    const Seen *seen = &o->seen[i];
    const double pixels = (double)(seen->size / seen->channels) * (double)o->samples;
    complete = isfinite(seen->lo) && isfinite(seen->hi) &&
               json_array_append_new(values, json_pack("{s:s, s:f, s:f, s:o, s:o}", "name", seen->name, "min",
                                                       seen->lo, "max", seen->hi, "mean",
                                                       numbers(seen->sum, seen->channels, 1 / pixels),
                                                       "counts", numbers(seen->bin, BINS, 1))) == 0;
  }
  complete = complete && json_dump_file(root, path, JSON_COMPACT) == 0;
  json_decref(root);
  return complete ? cnn_success()
                  : cnn_failure(CNN_BAD_FILE,
                                "the observed ranges cannot be written to %s, or are not finite", path);
}

static int observe(const cnn_program *program, const Arguments *a) {
  cnn_data *data = NULL;
  Observer o = {0};
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.any_target = true;
  cnn_status status = cnn_viewer_open(&o.viewer, program, a->weights, &a->names);
  if (status.code == CNN_OK) status = cnn_data_open(&data, a->data, program->network, &options);
  if (status.code == CNN_OK) {
    const int64_t all = cnn_data_count(data, CNN_PART_TRAIN);
    o.data = data;
    o.samples = all < a->samples ? all : a->samples;
    o.inputs = a->inputs;
    o.input = json_array();
    if (o.samples < 1) status = cnn_failure(CNN_BAD_ARGUMENT, "%s has no samples for training", a->data);
  }
  if (status.code == CNN_OK) status = cnn_data_hint_unscaled(data, program->network, CNN_PART_TRAIN);
  if (status.code == CNN_OK) status = observer_open(&o);
  if (status.code == CNN_OK) status = walk(&o, see_range);
  if (status.code == CNN_OK) status = walk(&o, see_bins);
  if (status.code == CNN_OK) status = write_seen(&o, a->out);
  observer_close(&o);
  json_decref(o.input);
  cnn_viewer_close(&o.viewer);
  cnn_data_close(data);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_observe(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.samples = 500};
  const cnn_flag flag[] = {
      {"data", 0, CNN_VALUE_TEXT, &a.data, "PATH", "a data set", 0, 0, NULL, NULL},
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "FILE.json",
       "file for the ranges, means and histograms of all values", 0, 0, NULL, NULL},
      {"samples", 0, CNN_VALUE_WHOLE, &a.samples, "N", "number of training samples (500)", 1, 1e9, NULL,
       NULL},
      {"inputs", 0, CNN_VALUE_WHOLE, &a.inputs, "N", "also store the first N samples (0)", 0, 1e6, NULL,
       NULL},
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
  };
  const cnn_usage usage = {
      program->name,
      "observe",
      "",
      "Runs the net on a data set and writes the ranges of the values of the net, for cnnc quantize.",
      flag,
      sizeof flag / sizeof *flag};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  if (parsed != CNN_GO_ON) return parsed;
  if (!a.data || !a.out) return cnn_usage_error(&usage, "this command needs --data and -o");
  const int ready = cnn_program_needs_weights(&usage, program, a.weights);
  return ready == CNN_GO_ON ? observe(program, &a) : ready;
}
