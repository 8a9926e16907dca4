/* int8_layers.c: Layers of an imported model that compute in int8 or int16. The input and the result of such
 * a layer are quantized, and so are its weights, if it has any. These layers get the arrays that docs/int8.md
 * lists; other layers are marked as float if int8 would be the default. The rules are the same as in
 * quantize/values.c and quantize/layers.c, which convert the program when it is compiled. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "import/import.h"
#include "graph/op.h"
#include "base/arithmetic.h"
#include "ops/registry.h"

typedef struct Framing {
  ModelImport *im;
  Rounding rounding;
  Text wide; /* metadata of int16 values, as members of a JSON object */
} Framing;

/* ---- statements ---- */
static const Op *op_of(ModelImport *im, const Statement *s) {
  return op_find(arena_copy(im->arena, s->call, strcspn(s->call, "(")));
}

static void add_argument(ModelImport *im, Statement *s, const char *argument) {
  const size_t n = strlen(s->call);
  if (s->call[n - 1] != ')') s->call = arena_printf(im->arena, "%s(%s)", s->call, argument);
  else
    s->call = arena_printf(im->arena, "%.*s%s%s)", (int)(n - 1), s->call, s->call[n - 2] == '(' ? "" : ", ",
                           argument);
}

/* The name of the layer in the program; NULL: none. */
static const char *statement_name(ModelImport *im, const Statement *s) {
  static const char given[] = "name=\"";
  const char *at = strstr(s->call, given);
  return at ? arena_copy(im->arena, at + sizeof given - 1, strcspn(at + sizeof given - 1, "\"")) : NULL;
}

/* Adds a remark to the line of the statement's ONNX node in --list. */
static void remark(ModelImport *im, const Statement *s, const char *what) {
  if (!s->origin) return;
  const char **became = &im->became[s->origin->index];
  if (*became && strstr(*became, what)) return; /* already recorded for an earlier statement */
  *became = arena_printf(im->arena, "%s, %s", *became ? *became : "", what);
}

static void put_value_scale(Framing *f, const char *name, const Quant *quant) {
  arrays_add_scale(&f->im->scales, name, quant->scale, quant->zero);
  if (!quant->wide) return;
  text_put(&f->wide, f->wide.s ? ", " : "");
  text_json(&f->wide, name);
  text_put(&f->wide, ": {\"precision\": \"i16\"}");
}

static void put_scale(Framing *f, Statement *s, const Quant *quant) {
  ModelImport *im = f->im;
  const char *name = statement_name(im, s);
  if (!name) {
    name = !s->origin                                     ? layer_called(im, "reshape") /* for an output */
           : strcmp(s->origin->op, "QuantizeLinear") == 0 ? layer_called(im, "quantize")
                                                          : layer_of(im, s->origin, -1);
    add_argument(im, s, arena_printf(im->arena, "name=\"%s\"", name));
  }
  put_value_scale(f, name, quant);
}

/* ---- int16 ---- */
static bool stores_int16(const Value *value) {
  const Quant *quant = quant_of(value);
  return quant && quant->wide;
}

/* Whether an operand or the result is int16. */
static bool int16_at(const Statement *s, const Quant *out) {
  bool wide = out && out->wide;
  for (int i = 0; i < s->nin; i++) wide = wide || stores_int16(s->in[i]);
  return wide;
}

/* An upper bound of |q - zero| for the integers q of the value. */
static int64_t largest_read(const Value *value) { return stores_int16(value) ? -INT16_MIN : UINT8_MAX; }

static const char *integers_name(bool wide) { return wide ? "in int16" : "in int8"; }

static void in_floats(ModelImport *im, Statement *s) {
  add_argument(im, s, "precision=f32");
  remark(im, s, "in floats");
}

/* ---- rounding of a layer's sums ---- */
static bool is_model_output(const ModelImport *im, const Value *value) {
  for (int i = 0; i < im->outputs.n; i++)
    if (im->outputs.data[i].value == value) return true;
  return false;
}

/* The quantization of a layer's result. If the result has no quantization, and its only user is a clamp: the
 * quantization of the clamp's result. A relu becomes part of the layer's rounding. Other clamps do not change
 * the scale. */
static const Quant *result_of(const ModelImport *im, const Value *value) {
  static const char *const bounds[] = {"relu", "relu6", "clip(", "maximum(", "minimum(", NULL};
  const Statement *next = value->reader;
  if (value->quant || value->reads != 1 || is_model_output(im, value) || next->nin != 1) return value->quant;
  for (int k = 0; bounds[k]; k++)
    if (k < 2 ? strcmp(next->call, bounds[k]) == 0 : strncmp(next->call, bounds[k], strlen(bounds[k])) == 0)
      return next->out->quant;
  return NULL;
}

static void put_int8_result(Framing *f, Statement *s, const Quant *quant) {
  Value *value = s->out, *next = value->quant ? NULL : value->reader->out;
  value->quant = quant;
  if (next && strncmp(value->reader->call, "relu", 4) == 0) {
    next->kept = next->quant;
    next->quant = NULL;
  }
  remark(f->im, s, integers_name(int16_at(s, quant)));
}

/* ---- layers ---- */
typedef struct Layer {
  const Statement *statement;
  bool transposed, dense;
  ImportWeight *weight, *bias;
  int64_t filters, scales, inner; /* inner: number of adjacent weights of one filter */
  const float *scale;
  bool wide; /* the layer's input or result is int16 */
  int8_t *bytes;
  int64_t *words;
} Layer;

static int64_t filter_at(const Layer *l, int64_t i) { return i / l->inner % l->filters; }
static float layer_scale(const Layer *l, int64_t filter) { return l->scale[l->scales == 1 ? 0 : filter]; }

/* Functions of this section that return a string: the reason why a layer must compute in float, or NULL. */
static const char *read_layer_weights(ModelImport *im, Layer *l) {
  const Tensor *t = l->weight->tensor, *whole = t->whole;
  if (!whole) return "its weights are floats";
  if (whole->type != TENSOR_INT8 && whole->type != TENSOR_UINT8) return "its weights are not int8";
  bool fits = whole->rank == t->rank && t->n < INT32_MAX;
  for (int d = 0; fits && d < t->rank; d++) fits = whole->dim[d] == t->dim[d];
  if (!fits) return "its weights are transposed or reshaped";
  const int64_t zero = -quant_shift(whole->type);
  if (t->zero != zero)
    return arena_printf(im->arena, "its weights have the zero point %lld", (long long)t->zero);
  l->scales = t->scale->n;
  if (l->scales > 1 && (l->scales != l->filters || t->axis != l->transposed))
    return "it does not have one scale per filter";
  l->bytes = NEW_ARRAY(im->arena, int8_t, t->n);
  for (int64_t i = 0; i < t->n; i++) {
    const int64_t q = tensor_integer(whole, i) - zero;
    if (q == INT8_MIN) return "its weights contain -128; supported are -127 to 127";
    l->bytes[i] = (int8_t)q;
  }
  float *scale = NEW_ARRAY(im->arena, float, l->scales);
  for (int64_t i = 0; i < l->scales; i++) scale[i] = (float)tensor_number(t->scale, i);
  l->scale = scale;
  return NULL;
}

/* Reads the bias, in units of the input's scale times the weight's scale: the model's own integers if they
 * have these units, otherwise rounded numbers. */
static const char *read_bias(ModelImport *im, Layer *l, const Quant *in) {
  const Tensor *t = l->bias ? l->bias->tensor : NULL;
  const bool whole = t && t->whole && t->whole->type == TENSOR_INT32 && t->zero == 0 && t->whole->n == t->n;
  const double most = l->wide ? (double)(INT64_C(1) << WIDE_SUM_BITS) : INT32_MAX;
  l->words = NEW_ARRAY(im->arena, int64_t, l->filters);
  if (t && t->n != l->filters) return "its bias must have one number per filter";
  for (int64_t f = 0; t && f < l->filters; f++) {
    const double unit = (double)in->scale * (double)layer_scale(l, f);
    double q = nearbyint(tensor_number(t, f) / unit);
    if (whole) {
      const double own = tensor_number(t->scale, t->scale->n == 1 ? 0 : f),
                   number = tensor_number(t->whole, f);
      q = fabs(own / unit - 1) < 1e-5 ? number : nearbyint(number * own / unit);
    }
    if (!(fabs(q) <= most)) return "its bias is too large for its scale";
    l->words[f] = (int64_t)q;
  }
  return NULL;
}

/* Whether a factor from sums to results is supported. wide: the sums are int64. */
static bool layer_factor_fits(Multiplier factor, bool wide) {
  return isfinite(factor.real) && (!wide || factor.e <= WIDE_MULTIPLIER_MOST);
}

/* Whether sums whose absolute value is at most `most` fit into int32 or, if they are int64, into 48 bits. */
static bool layer_sum_fits(double most, bool wide) {
  return wide ? most < (double)(INT64_C(1) << WIDE_SUM_BITS) : most <= INT32_MAX;
}

/* Checks that every sum fits, and that every factor from sums to results is supported. */
static const char *check_layer_sums(ModelImport *im, const Layer *l, const Quant *in, const Quant *out) {
  const double low = in->zero - (in->wide ? INT16_MIN : INT8_MIN),
               high = (in->wide ? INT16_MAX : INT8_MAX) - in->zero;
  double *most = NEW_ARRAY(im->arena, double, l->filters);
  for (int64_t f = 0; f < l->filters; f++) most[f] = fabs((double)l->words[f]);
  for (int64_t i = 0; i < l->weight->tensor->n; i++)
    most[filter_at(l, i)] += fabs((double)l->bytes[i]) * (low > high ? low : high);
  for (int64_t f = 0; f < l->filters; f++) {
    const Multiplier factor =
        multiplier_of_scales(in->scale, layer_scale(l, f), out->scale, l->dense && l->scales == 1);
    if (!layer_factor_fits(factor, l->wide)) return "its scales are incompatible";
    if (!layer_sum_fits(most[f], l->wide))
      return arena_printf(im->arena, "its sums can exceed %d bits", l->wide ? WIDE_SUM_BITS + 1 : 32);
  }
  return NULL;
}

static const char *layer_in_bytes(ModelImport *im, Layer *l, const Quant *out) {
  const Quant *in = quant_of(l->statement->in[0]);
  const char *why = l->statement->out->regions ? "it is computed for each region" : read_layer_weights(im, l);
  if (!why && !in) why = "its input is float";
  if (!why && !out) why = "its result is float";
  l->wide = int16_at(l->statement, out);
  if (!why) why = read_bias(im, l, in);
  return why ? why : check_layer_sums(im, l, in, out);
}

/* Stores the bias: as int32 for an int8 layer, as int64 for an int16 layer. */
static void put_bias(ModelImport *im, const Layer *l) {
  int32_t *narrow = NEW_ARRAY(im->arena, int32_t, l->filters);
  for (int64_t f = 0; f < l->filters && !l->wide; f++) narrow[f] = (int32_t)l->words[f];
  l->bias->integers = l->wide ? (const void *)l->words : narrow;
  l->bias->elem = l->wide ? I64 : I32;
}

static void frame_layer(Framing *f, Statement *s, const Op *op) {
  ModelImport *im = f->im;
  const char *name = statement_name(im, s);
  const Quant *out = result_of(im, s->out);
  Layer l = {.statement = s,
             .transposed = op->family == FAMILY_CONV_SCATTER,
             .dense = op->family == FAMILY_DENSE,
             .weight = weight_named(im, name, "weight"),
             .bias = weight_named(im, name, "bias"),
             .filters = s->out->shape.dim[s->out->shape.rank - 1]};
  const Tensor *t = l.weight->tensor;
  l.inner = l.transposed && t->dim[1] ? t->n / t->dim[0] / t->dim[1] : t->n / l.filters;
  const char *why = l.transposed && t->dim[1] != l.filters ? "a grouped transposed convolution"
                                                           : layer_in_bytes(im, &l, out);
  if (why) {
    remark(im, s, arena_printf(im->arena, "in floats: %s", why));
    return;
  }
  put_int8_result(f, s, out);
  l.weight->integers = l.bytes;
  l.weight->elem = I8;
  if (l.bias) put_bias(im, &l);
  arrays_add(&im->scales, arena_printf(im->arena, "%s.weight.scale", name), F32, 1, &l.scales, l.scale);
}

/* ---- sums and products of values ---- */
static bool combines(const Statement *s, Int8Form form) {
  return form == INT8_SUM ? s->nin >= 2 : (form == INT8_DIFFERENCE || form == INT8_MULTIPLY) && s->nin == 2;
}

static bool combination_fits(const Framing *f, Int8Form form, const Statement *s, const Quant *out) {
  if (form == INT8_MULTIPLY)
    return layer_factor_fits(
        multiplier_of_scales(quant_of(s->in[0])->scale, quant_of(s->in[1])->scale, out->scale, false), false);
  int64_t most = 0;
  Addend *addend = NEW_ARRAY(f->im->arena, Addend, s->nin);
  for (int k = 0; k < s->nin; k++) {
    addend[k] = (Addend){.scale = quant_of(s->in[k])->scale};
    most = largest_read(s->in[k]) > most ? largest_read(s->in[k]) : most;
  }
  const Addition sum = addition_of(addend, s->nin, out->scale, int16_at(s, out));
  return addition_fits(f->rounding, &sum, most);
}

static void frame_combination(Framing *f, Statement *s, Int8Form form) {
  const Quant *out = result_of(f->im, s->out);
  if (out && combination_fits(f, form, s, out)) put_int8_result(f, s, out);
  else in_floats(f->im, s);
}

/* ---- products of two values ---- */
static double argument_number(const Statement *s, const char *name, double otherwise) {
  const char *at = strstr(s->call, name);
  return at ? strtod(at + strlen(name), NULL) : otherwise;
}

/* Whether the sums of a matrix product fit into int32 or, with int16 values, into 48 bits, and the factor is
 * supported. */
static bool matmul_sums_fit(const Statement *s, const Quant *out) {
  const bool left = strstr(s->call, "transpose=left") || strstr(s->call, "transpose=both");
  const Extent e = shape_extent(s->in[0]->shape);
  const double scale = argument_number(s, "scale=", 1),
               factor = (double)quant_of(s->in[0])->scale * (double)quant_of(s->in[1])->scale * scale /
                        (double)out->scale,
               most = (double)(left ? e.w : e.c) * (double)(largest_read(s->in[0]) * largest_read(s->in[1]));
  return scale > 0 && layer_factor_fits(multiplier_of(factor), int16_at(s, out)) &&
         layer_sum_fits(most, int16_at(s, out));
}

static void frame_matmul(Framing *f, Statement *s) {
  const Quant *out = result_of(f->im, s->out);
  if (out && matmul_sums_fit(s, out)) put_int8_result(f, s, out);
  else in_floats(f->im, s);
}

/* ---- other layers ---- */
static bool mean_fits(const Statement *s) {
  const Quant *in = quant_of(s->in[0]), *out = s->out->quant;
  const Shape shape = s->in[0]->shape;
  return out && in->scale == out->scale && in->zero == out->zero && in->wide == out->wide &&
         shape_elements(shape) / shape.dim[shape.rank - 1] <= (in->wide ? MOST_WIDE_SUMMED : MOST_SUMMED);
}

static bool softmax_fits(const Statement *s) {
  const Quant *out = s->out->quant;
  const Shape shape = s->out->shape;
  return out && !int16_at(s, out) && out->scale == 1 / 256.0f && out->zero == INT8_MIN &&
         shape.dim[shape.rank - 1] <= SOFTMAX_CHANNELS && softmax_scale_fits(quant_of(s->in[0])->scale);
}

static bool move_fits(const Statement *s) {
  if (s->nin > 1 && !quant_of(s->out)) return false; /* the operands have different scales */
  return true;
}

static bool function_fits(const Statement *s, const Op *op) {
  const bool bends = op->traits.int8 == INT8_RELU || op->traits.int8 == INT8_RELU6;
  if (!s->out->quant) return false;
  if (int16_at(s, s->out->quant)) return bends;
  return s->out->shape.dim[s->out->shape.rank - 1] <= MOST_TABLES;
}

/* Whether the compiler would compute this statement with integers if the statement were not marked as float.
 * *known is false if this function has no rule for the operator. */
static bool fits_int8(const Statement *s, const Op *op, bool *known) {
  *known = true;
  if (is_move(s)) return move_fits(s);
  if (op->traits.int8 == INT8_MEAN) return mean_fits(s);
  if (op->traits.int8 == INT8_SOFTMAX) return softmax_fits(s);
  *known = op->family == FAMILY_MAP && s->nin == 1;
  return !*known || function_fits(s, op);
}

static void frame(Framing *f, Statement *s) {
  const Op *op = op_of(f->im, s);
  bool bytes = s->nin > 0 && !s->out->regions, known;
  for (int i = 0; i < s->nin; i++) bytes = bytes && quant_of(s->in[i]);
  if (!op) return; /* the unknown operator is reported when the program is compiled */
  if (s->out->kept && !is_move(s)) {
    remark(f->im, s, "in the layer before it");
    return;
  }
  if (op->traits.int8 == INT8_PRODUCT) frame_layer(f, s, op);
  else if (bytes && combines(s, op->traits.int8)) frame_combination(f, s, op->traits.int8);
  else if (bytes && op->traits.int8 == INT8_MATMUL) frame_matmul(f, s);
  else if (bytes && !fits_int8(s, op, &known)) in_floats(f->im, s);
  else if (bytes && known) remark(f->im, s, integers_name(int16_at(s, s->out->quant)));
  if (s->out->quant) put_scale(f, s, s->out->quant);
}

/* ---- the model ---- */
static bool is_quantized(const ModelImport *im) {
  for (int i = 0; i < im->inputs.n; i++)
    if (im->inputs.data[i]->quant) return true;
  for (int i = 0; i < im->statements.n; i++)
    if (im->statements.data[i]->out->quant) return true;
  return false;
}

/* Lists the quantization of tensors, for --list. */
static void list_scales(ModelImport *im) {
  for (int i = 0; i < im->onnx->nnodes; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    const View *view = node->nout && im->live[i] ? im->item[node->out[0]].view : NULL;
    const Quant *quant = view && strcmp(node->op, "QuantizeLinear") == 0 ? quant_of(view->value) : NULL;
    if (quant)
      im->became[i] = arena_printf(im->arena, "i%d, scale %g, zero %d", quant->wide ? 16 : 8,
                                   (double)quant->scale, (int)quant->zero);
  }
}

void make_frames(ModelImport *im) {
  if (!is_quantized(im)) return;
  Framing f = {.im = im, .wide = {.arena = im->arena}};
  const char *rounding = im->options->rounding ? im->options->rounding : rounding_name(ROUNDING_FLOAT);
  rounding_find(rounding, &f.rounding);
  list_scales(im);
  for (int i = 0; i < im->statements.n; i++) {
    Statement *s = im->statements.data[i];
    for (int k = 0; k < s->nin; k++) s->in[k]->reader = s;
  }
  for (int i = 0; i < im->inputs.n; i++)
    if (im->inputs.data[i]->quant) put_value_scale(&f, im->inputs.data[i]->name, im->inputs.data[i]->quant);
  for (int i = 0; i < im->statements.n; i++) frame(&f, im->statements.data[i]);
  arrays_quantized(&im->scales, rounding, f.wide.s, NULL);
}
