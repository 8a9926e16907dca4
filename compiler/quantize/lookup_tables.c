/* lookup_tables.c: Conversion of unary functions (in int8, to lookup tables) and of softmax; rescaling. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/text.h"
#include "ops/activation/lines.h"
#include "quantize/quantizer.h"

/* A node that applies the tables. An identity table becomes a view with another scale, unless the model is
 * updatable. */
static Node *table_node(Quantizer *q, const Node *of, Node *in, Quant quant, int8_t (*value)[256],
                        int64_t channels) {
  bool same = channels == 1 && !q->to->updatable;
  for (int i = 0; i < 256 && same; i++) same = value[0][i] == i + INT8_MIN;
  Node *made = quant_node(q, same ? &op_int8_same : &op_int8_table, of, 1, &in, quant_keep(q, quant));
  made->shape = in->shape;
  if (same) return made;
  Int8Table *table = NEW(q->arena, Int8Table);
  *table = (Int8Table){(const int8_t (*)[256])value, channels};
  made->detail = table;
  return made;
}

static Node *rescale_node(Quantizer *q, const Node *of, Node *in, Quant to, Int8Rescale rescale) {
  Int8Rescale *r = NEW(q->arena, Int8Rescale);
  *r = rescale;
  r->rounding = quant_file_rounding(q->file, of->name);
  r->factor = multiplier_reaching(r->factor, int8_most(in));
  r->below = multiplier_reaching(r->below, int8_most(in));
  quant_factor_fits(q, of, r->factor, false, (double)in->quant->scale, to.scale);
  Node *made = quant_node(q, &op_int8_rescale, of, 1, &in, quant_keep(q, to));
  made->shape = in->shape;
  made->detail = r;
  return made;
}

/* Converts the value to the scale `to`. At least one of the value and the result is int16. */
static Node *rescaled(Quantizer *q, const Node *of, Node *in, Quant to) {
  Multiplier factor = multiplier_of((double)in->quant->scale / (double)to.scale);
  factor.real = in->quant->scale / to.scale;
  return rescale_node(
      q, of, in, to,
      (Int8Rescale){.stored = stored_of(to.scale, to.zero, to.wide, BOUND_NONE), .factor = factor});
}

/* Converts relu, relu6 and leaky_relu with an int16 operand or result. With FACTOR_FLOAT, the scales are
 * divided as floats, as in LiteRT. */
static Node *piecewise_linear(Quantizer *q, const Node *node, Node *in, const StoredForm *end) {
  const Quant to = end->quant;
  const bool leaks = node->op->traits.int8 == INT8_LEAKY;
  const Factor kind = quant_file_factor(q->file, node->name);
  const Bound bound = node->op->traits.int8 == INT8_RELU6 || end->bound == BOUND_RELU6 ? BOUND_RELU6
                      : leaks                                                          ? end->bound
                                                                                       : BOUND_RELU;
  const float slope = leaks ? (float)arg_number(node, "slope") : 1, above = in->quant->scale / to.scale,
              below = in->quant->scale * slope / to.scale;
  const double exact = (double)in->quant->scale / (double)to.scale;
  Int8Rescale r = {.stored = stored_of(to.scale, to.zero, to.wide, bound),
                   .factor = multiplier_of(kind == FACTOR_FLOAT ? (double)above : exact),
                   .below = multiplier_of(kind == FACTOR_FLOAT ? (double)below : exact * (double)slope),
                   .leaks = leaks};
  r.factor.real = above;
  r.below.real = below;
  if (kind == FACTOR_DOUBLE)
    quant_problem(q, "%s: its factor in the metadata is not supported for %s", node->name, node->op->name);
  return rescale_node(q, node, in, to, r);
}

Node *quant_requantized(Quantizer *q, const Node *of, Node *in, Quant to) {
  if (in->quant->scale == to.scale && in->quant->zero == to.zero && in->quant->wide == to.wide) return in;
  if (in->quant->wide || to.wide) return rescaled(q, of, in, to);
  int8_t (*value)[256] = (int8_t (*)[256])arena_alloc(q->arena, 256);
  table_requantize(*value, quant_file_rounding(q->file, of->name), in->quant->scale, in->quant->zero,
                   to.scale, stored_of(to.scale, to.zero, false, BOUND_NONE));
  return table_node(q, of, in, to, value, 1);
}

/* Reports an int16 input whose scale the function does not support. */
static void report_argument(Quantizer *q, const Node *node, float scale) {
  Diag *diag = diag_report(q->diags, DIAG_scale_mismatch, node->span, node->site,
                           "%s has an int16 input with the scale %g, which is too large", node->op->name,
                           (double)scale);
  diag_help(diag, "with this input scale nearly all results of the function are equal");
}

/* ---- functions ---- */
/* Whether the function has parameters or arguments per channel. */
static bool differs_by_channel(const Node *node) {
  bool differs = false;
  for (int k = 0; k < node->nweights; k++) differs |= node->weight[k] && node->weight[k]->size > 1;
  for (const Param *param = node->op->params; param && param->name; param++)
    differs |= arg_const(node, param->name)->kind == CONST_LIST;
  return differs;
}

bool quant_is_function(const Node *node) {
  return node->op->family == FAMILY_MAP && node->nin == 1 && node->result == RESULT_SAMPLE &&
         node->op->map_eval && (shape_extent(node->shape).c <= MOST_TABLES || !differs_by_channel(node));
}

/* Whether the operand and the result are int16. */
static bool all_wide(const Quantizer *q, const Node *node) {
  const Node *in = q->map[node->in[0]->id];
  return in && in->quant && in->quant->wide && quant_file_wide(q->file, node->name);
}

/* Result scale of int16 functions with the range 0 .. 1 or -1 .. 1. If the file has another result scale,
 * these functions are computed in float. */
static const float WIDE_UNIT = 1 / 32768.0f;

static bool is_unit(const Quantizer *q, const Node *node) {
  const QuantArray *scale = table_find(&q->file->by_name, arena_printf(q->arena, "%s.scale", node->name));
  return scale && scale->known && scale->elem == F32 && scale->size == 1 &&
         *(const float *)scale->data == WIDE_UNIT;
}

bool quant_is_wide_function(const Quantizer *q, const Node *node) {
  switch (node->op->traits.int8) {
  case INT8_RELU:
  case INT8_RELU6: return true;
  case INT8_LEAKY: return arg_number(node, "slope") >= 0 && all_wide(q, node);
  case INT8_UNIT:
  case INT8_SIGNED: return all_wide(q, node) && is_unit(q, node);
  default: return false;
  }
}

typedef struct Function {
  const Node *node;
  int64_t channel;
  double weight[MOST_WEIGHTS];
} Function;

static double function_value(const void *context, double x) {
  const Function *f = context;
  return f->node->op->map_eval(f->node, &x, f->weight, f->channel);
}

/* Looks up the parameters of the function, which are floats; false: one is missing or wrong. */
static bool find_parameters(Quantizer *q, const Node *node, const float *parameter[MOST_WEIGHTS]) {
  bool found = true;
  for (int k = 0; k < node->nweights; k++) {
    const Weight *weight = node->weight[k];
    parameter[k] = weight ? quant_array(q, weight->name, F32, weight->rank, weight->dim) : NULL;
    found = found && (parameter[k] || !weight);
  }
  return found;
}

/* int16 sigmoid and tanh. NULL, after an error message: the scale of the input is not supported. */
static Node *curve_node(Quantizer *q, const Node *node, Node *in, const StoredForm *end) {
  if (!curve_fits(in->quant->scale)) {
    report_argument(q, node, in->quant->scale);
    return NULL;
  }
  Int8Curve *p = NEW(q->arena, Int8Curve);
  *p = (Int8Curve){.curve = curve_of(in->quant->scale, node->op->traits.int8 == INT8_SIGNED),
                   .stored = stored_of(end->quant.scale, 0, true, end->bound)};
  Node *made = quant_node(q, &op_int8_curve, node, 1, &in, quant_keep(q, end->quant));
  made->detail = p;
  return made;
}

static bool fixed_quant(const Node *node, Quant *quant) {
  if (node->op->traits.int8 == INT8_UNIT) *quant = (Quant){.scale = 1 / 256.0f, .zero = -128};
  else if (node->op->traits.int8 == INT8_SIGNED) *quant = (Quant){.scale = 1 / 128.0f};
  else return false;
  return true;
}

Node *quant_function(Quantizer *q, const Node *node) {
  const float *parameter[MOST_WEIGHTS] = {NULL};
  const int64_t channels = shape_extent(node->shape).c, tables = channels <= MOST_TABLES ? channels : 1;
  Node *in = quant_int8_value(q, node->in[0]);
  StoredForm end = quant_ending(q, node, false);
  if (!end.found && !fixed_quant(node, &end.quant)) end = quant_ending(q, node, true);
  const bool found = find_parameters(q, node, parameter);
  if (!in || !found) return NULL;
  if (end.quant.wide && !quant_is_wide_function(q, node)) {
    quant_problem(q, "%s: has no int16 form; its scale must have its own name", node->name);
    return NULL;
  }
  if (in->quant->wide || end.quant.wide) {
    const bool curve = node->op->traits.int8 == INT8_UNIT || node->op->traits.int8 == INT8_SIGNED;
    return curve ? curve_node(q, node, in, &end) : piecewise_linear(q, node, in, &end);
  }
  const Stored stored = stored_of(end.quant.scale, end.quant.zero, false, end.bound);
  int8_t (*value)[256] = (int8_t (*)[256])arena_alloc(q->arena, 256 * (size_t)tables);
  bool equal = !q->to->updatable || tables == 1;
  for (int64_t c = 0; c < tables; c++) {
    Function function = {.node = node, .channel = c};
    for (int k = 0; k < node->nweights; k++)
      if (parameter[k]) function.weight[k] = (double)parameter[k][node->weight[k]->size == 1 ? 0 : c];
    table_of(value[c], in->quant->scale, in->quant->zero, end.quant.scale, stored, function_value, &function);
    equal = equal && memcmp(value[c], value[0], 256) == 0;
  }
  return table_node(q, node, in, end.quant, value, equal ? 1 : tables);
}

/* ---- tables of the file ---- */
static const char *table_name(const Quantizer *q, const Node *node) {
  return arena_printf(q->arena, "%s.table", node->name);
}

bool quant_has_table(const Quantizer *q, const Node *node) {
  return node->nin == 1 && shape_equal(node->shape, node->in[0]->shape) &&
         quant_file_find(q->file, table_name(q, node));
}

/* Uses a table of the file: [1][256] or [channels][256]. */
Node *quant_table(Quantizer *q, const Node *node) {
  const char *name = table_name(q, node);
  const QuantArray *given = quant_file_find(q->file, name);
  const int64_t channels = given->dim[0] == 1 ? 1 : shape_extent(node->shape).c, dim[2] = {channels, 256};
  Node *in = quant_int8_value(q, node->in[0]);
  const StoredForm end = quant_ending(q, node, true);
  const int8_t *array = quant_array(q, name, I8, 2, dim);
  if (!in || !array || !end.found) return NULL;
  if (in->quant->wide || end.quant.wide) {
    quant_problem(q, "%s: is int8, but the input or output of %s is int16", name, node->name);
    return NULL;
  }
  int8_t (*value)[256] = (int8_t (*)[256])arena_alloc(q->arena, 256 * (size_t)channels);
  const Stored stored = stored_of(end.quant.scale, end.quant.zero, false, end.bound);
  for (int64_t i = 0; i < 256 * channels; i++)
    value[i / 256][i % 256] = (int8_t)stored_put((Stored){.lo = stored.lo, .hi = stored.hi}, array[i]);
  return table_node(q, node, in, end.quant, value, channels);
}

/* ---- softmax ---- */
static bool along_channels(const Node *node) { return arg_is(node, "axis", "channels"); }

bool quant_is_softmax(const Quantizer *q, const Node *node) {
  const Quant *in = q->map[node->in[0]->id]->quant;
  return in && !in->wide && !quant_file_wide(q->file, node->name) && lines_length(node) <= SOFTMAX_CHANNELS;
}

Node *quant_softmax(Quantizer *q, const Node *node) {
  const Quant own = {.scale = 1 / 256.0f, .zero = -128};
  Quant given;
  Node *in = quant_int8_value(q, node->in[0]);
  if (!in) return NULL;
  if (quant_given(q, node->name, &given) && (given.scale != own.scale || given.zero != own.zero))
    quant_problem(q, "%s.scale: is %g, and %s.zero is %d; softmax needs 1/256 and -128", node->name,
                  (double)given.scale, node->name, given.zero);
  if (!softmax_scale_fits(in->quant->scale)) {
    Diag *diag =
        diag_report(q->diags, DIAG_scale_mismatch, node->span, node->site,
                    "the input of softmax has the scale %g; the least is 2^-26", (double)in->quant->scale);
    diag_help(diag, "with this input scale all results of the function are equal");
    return NULL;
  }
  Int8Softmax *s = NEW(q->arena, Int8Softmax);
  softmax_table(s->exponential, in->quant->scale);
  for (int i = 0; i < 256; i++) s->part[i] = softmax_part(s->exponential[i]);
  const Op *op = along_channels(node) ? &op_int8_softmax : &op_int8_softmax_lines;
  Node *made = quant_node(q, op, node, 1, &in, quant_keep(q, own));
  made->detail = s;
  return made;
}

bool quant_is_wide_softmax(const Quantizer *q, const Node *node) {
  return node->op->traits.int8 == INT8_SOFTMAX && along_channels(node) && all_wide(q, node) &&
         is_unit(q, node) && shape_extent(node->shape).c <= SOFTMAX_WIDE_CHANNELS;
}

Node *quant_softmax_wide(Quantizer *q, const Node *node) {
  Quant given;
  Node *in = quant_int8_value(q, node->in[0]);
  if (!in || !quant_given(q, node->name, &given)) return NULL;
  if (!softmax_wide_fits(in->quant->scale)) {
    report_argument(q, node, in->quant->scale);
    return NULL;
  }
  Int8SoftmaxWide *s = NEW(q->arena, Int8SoftmaxWide);
  s->rounding = quant_file_rounding(q->file, node->name);
  s->factor = softmax_wide_factor(in->quant->scale);
  softmax_wide_tables(s->exponential, s->reciprocal);
  Node *made = quant_node(q, &op_int8_softmax_wide, node, 1, &in, quant_keep(q, given));
  made->detail = s;
  return made;
}
