/* onnx_fused.c: fused operators that onnxruntime's optimizer writes, and scalers of ai.onnx.ml, taken apart
 * into operators of the standard. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/onnx.h"

typedef struct Parts {
  Arena *arena;
  const NodeProto *of;
  WireList *out;
  int named; /* tensors so far */
} Parts;

/* ---- building ---- */
static const char *fused_input(const Parts *p, int i) {
  return i < p->of->input.n ? p->of->input.data[i] : "";
}
static const char *result(const Parts *p, int i) { return i < p->of->output.n ? p->of->output.data[i] : ""; }
static const char *fresh(Parts *p) { return arena_printf(p->arena, "::fused%d", p->named++); }

/* A node of one or two inputs. */
static NodeProto *put_fused(Parts *p, const char *op, const char *to, const char *a, const char *b) {
  NodeProto *node = NEW(p->arena, NodeProto);
  *node = (NodeProto){.name = *p->of->name ? p->of->name : result(p, 0),
                      .op_type = op,
                      .domain = "",
                      .metadata_props = p->of->metadata_props,
                      .guard = p->of->guard};
  vec_push(p->arena, node->input, a);
  if (b) vec_push(p->arena, node->input, b);
  vec_push(p->arena, node->output, to);
  vec_push(p->arena, *p->out, node);
  return node;
}

static AttributeProto *fused_attribute(Parts *p, NodeProto *node, const char *name) {
  AttributeProto *a = NEW(p->arena, AttributeProto);
  *a = (AttributeProto){.name = name, .s = "", .ref_attr_name = ""};
  vec_push(p->arena, node->attribute, a);
  return a;
}

static void put_fused_float(Parts *p, NodeProto *node, const char *name, float value) {
  fused_attribute(p, node, name)->f = value;
}

static const char *fused_number(Parts *p, float value) {
  NodeProto *node = put_fused(p, "Constant", fresh(p), "", NULL);
  node->input.n = 0;
  put_fused_float(p, node, "value_float", value);
  return node->output.data[0];
}

static const AttributeProto *find(const Parts *p, const char *name) {
  for (int i = p->of->attribute.n - 1; i >= 0; i--) {
    const AttributeProto *a = p->of->attribute.data[i];
    if (strcmp(a->name, name) == 0) return a;
  }
  return NULL;
}

static float float_of(const Parts *p, const char *name, float otherwise) {
  const AttributeProto *a = find(p, name);
  return a ? a->f : otherwise;
}

/* A value and, if there is one, a second one added to it. */
static const char *fused_sum(Parts *p, const char *x, const char *more) {
  return *more ? put_fused(p, "Add", fresh(p), x, more)->output.data[0] : x;
}

/* ---- activations behind a convolution or a product ---- */
static void activation(Parts *p, const char *x, const char *to) {
  static const char *const given[][2] = {{"LeakyRelu", "alpha"},  {"HardSigmoid", "alpha"},
                                         {"HardSigmoid", "beta"}, {"Clip", "min"},
                                         {"Clip", "max"},         {"Elu", "alpha"}};
  static const char *const own[] = {"activation_alpha", "activation_beta"};
  const AttributeProto *kind = find(p, "activation"), *list = find(p, "activation_params");
  NodeProto *node = put_fused(p, kind && *kind->s ? kind->s : "Identity", to, x, NULL);
  size_t k = 0; /* of its parameters, in order */
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
    if (strcmp(given[i][0], node->op_type) != 0) continue;
    const AttributeProto *one = k < 2 ? find(p, own[k]) : NULL;
    if (list && 4 * (k + 1) <= list->floats.n)
      put_fused_float(p, node, given[i][1], wire_float(list->floats.at + 4 * k));
    else if (one) put_fused_float(p, node, given[i][1], one->f);
    k++;
  }
}

static void put_fused_layer(Parts *p, const char *op) {
  NodeProto *node = put_fused(p, op, fresh(p), fused_input(p, 0), fused_input(p, 1));
  const char *made = node->output.data[0];
  if (*fused_input(p, 2)) vec_push(p->arena, node->input, fused_input(p, 2));
  node->attribute = p->of->attribute;
  activation(p, strcmp(op, "Conv") == 0 ? fused_sum(p, made, fused_input(p, 3)) : made, result(p, 0));
}

static void put_conv(Parts *p) { put_fused_layer(p, "Conv"); }
static void put_gemm(Parts *p) { put_fused_layer(p, "Gemm"); }

/* ---- activations ---- */
static NodeProto *gelu(Parts *p) {
  const char *x = fused_sum(p, fused_input(p, 0), fused_input(p, 1));
  return put_fused(p, "Gelu", result(p, 0), x, NULL);
}

static void put_gelu(Parts *p) { gelu(p); }
static void put_fast_gelu(Parts *p) { fused_attribute(p, gelu(p), "approximate")->s = "tanh"; }

static void put_quick_gelu(Parts *p) {
  const char *x = fused_input(p, 0), *alpha = fused_number(p, float_of(p, "alpha", 1.702F));
  const char *scaled = put_fused(p, "Mul", fresh(p), x, alpha)->output.data[0];
  put_fused(p, "Mul", result(p, 0), x, put_fused(p, "Sigmoid", fresh(p), scaled, NULL)->output.data[0]);
}

/* ---- norms ---- */
static const char *fused_residual(Parts *p, const char *bias) { /* which may be an output, too */
  const char *x =
      fused_sum(p, put_fused(p, "Add", fresh(p), fused_input(p, 0), fused_input(p, 1))->output.data[0], bias);
  if (*result(p, 3)) put_fused(p, "Identity", result(p, 3), x, NULL);
  return x;
}

static void put_skip_norm(Parts *p) {
  NodeProto *node = put_fused(p, "LayerNormalization", result(p, 0), fused_residual(p, fused_input(p, 4)),
                              fused_input(p, 2));
  if (*fused_input(p, 3)) vec_push(p->arena, node->input, fused_input(p, 3));
  put_fused_float(p, node, "epsilon", float_of(p, "epsilon", 1e-12F));
}

/* x / sqrt(mean of x * x + epsilon) * weight */
static void root_mean_square(Parts *p, const char *x, const char *weight, float epsilon) {
  const char *square = put_fused(p, "Mul", fresh(p), x, x)->output.data[0];
  NodeProto *mean = put_fused(p, "ReduceMean", fresh(p), square, NULL);
  AttributeProto *axes = fused_attribute(p, mean, "axes");
  vec_push(p->arena, axes->ints, -1);
  fused_attribute(p, mean, "keepdims")->i = 1;
  const char *shifted = fused_sum(p, mean->output.data[0], fused_number(p, epsilon));
  const char *root = put_fused(p, "Sqrt", fresh(p), shifted, NULL)->output.data[0];
  put_fused(p, "Mul", result(p, 0), put_fused(p, "Div", fresh(p), x, root)->output.data[0], weight);
}

static void put_rms_norm(Parts *p) {
  root_mean_square(p, fused_input(p, 0), fused_input(p, 1), float_of(p, "epsilon", 1e-5F));
}

static void put_skip_rms_norm(Parts *p) {
  root_mean_square(p, fused_residual(p, fused_input(p, 3)), fused_input(p, 2),
                   float_of(p, "epsilon", 1e-12F));
}

/* ---- (x - offset) * scale ---- */
static void put_scaler(Parts *p) {
  const char *list[] = {"offset", "scale"}, *name[2];
  for (int k = 0; k < 2; k++) {
    const AttributeProto *a = find(p, list[k]);
    NodeProto *node = put_fused(p, "Constant", fresh(p), "", NULL);
    node->input.n = 0;
    fused_attribute(p, node, "value_floats")->floats = a ? a->floats : (WireBytes){0};
    name[k] = node->output.data[0];
  }
  put_fused(p, "Mul", result(p, 0), put_fused(p, "Sub", fresh(p), fused_input(p, 0), name[0])->output.data[0],
            name[1]);
}

/* ---- the table ---- */
typedef struct Fused {
  const char *domain, *op;
  void (*put)(Parts *);
} Fused;
static const Fused fused[] = {{"com.microsoft", "FusedConv", put_conv},
                              {"com.microsoft", "FusedGemm", put_gemm},
                              {"com.microsoft", "Gelu", put_gelu},
                              {"com.microsoft", "BiasGelu", put_gelu},
                              {"com.microsoft", "FastGelu", put_fast_gelu},
                              {"com.microsoft", "QuickGelu", put_quick_gelu},
                              {"com.microsoft", "SkipLayerNormalization", put_skip_norm},
                              {"com.microsoft", "SkipSimplifiedLayerNormalization", put_skip_rms_norm},
                              {"", "SimplifiedLayerNormalization", put_rms_norm},
                              {"", "RMSNormalization", put_rms_norm},
                              {"ai.onnx.ml", "Scaler", put_scaler}};

/* Norms over the last axis alone, without statistics as outputs. */
static bool has_form(const Parts *p) {
  const AttributeProto *axis = find(p, "axis");
  const bool first = *result(p, 0) && !*result(p, 1) && !*result(p, 2);
  return first && (!axis || axis->i == -1 || strstr(p->of->op_type, "Normalization") == NULL);
}

void onnx_fused(Arena *arena, WireList *nodes) {
  WireList out = {0};
  Parts p = {.arena = arena, .out = &out};
  for (int i = 0; i < nodes->n; i++) {
    p.of = nodes->data[i];
    const char *domain = strcmp(p.of->domain, "ai.onnx") == 0 ? "" : p.of->domain;
    const Fused *row = fused, *end = fused + sizeof fused / sizeof *fused;
    while (row < end && (strcmp(row->domain, domain) != 0 || strcmp(row->op, p.of->op_type) != 0)) row++;
    if (row < end && has_form(&p)) row->put(&p);
    else vec_push(arena, out, nodes->data[i]);
  }
  *nodes = out;
}
