/* share.h: the targets, levels and C compilers that a test of one net tries. Lines `# check:` of the program
 * name them (targets=, levels=, compiler=). What they leave open is drawn from $CNNC_TEST_SEED and the text
 * of the program, so that make check takes minutes; with $NETCHECK_ALL, as in make check-long, all is tried.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_SHARE_H
#define TEST_SHARE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"

typedef struct Share {
  uint64_t number;      /* of the seed and the program's text */
  const char *targets;  /* names, with commas between them, or NULL: by the seed */
  const char *levels;   /* of cnnc: -O0,-O2,-Os; NULL: by the seed */
  const char *compiler; /* cc: $CC -O1; clang: $CLANG -O0; NULL: by the seed */
} Share;

Share share_of(const char *text, size_t n);
/* A word of a line `# check:`; false where it is none of these, or names what does not exist. */
bool share_read(Share *, const char *word, const char *value);
/* Of n ways to test something the net has one; all of them where its targets are named. */
bool share_has_turn(const Share *, int way, int n);
/* Whether C is compiled for a target of this CPU. */
bool share_target(const Share *, const char *target);
/* Whether C is run for the target of another CPU: those that are named, else one of four. */
bool share_foreign(const Share *, const char *target);
/* Whether a level is tried: as the program says, else if turn. */
bool share_level(const Share *, const char *level, bool turn);
/* The C compiler and its level. It takes most of the time of make check, so seven of eight nets have what is
 * fastest. */
const char *share_compiler(const Share *, Arena *);
/* Prints which of the ways above the net has, in a line. */
void share_print(const Share *, const char *name);
#endif
