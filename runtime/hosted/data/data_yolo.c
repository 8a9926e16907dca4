/* data_yolo.c: Images with YOLO text files of boxes: images/ and labels/ with equal file stems. The
 * two folders are in each part folder (train/, val/, test/) or in the directory itself; in the directory
 * itself, both may contain part folders. classes.txt or data.yaml names the classes. Each line of a text file
 * describes an object: its class, and its center, width and height as fractions of the image size. An image
 * without a text file has no objects. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/data/boxes.h"
#include "hosted/data/image.h"
#include "hosted/data/image_list.h"
#include "hosted/data/yolo.h"

enum { PATH_PARTS = 8 };

typedef struct Yolo {
  cnn_names names;
  char *names_path;  /* NULL: the classes have no names */
  int32_t *class_of; /* [names] */
  int64_t empty;     /* number of images without a text file */
  cnn_gathered gathered;
} Yolo;

/* ---- an image and its text file */

static cnn_status rows_take(cnn_data *data, Yolo *yolo, cnn_scene *scene, const char *path) {
  char *text = NULL;
  size_t n = 0;
  cnn_yolo reader = {.path = path, .classes = yolo->names.count};
  cnn_status status = cnn_text_read(path, &text, &n);
  reader.next = text;
  reader.end = text ? text + n : NULL;
  bool more = status.code == CNN_OK;
  if (status.code != CNN_OK) status = cnn_boxes_bad(data, true, &status);
  while (more && status.code == CNN_OK) {
    cnn_object object;
    status = cnn_yolo_next(&reader, &object, &more);
    if (status.code == CNN_OK && more) {
      if (yolo->class_of) object.label = yolo->class_of[object.label];
      else if (object.label >= data->classes) data->classes = object.label + 1;
      status = cnn_boxes_object(data, scene, &(cnn_boxed){.object = object});
    }
    status = cnn_boxes_bad(data, false, &status);
  }
  free(text);
  return status;
}

/* labels/STEM.txt for images/STEM.png, where STEM may contain folders; from malloc. */
static char *text_path(const char *labels, const char *below) {
  const size_t n = (size_t)(strrchr(below, '.') - below);
  char *name = malloc(n + sizeof ".txt"), *path = NULL;
  if (name) {
    memcpy(name, below, n);
    memcpy(name + n, ".txt", sizeof ".txt");
    path = cnn_path_join(labels, name);
  }
  free(name);
  return path;
}

static cnn_status picture_take(cnn_data *data, Yolo *yolo, int pool, const char *picture, const char *labels,
                               const char *below) {
  char *path = text_path(labels, below);
  if (!path) return cnn_data_no_memory(data);
  cnn_scene *scene;
  cnn_status status = cnn_boxes_scene(data, pool, (cnn_scene){.image = cnn_path_join("", picture)}, &scene);
  const bool there = cnn_file_there(path);
  if (status.code == CNN_OK && there) status = rows_take(data, yolo, scene, path);
  if (status.code == CNN_OK && there) return cnn_boxes_file(data, path);
  yolo->empty += !there;
  free(path);
  return status;
}

/* ---- Folders */

static int path_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Reports a text file whose image is missing. `stem`: the image paths relative to their folder, without
 * extensions. */
static cnn_status texts_check(cnn_data *data, const char *images, const char *labels, const char *below,
                              char *const *stem, size_t stems, int depth) {
  Listing listing;
  char *folder = cnn_path_join(labels, below);
  cnn_status status = folder ? cnn_listing_read(&listing, folder) : cnn_data_no_memory(data);
  for (int32_t i = 0; status.code == CNN_OK && i < listing.count; i++) {
    const Entry *entry = &listing.entry[i];
    char *path = cnn_path_join(below, entry->name), *dot = path ? strrchr(path, '.') : NULL;
    if (!path) status = cnn_data_no_memory(data);
    else if (entry->directory && !entry->linked && depth < PATH_PARTS)
      status = texts_check(data, images, labels, path, stem, stems, depth + 1);
    else if (dot && strcmp(dot, ".txt") == 0 && strcmp(entry->name, "classes.txt") != 0) {
      *dot = 0;
      if (stems == 0 || !bsearch(&path, stem, stems, sizeof *stem, path_order)) {
        status = cnn_failure(CNN_MISMATCH,
                             "%s/%s.txt: its image is missing: no file %s/%s.png (.jpg, .jpeg, .webp) exists",
                             labels, path, images, path);
        status = cnn_boxes_bad(data, true, &status);
      }
    }
    free(path);
  }
  if (folder) cnn_listing_free(&listing);
  free(folder);
  return status;
}

/* The image paths relative to the folder, with their extensions cut off in place; sorted. */
static char **stems_of(const cnn_image_list *pictures, size_t above) {
  char **stem = malloc(((size_t)pictures->count + 1) * sizeof *stem);
  for (int64_t i = 0; stem && i < pictures->count; i++) {
    stem[i] = pictures->picture[i].path + above;
    *strrchr(stem[i], '.') = 0;
  }
  if (stem) qsort(stem, (size_t)pictures->count, sizeof *stem, path_order);
  return stem;
}

static cnn_status folder_take(cnn_data *data, Yolo *yolo, const cnn_image_list *pictures,
                              const cnn_folder *folder) {
  cnn_status status = cnn_success();
  const size_t above = strlen(folder->images) + 1;
  for (int64_t i = 0; i < pictures->count && status.code == CNN_OK; i++) {
    const char *path = pictures->picture[i].path;
    if (!pictures->picture[i].again)
      status = picture_take(data, yolo, folder->pool, path, folder->beside, path + above);
  }
  if (status.code != CNN_OK) return status;
  char **stem = stems_of(pictures, above);
  status = stem ? texts_check(data, folder->images, folder->beside, "", stem, (size_t)pictures->count, 0)
                : cnn_data_no_memory(data);
  free(stem);
  return status;
}

/* Reads the images of all folders, each image once. */
static cnn_status folders_take(cnn_data *data, Yolo *yolo) {
  cnn_gathered *all = &yolo->gathered;
  cnn_status status = cnn_gathered_once(all);
  for (int32_t k = 0; k < all->count && status.code == CNN_OK; k++)
    status = folder_take(data, yolo, &all->pictures[k], &all->folder[k]);
  cnn_again_note(data, &all->again);
  return status;
}

/* directory/name/BELOW, or directory/name if `below` is empty; from malloc. */
static char *folder_path(const char *directory, const char *name, const char *below) {
  char *path = cnn_path_join(directory, name), *whole = path && *below ? cnn_path_join(path, below) : NULL;
  if (!*below) return path;
  free(path);
  return whole;
}

/* Gathers the images of one part: directory/images/BELOW and directory/labels/BELOW. */
static cnn_status part_gather(Yolo *yolo, int pool, const char *directory, const char *below, bool linked) {
  return cnn_folders_gather(&yolo->gathered, pool, folder_path(directory, "images", below),
                            folder_path(directory, "labels", below), linked);
}

/* Gathers images/train and labels/train, and the other parts in the same way. If images/ contains no parts,
 * gathers all of images/ for training. */
static cnn_status inner_parts_gather(cnn_data *data, Yolo *yolo) {
  Listing listing;
  char *images = cnn_path_join(data->path, "images");
  cnn_status status = images ? cnn_listing_read(&listing, images) : cnn_data_no_memory(data);
  bool parts = false;
  for (int32_t i = 0; status.code == CNN_OK && i < listing.count; i++) {
    const int pool = listing.entry[i].directory ? cnn_data_part_of(listing.entry[i].name) : POOLS;
    if (pool == POOLS) continue;
    parts = true;
    status = part_gather(yolo, pool, data->path, listing.entry[i].name, listing.entry[i].linked);
  }
  if (images) cnn_listing_free(&listing);
  free(images);
  return status.code == CNN_OK && !parts ? part_gather(yolo, POOL_TRAIN, data->path, "", false) : status;
}

static cnn_status outer_parts_gather(cnn_data *data, Yolo *yolo, const Listing *listing) {
  cnn_status status = cnn_success();
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    const int pool = listing->entry[i].directory ? cnn_data_part_of(listing->entry[i].name) : POOLS;
    if (pool == POOLS) continue;
    char *path = cnn_path_join(data->path, listing->entry[i].name);
    status = path ? part_gather(yolo, pool, path, "", listing->entry[i].linked) : cnn_data_no_memory(data);
    free(path);
  }
  return status;
}

/* ---- Classes */

static cnn_status names_take(cnn_data *data, Yolo *yolo, const Listing *listing) {
  static const char *const files[] = {"classes.txt", "data.yaml", "data.yml"};
  const char *name = NULL;
  for (size_t k = 0; k < sizeof files / sizeof *files && !name; k++)
    if (cnn_listing_find(listing, files[k])) name = files[k];
  if (!name) return cnn_success();
  char *text = NULL;
  size_t n = 0;
  yolo->names_path = cnn_path_join(data->path, name);
  cnn_status status =
      yolo->names_path ? cnn_text_read(yolo->names_path, &text, &n) : cnn_data_no_memory(data);
  if (status.code == CNN_OK)
    status = strcmp(name, "classes.txt") == 0 ? cnn_names_lines(&yolo->names, yolo->names_path, text, n)
                                              : cnn_names_yaml(&yolo->names, yolo->names_path, text, n);
  free(text);
  if (status.code == CNN_OK) {
    yolo->class_of = malloc(((size_t)yolo->names.count + 1) * sizeof *yolo->class_of);
    status = yolo->class_of
                 ? cnn_boxes_name(data, yolo->names_path, yolo->names.name, yolo->names.count, yolo->class_of)
                 : cnn_data_no_memory(data);
  }
  if (status.code == CNN_OK) status = cnn_boxes_file(data, cnn_path_join("", yolo->names_path));
  return status;
}

/* ---- Opening */

static cnn_status has_both(const char *path, bool *both) {
  Listing listing;
  const cnn_status status = cnn_listing_read(&listing, path);
  *both = status.code == CNN_OK && cnn_listing_folder(&listing, "images") &&
          cnn_listing_folder(&listing, "labels");
  cnn_listing_free(&listing);
  return status;
}

static cnn_status parts_have_both(const cnn_data *data, const Listing *listing, bool *both) {
  cnn_status status = cnn_success();
  *both = false;
  for (int32_t i = 0; i < listing->count && !*both && status.code == CNN_OK; i++) {
    if (!listing->entry[i].directory || cnn_data_part_of(listing->entry[i].name) == POOLS) continue;
    char *path = cnn_path_join(data->path, listing->entry[i].name);
    status = path ? has_both(path, both) : cnn_data_no_memory(data);
    free(path);
  }
  return status;
}

cnn_status cnn_data_open_yolo(cnn_data *data, const Listing *listing) {
  const bool here = cnn_listing_folder(listing, "images") && cnn_listing_folder(listing, "labels");
  bool both = here;
  cnn_status status = here ? cnn_success() : parts_have_both(data, listing, &both);
  if (!both) return status;
  Yolo yolo = {.names_path = NULL};
  status = cnn_boxes_begin(data, "images with YOLO boxes");
  if (status.code == CNN_OK) status = names_take(data, &yolo, listing);
  if (status.code == CNN_OK)
    status = here ? inner_parts_gather(data, &yolo) : outer_parts_gather(data, &yolo, listing);
  if (status.code == CNN_OK) status = folders_take(data, &yolo);
  if (status.code == CNN_OK) status = cnn_boxes_end(data);
  if (status.code == CNN_OK && yolo.empty > 0)
    cnn_data_note(data, "%lld image%s no text file in labels/, and thus no boxes", (long long)yolo.empty,
                  yolo.empty == 1 ? " has" : "s have");
  cnn_names_free(&yolo.names);
  cnn_gathered_free(&yolo.gathered);
  free(yolo.names_path);
  free(yolo.class_of);
  return status;
}
