/* previous.h: Backup of an earlier run's files that a new run would replace. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PREVIOUS_H
#define CNN_PREVIOUS_H
#include "hosted/training/run.h"

/* Metadata of a weight file (the notes of cnn_weights_save). `note` points to texts of this struct and of the
 * caller. */
typedef struct cnn_about {
  char val[48], epoch[16], value[48];
  const char *note[2 * 6 + 1];
} cnn_about;

/* `val`: the share of the training samples used for validation; `measure`: the name of the metric `value`,
 * such as "val_loss"; NULL: the weights have not been evaluated. */
void cnn_about_weights(cnn_about *about, const char *data, const char *loss, double val, int32_t epoch,
                       const char *measure, double value);

/* Returns CNN_BAD_ARGUMENT if a file that the run would replace was not written by a program of cnnc. Only
 * `out` itself may contain weights of another tool. */
cnn_status cnn_previous_check(const char *out);
/* Copies weights at `out` to the sibling "previous", unless the sibling has better weights. Copies weights of
 * other tools to the sibling "original". A stopped run is copied to the sibling "stopped", with its
 * checkpoint. */
cnn_status cnn_previous_keep(const char *out, void (*tell)(void *context, const char *line), void *context);
#endif
