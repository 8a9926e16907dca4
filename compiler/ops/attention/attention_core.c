/* attention_core.c: the nests of attention. Vector lanes are queries, so that the maximum and the sum of each
 * query need no reduction across lanes: a tile of queries is transposed, keys and values are read in place,
 * one element for all lanes. After each block of keys, sums are rescaled to the largest score so far. Without
 * vectors, queries are computed one by one. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include "base/number.h"
#include "ops/attention/attention.h"

enum { KEY_BLOCK = 256, AT_ONCE = 3 };

/* ---- positions ---- */
static void flatten_pixels(Buf *buf) {
  int64_t *dim = buf->dim + (buf->rank == 4), *room = buf->room + (buf->rank == 4);
  dim[1] *= dim[0];
  dim[0] = 1;
  room[1] = dim[1];
  room[0] = 1;
}

void attention_flatten(Lower *l) {
  lower_join_rows(l, shape_extent(l->node->shape).h);
  for (int k = 0; k < l->node->nin; k++) flatten_pixels(l->in[k]);
}

/* ---- scores ---- */
Ix attention_bias_row(const Attention *a, const Ix *h, const Ix *i) {
  return a->by_head ? *h * a->l + *i : *i;
}

static Val position_number(Nest *b, const Ix *i) { return convert(position(b, i), F32); }

static Val unless_seen(Nest *b, const Attention *a, Val i, Val j, Val score) {
  const Val nothing = num(b, -INFINITY);
  if (a->causal) score = choose(less_eq(j, i), score, nothing);
  if (!a->windowed) return score;
  score = choose(less_eq(sub(i, num(b, (double)a->before)), j), score, nothing);
  return choose(less_eq(j, add(i, num(b, (double)a->after))), score, nothing);
}

static Val added(Lower *l, const Attention *a, const Ix *h, const Ix *i, const Ix *j, const int at_[2]) {
  Nest *b = l->b;
  Val sum = NULL;
  if (a->mask >= 0) sum = nest_load(b, nest_at(b, l->in[at_[0]], 0, *i, *j), 1);
  if (a->bias < 0) return sum;
  const Ix row = attention_bias_row(a, h, i);
  Val more = nest_load(b, nest_at(b, l->in[at_[1]], 0, row, *j), 1);
  return sum ? add(sum, more) : more;
}

Val attention_score(Lower *l, const Attention *a, Val product, const Ix *h, const Ix *i, const Ix *j,
                    const int at_[2]) {
  Nest *b = l->b;
  Val more = added(l, a, h, i, j, at_), score = more ? add(product, more) : product;
  return a->causal || a->windowed ? unless_seen(b, a, position_number(b, i), position_number(b, j), score)
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
    Val p = nest_let(b, "p", vexp(sub(nest_load(b, nest_at(b, row, j), 1), largest)));
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

/* ---- tiles of queries ---- */
typedef struct Tile {
  Lower *l;
  const Attention *a;
  const Ix *h, *u, *first, *key; /* the first query, the first key of a block */
  int64_t queries, keys, block;
  int lanes, vectors, rows;         /* rows: keys, or channels of values, at a time */
  Buf *q, *s, *o, *at, *most, *sum; /* [dk], [keys], [dv] of queries; their positions; registers */
} Tile;

static Ref query_lanes(const Tile *t, Buf *buf, const Ix *row, int v) {
  Nest *b = t->l->b;
  const Ix zero = {0}, lane = zero + v * t->lanes;
  return nest_at(b, buf, *row, lane);
}

static void turn_queries(const Tile *t) {
  Nest *b = t->l->b;
  const Attention *a = t->a;
  const int64_t all = t->vectors * t->lanes;
  NEST_FOR(b, c, a->dk) {
    NEST_FOR(b, i, t->queries)
      nest_store(b, nest_at(b, t->q, c, i),
                 mul(nest_load(b, nest_at(b, t->l->in[QUERY], 0, *t->first + i, *t->h * a->dk + c), 1),
                     num(b, a->scale)));
    if (t->queries < all)
      NEST_FROM(b, i, t->queries, all) nest_store(b, nest_at(b, t->q, c, i), num(b, 0));
  }
  if (!t->at) return;
  NEST_FOR(b, i, all) {
    const Ix position = *t->first + i;
    nest_store(b, nest_at(b, t->at, i), position_number(b, &position));
  }
}

/* Bias and mask of a block of keys, transposed like the queries. */
static void turn_added(const Tile *t, const Ix *key, int64_t keys) {
  Nest *b = t->l->b;
  const Attention *a = t->a;
  const int64_t all = t->vectors * t->lanes;
  if (a->mask < 0 && a->bias < 0) return;
  NEST_FOR(b, j, keys) {
    const Ix at_ = *key + j;
    NEST_FOR(b, i, t->queries) {
      const Ix query = *t->first + i;
      nest_store(b, nest_at(b, t->s, j, i), added(t->l, a, t->h, &query, &at_, (int[]){a->mask, a->bias}));
    }
    if (t->queries < all)
      NEST_FROM(b, i, t->queries, all) nest_store(b, nest_at(b, t->s, j, i), num(b, 0));
  }
}

/* Sums of `rows` scalars, by rows of `from`, times vectors of queries. */
typedef Val TileScalar(const Tile *, const Ix *row, const Ix *k);

static Buf *tile_products(const Tile *t, int rows, Buf *vectors, int64_t depth, TileScalar scalar,
                          const Ix *first) {
  Nest *b = t->l->b;
  Buf *sum = NEST_REGISTERS(b, "a", t->lanes, rows, t->vectors);
  NEST_UNROLL(b, r, rows)
    NEST_UNROLL(b, v, t->vectors) nest_store(b, nest_at(b, sum, r, v), num(b, 0));
  NEST_FOR(b, k, depth) {
    Val w[AT_ONCE];
    for (int v = 0; v < t->vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v), nest_load(b, query_lanes(t, vectors, &k, v), t->lanes));
    NEST_UNROLL(b, r, rows) {
      const Ix row = *first + r;
      Val x = nest_let(b, "x", scalar(t, &row, &k));
      for (int v = 0; v < t->vectors; v++) nest_accumulate(b, nest_at(b, sum, r, v), x, w[v]);
    }
  }
  return sum;
}

static Val key_element(const Tile *t, const Ix *key, const Ix *c) {
  Nest *b = t->l->b;
  return nest_load(b, nest_at(b, t->l->in[KEY], 0, *key, *t->u * t->a->dk + *c), 1);
}

static void score_rows(const Tile *t, const Ix *j0, int rows) {
  const Attention *a = t->a;
  Nest *b = t->l->b;
  const Ix zero = {0}, key = *t->key + *j0;
  Buf *sum = tile_products(t, rows, t->q, a->dk, key_element, &key);
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < t->vectors; v++) {
      const Ix j = *j0 + r, position = key + r, lane = zero + v * t->lanes;
      Val s = nest_get(b, nest_at(b, sum, r, v));
      if (a->mask >= 0 || a->bias >= 0) s = add(s, nest_load(b, query_lanes(t, t->s, &j, v), t->lanes));
      if (t->at)
        s = unless_seen(b, a, nest_load(b, nest_at(b, t->at, lane), t->lanes),
                        splat(position_number(b, &position), t->lanes), s);
      s = nest_let(b, "s", s);
      nest_store(b, query_lanes(t, t->s, &j, v), s);
      nest_store(b, nest_at(b, t->most, v), vmax(nest_get(b, nest_at(b, t->most, v)), s));
    }
}

static Val value_element(const Tile *t, const Ix *c, const Ix *j) {
  Nest *b = t->l->b;
  return nest_load(b, nest_at(b, t->l->in[VALUE], 0, *t->key + *j, *t->u * t->a->dv + *c), 1);
}

static void mix_rows(const Tile *t, const Ix *c0, int rows) {
  Nest *b = t->l->b;
  Buf *sum = tile_products(t, rows, t->s, t->keys, value_element, c0);
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < t->vectors; v++) {
      const Ix c = *c0 + r;
      Val y = nest_get(b, nest_at(b, sum, r, v));
      nest_store(b, query_lanes(t, t->o, &c, v), add(nest_load(b, query_lanes(t, t->o, &c, v), t->lanes), y));
    }
}

typedef void TileRows(const Tile *, const Ix *first, int rows);

static void in_groups(const Tile *t, int64_t n, TileRows body) {
  Nest *b = t->l->b;
  const Ix zero = {0}, tail = zero + n / t->rows * t->rows;
  if (n >= t->rows)
    NEST_FOR(b, g, n / t->rows) {
      const Ix first = g * t->rows;
      body(t, &first, t->rows);
    }
  if (n % t->rows) body(t, &tail, (int)(n % t->rows));
}

/* The sums so far, rescaled to the new largest score: times exp(old - new). */
static void rescale(const Tile *t, Val const *old, Val const *largest) {
  Nest *b = t->l->b;
  Val factor[AT_ONCE];
  for (int v = 0; v < t->vectors; v++) {
    factor[v] = nest_let(b, nest_text(b, "f%d", v), vexp(sub(old[v], largest[v])));
    nest_store(b, nest_at(b, t->sum, v), mul(nest_get(b, nest_at(b, t->sum, v)), factor[v]));
  }
  NEST_FOR(b, c, t->a->dv)
    for (int v = 0; v < t->vectors; v++)
      nest_store(b, query_lanes(t, t->o, &c, v),
                 mul(nest_load(b, query_lanes(t, t->o, &c, v), t->lanes), factor[v]));
}

static void key_block(Tile *t, const Ix *key, int64_t keys) {
  Nest *b = t->l->b;
  Val old[AT_ONCE], largest[AT_ONCE];
  t->key = key;
  t->keys = keys;
  turn_added(t, key, keys);
  for (int v = 0; v < t->vectors; v++)
    old[v] = nest_let(b, nest_text(b, "old%d", v), nest_get(b, nest_at(b, t->most, v)));
  in_groups(t, keys, score_rows);
  for (int v = 0; v < t->vectors; v++)
    largest[v] =
        nest_let(b, nest_text(b, "largest%d", v), attention_finite(b, nest_get(b, nest_at(b, t->most, v))));
  if (t->a->m > t->block) rescale(t, old, largest);
  NEST_FOR(b, j, keys)
    for (int v = 0; v < t->vectors; v++) {
      Val p = nest_let(b, "p", vexp(sub(nest_load(b, query_lanes(t, t->s, &j, v), t->lanes), largest[v])));
      nest_store(b, query_lanes(t, t->s, &j, v), p);
      nest_store(b, nest_at(b, t->sum, v), add(nest_get(b, nest_at(b, t->sum, v)), p));
    }
  in_groups(t, t->a->dv, mix_rows);
}

static void key_blocks(Tile *t) {
  Nest *b = t->l->b;
  const int64_t blocks = t->a->m / t->block, rest = t->a->m % t->block;
  const Ix zero = {0}, tail = zero + blocks * t->block;
  if (blocks)
    NEST_FOR(b, block, blocks) {
      const Ix key = block * t->block;
      key_block(t, &key, t->block);
    }
  if (rest) key_block(t, &tail, rest);
}

static void store_queries(const Tile *t) {
  Nest *b = t->l->b;
  const Ix zero = {0};
  for (int v = 0; v < t->vectors; v++) {
    Val factor =
        nest_let(b, nest_text(b, "i%d", v), attention_inverse(b, nest_get(b, nest_at(b, t->sum, v))));
    NEST_FOR(b, c, t->a->dv)
      nest_store(b, query_lanes(t, t->o, &c, v),
                 mul(nest_load(b, query_lanes(t, t->o, &c, v), t->lanes), factor));
  }
  NEST_FOR(b, i, t->queries)
    NEST_FOR(b, c, t->a->dv) {
      const Ix query = *t->first + i, to = *t->h * t->a->dv + c;
      lower_store(t->l, nest_load(b, nest_at(b, t->o, c, i), 1), &zero, &query, &to, 1, 1);
    }
}

static void query_tile(Lower *l, const Attention *a, const Ix *h, const Ix *u, const Ix *first,
                       int64_t queries) {
  Nest *b = l->b;
  const int lanes = l->target->lanes;
  Tile t = {.l = l, .a = a, .h = h, .u = u, .first = first, .queries = queries, .lanes = lanes};
  t.vectors = (int)((queries + lanes - 1) / lanes);
  t.rows = l->target->registers < 32 ? 4 : 8;
  t.block = smaller(a->m, KEY_BLOCK);
  const int64_t all = t.vectors * lanes;
  t.q = NEST_BUF(b, STACK, "q", a->dk, all);
  t.s = NEST_BUF(b, STACK, "scores", t.block, all);
  t.o = NEST_BUF(b, STACK, "o", a->dv, all);
  t.at = a->causal || a->windowed ? NEST_BUF(b, STACK, "at", all) : NULL;
  t.most = NEST_REGISTERS(b, "most", lanes, t.vectors);
  t.sum = NEST_REGISTERS(b, "sum", lanes, t.vectors);
  turn_queries(&t);
  for (int v = 0; v < t.vectors; v++) {
    nest_store(b, nest_at(b, t.most, v), num(b, -INFINITY));
    nest_store(b, nest_at(b, t.sum, v), num(b, 0));
  }
  NEST_FOR(b, c, a->dv)
    for (int v = 0; v < t.vectors; v++) nest_store(b, query_lanes(&t, t.o, &c, v), splat(num(b, 0), lanes));
  key_blocks(&t);
  store_queries(&t);
}

static void lower_tiles(Lower *l, const Attention *a) {
  Nest *b = l->b;
  const int64_t tile = AT_ONCE * l->target->lanes, tiles = a->l / tile, rest = a->l % tile;
  const Ix zero = {0}, last = zero + tiles * tile;
  const LoopKind kind = walk_rows(l, bounded_product(a->l * a->m, a->heads * (a->dk + a->dv)));
  nest_fn(b, b->name, false);
  NEST_LOOP(b, u, a->heads > a->shared ? kind : SERIAL, 1, NEST_IX(0), 1, NEST_IX(a->heads / a->shared))
    NEST_FOR(b, g, a->shared) {
      const Ix h = u * a->shared + g;
      if (tiles)
        NEST_LOOP(b, t, a->heads > a->shared ? SERIAL : kind, 1, NEST_IX(0), 1, NEST_IX(tiles)) {
          const Ix first = t * tile;
          query_tile(l, a, &h, &u, &first, tile);
        }
      if (rest) query_tile(l, a, &h, &u, &last, rest);
    }
}

void attention_lower(Lower *l) {
  const Attention a = attention_of(l->node);
  attention_flatten(l);
  if (l->plain || l->target->lanes == 1) lower_queries(l, &a);
  else lower_tiles(l, &a);
}
