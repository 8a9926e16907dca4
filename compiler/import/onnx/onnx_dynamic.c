/* onnx_dynamic.c: Conversion of dynamically quantized nodes (onnxruntime's quantize_dynamic) to float nodes.
 * In each call the model computes the scale of a value, rounds the value to uint8, multiplies the rounded
 * value by int8 weights, and scales the product back. Without the rounding, these steps compute a float
 * product with the dequantized weights. So each computed scale becomes 1, and its zero point becomes 0. The
 * model also divides a bias by the scale and rounds the quotient; the conversion removes this rounding. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/table.h"
#include "import/onnx/node_build.h"

typedef enum Role {
  NO_ROLE,
  MADE,    /* an input, or a result that has no other role: not an initializer */
  FLOATS,  /* a value that the model rounds to uint8 */
  SCALE,   /* a computed scale, or its product with a constant or another scale */
  IN_UNITS /* a constant divided by a scale: a bias, which the model rounds */
} Role;
typedef struct Rewriter {
  NodeBuild build;
  Table roles; /* by tensor name: the tensor's role */
} Rewriter;
static Role roles[] = {NO_ROLE, MADE, FLOATS, SCALE, IN_UNITS};

static Role scale_role(const Rewriter *r, const char *tensor) {
  const Role *role = table_find(&r->roles, tensor);
  return role ? *role : NO_ROLE;
}

static void set_role(Rewriter *r, const char *tensor, Role role) {
  table_set(r->build.arena, &r->roles, tensor, &roles[role]);
}

/* The node's outputs are the value, the scale and the zero point. */
static void put_quantize(Rewriter *r) {
  NodeBuild *b = &r->build;
  const char *to = replaced_output(b, 0), *scale = replaced_output(b, 1), *zero = replaced_output(b, 2);
  build_node(b, "Identity", to, replaced_input(b, 0), NULL);
  set_role(r, to, FLOATS);
  if (*zero) build_number(b, zero, 0);
  if (!*scale) return;
  build_number(b, scale, 1);
  set_role(r, scale, SCALE);
}

/* As many scales of 1 as there are zero points. */
static const char *scales_of_one(NodeBuild *b, const char *zero) {
  const char *one = build_tensor(b);
  build_number(b, one, 1);
  return *zero ? build_value(b, "Expand", one, build_value(b, "Shape", zero, NULL), NULL) : one;
}

/* The floats of a quantized constant. scale: a constant with the scales; NULL: the scales are 1. */
static const char *weight_floats(NodeBuild *b, const char *constant, const char *scale, const char *zero,
                                 int axis) {
  const char *to = build_tensor(b);
  if (!scale) scale = scales_of_one(b, zero);
  build_attribute(b, build_node(b, "DequantizeLinear", to, constant, scale, zero, NULL), "axis")->i = axis;
  return to;
}

/* Replaces a ConvInteger or MatMulInteger by a float product. The input is a value that the model rounds to
 * uint8. */
static void put_product(NodeBuild *b, const char *op, int axis) {
  const char *weight = weight_floats(b, replaced_input(b, 1), NULL, replaced_input(b, 3), axis);
  build_node(b, op, replaced_output(b, 0), replaced_input(b, 0), weight, NULL)->attribute = b->of->attribute;
}

/* W or R of a recurrent layer as floats, in the layout of LSTM. The model stores int8
 * [directions][inputs][gates*units], with a scale and a zero point for each direction. */
static const char *recurrent_weight(NodeBuild *b, int weight, int scale) {
  const char *to = build_tensor(b);
  const char *floats =
      weight_floats(b, replaced_input(b, weight), replaced_input(b, scale), replaced_input(b, scale + 1), 0);
  AttributeProto *perm = build_attribute(b, build_node(b, "Transpose", to, floats, NULL), "perm");
  const int64_t order[] = {0, 2, 1};
  for (int i = 0; i < 3; i++) vec_push(b->arena, perm->ints, order[i]);
  return to;
}

static void put_lstm(NodeBuild *b) {
  const char *weights[] = {recurrent_weight(b, 1, 8), recurrent_weight(b, 2, 10)};
  NodeProto *node = build_node(b, "LSTM", "", NULL);
  for (int i = 0; i < 8; i++) build_input(b, node, i == 1 || i == 2 ? weights[i - 1] : replaced_input(b, i));
  node->output = b->of->output;
  node->attribute = b->of->attribute;
}

static bool rounds(const NodeProto *node) {
  return node_is(node, "Floor") || node_is(node, "Round") || node_is(node, "Cast");
}

/* The role of a node's results; put_quantize sets other roles. */
static Role result_role(const Rewriter *r) {
  const NodeProto *of = r->build.of;
  const Role a = scale_role(r, replaced_input(&r->build, 0)), b = scale_role(r, replaced_input(&r->build, 1));
  if (node_is(of, "Mul"))
    return (a == SCALE && (b == SCALE || b == NO_ROLE)) || (a == NO_ROLE && b == SCALE) ? SCALE : MADE;
  if (node_is(of, "Div")) return a == NO_ROLE && b == SCALE ? IN_UNITS : MADE;
  const bool same = node_is(of, "Reshape") || node_is(of, "Unsqueeze") || rounds(of);
  return same && (a == SCALE || a == IN_UNITS) ? a : MADE;
}

static void put_node(Rewriter *r, NodeProto *node) {
  NodeBuild *b = &r->build;
  b->of = node;
  const Role role = result_role(r);
  const bool floats = scale_role(r, replaced_input(b, 0)) == FLOATS;
  for (int i = 0; i < node->output.n; i++) set_role(r, node->output.data[i], role);
  if (node->output.n == 0) vec_push(b->arena, *b->out, node);
  else if (node_is(node, "DynamicQuantizeLinear")) put_quantize(r);
  else if (strcmp(node->op_type, "DynamicQuantizeLSTM") == 0) put_lstm(b);
  else if (floats && node_is(node, "ConvInteger")) put_product(b, "Conv", 0);
  else if (floats && node_is(node, "MatMulInteger")) put_product(b, "MatMul", -1);
  else if (role == IN_UNITS && rounds(node))
    build_node(b, "Identity", replaced_output(b, 0), replaced_input(b, 0), NULL);
  else vec_push(b->arena, *b->out, node);
}

typedef struct Producers {
  const WireList *nodes;
  Table numbers; /* by tensor: the number of the node that produces it */
} Producers;

static int producer_needed(const void *context, int node, int k) {
  const Producers *p = context;
  const NodeProto *proto = p->nodes->data[node];
  if (k >= proto->input.n) return ONNX_LAST;
  const int *number = table_find(&p->numbers, proto->input.data[k]);
  return number ? *number : ONNX_NONE;
}

/* Sorts the nodes, because roles pass from inputs to results. A circular model, which onnx_sort refuses
 * later, stays as it is. */
static void sort_nodes(Arena *arena, WireList *nodes) {
  Producers p = {.nodes = nodes};
  int *number = NEW_ARRAY(arena, int, nodes->n + 1), circular;
  for (int i = 0; i < nodes->n; i++) {
    const NodeProto *node = nodes->data[i];
    number[i] = i;
    for (int k = 0; k < node->output.n; k++)
      if (*node->output.data[k]) table_set(arena, &p.numbers, node->output.data[k], &number[i]);
  }
  const int *order = onnx_order(arena, nodes->n, producer_needed, &p, &circular);
  WireList sorted = {0};
  for (int i = 0; circular < 0 && i < nodes->n; i++) vec_push(arena, sorted, nodes->data[order[i]]);
  if (circular < 0) *nodes = sorted;
}

int onnx_dynamic(Arena *arena, const GraphProto *graph, OnnxFlat *flat) {
  WireList *nodes = &flat->nodes;
  WireList out = {0};
  Rewriter r = {.build = {.arena = arena, .out = &out, .prefix = "::dynamic"}};
  int found = 0;
  for (int i = 0; i < nodes->n; i++) {
    const char *op = ((NodeProto *)nodes->data[i])->op_type;
    found += strcmp(op, "DynamicQuantizeLinear") == 0 || strcmp(op, "DynamicQuantizeLSTM") == 0;
  }
  if (!found) return 0;
  sort_nodes(arena, nodes);
  for (int i = 0; i < graph->input.n; i++) set_role(&r, ((ValueInfoProto *)graph->input.data[i])->name, MADE);
  for (int i = 0; i < flat->names.n; i++)
    set_role(&r, flat->names.data[i], NO_ROLE); /* before IR version 4, constants are also inputs */
  for (int i = 0; i < nodes->n; i++) put_node(&r, nodes->data[i]);
  flat->nodes = out;
  return found;
}
