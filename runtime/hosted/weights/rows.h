/* rows.h: Permutation of weights to another order of classes. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ROWS_H
#define CNN_ROWS_H
#include "cnn_network.h"
#include "hosted/weights/archive.h"

/* Must be called after the weights of a file have been loaded. If the file has the net's labels as classes,
 * in any order, permutes the rows of the layer that computes the scores to the order of the labels. In this
 * case, sets *layer to the name of this layer. Sets *layer to NULL if the classes differ, if the layer is
 * ambiguous, or if the file lacks some of the layer's weights. `prefix` is removed from the file's names; it
 * may be NULL. */
cnn_status cnn_rows_by_class(const cnn_network *network, const cnn_archive *archive, const char *path,
                             const char *prefix, float *weights, const char **layer);
#endif
