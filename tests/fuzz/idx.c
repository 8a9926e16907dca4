/* idx.c: Fuzz target for the reader of IDX files, also gzipped. */
// SPDX-License-Identifier: Apache-2.0
#include "archive.h"
#include "hosted/data/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  cnn_tensor tensor;
  unsigned char *unpacked;
  size_t size;
  if (cnn_idx_parse(&tensor, "input", bytes, n).code == CNN_OK) tensor_touch(&tensor);
  if (cnn_file_inflate("input", bytes, n, 1 << 16, &unpacked, &size).code != CNN_OK) return 0;
  if (size > 1 << 16) abort();
  if (cnn_idx_parse(&tensor, "input", unpacked, size).code == CNN_OK) tensor_touch(&tensor);
  free(unpacked);
  return 0;
}
