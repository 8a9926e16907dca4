/* tflite_read.c: Reader of the tables of a .tflite file; field numbers are as in TensorFlow Lite's
 * schema.fbs, version 3. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "base/table.h"
#include "import/tflite/flat.h"
#include "import/tflite/tflite.h"

enum { VERSION = 3, MOST = 1 << 20 };
enum { MODEL_VERSION, MODEL_CODES, MODEL_SUBGRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS };
enum { CODE_OLD = 0, CODE_CUSTOM = 1, CODE_BUILTIN = 3 };
enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS };
enum {
  TENSOR_SHAPE,
  TENSOR_TYPE,
  TENSOR_BUFFER,
  TENSOR_NAME,
  TENSOR_QUANTIZATION,
  TENSOR_VARIABLE,
  TENSOR_SPARSITY,
  TENSOR_SIGNATURE
};
enum { QUANT_SCALE = 2, QUANT_ZERO = 3, QUANT_AXIS = 6 };
enum { BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE };
enum {
  OPERATOR_CODE,
  OPERATOR_INPUTS,
  OPERATOR_OUTPUTS,
  OPERATOR_OPTIONS = 4,
  OPERATOR_CUSTOM = 5,
  OPERATOR_OPTIONS_2 = 12
};

typedef struct Reader {
  Arena *arena;
  Flat flat;
  TflModel *model;
  FlatVector codes, buffers;
  Table names; /* names of tensors */
  size_t room; /* number of bytes that sparse constants may still need */
  size_t more; /* number of tensors and operators that called graphs may still add */
  const char *why;
} Reader;

static bool bad(Reader *r, const char *why) {
  if (!r->why) r->why = why;
  return false;
}

/* ---- tensors ---- */
static const struct {
  const char *name;
  int width; /* bytes of an element; 0: unsupported, or INT4 */
  bool known;
  Elem elem;
} types[] = {{"FLOAT32", 4, true, F32},  {"FLOAT16", 2, false, F32},  {"INT32", 4, true, I32},
             {"UINT8", 1, true, U8},     {"INT64", 8, true, I64},     {"STRING", 0, false, F32},
             {"BOOL", 1, false, F32},    {"INT16", 2, true, I16},     {"COMPLEX64", 0, false, F32},
             {"INT8", 1, true, I8},      {"FLOAT64", 8, false, F32},  {"COMPLEX128", 0, false, F32},
             {"UINT64", 8, false, F32},  {"RESOURCE", 0, false, F32}, {"VARIANT", 0, false, F32},
             {"UINT32", 4, false, F32},  {"UINT16", 2, false, F32},   {"INT4", 0, false, F32},
             {"BFLOAT16", 2, false, F32}};
enum { TYPES = sizeof types / sizeof *types };

static const char *table_text(Reader *r, FlatTable table, int field) {
  const FlatVector text = flat_vector(&r->flat, table, field, 1);
  char *copy = arena_copy(r->arena, text.at ? (const char *)r->flat.bytes + text.at : "", text.n);
  for (char *c = copy; *c; c++)
    if (*c < ' ' || *c > '~') *c = '?';
  return copy;
}

static bool read_tensor_shape(Reader *r, FlatTable table, TflTensor *tensor) {
  const FlatVector shape = flat_vector(&r->flat, table, TENSOR_SHAPE, 4),
                   signature = flat_vector(&r->flat, table, TENSOR_SIGNATURE, 4);
  bool empty = false;
  tensor->size = 1;
  tensor->rank = (int)shape.n;
  if (shape.n > TFLITE_RANK) return tensor->rank = -1, true; /* an error is reported if the tensor is used */
  for (int d = 0; d < tensor->rank; d++) {
    const int64_t n = flat_int_at(&r->flat, shape, (uint32_t)d, 4);
    if (n < -1 || (n > 0 && tensor->size > INT32_MAX / n)) return bad(r, "a tensor has an invalid size");
    tensor->dim[d] = n < 0 ? 0 : n;
    tensor->open[d] =
        n < 1 || (signature.n == shape.n && flat_int_at(&r->flat, signature, (uint32_t)d, 4) < 0);
    empty = empty || n < 1;
    tensor->size *= n < 1 ? 1 : n;
  }
  if (empty) tensor->size = -1;
  return true;
}

static bool read_quantization(Reader *r, FlatTable table, TflTensor *tensor) {
  const FlatTable quant = flat_table(&r->flat, table, TENSOR_QUANTIZATION);
  const FlatVector scale = flat_vector(&r->flat, quant, QUANT_SCALE, 4),
                   zero = flat_vector(&r->flat, quant, QUANT_ZERO, 8);
  float *scales = NEW_ARRAY(r->arena, float, scale.n + 1);
  tensor->scales = (int)scale.n;
  tensor->scale = scales;
  tensor->axis = (int)flat_int(&r->flat, quant, QUANT_AXIS, 4, 0);
  tensor->zero = flat_int_at(&r->flat, zero, 0, 8);
  tensor->zeros = true;
  if (zero.n && zero.n != scale.n) return bad(r, "a tensor has different numbers of zero points and scales");
  for (uint32_t i = 0; i < scale.n; i++) {
    scales[i] = flat_float_at(&r->flat, scale, i);
    tensor->zeros = tensor->zeros && flat_int_at(&r->flat, zero, i, 8) == 0;
    if (!(scales[i] > 0) || !isfinite(scales[i])) return bad(r, "a scale must be a number above 0");
  }
  if (scale.n && (tensor->zero < INT8_MIN || tensor->zero > INT8_MAX) && tensor->elem == I8)
    return bad(r, "a zero point is not an int8 value");
  if (scale.n && !tensor->zeros && tensor->elem == I16)
    return bad(r, arena_printf(r->arena, "'%s' is INT16, but its zero point is not 0", tensor->name));
  if (scale.n > 1 && (tensor->rank < 1 || tensor->axis < 0 || tensor->axis >= tensor->rank ||
                      tensor->dim[tensor->axis] != (int64_t)scale.n))
    return bad(r, "a tensor must have one scale per channel");
  return true;
}

/* Reads a tensor of int4 numbers: two numbers per byte, the lower four bits first. */
static bool read_nibbles(Reader *r, TflTensor *tensor, uint64_t at, uint64_t n) {
  if (!n) return true;
  if (at > r->flat.n || n > r->flat.n - at || tensor->size < 0 || n != (uint64_t)(tensor->size + 1) / 2)
    return bad(r, "the size of a tensor's buffer is wrong");
  uint8_t *data = arena_alloc(r->arena, (size_t)tensor->size + 1);
  for (int64_t i = 0; i < tensor->size; i++) {
    const int number = r->flat.bytes[at + (uint64_t)i / 2] >> (i % 2 ? 4 : 0) & 15;
    data[i] = (uint8_t)(number > 7 ? number - 16 : number);
  }
  tensor->data = data;
  tensor->elem = I8;
  tensor->code = TFL_INT8;
  tensor->known = true;
  return true;
}

static bool read_sparse(Reader *r, FlatTable sparsity, TflTensor *tensor, FlatVector values, int width) {
  const size_t bytes = (size_t)(tensor->size > 0 ? tensor->size : 0) * (size_t)width;
  if (tensor->size < 1 || bytes > r->room) return bad(r, "it has sparse weights of an invalid size");
  r->room -= bytes;
  uint8_t *data = arena_alloc(r->arena, bytes);
  if (!flat_dense(&r->flat, sparsity, tensor->rank, tensor->dim, values, width, data))
    return bad(r, "it has sparse weights with invalid indices or sizes");
  return tensor->data = data, true;
}

/* Finds the bytes of a tensor: in the table of the tensor's buffer, or at an offset in the file. */
static bool read_data(Reader *r, FlatTable table, TflTensor *tensor) {
  const uint64_t index = (uint64_t)flat_int(&r->flat, table, TENSOR_BUFFER, 4, 0);
  if (index >= r->buffers.n) return bad(r, "a tensor's buffer does not exist");
  const FlatTable buffer = flat_table_at(&r->flat, r->buffers, (uint32_t)index);
  const FlatVector data = flat_vector(&r->flat, buffer, BUFFER_DATA, 1);
  const uint64_t offset = (uint64_t)flat_int(&r->flat, buffer, BUFFER_OFFSET, 8, 0);
  uint64_t at = data.at, n = data.n;
  if (offset > 1) {
    at = offset;
    n = (uint64_t)flat_int(&r->flat, buffer, BUFFER_SIZE, 8, 0);
  }
  const int width = tensor->code >= 0 ? types[tensor->code].width : 0;
  const FlatTable sparsity = flat_table(&r->flat, table, TENSOR_SPARSITY);
  if (tensor->code == TFL_INT4) return read_nibbles(r, tensor, at, n);
  if (!n || !width || tensor->rank < 0) return true;
  if (at > r->flat.n || n > r->flat.n - at) return bad(r, "a buffer is outside the file");
  if (sparsity.at) return read_sparse(r, sparsity, tensor, (FlatVector){at, (uint32_t)n}, width);
  if (n != (uint64_t)(tensor->size * width)) return bad(r, "the size of a tensor's buffer is wrong");
  tensor->data = r->flat.bytes + at;
  return true;
}

/* Makes the tensor's name unique, for --outputs and messages. */
static const char *named_tensor(Reader *r, const char *name, int tensor) {
  while (!*name || table_find(&r->names, name))
    name = arena_printf(r->arena, "%s%st%d", name, *name ? "_" : "", tensor);
  table_set(r->arena, &r->names, name, r->model);
  return name;
}

static bool read_tensors(Reader *r, FlatTable graph) {
  const FlatVector tensors = flat_vector(&r->flat, graph, GRAPH_TENSORS, 4);
  TflModel *m = r->model;
  if (tensors.n > MOST) return bad(r, "it has more than 2^20 tensors");
  m->ntensors = (int)tensors.n;
  m->tensor = NEW_ARRAY(r->arena, TflTensor, tensors.n + 1);
  for (int i = 0; i < m->ntensors; i++) {
    const FlatTable table = flat_table_at(&r->flat, tensors, (uint32_t)i);
    TflTensor *tensor = &m->tensor[i];
    const int64_t type = flat_int(&r->flat, table, TENSOR_TYPE, 1, 0);
    const bool listed = type >= 0 && type < TYPES;
    tensor->name = named_tensor(r, table_text(r, table, TENSOR_NAME), i);
    tensor->is_variable = flat_int(&r->flat, table, TENSOR_VARIABLE, 1, 0) != 0;
    tensor->code = listed ? (int)type : -1;
    tensor->type = listed ? types[type].name : "an unknown type";
    tensor->known = listed && types[type].known;
    tensor->elem = listed ? types[type].elem : F32;
    if (!read_tensor_shape(r, table, tensor) || !read_quantization(r, table, tensor) ||
        !read_data(r, table, tensor))
      return false;
  }
  return true;
}

/* ---- operators ---- */
/* names in BuiltinOperator's order */
static const char names[] =
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE "
    "EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D "
    "LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 "
    "RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL "
    "CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND "
    "SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE "
    "BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM "
    "CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE "
    "SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW "
    "ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK "
    "REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR "
    "LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS "
    "WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE "
    "NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM "
    "BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG "
    "REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL "
    "CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL "
    "BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD "
    "UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR "
    "RIGHT_SHIFT";

static const char *operator_name(Arena *arena, int code) {
  const char *word = names;
  if (code == TFL_STABLEHLO_COMPOSITE) return "STABLEHLO_COMPOSITE";
  for (int i = 0; i < code && word; i++) {
    word = strchr(word, ' ');
    if (word) word++;
  }
  if (code < 0 || !word) return arena_printf(arena, "builtin operator %d", code);
  return arena_copy(arena, word, strcspn(word, " "));
}

static bool read_indices(Reader *r, FlatVector from, int most, int n, int *to, int *count) {
  *count = (int)from.n;
  if (from.n > (uint32_t)most) return bad(r, "it has more than 64 inputs or outputs");
  for (uint32_t i = 0; i < from.n; i++) {
    const int64_t tensor = flat_int_at(&r->flat, from, i, 4);
    if (tensor < -1 || tensor >= n) return bad(r, "a tensor of an operator does not exist");
    to[i] = (int)tensor;
  }
  return true;
}

/* width before height, as in the schema */
static void read_pair(Reader *r, FlatTable options, int field, int64_t otherwise, int64_t to[2]) {
  to[1] = flat_int(&r->flat, options, field, 4, otherwise);
  to[0] = flat_int(&r->flat, options, field + 1, 4, otherwise);
}

static void read_tfl_window(Reader *r, FlatTable options, TflOperator *op) {
  Flat *flat = &r->flat;
  const bool pool = op->code == TFL_AVERAGE_POOL_2D || op->code == TFL_MAX_POOL_2D;
  /* skips the option depth_multiplier, which follows from the shapes */
  const int more = op->code == TFL_DEPTHWISE_CONV_2D;
  op->same = flat_int(flat, options, 0, 1, 0) == 0;
  read_pair(r, options, 1, 0, op->stride);
  op->activation = (int)flat_int(flat, options, pool ? 5 : 3 + more, 1, 0);
  if (pool) read_pair(r, options, 3, 0, op->size);
  else if (op->code != TFL_TRANSPOSE_CONV) read_pair(r, options, 4 + more, 1, op->dilation);
  if (op->code == TFL_CONV_2D) op->sums = (int)flat_int(flat, options, 6, 1, 0);
  if (op->code == TFL_TRANSPOSE_CONV) op->sums = (int)flat_int(flat, options, 4, 1, 0);
}

static bool flag(Reader *r, FlatTable options, int field) {
  return flat_int(&r->flat, options, field, 1, 0) != 0;
}

static void read_list(Reader *r, FlatTable options, TflOperator *op) {
  const FlatVector list = flat_vector(&r->flat, options, 0, 4);
  if (list.at && list.n <= TFLITE_RANK) op->nlist = (int)list.n;
  for (int i = 0; i < op->nlist; i++) op->list[i] = flat_int_at(&r->flat, list, (uint32_t)i, 4);
}

/* Reads the options of operators that read_operator_options does not list. */
static void read_more_options(Reader *r, FlatTable options, TflOperator *op) {
  Flat *flat = &r->flat;
  switch (op->code) {
  case TFL_IF:
    for (int i = 0; i < 2; i++) op->list[i] = flat_int(flat, options, i, 4, -1);
    break;
  case TFL_GATHER:
    op->axis = flat_int(flat, options, 0, 4, 0);
    op->groups = flat_int(flat, options, 1, 4, 0);
    break;
  case TFL_BATCH_MATMUL:
    for (int i = 0; i < 2; i++) op->transposed[i] = flag(r, options, i);
    op->asymmetric = flag(r, options, 2);
    break;
  case TFL_LOCAL_RESPONSE_NORMALIZATION:
    op->groups = flat_int(flat, options, 0, 4, 0);
    op->bias = flat_float(flat, options, 1, 0);
    op->alpha = flat_float(flat, options, 2, 0);
    op->beta = flat_float(flat, options, 3, 0);
    break;
  case TFL_UNIDIRECTIONAL_SEQUENCE_LSTM:
    op->cell_activation = (int)flat_int(flat, options, 0, 1, 0);
    for (int i = 0; i < 2; i++) op->clips[i] = flat_float(flat, options, 1 + i, 0);
    op->time_major = flag(r, options, 3);
    break;
  case TFL_SVDF:
    op->groups = flat_int(flat, options, 0, 4, 1);
    op->activation = (int)flat_int(flat, options, 1, 1, 0);
    break;
  case TFL_CALL_ONCE: op->list[0] = flat_int(flat, options, 0, 4, -1); break;
  case TFL_VAR_HANDLE: op->variable = table_text(r, options, 1); break;
  case TFL_L2_NORMALIZATION: op->activation = (int)flat_int(flat, options, 0, 1, 0); break;
  default: break;
  }
}

static void read_operator_options(Reader *r, FlatTable options, TflOperator *op) {
  Flat *flat = &r->flat;
  const int bilinear = op->code == TFL_RESIZE_BILINEAR ? 2 : 0;
  switch (op->code) {
  case TFL_CONV_2D:
  case TFL_DEPTHWISE_CONV_2D:
  case TFL_TRANSPOSE_CONV:
  case TFL_AVERAGE_POOL_2D:
  case TFL_MAX_POOL_2D: read_tfl_window(r, options, op); break;
  case TFL_ADD:
  case TFL_SUB: op->powers = flat_int(flat, options, 1, 1, 1) != 0; /* fall through */
  case TFL_MUL:
  case TFL_DIV: op->activation = (int)flat_int(flat, options, 0, 1, 0); break;
  case TFL_FULLY_CONNECTED:
    op->activation = (int)flat_int(flat, options, 0, 1, 0);
    op->keeps = flag(r, options, 2);
    op->sums = (int)flat_int(flat, options, 4, 1, 0);
    break;
  case TFL_CONCATENATION:
    op->axis = flat_int(flat, options, 0, 4, 0);
    op->activation = (int)flat_int(flat, options, 1, 1, 0);
    break;
  case TFL_SOFTMAX:
  case TFL_LEAKY_RELU: op->beta = flat_float(flat, options, 0, 0); break;
  case TFL_MEAN:
  case TFL_SUM:
  case TFL_REDUCE_PROD:
  case TFL_REDUCE_MAX:
  case TFL_REDUCE_MIN: op->keeps = flag(r, options, 0); break;
  case TFL_ONE_HOT: op->axis = flat_int(flat, options, 0, 4, 0); break;
  case TFL_PACK:
  case TFL_UNPACK: op->axis = flat_int(flat, options, 1, 4, 0); break;
  case TFL_RESHAPE:
  case TFL_SQUEEZE: read_list(r, options, op); break;
  case TFL_MIRROR_PAD: op->symmetric = flag(r, options, 0); break;
  case TFL_GELU: op->middle = flag(r, options, 0); break;
  case TFL_RESIZE_BILINEAR:
  case TFL_RESIZE_NEAREST_NEIGHBOR:
    op->corners = flag(r, options, bilinear);
    op->middle = flag(r, options, bilinear + 1);
    break;
  case TFL_DEPTH_TO_SPACE:
  case TFL_SPACE_TO_DEPTH: op->size[0] = flat_int(flat, options, 0, 4, 0); break;
  case TFL_STRIDED_SLICE:
    for (int i = 0; i < SLICE_MASKS; i++) op->mask[i] = flat_int(flat, options, i, 4, 0);
    op->relative = flag(r, options, SLICE_MASKS);
    break;
  default: read_more_options(r, options, op);
  }
}

/* Reads a custom operator. Convolution2DTransposeBias becomes TRANSPOSE_CONV; its options are the padding (1:
 * `same`) and the strides, width first. */
static void read_custom(Reader *r, FlatTable code, FlatTable table, TflOperator *op) {
  const char *name = table_text(r, code, CODE_CUSTOM);
  const FlatVector options = flat_vector(&r->flat, table, OPERATOR_CUSTOM, 1);
  op->name = arena_printf(r->arena, "%s %s", op->name, name);
  if (strcmp(name, "Convolution2DTransposeBias") != 0 || options.n < 12 || op->nin != 3) return;
  int *in = NEW_ARRAY(r->arena, int, 4);
  in[0] = -1; /* no input with the result's shape: the result tensor has this shape */
  in[1] = op->in[1];
  in[2] = op->in[0];
  in[3] = op->in[2];
  op->code = TFL_TRANSPOSE_CONV;
  op->in = in;
  op->nin = 4;
  op->same = flat_int_at(&r->flat, options, 0, 4) == 1;
  op->stride[1] = flat_int_at(&r->flat, options, 1, 4);
  op->stride[0] = flat_int_at(&r->flat, options, 2, 4);
}

static bool read_operator(Reader *r, FlatTable table, TflOperator *op) {
  const uint64_t code = (uint64_t)flat_int(&r->flat, table, OPERATOR_CODE, 4, 0);
  if (code >= r->codes.n) return bad(r, "the code of an operator does not exist");
  const FlatTable of = flat_table_at(&r->flat, r->codes, (uint32_t)code);
  const int64_t old = flat_int(&r->flat, of, CODE_OLD, 1, 0),
                now = flat_int(&r->flat, of, CODE_BUILTIN, 4, 0), number = larger(old, now);
  op->code = number < 0 ? TFL_INVALID : (int)number;
  op->name = operator_name(r->arena, (int)number);
  const FlatVector in = flat_vector(&r->flat, table, OPERATOR_INPUTS, 4),
                   out = flat_vector(&r->flat, table, OPERATOR_OUTPUTS, 4);
  op->in = NEW_ARRAY(r->arena, int, in.n + 1);
  op->out = NEW_ARRAY(r->arena, int, out.n + 1);
  if (!read_indices(r, in, MOST, r->model->ntensors, op->in, &op->nin) ||
      !read_indices(r, out, MOST, r->model->ntensors, op->out, &op->nout))
    return false;
  op->nlist = -1;
  for (int a = 0; a < 2; a++) op->stride[a] = op->dilation[a] = op->size[a] = 1;
  read_operator_options(r, flat_table(&r->flat, table, OPERATOR_OPTIONS), op);
  if (op->code == TFL_CUSTOM) read_custom(r, of, table, op);
  if (op->code == TFL_STABLEHLO_COMPOSITE)
    op->list[0] = flat_int(&r->flat, flat_table(&r->flat, table, OPERATOR_OPTIONS_2), 1, 4, -1);
  return true;
}

static bool read_operators(Reader *r, FlatTable graph) {
  const FlatVector operators = flat_vector(&r->flat, graph, GRAPH_OPERATORS, 4);
  TflModel *m = r->model;
  if (operators.n > MOST) return bad(r, "it has more than 2^20 operators");
  m->noperators = (int)operators.n;
  m->op = NEW_ARRAY(r->arena, TflOperator, operators.n + 1);
  for (int i = 0; i < m->noperators; i++) {
    m->op[i].index = i;
    if (!read_operator(r, flat_table_at(&r->flat, operators, (uint32_t)i), &m->op[i])) return false;
  }
  return read_indices(r, flat_vector(&r->flat, graph, GRAPH_INPUTS, 4), TFLITE_IO, m->ntensors, m->input,
                      &m->ninputs) &&
         read_indices(r, flat_vector(&r->flat, graph, GRAPH_OUTPUTS, 4), TFLITE_IO, m->ntensors, m->output,
                      &m->noutputs);
}

/* ---- nested graphs: both branches of IF, and the body of a composite ---- */
enum { MOST_NESTED = 8 };

static bool read_graph(Reader *r, FlatVector graphs, int64_t index, int depth);

/* The graph that an operator calls; NULL: r->why is the error. */
static TflModel *read_called(Reader *r, FlatVector graphs, int64_t index, int depth) {
  Reader called = *r;
  called.model = NEW(r->arena, TflModel);
  const bool read = read_graph(&called, graphs, index, depth + 1);
  r->names = called.names;
  r->room = called.room;
  r->more = called.more;
  r->flat = called.flat;
  r->why = called.why;
  return read ? called.model : NULL;
}

/* The number that a tensor of a called graph has in the calling graph, where `first` is the number of the
 * called graph's tensor 0. The inputs of an IF follow its condition. */
static int in_branch(const TflModel *branch, const TflOperator *choice, int tensor, int first) {
  for (int i = 0; i < branch->ninputs; i++)
    if (branch->input[i] == tensor) return choice->in[(choice->code == TFL_IF) + i];
  return tensor < 0 ? tensor : first + tensor;
}

static void append_branch(Reader *r, const TflModel *branch, const TflOperator *choice) {
  TflModel *m = r->model;
  const int first = m->ntensors, before = m->noperators;
  TflTensor *tensor = NEW_ARRAY(r->arena, TflTensor, first + branch->ntensors + 1);
  TflOperator *op = NEW_ARRAY(r->arena, TflOperator, before + branch->noperators + 1);
  memcpy(tensor, m->tensor, sizeof *tensor * (size_t)first);
  memcpy(tensor + first, branch->tensor, sizeof *tensor * (size_t)branch->ntensors);
  memcpy(op, m->op, sizeof *op * (size_t)before);
  for (int o = 0; o < branch->noperators; o++) {
    op[before + o] = branch->op[o];
    op[before + o].index = before + o;
    for (int i = 0; i < branch->op[o].nin; i++)
      branch->op[o].in[i] = in_branch(branch, choice, branch->op[o].in[i], first);
    for (int i = 0; i < branch->op[o].nout; i++)
      if (branch->op[o].out[i] >= 0) branch->op[o].out[i] += first;
  }
  m->tensor = tensor;
  m->ntensors += branch->ntensors;
  m->op = op;
  m->noperators += branch->noperators;
}

/* Appends the operators of both branches of an IF to the model. The new inputs of the IF are the condition,
 * the results of the first branch, and the results of the second branch. */
static bool inline_branches(Reader *r, FlatVector graphs, int o, int depth) {
  const TflOperator choice = r->model->op[o];
  int *in = NEW_ARRAY(r->arena, int, 2 * choice.nout + 2), n = 0;
  if (choice.nin < 1) return bad(r, "an IF has no condition");
  in[n++] = choice.in[0];
  for (int b = 0; b < 2; b++) {
    const TflModel *m = read_called(r, graphs, choice.list[b], depth);
    if (!m) return false;
    if (m->ninputs != choice.nin - 1 || m->noutputs != choice.nout)
      return bad(r, "an IF and its branch have different inputs or outputs");
    for (int i = 0; i < m->noutputs; i++) in[n++] = in_branch(m, &choice, m->output[i], r->model->ntensors);
    append_branch(r, m, &choice);
  }
  r->model->op[o].in = in;
  r->model->op[o].nin = n;
  return true;
}

/* Replaces a composite by the operators of its graph. The composite itself becomes an identity after these
 * operators. */
static bool inline_composite(Reader *r, FlatVector graphs, int o, int depth) {
  const TflOperator call = r->model->op[o];
  if (call.nout != 1) return true; /* stays a composite, which is refused later */
  const TflModel *m = read_called(r, graphs, call.list[0], depth);
  if (!m) return false;
  if (m->ninputs != call.nin || m->noutputs != 1)
    return bad(r, "a composite and its graph have different inputs or outputs");
  int *in = NEW_ARRAY(r->arena, int, 1);
  in[0] = in_branch(m, &call, m->output[0], r->model->ntensors);
  append_branch(r, m, &call);
  TflOperator *op = &r->model->op[o];
  op->code = TFL_RESHAPE;
  op->in = in;
  op->nin = 1;
  return true;
}

/* ---- initial values of variables ---- */
static void add_initial(Reader *r, const TflModel *from, const TflOperator *assign) {
  TflModel *m = r->model;
  const char *variable = NULL;
  for (int o = 0; o < from->noperators; o++)
    if (from->op[o].code == TFL_VAR_HANDLE && from->op[o].nout == 1 && from->op[o].out[0] == assign->in[0])
      variable = from->op[o].variable;
  if (!variable || assign->in[1] < 0) return;
  TflInitial *all = NEW_ARRAY(r->arena, TflInitial, m->ninitial + 1);
  if (m->ninitial) memcpy(all, m->initial, sizeof *all * (size_t)m->ninitial);
  all[m->ninitial++] = (TflInitial){variable, from->tensor[assign->in[1]]};
  m->initial = all;
}

static bool read_initial(Reader *r, FlatVector graphs, int64_t index, int depth) {
  const TflModel *m = read_called(r, graphs, index, depth);
  for (int o = 0; m && o < m->noperators; o++)
    if (m->op[o].code == TFL_ASSIGN_VARIABLE && m->op[o].nin == 2) add_initial(r, m, &m->op[o]);
  return m != NULL;
}

static bool read_graph(Reader *r, FlatVector graphs, int64_t index, int depth) {
  if (index < 0 || index >= (int64_t)graphs.n) return bad(r, "a graph that an operator calls does not exist");
  if (depth > MOST_NESTED) return bad(r, "its graphs are nested too deeply");
  const FlatTable graph = flat_table_at(&r->flat, graphs, (uint32_t)index);
  const size_t size = (size_t)flat_vector(&r->flat, graph, GRAPH_TENSORS, 4).n +
                      flat_vector(&r->flat, graph, GRAPH_OPERATORS, 4).n;
  if (depth && size >= r->more) return bad(r, "the graphs that it calls are too large");
  r->more -= depth ? size + 1 : 0;
  if (!read_tensors(r, graph) || !read_operators(r, graph)) return false;
  const int own = r->model->noperators;
  for (int o = 0; o < own; o++)
    if ((r->model->op[o].code == TFL_IF && !inline_branches(r, graphs, o, depth)) ||
        (r->model->op[o].code == TFL_STABLEHLO_COMPOSITE && !inline_composite(r, graphs, o, depth)))
      return false;
  for (int o = 0; o < own; o++)
    if (r->model->op[o].code == TFL_CALL_ONCE && !read_initial(r, graphs, r->model->op[o].list[0], depth))
      return false;
  return true;
}

/* Treats empty tensors that are neither inputs nor results of operators as constants. */
static void find_empty(const Reader *r) {
  TflModel *m = r->model;
  bool *made = NEW_ARRAY(r->arena, bool, m->ntensors + 1);
  for (int i = 0; i < m->ninputs; i++)
    if (m->input[i] >= 0) made[m->input[i]] = true;
  for (int o = 0; o < m->noperators; o++)
    for (int i = 0; i < m->op[o].nout; i++)
      if (m->op[o].out[i] >= 0) made[m->op[o].out[i]] = true;
  for (int t = 0; t < m->ntensors; t++)
    if (!made[t] && m->tensor[t].size < 0 && m->tensor[t].code >= 0) {
      m->tensor[t].data = r->flat.bytes;
      m->tensor[t].size = 0;
    }
}

/* Checks that there are inputs and outputs, that each is a tensor, and that no input is a constant. */
static bool ports_fit(const TflModel *m) {
  for (int i = 0; i < m->ninputs; i++)
    if (m->input[i] < 0 || m->tensor[m->input[i]].data) return false;
  for (int i = 0; i < m->noutputs; i++)
    if (m->output[i] < 0) return false;
  return m->ninputs && m->noutputs;
}

bool tflite_is(const uint8_t *bytes, size_t n) { return n >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0; }

TflModel *tflite_read(Arena *arena, const uint8_t *bytes, size_t n, const char **why) {
  Reader r = {.arena = arena,
              .flat = {bytes, n, false},
              .model = NEW(arena, TflModel),
              .room = (1 << 20) + 32 * n,
              .more = (1 << 16) + n / 16};
  const FlatTable model = flat_root(&r.flat);
  const FlatVector graphs = flat_vector(&r.flat, model, MODEL_SUBGRAPHS, 4);
  r.codes = flat_vector(&r.flat, model, MODEL_CODES, 4);
  r.buffers = flat_vector(&r.flat, model, MODEL_BUFFERS, 4);
  if (!r.flat.broken && flat_int(&r.flat, model, MODEL_VERSION, 4, 0) != VERSION)
    bad(&r, "its format version is not 3");
  else if (!r.flat.broken && graphs.n == 0) bad(&r, "it has no graph");
  const bool read = !r.why && read_graph(&r, graphs, 0, 0);
  if (read) find_empty(&r);
  if (read && !ports_fit(r.model)) bad(&r, "its inputs or outputs are invalid");
  if (r.flat.broken) r.why = "it is damaged: an offset points outside the file";
  *why = r.why;
  return read && !r.why ? r.model : NULL;
}
