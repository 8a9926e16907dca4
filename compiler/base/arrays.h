/* arrays.h: Named arrays, and their .safetensors file. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ARRAYS_H
#define CNNC_ARRAYS_H
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/elem.h"

typedef struct NamedArray {
  const char *name;
  Elem elem;
  int rank;
  int64_t dim[4], size;
  const void *data; /* numbers in this machine's byte order */
} NamedArray;
typedef struct Arrays {
  Arena *arena;
  VEC(NamedArray) list;
  const char *note; /* the metadata `cnnc.quantization`, or NULL: float weights */
  const char *net;  /* metadata: name of the net; NULL: not stored */
} Arrays;

void arrays_add(Arrays *, const char *name, Elem, int rank, const int64_t *dim,
                const void *data); /* adds an array; name and data are not copied */
/* Adds the arrays VALUE.scale (f32) and VALUE.zero (i8), with one element each. */
void arrays_add_scale(Arrays *, const char *value, float scale, int64_t zero);
/* Sets `note`, which marks an int8 model. layers: text of the members of the JSON object "layers", or NULL.
 * fallback: the precision of the layers that stay float: "bf16", or NULL for f32. */
void arrays_quantized(Arrays *, const char *rounding, const char *layers, const char *fallback);
bool arrays_save(const Arrays *,
                 const char *path); /* saves a .safetensors file; false: errno has the reason */
#endif
