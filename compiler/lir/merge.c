/* merge.c: kernels that are the same code share a C function.
 *
 * A nest becomes C functions: one that is called from outside, and those that it calls. Each has a key of all
 * that decides its code (nest/key.c), in which buffers and variables are numbered as they are met, so that it
 * does not depend on names. What has the same key is there once: whole kernels, of layers of equal shape, and
 * tiles of convolutions of which one has a residual behind it. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "lir/layout.h"

const char *merge_hash(Arena *arena, const NestKey *key) {
  return arena_printf(arena, "%" PRIx64, key->hash);
}

/* What this instance is printed as. Those that it calls know theirs. */
static Code *code_for(Arena *arena, Functions *functions, Instances *instances, Instance *instance,
                      bool team) {
  const NestKey *key = code_key(arena, instances, instance, team);
  const char *hash = merge_hash(arena, key);
  Code *first = table_find(&functions->by_hash, hash), *code = first;
  while (code && !nest_key_equal(code->key, key)) code = code->next;
  if (!code) {
    code = NEW(arena, Code);
    *code = (Code){.id = functions->codes.n, .name = instance->name, .key = key, .next = first};
    vec_push(arena, functions->codes, code);
    table_set(arena, &functions->by_hash, hash, code);
  }
  instance->code = code->id;
  instance->name = code->name;
  return code;
}

NestFunction *merge_equal(Arena *arena, Functions *functions, Nest *nest, bool team, const char *name,
                          const Kernel *kernel) {
  Instances *instances = instances_of(arena, nest, name);
  Code *code = NULL;
  for (int i = 0; i < instances->instances.n; i++)
    code = code_for(arena, functions, instances, instances->instances.data[i], team);
  if (code->entry) {
    if (kernel) vec_push(arena, code->entry->also, kernel);
    return code->entry;
  }
  NestFunction *function = code->entry = NEW(arena, NestFunction);
  function->id = functions->all.n;
  function->own = name;
  function->name = arena_printf(arena, "%s%s", name, functions->suffix);
  function->nest = nest;
  function->team = team;
  function->kernel = kernel;
  function->instances = instances;
  function->stack = nest_stack(nest);
  function->into = function;
  vec_push(arena, functions->all, function);
  return function;
}
