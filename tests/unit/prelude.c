// prelude.c: the functions of generated code, compiled by every compiler at hand at every width, against the C library in double: over a sample of all
// floats (every STEP-th bit pattern), and the values where such functions go wrong. With PRELUDE_ALL=1 in the environment: all 2^32 floats.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "printed.h"

enum { STEP = 4099, BLOCK = 4096 };

typedef struct Function { PreludeFn fn; const char *name; double (*exact)(double); double ulps; } Function;

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static const Function function[] = {
    {FN_EXP, "exp", exp, 1}, {FN_LOG, "log", log, 1.1}, {FN_SQRT, "sqrt", sqrt, 0.8}, {FN_TANH, "tanh", tanh, 2.3},
    {FN_SIGMOID, "sigmoid", sigmoid, 2.4}, {FN_ERF, "erf", erf, 1.2}, {FN_ABS, "abs", fabs, 0},
};
enum { FUNCTIONS = sizeof function / sizeof *function };

typedef void (*Apply)(const float *in, float *out, int n);

/* `void exp16(const float *in, float *out, int n)` for each function and width. */
static const char *source(Arena *arena, const char *attribute, int widest) {
  Text body = {.arena = arena}, file = {.arena = arena};
  PreludeNeeds needs = {0};
  for (int f = 0; f < FUNCTIONS; f++)
    for (int lanes = 1; lanes <= widest; lanes *= lanes == 1 ? 4 : 2) {
      const char *name = prelude_function(arena, function[f].fn, F32, lanes, "_t"), *type = prelude_type(arena, F32, lanes);
      prelude_need(&needs, function[f].fn, F32, lanes), prelude_need_type(&needs, F32, lanes, true);
      text_put(&body, "void apply_%s%d(const float *in, float *out, int n);\n%s\nvoid apply_%s%d(const float *in, float *out, int n) {\n  for (int i = 0; i < n; i += %d) ",
               function[f].name, lanes, *attribute ? "TARGET" : "", function[f].name, lanes, lanes);
      if (lanes == 1) text_put(&body, "out[i] = %s(in[i]);\n}\n", name);
      else text_put(&body, "AT(%s, out[i]) = %s(LOAD(%s, in[i]));\n}\n", type, name, type);
    }
  printed_file(&file, &needs, "_t", attribute, body.s);
  return file.s;
}

static double ulp(double x) { /* of the float at x: denormal floats are as far apart as the smallest normal ones */
  double a = fabs(x);
  if (!(a >= FLT_MIN)) return 0x1p-149;
  int e;
  frexp(a, &e);
  return ldexp(1, e - 24);
}

static double error_at(const Function *f, float x, float y) { /* in ulps; infinite where it is wrong in kind */
  double want = f->exact((double)x);
  if (isnan(want)) return isnan(y) ? 0 : INFINITY;
  float nearest = (float)want;
  if (isnan(y) || isinf(nearest) != isinf(y)) {
    bool edge = !isnan(y) && fabs(want) > 0.9999999 * (double)FLT_MAX; /* rounded the other way at the end of the range */
    return edge ? 0 : INFINITY;
  }
  if (isinf(y)) return nearest == y ? 0 : INFINITY;
  if (nearest == 0 && y == 0) return f->fn != FN_EXP && f->fn != FN_LOG && f->fn != FN_SIGMOID && signbit(nearest) != signbit(y) ? INFINITY : 0;
  return fabs((double)y - want) / ulp(want);
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static bool check_all(const Function *f, Apply apply, const char *label) {
  static const float edge[] = {0.f,    -0.f,        INFINITY,     -INFINITY,       NAN,     FLT_MIN, -FLT_MIN, FLT_MAX, -FLT_MAX,  0x1p-149f, -0x1p-149f, 1.f,         -1.f,    0.5f,       2.f,     0.625f,
                               0.624f, 0x1.fffffep-1f, 0x1.000002p0f, 0.92999995f, 0.93f, 3.999f, 4.f,      88.72283f, 88.72284f, 89.f,      -87.3365f,  -103.97207f, -103.98f, -104.1f, 0.70710677f, 0.70710684f};
  static float in[BLOCK], out[BLOCK];
  const char *all = getenv("PRELUDE_ALL");
  uint64_t step = all && *all == '1' ? 1 : STEP;
  double worst = 0;
  float at = 0;
  for (uint64_t bits = 0, first = 1; bits < UINT64_C(1) << 32; first = 0) {
    int n = 0;
    for (size_t i = 0; first && i < sizeof edge / sizeof *edge; i++) in[n++] = edge[i];
    for (; n < BLOCK; n++, bits += step) in[n] = float_of((uint32_t)(bits < UINT64_C(1) << 32 ? bits : 0));
    apply(in, out, BLOCK);
    for (int i = 0; i < BLOCK; i++) {
      double e = error_at(f, in[i], out[i]);
      if (e > worst) worst = e, at = in[i];
    }
  }
  if (worst > f->ulps || all) printf("# %s: %.3f ulp at %a\n", label, worst, (double)at);
  return worst <= f->ulps;
}

typedef struct Job { const char *compiler, *attribute, *flags; int widest; } Job;

static bool run_job(void *data) {
  const Job *job = data;
  Arena *arena = arena_new();
  void *handle = printed_load(job->compiler, job->flags, source(arena, job->attribute, job->widest));
  bool ok = handle != NULL, slow = !strcmp(job->flags, "-O0");
  for (int f = 0; handle && f < FUNCTIONS; f++)
    for (int lanes = 1; lanes <= job->widest; lanes *= lanes == 1 ? 4 : 2) {
      if (slow && (f + lanes) % 5) continue;
      const char *name = arena_printf(arena, "apply_%s%d", function[f].name, lanes);
      void *symbol = dlsym(handle, name);
      Apply apply = NULL;
      memcpy(&apply, &symbol, sizeof apply);
      ok = apply && check_all(&function[f], apply, arena_printf(arena, "%s %s %s %s", job->compiler, job->flags, job->attribute, name)) && ok;
    }
  arena_free(arena);
  return ok;
}

static void check_compiler(int which) {
  Job job = {.compiler = printed_compiler(which)};
  static const char *const flags[] = {"-O2", "-O0", "-O3"};
  job.attribute = printed_attribute(&job.widest);
  for (int k = 0; k < 3 && job.compiler; k++) {
    job.flags = flags[k];
    CU_ASSERT(printed_in_child(run_job, &job));
  }
  job.attribute = "", job.widest = 4, job.flags = "-O2"; /* the baseline CPU, without fused multiply-adds */
  if (job.compiler) CU_ASSERT(printed_in_child(run_job, &job));
}

static void test_first_compiler(void) { check_compiler(0); }
static void test_second_compiler(void) { check_compiler(1); }

static void test_names(void) {
  Arena *arena = arena_new();
  CU_ASSERT_STRING_EQUAL(prelude_function(arena, FN_MAX, I32, 16, "_v4"), "max16i_v4");
  CU_ASSERT_STRING_EQUAL(prelude_type(arena, U8, 16), "v16b");
  CU_ASSERT_STRING_EQUAL(prelude_type(arena, F32, 1), "float");
  arena_free(arena);
}

static void test_nothing_needed(void) { /* a file that needs nothing gets nothing */
  Arena *arena = arena_new();
  Text out = {.arena = arena};
  PreludeNeeds none = {0};
  emit_prelude(&out, &none, "_v4", "TARGET");
  CU_ASSERT_EQUAL(out.n, 0);
  emit_prelude_file(&out, &none);
  CU_ASSERT_STRING_EQUAL(out.s, "\n");
  arena_free(arena);
}

CU_TestInfo suite_prelude[] = {
    {"functions against the C library, the system's compiler", test_first_compiler},
    {"functions against the C library, clang", test_second_compiler},
    {"names", test_names},
    {"nothing needed, nothing printed", test_nothing_needed},
    CU_TEST_INFO_NULL};
