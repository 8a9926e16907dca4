/* attention_core.c: Nests of attention: shared parts, and the scalar nest, which computes one query at a
 * time. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include "base/number.h"
#include "ops/attention/attention.h"

/* ---- positions ---- */
static void flatten_pixels(Buf *buf) {
  int64_t *dim = buf->dim + (buf->rank == 4), *room = buf->room + (buf->rank == 4);
  dim[1] *= dim[0];
  dim[0] = 1;
  room[1] = dim[1];
  room[0] = 1;
}

void attention_flatten(Lower *l) {
  lower_view_rows(l, 1);
  for (int k = 0; k < l->node->nin; k++) flatten_pixels(l->in[k]);
}

/* ---- scores ---- */
Ix attention_bias_row(const Attention *a, const Ix *h, const Ix *i) {
  return a->by_head ? *h * a->l + *i : *i;
}

Val attention_position(Nest *b, const Ix *i) { return convert(position(b, i), F32); }

Val attention_unless_seen(Nest *b, const Attention *a, Val i, Val j, Val score) {
  const Val nothing = num(b, -INFINITY);
  if (a->causal) score = choose(less_eq(j, i), score, nothing);
  if (!a->windowed) return score;
  score = choose(less_eq(sub(i, num(b, (double)a->before)), j), score, nothing);
  return choose(less_eq(j, add(i, num(b, (double)a->after))), score, nothing);
}

/* The sum of mask and bias for query i and keys j .. j+part-1; NULL without mask and bias. */
Val attention_added(Lower *l, const Attention *a, const Ix *h, const Ix *i, const Ix *j, int part, int lanes,
                    const int at_[2]) {
  Nest *b = l->b;
  Val sum = NULL;
  if (a->mask >= 0) sum = nest_load_part(b, nest_at(b, l->in[at_[0]], 0, *i, *j), part, lanes);
  if (a->bias < 0) return sum;
  const Ix row = attention_bias_row(a, h, i);
  Val more = nest_load_part(b, nest_at(b, l->in[at_[1]], 0, row, *j), part, lanes);
  return sum ? add(sum, more) : more;
}

Val attention_score(Lower *l, const Attention *a, Val product, const Ix *h, const Ix *i, const Ix *j,
                    const int at_[2]) {
  Nest *b = l->b;
  Val more = attention_added(l, a, h, i, j, 1, 1, at_), score = more ? add(product, more) : product;
  return a->causal || a->windowed
             ? attention_unless_seen(b, a, attention_position(b, i), attention_position(b, j), score)
             : score;
}

Val attention_finite(Nest *b, Val largest) {
  return choose(less(largest, num(b, -FLT_MAX)), num(b, 0), largest);
}

Val attention_inverse(Nest *b, Val sum) {
  return choose(equal(sum, num(b, 0)), num(b, 0), div_(num(b, 1), sum));
}

/* ---- one query at a time ---- */
static void plain_query(Lower *l, const Attention *a, Buf *row, const Ix *h, const Ix *u, const Ix *i) {
  Nest *b = l->b;
  const Ix zero = {0};
  Buf *most = NEST_REGISTERS(b, "most", 1, 1), *sum = NEST_REGISTERS(b, "sum", 1, 1);
  nest_store(b, nest_at(b, most, 0), num(b, -INFINITY));
  NEST_FOR(b, j, a->m) {
    Buf *dot = NEST_REGISTERS(b, "dot", 1, 1);
    nest_store(b, nest_at(b, dot, 0), num(b, 0));
    NEST_FOR(b, c, a->dk)
      nest_accumulate(b, nest_at(b, dot, 0), nest_load(b, nest_at(b, l->in[QUERY], 0, *i, *h * a->dk + c), 1),
                      nest_load(b, nest_at(b, l->in[KEY], 0, j, *u * a->dk + c), 1));
    Val s = mul(nest_get(b, nest_at(b, dot, 0)), num(b, a->scale));
    s = nest_let(b, "s", attention_score(l, a, s, h, i, &j, (int[]){a->mask, a->bias}));
    nest_store(b, nest_at(b, row, j), s);
    nest_store(b, nest_at(b, most, 0), vmax(nest_get(b, nest_at(b, most, 0)), s));
  }
  Val largest = nest_let(b, "largest", attention_finite(b, nest_get(b, nest_at(b, most, 0))));
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, j, a->m) {
    Val p = nest_let(b, "p", vdecay(sub(nest_load(b, nest_at(b, row, j), 1), largest)));
    nest_store(b, nest_at(b, row, j), p);
    nest_store(b, nest_at(b, sum, 0), add(nest_get(b, nest_at(b, sum, 0)), p));
  }
  Val factor = nest_let(b, "factor", attention_inverse(b, nest_get(b, nest_at(b, sum, 0))));
  NEST_FOR(b, c, a->dv) {
    Buf *y = NEST_REGISTERS(b, "y", 1, 1);
    const Ix to = *h * a->dv + c;
    nest_store(b, nest_at(b, y, 0), num(b, 0));
    NEST_FOR(b, j, a->m)
      nest_accumulate(b, nest_at(b, y, 0), nest_load(b, nest_at(b, row, j), 1),
                      nest_load(b, nest_at(b, l->in[VALUE], 0, j, *u * a->dv + c), 1));
    lower_store(l, mul(nest_get(b, nest_at(b, y, 0)), factor), &zero, i, &to, 1, 1);
  }
}

static void lower_queries(Lower *l, const Attention *a) {
  Nest *b = l->b;
  Buf *row = lower_scratch(l, "row", 1, &a->m);
  nest_fn(b, b->name, false);
  NEST_FOR(b, u, a->heads / a->shared)
    NEST_FOR(b, g, a->shared)
      NEST_FOR(b, i, a->l) {
        const Ix h = u * a->shared + g;
        plain_query(l, a, row, &h, &u, &i);
      }
}

void attention_lower(Lower *l) {
  const Attention a = attention_of(l->node);
  attention_flatten(l);
  if (l->plain || l->target->lanes == 1) lower_queries(l, &a);
  else attention_tiles(l, &a);
}
