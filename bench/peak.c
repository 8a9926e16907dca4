/* peak.c: Measures peak multiply-adds per second of this machine: chains of fused multiply-adds in
 * registers. BYTES is the width of a vector. Usage: peak THREADS; prints GFLOP/s with that number of
 * threads. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef float vector __attribute__((vector_size(BYTES)));
enum { CHAINS = 12, ROUNDS = 1 << 22, TRIES = 25, MOST = 64, LANES = BYTES / sizeof(float) };
#ifdef __clang__
#pragma clang fp contract(fast)
#endif

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Enough chains to hide the latency of the instruction, few enough to stay in 16 registers; the barrier keeps
 * the compiler from folding iterations. */
static void *run(void *sum) {
  vector a[CHAINS], x, y;
  for (int l = 0; l < LANES; l++) {
    x[l] = 0.999f;
    y[l] = 0.001f;
  }
  for (int c = 0; c < CHAINS; c++) a[c] = y * (float)c;
  for (int i = 0; i < ROUNDS; i++) {
    for (int c = 0; c < CHAINS; c++) a[c] = a[c] * x + y;
    __asm__ volatile("" : "+x"(x), "+x"(y));
  }
  for (int c = 1; c < CHAINS; c++) a[0] += a[c];
  *(float *)sum = a[0][0];
  return NULL;
}

int main(int argc, char **argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  pthread_t other[MOST];
  float sum[MOST][16];
  double least = 1e9;
  if (threads < 1 || threads > MOST) return 2;
  for (int t = 0; t < TRIES; t++) {
    const double start = now();
    for (int i = 1; i < threads; i++)
      if (pthread_create(&other[i], NULL, run, sum[i]) != 0) return 1;
    run(sum[0]);
    for (int i = 1; i < threads; i++) pthread_join(other[i], NULL);
    const double seconds = now() - start;
    least = seconds < least ? seconds : least;
  }
  printf("%.1f\n", 2e-9 * threads * ROUNDS * CHAINS * LANES / least);
  return sum[0][0] > 1e30f; /* never true, so that the sums are needed */
}
