/* boxes.c: Data sets of images with objects, independent of file formats. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/boxes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/similar.h"
#include "hosted/data/image.h"
#include "hosted/data/image_list.h"
#include "hosted/data/pixels.h"
#include "hosted/weights/classes.h"

/* ---- A sample */

static int segment_order(const void *a, const void *b) {
  const uint32_t x = ((const cnn_boxed *)a)->segment, y = ((const cnn_boxed *)b)->segment;
  return (x > y) - (x < y);
}

static const cnn_boxed *segment_find(const cnn_scene *scene, uint32_t number) {
  const cnn_boxed key = {.segment = number};
  return scene->count == 0 ? NULL
                           : bsearch(&key, scene->object, (size_t)scene->count, sizeof key, segment_order);
}

static void box_grow(float box[4], int32_t x, int32_t y) {
  if ((float)x < box[0]) box[0] = (float)x;
  if ((float)y < box[1]) box[1] = (float)y;
  if ((float)(x + 1) > box[2]) box[2] = (float)(x + 1);
  if ((float)(y + 1) > box[3]) box[3] = (float)(y + 1);
}

static cnn_status size_check(const char *path, const cnn_image *image, int32_t height, int32_t width,
                             const char *says) {
  if (height == 0 || (image->height == height && image->width == width)) return cnn_success();
  return cnn_failure(CNN_MISMATCH, "%s: is %dx%d (height x width), but %s says %dx%d", path,
                     (int)image->height, (int)image->width, says, (int)height, (int)width);
}

/* Sets number[k] for each segment k of a scene: objects are numbered from 1, and other segments get 0. Adds
 * the objects to the annotations. */
static void segments_number(const cnn_scene *scene, cnn_truth *truth, int32_t *number) {
  for (int32_t k = 0; k < scene->count; k++) {
    number[k] = 0;
    if (scene->object[k].stuff) continue;
    truth->object[truth->count] = scene->object[k].object;
    memcpy(truth->object[truth->count].box, (float[4]){INFINITY, INFINITY, 0, 0}, 4 * sizeof(float));
    number[k] = ++truth->count;
  }
}

/* Reads classes, instances and boxes from the segment image. A pixel with the color R, G, B belongs to the
 * segment with number R + 256 G + 65536 B. */
static cnn_status segments_read(const cnn_scene *scene, const cnn_image *segments, int32_t *number,
                                cnn_truth *truth) {
  const int32_t width = segments->width;
  segments_number(scene, truth, number);
  for (int32_t i = 0; i < segments->height * width; i++) {
    const uint8_t *color = segments->pixel + (size_t)i * (size_t)segments->channels;
    const uint32_t id = segments->channels == 3
                            ? color[0] | (uint32_t)color[1] << 8 | (uint32_t)color[2] << 16
                            : color[0] * 0x010101u;
    const cnn_boxed *segment = id == 0 ? NULL : segment_find(scene, id);
    truth->pixels[i] = segment ? segment->class : -1;
    if (id == 0) continue;
    if (!segment)
      return cnn_failure(CNN_MISMATCH,
                         "%s: row %d, column %d has the segment %u, but no annotation has that segment",
                         scene->segments, (int)(i / width), (int)(i % width), (unsigned)id);
    const int32_t k = number[segment - scene->object];
    if (k == 0) continue;
    truth->instance[i] = (uint8_t)k;
    box_grow(truth->object[k - 1].box, i % width, i / width);
  }
  for (int32_t i = 0; i < scene->count; i++) {
    const float *box = number[i] > 0 ? truth->object[number[i] - 1].box : NULL;
    if (box && !(box[0] < box[2]))
      return cnn_failure(CNN_MISMATCH, "%s: no pixel has the segment %u of its annotation", scene->segments,
                         (unsigned)scene->object[i].segment);
  }
  return cnn_success();
}

static cnn_status segments_take(const cnn_data *data, const cnn_scene *scene, cnn_truth *truth) {
  const size_t n = (size_t)truth->height * (size_t)truth->width;
  cnn_image segments;
  cnn_status status = cnn_image_read(&segments, scene->segments);
  if (status.code != CNN_OK) return status;
  status = size_check(scene->segments, &segments, truth->height, truth->width, "its image");
  if (status.code == CNN_OK) {
    int32_t *number = malloc(((size_t)scene->count + 1) * sizeof *number);
    truth->instance = calloc(n, 1);
    truth->pixels = malloc(n * sizeof *truth->pixels);
    status = number && truth->instance && truth->pixels ? segments_read(scene, &segments, number, truth)
                                                        : cnn_data_no_memory(data);
    free(number);
  }
  cnn_image_free(&segments);
  return status;
}

/* Paints the outlines of all objects into the instance map. Ignored objects are painted first, so that other
 * objects cover them. */
static cnn_status outlines_paint(const cnn_data *data, const cnn_scene *scene, cnn_truth *truth) {
  truth->instance = calloc((size_t)truth->height * (size_t)truth->width, 1);
  bool memory = truth->instance != NULL;
  for (int pass = 0; pass < 2; pass++)
    for (int32_t k = 0; k < scene->count && memory; k++) {
      const cnn_boxed *object = &scene->object[k];
      if (object->outline && object->object.ignored == (pass == 0))
        memory = cnn_outline_paint(object->outline, truth->height, truth->width, (uint8_t)(k + 1),
                                   truth->instance);
    }
  return memory ? cnn_success() : cnn_data_no_memory(data);
}

static cnn_status objects_take(const cnn_data *data, const cnn_scene *scene, cnn_truth *truth) {
  for (int32_t k = 0; k < scene->count; k++) {
    cnn_object *object = &truth->object[k];
    *object = scene->object[k].object;
    object->outline = data->masks ? scene->object[k].outline : NULL;
    for (int side = 0; side < 4 && scene->height == 0; side++)
      object->box[side] *= (float)(side % 2 == 0 ? truth->width : truth->height);
  }
  truth->count = scene->count;
  return data->masks ? outlines_paint(data, scene, truth) : cnn_success();
}

static cnn_status scene_truth(const cnn_data *data, const cnn_scene *scene, cnn_image *image,
                              cnn_truth *truth) {
  *truth = (cnn_truth){0};
  cnn_status status = cnn_image_read(image, scene->image);
  if (status.code == CNN_OK)
    status = size_check(scene->image, image, scene->height, scene->width, "the annotation of its objects");
  if (status.code == CNN_OK) {
    truth->width = image->width;
    truth->height = image->height;
    truth->object = calloc((size_t)scene->count + 1, sizeof *truth->object);
    status = !truth->object    ? cnn_data_no_memory(data)
             : scene->segments ? segments_take(data, scene, truth)
                               : objects_take(data, scene, truth);
  }
  if (status.code == CNN_OK) return status;
  cnn_image_free(image);
  cnn_truth_free(truth);
  return status;
}

static cnn_status boxes_truth(const cnn_data *data, int pool, int64_t index, cnn_image *image,
                              cnn_truth *truth) {
  const BoxesSet *set = data->set;
  return scene_truth(data, &set->pool[pool].scene[index], image, truth);
}

static cnn_status boxes_inspect(const cnn_data *data, int pool, int64_t index, void *input) {
  return cnn_pixels_read(data, pool, index, (void *[]){input}, NULL);
}

/* ---- The set */

void cnn_scene_free(const cnn_scene *scene) {
  for (int32_t k = 0; k < scene->count; k++) cnn_outline_free(scene->object[k].outline);
  free(scene->object);
  free(scene->image);
  free(scene->segments);
}

static void boxes_close(cnn_data *data) {
  BoxesSet *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    for (int64_t i = 0; i < set->pool[p].count; i++) cnn_scene_free(&set->pool[p].scene[i]);
    free(set->pool[p].scene);
  }
  for (int64_t i = 0; i < set->files; i++) free(set->file[i]);
  free(set->file);
  free(set);
}

static void boxes_files(const cnn_data *data, cnn_each_file *each, void *context) {
  const BoxesSet *set = data->set;
  for (int64_t i = 0; i < set->files; i++) each(context, set->file[i]);
  for (int p = 0; p < POOLS; p++)
    for (int64_t i = 0; i < set->pool[p].count; i++) {
      each(context, set->pool[p].scene[i].image);
      if (set->pool[p].scene[i].segments) each(context, set->pool[p].scene[i].segments);
    }
}

static bool ends(const char *name, const char *suffix) {
  const size_t n = strlen(name), m = strlen(suffix);
  return n > m && strcmp(name + n - m, suffix) == 0;
}

static bool boxes_takes(const cnn_data *data, const char *below) {
  (void)data;
  if (below[0] == '.' || strstr(below, "/.")) return false;
  return ends(below, ".json") ||
         (strchr(below, '/') && (cnn_image_named(below) || ends(below, ".txt") || ends(below, ".xml")));
}

static const DataKind boxes = {cnn_pixels_read, NULL,        boxes_close, NULL, boxes_files,
                               boxes_inspect,   boxes_takes, boxes_truth, NULL};

cnn_status cnn_boxes_begin(cnn_data *data, const char *title) {
  BoxesSet *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  data->kind = &boxes;
  data->set = set;
  data->title = title;
  data->objects = true;
  return cnn_success();
}

/* Makes room for one more element; the capacity doubles when the number of elements reaches a power of two.
 * NULL: out of memory. */
static void *room_for(void *array, int64_t count, size_t bytes) {
  if (array && (count & (count - 1))) return array;
  return realloc(array, bytes * (size_t)(count ? 2 * count : 1));
}

cnn_status cnn_boxes_file(cnn_data *data, char *path) {
  BoxesSet *set = data->set;
  char **file = path ? room_for(set->file, set->files, sizeof *file) : NULL;
  if (!file) {
    free(path);
    return cnn_data_no_memory(data);
  }
  set->file = file;
  file[set->files++] = path;
  return cnn_success();
}

cnn_status cnn_boxes_scene(cnn_data *data, int pool, cnn_scene scene, cnn_scene **added) {
  BoxesSet *set = data->set;
  cnn_scenes *scenes = &set->pool[pool];
  cnn_scene *moved = scene.image ? room_for(scenes->scene, scenes->count, sizeof *moved) : NULL;
  if (!moved) {
    cnn_scene_free(&scene);
    return cnn_data_no_memory(data);
  }
  scenes->scene = moved;
  *added = &moved[scenes->count++];
  **added = scene;
  return cnn_success();
}

cnn_status cnn_boxes_object(cnn_data *data, cnn_scene *scene, const cnn_boxed *object) {
  BoxesSet *set = data->set;
  const bool crowded = (object->outline || scene->segments) && scene->count >= CNN_INSTANCES_MOST;
  cnn_boxed *moved = crowded ? NULL : room_for(scene->object, scene->count, sizeof *moved);
  if (moved) {
    scene->object = moved;
    moved[scene->count++] = *object;
    data->masks = data->masks || object->outline || scene->segments;
    set->unmasked += !object->outline && !scene->segments && !object->object.ignored;
    data->pixels = data->pixels || scene->segments;
    return cnn_success();
  }
  cnn_outline_free(object->outline);
  if (!crowded) return cnn_data_no_memory(data);
  return cnn_failure(CNN_MISMATCH,
                     "has a mask, but its image %s already has %d objects, the maximum with masks",
                     scene->image, (int)CNN_INSTANCES_MOST);
}

cnn_status cnn_boxes_bad(cnn_data *data, bool picture, const cnn_status *status) {
  BoxesSet *set = data->set;
  if (status->code == CNN_OK || status->code == CNN_NO_MEMORY || !data->options.skip_bad) return *status;
  if (set->bad_objects + set->bad_pictures == 0)
    snprintf(set->first, sizeof set->first, "%.399s", status->message);
  if (picture) set->bad_pictures++;
  else set->bad_objects++;
  return cnn_success();
}

cnn_status cnn_boxes_check(float box[4], double height, double width) {
  static const char *const side[4] = {"left", "top", "right", "bottom"};
  for (int k = 0; k < 4; k++)
    if (!isfinite(box[k]))
      return cnn_failure(CNN_NOT_FINITE, "the box's %s side is %g", side[k], (double)box[k]);
  if (!(box[0] < box[2] && box[1] < box[3]))
    return cnn_failure(CNN_MISMATCH, "the box is %g wide and %g high", (double)box[2] - (double)box[0],
                       (double)box[3] - (double)box[1]);
  for (int k = 0; k < 4; k++) {
    const double size = k % 2 == 0 ? width : height, at = (double)box[k],
                 slack = size > 100 || size <= 1 ? size / 100 : 1;
    if (at < -slack || at > size + slack)
      return cnn_failure(CNN_MISMATCH, "the box's %s side is %g, outside of 0 to %g", side[k], at, size);
    box[k] = (float)(at < 0 ? 0 : at > size ? size : at);
  }
  if (box[0] < box[2] && box[1] < box[3]) return cnn_success();
  return cnn_failure(CNN_MISMATCH, "the box is outside the image");
}

/* ---- Classes */

static cnn_status label_missing(const cnn_data *data, const char *where, const char *name) {
  const cnn_network *network = data->network;
  const char *similar = cnn_similar(name, network->label, network->labels);
  char list[300], hint[120] = "";
  if (similar) snprintf(hint, sizeof hint, "; did you mean '%.80s'?", similar);
  return cnn_failure(CNN_MISMATCH, "%s: the class '%s' is not one of the net's labels %s%s", where, name,
                     cnn_classes_list(network->label, network->labels, list, sizeof list), hint);
}

cnn_status cnn_boxes_name(cnn_data *data, const char *where, char *const *name, int32_t names,
                          int32_t *class_of) {
  const cnn_network *network = data->network;
  const bool labeled =
      !data->options.any_target && cnn_boxes_wanted(network) && network->labels > 0 && data->stuff == 0;
  const int32_t classes = labeled ? network->labels : names;
  for (int32_t k = 0; k < names; k++) {
    class_of[k] = labeled ? cnn_label_find(network, name[k]) : k;
    if (class_of[k] < 0) return label_missing(data, where, name[k]);
  }
  data->class_name = calloc((size_t)classes + 1, sizeof *data->class_name);
  if (!data->class_name) return cnn_data_no_memory(data);
  data->classes = classes;
  for (int32_t c = 0; c < classes; c++) {
    data->class_name[c] = cnn_path_join("", labeled ? network->label[c] : name[c]);
    if (!data->class_name[c]) return cnn_data_no_memory(data);
  }
  return cnn_success();
}

/* ---- after all files have been read */

/* Checks that the files exist; with --skip-bad, reads them as well. */
static cnn_status scene_try(const cnn_data *data, const cnn_scene *scene) {
  const char *const path[2] = {scene->image, scene->segments};
  for (int k = 0; k < 2; k++)
    if (path[k] && !cnn_file_there(path[k]))
      return cnn_failure(CNN_BAD_FILE, "%s: the image is missing", path[k]);
  if (!data->options.skip_bad) return cnn_success();
  cnn_image image;
  cnn_truth truth;
  const cnn_status status = scene_truth(data, scene, &image, &truth);
  if (status.code != CNN_OK) return status;
  cnn_image_free(&image);
  cnn_truth_free(&truth);
  return status;
}

/* With --skip-bad, unreadable images are dropped. */
static cnn_status scenes_try(cnn_data *data, int pool) {
  BoxesSet *set = data->set;
  cnn_scenes *scenes = &set->pool[pool];
  int64_t kept = 0, i = 0;
  cnn_status status = cnn_success();
  for (; i < scenes->count && status.code == CNN_OK; i++) {
    const cnn_scene scene = scenes->scene[i];
    status = scene_try(data, &scene);
    const bool fine = status.code == CNN_OK;
    status = cnn_boxes_bad(data, true, &status);
    if (fine || status.code != CNN_OK) scenes->scene[kept++] = scene;
    else cnn_scene_free(&scene);
  }
  for (; i < scenes->count; i++) scenes->scene[kept++] = scenes->scene[i];
  scenes->count = kept;
  return status;
}

static void tell_skipped(cnn_data *data) {
  const BoxesSet *set = data->set;
  const char *const s[2] = {set->bad_objects == 1 ? "" : "s", set->bad_pictures == 1 ? "" : "s"};
  if (set->bad_objects > 0 && set->bad_pictures > 0)
    cnn_data_note(data, "skipped %lld unusable object%s and %lld unusable image%s (first: %s)",
                  (long long)set->bad_objects, s[0], (long long)set->bad_pictures, s[1], set->first);
  else if (set->bad_objects > 0)
    cnn_data_note(data, "skipped %lld unusable object%s (first: %s)", (long long)set->bad_objects, s[0],
                  set->first);
  else cnn_bad_note(data, set->bad_pictures, set->first);
}

/* Warns of objects without masks in a set where other objects have masks: a net would learn that objects
 * without masks have no pixels. */
static void tell_unmasked(cnn_data *data) {
  const BoxesSet *set = data->set;
  if (!data->masks || set->unmasked == 0 || data->network->truth_height == 0) return;
  cnn_data_note(data, "%lld object%s no mask; the loss 'masks' treats %s as empty", (long long)set->unmasked,
                set->unmasked == 1 ? " has" : "s have", set->unmasked == 1 ? "its mask" : "their masks");
}

cnn_status cnn_boxes_end(cnn_data *data) {
  BoxesSet *set = data->set;
  cnn_status status = cnn_success();
  int64_t scenes = 0;
  for (int p = 0; p < POOLS && status.code == CNN_OK; p++) {
    for (int64_t i = 0; i < set->pool[p].count; i++) {
      cnn_scene *scene = &set->pool[p].scene[i];
      if (scene->segments && scene->count > 0)
        qsort(scene->object, (size_t)scene->count, sizeof *scene->object, segment_order);
    }
    status = scenes_try(data, p);
    scenes += data->pool[p] = set->pool[p].count;
  }
  if (status.code == CNN_OK && scenes == 0)
    status = cnn_failure(CNN_MISMATCH, "%s: contains no image%s%s", data->path,
                         set->bad_pictures ? "; the first that was skipped: " : "", set->first);
  if (status.code == CNN_OK && data->network->inputs != 1)
    status = cnn_failure(CNN_MISMATCH, "%s: an image is a single input, but the net has %d", data->path,
                         (int)data->network->inputs);
  if (status.code == CNN_OK) status = cnn_image_fits(data->path, 0, 0, 3, &data->network->input[0]);
  tell_skipped(data);
  tell_unmasked(data);
  return status;
}
