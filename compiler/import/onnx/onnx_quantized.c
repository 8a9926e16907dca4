/* onnx_quantized.c: operators on quantized numbers (QLinearConv, ...) as those on floats between conversions,
 * which is what they mean. So one importer does for both ways in which models are quantized. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/onnx.h"

enum { MOST_VALUES = 4, NONE = -1 };
/* Inputs by number: a value or a weight is followed by its scale and its zero point. */
typedef struct Frame {
  const char *op, *becomes;
  bool microsoft;         /* its domain */
  int value[MOST_VALUES]; /* ended by NONE */
  int bias;               /* of 32 bits, or NONE; its scale is the product of those of both values */
  int result;             /* the scale of the result; NONE: floats */
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

typedef struct Framing {
  Arena *arena;
  const NodeProto *of;
  WireList *out;
  int named; /* tensors so far */
} Framing;

static const char *input(const Framing *f, int i) { return i < f->of->input.n ? f->of->input.data[i] : ""; }

static const char *tensor_name(Framing *f) { return arena_printf(f->arena, "::%d", f->named++); }

static NodeProto *add_node(Framing *f, const char *op, const char *to) {
  NodeProto *node = NEW(f->arena, NodeProto);
  *node = (NodeProto){.name = *f->of->name ? f->of->name : f->of->output.data[0],
                      .op_type = op,
                      .domain = "",
                      .guard = f->of->guard};
  vec_push(f->arena, node->output, to);
  vec_push(f->arena, *f->out, node);
  return node;
}

static void put_int(Framing *f, NodeProto *node, const char *name, int64_t value) {
  AttributeProto *a = NEW(f->arena, AttributeProto);
  *a = (AttributeProto){.name = name, .s = "", .ref_attr_name = "", .i = value};
  vec_push(f->arena, node->attribute, a);
}

/* The numbers of an input as floats. */
static const char *dequantized(Framing *f, int i, const char *scale, const char *zero, int64_t axis) {
  const char *to = tensor_name(f);
  NodeProto *node = add_node(f, "DequantizeLinear", to);
  vec_push(f->arena, node->input, input(f, i));
  vec_push(f->arena, node->input, scale);
  vec_push(f->arena, node->input, zero);
  put_int(f, node, "axis", axis);
  return to;
}

static int64_t int_of(const NodeProto *node, const char *name) {
  for (int i = node->attribute.n - 1; i >= 0; i--) {
    const AttributeProto *a = node->attribute.data[i];
    if (strcmp(a->name, name) == 0) return a->i;
  }
  return 0;
}

/* Along which its weights have scales: that of the filters or units. */
static int64_t scale_axis(const Framing *f, const Frame *frame, int value) {
  if (value == 0 || strcmp(frame->becomes, "Conv") == 0) return 0;
  return strcmp(frame->becomes, "Gemm") == 0 && int_of(f->of, "transB") ? 0 : -1;
}

static const char *bias(Framing *f, const Frame *frame) {
  const char *scale = tensor_name(f);
  NodeProto *product = add_node(f, "Mul", scale);
  vec_push(f->arena, product->input, input(f, frame->value[0] + 1));
  vec_push(f->arena, product->input, input(f, frame->value[1] + 1));
  return dequantized(f, frame->bias, scale, "", 0);
}

static void put_frame(Framing *f, const Frame *frame) {
  WireTexts in = {0};
  if (strcmp(frame->op, "QLinearConcat") == 0) /* behind the scale of the result */
    for (int i = 2; i + 2 < f->of->input.n; i += 3)
      vec_push(f->arena, in, dequantized(f, i, input(f, i + 1), input(f, i + 2), 0));
  for (int k = 0; frame->value[k] != NONE; k++) {
    const int i = frame->value[k];
    vec_push(f->arena, in, dequantized(f, i, input(f, i + 1), input(f, i + 2), scale_axis(f, frame, i)));
  }
  if (frame->bias != NONE && *input(f, frame->bias)) vec_push(f->arena, in, bias(f, frame));
  const bool quantized = *input(f, frame->result) != 0;
  const char *floats = quantized ? tensor_name(f) : f->of->output.data[0];
  NodeProto *node = add_node(f, frame->becomes, floats);
  node->input = in;
  node->attribute = f->of->attribute;
  if (!quantized) return;
  NodeProto *result = add_node(f, "QuantizeLinear", f->of->output.data[0]);
  vec_push(f->arena, result->input, floats);
  vec_push(f->arena, result->input, input(f, frame->result));
  vec_push(f->arena, result->input, input(f, frame->result + 1));
}

/* ConvInteger, MatMulInteger: the same with scales of 1. */
static void put_integer(Framing *f, const char *op) {
  WireTexts in = {0};
  const char *one = tensor_name(f);
  NodeProto *constant = add_node(f, "Constant", one);
  AttributeProto *a = NEW(f->arena, AttributeProto);
  *a = (AttributeProto){.name = "value_float", .s = "", .ref_attr_name = "", .f = 1};
  vec_push(f->arena, constant->attribute, a);
  for (int i = 0; i < 2; i++) vec_push(f->arena, in, dequantized(f, i, one, input(f, i + 2), 0));
  NodeProto *node = add_node(f, op, f->of->output.data[0]);
  node->input = in;
  node->attribute = f->of->attribute;
}

static bool scales_product(const NodeProto *node) { /* by a factor of its own */
  for (int i = 0; i < node->attribute.n; i++) {
    const AttributeProto *a = node->attribute.data[i];
    if (strcmp(a->name, "alpha") == 0 && a->f != 1) return strcmp(node->op_type, "QGemm") == 0;
  }
  return false;
}

static const Frame *frame_of(const NodeProto *node) {
  const bool microsoft = strcmp(node->domain, "com.microsoft") == 0;
  const bool own = !*node->domain || strcmp(node->domain, "ai.onnx") == 0;
  for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
    if (strcmp(frames[i].op, node->op_type) == 0 && (frames[i].microsoft ? microsoft : own))
      return &frames[i];
  return NULL;
}

/* onnxruntime's conversions under its own name. */
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
  Framing f = {.arena = arena, .out = &out};
  for (int i = 0; i < nodes->n; i++) {
    NodeProto *node = nodes->data[i];
    const Frame *frame = frame_of(node);
    f.of = node;
    const bool own = !*node->domain || strcmp(node->domain, "ai.onnx") == 0;
    if (node->output.n == 0 || int_of(node, "channels_last") || scales_product(node))
      vec_push(arena, out, node);
    else if (frame) put_frame(&f, frame);
    else if (own && strcmp(node->op_type, "ConvInteger") == 0) put_integer(&f, "Conv");
    else if (own && strcmp(node->op_type, "MatMulInteger") == 0) put_integer(&f, "MatMul");
    else vec_push(arena, out, plain_node(arena, node));
  }
  *nodes = out;
}
