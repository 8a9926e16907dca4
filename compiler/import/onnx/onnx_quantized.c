/* onnx_quantized.c: Conversion of operators on quantized numbers (QLinearConv, ...) to DequantizeLinear, a
 * float operator and QuantizeLinear. So the importer needs to support only one form of quantized models. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/node_build.h"

enum { MOST_VALUES = 4, NONE = -1 };
/* Indices of a node's inputs. Each value or weight is followed by two inputs: its scale and its zero
 * point. */
typedef struct Frame {
  const char *op, *becomes;
  bool microsoft;         /* the operator is in the domain com.microsoft */
  int value[MOST_VALUES]; /* values and weights; NONE ends the list */
  int bias;   /* a bias of type int32, or NONE; its scale is the product of both scales of `value` */
  int result; /* the scale of the result; if this input is omitted, the result stays float */
} Frame;
static const Frame frames[] = {
    {"QLinearConv", "Conv", false, {0, 3, NONE}, 8, 6},
    {"QLinearMatMul", "MatMul", false, {0, 3, NONE}, NONE, 6},
    {"QGemm", "Gemm", true, {0, 3, NONE}, 6, 7},
    {"QLinearAdd", "Add", true, {0, 3, NONE}, NONE, 6},
    {"QLinearMul", "Mul", true, {0, 3, NONE}, NONE, 6},
    {"QLinearGlobalAveragePool", "GlobalAveragePool", true, {0, NONE}, NONE, 3},
    {"QLinearAveragePool", "AveragePool", true, {0, NONE}, NONE, 3},
    {"QLinearSigmoid", "Sigmoid", true, {0, NONE}, NONE, 3},
    {"QLinearLeakyRelu", "LeakyRelu", true, {0, NONE}, NONE, 3},
    {"QLinearSoftmax", "Softmax", true, {0, NONE}, NONE, 3},
    {"QLinearConcat", "Concat", true, {NONE}, NONE, 0},
};

/* Converts the numbers of an input to floats. */
static const char *dequantized(NodeBuild *b, int i, const char *scale, const char *zero, int64_t axis) {
  const char *to = build_tensor(b);
  NodeProto *node = build_node(b, "DequantizeLinear", to, replaced_input(b, i), scale, zero, NULL);
  build_attribute(b, node, "axis")->i = axis;
  return to;
}

static int64_t int_of(const NodeProto *node, const char *name) {
  const AttributeProto *a = onnx_attribute_named(&node->attribute, name);
  return a ? a->i : 0;
}

/* The axis of the scales of the weights: the axis of the filters or units. */
static int64_t scale_axis(const NodeProto *of, const Frame *frame, int value) {
  if (value == 0 || strcmp(frame->becomes, "Conv") == 0) return 0;
  return strcmp(frame->becomes, "Gemm") == 0 && int_of(of, "transB") ? 0 : -1;
}

static const char *bias(NodeBuild *b, const Frame *frame) {
  const char *scale = build_value(b, "Mul", replaced_input(b, frame->value[0] + 1),
                                  replaced_input(b, frame->value[1] + 1), NULL);
  return dequantized(b, frame->bias, scale, "", 0);
}

/* Dequantizes an input that is followed by its scale and zero point. */
static const char *framed(NodeBuild *b, int i, int64_t axis) {
  return dequantized(b, i, replaced_input(b, i + 1), replaced_input(b, i + 2), axis);
}

static void put_frame(NodeBuild *b, const Frame *frame) {
  WireTexts in = {0};
  if (strcmp(frame->op, "QLinearConcat") == 0) /* the values come after the scale of the result */
    for (int i = 2; i + 2 < b->of->input.n; i += 3) vec_push(b->arena, in, framed(b, i, 0));
  for (int k = 0; frame->value[k] != NONE; k++) {
    const int i = frame->value[k];
    vec_push(b->arena, in, framed(b, i, scale_axis(b->of, frame, i)));
  }
  if (frame->bias != NONE && *replaced_input(b, frame->bias)) vec_push(b->arena, in, bias(b, frame));
  const char *scale = replaced_input(b, frame->result), *result = replaced_output(b, 0);
  const char *floats = *scale ? build_tensor(b) : result;
  NodeProto *node = build_node(b, frame->becomes, floats, NULL);
  node->input = in;
  node->attribute = b->of->attribute;
  if (*scale)
    build_node(b, "QuantizeLinear", result, floats, scale, replaced_input(b, frame->result + 1), NULL);
}

/* Replaces ConvInteger or MatMulInteger by a float product, with scales of 1. */
static void put_integer(NodeBuild *b, const char *op) {
  const char *one = build_tensor(b), *in[2];
  build_number(b, one, 1);
  for (int i = 0; i < 2; i++) in[i] = dequantized(b, i, one, replaced_input(b, i + 2), 0);
  build_node(b, op, replaced_output(b, 0), in[0], in[1], NULL)->attribute = b->of->attribute;
}

static bool scales_product(const NodeProto *node) { /* whether the product has a further factor, `alpha` */
  const AttributeProto *alpha = onnx_attribute_named(&node->attribute, "alpha");
  return alpha && alpha->f != 1 && strcmp(node->op_type, "QGemm") == 0;
}

static const Frame *frame_of(const NodeProto *node) {
  const char *domain = onnx_domain(node->domain);
  for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
    if (strcmp(frames[i].op, node->op_type) == 0 &&
        strcmp(domain, frames[i].microsoft ? "com.microsoft" : "") == 0)
      return &frames[i];
  return NULL;
}

/* Replaces QuantizeLinear and DequantizeLinear of onnxruntime's domain by the standard's operators. */
static NodeProto *plain_node(Arena *arena, NodeProto *node) {
  if (strcmp(node->domain, "com.microsoft") != 0 ||
      (strcmp(node->op_type, "QuantizeLinear") != 0 && strcmp(node->op_type, "DequantizeLinear") != 0))
    return node;
  NodeProto *copy = NEW(arena, NodeProto);
  *copy = *node;
  copy->domain = "";
  return copy;
}

void onnx_frames(Arena *arena, WireList *nodes) {
  WireList out = {0};
  NodeBuild b = {.arena = arena, .out = &out, .prefix = "::"};
  for (int i = 0; i < nodes->n; i++) {
    NodeProto *node = nodes->data[i];
    const Frame *frame = frame_of(node);
    b.of = node;
    if (node->output.n == 0 || int_of(node, "channels_last") || scales_product(node))
      vec_push(arena, out, node);
    else if (frame) put_frame(&b, frame);
    else if (node_is(node, "ConvInteger")) put_integer(&b, "Conv");
    else if (node_is(node, "MatMulInteger")) put_integer(&b, "MatMul");
    else vec_push(arena, out, plain_node(arena, node));
  }
  *nodes = out;
}
