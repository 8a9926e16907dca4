/* json.c: Serialization of JSON. */
// SPDX-License-Identifier: MIT-0
#include "hosted/base/json.h"

#include <stdlib.h>

char *cnn_json_text(const json_t *json) {
  const size_t n = json_dumpb(json, NULL, 0, JSON_COMPACT);
  char *text = n > 0 ? malloc(n + 1) : NULL;
  if (!text) return NULL;
  if (json_dumpb(json, text, n, JSON_COMPACT) == n) {
    text[n] = 0;
    return text;
  }
  free(text);
  return NULL;
}
