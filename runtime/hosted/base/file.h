/* file.h: Files as bytes in memory, and atomically written files. file.c needs no other part of the runtime
 * than status.c, because it is also built into the compiler. The compiler (compiler/backend) reads weight
 * files for --weights. compiler/backend/local.mk lists the runtime's files that the compiler contains. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FILE_H
#define CNN_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "cnn_status.h"

typedef struct cnn_file {
  const unsigned char *data;
  size_t size;
} cnn_file; /* mapped, read only; data is NULL if size is 0 */

cnn_status cnn_file_open(cnn_file *file, const char *path);
void cnn_file_close(cnn_file *file);
/* Finds the text in the bytes of a file, after an optional byte order mark. UTF-16 is an error. The text is
 * not copied, and may be empty. */
cnn_status cnn_text_of(const char *path, const unsigned char *bytes, size_t n, const char **text,
                       size_t *length);
/* Reads a text file; the result is zero-terminated and from malloc. */
cnn_status cnn_text_read(const char *path, char **text, size_t *length);

/* Unpacks a gzip file of one or more members. Stops when at least `most` bytes have been unpacked, and
 * ignores the rest. The result is from malloc. */
cnn_status cnn_file_inflate(const char *path, const unsigned char *gz, size_t n, size_t most,
                            unsigned char **data, size_t *size);

/* A regular file is written under a temporary name in the directory of `path`. cnn_writer_commit renames it
 * to `path` when all data is on the disk. */
typedef struct cnn_writer {
  int descriptor; /* -1: closed */
  unsigned char *buffer;
  size_t buffered;
  char *path, *temporary; /* temporary is NULL if path is a device or a pipe, which is written directly */
  int error;              /* errno of the first error; 0: none */
} cnn_writer;

/* System calls that are repeated when a signal interrupts them. */
int cnn_open_again(const char *path, int flags);                 /* -1: error, see errno */
bool cnn_write_all(int descriptor, const void *bytes, size_t n); /* false: error, see errno */

cnn_status cnn_writer_open(cnn_writer *writer, const char *path);
cnn_status cnn_writer_try(const char *path); /* checks that `path` can be written; leaves it unchanged */
/* Errors are stored; cnn_writer_commit reports the first one. */
void cnn_writer_put(cnn_writer *writer, const void *bytes, size_t n);
cnn_status cnn_writer_commit(cnn_writer *writer);
void cnn_writer_abandon(cnn_writer *writer);
#endif
