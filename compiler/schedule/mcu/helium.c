// helium.c: int8 convolutions and dense layers with Arm Helium: sixteen products per instruction.
// SPDX-License-Identifier: Apache-2.0
//
// An instruction multiplies sixteen signed bytes by sixteen other bytes, and adds all products to an int32
// register. So the window of a pixel is gathered as contiguous bytes, with the input's zero point as padding;
// the bias subtracts the zero point's contribution (int8_finish.c). Weights have the same order, padded with
// zeros to whole vectors, so the bytes after a window have no effect. In a 1x1 convolution with stride 1, the
// input is read in place if the channels of a pixel fill whole vectors and the pixels are contiguous in
// memory. A tile has three pixels and two filters. It needs registers for six sums, which can only be in
// every second register of the CPU, and for two pointers to the operands. If the output has one pixel per
// row, tiles have one pixel and four filters. Sums of four filters are requantized as a vector.
//
// Example: `x: 14x14x16 -> conv(24, 3x3, pad=1)` --target=armv8.1-m, lines 64-76 of conv1:
//
//     ROLL for (int step = 0; step < 9; step++) {
//       const v4i w0 = n_words_x4i(&weight_bytes[2*unit][step][0]);
//       const v4i w1 = n_words_x4i(&weight_bytes[2*unit][step][16]);
//       const v4i x0 = n_words_x4i(&window[step][0][0]);
//       a[0][0] = n_dot_across_x4(a[0][0], x0, w0);
//       a[0][1] = n_dot_across_x4(a[0][1], x0, w1);
//       const v4i x1 = n_words_x4i(&window[step][1][0]);
//       a[1][0] = n_dot_across_x4(a[1][0], x1, w0);
//       a[1][1] = n_dot_across_x4(a[1][1], x1, w1);
//       const v4i x2 = n_words_x4i(&window[step][2][0]);
//       a[2][0] = n_dot_across_x4(a[2][0], x2, w0);
//       a[2][1] = n_dot_across_x4(a[2][1], x2, w1);
//     }
#include "base/number.h"
#include "schedule/mcu/helium.h"

enum {
  BYTES = 16, /* number of bytes of a vector */
  LANES_OF_SUMS = 4,
  PIXELS = 3,
  SHORT = 4, /* maximum vectors of a window whose loop is unrolled: starting a loop takes six instructions */
  MOST_STACK = 12 << 10 /* maximum bytes of the windows on the stack */
};

typedef struct Across {
  Correlation k;
  bool flat;     /* the input is viewed as rows of elements, without pixels */
  bool apart;    /* the vectors of a tile's windows alternate in memory */
  bool in_place; /* the input is read in place; there is no copy of the window */
  int64_t run;   /* number of elements in a row of a window */
  int64_t depth; /* number of elements of a window, rounded up to whole vectors */
  int pixels;    /* number of pixels of a tile */
  int filters;   /* number of filters of a tile: 2 or 4 */
  Finish finish;
  Buf *weight; /* [units * 4 / filters][depth / 16][filters * 16]; a unit: four filters */
} Across;

static Across across_of(const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  Across d = {
      .k = k, .flat = dsp_has_no_gaps(l->in[0], 1), .apart = k.l % BYTES == 0, .run = k.kernel[1] * k.l};
  d.depth = ceil_divide(k.kernel[0] * d.run, BYTES) * BYTES;
  if (correlation_pointwise(&k) && dsp_has_no_gaps(l->in[0], 0) && dsp_has_no_gaps(l->out, 0)) {
    d.in_place = k.l % BYTES == 0;
    d.k.large.w *= k.large.h;
    d.k.small.w *= k.small.h;
    d.k.large.h = d.k.small.h = 1;
  }
  d.pixels = (int)smaller(PIXELS, d.k.small.w);
  d.filters = d.pixels == 1 ? 4 : 2;
  return d;
}

static const char *helium_product_impossible(const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  const Int8Product *p = l->node->detail;
  if (k.groups != 1) return "groups of channels";
  if (l->in[0]->rank != 3 || l->out->rank != 3) return "a value with a leading axis";
  if (!finish_may(l, DOT_ACROSS, p, &k)) return "a partial sum might exceed int32";
  const Across d = across_of(l);
  if (!d.in_place && d.pixels * d.depth > MOST_STACK) return "the window is too large";
  return NULL;
}

DspWork helium_finish_work(const Lower *l, double vectors) {
  const Int8Product *p = l->node->detail;
  const double steps = p->rounding == ROUNDING_FLOAT ? 8 : p->rounding == ROUNDING_SINGLE ? 11 : 13;
  return (DspWork){.vectors = steps * vectors};
}

static Cycles helium_product_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const Across d = across_of(l);
  const double pixels = (double)(d.k.small.h * d.k.small.w), vectors = (double)(d.depth / BYTES),
               tiles = (double)(d.k.small.h * ceil_divide(d.k.small.w, d.pixels)),
               units = (double)ceil_divide(d.k.small.c, LANES_OF_SUMS),
               blocks = units * (double)LANES_OF_SUMS / d.filters, steps = tiles * blocks * vectors;
  DspWork rest = helium_finish_work(l, pixels * units);
  rest.stores += pixels * units * (double)LANES_OF_SUMS;
  rest.others += tiles * blocks * 6;
  if (!d.in_place) rest.vectors += 2 * pixels * vectors;
  if (!d.in_place) rest.others += pixels * (double)(d.k.kernel[0] * d.k.kernel[1]) * 8;
  Cycles c = dsp_cycles(l,
                        (DspWork){.vectors = steps * (d.pixels * d.filters + d.pixels + d.filters),
                                  .others = steps,
                                  .flash = steps * d.filters * (double)BYTES},
                        rest);
  c.weight_bytes =
      (int64_t)(blocks * vectors) * d.filters * BYTES + 5 * dsp_bytes(1, (int64_t[]){d.k.small.c});
  return c;
}

/* ---- weights ---- */
static Buf *helium_packed_weights(Lower *l, const Across *d) {
  const Int8Product *p = l->node->detail;
  const Correlation *k = &d->k;
  const int64_t taps = k->kernel[0] * k->kernel[1], blocks = d->finish.vectors * LANES_OF_SUMS / d->filters,
                dim[3] = {blocks, d->depth / BYTES, d->filters * BYTES};
  int8_t *values = NEW_ARRAY(l->arena, int8_t, dim[0] * dim[1] * dim[2]);
  for (int64_t f = 0; f < k->small.c; f++)
    for (int64_t e = 0; e < taps * k->l; e++)
      values[((f / d->filters * dim[1] + e / BYTES) * d->filters + f % d->filters) * BYTES + e % BYTES] =
          p->weight[(f * k->l + e % k->l) * taps + e / k->l];
  return lower_constants(l, "weight_bytes", I8, 3, dim, values);
}

/* ---- windows ---- */
typedef struct Tile {
  int pixels;
  Buf *window; /* [1][pixels][depth], or [depth / 16][pixels][16]; NULL: read in place */
  const Ix *y, *x;
} Tile;

/* The first element to copy: element c of pixel (y, x). If the input is flat, x is 0, and c is an element of
 * row y. A NULL pointer means elements that represent 0. */
typedef struct From {
  Ix y, x, c;
} From;

/* Element `at` of the window of pixel p. With `apart`, it must be the first element of a vector. */
static Ref window_at(Lower *l, const Across *d, Buf *window, int p, const Ix *at) {
  return d->apart ? nest_at(l->b, window, *at / BYTES, p, 0) : nest_at(l->b, window, 0, p, *at);
}

/* Stores n elements that represent 0. */
static void helium_put_zeros(Lower *l, const Ref *first, int n) {
  Nest *b = l->b;
  const Val zero = int8_zero(l, 0);
  const int lanes = (int)smaller(n, LANES_OF_SUMS);
  for (int i = 0; i < n; i += lanes) {
    Ref at = *first;
    at.at[at.buf->rank - 1].c += i;
    nest_store(b, at, convert(lanes > 1 ? splat(zero, lanes) : zero, I8));
  }
}

/* Stores n elements of a window, in the widest possible vectors: copies of the elements at `from`; if `from`
 * is NULL, elements that represent 0. */
static void helium_fill(Lower *l, const Across *d, Buf *to, int p, const Ix *at, int64_t n,
                        const From *from) {
  Nest *b = l->b;
  int64_t done = 0;
  for (int lanes = from || d->apart ? BYTES : LANES_OF_SUMS; lanes >= 1; lanes = lanes > 4 ? 4 : lanes - 3) {
    const int64_t count = (n - done) / lanes;
    if (count)
      NEST_FOR(b, i, count) {
        const Ix step = done + lanes * i;
        const Ix place = *at + step;
        const Ref stored = window_at(l, d, to, p, &place);
        if (from)
          nest_store(b, stored, nest_load(b, nest_at(b, l->in[0], from->y, from->x, from->c + step), lanes));
        else helium_put_zeros(l, &stored, lanes);
      }
    done += count * lanes;
  }
}

static Ix helium_along(const Correlation *k, int axis, const Ix *at, const Ix *tap) {
  return *at * k->stride[axis] + *tap * k->dilation[axis] - k->before[axis];
}

/* Gathers a row of a window, tap by tap. */
static void helium_gather_taps(Lower *l, const Across *d, const Tile *t, int p, const Ix *ky, const Ix *y) {
  Nest *b = l->b;
  const Correlation *k = &d->k;
  const Ix x = *t->x + p;
  NEST_FOR(b, kx, k->kernel[1]) {
    const Ix ix = helium_along(k, 1, &x, &kx), to = *ky * d->run + kx * k->l, element = ix * k->l;
    const Cond in_row =
        d->flat ? nest_within(b, element, 0, (k->large.w - 1) * k->l + 1) : nest_within(b, ix, 0, k->large.w);
    NEST_IF(b, cond_and(nest_within(b, *y, 0, k->large.h), in_row))
      helium_fill(l, d, t->window, p, &to, k->l, d->flat ? &(From){*y, {0}, element} : &(From){*y, ix, {0}});
    NEST_ELSE(b) helium_fill(l, d, t->window, p, &to, k->l, NULL);
  }
}

static void helium_gather(Lower *l, const Across *d, const Tile *t, int p) {
  Nest *b = l->b;
  const Correlation *k = &d->k;
  const int64_t all = k->kernel[0] * d->run, width = k->large.w * k->l;
  NEST_FOR(b, ky, k->kernel[0]) {
    const Ix y = helium_along(k, 0, t->y, &ky), to = ky * d->run,
             left = ((*t->x + p) * k->stride[1] - k->before[1]) * k->l;
    if (!d->flat || k->dilation[1] != 1 || d->run > width || k->kernel[1] == 1) {
      helium_gather_taps(l, d, t, p, &ky, &y);
      continue;
    }
    NEST_IF(b, cond_and(nest_within(b, y, 0, k->large.h), nest_within(b, left, 0, width - d->run + 1)))
      helium_fill(l, d, t->window, p, &to, d->run, &(From){y, {0}, left});
    NEST_ELSE(b) helium_gather_taps(l, d, t, p, &ky, &y);
  }
  helium_fill(l, d, t->window, p, NEST_IX(all), d->depth - all, NULL);
}

/* ---- products ---- */
static Val window_vector(Lower *l, const Across *d, const Tile *t, int p, const Ix *step) {
  Nest *b = l->b;
  const Ix at = *step * BYTES;
  const Ref from =
      t->window ? window_at(l, d, t->window, p, &at) : nest_at(b, l->in[0], 0, 0, (*t->x + p) * d->k.l + at);
  return nest_let(b, nest_text(b, "x%d", p), nest_load_words(b, from, LANES_OF_SUMS));
}

/* Computes the sums of d->filters filters of a unit, beginning with filter `first` of the unit. */
static void helium_block_nest(Lower *l, const Across *d, const Tile *t, Buf *sums, const Ix *unit,
                              int first) {
  Nest *b = l->b;
  const Ix block = *unit * (LANES_OF_SUMS / d->filters) + first / d->filters;
  Buf *a = nest_buf(b, REGS, "a", (Type){I32, 1}, 2, (int64_t[]){t->pixels, d->filters});
  for (int p = 0; p < t->pixels; p++)
    for (int i = 0; i < d->filters; i++)
      nest_store(b, nest_at(b, a, p, i), nest_load(b, nest_at(b, d->finish.bias, *unit, first + i), 1));
  NEST_LOOP(b, step, d->depth / BYTES > SHORT ? ROLLED : SERIAL, 1, NEST_IX(0), 1,
            NEST_IX(d->depth / BYTES)) {
    Val w[4];
    for (int i = 0; i < d->filters; i++)
      w[i] = nest_let(b, nest_text(b, "w%d", i),
                      nest_load_words(b, nest_at(b, d->weight, block, step, i * BYTES), LANES_OF_SUMS));
    for (int p = 0; p < t->pixels; p++) {
      const Val x = window_vector(l, d, t, p, &step);
      for (int i = 0; i < d->filters; i++) {
        const Ref at = nest_at(b, a, p, i);
        nest_store(b, at, nest_primitive(b, &primitive_dot_across, nest_get(b, at), x, w[i]));
      }
    }
  }
  for (int p = 0; p < t->pixels; p++)
    for (int i = 0; i < d->filters; i++)
      nest_store(b, nest_at(b, sums, p, first + i), nest_get(b, nest_at(b, a, p, i)));
}

/* Computes a unit: four filters, of which only `part` exist. */
static void unit_nest(Lower *l, const Across *d, const Tile *t, const Ix *unit, int part) {
  Nest *b = l->b;
  const Ix none = {0}, f = *unit * LANES_OF_SUMS;
  Buf *sums = nest_buf(b, STACK, "sums", (Type){I32, 1}, 2, (int64_t[]){t->pixels, LANES_OF_SUMS});
  for (int first = 0; first < LANES_OF_SUMS; first += d->filters)
    helium_block_nest(l, d, t, sums, unit, first);
  for (int p = 0; p < t->pixels; p++) {
    const Ix x = *t->x + p;
    const Val sum = nest_let(b, "sum", nest_load(b, nest_at(b, sums, p, 0), LANES_OF_SUMS));
    lower_store(l, finish_vector(l, &d->finish, sum, unit, &none), t->y, &x, &f, part, LANES_OF_SUMS);
  }
}

static void tile_nest(Lower *l, const Across *d, Tile *t) {
  Nest *b = l->b;
  const int64_t rest = d->k.small.c % LANES_OF_SUMS;
  if (!d->in_place)
    t->window = nest_buf(b, STACK, "window", (Type){I8, 1}, 3,
                         d->apart ? (int64_t[]){d->depth / BYTES, t->pixels, BYTES}
                                  : (int64_t[]){1, t->pixels, d->depth});
  for (int p = 0; p < t->pixels && t->window; p++) helium_gather(l, d, t, p);
  NEST_FOR(b, unit, d->k.small.c / LANES_OF_SUMS) unit_nest(l, d, t, &unit, LANES_OF_SUMS);
  const Ix none = {0}, last = none + d->k.small.c / LANES_OF_SUMS;
  if (rest) unit_nest(l, d, t, &last, (int)rest);
}

/* ---- the layer ---- */
static void helium_rows_of_elements(Buf *buf, const Extent *seen) {
  const int64_t dim[3] = {seen->h, 1, seen->w * seen->c};
  for (int i = 0; i < 3; i++) {
    if (i || seen->h == 1) buf->room[buf->leads + i] = dim[i];
    buf->dim[buf->leads + i] = dim[i];
  }
}

static void see_as_row(Buf *out, const Extent *seen) {
  const int64_t dim[3] = {1, seen->w, seen->c};
  for (int i = 0; i < 3; i++) out->room[i] = out->dim[i] = dim[i];
}

static bool helium_product_build(Lower *l) {
  Nest *b = l->b;
  Across d = across_of(l);
  const Extent small = d.k.small;
  const Int8Product *p = l->node->detail;
  if (d.flat) helium_rows_of_elements(l->in[0], &d.k.large);
  if (small.h == 1 && l->out->dim[0] != 1) see_as_row(l->out, &small);
  d.finish = finish_begin(l, DOT_ACROSS, p, &d.k, LANES_OF_SUMS, false);
  d.weight = helium_packed_weights(l, &d);
  lower_about(l, "int8, %d pixels x %d filters, sixteen products per instruction, rounding %s", d.pixels,
              d.filters, rounding_name(p->rounding));
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, small.h) {
    NEST_FOR(b, tile, small.w / d.pixels) {
      const Ix x = tile * d.pixels;
      tile_nest(l, &d, &(Tile){.pixels = d.pixels, .y = &y, .x = &x});
    }
    const int64_t rest = small.w % d.pixels;
    const Ix none = {0}, x = none + small.w - rest;
    if (rest) tile_nest(l, &d, &(Tile){.pixels = (int)rest, .y = &y, .x = &x});
  }
  return true;
}

static bool helium_product_takes(const Lower *l) {
  return helium_may(l) && int8_geometry(l->node).groups == 1 && !helium_product_impossible(l);
}

const Schedule schedule_helium_product = {.name = "vectors",
                                          .tuning_name = "direct",
                                          .families = FAMILY_BIT(FAMILY_INT8),
                                          .takes = helium_product_takes,
                                          .refused = helium_refused,
                                          .cycles = helium_product_cycles,
                                          .build = helium_product_build,
                                          .small = dsp_form_small};

bool helium_may(const Lower *l) {
  return dsp_takes(l) && l->target->dot == DOT_ACROSS && l->node->op == &op_int8_product;
}

const char *helium_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  return dsp_limits(l);
}
