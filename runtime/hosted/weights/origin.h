/* origin.h: metadata of a weight file on its net, in the __metadata__ of safetensors. Also built into the
 * compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ORIGIN_H
#define CNN_ORIGIN_H
#include "hosted/weights/archive.h"
#include "cnn_network.h"

enum { ORIGIN_NOTES = 3 };
typedef struct cnn_origin {
  int32_t notes;
  cnn_note note[ORIGIN_NOTES];
  char *inputs, *classes;
} cnn_origin;

/* "net", "inputs" as the language writes them, and "classes", a JSON list, where they have names. */
cnn_status cnn_origin_make(cnn_origin *origin, const cnn_network *network);
void cnn_origin_free(cnn_origin *origin);

/* The normalization of the input in training: "normalize(...)", or "no normalize". NULL: the file does
 * not say, or there are several inputs. */
const char *cnn_origin_normalize(const cnn_archive *archive);

/* Whether the labels of the net are those that the weights were trained with, in their order, and its input
 * is normalized as it was; a file that does not say is fine. CNN_MISMATCH if a name is that of another class.
 * Otherwise *doubt is empty, or says what differs. */
cnn_status cnn_origin_check(const cnn_archive *archive, const char *path, const cnn_network *network,
                            char *doubt, size_t room);
/* An int8 model: its weights are in its code and cannot be replaced. */
bool cnn_weights_fixed(const cnn_network *network);
#endif
