/* previous.h: Files of an earlier run with the names of a new run's, which are kept. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PREVIOUS_H
#define CNN_PREVIOUS_H
#include "hosted/training/run.h"

/* Metadata of a weight file (cnn_weights_save's notes); the texts live as long as this. */
typedef struct cnn_about {
  char val[48], epoch[16], value[48];
  const char *note[2 * 6 + 1];
} cnn_about;

/* `val`: the part of the training samples that was for validation; `measure`: what `value` is, "val_loss";
 * NULL: the weights have not been rated. */
void cnn_about_weights(cnn_about *about, const char *data, const char *loss, double val, int32_t epoch,
                       const char *measure, double value);

/* CNN_BAD_ARGUMENT: a file at `out`, or next to it where a run writes, is something else than weights of
 * programs. */
cnn_status cnn_previous_check(const char *out);
/* Weights at `out` are copied to the sibling "previous", which keeps the better of those that it has and
 * those that come; weights from elsewhere, to the sibling "original". A run that was stopped is copied to the
 * sibling "stopped", with its checkpoint. */
cnn_status cnn_previous_keep(const char *out, void (*tell)(void *context, const char *line), void *context);
#endif
