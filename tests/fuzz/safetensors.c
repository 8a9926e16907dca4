/* safetensors.c: fuzz target for the reader of .safetensors. */
// SPDX-License-Identifier: Apache-2.0
#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  archive_touch(bytes, n);
  if (n == 0) return 0;
  /* A mutation rarely leaves the header's length field correct. Therefore a second file is built from the
   * input, with a correct length field. The first byte of the input is the number of data bytes. The other
   * bytes are the header, then the data. */
  size_t data = bytes[0] < n - 1 ? bytes[0] : n - 1, header = n - 1 - data;
  uint8_t *whole = malloc(8 + n);
  if (!whole) return 0;
  for (int b = 0; b < 8; b++) whole[b] = (uint8_t)((uint64_t)header >> (8 * b));
  memcpy(whole + 8, bytes + 1, n - 1);
  archive_touch(whole, 8 + n - 1);
  free(whole);
  return 0;
}
