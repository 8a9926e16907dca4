/* quantized.c: Reader of quantized weight files: arrays and metadata. Like weights.c, this file uses the
 * runtime's reader of archives. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/quantized.h"
#include <jansson.h>
#include <string.h>
#include "hosted/weights/archive.h"
#include "hosted/weights/matching.h"

enum { VERSION = 1 };
static const char note_name[] = "cnnc.quantization";

/* ---- metadata ---- */
static bool take_rounding(const json_t *object, Rounding *rounding) {
  const char *name = json_string_value(json_object_get(object, "rounding"));
  return name && rounding_find(name, rounding);
}

static bool take_precision(const json_t *layer, bool *wide) {
  const json_t *precision = json_object_get(layer, "precision");
  const char *name = json_string_value(precision);
  *wide = name && strcmp(name, "i16") == 0;
  return !precision || *wide || (name && strcmp(name, "i8") == 0);
}

static bool take_factor(const json_t *factor, Factor *to) {
  const char *name = json_string_value(factor);
  *to = !name ? FACTOR_FIXED : strcmp(name, "float") == 0 ? FACTOR_FLOAT : FACTOR_DOUBLE;
  return !factor || (name && (*to == FACTOR_FLOAT || strcmp(name, "double") == 0));
}

static bool take_fallback(const json_t *fallback, Precision *to) {
  const char *name = json_string_value(fallback);
  *to = name && strcmp(name, "bf16") == 0 ? PRECISION_BF16 : PRECISION_GIVEN;
  return !fallback || *to == PRECISION_BF16 || (name && strcmp(name, "f32") == 0);
}

/* The first unknown key, or NULL. */
static const char *unknown_key(json_t *object, const char *const *known) {
  const char *key;
  json_t *value;
  json_object_foreach(object, key, value) {
    int k = 0;
    while (known[k] && strcmp(known[k], key) != 0) k++;
    if (!known[k]) return key;
  }
  return NULL;
}

/* Reads the metadata of a layer. Returns the error, or NULL. */
static const char *take_layer(Arena *arena, const char *name, json_t *layer, QuantFile *file) {
  static const char *const keys[] = {"rounding", "mean", "precision", "factor", "kernel", NULL};
  const json_t *mean = json_object_get(layer, "mean"), *rounding = json_object_get(layer, "rounding"),
               *factor = json_object_get(layer, "factor"), *kernel = json_object_get(layer, "kernel");
  QuantLayer own = {
      .name = arena_copy(arena, name, strlen(name)), .rounding = file->rounding, .mean_factor = mean != NULL};
  if (!json_is_object(layer)) return arena_printf(arena, "the entry of layer '%s' must be an object", name);
  const char *unknown = unknown_key(layer, keys);
  if (unknown)
    return arena_printf(
        arena,
        "layer '%s' has the unknown key \"%s\"; known are rounding, mean, precision, factor and kernel", name,
        arena_copy(arena, unknown, strlen(unknown)));
  if (mean && (!json_is_string(mean) || strcmp(json_string_value(mean), "factor") != 0))
    return arena_printf(arena, "\"mean\" of layer '%s' must be \"factor\"", name);
  if (!take_factor(factor, &own.factor))
    return arena_printf(arena, "\"factor\" of layer '%s' must be \"float\" or \"double\"", name);
  own.litert = kernel != NULL;
  if (kernel && (!json_is_string(kernel) || strcmp(json_string_value(kernel), "litert") != 0))
    return arena_printf(arena, "\"kernel\" of layer '%s' must be \"litert\"", name);
  if (!take_precision(layer, &own.wide))
    return arena_printf(arena, "\"precision\" of layer '%s' must be \"i8\" or \"i16\"", name);
  if (rounding && !take_rounding(layer, &own.rounding))
    return arena_printf(arena, "\"rounding\" of layer '%s' must be \"single\", \"double\" or \"float\"",
                        name);
  own.given = (rounding ? LAYER_ROUNDING : 0u) | (mean ? LAYER_MEAN : 0u) |
              (json_object_get(layer, "precision") ? LAYER_PRECISION : 0u) | (factor ? LAYER_FACTOR : 0u) |
              (kernel ? LAYER_KERNEL : 0u);
  vec_push(arena, file->layers, own);
  return NULL;
}

static const char *take_layers(Arena *arena, json_t *layers, QuantFile *file) {
  const char *name, *wrong = NULL;
  json_t *layer;
  if (layers && !json_is_object(layers)) return "\"layers\" must be an object";
  json_object_foreach(layers, name, layer) {
    if (!wrong) wrong = take_layer(arena, name, layer, file);
  }
  return wrong;
}

static const char *take_note(Arena *arena, const char *note, QuantFile *file) {
  static const char *const keys[] = {"version", "rounding", "layers", "fallback", NULL};
  json_t *root = json_loads(note, 0, NULL);
  const json_t *version = json_object_get(root, "version");
  const char *wrong = NULL, *unknown = unknown_key(root, keys);
  if (!json_is_object(root)) wrong = "not a JSON object";
  else if (!json_is_integer(version)) wrong = "\"version\" must be an integer";
  else if (json_integer_value(version) != VERSION) wrong = "\"version\" is not 1";
  else if (unknown)
    wrong = arena_printf(arena, "unknown key \"%s\"; known are version, rounding, layers and fallback",
                         arena_copy(arena, unknown, strlen(unknown)));
  else if (!take_rounding(root, &file->rounding))
    wrong = "\"rounding\" must be \"single\", \"double\" or \"float\"";
  else if (!take_fallback(json_object_get(root, "fallback"), &file->fallback))
    wrong = "\"fallback\" must be \"f32\" or \"bf16\"";
  else wrong = take_layers(arena, json_object_get(root, "layers"), file);
  json_decref(root);
  return wrong;
}

/* ---- arrays ---- */
static void copy_elements(const cnn_tensor *tensor, Elem elem, void *to) {
  static const double FAR = 0x1p60; /* limit for the conversion to int64; valid numbers are smaller */
  for (int64_t i = 0; i < tensor->size; i++) {
    const double x = cnn_tensor_number(tensor, i);
    if (elem == F32) ((float *)to)[i] = (float)x;
    else if (elem == I64) ((int64_t *)to)[i] = (int64_t)(x < -FAR ? -FAR : x > FAR ? FAR : x);
    else if (elem == I32) ((int32_t *)to)[i] = (int32_t)x;
    else if (elem == I16) ((int16_t *)to)[i] = (int16_t)x;
    else ((int8_t *)to)[i] = (int8_t)x;
  }
}

static bool elem_known(cnn_dtype dtype, Elem *elem) {
  switch (dtype) {
  case CNN_DTYPE_F32: *elem = F32; return true;
  case CNN_DTYPE_I8: *elem = I8; return true;
  case CNN_DTYPE_I16: *elem = I16; return true;
  case CNN_DTYPE_I32: *elem = I32; return true;
  case CNN_DTYPE_I64: *elem = I64; return true;
  default: return false;
  }
}

static void take_array(Arena *arena, const cnn_tensor *tensor, QuantFile *file) {
  char shape[200];
  QuantArray *array = NEW(arena, QuantArray);
  array->name = arena_copy(arena, tensor->name, strlen(tensor->name));
  array->type = cnn_dtype_name(tensor->dtype);
  array->shape = arena_printf(arena, "%s", cnn_tensor_shape(tensor, shape, sizeof shape));
  array->rank = tensor->rank;
  array->size = tensor->size;
  for (int d = 0; d < tensor->rank && d < 4; d++) array->dim[d] = tensor->dim[d];
  array->known = elem_known(tensor->dtype, &array->elem);
  if (array->known) {
    void *data = arena_alloc(arena, (size_t)elem_bytes(array->elem) * (size_t)(array->size + 1));
    copy_elements(tensor, array->elem, data);
    array->data = data;
  }
  vec_push(arena, file->arrays, array);
  table_set(arena, &file->by_name, array->name, array);
}

bool quantized_take(Arena *arena, Diags *diags, const char *path, const cnn_archive *archive,
                    QuantFile **file) {
  const char *note = cnn_archive_note(archive, note_name), *wrong = NULL;
  *file = NULL;
  if (!note) return true;
  QuantFile *read = *file = NEW(arena, QuantFile);
  read->path = path;
  wrong = take_note(arena, note, read);
  for (int i = 0; i < archive->count && !wrong; i++) take_array(arena, &archive->tensor[i], read);
  if (wrong)
    diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s: the metadata '%s' cannot be used: %s", path,
                note_name, wrong);
  return !wrong;
}

bool quantized_read(Arena *arena, Diags *diags, const WeightsSource *way, QuantFile **file) {
  cnn_archive archive;
  cnn_status status = cnn_archive_open(&archive, way->path);
  if (status.code == CNN_OK && way->rename) status = cnn_rename(&archive, way->rename);
  *file = NULL;
  const bool taken = status.code == CNN_OK && quantized_take(arena, diags, way->path, &archive, file);
  if (status.code != CNN_OK) diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s", status.message);
  cnn_archive_close(&archive);
  return taken;
}

bool quantized_is(const char *path) {
  cnn_archive archive;
  const bool is = cnn_archive_open(&archive, path).code == CNN_OK && cnn_archive_note(&archive, note_name);
  cnn_archive_close(&archive);
  return is;
}
