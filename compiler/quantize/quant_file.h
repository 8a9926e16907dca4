/* quant_file.h: a quantized net's file: the arrays of a .safetensors file whose metadata `cnnc.quantization`
 * say how it rounds. Of layer L it has L.weight (I8, in the usual order), L.weight.scale (F32 [filters] or
 * [1]), L.bias (I32); of each value V that is stored V.scale (F32 [1]) and V.zero (I8 [1]). Where metadata
 * say that V has 16 bits its zero is 0, and the L.bias of layers that make or read it are I64. A recurrent
 * layer has L.weight_ih_l0 and L.weight_hh_l0 (I8), whose scales are F32 [1], [gates] or [gates*units],
 * L.bias_ih_l0 (I32), a gru with reset=after L.bias_hh_l0 (I32), an lstm L.cell.scale (F32 [1]). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_QUANT_FILE_H
#define CNNC_QUANTIZE_QUANT_FILE_H
#include "base/arena.h"
#include "base/elem.h"
#include "base/table.h"
#include "base/arithmetic.h"

typedef struct QuantArray {
  const char *name, *type, *shape; /* type, shape: as the file says, "I8", "[8, 1, 3, 3]" */
  bool known;                      /* its elements are of a type that `elem` can say */
  Elem elem;
  int rank;
  int64_t dim[4], size;
  const void *data;
  bool used; /* somebody asked for it */
} QuantArray;

/* How scales become the factor of a sum or a product. */
typedef enum Factor {
  FACTOR_FIXED,
  FACTOR_FLOAT, /* of a product of two values, relus: divided as floats, then fixed, as LiteRT has it */
  FACTOR_DOUBLE /* of the sums of a layer of 16 bits: a double that they are multiplied by, as LiteRT's dense
                   layers are */
} Factor;

typedef struct QuantLayer {
  const char *name;
  Rounding rounding;
  bool mean_factor; /* a mean over all positions is one factor of their sum, as TensorFlow Lite has it */
  Factor factor;
  bool wide;     /* its value has 16 bits */
  bool litert;   /* an lstm as LiteRT's kernel computes it */
  unsigned said; /* which of these the file says something of, and which somebody asked for: SAID_... */
  unsigned asked;
} QuantLayer;
enum { SAID_ROUNDING = 1, SAID_MEAN = 2, SAID_PRECISION = 4, SAID_FACTOR = 8, SAID_KERNEL = 16 };

typedef struct QuantFile {
  const char *path;
  Rounding rounding;
  VEC(QuantArray *) arrays;
  Table by_name;
  VEC(QuantLayer) layers; /* of which something is said */
} QuantFile;

QuantArray *quant_file_find(const QuantFile *, const char *name); /* or NULL; it is used now */
bool quant_file_mean_factor(const QuantFile *, const char *layer);
Factor quant_file_factor(const QuantFile *, const char *layer);
Rounding quant_file_rounding(const QuantFile *, const char *layer);
bool quant_file_litert(const QuantFile *, const char *layer);
bool quant_file_wide(const QuantFile *, const char *value); /* it has 16 bits */
#endif
