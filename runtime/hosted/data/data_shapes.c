/* data_shapes.c: synthetic:shapes[,count=N,size=N,seed=N,kind=K], images of shapes generated on the fly
 * (shapes.c). `kind` selects the annotations. boxes: discs, squares, triangles, stars and rings are objects
 * with boxes; masks: the objects also have masks; pixels: each pixel has a class, 0 for the background;
 * panoptic: all of these. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* strtok_r */
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/image.h"
#include "hosted/data/pixels.h"
#include "hosted/data/shapes.h"

enum { KIND_BOXES, KIND_MASKS, KIND_PIXELS, KIND_PANOPTIC, KINDS /* no kind was chosen */ };
static const char *const kind_names[KINDS] = {"boxes", "masks", "pixels", "panoptic"};

typedef struct Shapes {
  int64_t count, size, seed;
  int kind;
} Shapes;

static cnn_status shapes_truth(const cnn_data *data, int pool, int64_t index, cnn_image *image,
                               cnn_truth *truth) {
  const Shapes *set = data->set;
  const cnn_status status =
      cnn_shapes_make((uint64_t)set->seed, (uint64_t)pool, (uint32_t)index, (int32_t)set->size, image, truth);
  if (!data->objects) {
    free(truth->object);
    truth->object = NULL;
    truth->count = 0;
  }
  if (!data->masks) {
    free(truth->instance);
    truth->instance = NULL;
  }
  if (!data->pixels) {
    free(truth->pixels);
    truth->pixels = NULL;
  }
  return status;
}

static void shapes_close(cnn_data *data) { free(data->set); }

static const DataKind shapes = {cnn_pixels_read, NULL, shapes_close, NULL, NULL, NULL, NULL,
                                shapes_truth,    NULL};

/* ---- options after synthetic: */

static cnn_status number_read(const cnn_data *data, const char *name, const char *text, int64_t lo,
                              int64_t hi, int64_t *number) {
  char *end = NULL;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  if (end == text || *end || errno != 0 || value < lo || value > hi)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: %s is '%s', but must be an integer from %lld to %lld",
                       data->path, name, text, (long long)lo, (long long)hi);
  *number = value;
  return cnn_success();
}

static cnn_status kind_read(const cnn_data *data, const char *text, int *kind) {
  for (*kind = 0; *kind < KINDS; ++*kind)
    if (strcmp(kind_names[*kind], text) == 0) return cnn_success();
  return cnn_failure(CNN_BAD_ARGUMENT,
                     "%s: there is no kind '%s'; the kinds are boxes, masks, pixels and panoptic", data->path,
                     text);
}

static cnn_status option_read(const cnn_data *data, Shapes *set, char *option) {
  char *value = strchr(option, '=');
  if (value) *value++ = 0;
  if (value && strcmp(option, "count") == 0)
    return number_read(data, option, value, 1, 10000000, &set->count);
  if (value && strcmp(option, "size") == 0)
    return number_read(data, option, value, CNN_SHAPES_LEAST, CNN_SHAPES_MOST, &set->size);
  if (value && strcmp(option, "seed") == 0)
    return number_read(data, option, value, 0, INT64_MAX / 8, &set->seed);
  if (value && strcmp(option, "kind") == 0) return kind_read(data, value, &set->kind);
  return cnn_failure(CNN_BAD_ARGUMENT,
                     "%s: unknown option '%s'; synthetic:shapes accepts count=2000, size=96, seed=1 and "
                     "kind=boxes|masks|pixels|panoptic",
                     data->path, option);
}

static cnn_status options_read(const cnn_data *data, Shapes *set, const char *options) {
  char *text = cnn_path_join("", options), *rest = NULL;
  if (!text) return cnn_data_no_memory(data);
  cnn_status status = cnn_success();
  char *option = strtok_r(text, ",", &rest);
  if (!option || strcmp(option, "shapes") != 0)
    status = cnn_failure(CNN_BAD_ARGUMENT, "%s: the generated sets are synthetic and synthetic:shapes",
                         data->path);
  while (status.code == CNN_OK && (option = strtok_r(NULL, ",", &rest)) != NULL)
    status = option_read(data, set, option);
  free(text);
  return status;
}

/* The kind of annotations for a path without `kind=`: enough for all targets of the net. */
static int kind_for(const cnn_data *data) {
  if (!cnn_boxes_wanted(data->network)) return KIND_PIXELS;
  return cnn_pixels_limit(data) > 0 ? KIND_PANOPTIC : KIND_MASKS;
}

static void truths_choose(cnn_data *data, int kind) {
  data->objects = kind != KIND_PIXELS;
  data->masks = kind == KIND_MASKS || kind == KIND_PANOPTIC;
  data->pixels = kind == KIND_PIXELS || kind == KIND_PANOPTIC;
  data->stuff = kind == KIND_PANOPTIC ? 1 : 0;
}

/* Sets the class names. Without pixel classes, the background is not a class. */
static cnn_status classes_name(cnn_data *data) {
  const int32_t first = data->pixels ? 0 : 1;
  data->class_name = calloc(1 + CNN_SHAPES, sizeof *data->class_name);
  if (!data->class_name) return cnn_data_no_memory(data);
  data->classes = 1 + CNN_SHAPES - first;
  for (int32_t c = 0; c < data->classes; c++) {
    data->class_name[c] = cnn_path_join("", cnn_shape_names[first + c]);
    if (!data->class_name[c]) return cnn_data_no_memory(data);
  }
  return cnn_success();
}

cnn_status cnn_data_open_shapes(cnn_data *data, const char *options) {
  Shapes *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  *set = (Shapes){.count = 2000, .size = 96, .seed = 1, .kind = KINDS};
  data->kind = &shapes;
  data->set = set;
  data->title = "shapes";
  data->stuff = 1;
  cnn_status status = options_read(data, set, options);
  if (status.code == CNN_OK && data->network->inputs != 1)
    status = cnn_failure(CNN_MISMATCH, "%s: an image is a single input, but the net has %d", data->path,
                         (int)data->network->inputs);
  if (status.code == CNN_OK) status = cnn_image_fits(data->path, 0, 0, 3, &data->network->input[0]);
  truths_choose(data, set->kind < KINDS ? set->kind : kind_for(data));
  if (status.code == CNN_OK) status = classes_name(data);
  if (status.code == CNN_OK && data->pixels) status = cnn_pixels_fit(data, data->path);
  data->pool[POOL_TRAIN] = set->count;
  data->pool[POOL_TEST] = (set->count + 4) / 5;
  return status;
}
