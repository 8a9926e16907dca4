/* multihead_attention.c: multihead_attention, a layer: attention of trained projections of its inputs, then a
 * trained projection of the result, with the parameters of PyTorch's nn.MultiheadAttention (Vaswani et al.,
 * 2017):
 *
 * y = attention(x*Wq^T + bq, key*Wk^T + bk, value*Wv^T + bv) * Wo^T + bo */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "ops/attention/attention.h"
#include "ops/convolution/correlation.h"

static const Param params[] = {
    {"heads", PARAM_INT, NULL, "number of channel groups that attend separately", 0, 0, NULL},
    {"key", PARAM_VALUE, "current", "the value from which the keys are computed", 0, 0, "current"},
    {"value", PARAM_VALUE, "key", "the value, with one position per key, whose projection is averaged", 0, 0,
     "current"},
    {"bias", PARAM_BOOL, "true", "add trained biases to the four projections", 0, 0, NULL},
    {"mask", PARAM_VALUE, "none",
     "a value that is added to the scores: LxM (L queries, M keys), or R rows of LxM; or causal: "
     "each position attends only to keys up to its own position",
     0, 0, "none causal"},
    {"window", PARAM_REACH, "none",
     "each position attends only to keys within this distance before and after its own position", 0, 0,
     "none"},
    {0}};

typedef MultiheadLayer Layer;

static int input_of(const Node *node, const char *param, int *next) {
  return arg_const(node, param)->kind == CONST_VALUE ? (*next)++ : 0;
}

Layer multihead_layer(const Node *node) {
  Layer m = {.core = {.heads = arg_int(node, "heads"), .shared = 1, .mask = -1, .bias = -1}};
  int next = 1;
  m.from[KEY] = input_of(node, "key", &next);
  m.from[VALUE] = input_of(node, "value", &next);
  if (arg_const(node, "mask")->kind == CONST_VALUE) m.core.mask = next;
  for (int k = KEY; k <= VALUE; k++)
    for (int i = k - 1; i >= 0; i--)
      if (node->in[m.from[k]] == node->in[m.from[i]]) m.from[k] = m.from[i];
  m.joined = true;
  for (int k = 0; k < SOURCES; k++) {
    m.channels[k] = shape_extent(node->in[m.from[k]]->shape).c;
    m.joined &= m.channels[k] == m.channels[0];
  }
  const Extent query = shape_extent(node->in[0]->shape), key = shape_extent(node->in[m.from[KEY]]->shape);
  m.core.l = query.h * query.w;
  m.core.m = key.h * key.w;
  m.core.dk = m.core.dv = query.c / m.core.heads;
  m.core.scale = 1 / sqrt((double)m.core.dk);
  attention_arguments(node, &m.core);
  return m;
}

/* ---- the shape ---- */
static Weight *matrix(ShapeContext *context, Node *node, const char *member, int64_t rows, int64_t columns,
                      double limit) {
  Weight *weight = op_weight(context, node, member, 2, (int64_t[]){rows, columns}, NULL, 0, 0, 0, true);
  if (weight && !context->share) weight->init = (Init){INIT_UNIFORM, limit, 0, NULL};
  return weight;
}

static double glorot_limit(int64_t from, int64_t to) { return sqrt(6.0 / (double)(from + to)); }

static bool in_weights(ShapeContext *context, Node *node, const Layer *m) {
  static const char *const members[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
  const int64_t e = m->channels[QUERY];
  if (m->joined)
    return (node->weight[IN_WEIGHT] =
                matrix(context, node, "in_proj_weight", SOURCES * e, e, glorot_limit(e, SOURCES * e)));
  for (int k = 0; k < SOURCES; k++)
    if (!(node->weight[k] =
              matrix(context, node, members[k], e, m->channels[k], glorot_limit(m->channels[k], e))))
      return false;
  return true;
}

static bool biases(ShapeContext *context, Node *node, int k, const char *member, int64_t n) {
  if (!arg_bool(node, "bias")) return true;
  return (node->weight[k] = op_weight(context, node, member, 1, &n, NULL, 0, 0, 0, false));
}

static bool parameters(ShapeContext *context, Node *node, const Layer *m) {
  const int64_t e = m->channels[QUERY];
  node->nweights = LAYER_WEIGHTS;
  node->weight = NEW_ARRAY(context->arena, Weight *, LAYER_WEIGHTS);
  return in_weights(context, node, m) && biases(context, node, IN_BIAS, "in_proj_bias", SOURCES * e) &&
         (node->weight[OUT_WEIGHT] = matrix(context, node, "out_proj.weight", e, e, 1 / sqrt((double)e))) &&
         biases(context, node, OUT_BIAS, "out_proj.bias", e);
}

static void shape(ShapeContext *context, Node *node) {
  for (int k = 0; k < node->nin; k++)
    if (!node->in[k]->shape.rank) return;
  const Layer m = multihead_layer(node);
  if (!parts_divide(context, node, "heads", m.core.heads, m.channels[QUERY], "channels", "query",
                    node->in[QUERY]) ||
      !attention_lengths_fit(context, node, m.from[KEY], m.from[VALUE]))
    return;
  const Node *rows = attention_rows(context, node, &m.core);
  if (rows && parameters(context, node, &m)) node->shape = shape_with_rows(node->in[0]->shape, rows->shape);
}

static Cost cost(const Node *node) {
  const Layer m = multihead_layer(node);
  const int64_t e = m.channels[QUERY], ins = m.channels[KEY] + m.channels[VALUE],
                queries = bounded_product(m.core.l, 2 * e * e), keys = bounded_product(m.core.m, e * ins);
  return (Cost){.macs = queries + keys + bounded_product(bounded_product(m.core.l, m.core.m), 2 * e)};
}

/* ---- reference ---- */
/* to[i][f] = bias[f] + sum over c of x[i][c]*weight[f][c] */
static void product_run(const double *x, int64_t rows, int64_t in, const double *weight, const double *bias,
                        int64_t out, double *to) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t f = 0; f < out; f++) {
      double sum = bias ? bias[f] : 0;
      for (int64_t c = 0; c < in; c++) sum += x[i * in + c] * weight[f * in + c];
      to[i * out + f] = sum;
    }
}

static void run(const Eval *eval) {
  Layer m = multihead_layer(eval->node);
  const int64_t e = m.channels[QUERY];
  const double *in[SOURCES + 1], *bias = eval->weight[IN_BIAS];
  Arena *arena = arena_new();
  for (int k = 0; k < SOURCES; k++) {
    const int64_t rows = k == QUERY ? m.core.l : m.core.m;
    double *to = NEW_ARRAY(arena, double, rows *e);
    product_run(eval->in[m.from[k]], rows, m.channels[k],
                m.joined ? eval->weight[IN_WEIGHT] + k * e * e : eval->weight[k], bias ? bias + k * e : NULL,
                e, to);
    in[k] = to;
  }
  Eval core = *eval;
  core.in = in;
  core.out = NEW_ARRAY(arena, double, m.core.l *e);
  if (m.core.mask >= 0) {
    in[SOURCES] = eval->in[m.core.mask];
    m.core.mask = SOURCES;
  }
  attention_run(&core, &m.core);
  product_run(core.out, m.core.l, e, eval->weight[OUT_WEIGHT], eval->weight[OUT_BIAS], e, eval->out);
  arena_free(arena);
}

/* ---- the nodes that compute the layer ---- */
static const Op op_product_input = {.name = "product input gradient",
                                    .family = FAMILY_CONV_SCATTER,
                                    .cost = correlation_cost,
                                    .eval = correlation_eval_spread,
                                    .lower = correlation_lower_spread};
static const Op op_product_weights = {.name = "product weight gradient",
                                      .family = FAMILY_CONV_WEIGHTS,
                                      .cost = correlation_cost,
                                      .eval = correlation_eval_weights,
                                      .lower = correlation_lower_weights};
static void product_gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_product_input, &op_product_weights);
}
static const Op op_product = {.name = "attention product",
                              .family = FAMILY_CONV,
                              .traits.layer_part = true,
                              .traits.matrix = true,
                              .traits.row_local = true,
                              .cost = correlation_cost,
                              .eval = correlation_eval_gather,
                              .gradient = product_gradient,
                              .lower = correlation_lower_gather};

static Node *product_part(Graph *graph, const Node *layer, const char *suffix, Node *in, Weight *weight,
                          Weight *bias) {
  Shape to = in->shape;
  to.dim[to.rank - 1] = weight->dim[0];
  Node *node = graph_part(graph, layer, &op_product, suffix, to, 1, &in);
  Window *window = NEW(graph->arena, Window);
  *window = (Window){{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, false, false, 1, 1};
  node->window = window;
  node->nweights = 2;
  node->weight = NEW_ARRAY(graph->arena, Weight *, 2);
  node->weight[0] = weight;
  node->weight[1] = bias;
  return node;
}

/* A slice: channels `from` .. from+n-1 of a value. */
static Node *channels_part(Graph *graph, const Node *layer, const char *suffix, Node *of, int64_t from,
                           int64_t n) {
  Shape to = of->shape;
  to.dim[to.rank - 1] = n;
  Node *node = graph_part(graph, layer, &op_slice, suffix, to, 1, &of);
  Const *arg = NEW(graph->arena, Const), *ends = NEW_ARRAY(graph->arena, Const, 2);
  ends[0] = (Const){.kind = CONST_INT, .i = from};
  ends[1] = (Const){.kind = CONST_INT, .i = from + n};
  *arg = (Const){.kind = CONST_RANGE, .n = 2, .items = ends};
  node->arg = arg;
  return node;
}

/* Computes query, key and value. Projections that have the same source and adjacent weights share one
 * product. */
static void in_products(Graph *graph, const Node *layer, const Layer *m, Node *to[SOURCES]) {
  static const char *const names[] = {"query", "key", "value"};
  const int64_t e = m->channels[QUERY];
  Weight *const *weight = layer->weight;
  for (int k = 0, n; k < SOURCES; k += n) {
    for (n = 1; m->joined && k + n < SOURCES && m->from[k + n] == m->from[k];) n++;
    Weight *rows = m->joined ? parameter_rows(graph->arena, weight[IN_WEIGHT], k * e, n * e) : weight[k],
           *bias = weight[IN_BIAS] ? parameter_rows(graph->arena, weight[IN_BIAS], k * e, n * e) : NULL;
    const char *suffix = n == SOURCES ? "in_proj" : arena_printf(graph->arena, "%s_proj", names[k]);
    Node *all = product_part(graph, layer, suffix, layer->in[m->from[k]], rows, bias);
    for (int i = 0; i < n; i++)
      to[k + i] = n == 1 ? all : channels_part(graph, layer, names[k + i], all, i * e, e);
  }
}

/* The arguments of the layer's attention operator: key_heads is the layer's argument heads=, scale is auto,
 * and bias is omitted. The other arguments are copies of the layer's arguments with the same names. */
static const Const *core_arguments(Graph *graph, const Node *layer) {
  const Param *param = op_attention.params;
  int n = 0;
  while (param[n].name) n++;
  Const *arg = NEW_ARRAY(graph->arena, Const, n);
  for (int i = 0; i < n; i++) {
    const char *name = param[i].name;
    if (!strcmp(name, "key_heads")) arg[i] = *arg_const(layer, "heads");
    else if (!strcmp(name, "scale")) arg[i] = (Const){.kind = CONST_WORD, .s = "auto"};
    else if (strcmp(name, "bias") != 0) arg[i] = *arg_const(layer, name);
  }
  return arg;
}

static Node *parts(Graph *graph, Node *layer, bool training) {
  const Layer m = multihead_layer(layer);
  Node *in[SOURCES + 1];
  in_products(graph, layer, &m, in);
  if (m.core.mask >= 0) in[SOURCES] = layer->in[m.core.mask];
  Shape seen = layer->shape;
  seen.dim[seen.rank - 1] = m.channels[QUERY];
  Node *core = graph_part(graph, layer, &op_attention, "attention", seen, SOURCES + (m.core.mask >= 0), in);
  core->arg = core_arguments(graph, layer);
  if (training && core->op->train) core = core->op->train(graph, core);
  return product_part(graph, layer, "", core, layer->weight[OUT_WEIGHT], layer->weight[OUT_BIAS]);
}

static int multihead_mask(const Node *node) { return multihead_layer(node).core.mask; }

const Op op_multihead_attention = {
    .name = "multihead_attention",
    .group = "attention",
    .summary = "attention layer with trained projections of query, key, value and output",
    .detail =
        "y = attention(x*Wq^T + bq, key*Wk^T + bk, value*Wv^T + bv)*Wo^T + bo. Parameters are named as in "
        "nn.MultiheadAttention: in_proj_weight has the rows of Wq, Wk and Wv; if x, key and value differ in "
        "channels, Wq, Wk and Wv are q_proj_weight, k_proj_weight and v_proj_weight; out_proj.weight is Wo",
    .params = params,
    .example = "layernorm -> multihead_attention(3) -> add(in)",
    .shape = shape,
    .cost = cost,
    .eval = run,
    .parts = parts,
    .traits.mask = multihead_mask,
};
