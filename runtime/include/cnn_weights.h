/* cnn_weights.h: weights from and to files: .safetensors, or .npz for reading. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_WEIGHTS_H
#define CNN_WEIGHTS_H
#include "cnn_network.h"
#include "cnn_status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct cnn_weights_report {
  int32_t matched, missing, extra, differing; /* weights by name: found, not in the file, not in the net, of another shape */
  char *text;                                 /* a line for each of the last three, from malloc; NULL: none */
} cnn_weights_report;

/* Every name and shape must match, or nothing is written to `weights` and the message lists the differences (as many as fit; all are in the
 * report). F16, BF16 and F64 are converted. `report` may be NULL; the caller frees report->text. */
cnn_status cnn_weights_load(const cnn_network *network, const char *path, float *weights, cnn_weights_report *report);

/* Takes what matches by name and shape and leaves the rest of `weights` as it is; CNN_MISMATCH if nothing does. */
cnn_status cnn_weights_load_some(const cnn_network *network, const char *path, float *weights, cnn_weights_report *report);

/* Writes a .safetensors file: whole, or not at all. Its __metadata__ has the net's name, its inputs, and its
 * labels as the names of the classes. */
cnn_status cnn_weights_save(const cnn_network *network, const char *path, const float *weights);

#ifdef __cplusplus
}
#endif
#endif
