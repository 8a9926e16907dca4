/* detect.c: Detection of classes in rows of scores. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/detect.h"

#include <stdlib.h>
#include <string.h>
#include "hosted/commands/program.h"

cnn_status cnn_detector_open(cnn_detector *detector, const cnn_rows *rows,
                             const cnn_detect_options *options) {
  const cnn_network *network = rows->network;
  *detector = (cnn_detector){rows, options, rows->judged.channels, 0, NULL, 0, ""};
  if (rows->judged.classes == 0)
    return cnn_failure(CNN_MISMATCH, "detections need class scores, and no output of %s has any",
                       network->name);
  detector->latest = calloc((size_t)(options->average * detector->channels), sizeof *detector->latest);
  return detector->latest ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "no memory for the latest rows");
}

void cnn_detector_close(cnn_detector *detector) { free(detector->latest); }

void cnn_detector_reset(cnn_detector *detector) {
  detector->rows = 0;
  detector->free_from = 0;
}

/* A net with a single score has two classes, and the score is that of the second class. But if the net
 * has only one label, the score is that of this label. */
static const char *label_of(cnn_detector *detector, int64_t channel) {
  const cnn_network *network = detector->source->network;
  const bool single = detector->channels == 1 && network->labels != 1;
  return cnn_program_label(network, NULL, channel + single, detector->room);
}

/* True for "silence" and "unknown", with or without underscores around them. These labels mean that a sound
 * has no word to detect. */
static bool is_background(const char *label) {
  label += strspn(label, "_");
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "unknown" : "silence";
    const size_t n = strlen(name);
    if (strncmp(label, name, n) == 0 && label[n + strspn(label + n, "_")] == 0) return true;
  }
  return false;
}

int64_t cnn_detector_find(cnn_detector *detector, const char *label) {
  for (int64_t c = 0; c < detector->channels; c++)
    if (!is_background(label_of(detector, c)) && strcmp(label_of(detector, c), label) == 0) return c;
  return -1;
}

int64_t cnn_detector_words(cnn_detector *detector) {
  int64_t words = 0;
  for (int64_t c = 0; c < detector->channels; c++) words += !is_background(label_of(detector, c));
  return words;
}

/* By default, at least the duration of the window: a word is detected as long as it is in the window. */
static double hold_of(const cnn_detector *detector) {
  const cnn_rows *rows = detector->source;
  const cnn_network *network = rows->network;
  const int64_t samples = network->window > 0                             ? network->window
                          : !network->step && rows->judged.positions == 1 ? network->input[0].dim[0]
                                                                          : 0;
  if (detector->options->hold >= 0) return detector->options->hold;
  return rows->rate > 0 && samples > rows->rate ? (double)samples / (double)rows->rate : 1;
}

bool cnn_detector_row(cnn_detector *detector, const cnn_row *row, cnn_detection *found) {
  const int64_t channels = detector->channels, most = detector->options->average;
  memcpy(detector->latest + detector->rows % most * channels, row->score, (size_t)channels * sizeof(double));
  detector->rows++;
  const int64_t rows = detector->rows < most ? detector->rows : most;
  int64_t best = -1;
  double top = 0;
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0;
    for (int64_t r = 0; r < rows; r++) sum += detector->latest[r * channels + c];
    if (is_background(label_of(detector, c)) || (best >= 0 && !(sum > top))) continue;
    best = c;
    top = sum;
  }
  if (best < 0 || !(top / (double)rows >= detector->options->threshold) || row->time < detector->free_from)
    return false;
  detector->free_from = row->time + hold_of(detector);
  *found = (cnn_detection){row->time, label_of(detector, best), top / (double)rows};
  return true;
}
