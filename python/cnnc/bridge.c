/* bridge.c: what Python asks of a net and of the runtime, as plain functions of numbers, pointers and text.
 * It is compiled together with the C of a net, whose cnn_network is called NETWORK. */
// SPDX-License-Identifier: Apache-2.0
#include <cnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const cnn_network NETWORK;
extern void omp_set_num_threads(int) __attribute__((weak));

/* ---- facts ---- */
typedef struct bridge_facts {
  int64_t parameters, model_bytes, workspace_bytes, batch, layers, labels, look_bytes;
  int32_t trains, starts; /* it has training code; it has weights to start from */
} bridge_facts;

void bridge_tell(bridge_facts *facts) {
  *facts = (bridge_facts){.parameters = NETWORK.parameters,
                          .model_bytes = (int64_t)NETWORK.model_bytes,
                          .workspace_bytes = (int64_t)NETWORK.workspace_bytes,
                          .batch = NETWORK.batch,
                          .layers = NETWORK.layers,
                          .labels = NETWORK.labels,
                          .look_bytes = NETWORK.look ? (int64_t)NETWORK.look->bytes : 0,
                          .trains = NETWORK.gradients != NULL,
                          .starts = NETWORK.initial != NULL};
}

const char *bridge_label(int64_t i) { return NETWORK.label[i]; }
int32_t bridge_planes(int64_t input) { return NETWORK.input[input].chw; }
const char *bridge_layer(int64_t i) { return NETWORK.layer[i].name; }

/* ---- weights ---- */
void bridge_start(float *weights) {
  memcpy(weights, NETWORK.initial, (size_t)NETWORK.parameters * sizeof *weights);
}

void bridge_pack(void *model, const float *weights) { NETWORK.pack(model, weights); }

/* What is wrong, to be given to bridge_free; NULL: nothing. lines: all of those of which the message has only
 * the first, or NULL. */
static char *words(cnn_status status, const char *lines) {
  if (status.code == CNN_OK) return NULL;
  const bool all = lines && *lines;
  const int length = (int)(all ? strcspn(status.message, "\n") : strlen(status.message));
  const size_t room = sizeof status.message + (all ? strlen(lines) : 0) + 2;
  char *text = malloc(room);
  if (text) snprintf(text, room, "%.*s%s%s", length, status.message, all ? "\n" : "", all ? lines : "");
  return text;
}

void bridge_free(char *text) { free(text); }

/* `warning` has room for 400 bytes; `rename` may be NULL. */
char *bridge_load(const char *path, const char *rename, float *weights, char *warning) {
  const cnn_weights_names names = {.rename = rename};
  cnn_weights_report report = {0};
  const cnn_status status = cnn_weights_load_named(&NETWORK, path, &names, false, weights, &report);
  char *text = words(status, report.text);
  snprintf(warning, sizeof report.warning, "%s", report.warning);
  cnn_weights_report_free(&report);
  return text;
}

char *bridge_save(const char *path, const float *weights) {
  return words(cnn_weights_save(&NETWORK, path, weights, NULL), NULL);
}

/* ---- inference ---- */
static void use_threads(int32_t threads) {
  if (omp_set_num_threads) omp_set_num_threads(threads);
}

/* count: a multiple of the net's batch. The arrays of pointers are the caller's to lose: they are moved on.
 */
void bridge_infer(const void *model, const char **input, float **output, int64_t count, void *workspace,
                  int32_t threads) {
  use_threads(threads);
  for (int64_t n = 0; n < count; n += NETWORK.batch) {
    NETWORK.infer(model, (const void *const *)input, output, workspace);
    for (int32_t i = 0; i < NETWORK.inputs; i++)
      input[i] += NETWORK.batch * NETWORK.input[i].size * (int64_t)cnn_type_bytes(NETWORK.input[i].type);
    for (int32_t o = 0; o < NETWORK.outputs; o++) output[o] += NETWORK.batch * NETWORK.output[o].size;
  }
}

/* ---- looking inside ---- */
void bridge_look_pack(void *memory, const float *weights) { NETWORK.look->pack(memory, weights); }

void bridge_look(void *memory, const float *weights, const void *const *input) {
  NETWORK.look->forward(memory, weights, input);
}

/* Where the value of a layer lies, in floats from the start of the memory; -1 - i: it is input i. */
int64_t bridge_place(int64_t layer) { return NETWORK.look->layer[layer]; }

/* ---- training ---- */
typedef struct bridge_settings {
  const char *data, *init, *out; /* init: weights to start from, or NULL */
  double val, rate;              /* NaN: the program's, and a tenth */
  uint64_t seed;
  int32_t seeded, epochs, batch, threads; /* epochs and batch 0: the program's */
  volatile sig_atomic_t *stop;
} bridge_settings;

/* Numbers by name, or a note alone; `kind` as in cnn_event_kind. */
typedef void bridge_report(int32_t kind, const char *note, int32_t n, const char *const *name,
                           const double *value);

enum { NAMES = 2 * CNN_METRICS + 12 };
typedef struct Numbers {
  int32_t n;
  const char *name[NAMES];
  double value[NAMES];
  char room[NAMES][80];
} Numbers;

static void add(Numbers *numbers, const char *prefix, const char *name, double value) {
  const int32_t n = numbers->n++;
  snprintf(numbers->room[n], sizeof numbers->room[n], "%s%s", prefix, name);
  numbers->name[n] = numbers->room[n];
  numbers->value[n] = value;
}

static void add_measures(Numbers *numbers, const char *prefix, const cnn_measures *measures) {
  add(numbers, prefix, "loss", measures->loss);
  for (int32_t m = 0; m < measures->metrics; m++)
    add(numbers, prefix, measures->metric[m].name, measures->metric[m].value);
}

static void hear(void *context, const cnn_event *event) {
  bridge_report *const report = *(bridge_report *const *)context;
  Numbers numbers = {0};
  if (event->kind == CNN_EVENT_EPOCH) {
    const cnn_epoch *done = event->done;
    add(&numbers, "", "epoch", done->epoch);
    add_measures(&numbers, "", &done->train);
    if (done->val.samples) add_measures(&numbers, "val_", &done->val);
    add(&numbers, "", "rate", done->rate);
    add(&numbers, "", "images_per_second", done->images_per_second);
    add(&numbers, "", "seconds", done->seconds);
  }
  report((int32_t)event->kind, event->note, numbers.n, numbers.name, numbers.value);
}

static cnn_status open_data(cnn_data **data, const bridge_settings *settings) {
  cnn_data_options options = CNN_DATA_DEFAULTS;
  if (!isnan(settings->val)) options.val = settings->val;
  return cnn_data_open(data, settings->data, &NETWORK, &options);
}

/* NULL also where it was stopped: then the weights are those of the best epoch so far. */
char *bridge_train(const bridge_settings *settings, bridge_report *report) {
  cnn_data *data;
  cnn_status status = open_data(&data, settings);
  if (status.code != CNN_OK) return words(status, NULL);
  cnn_train_options options = cnn_train_defaults(&NETWORK);
  options.out = settings->out;
  options.init = settings->init;
  options.threads = settings->threads;
  options.stop = settings->stop;
  options.report = hear;
  options.context = &report;
  if (settings->epochs) options.recipe.epochs = settings->epochs;
  if (settings->batch) options.recipe.batch = settings->batch;
  if (settings->seeded) options.recipe.seed = settings->seed;
  if (!isnan(settings->rate)) options.recipe.rate = settings->rate;
  use_threads(settings->threads);
  status = cnn_train(&NETWORK, data, &options);
  cnn_data_close(data);
  return status.code == CNN_STOPPED ? NULL : words(status, NULL);
}

char *bridge_evaluate(const bridge_settings *settings, const float *weights, bridge_report *report) {
  cnn_data *data;
  cnn_evaluation evaluation;
  cnn_status status = open_data(&data, settings);
  if (status.code != CNN_OK) return words(status, NULL);
  status = cnn_evaluate(&NETWORK, weights, data, CNN_PART_TEST, settings->threads, false, settings->stop,
                        &evaluation);
  if (status.code == CNN_OK) {
    Numbers numbers = {0};
    add(&numbers, "", "samples", (double)evaluation.measures.samples);
    add_measures(&numbers, "", &evaluation.measures);
    report(CNN_EVENT_END, NULL, numbers.n, numbers.name, numbers.value);
    cnn_evaluation_free(&evaluation);
  }
  cnn_data_close(data);
  return words(status, NULL);
}
