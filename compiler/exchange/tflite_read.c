/* tflite_read.c: the tables of a .tflite file as structures; numbers of fields are those of TensorFlow Lite's
 * schema.fbs, version 3. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "exchange/flat.h"
#include "exchange/tflite.h"

enum { VERSION = 3, MOST = 1 << 20 };
enum { MODEL_VERSION, MODEL_CODES, MODEL_SUBGRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS };
enum { CODE_OLD = 0, CODE_BUILTIN = 3 };
enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS };
enum { TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME, TENSOR_QUANTIZATION };
enum { QUANT_SCALE = 2, QUANT_ZERO = 3, QUANT_AXIS = 6 };
enum { BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE };
enum { OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS, OPERATOR_OPTIONS = 4 };

typedef struct Reader {
  Arena *arena;
  Flat flat;
  TflModel *model;
  FlatVector codes, buffers;
  const char *why;
} Reader;

static bool bad(Reader *r, const char *why) {
  if (!r->why) r->why = why;
  return false;
}

/* ---- tensors ---- */
static const struct {
  const char *name;
  int width; /* bytes of an element; 0: not read */
  bool known;
  Elem elem;
} types[] = {{"FLOAT32", 4, true, F32}, {"FLOAT16", 2, false, F32}, {"INT32", 4, true, I32},
             {"UINT8", 1, true, U8},    {"INT64", 8, true, I64},    {"STRING", 0, false, F32},
             {"BOOL", 1, false, F32},   {"INT16", 2, true, I16},    {"COMPLEX64", 0, false, F32},
             {"INT8", 1, true, I8},     {"FLOAT64", 0, false, F32}, {"COMPLEX128", 0, false, F32}};
enum { TYPES = sizeof types / sizeof *types };

static const char *text_of(Reader *r, FlatTable table, int field) {
  const FlatVector text = flat_vector(&r->flat, table, field, 1);
  char *copy = arena_copy(r->arena, text.at ? (const char *)r->flat.bytes + text.at : "", text.n);
  for (char *c = copy; *c; c++)
    if (*c < ' ' || *c > '~') *c = '?';
  return copy;
}

static bool read_shape(Reader *r, FlatTable table, TflTensor *tensor) {
  const FlatVector shape = flat_vector(&r->flat, table, TENSOR_SHAPE, 4);
  tensor->size = 1;
  tensor->rank = (int)shape.n;
  if (shape.n > TFLITE_RANK) return tensor->rank = -1, true; /* told where it is read */
  for (int d = 0; d < tensor->rank; d++) {
    tensor->dim[d] = flat_int_at(&r->flat, shape, (uint32_t)d, 4);
    if (tensor->dim[d] < 1 || tensor->size > INT32_MAX / tensor->dim[d])
      return bad(r, "a tensor has a size that is none");
    tensor->size *= tensor->dim[d];
  }
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
  if (zero.n && zero.n != scale.n) return bad(r, "a tensor has other zero points than scales");
  for (uint32_t i = 0; i < scale.n; i++) {
    scales[i] = flat_float_at(&r->flat, scale, i);
    tensor->zeros = tensor->zeros && flat_int_at(&r->flat, zero, i, 8) == 0;
    if (!(scales[i] > 0) || !isfinite(scales[i])) return bad(r, "a scale is no number above 0");
  }
  if (scale.n && (tensor->zero < INT8_MIN || tensor->zero > INT8_MAX) && tensor->elem == I8)
    return bad(r, "a zero point is not one of 8 bits");
  if (scale.n && !tensor->zeros && tensor->elem == I16)
    return bad(r, arena_printf(r->arena, "'%s' is INT16 with a zero point other than 0", tensor->name));
  if (scale.n > 1 && (tensor->rank < 1 || tensor->axis < 0 || tensor->axis >= tensor->rank ||
                      tensor->dim[tensor->axis] != (int64_t)scale.n))
    return bad(r, "a tensor has another number of scales than it has channels");
  return true;
}

/* Bytes in the table, or at a place in the file. */
static bool read_data(Reader *r, FlatTable table, TflTensor *tensor) {
  const uint64_t index = (uint64_t)flat_int(&r->flat, table, TENSOR_BUFFER, 4, 0);
  if (index >= r->buffers.n) return bad(r, "a tensor has a buffer that is not there");
  const FlatTable buffer = flat_table_at(&r->flat, r->buffers, (uint32_t)index);
  const FlatVector data = flat_vector(&r->flat, buffer, BUFFER_DATA, 1);
  const uint64_t offset = (uint64_t)flat_int(&r->flat, buffer, BUFFER_OFFSET, 8, 0);
  uint64_t at = data.at, n = data.n;
  if (offset > 1) {
    at = offset;
    n = (uint64_t)flat_int(&r->flat, buffer, BUFFER_SIZE, 8, 0);
  }
  const int width = tensor->code >= 0 ? types[tensor->code].width : 0;
  if (!n || !width || tensor->rank < 0) return true;
  if (at > r->flat.n || n > r->flat.n - at) return bad(r, "a buffer lies outside the file");
  if (n != (uint64_t)(tensor->size * width)) return bad(r, "a tensor has a buffer of another size");
  tensor->data = r->flat.bytes + at;
  return true;
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
    tensor->name = text_of(r, table, TENSOR_NAME);
    tensor->code = listed ? (int)type : -1;
    tensor->type = listed ? types[type].name : "a type that is not known";
    tensor->known = listed && types[type].known;
    tensor->elem = listed ? types[type].elem : F32;
    if (!read_shape(r, table, tensor) || !read_quantization(r, table, tensor) || !read_data(r, table, tensor))
      return false;
  }
  return true;
}

/* ---- operators ---- */
/* of BuiltinOperator, in its order */
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
    "BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1";

static const char *operator_name(Arena *arena, int code) {
  const char *word = names;
  for (int i = 0; i < code && word; i++) {
    word = strchr(word, ' ');
    if (word) word++;
  }
  if (code < 0 || !word) return arena_printf(arena, "builtin operator %d", code);
  return arena_copy(arena, word, strcspn(word, " "));
}

static bool read_indices(Reader *r, FlatVector from, int most, int n, int *to, int *count) {
  *count = (int)from.n;
  if (from.n > (uint32_t)most) return bad(r, "an operator has more than 16 tensors");
  for (uint32_t i = 0; i < from.n; i++) {
    const int64_t tensor = flat_int_at(&r->flat, from, i, 4);
    if (tensor < -1 || tensor >= n) return bad(r, "an operator has a tensor that is not there");
    to[i] = (int)tensor;
  }
  return true;
}

/* width before height, as the schema has them */
static void read_pair(Reader *r, FlatTable options, int field, int64_t otherwise, int64_t to[2]) {
  to[1] = flat_int(&r->flat, options, field, 4, otherwise);
  to[0] = flat_int(&r->flat, options, field + 1, 4, otherwise);
}

static void read_window(Reader *r, FlatTable options, TflOperator *op) {
  Flat *flat = &r->flat;
  const bool pool = op->code == TFL_AVERAGE_POOL_2D || op->code == TFL_MAX_POOL_2D;
  const int more = op->code == TFL_DEPTHWISE_CONV_2D; /* its multiplier is that of the shapes */
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

static void read_options(Reader *r, FlatTable options, TflOperator *op) {
  Flat *flat = &r->flat;
  const int bilinear = op->code == TFL_RESIZE_BILINEAR ? 2 : 0;
  for (int a = 0; a < 2; a++) op->stride[a] = op->dilation[a] = op->size[a] = 1;
  switch (op->code) {
  case TFL_CONV_2D:
  case TFL_DEPTHWISE_CONV_2D:
  case TFL_TRANSPOSE_CONV:
  case TFL_AVERAGE_POOL_2D:
  case TFL_MAX_POOL_2D: read_window(r, options, op); break;
  case TFL_ADD:
  case TFL_SUB: op->powers = flat_int(flat, options, 1, 1, 1) != 0; /* fall through */
  case TFL_MUL:
  case TFL_DIV: op->activation = (int)flat_int(flat, options, 0, 1, 0); break;
  case TFL_FULLY_CONNECTED:
    op->activation = (int)flat_int(flat, options, 0, 1, 0);
    op->sums = (int)flat_int(flat, options, 4, 1, 0);
    break;
  case TFL_CONCATENATION:
    op->axis = flat_int(flat, options, 0, 4, 0);
    op->activation = (int)flat_int(flat, options, 1, 1, 0);
    break;
  case TFL_SOFTMAX:
  case TFL_LEAKY_RELU: op->beta = flat_float(flat, options, 0, 0); break;
  case TFL_MEAN: op->keeps = flag(r, options, 0); break;
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
    break;
  default: break;
  }
}

static bool read_operator(Reader *r, FlatTable table, TflOperator *op) {
  const uint64_t code = (uint64_t)flat_int(&r->flat, table, OPERATOR_CODE, 4, 0);
  if (code >= r->codes.n) return bad(r, "an operator has a code that is not there");
  const FlatTable of = flat_table_at(&r->flat, r->codes, (uint32_t)code);
  const int64_t old = flat_int(&r->flat, of, CODE_OLD, 1, 0),
                now = flat_int(&r->flat, of, CODE_BUILTIN, 4, 0);
  op->code = (int)(old > now ? old : now);
  op->name = operator_name(r->arena, op->code);
  const FlatVector in = flat_vector(&r->flat, table, OPERATOR_INPUTS, 4),
                   out = flat_vector(&r->flat, table, OPERATOR_OUTPUTS, 4);
  if (!read_indices(r, in, TFLITE_IO, r->model->ntensors, op->in, &op->nin) ||
      !read_indices(r, out, TFLITE_IO, r->model->ntensors, op->out, &op->nout))
    return false;
  read_options(r, flat_table(&r->flat, table, OPERATOR_OPTIONS), op);
  return true;
}

static bool read_operators(Reader *r, FlatTable graph) {
  const FlatVector operators = flat_vector(&r->flat, graph, GRAPH_OPERATORS, 4);
  TflModel *m = r->model;
  if (operators.n > MOST) return bad(r, "it has more than 2^20 operators");
  m->noperators = (int)operators.n;
  m->op = NEW_ARRAY(r->arena, TflOperator, operators.n + 1);
  for (int i = 0; i < m->noperators; i++)
    if (!read_operator(r, flat_table_at(&r->flat, operators, (uint32_t)i), &m->op[i])) return false;
  return read_indices(r, flat_vector(&r->flat, graph, GRAPH_INPUTS, 4), TFLITE_IO, m->ntensors, m->input,
                      &m->ninputs) &&
         read_indices(r, flat_vector(&r->flat, graph, GRAPH_OUTPUTS, 4), TFLITE_IO, m->ntensors, m->output,
                      &m->noutputs);
}

/* ---- constants ---- */
static double half_of(uint32_t bits) { /* of 16 bits */
  const int e = (int)(bits >> 10 & 31);
  const double part = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (e == 31) return part > 0 ? (double)NAN : sign * (double)INFINITY;
  return sign * (e ? ldexp(1024 + part, e - 25) : ldexp(part, -24));
}

static void put_float(uint8_t *to, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(bits >> 8 * i);
}

/* Weights that are stored in 16 or 8 bits and made floats by an operator are floats here. */
static void fold_constants(Reader *r) {
  TflModel *m = r->model;
  size_t room = r->flat.n; /* elements: a buffer may be that of many tensors, but hardly is */
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    if (op->code != TFL_DEQUANTIZE || op->nin != 1 || op->nout != 1 || op->in[0] < 0 || op->out[0] < 0)
      continue;
    const TflTensor *from = &m->tensor[op->in[0]];
    TflTensor *to = &m->tensor[op->out[0]];
    const bool half = from->code == TFL_FLOAT16, bytes = from->code == TFL_INT8 && from->scales == 1;
    if (!from->data || to->data || to->code != TFL_FLOAT32 || to->size != from->size || !(half || bytes) ||
        (size_t)to->size > room)
      continue;
    room -= (size_t)to->size;
    uint8_t *data = arena_alloc(r->arena, 4 * (size_t)to->size);
    for (int64_t i = 0; i < to->size; i++)
      put_float(data + 4 * i, half
                                  ? (float)half_of((uint32_t)(from->data[2 * i] | from->data[2 * i + 1] << 8))
                                  : (float)((int8_t)from->data[i] - from->zero) * from->scale[0]);
    to->data = data;
  }
}

bool tflite_is(const uint8_t *bytes, size_t n) { return n >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0; }

TflModel *tflite_read(Arena *arena, const uint8_t *bytes, size_t n, const char **why) {
  Reader r = {.arena = arena, .flat = {bytes, n, false}, .model = NEW(arena, TflModel)};
  const FlatTable model = flat_root(&r.flat);
  const FlatVector graphs = flat_vector(&r.flat, model, MODEL_SUBGRAPHS, 4);
  r.codes = flat_vector(&r.flat, model, MODEL_CODES, 4);
  r.buffers = flat_vector(&r.flat, model, MODEL_BUFFERS, 4);
  if (!r.flat.broken && flat_int(&r.flat, model, MODEL_VERSION, 4, 0) != VERSION)
    bad(&r, "it is of another version of the format than 3");
  else if (!r.flat.broken && graphs.n != 1) bad(&r, "it has not one graph, but several or none");
  const FlatTable graph = flat_table_at(&r.flat, graphs, 0);
  const bool read = !r.why && read_tensors(&r, graph) && read_operators(&r, graph);
  if (read) fold_constants(&r);
  if (r.flat.broken) r.why = "it is damaged: something in it points outside";
  *why = r.why;
  return read && !r.flat.broken ? r.model : NULL;
}
