/* int8_draw.c: random weights of 8 bits, now and then at their limits, with scales by which most values are
 * neither cut nor all the same, and their file. */
// SPDX-License-Identifier: Apache-2.0
#include "int8_draw.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ops/int8/int8.h"
#include "sample.h"

enum { HUGE_BIAS = (1 << 30) + 1000 };

typedef struct Drawing {
  Arena *arena;
  const Graph *graph;
  uint64_t state;
  double *scale; /* by node id */
  bool *fused;   /* its value is its input's */
  int *uses;
  Text header, data;
} Drawing;

static double between(Drawing *d, double lo, double hi) { return lo + (hi - lo) * sample_number(&d->state); }

static void put_array(Drawing *d, const char *name, const char *type, int rank, const int64_t *dim,
                      const void *from, size_t bytes) {
  text_put(&d->header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", name, type);
  for (int i = 0; i < rank; i++) text_put(&d->header, "%s%lld", i ? "," : "", (long long)dim[i]);
  text_put(&d->header, "],\"data_offsets\":[%zu,%zu]}", d->data.n, d->data.n + bytes);
  text_bytes(&d->data, from, bytes);
}

static void put_scale(Drawing *d, const Node *node, double scale, int zero) {
  const int64_t one = 1;
  const float real = (float)scale;
  const int8_t q = (int8_t)zero;
  put_array(d, arena_printf(d->arena, "%s.scale", node->name), "F32", 1, &one, &real, sizeof real);
  put_array(d, arena_printf(d->arena, "%s.zero", node->name), "I8", 1, &one, &q, 1);
  d->scale[node->id] = scale;
}

static int any_zero(Drawing *d) {
  const double u = sample_number(&d->state);
  return u < 0.3 ? -128 : u < 0.4 ? 127 : (int)between(d, -128, 128);
}

/* ---- layers ---- */
/* Many filters of some layers are zeros, or give the same at every place, and some layers do not read all of
 * their channels: what a pass drops. */
static void draw_idle(Drawing *d, const Node *node, int8_t *w, int32_t *bias, double spread) {
  const double FAR = 40;
  const int64_t filters = int8_filters(node), terms = node->weight[0]->size / filters,
                taps = node->window ? node->window->kernel[0] * node->window->kernel[1] : 1;
  const double dead = sample_number(&d->state) < 0.4 ? between(d, 0.1, 0.7) : 0,
               below = between(d, 0, 1); /* of these so many are cut off at the lower end */
  const int64_t unread = sample_number(&d->state) < 0.3 ? 2 + (int64_t)between(d, 0, 3) : 0;
  for (int64_t f = 0; f < filters; f++) {
    const bool idle = sample_number(&d->state) < dead, low = sample_number(&d->state) < below,
               zeros = sample_number(&d->state) < 0.5;
    for (int64_t i = 0; i < terms; i++)
      if ((idle && zeros) || (unread && terms > taps && i / taps % unread == 1))
        w[int8_weight_index(node, f, i)] = 0;
    if (idle && (low || !zeros)) bias[f] = (int32_t)(low ? -FAR * spread : FAR * spread);
  }
}

static void draw_weights(Drawing *d, const Node *node) {
  const Weight *weight = node->weight[0];
  const int64_t filters = int8_filters(node), terms = weight->size / filters, one = 1;
  int8_t *w = NEW_ARRAY(d->arena, int8_t, weight->size);
  int32_t *bias = NEW_ARRAY(d->arena, int32_t, filters);
  float *scale = NEW_ARRAY(d->arena, float, filters);
  const bool all = sample_number(&d->state) < 0.3; /* one scale for all */
  const double spread = 5400 * sqrt((double)terms), own = between(d, 0.002, 0.02);
  for (int64_t f = 0; f < filters; f++) {
    const double kind = sample_number(&d->state);
    for (int64_t i = 0; i < terms; i++)
      w[int8_weight_index(node, f, i)] = (int8_t)(kind < 0.1   ? (i % 2 ? 127 : -127)
                                                  : kind < 0.2 ? 127
                                                  : kind < 0.3 ? 0
                                                               : floor(between(d, -127, 128)));
    scale[f] = (float)(all ? own : own * between(d, 0.2, 2));
    bias[f] = (int32_t)between(d, -spread, spread);
    if (kind >= 0.2 && kind < 0.203) bias[f] = kind < 0.2015 ? HUGE_BIAS : -HUGE_BIAS; /* plain loops alone */
  }
  draw_idle(d, node, w, bias, spread);
  put_scale(d, node, d->scale[node->in[0]->id] * own * spread / between(d, 20, 90), any_zero(d));
  if (weight->owner != node) return; /* its arrays are another layer's */
  put_array(d, weight->name, "I8", weight->rank, weight->dim, w, (size_t)weight->size);
  put_array(d, arena_printf(d->arena, "%s.scale", weight->name), "F32", 1, all ? &one : &filters, scale,
            sizeof *scale * (size_t)(all ? 1 : filters));
  put_array(d, arena_printf(d->arena, "%s.bias", node->name), "I32", 1, &filters, bias,
            sizeof *bias * (size_t)filters);
}

static void draw_floats(Drawing *d, const Weight *weight, const Node *node) {
  if (!weight || weight->owner != node) return;
  float *values = NEW_ARRAY(d->arena, float, weight->size);
  for (int64_t i = 0; i < weight->size; i++) values[i] = (float)between(d, -0.5, 1);
  put_array(d, weight->name, "F32", weight->rank, weight->dim, values, sizeof *values * (size_t)weight->size);
}

/* Of a function: what it makes of the ends and of some numbers between. */
static void draw_function(Drawing *d, const Node *node) {
  enum { STEPS = 64 };
  double lo = 0, hi = 0;
  double weight[MOST_WEIGHTS] = {0};
  for (int k = 0; k < node->nweights; k++) {
    const Weight *parameter = node->weight[k];
    if (!parameter) continue;
    float *values = NEW_ARRAY(d->arena, float, parameter->size);
    for (int64_t i = 0; i < parameter->size; i++) values[i] = (float)between(d, -0.5, 1);
    weight[k] = (double)values[0];
    if (parameter->owner == node)
      put_array(d, parameter->name, "F32", parameter->rank, parameter->dim, values,
                sizeof *values * (size_t)parameter->size);
  }
  for (int i = -STEPS; i <= STEPS; i++) {
    const double x = d->scale[node->in[0]->id] * 2 * i, y = node->op->map_eval(node, &x, weight, 0);
    if (isfinite(y)) lo = fmin(lo, y), hi = fmax(hi, y);
  }
  const double scale = hi > lo ? (hi - lo) / 255 : 0.01;
  put_scale(d, node, scale, (int)fmin(127, fmax(-128, -128 - lo / scale)));
}

/* ---- which values have a scale ---- */
static bool is_output(const Drawing *d, const Node *node) {
  for (int o = 0; o < d->graph->outputs.n; o++)
    if (d->graph->outputs.data[o].node == node) return true;
  return false;
}

/* Layers of this name stay in floats. */
static bool is_kept(const Node *node) {
  return node->op->int8 == INT8_PRODUCT && (strncmp(node->name, "kept", 4) == 0 || node->shape.regions);
}

static bool takes_bounds(const Node *node) {
  return node->op->int8 == INT8_PRODUCT || node->op->int8 == INT8_SUM || node->op->int8 == INT8_DIFFERENCE ||
         node->op->int8 == INT8_MULTIPLY;
}

/* What is done where the layer before it is rounded, as batchnorm and relu behind a convolution. */
static bool is_fused(const Drawing *d, const Node *node) {
  if (node->nin != 1 || !node->in[0]->nin) return false;
  const Node *before = node->in[0];
  if (d->uses[before->id] != 1 || is_output(d, before) || is_kept(before) ||
      before->precision == PRECISION_F32)
    return false;
  if (node->op->fold == FOLD_SCALE) return before->op->int8 == INT8_PRODUCT;
  if (node->op->int8 != INT8_RELU && node->op->int8 != INT8_RELU6) return false;
  return takes_bounds(before) || (d->fused[before->id] && before->op->fold == FOLD_SCALE);
}

static bool keeps_scale(const Node *node) { /* the identity, and zeros around */
  int64_t before[2], after[2];
  return (node->op->identity && node->op->identity(node)) ||
         (node->op->border && node->op->border(node, before, after) && before[0] >= 0 && before[1] >= 0 &&
          after[0] >= 0 && after[1] >= 0);
}

/* A value that joins others has a scale that none of them is far above. */
static void draw_joined(Drawing *d, const Node *node) {
  double most = 0;
  for (int k = 0; k < node->nin; k++) most = fmax(most, d->scale[node->in[k]->id]);
  put_scale(d, node, most * between(d, 0.7, 1.5), any_zero(d));
}

static void draw_value(Drawing *d, const Node *node) {
  const double first = node->nin ? d->scale[node->in[0]->id] : 0,
               second = node->nin > 1 ? d->scale[node->in[1]->id] : 0;
  d->fused[node->id] = is_fused(d, node);
  d->scale[node->id] = first;
  if (d->fused[node->id] || keeps_scale(node)) return;
  if (node->op == &op_input)
    put_scale(d, node, between(d, 0.005, 0.03), node->port->elem == U8 ? -128 : any_zero(d));
  else if (is_kept(node)) {
    for (int k = 0; k < node->nweights; k++) draw_floats(d, node->weight[k], node);
    put_scale(d, node, 0.05, any_zero(d));
  } else if (node->op->int8 == INT8_PRODUCT) draw_weights(d, node);
  else if (node->nin == 2 && (node->op->int8 == INT8_SUM || node->op->int8 == INT8_DIFFERENCE))
    put_scale(d, node, fmax(first, second) * between(d, 0.9, 1.8), any_zero(d));
  else if (node->nin == 2 && node->op->int8 == INT8_MULTIPLY)
    put_scale(d, node, first * second * between(d, 60, 140), any_zero(d));
  else if (node->op->int8 == INT8_SOFTMAX || node->op->int8 == INT8_UNIT) d->scale[node->id] = 1 / 256.0;
  else if (node->op->int8 == INT8_SIGNED) d->scale[node->id] = 1 / 128.0;
  else if (node->op->int8 == INT8_MOVE && node->nin > 1) draw_joined(d, node);
  else if (node->op->int8 == INT8_LARGEST || node->op->int8 == INT8_MEAN || node->op->int8 == INT8_MOVE) {
    if (sample_number(&d->state) < 0.4) put_scale(d, node, first * between(d, 0.7, 1.5), any_zero(d));
  } else if (node->nin == 1 && node->op->family == FAMILY_MAP) draw_function(d, node);
  else { /* computed in floats */
    for (int k = 0; k < node->nweights; k++) draw_floats(d, node->weight[k], node);
    put_scale(d, node, 0.02, any_zero(d));
  }
}

bool int8_draw(Arena *arena, const Graph *graph, const char *path, const char *rounding, uint64_t seed) {
  Drawing d = {.arena = arena,
               .graph = graph,
               .state = seed * 2 + 1,
               .scale = NEW_ARRAY(arena, double, graph->nodes.n + 1),
               .fused = NEW_ARRAY(arena, bool, graph->nodes.n + 1),
               .uses = graph_live(arena, graph, 0, NULL),
               .header = {.arena = arena},
               .data = {.arena = arena}};
  text_put(&d.header,
           "{\"__metadata__\":{\"cnnc.quantization\":\"{\\\"version\\\":1,\\\"rounding\\\":\\\"%s\\\"}\"}",
           rounding);
  for (int i = 0; i < graph->nodes.n; i++)
    if (d.uses[i]) draw_value(&d, graph->nodes.data[i]);
  text_put(&d.header, "}");
  while (d.header.n % 8) text_put(&d.header, " ");
  FILE *file = fopen(path, "wb");
  unsigned char length[8];
  for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)d.header.n >> (8 * i));
  if (!file) return false;
  const bool written = fwrite(length, 1, 8, file) == 8 &&
                       fwrite(d.header.s, 1, d.header.n, file) == d.header.n &&
                       fwrite(d.data.n ? d.data.s : "", 1, d.data.n, file) == d.data.n;
  return !fclose(file) && written;
}
