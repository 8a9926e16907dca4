// matmul_pairs.c: matmul with precision=bf16: words of two numbers along the inner dimension. The right
// factor is packed at run time. The left factor is copied only if it is not stored as bf16, if its elements
// are not adjacent or do not fill whole words, or if its words do not fill tile registers (AMX).
// SPDX-License-Identifier: Apache-2.0
//
// Example: `x: 40x64 -> matmul(x, transpose=right)` --target=x86-64-v4-amx --precision=bf16,
// lines 3-8 of matmul1_tile_40_amx:
//
//     _Alignas(64) float sums[40][32];
//     n_tile_clear_x16_amx(4);
//     n_tile_add_x16_amx(&in[0][0][0], 128, 1664, 2, &right[0][0][0], 128, 64, 16, 2, NULL, 0, NULL, 0);
//     n_tile_store_x16_amx(&sums[0][0], 128, 1664, 2, 1);
//     n_tile_clear_x16_amx(2);
//     n_tile_add_x16_amx(&in[0][26][0], 128, 0, 1, &right[0][0][0], 128, 64, 16, 2, NULL, 0, NULL, 0);
#include "base/number.h"
#include "kernel/walk.h"
#include "ops/attention/matmul.h"
#include "graph/bf16.h"
#include "schedule/float/direct.h"
#include "schedule/float/pair_rows.h"
#include "schedule/schedule.h"

enum { GOOD_STEP = 8 };

typedef struct Factors {
  PairRows p;
  MatrixProduct m;
  Buf *left; /* a copy of the left factor; NULL: the left factor is read in place */
} Factors;

static bool matmul_pairs_takes(const Lower *l) { return node_is_bf16(l->node) && l->layout_lanes > 1; }

/* Number of words of a row. If the layout's target has tile registers, and a step (matrix_step) would have
 * fewer than GOOD_STEP words, the number is rounded up to a multiple of GOOD_STEP. */
static int64_t matmul_words(const Lower *l, const MatrixProduct *m) {
  const int64_t words = ceil_divide(m->k, 2);
  return l->layout->tiles > 0 && matrix_step(words) < GOOD_STEP ? ceil_divide(words, GOOD_STEP) * GOOD_STEP
                                                                : words;
}

static bool copies_left(const Lower *l, const MatrixProduct *m, int64_t words) {
  return m->left || 2 * words != m->k || l->in[0]->type.elem != BF16;
}

static Factors factors_of(Lower *l) {
  Factors f = {.m = *(const MatrixProduct *)l->node->detail};
  f.p = (PairRows){.l = l,
                   .in = l->in[0],
                   .rows = f.m.l,
                   .pairs = matmul_words(l, &f.m),
                   .columns = f.m.m,
                   .scale = f.m.scale};
  return f;
}

/* ---- the left factor: [row][2 * words] ---- */
static void copy_left(const Factors *f, LoopKind loop) {
  const MatrixProduct *m = &f->m;
  Lower *l = f->p.l;
  Nest *b = l->b;
  const int lanes = walk_lanes(l, m->k);
  const int64_t whole = m->left ? 0 : m->k / lanes * lanes;
  NEST_LOOP(b, i, loop, 1, NEST_IX(0), 1, NEST_IX(m->l)) {
    if (whole)
      NEST_FOR(b, v, whole / lanes)
        nest_store(b, nest_at(b, f->left, i, v * lanes),
                   nest_load(b, nest_at(b, l->in[0], 0, i, v * lanes), lanes));
    if (whole < m->k)
      NEST_FROM(b, k, whole, m->k)
        nest_store(b, nest_at(b, f->left, i, k),
                   nest_load(b, m->left ? nest_at(b, l->in[0], 0, k, i) : nest_at(b, l->in[0], 0, i, k), 1));
    if (m->k < 2 * f->p.pairs)
      NEST_FROM(b, k, m->k, 2 * f->p.pairs) nest_store(b, nest_at(b, f->left, i, k), num(b, 0));
  }
}

/* ---- the right factor: panels [panel][word][2 * width] ---- */
typedef struct RightPanel {
  const Factors *f;
  Buf *w;
  Ix panel, first; /* first: the first column of the panel */
  int64_t valid, width;
} RightPanel;

/* Stores the elements of two vectors alternately: a0 b0 a1 b1 ... */
static void store_interleaved(const RightPanel *r, const Ix *word, const Ix *h, Val even, Val odd,
                              int lanes) {
  Nest *b = r->f->p.l->b;
  int low[LANES], high[LANES];
  walk_interleave(lanes, low, high);
  nest_store(b, nest_at(b, r->w, r->panel, *word, 2 * *h), shuffle(even, odd, lanes, low));
  nest_store(b, nest_at(b, r->w, r->panel, *word, 2 * *h + lanes), shuffle(even, odd, lanes, high));
}

static Val right_row(const RightPanel *r, const Ix *k, const Ix *h, int part, int lanes) {
  Nest *b = r->f->p.l->b;
  return nest_load_part(b, nest_at(b, r->f->p.l->in[1], 0, *k, r->first + *h), part, lanes);
}

/* Packs a right factor with one row per k: interleaves two rows at a time to one row of words. */
static void interleave_rows(const RightPanel *r, int lanes) {
  const MatrixProduct *m = &r->f->m;
  Nest *b = r->f->p.l->b;
  for (int64_t h = 0; h < r->valid; h += lanes) {
    const Ix at = NEST_Z + h;
    const int part = (int)smaller(r->valid - h, lanes);
    if (m->k > 1)
      NEST_FOR(b, c, m->k / 2) {
        const Ix even = 2 * c, odd = 2 * c + 1;
        const Val x = nest_let(b, "x", right_row(r, &even, &at, part, lanes)),
                  y = nest_let(b, "y", right_row(r, &odd, &at, part, lanes));
        store_interleaved(r, &c, &at, x, y, lanes);
      }
    if (m->k % 2) {
      const Ix last = NEST_Z + m->k / 2, k = NEST_Z + (m->k - 1);
      store_interleaved(r, &last, &at, nest_let(b, "z", right_row(r, &k, &at, part, lanes)),
                        splat(num(b, 0), lanes), lanes);
    }
  }
}

/* Packs a right factor that is stored transposed, in squares of `lanes` columns and `lanes` values of k. */
static void transpose_words(const RightPanel *r, int lanes) {
  const MatrixProduct *m = &r->f->m;
  Nest *b = r->f->p.l->b;
  Buf *in = r->f->p.l->in[1];
  const int64_t squares = m->k / lanes, rest = m->k % lanes;
  for (int64_t h = 0; h < r->valid; h += lanes) {
    const Ix at = NEST_Z + h;
    for (int last = 0; last < 2; last++)
      if (last ? rest : squares)
        NEST_FOR(b, q, last ? 1 : squares) {
          const Ix k = last ? NEST_Z + squares * lanes : q * lanes;
          Val x[LANES];
          for (int t = 0; t < lanes; t++)
            x[t] = h + t < r->valid ? nest_let(b, nest_text(b, "x%d", t),
                                               nest_load_part(b, nest_at(b, in, 0, r->first + h + t, k),
                                                              last ? (int)rest : lanes, lanes))
                                    : splat(num(b, 0), lanes);
          walk_transpose(b, x, lanes);
          for (int64_t t = 0; t < (last ? rest : lanes); t += 2) {
            const Ix word = (last ? NEST_Z + squares * (lanes / 2) : q * (lanes / 2)) + t / 2;
            store_interleaved(r, &word, &at, x[t], x[t + 1], lanes);
          }
        }
  }
}

/* Packs one number at a time, for targets without vectors. */
static void pack_numbers(const RightPanel *r) {
  const MatrixProduct *m = &r->f->m;
  Nest *b = r->f->p.l->b;
  Buf *in = r->f->p.l->in[1];
  NEST_FOR(b, c, ceil_divide(m->k, 2))
    NEST_FOR(b, h, r->width)
      for (int i = 0; i < 2; i++) {
        const Ix k = 2 * c + i, column = r->first + h;
        const Val value =
            pick(b, cond_and(nest_below(b, k, m->k), nest_below(b, h, r->valid)),
                 nest_load(b, m->right ? nest_at(b, in, 0, column, k) : nest_at(b, in, 0, k, column), 1),
                 num(b, 0));
        nest_store(b, nest_at(b, r->w, r->panel, c, 2 * h + i), value);
      }
}

static void pack_right_panel(const RightPanel *r) {
  const Factors *f = r->f;
  Nest *b = f->p.l->b;
  const int lanes = f->p.lanes;
  const int64_t words = ceil_divide(f->m.k, 2),
                columns = lanes == 1 ? r->width : ceil_divide(r->valid, lanes) * lanes; /* columns written */
  if (lanes == 1) pack_numbers(r);
  else if (f->m.right) transpose_words(r, lanes);
  else interleave_rows(r, lanes);
  if (words < f->p.pairs)
    NEST_FROM(b, c, words, f->p.pairs)
      NEST_FOR(b, h, 2 * columns / lanes)
        nest_store(b, nest_at(b, r->w, r->panel, c, lanes * h), splat(num(b, 0), lanes));
}

static void begin_matmul(const void *context) {
  const Factors *f = context;
  const PairRows *p = &f->p;
  Nest *b = p->l->b;
  const LoopKind loop = walk_rows(p->l, f->m.k * (f->m.m + f->m.l));
  if (f->left) copy_left(f, loop);
  if (p->panels)
    NEST_LOOP(b, m, p->panels > 1 ? loop : SERIAL, 1, NEST_IX(0), 1, NEST_IX(p->panels))
      pack_right_panel(&(RightPanel){f, p->w[0], m, m * p->width, p->width, p->width});
  if (p->rest)
    pack_right_panel(
        &(RightPanel){f, p->w[1], NEST_Z, NEST_Z + p->panels * p->width, p->rest, p->rest_width});
}

static bool matmul_pairs_build(Lower *l) {
  Factors f = factors_of(l);
  PairRows *p = &f.p;
  pair_rows_panels(p);
  if (copies_left(l, &f.m, p->pairs))
    p->in = f.left = lower_scratch_of(l, "left", BF16, 2, (int64_t[]){f.m.l, 2 * p->pairs});
  if (p->panels)
    p->w[0] = lower_scratch_of(l, "right", BF16, 3, (int64_t[]){p->panels, p->pairs, 2 * p->width});
  if (p->rest)
    p->w[1] = lower_scratch_of(l, "right_rest", BF16, 3, (int64_t[]){1, p->pairs, 2 * p->rest_width});
  pair_rows_build(p, begin_matmul, &f);
  return true;
}

static Cycles matmul_pairs_cycles(const Lower *l, const Target *target, const Choice *choice) {
  const MatrixProduct *m = l->node->detail;
  const int64_t words = matmul_words(l, m);
  const double rows = (double)larger(l->node->shape.regions, 1);
  const Cycles floats = cost_kernel(l, target, choice);
  return pair_rows_in_tiles(l, target, m->l, words, m->m)
             ? cost_pair_tiles(floats, target, rows * pair_rows_tile_cycles(m->l, words, m->m))
             : cost_pairs(floats, target);
}

const Schedule schedule_matmul_pairs = {.name = "words of two inner elements",
                                        .tuning_name = "pairs",
                                        .families = FAMILY_BIT(FAMILY_MATMUL),
                                        .takes = matmul_pairs_takes,
                                        .cycles = matmul_pairs_cycles,
                                        .build = matmul_pairs_build,
                                        .variants = choices_itself};
