/* recurrent_layers.c: Conversion of lstm (to int8 or int16), gru and rnn (to int8): per direction, a product
 * with int16 results for the gates of all rows, and a core (ops/int8/int8_recurrent.c). */
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ops/int8/int8_recurrent.h"
#include "quantize/quantizer.h"

static const float GATE_SCALE = 1 / 4096.0f, UNIT_SCALE = 1 / 32768.0f, BYTE_SCALE = 1 / 128.0f;
enum { CELL_BITS_LEAST = -15, CELL_BITS_MOST = 2 };

/* Whether the layer may have int16 x and h: an lstm whose c has a scale in the file. */
static bool is_wide_lstm(const Quantizer *q, const Node *node) {
  return node->op->traits.int8 == INT8_RECURRENT && recurrent_direction(node, 0).cell == CELL_LSTM &&
         table_find(&q->file->by_name, arena_printf(q->arena, "%s.cell.scale", node->name)) != NULL;
}

bool quant_is_recurrent(const Quantizer *q, const Node *node) {
  const Node *in = q->map[node->in[0]->id];
  return in && in->quant && (!in->quant->wide || is_wide_lstm(q, node)) &&
         (node->op->traits.int8 == INT8_SVDF || !recurrent_direction(node, 0).project);
}

/* ---- products ---- */
static const float *product_scales(Quantizer *q, const Weight *weight, int64_t gates, int64_t *n) {
  const char *name = arena_printf(q->arena, "%s.scale", weight->name);
  const QuantArray *array = quant_file_find(q->file, name);
  *n = array && (array->size == 1 || array->size == weight->dim[0]) ? array->size : gates;
  const float *scale = quant_array(q, name, F32, 1, n);
  for (int64_t i = 0; scale && i < *n; i++)
    if (!(scale[i] > 0) || !isfinite(scale[i])) {
      quant_problem(q, "%s: has %g; must be numbers above 0", name, (double)scale[i]);
      return NULL;
    }
  return scale;
}

bool quant_find_product(Quantizer *q, const Weight *weight, const Weight *bias, int64_t gates, bool wide,
                        RowsProduct *p) {
  *p = (RowsProduct){.weight = weight, .sums = weight->dim[0], .terms = weight->dim[1]};
  p->q = quant_array(q, weight->name, I8, weight->rank, weight->dim);
  p->scale = product_scales(q, weight, gates, &p->scales);
  if (wide)
    p->wide_bias =
        bias ? quant_array(q, bias->name, I64, 1, &p->sums) : NEW_ARRAY(q->arena, int64_t, p->sums);
  else p->bias = bias ? quant_array(q, bias->name, I32, 1, &p->sums) : NEW_ARRAY(q->arena, int32_t, p->sums);
  for (int64_t i = 0; p->q && i < weight->size; i++)
    if (p->q[i] < -INT8_MAX) {
      quant_problem(q, "%s: has -128; weights must be -127 to 127", weight->name);
      return false;
    }
  return p->q && p->scale && (p->bias || p->wide_bias);
}

static void refuse_gates(Quantizer *q, const Node *node, const Weight *weight, double unit, bool wide) {
  Diag *diag =
      diag_report(q->diags, DIAG_scale_mismatch, node->span, node->site,
                  "the scales of %s are incompatible: the scale of its sums is %g", node->name, unit);
  diag_fact(diag, "gates have the scale 2^-%d; the scale of the sums must be below 2^%d times this scale",
            GATE_BITS, wide ? WIDE_MULTIPLIER_MOST : FLT_MAX_EXP);
  diag_help(diag, "%s.scale times the scale of its operand is too large", weight->name);
}

/* Computes the factors that convert the product's sums to gates. one: the product of the input's scale and
 * the weights' scale is rounded to float. False after an error. */
static bool find_factors(Quantizer *q, const Node *node, const Quant *in, bool one, RowsProduct *p) {
  Multiplier *factor = NEW_ARRAY(q->arena, Multiplier, p->sums);
  const double low = in->zero - INT8_MIN, high = INT8_MAX - in->zero,
               reach = in->wide ? -INT16_MIN : fmax(low, high);
  for (int64_t s = 0; s < p->sums; s++) {
    const float scale = p->scale[s * p->scales / p->sums];
    double most = fabs(in->wide ? (double)p->wide_bias[s] : (double)p->bias[s]);
    for (int64_t i = 0; i < p->terms; i++) most += abs(p->q[s * p->terms + i]) * reach;
    factor[s] = multiplier_of_scales(in->scale, scale, GATE_SCALE, one);
    if ((in->wide && factor[s].e > WIDE_MULTIPLIER_MOST) || !isfinite(factor[s].real)) {
      refuse_gates(q, node, p->weight, (double)in->scale * (double)scale, in->wide);
      return false;
    }
    if (in->wide ? most >= (double)(INT64_C(1) << WIDE_SUM_BITS) : most > INT32_MAX)
      return quant_report_sum(q, node, p->weight, s, p->terms, most, in->wide ? WIDE_SUM_BITS + 1 : 32);
    if (!in->wide) factor[s] = multiplier_reaching(factor[s], (int64_t)most);
  }
  p->factor = factor;
  return true;
}

/* ---- the layer ---- */
typedef struct Layer {
  const Node *node;
  Quant h;     /* quantization of the value h */
  Quant start; /* quantization of the initial h */
  Quant cell;  /* quantization of c */
  int32_t cell_bits;
  Rounding rounding;
  bool litert, keeps, wide; /* wide: x and h are int16 */
} Layer;

/* One direction of the layer, as the core computes it. With keep=true, the core has its own states, not the
 * state inputs of the layer. */
static Recurrent direction_of(const Node *node, int way) {
  Recurrent r = recurrent_direction(node, way);
  if (r.keeps) r.hidden = r.state = 0;
  r.keeps = false;
  return r;
}

/* Finds the scale of the layer's value. For gru, and for rnn with tanh, the scale is fixed. */
static bool find_value(Quantizer *q, Layer *l, const Recurrent *r) {
  Quant given;
  const char *name = l->node->name;
  const bool found = quant_given(q, name, &given);
  if (r->cell == CELL_LSTM || r->relu) {
    if (found && given.wide != l->wide)
      quant_problem(q, "%s: has %s bits, but a recurrent layer with an %s-bit input has an %s-bit output",
                    name, given.wide ? "16" : "8", l->wide ? "16" : "8", l->wide ? "16" : "8");
    else if (!found) quant_problem(q, "%s.scale (F32 [1]) and %s.zero (I8 [1]) are missing", name, name);
    l->h = l->start = given;
    return found && given.wide == l->wide;
  }
  l->h = (Quant){.scale = BYTE_SCALE};
  l->start = r->cell == CELL_GRU ? (Quant){.scale = UNIT_SCALE, .wide = true} : l->h;
  if (!found || (given.scale == l->h.scale && given.zero == 0 && !given.wide)) return true;
  quant_problem(q, "%s.scale: is %g, and %s.zero is %d; must be 1/128 and 0 for %s", name,
                (double)given.scale, name, given.zero, l->node->op->name);
  return false;
}

static bool find_cell(Quantizer *q, Layer *l) {
  const int64_t one = 1;
  const char *name = arena_printf(q->arena, "%s.cell.scale", l->node->name);
  const float *scale = quant_array(q, name, F32, 1, &one);
  if (!scale) return false;
  const int most = l->litert ? FIXED_WHOLE_MOST - UNIT_BITS : CELL_BITS_MOST;
  int bits = 0;
  if (!(*scale > 0) || !isfinite(*scale) || !scale_is_power(*scale, &bits) || bits < CELL_BITS_LEAST ||
      bits > most) {
    quant_problem(q, "%s: is %g; must be a power of two from 2^%d to 2^%d", name, (double)*scale,
                  CELL_BITS_LEAST, most);
    return false;
  }
  l->cell = (Quant){.scale = *scale, .wide = true};
  l->cell_bits = bits;
  return true;
}

/* An initial state, as the core reads it. */
static Node *recurrent_start_value(Quantizer *q, const Layer *l, int input, Quant quant, const char *suffix) {
  const Node *given = l->node->in[input];
  Node *value = q->map[given->id];
  if (!value) return NULL;
  Node *made = value->quant ? quant_requantized(q, l->node, value, quant)
                            : quant_node(q, &op_int8_from_float, given, 1, &value, quant_keep(q, quant));
  if (made != value) made->name = arena_printf(q->arena, "%s.%s_start", l->node->name, suffix);
  made->shape = given->shape;
  return made;
}

/* The clip of the cell state c, in units of the scale of c, truncated as in TensorFlow Lite's kernels;
 * negative: no clip. */
static int32_t cell_clip(const Layer *l, const Recurrent *r) {
  if (!(r->clip > 0)) return -1;
  const float clip = (float)r->clip;
  const double units = l->litert ? (double)(clip / l->cell.scale) : (double)clip / (double)l->cell.scale;
  return units > INT16_MAX ? INT16_MAX : (int32_t)units;
}

/* Factors of the products in the cell. False after an error. */
static bool find_cell_factors(Quantizer *q, const Layer *l, Int8Recurrent *p) {
  static const int64_t PRODUCT_MOST = 1 << 30; /* of two int16 numbers */
  const double unit = (double)UNIT_SCALE, scale = (double)l->h.scale;
  if (p->r.cell == CELL_LSTM) {
    p->forget = multiplier_of(unit * (double)l->cell.scale / (double)l->cell.scale);
    p->add = multiplier_of(unit * unit / (double)l->cell.scale);
    p->bits = l->cell_bits;
    p->clip = cell_clip(l, &p->r);
    p->out = multiplier_of(l->litert ? (double)(UNIT_SCALE / l->h.scale * UNIT_SCALE) : unit * unit / scale);
    p->out = multiplier_reaching(p->out, PRODUCT_MOST);
    return quant_factor_fits(q, l->node, p->out, false, unit * unit, l->h.scale);
  }
  if (!p->r.relu) return true;
  p->out = multiplier_reaching(multiplier_of((double)GATE_SCALE / scale), -INT16_MIN);
  return quant_factor_fits(q, l->node, p->out, false, (double)GATE_SCALE, l->h.scale);
}

static Node *gates_node(Quantizer *q, const Layer *l, const Recurrent *r, int way, Node *rows,
                        const RowsProduct *from) {
  Int8Product *product = NEW(q->arena, Int8Product);
  *product = (Int8Product){.rounding = l->rounding,
                           .stored = stored_of(GATE_SCALE, 0, true, BOUND_NONE),
                           .weight = from->q,
                           .weight_most = INT8_MAX,
                           .bias = from->bias,
                           .wide_bias = from->wide_bias,
                           .factor = from->factor};
  Node *gates = recurrent_gates(q->to, l->node, &op_int8_product, r, way, rows);
  gates->elem = I16;
  gates->quant = quant_keep(q, (Quant){.scale = GATE_SCALE, .wide = true});
  gates->detail = product;
  return gates;
}

/* Creates the node of a core. With keep=true the node is a template, from which int8_recurrent_keep creates
 * the nodes that start from the state of the last call. */
static Node *core_node(Quantizer *q, const Layer *l, const Int8Recurrent *p, int way, int nin,
                       Node *const *in) {
  const Recurrent *r = &p->r;
  Node *core = l->keeps ? NEW(q->arena, Node) : NULL;
  if (l->keeps)
    *core = (Node){.op = &op_int8_recurrent,
                   .name = l->node->name,
                   .elem = l->wide ? I16 : I8,
                   .quant = quant_keep(q, l->h),
                   .nin = 1,
                   .in = (Node **)memcpy(NEW_ARRAY(q->arena, Node *, 1), in, sizeof *in),
                   .span = l->node->span,
                   .site = l->node->site};
  else core = quant_node(q, &op_int8_recurrent, l->node, nin, in, quant_keep(q, l->h));
  core->shape = r->last ? shape_vector(r->outputs) : shape_sequence(r->rows, r->outputs);
  if (recurrent_directions(l->node) == 2)
    core->name = arena_printf(q->arena, "%s.%s", l->node->name, way ? "reverse" : "forward");
  core->detail = p;
  if (!l->keeps) return core;
  const int first = q->to->nodes.n;
  Node *made = int8_recurrent_keep(q->to, core, NULL, 0, 0);
  quant_separate(q, first);
  return made;
}

/* The two products of a direction: of x and of h. */
typedef struct Products {
  RowsProduct x, h;
} Products;

/* False, after an error message: an array is missing or wrong. */
static bool find_products(Quantizer *q, const Node *node, int way, bool wide, Products *p) {
  Weight *const *weight = node->weight + way * DIRECTION_WEIGHTS;
  const Recurrent r = recurrent_direction(node, way);
  const bool apart =
      r.cell == CELL_GRU && !r.before; /* the candidate gate's product of h has a separate bias */
  const bool found = quant_find_product(q, weight[INPUT_WEIGHT], weight[INPUT_BIAS], r.gates, wide, &p->x);
  return quant_find_product(q, weight[HIDDEN_WEIGHT], apart ? weight[HIDDEN_BIAS] : NULL, r.gates, wide,
                            &p->h) &&
         found;
}

/* Creates a direction; NULL after an error. rows: the input; start: the initial states of both directions, by
 * index of the layer's input. */
static Node *quant_direction(Quantizer *q, const Layer *l, int way, Products *products, Node *rows,
                             Node *const *start) {
  Int8Recurrent *p = NEW(q->arena, Int8Recurrent);
  *p = (Int8Recurrent){.r = direction_of(l->node, way),
                       .rounding = l->rounding,
                       .litert = l->litert,
                       .wide = l->wide,
                       .zero = l->h.zero,
                       .stored = stored_of(l->h.scale, l->h.zero, l->wide, BOUND_NONE),
                       .clip = -1};
  const Recurrent *r = &p->r;
  if (!find_factors(q, l->node, rows->quant, l->litert, &products->x) ||
      !find_factors(q, l->node, &l->h, l->litert, &products->h) || !find_cell_factors(q, l, p))
    return NULL;
  p->weight = products->h.q;
  p->bias = products->h.bias;
  p->factor = products->h.factor;
  Node *in[3] = {gates_node(q, l, r, way, rows, &products->x)};
  if (r->hidden) in[r->hidden] = recurrent_start(q->to, l->node, start[r->hidden], way, r->outputs, "hidden");
  if (r->state) in[r->state] = recurrent_start(q->to, l->node, start[r->state], way, r->units, "cell");
  return core_node(q, l, p, way, 1 + (r->hidden > 0) + (r->state > 0), in);
}

static bool find_starts(Quantizer *q, const Layer *l, const Recurrent *r, Node **start) {
  if (r->hidden) start[r->hidden] = recurrent_start_value(q, l, r->hidden, l->start, "hidden");
  if (r->state) start[r->state] = recurrent_start_value(q, l, r->state, l->cell, "cell");
  return (!r->hidden || start[r->hidden]) && (!r->state || start[r->state]);
}

Node *quant_recurrent(Quantizer *q, const Node *node) {
  if (node->op->traits.int8 == INT8_SVDF) return quant_svdf(q, node);
  const int directions = recurrent_directions(node);
  const Recurrent r = direction_of(node, 0);
  Layer l = {.node = node,
             .keeps = arg_bool(node, "keep"),
             .wide = q->map[node->in[0]->id]->quant->wide,
             .rounding = quant_file_rounding(q->file, node->name),
             .litert = r.cell == CELL_LSTM && quant_file_litert(q->file, node->name)};
  Products products[2];
  bool all = find_value(q, &l, &r);
  if (r.cell == CELL_LSTM) all &= find_cell(q, &l);
  for (int way = 0; way < directions; way++) all &= find_products(q, node, way, l.wide, &products[way]);
  Node *rows = quant_int8_value(q, node->in[0]), *start[3] = {NULL}, *made[2] = {NULL};
  if (!rows || !all || !find_starts(q, &l, &r, start)) return NULL;
  rows = recurrent_rows(q->to, node, &r, rows);
  for (int way = 0; way < directions; way++)
    all &= (made[way] = quant_direction(q, &l, way, &products[way], rows, start)) != NULL;
  if (!all) return NULL;
  return directions == 2 ? recurrent_join(q->to, node, made) : made[0];
}
