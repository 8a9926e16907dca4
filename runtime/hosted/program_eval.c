/* program_eval.c: `net eval`. */
// SPDX-License-Identifier: MIT-0
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "program.h"

typedef struct Arguments { const char *data, *target, *weights, *prefix, *confusion; bool json; int64_t threads, limit; int fit; } Arguments;

static json_t *real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void print_json(const cnn_network *network, const cnn_data *data, const cnn_evaluation *evaluation) {
  const cnn_measures *measures = &evaluation->measures;
  json_t *metrics = json_object(), *classes = json_array();
  for (int32_t i = 0; i < measures->metrics; i++) json_object_set_new(metrics, measures->metric[i].name, real(measures->metric[i].value));
  for (int32_t c = 0; c < evaluation->classes; c++) {
    const cnn_class_counts *counts = &evaluation->counts[c];
    char room[24];
    json_t *label = json_string(cnn_program_label(network, data, c, room));
    json_array_append_new(classes, json_pack("{s:o, s:I, s:o, s:o, s:o}", "label", label ? label : json_null(),
                                             "samples", (json_int_t)counts->samples, "precision", real(cnn_class_precision(counts)),
                                             "recall", real(cnn_class_recall(counts)), "f1", real(cnn_class_f1(counts))));
  }
  json_t *root = json_pack("{s:I, s:o, s:o, s:o}", "samples", (json_int_t)measures->samples, "loss", real(measures->loss), "metrics", metrics,
                           "classes", classes);
  json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  printf("\n");
  json_decref(root);
}

static int width_of(const char *text) { /* characters of UTF-8 */
  int width = 0;
  for (; *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
  return width;
}

static void print_text(const cnn_network *network, const cnn_data *data, const cnn_evaluation *evaluation) {
  const cnn_measures *measures = &evaluation->measures;
  int width = 12;
  for (int32_t i = 0; i < measures->metrics; i++) {
    if (width_of(measures->metric[i].name) > width) width = width_of(measures->metric[i].name);
  }
  printf("%-*s %s\n", width, "samples", cnn_number_grouped(measures->samples).text);
  if (!isnan(measures->loss)) printf("%-*s %s\n", width, "loss", cnn_number_fixed(measures->loss, 4).text);
  for (int32_t i = 0; i < measures->metrics; i++) {
    printf("%-*s %s\n", width, measures->metric[i].name, cnn_number_fixed(measures->metric[i].value, 4).text);
  }
  if (evaluation->classes == 0) return;
  width = 5;
  char room[24];
  for (int32_t c = 0; c < evaluation->classes; c++) {
    int own = width_of(cnn_program_label(network, data, c, room));
    if (own > width) width = own;
  }
  printf("\n%-*s %10s %10s %10s %10s\n", width, "class", "samples", "precision", "recall", "f1");
  for (int32_t c = 0; c < evaluation->classes; c++) {
    const cnn_class_counts *counts = &evaluation->counts[c];
    const char *label = cnn_program_label(network, data, c, room);
    printf("%s%*s %10s %10s %10s %10s\n", label, width - width_of(label), "", cnn_number_grouped(counts->samples).text,
           cnn_number_fixed(cnn_class_precision(counts), 4).text, cnn_number_fixed(cnn_class_recall(counts), 4).text,
           cnn_number_fixed(cnn_class_f1(counts), 4).text);
  }
}

static int evaluate(const cnn_program *program, const Arguments *arguments) {
  const cnn_network *network = program->network;
  cnn_data *data = NULL;
  float *weights = NULL;
  cnn_evaluation evaluation = {0};
  cnn_data_options options = {.val = 0, .limit = arguments->limit, .fit = (cnn_fit)arguments->fit, .target = arguments->target};
  cnn_status status = cnn_program_weights(network, arguments->weights, arguments->prefix, &weights);
  if (status.code == CNN_OK) status = cnn_data_open(&data, arguments->data, network, &options);
  if (status.code == CNN_OK && cnn_data_count(data, CNN_PART_TEST) == 0) {
    status = cnn_failure(CNN_MISMATCH, "%s: no samples to evaluate", arguments->data);
  }
  if (status.code == CNN_OK) {
    status = cnn_evaluate(network, weights, data, CNN_PART_TEST, (int32_t)arguments->threads, arguments->confusion != NULL, NULL, &evaluation);
  }
  if (status.code == CNN_OK) {
    (arguments->json ? print_json : print_text)(network, data, &evaluation);
    status = cnn_program_finish();
  }
  if (status.code == CNN_OK && arguments->confusion) status = cnn_confusion_write(arguments->confusion, network, data, &evaluation);
  cnn_evaluation_free(&evaluation);
  cnn_data_close(data);
  free(weights);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_eval(const cnn_program *program, int argc, char **argv) {
  Arguments a = {0};
  const cnn_flag flag[] = {
    {"data", 0, CNN_VALUE_TEXT, &a.data, "PATH", "a data set; its test part is read, or all of it where it has none", 0, 0, NULL, NULL},
    {"target", 0, CNN_VALUE_TEXT, &a.target, "NAME",
     "the column of a .csv that is to be predicted (the last), by name or number", 0, 0, NULL, NULL},
    {"weights", 0, CNN_VALUE_TEXT, &a.weights, "W", ".safetensors or .npz; not needed when the program has weights inside", 0, 0, NULL, NULL},
    {"weights-prefix", 0, CNN_VALUE_TEXT, &a.prefix, "PREFIX",
     "what its names begin with besides, as 'module.'", 0, 0, NULL, NULL},
    {"json", 0, CNN_VALUE_FLAG, &a.json, "", "the same as JSON", 0, 0, NULL, NULL},
    {"confusion", 0, CNN_VALUE_TEXT, &a.confusion, "FILE.svg|.txt", "which classes are taken for which", 0, 0, NULL, NULL},
    {"limit", 0, CNN_VALUE_WHOLE, &a.limit, "N", "only the first N samples", 1, 1e15, NULL, NULL},
    {"threads", 0, CNN_VALUE_WHOLE, &a.threads, "N", "processors to use (all)", 1, 4096, NULL, NULL},
    {"fit", 0, CNN_VALUE_CHOICE, &a.fit, "stretch|crop|letterbox", "how pictures of another size come to fit", 0, 0, cnn_fit_choices, NULL},
  };
  cnn_usage usage = {program->name, "eval", "", "Loss, metrics and a table of classes on a data set.", flag, sizeof flag / sizeof *flag};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  if (parsed != CNN_GO_ON) return parsed;
  if (!a.data) return cnn_usage_error(&usage, "it needs --data");
  if (!a.weights && !program->network->initial && program->network->parameters > 0) return cnn_usage_error(&usage, "it needs --weights");
  static const char *const kinds[] = {".svg", ".txt", NULL};
  int suffix = cnn_usage_suffix(&usage, "--confusion", a.confusion, kinds);
  return suffix == CNN_GO_ON ? evaluate(program, &a) : suffix;
}
