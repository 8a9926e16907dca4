/* elem.h: Element types of values and of loop nests. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ELEM_H
#define CNNC_ELEM_H
#include <stdbool.h>

/* BF16: the upper half of a float; F16: IEEE's half precision. Only memory contains elements of these two
 * types: a load converts an element to float, and a store converts a float back. */
typedef enum Elem { F32, I32, U8, I8, I16, I64, BF16, F16 } Elem;
enum { ELEMS = 8 };
static inline bool elem_is_half(Elem elem) { return elem == BF16 || elem == F16; }

static inline int elem_bytes(Elem elem) {
  static const int bytes[ELEMS] = {[F32] = 4, [I32] = 4, [U8] = 1,   [I8] = 1,
                                   [I16] = 2, [I64] = 8, [BF16] = 2, [F16] = 2};
  return bytes[elem];
}

static inline const char *elem_name(Elem elem) {
  static const char *const name[ELEMS] = {[F32] = "f32", [I32] = "i32", [U8] = "u8",     [I8] = "i8",
                                          [I16] = "i16", [I64] = "i64", [BF16] = "bf16", [F16] = "f16"};
  return name[elem];
}

static inline const char *elem_c_type(Elem elem) {
  static const char *const type[ELEMS] = {[F32] = "float",     [I32] = "int32_t", [U8] = "uint8_t",
                                          [I8] = "int8_t",     [I16] = "int16_t", [I64] = "int64_t",
                                          [BF16] = "uint16_t", [F16] = "uint16_t"};
  return type[elem];
}
#endif
