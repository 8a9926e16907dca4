/* peak.c: Measurement of the peak rate of multiply-adds of this machine: chains of fused multiply-adds in
 * registers. BYTES is the width of a vector. With -DDOTS the multiply-adds are dot products of bf16 numbers
 * (vdpbf16ps), with -DTILES products of tile registers (tdpbf16ps). Usage: peak THREADS; prints GFLOP/s with
 * that number of threads. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef TILES
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

#ifdef TILES
enum { SUMS = 4, TILE_ROUNDS = ROUNDS / 16, PRODUCTS = 16 * 16 * 32 };
static double flops(void) { return 2.0 * TILE_ROUNDS * SUMS * PRODUCTS; }

/* Linux permits tile registers only to processes that request them. */
static int permitted(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

static void *run(void *sum) {
  uint8_t shape[64] = {1};
  for (int i = 0; i < 8; i++) {
    shape[16 + 2 * i] = 64;
    shape[48 + i] = 16;
  }
  __asm__ volatile("ldtilecfg (%0)" : : "r"(shape) : "memory");
  __asm__ volatile("tilezero %tmm4\n\ttilezero %tmm5");
  for (int i = 0; i < TILE_ROUNDS; i++)
    __asm__ volatile("tdpbf16ps %tmm5, %tmm4, %tmm0\n\ttdpbf16ps %tmm5, %tmm4, %tmm1\n\t"
                     "tdpbf16ps %tmm5, %tmm4, %tmm2\n\ttdpbf16ps %tmm5, %tmm4, %tmm3");
  __asm__ volatile("tilerelease");
  *(float *)sum = 0;
  return NULL;
}
#else
static double flops(void) {
#ifdef DOTS
  return 4.0 * ROUNDS * CHAINS * LANES;
#else
  return 2.0 * ROUNDS * CHAINS * LANES;
#endif
}
static int permitted(void) { return 1; }

/* The chains are enough to hide the latency of the instruction, and few enough to stay in 16 registers. The
 * barrier keeps the compiler from merging iterations. */
static void *run(void *sum) {
  vector a[CHAINS], x, y;
  for (int l = 0; l < LANES; l++) {
    x[l] = 0.999f;
    y[l] = 0.001f;
  }
  for (int c = 0; c < CHAINS; c++) a[c] = y * (float)c;
  for (int i = 0; i < ROUNDS; i++) {
#ifdef DOTS
    for (int c = 0; c < CHAINS; c++) __asm__("vdpbf16ps %2, %1, %0" : "+x"(a[c]) : "x"(x), "x"(y));
#else
    for (int c = 0; c < CHAINS; c++) a[c] = a[c] * x + y;
#endif
    __asm__ volatile("" : "+x"(x), "+x"(y));
  }
  for (int c = 1; c < CHAINS; c++) a[0] += a[c];
  *(float *)sum = a[0][0];
  return NULL;
}
#endif

int main(int argc, char **argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  pthread_t other[MOST];
  float sum[MOST][16];
  double least = 1e9;
  if (threads < 1 || threads > MOST || !permitted()) return 2;
  for (int t = 0; t < TRIES; t++) {
    const double start = now();
    for (int i = 1; i < threads; i++)
      if (pthread_create(&other[i], NULL, run, sum[i]) != 0) return 1;
    run(sum[0]);
    for (int i = 1; i < threads; i++) pthread_join(other[i], NULL);
    const double seconds = now() - start;
    least = seconds < least ? seconds : least;
  }
  printf("%.1f\n", 1e-9 * threads * flops() / least);
  return sum[0][0] > 1e30f; /* never true: keeps the compiler from removing the sums */
}
