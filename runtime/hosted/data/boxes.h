/* boxes.h: data sets of images with objects: filled by the readers of YOLO, COCO and Pascal VOC files,
 * and the source of samples. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_BOXES_H
#define CNN_BOXES_H
#include "hosted/data/dataset.h"
#include "hosted/data/outline.h"

/* An object of an annotation file; or a segment of an image with segments. */
typedef struct cnn_boxed {
  cnn_object object;
  cnn_outline *outline; /* NULL: it has none */
  uint32_t segment;     /* its number in the image of segments */
  int32_t class;        /* of its pixels */
  bool stuff;           /* a segment that is not an object */
} cnn_boxed;

typedef struct cnn_scene {
  char *image, *segments; /* paths; segments: NULL, or an image whose colors are numbers of segments */
  int32_t height, width;  /* as the file says; 0: boxes are fractions of the image size */
  int32_t count;
  cnn_boxed *object;
} cnn_scene;

typedef struct cnn_scenes {
  int64_t count;
  cnn_scene *scene;
} cnn_scenes;

typedef struct BoxesSet {
  cnn_scenes pool[POOLS];
  char **file; /* annotation files */
  int64_t files;
  int64_t bad_objects, bad_pictures; /* left out by --skip-bad */
  int64_t unmasked;                  /* objects without a mask */
  char first[400];                   /* the message of the first one */
} BoxesSet;

/* The set is the data's from here on. */
cnn_status cnn_boxes_begin(cnn_data *data, const char *title);
/* Remembers an annotation file. The set takes ownership of the path. */
cnn_status cnn_boxes_file(cnn_data *data, char *path);
/* An image without objects as yet, valid until the next one; the set takes ownership of its paths. */
cnn_status cnn_boxes_scene(cnn_data *data, int pool, cnn_scene scene, cnn_scene **added);
/* An object; its outline is the set's from then on. */
cnn_status cnn_boxes_object(cnn_data *data, cnn_scene *scene, const cnn_boxed *object);
/* An error of an object or a whole image: with --skip-bad it is counted, and becomes success. */
cnn_status cnn_boxes_bad(cnn_data *data, bool picture, const cnn_status *status);
/* Is a box valid and inside an image of that size? An excess of less than a hundredth of the size, or of a
 * pixel, is clipped. The message describes the error. */
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
