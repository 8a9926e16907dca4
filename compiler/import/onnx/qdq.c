/* qdq.c: Import of QuantizeLinear and DequantizeLinear. Between these two operators, a tensor has int8 or
 * int16 numbers. In the program, the tensors before, between and after the operators are one value, which is
 * stored as int8 or int16. Constants are dequantized at import. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/onnx/fold.h"
#include "graph/op.h"
#include "ops/registry.h"

/* ---- quantization parameters ---- */
typedef struct Parameters {
  const Tensor *scale, *zero; /* zero: NULL if the zero point is omitted */
  int axis;                   /* -1: one scale for all elements */
} Parameters;

static bool is_byte_type(TensorType type) { return type == TENSOR_UINT8 || type == TENSOR_INT8; }
static bool is_wide_type(TensorType type) { return type == TENSOR_UINT16 || type == TENSOR_INT16; }
int64_t quant_shift(TensorType type) {
  return type == TENSOR_UINT8 ? INT8_MIN : type == TENSOR_UINT16 ? INT16_MIN : 0;
}

static bool read_scales(ModelImport *im, const Tensor *scale) {
  if (scale->n < 1 || scale->rank > 1 || tensor_whole(scale->type))
    return no(im, "scales that are not a list of floats"), false;
  for (int64_t i = 0; i < scale->n; i++) {
    const float s = (float)tensor_number(scale, i);
    if (!(s > 0) || !isfinite(s)) return no(im, "the scale %g; it must be above 0", (double)s), false;
  }
  return true;
}

static bool read_parameters(ModelImport *im, const OnnxNode *node, int rank, const int64_t *size,
                            Parameters *p) {
  *p = (Parameters){constant_of(im, node, 1), constant_of(im, node, 2), -1};
  if (!given(node, 1)) return no(im, "a scale that is missing"), false;
  if (!p->scale || (given(node, 2) && !p->zero)) return no(im, "a computed scale or zero point"), false;
  if (!read_scales(im, p->scale)) return false;
  if (onnx_int(node, "block_size", 0)) return no(im, "scales by blocks"), false;
  if (p->zero && (p->zero->n != p->scale->n || p->zero->rank > 1))
    return no(im, "%s, but %s", text_counted(im->arena, p->zero->n, "zero point"),
              text_counted(im->arena, p->scale->n, "scale")),
           false;
  if (p->scale->n == 1) return true;
  int64_t axis = onnx_int(node, "axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return no(im, "scales along an invalid axis"), false;
  if (size[axis] != p->scale->n)
    return no(im, "%s for %s", text_counted(im->arena, p->scale->n, "scale"),
              text_counted(im->arena, size[axis], "channel")),
           false;
  p->axis = (int)axis;
  return true;
}

/* The type of the quantized numbers; 0 after no(). */
static TensorType quantized_type(ModelImport *im, const OnnxNode *node, const Parameters *p) {
  const int64_t asked = onnx_int(node, "output_dtype", 0);
  const TensorType type = p->zero ? p->zero->type : asked == 0 ? TENSOR_UINT8 : (TensorType)asked;
  if ((is_byte_type(type) || is_wide_type(type)) && (asked == 0 || asked == (int64_t)type)) return type;
  return no(im, "a tensor that is neither int8 nor int16"), (TensorType)0;
}

static int64_t zero_point(const Parameters *p, int64_t i) { return p->zero ? tensor_integer(p->zero, i) : 0; }

/* The quantization of a value in the program, where uint8 and uint16 numbers become i8 and i16. False after
 * no(). */
static bool read_quant(ModelImport *im, const Parameters *p, TensorType type, Quant *quant) {
  if (p->axis >= 0) return no(im, "activations with one scale per channel"), false;
  *quant = (Quant){.scale = (float)tensor_number(p->scale, 0),
                   .zero = (int32_t)(zero_point(p, 0) + quant_shift(type)),
                   .wide = is_wide_type(type)};
  if (!quant->wide || quant->zero == 0) return true;
  return no(im, "%s numbers with the zero point %lld; only %lld is supported",
            type == TENSOR_INT16 ? "int16" : "uint16", (long long)zero_point(p, 0),
            (long long)-quant_shift(type)),
         false;
}

static bool same_quant(const Quant *a, const Quant *b) {
  return a->scale == b->scale && a->zero == b->zero && a->wide == b->wide;
}

static const Quant *keep_quant(ModelImport *im, Quant quant) {
  Quant *kept = NEW(im->arena, Quant);
  *kept = quant;
  return kept;
}

/* ---- constants ---- */
static int64_t scale_at(const Parameters *p, const Tensor *t, int64_t i) {
  if (p->axis < 0) return 0;
  int64_t inner = 1;
  for (int d = p->axis + 1; d < t->rank; d++) inner *= t->dim[d];
  return i / inner % t->dim[p->axis];
}

const Tensor *fold_quantize(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  Parameters p;
  if (tensor_whole(x->type)) return no(im, "an integer tensor where a float tensor is expected");
  if (!read_parameters(im, node, x->rank, x->dim, &p)) return NULL;
  const TensorType type = quantized_type(im, node, &p);
  Tensor *to = type ? constant_new(im, type, x->rank, x->dim) : NULL;
  if (!to) return NULL;
  const double low = type == TENSOR_INT8    ? INT8_MIN
                     : type == TENSOR_INT16 ? INT16_MIN
                                            : 0,
               high = low + (is_wide_type(type) ? UINT16_MAX : UINT8_MAX);
  for (int64_t i = 0; i < x->n; i++) {
    const int64_t s = scale_at(&p, x, i);
    const float q = nearbyintf((float)tensor_number(x, i) / (float)tensor_number(p.scale, s));
    const double moved = (double)q + (double)zero_point(&p, s);
    tensor_put(to, i, moved > low ? moved < high ? moved : high : low);
  }
  to->name = x->name;
  return to;
}

/* conv1.weight_quantized becomes conv1.weight. */
static const char *plain_name(ModelImport *im, const char *name) {
  static const char behind[] = "_quantized";
  const size_t n = name ? strlen(name) : 0, more = sizeof behind - 1;
  if (n <= more || strcmp(name + n - more, behind) != 0) return name;
  return arena_copy(im->arena, name, n - more);
}

const Tensor *fold_dequantize(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  Parameters p;
  if (!is_byte_type(x->type) && !is_wide_type(x->type) && x->type != TENSOR_INT32)
    return no(im, "a tensor that is not int8, int16 or int32");
  if (!read_parameters(im, node, x->rank, x->dim, &p)) return NULL;
  if (p.zero && p.zero->type != x->type)
    return no(im, "zero points with a different type than the quantized numbers");
  Tensor *to = constant_new(im, TENSOR_FLOAT, x->rank, x->dim);
  if (!to) return NULL;
  bool one_zero = true;
  for (int64_t i = 1; i < p.scale->n; i++) one_zero = one_zero && zero_point(&p, i) == zero_point(&p, 0);
  for (int64_t i = 0; i < x->n; i++) {
    const int64_t s = scale_at(&p, x, i);
    const double q = (double)(tensor_integer(x, i) - zero_point(&p, s));
    tensor_put(to, i, q * (double)(float)tensor_number(p.scale, s));
  }
  to->name = plain_name(im, x->name);
  if (!one_zero) return to;
  to->whole = x;
  to->scale = p.scale;
  to->zero = zero_point(&p, 0);
  to->axis = p.axis;
  return to;
}

/* ---- values ---- */
bool is_move(const Statement *s) {
  const size_t n = strcspn(s->call, "(");
  char word[32];
  if (s->nin == 0 || n >= sizeof word) return false;
  memcpy(word, s->call, n);
  word[n] = 0;
  const Op *op = op_find(word);
  if (op && op->traits.padding) /* padding is a move only if it adds zeros to positions */
    return !strstr(s->call, "mode=") && !strstr(s->call, "value=") && !strstr(s->call, "channels=");
  if (op && op->traits.repeats) return strcmp(word, "upsample") == 0 && !strstr(s->call, "mode=");
  return op && (op->traits.int8 == INT8_MOVE || op->traits.int8 == INT8_LARGEST);
}

const Quant *quant_of(const Value *value) { return value->quant ? value->quant : value->kept; }

const Quant *quant_kept(const Statement *s) {
  for (int i = 0; i < s->nin; i++)
    if (!quant_of(s->in[i]) || s->in[i]->regions || !same_quant(quant_of(s->in[i]), quant_of(s->in[0])))
      return NULL;
  return s->nin && is_move(s) ? quant_of(s->in[0]) : NULL;
}

Value *same_value(ModelImport *im, Value *value) {
  const Shape s = value->shape;
  if (s.rank == 1) return emit_one(im, value, s, "flatten");
  if (s.rank == 2)
    return emit_one(im, value, s, "reshape([%lld, %lld])", (long long)s.dim[0], (long long)s.dim[1]);
  return emit_one(im, value, s, "reshape(%lldx%lldx%lld)", (long long)s.dim[0], (long long)s.dim[1],
                  (long long)s.dim[2]);
}

/* A concat of many values is a chain of concats. Gives all concats of the chain the quantization of the last
 * concat. */
static void quantize_parts(const Value *value) {
  for (Statement *s = value->made; s && s->nin > 1 && strncmp(s->call, "concat(", 7) == 0;) {
    Value *first = s->in[0];
    const bool part = first->made && first->made->origin == s->origin && first->reads == 1 && !first->quant;
    if (!part) return;
    first->quant = value->quant;
    s = first->made;
  }
}

/* Whether the value can be stored with the quantization of `node`: it has no quantization and no float users,
 * and its statement accepts another scale. */
static bool may_store(const ModelImport *im, const OnnxNode *node, const Value *value) {
  if (value->quant || !read_once(im, node->in[0], value)) return false;
  const Statement *made = value->made;
  if (!made || !is_move(made) || strncmp(made->call, "maxpool(", 8) == 0) return true;
  const bool nothing = made->nin == 1 && shape_equal(made->in[0]->shape, value->shape);
  return !nothing && strncmp(made->call, "zero_pad(", 9) != 0;
}

/* If the value is the result of moves (such as join_rows) of a product of two values, and the product has no
 * other users: the product; otherwise the value itself. */
static Value *product_before(Value *value) {
  Value *v = value;
  while (v->made && v->made->nin == 1 && is_move(v->made) && v->made->in[0]->reads == 1 &&
         !quant_of(v->made->in[0]))
    v = v->made->in[0];
  return v->made && strncmp(v->made->call, "matmul(", 7) == 0 ? v : value;
}

/* Stores the value with this quantization. If product_before finds a product, the product gets the same
 * quantization. */
static void store_quantized(Value *value, const Quant *quant) {
  Value *product = product_before(value);
  for (Value *v = value; v != product; v = v->made->in[0]) v->kept = quant;
  product->quant = quant;
}

static bool takes_raw_bytes(const ModelImport *im, const Value *value) {
  for (int i = 0; i < im->inputs.n; i++)
    if (im->inputs.data[i] == value) return im->ports.data[i]->type == TENSOR_UINT8;
  return false;
}

View *import_quantize(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  Parameters p;
  if (!x || !read_parameters(im, node, x->rank, x->size, &p)) return NULL;
  if (im->item[node->in[0]].bytes) return no(im, "an integer tensor where a float tensor is expected");
  const TensorType type = quantized_type(im, node, &p);
  Quant wanted;
  if (!type || !read_quant(im, &p, type, &wanted)) return NULL;
  Value *value = x->value;
  im->item[node->out[0]].bytes = type;
  if (!value->quant && takes_raw_bytes(im, value))
    value->quant = keep_quant(im, (Quant){.scale = 1, .zero = INT8_MIN});
  if (quant_of(value) && same_quant(quant_of(value), &wanted)) return view_copy(im, x, value);
  if (!may_store(im, node, value)) value = same_value(im, value);
  store_quantized(value, keep_quant(im, wanted));
  value->affine = NULL; /* later constants are not fused into the layer */
  value->prepared = NULL;
  quantize_parts(value);
  return view_copy(im, x, value);
}

/* An integer input gets the scale of the DequantizeLinear that reads it. */
static void scale_input(ModelImport *im, Value *value, Quant quant) {
  VEC(Value *) moved = {0};
  for (; value->made && is_move(value->made); value = value->made->in[0]) vec_push(im->arena, moved, value);
  if (value->made || value->quant) return;
  value->quant = keep_quant(im, quant);
  for (int i = moved.n - 1; i >= 0; i--) moved.data[i]->kept = quant_kept(moved.data[i]->made);
}

View *import_dequantize(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  Parameters p;
  if (!x || !read_parameters(im, node, x->rank, x->size, &p)) return NULL;
  const TensorType type = im->item[node->in[0]].bytes;
  if (!type) return no(im, "a tensor that is neither int8 nor int16");
  if (p.zero && p.zero->type != type)
    return no(im, "a zero point with a different type than the quantized numbers");
  Quant wanted;
  if (!read_quant(im, &p, type, &wanted)) return NULL;
  if (!quant_of(x->value)) scale_input(im, x->value, wanted);
  const Quant *has = quant_of(x->value);
  if (!has) return no(im, "integers whose scale is unknown");
  if (same_quant(has, &wanted)) return view_copy(im, x, x->value);
  const double shift = (double)(has->zero - wanted.zero) * (double)wanted.scale;
  View *to = view_copy(im, x, x->value);
  if (has->scale != wanted.scale)
    to = map_view(im, to, "multiply(%s)", number_text(im->arena, (double)wanted.scale / (double)has->scale));
  return shift == 0 ? to : map_view(im, to, "add(%s)", number_text(im->arena, shift));
}

/* ---- operators between DequantizeLinear and QuantizeLinear ---- */
static bool is_operator(const OnnxNode *node, const char *op) { return strcmp(node->op, op) == 0; }

TensorType port_bytes(const ModelImport *im, const OnnxPort *port) {
  static const char *const moves[] = {"Transpose", "Reshape", "Flatten",  "Squeeze",
                                      "Unsqueeze", "MaxPool", "Identity", NULL};
  int tensor = port->tensor;
  if (!is_byte_type(port->type) && !is_wide_type(port->type)) return (TensorType)0;
  for (int steps = 0; steps < 8; steps++) {
    const OnnxNode *node = node_reading(im, tensor);
    if (!node) return im->wanted[tensor] ? port->type : (TensorType)0; /* only an output uses the tensor */
    if (is_operator(node, "DequantizeLinear")) return port->type;
    int k = 0;
    while (moves[k] && !is_operator(node, moves[k])) k++;
    if (!moves[k] || node->nout == 0) break;
    tensor = node->out[0];
  }
  return (TensorType)0;
}

bool keeps_bytes(ModelImport *im, const OnnxNode *node, int statements) {
  TensorType type = (TensorType)0;
  const Quant *quant = NULL;
  bool alike = true;
  for (int i = 0; i < node->nin; i++) {
    const Item *item = given(node, i) ? &im->item[node->in[i]] : NULL;
    if (!item || !item->view) continue;
    const Quant *own = quant_of(item->view->value);
    if (i > 0) alike = alike && item->bytes == type && own && quant && same_quant(own, quant);
    if (i == 0) quant = own;
    if (item->bytes) type = item->bytes;
  }
  if (!type || is_operator(node, "DequantizeLinear")) return true;
  bool moves = alike && !is_operator(node, "Cast");
  for (int i = statements; i < im->statements.n; i++) moves = moves && is_move(im->statements.data[i]);
  if (!moves) return no(im, "an integer tensor where a float tensor is expected"), false;
  for (int k = 0; k < node->nout; k++) im->item[node->out[k]].bytes = type;
  return true;
}

static bool equal_constants(const ModelImport *im, const OnnxNode *a, const OnnxNode *b, int input) {
  const Tensor *t = constant_of(im, a, input), *u = constant_of(im, b, input);
  if (given(a, input) != given(b, input)) return false;
  if (t == u || !t || !u) return t == u && (t || !given(a, input));
  return t->n == 1 && u->n == 1 && t->type == u->type && tensor_number(t, 0) == tensor_number(u, 0);
}

void quantize_once(ModelImport *im) {
  /* by tensor: 1 + the index of the first QuantizeLinear that reads the tensor; 0: none yet */
  int *first = NEW_ARRAY(im->arena, int, im->onnx->ntensors);
  for (int i = 0; i < im->onnx->nnodes; i++) {
    OnnxNode *node = &im->onnx->node[i];
    if (!im->live[i] || !is_operator(node, "QuantizeLinear") || !given(node, 0) || node->nout == 0) continue;
    const OnnxNode *before = first[node->in[0]] ? &im->onnx->node[first[node->in[0]] - 1] : NULL;
    const bool alike = before && equal_constants(im, before, node, 1) &&
                       equal_constants(im, before, node, 2) &&
                       onnx_int(before, "output_dtype", 0) == onnx_int(node, "output_dtype", 0);
    if (!before) first[node->in[0]] = i + 1;
    if (!alike) continue;
    node->op = "Identity";
    node->nin = 1;
    node->in = NEW_ARRAY(im->arena, int, 1);
    node->in[0] = before->out[0];
  }
}
