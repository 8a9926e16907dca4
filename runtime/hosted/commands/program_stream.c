/* program_stream.c: `net predict --stream`: Detections in recordings, or the scores of all rows. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/program_stream.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/json.h"
#include "hosted/base/number.h"

typedef struct Stream {
  cnn_rows rows;
  cnn_detector detector;
  const char *path; /* path of the recording */
  bool json, any;   /* any: a row was printed */
} Stream;

static json_t *real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static cnn_status print_row(Stream *stream, const cnn_row *row) {
  json_t *scores = json_array(), *name = json_string(stream->path); /* name: null if the path is not UTF-8 */
  bool fine = scores != NULL;
  for (int64_t c = 0; c < row->channels; c++)
    fine = json_array_append_new(scores, real(row->score[c])) == 0 && fine;
  json_t *object = json_pack("{s:o, s:o, s:I, s:o}", "input", name ? name : json_null(), "time",
                             real(row->time), "row", (json_int_t)row->number, "scores", scores);
  char *text = object && fine ? json_dumps(object, JSON_REAL_PRECISION(9)) : NULL;
  json_decref(object);
  if (!text) return cnn_failure(CNN_NO_MEMORY, "no memory for a row as JSON");
  printf("%c%s\n", stream->any ? ',' : '[', text); /* one line per row, for readers of a pipe */
  free(text);
  stream->any = true;
  return cnn_program_finish(); /* flushes each row */
}

static cnn_status row_take(void *context, const cnn_row *row) {
  Stream *stream = context;
  cnn_detection found;
  if (stream->json) return print_row(stream, row);
  if (!cnn_detector_row(&stream->detector, row, &found)) return cnn_success();
  printf("%s %s s: %s %s\n", stream->path, cnn_number_fixed(found.time, 2).text, found.label,
         cnn_number_fixed(found.score, 4).text);
  return cnn_program_finish();
}

static cnn_status run(Stream *stream, const char *path) {
  stream->path = path;
  if (!stream->json) cnn_detector_reset(&stream->detector);
  return strcmp(path, "-") == 0 ? cnn_rows_pipe(&stream->rows) : cnn_rows_file(&stream->rows, path, NULL);
}

int cnn_predict_stream(const cnn_program *program, const cnn_stream_arguments *arguments, int files,
                       char **file) {
  Stream stream = {.json = arguments->json};
  float *weights = NULL;
  cnn_status status = cnn_program_weights(program, arguments->weights, arguments->names, &weights);
  if (status.code == CNN_OK)
    status = cnn_rows_open(&stream.rows, program->network, weights, (int32_t)arguments->threads,
                           arguments->detect->hop);
  free(weights);
  if (status.code == CNN_OK && !stream.json)
    status = cnn_detector_open(&stream.detector, &stream.rows, arguments->detect);
  stream.rows.take = row_take;
  stream.rows.context = &stream;
  stream.rows.timed = !arguments->json;
  for (int i = 0; i < files && status.code == CNN_OK; i++) status = run(&stream, file[i]);
  if (status.code == CNN_OK && stream.json) printf(stream.any ? "]\n" : "[]\n");
  if (status.code == CNN_OK) status = cnn_program_finish();
  cnn_detector_close(&stream.detector);
  if (stream.rows.network) cnn_rows_close(&stream.rows);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}
