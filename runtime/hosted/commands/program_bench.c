/* program_bench.c: `net bench`: latency of infer, of step (--stream) or of a training step, in total and per
 * layer. */
// SPDX-License-Identifier: MIT-0
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/commands/bench_check.h"
#include "hosted/data/batch.h"
#include "hosted/data/calls.h"
#include "hosted/data/drawn.h"
#include "hosted/training/evaluate.h"
#include "hosted/training/measure.h"
#include "hosted/base/number.h"
#include "hosted/training/pace.h"
#include "hosted/commands/program.h"
#include "hosted/base/threads.h"

enum { MOST_TIMES = 1 << 20, LAYER_CALLS = 1001 };

typedef struct Times {
  double *second;
  int32_t count;
  double total;
} Times; /* durations of single calls */

/* Training repeats the first UPDATES updates from the same weights, so that the loss is that of a training
 * that has just begun, for any duration of the measurement: it neither diverges nor vanishes. */
enum { UPDATES = 16 };
typedef struct Learning {
  double rate;         /* the recipe's rate, or less if the loss would diverge */
  double first, last;  /* loss before the updates, and before the last one */
  int32_t updates, at; /* updates until the weights are reset, and since the last reset */
} Learning;

typedef struct Bench {
  const cnn_network *network;
  double seconds;
  int32_t threads;
  cnn_pace pace;
  bool json, train, stream;             /* stream: compares the duration of a step with real time */
  const char *weights_path, *data_path; /* NULL: initial weights or those of the program; drawn samples */
  const char *input_path;               /* a file as predict reads it, or NULL */
  cnn_weights_names names;
  bool initial; /* the weights are those before training */
  float *weights;
  cnn_network samples; /* the net, with ports for all calls of a sample */
  cnn_port *ports;     /* ports of `samples`, or NULL */
  cnn_batch batch;
  Learning learning;
  cnn_bench_warnings warnings;
  float **output;
  void *model, *workspace, *state; /* state: NULL if the net keeps no state between calls */
  Times times;
  /* number of timed steps: those of infer; in training: those of network->gradients, plus 1 for the update */
  int32_t steps;
  double *layer_second; /* [steps][LAYER_CALLS]: duration of each step in each of the latest calls */
  double *step_seconds; /* median duration of each step */
  int64_t timed_calls;
  double mark;
} Bench;

/* Reads the weights, or initializes them. */
static cnn_status take_weights(Bench *bench, const cnn_program *program) {
  const cnn_network *network = bench->network;
  bench->initial = !cnn_program_has_weights(program, bench->weights_path);
  if (!bench->initial)
    return cnn_program_weights(program, bench->weights_path, &bench->names, &bench->weights);
  bench->weights = calloc((size_t)network->parameters + 1, sizeof *bench->weights);
  if (!bench->weights) return cnn_failure(CNN_NO_MEMORY, "no memory for the weights");
  network->init(bench->weights, 1);
  return cnn_success();
}

/* Fills the batch with the first samples of a data set. A smaller set is repeated. */
static cnn_status read_samples(Bench *bench) {
  cnn_data *data = NULL;
  cnn_reader reader = {0};
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.any_target = !bench->train;
  cnn_status status = cnn_data_open(&data, bench->data_path, bench->network, &options);
  const int64_t all = status.code == CNN_OK ? cnn_data_count(data, CNN_PART_TRAIN) : 0;
  if (status.code == CNN_OK && all < 1)
    status = cnn_failure(CNN_BAD_ARGUMENT, "%s has no samples for training", bench->data_path);
  if (status.code == CNN_OK && !cnn_reader_open(&reader, &bench->samples))
    status = cnn_failure(CNN_NO_MEMORY, "no memory for a sample");
  for (int32_t slot = 0; status.code == CNN_OK && slot < bench->batch.capacity; slot++)
    status = cnn_batch_read(&bench->batch, &reader, slot, data, CNN_PART_TRAIN, slot % all);
  if (reader.network) cnn_reader_close(&reader);
  cnn_data_close(data);
  bench->batch.count = bench->batch.capacity;
  return status;
}

/* Fills the batch with the samples of a file, as predict reads it. */
static cnn_status read_file(Bench *bench) {
  const cnn_network *network = &bench->samples;
  cnn_inputs *inputs;
  cnn_parts raw = {.input = calloc((size_t)network->inputs + 1, sizeof *raw.input)};
  cnn_status status = cnn_inputs_open(&inputs, bench->input_path, network, CNN_FIT_STRETCH);
  if (status.code != CNN_OK) inputs = NULL;
  for (int32_t i = 0; status.code == CNN_OK && i < network->inputs; i++) {
    const size_t bytes = (size_t)network->input[i].size * cnn_type_bytes(network->input[i].type);
    if (raw.input) raw.input[i] = malloc(bytes + 1);
    if (!raw.input || !raw.input[i]) status = cnn_failure(CNN_NO_MEMORY, "no memory for a sample");
  }
  for (int32_t slot = 0; status.code == CNN_OK && slot < bench->batch.capacity; slot++) {
    status = cnn_inputs_sample(inputs, slot % cnn_inputs_count(inputs), raw.input);
    for (int32_t i = 0; status.code == CNN_OK && i < network->inputs; i++) {
      const cnn_port *port = &network->input[i];
      cnn_port_arrange(port, raw.input[i],
                       (char *)bench->batch.input[i] +
                           (size_t)(slot * port->size) * cnn_type_bytes(port->type));
    }
  }
  for (int32_t i = 0; raw.input && i < network->inputs; i++) free(raw.input[i]);
  free(raw.input);
  if (inputs) cnn_inputs_close(inputs);
  bench->batch.count = bench->batch.capacity;
  return status;
}

static cnn_status prepare(Bench *bench, const cnn_program *program) {
  const cnn_network *network = bench->network;
  int32_t samples = bench->train ? network->recipe->batch : network->batch;
  if (bench->train && samples > network->train_batch) samples = network->train_batch;
  const cnn_status status = take_weights(bench, program);
  if (status.code != CNN_OK) return status;
  const bool ports = cnn_calls_open(&bench->samples, &bench->ports, network);
  bench->output = cnn_outputs_alloc(&bench->samples, samples);
  bench->model = cnn_aligned(network->model_bytes);
  bench->workspace = cnn_aligned(network->workspace_bytes);
  bench->state = network->step ? cnn_aligned(network->state_bytes) : NULL;
  bench->times.second = malloc(MOST_TIMES * sizeof *bench->times.second);
  bench->steps = !bench->train ? network->steps : network->gradients_timed ? network->training_steps + 1 : 0;
  bench->step_seconds = calloc((size_t)bench->steps + 1, sizeof *bench->step_seconds);
  bench->layer_second = calloc((size_t)bench->steps * LAYER_CALLS + 1, sizeof *bench->layer_second);
  if (!ports || !cnn_batch_open(&bench->batch, &bench->samples, samples, bench->train) ||
      !bench->layer_second || !bench->output || !bench->model || !bench->workspace || !bench->times.second ||
      !bench->step_seconds || (network->step && !bench->state))
    return cnn_failure(CNN_NO_MEMORY, "no memory to run %s", network->name);
  if (network->step) network->reset(bench->state);
  bench->pace = cnn_pace_of(bench->threads);
  if (bench->data_path) return read_samples(bench);
  if (bench->input_path) return read_file(bench);
  cnn_drawn_batch(&bench->batch);
  return cnn_success();
}

static void infer(Bench *bench) {
  double begun = cnn_pace_begin(&bench->pace, bench->network);
  cnn_call(bench->network, bench->model, &bench->batch, bench->output, bench->state, bench->workspace);
  cnn_pace_end(&bench->pace, begun);
}

/* ---- training steps ---- */
static void restart(Bench *bench, cnn_trainer *trainer) {
  const size_t bytes = (size_t)bench->network->parameters * sizeof(float);
  memcpy(trainer->weights, bench->weights, bytes);
  for (int k = 0; k < 2; k++)
    if (trainer->slot[k]) memset(trainer->slot[k], 0, bytes);
  trainer->steps = 0;
  bench->learning.at = 0;
}

/* Resets the weights if it is time. Not part of the measured time. */
static void before_step(Bench *bench, cnn_trainer *trainer) {
  if (bench->learning.at == bench->learning.updates) restart(bench, trainer);
}

static float step(Bench *bench, cnn_trainer *trainer) {
  double begun = cnn_pace_begin(&bench->pace, bench->network);
  const float loss =
      cnn_trainer_batch(trainer, (const void *const *)bench->batch.input,
                        (const void *const *)bench->batch.target, bench->batch.count, bench->output);
  cnn_trainer_update(trainer, bench->learning.rate);
  bench->learning.at++;
  cnn_pace_end(&bench->pace, begun);
  return loss;
}

/* Finds the rate with which the loss does not diverge, and the number of updates: UPDATES, or less if they
 * take longer than `seconds` (and than half a second), or if the loss vanishes. */
static void learn(Bench *bench, cnn_trainer *trainer, double seconds) {
  enum { RATES = 6 };
  const double vanished = 0.05, least = 0.5;
  Learning *learning = &bench->learning;
  *learning = (Learning){.rate = bench->network->recipe->rate, .updates = UPDATES};
  for (int k = 0; k < RATES; k++) {
    const double end = cnn_clock() + fmax(seconds, least);
    restart(bench, trainer);
    do {
      learning->last = (double)step(bench, trainer);
      if (learning->at == 1) learning->first = learning->last;
    } while (isfinite(learning->last) && learning->last > vanished * learning->first &&
             learning->at < UPDATES && (learning->at < 2 || cnn_clock() < end));
    if (isfinite(learning->last) && learning->last <= 2 * fabs(learning->first)) break;
    learning->rate = k + 2 < RATES ? 0.1 * learning->rate : 0;
  }
  learning->updates = learning->at;
}

static cnn_trainer trainer_of(Bench *bench, void *memory) {
  cnn_trainer trainer;
  cnn_trainer_place(&trainer, bench->network, bench->network->recipe, false, memory);
  return trainer;
}

static void warm_up(Bench *bench, cnn_trainer *trainer) {
  const double seconds = 0.1 * bench->seconds, end = cnn_clock() + seconds;
  if (trainer) learn(bench, trainer, seconds);
  else do
      infer(bench);
    while (cnn_clock() < end);
}

/* Calls the net for bench->seconds: at least three times, and at most MOST_TIMES times. Before these calls,
 * warms up for a tenth of bench->seconds without measuring. trainer: NULL without --train. */
static void measure(Bench *bench, cnn_trainer *trainer) {
  Times *times = &bench->times;
  warm_up(bench, trainer);
  double end = cnn_clock() + bench->seconds, now = 0;
  while ((now < end || times->count < 3) && times->count < MOST_TIMES) {
    if (trainer) before_step(bench, trainer);
    double before = cnn_clock();
    if (trainer) step(bench, trainer);
    else infer(bench);
    now = cnn_clock();
    times->second[times->count++] = now - before;
    times->total += now - before;
  }
}

/* Called whenever a step of the net ends. In one call of the net, a step can end several times, for example
 * once per image of the batch. */
static void mark(void *context, int32_t number) {
  Bench *bench = context;
  double now = cnn_clock();
  bench->layer_second[number * LAYER_CALLS + bench->timed_calls % LAYER_CALLS] += now - bench->mark;
  bench->mark = now;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void timed_infer(Bench *bench) {
  double begun = cnn_pace_begin(&bench->pace, bench->network);
  bench->mark = cnn_clock();
  bench->network->infer_timed(bench->model, (const void *const *)bench->batch.input, bench->output,
                              bench->workspace, mark, bench);
  cnn_pace_end(&bench->pace, begun);
}

/* Runs on one thread. With several threads, one of them could already compute the next layer. The update
 * counts as the last step. */
static void timed_step(Bench *bench, cnn_trainer *trainer) {
  cnn_pace one = cnn_pace_of(1);
  before_step(bench, trainer);
  double begun = cnn_pace_begin(&one, bench->network);
  bench->mark = cnn_clock();
  bench->network->gradients_timed(trainer->weights, (const void *const *)bench->batch.input,
                                  (const void *const *)bench->batch.target, bench->batch.count, 1,
                                  (uint64_t)bench->timed_calls, trainer->gradients, bench->output,
                                  trainer->training, mark, bench);
  trainer->samples = bench->batch.count;
  bench->mark = cnn_clock();
  cnn_trainer_update(trainer, bench->learning.rate);
  mark(bench, bench->steps - 1);
  bench->learning.at++;
  cnn_pace_end(&one, begun);
}

/* Measures the time of each layer in separate calls, for half of bench->seconds. Reading the clock between
 * layers in the calls of `measure` would increase the measured latency. trainer: NULL for infer. */
static void measure_layers(Bench *bench, cnn_trainer *trainer) {
  if (bench->steps == 0 || (!trainer && !bench->network->infer_timed)) return;
  double end = cnn_clock() + 0.5 * bench->seconds;
  do {
    for (int32_t i = 0; i < bench->steps; i++)
      bench->layer_second[i * LAYER_CALLS + bench->timed_calls % LAYER_CALLS] = 0;
    trainer ? timed_step(bench, trainer) : timed_infer(bench);
    bench->timed_calls++;
  } while (bench->mark < end || bench->timed_calls < 3);
  int32_t kept = bench->timed_calls < LAYER_CALLS ? (int32_t)bench->timed_calls : LAYER_CALLS;
  for (int32_t i = 0; i < bench->steps;
       i++) { /* the median is robust against other programs that occupy the processor for a moment */
    double *second = bench->layer_second + (int64_t)i * LAYER_CALLS;
    qsort(second, (size_t)kept, sizeof *second, by_size);
    bench->step_seconds[i] = second[kept / 2];
  }
}

/* The smallest time t such that at least the fraction `part` of the calls takes at most t. */
static double quantile(const Times *times, double part) {
  int32_t at = (int32_t)ceil(part * times->count) - 1;
  return times->second[at < 0 ? 0 : at];
}

static double images_per_second(const Bench *bench) {
  return (double)bench->times.count * bench->batch.count / bench->times.total;
}

static double gflops(int64_t macs, int32_t images, double seconds) {
  return seconds > 0 ? 2e-9 * (double)macs * images / seconds : 0;
}

/* ---- the layers of a training step ---- */
typedef struct Row {
  const char *name;
  double seconds[CNN_UPKEEP + 1];
  int64_t macs;
  bool layer;
} Row;

static double row_seconds(const Row *row) {
  double sum = 0;
  for (int i = 0; i <= CNN_UPKEEP; i++) sum += row->seconds[i];
  return sum;
}

/* One row per layer in program order, then the rows of all other work in the step. A layer that is computed
 * by another layer's kernel has a row without a time. NULL: out of memory. */
static Row *rows_of_training(const Bench *bench, int32_t *count) {
  const cnn_network *network = bench->network;
  Row *row = calloc((size_t)(network->layers + bench->steps) + 1, sizeof *row);
  *count = 0;
  for (int32_t i = 0; row && i < network->layers; i++)
    row[(*count)++] = (Row){.name = network->layer[i].name, .layer = true};
  for (int32_t i = 0; row && i < bench->steps; i++) {
    const bool update = i == network->training_steps;
    const cnn_training_step *step = &network->training_step[i];
    const char *name = update ? "update" : step->name;
    const cnn_training_part part = update ? CNN_UPKEEP : step->part;
    int32_t at = 0;
    while (at < *count && (strcmp(row[at].name, name) != 0 || row[at].layer != (part != CNN_UPKEEP))) at++;
    if (at == *count) row[(*count)++] = (Row){.name = name, .layer = part != CNN_UPKEEP};
    row[at].seconds[part] += bench->step_seconds[i];
    if (!update) row[at].macs += step->macs;
  }
  return row;
}

static void put_json_of_training(const Bench *bench, json_t *root) {
  int32_t count;
  Row *row = rows_of_training(bench, &count);
  json_t *layers = json_array(), *rest = json_array();
  for (int32_t i = 0; row && i < count; i++) {
    const double all = row_seconds(&row[i]);
    if (!(all > 0)) continue;
    if (!row[i].layer) {
      json_array_append_new(rest, json_pack("{s:s, s:f}", "name", row[i].name, "ms", 1e3 * all));
      continue;
    }
    json_array_append_new(layers,
                          json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "name", row[i].name, "forward_ms",
                                    1e3 * row[i].seconds[CNN_FORWARD], "input_gradient_ms",
                                    1e3 * row[i].seconds[CNN_INPUT_GRADIENT], "weight_gradient_ms",
                                    1e3 * row[i].seconds[CNN_WEIGHT_GRADIENT], "ms", 1e3 * all, "gflops",
                                    gflops(row[i].macs, bench->batch.count, all)));
  }
  json_object_set_new(root, "layers", layers);
  json_object_set_new(root, "rest", rest);
  free(row);
}

static void put_text_of_training(const Bench *bench) {
  int32_t count;
  Row *row = rows_of_training(bench, &count);
  double all = 0;
  int width = 20;
  for (int32_t i = 0; row && i < count; i++) {
    all += row_seconds(&row[i]);
    if ((int)strlen(row[i].name) > width) width = (int)strlen(row[i].name);
  }
  printf("\na step on one thread, ms\n%-*s %15s %15s %15s %10s %6s %9s\n", width, "layer", "forward",
         "input gradient", "weight gradient", "together", "%", "GFLOP/s");
  for (int32_t i = 0; row && i < count; i++) {
    const double seconds = row_seconds(&row[i]);
    if (!(seconds > 0)) continue;
    printf("%-*s", width, row[i].name);
    for (int part = 0; part < CNN_UPKEEP; part++)
      printf(" %15s", row[i].seconds[part] > 0 ? cnn_number_fixed(1e3 * row[i].seconds[part], 4).text : "");
    printf(" %10s %6s %9s\n", cnn_number_fixed(1e3 * seconds, 4).text,
           cnn_number_fixed(all > 0 ? 100 * seconds / all : 0, 1).text,
           row[i].macs ? cnn_number_fixed(gflops(row[i].macs, bench->batch.count, seconds), 1).text : "");
  }
  free(row);
}

/* ---- output ---- */
static void put_json_of_inference(const Bench *bench, json_t *root) {
  const cnn_network *network = bench->network;
  json_t *layers = json_array();
  for (int32_t i = 0; bench->timed_calls > 0 && i < network->steps; i++) {
    double seconds = bench->step_seconds[i];
    json_array_append_new(layers,
                          json_pack("{s:s, s:f, s:f}", "name", network->timed[i].name, "ms", 1e3 * seconds,
                                    "gflops", gflops(network->timed[i].macs, bench->batch.count, seconds)));
  }
  json_object_set_new(root, "layers", layers);
}

/* The median time of a step, divided by the duration of the input that the step processes. 0 without
 * --stream, or if the input has no sample rate. */
static double real_time_factor(const Bench *bench) {
  const cnn_port *input = &bench->network->input[0];
  return bench->stream ? quantile(&bench->times, 0.5) * (double)input->rate / (double)input->dim[0] : 0;
}

/* The origin of the numbers that were computed with. */
static cnn_text input_text(const Bench *bench, int32_t input) {
  const cnn_text data = {"data"}, file = {"file"};
  return bench->data_path ? data : bench->input_path ? file : cnn_drawn_text(&bench->network->input[input]);
}

static const char *weights_text(const Bench *bench) {
  return bench->initial                                               ? "initial (init=)"
         : bench->weights_path                                        ? bench->weights_path
         : bench->network->initial || bench->network->parameters == 0 ? "compiled in"
                                                                      : "next to the program";
}

static void put_json_of_samples(const Bench *bench, json_t *root) {
  json_t *inputs = json_object(), *warnings = json_array();
  for (int32_t i = 0; i < bench->network->inputs; i++)
    json_object_set_new(inputs, bench->network->input[i].name, json_string(input_text(bench, i).text));
  for (int32_t i = 0; i < bench->warnings.count; i++)
    json_array_append_new(warnings, json_string(bench->warnings.line[i]));
  if (bench->train)
    json_object_set_new(root, "loss",
                        json_pack("{s:f, s:f, s:i, s:f}", "first", bench->learning.first, "last",
                                  bench->learning.last, "updates", (int)bench->learning.updates, "rate",
                                  bench->learning.rate));
  json_object_set_new(root, "inputs", inputs);
  json_object_set_new(root, "weights", json_string(weights_text(bench)));
  json_object_set_new(root, "warnings", warnings);
}

static void put_text_of_samples(const Bench *bench) {
  const Learning *learning = &bench->learning;
  for (int32_t i = 0; i < bench->network->inputs; i++)
    printf("%s%s: %s", i ? "; " : "inputs    ", bench->network->input[i].name, input_text(bench, i).text);
  printf("\nweights   %s\n", weights_text(bench));
  if (bench->train)
    printf("loss      %s, after %d update%s with rate %s: %s\n", cnn_number(learning->first, 4).text,
           (int)learning->updates - 1, learning->updates == 2 ? "" : "s", cnn_number(learning->rate, 3).text,
           cnn_number(learning->last, 4).text);
  for (int32_t i = 0; i < bench->warnings.count; i++) printf("warning: %s\n", bench->warnings.line[i]);
}

static void print_json(const Bench *bench) {
  const Times *times = &bench->times;
  const char *what = bench->train || bench->stream ? "step_ms" : "latency_ms";
  const double factor = real_time_factor(bench);
  json_t *root = json_pack("{s:{s:f, s:f, s:f}, s:f}", what, "min", 1e3 * quantile(times, 0), "median",
                           1e3 * quantile(times, 0.5), "p99", 1e3 * quantile(times, 0.99),
                           "images_per_second", images_per_second(bench));
  if (bench->train) {
    json_object_set_new(root, "batch", json_integer(bench->batch.count));
  } else {
    json_object_set_new(root, "gflops",
                        json_real(gflops(bench->network->macs, bench->batch.count, quantile(times, 0.5))));
  }
  if (factor > 0) json_object_set_new(root, "real_time_factor", json_real(factor));
  json_object_set_new(root, "threads", json_integer(bench->threads));
  put_json_of_samples(bench, root);
  (bench->train ? put_json_of_training : put_json_of_inference)(bench, root);
  json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
  printf("\n");
  json_decref(root);
}

static void put_text_of_inference(const Bench *bench) {
  const cnn_network *network = bench->network;
  double all = 0;
  int width = 28;
  for (int32_t i = 0; i < network->steps; i++) {
    all += bench->step_seconds[i];
    if ((int)strlen(network->timed[i].name) > width) width = (int)strlen(network->timed[i].name);
  }
  printf("\n%-*s %12s %8s %10s\n", width, "layer", "ms", "%", "GFLOP/s");
  for (int32_t i = 0; i < network->steps; i++) {
    double seconds = bench->step_seconds[i];
    printf("%-*s %12s %8s %10s\n", width, network->timed[i].name, cnn_number_fixed(1e3 * seconds, 4).text,
           cnn_number_fixed(all > 0 ? 100 * bench->step_seconds[i] / all : 0, 1).text,
           cnn_number_fixed(gflops(network->timed[i].macs, bench->batch.count, seconds), 1).text);
  }
}

static void print_text(const Bench *bench) {
  const cnn_network *network = bench->network;
  const Times *times = &bench->times;
  double median = quantile(times, 0.5);
  printf("%s: %s of %d image%s, %s calls, %d thread%s, %s\n", network->name,
         bench->train    ? "training steps"
         : bench->stream ? "steps"
                         : "inference",
         (int)bench->batch.count, bench->batch.count == 1 ? "" : "s", cnn_number_grouped(times->count).text,
         (int)bench->threads, bench->threads == 1 ? "" : "s",
         network->target_name ? network->target_name() : network->target);
  printf("%s   min %s ms   median %s ms   p99 %s ms\n", bench->train || bench->stream ? "step" : "latency",
         cnn_number(1e3 * quantile(times, 0), 4).text, cnn_number(1e3 * median, 4).text,
         cnn_number(1e3 * quantile(times, 0.99), 4).text);
  if (real_time_factor(bench) > 0)
    printf("median    %s of real time (step time / duration of its rows)\n",
           cnn_number(real_time_factor(bench), 4).text);
  printf("images/s  %s\n", cnn_number_grouped((int64_t)images_per_second(bench)).text);
  if (!bench->train)
    printf("GFLOP/s   %s\n", cnn_number(gflops(network->macs, bench->batch.count, median), 4).text);
  put_text_of_samples(bench);
  if (bench->timed_calls > 0) (bench->train ? put_text_of_training : put_text_of_inference)(bench);
}

static void check(Bench *bench, const cnn_trainer *trainer) {
  cnn_bench_check_outputs(&bench->warnings, &bench->samples, bench->output, bench->batch.count);
  cnn_bench_check_layers(&bench->warnings, bench->network, bench->weights, &bench->batch);
  if (trainer) cnn_bench_check_gradients(&bench->warnings, bench->network, trainer->gradients);
}

static int run(const cnn_program *program, Bench *bench) {
  const cnn_network *network = bench->network;
  void *memory = NULL;
  cnn_status status = prepare(bench, program);
  if (status.code == CNN_OK && bench->train) {
    memory = cnn_aligned(cnn_trainer_bytes(network, network->recipe, false));
    if (!memory) status = cnn_failure(CNN_NO_MEMORY, "no memory to train %s", network->name);
  }
  if (status.code == CNN_OK) {
    if (bench->train) {
      cnn_trainer trainer = trainer_of(bench, memory);
      measure(bench, &trainer);
      measure_layers(bench, &trainer);
      check(bench, &trainer);
    } else {
      if (network->pack) network->pack(bench->model, bench->weights);
      measure(bench, NULL);
      measure_layers(bench, NULL);
      check(bench, NULL);
    }
    qsort(bench->times.second, (size_t)bench->times.count, sizeof *bench->times.second, by_size);
    (bench->json ? print_json : print_text)(bench);
    status = cnn_program_finish();
  }
  if (bench->batch.network) cnn_batch_close(&bench->batch);
  cnn_outputs_free(network, bench->output);
  free(bench->ports);
  free(bench->weights);
  free(bench->model);
  free(bench->workspace);
  free(bench->state);
  free(bench->times.second);
  free(bench->layer_second);
  free(bench->step_seconds);
  free(memory);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_bench(const cnn_program *program, int argc, char **argv) {
  Bench bench = {.network = program->network, .seconds = 2};
  int64_t threads = 0;
  const cnn_flag flag[] = {
      {"seconds", 0, CNN_VALUE_NUMBER, &bench.seconds, "N", "duration of the measurement, in seconds (2)", 0,
       86400, NULL, NULL},
      {"threads", 0, CNN_VALUE_WHOLE, &threads, "N",
       "processors to use, fewer if other programs keep them busy (default: all)", 1, 4096, NULL, NULL},
      CNN_FLAG_DENORMALS(program),
      {"train", 0, CNN_VALUE_FLAG, &bench.train, "", "measure training steps instead", 0, 0, NULL, NULL},
      {"data", 0, CNN_VALUE_TEXT, &bench.data_path, "PATH",
       "use the first training samples of a data set as inputs, and as targets with --train", 0, 0, NULL,
       NULL},
      CNN_FLAG_WEIGHTS(bench.weights_path),
      CNN_FLAG_WEIGHTS_NAMES(bench.names),
      {"stream", 0, CNN_VALUE_FLAG, &bench.stream, "",
       "measure steps of a net that has states, or was compiled with --stream or --slide", 0, 0, NULL, NULL},
      {"json", 0, CNN_VALUE_FLAG, &bench.json, "", "print the result as JSON", 0, 0, NULL, NULL},
  };
  cnn_usage usage = {
      program->name,
      "bench",
      "[INPUT]",
      "Latency of the net on this machine. INPUT: a file as for predict (default: random numbers "
      "like those that the inputs usually have).",
      flag,
      sizeof flag / sizeof *flag};
  int operand;
  const int parsed = cnn_usage_parse(&usage, argc, argv, &operand);
  if (parsed != CNN_GO_ON) return parsed;
  cnn_program_begin(program);
  if (argc - operand > 1) return cnn_usage_error(&usage, "this command takes only one input");
  bench.input_path = operand < argc ? argv[operand] : NULL;
  if (bench.input_path && (bench.train || bench.data_path))
    return cnn_usage_error(&usage, "INPUT excludes --train and --data");
  if (bench.train && (!program->network->gradients || !program->network->recipe)) {
    cnn_status status = cnn_failure(
        CNN_BAD_ARGUMENT,
        "%s was compiled without training code: it has int8 weights or no train block, or --no-train, "
        "--stream or --slide was given",
        program->network->name);
    return cnn_program_fail(program, &status);
  }
  if (bench.data_path && program->network->input[0].step > 0)
    return cnn_usage_error(&usage, "--data excludes nets that were compiled with --stream or --slide");
  if (bench.stream && (bench.train || !program->network->step)) {
    if (bench.train) return cnn_usage_error(&usage, "--stream excludes --train");
    const cnn_status status =
        cnn_failure(CNN_BAD_ARGUMENT, "%s has no states, and was compiled without --stream or --slide",
                    program->network->name);
    return cnn_program_fail(program, &status);
  }
  bench.threads = cnn_threads_of_net(program->network, (int32_t)threads);
  return run(program, &bench);
}
