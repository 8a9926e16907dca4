/* flat.c: Reader of the FlatBuffers format: a table begins with the distance back to its vtable. The vtable
 * has its own size, the size of the table, and for each field its offset in the table; 0: the field is
 * missing. */
// SPDX-License-Identifier: Apache-2.0
#include "import/tflite/flat.h"
#include <string.h>
#include "import/common/wire.h"

enum { OFFSET = 4, HEAD = 4 }; /* bytes of an offset; bytes of a vtable's header */

static bool flat_inside(Flat *flat, size_t at, size_t n) {
  if (at <= flat->n && n <= flat->n - at) return true;
  flat->broken = true;
  return false;
}

static uint32_t flat_word(const Flat *flat, size_t at) {
  return (uint32_t)wire_little(flat->bytes + at, OFFSET);
}

static FlatTable flat_table_from(Flat *flat, size_t at) {
  const FlatTable none = {0};
  if (!flat_inside(flat, at, OFFSET)) return none;
  const int64_t fields = (int64_t)at - (int32_t)flat_word(flat, at);
  if (fields < 0 || !flat_inside(flat, (size_t)fields, HEAD)) return flat->broken = true, none;
  const size_t size = (size_t)wire_little(flat->bytes + fields, 2);
  if (size < HEAD || !flat_inside(flat, (size_t)fields, size)) return flat->broken = true, none;
  return (FlatTable){at, (size_t)fields, (uint32_t)(size - HEAD) / 2};
}

FlatTable flat_root(Flat *flat) {
  return flat_inside(flat, 0, 2 * OFFSET) ? flat_table_from(flat, flat_word(flat, 0)) : (FlatTable){0};
}

/* The position of a field with n bytes; 0: the field is missing or out of range. */
static size_t flat_place(Flat *flat, FlatTable table, int field, size_t n) {
  if (!table.at || field >= (int)table.count) return 0;
  const size_t offset = (size_t)wire_little(flat->bytes + table.fields + HEAD + 2 * field, 2);
  return offset && flat_inside(flat, table.at + offset, n) ? table.at + offset : 0;
}

static int64_t signed_number(const uint8_t *bytes, int n) {
  const uint64_t value = wire_little(bytes, n), sign = UINT64_C(1) << (8 * n - 1);
  return (int64_t)((value ^ sign) - sign);
}

int64_t flat_int(Flat *flat, FlatTable table, int field, int bytes, int64_t otherwise) {
  const size_t at = flat_place(flat, table, field, (size_t)bytes);
  return at ? signed_number(flat->bytes + at, bytes) : otherwise;
}

float flat_float(Flat *flat, FlatTable table, int field, float otherwise) {
  const size_t at = flat_place(flat, table, field, sizeof(float));
  return at ? wire_float(flat->bytes + at) : otherwise;
}

/* The position to which the offset stored at `at` points; 0: out of range. */
static size_t target(Flat *flat, size_t at) {
  const size_t to = at + flat_word(flat, at);
  return flat_inside(flat, to, OFFSET) ? to : 0;
}

FlatTable flat_table(Flat *flat, FlatTable table, int field) {
  const size_t at = flat_place(flat, table, field, OFFSET), to = at ? target(flat, at) : 0;
  return to ? flat_table_from(flat, to) : (FlatTable){0};
}

FlatVector flat_vector(Flat *flat, FlatTable table, int field, size_t element) {
  const size_t at = flat_place(flat, table, field, OFFSET), to = at ? target(flat, at) : 0;
  if (!to) return (FlatVector){0};
  const uint32_t n = flat_word(flat, to);
  return flat_inside(flat, to + OFFSET, n * element) ? (FlatVector){to + OFFSET, n} : (FlatVector){0};
}

FlatTable flat_table_at(Flat *flat, FlatVector vector, uint32_t i) {
  const size_t to = i < vector.n ? target(flat, vector.at + i * OFFSET) : 0;
  return to ? flat_table_from(flat, to) : (FlatTable){0};
}

int64_t flat_int_at(const Flat *flat, FlatVector vector, uint32_t i, int bytes) {
  return i < vector.n ? signed_number(flat->bytes + vector.at + i * (size_t)bytes, bytes) : 0;
}

float flat_float_at(const Flat *flat, FlatVector vector, uint32_t i) {
  return i < vector.n ? wire_float(flat->bytes + vector.at + i * sizeof(float)) : 0;
}
