/* data_cifar.c: CIFAR-10 and CIFAR-100 in their binary form, https://www.cs.toronto.edu/~kriz/cifar.html. A
 * record has a label (in CIFAR-100 a coarse and a fine label; the fine one is used) and 3072 bytes: the red,
 * the green and the blue plane of a 32x32 image. */
// SPDX-License-Identifier: MIT-0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/dataset.h"
#include "hosted/data/image.h"

enum { SIDE = 32, PIXELS = SIDE * SIDE, FILES_MOST = 16 };

typedef struct CifarFile {
  char *path;
  cnn_file file;
  int64_t records;
  int pool;
} CifarFile;
typedef struct CifarSet {
  CifarFile file[FILES_MOST];
  int32_t files, labels; /* labels: number of label bytes before an image */
  char *names;           /* path of the file of class names; NULL: none */
} CifarSet;

static const unsigned char *record(const cnn_data *data, int pool, int64_t index) {
  const CifarSet *set = data->set;
  const CifarFile *file = set->file;
  for (;; file++) {
    if (file->pool != pool) continue;
    if (index < file->records) break;
    index -= file->records;
  }
  return file->file.data + index * (set->labels + 3 * PIXELS);
}

static bool cifar_label(const cnn_data *data, int pool, int64_t index, int32_t *label) {
  const CifarSet *set = data->set;
  *label = record(data, pool, index)[set->labels - 1];
  return true;
}

static cnn_status cifar_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                             void *const target[]) {
  const CifarSet *set = data->set;
  const unsigned char *at = record(data, pool, index);
  uint8_t pixel[3 * PIXELS];
  for (int p = 0; p < PIXELS; p++)
    for (int c = 0; c < 3; c++) pixel[3 * p + c] = at[set->labels + c * PIXELS + p];
  cnn_label_store(data, at[set->labels - 1], target);
  cnn_image image = {SIDE, SIDE, 3, pixel};
  return cnn_image_feed(&image, &data->network->input[0], data->options.fit, input[0]);
}

static void cifar_close(cnn_data *data) {
  CifarSet *set = data->set;
  for (int32_t f = 0; f < set->files; f++) {
    cnn_file_close(&set->file[f].file);
    free(set->file[f].path);
  }
  free(set->names);
  free(set);
}

static void cifar_files(const cnn_data *data, cnn_each_file *each, void *context) {
  const CifarSet *set = data->set;
  for (int32_t f = 0; f < set->files; f++) each(context, set->file[f].path);
  if (set->names) each(context, set->names);
}

static const DataKind cifar = {cifar_read, cifar_label, cifar_close, NULL, cifar_files,
                               NULL,       NULL,        NULL,        NULL};

static cnn_status file_add(cnn_data *data, CifarSet *set, const char *directory, const char *name, int pool) {
  char *path = cnn_path_join(directory, name);
  if (!path) return cnn_data_no_memory(data);
  CifarFile *file = &set->file[set->files++]; /* the set takes ownership of the path */
  file->path = path;
  size_t stride = (size_t)set->labels + 3 * PIXELS;
  cnn_status status = cnn_file_open(&file->file, path);
  if (status.code == CNN_OK) {
    file->pool = pool;
    file->records = (int64_t)(file->file.size / stride);
    data->pool[pool] += file->records;
    if (file->file.size % stride != 0 || file->records == 0)
      status = cnn_failure(CNN_BAD_FORMAT,
                           "%s: is cut off: it has %zu bytes, not one or more records of %zu bytes", path,
                           file->file.size, stride);
  }
  for (int64_t i = 0; i < file->records && status.code == CNN_OK; i++) {
    int label = file->file.data[(size_t)i * stride + (size_t)set->labels - 1];
    if (label >= data->classes)
      status = cnn_failure(CNN_BAD_FORMAT, "%s: record %lld has label %d, but there are only %d classes",
                           path, (long long)i, label, data->classes);
    else status = cnn_label_check(data, CNN_EVERY_TARGET, path, i, label);
  }
  return status;
}

/* Reads the class names, one per line; without the file there are no names. */
static void names_read(cnn_data *data, CifarSet *set, const char *directory, const char *name) {
  char *path = cnn_path_join(directory, name);
  cnn_file file = {0};
  if (path && cnn_file_open(&file, path).code == CNN_OK)
    data->class_name = calloc((size_t)data->classes, sizeof *data->class_name);
  const char *at = "";
  size_t length = 0;
  const bool wide = path && cnn_text_of(path, file.data, file.size, &at, &length).code != CNN_OK;
  const char *const end = at + (wide ? 0 : length);
  for (int32_t c = 0; data->class_name && c < data->classes && at < end; c++) {
    const char *line = memchr(at, '\n', (size_t)(end - at)), *stop = line ? line : end;
    size_t n = (size_t)(stop - at);
    if (n > 0 && at[n - 1] == '\r') n--;
    char *copy = calloc(1, n + 1);
    if (copy) memcpy(copy, at, n);
    data->class_name[c] = copy;
    at = line ? line + 1 : end;
  }
  if (data->class_name) set->names = path;
  else free(path);
  cnn_file_close(&file);
}

static cnn_status set_open(cnn_data *data, const Listing *listing, bool hundred) {
  if (data->network->inputs != 1)
    return cnn_failure(CNN_MISMATCH, "%s: CIFAR has a single input, but the net has %d", data->path,
                       data->network->inputs);
  CifarSet *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  data->kind = &cifar; /* from here on, closing `data` closes this set */
  data->set = set;
  data->title = hundred ? "CIFAR-100" : "CIFAR-10";
  data->classes = hundred ? 100 : 10;
  set->labels = hundred ? 2 : 1;
  cnn_status status = cnn_labels_fit(data, listing->path);
  if (status.code == CNN_OK) status = cnn_image_fits(listing->path, SIDE, SIDE, 3, &data->network->input[0]);
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK && set->files < FILES_MOST; i++) {
    const char *name = listing->entry[i].name;
    size_t n = strlen(name);
    if (n < 4 || strcmp(name + n - 4, ".bin") != 0) continue;
    bool train = hundred ? strcmp(name, "train.bin") == 0 : strncmp(name, "data_batch_", 11) == 0;
    bool test = strcmp(name, hundred ? "test.bin" : "test_batch.bin") == 0;
    if (train || test) status = file_add(data, set, listing->path, name, train ? POOL_TRAIN : POOL_TEST);
  }
  const char *names = hundred ? "fine_label_names.txt" : "batches.meta.txt";
  if (status.code == CNN_OK) names_read(data, set, listing->path, names);
  return status;
}

cnn_status cnn_data_open_cifar(cnn_data *data, const Listing *listing) {
  if (cnn_listing_find(listing, "data_batch_1.bin") || cnn_listing_find(listing, "test_batch.bin"))
    return set_open(data, listing, false);
  if (cnn_listing_find(listing, "train.bin") || cnn_listing_find(listing, "test.bin"))
    return set_open(data, listing, true);
  const Entry *inner =
      cnn_listing_find(listing, "cifar-10-batches-bin"); /* the folder in the unpacked archive */
  if (!inner) inner = cnn_listing_find(listing, "cifar-100-binary");
  if (!inner || !inner->directory) return cnn_success();
  char *path = cnn_path_join(data->path, inner->name);
  if (!path) return cnn_data_no_memory(data);
  Listing below;
  cnn_status status = cnn_listing_read(&below, path);
  if (status.code == CNN_OK) status = cnn_data_open_cifar(data, &below);
  cnn_listing_free(&below);
  free(path);
  return status;
}
