/* ops_choice.c: Import of Where, If, and operators with boolean results (comparisons, And, Or, Xor, Not). */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"
#include "import/onnx/fold.h"

/* ---- booleans ---- */
/* Imports x > 0 as 1 or 0; exact for all floats, including subnormal numbers. */
static View *is_positive(ModelImport *im, const View *x) {
  for (int i = 0; i < 2; i++) x = map_view(im, map_view(im, x, "multiply(1e38)"), "clip(0, 1)");
  return view_copy(im, x, x->value);
}

static View *opposite(ModelImport *im, const View *truth) {
  return map_view(im, map_view(im, truth, "multiply(-1)"), "add(1)");
}

/* Applies another ONNX operator to the node's two inputs, at least one of which is a value. turned: exchanges
 * the inputs. */
static View *by_operator(ModelImport *im, const OnnxNode *node, const char *op, bool turned) {
  OnnxNode other = *node;
  int in[] = {node->in[0], node->nin > 1 ? node->in[1] : 0}, swapped[] = {in[1], in[0]};
  if (node->nin != 2 || !in[0] || !in[1])
    return no(im, "a boolean operator whose number of inputs is not two");
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

/* Imports And, Or and Xor of booleans as arithmetic on 0 and 1. */
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

/* Whether a tensor is boolean: a boolean constant, a boolean input, or the result of a boolean operator,
 * possibly after moves. */
bool is_truth(const ModelImport *im, int tensor) {
  static const char *const truths[] = {
      "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "And", "Or", "Xor", "Not", NULL};
  static const char *const moves[] = {
      "Reshape", "Expand", "Unsqueeze", "Squeeze", "Slice",   "Gather", "GatherND", "GatherElements",
      "Split",   "Tile",   "Transpose", "Concat",  "Flatten", "Cast",   "Identity", NULL};
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

/* ---- selection among numbers that may be infinite or NaN ---- */
enum { MOST_CHOSEN = 1 << 23 }; /* floats represent integers up to twice this number exactly */

/* The shape of a selection between constants and values. */
typedef struct Chosen {
  int rank;
  int64_t size[MOST_DIMS], n;
} Chosen;

/* Finds the shape of a selection between two inputs (constants or values). Input 0 is the condition. */
static bool find_shape(ModelImport *im, const OnnxNode *node, int yes, int otherwise, Chosen *to) {
  const int input[] = {0, yes, otherwise};
  Tensor all = {0};
  for (int k = 0; k < 3; k++) {
    const Tensor *t = constant_of(im, node, input[k]);
    const View *x = t ? NULL : view_of(im, node, input[k]);
    if (!t && !x) return false;
    Tensor one = {.rank = t ? t->rank : x->rank};
    for (int d = 0; d < one.rank; d++) one.dim[d] = t ? t->dim[d] : x->size[d];
    if (!common_shape(im, &all, &one, &to->rank, to->size)) return false;
    all.rank = to->rank;
    memcpy(all.dim, to->size, sizeof to->size);
  }
  to->n = 1;
  for (int d = 0; d < to->rank; d++) {
    to->n *= to->size[d];
    if (to->n > MOST_CHOSEN) return no(im, "a selection of more than %d numbers", MOST_CHOSEN), false;
  }
  return true;
}

/* The numbers of a view, broadcast to the shape of the selection, as a vector in the model's order. */
static Value *spread_view(ModelImport *im, const View *x, const Chosen *as) {
  View *large = view_new(im, x->value, as->rank);
  int dims[MOST_DIMS], n = 0;
  for (int d = 0; d < x->rank; d++) {
    const int to = as->rank - x->rank + d;
    large->along[to] = x->along[d];
    if (to == 0 && factors_batch(&x->along[d]) && x->size[d] != 1)
      return no(im, "a selection from a tensor of several images");
  }
  for (int d = 0; d < as->rank; d++) large->size[d] = as->size[d];
  const View *full = view_repeated(im, large);
  for (int d = 0; full && d < full->rank; d++)
    if (full->size[d] > 1) dims[n++] = d;
  Value *v = full ? (n ? lay_in_order(im, full, n, dims) : full->value) : NULL;
  return v ? reshaped(im, v, shape_vector(as->n)) : NULL;
}

/* The numbers of a constant, broadcast to the shape of the selection. */
static double *spread_constant(ModelImport *im, const Tensor *t, const Chosen *as) {
  if (!may_compute(im, sizeof(double) * (size_t)as->n)) return NULL;
  double *to = NEW_ARRAY(im->arena, double, as->n);
  for (int64_t i = 0; i < as->n; i++) to[i] = tensor_number(t, repeated_at(t, as->rank, as->size, i));
  return to;
}

/* Indices into the concatenation of two vectors of n numbers each: n + i where the condition is true,
 * otherwise i. */
static Value *selection(ModelImport *im, const OnnxNode *node, const View *truth, const Chosen *as) {
  const Tensor *t = truth ? NULL : constant_of(im, node, 0);
  const double *always = t ? spread_constant(im, t, as) : NULL;
  if ((t && !always) || !may_compute(im, sizeof(double) * (size_t)as->n)) return NULL;
  double *at = NEW_ARRAY(im->arena, double, as->n);
  for (int64_t i = 0; i < as->n; i++) at[i] = (double)(t && always[i] != 0 ? as->n + i : i);
  Value *index = constant_vector(im, node, 0, as->n, at, true),
        *condition = truth ? spread_view(im, truth, as) : NULL;
  if (!truth || !index || !condition) return truth ? NULL : index;
  Value *both[] = {emit_one(im, condition, condition->shape, "multiply(%lld)", (long long)as->n), index};
  return emit(im, 2, both, condition->shape, "add(%%1)");
}

static View *in_shape(ModelImport *im, Value *v, const Chosen *as) {
  Shape shape = {0};
  for (int d = 0; d < as->rank; d++) {
    if (as->size[d] == 1) continue;
    if (shape.rank == 3) return no(im, "a selection with more than three dimensions");
    shape.dim[shape.rank++] = as->size[d];
  }
  if (shape.rank == 0) shape = shape_vector(1);
  View *y = view_new(im, reshaped(im, v, shape), as->rank);
  for (int d = 0, a = 0; d < as->rank; d++)
    if (as->size[d] > 1) view_set(y, d, a++);
  return y;
}

/* Selects without arithmetic, so that all numbers stay exact: gathers from one vector that contains both
 * inputs. If `truth` is NULL, the condition is the constant input 0. */
static View *selected(ModelImport *im, const OnnxNode *node, const View *truth, int yes, int otherwise) {
  Chosen as;
  if (!find_shape(im, node, yes, otherwise, &as)) return NULL;
  const int side[] = {otherwise, yes};
  Value *both[2];
  for (int k = 0; k < 2; k++) {
    const Tensor *t = constant_of(im, node, side[k]);
    const double *all = t ? spread_constant(im, t, &as) : NULL;
    if (t && !all) return NULL;
    both[k] = t ? constant_vector(im, node, side[k], as.n, all, false)
                : spread_view(im, view_of(im, node, side[k]), &as);
    if (!both[k]) return NULL;
  }
  Value *index = selection(im, node, truth, &as);
  if (!index) return NULL;
  Value *pair[] = {join_values(im, 2, both, 0), index};
  return in_shape(im, emit(im, 2, pair, shape_sequence(as.n, 1), "gather(%%1)"), &as);
}

/* ---- selection ---- */
/* Whether an input of the node is always finite, so that 0 times the input is 0. */
static bool is_finite(ModelImport *im, const OnnxNode *node, int input) {
  const Tensor *t = constant_of(im, node, input);
  const View *x = t ? NULL : view_of(im, node, input);
  for (int64_t i = 0; t && i < t->n; i++)
    if (!isfinite(tensor_number(t, i))) return false;
  return !x || !x->value->odd;
}

/* A boolean value times an input of the node; NULL after no(). */
static View *times_input(ModelImport *im, const OnnxNode *node, const View *truth, int input) {
  const Tensor *t = constant_of(im, node, input);
  const View *x = t ? NULL : view_of(im, node, input);
  if (t) return beside_constant(im, node, input, truth, t, "multiply");
  return x ? two_values(im, x, false, truth, "multiply") : NULL;
}

static bool is_zero(const Tensor *t) {
  bool zero = t != NULL;
  for (int64_t i = 0; zero && i < t->n; i++) zero = tensor_number(t, i) == 0;
  return zero;
}

/* Selects input `yes` of the node where the boolean is 1, and input `otherwise` elsewhere. Finite inputs are
 * multiplied by 1 or 0, and added. */
static View *chosen(ModelImport *im, const OnnxNode *node, const View *truth, int yes, int otherwise) {
  const bool none = is_zero(constant_of(im, node, yes)), least = is_zero(constant_of(im, node, otherwise));
  if (truth->value->odd)
    return no(im, "a selection whose condition is computed from numbers that may be infinite or NaN");
  if (!is_finite(im, node, yes) || !is_finite(im, node, otherwise))
    return selected(im, node, truth, yes, otherwise);
  if (none && least) return map_view(im, truth, "multiply(0)");
  View *one = none ? NULL : times_input(im, node, truth, yes);
  if (least || (!one && !none)) return one;
  View *other = times_input(im, node, opposite(im, truth), otherwise);
  return !other || none ? other : two_values(im, one, true, other, "add");
}

const OnnxNode *softmax_after(const ModelImport *im, int tensor) {
  static const char *const passed[] = {"Reshape",   "Add",     "Unsqueeze", "Squeeze",
                                       "Transpose", "Flatten", "Identity",  NULL};
  while (im->readers[tensor] == 1 && !im->wanted[tensor]) {
    const OnnxNode *node = node_reading(im, tensor);
    int k = 0;
    if (strcmp(node->op, "Softmax") == 0) return node;
    while (passed[k] && strcmp(passed[k], node->op) != 0) k++;
    if (!passed[k]) return NULL;
    tensor = node->out[0];
  }
  return NULL;
}

/* If a Where with a constant condition replaces scores by -infinity, or by a number of EXCLUDED or less: the
 * scores plus a constant mask. NULL: another selection (no() was not called), or after no(). */
static View *masked_scores(ModelImport *im, const OnnxNode *node) {
  const Tensor *kept = constant_of(im, node, 0);
  const int input = constant_of(im, node, 1) ? 1 : 2;
  const Tensor *t = constant_of(im, node, input);
  if (!t || t->n != 1 || !(tensor_number(t, 0) <= EXCLUDED) || !softmax_after(im, node->out[0])) return NULL;
  const View *x = view_of(im, node, 3 - input);
  Tensor *mask = x ? constant_new(im, TENSOR_FLOAT, kept->rank, kept->dim) : NULL;
  if (!mask) return NULL;
  for (int64_t i = 0; i < mask->n; i++)
    if ((tensor_number(kept, i) != 0) == (input == 1)) tensor_put(mask, i, tensor_number(t, 0));
  return beside_constant(im, node, 0, x, mask, "add");
}

View *import_where(ModelImport *im, const OnnxNode *node) {
  if (node->nin != 3 || !is_truth(im, node->in[0])) return no(im, "a condition that is not boolean");
  if (constant_of(im, node, 0)) {
    View *masked = masked_scores(im, node);
    return masked || im->why ? masked : selected(im, node, NULL, 1, 2);
  }
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
    if (truth->size[d] != 1) no(im, "a condition with several elements");
  for (int k = 0; k < node->nout && !im->why; k++) {
    const int yes = 1 + k, otherwise = 1 + node->nout + k;
    const Item *a = &im->item[node->in[yes]], *b = &im->item[node->in[otherwise]];
    if (!node->out[k] || (!a->view && !a->constant) || (!b->view && !b->constant)) continue;
    View *view = chosen(im, node, truth, yes, otherwise);
    if (view) im->item[node->out[k]].view = view;
  }
  im->became[node->index] = "computes both branches, and selects the result";
}
