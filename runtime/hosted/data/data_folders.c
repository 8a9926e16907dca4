/* data_folders.c: Folders of images or WAV files: train/CLASS, val/CLASS, test/CLASS, or only CLASS folders,
 * whose samples are all for training. data_classes.c maps folders to classes. Samples of the classes
 * alternate, so that the first samples of a part are of different classes. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "hosted/data/calls.h"
#include "hosted/base/unicode.h"
#include "hosted/weights/classes.h"
#include "hosted/data/image.h"
#include "hosted/data/folders.h"
#include "hosted/data/sound.h"

enum { ABSENT, COMING, PRESENT };

static const char *const part_names[POOLS][8] = {
    {"train", "training", "trainset", "train_set", "training_set"},
    {"val", "valid", "validation", "valset", "val_set", "validset", "valid_set", "validation_set"},
    {"test", "testing", "testset", "test_set", "testing_set"},
};

static const char *const part_titles[POOLS] = {"training", "validation", "test"};

int cnn_data_part_of(const char *name) {
  for (int p = 0; p < POOLS; p++)
    for (int k = 0; k < 8 && part_names[p][k]; k++)
      if (strcasecmp(name, part_names[p][k]) == 0) return p;
  return POOLS;
}

/* ---- Files and folders */

/* Adds the images of a folder, each file once; the pool takes ownership of their paths. */
static bool pictures_take(Pool *pool, cnn_image_list *pictures, int32_t folder) {
  Picture *moved = realloc(pool->picture, sizeof *moved * (size_t)(pool->count + pictures->count + 1));
  if (!moved) return false;
  pool->picture = moved;
  for (int64_t i = 0, turn = 0; i < pictures->count; i++) {
    cnn_picture *picture = &pictures->picture[i];
    if (picture->again) continue;
    moved[pool->count++] = (Picture){.path = picture->path, .folder = folder, .turn = (int32_t)turn++};
    picture->path = NULL;
  }
  return true;
}

/* Moves the files found in the folders to the pools, each file once. */
static cnn_status found_take(cnn_data *data, Folders *set) {
  cnn_gathered *all = &set->gathered;
  cnn_status status = cnn_gathered_once(all);
  for (int32_t k = 0; k < all->count && status.code == CNN_OK; k++)
    if (!pictures_take(&set->pool[all->folder[k].pool], &all->pictures[k], all->folder[k].class))
      status = cnn_data_no_memory(data);
  return status;
}

bool cnn_folders_name_add(Folders *set, char *name) {
  char **moved = realloc(set->name, sizeof *moved * (size_t)(set->names + 1));
  if (moved) set->name = moved;
  uint8_t *pools = realloc(set->pools, (size_t)set->names + 1);
  if (pools) set->pools = pools;
  if (!moved || !pools) return false;
  set->name[set->names] = name;
  set->pools[set->names++] = 0;
  return true;
}

/* Finds the number of a folder name, or assigns a number to a new name. */
static cnn_status folder_number(cnn_data *data, Folders *set, int pool, const char *path, const char *name,
                                int32_t *folder) {
  char *composed = cnn_composed(name);
  int32_t f = 0;
  while (composed && f < set->names && strcmp(set->name[f], composed) != 0) f++;
  if (!composed || (f == set->names && !cnn_folders_name_add(set, composed))) {
    free(composed);
    return cnn_data_no_memory(data);
  }
  if (set->name[f] != composed) free(composed);
  *folder = f;
  const uint8_t bit = (uint8_t)(1 << pool);
  if (set->pools[f] & bit)
    return cnn_failure(
        CNN_MISMATCH,
        "%s: another folder next to it has the same name, with its accents encoded differently "
        "(Unicode NFC and NFD); merge the two, or rename one",
        path);
  set->pools[f] |= bit;
  return cnn_success();
}

/* The error for a class without files. If the set has no files at all, this error is not reported, because
 * then the set's folders are not classes. */
static cnn_status empty_folder(const char *path, const cnn_image_list *pictures) {
  if (pictures->skipped.count == 0)
    return cnn_failure(CNN_MISMATCH, "%s: this class folder is empty; put images%s into it, or remove it",
                       path, pictures->sounds ? " or WAV files" : "");
  return cnn_failure(CNN_MISMATCH, "%s: this class folder has no readable image%s; its first file is %s",
                     path, pictures->sounds ? " or WAV file" : "", pictures->skipped.first);
}

static bool reads_sounds(const cnn_data *data) { return data->network->input[0].rank == 2; }

/* Collects the files of a class folder. */
static cnn_status folder_collect(cnn_data *data, Folders *set, int pool, const char *path, const char *name,
                                 bool linked, cnn_status *empty) {
  cnn_image_list pictures;
  cnn_status status = reads_sounds(data) ? cnn_sounds_collect(&pictures, path, linked)
                                         : cnn_image_list_collect(&pictures, path, linked);
  if (status.code != CNN_OK) return status;
  if (pictures.count == 0) {
    if (empty->code == CNN_OK && pictures.again.count == 0) *empty = empty_folder(path, &pictures);
    cnn_skipped_add(&set->gathered.again, &pictures.again);
  } else {
    int32_t folder = 0;
    status = folder_number(data, set, pool, path, name, &folder);
    cnn_skipped_add(&set->skipped, &pictures.skipped);
    if (status.code == CNN_OK)
      status = cnn_gathered_add(&set->gathered, &pictures, (cnn_folder){.pool = pool, .class = folder});
  }
  cnn_image_list_free(&pictures);
  return status;
}

static bool is_background(const cnn_data *data, const Entry *entry) {
  return entry->directory && reads_sounds(data) && cnn_sounds_background(entry->name);
}

/* Reads a directory of classes; `linked`: it was reached through a link. `empty` is the error for the first
 * class without an image. */
static cnn_status pool_collect(cnn_data *data, Folders *set, int pool, const Listing *listing, bool linked,
                               cnn_status *empty) {
  cnn_status status = cnn_success();
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    const Entry *entry = &listing->entry[i];
    if (!entry->directory && !cnn_image_named(entry->name)) continue;
    char *path = cnn_path_join(listing->path, entry->name);
    if (!path) return cnn_data_no_memory(data);
    if (is_background(data, entry)) status = cnn_sounds_background_add(set, path, linked || entry->linked);
    else if (entry->directory)
      status = folder_collect(data, set, pool, path, entry->name, linked || entry->linked, empty);
    else cnn_skipped_add(&set->loose, &(cnn_skipped){1, path});
    if (entry->directory || set->loose.first != path) free(path);
  }
  return status;
}

static int picture_order(const void *a, const void *b) {
  const Picture *p = a, *q = b;
  if (p->turn != q->turn) return p->turn < q->turn ? -1 : 1;
  return p->folder < q->folder ? -1 : p->folder > q->folder;
}

/* ---- The set */

static bool folder_label(const cnn_data *data, int pool, int64_t index, int32_t *label) {
  const Folders *set = data->set;
  *label = set->names > 0 ? set->class_of[set->pool[pool].picture[index].folder] : -1;
  return set->names > 0;
}

static size_t input_bytes(const cnn_data *data) {
  const cnn_port *port = &data->network->input[0];
  return (size_t)port->size * cnn_type_bytes(port->type);
}

/* Allocates the cache of decoded images, for the training images first, then for the validation images. Test
 * images, and images that do not fit, are decoded each time. */
static void kept_open(cnn_data *data, Folders *set) {
  int64_t room = data->options.keep / (int64_t)input_bytes(data);
  set->all_kept = true;
  for (int p = 0; p < POOL_TEST; p++) {
    Kept *kept = &set->pool[p].kept;
    int64_t count = set->pool[p].count < room ? set->pool[p].count : room;
    if (count <= 0) continue;
    kept->input = malloc((size_t)count * input_bytes(data)); /* memory pages need no RAM until written */
    kept->state = calloc((size_t)count, sizeof *kept->state);
    if (kept->input && kept->state) kept->count = count;
    room -= count;
  }
  for (int p = 0; p < POOL_TEST; p++)
    set->all_kept = set->all_kept && set->pool[p].kept.count == set->pool[p].count;
}

/* Threads that read the same image concurrently all decode it; the first one stores it. */
static void keep(Kept *kept, int64_t index, const void *input, size_t bytes) {
  unsigned char absent = ABSENT;
  if (index >= kept->count || !atomic_compare_exchange_strong(&kept->state[index], &absent, COMING)) return;
  memcpy(kept->input + (size_t)index * bytes, input, bytes);
  atomic_store_explicit(&kept->state[index], PRESENT, memory_order_release);
}

/* Reads a recording; `place` is explained in DataKind. *whole: the recording is not longer than the input, so
 * that `place` does not matter. */
static cnn_status sound_read(const cnn_data *data, const Picture *picture, double place, void *input,
                             bool *whole) {
  const cnn_port *port = &data->network->input[0];
  const Folders *set = data->set;
  *whole = false;
  if (picture->silence > 0) {
    cnn_noise_feed(&set->noise, picture->silence - 1, place < 0 ? picture->place : place, port, input);
    return cnn_success();
  }
  cnn_sound sound;
  cnn_status status = cnn_sound_read(&sound, picture->path);
  if (status.code == CNN_OK) status = cnn_sound_feed(&sound, picture->path, port, place, input);
  *whole = sound.frames <= cnn_port_length(port);
  cnn_sound_free(&sound);
  return status;
}

static cnn_status image_read(const cnn_data *data, const char *path, void *input) {
  const cnn_port *port = &data->network->input[0];
  cnn_image image;
  cnn_status status = cnn_image_read(&image, path);
  if (status.code != CNN_OK) return status;
  status = cnn_image_feed(&image, port, data->options.fit, input);
  cnn_image_free(&image);
  return status.code == CNN_OK ? status : cnn_failure(status.code, "%s: %s", path, status.message);
}

static cnn_status folder_cut(const cnn_data *data, int pool, int64_t index, double place, void *const input[],
                             void *const target[]) {
  Folders *set = data->set;
  Kept *kept = &set->pool[pool].kept;
  const Picture *picture = &set->pool[pool].picture[index];
  int32_t label = 0;
  bool whole = true;
  folder_label(data, pool, index, &label);
  cnn_label_store(data, label, target);
  if (index < kept->count && atomic_load_explicit(&kept->state[index], memory_order_acquire) == PRESENT) {
    memcpy(input[0], kept->input + (size_t)index * input_bytes(data), input_bytes(data));
    return cnn_success();
  }
  cnn_status status = cnn_sound_named(picture->path) ? sound_read(data, picture, place, input[0], &whole)
                                                     : image_read(data, picture->path, input[0]);
  if (status.code == CNN_OK && whole) keep(kept, index, input[0], input_bytes(data));
  return status;
}

static cnn_status folder_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                              void *const target[]) {
  return folder_cut(data, pool, index, -1, input, target);
}

/* Whether the set has WAV files, whose full scale is 1. */
static bool has_sounds(const Folders *set) {
  for (int p = 0; p < POOLS; p++)
    if (set->pool[p].count > 0) return cnn_sound_named(set->pool[p].picture[0].path);
  return false;
}

static bool folder_unit(const cnn_data *data, int32_t input) {
  (void)input;
  return data->sounds;
}

/* Checks an image. Decodes it if the cache has room for all training and validation images, because training
 * will decode it anyway. Also decodes it if the net's input is not an image, because then its size must match
 * the input's. Otherwise, decodes it only if it looks damaged. */
static cnn_status folder_inspect(const cnn_data *data, int pool, int64_t index, void *input) {
  const Folders *set = data->set;
  const bool kept = set->all_kept && index < set->pool[pool].kept.count;
  if (kept || data->network->input[0].rank != 3)
    return folder_read(data, pool, index, (void *[]){input}, NULL);
  return cnn_image_inspect(set->pool[pool].picture[index].path);
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
  free(set->pools);
  free(set->class_of);
  cnn_gathered_free(&set->gathered);
  cnn_image_list_free(&set->background);
  cnn_noise_close(&set->noise);
  free(set->skipped.first);
  free(set->loose.first);
  free(set);
}

static void folder_files(const cnn_data *data, cnn_each_file *each, void *context) {
  const Folders *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    for (int64_t i = 0; i < set->pool[p].count; i++) each(context, set->pool[p].picture[i].path);
  }
  for (int64_t i = 0; i < set->background.count; i++) each(context, set->background.picture[i].path);
}

/* Whether a new file `below` would belong to the set. Files in hidden folders are not read. A table in the
 * directory itself would be read instead of the folders. */
static bool folder_takes(const cnn_data *data, const char *below) {
  const Folders *set = data->set;
  char first[64];
  if (below[0] == '.' || strstr(below, "/.")) return false;
  if (!strchr(below, '/')) return cnn_csv_is_part(below);
  snprintf(first, sizeof first, "%.*s", (int)strcspn(below, "/"), below);
  return !set->parts || cnn_data_part_of(first) != POOLS;
}

static const DataKind folders = {folder_read,    folder_label, folder_close, folder_unit, folder_files,
                                 folder_inspect, folder_takes, NULL,         folder_cut};

/* ---- Parts */

static bool has_folders(const Listing *listing) {
  for (int32_t i = 0; i < listing->count; i++)
    if (listing->entry[i].directory) return true;
  return false;
}

/* Reads a folder with the name of a part. The folder is a part if it contains class folders. If it only
 * contains images, it is a class, unless another folder is a part. */
static cnn_status part_collect(cnn_data *data, Folders *set, int pool, const char *path, bool linked,
                               cnn_status *empty) {
  Listing below;
  cnn_status status = cnn_listing_read(&below, path);
  if (status.code == CNN_OK && has_folders(&below)) {
    if (set->pool[pool].there)
      status = cnn_failure(CNN_MISMATCH,
                           "%s: another folder next to it is also the %s part; merge the two, or rename one",
                           path, part_titles[pool]);
    set->pool[pool].there = set->parts = true;
    if (status.code == CNN_OK) status = pool_collect(data, set, pool, &below, linked, empty);
  }
  cnn_listing_free(&below);
  return status;
}

/* Reports folders that are not read because they are not parts. */
static void others_note(cnn_data *data, const Folders *set, const Listing *listing) {
  for (int32_t i = 0; i < listing->count; i++) {
    const Entry *entry = &listing->entry[i];
    int pool = cnn_data_part_of(entry->name);
    if (!entry->directory || (pool != POOLS && set->pool[pool].there)) continue;
    if (is_background(data, entry)) continue;
    char *path = cnn_path_join(listing->path, entry->name);
    cnn_data_note(data, "%s is not read: %s", path ? path : entry->name,
                  pool == POOLS ? "only the parts train, val and test are read"
                                : "it contains no class folders");
    free(path);
  }
}

/* Reads background recordings next to the parts. */
static cnn_status background_collect(cnn_data *data, Folders *set, const Listing *listing) {
  cnn_status status = cnn_success();
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    if (!is_background(data, &listing->entry[i])) continue;
    char *path = cnn_path_join(listing->path, listing->entry[i].name);
    status = path ? cnn_sounds_background_add(set, path, listing->entry[i].linked) : cnn_data_no_memory(data);
    free(path);
  }
  return status;
}

/* Reads the parts (see part_collect). If there are parts, other folders in the directory are ignored, except
 * background recordings. If there are no parts, all folders are classes of the training part. */
static cnn_status parts_collect(cnn_data *data, Folders *set, const Listing *listing, cnn_status *empty) {
  cnn_status status = cnn_success();
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++) {
    int pool = listing->entry[i].directory ? cnn_data_part_of(listing->entry[i].name) : POOLS;
    if (pool == POOLS) continue;
    char *path = cnn_path_join(listing->path, listing->entry[i].name);
    status = path ? part_collect(data, set, pool, path, listing->entry[i].linked, empty)
                  : cnn_data_no_memory(data);
    free(path);
  }
  if (status.code != CNN_OK) return status;
  if (!set->parts) return pool_collect(data, set, POOL_TRAIN, listing, false, empty);
  others_note(data, set, listing);
  return background_collect(data, set, listing);
}

/* Reads images in the directory itself, for nets that need no class. */
static cnn_status loose_collect(cnn_data *data, Folders *set) {
  cnn_image_list pictures;
  free(set->loose.first);
  set->loose = (cnn_skipped){0};
  cnn_status status = cnn_image_list_collect(&pictures, data->path, false);
  if (status.code != CNN_OK) return status;
  cnn_skipped_add(&set->skipped, &pictures.skipped);
  status = cnn_gathered_add(&set->gathered, &pictures, (cnn_folder){.pool = POOL_TRAIN});
  cnn_image_list_free(&pictures);
  data->title = "a folder of images";
  return status.code == CNN_OK ? found_take(data, set) : status;
}

/* Images outside of class folders are accepted if no output needs a class, or with options.any_target. */
static cnn_status classless(cnn_data *data, Folders *set) {
  bool wanted = false;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) wanted = wanted || cnn_target_wanted(data, o);
  if (wanted && !data->options.any_target)
    return cnn_failure(
        CNN_MISMATCH,
        "%s: %lld image%s, but no folders of classes, CLASS/*.png (first: %s); a set "
        "without classes can only be used for calibration (cnnc quantize), and to train nets whose target is "
        "their input",
        data->path, (long long)set->loose.count, set->loose.count == 1 ? "" : "s", set->loose.first);
  data->lacks_targets = wanted;
  return loose_collect(data, set);
}

/* ---- Notes */

static bool has_class(const Pool *pool, const int32_t *class_of, int32_t c) {
  for (int64_t i = 0; i < pool->count; i++)
    if (class_of[pool->picture[i].folder] == c) return true;
  return false;
}

/* Reports classes that other parts have but this part does not. The search for a class usually ends after a
 * few images, because images alternate between classes. */
static void part_note(cnn_data *data, const Folders *set, int pool) {
  const char **missing = calloc((size_t)data->classes + 1, sizeof *missing);
  int32_t count = 0;
  char list[300];
  for (int32_t c = 0; missing && c < data->classes; c++) {
    bool elsewhere = false;
    for (int p = 0; p < POOLS; p++) elsewhere = elsewhere || has_class(&set->pool[p], set->class_of, c);
    if (elsewhere && !has_class(&set->pool[pool], set->class_of, c)) missing[count++] = data->class_name[c];
  }
  if (count > 0)
    cnn_data_note(data, "the %s part contains no %s of %s", part_titles[pool], data->file_kind,
                  cnn_classes_list(missing, count, list, sizeof list));
  free(missing);
}

static void set_note(cnn_data *data, const Folders *set) {
  const cnn_skipped *skipped = &set->skipped, *loose = &set->loose;
  for (int p = 0; p < POOLS; p++)
    if (set->pool[p].count > 0) part_note(data, set, p);
  if (skipped->count == 1)
    cnn_data_note(data, "skipped 1 file that is not %s %s (first: %s)", data->sounds ? "a" : "an",
                  data->file_kind, skipped->first);
  else if (skipped->count > 1)
    cnn_data_note(data, "skipped %lld files that are not %ss (first: %s)", (long long)skipped->count,
                  data->file_kind, skipped->first);
  if (loose->count > 0)
    cnn_data_note(data, "skipped %lld image%s outside of the class folders (first: %s)",
                  (long long)loose->count, loose->count == 1 ? "" : "s", loose->first);
  cnn_again_note(data, &set->gathered.again);
}

/* ---- Opening */

/* Merges folders of several parts whose names differ only in case. */
static cnn_status folders_join(cnn_data *data, Folders *set) {
  int32_t *number = calloc((size_t)set->names + 1, sizeof *number);
  if (!number) return cnn_data_no_memory(data);
  set->names = cnn_folders_join(data, set->name, set->pools, set->names, number);
  for (int p = 0; p < POOLS; p++)
    for (int64_t i = 0; i < set->pool[p].count; i++)
      set->pool[p].picture[i].folder = number[set->pool[p].picture[i].folder];
  free(number);
  return cnn_success();
}

static cnn_status classes_find(cnn_data *data, Folders *set) {
  if (set->names == 0) return cnn_success();
  set->class_of = calloc((size_t)set->names + 1, sizeof *set->class_of);
  if (!set->class_of) return cnn_data_no_memory(data);
  return cnn_folders_name(data, set->name, set->names, set->class_of);
}

/* With --skip-bad: drops unreadable images. Classes without remaining images stay classes. */
static cnn_status bad_skip(cnn_data *data, Folders *set) {
  int64_t pictures = 0, i = 0, left_out = 0;
  char first[400] = "";
  for (int p = 0; p < POOLS; p++) pictures += data->pool[p];
  bool *bad = calloc((size_t)pictures + 1, sizeof *bad);
  cnn_status status = bad ? cnn_pools_inspect(data, bad, first, sizeof first) : cnn_data_no_memory(data);
  for (int p = 0; p < POOLS && status.code == CNN_OK; p++) {
    Pool *pool = &set->pool[p];
    int64_t kept = 0;
    for (int64_t k = 0; k < pool->count; k++, i++) {
      if (bad[i]) free(pool->picture[k].path);
      else pool->picture[kept++] = pool->picture[k];
    }
    left_out += pool->count - kept;
    data->pool[p] = pool->count = kept;
  }
  free(bad);
  if (status.code == CNN_OK && left_out == pictures)
    status = cnn_failure(CNN_BAD_FORMAT, "%s: none of its %ss can be read; the first that was skipped: %s",
                         data->path, data->file_kind, first);
  cnn_bad_note(data, left_out, first);
  cnn_bad_note(data, set->bad_noise.count, set->bad_noise.first);
  return status;
}

cnn_status cnn_data_open_folders(cnn_data *data, const Listing *listing) {
  Folders *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  data->kind = &folders; /* from here on, closing `data` closes this set */
  data->set = set;
  data->title = "folders of images";
  cnn_status empty = cnn_success(), status = parts_collect(data, set, listing, &empty);
  if (status.code == CNN_OK) status = found_take(data, set);
  if (status.code == CNN_OK && set->names == 0 && set->loose.count > 0) status = classless(data, set);
  if (status.code != CNN_OK) return status;
  int64_t pictures = 0;
  for (int p = 0; p < POOLS; p++) pictures += set->pool[p].count;
  if (pictures == 0) { /* not a set of class folders */
    folder_close(data);
    data->kind = NULL;
    return status;
  }
  if (empty.code != CNN_OK && set->names > 0) return empty;
  const bool sounds = data->sounds = has_sounds(set);
  if (sounds) data->title = "folders of sounds";
  if (sounds) data->file_kind = "WAV file";
  if (data->network->inputs != 1)
    return cnn_failure(CNN_MISMATCH, "%s: %s %s is a single input, but the net has %d", data->path,
                       sounds ? "a" : "an", data->file_kind, data->network->inputs);
  status = folders_join(data, set);
  if (status.code == CNN_OK && sounds) status = cnn_sound_fits(data->path, &data->network->input[0]);
  if (status.code == CNN_OK && sounds) status = cnn_sounds_lists(data, set);
  if (status.code == CNN_OK && sounds) status = cnn_sounds_noise_open(data, set);
  if (status.code == CNN_OK) status = classes_find(data, set);
  if (status.code == CNN_OK && sounds) status = cnn_sounds_silence_add(data, set);
  if (status.code != CNN_OK) return status;
  for (int p = 0; p < POOLS; p++) {
    Pool *pool = &set->pool[p];
    data->pool[p] = pool->count;
    if (pool->count > 0) qsort(pool->picture, (size_t)pool->count, sizeof *pool->picture, picture_order);
  }
  if (!sounds) status = cnn_image_fits(data->path, 0, 0, 3, &data->network->input[0]);
  if (status.code == CNN_OK && data->options.skip_bad) status = bad_skip(data, set);
  if (status.code != CNN_OK) return status;
  set_note(data, set);
  cnn_gathered_free(&set->gathered);
  kept_open(data, set);
  return status;
}
