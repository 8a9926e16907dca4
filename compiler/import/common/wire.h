/* wire.h: Wire format of protocol buffers, read and written with field tables (onnx_schema.def). Whatever the
 * bytes are, the reader reads nothing outside of them, and the number of bytes limits the size of its
 * allocations. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WIRE_H
#define CNNC_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/arena.h"

typedef struct WireBytes {
  const uint8_t *at; /* points into the file, unless the field was split into several pieces */
  size_t n, room;
} WireBytes;
typedef struct WireInts {
  int64_t *data;
  int n, room;
} WireInts;
typedef struct WireTexts {
  const char **data;
  int n, room;
} WireTexts;
typedef struct WireList {
  void **data;
  int n, room;
} WireList;

typedef enum WireKind {
  WIRE_END,
  WIRE_INT,
  WIRE_FLOAT,
  WIRE_TEXT, /* never NULL */
  WIRE_BYTES,
  WIRE_MESSAGE, /* if the field occurs several times, the last message; NULL: there is none */
  WIRE_INTS,
  WIRE_FIXED4, /* floats, packed or not, as bytes */
  WIRE_FIXED8,
  WIRE_TEXTS,
  WIRE_MESSAGES,
} WireKind;

typedef struct WireMessage WireMessage;
typedef struct WireField {
  WireKind kind;
  uint32_t number;
  size_t offset; /* offset in the structure of the field's message */
  const WireMessage *of;
} WireField;
struct WireMessage {
  const char *name;
  size_t size;
  const WireField *field; /* the list ends with WIRE_END */
};

typedef struct Wire {
  Arena *arena;
  const char *why; /* the error, if there is one */
  int messages;    /* number of messages, and of texts in lists, read so far */
} Wire;

/* Reads a message; NULL if the bytes are invalid, with the reason in `why`. */
void *wire_read(Wire *, const WireMessage *, const uint8_t *bytes, size_t n);
/* wire_size: the serialized size of a structure, in bytes. wire_write writes the structure. Zeros, empty
 * texts and empty lists are omitted. wire_write returns false after an error, and errno has the reason. */
size_t wire_size(const WireMessage *, const void *message);
bool wire_write(FILE *, const WireMessage *, const void *message);
/* Reads a little-endian number of n bytes, on machines of any byte order. */
uint64_t wire_little(const uint8_t *bytes, int n);
float wire_float(const uint8_t *bytes);
double wire_double(const uint8_t *bytes);
#endif
