/* coco.h: Objects of images from COCO's JSON. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_COCO_H
#define CNN_COCO_H
#include <jansson.h>
#include "hosted/data/boxes.h"

typedef struct cnn_category {
  int64_t id;
  const char *name; /* name in the JSON */
  int32_t place;    /* index in the JSON's list */
  bool stuff;       /* in a panoptic set: background, not an object */
} cnn_category;

/* Common state of the files of a set. */
typedef struct cnn_coco {
  cnn_data *data;
  bool panoptic;
  int32_t categories; /* 0: no file has been read */
  int64_t *id;        /* [categories]: background classes first, then by id */
  char **name;        /* [categories] */
  bool *stuff;        /* [categories] */
  int32_t *class_of;  /* [categories] */
} cnn_coco;

/* Reads one file with the objects of a part. An image's file_name is relative to `images`, and the file_name
 * of its segments to `segments`. Does not check whether these files exist. */
cnn_status cnn_coco_read(cnn_coco *coco, int pool, const char *path, const json_t *root, const char *images,
                         const char *segments);
void cnn_coco_free(cnn_coco *coco);
#endif
