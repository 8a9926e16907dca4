/* int8_matmul.c: Product of two int8 or int16 values: x = sum over k of (a - zero of a) * (b - zero of b);
 * out = clamp(round(x * factor) + zero of out). Sums of int8 products fit in int32 (matmul_fits in
 * quantize/layers.c); sums of int16 products are int64. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/walk.h"
#include "ops/int8/int8.h"

/* ---- eval ---- */
static int64_t matmul_sum(const Eval *eval, const MatrixProduct *p, int64_t i, int64_t j) {
  const int64_t za = eval->node->in[0]->quant->zero, zb = eval->node->in[1]->quant->zero;
  int64_t sum = 0;
  for (int64_t k = 0; k < p->k; k++)
    sum += ((int64_t)eval->in[0][p->left ? k * p->l + i : i * p->k + k] - za) *
           ((int64_t)eval->in[1][p->right ? j * p->k + k : k * p->m + j] - zb);
  return sum;
}

static void eval(const Eval *eval) {
  const Int8Matmul *p = eval->node->detail;
  const bool wide = int8_is_wide(eval->node);
  for (int64_t i = 0; i < p->of.l; i++)
    for (int64_t j = 0; j < p->of.m; j++)
      eval->out[i * p->of.m + j] =
          stored_put(p->stored, (wide ? multiplier_apply_wide : multiplier_apply)(
                                    p->rounding, matmul_sum(eval, &p->of, i, j), p->factor));
}

static Cost cost(const Node *node) {
  const MatrixProduct p = ((const Int8Matmul *)node->detail)->of;
  return (Cost){.macs = bounded_product(bounded_product(p.l, p.k), p.m)};
}

/* ---- the nest ---- */
typedef struct Matrices {
  Lower *l;
  const Int8Matmul *p;
  Buf *b; /* copy of a transposed right matrix, as [K][M]; NULL: no copy */
  bool copied;
} Matrices;

static Val left_number(const Matrices *t, const Ix *i, const Ix *k) {
  const bool left = t->p->of.left;
  const Ix zero = {0};
  return sub(int8_load(t->l, t->l->in[0], &zero, left ? k : i, left ? i : k), int8_zero(t->l, 0));
}

static Val right_numbers(const Matrices *t, const Ix *k, const Ix *j, int part, int lanes) {
  const bool turned = t->p->of.right && !t->copied;
  const Ix zero = {0};
  const Val q = t->copied
                    ? convert(nest_load_part(t->l->b, nest_at(t->l->b, t->b, *k, *j), part, lanes), I32)
                    : int8_load_part(t->l, t->l->in[1], &zero, turned ? j : k, turned ? k : j, part, lanes);
  return sub(q, int8_zero(t->l, 1));
}

static Val matmul_rounded(const Matrices *t, Val sum) {
  const Int8Matmul *p = t->p;
  return int8_rounded(t->l, p->rounding, sum, p->factor, "product");
}

static Buf *matmul_sums(const Matrices *t, Elem elem, int lanes, int rows, int vectors) {
  return nest_buf(t->l->b, REGS, "sum", (Type){elem, lanes}, 2, (int64_t[]){rows, vectors});
}

static void lower_scalar(const Matrices *t) {
  Nest *b = t->l->b;
  const bool wide = int8_is_wide(t->l->node);
  const Ix zero = {0};
  NEST_FOR(b, i, t->p->of.l)
    NEST_FOR(b, j, t->p->of.m) {
      const Ref sum = nest_at(b, matmul_sums(t, wide ? I64 : I32, 1, 1, 1), 0, 0);
      nest_store(b, sum, wide ? num_i64(b, 0) : num_i32(b, 0));
      NEST_FOR(b, k, t->p->of.k) {
        const Val left = left_number(t, &i, &k), right = right_numbers(t, &k, &j, 1, 1);
        int8_add_term(t->l, sum, left, right);
      }
      int8_store(t->l, matmul_rounded(t, nest_get(b, sum)), t->p->stored, &zero, &i, &j, 1, 1);
    }
}

static void matmul_tile(const Matrices *t, const Ix *i0, int rows, const Ix *j0, int vectors, int part,
                        int lanes) {
  enum { MOST_VECTORS = 4 };
  Nest *b = t->l->b;
  const Ix zero = {0};
  Buf *sum = matmul_sums(t, I32, lanes, rows, vectors);
  NEST_UNROLL(b, r, rows)
    NEST_UNROLL(b, v, vectors) nest_store(b, nest_at(b, sum, r, v), splat(num_i32(b, 0), lanes));
  NEST_FOR(b, k, t->p->of.k) {
    Val w[MOST_VECTORS];
    for (int v = 0; v < vectors; v++) {
      const Ix j = *j0 + v * lanes;
      w[v] = nest_let(b, nest_text(b, "w%d", v), right_numbers(t, &k, &j, part, lanes));
    }
    NEST_UNROLL(b, r, rows) {
      const Ix i = *i0 + r;
      const Val x = nest_let(b, "x", left_number(t, &i, &k));
      for (int v = 0; v < vectors; v++) nest_accumulate(b, nest_at(b, sum, r, v), splat(x, lanes), w[v]);
    }
  }
  NEST_UNROLL(b, r, rows)
    NEST_UNROLL(b, v, vectors) {
      const Ix i = *i0 + r, j = *j0 + v * lanes;
      int8_store(t->l, matmul_rounded(t, nest_get(b, nest_at(b, sum, r, v))), t->p->stored, &zero, &i, &j,
                 part, lanes);
    }
}

static void matmul_rows(const Matrices *t, const Ix *i, int rows) {
  enum { VECTORS = 2 };
  Nest *b = t->l->b;
  const int64_t m = t->p->of.m;
  const int lanes = walk_lanes(t->l, m), wide = lanes * VECTORS;
  const int64_t groups = m / wide, singles = m % wide / lanes, rest = m % lanes;
  const Ix zero = {0}, first = zero + groups * wide, tail = first + singles * lanes;
  if (groups)
    NEST_FOR(b, g, groups) {
      const Ix j = g * wide;
      matmul_tile(t, i, rows, &j, VECTORS, lanes, lanes);
    }
  if (singles) matmul_tile(t, i, rows, &first, (int)singles, lanes, lanes);
  if (rest) matmul_tile(t, i, rows, &tail, 1, (int)rest, walk_lanes(t->l, rest));
}

static void lower_vectors(Matrices *t) {
  enum { ROWS = 4 };
  Nest *b = t->l->b;
  const MatrixProduct *p = &t->p->of;
  const Ix zero = {0}, last = zero + p->l / ROWS * ROWS;
  if (t->b) {
    NEST_LOOP(b, k, walk_rows(t->l, p->k * p->m), 1, NEST_IX(0), 1, NEST_IX(p->k))
      NEST_FOR(b, j, p->m)
        nest_store(b, nest_at(b, t->b, k, j), nest_load(b, nest_at(b, t->l->in[1], 0, j, k), 1));
    t->copied = true;
  }
  if (p->l / ROWS)
    NEST_LOOP(b, tile, walk_rows(t->l, p->l * p->m * p->k), 1, NEST_IX(0), 1, NEST_IX(p->l / ROWS)) {
      const Ix i = tile * ROWS;
      matmul_rows(t, &i, ROWS);
    }
  if (p->l % ROWS) matmul_rows(t, &last, (int)(p->l % ROWS));
}

static void lower(Lower *l) {
  const Int8Matmul *p = l->node->detail;
  const bool wide = int8_is_wide(l->node),
             fit = !wide && int8_steps_fit(p->rounding, p->factor, p->of.k * UINT8_MAX * UINT8_MAX),
             lanes = !l->plain && walk_lanes(l, p->of.m) > 1;
  Matrices t = {.l = l, .p = p};
  lower_about(l, "%s bits, rounding %s", wide ? "16" : "8", rounding_name(p->rounding));
  const bool vectors = lanes && lower_assumes(l, fit);
  if (lanes && !wide) lower_needs(l, fit, "scales of similar size");
  if (vectors && int8_matmul_words(l, p)) return;
  if (vectors && p->of.right) t.b = lower_scratch_of(l, "turned", I8, 2, (int64_t[]){p->of.k, p->of.m});
  nest_fn(l->b, l->b->name, false);
  if (vectors) lower_vectors(&t);
  else lower_scalar(&t);
}

const Op op_int8_matmul = {
    .name = "int8_matmul",
    .detail = "x = sum over k of (a - zero point of a) * (b - zero point of b); out = clamp(round(x * "
              "factor) + zero point of out)",
    .traits.per_image = true,
    .cost = cost,
    .eval = eval,
    .lower = lower,
};
