/* onnx_dynamic.c: dynamically quantized nodes (onnxruntime's quantize_dynamic) as nodes on floats. The model
 * computes the scale of a value in each call, rounds the value to 8 bits, multiplies by int8 weights, and
 * scales the product back; without the rounding of the value that is the product of floats with the weights
 * as the model has them. So a scale becomes 1, its zero point 0, and what is rounded in units of it stays as
 * it is. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/table.h"
#include "import/onnx/onnx.h"

typedef enum Role {
  NO_ROLE,
  MADE,    /* by a node, or an input: not a constant */
  FLOATS,  /* a value that the model rounds to 8 bits */
  SCALE,   /* a computed scale, or its product with constants */
  IN_UNITS /* a constant divided by a scale: a bias, which the model rounds */
} Role;
typedef struct Rewriter {
  Arena *arena;
  const NodeProto *of;
  WireList *out;
  Table roles; /* by tensor */
} Rewriter;
static Role roles[] = {NO_ROLE, MADE, FLOATS, SCALE, IN_UNITS};

static const char *input_name(const NodeProto *node, int i) {
  return i < node->input.n ? node->input.data[i] : "";
}

static Role scale_role(const Rewriter *r, const char *tensor) {
  const Role *role = table_find(&r->roles, tensor);
  return role ? *role : NO_ROLE;
}

static void set_role(Rewriter *r, const char *tensor, Role role) {
  table_set(r->arena, &r->roles, tensor, &roles[role]);
}

static bool of_onnx(const NodeProto *node, const char *op) {
  return strcmp(node->op_type, op) == 0 && (!*node->domain || strcmp(node->domain, "ai.onnx") == 0);
}

static NodeProto *put_float_node(Rewriter *r, const char *op, const char *to) {
  NodeProto *node = NEW(r->arena, NodeProto);
  *node = (NodeProto){.name = r->of->name, .op_type = op, .domain = "", .guard = r->of->guard};
  vec_push(r->arena, node->output, to);
  vec_push(r->arena, *r->out, node);
  return node;
}

static AttributeProto *add_to_node(Rewriter *r, NodeProto *node, const char *name) {
  AttributeProto *a = NEW(r->arena, AttributeProto);
  *a = (AttributeProto){.name = name, .s = "", .ref_attr_name = ""};
  vec_push(r->arena, node->attribute, a);
  return a;
}

static void put_number(Rewriter *r, const char *to, float number) {
  add_to_node(r, put_float_node(r, "Constant", to), "value_float")->f = number;
}

static void put_identity(Rewriter *r, const char *from, const char *to) {
  NodeProto *node = put_float_node(r, "Identity", to);
  vec_push(r->arena, node->input, from);
}

/* Its results: the value, the scale, the zero point. */
static void put_quantize(Rewriter *r) {
  const WireTexts *to = &r->of->output;
  put_identity(r, input_name(r->of, 0), to->data[0]);
  set_role(r, to->data[0], FLOATS);
  if (to->n > 2 && *to->data[2]) put_number(r, to->data[2], 0);
  if (to->n < 2 || !*to->data[1]) return;
  put_number(r, to->data[1], 1);
  set_role(r, to->data[1], SCALE);
}

/* The floats of a constant in 8 bits; its scale is another constant, or 1 where there is none. */
static const char *weight_floats(Rewriter *r, const char *constant, const char *scale, const char *zero,
                                 int axis) {
  const char *to = arena_printf(r->arena, "%s::floats", constant);
  if (!scale) put_number(r, scale = arena_printf(r->arena, "%s::one", constant), 1);
  NodeProto *node = put_float_node(r, "DequantizeLinear", to);
  vec_push(r->arena, node->input, constant);
  vec_push(r->arena, node->input, scale);
  vec_push(r->arena, node->input, zero);
  add_to_node(r, node, "axis")->i = axis;
  return to;
}

/* ConvInteger, MatMulInteger of such a value. */
static void put_product(Rewriter *r, const char *op, int axis) {
  const char *weight = weight_floats(r, input_name(r->of, 1), NULL, input_name(r->of, 3), axis);
  NodeProto *node = put_float_node(r, op, r->of->output.data[0]);
  vec_push(r->arena, node->input, input_name(r->of, 0));
  vec_push(r->arena, node->input, weight);
  node->attribute = r->of->attribute;
}

/* W or R of a recurrent layer: stored [directions][inputs][gates*units] in 8 bits, with a scale and a zero
 * point for each direction; returns the floats as LSTM has them. */
static const char *recurrent_weight(Rewriter *r, int weight, int scale) {
  const char *name = input_name(r->of, weight), *to = arena_printf(r->arena, "%s::turned", name);
  const char *floats = weight_floats(r, name, input_name(r->of, scale), input_name(r->of, scale + 1), 0);
  NodeProto *node = put_float_node(r, "Transpose", to);
  vec_push(r->arena, node->input, floats);
  AttributeProto *perm = add_to_node(r, node, "perm");
  const int64_t order[] = {0, 2, 1};
  for (int i = 0; i < 3; i++) vec_push(r->arena, perm->ints, order[i]);
  return to;
}

static void put_lstm(Rewriter *r) {
  const char *weights[] = {recurrent_weight(r, 1, 8), recurrent_weight(r, 2, 10)};
  NodeProto *node = put_float_node(r, "LSTM", r->of->output.data[0]);
  for (int i = 0; i < 8; i++)
    vec_push(r->arena, node->input, i == 1 || i == 2 ? weights[i - 1] : input_name(r->of, i));
  node->output = r->of->output;
  node->attribute = r->of->attribute;
}

/* What a node makes of scales; MADE: something else. */
static Role result_role(const Rewriter *r) {
  const Role a = scale_role(r, input_name(r->of, 0)), b = scale_role(r, input_name(r->of, 1));
  if (of_onnx(r->of, "Mul")) return a + b == SCALE || (a == SCALE && b == SCALE) ? SCALE : MADE;
  if (of_onnx(r->of, "Div")) return a == NO_ROLE && b == SCALE ? IN_UNITS : MADE;
  const bool same = of_onnx(r->of, "Reshape") || of_onnx(r->of, "Unsqueeze") || of_onnx(r->of, "Floor") ||
                    of_onnx(r->of, "Round") || of_onnx(r->of, "Cast");
  return same && (a == SCALE || a == IN_UNITS) ? a : MADE;
}

static bool rounds(const NodeProto *node) {
  return of_onnx(node, "Floor") || of_onnx(node, "Round") || of_onnx(node, "Cast");
}

static void put_node(Rewriter *r, NodeProto *node) {
  const Role role = result_role(r);
  const bool floats = scale_role(r, input_name(node, 0)) == FLOATS;
  for (int i = 0; i < node->output.n; i++) set_role(r, node->output.data[i], role);
  if (node->output.n == 0) vec_push(r->arena, *r->out, node);
  else if (of_onnx(node, "DynamicQuantizeLinear")) put_quantize(r);
  else if (strcmp(node->op_type, "DynamicQuantizeLSTM") == 0) put_lstm(r);
  else if (floats && of_onnx(node, "ConvInteger")) put_product(r, "Conv", 0);
  else if (floats && of_onnx(node, "MatMulInteger")) put_product(r, "MatMul", 1);
  else if (role == IN_UNITS && rounds(node)) put_identity(r, input_name(node, 0), node->output.data[0]);
  else vec_push(r->arena, *r->out, node);
}

int onnx_dynamic(Arena *arena, const GraphProto *graph, OnnxFlat *flat) {
  const WireList *nodes = &flat->nodes;
  WireList out = {0};
  Rewriter r = {.arena = arena, .out = &out};
  int found = 0;
  for (int i = 0; i < nodes->n; i++) {
    const char *op = ((NodeProto *)nodes->data[i])->op_type;
    found += strcmp(op, "DynamicQuantizeLinear") == 0 || strcmp(op, "DynamicQuantizeLSTM") == 0;
  }
  if (!found) return 0;
  for (int i = 0; i < graph->input.n; i++) set_role(&r, ((ValueInfoProto *)graph->input.data[i])->name, MADE);
  for (int i = 0; i < flat->names.n; i++)
    set_role(&r, flat->names.data[i], NO_ROLE); /* inputs, too, before IR 4 */
  for (int i = 0; i < nodes->n; i++) {
    r.of = nodes->data[i];
    put_node(&r, nodes->data[i]);
  }
  flat->nodes = out;
  return found;
}
