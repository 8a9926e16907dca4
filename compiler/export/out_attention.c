/* out_attention.c: exports attention and its biases to ONNX: below opset 23 as products with a softmax
 * between them, where positions without keys are NaN. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "export/onnx_out.h"
#include "ops/attention/attention.h"

/* ---- positions without keys ---- */
/* The first and the last key that the arguments leave a query; none: first > last. */
static void keys_seen(const Attention *a, int64_t query, int64_t *first, int64_t *last) {
  *first = a->windowed && query > a->before ? query - a->before : 0;
  *last = a->m - 1;
  if (a->causal && *last > query) *last = query;
  if (a->windowed && *last > query + a->after) *last = query + a->after;
}

/* Parameters are finite, so that a constant mask hides no key. */
bool out_hides_all_keys(const Node *node) {
  const Attention a = attention_of(node);
  const Node *mask = a.mask < 0 ? NULL : node->in[a.mask];
  while (mask && mask->op->family == FAMILY_ALIAS) mask = mask->in[0];
  bool hidden = mask && !mask->op->source;
  for (int64_t i = 0; i < a.l && !hidden; i++) {
    int64_t first, last;
    keys_seen(&a, i, &first, &last);
    hidden = first > last;
  }
  return hidden;
}

/* ---- what is added to the scores ---- */
/* 0 where a key counts and -infinity elsewhere. */
static const char *out_table(OnnxOut *o, const Attention *a) {
  const int64_t dim[] = {a->l, a->m};
  float *table = NEW_ARRAY(o->arena, float, a->l * a->m);
  for (int64_t i = 0; i < a->l; i++) {
    int64_t first, last;
    keys_seen(a, i, &first, &last);
    for (int64_t j = 0; j < a->m; j++) table[i * a->m + j] = j < first || j > last ? -INFINITY : 0;
  }
  return out_floats(o, "mask", 2, dim, table);
}

/* Axes of the heads of queries, keys and values; several query heads may share a key head. */
typedef struct HeadAxes {
  int n;
  int64_t query[2], key[2];
} HeadAxes;

static HeadAxes head_axes(const Attention *a) {
  const int64_t key_heads = a->heads / a->shared;
  if (a->heads == 1) return (HeadAxes){0};
  if (a->shared == 1 || key_heads == 1) return (HeadAxes){1, {a->heads}, {key_heads}};
  return (HeadAxes){2, {key_heads, a->shared}, {key_heads, 1}};
}

/* Mask or bias, which is x, as [.., heads or 1, L, M]. */
static const char *out_term(OnnxOut *o, const Node *node, const Attention *a, int k, const char *x,
                            const OutRows *rows, const HeadAxes *heads) {
  static const int64_t turned[] = {0, 2, 1}, by_head[] = {0, 2, 3, 1};
  const bool several = k == a->bias && a->by_head;
  int64_t dim[4] = {1, 1};
  x = out_permute(o, x, several ? 4 : 3, several ? by_head : turned);
  if (several) memcpy(dim, heads->query, sizeof heads->query);
  dim[heads->n] = a->l;
  dim[heads->n + 1] = a->m;
  const bool same = rows->n == 0 && heads->n == several;
  return same ? x : out_beside(o, rows, node->in[k], x, heads->n + 2, dim);
}

/* ---- as an operator of its own ---- */
/* A value as [N, positions, channels], with all rows. */
static const char *positions_first(OnnxOut *o, const Node *node, int k) {
  static const int64_t turned[] = {0, 2, 1};
  const Node *value = node->in[k];
  const Extent e = out_extent(value);
  const char *x = out_repeated(o, value, out_input(o, k), shape_rows(node->shape));
  if (value->shape.rank != 2) x = out_reshape(o, x, 3, (const int64_t[]){0, e.c, e.h * e.w});
  return out_permute(o, x, 3, turned);
}

static const char *out_operator(OnnxOut *o, const Node *node, const Attention *a) {
  static const int64_t turned[] = {0, 2, 1};
  const HeadAxes heads = {1, {a->heads}, {a->heads / a->shared}};
  const OutRows together = {0};
  const char *in[] = {positions_first(o, node, QUERY), positions_first(o, node, KEY),
                      positions_first(o, node, VALUE), a->windowed ? out_table(o, a) : NULL};
  const int added[] = {a->bias, a->mask};
  for (int i = 0; i < 2; i++) {
    if (added[i] < 0) continue;
    const Node *value = node->in[added[i]];
    const char *x = out_input(o, added[i]);
    if (!o->single[value->id]) x = out_repeated(o, value, x, shape_rows(node->shape));
    const char *term = out_term(o, node, a, added[i], x, &together, &heads);
    in[3] = in[3] ? out_two(o, "Add", term, in[3]) : term;
  }
  const char *y = out_node(o, "Attention", in[3] ? 4 : 3, in);
  out_int(o, "q_num_heads", a->heads);
  out_int(o, "kv_num_heads", a->heads / a->shared);
  out_float(o, "scale", a->scale);
  if (a->causal) out_int(o, "is_causal", 1);
  y = out_permute(o, y, 3, turned);
  return node->shape.rank == 2 ? y : out_shaped(o, y, node->shape);
}

/* ---- taken apart ---- */
/* A value as [.., heads, channels of a head, positions]. */
static const char *out_by_heads(OnnxOut *o, const Node *node, int k, const OutRows *rows, int nheads,
                                const int64_t *heads, int64_t channels) {
  const Extent e = out_extent(node->in[k]);
  int64_t dim[4];
  memcpy(dim, heads, sizeof *heads * (size_t)nheads);
  dim[nheads] = channels;
  dim[nheads + 1] = e.h * e.w;
  if (nheads == 0 && rows->n == 0 && node->in[k]->shape.rank == 2) return out_input(o, k);
  return out_beside(o, rows, node->in[k], out_input(o, k), nheads + 2, dim);
}

/* With the last two of its axes exchanged. */
static const char *matrices_turned(OnnxOut *o, const char *x, int rank) {
  int64_t from[OUT_DIMS];
  for (int d = 0; d < rank; d++) from[d] = d;
  from[rank - 2] = rank - 1;
  from[rank - 1] = rank - 2;
  return out_permute(o, x, rank, from);
}

static const char *out_products(OnnxOut *o, const Node *node, const Attention *a) {
  const OutRows rows = out_row_axes(o, node);
  const HeadAxes heads = head_axes(a);
  const int rank = rows.n + heads.n + 3;
  const char *q = out_by_heads(o, node, QUERY, &rows, heads.n, heads.query, a->dk),
             *k = out_by_heads(o, node, KEY, &rows, heads.n, heads.key, a->dk),
             *v = out_by_heads(o, node, VALUE, &rows, heads.n, heads.key, a->dv);
  const char *s = out_two(o, "MatMul", matrices_turned(o, q, rank), k);
  if (a->scale != 1) s = out_two(o, "Mul", s, out_number(o, "scale", a->scale));
  const int added[] = {a->bias, a->mask};
  for (int i = 0; i < 2; i++)
    if (added[i] >= 0)
      s = out_two(o, "Add", s, out_term(o, node, a, added[i], out_input(o, added[i]), &rows, &heads));
  if (a->causal || a->windowed) s = out_two(o, "Add", s, out_table(o, a));
  const char *p = out_one(o, "Softmax", s);
  out_int(o, "axis", -1);
  const char *y = matrices_turned(o, out_two(o, "MatMul", p, matrices_turned(o, v, rank)), rank);
  return rank == 3 && node->shape.rank == 2 ? y : out_whole_rows(o, y, node->shape);
}

const char *export_attention(OnnxOut *o, const Node *node) {
  const Attention a = attention_of(node);
  return o->opset < 23 ? out_products(o, node, &a) : out_operator(o, node, &a);
}

/* ---- biases by distance ---- */
/* Picked from the table by the distances of all pairs of pixels. */
const char *export_relative_bias(OnnxOut *o, const Node *node) {
  static const int64_t standard[] = {0, 2, 3, 1}; /* [i][j][head] as an image of heads x i with channels j */
  const int64_t n = node->shape.dim[1], pairs = n * n, dim[] = {1, n, n, node->shape.dim[0]};
  int64_t *index = NEW_ARRAY(o->arena, int64_t, pairs), size[2];
  bias_window(node, size);
  for (int64_t at = 0; at < pairs; at++) index[at] = bias_row(size, at / n, at % n);
  const char *y = out_two(o, "Gather", out_weight(o, 0, 2, node->weight[0]->dim),
                          out_list(o, "distances", (int)pairs, index));
  out_int(o, "axis", 0);
  return out_for_images(o, node, out_permute(o, out_reshape(o, y, 4, dim), 4, standard));
}
