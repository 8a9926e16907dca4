/* diverge.h: Search for the first non-finite number. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_DIVERGE_H
#define CNN_DIVERGE_H
#include "hosted/data/batch.h"

/* Finds the first non-finite weight; if all weights are finite, the first layer with non-finite values; or
 * else the last weight with a non-finite gradient. Called after this batch had a non-finite loss or gradient.
 * `text` becomes the end of a message, ": the values of the layer conv2 ..."; it is empty if no cause is
 * found. The data cannot be the cause, because samples with non-finite numbers are rejected when they are
 * read. */
void cnn_blame(const cnn_trainer *trainer, const cnn_batch *batch, char *text, size_t room);
#endif
