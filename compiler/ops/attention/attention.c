/* attention.c: attention, means of values, weighted by the similarity of queries and keys (Vaswani et al.,
 * 2017):
 *
 * s[i][j] = scale * sum over c of Q[i][c]*K[j][c] + bias[i][j] + mask[i][j],  y[i] = softmax(s[i]) * V
 *
 * for each head. If no key is visible for position i, y[i] is 0. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/attention/attention.h"
#include <math.h>
#include "base/number.h"

static const Param params[] = {
    {"key", PARAM_VALUE, NULL, "the keys, one for each position to attend to", 0, 0, NULL},
    {"value", PARAM_VALUE, NULL, "the values that are averaged, one per key", 0, 0, NULL},
    {"heads", PARAM_INT, "1", "number of channel groups that attend separately", 0, 0, NULL},
    {"key_heads", PARAM_INT, "heads",
     "number of heads of key and value; heads/key_heads heads of the query share one head of key and "
     "value",
     0, 0, NULL},
    {"scale", PARAM_NUMBER, "auto",
     "factor of the product of query and key; auto: 1/sqrt(channels of a head)", 0, 0, "auto"},
    {"mask", PARAM_VALUE, "none",
     "a value that is added to the scores: LxM (L queries, M keys), or R rows of LxM; or causal: "
     "each position attends only to keys up to its own position",
     0, 0, "none causal"},
    {"bias", PARAM_VALUE, "none", "a value that is added to the scores: LxM or headsxLxM", 0, 0, "none"},
    {"window", PARAM_REACH, "none",
     "each position attends only to keys within this distance before and after its own position", 0, 0,
     "none"},
    {0}};

static int64_t row_positions(Shape s) {
  const Extent e = shape_extent(s);
  return e.h * e.w;
}
static int64_t row_channels(Shape s) { return shape_extent(s).c; }

void attention_arguments(const Node *of, Attention *a) {
  const Const *window = arg_const(of, "window");
  a->causal = arg_is(of, "mask", "causal");
  a->windowed = window->kind != CONST_WORD && window->kind != CONST_NONE;
  if (!a->windowed) return;
  a->before = window->kind == CONST_INT ? window->i : window->items[0].i;
  a->after = window->kind == CONST_INT ? window->i : window->items[1].i;
}

Attention attention_of(const Node *node) {
  const Node *of = node_forward(node);
  Attention a = {.l = row_positions(of->in[QUERY]->shape),
                 .m = row_positions(of->in[KEY]->shape),
                 .heads = arg_int(of, "heads"),
                 .mask = -1,
                 .bias = -1};
  const int64_t key_heads = arg_int(of, "key_heads");
  int next = VALUE + 1;
  attention_arguments(of, &a);
  a.shared = a.heads / key_heads;
  a.dk = row_channels(of->in[QUERY]->shape) / a.heads;
  a.dv = row_channels(of->in[VALUE]->shape) / key_heads;
  if (arg_const(of, "mask")->kind == CONST_VALUE) a.mask = next++;
  if (arg_const(of, "bias")->kind == CONST_VALUE) a.bias = next++;
  a.by_head = a.bias >= 0 && of->in[a.bias]->shape.rank == 3;
  a.scale = arg_is(of, "scale", "auto") ? 1 / sqrt((double)a.dk) : arg_number(of, "scale");
  return a;
}

/* ---- the shape ---- */
static bool heads_divide(ShapeContext *context, const Node *node, const char *param, int64_t n, int k,
                         const char *of) {
  return parts_divide(context, node, param, n, row_channels(node->in[k]->shape), "channels", of, node->in[k]);
}

static bool mismatch(ShapeContext *context, const Node *node, int a, int b, const char *text) {
  Diag *diag = op_error(context, node, DIAG_shape_mismatch, "%s", text);
  op_note_origin(context, diag, node->in[a]);
  op_note_origin(context, diag, node->in[b]);
  return false;
}

bool attention_lengths_fit(ShapeContext *context, const Node *node, int key, int value) {
  const int64_t keys = row_positions(node->in[key]->shape), values = row_positions(node->in[value]->shape);
  return keys == values ||
         mismatch(context, node, key, value,
                  arena_printf(context->arena, "key has %s, but value has %lld",
                               text_counted(context->arena, keys, "position"), (long long)values));
}

static bool heads_fit(ShapeContext *context, const Node *node) {
  const int64_t heads = arg_int(node, "heads"), key_heads = arg_int(node, "key_heads");
  const Shape q = node->in[QUERY]->shape, k = node->in[KEY]->shape;
  if (!heads_divide(context, node, "heads", heads, QUERY, "query") ||
      !parts_divide(context, node, "key_heads", key_heads, heads, "heads", "query", NULL) ||
      !heads_divide(context, node, "key_heads", key_heads, KEY, "key") ||
      !heads_divide(context, node, "key_heads", key_heads, VALUE, "value"))
    return false;
  const int64_t a = row_channels(q) / heads, b = row_channels(k) / key_heads;
  if (a != b)
    return mismatch(context, node, QUERY, KEY,
                    arena_printf(context->arena,
                                 "query and key of attention have %lld and %lld channels a head",
                                 (long long)a, (long long)b));
  return attention_lengths_fit(context, node, KEY, VALUE);
}

static bool added_fits(ShapeContext *context, const Node *node, const Attention *a, int k, bool bias) {
  const Shape s = k < 0 ? POISON : node->in[k]->shape;
  if (k < 0) return true;
  const bool heads = bias && s.rank == 3;
  if (s.rank == (heads ? 3 : 2) && (!heads || s.dim[0] == a->heads) && s.dim[heads] == a->l &&
      s.dim[heads + 1] == a->m)
    return true;
  const char *name = bias ? "bias" : "mask",
             *by_heads = bias ? arena_printf(context->arena, "%lld heads of ", (long long)a->heads) : "";
  Diag *diag = op_error_at(context, node, name, DIAG_shape_mismatch,
                           "%s of %s is %s, but the scores are %s%lldx%lld", name, node->op->name,
                           shape_text(context->arena, s), by_heads, (long long)a->l, (long long)a->m);
  op_note_origin(context, diag, node->in[k]);
  return false;
}

static void warn_lengths(ShapeContext *context, const Node *node, const Attention *a) {
  if (!a->causal || a->l == a->m) return;
  diag_report(context->diags, DIAG_suspicious_value, arg_const(node, "mask")->span, node->site,
              "query %lld and key %lld differ in length; position i sees the keys 0..i", (long long)a->l,
              (long long)a->m);
}

static bool sizes_allowed(ShapeContext *context, const Node *node, const Attention *a) {
  enum { MOST_POSITIONS = 1 << 24, MOST_CHANNELS = 1 << 10 };
  if (larger(a->l, a->m) <= MOST_POSITIONS && larger(a->dk, a->dv) <= MOST_CHANNELS) return true;
  op_error(context, node, DIAG_too_large,
           "%s takes at most 16,777,216 (2^24) positions and 1,024 channels per head", node->op->name);
  return false;
}

const Node *attention_rows(ShapeContext *context, const Node *node, const Attention *a) {
  if (!sizes_allowed(context, node, a) || !added_fits(context, node, a, a->mask, false) ||
      !added_fits(context, node, a, a->bias, true))
    return NULL;
  const Node *rows = op_common_rows(context, node);
  if (rows) warn_lengths(context, node, a);
  return rows;
}

static void shape(ShapeContext *context, Node *node) {
  for (int k = 0; k < node->nin; k++)
    if (!node->in[k]->shape.rank) return;
  if (!heads_fit(context, node)) return;
  const Attention a = attention_of(node);
  const Node *rows = attention_rows(context, node, &a);
  if (!rows) return;
  Shape to = node->in[QUERY]->shape;
  to.dim[to.rank - 1] = a.heads * a.dv;
  node->shape = shape_with_rows(to, rows->shape);
}

static Cost cost(const Node *node) {
  const Attention a = attention_of(node);
  return (Cost){.macs = bounded_product(bounded_product(a.l, a.m), a.heads * (a.dk + a.dv))};
}

/* ---- reference ---- */
static bool key_is_seen(const Attention *a, int64_t i, int64_t j) {
  return (!a->causal || j <= i) && (!a->windowed || (j >= i - a->before && j <= i + a->after));
}

double attention_exponentials(const Eval *eval, const Attention *a, const int in[2], int64_t h, int64_t i,
                              double *p) {
  const double *q = eval->in[QUERY] + (i * a->heads + h) * a->dk, *k = eval->in[KEY];
  const int64_t key_heads = a->heads / a->shared, u = h / a->shared;
  double largest = -INFINITY, sum = 0;
  for (int64_t j = 0; j < a->m; j++) {
    double s = 0;
    for (int64_t c = 0; c < a->dk; c++) s += q[c] * k[(j * key_heads + u) * a->dk + c];
    s *= a->scale;
    if (a->bias >= 0) s += eval->in[in[1]][((a->by_head ? h * a->l : 0) + i) * a->m + j];
    if (a->mask >= 0) s += eval->in[in[0]][i * a->m + j];
    p[j] = key_is_seen(a, i, j) ? s : -INFINITY;
    if (p[j] > largest) largest = p[j];
  }
  if (largest == -INFINITY) largest = 0;
  for (int64_t j = 0; j < a->m; j++) sum += p[j] = exp(p[j] - largest);
  return sum;
}

void attention_run(const Eval *eval, const Attention *a) {
  const double *v = eval->in[VALUE];
  const int64_t vc = a->heads / a->shared * a->dv;
  Arena *arena = arena_new();
  double *p = NEW_ARRAY(arena, double, a->m);
  for (int64_t at = 0; at < a->heads * a->l; at++) {
    const int64_t h = at / a->l, i = at % a->l, u = h / a->shared;
    const double sum = attention_exponentials(eval, a, (int[]){a->mask, a->bias}, h, i, p);
    for (int64_t c = 0; c < a->dv; c++) {
      double y = 0;
      for (int64_t j = 0; j < a->m; j++)
        if (key_is_seen(a, i, j)) y += p[j] * v[j * vc + u * a->dv + c];
      eval->out[i * a->heads * a->dv + h * a->dv + c] = sum == 0 ? 0 : y / sum;
    }
  }
  arena_free(arena);
}

static void eval(const Eval *eval) {
  const Attention a = attention_of(eval->node);
  attention_run(eval, &a);
}

static int mask_operand(const Node *node) { return attention_of(node).mask; }

const Op op_attention = {
    .name = "attention",
    .group = "attention",
    .summary = "scaled dot-product attention; the current value is the query, and each of its positions "
               "attends to keys",
    .detail = "s = scale * Q*K^T + bias + mask per head, y = softmax(s) * V; head h uses key head "
              "floor(h*key_heads/heads). If mask and window exclude all keys of a position, its result is 0. "
              "An image has H*W positions, ordered row by row",
    .params = params,
    .example = "q -> attention(k, v, heads=3)",
    .shape = shape,
    .cost = cost,
    .eval = eval,
    .gradient = attention_gradient,
    .traits.mask = mask_operand,
    .traits.equal_rows = true,
    .traits.reads_anywhere = true,
    .lower = attention_lower,
};
