/* onnx_out.h: Export of a net as an ONNX model. Values of h x w x c become [N,C,H,W], sequences [N,C,L],
 * vectors [N,C]. Other folders call the functions at the top. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ONNX_OUT_H
#define CNNC_ONNX_OUT_H
#include "base/table.h"
#include "base/arrays.h"
#include "import/onnx/onnx.h"
#include "graph/op.h"

typedef struct OnnxNumbers {
  const float *weights; /* NULL: it has no parameters */
  const Arrays *bytes;  /* int8 models: weights, biases and scales as integers, by the names of the file;
                           else NULL */
} OnnxNumbers;
typedef struct OnnxOptions {
  bool channels_last; /* inputs are [N,H,W,C] */
  int opset;          /* 17 or 23 */
} OnnxOptions;
/* A model of the program as written, with these weights in it. Values with a Quant are quantized and
 * dequantized again, as are whole weights. NULL after a report. */
ModelProto *onnx_out(Arena *, Diags *, const Graph *, const OnnxNumbers *, const OnnxOptions *);
/* Moves the numbers of all tensors of `least` bytes and more out of the model, into the external file
 * `location` next to it. Returns the contents of that file, in order. */
WireList onnx_detach(Arena *, ModelProto *, const char *location, size_t least);
size_t onnx_bytes(const ModelProto *);
/* False: errno says why. */
bool onnx_save(const ModelProto *, const char *path);
bool onnx_save_detached(const WireList *, const char *path);

/* ---- what the operators share ---- */
typedef struct OnnxOut {
  Arena *arena;
  int opset;
  const Graph *graph;
  const OnnxNumbers *numbers;
  GraphProto *model;
  const Node *node;       /* at hand */
  NodeProto *last;        /* what was made last, for it; NULL: nothing */
  const char **value;     /* by node: the tensor that it is */
  const char **stored;    /* by node: the same as int8, or NULL */
  const Node **flattened; /* by node: a vector in the order of ONNX, where ours is height, width, channels:
                             the flatten that made it; else NULL */
  const int *reads;       /* by node, as graph_live has it */
  const bool *single;     /* by node: all images have the same value, and its tensor has it once */
  const char **next;      /* by state: the tensor that it is in the next call */
  const char **next_port; /* by state: the output for that */
  Table names, initializers;
} OnnxOut;

/* The tensor that a node of that operator gives. Attributes are those of the node that was made last. */
const char *out_node(OnnxOut *, const char *op, int nin, const char *const *in);
const char *out_one(OnnxOut *, const char *op, const char *x);
const char *out_two(OnnxOut *, const char *op, const char *x, const char *y);
const char *out_also(OnnxOut *, const char *what); /* another tensor of the node that was made last */
void out_int(OnnxOut *, const char *attribute, int64_t);
void out_float(OnnxOut *, const char *attribute, double);
void out_text(OnnxOut *, const char *attribute, const char *);
void out_also_text(OnnxOut *, const char *attribute, const char *); /* of a list */
void out_ints(OnnxOut *, const char *attribute, int n, const int64_t *);
/* Constants. Parameters have their own names, others are named after the node and `what`. */
const char *out_weight(OnnxOut *, int k, int rank, const int64_t *dim);
const char *out_channels(OnnxOut *, int k); /* with one number per channel, in the layout of the node's
                                               value */
const char *out_floats(OnnxOut *, const char *what, int rank, const int64_t *dim, const float *);
const char *out_filled(OnnxOut *, const char *what, int64_t n, double); /* one dimension of equal numbers */
const char *out_number(OnnxOut *, const char *what, double);
const char *out_list(OnnxOut *, const char *what, int n, const int64_t *);
const char *out_named(OnnxOut *, const char *name, int rank, const int64_t *dim, const float *);
/* Int8 models: out_bytes.c. */
const NamedArray *out_whole(const OnnxOut *, const Weight *); /* as whole numbers; NULL: it is floats */
/* These, dequantized; data: in the order of the model. NULL: ONNX has no form for their scales. */
const char *out_dequantized(OnnxOut *, const Weight *, const NamedArray *, int rank, const int64_t *dim,
                            const void *data);
/* By a node's scale: a value as whole numbers of that type, and these as a value. */
const char *out_quantized(OnnxOut *, const Node *, const char *x, TensorType);
const char *out_raw(OnnxOut *, const Node *, const char *raw, TensorType);
const char *out_constant(OnnxOut *, const char *name, TensorType, int rank, const int64_t *dim, WireBytes);
WireBytes out_words(Arena *, const void *, size_t n); /* n 32-bit numbers, in file byte order */
/* Values. */
const char *out_input(const OnnxOut *, int k);
Extent out_extent(const Node *);
int out_dims(Shape, int64_t batch, int64_t dim[4]); /* as ONNX has them: how many */
const char *out_reshape(OnnxOut *, const char *x, int rank,
                        const int64_t *dim); /* 0: as it is, -1: the rest */
const char *out_shaped(OnnxOut *, const char *x,
                       Shape); /* the same numbers under the dimensions of a shape */
const char *out_permute(OnnxOut *, const char *x, int rank, const int64_t *from);
const char *out_channels_last(OnnxOut *, const char *x, Shape);  /* [N,H,W,C] of [N,C,H,W] */
const char *out_channels_first(OnnxOut *, const char *x, Shape); /* the other way; the shape is the net's */
const char *out_part(OnnxOut *, const char *x, int n, const int64_t *from, const int64_t *to,
                     const int64_t *axis); /* along n axes */
/* The ONNX axes of the argument axis= of an operator; returns their number. */
int out_axes(const Node *, int64_t axis[2]);
bool out_keeps_order(const Node *); /* each number of its vector is made of one, all in the same way */
bool out_is_output(const OnnxOut *, const Node *);
const char *out_reduced(OnnxOut *, const char *op, const char *x, int n, const int64_t *axis); /* axes of 1 */

/* Rows are images of the batch. Of one value several may be the same for all images, or have fewer rows than
 * others, which ONNX repeats if they have separate axes. */
enum { OUT_DIMS = 12 };
typedef struct OutRows {
  int n;           /* 0: all values have the same number of rows */
  int64_t part[4]; /* sizes of the axes after that of the images, the last axis first */
} OutRows;
OutRows out_row_axes(const OnnxOut *, const Node *); /* of the node's inputs */
/* A value with those axes, with its own number of rows, then these dimensions. */
const char *out_beside(OnnxOut *, const OutRows *, const Node *value, const char *x, int rank,
                       const int64_t *size);
const char *out_whole_rows(OnnxOut *, const char *x, Shape);             /* and back */
const char *out_repeated(OnnxOut *, Shape, const char *x, int64_t rows); /* with that number of rows */
void out_find_constants(OnnxOut *);
/* A constant, repeated per image where ONNX does not broadcast it. */
const char *out_for_images(OnnxOut *, const Node *, const char *x);
bool out_hides_all_keys(const Node *); /* may attention hide all keys from a query? */

/* An input or output. images: the dimension that is the batch. */
ValueInfoProto *out_port(OnnxOut *, const char *name, TensorType, int rank, const int64_t *dim, int images);
void out_states(OnnxOut *, ModelProto *);    /* outputs and metadata of states, after all others */
const char *recurrent_refusal(const Node *); /* why a recurrent layer has no form; NULL: it has one */

typedef const char *OnnxExport(OnnxOut *, const Node *);
typedef struct OnnxWay {
  const char *op;
  OnnxExport *function; /* NULL: there is none */
  const char *word;     /* for the function; without one the reason */
} OnnxWay;
const OnnxWay *onnx_way(const Op *); /* of onnx_out.def; never NULL for an operator of the language */
#define OUT(name, function, word) OnnxExport function;
#define NONE(name, why)
#include "export/onnx_out.def"
#undef OUT
#undef NONE
#endif
