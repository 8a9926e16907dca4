/* numbers.h: Helpers of the fuzz targets for the runtime's detection functions. They turn bytes into floats
 * (some of them unusual), classes, and counts of ground-truth boxes. Arrays have exactly the declared sizes,
 * so that sanitizers detect accesses outside of them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef FUZZ_NUMBERS_H
#define FUZZ_NUMBERS_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

typedef struct Bytes {
  const uint8_t *at;
  size_t left;
} Bytes;

static inline void hold_failed(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  abort();
}
#define hold(truth) ((truth) ? (void)0 : hold_failed(__FILE__, __LINE__, #truth))

static inline float number_of(uint8_t byte) { /* unusual numbers, and multiples of 1/4 */
  static const float odd[] = {0.f, -0.f, 1e38f, -1e38f, 1e-45f};
  if (byte == 255) return (float)strtod("nan", NULL);
  if (byte == 254) return (float)strtod("inf", NULL);
  if (byte == 253) return (float)strtod("-inf", NULL);
  return byte < 5 ? odd[byte] : (float)byte / 4.f - 16.f;
}

/* n numbers: one per byte of `bytes`, then zeros if there are fewer than n bytes. */
static inline float *numbers(Bytes *bytes, int n) {
  float *x = calloc((size_t)n, sizeof *x);
  hold(x != NULL);
  for (int i = 0; i < n && bytes->left; i++, bytes->left--) x[i] = number_of(*bytes->at++);
  return x;
}

/* An array of n numbers, which the runtime function writes. */
static inline float *room(int n) {
  float *x = malloc((size_t)n * sizeof *x);
  hold(x != NULL);
  return x;
}

/* n classes: -1, a few small numbers, and the extremes of int32_t. */
static inline int32_t *labels(Bytes *bytes, int n) {
  int32_t *x = calloc((size_t)n, sizeof *x);
  hold(x != NULL);
  for (int i = 0; i < n && bytes->left; i++, bytes->left--, bytes->at++)
    x[i] = *bytes->at == 255 ? INT32_MAX : *bytes->at == 254 ? INT32_MIN : (int32_t)*bytes->at % 6 - 1;
  return x;
}

/* A count as a caller may pass it: mostly small, sometimes negative or an extreme of int32_t. */
static inline int32_t count_of(uint8_t byte) {
  return byte == 255 ? INT32_MAX : byte == 254 ? INT32_MIN : (int32_t)byte % 16 - 3;
}

static inline void release(float *const *all, size_t n) {
  for (size_t i = 0; i < n; i++) free(all[i]);
}
#endif
