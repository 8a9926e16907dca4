/* onnx_tables.c: Dequantization of tables. onnxruntime's quantize_dynamic stores an embedding as integers,
 * and dequantizes the rows that a Gather has selected, possibly after further moves. Here the moves are
 * repeated on the dequantized table, so that the importer sees a Gather from a table of floats. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/table.h"
#include "import/onnx/node_build.h"

enum { MOST_MOVES = 16 };

typedef struct Tables {
  NodeBuild build;
  Table constants, producers; /* by tensor name: a TensorProto; a NodeProto */
  Table floats; /* by tensor and quantization: the name of the tensor with the dequantized numbers */
} Tables;

static const TensorProto *constant_named(const Tables *t, const char *name) {
  const TensorProto *constant = table_find(&t->constants, name);
  const NodeProto *node = constant ? NULL : table_find(&t->producers, name);
  const AttributeProto *value =
      node && node_is(node, "Constant") ? onnx_attribute_named(&node->attribute, "value") : NULL;
  return value ? value->t : constant;
}

static bool is_one_number(const Tables *t, const char *name) {
  const TensorProto *constant = constant_named(t, name);
  int64_t n = 1;
  for (int d = 0; constant && d < constant->dims.n; d++) n *= constant->dims.data[d] == 1;
  return constant && n == 1;
}

/* Whether the elements of the result are elements of input 0. */
static bool moves_elements(const NodeProto *node) {
  static const char *const moves[] = {"Gather",   "GatherElements", "GatherND",  "Transpose",
                                      "Reshape",  "Squeeze",        "Unsqueeze", "Flatten",
                                      "Identity", "Slice",          "Expand",    "Tile"};
  for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
    if (node_is(node, moves[i])) return node->input.n > 0 && node->output.n == 1;
  return false;
}

/* Whether the node dequantizes moved elements of a constant, with one scale. */
static bool is_behind_table(const Tables *t, const NodeProto *node) {
  if (!node_is(node, "DequantizeLinear") || node->input.n < 2 || node->output.n != 1) return false;
  if (!is_one_number(t, node->input.data[1])) return false;
  const char *from = node->input.data[0];
  for (int moves = 0; moves <= MOST_MOVES; moves++) {
    if (constant_named(t, from)) return moves > 0;
    const NodeProto *producer = table_find(&t->producers, from);
    if (!producer || !moves_elements(producer)) return false;
    from = producer->input.data[0];
  }
  return false;
}

/* The tensor with the numbers of `from` as floats. The replaced node has their scale. */
static const char *table_floats(Tables *t, const char *from) {
  NodeBuild *b = &t->build;
  const char *scale = replaced_input(b, 1), *zero = replaced_input(b, 2),
             *key = arena_printf(b->arena, "%s\n%s\n%s", from, scale, zero),
             *to = table_find(&t->floats, key);
  if (to) return to;
  if (constant_named(t, from)) to = build_value(b, "DequantizeLinear", from, scale, zero, NULL);
  else {
    const NodeProto *move = table_find(&t->producers, from);
    const char *source = table_floats(t, move->input.data[0]);
    NodeProto *copy = NEW(b->arena, NodeProto);
    *copy = *move;
    copy->input = copy->output = (WireTexts){0};
    build_input(b, copy, source);
    for (int i = 1; i < move->input.n; i++) build_input(b, copy, move->input.data[i]);
    vec_push(b->arena, copy->output, to = build_tensor(b));
    vec_push(b->arena, *b->out, copy);
  }
  table_set(b->arena, &t->floats, key, (void *)(uintptr_t)to);
  return to;
}

void onnx_tables(Arena *arena, OnnxFlat *flat) {
  WireList out = {0};
  Tables t = {.build = {.arena = arena, .out = &out, .prefix = "::table"}};
  for (int i = 0; i < flat->constants.n; i++)
    table_set(arena, &t.constants, flat->names.data[i], flat->constants.data[i]);
  for (int i = 0; i < flat->nodes.n; i++) {
    NodeProto *node = flat->nodes.data[i];
    for (int k = 0; k < node->output.n; k++) table_set(arena, &t.producers, node->output.data[k], node);
  }
  for (int i = 0; i < flat->nodes.n; i++) {
    NodeProto *node = flat->nodes.data[i];
    t.build.of = node;
    if (!is_behind_table(&t, node)) vec_push(arena, out, node);
    else build_node(&t.build, "Identity", node->output.data[0], table_floats(&t, node->input.data[0]), NULL);
  }
  flat->nodes = out;
}
