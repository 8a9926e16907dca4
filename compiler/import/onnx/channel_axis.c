/* channel_axis.c: The channel dimension of an input: from --layout, inferred from the input's users, or else
 * guessed from its sizes. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

enum { NOT_KNOWN = -2, MOST_STEPS = 200 };
/* A tensor derived from an input. For each dimension of the tensor: the index of the same dimension in the
 * input (-1: a new dimension of one element), and its size (0: unknown). */
typedef struct Trace {
  int tensor, rank, from[MOST_DIMS];
  int64_t size[MOST_DIMS];
} Trace;

static bool is_any(const char *op, const char *const *list) {
  while (*list && strcmp(*list, op) != 0) list++;
  return *list != NULL;
}

static int64_t axis_from_start(int64_t axis, int rank) { return axis < 0 ? axis + rank : axis; }

/* Copies the numbers of a constant input or, in earlier opsets, of an attribute. Returns the count of the
 * copied numbers; -1: the numbers are unknown. */
static int axes_or_sizes(const ModelImport *im, const OnnxNode *node, int input, const char *name,
                         int64_t *to) {
  const Tensor *t = constant_of(im, node, input);
  const WireInts *list = onnx_ints(node, name);
  const int64_t n = t ? t->n : list ? list->n : -1;
  if (n > MOST_DIMS || (!t && given(node, input))) return -1;
  for (int i = 0; i < n; i++) to[i] = t ? tensor_integer(t, i) : list->data[i];
  return (int)n;
}

/* ---- evidence: which dimension of a tensor a node treats as channels; -1: unknown ---- */
/* The channel axis of a recurrent layer's input sequence, and of its initial states. */
static int told_by_recurrent(const OnnxNode *node, int input, const Trace *x) {
  enum { IN_ROWS = 0, IN_HIDDEN = 5, IN_CELL = 6 };
  static const char *const ops[] = {"LSTM", "GRU", "RNN", NULL};
  const bool is_told = input == IN_ROWS || input == IN_HIDDEN || input == IN_CELL;
  return is_any(node->op, ops) && is_told && x->rank == 3 ? 2 : -1;
}

/* The channel axis of a node's input, if the operator itself defines which axis has the channels. */
static int told_by_operator(const OnnxNode *node, int input, const Trace *x) {
  static const char *const second[] = {"Conv",
                                       "ConvTranspose",
                                       "MaxPool",
                                       "AveragePool",
                                       "LpPool",
                                       "GlobalAveragePool",
                                       "GlobalMaxPool",
                                       "GlobalLpPool",
                                       "BatchNormalization",
                                       "InstanceNormalization",
                                       "GroupNormalization",
                                       "LRN",
                                       "Resize",
                                       "Upsample",
                                       "DepthToSpace",
                                       "SpaceToDepth",
                                       "RoiAlign",
                                       "MaxRoiPool",
                                       NULL};
  if (strcmp(node->op, "Attention") == 0) return input < 3 && x->rank == 3 ? 2 : -1;
  if (strcmp(node->op, "RotaryEmbedding") == 0) return input < 3 && x->rank == 3 ? 2 : -1;
  const int recurrent = told_by_recurrent(node, input, x);
  if (recurrent >= 0) return recurrent;
  if (input != 0 || x->rank < 2) return -1;
  if (is_any(node->op, second)) return 1;
  if (strstr(node->op, "MatMul")) return x->rank - 1;
  if (!strstr("LayerNormalization RMSNormalization", node->op)) return -1;
  if (!onnx_int(node, "cnnc_single", 0))
    return x->rank - 1; /* ONNX's own norm, over all dimensions from
                           `axis` on */
  const int64_t axis = axis_from_start(onnx_int(node, "axis", -1), x->rank);
  return axis > 0 && axis < x->rank ? (int)axis : x->rank - 1;
}

/* The only dimension along which a constant operand varies, if it is dimension 1 or the last one. In
 * opsets before 7, frameworks had their channels in dimension 1: the last dimension is no evidence. */
static int told_by_constant(const ModelImport *im, const OnnxNode *node, int input, const Trace *x) {
  const Tensor *t = node->nin == 2 ? constant_of(im, node, !input) : NULL;
  const OnnxOperator *row = onnx_operator(node->op);
  int along = -1;
  if (!t || !row || t->rank > x->rank) return -1;
  if (row->import != import_combine && (row->import != import_prelu || input != 0)) return -1;
  const bool old = im->onnx->opset < 7, placed = old && onnx_int(node, "broadcast", 0) != 0;
  const int64_t behind = x->rank - t->rank, first = placed ? onnx_int(node, "axis", behind) : behind;
  for (int d = 0; d < t->rank; d++) {
    if (t->dim[d] == 1) continue;
    if (along >= 0 || first < -x->rank || first > behind) return -1;
    along = (int)axis_from_start(first, x->rank) + d;
  }
  return along == 1 || (along == x->rank - 1 && !old) ? along : -1;
}

/* If a reduction is over all dimensions except the batch and one other dimension: the index of this other
 * dimension, if the index is 1 or the last one. A tensor of at most three dimensions must be reduced with
 * keepdims=0. */
static int told_by_reduction(const ModelImport *im, const OnnxNode *node, const Trace *x) {
  int64_t axes[MOST_DIMS];
  bool over[MOST_DIMS] = {true};
  int rest = -1;
  const OnnxOperator *row = onnx_operator(node->op);
  const int n = row && row->import == import_reduce ? axes_or_sizes(im, node, 1, "axes", axes) : -1;
  for (int i = 0; i < n; i++) {
    const int64_t axis = axis_from_start(axes[i], x->rank);
    if (axis > 0 && axis < x->rank) over[axis] = true;
  }
  for (int d = 1; d < x->rank && n > 0; d++)
    if (!over[d]) rest = rest < 0 ? d : MOST_DIMS;
  const bool is_channels = rest == 1 || rest == x->rank - 1;
  return is_channels && (x->rank > 3 || !onnx_int(node, "keepdims", 1)) ? rest : -1;
}

static int told_by_axis(const OnnxNode *node, const Trace *x) {
  static const char *const along[] = {"Softmax", "LogSoftmax", "LpNormalization", NULL};
  const AttributeProto *axis = is_any(node->op, along) ? onnx_attribute(node, "axis") : NULL;
  const int64_t d = axis ? axis_from_start(axis->i, x->rank) : -1;
  return d == 1 || (d > 0 && d == x->rank - 1) ? (int)d : -1;
}

/* For the right operand of a product of two values: of its last two dimensions, the dimension that comes
 * later in the model's input. A Transpose may have exchanged these two dimensions, as in the scores of
 * attention. */
static int told_by_product(const ModelImport *im, const OnnxNode *node, int input, const Trace *x) {
  if (input != 1 || !strstr(node->op, "MatMul") || x->rank < 3 || constant_of(im, node, 0)) return -1;
  const int last = x->rank - 1;
  return x->from[last] > x->from[last - 1] ? last : last - 1;
}

static int told(const ModelImport *im, const OnnxNode *node, int input, const Trace *x, bool sure) {
  if (sure) return told_by_operator(node, input, x);
  int d = told_by_constant(im, node, input, x);
  if (d < 0 && input == 0) d = told_by_reduction(im, node, x);
  if (d < 0) d = told_by_product(im, node, input, x);
  return d < 0 && input == 0 ? told_by_axis(node, x) : d;
}

/* ---- tracing of dimensions through nodes ---- */
static void keep_axis(const Trace *x, int d, Trace *y) {
  y->from[y->rank] = x->from[d];
  y->size[y->rank++] = x->size[d];
}

static bool transposed(const OnnxNode *node, const Trace *x, Trace *y) {
  const WireInts *perm = onnx_ints(node, "perm");
  for (int d = 0; d < x->rank; d++) {
    const int64_t from = perm && perm->n == x->rank ? perm->data[d] : x->rank - 1 - d;
    if (from < 0 || from >= x->rank) return false;
    keep_axis(x, (int)from, y);
  }
  return true;
}

/* Follows an Unsqueeze, a Squeeze, or a reduction that drops its dimensions. */
static bool with_other_rank(const ModelImport *im, const OnnxNode *node, const Trace *x, Trace *y) {
  int64_t axes[MOST_DIMS];
  bool at[MOST_DIMS] = {false};
  const bool more = strcmp(node->op, "Unsqueeze") == 0;
  const int n = axes_or_sizes(im, node, 1, "axes", axes), rank = more ? x->rank + n : x->rank;
  if (n < 1 || rank > MOST_DIMS) return false;
  for (int i = 0; i < n; i++) {
    const int64_t axis = axis_from_start(axes[i], rank);
    if (axis < 0 || axis >= rank) return false;
    at[axis] = true;
  }
  for (int d = 0, own = 0; d < rank; d++) {
    if (more && at[d]) y->from[y->rank] = -1, y->size[y->rank++] = 1;
    else if (more && own < x->rank) keep_axis(x, own++, y);
    else if (!more && !at[d]) keep_axis(x, d, y);
  }
  return true;
}

/* Follows a Reshape that only adds or removes dimensions of one element. */
static bool with_shape(const ModelImport *im, const OnnxNode *node, const Trace *x, Trace *y) {
  int64_t size[MOST_DIMS], all = 1, others = 1;
  const int n = axes_or_sizes(im, node, 1, "shape", size);
  if (n < 1) return false;
  for (int d = 0; d < x->rank; d++) {
    if (x->size[d] < 1 || __builtin_mul_overflow(all, x->size[d], &all)) return false;
  }
  for (int d = 0; d < n; d++) {
    if (size[d] == 0) size[d] = d < x->rank ? x->size[d] : 1;
    if (size[d] > 0 && __builtin_mul_overflow(others, size[d], &others)) return false;
  }
  int own = 0;
  for (int d = 0; d < n; d++) {
    if (size[d] < 0) size[d] = all / others;
    if (d == 0 && x->size[0] == size[0]) own = 1, keep_axis(x, 0, y);
    else {
      while (size[d] != 1 && own < x->rank && x->size[own] == 1) own++;
      if (size[d] == 1) y->from[y->rank] = -1, y->size[y->rank++] = 1;
      else if (own < x->rank && x->size[own] == size[d]) keep_axis(x, own++, y);
      else return false;
    }
  }
  return true;
}

/* Sets y to the trace of the node's result; false: the node cannot be followed. */
static bool followed(const ModelImport *im, const OnnxNode *node, const Trace *x, Trace *y) {
  static const char *const lost[] = {"Flatten", "Gemm",   "com.microsoft::FusedMatMul",
                                     "MatMul",  "Shape",  "Size",
                                     "Gather",  "Einsum", "ArgMax",
                                     "ArgMin",  "TopK",   "NonZero",
                                     "LSTM",    "GRU",    "RNN",
                                     "If",      "Loop",   "Scan",
                                     NULL};
  const OnnxOperator *row = onnx_operator(node->op);
  ImportOperator *import = row ? row->import : NULL;
  y->rank = 0;
  if (strcmp(node->op, "Transpose") == 0) return transposed(node, x, y);
  if (strcmp(node->op, "Reshape") == 0) return with_shape(im, node, x, y);
  if (import == import_squeeze || import == import_unsqueeze ||
      (import == import_reduce && !onnx_int(node, "keepdims", 1)))
    return with_other_rank(im, node, x, y);
  if (is_any(node->op, lost)) return false;
  const bool same = import == import_map || import == import_combine || import == import_same ||
                    import == import_cast || import == import_clip || import == import_pow ||
                    import == import_dropout || import == import_quantize || import == import_dequantize;
  for (int d = 0; d < x->rank; d++) {
    keep_axis(x, d, y);
    if (!same) y->size[d] = 0;
  }
  return true;
}

/* The index of the input's dimension that later nodes use as channels; NO_CHANNELS: they use a new dimension;
 * NOT_KNOWN: no node determines the channels. Follows the tensor of x to the first node whose channel
 * dimension is known. */
static int channels_behind(const ModelImport *im, const Trace *x, bool sure, int *steps) {
  for (int i = 0; *steps > 0 && i < im->onnx->nnodes; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    int k = 0;
    while (k < node->nin && node->in[k] != x->tensor) k++;
    if (k == node->nin || !im->live[i] || node->nout == 0) continue;
    const int d = told(im, node, k, x, sure);
    if (d >= 0 && x->from[d] != 0) return x->from[d] < 0 ? NO_CHANNELS : x->from[d];
    Trace y;
    --*steps;
    if (!followed(im, node, x, &y)) continue;
    for (int o = 0; o < node->nout; o++) {
      y.tensor = node->out[o];
      const int found = y.tensor ? channels_behind(im, &y, sure, steps) : NOT_KNOWN;
      if (found != NOT_KNOWN) return found;
    }
  }
  return NOT_KNOWN;
}

static int channels_by_use(const ModelImport *im, const OnnxPort *port) {
  Trace x = {.tensor = port->tensor, .rank = port->rank};
  int found = NOT_KNOWN;
  for (int d = 0; d < port->rank; d++) {
    x.from[d] = d;
    x.size[d] = port->dim[d];
  }
  for (int sure = 1; sure >= 0 && found == NOT_KNOWN; sure--) {
    int steps = MOST_STEPS;
    found = channels_behind(im, &x, sure, &steps);
  }
  return found == NO_CHANNELS && port->rank != 3 ? NOT_KNOWN : found;
}

/* ---- the channel dimension ---- */
static const ImportLayout *layout_given(const ModelImport *im, const char *input) {
  const ImportLayout *found = NULL;
  for (int i = 0; i < im->options->layouts.n; i++) {
    const ImportLayout *row = &im->options->layouts.data[i];
    const bool own = row->input && strcmp(row->input, input) == 0;
    if (own || (!row->input && !(found && found->input))) found = row;
  }
  return found;
}

#ifndef __wasi__ /* the browser build, which must stay small, omits this function */
/* Whether an operator other than a Transpose reads the tensor. A Cast or DequantizeLinear does not count, but
 * the operators that read its result do. */
static bool is_read_in_order(const ModelImport *im, int tensor) {
  static const char *const conversions[] = {"Cast", "DequantizeLinear", NULL};
  for (int i = 0; i < im->onnx->nnodes; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    for (int k = 0; k < node->nin; k++) {
      if (node->in[k] != tensor || strcmp(node->op, "Transpose") == 0) continue;
      if (!is_any(node->op, conversions) || node->nout != 1 || is_read_in_order(im, node->out[0]))
        return true;
    }
  }
  return false;
}

/* Whether the input is a sequence, with the channels in dimension 1, of a model that cnnc exported. With
 * --layout=hwc, the exported model reads the input only by a Transpose. */
static bool is_own_sequence(const ModelImport *im, const OnnxPort *port) {
  return port->rank == 3 && im->onnx->producer && strcmp(im->onnx->producer, "cnnc") == 0 &&
         is_read_in_order(im, port->tensor);
}
#else
static bool is_own_sequence(const ModelImport *im, const OnnxPort *port) {
  return (void)im, (void)port, false;
}
#endif

int channels_of_input(const ModelImport *im, const OnnxPort *port) {
  const ImportLayout *layout = layout_given(im, port->name);
  const int last = port->rank - 1;
  if (layout) return layout->last ? last : 1;
  if (is_own_sequence(im, port)) return 1;
  const int found = channels_by_use(im, port);
  /* With chw, channels cannot be between positions: the last dimension becomes the channels. */
  if (im->options->chw && found > 1) return last;
  if (found != NOT_KNOWN) return found;
  return port->rank == 4 && port->dim[3] <= 3 && port->dim[1] > 4 ? last : 1;
}

bool input_has_planes(const OnnxPort *port) { return port->rank > 2 && port->channels == 1; }
