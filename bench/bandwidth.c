/* bandwidth.c: Measurement of read bandwidth: one core repeatedly reads the same BYTES bytes, from the cache
 * or memory in which they are. The fastest of several rounds counts. Usage: bandwidth BYTES...; prints GB/s
 * for each number. WIDTH is the width of a vector in bytes. Large blocks are on huge pages, as in cnnc's
 * programs. */
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef float vector __attribute__((vector_size(WIDTH)));
enum { SUMS = 8, TRIES = 15, LINE = 64, HUGE_PAGE = 2 << 20 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *room(size_t bytes) {
  const size_t unit = bytes < 2 * HUGE_PAGE ? LINE : HUGE_PAGE, rounded = (bytes + unit - 1) / unit * unit;
  void *block = aligned_alloc(unit, rounded);
#ifdef MADV_HUGEPAGE
  if (block && unit == HUGE_PAGE) (void)madvise(block, rounded, MADV_HUGEPAGE);
#endif
  return block;
}

static vector total[SUMS];

static void sweep(const vector *from, size_t n) {
  vector sum[SUMS];
  memcpy(sum, total, sizeof sum);
  for (size_t i = 0; i + SUMS <= n; i += SUMS)
    for (int s = 0; s < SUMS; s++) sum[s] += from[i + (size_t)s];
  memcpy(total, sum, sizeof sum);
}

int main(int argc, char **argv) {
  for (int a = 1; a < argc; a++) {
    const size_t block = SUMS * sizeof(vector), bytes = (strtoul(argv[a], NULL, 10) / block + 1) * block;
    const int rounds = (int)(((size_t)1 << 24) / bytes + 1);
    vector *memory = room(bytes);
    double least = 1e9;
    if (!memory) return 1;
    memset(memory, 0, bytes);
    for (int t = 0; t < TRIES; t++) {
      const double start = now();
      for (int r = 0; r < rounds; r++) {
        sweep(memory, bytes / sizeof(vector));
        __asm__ volatile("" ::: "memory");
      }
      const double seconds = now() - start;
      least = seconds < least ? seconds : least;
    }
    printf("%.2f\n", 1e-9 * (double)bytes * rounds / least);
    free(memory);
  }
  return total[0][0] > 1e30f; /* never true: keeps the compiler from removing the sums */
}
