/* tables.c: functions of one number, softmax, and other scales for the same value. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/text.h"
#include "quantize/quantizer.h"

enum { MOST_RESCALED = 14 }; /* of a factor's e: from 8 bits to 16 */

/* Its bytes stay where they are, under another scale, if the table changes none of them. */
static Node *table_node(Quantizer *q, const Node *of, Node *in, Quant quant, int8_t (*value)[256],
                        int64_t channels) {
  bool same = channels == 1;
  for (int i = 0; i < 256 && same; i++) same = value[0][i] == i + INT8_MIN;
  Node *made = quant_node(q, same ? &op_int8_same : &op_int8_table, of, 1, &in, quant_keep(q, quant));
  made->shape = in->shape;
  if (same) return made;
  Int8Table *table = NEW(q->arena, Int8Table);
  *table = (Int8Table){(const int8_t (*)[256])value, channels};
  made->detail = table;
  return made;
}

static void refuse_rescaling(Quantizer *q, const Node *of, double factor) {
  Diag *diag =
      diag_report(q->diags, DIAG_scale_mismatch, of->span, of->site,
                  "the scales of %s do not go together: its input's is %g times its own", of->name, factor);
  diag_help(diag, "a move or a pooling has the scale of its input");
}

/* Where one of them has 16 bits. NULL: the scales do not go together. */
static Node *rescaled(Quantizer *q, const Node *of, Node *in, Quant to, Bound bound) {
  Int8Rescale *r = NEW(q->arena, Int8Rescale);
  *r = (Int8Rescale){.rounding = quant_file_rounding(q->file, of->name),
                     .stored = stored_of(to.scale, to.zero, to.wide, bound),
                     .factor = multiplier_of((double)in->quant->scale / (double)to.scale)};
  r->factor.real = in->quant->scale / to.scale;
  if (r->factor.e > MOST_RESCALED || !sum_fits(int8_most(in), r->factor.e)) {
    refuse_rescaling(q, of, (double)in->quant->scale / (double)to.scale);
    r->factor = (Multiplier){0, 0, 0};
  }
  Node *made = quant_node(q, &op_int8_rescale, of, 1, &in, quant_keep(q, to));
  made->shape = in->shape;
  made->detail = r;
  return made;
}

Node *quant_requantized(Quantizer *q, const Node *of, Node *in, Quant to) {
  if (in->quant->scale == to.scale && in->quant->zero == to.zero && in->quant->wide == to.wide) return in;
  if (in->quant->wide || to.wide) return rescaled(q, of, in, to, BOUND_NONE);
  int8_t (*value)[256] = (int8_t (*)[256])arena_alloc(q->arena, 256);
  const double factor = (double)in->quant->scale / (double)to.scale;
  if (multiplier_of(factor).e > MULTIPLIER_MOST) /* all but a few of its values are cut off */
    refuse_rescaling(q, of, factor);
  else
    table_requantize(*value, quant_file_rounding(q->file, of->name), in->quant->scale, in->quant->zero,
                     to.scale, stored_of(to.scale, to.zero, false, BOUND_NONE));
  return table_node(q, of, in, to, value, 1);
}

/* ---- functions ---- */
/* Is it another one for each channel, by its parameters or its arguments? */
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

bool quant_is_wide_function(const Node *node) {
  return node->op->int8 == INT8_RELU || node->op->int8 == INT8_RELU6;
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

/* The parameters of the function, in floats. */
static bool find_parameters(Quantizer *q, const Node *node, const float *parameter[MOST_WEIGHTS]) {
  bool found = true;
  for (int k = 0; k < node->nweights; k++) {
    const Weight *weight = node->weight[k];
    parameter[k] = weight ? quant_array(q, weight->name, F32, weight->rank, weight->dim) : NULL;
    found = found && (parameter[k] || !weight);
  }
  return found;
}

static bool fixed_quant(const Node *node, Quant *quant) {
  if (node->op->int8 == INT8_UNIT) *quant = (Quant){.scale = 1 / 256.0f, .zero = -128};
  else if (node->op->int8 == INT8_SIGNED) *quant = (Quant){.scale = 1 / 128.0f};
  else return false;
  return true;
}

Node *quant_function(Quantizer *q, const Node *node) {
  const float *parameter[MOST_WEIGHTS] = {NULL};
  const int64_t channels = shape_extent(node->shape).c, tables = channels <= MOST_TABLES ? channels : 1;
  Node *in = quant_bytes(q, node->in[0]);
  Ending end = quant_ending(q, node, false);
  if (!end.found && !fixed_quant(node, &end.quant)) end = quant_ending(q, node, true);
  const bool found = find_parameters(q, node, parameter);
  if (!in || !found) return NULL;
  if (end.quant.wide && !quant_is_wide_function(node)) {
    quant_problem(q, "%s: has no form of 16 bits; its scale must stand under its own name", node->name);
    return NULL;
  }
  if (in->quant->wide || end.quant.wide)
    return rescaled(q, node, in, end.quant,
                    node->op->int8 == INT8_RELU6 || end.bound == BOUND_RELU6 ? BOUND_RELU6 : BOUND_RELU);
  const Stored stored = stored_of(end.quant.scale, end.quant.zero, false, end.bound);
  int8_t (*value)[256] = (int8_t (*)[256])arena_alloc(q->arena, 256 * (size_t)tables);
  bool equal = true;
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

/* [1][256], or one a channel. */
Node *quant_table(Quantizer *q, const Node *node) {
  const char *name = table_name(q, node);
  const QuantArray *given = quant_file_find(q->file, name);
  const int64_t channels = given->dim[0] == 1 ? 1 : shape_extent(node->shape).c, dim[2] = {channels, 256};
  Node *in = quant_bytes(q, node->in[0]);
  const Ending end = quant_ending(q, node, true);
  const int8_t *array = quant_array(q, name, I8, 2, dim);
  if (!in || !array || !end.found) return NULL;
  if (in->quant->wide || end.quant.wide) {
    quant_problem(q, "%s: is of 8 bits, and what %s reads or makes has 16", name, node->name);
    return NULL;
  }
  int8_t (*value)[256] = (int8_t (*)[256])arena_alloc(q->arena, 256 * (size_t)channels);
  const Stored stored = stored_of(end.quant.scale, end.quant.zero, false, end.bound);
  for (int64_t i = 0; i < 256 * channels; i++)
    value[i / 256][i % 256] = (int8_t)stored_put((Stored){0, stored.lo, stored.hi}, array[i]);
  return table_node(q, node, in, end.quant, value, channels);
}

/* ---- softmax ---- */
Node *quant_softmax(Quantizer *q, const Node *node) {
  const Quant own = {.scale = 1 / 256.0f, .zero = -128};
  Quant given;
  Node *in = quant_bytes(q, node->in[0]);
  if (!in) return NULL;
  if (quant_given(q, node->name, &given) && (given.scale != own.scale || given.zero != own.zero))
    quant_problem(q, "%s.scale: is %g and %s.zero %d, should be 1/256 and -128, as of every softmax",
                  node->name, (double)given.scale, node->name, given.zero);
  if (!softmax_scale_fits(in->quant->scale)) {
    Diag *diag = diag_report(q->diags, DIAG_scale_mismatch, node->span, node->site,
                             "softmax is taken of numbers with the scale %g, and can be from 2^-26 on",
                             (double)in->quant->scale);
    diag_help(diag, "with that scale all its results are the same");
    return NULL;
  }
  Int8Softmax *s = NEW(q->arena, Int8Softmax);
  softmax_table(s->exponential, in->quant->scale);
  for (int i = 0; i < 256; i++) s->part[i] = softmax_part(s->exponential[i]);
  Node *made = quant_node(q, &op_int8_softmax, node, 1, &in, quant_keep(q, own));
  made->detail = s;
  return made;
}
