// runtime_pace.c: The runtime finds the fastest number of threads: on an idle machine, next to other
// programs, and when other programs start and end.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>

#include "hosted/training/pace.h"

typedef double Cost(int32_t threads, int64_t call); /* Returns the seconds that a call takes. */

typedef struct Ran {
  double seconds, share;
  int64_t calls;
  int32_t last;
} Ran; /* share: fraction of the time spent with `best` threads */

static Ran run(cnn_pace *pace, Cost *cost, double seconds, int32_t best) {
  Ran ran = {0};
  double at_best = 0;
  while (ran.seconds < seconds) {
    const int32_t threads = cnn_pace_threads(pace);
    const double took = cost(threads, ran.calls++);
    CU_ASSERT_FATAL(threads >= 1 && threads <= pace->most);
    ran.seconds += took;
    if (threads == best) at_best += took;
    cnn_pace_took(pace, took);
    ran.last = threads;
  }
  ran.share = at_best / ran.seconds;
  return ran;
}

static double alone(int32_t threads, int64_t call) { return (void)call, 60e-6 / threads; }
static double busy(int32_t threads, int64_t call) {
  return threads == 1 ? (call % 100 ? 60e-6 : 3e-3) : threads * 500e-6;
} /* with one thread, a call occasionally has to wait for a processor */
static double crowded(int32_t threads, int64_t call) {
  return threads == 1 ? 5e-3 : call % 5 ? 60e-3 : 30e-3;
} /* another program of equal priority shares the processor of the second thread */
static double background(int32_t threads, int64_t call) {
  return 5e-3 / threads + (call % 100 < 2 ? 8e-3 : 0);
} /* a program of low priority gets a turn on each processor, rarely */
static double slow(int32_t threads, int64_t call) { return (void)call, 3.0 / threads; }
static double small(int32_t threads, int64_t call) {
  return (void)threads, (void)call, 5e-6;
} /* the number of threads has no effect */
static double knee(int32_t threads, int64_t call) {
  return (void)call, threads <= 4 ? 200e-6 / threads : 50e-6 + 20e-6 * threads;
} /* four threads are best */

static void test_alone(void) {
  cnn_pace pace = cnn_pace_of(2);
  CU_ASSERT(run(&pace, alone, 10, 2).share > 0.99);
  pace = cnn_pace_of(64);
  CU_ASSERT(run(&pace, alone, 10, 64).share > 0.99);
  pace = cnn_pace_of(1);
  CU_ASSERT(run(&pace, alone, 1, 1).share == 1);
}

static void test_busy(void) {
  cnn_pace pace = cnn_pace_of(2);
  run(&pace, busy, 0.5, 1);
  CU_ASSERT(run(&pace, busy, 10, 1).share > 0.97);
  pace = cnn_pace_of(16);
  run(&pace, busy, 2, 1);
  CU_ASSERT(run(&pace, busy, 10, 1).share > 0.9);
  pace = cnn_pace_of(2);
  run(&pace, crowded, 0.5, 1);
  CU_ASSERT(run(&pace, crowded, 10, 1).share > 0.8);
  pace = cnn_pace_of(2);
  CU_ASSERT(run(&pace, background, 10, 2).share > 0.9);
}

static void test_changes(void) {
  cnn_pace pace = cnn_pace_of(2);
  run(&pace, alone, 5, 2);
  run(&pace, busy, 1.5, 1);
  CU_ASSERT(run(&pace, busy, 5, 1).share > 0.95);
  run(&pace, alone, 1.5, 2);
  CU_ASSERT(run(&pace, alone, 5, 2).share > 0.99);
}

static int32_t threads_before;
static double cold(int32_t threads, int64_t call) {
  return alone(threads, call) + (call ? 0 : 20e-3);
} /* the first call of a program */
static double waking(int32_t threads, int64_t call) { /* a thread that was idle starts late */
  const double late = threads > threads_before ? 300e-6 : 0;
  threads_before = threads;
  return alone(threads, call) + late;
}

static void test_waking(void) {
  cnn_pace pace = cnn_pace_of(2);
  run(&pace, busy, 2, 1);
  threads_before = 1;
  run(&pace, waking, 1.5, 2);
  CU_ASSERT(run(&pace, waking, 5, 2).share > 0.98);
  pace = cnn_pace_of(2);
  CU_ASSERT(run(&pace, cold, 0.1, 2).share > 0.95);
}

static void test_middle(void) {
  cnn_pace pace = cnn_pace_of(12);
  run(&pace, knee, 3, 4);
  const Ran ran = run(&pace, knee, 10, 4);
  CU_ASSERT((double)ran.calls * 200e-6 / 4 >
            0.7 * ran.seconds); /* three threads are 1.33x slower than four */
}

/* If calls take long, the number of threads does not change. If the number of threads has no effect on the
 * time of a call, the largest number is used for more than 90 % of the time. */
static void test_left_alone(void) {
  cnn_pace pace = cnn_pace_of(8);
  CU_ASSERT(run(&pace, slow, 100, 8).share == 1);
  pace = cnn_pace_of(8);
  CU_ASSERT(run(&pace, small, 2, 8).share > 0.9);
}

CU_TestInfo suite_pace[] = {
    {"an idle machine", test_alone},
    {"a busy machine", test_busy},
    {"other programs start and end", test_changes},
    {"threads that wake up late", test_waking},
    {"fewer threads than the maximum are fastest", test_middle},
    {"long calls and small nets", test_left_alone},
    CU_TEST_INFO_NULL,
};
