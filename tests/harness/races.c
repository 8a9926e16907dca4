// races.c: Commands that compile generated code with ThreadSanitizer and run it. Environment
// variables: CLANG is the C compiler, top_srcdir is the root of the source tree.
// SPDX-License-Identifier: Apache-2.0
#include "races.h"
#include <stdlib.h>
#include <sys/wait.h>
#include "bytes.h"

enum { SEEN_STATUS = 66 }; /* exit status of a program with a ThreadSanitizer report */

static const char *clang(void) { return variable("CLANG", "clang"); }

const char *races_missing(Arena *arena) {
  const char *command = arena_printf(arena, "test -f \"$(%s -print-file-name=libarcher.so)\"", clang());
  return system(command) ? "libarcher.so of clang" : NULL;
}

/* The code is compiled with a changed macro BARRIER: each barrier calls racer_waits of racer.c, which decides
 * whether to wait. */
bool races_compile(Arena *arena, const char *dir, const char *flags) {
  const char *edit = "s/^#define BARRIER() _Pragma(\"omp barrier\")$/_Bool racer_waits(int barrier);\\n"
                     "#define BARRIER() do { if (racer_waits(__COUNTER__)) { _Pragma(\"omp barrier\") } } "
                     "while (0)/";
  const char *command =
      arena_printf(arena,
                   "sed '%s' %s/net.c >%s/raced.c && %s -std=c11 -g -O1%s -fsanitize=thread -I%s "
                   "%s/raced.c %s/glue.c %s/tests/harness/racer.c -o %s/program",
                   edit, dir, dir, clang(), flags, dir, dir, dir, variable("top_srcdir", "."), dir);
  return system(command) == 0;
}

static Races judge(int status) {
  if (!WIFEXITED(status)) return RACES_FAILED;
  switch (WEXITSTATUS(status)) {
  case 0: return RACES_NONE;
  case SEEN_STATUS: return RACES_SEEN;
  default: return RACES_FAILED;
  }
}

Races races_run(Arena *arena, const char *dir, int threads, int without, const unsigned char *in,
                size_t in_bytes, unsigned char *out, size_t out_bytes) {
  const bool all_wait = without == NO_BARRIER;
  const char *options =
      arena_printf(arena, "ignore_noninstrumented_modules=1:atexit_sleep_ms=0:halt_on_error=%d:exitcode=%d",
                   !all_wait, SEEN_STATUS);
  const char *barrier = all_wait ? "" : arena_printf(arena, " %d", without);
  const char *command =
      arena_printf(arena,
                   "OMP_WAIT_POLICY=passive OMP_TOOL_LIBRARIES=\"$(%s -print-file-name=libarcher.so)\" "
                   "TSAN_OPTIONS=%s timeout 600 %s/program %d%s <%s/in >%s/out 2>%s/seen",
                   clang(), options, dir, threads, barrier, dir, dir, dir);
  if (!bytes_write(arena_printf(arena, "%s/in", dir), in, in_bytes)) return RACES_FAILED;
  const Races races = judge(system(command));
  if (!all_wait) return races;
  if (races != RACES_NONE && system(arena_printf(arena, "sed 's/^/# /;40q' %s/seen", dir)))
    return RACES_FAILED;
  if (races != RACES_FAILED && !bytes_read(arena_printf(arena, "%s/out", dir), out, out_bytes))
    return RACES_FAILED;
  return races;
}
