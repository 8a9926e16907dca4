/* program_recordings.c: `net eval RECORDING... --truth FILE`: detections in long recordings, compared with
 * the windows in which words are spoken, and with the labels of these windows. Hits and false detections are
 * counted as in MLPerf Tiny. */
// SPDX-License-Identifier: MIT-0
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/file.h"
#include "hosted/commands/program_stream.h"

/* In seconds. late: maximum delay of a detection after its word. apart: for this time after a counted false
 * detection, no other false detection is counted. */
static const double late = 1, apart = 1;

typedef struct Window {
  double from, to;   /* seconds */
  const char *label; /* the word that is spoken; NULL: any word */
  bool found;
} Window;

typedef struct Recordings {
  cnn_rows rows;
  cnn_detector detector;
  const char *path; /* path of the file of windows */
  json_t *truth;    /* contents of this file */
  Window *window;   /* windows of the current recording */
  size_t windows;
  double counted;                          /* time of the latest counted false detection; negative: none */
  int64_t found, wrong, missed, unlabeled; /* unlabeled: windows without a label */
  double seconds;
} Recordings;

/* ---- The file of windows */

static cnn_status truth_read(Recordings *r) {
  char *text = NULL;
  size_t length = 0;
  json_error_t error;
  cnn_status status = cnn_text_read(r->path, &text, &length);
  if (status.code != CNN_OK) return status;
  r->truth = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  free(text);
  if (!r->truth) return cnn_failure(CNN_BAD_FORMAT, "%s: line %d: %s", r->path, error.line, error.text);
  if (json_is_array(r->truth)) return status;
  return cnn_failure(CNN_BAD_FORMAT, "%s: must be a list of objects with wav_file and detection_windows",
                     r->path);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* The label of window k of an entry: "label" is that of all windows, "labels" has one for each window. */
static cnn_status label_read(Recordings *r, size_t entry, const json_t *object, size_t k,
                             const char **label) {
  const json_t *one = json_object_get(object, "label"), *list = json_object_get(object, "labels"),
               *value = list ? json_array_get(list, k) : one;
  *label = json_string_value(value);
  if (!one && !list) return cnn_success();
  if (one && list) return cnn_failure(CNN_BAD_FORMAT, "%s: [%zu]: has both label and labels", r->path, entry);
  if (list && json_array_size(list) != json_array_size(json_object_get(object, "detection_windows")))
    return cnn_failure(CNN_BAD_FORMAT, "%s: [%zu].labels: must have a string for each of the %zu windows",
                       r->path, entry, json_array_size(json_object_get(object, "detection_windows")));
  if (*label && cnn_detector_find(&r->detector, *label) >= 0) return cnn_success();
  return cnn_failure(CNN_MISMATCH,
                     *label ? "%s: [%zu]: \"%s\" is not a word that the net detects"
                            : "%s: [%zu]: a label must be a string",
                     r->path, entry, *label);
}

static cnn_status windows_read(Recordings *r, size_t entry, const json_t *object) {
  size_t k;
  const json_t *pair, *list = json_object_get(object, "detection_windows");
  Window *grown = realloc(r->window, (r->windows + json_array_size(list) + 1) * sizeof *grown);
  if (!grown) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", r->path);
  r->window = grown;
  json_array_foreach(list, k, pair) {
    const json_t *from = json_array_get(pair, 0), *to = json_array_get(pair, 1);
    Window *window = &r->window[r->windows++];
    *window = (Window){json_number_value(from), json_number_value(to), NULL, false};
    if (json_array_size(pair) != 2 || !json_is_number(from) || !json_is_number(to) ||
        window->from > window->to)
      return cnn_failure(
          CNN_BAD_FORMAT,
          "%s: [%zu].detection_windows[%zu]: must be two numbers: the start and the end in seconds", r->path,
          entry, k);
    const cnn_status status = label_read(r, entry, object, k, &window->label);
    if (status.code != CNN_OK) return status;
    r->unlabeled += !window->label;
  }
  return cnn_success();
}

/* Finds the detection windows of a recording by its file name. Folders in `path` and in wav_file are
 * ignored. Further entries with the same wav_file add windows. */
static cnn_status windows_find(Recordings *r, const char *path) {
  size_t k;
  const json_t *entry;
  const char *found = NULL;
  r->windows = 0;
  json_array_foreach(r->truth, k, entry) {
    const char *name = json_string_value(json_object_get(entry, "wav_file"));
    if (!name || !json_is_array(json_object_get(entry, "detection_windows")))
      return cnn_failure(CNN_BAD_FORMAT,
                         "%s: [%zu]: must have a string wav_file and a list detection_windows", r->path, k);
    if (found ? strcmp(name, found) != 0 : strcmp(base_name(name), base_name(path)) != 0) continue;
    found = name;
    const cnn_status status = windows_read(r, k, entry);
    if (status.code != CNN_OK) return status;
  }
  if (found) return cnn_success();
  return cnn_failure(CNN_MISMATCH, "%s: contains no detection windows of %s", r->path, base_name(path));
}

/* ---- Counts */

static cnn_status row_take(void *context, const cnn_row *row) {
  Recordings *r = context;
  cnn_detection found;
  bool right = false;
  if (!cnn_detector_row(&r->detector, row, &found)) return cnn_success();
  for (size_t i = 0; i < r->windows; i++) {
    Window *window = &r->window[i];
    if (found.time < window->from || found.time > window->to + late) continue;
    if (window->label && strcmp(window->label, found.label) != 0) continue;
    window->found = right = true;
  }
  if (right || (r->counted >= 0 && found.time - r->counted <= apart)) return cnn_success();
  r->counted = found.time;
  r->wrong++;
  return cnn_success();
}

static cnn_status recording_run(Recordings *r, const char *path) {
  double seconds = 0;
  r->counted = -1;
  cnn_detector_reset(&r->detector);
  cnn_status status = windows_find(r, path);
  if (status.code == CNN_OK) status = cnn_rows_file(&r->rows, path, &seconds);
  if (status.code != CNN_OK) return status;
  for (size_t i = 0; i < r->windows; i++) {
    r->found += r->window[i].found;
    r->missed += !r->window[i].found;
  }
  r->seconds += seconds;
  return status;
}

static cnn_status print_counts(Recordings *r) {
  const int64_t words = cnn_detector_words(&r->detector);
  const double hours = r->seconds / 3600;
  json_t *rate = hours > 0 ? json_real((double)r->wrong / hours) : json_null();
  json_t *root = json_pack("{s:I, s:I, s:I, s:f, s:o}", "true", (json_int_t)r->found, "false_positives",
                           (json_int_t)r->wrong, "false_negatives", (json_int_t)r->missed, "hours", hours,
                           "per_hour", rate);
  const bool complete = root && json_dumpf(root, stdout, JSON_REAL_PRECISION(9)) == 0;
  json_decref(root);
  if (!complete && !ferror(stdout)) return cnn_failure(CNN_NO_MEMORY, "no memory for the result as JSON");
  printf("\n");
  if (r->unlabeled > 0 && words > 1)
    fprintf(stderr,
            "%s: %lld windows have no label: a detection of any of the %lld words counts as true there\n",
            r->path, (long long)r->unlabeled, (long long)words);
  return cnn_program_finish();
}

int cnn_eval_recordings(const cnn_program *program, const cnn_stream_arguments *arguments, int files,
                        char **file) {
  Recordings r = {.path = arguments->truth};
  float *weights = NULL;
  cnn_status status = cnn_program_weights(program, arguments->weights, arguments->names, &weights);
  if (status.code == CNN_OK) status = truth_read(&r);
  if (status.code == CNN_OK)
    status = cnn_rows_open(&r.rows, program->network, weights, (int32_t)arguments->threads,
                           arguments->detect->hop);
  free(weights);
  if (status.code == CNN_OK) status = cnn_detector_open(&r.detector, &r.rows, arguments->detect);
  r.rows.take = row_take;
  r.rows.context = &r;
  for (int i = 0; i < files && status.code == CNN_OK; i++) status = recording_run(&r, file[i]);
  if (status.code == CNN_OK) status = print_counts(&r);
  cnn_detector_close(&r.detector);
  if (r.rows.network) cnn_rows_close(&r.rows);
  json_decref(r.truth);
  free(r.window);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}
