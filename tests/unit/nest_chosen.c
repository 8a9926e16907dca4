// nest_chosen.c: Data-dependent indices. Compares row lookup and sampling between pixels, and their
// gradients, with C loops, for all kinds of indices: far outside, infinite, NaN. The file also tests byte
// lookup tables, products of bf16 pairs, and rounding to half precision.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "emit/nest.h"
#include "nest/build.h"
#include "nest_cases.h"
#include "nest_kernels.h"
#include "printed.h"

/* ---- kernels ---- */
Nest *chosen_rows(Arena *arena, int N, int ROWS, int C, int lanes) { /* out[i] = table[id[i]] */
  Nest *b = nest_new(arena, "rows", "rows of a table by number");
  Buf *id = NEST_BUF_OF(b, INPUT, "id", I32, N), *table = NEST_BUF(b, WEIGHTS, "table", ROWS, C),
      *out = NEST_BUF(b, OUTPUT, "out", N, C);
  nest_fn(b, "rows", false);
  NEST_PARALLEL(b, i, N) NEST_CHOSEN(b, row, nest_load(b, nest_at(b, id, i), 1), 0, ROWS)
  NEST_FOR(b, c, C / lanes)
    nest_store(b, nest_at(b, out, i, lanes * c), nest_load(b, nest_at(b, table, row, lanes * c), lanes));
  return b;
}

Nest *chosen_rows_gradient(Arena *arena, int N, int ROWS, int C, int lanes) { /* out[id[i]] += d[i] */
  Nest *b = nest_new(arena, "rows_gradient", "gradient of rows of a table by number");
  Buf *id = NEST_BUF_OF(b, INPUT, "id", I32, N), *d = NEST_BUF(b, INPUT, "d", N, C),
      *out = NEST_BUF(b, UPDATE, "out", ROWS, C);
  nest_fn(b, "rows_gradient", false);
  NEST_FOR(b, i, N) NEST_CHOSEN(b, row, nest_load(b, nest_at(b, id, i), 1), 0, ROWS)
  NEST_FOR(b, c, C / lanes) {
    Ref at = nest_at(b, out, row, lanes * c);
    nest_store(b, at, add(nest_load(b, at, lanes), nest_load(b, nest_at(b, d, i, lanes * c), lanes)));
  }
  return b;
}

/* Position of a point on an axis of `size` pixels: in 0 .. size - 1; 0 for NaN. */
static Val on_axis(Nest *b, const char *name, Val x, int size) {
  return nest_let(b, name, vmin(vmax(x, num(b, 0)), num(b, size - 1)));
}

static Val fraction(Nest *b, const char *name, Val x, const Ix *whole) {
  return nest_let(b, name, sub(x, convert(position(b, whole), F32)));
}

Nest *chosen_sampling(Arena *arena, int N, int H, int W, int C, int lanes) {
  Nest *b = nest_new(arena, "sampling", "values between pixels");
  Buf *in = NEST_BUF(b, INPUT, "in", H, W, C), *point = NEST_BUF(b, INPUT, "point", N, 2),
      *out = NEST_BUF(b, OUTPUT, "out", N, C);
  nest_fn(b, "sampling", false);
  NEST_PARALLEL(b, i, N) {
    Val py = on_axis(b, "py", nest_load(b, nest_at(b, point, i, 0), 1), H),
        px = on_axis(b, "px", nest_load(b, nest_at(b, point, i, 1), 1), W);
    NEST_CHOSEN(b, y, py, 0, H - 1)
    NEST_CHOSEN(b, x, px, 0, W - 1) {
      Val fy = fraction(b, "fy", py, &y), fx = fraction(b, "fx", px, &x);
      NEST_FOR(b, c, C / lanes) {
        Val row[2];
        for (int k = 0; k < 2; k++) {
          Val left = nest_load(b, nest_at(b, in, y + k, x, lanes * c), lanes),
              right = nest_load(b, nest_at(b, in, y + k, x + 1, lanes * c), lanes);
          row[k] = nest_let(b, k ? "low" : "top", fma_(sub(right, left), fx, left));
        }
        nest_store(b, nest_at(b, out, i, lanes * c), fma_(sub(row[1], row[0]), fy, row[0]));
      }
    }
  }
  return b;
}

Nest *chosen_sampling_gradient(Arena *arena, int N, int H, int W, int C, int lanes) {
  Nest *b = nest_new(arena, "sampling_gradient", "gradient of values between pixels");
  Buf *point = NEST_BUF(b, INPUT, "point", N, 2), *d = NEST_BUF(b, INPUT, "d", N, C),
      *out = NEST_BUF(b, OUTPUT, "out", H, W, C), *sum = NEST_BUF(b, WORK, "sum", H, W, C);
  nest_fn(b, "sampling_gradient", false);
  NEST_PARALLEL(b, y, H)
    NEST_FOR(b, x, W)
      NEST_FOR(b, c, C / lanes) nest_store(b, nest_at(b, sum, y, x, lanes * c), splat(num(b, 0), lanes));
  NEST_FOR(b, i, N) {
    Val py = on_axis(b, "py", nest_load(b, nest_at(b, point, i, 0), 1), H),
        px = on_axis(b, "px", nest_load(b, nest_at(b, point, i, 1), 1), W);
    NEST_CHOSEN(b, y, py, 0, H - 1)
    NEST_CHOSEN(b, x, px, 0, W - 1) {
      Val fy = fraction(b, "fy", py, &y), fx = fraction(b, "fx", px, &x);
      for (int k = 0; k < 4; k++) {
        Val wy = k / 2 ? fy : sub(num(b, 1), fy), wx = k % 2 ? fx : sub(num(b, 1), fx),
            share = nest_let(b, nest_text(b, "share%d", k), mul(wy, wx));
        NEST_FOR(b, c, C / lanes)
          nest_accumulate(b, nest_at(b, sum, y + k / 2, x + k % 2, lanes * c),
                          nest_load(b, nest_at(b, d, i, lanes * c), lanes), share);
      }
    }
  }
  NEST_PARALLEL(b, y, H)
    NEST_FOR(b, x, W)
      NEST_FOR(b, c, C / lanes)
        nest_store(b, nest_at(b, out, y, x, lanes * c),
                   nest_load(b, nest_at(b, sum, y, x, lanes * c), lanes));
  return b;
}

/* A nest with data-dependent indices: the bounds of `near` depend on a loop, and the bounds of `next` depend
 * on `near`. It has a call, branches on the index, a local array, a range of one number and an unused
 * index. */
Nest *chosen_window(Arena *arena, int N) {
  Nest *b = nest_new(arena, "window", "numbers near the diagonal");
  Buf *at = NEST_BUF(b, INPUT, "at", N, 2), *in = NEST_BUF(b, INPUT, "in", N + 7),
      *out = NEST_BUF(b, OUTPUT, "out", N, 3);
  NestFn *one = nest_fn(b, "one", true);
  {
    const Ix i = nest_arg(b, "i"), near = nest_arg(b, "near"), doubled = nest_flag(b, "doubled");
    Val x = nest_let(b, "x", nest_load(b, nest_at(b, in, near), 1));
    nest_store(b, nest_at(b, out, i, 0), pick(b, nest_yes(b, doubled), mul(num(b, 2), x), x));
  }
  nest_fn(b, "window", false);
  NEST_FOR(b, i, N) {
    Buf *s = nest_buf(b, STACK, "s", (Type){F32, 1}, NEST_DIMS(4));
    NEST_FOR(b, k, 4) nest_store(b, nest_at(b, s, k), nest_load(b, nest_at(b, in, i + k), 1));
    NEST_CHOSEN(b, near, nest_load(b, nest_at(b, at, i, 0), 1), i - 2, i + 4) {
      NEST_IF(b, nest_at_least(b, near, 0)) nest_call(b, one, i, near, 1);
      NEST_ELSE(b) nest_call(b, one, i, near + 2, 0);
      NEST_CHOSEN(b, next, nest_load(b, nest_at(b, at, i, 1), 1), near, near + 3)
      nest_store(b, nest_at(b, out, i, 1), nest_load(b, nest_at(b, in, next + 2), 1));
      NEST_CHOSEN(b, unused, nest_load(b, nest_at(b, at, i, 1), 1), 0, 4) nest_comment(b, "nothing");
    }
    NEST_CHOSEN(b, k, nest_load(b, nest_at(b, at, i, 1), 1), 0, 4) {
      nest_accumulate(b, nest_at(b, s, k), nest_load(b, nest_at(b, s, k), 1), num(b, 2));
      NEST_CHOSEN(b, same, nest_load(b, nest_at(b, at, i, 0), 1), 2, 3)
      nest_store(b, nest_at(b, out, i, same),
                 pick(b, nest_below(b, k, 2), nest_load(b, nest_at(b, s, k), 1), num(b, 5)));
    }
  }
  return b;
}

/* ---- the same in plain C ---- */
static int chosen(double x, int lo, int hi) { return x > lo ? x < hi - 1 ? (int)x : hi - 1 : lo; }

static const double odd_numbers[] = {0,    -0.4, 1.25, 3,        2.75,     -7, 1e30,       -INFINITY,
                                     2.5,  NAN,  5.75, INFINITY, 4.875,    6,  -1e-30,     1,
                                     0.75, -3e9, 1e10, 3.5,      16777216, 7,  2147483648.};

static double *odd_points(Arena *arena, int n, int step) {
  const int count = (int)(sizeof odd_numbers / sizeof *odd_numbers);
  double *v = NEW_ARRAY(arena, double, n);
  for (int i = 0; i < n; i++) v[i] = odd_numbers[i * step % count];
  return v;
}

static double *odd_ids(Arena *arena, int n) {
  static const double id[] = {0, 4, -1, 2, INT32_MIN, 3, INT32_MAX, 1, 2, 5, 100000};
  double *v = NEW_ARRAY(arena, double, n);
  for (int i = 0; i < n; i++) v[i] = id[i % (int)(sizeof id / sizeof *id)];
  return v;
}

static void rows_cases(Cases *cases, int lanes) {
  enum { N = 13, ROWS = 5 };
  const int C = 2 * lanes;
  Arena *arena = cases->arena;
  double *id = odd_ids(arena, N), *table = cases_numbers(arena, ROWS * C, 1),
         *want = NEW_ARRAY(arena, double, N *C), *d = cases_numbers(arena, N * C, 2),
         *sum = NEW_ARRAY(arena, double, ROWS *C);
  for (int i = 0; i < ROWS * C; i++) sum[i] = i % 7;
  for (int i = 0; i < N * C; i++) {
    const int row = chosen(id[i / C], 0, ROWS);
    want[i] = table[row * C + i % C];
    sum[row * C + i % C] += d[i];
  }
  cases_check(cases, chosen_rows(arena, N, ROWS, C, lanes), CASE_RUN(id, table), want, 0);
  cases_check(cases, chosen_rows_gradient(arena, N, ROWS, C, lanes), CASE_RUN(id, d), sum, 0);
}

static void sampling_cases(Cases *cases, int lanes) {
  enum { N = 29, H = 5, W = 7 };
  const int C = 2 * lanes;
  Arena *arena = cases->arena;
  double *in = cases_numbers(arena, H * W * C, 1), *d = cases_numbers(arena, N * C, 2),
         *point = odd_points(arena, 2 * N, 5), *want = NEW_ARRAY(arena, double, N *C),
         *sum = NEW_ARRAY(arena, double, H * W * C);
  for (int i = 0; i < N; i++) {
    double at[2], share[2];
    int first[2];
    for (int k = 0; k < 2; k++) {
      const int last = k ? W - 1 : H - 1;
      at[k] = fmin(fmax(isnan(point[2 * i + k]) ? 0 : point[2 * i + k], 0), last);
      first[k] = chosen(at[k], 0, last);
      share[k] = at[k] - first[k];
    }
    for (int k = 0; k < 4 * C; k++) {
      const int dy = k / C / 2, dx = k / C % 2, c = k % C,
                pixel = ((first[0] + dy) * W + first[1] + dx) * C + c;
      const double weight = (dy ? share[0] : 1 - share[0]) * (dx ? share[1] : 1 - share[1]);
      want[i * C + c] += weight * in[pixel];
      sum[pixel] += weight * d[i * C + c];
    }
  }
  cases_check(cases, chosen_sampling(arena, N, H, W, C, lanes), CASE_RUN(in, point), want, 2e-6);
  cases_check(cases, chosen_sampling_gradient(arena, N, H, W, C, lanes), CASE_RUN(point, d), sum, 2e-6);
}

static void window_case(Cases *cases) {
  enum { N = 23 };
  Arena *arena = cases->arena;
  double *at = odd_points(arena, 2 * N, 3), *in = cases_numbers(arena, N + 7, 1),
         *want = NEW_ARRAY(arena, double, N * 3);
  for (int i = 0; i < N; i++) {
    const int near = chosen(at[2 * i], i - 2, i + 4), next = chosen(at[2 * i + 1], near, near + 3),
              k = chosen(at[2 * i + 1], 0, 4);
    want[3 * i] = near >= 0 ? 2 * in[near] : in[near + 2];
    want[3 * i + 1] = in[next + 2];
    want[3 * i + 2] = k < 2 ? 3 * in[i + k] : 5;
  }
  cases_check(cases, chosen_window(arena, N), CASE_RUN(at, in), want, 2e-6);
}

static void check_cases(int lanes, const char *attribute, int nflags) {
  Cases *cases = cases_new();
  rows_cases(cases, lanes);
  sampling_cases(cases, lanes);
  window_case(cases);
  cases_compile(cases, attribute, lanes, *attribute != 0, nflags);
  arena_free(cases->arena);
}

static void test_widest(void) {
  int lanes;
  const char *attribute = printed_attribute(&lanes);
  check_cases(lanes, attribute, 3);
}
static void test_narrow(void) { check_cases(4, "", 3); }
static void test_scalar(void) { check_cases(1, "", 3); }

/* ---- text ---- */
static void test_text(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "take", "");
  Buf *in = NEST_BUF(b, INPUT, "in", 8), *at = NEST_BUF(b, INPUT, "at", 2),
      *out = NEST_BUF(b, OUTPUT, "out", 2);
  nest_fn(b, "take", false);
  NEST_CHOSEN(b, x, nest_load(b, nest_at(b, at, 0), 1), 0, 8)
  nest_store(b, nest_at(b, out, 0), nest_load(b, nest_at(b, in, x), 1));
  NEST_CHOSEN(b, x, nest_load(b, nest_at(b, at, 1), 1), 2, 5)
  NEST_CHOSEN(b, y, nest_load(b, nest_at(b, at, 0), 1), x, x + 3)
  nest_store(b, nest_at(b, out, 1), nest_load(b, nest_at(b, in, y), 1));
  CU_ASSERT_FATAL(cases_prove(b));
  nest_simplify(b);
  PreludeNeeds needs = {0};
  NestPrint print = {.names = {"", "", "", .helium = false}, .lanes_max = 1, .needs = &needs};
  Text text = {.arena = arena}, dump = {.arena = arena};
  emit_nest(&text, b, &print);
  const char *body = strstr(text.s, ") {\n");
  CU_ASSERT_PTR_NOT_NULL_FATAL(body);
  CU_ASSERT_STRING_EQUAL(body + 4, "  {\n"
                                   "    const int x = chosen_x1(at[0], 0, 7);\n"
                                   "    out[0] = in[x];\n"
                                   "  }\n"
                                   "  const int x = chosen_x1(at[1], 2, 4);\n"
                                   "  const int y = chosen_x1(at[0], x, x + 2);\n"
                                   "  out[1] = in[y];\n"
                                   "}\n\n");
  nest_dump(&dump, b);
  CU_ASSERT_PTR_NOT_NULL(strstr(dump.s, "    choose x = at[1] in 2 .. 5\n"
                                        "      choose y = at[0] in x .. x + 3\n"
                                        "        out[1] = in[y]\n"));
  arena_free(arena);
}

/* ---- other users of nests ---- */
static void test_fill(void) { /* nest_fill rejects this nest */
  Arena *arena = arena_new();
  Nest *b = chosen_window(arena, 4);
  CU_ASSERT_FATAL(cases_prove(b));
  const float in[11] = {0}, at[8] = {0};
  float to[12];
  CU_ASSERT(!nest_fill(b, (const float *const[]){at, in}, to));
  arena_free(arena);
}

/* An index from weights is the same for all images that are computed in lanes. */
static void test_widen(void) {
  enum { LANES_ = 4 };
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "order", "");
  Buf *in = NEST_BUF(b, INPUT, "in", 3), *order = NEST_BUF(b, WEIGHTS, "order", 3),
      *out = NEST_BUF(b, OUTPUT, "out", 3);
  nest_fn(b, "order", false);
  NEST_FOR(b, i, 3) NEST_CHOSEN(b, from, nest_load(b, nest_at(b, order, i), 1), 0, 3)
  nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, in, from), 1));
  nest_widen(b, LANES_, (const bool[]){true, false, true});
  CU_ASSERT_FATAL(cases_prove(b));
  double x[3 * LANES_], places[3] = {2, NAN, 1}, y[3 * LANES_];
  for (int i = 0; i < 3 * LANES_; i++) x[i] = i;
  Run run = {.mem = (double *[]){x, places, y}};
  CU_ASSERT_FATAL(nest_run(b, &run));
  for (int i = 0; i < LANES_; i++)
    CU_ASSERT(y[i] == 2 * LANES_ + i && y[LANES_ + i] == i && y[2 * LANES_ + i] == LANES_ + i);
  arena_free(arena);
}

/* Looks up 64 bytes in the table that starts at element `from`. */
static Nest *looked_up(Arena *arena, int from, int stored) {
  Nest *b = nest_new(arena, "lookup", "");
  Buf *in = nest_buf(b, INPUT, "in", (Type){I8, 1}, NEST_DIMS(64)),
      *table = nest_buf(b, WEIGHTS, "table", (Type){I8, 1}, NEST_DIMS(TABLE_BYTES)),
      *out = nest_buf(b, OUTPUT, "out", (Type){I8, 1}, NEST_DIMS(stored));
  nest_fn(b, "lookup", false);
  const Val words = nest_load_words(b, nest_at(b, in, 0), LANES);
  nest_store_words(b, nest_at(b, out, 0), nest_lookup(b, nest_at(b, table, from), words));
  return b;
}

static bool refused(Nest *b, const char *word) {
  Proof proof;
  return !nest_prove(b, &proof) && strstr(proof.error, word);
}

static void test_tables(void) {
  Arena *arena = arena_new();
  CU_ASSERT(refused(looked_up(arena, 1, 64), "load out of bounds"));
  CU_ASSERT(refused(looked_up(arena, 0, 63), "store out of bounds"));
  CU_ASSERT(refused(looked_up(arena, 0, 65), "not every element is written"));
  Nest *b = looked_up(arena, 0, 64);
  CU_ASSERT_FATAL(cases_prove(b));
  double x[64], table[TABLE_BYTES], y[64];
  for (int i = 0; i < 64; i++) x[i] = 4 * i - 128;
  for (int i = 0; i < TABLE_BYTES; i++) table[i] = 127 - i;
  Run run = {.mem = (double *[]){x, table, y}};
  CU_ASSERT_FATAL(nest_run(b, &run));
  for (int i = 0; i < 64; i++) CU_ASSERT(y[i] == 127 - 4 * i);
  arena_free(arena);
}

/* Multiplies pairs in 4 lanes: the pairs of `in`, from element `from` on, by the pairs of `weight`; then the
 * first pair of `in` by each pair of `weight`. */
static Nest *paired(Arena *arena, int from) {
  Nest *b = nest_new(arena, "paired", "");
  Buf *in = nest_buf(b, INPUT, "in", (Type){BF16, 1}, NEST_DIMS(9)),
      *weight = nest_buf(b, WEIGHTS, "weight", (Type){BF16, 1}, NEST_DIMS(8)),
      *out = NEST_BUF(b, OUTPUT, "out", 8);
  nest_fn(b, "paired", false);
  const Val w = nest_load_pairs(b, nest_at(b, weight, 0), 4), one = nest_load_pairs(b, nest_at(b, in, 0), 1);
  nest_store(b, nest_at(b, out, 0), dot_bf16(nest_load_pairs(b, nest_at(b, in, from), 4), w, num(b, 1)));
  nest_store(b, nest_at(b, out, 4), dot_bf16(splat(one, 4), w, splat(num(b, 0), 4)));
  return b;
}

static void test_pairs(void) {
  Arena *arena = arena_new();
  CU_ASSERT(refused(paired(arena, 2), "load out of bounds"));
  Nest *b = paired(arena, 1);
  CU_ASSERT_FATAL(cases_prove(b));
  double x[9], w[8], y[8];
  for (int i = 0; i < 9; i++) x[i] = i - 3;
  for (int i = 0; i < 8; i++) w[i] = 0.5 * i;
  Run run = {.mem = (double *[]){x, w, y}};
  CU_ASSERT_FATAL(nest_run(b, &run));
  for (int i = 0; i < 4; i++) {
    CU_ASSERT(y[i] == 1 + x[2 * i + 1] * w[2 * i] + x[2 * i + 2] * w[2 * i + 1]);
    CU_ASSERT(y[4 + i] == x[0] * w[2 * i] + x[1] * w[2 * i + 1]);
  }
  arena_free(arena);
}

/* Each word has one half from `in` and one from `weight`. Products with (1, 0) and (0, 1) are the halves. */
static void test_interleaved(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "interleaved", "");
  Buf *in = nest_buf(b, INPUT, "in", (Type){BF16, 1}, NEST_DIMS(16)),
      *weight = nest_buf(b, WEIGHTS, "weight", (Type){BF16, 1}, NEST_DIMS(16)),
      *one = nest_buf(b, INPUT, "one", (Type){BF16, 1}, NEST_DIMS(4)),
      *out = NEST_BUF(b, OUTPUT, "out", 2, 2, 8);
  nest_fn(b, "interleaved", false);
  const Val x = nest_load_pairs(b, nest_at(b, in, 0), 8), y = nest_load_pairs(b, nest_at(b, weight, 0), 8);
  for (int high = 0; high < 2; high++)
    for (int half = 0; half < 2; half++)
      nest_store(b, nest_at(b, out, high, half, 0),
                 dot_bf16(interleave_halves(x, y, high),
                          splat(nest_load_pairs(b, nest_at(b, one, 2 * half), 1), 8), splat(num(b, 0), 8)));
  CU_ASSERT_FATAL(cases_prove(b));
  double a[16], w[16], units[4] = {1, 0, 0, 1}, r[32];
  for (int i = 0; i < 16; i++) {
    a[i] = i + 1;
    w[i] = 0.25 * i - 2;
  }
  Run run = {.mem = (double *[]){a, w, units, r}};
  CU_ASSERT_FATAL(nest_run(b, &run));
  for (int i = 0; i < 32; i++) {
    const int high = i / 16, lane = i % 8, from = lane / 4 * 8 + 4 * high + lane % 4;
    CU_ASSERT(r[i] == (i % 16 / 8 ? w : a)[from]);
  }
  arena_free(arena);
}

/* Every half-precision number is rounded to itself, and ties are rounded to even. */
static void test_halves(void) {
  enum { INFINITE = 0x7c00, LARGEST = INFINITE - 1 };
  for (uint32_t i = 0; i <= INFINITE; i++) {
    const double x = f16_value((uint16_t)i);
    CU_ASSERT(f16_bits((float)x) == i && f16_bits((float)-x) == (i | 0x8000));
    if (i >= LARGEST) continue;
    const float middle = (float)((x + f16_value((uint16_t)(i + 1))) / 2);
    CU_ASSERT(f16_bits(middle) == i + (i & 1));
    CU_ASSERT(f16_bits(nextafterf(middle, 0)) == i && f16_bits(nextafterf(middle, INFINITY)) == i + 1);
  }
  CU_ASSERT(f16_value(LARGEST) == 65504 && f16_bits(65519.99F) == LARGEST && f16_bits(65520) == INFINITE);
  CU_ASSERT(isnan(f16_value(f16_bits(NAN))) && isinf(f16_value(f16_bits(1e9F))));
}

CU_TestInfo suite_nest_chosen[] = {{"half-precision numbers", test_halves},
                                   {"reference, interpreter, compiled C", test_widest},
                                   {"on the baseline CPU", test_narrow},
                                   {"as scalar C for any compiler", test_scalar},
                                   {"text of C and dump", test_text},
                                   {"nest_fill rejects data-dependent indices", test_fill},
                                   {"interleaved images share an index from weights", test_widen},
                                   {"tables and words: bounds, values", test_tables},
                                   {"pairs of bf16 numbers: bounds, products", test_pairs},
                                   {"16-bit halves: interleaved", test_interleaved},
                                   CU_TEST_INFO_NULL};
