/* sibling.c: Names of the files that a run writes next to its output file. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn.h"

/* Index at which `suffix` begins at the end of a path; 0: the path does not end with the suffix, or equals
 * the suffix. */
static size_t suffix_at(const char *path, const char *suffix) {
  const size_t n = strlen(path), m = strlen(suffix);
  return n > m && strcmp(path + n - m, suffix) == 0 ? n - m : 0;
}

char *cnn_sibling(const char *path, const char *kind) {
  static const char plain[] = ".safetensors", arrays[] = ".npz";
  const size_t zipped = suffix_at(path, arrays), named = zipped ? zipped : suffix_at(path, plain),
               length = named ? named : strlen(path);
  /* the metadata of a checkpoint may be too long for an .npz */
  const char *suffix = zipped && strcmp(kind, "checkpoint") != 0 ? arrays : plain;
  const size_t room = length + strlen(kind) + sizeof plain + 1;
  char *sibling = malloc(room);
  if (sibling) snprintf(sibling, room, "%.*s.%s%s", (int)length, path, kind, suffix);
  return sibling;
}
