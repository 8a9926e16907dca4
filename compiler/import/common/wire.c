/* wire.c: Reader of the wire format of protocol buffers. */
// SPDX-License-Identifier: Apache-2.0
#include "import/common/wire.h"
#include <stdbool.h>
#include <string.h>

enum { MOST_MESSAGES = 1 << 21 };
typedef enum WireType { TYPE_VARINT, TYPE_EIGHT, TYPE_BYTES, TYPE_FOUR = 5 } WireType;

uint64_t wire_little(const uint8_t *bytes, int n) {
  uint64_t value = 0;
  for (int b = 0; b < n; b++) value |= (uint64_t)bytes[b] << (8 * b);
  return value;
}

float wire_float(const uint8_t *bytes) {
  const uint32_t bits = (uint32_t)wire_little(bytes, 4);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

double wire_double(const uint8_t *bytes) {
  const uint64_t bits = wire_little(bytes, 8);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static bool wrong(Wire *wire, const char *why) {
  wire->why = why;
  return false;
}

static bool take_varint(Wire *wire, WireBytes *in, uint64_t *value) {
  *value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (in->n == 0) return wrong(wire, "it ends within a number");
    const uint8_t byte = *in->at++;
    in->n--;
    if (shift < 64) *value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) return true;
  }
  return wrong(wire, "a number has more than ten bytes");
}

/* Contents of a field: a number if its type is TYPE_VARINT, otherwise bytes. */
typedef struct Content {
  WireType type;
  uint64_t number;
  WireBytes bytes;
} Content;

static bool take_content(Wire *wire, WireBytes *in, Content *content) {
  uint64_t n = content->type == TYPE_EIGHT ? 8 : 4;
  if (content->type == TYPE_VARINT) return take_varint(wire, in, &content->number);
  if (content->type == TYPE_BYTES && !take_varint(wire, in, &n)) return false;
  if (n > in->n) return wrong(wire, "a field is longer than its message");
  content->bytes = (WireBytes){in->at, (size_t)n, 0};
  in->at += n;
  in->n -= (size_t)n;
  return true;
}

static bool read_wire_ints(Wire *wire, WireInts *ints, Content *content) {
  if (content->type == TYPE_VARINT) vec_push(wire->arena, *ints, (int64_t)content->number);
  else if (content->type != TYPE_BYTES)
    return wrong(wire, "a field has a different type than its field number requires");
  while (content->type == TYPE_BYTES && content->bytes.n > 0) {
    uint64_t value;
    if (ints->n == INT32_MAX / 2) return wrong(wire, "a list is too long");
    if (!take_varint(wire, &content->bytes, &value)) return false;
    vec_push(wire->arena, *ints, (int64_t)value);
  }
  return true;
}

/* Appends bytes to a field. The first bytes are not copied: the field points into the file. When more bytes
 * follow, all bytes are copied. */
static void put_bytes(Wire *wire, WireBytes *all, const WireBytes *more) {
  if (all->n == 0) {
    *all = (WireBytes){more->at, more->n, 0};
    return;
  }
  if (all->n + more->n > all->room) {
    uint8_t *copy = arena_alloc(wire->arena, 2 * (all->n + more->n));
    memcpy(copy, all->at, all->n);
    *all = (WireBytes){copy, all->n, 2 * (all->n + more->n)};
  }
  uint8_t *end = (uint8_t *)(uintptr_t)all->at + all->n; /* end of the bytes in the copy */
  memcpy(end, more->at, more->n);
  all->n += more->n;
}

static const char *wire_text(Wire *wire, const WireBytes *bytes) {
  return arena_copy(wire->arena, (const char *)bytes->at, bytes->n);
}

static bool too_many(Wire *wire) { return wrong(wire, "it has more than two million messages and strings"); }

static bool read_wire_message(Wire *wire, const WireField *field, uint8_t *place, const WireBytes *bytes) {
  if (wire->messages == MOST_MESSAGES) return too_many(wire);
  void *message = wire_read(wire, field->of, bytes->at, bytes->n);
  if (!message) return false;
  if (field->kind == WIRE_MESSAGE) {
    memcpy(place, &message, sizeof message);
    return true;
  }
  WireList *list = (WireList *)(void *)place;
  vec_push(wire->arena, *list, message);
  return true;
}

static bool type_fits(WireKind kind, WireType type) {
  switch (kind) {
  case WIRE_INT: return type == TYPE_VARINT;
  case WIRE_FLOAT: return type == TYPE_FOUR;
  case WIRE_INTS: return type == TYPE_VARINT || type == TYPE_BYTES;
  case WIRE_FIXED4: return type == TYPE_FOUR || type == TYPE_BYTES;
  case WIRE_FIXED8: return type == TYPE_EIGHT || type == TYPE_BYTES;
  default: return type == TYPE_BYTES;
  }
}

static bool read_wire_field(Wire *wire, const WireField *field, void *message, Content *content) {
  uint8_t *place = (uint8_t *)message + field->offset;
  if (!type_fits(field->kind, content->type))
    return wrong(wire, "a field has a different type than its field number requires");
  switch (field->kind) {
  case WIRE_INT: *(int64_t *)(void *)place = (int64_t)content->number; return true;
  case WIRE_FLOAT: *(float *)(void *)place = wire_float(content->bytes.at); return true;
  case WIRE_TEXT: *(const char **)(void *)place = wire_text(wire, &content->bytes); return true;
  case WIRE_TEXTS: {
    WireTexts *texts = (WireTexts *)(void *)place;
    if (wire->messages++ == MOST_MESSAGES) return too_many(wire);
    vec_push(wire->arena, *texts, wire_text(wire, &content->bytes));
    return true;
  }
  case WIRE_INTS: return read_wire_ints(wire, (WireInts *)(void *)place, content);
  case WIRE_BYTES: *(WireBytes *)(void *)place = content->bytes; return true;
  case WIRE_FIXED4:
  case WIRE_FIXED8: put_bytes(wire, (WireBytes *)(void *)place, &content->bytes); return true;
  default: return read_wire_message(wire, field, place, &content->bytes);
  }
}

void *wire_read(Wire *wire, const WireMessage *of, const uint8_t *bytes, size_t n) {
  WireBytes in = {bytes, n, 0};
  void *message = arena_alloc(wire->arena, of->size);
  wire->messages++;
  for (const WireField *field = of->field; field->kind != WIRE_END; field++)
    if (field->kind == WIRE_TEXT) *(const char **)(void *)((uint8_t *)message + field->offset) = "";
  while (in.n > 0) {
    uint64_t key;
    if (!take_varint(wire, &in, &key)) return NULL;
    Content content = {.type = (WireType)(key & 7)};
    if (key >> 3 == 0 || content.type == 3 || content.type == 4 || content.type > TYPE_FOUR)
      return wrong(wire, "not an ONNX file: a field has an invalid type"), NULL;
    if (!take_content(wire, &in, &content)) return NULL;
    const WireField *field = of->field;
    while (field->kind != WIRE_END && field->number != key >> 3) field++;
    if (field->kind != WIRE_END && !read_wire_field(wire, field, message, &content)) return NULL;
  }
  return message;
}
