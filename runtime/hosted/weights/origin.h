/* origin.h: Metadata of a weight file about its net (see notes.h). Also built into the compiler (see file.h).
 */
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

/* Makes the notes "net", "inputs" (in the language's syntax) and, if the classes have names, "classes" (a
 * JSON list). */
cnn_status cnn_origin_make(cnn_origin *origin, const cnn_network *network);
void cnn_origin_free(cnn_origin *origin);

/* The normalization of the input in training: "normalize(...)", or "no normalize". NULL: not in the file, or
 * there are several inputs. */
const char *cnn_origin_normalize(const cnn_archive *archive);

/* Checks that the weights were trained with the net's labels, in their order, and with its normalization of
 * the input. A file without this metadata is accepted. Returns CNN_MISMATCH if a class name of the file is
 * the net's label of another class. Otherwise `doubt` is empty, or describes a smaller difference. */
cnn_status cnn_origin_check(const cnn_archive *archive, const char *path, const cnn_network *network,
                            char *doubt, size_t room);
/* Whether the net is an int8 model, whose weights are constants in its code and cannot be replaced. */
bool cnn_weights_fixed(const cnn_network *network);
#endif
