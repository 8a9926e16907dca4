/* diverge.h: Search for the first non-finite number. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_DIVERGE_H
#define CNN_DIVERGE_H
#include "hosted/data/batch.h"

/* Explains a non-finite loss or gradient of this batch, as the end of a message: ": the values of the layer
 * conv2 ...". If no cause is found, the text is empty. The data are finite, because samples with non-finite
 * numbers are rejected when they are read. */
void cnn_blame(const cnn_trainer *trainer, const cnn_batch *batch, char *text, size_t room);
#endif
