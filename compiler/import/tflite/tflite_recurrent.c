/* tflite_recurrent.c: Import of UNIDIRECTIONAL_SEQUENCE_LSTM and SVDF, both quantized and with float
 * values. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "import/tflite/tflite_make.h"
#include "import/tflite/tflite_nodes.h"

/* Inputs of the LSTM. Each group of four inputs has one input per gate, in the order i f c o. In the program,
 * gate c is called g. */
enum {
  LSTM_INPUT_WEIGHTS = 1,
  LSTM_HIDDEN_WEIGHTS = 5,
  LSTM_PEEPHOLES = 9,
  LSTM_BIASES = 12,
  LSTM_PROJECTION = 16,
  LSTM_PROJECTION_BIAS = 17,
  LSTM_HIDDEN = 18,
  LSTM_CELL = 19,
  LSTM_NORMS = 20,
  LSTM_GATES = 4
};

enum { SVDF_FEATURES = 1, SVDF_TIME, SVDF_BIAS, SVDF_STATE }; /* inputs of SVDF */

bool tflite_has_own_state(const TflOperator *op, int input) {
  if (op->code == TFL_SVDF) return input == SVDF_STATE;
  return op->code == TFL_UNIDIRECTIONAL_SEQUENCE_LSTM && (input == LSTM_HIDDEN || input == LSTM_CELL);
}

static bool lstm_given(const TflOperator *op, int i) { return i < op->nin && op->in[i] >= 0; }

static bool any_given(const TflOperator *op, int first, int n) {
  for (int i = first; i < first + n; i++)
    if (lstm_given(op, i)) return true;
  return false;
}

/* The reason why this form of LSTM is not supported, or NULL. */
static const char *lstm_refusal(const TflOperator *op) {
  if (any_given(op, LSTM_PEEPHOLES, 3)) return "it has peepholes";
  if (any_given(op, LSTM_NORMS, LSTM_GATES)) return "it has layer norms";
  if (!lstm_given(op, LSTM_INPUT_WEIGHTS) || !lstm_given(op, LSTM_HIDDEN_WEIGHTS))
    return "its input gate is coupled to its forget gate";
  if (op->clips[1] > 0) return "its projection is clipped";
  if (op->cell_activation != TFL_ACTIVATION_TANH) return "its activation is not tanh";
  if (!lstm_given(op, LSTM_HIDDEN) || !lstm_given(op, LSTM_CELL)) return "its state is missing";
  return NULL;
}

/* Whether an input is the int8 weight of a gate, with the shape [units][columns]. */
static bool is_gate_weight(Making *k, const TflOperator *op, int input, int64_t units, int64_t columns) {
  const TflTensor *w = tfl_in(k, op, input);
  if (!w) return tfl_no(k, op, "a weight is missing");
  if (!w->data) return tfl_no(k, op, "its weights are computed, not constants");
  if (w->rank != 2 || w->dim[0] != units || w->dim[1] != columns)
    return tfl_no(k, op, "its weights have the wrong shape");
  if (!w->known || w->elem != I8 || w->scales != 1 || !w->zeros)
    return tfl_no(k, op, "its weights are %s, not int8 with one scale and zero point 0", w->type);
  return true;
}

static bool is_gate_bias(Making *k, const TflOperator *op, int input, int64_t units) {
  const TflTensor *bias = tfl_in(k, op, input);
  const Elem elem = tfl_is_wide(k, op) ? I64 : I32;
  if (!bias || (bias->data && bias->size == units && bias->known && bias->elem == elem)) return true;
  return tfl_no(k, op, "its bias must have one int%s number per unit", elem == I64 ? "64" : "32");
}

/* Checks the state: h must have the type and scale of the result, and c must be int16. */
static bool check_state(Making *k, const TflOperator *op, int64_t units) {
  const TflTensor *hidden = tfl_in(k, op, LSTM_HIDDEN), *cell = tfl_in(k, op, LSTM_CELL),
                  *out = tfl_out(k, op);
  if (hidden->elem != out->elem || hidden->scales != 1 || hidden->scale[0] != out->scale[0] ||
      hidden->zero != out->zero)
    return tfl_no(k, op, "its state and its result have different types or scales");
  if (hidden->size != units || cell->size != units) return tfl_no(k, op, "it has several sequences");
  if (!cell->known || cell->elem != I16 || cell->scales != 1)
    return tfl_no(k, op, "its cell state is %s, not int16 with one scale", cell->type);
  return true;
}

static void tfl_note_state(Making *k, const TflOperator *op, const char *layer) {
  if (!op->stateful)
    text_put(&k->text, "# The model keeps the state of %s between calls; here each call starts from zeros.\n",
             layer);
}

static void put_gates(Making *k, const TflOperator *op, const char *name, int first, int64_t units,
                      int64_t columns) {
  const int64_t dim[2] = {LSTM_GATES * units, columns}, gates = LSTM_GATES;
  int8_t *data = (int8_t *)arena_alloc(k->arena, (size_t)(dim[0] * columns + 1));
  float *scale = NEW_ARRAY(k->arena, float, LSTM_GATES);
  for (int g = 0; g < LSTM_GATES; g++) {
    const TflTensor *w = tfl_in(k, op, first + g);
    scale[g] = w->scale[0];
    for (int64_t i = 0; i < units * columns; i++) tfl_element(w, i, data + g * units * columns + i);
  }
  tfl_array(k, name, I8, 2, dim, data);
  tfl_array(k, arena_printf(k->arena, "%s.scale", name), F32, 1, &gates, scale);
}

static void put_biases(Making *k, const TflOperator *op, const char *layer, int64_t units) {
  const int64_t sums = LSTM_GATES * units;
  const bool wide = tfl_is_wide(k, op);
  int32_t *bias = NEW_ARRAY(k->arena, int32_t, sums);
  int64_t *wide_bias = NEW_ARRAY(k->arena, int64_t, sums);
  for (int g = 0; g < LSTM_GATES; g++) {
    const TflTensor *from = tfl_in(k, op, LSTM_BIASES + g);
    for (int64_t u = g * units; from && u < (g + 1) * units; u++)
      tfl_element(from, u - g * units, wide ? (void *)(wide_bias + u) : (void *)(bias + u));
  }
  tfl_array(k, arena_printf(k->arena, "%s.bias_ih_l0", layer), wide ? I64 : I32, 1, &sums,
            wide ? (const void *)wide_bias : bias);
}

bool tfl_lstm(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const char *why = lstm_refusal(op);
  const int64_t one = 1;
  if (!tfl_value(k, op, op->in[0])) return false;
  if (why) return tfl_no(k, op, "%s", why);
  if (op->time_major) return tfl_no(k, op, "time is its first axis (time_major)");
  if (tfl_in(k, op, LSTM_PROJECTION) || tfl_in(k, op, LSTM_PROJECTION_BIAS))
    return tfl_no(k, op, "its projection has no int8 form");
  if (out->elem != I8 && out->elem != I16)
    return tfl_no(k, op, "its result is %s, not int8 or int16", out->type);
  if (out->elem == I16 && k->litert) return tfl_no(k, op, "LiteRT has no kernel for int16 values");
  if (in->rank != 3 || out->rank != 3) return tfl_no(k, op, "its input must be a sequence");
  const int64_t units = out->dim[2], channels = in->dim[2];
  if (!check_state(k, op, units)) return false;
  for (int g = 0; g < LSTM_GATES; g++)
    if (!is_gate_weight(k, op, LSTM_INPUT_WEIGHTS + g, units, channels) ||
        !is_gate_weight(k, op, LSTM_HIDDEN_WEIGHTS + g, units, units) ||
        !is_gate_bias(k, op, LSTM_BIASES + g, units))
      return false;
  const char *layer = tfl_layer(k, "lstm");
  tfl_note_state(k, op, layer);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "lstm(%" PRId64 "%s%s", units,
           op->clips[0] > 0 ? arena_printf(k->arena, ", clip=%.9g", (double)op->clips[0]) : "",
           op->stateful ? ", keep=true" : "");
  put_gates(k, op, arena_printf(k->arena, "%s.weight_ih_l0", layer), LSTM_INPUT_WEIGHTS, units, channels);
  put_gates(k, op, arena_printf(k->arena, "%s.weight_hh_l0", layer), LSTM_HIDDEN_WEIGHTS, units, units);
  put_biases(k, op, layer, units);
  tfl_array(k, arena_printf(k->arena, "%s.cell.scale", layer), F32, 1, &one, tfl_in(k, op, LSTM_CELL)->scale);
  tfl_scale(k, layer, out);
  if (k->litert) tfl_say(k, layer, "kernel", "litert");
  tfl_end(k, op, layer);
  return true;
}

/* ---- int8 SVDF ---- */
static bool is_svdf_constant(Making *k, const TflOperator *op, int input, int64_t rows, int64_t columns,
                             Elem elem) {
  const TflTensor *t = tfl_in(k, op, input);
  if (!t || !t->data) return tfl_no(k, op, "its weights are computed, not constants");
  if (t->rank != 2 || t->dim[0] != rows || t->dim[1] != columns)
    return tfl_no(k, op, "its weights have the wrong shape");
  if (t->known && t->elem == elem && t->scales == 1 && t->zeros) return true;
  return tfl_no(k, op, "its weights are %s, not int%s with one scale and zero point 0", t->type,
                elem == I16 ? "16" : "8");
}

/* Checks the inputs of SVDF: the weights over time must have the type of the state, which is int8 or
 * int16. */
static bool check_svdf(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *w = tfl_in(k, op, SVDF_FEATURES), *time = tfl_in(k, op, SVDF_TIME),
                  *bias = tfl_in(k, op, SVDF_BIAS), *state = tfl_in(k, op, SVDF_STATE), *out = tfl_out(k, op);
  if (op->activation && op->activation != TFL_ACTIVATION_RELU)
    return tfl_no(k, op, "its activation must be NONE or RELU");
  if (in->elem != I8 || out->elem != I8)
    return tfl_no(k, op, "its input and its result (%s) must be int8", out->type);
  if (in->rank != 2 || in->dim[0] != 1) return tfl_no(k, op, "its input must be one row");
  if (!state || !state->known || (state->elem != I8 && state->elem != I16) || state->scales != 1 ||
      (state->elem == I16 && state->zero))
    return tfl_no(k, op, "its state must be int8 or int16 (zero point 0), with one scale");
  const int64_t features = w && w->rank == 2 ? w->dim[0] : 0,
                memory = time && time->rank == 2 ? time->dim[1] : 0;
  if (op->groups < 1 || features < 1 || memory < 1 || features % op->groups ||
      state->size != features * memory || out->size != features / op->groups)
    return tfl_no(k, op, "its weights have the wrong shape");
  if (bias && !(bias->data && bias->known && bias->elem == I32 && bias->size == out->size))
    return tfl_no(k, op, "its bias must have one int32 number per unit");
  return is_svdf_constant(k, op, SVDF_FEATURES, features, in->dim[1], I8) &&
         is_svdf_constant(k, op, SVDF_TIME, features, memory, state->elem);
}

static void put_svdf_arrays(Making *k, const TflOperator *op, const char *layer) {
  const TflTensor *w = tfl_in(k, op, SVDF_FEATURES), *time = tfl_in(k, op, SVDF_TIME),
                  *bias = tfl_in(k, op, SVDF_BIAS);
  const char *feature = arena_printf(k->arena, "%s.weight_feature", layer),
             *over = arena_printf(k->arena, "%s.weight_time", layer);
  const int64_t one = 1;
  int8_t *q = (int8_t *)arena_alloc(k->arena, (size_t)w->size + 1), narrow;
  int16_t *t = NEW_ARRAY(k->arena, int16_t, time->size);
  for (int64_t i = 0; i < w->size; i++) tfl_element(w, i, q + i);
  for (int64_t i = 0; i < time->size; i++) {
    if (time->elem == I16) tfl_element(time, i, t + i);
    else tfl_element(time, i, &narrow), t[i] = narrow;
  }
  tfl_array(k, feature, I8, 2, w->dim, q);
  tfl_array(k, arena_printf(k->arena, "%s.scale", feature), F32, 1, &one, w->scale);
  tfl_array(k, over, I16, 2, time->dim, t);
  tfl_array(k, arena_printf(k->arena, "%s.scale", over), F32, 1, &one, time->scale);
  if (!bias) return;
  int32_t *b = NEW_ARRAY(k->arena, int32_t, bias->size);
  for (int64_t u = 0; u < bias->size; u++) tfl_element(bias, u, b + u);
  tfl_array(k, arena_printf(k->arena, "%s.bias", layer), I32, 1, &bias->size, b);
}

/* TensorFlow Lite's int8 kernels do not apply the activation of SVDF. So a relu is only emitted if it has no
 * effect: if the lowest int8 number of the result represents 0. */
bool tfl_svdf(Making *k, const TflOperator *op) {
  const TflTensor *out = tfl_out(k, op);
  if (!tfl_value(k, op, op->in[0]) || !check_svdf(k, op)) return false;
  const int64_t units = out->size, memory = tfl_in(k, op, SVDF_TIME)->dim[1];
  const char *layer = tfl_layer(k, "svdf"),
             *relu = op->activation && out->zero == INT8_MIN ? ", activation=relu" : "";
  TflOperator plain = *op;
  plain.activation = 0;
  tfl_note_state(k, op, layer);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "svdf(%" PRId64 ", %" PRId64 ", rank=%" PRId64 "%s%s%s", units, memory, op->groups,
           tfl_in(k, op, SVDF_BIAS) ? "" : ", bias=false", relu, op->stateful ? ", keep=true" : "");
  put_svdf_arrays(k, op, layer);
  tfl_scale(k, arena_printf(k->arena, "%s.features", layer), tfl_in(k, op, SVDF_STATE));
  tfl_scale(k, layer, out);
  tfl_end_as(k, &plain, layer, shape_sequence(1, units));
  return true;
}

/* ---- LSTM with float values, as an ONNX LSTM ---- */
/* The weights of the gates i f c o, concatenated in the order i o f c; NULL: the weights of a gate are not a
 * float constant of this size. */
static Tensor *lstm_gates(Nodes *n, int first, int64_t units, int64_t columns) {
  static const int order[] = {0, 3, 1, 2};
  const int64_t dim[] = {1, LSTM_GATES * units, columns};
  for (int g = 0; g < LSTM_GATES; g++) {
    const TflTensor *w = nodes_tensor(n, first + g);
    if (!w || !w->data || !w->known || w->elem != F32 || w->size != units * columns) return NULL;
  }
  Tensor *t = tensor_new(n->arena, TENSOR_FLOAT, 3, dim);
  for (int g = 0; g < LSTM_GATES; g++) {
    const TflTensor *w = nodes_tensor(n, first + order[g]);
    for (int64_t i = 0; i < w->size; i++) tensor_put(t, g * w->size + i, tfl_number(w, i));
  }
  return t;
}

/* A constant float input of shape [rows][columns] (columns = 0: a vector); NULL: the input is something
 * else. */
static Tensor *lstm_constant(Nodes *n, int input, int64_t rows, int64_t columns) {
  const TflTensor *from = nodes_tensor(n, input);
  const int64_t dim[] = {rows, columns};
  if (!from || !from->data || !from->known || from->elem != F32 || from->rank != 1 + (columns > 0) ||
      from->dim[0] != rows || (columns && from->dim[1] != columns))
    return NULL;
  Tensor *t = tensor_new(n->arena, TENSOR_FLOAT, from->rank, dim);
  for (int64_t i = 0; i < from->size; i++) tensor_put(t, i, tfl_number(from, i));
  return t;
}

/* In the model, h = W_hr m + b, where m is the output before the projection. The layer of the program has no
 * b: its h is W_hr m, the model's h minus b. So its initial h is -b, and W_hh b is added to the biases of the
 * gates. */
static void add_projection_bias(Tensor *biases, const Tensor *hidden, const Tensor *b, int64_t units) {
  for (int64_t s = 0; s < LSTM_GATES * units; s++) {
    double sum = tensor_number(biases, s);
    for (int64_t k = 0; k < b->n; k++) sum += tensor_number(hidden, s * b->n + k) * tensor_number(b, k);
    tensor_put(biases, s, sum);
  }
}

static int projection_start(Nodes *n, const Tensor *b) {
  const int64_t dim[] = {1, 1, b->n};
  Tensor *t = tensor_new(n->arena, TENSOR_FLOAT, 3, dim);
  for (int64_t k = 0; k < b->n; k++) tensor_put(t, k, -tensor_number(b, k));
  return nodes_constant(n, t);
}

/* The biases of the gates in the order i o f c (zeros for a missing bias), followed by zeros as the second
 * biases of an ONNX LSTM; NULL: a bias is not a float constant of this size. */
static Tensor *lstm_biases(Nodes *n, int64_t units) {
  static const int order[] = {0, 3, 1, 2};
  const int64_t dim[] = {1, 2 * LSTM_GATES * units};
  Tensor *t = tensor_new(n->arena, TENSOR_FLOAT, 2, dim);
  for (int g = 0; g < LSTM_GATES; g++) {
    const TflTensor *b = nodes_tensor(n, LSTM_BIASES + order[g]);
    if (!b) continue;
    if (!b->data || !b->known || b->elem != F32 || b->size != units) return NULL;
    for (int64_t u = 0; u < units; u++) tensor_put(t, g * units + u, tfl_number(b, u));
  }
  return t;
}

/* Adds a comment if the model keeps a state between calls and the net does not. Adds
 * another comment if the weights are int8 and the values float: then the results differ from LiteRT's. */
static void note_state(Nodes *n, OnnxNode *node) {
  node->keeps = n->op->stateful;
  if (!n->op->stateful)
    vec_push(n->arena, n->onnx->comments,
             arena_printf(n->arena,
                          "The model keeps the state of %s between calls; here each call starts from zeros.",
                          n->title));
  if (n->op->hybrid)
    vec_push(n->arena, n->onnx->comments,
             arena_printf(n->arena,
                          "%s has int8 weights: its results differ from those of LiteRT, which also rounds "
                          "activations to int8.",
                          n->title));
}

void nodes_lstm(Nodes *n) {
  const TflOperator *op = n->op;
  const TflTensor *x = nodes_tensor(n, 0), *out = &n->m->tensor[op->out[0]];
  const char *why = lstm_refusal(op);
  if (why) return nodes_refuse(n, why);
  if (!x || x->rank != 3 || out->rank != 3 || out->dim[2] < 1 || x->dim[2] < 1 || out->dim[2] > INT16_MAX ||
      x->dim[2] > INT16_MAX)
    return nodes_refuse(n, "its input must be a sequence");
  const TflTensor *projection = nodes_tensor(n, LSTM_PROJECTION);
  const int64_t outputs = out->dim[2],
                units = projection && projection->rank == 2 ? projection->dim[1] : outputs,
                directions[] = {op->time_major ? 1 : 2};
  if (!nodes_may_copy(n)) return;
  Tensor *w = lstm_gates(n, LSTM_INPUT_WEIGHTS, units, x->dim[2]),
         *r = w ? lstm_gates(n, LSTM_HIDDEN_WEIGHTS, units, outputs) : NULL,
         *b = r ? lstm_biases(n, units) : NULL,
         *hr = projection ? lstm_constant(n, LSTM_PROJECTION, outputs, units) : NULL,
         *shift = projection ? lstm_constant(n, LSTM_PROJECTION_BIAS, outputs, 0) : NULL;
  if (!w || !r || !b || (projection && !hr) || (nodes_tensor(n, LSTM_PROJECTION_BIAS) && !shift))
    return nodes_refuse(n, "its weights have the wrong shape");
  if (projection && outputs >= units) return nodes_refuse(n, "its projection is not smaller than its cell");
  if (shift && op->stateful) return nodes_refuse(n, "its projection has a bias, and its state is kept");
  if (shift) add_projection_bias(b, r, shift, units);
  const int in[] = {nodes_in(n, 0),
                    nodes_constant(n, w),
                    nodes_constant(n, r),
                    nodes_constant(n, b),
                    0,
                    shift ? projection_start(n, shift) : 0,
                    0,
                    0,
                    hr ? nodes_constant(n, hr) : 0};
  const int made = nodes_apply(n, "LSTM", hr ? 9 : 4, in);
  OnnxNode *node = nodes_last(n);
  onnx_set_int(n->arena, node, "hidden_size", units);
  onnx_set_int(n->arena, node, "layout", !op->time_major);
  if (op->clips[0] > 0) onnx_set_float(n->arena, node, "cnnc_clip", (double)op->clips[0]);
  note_state(n, node);
  const int one[] = {made, nodes_integers(n, 1, directions)};
  const int rows = nodes_apply(n, "Squeeze", 2, one), sum[] = {rows, shift ? nodes_constant(n, shift) : 0};
  nodes_finish_as(n, shift ? nodes_apply(n, "Add", 2, sum) : rows, 0);
}

/* ---- SVDF ---- */
/* A constant float input of the given rank, 1 or 2; NULL: the input is something else. */
static Tensor *svdf_constant(Nodes *n, int input, int rank) {
  const TflTensor *from = nodes_tensor(n, input);
  if (!from || !from->data || !from->known || from->elem != F32 || from->rank != rank) return NULL;
  const int64_t dim[] = {from->dim[0], rank > 1 ? from->dim[1] : 1};
  Tensor *t = tensor_new(n->arena, TENSOR_FLOAT, rank, dim);
  for (int64_t i = 0; i < from->size; i++) tensor_put(t, i, tfl_number(from, i));
  return t;
}

void nodes_svdf(Nodes *n) {
  const TflOperator *op = n->op;
  if (!nodes_may_copy(n)) return;
  Tensor *w = svdf_constant(n, SVDF_FEATURES, 2), *time = svdf_constant(n, SVDF_TIME, 2),
         *bias = svdf_constant(n, SVDF_BIAS, 1);
  const bool biased = nodes_tensor(n, SVDF_BIAS) != NULL;
  if (op->activation && op->activation != TFL_ACTIVATION_RELU)
    return nodes_refuse(n, "its activation must be NONE or RELU");
  if (!w || !time || (biased && !bias)) return nodes_refuse(n, "its weights are not float constants");
  const int in[] = {nodes_in(n, 0), nodes_constant(n, w), nodes_constant(n, time),
                    bias ? nodes_constant(n, bias) : 0};
  const int made = nodes_apply(n, "SVDF", biased ? 4 : 3, in);
  OnnxNode *node = nodes_last(n);
  onnx_set_int(n->arena, node, "rank", op->groups);
  onnx_set_int(n->arena, node, "relu", op->activation == TFL_ACTIVATION_RELU);
  note_state(n, node);
  nodes_finish_as(n, made, 0);
}
