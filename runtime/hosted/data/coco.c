/* coco.c: Objects of images from COCO's JSON: images, categories and annotations, which refer to each other
 * by numbers. Error messages name the position in the JSON. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/coco.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/unicode.h"
#include "hosted/data/image.h"

/* The id of a list element, for searching. */
typedef struct Id {
  int64_t id;
  size_t place;
} Id;

typedef struct File {
  cnn_coco *coco;
  cnn_data *data;
  const char *path, *images, *segments;
  int pool;
  int64_t first; /* number of scenes that were in the pool before this file */
  Id *image;     /* sorted; without dropped images */
  size_t images_known;
} File;

#define LEADS_OUT "'%.200s' is outside of the image folder"

/* Formats an error: "path: images[3].width: ..." */
__attribute__((format(printf, 5, 6))) static cnn_status wrong(const File *file, const char *list, size_t k,
                                                              const char *member, const char *format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return cnn_failure(CNN_BAD_FORMAT, "%s: %s[%zu]%s%s: %s", file->path, list, k, *member ? "." : "", member,
                     text);
}

static int id_order(const void *a, const void *b) {
  const Id *x = a, *y = b;
  if (x->id != y->id) return x->id < y->id ? -1 : 1;
  return (x->place > y->place) - (x->place < y->place);
}

/* The first element with that id, or NULL. */
static const Id *id_find(const Id *id, size_t count, int64_t wanted) {
  size_t lo = 0, hi = count;
  while (lo < hi) {
    const size_t middle = lo + (hi - lo) / 2;
    if (id[middle].id < wanted) lo = middle + 1;
    else hi = middle;
  }
  return lo < count && id[lo].id == wanted ? &id[lo] : NULL;
}

/* Reads an integer member. False: missing or not an integer. */
static bool whole_number(const json_t *object, const char *member, int64_t *number) {
  const json_t *value = json_object_get(object, member);
  if (!json_is_integer(value)) return false;
  *number = json_integer_value(value);
  return true;
}

/* The ids of a list's elements, sorted; from malloc. Elements without an id are skipped. NULL: out of
 * memory. */
static Id *ids_of(const json_t *list, size_t *count) {
  Id *id = malloc((json_array_size(list) + 1) * sizeof *id);
  size_t k;
  const json_t *element;
  *count = 0;
  json_array_foreach(list, k, element) {
    int64_t number;
    if (id && whole_number(element, "id", &number)) id[(*count)++] = (Id){number, k};
  }
  if (id) qsort(id, *count, sizeof *id, id_order);
  return id;
}

/* Whether an element before index `place` has the id `number`; *first: index of the first such element. */
static bool is_second(const Id *id, size_t count, int64_t number, size_t place, size_t *first) {
  const Id *found = id_find(id, count, number);
  if (found) *first = found->place;
  return found && found->place < place;
}

/* ---- Categories */

static cnn_status category_read(const File *file, const json_t *list, size_t k, const Id *id, size_t ids,
                                cnn_category *category) {
  const json_t *element = json_array_get(list, k), *thing = json_object_get(element, "isthing");
  size_t first = 0;
  *category = (cnn_category){.name = json_string_value(json_object_get(element, "name"))};
  if (!whole_number(element, "id", &category->id))
    return wrong(file, "categories", k, "id", "must be an integer");
  if (is_second(id, ids, category->id, k, &first))
    return wrong(file, "categories", k, "id", "%lld is also the id of categories[%zu]",
                 (long long)category->id, first);
  if (!category->name || !cnn_text_plain(category->name, strlen(category->name)))
    return wrong(file, "categories", k, "name", "must be a string without control characters");
  category->stuff = file->coco->panoptic && json_is_number(thing) && json_number_value(thing) == 0;
  return cnn_success();
}

/* Orders categories: background classes first, then by id. */
static int category_order(const void *a, const void *b) {
  const cnn_category *x = a, *y = b;
  if (x->stuff != y->stuff) return x->stuff ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

/* Stores the categories of the first file, which define the classes. */
static cnn_status categories_keep(const File *file, const cnn_category *category, int32_t count) {
  cnn_coco *coco = file->coco;
  const size_t room = (size_t)count + 1;
  coco->id = malloc(room * sizeof *coco->id);
  coco->name = calloc(room, sizeof *coco->name);
  coco->stuff = malloc(room * sizeof *coco->stuff);
  coco->class_of = malloc(room * sizeof *coco->class_of);
  if (!coco->id || !coco->name || !coco->stuff || !coco->class_of) return cnn_data_no_memory(file->data);
  for (int32_t k = 0; k < count; k++) {
    coco->id[k] = category[k].id;
    coco->stuff[k] = category[k].stuff;
    coco->name[coco->categories++] = cnn_path_join("", category[k].name);
    if (!coco->name[k]) return cnn_data_no_memory(file->data);
    file->data->stuff += category[k].stuff;
  }
  return cnn_boxes_name(file->data, file->path, coco->name, count, coco->class_of);
}

/* Checks that a later file has the categories of the first file. */
static cnn_status categories_compare(const File *file, const cnn_category *category, int32_t count) {
  const cnn_coco *coco = file->coco;
  for (int32_t k = 0; k < count && k < coco->categories; k++) {
    if (coco->id[k] == category[k].id && strcmp(coco->name[k], category[k].name) == 0) continue;
    return wrong(file, "categories", (size_t)category[k].place, "",
                 "is %lld '%.80s', but %lld '%.80s' in the previous file", (long long)category[k].id,
                 category[k].name, (long long)coco->id[k], coco->name[k]);
  }
  if (count == coco->categories) return cnn_success();
  return cnn_failure(CNN_MISMATCH, "%s: has %d categories, but the previous file has %d", file->path,
                     (int)count, (int)coco->categories);
}

static cnn_status categories_read(const File *file, const json_t *list) {
  const size_t count = json_array_size(list);
  size_t ids;
  if (count == 0 || count > 100000)
    return cnn_failure(CNN_BAD_FORMAT, "%s: has %zu categories", file->path, count);
  Id *id = ids_of(list, &ids);
  cnn_category *category = malloc(count * sizeof *category);
  cnn_status status = id && category ? cnn_success() : cnn_data_no_memory(file->data);
  for (size_t k = 0; k < count && status.code == CNN_OK; k++) {
    status = category_read(file, list, k, id, ids, &category[k]);
    category[k].place = (int32_t)k;
  }
  if (status.code == CNN_OK) {
    qsort(category, count, sizeof *category, category_order);
    status = file->coco->categories == 0 ? categories_keep(file, category, (int32_t)count)
                                         : categories_compare(file, category, (int32_t)count);
  }
  free(id);
  free(category);
  return status;
}

/* Index of a category; -1: no category has this id. */
static int32_t category_find(const cnn_coco *coco, int64_t id) {
  for (int32_t k = 0; k < coco->categories; k++)
    if (coco->id[k] == id) return k;
  return -1;
}

/* ---- Images */

static cnn_status image_read(File *file, const json_t *list, size_t k, const Id *id, size_t ids) {
  const json_t *element = json_array_get(list, k);
  const char *name = json_string_value(json_object_get(element, "file_name"));
  int64_t number, height, width;
  size_t first = 0;
  if (!whole_number(element, "id", &number)) return wrong(file, "images", k, "id", "must be an integer");
  if (is_second(id, ids, number, k, &first))
    return wrong(file, "images", k, "id", "%lld is also the id of images[%zu]", (long long)number, first);
  if (!name || !*name) return wrong(file, "images", k, "file_name", "must be a string");
  if (!cnn_path_stays(name)) return wrong(file, "images", k, "file_name", LEADS_OUT, name);
  if (!whole_number(element, "height", &height) || height < 1 || height > CNN_PIXELS_MOST)
    return wrong(file, "images", k, "height",
                 "must be an integer of at least 1, with height * width at most 2^27");
  if (!whole_number(element, "width", &width) || width < 1 || width > CNN_PIXELS_MOST / height)
    return wrong(file, "images", k, "width",
                 "must be an integer of at least 1, with height * width at most 2^27");
  cnn_scene *scene;
  const cnn_status status = cnn_boxes_scene(file->data, file->pool,
                                            (cnn_scene){.image = cnn_path_join(file->images, name),
                                                        .height = (int32_t)height,
                                                        .width = (int32_t)width},
                                            &scene);
  if (status.code != CNN_OK) return status;
  const BoxesSet *set = file->data->set;
  file->image[file->images_known++] = (Id){number, (size_t)(set->pool[file->pool].count - 1)};
  return status;
}

static cnn_status images_read(File *file, const json_t *list) {
  size_t ids;
  const size_t count = json_array_size(list);
  Id *id = ids_of(list, &ids);
  file->image = malloc((count + 1) * sizeof *file->image);
  cnn_status status = id && file->image ? cnn_success() : cnn_data_no_memory(file->data);
  for (size_t k = 0; k < count && status.code == CNN_OK; k++) {
    status = image_read(file, list, k, id, ids);
    status = cnn_boxes_bad(file->data, true, &status);
  }
  if (status.code == CNN_OK) qsort(file->image, file->images_known, sizeof *file->image, id_order);
  free(id);
  return status;
}

/* The scene of an annotation. NULL without an error: the annotation's image was dropped. */
static cnn_status scene_of(const File *file, const json_t *list, size_t k, const Id *all, size_t alls,
                           cnn_scene **scene) {
  int64_t number;
  *scene = NULL;
  if (!whole_number(json_array_get(list, k), "image_id", &number))
    return wrong(file, "annotations", k, "image_id", "must be an integer");
  const Id *found = id_find(file->image, file->images_known, number);
  const BoxesSet *set = file->data->set;
  if (found) *scene = &set->pool[file->pool].scene[found->place];
  else if (!id_find(all, alls, number))
    return wrong(file, "annotations", k, "image_id", "no element of images has the id %lld",
                 (long long)number);
  return cnn_success();
}

/* ---- Objects */

static cnn_status polygons_read(const File *file, const json_t *polygons, size_t k, const cnn_scene *scene,
                                cnn_outline *outline) {
  size_t p, i;
  const json_t *polygon, *number;
  json_array_foreach(polygons, p, polygon) {
    char member[64];
    snprintf(member, sizeof member, "segmentation[%zu]", p);
    const size_t n = json_array_size(polygon);
    double *corner = malloc((n + 1) * sizeof *corner);
    if (!corner) return cnn_data_no_memory(file->data);
    bool numbers = json_is_array(polygon);
    json_array_foreach(polygon, i, number) {
      numbers = numbers && json_is_number(number);
      corner[i] = json_number_value(number);
    }
    const cnn_status status = cnn_outline_polygon(outline, corner, n, scene->height, scene->width);
    free(corner);
    if (!numbers) return wrong(file, "annotations", k, member, "must be a list of numbers");
    if (status.code == CNN_NO_MEMORY) return status;
    if (status.code != CNN_OK) return wrong(file, "annotations", k, member, "%s", status.message);
  }
  return cnn_success();
}

static cnn_status runs_read(const File *file, const json_t *runs, size_t k, const cnn_scene *scene,
                            cnn_outline *outline) {
  const json_t *size = json_object_get(runs, "size"), *counts = json_object_get(runs, "counts"), *number;
  const json_t *height = json_array_get(size, 0), *width = json_array_get(size, 1);
  if (!json_is_integer(height) || !json_is_integer(width) || json_array_size(size) != 2)
    return wrong(file, "annotations", k, "segmentation.size", "must be [height, width]");
  if (json_integer_value(height) != scene->height || json_integer_value(width) != scene->width)
    return wrong(file, "annotations", k, "segmentation.size",
                 "is %lldx%lld, but its image is %dx%d (height x width)",
                 (long long)json_integer_value(height), (long long)json_integer_value(width),
                 (int)scene->height, (int)scene->width);
  cnn_status status = cnn_success();
  int64_t sum = 0;
  size_t i;
  if (json_is_string(counts)) {
    status = cnn_outline_unpack(outline, json_string_value(counts), json_string_length(counts), scene->height,
                                scene->width);
  } else if (!json_is_array(counts)) {
    return wrong(file, "annotations", k, "segmentation.counts", "must be a list of numbers, or a string");
  } else {
    json_array_foreach(counts, i, number) {
      if (!json_is_integer(number))
        return wrong(file, "annotations", k, "segmentation.counts", "[%zu] is not an integer", i);
      status = cnn_outline_run(outline, json_number_value(number), &sum, scene->height, scene->width);
      if (status.code != CNN_OK) break;
    }
    if (status.code == CNN_OK && sum != (int64_t)scene->height * scene->width)
      return wrong(file, "annotations", k, "segmentation.counts",
                   "the runs have %lld pixels, but %dx%d (height x width) has %lld", (long long)sum,
                   (int)scene->height, (int)scene->width, (long long)scene->height * scene->width);
  }
  if (status.code == CNN_OK || status.code == CNN_NO_MEMORY) return status;
  return wrong(file, "annotations", k, "segmentation.counts", "%s", status.message);
}

static cnn_status outline_read(const File *file, const json_t *annotation, size_t k, const cnn_scene *scene,
                               cnn_outline **outline) {
  const json_t *shape = json_object_get(annotation, "segmentation");
  *outline = NULL;
  if (!shape || json_is_null(shape) || (json_is_array(shape) && json_array_size(shape) == 0))
    return cnn_success();
  if (!json_is_array(shape) && !json_is_object(shape))
    return wrong(file, "annotations", k, "segmentation", "must be a list of polygons, or size and counts");
  *outline = calloc(1, sizeof **outline);
  if (!*outline) return cnn_data_no_memory(file->data);
  const cnn_status status = json_is_array(shape) ? polygons_read(file, shape, k, scene, *outline)
                                                 : runs_read(file, shape, k, scene, *outline);
  if (status.code != CNN_OK) {
    cnn_outline_free(*outline);
    *outline = NULL;
  }
  return status;
}

static cnn_status box_read(const File *file, const json_t *annotation, size_t k, const cnn_scene *scene,
                           float box[4]) {
  const json_t *list = json_object_get(annotation, "bbox");
  double number[4];
  bool numbers = json_array_size(list) == 4;
  for (size_t i = 0; i < 4 && numbers; i++) {
    numbers = json_is_number(json_array_get(list, i));
    number[i] = json_number_value(json_array_get(list, i));
  }
  if (!numbers) return wrong(file, "annotations", k, "bbox", "must be four numbers: x, y, width, height");
  for (int i = 0; i < 4; i++) box[i] = (float)(i < 2 ? number[i] : number[i - 2] + number[i]);
  const cnn_status status = cnn_boxes_check(box, scene->height, scene->width);
  return status.code == CNN_OK ? status : wrong(file, "annotations", k, "bbox", "%s", status.message);
}

/* Reads the fields that annotations and segments share: the class, and whether the object is ignored. */
static cnn_status class_read(const File *file, const json_t *element, const char *list, size_t k,
                             cnn_boxed *object) {
  const cnn_coco *coco = file->coco;
  int64_t number;
  const json_t *crowd = json_object_get(element, "iscrowd");
  if (!whole_number(element, "category_id", &number))
    return wrong(file, list, k, "category_id", "must be an integer");
  const int32_t c = category_find(coco, number);
  if (c < 0)
    return wrong(file, list, k, "category_id", "no element of categories has the id %lld", (long long)number);
  object->class = coco->class_of[c];
  object->stuff = coco->stuff[c];
  object->object.label = object->class - (object->stuff ? 0 : file->data->stuff);
  object->object.ignored = json_is_true(crowd) || (json_is_number(crowd) && json_number_value(crowd) != 0);
  return cnn_success();
}

/* Reads the area, by which COCO's metrics distinguish small, medium and large objects. */
static cnn_status area_read(const File *file, const json_t *annotation, size_t k, double *area) {
  const json_t *number = json_object_get(annotation, "area");
  *area = json_number_value(number);
  if (!number || json_is_null(number) || (json_is_number(number) && *area >= 0)) return cnn_success();
  return wrong(file, "annotations", k, "area", "must be a number of at least 0");
}

static cnn_status object_read(const File *file, const json_t *list, size_t k, const Id *all, size_t alls,
                              const Id *own, size_t owns) {
  const json_t *annotation = json_array_get(list, k);
  cnn_boxed object = {.segment = 0};
  cnn_scene *scene;
  int64_t id;
  size_t first = 0;
  if (whole_number(annotation, "id", &id) && is_second(own, owns, id, k, &first))
    return wrong(file, "annotations", k, "id", "%lld is also the id of annotations[%zu]", (long long)id,
                 first);
  cnn_status status = scene_of(file, list, k, all, alls, &scene);
  if (status.code != CNN_OK || !scene) return status;
  status = class_read(file, annotation, "annotations", k, &object);
  if (status.code == CNN_OK) status = box_read(file, annotation, k, scene, object.object.box);
  if (status.code == CNN_OK) status = area_read(file, annotation, k, &object.object.area);
  if (status.code == CNN_OK) status = outline_read(file, annotation, k, scene, &object.outline);
  if (status.code != CNN_OK) return status;
  status = cnn_boxes_object(file->data, scene, &object);
  if (status.code == CNN_OK || status.code == CNN_NO_MEMORY) return status;
  return wrong(file, "annotations", k, "", "%s", status.message);
}

/* ---- Segments */

static cnn_status segment_read(const File *file, size_t k, const json_t *segments, size_t s, const Id *own,
                               size_t owns, cnn_scene *scene) {
  char list[64];
  int64_t id;
  size_t first = 0;
  cnn_boxed object = {.segment = 0};
  const json_t *segment = json_array_get(segments, s);
  snprintf(list, sizeof list, "annotations[%zu].segments_info", k);
  if (!whole_number(segment, "id", &id) || id < 1 || id > 0xFFFFFF)
    return wrong(file, list, s, "id", "must be an integer from 1 to %d", 0xFFFFFF);
  if (is_second(own, owns, id, s, &first))
    return wrong(file, list, s, "id", "%lld is also the id of segment %zu", (long long)id, first);
  cnn_status status = class_read(file, segment, list, s, &object);
  object.segment = (uint32_t)id;
  if (status.code == CNN_OK) status = cnn_boxes_object(file->data, scene, &object);
  if (status.code == CNN_OK || status.code == CNN_NO_MEMORY || status.code == CNN_BAD_FORMAT) return status;
  return wrong(file, list, s, "", "%s", status.message);
}

static cnn_status segments_take(const File *file, const json_t *list, size_t k, cnn_scene *scene) {
  const json_t *annotation = json_array_get(list, k),
               *segments = json_object_get(annotation, "segments_info");
  const char *name = json_string_value(json_object_get(annotation, "file_name"));
  size_t ids;
  if (!name || !*name) return wrong(file, "annotations", k, "file_name", "must be a string");
  if (!cnn_path_stays(name)) return wrong(file, "annotations", k, "file_name", LEADS_OUT, name);
  if (!json_is_array(segments)) return wrong(file, "annotations", k, "segments_info", "must be a list");
  if (scene->segments)
    return wrong(file, "annotations", k, "image_id", "an earlier annotation is for the same image");
  scene->segments = cnn_path_join(file->segments, name);
  Id *id = ids_of(segments, &ids);
  cnn_status status = id && scene->segments ? cnn_success() : cnn_data_no_memory(file->data);
  for (size_t s = 0; s < json_array_size(segments) && status.code == CNN_OK; s++)
    status = segment_read(file, k, segments, s, id, ids, scene);
  free(id);
  return status;
}

/* If one segment is invalid, the whole image is invalid, because some of its pixels would have no class. */
static cnn_status segments_read(const File *file, const json_t *list, size_t k, const Id *all, size_t alls) {
  cnn_scene *scene;
  cnn_status status = scene_of(file, list, k, all, alls, &scene);
  if (status.code == CNN_OK && scene) status = segments_take(file, list, k, scene);
  if (status.code != CNN_OK && scene) { /* height 0 marks an image that was already reported */
    free(scene->segments);
    scene->segments = NULL;
    scene->height = 0;
  }
  return status;
}

/* With --skip-bad, drops images without segments or with invalid segments; otherwise, an image without
 * segments is an error. */
static cnn_status scenes_without_segments(const File *file) {
  BoxesSet *set = file->data->set;
  cnn_scenes *scenes = &set->pool[file->pool];
  cnn_status status = cnn_success();
  int64_t kept = file->first;
  for (int64_t i = file->first; i < scenes->count; i++) {
    const cnn_scene scene = scenes->scene[i];
    if (!scene.segments && scene.height > 0 && status.code == CNN_OK) {
      status =
          cnn_failure(CNN_MISMATCH, "%s: there is no annotation for the image %s", file->path, scene.image);
      status = cnn_boxes_bad(file->data, true, &status);
    }
    if (!scene.segments && status.code == CNN_OK) cnn_scene_free(&scene);
    else scenes->scene[kept++] = scene;
  }
  scenes->count = kept;
  return status;
}

/* ---- A file */

static cnn_status annotations_read(File *file, const json_t *list, const json_t *images) {
  size_t alls, owns;
  Id *all = ids_of(images, &alls), *own = ids_of(list, &owns);
  cnn_status status = all && own ? cnn_success() : cnn_data_no_memory(file->data);
  for (size_t k = 0; k < json_array_size(list) && status.code == CNN_OK; k++) {
    status = file->coco->panoptic ? segments_read(file, list, k, all, alls)
                                  : object_read(file, list, k, all, alls, own, owns);
    status = cnn_boxes_bad(file->data, file->coco->panoptic, &status);
  }
  free(all);
  free(own);
  return status.code == CNN_OK && file->coco->panoptic ? scenes_without_segments(file) : status;
}

cnn_status cnn_coco_read(cnn_coco *coco, int pool, const char *path, const json_t *root, const char *images,
                         const char *segments) {
  static const char *const lists[] = {"images", "categories", "annotations"};
  for (size_t k = 0; k < 3; k++)
    if (!json_is_array(json_object_get(root, lists[k])))
      return cnn_failure(CNN_BAD_FORMAT, "%s: is not a COCO file: it has no list \"%s\"", path, lists[k]);
  const BoxesSet *set = coco->data->set;
  File file = {.coco = coco,
               .data = coco->data,
               .path = path,
               .images = images,
               .segments = segments,
               .pool = pool,
               .first = set->pool[pool].count};
  cnn_status status = categories_read(&file, json_object_get(root, "categories"));
  if (status.code == CNN_OK) status = images_read(&file, json_object_get(root, "images"));
  if (status.code == CNN_OK)
    status = annotations_read(&file, json_object_get(root, "annotations"), json_object_get(root, "images"));
  free(file.image);
  return status;
}

void cnn_coco_free(cnn_coco *coco) {
  for (int32_t k = 0; k < coco->categories; k++) free(coco->name[k]);
  free(coco->id);
  free(coco->name);
  free(coco->stuff);
  free(coco->class_of);
  *coco = (cnn_coco){0};
}
