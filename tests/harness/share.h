/* share.h: Selection of targets, levels and C compilers for the test of one net. `# check:` lines of the
 * program may name them (targets=, levels=, compiler=). Settings that a program does not name are drawn from
 * $CNNC_TEST_SEED and the text of the program, so that make check takes minutes. With $NETCHECK_ALL, as in
 * make check-long, nothing is drawn: all targets and levels are tested, with $CC -O1, except where the
 * program names a setting. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_SHARE_H
#define TEST_SHARE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"

typedef struct Share {
  uint64_t number;      /* from the seed and the program's text */
  const char *targets;  /* names, separated by commas; NULL: chosen by the seed */
  const char *levels;   /* levels of cnnc: -O0,-O2,-Os; NULL: chosen by the seed */
  const char *compiler; /* cc: $CC -O1; clang: $CLANG -O0; NULL: chosen by the seed */
} Share;

Share share_of(const char *text, size_t n);
/* Reads a setting of a line `# check:`, such as targets=generic. Returns false if `word` is not the name of a
 * setting of this struct, or if `value` contains an unknown name. */
bool share_read(Share *, const char *word, const char *value);
/* Whether combination `way` of n is tested. Each net is tested in one of the n combinations. If the program
 * names its targets, or with $NETCHECK_ALL, the net is tested in all n. */
bool share_has_turn(const Share *, int way, int n);
/* Whether C for `target`, which this CPU can run, is compiled: always, unless the program names other
 * targets. */
bool share_target(const Share *, const char *target);
/* Whether C for a target of another CPU is run in an emulator. If the program names such targets, only these
 * are run. If it names only other targets, or with $NETCHECK_ALL, all are run. Otherwise only the targets of
 * one architecture are run: aarch64, armv7m, riscv64 or wasm32. */
bool share_foreign(const Share *, const char *target);
/* Whether a level is tested. If the program names levels, these are tested; otherwise `turn` is returned. */
bool share_level(const Share *, const char *level, bool turn);
/* Compiles net.c and glue.c of the directory to net.so and loads it (NULL: this failed), with $CC -O1 or, for
 * 15 of 16 nets, with the fastest compiler, $CLANG -O0: most of the time of make check is compilation. clang
 * takes 30 ms to start, so it compiles both files as one, and $CC links unless OpenMP needs the library of
 * the compiler. */
void *share_library(const Share *, Arena *, const char *dir, const char *flags);
/* Prints the selection of the net in one line. */
void share_print(const Share *, const char *name);
#endif
