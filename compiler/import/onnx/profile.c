/* profile.c: Checker for the restrictions of ONNX's safety-related profile (SONNX), for `cnnc import
 * --profile=sonnx`. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/table.h"
#include "base/text.h"
#include "import/import.h"

enum { MOST_LISTED = 40 };

typedef struct Checked { /* a model and its violations */
  Arena *arena;
  const char *path;      /* path of the model */
  Table types;           /* TypeProtoTensor by the tensor's name */
  Table constants;       /* TensorProto by the constant's name */
  const NodeProto *node; /* the current node */
  Table undeclared;      /* tensors without a type or shape */
  const char *first_undeclared;
  int nundeclared;
  VEC(const char *) violations;
} Checked;

/* ---- the model ---- */
static void add_types(Checked *c, const WireList *values) {
  for (int i = 0; i < values->n; i++) {
    const ValueInfoProto *value = values->data[i];
    if (value->type && value->type->tensor_type)
      table_set(c->arena, &c->types, value->name, value->type->tensor_type);
  }
}

static void add_constants(Checked *c, const GraphProto *graph) {
  for (int i = 0; i < graph->initializer.n; i++) {
    TensorProto *tensor = graph->initializer.data[i];
    table_set(c->arena, &c->constants, tensor->name, tensor);
  }
  for (int i = 0; i < graph->node.n; i++) {
    const NodeProto *node = graph->node.data[i];
    const AttributeProto *value = onnx_attribute_named(&node->attribute, "value");
    if (strcmp(node->op_type, "Constant") == 0 && node->output.n && value && value->t)
      table_set(c->arena, &c->constants, node->output.data[0], value->t);
  }
}

/* Stores the dimensions of a tensor in `size` and returns its rank. -1: the dimensions are not declared, are
 * not all numbers, or are more than MOST_DIMS. */
static int declared_sizes(const Checked *c, const char *name, int64_t *size) {
  const TensorProto *constant = table_find(&c->constants, name);
  const TypeProtoTensor *type = constant ? NULL : table_find(&c->types, name);
  if (!constant && (!type || type->elem_type == 0 || !type->shape)) return -1;
  const int rank = constant ? constant->dims.n : type->shape->dim.n;
  if (rank > MOST_DIMS) return -1;
  for (int d = 0; d < rank; d++) {
    const TensorShapeProtoDimension *dim = constant ? NULL : type->shape->dim.data[d];
    if (dim && (*dim->dim_param || dim->dim_value <= 0)) return -1;
    size[d] = constant ? constant->dims.data[d] : dim->dim_value;
  }
  return rank;
}

static const char *checked_input(const Checked *c, int input) { /* a tensor's name; "": omitted */
  return input < c->node->input.n ? c->node->input.data[input] : "";
}

/* The numbers of a constant input; NULL: the input is omitted, computed or invalid. */
static const Tensor *checked_numbers(const Checked *c, int input) {
  const TensorProto *constant = table_find(&c->constants, checked_input(c, input));
  const char *why;
  return constant ? onnx_constant(c->arena, constant, c->path, &why) : NULL;
}

/* ---- violations ---- */
static void violates(Checked *c, const char *rule, const char *what) {
  const NodeProto *node = c->node;
  const char *name = *node->name ? node->name : node->output.n ? node->output.data[0] : "";
  const char *domain = onnx_domain(node->domain);
  vec_push(c->arena, c->violations,
           arena_printf(c->arena, "%s%s%s '%s': %s (%s)", domain, *domain ? "::" : "", node->op_type, name,
                        what, rule));
}

static const AttributeProto *set_attribute(const Checked *c, const char *name) {
  return onnx_attribute_named(&c->node->attribute, name);
}

/* Reports those attributes among `names` that are not set: the profile has no default values. */
static void must_be_set(Checked *c, const char *names) {
  Text missing = {.arena = c->arena};
  for (const char *word = names; *word; word += *word == ' ') {
    const size_t n = strcspn(word, " ");
    const char *name = arena_copy(c->arena, word, n);
    if (!set_attribute(c, name)) text_put(&missing, "%s%s", missing.n ? ", " : "not set: ", name);
    word += n;
  }
  if (missing.n) violates(c, "GR4", missing.s);
}

static void must_be_given(Checked *c, int input, const char *rule, const char *name) {
  if (!*checked_input(c, input)) violates(c, rule, arena_printf(c->arena, "the input %s is omitted", name));
}

/* Reports an attribute that does not have the given value. must_be_set reports attributes that are not
 * set. */
static void must_equal(Checked *c, const char *name, int64_t value, const char *rule) {
  const AttributeProto *given = set_attribute(c, name);
  if (given && given->i != value) violates(c, rule, arena_printf(c->arena, "%s is not %d", name, (int)value));
}

static void must_not_be_negative(Checked *c, const char *rule) {
  const AttributeProto *axis = set_attribute(c, "axis");
  if (axis && axis->i < 0) violates(c, rule, "axis is negative");
}

static void must_pad_explicitly(Checked *c, const char *rule) {
  const AttributeProto *pad = set_attribute(c, "auto_pad");
  if (pad && strcmp(pad->s, "NOTSET") != 0) violates(c, rule, "auto_pad is not NOTSET");
}

static void must_have_rank(Checked *c, int input, int rank, const char *rule, const char *what) {
  int64_t size[MOST_DIMS];
  const int has = declared_sizes(c, checked_input(c, input), size);
  if (has >= 0 && has != rank) violates(c, rule, what);
}

/* ---- operators ---- */
static void check_argmax(Checked *c) { must_not_be_negative(c, "R4"); }

static void check_batchnorm(Checked *c) { must_equal(c, "training_mode", 0, "R1"); }

static void check_clip(Checked *c) {
  must_be_given(c, 1, "GR4", "min");
  must_be_given(c, 2, "GR4", "max");
}

static void check_concat(Checked *c) { must_not_be_negative(c, "R1"); }

static void check_constant(Checked *c) {
  const AttributeProto *value = set_attribute(c, "value");
  if (!value || !value->t) violates(c, "R1", "the attribute 'value' is missing, or is not a tensor");
}

static void check_conv(Checked *c) {
  int64_t size[MOST_DIMS];
  const AttributeProto *group = set_attribute(c, "group");
  must_have_rank(c, 0, 4, "R1", "the input does not have two spatial axes");
  must_pad_explicitly(c, "R2");
  if (group && group->i != 1 && declared_sizes(c, checked_input(c, 0), size) > 1 && group->i != size[1])
    violates(c, "R3", "group is neither 1 nor the number of channels");
}

static void check_gemm(Checked *c) {
  int64_t result[MOST_DIMS], added[MOST_DIMS];
  const AttributeProto *alpha = set_attribute(c, "alpha"), *beta = set_attribute(c, "beta");
  if ((alpha && alpha->f != 1) || (beta && beta->f != 1)) violates(c, "R2", "alpha or beta is not 1");
  must_equal(c, "transA", 0, "R2");
  must_equal(c, "transB", 0, "R2");
  must_be_given(c, 2, "R4", "C");
  const int rank = *checked_input(c, 2) ? declared_sizes(c, checked_input(c, 2), added) : -1;
  if (rank < 0 || c->node->output.n == 0 || declared_sizes(c, c->node->output.data[0], result) != 2) return;
  if (rank != 2 || memcmp(added, result, 2 * sizeof *added) != 0) violates(c, "R3", "C is broadcast");
}

static void check_lstm(Checked *c) {
  static const char *const names[] = {"X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};
  for (int i = 1; i < 8; i++)
    if (!table_find(&c->constants, checked_input(c, i)))
      violates(c, "restrictions of LSTM", arena_printf(c->arena, "the input %s is not a constant", names[i]));
  must_equal(c, "input_forget", 0, "restrictions of LSTM");
  must_equal(c, "layout", 0, "restrictions of LSTM");
  const AttributeProto *functions = set_attribute(c, "activations");
  for (int i = 0; functions && i < functions->strings.n; i++) {
    const char *name = functions->strings.data[i];
    const bool gate = i % 3 == 0, fits = strcmp(name, gate ? "Sigmoid" : "Tanh") == 0;
    if (fits || (gate && strcmp(name, "Relu") == 0)) continue;
    violates(c, "restrictions of LSTM", "activations are not (Sigmoid or Relu), Tanh, Tanh");
    return;
  }
}

static void check_matmul(Checked *c) {
  must_have_rank(c, 0, 2, "R1", "A does not have two dimensions");
  must_have_rank(c, 1, 2, "R1", "B does not have two dimensions");
}

static void check_maxpool(Checked *c) {
  must_have_rank(c, 0, 4, "R1", "the input does not have two spatial axes");
  must_pad_explicitly(c, "R3");
  must_equal(c, "ceil_mode", 0, "R4");
  must_equal(c, "storage_order", 0, "R5");
}

static void check_softmax(Checked *c) { must_not_be_negative(c, "R1"); }

/* Checks that a Slice has the inputs axes and steps, and checks the numbers of its constant inputs. */
static void check_slice(Checked *c) {
  int64_t size[MOST_DIMS];
  const int rank = declared_sizes(c, checked_input(c, 0), size);
  const Tensor *from = checked_numbers(c, 1), *to = checked_numbers(c, 2), *axes = checked_numbers(c, 3),
               *steps = checked_numbers(c, 4);
  must_be_given(c, 3, "R1", "axes");
  must_be_given(c, 4, "R3", "steps");
  if (rank < 0 || !axes) return;
  if (axes->n != rank) violates(c, "R2", "'axes' does not list all dimensions");
  if (!from || !to || !steps || from->n != axes->n || to->n != axes->n || steps->n != axes->n) return;
  for (int64_t i = 0; i < axes->n; i++) {
    const int64_t axis = tensor_integer(axes, i), d = axis < 0 ? axis + rank : axis;
    if (d < 0 || d >= rank) return;
    const int64_t begin = tensor_integer(from, i), end = tensor_integer(to, i), n = size[d];
    const int64_t first = begin < 0 ? begin + n : begin, last = end < 0 ? end + n : end;
    const bool forward = tensor_integer(steps, i) > 0;
    if (forward && first > last) violates(c, "R6", "a start is after its end");
    if (!forward && first < last) violates(c, "R7", "a start is before its end, with a negative step");
    if (first >= n) violates(c, "R8", "a start is outside of its dimension");
  }
}

/* The operators that the draft specifies. set: attributes that must be set, because the profile has no
 * default values (GR4), except attributes that the draft excludes or ignores. */
static const struct {
  const char *op, *set;
  void (*check)(Checked *);
} specified[] = {
    {"Abs", "", NULL},
    {"Add", "", NULL},
    {"ArgMax", "axis keepdims select_last_index", check_argmax},
    {"BatchNormalization", "epsilon training_mode", check_batchnorm},
    {"Clip", "", check_clip},
    {"Concat", "axis", check_concat},
    {"Constant", "", check_constant},
    {"Conv", "auto_pad dilations group kernel_shape pads strides", check_conv},
    {"Div", "", NULL},
    {"Exp", "", NULL},
    {"Flatten", "axis", NULL},
    {"Gemm", "", check_gemm},
    {"LeakyRelu", "alpha", NULL},
    {"Less", "", NULL},
    {"Log", "", NULL},
    {"LSTM", "activations direction hidden_size input_forget layout", check_lstm},
    {"MatMul", "", check_matmul},
    {"Max", "", NULL},
    {"MaxPool", "auto_pad ceil_mode dilations kernel_shape pads storage_order strides", check_maxpool},
    {"Mul", "", NULL},
    {"Neg", "", NULL},
    {"Pow", "", NULL},
    {"Range", "", NULL},
    {"Relu", "", NULL},
    {"Reshape", "allowzero", NULL},
    {"Shape", "end start", NULL},
    {"Sigmoid", "", NULL},
    {"Slice", "", check_slice},
    {"Softmax", "axis", check_softmax},
    {"Sqrt", "", NULL},
    {"Sub", "", NULL},
    {"Tanh", "", NULL},
    {"Unsqueeze", "", NULL},
    {"Where", "", NULL},
    {NULL, NULL, NULL},
};

/* Operators that the requirements list, but that the draft does not specify yet. */
static const char listed[] =
    " Cast ConstantOfShape ConvTranspose Equal Erf Expand Gather GlobalAveragePool GRU "
    "HardSwish Identity Min Mod Not Pad ReduceMean ReduceSum Resize ScatterND Softplus "
    "Split Squeeze Transpose ";

static void check_node(Checked *c, const NodeProto *node) {
  c->node = node;
  const bool standard = !*onnx_domain(node->domain);
  int i = 0;
  while (specified[i].op && (!standard || strcmp(specified[i].op, node->op_type) != 0)) i++;
  if (specified[i].op) {
    must_be_set(c, specified[i].set);
    if (specified[i].check) specified[i].check(c);
  } else if (standard && strstr(listed, arena_printf(c->arena, " %s ", node->op_type)))
    violates(c, "operator set", "the draft lists this operator, but does not specify it yet");
  else violates(c, "operator set", "this operator is not in the profile");
}

/* ---- types and shapes: all must be declared, nothing is inferred ---- */
static void must_be_declared(Checked *c, const char *name) {
  int64_t size[MOST_DIMS];
  if (!*name || declared_sizes(c, name, size) >= 0 || table_find(&c->undeclared, name)) return;
  table_set(c->arena, &c->undeclared, name, c);
  if (c->nundeclared++ == 0) c->first_undeclared = name;
}

static void check_types(Checked *c, const GraphProto *graph) {
  const WireList *const ports[] = {&graph->input, &graph->output};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < ports[k]->n; i++)
      must_be_declared(c, ((const ValueInfoProto *)ports[k]->data[i])->name);
  for (int i = 0; i < graph->node.n; i++) {
    const WireTexts *results = &((const NodeProto *)graph->node.data[i])->output;
    for (int k = 0; k < results->n; k++) must_be_declared(c, results->data[k]);
  }
  const int n = c->nundeclared;
  if (n)
    vec_push(c->arena, c->violations,
             arena_printf(c->arena, "'%s'%s: no declared type or no fixed shape (GR2)", c->first_undeclared,
                          n == 1 ? "" : arena_printf(c->arena, " and %d other tensors", n - 1)));
  if (graph->sparse_initializer.n)
    vec_push(c->arena, c->violations,
             arena_printf(c->arena, "sparse constants: %d (GR1)", graph->sparse_initializer.n));
}

bool onnx_in_profile(Arena *arena, Diags *diags, const char *path, Span at, const uint8_t *bytes, size_t n) {
  Wire wire = {.arena = arena};
  const ModelProto *model = wire_read(&wire, onnx_model_message, bytes, n);
  const GraphProto *graph = model ? model->graph : NULL;
  if (!graph) return true; /* the importer reports this error */
  Checked c = {.arena = arena, .path = path};
  add_types(&c, &graph->value_info);
  add_types(&c, &graph->input);
  add_types(&c, &graph->output);
  add_constants(&c, graph);
  check_types(&c, graph);
  for (int i = 0; i < graph->node.n; i++) check_node(&c, graph->node.data[i]);
  if (c.violations.n == 0) return true;
  Diag *diag =
      diag_report(diags, DIAG_import_profile, at, NULL, "the model violates the SONNX profile %d time%s",
                  c.violations.n, c.violations.n == 1 ? "" : "s");
  for (int i = 0; i < c.violations.n && i < MOST_LISTED; i++) diag_fact(diag, "%s", c.violations.data[i]);
  if (c.violations.n > MOST_LISTED) diag_fact(diag, "and %d more", c.violations.n - MOST_LISTED);
  return false;
}
