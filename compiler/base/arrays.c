/* arrays.c: Writer of arrays as a .safetensors file, little-endian on every machine. */
// SPDX-License-Identifier: Apache-2.0
#include "base/arrays.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"

void arrays_add(Arrays *arrays, const char *name, Elem elem, int rank, const int64_t *dim, const void *data) {
  NamedArray array = {.name = name, .elem = elem, .rank = rank, .size = 1, .data = data};
  for (int d = 0; d < rank; d++) array.size *= array.dim[d] = dim[d];
  vec_push(arrays->arena, arrays->list, array);
}

void arrays_add_scale(Arrays *arrays, const char *value, float scale, int64_t zero) {
  const int64_t one = 1;
  float *s = NEW(arrays->arena, float);
  int8_t *z = NEW(arrays->arena, int8_t);
  *s = scale;
  *z = (int8_t)zero;
  arrays_add(arrays, arena_printf(arrays->arena, "%s.scale", value), F32, 1, &one, s);
  arrays_add(arrays, arena_printf(arrays->arena, "%s.zero", value), I8, 1, &one, z);
}

void arrays_quantized(Arrays *arrays, const char *rounding, const char *layers, const char *fallback) {
  const char *more = fallback ? arena_printf(arrays->arena, ", \"fallback\": \"%s\"", fallback) : "";
  arrays->note = arena_printf(arrays->arena, "{\"version\": 1, \"rounding\": \"%s\", \"layers\": {%s}%s}",
                              rounding, layers ? layers : "", more);
}

static bool write_array(FILE *file, const NamedArray *array) {
  const size_t whole = (size_t)(array->size * elem_bytes(array->elem));
  if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
    return whole == 0 || fwrite(array->data, 1, whole, file) == whole;
  const size_t size = (size_t)elem_bytes(array->elem);
  for (int64_t i = 0; i < array->size; i++) {
    uint8_t bytes[8];
    const uint8_t *from = (const uint8_t *)array->data + (size_t)i * size;
    for (size_t b = 0; b < size; b++) bytes[b] = from[size - 1 - b];
    if (fwrite(bytes, 1, size, file) != size) return false;
  }
  return true;
}

bool arrays_save(const Arrays *arrays, const char *path) {
  static const char *const types[ELEMS] = {[F32] = "F32", [I32] = "I32", [U8] = "U8",
                                           [I8] = "I8",   [I16] = "I16", [I64] = "I64"};
  Text head = {.arena = arrays->arena};
  int64_t at = 0;
  text_put(&head, "{");
  if (arrays->note || arrays->net) text_put(&head, "\"__metadata__\":{");
  if (arrays->note) {
    text_put(&head, "\"cnnc.quantization\":");
    text_json(&head, arrays->note);
  }
  if (arrays->net) {
    text_put(&head, "%s\"net\":", arrays->note ? "," : "");
    text_json(&head, arrays->net);
  }
  if (arrays->note || arrays->net) text_put(&head, "}");
  for (int i = 0; i < arrays->list.n; i++) {
    const NamedArray *a = &arrays->list.data[i];
    text_put(&head, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i || arrays->note || arrays->net ? "," : "",
             a->name, types[a->elem]);
    for (int d = 0; d < a->rank; d++) text_put(&head, "%s%" PRId64, d ? "," : "", a->dim[d]);
    const int64_t bytes = a->size * elem_bytes(a->elem);
    text_put(&head, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", at, at + bytes);
    at += bytes;
  }
  text_put(&head, "}");
  while (head.n % 8) text_put(&head, " ");
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  uint8_t length[8];
  for (int b = 0; b < 8; b++) length[b] = (uint8_t)((uint64_t)head.n >> (8 * b));
  bool good = fwrite(length, 1, 8, file) == 8 && fwrite(head.s, 1, head.n, file) == head.n;
  for (int i = 0; good && i < arrays->list.n; i++) good = write_array(file, &arrays->list.data[i]);
  return fclose(file) == 0 && good;
}
