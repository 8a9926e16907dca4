/* normalize.c: normalize, y = (x*scale - mean) / std with constants of the data; usually the first operator
 * after the input. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"

static const Param params[] = {
    {"mean", PARAM_CHANNELS, "0",
     "mean of the data after scaling: one number for all channels, or a list with one number per channel", 0,
     0, NULL},
    {"std", PARAM_CHANNELS, "1",
     "standard deviation of the data after scaling: one number for all channels, or a list with one number "
     "per channel",
     0, 0, NULL},
    {"scale", PARAM_CHANNELS, "1", "factor that is applied first, before mean and std; use 1/255 for bytes",
     0, 0, NULL},
    {0},
};

static double of_channel(const Node *node, const char *name, int64_t c) {
  const Const *value = arg_const(node, name);
  if (value->kind == CONST_LIST) value = &value->items[value->n > 1 ? c : 0];
  return value->kind == CONST_INT ? (double)value->i : value->f;
}

static bool check(ShapeContext *context, const Node *node, const char *name, int64_t channels) {
  const Const *value = arg_const(node, name);
  if (value->kind == CONST_LIST && value->n != 1 && value->n != channels) {
    Diag *diag = op_error_at(context, node, name, DIAG_bad_value,
                             "normalize has %d numbers for %s, but its %s input has %lld channel%s", value->n,
                             name, shape_text(context->arena, node->in[0]->shape), (long long)channels,
                             channels == 1 ? "" : "s");
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "use one number, or a list of %lld", (long long)channels);
    return false;
  }
  const int64_t numbers = value->kind == CONST_LIST ? value->n : 1;
  for (int64_t c = 0; name[1] == 't' && c < numbers; c++) /* std */
    if (of_channel(node, name, c) == 0) {
      op_error_at(context, node, name, DIAG_bad_value, "normalize would divide by a standard deviation of 0");
      return false;
    }
  return true;
}

static bool one_for_all(const Node *node) {
  bool same = true;
  for (int i = 0; i < 3; i++)
    same = same &&
           (arg_const(node, params[i].name)->kind != CONST_LIST || arg_const(node, params[i].name)->n == 1);
  return same;
}

/* A coefficient of y = gain*x + shift. It is a double, because it may be outside the range of floats. */
static double quotient(const Node *node, const char *name, int64_t c) {
  return of_channel(node, name, c) / of_channel(node, "std", c);
}
static double gain_of(const Node *node, int64_t c) { return quotient(node, "scale", c); }
static double shift_of(const Node *node, int64_t c) { return -quotient(node, "mean", c); }
static bool is_float(double x) { return isfinite((float)x) && ((float)x != 0 || x == 0); }

static bool quotients_fit(ShapeContext *context, const Node *node, int64_t channels) {
  for (int64_t c = 0; c < (one_for_all(node) ? 1 : channels); c++) {
    if (is_float(gain_of(node, c)) && is_float(shift_of(node, c))) continue;
    const bool gain = !is_float(gain_of(node, c));
    const double value = gain ? gain_of(node, c) : shift_of(node, c);
    Diag *diag =
        op_error(context, node, DIAG_bad_value, "normalize would %s %g, which is %s in 32-bit floats",
                 gain ? "multiply by" : "add", value, isfinite((float)value) ? "0" : "infinity");
    diag_fact(diag, "y = (x*scale - mean) / std %s", gain ? "multiplies by scale / std" : "adds -mean / std");
    return false;
  }
  return true;
}

static void shape(ShapeContext *context, Node *node) {
  const int64_t channels = shape_extent(node->in[0]->shape).c;
  if (!node->in[0]->shape.rank) return;
  if (!check(context, node, "mean", channels) || !check(context, node, "std", channels)) return;
  if (!check(context, node, "scale", channels) || !quotients_fit(context, node, channels)) return;
  node->shape = node->in[0]->shape;
}

/* Constants of the nest: by channel, the gain of y = gain*x + shift or, if `shift` is true, the shift. */
static Val constants(Map *m, bool shift) {
  const int64_t n = one_for_all(m->node) ? 1 : shape_extent(m->node->shape).c;
  float *table = NEW_ARRAY(m->lower->arena, float, n);
  for (int64_t c = 0; c < n; c++) table[c] = (float)(shift ? shift_of(m->node, c) : gain_of(m->node, c));
  return map_constant(m, table, n);
}

MAP_EVAL(normalized) {
  return (x[0] * of_channel(node, "scale", c) - of_channel(node, "mean", c)) / of_channel(node, "std", c);
}
MAP_SLOPE(slope) { return gain_of(node, c); }
MAP_VALUE(value) {
  Val scaled = mul(
      m->x[0], constants(m, false)); /* created first: its table precedes the table of shifts in the C text */
  return add(scaled, constants(m, true));
}
MAP_GRADIENT(gradient) { return mul(dy, constants(m, false)); }

const Op op_normalize = {
    .name = "normalize",
    .group = "normalization",
    .summary = "(x*scale - mean) / std with constant mean, std and scale; has no trained parameters",
    .detail = "y = (x*scale - mean) / std = x*(scale/std) - mean/std",
    .params = params,
    .example = "normalize(mean=0.2860, std=0.3530, scale=1/255)",
    .traits.fold = FOLD_NORMALIZE,
    .shape = shape,
    MAP_OPERATOR,
    .map_eval = normalized,
    .map_slope = slope,
    .map = value,
    .map_gradient = gradient,
};
