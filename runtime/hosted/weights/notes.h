/* notes.h: Metadata of weight files, as a JSON object of strings: the __metadata__ of a safetensors file, the
 * comment of an .npz archive. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_NOTES_H
#define CNN_NOTES_H
#include <jansson.h>
#include "hosted/weights/archive.h"

json_t *cnn_notes_make(const cnn_note *note, int32_t notes); /* NULL: out of memory, or a text is not UTF-8 */
cnn_status cnn_notes_parse(cnn_archive *archive, const char *path, json_t *notes);
#endif
