/* cnn_weights.h: weights from files (.safetensors, .npz, PyTorch's .pt) and to them (.safetensors, .npz). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_WEIGHTS_H
#define CNN_WEIGHTS_H
#include <stdbool.h>
#include "cnn_network.h"
#include "cnn_status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct cnn_weights_report {
  int32_t matched, missing, extra,
      differing;     /* weights by name: found, not in the file, not in the net, of another shape */
  char *text;        /* a line for each of the last three, from malloc; NULL: none */
  bool *taken;       /* [the net's weights] which are found, from malloc */
  char warning[400]; /* on an ambiguity that shapes do not resolve, as the order of a flatten; or empty */
  char *renames;     /* by order: the lines of a file for cnn_weights_names.rename, from malloc; else NULL */
} cnn_weights_report;
void cnn_weights_report_free(cnn_weights_report *report);

/* A path may be "FILE:KEY": the dictionary KEY of a PyTorch file; without it the outermost one, or the
 * first of "state_dict", "model_state_dict", "model", "net" and "ema" that holds tensors. Every name and
 * shape must match, or nothing is written to `weights` and the message lists the differences (up to its
 * length; all are in the report). F16, BF16 and F64 are converted; a number that is not finite is refused,
 * but for minus infinity in frozen weights, by which a mask of attention excludes. `report` may be NULL; the
 * caller frees the report. */
cnn_status cnn_weights_load(const cnn_network *network, const char *path, float *weights,
                            cnn_weights_report *report);

/* Takes what matches by name and shape and leaves the rest of `weights` as it is; CNN_MISMATCH if nothing
 * does. */
cnn_status cnn_weights_load_some(const cnn_network *network, const char *path, float *weights,
                                 cnn_weights_report *report);

/* Maps the names of a file to those of the net. */
typedef struct cnn_weights_names {
  const char *prefix; /* "module.": is left out; names without it do not count. NULL: what all names begin
                         with is left out, if it must be */
  const char *rename; /* before: a file with lines "theirs = ours", where '*' matches any text and later
                         lines win; or NULL */
  int32_t by_order;   /* not 0: whatever the names, the file's first array is the net's first weight; every
                         shape must agree. Where some weights will do, the longest run of whole layers whose
                         shapes agree is taken, so that a new head stays new */
} cnn_weights_names;

/* Both for a file with other names; `names` may be NULL. */
cnn_status cnn_weights_load_named(const cnn_network *network, const char *path,
                                  const cnn_weights_names *names, bool some, float *weights,
                                  cnn_weights_report *report);

/* Writes a .safetensors file, or an .npz if the path ends so: whole, or not at all. Its __metadata__, in an
 * .npz the comment of the archive, has the net's name, its inputs, its labels as the names of the classes,
 * and notes: key, value, key, value ..., NULL; or NULL. */
cnn_status cnn_weights_save(const cnn_network *network, const char *path, const float *weights,
                            const char *const *notes);

#ifdef __cplusplus
}
#endif
#endif
