/* program_eval.c: `net eval`: Metrics of a net on a data set. */
// SPDX-License-Identifier: MIT-0
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/base/threads.h"
#include "hosted/commands/judged.h"
#include "hosted/commands/program.h"
#include "hosted/commands/program_stream.h"
#include "hosted/display/width.h"
#include "hosted/commands/written.h"
#include "hosted/data/unscaled.h"
#include "hosted/training/findings.h"
#include "hosted/training/measure.h"

typedef struct Arguments {
  const char *data, *target, *weights, *confusion, *curves, *truth;
  cnn_weights_names names;
  bool json, skip_bad, stream;
  int64_t threads, limit;
  int fit;
  cnn_detect_options detect;
} Arguments;

static json_t *real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* Whether classes are counted pixel by pixel; then each class has an intersection over union. */
static bool counts_pixels(const cnn_network *network) {
  const int32_t output = cnn_tally_first(network);
  return output >= 0 && cnn_judge(network, output).positions > 1;
}

static json_t *class_json(const cnn_network *network, const cnn_data *data, const cnn_class_counts *counts,
                          int32_t c) {
  char room[24];
  /* null if the name is not UTF-8 */
  json_t *label = json_string(cnn_program_label(network, data, c, room));
  json_t *row = json_pack("{s:o, s:I, s:o, s:o, s:o}", "label", label ? label : json_null(), "samples",
                          (json_int_t)counts->samples, "precision", real(cnn_class_precision(counts)),
                          "recall", real(cnn_class_recall(counts)), "f1", real(cnn_class_f1(counts)));
  if (!row || !counts_pixels(network) || json_object_set_new(row, "iou", real(cnn_class_iou(counts))) == 0)
    return row;
  json_decref(row);
  return NULL;
}

static cnn_status print_json(const cnn_network *network, const cnn_data *data,
                             const cnn_evaluation *evaluation) {
  const cnn_measures *measures = &evaluation->measures;
  json_t *metrics = json_object(), *classes = json_array();
  bool complete = true;
  for (int32_t i = 0; i < measures->metrics; i++) {
    complete = json_object_set_new(metrics, measures->metric[i].name, real(measures->metric[i].value)) == 0 &&
               complete;
  }
  for (int32_t c = 0; c < evaluation->classes; c++) {
    complete =
        json_array_append_new(classes, class_json(network, data, &evaluation->counts[c], c)) == 0 && complete;
  }
  json_t *root = json_pack("{s:I, s:o, s:o, s:o}", "samples", (json_int_t)measures->samples, "loss",
                           real(measures->loss), "metrics", metrics, "classes", classes);
  complete = complete && root && cnn_objects_json(network, data, evaluation, root);
  complete = complete && json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
  json_decref(root);
  if (!complete && !ferror(stdout)) return cnn_failure(CNN_NO_MEMORY, "no memory for the result as JSON");
  printf("\n");
  return cnn_success();
}

static cnn_status print_text(const cnn_network *network, const cnn_data *data,
                             const cnn_evaluation *evaluation) {
  const cnn_measures *measures = &evaluation->measures;
  int width = 12;
  for (int32_t i = 0; i < measures->metrics; i++) {
    if (cnn_text_columns(measures->metric[i].name) > width)
      width = cnn_text_columns(measures->metric[i].name);
  }
  printf("%-*s %s\n", width, "samples", cnn_number_grouped(measures->samples).text);
  if (!isnan(measures->loss)) printf("%-*s %s\n", width, "loss", cnn_number_fixed(measures->loss, 4).text);
  for (int32_t i = 0; i < measures->metrics; i++) {
    printf("%-*s %s\n", width, measures->metric[i].name, cnn_number_fixed(measures->metric[i].value, 4).text);
  }
  cnn_objects_print(network, data, &evaluation->objects);
  if (evaluation->classes == 0) return cnn_success();
  width = 5;
  char room[24];
  for (int32_t c = 0; c < evaluation->classes; c++) {
    int own = cnn_text_columns(cnn_program_label(network, data, c, room));
    if (own > width) width = own;
  }
  const bool pixels = counts_pixels(network);
  printf("\n%-*s %10s %10s %10s %10s", width, "class", pixels ? "pixels" : "samples", "precision", "recall",
         "f1");
  if (pixels) printf(" %10s", "iou");
  printf("\n");
  for (int32_t c = 0; c < evaluation->classes; c++) {
    const cnn_class_counts *counts = &evaluation->counts[c];
    const char *label = cnn_program_label(network, data, c, room);
    printf("%s%*s %10s %10s %10s %10s", label, width - cnn_text_columns(label), "",
           cnn_number_grouped(counts->samples).text, cnn_number_fixed(cnn_class_precision(counts), 4).text,
           cnn_number_fixed(cnn_class_recall(counts), 4).text,
           cnn_number_fixed(cnn_class_f1(counts), 4).text);
    if (pixels) printf(" %10s", cnn_number_fixed(cnn_class_iou(counts), 4).text);
    printf("\n");
  }
  return cnn_success();
}

/* Prints on standard error which samples are evaluated. */
static void print_samples(const cnn_network *network, const cnn_data *data, const Arguments *arguments) {
  const int64_t samples = cnn_data_count(data, CNN_PART_TEST), shared = cnn_data_shared(data);
  const bool test = cnn_data_has_test(data);
  fprintf(stderr, "data: %s: %s%s, %s sample%s", arguments->data,
          samples == arguments->limit ? "the start of " : "", test ? "the test part" : "the whole set",
          cnn_number_grouped(samples).text, samples == 1 ? "" : "s");
  if (!test) fprintf(stderr, ", because it has no test part");
  if (shared > 0 && network->recipe)
    fprintf(stderr, "; if the net was trained on this set, %s of them were used for training",
            cnn_number_grouped(shared).text);
  fprintf(stderr, "\n%s", cnn_data_notes(data));
}

static void print_line(void *context, const char *line) {
  (void)context;
  fprintf(stderr, "%s\n", line);
}

static cnn_status inspect(const cnn_data *data, const Arguments *arguments) {
  const cnn_inspection inspection = {.samples = {[CNN_PART_TEST] = cnn_data_count(data, CNN_PART_TEST)},
                                     .threads = cnn_threads((int32_t)arguments->threads),
                                     .tell = print_line};
  return cnn_data_inspect(data, &inspection);
}

static int evaluate(const cnn_program *program, const cnn_usage *usage, const cnn_written *written,
                    const Arguments *arguments) {
  const cnn_network *network = program->network;
  cnn_data *data = NULL;
  float *weights = NULL;
  cnn_evaluation evaluation = {0};
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.limit = arguments->limit;
  options.target = arguments->target;
  options.fit = (cnn_fit)arguments->fit;
  options.skip_bad = arguments->skip_bad;
  cnn_status status = cnn_program_weights(program, arguments->weights, &arguments->names, &weights);
  options.val = cnn_program_val(program); /* as in training, so that cnn_data_shared is right */
  if (status.code == CNN_OK) status = cnn_data_open(&data, arguments->data, network, &options);
  const int spared = status.code == CNN_OK ? cnn_written_spares_data(usage, written, data) : CNN_GO_ON;
  if (spared != CNN_GO_ON) {
    cnn_data_close(data);
    free(weights);
    return spared;
  }
  if (status.code == CNN_OK && cnn_data_count(data, CNN_PART_TEST) == 0) {
    status = cnn_failure(CNN_MISMATCH, "%s: no samples to evaluate", arguments->data);
  }
  if (status.code == CNN_OK) {
    print_samples(network, data, arguments);
    status = inspect(data, arguments);
  }
  if (status.code == CNN_OK && !arguments->json)
    status = cnn_data_hint_unscaled(data, network, CNN_PART_TEST);
  if (status.code == CNN_OK) {
    status = cnn_evaluate(network, weights, data, CNN_PART_TEST, (int32_t)arguments->threads,
                          arguments->confusion != NULL, NULL, &evaluation);
  }
  if (status.code == CNN_OK) {
    status = (arguments->json ? print_json : print_text)(network, data, &evaluation);
    if (status.code == CNN_OK) status = cnn_program_finish();
  }
  if (status.code == CNN_OK && arguments->confusion)
    status = cnn_confusion_write(arguments->confusion, network, data, &evaluation);
  if (status.code == CNN_OK && arguments->curves)
    status = cnn_objects_curves(arguments->curves, network, data, &evaluation.objects);
  cnn_evaluation_free(&evaluation);
  cnn_data_close(data);
  free(weights);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

static int eval_recordings(const cnn_program *program, const cnn_usage *usage, const Arguments *a, int files,
                           char **file) {
  const cnn_stream_arguments arguments = {a->weights, a->truth, &a->names, &a->detect, a->threads, a->json};
  if (files == 0)
    return a->truth ? cnn_usage_error(usage, "--truth needs a recording")
                    : cnn_usage_error(usage, CNN_DETECT_WANTS, "--truth");
  if (!a->truth) return cnn_usage_error(usage, "a recording needs --truth; a data set is read with --data");
  const char *other = a->data ? "--data" : a->confusion ? "--confusion" : a->curves ? "--curves" : NULL;
  if (other) return cnn_usage_error(usage, "--truth excludes %s", other);
  const int ready = cnn_program_needs_weights(usage, program, a->weights);
  return ready == CNN_GO_ON ? cnn_eval_recordings(program, &arguments, files, file) : ready;
}

int cnn_program_eval(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.fit = (int)cnn_fit_usual(program->network), .detect = CNN_DETECT_DEFAULTS};
  const cnn_flag flag[] = {
      {"data", 0, CNN_VALUE_TEXT, &a.data, "PATH",
       "a data set: its test part, or the whole set if it has no test part", 0, 0, NULL, NULL},
      {"target", 0, CNN_VALUE_TEXT, &a.target, "NAME",
       "target column of a .csv, by name or number (default: the last)", 0, 0, NULL, NULL},
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"json", 0, CNN_VALUE_FLAG, &a.json, "", "print the result as JSON", 0, 0, NULL, NULL},
      {"confusion", 0, CNN_VALUE_TEXT, &a.confusion, "FILE.svg|.txt", "the confusion matrix of classes", 0, 0,
       NULL, NULL},
      {"curves", 0, CNN_VALUE_TEXT, &a.curves, "FILE.svg",
       "precision-recall curve of each class, for boxes or masks", 0, 0, NULL, NULL},
      {"limit", 0, CNN_VALUE_WHOLE, &a.limit, "N", "only the first N samples", 1, 1e15, NULL, NULL},
      CNN_FLAGS_THREADS(a.threads, program),
      CNN_FLAG_FIT(a.fit, NULL),
      {"truth", 0, CNN_VALUE_TEXT, &a.truth, "FILE.json",
       "for recordings: [{\"wav_file\", \"detection_windows\": [[from, to], ...]}] in seconds; counts true "
       "and "
       "false detections",
       0, 0, NULL, NULL},
      {"stream", 0, CNN_VALUE_FLAG, &a.stream, "",
       "for recordings: as in predict --stream; --truth implies --stream", 0, 0, NULL, NULL},
      CNN_FLAGS_DETECT(a.detect),
      {"skip-bad", 0, CNN_VALUE_FLAG, &a.skip_bad, "", "skip and count unusable images, sounds and boxes", 0,
       0, NULL, NULL},
  };
  cnn_usage usage = {program->name,
                     "eval",
                     "[RECORDING.wav...]",
                     "Loss, metrics and a table of classes on a data set. For recordings, compares the "
                     "detections with --truth.",
                     flag,
                     sizeof flag / sizeof *flag};
  int operand;
  const int parsed = cnn_usage_parse(&usage, argc, argv, &operand);
  if (parsed != CNN_GO_ON) return parsed;
  cnn_program_begin(program);
  if (operand < argc || a.truth || a.stream || a.detect.given)
    return eval_recordings(program, &usage, &a, argc - operand, argv + operand);
  if (!a.data) return cnn_usage_error(&usage, "this command needs --data");
  int ready = cnn_program_needs_weights(&usage, program, a.weights);
  if (ready != CNN_GO_ON) return ready;
  static const char *const kinds[] = {".svg", ".txt", NULL}, *const svg[] = {".svg", NULL};
  const cnn_written written[] = {{"--confusion", a.confusion}, {"--curves", a.curves}, {NULL, NULL}};
  int status = cnn_usage_suffix(&usage, "--confusion", a.confusion, kinds);
  if (status == CNN_GO_ON) status = cnn_usage_suffix(&usage, "--curves", a.curves, svg);
  if (status == CNN_GO_ON) status = cnn_written_apart(&usage, written);
  if (status == CNN_GO_ON) status = cnn_written_spares(&usage, written, a.data, "the data are read from it");
  if (status == CNN_GO_ON) {
    status = cnn_written_spares(&usage, written, a.weights, "the weights are read from it");
  }
  return status == CNN_GO_ON ? evaluate(program, &usage, written, &a) : status;
}
