/* svdf_layers.c: Conversion of a float svdf to int8: a product computes the features of each row (int8 or
 * int16 values), and a second node computes weighted sums of the features over time (ops/int8/int8_svdf.c).
 * With keep=true the features of the last rows are a state. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include "ops/int8/int8_svdf.h"
#include "ops/recurrent/recurrent.h"
#include "ops/registry.h"
#include "quantize/quantizer.h"

typedef struct SvdfLayer {
  const Node *node;
  Svdf s;
  Quant in, features, out;
  RowsProduct product;
  const int16_t *time;
  const float *time_scale;
  const int32_t *bias;
  Multiplier factor;
  Rounding rounding;
} SvdfLayer;

/* The kernels of TensorFlow Lite divide the scales as floats. */
static Multiplier divided_scales(float in, float weight, float out) {
  const float real = multiplier_of_scales(in, weight, out, false).real;
  Multiplier factor = multiplier_of((double)real);
  factor.real = real;
  return factor;
}

/* ---- arrays of the file ---- */
static bool find_quants(Quantizer *q, SvdfLayer *l) {
  const char *name = l->node->name, *features = arena_printf(q->arena, "%s.features", name);
  const bool out = quant_given(q, name, &l->out), inner = quant_given(q, features, &l->features);
  if (!out) quant_problem(q, "%s.scale (F32 [1]) and %s.zero (I8 [1]) are missing", name, name);
  if (!inner) quant_problem(q, "%s.scale (F32 [1]) and %s.zero (I8 [1]) are missing", features, features);
  if (out && l->out.wide)
    quant_problem(q, "%s: has 16 bits, but a recurrent layer with an 8-bit input has an 8-bit output", name);
  return out && inner && !l->out.wide;
}

static bool find_arrays(Quantizer *q, SvdfLayer *l) {
  const Weight *const *weight = (const Weight *const *)l->node->weight;
  const char *scale = arena_printf(q->arena, "%s.scale", weight[TIME_WEIGHT]->name);
  const int64_t one = 1;
  bool all = find_quants(q, l);
  all &= quant_find_product(q, weight[FEATURE_WEIGHT], NULL, 1, false, &l->product);
  l->time = quant_array(q, weight[TIME_WEIGHT]->name, I16, 2, weight[TIME_WEIGHT]->dim);
  l->time_scale = quant_array(q, scale, F32, 1, &one);
  l->bias = weight[SVDF_BIAS] ? quant_array(q, weight[SVDF_BIAS]->name, I32, 1, &l->s.units)
                              : NEW_ARRAY(q->arena, int32_t, l->s.units);
  if (l->time_scale && (!(*l->time_scale > 0) || !isfinite(*l->time_scale))) {
    quant_problem(q, "%s: has %g; must be numbers above 0", scale, (double)*l->time_scale);
    return false;
  }
  return all && l->time && l->time_scale && l->bias;
}

/* ---- factors and bounds ---- */
static double reach_of(const Quant *quant) {
  return quant->wide ? -INT16_MIN : fmax(quant->zero - INT8_MIN, INT8_MAX - quant->zero);
}

static bool find_feature_factors(Quantizer *q, SvdfLayer *l) {
  RowsProduct *p = &l->product;
  Multiplier *factor = NEW_ARRAY(q->arena, Multiplier, p->sums);
  for (int64_t k = 0; k < p->sums; k++) {
    const float scale = p->scale[k * p->scales / p->sums];
    double most = 0;
    for (int64_t i = 0; i < p->terms; i++) most += abs(p->q[k * p->terms + i]) * reach_of(&l->in);
    factor[k] = divided_scales(l->in.scale, scale, l->features.scale);
    if (!quant_factor_fits(q, l->node, factor[k], false, (double)l->in.scale * (double)scale,
                           l->features.scale))
      return false;
    if (most > INT32_MAX) return quant_report_sum(q, l->node, p->weight, k, p->terms, most, 32);
    factor[k] = multiplier_reaching(factor[k], (int64_t)most);
  }
  p->factor = factor;
  return true;
}

static bool find_time_factor(Quantizer *q, SvdfLayer *l) {
  const int64_t terms = l->s.rank * l->s.memory;
  double largest = 0;
  l->factor = divided_scales(l->features.scale, *l->time_scale, l->out.scale);
  if (!quant_factor_fits(q, l->node, l->factor, false, (double)l->features.scale * (double)*l->time_scale,
                         l->out.scale))
    return false;
  for (int64_t u = 0; u < l->s.units; u++) {
    double most = fabs((double)l->bias[u]);
    for (int64_t i = 0; i < terms; i++) most += abs(l->time[u * terms + i]) * reach_of(&l->features);
    if (most > INT32_MAX)
      return quant_report_sum(q, l->node, l->node->weight[TIME_WEIGHT], u, terms, most, 32);
    largest = fmax(largest, most);
  }
  l->factor = multiplier_reaching(l->factor, (int64_t)largest);
  return true;
}

/* ---- nodes ---- */
static Node *hidden_layer(Quantizer *q, const SvdfLayer *l, const Op *op, const char *suffix, Node *in,
                          const Quant *quant, Shape shape, int64_t memory, int64_t before) {
  Node *node = quant_node(q, op, l->node, 1, &in, quant);
  Window *window = NEW(q->arena, Window);
  *window = (Window){.kernel = {1, memory},
                     .stride = {1, 1},
                     .dilation = {1, 1},
                     .before = {0, before},
                     .groups = 1,
                     .multiplier = 1};
  node->window = window;
  node->shape = shape;
  node->arg = NULL;
  if (*suffix) node->name = arena_printf(q->arena, "%s.%s", l->node->name, suffix);
  return node;
}

static Node *features_node(Quantizer *q, const SvdfLayer *l, Node *rows) {
  Int8Product *product = NEW(q->arena, Int8Product);
  *product =
      (Int8Product){.rounding = l->rounding,
                    .stored = stored_of(l->features.scale, l->features.zero, l->features.wide, BOUND_NONE),
                    .weight = l->product.q,
                    .weight_most = INT8_MAX,
                    .bias = l->product.bias,
                    .factor = l->product.factor};
  Node *node = hidden_layer(q, l, &op_int8_product, "features", rows, quant_keep(q, l->features),
                            shape_sequence(l->s.rows, l->s.features), 1, 0);
  node->detail = product;
  return node;
}

/* The features that the last call kept in a state, followed by the features of this call. */
static Node *features_kept(Quantizer *q, const SvdfLayer *l, Node *f) {
  const int64_t before = l->s.memory - 1;
  Node *state = state_hidden(q->to, f->name, shape_sequence(before, l->s.features), f->elem, f->quant, 0);
  state->span = l->node->span;
  state->site = l->node->site;
  Node *both[2] = {rows_kept(q->to, state), f}, *all = rows_stacked(q->to, 2, both);
  update_hidden(q->to, rows_cut(q->to, all, l->s.rows, before), state);
  quant_separate(q, state->id);
  return all;
}

Node *quant_svdf(Quantizer *q, const Node *node) {
  SvdfLayer l = {.node = node, .s = svdf_of(node), .rounding = quant_file_rounding(q->file, node->name)};
  const bool all = find_arrays(q, &l), keeps = arg_bool(node, "keep") && l.s.memory > 1;
  Node *rows = quant_int8_value(q, node->in[0]);
  if (!rows || !all) return NULL;
  l.in = *rows->quant;
  if (!find_feature_factors(q, &l) || !find_time_factor(q, &l)) return NULL;
  const Recurrent like = {.rows = l.s.rows, .channels = l.s.channels};
  Node *f = features_node(q, &l, recurrent_rows(q->to, node, &like, rows));
  if (keeps) f = features_kept(q, &l, f);
  Int8Svdf *p = NEW(q->arena, Int8Svdf);
  *p = (Int8Svdf){.rounding = l.rounding,
                  .stored = stored_of(l.out.scale, l.out.zero, false,
                                      arg_is(node, "activation", "relu") ? BOUND_RELU : BOUND_NONE),
                  .weight = l.time,
                  .bias = l.bias,
                  .factor = l.factor};
  Node *made = hidden_layer(q, &l, &op_int8_svdf, "", f, quant_keep(q, l.out), node->shape, l.s.memory,
                            keeps ? 0 : l.s.memory - 1);
  made->detail = p;
  return made;
}
