/* tensor.c: Constants of a model: reading and writing of their numbers, for all supported number types, and
 * new constants. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/onnx/onnx.h"

int tensor_width(TensorType type) {
  switch (type) {
  case TENSOR_UINT8:
  case TENSOR_INT8:
  case TENSOR_BOOL: return 1;
  case TENSOR_UINT16:
  case TENSOR_INT16:
  case TENSOR_FLOAT16:
  case TENSOR_BFLOAT16: return 2;
  case TENSOR_FLOAT:
  case TENSOR_INT32:
  case TENSOR_UINT32: return 4;
  case TENSOR_INT64:
  case TENSOR_UINT64:
  case TENSOR_DOUBLE: return 8;
  default: return 0;
  }
}

bool tensor_whole(TensorType type) {
  return type != TENSOR_FLOAT && type != TENSOR_DOUBLE && type != TENSOR_FLOAT16 && type != TENSOR_BFLOAT16;
}

bool tensor_counts(TensorType type) {
  return type == TENSOR_BOOL || type == TENSOR_UINT8 || type == TENSOR_UINT16 || type == TENSOR_UINT32 ||
         type == TENSOR_UINT64;
}

static double half_number(uint32_t bits) {
  const int exponent = (int)(bits >> 10 & 31);
  const double mantissa = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? (double)NAN : sign * (double)INFINITY;
  return sign * (exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24));
}

static float bits_float(uint32_t bits) {
  uint8_t bytes[4];
  for (int b = 0; b < 4; b++) bytes[b] = (uint8_t)(bits >> (8 * b));
  return wire_float(bytes);
}

int64_t tensor_integer(const Tensor *t, int64_t i) {
  const int width = tensor_width(t->type);
  const uint64_t bits = wire_little(t->data + i * width, width);
  switch (t->type) {
  case TENSOR_INT8: return (int8_t)bits;
  case TENSOR_INT16: return (int16_t)bits;
  case TENSOR_INT32: return (int32_t)bits;
  case TENSOR_UINT64: return bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
  default: break;
  }
  if (tensor_whole(t->type)) return (int64_t)bits;
  const double number = tensor_number(t, i);
  if (!(number > -9.2e18)) return number < 0 ? INT64_MIN : 0;
  return number < 9.2e18 ? (int64_t)number : INT64_MAX;
}

double tensor_number(const Tensor *t, int64_t i) {
  const int width = tensor_width(t->type);
  const uint8_t *at = t->data + i * width;
  switch (t->type) {
  case TENSOR_FLOAT: return (double)wire_float(at);
  case TENSOR_DOUBLE: return wire_double(at);
  case TENSOR_FLOAT16: return half_number((uint32_t)wire_little(at, 2));
  case TENSOR_BFLOAT16: return (double)bits_float((uint32_t)wire_little(at, 2) << 16);
  default: return (double)tensor_integer(t, i);
  }
}

static int64_t saturated_integer(double value) {
  if (!(value > -9.2e18)) return value < 0 ? INT64_MIN : 0;
  return value < 9.2e18 ? (int64_t)value : INT64_MAX;
}

void tensor_put(Tensor *t, int64_t i, double value) {
  const int width = tensor_width(t->type);
  uint8_t *at = (uint8_t *)(uintptr_t)t->data + i * width; /* writable: the importer created the constant */
  uint64_t bits = 0;
  if (t->type == TENSOR_FLOAT) {
    const float number = (float)value;
    uint32_t word;
    memcpy(&word, &number, sizeof word);
    bits = word;
  } else if (t->type == TENSOR_DOUBLE) memcpy(&bits, &value, sizeof bits);
  else bits = (uint64_t)saturated_integer(value);
  for (int b = 0; b < width; b++) at[b] = (uint8_t)(bits >> (8 * b));
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define MOST_COMPUTED ((size_t)1 << 22) /* sanitizers slow down constant folding, so the limit is smaller */
#else
#define MOST_COMPUTED ((size_t)1 << 30)
#endif

size_t room_of_file(size_t bytes) { return 32 * bytes + MOST_COMPUTED; }

Tensor *tensor_new(Arena *arena, TensorType type, int rank, const int64_t *dim) {
  Tensor *t = NEW(arena, Tensor);
  *t = (Tensor){
      .type = type == TENSOR_FLOAT16 || type == TENSOR_BFLOAT16 ? TENSOR_FLOAT : type, .rank = rank, .n = 1};
  for (int d = 0; d < rank; d++) t->n *= t->dim[d] = dim[d];
  t->data = arena_alloc(arena, (size_t)t->n * (size_t)tensor_width(t->type) + 1);
  return t;
}

Tensor *tensor_scalar(Arena *arena, TensorType type, double value) {
  Tensor *t = tensor_new(arena, type, 0, NULL);
  tensor_put(t, 0, value);
  return t;
}

Tensor *tensor_list(Arena *arena, int n, const int64_t *number) {
  const int64_t dim[] = {n};
  Tensor *t = tensor_new(arena, TENSOR_INT64, 1, dim);
  for (int i = 0; i < n; i++) {
    uint8_t *at = (uint8_t *)(uintptr_t)t->data + 8 * i;
    for (int b = 0; b < 8; b++) at[b] = (uint8_t)((uint64_t)number[i] >> (8 * b));
  }
  return t;
}

Tensor *tensor_shaped(Arena *arena, const Tensor *of, int rank, const int64_t *dim) {
  Tensor *t = NEW(arena, Tensor);
  *t = *of;
  t->rank = rank;
  for (int d = 0; d < rank; d++) t->dim[d] = dim[d];
  return t;
}
