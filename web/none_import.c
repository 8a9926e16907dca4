/* none_import.c: Stubs for importer features that the browser build omits: int8 models, onnxruntime's fused
 * operators, selections by computed values, loops, recurrent layers, computed indices, products with several
 * matrices, Fourier transforms, broadcasting of opsets before 7, and operators that the browser build lacks,
 * such as attention. */
// SPDX-License-Identifier: Apache-2.0
#include "import/import.h"
#include "import/onnx/onnx_inline.h"
#include "import/onnx/products.h"

void onnx_frames(Arena *arena, WireList *nodes) { (void)arena, (void)nodes; }

int onnx_dynamic(Arena *arena, const GraphProto *graph, OnnxFlat *flat) {
  return (void)arena, (void)graph, (void)flat, 0;
}
void onnx_tables(Arena *arena, OnnxFlat *flat) { (void)arena, (void)flat; }
void onnx_fused(Arena *arena, WireList *nodes) { (void)arena, (void)nodes; }
bool inline_loop(Inliner *in, NodeProto *node, Scope *scope, int depth) {
  (void)scope, (void)depth;
  vec_push(in->arena, in->flat->nodes, node);
  return true;
}

const OnnxNode *softmax_after(const ModelImport *im, int tensor) { return (void)im, (void)tensor, NULL; }

View *import_quantize(ModelImport *im, const OnnxNode *node) {
  (void)node;
  return no(im, "the browser build cannot import int8 models; cnnc can");
}

View *import_dequantize(ModelImport *im, const OnnxNode *node) { return import_quantize(im, node); }

int64_t quant_shift(TensorType type) {
  (void)type;
  return 0;
}

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

void report_state_hints(ModelImport *im) { (void)im; }

void make_frames(ModelImport *im) { (void)im; }

/* ---- selections by computed values ---- */
View *import_where(ModelImport *im, const OnnxNode *node) {
  (void)node;
  return no(im, "the browser build cannot import choices by value; cnnc can");
}

View *import_compare(ModelImport *im, const OnnxNode *node) { return import_where(im, node); }
View *import_logic(ModelImport *im, const OnnxNode *node) { return import_where(im, node); }
View *import_not(ModelImport *im, const OnnxNode *node) { return import_where(im, node); }
View *differing(ModelImport *im, const OnnxNode *node) { return import_where(im, node); }
View *truth_of(ModelImport *im, const View *x) { return (void)x, import_where(im, NULL); }
void import_choice(ModelImport *im, const OnnxNode *node) { import_where(im, node); }

bool is_truth(const ModelImport *im, int tensor) {
  (void)im, (void)tensor;
  return false;
}

View *import_einsum(ModelImport *im, const OnnxNode *node) {
  (void)node;
  return no(im, "the browser build cannot import products with several matrices; cnnc can");
}

View *import_matrices(ModelImport *im, const OnnxNode *node, int constant) {
  (void)constant;
  return import_einsum(im, node);
}
View *import_two_matrices(ModelImport *im, const OnnxNode *node) { return import_einsum(im, node); }
View *import_two_gemm(ModelImport *im, const OnnxNode *node) { return import_einsum(im, node); }
void form_attention(ModelImport *, OnnxNode *);
void form_attention(ModelImport *im, OnnxNode *node) { (void)im, (void)node; }

/* ---- parts of values ---- */
Value *exchanged_as_heads(ModelImport *im, Value *v, int64_t before, int64_t first, int64_t second,
                          int64_t after) {
  return (void)im, (void)v, (void)before, (void)first, (void)second, (void)after, NULL;
}
Value *moved_as_windows(ModelImport *im, Value *v, int npos, const Factors *pos, const Factors *c) {
  return (void)im, (void)v, (void)npos, (void)pos, (void)c, NULL;
}
Value *join_windows_shifted(ModelImport *im, Value *rolled) { return (void)im, rolled; }
View *combined_by_rows(ModelImport *im, const View *large, const View *small, const char *word) {
  return (void)im, (void)large, (void)small, (void)word, NULL;
}
View *combined_by_heads(ModelImport *im, const View *large, const View *small, const char *word) {
  return combined_by_rows(im, large, small, word);
}
View *combined_repeated(ModelImport *im, const View *large, const View *small, const char *word) {
  return combined_by_rows(im, large, small, word);
}
View *rotary_of(ModelImport *im, View *y) { return (void)im, y; }
View *mapped_along_axis(ModelImport *im, const View *x, int d, const char *word, const char *arguments) {
  return (void)im, (void)x, (void)d, (void)word, (void)arguments, NULL;
}

void find_kept_layers(ModelImport *im) { (void)im; }
View *import_recurrent(ModelImport *im, const OnnxNode *node) {
  (void)node;
  return no(im, "the browser build cannot import recurrent layers; cnnc can");
}
View *import_svdf(ModelImport *im, const OnnxNode *node) { return import_recurrent(im, node); }

/* ---- indices ---- */
View *gather_computed(ModelImport *im, const OnnxNode *node) {
  (void)node;
  return no(im, "the browser build cannot import computed indices; cnnc can");
}

View *import_argmax(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_topk(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_cumsum(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_gather_elements(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_scatter(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_gather_nd(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_one_hot(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_mod(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_ceil(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_tile(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_grid_sample(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_deformable(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
int index_of_pairs(const ModelImport *im, const OnnxNode *node) { return (void)im, (void)node, 0; }
bool result_is_used(const ModelImport *im, const OnnxNode *node, int out) {
  return out < node->nout && node->out[out] && im->readers[node->out[out]];
}
bool only_chooses(const ModelImport *im, int tensor) { return (void)im, (void)tensor, false; }
View *equal_to_range(ModelImport *im, const View *x, const Tensor *t) {
  return (void)im, (void)x, (void)t, NULL;
}
View *import_attention(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_rotary(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
View *import_rmsnorm(ModelImport *im, const OnnxNode *node) { return gather_computed(im, node); }
void form_deformable(ModelImport *, OnnxNode *);
void form_deformable(ModelImport *im, OnnxNode *node) { (void)im, (void)node; }

View *import_dft(ModelImport *im, const OnnxNode *node) {
  (void)node;
  return no(im, "the browser build cannot import Fourier transforms; cnnc can");
}

View *import_stft(ModelImport *im, const OnnxNode *node) { return import_dft(im, node); }

/* ---- broadcasting of opsets before 7 ---- */
static bool is_broadcast_by_axis(ModelImport *im, const OnnxNode *node) {
  const bool old = im->onnx->opset < 7 && onnx_int(node, "broadcast", 0);
  if (old) no(im, "the browser build cannot import opsets before 7; cnnc can");
  return old;
}

const Tensor *constant_beside(ModelImport *im, const OnnxNode *node, int input, const View *x) {
  (void)x;
  return is_broadcast_by_axis(im, node) ? NULL : im->item[node->in[input]].constant;
}

bool place_operand(ModelImport *im, const OnnxNode *node, Item *item) {
  (void)item;
  return !is_broadcast_by_axis(im, node);
}

/* Values whose first dimension is not a batch: the browser build treats it as the batch. */
int64_t rows_of_images(const View *x) { return (void)x, 1; }
Shape shape_of_parts(int64_t rows, Shape row) { return (void)rows, row; }
Value *lay_images(ModelImport *im, const View *x, bool pointwise) {
  return (void)pointwise, lay_standard(im, x);
}
View *view_images(ModelImport *im, Value *v, const View *like) {
  return view_standard(im, v, like, like->rank);
}

bool onnx_in_profile(Arena *arena, Diags *diags, const char *path, Span at, const uint8_t *bytes, size_t n) {
  return (void)arena, (void)diags, (void)path, (void)at, (void)bytes, (void)n, true;
}
