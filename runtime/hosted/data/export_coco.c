/* export_coco.c: Export of objects as COCO's JSON. A category id is the class number + 1,
 * where the background classes have the smallest numbers. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/export_coco.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/data/runs.h"

enum { FIRST_STUFF = 256 }; /* segment numbers below this are objects */

static cnn_status no_memory(const cnn_coco_writer *writer) { return cnn_data_no_memory(writer->data); }

cnn_status cnn_coco_writer_open(cnn_coco_writer *writer, const cnn_data *data) {
  *writer =
      (cnn_coco_writer){data, json_array(), json_array(), data->pixels && data->masks ? json_array() : NULL};
  return writer->images && writer->objects && (writer->segments || !data->pixels || !data->masks)
             ? cnn_success()
             : no_memory(writer);
}

void cnn_coco_writer_close(cnn_coco_writer *writer) {
  json_decref(writer->images);
  json_decref(writer->objects);
  json_decref(writer->segments);
}

/* ---- Objects */

static json_t *box_of(const float box[4]) { /* x y width height */
  return json_pack("[ffff]", (double)box[0], (double)box[1], (double)box[2] - (double)box[0],
                   (double)box[3] - (double)box[1]);
}

/* Returns the run lengths of the pixels of object k, and sets *area to the number of these pixels. NULL: the
 * object has no pixels, or out of memory. */
static json_t *runs_of(const cnn_truth *truth, int k, int64_t *area, bool *memory) {
  cnn_runs runs;
  json_t *object = NULL;
  *memory = cnn_runs_make(&runs, truth->instance, (uint8_t)(k + 1), truth->height, truth->width);
  *area = *memory ? cnn_runs_area(&runs) : 0;
  if (*area > 0) {
    object = cnn_runs_json(&runs);
    *memory = object != NULL;
  }
  if (*memory) cnn_runs_free(&runs);
  return object;
}

static cnn_status object_add(cnn_coco_writer *writer, int64_t index, const cnn_truth *truth, int k) {
  const cnn_object *o = &truth->object[k];
  bool memory = true;
  int64_t area = 0;
  json_t *runs = truth->instance ? runs_of(truth, k, &area, &memory) : NULL;
  if (!memory) return no_memory(writer);
  const double whole = ((double)o->box[2] - (double)o->box[0]) * ((double)o->box[3] - (double)o->box[1]);
  json_t *object =
      json_pack("{s:I, s:I, s:i, s:o, s:f, s:i}", "id", (json_int_t)json_array_size(writer->objects) + 1,
                "image_id", (json_int_t)index, "category_id", writer->data->stuff + o->label + 1, "bbox",
                box_of(o->box), "area", runs ? (double)area : whole, "iscrowd", o->ignored ? 1 : 0);
  if (runs && json_object_set_new(object, "segmentation", runs) != 0) memory = false;
  if (!object || json_array_append_new(writer->objects, object) != 0) memory = false;
  return memory ? cnn_success() : no_memory(writer);
}

/* ---- Segments */

/* The number of the segment that a pixel belongs to; 0: none. */
static uint32_t segment_at(const cnn_truth *truth, size_t i) {
  if (truth->instance[i]) return truth->instance[i];
  return truth->pixels[i] < 0 ? 0 : FIRST_STUFF + (uint32_t)truth->pixels[i];
}

typedef struct Extent {
  int64_t pixels;
  float box[4];
} Extent;

static void extents_find(const cnn_truth *truth, uint8_t *rgb, Extent *extent) {
  for (int32_t y = 0; y < truth->height; y++)
    for (int32_t x = 0; x < truth->width; x++) {
      const size_t i = (size_t)y * (size_t)truth->width + (size_t)x;
      const uint32_t id = segment_at(truth, i);
      Extent *e = &extent[id];
      for (int k = 0; k < 3; k++) rgb[3 * i + (size_t)k] = (uint8_t)(id >> (8 * k));
      if (e->pixels++ == 0) memcpy(e->box, (float[4]){(float)x, (float)y, 0, 0}, sizeof e->box);
      if ((float)x < e->box[0]) e->box[0] = (float)x;
      if ((float)(x + 1) > e->box[2]) e->box[2] = (float)(x + 1);
      e->box[3] = (float)(y + 1);
    }
}

static json_t *segment_of(const cnn_data *data, const cnn_truth *truth, uint32_t id, const Extent *extent) {
  const bool thing = id < FIRST_STUFF;
  const int32_t class = thing ? data->stuff + truth->object[id - 1].label : (int32_t)(id - FIRST_STUFF);
  return json_pack("{s:i, s:i, s:o, s:I, s:i}", "id", (int)id, "category_id", class + 1, "bbox",
                   box_of(extent->box), "area", (json_int_t)extent->pixels, "iscrowd",
                   thing && truth->object[id - 1].ignored ? 1 : 0);
}

static cnn_status segments_add(cnn_coco_writer *writer, int64_t index, const char *name,
                               const cnn_truth *truth, const char *path) {
  const size_t ids = FIRST_STUFF + (size_t)writer->data->classes;
  Extent *extent = calloc(ids, sizeof *extent);
  cnn_image image = {truth->height, truth->width, 3,
                     malloc((size_t)truth->height * (size_t)truth->width * 3)};
  json_t *list = json_array();
  bool memory = extent && image.pixel && list;
  if (memory) extents_find(truth, image.pixel, extent);
  for (uint32_t id = 1; memory && id < ids; id++)
    if (extent[id].pixels > 0)
      memory = json_array_append_new(list, segment_of(writer->data, truth, id, &extent[id])) == 0;
  cnn_status status = memory ? cnn_image_write(path, &image) : no_memory(writer);
  if (status.code == CNN_OK &&
      json_array_append_new(writer->segments, json_pack("{s:I, s:s, s:O}", "image_id", (json_int_t)index,
                                                        "file_name", name, "segments_info", list)) != 0)
    status = no_memory(writer);
  json_decref(list);
  cnn_image_free(&image);
  free(extent);
  return status;
}

/* ---- Files */

cnn_status cnn_coco_writer_add(cnn_coco_writer *writer, int64_t index, const char *name,
                               const cnn_truth *truth, const char *segments) {
  json_t *image = json_pack("{s:I, s:s, s:i, s:i}", "id", (json_int_t)index, "file_name", name, "height",
                            truth->height, "width", truth->width);
  if (!image || json_array_append_new(writer->images, image) != 0) return no_memory(writer);
  cnn_status status = cnn_success();
  for (int k = 0; k < truth->count && status.code == CNN_OK; k++)
    status = object_add(writer, index, truth, k);
  if (status.code == CNN_OK && writer->segments) status = segments_add(writer, index, name, truth, segments);
  return status;
}

/* from: the first class that is listed. */
static json_t *categories_of(const cnn_data *data, int32_t from, bool things) {
  json_t *list = json_array();
  for (int32_t c = from; list && c < data->classes; c++) {
    char number[16];
    snprintf(number, sizeof number, "%d", (int)c);
    const char *name = cnn_data_class(data, c);
    json_t *category = json_pack("{s:i, s:s}", "id", (int)c + 1, "name", name ? name : number);
    if (category && things) json_object_set_new(category, "isthing", json_integer(c >= data->stuff));
    if (json_array_append_new(list, category) == 0) continue;
    json_decref(list);
    list = NULL;
  }
  return list;
}

static cnn_status file_write(const cnn_coco_writer *writer, const char *path, json_t *annotations,
                             bool segments) {
  json_t *categories = categories_of(writer->data, segments ? 0 : writer->data->stuff, segments);
  json_t *root = categories ? json_pack("{s:O, s:o, s:O}", "images", writer->images, "categories", categories,
                                        "annotations", annotations)
                            : NULL;
  char *text = root ? cnn_json_text(root) : NULL;
  cnn_writer file;
  cnn_status status = text ? cnn_writer_open(&file, path) : no_memory(writer);
  if (status.code == CNN_OK) {
    cnn_writer_put(&file, text, strlen(text));
    cnn_writer_put(&file, "\n", 1);
    status = cnn_writer_commit(&file);
  }
  free(text);
  json_decref(root);
  return status;
}

cnn_status cnn_coco_writer_commit(const cnn_coco_writer *writer, const char *instances,
                                  const char *panoptic) {
  const cnn_status status = file_write(writer, instances, writer->objects, false);
  if (status.code != CNN_OK || !writer->segments) return status;
  return file_write(writer, panoptic, writer->segments, true);
}
