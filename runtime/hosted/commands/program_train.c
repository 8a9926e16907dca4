/* program_train.c: `net train`: Training on a data set. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <math.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cnn_ranks.h"
#include "hosted/training/journal.h"
#include "hosted/base/memory.h"
#include "hosted/base/number.h"
#include "hosted/commands/program.h"
#include "hosted/commands/written.h"
#include "hosted/training/exchange.h"

/* The signal received: SIGINT (Ctrl-C), SIGTERM or SIGUSR1; 0: none. mpirun and Slurm forward SIGUSR1
 * without a later SIGKILL. The handler only sets a flag for the training loop. A second Ctrl-C ends the
 * process immediately. A second SIGTERM does not, because Slurm sends SIGTERM both to a job and to its
 * processes. */
static volatile sig_atomic_t interrupted;
static void interrupt(int signal_number) { interrupted = signal_number; }

static void catch_interrupt(void) {
  struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
  interrupted = 0;
  sigaction(SIGINT, &action, NULL);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
}

typedef struct Arguments {
  const char *data, *target, *out, *init, *log, *plot, *tensorboard;
  cnn_weights_names names;
  int64_t epochs, batch, threads, limit, overfit;
  double rate, val;
  uint64_t seed;
  bool resume, dry_run, skip_bad;
  int shuffle, progress, fit;
  bool epochs_given, batch_given, rate_given, seed_given, shuffle_given, limit_given, val_given,
      overfit_given, fit_given;
} Arguments;

typedef struct Listener {
  cnn_progress progress;
  const char *out;
} Listener;

static void print_result(const char *out, const cnn_event *event) {
  const cnn_epoch *best = event->done;
  bool validated = best->val.samples > 0;
  const cnn_measures *measures = validated ? &best->val : &best->train;
  const char *prefix = validated ? "val_" : "";
  printf("%s: epoch %d of %d", out, (int)best->epoch, (int)event->epoch);
  if (!isnan(measures->loss)) printf(", %sloss %s", prefix, cnn_number_fixed(measures->loss, 4).text);
  for (int32_t i = 0; i < measures->metrics; i++) {
    printf(", %s%s %s", prefix, measures->metric[i].name,
           cnn_number_fixed(measures->metric[i].value, 4).text);
  }
  printf("\n");
}

static void listen(void *context, const cnn_event *event) {
  Listener *listener = context;
  cnn_progress_event(&listener->progress, event);
  if (event->kind == CNN_EVENT_END) print_result(listener->out, event);
}

static void apply(const Arguments *arguments, cnn_train_options *options) {
  cnn_recipe *recipe = &options->recipe;
  if (arguments->epochs_given) recipe->epochs = (int32_t)arguments->epochs;
  options->epochs_given = options->epochs_given || arguments->epochs_given;
  if (arguments->batch_given) recipe->batch = (int32_t)arguments->batch;
  if (arguments->rate_given) recipe->rate = arguments->rate;
  if (arguments->seed_given) recipe->seed = arguments->seed;
  if (arguments->shuffle_given) options->shuffle = arguments->shuffle == 0;
  if (arguments->limit_given) options->limit = arguments->limit;
  if (arguments->val_given) options->val = arguments->val;
  if (arguments->overfit_given) options->overfit = arguments->overfit;
  if (arguments->fit_given) options->fit = (cnn_fit)arguments->fit;
  if (arguments->target) snprintf(options->target, sizeof options->target, "%s", arguments->target);
  options->threads = (int32_t)arguments->threads;
  options->resume = arguments->resume;
  options->dry_run = arguments->dry_run;
  options->init = arguments->init;
  options->init_names = arguments->names;
  options->log = arguments->log;
  options->plot = arguments->plot;
  options->tensorboard = arguments->tensorboard;
}

/* Bytes of memory for decoded images: a quarter of the memory that the process may use. Images that do
 * not fit are decoded each time. The processes on a machine divide the quarter equally. */
static int64_t memory_for_pictures(const cnn_ranks *ranks) {
  return cnn_memory() / 4 / (ranks && ranks->here > 1 ? ranks->here : 1);
}

/* Files that the run writes. outputs_free frees all paths except those that are only in `list`. */
enum { WRITTEN = 9 };
typedef struct Outputs {
  char *last, *checkpoint, *previous, *stopped, *original, *events;
  cnn_written list[WRITTEN + 1];
} Outputs;

static void outputs_free(Outputs *outputs) {
  free(outputs->last);
  free(outputs->checkpoint);
  free(outputs->previous);
  free(outputs->stopped);
  free(outputs->original);
  free(outputs->events);
}

static bool outputs_of(Outputs *outputs, const cnn_program *program, const Arguments *a, const char *out) {
  *outputs = (Outputs){.last = cnn_sibling(out, "last"),
                       .checkpoint = cnn_sibling(out, "checkpoint"),
                       .previous = cnn_sibling(out, "previous"),
                       .stopped = cnn_sibling(out, "stopped"),
                       .original = cnn_sibling(out, "original")};
  if (a->tensorboard) outputs->events = cnn_journal_events_path(a->tensorboard, program->network->name);
  const cnn_written list[WRITTEN] = {{"--out", out},
                                     {"--out", outputs->last},
                                     {"--out", outputs->checkpoint},
                                     {"--out", outputs->previous},
                                     {"--out", outputs->stopped},
                                     {"--out", outputs->original},
                                     {"--log", a->log},
                                     {"--plot", a->plot},
                                     {"--tensorboard", outputs->events}};
  memcpy(outputs->list, list, sizeof list);
  return outputs->last && outputs->checkpoint && outputs->previous && outputs->stopped && outputs->original &&
         (outputs->events || !a->tensorboard);
}

/* Checks, before anything is written, that the outputs are different files, and that none of them is the data
 * set, the initial weights or the program itself. */
static int outputs_check(const cnn_usage *usage, const Outputs *outputs, const Arguments *a) {
  int status = cnn_written_apart(usage, outputs->list);
  for (const cnn_written *each = outputs->list; status == CNN_GO_ON && each->option; each++)
    if (each->path && strcmp(each->option, "--out") == 0) status = cnn_written_again(usage, each->path);
  if (status == CNN_GO_ON) {
    status = cnn_written_spares(usage, outputs->list, a->data, "the data are read from it");
  }
  if (status == CNN_GO_ON) {
    status = cnn_written_spares(usage, outputs->list, a->init, "the initial weights are read from it");
  }
  return status;
}

/* Returns CNN_GO_ON, or the exit status for a wrong command line. All other errors are only in *status. */
static int train_on(const cnn_usage *usage, const Arguments *arguments, const Outputs *outputs,
                    const cnn_network *network, cnn_train_options *options, cnn_status *status) {
  cnn_data *data = NULL;
  const bool first = !options->ranks || options->ranks->rank == 0;
  cnn_data_options data_options = {.val = options->val,
                                   .limit = options->limit,
                                   .fit = options->fit,
                                   .keep = memory_for_pictures(options->ranks),
                                   .skip_bad = arguments->skip_bad,
                                   .target = *options->target ? options->target : NULL};
  if (status->code == CNN_OK) *status = cnn_data_open(&data, arguments->data, network, &data_options);
  *status = cnn_ranks_agree(options->ranks, *status);
  int spared = CNN_GO_ON;
  if (status->code == CNN_OK && !options->dry_run && first) {
    spared = cnn_written_spares_data(usage, outputs->list, data);
    if (spared != CNN_GO_ON) *status = cnn_failure(CNN_BAD_ARGUMENT, "a file would be overwritten");
  }
  *status = cnn_ranks_agree(options->ranks, *status);
  if (status->code == CNN_OK) {
    Listener listener = {.out = options->out};
    cnn_progress_open(&listener.progress, (cnn_progress_kind)arguments->progress);
    if (options->overfit > 0) listener.progress.line_every = 20;
    options->report = first ? listen : NULL;
    options->context = &listener;
    options->stop = &interrupted;
    *status = cnn_train(network, data, options);
    cnn_progress_close(&listener.progress);
    if (status->code == CNN_OK) *status = cnn_program_finish();
  }
  cnn_data_close(data);
  return spared;
}

/* Checks the suffixes of the output files. A weight file may have no suffix; if there is one, it determines
 * the format. */
static int suffixes_check(const cnn_usage *usage, const Arguments *a, const char *out) {
  static const char *const svg[] = {".svg", NULL}, *const rows[] = {".jsonl", ".csv", NULL};
  static const char *const weights[] = {".safetensors", ".npz", NULL};
  const char *slash = strrchr(out, '/'), *name = slash ? slash + 1 : out;
  int status = strchr(name, '.') ? cnn_usage_suffix(usage, "--out", out, weights) : CNN_GO_ON;
  if (status == CNN_GO_ON) status = cnn_usage_suffix(usage, "--plot", a->plot, svg);
  if (status == CNN_GO_ON) status = cnn_usage_suffix(usage, "--log", a->log, rows);
  return status;
}

/* Only the first process writes, so only this process checks the output files; cnn_ranks_agree sends an error
 * to all processes. Returns as train_on. */
static int train(const cnn_program *program, const cnn_usage *usage, const Arguments *arguments,
                 cnn_train_options *options, cnn_status *status) {
  const bool first = !options->ranks || options->ranks->rank == 0;
  int refused = first ? suffixes_check(usage, arguments, options->out) : CNN_GO_ON;
  Outputs outputs = {0};
  if (refused == CNN_GO_ON && !outputs_of(&outputs, program, arguments, options->out))
    *status = cnn_failure(CNN_NO_MEMORY, "out of memory");
  else if (refused == CNN_GO_ON && first && !arguments->dry_run)
    refused = outputs_check(usage, &outputs, arguments);
  if (refused != CNN_GO_ON)
    *status = cnn_failure(CNN_BAD_ARGUMENT, "its input or output files cannot be used");
  *status = cnn_ranks_agree(options->ranks, *status);
  if (status->code == CNN_OK) {
    if (arguments->resume) *status = cnn_train_settings(program->network, options);
    apply(arguments, options);
    catch_interrupt();
    refused = train_on(usage, arguments, &outputs, program->network, options, status);
  }
  outputs_free(&outputs);
  return refused;
}

static int run(const cnn_program *program, const cnn_usage *usage, const Arguments *a) {
  if (!a->data) return cnn_usage_error(usage, "this command needs --data");
  cnn_program_begin(program);
  if (a->resume && a->init)
    return cnn_usage_error(
        usage, "--resume continues from a checkpoint, --init starts from weights: use one of them");
  char out[512];
  snprintf(out, sizeof out, "%s.safetensors", program->network->name);
  cnn_train_options options = cnn_train_defaults(program->network);
  options.out = a->out ? a->out : out;
  if (program->launch) options.ranks = program->launch->open();
  if (program->launch && !options.ranks) return CNN_EXIT_FAILED;
  cnn_status status = cnn_success();
  const int refused = train(program, usage, a, &options, &status);
  const bool first = !options.ranks || options.ranks->rank == 0;
  int failed = 0;
  if (status.code != CNN_OK && refused == CNN_GO_ON)
    failed = first ? cnn_program_fail(program, &status) : CNN_EXIT_FAILED;
  /* the exit status that a shell shows for a process ended by a signal */
  if (status.code == CNN_STOPPED) failed = 128 + (interrupted ? interrupted : SIGTERM);
  if (options.ranks) program->launch->close();
  return refused != CNN_GO_ON ? refused : failed;
}

int cnn_program_train(const cnn_program *program, int argc, char **argv) {
  static const char *const on_off[] = {"on", "off", NULL}, *const progress[] = {"auto", "plain", "none",
                                                                                NULL};
  static const char about[] =
      "Trains the net. Messages go to standard error; Ctrl-C saves and stops, --resume continues.";
  Arguments a = {.progress = CNN_PROGRESS_AUTO};
  const double most = INT32_MAX;
  const cnn_flag flag[] = {
      {"data", 0, CNN_VALUE_TEXT, &a.data, "PATH",
       "a directory (IDX or CIFAR files, images, WAV files), an .npz, a .csv, or 'synthetic'", 0, 0, NULL,
       NULL},
      {"target", 0, CNN_VALUE_TEXT, &a.target, "NAME",
       "target column of a .csv, by name or number (default: the last)", 0, 0, NULL, NULL},
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "W",
       "file for the best weights, .safetensors or .npz (NET.safetensors); next to it the weights of the "
       "last epoch and a checkpoint. Files of another run are kept: its weights as W.previous, a stopped run "
       "as W.stopped; weights of other tools become W.original",
       0, 0, NULL, NULL},
      {"init", 0, CNN_VALUE_TEXT, &a.init, "W", "start from these weights wherever names and shapes match", 0,
       0, NULL, NULL},
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"epochs", 0, CNN_VALUE_WHOLE, &a.epochs, "N", "number of epochs; overrides the program's epochs", 1,
       most, NULL, &a.epochs_given},
      {"batch", 0, CNN_VALUE_WHOLE, &a.batch, "N", "samples per batch; overrides the program's batch", 1,
       most, NULL, &a.batch_given},
      {"rate", 0, CNN_VALUE_NUMBER, &a.rate, "R", "learning rate; overrides the program's rate", 0, 1e30,
       NULL, &a.rate_given},
      {"seed", 0, CNN_VALUE_SEED, &a.seed, "N",
       "random seed of weights, sample order, augmentation and dropout", 0, 0, NULL, &a.seed_given},
      CNN_FLAGS_THREADS(a.threads, program),
      {"resume", 0, CNN_VALUE_FLAG, &a.resume, "",
       "continue from the checkpoint, as if training had not stopped; reports changes of the program", 0, 0,
       NULL, NULL},
      {"shuffle", 0, CNN_VALUE_CHOICE, &a.shuffle, "on|off", "off: use the samples in the order of the files",
       0, 0, on_off, &a.shuffle_given},
      {"limit", 0, CNN_VALUE_WHOLE, &a.limit, "N", "only the first N samples of each part", 1, 1e15, NULL,
       &a.limit_given},
      {"val", 0, CNN_VALUE_NUMBER, &a.val, "F",
       "fraction of the training samples for validation (0.1), if the set has no validation part", 0, 0.999,
       NULL, &a.val_given},
      CNN_FLAG_FIT(a.fit, &a.fit_given),
      {"skip-bad", 0, CNN_VALUE_FLAG, &a.skip_bad, "", "skip and count unusable images, sounds and boxes", 0,
       0, NULL, NULL},
      {"log", 0, CNN_VALUE_TEXT, &a.log, "FILE", "log with one row per epoch, .jsonl or .csv", 0, 0, NULL,
       NULL},
      {"plot", 0, CNN_VALUE_TEXT, &a.plot, "FILE.svg", "draw the curves of loss, metrics and rate", 0, 0,
       NULL, NULL},
      {"tensorboard", 0, CNN_VALUE_TEXT, &a.tensorboard, "DIR",
       "write the loss, metrics and rate as TensorBoard events into this directory", 0, 0, NULL, NULL},
      {"overfit", 0, CNN_VALUE_WHOLE, &a.overfit, "N",
       "train on only N samples, to test whether the net can learn them", 1, most, NULL, &a.overfit_given},
      {"dry-run", 0, CNN_VALUE_FLAG, &a.dry_run, "", "one step and one validation; writes nothing", 0, 0,
       NULL, NULL},
      {"progress", 0, CNN_VALUE_CHOICE, &a.progress, "auto|plain|none",
       "a progress bar (on a terminal), one line per epoch, or nothing", 0, 0, progress, NULL},
  };
  cnn_usage usage = {program->name, "train", "", about, flag, sizeof flag / sizeof *flag};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  return parsed == CNN_GO_ON ? run(program, &usage, &a) : parsed;
}
