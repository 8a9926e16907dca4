/* previous.h: Backup of an earlier run's files that a new run would replace. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PREVIOUS_H
#define CNN_PREVIOUS_H
#include "hosted/training/run.h"

/* Metadata of a weight file: the list `note` is the argument `notes` of cnn_weights_save. The texts in `note`
 * belong to this struct or to the caller of cnn_about_weights. */
typedef struct cnn_about {
  char val[48], epoch[16], value[48];
  const char *note[2 * 6 + 1];
} cnn_about;

/* `val`: the share of the training samples used for validation; `measure`: the name of a metric, such
 * as "val_loss", or NULL if the weights have not been evaluated; `value`: the value of this metric. */
void cnn_about_weights(cnn_about *about, const char *data, const char *loss, double val, int32_t epoch,
                       const char *measure, double value);

/* Returns CNN_BAD_ARGUMENT if a file that the run would replace was not written by a program that cnnc built,
 * with one exception: `out` itself may contain weights of another tool, except in an .npz file. */
cnn_status cnn_previous_check(const char *out);
/* Makes a backup of the weights in `out` before the run replaces them (see cnn_sibling). If `out` belongs to
 * an unfinished run, the weights and the checkpoint of that run are copied to the sibling "stopped". Weights
 * of another tool are copied to "original". Other weights are copied to "previous", unless the weights in
 * "previous" are at least as good. `resumed`: the checkpoint belongs to this run, so it is not copied. */
cnn_status cnn_previous_keep(const char *out, bool resumed, void (*tell)(void *context, const char *line),
                             void *context);
#endif
