/* tflite.h: TensorFlow Lite models: tflite_read.c reads them, and tflite_prepare.c normalizes them.
 * tflite_import.c (with tflite_make.h) converts quantized models to programs; tflite_nodes.c converts other
 * models to ONNX graphs. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TFLITE_H
#define CNNC_TFLITE_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/elem.h"
#include "base/text.h"
#include "base/arrays.h"
#include "import/onnx/onnx.h"
#include "graph/graph.h"

/* ---- a model as in its file ---- */
enum { TFLITE_RANK = MOST_DIMS, TFLITE_IO = 64, SLICE_MASKS = 5 };
typedef struct TflTensor {
  const char *name;
  int rank;
  /* size: number of elements; 0: an empty constant; -1: a dimension is dynamic or empty */
  int64_t dim[TFLITE_RANK], size;
  bool open[TFLITE_RANK]; /* the caller may choose the size of the dimension */
  bool known;             /* the element type is supported: F32, I32, I64, U8, I8 or I16 */
  Elem elem;
  int code;            /* number of the schema's TensorType; -1: unknown */
  const char *type;    /* "INT8" */
  const uint8_t *data; /* numbers of a constant, little-endian; NULL: not a constant */
  int scales, axis;    /* axis: the dimension along which each index has its own scale */
  const float *scale;
  int64_t zero;     /* the first zero point */
  bool zeros;       /* all zero points are 0 */
  bool is_u8;       /* the caller's bytes are the int8 numbers plus 128 */
  bool is_variable; /* the tensor's value persists until the next call */
} TflTensor;

typedef struct TflOperator {
  int code, index;  /* number in BuiltinOperator, or a negative number from below; index, for messages */
  const char *name; /* "CONV_2D", "CUSTOM MaxUnpooling2D" */
  int nin, nout;
  int *in, *out; /* tensor numbers; -1: omitted */
  /* the operator's options; options that the operator does not have are 0, but stride, dilation and size
   * are then 1, and nlist is -1 */
  bool same;                                     /* SAME padding; false: VALID, or the padding in `border` */
  int64_t stride[2], dilation[2], size[2], axis; /* pairs: height, width */
  int activation;
  float beta;          /* beta of softmax and of LOCAL_RESPONSE_NORMALIZATION; slope of leaky_relu */
  bool keeps, corners; /* keeps: keep_dims or keep_num_dims; corners: align_corners */
  bool powers;         /* pot_scale_int16: scales that are powers of two are applied as shifts */
  int sums;            /* quantized_bias_type, a TensorType; FLOAT32 by default */
  bool middle;         /* half_pixel_centers; for gelu: the tanh approximation */
  bool transposed[2];  /* whether each operand of BATCH_MATMUL is transposed */
  bool asymmetric;     /* asymmetric_quantize_inputs */
  bool symmetric;      /* mode of MIRROR_PAD: SYMMETRIC; false: REFLECT */
  bool relative;       /* the ends of STRIDED_SLICE are relative to its start */
  int64_t border[4];   /* padding of convolutions without `same`: top, bottom, left, right */
  int64_t groups;      /* batch_dims of GATHER; radius of LOCAL_RESPONSE_NORMALIZATION; rank of SVDF */
  float alpha, bias;   /* alpha and bias of LOCAL_RESPONSE_NORMALIZATION */
  int nlist;           /* length of new_shape or squeeze_dims; -1: missing */
  int64_t list[TFLITE_RANK];
  const char *variable;      /* the variable's name in VAR_HANDLE */
  const TflTensor *initial;  /* the initial value of a TFL_STATE */
  float clips[2];            /* for an LSTM: limits of the cells, and of the projection; 0: none */
  int cell_activation;       /* for an LSTM: the activation */
  bool time_major;           /* for an LSTM: the input's first axis is time */
  bool hybrid;               /* the operator's quantized weights were converted to floats */
  bool dense;                /* a convolution that replaced a FULLY_CONNECTED */
  bool stateful;             /* for a recurrent layer: the state is kept after a call (--variables=keep) */
  int64_t mask[SLICE_MASKS]; /* begin, end, ellipsis, new axis, shrink axis; bit i: entry i of the bounds */
} TflOperator;

/* The initial value that the graph of a CALL_ONCE assigns to a variable. */
typedef struct TflInitial {
  const char *variable;
  TflTensor value;
} TflInitial;

typedef struct TflModel {
  int ntensors, noperators, ninputs, noutputs;
  TflTensor *tensor;
  TflOperator *op;
  int input[TFLITE_IO], output[TFLITE_IO];
  int ninitial;
  TflInitial *initial;
  int64_t step; /* for a model that was converted to whole sequences: number of input rows that one call of
                   the unconverted model reads; otherwise 0 */
} TflModel;

/* Reads a file, whose bytes must outlive the model; NULL: *why is the error. The names of the tensors are
 * unique. */
TflModel *tflite_read(Arena *, const uint8_t *bytes, size_t n, const char **why);
/* Reads and normalizes a model. Its outputs are those of --outputs, if given. For inputs with --shape, the
 * file's sizes of dynamic dimensions are ignored. Weights of float layers become floats, and sparse weights
 * become dense. Convolutions between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND become dilated. Operators are
 * sorted, and unused operators are dropped. NULL after [import-file]. */
struct ImportOptions;
TflModel *tflite_open(Arena *, Diags *, Span at, const char *path, const struct ImportOptions *,
                      const uint8_t *bytes, size_t n);
void tflite_sort(Arena *, TflModel *);      /* sorts the operators, and drops unused operators */
bool tflite_is_quantized(const TflModel *); /* whether an input or a computed value is quantized */
bool tflite_keeps_state(const TflModel *, const TflOperator *);
/* whether this input is the operator's own state, as in an LSTM or SVDF */
bool tflite_has_own_state(const TflOperator *, int input);
/* Converts variables to states (TFL_STATE and TFL_UPDATE). Changes nothing if the model has unsupported
 * variables, or an IF or WHILE. */
void tflite_keep_variables(Arena *, TflModel *);
/* A comment for a program of whole sequences: how to compile it. */
const char *tflite_step_comment(Arena *, const TflModel *);
const char *tflite_state_operators(Arena *, const TflModel *); /* names of the operators that keep state */
/* The initial value of a state, as text for init=; "": zeros. of: the state's tensor, which has the scale. */
const char *tflite_initial_text(Arena *, const TflTensor *of, const TflTensor *initial);
bool tflite_is(const uint8_t *bytes, size_t n); /* whether the bytes have the format's signature */

/* The values of BuiltinOperator in tflite_ops.def. */
enum {
#define OP(name, number, make, nodes, onnx) TFL_##name = number,
#include "import/tflite/tflite_ops.def"
#undef OP
  TFL_INVALID = -1, /* replaces every negative operator number of a file */
  /* two operators that tflite_states.c creates: TFL_STATE is a variable's value at the start of a call;
   * TFL_UPDATE makes in[1] the value of in[0] in the next call */
  TFL_STATE = -2,
  TFL_UPDATE = -3
};
enum {
  TFL_FLOAT32 = 0,
  TFL_FLOAT16 = 1,
  TFL_INT32 = 2,
  TFL_UINT8 = 3,
  TFL_INT64 = 4,
  TFL_BOOL = 6,
  TFL_INT16 = 7,
  TFL_COMPLEX64 = 8,
  TFL_INT8 = 9,
  TFL_COMPLEX128 = 11,
  TFL_INT4 = 17
};
enum {
  TFL_NONE = 0,
  TFL_ACTIVATION_RELU = 1,
  TFL_ACTIVATION_RELU_N1_TO_1 = 2,
  TFL_ACTIVATION_RELU6 = 3,
  TFL_ACTIVATION_TANH = 4
};

/* ---- the converted program ---- */
typedef struct TflProgram {
  const char *text;
  Arrays arrays;
  Shape *output; /* by output: the output's shape in the model */
  int noutputs;
} TflProgram;

/* Converts a quantized model; bytes: the model's file. NULL after [import-file] or [import-operator]. The
 * default of --rounding is "double" (ROUNDING_DOUBLE); "litert" is the same with the exceptions of LiteRT's
 * reference kernels (Making.litert). */
TflProgram *tflite_import(Arena *, Diags *, Span at, const char *path, const struct ImportOptions *,
                          TflModel *, const uint8_t *bytes, size_t n);

/* Text of --list for a quantized model with a file of n bytes. *whole: all operators are supported. NULL
 * after [import-file]. */
const char *tflite_list(Arena *, Diags *, Span at, const char *path, const struct ImportOptions *, TflModel *,
                        size_t n, bool *whole);

/* ---- as an ONNX graph ---- */
/* Converts a model without quantized values; the bytes of the file must stay valid. NULL after an error. */
Onnx *tflite_nodes(Arena *, Diags *, Span at, const char *path, const TflModel *, const uint8_t *bytes,
                   size_t);
Onnx *tflite_graph(Arena *, Diags *, Span at, const char *path, const struct ImportOptions *,
                   const uint8_t *bytes, size_t); /* tflite_open, then tflite_nodes */
#endif
