/* system.c: Properties of the operating systems that cnnc links executables and libraries for. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/system.h"
#include <string.h>
#include "target/target.h"

#define X86 "x86-64"
#define ARM "aarch64"

/* Windows has no `soname`: its shared libraries have no SONAME, and it needs no -fPIC, because all of its
 * code is position-independent. Without -s, zig writes a .pdb file for each executable. */
const System system_table[] = {{.name = "linux",
                                .program = "",
                                .shared = ".so",
                                .soname = "-soname",
                                .clang = "linux-gnu",
                                .folder = "linux-gnu",
                                .arch = {X86, ARM}},
                               {.name = "linux-musl",
                                .program = "",
                                .shared = ".so",
                                .soname = "-soname",
                                .clang = "linux-musl",
                                .folder = "linux-musl",
                                .arch = {X86, ARM}},
                               {.name = "windows",
                                .program = ".exe",
                                .shared = ".dll",
                                .import = ".lib",
                                .link = "-s",
                                .clang = "windows-gnu",
                                .folder = "windows-gnu",
                                .arch = {X86}},
                               {.name = "macos",
                                .program = "",
                                .shared = ".dylib",
                                .soname = "-install_name",
                                .clang = "apple-macos11",
                                .folder = "macos",
                                .arch = {ARM, X86}},
                               {0}};

const System *system_here(void) {
#if defined(_WIN32)
  static const char name[] = "windows";
#elif defined(__APPLE__)
  static const char name[] = "macos";
#else
  static const char name[] = "linux";
#endif
  const System *system = system_table;
  while (strcmp(system->name, name) != 0) system++;
  return system;
}

const System *system_of_suffix(const char *suffix) {
  const System *here = system_here();
  if (!*suffix || strcmp(suffix, here->program) == 0 || strcmp(suffix, here->shared) == 0) return NULL;
  for (const System *system = system_table; system->name; system++)
    if (strcmp(suffix, system->program) == 0 || strcmp(suffix, system->shared) == 0) return system;
  return NULL;
}

bool system_has_arch(const System *system, const char *arch) {
  for (const char *const *one = system->arch; arch && *one; one++)
    if (strcmp(*one, arch) == 0) return true;
  return false;
}

const char *system_default_arch(const System *system) {
  const char *here = target_native()->arch;
  const bool linked = strncmp(system->name, "linux", 5) == 0 && system_has_arch(system, here);
  return linked ? here : system->arch[0];
}

static const char *clang_arch(const char *arch) { return strcmp(arch, X86) == 0 ? "x86_64" : arch; }

const char *const *system_cross(Arena *arena, const System *system, const char *arch) {
  const char **options = NEW_ARRAY(arena, const char *, 3);
  options[0] = arena_printf(arena, "--target=%s-%s", clang_arch(arch), system->clang);
  options[1] = system->soname ? "-fPIC" : NULL;
  options[2] = NULL;
  return options;
}

const char *system_folder(Arena *arena, const System *system, const char *arch) {
  return arena_printf(arena, "%s-%s", clang_arch(arch), system->folder);
}
