/* threads.c: Number of threads of a net, and clocks. */
// SPDX-License-Identifier: MIT-0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "hosted/base/threads.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cnn.h"

/* The library itself does not use OpenMP. But if the generated code uses OpenMP, the first two functions set
 * and return the number of OpenMP's threads. The linker of macOS does not accept weak functions that are
 * undefined, so on macOS these two functions are NULL pointers. */
#ifdef __APPLE__
static void (*const omp_set_num_threads)(int) = NULL;
static int (*const omp_get_max_threads)(void) = NULL;
#else
extern void omp_set_num_threads(int) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));
extern int omp_get_thread_num(void) __attribute__((weak));
/* Both GCC's and LLVM's OpenMP have this function: runs `function` on every thread of a team. 0 threads: the
 * number that omp_set_num_threads set. */
extern void GOMP_parallel(void (*function)(void *), void *argument, unsigned threads, unsigned flags)
    __attribute__((weak));
#endif

void cnn_threads_use(const cnn_network *network, int32_t threads) {
  if (network->threads) network->threads(threads);
  else if (omp_set_num_threads) omp_set_num_threads(threads);
}

#if defined(__linux__) && defined(CPU_COUNT)
enum { MOST_SPREAD = 256 }; /* threads with higher numbers are not moved */

/* cpu[i]: the processor on which thread i runs, plus 1; 0: not known yet. If a thread with a smaller number
 * runs on the same processor, tries to move this thread to another one; afterwards it may use the same
 * processors as before. */
static void spread_thread(void *cpus) {
  _Atomic int *cpu = cpus;
  const int number = omp_get_thread_num(), here = sched_getcpu() + 1;
  cpu_set_t all, others;
  if (number >= MOST_SPREAD) return;
  cpu[number] = here;
  bool taken = false;
  for (int i = 0; i < number; i++) taken = taken || cpu[i] == here;
  if (!taken || sched_getaffinity(0, sizeof all, &all) != 0) return;
  others = all;
  for (int i = 0; i < number; i++)
    if (cpu[i]) CPU_CLR((size_t)(cpu[i] - 1), &others);
  if (CPU_COUNT(&others) && sched_setaffinity(0, sizeof others, &others) == 0)
    sched_setaffinity(0, sizeof all, &all);
  cpu[number] = sched_getcpu() + 1;
}

void cnn_threads_spread(const cnn_network *network, int32_t threads) {
  _Atomic int cpu[MOST_SPREAD] = {sched_getcpu() + 1};
  if (threads > 1 && !network->threads && GOMP_parallel && omp_get_thread_num)
    GOMP_parallel(spread_thread, cpu, 0, 0);
}
#else
void cnn_threads_spread(const cnn_network *network, int32_t threads) { (void)network, (void)threads; }
#endif

/* After a parallel loop, the threads of LLVM's OpenMP spin for 0.2 s by default; the threads of GCC's OpenMP
 * spin only for a few milliseconds. LLVM's OpenMP reads KMP_BLOCKTIME when a program first calls OpenMP. */
void cnn_threads_spare(void) {
  if (!getenv("OMP_WAIT_POLICY")) setenv("KMP_BLOCKTIME", "1", 0);
}

static int32_t processors(void) {
#ifdef CPU_COUNT
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int32_t)online : 1;
}

int32_t cnn_threads(int32_t wanted) {
  if (wanted > 0) return wanted;
  if (omp_get_max_threads) return omp_get_max_threads(); /* OpenMP respects OMP_NUM_THREADS */
  const char *set = getenv("OMP_NUM_THREADS");
  const int32_t threads = set ? atoi(set) : 0;
  return threads > 0 ? threads : processors();
}

int32_t cnn_threads_shared(int32_t wanted, int32_t processes) {
  const int32_t threads = cnn_threads(wanted);
  if (wanted > 0 || getenv("OMP_NUM_THREADS")) return threads;
  const long online = sysconf(_SC_NPROCESSORS_ONLN), share = online > processes ? online / processes : 1;
  return threads < share ? threads : (int32_t)share;
}

int32_t cnn_threads_of_net(const cnn_network *network, int32_t wanted) {
  return network->threads || omp_set_num_threads ? cnn_threads(wanted) : 1;
}

static double seconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double cnn_clock(void) { return seconds_of(CLOCK_MONOTONIC); }
double cnn_wall_clock(void) { return seconds_of(CLOCK_REALTIME); }
