/* open.c: a model from a file, as it is and damaged: open FILE OTHER prints the scores of FILE's; OTHER is
 * the model of another net. */
// SPDX-License-Identifier: Apache-2.0
#include "large.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "print_scores.h"

enum { ROOM = LARGE_FILE_BYTES + 64 };

static size_t read_file(const char *path, unsigned char *to) {
  FILE *file = fopen(path, "rb");
  if (!file) exit(2);
  const size_t n = fread(to, 1, ROOM, file);
  fclose(file);
  return n;
}

static void refused(const void *bytes, size_t n, const char *what) {
  if (large_open(bytes, n) == NULL) return;
  fprintf(stderr, "opened: %s\n", what);
  exit(3);
}

int main(int argc, char **argv) {
  static large_workspace workspace;
  static uint8_t image[LARGE_IMAGE_SIZE];
  float score[LARGE_OUTPUT_SIZE];
  unsigned char *bytes = malloc(ROOM), *other = malloc(ROOM);
  if (argc != 3 || !bytes || !other) return 2;
  const size_t n = read_file(argv[1], bytes), m = read_file(argv[2], other);
  if (n != LARGE_FILE_BYTES) return 4;
  const large_model *model = large_open(bytes, n);
  if (!model || (const unsigned char *)model < bytes || (const unsigned char *)model >= bytes + n) return 5;
  for (int i = 0; i < LARGE_IMAGE_SIZE; i++) image[i] = (uint8_t)(i * 37);
  large_infer(model, image, score, &workspace);
  print_scores(model, score);

  refused(NULL, 0, "nothing");
  refused(NULL, n, "a null pointer");
  refused(bytes, 0, "no bytes");
  refused(bytes, n - 1, "a short file");
  refused(bytes, n + 1, "a long file");
  refused(other, m, "another net's");
  memcpy(other, bytes, n);
  for (size_t i = 0; i < 64; i++) {
    other[i] ^= 0x10;
    refused(other, n, "a damaged beginning");
    other[i] ^= 0x10;
  }
  for (size_t shift = 1; shift < 4; shift++) {
    memmove(other + shift, bytes, n);
    refused(other + shift, n, "bytes that are not aligned");
  }
  memmove(other + 4, bytes, n);
  if (!large_open(other + 4, n)) return 6;
  free(bytes);
  free(other);
  return 0;
}
