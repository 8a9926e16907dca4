/* onnx_fused.c: Decomposition of operators into others: fused operators from onnxruntime's optimizer, scalers
 * of ai.onnx.ml, and standard operators that the language does not have. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/onnx_composed.h"

static const AttributeProto *find(const NodeBuild *b, const char *name) {
  return onnx_attribute_named(&b->of->attribute, name);
}

static const char *fused_number(NodeBuild *b, float value) {
  const char *to = build_tensor(b);
  build_number(b, to, value);
  return to;
}

static float float_of(const NodeBuild *b, const char *name, float otherwise) {
  const AttributeProto *a = find(b, name);
  return a ? a->f : otherwise;
}

/* The sum of a value and an optional second value. */
static const char *fused_sum(NodeBuild *b, const char *x, const char *more) {
  return *more ? build_value(b, "Add", x, more, NULL) : x;
}

/* ---- activations after a convolution or a product ---- */
static void activation(NodeBuild *b, const char *x, const char *to) {
  static const char *const given[][2] = {{"LeakyRelu", "alpha"},  {"HardSigmoid", "alpha"},
                                         {"HardSigmoid", "beta"}, {"Clip", "min"},
                                         {"Clip", "max"},         {"Elu", "alpha"}};
  static const char *const own[] = {"activation_alpha", "activation_beta"};
  const AttributeProto *kind = find(b, "activation"), *list = find(b, "activation_params");
  NodeProto *node = build_node(b, kind && *kind->s ? kind->s : "Identity", to, x, NULL);
  size_t k = 0; /* index of the next activation parameter */
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
    if (strcmp(given[i][0], node->op_type) != 0) continue;
    const AttributeProto *one = k < 2 ? find(b, own[k]) : NULL;
    if (list && 4 * (k + 1) <= list->floats.n)
      build_attribute(b, node, given[i][1])->f = wire_float(list->floats.at + 4 * k);
    else if (one) build_attribute(b, node, given[i][1])->f = one->f;
    k++;
  }
}

static void put_fused_layer(NodeBuild *b, const char *op) {
  const char *made = build_tensor(b);
  NodeProto *node = build_node(b, op, made, replaced_input(b, 0), replaced_input(b, 1), NULL);
  if (*replaced_input(b, 2)) build_input(b, node, replaced_input(b, 2));
  node->attribute = b->of->attribute;
  activation(b, strcmp(op, "Conv") == 0 ? fused_sum(b, made, replaced_input(b, 3)) : made,
             replaced_output(b, 0));
}

static void put_conv(NodeBuild *b) { put_fused_layer(b, "Conv"); }
static void put_gemm(NodeBuild *b) { put_fused_layer(b, "Gemm"); }

/* ---- activations ---- */
static NodeProto *gelu(NodeBuild *b) {
  const char *x = fused_sum(b, replaced_input(b, 0), replaced_input(b, 1));
  return build_node(b, "Gelu", replaced_output(b, 0), x, NULL);
}

static void put_gelu(NodeBuild *b) { gelu(b); }
static void put_fast_gelu(NodeBuild *b) { build_attribute(b, gelu(b), "approximate")->s = "tanh"; }

static void put_quick_gelu(NodeBuild *b) {
  const char *x = replaced_input(b, 0), *alpha = fused_number(b, float_of(b, "alpha", 1.702F));
  const char *scaled = build_value(b, "Mul", x, alpha, NULL);
  build_node(b, "Mul", replaced_output(b, 0), x, build_value(b, "Sigmoid", scaled, NULL), NULL);
}

/* ---- norms ---- */
static const char *fused_residual(NodeBuild *b, const char *bias) { /* the sum may also be output 3 */
  const char *x = fused_sum(b, build_value(b, "Add", replaced_input(b, 0), replaced_input(b, 1), NULL), bias);
  if (*replaced_output(b, 3)) build_node(b, "Identity", replaced_output(b, 3), x, NULL);
  return x;
}

static void put_skip_norm(NodeBuild *b) {
  const char *x = fused_residual(b, replaced_input(b, 4));
  NodeProto *node = build_node(b, "LayerNormalization", replaced_output(b, 0), x, replaced_input(b, 2), NULL);
  if (*replaced_input(b, 3)) build_input(b, node, replaced_input(b, 3));
  build_attribute(b, node, "epsilon")->f = float_of(b, "epsilon", 1e-12F);
}

static void root_mean_square(NodeBuild *b, const char *x, const char *weight, float epsilon) {
  NodeProto *node = build_node(b, "RMSNormalization", replaced_output(b, 0), x, weight, NULL);
  build_attribute(b, node, "epsilon")->f = epsilon;
}

static void put_rms_norm(NodeBuild *b) {
  root_mean_square(b, replaced_input(b, 0), replaced_input(b, 1), float_of(b, "epsilon", 1e-5F));
}

static void put_skip_rms_norm(NodeBuild *b) {
  root_mean_square(b, fused_residual(b, replaced_input(b, 3)), replaced_input(b, 2),
                   float_of(b, "epsilon", 1e-12F));
}

/* ---- attention ---- */
static void put_number(NodeBuild *b, NodeProto *node, const char *to, const char *name) {
  const AttributeProto *a = find(b, name);
  if (a) build_attribute(b, node, to)->i = a->i;
}

/* Splits the result, or the bias, of one dense layer into three parts: query, key and value. */
static NodeProto *split_in_three(NodeBuild *b, const char *x, int axis) {
  NodeProto *node = build_node(b, "Split", build_tensor(b), x, NULL);
  for (int i = 1; i < 3; i++) vec_push(b->arena, node->output, build_tensor(b));
  build_attribute(b, node, "axis")->i = axis;
  return node;
}

/* Appends the attention of query, key and value. from: the index of the input that is added to the scores,
 * then the indices of the inputs with cached keys and with cached values. */
static void put_core(NodeBuild *b, const char *const *x, const int *from) {
  NodeProto *node = build_node(b, "Attention", replaced_output(b, 0), x[0], x[1], x[2], NULL);
  for (int i = 0; i < 3; i++) build_input(b, node, replaced_input(b, from[i]));
  put_number(b, node, "q_num_heads", "num_heads");
  put_number(b, node, "kv_num_heads", "num_heads");
  put_number(b, node, "is_causal", "unidirectional");
  if (float_of(b, "scale", 0) != 0) build_attribute(b, node, "scale")->f = float_of(b, "scale", 0);
}

static void put_attention(NodeBuild *b) {
  static const int from[] = {5, 4, 4};
  const AttributeProto *sizes = find(b, "qkv_hidden_sizes");
  const char *all = build_value(b, "MatMul", replaced_input(b, 0), replaced_input(b, 1), NULL);
  NodeProto *split = split_in_three(b, fused_sum(b, all, replaced_input(b, 2)), -1);
  if (sizes) build_attribute(b, split, "split")->ints = sizes->ints;
  put_core(b, split->output.data, from);
}

static void put_multihead(NodeBuild *b) {
  static const int from[] = {5, 6, 7};
  const char *bias = replaced_input(b, 3), *x[3];
  const NodeProto *split = *bias ? split_in_three(b, bias, 0) : NULL;
  for (int i = 0; i < 3; i++) x[i] = fused_sum(b, replaced_input(b, i), split ? split->output.data[i] : "");
  put_core(b, x, from);
}

static void put_rotary(NodeBuild *b) {
  NodeProto *node = build_node(b, "RotaryEmbedding", replaced_output(b, 0), replaced_input(b, 0),
                               replaced_input(b, 2), replaced_input(b, 3), replaced_input(b, 1), NULL);
  static const char *const same[] = {"interleaved", "num_heads", "rotary_embedding_dim"};
  for (int i = 0; i < 3; i++) put_number(b, node, same[i], same[i]);
}

/* ---- (x - offset) * scale ---- */
static void put_scaler(NodeBuild *b) {
  const char *list[] = {"offset", "scale"}, *name[2];
  for (int k = 0; k < 2; k++) {
    const AttributeProto *a = find(b, list[k]);
    name[k] = build_tensor(b);
    NodeProto *node = build_node(b, "Constant", name[k], NULL);
    build_attribute(b, node, "value_floats")->floats = a ? a->floats : (WireBytes){0};
  }
  build_node(b, "Mul", replaced_output(b, 0), build_value(b, "Sub", replaced_input(b, 0), name[0], NULL),
             name[1], NULL);
}

/* ---- the table ---- */
typedef struct Fused {
  const char *domain, *op;
  void (*put)(NodeBuild *);
  unsigned needs, without; /* bit i: whether input i must be present (needs) or missing (without) */
} Fused;
static const Fused fused[] = {{"com.microsoft", "FusedConv", put_conv, 0, 0},
                              {"com.microsoft", "FusedGemm", put_gemm, 0, 0},
                              {"com.microsoft", "Gelu", put_gelu, 0, 0},
                              {"com.microsoft", "BiasGelu", put_gelu, 0, 0},
                              {"com.microsoft", "FastGelu", put_fast_gelu, 0, 0},
                              {"com.microsoft", "QuickGelu", put_quick_gelu, 0, 0},
                              {"com.microsoft", "SkipLayerNormalization", put_skip_norm, 0, 0},
                              {"com.microsoft", "SkipSimplifiedLayerNormalization", put_skip_rms_norm, 0, 0},
                              {"com.microsoft", "Attention", put_attention, 2, 8 /* no mask */},
                              {"com.microsoft", "MultiHeadAttention", put_multihead, 6, 16 /* no mask */},
                              {"com.microsoft", "RotaryEmbedding", put_rotary, 14, 0},
                              {"", "SimplifiedLayerNormalization", put_rms_norm, 0, 0},
                              {"", "Softsign", put_softsign, 0, 0},
                              {"", "Sinh", put_sinh, 0, 0},
                              {"", "Cosh", put_cosh, 0, 0},
                              {"", "Tan", put_tan, 0, 0},
                              {"", "Atan", put_atan, 0, 0},
                              {"", "Sign", put_sign, 0, 0},
                              {"", "Celu", put_celu, 0, 0},
                              {"", "ThresholdedRelu", put_thresholded_relu, 0, 0},
                              {"", "Mean", put_mean_of_all, 0, 0},
                              {"", "ReduceLogSumExp", put_log_sum_exp, 0, 0},
                              {"ai.onnx.ml", "Scaler", put_scaler, 0, 0}};

/* Whether the node can be decomposed: it has all required inputs and no unsupported input. Its outputs 1 and
 * 2, which are statistics or cached keys and values, must be omitted. The axis of a norm must be -1. */
static bool has_form(const NodeBuild *b, const Fused *row) {
  const AttributeProto *axis = find(b, "axis");
  bool good = *replaced_output(b, 0) && !*replaced_output(b, 1) && !*replaced_output(b, 2);
  for (int i = 0; i < 8 && good; i++) {
    const bool is_given = *replaced_input(b, i) != 0;
    good = is_given ? !(row->without >> i & 1) : !(row->needs >> i & 1);
  }
  return good && (!axis || axis->i == -1 || strstr(b->of->op_type, "Normalization") == NULL);
}

void onnx_fused(Arena *arena, WireList *nodes) {
  WireList out = {0};
  NodeBuild b = {.arena = arena, .out = &out, .prefix = "::fused"};
  for (int i = 0; i < nodes->n; i++) {
    b.of = nodes->data[i];
    const char *domain = onnx_domain(b.of->domain);
    const Fused *row = fused, *end = fused + sizeof fused / sizeof *fused;
    while (row < end && (strcmp(row->domain, domain) != 0 || strcmp(row->op, b.of->op_type) != 0)) row++;
    if (row < end && has_form(&b, row)) row->put(&b);
    else vec_push(arena, out, nodes->data[i]);
  }
  *nodes = out;
}
