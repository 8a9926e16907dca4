/* rows.c: Permutation of weights to another order of classes: row c of the last layer with weights computes
 * the score of class c. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/unicode.h"
#include "hosted/weights/classes.h"

static bool is_one_of(const char *name, const char *const *names) {
  while (*names && strcmp(name, *names) != 0) names++;
  return *names != NULL;
}

static bool is_of(const cnn_weight *weight, const cnn_layer *layer) {
  const size_t n = strlen(layer->name);
  return strncmp(weight->name, layer->name, n) == 0 && weight->name[n] == '.';
}

/* Whether each row of a layer reads all channels of its input. The filters of a grouped layer read only some
 * channels, and each group reads different channels. */
static bool sees_all(const cnn_network *network, int32_t layer) {
  const cnn_layer *before = layer > 0 ? &network->layer[layer - 1] : NULL;
  for (int32_t w = 0; w < network->weights; w++) {
    const cnn_weight *weight = &network->weight[w];
    if (!is_of(weight, &network->layer[layer]) || weight->rank != 4) continue;
    if (!before || before->rank < 1 || before->dim[before->rank - 1] != weight->dim[1]) return false;
  }
  return true;
}

/* The last layer with weights, if its rows are the classes: only operators that treat all channels alike may
 * follow it. Otherwise NULL. */
static const cnn_layer *score_layer(const cnn_network *network) {
  static const char *const rows[] = {"dense", "conv", NULL};
  static const char *const alike[] = {"softmax", "sigmoid",        "relu",           "dropout", "avgpool",
                                      "maxpool", "global_avgpool", "global_maxpool", NULL};
  if (network->outputs != 1) return NULL;
  for (int32_t i = network->layers - 1; i >= 0; i--) {
    const cnn_layer *layer = &network->layer[i];
    if (is_one_of(layer->op, rows)) return sees_all(network, i) ? layer : NULL;
    if (!is_one_of(layer->op, alike)) return NULL;
  }
  return NULL;
}

/* Whether the weight came from the file, and has one row per class. */
static bool was_taken(const cnn_weight *weight, const cnn_archive *archive, const char *prefix,
                      int32_t classes) {
  char name[512];
  snprintf(name, sizeof name, "%s%s", prefix ? prefix : "", weight->name);
  const cnn_tensor *tensor = cnn_archive_find(archive, name);
  bool same = tensor && tensor->rank == weight->rank && weight->dim[0] == classes;
  for (int32_t d = 0; same && d < weight->rank; d++) same = tensor->dim[d] == weight->dim[d];
  return same;
}

/* Sets from[c] to the file's row for class c. False: the file's classes differ from the net's labels. */
static bool order_find(const cnn_network *network, const cnn_classes *classes, int32_t *from) {
  if (classes->count != network->labels) return false;
  for (int32_t c = 0; c < network->labels; c++) {
    from[c] = 0;
    while (from[c] < classes->count &&
           cnn_names_compare(classes->name[from[c]], network->label[c]) != CNN_SAME_NAME)
      from[c]++;
    if (from[c] == classes->count) return false;
  }
  return true;
}

static bool rows_move(const cnn_weight *weight, const int32_t *from, float *weights) {
  float *values = weights + weight->offset, *copy = malloc((size_t)weight->size * sizeof *copy);
  const int64_t row = weight->size / weight->dim[0];
  if (!copy) return false;
  memcpy(copy, values, (size_t)weight->size * sizeof *copy);
  for (int32_t c = 0; c < weight->dim[0]; c++)
    memcpy(values + c * row, copy + from[c] * row, (size_t)row * sizeof *copy);
  free(copy);
  return true;
}

cnn_status cnn_rows_by_class(const cnn_network *network, const cnn_archive *archive, const char *path,
                             const char *prefix, float *weights, const char **layer) {
  const cnn_layer *scores = score_layer(network);
  cnn_classes classes;
  *layer = NULL;
  cnn_status status = cnn_classes_read(&classes, archive, path);
  int32_t *from = malloc(((size_t)network->labels + 1) * sizeof *from);
  bool found = status.code == CNN_OK && from && scores && order_find(network, &classes, from);
  for (int32_t w = 0; found && w < network->weights; w++) {
    const cnn_weight *weight = &network->weight[w];
    found = !is_of(weight, scores) || was_taken(weight, archive, prefix, network->labels);
  }
  bool memory = from != NULL;
  for (int32_t w = 0; found && memory && w < network->weights; w++)
    if (is_of(&network->weight[w], scores)) memory = rows_move(&network->weight[w], from, weights);
  if (found) *layer = scores->name;
  free(from);
  cnn_classes_free(&classes);
  if (status.code == CNN_OK && !memory) status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  return status;
}
