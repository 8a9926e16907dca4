// nest.c: nests against plain loops in double, simplified and not; the same as C by every compiler at hand;
// what the language of nests offers beyond convolutions; wrong nests that must be refused.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <CUnit/CUnit.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "emit/nest.h"
#include "nest/build.h"
#include "nest/instance.h"
#include "nest_kernels.h"
#include "printed.h"

/* ---- cases: a nest, its memory, how far compiled C may be from the float interpreter ---- */
typedef struct Case {
  Nest *nest;
  Run run;
  double tolerance;
} Case; /* tolerance 0: the same bits on a CPU with fused multiply-adds */
typedef struct Cases {
  Arena *arena;
  VEC(Case) list;
} Cases;

static double *numbers(Arena *arena, int64_t n,
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

static bool prove(Nest *nest) {
  Proof proof;
  bool ok = nest_prove(nest, &proof);
  if (!ok) printf("# %s\n", proof.error);
  return ok;
}

static void allot(Arena *arena, const Nest *nest, Run *run) { /* memory for what the case does not set */
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK && !run->mem[i])
      run->mem[i] = NEW_ARRAY(arena, double, buf_elements(nest->buf[i]));
}

static bool near(const double *got, const double *want, int64_t n, double tolerance, const char *name) {
  double worst = 0;
  for (int64_t i = 0; i < n; i++) {
    double e = fabs(got[i] - want[i]);
    worst = e <= worst ? worst : e; /* NaN stays */
  }
  if (!(worst <= tolerance)) printf("# %s: error %.2e\n", name, worst);
  return worst <= tolerance;
}

static bool run(const Nest *nest, Run *r) {
  bool ok = nest_run(nest, r);
  if (!ok) printf("# %s: %s\n", nest->name, r->error);
  return ok;
}

/* Proves, runs in double and float, compares `out` with want; simplifies, and all of it again with the same
 * result. */
static void check(Cases *cases, Nest *nest, Run given, const double *want, double tolerance) {
  const Buf *out = buf_named(nest, "out");
  int64_t n = buf_elements(out);
  Arena *arena = cases->arena;
  Run exact = given, single = given, again = given;
  double *update = out->place == UPDATE || out->place == OVER ? NEW_ARRAY(arena, double, n)
                                                              : NULL; /* its values before each run */
  for (int64_t i = 0; update && i < n; i++) update[i] = (double)(i % 7);
  exact.mem[out->id] = single.mem[out->id] = again.mem[out->id] = NULL;
  exact.single = false;
  single.single = again.single = true;
  allot(arena, nest, &exact);
  allot(arena, nest, &single);
  allot(arena, nest, &again);
  if (update) {
    memcpy(exact.mem[out->id], update, (size_t)n * 8);
    memcpy(single.mem[out->id], update, (size_t)n * 8);
    memcpy(again.mem[out->id], update, (size_t)n * 8);
  }
  CU_ASSERT_FATAL(prove(nest));
  CU_ASSERT_FATAL(run(nest, &exact) && run(nest, &single));
  if (want) {
    CU_ASSERT(near(exact.mem[out->id], want, n, 1e-9, nest->name));
    CU_ASSERT(near(single.mem[out->id], want, n, 1e-4, nest->name));
  }
  nest_simplify(nest);
  CU_ASSERT_FATAL(prove(nest));
  CU_ASSERT_FATAL(run(nest, &again));
  CU_ASSERT(!memcmp(again.mem[out->id], single.mem[out->id], (size_t)n * sizeof(double)));
  nest->name = arena_printf(arena, "%s_%d", nest->name, cases->list.n);
  Case one = {nest, single, tolerance};
  vec_push(arena, cases->list, one);
}

/* ---- cases as C ---- */
static size_t bytes_of(const Buf *buf) {
  return (size_t)buf_elements(buf) * (buf->type.elem == F32 || buf->type.elem == I32 ? 4 : 1);
}

static void *to_memory(const Buf *buf,
                       const double *v) { /* one byte off any alignment of vectors, as malloc allows: four */
  unsigned char *p = malloc(bytes_of(buf) + 4);
  if (!p) abort();
  p += 4;
  for (int64_t i = 0, n = buf_elements(buf); i < n; i++) switch (buf->type.elem) {
    case F32: ((float *)(void *)p)[i] = (float)v[i]; break;
    case I32: ((int32_t *)(void *)p)[i] = (int32_t)v[i]; break;
    case U8: p[i] = (uint8_t)v[i]; break;
    case I8: ((int8_t *)p)[i] = (int8_t)v[i]; break;
    }
  return p;
}

static double from_memory(const Buf *buf, const void *p, int64_t i) {
  switch (buf->type.elem) {
  case F32: return (double)((const float *)p)[i];
  case I32: return ((const int32_t *)p)[i];
  case U8: return ((const uint8_t *)p)[i];
  default: return ((const int8_t *)p)[i];
  }
}

/* A file of all cases; `void call_K(void *const *p, const int32_t *size)` calls case K. */
static const char *print_cases(const Cases *cases, const char *suffix, const char *attribute, int lanes_max) {
  Arena *arena = cases->arena;
  Text body = {.arena = arena}, file = {.arena = arena};
  PreludeNeeds needs = {0};
  NestPrint print = {.names = {"", suffix, *attribute ? "TARGET" : ""},
                     .lanes_max = lanes_max,
                     .team = true,
                     .needs = &needs};
  const char *argument[BUFS], *size[PARAMS];
  for (int i = 0; i < BUFS; i++) argument[i] = arena_printf(arena, "p[%d]", i);
  for (int i = 0; i < PARAMS; i++) size[i] = arena_printf(arena, "size[%d]", i);
  for (int k = 0; k < cases->list.n; k++) { /* by three threads where there is OpenMP */
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
  void *memory[BUFS] = {0};
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
    if (nest_unset(c->run.mem[out->id][i])) continue; /* beyond the size of this run */
    double want = c->run.mem[out->id][i], got = from_memory(out, memory[out->id], i),
           e = want == got ? 0 : fabs(want - got) / fmax(fabs(want), 1);
    worst = e <= worst ? worst : e;
  }
  for (int i = 0; i < c->nest->nbufs; i++)
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

static void compile_cases(const Cases *cases, const char *attribute, int lanes_max, bool fused, int nflags) {
  const char *text = print_cases(cases, *attribute ? "_t" : "", attribute, lanes_max);
  static const char *const flags[COMPILERS][3] = {{"-O2", "-O3 -fopenmp", "-O0"},
                                                  {"-O3 -fopenmp", "-O0", "-O1"}};
  for (int i = 0; i < COMPILERS; i++)
    for (int f = 0; f < nflags; f++) {
      const char *flag = flags[i][f];
      Compiled compiled = {cases, printed_compiler(i), flag, text,
                           fused && flag[2] >= '2'}; /* below -O2 nothing is fused */
      if (compiled.compiler) CU_ASSERT(printed_in_child(run_compiled, &compiled));
    }
}

static Cases *cases_new(void) {
  Arena *arena = arena_new();
  Cases *cases = NEW(arena, Cases);
  cases->arena = arena;
  return cases;
}

/* ---- kernels against plain loops ---- */
static double conv_at(const Conv *c, const double *x, const double *w, const double *bias, int y, int xx,
                      int f) {
  double s = bias[f];
  for (int ky = 0; ky < c->k; ky++)
    for (int kx = 0; kx < c->k; kx++) {
      int iy = y * c->s + ky - c->p, ix = xx * c->s + kx - c->p;
      if (iy < 0 || ix < 0 || iy >= c->h || ix >= c->w) continue;
      for (int i = 0; i < c->ci; i++)
        s += x[(iy * c->w + ix) * c->ci + i] * w[((ky * c->k + kx) * c->ci + i) * c->co + f];
    }
  return c->relu && s < 0 ? 0 : s;
}

static void conv_case(Cases *cases, Conv c, bool plain) {
  Arena *arena = cases->arena;
  Nest *nest = plain ? conv_plain(arena, "conv", &c) : conv_direct(arena, "conv", c);
  int oh = conv_oh(&c), ow = conv_ow(&c), n = c.nv * c.lanes;
  double *x = numbers(arena, c.h * c.w * c.ci, 1), *w = numbers(arena, c.k * c.k * c.ci * c.co, 2),
         *bias = numbers(arena, c.co, 3), *want = numbers(arena, oh * ow * c.co, 4), *pw = w;
  for (int i = 0; i < oh * ow * c.co; i++)
    want[i] = conv_at(&c, x, w, bias, i / c.co / ow, i / c.co % ow, i % c.co);
  if (!plain) {
    pw = numbers(arena, c.k * c.k * c.ci * c.co, 2);
    for (int cb = 0; cb < c.co / n; cb++)
      for (int ib = 0; ib < c.ci / c.cb; ib++)
        for (int k = 0; k < c.k * c.k; k++)
          for (int i = 0; i < c.cb; i++)
            for (int t = 0; t < n; t++)
              pw[(((cb * (c.ci / c.cb) + ib) * c.k * c.k + k) * c.cb + i) * n + t] =
                  w[(k * c.ci + ib * c.cb + i) * c.co + cb * n + t];
  }
  check(cases, nest, (Run){.mem = {x, pw, bias}}, want,
        plain ? 2e-6 : 0); /* a compiler may give a scalar plain sum another order of fusing */
}

static void conv_cases(Cases *cases, int lanes) {
  conv_case(
      cases,
      (Conv){.h = 9, .w = 7, .ci = 3, .co = 5, .k = 3, .s = 1, .p = 1, .relu = true, .nv = 1, .lanes = 1},
      true);
  conv_case(cases, (Conv){.h = 9, .w = 7, .ci = 3, .co = 5, .k = 4, .s = 3, .p = 2, .nv = 1, .lanes = 1},
            true);
  conv_case(cases, (Conv){.h = 5, .w = 5, .ci = 2, .co = 3, .k = 1, .s = 1, .p = 0, .nv = 1, .lanes = 1},
            true);
  for (int k = 1; k <= 5; k += 2)
    for (int s = 1; s <= 3; s++)
      for (int px = 3; px <= 8; px += k == 3 ? 1 : 3)
        conv_case(cases,
                  (Conv){.h = 11,
                         .w = 13,
                         .ci = 4,
                         .co = 2 * lanes,
                         .k = k,
                         .s = s,
                         .p = k / 2,
                         .relu = true,
                         .px = px,
                         .nv = 2,
                         .cb = px % 2 ? 4 : 2,
                         .lanes = lanes},
                  false);
  conv_case(cases,
            (Conv){.h = 12,
                   .w = 12,
                   .ci = 6,
                   .co = 3 * lanes,
                   .k = 7,
                   .s = 2,
                   .p = 3,
                   .relu = true,
                   .px = 2,
                   .nv = 3,
                   .cb = 2,
                   .lanes = lanes},
            false);
  conv_case(cases,
            (Conv){.h = 12,
                   .w = 12,
                   .ci = 6,
                   .co = 4,
                   .k = 2,
                   .s = 2,
                   .p = 0,
                   .relu = false,
                   .px = 6,
                   .nv = 1,
                   .cb = 1,
                   .lanes = 4},
            false);
}

static void winograd_case(Cases *cases, int H, int CI, int CO, int rows, int ncb) {
  static const double G[6][3] = {{.25, 0, 0},
                                 {-1. / 6, -1. / 6, -1. / 6},
                                 {-1. / 6, 1. / 6, -1. / 6},
                                 {1. / 24, 1. / 12, 1. / 6},
                                 {1. / 24, -1. / 12, 1. / 6},
                                 {0, 0, 1}};
  Arena *arena = cases->arena;
  Conv c = {.h = H, .w = H, .ci = CI, .co = CO, .k = 3, .s = 1, .p = 1, .relu = true};
  double *x = numbers(arena, H * H * CI, 1), *w = numbers(arena, 9 * CI * CO, 2),
         *U = numbers(arena, 36 * CI * CO, 3), *bias = numbers(arena, CO, 3),
         *want = numbers(arena, H * H * CO, 4);
  for (int i = 0; i < H * H * CO; i++) want[i] = conv_at(&c, x, w, bias, i / CO / H, i / CO % H, i % CO);
  for (int f = 0; f < CO; f++)
    for (int i = 0; i < CI; i++)
      for (int xi = 0; xi < 36; xi++) {
        double s = 0;
        for (int k = 0; k < 3; k++)
          for (int l = 0; l < 3; l++) s += G[xi / 6][k] * G[xi % 6][l] * w[((k * 3 + l) * CI + i) * CO + f];
        U[((f / 32 * 36 + xi) * CI + i) * 32 + f % 32] = s;
      }
  check(cases, conv_winograd(arena, "wino", H, CI, CO, rows, ncb), (Run){.mem = {x, U, bias}}, want, 2e-5);
}

static void gradient_case(Cases *cases, int H, int CI, int CO, int K) {
  Arena *arena = cases->arena;
  double *x = numbers(arena, H * H * CI, 1), *d = numbers(arena, H * H * CO, 2),
         *want = numbers(arena, K * K * CI * CO, 3);
  for (int i = 0; i < K * K * CI * CO; i++) {
    int f = i % CO, c = i / CO % CI, kx = i / CO / CI % K, ky = i / CO / CI / K;
    want[i] = 0;
    for (int y = 0; y < H; y++)
      for (int xx = 0; xx < H; xx++) {
        int iy = y + ky - K / 2, ix = xx + kx - K / 2;
        if (iy >= 0 && ix >= 0 && iy < H && ix < H)
          want[i] += x[(iy * H + ix) * CI + c] * d[(y * H + xx) * CO + f];
      }
  }
  check(cases, conv_weight_gradient(arena, "wgrad", H, CI, CO, K), (Run){.mem = {x, d}}, want, 0);
}

static void lenet_cases(Cases *cases) {
  Arena *arena = cases->arena;
  Conv both[2] = {{.h = 28, .w = 28, .ci = 1, .co = 6, .k = 5, .s = 1, .p = 2, .relu = true},
                  {.h = 14, .w = 14, .ci = 6, .co = 16, .k = 5, .s = 1, .p = 0, .relu = true}};
  for (int i = 0; i < 2; i++) {
    const Conv *c = &both[i];
    int oh = conv_oh(c) / 2;
    double *x = numbers(arena, c->h * c->w * c->ci, 1), *w = numbers(arena, 25 * c->ci * c->co, 2),
           *bias = numbers(arena, c->co, 3), *want = numbers(arena, oh * oh * c->co, 4);
    for (int j = 0; j < oh * oh * c->co; j++) {
      want[j] = 0;
      for (int k = 0; k < 4; k++)
        want[j] = fmax(want[j], conv_at(c, x, w, bias, 2 * (j / c->co / oh) + k / 2,
                                        2 * (j / c->co % oh) + k % 2, j % c->co));
    }
    check(cases, i ? lenet_conv2(arena, "conv2") : lenet_conv1(arena, "conv1"), (Run){.mem = {x, w, bias}},
          want, 0);
  }
  int I = 120, O = 96;
  double *x = numbers(arena, I, 1), *w = numbers(arena, I * O, 2), *bias = numbers(arena, O, 3),
         *want = numbers(arena, O, 4);
  for (int f = 0; f < O; f++) {
    want[f] = bias[f];
    for (int i = 0; i < I; i++) want[f] += x[i] * w[i * O + f];
    want[f] = fmax(want[f], 0);
  }
  check(cases, dense(arena, "dense", I, O, 6, 2, true), (Run){.mem = {x, w, bias}}, want, 0);
  x = numbers(arena, 8 * 6 * 16, 1);
  want = numbers(arena, 4 * 3 * 16, 2);
  for (int i = 0; i < 4 * 3 * 16; i++) {
    want[i] = -9;
    for (int k = 0; k < 4; k++)
      want[i] = fmax(want[i], x[((2 * (i / 48) + k / 2) * 6 + 2 * (i / 16 % 3) + k % 2) * 16 + i % 16]);
  }
  check(cases, max_pool2(arena, "pool", 8, 6, 16), (Run){.mem = {x}}, want, 0);
}

/* ---- what else nests can say ---- */
static void size_case(
    Cases *cases,
    int count) { /* the first `count` images of a batch, through scratch, in parallel, with a tail of lanes */
  enum { BATCH = 5, N = 11, L = 4 };
  Nest *b = nest_new(cases->arena, "some", "twice the first count images");
  Buf *in = BUF(INPUT, "in", BATCH, N), *out = BUF(OUTPUT, "out", BATCH, N),
      *tmp = BUF(WORK, "tmp", BATCH, N);
  nest_fn(b, "some", false);
  const Ix n = size_arg("count", 1, BATCH);
  PAR(i, n) {
    FOR(k, N / L) store(at(tmp, i, L * k), add(load(at(in, i, L * k), L), load(at(in, i, L * k), L)));
    store_part(at(tmp, i, N / L * L), mul(load_part(at(in, i, N / L * L), N % L, L), num(b, 2)), N % L);
  }
  FROM(i, 0, n)
    FOR(k, N) store(at(out, i, k), load(at(tmp, i, k), 1));
  double *x = numbers(cases->arena, BATCH * N, 5);
  Run given = {.mem = {x}, .size = {count}};
  check(cases, b, given, NULL, 0);
  const Run *r = &cases->list.data[cases->list.n - 1].run;
  for (int i = 0; i < BATCH * N; i++)
    CU_ASSERT(i < count * N ? r->mem[out->id][i] == (double)(float)(2 * x[i])
                            : nest_unset(r->mem[out->id][i]));
}

static void byte_case(Cases *cases, Elem elem, int L) { /* bytes in, normalised; and back */
  enum { N = 40 };
  Nest *b = nest_new(cases->arena, elem == U8 ? "u8" : "i8", "bytes to floats and back");
  Buf *in = BUF_OF(INPUT, "in", elem, N), *out = BUF_OF(OUTPUT, "out", elem, N), *f = BUF(WORK, "f", N);
  nest_fn(b, b->name, false);
  FOR(i, N / 8) { /* 8 = a vector and what is left, or two */
    if (L == 1)
      FOR(k, 8) store(at(f, 8 * i + k), mul(convert(load(at(in, 8 * i + k), 1), F32), num(b, .5)));
    else
      FOR(k, 8 / L)
        store(at(f, 8 * i + L * k), mul(convert(load(at(in, 8 * i + L * k), L), F32), num(b, .5)));
  }
  FOR(i, N / 8) {
    if (L == 1)
      FOR(k, 8) store(at(out, 8 * i + k), convert(load(at(f, 8 * i + k), 1), elem));
    else
      FOR(k, 8 / L) store(at(out, 8 * i + L * k), convert(convert(load(at(f, 8 * i + L * k), L), I32), elem));
  }
  double *x = NEW_ARRAY(cases->arena, double, N), *want = NEW_ARRAY(cases->arena, double, N);
  for (int i = 0; i < N; i++) {
    x[i] = elem == U8 ? i * 255 / (N - 1) : i * 255 / (N - 1) - 128;
    want[i] = trunc(x[i] * .5);
  }
  check(cases, b, (Run){.mem = {x}}, want, 0);
}

static void update_case(Cases *cases) { /* a gradient that is summed over samples: read, changed, written, in
                                           parallel over its elements */
  Nest *b = nest_new(cases->arena, "sum", "out += 3 * x");
  Buf *in = BUF(INPUT, "in", 24), *out = BUF(UPDATE, "out", 24);
  nest_fn(b, "sum", false);
  PAR(i, 6) accumulate(at(out, 4 * i), load(at(in, 4 * i), 4), num(b, 3));
  double *x = numbers(cases->arena, 24, 8), *want = NEW_ARRAY(cases->arena, double, 24);
  for (int i = 0; i < 24; i++) want[i] = i % 7 + 3 * x[i];
  check(cases, b, (Run){.mem = {x}}, want, 0);
}

static void over_case(Cases *cases) { /* what is read is written over: rows in parallel, a tail of lanes, two
                                         statements that read, branches */
  enum { ROWS = 6, N = 7, L = 4 };
  Nest *b = nest_new(cases->arena, "over", "out = x * out + out");
  Buf *in = BUF(INPUT, "in", ROWS, N), *out = BUF(OVER, "out", ROWS, N);
  nest_fn(b, "over", false);
  PAR(y, ROWS) {
    Val before = let("before", load(at(out, y, 0), L));
    WHEN(below(y, 2)) store(at(out, y, 0), fma_(load(at(in, y, 0), L), load(at(out, y, 0), L), before));
    OTHERWISE() store(at(out, y, 0), add(mul(load(at(in, y, 0), L), load(at(out, y, 0), L)), before));
    Val rest = load_part(at(out, y, L), N - L, L);
    store_part(at(out, y, L), fma_(load_part(at(in, y, L), N - L, L), rest, rest), N - L);
  }
  double *x = numbers(cases->arena, ROWS * N, 9), *want = NEW_ARRAY(cases->arena, double, ROWS *N);
  for (int i = 0; i < ROWS * N; i++) want[i] = x[i] * (i % 7) + i % 7;
  check(cases, b, (Run){.mem = {x}}, want, 1e-6);
}

static void dropout_case(Cases *cases) { /* RANDOM and POSITION; keys from a buffer of integers */
  enum { N = 30 };
  Nest *b = nest_new(cases->arena, "drop", "dropout by counter");
  Buf *in = BUF(INPUT, "in", N), *key = BUF_OF(INPUT, "key", I32, 2), *out = BUF(OUTPUT, "out", N);
  nest_fn(b, "drop", false);
  Val k0 = let("k0", load(at(key, 0), 1)), k1 = let("k1", load(at(key, 1), 1));
  PAR(i, N)
    store(at(out, i), choose(less(uniform(k0, k1, index_value(3 * i + 1)), num(b, .25)), num(b, 0),
                             mul(load(at(in, i), 1), num(b, 1 / .75))));
  double *x = numbers(cases->arena, N, 3), *keys = NEW_ARRAY(cases->arena, double, 2);
  keys[0] = -123456789;
  keys[1] = 987654321;
  check(cases, b, (Run){.mem = {x, keys}}, NULL, 0);
}

static void
label_case(Cases *cases,
           int L) { /* one-hot by comparing positions with an integer; integer arithmetic, minimum, maximum */
  enum { N = 12 };
  Nest *b = nest_new(cases->arena, "label", "one-hot, clamped label");
  Buf *label = BUF_OF(INPUT, "label", I32, 1), *out = BUF(OUTPUT, "out", N);
  nest_fn(b, "label", false);
  Val l = let("l", vmin(vmax(add(load(at(label, 0), 1), num_i32(b, -3)), num_i32(b, 0)), num_i32(b, N - 1)));
  if (L == 1)
    FOR(i, N) store(at(out, i), choose(equal(index_value(i), l), num(b, 1), num(b, 0)));
  else
    FOR(i, N / L) {
      Val p = splat(index_value(L * i), L);
      store(at(out, L * i), choose(less_eq(p, splat(l, L)), num(b, 1), splat(num(b, -1.5), L)));
    }
  double *x = NEW_ARRAY(cases->arena, double, 1);
  x[0] = 10;
  check(cases, b, (Run){.mem = {x}}, NULL, 0);
}

static void math_case(Cases *cases,
                      int L) { /* all functions, selects, horizontal ones, a maximum from minus infinity */
  enum { ROWS = 9 };
  const int N = 3 * L;
  Nest *b = nest_new(cases->arena, "math", "functions of the prelude");
  Buf *in = BUF(INPUT, "in", ROWS, N), *out = BUF(OUTPUT, "out", ROWS, N);
  nest_fn(b, "math", false);
  FOR(y, ROWS) {
    Buf *top = REGISTERS("top", L, 1);
    store(at(top, 0), num(b, -INFINITY));
    FOR(i, 3) store(at(top, 0), vmax(get(at(top, 0)), load(at(in, y, L * i), L)));
    Val most = let("most", hmax(get(at(top, 0))));
    FOR(i, 3) {
      Val x = sub(load(at(in, y, L * i), L), most), e = vexp(x);
      Val parts[] = {vtanh(x),
                     vsigmoid(x),
                     verf(x),
                     vsqrt(vabs(x)),
                     vlog(add(e, num(b, 1))),
                     div_(e, add(e, num(b, 2))),
                     vmin(x, num(b, -.5))};
      Val sum = choose(less(x, num(b, -1)), e, num(b, .25));
      for (int k = 0; k < 7; k++) sum = add(sum, parts[k]);
      store(at(out, y, L * i), add(sum, hsum(e)));
    }
  }
  check(cases, b, (Run){.mem = {numbers(cases->arena, ROWS * N, 4)}}, NULL, 2e-5);
}

static void name_case(Cases *cases) { /* names that C or other names would not allow, unrolled loops, arrays
                                         on the stack, branches, views, a dead name */
  Nest *b = nest_new(cases->arena, "names", "names that clash \\");
  Buf *in = BUF(INPUT, "int", 6, 8), *out = BUF(OUTPUT, "out", 6, 8);
  NestFn *row = nest_fn(b, "row", false);
  {
    const Ix y = arg("y"), unused = arg("unused");
    const Ix odd = flag_arg("odd");
    (void)unused;
    Buf *s = nest_buf(b, STACK, "for", (Type){F32, 1}, NEST_DIMS(2, 4));
    Val dead = let("w", load(at(in, y, 0), 1));
    note("a comment with a backslash \\\nand a second line ?\?/");
    FOR(k, 2)
      FOR(i, 4) {
        Val w = let("w", load(at(in, y, 4 * k + i), 1));
        WHEN(yes(odd)) store(at(s, k, i), sub(mul(w, w), w));
        OTHERWISE() {
          WHEN(yes(odd)) store(at(s, k, i), dead);
          OTHERWISE() store(at(s, k, i), let("w", sub(w, mul(num(b, 4), w))));
        }
      }
    FOR(k, 1)
      FOR(i, 4) { /* one round */
        Buf *v = VIEW_OF("v", s, k, i);
        pin(v);
        store(at(out, y, i), add(load(at(v, 0, 0), 1), load(at(v, 1, 0), 1)));
        WHEN(within(i, 0, 4))
          store(at(out, y, 4 + i), pick(b, within(i, 1, 3), load(at(v, 0, 0), 1), num(b, 7)));
      }
  }
  nest_fn(b, "names", false);
  FOR(y, 3) {
    call(row, 2 * y, 5 * y, 0);
    call(row, 2 * y + 1, y, 1);
  }
  double *x = numbers(cases->arena, 48, 6), *want = NEW_ARRAY(cases->arena, double, 48);
  for (int y = 0; y < 6; y++)
    for (int i = 0; i < 4; i++) {
      double s[2];
      for (int k = 0; k < 2; k++) {
        double w = x[y * 8 + 4 * k + i];
        s[k] = y % 2 ? w * w - w : w - 4 * w;
      }
      want[y * 8 + i] = s[0] + s[1];
      want[y * 8 + 4 + i] = i == 1 || i == 2 ? s[0] : 7;
    }
  Run given = {0};
  given.mem[in->id] = x;
  check(cases, b, given, want, 2e-6);
}

static void shuffle_case(Cases *cases) { /* lanes by name, lanes reversed, narrower */
  Nest *b = nest_new(cases->arena, "lanes", "shuffles");
  Buf *in = BUF(INPUT, "in", 8), *out = BUF(OUTPUT, "out", 12);
  nest_fn(b, "lanes", false);
  Val a = let("a", load(at(in, 0), 4)), c = let("c", load(at(in, 4), 4));
  store(at(out, 0), shuffle(a, c, 4, (int[]){7, 5, 3, 1}));
  UNROLL(i, 4) store(at(out, 4 + i), lane_at(b, a, &i));
  UNROLL(i, 4) store(at(out, 11 - i), lane_at(b, add(c, a), &i));
  double *x = numbers(cases->arena, 8, 2), *want = NEW_ARRAY(cases->arena, double, 12);
  for (int i = 0; i < 4; i++) {
    want[i] = x[7 - 2 * i];
    want[4 + i] = x[i];
    want[11 - i] = x[4 + i] + x[i];
  }
  check(cases, b, (Run){.mem = {x}}, want, 0);
}

static void other_cases(Cases *cases, int lanes) { /* lanes 1: what the generic target can print */
  byte_case(cases, U8, 1);
  byte_case(cases, I8, 1);
  dropout_case(cases);
  label_case(cases, 1);
  math_case(cases, 1);
  name_case(cases);
  if (lanes == 1) return;
  size_case(cases, 5);
  size_case(cases, 3);
  size_case(cases, 1);
  update_case(cases);
  over_case(cases);
  shuffle_case(cases);
  label_case(cases, 4);
  math_case(cases, 4);
  byte_case(cases, U8, 4);
  byte_case(cases, I8, 4);
  if (lanes >= 8) {
    math_case(cases, 8);
    byte_case(cases, U8, 8);
    byte_case(cases, I8, 8);
  }
  if (lanes >= 16) math_case(cases, 16);
}

/* ---- the tests that run ---- */
static void finish(Cases *cases, const char *attribute, int lanes_max, bool fused, int nflags) {
  compile_cases(cases, attribute, lanes_max, fused, nflags);
  arena_free(cases->arena);
}

static void test_kernels(void) {
  int lanes;
  const char *attribute = printed_attribute(&lanes);
  Cases *cases = cases_new();
  conv_cases(cases, lanes);
  if (lanes == 16) {
    winograd_case(cases, 8, 16, 32, 1, 1);
    winograd_case(cases, 14, 16, 64, 4, 2);
    winograd_case(cases, 17, 32, 32, 5, 1);
  }
  if (lanes == 16) {
    gradient_case(cases, 7, 8, 32, 3);
    gradient_case(cases, 6, 16, 32, 5);
    lenet_cases(cases);
  }
  finish(cases, attribute, lanes, *attribute != 0, 1);
}

static void test_narrow(void) { /* the baseline CPU: vectors of four, no attribute */
  Cases *cases = cases_new();
  conv_cases(cases, 4);
  other_cases(cases, 4);
  finish(cases, "", 4, false, 1);
}

static void test_language(void) {
  int lanes;
  const char *attribute = printed_attribute(&lanes);
  Cases *cases = cases_new();
  other_cases(cases, lanes);
  finish(cases, attribute, lanes, *attribute != 0, 3);
}

static void test_generic(void) { /* no vector type in the text: C for any compiler */
  Cases *cases = cases_new();
  conv_case(
      cases,
      (Conv){.h = 9, .w = 7, .ci = 3, .co = 5, .k = 3, .s = 1, .p = 1, .relu = true, .nv = 1, .lanes = 1},
      true);
  other_cases(cases, 1);
  const char *text = print_cases(cases, "", "", 1);
  CU_ASSERT(!strstr(text, "vector_size") && !strstr(text, "__builtin_mem"));
  finish(cases, "", 1, false, 3);
}

/* ---- text: the same each time, and as expected ---- */
static void test_text(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "scale", "twice the input, at least 0.1");
  Buf *in = BUF(INPUT, "in", 8, 3), *out = BUF(OUTPUT, "out", 8, 3);
  nest_fn(b, "scale", false);
  PAR(y, 8)
    FOR(c, 3) store(at(out, y, c), vmax(mul(load(at(in, y, c), 1), num(b, 2)), num(b, .1)));
  CU_ASSERT_FATAL(prove(b));
  nest_simplify(b);
  PreludeNeeds needs = {0};
  NestPrint print = {.names = {"", "", ""}, .lanes_max = 1, .team = true, .needs = &needs};
  Text text = {.arena = arena}, dump = {.arena = arena};
  emit_nest(&text, b, &print);
  CU_ASSERT_STRING_EQUAL(
      text.s, "// twice the input, at least 0.1\n"
              "//   in  [8][3]  input\n"
              "//   out [8][3]  output\n"
              "static void scale(const float (*restrict in)[3], float (*restrict out)[3], int thread, int "
              "threads) {\n"
              "  for (int y = SHARE(0, 8, thread), y_end = SHARE(0, 8, thread + 1); y < y_end; y++)\n"
              "    for (int c = 0; c < 3; c++)\n"
              "      out[y][c] = max_x1(in[y][c] * 2.f, 0.1f);\n"
              "}\n\n");
  CU_ASSERT_STRING_EQUAL(emit_nest_pointer(arena, b, in->id), "const float (*)[3]");
  CU_ASSERT_STRING_EQUAL(emit_nest_call(arena, b, &print, (const char *const[]){"x", "y"}, NULL),
                         "scale((const float (*)[3])x, (float (*)[3])y, thread, threads);");
  CU_ASSERT(nest_uses(b, out->id));
  nest_dump(&dump, b);
  CU_ASSERT_STRING_EQUAL(dump.s, "nest scale: twice the input, at least 0.1\n"
                                 "  input in[8][3] f32\n"
                                 "  output out[8][3] f32\n"
                                 "  main scale()\n"
                                 "    parallel y in 0 .. 8\n"
                                 "      for c in 0 .. 3\n"
                                 "        out[y][c] = max((in[y][c] * 2), 0.1)\n");
  arena_free(arena);
}

static void test_values(void) { /* folding, fusing, naming */
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "values", "");
  Buf *in = BUF(INPUT, "in", 4);
  nest_fn(b, "values", false);
  Val x = load(at(in, 0), 1), y = load(at(in, 1), 1);
  CU_ASSERT_PTR_EQUAL(add(x, num(b, 0)), x);
  CU_ASSERT_PTR_EQUAL(mul(num(b, 1), x), x);
  CU_ASSERT_EQUAL(add(num(b, 2), num(b, 3))->num, 5);
  CU_ASSERT_EQUAL(add(mul(x, y), x)->op, FMA);
  CU_ASSERT_EQUAL(add(x, mul(x, y))->op, FMA);
  CU_ASSERT_EQUAL(fma_(x, num(b, 1), y)->op, ADD);
  CU_ASSERT_EQUAL(fma_(x, y, num(b, 0))->op, MUL);
  Val e = x;
  for (int i = 0; i < 60; i++) e = add(e, vexp(e)); /* 2^60 nodes as a tree: named as they are met */
  Buf *out = BUF(OUTPUT, "out", 1);
  store(at(out, 0), e);
  CU_ASSERT(prove(b));
  arena_free(arena);
}

static int status_of(void (*misuse)(Nest *)) { /* of a process that builds a nest wrongly */
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(9);
    Nest *b = nest_new(arena_new(), "misuse", "");
    nest_fn(b, "misuse", false);
    misuse(b);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void misuse_product(Nest *b) {
  FOR(y, 4)
    FOR(x, 4) {
      Buf *a = BUF(OUTPUT, "a", 9);
      const Ix bad = y * x;
      store(at(a, bad), num(b, 0));
    }
}
static void misuse_variable(Nest *b) {
  Ix kept = {0};
  Buf *a = BUF(OUTPUT, "a", 9);
  FOR(y, 4) kept = y;
  FOR(x, 4) {
    store(at(a, x), num(b, 0));
    store(at(a, kept), num(b, 0));
  }
}
static void misuse_value(Nest *b) {
  Val kept = NULL;
  Buf *a = BUF(OUTPUT, "a", 9), *in = BUF(INPUT, "in", 9);
  FOR(y, 4) kept = load(at(in, y), 1);
  FOR(x, 4) store(at(a, x), kept);
}
static void misuse_register(Nest *b) {
  Buf *r = NULL, *a = BUF(OUTPUT, "a", 9);
  FOR(y, 4) {
    r = REGISTERS("r", 1, 1);
    store(at(r, 0), num(b, 0));
  }
  store(at(a, 0), get(at(r, 0)));
}
static void misuse_rank(Nest *b) {
  Buf *a = BUF(OUTPUT, "a", 9, 9);
  store(at(a, 0), num(b, 0));
}
static void misuse_lanes(Nest *b) {
  Buf *a = BUF(INPUT, "a", 64), *c = BUF(OUTPUT, "c", 64);
  store(at(c, 0), add(load(at(a, 0), 8), load(at(a, 0), 4)));
}
static void misuse_type(Nest *b) {
  Buf *a = BUF_OF(INPUT, "a", U8, 64), *c = BUF(OUTPUT, "c", 64);
  store(at(c, 0), load(at(a, 0), 1));
}
static void misuse_size(Nest *b) { BUF(INPUT, "a", 65536, 65536); }
static void misuse_else(Nest *b) {
  OTHERWISE() note("");
}

static void test_misuse(void) {
  static void (*const misuse[])(Nest *) = {misuse_product,  misuse_variable, misuse_value,
                                           misuse_register, misuse_rank,     misuse_lanes,
                                           misuse_type,     misuse_size,     misuse_else};
  for (size_t i = 0; i < sizeof misuse / sizeof *misuse; i++) CU_ASSERT_EQUAL(status_of(misuse[i]), 3);
}

/* ---- nests that are wrong ---- */
static void refuse(Nest *b, const char *word) {
  Proof proof;
  bool proved = nest_prove(b, &proof);
  if (proved || !strstr(proof.error, word)) printf("# %s: %s\n", b->name, proved ? "proved" : proof.error);
  CU_ASSERT(!proved && strstr(proof.error, word));
}

static void test_bounds_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "halo", "");
  in = BUF(INPUT, "in", 10);
  out = BUF(OUTPUT, "out", 10);
  nest_fn(b, "halo", false);
  FOR(x, 10)
    CLIP(k, 0, -x, 3, 10 - x)
      store(at(out, x), load(at(in, x + k - 1), 1)); /* the clip forgot the padding of 1 */
  refuse(b, "load out of bounds");

  b = nest_new(arena, "tail", "");
  in = BUF(INPUT, "in", 30);
  out = BUF(OUTPUT, "out", 30);
  nest_fn(b, "tail", false);
  FOR(v, 2) store(at(out, 16 * v), load(at(in, 16 * v), 16));
  refuse(b, "out of bounds");

  b = nest_new(arena, "part", "");
  in = BUF(INPUT, "in", 30);
  out = BUF(OUTPUT, "out", 30);
  nest_fn(b, "part", false);
  store(at(out, 0), load(at(in, 0), 16));
  store_part(at(out, 16), load_part(at(in, 16), 15, 16), 14); /* one lane too many is read */
  refuse(b, "load out of bounds");

  b = nest_new(arena, "edge", "");
  in = BUF(INPUT, "in", 8, 4);
  out = BUF(OUTPUT, "out", 8, 4);
  nest_fn(b, "edge", false);
  FOR(x, 8)
    FOR(k, 3)
      WHEN(atleast(x + k - 1, 0))
        store(at(out, x, k), load(at(in, x + k - 1, k), 1)); /* no guard on the right */
  refuse(b, "dimension 0: 0..8");

  b = nest_new(arena, "row", "");
  in = BUF(INPUT, "in", 4, 16);
  out = BUF(OUTPUT, "out", 4, 16);
  nest_fn(b, "row", false);
  FOR(y, 4) store(at(out, y, 0), load(at(in, y, 1), 16)); /* inside the buffer, but over the end of its row */
  refuse(b, "dimension 1");

  b = nest_new(arena, "size", "");
  in = BUF(INPUT, "in", 8);
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "size", false);
  const Ix n = size_arg("n", 1, 9);
  FOR(x, n) store(at(out, x), load(at(in, x), 1)); /* n may be 9 */
  refuse(b, "out of bounds");

  b = nest_new(arena, "input", "");
  in = BUF(INPUT, "in", 8);
  nest_fn(b, "input", false);
  FOR(x, 8) store(at(in, x), num(b, 0));
  refuse(b, "store to an input");
  arena_free(arena);
}

static void test_parallel_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "overlap", "");
  in = BUF(INPUT, "in", 64);
  out = BUF(OUTPUT, "out", 64);
  nest_fn(b, "overlap", false);
  PAR(t, 7) store(at(out, 8 * t), load(at(in, 8 * t), 16));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "carried", "");
  out = BUF(OUTPUT, "out", 64);
  nest_fn(b, "carried", false);
  FOR(i, 64) store(at(out, i), num(b, 0));
  PAR(t, 63) store(at(out, t + 1), load(at(out, t), 1));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "reduced", "");
  in = BUF(INPUT, "in", 64);
  out = BUF(UPDATE, "out", 1);
  nest_fn(b, "reduced", false);
  PAR(t, 64) accumulate(at(out, 0), load(at(in, t), 1), num(b, 2));
  refuse(b, "parallel iterations");

  b = nest_new(arena, "shared", "");
  in = BUF(INPUT, "in", 64);
  out = BUF(OUTPUT, "out", 64);
  nest_fn(b, "shared", false);
  Buf *r = REGISTERS("r", 1, 1);
  PAR(t, 64) {
    store(at(r, 0), load(at(in, t), 1));
    store(at(out, t), get(at(r, 0)));
  }
  refuse(b, "share the local");
  arena_free(arena);
}

static void test_unwritten_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out, *a;
  b = nest_new(arena, "unset", "");
  out = BUF(OUTPUT, "out", 16);
  nest_fn(b, "unset", false);
  a = REGISTERS("a", 16, 2);
  store(at(a, 0), load(at(out, 0), 16)); /* an output read before it is written */
  refuse(b, "may not be written");

  b = nest_new(arena, "register", "");
  in = BUF(INPUT, "in", 16);
  out = BUF(OUTPUT, "out", 16);
  nest_fn(b, "register", false);
  a = REGISTERS("a", 16, 2);
  FOR(i, 1) store(at(a, i), load(at(in, 0), 16));
  store(at(out, 0), add(get(at(a, 0)), get(at(a, 1)))); /* a[1] was never set */
  refuse(b, "may not be written");

  b = nest_new(arena, "hole", "");
  in = BUF(INPUT, "in", 30);
  out = BUF(OUTPUT, "out", 30);
  nest_fn(b, "hole", false);
  FOR(x, 15) store(at(out, 2 * x), load(at(in, x), 1)); /* every other element */
  refuse(b, "not every element");

  b = nest_new(arena, "maybe", "");
  in = BUF(INPUT, "in", 8);
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "maybe", false);
  Buf *s = nest_buf(b, STACK, "s", (Type){F32, 1}, NEST_DIMS(8));
  FOR(x, 8) {
    CLIP(k, 0, x - 4, 8, x) store(at(s, x), load(at(in, k), 1)); /* empty for x = 0 */
    store(at(out, x), load(at(s, x), 1));
  }
  refuse(b, "may not be written");

  b = nest_new(arena, "fewer", "");
  out = BUF(OUTPUT, "out", 8);
  a = BUF(WORK, "a", 8);
  nest_fn(b, "fewer", false);
  const Ix n = size_arg("n", 0, 8);
  FROM(x, 0, n) store(at(a, x), num(b, 1)); /* none for n = 0 */
  FOR(x, 8) store(at(out, x), load(at(a, 0), 1));
  refuse(b, "may not be written");

  b = nest_new(arena, "branch", "");
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "branch", false);
  FOR(x, 8) {
    WHEN(below(x, 4)) store(at(out, x), num(b, 1));
    OTHERWISE()
      WHEN(atleast(x, 5)) store(at(out, x), num(b, 2)); /* 4 is in neither */
  }
  refuse(b, "not every element");

  b = nest_new(arena, "life", "");
  in = BUF(INPUT, "in", 8);
  out = BUF(OUTPUT, "out", 8);
  nest_fn(b, "life", false);
  FOR(x, 8) {
    Buf *r = REGISTERS("r", 1, 1);
    WHEN(is(x, 0)) store(at(r, 0), load(at(in, 0), 1)); /* and is not there in later rounds */
    store(at(out, x), get(at(r, 0)));
  }
  refuse(b, "may not be written");
  arena_free(arena);
}

static void test_over_refused(void) {
  Arena *arena = arena_new();
  Nest *b;
  Buf *in, *out;
  b = nest_new(arena, "mirrored", "");
  out = BUF(OVER, "out", 8);
  nest_fn(b, "mirrored", false);
  FOR(x, 8) store(at(out, x), load(at(out, 7 - x), 1)); /* the second half reads the first */
  refuse(b, "another one has written over");

  b = nest_new(arena, "pixel", "");
  out = BUF(OVER, "out", 8, 2);
  nest_fn(b, "pixel", false);
  FOR(x, 8)
    FOR(c, 2) store(at(out, x, c), load(at(out, x, 0), 1)); /* as a softmax reads all channels */
  refuse(b, "another one has written over");

  b = nest_new(arena, "again", "");
  out = BUF(OVER, "out", 8);
  nest_fn(b, "again", false);
  FOR(x, 8)
    for (int i = 0; i < 2; i++) store(at(out, x), add(load(at(out, x), 1), num(b, 1)));
  refuse(b, "may be written over");

  b = nest_new(arena, "partial", "");
  in = BUF(INPUT, "in", 3, 8);
  out = BUF(OVER, "out", 8);
  nest_fn(b, "partial", false);
  FOR(k, 3)
    FOR(x, 8) accumulate(at(out, x), load(at(in, k, x), 1), num(b, 2)); /* sums over blocks of channels */
  refuse(b, "another one has written over");

  b = nest_new(arena, "tiles", "");
  out = BUF(OVER, "out", 30);
  nest_fn(b, "tiles", false);
  FOR(t, 3) store(at(out, 8 * t), add(load(at(out, 8 * t), 8), num(b, 1)));
  store(at(out, 22), add(load(at(out, 22), 8), num(b, 1))); /* the last tile begins early */
  refuse(b, "may be written over");

  b = nest_new(arena, "rows", "");
  out = BUF(OVER, "out", 8, 4);
  nest_fn(b, "rows", false);
  PAR(y, 8)
    WHEN(below(y, 7))
      store(at(out, y, 0),
            load(at(out, y + 1, 0), 4)); /* one after the other it would do, but for the last */
  refuse(b, "parallel iterations");

  b = nest_new(arena, "missing", "");
  out = BUF(OVER, "out", 8);
  nest_fn(b, "missing", false);
  FOR(x, 7) store(at(out, x), add(load(at(out, x), 1), num(b, 1)));
  refuse(b, "not every element");
  arena_free(arena);
}

CU_TestInfo suite_nest[] = {{"values: folded, fused, named", test_values},
                            {"text of C and dump", test_text},
                            {"misuse of the builder ends with status 3", test_misuse},
                            {"kernels: reference, interpreter, compiled C", test_kernels},
                            {"kernels on the baseline CPU", test_narrow},
                            {"sizes, tails, bytes, integers, functions, names", test_language},
                            {"scalar C for any compiler", test_generic},
                            {"refused: out of bounds", test_bounds_refused},
                            {"refused: parallel iterations that meet", test_parallel_refused},
                            {"refused: read of what may not be written", test_unwritten_refused},
                            {"refused: read of what may be written over", test_over_refused},
                            CU_TEST_INFO_NULL};
