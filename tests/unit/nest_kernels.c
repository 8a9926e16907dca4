/* nest_kernels.c: direct convolution (also plain, tiled by pixels and vectors), Winograd F(4x4,3x3), weight
 * gradient, LeNet's fused layers, dense, pooling: what the tests of the middle prove, run, print and mutate.
 * The schedules of the compiler are in compiler/schedule/.
 *
 *     out[y][x][f] = act(bias[f] + sum over ky, kx, c of in[y*S + ky - P][x*S + kx - P][c] * w[ky][kx][c][f])
 *
 * Weights of the tiled one are packed w[f/N][c/CB][ky][kx][c%CB][f%N], N = nv * lanes. Rows outside the input
 * are cut from the range of ky; columns outside, in the tiles at the left and right edge, are conditions on
 * unrolled constants. */
// SPDX-License-Identifier: Apache-2.0
#include "nest_kernels.h"
#include "nest/build.h"

int conv_oh(const Conv *c) { return (c->h + 2 * c->p - c->k) / c->s + 1; }
int conv_ow(const Conv *c) { return (c->w + 2 * c->p - c->k) / c->s + 1; }

/* The formula itself: what -O0 prints. */
Nest *conv_plain(Arena *arena, const char *name, const Conv *conv) {
  const int H = conv->h, W = conv->w, CI = conv->ci, CO = conv->co, K = conv->k, S = conv->s, P = conv->p,
            OH = conv_oh(conv), OW = conv_ow(conv);
  Nest *b = nest_new(arena, name,
                     arena_printf(arena, "conv %dx%d stride %d pad %d: %dx%dx%d -> %dx%dx%d, plain", K, K, S,
                                  P, H, W, CI, OH, OW, CO));
  Buf *in = BUF(INPUT, "in", H, W, CI), *w = BUF(WEIGHTS, "w", K, K, CI, CO),
      *bias = BUF(WEIGHTS, "bias", CO), *out = BUF(OUTPUT, "out", OH, OW, CO);
  nest_fn(b, name, false);
  FOR(y, OH)
    FOR(x, OW)
      FOR(f, CO) {
        Buf *sum = REGISTERS("sum", 1, 1);
        store(at(sum, 0), load(at(bias, f), 1));
        CLIP(ky, 0, P - y * S, K, H + P - y * S)
          CLIP(kx, 0, P - x * S, K, W + P - x * S)
            FOR(c, CI)
              accumulate(at(sum, 0), load(at(in, y * S + ky - P, x * S + kx - P, c), 1),
                         load(at(w, ky, kx, c, f), 1));
        store(at(out, y, x, f), conv->relu ? vmax(get(at(sum, 0)), num(b, 0)) : get(at(sum, 0)));
      }
  return b;
}

/* One tile of PX output pixels from (y, x0), for block ib of the input channels and block cb of the output
 * channels. */
static NestFn *tile(Nest *b, const Conv *conv, int PX, Buf *in, Buf *w, Buf *bias, Buf *out) {
  const int W = conv->w, H = conv->h, K = conv->k, S = conv->s, P = conv->p, CB = conv->cb, L = conv->lanes,
            NV = conv->nv, N = NV * L;
  const int panel = K * K * CB * N,
            share = panel / conv_oh(conv) / L * L; /* of the next panel, fetched by each row of tiles */
  NestFn *fn = nest_fn(b, nest_text(b, "tile%d", PX), true);
  const Ix y = arg("y"), x0 = arg("x0"), cb = arg("cb"), ib = arg("ib");
  const Ix left = flag_arg("left"), right = flag_arg("right"), first = flag_arg("first"),
           last = flag_arg("last");
  Buf *a = REGISTERS("a", L, PX, NV);
  UNROLL(p, PX)
    UNROLL(v, NV)
      store(at(a, p, v), pick(b, yes(first), load(at(bias, N * cb + L * v), L),
                              load(at(out, y, x0 + p, N * cb + L * v), L)));
  CLIP(ky, 0, P - y * S, K, H + P - y * S) {
    UNROLL(kx, K) {
      Buf *i = VIEW_OF("i", in, y * S + ky - P, x0 * S + kx - P, CB * ib);
      pin(i);
      FOR(c, CB) {
        WHEN(is(kx, 0)) prefetch(w, panel * (cb * (conv->ci / CB) + ib + 1) + share * y + L * (CB * ky + c));
        Val wv[8];
        for (int v = 0; v < NV; v++)
          wv[v] = let(nest_text(b, "w%d", v), load(at(w, cb, ib, ky, kx, c, L * v), L));
        UNROLL(p, PX)
          WHEN(either(no(left), atleast((x0 + p) * S + kx - P, 0)))
            WHEN(either(no(right), below((x0 + p) * S + kx - P, W)))
              for (int v = 0; v < NV; v++) accumulate(at(a, p, v), load(at(i, 0, p * S, c), 1), wv[v]);
      }
    }
  }
  UNROLL(p, PX)
    UNROLL(v, NV) {
      Val r = get(at(a, p, v));
      store(at(out, y, x0 + p, N * cb + L * v), conv->relu ? pick(b, yes(last), vmax(r, num(b, 0)), r) : r);
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
                                  "vectors of %d, %d input channels a block",
                                  K, K, S, P, conv.relu ? " + relu" : "", conv.h, conv.w, conv.ci, OH, OW,
                                  conv.co, PX, conv.nv, L, CB));
  Buf *in = BUF(INPUT, "in", conv.h, conv.w, conv.ci),
      *w = BUF(WEIGHTS, "w", conv.co / N, blocks, K, K, CB, N);
  Buf *bias = BUF(WEIGHTS, "bias", conv.co), *out = BUF(OUTPUT, "out", OH, OW, conv.co);
  NestFn *body = tile(b, &conv, PX, in, w, bias, out),
         *tail = rest ? tile(b, &conv, rest, in, w, bias, out) : NULL;

  /* All rows, for one block of input and output channels: edge tiles one by one, those between in a loop. */
  NestFn *rows = nest_fn(b, "rows", false);
  const Ix block_f = arg("cb"), block_c = arg("ib"), first = flag_arg("first"), last = flag_arg("last");
  FOR(y, OH)
    for (int t = 0, n; t < whole + (rest > 0); t += n) {
      int left = t * PX * S - P < 0, right = ((t + 1) * PX - 1) * S + K - 1 - P >= conv.w || t >= whole;
      n = 1;
      while (!left && !right && t + n < whole && ((t + n + 1) * PX - 1) * S + K - 1 - P < conv.w) n++;
      if (n == 1) call(t < whole ? body : tail, y, t * PX, block_f, block_c, left, right, first, last);
      else
        FROM(i, t, t + n) call(body, y, i * PX, block_f, block_c, left, right, first, last);
    }

  nest_fn(b, name, false);
  FOR(cb, conv.co / N) {
    call(rows, cb, 0, 1, blocks == 1);
    if (blocks > 2)
      FROM(ib, 1, blocks - 1) call(rows, cb, ib, 0, 0);
    if (blocks > 1) call(rows, cb, blocks - 1, 0, 1);
  }
  return b;
}

/* ---- Winograd ----
 * V[xi][t][c] are the transformed input tiles of a block of whole rows of tiles, U[f/32][xi][c][32] the
 * transformed weights,
 * M[xi][t][f] = sum over c of V[xi][t][c] * U[xi][c][f], which the output transform turns into 4x4 pixels
 * (Lavin & Gray 2015) ---- */
enum { L = 16, N = 32 };

static Val scaled(Nest *b, double k, Val x) { return mul(num(b, k), x); }

static void input_1d(Nest *b, Val x[6], Val y[6]) { /* y = B^T x */
  Val p = let("p", sub(x[4], scaled(b, 4, x[2]))), q = let("q", sub(x[3], scaled(b, 4, x[1])));
  Val r = let("r", sub(x[4], x[2])), s = let("s", scaled(b, 2, sub(x[3], x[1])));
  y[0] = add(sub(scaled(b, 4, x[0]), scaled(b, 5, x[2])), x[4]);
  y[1] = add(p, q);
  y[2] = sub(p, q);
  y[3] = add(r, s);
  y[4] = sub(r, s);
  y[5] = add(sub(scaled(b, 4, x[1]), scaled(b, 5, x[3])), x[5]);
}

static void output_1d(Nest *b, Val x[6], Val y[4]) { /* y = A^T x */
  Val p = let("p", add(x[1], x[2])), q = let("q", sub(x[1], x[2])), r = let("r", add(x[3], x[4])),
      s = let("s", sub(x[3], x[4]));
  y[0] = add(add(x[0], p), r);
  y[1] = add(q, scaled(b, 2, s));
  y[2] = add(p, scaled(b, 4, r));
  y[3] = add(add(q, scaled(b, 8, s)), x[5]);
}

/* A 6x6 tile of 16 channels at src[y][x][c] into V[0..35][t][cv]. */
static void input_tile(Nest *b, Buf *src, const Ix *y, const Ix *x, const Ix *c, Buf *V, const Ix *t,
                       const Ix *cv) {
  Buf *d = REGISTERS("d", L, 6, 6);
  Val in[6], out[6];
  UNROLL(i, 6) {
    for (int k = 0; k < 6; k++) in[k] = let(nest_text(b, "x%d", k), load(at(src, *y + k, *x + i, *c), L));
    input_1d(b, in, out);
    for (int k = 0; k < 6; k++) store(at(d, k, i), out[k]);
  }
  UNROLL(i, 6) {
    for (int k = 0; k < 6; k++) in[k] = get(at(d, i, k));
    input_1d(b, in, out);
    for (int k = 0; k < 6; k++) store(at(V, 6 * i + k, *t, *cv), out[k]);
  }
}

static NestFn *micro(Nest *b, int PX, int CI, Buf *V, Buf *U, Buf *M) { /* PX tiles x 32 filters */
  NestFn *fn = nest_fn(b, nest_text(b, "gemm%d", PX), true);
  const Ix xi = arg("xi"), t = arg("t"), f = arg("f"), m = arg("m"),
           nth = arg("nth"); /* filter block f, its place m in M; nth call of this panel */
  Buf *a = REGISTERS("a", L, PX, 2);
  UNROLL(p, PX)
    UNROLL(v, 2) store(at(a, p, v), num(b, 0));
  FOR(c, CI) {
    prefetch(U, CI * N * (36 * f + xi + 1) + L * nth + N * c);
    Val w0 = let("w0", load(at(U, f, xi, c, 0), L)), w1 = let("w1", load(at(U, f, xi, c, L), L));
    UNROLL(p, PX) {
      accumulate(at(a, p, 0), load(at(V, xi, t + p, c), 1), w0);
      accumulate(at(a, p, 1), load(at(V, xi, t + p, c), 1), w1);
    }
  }
  UNROLL(p, PX)
    UNROLL(v, 2) store(at(M, xi, t + p, N * m + L * v), get(at(a, p, v)));
  return fn;
}

/* Tile (ty, tx) of the input, transformed, into tile t of V. */
static NestFn *winograd_input(Nest *b, Buf *in, Buf *V, int H, int CI) {
  NestFn *split = nest_fn(b, "input", true);
  const Ix ty = arg("ty"), tx = arg("tx"), t = arg("t");
  const Ix y0 = 4 * ty - 1, x0 = 4 * tx - 1;
  WHEN(both(within(y0, 0, H - 5), within(x0, 0, H - 5))) {
    FROM(y, 2, 6)
      FOR(c, 4 * CI / L) prefetch(in, H * CI * (y0 + y) + CI * (x0 + 14) + L * c); /* two tiles ahead */
    FOR(c, CI / L) {
      const Ix c0 = L * c;
      input_tile(b, in, &y0, &x0, &c0, V, &t, &c0);
    }
  }
  OTHERWISE()
    FOR(c, CI / L) {
      const Ix c0 = L * c, zero = 0 * c;
      Buf *g = nest_buf(b, STACK, "g", (Type){F32, 1}, NEST_DIMS(6, 6, L));
      FOR(y, 6)
        FOR(x, 6)
          store(at(g, y, x, 0), pick(b, both(within(y0 + y, 0, H), within(x0 + x, 0, H)),
                                     load(at(in, y0 + y, x0 + x, c0), L), num(b, 0)));
      input_tile(b, g, &zero, &zero, &zero, V, &t, &c0);
    }
  return split;
}

/* Tile t of M, transformed, to the pixels of tile (ty, tx), filters from 32*f. */
static NestFn *winograd_output(Nest *b, Buf *M, Buf *bias, Buf *out, int H, int ncb) {
  NestFn *join = nest_fn(b, "output", true);
  const Ix ty = arg("ty"), tx = arg("tx"), t = arg("t"), f = arg("f");
  FOR(c, N * ncb / L) {
    Buf *d = REGISTERS("d", L, 4, 6);
    Val x[6], y[4];
    UNROLL(i, 6) {
      for (int k = 0; k < 6; k++) x[k] = let(nest_text(b, "x%d", k), load(at(M, 6 * k + i, t, L * c), L));
      output_1d(b, x, y);
      for (int k = 0; k < 4; k++) store(at(d, k, i), y[k]);
    }
    Val bv = let("bv", load(at(bias, N * f + L * c), L));
    UNROLL(i, 4)
      WHEN(below(4 * ty + i, H)) {
        for (int k = 0; k < 6; k++) x[k] = get(at(d, i, k));
        output_1d(b, x, y);
        for (int k = 0; k < 4; k++)
          WHEN(below(4 * tx + k, H))
            store(at(out, 4 * ty + i, 4 * tx + k, N * f + L * c), vmax(add(y[k], bv), num(b, 0)));
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
  Buf *in = BUF(INPUT, "in", H, H, CI), *U = BUF(WEIGHTS, "U", CO / N, 36, CI, N),
      *bias = BUF(WEIGHTS, "bias", CO), *out = BUF(OUTPUT, "out", H, H, CO);
  Buf *V = BUF(WORK, "V", 36, T, CI + 16),
      *M = BUF(WORK, "M", 36, T, N * ncb); /* V's rows are padded against aliasing */

  NestFn *split = winograd_input(b, in, V, H, CI), *join = winograd_output(b, M, bias, out, H, ncb);
  const int whole = T / 14, rest = T % 14;
  NestFn *body = whole ? micro(b, 14, CI, V, U, M) : NULL, *tail = rest ? micro(b, rest, CI, V, U, M) : NULL;

  NestFn *block = nest_fn(b, "block", false); /* n rows of tiles from ty */
  {
    const Ix ty = arg("ty"), n = arg("n");
    FOR(r, n)
      FOR(tx, NT) call(split, ty + r, tx, NT * r + tx);
    FOR(g, CO / N / ncb) {
      FOR(xi, 36)
        FOR(m, ncb) {
          if (whole)
            FOR(i, whole) call(body, xi, 14 * i, ncb * g + m, m, i);
          if (rest) call(tail, xi, 14 * whole, ncb * g + m, m, whole);
        }
      FOR(r, n)
        FOR(tx, NT) call(join, ty + r, tx, NT * r + tx, ncb * g);
    }
  }
  nest_fn(b, name, false); /* rows divides NT here; else the last block is a second set of tiles */
  FOR(k, NT / rows) call(block, rows * k, rows);
  return b;
}

/* dw[ky][kx][c][f] = sum over y, x of in[y + ky - P][x + kx - P][c] * dout[y][x][f]: 8 input channels x 2
 * vectors of filters in registers. */
Nest *conv_weight_gradient(Arena *arena, const char *name, int H, int CI, int CO, int K) {
  const int P = K / 2;
  Nest *b = nest_new(
      arena, name,
      arena_printf(arena, "weight gradient of conv %dx%d: %dx%dx%d, %d filters", K, K, H, H, CI, CO));
  Buf *in = BUF(INPUT, "in", H, H, CI), *dout = BUF(INPUT, "dout", H, H, CO),
      *out = BUF(OUTPUT, "out", K, K, CI, CO);
  nest_fn(b, name, false);
  PAR(f, CO / N)
    FOR(ky, K)
      FOR(kx, K)
        FOR(c, CI / 8) {
          Buf *a = REGISTERS("a", L, 8, 2);
          UNROLL(p, 8)
            UNROLL(v, 2) store(at(a, p, v), num(b, 0));
          CLIP(y, 0, P - ky, H, H + P - ky)
            CLIP(x, 0, P - kx, H, H + P - kx) {
              Val w0 = let("d0", load(at(dout, y, x, N * f), L)),
                  w1 = let("d1", load(at(dout, y, x, N * f + L), L));
              UNROLL(p, 8) {
                accumulate(at(a, p, 0), load(at(in, y + ky - P, x + kx - P, 8 * c + p), 1), w0);
                accumulate(at(a, p, 1), load(at(in, y + ky - P, x + kx - P, 8 * c + p), 1), w1);
              }
            }
          UNROLL(p, 8)
            UNROLL(v, 2) store(at(out, ky, kx, 8 * c + p, N * f + L * v), get(at(a, p, v)));
        }
  return b;
}

/* ---- LeNet-5 ---- */

/* One input channel: the vector runs over the output columns, 0..15 and 12..27; the pooling is a shuffle. */
Nest *lenet_conv1(Arena *arena, const char *name) {
  Nest *b = nest_new(
      arena, name,
      "conv 5x5 pad 2 + relu + max pool 2x2: 28x28x1 -> 14x14x6; vectors of columns 0..15 and 12..27");
  Buf *in = BUF(INPUT, "in", 28, 28), *w = BUF(WEIGHTS, "w", 5, 5, 6), *bias = BUF(WEIGHTS, "bias", 6),
      *out = BUF(OUTPUT, "out", 14, 14, 6), *pad = BUF(WORK, "pad", 32, 48);
  nest_fn(b, name, false);
  note("the input in a border of zeros");
  FOR(r, 32)
    FOR(c, 3) store(at(pad, r, L * c), splat(num(b, 0), L));
  FOR(r, 28) {
    store(at(pad, r + 2, 2), load(at(in, r, 0), L));
    store(at(pad, r + 2, 14), load(at(in, r, 12), L));
  }
  FOR(y, 14) {
    Buf *a = REGISTERS("a", L, 6, 4); /* filter; upper row left, right, lower row left, right */
    UNROLL(f, 6)
      UNROLL(k, 4) store(at(a, f, k), load(at(bias, f), 1));
    UNROLL(ky, 6)
      UNROLL(kx, 5) {
        Buf *wk = VIEW_OF("k", w, ky, kx, 0);
        pin(wk); /* else clang keeps the weights of a row for the next one, and spills */
        Val l = let("l", load(at(pad, 2 * y + ky, kx), L)),
            r = let("r", load(at(pad, 2 * y + ky, kx + 12), L));
        UNROLL(f, 6) {
          WHEN(below(ky, 5)) {
            accumulate(at(a, f, 0), l, load(at(wk, 0, 0, f), 1));
            accumulate(at(a, f, 1), r, load(at(wk, 0, 0, f), 1));
          }
          WHEN(atleast(ky, 1)) {
            accumulate(at(a, f, 2), l, load(at(wk, -1, 0, f), 1));
            accumulate(at(a, f, 3), r, load(at(wk, -1, 0, f), 1));
          }
        }
      }
    UNROLL(f, 6) {
      Val left = let("left", vmax(vmax(get(at(a, f, 0)), get(at(a, f, 2))), num(b, 0)));
      Val right = let("right", vmax(vmax(get(at(a, f, 1)), get(at(a, f, 3))), num(b, 0)));
      Val even = shuffle(left, right, L, (int[]){0, 2, 4, 6, 8, 10, 12, 14, 20, 22, 24, 26, 28, 30, 30, 30});
      Val odd = shuffle(left, right, L, (int[]){1, 3, 5, 7, 9, 11, 13, 15, 21, 23, 25, 27, 29, 31, 31, 31});
      Val m = let("m", vmax(even, odd));
      UNROLL(x, 14) store(at(out, y, x, f), lane_at(b, m, &x));
    }
  }
  return b;
}

/* The vector is the 16 filters; a pooled row is 2 rows of 10 pixels in 20 registers. The input is seen as
 * rows of 14*6 floats, so that kx and the channel are one loop. */
Nest *lenet_conv2(Arena *arena, const char *name) {
  Nest *b = nest_new(
      arena, name,
      "conv 5x5 + relu + max pool 2x2: 14x14x6 -> 5x5x16; one vector of filters, two rows of 10 pixels");
  Buf *in = BUF(INPUT, "in", 14, 84), *w = BUF(WEIGHTS, "w", 5, 30, 16), *bias = BUF(WEIGHTS, "bias", 16),
      *out = BUF(OUTPUT, "out", 5, 5, 16);
  nest_fn(b, name, false);
  FOR(y, 5) {
    Buf *a = REGISTERS("a", L, 2, 10);
    UNROLL(r, 2)
      UNROLL(p, 10) store(at(a, r, p), load(at(bias, 0), L));
    FOR(ky, 5)
      FOR(k, 30) {
        Val wv = let("w0", load(at(w, ky, k, 0), L));
        UNROLL(p, 10)
          UNROLL(r, 2) accumulate(at(a, r, p), load(at(in, 2 * y + ky + r, 6 * p + k), 1), wv);
      }
    UNROLL(p, 5) {
      Val top = vmax(get(at(a, 0, 2 * p)), get(at(a, 0, 2 * p + 1))),
          low = vmax(get(at(a, 1, 2 * p)), get(at(a, 1, 2 * p + 1)));
      store(at(out, y, p, 0), vmax(vmax(top, low), num(b, 0)));
    }
  }
  return b;
}

/* Batch 1: NV vectors of outputs at a time, the reduction split U ways to have enough independent sums. */
Nest *dense(Arena *arena, const char *name, int I, int O, int NV, int U, bool relu) {
  Nest *b = nest_new(arena, name,
                     arena_printf(arena, "dense%s: %d -> %d; %d vectors, reduction split %d ways",
                                  relu ? " + relu" : "", I, O, NV, U));
  const int width = L * NV;
  Buf *in = BUF(INPUT, "in", I), *w = BUF(WEIGHTS, "w", O / width, I, width), *bias = BUF(WEIGHTS, "bias", O),
      *out = BUF(OUTPUT, "out", O);
  nest_fn(b, name, false);
  FOR(f, O / width) {
    Buf *a = REGISTERS("a", L, U, NV);
    UNROLL(u, U)
      UNROLL(v, NV) store(at(a, u, v), pick(b, is(u, 0), load(at(bias, width * f + L * v), L), num(b, 0)));
    FOR(i, I / U)
      UNROLL(u, U)
        UNROLL(v, NV)
          accumulate(at(a, u, v), load(at(in, U * i + u), 1), load(at(w, f, U * i + u, L * v), L));
    UNROLL(v, NV) {
      Val sum = get(at(a, 0, v));
      for (int u = 1; u < U; u++) sum = add(sum, get(at(a, u, v)));
      store(at(out, width * f + L * v), relu ? vmax(sum, num(b, 0)) : sum);
    }
  }
  return b;
}

Nest *max_pool2(Arena *arena, const char *name, int H, int W, int C) {
  Nest *b = nest_new(arena, name,
                     arena_printf(arena, "max pool 2x2: %dx%dx%d -> %dx%dx%d", H, W, C, H / 2, W / 2, C));
  Buf *in = BUF(INPUT, "in", H, W, C), *out = BUF(OUTPUT, "out", H / 2, W / 2, C);
  nest_fn(b, name, false);
  PAR(y, H / 2)
    FOR(x, W / 2)
      FOR(c, C / L) {
        Val top = vmax(load(at(in, 2 * y, 2 * x, L * c), L), load(at(in, 2 * y, 2 * x + 1, L * c), L));
        Val low =
            vmax(load(at(in, 2 * y + 1, 2 * x, L * c), L), load(at(in, 2 * y + 1, 2 * x + 1, L * c), L));
        store(at(out, y, x, L * c), vmax(top, low));
      }
  return b;
}
