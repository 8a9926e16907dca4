/* main.c: Main program of a net's executable. */
// SPDX-License-Identifier: MIT-0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cnn_ranks.h"
#include "hosted/weights/archive.h"
#include "hosted/weights/classes.h"
#include "hosted/weights/origin.h"
#include "hosted/commands/program.h"
#include "hosted/training/measure.h"
#include "hosted/base/similar.h"
#include "hosted/base/threads.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

/* Words of --match and --fit. The index of a word is its value, which is stored in cnn_weights_names.by_order
 * or in a cnn_fit. */
const char *const cnn_match_choices[] = {"name", "order", NULL};
const char *const cnn_denormals_choices[] = {"flush", "keep", NULL};
const char *const cnn_fit_choices[] = {"stretch", "crop", "letterbox", NULL};

typedef struct Command {
  const char *name, *operands, *summary;
  int (*run)(const cnn_program *, int argc, char **argv);
  bool looks; /* the command needs network->look */
} Command;

static const Command COMMANDS[] = {
    {"train", "--data PATH", "trains the net and writes its weights", cnn_program_train, false},
    {"eval", "--data PATH", "loss, metrics and a table of classes on a data set", cnn_program_eval, false},
    {"predict", "INPUT...", "labels and scores of images, or raw outputs", cnn_program_predict, false},
    {"data", "--data PATH [-o DIR]", "counts the classes of a data set; -o writes it as files",
     cnn_program_data, false},
    {"bench", "[INPUT]", "latency, in total and per layer", cnn_program_bench, false},
    {"info", "", "layers, memory, threads, the target for this machine", cnn_program_info, false},
    {"features", "IMAGE --layer NAME -o OUT.png", "feature maps of an image", cnn_program_features, true},
    {"filters", "--layer NAME -o OUT.png", "the filters of a layer", cnn_program_filters, false},
    {"dream", "--output K -o OUT.png", "an input that maximizes an output", cnn_program_dream, true},
    {"occlude", "IMAGE -o OUT.png", "change of a score when parts of an image are covered",
     cnn_program_occlude, true},
    {"observe", "--data PATH -o FILE.json", "ranges of all values, for cnnc quantize", cnn_program_observe,
     true},
    {"saliency", "IMAGE -o OUT.png", "sensitivity of a score to each pixel (gradients)", cnn_program_saliency,
     true},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS };

static void print_help(FILE *stream, const cnn_program *program) {
  fprintf(stream, "usage: %s COMMAND [options]\n\n", program->name);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    char left[64];
    snprintf(left, sizeof left, "%s %s", COMMANDS[i].name, COMMANDS[i].operands);
    fprintf(stream, "  %-40s%s\n", left, COMMANDS[i].summary);
  }
  fprintf(stream,
          "\n'%s COMMAND --help' or '%s --help COMMAND' lists the options of a command; --version prints the "
          "version of the runtime.\n",
          program->name, program->name);
}

int cnn_program_fail(const cnn_program *program, const cnn_status *status) {
  fprintf(stderr, "%s: %s%s\n", program->name, status->code == CNN_STOPPED ? "" : "error: ", status->message);
  return CNN_EXIT_FAILED;
}

cnn_status cnn_program_finish(void) {
  if (fflush(stdout) != 0 || ferror(stdout))
    return cnn_failure(CNN_BAD_FILE, "cannot write standard output: %s", strerror(errno));
  return cnn_success();
}

/* ---- Weights */

typedef struct cnn_program_state {
  cnn_network network;
  cnn_classes classes; /* the labels of `network` if they come from a file */
  double val;          /* fraction of the training set used for validation: of the weights, or the default */
  int denormals;       /* index in cnn_denormals_choices */
  char *beside, *here; /* paths of NET.safetensors: next to the program; in the working directory */
} cnn_program_state;

static bool readable(const char *path) { return path && access(path, R_OK) == 0; }

static const char *weights_at_hand(const cnn_program *program) {
  const cnn_program_state *state = program->state;
  return readable(state->beside) ? state->beside : readable(state->here) ? state->here : NULL;
}

static bool has_weights(const cnn_network *network) { return network->initial || network->parameters == 0; }

/* Whether init= sets all weights to constants, which are the same with every seed. */
static bool init_is_constant(const cnn_network *network) {
  const size_t bytes = (size_t)network->parameters * sizeof(float);
  float *one = calloc(bytes, 2), *other = one ? one + network->parameters : NULL;
  if (!one) return false;
  network->init(one, 1);
  network->init(other, 2);
  const bool equal = memcmp(one, other, bytes) == 0;
  free(one);
  return equal;
}

bool cnn_program_has_weights(const cnn_program *program, const char *path) {
  return path || has_weights(program->network) || weights_at_hand(program);
}

int cnn_program_needs_weights(const cnn_usage *usage, const cnn_program *program, const char *path) {
  if (cnn_program_has_weights(program, path)) return CNN_GO_ON;
  return cnn_usage_error(
      usage,
      "this command needs --weights: there is no %s.safetensors next to the program or in this directory%s",
      program->network->name,
      init_is_constant(program->network) ? "; weights from init= are compiled in if the layer has frozen=true"
                                         : "");
}

double cnn_program_val(const cnn_program *program) { return program->state->val; }

int *cnn_program_denormals(const cnn_program *program) { return &program->state->denormals; }

void cnn_program_begin(const cnn_program *program) {
  cnn_program_state *state = program->state;
  state->network.flush_denormals = state->denormals == 0;
  cnn_denormals_set(state->network.flush_denormals);
}

static double val_of(const cnn_archive *archive, double usual) {
  const char *note = cnn_archive_note(archive, "val");
  const double val = note ? strtod(note, NULL) : usual;
  return val >= 0 && val < 1 ? val : usual;
}

/* Reads a weight file's metadata: the fraction of the samples that was used for validation, and the class
 * names. If the program has class names, a different order in the file is an error, and different names cause
 * a warning. A different normalization of the input causes a warning, too. */
static cnn_status take_notes(const cnn_program *program, const char *path) {
  cnn_program_state *state = program->state;
  cnn_network *network = &state->network;
  cnn_archive archive;
  char doubt[700] = "";
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code == CNN_OK) state->val = val_of(&archive, state->val);
  if (status.code == CNN_OK) status = cnn_origin_check(&archive, path, network, doubt, sizeof doubt);
  if (status.code == CNN_OK && !network->label) status = cnn_classes_read(&state->classes, &archive, path);
  const int32_t first = cnn_tally_first(network);
  if (status.code == CNN_OK && state->classes.count > 0 && first >= 0)
    status = cnn_classes_count_check(path, state->classes.count, cnn_judge(network, first).classes, doubt,
                                     sizeof doubt);
  cnn_archive_close(&archive);
  if (*doubt) fprintf(stderr, "%s: warning: %s\n", program->name, doubt);
  if (state->classes.count > 0) {
    network->label = (const char *const *)state->classes.name;
    network->labels = state->classes.count;
  }
  return status;
}

static cnn_status read_weights(const cnn_program *program, const char *path, const cnn_weights_names *names,
                               float *weights) {
  cnn_weights_report report;
  cnn_status status = cnn_weights_load_named(program->network, path, names, false, weights, &report);
  if (status.code == CNN_OK && *report.warning) fprintf(stderr, "%s: warning: %s\n", path, report.warning);
  if (status.code == CNN_OK && report.renames) fputs(report.renames, stderr);
  cnn_weights_report_free(&report);
  return status.code == CNN_OK ? take_notes(program, path) : status;
}

cnn_status cnn_program_weights(const cnn_program *program, const char *path, const cnn_weights_names *names,
                               float **weights) {
  const cnn_network *network = program->network;
  const size_t count = (size_t)network->parameters;
  *weights = NULL;
  if (!path && !has_weights(network)) {
    path = weights_at_hand(program);
    if (!path)
      return cnn_failure(CNN_BAD_ARGUMENT,
                         "the program has no compiled-in weights: name a file with --weights");
    fprintf(stderr, "weights: %s\n", path);
  }
  if ((names->prefix || names->rename || names->by_order) && !path)
    return cnn_failure(CNN_BAD_ARGUMENT, "--%s applies to the weight file, but --weights is missing",
                       names->prefix   ? "weights-prefix"
                       : names->rename ? "rename"
                                       : "match");
  if (path && cnn_weights_fixed(network))
    return cnn_failure(CNN_BAD_ARGUMENT,
                       "the int8 weights of this program are compiled in and cannot be replaced");
  *weights = calloc(count + 1, sizeof(float));
  if (!*weights) return cnn_failure(CNN_NO_MEMORY, "no memory for the weights");
  cnn_status status = cnn_success();
  if (path) status = read_weights(program, path, names, *weights);
  else if (network->initial) memcpy(*weights, network->initial, count * sizeof(float));
  if (status.code == CNN_OK) return status;
  free(*weights);
  *weights = NULL;
  return status;
}

const char *cnn_program_label(const cnn_network *network, const cnn_data *data, int64_t c, char room[24]) {
  const char *name = network->label && c < network->labels ? network->label[c]
                     : data && c < INT32_MAX               ? cnn_data_class(data, (int32_t)c)
                                                           : NULL;
  if (name) return name;
  snprintf(room, 24, "%lld", (long long)c);
  return room;
}

/* Sets both paths of NET.safetensors. The path next to the program is NULL if `command` has no folder. */
static void look_around(cnn_program_state *state, const char *command) {
  const char *slash = command ? strrchr(command, '/') : NULL;
  const char *net = state->network.name;
  const size_t folder = slash ? (size_t)(slash - command) + 1 : 0;
  const size_t room = folder + strlen(net) + sizeof ".safetensors";
  state->here = malloc(room);
  if (state->here) snprintf(state->here, room, "%s.safetensors", net);
  state->beside = slash ? malloc(room) : NULL;
  if (state->beside) snprintf(state->beside, room, "%.*s%s.safetensors", (int)folder, command, net);
}

static int unknown_command(const cnn_program *program, const char *word) {
  const char *names[COMMAND_COUNT];
  for (int i = 0; i < COMMAND_COUNT; i++) names[i] = COMMANDS[i].name;
  const char *near = cnn_similar(word, names, COMMAND_COUNT);
  fprintf(stderr, "%s: unknown command '%s'", program->name, word);
  if (near) fprintf(stderr, "; did you mean '%s'?", near);
  fprintf(stderr, "\n'%s --help' lists the commands\n", program->name);
  return CNN_EXIT_USAGE;
}

static int run_command(const cnn_program *program, int argc, char **argv) { /* argv[0]: the command */
  for (int i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(argv[0], COMMANDS[i].name) != 0) continue;
    if (!COMMANDS[i].looks || program->network->look) return COMMANDS[i].run(program, argc, argv);
    if (cnn_weights_fixed(program->network)) {
      fprintf(stderr, "%s: error: '%s' needs a float net; this is an int8 model\n", program->name,
              COMMANDS[i].name);
      return CNN_EXIT_FAILED;
    }
    fprintf(stderr,
            "%s: error: '%s' needs an executable built by cnnc; this executable was linked differently\n",
            program->name, COMMANDS[i].name);
    return CNN_EXIT_FAILED;
  }
  return unknown_command(program, argv[0]);
}

/* Prints the help of the program; with a command (--help COMMAND or --help=COMMAND), the command prints its
 * own options. */
static int help(const cnn_program *program, char *command) {
  char option[] = "--help";
  if (command) return run_command(program, 2, (char *[]){command, option, NULL});
  print_help(stdout, program);
  return 0;
}

static int finished(const cnn_program *program, int exit_status) {
  cnn_status status = cnn_program_finish();
  return exit_status == 0 && status.code != CNN_OK ? cnn_program_fail(program, &status) : exit_status;
}

static int run(const cnn_program *program, int argc, char **argv) {
  static const char equals[] = "--help=";
  if (argc < 2) {
    print_help(stderr, program);
    return CNN_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
    return finished(program, help(program, argv[2]));
  if (strncmp(argv[1], equals, strlen(equals)) == 0)
    return finished(program, help(program, argv[1] + strlen(equals)));
  if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
    printf("net %s, compiled by cnnc, runtime " PACKAGE_VERSION "\n", program->network->name);
    return finished(program, 0);
  }
  return finished(program, run_command(program, argc - 1, argv + 1));
}

int cnn_main(int argc, char **argv, const cnn_network *network) {
  return cnn_main_launched(argc, argv, network, NULL);
}

int cnn_main_launched(int argc, char **argv, const cnn_network *network, const cnn_launch *launch) {
  cnn_threads_spare();
#ifdef _WIN32
  platform_words(argc, argv);
#endif
#ifdef SIGXFSZ
  signal(SIGXFSZ, SIG_IGN); /* exceeding the file size limit becomes a write error with a message */
#endif
  const char *command = argc > 0 ? argv[0] : NULL, *slash = command ? strrchr(command, '/') : NULL;
  const cnn_data_options usual = CNN_DATA_DEFAULTS;
  cnn_program_state state = {
      .network = *network, .val = usual.val, .denormals = network->flush_denormals ? 0 : 1};
  cnn_program program = {slash     ? slash + 1
                         : command ? command
                                   : network->name,
                         &state.network, &state, launch};
  look_around(&state, command);
  cnn_program_begin(&program);
  int status = run(&program, argc, argv);
  cnn_classes_free(&state.classes);
  free(state.beside);
  free(state.here);
  return status;
}
