/* quant_file.c: Lookups in a quantized weight file. */
// SPDX-License-Identifier: Apache-2.0
#include "quantize/quant_file.h"
#include <string.h>

QuantArray *quant_file_find(const QuantFile *file, const char *name) {
  QuantArray *array = table_find(&file->by_name, name);
  if (array) array->used = true;
  return array;
}

static QuantLayer *layer_lookup(const QuantFile *file, const char *name, unsigned what) {
  for (int i = 0; i < file->layers.n; i++)
    if (strcmp(file->layers.data[i].name, name) == 0) {
      file->layers.data[i].used |= what;
      return &file->layers.data[i];
    }
  return NULL;
}

Rounding quant_file_rounding(const QuantFile *file, const char *layer) {
  const QuantLayer *own = layer_lookup(file, layer, LAYER_ROUNDING);
  return own ? own->rounding : file->rounding;
}

bool quant_file_mean_factor(const QuantFile *file, const char *layer) {
  const QuantLayer *own = layer_lookup(file, layer, LAYER_MEAN);
  return own && own->mean_factor;
}

Factor quant_file_factor(const QuantFile *file, const char *layer) {
  const QuantLayer *own = layer_lookup(file, layer, LAYER_FACTOR);
  return own ? own->factor : FACTOR_FIXED;
}

bool quant_file_wide(const QuantFile *file, const char *value) {
  const QuantLayer *own = layer_lookup(file, value, LAYER_PRECISION);
  return own && own->wide;
}

bool quant_file_litert(const QuantFile *file, const char *layer) {
  const QuantLayer *own = layer_lookup(file, layer, LAYER_KERNEL);
  return own && own->litert;
}
