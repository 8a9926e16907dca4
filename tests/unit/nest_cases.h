// nest_cases.h: Nests with their arguments, to be run in the interpreter and as compiled C.
// SPDX-License-Identifier: Apache-2.0
#ifndef NEST_CASES_H
#define NEST_CASES_H
#include "emit/nest.h"
#include "nest/nest.h"

/* A nest, its memory, and the tolerance of compiled C relative to the float interpreter. */
typedef struct Case {
  Nest *nest;
  Run run;
  double tolerance;
} Case;                  /* tolerance 0: results have the same bits on a CPU with fused multiply-adds */
enum { CASE_BUFS = 32 }; /* more than the number of buffers of any case */
#define CASE_RUN(...)                                                                                        \
  (Run) {                                                                                                    \
    .mem = (double *[CASE_BUFS]) { __VA_ARGS__ }                                                             \
  }
typedef struct Cases {
  Arena *arena;
  VEC(Case) list;
} Cases;

Cases *cases_new(void);
double *cases_numbers(Arena *, int64_t n, unsigned seed); /* few bits, so that sums are exact in double */
bool cases_prove(Nest *);
/* Proves the nest, runs it in double and in float, and compares the buffer "out" with `want`, unless
 * `want` is NULL. Then simplifies the nest; the result must stay the same. Adds the nest to the cases. */
void cases_check(Cases *, Nest *, Run given, const double *want, double tolerance);
/* The text of a C file with all cases; `void call_K(void *const *p, const int32_t *size)` calls case K. */
const char *cases_print(const Cases *, const char *suffix, const char *attribute, int lanes_max);
/* Prints the file with all cases, compiles it with each compiler and the first nflags sets of flags, and runs
 * it. */
void cases_compile(const Cases *, const char *attribute, int lanes_max, bool fused, int nflags);
#endif
