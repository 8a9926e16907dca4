// conv_weights_matrix.c: Weight gradient of convolutions with stride 1 in bf16, in tile registers (AMX), each
// of which holds 16 rows of 32 numbers.
// SPDX-License-Identifier: Apache-2.0
//
//     dw[s][l][ky][kx] += sum over pixels q of small[q][s] * large[q + ky*pitch + kx][l]
//
// The pixels of each side form one line. In the line of the large side, each row has `pitch` pixels,
// including padding. In the line of the small side, zeros between the rows give these rows the same pitch. So
// a tap is a constant distance between the pixels of both lines, and the sum needs no conditions. A word
// holds two neighboring pixels of one channel. The left operand is the small side, transposed. Word j of the
// right operand holds the pixels 2j and 2j + 1; for taps at odd distances, it holds the pixels 2j + 1 and 2j
// + 2.
//
// Example: `x: 40x40x32 -> conv(32, 3x3) -> train(8)` --target=x86-64-v4-amx --precision=bf16 --train,
// lines 3-6 of conv1_weight_gradient_tap_2x2_amx:
//
//     _Alignas(64) float sums[32][32];
//     n_tile_clear_x16_amx(4);
//     n_tile_add_x16_amx(&turned[0][0], 3072, 49152, 2, &pairs[0][0][0], 128, 64, 16, 48, NULL, 0, & ...
//     n_tile_store_x16_amx(&sums[0][0], 128, 2048, 2, 1);
#include "base/number.h"
#include "graph/bf16.h"
#include "kernel/walk.h"
#include "schedule/float/phases.h"
#include "schedule/float/rows.h"
#include "schedule/matrix.h"
#include "schedule/schedule.h"

enum { MOST_TAPS = 49, WHOLE = 2 }; /* a whole tile has WHOLE x WHOLE registers of sums */

typedef struct WeightsMatrix {
  Lower *l;
  Correlation k;
  int64_t pitch, rows; /* pitch: number of pixels per row of the lines; rows: number of rows of the large side
                          that are used */
  int64_t words,
      length;       /* words: number of words over which a sum runs, a multiple of a register's words; length:
                       number of pixels of the line of the large side, including zeros at its end */
  int64_t parities; /* 2 if some tap is an odd number of pixels after the first tap, otherwise 1 */
  Buf *turned;      /* [s][2 * words]: the line of the small side, transposed */
  Buf *line;        /* [length][l]: the line of the large side */
  Buf *pairs;       /* [parities][words of the line][2 * l]: the right operand */
} WeightsMatrix;

static int64_t tap_distance(const WeightsMatrix *m, int64_t ky, int64_t kx) {
  return ky * m->k.dilation[0] * m->pitch + kx * m->k.dilation[1];
}

static WeightsMatrix weights_matrix_of(Lower *l) {
  WeightsMatrix m = {.l = l, .k = correlation_of(l->node), .parities = 1};
  const Correlation *k = &m.k;
  m.pitch = k->small.w + (k->kernel[1] - 1) * k->dilation[1];
  m.rows = k->small.h + (k->kernel[0] - 1) * k->dilation[0];
  m.words = MATRIX_LANES * ceil_divide((k->small.h - 1) * m.pitch + k->small.w, 2 * MATRIX_LANES);
  const int64_t last = tap_distance(&m, k->kernel[0] - 1, k->kernel[1] - 1);
  for (int64_t ky = 0; ky < k->kernel[0]; ky++)
    for (int64_t kx = 0; kx < k->kernel[1]; kx++)
      if (tap_distance(&m, ky, kx) % 2) m.parities = 2;
  m.length = larger(m.rows * m.pitch, 2 * (m.words + last / 2) + m.parities - 1);
  return m;
}

/* ---- operands ---- */
/* Copies up to 16 pixels of a row for 16 channels, transposed. */
static void turn_pixels(const WeightsMatrix *m, const Ix *y, const Ix *x, const Ix *s, int columns) {
  Nest *b = m->l->b;
  Val v[LANES];
  for (int n = 0; n < MATRIX_LANES; n++)
    v[n] = n < columns ? nest_let(b, nest_text(b, "x%d", n),
                                  nest_load(b, nest_at(b, m->l->in[1], *y, *x + n, *s), MATRIX_LANES))
                       : splat(num(b, 0), MATRIX_LANES);
  walk_transpose(b, v, MATRIX_LANES);
  for (int n = 0; n < MATRIX_LANES; n++)
    nest_store_part(b, nest_at(b, m->turned, *s + n, *y * m->pitch + *x), v[n], columns);
}

static void fill_with_zeros(const WeightsMatrix *m, Buf *to) {
  Nest *b = m->l->b;
  NEST_FOR(b, row, to->dim[0])
    NEST_FOR(b, v, to->dim[1] / MATRIX_LANES)
      nest_store(b, nest_at(b, to, row, v * MATRIX_LANES), splat(num(b, 0), MATRIX_LANES));
}

static void turn_small_side(const WeightsMatrix *m) {
  Nest *b = m->l->b;
  const Correlation *k = &m->k;
  const int64_t whole = k->small.w / MATRIX_LANES, rest = k->small.w % MATRIX_LANES;
  fill_with_zeros(m, m->turned);
  NEST_FOR(b, block, k->s / MATRIX_LANES) {
    const Ix s = block * MATRIX_LANES;
    NEST_FOR(b, y, k->small.h) {
      if (whole)
        NEST_FOR(b, i, whole) turn_pixels(m, &y, NEST_IX(i * MATRIX_LANES), &s, MATRIX_LANES);
      if (rest) turn_pixels(m, &y, NEST_IX(whole * MATRIX_LANES), &s, (int)rest);
    }
  }
}

static void fill_line(const WeightsMatrix *m) {
  Nest *b = m->l->b;
  const Correlation *k = &m->k;
  const int64_t top = k->before[0], bottom = smaller(m->rows, top + k->large.h), left = k->before[1],
                right = smaller(m->pitch, left + k->large.w);
  fill_with_zeros(m, m->line);
  if (top < bottom && left < right)
    NEST_FROM(b, y, top, bottom)
      NEST_FROM(b, x, left, right)
        NEST_FOR(b, v, k->l / MATRIX_LANES)
          nest_store(
              b, nest_at(b, m->line, y * m->pitch + x, v * MATRIX_LANES),
              nest_load(b, nest_at(b, m->l->in[0], y - top, x - left, v * MATRIX_LANES), MATRIX_LANES));
}

static void pair_pixels(const WeightsMatrix *m) {
  Nest *b = m->l->b;
  int low[LANES], high[LANES];
  walk_interleave(MATRIX_LANES, low, high);
  for (int64_t parity = 0; parity < m->parities; parity++)
    NEST_FOR(b, j, m->pairs->dim[1])
      NEST_FOR(b, v, m->k.l / MATRIX_LANES) {
        const Ix c = v * MATRIX_LANES;
        Val x0 = nest_let(b, "x0", nest_load(b, nest_at(b, m->line, 2 * j + parity, c), MATRIX_LANES)),
            x1 = nest_let(b, "x1", nest_load(b, nest_at(b, m->line, 2 * j + parity + 1, c), MATRIX_LANES));
        nest_store(b, nest_at(b, m->pairs, parity, j, 2 * c), shuffle(x0, x1, MATRIX_LANES, low));
        nest_store(b, nest_at(b, m->pairs, parity, j, 2 * c + MATRIX_LANES),
                   shuffle(x0, x1, MATRIX_LANES, high));
      }
}

/* ---- a tap of a tile ---- */
typedef struct TapTile {
  const WeightsMatrix *m;
  Ix parity, j, s, l; /* parity: 1 if the tap's distance is odd, otherwise 0; j: first word for the tap; s, l:
                         first channel of each side */
  Buf *sums;
} TapTile;

static void tap_sum(const void *context, const Ix *u, const Ix *q, const Ix *v) {
  const TapTile *t = context;
  Nest *b = t->m->l->b;
  const Ix s = t->s + MATRIX_LANES * *u + *q, l = t->l + MATRIX_LANES * *v, none = {0};
  Buf *sum = NEST_REGISTERS(b, "sum", MATRIX_LANES, 1);
  nest_store(b, nest_at(b, sum, none), num(b, 0));
  NEST_FOR(b, w, t->m->words) {
    const Val x = nest_load_pairs(b, nest_at(b, t->m->turned, s, 2 * w), 1),
              y = nest_load_pairs(b, nest_at(b, t->m->pairs, t->parity, t->j + w, 2 * l), MATRIX_LANES);
    nest_store(b, nest_at(b, sum, none),
               dot_bf16(splat(x, MATRIX_LANES), y, nest_get(b, nest_at(b, sum, none))));
  }
  nest_store(b, nest_at(b, t->sums, MATRIX_LANES * *u + *q, MATRIX_LANES * *v),
             nest_get(b, nest_at(b, sum, none)));
}

static NestFn *tap_tile_function(const WeightsMatrix *m, int blocks, int vectors) {
  Nest *b = m->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "tap_%dx%d", blocks, vectors), false);
  const Ix ky = nest_arg(b, "ky"), kx = nest_arg(b, "kx");
  TapTile t = {.m = m, .parity = nest_arg(b, "parity"), .j = nest_arg(b, "j0")};
  t.s = nest_arg(b, "s0");
  t.l = nest_arg(b, "l0");
  t.sums = NEST_BUF(b, STACK, "sums", blocks * MATRIX_LANES, vectors * MATRIX_LANES);
  const MatrixMap map = {.columns = MATRIX_LANES, .apart = MATRIX_LANES};
  matrix_groups(b, &map, blocks, vectors, tap_sum, &t);
  NEST_FOR(b, r, blocks * MATRIX_LANES) {
    const Ix s = t.s + r;
    if (m->l->out->rank == 2)
      NEST_FOR(b, v, vectors) {
        const Ref to = nest_at(b, m->l->out, s, t.l + MATRIX_LANES * v);
        nest_store(b, to,
                   add(nest_load(b, nest_at(b, t.sums, r, MATRIX_LANES * v), MATRIX_LANES),
                       nest_load(b, to, MATRIX_LANES)));
      }
    else
      NEST_FOR(b, c, vectors * MATRIX_LANES) {
        Ix index[4];
        const Ix l = t.l + c;
        const Ref to =
            nest_ref(b, m->l->out, correlation_weight_index(&m->k, index, &s, &l, &ky, &kx), index);
        nest_store(b, to, add(nest_load(b, nest_at(b, t.sums, r, c), 1), nest_load(b, to, 1)));
      }
  }
  return fn;
}

/* Calls the tile function for all taps of the tile whose first channels are s and l. */
static void tap_tiles(const WeightsMatrix *m, NestFn *fn, const Ix *s, const Ix *l) {
  for (int64_t ky = 0; ky < m->k.kernel[0]; ky++)
    for (int64_t kx = 0; kx < m->k.kernel[1]; kx++) {
      const int64_t at = tap_distance(m, ky, kx);
      nest_call(m->l->b, fn, ky, kx, at % 2, at / 2, *s, *l);
    }
}

static bool conv_weights_matrix_build(Lower *l) {
  WeightsMatrix m = weights_matrix_of(l);
  Nest *b = l->b;
  const Correlation *k = &m.k;
  NestFn *fn[2][2] = {{NULL, NULL}, {NULL, NULL}};
  const int64_t side = WHOLE * MATRIX_LANES,
                count[2][2] = {{k->s / side, k->s % side > 0}, {k->l / side, k->l % side > 0}};
  lower_must_add(l);
  if (k->kernel[0] * k->kernel[1] == 1) l->out->rank = 2; /* views [s][l][1][1] as [s][l] */
  m.turned = lower_scratch_of(l, "turned", BF16, 2, (int64_t[]){k->s, 2 * m.words});
  m.line = lower_scratch_of(l, "line", BF16, 2, (int64_t[]){m.length, k->l});
  m.pairs = lower_scratch_of(l, "pairs", BF16, 3,
                             (int64_t[]){m.parities, (m.length - m.parities + 1) / 2, 2 * k->l});
  b->tiles = (TileShape){.rows = MATRIX_ROWS, .pairs = MATRIX_ROWS};
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++)
      if (count[0][i] && count[1][j]) fn[i][j] = tap_tile_function(&m, i ? 1 : WHOLE, j ? 1 : WHOLE);
  nest_fn(b, b->name, false);
  turn_small_side(&m);
  fill_line(&m);
  pair_pixels(&m);
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++)
      if (fn[i][j])
        NEST_FOR(b, n, count[0][i])
          NEST_FOR(b, o, count[1][j])
            tap_tiles(&m, fn[i][j], NEST_IX(n * side + (i ? k->s / side * side : 0)),
                      NEST_IX(o * side + (j ? k->l / side * side : 0)));
  lower_about(l, "tile registers, tiles of %d x %d channels for each tap", (int)side, (int)side);
  return true;
}

static bool conv_weights_matrix_takes(const Lower *l) {
  return takes_channels(l) && node_is_bf16(l->node) && l->target->tiles > 0 && l->images <= 1 &&
         !l->b->nleads;
}

static const char *weights_matrix_refused(const Target *target, const Node *node) {
  const Correlation k = correlation_of(node);
  if (!no_stride(&k)) return "a stride";
  if (k.groups > 1 || k.taps) return "groups";
  if (k.s % MATRIX_LANES || k.l % MATRIX_LANES) return "channels that are not a multiple of 16";
  if (k.before[0] < 0 || k.before[1] < 0 || k.kernel[0] * k.kernel[1] > MOST_TAPS) return "the window";
  const int64_t pixels =
      (k.small.h + k.kernel[0] * k.dilation[0]) * (k.small.w + k.kernel[1] * k.dilation[1]);
  return 2 * bounded_product(pixels, 3 * k.l + k.s) > 4 * target->l2 ? "copies too large for the caches"
                                                                     : NULL;
}

static const char *conv_weights_matrix_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  if (l->in[0]->type.elem != BF16 || l->in[1]->type.elem != BF16) return "operands in float";
  return weights_matrix_refused(l->target, l->node);
}

bool weights_take_matrix(const Target *target, const Node *node) {
  return node_is_bf16(node) && target->tiles > 0 && !weights_matrix_refused(target, node);
}

Cycles weights_by_matrix(const Target *target, const Node *node) {
  /* cycles. PRODUCT: per product; TURNED: per copied element of the small side; PAIRED: per copied element of
   * the large side; TAP: per tap of a tile with four registers */
  static const double PRODUCT = 18, TURNED = 0.6, PAIRED = 0.3, TAP = 60;
  const Correlation k = correlation_of(node);
  Cycles cycles = cost_weights(target, &k);
  const double line = (double)(k.small.h * (k.small.w + (k.kernel[1] - 1) * k.dilation[1])),
               taps = (double)(k.kernel[0] * k.kernel[1]), tiles = (double)(k.s * k.l) / 256;
  cycles.products = taps * tiles * (TAP / 4 + PRODUCT * (1 + line / 32));
  cycles.transforms += line * (TURNED * (double)k.s + PAIRED * (taps > 1 ? 2 : 1) * (double)k.l);
  cycles.total = cycles.products + cycles.transforms;
  return cycles;
}

static Cycles conv_weights_matrix_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  return weights_by_matrix(target, l->node);
}

const Schedule schedule_conv_weights_matrix = {.name = "tap by tap in tile registers",
                                               .tuning_name = "matrix",
                                               .families = FAMILY_BIT(FAMILY_CONV_WEIGHTS),
                                               .takes = conv_weights_matrix_takes,
                                               .refused = conv_weights_matrix_refused,
                                               .cycles = conv_weights_matrix_cycles,
                                               .build = conv_weights_matrix_build};
