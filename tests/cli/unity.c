// unity.c: three nets and a program, each compiled for itself (-DAPART) or all in this one file. All must
// print the same.
// SPDX-License-Identifier: Apache-2.0
#ifdef APART
#include "clashes.h"
#include "norms.h"
#include "small.h"
#elif defined(ALONE)
#include "small_alone.c"
#include "norms_alone.c"
#include "clashes_alone.c"
#else
#include "small.c"
#include "norms.c"
#include "clashes.c"
#endif
#include <stdio.h>
#include <string.h>

/* A program has names of its own, which generated code uses for itself, too. */
enum { INLINE = 1, KERNEL, UNROLL, TEAM, THREAD, THREADS, BARRIER, SHARE, PREFETCH, PIN, LOAD, AT, INFINITE };
typedef struct v4 {
  float x, y, z, w;
} v4;
typedef struct v16u {
  int v4i;
} v16u;
static float max_x1(float a, float b) { return a > b ? a : b; }
static v4 select_x4_v1(v4 a) { return a; }
static int flat(int bits) { return bits + AT + LOAD + (v16u){1}.v4i; }

/* 0 where the product is rounded before it is subtracted from, as -ffp-contract=off wants it. */
static double residue(volatile double *a) {
  const double product = a[0] * a[0];
  return a[0] * a[0] - product;
}

static float number(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(*state >> 8) * 0x1p-24f - 0.5f;
}

static void fill(void *floats, size_t bytes, unsigned state) {
  for (size_t i = 0; i + sizeof(float) <= bytes; i += sizeof(float)) {
    const float value = number(&state);
    memcpy((char *)floats + i, &value, sizeof value);
  }
}

static void print(const char *name, const float *values,
                  int n) { /* the first values, and a hash of the bits of all */
  uint64_t hash = 0;
  for (int i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    hash = hash * 31 + bits;
  }
  printf("%s %g %g: %016llx\n", name, (double)values[0], (double)values[n - 1], (unsigned long long)hash);
}

static small_weights small;
static small_model small_packed;
static small_workspace small_memory;

static void run_small(void) {
  static uint8_t image[SMALL_BATCH * SMALL_IMAGE_SIZE];
  static float output[SMALL_BATCH * SMALL_OUTPUT_SIZE];
  fill(&small, sizeof small, 1);
  for (size_t i = 0; i < sizeof image; i++) image[i] = (uint8_t)(37 * i);
  small_pack(&small_packed, &small);
  small_infer(&small_packed, image, output, &small_memory);
  print("small", output, (int)(sizeof output / sizeof *output));
}

static norms_weights norms;
static norms_model norms_packed;
static norms_workspace norms_memory;

static void run_norms(void) {
  static float x[NORMS_BATCH * NORMS_X_SIZE], class[NORMS_BATCH * NORMS_CLASS_SIZE],
      value[NORMS_BATCH * NORMS_VALUE_SIZE];
  fill(&norms, sizeof norms, 2);
  for (size_t i = 0; i < sizeof norms / sizeof(float); i++) {
    float *weight = (float *)(void *)&norms + i;
    *weight = 0.1f + *weight * *weight; /* variances, too */
  }
  fill(x, sizeof x, 3);
  norms_pack(&norms_packed, &norms);
  norms_infer(&norms_packed, x, class, value, &norms_memory);
  print("norms", class, (int)(sizeof class / sizeof *class));
}

#ifdef NORMS_TRAIN_BATCH
static norms_training norms_room;
static norms_weights norms_gradient;

static void train_norms(void) {
  static float x[NORMS_TRAIN_BATCH * NORMS_X_SIZE], targets[NORMS_TRAIN_BATCH * NORMS_VALUE_SIZE];
  static int32_t classes[NORMS_TRAIN_BATCH];
  fill(x, sizeof x, 4);
  fill(targets, sizeof targets, 5);
  const float loss = norms_gradients(&norms, x, classes, targets, NORMS_TRAIN_BATCH, 1, 2, &norms_gradient,
                                     NULL, NULL, &norms_room);
  print("loss", &loss, 1);
  print("gradient", (const float *)(const void *)&norms_gradient, NORMS_PARAMETERS);
}
#else
static void train_norms(void) {}
#endif

int main(void) {
  volatile double third = 1.0 / 3;
  run_small();
  run_norms();
  train_norms();
  printf("%s %s %s\n", small_target(), norms_target(), clashes_target());
  printf("%d %g %g\n", flat(INLINE), (double)max_x1(1, 2), (double)select_x4_v1((v4){1, 2, 3, 4}).x);
  printf("residue %g\n", residue(&third));
  return 0;
}
