/* yolo.h: YOLO's text files: boxes, and class names. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_YOLO_H
#define CNN_YOLO_H
#include "hosted/data/truth.h"

enum { CNN_YOLO_CLASSES_MOST = 100000 };

typedef struct cnn_names {
  int32_t count;
  char **name;
} cnn_names;

/* Reads classes.txt: one name per line. */
cnn_status cnn_names_lines(cnn_names *names, const char *path, const char *text, size_t n);
/* Reads `names` of data.yaml: [a, b], {0: a, 1: b}, or one line per name. */
cnn_status cnn_names_yaml(cnn_names *names, const char *path, const char *text, size_t n);
void cnn_names_free(cnn_names *names);

typedef struct cnn_yolo {
  const char *path, *next, *end; /* next: the unread rest, zero-terminated at `end` */
  int64_t line;                  /* number of the last line read, from 1 */
  int32_t classes;               /* 0: unknown */
} cnn_yolo;
/* Reads the next object. The coordinates of the box are fractions of the image size. Sets *more to whether
 * there was an object. After a failure, the next call continues with the next line. */
cnn_status cnn_yolo_next(cnn_yolo *yolo, cnn_object *object, bool *more);
#endif
