/* file.c: File input, file names, and atomic output. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "base/text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

static const size_t largest_file = (size_t)1 << 30, largest_stream = (size_t)1 << 26;

/* Opens a file; repeats the call if a signal has interrupted it. */
static int open_again(const char *path, int flags) {
  int descriptor;
  do descriptor = open(path, flags, 0666);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

static char *refuse(int descriptor, const char **why, const char *reason) {
  if (descriptor >= 0) close(descriptor);
  *why = reason;
  return NULL;
}

/* Whether the path names an open descriptor of this process, which may be a pipe or a terminal. */
static bool is_descriptor(const char *path) {
  return strcmp(path, "/dev/stdin") == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
         strncmp(path, "/proc/self/fd/", 14) == 0;
}

char *file_read(Arena *arena, const char *path, size_t *n, const char **why) {
  struct stat status;
  /* Opening a named pipe waits for a writer, and a device may have no end. */
  if (!is_descriptor(path) && stat(path, &status) == 0 && !S_ISREG(status.st_mode) &&
      !S_ISDIR(status.st_mode))
    return refuse(-1, why, "it is not a file");
  const int descriptor = open_again(path, O_RDONLY);
  /* On Windows, opening a directory fails. */
  if (descriptor < 0) return refuse(descriptor, why, errno == EISDIR ? "it is a directory" : strerror(errno));
  if (fstat(descriptor, &status) != 0) return refuse(descriptor, why, strerror(errno));
  if (S_ISDIR(status.st_mode)) return refuse(descriptor, why, "it is a directory");
  if (status.st_size > (off_t)largest_file) return refuse(descriptor, why, "it is larger than 1 GiB");
  /* A pipe has no size: reads until the end. */
  const bool regular = S_ISREG(status.st_mode);
  size_t room = regular ? (size_t)status.st_size + 2 : 1 << 16, used = 0;
  char *bytes = arena_alloc(arena, room);
  for (;;) {
    const ssize_t got = read(descriptor, bytes + used, room - used - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(descriptor, why, strerror(errno));
    used += (size_t)got;
    if (got == 0) break;
    if (used > (regular ? largest_file : largest_stream))
      return refuse(descriptor, why, regular ? "it is larger than 1 GiB" : "it is a stream of over 64 MiB");
    if (used + 1 == room) {
      bytes = arena_grow(arena, bytes, room, 2 * room);
      room *= 2;
    }
  }
  close(descriptor);
  bytes[used] = 0;
  *n = used;
  return bytes;
}

size_t file_begin(const char *path, void *to, size_t most) {
  FILE *file = fopen(path, "rb");
  const size_t n = file ? fread(to, 1, most, file) : 0;
  if (file) fclose(file);
  return n;
}

bool file_exists(const char *path) {
  struct stat status;
  return stat(path, &status) == 0;
}

bool file_folder_free(const char *path, const char **why) {
  DIR *directory = opendir(path);
  *why = directory          ? "it exists and is not empty"
         : errno == ENOTDIR ? "it exists and is not a folder"
                            : strerror(errno);
  if (!directory) return errno == ENOENT;
  bool empty = true;
  for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
    empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
  closedir(directory);
  return empty;
}

bool file_same(const char *a, const char *b) {
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

char *file_slashes(char *path) {
#ifdef _WIN32
  for (char *at = path; *at; at++)
    if (*at == '\\') *at = '/';
#endif
  return path;
}

bool file_absolute(const char *path) {
#ifdef _WIN32 /* C:/... */
  if (path[0] && path[1] == ':') return true;
#endif
  return path[0] == '/';
}

const char *file_temporary(Arena *arena) {
#ifdef _WIN32
  static const char *const names[] = {"TMPDIR", "TMP", "TEMP", NULL};
  static const char other[] = "C:/Windows/Temp";
#else
  static const char *const names[] = {"TMPDIR", NULL};
  static const char other[] = "/tmp";
#endif
  for (const char *const *name = names; *name; name++) {
    const char *value = getenv(*name);
    if (value && *value) return file_slashes(arena_copy(arena, value, strlen(value)));
  }
  return other;
}

/* Stores the path of this program in `path`, and returns its length; 0: unknown. */
static size_t self_path(char *path, size_t room) {
#if defined(_WIN32)
  return platform_self(path, room);
#elif defined(__APPLE__)
  uint32_t size = (uint32_t)room;
  return _NSGetExecutablePath(path, &size) == 0 ? strlen(path) : 0;
#else
  const ssize_t n = readlink("/proc/self/exe", path, room);
  return n > 0 ? (size_t)n : 0;
#endif
}

const char *file_self(Arena *arena) {
  char path[PATH_MAX];
  const size_t n = self_path(path, sizeof path - 1);
  return n ? file_slashes(arena_copy(arena, path, n)) : NULL;
}

const char *file_library(Arena *arena, const char *path) {
  static const char *const folders[] = {"share/cnnc/lib", "../share/cnnc/lib", NULL};
  const char *self = file_self(arena);
  for (int i = 0; self && folders[i]; i++) {
    const char *found = file_beside(arena, self, arena_printf(arena, "%s/%s", folders[i], path));
    if (file_exists(found)) return found;
  }
  return NULL;
}

const char *file_identity(Arena *arena, const char *path) {
#ifdef __wasi__ /* without realpath, the inode number identifies the file */
  struct stat status;
  if (stat(path, &status) != 0) return path;
  return arena_printf(arena, "%llu", (unsigned long long)status.st_ino);
#else
  char *real = realpath(path, NULL);
  if (!real) return path;
  const char *copy = arena_copy(arena, real, strlen(real));
  free(real);
  return copy;
#endif
}

const char *file_beside(Arena *arena, const char *beside, const char *path) {
  const char *slash = strrchr(beside, '/');
  if (!slash || file_absolute(path)) return path;
  return arena_printf(arena, "%.*s%s", (int)(slash - beside) + 1, beside, path);
}

const char *base_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? slash + 1 : path;
}

/* ---- outputs ---- */

typedef enum FileKind {
  OUTPUT_RENAMED, /* the file is written under the temporary name, and renamed at the end */
  OUTPUT_DIRECT,  /* a device or pipe: the bytes are buffered and written at the end */
  OUTPUT_STDOUT,  /* standard output, buffered like OUTPUT_DIRECT */
} FileKind;

typedef struct Output {
  FileKind kind;
  const char *path, *temporary;
  const char *bytes;
  size_t n;
  mode_t mode; /* permissions of the file that is replaced; 0: no file is replaced */
} Output;

struct Outputs {
  Arena *arena;
  VEC(Output) list;
  VEC(const char *) folders; /* created folders, in the order in which outputs_folder created them */
};

static void abandon(void *outputs) { outputs_abandon(outputs); }

Outputs *outputs_new(Arena *arena) {
  Outputs *outputs = NEW(arena, Outputs);
  outputs->arena = arena;
  arena_at_failure(arena, abandon, outputs);
  return outputs;
}

/* A hidden name in the same directory: dir/.12-0-net.o for dir/net.o. Some tools require the suffix. */
static const char *temporary_name(Outputs *outputs, const char *path) {
  const char *slash = strrchr(path, '/');
  const int directory = slash ? (int)(slash - path) + 1 : 0;
  return arena_printf(outputs->arena, "%.*s.%ld-%d-%s", directory, path, (long)getpid(), outputs->list.n,
                      path + directory);
}

static bool output_place(Outputs *outputs, const char *path, Output *output, const char **why) {
  *output = (Output){.path = arena_copy(outputs->arena, path, strlen(path))};
  if (strcmp(path, "-") == 0) return output->kind = OUTPUT_STDOUT, true;
  struct stat status, link;
  if (stat(path, &status) == 0) {
    if (S_ISDIR(status.st_mode)) return *why = "it is a directory", false;
    if (!S_ISREG(status.st_mode)) return output->kind = OUTPUT_DIRECT, true;
    output->mode = status.st_mode & 07777;
    if (lstat(path, &link) == 0 && S_ISLNK(link.st_mode))
      output->path =
          file_identity(outputs->arena, path); /* writes to the target of a link, and keeps the link */
  }
  for (int i = 0; i < outputs->list.n; i++)
    if (strcmp(outputs->list.data[i].path, output->path) == 0)
      return *why = "two outputs have this name", false;
  output->temporary = temporary_name(outputs, output->path);
  return true;
}

bool outputs_folder(Outputs *outputs, const char *path, const char **why) {
  struct stat status;
  for (size_t n = strspn(path, "/"); path[n]; n += strspn(path + n, "/")) {
    n += strcspn(path + n, "/");
    const char *folder = arena_copy(outputs->arena, path, n);
    if (mkdir(folder, 0777) == 0) vec_push(outputs->arena, outputs->folders, folder);
    else if (errno != EEXIST) return *why = strerror(errno), false;
  }
  if (stat(path, &status) != 0) return *why = strerror(errno), false;
  return S_ISDIR(status.st_mode) || (*why = "it is not a folder", false);
}

const char *outputs_bytes(const Outputs *outputs, int i, const char **path, size_t *n) {
  if (i >= outputs->list.n) return NULL;
  *path = outputs->list.data[i].path;
  *n = outputs->list.data[i].n;
  return outputs->list.data[i].bytes;
}

static bool write_bytes(int descriptor, const char *bytes, size_t n) {
  while (n > 0) {
    const ssize_t written = write(descriptor, bytes, n);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes += written;
    n -= (size_t)written;
  }
  return true;
}

/* Closes the file even if the write failed. */
static bool write_and_close(int descriptor, const char *bytes, size_t n, const char **why) {
  const bool written = write_bytes(descriptor, bytes, n);
  const int error = errno;
  const bool closed = close(descriptor) == 0 || errno == EINTR; /* an interrupted close has closed the file */
  if (!written || !closed) *why = strerror(written ? errno : error);
  return written && closed;
}

static int temporary_open(const char *path) { return open_again(path, O_WRONLY | O_CREAT | O_EXCL); }

bool outputs_add(Outputs *outputs, const char *path, const char *bytes, size_t n, const char **why) {
  Output output;
  if (!output_place(outputs, path, &output, why)) return false;
  output.bytes = bytes;
  output.n = n;
  if (output.kind != OUTPUT_RENAMED) output.bytes = arena_copy(outputs->arena, bytes, n);
  /* the output is recorded before its file exists, so that outputs_abandon always removes the file */
  vec_push(outputs->arena, outputs->list, output);
  if (output.kind != OUTPUT_RENAMED) return true;
  const int descriptor = temporary_open(output.temporary);
#ifndef __wasi__ /* WASI files have no modes */
  if (descriptor >= 0 && output.mode) (void)fchmod(descriptor, output.mode);
#endif
  if (descriptor >= 0) return write_and_close(descriptor, bytes, n, why);
  *why = strerror(errno);
  outputs->list.n--;
  return false;
}

bool outputs_adopt(Outputs *outputs, const char *path, const char **temporary, const char **why) {
  Output output;
  if (!output_place(outputs, path, &output, why)) return false;
  if (output.kind == OUTPUT_STDOUT) return *why = "it cannot be written to standard output", false;
  if (output.kind == OUTPUT_DIRECT)
    return *temporary = output.path, true; /* the tool writes directly to the device */
  /* Checks now, before the tool runs, whether the directory exists and is writable. */
  const int descriptor = temporary_open(output.temporary);
  if (descriptor < 0) return *why = strerror(errno), false;
  close(descriptor);
  unlink(output.temporary);
  vec_push(outputs->arena, outputs->list, output);
  *temporary = output.temporary;
  return true;
}

static bool output_write(const Output *output, const char **why) {
  if (output->kind == OUTPUT_STDOUT) {
    const bool written = fflush(stdout) == 0 && write_bytes(STDOUT_FILENO, output->bytes, output->n);
    if (!written) *why = strerror(errno);
    return written;
  }
  const int descriptor = open_again(output->path, O_WRONLY | O_CREAT | O_TRUNC);
  if (descriptor >= 0) return write_and_close(descriptor, output->bytes, output->n, why);
  *why = strerror(errno);
  return false;
}

static bool rename_again(const char *from, const char *to) {
  int result;
  do result = rename(from, to);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

bool outputs_commit(Outputs *outputs, const char **path, const char **why) {
  bool done = true;
  for (int i = 0; i < outputs->list.n && done; i++) {
    *path = outputs->list.data[i].path;
    if (outputs->list.data[i].kind != OUTPUT_RENAMED) done = output_write(&outputs->list.data[i], why);
  }
  for (int i = 0; i < outputs->list.n && done; i++) {
    Output *output = &outputs->list.data[i];
    if (output->kind != OUTPUT_RENAMED) continue;
    *path = output->path;
    if (!rename_again(output->temporary, output->path)) {
      *why = strerror(errno);
      done = false;
    } else output->temporary = NULL;
  }
  if (done) outputs->folders.n = 0;
  outputs_abandon(outputs);
  return done;
}

void outputs_abandon(Outputs *outputs) {
  for (int i = 0; i < outputs->list.n; i++)
    if (outputs->list.data[i].temporary) unlink(outputs->list.data[i].temporary);
  outputs->list.n = 0;
  while (outputs->folders.n > 0) rmdir(outputs->folders.data[--outputs->folders.n]);
}
