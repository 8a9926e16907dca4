/* onnx_out.h: Export of a net as an ONNX model. Values of h x w x c become [N,C,H,W], sequences [N,C,L],
 * vectors [N,C]. Other folders only call the functions before the section "shared by the operators". */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ONNX_OUT_H
#define CNNC_ONNX_OUT_H
#include "base/table.h"
#include "base/arrays.h"
#include "import/onnx/onnx.h"
#include "graph/op.h"

typedef struct OnnxNumbers {
  const float *weights; /* NULL: there are no parameters */
  const Arrays *bytes;  /* int8 models: integer weights and biases, and their scales, by their names in the
                           weight file; otherwise NULL */
} OnnxNumbers;
typedef struct OnnxOptions {
  bool channels_last; /* inputs are [N,H,W,C] */
  int opset;          /* 17 or 23 */
} OnnxOptions;
/* Exports the program with these weights. Values with a Quant, and int8 weights, are exported as integers
 * that a DequantizeLinear converts to floats. NULL after an error. */
ModelProto *onnx_out(Arena *, Diags *, const Graph *, const OnnxNumbers *, const OnnxOptions *);
/* Removes the data of all tensors with `least` or more bytes from the model, which then refers to the file
 * `location` in the model's folder. Returns the data in order, for onnx_save_detached. */
WireList onnx_detach(Arena *, ModelProto *, const char *location, size_t least);
size_t onnx_bytes(const ModelProto *);
/* False: errno has the reason. */
bool onnx_save(const ModelProto *, const char *path);
bool onnx_save_detached(const WireList *, const char *path);

/* ---- shared by the operators ---- */
typedef struct OnnxOut {
  Arena *arena;
  int opset;
  const Graph *graph;
  const OnnxNumbers *numbers;
  GraphProto *model;
  const Node *node;       /* the current node */
  NodeProto *last;        /* the last ONNX node created for the current node; NULL: none */
  const char **value;     /* by node: the tensor of the node's value */
  const char **stored;    /* by node: the tensor of the node's int8 value, or NULL */
  const Node **flattened; /* by node: the flatten that produced the vector, if the vector's tensor has ONNX's
                             order and not the net's (height, width, channels); otherwise NULL */
  const int *reads;       /* by node: the number of its uses, from graph_live */
  /* by node: whether the tensor contains the value only once, because the value is the same for all images
   * and all of its users broadcast it */
  const bool *single;
  const char **next;      /* by state: the tensor of the state's value in the next call */
  const char **next_port; /* by state: the name of the output with that value */
  Table names, initializers;
} OnnxOut;

/* Creates an ONNX node; returns the name of its output. Attributes are added to the last created node. */
const char *out_node(OnnxOut *, const char *op, int nin, const char *const *in);
const char *out_one(OnnxOut *, const char *op, const char *x);
const char *out_two(OnnxOut *, const char *op, const char *x, const char *y);
const char *out_also(OnnxOut *, const char *what); /* adds another output to the last created node */
void out_int(OnnxOut *, const char *attribute, int64_t);
void out_float(OnnxOut *, const char *attribute, double);
void out_text(OnnxOut *, const char *attribute, const char *);
void out_also_text(OnnxOut *, const char *attribute, const char *); /* adds a text to a list attribute */
void out_ints(OnnxOut *, const char *attribute, int n, const int64_t *);
/* Constants. A parameter has its own name; other constants are named after the node and `what`. */
const char *out_weight(OnnxOut *, int k, int rank, const int64_t *dim);
/* parameter k, which has one number per channel, in a shape that broadcasts over the node's value */
const char *out_channels(OnnxOut *, int k);
const char *out_floats(OnnxOut *, const char *what, int rank, const int64_t *dim, const float *);
/* A one-dimensional tensor of equal numbers. */
const char *out_filled(OnnxOut *, const char *what, int64_t n, double);
const char *out_number(OnnxOut *, const char *what, double);
const char *out_list(OnnxOut *, const char *what, int n, const int64_t *); /* int64 */
const char *out_integers(OnnxOut *, const char *what, int rank, const int64_t *dim, const int64_t *);
const char *out_named(OnnxOut *, const char *name, int rank, const int64_t *dim, const float *);
/* Parameters of int8 models: out_bytes.c. */
const NamedArray *out_whole(const OnnxOut *,
                            const Weight *); /* the parameter as integers; NULL: a float parameter */
/* Dequantizes the integers of a parameter. data: the integers in the order of the ONNX model. Returns NULL if
 * ONNX has no form for the parameter's scales. */
const char *out_dequantized(OnnxOut *, const Weight *, const NamedArray *, int rank, const int64_t *dim,
                            const void *data);
/* out_quantized quantizes x to this type with the node's scale; out_raw dequantizes `raw`. */
const char *out_quantized(OnnxOut *, const Node *, const char *x, TensorType);
const char *out_raw(OnnxOut *, const Node *, const char *raw, TensorType);
const char *out_constant(OnnxOut *, const char *name, TensorType, int rank, const int64_t *dim, WireBytes);
/* The little-endian bytes of n 32-bit numbers. On a little-endian machine, the numbers are not copied. */
WireBytes out_words(Arena *, const void *, size_t n);
/* ---- values ---- */
const char *out_input(const OnnxOut *, int k);
Extent out_extent(const Node *);
/* Sets dim to the ONNX dimensions of a value with this shape; returns the number of dimensions. */
int out_dims(Shape, int64_t batch, int64_t dim[4]);
const char *out_reshape(OnnxOut *, const char *x, int rank,
                        const int64_t *dim); /* size 0: unchanged; -1: follows from the number of elements */
const char *out_shaped(OnnxOut *, const char *x, Shape); /* x, reshaped to the ONNX dimensions of the shape */
const char *out_permute(OnnxOut *, const char *x, int rank, const int64_t *from);
const char *out_channels_last(OnnxOut *, const char *x, Shape); /* converts [N,C,H,W] to [N,H,W,C] */
/* Converts [N,H,W,C] to [N,C,H,W]. Shape: the net's shape of the result. */
const char *out_channels_first(OnnxOut *, const char *x, Shape);
/* A slice: elements from[i] to to[i] - 1 of axis[i], for n axes. */
const char *out_part(OnnxOut *, const char *x, int n, const int64_t *from, const int64_t *to,
                     const int64_t *axis);
/* Sets axis to the ONNX axes that an operator's argument axis= selects; returns the number of axes. */
int out_axes(const Node *, int64_t axis[2]);
/* Whether a node keeps the order of a vector: element i of the result depends only on element i of the input,
 * by the same function for all i. */
bool out_keeps_order(const Node *);
bool out_is_output(const OnnxOut *, const Node *);
/* Reduces n axes; the result keeps these axes with size 1. */
const char *out_reduced(OnnxOut *, const char *op, const char *x, int n, const int64_t *axis);

/* ---- windows ---- */
/* Pads a value along the axes of the node's window. mode: an ONNX mode; `constant` pads with `value`. */
const char *out_padded(OnnxOut *, const char *x, const Node *, const int64_t before[2],
                       const int64_t after[2], const char *mode, double value);
/* A convolution with the node's window and the given padding. */
const char *out_convolved(OnnxOut *, const Node *, const char *x, const char *weight, int64_t groups,
                          const int64_t before[2], const int64_t after[2]);

/* In an exported model, the rows of a value are images of the batch. But to broadcast a value that is the
 * same for all images, or that has fewer rows than another operand, ONNX needs the rows as separate axes. */
enum { OUT_DIMS = 12 };
typedef struct OutRows {
  int n;           /* number of row axes; 0: all values have the same number of rows */
  int64_t part[4]; /* sizes of the axes after the image axis, the last axis first */
} OutRows;
OutRows out_row_axes(const OnnxOut *, const Node *); /* the row axes of the node's inputs */
/* Reshapes a value to these row axes, followed by the given dimensions. A row axis has size 1 if the value is
 * broadcast along it. */
const char *out_beside(OnnxOut *, const OutRows *, const Node *value, const char *x, int rank,
                       const int64_t *size);
const char *out_whole_rows(OnnxOut *, const char *x, Shape); /* joins the row axes of x into the batch axis */
/* Repeats a value of this shape until it has `rows` rows. */
const char *out_repeated(OnnxOut *, Shape, const char *x, int64_t rows);
void out_find_constants(OnnxOut *);
/* A constant, repeated per image if ONNX does not broadcast it. */
const char *out_for_images(OnnxOut *, const Node *, const char *x);
bool out_hides_all_keys(const Node *); /* whether attention can hide all keys from a query */

/* An input or output. images: the index of the batch dimension. */
ValueInfoProto *out_port(OnnxOut *, const char *name, TensorType, int rank, const int64_t *dim, int images);
void out_states(OnnxOut *, ModelProto *); /* adds outputs and metadata of states, after all other outputs */
/* The reason why a recurrent layer has no ONNX form; NULL: it has an ONNX form. */
const char *recurrent_refusal(const Node *);

typedef const char *OnnxExport(OnnxOut *, const Node *);
typedef struct OnnxWay {
  const char *op;
  OnnxExport *function; /* NULL: the operator has no ONNX form */
  const char *word;     /* argument of the function, or the reason why there is no function */
} OnnxWay;
const OnnxWay *onnx_way(const Op *); /* the row of onnx_out.def; never NULL for an operator of the language */
#define OUT(name, function, word) OnnxExport function;
#define NONE(name, why)
#include "export/onnx_out.def"
#undef OUT
#undef NONE
#endif
