/* yolo.h: YOLO's files as texts: boxes, and the names of the classes. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_YOLO_H
#define CNN_YOLO_H
#include "hosted/data/truth.h"

enum { CNN_YOLO_CLASSES_MOST = 100000 };

typedef struct cnn_names {
  int32_t count;
  char **name;
} cnn_names;

/* classes.txt: a name a line. */
cnn_status cnn_names_lines(cnn_names *names, const char *path, const char *text, size_t n);
/* `names` of data.yaml: [a, b], {0: a, 1: b}, or a line for each. */
cnn_status cnn_names_yaml(cnn_names *names, const char *path, const char *text, size_t n);
void cnn_names_free(cnn_names *names);

typedef struct cnn_yolo {
  const char *path, *next, *end; /* the unread rest; a zero follows it */
  int64_t line;                  /* the last one that was read, from 1 */
  int32_t classes;               /* 0: not known */
} cnn_yolo;
/* The next object, its box as fractions of the image size; more: there was one. After a failure the next call
 * goes on with the next line. */
cnn_status cnn_yolo_next(cnn_yolo *yolo, cnn_object *object, bool *more);
#endif
