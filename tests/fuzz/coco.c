/* coco.c: Fuzz target for COCO JSON. The boxes of accepted objects must be inside the image. In small
 * images, the masks of these objects are rasterized, too. The reader may skip objects and images only with
 * the option skip_bad, and it must describe the first skipped object or image. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/coco.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { SMALL = 1 << 14 };

static void object_check(const cnn_scene *scene, const cnn_boxed *object, int32_t classes) {
  const float *box = object->object.box;
  if (object->class < 0 || object->class >= classes || (!object->stuff && object->object.label < 0)) abort();
  if (scene->segments || scene->height == 0) return;
  if (!(box[0] >= 0 && box[0] < box[2] && box[2] <= (float)scene->width)) abort();
  if (!(box[1] >= 0 && box[1] < box[3] && box[3] <= (float)scene->height)) abort();
  if (!object->outline || (int64_t)scene->height * scene->width > SMALL) return;
  uint8_t *map = calloc((size_t)scene->height, (size_t)scene->width);
  if (!map || !cnn_outline_paint(object->outline, scene->height, scene->width, 1, map)) abort();
  free(map);
}

static void read(const json_t *root, bool panoptic, bool skip_bad) {
  const cnn_network network = {.inputs = 1};
  cnn_data data = {.network = &network, .path = (char[]){"set"}, .options = {.skip_bad = skip_bad}};
  cnn_coco coco = {.data = &data, .panoptic = panoptic};
  if (cnn_boxes_begin(&data, "a set").code != CNN_OK) abort();
  const cnn_status status = cnn_coco_read(&coco, POOL_TRAIN, "input", root, "images", "segments");
  if ((status.code == CNN_OK) != (status.message[0] == 0)) abort();
  const BoxesSet *set = data.set;
  if (!skip_bad && set->bad_objects + set->bad_pictures > 0) abort();
  if (set->bad_objects + set->bad_pictures > 0 && !set->first[0]) abort();
  for (int64_t i = 0; i < set->pool[POOL_TRAIN].count; i++) {
    const cnn_scene *scene = &set->pool[POOL_TRAIN].scene[i];
    for (int32_t k = 0; k < scene->count; k++) object_check(scene, &scene->object[k], data.classes);
  }
  for (int32_t c = 0; data.class_name && c < data.classes; c++) free(data.class_name[c]);
  free(data.class_name);
  free(data.notes);
  data.kind->close(&data);
  cnn_coco_free(&coco);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  json_t *root = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL);
  for (int k = 0; root && k < 4; k++) read(root, k & 1, k & 2);
  json_decref(root);
  return 0;
}
