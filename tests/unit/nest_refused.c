// nest_refused.c: Misuses of the builder, and wrong nests that the prover must reject.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nest/build.h"

/* ---- misuse of the builder ---- */
static int status_of(void (*misuse)(Nest *)) { /* exit status of a process that misuses the builder */
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
  NEST_FOR(b, y, 4)
    NEST_FOR(b, x, 4) {
      Buf *a = NEST_BUF(b, OUTPUT, "a", 9);
      const Ix bad = y * x;
      nest_store(b, nest_at(b, a, bad), num(b, 0));
    }
}
static void misuse_variable(Nest *b) {
  Ix kept = {0};
  Buf *a = NEST_BUF(b, OUTPUT, "a", 9);
  NEST_FOR(b, y, 4) kept = y;
  NEST_FOR(b, x, 4) {
    nest_store(b, nest_at(b, a, x), num(b, 0));
    nest_store(b, nest_at(b, a, kept), num(b, 0));
  }
}
static void misuse_value(Nest *b) {
  Val kept = NULL;
  Buf *a = NEST_BUF(b, OUTPUT, "a", 9), *in = NEST_BUF(b, INPUT, "in", 9);
  NEST_FOR(b, y, 4) kept = nest_load(b, nest_at(b, in, y), 1);
  NEST_FOR(b, x, 4) nest_store(b, nest_at(b, a, x), kept);
}
static void misuse_register(Nest *b) {
  Buf *r = NULL, *a = NEST_BUF(b, OUTPUT, "a", 9);
  NEST_FOR(b, y, 4) {
    r = NEST_REGISTERS(b, "r", 1, 1);
    nest_store(b, nest_at(b, r, 0), num(b, 0));
  }
  nest_store(b, nest_at(b, a, 0), nest_get(b, nest_at(b, r, 0)));
}
static void misuse_rank(Nest *b) {
  Buf *a = NEST_BUF(b, OUTPUT, "a", 9, 9);
  nest_store(b, nest_at(b, a, 0), num(b, 0));
}
static void misuse_lanes(Nest *b) {
  Buf *a = NEST_BUF(b, INPUT, "a", 64), *c = NEST_BUF(b, OUTPUT, "c", 64);
  nest_store(b, nest_at(b, c, 0), add(nest_load(b, nest_at(b, a, 0), 8), nest_load(b, nest_at(b, a, 0), 4)));
}
static void misuse_type(Nest *b) {
  Buf *a = NEST_BUF_OF(b, INPUT, "a", U8, 64), *c = NEST_BUF(b, OUTPUT, "c", 64);
  nest_store(b, nest_at(b, c, 0), nest_load(b, nest_at(b, a, 0), 1));
}
static void misuse_size(Nest *b) { NEST_BUF(b, INPUT, "a", 65536, 65536); }
static void misuse_else(Nest *b) {
  NEST_ELSE(b) nest_comment(b, "");
}

static void misuse_chosen_bytes(Nest *b) {
  Buf *a = NEST_BUF_OF(b, INPUT, "a", U8, 4);
  NEST_CHOSEN(b, x, nest_load(b, nest_at(b, a, 0), 1), 0, 4) nest_comment(b, "");
}
static void misuse_chosen_vector(Nest *b) {
  Buf *a = NEST_BUF(b, INPUT, "a", 4);
  NEST_CHOSEN(b, x, nest_load(b, nest_at(b, a, 0), 4), 0, 4) nest_comment(b, "");
}
static void misuse_chosen_outside(Nest *b) {
  Buf *a = NEST_BUF(b, INPUT, "a", 4), *c = NEST_BUF(b, UPDATE, "c", 4);
  Ix kept = {0};
  NEST_CHOSEN(b, x, nest_load(b, nest_at(b, a, 0), 1), 0, 4) kept = x;
  nest_store(b, nest_at(b, c, kept), num(b, 0));
}
static void misuse_chosen_value(Nest *b) { /* uses a value of a block that is already closed */
  Buf *a = NEST_BUF(b, INPUT, "a", 4);
  Val kept = NULL;
  NEST_FOR(b, x, 4) kept = nest_load(b, nest_at(b, a, x), 1);
  NEST_CHOSEN(b, x, kept, 0, 4) nest_comment(b, "");
}
static void misuse_chosen_images(Nest *b) {
  Buf *in = NEST_BUF(b, INPUT, "in", 4), *out = NEST_BUF(b, OUTPUT, "out", 4);
  NEST_FOR(b, i, 4) NEST_CHOSEN(b, x, nest_load(b, nest_at(b, in, i), 1), 0, 4)
  nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, in, x), 1));
  nest_widen(b, 4, (const bool[]){true, true});
}

static void test_misuse(void) {
  static void (*const misuse[])(Nest *) = {misuse_product,      misuse_variable,      misuse_value,
                                           misuse_register,     misuse_rank,          misuse_lanes,
                                           misuse_type,         misuse_size,          misuse_else,
                                           misuse_chosen_bytes, misuse_chosen_vector, misuse_chosen_outside,
                                           misuse_chosen_value, misuse_chosen_images};
  for (size_t i = 0; i < sizeof misuse / sizeof *misuse; i++) CU_ASSERT_EQUAL(status_of(misuse[i]), 3);
}

/* ---- wrong nests ---- */
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
  in = NEST_BUF(b, INPUT, "in", 10);
  out = NEST_BUF(b, OUTPUT, "out", 10);
  nest_fn(b, "halo", false);
  NEST_FOR(b, x, 10)
    NEST_CLIP(b, k, 0, -x, 3, 10 - x)
      nest_store(b, nest_at(b, out, x),
                 nest_load(b, nest_at(b, in, x + k - 1), 1)); /* the range ignores the padding of 1 */
  refuse(b, "load out of bounds");

  b = nest_new(arena, "tail", "");
  in = NEST_BUF(b, INPUT, "in", 30);
  out = NEST_BUF(b, OUTPUT, "out", 30);
  nest_fn(b, "tail", false);
  NEST_FOR(b, v, 2) nest_store(b, nest_at(b, out, 16 * v), nest_load(b, nest_at(b, in, 16 * v), 16));
  refuse(b, "out of bounds");

  b = nest_new(arena, "part", "");
  in = NEST_BUF(b, INPUT, "in", 30);
  out = NEST_BUF(b, OUTPUT, "out", 30);
  nest_fn(b, "part", false);
  nest_store(b, nest_at(b, out, 0), nest_load(b, nest_at(b, in, 0), 16));
  nest_store_part(b, nest_at(b, out, 16), nest_load_part(b, nest_at(b, in, 16), 15, 16),
                  14); /* one lane too many is read */
  refuse(b, "load out of bounds");
  arena_free(arena);
}

static void test_edges_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "edge", "");
  in = NEST_BUF(b, INPUT, "in", 8, 4);
  out = NEST_BUF(b, OUTPUT, "out", 8, 4);
  nest_fn(b, "edge", false);
  NEST_FOR(b, x, 8)
    NEST_FOR(b, k, 3)
      NEST_IF(b, nest_at_least(b, x + k - 1, 0))
        nest_store(b, nest_at(b, out, x, k),
                   nest_load(b, nest_at(b, in, x + k - 1, k), 1)); /* may read row 8 */
  refuse(b, "dimension 0: 0..8");

  b = nest_new(arena, "row", "");
  in = NEST_BUF(b, INPUT, "in", 4, 16);
  out = NEST_BUF(b, OUTPUT, "out", 4, 16);
  nest_fn(b, "row", false);
  NEST_FOR(b, y, 4)
    nest_store(b, nest_at(b, out, y, 0),
               nest_load(b, nest_at(b, in, y, 1), 16)); /* in the buffer, but past the end of row y */
  refuse(b, "dimension 1");

  b = nest_new(arena, "size", "");
  in = NEST_BUF(b, INPUT, "in", 8);
  out = NEST_BUF(b, OUTPUT, "out", 8);
  nest_fn(b, "size", false);
  const Ix n = nest_size_arg(b, "n", 1, 9);
  NEST_FOR(b, x, n) nest_store(b, nest_at(b, out, x), nest_load(b, nest_at(b, in, x), 1)); /* n may be 9 */
  refuse(b, "out of bounds");

  b = nest_new(arena, "input", "");
  in = NEST_BUF(b, INPUT, "in", 8);
  nest_fn(b, "input", false);
  NEST_FOR(b, x, 8) nest_store(b, nest_at(b, in, x), num(b, 0));
  refuse(b, "store to an input");
  arena_free(arena);
}

static void test_parallel_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "overlap", "");
  in = NEST_BUF(b, INPUT, "in", 64);
  out = NEST_BUF(b, OUTPUT, "out", 64);
  nest_fn(b, "overlap", false);
  NEST_PARALLEL(b, t, 7) nest_store(b, nest_at(b, out, 8 * t), nest_load(b, nest_at(b, in, 8 * t), 16));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "carried", "");
  out = NEST_BUF(b, OUTPUT, "out", 64);
  nest_fn(b, "carried", false);
  NEST_FOR(b, i, 64) nest_store(b, nest_at(b, out, i), num(b, 0));
  NEST_PARALLEL(b, t, 63) nest_store(b, nest_at(b, out, t + 1), nest_load(b, nest_at(b, out, t), 1));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "interleaved", ""); /* the fifth iteration accesses the elements of the first one */
  out = NEST_BUF(b, OUTPUT, "out", 24);
  nest_fn(b, "interleaved", false);
  NEST_FOR(b, i, 24) nest_store(b, nest_at(b, out, i), num(b, 0));
  NEST_PARALLEL(b, t, 5)
    NEST_FOR(b, q, 5) nest_store(b, nest_at(b, out, t + 4 * q), num(b, 1));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "reduced", "");
  in = NEST_BUF(b, INPUT, "in", 64);
  out = NEST_BUF(b, UPDATE, "out", 1);
  nest_fn(b, "reduced", false);
  NEST_PARALLEL(b, t, 64)
    nest_accumulate(b, nest_at(b, out, 0), nest_load(b, nest_at(b, in, t), 1), num(b, 2));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "shared", "");
  in = NEST_BUF(b, INPUT, "in", 64);
  out = NEST_BUF(b, OUTPUT, "out", 64);
  nest_fn(b, "shared", false);
  Buf *r = NEST_REGISTERS(b, "r", 1, 1);
  NEST_PARALLEL(b, t, 64) {
    nest_store(b, nest_at(b, r, 0), nest_load(b, nest_at(b, in, t), 1));
    nest_store(b, nest_at(b, out, t), nest_get(b, nest_at(b, r, 0)));
  }
  refuse(b, "write the same local buffer");
  arena_free(arena);
}

static void test_unwritten_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out, *a;
  b = nest_new(arena, "unset", "");
  out = NEST_BUF(b, OUTPUT, "out", 16);
  nest_fn(b, "unset", false);
  a = NEST_REGISTERS(b, "a", 16, 2);
  nest_store(b, nest_at(b, a, 0),
             nest_load(b, nest_at(b, out, 0), 16)); /* an output read before it is written */
  refuse(b, "before they are written");

  b = nest_new(arena, "register", "");
  in = NEST_BUF(b, INPUT, "in", 16);
  out = NEST_BUF(b, OUTPUT, "out", 16);
  nest_fn(b, "register", false);
  a = NEST_REGISTERS(b, "a", 16, 2);
  NEST_FOR(b, i, 1) nest_store(b, nest_at(b, a, i), nest_load(b, nest_at(b, in, 0), 16));
  nest_store(b, nest_at(b, out, 0),
             add(nest_get(b, nest_at(b, a, 0)), nest_get(b, nest_at(b, a, 1)))); /* a[1] was never set */
  refuse(b, "before they are written");

  b = nest_new(arena, "hole", "");
  in = NEST_BUF(b, INPUT, "in", 30);
  out = NEST_BUF(b, OUTPUT, "out", 30);
  nest_fn(b, "hole", false);
  NEST_FOR(b, x, 15)
    nest_store(b, nest_at(b, out, 2 * x), nest_load(b, nest_at(b, in, x), 1)); /* every second element */
  refuse(b, "not every element");

  b = nest_new(arena, "maybe", "");
  in = NEST_BUF(b, INPUT, "in", 8);
  out = NEST_BUF(b, OUTPUT, "out", 8);
  nest_fn(b, "maybe", false);
  Buf *s = nest_buf(b, STACK, "s", (Type){F32, 1}, NEST_DIMS(8));
  NEST_FOR(b, x, 8) {
    /* for x = 0 the loop has no iteration */
    NEST_CLIP(b, k, 0, x - 4, 8, x) nest_store(b, nest_at(b, s, x), nest_load(b, nest_at(b, in, k), 1));
    nest_store(b, nest_at(b, out, x), nest_load(b, nest_at(b, s, x), 1));
  }
  refuse(b, "before they are written");
  arena_free(arena);
}

static void refused_read_of_elements_that_are_not_always_written(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out, *a;
  b = nest_new(arena, "fewer", "");
  out = NEST_BUF(b, OUTPUT, "out", 8);
  a = NEST_BUF(b, WORK, "a", 8);
  nest_fn(b, "fewer", false);
  const Ix n = nest_size_arg(b, "n", 0, 8);
  NEST_FROM(b, x, 0, n) nest_store(b, nest_at(b, a, x), num(b, 1)); /* writes nothing for n = 0 */
  NEST_FOR(b, x, 8) nest_store(b, nest_at(b, out, x), nest_load(b, nest_at(b, a, 0), 1));
  refuse(b, "before they are written");

  b = nest_new(arena, "branch", "");
  out = NEST_BUF(b, OUTPUT, "out", 8);
  nest_fn(b, "branch", false);
  NEST_FOR(b, x, 8) {
    NEST_IF(b, nest_below(b, x, 4)) nest_store(b, nest_at(b, out, x), num(b, 1));
    NEST_ELSE(b)
      NEST_IF(b, nest_at_least(b, x, 5))
        nest_store(b, nest_at(b, out, x), num(b, 2)); /* no branch writes element 4 */
  }
  refuse(b, "not every element");

  b = nest_new(arena, "life", "");
  in = NEST_BUF(b, INPUT, "in", 8);
  out = NEST_BUF(b, OUTPUT, "out", 8);
  nest_fn(b, "life", false);
  NEST_FOR(b, x, 8) {
    Buf *r = NEST_REGISTERS(b, "r", 1, 1);
    NEST_IF(b, nest_is(b, x, 0))
      nest_store(b, nest_at(b, r, 0), nest_load(b, nest_at(b, in, 0), 1)); /* each iteration has its own r */
    nest_store(b, nest_at(b, out, x), nest_get(b, nest_at(b, r, 0)));
  }
  refuse(b, "before they are written");
  arena_free(arena);
}

static void test_over_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "mirrored", "");
  out = NEST_BUF(b, OVER, "out", 8);
  nest_fn(b, "mirrored", false);
  /* the last four iterations read elements that the first four have written */
  NEST_FOR(b, x, 8) nest_store(b, nest_at(b, out, x), nest_load(b, nest_at(b, out, 7 - x), 1));
  refuse(b, "another iteration has overwritten");

  b = nest_new(arena, "pixel", "");
  out = NEST_BUF(b, OVER, "out", 8, 2);
  nest_fn(b, "pixel", false);
  NEST_FOR(b, x, 8)
    NEST_FOR(b, c, 2)
      nest_store(b, nest_at(b, out, x, c),
                 nest_load(b, nest_at(b, out, x, 0), 1)); /* channel 1 reads channel 0 */
  refuse(b, "another iteration has overwritten");

  b = nest_new(arena, "again", "");
  out = NEST_BUF(b, OVER, "out", 8);
  nest_fn(b, "again", false);
  NEST_FOR(b, x, 8)
    for (int i = 0; i < 2; i++)
      nest_store(b, nest_at(b, out, x), add(nest_load(b, nest_at(b, out, x), 1), num(b, 1)));
  refuse(b, "may have been overwritten");

  b = nest_new(arena, "partial", "");
  in = NEST_BUF(b, INPUT, "in", 3, 8);
  out = NEST_BUF(b, OVER, "out", 8);
  nest_fn(b, "partial", false);
  NEST_FOR(b, k, 3)
    NEST_FOR(b, x, 8)
      nest_accumulate(b, nest_at(b, out, x), nest_load(b, nest_at(b, in, k, x), 1),
                      num(b, 2)); /* later iterations of k read sums, not the operand */
  refuse(b, "another iteration has overwritten");
  arena_free(arena);
}

static void test_over_parts_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *out;
  b = nest_new(arena, "tiles", "");
  out = NEST_BUF(b, OVER, "out", 30);
  nest_fn(b, "tiles", false);
  NEST_FOR(b, t, 3)
    nest_store(b, nest_at(b, out, 8 * t), add(nest_load(b, nest_at(b, out, 8 * t), 8), num(b, 1)));
  /* the last tile overlaps the tile before it */
  nest_store(b, nest_at(b, out, 22), add(nest_load(b, nest_at(b, out, 22), 8), num(b, 1)));
  refuse(b, "may have been overwritten");

  b = nest_new(arena, "rows", "");
  out = NEST_BUF(b, OVER, "out", 8, 4);
  nest_fn(b, "rows", false);
  NEST_PARALLEL(b, y, 8)
    NEST_IF(b, nest_below(b, y, 7))
      nest_store(
          b, nest_at(b, out, y, 0),
          nest_load(b, nest_at(b, out, y + 1, 0), 4)); /* on one thread, only the last row would be wrong */
  refuse(b, "parallel iterations");

  b = nest_new(arena, "missing", "");
  out = NEST_BUF(b, OVER, "out", 8);
  nest_fn(b, "missing", false);
  NEST_FOR(b, x, 7) nest_store(b, nest_at(b, out, x), add(nest_load(b, nest_at(b, out, x), 1), num(b, 1)));
  refuse(b, "not every element");
  arena_free(arena);
}

/* ---- data-dependent indices, which may be any number in their range ---- */
typedef struct Choice {
  Nest *nest;
  Buf *at, *in;
  Val value;
} Choice;

static Choice choice(Arena *arena, const char *name) {
  Choice c = {.nest = nest_new(arena, name, "")};
  c.at = NEST_BUF(c.nest, INPUT, "at", 8);
  c.in = NEST_BUF(c.nest, INPUT, "in", 8, 8);
  nest_fn(c.nest, name, false);
  c.value = nest_load(c.nest, nest_at(c.nest, c.at, 0), 1);
  return c;
}

static void zero(Nest *b, Buf *buf, int n) {
  NEST_FOR(b, i, n) nest_store(b, nest_at(b, buf, i), num(b, 0));
}

static void test_chosen_range_refused(void) {
  Arena *arena = arena_new();
  Choice c = choice(arena, "above");
  Nest *b = c.nest;
  Buf *out = NEST_BUF(b, OUTPUT, "out", 8);
  NEST_CHOSEN(b, x, c.value, 0, 8)
  NEST_FOR(b, i, 8) nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, c.in, i, x + 1), 1));
  refuse(b, "load out of bounds");

  c = choice(arena, "below");
  b = c.nest;
  out = NEST_BUF(b, UPDATE, "out", 8);
  NEST_CHOSEN(b, x, c.value, -1, 8) nest_store(b, nest_at(b, out, x), num(b, 0));
  refuse(b, "store out of bounds");

  c = choice(arena, "none");
  b = c.nest;
  out = NEST_BUF(b, UPDATE, "out", 8);
  NEST_FOR(b, i, 5) NEST_CHOSEN(b, x, c.value, i, 4)
  nest_store(b, nest_at(b, out, x), num(b, 0)); /* the range is empty for i = 4 */
  refuse(b, "may be empty");

  b = nest_new(arena, "coarse", "");
  Buf *in = NEST_BUF(b, INPUT, "in", (1 << 24) + 2);
  out = NEST_BUF(b, OUTPUT, "out", 1);
  nest_fn(b, "coarse", false);
  NEST_CHOSEN(b, x, nest_load(b, nest_at(b, in, 0), 1), 0, (1 << 24) + 2)
  nest_store(b, nest_at(b, out, 0), nest_load(b, nest_at(b, in, x), 1));
  refuse(b, "integers that a float represents");

  c = choice(arena, "value");
  b = c.nest;
  out = NEST_BUF(b, OUTPUT, "out", 1);
  Buf *s = nest_buf(b, STACK, "s", (Type){F32, 1}, NEST_DIMS(1));
  NEST_CHOSEN(b, x, nest_load(b, nest_at(b, s, 0), 1), 0, 8)
  nest_store(b, nest_at(b, out, 0), nest_load(b, nest_at(b, c.at, x), 1));
  refuse(b, "before they are written");
  arena_free(arena);
}

static void test_chosen_stores_refused(void) {
  Arena *arena = arena_new();
  Choice c = choice(arena, "first");
  Nest *b = c.nest;
  Buf *out = NEST_BUF(b, OUTPUT, "out", 8);
  /* only one element is written */
  NEST_CHOSEN(b, x, c.value, 0, 8) nest_store(b, nest_at(b, out, x), num(b, 1));
  zero(b, out, 8);
  refuse(b, "before all are initialized");

  c = choice(arena, "from");
  b = c.nest;
  out = NEST_BUF(b, OUTPUT, "out", 8);
  /* the index is the bound of a loop */
  NEST_CHOSEN(b, x, c.value, 0, 8)
  NEST_FROM(b, i, x, x + 1) nest_store(b, nest_at(b, out, i), num(b, 1));
  refuse(b, "before all are initialized");

  c = choice(arena, "part");
  b = c.nest;
  out = NEST_BUF(b, OUTPUT, "out", 8);
  zero(b, out, 4);
  /* element 4 may stay unwritten */
  NEST_CHOSEN(b, x, c.value, 0, 5)
  nest_store(b, nest_at(b, out, x), num(b, 1));
  refuse(b, "before all are initialized");

  c = choice(arena, "branch");
  b = c.nest;
  out = NEST_BUF(b, OUTPUT, "out", 8);
  NEST_CHOSEN(b, x, c.value, 0, 8)
  NEST_IF(b, nest_below(b, x, 7)) zero(b, out, 8); /* x may be 7 */
  refuse(b, "not every element");

  c = choice(arena, "rounds");
  b = c.nest;
  out = NEST_BUF(b, OUTPUT, "out", 8);
  /* with a smaller x, fewer elements are written */
  NEST_CHOSEN(b, x, c.value, 1, 9)
  NEST_FROM(b, i, 0, x) nest_store(b, nest_at(b, out, i), num(b, 1));
  refuse(b, "before all are initialized");

  c = choice(arena, "over");
  b = c.nest;
  out = NEST_BUF(b, OVER, "out", 8);
  zero(b, out, 8);
  NEST_CHOSEN(b, x, c.value, 0, 8) nest_store(b, nest_at(b, out, x), num(b, 1));
  refuse(b, "an operand that is overwritten");

  c = choice(arena, "operand");
  b = c.nest;
  out = NEST_BUF(b, OVER, "out", 8);
  /* may read an element that an earlier iteration has written */
  NEST_FOR(b, i, 8) NEST_CHOSEN(b, x, c.value, 0, 8)
  nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, out, x), 1));
  refuse(b, "another iteration has overwritten");
  arena_free(arena);
}

static void test_chosen_parallel_refused(void) {
  Arena *arena = arena_new();
  Choice c = choice(arena, "meet");
  Nest *b = c.nest;
  Buf *out = NEST_BUF(b, UPDATE, "out", 8);
  NEST_PARALLEL(b, i, 8) NEST_CHOSEN(b, x, nest_load(b, nest_at(b, c.at, i), 1), 0, 8)
  nest_accumulate(b, nest_at(b, out, x), nest_load(b, nest_at(b, c.in, i, x), 1), num(b, 2));
  refuse(b, "parallel iterations");

  c = choice(arena, "read");
  b = c.nest;
  out = NEST_BUF(b, UPDATE, "out", 8);
  NEST_PARALLEL(b, i, 8) NEST_CHOSEN(b, x, nest_load(b, nest_at(b, c.at, i), 1), 0, 8)
  nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, out, x), 1));
  refuse(b, "parallel iterations");

  c = choice(arena, "shifted");
  b = c.nest;
  out = NEST_BUF(b, UPDATE, "out", 16);
  NEST_PARALLEL(b, i, 8) NEST_CHOSEN(b, x, nest_load(b, nest_at(b, c.at, i), 1), i, i + 2)
  nest_store(b, nest_at(b, out, x), num(b, 1)); /* adjacent iterations may have the same index */
  refuse(b, "parallel iterations");

  c = choice(arena, "team");
  b = c.nest;
  out = NEST_BUF(b, OUTPUT, "out", 8);
  NEST_CHOSEN(b, x, c.value, 0, 8)
  NEST_PARALLEL(b, i, 8) nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, c.in, x, i), 1));
  refuse(b, "in the scope of a data-dependent index");
  arena_free(arena);
}

static void test_chosen_proved(void) { /* these are similar to rejected nests, but valid */
  Arena *arena = arena_new();
  Choice c = choice(arena, "apart");
  Nest *b = c.nest;
  Buf *out = NEST_BUF(b, UPDATE, "out", 8, 8), *other = NEST_BUF(b, OUTPUT, "other", 8);
  Proof proof;
  NEST_PARALLEL(b, i, 8)
    NEST_CHOSEN(b, x, nest_load(b, nest_at(b, c.at, i), 1), 0, 8) /* each iteration writes only its own row */
  nest_accumulate(b, nest_at(b, out, i, x), nest_load(b, nest_at(b, c.in, x, i), 1), num(b, 2));
  NEST_CHOSEN(b, x, c.value, 0, 8) {
    NEST_IF(b, nest_below(b, x, 7)) zero(b, other, 8);
    NEST_ELSE(b) zero(b, other, 8);
    nest_store(b, nest_at(b, other, x), num(b, 1));
    nest_store(b, nest_at(b, other, 0), nest_load(b, nest_at(b, other, x), 1));
  }
  CU_ASSERT(nest_prove(b, &proof));

  c = choice(arena, "blocks");
  b = c.nest;
  out = NEST_BUF(b, UPDATE, "out", 16);
  /* each iteration writes a different pair of elements */
  NEST_PARALLEL(b, i, 8) NEST_CHOSEN(b, x, nest_load(b, nest_at(b, c.at, i), 1), 2 * i, 2 * i + 2)
  nest_store(b, nest_at(b, out, x), num(b, 1));
  CU_ASSERT(nest_prove(b, &proof));

  c = choice(arena, "one");
  b = c.nest;
  out = NEST_BUF(b, OUTPUT, "out", 8);
  NEST_FOR(b, i, 8)
    NEST_CHOSEN(b, x, c.value, i, i + 1) nest_store(b, nest_at(b, out, x), num(b, 1)); /* x is i */
  CU_ASSERT(nest_prove(b, &proof));
  nest_simplify(b);
  CU_ASSERT(nest_prove(b, &proof) && b->main->body->body->kind == STORE);

  b = nest_new(arena, "count", "");
  Buf *id = NEST_BUF_OF(b, INPUT, "id", I32, 8);
  out = NEST_BUF(b, OUTPUT, "out", 8);
  nest_fn(b, "count", false);
  const Ix n = nest_size_arg(b, "n", 1, 8);
  NEST_FROM(b, i, 0, n) NEST_CHOSEN(b, x, nest_load(b, nest_at(b, id, i), 1), 0, n)
  nest_store(b, nest_at(b, out, i), convert(nest_load(b, nest_at(b, id, x), 1), F32));
  CU_ASSERT(nest_prove(b, &proof));
  arena_free(arena);
}

/* Whether the prover accepts a nest that writes only the first `parts` of 16 parts of a buffer. The buffer
 * has two rows, a row has two halves, and a half has four parts. The parts are written in an order in which
 * the prover must merge parts of different rows and halves. Each part is written in a call, or in a branch
 * that is always taken. */
static bool proves_parts(bool calls, int parts) {
  enum { PART = 4, HALF = 16, ROWS = 2 };
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "parts", "");
  Buf *out = NEST_BUF(b, OUTPUT, "out", ROWS, 2 * HALF);
  NestFn *put = nest_fn(b, "put", true);
  const Ix row = nest_arg(b, "row"), at = nest_arg(b, "at");
  nest_store(b, nest_at(b, out, row, at), splat(num(b, 0), PART));
  nest_fn(b, "parts", false);
  NEST_FOR(b, n, 1)
    for (int i = 0; i < parts; i++) {
      const Ix y = n + i / 2 % ROWS, x = NEST_Z + (i % 2 * HALF + i / (2 * ROWS) * PART);
      if (calls) nest_call(b, put, y, x);
      else
        NEST_IF(b, nest_below(b, y, ROWS)) nest_store(b, nest_at(b, out, y, x), splat(num(b, 0), PART));
    }
  Proof proof;
  const bool proved = nest_prove(b, &proof);
  arena_free(arena);
  return proved;
}

static void test_parts_proved(void) {
  for (int calls = 0; calls < 2; calls++) {
    CU_ASSERT(proves_parts(calls, 16));
    CU_ASSERT(!proves_parts(calls, 15));
  }
}

CU_TestInfo suite_nest_refused[] = {
    {"misuse of the builder ends with status 3", test_misuse},
    {"rejected: out of bounds", test_bounds_refused},
    {"rejected: past the end of a row", test_edges_refused},
    {"rejected: parallel iterations that conflict", test_parallel_refused},
    {"rejected: read of elements that may be unwritten", test_unwritten_refused},
    {"rejected: read of elements that are not always written",
     refused_read_of_elements_that_are_not_always_written},
    {"rejected: read of elements that may be overwritten", test_over_refused},
    {"rejected: read of parts that may be overwritten", test_over_parts_refused},
    {"rejected: ranges of data-dependent indices", test_chosen_range_refused},
    {"rejected: stores at data-dependent indices", test_chosen_stores_refused},
    {"rejected: data-dependent indices in parallel iterations", test_chosen_parallel_refused},
    {"proved: data-dependent indices", test_chosen_proved},
    {"proved: parts that merge across calls and branches", test_parts_proved},
    CU_TEST_INFO_NULL};
