/* target.h: what schedules know of a CPU. A row of target.c a target. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TARGET_H
#define CNNC_TARGET_H
#include <stdbool.h>
#include <stdint.h>

typedef struct Target {
  const char *name;   /* "x86-64-v4" */
  const char *suffix; /* of C names: "v4" */
  int lanes;          /* floats of a vector; 1: no vectors */
  int registers;      /* vector registers */
  bool fma;
  int64_t l1, l2, l3;                   /* bytes */
  double fmas;                          /* vector multiply-adds that it starts in a cycle */
  double l2_rate, l3_rate, memory_rate; /* bytes that arrive in a cycle from there */
  int64_t most_bytes;                   /* of an object, where addresses have 32 bits; 0: 64 bits, or any */
  const char *condition;                /* of #if, NULL: any CPU */
  const char *attribute;    /* of every function, NULL: none (the lowest target of a file needs none) */
  const char *supported;    /* C expression that is true on a CPU that can run it, NULL: always */
  int march_level;          /* order within an architecture */
  const char *arch;         /* what one object can hold: "x86-64"; NULL: any */
  const char *const *cross; /* clang's options for objects made on another CPU, NULL: none */
  bool bare;                /* no shared libraries */
} Target;
extern const Target target_table[]; /* ends with name NULL */
const Target *target_find(const char *name);
const Target *target_of_lanes(int lanes); /* the first of the table whose vectors have so many */
const Target *target_widest(int n, const Target *const *); /* the first of them with the longest vectors */
const Target *target_native(void);                         /* the best of the table that this CPU runs */
bool target_runs_here(const Target *);
bool target_is_foreign(const Target *); /* of another architecture than this machine's */
#endif
