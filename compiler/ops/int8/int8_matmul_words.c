/* int8_matmul_words.c: Matrix products of two int8 values, computed with the target's dot product
 * instruction. Both factors are copied as words of four int8 (or two int16) along k: the right factor once,
 * the left factor tile by tile. If the instruction needs an unsigned operand, a is replaced by a' = a + lift,
 * otherwise lift is 0. za and zb are the zero points, K is the number of terms:
 *
 * sum of (a - za)*(b - zb) = sum of a'*b - (za + lift) * sum of b - zb * sum of a + K*za*zb
 *
 * Sums are modulo 2^32: the result fits in int32. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/walk.h"
#include "ops/int8/int8.h"

enum { MOST_VECTORS = 4, FEWEST_ROWS = 4, TILE_ROWS = 24, MOST_TILE_BYTES = 1 << 18 };

/* A factor of the product. words: its elements as words, [word][row of A or column of B]. terms: for each row
 * or column, the part of the sum that needs no element of the other factor. */
typedef struct Side {
  Buf *from, *words, *terms;
  bool along; /* k is the innermost dimension of `from` */
  int64_t n;  /* number of rows or columns */
  int lift;
  int operand;
} Side;

typedef struct WordProduct {
  Lower *l;
  const Int8Matmul *p;
  Dot dot;
  int lanes, planes; /* planes: number of words for four numbers: 1, or 2 for int16 */
  Side a, b;
} WordProduct;

static int64_t words_of_k(const WordProduct *t) { return ceil_divide(t->p->of.k, WORD_BYTES); }
static int64_t whole_vectors(const WordProduct *t, int64_t n) { return ceil_divide(n, t->lanes) * t->lanes; }
static int64_t tile_rows(const WordProduct *t) { return larger(3 * t->lanes, TILE_ROWS); }
static Val add_dot(const WordProduct *t, Val sum, Val x, Val w) {
  return nest_primitive(t->l->b, words_dot(t->dot, t->lanes), sum, x, w);
}

/* ---- copies ---- */
/* A copy of the words of `lanes` rows or columns; only the first `real` of them exist. first: the index of
 * the first row or column; to: its index in Side.words. */
typedef struct SideCopy {
  const WordProduct *t;
  const Side *side;
  Ix first, to;
  int real;
  Ref sum;
} SideCopy;

static void put_plane(const SideCopy *p, const Ix *word, Val x) {
  const WordProduct *t = p->t;
  Nest *b = t->l->b;
  const int32_t ones = t->planes == 1 ? 0x01010101 : 0x00010001;
  nest_store(b, p->sum, add_dot(t, nest_get(b, p->sum), splat(num_i32(b, ones), t->lanes), x));
  nest_store(b, nest_at(b, p->side->words, *word, p->to),
             p->side->lift ? nest_primitive(b, &primitive_bytes_up, x, NULL, NULL) : x);
}

static void put_words(const SideCopy *p, const Ix *word, Val bytes) {
  const WordProduct *t = p->t;
  Nest *b = t->l->b;
  bytes = nest_let(b, "bytes", bytes);
  if (t->planes == 1) {
    put_plane(p, word, bytes);
    return;
  }
  for (int odd = 0; odd < 2; odd++) {
    const Ix at = *word * 2 + odd;
    put_plane(
        p, &at,
        nest_let(b, odd ? "odd" : "even",
                 nest_primitive(b, odd ? &primitive_odd_bytes : &primitive_even_bytes, bytes, NULL, NULL)));
  }
}

/* The bytes k .. k+n-1 of each row or column as one word, if rows or columns are the innermost dimension. */
static Val words_across(const SideCopy *p, const Ix *k, int n) {
  const WordProduct *t = p->t;
  Nest *b = t->l->b;
  const Ix zero = {0};
  Val word = splat(num_i32(b, 0), t->lanes);
  for (int i = 0; i < WORD_BYTES; i++) {
    const Ix at = *k + i;
    const Val q = i < n ? int8_load_part(t->l, p->side->from, &zero, &at, &p->first, p->real, t->lanes)
                        : splat(num_i32(b, 0), t->lanes);
    word = nest_let(b, nest_text(b, "word%d", i), nest_primitive(b, &primitive_push_byte, word, q, NULL));
  }
  return word;
}

/* Word `at` of one row or column: n bytes, then zeros. */
static Val word_along(const SideCopy *p, int lane, const Ix *at, int n) {
  const WordProduct *t = p->t;
  Nest *b = t->l->b;
  const Ix zero = {0}, row = p->first + lane;
  if (lane >= p->real) return num_i32(b, 0);
  if (n == WORD_BYTES) return nest_load_words(b, nest_at(b, p->side->from, 0, row, *at * WORD_BYTES), 1);
  Val word = num_i32(b, 0);
  for (int i = 0; i < WORD_BYTES; i++) {
    const Ix c = *at * WORD_BYTES + i;
    const Val q = i < n ? int8_load(t->l, p->side->from, &zero, &row, &c) : num_i32(b, 0);
    word = nest_primitive(b, &primitive_push_byte, word, q, NULL);
  }
  return word;
}

/* Copies one word of each row or column, through an array on the stack. */
static void put_one(const SideCopy *p, const Ix *at, int n) {
  const WordProduct *t = p->t;
  Nest *b = t->l->b;
  Buf *row = NEST_BUF_OF(b, STACK, "row", I32, t->lanes);
  for (int lane = 0; lane < t->lanes; lane++)
    nest_store(b, nest_at(b, row, NEST_Z + lane), word_along(p, lane, at, n));
  put_words(p, at, nest_load(b, nest_at(b, row, 0), t->lanes));
}

/* Copies words first .. first + lanes - 1 of `lanes` rows or columns, by transposing this square matrix of
 * words. The first `skip` words are already in the copy. */
static void put_square(const SideCopy *p, const Ix *first, int skip) {
  const WordProduct *t = p->t;
  Nest *b = t->l->b;
  Val x[LANES];
  for (int n = 0; n < t->lanes; n++) {
    const Ix row = p->first + n;
    x[n] = nest_let(b, nest_text(b, "x%d", n),
                    n < p->real
                        ? nest_load_words(b, nest_at(b, p->side->from, 0, row, *first * WORD_BYTES), t->lanes)
                        : splat(num_i32(b, 0), t->lanes));
  }
  walk_transpose(b, x, t->lanes);
  for (int w = skip; w < t->lanes; w++) {
    const Ix word = *first + w;
    put_words(p, &word, x[w]);
  }
}

static void copy_along(const SideCopy *p) {
  const WordProduct *t = p->t;
  Nest *b = t->l->b;
  const int64_t whole = t->p->of.k / WORD_BYTES, squares = whole / t->lanes, rest = whole % t->lanes;
  const Ix zero = {0}, last = zero + (whole - t->lanes), tail = zero + whole;
  if (squares)
    NEST_FOR(b, s, squares) {
      const Ix first = s * t->lanes;
      put_square(p, &first, 0);
    }
  if (rest && squares) put_square(p, &last, t->lanes - (int)rest);
  else if (rest)
    NEST_FOR(b, at, rest) put_one(p, &at, WORD_BYTES);
  if (t->p->of.k % WORD_BYTES) put_one(p, &tail, (int)(t->p->of.k % WORD_BYTES));
}

static void copy_across(const SideCopy *p) {
  Nest *b = p->t->l->b;
  const int64_t k = p->t->p->of.k, whole = k / WORD_BYTES;
  const Ix zero = {0}, tail = zero + whole, from = zero + whole * WORD_BYTES;
  if (whole)
    NEST_FOR(b, word, whole) {
      const Ix at = word * WORD_BYTES;
      put_words(p, &word, words_across(p, &at, WORD_BYTES));
    }
  if (k % WORD_BYTES) put_words(p, &tail, words_across(p, &from, (int)(k % WORD_BYTES)));
}

static void copy_side(const WordProduct *t, const Side *side, const Ix *first, const Ix *to, int real) {
  Nest *b = t->l->b;
  SideCopy p = {t, side, *first, *to, real, {0}};
  p.sum = nest_at(b, nest_buf(b, REGS, "total", (Type){I32, t->lanes}, 1, (int64_t[]){1}), 0);
  nest_store(b, p.sum, splat(num_i32(b, 0), t->lanes));
  (side->along ? copy_along : copy_across)(&p);
  const Val sum = nest_get(b, p.sum), zero = int8_zero(t->l, 1 - side->operand);
  const Val other = side->operand ? add(zero, num_i32(b, t->a.lift)) : zero;
  Val term = sub(num_i32(b, 0), mul(sum, splat(other, t->lanes)));
  if (side->operand) /* K*za*zb is part of the columns' terms */
    term = add(term, splat(mul(mul(zero, int8_zero(t->l, 1)), num_i32(b, (int32_t)t->p->of.k)), t->lanes));
  nest_store(b, nest_at(b, side->terms, *to), term);
}

/* ---- products ---- */
static void words_product_tile(const WordProduct *t, const Ix *first, const Ix *row, int rows,
                               const Ix *column, int vectors, int part) {
  Nest *b = t->l->b;
  const Ix zero = {0};
  Buf *sum = nest_buf(b, REGS, "sum", (Type){I32, t->lanes}, 2, (int64_t[]){rows, vectors});
  NEST_UNROLL(b, r, rows) {
    const Val own = nest_load(b, nest_at(b, t->a.terms, *row + r), 1);
    NEST_UNROLL(b, v, vectors)
      nest_store(b, nest_at(b, sum, r, v),
                 nest_primitive(b, &primitive_wrap_sum,
                                nest_load(b, nest_at(b, t->b.terms, *column + v * t->lanes), t->lanes),
                                splat(own, t->lanes), splat(num_i32(b, 0), t->lanes)));
  }
  NEST_FOR(b, k, t->planes * words_of_k(t)) {
    Val w[MOST_VECTORS];
    for (int v = 0; v < vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v),
                      nest_load(b, nest_at(b, t->b.words, k, *column + v * t->lanes), t->lanes));
    NEST_UNROLL(b, r, rows) {
      const Val x = nest_let(b, "x", splat(nest_load(b, nest_at(b, t->a.words, k, *row + r), 1), t->lanes));
      for (int v = 0; v < vectors; v++)
        nest_store(b, nest_at(b, sum, r, v), add_dot(t, nest_get(b, nest_at(b, sum, r, v)), x, w[v]));
    }
  }
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < vectors; v++) {
      const Ix i = *first + *row + r, j = *column + v * t->lanes;
      int8_store(
          t->l,
          int8_rounded(t->l, t->p->rounding, nest_get(b, nest_at(b, sum, r, v)), t->p->factor, "product"),
          t->p->stored, &zero, &i, &j, v == vectors - 1 ? part : t->lanes, t->lanes);
    }
}

/* Computes all rows of a tile for some vectors of columns. part: number of lanes in use in the last
 * vector. */
static void product_rows(const WordProduct *t, const Ix *first, int64_t rows, const Ix *column, int vectors,
                         int part) {
  static const int tall[MOST_VECTORS + 1] = {0, 12, 12, 8, 6};
  Nest *b = t->l->b;
  const int n = t->l->target->registers < 32 && vectors == 2 ? 6 : tall[vectors];
  const Ix zero = {0}, tail = zero + rows / n * n;
  if (rows / n)
    NEST_FOR(b, g, rows / n) {
      const Ix row = g * n;
      words_product_tile(t, first, &row, n, column, vectors, part);
    }
  if (rows % n) words_product_tile(t, first, &tail, (int)(rows % n), column, vectors, part);
}

static void words_tile(WordProduct *t, const Ix *first, int64_t rows) {
  Nest *b = t->l->b;
  const int most = t->l->target->registers < 32 ? 2 : MOST_VECTORS;
  const int64_t m = t->p->of.m, wide = most * t->lanes, sets = m / wide, rest = m - sets * wide,
                all = whole_vectors(t, rows);
  const Ix zero = {0}, tail = zero + sets * wide;
  t->a.words = NEST_BUF_OF(b, STACK, "rows", I32, t->planes * words_of_k(t), all);
  t->a.terms = NEST_BUF_OF(b, STACK, "row_terms", I32, all);
  if (rows / t->lanes)
    NEST_FOR(b, g, rows / t->lanes) {
      const Ix to = g * t->lanes, from = *first + to;
      copy_side(t, &t->a, &from, &to, t->lanes);
    }
  if (rows % t->lanes) {
    const Ix to = zero + rows / t->lanes * t->lanes, from = *first + to;
    copy_side(t, &t->a, &from, &to, (int)(rows % t->lanes));
  }
  if (sets)
    NEST_FOR(b, s, sets) {
      const Ix column = s * wide;
      product_rows(t, first, rows, &column, most, t->lanes);
    }
  if (rest) {
    const int vectors = (int)ceil_divide(rest, t->lanes);
    product_rows(t, first, rows, &tail, vectors, (int)(rest - (int64_t)(vectors - 1) * t->lanes));
  }
}

static void copy_right(const WordProduct *t) {
  Nest *b = t->l->b;
  const int64_t m = t->p->of.m, groups = m / t->lanes, rest = m % t->lanes;
  const Ix zero = {0}, tail = zero + groups * t->lanes;
  if (groups)
    NEST_LOOP(b, g, walk_rows(t->l, t->p->of.k * m), 1, NEST_IX(0), 1, NEST_IX(groups)) {
      const Ix first = g * t->lanes;
      copy_side(t, &t->b, &first, &first, t->lanes);
    }
  if (rest) copy_side(t, &t->b, &tail, &tail, (int)rest);
}

bool int8_matmul_words(Lower *l, const Int8Matmul *p) {
  const MatrixProduct *of = &p->of;
  const Dot dot = l->target->dot;
  const bool halves = dot == DOT_HALVES;
  WordProduct t = {.l = l, .p = p, .dot = dot, .lanes = l->target->lanes, .planes = halves ? 2 : 1};
  const int64_t words = t.planes * words_of_k(&t), size = tile_rows(&t);
  if ((!halves && dot != DOT_BYTES && dot != DOT_SIGNED) || of->l < FEWEST_ROWS || 2 * of->m <= t.lanes ||
      words * size * WORD_BYTES > MOST_TILE_BYTES)
    return false;
  t.a = (Side){l->in[0], NULL, NULL, !of->left, of->l, words_lift(dot), 0};
  t.b = (Side){l->in[1], NULL, NULL, of->right, of->m, 0, 1};
  t.b.words = lower_scratch_of(l, "columns", I32, 2, (int64_t[]){words, whole_vectors(&t, of->m)});
  t.b.terms = lower_scratch_of(l, "column_terms", I32, 1, (int64_t[]){whole_vectors(&t, of->m)});
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  copy_right(&t);
  const Ix zero = {0}, tail = zero + of->l / size * size;
  if (of->l / size)
    NEST_LOOP(b, n, walk_rows(l, of->l * of->m * of->k), 1, NEST_IX(0), 1, NEST_IX(of->l / size)) {
      const Ix first = n * size;
      words_tile(&t, &first, size);
    }
  if (of->l % size) words_tile(&t, &tail, of->l % size);
  return true;
}
