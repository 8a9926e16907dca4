/* calibrate.c: Calibration, node by node: scales of stored values, and int8 weights with folded batchnorm.
 * quantize/values.c reads the result. */
// SPDX-License-Identifier: Apache-2.0
#include "quantize/calibrator.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "base/text.h"
#include "graph/bf16.h"
#include "ops/activation/lines.h"
#include "ops/arithmetic/combine.h"
#include "ops/detection/box.h"
#include "ops/registry.h"
#include "ops/int8/int8.h"
#include "quantize/quantize.h"
#include "base/arithmetic.h"

/* ---- values ---- */
/* The range of a value without a recorded range. If the operator only moves, pools or averages elements: the
 * range of its operand. If it is a function with a known range (softmax, sigmoid, tanh): this range. NULL:
 * there is none. */
static const Observed *observed_input(const Calibrator *k, const Node *node) {
  static const Observed unit = {.hi = 1}, both = {.lo = -1, .hi = 1};
  const Observed *seen = NULL;
  while (!seen && node->nin == 1) {
    const Int8Form form = node->op->traits.int8;
    if (form == INT8_UNIT || form == INT8_SOFTMAX) return &unit;
    if (form == INT8_SIGNED) return &both;
    if (form != INT8_LARGEST && form != INT8_MEAN && form != INT8_MOVE && !node->op->traits.padding &&
        !node->op->traits.repeats && !(node->op->identity && node->op->identity(node)))
      return NULL;
    node = node->in[0];
    seen = table_find(k->observed, node->name);
  }
  return seen;
}

static const Observed *seen_of(Calibrator *k, const Node *node) {
  static const Observed anything = {.hi = 1};
  if (!k->observed) return &anything;
  const Observed *seen = table_find(k->observed, node->name);
  if (!seen) seen = observed_input(k, node);
  if (!seen && !k->made->missing) k->made->missing = node->name;
  return seen;
}

Chosen *calibrate_as(Calibrator *k, const Node *node, const Node *last, Quant quant, double cut) {
  arrays_add_scale(&k->made->arrays, node->name, quant.scale, quant.zero);
  k->quant[node->id] = quant;
  vec_push(k->arena, k->made->chosen,
           ((Chosen){.name = node->name,
                     .node = node,
                     .last = last,
                     .wide = quant.wide,
                     .scale = quant.scale,
                     .zero = quant.zero,
                     .cut = cut}));
  return &k->made->chosen.data[k->made->chosen.n - 1];
}

Quant calibrate_between(double lo, double hi, bool wide) {
  if (wide) return (Quant){.scale = (float)(fmax(-lo, hi) / INT16_MAX), .wide = true};
  const float scale = (float)((hi - lo) / 255);
  const double zero = round(INT8_MIN - lo / (double)scale);
  return (Quant){.scale = scale, .zero = (int32_t)fmin(INT8_MAX, fmax(INT8_MIN, zero))};
}

/* ---- int16 ---- */
bool calibrate_can_widen(const Node *node) {
  switch (node->op->traits.int8) {
  case INT8_PRODUCT:
  case INT8_MATMUL: return true;
  case INT8_SUM:
  case INT8_DIFFERENCE:
  case INT8_MULTIPLY: return combine_has_int8(node);
  default: return node_is_input(node) && !port_is_bytes(node->port);
  }
}

/* Whether the caller gets the value as i8 or u8. */
static bool is_byte_output(const Calibrator *k, const Node *node) {
  for (int o = 0; o < k->graph->outputs.n; o++) {
    const Port *port = &k->graph->outputs.data[o];
    if (port->node == node && (port->as == AS_I8 || port->as == AS_U8)) return true;
  }
  return false;
}

/* Whether the value, or its result after a chain of clamps and moves, is an output as i8 or u8. */
static bool ends_in_bytes(const Calibrator *k, const Node *node) {
  if (is_byte_output(k, node)) return true;
  const Node *reader = NULL;
  for (int i = node->id + 1; k->uses[node->id] == 1 && i < k->graph->nodes.n && !reader; i++) {
    const Node *next = k->graph->nodes.data[i];
    if (k->uses[i] && next->nin == 1 && next->in[0] == node) reader = next;
  }
  if (!reader) return false;
  const Int8Form form = reader->op->traits.int8;
  return (form == INT8_RELU || form == INT8_RELU6 || form == INT8_MOVE) && ends_in_bytes(k, reader);
}

/* Whether the value should be int16. A precision in the program overrides the options. Without a precision,
 * a value that ends as i8 or u8 output is int8; other moves of int16 values are int16. */
static bool wants_wide(const Calibrator *k, const Node *node) {
  if (node->op->traits.int8 == INT8_RECURRENT || node->op->traits.int8 == INT8_SVDF) return false;
  if (node_is_input(node) && port_is_bytes(node->port)) return false;
  if (node->precision != PRECISION_GIVEN) return node->precision == PRECISION_I16;
  bool joined = false;
  for (int i = 0; i < node->nin; i++)
    joined |= node->op->traits.int8 == INT8_MOVE && k->quant[node->in[i]->id].wide;
  return (joined || k->how->all_wide || table_find(k->how->wide, node->name)) && !ends_in_bytes(k, node);
}

static bool is_stored_as_int8(const Node *node) { /* whether the node normalizes a u8 input */
  const Node *in = node->nin ? node->in[0] : NULL;
  return node->op->traits.fold == FOLD_NORMALIZE && node_is_input(in) && in->port->elem == U8;
}

/* Whether a softmax, or a function other than relu and relu6, stays float because its operand or result would
 * be int16. For normalized u8 inputs, int8 is sufficient, unless the program specifies i16. */
static bool too_wide(const Calibrator *k, const Node *node) {
  if (is_stored_as_int8(node) && node->precision != PRECISION_I16) return false;
  const bool function = node->op->family == FAMILY_MAP && node->nin == 1 && node->op->map_eval &&
                        node->op->traits.int8 != INT8_RELU && node->op->traits.int8 != INT8_RELU6;
  return (function || node->op->traits.int8 == INT8_SOFTMAX) &&
         (k->quant[node->in[0]->id].wide || wants_wide(k, node));
}

/* Sets the quantization of a function with a known range. The weight file does not contain the scale. */
static void known_quant(Calibrator *k, const Node *node, Quant quant) {
  const Chosen chosen = {
      .name = node->name, .node = node, .last = node, .scale = quant.scale, .zero = quant.zero};
  k->quant[node->id] = quant;
  if (!k->weights) vec_push(k->arena, k->made->chosen, chosen);
}

/* Whether `node` is fused into the rounding of the layer that computes its operand `of`, as in
 * quantize/scales.c. bounded: the layer already has a fused relu or relu6. */
static bool fuses_into(const Calibrator *k, const Node *of, const Node *node, bool bounded) {
  const int reads = k->uses[of->id];
  for (int o = 0; o < k->graph->outputs.n; o++)
    if (k->graph->outputs.data[o].node == of) return false;
  if (reads != 1 || node->nin != 1 || node->in[0] != of || node_given_as_float(node)) return false;
  if (node->op->identity && node->op->identity(node)) return true;
  return !bounded && (node->op->traits.int8 == INT8_RELU || node->op->traits.int8 == INT8_RELU6);
}

bool weights_are_shared(const Graph *graph, const int *uses, const Node *node) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *other = graph->nodes.data[i];
    if (!uses[i] || other == node) continue;
    for (int k = 0; k < smaller(node->nweights, other->nweights); k++)
      if (node->weight[k] && other->weight[k] == node->weight[k]) return true;
  }
  return false;
}

typedef VEC(const Node *) Norms;

/* Returns the last node that is fused after `node`, or `node` itself. norms: NULL, or gets the fused
 * batchnorms. */
static const Node *ending(Calibrator *k, const Node *node, Norms *norms) {
  const Node *last = node;
  bool bounded = false;
  for (const Node *next; (next = k->reader[last->id]) != NULL; last = next) {
    const bool norm = norms && !bounded && next->op->traits.fold == FOLD_SCALE &&
                      !node_given_as_float(next) && k->uses[last->id] == 1 && next->in[0] == last &&
                      !weights_are_shared(k->graph, k->uses, next);
    if (!norm && !fuses_into(k, last, next, bounded)) break;
    if (norm) vec_push(k->arena, *norms, next);
    bounded |= next->op->traits.int8 == INT8_RELU || next->op->traits.int8 == INT8_RELU6;
    k->fused[next->id] = true;
  }
  return last;
}

/* Whether a softmax reads the value, directly or after moves. */
static bool is_for_softmax(const Calibrator *k, const Node *node) {
  for (int i = node->id + 1; i < k->graph->nodes.n; i++) {
    const Node *reader = k->graph->nodes.data[i];
    for (int j = 0; j < reader->nin && k->uses[i]; j++)
      if (reader->in[j] == node && (reader->op->traits.int8 == INT8_SOFTMAX ||
                                    (reader->op->traits.int8 == INT8_MOVE && is_for_softmax(k, reader))))
        return true;
  }
  return false;
}

/* The least scale that the compiler supports for the node's value. unit: the largest scale of its sums, or of
 * its operands. With this scale or a smaller one, nearly all of its numbers saturate, or are equal. */
static double calibrate_least(const Calibrator *k, const Node *node, double unit, bool wide) {
  static const double FAR = 0x1p-100, WIDE = 0x1p-13, FLOATS = 0x1p-15, SOFTMAX = 0x1p-25;
  const bool sums = node->op->traits.int8 == INT8_SUM || node->op->traits.int8 == INT8_DIFFERENCE,
             floats = strcmp(k->how->rounding, rounding_name(ROUNDING_FLOAT)) == 0;
  double least = fmax((double)FLT_MIN, unit * FAR);
  if (wide) least = fmax(least, unit * WIDE);
  if (sums && floats) least = fmax(least, unit * FLOATS);
  return !wide && is_for_softmax(k, node) ? fmax(least, SOFTMAX) : least;
}

static double largest_operand_scale(const Calibrator *k, const Node *node) {
  double most = 0;
  for (int i = 0; i < node->nin; i++) most = fmax(most, (double)k->quant[node->in[i]->id].scale);
  return most;
}

/* Like calibrate_seen, for the value of a layer; unit: the largest scale of its sums. */
static Chosen *calibrate_sums(Calibrator *k, const Node *node, const Node *last, double unit) {
  const Node *range_of_all = last;
  while (k->join[range_of_all->id]) range_of_all = k->join[range_of_all->id];
  const Observed *seen = seen_of(k, range_of_all);
  if (!seen) return NULL;
  const bool wide = wants_wide(k, node);
  const SeenRange range = range_of(k->how, seen, wide);
  const double steps = wide ? INT16_MAX : 255, width = wide ? fmax(-range.lo, range.hi) : range.hi - range.lo,
               wider = fmax(1, calibrate_least(k, node, unit, wide) * steps / width);
  Chosen *chosen =
      calibrate_as(k, node, last, calibrate_between(range.lo * wider, range.hi * wider, wide), range.cut);
  chosen->seen = range_of_all;
  return chosen;
}

Chosen *calibrate_seen(Calibrator *k, const Node *node, const Node *last) {
  return calibrate_sums(k, node, last, largest_operand_scale(k, node));
}

/* ---- layers ---- */
enum { NORM_WEIGHT, NORM_BIAS, NORM_MEAN, NORM_VARIANCE };

static double parameter(const Calibrator *k, const Node *node, int w, int64_t i, double otherwise) {
  const Weight *weight = w < node->nweights ? node->weight[w] : NULL;
  return weight ? (double)k->weights[weight->offset + i] : otherwise;
}

/* The gain of a batchnorm that is folded into a layer: w' = w * gain, b' = (b - mean) * gain + shift. */
static double norm_gain(const Calibrator *k, const Node *norm, int64_t f) {
  return parameter(k, norm, NORM_WEIGHT, f, 1) /
         sqrt(parameter(k, norm, NORM_VARIANCE, f, 1) + arg_number(norm, "epsilon"));
}

typedef struct Layer {
  int64_t filters, terms, inputs; /* inputs: input channels per filter */
  double *weight, *bias;
  bool *nothing; /* by filter: its weights are negligible and replaced by zeros */
} Layer;

static Layer folded_layer(Calibrator *k, const Node *node, int nnorms, const Node *const *norm) {
  const Weight *weight = node->weight[0];
  const bool spreads = node->op->family == FAMILY_CONV_SCATTER;
  Layer l = {.filters = int8_filters(node), .inputs = weight->dim[1]};
  l.terms = weight->size / l.filters;
  if (spreads) l.inputs = weight->dim[0] / node->window->groups;
  l.weight = NEW_ARRAY(k->arena, double, weight->size);
  l.bias = NEW_ARRAY(k->arena, double, l.filters);
  l.nothing = NEW_ARRAY(k->arena, bool, l.filters);
  for (int64_t f = 0; f < l.filters; f++) {
    double gain = 1, bias = parameter(k, node, 1, f, 0);
    for (int i = 0; i < nnorms; i++) {
      const double own = norm_gain(k, norm[i], f);
      gain *= own;
      bias = (bias - parameter(k, norm[i], NORM_MEAN, f, 0)) * own + parameter(k, norm[i], NORM_BIAS, f, 0);
    }
    l.bias[f] = bias;
    for (int64_t i = 0; i < l.terms; i++)
      l.weight[f * l.terms + i] = gain * (double)k->weights[weight->offset + int8_weight_index(node, f, i)];
  }
  return l;
}

/* A filter whose weights are negligible compared with the weights of other filters is replaced by zeros, to
 * avoid a tiny scale. */
static const double NOTHING = 1e-6;

static double weight_most(const Calibrator *k) { return k->how->reduced ? 64 : INT8_MAX; }

double calibrate_stored_weight(const Calibrator *k, double w, double scale) {
  return fmax(-weight_most(k), fmin(weight_most(k), round(w / scale)));
}

static double folded_weight(const Calibrator *k, const Layer *l, int64_t f, int64_t i, double scale) {
  return l->nothing[f] ? 0 : calibrate_stored_weight(k, l->weight[f * l->terms + i], scale);
}

static double rounding_error(const Calibrator *k, const double *w, int64_t n, double scale) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    const double off = w[i] - scale * calibrate_stored_weight(k, w[i], scale);
    sum += off * off;
  }
  return sum;
}

/* The scale fits the largest weight. With RANGE_MSE, it is smaller if clipping the largest weights reduces
 * the squared error. */
double calibrate_filter_scale(const Calibrator *k, const double *w, int64_t n, double most) {
  enum { PARTS = 128 };
  double best = most / weight_most(k), least = rounding_error(k, w, n, best);
  for (int part = PARTS - 1; k->how->range == RANGE_MSE && part >= PARTS / 2; part--) {
    const double scale = most * part / (double)PARTS / weight_most(k), error = rounding_error(k, w, n, scale);
    if (error >= least) continue;
    least = error;
    best = scale;
  }
  return best;
}

/* The average shift of a filter's sum that is caused by the rounding of its weights: the sum, over the
 * weights, of the input's mean times the rounding error. */
static double mean_shift(const Calibrator *k, const Node *node, const Layer *l, double scale, int64_t f) {
  const Observed *seen = table_find(k->observed, node->in[0]->name);
  const int64_t group = node->window ? f / (l->filters / node->window->groups) : 0,
                taps = l->terms / l->inputs;
  double sum = 0;
  if (!seen || k->how->no_correction) return 0;
  for (int64_t i = 0; i < l->terms; i++) {
    const int64_t channel = (group * l->inputs + i / taps) % seen->channels;
    sum += seen->mean[channel] * (folded_weight(k, l, f, i, scale) * scale - l->weight[f * l->terms + i]);
  }
  return sum;
}

static double corrected_bias(const Calibrator *k, const Node *node, const Layer *l, double scale, int64_t f) {
  const double unit = (double)k->quant[node->in[0]->id].scale * scale;
  return round((l->bias[f] - mean_shift(k, node, l, scale, f)) / unit);
}

static double products_most(const Calibrator *k, const Node *node, const Layer *l, double scale, int64_t f) {
  const Quant in = k->quant[node->in[0]->id];
  const double reach = in.wide ? -INT16_MIN : fmax(in.zero - INT8_MIN, INT8_MAX - in.zero);
  double sum = 0;
  for (int64_t i = 0; i < l->terms; i++) sum += fabs(folded_weight(k, l, f, i, scale));
  return reach * sum;
}

static const double FAR = 0x1p46; /* 2^WIDE_SUM_BITS / 2: half of the maximum sum of an int16 layer */

/* Returns `scale` if the filter's |bias| plus the maximum of its sum of products is within the limit,
 * INT32_MAX (in int16 layers: FAR). Otherwise returns a larger scale, with which this sum is at most half the
 * limit. */
static float scale_with_room(const Calibrator *k, const Node *node, const Layer *l, bool wide, float scale,
                             int64_t f) {
  static const double GROWTH = 1.25;
  const double limit = wide ? FAR : INT32_MAX;
  double bias = fabs(corrected_bias(k, node, l, (double)scale, f));
  if (bias + products_most(k, node, l, (double)scale, f) <= limit) return scale;
  scale *= (float)fmax(1, 2 * bias / limit);
  while (isfinite(scale)) {
    bias = fabs(corrected_bias(k, node, l, (double)scale, f));
    if (bias + products_most(k, node, l, (double)scale, f) <= limit / 2) break;
    scale *= (float)GROWTH;
  }
  return scale;
}

static void choose_scales(const Calibrator *k, const Node *node, const Layer *l, bool wide, float *scale) {
  static const double NO_WEIGHTS = 0x1p-16; /* scale of a filter that has only a bias */
  double most = 0;
  float largest = 0;
  for (int64_t i = 0; i < l->filters * l->terms; i++) most = fmax(most, fabs(l->weight[i]));
  for (int64_t f = 0; f < l->filters; f++) {
    double own = 0;
    for (int64_t i = 0; i < l->terms; i++) own = fmax(own, fabs(l->weight[f * l->terms + i]));
    l->nothing[f] = own <= NOTHING * most;
    const double tight = l->nothing[f] || k->how->per_tensor
                             ? (most > 0 ? most / weight_most(k) : NO_WEIGHTS)
                             : calibrate_filter_scale(k, l->weight + f * l->terms, l->terms, own);
    scale[f] = scale_with_room(k, node, l, wide, (float)fmax(tight, (double)FLT_MIN), f);
    largest = fmaxf(largest, scale[f]);
  }
  for (int64_t f = 0; f < l->filters && k->how->per_tensor; f++) scale[f] = largest;
}

static void store_weights(Calibrator *k, const Node *node, const Layer *l, const float *scale) {
  const Weight *weight = node->weight[0];
  int8_t *q = NEW_ARRAY(k->arena, int8_t, weight->size);
  for (int64_t f = 0; f < l->filters; f++)
    for (int64_t i = 0; i < l->terms; i++)
      q[int8_weight_index(node, f, i)] = (int8_t)folded_weight(k, l, f, i, (double)scale[f]);
  const int64_t one = 1;
  arrays_add(&k->made->arrays, weight->name, I8, weight->rank, weight->dim, q);
  arrays_add(&k->made->arrays, arena_printf(k->arena, "%s.scale", weight->name), F32, 1,
             k->how->per_tensor ? &one : &l->filters, scale);
}

static void calibrate_layer(Calibrator *k, const Node *node) {
  Norms norms = {0};
  const Node *last = ending(k, node, &norms);
  for (int i = 0; i < norms.n; i++) vec_push(k->arena, k->made->norms, norms.data[i]);
  if (!k->weights) {
    calibrate_seen(k, node, last);
    return;
  }
  const Layer l = folded_layer(k, node, norms.n, norms.data);
  float *scale = NEW_ARRAY(k->arena, float, l.filters);
  const bool wide = wants_wide(k, node) || k->quant[node->in[0]->id].wide;
  int32_t *bias = NEW_ARRAY(k->arena, int32_t, l.filters);
  int64_t *wide_bias = NEW_ARRAY(k->arena, int64_t, l.filters);
  choose_scales(k, node, &l, wide, scale);
  store_weights(k, node, &l, scale);
  double most = 0;
  for (int64_t f = 0; f < l.filters; f++) {
    most = fmax(most, (double)scale[f]);
    const double b = corrected_bias(k, node, &l, (double)scale[f], f);
    bias[f] = (int32_t)fmax(-INT32_MAX, fmin(INT32_MAX, b));
    wide_bias[f] = (int64_t)fmax(-FAR, fmin(FAR, b));
  }
  const Weight *own = node->nweights > 1 ? node->weight[1] : NULL;
  arrays_add(&k->made->arrays, own ? own->name : arena_printf(k->arena, "%s.bias", node->name),
             wide ? I64 : I32, 1, &l.filters, wide ? (const void *)wide_bias : bias);
  Chosen *chosen = calibrate_sums(k, node, last, most * (double)k->quant[node->in[0]->id].scale);
  if (!chosen) return;
  chosen->bytes_before = 4 * (node->weight[0]->size + l.filters);
  chosen->bytes = node->weight[0]->size + (wide ? 8 : 4) * l.filters;
}

/* ---- nodes ---- */
/* Sets the scale of a normalized u8 input, whose range follows from the arguments of the node. False: the
 * node is not a normalized u8 input. */
static bool put_byte_input(Calibrator *k, const Node *node) {
  double lo = 0, hi = 0;
  if (!is_stored_as_int8(node)) return false;
  for (int64_t c = 0; c < shape_extent(node->shape).c; c++)
    for (int end = 0; end < 2; end++) {
      const double x = end ? UINT8_MAX : 0, y = node->op->map_eval(node, &x, NULL, c);
      lo = fmin(lo, y);
      hi = fmax(hi, y);
    }
  calibrate_as(k, node, node, calibrate_between(lo, hi, false), 0);
  return true;
}

static bool is_put(const Calibrator *k, const Weight *weight) {
  for (int i = 0; i < k->made->arrays.list.n; i++)
    if (strcmp(k->made->arrays.list.data[i].name, weight->name) == 0) return true;
  return false;
}

/* Adds the node's parameters as floats; a parameter that several nodes share is added once. */
static void put_parameters(Calibrator *k, const Node *node) {
  for (int w = 0; w < node->nweights; w++) {
    const Weight *weight = node->weight[w];
    if (weight && k->weights && !is_put(k, weight))
      arrays_add(&k->made->arrays, weight->name, F32, weight->rank, weight->dim, k->weights + weight->offset);
  }
}

/* ---- nodes that stay float ---- */
bool calibrate_is_layer(const Node *node) {
  return node->op->traits.int8 == INT8_PRODUCT || node->op->traits.int8 == INT8_RECURRENT ||
         node->op->traits.int8 == INT8_SVDF;
}

bool calibrate_has_bf16(const Calibration *how, const Node *node) {
  return node_has_products(node) &&
         (node->precision == PRECISION_BF16 || (node->precision == PRECISION_GIVEN && how->bf16));
}

/* Whether the node is a layer that stays float. Layers that share weights stay float, because their biases
 * would need different scales. */
static bool keeps_float(const Calibrator *k, const Node *node) {
  return calibrate_is_layer(node) &&
         (node_given_as_float(node) || table_find(k->how->keep, node->name) || k->boxes[node->id] ||
          weights_are_shared(k->graph, k->uses, node) || !calibrate_has_form(k, node));
}

/* Whether an int8 layer reads the value, directly or after identities (dropout), or the caller gets the value
 * as i8 or u8. */
static bool needs_int8(const Calibrator *k, const Node *node) {
  if (is_byte_output(k, node)) return true;
  for (int i = node->id + 1; i < k->graph->nodes.n; i++) {
    const Node *reader = k->graph->nodes.data[i];
    for (int j = 0; j < reader->nin && k->uses[i]; j++) {
      if (reader->in[j] != node) continue;
      if (reader->op->identity && reader->op->identity(reader)
              ? needs_int8(k, reader)
              : calibrate_is_layer(reader) && !keeps_float(k, reader))
        return true;
    }
  }
  return false;
}

static bool is_of_features(const Calibrator *, const Node *reader);

/* Whether the value has users that all satisfy the condition, and is not an output. */
static bool all_readers(const Calibrator *k, const Node *node,
                        bool (*condition)(const Calibrator *, const Node *)) {
  int readers = 0;
  for (int i = node->id + 1; i < k->graph->nodes.n; i++) {
    const Node *reader = k->graph->nodes.data[i];
    for (int j = 0; j < reader->nin && k->uses[i]; j++)
      if (reader->in[j] == node) {
        if (!condition(k, reader)) return false;
        readers++;
      }
  }
  return readers && readers == k->uses[node->id];
}

/* Whether the node computes an audio feature, or is a function or move that only audio features use. */
static bool is_of_features(const Calibrator *k, const Node *reader) {
  const bool passes = reader->op->family == FAMILY_MAP || reader->op->traits.int8 == INT8_MOVE;
  return reader->op->traits.features ||
         (passes && reader->nin == 1 && all_readers(k, reader, is_of_features));
}

static bool is_float_reader(const Calibrator *k, const Node *reader) {
  return keeps_float(k, reader) || is_of_features(k, reader);
}

/* Whether only float nodes use the value, so that it needs no scale. */
static bool has_only_float_readers(const Calibrator *k, const Node *node) {
  return all_readers(k, node, is_float_reader);
}

#ifdef __wasi__ /* the browser build, which must stay small, does not quantize */
static bool value_is_boxes(const Calibrator *k, const Node *node) { return (void)k, (void)node, false; }
#else
static bool uses_boxes(const Calibrator *k, const Node *reader) {
  return k->boxes[reader->id] || reader->op == &op_decode || reader->op->traits.detects != DETECTS_NOTHING;
}

/* Whether the value contains boxes, which are computed and used in float. */
static bool value_is_boxes(const Calibrator *k, const Node *node) {
  return node->op->traits.int8 == INT8_NONE && node->op->family != FAMILY_MAP &&
         all_readers(k, node, uses_boxes);
}
#endif

static void calibrate_floats(Calibrator *k, const Node *node) {
  put_parameters(k, node);
  if (keeps_float(k, node)) {
    const bool bf16 = calibrate_has_bf16(k->how, node);
    int64_t bytes = 0, halves = 0;
    for (int w = 0; w < node->nweights; w++) {
      bytes += node->weight[w] ? 4 * node->weight[w]->size : 0;
      halves += bf16 && node_multiplies_weight(node, w) ? 2 * node->weight[w]->size : 0;
    }
    const Chosen chosen = {.name = node->name,
                           .node = node,
                           .last = node,
                           .kept = true,
                           .gates = calibrate_sums_beyond(k, node) > 0,
                           .cut = calibrate_sums_beyond(k, node),
                           .bytes_before = bytes,
                           .bytes = bytes - halves};
    vec_push(k->arena, k->made->chosen, chosen);
  }
  /* the quantizer computes a function of an int8 value in float only if the result is int16 */
  const bool widens = too_wide(k, node) && !k->real[node->in[0]->id] && !k->quant[node->in[0]->id].wide;
  k->real[node->id] = !needs_int8(k, node) && !widens;
  if (!k->real[node->id]) calibrate_seen(k, node, node);
}

static bool reads_floats(const Calibrator *k, const Node *node) {
  const bool selects = node->op->traits.int8 == INT8_GATHER; /* the index of a gather is always float */
  for (int j = 0; j < (selects ? 1 : node->nin); j++)
    if (k->real[node->in[j]->id] && !(node_is_state(node->in[j]) && node->in[j]->kept)) return true;
  return false;
}

/* The node that computes the next value of a state, before moves; without an update, the state itself. */
static const Node *updating_node(const Graph *graph, const Node *state) {
  const Node *update = graph_update(graph, state->port->index), *node = update ? update->in[0] : state;
  while (node_is_update(node) || (node->op->traits.int8 == INT8_MOVE && node->nin == 1)) node = node->in[0];
  return node;
}

/* A state gets the scale of its update, so that the update is a copy. But if a concat reads the state, the
 * state gets the range of the concat. */
static void calibrate_state(Calibrator *k, const Node *state) {
  const Int8Form form = updating_node(k->graph, state)->op->traits.int8;
  const bool known = form == INT8_SOFTMAX || form == INT8_UNIT || form == INT8_SIGNED;
  if (!known || k->join[state->id] != updating_node(k->graph, state)) calibrate_seen(k, state, state);
  else
    calibrate_as(
        k, state, state,
        form == INT8_SIGNED ? (Quant){.scale = 1 / 128.0f} : (Quant){.scale = 1 / 256.0f, .zero = -128}, 0);
}

static void join_states(Calibrator *k) {
  for (int i = 0; i < graph_states(k->graph); i++) {
    const Node *state = graph_state(k->graph, i), *made = updating_node(k->graph, state);
    if (!state->kept && !k->join[state->id] && !node_is_state(made)) k->join[state->id] = made;
  }
}

static void calibrate_value(Calibrator *k, const Node *node) {
  static const Quant SHARE = {.scale = 1 / 256.0f, .zero = -128};
  int64_t factor[2];
  if (node->nin) k->quant[node->id] = k->quant[node->in[0]->id];
  if (node->nin) k->real[node->id] = k->real[node->in[0]->id];
  if (k->fused[node->id] || (node->op->identity && node->op->identity(node)) || node_is_update(node)) return;
  if (node_is_state(node)) {
    k->real[node->id] = node->kept; /* the state of a layer is handled with the layer */
    if (!node->kept) calibrate_state(k, node);
    return;
  }
  if (node->op == &op_whole) return;
  if (calibrate_indices(k, node, has_only_float_readers(k, node))) return;
  /* the int8 form of a sum, difference or product needs a scale, also if only float nodes use the value */
  const bool function = node->op->family == FAMILY_MAP && !combine_has_int8(node),
             alone = has_only_float_readers(k, node) && !calibrate_is_layer(node) &&
                     (node_is_input(node) ? !port_is_bytes(node->port) : function);
  if (keeps_float(k, node) || reads_floats(k, node) || alone || node_given_as_float(node) ||
      k->boxes[node->id] || value_is_boxes(k, node) || too_wide(k, node)) {
    calibrate_floats(k, node);
    return;
  }
  switch (node->op->traits.int8) {
  case INT8_PRODUCT: calibrate_layer(k, node); return;
  case INT8_RECURRENT: calibrate_recurrent(k, node); return;
  case INT8_SVDF: calibrate_svdf(k, node); return;
  case INT8_SOFTMAX:
    if (lines_length(node) <= SOFTMAX_CHANNELS) known_quant(k, node, SHARE);
    else calibrate_seen(k, node, node); /* computed in float */
    return;
  case INT8_UNIT: known_quant(k, node, SHARE); return;
  case INT8_SIGNED: known_quant(k, node, (Quant){.scale = 1 / 128.0f}); return;
  case INT8_LARGEST:
  case INT8_GATHER:
  case INT8_MEAN: return; /* values of these operators have the scale of their input */
  case INT8_MOVE:
    if (node->nin > 1) calibrate_seen(k, node, node);
    return;
  default: break;
  }
  if (node_is_input(node) && port_is_bytes(node->port))
    calibrate_as(k, node, node, (Quant){.scale = 1, .zero = node->port->elem == U8 ? INT8_MIN : 0}, 0);
  else if (quantize_is_border(node) || (node->op->traits.repeats && node->op->traits.repeats(node, factor)) ||
           put_byte_input(k, node))
    return;
  else {
    put_parameters(k, node);
    const bool rounds = combine_has_int8(node) || (node->op->family == FAMILY_MAP && node->nin == 1);
    calibrate_seen(k, node, rounds ? ending(k, node, NULL) : node);
  }
}

/* The values stored as int16, for the metadata. */
static const char *wide_layers(const Calibrator *k) {
  Text text = {.arena = k->arena};
  for (int i = 0; i < k->made->chosen.n; i++)
    if (k->made->chosen.data[i].wide)
      text_put(&text, "%s\"%s\": {\"precision\": \"i16\"}", text.n ? ", " : "", k->made->chosen.data[i].name);
  for (int i = 0; i < k->made->inner.n; i++)
    text_put(&text, "%s\"%s\": {\"precision\": \"i16\"}", text.n ? ", " : "", k->made->inner.data[i]);
  return text.s;
}

Calibrated *calibrate(Arena *arena, const Graph *graph, const float *weights, const Table *observed,
                      const Calibration *how) {
  const int n = graph->nodes.n + 1;
  Calibrator k = {.arena = arena,
                  .graph = graph,
                  .weights = weights,
                  .observed = observed,
                  .how = how,
                  .made = NEW(arena, Calibrated),
                  .quant = NEW_ARRAY(arena, Quant, n),
                  .fused = NEW_ARRAY(arena, bool, n),
                  .real = NEW_ARRAY(arena, bool, n),
                  .boxes = NEW_ARRAY(arena, bool, n),
                  .join = NEW_ARRAY(arena, const Node *, n),
                  .uses = graph_live(arena, graph, 0, NULL),
                  .reader = NEW_ARRAY(arena, const Node *, n)};
  k.made->arrays.arena = arena;
  k.made->arrays.net = graph->name;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    k.boxes[i] = quantize_has_boxes(node, k.boxes);
    for (int j = 0; j < node->nin && k.uses[i]; j++) {
      k.reader[node->in[j]->id] = node;
      if (node->op->traits.int8 == INT8_MOVE && node->nin > 1) k.join[node->in[j]->id] = node;
    }
  }
  join_states(&k);
  for (int i = 0; i < graph->nodes.n; i++)
    if (k.uses[i] || node_is_input(graph->nodes.data[i])) calibrate_value(&k, graph->nodes.data[i]);
  arrays_quantized(&k.made->arrays, how->rounding, wide_layers(&k), how->bf16 ? "bf16" : NULL);
  return k.made;
}
