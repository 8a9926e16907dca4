/* program_recordings.c: `net eval RECORDING... --truth FILE`: detections in long recordings, compared with
 * the windows in which words are spoken. Hits and false detections are counted as in MLPerf Tiny. */
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
  double from, to; /* seconds */
  bool found;
} Window;

typedef struct Recordings {
  cnn_rows rows;
  cnn_detector detector;
  const char *path; /* path of the file of windows */
  json_t *truth;    /* contents of this file */
  Window *window;   /* windows of the current recording */
  size_t windows;
  double counted; /* time of the latest counted false detection; negative: none */
  int64_t found, wrong, missed;
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

static cnn_status windows_read(Recordings *r, size_t entry, const json_t *list) {
  size_t k;
  const json_t *pair;
  Window *grown = realloc(r->window, (json_array_size(list) + 1) * sizeof *grown);
  if (!grown) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", r->path);
  r->window = grown;
  r->windows = json_array_size(list);
  json_array_foreach(list, k, pair) {
    const json_t *from = json_array_get(pair, 0), *to = json_array_get(pair, 1);
    Window *window = &r->window[k];
    *window = (Window){json_number_value(from), json_number_value(to), false};
    if (json_array_size(pair) == 2 && json_is_number(from) && json_is_number(to) &&
        window->from <= window->to)
      continue;
    return cnn_failure(
        CNN_BAD_FORMAT,
        "%s: [%zu].detection_windows[%zu]: must be two numbers: the start and the end in seconds", r->path,
        entry, k);
  }
  return cnn_success();
}

/* Finds the detection windows of a recording by its file name. Folders in `path` and in wav_file are
 * ignored. */
static cnn_status windows_find(Recordings *r, const char *path) {
  size_t k;
  const json_t *entry;
  json_array_foreach(r->truth, k, entry) {
    const json_t *name = json_object_get(entry, "wav_file"),
                 *list = json_object_get(entry, "detection_windows");
    if (!json_is_string(name) || !json_is_array(list))
      return cnn_failure(CNN_BAD_FORMAT,
                         "%s: [%zu]: must have a string wav_file and a list detection_windows", r->path, k);
    if (strcmp(base_name(json_string_value(name)), base_name(path)) == 0) return windows_read(r, k, list);
  }
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

static cnn_status print_counts(const Recordings *r) {
  const double hours = r->seconds / 3600;
  json_t *rate = hours > 0 ? json_real((double)r->wrong / hours) : json_null();
  json_t *root = json_pack("{s:I, s:I, s:I, s:f, s:o}", "true", (json_int_t)r->found, "false_positives",
                           (json_int_t)r->wrong, "false_negatives", (json_int_t)r->missed, "hours", hours,
                           "per_hour", rate);
  const bool complete = root && json_dumpf(root, stdout, JSON_REAL_PRECISION(9)) == 0;
  json_decref(root);
  if (!complete && !ferror(stdout)) return cnn_failure(CNN_NO_MEMORY, "no memory for the result as JSON");
  printf("\n");
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
