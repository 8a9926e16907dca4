// target.c: The table of targets. The blocks of each target must fit into the target's caches, and the
// register tiles of each target into the target's registers.
// SPDX-License-Identifier: Apache-2.0
#include "target/cpu.h"
#include <CUnit/CUnit.h>

static void test_caches(void) {
  for (const Target *t = target_table; t->name; t++) {
    const Blocking *b = &t->blocking;
    CU_ASSERT(t->l1 <= t->l2 && t->l2 <= t->l3);
    CU_ASSERT(b->direct_panel > 0 && b->direct_panel < t->l2);
    CU_ASSERT(b->direct_weights > 0 && b->direct_weights <= t->l2);
    CU_ASSERT(b->winograd_block > 0 && b->winograd_block <= t->l2);
    CU_ASSERT(b->winograd_input > 0 && b->winograd_input < t->l2);
    CU_ASSERT(b->winograd_weights > 0);
    CU_ASSERT(4 * b->dense_depth * 2 * t->lanes <= t->l1);
    CU_ASSERT(4 * b->dense_packed * b->dense_vectors * t->lanes <= t->l1);
  }
}

/* A tile needs registers for its accumulators, for the vectors that all its rows use, for a broadcast and, if
 * there is no fused multiply-add, for a product. */
static void fits(const Target *t, int rows, int vectors) {
  CU_ASSERT(rows > 0 && vectors > 0);
  CU_ASSERT(rows * vectors + vectors + 1 + !t->fma <= t->registers);
}

static void test_registers(void) {
  for (const Target *t = target_table; t->name; t++) {
    fits(t, t->blocking.dense_rows, 2);
    fits(t, t->blocking.gradient_rows, 2);
    fits(t, t->blocking.depthwise_pixels, 1);
    fits(t, 6, t->blocking.dense_vectors);
    CU_ASSERT(t->chains >= t->fmas);
    CU_ASSERT_PTR_NOT_NULL(t->rates);
  }
}

static void test_lines(void) {
  const Target *wide = target_find("x86-64-v4"), *small = target_find("armv7m");
  CU_ASSERT_EQUAL(target_odd_lines(wide, 1), 16);
  CU_ASSERT_EQUAL(target_odd_lines(wide, 16), 16);
  CU_ASSERT_EQUAL(target_odd_lines(wide, 17), 48);
  CU_ASSERT_EQUAL(target_odd_lines(small, 8), 8);
  CU_ASSERT_EQUAL(target_odd_lines(small, 9), 24);
}

/* The instruction costs by which int8 schedules are chosen for boards. */
static void test_cpus(void) {
  for (const Target *t = target_table; t->name; t++) CU_ASSERT_EQUAL(t->dsp, cpu_cycles(t) != NULL);
  for (const Cpu *cpu = cpu_table; cpu->name; cpu++) {
    const Target *target = target_find(cpu->target);
    CU_ASSERT_PTR_EQUAL(cpu_find(cpu->name), cpu);
    CU_ASSERT_PTR_NOT_NULL_FATAL(target);
    if (cpu->core) continue; /* not a microcontroller */
    CU_ASSERT(target->dsp && target->bare);
    CU_ASSERT(cpu->cycles.load > 0 && cpu->cycles.store > 0 && cpu->cycles.pair > 0 && cpu->cycles.other > 0);
    CU_ASSERT_EQUAL(cpu->cycles.line, 0);
  }
  const Target *const mixed[] = {target_find("armv7e-m"), target_find("generic")},
                      *const boards[] = {target_find("armv8.1-m"), target_find("armv7e-m")};
  CU_ASSERT_PTR_EQUAL(target_widest(2, mixed), mixed[1]);
  /* with equally long vectors, target_widest prefers a target without `vectors` */
  CU_ASSERT_PTR_EQUAL(target_widest(2, boards), boards[1]);
  CU_ASSERT_PTR_NOT_NULL_FATAL(boards[0]->vectors);
  CU_ASSERT_STRING_EQUAL(boards[0]->vectors->name, boards[0]->name);
  CU_ASSERT_EQUAL(boards[0]->vectors->lanes, 4);
}

CU_TestInfo suite_target[] = {
    {"blocks fit the caches", test_caches},
    {"tiles fit the registers", test_registers},
    {"rows of an odd number of lines", test_lines},
    {"CPUs of boards", test_cpus},
    CU_TEST_INFO_NULL,
};
