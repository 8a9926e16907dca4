/* events.c: Scalars for TensorBoard. An event file consists of records: the length of a message (8 bytes), a
 * checksum of the length, the message, and a checksum of the message; all numbers are little-endian. A
 * message is a protocol buffer, Event of tensorflow/core/util/event.proto. Only seven fields are needed, so
 * this code does not use protobuf-c. The event file of a run keeps its name and its first bytes when the run
 * is resumed, so TensorBoard continues to read it. */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <string.h>

#include "hosted/training/journal.h"

enum { MOST = 16384 }; /* maximum bytes of a message: CNN_COLUMNS values with names of up to 71 bytes */

typedef struct Message {
  unsigned char byte[MOST];
  size_t length;
} Message;

/* CRC-32C (Castagnoli). A table is not needed, because an epoch adds only a few hundred bytes. The result is
 * masked (rotated, plus a constant), as TensorFlow does with checksums that are stored with their data. */
static uint32_t checksum(const unsigned char *byte, size_t n) {
  uint32_t crc = 0xFFFFFFFF;
  for (size_t i = 0; i < n; i++) {
    crc ^= byte[i];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xA282EAD8;
}

static void put_bytes(Message *message, const void *bytes, size_t n) {
  if (n > MOST - message->length) return;
  memcpy(message->byte + message->length, bytes, n);
  message->length += n;
}

static void put_fixed(Message *message, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) put_bytes(message, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

static void put_varint(Message *message, uint64_t value) {
  for (; value > 127; value >>= 7) put_fixed(message, (value & 127) | 128, 1);
  put_fixed(message, value, 1);
}

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */
static void put_key(Message *message, unsigned field, unsigned wire) {
  put_varint(message, field << 3 | wire);
}

static void put_text(Message *message, unsigned field, const void *text, size_t n) {
  put_key(message, field, BYTES);
  put_varint(message, n);
  put_bytes(message, text, n);
}

static void put_double(Message *message, unsigned field, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(message, field, FIXED64);
  put_fixed(message, bits, 8);
}

static void put_float(Message *message, unsigned field, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(message, field, FIXED32);
  put_fixed(message, bits, 4);
}

static void write_record(FILE *stream, const Message *message) {
  Message head = {.length = 0}, tail = {.length = 0};
  put_fixed(&head, message->length, 8);
  put_fixed(&head, checksum(head.byte, 8), 4);
  put_fixed(&tail, checksum(message->byte, message->length), 4);
  fwrite(head.byte, 1, head.length, stream);
  fwrite(message->byte, 1, message->length, stream);
  fwrite(tail.byte, 1, tail.length, stream); /* an error is reported when the stream is flushed */
}

/* The fields of Event: 1 wall_time, 2 step, 3 file_version, 5 summary; of Summary: 1 value; of Value: 1 tag,
 * 2 simple_value. */
static void write_version(FILE *stream, double time) {
  static const char version[] = "brain.Event:2";
  Message event = {.length = 0};
  put_double(&event, 1, time);
  put_text(&event, 3, version, sizeof version - 1);
  write_record(stream, &event);
}

void cnn_events_write(cnn_journal *journal, const cnn_epoch *epoch, const cnn_column *column,
                      int32_t columns) {
  if (!journal->titled) write_version(journal->stream, epoch->time);
  journal->titled = true;
  Message summary = {.length = 0}, event = {.length = 0};
  for (int32_t i = 0; i < columns; i++) {
    if (!isfinite(column[i].value)) continue;
    Message value = {.length = 0};
    put_text(&value, 1, column[i].name, strlen(column[i].name));
    put_float(&value, 2, (float)column[i].value);
    put_text(&summary, 1, value.byte, value.length);
  }
  put_double(&event, 1, epoch->time);
  put_key(&event, 2, VARINT);
  put_varint(&event, (uint64_t)epoch->step);
  put_text(&event, 5, summary.byte, summary.length);
  write_record(journal->stream, &event);
}
