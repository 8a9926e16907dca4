/* threads.c: Number of threads of a net, and clocks. */
// SPDX-License-Identifier: MIT-0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "hosted/base/threads.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cnn.h"

/* The library itself does not use OpenMP. But if the generated code uses OpenMP, these two functions set and
 * return the number of OpenMP's threads. The linker of macOS does not accept weak functions that are
 * undefined, so on macOS the two functions are NULL pointers. */
#ifdef __APPLE__
static void (*const omp_set_num_threads)(int) = NULL;
static int (*const omp_get_max_threads)(void) = NULL;
#else
extern void omp_set_num_threads(int) __attribute__((weak));
extern int omp_get_max_threads(void) __attribute__((weak));
#endif

void cnn_threads_use(const cnn_network *network, int32_t threads) {
  if (network->threads) network->threads(threads);
  else if (omp_set_num_threads) omp_set_num_threads(threads);
}

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
