/* out_attention.c: Export of attention and its biases to ONNX. Below opset 23, attention is exported as two
 * products with a softmax between them; the softmax is NaN for a query that sees no key. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "export/onnx_out.h"
#include "ops/attention/attention.h"

/* ---- queries that see no key ---- */
/* Sets the first and the last key that mask=causal and window= let a query see. first > last: the query sees
 * no key. */
static void keys_seen(const Attention *a, int64_t query, int64_t *first, int64_t *last) {
  *first = a->windowed && query > a->before ? query - a->before : 0;
  *last = a->m - 1;
  if (a->causal && *last > query) *last = query;
  if (a->windowed && *last > query + a->after) *last = query + a->after;
}

/* A mask that is a parameter hides no key, because parameters are finite. */
bool out_hides_all_keys(const Node *node) {
  const bool layer = node->op == &op_multihead_attention;
  if (!layer && node->op != &op_attention) return false;
  const Attention a = layer ? multihead_layer(node).core : attention_of(node);
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

/* ---- terms added to the scores ---- */
/* A constant table: 0 where a key is visible and -infinity elsewhere. */
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

/* In an ONNX tensor, the heads are n axes. The sizes of the axes are `query` for queries, and `key` for keys
 * and values, because several query heads may share a key head. */
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

/* A mask or bias x as [.., heads or 1, queries, keys]. */
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

/* ---- operands ---- */
/* x: the tensors of query, key and value; like: for each tensor, a node with the same rows and positions */
typedef struct Operands {
  const Node *like[SOURCES];
  const char *x[SOURCES];
} Operands;

static int64_t places_of(const Node *node) {
  const Extent e = out_extent(node);
  return e.h * e.w;
}

/* ---- ONNX's Attention ---- */
/* An operand as [N, positions, channels], repeated to the number of rows of the result. */
static const char *positions_first(OnnxOut *o, const Node *node, const Operands *of, int k,
                                   int64_t channels) {
  static const int64_t turned[] = {0, 2, 1};
  const Node *like = of->like[k];
  Shape shape = like->shape;
  shape.dim[shape.rank - 1] = channels;
  const char *x = out_repeated(o, shape, of->x[k], shape_rows(node->shape));
  if (shape.rank != 2) x = out_reshape(o, x, 3, (const int64_t[]){0, channels, places_of(like)});
  return out_permute(o, x, 3, turned);
}

static const char *out_operator(OnnxOut *o, const Node *node, const Attention *a, const Operands *of) {
  static const int64_t turned[] = {0, 2, 1};
  const int64_t key_heads = a->heads / a->shared;
  const HeadAxes heads = {1, {a->heads}, {key_heads}};
  const OutRows together = {0};
  const char *in[] = {positions_first(o, node, of, QUERY, a->heads * a->dk),
                      positions_first(o, node, of, KEY, key_heads * a->dk),
                      positions_first(o, node, of, VALUE, key_heads * a->dv),
                      a->windowed ? out_table(o, a) : NULL};
  const int added[] = {a->bias, a->mask};
  for (int i = 0; i < 2; i++) {
    if (added[i] < 0) continue;
    const Node *value = node->in[added[i]];
    const char *x = out_input(o, added[i]);
    if (!o->single[value->id]) x = out_repeated(o, value->shape, x, shape_rows(node->shape));
    const char *term = out_term(o, node, a, added[i], x, &together, &heads);
    in[3] = in[3] ? out_two(o, "Add", term, in[3]) : term;
  }
  const char *y = out_node(o, "Attention", in[3] ? 4 : 3, in);
  out_int(o, "q_num_heads", a->heads);
  out_int(o, "kv_num_heads", key_heads);
  out_float(o, "scale", a->scale);
  if (a->causal) out_int(o, "is_causal", 1);
  y = out_permute(o, y, 3, turned);
  return node->shape.rank == 2 ? y : out_shaped(o, y, node->shape);
}

/* ---- decomposed ---- */
/* An operand as [.., heads, channels of a head, positions]. */
static const char *out_by_heads(OnnxOut *o, const Operands *of, int k, const OutRows *rows, int nheads,
                                const int64_t *heads, int64_t channels) {
  const Node *like = of->like[k];
  int64_t dim[4];
  memcpy(dim, heads, sizeof *heads * (size_t)nheads);
  dim[nheads] = channels;
  dim[nheads + 1] = places_of(like);
  if (nheads == 0 && rows->n == 0 && like->shape.rank == 2) return of->x[k];
  return out_beside(o, rows, like, of->x[k], nheads + 2, dim);
}

/* Transposes the last two axes. */
static const char *matrices_turned(OnnxOut *o, const char *x, int rank) {
  int64_t from[OUT_DIMS];
  for (int d = 0; d < rank; d++) from[d] = d;
  from[rank - 2] = rank - 1;
  from[rank - 1] = rank - 2;
  return out_permute(o, x, rank, from);
}

static const char *out_products(OnnxOut *o, const Node *node, const Attention *a, const Operands *of) {
  const OutRows rows = out_row_axes(o, node);
  const HeadAxes heads = head_axes(a);
  const int rank = rows.n + heads.n + 3;
  const char *q = out_by_heads(o, of, QUERY, &rows, heads.n, heads.query, a->dk),
             *k = out_by_heads(o, of, KEY, &rows, heads.n, heads.key, a->dk),
             *v = out_by_heads(o, of, VALUE, &rows, heads.n, heads.key, a->dv);
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

static const char *out_core(OnnxOut *o, const Node *node, const Attention *a, const Operands *of) {
  return (o->opset < 23 ? out_products : out_operator)(o, node, a, of);
}

const char *export_attention(OnnxOut *o, const Node *node) {
  const Attention a = attention_of(node);
  Operands of;
  for (int k = 0; k < SOURCES; k++) {
    of.like[k] = node->in[k];
    of.x[k] = out_input(o, k);
  }
  return out_core(o, node, &a, &of);
}

/* ---- the layer ---- */
typedef struct Rows { /* rows of a parameter; first: index of the first row */
  int parameter;
  int64_t first;
} Rows;

/* A 1x1 convolution with `rows` filters: the weights are rows of parameter w, the biases are elements of
 * parameter b. */
static const char *projected(OnnxOut *o, const char *x, Shape shape, const char *what, Rows w, Rows b,
                             int64_t rows) {
  const Weight *weight = o->node->weight[w.parameter], *bias = o->node->weight[b.parameter];
  const int64_t columns = weight->dim[1], dim[] = {rows, columns, 1, 1};
  const bool vector = shape.rank == 1;
  if (vector) x = out_reshape(o, x, 3, (const int64_t[]){0, columns, 1});
  const float *from = o->numbers->weights + weight->offset + w.first * columns;
  const char *in[] = {
      x, out_floats(o, arena_printf(o->arena, "%s.weight", what), vector ? 3 : shape.rank + 1, dim, from),
      NULL};
  if (bias)
    in[2] = out_floats(o, arena_printf(o->arena, "%s.bias", what), 1, dim,
                       o->numbers->weights + bias->offset + b.first);
  const char *y = out_node(o, "Conv", bias ? 3 : 2, in);
  shape.dim[shape.rank - 1] = rows;
  return vector ? out_shaped(o, y, shape) : y;
}

/* The parameters are named q_proj.weight, q_proj.bias and so on. A parameter for all three projections is
 * exported as three parameters. */
const char *export_multihead_attention(OnnxOut *o, const Node *node) {
  static const char *const what[] = {"q_proj", "k_proj", "v_proj"};
  const MultiheadLayer m = multihead_layer(node);
  const int64_t channels = m.channels[QUERY];
  Operands of;
  for (int k = 0; k < SOURCES; k++) {
    of.like[k] = node->in[m.from[k]];
    const Rows w = {m.joined ? IN_WEIGHT : k, m.joined ? k * channels : 0}, b = {IN_BIAS, k * channels};
    of.x[k] = projected(o, out_input(o, m.from[k]), of.like[k]->shape, what[k], w, b, channels);
  }
  const char *y = out_core(o, node, &m.core, &of);
  return projected(o, y, node->shape, "out_proj", (Rows){OUT_WEIGHT, 0}, (Rows){OUT_BIAS, 0}, channels);
}

/* ---- relative position biases ---- */
/* Selects a row of the table for each pair of pixels, by their relative position. */
const char *export_relative_bias(OnnxOut *o, const Node *node) {
  static const int64_t standard[] = {0, 2, 3, 1}; /* [1][i][j][head] to [1][j][head][i] */
  const int64_t n = node->shape.dim[1], pairs = n * n, dim[] = {1, n, n, node->shape.dim[0]};
  int64_t *index = NEW_ARRAY(o->arena, int64_t, pairs), size[2];
  bias_window(node, size);
  for (int64_t at = 0; at < pairs; at++) index[at] = bias_row(size, at / n, at % n);
  const char *table = out_weight(o, 0, 2, node->weight[0]->dim);
  const char *y = out_two(o, "Gather", table, out_list(o, "distances", (int)pairs, index));
  out_int(o, "axis", 0);
  return out_for_images(o, node, out_permute(o, out_reshape(o, y, 4, dim), 4, standard));
}
