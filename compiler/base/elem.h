/* elem.h: types of the elements of values, and of what loop nests compute with. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ELEM_H
#define CNNC_ELEM_H

typedef enum Elem { F32, I32, U8, I8 } Elem;
enum { ELEMS = 4 };

static inline int elem_bytes(Elem elem) { return elem == U8 || elem == I8 ? 1 : 4; }

static inline const char *elem_name(Elem elem) {
  static const char *const name[ELEMS] = {[F32] = "f32", [I32] = "i32", [U8] = "u8", [I8] = "i8"};
  return name[elem];
}

static inline const char *elem_c_type(Elem elem) {
  static const char *const type[ELEMS] = {
      [F32] = "float", [I32] = "int32_t", [U8] = "uint8_t", [I8] = "int8_t"};
  return type[elem];
}
#endif
