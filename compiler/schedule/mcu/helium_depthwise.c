// helium_depthwise.c: int8 depthwise convolutions with Arm Helium vectors.
// SPDX-License-Identifier: Apache-2.0
//
// The lanes of a vector are four channels, in int32. (The instruction that sums the products of a whole
// vector would need contiguous taps of one channel.) A tile has three pixels of a row. In a 3x3 convolution,
// the eight vector registers hold the sums of these pixels, the weights of a row of taps, an input vector and
// a product. In a tile whose windows may cross an edge of the image, the code tests for each input pixel
// whether the pixel is inside the image.
//
// Example: `x: 14x14x16 -> depthwise(3x3, pad=same)` --target=armv8.1-m, lines 9-21 of depthwise1_tile_3:
//
//     for (int ky = 0; ky < 3; ky++) {
//       const v4i w0 = n_load_bytes_x4c(&weight_bytes[unit][ky][0][0], 4);
//       const v4i w1 = n_load_bytes_x4c(&weight_bytes[unit][ky][1][0], 4);
//       const v4i w2 = n_load_bytes_x4c(&weight_bytes[unit][ky][2][0], 4);
//       const v4i x = n_load_bytes_x4c(&in[y + ky - 1][x0 - 1][4*unit], 4);
//       a[0] = a[0] + x * w0;
//       const v4i x_2 = n_load_bytes_x4c(&in[y + ky - 1][x0][4*unit], 4);
//       a[0] = a[0] + x_2 * w1;
//       a[1] = a[1] + x_2 * w0;
//       const v4i x_3 = n_load_bytes_x4c(&in[y + ky - 1][x0 + 1][4*unit], 4);
//       a[0] = a[0] + x_3 * w2;
//       a[1] = a[1] + x_3 * w1;
//       a[2] = a[2] + x_3 * w0;
#include "base/number.h"
#include "schedule/mcu/helium.h"

enum { CHANNELS = 4, PIXELS = 3, MOST_TAPS = 16 };

typedef struct Depthwise {
  Correlation k;
  Finish finish;
  Buf *weight; /* [units][ky][kx][4] */
} Depthwise;

static const char *helium_depthwise_impossible(const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  if (k.l != 1 || k.s != 1) return "groups of channels";
  if (l->in[0]->rank != 3 || l->out->rank != 3) return "a value with a leading axis";
  if (k.kernel[1] > MOST_TAPS) return "a kernel row with more than 16 taps";
  return finish_may(l, DOT_ACROSS, l->node->detail, &k) ? NULL : "a partial sum might exceed int32";
}

static Cycles helium_depthwise_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const Correlation k = int8_geometry(l->node);
  const double units = (double)ceil_divide(k.small.c, CHANNELS), pixels = (double)(k.small.h * k.small.w),
               tiles = (double)(k.small.h * ceil_divide(k.small.w, PIXELS)), rows = (double)k.kernel[0],
               columns = (double)((PIXELS - 1) * k.stride[1] + k.kernel[1]),
               taps = rows * (double)k.kernel[1];
  Cycles c = dsp_cycles(l,
                        (DspWork){.vectors = units * (2 * pixels * taps + tiles * (taps + rows * columns)),
                                  .flash = units * tiles * taps * (double)CHANNELS},
                        helium_finish_work(l, pixels * units));
  c.weight_bytes = (int64_t)(units * taps) * CHANNELS + 5 * dsp_bytes(1, (int64_t[]){k.small.c});
  return c;
}

static Buf *helium_depthwise_packed_weights(Lower *l, const Depthwise *d) {
  const Int8Product *p = l->node->detail;
  const int64_t taps = d->k.kernel[0] * d->k.kernel[1],
                dim[4] = {d->finish.vectors, d->k.kernel[0], d->k.kernel[1], CHANNELS};
  int8_t *values = NEW_ARRAY(l->arena, int8_t, dim[0] * taps * CHANNELS);
  for (int64_t c = 0; c < d->k.s; c++)
    for (int64_t t = 0; t < taps; t++)
      values[(c / CHANNELS * taps + t) * CHANNELS + c % CHANNELS] = p->weight[c * taps + t];
  return lower_constants(l, "weight_bytes", I8, 4, dim, values);
}

/* ---- a tile ---- */
typedef struct Tile {
  int pixels;
  bool edge;
  Ix y, x;
} Tile;

/* Loads four channels, starting at channel c, of a column of the tile's input. Elements outside of the image
 * represent 0. */
static Val helium_depthwise_element(Lower *l, const Depthwise *d, const Tile *t, const Ix *ky, int64_t column,
                                    const Ix *c, int part) {
  Nest *b = l->b;
  const Correlation *k = &d->k;
  const Ix y = t->y * k->stride[0] + *ky * k->dilation[0] - k->before[0],
           x = t->x * k->stride[1] + column - k->before[1];
  const Val there = int8_load_part(l, l->in[0], &y, &x, c, part, CHANNELS),
            zero = splat(int8_zero(l, 0), CHANNELS);
  if (!t->edge) return there;
  return pick(b, cond_and(nest_within(b, y, 0, k->large.h), nest_within(b, x, 0, k->large.w)), there, zero);
}

static void helium_depthwise_add_row(Lower *l, const Depthwise *d, const Tile *t, Buf *sum, const Ix *unit,
                                     const Ix *ky, int part) {
  Nest *b = l->b;
  const Correlation *k = &d->k;
  const int64_t columns = (t->pixels - 1) * k->stride[1] + (k->kernel[1] - 1) * k->dilation[1] + 1;
  const Ix c = *unit * CHANNELS;
  Val w[MOST_TAPS];
  for (int64_t i = 0; i < k->kernel[1]; i++)
    w[i] = nest_let(b, nest_text(b, "w%d", (int)i),
                    convert(nest_load(b, nest_at(b, d->weight, *unit, *ky, i, 0), CHANNELS), I32));
  for (int64_t column = 0; column < columns; column++) {
    Val x = NULL;
    for (int p = 0; p < t->pixels; p++) {
      const int64_t at = column - p * k->stride[1], tap = at / k->dilation[1];
      if (at < 0 || at % k->dilation[1] || tap >= k->kernel[1]) continue;
      if (!x) x = nest_let(b, "x", helium_depthwise_element(l, d, t, ky, column, &c, part));
      const Ref to = nest_at(b, sum, p);
      nest_store(b, to, add(nest_get(b, to), mul(x, w[tap])));
    }
  }
}

static void helium_depthwise_unit_nest(Lower *l, const Depthwise *d, const Tile *t, const Ix *unit,
                                       int part) {
  Nest *b = l->b;
  const Ix none = {0}, c = *unit * CHANNELS;
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, CHANNELS}, 1, (int64_t[]){t->pixels});
  for (int p = 0; p < t->pixels; p++)
    nest_store(b, nest_at(b, sum, p), nest_load(b, nest_at(b, d->finish.bias, *unit, 0), CHANNELS));
  NEST_FOR(b, ky, d->k.kernel[0]) helium_depthwise_add_row(l, d, t, sum, unit, &ky, part);
  for (int p = 0; p < t->pixels; p++) {
    const Ix x = t->x + p;
    lower_store(l, finish_vector(l, &d->finish, nest_get(b, nest_at(b, sum, p)), unit, &none), &t->y, &x, &c,
                part, CHANNELS);
  }
}

static NestFn *helium_depthwise_tile_of(Lower *l, const Depthwise *d, int pixels, bool edge) {
  Nest *b = l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "%s_%d", edge ? "edge" : "tile", pixels), true);
  Tile t = {.pixels = pixels, .edge = edge};
  t.y = nest_arg(b, "y");
  t.x = nest_arg(b, "x0");
  const int64_t whole = d->k.s / CHANNELS, rest = d->k.s % CHANNELS;
  const Ix last = NEST_Z + whole;
  NEST_FOR(b, unit, whole) helium_depthwise_unit_nest(l, d, &t, &unit, CHANNELS);
  if (rest) helium_depthwise_unit_nest(l, d, &t, &last, (int)rest);
  return fn;
}

/* ---- all tiles ---- */
/* Along an axis, outputs are processed in groups of `step`. The groups t with lo <= t < hi only read inside
 * the image. */
typedef struct Inner {
  int64_t lo, hi;
} Inner;

static Inner inner_of(const Correlation *k, int axis, int64_t step) {
  const int64_t S = k->stride[axis], steps = extent_side(k->small, axis) / step,
                reach = (step - 1) * S + (k->kernel[axis] - 1) * k->dilation[axis] - k->before[axis],
                room = extent_side(k->large, axis) - 1 - reach,
                hi = room < 0 ? 0 : smaller(steps, room / (step * S) + 1);
  return (Inner){smaller(ceil_divide(k->before[axis], step * S), hi), hi};
}

static void call_tiles(Nest *b, NestFn *fn, const Ix *y, int64_t lo, int64_t hi, int64_t step) {
  NEST_FROM(b, t, lo, hi) nest_call(b, fn, *y, t * step);
}

static bool helium_depthwise_build(Lower *l) {
  Nest *b = l->b;
  const Int8Product *p = l->node->detail;
  Depthwise d = {.k = int8_geometry(l->node)};
  Correlation *k = &d.k;
  k->s = k->groups; /* treats all channels as one group */
  k->groups = 1;
  d.finish = finish_begin(l, DOT_ACROSS, p, k, CHANNELS, false);
  d.weight = helium_depthwise_packed_weights(l, &d);
  const int pixels = (int)smaller(PIXELS, k->small.w), rest = (int)(k->small.w % pixels);
  const int64_t steps = k->small.w / pixels;
  const Inner rows = inner_of(k, 0, 1), columns = inner_of(k, 1, pixels);
  const bool inner = rows.lo < rows.hi && columns.lo < columns.hi;
  NestFn *tile = inner ? helium_depthwise_tile_of(l, &d, pixels, false) : NULL,
         *edge = helium_depthwise_tile_of(l, &d, pixels, true),
         *end = rest ? helium_depthwise_tile_of(l, &d, rest, true) : NULL;
  lower_about(l, "int8, %d pixels x four channels, rounding %s", pixels, rounding_name(p->rounding));
  nest_fn(b, b->name, false);
  const int64_t from[4] = {0, inner ? rows.lo : 0, inner ? rows.hi : 0, k->small.h};
  for (int part = 0; part < 3; part++) {
    if (from[part] == from[part + 1]) continue;
    NEST_FROM(b, y, from[part], from[part + 1]) {
      call_tiles(b, edge, &y, 0, part == 1 ? columns.lo : steps, pixels);
      if (part == 1) call_tiles(b, tile, &y, columns.lo, columns.hi, pixels);
      if (part == 1) call_tiles(b, edge, &y, columns.hi, steps, pixels);
      if (rest) nest_call(b, end, y, NEST_Z + steps * pixels);
    }
  }
  return true;
}

static bool helium_depthwise_takes(const Lower *l) {
  return helium_may(l) && int8_geometry(l->node).groups > 1 && !helium_depthwise_impossible(l);
}

const Schedule schedule_helium_depthwise = {.name = "vectors",
                                            .tuning_name = "direct",
                                            .families = FAMILY_BIT(FAMILY_INT8),
                                            .takes = helium_depthwise_takes,
                                            .refused = helium_refused,
                                            .cycles = helium_depthwise_cycles,
                                            .build = helium_depthwise_build,
                                            .small = dsp_form_small};
