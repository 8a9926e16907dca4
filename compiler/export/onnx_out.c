/* onnx_out.c: Export of a net as an ONNX model (inputs, a few ONNX nodes per node of the net, outputs), and
 * writing of the model's files. */
// SPDX-License-Identifier: Apache-2.0
#include "export/onnx_out.h"
#include "ops/registry.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif
enum { PAGE_BYTES = 4096 };

static const OnnxWay ways[] = {
#define OUT(name, function, word) {#name, function, word},
#define NONE(name, why) {#name, NULL, why},
#include "export/onnx_out.def"
#undef OUT
#undef NONE
    {NULL, NULL, NULL}};

const OnnxWay *onnx_way(const Op *op) {
  const OnnxWay *way = ways;
  while (way->op && strcmp(way->op, op->name) != 0) way++;
  return way->op ? way : NULL;
}

/* ---- nodes without an ONNX form ---- */
static bool is_port(const Node *node) { return node_is_input(node); }

static const char *refusal(const Node *node) {
  if (node->quant && node->quant->wide) return "int16 values, which cnnc does not export";
  if (node->quant && node_is_state(node)) return "an int8 state";
  const char *recurrent = recurrent_refusal(node);
  if (recurrent) return recurrent;
  const OnnxWay *way = is_port(node) ? NULL : onnx_way(node->op);
  return way && !way->function ? way->word : NULL;
}

/* Checks that the inputs and all used nodes have an ONNX form. All nodes without a form are reported in
 * one message: the first node at its location, the other nodes as notes. */
static bool all_have_forms(Diags *diags, const Graph *graph, const int *reads) {
  int n = 0;
  Diag *diag = NULL;
  for (int i = 0; i < graph->nodes.n; i++)
    n += (reads[i] || is_port(graph->nodes.data[i])) && refusal(graph->nodes.data[i]);
  for (int i = 0; i < graph->nodes.n && n; i++) {
    const Node *node = graph->nodes.data[i];
    const char *why = reads[i] || is_port(node) ? refusal(node) : NULL,
               *op = is_port(node) ? "input" : node->op->name;
    if (!why) continue;
    if (diag) diag_note(diag, node->span, "%s '%s' has no form in ONNX: %s", op, node->name, why);
    else
      diag = diag_report(diags, DIAG_onnx_operator, node->span, node->site, "%s '%s' has no form in ONNX: %s",
                         op, node->name, why);
  }
  if (diag)
    diag_help(diag, "to export the part of the net before %s, make the results of that part the outputs",
              n == 1 ? "it" : "them");
  return !n;
}

static void note_masks(Diags *diags, const OnnxOut *o) {
  for (int i = 0; i < o->graph->nodes.n && o->opset < 23; i++) {
    const Node *node = o->graph->nodes.data[i];
    if (!o->reads[i] || !out_hides_all_keys(node)) continue;
    Diag *diag = diag_report(
        diags, DIAG_onnx_mask, node->span, node->site,
        "the result for a position without keys is 0 in cnnc, but NaN in ONNX models of opset %d", o->opset);
    diag_help(diag, "--opset=23 exports the operator Attention, which returns 0 for such positions");
  }
}

/* ---- ports ---- */
ValueInfoProto *out_port(OnnxOut *o, const char *name, TensorType type, int rank, const int64_t *dim,
                         int images) {
  ValueInfoProto *info = NEW(o->arena, ValueInfoProto);
  info->name = name;
  info->type = NEW(o->arena, TypeProto);
  TypeProtoTensor *tensor = info->type->tensor_type = NEW(o->arena, TypeProtoTensor);
  tensor->elem_type = type;
  tensor->shape = NEW(o->arena, TensorShapeProto);
  for (int d = 0; d < rank; d++) {
    TensorShapeProtoDimension *size = NEW(o->arena, TensorShapeProtoDimension);
    if (d == images) size->dim_param = "N";
    else size->dim_value = dim[d];
    vec_push(o->arena, tensor->shape->dim, size);
  }
  return info;
}

static TensorType type_of(Elem elem) {
  return elem == U8    ? TENSOR_UINT8
         : elem == I8  ? TENSOR_INT8
         : elem == I16 ? TENSOR_INT16
         : elem == I32 ? TENSOR_INT32
                       : TENSOR_FLOAT;
}

static void make_input(OnnxOut *o, const Port *input, bool channels_last) {
  const Node *node = o->node = input->node;
  const TensorType type = type_of(node->port->elem);
  const Shape s = node->shape;
  int64_t dim[4];
  const int rank = out_dims(s, 0, dim);
  const bool moved = channels_last && rank > 2;
  for (int d = 1; moved && d < rank; d++) dim[d] = s.dim[d - 1];
  ValueInfoProto *info = out_port(o, input->name, type, rank, dim, 0);
  vec_push(o->arena, o->model->input, info);
  const char *x = input->name;
  if (node->quant) x = out_raw(o, node, x, type);
  else if (type != TENSOR_FLOAT) {
    x = out_one(o, "Cast", x);
    out_int(o, "to", TENSOR_FLOAT);
  }
  const int64_t first[] = {0, rank - 1, 1, 2};
  o->value[node->id] = moved ? out_permute(o, x, rank, first) : x;
}

/* The element type of an output. In an int8 model, it is the type in the program's output statement. An
 * output `as class` is exported as scores. */
static TensorType output_type(const Port *output) {
  if (!output->node->quant) return output->as == AS_I32 ? TENSOR_INT32 : TENSOR_FLOAT;
  return output->as == AS_I8 ? TENSOR_INT8 : output->as == AS_U8 ? TENSOR_UINT8 : TENSOR_FLOAT;
}

/* In an output of the ONNX model, the regions are a separate axis after the batch axis. */
static int port_dims(Shape shape, int64_t dim[5]) {
  if (!shape.regions) return out_dims(shape, 0, dim);
  const int rank = out_dims(shape, shape.regions, dim + 1);
  dim[0] = -1;
  return rank + 1;
}

static void make_output(OnnxOut *o, const Port *output) {
  const Node *node = o->node = output->node;
  int64_t dim[5];
  const int rank = port_dims(node->shape, dim);
  const TensorType type = output_type(output);
  const char *stored = o->stored[node->id];
  const bool whole = type == TENSOR_INT8 && stored;
  const char *value = whole ? stored : o->value[node->id];
  if (node->quant && type != TENSOR_FLOAT && !whole) {
    out_quantized(o, node, value, type);
    o->last->output.data[0] = output->name;
  } else if (node->shape.regions) {
    out_reshape(o, value, rank, dim);
    o->last->output.data[0] = output->name;
  } else if (strcmp(value, output->name) != 0) {
    out_one(o, "Identity", value);
    o->last->output.data[0] = output->name;
    /* the Identity after an op_whole node keeps its generated name */
    if (node->op != &op_whole) o->last->name = output->name;
  }
  ValueInfoProto *info = out_port(o, output->name, type, rank, dim, 0);
  vec_push(o->arena, o->model->output, info);
}

/* ---- nodes ---- */
static const char *output_name(const OnnxOut *o, const Node *node, TensorType type) {
  if (node->shape.regions) return NULL; /* the output is reshaped */
  for (int i = 0; i < o->graph->outputs.n; i++) {
    const Port *output = &o->graph->outputs.data[i];
    if (output->node == node && output_type(output) == type) return output->name;
  }
  return NULL;
}

/* The last ONNX node computes the value of `node`, so it gets the name of `node`. The tensor of the value
 * gets the name of the output that has this value, or else the name of `node`, if no other tensor has it. */
static void name_last(OnnxOut *o, const Node *node) {
  const char *value = node->quant ? NULL : output_name(o, node, TENSOR_FLOAT);
  o->last->name = node->name;
  if (!value) {
    if (table_find(&o->names, node->name)) return;
    value = node->name;
    table_set(o->arena, &o->names, value, o);
  }
  o->last->output.data[0] = o->value[node->id] = value;
}

bool out_keeps_order(const Node *node) {
  return node->shape.rank == 1 && node->nin == 1 && !node->nweights && node->in[0]->shape.rank == 1 &&
         (node->op->family == FAMILY_MAP || node->op->family == FAMILY_ALIAS) &&
         node->op->traits.fold == FOLD_NONE;
}

/* Exports T regions of n numbers as a sequence T x n. */
static const char *export_region_rows(OnnxOut *o, const Node *node) {
  const int64_t dim[] = {-1, node->shape.dim[0], node->shape.dim[1]};
  return out_channels_first(o, out_reshape(o, out_input(o, 0), 3, dim), node->shape);
}

/* Exports operators that have no syntax in the language: conversion to integers, conversion of regions to
 * rows, and conversion to another scale. For a conversion to another scale, this function returns the
 * operand. */
static const char *export_hidden(OnnxOut *o, const Node *node) {
  if (node->op == &op_region_rows) return export_region_rows(o, node);
  if (node->op != &op_whole) return out_input(o, 0);
  const char *y = out_one(o, "Cast", out_input(o, 0));
  out_int(o, "to", TENSOR_INT32);
  return y;
}

static void make_node(OnnxOut *o, const Node *node) {
  o->node = node;
  o->last = NULL;
  if (out_keeps_order(node)) o->flattened[node->id] = o->flattened[node->in[0]->id];
  const OnnxWay *way = onnx_way(node->op); /* NULL: an operator without syntax in the language */
  const char *value = way ? way->function(o, node) : export_hidden(o, node);
  o->value[node->id] = value;
  if (o->last && strcmp(o->last->output.data[0], value) == 0) name_last(o, node);
  if (!node->quant) return;
  const char *whole = output_name(o, node, TENSOR_INT8), *real = output_name(o, node, TENSOR_FLOAT);
  o->stored[node->id] = out_quantized(o, node, o->value[node->id], TENSOR_INT8);
  if (whole) o->stored[node->id] = o->last->output.data[0] = whole;
  o->value[node->id] = out_raw(o, node, o->stored[node->id], TENSOR_INT8);
  if (real) o->value[node->id] = o->last->output.data[0] = real;
}

/* Reserves the names of inputs and outputs, so that no other tensor gets them. */
static void keep_names(OnnxOut *o) {
  const Graph *g = o->graph;
  for (int i = 0; i < g->inputs.n; i++) table_set(o->arena, &o->names, g->inputs.data[i].name, o);
  for (int i = 0; i < g->outputs.n; i++) table_set(o->arena, &o->names, g->outputs.data[i].name, o);
}

static ModelProto *model_of(Arena *arena, GraphProto *graph, int version) {
  ModelProto *model = NEW(arena, ModelProto);
  OperatorSetIdProto *opset = NEW(arena, OperatorSetIdProto);
  opset->version = version;
  model->ir_version = version < 23 ? 8 : 11;
  model->producer_name = "cnnc";
  model->producer_version = PACKAGE_VERSION;
  model->graph = graph;
  vec_push(arena, model->opset_import, opset);
  return model;
}

ModelProto *onnx_out(Arena *arena, Diags *diags, const Graph *graph, const OnnxNumbers *numbers,
                     const OnnxOptions *options) {
  OnnxOut o = {.arena = arena,
               .opset = options->opset,
               .graph = graph,
               .numbers = numbers,
               .model = NEW(arena, GraphProto)};
  o.reads = graph_live(arena, graph, 0, NULL);
  if (!all_have_forms(diags, graph, o.reads)) return NULL;
  o.value = NEW_ARRAY(arena, const char *, graph->nodes.n + 1);
  o.stored = NEW_ARRAY(arena, const char *, graph->nodes.n + 1);
  o.flattened = NEW_ARRAY(arena, const Node *, graph->nodes.n + 1);
  o.next = NEW_ARRAY(arena, const char *, graph_states(graph) + 1);
  o.next_port = NEW_ARRAY(arena, const char *, graph_states(graph) + 1);
  o.model->name = graph->name;
  keep_names(&o);
  out_find_constants(&o);
  note_masks(diags, &o);
  for (int i = 0; i < graph->inputs.n; i++) make_input(&o, &graph->inputs.data[i], options->channels_last);
  for (int i = 0; i < graph->nodes.n; i++)
    if (o.reads[i] && !is_port(graph->nodes.data[i])) make_node(&o, graph->nodes.data[i]);
  for (int i = 0; i < graph->outputs.n; i++) make_output(&o, &graph->outputs.data[i]);
  ModelProto *model = model_of(arena, o.model, o.opset);
  out_states(&o, model);
  return model;
}

/* ---- files ---- */
size_t onnx_bytes(const ModelProto *model) { return wire_size(onnx_model_message, model); }

static void entry(Arena *arena, TensorProto *tensor, const char *key, const char *value) {
  StringStringEntryProto *e = NEW(arena, StringStringEntryProto);
  *e = (StringStringEntryProto){key, value};
  vec_push(arena, tensor->external_data, e);
}

WireList onnx_detach(Arena *arena, ModelProto *model, const char *location, size_t least) {
  WireList all = {0};
  size_t at = 0;
  for (int i = 0; i < model->graph->initializer.n; i++) {
    TensorProto *tensor = model->graph->initializer.data[i];
    if (tensor->raw_data.n < least) continue;
    WireBytes *bytes = NEW(arena, WireBytes);
    *bytes = tensor->raw_data;
    vec_push(arena, all, bytes);
    tensor->raw_data = (WireBytes){0};
    tensor->data_location = 1;
    entry(arena, tensor, "location", location);
    entry(arena, tensor, "offset", arena_printf(arena, "%zu", at));
    entry(arena, tensor, "length", arena_printf(arena, "%zu", bytes->n));
    at = (at + bytes->n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  }
  return all;
}

static bool closed(FILE *file, bool good) {
  const int error = errno;
  const bool done = fclose(file) == 0;
  if (!good) errno = error;
  return good && done;
}

bool onnx_save(const ModelProto *model, const char *path) {
  FILE *file = fopen(path, "wb");
  return file && closed(file, wire_write(file, onnx_model_message, model));
}

bool onnx_save_detached(const WireList *all, const char *path) {
  static const uint8_t zeros[PAGE_BYTES];
  FILE *file = fopen(path, "wb");
  bool good = file != NULL;
  for (int i = 0; good && i < all->n; i++) {
    const WireBytes *bytes = all->data[i];
    const size_t gap = i + 1 < all->n ? (PAGE_BYTES - bytes->n % PAGE_BYTES) % PAGE_BYTES : 0;
    good = fwrite(bytes->at, 1, bytes->n, file) == bytes->n && fwrite(zeros, 1, gap, file) == gap;
  }
  return file && closed(file, good);
}
