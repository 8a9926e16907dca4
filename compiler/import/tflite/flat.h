/* flat.h: Reader of FlatBuffers, without copies. Even for invalid files, it reads nothing outside of the
 * bytes: it checks each offset, vector and vtable on use. Parts that are out of range count as missing. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FLAT_H
#define CNNC_FLAT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Flat {
  const uint8_t *bytes;
  size_t n;
  bool broken; /* an offset or a size was out of range */
} Flat;

/* `at`, also in FlatVector: position of the table's start or of the vector's first element; 0: none. */
typedef struct FlatTable {
  size_t at, fields; /* fields: position of the vtable */
  uint32_t count;    /* number of fields in the vtable */
} FlatTable;
typedef struct FlatVector {
  size_t at;
  uint32_t n;
} FlatVector;

FlatTable flat_root(Flat *);
/* A number of `bytes` bytes in two's complement; `otherwise` if the field is missing. */
int64_t flat_int(Flat *, FlatTable, int field, int bytes, int64_t otherwise);
float flat_float(Flat *, FlatTable, int field, float otherwise);
FlatTable flat_table(Flat *, FlatTable, int field);
FlatVector flat_vector(Flat *, FlatTable, int field,
                       size_t element);                  /* element: size of an element, in bytes */
FlatTable flat_table_at(Flat *, FlatVector, uint32_t i); /* element of a vector of tables */
int64_t flat_int_at(const Flat *, FlatVector, uint32_t i, int bytes);
float flat_float_at(const Flat *, FlatVector, uint32_t i);

/* ---- tflite_sparse.c ---- */
/* Stores the numbers of a sparse TensorFlow Lite tensor, `width` bytes each, at their positions in `to`. The
 * caller sets all bytes of `to` to 0 before the call. False: the metadata, the indices or the number of
 * values is invalid. */
bool flat_dense(Flat *, FlatTable sparsity, int rank, const int64_t *dim, FlatVector values, int width,
                uint8_t *to);
#endif
