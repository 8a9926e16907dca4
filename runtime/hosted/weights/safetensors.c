/* safetensors.c: Reader and writer of .safetensors. The checks follow the format's documentation and its
 * reference implementation: https://huggingface.co/docs/safetensors */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/safetensors.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/json.h"
#include "hosted/weights/notes.h"

enum { HEADER_MOST = 100000000 };

static uint64_t little_endian(const unsigned char *at) {
  uint64_t value = 0;
  for (int b = 7; b >= 0; b--) value = value << 8 | at[b];
  return value;
}

static int dtype_find(const char *name) {
  for (int t = 0; t < CNN_DTYPE_OTHER; t++)
    if (strcmp(cnn_dtype_name((cnn_dtype)t), name) == 0) return t;
  return -1;
}

/* Reads a count or an offset in the header: a non-negative integer. */
static bool whole(const json_t *value, int64_t *number) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
  *number = json_integer_value(value);
  return true;
}

/* Reads one entry of the header. The tensor's bytes are from *begin to *end, counted from the end of the
 * header. */
static cnn_status tensor_parse(cnn_tensor *tensor, const char *path, const json_t *entry, int64_t *begin,
                               int64_t *end) {
  const char *dtype = json_string_value(json_object_get(entry, "dtype"));
  const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
  int type = dtype ? dtype_find(dtype) : -1;
  if (!dtype) return cnn_failure(CNN_BAD_FORMAT, "%s: tensor \"%.200s\" has no dtype", path, tensor->name);
  if (type < 0)
    return cnn_failure(CNN_BAD_FORMAT, "%s: tensor \"%.200s\" has the unknown dtype \"%.40s\"", path,
                       tensor->name, dtype);
  tensor->dtype = (cnn_dtype)type;
  if (!json_is_array(shape))
    return cnn_failure(CNN_BAD_FORMAT, "%s: tensor \"%.200s\" has no shape", path, tensor->name);
  if (json_array_size(shape) > CNN_TENSOR_RANK)
    return cnn_failure(CNN_BAD_FORMAT, "%s: tensor \"%.200s\" has %zu dimensions; the limit is %d", path,
                       tensor->name, json_array_size(shape), CNN_TENSOR_RANK);
  tensor->rank = (int32_t)json_array_size(shape);
  for (int32_t d = 0; d < tensor->rank; d++)
    if (!whole(json_array_get(shape, (size_t)d), &tensor->dim[d]))
      return cnn_failure(CNN_BAD_FORMAT, "%s: dimension %d of tensor \"%.200s\" is not a size", path, d,
                         tensor->name);
  if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !whole(json_array_get(offsets, 0), begin) ||
      !whole(json_array_get(offsets, 1), end))
    return cnn_failure(CNN_BAD_FORMAT, "%s: the data_offsets of tensor \"%.200s\" are not two offsets", path,
                       tensor->name);
  if (!cnn_tensor_measure(tensor))
    return cnn_failure(CNN_BAD_FORMAT, "%s: the size of tensor \"%.200s\" overflows", path, tensor->name);
  if (*end < *begin || (uint64_t)(*end - *begin) != tensor->bytes)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: tensor \"%.200s\" needs %zu bytes, but its data_offsets are %lld to %lld", path,
                       tensor->name, tensor->bytes, (long long)*begin, (long long)*end);
  return cnn_success();
}

typedef struct Place {
  int64_t begin, end;
  const char *name;
} Place;

static int place_order(const void *a, const void *b) {
  const Place *p = a, *q = b;
  if (p->begin != q->begin) return p->begin < q->begin ? -1 : 1;
  return p->end < q->end ? -1 : p->end > q->end;
}

/* Checks that tensors cover the buffer, without overlaps, gaps or unused bytes at the end. */
static cnn_status places_check(const char *path, Place *place, int32_t count, size_t buffer) {
  if (count > 0) qsort(place, (size_t)count, sizeof *place, place_order);
  int64_t at = 0;
  for (int32_t i = 0; i < count; i++) {
    if (place[i].begin != at)
      return cnn_failure(
          CNN_BAD_FORMAT,
          "%s: tensor \"%.200s\" begins at byte %lld of the data, %s byte %lld, where it must begin", path,
          place[i].name, (long long)place[i].begin, place[i].begin < at ? "before" : "after", (long long)at);
    at = place[i].end;
  }
  if ((uint64_t)at != buffer)
    return cnn_failure(CNN_BAD_FORMAT, "%s: %s: the header describes %lld bytes of data, but %zu follow it",
                       path, (uint64_t)at > buffer ? "is cut off" : "contains bytes that belong to no tensor",
                       (long long)at, buffer);
  return cnn_success();
}

static const char *text_keep(cnn_archive *archive, const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = cnn_archive_alloc(archive, n);
  if (copy) memcpy(copy, text, n);
  return copy;
}

/* Whether the tensors of each type are sorted by name, as the safetensors package writes them. Files that
 * name their net, or another framework than PyTorch, have the order of the net. */
static bool sorted_by_name(const cnn_archive *archive) {
  const char *format = cnn_archive_note(archive, "format");
  if (cnn_archive_note(archive, "net") || (format && strcmp(format, "pt") != 0)) return false;
  for (int32_t t = 1; t < archive->count; t++) {
    const cnn_tensor *tensor = &archive->tensor[t];
    if (tensor[-1].dtype == tensor->dtype && strcmp(tensor[-1].name, tensor->name) > 0) return false;
  }
  return true;
}

static cnn_status header_parse(cnn_archive *archive, const char *path, json_t *header,
                               const unsigned char *data, size_t n) {
  size_t entries = json_object_size(header);
  archive->tensor = cnn_archive_alloc(archive, sizeof *archive->tensor * entries + 1);
  Place *place = cnn_archive_alloc(archive, sizeof *place * entries + 1);
  if (!archive->tensor || !place) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  const char *name;
  json_t *entry;
  json_object_foreach(header, name, entry) {
    cnn_status status;
    if (strcmp(name, "__metadata__") == 0) {
      status = cnn_notes_parse(archive, path, entry);
      if (status.code != CNN_OK) return status;
      continue;
    }
    if (!json_is_object(entry))
      return cnn_failure(CNN_BAD_FORMAT, "%s: the entry of tensor \"%.200s\" is not an object", path, name);
    cnn_tensor *tensor = &archive->tensor[archive->count];
    Place *here = &place[archive->count++];
    tensor->name = here->name = text_keep(archive, name);
    if (!tensor->name) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
    tensor->swapped = cnn_machine_big_endian();
    status = tensor_parse(tensor, path, entry, &here->begin, &here->end);
    if (status.code != CNN_OK) return status;
    if ((uint64_t)here->end > n)
      return cnn_failure(
          CNN_BAD_FORMAT,
          "%s: is cut off: tensor \"%.200s\" ends at byte %lld of the data, but the file has %zu", path, name,
          (long long)here->end, n);
    tensor->data = data + here->begin;
  }
  archive->by_name = sorted_by_name(archive);
  return places_check(path, place, archive->count, n);
}

cnn_status cnn_safetensors_parse(cnn_archive *archive, const char *path, const unsigned char *bytes,
                                 size_t n) {
  if (n < 8)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is neither .npz nor safetensors: %zu bytes are too short", path,
                       n);
  uint64_t length = little_endian(bytes);
  if (length > HEADER_MOST)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: is neither .npz nor safetensors: its first 8 bytes give a header of %llu "
                       "bytes; at most %d are allowed",
                       path, (unsigned long long)length, HEADER_MOST);
  if (length > n - 8)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off: the header has %llu bytes, but the file has %zu",
                       path, (unsigned long long)length, n);
  if (length < 2 || bytes[8] != '{')
    return cnn_failure(CNN_BAD_FORMAT, "%s: is neither .npz nor safetensors: no '{' at byte 8", path);
  json_error_t error;
  errno = 0; /* jansson reports a lack of memory like an error in the text; only errno differs */
  json_t *header = json_loadb((const char *)bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &error);
  if (!header && errno == ENOMEM) return cnn_failure(CNN_NO_MEMORY, "%s: no memory to read its header", path);
  if (!header)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the header is invalid JSON at byte %d: %s", path,
                       error.position < 0 ? 8 : 8 + error.position, error.text);
  cnn_status status = header_parse(archive, path, header, bytes + 8 + length, n - 8 - (size_t)length);
  json_decref(header);
  return status;
}

/* ---- Writing */

static int tensor_order(const void *a, const void *b) {
  const cnn_tensor *p = *(const cnn_tensor *const *)a, *q = *(const cnn_tensor *const *)b;
  if (p->dtype != q->dtype) return p->dtype > q->dtype ? -1 : 1;
  return strcmp(p->name, q->name);
}

static json_t *header_make(const cnn_tensor *const *order, int32_t count, const cnn_note *note,
                           int32_t notes) {
  json_t *header = json_object();
  int failed = 0;
  if (notes > 0) { failed |= json_object_set_new(header, "__metadata__", cnn_notes_make(note, notes)); }
  json_int_t at = 0;
  for (int32_t i = 0; i < count; i++) {
    json_t *shape = json_array();
    for (int32_t d = 0; d < order[i]->rank; d++)
      failed |= json_array_append_new(shape, json_integer(order[i]->dim[d]));
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", cnn_dtype_name(order[i]->dtype), "shape",
                              shape, "data_offsets", at, at + (json_int_t)order[i]->bytes);
    failed |= json_object_set_new(header, order[i]->name, entry);
    at += (json_int_t)order[i]->bytes;
  }
  if (!failed) return header;
  json_decref(header);
  return NULL;
}

/* The format is little-endian on every machine. */
static void tensor_put(cnn_writer *writer, const cnn_tensor *tensor) {
  if (tensor->swapped == cnn_machine_big_endian()) {
    cnn_writer_put(writer, tensor->data, tensor->bytes);
    return;
  }
  size_t width = (size_t)(cnn_dtype_bits(tensor->dtype) / 8);
  for (size_t i = 0; width > 0 && i < tensor->bytes; i += width)
    for (size_t b = width; b-- > 0;) cnn_writer_put(writer, tensor->data + i + b, 1);
}

cnn_status cnn_safetensors_write(const char *path, const cnn_tensor *tensor, int32_t count,
                                 const cnn_note *note, int32_t notes) {
  const cnn_tensor **order = malloc(sizeof *order * ((size_t)count + 1));
  json_t *header = NULL;
  char *text = NULL;
  if (order) {
    for (int32_t i = 0; i < count; i++) order[i] = &tensor[i];
    qsort(order, (size_t)count, sizeof *order, tensor_order);
    header = header_make(order, count, note, notes);
    text = header ? cnn_json_text(header) : NULL;
  }
  cnn_writer writer;
  cnn_status status = text ? cnn_writer_open(&writer, path)
                           : cnn_failure(CNN_NO_MEMORY, "%s: out of memory, or a name is not UTF-8", path);
  if (status.code == CNN_OK) {
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char prefix[8];
    for (int b = 0; b < 8; b++) prefix[b] = (unsigned char)((uint64_t)padded >> (8 * b));
    cnn_writer_put(&writer, prefix, 8);
    cnn_writer_put(&writer, text, length);
    cnn_writer_put(&writer, "       ", padded - length); /* data begin at a multiple of 8 */
    for (int32_t i = 0; i < count; i++) tensor_put(&writer, order[i]);
    status = cnn_writer_commit(&writer);
  }
  free(text);
  json_decref(header);
  free(order);
  return status;
}
