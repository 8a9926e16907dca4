/* data.c: Opening of data sets: detection of the format, parts, samples. */
// SPDX-License-Identifier: MIT-0
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath */
#endif
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "hosted/base/similar.h"
#include "hosted/weights/classes.h"
#include "cnn_core.h"
#include "hosted/data/calls.h"
#include "hosted/data/dataset.h"
#include "hosted/data/pixels.h"

cnn_status cnn_data_no_memory(const cnn_data *data) {
  return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", data->path);
}

void cnn_data_note(cnn_data *data, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char line[1024];
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  size_t before = data->notes ? strlen(data->notes) : 0, n = strlen(line);
  char *notes = length < 0 ? NULL : realloc(data->notes, before + n + 2);
  if (!notes) return;
  memcpy(notes + before, line, n);
  memcpy(notes + before + n, "\n", 2);
  data->notes = notes;
}

/* ---- Parts */

/* Splits the training pool with algorithm S of Knuth (The Art of Computer Programming, volume 2, 3.4.2). The
 * algorithm selects exactly `need` samples for validation. All subsets of this size have the same
 * probability. The samples keep their order. */
static cnn_status split(cnn_data *data, int64_t need) {
  Part *train = &data->part[CNN_PART_TRAIN], *val = &data->part[CNN_PART_VAL];
  int64_t n = data->pool[POOL_TRAIN], taken = 0, kept = 0;
  train->list = malloc(sizeof *train->list * (size_t)(n - need + 1));
  val->list = malloc(sizeof *val->list * (size_t)(need + 1));
  if (!train->list || !val->list) return cnn_data_no_memory(data);
  cnn_random random =
      cnn_random_stream(data->network->recipe ? data->network->recipe->seed : 1, CNN_STREAM_SPLIT, 0);
  for (int64_t i = 0; i < n; i++) {
    if ((double)cnn_random_uniform(random, (uint32_t)i) * (double)(n - i) < (double)(need - taken))
      val->list[taken++] = i;
    else train->list[kept++] = i;
  }
  train->count = kept;
  val->count = taken;
  return cnn_success();
}

/* Number of samples that are in the test part and also in the training part, because the set has no separate
 * test part. */
static int64_t shared(const cnn_data *data) {
  const Part *train = &data->part[CNN_PART_TRAIN], *test = &data->part[CNN_PART_TEST];
  const int64_t limit = data->options.limit, end = limit > 0 && limit < test->count ? limit : test->count;
  int64_t count = 0;
  if (data->pool[POOL_TEST] > 0) return 0;
  for (int64_t i = 0; i < train->count; i++) count += (train->list ? train->list[i] : train->first + i) < end;
  return count;
}

static cnn_status parts_make(cnn_data *data) {
  const int64_t *pool = data->pool;
  data->part[CNN_PART_TRAIN] = (Part){0, pool[POOL_TRAIN], NULL};
  data->part[CNN_PART_VAL] = (Part){pool[POOL_TRAIN], data->options.val > 0 ? pool[POOL_VAL] : 0, NULL};
  data->part[CNN_PART_TEST] = (Part){pool[POOL_TRAIN] + pool[POOL_VAL], pool[POOL_TEST], NULL};
  if (pool[POOL_TEST] == 0) data->part[CNN_PART_TEST] = (Part){0, pool[POOL_TRAIN] + pool[POOL_VAL], NULL};
  if (data->options.val > 0 && pool[POOL_VAL] == 0 && pool[POOL_TRAIN] > 1) {
    int64_t n = pool[POOL_TRAIN], need = (int64_t)floor((double)n * data->options.val + 0.5);
    cnn_status status = split(data, need < 1 ? 1 : need > n - 1 ? n - 1 : need);
    if (status.code != CNN_OK) return status;
  }
  data->shared = shared(data);
  for (int p = 0; p < 3; p++)
    if (data->options.limit > 0 && data->part[p].count > data->options.limit)
      data->part[p].count = data->options.limit;
  return cnn_success();
}

/* 1234567 -> "1,234,567" */
static const char *thousands(int64_t value, char text[32]) {
  char digits[24];
  int n = snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
  for (int i = 0; i < n; i++) {
    if (i > 0 && (n - i) % 3 == 0) text[at++] = ',';
    text[at++] = digits[i];
  }
  text[at] = 0;
  return text;
}

static void describe(cnn_data *data) {
  char train[32], val[32], test[32], classes[48] = "";
  if (data->classes > 0)
    snprintf(classes, sizeof classes, ", %d class%s", data->classes, data->classes == 1 ? "" : "es");
  snprintf(data->description, sizeof data->description,
           "%s: %s training, %s validation and %s test samples%s", data->title,
           thousands(data->part[CNN_PART_TRAIN].count, train), thousands(data->part[CNN_PART_VAL].count, val),
           thousands(cnn_data_has_test(data) ? data->part[CNN_PART_TEST].count : 0, test), classes);
}

/* ---- Opening */

/* Compares the class names of a data set with the net's labels: another order would give wrong results. */
static cnn_status labels_agree(const cnn_data *data) {
  const cnn_network *network = data->network;
  int32_t c = 0;
  if (!data->class_name || !network->label) return cnn_success();
  const char *const *name = (const char *const *)data->class_name;
  if (cnn_classes_compare(network->label, network->labels, name, data->classes, &c) != CNN_CLASSES_MOVED)
    return cnn_success();
  return cnn_failure(CNN_MISMATCH, "%s: class %d is '%s' in the data set, but the net's label for it is '%s'",
                     data->path, (int)c, c < data->classes && name[c] ? name[c] : "", network->label[c]);
}

static const char understood[] =
    "supported formats are IDX files (train-images-idx3-ubyte[.gz] ...), CIFAR-10/100 in binary, folders of "
    "images (train/CLASS/*.png|jpg|webp or CLASS/*), folders of WAV files (CLASS/*.wav), "
    "images with masks (images/ and masks/), images with boxes (YOLO's images/ and labels/, COCO's "
    "annotations/*.json, Pascal VOC's folders), .npz files, tables (.csv, or train.csv and test.csv in a "
    "directory), synthetic and synthetic:shapes";

static cnn_status directory_open(cnn_data *data) {
  /* If a set has several kinds of annotations, the net's targets decide whether pixel classes or boxes are
   * read. */
  static cnn_status (*const kinds[2][9])(cnn_data *, const Listing *) = {
      {cnn_data_open_idx, cnn_data_open_cifar, cnn_data_open_coco, cnn_data_open_voc, cnn_data_open_yolo,
       cnn_data_open_masks, cnn_data_open_panoptic, cnn_data_open_csv_parts, cnn_data_open_folders},
      {cnn_data_open_idx, cnn_data_open_cifar, cnn_data_open_panoptic, cnn_data_open_masks,
       cnn_data_open_coco, cnn_data_open_voc, cnn_data_open_yolo, cnn_data_open_csv_parts,
       cnn_data_open_folders}};
  const int pixels = cnn_pixels_limit(data) > 0;
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, data->path);
  for (size_t k = 0; k < sizeof *kinds / sizeof **kinds && status.code == CNN_OK && !data->kind; k++)
    status = kinds[pixels][k](data, &listing);
  if (status.code == CNN_OK && !data->kind)
    status = cnn_failure(CNN_BAD_FORMAT, "%s: no data set is recognized in this directory; %s", data->path,
                         understood);
  cnn_listing_free(&listing);
  return status;
}

static cnn_status not_opened(const cnn_data *data) {
  static const char *const generated[] = {"synthetic", "synthetic:shapes"};
  const char *reason = strerror(errno), *near = cnn_similar(data->path, generated, 2);
  return cnn_failure(CNN_BAD_FILE, "%s: cannot be opened: %s%s%s%s", data->path, reason,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static cnn_status kind_open(cnn_data *data) {
  struct stat about;
  if (strcmp(data->path, "synthetic") == 0) return cnn_data_open_synthetic(data);
  if (strncmp(data->path, "synthetic:", 10) == 0) return cnn_data_open_shapes(data, data->path + 10);
  if (stat(data->path, &about) != 0) return not_opened(data);
  if (S_ISDIR(about.st_mode)) return directory_open(data);
  cnn_status status = cnn_data_open_coco_file(data);
  if (status.code == CNN_OK && !data->kind) status = cnn_data_open_arrays(data);
  if (status.code == CNN_OK && !data->kind) status = cnn_data_open_csv(data);
  if (status.code == CNN_OK && !data->kind)
    status = cnn_failure(CNN_BAD_FORMAT, "%s: is not a data set; %s", data->path, understood);
  return status;
}

/* Checks that the set has boxes if the net needs them, and that the net uses the boxes of a set without pixel
 * classes. Rejects more classes of boxes than the net has labels, and augmentation that mixes two images,
 * because boxes cannot be mixed. */
static cnn_status boxes_agree(const cnn_data *data) {
  const cnn_network *network = data->network;
  const bool wanted = cnn_boxes_wanted(network);
  const int32_t mixes = network->recipe ? cnn_augment_mixes(network->recipe) : -1;
  if (wanted && !data->objects)
    return cnn_failure(CNN_MISMATCH, "%s: %s have no boxes, but a loss or metric of the net needs them",
                       data->path, data->title);
  if (data->objects && !wanted && !data->pixels)
    return cnn_failure(CNN_MISMATCH,
                       "%s: has boxes, but no output of the net uses boxes: the command data can inspect the "
                       "data set and write it as files, but the net cannot learn from it",
                       data->path);
  if (wanted && network->labels > 0 && data->classes - data->stuff > network->labels)
    return cnn_failure(CNN_MISMATCH, "%s: has %d classes of boxes, but the net has %d label%s", data->path,
                       (int)(data->classes - data->stuff), (int)network->labels,
                       network->labels == 1 ? "" : "s");
  if (wanted && mixes >= 0)
    return cnn_failure(CNN_MISMATCH,
                       "%s: the augmentation %s mixes two images, and boxes cannot be mixed; remove it",
                       data->path, network->recipe->augment[mixes].name);
  return cnn_success();
}

/* Compares the annotations of the set with the targets of the net. */
static cnn_status targets_agree(const cnn_data *data) {
  if (data->options.any_target) return cnn_success();
  const cnn_status status = boxes_agree(data);
  return status.code == CNN_OK ? labels_agree(data) : status;
}

static cnn_status names_differ(const cnn_data *data) {
  const char *const *name = cnn_data_class_names(data);
  int32_t place[2];
  if (!name || !cnn_classes_twice(name, data->classes, place)) return cnn_success();
  return cnn_failure(CNN_BAD_FORMAT, "%s: the classes %d and %d have the same name '%s'", data->path,
                     (int)place[0], (int)place[1], name[place[0]]);
}

cnn_status cnn_data_open(cnn_data **opened, const char *path, const cnn_network *network,
                         const cnn_data_options *options) {
  static const cnn_data_options defaults = CNN_DATA_DEFAULTS;
  *opened = NULL;
  if (!options) options = &defaults;
  if (!(options->val >= 0 && options->val < 1))
    return cnn_failure(CNN_BAD_ARGUMENT,
                       "the fraction for validation is %g; it must be at least 0 and less than 1",
                       options->val);
  if (options->limit < 0)
    return cnn_failure(CNN_BAD_ARGUMENT, "the limit of samples, %lld, is negative",
                       (long long)options->limit);
  cnn_data *data = calloc(1, sizeof *data);
  if (!data) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  data->network = network;
  data->file_kind = "image";
  data->options = *options;
  data->path = cnn_calls_open(&data->samples, &data->ports, network) ? cnn_path_join("", path) : NULL;
  if (data->ports) data->network = &data->samples;
  cnn_status status = data->path ? kind_open(data) : cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (status.code == CNN_OK) status = cnn_labels_end(data);
  if (status.code == CNN_OK) status = names_differ(data);
  if (status.code == CNN_OK) status = targets_agree(data);
  if (status.code == CNN_OK && options->target && !cnn_data_is_csv(data))
    status = cnn_failure(CNN_BAD_ARGUMENT, "%s: only tables (.csv) have a target column; this set has %s",
                         path, data->title);
  if (status.code == CNN_OK) status = parts_make(data);
  if (status.code != CNN_OK) {
    cnn_data_close(data);
    return status;
  }
  describe(data);
  *opened = data;
  return status;
}

cnn_status cnn_data_open_rows(cnn_data **rows, const char *path, const cnn_network *network,
                              const char *target) {
  *rows = NULL;
  cnn_data *data = calloc(1, sizeof *data);
  if (!data) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  data->network = network;
  data->file_kind = "image";
  data->options.target = target;
  data->inputs_only = true;
  data->path = cnn_path_join("", path);
  const cnn_status status =
      data->path ? cnn_data_open_csv(data) : cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (status.code == CNN_OK && data->kind) *rows = data;
  else cnn_data_close(data);
  return status;
}

void cnn_data_close(cnn_data *data) {
  if (!data) return;
  if (data->kind && data->kind->close) data->kind->close(data);
  for (int p = 0; p < 3; p++) free(data->part[p].list);
  for (int32_t c = 0; data->class_name && c < data->classes; c++) free(data->class_name[c]);
  free(data->class_name);
  free(data->notes);
  free(data->ports);
  free(data->path);
  free(data);
}

/* ---- Reading */

const char *cnn_data_describe(const cnn_data *data) { return data->description; }
const char *cnn_data_notes(const cnn_data *data) { return data->notes ? data->notes : ""; }
int64_t cnn_data_count(const cnn_data *data, cnn_part part) { return data->part[part].count; }
int64_t cnn_data_shared(const cnn_data *data) { return data->shared; }
bool cnn_data_has_test(const cnn_data *data) { return data->pool[POOL_TEST] > 0; }
int32_t cnn_data_classes(const cnn_data *data) { return data->classes; }

const char *cnn_data_class(const cnn_data *data, int32_t c) {
  return data->class_name && c >= 0 && c < data->classes ? data->class_name[c] : NULL;
}

const char *const *cnn_data_class_names(const cnn_data *data) {
  for (int32_t c = 0; data->class_name && c < data->classes; c++)
    if (!data->class_name[c]) return NULL;
  return data->nameless ? NULL : (const char *const *)data->class_name;
}

bool cnn_data_locate(const cnn_data *data, cnn_part part, int64_t index, int *pool, int64_t *place) {
  const Part *p = &data->part[part];
  if (index < 0 || index >= p->count) return false;
  int64_t at = p->list ? p->list[index] : p->first + index;
  for (*pool = 0; at >= data->pool[*pool]; ++*pool) at -= data->pool[*pool];
  *place = at;
  return true;
}

static cnn_status all_finite(const cnn_data *data, int pool, int64_t place, const char *kind,
                             const char *port, const float *value, int64_t n) {
  static const char *const which[POOLS] = {"", "validation ", "test "};
  int64_t i = 0;
  while (i < n && isfinite(value[i])) i++;
  if (i == n) return cnn_success();
  return cnn_failure(CNN_NOT_FINITE,
                     "%s: the data are not finite: %ssample %lld, number %lld of the %s \"%s\" is %g",
                     data->path, which[pool], (long long)place, (long long)i, kind, port, (double)value[i]);
}

/* Rejects non-finite numbers, which would make all weights non-finite. */
static cnn_status sample_check(const cnn_data *data, int pool, int64_t place, void *const input[],
                               void *const target[]) {
  const cnn_network *network = data->network;
  cnn_status status = cnn_success();
  for (int32_t i = 0; i < network->inputs && status.code == CNN_OK; i++) {
    const cnn_port *port = &network->input[i];
    if (port->type != CNN_F32) continue;
    status = all_finite(data, pool, place, "input", port->name, input[i], port->size);
  }
  for (int32_t o = 0; target && o < cnn_ports(network) && status.code == CNN_OK; o++) {
    const cnn_port *port = &network->output[o];
    const bool read = target[o] && port->target == CNN_TARGET_VALUES && cnn_target_wanted(data, o);
    if (read) status = all_finite(data, pool, place, "target of", port->name, target[o], port->size);
  }
  return status;
}

cnn_status cnn_data_cut(const cnn_data *data, cnn_part part, int64_t index, double cut, void *const input[],
                        void *const target[]) {
  int pool;
  int64_t place;
  if (!cnn_data_locate(data, part, index, &pool, &place))
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: there is no sample %lld", data->path, (long long)index);
  for (int32_t o = 0; target && o < cnn_ports(data->network); o++)
    if (target[o] && cnn_target_optional(data, o)) /* all bits set: class -1, which is ignored */
      memset(target[o], 0xFF, (size_t)cnn_port_targets(&data->network->output[o]) * sizeof(int32_t));
  cnn_status status = data->kind->cut ? data->kind->cut(data, pool, place, cut, input, target)
                                      : data->kind->read(data, pool, place, input, target);
  return status.code == CNN_OK ? sample_check(data, pool, place, input, target) : status;
}

cnn_status cnn_data_sample(const cnn_data *data, cnn_part part, int64_t index, void *const input[],
                           void *const target[]) {
  return cnn_data_cut(data, part, index, -1, input, target);
}

cnn_status cnn_data_truth(const cnn_data *data, cnn_part part, int64_t index, cnn_image *image,
                          cnn_truth *truth) {
  int pool;
  int64_t place;
  if (!data->kind->truth)
    return cnn_failure(CNN_MISMATCH, "%s: %s have neither boxes nor masks", data->path, data->title);
  if (!cnn_data_locate(data, part, index, &pool, &place))
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: there is no sample %lld", data->path, (long long)index);
  return data->kind->truth(data, pool, place, image, truth);
}

bool cnn_data_has_noise(const cnn_data *data) { return data->noise != NULL; }

double cnn_data_scale(const cnn_data *data, int32_t input) {
  const bool unit =
      data->network->input[input].type == CNN_F32 && data->kind->unit && data->kind->unit(data, input);
  if (data->network->input[input].type == CNN_I16) return 32768;
  return unit ? 1 : 255;
}

void cnn_data_files(const cnn_data *data, cnn_each_file *each, void *context) {
  if (data->kind->files) data->kind->files(data, each, context);
}

/* The path relative to the directory; NULL: it is not in the directory. */
static const char *below(const char *directory, const char *path) {
  const size_t n = strlen(directory);
  return strncmp(directory, path, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

bool cnn_data_takes(const cnn_data *data, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  if (!data->kind->takes) return false;
  char *set = realpath(data->path, NULL), *place = cnn_path_join("", path), *folder = NULL, *full = NULL;
  if (place) place[name - path] = 0;
  if (set && place) folder = realpath(*place ? place : ".", NULL);
  if (folder) full = cnn_path_join(folder, name);
  const char *inside = full ? below(set, full) : NULL;
  const bool takes = inside && data->kind->takes(data, inside);
  free(set);
  free(place);
  free(folder);
  free(full);
  return takes;
}

bool cnn_data_label(const cnn_data *data, cnn_part part, int64_t index, int32_t *label) {
  int pool;
  int64_t place;
  return data->kind->label && cnn_data_locate(data, part, index, &pool, &place) &&
         data->kind->label(data, pool, place, label);
}
