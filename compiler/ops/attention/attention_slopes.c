/* attention_slopes.c: Gradients of attention, with their scalar nest, which recomputes the scores one query
 * at a time: the matrix of scores is never in memory. attention_tiles.c has the vectorized nest. With p =
 * softmax(s), dp = dy*V^T and ds = p*(dp - sum of p*dp):
 *
 * dQ = scale * ds*K,  dK = scale * ds^T*Q,  dV = p^T*dy,  dmask = dbias = ds */
// SPDX-License-Identifier: Apache-2.0
#include "ops/attention/attention.h"
#include <math.h>

enum { DY = 3 }; /* inputs: query, key, value, dy, then mask and bias */

/* Indices of mask and bias among the inputs of a backward node; -1: none. */
static void added_inputs(const Attention *a, int at_[2]) {
  at_[0] = a->mask < 0 ? -1 : DY + 1;
  at_[1] = a->bias < 0 ? -1 : DY + 1 + (a->mask >= 0);
}

/* ---- reference ---- */
typedef struct Slopes {
  const Eval *eval;
  Attention a;
  int at[2];
  int64_t h, i, u;
  double *p, *ds;
} Slopes;

static double query_of(const Slopes *s, int64_t c) {
  return s->eval->in[QUERY][(s->i * s->a.heads + s->h) * s->a.dk + c];
}
static double dy_of(const Slopes *s, int64_t c) {
  return s->eval->in[DY][(s->i * s->a.heads + s->h) * s->a.dv + c];
}
static int64_t key_at(const Slopes *s, int64_t j, int64_t d, int64_t c) {
  return (j * (s->a.heads / s->a.shared) + s->u) * d + c;
}

static void slopes_of_query(Slopes *s) {
  const Attention *a = &s->a;
  const double sum = attention_exponentials(s->eval, a, s->at, s->h, s->i, s->p);
  double mean = 0;
  for (int64_t j = 0; j < a->m; j++) {
    s->p[j] = sum == 0 ? 0 : s->p[j] / sum;
    s->ds[j] = 0;
    for (int64_t c = 0; c < a->dv; c++) s->ds[j] += dy_of(s, c) * s->eval->in[VALUE][key_at(s, j, a->dv, c)];
    mean += s->p[j] * s->ds[j];
  }
  for (int64_t j = 0; j < a->m; j++) s->ds[j] = s->p[j] * (s->ds[j] - mean);
}

static void add_slopes(const Slopes *s, int wrt, double *out) {
  const Attention *a = &s->a;
  for (int64_t j = 0; j < a->m; j++) {
    if (wrt == a->mask) out[s->i * a->m + j] += s->ds[j];
    else if (wrt == a->bias) out[((a->by_head ? s->h * a->l : 0) + s->i) * a->m + j] += s->ds[j];
    else if (wrt == VALUE)
      for (int64_t c = 0; c < a->dv; c++) out[key_at(s, j, a->dv, c)] += s->p[j] * dy_of(s, c);
    else
      for (int64_t c = 0; c < a->dk; c++) {
        if (wrt == KEY) out[key_at(s, j, a->dk, c)] += a->scale * s->ds[j] * query_of(s, c);
        else
          out[(s->i * a->heads + s->h) * a->dk + c] +=
              a->scale * s->ds[j] * s->eval->in[KEY][key_at(s, j, a->dk, c)];
      }
  }
}

static void slopes_run(const Eval *eval) {
  Slopes s = {.eval = eval, .a = attention_of(eval->node)};
  Arena *arena = arena_new();
  added_inputs(&s.a, s.at);
  s.p = NEW_ARRAY(arena, double, s.a.m);
  s.ds = NEW_ARRAY(arena, double, s.a.m);
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++) eval->out[i] = 0;
  for (s.h = 0; s.h < s.a.heads; s.h++)
    for (s.i = 0; s.i < s.a.l; s.i++) {
      s.u = s.h / s.a.shared;
      slopes_of_query(&s);
      add_slopes(&s, eval->node->hidden->wrt, eval->out);
    }
  arena_free(arena);
}

/* ---- the nest ---- */
typedef struct Work {
  Lower *l;
  Attention a;
  int at[2], wrt;
  Buf *p, *ds, *to;
  const Ix *h, *u, *i, *j;
  Val factor; /* slopes_body adds this factor times a row of an input to a row of `to` */
} Work;

/* The dot product, over channels, of a query's row in one input and a key's row in another. */
typedef struct HeadDot {
  const Work *w;
  Buf *x, *y;
  int64_t d;
} HeadDot;

static Val dot_element(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const HeadDot *dot = context;
  const Ix zero = {0}, a = *dot->w->h * dot->d + *c, b = *dot->w->u * dot->d + *c;
  (void)y;
  return mul(walk_load(l, dot->x, &zero, dot->w->i, &a, part, lanes),
             walk_load(l, dot->y, &zero, x, &b, part, lanes));
}

static Val dot_of(const Work *w, int x, int y, const Ix *j) {
  const HeadDot dot = {w, w->l->in[x], w->l->in[y], y == KEY ? w->a.dk : w->a.dv};
  return walk_row_sum(w->l, dot.d, NULL, j, dot_element, &dot);
}

static void slopes_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const Work *w = context;
  const bool query = w->wrt == QUERY;
  const int64_t d = w->wrt == VALUE ? w->a.dv : w->a.dk;
  const Ix zero = {0}, of_query = *w->h * d + *c, of_key = *w->u * d + *c;
  const Ix *row = query ? w->i : w->j, *channel = query ? &of_query : &of_key;
  Val from = query ? walk_load(l, l->in[KEY], &zero, w->j, &of_key, part, lanes)
                   : walk_load(l, l->in[w->wrt == VALUE ? DY : QUERY], &zero, w->i, &of_query, part, lanes);
  (void)y;
  (void)x;
  walk_put(l, w->to, add(mul(from, w->factor), walk_load(l, w->to, &zero, row, channel, part, lanes)), &zero,
           row, channel, part, lanes);
}

static void add_key_slopes(Work *w) {
  Nest *b = w->l->b;
  const Attention *a = &w->a;
  const Ix zero = {0};
  if (w->wrt <= VALUE) {
    Val x = nest_load(b, nest_at(b, w->wrt == VALUE ? w->p : w->ds, *w->j), 1);
    w->factor = nest_let(b, "factor", w->wrt == VALUE ? x : mul(x, num(b, a->scale)));
    walk_channels(w->l, w->wrt == VALUE ? a->dv : a->dk, NULL, NULL, slopes_body, w);
    return;
  }
  const Ix row = w->wrt == a->bias ? attention_bias_row(a, w->h, w->i) : *w->i;
  walk_put(w->l, w->to,
           add(nest_load(b, nest_at(b, w->ds, *w->j), 1), walk_load(w->l, w->to, &zero, &row, w->j, 1, 1)),
           &zero, &row, w->j, 1, 1);
}

static void query_slopes(Work *w) {
  Nest *b = w->l->b;
  const Attention *a = &w->a;
  Buf *most = NEST_REGISTERS(b, "most", 1, 1), *sum = NEST_REGISTERS(b, "sum", 1, 1),
      *mean = NEST_REGISTERS(b, "mean", 1, 1);
  nest_store(b, nest_at(b, most, 0), num(b, -INFINITY));
  NEST_FOR(b, j, a->m) {
    Val s = attention_score(w->l, a, mul(dot_of(w, QUERY, KEY, &j), num(b, a->scale)), w->h, w->i, &j, w->at);
    s = nest_let(b, "s", s);
    nest_store(b, nest_at(b, w->p, j), s);
    nest_store(b, nest_at(b, most, 0), vmax(nest_get(b, nest_at(b, most, 0)), s));
  }
  Val largest = nest_let(b, "largest", attention_finite(b, nest_get(b, nest_at(b, most, 0))));
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  nest_store(b, nest_at(b, mean, 0), num(b, 0));
  NEST_FOR(b, j, a->m) {
    Val p = nest_let(b, "p", vdecay(sub(nest_load(b, nest_at(b, w->p, j), 1), largest)));
    Val dp = nest_let(b, "dp", dot_of(w, DY, VALUE, &j));
    nest_store(b, nest_at(b, w->p, j), p);
    nest_store(b, nest_at(b, w->ds, j), dp);
    nest_store(b, nest_at(b, sum, 0), add(nest_get(b, nest_at(b, sum, 0)), p));
    nest_store(b, nest_at(b, mean, 0), fma_(p, dp, nest_get(b, nest_at(b, mean, 0))));
  }
  Val inverse = nest_let(b, "inverse", attention_inverse(b, nest_get(b, nest_at(b, sum, 0)))),
      middle = nest_let(b, "middle", mul(nest_get(b, nest_at(b, mean, 0)), inverse));
  NEST_FOR(b, j, a->m) {
    Val p = nest_let(b, "p", mul(nest_load(b, nest_at(b, w->p, j), 1), inverse));
    nest_store(b, nest_at(b, w->p, j), p);
    nest_store(b, nest_at(b, w->ds, j), mul(p, sub(nest_load(b, nest_at(b, w->ds, j), 1), middle)));
  }
  NEST_FOR(b, j, a->m) {
    w->j = &j;
    add_key_slopes(w);
  }
}

static void slopes_lower(Lower *l) {
  Nest *b = l->b;
  Work w = {.l = l, .a = attention_of(l->node), .wrt = l->node->hidden->wrt};
  const Extent of = shape_extent(l->node->shape), e = {1, 1, of.h * of.w, of.c};
  added_inputs(&w.a, w.at);
  attention_flatten(l);
  if (!l->plain && l->target->lanes > 1) {
    const bool bias = w.wrt == w.a.bias;
    w.a.mask = w.at[0];
    w.a.bias = w.at[1];
    attention_slopes_tiles(l, &w.a, w.wrt, bias);
    return;
  }
  w.p = lower_scratch(l, "p", 1, &w.a.m);
  w.ds = lower_scratch(l, "ds", 1, &w.a.m);
  w.to = walk_sum_begin(l, e);
  nest_fn(b, b->name, false);
  walk_clear(l, w.to, e);
  NEST_FOR(b, u, w.a.heads / w.a.shared)
    NEST_FOR(b, g, w.a.shared)
      NEST_FOR(b, i, w.a.l) {
        const Ix h = u * w.a.shared + g;
        w.h = &h;
        w.u = &u;
        w.i = &i;
        query_slopes(&w);
      }
  walk_sum_end(l, w.to, e);
}

static Cost slopes_cost(const Node *node) {
  const Attention a = attention_of(node);
  return (Cost){.macs = a.l * a.m * a.heads * (2 * a.dk + a.dv)};
}

static const Op op_slopes = {.name = "attention gradient",
                             .traits.reads_anywhere = true,
                             .cost = slopes_cost,
                             .eval = slopes_run,
                             .lower = slopes_lower};

void attention_gradient(Gradient *gradient, Node *node, Node *dy) {
  Node *in[DY + 3] = {node->in[QUERY], node->in[KEY], node->in[VALUE], dy};
  for (int k = VALUE + 1; k < node->nin; k++) in[k + 1] = node->in[k];
  for (int k = 0; k < node->nin; k++) {
    if (!gradient_wanted(gradient, node->in[k])) continue;
    const Shape own = node->in[k]->shape;
    Node *dx = graph_hidden(gradient_graph(gradient), &op_slopes, node, shape_with_rows(own, node->shape),
                            RESULT_SAMPLE, node->nin + 1, in);
    dx->hidden->wrt = k;
    gradient_add(gradient, node->in[k], parts_gradient(gradient, node, own, dx));
  }
}
