/* train.c: Training loop: epochs of steps, validation, the best weights, checkpoints, log and plot. */
// SPDX-License-Identifier: MIT-0
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/training/compare.h"
#include "hosted/training/diverge.h"
#include "hosted/training/facts.h"
#include "hosted/base/file.h"
#include "hosted/data/calls.h"
#include "hosted/data/dataset.h"
#include "hosted/base/number.h"
#include "hosted/weights/origin.h"
#include "hosted/training/previous.h"
#include "hosted/base/threads.h"
#include "hosted/training/training.h"
#include "hosted/training/findings.h"

cnn_train_options cnn_train_defaults(const cnn_network *network) {
  cnn_train_options options = {.shuffle = true, .val = 0.1, .fit = cnn_fit_usual(network)};
  if (network->recipe) options.recipe = *network->recipe;
  return options;
}

static bool finished(const Training *training) {
  const cnn_run *run = &training->run;
  const cnn_recipe *recipe = &run->trainer.recipe;
  return run->finished >= recipe->epochs ||
         (recipe->early_stop > 0 && training->validated > 0 && run->waiting >= recipe->early_stop);
}

static bool writes(const Training *training) { return cnn_exchange_first(&training->exchange); }

static const char *kept_so_far(const Training *training) {
  return cnn_run_kept(&training->run, training->options);
}

/* ---- Setting up */

static cnn_status check_options(const cnn_network *network, const cnn_train_options *options) {
  const cnn_recipe *recipe = &options->recipe;
  if (!network->gradients || !network->recipe)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s %s", network->name,
                       cnn_weights_fixed(network) ? "has int8 weights, which cannot be trained"
                                                  : "was compiled without training code, which needs a "
                                                    "train block (in C code also --train) and excludes "
                                                    "--no-train, --stream and --slide");
  if (!options->out)
    return cnn_failure(CNN_BAD_ARGUMENT, "the name of the output file for the weights is empty");
  if (options->ranks && options->ranks->size > 1 && network->shards < 1)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s was compiled for one process: --mpi was not given",
                       network->name);
  if (recipe->batch < 1 || recipe->epochs < 1)
    return cnn_failure(CNN_BAD_ARGUMENT, "batch and epochs must be at least 1");
  if (!isfinite(recipe->rate) || recipe->rate < 0)
    return cnn_failure(CNN_BAD_ARGUMENT, "the rate must be a non-negative number");
  return cnn_success();
}

/* The recipe of the run. With --overfit, which trains on a few samples only, the rate is constant, and there
 * is no early stop. A run with --overfit has at least OVERFIT_STEPS steps, unless --epochs is given. */
static cnn_recipe recipe_for(const cnn_train_options *options, int64_t samples) {
  enum { OVERFIT_STEPS = 300 };
  cnn_recipe recipe = options->recipe;
  if (recipe.accumulate < 1) recipe.accumulate = 1;
  if (options->overfit > 0) {
    int64_t batches = (samples + recipe.batch - 1) / recipe.batch,
            steps = (batches + recipe.accumulate - 1) / recipe.accumulate;
    int32_t epochs = (int32_t)((OVERFIT_STEPS + steps - 1) / steps);
    if (recipe.epochs < epochs && !options->epochs_given) recipe.epochs = epochs;
    recipe.schedule = CNN_CONSTANT;
    recipe.warmup = 0;
    recipe.early_stop = 0;
  }
  return recipe;
}

/* Number of samples in each part of a large batch, which is split into as few parts as possible. Only the
 * last part may be smaller. */
static int32_t part_of(const cnn_network *network, int32_t batch) {
  int64_t parts = ((int64_t)batch + network->train_batch - 1) / network->train_batch;
  return (int32_t)((batch + parts - 1) / parts);
}

static void share_of(const void *exchange, int64_t count, int64_t *from, int64_t *to) {
  cnn_exchange_share(exchange, count, from, to);
}

static cnn_status open_training(Training *training) {
  const cnn_network *network = training->network;
  const cnn_train_options *options = training->options;
  int64_t samples = cnn_data_count(training->data, CNN_PART_TRAIN);
  if (options->overfit > 0 && samples > options->overfit) samples = options->overfit;
  if (samples < 1) return cnn_failure(CNN_MISMATCH, "the data set has no training samples");
  if (samples > INT32_MAX)
    return cnn_failure(CNN_MISMATCH, "the data set has more than 2^31-1 training samples");
  cnn_recipe recipe = recipe_for(options, samples);
  if (options->overfit == 0 && cnn_augment_mixes_noise(&recipe) && !cnn_data_has_noise(training->data))
    return cnn_failure(CNN_MISMATCH, "the augmentation 'background' mixes in WAV files of a folder "
                                     "_background_noise_, but the data set has no such folder");
  training->threads = cnn_threads_shared(options->threads, options->ranks ? options->ranks->here : 1);
  training->validated = options->overfit > 0 ? 0 : cnn_data_count(training->data, CNN_PART_VAL);
  int32_t part = part_of(network, recipe.batch);
  cnn_status status = cnn_run_open(&training->run, network, &recipe, samples);
  if (status.code == CNN_OK) status = cnn_loader_open(&training->loader, network, part, training->threads);
  if (status.code == CNN_OK && training->validated > 0)
    status = cnn_evaluator_open(&training->evaluator, network, training->threads, false);
  if (status.code != CNN_OK) return status;
  if (!cnn_exchange_alone(&training->exchange)) {
    training->run.trainer.exchange = &training->exchange.functions;
    if (training->evaluator) cnn_evaluator_share(training->evaluator, &training->exchange);
    training->each = calloc((size_t)part * (size_t)network->outputs + 1, sizeof *training->each);
    if (!training->each || !cnn_tally_open(&training->fresh, network, false))
      return cnn_failure(CNN_NO_MEMORY, "no memory to train %s", network->name);
  }

  /* For nets with object losses, metrics need detections, which only inference computes. */
  const bool measured = network->truth_objects == 0;
  training->output = measured ? cnn_outputs_alloc(network, part) : NULL;
  training->sums = calloc((size_t)network->outputs + 1, sizeof *training->sums);
  training->order = malloc((size_t)samples * sizeof *training->order);
  training->last = cnn_sibling(options->out, "last");
  training->checkpoint = cnn_sibling(options->out, "checkpoint");
  if ((measured && !training->output) || !training->sums || !training->order || !training->last ||
      !training->checkpoint) {
    return cnn_failure(CNN_NO_MEMORY, "no memory to train %s", network->name);
  }
  training->course = (cnn_course){.data = training->data,
                                  .recipe = &training->run.trainer.recipe,
                                  .samples = samples,
                                  .batch = recipe.batch,
                                  .part = part,
                                  .order = options->shuffle ? training->order : NULL,
                                  .augment = recipe.augments > 0 && options->overfit == 0,
                                  .cuts = options->overfit == 0,
                                  .share = share_of,
                                  .context = &training->exchange};
  return cnn_success();
}

/* The criterion that selects the best epoch. It is the validation loss. If that loss is unknown, or for nets
 * with object losses, it is the first metric. Without validation, it is the training loss. */
static double rated(const Training *training, const cnn_epoch *epoch, char measure[72]) {
  const bool validated = epoch->val.samples > 0;
  const bool found = isnan(epoch->val.loss) || training->network->truth_objects > 0;
  const bool metric = validated && found && epoch->val.metrics > 0;
  snprintf(measure, 72, "%s%s", validated ? "val_" : "", metric ? epoch->val.metric[0].name : "loss");
  return metric ? epoch->val.metric[0].value : validated ? epoch->val.loss : epoch->train.loss;
}

/* Advice at the end of a message about non-finite numbers. In the int8 phase, batchnorm uses fixed
 * statistics, and so no longer compensates for a large rate. */
static const char *advice(const Training *training) {
  const cnn_trainer *trainer = &training->run.trainer;
  const bool rounds = trainer->recipe.quantize && trainer->weights[trainer->recipe.quantize_switch] > 0;
  return rounds ? "The int8 phase has begun: values are rounded, and batchnorm statistics are fixed. A later "
                  "start, at a smaller rate, may help"
                : "A smaller rate, clip_norm or a warmup may help";
}

/* Checks that the weights used in evaluation are finite. Weights that are not finite are never written,
 * because they are useless. */
static cnn_status weights_check(const Training *training) {
  const cnn_network *network = training->network;
  const float *value = cnn_trainer_result(&training->run.trainer);
  for (int32_t w = 0; w < network->weights; w++) {
    const cnn_weight *weight = &network->weight[w];
    for (int64_t i = weight->offset; i < weight->offset + weight->size; i++) {
      if (isfinite(value[i])) continue;
      return cnn_failure(CNN_NOT_FINITE, "%s is not finite after %s %d; %s. %s", weight->name,
                         training->run.at > 0 ? "a step of epoch" : "epoch", (int)training->run.finished + 1,
                         kept_so_far(training), advice(training));
    }
  }
  return cnn_success();
}

static cnn_status save(const Training *training, const char *path) {
  const cnn_run *run = &training->run;
  const cnn_epoch *last = run->finished > 0 && run->at == 0 ? &run->history[run->finished - 1] : NULL;
  char measure[72];
  const double value = last ? rated(training, last, measure) : NAN;
  cnn_about about;
  json_t *facts = cnn_facts(training->network, &run->trainer.recipe);
  if (!facts) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  const char *loss = json_string_value(json_object_get(facts, "loss"));
  cnn_about_weights(&about, cnn_data_describe(training->data), loss, training->options->val,
                    last ? last->epoch : 0, last ? measure : NULL, value);
  cnn_status status =
      cnn_weights_save(training->network, path, cnn_trainer_result(&run->trainer), about.note);
  json_decref(facts);
  return status;
}

/* A resumed run announces its best weights at the end, so they must be in the output file. If they are not,
 * they are the last weights, which the checkpoint has; or else the best of the epochs that follow counts. */
static cnn_status check_best(Training *training) {
  cnn_run *run = &training->run;
  const char *out = training->options->out, *why = "";
  cnn_best found = CNN_BEST_SAVED;
  const cnn_status status = run->finished == 0 ? cnn_success() : cnn_run_find_best(run, out, &found, &why);
  training->ahead = found == CNN_BEST_AHEAD;
  if (status.code != CNN_OK || found != CNN_BEST_LOST) return status;
  int32_t best = run->finished - 1;
  while (best > 0 && !run->history[best].best) best--;
  training->lost = true;
  if (best == run->finished - 1 && run->at == 0) {
    cnn_training_note(training, "%s %s; the weights of epoch %d are written again from %s", out, why,
                      (int)best + 1, training->checkpoint);
    return cnn_success();
  }
  if (finished(training))
    return cnn_failure(CNN_MISMATCH,
                       "%s %s, but the best weights of this run, of epoch %d, were in it; %s has those of "
                       "the last epoch, and --epochs=N with a larger N trains on",
                       out, why, (int)best + 1, training->last);
  cnn_training_note(training,
                    "%s %s, but the best weights so far, of epoch %d, were in it: the best of the epochs "
                    "from %d on replaces them",
                    out, why, (int)best + 1, (int)run->finished + 1);
  for (int32_t i = 0; i < run->finished; i++) run->history[i].best = false;
  run->rated = run->waiting = 0;
  run->saved[0] = 0;
  return cnn_success();
}

/* Opens the output files now, so that errors are reported before the first epoch. */
static cnn_status open_files(Training *training) {
  const cnn_train_options *options = training->options;
  const cnn_run *run = &training->run;
  cnn_status status = cnn_writer_try(options->out);
  if (status.code == CNN_OK) status = cnn_writer_try(training->last);
  if (status.code == CNN_OK) status = cnn_writer_try(training->checkpoint);
  if (status.code == CNN_OK && options->plot) status = cnn_writer_try(options->plot);
  if (status.code == CNN_OK && options->log)
    status = cnn_journal_open(&training->log, options->log, run->history, run->finished);
  if (status.code == CNN_OK && options->tensorboard) {
    status = cnn_journal_open_events(&training->events, options->tensorboard, training->network->name,
                                     run->history, run->finished);
  }
  return status;
}

static void note_resumption(Training *training) {
  const cnn_run *run = &training->run;
  const int32_t done = run->finished, wanted = run->trainer.recipe.epochs,
                program = training->network->recipe->epochs;
  char more[200] = "with a larger N continues training", text[600];
  if (done < wanted) {
    cnn_training_note(training, "%s: continuing after epoch %d of %d", training->checkpoint, (int)done,
                      (int)wanted);
    return;
  }
  if (program > done) {
    snprintf(more, sizeof more, "continues to the program's number of epochs; %d were requested",
             (int)wanted);
  }
  const cnn_text epochs = program > done ? cnn_number(program, 9) : (cnn_text){"N"};
  snprintf(text, sizeof text, "%.300s: all %d epoch%s done; --epochs=%s %s", training->checkpoint, (int)done,
           done == 1 ? " is" : "s are", epochs.text, more);
  cnn_training_tell(training, text);
}

/* Reads the data once, so that unreadable files are reported before training. */
static cnn_status inspect(Training *training) {
  const cnn_inspection inspection = {
      .samples = {[CNN_PART_TRAIN] = training->run.samples, [CNN_PART_VAL] = training->validated},
      .threads = training->threads,
      .tell = cnn_training_tell,
      .context = training,
      .stop = training->options->stop};
  return cnn_data_inspect(training->data, &inspection);
}

static cnn_status prepare(Training *training) {
  const cnn_train_options *options = training->options;
  cnn_status status = check_options(training->network, options);
  if (status.code == CNN_OK) status = cnn_masks_agree(training->data);
  if (status.code == CNN_OK) status = open_training(training);
  if (status.code != CNN_OK) return status;
  training->pace = cnn_pace_of(training->threads);
  cnn_training_note(training, "data: %s", cnn_data_describe(training->data));
  if (*cnn_data_notes(training->data))
    cnn_training_send(training, (cnn_event){.kind = CNN_EVENT_NOTE, .note = cnn_data_notes(training->data)});
  cnn_training_note_labels(training);
  cnn_training_note_memory(training);
  cnn_training_note_idle(training);
  status = inspect(training);
  if (status.code == CNN_OK && !options->resume) status = cnn_training_note_scale(training);
  if (status.code != CNN_OK) return status;
  if (training->course.batch > training->course.part) {
    cnn_training_note(
        training, "a batch of %d is computed in parts of %d: the program was compiled for at most %d samples",
        (int)training->course.batch, (int)training->course.part, (int)training->network->train_batch);
  }
  if (options->resume) {
    status = cnn_run_load(&training->run, training->checkpoint, cnn_training_tell, training);
    if (status.code == CNN_OK) note_resumption(training);
    if (status.code == CNN_OK && !options->dry_run) status = check_best(training);
  } else {
    status = cnn_training_first_weights(training);
  }
  return status;
}

/* Opens the output files, and makes backups of earlier files. Called only after all processes have agreed on
 * the program, the data and the settings, so that nothing is written before. */
static cnn_status prepare_files(Training *training) {
  const cnn_train_options *options = training->options;
  if (options->dry_run || !writes(training)) return cnn_success();
  const bool replaces = !options->resume || training->lost;
  cnn_status status = replaces ? cnn_previous_check(options->out) : cnn_success();
  if (status.code == CNN_OK) status = open_files(training);
  if (status.code == CNN_OK && replaces)
    status = cnn_previous_keep(options->out, options->resume, cnn_training_tell, training);
  if (status.code == CNN_OK && training->lost && training->run.saved[0])
    status = save(training, options->out);
  return status;
}

/* ---- One epoch */

static void measure(const Training *training, cnn_measures *measures) {
  const cnn_run *run = &training->run;
  cnn_tally_measures(&run->tally, run->at, run->sums, measures);
  measures->loss = run->at > 0 ? run->loss / (double)run->at : NAN; /* mean over the used samples */
}

static double speed(const Training *training, double now) {
  double seconds = now - training->began;
  return seconds > 0 ? (double)(training->run.at - training->began_at) / seconds : 0;
}

static void report_step(Training *training, bool last) {
  const cnn_run *run = &training->run;
  double now = cnn_clock(), fastest_report = 0.1;
  if (!training->options->report || (!last && now - training->reported < fastest_report)) return;
  training->reported = now;
  cnn_measures measures;
  measure(training, &measures);
  double rate = speed(training, now), left = (double)(run->samples - run->at);
  int32_t epochs_left = run->trainer.recipe.epochs - run->finished - 1;
  cnn_event event = {
      .kind = CNN_EVENT_STEP, .measures = &measures, .images_per_second = rate, .rate = run->rate};
  event.step = (run->at + training->course.batch - 1) / training->course.batch;
  event.steps = (run->samples + training->course.batch - 1) / training->course.batch;
  if (rate > 0)
    event.seconds_left =
        (left + epochs_left * (double)run->samples) / rate + (epochs_left + 1) * training->validation_seconds;
  cnn_training_send(training, event);
}

/* Returns the failure for a loss or gradient that is not finite. The output files are not changed. */
static cnn_status not_finite(Training *training, const cnn_batch *batch, float loss) {
  const cnn_run *run = &training->run;
  int64_t step = (run->at - 1) / training->course.batch + 1;
  const int32_t last = cnn_trainer_overflow(&run->trainer);
  const bool statistic = last >= 0 && training->network->weight[last].role == CNN_STATISTIC;
  char where[200];
  for (int32_t i = 0; i < training->network->inputs; i++) {
    const cnn_port *port = &training->network->input[i];
    cnn_exchange_gather(&training->exchange, batch->input[i],
                        port->size * (int64_t)cnn_type_bytes(port->type));
  }
  cnn_blame(&run->trainer, batch, where, sizeof where);
  return cnn_failure(CNN_NOT_FINITE, "%s in epoch %d, step %" PRId64 "%s; %s. %s",
                     isnan(loss)   ? "the loss is NaN"
                     : isinf(loss) ? "the loss is infinite"
                     : statistic   ? "a running statistic is not finite"
                                   : "a gradient is not finite",
                     (int)run->finished + 1, step, where, kept_so_far(training), advice(training));
}

/* All processes should receive the same sums of gradients. So if some processes find a non-finite loss or
 * gradient and others do not, the sums differ, and the error reports this. */
static cnn_status check_finite(Training *training, const cnn_batch *batch, float loss, bool fine) {
  const Exchange *x = &training->exchange;
  int32_t other;
  if (cnn_exchange_same(&training->exchange, fine, &other))
    return fine ? cnn_success() : not_finite(training, batch, loss);
  return cnn_failure(CNN_MISMATCH,
                     "the gradients of process %d on %s differ from those of process 0 on %s: %s", (int)other,
                     x->place[other], x->place[0], kept_so_far(training));
}

/* One step of the optimizer, over one batch or several accumulated batches, with the learning rate at the
 * beginning of the step. If the next samples cannot be read, the step uses only the samples read before. */
static cnn_status make_step(Training *training, bool *over) {
  cnn_run *run = &training->run;
  cnn_trainer *trainer = &run->trainer;
  double t = run->finished + (double)run->at / (double)run->samples;
  int32_t batches = 0;
  const int64_t first = run->at;
  cnn_status status = cnn_success();
  float loss = 0;
  const cnn_batch *batch = NULL;
  if (cnn_trainer_quantize(trainer, t))
    run->rated = run->waiting = 0; /* the best epoch must be an epoch of the int8 phase */
  while (batches < trainer->recipe.accumulate && run->at < run->samples) {
    const cnn_batch *next;
    status = cnn_training_agree(training, cnn_loader_next(training->loader, &next));
    training->unread = status.code != CNN_OK;
    if (training->unread) break;
    batch = next;
    cnn_exchange_begin(&training->exchange, batch->count);
    double begun = cnn_pace_begin(&training->pace, training->network);
    loss = cnn_trainer_batch(trainer, (const void *const *)batch->input, (const void *const *)batch->target,
                             batch->count, training->output);
    cnn_pace_end(&training->pace, begun);
    cnn_training_count(training, batch, loss);
    if (!isfinite(loss)) break;
    batches += cnn_course_ends_batch(&training->course, run->at);
  }
  if (run->at == first) return status;
  const cnn_status sound =
      check_finite(training, batch, loss, isfinite(loss) && cnn_trainer_overflow(trainer) < 0);
  if (sound.code != CNN_OK) return sound;
  run->rate = cnn_schedule_rate(&trainer->schedule, &trainer->recipe, t);
  run->mean_rate += (run->rate - run->mean_rate) / (double)++run->rates;
  cnn_trainer_update(trainer, run->rate);
  *over = run->at >= run->samples;
  report_step(training, *over);
  return status;
}

/* Runs the remaining steps of the current epoch. If training is stopped, the run ends between two steps. */
static cnn_status make_steps(Training *training) {
  cnn_run *run = &training->run;
  if (training->options->shuffle) {
    cnn_random random =
        cnn_random_stream(run->trainer.recipe.seed, CNN_STREAM_ORDER, (uint32_t)run->finished);
    cnn_random_permutation(random, training->order, (int32_t)run->samples);
  }
  training->course.epoch = run->finished;
  cnn_status status =
      cnn_training_agree(training, cnn_loader_start(training->loader, &training->course, run->at));
  bool over = run->at >= run->samples;
  while (status.code == CNN_OK && !over && !cnn_training_stopped(training)) {
    status = make_step(training, &over);
    if (training->options->dry_run) break;
  }
  cnn_loader_stop(training->loader);
  return status;
}

/* The order of the writes matters: whenever the process is killed, the checkpoint is not newer than the
 * weight files. */
static cnn_status save_epoch(Training *training, bool best) {
  const cnn_train_options *options = training->options;
  cnn_run *run = &training->run;
  const cnn_epoch *done = &training->run.history[training->run.finished - 1];
  bool saves =
      options->overfit == 0 || finished(training); /* --overfit saves only the last of its short epochs */
  if (best && saves) cnn_run_hash(training->network, cnn_trainer_result(&run->trainer), run->saved);
  if (!writes(training)) return cnn_success();
  cnn_status status = best && saves ? save(training, options->out) : cnn_success();
  if (status.code == CNN_OK && saves) status = save(training, training->last);
  if (status.code == CNN_OK && saves) status = cnn_run_save(&training->run, options, training->checkpoint);
  if (status.code == CNN_OK) status = cnn_journal_add(&training->log, done);
  if (status.code == CNN_OK) status = cnn_journal_add(&training->events, done);
  if (status.code == CNN_OK && options->plot) {
    status =
        cnn_plot_write(options->plot, training->network->name, training->run.history, training->run.finished);
  }
  return status;
}

static cnn_status end_epoch(Training *training, cnn_epoch *epoch) {
  cnn_run *run = &training->run;
  char measure[72];
  cnn_status status = cnn_compare_weights(&training->exchange, run, training->options);
  if (status.code == CNN_OK) status = weights_check(training);
  if (status.code != CNN_OK) return status;
  double value = rated(training, epoch, measure);
  if (cnn_metric_rises(measure)) value = -value;
  bool better = run->rated == 0 || value < run->best || training->ahead;
  training->ahead = false;
  run->rated++;
  run->waiting = better ? 0 : run->waiting + 1;
  if (better) run->best = value;
  epoch->best = better || training->validated == 0; /* without validation, the latest epoch is the best */
  cnn_schedule_epoch(&run->trainer.schedule, &run->trainer.recipe, value);
  if (!cnn_run_append(run, epoch))
    return cnn_training_agree(training, cnn_failure(CNN_NO_MEMORY, "no memory for another epoch"));
  run->at = 0;
  run->loss = run->seconds = run->mean_rate = 0;
  run->rates = 0;
  cnn_tally_clear(&run->tally);
  memset(run->sums, 0, (size_t)training->network->outputs * sizeof *run->sums);
  return cnn_training_agree(training, save_epoch(training, epoch->best));
}

/* Reports the bytes and times of the gradient exchange after the first and the last epoch, and when
 * exchange.slowest has changed. */
static void note_exchange(Training *training) {
  const int32_t before = training->exchange.slowest;
  char text[560];
  if (cnn_exchange_alone(&training->exchange)) return;
  cnn_exchange_tell(&training->exchange, text);
  const bool first = training->run.finished <= 1, last = finished(training);
  if (first || last || training->exchange.slowest != before) cnn_training_tell(training, text);
}

static cnn_status run_epoch(Training *training) {
  cnn_run *run = &training->run;
  cnn_epoch epoch = {.epoch = run->finished + 1};
  training->began = cnn_clock();
  training->began_at = run->at;
  cnn_status status = make_steps(training);
  double now = cnn_clock();
  run->seconds += now - training->began;
  if (status.code != CNN_OK || (run->at < run->samples && !training->options->dry_run)) return status;
  epoch.rate = run->mean_rate;
  epoch.images_per_second = run->seconds > 0 ? (double)run->at / run->seconds : 0;
  measure(training, &epoch.train);
  status = cnn_training_validate(training, &epoch.val);
  if (status.code != CNN_OK || cnn_training_stopped(training)) return status;
  epoch.seconds = run->seconds + cnn_clock() - now;
  epoch.step = run->trainer.steps;
  epoch.time = cnn_wall_clock();
  if (!training->options->dry_run) status = end_epoch(training, &epoch);
  if (status.code == CNN_OK)
    cnn_training_send(training, (cnn_event){.kind = CNN_EVENT_EPOCH, .done = &epoch});
  if (status.code == CNN_OK) note_exchange(training);
  return status;
}

/* ---- The run */

/* Saves the state of the run, between two steps or two epochs. */
static cnn_status save_here(const Training *training) {
  if (!writes(training)) return cnn_success();
  cnn_status status = save(training, training->last);
  return status.code == CNN_OK ? cnn_run_save(&training->run, training->options, training->checkpoint)
                               : status;
}

/* Saves the progress made before training failed at a sample that cannot be read or evaluated. */
static void save_unread(Training *training) {
  if (training->options->dry_run || training->run.trainer.steps == 0) return;
  if (weights_check(training).code != CNN_OK || save_here(training).code != CNN_OK) return;
  cnn_training_note(
      training,
      "the finished part of epoch %d is saved; once the cause is removed, --resume continues from %s",
      (int)training->run.finished + 1, training->checkpoint);
}

static cnn_status save_stopped(Training *training) {
  const cnn_run *run = &training->run;
  cnn_status status = weights_check(training);
  if (status.code == CNN_OK && run->finished == 0 && !training->options->dry_run && writes(training))
    status = save(training, training->options->out);
  if (status.code == CNN_OK && !training->options->dry_run) status = save_here(training);
  if (status.code != CNN_OK) return status;
  return cnn_failure(CNN_STOPPED, "stopped in epoch %d; %s contains everything to continue with --resume",
                     (int)run->finished + 1, training->checkpoint);
}

static void report_end(const Training *training) {
  const cnn_run *run = &training->run;
  if (training->options->dry_run) {
    cnn_training_note(training, "dry run: a step and a validation succeeded; nothing was written");
  } else if (run->finished < run->trainer.recipe.epochs) {
    cnn_training_note(training, "stopped early: no improvement for %d epoch%s", (int)run->waiting,
                      run->waiting == 1 ? "" : "s");
  }
  if (training->options->overfit > 0 && run->finished > 0) {
    const cnn_measures *end = &run->history[run->finished - 1].train;
    cnn_training_note(training, "overfit: %" PRId64 " samples, loss from %s to %s", run->samples,
                      cnn_number(run->history[0].train.loss, 4).text, cnn_number(end->loss, 4).text);
  }
  const cnn_epoch *best = NULL;
  for (int32_t i = 0; i < run->finished; i++) best = run->history[i].best ? &run->history[i] : best;
  if (best && !training->options->dry_run)
    cnn_training_send(training, (cnn_event){.kind = CNN_EVENT_END, .done = best});
}

static void close_training(Training *training) {
  cnn_loader_close(training->loader);
  cnn_evaluator_close(training->evaluator);
  cnn_journal_close(&training->log);
  cnn_journal_close(&training->events);
  cnn_outputs_free(training->network, training->output);
  free(training->sums);
  free(training->order);
  free(training->last);
  free(training->checkpoint);
  cnn_run_close(&training->run);
  cnn_tally_close(&training->fresh);
  free(training->each);
  cnn_exchange_close(&training->exchange);
}

/* If the program has no class names, the weight file stores the class names of the data set. */
static cnn_network with_names(const cnn_network *network, const cnn_data *data) {
  cnn_network named = cnn_calls_network(network, data);
  if (network->label || cnn_tally_first(network) < 0 || !cnn_data_class_names(data)) return named;
  named.label = cnn_data_class_names(data);
  named.labels = cnn_data_classes(data);
  return named;
}

cnn_status cnn_train(const cnn_network *network, const cnn_data *data, const cnn_train_options *options) {
  const cnn_network named = with_names(network, data);
  Training training = {.network = &named, .data = data, .options = options};
  const uint32_t mode = cnn_denormals_begin(network);
  cnn_status status = cnn_exchange_open(&training.exchange, options->ranks, &named);
  if (status.code == CNN_OK) status = cnn_training_agree(&training, prepare(&training));
  if (status.code == CNN_OK) status = cnn_compare_begin(&training.exchange, data, &training.run, options);
  if (status.code == CNN_OK) status = cnn_training_agree(&training, prepare_files(&training));
  while (status.code == CNN_OK && !finished(&training) && !cnn_training_stopped(&training)) {
    status = run_epoch(&training);
    if (options->dry_run) break;
  }
  bool interrupted = status.code == CNN_STOPPED ||
                     (status.code == CNN_OK && cnn_training_stopped(&training) && !finished(&training));
  if (training.unread) save_unread(&training);
  if (interrupted) status = save_stopped(&training);
  if (status.code == CNN_OK) report_end(&training);
  close_training(&training);
  cnn_denormals_end(mode);
  return status;
}
