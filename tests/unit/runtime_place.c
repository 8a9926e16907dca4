/* runtime_place.c: a new directory for a test. */
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime_place.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char directory[256];
static char name_room[8][320];
static int names;

const char *in_directory(const char *name) {
  char *room = name_room[names++ % 8];
  snprintf(room, sizeof *name_room, "%s/%s", directory, name);
  return room;
}

void make_directory(void) {
  const char *parent = getenv("TMPDIR");
  snprintf(directory, sizeof directory, "%s/cnn-train-XXXXXX", parent ? parent : "/tmp");
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
}

void remove_directory(void) {
  char command[320];
  snprintf(command, sizeof command, "rm -rf '%s'", directory);
  CU_ASSERT_EQUAL(system(command), 0);
}

bool place_has(const char *name) { return access(in_directory(name), F_OK) == 0; }

char *contents(const char *name) {
  FILE *file = fopen(in_directory(name), "rb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  char *text = calloc(1, 1 << 20);
  size_t n = fread(text, 1, (1 << 20) - 1, file);
  text[n] = 0;
  fclose(file);
  return text;
}

bool same_files(const char *a, const char *b) {
  FILE *file[2] = {fopen(in_directory(a), "rb"), fopen(in_directory(b), "rb")};
  CU_ASSERT_FATAL(file[0] && file[1]);
  int x, y;
  do {
    x = fgetc(file[0]);
    y = fgetc(file[1]);
  } while (x == y && x != EOF);
  fclose(file[0]);
  fclose(file[1]);
  return x == y;
}
