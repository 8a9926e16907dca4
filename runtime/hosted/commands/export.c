/* export.c: Export of a data set as files: images/, masks/ of pixel classes and labels/ of boxes for each
 * part; classes.txt and annotations/ with COCO's JSON if there are objects; folders of images if each image
 * has one class; and sheet.png with the first images above their masks and boxes. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "hosted/commands/export.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "hosted/base/file.h"
#include "hosted/data/dataset.h"
#include "hosted/data/export_coco.h"
#include "hosted/data/image.h"
#include "hosted/base/color.h"
#include "hosted/display/overlay.h"

enum { COLUMNS = 8, ROWS = 4, PATH_ROOM = 4096, IGNORED = 255 };

static cnn_status folder_make(const char *path) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST) return cnn_success();
  return cnn_failure(CNN_BAD_FILE, "%s: cannot be created: %s", path, strerror(errno));
}

/* Writes classes as gray values; ignored pixels get the value 255. */
static cnn_status mask_write(const char *path, const cnn_truth *truth) {
  const size_t n = (size_t)truth->height * (size_t)truth->width;
  cnn_image mask = {truth->height, truth->width, 1, malloc(n)};
  if (!mask.pixel) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  for (size_t i = 0; i < n; i++) mask.pixel[i] = truth->pixels[i] < 0 ? IGNORED : (uint8_t)truth->pixels[i];
  const cnn_status status = cnn_image_write(path, &mask);
  cnn_image_free(&mask);
  return status;
}

/* Writes YOLO text, a line per object: class, center, width and height as fractions of the image size.
 * Ignored objects are omitted. */
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

static void color_of(int32_t class, uint8_t color[3]) { /* ignored pixels are gray */
  if (class < 0) memset(color, 128, 3);
  else cnn_mask_color(class, color);
}

/* Draws a pixel in the color of its class, or of its object's class. Draws the pixel itself if the image has
 * neither pixel classes nor an instance map. */
static void pixel_show(const cnn_truth *truth, int64_t i, const uint8_t own[3], uint8_t color[3]) {
  memcpy(color, own, 3);
  if (truth->pixels) color_of(truth->pixels[i], color);
  else if (truth->instance)
    color_of(truth->instance[i] ? truth->object[truth->instance[i] - 1].label + 1 : 0, color);
}

/* Frames have the color of their class, in the annotations' own colors if pixels have classes. A white line
 * around each frame separates it from any image. */
static void boxes_draw(const cnn_data *data, const cnn_truth *truth, int32_t zoom, const cnn_image *image) {
  static const uint8_t white[3] = {255, 255, 255};
  enum { LINE = 2 };
  cnn_label *label = calloc((size_t)truth->count + 1, sizeof *label);
  for (int k = 0; label && k < truth->count; k++) {
    const cnn_object *object = &truth->object[k];
    const char *name = cnn_data_class(data, data->stuff + object->label);
    if (object->ignored) color_of(-1, label[k].rgb);
    else if (truth->pixels || truth->instance) color_of(object->label + 1, label[k].rgb);
    else cnn_class_color(object->label, label[k].rgb);
    if (name) snprintf(label[k].text, sizeof label->text, "%.60s", name);
    else snprintf(label[k].text, sizeof label->text, "%d", (int)object->label);
    for (int i = 0; i < 4; i++) label[k].box[i] = zoom * (double)object->box[i];
    for (int line = 0; line < 3; line++) { /* from the outside: white, color, color */
      const double in = LINE * (line - 1);
      const double box[4] = {label[k].box[0] + in, label[k].box[1] + in, label[k].box[2] - in,
                             label[k].box[3] - in};
      if (line == 0 || (box[2] > box[0] && box[3] > box[1]))
        cnn_overlay_box(image, box, line == 0 ? white : label[k].rgb);
    }
  }
  if (label) (void)cnn_overlay_labels(image, label, truth->count); /* out of memory: frames without labels */
  free(label);
}

typedef struct Sheet {
  cnn_image image;
  int32_t height, width; /* of a cell, without the gap to the next cell */
  int32_t bands;         /* cells of a sample: 2 if annotations are drawn below its image */
} Sheet;
enum { SHEET_GAP = 6 };

/* Copies the upper left part of an image into a cell. */
static void cell_fill(const Sheet *sheet, int64_t place, int32_t band, const cnn_image *image) {
  const int64_t top = SHEET_GAP + (place / COLUMNS * sheet->bands + band) * (sheet->height + SHEET_GAP),
                left = SHEET_GAP + place % COLUMNS * (sheet->width + SHEET_GAP);
  const int32_t height = image->height < sheet->height ? image->height : sheet->height,
                width = image->width < sheet->width ? image->width : sheet->width;
  for (int32_t y = 0; y < height; y++)
    memcpy(sheet->image.pixel + 3 * ((top + y) * sheet->image.width + left),
           image->pixel + 3 * (int64_t)y * image->width, 3 * (size_t)width);
}

/* Draws an image in its cell of the sheet, and its annotations in the cell below. An image that is larger
 * than the first image is cropped. truth NULL: there are no annotations. */
static cnn_status sheet_add(const Sheet *sheet, int64_t place, const cnn_data *data, const cnn_image *image,
                            const cnn_truth *truth) {
  cnn_image shown = cnn_overlay_copy(image), below = truth ? cnn_overlay_copy(image) : (cnn_image){0};
  bool memory = shown.pixel && (!truth || below.pixel);
  for (int64_t i = 0; memory && truth && i < (int64_t)image->height * image->width; i++)
    pixel_show(truth, i, shown.pixel + 3 * i, below.pixel + 3 * i);
  if (memory && data->objects) memory = cnn_overlay_enlarge(&shown) && cnn_overlay_enlarge(&below);
  if (memory) cell_fill(sheet, place, 0, &shown);
  if (memory && truth && data->objects) boxes_draw(data, truth, below.height / image->height, &below);
  if (memory && truth) cell_fill(sheet, place, 1, &below);
  cnn_image_free(&shown);
  cnn_image_free(&below);
  return memory ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "no memory for sheet.png");
}

/* A white sheet with cells of the size of the first image. If boxes are drawn, small images are enlarged. */
static cnn_status sheet_open(Sheet *sheet, int64_t samples, const cnn_data *data, const cnn_image *first,
                             int32_t bands) {
  const int32_t rows = samples >= COLUMNS * ROWS ? ROWS : (int32_t)((samples + COLUMNS - 1) / COLUMNS);
  cnn_image copy = cnn_overlay_copy(first);
  const bool memory = copy.pixel && (!data->objects || cnn_overlay_enlarge(&copy));
  *sheet = (Sheet){.height = copy.height, .width = copy.width, .bands = bands};
  cnn_image_free(&copy);
  sheet->image = (cnn_image){SHEET_GAP + bands * rows * (sheet->height + SHEET_GAP),
                             SHEET_GAP + COLUMNS * (sheet->width + SHEET_GAP), 3, NULL};
  const size_t bytes = 3 * (size_t)sheet->image.height * (size_t)sheet->image.width;
  if (memory) sheet->image.pixel = malloc(bytes);
  if (!sheet->image.pixel) return cnn_failure(CNN_NO_MEMORY, "no memory for sheet.png");
  memset(sheet->image.pixel, 255, bytes);
  return cnn_success();
}

/* ---- Parts */

typedef struct Export {
  const cnn_data *data;
  const char *directory, *part; /* part: "train" */
  cnn_coco_writer coco;
  Sheet sheet;
} Export;

/* Formats the path DIRECTORY/NAME; NAME is the result of the format and its arguments. */
__attribute__((format(printf, 3, 4))) static const char *path_to(const Export *e, char path[PATH_ROOM],
                                                                 const char *format, ...) {
  char below[100];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(below, sizeof below, format, arguments);
  va_end(arguments);
  snprintf(path, PATH_ROOM, "%.3980s/%s", e->directory, below);
  return path;
}

static cnn_status folders_make(const Export *e) {
  const cnn_data *data = e->data;
  const struct {
    const char *name;
    bool wanted;
  } folder[] = {{"", true}, {"/images", true}, {"/masks", data->pixels}, {"/labels", data->objects}};
  char path[PATH_ROOM];
  cnn_status status = cnn_success();
  for (int k = 0; k < 4 && status.code == CNN_OK; k++)
    if (folder[k].wanted) status = folder_make(path_to(e, path, "%s%s", e->part, folder[k].name));
  if (status.code == CNN_OK && data->objects) status = folder_make(path_to(e, path, "annotations"));
  if (status.code == CNN_OK && e->coco.segments)
    status = folder_make(path_to(e, path, "annotations/panoptic_%s", e->part));
  return status;
}

static cnn_status sample_write(Export *e, int64_t index, const cnn_image *image, const cnn_truth *truth) {
  char path[PATH_ROOM], name[40];
  snprintf(name, sizeof name, "%06lld", (long long)index);
  cnn_status status = cnn_image_write(path_to(e, path, "%s/images/%s.png", e->part, name), image);
  if (status.code == CNN_OK && truth->pixels)
    status = mask_write(path_to(e, path, "%s/masks/%s.png", e->part, name), truth);
  if (status.code == CNN_OK && e->data->objects)
    status = labels_write(path_to(e, path, "%s/labels/%s.txt", e->part, name), truth);
  if (status.code != CNN_OK || !e->data->objects) return status;
  path_to(e, path, "annotations/panoptic_%s/%s.png", e->part, name);
  snprintf(name, sizeof name, "%06lld.png", (long long)index);
  return cnn_coco_writer_add(&e->coco, index, name, truth, path);
}

static cnn_status samples_write(Export *e, cnn_part part) {
  const int64_t count = cnn_data_count(e->data, part);
  cnn_status status = folders_make(e);
  for (int64_t i = 0; i < count && status.code == CNN_OK; i++) {
    cnn_image image;
    cnn_truth truth;
    status = cnn_data_truth(e->data, part, i, &image, &truth);
    if (status.code != CNN_OK) break;
    if (!e->sheet.image.pixel) status = sheet_open(&e->sheet, count, e->data, &image, 2);
    if (status.code == CNN_OK) status = sample_write(e, i, &image, &truth);
    if (status.code == CNN_OK && part == CNN_PART_TRAIN && i < COLUMNS * ROWS)
      status = sheet_add(&e->sheet, i, e->data, &image, &truth);
    cnn_image_free(&image);
    cnn_truth_free(&truth);
  }
  return status;
}

static cnn_status part_write(Export *e, cnn_part part) {
  char instances[PATH_ROOM], panoptic[PATH_ROOM];
  cnn_status status = cnn_coco_writer_open(&e->coco, e->data);
  if (status.code == CNN_OK) status = samples_write(e, part);
  if (status.code == CNN_OK && e->data->objects)
    status = cnn_coco_writer_commit(&e->coco, path_to(e, instances, "annotations/instances_%s.json", e->part),
                                    path_to(e, panoptic, "annotations/panoptic_%s.json", e->part));
  cnn_coco_writer_close(&e->coco);
  return status;
}

/* Writes classes.txt: the names of the object classes, or without objects of the pixel classes, one per
 * line. */
static cnn_status classes_write(const Export *e) {
  char path[PATH_ROOM], line[300];
  cnn_writer file;
  const cnn_status status = cnn_writer_open(&file, path_to(e, path, "classes.txt"));
  if (status.code != CNN_OK) return status;
  const int32_t first = e->data->objects ? e->data->stuff : 0;
  for (int32_t c = first; c < e->data->classes; c++) {
    const char *name = cnn_data_class(e->data, c);
    const int n = name ? snprintf(line, sizeof line, "%.298s\n", name)
                       : snprintf(line, sizeof line, "%d\n", (int)(c - first));
    cnn_writer_put(&file, line, (size_t)n);
  }
  return cnn_writer_commit(&file);
}

/* ---- Images with one class each */

/* Whether samples are images that the net reads as pixels, each with one class. */
static bool images_have_classes(const cnn_data *data) {
  const cnn_port *input = data->network->input;
  int32_t label;
  return data->kind->label && data->classes > 0 && data->network->inputs == 1 &&
         data->network->outputs == 1 && input->rank == 3 && input->regions == 0 &&
         (input->dim[2] == 1 || input->dim[2] == 3) &&
         (input->type == CNN_F32 || input->type == CNN_U8 || input->type == CNN_I8) &&
         !(data->kind->unit && data->kind->unit(data, 0)) && cnn_data_count(data, CNN_PART_TRAIN) > 0 &&
         cnn_data_label(data, CNN_PART_TRAIN, 0, &label);
}

/* Folder of a class: its name in the set, if all names are valid folder names; otherwise the class
 * number. */
static const char *class_folder(const cnn_data *data, int32_t c, char room[24]) {
  const char *const *name = cnn_data_class_names(data);
  for (int32_t k = 0; name && k < data->classes; k++)
    if (!name[k][0] || name[k][0] == '.' || strchr(name[k], '/') || strlen(name[k]) > 60) name = NULL;
  if (name) return name[c];
  snprintf(room, 24, "%d", (int)c);
  return room;
}

static cnn_status class_folders_make(const Export *e) {
  char path[PATH_ROOM], room[24];
  cnn_status status = folder_make(path_to(e, path, "%s", e->part));
  for (int32_t c = 0; c < e->data->classes && status.code == CNN_OK; c++)
    status = folder_make(path_to(e, path, "%s/%s", e->part, class_folder(e->data, c, room)));
  return status;
}

static cnn_status class_sample_write(Export *e, cnn_part part, int64_t index, void *values,
                                     cnn_image *image) {
  char path[PATH_ROOM], room[24];
  int32_t label;
  void *const input[1] = {values}, *const target[1] = {NULL};
  if (!cnn_data_label(e->data, part, index, &label) || label < 0) return cnn_success();
  const cnn_status status = cnn_data_sample(e->data, part, index, input, target);
  if (status.code != CNN_OK) return status;
  cnn_image_of_input(e->data->network->input, values, image);
  path_to(e, path, "%s/%s/%06lld.png", e->part, class_folder(e->data, label, room), (long long)index);
  const bool shown = part == CNN_PART_TRAIN && index < COLUMNS * ROWS;
  const cnn_status drawn = shown ? sheet_add(&e->sheet, index, e->data, image, NULL) : cnn_success();
  return drawn.code == CNN_OK ? cnn_image_write(path, image) : drawn;
}

/* Writes folders PART/CLASS of images in the size of the net's input. */
static cnn_status class_part_write(Export *e, cnn_part part) {
  const cnn_port *input = e->data->network->input;
  const int64_t count = cnn_data_count(e->data, part);
  cnn_image image = {input->dim[0], input->dim[1], input->dim[2], malloc((size_t)input->size)};
  void *values = malloc((size_t)input->size * cnn_type_bytes(input->type));
  cnn_status status = image.pixel && values ? class_folders_make(e) : cnn_data_no_memory(e->data);
  if (status.code == CNN_OK && !e->sheet.image.pixel)
    status = sheet_open(&e->sheet, count, e->data, &image, 1);
  for (int64_t i = 0; i < count && status.code == CNN_OK; i++)
    status = class_sample_write(e, part, i, values, &image);
  free(values);
  cnn_image_free(&image);
  return status;
}

cnn_status cnn_data_export(const cnn_data *data, const char *directory) {
  static const char *const names[] = {
      [CNN_PART_TRAIN] = "train", [CNN_PART_VAL] = "val", [CNN_PART_TEST] = "test"};
  char path[PATH_ROOM];
  Export e = {.data = data, .directory = directory};
  const bool classes = !data->kind->truth && images_have_classes(data);
  if (!data->kind->truth && !classes)
    return cnn_failure(CNN_NOT_BUILT,
                       "%s: only images with classes, masks or boxes can be written as files%s", data->path,
                       data->kind->unit && data->kind->unit(data, 0) ? "; with normalize in the net, its "
                                                                       "inputs are written as images"
                                                                     : "");
  if (strlen(directory) + 110 > PATH_ROOM)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: the path is too long", directory);
  cnn_status status = folder_make(directory);
  for (int p = 0; p < 3 && status.code == CNN_OK; p++) {
    if (cnn_data_count(data, (cnn_part)p) == 0 || (p == CNN_PART_TEST && !cnn_data_has_test(data))) continue;
    e.part = names[p];
    status = classes ? class_part_write(&e, (cnn_part)p) : part_write(&e, (cnn_part)p);
  }
  if (status.code == CNN_OK && !classes && (data->objects || cnn_data_class_names(data)))
    status = classes_write(&e);
  if (status.code == CNN_OK && e.sheet.image.pixel)
    status = cnn_image_write(path_to(&e, path, "sheet.png"), &e.sheet.image);
  cnn_image_free(&e.sheet.image);
  return status;
}
