/* rows.h: the classes of weights in the order of other labels. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ROWS_H
#define CNN_ROWS_H
#include "cnn_network.h"
#include "hosted/weights/archive.h"

/* After the weights of a file have been taken: where its classes are the net's labels in another order, the
 * rows of the layer that makes the scores are put in the order of the labels. *layer is its name then; NULL:
 * the classes are others, or the layer is ambiguous. `prefix` is left out of the file's names; it may be
 * NULL. */
cnn_status cnn_rows_by_class(const cnn_network *network, const cnn_archive *archive, const char *path,
                             const char *prefix, float *weights, const char **layer);
#endif
