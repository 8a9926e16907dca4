/* runtime_train.c: the training loop and evaluation on the net of runtime_net.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <CUnit/CUnit.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hosted/data/batch.h"
#include "hosted/training/facts.h"
#include "hosted/training/loss.h"
#include "hosted/training/measure.h"
#include "hosted/base/number.h"
#include "runtime_net.h"
#include "runtime_place.h"

/* ---- Training runs */

typedef struct Watch {
  int64_t steps, stop_at, exit_at, overflow_at;
  int notes;
  volatile sig_atomic_t stop;
  double last_rate;
  char text[4096];
} Watch;

static void watch(void *context, const cnn_event *event) {
  Watch *w = context;
  if (event->kind == CNN_EVENT_NOTE) {
    w->notes++;
    size_t used = strlen(w->text);
    snprintf(w->text + used, sizeof w->text - used, "%s\n", event->note);
  }
  if (event->kind == CNN_EVENT_STEP) w->last_rate = event->rate;
}

/* The run whose steps are counted. They are counted in the net's function count_gradients, because events are
 * reported at most ten times per second. */
static Watch *counting;
static float (*counted)(const float *, const void *const *, const void *const *, int32_t, uint64_t, uint64_t,
                        float *, float *const *, void *);
static float count_gradients(const float *weights, const void *const *input, const void *const *target,
                             int32_t count, uint64_t seed, uint64_t step, float *gradients,
                             float *const *output, void *training) {
  if (++counting->steps == counting->stop_at) counting->stop = 1;
  if (counting->steps == counting->exit_at) _exit(9); /* exits as if the process were killed */
  float loss = counted(weights, input, target, count, seed, step, gradients, output, training);
  if (counting->steps == counting->overflow_at) gradients[3] = -INFINITY;
  return loss;
}

typedef struct Trial {
  cnn_recipe recipe;
  const cnn_recipe *program; /* recipe of the compiled program; NULL: `recipe` */
  cnn_train_options options;
  const char *out, *log;
  double val;
  int64_t limit;
  Watch watch;
} Trial;

static Trial trial_make(const char *out) {
  Trial trial = {.recipe = net_recipe, .out = out, .val = 0.1};
  cnn_network network = net_make(&net_recipe);
  trial.options = cnn_train_defaults(&network);
  return trial;
}

static cnn_status trial_run(Trial *trial) {
  cnn_network network = net_make(trial->program ? trial->program : &trial->recipe);
  cnn_data_options data_options = {.val = trial->val, .limit = trial->limit};
  cnn_data *data = NULL;
  cnn_status status = cnn_data_open(&data, "synthetic", &network, &data_options);
  CU_ASSERT_EQUAL_FATAL(status.code, CNN_OK);
  counting = &trial->watch;
  counted = network.gradients;
  network.gradients = count_gradients;
  trial->options.recipe = trial->recipe;
  trial->options.out = in_directory(trial->out);
  if (trial->log) trial->options.log = in_directory(trial->log);
  trial->options.report = watch;
  trial->options.context = &trial->watch;
  trial->options.stop = &trial->watch.stop;
  status = cnn_train(&network, data, &trial->options);
  cnn_data_close(data);
  return status;
}

static void load(const char *name, float weights[NET_PARAMETERS]) {
  cnn_network network = net_make(&net_recipe);
  cnn_status status = cnn_weights_load(&network, in_directory(name), weights, NULL);
  if (status.code != CNN_OK) printf("# %s\n", status.message);
  CU_ASSERT_EQUAL(status.code, CNN_OK);
}

static bool same_weights(const char *a, const char *b) {
  float x[NET_PARAMETERS] = {0}, y[NET_PARAMETERS] = {1};
  load(a, x);
  load(b, y);
  return memcmp(x, y, sizeof x) == 0;
}

/* Whether the rows of two logs agree in everything except speed and time. */
static bool same_log(const char *a, const char *b) {
  char *x = contents(a), *y = contents(b);
  bool same = true;
  for (char *p = x, *q = y; *p || *q;) {
    char *end_p = strchr(p, '\n'), *end_q = strchr(q, '\n');
    if (!end_p || !end_q) {
      same = false;
      break;
    }
    *end_p = *end_q = 0;
    json_t *row[2] = {json_loads(p, 0, NULL), json_loads(q, 0, NULL)};
    for (int i = 0; i < 2; i++) {
      same = same && json_is_object(row[i]);
      json_object_del(row[i], "images_per_second");
      json_object_del(row[i], "seconds");
    }
    same = same && json_equal(row[0], row[1]);
    json_decref(row[0]);
    json_decref(row[1]);
    p = end_p + 1;
    q = end_q + 1;
  }
  free(x);
  free(y);
  return same;
}

static void training_learns(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors");
  trial.log = "a.jsonl";
  trial.options.plot = in_directory("a.svg");
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_OK);
  CU_ASSERT(place_has("a.safetensors") && place_has("a.last.safetensors") &&
            place_has("a.checkpoint.safetensors") && place_has("a.svg"));
  CU_ASSERT_PTR_NOT_NULL(strstr(trial.watch.text, "labels: 4 classes"));
  CU_ASSERT_PTR_NOT_NULL(strstr(trial.watch.text, "memory: weights 600 bytes"));

  cnn_network network = net_make(&net_recipe);
  cnn_data *data = NULL;
  cnn_data_options options = CNN_DATA_DEFAULTS;
  CU_ASSERT_EQUAL_FATAL(cnn_data_open(&data, "synthetic", &network, &options).code, CNN_OK);
  float weights[NET_PARAMETERS];
  load("a.safetensors", weights);
  CU_ASSERT_EQUAL(weights[NET_PARAMETERS - 1], 1); /* frozen */
  CU_ASSERT(weights[NET_PARAMETERS - 2] > 0.2f);   /* the running mean has changed */
  cnn_evaluation one, three;
  CU_ASSERT_EQUAL(cnn_evaluate(&network, weights, data, CNN_PART_TEST, 1, true, NULL, &one).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_evaluate(&network, weights, data, CNN_PART_TEST, 3, true, NULL, &three).code, CNN_OK);
  CU_ASSERT_STRING_EQUAL(one.measures.metric[0].name, "accuracy");
  CU_ASSERT_STRING_EQUAL(one.measures.metric[1].name, "top2");
  CU_ASSERT(one.measures.metric[0].value > 0.9);
  CU_ASSERT(one.measures.metric[1].value >= one.measures.metric[0].value);
  CU_ASSERT_EQUAL(one.measures.loss, three.measures.loss); /* bit-identical */
  CU_ASSERT_EQUAL(one.measures.samples, cnn_data_count(data, CNN_PART_TEST));
  CU_ASSERT_EQUAL(memcmp(one.confusion, three.confusion, 16 * sizeof *one.confusion), 0);
  int64_t diagonal = 0, all = 0;
  for (int i = 0; i < 16; i++) {
    all += one.confusion[i];
    diagonal += i % 5 == 0 ? one.confusion[i] : 0;
  }
  CU_ASSERT_EQUAL(all, one.measures.samples);
  CU_ASSERT_DOUBLE_EQUAL((double)diagonal / (double)all, one.measures.metric[0].value, 1e-12);
  CU_ASSERT_EQUAL(cnn_confusion_write(in_directory("c.svg"), &network, data, &one).code, CNN_OK);
  cnn_evaluation_free(&one);
  cnn_evaluation_free(&three);
  cnn_data_close(data);
  remove_directory();
}

static void the_same_seed_gives_the_same_weights(void) {
  make_directory();
  static const char *const name[] = {"a.safetensors", "b.safetensors", "c.safetensors"};
  for (int i = 0; i < 3; i++) {
    Trial trial = trial_make(name[i]);
    trial.options.threads = i + 1;
    CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_OK);
  }
  CU_ASSERT(same_weights("a.safetensors", "b.safetensors"));
  CU_ASSERT(same_weights("a.safetensors", "c.safetensors"));
  Trial other = trial_make("d.safetensors");
  other.recipe.seed = 4;
  CU_ASSERT_EQUAL(trial_run(&other).code, CNN_OK);
  CU_ASSERT_FALSE(same_weights("a.safetensors", "d.safetensors"));
  Trial sorted = trial_make("e.safetensors");
  sorted.options.shuffle = false;
  CU_ASSERT_EQUAL(trial_run(&sorted).code, CNN_OK);
  CU_ASSERT_FALSE(same_weights("a.safetensors", "e.safetensors"));
  remove_directory();
}

/* Training gives the same bits if it is stopped in the middle or at the end of an epoch, and then resumed. */
static void resuming_goes_on_to_the_bit(void) {
  static const cnn_option augment[] = {{"hflip", {0}, 0}, {"shift", {1}, 1}};
  static const int64_t stop_at[] = {1, 5, 56, 57, 58, 100, 171};
  for (int variant = 0; variant < 4; variant++) {
    make_directory();
    Trial whole = trial_make("whole.safetensors");
    whole.log = "whole.jsonl";
    whole.recipe.augments = 2;
    whole.recipe.augment = augment;
    whole.recipe.optimizer = (cnn_optimizer_kind[]){CNN_ADAM, CNN_SGD, CNN_RMSPROP, CNN_ADAMW}[variant];
    whole.recipe.momentum = 0.9;
    whole.recipe.alpha = 0.99;
    whole.recipe.accumulate = variant == 1 ? 3 : 1;
    whole.recipe.average = variant == 2 ? 0.9 : 0;
    whole.recipe.schedule = variant == 3 ? CNN_PLATEAU : CNN_COSINE;
    whole.recipe.patience = 1;
    whole.recipe.factor = 0.5;
    if (variant == 3) whole.recipe.rate = 0.3;
    Trial stopped = whole, resumed = whole;
    CU_ASSERT_EQUAL(trial_run(&whole).code, CNN_OK);
    for (size_t i = 0; i < sizeof stop_at / sizeof *stop_at; i++) {
      stopped.out = resumed.out = "parts.safetensors";
      stopped.log = resumed.log = "parts.jsonl";
      Trial first = stopped, second = resumed;
      first.watch.stop_at = stop_at[i];
      CU_ASSERT_EQUAL(trial_run(&first).code, CNN_STOPPED);
      CU_ASSERT(place_has("parts.safetensors") && place_has("parts.last.safetensors"));
      second.options.resume = true;
      CU_ASSERT_EQUAL(trial_run(&second).code, CNN_OK);
      CU_ASSERT(same_weights("whole.safetensors", "parts.safetensors"));
      CU_ASSERT(same_weights("whole.last.safetensors", "parts.last.safetensors"));
      CU_ASSERT(same_log("whole.jsonl", "parts.jsonl"));
    }
    remove_directory();
  }
}

static void resuming_works_after_a_kill(void) {
  make_directory();
  Trial whole = trial_make("whole.safetensors"), part = trial_make("part.safetensors");
  whole.log = "whole.jsonl";
  part.log = "part.jsonl";
  CU_ASSERT_EQUAL(trial_run(&whole).code, CNN_OK);
  Trial killed = part;
  killed.watch.exit_at = 140; /* in the third epoch */
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    trial_run(&killed);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 9);
  Trial rest = part;
  rest.options.resume = true;
  CU_ASSERT_EQUAL(trial_run(&rest).code, CNN_OK);
  CU_ASSERT(rest.watch.steps < 140);
  CU_ASSERT(same_weights("whole.safetensors", "part.safetensors"));
  CU_ASSERT(same_log("whole.jsonl", "part.jsonl"));
  remove_directory();
}

static void checkpoints_are_checked(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors");
  trial.options.resume = true;
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_BAD_FILE);
  trial.options.resume = false;
  trial.recipe.epochs = 1;
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_OK);
  trial.options.resume = true;
  trial.recipe.optimizer = CNN_SGD;
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_MISMATCH);
  trial.recipe.optimizer = CNN_ADAM;
  trial.limit = 100;
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_MISMATCH);
  trial.limit = 0;
  CU_ASSERT_EQUAL(rename(in_directory("a.last.safetensors"), in_directory("a.checkpoint.safetensors")), 0);
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_BAD_FORMAT);
  remove_directory();
}

static void the_settings_of_a_run_come_back(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors");
  trial.program = &net_recipe;
  trial.recipe.seed = 0xFFFFFFFFFFFFFFF1;
  trial.recipe.epochs = 3;
  trial.recipe.batch = 8;
  trial.recipe.rate = 0.03;
  trial.options.shuffle = false;
  trial.options.val = 0.25;
  trial.options.limit = 300;
  trial.val = 0.25;
  trial.limit = 300;
  trial.watch.stop_at = 10;
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_STOPPED);
  cnn_network network = net_make(&net_recipe);
  cnn_train_options options = cnn_train_defaults(&network);
  options.out = in_directory("a.safetensors");
  CU_ASSERT_EQUAL(cnn_train_settings(&network, &options).code, CNN_OK);
  CU_ASSERT_EQUAL(options.recipe.seed, 0xFFFFFFFFFFFFFFF1);
  CU_ASSERT_EQUAL(options.recipe.epochs, 3);
  CU_ASSERT_EQUAL(options.recipe.batch, 8);
  CU_ASSERT_EQUAL(options.recipe.rate, 0.03);
  CU_ASSERT_EQUAL(options.shuffle, false);
  CU_ASSERT_EQUAL(options.val, 0.25);
  CU_ASSERT_EQUAL(options.limit, 300);
  cnn_recipe changed = net_recipe; /* a changed setting of the program is used */
  changed.rate = 0.5;
  changed.batch = 9;
  network = net_make(&changed);
  options = cnn_train_defaults(&network);
  options.out = in_directory("a.safetensors");
  CU_ASSERT_EQUAL(cnn_train_settings(&network, &options).code, CNN_OK);
  CU_ASSERT_EQUAL(options.recipe.epochs, 3);
  CU_ASSERT_EQUAL(options.recipe.batch, 9);
  CU_ASSERT_EQUAL(options.recipe.rate, 0.5);
  remove_directory();
}

static void large_batches_are_computed_in_parts(void) {
  make_directory();
  Trial whole = trial_make("a.safetensors");
  whole.recipe.batch = 40; /* parts of 14, 14 and 12 samples */
  whole.recipe.epochs = 1;
  CU_ASSERT_EQUAL(trial_run(&whole).code, CNN_OK);
  /* 900 samples are 22 whole batches, and 20 samples in 2 parts */
  CU_ASSERT_EQUAL(whole.watch.steps, 22 * 3 + 2);
  CU_ASSERT_PTR_NOT_NULL(strstr(whole.watch.text, "in parts of 14"));
  remove_directory();
}

static void losses_that_are_not_finite_end_it(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors");
  trial.recipe.optimizer = CNN_SGD;
  trial.recipe.schedule = CNN_CONSTANT;
  trial.recipe.warmup = 0;
  trial.recipe.rate = 1e20;
  cnn_status status = trial_run(&trial);
  CU_ASSERT_EQUAL(status.code, CNN_NOT_FINITE);
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, "in epoch 1, step 2"));
  CU_ASSERT_FALSE(place_has("a.safetensors"));
  Trial whole = trial_make("whole.safetensors"), late = trial_make("late.safetensors");
  whole.recipe.epochs = late.recipe.epochs = 2;
  whole.recipe.schedule = late.recipe.schedule = CNN_CONSTANT;
  late.watch.overflow_at = 60; /* an infinite gradient with a finite loss */
  status = trial_run(&late);
  CU_ASSERT_EQUAL(status.code, CNN_NOT_FINITE);
  CU_ASSERT_PTR_NOT_NULL(
      strstr(status.message,
             "a gradient is not finite in epoch 2, step 3: the gradient of dense1.weight is not finite"));
  whole.recipe.epochs = 1;
  CU_ASSERT_EQUAL(trial_run(&whole).code, CNN_OK);
  /* the weights of the first epoch are kept */
  CU_ASSERT(same_weights("whole.safetensors", "late.safetensors"));
  CU_ASSERT(same_weights("whole.last.safetensors", "late.last.safetensors"));
  remove_directory();
}

static void training_stops_early(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors");
  trial.recipe.rate = 0; /* only the running mean changes, so the best epoch is the first or the second one */
  trial.recipe.epochs = 100;
  trial.recipe.early_stop = 3;
  trial.recipe.schedule = CNN_CONSTANT;
  trial.recipe.warmup = 0;
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_OK);
  CU_ASSERT(trial.watch.steps <= 57 * 12);
  CU_ASSERT_PTR_NOT_NULL(strstr(trial.watch.text, "stopped early: no improvement for 3 epochs"));
  remove_directory();
}

static void a_dry_run_writes_nothing(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors");
  trial.log = "a.jsonl";
  trial.options.plot = in_directory("a.svg");
  trial.options.dry_run = true;
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_OK);
  CU_ASSERT_EQUAL(trial.watch.steps, 1);
  CU_ASSERT_EQUAL(rmdir(directory), 0); /* empty */
}

static void a_few_samples_are_learnt_by_heart(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors");
  trial.options.overfit = 6;
  trial.log = "a.jsonl";
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_OK);
  CU_ASSERT_EQUAL(trial.watch.steps, 300);
  char *log = contents("a.jsonl"), *last = strrchr(log, '{');
  json_t *row = json_loads(last, 0, NULL);
  CU_ASSERT(json_number_value(json_object_get(row, "loss")) < 0.4);
  CU_ASSERT(json_is_null(json_object_get(row, "val_loss")));
  json_decref(row);
  free(log);
  CU_ASSERT_PTR_NOT_NULL(strstr(trial.watch.text, "overfit: 6 samples"));
  remove_directory();
}

static void training_starts_from_given_weights(void) {
  make_directory();
  Trial trial = trial_make("a.safetensors"), again = trial_make("b.safetensors");
  CU_ASSERT_EQUAL(trial_run(&trial).code, CNN_OK);
  again.options.init = in_directory("a.safetensors");
  again.recipe.rate = 0;
  again.recipe.epochs = 1;
  again.recipe.floor = 0;
  CU_ASSERT_EQUAL(trial_run(&again).code, CNN_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(again.watch.text, "4 of 4 weights loaded"));
  float x[NET_PARAMETERS], y[NET_PARAMETERS];
  load("a.safetensors", x);
  load("b.safetensors", y);
  CU_ASSERT_EQUAL(memcmp(x, y, NET_CLASSES * NET_PIXELS * sizeof *x), 0);
  remove_directory();
}

static void the_state_of_lamb_is_described(void) {
  cnn_recipe recipe = net_recipe;
  recipe.optimizer = CNN_LAMB;
  const cnn_network network = net_make(&recipe);
  for (int average = 0; average < 2; average++) {
    recipe.average = average ? 0.9 : 0;
    json_t *facts = cnn_facts(&network, &recipe);
    const char *text = json_string_value(json_object_get(facts, "optimizer state"));
    CU_ASSERT_STRING_EQUAL(text, average ? "lamb, with an average" : "lamb, without an average");
    for (int other = 0; other < 2; other++) { /* the text in a checkpoint of an older program */
      json_t *old = json_pack("{s:s}", "optimizer state",
                              other ? "lamb without momentum, with an average"
                                    : "lamb without momentum, without an average");
      CU_ASSERT_EQUAL(cnn_facts_same(old, facts, "optimizer state"), average == other);
      json_decref(old);
    }
    json_decref(facts);
  }
}

static void numbers_are_written_for_people(void) {
  CU_ASSERT_STRING_EQUAL(cnn_number_grouped(1234567).text, "1,234,567");
  CU_ASSERT_STRING_EQUAL(cnn_number_grouped(-999).text, "-999");
  CU_ASSERT_STRING_EQUAL(cnn_number_grouped(INT64_MIN).text, "-9,223,372,036,854,775,808");
  CU_ASSERT_STRING_EQUAL(cnn_number_bytes(246824).text, "247 KB");
  CU_ASSERT_STRING_EQUAL(cnn_number_duration(7.4).text, "0:07");
  CU_ASSERT_STRING_EQUAL(cnn_number_duration(3723).text, "1:02:03");
  CU_ASSERT_STRING_EQUAL(cnn_number(NAN, 3).text, "nan");
  char *last = cnn_sibling("w/net.safetensors", "last"), *plain = cnn_sibling("w/net", "last");
  CU_ASSERT_STRING_EQUAL(last, "w/net.last.safetensors");
  CU_ASSERT_STRING_EQUAL(plain, "w/net.last.safetensors");
  free(last);
  free(plain);
}

CU_TestInfo suite_train[] = {
    {"training reaches a high accuracy", training_learns},
    {"the same seed gives the same weights", the_same_seed_gives_the_same_weights},
    {"resumed training is bit-identical", resuming_goes_on_to_the_bit},
    {"training is resumed after the process was killed", resuming_works_after_a_kill},
    {"checkpoints are checked", checkpoints_are_checked},
    {"resuming restores the settings of a run", the_settings_of_a_run_come_back},
    {"large batches are computed in parts", large_batches_are_computed_in_parts},
    {"a non-finite loss ends training", losses_that_are_not_finite_end_it},
    {"training stops early", training_stops_early},
    {"a dry run writes nothing", a_dry_run_writes_nothing},
    {"overfit learns a few samples", a_few_samples_are_learnt_by_heart},
    {"training starts from given weights", training_starts_from_given_weights},
    {"the optimizer state of lamb is described", the_state_of_lamb_is_described},
    {"numbers are formatted for reading", numbers_are_written_for_people},
    CU_TEST_INFO_NULL};
