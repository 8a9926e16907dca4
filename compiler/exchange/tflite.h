/* tflite.h: models of TensorFlow Lite: tflite_read.c reads them, tflite_import.c makes programs of them,
 * by tflite_make.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_H
#define CNNC_TFLITE_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/elem.h"
#include "base/text.h"
#include "base/arrays.h"
#include "graph/graph.h"

/* ---- a model as it is in its file ---- */
enum { TFLITE_RANK = 4, TFLITE_IO = 16, SLICE_MASKS = 5 };
typedef struct TflTensor {
  const char *name;
  int rank;
  int64_t dim[TFLITE_RANK], size;
  bool known; /* its elements are F32, I32, I64, U8, I8 or I16 */
  Elem elem;
  int code;            /* of TensorType */
  const char *type;    /* "INT8" */
  const uint8_t *data; /* little-endian; NULL: it is computed */
  int scales, axis;    /* axis: of its dimensions, of which each index has a scale of its own */
  const float *scale;
  int64_t zero; /* of the first; those of weights must all be 0 */
  bool zeros;   /* all are 0 */
  bool is_u8;   /* the caller's: q + 128 of what is said here */
} TflTensor;

typedef struct TflOperator {
  int code; /* of BuiltinOperator */
  const char *name;
  int nin, nout;
  int in[TFLITE_IO], out[TFLITE_IO]; /* tensors; -1: left out */
  /* options, as far as it has them */
  bool same;                                     /* padding */
  int64_t stride[2], dilation[2], size[2], axis; /* height, width */
  int activation;
  float beta;                /* of softmax; the slope of leaky_relu */
  bool keeps, corners;       /* keep_dims; align_corners */
  bool powers;               /* pot_scale_int16: scales that are powers of two are shifts */
  int sums;                  /* of TensorType: quantized_bias_type, FLOAT32 if nothing is said */
  bool middle;               /* half_pixel_centers; of gelu: by a tanh */
  int64_t mask[SLICE_MASKS]; /* begin, end, ellipsis, new axis, shrink axis; a bit a dimension */
} TflOperator;

typedef struct TflModel {
  int ntensors, noperators, ninputs, noutputs;
  TflTensor *tensor;
  TflOperator *op;
  int input[TFLITE_IO], output[TFLITE_IO];
} TflModel;

/* NULL: *why says what is wrong with it. */
TflModel *tflite_read(Arena *, const uint8_t *bytes, size_t n, const char **why);
bool tflite_is(const uint8_t *bytes, size_t n); /* such a file, by its mark */

/* BuiltinOperator: those that are read. */
enum {
#define OP(name, number, make) TFL_##name = number,
#include "exchange/tflite_ops.def"
#undef OP
};
enum {
  TFL_FLOAT32 = 0,
  TFL_FLOAT16 = 1,
  TFL_INT32 = 2,
  TFL_UINT8 = 3,
  TFL_INT64 = 4,
  TFL_INT16 = 7,
  TFL_INT8 = 9
};
enum { TFL_NONE = 0, TFL_ACTIVATION_RELU = 1, TFL_ACTIVATION_RELU_N1_TO_1 = 2, TFL_ACTIVATION_RELU6 = 3 };

/* ---- as a program ---- */
typedef struct TflProgram {
  const char *text;
  Arrays arrays;
  Shape *output; /* by output: what the model has there */
  int noutputs;
} TflProgram;

/* NULL after [import-file] or [import-operator]. rounding: "double", or "litert": that of LiteRT's
 * reference kernels, double but for dense layers, which are single. */
TflProgram *tflite_import(Arena *, Diags *, Span at, const char *path, const char *net, const char *rounding,
                          const uint8_t *bytes, size_t n);
#endif
