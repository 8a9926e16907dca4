/* zip.c: Zip archives, read from the directory at their end. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/zip.h"

#include <string.h>
#include <zlib.h>

static uint64_t number(const unsigned char *at, int bytes) { /* little-endian */
  uint64_t value = 0;
  for (int b = bytes - 1; b >= 0; b--) value = value << 8 | at[b];
  return value;
}

typedef struct Directory {
  uint64_t offset, bytes, entries;
  size_t comment, comment_bytes;
} Directory;

static cnn_status directory_find(Directory *directory, const char *path, const unsigned char *bytes,
                                 size_t n) {
  size_t lowest =
      n > 65557 ? n - 65557 : 0; /* the end record is followed by a comment of up to 65535 bytes */
  size_t at = n >= 22 ? n - 22 : 0;
  while (at > lowest && memcmp(bytes + at, "PK\5\6", 4) != 0) at--;
  if (n < 22 || memcmp(bytes + at, "PK\5\6", 4) != 0)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off: the zip archive has no directory", path);
  *directory = (Directory){number(bytes + at + 16, 4), number(bytes + at + 12, 4), number(bytes + at + 10, 2),
                           at + 22, n - at - 22};
  bool wide =
      directory->offset == 0xFFFFFFFFu || directory->bytes == 0xFFFFFFFFu || directory->entries == 0xFFFFu;
  if (wide && at >= 20 && memcmp(bytes + at - 20, "PK\6\7", 4) == 0) {
    uint64_t record = number(bytes + at - 12, 8);
    if (record > n || n - record < 56 || memcmp(bytes + record, "PK\6\6", 4) != 0)
      return cnn_failure(CNN_BAD_FORMAT, "%s: the zip64 record at byte %llu is damaged", path,
                         (unsigned long long)record);
    directory->offset = number(bytes + record + 48, 8);
    directory->bytes = number(bytes + record + 40, 8);
    directory->entries = number(bytes + record + 32, 8);
  }
  if (directory->offset > n || directory->bytes > n - directory->offset ||
      directory->entries > directory->bytes / 46)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the zip directory is outside the file", path);
  return cnn_success();
}

/* The extra field has 64-bit numbers for the fields that do not fit into 32 bits, in the order in which they
 * are read here. */
static bool member_widen(cnn_zip_member *member, const unsigned char *extra, size_t n) {
  while (n >= 4) {
    size_t id = (size_t)number(extra, 2), length = (size_t)number(extra + 2, 2);
    if (length > n - 4) return false;
    if (id == 1) {
      const unsigned char *at = extra + 4, *end = at + length;
      uint64_t *field[3] = {&member->size, &member->packed, &member->header};
      for (int f = 0; f < 3; f++) {
        if (*field[f] != 0xFFFFFFFFu) continue;
        if (end - at < 8) return false;
        *field[f] = number(at, 8);
        at += 8;
      }
    }
    extra += 4 + length;
    n -= 4 + length;
  }
  return true;
}

/* Reads the directory's entry at *at, and advances *at. */
static bool member_next(cnn_zip_member *member, const unsigned char *bytes, size_t *at, size_t end) {
  const unsigned char *p = bytes + *at;
  if (end - *at < 46 || memcmp(p, "PK\1\2", 4) != 0) return false;
  size_t name = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2),
         comment = (size_t)number(p + 32, 2);
  if (end - *at - 46 < name + extra + comment) return false;
  *member = (cnn_zip_member){.name = (const char *)p + 46,
                             .name_bytes = name,
                             .packed = number(p + 20, 4),
                             .size = number(p + 24, 4),
                             .header = number(p + 42, 4),
                             .crc = (uint32_t)number(p + 16, 4),
                             .method = (unsigned)number(p + 10, 2),
                             .flags = (unsigned)number(p + 8, 2)};
  *at += 46 + name + extra + comment;
  return member_widen(member, p + 46 + name, extra);
}

/* Reads the members. Rejects them if their total compressed size is larger than the file. In that case, the
 * bytes of some members overlap, and the members could unpack to more data than deflate can produce from the
 * file. */
static cnn_status members_read(cnn_zip *zip, const Directory *directory) {
  size_t at = (size_t)directory->offset, end = at + (size_t)directory->bytes, left = zip->n;
  for (uint64_t i = 0; i < directory->entries; i++) {
    const size_t here = at;
    cnn_zip_member *member = &zip->member[zip->count++];
    if (!member_next(member, zip->bytes, &at, end))
      return cnn_failure(CNN_BAD_FORMAT, "%s: the zip directory is damaged at byte %zu", zip->path, here);
    if (member->packed > left)
      return cnn_failure(CNN_BAD_FORMAT, "%s: the members of the zip archive are larger than the file",
                         zip->path);
    left -= (size_t)member->packed;
  }
  return cnn_success();
}

cnn_status cnn_zip_open(cnn_zip *zip, cnn_archive *archive, const char *path, const unsigned char *bytes,
                        size_t n) {
  Directory directory = {0};
  *zip = (cnn_zip){.path = path, .bytes = bytes, .n = n};
  cnn_status status = directory_find(&directory, path, bytes, n);
  if (status.code != CNN_OK) return status;
  if (directory.entries > 65536) return cnn_failure(CNN_BAD_FORMAT, "%s: has more than 65536 members", path);
  zip->member = cnn_archive_alloc(archive, sizeof *zip->member * (size_t)(directory.entries + 1));
  if (!zip->member) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  zip->comment = (const char *)bytes + directory.comment;
  zip->comment_bytes = directory.comment_bytes;
  return members_read(zip, &directory);
}

static bool inflate_raw(const unsigned char *packed, size_t n, unsigned char *out, size_t size) {
  z_stream stream = {0};
  if (inflateInit2(&stream, -15) != Z_OK) return false;
  stream.next_in = (unsigned char *)(uintptr_t)packed; /* not const, but zlib only reads these bytes */
  size_t left = n, used = 0;
  unsigned char beyond; /* room for one extra byte, to detect excess data */
  int result;
  do {
    uInt in = left > 1u << 30 ? 1u << 30 : (uInt)left,
         space = size - used > 1u << 30 ? 1u << 30 : (uInt)(size - used);
    stream.avail_in = in;
    stream.next_out = space ? out + used : &beyond;
    stream.avail_out = space ? space : 1;
    result = inflate(&stream, Z_NO_FLUSH);
    left -= in - stream.avail_in;
    if (!space && stream.avail_out == 0) break;
    used += space ? space - stream.avail_out : 0;
  } while (result == Z_OK);
  inflateEnd(&stream);
  return result == Z_STREAM_END && used == size && left == 0;
}

uint32_t cnn_zip_checksum(const unsigned char *data, size_t n) {
  uLong crc = crc32(0, NULL, 0);
  for (size_t i = 0; i < n; i += 1u << 30)
    crc = crc32(crc, data + i, n - i > 1u << 30 ? 1u << 30 : (uInt)(n - i));
  return (uint32_t)crc;
}

cnn_status cnn_zip_read(const cnn_zip *zip, cnn_archive *archive, const char *label, cnn_zip_member *member) {
  const unsigned char *const bytes = zip->bytes;
  const size_t n = zip->n;
  if (member->data) return cnn_success();
  if (member->flags & 1) return cnn_failure(CNN_BAD_FORMAT, "%s: is encrypted", label);
  if (member->method != 0 && member->method != 8)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: has compression method %u; only stored and deflated members are supported", label,
                       member->method);
  if (member->header > n || n - member->header < 30 || memcmp(bytes + member->header, "PK\3\4", 4) != 0)
    return cnn_failure(CNN_BAD_FORMAT, "%s: has no zip header at byte %llu", label,
                       (unsigned long long)member->header);
  uint64_t start =
      member->header + 30 + number(bytes + member->header + 26, 2) + number(bytes + member->header + 28, 2);
  if (start > n || member->packed > n - start) return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off", label);
  const unsigned char *data;
  if (member->method == 0) {
    if (member->size != member->packed)
      return cnn_failure(CNN_BAD_FORMAT, "%s: is stored uncompressed, but its two sizes differ", label);
    data = bytes + start;
  } else {
    if (member->size / 1032 > member->packed) /* the size is wrong: deflate cannot produce that much */
      return cnn_failure(CNN_BAD_FORMAT, "%s: cannot unpack to %llu bytes", label,
                         (unsigned long long)member->size);
    unsigned char *out = cnn_archive_alloc(archive, (size_t)member->size);
    if (!out)
      return cnn_failure(CNN_NO_MEMORY, "%s: no memory for %llu bytes", label,
                         (unsigned long long)member->size);
    if (!inflate_raw(bytes + start, (size_t)member->packed, out, (size_t)member->size))
      return cnn_failure(CNN_BAD_FORMAT, "%s: the packed data are damaged", label);
    data = out;
  }
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* the fuzzer cannot produce a valid checksum */
  if (cnn_zip_checksum(data, (size_t)member->size) != member->crc)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the checksum is wrong: the file is damaged", label);
#endif
  member->data = data;
  return cnn_success();
}
