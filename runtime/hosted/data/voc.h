/* voc.h: Pascal VOC's XML of one image. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_VOC_H
#define CNN_VOC_H
#include "cnn_status.h"
#include "hosted/data/truth.h"

typedef struct cnn_voc_object {
  char *name;
  int64_t line;
  cnn_object object; /* without a label; before cnn_voc_check, coordinates of the box count from 1 */
  int32_t sides;     /* a bit for each side of the box whose value is present, and is a number */
} cnn_voc_object;

typedef struct cnn_voc {
  int32_t height, width; /* 0: not stated */
  int32_t count;
  cnn_voc_object *object;
} cnn_voc;

/* Parses an XML file. The result must be freed with cnn_voc_free, also after a failure. */
cnn_status cnn_voc_parse(cnn_voc *voc, const char *path, const char *bytes, size_t n);
void cnn_voc_free(cnn_voc *voc);
/* Checks that the object has a name and a box inside its image, and converts the box to pixels numbered from
 * 0. */
cnn_status cnn_voc_check(const cnn_voc *voc, const char *path, cnn_voc_object *object);
#endif
