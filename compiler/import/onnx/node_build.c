/* node_build.c: Builder of the nodes that replace one node of an ONNX model. */
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/node_build.h"
#include <stdarg.h>
#include <string.h>

bool node_is(const NodeProto *node, const char *op) {
  return strcmp(node->op_type, op) == 0 && !*onnx_domain(node->domain);
}

const char *replaced_input(const NodeBuild *b, int i) {
  return i < b->of->input.n ? b->of->input.data[i] : "";
}
const char *replaced_output(const NodeBuild *b, int i) {
  return i < b->of->output.n ? b->of->output.data[i] : "";
}

const char *build_tensor(NodeBuild *b) { return arena_printf(b->arena, "%s%d", b->prefix, b->named++); }

void build_input(NodeBuild *b, NodeProto *node, const char *tensor) {
  vec_push(b->arena, node->input, tensor);
}

static NodeProto *built_node(NodeBuild *b, const char *op, const char *to, va_list inputs) {
  NodeProto *node = NEW(b->arena, NodeProto);
  *node = (NodeProto){.name = *b->of->name ? b->of->name : replaced_output(b, 0),
                      .op_type = op,
                      .domain = "",
                      .metadata_props = b->of->metadata_props,
                      .guard = b->of->guard};
  for (const char *in; (in = va_arg(inputs, const char *));) build_input(b, node, in);
  vec_push(b->arena, node->output, to);
  vec_push(b->arena, *b->out, node);
  return node;
}

NodeProto *build_node(NodeBuild *b, const char *op, const char *to, ...) {
  va_list inputs;
  va_start(inputs, to);
  NodeProto *node = built_node(b, op, to, inputs);
  va_end(inputs);
  return node;
}

const char *build_value(NodeBuild *b, const char *op, ...) {
  va_list inputs;
  va_start(inputs, op);
  NodeProto *node = built_node(b, op, build_tensor(b), inputs);
  va_end(inputs);
  return node->output.data[0];
}

AttributeProto *build_attribute(NodeBuild *b, NodeProto *node, const char *name) {
  AttributeProto *a = NEW(b->arena, AttributeProto);
  *a = (AttributeProto){.name = name, .s = "", .ref_attr_name = ""};
  vec_push(b->arena, node->attribute, a);
  return a;
}

void build_number(NodeBuild *b, const char *to, float number) {
  build_attribute(b, build_node(b, "Constant", to, NULL), "value_float")->f = number;
}
