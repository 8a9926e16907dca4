/* zero_pad.c: zero_pad, padding with zeros or another number, also along channels. The padding can also
 * mirror the value at the outermost elements (reflect), or repeat these elements (edge). In inference,
 * zeros before a convolution can become the padding of the convolution (passes/inference.c). */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "graph/shape.h"
#include "kernel/axes.h"
#include "kernel/window.h"
#include "ops/shape/region.h"

static const Param params[] = {
    {"n", PARAM_BORDER, NULL,
     "number of elements added on each side: N, [height, width], [top, bottom, left, right]; for a sequence "
     "N or [before, after]",
     0, 0, NULL},
    {"mode", PARAM_CHOICE, "zero",
     "elements of the border; zero: the number `value`; reflect: the input, mirrored at its outermost "
     "elements; edge: the outermost elements, repeated",
     0, 0, "zero reflect edge"},
    {"value", PARAM_NUMBER, "0", "number that fills the border with mode=zero", 0, 0, NULL},
    {"channels", PARAM_LIST, "[0,0]",
     "[before, after]: number of channels, filled with `value`, that are added before and after the channels "
     "of the input",
     0, 0, NULL},
    {0}};

static bool copies(const Node *node) { return !arg_is(node, "mode", "zero"); }
static bool mirrors(const Node *node) { return arg_is(node, "mode", "reflect"); }
static double value_of(const Node *node) { return arg_number(node, "value"); }
static int64_t more_channels(const Node *node, int side) {
  return arg_const(node, "channels")->items[side].i;
}

static Box inside(const Node *node) {
  Box box = box_inside(node, "n");
  box.c = more_channels(node, 0);
  return box;
}

/* ---- the shape ---- */
static bool check_channels(ShapeContext *context, const Node *node) {
  const Const *list = arg_const(node, "channels");
  if (list->kind == CONST_POISON) return false;
  bool good = list->n == 2;
  for (int i = 0; i < list->n && good; i++)
    good =
        list->items[i].kind == CONST_INT && list->items[i].i >= 0 && list->items[i].i <= SHAPE_MOST_ELEMENTS;
  if (good) return true;
  Diag *diag = op_error_at(context, node, "channels", DIAG_bad_value,
                           "channels of zero_pad must be two non-negative integers");
  diag_help(diag, "channels=[0, 16] adds 16 channels at the end");
  return false;
}

static bool check_mode(ShapeContext *context, const Node *node) {
  const char *mode = arg_const(node, "mode")->s;
  if (!copies(node)) return true;
  if (value_of(node) == 0 && more_channels(node, 0) == 0 && more_channels(node, 1) == 0) return true;
  Diag *diag = op_error_at(context, node, value_of(node) == 0 ? "channels" : "value", DIAG_bad_value,
                           "%s is for mode=zero: with mode=%s the border is taken from the input",
                           value_of(node) == 0 ? "channels" : "value", mode);
  diag_help(diag, "remove this argument, or use a second zero_pad for it");
  return false;
}

static bool check_mirror(ShapeContext *context, const Node *node, const int64_t before[2],
                         const int64_t after[2]) {
  const Extent e = shape_extent(node->in[0]->shape);
  for (int axis = 0; axis < 2 && mirrors(node); axis++) {
    const int64_t most = larger(before[axis], after[axis]), size = extent_side(e, axis);
    if (most < size) continue;
    Diag *diag = op_error_at(
        context, node, "n", DIAG_bad_value,
        "a border of %lld cannot be mirrored: the %s is %lld, and mirroring excludes the outermost element",
        (long long)most, window_axis_name(node, axis), (long long)size);
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "use at most %lld, or mode=edge", (long long)size - 1);
    return false;
  }
  return true;
}

static void shape(ShapeContext *context, Node *node) {
  const Extent e = shape_extent(node->in[0]->shape);
  int64_t before[2], after[2];
  if (!box_border(context, node, "n", before, after) || !check_channels(context, node) ||
      !check_mode(context, node) || !check_mirror(context, node, before, after))
    return;
  node->shape = window_shape(node, e.h + before[0] + after[0], e.w + before[1] + after[1],
                             e.c + more_channels(node, 0) + more_channels(node, 1));
}

static bool border(const Node *node, int64_t before[2], int64_t after[2]) {
  box_border_of(node, "n", before, after);
  return !copies(node) && value_of(node) == 0 &&
         shape_extent(node->shape).c == shape_extent(node->in[0]->shape).c;
}

/* ---- reflect and edge: each element of the result is an element of the input ---- */
static int pad_eval_rule(const Node *node, int axis, int64_t to, AxisTap tap[AXIS_TAPS]) {
  const Box box = box_inside(node, "n");
  const double last = (double)extent_side(shape_extent(node->in[0]->shape), axis) - 1,
               at = (double)(to - (axis ? box.x : box.y)), round = 2 * last;
  const double from = !mirrors(node) ? fmax(0, fmin(at, last))
                      : last == 0    ? 0
                                     : last - fabs(last - (at - round * floor(at / round)));
  tap[0] = (AxisTap){(int64_t)from, 1};
  return 1;
}

static int pad_nest_rule(const Node *node, int axis, int64_t to, AxisTap tap[AXIS_TAPS]) {
  const Box box = box_inside(node, "n");
  const int64_t last = extent_side(shape_extent(node->in[0]->shape), axis) - 1,
                at = to - (axis ? box.x : box.y);
  const int64_t mirrored = at < 0 ? -at : at > last ? 2 * last - at : at;
  tap[0] = (AxisTap){mirrors(node) ? mirrored : larger(0, smaller(at, last)), 1};
  return 1;
}

static AxisPeriod pad_period(const Node *node, int axis) {
  int64_t before[2], after[2];
  box_border_of(node, "n", before, after);
  return (AxisPeriod){.from = 1, .to = 1, .border = 2 * larger(before[axis], after[axis])};
}

static void back_eval(const Eval *eval) { axes_run_back(eval, pad_eval_rule); }
static void back_lower(Lower *l) { axes_lower_back(l, pad_nest_rule, pad_period); }
static const Op op_back = {.name = "zero_pad input gradient", .eval = back_eval, .lower = back_lower};

/* ---- all modes ---- */
static void run(const Eval *eval) {
  if (copies(eval->node)) {
    axes_run(eval, pad_eval_rule);
    return;
  }
  box_place(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
            inside(eval->node), value_of(eval->node));
}

static void lower(Lower *l) {
  if (copies(l->node)) axes_lower(l, pad_nest_rule, pad_period);
  else box_lower_place(l, inside(l->node), value_of(l->node));
}

static void backward(Gradient *gradient, Node *node, Node *dy) {
  if (copies(node)) gradient_input(gradient, &op_back, node, 1, &dy);
  else if (gradient_wanted(gradient, node->in[0]))
    gradient_add(gradient, node->in[0],
                 box_gradient_cut(gradient, node, dy, node->in[0]->shape, inside(node)));
}

/* In a stream, padding before or after the rows cannot be copied from the input: the last row is unknown. */
static StreamRule stream_rule(const Node *node) {
  int64_t before[2], after[2];
  const int axis = node->in[0]->shape.rank == 2;
  box_border_of(node, "n", before, after);
  return !copies(node) || before[axis] + after[axis] == 0 ? STREAM_PADDED : STREAM_AHEAD;
}

static void sides(const Node *node, int64_t before[2], int64_t after[2]) {
  box_border_of(node, "n", before, after);
}

const Op op_zero_pad = {
    .name = "zero_pad",
    .group = "shape",
    .summary = "adds a border: zeros, another number, or elements of the input",
    .detail = "the input with a border around it. For the input 0 1 2 3, mode=reflect gives ... 2 1 | 0 1 2 "
              "3 | 2 1 ... and mode=edge gives ... 0 0 | 0 1 2 3 | 3 3 ...",
    .params = params,
    .example = "zero_pad(2, mode=reflect)",
    .traits.keeps_spatial = true,
    .traits.needs_axes = true,
    .shape = shape,
    .traits.padding = border,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.stream_rule = stream_rule,
    .traits.row_fill = value_of,
    .traits.border = sides,
    .traits.set_border = box_set_border,
};
