/* boxes.h: sets of pictures with objects: what the readers of YOLO's, COCO's and Pascal VOC's files fill in,
 * and what samples are then made of. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_BOXES_H
#define CNN_BOXES_H
#include "hosted/data/dataset.h"
#include "hosted/data/outline.h"

/* An object as a file tells it; or, of a picture with segments, what one of its segments is. */
typedef struct cnn_boxed {
  cnn_object object;
  cnn_outline *outline; /* NULL: it has none */
  uint32_t segment;     /* its number in the picture of segments */
  int32_t class;        /* of its pixels */
  bool stuff;           /* a segment that is no object */
} cnn_boxed;

typedef struct cnn_scene {
  char *image, *segments; /* paths; segments: NULL, or a picture whose colors are numbers of segments */
  int32_t height, width;  /* as the file says; 0: boxes are parts of the picture's size */
  int32_t count;
  cnn_boxed *object;
} cnn_scene;

typedef struct cnn_scenes {
  int64_t count;
  cnn_scene *scene;
} cnn_scenes;

typedef struct BoxesSet {
  cnn_scenes pool[POOLS];
  char **file; /* that tell of objects */
  int64_t files;
  int64_t bad_objects, bad_pictures; /* left out by --skip-bad */
  int64_t unmasked;                  /* objects without a mask */
  char first[400];                   /* the message of the first one */
} BoxesSet;

/* The set is the data's from here on. */
cnn_status cnn_boxes_begin(cnn_data *data, const char *title);
/* Remembers a file that tells of objects. The path is the set's from then on. */
cnn_status cnn_boxes_file(cnn_data *data, char *path);
/* A picture without objects as yet, valid until the next one; paths are the set's from then on. */
cnn_status cnn_boxes_scene(cnn_data *data, int pool, cnn_scene scene, cnn_scene **added);
/* An object; its outline is the set's from then on. */
cnn_status cnn_boxes_object(cnn_data *data, cnn_scene *scene, const cnn_boxed *object);
/* What is wrong with an object or a whole picture: with --skip-bad it is counted, and success. */
cnn_status cnn_boxes_bad(cnn_data *data, bool picture, const cnn_status *status);
/* Whether a box is one and lies in a picture of that size; what sticks out by less than a hundredth of the
 * size, or by a pixel, is cut off. The message says what is wrong with it. */
cnn_status cnn_boxes_check(float box[4], double height, double width);
/* The names of the classes in their order, and in class_of which of them each is: where the net has labels
 * for objects, the label of that name. `where` says who names them. */
cnn_status cnn_boxes_name(cnn_data *data, const char *where, char *const *name, int32_t names,
                          int32_t *class_of);
/* All has been read. */
cnn_status cnn_boxes_end(cnn_data *data);
/* Frees what no set has taken. */
void cnn_scene_free(const cnn_scene *scene);
#endif
