/* boxes.h: Data sets of images with objects: filled by the readers of YOLO, COCO and Pascal VOC files, then
 * read as samples. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_BOXES_H
#define CNN_BOXES_H
#include "hosted/data/dataset.h"
#include "hosted/data/outline.h"

/* An object of an annotation file, or a segment of a segment image. */
typedef struct cnn_boxed {
  cnn_object object;
  cnn_outline *outline; /* NULL: the object has no outline */
  uint32_t segment;     /* number of the segment in the segment image */
  int32_t class;        /* class of the segment's pixels */
  bool stuff;           /* a segment that is not an object */
} cnn_boxed;

typedef struct cnn_scene {
  char *image, *segments; /* paths; segments: NULL, or an image whose colors are segment numbers */
  int32_t height, width;  /* image size in the annotation file; 0: boxes are fractions of the image size */
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
  int64_t bad_objects, bad_pictures; /* number dropped by --skip-bad */
  int64_t unmasked;                  /* number of objects without a mask; ignored objects are not counted */
  char first[400];                   /* the message for the first dropped object or image */
} BoxesSet;

/* Creates an empty set, which `data` then owns. */
cnn_status cnn_boxes_begin(cnn_data *data, const char *title);
/* Records an annotation file. The set takes ownership of the path. */
cnn_status cnn_boxes_file(cnn_data *data, char *path);
/* Adds an image; cnn_boxes_object adds its objects. *added is valid until the next image is added. The set
 * takes ownership of the image's paths. */
cnn_status cnn_boxes_scene(cnn_data *data, int pool, cnn_scene scene, cnn_scene **added);
/* Adds an object; the set takes ownership of its outline. */
cnn_status cnn_boxes_object(cnn_data *data, cnn_scene *scene, const cnn_boxed *object);
/* Handles an error of an object or a whole image. With --skip-bad, counts the error and returns success.
 * Otherwise, and if memory ran out, returns the error. */
cnn_status cnn_boxes_bad(cnn_data *data, bool picture, const cnn_status *status);
/* Checks that a box is valid, and inside an image of height x width pixels. A box that extends past the image
 * by at most a hundredth of the image's size, or by at most one pixel, is clipped. The returned error
 * describes what is wrong with the box. */
cnn_status cnn_boxes_check(float box[4], double height, double width);
/* Sets class_of[] to the class number of each name: the number of the net's label with the same name. If the
 * net has no labels for objects, the class number is the index of the name. In messages, `where` is the
 * source of the names. */
cnn_status cnn_boxes_name(cnn_data *data, const char *where, char *const *name, int32_t names,
                          int32_t *class_of);
/* Completes the set after all annotations have been read: checks the images and reports what was skipped. */
cnn_status cnn_boxes_end(cnn_data *data);
/* Frees a scene that no set owns. */
void cnn_scene_free(const cnn_scene *scene);
#endif
