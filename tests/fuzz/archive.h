/* archive.h: Helper of the fuzz targets for array files: reads the last element and up to 1000 other elements
 * of each array in an accepted file. */
// SPDX-License-Identifier: Apache-2.0
#ifndef FUZZ_ARCHIVE_H
#define FUZZ_ARCHIVE_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/weights/archive.h"
#include "hosted/weights/classes.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static inline void tensor_touch(const cnn_tensor *tensor) {
  char shape[40];
  float some[16];
  cnn_tensor_shape(tensor, shape, sizeof shape);
  if (!cnn_tensor_numeric(tensor)) return;
  volatile double sum = 0;
  for (int64_t i = 0; i < tensor->size && i < 1000; i++) sum += cnn_tensor_number(tensor, i);
  if (tensor->size > 0) sum += cnn_tensor_number(tensor, tensor->size - 1);
  cnn_tensor_floats(tensor, 0, tensor->size < 16 ? tensor->size : 16, some);
}

static inline void archive_touch(const uint8_t *bytes, size_t n) {
  cnn_archive archive;
  cnn_status status = cnn_archive_parse(&archive, "input", bytes, n);
  if ((status.code == CNN_OK) != (status.message[0] == 0) || strlen(status.message) >= sizeof status.message)
    abort();
  if (status.code != CNN_OK && archive.count != 0) abort();
  for (int32_t i = 0; i < archive.count; i++) {
    tensor_touch(&archive.tensor[i]);
    if (!cnn_archive_find(&archive, archive.tensor[i].name)) abort();
  }
  cnn_classes classes;
  status = cnn_classes_read(&classes, &archive, "input");
  if (status.code != CNN_OK && classes.count != 0) abort();
  for (int32_t c = 0; c < classes.count; c++) {
    if (classes.name[c][0] == 0) abort();
  }
  cnn_classes_free(&classes);
  cnn_archive_close(&archive);
}
#endif
