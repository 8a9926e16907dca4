/* tflite.c: Fuzz target for cnnc import of TensorFlow Lite: the importer rejects the bytes with an error, or
 * writes a program. The importer must not read outside of the bytes, and its memory is limited. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "import/import.h"
#include "import/tflite/tflite.h"
#include "most_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  Arena *arena = arena_new();
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  const Span at = {sources_add_binary(&sources, "model.tflite"), 0, 0};
  if (tflite_is(bytes, n)) {
    const char *rounding = n % 2 ? "litert" : "double", *variables = n / 2 % 2 ? "keep" : "raise";
    const ImportOptions options = {.net = "net", .rounding = rounding, .variables = variables};
    TflModel *m = tflite_open(arena, diags, at, "model.tflite", &options, bytes, n);
    const bool made = !m ? false
                      : tflite_is_quantized(m)
                          ? tflite_import(arena, diags, at, "model.tflite", &options, m, bytes, n) != NULL
                          : import_graph(arena, diags, at, &options,
                                         tflite_nodes(arena, diags, at, "model.tflite", m, bytes, n)) != NULL;
    if (!made != (diags_errors(diags) > 0)) abort();
  }
  if (arena_bytes(arena) > MOST_MEMORY) abort();
  arena_free(arena);
  return 0;
}
