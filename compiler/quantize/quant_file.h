/* quant_file.h: Quantized weight file: the arrays of a .safetensors file whose metadata entry
 * `cnnc.quantization` defines the rounding. Layer L has L.weight (I8, in the order of the float weights),
 * L.weight.scale (F32 [filters] or [1]) and L.bias (I32). Each stored value V has V.scale (F32 [1]) and
 * V.zero (I8 [1]). If the metadata mark V as int16, its zero point is 0, and L.bias is I64 in layers that
 * compute or read V. A recurrent layer has L.weight_ih_l0 and L.weight_hh_l0 (I8), whose scales are F32 [1],
 * [gates] or [gates*units], and L.bias_ih_l0 (I32). A gru with reset=after also has L.bias_hh_l0 (I32), and
 * an lstm L.cell.scale (F32 [1]). An svdf has L.weight_feature (I8; scale [1] or [features]), L.weight_time
 * (I16; scale [1]) and L.bias (I32). Its features have L.features.scale and L.features.zero. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_QUANT_FILE_H
#define CNNC_QUANTIZE_QUANT_FILE_H
#include "base/arena.h"
#include "base/elem.h"
#include "base/table.h"
#include "base/arithmetic.h"
#include "graph/graph.h"

typedef struct QuantArray {
  const char *name, *type, *shape; /* type, shape: as in the file, "I8", "[8, 1, 3, 3]" */
  bool known;                      /* the array's element type is an Elem, stored in `elem` */
  Elem elem;
  int rank;
  int64_t dim[4], size;
  const void *data;
  bool used; /* the array was looked up */
} QuantArray;

/* How the multiplier of a sum or a product is computed from scales. */
typedef enum Factor {
  FACTOR_FIXED,
  FACTOR_FLOAT, /* products of two values, relus: scales are divided as floats, then converted to fixed point,
                   as in LiteRT */
  FACTOR_DOUBLE /* int16 layers: sums are multiplied by a double, as in LiteRT's dense layers */
} Factor;

typedef struct QuantLayer {
  const char *name;
  Rounding rounding;
  bool mean_factor; /* as in TensorFlow Lite, a mean without padding is a sum times one factor */
  Factor factor;
  bool wide;            /* the value is int16 */
  bool litert;          /* an lstm with the arithmetic of LiteRT's kernel */
  unsigned given, used; /* bits LAYER_...: settings in the file, and settings that were looked up */
} QuantLayer;
enum { LAYER_ROUNDING = 1, LAYER_MEAN = 2, LAYER_PRECISION = 4, LAYER_FACTOR = 8, LAYER_KERNEL = 16 };

typedef struct QuantFile {
  const char *path;
  Rounding rounding;
  Precision fallback; /* precision of layers that stay float: PRECISION_BF16, or PRECISION_GIVEN (float) */
  VEC(QuantArray *) arrays;
  Table by_name;
  VEC(QuantLayer) layers; /* layers with settings */
} QuantFile;

QuantArray *quant_file_find(const QuantFile *,
                            const char *name); /* returns the array or NULL; marks it as used */
bool quant_file_mean_factor(const QuantFile *, const char *layer);
Factor quant_file_factor(const QuantFile *, const char *layer);
Rounding quant_file_rounding(const QuantFile *, const char *layer);
bool quant_file_litert(const QuantFile *, const char *layer);
bool quant_file_wide(const QuantFile *, const char *value); /* whether the value is int16 */
#endif
