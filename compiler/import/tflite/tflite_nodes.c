/* tflite_nodes.c: Conversion of a float TensorFlow Lite model to an ONNX graph, which is then imported. Each
 * operator becomes ONNX nodes. If these nodes need channels first, transposes before and after them are
 * added. */
// SPDX-License-Identifier: Apache-2.0
#include "import/tflite/tflite_nodes.h"
#include "import/import.h"
#include <ctype.h>
#include <string.h>

enum { OPSET = 21 };

/* ---- tensors ---- */
int nodes_in(const Nodes *n, int k) { return k < n->op->nin && n->op->in[k] >= 0 ? n->op->in[k] + 1 : 0; }

int nodes_out(const Nodes *n, int k) { return k < n->op->nout && n->op->out[k] >= 0 ? n->op->out[k] + 1 : 0; }

const TflTensor *nodes_tensor(const Nodes *n, int k) {
  return k < n->op->nin && n->op->in[k] >= 0 ? &n->m->tensor[n->op->in[k]] : NULL;
}

int nodes_rank(const Nodes *n, int k) {
  const TflTensor *t = nodes_tensor(n, k);
  return t ? t->rank : 0;
}

static int new_tensor(Nodes *n, const char *name, Tensor *constant, int shown) {
  vec_push(n->arena, n->names, name);
  vec_push(n->arena, n->constants, constant);
  vec_push(n->arena, n->shown, shown);
  return n->names.n - 1;
}

int nodes_constant(Nodes *n, Tensor *t) { return new_tensor(n, "", t, 0); }

int nodes_integers(Nodes *n, int count, const int64_t *list) {
  return nodes_constant(n, tensor_list(n->arena, count, list));
}

int nodes_number(Nodes *n, double number) {
  return nodes_constant(n, tensor_scalar(n->arena, TENSOR_FLOAT, number));
}

static TensorType onnx_type_of(const TflTensor *t) {
  switch (t->code) {
  case TFL_FLOAT32: return TENSOR_FLOAT;
  case TFL_FLOAT16: return TENSOR_FLOAT16;
  case TFL_INT32: return TENSOR_INT32;
  case TFL_UINT8: return TENSOR_UINT8;
  case TFL_INT64: return TENSOR_INT64;
  case TFL_BOOL: return TENSOR_BOOL;
  case TFL_INT16: return TENSOR_INT16;
  case TFL_INT8: return TENSOR_INT8;
  default: return (TensorType)0;
  }
}

static Tensor *constant_tensor(Nodes *n, const TflTensor *t) {
  if (!t->data || !onnx_type_of(t)) return NULL;
  Tensor *to = NEW(n->arena, Tensor);
  *to = (Tensor){.type = onnx_type_of(t), .rank = t->rank, .n = t->size < 0 ? 0 : t->size, .data = t->data};
  memcpy(to->dim, t->dim, sizeof t->dim);
  return to;
}

int nodes_list(const Nodes *n, int k, int64_t *to) {
  const int t = nodes_in(n, k);
  const Tensor *constant = t ? n->constants.data[t] : NULL;
  if (!constant || !tensor_whole(constant->type) || constant->n > 2 * MOST_DIMS) return -1;
  for (int i = 0; i < constant->n; i++) {
    to[i] = tensor_integer(constant, i);
    if (to[i] > INT32_MAX || to[i] < -INT32_MAX) return -1;
  }
  return (int)constant->n;
}

/* ---- nodes ---- */
static OnnxNode *add_onnx_node(Nodes *n, const char *op, int nin, const int *in, int nout) {
  OnnxNode *node = NEW(n->arena, OnnxNode);
  *node = (OnnxNode){.op = op,
                     .name = n->layer,
                     .kind = n->kind,
                     .title = n->title,
                     .index = n->nodes.n,
                     .nin = nin,
                     .nout = nout,
                     .in = NEW_ARRAY(n->arena, int, nin + 1),
                     .out = NEW_ARRAY(n->arena, int, nout + 1)};
  for (int i = 0; i < nin; i++) node->in[i] = in[i];
  vec_push(n->arena, n->nodes, node);
  return node;
}

OnnxNode *nodes_last(Nodes *n) { return n->nodes.data[n->nodes.n - 1]; }

int nodes_apply(Nodes *n, const char *op, int nin, const int *in) {
  OnnxNode *node = add_onnx_node(n, op, nin, in, 1);
  int shown = 0; /* the result of a Transpose has the name of its operand in messages */
  if (strcmp(op, "Transpose") == 0 && nin) shown = n->shown.data[in[0]];
  return node->out[0] = new_tensor(n, arena_printf(n->arena, "%s/%d", n->title, n->names.n), NULL, shown);
}

int nodes_apply_one(Nodes *n, const char *op, int in) { return nodes_apply(n, op, 1, &in); }

void nodes_finish_as(Nodes *n, int tensor, int k) {
  const int out = nodes_out(n, k);
  OnnxNode *last = n->nodes.n ? nodes_last(n) : NULL;
  if (!out) return;
  if (!last || last->nout != 1 || last->out[0] != tensor || tensor <= n->m->ntensors)
    last = add_onnx_node(n, "Identity", 1, &tensor, 1);
  last->out[0] = out;
}

void nodes_finish(Nodes *n, int tensor) {
  const int activation = n->op->activation;
  if (activation == TFL_ACTIVATION_RELU) tensor = nodes_apply_one(n, "Relu", tensor);
  else if (activation == TFL_ACTIVATION_RELU6 || activation == TFL_ACTIVATION_RELU_N1_TO_1) {
    const bool six = activation == TFL_ACTIVATION_RELU6;
    const int in[] = {tensor, nodes_number(n, six ? 0 : -1), nodes_number(n, six ? 6 : 1)};
    tensor = nodes_apply(n, "Clip", 3, in);
  } else if (activation == 4) tensor = nodes_apply_one(n, "Tanh", tensor);
  else if (activation != TFL_NONE) return nodes_refuse(n, "it has an unknown activation");
  nodes_finish_as(n, tensor, 0);
}

void nodes_refuse(Nodes *n, const char *why) {
  OnnxNode *node = add_onnx_node(n, "Refused", n->op->nin, n->op->in, n->op->nout);
  for (int i = 0; i < node->nin; i++) node->in[i] = nodes_in(n, i);
  for (int i = 0; i < node->nout; i++) node->out[i] = nodes_out(n, i);
  node->refused = why;
}

bool nodes_may_copy(Nodes *n) {
  size_t bytes = 0;
  for (int i = 0; i < n->op->nin; i++) {
    const TflTensor *t = nodes_tensor(n, i);
    if (t && t->data && t->size > 0) bytes += sizeof(float) * (size_t)t->size;
  }
  if (bytes > n->room) return nodes_refuse(n, "its constants are too large"), false;
  n->room -= bytes;
  return true;
}

int nodes_permuted(Nodes *n, int tensor, int rank, const int64_t *perm) {
  const int to = nodes_apply_one(n, "Transpose", tensor);
  onnx_set_ints(n->arena, nodes_last(n), "perm", rank, perm);
  return to;
}

int nodes_channels_first(Nodes *n, int tensor) {
  static const int64_t perm[] = {0, 3, 1, 2};
  return nodes_permuted(n, tensor, 4, perm);
}

int nodes_channels_last(Nodes *n, int tensor) {
  static const int64_t perm[] = {0, 2, 3, 1};
  return nodes_permuted(n, tensor, 4, perm);
}

/* ---- operators ---- */
static const struct {
  int code;
  NodesMake *make;
  const char *onnx;
} rows[] = {
#define OP(name, number, make, nodes, onnx) {number, nodes, onnx},
#include "import/tflite/tflite_ops.def"
#undef OP
};

/* The name of a layer. Layers of the kinds in `words` are counted: conv1, conv2, ...; other layers are named
 * after the operator and its number. */
static const char *layer_name(Nodes *n, const TflOperator *op) {
  static const struct {
    int code;
    const char *word;
  } words[] = {{TFL_CONV_2D, "conv"},
               {TFL_DEPTHWISE_CONV_2D, "depthwise"},
               {TFL_FULLY_CONNECTED, "dense"},
               {TFL_PRELU, "prelu"},
               {TFL_TRANSPOSE_CONV, "conv_transpose"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (words[i].code == op->code)
      return arena_printf(n->arena, "/%s%d/%s", words[i].word, ++n->count[i], words[i].word);
  char *lower = arena_copy(n->arena, op->name, strlen(op->name));
  for (char *c = lower; *c; c++) *c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '_';
  return arena_printf(n->arena, "/%s_%d/%s", lower, op->index, lower);
}

/* Refuses an operator that keeps state, except a VAR_HANDLE, whose users are refused. All these operators get
 * the same title, so that one message reports them. */
static void keep_state(Nodes *n) {
  if (n->op->code == TFL_VAR_HANDLE) return;
  if (!n->stateful) n->stateful = tflite_state_operators(n->arena, n->m);
  n->title = n->kind = n->stateful;
  nodes_refuse(n, "the model keeps state between calls");
}

/* ---- states ---- */
/* The value of a variable at the start of a call becomes an input. */
static void nodes_state(Nodes *n) { vec_push(n->arena, n->states, n->op->out[0]); }

static const TflTensor *initial_of(const Nodes *n, int tensor) {
  for (int o = 0; o < n->m->noperators; o++)
    if (n->m->op[o].code == TFL_STATE && n->m->op[o].out[0] == tensor) return n->m->op[o].initial;
  return NULL;
}

/* The next value of a state gets its own name, because the same value may also be an output. */
static void nodes_update(Nodes *n) {
  const int state = n->op->in[0], next = nodes_apply_one(n, "Identity", nodes_in(n, 1));
  const TflTensor *t = &n->m->tensor[state], *initial = initial_of(n, state);
  const char *init = initial ? tflite_initial_text(n->arena, t, initial) : "";
  n->names.data[next] = arena_printf(n->arena, "%s of the next call", t->name);
  vec_push(n->arena, n->onnx->states, ((OnnxState){t->name, n->names.data[next], *init ? init : NULL}));
}

/* Whether the operator handles a last dimension of real and imaginary parts. A cast reads only the real
 * parts. */
static bool takes_complex(int code) {
  return code == TFL_REAL || code == TFL_IMAG || code == TFL_COMPLEX_ABS || code == TFL_CAST ||
         code == TFL_SQUEEZE;
}

static bool has_unknown_rank(const Nodes *n, int count, const int *tensor) {
  for (int i = 0; i < count; i++)
    if (tensor[i] >= 0 && n->m->tensor[tensor[i]].rank < 0) return true;
  return false;
}

static void add_operator(Nodes *n, const TflOperator *op) {
  size_t row = 0;
  while (row < sizeof rows / sizeof *rows && rows[row].code != op->code) row++;
  n->op = op;
  n->kind = op->name;
  n->title = arena_printf(n->arena, "%s %d", op->name, op->index);
  n->layer = layer_name(n, op);
  if (op->code == TFL_STATE) return nodes_state(n);
  if (op->code == TFL_UPDATE) return nodes_update(n);
  if (tflite_keeps_state(n->m, op)) return keep_state(n);
  if (row == sizeof rows / sizeof *rows) return nodes_refuse(n, "it is not supported yet");
  n->onnx_name = rows[row].onnx;
  if (has_unknown_rank(n, op->nin, op->in) || has_unknown_rank(n, op->nout, op->out))
    return nodes_refuse(n, "it has a tensor of more than 8 dimensions");
  if (nodes_complex(n) && !takes_complex(op->code)) return nodes_refuse(n, "an operator on complex numbers");
  rows[row].make(n);
}

/* ---- the model ---- */
/* Ports for inputs or outputs. A single port is named `word`; several ports are named `word` with numbers. */
static OnnxPort *ports(Nodes *n, int count, const int *tensor, const char *word) {
  OnnxPort *port = NEW_ARRAY(n->arena, OnnxPort, count + 1);
  for (int i = 0; i < count; i++) {
    const TflTensor *t = &n->m->tensor[tensor[i]];
    port[i] = (OnnxPort){.name = t->name,
                         .called = count > 1 ? arena_printf(n->arena, "%s%d", word, i + 1) : word,
                         .tensor = tensor[i] + 1,
                         .rank = t->rank,
                         .type = onnx_type_of(t)};
    memcpy(port[i].dim, t->dim, sizeof t->dim);
  }
  return port;
}

/* States become inputs that receive the results of the previous call. */
static void add_state_ports(Nodes *n) {
  Onnx *o = n->onnx;
  OnnxPort *all = NEW_ARRAY(n->arena, OnnxPort, o->ninputs + n->states.n + 1),
           *own = ports(n, n->states.n, n->states.data, "state");
  for (int i = 0; i < o->ninputs; i++) all[i] = o->input[i];
  for (int i = 0; i < n->states.n; i++) all[o->ninputs + i] = own[i];
  o->input = all;
  o->ninputs += n->states.n;
}

Onnx *tflite_nodes(Arena *arena, Diags *diags, Span at, const char *path, const TflModel *m,
                   const uint8_t *bytes, size_t size) {
  Nodes *n = NEW(arena, Nodes);
  Onnx *o = NEW(arena, Onnx);
  *n = (Nodes){.arena = arena, .m = m, .onnx = o, .room = room_of_file(size)};
  *o = (Onnx){.arena = arena, .path = path, .file = bytes, .bytes = size, .opset = OPSET, .tflite = true};
  o->producer = o->version = "";
  new_tensor(n, "", NULL, 0);
  for (int t = 0; t < m->ntensors; t++)
    new_tensor(n, m->tensor[t].name, constant_tensor(n, &m->tensor[t]), t + 1);
  for (int i = 0; i < m->noperators; i++) add_operator(n, &m->op[i]);
  o->input = ports(n, o->ninputs = m->ninputs, m->input, "x");
  add_state_ports(n);
  if (m->step) vec_push(arena, o->comments, tflite_step_comment(arena, m));
  o->output = ports(n, o->noutputs = m->noutputs, m->output, "y");
  o->nnodes = n->nodes.n;
  o->node = NEW_ARRAY(arena, OnnxNode, o->nnodes + 1);
  for (int i = 0; i < o->nnodes; i++) o->node[i] = *n->nodes.data[i];
  o->tensor = n->names.data;
  o->constant = n->constants.data;
  o->shown = n->shown.data;
  o->ntensors = n->names.n;
  const char *twice = onnx_made_twice(o);
  if (!twice) return o;
  diag_report(diags, DIAG_import_file, at, NULL, "cannot read '%s': '%s' is defined twice", path, twice);
  return NULL;
}

Onnx *tflite_graph(Arena *arena, Diags *diags, Span at, const char *path, const ImportOptions *options,
                   const uint8_t *bytes, size_t size) {
  TflModel *m = tflite_open(arena, diags, at, path, options, bytes, size);
  return m ? tflite_nodes(arena, diags, at, path, m, bytes, size) : NULL;
}
