/* int8_svdf.c: The sums over time of an int8 svdf, from the features of all rows, which are int8 or int16:
 *
 * x[t][u] = bias[u] + sum over r < rank, j < memory of weight[u*rank + r][j] * (f[t - before + j] - zero)
 *
 * with the features f and int16 weights; before is the number of rows of padding (0 if the input has the
 * earlier rows). Before quantize/svdf_layers.c creates the node, it checks that the sums fit into 32 bits. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8_svdf.h"

typedef struct SvdfSums {
  int64_t rows, units, rank, memory, before, in_rows;
} SvdfSums;

static SvdfSums svdf_sums_of(const Node *node) {
  const Shape in = node->in[0]->shape, out = node->shape;
  const Window *w = node->window;
  return (SvdfSums){.rows = out.dim[0],
                    .units = out.dim[1],
                    .rank = in.dim[1] / out.dim[1],
                    .memory = w->kernel[1],
                    .before = w->before[1],
                    .in_rows = in.dim[0]};
}

static void eval(const Eval *eval) {
  const Int8Svdf *p = eval->node->detail;
  const SvdfSums s = svdf_sums_of(eval->node);
  const int64_t zero = eval->node->in[0]->quant->zero, features = s.units * s.rank;
  for (int64_t t = 0; t < s.rows; t++)
    for (int64_t u = 0; u < s.units; u++) {
      int64_t sum = p->bias[u];
      for (int64_t k = u * s.rank; k < (u + 1) * s.rank; k++)
        for (int64_t j = 0; j < s.memory; j++) {
          const int64_t row = t - s.before + j;
          if (row >= 0)
            sum += p->weight[k * s.memory + j] * ((int64_t)eval->in[0][row * features + k] - zero);
        }
      eval->out[t * s.units + u] = stored_put(p->stored, multiplier_apply(p->rounding, sum, p->factor));
    }
}

static Cost cost(const Node *node) {
  const SvdfSums s = svdf_sums_of(node);
  const int64_t weights = s.units * s.rank * s.memory;
  return (Cost){s.rows * weights, weights + s.units, 2 * weights + 4 * s.units};
}

/* ---- lower ---- */
/* The weights as [units][memory][rank], so that the features of a unit in a row are adjacent. */
static Buf *packed_time(Lower *l, const SvdfSums *s) {
  const Int8Svdf *p = l->node->detail;
  const int64_t dim[3] = {s->units, s->memory, s->rank};
  int16_t *packed = NEW_ARRAY(l->arena, int16_t, s->units * s->memory * s->rank);
  for (int64_t u = 0; u < s->units; u++)
    for (int64_t j = 0; j < s->memory; j++)
      for (int64_t r = 0; r < s->rank; r++)
        packed[(u * s->memory + j) * s->rank + r] = p->weight[(u * s->rank + r) * s->memory + j];
  return lower_constants(l, "weight", I16, 3, dim, packed);
}

static void lower(Lower *l) {
  const Int8Svdf *p = l->node->detail;
  const SvdfSums s = svdf_sums_of(l->node);
  const int64_t one = 1;
  Nest *b = l->b;
  lower_about(l, "%s bits, rounding %s", l->node->in[0]->elem == I16 ? "16" : "8",
              rounding_name(p->rounding));
  Buf *weight = packed_time(l, &s), *bias = lower_constants(l, "bias", I32, 1, &s.units, p->bias);
  const Ix none = {0};
  nest_fn(b, b->name, false);
  NEST_FOR(b, t, s.rows)
    NEST_FOR(b, u, s.units) {
      const Ix lo[2] = {none, none + s.before - t}, hi[1] = {none + s.memory};
      const Ref sum = nest_at(b, nest_buf(b, REGS, "sum", (Type){I32, 1}, 1, &one), 0);
      nest_store(b, sum, nest_load(b, nest_at(b, bias, u), 1));
      for (const Ix j = *nest_loop(b, "j", SERIAL, s.before ? 2 : 1, lo, 1, hi); nest_enter(b);)
        NEST_FOR(b, r, s.rank) {
          const Ix row = t - s.before + j, k = u * s.rank + r;
          Val f = int8_load(l, l->in[0], &none, &row, &k);
          if (l->node->in[0]->quant->zero) f = sub(f, int8_zero(l, 0));
          nest_accumulate(b, sum, f, convert(nest_load(b, nest_at(b, weight, u, j, r), 1), I32));
        }
      int8_store(l, int8_rounded(l, p->rounding, nest_get(b, sum), p->factor, "factor"), p->stored, &none, &t,
                 &u, 1, 1);
    }
}

const Op op_int8_svdf = {.name = "int8_svdf",
                         .detail =
                             "x[t][u] = bias[u] + sum of weight * (f - zero point) over the features of a "
                             "unit and the rows that it reads; out = clamp(round(x * factor) + zero point of "
                             "out)",
                         .traits.layer_part = true,
                         .traits.per_image = true,
                         .cost = cost,
                         .eval = eval,
                         .lower = lower,
                         .traits.stream = STREAM_WINDOW};
