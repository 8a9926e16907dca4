/* data_coco.c: Data sets in COCO's JSON: annotations/instances_train2017.json and similar names next to image
 * folders; _annotations.coco.json among the images of train/, valid/ and test/; a single annotation file; or
 * panoptic_train2017.json with a folder of segments. */
// SPDX-License-Identifier: MIT-0
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/base/memory.h"
#include "hosted/data/coco.h"
#include "hosted/data/pixels.h"

enum { LOOKED_AT = 20, NAME_ROOM = 256 };

/* A JSON file of a set: its location, and the parts of its name. */
typedef struct Place {
  char *path, *folder, *root; /* folder: directory of the file; root: directory of the set */
  char suffix[NAME_ROOM];     /* "train2017" of instances_train2017.json */
  char stem[NAME_ROOM];       /* "instances_train2017" */
  int pool;
} Place;

static bool begins(const char *name, const char *prefix) {
  return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_json(const char *name) {
  const size_t n = strlen(name);
  return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

/* Finds the part from a file name; POOLS: not an annotation file. bare: "train.json" is accepted as well. */
static void place_name(Place *place, const char *name, bool panoptic, bool bare) {
  const char *const prefix = panoptic ? "panoptic_" : "instances_";
  const size_t n = strlen(name) - 5;
  char part[NAME_ROOM];
  place->pool = POOLS;
  if (n >= NAME_ROOM) return;
  memcpy(place->stem, name, n);
  place->stem[n] = 0;
  const bool prefixed = begins(place->stem, prefix);
  snprintf(place->suffix, sizeof place->suffix, "%s", place->stem + (prefixed ? strlen(prefix) : 0));
  snprintf(part, sizeof part, "%s", place->suffix);
  for (size_t m = strlen(part); m > 0 && isdigit((unsigned char)part[m - 1]);) part[--m] = 0;
  if (prefixed || (bare && !panoptic)) place->pool = cnn_data_part_of(part);
  const bool whole = strcmp(place->stem, panoptic ? "panoptic" : "instances") == 0 ||
                     (!panoptic && (strcmp(place->stem, "annotations") == 0 ||
                                    strcmp(place->stem, "_annotations.coco") == 0));
  if (whole) place->pool = POOL_TRAIN;
}

/* ---- Image folders */

/* Whether the folder contains one of the first files that the JSON's list `list` names. Sets *memory to false
 * if memory runs out. */
static bool has_pictures(const json_t *root, const char *list, const char *folder, bool *memory) {
  const json_t *elements = json_object_get(root, list);
  bool there = false;
  for (size_t k = 0; k < LOOKED_AT && k < json_array_size(elements) && !there && *memory; k++) {
    const char *name = json_string_value(json_object_get(json_array_get(elements, k), "file_name"));
    const bool stays = name && cnn_path_stays(name);
    char *path = stays ? cnn_path_join(folder, name) : NULL;
    there = path && cnn_file_there(path);
    *memory = path || !stays;
    free(path);
  }
  return there;
}

/* folder/name, or folder/name/inner; from malloc. */
static char *below(const char *folder, const char *name, const char *inner) {
  char *path = cnn_path_join(folder, name), *whole = path && *inner ? cnn_path_join(path, inner) : NULL;
  if (!*inner) return path;
  free(path);
  return whole;
}

/* The first of the usual folders that contains files of the list (see has_pictures); otherwise the most usual
 * folder. */
static char *folder_find(const Place *place, const json_t *root, const char *list, const char *name) {
  const char *const usual[][3] = {
      {place->root, name, ""},     {place->root, "images", name}, {place->root, name, "images"},
      {place->root, "images", ""}, {place->folder, "", ""},       {place->root, "", ""},
      {place->folder, name, ""},
  };
  bool memory = true;
  for (size_t k = 0; k < sizeof usual / sizeof *usual && memory; k++) {
    char *path = *usual[k][1] ? below(usual[k][0], usual[k][1], usual[k][2]) : cnn_path_join("", usual[k][0]);
    memory = path != NULL;
    if (path && has_pictures(root, list, path, &memory)) return path;
    free(path);
  }
  if (!memory) return NULL;
  return below(place->root, *name ? name : "images", "");
}

/* ---- A file */

/* Rejects a file that cannot fit in memory. A value may have only two bytes in the file, a digit and a comma,
 * but needs 40 bytes when it is parsed. */
static cnn_status json_fits(const char *path, const cnn_file *file) {
  enum { VALUE_BYTES = 40 };
  const int64_t memory = cnn_memory();
  int64_t values = 0;
  for (size_t i = 0; i < file->size; i++) values += file->data[i] == ',';
  if (memory == 0 || values <= memory / VALUE_BYTES) return cnn_success();
  return cnn_failure(CNN_NO_MEMORY, "%s: has %lld values; %.1f GB of memory are not enough", path,
                     (long long)values, (double)memory / 1e9);
}

static cnn_status json_read(const char *path, json_t **root) {
  cnn_file file;
  json_error_t error;
  cnn_status status = cnn_file_open(&file, path);
  *root = NULL;
  const char *text;
  size_t length;
  if (status.code == CNN_OK) status = json_fits(path, &file);
  if (status.code == CNN_OK) status = cnn_text_of(path, file.data, file.size, &text, &length);
  if (status.code != CNN_OK) {
    cnn_file_close(&file);
    return status;
  }
  *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (!*root && !*error.text) status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  else if (!*root)
    status =
        cnn_failure(CNN_BAD_FORMAT, "%s:%d:%d: invalid JSON: %s", path, error.line, error.column, error.text);
  cnn_file_close(&file);
  return status;
}

static cnn_status file_take(cnn_coco *coco, const Place *place, const json_t *root) {
  char *images = folder_find(place, root, "images", place->suffix),
       *segments = coco->panoptic ? folder_find(place, root, "annotations", place->stem) : NULL;
  cnn_status status =
      images && (segments || !coco->panoptic) ? cnn_success() : cnn_data_no_memory(coco->data);
  if (status.code == CNN_OK) status = cnn_coco_read(coco, place->pool, place->path, root, images, segments);
  if (status.code == CNN_OK) status = cnn_boxes_file(coco->data, cnn_path_join("", place->path));
  free(images);
  free(segments);
  return status;
}

static void place_free(Place *place) {
  free(place->path);
  free(place->folder);
  free(place->root);
}

/* Reads the annotation files in a folder. The first one that is found creates the set. pool: the part of the
 * folder's files; POOLS: the file name determines the part. */
static cnn_status folder_take(cnn_coco *coco, const char *folder, const char *set_root, int pool, bool bare) {
  Listing listing;
  cnn_data *data = coco->data;
  cnn_status status = cnn_listing_read(&listing, folder);
  for (int32_t i = 0; i < listing.count && status.code == CNN_OK; i++) {
    const Entry *entry = &listing.entry[i];
    if (entry->directory || !is_json(entry->name)) continue;
    Place place = {.path = cnn_path_join(folder, entry->name),
                   .folder = cnn_path_join("", folder),
                   .root = cnn_path_join("", set_root)};
    json_t *root = NULL;
    place_name(&place, entry->name, coco->panoptic, bare);
    if (place.pool != POOLS && pool != POOLS) place.pool = pool;
    if (!place.path || !place.folder || !place.root) status = cnn_data_no_memory(data);
    if (status.code == CNN_OK && place.pool != POOLS) status = json_read(place.path, &root);
    if (root && !data->kind)
      status = cnn_boxes_begin(data, coco->panoptic ? "COCO's segments" : "images with COCO boxes");
    if (root && status.code == CNN_OK) status = file_take(coco, &place, root);
    json_decref(root);
    place_free(&place);
  }
  cnn_listing_free(&listing);
  return status;
}

/* ---- Opening */

static cnn_status end(cnn_coco *coco, cnn_status status) {
  cnn_data *data = coco->data;
  if (status.code == CNN_OK && data->kind) status = cnn_boxes_end(data);
  if (status.code == CNN_OK && data->kind && coco->panoptic) status = cnn_pixels_fit(data, data->path);
  cnn_coco_free(coco);
  return status;
}

/* Explains the expected names if annotations/ only has JSON files with other names. */
static cnn_status names_tell(const cnn_data *data) {
  Listing listing;
  char *folder = cnn_path_join(data->path, "annotations");
  cnn_status status = folder ? cnn_listing_read(&listing, folder) : cnn_data_no_memory(data);
  const char *strange = NULL;
  bool panoptic = false;
  for (int32_t i = 0; status.code == CNN_OK && i < listing.count; i++) {
    const char *name = listing.entry[i].name;
    panoptic = panoptic || (is_json(name) && begins(name, "panoptic"));
    if (is_json(name) && !strange) strange = name;
  }
  if (strange && !panoptic)
    status = cnn_failure(CNN_BAD_FORMAT,
                         "%s/%s: unknown name; COCO files are named instances_train.json, "
                         "instances_val.json ..., or select one with --data %s/%s",
                         folder, strange, folder, strange);
  if (folder) cnn_listing_free(&listing);
  free(folder);
  return status;
}

static cnn_status directory_open(cnn_data *data, const Listing *listing, bool panoptic) {
  cnn_coco coco = {.data = data, .panoptic = panoptic};
  cnn_status status = folder_take(&coco, data->path, data->path, POOLS, false);
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    const Entry *entry = &listing->entry[i];
    const bool annotations = strcmp(entry->name, "annotations") == 0;
    const int pool = entry->directory ? cnn_data_part_of(entry->name) : POOLS;
    if (!entry->directory || (!annotations && pool == POOLS)) continue;
    char *folder = cnn_path_join(data->path, entry->name);
    status = folder ? folder_take(&coco, folder, annotations ? data->path : folder, pool, annotations)
                    : cnn_data_no_memory(data);
    free(folder);
  }
  if (status.code == CNN_OK && !data->kind && !panoptic && cnn_listing_folder(listing, "annotations"))
    status = names_tell(data);
  return end(&coco, status);
}

cnn_status cnn_data_open_coco(cnn_data *data, const Listing *listing) {
  return directory_open(data, listing, false);
}

cnn_status cnn_data_open_panoptic(cnn_data *data, const Listing *listing) {
  return directory_open(data, listing, true);
}

/* The path without its last `levels` components; "." if no component is left. From malloc. */
static char *above(const char *path, int levels) {
  char *folder = cnn_path_join("", path);
  for (int k = 0; folder && k < levels; k++) {
    char *slash = strrchr(folder, '/');
    if (!slash) strcpy(folder, ".");
    else if (slash == folder) slash[1] = 0;
    else *slash = 0;
  }
  return folder;
}

cnn_status cnn_data_open_coco_file(cnn_data *data) {
  if (!is_json(data->path)) return cnn_success();
  const char *slash = strrchr(data->path, '/'), *name = slash ? slash + 1 : data->path;
  json_t *root = NULL;
  cnn_status status = json_read(data->path, &root);
  if (status.code != CNN_OK) return status;
  const json_t *first = json_array_get(json_object_get(root, "annotations"), 0);
  cnn_coco coco = {.data = data, .panoptic = json_object_get(first, "segments_info") != NULL};
  Place place = {.path = cnn_path_join("", data->path), .folder = above(data->path, 1)};
  place_name(&place, name, coco.panoptic, true);
  place.pool = POOL_TRAIN;
  const char *last = place.folder ? strrchr(place.folder, '/') : NULL;
  const bool nested = place.folder && strcmp(last ? last + 1 : place.folder, "annotations") == 0;
  place.root = above(data->path, nested ? 2 : 1);
  status = place.path && place.folder && place.root
               ? cnn_boxes_begin(data, coco.panoptic ? "COCO's segments" : "images with COCO boxes")
               : cnn_data_no_memory(data);
  if (status.code == CNN_OK) status = file_take(&coco, &place, root);
  json_decref(root);
  place_free(&place);
  return end(&coco, status);
}
