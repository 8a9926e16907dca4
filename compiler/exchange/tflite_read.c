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
  bool known;
  Elem elem;
} types[] = {{"FLOAT32", true, F32}, {"FLOAT16", false, F32}, {"INT32", true, I32},
             {"UINT8", false, F32},  {"INT64", false, F32},   {"STRING", false, F32},
             {"BOOL", false, F32},   {"INT16", false, F32},   {"COMPLEX64", false, F32},
             {"INT8", true, I8},     {"FLOAT64", false, F32}, {"COMPLEX128", false, F32}};
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
  if (!n || !tensor->known || tensor->rank < 0) return true;
  if (at > r->flat.n || n > r->flat.n - at) return bad(r, "a buffer lies outside the file");
  if (n != (uint64_t)(tensor->size * elem_bytes(tensor->elem)))
    return bad(r, "a tensor has a buffer of another size");
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
    tensor->type = listed ? types[type].name : "a type that is not known";
    tensor->known = listed && types[type].known;
    tensor->elem = listed ? types[type].elem : F32;
    if (!read_shape(r, table, tensor) || !read_quantization(r, table, tensor) || !read_data(r, table, tensor))
      return false;
  }
  return true;
}

/* ---- operators ---- */
static const struct {
  int code;
  const char *name;
} names[] = {{TFL_ADD, "ADD"},
             {TFL_AVERAGE_POOL_2D, "AVERAGE_POOL_2D"},
             {TFL_CONCATENATION, "CONCATENATION"},
             {TFL_CONV_2D, "CONV_2D"},
             {TFL_DEPTHWISE_CONV_2D, "DEPTHWISE_CONV_2D"},
             {6, "DEQUANTIZE"},
             {TFL_FULLY_CONNECTED, "FULLY_CONNECTED"},
             {14, "LOGISTIC"},
             {TFL_MAX_POOL_2D, "MAX_POOL_2D"},
             {TFL_MUL, "MUL"},
             {TFL_RELU, "RELU"},
             {TFL_RELU6, "RELU6"},
             {TFL_RESHAPE, "RESHAPE"},
             {23, "RESIZE_BILINEAR"},
             {TFL_SOFTMAX, "SOFTMAX"},
             {28, "TANH"},
             {34, "PAD"},
             {40, "MEAN"},
             {TFL_SUB, "SUB"},
             {45, "STRIDED_SLICE"},
             {54, "PRELU"},
             {67, "TRANSPOSE_CONV"},
             {97, "RESIZE_NEAREST_NEIGHBOR"},
             {98, "LEAKY_RELU"},
             {114, "QUANTIZE"},
             {117, "HARD_SWISH"}};

static const char *operator_name(Arena *arena, int code) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].code == code) return names[i].name;
  return arena_printf(arena, "builtin operator %d", code);
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

static void read_options(Reader *r, FlatTable options, TflOperator *op) {
  Flat *flat = &r->flat;
  const int64_t one = 1;
  for (int a = 0; a < 2; a++) op->stride[a] = op->dilation[a] = op->size[a] = one;
  switch (op->code) {
  case TFL_CONV_2D:
  case TFL_DEPTHWISE_CONV_2D: {
    const int more = op->code == TFL_DEPTHWISE_CONV_2D; /* its multiplier is that of the shapes */
    op->same = flat_int(flat, options, 0, 1, 0) == 0;
    read_pair(r, options, 1, 0, op->stride);
    op->activation = (int)flat_int(flat, options, 3 + more, 1, 0);
    read_pair(r, options, 4 + more, 1, op->dilation);
    break;
  }
  case TFL_AVERAGE_POOL_2D:
  case TFL_MAX_POOL_2D:
    op->same = flat_int(flat, options, 0, 1, 0) == 0;
    read_pair(r, options, 1, 0, op->stride);
    read_pair(r, options, 3, 0, op->size);
    op->activation = (int)flat_int(flat, options, 5, 1, 0);
    break;
  case TFL_ADD:
  case TFL_SUB:
  case TFL_MUL:
  case TFL_FULLY_CONNECTED: op->activation = (int)flat_int(flat, options, 0, 1, 0); break;
  case TFL_CONCATENATION:
    op->axis = flat_int(flat, options, 0, 4, 0);
    op->activation = (int)flat_int(flat, options, 1, 1, 0);
    break;
  case TFL_SOFTMAX: op->beta = flat_float(flat, options, 0, 0); break;
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
  if (r.flat.broken) r.why = "it is damaged: something in it points outside";
  *why = r.why;
  return read && !r.flat.broken ? r.model : NULL;
}
