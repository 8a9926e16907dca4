// edges.c: Conversions of int8 or int16 values from and to floats, from and to the caller's bytes, and to the
// index of the maximum.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/walk.h"
#include "ops/int8/int8.h"

typedef double Each(const Node *, double x);
static void each(const Eval *eval, Each *function) {
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++)
    eval->out[i] = function(eval->node, eval->in[0][i]);
}

typedef Val EachValue(Lower *, Val x);
typedef struct Each1 {
  EachValue *value;
} Each1;
static void each_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  const Each1 *each = context;
  lower_store(l, each->value(l, walk_load(l, l->in[0], y, x, c, part, lanes)), y, x, c, part, lanes);
}

static void lower_each(Lower *l, EachValue *value) {
  const Extent e = int8_joined(l);
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, e, each_body, &(Each1){value});
}

/* ---- conversion from float, nearest-even(x / scale) + zero, and to float, (q - zero) * scale ---- */
static double from_float(const Node *node, double x) {
  static const float FAR = 1 << 17;
  const float y = (float)x / node->quant->scale;
  const Stored stored = stored_of(node->quant->scale, node->quant->zero, node->quant->wide, BOUND_NONE);
  return stored_put(stored, (int64_t)nearbyintf(!(y > -FAR) ? -FAR : y > FAR ? FAR : y));
}
static void eval_from_float(const Eval *eval) { each(eval, from_float); }
static Val from_float_value(Lower *l, Val x) {
  Nest *b = l->b;
  const Quant *quant = l->node->quant;
  return int8_stored(
      l, stored_of(quant->scale, quant->zero, quant->wide, BOUND_NONE),
      nest_primitive(b, &primitive_quantize_float, x, lower_real(l, "scale", quant->scale), NULL));
}
static void lower_from_float(Lower *l) { lower_each(l, from_float_value); }

static double to_float(const Node *node, double x) {
  const Quant *quant = node->in[0]->quant;
  return (double)((float)((int)x - quant->zero) * quant->scale);
}
static void eval_to_float(const Eval *eval) { each(eval, to_float); }
static Val to_float_value(Lower *l, Val x) {
  const Quant *quant = l->node->in[0]->quant;
  const Val zero = int8_zero(l, 0), scale = lower_real(l, "scale", quant->scale);
  return mul(convert(sub(convert(x, I32), zero), F32), scale);
}
static void lower_to_float(Lower *l) { lower_each(l, to_float_value); }

/* ---- u8 ---- */
static double from_bytes(const Node *node, double x) { return (void)node, x + INT8_MIN; }
static void eval_from_bytes(const Eval *eval) { each(eval, from_bytes); }
static Val from_bytes_value(Lower *l, Val x) {
  return convert(add(convert(x, I32), num_i32(l->b, INT8_MIN)), I8);
}
static void lower_from_bytes(Lower *l) { lower_each(l, from_bytes_value); }

static double to_bytes(const Node *node, double x) { return (void)node, x - INT8_MIN; }
static void eval_to_bytes(const Eval *eval) { each(eval, to_bytes); }
static Val to_bytes_value(Lower *l, Val x) {
  return convert(sub(convert(x, I32), num_i32(l->b, INT8_MIN)), U8);
}
static void lower_to_bytes(Lower *l) { lower_each(l, to_bytes_value); }

/* ---- the class ---- */
static void eval_class(const Eval *eval) {
  const Extent in = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < in.h * in.w; p++) {
    int64_t best = 0;
    for (int64_t c = 1; c < in.c; c++)
      if (eval->in[0][p * in.c + c] > eval->in[0][p * in.c + best]) best = c;
    eval->out[p] = (double)best;
  }
}

/* The input is float if the layer that computes it has no int8 form. */
static Val class_load(Lower *l, const Ix *y, const Ix *x, const Ix *c) {
  return l->in[0]->type.elem == F32 ? nest_load(l->b, nest_at(l->b, l->in[0], *y, *x, *c), 1)
                                    : int8_load(l, l->in[0], y, x, c);
}

static void lower_class(Lower *l) {
  Nest *b = l->b;
  const Extent in = shape_extent(l->node->in[0]->shape);
  const Ix none = {0};
  const int64_t one = 1;
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, in.h)
    NEST_FOR(b, x, in.w) {
      const Ref best = nest_at(b, nest_buf(b, REGS, "best", (Type){I32, 1}, 1, &one), 0),
                most = nest_at(
                    b, nest_buf(b, REGS, "most", (Type){l->in[0]->type.elem == F32 ? F32 : I32, 1}, 1, &one),
                    0);
      nest_store(b, best, num_i32(b, 0));
      nest_store(b, most, class_load(l, &y, &x, &none));
      NEST_FROM(b, c, 1, in.c) {
        const Val q = nest_let(b, "q", class_load(l, &y, &x, &c));
        nest_store(b, best, choose(less(nest_get(b, most), q), nest_index_value(b, c), nest_get(b, best)));
        nest_store(b, most, vmax(nest_get(b, most), q));
      }
      lower_store(l, convert(nest_get(b, best), l->node->elem), &y, &x, &none, 1, 1);
    }
}

/* ---- identity ---- */
static double same(const Node *node, double x) { return (void)node, x; }
static void eval_same(const Eval *eval) { each(eval, same); }

#define EDGE(what)                                                                                           \
  .traits.per_image = true, .traits.row_local = true, .traits.keeps_spatial = true,                          \
  .traits.stream = STREAM_ROWS, .eval = eval_##what, .lower = lower_##what
const Op op_int8_from_float = {.name = "int8_from_float", EDGE(from_float)};
const Op op_int8_to_float = {.name = "int8_to_float", EDGE(to_float)};
const Op op_int8_from_bytes = {.name = "int8_from_bytes", EDGE(from_bytes)};
const Op op_int8_to_bytes = {.name = "int8_to_bytes", EDGE(to_bytes)};
const Op op_int8_same = {
    .name = "int8_same", .family = FAMILY_ALIAS, .traits.keeps_spatial = true, .eval = eval_same};
const Op op_int8_class = {.name = "int8_class", EDGE(class)};
const Op op_int8_argmax = {.name = "int8_argmax", EDGE(class)};
