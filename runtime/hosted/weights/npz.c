/* npz.c: Reader and writer of NumPy's .npy (format versions 1 to 3) and .npz (zip archives of them). */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/npz.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "hosted/base/json.h"
#include "hosted/weights/notes.h"

/* ---- .npy: magic, version, length of the header, the header (a Python dictionary), the numbers */

enum { HEADER_MOST = 65536 };

typedef struct Scan {
  const char *at, *end;
} Scan;

static void skip_blanks(Scan *scan) {
  while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t')) scan->at++;
}

static bool take(Scan *scan, const char *word) {
  skip_blanks(scan);
  size_t n = strlen(word);
  if ((size_t)(scan->end - scan->at) < n || memcmp(scan->at, word, n) != 0) return false;
  scan->at += n;
  return true;
}

static bool sees(Scan *scan, char letter) {
  skip_blanks(scan);
  return scan->at < scan->end && *scan->at == letter;
}

/* Reads 'text' or "text"; escapes do not occur in supported headers. */
static bool take_text(Scan *scan, char *text, size_t room) {
  skip_blanks(scan);
  if (scan->at >= scan->end || (*scan->at != '\'' && *scan->at != '"')) return false;
  char quote = *scan->at++;
  size_t n = 0;
  for (; scan->at < scan->end && *scan->at != quote; scan->at++) {
    if (n + 1 >= room || *scan->at == '\\') return false;
    text[n++] = *scan->at;
  }
  if (scan->at >= scan->end) return false;
  scan->at++;
  text[n] = 0;
  return true;
}

static bool take_size(Scan *scan, int64_t *value) {
  skip_blanks(scan);
  if (scan->at >= scan->end || *scan->at < '0' || *scan->at > '9') return false;
  *value = 0;
  for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++)
    if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *scan->at - '0', value))
      return false;
  if (scan->at < scan->end && *scan->at == 'L') scan->at++; /* Python 2 writes 10L */
  return true;
}

static bool take_shape(Scan *scan, cnn_tensor *tensor) {
  if (!take(scan, "(")) return false;
  tensor->rank = 0;
  while (!take(scan, ")")) {
    if (tensor->rank == CNN_TENSOR_RANK || !take_size(scan, &tensor->dim[tensor->rank++])) return false;
    if (!take(scan, ",")) return take(scan, ")");
  }
  return true;
}

/* Parses "<f4", "|u1", ">i8": byte order, kind, bytes. Other types become CNN_DTYPE_OTHER. */
static void dtype_set(cnn_tensor *tensor, const char *descr) {
  static const struct {
    const char *name;
    cnn_dtype dtype;
  } kinds[] = {
      {"b1", CNN_DTYPE_BOOL}, {"u1", CNN_DTYPE_U8},  {"i1", CNN_DTYPE_I8},  {"u2", CNN_DTYPE_U16},
      {"i2", CNN_DTYPE_I16},  {"u4", CNN_DTYPE_U32}, {"i4", CNN_DTYPE_I32}, {"u8", CNN_DTYPE_U64},
      {"i8", CNN_DTYPE_I64},  {"f2", CNN_DTYPE_F16}, {"f4", CNN_DTYPE_F32}, {"f8", CNN_DTYPE_F64},
  };
  char order = descr[0];
  tensor->dtype = CNN_DTYPE_OTHER;
  if (order == '<' || order == '>' || order == '=' || order == '|') descr++;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if (strcmp(descr, kinds[k].name) == 0) tensor->dtype = kinds[k].dtype;
  tensor->swapped = cnn_machine_big_endian() ? order == '<' : order == '>';
}

/* Parses the dictionary of a header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. */
static bool header_take(Scan *scan, cnn_tensor *tensor) {
  char key[32], descr[32];
  bool have_descr = false, have_order = false, have_shape = false;
  if (!take(scan, "{")) return false;
  while (!take(scan, "}")) {
    if (!take_text(scan, key, sizeof key) || !take(scan, ":")) return false;
    if (strcmp(key, "descr") == 0 && !have_descr) {
      have_descr = true;
      if (take(scan, "[")) { /* a structure is not numeric, so its contents do not matter */
        tensor->dtype = CNN_DTYPE_OTHER;
        return true;
      }
      if (!take_text(scan, descr, sizeof descr)) return false;
      dtype_set(tensor, descr);
    } else if (strcmp(key, "fortran_order") == 0 && !have_order) {
      have_order = true;
      tensor->fortran = take(scan, "True");
      if (!tensor->fortran && !take(scan, "False")) return false;
    } else if (strcmp(key, "shape") == 0 && !have_shape) {
      have_shape = true;
      if (!take_shape(scan, tensor)) return false;
    } else {
      return false;
    }
    if (!take(scan, ",") && !sees(scan, '}')) return false;
  }
  skip_blanks(scan);
  return have_descr && have_order && have_shape && scan->at == scan->end;
}

cnn_status cnn_npy_parse(cnn_tensor *tensor, const char *path, const unsigned char *bytes, size_t n) {
  if (n < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is not an .npy file", path);
  int version = bytes[6];
  if (version < 1 || version > 3)
    return cnn_failure(CNN_BAD_FORMAT, "%s: .npy format %d.%d is unknown", path, version, bytes[7]);
  size_t start = version == 1 ? 10 : 12, length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (version > 1 && n >= 12) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (start > n || length > n - start)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off in the .npy header: %zu bytes", path, n);
  if (length > HEADER_MOST)
    return cnn_failure(CNN_BAD_FORMAT, "%s: a .npy header of %zu bytes; the limit is %d", path, length,
                       HEADER_MOST);
  Scan scan = {(const char *)bytes + start, (const char *)bytes + start + length};
  Scan begin = scan;
  if (!header_take(&scan, tensor))
    return cnn_failure(CNN_BAD_FORMAT, "%s: the .npy header is invalid at byte %zu", path,
                       start + (size_t)(scan.at - begin.at));
  tensor->data = bytes + start + length;
  size_t left = n - start - length;
  if (tensor->dtype == CNN_DTYPE_OTHER) {
    tensor->rank = 0;
    tensor->size = 0;
    tensor->bytes = left;
    return cnn_success();
  }
  if (!cnn_tensor_measure(tensor))
    return cnn_failure(CNN_BAD_FORMAT, "%s: the shape in the .npy header is too large", path);
  char shape[200];
  if (tensor->bytes != left)
    return cnn_failure(CNN_BAD_FORMAT, "%s: %s: %s %s needs %zu bytes, but %zu follow the header", path,
                       tensor->bytes > left ? "is cut off" : "contains additional bytes at the end",
                       cnn_dtype_name(tensor->dtype), cnn_tensor_shape(tensor, shape, sizeof shape),
                       tensor->bytes, left);
  return cnn_success();
}

/* ---- .npz: a zip archive of .npy files */

static cnn_status member_add(cnn_archive *archive, const cnn_zip *zip, cnn_zip_member *member) {
  const char *path = zip->path;
  size_t length = member->name_bytes;
  if (length < 4 || memcmp(member->name + length - 4, ".npy", 4) != 0) return cnn_success();
  char *name = cnn_archive_alloc(archive, length);
  if (!name) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  memcpy(name, member->name, length - 4); /* the block is zeroed, so the name is terminated */
  if (strlen(name) != length - 4)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the name of a member has a NUL in it", path);
  if (cnn_archive_find(archive, name))
    return cnn_failure(CNN_BAD_FORMAT, "%s: has two arrays named \"%.200s\"", path, name);
  char label[600];
  snprintf(label, sizeof label, "%.380s: \"%.200s\"", path, name);
  cnn_status status = cnn_zip_read(zip, archive, label, member);
  cnn_tensor *tensor = &archive->tensor[archive->count];
  if (status.code == CNN_OK) status = cnn_npy_parse(tensor, label, member->data, (size_t)member->size);
  tensor->name = name;
  if (status.code == CNN_OK) archive->count++;
  return status;
}

/* Reads the metadata from the archive's comment; comments written by other programs are ignored. */
static cnn_status notes_read(cnn_archive *archive, const char *path, const char *comment, size_t n) {
  json_t *notes = n > 0 && comment[0] == '{' ? json_loadb(comment, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
  cnn_status status = cnn_success();
  if (notes && json_object_get(notes, "net")) status = cnn_notes_parse(archive, path, notes);
  json_decref(notes);
  return status;
}

cnn_status cnn_npz_parse(cnn_archive *archive, cnn_zip *zip) {
  cnn_status status = cnn_success();
  archive->tensor = cnn_archive_alloc(archive, sizeof *archive->tensor * ((size_t)zip->count + 1));
  if (!archive->tensor) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", zip->path);
  for (int32_t i = 0; i < zip->count && status.code == CNN_OK; i++)
    status = member_add(archive, zip, &zip->member[i]);
  return status.code == CNN_OK ? notes_read(archive, zip->path, zip->comment, zip->comment_bytes) : status;
}

/* ---- Writing */

/* Writes the header as NumPy does: padded to a multiple of 64 bytes. Returns its length. */
static size_t header_write(const cnn_tensor *tensor, char text[1024]) {
  static const char *const kinds[] = {
      [CNN_DTYPE_BOOL] = "b1", [CNN_DTYPE_U8] = "u1",  [CNN_DTYPE_I8] = "i1",  [CNN_DTYPE_U16] = "u2",
      [CNN_DTYPE_I16] = "i2",  [CNN_DTYPE_U32] = "u4", [CNN_DTYPE_I32] = "i4", [CNN_DTYPE_U64] = "u8",
      [CNN_DTYPE_I64] = "i8",  [CNN_DTYPE_F16] = "f2", [CNN_DTYPE_F32] = "f4", [CNN_DTYPE_F64] = "f8"};
  char order = cnn_dtype_bits(tensor->dtype) == 8            ? '|'
               : cnn_machine_big_endian() != tensor->swapped ? '>'
                                                             : '<';
  size_t n = 10 + (size_t)snprintf(text + 10, 1014, "{'descr': '%c%s', 'fortran_order': %s, 'shape': (",
                                   order, kinds[tensor->dtype], tensor->fortran ? "True" : "False");
  for (int32_t d = 0; d < tensor->rank; d++)
    n += (size_t)snprintf(text + n, 1024 - n, d ? ", %lld" : "%lld", (long long)tensor->dim[d]);
  n += (size_t)snprintf(text + n, 1024 - n, "%s), }", tensor->rank == 1 ? "," : "");
  while ((n + 1) % 64 != 0) text[n++] = ' ';
  text[n++] = '\n';
  memcpy(text, "\x93NUMPY\1\0", 8);
  text[8] = (char)((n - 10) & 255);
  text[9] = (char)((n - 10) >> 8);
  return n;
}

cnn_status cnn_npy_write(const char *path, const cnn_tensor *tensor) {
  char header[1024];
  cnn_writer writer;
  cnn_status status = cnn_writer_open(&writer, path);
  if (status.code != CNN_OK) return status;
  cnn_writer_put(&writer, header, header_write(tensor, header));
  cnn_writer_put(&writer, tensor->data, tensor->bytes);
  return cnn_writer_commit(&writer);
}

static unsigned char *put_number(unsigned char *at, uint64_t value, int bytes) {
  for (int b = 0; b < bytes; b++) at[b] = (unsigned char)(value >> (8 * b));
  return at + bytes;
}

typedef struct Stored {
  uint64_t offset, size;
  uint32_t crc;
} Stored;

/* Writes a member's header: local (before the data) or in the directory. Sizes and offsets are always 64 bits
 * wide, as in NumPy. */
static void member_header(cnn_writer *writer, const char *name, const Stored *stored, bool local) {
  unsigned char head[46], extra[28], *p = head, *e = extra;
  size_t name_bytes = strlen(name) + 4;
  e = put_number(e, 1, 2);
  e = put_number(e, local ? 16 : 24, 2);
  e = put_number(e, stored->size, 8);
  e = put_number(e, stored->size, 8);
  if (!local) e = put_number(e, stored->offset, 8);
  p = put_number(p, local ? 0x04034b50 : 0x02014b50, 4);
  if (!local) p = put_number(p, 45, 2);
  p = put_number(p, 45, 2);      /* zip64 */
  p = put_number(p, 1 << 11, 2); /* names are UTF-8 */
  p = put_number(p, 0, 2);       /* method: stored */
  p = put_number(p, 0, 2);       /* time: midnight */
  p = put_number(p, 33, 2);      /* date: 1 January 1980, so that the same arrays produce the same bytes */
  p = put_number(p, stored->crc, 4);
  p = put_number(p, 0xFFFFFFFFu, 4);
  p = put_number(p, 0xFFFFFFFFu, 4);
  p = put_number(p, name_bytes, 2);
  p = put_number(p, (uint64_t)(e - extra), 2);
  if (!local) {
    p = put_number(p, 0, 6); /* comment, disk, attributes */
    p = put_number(p, 0, 4);
    p = put_number(p, 0xFFFFFFFFu, 4);
  }
  cnn_writer_put(writer, head, (size_t)(p - head));
  cnn_writer_put(writer, name, name_bytes - 4);
  cnn_writer_put(writer, ".npy", 4);
  cnn_writer_put(writer, extra, (size_t)(e - extra));
}

/* Writes the end records of the directory, which has `size` bytes from `at` on. The comment, which has
 * `comment_bytes` bytes, must be written after them. */
static void put_end(cnn_writer *writer, int32_t count, uint64_t at, uint64_t size, size_t comment_bytes) {
  unsigned char tail[98], *p = tail;
  p = put_number(p, 0x06064b50, 4); /* zip64 end of the directory */
  p = put_number(p, 44, 8);
  p = put_number(p, 45, 2);
  p = put_number(p, 45, 2);
  p = put_number(p, 0, 8);
  p = put_number(p, (uint64_t)count, 8);
  p = put_number(p, (uint64_t)count, 8);
  p = put_number(p, size, 8);
  p = put_number(p, at, 8);
  p = put_number(p, 0x07064b50, 4); /* locator of this record */
  p = put_number(p, 0, 4);
  p = put_number(p, at + size, 8);
  p = put_number(p, 1, 4);
  p = put_number(p, 0x06054b50, 4); /* end record without zip64 */
  p = put_number(p, 0, 4);
  p = put_number(p, 0xFFFF, 2);
  p = put_number(p, 0xFFFF, 2);
  p = put_number(p, 0xFFFFFFFFu, 4);
  p = put_number(p, 0xFFFFFFFFu, 4);
  p = put_number(p, comment_bytes, 2);
  cnn_writer_put(writer, tail, (size_t)(p - tail));
}

/* The metadata as text; empty if it is too long for an archive's comment. NULL: out of memory. */
static char *comment_make(const cnn_note *note, int32_t notes) {
  json_t *object = cnn_notes_make(note, notes);
  char *text = object ? cnn_json_text(object) : NULL;
  json_decref(object);
  if (text && (notes == 0 || strlen(text) > 0xFFFF)) *text = 0;
  return text;
}

cnn_status cnn_npz_write(const char *path, const cnn_tensor *tensor, int32_t count, const cnn_note *note,
                         int32_t notes) {
  Stored *stored = malloc(sizeof *stored * ((size_t)count + 1));
  char *comment = comment_make(note, notes);
  if (!stored || !comment) {
    free(stored);
    free(comment);
    return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  }
  const size_t comment_bytes = strlen(comment);
  cnn_writer writer;
  cnn_status status = cnn_writer_open(&writer, path);
  if (status.code != CNN_OK) {
    free(comment);
    free(stored);
    return status;
  }
  uint64_t at = 0;
  for (int32_t i = 0; i < count; i++) {
    char header[1024];
    size_t n = header_write(&tensor[i], header);
    uint32_t crc = cnn_zip_checksum((const unsigned char *)header, n);
    crc = (uint32_t)crc32_combine(crc, cnn_zip_checksum(tensor[i].data, tensor[i].bytes),
                                  (z_off_t)tensor[i].bytes);
    stored[i] = (Stored){at, n + tensor[i].bytes, crc};
    member_header(&writer, tensor[i].name, &stored[i], true);
    cnn_writer_put(&writer, header, n);
    cnn_writer_put(&writer, tensor[i].data, tensor[i].bytes);
    at += 30 + strlen(tensor[i].name) + 4 + 20 + stored[i].size;
  }
  uint64_t directory = at;
  for (int32_t i = 0; i < count; i++) {
    member_header(&writer, tensor[i].name, &stored[i], false);
    at += 46 + strlen(tensor[i].name) + 4 + 28;
  }
  put_end(&writer, count, directory, at - directory, comment_bytes);
  cnn_writer_put(&writer, comment, comment_bytes);
  free(comment);
  free(stored);
  return cnn_writer_commit(&writer);
}
