/* export_coco.h: Export of objects as COCO's JSON. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_EXPORT_COCO_H
#define CNN_EXPORT_COCO_H
#include "hosted/base/json.h"
#include "hosted/data/dataset.h"

typedef struct cnn_coco_writer {
  const cnn_data *data;
  json_t *images, *objects, *segments; /* lists; segments: NULL if the set lacks pixel classes or masks */
} cnn_coco_writer;

cnn_status cnn_coco_writer_open(cnn_coco_writer *writer, const cnn_data *data);
/* Adds an image, whose file is `name`, and its objects. segments: path of the segment image, which is written
 * only if writer->segments is not NULL. */
cnn_status cnn_coco_writer_add(cnn_coco_writer *writer, int64_t index, const char *name,
                               const cnn_truth *truth, const char *segments);
/* Writes the objects to the file `instances`, and the segments, if there are any, to the file `panoptic`. */
cnn_status cnn_coco_writer_commit(const cnn_coco_writer *writer, const char *instances, const char *panoptic);
void cnn_coco_writer_close(cnn_coco_writer *writer);
#endif
