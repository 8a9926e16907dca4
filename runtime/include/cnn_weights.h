/* cnn_weights.h: Reading of weight files (.safetensors, .npz, .npy, PyTorch's .pt) and writing of weight
 * files (.safetensors, .npz). */
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
  int32_t matched, missing, extra, differing; /* number of weights that are found, missing in the file,
                                                 missing in the net, of another shape or type */
  char *text;        /* one line per missing, extra or differing weight, from malloc; NULL: none */
  bool *taken;       /* [network->weights]: whether each weight was found, from malloc */
  char warning[400]; /* an ambiguity that shapes cannot resolve, such as the order of a flatten; or empty */
  char *renames; /* with by_order: lines for a cnn_weights_names.rename file, from malloc; otherwise NULL */
} cnn_weights_report;
void cnn_weights_report_free(cnn_weights_report *report);

/* A path may be "FILE:KEY": the dictionary KEY of a PyTorch file. Without KEY, the outermost dictionary is
 * read. If the outermost dictionary contains no tensors, the dictionary that is read is the first of
 * "state_dict", "model_state_dict", "model", "net" and "ema" that contains tensors. Every name and shape must
 * match, but the file may lack weights of the role CNN_PASSING. If there is a difference, nothing is written
 * to `weights`, and the message lists as many differences as fit (the report has all of them). Numbers of
 * other types (F16, BF16, F64, integers) are converted to float. Non-finite numbers are errors, except minus
 * infinity in frozen weights, which attention masks use. `report` may be NULL; the caller frees the
 * report. */
cnn_status cnn_weights_load(const cnn_network *network, const char *path, float *weights,
                            cnn_weights_report *report);

/* Loads the weights that match by name and shape, and leaves the rest of `weights` unchanged; CNN_MISMATCH if
 * none match. */
cnn_status cnn_weights_load_some(const cnn_network *network, const char *path, float *weights,
                                 cnn_weights_report *report);

/* Maps the names of a file to the names of the net. */
typedef struct cnn_weights_names {
  const char *prefix; /* a prefix such as "module.", which is removed from the file's names; the file's names
                         without it are ignored. NULL: a prefix that all names share is removed if needed */
  const char *rename; /* applied first: a file with lines "theirs = ours", where '*' matches any text and
                         later lines have priority; or NULL */
  int32_t by_order;   /* not 0: names are ignored. The first array of the file is the first weight of the net,
                         the second array is the second weight, and so on. Every shape must match. If not all
                         weights are required, the longest run of complete layers that have the same shapes in
                         the net and in the file is loaded, so that a new head keeps its initial weights */
} cnn_weights_names;

/* Like cnn_weights_load, or, with `some`, like cnn_weights_load_some, for a file with other names; `names`
 * may be NULL. */
cnn_status cnn_weights_load_named(const cnn_network *network, const char *path,
                                  const cnn_weights_names *names, bool some, float *weights,
                                  cnn_weights_report *report);

/* Writes a .safetensors file, or an .npz if the path ends in .npz. The file is written atomically. The file's
 * __metadata__, or the comment of an .npz archive, has the net's name, its inputs, its labels as class names,
 * and the notes. `notes` is a list: key, value, key, value ..., NULL; or it is NULL. */
cnn_status cnn_weights_save(const cnn_network *network, const char *path, const float *weights,
                            const char *const *notes);

#ifdef __cplusplus
}
#endif
#endif
