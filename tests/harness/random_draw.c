/* random_draw.c: Parts of random programs: numbers and names, windows that fit, shared parameters. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"
#include <stdio.h>

/* ---- drawing ---- */
int64_t below(Net *net, int64_t n) { /* 0 .. n-1: splitmix64 (Steele, Lea and Flood, 2014) */
  uint64_t z = net->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (int64_t)((z ^ (z >> 31)) % (uint64_t)n);
}
int64_t between(Net *net, int64_t lo, int64_t hi) { return lo + below(net, hi - lo + 1); }
bool chance(Net *net, int percent) { return below(net, 100) < percent; }
int64_t channels(Net *net) {
  static const int64_t some[] = {1,  2,  3,  4,  4,  5,  6,  7,  8,  8,  9,  11, 12,
                                 13, 15, 16, 17, 19, 20, 23, 24, 29, 31, 32, 33, 37};
  static const int64_t primes[] = {1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 48};
  if (net->uneven && chance(net, 80)) return primes[below(net, sizeof primes / sizeof *primes)];
  return some[below(net, sizeof some / sizeof *some)];
}
const char *activation(Net *net) {
  static const char *const some[] = {"relu",
                                     "relu6",
                                     "leaky_relu",
                                     "leaky_relu(slope=0.2)",
                                     "prelu",
                                     "elu",
                                     "elu(alpha=0.7)",
                                     "selu",
                                     "gelu",
                                     "silu",
                                     "sigmoid",
                                     "hard_sigmoid",
                                     "hard_swish",
                                     "tanh",
                                     "softplus",
                                     "clip(-1.5, 2)",
                                     "abs",
                                     "sin",
                                     "cos"};
  return some[below(net, sizeof some / sizeof *some)];
}
int64_t divisor(Net *net, int64_t a, int64_t b) { /* a common divisor */
  int64_t some[8], n = 0;
  for (int64_t g = 1; g <= a && n < 8; g++)
    if (a % g == 0 && b % g == 0) some[n++] = g;
  return some[below(net, n)];
}

/* ---- shapes ---- */
int64_t elements(Shape s) { return s.h * s.w * s.c; }
bool same_pixels(Shape a, Shape b) { return a.h == b.h && a.w == b.w; }
bool one_pixel(Shape s) { return s.h == 1 && s.w == 1; }
Shape picture(int64_t h, int64_t w, int64_t c) { return (Shape){3, h, w, c}; }
Shape vector(int64_t n) { return (Shape){1, 1, 1, n}; }
const char *shape_words(Net *net, Shape s) {
  if (s.rank == 3)
    return arena_printf(net->arena, "%lldx%lldx%lld", (long long)s.h, (long long)s.w, (long long)s.c);
  if (s.rank == 2) return arena_printf(net->arena, "%lldx%lld", (long long)s.w, (long long)s.c);
  return arena_printf(net->arena, "%lld", (long long)s.c);
}
bool spend(Net *net, double macs) {
  if (macs > net->most_macs || net->macs + macs > 3 * net->most_macs) return false;
  net->macs += macs;
  return true;
}

/* ---- text of numbers and arguments ---- */
void put_number(Net *net, int64_t n) { /* an expression with the value n */
  for (int k = 0; k < 3; k++)
    if (net->constant[k] == n && chance(net, 60)) {
      text_put(net->out, "k%d", k);
      return;
    }
  const int form = chance(net, 85) ? 0 : (int)below(net, 7);
  const long long v = n;
  if (form == 1) text_put(net->out, "%lld + %lld", v - 2, 2LL);
  else if (form == 2) text_put(net->out, "(%lld * 3) / 3", v);
  else if (form == 3) text_put(net->out, "max(%lld, 0)", v);
  else if (form == 4) text_put(net->out, "%lld > 3 ? %lld : %lld", v, v, v);
  else if (form == 5) text_put(net->out, "floor(%lld.7)", v);
  else if (form == 6) text_put(net->out, "%lld.0", v);
  else text_put(net->out, "%lld", v);
}
void put_pair(Net *net, const char *name, const int64_t n[2], int rank) {
  const long long h = n[0], w = n[1];
  text_put(net->out, ", %s=", name);
  if (rank == 2) put_number(net, w);
  else if (h == w && chance(net, 60)) put_number(net, w);
  else text_put(net->out, chance(net, 70) ? "%lldx%lld" : "[%lld, %lld]", h, w);
}
void put_init(Net *net, const char *name) {
  static const char *const some[] = {
      "he",    "he_uniform", "glorot",       "glorot_normal",         "lecun",
      "zeros", "ones",       "normal(0.05)", "normal(0.1, mean=0.2)", "uniform(0.3)",
      "0.1",   "-2"};
  if (chance(net, 15)) text_put(net->out, ", %s=%s", name, some[below(net, sizeof some / sizeof *some)]);
}

/* ---- parameters: named, shared later, frozen ---- */
Part *find_part(Net *net, const char *op) {
  if (!chance(net, 45)) return NULL;
  for (int i = 0; i < net->nparts; i++) {
    Part *part = &net->part[i];
    if (!strcmp(part->op, op) && part->channels == net->now.shape.c && part->rank == net->now.shape.rank)
      return part;
  }
  return NULL;
}
/* Writes the last arguments of a call with parameters: frozen=, weights= or name=. */
void put_part(Net *net, const Part *shared, const Part *made) {
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

/* Whether one of the windows consists of padding only. */
static bool empty_window(const Window *w, int axis, int64_t input) {
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
    w->before[axis] = total > 0 ? total / 2 : 0;
    w->after[axis] = total > 0 ? total - total / 2 : 0;
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
  for (int a = axis; a < 2 && form >= 2; a++) {
    const int64_t most =
        w->kernel[a] +
        (chance(net, 15) ? 3 : 0); /* possibly larger than the kernel: windows with only padding */
    w->before[a] = between(net, 0, most);
    w->after[a] = form == 4 ? between(net, 0, most) : w->before[a];
  }
  if (form == 1) return "same";
  if (form == 2) {
    if (!axis) w->before[0] = w->after[0] = w->after[1] = w->before[1];
    return arena_printf(net->arena, "%lld", (long long)w->before[1]);
  }
  if (form < 2) return chance(net, 80) ? "valid" : "\"valid\"";
  if (rank == 2 && form == 3) {
    w->before[1] = w->dilation[1] * (w->kernel[1] - 1);
    w->after[1] = 0;
    return "causal";
  }
  if (rank == 2)
    return arena_printf(net->arena, "[%lld, %lld]", (long long)w->before[1], (long long)w->after[1]);
  if (form == 3)
    return arena_printf(net->arena, "[%lld, %lld]", (long long)w->before[0], (long long)w->before[1]);
  return arena_printf(net->arena, "[%lld, %lld, %lld, %lld]", (long long)w->before[0], (long long)w->after[0],
                      (long long)w->before[1], (long long)w->after[1]);
}

/* A window that fits the current value; false if none was found. */
bool draw_window(Net *net, bool pool, const int64_t *kernel, Window *w) {
  const Shape in = net->now.shape;
  const int64_t size[2] = {in.h, in.w};
  if (in.rank == 1) return false;
  for (int attempt = 0; attempt < 12; attempt++) {
    *w = (Window){.ceil = pool && chance(net, 25), .own_stride = !pool || chance(net, 70)};
    static const int64_t uneven[][2] = {{1, 7},  {7, 1},  {1, 11}, {11, 3}, {3, 11},
                                        {13, 1}, {1, 13}, {2, 9},  {4, 1},  {8, 2}};
    const int64_t *given = kernel                                               ? kernel
                           : in.rank == 3 && chance(net, net->uneven ? 25 : 12) ? uneven[below(net, 10)]
                                                                                : NULL;
    const bool square = chance(net, net->uneven ? 35 : 60), strided = chance(net, net->uneven ? 50 : 35),
               dilated = chance(net, net->uneven ? 25 : 15);
    for (int axis = 0; axis < 2; axis++) {
      const bool copy = axis && square, flat = in.rank == 2 && axis == 0;
      w->kernel[axis] = flat                   ? 1
                        : given                ? given[axis]
                        : copy && in.rank == 3 ? w->kernel[0]
                                               : between(net, 1, chance(net, 10) ? 7 : 4);
      w->stride[axis] = flat                   ? 1
                        : !w->own_stride       ? w->kernel[axis]
                        : copy && in.rank == 3 ? w->stride[0]
                        : strided              ? between(net, 1, net->uneven ? 5 : 4)
                                               : 1;
      w->dilation[axis] = flat ? 1 : copy && in.rank == 3 ? w->dilation[0] : dilated ? between(net, 1, 3) : 1;
    }
    w->pad = draw_padding(net, w, in.rank);
    bool fits = true;
    for (int axis = 0; axis < 2; axis++) {
      w->out[axis] =
          in.rank == 2 && axis == 0 ? 1 : output_size(w, axis, size[axis], !strcmp(w->pad, "same"));
      fits = fits && w->out[axis] >= 1 && !(pool && empty_window(w, axis, size[axis]));
    }
    if (fits) return true;
  }
  return false;
}

void put_window(Net *net, const Window *w, int rank, bool stride) {
  if (stride && (w->stride[0] != 1 || w->stride[1] != 1 || chance(net, 10)))
    put_pair(net, "stride", w->stride, rank);
  if (w->dilation[0] != 1 || w->dilation[1] != 1) put_pair(net, "dilation", w->dilation, rank);
  if (strstr(w->pad, "valid") == NULL || chance(net, 15)) text_put(net->out, ", pad=%s", w->pad);
}

void put_kernel(Net *net, const int64_t kernel[2], int rank) {
  if (rank == 2 || (kernel[0] == kernel[1] && chance(net, 40))) put_number(net, kernel[1]);
  else text_put(net->out, "%lldx%lld", (long long)kernel[0], (long long)kernel[1]);
}

void put_literal(Net *net, const int64_t kernel[2]) {
  text_put(net->out, ", frozen=true, init=[");
  for (int64_t y = 0; y < kernel[0]; y++) {
    text_put(net->out, y ? ", [" : "[");
    for (int64_t x = 0; x < kernel[1]; x++)
      text_put(net->out, "%s%s", x ? ", " : "",
               (const char *const[]){"-1", "0", "1", "0.5", "1/8", "-0.25"}[below(net, 6)]);
    text_put(net->out, "]");
  }
  text_put(net->out, "]");
}
