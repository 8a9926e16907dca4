// nest_refused.c: nests that are built wrongly, and wrong nests that must be refused.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nest/build.h"

/* ---- nests that are built wrongly ---- */
static int status_of(void (*misuse)(Nest *)) { /* of a process that builds a nest wrongly */
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(9);
    Nest *b = nest_new(arena_new(), "misuse", "");
    nest_fn(b, "misuse", false);
    misuse(b);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void misuse_product(Nest *b) {
  FOR(y, 4)
    FOR(x, 4) {
      Buf *a = BUF(OUTPUT, "a", 9);
      const Ix bad = y * x;
      store(at(a, bad), num(b, 0));
    }
}
static void misuse_variable(Nest *b) {
  Ix kept = {0};
  Buf *a = BUF(OUTPUT, "a", 9);
  FOR(y, 4) kept = y;
  FOR(x, 4) {
    store(at(a, x), num(b, 0));
    store(at(a, kept), num(b, 0));
  }
}
static void misuse_value(Nest *b) {
  Val kept = NULL;
  Buf *a = BUF(OUTPUT, "a", 9), *in = BUF(INPUT, "in", 9);
  FOR(y, 4) kept = load(at(in, y), 1);
  FOR(x, 4) store(at(a, x), kept);
}
static void misuse_register(Nest *b) {
  Buf *r = NULL, *a = BUF(OUTPUT, "a", 9);
  FOR(y, 4) {
    r = REGISTERS("r", 1, 1);
    store(at(r, 0), num(b, 0));
  }
  store(at(a, 0), get(at(r, 0)));
}
static void misuse_rank(Nest *b) {
  Buf *a = BUF(OUTPUT, "a", 9, 9);
  store(at(a, 0), num(b, 0));
}
static void misuse_lanes(Nest *b) {
  Buf *a = BUF(INPUT, "a", 64), *c = BUF(OUTPUT, "c", 64);
  store(at(c, 0), add(load(at(a, 0), 8), load(at(a, 0), 4)));
}
static void misuse_type(Nest *b) {
  Buf *a = BUF_OF(INPUT, "a", U8, 64), *c = BUF(OUTPUT, "c", 64);
  store(at(c, 0), load(at(a, 0), 1));
}
static void misuse_size(Nest *b) { BUF(INPUT, "a", 65536, 65536); }
static void misuse_else(Nest *b) {
  OTHERWISE() note("");
}

static void test_misuse(void) {
  static void (*const misuse[])(Nest *) = {misuse_product,  misuse_variable, misuse_value,
                                           misuse_register, misuse_rank,     misuse_lanes,
                                           misuse_type,     misuse_size,     misuse_else};
  for (size_t i = 0; i < sizeof misuse / sizeof *misuse; i++) CU_ASSERT_EQUAL(status_of(misuse[i]), 3);
}

/* ---- nests that are wrong ---- */
static void refuse(Nest *b, const char *word) {
  Proof proof;
  bool proved = nest_prove(b, &proof);
  if (proved || !strstr(proof.error, word)) printf("# %s: %s\n", b->name, proved ? "proved" : proof.error);
  CU_ASSERT(!proved && strstr(proof.error, word));
}

static void test_bounds_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "halo", "");
  in = BUF(INPUT, "in", 10);
  out = BUF(OUTPUT, "out", 10);
  nest_fn(b, "halo", false);
  FOR(x, 10)
    CLIP(k, 0, -x, 3, 10 - x)
      store(at(out, x), load(at(in, x + k - 1), 1)); /* the clip forgot the padding of 1 */
  refuse(b, "load out of bounds");

  b = nest_new(arena, "tail", "");
  in = BUF(INPUT, "in", 30);
  out = BUF(OUTPUT, "out", 30);
  nest_fn(b, "tail", false);
  FOR(v, 2) store(at(out, 16 * v), load(at(in, 16 * v), 16));
  refuse(b, "out of bounds");

  b = nest_new(arena, "part", "");
  in = BUF(INPUT, "in", 30);
  out = BUF(OUTPUT, "out", 30);
  nest_fn(b, "part", false);
  store(at(out, 0), load(at(in, 0), 16));
  store_part(at(out, 16), load_part(at(in, 16), 15, 16), 14); /* one lane too many is read */
  refuse(b, "load out of bounds");

  b = nest_new(arena, "edge", "");
  in = BUF(INPUT, "in", 8, 4);
  out = BUF(OUTPUT, "out", 8, 4);
  nest_fn(b, "edge", false);
  FOR(x, 8)
    FOR(k, 3)
      WHEN(atleast(x + k - 1, 0))
        store(at(out, x, k), load(at(in, x + k - 1, k), 1)); /* no guard on the right */
  refuse(b, "dimension 0: 0..8");

  b = nest_new(arena, "row", "");
  in = BUF(INPUT, "in", 4, 16);
  out = BUF(OUTPUT, "out", 4, 16);
  nest_fn(b, "row", false);
  FOR(y, 4) store(at(out, y, 0), load(at(in, y, 1), 16)); /* inside the buffer, but over the end of its row */
  refuse(b, "dimension 1");

  b = nest_new(arena, "size", "");
  in = BUF(INPUT, "in", 8);
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "size", false);
  const Ix n = size_arg("n", 1, 9);
  FOR(x, n) store(at(out, x), load(at(in, x), 1)); /* n may be 9 */
  refuse(b, "out of bounds");

  b = nest_new(arena, "input", "");
  in = BUF(INPUT, "in", 8);
  nest_fn(b, "input", false);
  FOR(x, 8) store(at(in, x), num(b, 0));
  refuse(b, "store to an input");
  arena_free(arena);
}

static void test_parallel_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "overlap", "");
  in = BUF(INPUT, "in", 64);
  out = BUF(OUTPUT, "out", 64);
  nest_fn(b, "overlap", false);
  PAR(t, 7) store(at(out, 8 * t), load(at(in, 8 * t), 16));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "carried", "");
  out = BUF(OUTPUT, "out", 64);
  nest_fn(b, "carried", false);
  FOR(i, 64) store(at(out, i), num(b, 0));
  PAR(t, 63) store(at(out, t + 1), load(at(out, t), 1));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "reduced", "");
  in = BUF(INPUT, "in", 64);
  out = BUF(UPDATE, "out", 1);
  nest_fn(b, "reduced", false);
  PAR(t, 64) accumulate(at(out, 0), load(at(in, t), 1), num(b, 2));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "shared", "");
  in = BUF(INPUT, "in", 64);
  out = BUF(OUTPUT, "out", 64);
  nest_fn(b, "shared", false);
  Buf *r = REGISTERS("r", 1, 1);
  PAR(t, 64) {
    store(at(r, 0), load(at(in, t), 1));
    store(at(out, t), get(at(r, 0)));
  }
  refuse(b, "share the local");
  arena_free(arena);
}

static void test_unwritten_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out, *a;
  b = nest_new(arena, "unset", "");
  out = BUF(OUTPUT, "out", 16);
  nest_fn(b, "unset", false);
  a = REGISTERS("a", 16, 2);
  store(at(a, 0), load(at(out, 0), 16)); /* an output read before it is written */
  refuse(b, "may not be written");

  b = nest_new(arena, "register", "");
  in = BUF(INPUT, "in", 16);
  out = BUF(OUTPUT, "out", 16);
  nest_fn(b, "register", false);
  a = REGISTERS("a", 16, 2);
  FOR(i, 1) store(at(a, i), load(at(in, 0), 16));
  store(at(out, 0), add(get(at(a, 0)), get(at(a, 1)))); /* a[1] was never set */
  refuse(b, "may not be written");

  b = nest_new(arena, "hole", "");
  in = BUF(INPUT, "in", 30);
  out = BUF(OUTPUT, "out", 30);
  nest_fn(b, "hole", false);
  FOR(x, 15) store(at(out, 2 * x), load(at(in, x), 1)); /* every other element */
  refuse(b, "not every element");

  b = nest_new(arena, "maybe", "");
  in = BUF(INPUT, "in", 8);
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "maybe", false);
  Buf *s = nest_buf(b, STACK, "s", (Type){F32, 1}, NEST_DIMS(8));
  FOR(x, 8) {
    CLIP(k, 0, x - 4, 8, x) store(at(s, x), load(at(in, k), 1)); /* empty for x = 0 */
    store(at(out, x), load(at(s, x), 1));
  }
  refuse(b, "may not be written");
  arena_free(arena);
}

static void test_unwritten_at_times_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out, *a;
  b = nest_new(arena, "fewer", "");
  out = BUF(OUTPUT, "out", 8);
  a = BUF(WORK, "a", 8);
  nest_fn(b, "fewer", false);
  const Ix n = size_arg("n", 0, 8);
  FROM(x, 0, n) store(at(a, x), num(b, 1)); /* none for n = 0 */
  FOR(x, 8) store(at(out, x), load(at(a, 0), 1));
  refuse(b, "may not be written");

  b = nest_new(arena, "branch", "");
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "branch", false);
  FOR(x, 8) {
    WHEN(below(x, 4)) store(at(out, x), num(b, 1));
    OTHERWISE()
      WHEN(atleast(x, 5)) store(at(out, x), num(b, 2)); /* 4 is in neither */
  }
  refuse(b, "not every element");

  b = nest_new(arena, "life", "");
  in = BUF(INPUT, "in", 8);
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "life", false);
  FOR(x, 8) {
    Buf *r = REGISTERS("r", 1, 1);
    WHEN(is(x, 0)) store(at(r, 0), load(at(in, 0), 1)); /* and is not there in later rounds */
    store(at(out, x), get(at(r, 0)));
  }
  refuse(b, "may not be written");
  arena_free(arena);
}

static void test_over_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "mirrored", "");
  out = BUF(OVER, "out", 8);
  nest_fn(b, "mirrored", false);
  FOR(x, 8) store(at(out, x), load(at(out, 7 - x), 1)); /* the second half reads the first */
  refuse(b, "another one has written over");

  b = nest_new(arena, "pixel", "");
  out = BUF(OVER, "out", 8, 2);
  nest_fn(b, "pixel", false);
  FOR(x, 8)
    FOR(c, 2) store(at(out, x, c), load(at(out, x, 0), 1)); /* as a softmax reads all channels */
  refuse(b, "another one has written over");

  b = nest_new(arena, "again", "");
  out = BUF(OVER, "out", 8);
  nest_fn(b, "again", false);
  FOR(x, 8)
    for (int i = 0; i < 2; i++) store(at(out, x), add(load(at(out, x), 1), num(b, 1)));
  refuse(b, "may be written over");

  b = nest_new(arena, "partial", "");
  in = BUF(INPUT, "in", 3, 8);
  out = BUF(OVER, "out", 8);
  nest_fn(b, "partial", false);
  FOR(k, 3)
    FOR(x, 8) accumulate(at(out, x), load(at(in, k, x), 1), num(b, 2)); /* sums over blocks of channels */
  refuse(b, "another one has written over");

  b = nest_new(arena, "tiles", "");
  out = BUF(OVER, "out", 30);
  nest_fn(b, "tiles", false);
  FOR(t, 3) store(at(out, 8 * t), add(load(at(out, 8 * t), 8), num(b, 1)));
  store(at(out, 22), add(load(at(out, 22), 8), num(b, 1))); /* the last tile begins early */
  refuse(b, "may be written over");

  b = nest_new(arena, "rows", "");
  out = BUF(OVER, "out", 8, 4);
  nest_fn(b, "rows", false);
  PAR(y, 8)
    WHEN(below(y, 7))
      store(at(out, y, 0),
            load(at(out, y + 1, 0), 4)); /* one after the other it would do, but for the last */
  refuse(b, "parallel iterations");

  b = nest_new(arena, "missing", "");
  out = BUF(OVER, "out", 8);
  nest_fn(b, "missing", false);
  FOR(x, 7) store(at(out, x), add(load(at(out, x), 1), num(b, 1)));
  refuse(b, "not every element");
  arena_free(arena);
}
CU_TestInfo suite_nest_refused[] = {
    {"misuse of the builder ends with status 3", test_misuse},
    {"refused: out of bounds", test_bounds_refused},
    {"refused: parallel iterations that meet", test_parallel_refused},
    {"refused: read of what may not be written", test_unwritten_refused},
    {"refused: read of what is not written at times", test_unwritten_at_times_refused},
    {"refused: read of what may be written over", test_over_refused},
    CU_TEST_INFO_NULL};
