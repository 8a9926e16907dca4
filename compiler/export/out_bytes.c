/* out_bytes.c: Export of int8 models to ONNX: integers between QuantizeLinear and DequantizeLinear. Weights
 * have one scale, or one per filter along the filter axis; a bias has the scale of the sums to which it is
 * added. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "export/onnx_out.h"

/* ---- values ---- */
static const char *scale_of(OnnxOut *o, const Node *node) {
  const char *name = arena_printf(o->arena, "%s.scale", node->name),
             *known = table_find(&o->initializers, name);
  if (known) return known;
  known = out_named(o, name, 0, NULL, &node->quant->scale);
  table_set(o->arena, &o->initializers, name, (void *)(uintptr_t)known);
  return known;
}

/* The zero point of a value, as a number of this type. The u8 zero point is the int8 zero point plus 128. A
 * u8 input already has a u8 zero point. */
static const char *zero_of(OnnxOut *o, const Node *node, TensorType type) {
  const bool u8 = node->port && node->port->elem == U8;
  const int32_t zero = node->quant->zero + (type == TENSOR_UINT8 && !u8 ? -INT8_MIN : 0);
  uint8_t *byte = NEW(o->arena, uint8_t);
  *byte = (uint8_t)zero;
  return out_constant(o, arena_printf(o->arena, "%s.zero", node->name), type, 0, NULL,
                      (WireBytes){byte, 1, 0});
}

const char *out_quantized(OnnxOut *o, const Node *node, const char *x, TensorType type) {
  const char *const in[] = {x, scale_of(o, node), zero_of(o, node, type)};
  return out_node(o, "QuantizeLinear", 3, in);
}

const char *out_raw(OnnxOut *o, const Node *node, const char *raw, TensorType type) {
  const char *const in[] = {raw, scale_of(o, node), zero_of(o, node, type)};
  return out_node(o, "DequantizeLinear", 3, in);
}

/* ---- weights ---- */
static const NamedArray *array_named(const OnnxOut *o, const char *name) {
  const Arrays *bytes = o->numbers->bytes;
  for (int i = 0; bytes && i < bytes->list.n; i++)
    if (strcmp(bytes->list.data[i].name, name) == 0) return &bytes->list.data[i];
  return NULL;
}

const NamedArray *out_whole(const OnnxOut *o, const Weight *weight) {
  const NamedArray *array = array_named(o, weight->name);
  return array && (array->elem == I8 || array->elem == I32) ? array : NULL;
}

/* The scales of a parameter. The scales of a bias are the products of the input's scale and the weights'
 * scales. */
static float *scales_of(OnnxOut *o, const NamedArray *whole, const NamedArray *weight, int64_t *n) {
  float *scale = NEW_ARRAY(o->arena, float, weight->size);
  const Quant *in = o->node->in[0]->quant;
  *n = weight->size;
  for (int64_t i = 0; i < *n; i++)
    scale[i] = ((const float *)weight->data)[i] * (whole->elem == I32 ? in->scale : 1);
  return scale;
}

const char *out_dequantized(OnnxOut *o, const Weight *weight, const NamedArray *whole, int rank,
                            const int64_t *dim, const void *data) {
  const bool transposed = o->node->op->family == FAMILY_CONV_SCATTER, bias = whole->elem == I32;
  const NamedArray *scales = array_named(o, arena_printf(o->arena, "%s.scale", o->node->weight[0]->name));
  if (!scales || (bias && !o->node->in[0]->quant)) return NULL;
  const int axis = transposed && !bias ? 1 : 0;
  int64_t n;
  const float *scale = scales_of(o, whole, scales, &n);
  if (n > 1 && n != dim[axis]) return NULL;
  const WireBytes bytes =
      bias ? out_words(o->arena, data, (size_t)whole->size) : (WireBytes){data, (size_t)whole->size, 0};
  const char *name = weight->name;
  const int scale_rank = n > 1;
  uint8_t *zeros = arena_alloc(o->arena, (bias ? 4 : 1) * (size_t)n);
  const TensorType type = bias ? TENSOR_INT32 : TENSOR_INT8;
  const char *const in[] = {
      out_constant(o, arena_printf(o->arena, "%s_quantized", name), type, rank, dim, bytes),
      out_named(o, arena_printf(o->arena, "%s_scale", name), scale_rank, &n, scale),
      out_constant(o, arena_printf(o->arena, "%s_zero_point", name), type, scale_rank, &n,
                   (WireBytes){zeros, (bias ? 4 : 1) * (size_t)n, 0})};
  const char *y = out_node(o, "DequantizeLinear", 3, in);
  if (n > 1) out_int(o, "axis", axis);
  return y;
}
