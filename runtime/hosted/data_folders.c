/* data_folders.c: folders of pictures: train/CLASS, val/CLASS, test/CLASS, or CLASS alone, which is all training. Classes are the
 * folders' names in order, or as the net's labels number them, if the folders are named so. The samples of the classes take turns, so that
 * the first N of a part have all of them. */
// SPDX-License-Identifier: MIT-0
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "dataset.h"
#include "image.h"

typedef struct Picture { char *path; int32_t folder; int32_t turn; } Picture; /* turn: its place in its folder */
enum { ABSENT, COMING, PRESENT };
typedef struct Kept { unsigned char *input; atomic_uchar *state; int64_t count; } Kept; /* the first pictures, as the net takes them, once they have been read */
typedef struct Pictures { Picture *picture; int64_t count; Kept kept; } Pictures;
typedef struct Folders { Pictures pool[POOLS]; int32_t *class_of; char **name; int32_t names; } Folders; /* class_of[folder] */

enum { DEPTH_MOST = 8 }; /* of folders in folders; links may go in circles */

static const char *const part_names[POOLS][4] = {{"train", "training"}, {"val", "valid", "validation"}, {"test", "testing"}};

static int part_of(const char *name) {
  for (int p = 0; p < POOLS; p++)
    for (int k = 0; k < 4 && part_names[p][k]; k++)
      if (strcmp(name, part_names[p][k]) == 0) return p;
  return POOLS;
}

static bool is_picture(const char *name) {
  static const char *const suffixes[] = {".png", ".jpg", ".jpeg"};
  size_t n = strlen(name);
  for (size_t s = 0; s < 3; s++) {
    size_t m = strlen(suffixes[s]), i = 0;
    if (n <= m) continue;
    while (i < m && tolower((unsigned char)name[n - m + i]) == suffixes[s][i]) i++;
    if (i == m) return true;
  }
  return false;
}

/* ---- What is there */

static bool picture_add(Pictures *pictures, char *path, int32_t folder, int32_t turn) {
  if ((pictures->count & (pictures->count - 1)) == 0) { /* room doubles at each power of two */
    Picture *moved = realloc(pictures->picture, sizeof *moved * (size_t)(pictures->count ? 2 * pictures->count : 1));
    if (!moved) return false;
    pictures->picture = moved;
  }
  pictures->picture[pictures->count++] = (Picture){path, folder, turn};
  return true;
}

/* All pictures in a folder and the folders in it. */
static cnn_status pictures_collect(cnn_data *data, Pictures *pictures, const char *path, int32_t folder, int32_t *turn, int depth) {
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, path);
  for (int32_t i = 0; i < listing.count && status.code == CNN_OK; i++) {
    const Entry *entry = &listing.entry[i];
    if (!entry->directory && !is_picture(entry->name)) continue;
    char *inner = cnn_path_join(path, entry->name);
    if (!inner) status = cnn_data_no_memory(data);
    else if (entry->directory) status = depth < DEPTH_MOST ? pictures_collect(data, pictures, inner, folder, turn, depth + 1) : cnn_success();
    else if (picture_add(pictures, inner, folder, (*turn)++)) continue; /* the set owns the path now */
    else status = cnn_data_no_memory(data);
    free(inner);
  }
  cnn_listing_free(&listing);
  return status;
}

/* The number of a folder's name; a new one, if it has not been seen. -1: no memory. */
static int32_t folder_number(Folders *set, const char *name) {
  for (int32_t f = 0; f < set->names; f++)
    if (strcmp(set->name[f], name) == 0) return f;
  char **moved = realloc(set->name, sizeof *moved * (size_t)(set->names + 1)), *copy = cnn_path_join("", name);
  if (moved) set->name = moved;
  if (!moved || !copy) {
    free(copy);
    return -1;
  }
  set->name[set->names] = copy;
  return set->names++;
}

/* A directory of classes. Folders without a picture are none. */
static cnn_status pool_collect(cnn_data *data, Folders *set, int pool, const Listing *listing) {
  cnn_status status = cnn_success();
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    if (!listing->entry[i].directory) continue;
    char *path = cnn_path_join(listing->path, listing->entry[i].name);
    int64_t before = set->pool[pool].count;
    int32_t turn = 0, known = set->names, folder = folder_number(set, listing->entry[i].name);
    status = path && folder >= 0 ? pictures_collect(data, &set->pool[pool], path, folder, &turn, 0) : cnn_data_no_memory(data);
    if (status.code == CNN_OK && set->pool[pool].count == before && set->names > known) free(set->name[--set->names]);
    free(path);
  }
  return status;
}

static int picture_order(const void *a, const void *b) {
  const Picture *p = a, *q = b;
  if (p->turn != q->turn) return p->turn < q->turn ? -1 : 1;
  return p->folder < q->folder ? -1 : p->folder > q->folder;
}

/* ---- Classes */

static int name_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* By the net's labels, if every folder has the name of one; else sorted. */
static cnn_status classes_name(cnn_data *data, Folders *set) {
  const cnn_network *network = data->network;
  bool labelled = network->labels > 0 && network->label;
  set->class_of = calloc((size_t)set->names + 1, sizeof *set->class_of);
  if (!set->class_of) return cnn_data_no_memory(data);
  for (int32_t f = 0; f < set->names && labelled; f++) {
    int32_t c = 0;
    while (c < network->labels && strcmp(network->label[c], set->name[f]) != 0) c++;
    labelled = c < network->labels;
    set->class_of[f] = c;
  }
  data->class_name = calloc((size_t)(labelled ? network->labels : set->names) + 1, sizeof *data->class_name);
  if (!data->class_name) return cnn_data_no_memory(data);
  data->classes = labelled ? network->labels : set->names;
  for (int32_t f = 0; f < data->classes; f++) {
    data->class_name[f] = cnn_path_join("", labelled ? network->label[f] : set->name[f]);
    if (!data->class_name[f]) return cnn_data_no_memory(data);
  }
  if (labelled) return cnn_success();
  qsort(data->class_name, (size_t)data->classes, sizeof *data->class_name, name_order);
  for (int32_t f = 0; f < set->names; f++)
    for (int32_t c = 0; c < data->classes; c++)
      if (strcmp(data->class_name[c], set->name[f]) == 0) set->class_of[f] = c;
  return cnn_success();
}

/* ---- The set */

static bool folder_label(const cnn_data *data, int pool, int64_t index, int32_t *label) {
  const Folders *set = data->set;
  *label = set->class_of[set->pool[pool].picture[index].folder];
  return true;
}

static size_t input_bytes(const cnn_data *data) {
  const cnn_port *port = &data->network->input[0];
  return (size_t)port->size * cnn_type_bytes(port->type);
}

/* Room for as many pictures as may be kept, those for training first. Where there is none, they are decoded each time. */
static void kept_open(cnn_data *data, Folders *set) {
  int64_t room = data->options.keep / (int64_t)input_bytes(data);
  for (int p = 0; p < POOL_TEST; p++) {
    Kept *kept = &set->pool[p].kept;
    int64_t count = set->pool[p].count < room ? set->pool[p].count : room;
    if (count <= 0) continue;
    kept->input = malloc((size_t)count * input_bytes(data)); /* untouched until a picture comes */
    kept->state = calloc((size_t)count, sizeof *kept->state);
    if (kept->input && kept->state) kept->count = count;
    room -= count;
  }
}

/* Threads that read the same picture at once all decode it; the first one keeps it. */
static void keep(Kept *kept, int64_t index, const void *input, size_t bytes) {
  unsigned char absent = ABSENT;
  if (index >= kept->count || !atomic_compare_exchange_strong(&kept->state[index], &absent, COMING)) return;
  memcpy(kept->input + (size_t)index * bytes, input, bytes);
  atomic_store_explicit(&kept->state[index], PRESENT, memory_order_release);
}

static cnn_status folder_read(const cnn_data *data, int pool, int64_t index, void *const input[], void *const target[]) {
  Folders *set = data->set;
  Kept *kept = &set->pool[pool].kept;
  const char *path = set->pool[pool].picture[index].path;
  int32_t label = 0;
  folder_label(data, pool, index, &label);
  cnn_label_store(data, label, target);
  if (index < kept->count && atomic_load_explicit(&kept->state[index], memory_order_acquire) == PRESENT) {
    memcpy(input[0], kept->input + (size_t)index * input_bytes(data), input_bytes(data));
    return cnn_success();
  }
  cnn_image image;
  cnn_status status = cnn_image_read(&image, path);
  if (status.code != CNN_OK) return status;
  status = cnn_image_feed(&image, &data->network->input[0], data->options.fit, input[0]);
  cnn_image_free(&image);
  if (status.code == CNN_OK) keep(kept, index, input[0], input_bytes(data));
  return status.code == CNN_OK ? status : cnn_failure(status.code, "%s: %s", path, status.message);
}

static void folder_close(cnn_data *data) {
  Folders *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    for (int64_t i = 0; i < set->pool[p].count; i++) free(set->pool[p].picture[i].path);
    free(set->pool[p].picture);
    free(set->pool[p].kept.input);
    free(set->pool[p].kept.state);
  }
  for (int32_t f = 0; f < set->names; f++) free(set->name[f]);
  free(set->name);
  free(set->class_of);
  free(set);
}

static void folder_files(const cnn_data *data, cnn_each_file *each, void *context) {
  const Folders *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    for (int64_t i = 0; i < set->pool[p].count; i++) each(context, set->pool[p].picture[i].path);
  }
}

static const DataKind folders = {folder_read, folder_label, folder_close, NULL, folder_files};

static cnn_status known_but_not_built(const cnn_data *data, const Listing *listing) {
  const Entry *images = cnn_listing_find(listing, "images"), *masks = cnn_listing_find(listing, "masks"), *labels = cnn_listing_find(listing, "labels");
  const Entry *annotations = cnn_listing_find(listing, "annotations"); /* COCO; YOLO has labels/ and data.yaml */
  if (images && masks && images->directory && masks->directory)
    return cnn_failure(CNN_NOT_BUILT, "%s: segmentation folders (images/ and masks/) [not-built-yet]", data->path);
  if ((images && labels && images->directory && labels->directory) || (annotations && annotations->directory) || cnn_listing_find(listing, "data.yaml"))
    return cnn_failure(CNN_NOT_BUILT, "%s: data sets with boxes [not-built-yet]", data->path);
  return cnn_success();
}

/* A directory with train/, val/ or test/ in it has parts; then nothing else counts. */
static cnn_status parts_collect(cnn_data *data, Folders *set, const Listing *listing) {
  bool parts = false;
  cnn_status status = known_but_not_built(data, listing);
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    int pool = listing->entry[i].directory ? part_of(listing->entry[i].name) : POOLS;
    if (pool == POOLS) continue;
    parts = true;
    char *path = cnn_path_join(listing->path, listing->entry[i].name);
    Listing below = {0};
    status = path ? cnn_listing_read(&below, path) : cnn_data_no_memory(data);
    if (status.code == CNN_OK) status = known_but_not_built(data, &below);
    if (status.code == CNN_OK) status = pool_collect(data, set, pool, &below);
    cnn_listing_free(&below);
    free(path);
  }
  return parts || status.code != CNN_OK ? status : pool_collect(data, set, POOL_TRAIN, listing);
}

cnn_status cnn_data_open_folders(cnn_data *data, const Listing *listing) {
  Folders *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  data->kind = &folders; /* closes the set from here on */
  data->set = set;
  data->title = "folders of pictures";
  cnn_status status = parts_collect(data, set, listing);
  if (status.code != CNN_OK) return status;
  int64_t pictures = 0;
  for (int p = 0; p < POOLS; p++) pictures += data->pool[p] = set->pool[p].count;
  if (pictures == 0) { /* not ours, after all */
    folder_close(data);
    data->kind = NULL;
    return status;
  }
  if (data->network->inputs != 1) return cnn_failure(CNN_MISMATCH, "%s: a picture is one input, the net has %d", data->path, data->network->inputs);
  status = classes_name(data, set);
  if (status.code == CNN_OK) status = cnn_labels_fit(data, data->path);
  if (status.code == CNN_OK) status = cnn_image_fits(data->path, 0, 0, 3, &data->network->input[0]);
  for (int p = 0; p < POOLS; p++) {
    Pictures *pool = &set->pool[p];
    if (pool->count > 0) qsort(pool->picture, (size_t)pool->count, sizeof *pool->picture, picture_order);
  }
  if (status.code == CNN_OK) kept_open(data, set);
  return status;
}
