/* decibel.c: decibel, ten times the decimal logarithm of max(x, floor). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {
    {"floor", PARAM_NUMBER, "1e-10", "lower bound of x; must be above 0", 0, 0, NULL}, {0}};

static double decibel_floor(const Node *node) { return arg_number(node, "floor"); }
static const double ten = 4.342944819032518276511; /* 10/ln 10 */

static void shape(ShapeContext *context, Node *node) {
  if ((float)decibel_floor(node) > 0) {
    map_shape(context, node);
    return;
  }
  op_error_at(context, node, "floor", DIAG_bad_value, "floor of decibel is %s, but must be above 0",
              text_float(context->arena, decibel_floor(node)));
}

MAP_EVAL(decibel) { return 10 * log10(x[0] < decibel_floor(node) ? decibel_floor(node) : x[0]); }
MAP_SLOPE(slope) { return x[0] < decibel_floor(node) ? 0 : ten / x[0]; }
MAP_VALUE(value) { return mul(number(ten), vlog(vmax(number(decibel_floor(m->node)), m->x[0]))); }
MAP_GRADIENT(gradient) {
  Val x = m->x[0], slope = mul(dy, div_(number(ten), x));
  return choose(less(x, number(decibel_floor(m->node))), number(0), slope);
}

const Op op_decibel = {
    .name = "decibel",
    .group = "audio",
    .summary = "converts power to decibels",
    .detail = "y = 10*log10(max(x, floor))",
    .params = params,
    .example = "stft(512, 160) -> mel(40, 16000) -> decibel",
    .traits.features = true,
    .shape = shape,
    MAP_OPERATOR,
    .map_eval = decibel,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
