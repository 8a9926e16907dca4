/* onnx.c: ONNX models with external data: the data file must have the numbers of the model, and cnnc must
 * read them from this file. The number of protobuf messages in a model is limited. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "export/onnx_out.h"
#include "ops_net.h"

enum { LEAST = 64 };

static const TensorProto *tensor_named(const ModelProto *model, const char *name) {
  for (int i = 0; i < model->graph->initializer.n; i++) {
    const TensorProto *tensor = model->graph->initializer.data[i];
    if (strcmp(tensor->name, name) == 0) return tensor;
  }
  return NULL;
}

/* A convolution and a dense layer, with the numbers 0, 1/2, 1 ... as weights. */
static ModelProto *model_of(Net *net, float **weights) {
  net_input(net, shape_image(6, 7, 3), F32, false);
  net_chain(net, "conv filters=4 kernel=3 -> relu -> flatten order=chw -> dense units=5");
  CU_ASSERT_TRUE_FATAL(net->good);
  vec_push(net->arena, net->graph->outputs, ((Port){.name = "scores", .node = net->last, .span = NO_SPAN}));
  graph_layout_weights(net->graph);
  *weights = NEW_ARRAY(net->arena, float, net->graph->parameters);
  for (int64_t i = 0; i < net->graph->parameters; i++) (*weights)[i] = (float)i / 2;
  const OnnxNumbers numbers = {.weights = *weights};
  const OnnxOptions options = {.opset = 17};
  return onnx_out(net->arena, net->diags, net->graph, &numbers, &options);
}

static void check_constant(const Onnx *read, const Weight *weight, const float *weights) {
  const Tensor *t = read->constant[onnx_tensor(read, weight->name)];
  CU_ASSERT_PTR_NOT_NULL_FATAL(t);
  CU_ASSERT_EQUAL_FATAL(t->n, weight->size);
  for (int64_t i = 0; i < t->n; i++)
    CU_ASSERT_EQUAL(tensor_number(t, i), (double)weights[weight->offset + i]);
}

static void test_detached(void) {
  Net net = net_new();
  float *weights;
  ModelProto *model = model_of(&net, &weights);
  CU_ASSERT_PTR_NOT_NULL_FATAL(model);
  const size_t whole = onnx_bytes(model);
  const WireList data = onnx_detach(net.arena, model, "unit.onnx.data", LEAST);
  CU_ASSERT_EQUAL(data.n, 2); /* two weights; the biases are too small to be external */
  CU_ASSERT_TRUE(onnx_bytes(model) < whole);
  const TensorProto *dense = tensor_named(model, net.graph->weights.data[2]->name);
  CU_ASSERT_PTR_NOT_NULL_FATAL(dense);
  CU_ASSERT_EQUAL(dense->data_location, 1);
  const StringStringEntryProto *offset = dense->external_data.data[1];
  CU_ASSERT_STRING_EQUAL(offset->key, "offset");
  CU_ASSERT_STRING_EQUAL(offset->value, "4096");
  CU_ASSERT_TRUE(onnx_save(model, "unit.onnx") && onnx_save_detached(&data, "unit.onnx.data"));
  const Onnx *read = onnx_open(net.arena, net.diags, "unit.onnx", NO_SPAN);
  CU_ASSERT_PTR_NOT_NULL_FATAL(read);
  for (int w = 0; w < net.graph->weights.n; w++) check_constant(read, net.graph->weights.data[w], weights);
  unlink("unit.onnx");
  unlink("unit.onnx.data");
  arena_free(net.arena);
}

static void test_size(void) { /* onnx_bytes returns the size of the written file */
  Net net = net_new();
  float *weights;
  const ModelProto *model = model_of(&net, &weights);
  CU_ASSERT_PTR_NOT_NULL_FATAL(model);
  CU_ASSERT_TRUE(onnx_save(model, "unit.onnx"));
  FILE *file = fopen("unit.onnx", "rb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  CU_ASSERT_EQUAL(fseek(file, 0, SEEK_END), 0);
  CU_ASSERT_EQUAL((size_t)ftell(file), onnx_bytes(model));
  fclose(file);
  unlink("unit.onnx");
  arena_free(net.arena);
}

static void test_many_messages(void) {
  enum { MANY = (1 << 21) + 1 };
  uint8_t *bytes = malloc(2 * MANY);
  CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
  for (int i = 0; i < MANY; i++) {
    bytes[2 * i] = 14 << 3 | 2; /* metadata_props, an empty message */
    bytes[2 * i + 1] = 0;
  }
  Arena *arena = arena_new();
  Wire wire = {.arena = arena};
  CU_ASSERT_PTR_NULL(wire_read(&wire, onnx_model_message, bytes, (size_t)2 * MANY));
  CU_ASSERT_PTR_NOT_NULL_FATAL(wire.why);
  CU_ASSERT_STRING_EQUAL(wire.why, "it has more than two million messages and strings");
  arena_free(arena);
  free(bytes);
}

CU_TestInfo suite_onnx[] = {
    {"external data of a model", test_detached},
    {"sizes", test_size},
    {"too many messages", test_many_messages},
    CU_TEST_INFO_NULL,
};
