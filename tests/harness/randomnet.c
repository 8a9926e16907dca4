/* randomnet.c: prints a random program.  randomnet SEED
 *
 * Every program is right by construction (as NNSmith's: Liu et al., 2023): the shape of each value is followed here, by formulas of this file's own, and only what
 * fits it is written. Graphs have branches, blocks, rounds, shared and frozen parameters, several inputs and outputs; the train block has losses that fit.
 * Values stay within sizes where float and double agree; the first line holds the limits that netcheck takes. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

enum { MOST_MACS = 30000, MOST_ELEMENTS = 3000, MOST_VALUES = 40, MOST_PARTS = 12 };
typedef struct Shape { int rank; int64_t h, w, c; } Shape; /* a sequence has h 1, a vector h and w 1 */
typedef struct Value { char name[16]; Shape shape; double size; bool apart, softmax, named; int reads; } Value;
    /* size: about how large its numbers are; apart: not near zero */
typedef struct Part { char name[24]; const char *op; int64_t channels, out, kernel[2], groups, extra; bool bias; int rank, block; } Part;
    /* what weights= can name */
typedef struct Block { int rank; const char *activation; int64_t kernel; bool norm, depthwise; } Block;
typedef struct Net {
  Arena *arena;
  uint64_t random;
  Text body, blocks, *out;   /* out: the text of the call that is being written */
  Value now, value[MOST_VALUES];
  Part part[MOST_PARTS];
  Block block[4];
  int nvalues, nparts, nblocks, depth, names, layers;
  int64_t constant[3];       /* of `const k0 = ...` */
  double macs;
} Net;

/* ---- drawing ---- */
static int64_t below(Net *net, int64_t n) { /* 0 .. n-1: splitmix64 (Steele, Lea and Flood, 2014) */
  uint64_t z = net->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9), z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (int64_t)((z ^ (z >> 31)) % (uint64_t)n);
}
static int64_t between(Net *net, int64_t lo, int64_t hi) { return lo + below(net, hi - lo + 1); }
static bool chance(Net *net, int percent) { return below(net, 100) < percent; }
static int64_t channels(Net *net) {
  static const int64_t some[] = {1, 2, 3, 4, 4, 5, 6, 8, 8, 9, 12, 15, 16, 17, 20, 24, 31, 32, 33};
  return some[below(net, sizeof some / sizeof *some)];
}
static const char *activation(Net *net) {
  static const char *const some[] = {"relu", "relu6", "leaky_relu", "leaky_relu(slope=0.2)", "prelu", "elu", "elu(alpha=0.7)", "selu",
      "gelu", "silu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "softplus", "clip(-1.5, 2)", "abs"};
  return some[below(net, sizeof some / sizeof *some)];
}
static int64_t divisor(Net *net, int64_t a, int64_t b) { /* of both */
  int64_t some[8], n = 0;
  for (int64_t g = 1; g <= a && n < 8; g++)
    if (a % g == 0 && b % g == 0) some[n++] = g;
  return some[below(net, n)];
}

/* ---- shapes ---- */
static int64_t elements(Shape s) { return s.h * s.w * s.c; }
static bool same_pixels(Shape a, Shape b) { return a.h == b.h && a.w == b.w; }
static bool one_pixel(Shape s) { return s.h == 1 && s.w == 1; }
static Shape picture(int64_t h, int64_t w, int64_t c) { return (Shape){3, h, w, c}; }
static Shape vector(int64_t n) { return (Shape){1, 1, 1, n}; }
static const char *shape_words(Net *net, Shape s) {
  if (s.rank == 3) return arena_printf(net->arena, "%lldx%lldx%lld", (long long)s.h, (long long)s.w, (long long)s.c);
  if (s.rank == 2) return arena_printf(net->arena, "%lldx%lld", (long long)s.w, (long long)s.c);
  return arena_printf(net->arena, "%lld", (long long)s.c);
}
static bool spend(Net *net, double macs) {
  const double most = MOST_MACS;
  if (macs > most || net->macs + macs > 3 * most) return false;
  net->macs += macs;
  return true;
}

/* ---- pieces of text ---- */
static void put_number(Net *net, int64_t n) { /* an expression of that value */
  for (int k = 0; k < 3; k++)
    if (net->constant[k] == n && chance(net, 60)) { text_put(net->out, "k%d", k); return; }
  const int form = chance(net, 85) ? 0 : (int)below(net, 7);
  const long long v = n;
  if (form == 1) text_put(net->out, "%lld + %lld", v - 2, 2LL);
  else if (form == 2) text_put(net->out, "(%lld * 3) / 3", v);
  else if (form == 3) text_put(net->out, "max(%lld, 1)", v);
  else if (form == 4) text_put(net->out, "%lld > 3 ? %lld : %lld", v, v, v);
  else if (form == 5) text_put(net->out, "floor(%lld.7)", v);
  else if (form == 6) text_put(net->out, "%lld.0", v);
  else text_put(net->out, "%lld", v);
}
static void put_pair(Net *net, const char *name, const int64_t n[2], int rank) {
  const long long h = n[0], w = n[1];
  text_put(net->out, ", %s=", name);
  if (rank == 2) put_number(net, w);
  else if (h == w && chance(net, 60)) put_number(net, w);
  else text_put(net->out, chance(net, 70) ? "%lldx%lld" : "[%lld, %lld]", h, w);
}
static void put_init(Net *net, const char *name) {
  static const char *const some[] = {"he", "he_uniform", "glorot", "glorot_normal", "lecun", "zeros", "ones", "normal(0.05)",
      "normal(0.1, mean=0.2)", "uniform(0.3)", "0.1", "-2"};
  if (chance(net, 15)) text_put(net->out, ", %s=%s", name, some[below(net, sizeof some / sizeof *some)]);
}

/* ---- parameters: named now, shared later, frozen ---- */
static Part *find_part(Net *net, const char *op) {
  if (!chance(net, 45)) return NULL;
  for (int i = 0; i < net->nparts; i++) {
    Part *part = &net->part[i];
    if (!strcmp(part->op, op) && part->channels == net->now.shape.c && part->rank == net->now.shape.rank) return part;
  }
  return NULL;
}
static void put_part(Net *net, const Part *shared, const Part *made) { /* the end of a call with parameters */
  if (!shared && chance(net, 10)) text_put(net->out, ", frozen=true");
  if (shared) text_put(net->out, chance(net, 50) ? ", weights=%s" : ", weights=\"%s\"", shared->name);
  else if (net->depth == 1 && net->nparts < MOST_PARTS && chance(net, 40)) {
    Part *part = &net->part[net->nparts];
    *part = *made;
    snprintf(part->name, sizeof part->name, "part%d", net->nparts++);
    text_put(net->out, ", name=\"%s\"", part->name);
  }
}

/* ---- windows ---- */
typedef struct Window { int64_t kernel[2], stride[2], dilation[2], before[2], after[2], out[2]; bool ceil, own_stride; const char *pad;
    } Window;

static bool empty_window(const Window *w, int axis, int64_t input) { /* one that sees nothing but padding */
  for (int64_t o = 0; o < w->out[axis]; o++) {
    bool seen = false;
    for (int64_t k = 0; k < w->kernel[axis]; k++) {
      const int64_t at = o * w->stride[axis] - w->before[axis] + k * w->dilation[axis];
      seen = seen || (at >= 0 && at < input);
    }
    if (!seen) return true;
  }
  return false;
}

static int64_t output_size(Window *w, int axis, int64_t input, bool same_pad) {
  const int64_t s = w->stride[axis], reach = w->dilation[axis] * (w->kernel[axis] - 1) + 1;
  if (same_pad) {
    const int64_t out = (input + s - 1) / s, total = (out - 1) * s + reach - input;
    w->before[axis] = total > 0 ? total / 2 : 0, w->after[axis] = total > 0 ? total - total / 2 : 0;
    return out;
  }
  const int64_t room = input + w->before[axis] + w->after[axis] - reach;
  if (room < 0) return 0;
  int64_t out = (room + (w->ceil ? s - 1 : 0)) / s + 1;
  if (w->ceil && (out - 1) * s >= input + w->before[axis]) out--;
  return out;
}

static const char *draw_padding(Net *net, Window *w, int rank) {
  static const int chances[] = {0, 0, 1, 1, 2, 3, 4};
  const int form = chances[below(net, 7)], axis = rank == 2;
  for (int a = axis; a < 2 && form >= 2; a++) w->before[a] = between(net, 0, w->kernel[a]), w->after[a] = form == 4 ? between(net, 0,
      w->kernel[a]) : w->before[a];
  if (form == 1) return "same";
  if (form == 2) {
    if (!axis) w->before[0] = w->after[0] = w->after[1] = w->before[1];
    return arena_printf(net->arena, "%lld", (long long)w->before[1]);
  }
  if (form < 2) return chance(net, 80) ? "valid" : "\"valid\"";
  if (rank == 2 && form == 3) {
    w->before[1] = w->dilation[1] * (w->kernel[1] - 1), w->after[1] = 0;
    return "causal";
  }
  if (rank == 2) return arena_printf(net->arena, "[%lld, %lld]", (long long)w->before[1], (long long)w->after[1]);
  if (form == 3) return arena_printf(net->arena, "[%lld, %lld]", (long long)w->before[0], (long long)w->before[1]);
  return arena_printf(net->arena, "[%lld, %lld, %lld, %lld]", (long long)w->before[0], (long long)w->after[0], (long long)w->before[1],
      (long long)w->after[1]);
}

/* A window that fits the current value; false if none was found. */
static bool draw_window(Net *net, bool pool, const int64_t *kernel, Window *w) {
  const Shape in = net->now.shape;
  const int64_t size[2] = {in.h, in.w};
  if (in.rank == 1) return false;
  for (int attempt = 0; attempt < 12; attempt++) {
    *w = (Window){.ceil = pool && chance(net, 25), .own_stride = !pool || chance(net, 70)};
    const bool square = chance(net, 60), strided = chance(net, 35), dilated = chance(net, 15);
    for (int axis = 0; axis < 2; axis++) {
      const bool copy = axis && square, flat = in.rank == 2 && axis == 0;
      w->kernel[axis] = flat ? 1 : kernel ? kernel[axis] : copy && in.rank == 3 ? w->kernel[0] : between(net, 1, chance(net, 10) ? 7 : 4);
      w->stride[axis] = flat ? 1 : !w->own_stride ? w->kernel[axis] : copy && in.rank == 3 ? w->stride[0] : strided ? between(net, 1,
          4) : 1;
      w->dilation[axis] = flat ? 1 : copy && in.rank == 3 ? w->dilation[0] : dilated ? between(net, 1, 3) : 1;
    }
    w->pad = draw_padding(net, w, in.rank);
    bool fits = true;
    for (int axis = 0; axis < 2; axis++) {
      w->out[axis] = in.rank == 2 && axis == 0 ? 1 : output_size(w, axis, size[axis], !strcmp(w->pad, "same"));
      fits = fits && w->out[axis] >= 1 && !(pool && empty_window(w, axis, size[axis]));
    }
    if (fits) return true;
  }
  return false;
}

static void put_window(Net *net, const Window *w, int rank, bool stride) {
  if (stride && (w->stride[0] != 1 || w->stride[1] != 1 || chance(net, 10))) put_pair(net, "stride", w->stride, rank);
  if (w->dilation[0] != 1 || w->dilation[1] != 1) put_pair(net, "dilation", w->dilation, rank);
  if (strstr(w->pad, "valid") == NULL || chance(net, 15)) text_put(net->out, ", pad=%s", w->pad);
}

static void put_kernel(Net *net, const int64_t kernel[2], int rank) {
  if (rank == 2 || (kernel[0] == kernel[1] && chance(net, 40))) put_number(net, kernel[1]);
  else text_put(net->out, "%lldx%lld", (long long)kernel[0], (long long)kernel[1]);
}

static void put_literal(Net *net, const int64_t kernel[2]) {
  text_put(net->out, ", frozen=true, init=[");
  for (int64_t y = 0; y < kernel[0]; y++) {
    text_put(net->out, y ? ", [" : "[");
    for (int64_t x = 0; x < kernel[1]; x++) text_put(net->out, "%s%s", x ? ", " : "", (const char *const[]){"-1", "0", "1", "0.5", "1/8",
        "-0.25"}[below(net, 6)]);
    text_put(net->out, "]");
  }
  text_put(net->out, "]");
}

/* ---- operators: each writes one call for the current value and says what comes out, or returns false with nothing written ---- */
static void becomes(Net *net, Shape shape, double size) {
  net->now = (Value){.shape = shape, .size = size};
  net->layers++;
}

static bool op_conv(Net *net) {
  const Shape in = net->now.shape;
  const Part *shared = find_part(net, "conv");
  Window w;
  if (!draw_window(net, false, shared ? shared->kernel : NULL, &w)) return false;
  Part p = {.op = "conv", .channels = in.c, .out = shared ? shared->out : channels(net), .kernel = {w.kernel[0], w.kernel[1]},
      .rank = in.rank};
  p.groups = shared ? shared->groups : chance(net, 20) ? divisor(net, in.c, p.out) : 1, p.bias = shared ? shared->bias : chance(net, 80);
  const Shape out = {in.rank, w.out[0], w.out[1], p.out};
  if (elements(out) > MOST_ELEMENTS || !spend(net, (double)(elements(out) * w.kernel[0] * w.kernel[1] * in.c / p.groups))) return false;
  text_put(net->out, "conv(");
  put_number(net, p.out), text_put(net->out, chance(net, 80) ? ", " : ", kernel="), put_kernel(net, w.kernel, in.rank);
  put_window(net, &w, in.rank, true);
  if (p.groups > 1) text_put(net->out, ", groups=%lld", (long long)p.groups);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared && in.rank == 3 && chance(net, 8)) put_literal(net, w.kernel);
  else {
    if (!shared) put_init(net, "init");
    put_part(net, shared, &p);
  }
  text_put(net->out, ")");
  becomes(net, out, 1.5 * net->now.size + 1);
  return true;
}

static bool op_depthwise(Net *net) {
  const Shape in = net->now.shape;
  const Part *shared = find_part(net, "depthwise");
  Window w;
  if (!draw_window(net, false, shared ? shared->kernel : NULL, &w)) return false;
  Part p = {.op = "depthwise", .channels = in.c, .extra = shared ? shared->extra : chance(net, 70) ? 1 : between(net, 1, 3),
      .kernel = {w.kernel[0], w.kernel[1]}, .bias = shared ? shared->bias : chance(net, 80), .rank = in.rank};
  const Shape out = {in.rank, w.out[0], w.out[1], in.c * p.extra};
  if (elements(out) > MOST_ELEMENTS || !spend(net, (double)(elements(out) * w.kernel[0] * w.kernel[1]))) return false;
  text_put(net->out, "depthwise("), put_kernel(net, w.kernel, in.rank), put_window(net, &w, in.rank, true);
  if (p.extra > 1) text_put(net->out, ", multiplier=%lld", (long long)p.extra);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared && in.rank == 3 && chance(net, 8)) put_literal(net, w.kernel);
  else put_part(net, shared, &p);
  text_put(net->out, ")");
  becomes(net, out, 1.5 * net->now.size + 1);
  return true;
}

static bool op_transpose(Net *net) {
  const Shape in = net->now.shape;
  const Part *shared = find_part(net, "conv_transpose");
  Window w;
  if (!draw_window(net, false, shared ? shared->kernel : NULL, &w) || !strcmp(w.pad, "causal")) return false;
  const int64_t extra = chance(net, 20) ? between(net, 1, 2) : 0, size[2] = {in.h, in.w};
  Part p = {.op = "conv_transpose", .channels = in.c, .out = shared ? shared->out : channels(net), .kernel = {w.kernel[0], w.kernel[1]},
      .rank = in.rank};
  p.groups = shared ? shared->groups : chance(net, 20) ? divisor(net, in.c, p.out) : 1, p.bias = shared ? shared->bias : chance(net, 80);
  const bool same_pad = !strcmp(w.pad, "same");
  for (int axis = in.rank == 2; axis < 2; axis++) {
    const int64_t valid = (size[axis] - 1) * w.stride[axis] + w.dilation[axis] * (w.kernel[axis] - 1) + 1;
    w.out[axis] = same_pad ? size[axis] * w.stride[axis] : valid + extra - w.before[axis] - w.after[axis];
    if (w.out[axis] < 1) return false;
  }
  const Shape out = {in.rank, w.out[0], w.out[1], p.out};
  if (elements(out) > MOST_ELEMENTS || !spend(net, (double)(elements(in) * w.kernel[0] * w.kernel[1] * p.out / p.groups))) return false;
  text_put(net->out, "conv_transpose("), put_number(net, p.out), text_put(net->out, ", "), put_kernel(net, w.kernel, in.rank),
      put_window(net, &w, in.rank, true);
  if (extra && !same_pad) text_put(net->out, ", output_pad=%lld", (long long)extra);
  if (p.groups > 1) text_put(net->out, ", groups=%lld", (long long)p.groups);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared && chance(net, 10)) text_put(net->out, ", init=bilinear");
  put_part(net, shared, &p), text_put(net->out, ")");
  becomes(net, out, 2 * net->now.size + 1);
  return true;
}

static bool op_pool(Net *net) {
  const Shape in = net->now.shape;
  const bool average = chance(net, 50);
  Window w;
  if (!draw_window(net, true, NULL, &w)) return false;
  text_put(net->out, average ? "avgpool(" : "maxpool("), put_kernel(net, w.kernel, in.rank);
  if (w.own_stride) put_pair(net, "stride", w.stride, in.rank);
  put_window(net, &w, in.rank, false);
  if (w.ceil) text_put(net->out, ", ceil=true");
  if (average && chance(net, 30)) text_put(net->out, ", count_pad=true");
  text_put(net->out, ")");
  becomes(net, (Shape){in.rank, w.out[0], w.out[1], in.c}, net->now.size);
  return true;
}

static bool op_global(Net *net) {
  const Shape in = net->now.shape;
  if (in.rank == 1) return false;
  text_put(net->out, chance(net, 50) ? "global_avgpool" : "global_maxpool");
  becomes(net, in.rank == 3 ? picture(1, 1, in.c) : vector(in.c), net->now.size);
  return true;
}

static bool op_dense(Net *net) {
  const Shape in = net->now.shape;
  if (!one_pixel(in) || in.rank == 2) return false;
  const Part *shared = find_part(net, "dense");
  const Part p = {.op = "dense", .channels = in.c, .out = shared ? shared->out : channels(net),
      .bias = shared ? shared->bias : chance(net, 80), .rank = in.rank};
  if (!spend(net, (double)(in.c * p.out))) return false;
  text_put(net->out, "dense("), put_number(net, p.out);
  if (!p.bias) text_put(net->out, ", bias=false");
  if (!shared) put_init(net, "init"), put_init(net, "bias_init");
  put_part(net, shared, &p), text_put(net->out, ")");
  becomes(net, vector(p.out), 1.5 * net->now.size + 1);
  return true;
}

static bool op_activation(Net *net) {
  const char *name = activation(net);
  const bool wide = strchr("ralpgsh", name[0]) && strcmp(name, "relu6") && !strstr(name, "sigmoid") && !strstr(name, "softplus");
  text_put(net->out, "%s", name);
  becomes(net, net->now.shape, wide || net->now.size < 6 ? net->now.size : 6);
  return true;
}

static bool op_curve(Net *net) { /* those that need their input in bounds */
  const double size = net->now.size;
  switch (below(net, 6)) {
    case 0: text_put(net->out, "tanh -> exp"), becomes(net, net->now.shape, 2), net->now.apart = true; break;
    case 1: text_put(net->out, "sigmoid -> add(0.5)"), becomes(net, net->now.shape, 1), net->now.apart = true; break;
    case 2: text_put(net->out, "square -> add(0.1) -> sqrt"), becomes(net, net->now.shape, size + 1); break;
    case 3:
      if (size > 8) return false;
      text_put(net->out, "square"), becomes(net, net->now.shape, size * size);
      break;
    case 4: text_put(net->out, "softmax"), becomes(net, net->now.shape, 1), net->now.softmax = true; break;
    default: text_put(net->out, "log_softmax"), becomes(net, net->now.shape, 4 + size), net->now.softmax = true;
  }
  return true;
}

static bool op_norm(Net *net) {
  const Shape in = net->now.shape;
  const double size = net->now.size;
  const Part p = {.op = "batchnorm", .channels = in.c, .rank = in.rank};
  switch (below(net, 5)) {
    case 0: case 1: {
      const Part *shared = find_part(net, "batchnorm");
      text_put(net->out, "batchnorm(epsilon=%s", chance(net, 50) ? "0.001" : "0.1");
      if (chance(net, 30)) text_put(net->out, ", momentum=0.5");
      const bool bare = !shared && chance(net, 30);
      if (bare) text_put(net->out, chance(net, 50) ? ", scale=false" : ", shift=false");
      if (bare && chance(net, 10)) text_put(net->out, ", frozen=true");
      if (!bare) put_part(net, shared, &p);
      text_put(net->out, ")");
      becomes(net, in, 3 + size / 4);
      return true;
    }
    case 2:
      text_put(net->out, "lrn(size=%lld, alpha=%s, beta=%s)", (long long)between(net, 1, 6), chance(net, 50) ? "0.0001" : "0.5",
          chance(net, 50) ? "0.75" : "0.5");
      becomes(net, in, size);
      return true;
    case 3:
      text_put(net->out, "scale(init=2"), put_part(net, NULL, &(Part){.op = "none"}), text_put(net->out, ")");
      becomes(net, in, 1.5 * size);
      return true;
    default:
      text_put(net->out, "normalize(");
      if (chance(net, 50) || in.c > 6) text_put(net->out, "mean=%s, ", chance(net, 50) ? "0.25" : "-1");
      else {
        text_put(net->out, "std=[");
        for (int64_t c = 0; c < in.c; c++) text_put(net->out, "%s%s", c ? ", " : "", chance(net, 50) ? "2" : "0.75");
        text_put(net->out, "], ");
      }
      text_put(net->out, "scale=%s)", size > 50 ? "1/128" : size > 8 ? "1/8" : "1.25");
      becomes(net, in, size > 50 ? 2 : size + 1);
      return true;
  }
}

static bool op_dropout(Net *net) {
  if (chance(net, 50)) text_put(net->out, "dropout");
  else text_put(net->out, "dropout(%s)", chance(net, 20) ? "0" : "0.25");
  becomes(net, net->now.shape, 2 * net->now.size);
  return true;
}

static bool op_shape(Net *net) {
  const Shape in = net->now.shape;
  const double size = net->now.size;
  const long long n = elements(in), c = in.c;
  switch (below(net, 5)) {
    case 0:
      text_put(net->out, chance(net, 60) ? "flatten" : chance(net, 50) ? "flatten(order=chw)" : "flatten(order=\"hwc\")");
      becomes(net, vector(n), size);
      return true;
    case 1: {
      const int64_t side = divisor(net, n, n), rest = divisor(net, n / side, n / side);
      if (chance(net, 50)) text_put(net->out, "reshape([%lld, %lld, %lld])", (long long)side, (long long)rest, n / side / rest),
          becomes(net, picture(side, rest, n / side / rest), size);
      else text_put(net->out, "reshape(%lldx%lld)", (long long)side, n / side), becomes(net, (Shape){2, 1, side, n / side}, size);
      return true;
    }
    case 2: {
      const int64_t from = below(net, c), to = between(net, from + 1, c);
      if (to - from == c && c > 1) return false;
      text_put(net->out, "slice(%lld..%lld)", (long long)from, (long long)to);
      becomes(net, (Shape){in.rank, in.h, in.w, to - from}, size);
      return true;
    }
    default: {
      const bool crop = chance(net, 50);
      const long long t = in.rank == 2 ? 0 : below(net, 3), b = in.rank == 2 ? 0 : below(net, 3), l = below(net, 3), r = below(net, 3);
      const int64_t h = crop ? in.h - t - b : in.h + t + b, w = crop ? in.w - l - r : in.w + l + r;
      if (in.rank == 1 || h < 1 || w < 1 || h * w * c > MOST_ELEMENTS) return false;
      if (in.rank == 2) text_put(net->out, "%s([%lld, %lld])", crop ? "crop" : "zero_pad", l, r);
      else if (t == b && l == r && t == l) text_put(net->out, "%s(%lld)", crop ? "crop" : "zero_pad", t);
      else if (t == b && l == r) text_put(net->out, "%s([%lld, %lld])", crop ? "crop" : "zero_pad", t, l);
      else text_put(net->out, "%s([%lld, %lld, %lld, %lld])", crop ? "crop" : "zero_pad", t, b, l, r);
      becomes(net, (Shape){in.rank, h, w, c}, size);
      return true;
    }
  }
}

/* ---- several values ---- */
static Value *draw_value(Net *net, bool (*fits)(Shape now, const Value *)) {
  Value *some[MOST_VALUES];
  int n = 0;
  for (int i = 0; i < net->nvalues; i++)
    if (fits(net->now.shape, &net->value[i])) some[n++] = &net->value[i];
  return n ? some[below(net, n)] : NULL;
}
static bool combines(Shape now, const Value *v) {
  return v->shape.c == now.c && v->size < 40 && (same_pixels(v->shape, now) ? true : one_pixel(v->shape) || one_pixel(now));
}
static bool divides(Shape now, const Value *v) { return combines(now, v) && v->apart; }
static bool joins(Shape now, const Value *v) { return v->shape.rank == now.rank && same_pixels(v->shape, now) &&
    (v->shape.c + now.c) * now.h * now.w <= MOST_ELEMENTS; }

static bool op_combine(Net *net) {
  static const char *const many[] = {"add", "multiply", "maximum"}, *const one[] = {"subtract", "divide"};
  const bool several = chance(net, 65);
  const char *name = several ? many[below(net, 3)] : one[below(net, 2)];
  const bool product = name[1] == 'u' && name[0] == 'm';
  const int n = several ? (int)between(net, 1, 3) : 1;
  Value *operand[3] = {NULL};
  Shape shape = net->now.shape;
  double size = net->now.size;
  bool some = false;
  for (int i = 0; i < n; i++) {
    if (chance(net, 15)) continue; /* a number */
    operand[i] = draw_value(net, name[0] == 'd' ? divides : combines);
    if (operand[i] && (!same_pixels(operand[i]->shape, shape) || operand[i]->shape.c != shape.c) && !one_pixel(operand[i]->shape) &&
        !one_pixel(shape)) operand[i] = NULL;
    if (!operand[i]) continue;
    some = true;
    if (one_pixel(shape) && (!one_pixel(operand[i]->shape) || operand[i]->shape.rank > shape.rank)) shape = operand[i]->shape;
    size = product ? size * operand[i]->size : size + (name[0] == 'd' ? size : operand[i]->size);
  }
  if (size > 60 || elements(shape) > MOST_ELEMENTS || (!some && chance(net, 60))) return false;
  text_put(net->out, "%s(", name);
  for (int i = 0; i < n; i++) {
    text_put(net->out, "%s", i ? ", " : "");
    if (operand[i]) text_put(net->out, "%s", operand[i]->name), operand[i]->reads++;
    else text_put(net->out, "%s", (const char *const[]){"2", "0.5", "-1", "1/3"}[below(net, 4)]);
  }
  text_put(net->out, ")");
  becomes(net, shape, size + 2);
  return true;
}

static bool op_concat(Net *net) {
  Value *other = draw_value(net, joins);
  if (!other) return false;
  Shape shape = net->now.shape;
  double size = net->now.size;
  text_put(net->out, "concat(");
  for (int i = 0; i < 3 && other; i++) {
    text_put(net->out, "%s%s", i ? ", " : "", other->name);
    other->reads++, shape.c += other->shape.c, size = other->size > size ? other->size : size;
    net->now.shape = shape;
    other = chance(net, 30) ? draw_value(net, joins) : NULL;
  }
  text_put(net->out, ")");
  becomes(net, shape, size);
  return true;
}

/* ---- blocks ---- */
static void make_block(Net *net) {
  const int id = net->nblocks++;
  Block *b = &net->block[id];
  *b = (Block){.rank = (int)between(net, 1, 3), .activation = activation(net), .kernel = between(net, 1, 3), .norm = chance(net, 50), .depthwise = chance(net, 40)};
  Text *t = &net->blocks;
  const char *norm = b->norm ? " -> batchnorm(epsilon=0.01)" : "", *kernel = arena_printf(net->arena, b->rank == 3 ? "%lldx%lld" : "%lld",
      (long long)b->kernel, (long long)b->kernel);
  if (b->rank == 1) {
    text_put(t, "block block%d(n, s=1) {\n    dense(n)%s -> %s\n    m = dense(n, name=\"second\")\n", id, norm, b->activation);
    text_put(t, "    if in.channels != n { r = in -> dense(n, bias=false) } else { r = in }\n    m -> add(r)\n}\n");
    return;
  }
  text_put(t, "block block%d(n, s=1) {\n    conv(n, %s, stride=s, pad=same)%s -> %s\n", id, kernel, norm, b->activation);
  if (b->depthwise) text_put(t, "    depthwise(%s, pad=same, name=\"deep\") -> tanh\n", kernel);
  text_put(t, "    m = conv(n, 1, bias=false)%s\n    if s != 1 or in.channels != n { r = in -> conv(n, 1, stride=s) } else { r = in }\n    m -> add(r) -> relu\n}\n", norm);
}

static bool op_block(Net *net) {
  const Shape in = net->now.shape;
  if (net->nblocks < 3 && chance(net, 50)) make_block(net);
  if (!net->nblocks) return false;
  const int id = (int)below(net, net->nblocks);
  const Block *b = &net->block[id];
  if (b->rank != in.rank && !(b->rank == 1 && one_pixel(in))) return false;
  const Part *shared = NULL;
  for (int i = 0; i < net->nparts; i++)
    if (!strcmp(net->part[i].op, "block") && net->part[i].block == id && net->part[i].channels == in.c && net->part[i].rank == in.rank &&
        chance(net, 50)) shared = &net->part[i];
  Part p = {.op = "block", .block = id, .channels = in.c, .rank = in.rank, .out = shared ? shared->out : chance(net,
      40) ? in.c : channels(net), .extra = shared ? shared->extra : b->rank > 1 && chance(net, 30) ? 2 : 1};
  const int64_t h = (in.h + p.extra - 1) / p.extra, w = (in.w + p.extra - 1) / p.extra;
  const Shape out = b->rank == 1 ? (p.out == in.c ? in : vector(p.out)) : (Shape){in.rank, in.rank == 2 ? 1 : h, w, p.out};
  const double taps = (double)(b->rank == 3 ? b->kernel * b->kernel : b->kernel);
  if (elements(out) > MOST_ELEMENTS || !spend(net,
      (double)elements(out) * ((double)in.c * (taps + 1) + taps + (double)p.out))) return false;
  text_put(net->out, "block%d(", id), put_number(net, p.out);
  if (p.extra > 1) text_put(net->out, chance(net, 50) ? ", %lld" : ", s=%lld", (long long)p.extra);
  put_part(net, shared, &p), text_put(net->out, ")");
  becomes(net, out, 2 * net->now.size + 2);
  return true;
}

/* ---- statements ---- */
typedef bool OpWriter(Net *);

static void tame(Net *net) { /* large numbers are made small again */
  static const char *const some[] = {"tanh", "sigmoid", "normalize(scale=1/64)", "clip(-4, 4)", "batchnorm(epsilon=0.1)", "hard_sigmoid"};
  const int form = (int)below(net, 6);
  text_put(net->out, "%s", some[form]);
  becomes(net, net->now.shape, form == 2 ? net->now.size / 64 + 0.5 : 4);
}

static void write_op(Net *net) {
  static OpWriter *const ops[] = {op_conv, op_conv, op_conv, op_depthwise, op_transpose, op_pool, op_pool, op_global, op_dense, op_dense,
      op_dense, op_activation, op_activation, op_activation,
                                  op_curve, op_norm, op_norm, op_dropout, op_shape, op_combine, op_combine, op_concat, op_block, op_block};
  if (net->now.size > 50 && chance(net, 80)) { tame(net); return; }
  for (int attempt = 0; attempt < 60; attempt++)
    if (ops[below(net, sizeof ops / sizeof *ops)](net)) return;
  op_activation(net);
}

static void indent(Net *net) { text_put(net->out, "%*s", 4 * net->depth, ""); }

static void write_chain(Net *net, bool start) {
  const int n = (int)between(net, 1, 3);
  for (int i = 0; i < n; i++) {
    if (i || start) text_put(net->out, " -> ");
    write_op(net);
  }
}

static void write_statement(Net *net) {
  indent(net);
  const bool named = net->nvalues < MOST_VALUES && chance(net, 60), start = chance(net, net->now.named ? 40 : 3);
      /* else the current value would be lost */
  char name[16];
  snprintf(name, sizeof name, "v%d", net->names);
  if (named) text_put(net->out, "%s = ", name), net->names++;
  if (start) {
    const bool in = chance(net, 15) && net->depth == 1;
    Value *from = in ? &net->value[0] : &net->value[below(net, net->nvalues)];
    text_put(net->out, "%s", in ? "in" : from->name);
    from->reads++, net->now = *from;
  }
  write_chain(net, start);
  text_put(net->out, chance(net, 95) ? "\n" : ";\n");
  if (!named) return;
  Value *value = &net->value[net->nvalues++];
  net->now.named = true, net->now.reads = 0;
  *value = net->now;
  memcpy(value->name, name, sizeof name);
}

static void write_repeat(Net *net) { /* bodies that fit whatever a round starts from */
  const Shape in = net->now.shape;
  const int64_t rounds = chance(net, 8) ? 0 : between(net, 1, 3), step = between(net, 1, 8);
  const double pixels = (double)(in.h * in.w), grown = (double)(in.c + rounds * step);
  if (!spend(net, (double)rounds * pixels * 3 * grown * grown)) return;
  const char *kernel = in.rank == 3 ? "1x3" : "3";
  const long long rank1 = in.rank == 1;
  indent(net), text_put(net->out, "repeat "), put_number(net, rounds);
  switch (below(net, 4)) {
    case 0:
      if (rank1) text_put(net->out, " { dense(in.channels) -> %s }\n", activation(net));
      else text_put(net->out, " { conv(in.channels, %s, pad=same) -> %s }\n", kernel, activation(net));
      net->now.size = net->now.size * (double)(1 << rounds) + 2;
      break;
    case 1:
      if (rank1) text_put(net->out, " as i { dense(%lld * (i + 1), name=\"round%d\") -> tanh }\n", (long long)step, net->names++);
      else text_put(net->out, " as i { conv(%lld * (i + 1), %s, pad=same, name=\"round%d\") -> tanh }\n", (long long)step, kernel,
          net->names++);
      if (rounds) net->now.shape.c = step * rounds, net->now.size = 1;
      break;
    case 2:
      text_put(net->out, " {\n");
      net->depth++, indent(net);
      if (rank1) text_put(net->out, "grown%d = dense(%lld) -> tanh\n", net->names, (long long)step);
      else text_put(net->out, "grown%d = conv(%lld, %s, pad=same) -> tanh\n", net->names, (long long)step, kernel);
      indent(net), text_put(net->out, "in -> concat(grown%d)\n", net->names++);
      net->depth--, indent(net), text_put(net->out, "}\n");
      net->now.shape.c += step * rounds;
      break;
    default:
      text_put(net->out, " as i {\n");
      net->depth++, indent(net), text_put(net->out,
          "if i %% 2 == 0 and in.channels > 0 { %s -> add(in) } else { relu -> multiply(0.5) }\n", activation(net));
      net->depth--, indent(net), text_put(net->out, "}\n");
      net->now.size = net->now.size * (double)(1 << rounds) + 1;
  }
  net->now.apart = net->now.softmax = net->now.named = false;
}

static void write_if(Net *net) { /* the branch that is not taken is only parsed */
  const bool first = chance(net, 50);
  const Value *v = &net->value[below(net, net->nvalues)];
  const char *other = "{ nothing = conv(1, 2, 3) -> anything(4) }";
  indent(net), text_put(net->out, "if %s.channels %s %lld %s", v->name, first ? ">=" : "<", (long long)v->shape.c, first ? "{\n" : "");
  if (!first) text_put(net->out, "%s else {\n", other);
  net->depth++, write_statement(net), net->depth--, indent(net);
  text_put(net->out, "}");
  if (first && chance(net, 60)) text_put(net->out, " else %s", other);
  text_put(net->out, "\n");
}

/* ---- the train block ---- */
static const char *draw_loss(Net *net, const Value *v, bool *classes) {
  const int64_t c = v->shape.c;
  int form = (int)below(net, c > 1 ? 9 : 4);
  if (v->softmax && (form == 3 || form == 8)) form = 0; /* binary_cross_entropy and hinge take raw scores */
  *classes = form >= 4;
  if (form < 4) return ((const char *const[]){"mse", "mae", "huber(delta=0.5)", "binary_cross_entropy"})[form];
  if (form == 8) return "hinge";
  if (form == 4) return arena_printf(net->arena, "cross_entropy(ignore=%lld)", (long long)below(net, c));
  if (form > 5 || c > 6) return "cross_entropy";
  const char *weights = "1";
  for (int64_t i = 1; i < c; i++) weights = arena_printf(net->arena, "%s, %s", weights, chance(net, 50) ? "2" : "0.5");
  return arena_printf(net->arena, "cross_entropy(weights=[%s])", weights);
}

static void write_train(Net *net, int noutputs, const Value *output) {
  static const char *const some[] = {"optimizer = adam(rate=0.002)", "optimizer = sgd(rate=0.1, momentum=0.5, nesterov=true)",
      "schedule = cosine(warmup=1)", "schedule = step(every=3)", "epochs = 3", "clip_norm = 1", "accumulate = 2", "decay = weights",
                                     "seed = 7", "early_stop = 4", "average = 0.99"};
  bool classes = false, any = false;
  Text *t = net->out;
  text_put(t, "    train {\n        loss = %s", noutputs > 1 ? "[" : "");
  for (int o = 0; o < noutputs; o++) {
    if (o && (output[o].size > 30 || chance(net, 20))) continue; /* an output without a loss */
    bool class_loss;
    const char *loss = draw_loss(net, &output[o], &class_loss);
    classes = classes || class_loss;
    if (noutputs == 1) text_put(t, "%s\n", loss);
    else {
      const char *arguments = strchr(loss, '(');
      const int length = arguments ? (int)(arguments - loss) : (int)strlen(loss);
      text_put(t, "%s%.*s(%s%s", any ? ", " : "", length, loss, output[o].name, chance(net, 50) ? ", weight=0.5" : "");
      if (arguments) text_put(t, ", %s", arguments + 1);
      else text_put(t, ")");
    }
    any = true;
  }
  if (noutputs > 1) text_put(t, "]\n");
  text_put(t, "        batch = %lld\n", (long long)between(net, 3, 8));
  if (classes && chance(net, 30)) text_put(t, "        label_smoothing = 0.1\n");
  const int first = (int)below(net, 11), count = (int)below(net, 3);
  for (int i = 0; i < count; i++) text_put(t, "        %s\n", some[(first + 4 * i) % 11]);
  text_put(t, "    }\n");
}

/* ---- the program ---- */
static Shape draw_input(Net *net) {
  switch (below(net, 6)) {
    case 0: return vector(chance(net, 50) ? between(net, 1, 12) : channels(net) * 2);
    case 1: return (Shape){2, 1, between(net, 1, 20), channels(net)};
    default: return picture(between(net, 1, 12), between(net, 1, 12), chance(net, 60) ? between(net, 1, 4) : channels(net));
  }
}

static void write_inputs(Net *net) {
  const int n = chance(net, 70) ? 1 : (int)between(net, 2, 3);
  for (int i = 0; i < n; i++) {
    Value *v = &net->value[net->nvalues++];
    *v = (Value){.shape = i && chance(net, 40) ? net->value[0].shape : draw_input(net), .size = 1};
    snprintf(v->name, sizeof v->name, "x%d", i);
    const int type = chance(net, 55) ? 0 : (int)between(net, 1, 2);
    const bool chw = v->shape.rank > 1 && chance(net, 25);
    v->size = type == 1 ? 150 : type == 2 ? 70 : 1;
    text_put(net->out, "    input %s: %s%s%s\n", v->name, shape_words(net, v->shape),
        type == 1 ? " as u8" : type == 2 ? " as i8" : chance(net, 20) ? " as f32" : "", chw ? " (layout=chw)" : chance(net,
        5) ? " (layout=hwc)" : "");
  }
  net->now = net->value[0];
}

static int write_outputs(Net *net, Value output[4]) {
  const bool silent = chance(net, 35);
  int n = 0;
  output[n] = net->now, snprintf(output[n].name, sizeof output[n].name, "output");
  if (silent || net->nvalues < 2) return 1;
  indent(net), text_put(net->out, "last = hard_swish\n");
  text_put(net->out, "    output last");
  output[n].softmax = false, output[n].size += 1, snprintf(output[n].name, sizeof output[n].name, "last"), n++;
  for (const int most = (int)between(net, 1, 4); n < most; n++) {
    Value *v = &net->value[below(net, net->nvalues)];
    for (int i = 0; i < net->nvalues && chance(net, 90); i++) /* rather one that nobody has read */
      if (!net->value[i].reads) v = &net->value[i];
    v->reads++;
    output[n] = *v;
    snprintf(output[n].name, sizeof output[n].name, "y%d", n);
    text_put(net->out, ", %s = %s", output[n].name, v->name);
  }
  text_put(net->out, "\n");
  return n;
}

int main(int argc, char **argv) {
  if (argc != 2) return fputs("usage: randomnet SEED\n", stderr), 2;
  Arena *arena = arena_new();
  Net *net = NEW(arena, Net);
  net->arena = net->body.arena = net->blocks.arena = arena;
  net->random = strtoull(argv[1], NULL, 10) * UINT64_C(0xd1342543de82ef95), net->out = &net->body, net->depth = 1;
  text_put(&net->blocks, "%s", "");
  for (int k = 0; k < 3; k++) net->constant[k] = channels(net);
  write_inputs(net);
  const int n = (int)between(net, 2, 9);
  for (int i = 0; i < n; i++) {
    if (chance(net, 12)) write_repeat(net);
    else if (chance(net, 8)) write_if(net);
    else write_statement(net);
  }
  if (net->layers == 0) write_statement(net);
  if (net->now.size > 30) indent(net), tame(net), text_put(net->out, "\n");
  Value output[4];
  const int noutputs = write_outputs(net, output);
  if (chance(net, 70)) write_train(net, noutputs, output);
  static const char *const targets[] = {"x86-64-v4", "x86-64-v3", "x86-64", "generic"}; /* one of them compiles C */
  printf("# check: images=3 batch=%d tolerance=5e-5 gradient=1e-3 difference=1e-4 targets=%s\n# Made by randomnet %s\n", chance(net,
      20) ? 3 : 1, targets[below(net, 4)], argv[1]);
  for (int k = 0; k < 3; k++) printf("const k%d = %lld\n", k, (long long)net->constant[k]);
  const bool blocks_first = chance(net, 50);
  printf("%snet n {\n%s}\n%s", blocks_first ? net->blocks.s : "", net->body.s, blocks_first ? "" : net->blocks.s);
  arena_free(arena);
  return 0;
}
