/* nest_kernels.c: Kernels as nests: direct convolution (like the reference schedule, and tiled by pixels and
 * vectors), Winograd F(4x4,3x3), weight gradient, LeNet's fused layers, dense, pooling. Tests prove, run,
 * print and mutate these nests. The schedules of the compiler are separate, in compiler/schedule/.
 *
 *     out[y][x][f] = act(bias[f] + sum over ky, kx, c of in[y*S + ky - P][x*S + kx - P][c] * w[ky][kx][c][f])
 *
 * Weights of the tiled convolution are packed w[f/N][c/CB][ky][kx][c%CB][f%N], N = nv * lanes. The range of
 * ky excludes rows outside the input. In the tiles at the left and right edges, conditions on unrolled
 * constants exclude columns outside the input. */
// SPDX-License-Identifier: Apache-2.0
#include "nest_kernels.h"
#include "nest/build.h"

int conv_oh(const Conv *c) { return (c->h + 2 * c->p - c->k) / c->s + 1; }
int conv_ow(const Conv *c) { return (c->w + 2 * c->p - c->k) / c->s + 1; }

/* The formula in the file's first comment, computed like the reference schedule. */
Nest *conv_plain(Arena *arena, const char *name, const Conv *conv) {
  const int H = conv->h, W = conv->w, CI = conv->ci, CO = conv->co, K = conv->k, S = conv->s, P = conv->p,
            OH = conv_oh(conv), OW = conv_ow(conv);
  Nest *b = nest_new(arena, name,
                     arena_printf(arena, "conv %dx%d stride %d pad %d: %dx%dx%d -> %dx%dx%d, plain", K, K, S,
                                  P, H, W, CI, OH, OW, CO));
  Buf *in = NEST_BUF(b, INPUT, "in", H, W, CI), *w = NEST_BUF(b, WEIGHTS, "w", K, K, CI, CO),
      *bias = NEST_BUF(b, WEIGHTS, "bias", CO), *out = NEST_BUF(b, OUTPUT, "out", OH, OW, CO);
  nest_fn(b, name, false);
  NEST_FOR(b, y, OH)
    NEST_FOR(b, x, OW)
      NEST_FOR(b, f, CO) {
        Buf *sum = NEST_REGISTERS(b, "sum", 1, 1);
        nest_store(b, nest_at(b, sum, 0), nest_load(b, nest_at(b, bias, f), 1));
        NEST_CLIP(b, ky, 0, P - y * S, K, H + P - y * S)
          NEST_CLIP(b, kx, 0, P - x * S, K, W + P - x * S)
            NEST_FOR(b, c, CI)
              nest_accumulate(b, nest_at(b, sum, 0),
                              nest_load(b, nest_at(b, in, y * S + ky - P, x * S + kx - P, c), 1),
                              nest_load(b, nest_at(b, w, ky, kx, c, f), 1));
        nest_store(b, nest_at(b, out, y, x, f),
                   conv->relu ? vmax(nest_get(b, nest_at(b, sum, 0)), num(b, 0))
                              : nest_get(b, nest_at(b, sum, 0)));
      }
  return b;
}

/* One tile of PX output pixels from (y, x0), for block ib of the input channels and block cb of the output
 * channels. */
static NestFn *tile(Nest *b, const Conv *conv, int PX, Buf *in, Buf *w, Buf *bias, Buf *out) {
  const int W = conv->w, H = conv->h, K = conv->k, S = conv->s, P = conv->p, CB = conv->cb, L = conv->lanes,
            NV = conv->nv, N = NV * L;
  const int panel = K * K * CB * N, share = panel / conv_oh(conv) / L *
                                            L; /* part of the next panel that each row of tiles prefetches */
  NestFn *fn = nest_fn(b, nest_text(b, "tile%d", PX), true);
  const Ix y = nest_arg(b, "y"), x0 = nest_arg(b, "x0"), cb = nest_arg(b, "cb"), ib = nest_arg(b, "ib");
  const Ix left = nest_flag(b, "left"), right = nest_flag(b, "right"), first = nest_flag(b, "first"),
           last = nest_flag(b, "last");
  Buf *a = NEST_REGISTERS(b, "a", L, PX, NV);
  NEST_UNROLL(b, p, PX)
    NEST_UNROLL(b, v, NV)
      nest_store(b, nest_at(b, a, p, v),
                 pick(b, nest_yes(b, first), nest_load(b, nest_at(b, bias, N * cb + L * v), L),
                      nest_load(b, nest_at(b, out, y, x0 + p, N * cb + L * v), L)));
  NEST_CLIP(b, ky, 0, P - y * S, K, H + P - y * S) {
    NEST_UNROLL(b, kx, K) {
      Buf *i = NEST_VIEW(b, "i", in, y * S + ky - P, x0 * S + kx - P, CB * ib);
      nest_pin(b, i);
      NEST_FOR(b, c, CB) {
        NEST_IF(b, nest_is(b, kx, 0))
          nest_prefetch(b, w, panel * (cb * (conv->ci / CB) + ib + 1) + share * y + L * (CB * ky + c));
        Val wv[8];
        for (int v = 0; v < NV; v++)
          wv[v] =
              nest_let(b, nest_text(b, "w%d", v), nest_load(b, nest_at(b, w, cb, ib, ky, kx, c, L * v), L));
        NEST_UNROLL(b, p, PX)
          NEST_IF(b, cond_or(nest_no(b, left), nest_at_least(b, (x0 + p) * S + kx - P, 0)))
            NEST_IF(b, cond_or(nest_no(b, right), nest_below(b, (x0 + p) * S + kx - P, W)))
              for (int v = 0; v < NV; v++)
                nest_accumulate(b, nest_at(b, a, p, v), nest_load(b, nest_at(b, i, 0, p * S, c), 1), wv[v]);
      }
    }
  }
  NEST_UNROLL(b, p, PX)
    NEST_UNROLL(b, v, NV) {
      Val r = nest_get(b, nest_at(b, a, p, v));
      nest_store(b, nest_at(b, out, y, x0 + p, N * cb + L * v),
                 conv->relu ? pick(b, nest_yes(b, last), vmax(r, num(b, 0)), r) : r);
    }
  return fn;
}

Nest *conv_direct(Arena *arena, const char *name, Conv conv) {
  const int K = conv.k, S = conv.s, P = conv.p, L = conv.lanes, N = conv.nv * L, CB = conv.cb,
            OH = conv_oh(&conv), OW = conv_ow(&conv), PX = conv.px;
  const int blocks = conv.ci / CB, whole = OW / PX, rest = OW % PX;
  Nest *b = nest_new(arena, name,
                     arena_printf(arena,
                                  "conv %dx%d stride %d pad %d%s: %dx%dx%d -> %dx%dx%d; tile %d pixels x %d "
                                  "vectors of %d, %d input channels per block",
                                  K, K, S, P, conv.relu ? " + relu" : "", conv.h, conv.w, conv.ci, OH, OW,
                                  conv.co, PX, conv.nv, L, CB));
  Buf *in = NEST_BUF(b, INPUT, "in", conv.h, conv.w, conv.ci),
      *w = NEST_BUF(b, WEIGHTS, "w", conv.co / N, blocks, K, K, CB, N);
  Buf *bias = NEST_BUF(b, WEIGHTS, "bias", conv.co), *out = NEST_BUF(b, OUTPUT, "out", OH, OW, conv.co);
  NestFn *body = tile(b, &conv, PX, in, w, bias, out),
         *tail = rest ? tile(b, &conv, rest, in, w, bias, out) : NULL;

  /* All rows, for one block of input and output channels: edge tiles one by one, the other tiles in a
   * loop. */
  NestFn *rows = nest_fn(b, "rows", false);
  const Ix block_f = nest_arg(b, "cb"), block_c = nest_arg(b, "ib"), first = nest_flag(b, "first"),
           last = nest_flag(b, "last");
  NEST_FOR(b, y, OH)
    for (int t = 0, n; t < whole + (rest > 0); t += n) {
      int left = t * PX * S - P < 0, right = ((t + 1) * PX - 1) * S + K - 1 - P >= conv.w || t >= whole;
      n = 1;
      while (!left && !right && t + n < whole && ((t + n + 1) * PX - 1) * S + K - 1 - P < conv.w) n++;
      if (n == 1)
        nest_call(b, t < whole ? body : tail, y, t * PX, block_f, block_c, left, right, first, last);
      else
        NEST_FROM(b, i, t, t + n) nest_call(b, body, y, i * PX, block_f, block_c, left, right, first, last);
    }

  nest_fn(b, name, false);
  NEST_FOR(b, cb, conv.co / N) {
    nest_call(b, rows, cb, 0, 1, blocks == 1);
    if (blocks > 2)
      NEST_FROM(b, ib, 1, blocks - 1) nest_call(b, rows, cb, ib, 0, 0);
    if (blocks > 1) nest_call(b, rows, cb, blocks - 1, 0, 1);
  }
  return b;
}

/* ---- Winograd (Lavin & Gray 2015) ----
 * V[xi][t][c]: the transformed input tiles of a block of whole rows of tiles.
 * U[f/32][xi][c][32]: the transformed weights.
 * M[xi][t][f] = sum over c of V[xi][t][c] * U[xi][c][f]; the output transform turns M into 4x4 pixels. */
enum { L = 16, N = 32 };

static Val scaled(Nest *b, double k, Val x) { return mul(num(b, k), x); }

static void input_1d(Nest *b, Val x[6], Val y[6]) { /* y = B^T x */
  Val p = nest_let(b, "p", sub(x[4], scaled(b, 4, x[2]))),
      q = nest_let(b, "q", sub(x[3], scaled(b, 4, x[1])));
  Val r = nest_let(b, "r", sub(x[4], x[2])), s = nest_let(b, "s", scaled(b, 2, sub(x[3], x[1])));
  y[0] = add(sub(scaled(b, 4, x[0]), scaled(b, 5, x[2])), x[4]);
  y[1] = add(p, q);
  y[2] = sub(p, q);
  y[3] = add(r, s);
  y[4] = sub(r, s);
  y[5] = add(sub(scaled(b, 4, x[1]), scaled(b, 5, x[3])), x[5]);
}

static void output_1d(Nest *b, Val x[6], Val y[4]) { /* y = A^T x */
  Val p = nest_let(b, "p", add(x[1], x[2])), q = nest_let(b, "q", sub(x[1], x[2])),
      r = nest_let(b, "r", add(x[3], x[4])), s = nest_let(b, "s", sub(x[3], x[4]));
  y[0] = add(add(x[0], p), r);
  y[1] = add(q, scaled(b, 2, s));
  y[2] = add(p, scaled(b, 4, r));
  y[3] = add(add(q, scaled(b, 8, s)), x[5]);
}

/* Transforms a 6x6 tile of 16 channels at src[y][x][c] into V[0..35][t][cv]. */
static void input_tile(Nest *b, Buf *src, const Ix *y, const Ix *x, const Ix *c, Buf *V, const Ix *t,
                       const Ix *cv) {
  Buf *d = NEST_REGISTERS(b, "d", L, 6, 6);
  Val in[6], out[6];
  NEST_UNROLL(b, i, 6) {
    for (int k = 0; k < 6; k++)
      in[k] = nest_let(b, nest_text(b, "x%d", k), nest_load(b, nest_at(b, src, *y + k, *x + i, *c), L));
    input_1d(b, in, out);
    for (int k = 0; k < 6; k++) nest_store(b, nest_at(b, d, k, i), out[k]);
  }
  NEST_UNROLL(b, i, 6) {
    for (int k = 0; k < 6; k++) in[k] = nest_get(b, nest_at(b, d, i, k));
    input_1d(b, in, out);
    for (int k = 0; k < 6; k++) nest_store(b, nest_at(b, V, 6 * i + k, *t, *cv), out[k]);
  }
}

static NestFn *micro(Nest *b, int PX, int CI, Buf *V, Buf *U, Buf *M) { /* PX tiles x 32 filters */
  NestFn *fn = nest_fn(b, nest_text(b, "gemm%d", PX), true);
  /* f: filter block; m: index of this block in M; nth: index of the call among the calls for this panel */
  const Ix xi = nest_arg(b, "xi"), t = nest_arg(b, "t"), f = nest_arg(b, "f"), m = nest_arg(b, "m"),
           nth = nest_arg(b, "nth");
  Buf *a = NEST_REGISTERS(b, "a", L, PX, 2);
  NEST_UNROLL(b, p, PX)
    NEST_UNROLL(b, v, 2) nest_store(b, nest_at(b, a, p, v), num(b, 0));
  NEST_FOR(b, c, CI) {
    nest_prefetch(b, U, CI * N * (36 * f + xi + 1) + L * nth + N * c);
    Val w0 = nest_let(b, "w0", nest_load(b, nest_at(b, U, f, xi, c, 0), L)),
        w1 = nest_let(b, "w1", nest_load(b, nest_at(b, U, f, xi, c, L), L));
    NEST_UNROLL(b, p, PX) {
      nest_accumulate(b, nest_at(b, a, p, 0), nest_load(b, nest_at(b, V, xi, t + p, c), 1), w0);
      nest_accumulate(b, nest_at(b, a, p, 1), nest_load(b, nest_at(b, V, xi, t + p, c), 1), w1);
    }
  }
  NEST_UNROLL(b, p, PX)
    NEST_UNROLL(b, v, 2)
      nest_store(b, nest_at(b, M, xi, t + p, N * m + L * v), nest_get(b, nest_at(b, a, p, v)));
  return fn;
}

/* Transforms tile (ty, tx) of the input into tile t of V. */
static NestFn *winograd_input(Nest *b, Buf *in, Buf *V, int H, int CI) {
  NestFn *split = nest_fn(b, "input", true);
  const Ix ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t");
  const Ix y0 = 4 * ty - 1, x0 = 4 * tx - 1;
  NEST_IF(b, cond_and(nest_within(b, y0, 0, H - 5), nest_within(b, x0, 0, H - 5))) {
    NEST_FROM(b, y, 2, 6)
      NEST_FOR(b, c, 4 * CI / L)
        nest_prefetch(b, in, H * CI * (y0 + y) + CI * (x0 + 14) + L * c); /* three tiles ahead */
    NEST_FOR(b, c, CI / L) {
      const Ix c0 = L * c;
      input_tile(b, in, &y0, &x0, &c0, V, &t, &c0);
    }
  }
  NEST_ELSE(b)
    NEST_FOR(b, c, CI / L) {
      const Ix c0 = L * c, zero = 0 * c;
      Buf *g = nest_buf(b, STACK, "g", (Type){F32, 1}, NEST_DIMS(6, 6, L));
      NEST_FOR(b, y, 6)
        NEST_FOR(b, x, 6)
          nest_store(b, nest_at(b, g, y, x, 0),
                     pick(b, cond_and(nest_within(b, y0 + y, 0, H), nest_within(b, x0 + x, 0, H)),
                          nest_load(b, nest_at(b, in, y0 + y, x0 + x, c0), L), num(b, 0)));
      input_tile(b, g, &zero, &zero, &zero, V, &t, &c0);
    }
  return split;
}

/* Transforms tile t of M into the pixels of tile (ty, tx), for the filters from 32*f on. */
static NestFn *winograd_output(Nest *b, Buf *M, Buf *bias, Buf *out, int H, int ncb) {
  NestFn *join = nest_fn(b, "output", true);
  const Ix ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t"), f = nest_arg(b, "f");
  NEST_FOR(b, c, N * ncb / L) {
    Buf *d = NEST_REGISTERS(b, "d", L, 4, 6);
    Val x[6], y[4];
    NEST_UNROLL(b, i, 6) {
      for (int k = 0; k < 6; k++)
        x[k] = nest_let(b, nest_text(b, "x%d", k), nest_load(b, nest_at(b, M, 6 * k + i, t, L * c), L));
      output_1d(b, x, y);
      for (int k = 0; k < 4; k++) nest_store(b, nest_at(b, d, k, i), y[k]);
    }
    Val bv = nest_let(b, "bv", nest_load(b, nest_at(b, bias, N * f + L * c), L));
    NEST_UNROLL(b, i, 4)
      NEST_IF(b, nest_below(b, 4 * ty + i, H)) {
        for (int k = 0; k < 6; k++) x[k] = nest_get(b, nest_at(b, d, i, k));
        output_1d(b, x, y);
        for (int k = 0; k < 4; k++)
          NEST_IF(b, nest_below(b, 4 * tx + k, H))
            nest_store(b, nest_at(b, out, 4 * ty + i, 4 * tx + k, N * f + L * c),
                       vmax(add(y[k], bv), num(b, 0)));
      }
  }
  return join;
}

Nest *conv_winograd(Arena *arena, const char *name, int H, int CI, int CO, int rows, int ncb) {
  const int NT = (H + 3) / 4, T = rows * NT;
  Nest *b = nest_new(
      arena, name,
      arena_printf(arena,
                   "conv 3x3 pad 1 + relu: %dx%dx%d -> %dx%dx%d; Winograd F(4x4,3x3), blocks of %d tiles", H,
                   H, CI, H, H, CO, T));
  Buf *in = NEST_BUF(b, INPUT, "in", H, H, CI), *U = NEST_BUF(b, WEIGHTS, "U", CO / N, 36, CI, N),
      *bias = NEST_BUF(b, WEIGHTS, "bias", CO), *out = NEST_BUF(b, OUTPUT, "out", H, H, CO);
  /* V's rows are padded against cache-set conflicts */
  Buf *V = NEST_BUF(b, WORK, "V", 36, T, CI + 16), *M = NEST_BUF(b, WORK, "M", 36, T, N * ncb);

  NestFn *split = winograd_input(b, in, V, H, CI), *join = winograd_output(b, M, bias, out, H, ncb);
  const int whole = T / 14, rest = T % 14;
  NestFn *body = whole ? micro(b, 14, CI, V, U, M) : NULL, *tail = rest ? micro(b, rest, CI, V, U, M) : NULL;

  NestFn *block = nest_fn(b, "block", false); /* computes n rows of tiles from ty on */
  {
    const Ix ty = nest_arg(b, "ty"), n = nest_arg(b, "n");
    NEST_FOR(b, r, n)
      NEST_FOR(b, tx, NT) nest_call(b, split, ty + r, tx, NT * r + tx);
    NEST_FOR(b, g, CO / N / ncb) {
      NEST_FOR(b, xi, 36)
        NEST_FOR(b, m, ncb) {
          if (whole)
            NEST_FOR(b, i, whole) nest_call(b, body, xi, 14 * i, ncb * g + m, m, i);
          if (rest) nest_call(b, tail, xi, 14 * whole, ncb * g + m, m, whole);
        }
      NEST_FOR(b, r, n)
        NEST_FOR(b, tx, NT) nest_call(b, join, ty + r, tx, NT * r + tx, ncb * g);
    }
  }
  /* `rows` divides NT here; otherwise another function would compute the smaller last block */
  nest_fn(b, name, false);
  NEST_FOR(b, k, NT / rows) nest_call(b, block, rows * k, rows);
  return b;
}

/* dw[ky][kx][c][f] = sum over y, x of in[y + ky - P][x + kx - P][c] * dout[y][x][f]: 8 input channels x 2
 * vectors of filters in registers. */
Nest *conv_weight_gradient(Arena *arena, const char *name, int H, int CI, int CO, int K) {
  const int P = K / 2;
  Nest *b = nest_new(
      arena, name,
      arena_printf(arena, "weight gradient of conv %dx%d: %dx%dx%d, %d filters", K, K, H, H, CI, CO));
  Buf *in = NEST_BUF(b, INPUT, "in", H, H, CI), *dout = NEST_BUF(b, INPUT, "dout", H, H, CO),
      *out = NEST_BUF(b, OUTPUT, "out", K, K, CI, CO);
  nest_fn(b, name, false);
  NEST_PARALLEL(b, f, CO / N)
    NEST_FOR(b, ky, K)
      NEST_FOR(b, kx, K)
        NEST_FOR(b, c, CI / 8) {
          Buf *a = NEST_REGISTERS(b, "a", L, 8, 2);
          NEST_UNROLL(b, p, 8)
            NEST_UNROLL(b, v, 2) nest_store(b, nest_at(b, a, p, v), num(b, 0));
          NEST_CLIP(b, y, 0, P - ky, H, H + P - ky)
            NEST_CLIP(b, x, 0, P - kx, H, H + P - kx) {
              Val w0 = nest_let(b, "d0", nest_load(b, nest_at(b, dout, y, x, N * f), L)),
                  w1 = nest_let(b, "d1", nest_load(b, nest_at(b, dout, y, x, N * f + L), L));
              NEST_UNROLL(b, p, 8) {
                nest_accumulate(b, nest_at(b, a, p, 0),
                                nest_load(b, nest_at(b, in, y + ky - P, x + kx - P, 8 * c + p), 1), w0);
                nest_accumulate(b, nest_at(b, a, p, 1),
                                nest_load(b, nest_at(b, in, y + ky - P, x + kx - P, 8 * c + p), 1), w1);
              }
            }
          NEST_UNROLL(b, p, 8)
            NEST_UNROLL(b, v, 2)
              nest_store(b, nest_at(b, out, ky, kx, 8 * c + p, N * f + L * v),
                         nest_get(b, nest_at(b, a, p, v)));
        }
  return b;
}

/* ---- LeNet-5 ---- */

/* One input channel: two vectors have the output columns 0..15 and 12..27; the pooling is a shuffle. */
Nest *lenet_conv1(Arena *arena, const char *name) {
  Nest *b = nest_new(
      arena, name,
      "conv 5x5 pad 2 + relu + max pool 2x2: 28x28x1 -> 14x14x6; vectors of columns 0..15 and 12..27");
  Buf *in = NEST_BUF(b, INPUT, "in", 28, 28), *w = NEST_BUF(b, WEIGHTS, "w", 5, 5, 6),
      *bias = NEST_BUF(b, WEIGHTS, "bias", 6), *out = NEST_BUF(b, OUTPUT, "out", 14, 14, 6),
      *pad = NEST_BUF(b, WORK, "pad", 32, 48);
  nest_fn(b, name, false);
  nest_comment(b, "the input in a border of zeros");
  NEST_FOR(b, r, 32)
    NEST_FOR(b, c, 3) nest_store(b, nest_at(b, pad, r, L * c), splat(num(b, 0), L));
  NEST_FOR(b, r, 28) {
    nest_store(b, nest_at(b, pad, r + 2, 2), nest_load(b, nest_at(b, in, r, 0), L));
    nest_store(b, nest_at(b, pad, r + 2, 14), nest_load(b, nest_at(b, in, r, 12), L));
  }
  NEST_FOR(b, y, 14) {
    /* axes: filter; vector (upper row left, upper row right, lower row left, lower row right) */
    Buf *a = NEST_REGISTERS(b, "a", L, 6, 4);
    NEST_UNROLL(b, f, 6)
      NEST_UNROLL(b, k, 4) nest_store(b, nest_at(b, a, f, k), nest_load(b, nest_at(b, bias, f), 1));
    NEST_UNROLL(b, ky, 6)
      NEST_UNROLL(b, kx, 5) {
        Buf *wk = NEST_VIEW(b, "k", w, ky, kx, 0);
        /* otherwise clang would keep the weights of a row for the next row, and spill registers */
        nest_pin(b, wk);
        Val l = nest_let(b, "l", nest_load(b, nest_at(b, pad, 2 * y + ky, kx), L)),
            r = nest_let(b, "r", nest_load(b, nest_at(b, pad, 2 * y + ky, kx + 12), L));
        NEST_UNROLL(b, f, 6) {
          NEST_IF(b, nest_below(b, ky, 5)) {
            nest_accumulate(b, nest_at(b, a, f, 0), l, nest_load(b, nest_at(b, wk, 0, 0, f), 1));
            nest_accumulate(b, nest_at(b, a, f, 1), r, nest_load(b, nest_at(b, wk, 0, 0, f), 1));
          }
          NEST_IF(b, nest_at_least(b, ky, 1)) {
            nest_accumulate(b, nest_at(b, a, f, 2), l, nest_load(b, nest_at(b, wk, -1, 0, f), 1));
            nest_accumulate(b, nest_at(b, a, f, 3), r, nest_load(b, nest_at(b, wk, -1, 0, f), 1));
          }
        }
      }
    NEST_UNROLL(b, f, 6) {
      Val left =
          nest_let(b, "left",
                   vmax(vmax(nest_get(b, nest_at(b, a, f, 0)), nest_get(b, nest_at(b, a, f, 2))), num(b, 0)));
      Val right =
          nest_let(b, "right",
                   vmax(vmax(nest_get(b, nest_at(b, a, f, 1)), nest_get(b, nest_at(b, a, f, 3))), num(b, 0)));
      Val even = shuffle(left, right, L, (int[]){0, 2, 4, 6, 8, 10, 12, 14, 20, 22, 24, 26, 28, 30, 30, 30});
      Val odd = shuffle(left, right, L, (int[]){1, 3, 5, 7, 9, 11, 13, 15, 21, 23, 25, 27, 29, 31, 31, 31});
      Val m = nest_let(b, "m", vmax(even, odd));
      NEST_UNROLL(b, x, 14) nest_store(b, nest_at(b, out, y, x, f), lane_at(b, m, &x));
    }
  }
  return b;
}

/* A vector contains the 16 filters. For a pooled row, 2 rows of 10 pixels are in 20 registers. The input is
 * viewed as rows of 14*6 floats, so that one loop runs over kx and the channel. */
Nest *lenet_conv2(Arena *arena, const char *name) {
  Nest *b = nest_new(
      arena, name,
      "conv 5x5 + relu + max pool 2x2: 14x14x6 -> 5x5x16; one vector of filters, two rows of 10 pixels");
  Buf *in = NEST_BUF(b, INPUT, "in", 14, 84), *w = NEST_BUF(b, WEIGHTS, "w", 5, 30, 16),
      *bias = NEST_BUF(b, WEIGHTS, "bias", 16), *out = NEST_BUF(b, OUTPUT, "out", 5, 5, 16);
  nest_fn(b, name, false);
  NEST_FOR(b, y, 5) {
    Buf *a = NEST_REGISTERS(b, "a", L, 2, 10);
    NEST_UNROLL(b, r, 2)
      NEST_UNROLL(b, p, 10) nest_store(b, nest_at(b, a, r, p), nest_load(b, nest_at(b, bias, 0), L));
    NEST_FOR(b, ky, 5)
      NEST_FOR(b, k, 30) {
        Val wv = nest_let(b, "w0", nest_load(b, nest_at(b, w, ky, k, 0), L));
        NEST_UNROLL(b, p, 10)
          NEST_UNROLL(b, r, 2)
            nest_accumulate(b, nest_at(b, a, r, p),
                            nest_load(b, nest_at(b, in, 2 * y + ky + r, 6 * p + k), 1), wv);
      }
    NEST_UNROLL(b, p, 5) {
      Val top = vmax(nest_get(b, nest_at(b, a, 0, 2 * p)), nest_get(b, nest_at(b, a, 0, 2 * p + 1))),
          low = vmax(nest_get(b, nest_at(b, a, 1, 2 * p)), nest_get(b, nest_at(b, a, 1, 2 * p + 1)));
      nest_store(b, nest_at(b, out, y, p, 0), vmax(vmax(top, low), num(b, 0)));
    }
  }
  return b;
}

/* For one image: NV vectors of outputs at a time. The reduction is split into U parts, so that there are
 * enough independent sums. */
Nest *dense(Arena *arena, const char *name, int I, int O, int NV, int U, bool relu) {
  Nest *b = nest_new(arena, name,
                     arena_printf(arena, "dense%s: %d -> %d; %d vectors, reduction split %d ways",
                                  relu ? " + relu" : "", I, O, NV, U));
  const int width = L * NV;
  Buf *in = NEST_BUF(b, INPUT, "in", I), *w = NEST_BUF(b, WEIGHTS, "w", O / width, I, width),
      *bias = NEST_BUF(b, WEIGHTS, "bias", O), *out = NEST_BUF(b, OUTPUT, "out", O);
  nest_fn(b, name, false);
  NEST_FOR(b, f, O / width) {
    Buf *a = NEST_REGISTERS(b, "a", L, U, NV);
    NEST_UNROLL(b, u, U)
      NEST_UNROLL(b, v, NV)
        nest_store(
            b, nest_at(b, a, u, v),
            pick(b, nest_is(b, u, 0), nest_load(b, nest_at(b, bias, width * f + L * v), L), num(b, 0)));
    NEST_FOR(b, i, I / U)
      NEST_UNROLL(b, u, U)
        NEST_UNROLL(b, v, NV)
          nest_accumulate(b, nest_at(b, a, u, v), nest_load(b, nest_at(b, in, U * i + u), 1),
                          nest_load(b, nest_at(b, w, f, U * i + u, L * v), L));
    NEST_UNROLL(b, v, NV) {
      Val sum = nest_get(b, nest_at(b, a, 0, v));
      for (int u = 1; u < U; u++) sum = add(sum, nest_get(b, nest_at(b, a, u, v)));
      nest_store(b, nest_at(b, out, width * f + L * v), relu ? vmax(sum, num(b, 0)) : sum);
    }
  }
  return b;
}

Nest *max_pool2(Arena *arena, const char *name, int H, int W, int C) {
  Nest *b = nest_new(arena, name,
                     arena_printf(arena, "max pool 2x2: %dx%dx%d -> %dx%dx%d", H, W, C, H / 2, W / 2, C));
  Buf *in = NEST_BUF(b, INPUT, "in", H, W, C), *out = NEST_BUF(b, OUTPUT, "out", H / 2, W / 2, C);
  nest_fn(b, name, false);
  NEST_PARALLEL(b, y, H / 2)
    NEST_FOR(b, x, W / 2)
      NEST_FOR(b, c, C / L) {
        Val top = vmax(nest_load(b, nest_at(b, in, 2 * y, 2 * x, L * c), L),
                       nest_load(b, nest_at(b, in, 2 * y, 2 * x + 1, L * c), L));
        Val low = vmax(nest_load(b, nest_at(b, in, 2 * y + 1, 2 * x, L * c), L),
                       nest_load(b, nest_at(b, in, 2 * y + 1, 2 * x + 1, L * c), L));
        nest_store(b, nest_at(b, out, y, x, L * c), vmax(top, low));
      }
  return b;
}
