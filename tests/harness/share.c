/* share.c: Selection of targets, levels and C compilers for the test of one net. */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include "share.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "all.h"
#include "base/random.h"
#include "target/target.h"

static const char *const foreign[] = {"aarch64", "armv7m", "riscv64", "wasm32"};
enum { FOREIGN = sizeof foreign / sizeof *foreign };
enum { SLOW_COMPILER = 16 }; /* one of SLOW_COMPILER nets is compiled with $CC -O1 */

static uint64_t test_seed(void) {
  const char *text = getenv("CNNC_TEST_SEED");
  return text ? strtoull(text, NULL, 10) : 1;
}

/* Mixes the seed with the FNV-1a hash of the program's text: the file name has no influence. */
Share share_of(const char *text, size_t n) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
  return (Share){.number = random_mix(random_mix(test_seed()) ^ hash)};
}

static bool is_listed(const char *list, const char *name) {
  const size_t n = strlen(name);
  for (const char *at = list; at; at = strchr(at, ',')) {
    at += *at == ',';
    if (strcspn(at, ",") == n && !strncmp(at, name, n)) return true;
  }
  return false;
}

static int length_of(const char *list) {
  int n = 1;
  for (const char *c = list; *c; c++) n += *c == ',';
  return n;
}

bool share_read(Share *share, const char *word, const char *value) {
  int known = 0;
  if (!strcmp(word, "targets")) {
    share->targets = value;
    for (const Target *target = target_table; target->name; target++) known += is_listed(value, target->name);
  } else if (!strcmp(word, "levels")) {
    share->levels = value;
    known = is_listed(value, "-O0") + is_listed(value, "-O2") + is_listed(value, "-Os");
  } else if (!strcmp(word, "compiler")) {
    share->compiler = value;
    return !strcmp(value, "cc") || !strcmp(value, "clang");
  }
  return known && known == length_of(value);
}

/* A random number below n. The numbers for different n are independent, so that combinations vary. */
static int draw(const Share *share, int n) {
  static bool printed;
  const char *seed = getenv("CNNC_TEST_SEED");
  if (!printed) printf("# CNNC_TEST_SEED=%s\n", seed ? seed : "1");
  printed = true;
  return (int)(random_mix(share->number ^ (uint64_t)n) % (uint64_t)n);
}

bool share_has_turn(const Share *share, int way, int n) {
  return try_all() || share->targets || draw(share, n) == way % n;
}

bool share_target(const Share *share, const char *target) {
  return !share->targets || is_listed(share->targets, target);
}

bool share_foreign(const Share *share, const char *target) {
  bool named = false, one = false;
  if (share->targets && is_listed(share->targets, target)) return true;
  for (int i = 0; i < FOREIGN; i++) {
    named = named || (share->targets && is_listed(share->targets, foreign[i]));
    /* variants, such as aarch64-dotprod, are tested with the same nets as their base target */
    one = one || (!strncmp(target, foreign[i], strlen(foreign[i])) && share_has_turn(share, i, FOREIGN));
  }
  return !named && one;
}

bool share_level(const Share *share, const char *level, bool turn) {
  return share->levels ? is_listed(share->levels, level) : turn;
}

static bool is_slow(const Share *share) {
  if (share->compiler) return !strcmp(share->compiler, "cc");
  return try_all() || draw(share, SLOW_COMPILER) == 0;
}

void *share_library(const Share *share, Arena *arena, const char *dir, const char *flags) {
  const char *cc = getenv("CC") ? getenv("CC") : "cc", *clang = getenv("CLANG"),
             *compiler = is_slow(share) || !clang ? cc : clang;
  const char *command = arena_printf(
      arena,
      "%s %s -std=c11 -fPIC -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wcast-qual -Werror "
      "%s -I%s -include %s/net.c -c %s/glue.c -o %s/net.o && %s -shared %s %s/net.o -o %s/net.so",
      compiler, is_slow(share) ? "-O1" : "-O0", flags, dir, dir, dir, dir,
      strstr(flags, "-fopenmp") ? compiler : cc, flags, dir, dir);
  return system(command) == 0 ? dlopen(arena_printf(arena, "%s/net.so", dir), RTLD_NOW | RTLD_LOCAL) : NULL;
}

void share_print(const Share *share, const char *name) {
  printf("%s: half=%d compiler=%s foreign=", name, share_has_turn(share, 0, 2),
         is_slow(share) ? "cc" : "clang");
  for (int i = 0, n = 0; i < FOREIGN; i++)
    if (share_foreign(share, foreign[i])) printf("%s%s", n++ ? "," : "", foreign[i]);
  printf("\n");
}
