/* layers.c: Conversion of layers to int8 and int16: weights from the file, multipliers from the scales, and
 * bounds of all sums, which must not overflow. */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include "base/number.h"
#include "base/text.h"
#include "quantize/quantizer.h"

/* ---- incompatible scales ---- */
static void report_factor(Quantizer *q, const Node *node, bool wide, double in, float out) {
  Diag *diag = diag_report(q->diags, DIAG_scale_mismatch, node->span, node->site,
                           "the scales of %s are incompatible: its sum is multiplied by %g", node->name,
                           in / (double)out);
  diag_fact(diag, "the scale of the sum is %g, that of the result is %g; the factor must be below 2^%d", in,
            (double)out, wide ? WIDE_MULTIPLIER_MOST : FLT_MAX_EXP);
  diag_help(diag, "a scale should be about the largest absolute element / %d: %s.scale is too small",
            wide ? INT16_MAX : INT8_MAX, node->name);
}

/* With float rounding: reports an addend whose scale is too large for the scale of the sum. most: the largest
 * scale of the addends. */
static void report_addends(Quantizer *q, const Node *node, double most, float out) {
  Diag *diag = diag_report(q->diags, DIAG_scale_mismatch, node->span, node->site,
                           "the scales of %s are incompatible: they differ too much", node->name);
  diag_fact(diag, "the largest scale of the addends is %g, that of the sum is %g", most, (double)out);
  diag_fact(diag, "with rounding=float, an addend's scale / the sum's scale must be below 2^%d",
            ADDITION_FLOAT_MOST);
}

bool quant_factor_fits(Quantizer *q, const Node *node, Multiplier factor, bool wide, double in, float out) {
  if (isfinite(factor.real) && (!wide || factor.e <= WIDE_MULTIPLIER_MOST)) return true;
  report_factor(q, node, wide, in, out);
  return false;
}

static Diag *overflow(Quantizer *q, const Node *node, int bits) {
  return diag_report(q->diags, DIAG_int8_overflow, node->span, node->site, "a sum of %s can exceed %d bits",
                     node->name, bits);
}

bool quant_report_sum(Quantizer *q, const Node *node, const Weight *weight, int64_t filter, int64_t terms,
                      double most, int bits) {
  Diag *diag = overflow(q, node, bits);
  diag_fact(diag, "filter %" PRId64 " sums %s products and its bias; the sum can reach %.0f", filter,
            text_thousands(q->arena, terms), most);
  diag_help(diag, "smaller weights with a larger %s.scale avoid this", weight->name);
  return false;
}

/* ---- products ---- */
typedef struct Weights {
  const int8_t *weight;
  const float *scale; /* [filters] or [1] */
  int64_t scales, filters, terms;
  int most; /* maximum absolute weight */
  bool wide;
  const int32_t *bias;      /* of int8 layers */
  const int64_t *wide_bias; /* of int16 layers */
} Weights;

static bool find_bias(Quantizer *q, const Node *node, Weights *w) {
  const Weight *bias = node->nweights > 1 ? node->weight[1] : NULL;
  const char *name = bias ? bias->name : arena_printf(q->arena, "%s.bias", node->name);
  const bool none = !bias && !table_find(&q->file->by_name, name);
  if (w->wide)
    w->wide_bias =
        none ? NEW_ARRAY(q->arena, int64_t, w->filters) : quant_array(q, name, I64, 1, &w->filters);
  else w->bias = none ? NEW_ARRAY(q->arena, int32_t, w->filters) : quant_array(q, name, I32, 1, &w->filters);
  return w->bias || w->wide_bias;
}

static bool weights_in_range(Quantizer *q, const Weight *weight, Weights *w) {
  for (int64_t i = 0; i < weight->size; i++) {
    if (w->weight[i] < -INT8_MAX)
      return quant_problem(q, "%s: has -128; weights must be -127 to 127", weight->name), false;
    if (abs(w->weight[i]) > w->most) w->most = abs(w->weight[i]);
  }
  for (int64_t i = 0; i < w->scales; i++)
    if (!(w->scale[i] > 0) || !isfinite(w->scale[i]))
      return quant_problem(q, "%s.scale: has %g; must be numbers above 0", weight->name, (double)w->scale[i]),
             false;
  return true;
}

static bool find_weights(Quantizer *q, const Node *node, Weights *w) {
  const Weight *weight = node->weight[0];
  const char *scale = arena_printf(q->arena, "%s.scale", weight->name);
  const QuantArray *scales = quant_file_find(q->file, scale);
  w->filters = int8_filters(node);
  w->terms = weight->size / w->filters;
  w->scales = scales && scales->size == 1 ? 1 : w->filters;
  w->weight = quant_array(q, weight->name, I8, weight->rank, weight->dim);
  w->scale = quant_array(q, scale, F32, 1, &w->scales);
  const bool biased = find_bias(q, node, w);
  if (!w->weight || !w->scale || !biased || !weights_in_range(q, weight, w)) return false;
  if (node->op->family != FAMILY_CONV_SCATTER) return true;
  int8_t *by_filter = NEW_ARRAY(q->arena, int8_t, weight->size);
  for (int64_t f = 0; f < w->filters; f++)
    for (int64_t i = 0; i < w->terms; i++)
      by_filter[f * w->terms + i] = w->weight[int8_weight_index(node, f, i)];
  w->weight = by_filter;
  return true;
}

/* Maximum absolute value of any partial sum, in any order of the terms. */
static double largest_filter_sum(const Weights *w, int64_t filter, const Quant *in) {
  double most = fabs(w->wide ? (double)w->wide_bias[filter] : (double)w->bias[filter]);
  const double low = in->zero - (in->wide ? INT16_MIN : INT8_MIN),
               high = (in->wide ? INT16_MAX : INT8_MAX) - in->zero;
  for (int64_t i = 0; i < w->terms; i++)
    most += fabs((double)w->weight[filter * w->terms + i]) * (low > high ? low : high);
  return most;
}

static bool make_factors(Quantizer *q, const Node *node, const Weights *w, const Quant *in, Quant out,
                         Int8Product *p) {
  Multiplier *factor = NEW_ARRAY(q->arena, Multiplier, w->filters);
  for (int64_t f = 0; f < w->filters; f++) {
    const float scale = w->scale[w->scales == 1 ? 0 : f];
    factor[f] = multiplier_of_scales(in->scale, scale, out.scale, p->dense && w->scales == 1);
    if (!quant_factor_fits(q, node, factor[f], w->wide, (double)in->scale * (double)scale, out.scale))
      return false;
    const double most = largest_filter_sum(w, f, in);
    if (w->wide ? most >= (double)(INT64_C(1) << WIDE_SUM_BITS) : most > INT32_MAX)
      return quant_report_sum(q, node, node->weight[0], f, w->terms, most, w->wide ? WIDE_SUM_BITS + 1 : 32);
    factor[f] = multiplier_reaching(factor[f], (int64_t)most);
  }
  p->factor = factor;
  return true;
}

/* Multipliers of an int16 layer as doubles, if the file requires doubles. */
static void make_doubles(Quantizer *q, const Node *node, const Weights *w, const Quant *in, Quant out,
                         Int8Product *p) {
  const Factor kind = quant_file_factor(q->file, node->name);
  if (kind == FACTOR_FIXED) return;
  if (kind == FACTOR_FLOAT || !w->wide)
    quant_problem(q, "%s: its factor in the metadata is not supported for int%s layers", node->name,
                  w->wide ? "16" : "8");
  double *real = NEW_ARRAY(q->arena, double, w->filters);
  for (int64_t f = 0; f < w->filters; f++)
    real[f] = (double)in->scale * (double)w->scale[w->scales == 1 ? 0 : f] / (double)out.scale;
  p->real = real;
}

/* Whether the layer's bias is int64 in the file. Used if the type of the input is unknown after an error. */
static bool has_wide_bias(const Quantizer *q, const Node *node) {
  const Weight *bias = node->nweights > 1 ? node->weight[1] : NULL;
  const QuantArray *array = bias ? table_find(&q->file->by_name, bias->name) : NULL;
  return array && array->known && array->elem == I64;
}

Node *quant_product(Quantizer *q, const Node *node) {
  Node *in = quant_int8_value(q, node->in[0]);
  const StoredForm end = quant_ending(q, node, true);
  Weights w = {.wide = in ? in->quant->wide || end.quant.wide : has_wide_bias(q, node)};
  const bool found = find_weights(q, node, &w);
  if (!in || !found || !end.found) return NULL;
  Int8Product *p = NEW(q->arena, Int8Product);
  *p = (Int8Product){.rounding = quant_file_rounding(q->file, node->name),
                     .stored = stored_of(end.quant.scale, end.quant.zero, end.quant.wide, end.bound),
                     .weight = w.weight,
                     .weight_most = w.most,
                     .bias = w.bias,
                     .wide_bias = w.wide_bias,
                     .dense = node->op->family == FAMILY_DENSE};
  if (!make_factors(q, node, &w, in->quant, end.quant, p)) return NULL;
  make_doubles(q, node, &w, in->quant, end.quant, p);
  const Op *op = node->op->family == FAMILY_CONV_SCATTER ? &op_int8_transposed : &op_int8_product;
  Node *made = quant_node(q, op, node, 1, &in, quant_keep(q, end.quant));
  made->detail = p;
  return made;
}

/* ---- sums and products of values ---- */
/* False, after an error message: the scales are incompatible, or a product could overflow. made: the int8
 * node, which already has its operands. */
static bool check_combination(Quantizer *q, const Node *made, Quant out) {
  const Int8Combine *p = made->detail;
  double unit = 0;
  for (int k = 0; k < made->nin; k++) unit = fmax(unit, (double)made->in[k]->quant->scale);
  if (p->product) {
    const double product = (double)made->in[0]->quant->scale * (double)made->in[1]->quant->scale;
    return quant_factor_fits(q, made, p->factor, false, product, out.scale);
  }
  if (addition_fits(p->rounding, &p->addition, int8_most_read(made))) return true;
  if (p->rounding == ROUNDING_FLOAT) report_addends(q, made, unit, out.scale);
  else report_factor(q, made, false, unit, out.scale);
  return false;
}

static Multiplier product_factor(Quantizer *q, const Node *node, float a, float b, float out) {
  Multiplier factor = multiplier_of_scales(a, b, out, false);
  const Factor kind = quant_file_factor(q->file, node->name);
  if (kind == FACTOR_DOUBLE)
    quant_problem(q, "%s: is a product of values; its factor must not be a double", node->name);
  if (kind != FACTOR_FLOAT) return factor;
  const float real = factor.real;
  factor = multiplier_of((double)real);
  factor.real = real;
  return factor;
}

Node *quant_combine(Quantizer *q, const Node *node) {
  const StoredForm end = quant_ending(q, node, true);
  Node **in = NEW_ARRAY(q->arena, Node *, node->nin);
  Addend *addend = NEW_ARRAY(q->arena, Addend, node->nin);
  bool wide = end.quant.wide;
  for (int k = 0; k < node->nin; k++) {
    in[k] = q->map[node->in[k]->id];
    wide |= in[k]->quant->wide;
    addend[k] =
        (Addend){.scale = in[k]->quant->scale, .minus = k && node->op->traits.int8 == INT8_DIFFERENCE};
  }
  if (!end.found) return NULL;
  Int8Combine *p = NEW(q->arena, Int8Combine);
  *p = (Int8Combine){.rounding = quant_file_rounding(q->file, node->name),
                     .stored = stored_of(end.quant.scale, end.quant.zero, end.quant.wide, end.bound),
                     .wide = wide,
                     .product = node->op->traits.int8 == INT8_MULTIPLY};
  if (p->product) p->factor = product_factor(q, node, addend[0].scale, addend[1].scale, end.quant.scale);
  else p->addition = addition_of(addend, node->nin, end.quant.scale, wide);
  Node *made = quant_node(q, &op_int8_combine, node, node->nin, in, quant_keep(q, end.quant));
  made->detail = p;
  if (p->product) p->factor = multiplier_reaching(p->factor, int8_most(made->in[0]) * int8_most(made->in[1]));
  return check_combination(q, made, end.quant) ? made : NULL;
}

/* ---- products of two matrices ---- */
/* False, after an error message: the scales are incompatible, or a sum could overflow. */
static bool matmul_fits(Quantizer *q, const Node *node, Int8Matmul *p, bool wide, double unit, float out) {
  const double most = (double)p->of.k * (double)int8_most(node->in[0]) * (double)int8_most(node->in[1]);
  if (!quant_factor_fits(q, node, p->factor, wide, unit, out)) return false;
  if (!wide) p->factor = multiplier_reaching(p->factor, (int64_t)fmin(most, INT32_MAX));
  if (wide ? most < (double)(INT64_C(1) << WIDE_SUM_BITS) : most <= INT32_MAX) return true;
  Diag *diag = overflow(q, node, wide ? WIDE_SUM_BITS + 1 : 32);
  diag_fact(diag, "a sum of %s products of elements can reach %s", text_thousands(q->arena, p->of.k),
            text_thousands(q->arena, (int64_t)most));
  diag_help(diag, "precision=f32 computes the product in float");
  return false;
}

static Multiplier matmul_factor(const Node *a, const Node *b, double scale, float out) {
  const float product = a->quant->scale * b->quant->scale;
  if (!isfinite(product)) return multiplier_of(INFINITY); /* this factor is rejected later */
  Multiplier factor = multiplier_of((double)product * scale / (double)out);
  factor.real = scale == 1 ? product / out : product / out * (float)scale;
  return factor;
}

Node *quant_matmul(Quantizer *q, const Node *node) {
  const StoredForm end = quant_ending(q, node, true);
  Node *in[2];
  for (int k = 0; k < 2; k++) in[k] = q->map[node->in[k]->id];
  if (!end.found) return NULL;
  Int8Matmul *p = NEW(q->arena, Int8Matmul);
  *p = (Int8Matmul){.of = matmul_sizes(node),
                    .rounding = quant_file_rounding(q->file, node->name),
                    .stored = stored_of(end.quant.scale, end.quant.zero, end.quant.wide, end.bound)};
  p->factor = matmul_factor(in[0], in[1], p->of.scale, end.quant.scale);
  Node *made = quant_node(q, &op_int8_matmul, node, 2, in, quant_keep(q, end.quant));
  made->detail = p;
  const double unit = (double)in[0]->quant->scale * (double)in[1]->quant->scale * p->of.scale;
  return matmul_fits(q, made, p, int8_is_wide(made), unit, end.quant.scale) ? made : NULL;
}

/* ---- operators that keep the scale ---- */
/* The scale of a pool: its scale in the file, or else the scale of its input. */
static Quant kept_quant(Quantizer *q, const Node *node, const Node *in, StoredForm *end) {
  *end = quant_ending(q, node, false);
  return end->found ? end->quant : *in->quant;
}

/* The factor that converts a sum to a mean. As in TensorFlow Lite, the quotient of the scales is first
 * converted to fixed point, and then divided by the number of elements. */
static Multiplier mean_factor(const Quant *in, Quant out, int64_t n) {
  if (!isfinite(out.scale * (float)n)) return multiplier_of(INFINITY); /* this factor is rejected later */
  Multiplier factor = multiplier_of((double)in->scale / (double)out.scale);
  factor.real = in->scale / (out.scale * (float)n);
  int shift = 0; /* position of n's leading bit */
  while (shift < 32 && n >> (shift + 1)) shift++;
  if (shift > 31 + factor.e) shift = 31 + factor.e;
  factor.m = (int32_t)(((int64_t)factor.m << shift) / n);
  factor.e -= shift;
  return factor;
}

static Node *scaled_mean(Quantizer *q, const Node *node, Node *in) {
  const int64_t n = node->window->kernel[0] * node->window->kernel[1];
  const StoredForm end = quant_ending(q, node, true);
  if (!end.found) return NULL;
  if (in->quant->wide != end.quant.wide) {
    quant_problem(q, "%s: is a mean with a factor; its output has %s bits, but its input has %s", node->name,
                  end.quant.wide ? "16" : "8", in->quant->wide ? "16" : "8");
    return NULL;
  }
  const int64_t most = n * int8_most(in);
  const Multiplier factor = mean_factor(in->quant, end.quant, n);
  if (!quant_factor_fits(q, node, factor, false, (double)in->quant->scale / (double)n, end.quant.scale))
    return NULL;
  Int8Pool *p = NEW(q->arena, Int8Pool);
  *p = (Int8Pool){.mean = true,
                  .scaled = true,
                  .rounding = quant_file_rounding(q->file, node->name),
                  .factor = multiplier_reaching(factor, most),
                  .stored = stored_of(end.quant.scale, end.quant.zero, end.quant.wide, end.bound)};
  Node *made = quant_node(q, &op_int8_pool, node, 1, &in, quant_keep(q, end.quant));
  made->detail = p;
  return made;
}

static bool is_within_layer(const Node *node) { /* whether all windows are inside the input */
  const Extent in = shape_extent(node->in[0]->shape), out = shape_extent(node->shape);
  const Window *w = node->window;
  for (int a = 0; a < 2; a++)
    if (w->before[a] ||
        (extent_side(out, a) - 1) * w->stride[a] + (w->kernel[a] - 1) * w->dilation[a] >= extent_side(in, a))
      return false;
  return true;
}

Node *quant_pool(Quantizer *q, const Node *node) {
  StoredForm end;
  Node *in = quant_int8_value(q, node->in[0]);
  if (!in) return NULL;
  if (node->op->traits.int8 == INT8_MEAN && quant_file_mean_factor(q->file, node->name) &&
      is_within_layer(node))
    return scaled_mean(q, node, in);
  const Quant wanted = kept_quant(q, node, in, &end);
  /* a relu after a mean clamps the mean, not its operand */
  const Quant quant = node->op->traits.int8 == INT8_MEAN && end.bound != BOUND_NONE ? *in->quant : wanted;
  in = quant_requantized(q, node, in, quant);
  Int8Pool *p = NEW(q->arena, Int8Pool);
  *p =
      (Int8Pool){.mean = node->op->traits.int8 == INT8_MEAN,
                 .even = node->op->traits.int8 == INT8_MEAN &&
                         quant_file_rounding(q->file, node->name) == ROUNDING_FLOAT,
                 .count_pad = arg_const(node, "count_pad")->kind == CONST_BOOL && arg_bool(node, "count_pad"),
                 .stored = stored_of(quant.scale, quant.zero, quant.wide, end.bound)};
  Node *made = quant_node(q, &op_int8_pool, node, 1, &in, in->quant);
  made->detail = p;
  return quant_requantized(q, node, made, wanted);
}

Node *quant_move(Quantizer *q, const Node *node) {
  Quant quant;
  Node **in = NEW_ARRAY(q->arena, Node *, node->nin);
  for (int k = 0; k < node->nin; k++)
    if (!(in[k] = quant_int8_value(q, node->in[k]))) return NULL;
  if (!quant_given(q, node->name, &quant)) quant = *in[0]->quant;
  for (int k = 0; k < node->nin; k++) in[k] = quant_requantized(q, node, in[k], quant);
  return quant_node(q, node->op, node, node->nin, in, in[0]->quant);
}

/* The index stays float. */
Node *quant_gather(Quantizer *q, const Node *node) {
  Quant quant;
  Node *in[2] = {quant_int8_value(q, node->in[0]), quant_floats(q, node->in[1])};
  if (!in[0] || !in[1]) return NULL;
  if (quant_given(q, node->name, &quant)) in[0] = quant_requantized(q, node, in[0], quant);
  return quant_node(q, node->op, node, 2, in, in[0]->quant);
}

Node *quant_embedding(Quantizer *q, const Node *node) {
  const Weight *weight = node->weight[0];
  const StoredForm end = quant_ending(q, node, true);
  Node *in = quant_floats(q, node->in[0]);
  Int8Embedding *e = NEW(q->arena, Int8Embedding);
  *e = (Int8Embedding){quant_array(q, weight->name, I8, weight->rank, weight->dim), weight->dim[0]};
  if (!in || !e->table || !end.found) return NULL;
  if (end.quant.wide) {
    quant_problem(q, "%s: is int16, but the output of an embedding must be int8", node->name);
    return NULL;
  }
  Node *made = quant_node(q, &op_int8_embedding, node, 1, &in, quant_keep(q, end.quant));
  made->detail = e;
  return made;
}

Node *quant_repeat(Quantizer *q, const Node *node, const int64_t factor[2]) {
  Quant quant;
  Int8Repeat *repeat = NEW(q->arena, Int8Repeat);
  Node *in = quant_int8_value(q, node->in[0]);
  if (!in) return NULL;
  if (quant_given(q, node->name, &quant)) in = quant_requantized(q, node, in, quant);
  *repeat = (Int8Repeat){{factor[0], factor[1]}};
  Node *made = quant_node(q, &op_int8_repeat, node, 1, &in, in->quant);
  made->detail = repeat;
  return made;
}

Node *quant_border(Quantizer *q, const Node *node) {
  int64_t after[2];
  Quant quant;
  Int8Border *border = NEW(q->arena, Int8Border);
  Node *in = quant_int8_value(q, node->in[0]);
  if (!in) return NULL;
  if (quant_given(q, node->name, &quant)) in = quant_requantized(q, node, in, quant);
  node->op->traits.padding(node, border->before, after);
  Node *made = quant_node(q, &op_int8_border, node, 1, &in, in->quant);
  made->detail = border;
  return made;
}
