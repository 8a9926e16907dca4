/* tflite_recurrent.c: Import of UNIDIRECTIONAL_SEQUENCE_LSTM, with int8 weights and values and with float
 * values, and of SVDF with float values. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "import/tflite/tflite_make.h"
#include "import/tflite/tflite_nodes.h"

/* Inputs of the operator. Its gates i f c o are i f g o in the program. */
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

/* The reason why its form is not supported, or NULL. */
static const char *lstm_refusal(const TflOperator *op) {
  if (any_given(op, LSTM_PEEPHOLES, 3)) return "it has peepholes";
  if (any_given(op, LSTM_NORMS, LSTM_GATES)) return "it has layer norms";
  if (!lstm_given(op, LSTM_INPUT_WEIGHTS) || !lstm_given(op, LSTM_HIDDEN_WEIGHTS))
    return "its input gate is coupled to its forget gate";
  if (lstm_given(op, LSTM_PROJECTION_BIAS)) return "its projection has a bias";
  if (op->clips[1] > 0) return "its projection is clipped";
  if (op->cell_activation != TFL_ACTIVATION_TANH) return "its activation is not tanh";
  if (!lstm_given(op, LSTM_HIDDEN) || !lstm_given(op, LSTM_CELL)) return "its state is missing";
  return NULL;
}

/* A weight of a gate: [units][columns]. */
static bool is_gate_weight(Making *k, const TflOperator *op, int input, int64_t units, int64_t columns) {
  const TflTensor *w = tfl_in(k, op, input);
  if (!w) return tfl_no(k, op, "a weight is missing");
  if (!w->data) return tfl_no(k, op, "its weights are computed, not constants");
  if (w->rank != 2 || w->dim[0] != units || w->dim[1] != columns)
    return tfl_no(k, op, "its weights do not match its input");
  if (!w->known || w->elem != I8 || w->scales != 1 || !w->zeros)
    return tfl_no(k, op, "its weights are %s, not int8 with one scale and zero point 0", w->type);
  return true;
}

static bool is_gate_bias(Making *k, const TflOperator *op, int input, int64_t units) {
  const TflTensor *bias = tfl_in(k, op, input);
  if (!bias || (bias->data && bias->size == units && bias->known && bias->elem == I32)) return true;
  return tfl_no(k, op, "its bias must have one int32 number per unit");
}

/* h must have the scale of the value, and c must be int16. */
static bool check_state(Making *k, const TflOperator *op, int64_t units) {
  const TflTensor *hidden = tfl_in(k, op, LSTM_HIDDEN), *cell = tfl_in(k, op, LSTM_CELL),
                  *out = tfl_out(k, op);
  if (hidden->elem != I8 || hidden->scales != 1 || hidden->scale[0] != out->scale[0] ||
      hidden->zero != out->zero)
    return tfl_no(k, op, "the scales of its state and its value differ");
  if (hidden->size != units || cell->size != units) return tfl_no(k, op, "it has several sequences");
  if (!cell->known || cell->elem != I16 || cell->scales != 1)
    return tfl_no(k, op, "its cells are %s, not int16 with one scale", cell->type);
  return true;
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
  int32_t *bias = NEW_ARRAY(k->arena, int32_t, sums);
  for (int g = 0; g < LSTM_GATES; g++) {
    const TflTensor *from = tfl_in(k, op, LSTM_BIASES + g);
    for (int64_t u = 0; from && u < units; u++) tfl_element(from, u, bias + g * units + u);
  }
  tfl_array(k, arena_printf(k->arena, "%s.bias_ih_l0", layer), I32, 1, &sums, bias);
}

bool tfl_lstm(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const char *why = lstm_refusal(op);
  const int64_t one = 1;
  if (!tfl_value(k, op, op->in[0])) return false;
  if (why) return tfl_no(k, op, "%s", why);
  if (op->time_major) return tfl_no(k, op, "its first axis is time");
  if (op->stateful) return tfl_no(k, op, "its state between calls (--variables=keep) has no int8 form");
  if (tfl_in(k, op, LSTM_PROJECTION)) return tfl_no(k, op, "its projection has no int8 form");
  if (out->elem != I8) return tfl_no(k, op, "it is %s, not int8 with int16 cells", out->type);
  if (in->rank != 3 || out->rank != 3) return tfl_no(k, op, "its input must be a sequence");
  const int64_t units = out->dim[2], channels = in->dim[2];
  if (!check_state(k, op, units)) return false;
  for (int g = 0; g < LSTM_GATES; g++)
    if (!is_gate_weight(k, op, LSTM_INPUT_WEIGHTS + g, units, channels) ||
        !is_gate_weight(k, op, LSTM_HIDDEN_WEIGHTS + g, units, units) ||
        !is_gate_bias(k, op, LSTM_BIASES + g, units))
      return false;
  const char *layer = tfl_layer(k, "lstm");
  text_put(&k->text, "# The model keeps the state of %s between calls; here each call starts from zeros.\n",
           layer);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "lstm(%" PRId64 "%s", units,
           op->clips[0] > 0 ? arena_printf(k->arena, ", clip=%.9g", (double)op->clips[0]) : "");
  put_gates(k, op, arena_printf(k->arena, "%s.weight_ih_l0", layer), LSTM_INPUT_WEIGHTS, units, channels);
  put_gates(k, op, arena_printf(k->arena, "%s.weight_hh_l0", layer), LSTM_HIDDEN_WEIGHTS, units, units);
  put_biases(k, op, layer, units);
  tfl_array(k, arena_printf(k->arena, "%s.cell.scale", layer), F32, 1, &one, tfl_in(k, op, LSTM_CELL)->scale);
  tfl_scale(k, layer, out);
  if (k->litert) tfl_say(k, layer, "kernel", "litert");
  tfl_end(k, op, layer);
  return true;
}

/* ---- with float values, as an ONNX LSTM ---- */
/* The gates i f c o, concatenated in the order i o f c; NULL: invalid sizes. */
static Tensor *lstm_gates(Nodes *n, int first, int64_t units, int64_t columns) {
  static const int order[] = {0, 3, 1, 2};
  const int64_t dim[] = {1, LSTM_GATES * units, columns};
  Tensor *t = tensor_new(n->arena, TENSOR_FLOAT, 3, dim);
  for (int g = 0; g < LSTM_GATES; g++) {
    const TflTensor *w = nodes_tensor(n, first + order[g]);
    if (!w || !w->data || !w->known || w->elem != F32 || w->size != units * columns) return NULL;
    for (int64_t i = 0; i < w->size; i++) tensor_put(t, g * w->size + i, tfl_number(w, i));
  }
  return t;
}

/* Biases, each of which may be missing, and zeros. */
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

/* Comments on its state, and on weights of another type than the values. */
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
                          "%s has int8 weights: its results differ from LiteRT's, which rounds its values.",
                          n->title));
}

void nodes_lstm(Nodes *n) {
  const TflOperator *op = n->op;
  const TflTensor *x = nodes_tensor(n, 0), *out = &n->m->tensor[op->out[0]];
  const char *why = lstm_refusal(op);
  if (why) return nodes_refuse(n, why);
  if (nodes_tensor(n, LSTM_PROJECTION)) return nodes_refuse(n, "its projection is not supported yet");
  if (!x || x->rank != 3 || out->rank != 3 || out->dim[2] < 1 || x->dim[2] < 1 || out->dim[2] > INT16_MAX ||
      x->dim[2] > INT16_MAX)
    return nodes_refuse(n, "its input must be a sequence");
  const int64_t units = out->dim[2], directions[] = {op->time_major ? 1 : 2};
  Tensor *w = lstm_gates(n, LSTM_INPUT_WEIGHTS, units, x->dim[2]),
         *r = lstm_gates(n, LSTM_HIDDEN_WEIGHTS, units, units), *b = lstm_biases(n, units);
  if (!w || !r || !b) return nodes_refuse(n, "its weights do not match its input");
  const int in[] = {nodes_in(n, 0), nodes_constant(n, w), nodes_constant(n, r), nodes_constant(n, b)};
  const int made = nodes_apply(n, "LSTM", 4, in);
  OnnxNode *node = nodes_last(n);
  onnx_set_int(n->arena, node, "hidden_size", units);
  onnx_set_int(n->arena, node, "layout", !op->time_major);
  if (op->clips[0] > 0) onnx_set_float(n->arena, node, "cnnc_clip", (double)op->clips[0]);
  note_state(n, node);
  const int one[] = {made, nodes_integers(n, 1, directions)};
  nodes_finish_as(n, nodes_apply(n, "Squeeze", 2, one), 0);
}

/* ---- SVDF ---- */
/* A constant matrix of floats, or a vector; NULL: the input is something else. */
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
  Tensor *w = svdf_constant(n, SVDF_FEATURES, 2), *time = svdf_constant(n, SVDF_TIME, 2),
         *bias = svdf_constant(n, SVDF_BIAS, 1);
  const bool biased = nodes_tensor(n, SVDF_BIAS) != NULL;
  if (op->activation && op->activation != TFL_ACTIVATION_RELU)
    return nodes_refuse(n, "its activation is neither none nor RELU");
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
