/* yolo_text.c: Fuzz target for YOLO's text files: boxes, and class names as lines and in YAML. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/yolo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void boxes_read(const char *text, size_t n, int32_t classes) {
  cnn_yolo yolo = {.path = "input", .next = text, .end = text + n, .classes = classes};
  bool more = true;
  for (size_t rows = 0; more; rows++) {
    cnn_object object;
    const int64_t line = yolo.line;
    const cnn_status status = cnn_yolo_next(&yolo, &object, &more);
    if ((status.code == CNN_OK) != (status.message[0] == 0) || rows > n + 1) abort();
    if (status.code != CNN_OK || !more) continue;
    if (yolo.line <= line || object.label < 0 || (classes > 0 && object.label >= classes)) abort();
    if (!(object.box[0] >= 0 && object.box[0] < object.box[2] && object.box[2] <= 1)) abort();
    if (!(object.box[1] >= 0 && object.box[1] < object.box[3] && object.box[3] <= 1)) abort();
  }
}

static void names_check(cnn_names *names, const cnn_status *status) {
  for (int32_t c = 0; c < names->count && status->code == CNN_OK; c++)
    if (!names->name[c] || strlen(names->name[c]) > 1 << 20) abort();
  if (status->code == CNN_OK && names->count == 0) abort();
  cnn_names_free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  char *text = malloc(n + 1);
  if (!text) return 0;
  memcpy(text, bytes, n);
  text[n] = 0;
  boxes_read(text, n, 0);
  boxes_read(text, n, 3);
  cnn_names names = {0};
  cnn_status status = cnn_names_lines(&names, "input", text, n);
  names_check(&names, &status);
  status = cnn_names_yaml(&names, "input", text, n);
  names_check(&names, &status);
  free(text);
  return 0;
}
