/* file.c: looking things up in a quantised net's file. */
// SPDX-License-Identifier: Apache-2.0
#include "quantize/file.h"
#include <string.h>

QuantArray *quant_file_find(const QuantFile *file, const char *name) {
  QuantArray *array = table_find(&file->by_name, name);
  if (array) array->used = true;
  return array;
}

static QuantLayer *layer_named(const QuantFile *file, const char *name) {
  for (int i = 0; i < file->layers.n; i++)
    if (strcmp(file->layers.data[i].name, name) == 0) return &file->layers.data[i];
  return NULL;
}

Rounding quant_file_rounding(const QuantFile *file, const char *layer) {
  const QuantLayer *own = layer_named(file, layer);
  return own ? own->rounding : file->rounding;
}

bool quant_file_mean_factor(const QuantFile *file, const char *layer) {
  const QuantLayer *own = layer_named(file, layer);
  return own && own->mean_factor;
}

bool quant_file_wide(const QuantFile *file, const char *value) {
  QuantLayer *own = layer_named(file, value);
  if (own) own->used = true;
  return own && own->wide;
}
