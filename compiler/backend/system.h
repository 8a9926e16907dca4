/* system.h: Properties of the operating systems that cnnc links executables and libraries for. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SYSTEM_H
#define CNNC_SYSTEM_H
#include <stdbool.h>
#include "base/arena.h"

typedef struct System {
  const char *name;             /* the system's name in --os: "linux-musl" */
  const char *program, *shared; /* suffixes of executables and shared libraries */
  const char *soname; /* linker option for the name of a shared library; NULL: there is no such option */
  const char *import; /* suffix of the import library with which a program is linked; NULL: there is none */
  const char *link;   /* additional option for zig when it links; NULL: none */
  /* text after the CPU's name: `clang` in clang's target triple, `folder` in the name of the runtime's
   * folder */
  const char *clang, *folder;
  const char *arch[3]; /* architectures with a runtime, as in Target; NULL-terminated */
} System;
extern const System system_table[]; /* ends with name NULL */

const System *system_here(void);
/* The system whose executables or shared libraries have this suffix. NULL: the suffix is empty, no system
 * uses it, or this machine's system uses it. */
const System *system_of_suffix(const char *suffix);
/* The architecture to use if none is given. For a Linux system, this is the architecture of this machine if
 * `arch` contains it. In all other cases, it is arch[0]. */
const char *system_default_arch(const System *);
bool system_has_arch(const System *, const char *arch);
/* Clang's options for the system on a CPU of this architecture, NULL-terminated. */
const char *const *system_cross(Arena *, const System *, const char *arch);
/* The folder of the runtime: "x86_64-linux-musl". */
const char *system_folder(Arena *, const System *, const char *arch);
#endif
