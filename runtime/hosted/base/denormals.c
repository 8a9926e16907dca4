/* denormals.c: The CPU's mode for subnormal floats, per thread: FTZ and DAZ of x86, FZ of ARM. */
// SPDX-License-Identifier: MIT-0
#include "cnn.h"

#if defined(__GNUC__) && defined(__SSE__)
enum { ZEROS = 0x8040 }; /* flush to zero, denormals are zeros */
static uint32_t mode_now(void) {
  uint32_t mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode) : : "memory");
  return mode;
}
static void set_mode(uint32_t mode) { __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory"); }
#elif defined(__GNUC__) && defined(__aarch64__)
enum { ZEROS = 1 << 24 };
static uint32_t mode_now(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
  return (uint32_t)mode;
}
static void set_mode(uint32_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory"); }
#elif defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP)
enum { ZEROS = 1 << 24 };
static uint32_t mode_now(void) {
  uint32_t mode;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(mode) : : "memory");
  return mode;
}
static void set_mode(uint32_t mode) { __asm__ volatile("vmsr fpscr, %0" : : "r"(mode) : "memory"); }
#else /* the CPU has no such mode */
enum { ZEROS = 0 };
static uint32_t mode_now(void) { return 0; }
static void set_mode(uint32_t mode) { (void)mode; }
#endif

uint32_t cnn_denormals_mode(void) { return mode_now(); }

uint32_t cnn_denormals_set(bool flush) {
  const uint32_t before = mode_now(), now = flush ? before | ZEROS : before & ~(uint32_t)ZEROS;
  if (now != before) set_mode(now);
  return before;
}

uint32_t cnn_denormals_begin(const cnn_network *network) {
  return network->flush_denormals ? cnn_denormals_set(true) : mode_now();
}

void cnn_denormals_end(uint32_t before) {
  if ((mode_now() ^ before) & ZEROS) set_mode(before);
}
