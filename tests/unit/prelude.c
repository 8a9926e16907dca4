// prelude.c: Compares the math functions of generated code with the C library in double. The functions are
// compiled at every width for the targets of this CPU and of emulated CPUs. The arguments are every STEP-th
// float (PRELUDE_STEP in the environment sets another step) and the values with the largest errors.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "foreign.h"
#include "printed.h"

enum { STEP = 16411, BLOCK = 4096 };

typedef struct Function {
  PreludeFn fn;
  const char *name;
  double (*exact)(double);
  double ulps;
  double least;   /* the errors of results below this number are measured in ulps of this number */
  bool saturates; /* results are not subnormal, but 0 or the smallest normal float */
} Function;

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static double decay(double x) { return x < -64 ? 0 : exp(x); }

static double normal_cdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }

static double power_minus_three_quarters(double x) { return x < 0 ? NAN : pow(x, -0.75); }

static const Function function[] = {
    {FN_EXP, "exp", exp, 1.1, 0, true},
    {FN_DECAY, "decay", decay, 1.1, 0, false},
    {FN_LOG, "log", log, 1.2, 0, false},
    {FN_SQRT, "sqrt", sqrt, 0.8, 0, false},
    {FN_TANH, "tanh", tanh, 2.7, 0, false},
    {FN_SIGMOID, "sigmoid", sigmoid, 2.5, 0, true},
    {FN_CDF, "normal_cdf", normal_cdf, 1.9, 0.5, false},
    {FN_POWER, "power_minus_three_quarters", power_minus_three_quarters, 1.9, 0, false},
    {FN_SIN, "sin", sin, 2.7, 0x1p-6, false},
    {FN_COS, "cos", cos, 2.7, 0x1p-6, false},
    {FN_FLOOR, "floor", floor, 0, 0, false},
    {FN_ABS, "abs", fabs, 0, 0, false},
};
enum { FUNCTIONS = sizeof function / sizeof *function };

typedef void (*Apply)(const float *in, float *out, int n);

static int next_width(int lanes) { return lanes == 1 ? 4 : 2 * lanes; }

/* Source of a function such as `void apply_exp16(const float *in, float *out, int n)` for each function and
 * width. */
static const char *source(Arena *arena, const char *given, int widest) {
  const char *attribute = given ? given : "";
  const PreludeNames names = {"", "_t", attribute, .helium = false};
  Text body = {.arena = arena}, file = {.arena = arena};
  PreludeNeeds needs = {0};
  for (int f = 0; f < FUNCTIONS; f++)
    for (int lanes = 1; lanes <= widest; lanes = next_width(lanes)) {
      const char *name = prelude_function(arena, &names, function[f].fn, F32, lanes),
                 *type = prelude_type(arena, F32, lanes);
      prelude_need(&needs, function[f].fn, F32, lanes);
      prelude_need_type(&needs, F32, lanes, true);
      text_put(&body,
               "void apply_%s%d(const float *in, float *out, int n);\n%s\nvoid apply_%s%d(const float *in, "
               "float *out, int n) {\n  for (int i = 0; i < n; i += %d) ",
               function[f].name, lanes, *attribute ? "TARGET" : "", function[f].name, lanes, lanes);
      if (lanes == 1) text_put(&body, "out[i] = %s(in[i]);\n}\n", name);
      else text_put(&body, "AT(%s, out[i]) = %s(LOAD(%s, in[i]));\n}\n", type, name, type);
    }
  printed_file(&file, &needs, "_t", attribute, body.s);
  return file.s;
}

static double ulp(double x) { /* distance of adjacent floats near x; denormal floats have the distance of the
                                 smallest normal floats */
  double a = fabs(x);
  if (!(a >= FLT_MIN)) return 0x1p-149;
  int e;
  frexp(a, &e);
  return ldexp(1, e - 24);
}

static double error_of(const Function *f, double want,
                       float y) { /* in ulps; infinite if only one of y and `want` is NaN or infinite */
  if (isnan(want)) return isnan(y) ? 0 : INFINITY;
  float nearest = (float)want;
  if (isnan(y) || isinf(nearest) != isinf(y)) {
    /* accepts the largest float in place of infinity, and infinity in place of the largest float */
    bool edge = !isnan(y) && fabs(want) > 0.9999999 * (double)FLT_MAX;
    return edge ? 0 : INFINITY;
  }
  if (isinf(y)) return nearest == y ? 0 : INFINITY;
  if (f->saturates && want < 1.00001 * (double)FLT_MIN) /* 0, or the smallest normal number */
    return y == 0 || (y >= FLT_MIN && (double)y < 1.00001 * (double)FLT_MIN) ? 0 : INFINITY;
  if (nearest == 0 && y == 0)
    return f->fn != FN_EXP && f->fn != FN_LOG && f->fn != FN_SIGMOID && signbit(nearest) != signbit(y)
               ? INFINITY
               : 0;
  return fabs((double)y - want) / ulp(fmax(fabs(want), f->least));
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* ---- a sample of all floats ---- */
/* At the last eight numbers these functions have their largest errors, in this order: log; tanh with, and
 * without, a fused multiply-add; exp; sigmoid; normal_cdf; power without, and with, a fused multiply-add. */
static const float edge[] = {0.f,
                             -0.f,
                             INFINITY,
                             -INFINITY,
                             NAN,
                             FLT_MIN,
                             -FLT_MIN,
                             FLT_MAX,
                             -FLT_MAX,
                             0x1p-149f,
                             -0x1p-149f,
                             1.f,
                             -1.f,
                             0.5f,
                             2.f,
                             0.625f,
                             0.624f,
                             0x1.fffffep-1f,
                             0x1.000002p0f,
                             5.6f,
                             -5.6f,
                             -13.2f,
                             88.72283f,
                             88.72284f,
                             89.f,
                             -87.3365f,
                             -103.97207f,
                             -103.98f,
                             -104.1f,
                             -64.f,
                             -0x1.000002p+6f,
                             0.70710677f,
                             0.70710684f,
                             0x1.6a0b1p-1f,
                             0x1.fc1832p-5f,
                             0x1.ff61aep-5f,
                             -0x1.df580ep+5f,
                             -0x1.0a2bd8p+4f,
                             0x1.e72b2p-1f,
                             0x1.a82a84p-126f,
                             0x1.189d26p-124f};

/* The next n floats of the sample: the edges, then the bit patterns from *bits on; false after the last. */
static bool next_floats(float *in, int n, uint64_t *bits, uint64_t step) {
  int filled = 0;
  for (size_t i = 0; *bits == 0 && i < sizeof edge / sizeof *edge; i++) in[filled++] = edge[i];
  for (; filled < n; filled++, *bits += step)
    in[filled] = float_of((uint32_t)(*bits < UINT64_C(1) << 32 ? *bits : 0));
  return *bits < UINT64_C(1) << 32;
}

typedef struct Worst {
  double ulps;
  float at;
} Worst;

static void compare(const Function *f, const float *in, const double *want, const float *got, int n,
                    Worst *worst) {
  for (int i = 0; i < n; i++) {
    if (f->fn == FN_DECAY && in[i] > 0) continue;
    const double e = error_of(f, want[i], got[i]);
    if (e > worst->ulps) {
      worst->ulps = e;
      worst->at = in[i];
    }
  }
}

static bool report(const Function *f, const char *how, const Worst *worst) {
  printf("# %s %s: %.3f ulp at %a\n", f->name, how, worst->ulps, (double)worst->at);
  return worst->ulps <= f->ulps;
}

/* ---- on this CPU: all of its targets ---- */
typedef struct Build {
  const Target *target;
  const char *flags;
  void *handle;
} Build;
enum { MOST_BUILDS = 8, MOST_VARIANTS = 32 };
typedef struct Variant {
  Apply apply;
  const Build *build;
} Variant; /* a function at one width */

static int load_builds(Arena *arena, const char *compiler, Build *build) {
  int n = 0;
  for (const Target *target = target_table; target->name; target++)
    /* targets for bf16 or int8 have the same functions as the target before them in target_table */
    if (target_runs_here(target) && !target->for_bf16 && !target->for_int8)
      build[n++] = (Build){.target = target, .flags = "-O2"};
  build[n++] = (Build){.target = target_native(), .flags = "-O0"};
  build[n++] = (Build){.target = target_native(), .flags = "-O3"};
  for (int i = 0; i < n; i++)
    build[i].handle = printed_load(compiler, build[i].flags,
                                   source(arena, build[i].target->attribute, build[i].target->lanes));
  return n;
}

static bool check_function(Arena *arena, const Function *f, const char *compiler, const Build *build,
                           int builds) {
  static float in[BLOCK], out[BLOCK];
  static double want[BLOCK];
  Variant variant[MOST_VARIANTS];
  Worst worst[MOST_BUILDS] = {{0}};
  int variants = 0;
  for (int b = 0; b < builds; b++)
    for (int lanes = 1; lanes <= build[b].target->lanes; lanes = next_width(lanes)) {
      void *symbol = dlsym(build[b].handle, arena_printf(arena, "apply_%s%d", f->name, lanes));
      if (!symbol) return false;
      variant[variants] = (Variant){.build = &build[b]};
      memcpy(&variant[variants++].apply, &symbol, sizeof symbol);
    }
  const char *given = getenv("PRELUDE_STEP");
  const uint64_t step = given && atoll(given) > 0 ? (uint64_t)atoll(given) : STEP;
  bool more = true, good = true;
  for (uint64_t bits = 0; more;) {
    more = next_floats(in, BLOCK, &bits, step);
    for (int i = 0; i < BLOCK; i++) want[i] = f->exact((double)in[i]);
    for (int v = 0; v < variants; v++) {
      variant[v].apply(in, out, BLOCK);
      compare(f, in, want, out, BLOCK, &worst[variant[v].build - build]);
    }
  }
  for (int b = 0; b < builds; b++)
    good = report(f, arena_printf(arena, "%s %s %s", build[b].target->name, compiler, build[b].flags),
                  &worst[b]) &&
           good;
  return good;
}

static bool check_here(void *data) {
  const char *compiler = data;
  Arena *arena = arena_new();
  Build build[MOST_BUILDS];
  const int builds = load_builds(arena, compiler, build);
  bool loaded = true;
  for (int b = 0; b < builds; b++) loaded = loaded && build[b].handle;
  bool good = loaded;
  for (int f = 0; loaded && f < FUNCTIONS; f++)
    good = check_function(arena, &function[f], compiler, build, builds) && good;
  arena_free(arena);
  return good;
}

/* The seed of the tests selects one of the compilers; without a seed, or with NETCHECK_ALL, both are used. */
static void check_compiler(int which) {
  const char *compiler = printed_compiler(which), *seed = getenv("CNNC_TEST_SEED");
  const bool turn = !seed || getenv("NETCHECK_ALL") || !printed_compiler(!which) || atoll(seed) % 2 == which;
  if (compiler && turn) CU_ASSERT(printed_in_child(check_here, (void *)(uintptr_t)compiler));
}

static void test_first_compiler(void) { check_compiler(0); }
static void test_second_compiler(void) { check_compiler(1); }

/* ---- on other CPUs, in emulators: the sample does not depend on PRELUDE_STEP ---- */
/* Source of bare_run for bare.c. bare_run calls every function at every width; each call has its own range of
 * bare_out. */
static const char *foreign_source(Arena *arena, const Target *target, int floats) {
  Text text = {.arena = arena};
  int parts = 0;
  text_put(&text, "%s", source(arena, target->attribute, target->lanes));
  text_put(&text, "extern float bare_in[], bare_out[];\nextern const long bare_in_bytes, "
                  "bare_out_bytes;\nvoid bare_run(void);\nvoid bare_run(void) {\n");
  for (int f = 0; f < FUNCTIONS; f++)
    for (int lanes = 1; lanes <= target->lanes; lanes = next_width(lanes))
      text_put(&text, "  apply_%s%d(bare_in, bare_out + %d, %d);\n", function[f].name, lanes,
               floats * parts++, floats);
  text_put(&text,
           "}\nconst long bare_in_bytes = %d, bare_out_bytes = %d;\n_Alignas(64) float bare_in[%d], "
           "bare_out[%d];\n",
           4 * floats, 4 * floats * parts, floats, floats * parts);
  return text.s;
}

static bool write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  return file && fputs(text, file) >= 0 && fclose(file) == 0;
}

static bool run_foreign(Arena *arena, const Target *target, const float *in, float *out, int floats,
                        int parts) {
  char dir[] = "/tmp/cnnc-prelude-XXXXXX";
  if (!mkdtemp(dir)) return false;
  bool done = write_text(arena_printf(arena, "%s/glue.c", dir), foreign_source(arena, target, floats)) &&
              write_text(arena_printf(arena, "%s/net.c", dir), "typedef int nothing;\n");
  done = done && foreign_run(arena, target, dir, (const unsigned char *)in, (size_t)floats * sizeof *in,
                             (unsigned char *)out, (size_t)(floats * parts) * sizeof *out);
  return system(arena_printf(arena, "rm -rf %s", dir)) == 0 && done;
}

static void check_foreign(Arena *arena, const Target *target) {
  enum { FLOATS = 1 << 18, FOREIGN_STEP = 16411 };
  const int widths = target->lanes == 1 ? 1 : 2, parts = FUNCTIONS * widths;
  float *in = NEW_ARRAY(arena, float, FLOATS), *out = NEW_ARRAY(arena, float, FLOATS *parts), *got = out;
  double *want = NEW_ARRAY(arena, double, FLOATS);
  uint64_t bits = 0;
  next_floats(in, FLOATS, &bits, FOREIGN_STEP);
  CU_ASSERT(run_foreign(arena, target, in, out, FLOATS, parts));
  for (int f = 0; f < FUNCTIONS; f++) {
    Worst worst = {0};
    for (int i = 0; i < FLOATS; i++) want[i] = function[f].exact((double)in[i]);
    for (int w = 0; w < widths; w++, got += FLOATS) compare(&function[f], in, want, got, FLOATS, &worst);
    CU_ASSERT(report(&function[f], target->name, &worst));
  }
}

static void test_foreign(void) {
  Arena *arena = arena_new();
  for (const Target *target = target_table; target->name; target++) {
    if (target->vectors) continue; /* these boards lack the memory for the sample */
    const char *missing = target_is_foreign(target) ? foreign_missing(arena, target) : NULL;
    if (missing) printf("# %s needs %s\n", target->name, missing);
    else if (target_is_foreign(target)) check_foreign(arena, target);
  }
  arena_free(arena);
}

static void test_names(void) {
  Arena *arena = arena_new();
  const PreludeNames names = {"net_", "_v4", "TARGET", .helium = false};
  CU_ASSERT_STRING_EQUAL(prelude_function(arena, &names, FN_MAX, I32, 16), "net_max_x16i_v4");
  CU_ASSERT_STRING_EQUAL(prelude_convert(arena, &names, F32, U8, 16), "net_f32_from_u8_x16_v4");
  CU_ASSERT_STRING_EQUAL(prelude_type(arena, U8, 16), "v16b");
  CU_ASSERT_STRING_EQUAL(prelude_type(arena, F32, 1), "float");
  for (const char *const *s = (const char *const[]){"max_x16i", "load_part_x8b", "exp_x1", "v4", "v16iu",
                                                    "f32_from_u8_x16", "LOAD", NULL};
       *s; s++)
    CU_ASSERT(prelude_has_name(*s));
  for (const char *const *s =
           (const char *const[]){"max", "sigmoid1", "max_x", "max_x1x", "v", "v4x", "from_u8", "load", NULL};
       *s; s++)
    CU_ASSERT(!prelude_has_name(*s));
  arena_free(arena);
}

static size_t word_at(const char *s) {
  size_t n = 0;
  while (s[n] == '_' || (s[n] >= '0' && s[n] <= '9') || (s[n] >= 'a' && s[n] <= 'z') ||
         (s[n] >= 'A' && s[n] <= 'Z'))
    n++;
  return n;
}

static void check_reserved(Arena *arena, const char *name, size_t n) {
  const char *word = arena_copy(arena, name, n);
  static const char *const own[] = {
#define OWN(name) #name,
#include "lir/own_names.def"
  };
  bool reserved = prelude_has_name(word);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) reserved = reserved || strcmp(word, own[i]) == 0;
  if (!reserved) printf("# %s is printed, and not reserved\n", word);
  CU_ASSERT(reserved);
}

/* Prints a file that needs every function. All names that the file defines must be reserved: layers cannot
 * have these names. */
static void test_reserved(void) {
  static const char define[] = "#define ", prefix[] = "net_", suffix[] = "_v4";
  Arena *arena = arena_new();
  Text out = {.arena = arena};
  PreludeNeeds needs = {.inlined = true,
                        .kernel = true,
                        .unroll = true,
                        .roll = true,
                        .team = true,
                        .prefetch = true,
                        .pin = true,
                        .load2 = true,
                        .infinite = true};
  memset(needs.convert, UINT8_MAX, sizeof needs.convert);
  memset(needs.type, UINT8_MAX, sizeof needs.type);
  memset(needs.memory, UINT8_MAX, sizeof needs.memory);
  for (int lanes = 4; lanes <= 16; lanes *= 2) {
    for (int fn = 0; fn < FN_COUNT; fn++) prelude_need(&needs, (PreludeFn)fn, F32, lanes);
    for (int i = 0; i < PRIMITIVES; i++)
      if (primitive_table[i]->lanes) prelude_need_primitive(&needs, primitive_table[i], lanes);
  }
  emit_prelude_file(&out, &needs, prefix);
  emit_prelude(&out, &needs, &(PreludeNames){prefix, suffix, "TARGET", .helium = false});
  int found = 0;
  for (const char *at = out.s; *at;) {
    const size_t n = word_at(at), begin = strlen(prefix), end = strlen(suffix);
    if (!strncmp(at, define, strlen(define))) {
      at += strlen(define);
      check_reserved(arena, at, word_at(at));
      found++;
    } else if (n > begin + end && !strncmp(at, prefix, begin)) {
      const bool targets = !strncmp(at + n - end, suffix, end);
      check_reserved(arena, at + begin, n - begin - (targets ? end : 0));
      found++;
    }
    at += n ? n : 1;
  }
  CU_ASSERT(found > 200);
  arena_free(arena);
}

static void test_nothing_needed(void) { /* the prelude of a file that needs no function is empty */
  Arena *arena = arena_new();
  Text out = {.arena = arena};
  PreludeNeeds none = {0};
  emit_prelude(&out, &none, &(PreludeNames){"net_", "_v4", "TARGET", .helium = false});
  CU_ASSERT_EQUAL(out.n, 0);
  emit_prelude_file(&out, &none, "net_");
  CU_ASSERT_STRING_EQUAL(out.s, "\n");
  arena_free(arena);
}

CU_TestInfo suite_prelude[] = {
    {"functions against the C library, the system's compiler", test_first_compiler},
    {"functions against the C library, clang", test_second_compiler},
    {"functions against the C library, other CPUs", test_foreign},
    {"names", test_names},
    {"names of printed functions are reserved", test_reserved},
    {"no function is printed without need", test_nothing_needed},
    CU_TEST_INFO_NULL};
