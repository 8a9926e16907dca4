/* allocation_faults.c: Preloaded library that makes calls fail: the FAULT_MEMORY-th allocation, or every
 * FAULT_INTERRUPT-th call that a signal may interrupt. FAULT_COUNT names a file to which the library writes
 * the number of allocations and the number of interruptible calls. Child processes do not inherit the
 * faults. */
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static atomic_long allocations, calls;
static long memory, interrupt;
static int armed;
static char count_path[4096];

static long number(const char *name) {
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULT_COUNT");
  memory = number("FAULT_MEMORY");
  interrupt = number("FAULT_INTERRUPT");
  snprintf(count_path, sizeof count_path, "%s", path ? path : "");
  unsetenv("LD_PRELOAD");
  armed = 1;
}

__attribute__((destructor)) static void end(void) {
  armed = 0;
  FILE *file = *count_path ? fopen(count_path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%ld %ld\n", (long)allocations, (long)calls);
  fclose(file);
}

/* ---- memory */

/* No call from LLVM's OpenMP runtime is made to fail: the runtime hangs if it starts without memory, and
 * aborts if a file in /proc cannot be opened on the first attempt. Only the authors of that runtime can fix
 * these bugs. */
static int is_openmp(const void *caller) {
  Dl_info about;
  return dladdr(caller, &about) && about.dli_fname && strstr(about.dli_fname, "omp");
}

static int fails(const void *caller) {
  if (!armed || is_openmp(caller) || ++allocations != memory) return 0;
  errno = ENOMEM;
  return 1;
}

#define CALLER __builtin_return_address(0)
void *malloc(size_t bytes) { return fails(CALLER) ? NULL : __libc_malloc(bytes); }
void *calloc(size_t n, size_t bytes) { return fails(CALLER) ? NULL : __libc_calloc(n, bytes); }
void *realloc(void *old, size_t bytes) { return fails(CALLER) ? NULL : __libc_realloc(old, bytes); }

/* ---- interruptions */

static int interrupted(const void *caller) {
  if (!armed || interrupt == 0 || is_openmp(caller) || ++calls % interrupt != 0) return 0;
  errno = EINTR;
  return 1;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t read(int file, void *to, size_t n) {
  REAL(read);
  return interrupted(CALLER) ? -1 : real(file, to, n);
}

ssize_t write(int file, const void *from, size_t n) { /* sometimes writes only a part of the bytes */
  REAL(write);
  return interrupted(CALLER) ? -1 : real(file, from, interrupt && calls % 2 && n > 1 ? n / 2 : n);
}

int fsync(int file) {
  REAL(fsync);
  return interrupted(CALLER) ? -1 : real(file);
}

int rename(const char *from, const char *to) {
  REAL(rename);
  return interrupted(CALLER) ? -1 : real(from, to);
}

static mode_t mode_of(int flags, va_list rest) { return flags & O_CREAT ? va_arg(rest, mode_t) : 0; }

int open(const char *path, int flags, ...) {
  REAL(open);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return interrupted(CALLER) ? -1 : real(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
  REAL(openat);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return interrupted(CALLER) ? -1 : real(directory, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
  REAL(fopen);
  return interrupted(CALLER) ? NULL : real(path, mode);
}
