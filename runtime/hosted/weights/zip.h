/* zip.h: Members of a zip archive (including zip64), stored or deflated. Also built into the compiler (see
 * file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ZIP_H
#define CNN_ZIP_H
#include "hosted/weights/archive.h"

typedef struct cnn_zip_member {
  const char *name; /* not zero-terminated */
  size_t name_bytes;
  uint64_t packed, size, header;
  uint32_t crc;
  unsigned method, flags;
  const unsigned char *data; /* NULL until it is read */
} cnn_zip_member;

typedef struct cnn_zip {
  const char *path; /* for messages */
  const unsigned char *bytes;
  size_t n;
  cnn_zip_member *member;
  int32_t count;
  const char *comment;
  size_t comment_bytes;
} cnn_zip;

/* Reads the directory; the archive owns all memory. */
cnn_status cnn_zip_open(cnn_zip *zip, cnn_archive *archive, const char *path, const unsigned char *bytes,
                        size_t n);
/* Sets the member's data, in place or unpacked into memory of the archive, and checks the checksum. `label`
 * is "PATH: NAME" for messages. */
cnn_status cnn_zip_read(const cnn_zip *zip, cnn_archive *archive, const char *label, cnn_zip_member *member);
uint32_t cnn_zip_checksum(const unsigned char *data, size_t n);
#endif
