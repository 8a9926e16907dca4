/* safetensors.c: fuzz target for the reader of .safetensors. */
// SPDX-License-Identifier: Apache-2.0
#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  archive_touch(bytes, n);
  if (n == 0) return 0;
  /* The length field is rarely right after a mutation of the header, so the header is tried with the right
   * one, too: the first byte is the number of data bytes after it. */
  size_t data = bytes[0] < n - 1 ? bytes[0] : n - 1, header = n - 1 - data;
  uint8_t *whole = malloc(8 + n);
  if (!whole) return 0;
  for (int b = 0; b < 8; b++) whole[b] = (uint8_t)((uint64_t)header >> (8 * b));
  memcpy(whole + 8, bytes + 1, n - 1);
  archive_touch(whole, 8 + n - 1);
  free(whole);
  return 0;
}
