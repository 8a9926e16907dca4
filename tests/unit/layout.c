// layout.c: Memory layout: of the blocks that are live at the same time, only permitted pairs overlap, and
// the total is close to the lower bound.
// SPDX-License-Identifier: Apache-2.0
#include "passes/layout.h"
#include "all.h"
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/arena.h"

enum { MOST = 200 };
typedef struct Case {
  Block block[MOST], *list[MOST];
  Overlap overlap[MOST];
  int n, steps, noverlaps;
} Case;

static int draw(uint64_t *state, int n) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((*state >> 33) % (uint64_t)n);
}

static bool add(Case *c, int64_t bytes, int born, int dies) {
  if (c->n == MOST) return false;
  c->block[c->n] = (Block){bytes, born, dies, -1, 0};
  c->list[c->n] = &c->block[c->n];
  c->n++;
  return true;
}

/* Cuts a rectangle of steps and bytes into blocks, so that there is a layout without any gap. */
static void cut(Case *c, uint64_t *state, int born, int dies, int64_t bytes) {
  const bool stop = draw(state, 4) == 0 || (born == dies && bytes < 4) || c->n > MOST / 2;
  if (stop) {
    add(c, bytes, born, dies);
  } else if (born < dies && (bytes < 4 || draw(state, 2))) {
    const int middle = born + draw(state, dies - born);
    cut(c, state, born, middle, bytes);
    cut(c, state, middle + 1, dies, bytes);
  } else {
    const int64_t part = 1 + draw(state, (int)bytes - 1);
    cut(c, state, born, dies, part);
    cut(c, state, born, dies, bytes - part);
  }
}

static void shuffle(Case *c, uint64_t *state) {
  for (int i = c->n - 1; i > 0; i--) {
    const int j = draw(state, i + 1);
    Block *other = c->list[j];
    c->list[j] = c->list[i];
    c->list[i] = other;
  }
}

static bool apart(const Block *a, const Block *b) {
  return a->dies < b->born || b->dies < a->born || a->offset + a->bytes <= b->offset ||
         b->offset + b->bytes <= a->offset;
}

static bool may_overlap(const Case *c, const Block *a, const Block *b) {
  for (int i = 0; i < c->noverlaps; i++) {
    const Overlap *o = &c->overlap[i];
    const int64_t behind = o->result->offset - o->operand->offset;
    if ((a == o->operand && b == o->result) || (b == o->operand && a == o->result))
      return behind <= o->most && behind % o->step == 0;
  }
  return false;
}

static Layout checked(Case *c) {
  const Layout layout = layout_blocks(c->list, c->n, c->steps, c->overlap, c->noverlaps);
  bool good = layout.bytes >= layout.bound;
  for (int i = 0; i < c->n; i++) {
    good = good && c->block[i].offset >= 0 && c->block[i].offset + c->block[i].bytes <= layout.bytes;
    for (int j = 0; j < i; j++)
      good = good && (apart(&c->block[i], &c->block[j]) || may_overlap(c, &c->block[i], &c->block[j]));
  }
  CU_ASSERT_TRUE(good);
  return layout;
}

static void test_small(void) {
  Case c = {.steps = 3};
  const Layout empty = checked(&c);
  CU_ASSERT_TRUE(empty.bytes == 0 && empty.bound == 0);
  add(&c, 5, 0, 0);
  add(&c, 7, 1, 1);
  add(&c, 3, 0, 1);
  const Layout layout = checked(&c);
  CU_ASSERT_TRUE(layout.bytes == 10 && layout.bound == 10);
}

/* In a chain of layers, the layout reaches the lower bound: the largest sum of two adjacent values. */
static void test_orders(void) {
  Case c = {.steps = 6};
  static const int64_t bytes[] = {10, 40, 20, 50, 10};
  for (int i = 0; i < 5; i++) add(&c, bytes[i], i, i + 1);
  const Layout chain = checked(&c);
  CU_ASSERT_EQUAL(chain.bytes, 70);
  CU_ASSERT_EQUAL(chain.bound, 70);
}

/* A chain of layers whose results may overlap their operands; then the same chain with one more value, which
 * is live all the time. */
static void test_overlaps(void) {
  static const struct {
    int64_t bytes[4], most[3], step[3], bound, room;
  } cases[] = {
      /* each value at the address of the value before it */
      {{100, 100, 100, 100}, {0, 0, 0}, {1, 1, 1}, 100, 100},
      /* each value at least 8 bytes below the value before it */
      {{100, 100, 100, 100}, {-8, -8, -8}, {1, 1, 1}, 108, 124},
      /* the distance is also a multiple of 10 bytes */
      {{100, 100, 100, 100}, {-8, -8, -8}, {10, 10, 10}, 110, 130},
      /* each growing value ends where the value before it ends; the last value is small */
      {{40, 80, 160, 20}, {-40, -80, 0}, {1, 1, 1}, 160, 160},
      /* offset -99: the values share one byte; offset -150: no overlap is possible */
      {{100, 100, 100, 100}, {-99, -150, -99}, {1, 1, 1}, 200, 200},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Case c = {.steps = 5};
    for (int k = 0; k < 4; k++) add(&c, cases[i].bytes[k], k, k + 1);
    for (int k = 0; k < 3; k++)
      c.overlap[c.noverlaps++] = (Overlap){c.list[k], c.list[k + 1], cases[i].most[k], cases[i].step[k]};
    const Layout alone = checked(&c);
    CU_ASSERT_EQUAL(alone.bytes, cases[i].room);
    CU_ASSERT_EQUAL(alone.bound, cases[i].bound);
    add(&c, 1000, 0, 4);
    CU_ASSERT_EQUAL(checked(&c).bytes, 1000 + cases[i].room);
  }
}

/* Random cases: only permitted overlaps occur. */
static void test_random_overlaps(void) {
  double room = 0, apart_room = 0;
  for (int seed = 1; seed <= (try_all() ? 200 : 50); seed++) {
    uint64_t state = (uint64_t)seed;
    Case c = {.steps = 12};
    const int n = 10 + draw(&state, 30);
    int operand[MOST] = {0};
    for (int i = 0; i < n; i++) {
      const int born = draw(&state, c.steps), dies = born + draw(&state, c.steps - born);
      add(&c, 1 + draw(&state, 100), born, dies);
    }
    for (int i = 0; i < n; i++)
      for (int k = 0; k < n; k++) {
        if (i == k || operand[k] || c.block[k].dies != c.block[i].born || draw(&state, 2)) continue;
        operand[k] = 1;
        c.overlap[c.noverlaps++] =
            (Overlap){&c.block[k], &c.block[i], draw(&state, 60) - 40, 1 + draw(&state, 8)};
      }
    room += (double)checked(&c).bytes;
    c.noverlaps = 0;
    apart_room += (double)checked(&c).bytes;
  }
  CU_ASSERT_TRUE(room < 0.97 * apart_room);
}

static void test_random(void) {
  int exact = 0;
  double worst = 0;
  for (int seed = 1; seed <= 60; seed++) {
    uint64_t state = (uint64_t)seed;
    Case c = {.steps = 4 + seed / 2};
    cut(&c, &state, 0, c.steps - 1, 100 + 10 * seed);
    shuffle(&c, &state);
    const Layout layout = checked(&c);
    CU_ASSERT_EQUAL(layout.bound, 100 + 10 * seed);
    const double above = (double)(layout.bytes - layout.bound) / (double)layout.bound;
    exact += above <= 0;
    worst = above > worst ? above : worst;
    int64_t before[MOST];
    for (int i = 0; i < c.n; i++) before[i] = c.block[i].offset;
    checked(&c);
    for (int i = 0; i < c.n; i++) CU_ASSERT_EQUAL(c.block[i].offset, before[i]);
  }
  if (exact < 45 || worst > 0.15) printf("    %d of 60 exact, worst %.3f\n", exact, worst);
  CU_ASSERT_TRUE(exact >= 45 && worst <= 0.15);
}

/* A chain of 100,000 layers. If the layout compared each block with all other blocks, it would need ten
 * seconds. */
static void test_long(void) {
  enum { LAYERS = 100 * 1000 };
  Arena *arena = arena_new();
  Block *block = NEW_ARRAY(arena, Block, LAYERS), **list = NEW_ARRAY(arena, Block *, LAYERS);
  for (int i = 0; i < LAYERS; i++) {
    block[i] = (Block){16 + i % 7, i, i + 1, -1, 0};
    list[i] = &block[i];
  }
  const clock_t before = clock();
  const Layout layout = layout_blocks(list, LAYERS, LAYERS + 1, NULL, 0);
  CU_ASSERT_TRUE(clock() - before < 4 * CLOCKS_PER_SEC);
  CU_ASSERT_EQUAL(layout.bound, 22 + 21);
  CU_ASSERT_TRUE(layout.bytes >= layout.bound && layout.bytes <= 2 * layout.bound);
  for (int i = 1; i < LAYERS; i++)
    if (!apart(&block[i - 1], &block[i])) CU_FAIL("two blocks share a place");
  arena_free(arena);
}

/* The layout does not depend on the order in which the C library's qsort leaves equal elements. */
static void equal_blocks_keep_their_order(void) {
  Case c = {.steps = 1};
  uint64_t state = 1;
  for (int i = 0; i < MOST; i++) add(&c, 16, 0, 0);
  shuffle(&c, &state);
  checked(&c);
  for (int i = 0; i < MOST; i++) CU_ASSERT_EQUAL(c.list[i]->offset, 16 * i);
}

CU_TestInfo suite_layout[] = {{"a few blocks", test_small},
                              {"a chain of layers", test_orders},
                              {"results that overlap operands", test_overlaps},
                              {"results that overlap operands, random", test_random_overlaps},
                              {"rectangles cut into blocks", test_random},
                              {"100,000 layers", test_long},
                              {"equal blocks keep their order", equal_blocks_keep_their_order},
                              CU_TEST_INFO_NULL};
