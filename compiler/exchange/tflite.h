/* tflite.h: models of TensorFlow Lite: tflite_read.c reads them, tflite_import.c makes programs of them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_H
#define CNNC_TFLITE_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/elem.h"
#include "base/text.h"
#include "exchange/arrays.h"
#include "graph/graph.h"

/* ---- a model as it is in its file ---- */
enum { TFLITE_RANK = 4, TFLITE_IO = 16 };
typedef struct TflTensor {
  const char *name;
  int rank;
  int64_t dim[TFLITE_RANK], size;
  bool known; /* its elements are F32, I32 or I8 */
  Elem elem;
  const char *type;    /* "INT8" */
  const uint8_t *data; /* little-endian; NULL: it is computed */
  int scales, axis;    /* axis: of its dimensions, of which each index has a scale of its own */
  const float *scale;
  int64_t zero; /* of the first; those of weights must all be 0 */
  bool zeros;   /* all are 0 */
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
  float beta;
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

/* BuiltinOperator, ActivationFunctionType: those that are read. */
enum {
  TFL_ADD = 0,
  TFL_AVERAGE_POOL_2D = 1,
  TFL_CONCATENATION = 2,
  TFL_CONV_2D = 3,
  TFL_DEPTHWISE_CONV_2D = 4,
  TFL_FULLY_CONNECTED = 9,
  TFL_MAX_POOL_2D = 17,
  TFL_MUL = 18,
  TFL_RELU = 19,
  TFL_RELU6 = 21,
  TFL_RESHAPE = 22,
  TFL_SOFTMAX = 25,
  TFL_SUB = 41
};
enum { TFL_NONE = 0, TFL_ACTIVATION_RELU = 1, TFL_ACTIVATION_RELU6 = 3 };

/* ---- as a program ---- */
typedef struct TflProgram {
  const char *text;
  Arrays arrays;
  Shape *output; /* by output: what the model has there */
  int noutputs;
} TflProgram;

/* NULL after [import-file] or [import-operator]. rounding: "double". */
TflProgram *tflite_import(Arena *, Diags *, Span at, const char *path, const char *net, const char *rounding,
                          const uint8_t *bytes, size_t n);
#endif
