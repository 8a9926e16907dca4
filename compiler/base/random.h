/* random.h: Counter-based random numbers of a training step, as in generated code. Each number depends only
 * on (seed, step, sample, index). runtime/core/random.c has the same generator, with other keys for the order
 * of samples and for augmentation. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RANDOM_H
#define CNNC_RANDOM_H
#include <stdint.h>

static inline uint64_t random_mix(uint64_t x) { /* splitmix64's finalizer (Steele et al., 2014) */
  x += UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  return x ^ (x >> 31);
}

/* The two keys of an image's random numbers. */
static inline void random_keys(uint64_t seed, uint64_t step, uint64_t sample, uint32_t key[2]) {
  uint64_t k = random_mix(random_mix(random_mix(seed) ^ step) ^ sample);
  key[0] = (uint32_t)k;
  key[1] = (uint32_t)(k >> 32);
}

/* A uniform random number in [0, 1) with 24 bits: the RANDOM of loop nests. */
static inline float random_uniform(uint32_t key0, uint32_t key1, uint32_t counter) {
  uint32_t x = counter * 0x9E3779B9u ^ key0;
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x += key1;
  x *= 0xC2B2AE35u;
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  return (float)(x >> 8) * 0x1p-24f;
}
#endif
