/* npy.c: Fuzz target for the readers of .npy and .npz. In this build the readers ignore checksums, because
 * almost every mutation makes a checksum wrong. */
// SPDX-License-Identifier: Apache-2.0
#include "archive.h"
#include "hosted/weights/npz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  cnn_tensor tensor = {.name = "x"};
  if (cnn_npy_parse(&tensor, "input", bytes, n).code == CNN_OK) tensor_touch(&tensor);
  if (n >= 2 && bytes[0] == 'P' && bytes[1] == 'K') archive_touch(bytes, n);
  return 0;
}
