/* syntax.c: Fuzz target for the lexer, the parser and the printing of messages. The dump of a text without
 * errors must parse to the same tree. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "syntax/ast.h"

static Text dump_of(Arena *arena, Diags *diags, Sources *sources, const char *text, size_t n) {
  Ast program = {0};
  vec_push(arena, program.files,
           parse_file(arena, diags, sources, sources_add(sources, "fuzz.cnn", text, n)));
  Text dump = {.arena = arena};
  ast_dump(&dump, &program);
  return dump;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  FILE *nowhere = fopen("/dev/null", "wb");
  if (!nowhere) return 0;
  Arena *arena = arena_new();
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  const Text dump = dump_of(arena, diags, &sources, (const char *)bytes, n);
  if (diags_errors(diags) == 0) {
    Diags *again = diags_new(arena, &sources);
    const Text second = dump_of(arena, again, &sources, dump.s, dump.n);
    /* The dump may have more brackets than the text. The only error allowed in the dump is therefore that
     * brackets are nested too deeply. */
    bool deep = false;
    for (size_t i = 0, depth = 0; i < dump.n; i++) {
      if (strchr("([{", dump.s[i])) depth++;
      if (strchr(")]}", dump.s[i]) && depth) depth--;
      deep = deep || depth > 150;
    }
    if (!deep && (diags_errors(again) > 0 || strcmp(dump.s, second.s) != 0)) abort();
  }
  for (DiagFormat format = DIAG_TEXT; format <= DIAG_SARIF; format++)
    diags_print(diags, nowhere, format, n % 2);
  arena_free(arena);
  fclose(nowhere);
  return 0;
}
