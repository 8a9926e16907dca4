/* attention_tiles.c: Vectorized attention. A tile of queries and a block of keys have two products:
 *
 * scores   lanes are queries, which are transposed once. Keys are read in place, and each element is
 *          broadcast to all lanes. The maximum and the sum of each query need no reduction across lanes.
 * mix      lanes are channels of values, which are read in place; each exponential is broadcast to all
 *          lanes. The sums already have the layout of the attention's output.
 *
 * If keys need several blocks, sums are rescaled to the largest score so far. With causal masks and windows,
 * groups of keys that no query of the tile sees are skipped.
 *
 * For the gradients, the scores between a tile of queries and all keys are recomputed. The matrix products of
 * the gradients use the same two layouts of lanes. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "ops/attention/attention.h"

enum { KEY_BLOCK = 264, AT_ONCE = 3, VECTORS = 3 };

typedef struct Tile {
  Lower *l;
  const Attention *a;
  const Ix *h, *u;
  /* index of the tile's first query; first_group: first / rows */
  Ix first, first_group;
  Ix key, key_group;                  /* index of the block's first key; key_group: key / rows */
  int64_t size, queries, keys, block; /* size, block: queries of a full tile, keys of a full block */
  int lanes, vectors, rows;           /* rows: size of a group of keys, which are processed together */
  bool blocks;                        /* the keys need several blocks: `o` contains the sums so far */
  /* q[dk][queries], s[keys][queries], o[queries][dv]; at, factor: a position and a factor for each query */
  Buf *q, *s, *o, *at, *factor;
  Buf *most, *sum; /* registers */
  /* the products: rows of `from` times vectors of queries in `left`, and `weights` times rows of `values` */
  Buf *left, *from, *weights, *values;
  Ix from_channel;
  int64_t depth, d;    /* channels of a head: depth in `from`, d in `values` */
  Buf *ds, *dy, *mean; /* ds[keys][queries]: gradients of scores; dy[dv][queries]; mean: sums of p*dp, in
                          registers */
  bool slopes;         /* the products are dp, not scores */
} Tile;

static Ref query_lanes(const Tile *t, Buf *buf, const Ix *row, int v) {
  Nest *b = t->l->b;
  const Ix zero = {0}, lane = zero + v * t->lanes;
  return nest_at(b, buf, *row, lane);
}

static int queries_of(const Tile *t, int v) { return (int)smaller(t->queries - v * t->lanes, t->lanes); }

/* ---- transposed queries, masks and biases ---- */
/* turn_queries transposes channels (or keys) c .. c+part-1 of the queries of vector v: row c+n of `to` gets
 * channel c+n of each query. RowOf loads these channels of one query. */
typedef Val RowOf(const Tile *, const Ix *query, const Ix *c, int part);

static void turn_queries(const Tile *t, int v, RowOf row_of, const Ix *c, int part, Buf *to) {
  Nest *b = t->l->b;
  const int queries = queries_of(t, v);
  Val x[LANES];
  for (int n = 0; n < t->lanes; n++) {
    const Ix query = t->first + v * t->lanes + n;
    Val row = n < queries ? row_of(t, &query, c, part) : splat(num(b, 0), t->lanes);
    x[n] = nest_let(b, nest_text(b, "x%d", n), row);
  }
  walk_transpose(b, x, t->lanes);
  for (int n = 0; n < part; n++) {
    const Ix row = *c + n;
    nest_store(b, query_lanes(t, to, &row, v), x[n]);
  }
}

static void turn_rows(const Tile *t, RowOf row_of, int64_t n, Buf *to) {
  Nest *b = t->l->b;
  const int64_t squares = n / t->lanes;
  const Ix zero = {0}, tail = zero + squares * t->lanes;
  if (squares)
    NEST_FOR(b, g, squares) {
      const Ix c = g * t->lanes;
      for (int v = 0; v < t->vectors; v++) turn_queries(t, v, row_of, &c, t->lanes, to);
    }
  if (n % t->lanes)
    for (int v = 0; v < t->vectors; v++) turn_queries(t, v, row_of, &tail, (int)(n % t->lanes), to);
}

static Val query_row(const Tile *t, const Ix *query, const Ix *c, int part) {
  Nest *b = t->l->b;
  Val q = nest_load_part(b, nest_at(b, t->l->in[QUERY], 0, *query, *t->h * t->a->dk + *c), part, t->lanes);
  return mul(q, num(b, t->a->scale));
}

static Val added_row(const Tile *t, const Ix *query, const Ix *j, int part) {
  const Ix key = t->key + *j;
  return attention_added(t->l, t->a, t->h, query, &key, part, t->lanes, (int[]){t->a->mask, t->a->bias});
}

/* ---- visible keys ---- */
static bool cuts(const Attention *a) { return a->causal || a->windowed; }
static int64_t groups_up(const Tile *t, int64_t n) { return (n + t->rows - 1) / t->rows; }

/* Limits of a loop over the keys of a block or over its groups of keys. The loop runs from the largest `lo`
 * to the smallest `hi`, and so skips groups of keys that no query of the tile sees. */
typedef struct Limits {
  int nlo, nhi;
  Ix lo[2], hi[2];
} Limits;

static Limits limits_of(const Tile *t, int64_t n, bool groups) {
  const Attention *a = t->a;
  const int64_t unit = groups ? 1 : t->rows;
  const Ix zero = {0}, first = groups ? t->first_group : t->first, key = groups ? t->key_group : t->key;
  Limits k = {.nlo = 1, .nhi = 1, .lo = {zero}, .hi = {zero + n}};
  const int64_t after = a->causal ? 0 : a->after;
  if (a->causal || (a->windowed && after < a->m))
    k.hi[k.nhi++] = first - key + groups_up(t, t->queries + after) * unit;
  if (a->windowed && a->l - a->before <= a->m) /* else the last query sees no key */
    k.lo[k.nlo++] = first - key - groups_up(t, a->before) * unit;
  return k;
}
#define EACH_SEEN(b, v, limits) NEST_LOOP(b, v, SERIAL, (limits).nlo, (limits).lo, (limits).nhi, (limits).hi)

/* Whether any of the block's keys `from` .. `to`-1 is within the limits. */
static Cond in_limits(const Tile *t, const Limits *k, int64_t from, int64_t to) {
  Nest *b = t->l->b;
  if (k->nhi == 1 && k->nlo == 1) return nest_always(b);
  const Cond below = k->nhi > 1 ? nest_at_least(b, k->hi[1] - from, 1) : nest_always(b);
  if (k->nlo == 1) return below;
  const Cond above = nest_at_least(b, -k->lo[1] + to, 1);
  return k->nhi > 1 ? cond_and(below, above) : above;
}

/* ---- scores ---- */
static void finish_score(const Tile *t, Val s, const Ix *j, int v) {
  const Attention *a = t->a;
  Nest *b = t->l->b;
  const Ix zero = {0}, position = t->key + *j, lane = zero + v * t->lanes;
  if (a->mask >= 0 || a->bias >= 0) s = add(s, nest_load(b, query_lanes(t, t->s, j, v), t->lanes));
  if (t->at)
    s = attention_unless_seen(b, a, nest_load(b, nest_at(b, t->at, lane), t->lanes),
                              splat(attention_position(b, &position), t->lanes), s);
  s = nest_let(b, "s", s);
  nest_store(b, query_lanes(t, t->s, j, v), s);
  nest_store(b, nest_at(b, t->most, v), vmax(nest_get(b, nest_at(b, t->most, v)), s));
}

/* Stores dp = dy*V^T of a key, and adds p*dp to t->mean, the sums over the keys. */
static void finish_slope(const Tile *t, Val dp, const Ix *j, int v) {
  Nest *b = t->l->b;
  dp = nest_let(b, "dp", dp);
  nest_store(b, query_lanes(t, t->ds, j, v), dp);
  nest_store(
      b, nest_at(b, t->mean, v),
      fma_(nest_load(b, query_lanes(t, t->s, j, v), t->lanes), dp, nest_get(b, nest_at(b, t->mean, v))));
}

/* The hardware does not prefetch keys that are half a page or more apart, so each group prefetches the keys
 * of the next group. */
static void fetch_keys(const Tile *t, const Ix *j0, int rows) {
  enum { HALF_PAGE = 2048 };
  const int64_t pitch = t->from->room[t->from->rank - 1], line = t->l->target->line / 4;
  if (4 * pitch < HALF_PAGE || t->l->b->nleads) return;
  NEST_UNROLL(t->l->b, r, rows)
    for (int64_t c = 0; c < t->depth; c += line)
      nest_prefetch(t->l->b, t->from, pitch * (t->key + *j0 + rows + r) + t->from_channel + c);
}

static void score_rows(const Tile *t, const Ix *j0, int rows) {
  Nest *b = t->l->b;
  Buf *sum = NEST_REGISTERS(b, "a", t->lanes, rows, t->vectors);
  NEST_UNROLL(b, r, rows)
    NEST_UNROLL(b, v, t->vectors) nest_store(b, nest_at(b, sum, r, v), num(b, 0));
  if (rows == t->rows) fetch_keys(t, j0, rows);
  NEST_FOR(b, c, t->depth) {
    Val w[AT_ONCE];
    for (int v = 0; v < t->vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v), nest_load(b, query_lanes(t, t->left, &c, v), t->lanes));
    NEST_UNROLL(b, r, rows) {
      Val x =
          nest_let(b, "x", nest_load(b, nest_at(b, t->from, 0, t->key + *j0 + r, t->from_channel + c), 1));
      for (int v = 0; v < t->vectors; v++) nest_accumulate(b, nest_at(b, sum, r, v), x, w[v]);
    }
  }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < t->vectors; v++) {
      const Ix j = *j0 + r;
      (t->slopes ? finish_slope : finish_score)(t, nest_get(b, nest_at(b, sum, r, v)), &j, v);
    }
}

/* Builds the nest's code for `rows` keys, starting at key `first`; `with` is the caller's data. */
typedef void KeyGroup(const Tile *t, const void *with, const Ix *first, int rows);

/* Calls `body` for each full group of t->rows keys that some query of the tile may see. If the last group is
 * smaller, calls `body` for that group, too, under the same condition. */
static void each_key_group(const Tile *t, KeyGroup *body, const void *with) {
  Nest *b = t->l->b;
  const int64_t groups = t->keys / t->rows, rest = t->keys % t->rows;
  const Ix zero = {0}, tail = zero + groups * t->rows;
  const Limits seen = limits_of(t, groups, true), keys = limits_of(t, t->keys, false);
  if (groups) EACH_SEEN(b, g, seen) {
      const Ix first = g * t->rows;
      body(t, with, &first, t->rows);
    }
  if (rest)
    NEST_IF(b, in_limits(t, &keys, groups * t->rows, t->keys)) body(t, with, &tail, (int)rest);
}

static void score_key_group(const Tile *t, const void *with, const Ix *first, int rows) {
  (void)with;
  score_rows(t, first, rows);
}

/* ---- values ---- */
/* The first channel of vector v. The last of several vectors ends with the last channel: it overlaps the
 * previous vector instead of being partial. */
static Ix mix_channel(const Tile *t, int v) {
  const Ix zero = {0};
  return zero + larger(0, smaller(v * t->lanes, t->d - t->lanes));
}
static int mix_part(const Tile *t) { return (int)smaller(t->d, t->lanes); }
static Ref mix_sums(const Tile *t, const Ix *query, int v) {
  Nest *b = t->l->b;
  return nest_at(b, t->o, *query, NEST_Z + v * t->lanes);
}

static void store_mixed(const Tile *t, Val y, const Ix *i, int v) {
  Nest *b = t->l->b;
  const Ix zero = {0}, query = t->first + *i, to = *t->h * t->d + mix_channel(t, v);
  lower_store(t->l, mul(y, nest_load(b, nest_at(b, t->factor, *i), 1)), &zero, &query, &to, mix_part(t),
              t->lanes);
}

/* Sums `weights` times `values` over the keys of the block, for queries q0 .. q0+n-1 and vectors v0 ..
 * v0+vectors-1 of channels. */
static void mix_queries(const Tile *t, const Ix *q0, int n, int v0, int vectors) {
  Nest *b = t->l->b;
  Buf *sum = NEST_REGISTERS(b, "y", t->lanes, n, vectors);
  const Limits seen = limits_of(t, t->keys, false);
  NEST_UNROLL(b, p, n)
    for (int v = 0; v < vectors; v++) {
      const Ix i = *q0 + p;
      nest_store(b, nest_at(b, sum, p, v),
                 t->blocks ? mul(nest_load(b, mix_sums(t, &i, v0 + v), t->lanes),
                                 nest_load(b, nest_at(b, t->factor, i), 1))
                           : num(b, 0));
    }
  EACH_SEEN(b, j, seen) {
    Val w[VECTORS];
    for (int v = 0; v < vectors; v++) {
      const Ix c = *t->u * t->d + mix_channel(t, v0 + v);
      w[v] = nest_let(b, nest_text(b, "w%d", v),
                      nest_load_part(b, nest_at(b, t->values, 0, t->key + j, c), mix_part(t), t->lanes));
    }
    NEST_UNROLL(b, p, n) {
      Val x = nest_let(b, "x", nest_load(b, nest_at(b, t->weights, j, *q0 + p), 1));
      for (int v = 0; v < vectors; v++) nest_accumulate(b, nest_at(b, sum, p, v), x, w[v]);
    }
  }
  NEST_UNROLL(b, p, n)
    for (int v = 0; v < vectors; v++) {
      const Ix i = *q0 + p;
      if (t->o) nest_store(b, mix_sums(t, &i, v0 + v), nest_get(b, nest_at(b, sum, p, v)));
      else store_mixed(t, nest_get(b, nest_at(b, sum, p, v)), &i, v0 + v);
    }
}

static int value_vectors(const Tile *t) { return (int)((t->d + t->lanes - 1) / t->lanes); }

static void mix_values(const Tile *t) {
  Nest *b = t->l->b;
  static const int tall[VECTORS + 1] = {0, 12, 12, 8};
  const bool few = t->l->target->registers < 32;
  /* Each set of vectors covers some channels, and reads these channels of the value rows of all keys. The
   * values do not fit in the L1 cache, so mix_queries computes as many queries as possible at the same time.
   */
  const int all = value_vectors(t), most = few ? 2 : VECTORS, sets = (all + most - 1) / most;
  for (int set = 0, v0 = 0; set < sets; set++) {
    const int vectors = (all - v0 + sets - set - 1) / (sets - set),
              n = few && vectors == 2 ? 6 : tall[vectors];
    const int64_t groups = t->queries / n, rest = t->queries % n;
    const Ix zero = {0}, tail = zero + groups * n;
    if (groups)
      NEST_FOR(b, g, groups) {
        const Ix q0 = g * n;
        mix_queries(t, &q0, n, v0, vectors);
      }
    if (rest) mix_queries(t, &tail, (int)rest, v0, vectors);
    v0 += vectors;
  }
}

/* ---- a tile ---- */
/* Stores the factors by which the sums of each query are multiplied: 1/sum, scale=, or exp(old maximum - new
 * maximum). */
static void store_factors(const Tile *t, Val const *factor) {
  Nest *b = t->l->b;
  for (int v = 0; v < t->vectors; v++) nest_store(b, nest_at(b, t->factor, NEST_Z + v * t->lanes), factor[v]);
}

static void store_inverses(const Tile *t) {
  Nest *b = t->l->b;
  Val inverse[AT_ONCE];
  for (int v = 0; v < t->vectors; v++)
    inverse[v] =
        nest_let(b, nest_text(b, "i%d", v), attention_inverse(b, nest_get(b, nest_at(b, t->sum, v))));
  store_factors(t, inverse);
}

static void exponentials(const Tile *t, Val const *largest) {
  Nest *b = t->l->b;
  const Limits seen = limits_of(t, t->keys, false);
  EACH_SEEN(b, j, seen)
  for (int v = 0; v < t->vectors; v++) {
    Val p = nest_let(b, "p", vdecay(sub(nest_load(b, query_lanes(t, t->s, &j, v), t->lanes), largest[v])));
    nest_store(b, query_lanes(t, t->s, &j, v), p);
    nest_store(b, nest_at(b, t->sum, v), add(nest_get(b, nest_at(b, t->sum, v)), p));
  }
}

static void key_block(Tile *t, const Ix *index, int64_t keys) {
  Nest *b = t->l->b;
  Val old[AT_ONCE], largest[AT_ONCE], factor[AT_ONCE];
  t->key = *index * t->block;
  t->key_group = *index * (t->block / t->rows);
  t->keys = keys;
  if (t->a->mask >= 0 || t->a->bias >= 0) turn_rows(t, added_row, keys, t->s);
  for (int v = 0; v < t->vectors; v++)
    old[v] = nest_let(b, nest_text(b, "old%d", v), nest_get(b, nest_at(b, t->most, v)));
  each_key_group(t, score_key_group, NULL);
  for (int v = 0; v < t->vectors; v++) {
    largest[v] =
        nest_let(b, nest_text(b, "largest%d", v), attention_finite(b, nest_get(b, nest_at(b, t->most, v))));
    if (!t->blocks) continue;
    factor[v] = nest_let(b, nest_text(b, "f%d", v), vdecay(sub(old[v], largest[v])));
    nest_store(b, nest_at(b, t->sum, v), mul(nest_get(b, nest_at(b, t->sum, v)), factor[v]));
  }
  exponentials(t, largest);
  if (t->blocks) store_factors(t, factor);
  else store_inverses(t);
  mix_values(t);
}

static void seen_block(Tile *t, const Ix *index, int64_t keys) {
  t->key = *index * t->block;
  const Limits seen = limits_of(t, keys, false);
  NEST_IF(t->l->b, in_limits(t, &seen, 0, keys)) key_block(t, index, keys);
}

static void key_blocks(Tile *t) {
  Nest *b = t->l->b;
  const int64_t blocks = t->a->m / t->block, rest = t->a->m % t->block;
  const Ix zero = {0}, last = zero + blocks;
  if (!t->blocks) { /* a single block always stores results, even if no key is visible */
    key_block(t, &zero, t->block);
    return;
  }
  NEST_FOR(b, block, blocks) seen_block(t, &block, t->block);
  if (rest) seen_block(t, &last, rest);
}

static void begin_tile(const Tile *t) {
  Nest *b = t->l->b;
  const int64_t all = t->vectors * t->lanes;
  turn_rows(t, query_row, t->a->dk, t->q);
  if (t->at)
    NEST_FOR(b, i, all) {
      const Ix position = t->first + i;
      nest_store(b, nest_at(b, t->at, i), attention_position(b, &position));
    }
  for (int v = 0; v < t->vectors; v++) {
    nest_store(b, nest_at(b, t->most, v), num(b, -INFINITY));
    nest_store(b, nest_at(b, t->sum, v), num(b, 0));
  }
  if (t->blocks)
    NEST_FOR(b, i, t->queries)
      for (int v = 0; v < value_vectors(t); v++)
        nest_store(b, mix_sums(t, &i, v), splat(num(b, 0), t->lanes));
  if (cuts(t->a)) /* a tile may skip keys, so all scores are initialized */
    NEST_FOR(b, j, t->block)
      for (int v = 0; v < t->vectors; v++)
        nest_store(b, query_lanes(t, t->s, &j, v), splat(num(b, 0), t->lanes));
}

/* Number of keys that are processed together: a divisor of a tile's size and of KEY_BLOCK. On targets with 16
 * registers, tiles of 3 vectors process 3 keys. 4 keys would need 12 registers for sums and 3 for queries;
 * with only one other register, compilers spill a sum in every iteration. */
static int key_rows(const Tile *t) {
  static const int few[AT_ONCE + 1] = {0, 12, 6, 3};
  return t->l->target->registers < 32 ? few[t->vectors] : t->size % 8 ? 6 : 8;
}

static void begin_queries(Tile *t, const Ix *index, int64_t queries) {
  Lower *l = t->l;
  Nest *b = l->b;
  t->first = *index * t->size;
  t->queries = queries;
  t->vectors = (int)((queries + t->lanes - 1) / t->lanes);
  t->rows = key_rows(t);
  t->first_group = *index * (t->size / t->rows);
  const int64_t all = t->vectors * t->lanes;
  t->q = t->left = NEST_BUF(b, STACK, "q", t->a->dk, all);
  t->from = l->in[KEY];
  t->from_channel = *t->u * t->a->dk;
  t->depth = t->a->dk;
  t->values = l->in[VALUE];
  t->d = t->a->dv;
  t->factor = NEST_BUF(b, STACK, "factor", all);
  t->at = cuts(t->a) ? NEST_BUF(b, STACK, "at", all) : NULL;
  t->most = NEST_REGISTERS(b, "most", t->lanes, t->vectors);
  t->sum = NEST_REGISTERS(b, "sum", t->lanes, t->vectors);
}

static void query_tile(Tile *t, const Ix *index, int64_t queries) {
  Nest *b = t->l->b;
  begin_queries(t, index, queries);
  t->s = t->weights = NEST_BUF(b, STACK, "scores", t->block, t->vectors * t->lanes);
  t->o = t->blocks || t->l->kernel->nchain ? NEST_BUF(b, STACK, "o", queries, value_vectors(t) * t->lanes)
                                           : NULL;
  begin_tile(t);
  key_blocks(t);
  if (t->blocks) store_inverses(t);
  if (t->o)
    NEST_FOR(b, i, queries)
      for (int v = 0; v < value_vectors(t); v++)
        store_mixed(t, nest_load(b, mix_sums(t, &i, v), t->lanes), &i, v);
}

/* Computes tiles `from` .. `to`-1 of each head, with `queries` queries each. kind: the kind of all three
 * loops. If they are parallel, threads share all combinations of a head and a tile. */
static void query_tiles(Tile *t, LoopKind kind, int64_t from, int64_t to, int64_t queries) {
  Nest *b = t->l->b;
  const Attention *a = t->a;
  NEST_LOOP(b, u, kind, 1, NEST_IX(0), 1, NEST_IX(a->heads / a->shared))
    NEST_LOOP(b, g, kind, 1, NEST_IX(0), 1, NEST_IX(a->shared))
      NEST_LOOP(b, n, kind, 1, NEST_IX(from), 1, NEST_IX(to)) {
        const Ix h = u * a->shared + g;
        t->h = &h;
        t->u = &u;
        query_tile(t, &n, queries);
      }
}

static Tile new_tile(Lower *l, const Attention *a) {
  Tile t = {.l = l, .a = a, .lanes = l->target->lanes};
  t.size = AT_ONCE * t.lanes;
  return t;
}

void attention_tiles(Lower *l, const Attention *a) {
  Nest *b = l->b;
  Tile t = new_tile(l, a);
  const int64_t tiles = a->l / t.size, rest = a->l % t.size;
  const int64_t rows = b->nleads ? b->lead[b->nleads - 1] : 1, work = a->l * a->m * (a->dk + a->dv);
  const LoopKind kind = walk_rows(l, bounded_product(bounded_product(work, a->heads), rows));
  t.block = smaller(a->m, KEY_BLOCK);
  t.blocks = a->m > t.block;
  if (kind == PARALLEL) nest_lead_parallel(b);
  nest_fn(b, b->name, false);
  if (tiles) query_tiles(&t, kind, 0, tiles, t.size);
  if (rest) query_tiles(&t, kind, tiles, tiles + 1, rest);
}

/* ---- gradients ----
 * For a tile of queries and all keys, these functions compute p, dp = dy*V^T and ds = p*(dp - sum of
 * p*dp). */
enum { DY = 3 }; /* index among the inputs of the gradient */

static Val dy_row(const Tile *t, const Ix *query, const Ix *c, int part) {
  Nest *b = t->l->b;
  return nest_load_part(b, nest_at(b, t->l->in[DY], 0, *query, *t->h * t->a->dv + *c), part, t->lanes);
}

static void slopes_products(Tile *t) {
  turn_rows(t, dy_row, t->a->dv, t->dy);
  t->left = t->dy;
  t->from = t->l->in[VALUE];
  t->from_channel = *t->u * t->a->dv;
  t->depth = t->a->dv;
  t->slopes = true;
  each_key_group(t, score_key_group, NULL);
  t->slopes = false;
}

static void tile_slopes(Tile *t, bool of_scores) {
  Nest *b = t->l->b;
  Val largest[AT_ONCE], inverse[AT_ONCE], middle[AT_ONCE];
  const Limits seen = limits_of(t, t->keys, false);
  if (t->a->mask >= 0 || t->a->bias >= 0) turn_rows(t, added_row, t->keys, t->s);
  each_key_group(t, score_key_group, NULL);
  for (int v = 0; v < t->vectors; v++)
    largest[v] =
        nest_let(b, nest_text(b, "largest%d", v), attention_finite(b, nest_get(b, nest_at(b, t->most, v))));
  exponentials(t, largest);
  if (of_scores) slopes_products(t);
  for (int v = 0; v < t->vectors; v++) {
    inverse[v] =
        nest_let(b, nest_text(b, "i%d", v), attention_inverse(b, nest_get(b, nest_at(b, t->sum, v))));
    if (of_scores)
      middle[v] = nest_let(b, nest_text(b, "m%d", v), mul(nest_get(b, nest_at(b, t->mean, v)), inverse[v]));
  }
  EACH_SEEN(b, j, seen)
  for (int v = 0; v < t->vectors; v++) {
    Val p = mul(nest_load(b, query_lanes(t, t->s, &j, v), t->lanes), inverse[v]);
    if (of_scores) p = mul(p, sub(nest_load(b, query_lanes(t, t->ds, &j, v), t->lanes), middle[v]));
    nest_store(b, query_lanes(t, of_scores ? t->ds : t->s, &j, v), p);
  }
}

/* add_keys adds factor * (the sum of weights[j][i]*x[i] over the tile's queries i) to row j of `to`, for keys
 * j = j0 .. j0+rows-1. x: dy or Q. */
typedef struct KeySums {
  const Tile *t;
  Buf *to, *x;
  double factor;
} KeySums;

static void add_keys(const KeySums *k, const Ix *j0, int rows, int v0, int vectors, int part) {
  const Tile *t = k->t;
  Nest *b = t->l->b;
  const Ix zero = {0};
  Buf *sum = NEST_REGISTERS(b, "y", t->lanes, rows, vectors);
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < vectors; v++) nest_store(b, nest_at(b, sum, r, v), num(b, 0));
  NEST_FOR(b, i, t->queries) {
    Val w[AT_ONCE];
    for (int v = 0; v < vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v),
                      nest_load_part(b, nest_at(b, k->x, 0, t->first + i, *t->h * t->d + (v0 + v) * t->lanes),
                                     part, t->lanes));
    NEST_UNROLL(b, r, rows) {
      Val x = nest_let(b, "x", nest_load(b, nest_at(b, t->weights, *j0 + r, i), 1));
      for (int v = 0; v < vectors; v++) nest_accumulate(b, nest_at(b, sum, r, v), x, w[v]);
    }
  }
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < vectors; v++) {
      const Ix j = *j0 + r, c = *t->u * t->d + (v0 + v) * t->lanes;
      Val y = mul(nest_get(b, nest_at(b, sum, r, v)), num(b, k->factor));
      walk_put(t->l, k->to, add(walk_load(t->l, k->to, &zero, &j, &c, part, t->lanes), y), &zero, &j, &c,
               part, t->lanes);
    }
}

/* Vectors v0 .. v0 + vectors - 1 of the sums, with `part` channels each. */
typedef struct KeyVectors {
  const KeySums *sums;
  int v0, vectors, part;
} KeyVectors;

static void add_key_group(const Tile *t, const void *with, const Ix *first, int rows) {
  (void)t;
  const KeyVectors *k = with;
  add_keys(k->sums, first, rows, k->v0, k->vectors, k->part);
}

static void add_all_keys(const KeySums *k) {
  const Tile *t = k->t;
  const int whole = (int)(t->d / t->lanes), rest = (int)(t->d % t->lanes),
            most = t->l->target->registers < 32 ? t->vectors : AT_ONCE; /* see key_rows */
  for (int v0 = 0; v0 < whole; v0 += most)
    each_key_group(t, add_key_group, &(KeyVectors){k, v0, (int)smaller(most, whole - v0), t->lanes});
  if (rest) each_key_group(t, add_key_group, &(KeyVectors){k, whole, 1, rest});
}

/* Adds ds, transposed, to the gradient of a mask or a bias. */
static void add_scores(const Tile *t, Buf *to, bool bias, const Ix *j0, int part, int v) {
  Nest *b = t->l->b;
  const Ix zero = {0};
  Val x[LANES];
  for (int n = 0; n < t->lanes; n++) {
    const Ix j = *j0 + n;
    Val row = n < part ? nest_load(b, query_lanes(t, t->ds, &j, v), t->lanes) : splat(num(b, 0), t->lanes);
    x[n] = nest_let(b, nest_text(b, "x%d", n), row);
  }
  walk_transpose(b, x, t->lanes);
  for (int n = 0; n < queries_of(t, v); n++) {
    const Ix query = t->first + v * t->lanes + n, row = bias ? attention_bias_row(t->a, t->h, &query) : query;
    walk_put(t->l, to, add(walk_load(t->l, to, &zero, &row, j0, part, t->lanes), x[n]), &zero, &row, j0, part,
             t->lanes);
  }
}

static void add_all_scores(const Tile *t, Buf *to, bool bias) {
  Nest *b = t->l->b;
  const int64_t squares = t->keys / t->lanes;
  const Ix zero = {0}, tail = zero + squares * t->lanes;
  for (int v = 0; v < t->vectors; v++) {
    if (squares)
      NEST_FOR(b, g, squares) {
        const Ix j = g * t->lanes;
        add_scores(t, to, bias, &j, t->lanes, v);
      }
    if (t->keys % t->lanes) add_scores(t, to, bias, &tail, (int)(t->keys % t->lanes), v);
  }
}

static void clear_slopes(const Tile *t) {
  Nest *b = t->l->b;
  for (int v = 0; v < t->vectors; v++) nest_store(b, nest_at(b, t->mean, v), num(b, 0));
  if (cuts(t->a))
    NEST_FOR(b, j, t->block)
      for (int v = 0; v < t->vectors; v++)
        nest_store(b, query_lanes(t, t->ds, &j, v), splat(num(b, 0), t->lanes));
}

static void slopes_tile(Tile *t, const Ix *index, int64_t queries, int wrt, Buf *to, bool bias) {
  Nest *b = t->l->b;
  begin_queries(t, index, queries);
  t->weights = wrt == VALUE ? t->s : t->ds;
  const int64_t all = t->vectors * t->lanes;
  t->dy = wrt == VALUE ? NULL : NEST_BUF(b, STACK, "dy", t->a->dv, all);
  t->mean = wrt == VALUE ? NULL : NEST_REGISTERS(b, "mean", t->lanes, t->vectors);
  begin_tile(t);
  if (wrt != VALUE) clear_slopes(t);
  tile_slopes(t, wrt != VALUE);
  KeySums k = {.t = t, .to = to, .x = t->l->in[wrt == VALUE ? DY : QUERY], .factor = 1};
  if (wrt != VALUE) t->d = t->a->dk;
  if (wrt == KEY) k.factor = t->a->scale;
  if (wrt == QUERY) {
    Val scale[AT_ONCE];
    for (int v = 0; v < t->vectors; v++) scale[v] = splat(num(b, t->a->scale), t->lanes);
    t->values = t->l->in[KEY];
    store_factors(t, scale);
    mix_values(t);
  } else if (wrt > VALUE) add_all_scores(t, to, bias);
  else add_all_keys(&k);
}

void attention_slopes_tiles(Lower *l, const Attention *a, int wrt, bool bias) {
  Nest *b = l->b;
  const Extent of = shape_extent(l->node->shape), e = {1, 1, of.h * of.w, of.c};
  Tile t = new_tile(l, a);
  const int64_t tiles = a->l / t.size, rest = a->l % t.size,
                dim[2] = {a->m, smaller(t.size, (a->l + t.lanes - 1) / t.lanes * t.lanes)};
  t.s = lower_scratch(l, "p", 2, dim);
  t.ds = wrt == VALUE ? NULL : lower_scratch(l, "ds", 2, dim);
  Buf *to = wrt == QUERY ? NULL : walk_sum_begin(l, e);
  t.block = t.keys = a->m;
  nest_fn(b, b->name, false);
  if (to) walk_clear(l, to, e);
  NEST_FOR(b, u, a->heads / a->shared)
    NEST_FOR(b, g, a->shared) {
      const Ix h = u * a->shared + g, last = NEST_Z + tiles;
      t.h = &h;
      t.u = &u;
      if (tiles)
        NEST_FOR(b, n, tiles) slopes_tile(&t, &n, t.size, wrt, to, bias);
      if (rest) slopes_tile(&t, &last, rest, wrt, to, bias);
    }
  if (to) walk_sum_end(l, to, e);
}
