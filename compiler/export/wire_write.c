/* wire_write.c: Serialization of structures in the wire format of protocol buffers. An inner message is
 * preceded by its length, so the length is computed before the message is written. The length is computed
 * again for each message around it. This is cheap, because messages are nested only a few levels deep. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/common/wire.h"

enum { VARINT = 0, LENGTH = 2, FOUR = 5 };

static size_t varint_size(uint64_t value) {
  size_t n = 1;
  while (value >>= 7) n++;
  return n;
}

static bool put_varint(FILE *file, uint64_t value) {
  for (; value > 127; value >>= 7)
    if (putc((int)(value & 127) | 128, file) == EOF) return false;
  return putc((int)value, file) != EOF;
}

static bool put_key(FILE *file, const WireField *field, unsigned type) {
  return put_varint(file, (uint64_t)field->number << 3 | type);
}

static size_t key_size(const WireField *field) { return varint_size((uint64_t)field->number << 3); }

static size_t ints_size(const WireInts *ints) {
  size_t n = 0;
  for (int i = 0; i < ints->n; i++) n += varint_size((uint64_t)ints->data[i]);
  return n;
}

/* The size of a field with a key, a length and n bytes. */
static size_t long_size(const WireField *field, size_t n) { return key_size(field) + varint_size(n) + n; }

static bool put_long(FILE *file, const WireField *field, const void *bytes, size_t n) {
  return put_key(file, field, LENGTH) && put_varint(file, n) && fwrite(bytes, 1, n, file) == n;
}

static const void *field_place(const WireField *field, const void *message) {
  return (const uint8_t *)message + field->offset;
}

static size_t field_size(const WireField *field, const void *message) {
  const void *place = field_place(field, message);
  size_t n = 0;
  switch (field->kind) {
  case WIRE_INT: {
    const int64_t value = *(const int64_t *)place;
    return value ? key_size(field) + varint_size((uint64_t)value) : 0;
  }
  case WIRE_FLOAT: return *(const float *)place != 0 ? key_size(field) + 4 : 0;
  case WIRE_TEXT: n = *(const char *const *)place ? strlen(*(const char *const *)place) : 0; break;
  case WIRE_INTS: n = ints_size(place); break;
  case WIRE_TEXTS: {
    const WireTexts *texts = place;
    for (int i = 0; i < texts->n; i++) n += long_size(field, strlen(texts->data[i]));
    return n;
  }
  case WIRE_MESSAGE: {
    const void *inner = *(void *const *)place;
    return inner ? long_size(field, wire_size(field->of, inner)) : 0;
  }
  case WIRE_MESSAGES: {
    const WireList *list = place;
    for (int i = 0; i < list->n; i++) n += long_size(field, wire_size(field->of, list->data[i]));
    return n;
  }
  default: n = ((const WireBytes *)place)->n; break;
  }
  return n ? long_size(field, n) : 0;
}

size_t wire_size(const WireMessage *of, const void *message) {
  size_t n = 0;
  for (const WireField *field = of->field; field->kind != WIRE_END; field++) n += field_size(field, message);
  return n;
}

static bool put_inner(FILE *file, const WireField *field, const void *message) {
  return put_key(file, field, LENGTH) && put_varint(file, wire_size(field->of, message)) &&
         wire_write(file, field->of, message);
}

static bool write_float(FILE *file, const WireField *field, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint8_t bytes[] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
  return put_key(file, field, FOUR) && fwrite(bytes, 1, 4, file) == 4;
}

static bool put_ints(FILE *file, const WireField *field, const WireInts *ints) {
  bool good = put_key(file, field, LENGTH) && put_varint(file, ints_size(ints));
  for (int i = 0; good && i < ints->n; i++) good = put_varint(file, (uint64_t)ints->data[i]);
  return good;
}

/* Writes a field; the caller omits empty fields, whose field_size is 0. */
static bool write_field(FILE *file, const WireField *field, const void *message) {
  const void *place = field_place(field, message);
  bool good = true;
  switch (field->kind) {
  case WIRE_INT: return put_key(file, field, VARINT) && put_varint(file, (uint64_t)*(const int64_t *)place);
  case WIRE_FLOAT: return write_float(file, field, *(const float *)place);
  case WIRE_TEXT: {
    const char *text = *(const char *const *)place;
    return put_long(file, field, text, strlen(text));
  }
  case WIRE_INTS: return put_ints(file, field, place);
  case WIRE_TEXTS: {
    const WireTexts *texts = place;
    for (int i = 0; good && i < texts->n; i++)
      good = put_long(file, field, texts->data[i], strlen(texts->data[i]));
    return good;
  }
  case WIRE_MESSAGE: return put_inner(file, field, *(void *const *)place);
  case WIRE_MESSAGES: {
    const WireList *list = place;
    for (int i = 0; good && i < list->n; i++) good = put_inner(file, field, list->data[i]);
    return good;
  }
  default: {
    const WireBytes *bytes = place;
    return put_long(file, field, bytes->at, bytes->n);
  }
  }
}

bool wire_write(FILE *file, const WireMessage *of, const void *message) {
  for (const WireField *field = of->field; field->kind != WIRE_END; field++)
    if (field_size(field, message) && !write_field(file, field, message)) return false;
  return true;
}
