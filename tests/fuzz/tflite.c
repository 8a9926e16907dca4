/* tflite.c: fuzz target for cnnc import of TensorFlow Lite: whatever the bytes are, they are refused in words
 * or give a program, and nothing outside them is read. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "exchange/tflite.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  Arena *arena = arena_new();
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  const Span at = {sources_add_binary(&sources, "model.tflite"), 0, 0};
  if (tflite_is(bytes, n)) {
    const char *rounding = n % 2 ? "litert" : "double";
    const TflProgram *made = tflite_import(arena, diags, at, "model.tflite", "net", rounding, bytes, n);
    if (!made != (diags_errors(diags) > 0)) abort();
  }
  arena_free(arena);
  return 0;
}
