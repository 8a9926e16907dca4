/* export.c: a data set as files: for each part images/ and masks/, labels/ of boxes where there are objects,
 * and one sheet.png of the first pictures with their masks below them. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "hosted/data/export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "hosted/base/file.h"
#include "hosted/data/dataset.h"
#include "hosted/data/shapes.h"

enum { COLUMNS = 8, ROWS = 4, PATH_ROOM = 4096, IGNORED = 255 };

static cnn_status folder_make(const char *path) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST) return cnn_success();
  return cnn_failure(CNN_BAD_FILE, "%s: cannot be made: %s", path, strerror(errno));
}

/* Classes as the greys of a mask; 255 does not count. */
static cnn_status mask_write(const char *path, const cnn_truth *truth) {
  const size_t n = (size_t)truth->height * (size_t)truth->width;
  cnn_image mask = {truth->height, truth->width, 1, malloc(n)};
  if (!mask.pixel) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  for (size_t i = 0; i < n; i++) mask.pixel[i] = truth->pixels[i] < 0 ? IGNORED : (uint8_t)truth->pixels[i];
  const cnn_status status = cnn_image_write(path, &mask);
  cnn_image_free(&mask);
  return status;
}

/* YOLO's text: a line an object, class, centre, width and height as parts of the picture. */
static cnn_status labels_write(const char *path, const cnn_truth *truth) {
  cnn_writer file;
  cnn_status status = cnn_writer_open(&file, path);
  if (status.code != CNN_OK) return status;
  for (int k = 0; k < truth->count; k++) {
    const cnn_object *o = &truth->object[k];
    const double w = truth->width, h = truth->height;
    char line[120];
    if (o->ignored) continue;
    const int n = snprintf(
        line, sizeof line, "%d %.6f %.6f %.6f %.6f\n", (int)o->label,
        ((double)o->box[0] + (double)o->box[2]) / 2 / w, ((double)o->box[1] + (double)o->box[3]) / 2 / h,
        ((double)o->box[2] - (double)o->box[0]) / w, ((double)o->box[3] - (double)o->box[1]) / h);
    cnn_writer_put(&file, line, (size_t)n);
  }
  return cnn_writer_commit(&file);
}

/* ---- The sheet */

static void colour_of(int32_t class, uint8_t colour[3]) { /* other classes, other colours; ignored: grey */
  for (int k = 0; k < 3; k++) {
    unsigned value = class < 0 ? 128 : 0;
    for (int bit = 7; class > 0 && bit >= 0; bit--)
      value |= ((unsigned)class >> (3 * (7 - bit) + k) & 1) << bit;
    colour[k] = (uint8_t)value;
  }
}

/* A picture in its place, cut off where it is larger than the first one. */
static void sheet_add(cnn_image *sheet, int64_t place, int32_t height, int32_t width, const cnn_image *image,
                      const cnn_truth *truth) {
  const int64_t top = place / COLUMNS * 2 * height, left = place % COLUMNS * width;
  for (int64_t y = 0; y < height && y < image->height; y++)
    for (int64_t x = 0; x < width && x < image->width; x++) {
      uint8_t *to = sheet->pixel + 3 * ((top + y) * sheet->width + left + x);
      const uint8_t *from = image->pixel + image->channels * (y * image->width + x);
      for (int k = 0; k < 3; k++) to[k] = from[image->channels == 3 ? k : 0];
      if (truth->pixels)
        colour_of(truth->pixels[y * image->width + x], to + 3 * (int64_t)height * sheet->width);
    }
}

static cnn_status sheet_open(cnn_image *sheet, int64_t samples, const cnn_image *first) {
  const int32_t rows = samples >= COLUMNS * ROWS ? ROWS : (int32_t)((samples + COLUMNS - 1) / COLUMNS);
  *sheet = (cnn_image){2 * rows * first->height, COLUMNS * first->width, 3, NULL};
  sheet->pixel = calloc((size_t)sheet->height * (size_t)sheet->width, 3);
  return sheet->pixel ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "no memory for sheet.png");
}

/* ---- Parts */

static cnn_status sample_write(const char *directory, int64_t index, const cnn_image *image,
                               const cnn_truth *truth) {
  char path[PATH_ROOM];
  snprintf(path, sizeof path, "%.4040s/images/%06lld.png", directory, (long long)index);
  cnn_status status = cnn_image_write(path, image);
  snprintf(path, sizeof path, "%.4040s/masks/%06lld.png", directory, (long long)index);
  if (status.code == CNN_OK && truth->pixels) status = mask_write(path, truth);
  snprintf(path, sizeof path, "%.4040s/labels/%06lld.txt", directory, (long long)index);
  if (status.code == CNN_OK && truth->object) status = labels_write(path, truth);
  return status;
}

static cnn_status part_write(const cnn_data *data, cnn_part part, const char *directory, cnn_image *sheet) {
  char path[PATH_ROOM];
  int32_t height = 0, width = 0;
  cnn_status status = folder_make(directory);
  for (int64_t i = 0; i < cnn_data_count(data, part) && status.code == CNN_OK; i++) {
    int pool;
    int64_t place;
    cnn_image image;
    cnn_truth truth;
    cnn_data_locate(data, part, i, &pool, &place);
    status = data->kind->truth(data, pool, place, &image, &truth);
    if (status.code != CNN_OK) return status;
    static const char *const folder[] = {"images", "masks", "labels"};
    for (int k = 0; k < 3 && i == 0 && status.code == CNN_OK; k++) {
      snprintf(path, sizeof path, "%.4040s/%.8s", directory, folder[k]);
      if (k != 2 || truth.object) status = folder_make(path);
    }
    if (i == 0 && !sheet->pixel && status.code == CNN_OK)
      status = sheet_open(sheet, cnn_data_count(data, part), &image);
    if (i == 0) height = image.height, width = image.width;
    if (status.code == CNN_OK) status = sample_write(directory, i, &image, &truth);
    if (status.code == CNN_OK && part == CNN_PART_TRAIN && i < COLUMNS * ROWS)
      sheet_add(sheet, i, height, width, &image, &truth);
    cnn_image_free(&image);
    cnn_truth_free(&truth);
  }
  return status;
}

cnn_status cnn_data_export(const cnn_data *data, const char *directory) {
  static const char *const names[] = {
      [CNN_PART_TRAIN] = "train", [CNN_PART_VAL] = "val", [CNN_PART_TEST] = "test"};
  char path[PATH_ROOM];
  cnn_image sheet = {0};
  if (!data->kind->truth)
    return cnn_failure(CNN_NOT_BUILT, "%s: only pictures with masks and shapes can be written as files",
                       data->path);
  if (strlen(directory) + 64 > PATH_ROOM)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: the path is too long", directory);
  cnn_status status = folder_make(directory);
  for (int p = 0; p < 3 && status.code == CNN_OK; p++) {
    if (cnn_data_count(data, (cnn_part)p) == 0 || (p == CNN_PART_TEST && !cnn_data_has_test(data))) continue;
    snprintf(path, sizeof path, "%.4032s/%.8s", directory, names[p]);
    status = part_write(data, (cnn_part)p, path, &sheet);
  }
  snprintf(path, sizeof path, "%.4040s/sheet.png", directory);
  if (status.code == CNN_OK && sheet.pixel) status = cnn_image_write(path, &sheet);
  cnn_image_free(&sheet);
  return status;
}
