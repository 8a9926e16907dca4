/* clip.c: clip, y = min(max(x, lo), hi), with the arguments min=lo and max=hi. The derivative at lo and hi is
 * 1, as in torch.clamp of PyTorch 2.3 (0 in PyTorch 2.15). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {
    {"min", PARAM_NUMBER, NULL, "lower limit", 0, 0, NULL},
    {"max", PARAM_NUMBER, NULL, "upper limit", 0, 0, NULL},
    {0},
};

static double lowest(const Node *node) { return arg_number(node, "min"); }
static double highest(const Node *node) { return arg_number(node, "max"); }

static void shape(ShapeContext *context, Node *node) {
  if (lowest(node) > highest(node))
    op_error(context, node, DIAG_bad_value, "clip from %s to %s: the minimum is above the maximum",
             text_float(context->arena, lowest(node)), text_float(context->arena, highest(node)));
  else map_shape(context, node);
}

MAP_EVAL(clip) { return x[0] < lowest(node) ? lowest(node) : x[0] > highest(node) ? highest(node) : x[0]; }
MAP_SLOPE(slope) { return x[0] >= lowest(node) && x[0] <= highest(node); }
MAP_VALUE(value) { return vmin(number(highest(m->node)), vmax(number(lowest(m->node)), m->x[0])); }
MAP_GRADIENT(gradient) {
  Val x = m->x[0];
  return choose(less_eq(number(lowest(m->node)), x),
                choose(less_eq(x, number(highest(m->node))), dy, number(0)), number(0));
}

const Op op_clip = {
    .name = "clip",
    .group = "activation",
    .summary = "limits values to min .. max",
    .detail = "y = min(max(x, min), max)",
    .params = params,
    .example = "dense(1) -> clip(0, 1)",
    .shape = shape,
    MAP_OPERATOR,
    .map_eval = clip,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
