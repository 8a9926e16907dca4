/* onnx.c: Fuzz target for cnnc import of ONNX: the importer rejects the bytes, or writes a program that
 * computes the same as the model. The importer's memory is limited. */
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "driver/import.h"
#include "most_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  Arena *arena = arena_new();
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  const ImportOptions options = {.net = "net_"};
  const Span at = {sources_add_binary(&sources, "model.onnx"), 0, 0};
  const ModelImport *im = import_bytes(arena, diags, "model.onnx", at, &options, bytes, n);
  if (im) {
    Text program = {.arena = arena};
    const char *why;
    if (import_check(im, "net.cnn", &program, &why) == IMPORT_WRONG) {
      fprintf(stderr, "%s\n%s", why, im->text);
      abort();
    }
  }
  if (arena_bytes(arena) > MOST_MEMORY) abort();
  arena_free(arena);
  return 0;
}
