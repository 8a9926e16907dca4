/* file.c: Mapping, inflating and writing files. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "hosted/base/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

int cnn_open_again(const char *path, int flags) {
  int descriptor;
  do descriptor = open(path, flags | O_CLOEXEC, 0666);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

bool cnn_write_all(int descriptor, const void *bytes, size_t n) {
  const char *at = bytes;
  while (n > 0) {
    const ssize_t written = write(descriptor, at, n);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    at += written;
    n -= (size_t)written;
  }
  return true;
}

cnn_status cnn_file_open(cnn_file *file, const char *path) {
  *file = (cnn_file){NULL, 0};
  /* opening a pipe without a writer must not block; the pipe is rejected below */
  int descriptor = cnn_open_again(path, O_RDONLY | O_NONBLOCK);
  if (descriptor < 0) return cnn_failure(CNN_BAD_FILE, "%s: cannot be opened: %s", path, strerror(errno));
  struct stat about;
  if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(descriptor);
    return cnn_failure(CNN_BAD_FILE, "%s: is not a file", path);
  }
  void *map = NULL;
  if (about.st_size > 0) {
    map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (map == MAP_FAILED) {
      cnn_status status = cnn_failure(CNN_BAD_FILE, "%s: cannot be read: %s", path, strerror(errno));
      close(descriptor);
      return status;
    }
  }
  close(descriptor);
  *file = (cnn_file){map, (size_t)about.st_size};
  return cnn_success();
}

void cnn_file_close(cnn_file *file) {
  if (file->data) munmap((void *)(uintptr_t)file->data, file->size);
  *file = (cnn_file){NULL, 0};
}

cnn_status cnn_text_of(const char *path, const unsigned char *bytes, size_t n, const char **text,
                       size_t *length) {
  const bool wide =
      n >= 2 && ((bytes[0] == 0xFF && bytes[1] == 0xFE) || (bytes[0] == 0xFE && bytes[1] == 0xFF));
  const size_t mark = n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  *text = n > 0 ? (const char *)bytes + mark : "";
  *length = n - mark;
  return wide ? cnn_failure(CNN_BAD_FORMAT, "%s: is UTF-16; save it as UTF-8", path) : cnn_success();
}

cnn_status cnn_text_read(const char *path, char **text, size_t *length) {
  cnn_file file;
  const char *begin;
  cnn_status status = cnn_file_open(&file, path);
  *text = NULL;
  if (status.code == CNN_OK) status = cnn_text_of(path, file.data, file.size, &begin, length);
  if (status.code == CNN_OK) *text = malloc(*length + 1);
  if (*text) {
    memcpy(*text, begin, *length);
    (*text)[*length] = 0;
  } else if (status.code == CNN_OK) {
    status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  }
  cnn_file_close(&file);
  return status;
}

static bool grow(unsigned char **data, size_t *room, size_t most) {
  size_t next = *room > most / 2 ? most : *room * 2;
  unsigned char *moved = realloc(*data, next);
  if (!moved) return false;
  *data = moved;
  *room = next;
  return true;
}

cnn_status cnn_file_inflate(const char *path, const unsigned char *gz, size_t n, size_t most,
                            unsigned char **data, size_t *size) {
  *data = NULL;
  *size = 0;
  size_t room = most < 4096 ? most + 1 : 4096, used = 0,
         left = n; /* the buffer grows with the data: `most` may come from a header with a wrong size */
  unsigned char *out = malloc(room);
  z_stream stream = {0};
  if (!out || inflateInit2(&stream, 15 + 16) != Z_OK) { /* + 16: the data have a gzip header */
    free(out);
    return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  }
  stream.next_in = (unsigned char *)(uintptr_t)gz; /* zlib's pointer is not const, but zlib only reads */
  bool enough = false, memory = true;
  int result = Z_OK;
  while (!enough) {
    if (used == room && !(memory = grow(&out, &room, most))) break;
    uInt in = left > 1u << 30 ? 1u << 30 : (uInt)left,
         space = room - used > 1u << 30 ? 1u << 30 : (uInt)(room - used);
    stream.avail_in = in;
    stream.next_out = out + used;
    stream.avail_out = space;
    result = inflate(&stream, Z_NO_FLUSH);
    left -= in - stream.avail_in;
    used += space - stream.avail_out;
    if (result == Z_STREAM_END && left > 0) result = inflateReset(&stream); /* another gzip member follows */
    if (result != Z_OK) break;
    enough = used >= most;
  }
  inflateEnd(&stream);
  if (enough || (result == Z_STREAM_END && left == 0)) {
    *data = out;
    *size = used;
    return cnn_success();
  }
  free(out);
  if (!memory) return cnn_failure(CNN_NO_MEMORY, "%s: not enough memory for the unpacked file", path);
  return cnn_failure(CNN_BAD_FORMAT, "%s: the gzip data is %s at byte %zu", path,
                     result == Z_BUF_ERROR ? "cut off" : "damaged", n - left);
}

static char *join(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  char *text = malloc(n + m + 1);
  if (!text) return NULL;
  memcpy(text, a, n);
  memcpy(text + n, b, m + 1);
  return text;
}

/* ---- temporary files: PATH.PROCESS-ATTEMPT.tmp ---- */
static size_t digits(const char *text) {
  size_t n = 0;
  while (isdigit((unsigned char)text[n])) n++;
  return n;
}

/* Returns the process number in a temporary file's name; 0 for other names. */
static long temporary_process(const char *name, const char *base) {
  const size_t n = strlen(base);
  if (strncmp(name, base, n) != 0 || name[n] != '.') return 0;
  const char *process = name + n + 1, *attempt = process + digits(process) + 1;
  if (attempt == process + 1 || attempt[-1] != '-' || digits(attempt) == 0 ||
      strcmp(attempt + digits(attempt), ".tmp") != 0)
    return 0;
  errno = 0;
  const long id = strtol(process, NULL, 10);
  return errno || id > INT_MAX ? 0 : id;
}

static bool locked(int descriptor) { /* Returns true if another process (perhaps on another machine that
                                        shares the directory) holds the lock, or if the query fails. */
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(descriptor, F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* Removes the temporary file `name` if the process that created it was killed. The process counts as killed
 * if no running process has the number in the name, and no process locks the file. */
static void remove_stale(const char *folder, const char *name, const char *base) {
  const long process = temporary_process(name, base);
  struct stat about;
  if (process <= 0 || kill((pid_t)process, 0) == 0 || errno != ESRCH) return;
  char *path = join(folder, name);
  const int descriptor = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
  if (descriptor >= 0) {
    const bool stale = fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode) && !locked(descriptor);
    close(descriptor); /* Windows does not remove open files */
    if (stale) unlink(path);
  }
  free(path);
}

static void remove_all_stale(const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  char *folder = slash ? join(path, "") : NULL;
  if (folder) folder[slash - path + 1] = 0;
  DIR *directory = slash && !folder ? NULL : opendir(folder ? folder : ".");
  for (const struct dirent *entry; directory && (entry = readdir(directory));)
    remove_stale(folder ? folder : "", entry->d_name, base);
  if (directory) closedir(directory);
  free(folder);
}

/* Opens a new file next to `path`. */
static int temporary_open(cnn_writer *writer, const char *path) {
  remove_all_stale(path);
  for (int attempt = 0; attempt < 100; attempt++) {
    char suffix[64];
    snprintf(suffix, sizeof suffix, ".%ld-%d.tmp", (long)getpid(), attempt);
    writer->temporary = join(path, suffix);
    if (!writer->temporary) {
      errno = ENOMEM;
      return -1;
    }
    int descriptor = cnn_open_again(writer->temporary, O_WRONLY | O_CREAT | O_EXCL);
    if (descriptor >= 0) {
      fcntl(descriptor, F_SETLK,
            &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET}); /* may fail: the lock is only a hint */
      return descriptor;
    }
    int reason = errno;
    free(writer->temporary);
    writer->temporary = NULL;
    errno = reason;
    if (reason != EEXIST) return -1;
  }
  return -1;
}

enum { BUFFER = 1 << 16 };

cnn_status cnn_writer_open(cnn_writer *writer, const char *path) {
  *writer = (cnn_writer){.descriptor = -1, .path = join(path, ""), .buffer = malloc(BUFFER)};
  if (!writer->path || !writer->buffer) {
    cnn_writer_abandon(writer);
    return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  }
  struct stat about;
  bool special = stat(path, &about) == 0 && !S_ISREG(about.st_mode);
  writer->descriptor = special ? cnn_open_again(path, O_WRONLY) : temporary_open(writer, path);
  if (writer->descriptor >= 0) return cnn_success();
  cnn_status status = errno == ENOMEM
                          ? cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path)
                          : cnn_failure(CNN_BAD_FILE, "%s: cannot be written: %s", path, strerror(errno));
  cnn_writer_abandon(writer);
  return status;
}

cnn_status cnn_writer_try(const char *path) {
  cnn_writer writer;
  cnn_status status = cnn_writer_open(&writer, path);
  if (status.code == CNN_OK) cnn_writer_abandon(&writer);
  return status;
}

static void send(cnn_writer *writer, const void *bytes, size_t n) {
  if (writer->error == 0 && !cnn_write_all(writer->descriptor, bytes, n)) writer->error = errno;
}

static void flush(cnn_writer *writer) {
  send(writer, writer->buffer, writer->buffered);
  writer->buffered = 0;
}

void cnn_writer_put(cnn_writer *writer, const void *bytes, size_t n) {
  if (n > BUFFER - writer->buffered) flush(writer);
  if (n > BUFFER) {
    send(writer, bytes, n);
  } else if (n > 0) {
    memcpy(writer->buffer + writer->buffered, bytes, n);
    writer->buffered += n;
  }
}

static int sync_again(int descriptor) {
  int result;
  do result = fsync(descriptor);
  while (result != 0 && errno == EINTR);
  return result;
}

static int rename_again(const char *from, const char *to) {
  int result;
  do result = rename(from, to);
  while (result != 0 && errno == EINTR);
  return result;
}

cnn_status cnn_writer_commit(cnn_writer *writer) {
  flush(writer);
  if (writer->error == 0 && writer->temporary && sync_again(writer->descriptor) != 0) writer->error = errno;
  /* an interrupted close (EINTR) also releases the descriptor, so it is not an error */
  if (close(writer->descriptor) != 0 && errno != EINTR && writer->error == 0) writer->error = errno;
  writer->descriptor = -1;
  const bool renames = writer->error == 0 && writer->temporary;
  if (renames && rename_again(writer->temporary, writer->path) != 0) writer->error = errno;
  cnn_status status = cnn_success();
  if (writer->error == 0) {
    free(writer->temporary);
    writer->temporary = NULL;
  } else {
    status = cnn_failure(CNN_BAD_FILE, "%s: cannot be written: %s", writer->path, strerror(writer->error));
  }
  cnn_writer_abandon(writer);
  return status;
}

void cnn_writer_abandon(cnn_writer *writer) {
  if (writer->descriptor >= 0) close(writer->descriptor);
  if (writer->temporary) {
    unlink(writer->temporary);
    free(writer->temporary);
  }
  free(writer->path);
  free(writer->buffer);
  *writer = (cnn_writer){.descriptor = -1};
}
