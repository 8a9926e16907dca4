/* flat.h: FlatBuffers, read in place. For any bytes, nothing outside them is read: each offset, vector and
 * table of fields is checked on use; if it is missing, or not inside, it is absent. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FLAT_H
#define CNNC_FLAT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Flat {
  const uint8_t *bytes;
  size_t n;
  bool broken; /* something pointed outside */
} Flat;

/* Positions of the start of a table or of the first element of a vector; 0: there is none. */
typedef struct FlatTable {
  size_t at, fields; /* fields: its table of them */
  uint32_t count;    /* fields in it */
} FlatTable;
typedef struct FlatVector {
  size_t at;
  uint32_t n;
} FlatVector;

FlatTable flat_root(Flat *);
/* A number of that number of bytes, in two's complement if signed; otherwise if the table has none. */
int64_t flat_int(Flat *, FlatTable, int field, int bytes, int64_t otherwise);
float flat_float(Flat *, FlatTable, int field, float otherwise);
FlatTable flat_table(Flat *, FlatTable, int field);
FlatVector flat_vector(Flat *, FlatTable, int field, size_t element); /* of elements of that size */
FlatTable flat_table_at(Flat *, FlatVector, uint32_t i);              /* of a vector of tables */
int64_t flat_int_at(const Flat *, FlatVector, uint32_t i, int bytes);
float flat_float_at(const Flat *, FlatVector, uint32_t i);

/* ---- tflite_sparse.c ---- */
/* The numbers of a sparse tensor of TensorFlow Lite, `width` bytes each, in their places in `to`, which is
 * zeros. false: its indices do not fit. */
bool flat_dense(Flat *, FlatTable sparsity, int rank, const int64_t *dim, FlatVector values, int width,
                uint8_t *to);
#endif
