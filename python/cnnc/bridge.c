/* bridge.c: functions that Python calls with ctypes to use a net and the runtime; their arguments are
 * numbers, pointers and text. It is compiled together with the C of a net, whose cnn_network has the name
 * NETWORK. */
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
  int64_t parameters, model_bytes, workspace_bytes, batch, layers, labels, look_bytes, state_bytes, window,
      ready;
  int32_t trains, starts; /* whether the net has training code, and initial weights */
} bridge_facts;

void bridge_tell(bridge_facts *facts) {
  *facts = (bridge_facts){.parameters = NETWORK.parameters,
                          .model_bytes = (int64_t)NETWORK.model_bytes,
                          .workspace_bytes = (int64_t)NETWORK.workspace_bytes,
                          .batch = NETWORK.batch,
                          .layers = NETWORK.layers,
                          .labels = NETWORK.labels,
                          .look_bytes = NETWORK.look ? (int64_t)NETWORK.look->bytes : 0,
                          .state_bytes = (int64_t)NETWORK.state_bytes,
                          .window = NETWORK.window,
                          .ready = NETWORK.ready,
                          .trains = NETWORK.gradients != NULL,
                          .starts = NETWORK.initial != NULL};
}

const char *bridge_label(int64_t i) { return NETWORK.label[i]; }
int32_t bridge_planes(int64_t input) { return NETWORK.input[input].chw; }
int64_t bridge_output_size(int64_t output) { return NETWORK.output[output].size; }

static void put_rows(const cnn_port *port, int32_t to[3]) {
  to[0] = port->step;
  to[1] = port->offset;
  to[2] = port->late;
}
void bridge_input_rows(int64_t i, int32_t to[3]) { put_rows(&NETWORK.input[i], to); }
void bridge_output_rows(int64_t i, int32_t to[3]) { put_rows(&NETWORK.output[i], to); }
const char *bridge_layer(int64_t i) { return NETWORK.layer[i].name; }

/* ---- weights ---- */
void bridge_start(float *weights) {
  memcpy(weights, NETWORK.initial, (size_t)NETWORK.parameters * sizeof *weights);
}

void bridge_pack(void *model, const float *weights) { NETWORK.pack(model, weights); }

/* Returns the error message, which bridge_free frees; NULL: success. lines: the whole text if status has only
 * its first line; otherwise NULL. */
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
#ifdef _OPENMP
  static _Thread_local int32_t started;
  if (threads > started) {
    started = threads;
#pragma omp parallel /* starts the threads, which inherit the caller's mode for subnormal floats */
    __asm__ volatile("" : : : "memory");
  }
#endif
}

void bridge_reset(void *state) { NETWORK.reset(state); }

/* Advances the pointers in the caller's arrays by the samples of a call. */
static void move_on(const char **input, float **output) {
  for (int32_t i = 0; i < NETWORK.inputs; i++)
    input[i] += NETWORK.batch * NETWORK.input[i].size * (int64_t)cnn_type_bytes(NETWORK.input[i].type);
  for (int32_t o = 0; o < NETWORK.outputs; o++) output[o] += NETWORK.batch * NETWORK.output[o].size;
}

/* Makes `count` successive calls of a net with states. */
void bridge_step(const void *model, const char **input, float **output, int64_t count, void *state,
                 void *workspace, int32_t threads) {
  use_threads(threads);
  for (int64_t n = 0; n < count; n++, move_on(input, output))
    NETWORK.step(model, (const void *const *)input, output, state, workspace);
}

/* count: a multiple of the net's batch. A net with states starts each sample in its initial state; other nets
 * do not use `state`. */
void bridge_infer(const void *model, const char **input, float **output, int64_t count, void *state,
                  void *workspace, int32_t threads) {
  use_threads(threads);
  for (int64_t n = 0; n < count; n += NETWORK.batch) {
    if (NETWORK.step) {
      NETWORK.reset(state);
      NETWORK.step(model, (const void *const *)input, output, state, workspace);
    } else {
      NETWORK.infer(model, (const void *const *)input, output, workspace);
    }
    move_on(input, output);
  }
}

/* ---- values of layers ---- */
void bridge_look_pack(void *memory, const float *weights) { NETWORK.look->pack(memory, weights); }

void bridge_look(void *memory, const float *weights, const void *const *input) {
  const uint32_t mode = cnn_denormals_begin(&NETWORK);
  NETWORK.look->forward(memory, weights, input);
  cnn_denormals_end(mode);
}

/* Offset of the value of a layer in the memory, in floats; -1 - i: the value is input i. */
int64_t bridge_place(int64_t layer) { return NETWORK.look->layer[layer]; }

/* ---- training ---- */
typedef struct bridge_settings {
  const char *data, *init, *out; /* init: file of initial weights, or NULL */
  double val, rate;              /* NaN: val is 0.1, and the rate is the program's */
  uint64_t seed;
  int32_t seeded, epochs, batch, threads; /* 0 for epochs or batch: the program's number */
  volatile sig_atomic_t *stop;
} bridge_settings;

/* Receives an event: its cnn_event_kind, its note or NULL, and n numbers with their names. */
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

typedef struct Listener {
  bridge_report *report;
  uint32_t denormals; /* Python's mode for subnormal floats */
} Listener;

static void hear(void *context, const cnn_event *event) {
  const Listener *listener = context;
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
  const uint32_t mode = cnn_denormals_mode();
  cnn_denormals_end(listener->denormals);
  listener->report((int32_t)event->kind, event->note, numbers.n, numbers.name, numbers.value);
  cnn_denormals_end(mode);
}

static cnn_status open_data(cnn_data **data, const bridge_settings *settings) {
  cnn_data_options options = CNN_DATA_DEFAULTS;
  if (!isnan(settings->val)) options.val = settings->val;
  return cnn_data_open(data, settings->data, &NETWORK, &options);
}

/* Writes the weights of the best epoch to settings->out. Returns the error message, or NULL on success and
 * after `stop`. */
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
  Listener listener = {report, cnn_denormals_mode()};
  options.context = &listener;
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

/* ---- steps ---- */
/* An output, or a value that only losses read, and the target of its loss. */
typedef struct bridge_target {
  const char *name, *loss; /* loss NULL: there is neither a loss nor a target */
  int64_t size;            /* elements of the target of one sample */
  int64_t elements;        /* elements of the value of one sample */
  int32_t classes;         /* int32_t classes, else floats */
} bridge_target;

int64_t bridge_targets(void) { return NETWORK.outputs + NETWORK.values; }

/* Number of calls in a sample. */
int32_t bridge_train_calls(void) { return NETWORK.recipe->steps > 1 ? NETWORK.recipe->steps : 1; }

void bridge_target_of(int64_t i, bridge_target *target) {
  const cnn_port *port = &NETWORK.output[i];
  *target = (bridge_target){.name = port->name,
                            .loss = port->target == CNN_TARGET_NONE ? NULL : port->loss,
                            .size = port->target_size * bridge_train_calls(),
                            .elements = port->size * bridge_train_calls(),
                            .classes = port->target == CNN_TARGET_CLASS};
}

/* Whether a loss reads annotated objects, which arrays cannot represent. */
int32_t bridge_objects(void) { return NETWORK.truth_bytes != 0; }
int32_t bridge_epochs(void) { return NETWORK.recipe->epochs; }
int32_t bridge_train_batch(void) { return NETWORK.train_batch; }

/* A trainer of these weights, with the train block's optimizer; NULL: out of memory. The caller owns the
 * weights, and must not free them before the trainer. */
cnn_trainer *bridge_trainer(float *weights, uint64_t seed, int32_t seeded) {
  cnn_recipe recipe = *NETWORK.recipe;
  if (seeded) recipe.seed = seed;
  const size_t head = (sizeof(cnn_trainer) + 63) / 64 * 64,
               bytes = cnn_trainer_bytes(&NETWORK, &recipe, true);
  char *const memory = aligned_alloc(64, (head + bytes + 63) / 64 * 64);
  if (!memory) return NULL;
  cnn_trainer *const trainer = (cnn_trainer *)(void *)memory;
  cnn_trainer_place(trainer, &NETWORK, &recipe, true, memory + head);
  trainer->weights = weights;
  return trainer;
}

/* Saves the running statistics in the trainer, or restores them. The trainer has unused memory for this,
 * because the caller owns the weights. */
static void keep_statistics(const cnn_trainer *trainer, bool restore) {
  const size_t head = (sizeof *trainer + 63) / 64 * 64;
  float *const kept = (float *)(void *)((char *)(uintptr_t)trainer + head), *const now = trainer->weights;
  for (int32_t i = 0; i < NETWORK.weights; i++) {
    const cnn_weight *weight = &NETWORK.weight[i];
    const size_t at = (size_t)weight->offset, bytes = (size_t)weight->size * sizeof *kept;
    if (weight->role != CNN_STATISTIC && weight->role != CNN_PASSING) continue;
    memcpy((restore ? now : kept) + at, (restore ? kept : now) + at, bytes);
  }
}

void bridge_trainer_free(cnn_trainer *trainer) { free(trainer); }

/* Weights as the program initializes them. */
void bridge_init(float *weights, uint64_t seed, int32_t seeded) {
  NETWORK.init(weights, seeded ? seed : NETWORK.recipe->seed);
}

/* Computes the outputs in training mode, and the gradients of the mean loss over `count` samples (at most
 * train_batch); `gradients` also receives the new values of running statistics. The weights do not change. */
float bridge_gradients(cnn_trainer *trainer, const void *const *input, const void *const *target,
                       int32_t count, float *const *output, float *gradients, int32_t threads) {
  use_threads(threads);
  return NETWORK.gradients(trainer->weights, input, target, count, trainer->recipe.seed,
                           (uint64_t)trainer->batches, gradients, output, trainer->training);
}

/* Computes the gradients of some of a step's samples, and stores them in the trainer. `whole`: the call has
 * all samples of the step. Returns the mean loss of its samples. */
float bridge_part(cnn_trainer *trainer, const void *const *input, const void *const *target, int32_t count,
                  float *const *output, int32_t whole, int32_t threads) {
  float *const sum = trainer->sum;
  use_threads(threads);
  if (trainer->samples == 0) keep_statistics(trainer, false);
  if (whole) trainer->sum = NULL;
  const uint32_t mode = cnn_denormals_begin(&NETWORK);
  const float loss = cnn_trainer_batch(trainer, input, target, count, output);
  cnn_denormals_end(mode);
  trainer->sum = sum;
  return loss;
}

/* Ends a step of one or more parts. rate NaN: the train block's rate, after `t` epochs of its schedule; t
 * NaN: its initial rate. Returns the rate; -1: a gradient is not finite; then the weights and
 * running statistics are those before the step. */
double bridge_update(cnn_trainer *trainer, double rate, double t, int32_t whole) {
  float *const sum = trainer->sum;
  if (whole) trainer->sum = NULL;
  if (isnan(rate)) {
    rate = isnan(t) ? trainer->recipe.rate : cnn_schedule_rate(&trainer->schedule, &trainer->recipe, t);
  }
  const int32_t bad = cnn_trainer_overflow(trainer);
  if (bad < 0) {
    const uint32_t mode = cnn_denormals_begin(&NETWORK);
    cnn_trainer_update(trainer, rate);
    cnn_denormals_end(mode);
  } else {
    keep_statistics(trainer, true);
    trainer->samples = 0;
    if (trainer->sum) memset(trainer->sum, 0, (size_t)NETWORK.parameters * sizeof(float));
  }
  trainer->sum = sum;
  return bad < 0 ? rate : -1;
}

void bridge_quantize(cnn_trainer *trainer, double t) { (void)cnn_trainer_quantize(trainer, t); }

/* Passes the loss of an epoch to the learning rate schedule, which may depend on the loss (plateau). */
void bridge_epoch(cnn_trainer *trainer, double loss) {
  cnn_schedule_epoch(&trainer->schedule, &trainer->recipe, loss);
}

/* The trained weights: the moving average, if the train block has one. */
void bridge_result(const cnn_trainer *trainer, float *weights) {
  memcpy(weights, cnn_trainer_result(trainer), (size_t)NETWORK.parameters * sizeof *weights);
}
