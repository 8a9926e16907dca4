// vectors.c: Compares vector primitives with their scalar definition. Every available compiler compiles the
// primitives for every target of this CPU and at every width. A further test compares the 32-bit rounding
// steps of vectors with 64-bit arithmetic.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops/int8/int8.h"
#include "printed.h"
#include "target/target.h"

enum { N = 4096, ARGUMENTS = 3 };
typedef void Apply(int32_t *const *argument, int32_t *out);

static uint64_t state = 1;
static uint32_t drawn(void) {
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(state >> 32);
}

/* A random number, sometimes an end of the range. */
static int32_t whole(void) {
  static const int32_t ends[] = {INT32_MIN, INT32_MAX, 0, -1, 1, INT32_C(-2139062144), 0x7f7f7f7f};
  const uint32_t draw = drawn();
  return draw % 8 == 0 ? ends[draw / 8 % 7] : (int32_t)drawn() >> drawn() % 31;
}

static int32_t bits_of(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
static float float_of(int32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static int32_t real(void) {
  static const float ends[] = {NAN, INFINITY, -INFINITY, 1024, -1024, 0.5f, -2.5f};
  const uint32_t draw = drawn();
  return bits_of(draw % 8 == 0 ? ends[draw / 8 % 7] : ldexpf((float)(int32_t)drawn(), (int)(draw % 48) - 40));
}

/* Draws valid arguments of the primitive for lane i. */
static void draw(const Primitive *p, int32_t *const *a, int i) {
  for (int k = 0; k < p->arguments; k++) a[k][i] = p->takes[k] == F32 ? real() : whole();
  const int32_t shift = (int32_t)(drawn() % 32);
  if (p == &primitive_shift_right || p == &primitive_shift_left || p == &primitive_part576) a[1][i] = shift;
  if (p == &primitive_wrap_sum) a[2][i] = shift;
  for (int at = 0; at < 32 && p == &primitive_dot_pairs; at += 8) { /* weights from -64 to 64 */
    const uint32_t weight = (uint32_t)((int32_t)(drawn() % 129) - 64) & 255;
    a[2][i] = (int32_t)(((uint32_t)a[2][i] & ~(UINT32_C(255) << at)) | weight << at);
  }
  if (p == &primitive_shift_halves_away) {
    a[0][i] >>= 2;
    a[1][i] = shift ? INT32_C(1) << (shift - 1) : 0;
    a[2][i] = shift;
  }
  if (p == &primitive_average) {
    a[1][i] = 1 + (int32_t)(drawn() % (1 << 15));
    a[0][i] = (int32_t)(drawn() % (uint32_t)(255 * a[1][i] + 1)) - 128 * a[1][i];
  }
  if (p == &primitive_average_even) { /* every second quotient ends in 1/2 if that is possible */
    a[1][i] = 1 + (int32_t)(drawn() % (1 << 15));
    a[0][i] = (int32_t)(drawn() % (uint32_t)(510 * a[1][i] + 1)) - 255 * a[1][i];
    if (i % 2 && a[1][i] % 2 == 0) a[0][i] = a[1][i] / 2 * ((int32_t)(drawn() % 510) - 255);
  }
  if (p == &primitive_requantize_float) a[1][i] = bits_of(ldexpf(1 + (float)(drawn() >> 9), -30));
  if (p == &primitive_quantize_float) a[1][i] = bits_of(ldexpf(1 + (float)(drawn() >> 9), -20));
}

static int32_t meant(const Primitive *p, int32_t *const *a, int i) {
  double x[ARGUMENTS];
  for (int k = 0; k < p->arguments; k++) x[k] = p->takes[k] == F32 ? (double)float_of(a[k][i]) : a[k][i];
  return p->run(x);
}

/* Source of a function such as `void high_product_16(int32_t *const *argument, int32_t *out)` for each
 * primitive and width. */
static const char *source(Arena *arena, const Target *target) {
  const PreludeNames names = {"", "_t", target->attribute ? target->attribute : "",
                              .vnni = target->avx >= AVX_VNNI, .bf16 = target->dots > 0 ? target->lanes : 0};
  Text body = {.arena = arena}, file = {.arena = arena};
  PreludeNeeds needs = {0};
  for (int i = 0; i < PRIMITIVES; i++)
    for (int lanes = 4; lanes <= target->lanes && primitive_table[i]->lanes; lanes *= 2) {
      const Primitive *p = primitive_table[i];
      prelude_need_primitive(&needs, p, lanes);
      prelude_need_type(&needs, I32, lanes, true);
      text_put(
          &body,
          "void %s_%d(int32_t *const *a, int32_t *out);\n%s\nvoid %s_%d(int32_t *const *a, int32_t *out) "
          "{\n  for (int i = 0; i < %d; i += %d) AT(v%di, out[i]) = %s(",
          p->name, lanes, target->attribute ? "TARGET" : "", p->name, lanes, N, lanes, lanes,
          prelude_primitive(arena, &names, p, lanes));
      for (int k = 0; k < p->arguments; k++) {
        const char *type = prelude_type(arena, p->takes[k], lanes);
        text_put(&body, "%s(%s)LOAD(v%di, a[%d][i])", k ? ", " : "", type, lanes, k);
      }
      text_put(&body, ");\n}\n");
    }
  printed_file(&file, &needs, "_t", target->attribute ? target->attribute : "", body.s);
  return file.s;
}

static int differences(const Primitive *p, Apply *apply) {
  static int32_t numbers[ARGUMENTS][N], out[N];
  int32_t *const argument[ARGUMENTS] = {numbers[0], numbers[1], numbers[2]};
  int wrong = 0;
  for (int i = 0; i < N; i++) draw(p, argument, i);
  apply(argument, out);
  for (int i = 0; i < N; i++) wrong += out[i] != meant(p, argument, i);
  return wrong;
}

static bool check_target(Arena *arena, const char *compiler, const Target *target) {
  void *handle = printed_load(compiler, "-O2", source(arena, target));
  bool good = handle != NULL;
  for (int i = 0; i < PRIMITIVES && handle; i++)
    for (int lanes = 4; lanes <= target->lanes && primitive_table[i]->lanes; lanes *= 2) {
      const Primitive *p = primitive_table[i];
      Apply *apply = NULL;
      if (p == &primitive_dot_bytes && target->dot != DOT_BYTES && target->attribute)
        continue; /* the target has no such instruction */
      *(void **)&apply = dlsym(handle, arena_printf(arena, "%s_%d", p->name, lanes));
      const int wrong = apply ? differences(p, apply) : N;
      if (wrong) printf("# %s %s: %s of %d lanes: %d wrong\n", compiler, target->name, p->name, lanes, wrong);
      good = good && !wrong;
    }
  return good;
}

static bool check_compiler(void *data) {
  Arena *arena = arena_new();
  bool good = true;
  for (const Target *target = target_table; target->name; target++)
    if (target_runs_here(target) && target->lanes > 1) good = check_target(arena, data, target) && good;
  arena_free(arena);
  return good;
}

static void test_first_compiler(void) {
  const char *compiler = printed_compiler(0);
  if (compiler) CU_ASSERT(printed_in_child(check_compiler, (void *)(uintptr_t)compiler));
}
static void test_second_compiler(void) {
  const char *compiler = printed_compiler(1);
  if (compiler) CU_ASSERT(printed_in_child(check_compiler, (void *)(uintptr_t)compiler));
}

/* ---- steps ---- */
/* A random sum that the factor permits: sometimes the largest sum or its negative, otherwise a smaller
 * sum. */
static int32_t fitting(Rounding rounding, Multiplier factor) {
  const int32_t most = INT32_MAX >> int8_steps(rounding, factor).left, x = whole() % most;
  return drawn() % 8 ? x : drawn() % 2 ? most : -most;
}

static void rounding_to_int32(void) {
  enum { TRIES = 1024, MOST = 28 }; /* with larger e, steps fit for no sum but 0 */
  int wrong = 0;
  for (int rounding = ROUNDING_SINGLE; rounding <= ROUNDING_DOUBLE; rounding++)
    for (int32_t e = MULTIPLIER_LEAST; e <= MOST; e++)
      for (int i = 0; i < TRIES; i++) {
        const Rounding by = (Rounding)rounding;
        const Multiplier factor = {.m = i == 0   ? INT32_C(1) << 30
                                        : i == 1 ? INT32_MAX
                                                 : (int32_t)(drawn() >> 2 | UINT32_C(1) << 30),
                                   .e = e};
        const Steps s = int8_steps(by, factor);
        const double x = fitting(by, factor);
        double product[] = {primitive_shift_left.run((double[]){x, s.left}), s.m},
               last[] = {0, s.half, s.shift};
        CU_ASSERT_FATAL(int8_steps_fit(by, factor, llabs((long long)x)));
        if (by == ROUNDING_SINGLE) {
          last[0] = primitive_high_product.run(product) + s.half;
          last[1] = s.shift;
        } else last[0] = primitive_high_product_rounded.run(product);
        const int32_t got =
            (by == ROUNDING_SINGLE ? primitive_shift_right : primitive_shift_halves_away).run(last);
        wrong += got != multiplier_apply(by, (int64_t)x, factor);
      }
  CU_ASSERT_EQUAL(wrong, 0);
  const Steps none = int8_steps(ROUNDING_SINGLE, (Multiplier){0});
  CU_ASSERT(none.m == 0 && none.left == 0 && none.shift == 1 && none.half == 1);
}

CU_TestInfo suite_vectors[] = {{"primitives of vectors, $CC", test_first_compiler},
                               {"primitives of vectors, $CLANG", test_second_compiler},
                               {"rounding to int32", rounding_to_int32},
                               CU_TEST_INFO_NULL};
