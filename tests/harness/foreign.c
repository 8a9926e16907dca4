// foreign.c: Commands that compile and run code for other CPUs. Environment variables: CLANG is the C
// compiler, top_srcdir is the root of the source tree.
// SPDX-License-Identifier: Apache-2.0
#include "foreign.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "all.h"
#include "base/text.h"
#include "bytes.h"

static const struct {
  const char *target, *command;
} emulator[] = {{"aarch64", "qemu-aarch64"},
                {"aarch64-dotprod", "qemu-aarch64"}, /* by default qemu emulates a CPU with all features */
                {"aarch64-bf16", "qemu-aarch64"},
                {"riscv64", "qemu-riscv64"},
                {"armv7m", "qemu-arm"},
                {"armv8.1-m", "qemu-system-arm"},
                {"wasm32", "node"},
                {"wasm32-relaxed", "node"},
                {NULL, NULL}};

static const char *emulator_of(const Target *target) {
  for (int i = 0; emulator[i].target; i++)
    if (!strcmp(emulator[i].target, target->name)) return emulator[i].command;
  return NULL;
}

/* The option with which node accepts modules for the target; NULL if node never accepts them. In Node
 * 20 relaxed vectors are experimental and need the option; later versions always accept them, and reject the
 * option. The bytes in the script are a module with a relaxed vector instruction. */
static const char *node_option(Arena *arena, const Target *target) {
  static const char *const options[] = {"", "--experimental-wasm-relaxed-simd "};
  static const char script[] =
      "process.exit(WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, "
      "123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11])) ? 0 : 1)";
  if (strcmp(target->name, "wasm32-relaxed") != 0) return options[0];
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (!system(arena_printf(arena, "node %s-e '%s' 2>/dev/null", options[i], script))) return options[i];
  return NULL;
}

/* Options of clang in addition to those of the target. With hardware doubles a Cortex-M7 needs no support
 * library for the few doubles of training code. */
static const char *more_options(Arena *arena, const Target *target) {
  if (!strcmp(target->name, "wasm32-relaxed"))
    return "-Wl,--no-entry -Wl,--export-dynamic -Wl,--stack-first -Wl,-z,stack-size=1048576 "
           "--no-wasm-opt";
  if (!strcmp(target->name, "wasm32"))
    return "-Wl,--no-entry -Wl,--export-dynamic -Wl,--stack-first -Wl,-z,stack-size=1048576";
  if (!strcmp(target->name, "armv8.1-m"))
    return arena_printf(arena, "-static -T %s/tests/harness/helium.ld", variable("top_srcdir", "."));
  return !strcmp(target->name, "armv7m") ? "-static -mfpu=fpv5-d16" : "-static";
}

/* Whether clang rejects one of the options of more_options. */
static bool more_missing(Arena *arena, const Target *target) {
  return system(arena_printf(arena, "%s --target=wasm32 %s -E -x c /dev/null >/dev/null 2>&1",
                             variable("CLANG", "clang"), more_options(arena, target)));
}

const char *foreign_missing(Arena *arena, const Target *target) {
  const char *command = emulator_of(target);
  if (!command) return "an emulator";
  if (!strcmp(command, "node"))
    return system("node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null")
               ? "node 18"
           : !node_option(arena, target) ? "node with relaxed vectors"
           : more_missing(arena, target) ? "clang 18"
                                         : NULL;
  return system(arena_printf(arena, "command -v %s >/dev/null", command)) ? command : NULL;
}

static bool compile(Arena *arena, const Target *target, const char *dir) {
  const char *harness = arena_printf(arena, "%s/tests/harness", variable("top_srcdir", "."));
  Text command = {.arena = arena};
  text_put(&command, "%s", variable("CLANG", "clang"));
  for (const char *const *flag = target->cross; *flag; flag++)
    if (strcmp(*flag, "-fPIC") != 0) text_put(&command, " %s", *flag);
  text_put(&command,
           " -std=c11 %s -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -nostdlib -fuse-ld=lld -I%s "
           "%s/net.c %s/glue.c %s/bare.c -o %s/program %s",
           try_all() ? "-O1" : "-O0", /* compilation takes 90% of the test's time */
           dir, dir, dir, harness, dir, more_options(arena, target));
  return system(command.s) == 0;
}

bool foreign_run(Arena *arena, const Target *target, const char *dir, const unsigned char *in,
                 size_t in_bytes, unsigned char *out, size_t out_bytes) {
  if (!compile(arena, target, dir) || !bytes_write(arena_printf(arena, "%s/in", dir), in, in_bytes))
    return false;
  if (!strcmp(target->name, "armv8.1-m"))
    return system(
               arena_printf(arena,
                            "cd %s && timeout 300 qemu-system-arm -M mps3-an547 -display none -serial none "
                            "-monitor none -semihosting-config enable=on,target=native -kernel program",
                            dir)) == 0 &&
           bytes_read(arena_printf(arena, "%s/out", dir), out, out_bytes);
  const char *script = !strcmp(target->arch, "wasm32")
                           ? arena_printf(arena, " %s%s/tests/harness/bare.mjs", node_option(arena, target),
                                          variable("top_srcdir", "."))
                           : "";
  return system(arena_printf(arena, "%s%s %s/program <%s/in >%s/out", emulator_of(target), script, dir, dir,
                             dir)) == 0 &&
         bytes_read(arena_printf(arena, "%s/out", dir), out, out_bytes);
}
