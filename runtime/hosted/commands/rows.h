/* rows.h: Rows of scores over time: runs a net on a recording, step by step or window by window. */
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
  double time;         /* seconds of the recording read up to this row; NaN: no sample rate */
  int64_t channels;    /* channels of the output */
  const double *score; /* [channels]: probabilities, or values if the output has no class scores */
} cnn_row;

typedef struct cnn_rows {
  const cnn_network *network;
  const cnn_port *port; /* rows of this output are read: the first with class scores, or output 0 */
  cnn_judged judged;
  cnn_pace pace;
  cnn_batch batch;
  cnn_reader reader;
  void *model, *workspace, *state; /* state: NULL if the net is called with whole windows */
  float **output;
  double *score;
  int64_t hop;   /* samples from one window to the next */
  int64_t rate;  /* samples per second; 0: unknown */
  int64_t calls; /* number of steps or windows since the recording began */
  int64_t end;   /* number of samples of the recording up to the latest row; 0: no row yet */
  bool timed;    /* the rows need a time */
  cnn_status (*take)(void *context, const cnn_row *row);
  void *context;
} cnn_rows;

/* hop: seconds from one window to the next. 0: a tenth of the window, or the whole window if each window has
 * several rows of scores. Ignored if the net is called in steps. */
cnn_status cnn_rows_open(cnn_rows *rows, const cnn_network *network, const float *weights, int32_t threads,
                         double hop);
void cnn_rows_close(cnn_rows *rows); /* also valid after a failed open */
/* Runs the net on a WAV file from the initial state, and passes each row to rows->take. Sets *seconds to the
 * file's duration, unless `seconds` is NULL. An incomplete step or window at the end is dropped. But if the
 * net is called with windows, a recording shorter than one window is padded with zeros. */
cnn_status cnn_rows_file(cnn_rows *rows, const char *path, double *seconds);
/* Like cnn_rows_file, but reads standard input, which is a WAV stream or raw samples of the input's type, and
 * never pads with zeros. */
cnn_status cnn_rows_pipe(cnn_rows *rows);
#endif
