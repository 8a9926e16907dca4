// dsp_depthwise.c: int8 depthwise 3x3 convolutions on CPUs that multiply two pairs of int16 in one
// instruction.
// SPDX-License-Identifier: Apache-2.0
//
// Four channels at a time are transposed into planes. A word of a plane contains two adjacent pixels, minus
// their zero point, so padding is 0. With such words, one instruction computes the products of two taps. If
// (a0 a1) and (n0 n1) are two words of a row, and the weights are stored as (w0 w1) and (w1 w2):
//
//     first pixel   a0*w0 + a1*w1 + n0*w2   a product of both halves, one of low with high
//     second pixel  a1*w0 + n0*w1 + n1*w2   one of high with low, one of both halves
//
// With stride 2 there is no second pixel. Rows and columns of tall maps are exchanged, so that rows are long.
//
// Example: `x: 14x14x16 -> depthwise(3x3, pad=same)` --target=armv7e-m, lines 53-64 of depthwise1:
//
//     for (int j = 0; j < 7; j++) {
//       const int32_t n0 = plane[channel][y][j + 1];
//       const int32_t n1 = plane[channel][y + 1][j + 1];
//       const int32_t n2 = plane[channel][y + 2][j + 1];
//       const int32_t first = n_low_high(n_dot_halves(n_low_high(n_dot_halves(n_low_high(n_dot_halve ...
//       const int32_t second = n_dot_halves(n_high_low(n_dot_halves(n_high_low(n_dot_halves(n_high_l ...
//       a[0] = n0;
//       a[1] = n1;
//       a[2] = n2;
//       out[7*block + y][2*j][4*c + channel] = (int8_t)n_clamp8(n_shift_right(n_high_sum(steps[0][1] ...
//       out[7*block + y][2*j + 1][4*c + channel] = (int8_t)n_clamp8(n_shift_right(n_high_sum(steps[0 ...
//     }
#include "base/number.h"
#include "schedule/mcu/helium.h"

enum {
  TAPS = 3,
  CHANNELS = 4,
  NARROW = 16,       /* rows and columns of a tall map are exchanged if it has fewer columns than this */
  MOST_ROWS = 12,    /* maximum number of output rows for which planes are computed together */
  MOST_PLANES = 4096 /* maximum size of all planes together, in bytes */
};

typedef struct Depthwise {
  Correlation k; /* the layer's geometry; if `exchanged`, with rows and columns exchanged */
  bool exchanged;
  int64_t stride, rows, plane_rows, pairs; /* rows: number of output rows that are computed together; pairs:
                                              number of words in a row of a plane */
  const DspFilter *filter;
  bool small; /* weights are stored as bytes */
  /* weight: [channels][6], or [channels][3] if small; start: [channels]; plane: [4][plane_rows][pairs] */
  Buf *weight, *start, *plane;
  DspFinish finish;
} Depthwise;

static void swap(int64_t *a, int64_t *b) {
  const int64_t was = *a;
  *a = *b;
  *b = was;
}

static Depthwise depthwise_of(const Node *node) {
  Depthwise d = {.k = int8_geometry(node)};
  Correlation *k = &d.k;
  d.exchanged = k->small.w < k->small.h && k->small.w < NARROW;
  if (d.exchanged) {
    swap(&k->small.h, &k->small.w);
    swap(&k->large.h, &k->large.w);
    swap(&k->before[0], &k->before[1]);
  }
  d.stride = k->stride[0];
  d.pairs = ((k->small.w - 1) * d.stride + TAPS + 2) / 2;
  for (d.rows = k->small.h < MOST_ROWS ? k->small.h : MOST_ROWS; d.rows > 1; d.rows--) {
    const int64_t bytes = CHANNELS * ((d.rows - 1) * d.stride + TAPS) * d.pairs * 4;
    if (k->small.h % d.rows == 0 && bytes <= MOST_PLANES) break;
  }
  d.plane_rows = (d.rows - 1) * d.stride + TAPS;
  return d;
}

/* The reason why the form is not supported; NULL: it is supported. Both forms support the same layers,
 * because small constants always need fewer bytes. */
static const char *dsp_depthwise_form_refused(const Lower *l, bool small) {
  (void)small;
  const Correlation k = int8_geometry(l->node);
  if (k.l != 1 || k.s != 1 || k.groups % CHANNELS)
    return "a channel multiplier, or channels not a multiple of 4";
  if (k.kernel[0] != TAPS || k.kernel[1] != TAPS) return "a kernel other than 3x3";
  if (k.dilation[0] != 1 || k.dilation[1] != 1) return "a dilation";
  if (k.stride[0] != k.stride[1] || k.stride[0] > 2) return "a stride other than 1x1 or 2x2";
  const Depthwise d = depthwise_of(l->node);
  if (CHANNELS * d.plane_rows * d.pairs * 4 > MOST_PLANES) return "planes are too large for the stack";
  return NULL;
}

static Cycles dsp_depthwise_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  const bool small = choice->small;
  const Depthwise d = depthwise_of(l->node);
  const double channels = (double)d.k.groups, outputs = channels * (double)(d.k.small.h * d.k.small.w),
               words = channels * (double)(ceil_divide(d.k.small.h, d.rows) * d.plane_rows * d.pairs),
               pixels = d.stride == 1 ? 2 : 1;
  DspWork rest = dsp_finish_work(l, outputs);
  rest.loads += words / 2;
  rest.stores += words;
  rest.others += 4 * words;
  if (small) rest.others += (3 * 2 * TAPS + 4) * channels * (double)(d.k.small.h / d.rows);
  Cycles c = dsp_cycles(l,
                        (DspWork){.loads = 2 * TAPS * outputs / pixels,
                                  .pairs = 2 * TAPS * outputs,
                                  .others = 2 * outputs,
                                  .flash = 4 * 2 * TAPS * channels * (double)d.k.small.h},
                        rest);
  const int64_t n = d.k.groups;
  const bool shrinks = small && dsp_finish_shrinks(l, n, dsp_filters(l));
  c.weight_bytes = dsp_bytes(4, (int64_t[]){small ? n * TAPS : n * 2 * TAPS, n, n, shrinks ? n / 4 : n});
  if (!shrinks) c.weight_bytes += dsp_bytes(1, &n);
  return c;
}

/* ---- constants ---- */
/* Packs a row as two words of halves, (w0 w1) and (w1 w2), or as one word with the first pair in bytes 0 and
 * 2, and the second in bytes 1 and 3. */
static int32_t *dsp_depthwise_put_row(int32_t *to, const int32_t w[TAPS], bool bytes) {
  enum { BYTE = 256 };
  const int32_t first = int8_halves(w[0], w[1]), second = int8_halves(w[1], w[2]);
  if (!bytes) {
    *to++ = first;
    *to++ = second;
    return to;
  }
  *to++ = int8_halves((w[0] & (BYTE - 1)) + BYTE * w[1], (w[1] & (BYTE - 1)) + BYTE * w[2]);
  return to;
}

static void make_constants(Lower *l, Depthwise *d) {
  const Int8Product *p = l->node->detail;
  const int64_t channels = d->k.groups;
  d->filter = dsp_filters(l);
  d->finish = dsp_finish(l, channels, d->filter, false);
  d->small = l->choice.small;
  d->finish.doubled = d->finish.quick && p->rounding == ROUNDING_DOUBLE;
  const int32_t unit = d->finish.doubled ? 2 : 1, words = d->small ? TAPS : 2 * TAPS;
  int32_t *weight = NEW_ARRAY(l->arena, int32_t, channels *words), *to = weight,
          *start = NEW_ARRAY(l->arena, int32_t, channels);
  for (int64_t c = 0; c < channels; c++) {
    const int32_t scale = d->filter[c].constant ? 0 : unit, factor = d->small && scale ? 1 : scale;
    start[c] = scale * p->bias[c];
    for (int y = 0; y < TAPS; y++) {
      int32_t w[TAPS];
      for (int x = 0; x < TAPS; x++)
        w[x] = factor * p->weight[c * TAPS * TAPS + (d->exchanged ? x * TAPS + y : y * TAPS + x)];
      to = dsp_depthwise_put_row(to, w, d->small);
    }
  }
  d->weight = lower_constants(l, d->small ? "bytes" : "halves", I32, 2, (int64_t[]){channels, words}, weight);
  d->start = lower_constants(l, "start", I32, 1, &channels, start);
}

/* ---- planes ---- */
/* Stores two pixels of four channels as four words, one in the plane of each channel. Pixels outside of the
 * image are 0. */
static void transpose_pair(Lower *l, const Depthwise *d, const Ix *c, const Ix *iy, const Ix *i, const Ix *j,
                           const bool inside[2]) {
  Nest *b = l->b;
  const int32_t zero = -l->node->in[0]->quant->zero;
  const Val none = num_i32(b, 0), less_zero = lower_number(l, "less_zero", int8_halves(zero, zero));
  Val even[2] = {none, none}, odd[2] = {none, none};
  for (int p = 0; p < 2; p++) {
    const Ix ix = *j * 2 + p - d->k.before[1], channel = *c * CHANNELS;
    if (!inside[p]) continue;
    const Val bytes = nest_let(b, nest_text(b, "bytes%d", p),
                               nest_load_words(b,
                                               d->exchanged ? nest_at(b, l->in[0], ix, *iy, channel)
                                                            : nest_at(b, l->in[0], *iy, ix, channel),
                                               1));
    even[p] = nest_let(b, nest_text(b, "even%d", p),
                       nest_primitive(b, &primitive_add_even8, less_zero, bytes, NULL));
    odd[p] =
        nest_let(b, nest_text(b, "odd%d", p), nest_primitive(b, &primitive_add_odd8, less_zero, bytes, NULL));
  }
  for (int k = 0; k < CHANNELS; k++) {
    const Val *from = k % 2 ? odd : even;
    const Primitive *way = k < 2 ? &primitive_low_halves : &primitive_high_halves;
    const bool any = inside[0] || inside[1];
    nest_store(b, nest_at(b, d->plane, k, *i, *j),
               any ? nest_primitive(b, way, from[0], from[1], NULL) : none);
  }
}

static void transpose_row(Lower *l, const Depthwise *d, const Ix *c, const Ix *iy, const Ix *i) {
  Nest *b = l->b;
  const int64_t before = d->k.before[1], width = d->k.large.w, whole = (before + 1) / 2;
  int64_t end = (width + before) / 2; /* for pairs p with whole <= p < end, both pixels are inside */
  if (end > d->pairs) end = d->pairs;
  const Ix none = {0};
  for (int64_t j = 0; j < d->pairs; j++) {
    if (j == whole && end > whole) {
      const bool inside[2] = {true, true};
      NEST_FROM(b, pair, whole, end) transpose_pair(l, d, c, iy, i, &pair, inside);
      j = end - 1;
      continue;
    }
    const Ix pair = none + j;
    bool inside[2];
    for (int p = 0; p < 2; p++) inside[p] = 2 * j + p - before >= 0 && 2 * j + p - before < width;
    transpose_pair(l, d, c, iy, i, &pair, inside);
  }
}

static void planes_nest(Lower *l, const Depthwise *d, const Ix *c, const Ix *block) {
  Nest *b = l->b;
  NEST_FOR(b, i, d->plane_rows) {
    const Ix iy = *block * (d->rows * d->stride) + i - d->k.before[0];
    NEST_IF(b, nest_within(b, iy, 0, d->k.large.h)) transpose_row(l, d, c, &iy, &i);
    NEST_ELSE(b)
      NEST_FOR(b, j, d->pairs)
        for (int k = 0; k < CHANNELS; k++) nest_store(b, nest_at(b, d->plane, k, i, j), num_i32(b, 0));
  }
}

/* ---- products ---- */
typedef struct Row {
  /* f: index among all channels; y: row of the planes, oy: row of the output */
  const Ix *channel, *f, *y, *oy;
  Val weight[2 * TAPS], start;
  DspSteps steps; /* with small constants: the steps of the channel */
  Buf *last;      /* [TAPS]: the words (a0 a1) of the rows, which the previous step loaded */
} Row;

static void store_pixel(Lower *l, const Depthwise *d, const Row *row, Val sum, const Ix *x) {
  const Val q = d->finish.small ? dsp_stepped(l, &d->finish, &row->steps, sum)
                                : dsp_finished(l, &d->finish, sum, row->f);
  if (d->exchanged) lower_store(l, q, x, row->oy, row->f, 1, 1);
  else lower_store(l, q, row->oy, x, row->f, 1, 1);
}

/* Computes the pixel, or the two pixels, whose sums begin with word j. */
static void pixels_nest(Lower *l, const Depthwise *d, const Row *row, const Ix *j, int pixels) {
  Nest *b = l->b;
  Val first = row->start, second = row->start, next[TAPS];
  for (int i = 0; i < TAPS; i++) {
    const Ix y = *row->y * d->stride + i, at = *j + 1;
    next[i] =
        nest_let(b, nest_text(b, "n%d", i), nest_load(b, nest_at(b, d->plane, *row->channel, y, at), 1));
  }
  for (int i = 0; i < TAPS; i++) {
    const Val a = nest_get(b, nest_at(b, row->last, i)), w01 = row->weight[2 * i],
              w12 = row->weight[2 * i + 1];
    first = nest_primitive(b, &primitive_low_high, nest_primitive(b, &primitive_dot_halves, first, a, w01),
                           next[i], w12);
    second = nest_primitive(b, &primitive_dot_halves, nest_primitive(b, &primitive_high_low, second, a, w01),
                            next[i], w12);
  }
  const Val sums[2] = {nest_let(b, "first", first), pixels > 1 ? nest_let(b, "second", second) : NULL};
  for (int i = 0; i < TAPS; i++) nest_store(b, nest_at(b, row->last, i), next[i]);
  for (int p = 0; p < pixels; p++) {
    const Ix x = d->stride == 1 ? *j * 2 + p : *j;
    store_pixel(l, d, row, sums[p], &x);
  }
}

/* Word i of a channel's weights, widened from bytes to halves, and doubled if sums are doubled. */
static Val widened(Lower *l, const Depthwise *d, const Ix *f, int i) {
  Nest *b = l->b;
  const Val bytes = nest_load(b, nest_at(b, d->weight, *f, i / 2), 1),
            halves = nest_let(
                b, nest_text(b, "w%d", i),
                nest_primitive(b, i % 2 ? &primitive_odd_bytes : &primitive_even_bytes, bytes, NULL, NULL));
  if (!d->finish.doubled) return halves;
  return nest_let(b, nest_text(b, "w%d", i), nest_primitive(b, &primitive_add_halves, halves, halves, NULL));
}

static void channel_nest(Lower *l, const Depthwise *d, const Ix *c, const Ix *channel, const Ix *block) {
  Nest *b = l->b;
  const Ix f = *c * CHANNELS + *channel, none = {0};
  const int64_t both = d->stride == 1 ? d->k.small.w / 2 : d->k.small.w, taps = TAPS;
  Row row = {.channel = channel, .f = &f};
  for (int i = 0; i < 2 * TAPS; i++)
    row.weight[i] = d->small ? widened(l, d, &f, i) : nest_load(b, nest_at(b, d->weight, f, i), 1);
  if (d->finish.small) row.steps = dsp_steps(l, &d->finish, &f);
  row.start = nest_let(b, "bias", nest_load(b, nest_at(b, d->start, f), 1));
  NEST_FOR(b, y, d->rows) {
    const Ix oy = *block * d->rows + y;
    row.y = &y;
    row.oy = &oy;
    row.last = nest_buf(b, REGS, "a", (Type){I32, 1}, 1, &taps);
    for (int i = 0; i < TAPS; i++) {
      const Ix at = y * d->stride + i;
      nest_store(b, nest_at(b, row.last, i), nest_load(b, nest_at(b, d->plane, *channel, at, 0), 1));
    }
    NEST_FOR(b, j, both) pixels_nest(l, d, &row, &j, d->stride == 1 ? 2 : 1);
    const Ix last = none + both;
    if (d->stride == 1 && d->k.small.w % 2) pixels_nest(l, d, &row, &last, 1);
  }
}

static bool dsp_depthwise_build(Lower *l) {
  Depthwise d = depthwise_of(l->node);
  Nest *b = l->b;
  make_constants(l, &d);
  lower_about(l, "int8, planes of two pixels per word%s, rounding %s%s", d.exchanged ? ", transposed" : "",
              rounding_name(d.finish.rounding),
              d.finish.quick || d.finish.rounding == ROUNDING_FLOAT ? "" : ", 64-bit");
  nest_fn(b, b->name, false);
  NEST_FOR(b, c, d.k.groups / CHANNELS)
    NEST_FOR(b, block, d.k.small.h / d.rows) {
      const int64_t dims[3] = {CHANNELS, d.plane_rows, d.pairs};
      d.plane = nest_buf(b, STACK, "plane", (Type){I32, 1}, 3, dims);
      planes_nest(l, &d, &c, &block);
      NEST_FOR(b, channel, CHANNELS) channel_nest(l, &d, &c, &channel, &block);
    }
  return true;
}

static bool dsp_depthwise_takes(const Lower *l) {
  return dsp_takes(l) && l->node->op == &op_int8_product && !helium_takes(l) &&
         int8_geometry(l->node).groups > 1;
}

static const char *dsp_depthwise_refused(const Lower *l, const Choice *choice) {
  return dsp_form_refused(l, choice->small, dsp_depthwise_form_refused);
}

const Schedule schedule_dsp_depthwise = {.name = "four channels",
                                         .tuning_name = "direct",
                                         .families = FAMILY_BIT(FAMILY_INT8),
                                         .takes = dsp_depthwise_takes,
                                         .sizes = dsp_forms,
                                         .title = dsp_form_title,
                                         .refused = dsp_depthwise_refused,
                                         .cycles = dsp_depthwise_cycles,
                                         .build = dsp_depthwise_build,
                                         .small = dsp_form_small};
