/* primitive_text.c: C text of the named primitives. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "nest/primitive.h"

static const char all_texts[] =
#include "nest/integer_primitives_text.inc"
#include "nest/word_primitives_text.inc"
#include "nest/dsp_primitives_text.inc"
    ;

/* Finds the text of a primitive, from its comment to the line that ends its function. Each primitive has a
 * blank line before it. */
const char *primitive_text(Arena *arena, const Primitive *primitive) {
  const char *head = arena_printf(arena, "INLINE int32_t cnn_%s(", primitive->name),
             *at = strstr(all_texts, head), *from = at, *end = strchr(at, '\n');
  while (from > all_texts && strncmp(from - 1, "\n\n", 2) != 0) from--;
  if (end[-1] != '}') end = strstr(at, "\n}\n") + 2;
  return arena_printf(arena, "%.*s\n", (int)(end - from), from);
}
