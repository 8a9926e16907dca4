/* svdf.c: svdf: a dense layer over the latest rows of a sequence, with weight matrices of rank R (Nakkiran
 * et al., Compressing Deep Neural Networks using a Rank-Constrained Topology, 2015). The layer is computed
 * with two convolutions: the features of each row, and their weighted sum over time. The layer's state is the
 * features of the last rows. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"
#include <math.h>
#include <string.h>
#include "graph/shape.h"
#include "ops/convolution/correlation.h"
#include "ops/registry.h"

extern const Op op_relu;
/* Inputs of an update: the layer, the state, and the inputs of the layer. */
enum { OF_LAYER, OF_STATE, OF_INPUTS };

static const Param params[] = {
    {"units", PARAM_INT, NULL, "number of units: the channels of the result", 0, 0, NULL},
    {"memory", PARAM_INT, NULL, "number of rows that a unit reads: the current row and the rows before it", 0,
     0, NULL},
    {"rank", PARAM_INT, "1", "number of features that a unit computes from each row", 0, 0, NULL},
    {"bias", PARAM_BOOL, "true", "add a trained constant per unit", 0, 0, NULL},
    {"activation", PARAM_CHOICE, "none", "activation of the sums", 0, 0, "none relu"},
    {"keep", PARAM_BOOL, "false", "before row 0, use the last rows of the previous call instead of zeros", 0,
     0, NULL},
    {0},
};

Svdf svdf_of(const Node *node) {
  Svdf s = {
      .units = arg_int(node, "units"), .rank = arg_int(node, "rank"), .memory = arg_int(node, "memory")};
  const Shape in = node->in[0]->shape;
  if (!shape_table(in, &s.rows, &s.channels)) {
    s.rows = 1;
    s.channels = in.dim[0];
  }
  s.features = s.units * s.rank;
  const KeptLayer *kept = node->detail;
  if (!kept) return s;
  s.state = 1;
  if (kept->masked) {
    s.calls = node->nin - 1;
    s.first = kept->first;
  }
  return s;
}

/* ---- shape ---- */
static Weight *svdf_weight(ShapeContext *context, Node *node, const char *member, int64_t rows,
                           int64_t columns) {
  const int64_t dim[2] = {rows, columns};
  Weight *weight = op_weight(context, node, member, columns ? 2 : 1, dim, NULL, 0, 0, 0, columns > 0);
  if (weight && columns && !context->share)
    weight->init = (Init){INIT_UNIFORM, sqrt(6.0 / (double)(rows + columns)), 0, NULL};
  return weight;
}

static bool features_fit(ShapeContext *context, const Node *node, const Svdf *s) {
  int64_t features, most;
  if (size_multiply(s->units, s->rank, &features) && s->memory <= SHAPE_MOST_ELEMENTS &&
      size_multiply(features, s->rows + s->memory, &most) && most <= SHAPE_MOST_ELEMENTS)
    return true;
  op_error(context, node, DIAG_too_large, "svdf of %lld units, rank %lld and memory %lld: too many features",
           (long long)s->units, (long long)s->rank, (long long)s->memory);
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  if (!recurrent_input_fits(context, node)) return;
  const Svdf s = svdf_of(node);
  if (!features_fit(context, node, &s)) return;
  node->nweights = SVDF_WEIGHTS;
  node->weight = NEW_ARRAY(context->arena, Weight *, SVDF_WEIGHTS);
  Weight **to = node->weight;
  if (!(to[FEATURE_WEIGHT] = svdf_weight(context, node, "weight_feature", s.features, s.channels)) ||
      !(to[TIME_WEIGHT] = svdf_weight(context, node, "weight_time", s.features, s.memory)))
    return;
  if (arg_bool(node, "bias") && !(to[SVDF_BIAS] = svdf_weight(context, node, "bias", s.units, 0))) return;
  node->shape = shape_sequence(s.rows, s.units);
}

static Cost cost(const Node *node) {
  const Svdf s = svdf_of(node);
  return (Cost){.macs = s.rows * s.features * (s.channels + s.memory)};
}

/* ---- eval ---- */
/* Earlier rows come from the state, or are 0. */
double *svdf_features(Arena *arena, const Svdf *s, const double *const *in, const double *weight) {
  const int64_t before = s->memory - 1, n = s->features;
  double *f = NEW_ARRAY(arena, double, (before + s->rows) * n + 1);
  const double first = s->calls ? in[s->calls][0] * (double)s->first.rows + (double)s->first.offset : 0;
  for (int64_t i = 0; i < before * n; i++) f[i] = s->state ? in[s->state][i] : 0;
  for (int64_t t = 0; t < s->rows; t++)
    for (int64_t k = 0; k < n; k++) {
      double sum = 0;
      for (int64_t c = 0; c < s->channels; c++)
        sum += weight[k * s->channels + c] * in[0][t * s->channels + c];
      f[(before + t) * n + k] = first + (double)t < 0 ? 0 : sum;
    }
  return f;
}

static void eval_forward(const Eval *eval) {
  const Svdf s = svdf_of(eval->node);
  Arena *arena = arena_new();
  const double *f = svdf_features(arena, &s, eval->in, eval->weight[FEATURE_WEIGHT]);
  const double *time = eval->weight[TIME_WEIGHT], *bias = eval->weight[SVDF_BIAS];
  const bool relu = arg_is(eval->node, "activation", "relu");
  for (int64_t t = 0; t < s.rows; t++)
    for (int64_t u = 0; u < s.units; u++) {
      double sum = bias ? bias[u] : 0;
      for (int64_t k = u * s.rank; k < (u + 1) * s.rank; k++)
        for (int64_t j = 0; j < s.memory; j++) sum += time[k * s.memory + j] * f[(t + j) * s.features + k];
      eval->out[t * s.units + u] = relu && sum < 0 ? 0 : sum;
    }
  arena_free(arena);
}

/* The update of the state: the features of the last rows. */
static void eval_kept(const Eval *eval) {
  const Svdf s = svdf_of(eval->node->in[OF_LAYER]);
  Arena *arena = arena_new();
  const double *f = svdf_features(arena, &s, eval->in + OF_INPUTS, eval->weight[FEATURE_WEIGHT]);
  memcpy(eval->out, f + s.rows * s.features, (size_t)((s.memory - 1) * s.features) * sizeof *f);
  arena_free(arena);
}

/* ---- the nodes that compute the layer ---- */
static const Op op_features_input = {.name = "svdf features input gradient",
                                     .family = FAMILY_CONV_SCATTER,
                                     .cost = correlation_cost,
                                     .eval = correlation_eval_spread,
                                     .lower = correlation_lower_spread};
static const Op op_features_weights = {.name = "svdf features weight gradient",
                                       .family = FAMILY_CONV_WEIGHTS,
                                       .cost = correlation_cost,
                                       .eval = correlation_eval_weights,
                                       .lower = correlation_lower_weights};
static void features_gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_features_input, &op_features_weights);
}
static int64_t rows_of_feature(const Node *node) {
  (void)node;
  return 1;
}
static const Op op_features = {.name = "svdf features",
                               .traits.layer_part = true,
                               .traits.scale_rows = rows_of_feature,
                               .traits.matrix = true,
                               .family = FAMILY_CONV,
                               .cost = correlation_cost,
                               .eval = correlation_eval_gather,
                               .gradient = features_gradient,
                               .lower = correlation_lower_gather};

static const Op op_time_input = {.name = "svdf input gradient",
                                 .family = FAMILY_CONV_SCATTER,
                                 .cost = correlation_cost,
                                 .eval = correlation_eval_spread,
                                 .lower = correlation_lower_spread};
static const Op op_time_weights = {.name = "svdf weight gradient",
                                   .family = FAMILY_CONV_WEIGHTS,
                                   .cost = correlation_cost,
                                   .eval = correlation_eval_weights,
                                   .lower = correlation_lower_weights};
static void time_gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_time_input, &op_time_weights);
}
static const Op op_time = {.name = "svdf sums",
                           .traits.layer_part = true,
                           .traits.matrix = true,
                           .traits.matrix_of_taps = true,
                           .family = FAMILY_CONV,
                           .cost = correlation_cost,
                           .eval = correlation_eval_gather,
                           .gradient = time_gradient,
                           .lower = correlation_lower_gather};

static const Op op_depth_input = {.name = "svdf time input gradient",
                                  .family = FAMILY_DEPTHWISE_SCATTER,
                                  .cost = correlation_cost,
                                  .eval = correlation_eval_spread,
                                  .lower = correlation_lower_spread};
static const Op op_depth_weights = {.name = "svdf time weight gradient",
                                    .family = FAMILY_DEPTHWISE_WEIGHTS,
                                    .cost = correlation_cost,
                                    .eval = correlation_eval_weights,
                                    .lower = correlation_lower_weights};
static void depth_gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_depth_input, &op_depth_weights);
}
static const Op op_depth = {.name = "svdf time", /* only used for rank 1 */
                            .traits.layer_part = true,
                            .traits.matrix = true,
                            .traits.matrix_of_taps = true,
                            .family = FAMILY_DEPTHWISE,
                            .cost = correlation_cost,
                            .eval = correlation_eval_gather,
                            .gradient = depth_gradient,
                            .lower = correlation_lower_gather};

static void set_product(Graph *graph, Node *node, int64_t kernel, int64_t before, int64_t groups,
                        Weight *weight, Weight *bias) {
  Window *window = NEW(graph->arena, Window);
  *window = (Window){.kernel = {1, kernel}, .stride = {1, 1}, .dilation = {1, 1}, .before = {0, before}};
  window->groups = groups;
  window->multiplier = 1;
  node->window = window;
  node->nweights = 2;
  node->weight = NEW_ARRAY(graph->arena, Weight *, 2);
  node->weight[0] = weight;
  node->weight[1] = bias;
}

/* The features kept from earlier calls, then the features of this call. */
static Node *kept_and_new(Graph *graph, const Node *layer, Node *state, Node *f, bool training) {
  if (training) return recurrent_stacked(graph, layer, state, f);
  Node *both[2] = {rows_kept(graph, state), f};
  f = rows_stacked(graph, 2, both);
  f->hidden = both[0]->hidden = NULL; /* these nodes become separate layers, as with --stream */
  return f;
}

static Node *parts(Graph *graph, Node *layer, bool training) {
  const Svdf s = svdf_of(layer);
  const Recurrent like = {.rows = s.rows, .channels = s.channels};
  Node *in = recurrent_rows(graph, layer, &like, layer->in[0]);
  Node *f = graph_part(graph, layer, &op_features, "features", shape_sequence(s.rows, s.features), 1, &in);
  f->detail = NULL;
  set_product(graph, f, 1, 0, 1, layer->weight[FEATURE_WEIGHT], NULL);
  if (training && layer->rounds && layer->rounds->weights)
    rounding_add_switch(graph->arena, f, layer->rounds->aware);
  if (s.calls) f = stream_masked(graph, f, layer->in[s.calls], s.first.rows, s.first.offset, 0);
  if (s.state) f = kept_and_new(graph, layer, layer->in[s.state], f, training);
  const bool relu = arg_is(layer, "activation", "relu");
  Node *y =
      graph_part(graph, layer, s.rank == 1 ? &op_depth : &op_time, relu ? "sums" : "", layer->shape, 1, &f);
  y->detail = NULL;
  set_product(graph, y, s.memory, s.state ? 0 : s.memory - 1, s.units, layer->weight[TIME_WEIGHT],
              layer->weight[SVDF_BIAS]);
  if (!relu) return y;
  y = graph_part(graph, layer, &op_relu, "", layer->shape, 1, &y);
  y->detail = NULL;
  return y;
}

static Node *kept_parts(Graph *graph, Node *node, bool training) {
  Node *sums = node->in[OF_LAYER];
  while (sums->op != &op_depth && sums->op != &op_time) sums = sums->in[0];
  const int64_t memory = node->shape.dim[0], rows = sums->in[0]->shape.dim[0];
  if (training) return recurrent_cut(graph, node, sums->in[0], node->shape, (Box){0, rows - memory, 0});
  node->op = &op_update;
  node->nin = 2;
  node->in[OF_LAYER] = rows_cut(graph, sums->in[0], rows - memory, memory);
  node->in[OF_LAYER]->hidden = NULL;
  graph_append(graph, node);
  return node;
}

static const Op op_kept = {.name = "svdf update",
                           .role = ROLE_UPDATE,
                           .eval = eval_kept,
                           .parts = kept_parts,
                           .traits.weights_of_input = true};

static Node *keep(Graph *graph, Node *layer, Node *calls, int64_t rows, int64_t offset) {
  const Svdf s = svdf_of(layer);
  if (s.memory == 1) {
    graph_append(graph, layer);
    return layer;
  }
  Node *state = recurrent_state(graph, layer, "features", shape_sequence(s.memory - 1, s.features)), **in;
  KeptLayer *kept = NEW(graph->arena, KeptLayer);
  *kept = (KeptLayer){calls && offset < 0, {rows, offset}};
  in = NEW_ARRAY(graph->arena, Node *, 3);
  in[0] = layer->in[0];
  in[1] = state;
  in[2] = calls;
  layer->in = in;
  layer->nin = kept->masked ? 3 : 2;
  layer->detail = kept;
  graph_append(graph, layer);
  recurrent_update(graph, layer, &op_kept, state);
  return layer;
}

static int64_t history(const Node *node) { return arg_int(node, "memory") - 1; }

const Op op_svdf = {
    .name = "svdf",
    .group = "recurrent",
    .summary = "singular value decomposition filter: features of each row, and a weighted sum over the "
               "latest rows",
    .detail = "f[t] = W_feature x[t]; y[t][u] = act(bias[u] + sum over r < rank, j < memory of "
              "weight_time[u*rank + r][j] * f[t - memory + 1 + j][u*rank + r]); f[t] is 0 for t < 0",
    .params = params,
    .example = "svdf(64, memory=10, rank=2, activation=relu)",
    .shape = shape,
    .cost = cost,
    .eval = eval_forward,
    .parts = parts,
    .keep = keep,
    .traits.int8 = INT8_SVDF,
    .traits.stream = STREAM_RECURRENT,
    .traits.kept_rows = history,
};
