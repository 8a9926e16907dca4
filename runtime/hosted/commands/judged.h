/* judged.h: Output of `eval` for boxes, masks and segments: tables, JSON and curves. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_JUDGED_H
#define CNN_JUDGED_H
#include <jansson.h>
#include "cnn.h"

void cnn_objects_print(const cnn_network *network, const cnn_data *data, const cnn_objects *objects);
/* Adds "boxes", "masks" and "segments" to the result, each only if `evaluation` has it. If `evaluation`
 * has boxes but no classes, also adds the classes of the boxes as "classes". False: out of memory. */
bool cnn_objects_json(const cnn_network *network, const cnn_data *data, const cnn_evaluation *evaluation,
                      json_t *result);
/* Plots precision over recall of masks, or of boxes if there are no masks. */
cnn_status cnn_objects_curves(const char *path, const cnn_network *network, const cnn_data *data,
                              const cnn_objects *objects);
#endif
