/* written.c: Check of output files: no command overwrites its inputs or the program itself. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "hosted/commands/written.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hosted/data/dataset.h"
#include "hosted/weights/archive.h"

/* Identity of a regular file: a file may have several names. Devices and pipes have no identity here, because
 * several outputs may go to the same device or pipe. */
typedef struct Identity {
  dev_t device;
  ino_t number;
} Identity;

static bool is_file(const char *path, Identity *identity) {
  struct stat about;
  if (!path || stat(path, &about) != 0 || !S_ISREG(about.st_mode)) return false;
  *identity = (Identity){about.st_dev, about.st_ino};
  return true;
}

static bool same_file(const char *path, const Identity *other) {
  Identity own;
  return is_file(path, &own) && own.device == other->device && own.number == other->number;
}

static int refuse(const cnn_usage *usage, const char *path, const char *why, const char *more) {
  return cnn_usage_error(usage, "%s cannot be written: %s%s", path, why, more);
}

/* Whether a path that was read is a regular file; sets *identity. The name of a weight file may end with
 * ":KEY". */
static bool was_read(const char *path, Identity *identity) {
  char file[4096];
  const int n = snprintf(file, sizeof file, "%.*s", (int)cnn_archive_file(path), path);
  return n >= 0 && (size_t)n < sizeof file && is_file(file, identity);
}

int cnn_written_spares(const cnn_usage *usage, const cnn_written *written, const char *path,
                       const char *why) {
  Identity read;
  if (!path || !was_read(path, &read)) return CNN_GO_ON;
  for (; written->option; written++) {
    if (same_file(written->path, &read)) return refuse(usage, written->path, why, "");
  }
  return CNN_GO_ON;
}

/* Whether two outputs are the same file. If the first output does not exist yet, compares the paths. */
static bool one_file(const char *a, const char *b) {
  Identity identity;
  struct stat about;
  if (!a || !b) return false;
  return is_file(a, &identity) ? same_file(b, &identity) : strcmp(a, b) == 0 && stat(a, &about) != 0;
}

int cnn_written_apart(const cnn_usage *usage, const cnn_written *written) {
  for (const cnn_written *a = written; a->option; a++) {
    for (const cnn_written *b = written; b < a; b++) {
      if (one_file(a->path, b->path)) return refuse(usage, a->path, b->option, " names the same file");
    }
  }
  return cnn_written_spares(usage, written, "/proc/self/exe", "it is this program");
}

int cnn_written_again(const cnn_usage *usage, const char *path) {
  struct stat about;
  if (stat(path, &about) != 0 || !(S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode))) return CNN_GO_ON;
  return refuse(usage, path, S_ISFIFO(about.st_mode) ? "it is a named pipe" : "it is a socket",
                ", not a regular file");
}

/* Search for the outputs among a data set's files; it stops at the first output that is found. */
typedef struct Search {
  const cnn_usage *usage;
  const cnn_written *written;
  int found;
} Search;

static void look_at(void *context, const char *path) {
  Search *search = context;
  if (search->found != CNN_GO_ON) return;
  search->found = cnn_written_spares(search->usage, search->written, path, "the data are read from it");
}

int cnn_written_spares_data(const cnn_usage *usage, const cnn_written *written, const cnn_data *data) {
  Search search = {usage, written, CNN_GO_ON};
  bool exists = false;
  Identity identity;
  for (const cnn_written *each = written; each->option; each++) {
    if (each->path && cnn_data_takes(data, each->path))
      return refuse(usage, each->path, "it would be inside the data set and would be read as data", "");
    exists = exists || is_file(each->path, &identity);
  }
  if (exists) cnn_data_files(data, look_at, &search);
  return search.found;
}
