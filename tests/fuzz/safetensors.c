/* safetensors.c: fuzz target for the reader of .safetensors. */
// SPDX-License-Identifier: Apache-2.0
#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  archive_touch(bytes, n);
  if (n == 0) return 0;
  /* After a mutation of the header its length field is rarely right. Therefore the input is also tried as a
   * header with the right length field: the first byte is the number of data bytes after the header. */
  size_t data = bytes[0] < n - 1 ? bytes[0] : n - 1, header = n - 1 - data;
  uint8_t *whole = malloc(8 + n);
  if (!whole) return 0;
  for (int b = 0; b < 8; b++) whole[b] = (uint8_t)((uint64_t)header >> (8 * b));
  memcpy(whole + 8, bytes + 1, n - 1);
  archive_touch(whole, 8 + n - 1);
  free(whole);
  return 0;
}
