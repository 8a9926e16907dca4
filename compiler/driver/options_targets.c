// options_targets.c: which CPUs code is made for, and what their boards have.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "options_check.h"
#include "options_words.h"

typedef VEC(const char *) Words;

const char *const *options_targets(Arena *arena) {
  Words words = {0};
  for (const Target *t = target_table; t->name; t++) vec_push(arena, words, t->name);
  vec_push(arena, words, "native");
  vec_push(arena, words, NULL);
  return words.data;
}

const char *const *options_cpus(Arena *arena) {
  Words words = {0};
  for (const Cpu *cpu = cpu_table; cpu->name; cpu++) vec_push(arena, words, cpu->name);
  vec_push(arena, words, NULL);
  return words.data;
}

static bool has_target(const Options *options, const Target *target) {
  for (int i = 0; i < options->targets.n; i++)
    if (options->targets.data[i] == target) return true;
  return false;
}

static void add_target(Options *options, Arena *arena, const Target *target) {
  if (has_target(options, target)) return;
  vec_push(arena, options->targets, target);
  for (int i = options->targets.n - 1;
       i > 0 && options->targets.data[i - 1]->march_level < options->targets.data[i]->march_level; i--) {
    const Target *better = options->targets.data[i];
    options->targets.data[i] = options->targets.data[i - 1];
    options->targets.data[i - 1] = better;
  }
}

bool options_read_targets(Options *options, Arena *arena, const char *list) {
  options->targets_given = true;
  options->targets.n = 0;
  for (const char *at = list;; at++) {
    const size_t length = strcspn(at, ",");
    const char *name = arena_copy(arena, at, length);
    const Target *target = strcmp(name, "native") == 0 ? target_native() : target_find(name);
    options->native = options->native || strcmp(name, "native") == 0;
    if (length == 0) return usage_error("--target wants a list of targets, not '%s'", list);
    if (!target) return unknown_word("target", name, options_targets(arena));
    add_target(options, arena, target);
    at += length;
    if (!*at) return true;
  }
}

bool options_read_cpu(Options *options, Arena *arena, const char *name) {
  options->cpu = cpu_find(name);
  return options->cpu || unknown_word("CPU", name, options_cpus(arena));
}

bool options_read_bytes(const char *option, const char *text, int64_t *bytes) {
  char *end;
  double value = strtod(text, &end);
  const char *const digits = "0123456789.";
  const bool plain = strspn(text, digits) == (size_t)(end - text);
  static const char suffix[] = "KMG";
  const char *found = *end ? strchr(suffix, *end) : NULL;
  for (int64_t i = 0; found && i <= found - suffix; i++) value *= 1024;
  if (end == text || !plain || !(value >= 1 && value <= 0x1p50) || (*end && (!found || end[1])))
    return usage_error("%s wants a number of bytes, as 98304, 96K or 1.5M, not '%s'", option, text);
  *bytes = (int64_t)value;
  return true;
}

static void default_targets(Options *options, Arena *arena) {
  static const char *const all[] = {"x86-64-v4", "x86-64-v3", "x86-64", NULL}; /* slowest to compile first */
  if (options->kind == OUTPUT_WASM) add_target(options, arena, target_find("wasm32"));
  else if (options->cpu) {
    add_target(options, arena, target_find(options->cpu->target));
    options->targets_given = true;
  } else if (options_plain(options)) add_target(options, arena, target_find("generic"));
  else if (options->kind == OUTPUT_LIBRARY) {
    add_target(options, arena, target_find("armv7m"));
    add_target(options, arena, target_find("generic"));
  } else if (options->kind == OUTPUT_PROGRAM || (options->tune && !options->output) ||
             target_is_foreign(target_find("x86-64"))) {
    add_target(options, arena, target_native());
    options->native = true;
  } else
    for (int i = options->level == LEVEL_QUICK; all[i]; i++) add_target(options, arena, target_find(all[i]));
}

/* A CPU belongs to all targets of the file, but for those that are of any CPU. */
bool options_choose_targets(Options *options, Arena *arena) {
  if (options->targets.n == 0) default_targets(options, arena);
  const Cpu *cpu = options->cpu;
  bool board = cpu != NULL;
  if (cpu && options->kind == OUTPUT_WASM)
    return usage_error("WebAssembly runs on no board: leave --cpu out");
  for (int i = 0; i < options->targets.n; i++) board = board || cpu_cycles(options->targets.data[i]);
  if (options->flash_wait && !board)
    return usage_error("--flash-wait is about a board: it wants --cpu=NAME, or the target of one");
  for (int i = 0; cpu && i < options->targets.n; i++) {
    const Target *target = options->targets.data[i];
    if (target->arch && strcmp(target->arch, target_find(cpu->target)->arch) != 0)
      return usage_error("a %s does not run code of %s: leave --target out, which is %s then", cpu->name,
                         target->name, cpu->target);
  }
  return true;
}
