/* file.c: looking things up in a quantised net's file. */
// SPDX-License-Identifier: Apache-2.0
#include "quantize/file.h"
#include <string.h>

QuantArray *quant_file_find(const QuantFile *file, const char *name) {
  QuantArray *array = table_find(&file->by_name, name);
  if (array) array->used = true;
  return array;
}

Rounding quant_file_rounding(const QuantFile *file, const char *layer) {
  for (int i = 0; i < file->layers.n; i++)
    if (strcmp(file->layers.data[i].name, layer) == 0) return file->layers.data[i].rounding;
  return file->rounding;
}
