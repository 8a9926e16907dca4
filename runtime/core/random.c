/* random.c: Counter-based random numbers. Generated code contains a copy of cnn_random_bits that returns only
 * the upper 24 bits. Generated code computes keys with another formula than cnn_random_keys. */
// SPDX-License-Identifier: MIT-0
#include "cnn_core.h"

/* Returns the output with number `stream + 1` of the splitmix64 generator (Steele, Lea, Flood 2014), started
 * with `seed`. The generator adds 2^64 divided by the golden ratio to its state for each output. */
cnn_random cnn_random_keys(uint64_t seed, uint64_t stream) {
  uint64_t z = seed + 0x9E3779B97F4A7C15u * (stream + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return (cnn_random){{(uint32_t)z, (uint32_t)(z >> 32)}};
}

cnn_random cnn_random_stream(uint64_t seed, cnn_stream stream, uint32_t epoch) {
  return cnn_random_keys(seed, (uint64_t)stream << 32 | epoch);
}

uint32_t cnn_random_bits(cnn_random random, uint32_t counter) {
  uint32_t x = counter * 0x9E3779B9u ^ random.key[0];
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x += random.key[1];
  x *= 0xC2B2AE35u;
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  return x;
}

float cnn_random_uniform(cnn_random random, uint32_t counter) {
  return (float)(cnn_random_bits(random, counter) >> 8) * 0x1p-24f;
}

uint32_t cnn_random_below(cnn_random random, uint32_t counter, uint32_t limit) {
  return (uint32_t)((uint64_t)cnn_random_bits(random, counter) * limit >> 32);
}

/* The shuffle of Fisher and Yates. */
void cnn_random_permutation(cnn_random random, int32_t *order, int32_t count) {
  for (int32_t i = 0; i < count; i++) order[i] = i;
  for (int32_t i = count - 1; i > 0; i--) {
    int32_t j = (int32_t)cnn_random_below(random, (uint32_t)i, (uint32_t)i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}
