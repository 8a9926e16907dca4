/* run.c: State of a run, and its checkpoint: a resumed run produces the same bits as an uninterrupted run. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/run.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cnn_weights.h"
#include "hosted/base/json.h"
#include "hosted/training/evaluate.h"
#include "hosted/training/facts.h"
#include "hosted/weights/origin.h"
#include "hosted/weights/safetensors.h"

enum { STATE_VERSION = 1, ARRAYS = 4 };

cnn_status cnn_run_open(cnn_run *run, const cnn_network *network, const cnn_recipe *recipe, int64_t samples) {
  *run = (cnn_run){.samples = samples};
  bool accumulates = recipe->accumulate > 1 || recipe->batch > network->train_batch;
  run->memory = cnn_aligned(cnn_trainer_bytes(network, recipe, accumulates));
  run->sums = calloc((size_t)network->outputs + 1, sizeof *run->sums);
  if (!run->memory || !run->sums || !cnn_tally_open(&run->tally, network, false)) {
    cnn_run_close(run);
    return cnn_failure(CNN_NO_MEMORY, "no memory to train %s", network->name);
  }
  cnn_trainer_place(&run->trainer, network, recipe, accumulates, run->memory);
  return cnn_success();
}

void cnn_run_close(cnn_run *run) {
  free(run->memory);
  free(run->sums);
  free(run->history);
  cnn_tally_close(&run->tally);
  *run = (cnn_run){0};
}

bool cnn_run_append(cnn_run *run, const cnn_epoch *epoch) {
  if (run->finished == run->room) {
    int32_t room = run->room ? 2 * run->room : 16;
    cnn_epoch *history = realloc(run->history, (size_t)room * sizeof *history);
    if (!history) return false;
    run->history = history;
    run->room = room;
  }
  run->history[run->finished++] = *epoch;
  return true;
}

const char *cnn_run_kept(const cnn_run *run, const cnn_train_options *options) {
  return run->finished == 0 || options->overfit > 0 ? "nothing was saved"
                                                    : "the weights of earlier epochs are saved";
}

/* ---- the best weights, which are in a file of their own */

/* FNV-1a over the bits of all weights. */
void cnn_run_hash(const cnn_network *network, const float *weights, char text[17]) {
  uint64_t hash = UINT64_C(0xCBF29CE484222325);
  for (int32_t w = 0; w < network->weights; w++) {
    const cnn_weight *weight = &network->weight[w];
    for (int64_t i = weight->offset; i < weight->offset + weight->size; i++) {
      uint32_t bits;
      memcpy(&bits, weights + i, sizeof bits);
      hash = (hash ^ bits) * UINT64_C(0x100000001B3);
    }
  }
  snprintf(text, 17, "%016" PRIx64, hash);
}

static cnn_status epoch_of(const char *path, int64_t *epoch) {
  cnn_archive archive;
  const cnn_status status = cnn_archive_open(&archive, path);
  const char *note = status.code == CNN_OK ? cnn_archive_note(&archive, "epoch") : NULL;
  *epoch = note ? strtoll(note, NULL, 10) : 0;
  cnn_archive_close(&archive);
  return status;
}

cnn_status cnn_run_find_best(const cnn_run *run, const char *path, cnn_best *best, const char **why) {
  const cnn_network *network = run->trainer.network;
  char hash[17] = "";
  *best = CNN_BEST_SAVED;
  if (!run->saved[0]) return cnn_success(); /* nothing was saved, or the checkpoint is of an older version */
  float *weights = calloc((size_t)network->parameters + 1, sizeof *weights);
  struct stat about;
  const bool there = stat(path, &about) == 0;
  int64_t epoch = 0;
  cnn_status status = weights ? cnn_weights_load(network, path, weights, NULL)
                              : cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (status.code == CNN_OK) cnn_run_hash(network, weights, hash);
  free(weights);
  const bool read = status.code == CNN_OK, saved = read && strcmp(hash, run->saved) == 0;
  *why = there ? read ? "contains other weights" : "cannot be read as weights of this net" : "is missing";
  if (read && !saved) status = epoch_of(path, &epoch);
  if (!saved) *best = epoch > 0 && epoch == run->finished + 1 ? CNN_BEST_AHEAD : CNN_BEST_LOST;
  return status.code == CNN_NO_MEMORY ? status : cnn_success();
}

/* ---- arrays of a trainer, and their names in the checkpoint */

typedef struct Array {
  const char *name;
  float *values;
  bool trained_only;
} Array;

static void arrays_of(const cnn_trainer *trainer, Array array[ARRAYS]) {
  static const char *const slot_name[][2] = {
      /* PyTorch's names */
      [CNN_SGD] = {"momentum_buffer", ""},     [CNN_ADAM] = {"exp_avg", "exp_avg_sq"},
      [CNN_ADAMW] = {"exp_avg", "exp_avg_sq"}, [CNN_RMSPROP] = {"square_avg", "momentum_buffer"},
      [CNN_LARS] = {"momentum_buffer", ""},    [CNN_LAMB] = {"exp_avg", "exp_avg_sq"},
  };
  cnn_optimizer_kind kind = trainer->recipe.optimizer;
  array[0] = (Array){"model", trainer->weights, false};
  array[1] = (Array){"average", trainer->average, false};
  array[2] = (Array){slot_name[kind][0], trainer->slot[0], true};
  array[3] = (Array){slot_name[kind][1], trainer->slot[1], true};
}

typedef void each_tensor(void *context, const char *name, const cnn_weight *weight, float *values);

static void for_each_tensor(const cnn_trainer *trainer, each_tensor *function, void *context) {
  Array array[ARRAYS];
  arrays_of(trainer, array);
  const cnn_network *network = trainer->network;
  for (int a = 0; a < ARRAYS; a++) {
    for (int32_t i = 0; array[a].values && i < network->weights; i++) {
      const cnn_weight *weight = &network->weight[i];
      if (array[a].trained_only && weight->role != CNN_TRAINED) continue;
      function(context, array[a].name, weight, array[a].values + weight->offset);
    }
  }
}

/* ---- numbers as JSON: Jansson writes 17 digits of a double, in any locale, so no bit is lost */

static json_t *real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static double number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static int64_t whole(const json_t *object, const char *key) {
  return (int64_t)json_integer_value(json_object_get(object, key));
}

/* Returns NULL instead of the list if an element could not be added: then no checkpoint is written. */
static json_t *listed(json_t *list, bool complete) {
  if (complete) return list;
  json_decref(list);
  return NULL;
}

static json_t *measures_json(const cnn_measures *measures) {
  json_t *metrics = json_array();
  bool complete = true;
  for (int32_t i = 0; i < measures->metrics; i++) {
    json_t *metric =
        json_pack("{s:s, s:o}", "name", measures->metric[i].name, "value", real(measures->metric[i].value));
    complete = json_array_append_new(metrics, metric) == 0 && complete;
  }
  return json_pack("{s:I, s:o, s:o}", "samples", (json_int_t)measures->samples, "loss", real(measures->loss),
                   "metrics", listed(metrics, complete));
}

static void measures_read(const json_t *object, cnn_measures *measures) {
  *measures = (cnn_measures){.samples = whole(object, "samples"), .loss = number(object, "loss")};
  size_t i;
  json_t *entry;
  json_array_foreach(json_object_get(object, "metrics"), i, entry) {
    const char *name = json_string_value(json_object_get(entry, "name"));
    if (!name || measures->metrics == CNN_METRICS) break;
    cnn_metric *metric = &measures->metric[measures->metrics++];
    snprintf(metric->name, sizeof metric->name, "%s", name);
    metric->value = number(entry, "value");
  }
}

static json_t *epoch_json(const cnn_epoch *epoch) {
  return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:b}", "epoch", (int)epoch->epoch, "train",
                   measures_json(&epoch->train), "val", measures_json(&epoch->val), "rate", real(epoch->rate),
                   "images_per_second", real(epoch->images_per_second), "seconds", real(epoch->seconds),
                   "step", (json_int_t)epoch->step, "time", real(epoch->time), "best", (int)epoch->best);
}

static void epoch_read(const json_t *object, cnn_epoch *epoch) {
  epoch->epoch = (int32_t)whole(object, "epoch");
  measures_read(json_object_get(object, "train"), &epoch->train);
  measures_read(json_object_get(object, "val"), &epoch->val);
  epoch->rate = number(object, "rate");
  epoch->images_per_second = number(object, "images_per_second");
  epoch->seconds = number(object, "seconds");
  epoch->step = whole(object, "step");
  epoch->time = number(object, "time");
  epoch->best = json_is_true(json_object_get(object, "best"));
}

/* The seed is stored as text, because Jansson's integers are signed. */
static json_t *settings_json(const cnn_train_options *options) {
  char seed[24];
  snprintf(seed, sizeof seed, "%" PRIu64, options->recipe.seed);
  return json_pack("{s:s, s:i, s:i, s:o, s:b, s:I, s:o, s:I, s:i, s:b, s:s}", "seed", seed, "batch",
                   (int)options->recipe.batch, "epochs", (int)options->recipe.epochs, "rate",
                   real(options->recipe.rate), "shuffle", (int)options->shuffle, "overfit",
                   (json_int_t)options->overfit, "val", real(options->val), "limit",
                   (json_int_t)options->limit, "fit", (int)options->fit, "epochs_given",
                   (int)options->epochs_given, "target", options->target);
}

static json_t *state_json(const cnn_run *run, const cnn_train_options *options) {
  const cnn_trainer *trainer = &run->trainer;
  const cnn_schedule *schedule = &trainer->schedule;
  json_t *counts = json_array(), *sums = json_array(), *history = json_array();
  bool complete = true;
  for (int64_t i = 0; i < run->tally.counts; i++) {
    complete = json_array_append_new(counts, json_integer(run->tally.count[i])) == 0 && complete;
  }
  for (int32_t o = 0; o < trainer->network->outputs; o++) {
    const cnn_sums *own = &run->sums[o];
    json_t *three = json_pack("[o, o, o]", real(own->loss), real(own->loss_weight), real(own->absolute));
    complete = json_array_append_new(sums, three) == 0 && complete;
  }
  for (int32_t i = 0; i < run->finished; i++) {
    complete = json_array_append_new(history, epoch_json(&run->history[i])) == 0 && complete;
  }
  history = listed(history, complete);
  return json_pack(
      "{s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:{s:o, s:o, s:i, s:i}, s:o, s:i, s:i, "
      "s:o, s:o, s:o, s:o, "
      "s:o, s:o, s:s}",
      "version", STATE_VERSION, "net", trainer->network->name, "optimizer", (int)trainer->recipe.optimizer,
      "samples", (json_int_t)run->samples, "at", (json_int_t)run->at, "batches", (json_int_t)trainer->batches,
      "steps", (json_int_t)trainer->steps, "loss", real(run->loss), "seconds", real(run->seconds), "rate",
      real(run->rate), "mean_rate", real(run->mean_rate), "rates", (json_int_t)run->rates, "schedule",
      "scale", real(schedule->scale), "best", real(schedule->best), "waiting", (int)schedule->waiting,
      "epochs", (int)schedule->epochs, "best", real(run->best), "rated", (int)run->rated, "waiting",
      (int)run->waiting, "counts", counts, "sums", sums, "history", history, "settings",
      settings_json(options), "program", cnn_facts(trainer->network, trainer->network->recipe), "chosen",
      cnn_facts(trainer->network, &trainer->recipe), "saved", run->saved);
}

/* ---- Saving */

typedef struct Collected {
  cnn_tensor *tensor;
  char (*name)[512];
  int32_t count;
} Collected;

static void collect(void *context, const char *array, const cnn_weight *weight, float *values) {
  Collected *collected = context;
  if (collected->tensor) {
    char *name = collected->name[collected->count];
    cnn_tensor *tensor = &collected->tensor[collected->count];
    snprintf(name, sizeof *collected->name, "%s.%s", array, weight->name);
    *tensor = (cnn_tensor){.name = name,
                           .dtype = CNN_DTYPE_F32,
                           .rank = weight->rank,
                           .size = weight->size,
                           .bytes = (size_t)weight->size * sizeof(float),
                           .data = (const unsigned char *)values};
    for (int32_t i = 0; i < weight->rank; i++) tensor->dim[i] = weight->dim[i];
  }
  collected->count++;
}

cnn_status cnn_run_save(const cnn_run *run, const cnn_train_options *options, const char *path) {
  Collected collected = {0};
  for_each_tensor(&run->trainer, collect, &collected);
  size_t count = (size_t)collected.count;
  collected = (Collected){.tensor = calloc(count + 1, sizeof *collected.tensor),
                          .name = calloc(count + 1, sizeof *collected.name)};
  json_t *state = state_json(run, options);
  char *text = state ? cnn_json_text(state) : NULL;
  cnn_origin origin;
  cnn_status status = cnn_origin_make(&origin, run->trainer.network);
  if (status.code == CNN_OK && collected.tensor && collected.name && text) {
    for_each_tensor(&run->trainer, collect, &collected);
    cnn_note note[ORIGIN_NOTES + 1] = {{"cnn_training", text}};
    memcpy(note + 1, origin.note, sizeof origin.note);
    status = cnn_safetensors_write(path, collected.tensor, collected.count, note, origin.notes + 1);
  } else if (status.code == CNN_OK) {
    status = cnn_failure(CNN_NO_MEMORY, "%s: no memory to write it", path);
  }
  cnn_origin_free(&origin);
  free(text);
  json_decref(state);
  free(collected.tensor);
  free(collected.name);
  return status;
}

/* ---- Loading */

typedef struct Restored {
  const cnn_archive *archive;
  const char *path;
  cnn_status status;
} Restored;

static void restore(void *context, const char *array, const cnn_weight *weight, float *values) {
  Restored *restored = context;
  char name[512];
  if (restored->status.code != CNN_OK) return;
  snprintf(name, sizeof name, "%s.%s", array, weight->name);
  const cnn_tensor *tensor = cnn_archive_find(restored->archive, name);
  bool same = tensor && tensor->dtype == CNN_DTYPE_F32 && tensor->rank == weight->rank;
  for (int32_t i = 0; same && i < weight->rank; i++) same = tensor->dim[i] == weight->dim[i];
  if (same) {
    cnn_tensor_floats(tensor, 0, weight->size, values);
  } else {
    restored->status = cnn_failure(CNN_MISMATCH, "%s: %s %s: this is not a checkpoint of this program",
                                   restored->path, name, tensor ? "has another type or shape" : "is missing");
  }
}

static cnn_status read_state(const char *path, const cnn_archive *archive, const char *net, json_t **state) {
  const char *text = cnn_archive_note(archive, "cnn_training");
  json_error_t error = {0};
  errno = 0; /* jansson reports a lack of memory like a syntax error; only errno differs */
  *state = text ? json_loads(text, 0, &error) : NULL;
  if (!text)
    return cnn_failure(CNN_BAD_FORMAT, "%s: not a checkpoint: it has no metadata \"cnn_training\"", path);
  if (!*state && errno == ENOMEM) return cnn_failure(CNN_NO_MEMORY, "%s: no memory to read it", path);
  if (!json_is_object(*state))
    return cnn_failure(CNN_BAD_FORMAT, "%s: its metadata \"cnn_training\" are damaged: %s", path, error.text);
  const char *name = json_string_value(json_object_get(*state, "net"));
  if (whole(*state, "version") != STATE_VERSION)
    return cnn_failure(CNN_MISMATCH, "%s: is a checkpoint of another version of the runtime", path);
  if (!name || strcmp(name, net) != 0)
    return cnn_failure(CNN_MISMATCH, "%s: is a checkpoint of the net %s, not of %s", path, name ? name : "?",
                       net);
  return cnn_success();
}

static cnn_status take_state(cnn_run *run, const json_t *state, const char *path) {
  cnn_trainer *trainer = &run->trainer;
  /* take_change also compares the optimizers, but not for older checkpoints, which do not record the
   * program */
  if (whole(state, "optimizer") != (int64_t)trainer->recipe.optimizer) {
    return cnn_failure(CNN_MISMATCH, "%s: the checkpoint has another optimizer", path);
  }
  if (whole(state, "samples") != run->samples) {
    return cnn_failure(CNN_MISMATCH, "%s: the run had %" PRId64 " training samples, now there are %" PRId64,
                       path, whole(state, "samples"), run->samples);
  }
  const json_t *counts = json_object_get(state, "counts"), *sums = json_object_get(state, "sums"),
               *history = json_object_get(state, "history");
  int64_t at = whole(state, "at");
  bool fits = json_array_size(counts) == (size_t)run->tally.counts &&
              json_array_size(sums) == (size_t)trainer->network->outputs;
  if (!fits || at < 0 || at > run->samples) {
    return cnn_failure(CNN_MISMATCH, "%s: the checkpoint does not match this program", path);
  }
  run->at = at;
  run->loss = number(state, "loss");
  run->seconds = number(state, "seconds");
  run->rate = number(state, "rate");
  /* older checkpoints do not have "rates"; then the mean covers only the remaining steps of the epoch */
  run->rates = whole(state, "rates");
  run->mean_rate = run->rates > 0 ? number(state, "mean_rate") : 0;
  run->best = number(state, "best");
  run->rated = (int32_t)whole(state, "rated");
  const char *saved = json_string_value(json_object_get(state, "saved"));
  snprintf(run->saved, sizeof run->saved, "%s", saved ? saved : "");
  run->waiting = (int32_t)whole(state, "waiting");
  trainer->batches = whole(state, "batches");
  trainer->steps = whole(state, "steps");
  const json_t *schedule = json_object_get(state, "schedule");
  trainer->schedule = (cnn_schedule){.scale = number(schedule, "scale"),
                                     .best = number(schedule, "best"),
                                     .waiting = (int32_t)whole(schedule, "waiting"),
                                     .epochs = (int32_t)whole(schedule, "epochs")};
  for (int64_t i = 0; i < run->tally.counts; i++)
    run->tally.count[i] = (int64_t)json_integer_value(json_array_get(counts, (size_t)i));
  for (int32_t o = 0; o < trainer->network->outputs; o++) {
    const json_t *three = json_array_get(sums, (size_t)o);
    run->sums[o].loss = json_number_value(json_array_get(three, 0));
    run->sums[o].loss_weight = json_number_value(json_array_get(three, 1));
    run->sums[o].absolute = json_number_value(json_array_get(three, 2));
  }
  size_t i;
  json_t *entry;
  json_array_foreach(history, i, entry) {
    cnn_epoch epoch;
    epoch_read(entry, &epoch);
    if (!cnn_run_append(run, &epoch)) return cnn_failure(CNN_NO_MEMORY, "%s: no memory to read it", path);
  }
  return cnn_success();
}

static cnn_status take_change(const cnn_run *run, const json_t *state, const char *path,
                              void (*tell)(void *, const char *), void *context) {
  const cnn_network *network = run->trainer.network;
  cnn_change change = {
      .path = path, .program = json_object_get(state, "program"), .chosen = json_object_get(state, "chosen")};
  if (!change.program || !change.chosen) {
    tell(context, "this checkpoint is from an older version of cnnc and does not record the program, so "
                  "changes of the program cannot be detected");
    return cnn_success();
  }
  change.program_now = cnn_facts(network, network->recipe);
  change.chosen_now = cnn_facts(network, &run->trainer.recipe);
  cnn_status status = cnn_failure(CNN_NO_MEMORY, "%s: no memory to read it", path);
  if (change.program_now && change.chosen_now) status = cnn_change_check(&change);
  if (status.code == CNN_OK) cnn_change_tell(&change, tell, context);
  json_decref(change.program_now);
  json_decref(change.chosen_now);
  return status;
}

cnn_status cnn_run_load(cnn_run *run, const char *path, void (*tell)(void *context, const char *line),
                        void *context) {
  cnn_archive archive;
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code != CNN_OK) return status;
  json_t *state = NULL;
  char doubt[400]; /* differences that are allowed, such as a renamed class; not reported here */
  status = read_state(path, &archive, run->trainer.network->name, &state);
  if (status.code == CNN_OK)
    status = cnn_origin_check(&archive, path, run->trainer.network, doubt, sizeof doubt);
  if (status.code == CNN_OK) status = take_change(run, state, path, tell, context);
  if (status.code == CNN_OK) status = take_state(run, state, path);
  if (status.code == CNN_OK) {
    Restored restored = {&archive, path, cnn_success()};
    for_each_tensor(&run->trainer, restore, &restored);
    status = restored.status;
  }
  json_decref(state);
  cnn_archive_close(&archive);
  return status;
}

cnn_status cnn_run_look(const char *path, bool *unfinished, char progress[80]) {
  cnn_archive archive;
  *unfinished = false;
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code != CNN_OK) return status.code == CNN_NO_MEMORY ? status : cnn_success();
  const char *text = cnn_archive_note(&archive, "cnn_training");
  errno = 0;
  json_t *state = text ? json_loads(text, 0, NULL) : NULL;
  if (text && !state && errno == ENOMEM) {
    status = cnn_failure(CNN_NO_MEMORY, "%s: no memory to read it", path);
  }
  const json_t *chosen = json_object_get(state, "chosen");
  const char *patience = json_string_value(json_object_get(chosen, "early_stop"));
  const int64_t done = (int64_t)json_array_size(json_object_get(state, "history"));
  const int64_t epochs = whole(json_object_get(state, "settings"), "epochs");
  const int64_t waits = patience ? strtoll(patience, NULL, 10) : 0;
  const bool over = done >= epochs || (waits > 0 && whole(state, "waiting") >= waits);
  snprintf(progress, 80, "in epoch %" PRId64 " of %" PRId64, done + 1, epochs);
  *unfinished = state && !over;
  json_decref(state);
  cnn_archive_close(&archive);
  return status.code == CNN_NO_MEMORY ? status : cnn_success();
}

/* Restores batch, epochs and rate from the checkpoint, except those that have changed in the program since
 * the checkpoint. */
static cnn_status take_recipe(const cnn_network *network, const json_t *state, const json_t *settings,
                              cnn_train_options *options) {
  const json_t *program = json_object_get(state, "program");
  if (!network->recipe) return cnn_success(); /* the net has no train block; cnn_train reports it */
  json_t *now = cnn_facts(network, network->recipe);
  if (!now) return cnn_failure(CNN_NO_MEMORY, "no memory");
  if (!program || cnn_facts_same(program, now, "batch")) {
    options->recipe.batch = (int32_t)whole(settings, "batch");
  }
  if (!program || cnn_facts_same(program, now, "epochs")) {
    options->recipe.epochs = (int32_t)whole(settings, "epochs");
  }
  if (!program || cnn_facts_same(program, now, "rate")) options->recipe.rate = number(settings, "rate");
  json_decref(now);
  return cnn_success();
}

cnn_status cnn_train_settings(const cnn_network *network, cnn_train_options *options) {
  char *path = cnn_sibling(options->out, "checkpoint");
  if (!path) return cnn_failure(CNN_NO_MEMORY, "no memory");
  cnn_archive archive;
  cnn_status status = cnn_archive_open(&archive, path);
  json_t *state = NULL;
  if (status.code == CNN_OK) {
    status = read_state(path, &archive, network->name, &state);
    if (status.code == CNN_OK) {
      const json_t *settings = json_object_get(state, "settings");
      const char *seed = json_string_value(json_object_get(settings, "seed"));
      status = take_recipe(network, state, settings, options);
      options->recipe.seed = seed ? strtoull(seed, NULL, 10) : options->recipe.seed;
      options->shuffle = json_is_true(json_object_get(settings, "shuffle"));
      options->overfit = whole(settings, "overfit");
      options->epochs_given = json_is_true(json_object_get(settings, "epochs_given"));
      options->val = number(settings, "val");
      options->limit = whole(settings, "limit");
      options->fit = (cnn_fit)whole(settings, "fit");
      const char *target = json_string_value(json_object_get(settings, "target"));
      snprintf(options->target, sizeof options->target, "%s", target ? target : "");
    }
    json_decref(state);
    cnn_archive_close(&archive);
  }
  free(path);
  return status;
}
