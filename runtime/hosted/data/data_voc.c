/* data_voc.c: Data sets with Pascal VOC's boxes: JPEGImages/, and Annotations/ with one XML file per image.
 * The two folders may also be named images/ and annotations/. The files train.txt, val.txt and test.txt in
 * ImageSets/Main/ list the images of the parts; or train/, val/ and test/ each contain the two folders. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/data/boxes.h"
#include "hosted/data/voc.h"

/* Class names in the XML files. */
typedef struct Voc {
  char **name; /* in the order in which they were first read */
  int32_t names;
} Voc;

static const char *const layouts[2][2] = {{"JPEGImages", "Annotations"}, {"images", "annotations"}};

/* ---- class names, in the order of their first objects */

static int32_t name_find(Voc *voc, const char *name) {
  for (int32_t k = 0; k < voc->names; k++)
    if (strcmp(voc->name[k], name) == 0) return k;
  char **moved = realloc(voc->name, ((size_t)voc->names + 1) * sizeof *moved);
  if (!moved) return -1;
  voc->name = moved;
  moved[voc->names] = cnn_path_join("", name);
  return moved[voc->names] ? voc->names++ : -1;
}

static int name_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Converts the objects' labels, which are indices of voc->name, to class numbers. */
static cnn_status classes_number(cnn_data *data, Voc *voc) {
  const size_t room = (size_t)voc->names + 1;
  char **sorted = malloc(room * sizeof *sorted);
  int32_t *class_of = malloc(room * sizeof *class_of), *of_met = malloc(room * sizeof *of_met);
  cnn_status status = sorted && class_of && of_met ? cnn_success() : cnn_data_no_memory(data);
  if (status.code == CNN_OK && voc->names > 0) {
    memcpy(sorted, voc->name, (size_t)voc->names * sizeof *sorted);
    qsort(sorted, (size_t)voc->names, sizeof *sorted, name_order);
  }
  if (status.code == CNN_OK) status = cnn_boxes_name(data, data->path, sorted, voc->names, class_of);
  for (int32_t k = 0; k < voc->names && status.code == CNN_OK; k++)
    for (int32_t s = 0; s < voc->names; s++)
      if (sorted[s] == voc->name[k]) of_met[k] = class_of[s];
  const BoxesSet *set = data->set;
  for (int p = 0; p < POOLS && status.code == CNN_OK; p++)
    for (int64_t i = 0; i < set->pool[p].count; i++)
      for (int32_t k = 0; k < set->pool[p].scene[i].count; k++) {
        cnn_object *object = &set->pool[p].scene[i].object[k].object;
        object->label = of_met[object->label];
      }
  free(sorted);
  free(class_of);
  free(of_met);
  return status;
}

/* ---- An image */

static cnn_status objects_take(cnn_data *data, Voc *voc, const cnn_voc *read, const char *path,
                               cnn_scene *scene) {
  cnn_status status = cnn_success();
  for (int32_t k = 0; k < read->count && status.code == CNN_OK; k++) {
    cnn_voc_object *object = &read->object[k];
    status = cnn_voc_check(read, path, object);
    if (status.code == CNN_OK) {
      object->object.label = name_find(voc, object->name);
      status = object->object.label < 0
                   ? cnn_data_no_memory(data)
                   : cnn_boxes_object(data, scene, &(cnn_boxed){.object = object->object});
    }
    status = cnn_boxes_bad(data, false, &status);
  }
  return status;
}

/* images/STEM.jpg, or with another extension if such a file exists; from malloc. */
static char *image_path(const char *images, const char *stem) {
  static const char *const endings[] = {"jpg", "png", "jpeg", "webp", "JPG", "PNG", "JPEG"};
  char *first = NULL;
  for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
    char name[300];
    snprintf(name, sizeof name, "%.280s.%s", stem, endings[k]);
    char *path = cnn_path_join(images, name);
    if (!path || cnn_file_there(path)) {
      free(first);
      return path;
    }
    if (k == 0) first = path;
    else free(path);
  }
  return first;
}

static cnn_status xml_take(cnn_data *data, Voc *voc, int pool, const char *images, const char *stem,
                           const char *path) {
  cnn_file file;
  cnn_voc read = {0};
  cnn_scene *scene;
  cnn_status status = cnn_file_open(&file, path);
  if (status.code == CNN_OK) {
    status = cnn_voc_parse(&read, path, (const char *)file.data, file.size);
    cnn_file_close(&file);
  }
  if (status.code == CNN_OK && (read.height < 1 || read.width < 1))
    status =
        cnn_failure(CNN_BAD_FORMAT, "%s: does not contain the size of its image (size: width, height)", path);
  const bool broken = status.code != CNN_OK;
  status = cnn_boxes_bad(data, true, &status);
  if (status.code == CNN_OK && !broken)
    status = cnn_boxes_scene(
        data, pool,
        (cnn_scene){.image = image_path(images, stem), .height = read.height, .width = read.width}, &scene);
  if (status.code == CNN_OK && !broken) status = objects_take(data, voc, &read, path, scene);
  if (status.code == CNN_OK && !broken) status = cnn_boxes_file(data, cnn_path_join("", path));
  cnn_voc_free(&read);
  return status;
}

static cnn_status stem_take(cnn_data *data, Voc *voc, int pool, const char *images, const char *annotations,
                            const char *stem) {
  char name[300];
  snprintf(name, sizeof name, "%.280s.xml", stem);
  char *path = cnn_path_join(annotations, name);
  const cnn_status status = path ? xml_take(data, voc, pool, images, stem, path) : cnn_data_no_memory(data);
  free(path);
  return status;
}

/* ---- Parts */

/* Reads ImageSets/Main/PART.txt: the first word of each line names an image. Sets *there to true if
 * the file exists. */
static cnn_status list_take(cnn_data *data, Voc *voc, int pool, const char *part, const char *images,
                            const char *annotations, bool *there) {
  char below[64], stem[300];
  snprintf(below, sizeof below, "ImageSets/Main/%s.txt", part);
  char *path = cnn_path_join(data->path, below);
  if (!path) return cnn_data_no_memory(data);
  cnn_file file = {0};
  cnn_status status = cnn_success();
  if (cnn_file_there(path)) {
    *there = true;
    status = cnn_file_open(&file, path);
  }
  const char *at = NULL;
  size_t length = 0;
  if (status.code == CNN_OK) status = cnn_text_of(path, file.data, file.size, &at, &length);
  const char *const end = at ? at + length : NULL;
  while (at < end && status.code == CNN_OK) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop) stop = end;
    size_t n = 0;
    while (at + n < stop && at[n] != ' ' && at[n] != '\t' && at[n] != '\r') n++;
    if (n >= sizeof stem) n = sizeof stem - 1;
    memcpy(stem, at, n);
    stem[n] = 0;
    if (!cnn_path_stays(stem))
      status = cnn_failure(CNN_MISMATCH, "%s: '%s' is outside the data set", path, stem);
    else if (n > 0) status = stem_take(data, voc, pool, images, annotations, stem);
    at = stop < end ? stop + 1 : end;
  }
  cnn_file_close(&file);
  free(path);
  return status;
}

/* Reads every XML file of a folder. */
static cnn_status folder_take(cnn_data *data, Voc *voc, int pool, const char *images,
                              const char *annotations) {
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, annotations);
  for (int32_t i = 0; i < listing.count && status.code == CNN_OK; i++) {
    char *name = listing.entry[i].name, *dot = strrchr(name, '.');
    if (listing.entry[i].directory || !dot || strcmp(dot, ".xml") != 0) continue;
    *dot = 0;
    status = stem_take(data, voc, pool, images, annotations, name);
  }
  cnn_listing_free(&listing);
  return status;
}

/* ---- Opening */

static cnn_status has_xml(const char *folder, bool *there) {
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, folder);
  *there = false;
  for (int32_t i = 0; status.code == CNN_OK && i < listing.count && !*there; i++) {
    const char *dot = strrchr(listing.entry[i].name, '.');
    *there = dot && strcmp(dot, ".xml") == 0;
  }
  cnn_listing_free(&listing);
  return status;
}

/* Finds the folder of images and the folder of XML files in a directory. Their paths are from malloc; both
 * are NULL if the directory does not have the two folders. */
static cnn_status folders_find(const cnn_data *data, const char *directory, char **images,
                               char **annotations) {
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, directory);
  bool found = false;
  *images = *annotations = NULL;
  for (int k = 0; k < 2 && !found && status.code == CNN_OK; k++) {
    if (!cnn_listing_folder(&listing, layouts[k][0]) || !cnn_listing_folder(&listing, layouts[k][1]))
      continue;
    *images = cnn_path_join(directory, layouts[k][0]);
    *annotations = cnn_path_join(directory, layouts[k][1]);
    status = *images && *annotations ? has_xml(*annotations, &found) : cnn_data_no_memory(data);
    if (found) break;
    free(*images);
    free(*annotations);
    *images = *annotations = NULL;
  }
  cnn_listing_free(&listing);
  return status;
}

/* Reads one directory with folders of images and XML; pool = POOLS: the directory may have lists of the
 * images of each part. */
static cnn_status directory_take(cnn_data *data, Voc *voc, const char *directory, int pool) {
  static const char *const parts[] = {"train", "val", "test", "trainval"};
  static const int pools[] = {POOL_TRAIN, POOL_VAL, POOL_TEST, POOL_TRAIN};
  char *images, *annotations;
  cnn_status status = folders_find(data, directory, &images, &annotations);
  if (!images) return status;
  if (!data->kind) status = cnn_boxes_begin(data, "images with Pascal VOC boxes");
  bool there = false, trained = false;
  for (int k = 0; k < 4 && pool == POOLS && status.code == CNN_OK; k++) {
    if (k == 3 && trained) continue;
    status = list_take(data, voc, pools[k], parts[k], images, annotations, &there);
    /* trainval.txt contains the images of train.txt and val.txt, and is only read if both of these files are
     * missing */
    if (k < 2) trained = there;
  }
  if (status.code == CNN_OK && !there)
    status = folder_take(data, voc, pool == POOLS ? POOL_TRAIN : pool, images, annotations);
  free(images);
  free(annotations);
  return status;
}

cnn_status cnn_data_open_voc(cnn_data *data, const Listing *listing) {
  Voc voc = {.names = 0};
  cnn_status status = directory_take(data, &voc, data->path, POOLS);
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    const int pool = listing->entry[i].directory ? cnn_data_part_of(listing->entry[i].name) : POOLS;
    if (pool == POOLS) continue;
    char *path = cnn_path_join(data->path, listing->entry[i].name);
    status = path ? directory_take(data, &voc, path, pool) : cnn_data_no_memory(data);
    free(path);
  }
  if (status.code == CNN_OK && data->kind) status = classes_number(data, &voc);
  if (status.code == CNN_OK && data->kind) status = cnn_boxes_end(data);
  for (int32_t k = 0; k < voc.names; k++) free(voc.name[k]);
  free(voc.name);
  return status;
}
