/* main.c: a whole program around a net. */
// SPDX-License-Identifier: MIT-0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

const char *const cnn_fit_choices[] = {"stretch", "crop", "letterbox", NULL}; /* cnn_fit */

typedef struct Command {
  const char *name, *operands, *summary;
  int (*run)(const cnn_program *, int argc, char **argv);
  bool looks;              /* needs network->look */
} Command;

static const Command COMMANDS[] = {
  {"train", "--data PATH", "trains the net and writes its weights", cnn_program_train, false},
  {"eval", "--data PATH --weights W", "loss, metrics and a table of classes on a data set", cnn_program_eval, false},
  {"predict", "INPUT... --weights W", "labels and scores of pictures, or raw outputs", cnn_program_predict, false},
  {"bench", "", "how fast it is, layer by layer", cnn_program_bench, false},
  {"info", "", "the layers, the target chosen on this machine, threads", cnn_program_info, false},
  {"features", "IMAGE --layer NAME -o OUT.png", "what the layers make of a picture", cnn_program_features, true},
  {"filters", "--layer NAME -o OUT.png", "the filters of a layer", cnn_program_filters, false},
  {"dream", "--output K -o OUT.png", "an input that excites an output", cnn_program_dream, true},
  {"occlude", "IMAGE -o OUT.png", "what matters in a picture, by covering it", cnn_program_occlude, true},
  {"saliency", "IMAGE -o OUT.png", "what matters in a picture, by gradients", cnn_program_saliency, true},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS };

static void print_help(FILE *stream, const cnn_program *program) {
  fprintf(stream, "usage: %s COMMAND [options]\n\n", program->name);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    char left[64];
    snprintf(left, sizeof left, "%s %s", COMMANDS[i].name, COMMANDS[i].operands);
    fprintf(stream, "  %-40s%s\n", left, COMMANDS[i].summary);
  }
  fprintf(stream, "\n'%s COMMAND --help' lists the options of a command.\n", program->name);
}

int cnn_program_fail(const cnn_program *program, const cnn_status *status) {
  fprintf(stderr, "%s: %s%s\n", program->name, status->code == CNN_STOPPED ? "" : "error: ", status->message);
  return status->code == CNN_STOPPED ? 130 : CNN_EXIT_FAILED;
}

cnn_status cnn_program_finish(void) {
  if (fflush(stdout) != 0 || ferror(stdout)) return cnn_failure(CNN_BAD_FILE, "cannot write standard output: %s", strerror(errno));
  return cnn_success();
}

cnn_status cnn_program_weights(const cnn_network *network, const char *path, const char *prefix,
                               float **weights) {
  size_t bytes = (size_t)network->parameters * sizeof(float);
  *weights = NULL;
  if (!path && !network->initial && network->parameters > 0) {
    return cnn_failure(CNN_BAD_ARGUMENT, "it has no weights inside: name a file with --weights");
  }
  if (prefix && !path)
    return cnn_failure(CNN_BAD_ARGUMENT, "--weights-prefix is about the file of --weights, which is not "
                                         "given");
  *weights = calloc(bytes / sizeof(float) + 1, sizeof(float));
  if (!*weights) return cnn_failure(CNN_NO_MEMORY, "no memory for the weights");
  if (!path) {
    if (network->initial) memcpy(*weights, network->initial, bytes);
    return cnn_success();
  }
  cnn_weights_report report;
  cnn_status status = cnn_weights_load_behind(network, path, prefix, false, *weights, &report);
  if (status.code == CNN_OK && *report.warning) fprintf(stderr, "%s: warning: %s\n", path, report.warning);
  free(report.text);
  if (status.code != CNN_OK) {
    free(*weights);
    *weights = NULL;
  }
  return status;
}

const char *cnn_program_label(const cnn_network *network, const cnn_data *data, int64_t c, char room[24]) {
  const char *name = network->label && c < network->labels ? network->label[c] : data && c < INT32_MAX ? cnn_data_class(data, (int32_t)c) : NULL;
  if (name) return name;
  snprintf(room, 24, "%lld", (long long)c);
  return room;
}

int cnn_main(int argc, char **argv, const cnn_network *network) {
  const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
  cnn_program program = {argc > 0 ? (slash ? slash + 1 : argv[0]) : network->name, network};
  if (argc < 2) {
    print_help(stderr, &program);
    return CNN_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    print_help(stdout, &program);
    return 0;
  }
  for (int i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(argv[1], COMMANDS[i].name) != 0) continue;
    if (!COMMANDS[i].looks || network->look) return COMMANDS[i].run(&program, argc - 1, argv + 1);
    fprintf(stderr, "%s: error: '%s' needs a net that cnnc compiled as a program; this one was linked by other means\n", program.name, COMMANDS[i].name);
    return CNN_EXIT_FAILED;
  }
  fprintf(stderr, "%s: unknown command '%s'\n", program.name, argv[1]);
  print_help(stderr, &program);
  return CNN_EXIT_USAGE;
}
