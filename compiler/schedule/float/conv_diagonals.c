// conv_diagonals.c: Tiles for groups narrower than a vector: sums of diagonals, and the outputs that are
// computed from these sums (conv_groups.c).
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "schedule/float/conv_tile.h"

/* Size of the blocks into which squares are divided: a whole square, or one vector if a square is larger than
 * a vector. */
static int64_t block_of(const Direct *d) { return smaller(d->diagonals->n, d->lanes); }

int diagonal_cuts(const Direct *d) {
  const Diagonals *of = d->diagonals;
  return of->n > d->lanes ? (int)(of->n / d->lanes * of->outs) : 1;
}

static int64_t terms_of(const Direct *d) {
  return d->diagonals->n * larger(d->diagonals->ins, d->diagonals->outs);
}

/* The maximum number of sums per pixel; with more sums, a tile would have fewer than three pixels. */
static int64_t most_terms(const Direct *d) {
  int64_t most = 2;
  while (2 * most * 3 + 4 <= d->l->target->registers) most *= 2;
  return most;
}

int diagonal_squares(const Direct *d) { return (int)(d->diagonals->ins * d->diagonals->outs); }

static int64_t piece_of(const Direct *d) { return smaller(d->diagonals->n, most_terms(d)); } /* diagonals */

int diagonal_pieces(const Direct *d) {
  if (diagonal_cuts(d) > 1 || terms_of(d) <= most_terms(d)) return 1;
  return (int)(diagonal_squares(d) * (d->diagonals->n / piece_of(d)));
}

int diagonal_pixels(const Direct *d, int64_t width) {
  const Target *t = d->l->target;
  const int64_t terms = diagonal_cuts(d) > 1     ? d->diagonals->n * d->diagonals->ins
                        : diagonal_pieces(d) > 1 ? piece_of(d)
                                                 : terms_of(d);
  int64_t most = 1;
  while (most < 16 && (most + 1) * terms + smaller(most + 1, terms) + 1 + !t->fma <= t->registers) most++;
  return (int)ceil_divide(width, ceil_divide(width, most));
}

/* In the last tile of a partial panel, some lanes, or whole vectors of inputs, may be unused. */
int diagonal_inputs(const Tile *t, int input) {
  const Direct *d = t->d;
  const int64_t outputs = (t->vectors - 1) * d->lanes + t->part,
                inputs = outputs / d->diagonals->outs * d->diagonals->ins;
  return (int)smaller(larger(inputs - input * d->lanes, 0), d->lanes);
}

void diagonal_terms(Tile *t, int cut) {
  const Direct *d = t->d;
  const Diagonals *of = d->diagonals;
  const int64_t L = d->lanes, block = block_of(d), cuts = diagonal_cuts(d);
  const int64_t inputs = cuts > 1 ? of->n / L * of->ins : of->ins, outs = cuts > 1 ? 1 : of->outs;
  t->cut = cut;
  t->terms = 0;
  if (diagonal_pieces(d) > 1) {
    const int64_t many = of->n / piece_of(d), square = t->piece / many, u = square / outs;
    for (int64_t r = 0; r < piece_of(d) && diagonal_inputs(t, (int)u); r++)
      t->term[t->terms++] = (Term){(int)u, (t->piece % many * piece_of(d) + r) * outs + square % outs, u * L};
    return;
  }
  for (int u = 0; u < inputs; u++)
    for (int64_t r = 0; r < block && diagonal_inputs(t, u); r++)
      for (int64_t h = 0; h < outs; h++) {
        const int64_t from = cuts > 1 ? (u * L % of->n) ^ (cut * L % of->n) : 0,
                      square = cuts > 1 ? cut * L / of->n : h;
        t->term[t->terms++] = (Term){u, (from + r) * of->outs + square, u * L};
      }
}

bool diagonal_starts_with_bias(const Direct *d) {
  return diagonal_cuts(d) > 1 || (diagonal_squares(d) == 1 && diagonal_pieces(d) == 1);
}

static Val exchanged(Nest *b, Val x, int lanes, int64_t r) {
  int *lane = NEW_ARRAY(b->arena, int, lanes);
  for (int i = 0; i < lanes; i++) lane[i] = i ^ (int)r;
  return shuffle(x, x, lanes, lane);
}

/* Adds up the sums of `diagonals` successive diagonals, from diagonal r on: in the result, the lane of input
 * j contains a part of output j ^ r. */
static Val folded(Nest *b, const Direct *d, int64_t diagonals, Val x[MOST_VECTORS]) {
  for (int64_t half = diagonals / 2; half; half /= 2)
    for (int64_t r = 0; r < half; r++) x[r] = add(x[r], exchanged(b, x[r + half], d->lanes, half));
  return x[0];
}

void diagonal_keep(Nest *b, const Tile *t, Buf *acc) {
  const Direct *d = t->d;
  const int64_t each = piece_of(d), many = d->diagonals->n / each, first = t->piece % many * each;
  NEST_UNROLL(b, p, t->real_columns) {
    Val x[MOST_VECTORS];
    for (int64_t r = 0; r < each; r++) x[r] = nest_get(b, nest_at(b, acc, 0, p, r));
    const Ref square = nest_at(b, t->squares, p, t->piece / many);
    Val sum = folded(b, d, each, x);
    nest_store(b, square, first ? add(nest_get(b, square), exchanged(b, sum, d->lanes, first)) : sum);
  }
}

/* Computes output vector v from the sums of the squares with index q along the inputs. Each lane is selected
 * from the sum of the square to which the lane belongs. */
static Val collected(Nest *b, const Tile *t, Val sum[MOST_VECTORS], int v, int64_t q) {
  const Diagonals *of = t->d->diagonals;
  const int64_t L = t->d->lanes;
  const int sources = (int)(of->ins * of->outs);
  Val all = sum[0];
  for (int from = 1; from < sources; from++) {
    int *lane = NEW_ARRAY(b->arena, int, L);
    for (int64_t i = 0; i < L; i++) {
      const int64_t out = v * L + i, group = out / (of->n * of->outs), within = out % (of->n * of->outs),
                    in = (group * of->ins + q) * of->n + within % of->n;
      const int64_t source = in / L * of->outs + within / of->n;
      lane[i] = (int)(source == from ? L + in % L : from == 1 ? in % L : i);
      if (L == 1 && source == from) all = sum[from];
    }
    if (L > 1) all = shuffle(all, sum[from] ? sum[from] : sum[0], (int)L, lane);
  }
  return all;
}

void diagonal_outputs(Nest *b, const Tile *t, Buf *acc, const Ix *pixel, Val out[MOST_VECTORS]) {
  const Direct *d = t->d;
  const Diagonals *of = d->diagonals;
  const int block = (int)block_of(d), cuts = diagonal_cuts(d);
  const int outs = cuts > 1 ? 1 : (int)of->outs;
  int inputs = 0;
  while (inputs < (cuts > 1 ? of->n / d->lanes * of->ins : of->ins) && diagonal_inputs(t, inputs)) inputs++;
  Val x[MOST_VECTORS], sum[MOST_VECTORS] = {NULL};
  for (int u = 0; u < inputs; u++)
    for (int h = 0; h < outs; h++) {
      for (int r = 0; r < block && !t->squares; r++) {
        Val term = nest_get(b, nest_at(b, acc, 0, *pixel, (u * block + r) * outs + h));
        x[r] = cuts > 1 && u ? add(x[r], term) : term;
      }
      const int square = u * outs + h;
      if (t->squares) sum[square] = nest_get(b, nest_at(b, t->squares, *pixel, square));
      else if (cuts == 1) sum[square] = nest_let(b, nest_text(b, "s%d", square), folded(b, d, block, x));
    }
  if (cuts > 1) {
    out[t->cut] = folded(b, d, block, x);
    return;
  }
  for (int v = 0; v < t->vectors; v++) {
    out[v] = collected(b, t, sum, v, 0);
    for (int64_t q = 1; q < of->ins; q++) out[v] = add(collected(b, t, sum, v, q), out[v]);
  }
}
