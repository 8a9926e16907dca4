/* onnx.h: An ONNX model in memory: nodes in topological order, and constants, which point into the file if
 * the file stores them as bytes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ONNX_H
#define CNNC_ONNX_H
#include <stdbool.h>
#include "import/common/wire.h"
#include "base/diag.h"

/* ---- messages ---- */
#define BEGIN(message)                                                                                       \
  typedef struct message message;                                                                            \
  struct message {
#define INT(message, field, number) int64_t field;
#define FLOAT(message, field, number) float field;
#define TEXT(message, field, number) const char *field;
#define BYTES(message, field, number) WireBytes field;
#define FIXED4(message, field, number) WireBytes field;
#define FIXED8(message, field, number) WireBytes field;
#define INTS(message, field, number) WireInts field;
#define TEXTS(message, field, number) WireTexts field;
#define MESSAGE(message, field, number, what) what *field;
#define MESSAGES(message, field, number, what) WireList field;
#define END(message)                                                                                         \
  }                                                                                                          \
  ;
#include "import/onnx/onnx_schema.def"
#undef BEGIN
#undef INT
#undef FLOAT
#undef TEXT
#undef BYTES
#undef FIXED4
#undef FIXED8
#undef INTS
#undef TEXTS
#undef MESSAGE
#undef MESSAGES
#undef END
extern const WireMessage *const onnx_model_message; /* ModelProto, for wire_read and wire_write */
extern const WireMessage *const onnx_graph_message;

/* ---- constants ---- */
enum { MOST_DIMS = 8 };
typedef enum TensorType {
  TENSOR_FLOAT = 1,
  TENSOR_UINT8,
  TENSOR_INT8,
  TENSOR_UINT16,
  TENSOR_INT16,
  TENSOR_INT32,
  TENSOR_INT64,
  TENSOR_STRING,
  TENSOR_BOOL,
  TENSOR_FLOAT16,
  TENSOR_DOUBLE,
  TENSOR_UINT32,
  TENSOR_UINT64,
  TENSOR_BFLOAT16 = 16
} TensorType;
typedef struct Tensor Tensor;
struct Tensor {
  TensorType type;
  int rank;
  int64_t dim[MOST_DIMS], n;
  const uint8_t *data; /* n numbers in the format of ONNX's raw_data; not aligned */
  /* name of the initializer that has the same numbers, possibly in another order; or NULL */
  const char *name;
  const Tensor *whole, *scale; /* the integers that the constant was dequantized from, in its order, and their
                                  scales; NULL: it was not dequantized */
  int64_t zero;                /* the zero point, which is equal for all scales */
  int axis;                    /* axis of the scales, if there are several */
};
int tensor_width(TensorType);   /* bytes per number; 0: an unsupported type */
bool tensor_whole(TensorType);  /* whether the type is an integer type, or bool */
bool tensor_counts(TensorType); /* whether the type has no negative numbers */
double tensor_number(const Tensor *, int64_t i);
int64_t tensor_integer(const Tensor *, int64_t i);
/* A constant to be filled in by tensor_put. */
Tensor *tensor_new(Arena *, TensorType, int rank, const int64_t *dim);
/* Maximum size, in bytes, of the constants that all imports of a file together may compute and copy. bytes:
 * size of the file. The maximum is a multiple of the file's size, because each import copies the weights
 * several times. A fixed size is added, because a small file may define large weights as one repeated
 * number. */
size_t room_of_file(size_t bytes);
void tensor_put(Tensor *, int64_t i, double);
Tensor *tensor_scalar(Arena *, TensorType, double);
Tensor *tensor_list(Arena *, int n, const int64_t *); /* a list of INT64 */
Tensor *tensor_shaped(Arena *, const Tensor *, int rank,
                      const int64_t *dim); /* a constant with the same numbers and other sizes */

/* ---- models ---- */
typedef struct OnnxNode {
  const char *op, *name; /* an operator of another domain is "domain::op" */
  const char *kind;      /* the TensorFlow Lite operator that the node is a part of: "MEAN"; or NULL */
  const char *title;     /* the title of the TensorFlow Lite operator: "MEAN 2"; or NULL */
  const char *refused;   /* the reason why the TensorFlow Lite operator is not supported; or NULL */
  int index;
  int nin, nout;
  int *in, *out; /* tensor numbers; 0: omitted */
  bool keeps;    /* a recurrent layer whose final state is the initial state of the next call */
  int guard;     /* number of the If's branch that contains the node; 0: none */
  WireList attribute, metadata;
} OnnxNode;
enum { NO_CHANNELS = -1 };
/* A branch of an If. The nodes of the branch are among the model's nodes. The inputs of the If are the
 * condition, the results of then_branch and the results of else_branch. */
typedef struct OnnxGuard {
  int outer; /* number of the branch that contains the If; 0: none */
  const char *name;
  int condition; /* tensor number */
  bool value;    /* value of the condition for which the branch is taken */
} OnnxGuard;
typedef struct OnnxPort {
  const char *name,
      *called;      /* called: the input's or output's name in the program; NULL: the same as `name` */
  int tensor, rank; /* rank: -1: unknown */
  TensorType type;
  int64_t dim[MOST_DIMS];        /* 0: the size is unknown */
  const char *symbol[MOST_DIMS]; /* names of unknown sizes: equal names are equal sizes; NULL: no name */
  int channels;                  /* the channel dimension; NO_CHANNELS: none, the input has one channel */
} OnnxPort;
/* Prefix of the metadata keys with which cnnc exports states. A key is ONNX_STATE_KEY and the name of the
 * state's input. The value of the key is the name of the output, optionally followed by = and the initial
 * numbers. */
#define ONNX_STATE_KEY "cnnc.state."
typedef struct OnnxState {
  const char *input, *output, *init; /* init: initial numbers, in the program's syntax; NULL: zeros */
} OnnxState;
/* The result of an earlier import for a Loop or a Scan. `output`, the first output of the node, identifies
 * the node. */
typedef struct OnnxLoop {
  const char *output;
  int64_t most;  /* the maximum number of iterations; -1: the loop cannot be unrolled */
  int64_t until; /* number of the iteration whose condition ends the loop, plus 1; 0: unknown */
} OnnxLoop;
typedef VEC(OnnxLoop) OnnxLoops;
/* A condition of an unrolled loop that is not known when the model is read. The loop is unrolled as if it
 * were true, or false after the last iteration. */
typedef struct OnnxCondition {
  WireTexts outputs; /* of the Loop; the first one identifies it */
  int *results;      /* numbers of these tensors */
  const char *name;  /* the condition's tensor */
  int tensor;
  int64_t iteration;
  bool last;
} OnnxCondition;
typedef VEC(OnnxCondition) OnnxConditions;
typedef struct Onnx {
  Arena *arena;
  const char *path, *producer, *version;
  const uint8_t *file; /* bytes of the file */
  size_t bytes;
  int opset, nnodes, ntensors, ninputs, noutputs, nguards;
  OnnxNode *node;
  const char **tensor; /* names of tensors; number 0 means no tensor */
  Tensor **constant;   /* by tensor: the constant of the model or of --set; or NULL */
  OnnxPort *input, *output;
  VEC(OnnxState) states;      /* states that the model's file declares */
  VEC(const char *) comments; /* lines for the top of the program */
  OnnxGuard *guard;           /* branches of Ifs, numbered from 1 to nguards - 1 */
  OnnxConditions conditions;  /* conditions of unrolled loops, by loop, in the order of the iterations */
  bool tflite;      /* converted from a TensorFlow Lite model: several nodes may belong to one operator */
  size_t *computed; /* ModelImport.computed of an earlier import of the file; or NULL */
  const int *shown; /* for a converted TensorFlow Lite model, by tensor: the tensor of the .tflite file with
                       the same elements; 0: none. NULL for other models */
} Onnx;

/* Reads a model; NULL after an error: [import-file] or [import-weights]. Paths of external data are relative
 * to the model's directory, and must be inside this directory. */
Onnx *onnx_open(Arena *, Diags *, const char *path, Span at);
/* Like onnx_open, for bytes in memory that stay valid. loops: NULL, or loops to unroll in addition to the
 * loops whose number of iterations is a constant of the file. */
Onnx *onnx_read(Arena *, Diags *, const char *path, Span at, const OnnxLoops *loops, const uint8_t *bytes,
                size_t n);
/* Whether a model satisfies the restrictions of ONNX's safety-related profile, SONNX, as drafted in August
 * 2026; if not: [import-profile] lists the violations. True for bytes that are not a model. */
bool onnx_in_profile(Arena *, Diags *, const char *path, Span at, const uint8_t *bytes, size_t n);
int onnx_tensor(const Onnx *, const char *name); /* the tensor's number, or 0 */

/* The k-th tensor that a node needs: one of its inputs, or a condition of the branches that contain the node.
 * 0: omitted, -1: there are no more. */
int onnx_needs(const Onnx *, const OnnxNode *, int k);
const char *onnx_name(const Onnx *, const OnnxNode *); /* the node's own name, or the name of its result */
/* The node that produces the k-th tensor that a node needs. ONNX_NONE: no node produces this tensor;
 * ONNX_LAST: the node needs no more tensors. */
enum { ONNX_NONE = -1, ONNX_LAST = -2 };
typedef int onnx_needed(const void *context, int node, int k);
/* The numbers of n nodes in topological order; unchanged if the nodes are already sorted. *circular: -1, or a
 * node that depends on its own result, so that no topological order exists. */
int *onnx_order(Arena *, int n, onnx_needed *, const void *context, int *circular);
/* Sorts nodes topologically. Returns NULL, or a node that depends on its own result. */
const OnnxNode *onnx_sort(Onnx *);
const char *onnx_kind(const OnnxNode *); /* the TensorFlow Lite operator, or else `op` */
/* The node's operator and name: "Conv '/conv1'", "CONV_2D 3". */
const char *onnx_title(const Onnx *, const OnnxNode *);
/* The number of the file's operators that have a node i with among[i]. */
int onnx_count_operators(const Onnx *, const bool *among);
/* A tensor that is defined more than once, as input, constant or result; or NULL. */
const char *onnx_made_twice(const Onnx *);

const char *onnx_metadata(const OnnxNode *, const char *key); /* "": the node has no such key */
const AttributeProto *onnx_attribute(const OnnxNode *, const char *name);
int64_t onnx_int(const OnnxNode *, const char *name, int64_t otherwise);
double onnx_float(const OnnxNode *, const char *name, double otherwise);
const char *onnx_text(const OnnxNode *, const char *name, const char *otherwise);
const WireInts *onnx_ints(const OnnxNode *, const char *name); /* NULL: there is no such attribute */
void onnx_set_int(Arena *, OnnxNode *, const char *name, int64_t);
void onnx_set_ints(Arena *, OnnxNode *, const char *name, int n, const int64_t *);
void onnx_set_float(Arena *, OnnxNode *, const char *name, double);
void onnx_set_text(Arena *, OnnxNode *, const char *name, const char *);
const AttributeProto *onnx_attribute_named(const WireList *, const char *name); /* NULL: none */
const char *onnx_domain(const char *domain); /* "": the standard's domain, also called ai.onnx */
/* Converts operators on quantized numbers to DequantizeLinear, a float operator and, if the result is
 * quantized, QuantizeLinear. Unsupported operators stay. */
void onnx_frames(Arena *, WireList *nodes);
/* Decomposes fused operators, and standard operators that the language does not have. Unsupported operators
 * stay. */
void onnx_fused(Arena *, WireList *nodes);
/* A graph as one list of nodes, which contains the nodes of called functions, of both branches of an If, and
 * of unrolled loops. */
typedef struct OnnxFlat {
  WireList nodes, constants; /* nodes: NodeProto; constants: TensorProto */
  WireTexts names;           /* names of the constants */
  VEC(OnnxGuard) guards;
  OnnxConditions conditions;
  const char *why; /* the reason why the graph cannot be inlined; NULL: none */
} OnnxFlat;
bool onnx_inline(Wire *, const ModelProto *, const OnnxLoops *, size_t file_bytes, OnnxFlat *);
/* Converts dynamically quantized nodes to float nodes with dequantized weights. Returns the number of
 * DynamicQuantizeLinear and DynamicQuantizeLSTM nodes; 0: no node was converted. */
int onnx_dynamic(Arena *, const GraphProto *, OnnxFlat *);
/* Dequantizes quantized tables before their elements are selected and moved, instead of afterwards. */
void onnx_tables(Arena *, OnnxFlat *);
/* The constant of a TensorProto of the model at `path`. NULL: the constant is invalid or unsupported; *why
 * has the reason. */
Tensor *onnx_constant(Arena *, const TensorProto *, const char *path, const char **why);
/* Like onnx_constant, but converts a sparse constant to a dense one. *room: the bytes that dense constants
 * may still need; 8 bytes per element are subtracted. */
Tensor *onnx_sparse(Arena *, const SparseTensorProto *, const char *path, size_t *room, const char **why);
#endif
