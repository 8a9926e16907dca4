/* none_import.c: what the importer of the page does not have: int8 models, onnxruntime's fused operators. */
// SPDX-License-Identifier: Apache-2.0
#include "import/import.h"

void onnx_frames(Arena *arena, WireList *nodes) { (void)arena, (void)nodes; }

void onnx_fused(Arena *arena, WireList *nodes) { (void)arena, (void)nodes; }

View *import_quantize(ModelImport *im, const OnnxNode *node) {
  (void)node;
  return no(im, "int8 models are imported by cnnc, not in a page");
}

View *import_dequantize(ModelImport *im, const OnnxNode *node) { return import_quantize(im, node); }

const Quant *quant_of(const Value *value) {
  (void)value;
  return NULL;
}

const Quant *quant_kept(const Statement *statement) {
  (void)statement;
  return NULL;
}

Value *same_value(ModelImport *im, Value *value) {
  (void)im;
  return value;
}

TensorType port_bytes(const ModelImport *im, const OnnxPort *port) {
  (void)im, (void)port;
  return 0;
}

bool keeps_bytes(ModelImport *im, const OnnxNode *node, int statements) {
  (void)im, (void)node, (void)statements;
  return true;
}

void quantize_once(ModelImport *im) { (void)im; }

bool is_move(const Statement *statement) {
  (void)statement;
  return false;
}

void make_frames(ModelImport *im) { (void)im; }
