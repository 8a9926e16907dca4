/* merge.c: Function merging: kernels with identical code share a C function.
 *
 * A nest becomes C functions: an entry point, and the functions that it calls. Each function has a key of
 * everything that determines its code (nest/key.c). In the key, buffers and variables are numbered in order
 * of use, so their names do not matter. Functions with equal keys share one C function: for example the entry
 * points of layers with equal shapes. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/layout.h"

/* The Code of an instance. The functions that the instance calls must already have a Code. */
static Code *code_for(Arena *arena, Arena *scratch, Functions *functions, Instances *instances,
                      Instance *instance, bool team) {
  const Key *key = code_key(scratch, instances, instance, team);
  Code *code = key_table_find(&functions->code_of, key);
  if (!code) {
    code = NEW(arena, Code);
    *code = (Code){.id = functions->codes.n, .name = instance->name, .key = key_copy(arena, key)};
    vec_push(arena, functions->codes, code);
    key_table_set(arena, &functions->code_of, code->key, code);
  }
  instance->code = code->id;
  instance->name = code->name;
  return code;
}

NestFunction *merge_equal(Arena *arena, Functions *functions, Nest *nest, bool team, const char *name,
                          const Kernel *kernel) {
  Instances *instances = instances_of(nest);
  Arena *scratch = arena_new();
  Code *code = NULL;
  instances_name(instances, name);
  for (int i = 0; i < instances->instances.n; i++)
    code = code_for(arena, scratch, functions, instances, instances->instances.data[i], team);
  arena_free(scratch);
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
