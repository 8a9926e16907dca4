/* progress.h: Progress on standard error: lines about finished epochs and, on a terminal, a live bar. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PROGRESS_H
#define CNN_PROGRESS_H
#include "cnn.h"

typedef struct cnn_progress {
  bool live, quiet, unicode;
  bool drawn;         /* the current line shows live progress */
  int32_t line_every; /* number of epochs per printed line; 0 means 1 */
} cnn_progress;

typedef enum cnn_progress_kind { CNN_PROGRESS_AUTO, CNN_PROGRESS_PLAIN, CNN_PROGRESS_NONE } cnn_progress_kind;
void cnn_progress_open(cnn_progress *progress, cnn_progress_kind kind);
void cnn_progress_event(void *progress, const cnn_event *event); /* for cnn_train_options.report */
void cnn_progress_close(cnn_progress *progress);
#endif
