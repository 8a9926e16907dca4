/* first.c: Initial weights of a run. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/training/training.h"
#include "hosted/weights/archive.h"
#include "hosted/weights/origin.h"
#include "hosted/weights/rows.h"

static void first_weights(Training *training) {
  const cnn_network *network = training->network;
  float *weights = training->run.trainer.weights;
  if (network->initial) {
    memcpy(weights, network->initial, (size_t)network->parameters * sizeof(float));
  } else {
    network->init(weights, training->run.trainer.recipe.seed);
  }
}

/* Compares the class names in the weight file with the net's labels. Weights for other classes are accepted,
 * because the net learns its own classes. If the classes are equal but in another order, permutes the rows of
 * the score layer to the order of the labels, provided that cnn_rows_by_class finds this layer. */
static cnn_status compare_classes(const Training *training) {
  const char *path = training->options->init, *layer = NULL;
  cnn_archive archive;
  char doubt[700] = "";
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code != CNN_OK) return status;
  status = cnn_origin_check(&archive, path, training->network, doubt, sizeof doubt);
  const bool moved = status.code == CNN_MISMATCH;
  if (moved) {
    cnn_training_note(training, "%s", status.message);
    status = cnn_rows_by_class(training->network, &archive, path, training->options->init_names.prefix,
                               training->run.trainer.weights, &layer);
  }
  cnn_archive_close(&archive);
  if (status.code == CNN_OK && layer)
    cnn_training_note(training, "%s: the rows of %s are matched to the labels by class name", path, layer);
  else if (status.code == CNN_OK && moved)
    cnn_training_note(training,
                      "%s: the rows of the score layer cannot be matched to the labels: training adapts "
                      "these rows",
                      path);
  if (*doubt) cnn_training_note(training, "%s", doubt);
  return status;
}

/* ---- Frozen weights */

/* Whether a weight is initialized with random numbers. `others`: the initial weights with another seed. */
static bool is_random(const cnn_weight *weight, const float *weights, const float *others) {
  const size_t bytes = (size_t)weight->size * sizeof(float);
  return memcmp(weights + weight->offset, others + weight->offset, bytes) != 0;
}

/* Whether a weight is frozen, or is a statistic of a frozen batchnorm. Weights of the same layer are
 * consecutive. */
static bool is_fixed(const cnn_network *network, int32_t w) {
  const char *name = network->weight[w].name, *dot = strrchr(name, '.');
  const size_t n = dot ? (size_t)(dot - name) + 1 : 0;
  while (network->weight[w].role == CNN_STATISTIC && w > 0 && n > 0 &&
         strncmp(network->weight[w - 1].name, name, n) == 0)
    w--;
  return network->weight[w].role == CNN_FROZEN;
}

typedef struct Stranded { /* frozen weights whose initial values are random or undefined, and remain so */
  int32_t count, frozen;
  const char *first;
} Stranded;

/* Finds the frozen weights whose initial values would remain random or undefined. `taken`: whether each
 * weight is from a file; NULL: no weight is. */
static cnn_status find_stranded(const Training *training, const bool *taken, Stranded *stranded) {
  const cnn_network *network = training->network;
  int32_t left = 0;
  *stranded = (Stranded){0};
  for (int32_t w = 0; w < network->weights; w++) {
    const bool frozen = is_fixed(network, w);
    stranded->frozen += frozen;
    left += frozen && !(taken && taken[w]);
  }
  if (left == 0 || network->initial) return cnn_success();
  float *other = malloc((size_t)network->parameters * sizeof *other);
  if (!other) return cnn_failure(CNN_NO_MEMORY, "out of memory for the initial weights");
  network->init(other, training->run.trainer.recipe.seed + 1);
  for (int32_t w = 0; w < network->weights; w++) {
    const cnn_weight *weight = &network->weight[w];
    if (!is_fixed(network, w) || (taken && taken[w])) continue;
    const bool unmeasured = taken && weight->role == CNN_STATISTIC;
    if (!unmeasured && !is_random(weight, training->run.trainer.weights, other)) continue;
    if (stranded->count++ == 0) stranded->first = weight->name;
  }
  free(other);
  return cnn_success();
}

/* Rejects frozen weights with random values, because they would stay random. Rejects frozen statistics that
 * were not computed from data, because they would stay wrong. */
static cnn_status refuse_stranded(const Training *training, const bool *taken) {
  Stranded stranded;
  const cnn_status status = find_stranded(training, taken, &stranded);
  if (status.code != CNN_OK || stranded.count == 0) return status;
  return cnn_failure(CNN_MISMATCH,
                     "%s: lacks %d of the %d frozen weights (first: %s), which would keep their "
                     "initial values; if the file has these weights under other names, use --rename or "
                     "--match=order, otherwise remove frozen=true",
                     training->options->init, (int)stranded.count, (int)stranded.frozen, stranded.first);
}

/* ---- weights of a file */

/* The first few lines of a text, and the number of the remaining lines; from malloc. NULL: out of memory. */
static char *lines_first(const char *text) {
  enum { SHOWN = 12, MORE = 40 };
  const char *end = text;
  int32_t lines = 0, left = 0;
  for (; *end && lines < SHOWN; lines++) end += strcspn(end, "\n") + (strchr(end, '\n') ? 1 : 0);
  for (const char *at = end; *at; left++) at += strcspn(at, "\n") + (strchr(at, '\n') ? 1 : 0);
  const size_t n = (size_t)(end - text);
  char *shown = malloc(n + MORE);
  if (!shown) return NULL;
  memcpy(shown, text, n);
  shown[n] = 0;
  if (left > 0) snprintf(shown + n, MORE, "... and %d more", (int)left);
  return shown;
}

/* Reports the numbers of loaded and of newly initialized weights, then differences, warning and renames. */
static cnn_status tell_taken(Training *training, const cnn_weights_report *report) {
  const char *const init = training->options->init;
  const int32_t all = training->network->weights, fresh = report->missing + report->differing;
  char anew[48] = "";
  if (fresh > 0) snprintf(anew, sizeof anew, "; %d initialized", (int)fresh);
  cnn_training_note(training, "%s: %d of %d weights loaded%s%s", init, (int)report->matched, (int)all, anew,
                    report->text ? "; differences:" : "");
  char *lines = report->text ? lines_first(report->text) : NULL;
  if (report->text && !lines) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", init);
  if (lines) cnn_training_tell(training, lines);
  free(lines);
  if (*report->warning) cnn_training_note(training, "%s: warning: %s", init, report->warning);
  if (report->renames) cnn_training_tell(training, report->renames);
  return cnn_success();
}

static cnn_status take_init(Training *training) {
  const char *const init = training->options->init;
  cnn_weights_report report = {0};
  cnn_status status = cnn_weights_load_named(training->network, init, &training->options->init_names, true,
                                             training->run.trainer.weights, &report);
  if (status.code == CNN_OK) status = tell_taken(training, &report);
  if (status.code == CNN_OK) status = refuse_stranded(training, report.taken);
  cnn_weights_report_free(&report);
  return status.code == CNN_OK ? compare_classes(training) : status;
}

cnn_status cnn_training_first_weights(Training *training) {
  first_weights(training);
  if (training->options->init) return take_init(training);
  Stranded stranded;
  const cnn_status status = find_stranded(training, NULL, &stranded);
  if (status.code == CNN_OK && stranded.count > 0)
    cnn_training_note(training,
                      "%d of %d frozen weights keep random values (first: %s); --init loads them from a file",
                      (int)stranded.count, (int)stranded.frozen, stranded.first);
  return status;
}
