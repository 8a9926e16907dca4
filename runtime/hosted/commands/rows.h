/* rows.h: rows of scores over time: a net run over a recording, step by step or window by window. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ROWS_H
#define CNN_ROWS_H
#include "cnn.h"
#include "hosted/data/batch.h"
#include "hosted/data/outputs.h"
#include "hosted/data/sound.h"
#include "hosted/training/pace.h"

typedef struct cnn_row {
  int64_t number;      /* from 0 */
  double time;         /* seconds of the recording that were read for it; NaN: no sample rate */
  int64_t channels;    /* of the output */
  const double *score; /* [channels]: probabilities, or values where the output has no class scores */
} cnn_row;

typedef struct cnn_rows {
  const cnn_network *network;
  const cnn_port *port; /* of the rows: the first output with class scores, else the first */
  cnn_judged judged;
  cnn_pace pace;
  cnn_batch batch;
  cnn_reader reader;
  void *model, *workspace, *state; /* state: NULL where the net is called with whole windows */
  float **output;
  double *score;
  int64_t hop;   /* samples from one window to the next */
  int64_t rate;  /* samples per second; 0: unknown */
  int64_t calls; /* since the recording began */
  int64_t end;   /* samples that were read for the latest row */
  cnn_status (*take)(void *context, const cnn_row *row);
  void *context;
} cnn_rows;

/* hop: seconds from one window to the next; 0: a tenth of the window, or all of it where the output has
 * rows. Not used where the net is called in steps. */
cnn_status cnn_rows_open(cnn_rows *rows, const cnn_network *network, const float *weights, int32_t threads,
                         double hop);
void cnn_rows_close(cnn_rows *rows); /* also after an open that failed */
/* A WAV file, from the initial state on; *seconds (or NULL): its duration. Whole steps and windows are read,
 * but of a recording shorter than the window, zeros follow. */
cnn_status cnn_rows_file(cnn_rows *rows, const char *path, double *seconds);
cnn_status cnn_rows_pipe(cnn_rows *rows); /* standard input: samples of the input's type */
#endif
