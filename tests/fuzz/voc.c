/* voc.c: fuzz target for Pascal VOC's XML. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/voc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  cnn_voc voc;
  const cnn_status status = cnn_voc_parse(&voc, "input", (const char *)bytes, n);
  if ((status.code == CNN_OK) != (status.message[0] == 0)) abort();
  for (int32_t k = 0; k < voc.count; k++) {
    cnn_voc_object *object = &voc.object[k];
    if (cnn_voc_check(&voc, "input", object).code != CNN_OK) continue;
    const float *box = object->object.box;
    if (!object->name[0] || !(box[0] >= 0 && box[0] < box[2] && box[2] <= (float)voc.width)) abort();
    if (!(box[1] >= 0 && box[1] < box[3] && box[3] <= (float)voc.height)) abort();
  }
  cnn_voc_free(&voc);
  return 0;
}
