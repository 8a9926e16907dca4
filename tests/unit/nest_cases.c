// nest_cases.c: Compares the results of a nest with expected results. The nest is tested as built,
// simplified, and as C that every available compiler compiles.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "nest_cases.h"
#include "printed.h"

/* ---- nests in the interpreter ---- */
double *cases_numbers(Arena *arena, int64_t n,
                      unsigned seed) { /* few bits, so that sums are exact in double */
  double *v = NEW_ARRAY(arena, double, n);
  for (int64_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    v[i] = (double)((int)(seed >> 8 & 0xffff)) / 65536. - .5;
  }
  return v;
}

static const Buf *buf_named(const Nest *nest, const char *name) {
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK && !strcmp(nest->buf[i]->name, name)) return nest->buf[i];
  return NULL;
}

bool cases_prove(Nest *nest) {
  Proof proof;
  bool ok = nest_prove(nest, &proof);
  if (!ok) printf("# %s\n", proof.error);
  return ok;
}

/* Allocates "out" and the buffers that `given` lacks. */
static Run allot(Arena *arena, const Nest *nest, Run given) {
  Run run = given;
  run.mem = NEW_ARRAY(arena, double *, CASE_BUFS);
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place >= STACK) continue;
    CU_ASSERT_FATAL(i < CASE_BUFS);
    const bool own = !given.mem[i] || !strcmp(buf->name, "out");
    run.mem[i] = own ? NEW_ARRAY(arena, double, buf_elements(buf)) : given.mem[i];
  }
  return run;
}

static bool near(const double *got, const double *want, int64_t n, double tolerance, const char *name) {
  double worst = 0;
  for (int64_t i = 0; i < n; i++) {
    double e = fabs(got[i] - want[i]);
    worst = e <= worst ? worst : e; /* keeps NaN */
  }
  if (!(worst <= tolerance)) printf("# %s: error %.2e\n", name, worst);
  return worst <= tolerance;
}

static bool run(const Nest *nest, Run *r) {
  bool ok = nest_run(nest, r);
  if (!ok) printf("# %s: %s\n", nest->name, r->error);
  return ok;
}

/* Proves the nest, runs it in double and in float, and compares "out" with `want`. Then simplifies the nest;
 * the result must stay the same. */
void cases_check(Cases *cases, Nest *nest, Run given, const double *want, double tolerance) {
  const Buf *out = buf_named(nest, "out");
  int64_t n = buf_elements(out);
  Arena *arena = cases->arena;
  Run exact = allot(arena, nest, given), single = allot(arena, nest, given),
      again = allot(arena, nest, given);
  double *update = out->place == UPDATE || out->place == OVER ? NEW_ARRAY(arena, double, n)
                                                              : NULL; /* values of `out` before each run */
  for (int64_t i = 0; update && i < n; i++) update[i] = (double)(i % 7);
  exact.single = false;
  single.single = again.single = true;
  if (update) {
    memcpy(exact.mem[out->id], update, (size_t)n * 8);
    memcpy(single.mem[out->id], update, (size_t)n * 8);
    memcpy(again.mem[out->id], update, (size_t)n * 8);
  }
  CU_ASSERT_FATAL(cases_prove(nest));
  CU_ASSERT_FATAL(run(nest, &exact) && run(nest, &single));
  if (want) {
    CU_ASSERT(near(exact.mem[out->id], want, n, 1e-9, nest->name));
    CU_ASSERT(near(single.mem[out->id], want, n, 1e-4, nest->name));
  }
  nest_simplify(nest);
  CU_ASSERT_FATAL(cases_prove(nest));
  CU_ASSERT_FATAL(run(nest, &again));
  CU_ASSERT(!memcmp(again.mem[out->id], single.mem[out->id], (size_t)n * sizeof(double)));
  nest->name = arena_printf(arena, "%s_%d", nest->name, cases->list.n);
  Case one = {nest, single, tolerance};
  vec_push(arena, cases->list, one);
}

/* ---- cases as C ---- */
static size_t bytes_of(const Buf *buf) { return (size_t)buf_bytes(buf); }

static void *to_memory(const Buf *buf, const double *v) { /* the memory is aligned to four bytes only */
  unsigned char *p = malloc(bytes_of(buf) + 4);
  if (!p) abort();
  p += 4;
  for (int64_t i = 0, n = buf_elements(buf); i < n; i++) switch (buf->type.elem) {
    case F32: ((float *)(void *)p)[i] = (float)v[i]; break;
    case I32: ((int32_t *)(void *)p)[i] = (int32_t)v[i]; break;
    case U8: p[i] = (uint8_t)v[i]; break;
    case I8: ((int8_t *)p)[i] = (int8_t)v[i]; break;
    case I16: ((int16_t *)(void *)p)[i] = (int16_t)v[i]; break;
    case BF16: ((uint16_t *)(void *)p)[i] = bf16_bits((float)v[i]); break;
    case F16: ((uint16_t *)(void *)p)[i] = f16_bits((float)v[i]); break;
    case I64: {
      const int64_t number = (int64_t)v[i];
      memcpy(p + 8 * i, &number, sizeof number); /* p is aligned to four bytes only */
      break;
    }
    }
  return p;
}

static double from_memory(const Buf *buf, const void *p, int64_t i) {
  switch (buf->type.elem) {
  case F32: return (double)((const float *)p)[i];
  case I32: return ((const int32_t *)p)[i];
  case U8: return ((const uint8_t *)p)[i];
  case I16: return ((const int16_t *)p)[i];
  case BF16: return bf16_value(((const uint16_t *)p)[i]);
  case F16: return f16_value(((const uint16_t *)p)[i]);
  case I64: return (double)((const int64_t *)p)[i];
  default: return ((const int8_t *)p)[i];
  }
}

/* The text of a C file with all cases; `void call_K(void *const *p, const int32_t *size)` calls case K. */
const char *cases_print(const Cases *cases, const char *suffix, const char *attribute, int lanes_max) {
  Arena *arena = cases->arena;
  Text body = {.arena = arena}, file = {.arena = arena};
  PreludeNeeds needs = {0};
  NestPrint print = {.names = {"", suffix, *attribute ? "TARGET" : "", .helium = false},
                     .lanes_max = lanes_max,
                     .team = true,
                     .needs = &needs};
  const char *argument[CASE_BUFS], *size[PARAMS];
  for (int i = 0; i < CASE_BUFS; i++) argument[i] = arena_printf(arena, "p[%d]", i);
  for (int i = 0; i < PARAMS; i++) size[i] = arena_printf(arena, "size[%d]", i);
  for (int k = 0; k < cases->list.n; k++) { /* calls run on three threads if there is OpenMP */
    const Nest *nest = cases->list.data[k].nest;
    emit_nest(&body, nest, &print);
    text_put(&body,
             "void call_%d(void *const *p, const int32_t *size);\nvoid call_%d(void *const *p, const int32_t "
             "*size) {\n  (void)p, (void)size;\n",
             k, k);
    if (emit_nest_shares(nest, &print))
      text_put(&body, "#ifdef _OPENMP\n#pragma omp parallel num_threads(3)\n#endif\n  {\n  const int thread "
                      "= THREAD, threads = THREADS;\n");
    text_put(&body, "  %s\n%s}\n\n", emit_nest_call(arena, nest, &print, argument, size),
             emit_nest_shares(nest, &print) ? "  }\n" : "");
  }
  printed_file(&file, &needs, suffix, print.names.attribute[0] ? attribute : "", body.s);
  return file.s;
}

static bool same_as_run(const Case *c, void *handle, int k, bool fused, const char *label) {
  char name[40];
  snprintf(name, sizeof name, "call_%d", k);
  void *symbol = dlsym(handle, name);
  void (*call_case)(void *const *, const int32_t *) = NULL;
  memcpy(&call_case, &symbol, sizeof call_case);
  if (!call_case) return false;
  void *memory[CASE_BUFS] = {0};
  int32_t size[PARAMS];
  for (int i = 0; i < PARAMS; i++) size[i] = (int32_t)c->run.size[i];
  for (int i = 0; i < c->nest->nbufs; i++) {
    const Buf *buf = c->nest->buf[i];
    if (buf->place >= STACK) continue;
    memory[i] = to_memory(buf, c->run.mem[i]);
    if (buf->place == OUTPUT || buf->place == WORK) memset(memory[i], 0x7f, bytes_of(buf));
    for (int64_t j = 0; (buf->place == UPDATE || buf->place == OVER) && j < buf_elements(buf); j++)
      ((float *)memory[i])[j] = (float)(j % 7);
  }
  call_case(memory, size);
  const Buf *out = buf_named(c->nest, "out");
  double worst = 0;
  for (int64_t i = 0; i < buf_elements(out); i++) {
    if (nest_unset(c->run.mem[out->id][i])) continue; /* the interpreter has not written this element */
    double want = c->run.mem[out->id][i], got = from_memory(out, memory[out->id], i),
           e = want == got ? 0 : fabs(want - got) / fmax(fabs(want), 1);
    worst = e <= worst ? worst : e;
  }
  for (int i = 0; i < CASE_BUFS; i++)
    if (memory[i]) free((char *)memory[i] - 4);
  double tolerance = fused || c->tolerance > 1e-5 ? c->tolerance : 1e-5;
  if (!(worst <= tolerance))
    printf("# %s (%s): %.2e from the interpreter, %s\n", c->nest->name, c->nest->about, worst, label);
  return worst <= tolerance;
}

typedef struct Compiled {
  const Cases *cases;
  const char *compiler, *flag, *text;
  bool fused;
} Compiled;

static bool run_compiled(void *data) {
  const Compiled *c = data;
  void *handle = printed_load(c->compiler, c->flag, c->text);
  bool ok = handle != NULL;
  for (int k = 0; handle && k < c->cases->list.n; k++)
    ok = same_as_run(&c->cases->list.data[k], handle, k, c->fused,
                     arena_printf(c->cases->arena, "%s %s", c->compiler, c->flag)) &&
         ok;
  return ok;
}

void cases_compile(const Cases *cases, const char *attribute, int lanes_max, bool fused, int nflags) {
  const char *text = cases_print(cases, *attribute ? "_t" : "", attribute, lanes_max);
  static const char *const flags[COMPILERS][3] = {{"-O2", "-O3 -fopenmp", "-O0"},
                                                  {"-O3 -fopenmp", "-O0", "-O1"}};
  for (int i = 0; i < COMPILERS; i++)
    for (int f = 0; f < nflags; f++) {
      const char *flag = flags[i][f];
      Compiled compiled = {cases, printed_compiler(i), flag, text,
                           fused && flag[2] >= '2'}; /* below -O2, some compilers do not fuse multiply-adds */
      if (compiled.compiler) CU_ASSERT(printed_in_child(run_compiled, &compiled));
    }
}

Cases *cases_new(void) {
  Arena *arena = arena_new();
  Cases *cases = NEW(arena, Cases);
  cases->arena = arena;
  return cases;
}
