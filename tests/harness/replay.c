/* replay.c: Calls a fuzz target once per file, like libFuzzer. Usage: replay FILE... */
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t most);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv); /* defined by some targets */

/* In a program with libFuzzer, libFuzzer defines this function. Custom mutators of fuzz targets call the
 * function. This version leaves the bytes as they are. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t most) {
  (void)data;
  return n < most ? n : most;
}

/* Reads a file into memory of exactly its size, so that a read past the end is detected. */
static uint8_t *read_whole(const char *path, size_t *n) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) return NULL;
  *n = (size_t)ftell(file);
  rewind(file);
  uint8_t *data = malloc(*n ? *n : 1);
  if (data && fread(data, 1, *n, file) != *n) {
    free(data);
    data = NULL;
  }
  fclose(file);
  return data;
}

int main(int argc, char **argv) {
  if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; i++) {
    size_t n = 0;
    uint8_t *data = read_whole(argv[i], &n);
    if (!data) return perror(argv[i]), 2;
    /* after a crash, the last line is the name of the file that caused the crash */
    fprintf(stderr, "%s\n", argv[i]);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
  }
  printf("%d files\n", argc - 1);
  return 0;
}
