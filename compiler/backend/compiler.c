/* compiler.c: Search for the C compiler, and the command lines of clang, gcc and zig. */
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "backend/compiler.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backend/backend.h"
#include "base/file.h"
#include "base/text.h"

/* Set by configure; this default is for other builds. */
#ifndef DEFAULT_CLANG
#define DEFAULT_CLANG "clang"
#endif

enum { NEWEST_CLANG = 29, OLDEST_CLANG = 14 };

/* ---- finding ---- */
#ifdef _WIN32
static const char between[] = ";", default_path[] = "";
static bool is_executable(const char *path) { return file_exists(path); }
#else
static const char between[] = ":", default_path[] = "/usr/bin:/bin";
static bool is_executable(const char *path) { return access(path, X_OK) == 0; }
#endif

static const char *with_program_suffix(Arena *arena, const char *program) {
  const size_t n = strlen(program), m = strlen(PROGRAM_SUFFIX);
  return n >= m && strcmp(program + n - m, PROGRAM_SUFFIX) == 0
             ? program
             : arena_printf(arena, "%s" PROGRAM_SUFFIX, program);
}

const char *on_path(Arena *arena, const char *program) {
  program = with_program_suffix(arena, program);
  if (strchr(program, '/')) return is_executable(program) ? program : NULL;
  const char *path = getenv("PATH");
  for (const char *at = path ? path : default_path;; at++) {
    const int length = (int)strcspn(at, between);
    const char *there = arena_printf(arena, "%.*s/%s", length, at, program);
    if (length && is_executable(there)) return there;
    at += length;
    if (!*at) return NULL;
  }
}

static const char *environment(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

static const char *find_clang(Arena *arena) {
  if (on_path(arena, DEFAULT_CLANG)) return DEFAULT_CLANG;
  for (int version = NEWEST_CLANG; version >= OLDEST_CLANG; version--) {
    const char *name = arena_printf(arena, "clang-%d", version);
    if (on_path(arena, name)) return name;
  }
  return on_path(arena, "clang") ? "clang" : NULL;
}

/* The newest clang, else gcc, else cc, else zig. */
static const char *find_any(Arena *arena) {
  static const char *const others[] = {"gcc", "cc", NULL};
  const char *found = find_clang(arena);
  for (const char *const *other = others; !found && *other; other++)
    if (on_path(arena, *other)) found = *other;
  if (found) return found;
  return on_path(arena, "zig") || environment("CNNC_ZIG") ? backend_zig(arena) : "clang";
}

const char *backend_zig(Arena *arena) {
  const char *named = environment("CNNC_ZIG");
  return named && !on_path(arena, "zig") ? named : "zig";
}

/* ---- words ---- */
/* Copies one word without its quotes. As in a shell, the quotes are '...', "..." and \. */
static const char *next_word(Arena *arena, const char **at) {
  Text word = {.arena = arena};
  char quote = 0;
  for (; **at && (quote || !isspace((unsigned char)**at)); ++*at) {
    if (quote ? **at == quote : **at == '\'' || **at == '"') {
      quote = quote ? 0 : **at;
      continue;
    }
    if (**at == '\\' && quote != '\'' && (*at)[1]) ++*at;
    text_bytes(&word, *at, 1);
  }
  return word.n ? word.s : "";
}

static bool is_space(char c) { return isspace((unsigned char)c); }

/* Splits a command at blanks. If the whole text is the path of a program, it is one word. */
static Command split_words(Arena *arena, const char *text) {
  Command command = {.arena = arena};
  if (strchr(text, '/') && on_path(arena, text)) {
    command_add(&command, text);
    return command;
  }
  while (is_space(*text)) text++;
  while (*text) {
    command_add(&command, next_word(arena, &text));
    while (is_space(*text)) text++;
  }
  return command;
}

static bool is_zig(const Command *command) {
  for (int i = 0; i < command->words.n; i++)
    if (strcmp(command->words.data[i], "ziglang") == 0) return true; /* python3 -m ziglang */
  return command->words.n && strncmp(base_name(command->words.data[0]), "zig", 3) == 0;
}

/* Whether the command is zig itself, which needs the argument `cc`. Wrappers such as zigcc add this argument
 * themselves. */
static bool wants_cc(const Command *command) {
  return strncmp(base_name(command->words.data[0]), "zigcc", 5) != 0 &&
         strncmp(base_name(command->words.data[0]), "zig-cc", 6) != 0;
}

static bool has_word(const Command *command, const char *word) {
  for (int i = 0; i < command->words.n; i++)
    if (strcmp(command->words.data[i], word) == 0) return true;
  return false;
}

Compiler compiler_find(Arena *arena, const char *cc) {
  Compiler compiler = {.name = cc ? cc : environment("CNNC_CC")};
  if (!compiler.name) compiler.name = find_any(arena);
  Command command = split_words(arena, file_slashes(arena_copy(arena, compiler.name, strlen(compiler.name))));
  /* a name that has only blanks becomes one word, and cannot be started */
  if (!command.words.n) command_add(&command, compiler.name);
  compiler.zig = is_zig(&command);
  for (int i = 0; i < command.words.n && !compiler.clang; i++)
    compiler.clang = strstr(base_name(command.words.data[i]), "clang") != NULL;
  if (compiler.zig && wants_cc(&command) && !has_word(&command, "cc")) command_add(&command, "cc");
  compiler.clang = compiler.clang || compiler.zig;
  command_add(&command, NULL);
  compiler.words = command.words.data;
  return compiler;
}

bool names_files(const Compiler *compiler) {
#ifdef __linux__
  return compiler->zig;
#else
  return (void)compiler, true;
#endif
}

bool backend_has_openmp(Arena *arena, const char *cc) { return !compiler_find(arena, cc).zig; }

/* ---- options ---- */
void compiler_add(Command *command, const Compiler *compiler) { command_add_all(command, compiler->words); }

/* Zig's name for a machine, from clang's name. Zig's names have no vendor, and bare metal is "freestanding".
 * The name of a glibc system ends in the oldest glibc version on which the result must run. */
static const char *zig_machine(Arena *arena, const char *clang) {
  static const struct {
    const char *clang, *zig;
  } names[] = {{"wasm32", "wasm32-freestanding"},
               {"riscv32-unknown-elf", "riscv32-freestanding"},
               {"x86_64-linux-gnu", "x86_64-linux-gnu.2.17"},
               {"aarch64-linux-gnu", "aarch64-linux-gnu.2.17"},
               {"x86_64-apple-macos11", "x86_64-macos.11.0"},
               {"aarch64-apple-macos11", "aarch64-macos.11.0"},
               {0}};
  for (int i = 0; names[i].clang; i++)
    if (strcmp(names[i].clang, clang) == 0) return names[i].zig;
  const char *abi = strstr(clang, "-none-");
  return strncmp(clang, "thumb", 5) == 0 && abi
             ? arena_printf(arena, "thumb-freestanding-%s", abi + strlen("-none-"))
             : clang;
}

/* Zig's names of CPUs have no hyphens. */
static const char *zig_cpu(Arena *arena, const char *clang) {
  char *name = arena_printf(arena, "-mcpu=%s", clang);
  for (char *at = name + strlen("-mcpu="); *at; at++)
    if (*at == '-') *at = '_';
  return name;
}

static void add_zig_flag(Command *command, const char *flag) {
  if (strncmp(flag, "--target=", 9) == 0)
    command_add_all(command, WORDS("-target", zig_machine(command->arena, flag + 9)));
  else if (strncmp(flag, "-mcpu=", 6) == 0) command_add(command, zig_cpu(command->arena, flag + 6));
  else if (strcmp(flag, "-march=rv32imc") == 0) command_add(command, "-mcpu=generic_rv32+m+c");
  else command_add(command, flag);
}

void compiler_add_machine(Command *command, const Compiler *compiler, const char *const *cross) {
  /* Without the name of a CPU, zig generates code for this machine's CPU. Other CPUs may not be able to run
   * that code. */
  if (compiler->zig) command_add_all(command, cross ? WORDS("-g0") : WORDS("-g0", "-mcpu=baseline"));
  for (; cross && *cross; cross++)
    if (compiler->zig) add_zig_flag(command, *cross);
    else if (compiler->clang || strncmp(*cross, "--target=", 9) != 0) command_add(command, *cross);
}

/* ---- zig's folders ---- */
/* Zig's cache: $ZIG_GLOBAL_CACHE_DIR, $XDG_CACHE_HOME/cnnc/zig, or ~/.cache/cnnc/zig, as in the Python
 * package. On Windows, %LOCALAPPDATA% replaces an unset $XDG_CACHE_HOME. NULL: there is no home directory. */
static const char *zig_cache(Arena *arena) {
  const char *base = environment("XDG_CACHE_HOME"), *home = environment("HOME");
  if (environment("ZIG_GLOBAL_CACHE_DIR")) return getenv("ZIG_GLOBAL_CACHE_DIR");
#ifdef _WIN32
  if (!base) base = environment("LOCALAPPDATA");
#endif
  if (base && file_absolute(base)) return arena_printf(arena, "%s/cnnc/zig", base);
  return home ? arena_printf(arena, "%s/.cache/cnnc/zig", home) : NULL;
}

static void make_folders(Arena *arena, const char *path) {
  for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
    mkdir(arena_copy(arena, path, (size_t)(slash - path)), 0777);
  mkdir(path, 0777); /* if this fails, zig fails, too, with a message */
}

void zig_environment(Arena *arena, const char *scratch) {
  const char *cache = zig_cache(arena);
  if (!cache) cache = arena_printf(arena, "%s/global", scratch);
  make_folders(arena, cache);
  setenv("ZIG_GLOBAL_CACHE_DIR", cache, 1);
  setenv("ZIG_LOCAL_CACHE_DIR", arena_printf(arena, "%s/local", scratch), 1);
  setenv("SOURCE_DATE_EPOCH", "0", 0); /* the time in the header of an .exe and a .dll */
}

/* The version of zig; NULL: unknown, for example because the compiler is a wrapper that calls `zig cc`. */
static const char *zig_version(Arena *arena, const Compiler *compiler) {
  char line[64] = "";
  const char *why;
  const char *const *cc = compiler->words;
  while (*cc && strcmp(*cc, "cc") != 0) cc++;
  FILE *printed = *cc ? command_file(arena, "", 0, &why) : NULL;
  if (!printed) return NULL;
  Command command = {.arena = arena, .what = "the C compiler", .printed = printed, .messages = printed};
  for (const char *const *word = compiler->words; word < cc; word++) command_add(&command, *word);
  command_add(&command, "version");
  const bool done = command_run(&command, &why);
  rewind(printed);
  const bool read = done && fgets(line, sizeof line, printed);
  fclose(printed);
  return read ? arena_copy(arena, line, strcspn(line, " /\n")) : NULL;
}

bool zig_unprepared(Arena *arena, const Compiler *compiler, const char *const *cross, const char **mark) {
  const char *version = zig_version(arena, compiler), *cache = zig_cache(arena);
  const char *machine = cross ? zig_machine(arena, cross[0] + strlen("--target=")) : "native";
  *mark = version && cache ? arena_printf(arena, "%s/ready-%s-%s", cache, version, machine) : NULL;
  return *mark && !file_exists(*mark);
}
