/* pictures.h: the pictures in a folder. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PICTURES_H
#define CNN_PICTURES_H
#include <stdint.h>
#include "cnn_status.h"

/* Files that are no pictures, and the path of the first. */
typedef struct cnn_skipped {
  int64_t count;
  char *first;
} cnn_skipped;
typedef struct cnn_pictures {
  int64_t count;
  char **path;
  cnn_skipped skipped;
} cnn_pictures;

/* All pictures in a folder and in the folders in it, sorted by name. After an error the list is empty. */
cnn_status cnn_pictures_collect(cnn_pictures *pictures, const char *directory);
void cnn_pictures_free(cnn_pictures *pictures);
#endif
