// nest.c: Tests of nests: kernels compared with C loops in double, features that convolutions do not use, and
// the printed form.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>
#include "nest/build.h"
#include "nest/instance.h"
#include "nest_cases.h"
#include "nest_kernels.h"
#include "printed.h"

/* ---- kernels compared with C loops ---- */
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
  double *x = cases_numbers(arena, c.h * c.w * c.ci, 1),
         *w = cases_numbers(arena, c.k * c.k * c.ci * c.co, 2), *bias = cases_numbers(arena, c.co, 3),
         *want = cases_numbers(arena, oh * ow * c.co, 4), *pw = w;
  for (int i = 0; i < oh * ow * c.co; i++)
    want[i] = conv_at(&c, x, w, bias, i / c.co / ow, i / c.co % ow, i % c.co);
  if (!plain) {
    pw = cases_numbers(arena, c.k * c.k * c.ci * c.co, 2);
    for (int cb = 0; cb < c.co / n; cb++)
      for (int ib = 0; ib < c.ci / c.cb; ib++)
        for (int k = 0; k < c.k * c.k; k++)
          for (int i = 0; i < c.cb; i++)
            for (int t = 0; t < n; t++)
              pw[(((cb * (c.ci / c.cb) + ib) * c.k * c.k + k) * c.cb + i) * n + t] =
                  w[(k * c.ci + ib * c.cb + i) * c.co + cb * n + t];
  }
  /* in the scalar sums of the reference, a compiler may fuse other operations than the interpreter */
  cases_check(cases, nest, CASE_RUN(x, pw, bias), want, plain ? 2e-6 : 0);
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
  double *x = cases_numbers(arena, H * H * CI, 1), *w = cases_numbers(arena, 9 * CI * CO, 2),
         *U = cases_numbers(arena, 36 * CI * CO, 3), *bias = cases_numbers(arena, CO, 3),
         *want = cases_numbers(arena, H * H * CO, 4);
  for (int i = 0; i < H * H * CO; i++) want[i] = conv_at(&c, x, w, bias, i / CO / H, i / CO % H, i % CO);
  for (int f = 0; f < CO; f++)
    for (int i = 0; i < CI; i++)
      for (int xi = 0; xi < 36; xi++) {
        double s = 0;
        for (int k = 0; k < 3; k++)
          for (int l = 0; l < 3; l++) s += G[xi / 6][k] * G[xi % 6][l] * w[((k * 3 + l) * CI + i) * CO + f];
        U[((f / 32 * 36 + xi) * CI + i) * 32 + f % 32] = s;
      }
  cases_check(cases, conv_winograd(arena, "wino", H, CI, CO, rows, ncb), CASE_RUN(x, U, bias), want, 2e-5);
}

static void gradient_case(Cases *cases, int H, int CI, int CO, int K) {
  Arena *arena = cases->arena;
  double *x = cases_numbers(arena, H * H * CI, 1), *d = cases_numbers(arena, H * H * CO, 2),
         *want = cases_numbers(arena, K * K * CI * CO, 3);
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
  cases_check(cases, conv_weight_gradient(arena, "wgrad", H, CI, CO, K), CASE_RUN(x, d), want, 0);
}

static void lenet_cases(Cases *cases) {
  Arena *arena = cases->arena;
  Conv both[2] = {{.h = 28, .w = 28, .ci = 1, .co = 6, .k = 5, .s = 1, .p = 2, .relu = true},
                  {.h = 14, .w = 14, .ci = 6, .co = 16, .k = 5, .s = 1, .p = 0, .relu = true}};
  for (int i = 0; i < 2; i++) {
    const Conv *c = &both[i];
    int oh = conv_oh(c) / 2;
    double *x = cases_numbers(arena, c->h * c->w * c->ci, 1),
           *w = cases_numbers(arena, 25 * c->ci * c->co, 2), *bias = cases_numbers(arena, c->co, 3),
           *want = cases_numbers(arena, oh * oh * c->co, 4);
    for (int j = 0; j < oh * oh * c->co; j++) {
      want[j] = 0;
      for (int k = 0; k < 4; k++)
        want[j] = fmax(want[j], conv_at(c, x, w, bias, 2 * (j / c->co / oh) + k / 2,
                                        2 * (j / c->co % oh) + k % 2, j % c->co));
    }
    cases_check(cases, i ? lenet_conv2(arena, "conv2") : lenet_conv1(arena, "conv1"), CASE_RUN(x, w, bias),
                want, 0);
  }
  int I = 120, O = 96;
  double *x = cases_numbers(arena, I, 1), *w = cases_numbers(arena, I * O, 2),
         *bias = cases_numbers(arena, O, 3), *want = cases_numbers(arena, O, 4);
  for (int f = 0; f < O; f++) {
    want[f] = bias[f];
    for (int i = 0; i < I; i++) want[f] += x[i] * w[i * O + f];
    want[f] = fmax(want[f], 0);
  }
  cases_check(cases, dense(arena, "dense", I, O, 6, 2, true), CASE_RUN(x, w, bias), want, 0);
  x = cases_numbers(arena, 8 * 6 * 16, 1);
  want = cases_numbers(arena, 4 * 3 * 16, 2);
  for (int i = 0; i < 4 * 3 * 16; i++) {
    want[i] = -9;
    for (int k = 0; k < 4; k++)
      want[i] = fmax(want[i], x[((2 * (i / 48) + k / 2) * 6 + 2 * (i / 16 % 3) + k % 2) * 16 + i % 16]);
  }
  cases_check(cases, max_pool2(arena, "pool", 8, 6, 16), CASE_RUN(x), want, 0);
}

/* ---- other features of nests ---- */
static void size_case(Cases *cases, int count) { /* computes the first `count` images of a batch, through
                                                    scratch, in parallel, with a partial last vector */
  enum { BATCH = 5, N = 11, L = 4 };
  Nest *b = nest_new(cases->arena, "some", "twice the first count images");
  Buf *in = NEST_BUF(b, INPUT, "in", BATCH, N), *out = NEST_BUF(b, OUTPUT, "out", BATCH, N),
      *tmp = NEST_BUF(b, WORK, "tmp", BATCH, N);
  nest_fn(b, "some", false);
  const Ix n = nest_size_arg(b, "count", 1, BATCH);
  NEST_PARALLEL(b, i, n) {
    NEST_FOR(b, k, N / L)
      nest_store(b, nest_at(b, tmp, i, L * k),
                 add(nest_load(b, nest_at(b, in, i, L * k), L), nest_load(b, nest_at(b, in, i, L * k), L)));
    nest_store_part(b, nest_at(b, tmp, i, N / L * L),
                    mul(nest_load_part(b, nest_at(b, in, i, N / L * L), N % L, L), num(b, 2)), N % L);
  }
  NEST_FROM(b, i, 0, n)
    NEST_FOR(b, k, N) nest_store(b, nest_at(b, out, i, k), nest_load(b, nest_at(b, tmp, i, k), 1));
  double *x = cases_numbers(cases->arena, BATCH * N, 5);
  Run given = CASE_RUN(x);
  given.size[0] = count;
  cases_check(cases, b, given, NULL, 0);
  const Run *r = &cases->list.data[cases->list.n - 1].run;
  for (int i = 0; i < BATCH * N; i++)
    CU_ASSERT(i < count * N ? r->mem[out->id][i] == (double)(float)(2 * x[i])
                            : nest_unset(r->mem[out->id][i]));
}

/* Bytes or int16 numbers become floats, are halved, and are converted back. */
static void byte_case(Cases *cases, Elem elem, int L) {
  enum { N = 40 };
  Nest *b = nest_new(cases->arena, elem_name(elem), "bytes to floats and back");
  Buf *in = NEST_BUF_OF(b, INPUT, "in", elem, N), *out = NEST_BUF_OF(b, OUTPUT, "out", elem, N),
      *f = NEST_BUF(b, WORK, "f", N);
  nest_fn(b, b->name, false);
  NEST_FOR(b, i, N / 8) { /* 8 elements are one vector of 8 lanes or two vectors of 4 lanes */
    if (L == 1)
      NEST_FOR(b, k, 8)
        nest_store(b, nest_at(b, f, 8 * i + k),
                   mul(convert(nest_load(b, nest_at(b, in, 8 * i + k), 1), F32), num(b, .5)));
    else
      NEST_FOR(b, k, 8 / L)
        nest_store(b, nest_at(b, f, 8 * i + L * k),
                   mul(convert(nest_load(b, nest_at(b, in, 8 * i + L * k), L), F32), num(b, .5)));
  }
  NEST_FOR(b, i, N / 8) {
    if (L == 1)
      NEST_FOR(b, k, 8)
        nest_store(b, nest_at(b, out, 8 * i + k), convert(nest_load(b, nest_at(b, f, 8 * i + k), 1), elem));
    else
      NEST_FOR(b, k, 8 / L)
        nest_store(b, nest_at(b, out, 8 * i + L * k),
                   convert(convert(nest_load(b, nest_at(b, f, 8 * i + L * k), L), I32), elem));
  }
  double *x = NEW_ARRAY(cases->arena, double, N), *want = NEW_ARRAY(cases->arena, double, N);
  for (int i = 0; i < N; i++) {
    x[i] = elem == U8    ? i * 255 / (N - 1)
           : elem == I16 ? i * 65535 / (N - 1) - 32768
                         : i * 255 / (N - 1) - 128;
    want[i] = trunc(x[i] * .5);
  }
  cases_check(cases, b, CASE_RUN(x), want, 0);
}

static void update_case(Cases *cases) { /* adds to a gradient: its elements are read, changed and written,
                                           in parallel */
  Nest *b = nest_new(cases->arena, "sum", "out += 3 * x");
  Buf *in = NEST_BUF(b, INPUT, "in", 24), *out = NEST_BUF(b, UPDATE, "out", 24);
  nest_fn(b, "sum", false);
  NEST_PARALLEL(b, i, 6)
    nest_accumulate(b, nest_at(b, out, 4 * i), nest_load(b, nest_at(b, in, 4 * i), 4), num(b, 3));
  double *x = cases_numbers(cases->arena, 24, 8), *want = NEW_ARRAY(cases->arena, double, 24);
  for (int i = 0; i < 24; i++) want[i] = i % 7 + 3 * x[i];
  cases_check(cases, b, CASE_RUN(x), want, 0);
}

static void over_case(Cases *cases) { /* an operand is overwritten: rows in parallel, a partial last vector,
                                         two statements that read the operand, branches */
  enum { ROWS = 6, N = 7, L = 4 };
  Nest *b = nest_new(cases->arena, "over", "out = x * out + out");
  Buf *in = NEST_BUF(b, INPUT, "in", ROWS, N), *out = NEST_BUF(b, OVER, "out", ROWS, N);
  nest_fn(b, "over", false);
  NEST_PARALLEL(b, y, ROWS) {
    Val before = nest_let(b, "before", nest_load(b, nest_at(b, out, y, 0), L));
    NEST_IF(b, nest_below(b, y, 2))
      nest_store(b, nest_at(b, out, y, 0),
                 fma_(nest_load(b, nest_at(b, in, y, 0), L), nest_load(b, nest_at(b, out, y, 0), L), before));
    NEST_ELSE(b)
      nest_store(
          b, nest_at(b, out, y, 0),
          add(mul(nest_load(b, nest_at(b, in, y, 0), L), nest_load(b, nest_at(b, out, y, 0), L)), before));
    Val rest = nest_load_part(b, nest_at(b, out, y, L), N - L, L);
    nest_store_part(b, nest_at(b, out, y, L),
                    fma_(nest_load_part(b, nest_at(b, in, y, L), N - L, L), rest, rest), N - L);
  }
  double *x = cases_numbers(cases->arena, ROWS * N, 9), *want = NEW_ARRAY(cases->arena, double, ROWS *N);
  for (int i = 0; i < ROWS * N; i++) want[i] = x[i] * (i % 7) + i % 7;
  cases_check(cases, b, CASE_RUN(x), want, 1e-6);
}

/* The operations RANDOM and POSITION; keys from a buffer of integers. */
static void dropout_case(Cases *cases) {
  enum { N = 30 };
  Nest *b = nest_new(cases->arena, "drop", "dropout by counter");
  Buf *in = NEST_BUF(b, INPUT, "in", N), *key = NEST_BUF_OF(b, INPUT, "key", I32, 2),
      *out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "drop", false);
  Val k0 = nest_let(b, "k0", nest_load(b, nest_at(b, key, 0), 1)),
      k1 = nest_let(b, "k1", nest_load(b, nest_at(b, key, 1), 1));
  NEST_PARALLEL(b, i, N)
    nest_store(b, nest_at(b, out, i),
               choose(less(uniform(k0, k1, nest_index_value(b, 3 * i + 1)), num(b, .25)), num(b, 0),
                      mul(nest_load(b, nest_at(b, in, i), 1), num(b, 1 / .75))));
  double *x = cases_numbers(cases->arena, N, 3), *keys = NEW_ARRAY(cases->arena, double, 2);
  keys[0] = -123456789;
  keys[1] = 987654321;
  cases_check(cases, b, CASE_RUN(x, keys), NULL, 0);
}

/* Integer arithmetic, minimum and maximum. Positions are compared with an integer: the result is a one-hot
 * row or, with vectors, a step function. */
static void label_case(Cases *cases, int L) {
  enum { N = 12 };
  Nest *b = nest_new(cases->arena, "label", "one-hot, clamped label");
  Buf *label = NEST_BUF_OF(b, INPUT, "label", I32, 1), *out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "label", false);
  Val l = nest_let(b, "l",
                   vmin(vmax(add(nest_load(b, nest_at(b, label, 0), 1), num_i32(b, -3)), num_i32(b, 0)),
                        num_i32(b, N - 1)));
  if (L == 1)
    NEST_FOR(b, i, N)
      nest_store(b, nest_at(b, out, i), choose(equal(nest_index_value(b, i), l), num(b, 1), num(b, 0)));
  else
    NEST_FOR(b, i, N / L) {
      Val p = splat(nest_index_value(b, L * i), L);
      nest_store(b, nest_at(b, out, L * i),
                 choose(less_eq(p, splat(l, L)), num(b, 1), splat(num(b, -1.5), L)));
    }
  double *x = NEW_ARRAY(cases->arena, double, 1);
  x[0] = 10;
  cases_check(cases, b, CASE_RUN(x), NULL, 0);
}

/* Functions of the prelude, selects, operations across lanes, a maximum that starts at minus infinity. */
static void math_case(Cases *cases, int L) {
  enum { ROWS = 9 };
  const int N = 3 * L;
  Nest *b = nest_new(cases->arena, "math", "functions of the prelude");
  Buf *in = NEST_BUF(b, INPUT, "in", ROWS, N), *out = NEST_BUF(b, OUTPUT, "out", ROWS, N);
  nest_fn(b, "math", false);
  NEST_FOR(b, y, ROWS) {
    Buf *top = NEST_REGISTERS(b, "top", L, 1);
    nest_store(b, nest_at(b, top, 0), num(b, -INFINITY));
    NEST_FOR(b, i, 3)
      nest_store(b, nest_at(b, top, 0),
                 vmax(nest_get(b, nest_at(b, top, 0)), nest_load(b, nest_at(b, in, y, L * i), L)));
    Val most = nest_let(b, "most", hmax(nest_get(b, nest_at(b, top, 0))));
    NEST_FOR(b, i, 3) {
      Val x = sub(nest_load(b, nest_at(b, in, y, L * i), L), most), e = vexp(x);
      Val parts[] = {vtanh(x),
                     vsigmoid(x),
                     vnormal_cdf(x),
                     vsqrt(vabs(x)),
                     vlog(vpower_minus_three_quarters(add(e, num(b, 1)))),
                     div_(e, add(e, num(b, 2))),
                     vmin(x, num(b, -.5))};
      Val sum = choose(less(x, num(b, -1)), e, num(b, .25));
      for (int k = 0; k < 7; k++) sum = add(sum, parts[k]);
      nest_store(b, nest_at(b, out, y, L * i), add(sum, hsum(e)));
    }
  }
  cases_check(cases, b, CASE_RUN(cases_numbers(cases->arena, ROWS * N, 4)), NULL, 2e-5);
}

static void name_case(Cases *cases) { /* names that clash, unrolled loops, arrays on the stack, branches,
                                         views, an unused name */
  Nest *b = nest_new(cases->arena, "names", "names that clash \\");
  Buf *in = NEST_BUF(b, INPUT, "in", 6, 8), *out = NEST_BUF(b, OUTPUT, "out", 6, 8);
  NestFn *row = nest_fn(b, "row", false);
  {
    const Ix y = nest_arg(b, "y"), unused = nest_arg(b, "unused");
    const Ix odd = nest_flag(b, "odd");
    (void)unused;
    Buf *s = nest_buf(b, STACK, "w", (Type){F32, 1}, NEST_DIMS(2, 4));
    Val dead = nest_let(b, "w", nest_load(b, nest_at(b, in, y, 0), 1));
    nest_comment(b, "a comment with a backslash \\\nand a second line ?\?/");
    NEST_FOR(b, k, 2)
      NEST_FOR(b, i, 4) {
        Val w = nest_let(b, "w", nest_load(b, nest_at(b, in, y, 4 * k + i), 1));
        NEST_IF(b, nest_yes(b, odd)) nest_store(b, nest_at(b, s, k, i), sub(mul(w, w), w));
        NEST_ELSE(b) {
          NEST_IF(b, nest_yes(b, odd)) nest_store(b, nest_at(b, s, k, i), dead);
          NEST_ELSE(b) nest_store(b, nest_at(b, s, k, i), nest_let(b, "w", sub(w, mul(num(b, 4), w))));
        }
      }
    NEST_FOR(b, k, 1)
      NEST_FOR(b, i, 4) {
        Buf *v = NEST_VIEW(b, "v", s, k, i);
        nest_pin(b, v);
        nest_store(b, nest_at(b, out, y, i),
                   add(nest_load(b, nest_at(b, v, 0, 0), 1), nest_load(b, nest_at(b, v, 1, 0), 1)));
        NEST_IF(b, nest_within(b, i, 0, 4))
          nest_store(b, nest_at(b, out, y, 4 + i),
                     pick(b, nest_within(b, i, 1, 3), nest_load(b, nest_at(b, v, 0, 0), 1), num(b, 7)));
      }
  }
  nest_fn(b, "names", false);
  NEST_FOR(b, y, 3) {
    nest_call(b, row, 2 * y, 5 * y, 0);
    nest_call(b, row, 2 * y + 1, y, 1);
  }
  double *x = cases_numbers(cases->arena, 48, 6), *want = NEW_ARRAY(cases->arena, double, 48);
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
  Run given = CASE_RUN(NULL);
  given.mem[in->id] = x;
  cases_check(cases, b, given, want, 2e-6);
}

static void shuffle_case(Cases *cases) { /* single lanes, lanes in reverse order, fewer lanes */
  Nest *b = nest_new(cases->arena, "lanes", "shuffles");
  Buf *in = NEST_BUF(b, INPUT, "in", 8), *out = NEST_BUF(b, OUTPUT, "out", 12);
  nest_fn(b, "lanes", false);
  Val a = nest_let(b, "a", nest_load(b, nest_at(b, in, 0), 4)),
      c = nest_let(b, "c", nest_load(b, nest_at(b, in, 4), 4));
  nest_store(b, nest_at(b, out, 0), shuffle(a, c, 4, (int[]){7, 5, 3, 1}));
  NEST_UNROLL(b, i, 4) nest_store(b, nest_at(b, out, 4 + i), lane_at(b, a, &i));
  NEST_UNROLL(b, i, 4) nest_store(b, nest_at(b, out, 11 - i), lane_at(b, add(c, a), &i));
  double *x = cases_numbers(cases->arena, 8, 2), *want = NEW_ARRAY(cases->arena, double, 12);
  for (int i = 0; i < 4; i++) {
    want[i] = x[7 - 2 * i];
    want[4 + i] = x[i];
    want[11 - i] = x[4 + i] + x[i];
  }
  cases_check(cases, b, CASE_RUN(x), want, 0);
}

/* With 1 lane: only operations that the generic target can print. */
static void other_cases(Cases *cases, int lanes) {
  byte_case(cases, U8, 1);
  byte_case(cases, I8, 1);
  byte_case(cases, I16, 1);
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
  byte_case(cases, I16, 4);
  if (lanes >= 8) {
    math_case(cases, 8);
    byte_case(cases, U8, 8);
    byte_case(cases, I8, 8);
    byte_case(cases, I16, 8);
  }
  if (lanes >= 16) math_case(cases, 16);
}

/* ---- the tests ---- */
static void finish(Cases *cases, const char *attribute, int lanes_max, bool fused, int nflags) {
  cases_compile(cases, attribute, lanes_max, fused, nflags);
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

/* The baseline CPU: vectors of four floats, functions without a target attribute. */
static void test_narrow(void) {
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

static void test_generic(void) { /* no vector type in the printed C, so any compiler accepts it */
  Cases *cases = cases_new();
  conv_case(
      cases,
      (Conv){.h = 9, .w = 7, .ci = 3, .co = 5, .k = 3, .s = 1, .p = 1, .relu = true, .nv = 1, .lanes = 1},
      true);
  other_cases(cases, 1);
  const char *text = cases_print(cases, "", "", 1);
  CU_ASSERT(!strstr(text, "vector_size") && !strstr(text, "__builtin_mem"));
  finish(cases, "", 1, false, 3);
}

/* ---- text: the same each time, and as expected ---- */
static void test_text(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "scale", "twice the input, at least 0.1");
  Buf *in = NEST_BUF(b, INPUT, "in", 8, 3), *out = NEST_BUF(b, OUTPUT, "out", 8, 3);
  nest_fn(b, "scale", false);
  NEST_PARALLEL(b, y, 8)
    NEST_FOR(b, c, 3)
      nest_store(b, nest_at(b, out, y, c),
                 vmax(mul(nest_load(b, nest_at(b, in, y, c), 1), num(b, 2)), num(b, .1)));
  CU_ASSERT_FATAL(cases_prove(b));
  nest_simplify(b);
  PreludeNeeds needs = {0};
  NestPrint print = {.names = {"", "", "", .helium = false}, .lanes_max = 1, .team = true, .needs = &needs};
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

static void test_joined_text(void) { /* directly nested parallel loops are one range for the team */
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "tiles", "");
  Buf *out = NEST_BUF(b, OUTPUT, "out", 5, 3, 4);
  nest_fn(b, "tiles", false);
  NEST_PARALLEL(b, n, 5)
    NEST_PARALLEL(b, u, 3)
      NEST_PARALLEL(b, t, 4) nest_store(b, nest_at(b, out, n, u, t), num(b, 1));
  CU_ASSERT_FATAL(cases_prove(b));
  nest_simplify(b);
  PreludeNeeds needs = {0};
  NestPrint print = {.names = {"", "", "", .helium = false}, .lanes_max = 1, .team = true, .needs = &needs};
  Text text = {.arena = arena};
  emit_nest(&text, b, &print);
  const char *expected =
      "  for (int round = SHARE(0, 5*3*4, thread), round_end = SHARE(0, 5*3*4, thread + 1); "
      "round < round_end; round++) {\n"
      "    const int n = round/(3*4);\n"
      "    const int u = round/4%3;\n"
      "    const int t = round%4;\n"
      "    out[n][u][t] = 1.f;\n"
      "  }\n";
  CU_ASSERT(strstr(text.s, expected) != NULL);
  arena_free(arena);
}

static void test_values(void) { /* constants are folded, multiply-adds fused, repeated values named */
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "values", "");
  Buf *in = NEST_BUF(b, INPUT, "in", 4);
  nest_fn(b, "values", false);
  Val x = nest_load(b, nest_at(b, in, 0), 1), y = nest_load(b, nest_at(b, in, 1), 1);
  CU_ASSERT_PTR_EQUAL(add(x, num(b, 0)), x);
  CU_ASSERT_PTR_EQUAL(mul(num(b, 1), x), x);
  CU_ASSERT_EQUAL(add(num(b, 2), num(b, 3))->num, 5);
  CU_ASSERT_EQUAL(add(mul(x, y), x)->op, FMA);
  CU_ASSERT_EQUAL(add(x, mul(x, y))->op, FMA);
  CU_ASSERT_EQUAL(fma_(x, num(b, 1), y)->op, ADD);
  CU_ASSERT_EQUAL(fma_(x, y, num(b, 0))->op, MUL);
  Val e = x;
  /* without names for repeated values, this would be a tree of 2^60 nodes */
  for (int i = 0; i < 60; i++) e = add(e, vexp(e));
  Buf *out = NEST_BUF(b, OUTPUT, "out", 1);
  nest_store(b, nest_at(b, out, 0), e);
  CU_ASSERT(cases_prove(b));
  arena_free(arena);
}

static const Key *scaled(Arena *arena, const char *name, double factor, bool team) {
  Nest *b = nest_new(arena, name, name);
  Buf *in = NEST_BUF(b, INPUT, "in", 8), *unused = NEST_BUF(b, INPUT, name, 3);
  Buf *out = NEST_BUF(b, OUTPUT, "out", 8);
  (void)unused;
  nest_fn(b, name, false);
  NEST_PARALLEL(b, y, 8)
    nest_store(b, nest_at(b, out, y), mul(nest_load(b, nest_at(b, in, y), 1), num(b, factor)));
  CU_ASSERT(cases_prove(b));
  return nest_key(arena, b, team);
}

static void test_keys(void) { /* nests with equal keys share one C function */
  Arena *arena = arena_new();
  const Key *key = scaled(arena, "a", -2, false);
  CU_ASSERT(key_equal(key, scaled(arena, "another", -2, false)));
  CU_ASSERT(!key_equal(key, scaled(arena, "a", -3, false)));
  CU_ASSERT(!key_equal(key, scaled(arena, "a", -2, true)));
  CU_ASSERT(!key_equal(scaled(arena, "a", 0.0, false), scaled(arena, "a", -0.0, false)));
  arena_free(arena);
}

/* Heads are groups of channels of each pixel: the rows of one head are interleaved with the rows of the other
 * heads. */
static void test_room(void) {
  Buf heads = {.rank = 4, .dim = {20, 1, 12, 1}, .room = {20, 1, 12, 20}, .apart = 1}, few = heads,
      all = heads;
  CU_ASSERT_EQUAL(buf_room(&heads, 0), 12 * 20);
  CU_ASSERT_EQUAL(buf_room(&heads, 1), 1);
  CU_ASSERT_EQUAL(buf_room(&heads, 2), 12 * 20);
  CU_ASSERT(!buf_contiguous(&heads));
  few.room[3] = 1, few.apart = 30; /* rows with other elements between them */
  CU_ASSERT_EQUAL(buf_room(&few, 0), 20 * 30);
  CU_ASSERT(!buf_contiguous(&few));
  all.room[3] = 1, all.apart = 0;
  CU_ASSERT_EQUAL(buf_room(&all, 0), 20 * 12);
  CU_ASSERT(buf_contiguous(&all));
}

CU_TestInfo suite_nest[] = {{"values: folded, fused, named", test_values},
                            {"text of C and dump", test_text},
                            {"text of joined loops", test_joined_text},
                            {"keys of equal and different nests", test_keys},
                            {"memory of interleaved rows", test_room},
                            {"kernels: reference, interpreter, compiled C", test_kernels},
                            {"kernels on the baseline CPU", test_narrow},
                            {"sizes, tails, bytes, integers, functions, names", test_language},
                            {"scalar C for any compiler", test_generic},
                            CU_TEST_INFO_NULL};
