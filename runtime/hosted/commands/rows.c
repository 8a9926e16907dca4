/* rows.c: Rows of scores over time. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/base/threads.h"
#include "hosted/commands/scores.h"
#include "hosted/data/sound_pipe.h"
#include "hosted/training/evaluate.h"
#include "hosted/training/measure.h"

/* ---- Memory */

static cnn_status hop_set(cnn_rows *rows, double hop) {
  const cnn_port *input = &rows->network->input[0];
  const int64_t window = input->dim[0], usual = rows->judged.positions > 1 ? window : (window + 9) / 10;
  const double rate = input->rate > 0 ? (double)input->rate : 0;
  rows->hop = usual;
  if (hop <= 0 || rows->network->step) return cnn_success();
  if (rate <= 0)
    return cnn_failure(CNN_BAD_ARGUMENT,
                       "--hop is in seconds, but the input \"%s\" has no rate=", input->name);
  const double samples = floor(hop * rate + 0.5);
  if (samples > (double)window)
    return cnn_failure(CNN_BAD_ARGUMENT, "--hop=%s is longer than the window of %s s",
                       cnn_number(hop, 6).text, cnn_number((double)window / rate, 6).text);
  rows->hop = samples < 1 ? 1 : (int64_t)samples;
  return cnn_success();
}

cnn_status cnn_rows_open(cnn_rows *rows, const cnn_network *network, const float *weights, int32_t threads,
                         double hop) {
  const int32_t first = cnn_tally_first(network), output = first < 0 ? 0 : first;
  rows->network = network;
  rows->port = &network->output[output];
  rows->judged = cnn_judge(network, output);
  rows->pace = cnn_pace_of(cnn_threads(threads));
  if (network->inputs != 1)
    return cnn_failure(CNN_MISMATCH, "a recording is a single input, but %s has %d inputs", network->name,
                       network->inputs);
  rows->model = cnn_aligned(network->model_bytes);
  rows->workspace = cnn_aligned(network->workspace_bytes);
  rows->state = network->step ? cnn_aligned(network->state_bytes) : NULL;
  rows->output = cnn_outputs_alloc(network, network->batch);
  rows->score = calloc((size_t)rows->judged.channels + 1, sizeof *rows->score);
  if (!cnn_batch_open(&rows->batch, network, network->batch, false) ||
      !cnn_reader_open(&rows->reader, network) || !rows->model || !rows->workspace || !rows->output ||
      !rows->score || (network->step && !rows->state))
    return cnn_failure(CNN_NO_MEMORY, "no memory to run %s", network->name);
  if (network->pack) network->pack(rows->model, weights);
  return hop_set(rows, hop);
}

void cnn_rows_close(cnn_rows *rows) {
  if (rows->batch.network) cnn_batch_close(&rows->batch);
  cnn_reader_close(&rows->reader);
  cnn_outputs_free(rows->network, rows->output);
  free(rows->model);
  free(rows->workspace);
  free(rows->state);
  free(rows->score);
}

/* ---- Rows of a call */

static void begin(cnn_rows *rows, int32_t rate) {
  rows->calls = rows->end = 0;
  rows->rate = rate;
  if (rows->state) rows->network->reset(rows->state);
}

static void score(cnn_rows *rows, const float *value) {
  if (rows->judged.classes > 0) {
    cnn_class_scores(rows->port, &rows->judged, value, rows->score);
    if (rows->judged.channels == 1) rows->score[0] = rows->score[1];
    return;
  }
  for (int64_t c = 0; c < rows->judged.channels; c++) rows->score[c] = (double)value[c];
}

/* Passes the rows of image `slot`, whose input begins at sample `from` of the recording, to rows->take. Skips
 * rows before the net is ready, and rows that rows->take has already received from an earlier window. */
static cnn_status rows_give(cnn_rows *rows, int32_t slot, int64_t from) {
  const cnn_network *network = rows->network;
  const cnn_port *port = rows->port;
  const int64_t count = rows->judged.positions, length = network->input[0].dim[0],
                call = rows->calls - network->ready,
                first = port->step ? rows->calls * port->step + port->offset : call * count;
  cnn_status status = cnn_success();
  rows->calls++;
  for (int64_t j = 0; j < count && call >= 0 && status.code == CNN_OK; j++) {
    const int64_t end = from + ((j + 1) * length + count - 1) / count;
    if (first + j < 0 || end <= rows->end) continue;
    const cnn_row row = {first + j, rows->rate > 0 ? (double)end / (double)rows->rate : (double)NAN,
                         rows->judged.channels, rows->score};
    rows->end = end;
    score(rows, rows->output[port - network->output] + slot * port->size + j * rows->judged.channels);
    status = rows->take(rows->context, &row);
  }
  return status;
}

static void batch_run(cnn_rows *rows) {
  const double begun = cnn_pace_begin(&rows->pace, rows->network);
  cnn_call(rows->network, rows->model, &rows->batch, rows->output, rows->state, rows->workspace);
  cnn_pace_end(&rows->pace, begun);
}

/* Copies the samples that were read last to image `slot` of the batch. */
static void image_put(cnn_rows *rows, int32_t slot) {
  const cnn_port *input = &rows->network->input[0];
  const size_t bytes = (size_t)input->size * cnn_type_bytes(input->type);
  cnn_port_arrange(input, rows->reader.raw.input[0], (char *)rows->batch.input[0] + (size_t)slot * bytes);
}

/* ---- WAV files */

static void windows_note(const cnn_rows *rows, const char *path, int64_t per_second) {
  const double rate = (double)per_second;
  fprintf(stderr, "%s: the net was compiled without --stream: evaluating windows of %s s, one every %s s\n",
          path, cnn_number((double)rows->network->input[0].dim[0] / rate, 4).text,
          cnn_number((double)rows->hop / rate, 4).text);
}

/* A recording that ends before the first row of scores has no result: reports this. */
static void short_note(const cnn_rows *rows, const char *path, int64_t samples) {
  const cnn_network *network = rows->network;
  const cnn_port *port = rows->port;
  int64_t calls = network->ready + 1;
  while (port->step && (calls - 1) * port->step + port->offset + rows->judged.positions <= 0) calls++;
  if (rows->end > 0) return;
  fprintf(stderr, "%s: has no row of scores: it has %s samples, and the first row needs %s\n", path,
          cnn_number_grouped(samples).text, cnn_number_grouped(calls * network->input[0].dim[0]).text);
}

static cnn_status sound_run(cnn_rows *rows, const cnn_sound *sound) {
  const cnn_port *input = &rows->network->input[0];
  const int64_t length = input->dim[0], hop = rows->state ? length : rows->hop,
                calls = sound->frames >= length ? (sound->frames - length) / hop + 1 : !rows->state;
  /* Successive steps share the state, so a net with a state gets one step per call, not a batch. */
  const int32_t most = rows->state ? 1 : rows->network->batch;
  cnn_status status = cnn_success();
  for (int64_t k = 0; k < calls && status.code == CNN_OK; k += most) {
    const int32_t now = calls - k < most ? (int32_t)(calls - k) : most;
    for (int32_t i = 0; i < now; i++) {
      cnn_sound_cut(sound, input, (k + i) * hop, rows->reader.raw.input[0]);
      image_put(rows, i);
    }
    batch_run(rows);
    for (int32_t i = 0; i < now && status.code == CNN_OK; i++) status = rows_give(rows, i, (k + i) * hop);
  }
  return status;
}

cnn_status cnn_rows_file(cnn_rows *rows, const char *path, double *seconds) {
  const cnn_port *input = &rows->network->input[0];
  cnn_sound sound = {0};
  cnn_status status = cnn_sound_read(&sound, path);
  if (status.code == CNN_OK) status = cnn_sound_convert(&sound, path, input);
  if (status.code == CNN_OK) {
    begin(rows, sound.rate);
    if (!rows->state && sound.frames > input->dim[0]) windows_note(rows, path, sound.rate);
    if (seconds) *seconds = (double)sound.frames / (double)sound.rate;
    status = sound_run(rows, &sound);
    if (status.code == CNN_OK) short_note(rows, path, sound.frames);
  }
  cnn_sound_free(&sound);
  return status;
}

/* ---- Standard input */

static cnn_status pipe_run(cnn_rows *rows, cnn_sound_pipe *pipe, int64_t *samples) {
  const cnn_port *input = &rows->network->input[0];
  const int64_t length = input->dim[0], hop = rows->state ? length : rows->hop;
  const size_t bytes = (size_t)(input->size / length) * cnn_type_bytes(input->type), /* bytes of a sample */
      fresh = (size_t)hop * bytes;
  char *raw = rows->reader.raw.input[0];
  int64_t held = 0;
  for (;;) {
    int64_t got = 0;
    cnn_status status = cnn_sound_pipe_read(pipe, raw + (size_t)held * bytes, length - held, &got);
    *samples += got;
    if (status.code != CNN_OK || held + got < length) return status;
    image_put(rows, 0);
    batch_run(rows);
    status = rows_give(rows, 0, *samples - length);
    if (status.code != CNN_OK) return status;
    held = length - hop;
    memmove(raw, raw + fresh, (size_t)held * bytes);
  }
}

cnn_status cnn_rows_pipe(cnn_rows *rows) {
  cnn_sound_pipe pipe;
  int64_t samples = 0;
  cnn_status status = cnn_sound_pipe_open(&pipe, stdin, &rows->network->input[0]);
  if (status.code == CNN_OK && rows->timed && pipe.rate <= 0)
    status = cnn_failure(
        CNN_MISMATCH, "-: detections have a time, and the input \"%s\" has no rate=; --json prints the rows",
        rows->network->input[0].name);
  if (status.code == CNN_OK) {
    begin(rows, (int32_t)pipe.rate);
    if (!rows->state && rows->rate > 0) windows_note(rows, "-", rows->rate);
    status = pipe_run(rows, &pipe, &samples);
  }
  if (status.code == CNN_OK) short_note(rows, "-", samples);
  cnn_sound_pipe_close(&pipe);
  return status;
}
