/* ops_choice.c: Comparisons as values of 0 and 1, and choices between values by them: Where, If. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"

/* ---- truths ---- */
/* 1 where a value is greater than 0, else 0: of all floats, the least ones too. */
static View *is_positive(ModelImport *im, const View *x) {
  for (int i = 0; i < 2; i++) x = map_view(im, map_view(im, x, "multiply(1e38)"), "clip(0, 1)");
  return view_copy(im, x, x->value);
}

static View *opposite(ModelImport *im, const View *truth) {
  return map_view(im, map_view(im, truth, "multiply(-1)"), "add(1)");
}

/* The node's inputs, one of them a value at least, by another operator of ONNX. */
static View *by_operator(ModelImport *im, const OnnxNode *node, const char *op, bool turned) {
  OnnxNode other = *node;
  int in[] = {node->in[0], node->nin > 1 ? node->in[1] : 0}, swapped[] = {in[1], in[0]};
  if (node->nin != 2 || !in[0] || !in[1]) return no(im, "a truth of other than two values");
  other.op = op;
  other.in = turned ? swapped : in;
  return onnx_operator(op)->import(im, &other);
}

View *import_compare(ModelImport *im, const OnnxNode *node) {
  const bool less = strncmp(node->op, "Less", 4) == 0, equal = strstr(node->op, "OrEqual") != NULL;
  View *difference = by_operator(im, node, "Sub", less != equal); /* a <= b: not a > b */
  View *truth = difference ? is_positive(im, difference) : NULL;
  return truth && equal ? opposite(im, truth) : truth;
}

View *differing(ModelImport *im, const OnnxNode *node) {
  View *difference = by_operator(im, node, "Sub", false);
  return difference ? is_positive(im, map_view(im, difference, "abs")) : NULL;
}

/* And, Or, Xor of booleans: with arithmetic that is equivalent on 0 and 1. */
View *import_logic(ModelImport *im, const OnnxNode *node) {
  for (int k = 0; k < node->nin; k++)
    if (!is_truth(im, node->in[k])) return no(im, TRUTH);
  View *y = by_operator(im, node, onnx_operator(node->op)->word, false);
  return y && strcmp(node->op, "Xor") == 0 ? map_view(im, y, "abs") : y;
}

View *import_not(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  if (x && !is_truth(im, node->in[0])) return no(im, TRUTH);
  return x ? opposite(im, x) : NULL;
}

View *truth_of(ModelImport *im, const View *x) { return is_positive(im, map_view(im, x, "abs")); }

static bool is_boolean_input(const ModelImport *im, int tensor) {
  for (int i = 0; i < im->onnx->ninputs; i++)
    if (im->onnx->input[i].tensor == tensor) return im->onnx->input[i].type == TENSOR_BOOL;
  return false;
}

/* As a constant, as an input, or by the operator that makes it, moved at most. */
bool is_truth(const ModelImport *im, int tensor) {
  static const char *const truths[] = {
      "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "And", "Or", "Xor", "Not", NULL};
  static const char *const moves[] = {"Reshape",   "Expand", "Unsqueeze", "Squeeze", "Slice",    "Gather",
                                      "Transpose", "Concat", "Flatten",   "Cast",    "Identity", NULL};
  while (tensor && !im->item[tensor].constant && im->maker[tensor] >= 0) {
    const OnnxNode *node = &im->onnx->node[im->maker[tensor]];
    for (int k = 0; truths[k]; k++)
      if (strcmp(truths[k], node->op) == 0) return true;
    int k = 0;
    while (moves[k] && strcmp(moves[k], node->op) != 0) k++;
    if (strcmp(node->op, "Cast") == 0 && onnx_int(node, "to", 0) == TENSOR_BOOL) return true;
    if (!moves[k] || node->nin == 0) return false;
    tensor = node->in[0];
  }
  const Tensor *t = tensor ? im->item[tensor].constant : NULL;
  return t ? t->type == TENSOR_BOOL : tensor && is_boolean_input(im, tensor);
}

/* ---- choices ---- */
/* A truth times an input of the node; NULL after no(). */
static View *times_input(ModelImport *im, const OnnxNode *node, const View *truth, int input) {
  const Tensor *t = constant_of(im, node, input);
  const View *x = t ? NULL : view_of(im, node, input);
  for (int64_t i = 0; t && i < t->n; i++)
    if (!isfinite(tensor_number(t, i))) return no(im, "a choice by value, one of an infinite number");
  if (t) return beside_constant(im, node, input, truth, t, "multiply");
  if (x && x->value->odd) return no(im, "a choice by value of numbers that may be infinite or no numbers");
  return x ? two_values(im, x, false, truth, "multiply") : NULL;
}

static bool is_zero(const Tensor *t) {
  bool zero = t != NULL;
  for (int64_t i = 0; zero && i < t->n; i++) zero = tensor_number(t, i) == 0;
  return zero;
}

/* Where the truth is 1 the one input of the node, else the other: their sum, each times 1 or 0. */
static View *chosen(ModelImport *im, const OnnxNode *node, const View *truth, int yes, int otherwise) {
  const bool none = is_zero(constant_of(im, node, yes)), least = is_zero(constant_of(im, node, otherwise));
  if (truth->value->odd) return no(im, "a choice by numbers that may be infinite or no numbers");
  if (none && least) return map_view(im, truth, "multiply(0)");
  View *one = none ? NULL : times_input(im, node, truth, yes);
  if (least || (!one && !none)) return one;
  View *other = times_input(im, node, opposite(im, truth), otherwise);
  return !other || none ? other : two_values(im, one, true, other, "add");
}

View *import_where(ModelImport *im, const OnnxNode *node) {
  if (node->nin != 3 || !is_truth(im, node->in[0])) return no(im, "a choice by value");
  if (constant_of(im, node, 0)) return no(im, "a choice by constants between values");
  const View *truth = view_of(im, node, 0);
  return truth ? chosen(im, node, truth, 1, 2) : NULL;
}

void import_choice(ModelImport *im, const OnnxNode *node) {
  const View *truth = im->item[node->in[0]].view;
  if (node->nin != 1 + 2 * node->nout) {
    no(im, "a branch is missing");
    return;
  }
  for (int d = 0; d < truth->rank; d++)
    if (truth->size[d] != 1) no(im, "a condition of several truths");
  for (int k = 0; k < node->nout && !im->why; k++) {
    const int yes = 1 + k, otherwise = 1 + node->nout + k;
    const Item *a = &im->item[node->in[yes]], *b = &im->item[node->in[otherwise]];
    if (!node->out[k] || (!a->view && !a->constant) || (!b->view && !b->constant)) continue;
    View *view = chosen(im, node, truth, yes, otherwise);
    if (view) im->item[node->out[k]].view = view;
  }
  im->became[node->index] = "both branches, one of them times 0";
}
