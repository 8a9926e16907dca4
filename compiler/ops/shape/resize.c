/* resize.c: resize, an image or a sequence at another size. On each axis, from I elements to O:
 *
 * nearest        y[o] = x[floor(o * I / O)]
 * nearest_exact  y[o] = x[floor((o + 1/2) * I / O)], the element with the nearest center
 * bilinear       s = max(0, (o + 1/2) * I / O - 1/2), with corners s = o * (I - 1) / (O - 1);
 *                 y[o] = (1 - f) * x[floor(s)] + f * x[min(floor(s) + 1, I - 1)], where f = s - floor(s)
 * cubic          s as in bilinear, but also below 0; y[o] = sum over k = -1..2 of w(f - k) * x[floor(s) + k],
 * with the ends repeated; w is Keys' kernel with a = -3/4
 *
 * as in PyTorch's interpolate. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/shape/resize.h"
#include <math.h>
#include "base/number.h"
#include "graph/shape.h"
#include "kernel/axes.h"
#include "kernel/window.h"

static const Param params[] = {
    {"size", PARAM_WINDOW, NULL, "height and width of the output; for a sequence, its length", 0, 0, NULL},
    {"mode", PARAM_CHOICE, "bilinear",
     "nearest: the element at the coordinate rounded down; nearest_exact: the element with the nearest "
     "center, as nearest-exact in PyTorch; bilinear: a weighted mean of two elements on each axis; cubic: a "
     "weighted sum of four elements on each axis",
     0, 0, "nearest nearest_exact bilinear cubic"},
    {"corners", PARAM_BOOL, "false",
     "the first and last elements of input and output coincide (align_corners)", 0, 0, NULL},
    {0},
};

static bool is_exact(const Node *node) { return arg_is(node, "mode", "nearest_exact"); }
static bool is_nearest(const Node *node) { return arg_is(node, "mode", "nearest") || is_exact(node); }
static bool is_cubic(const Node *node) { return arg_is(node, "mode", "cubic"); }
static int64_t resized_size(const Node *node, int axis) {
  return extent_side(shape_extent(node->shape), axis);
}

/* ---- the shape ---- */
bool resize_input(ShapeContext *context, const Node *node) {
  const Shape in = node->in[0]->shape;
  if (in.rank != 1) return in.rank > 0;
  diag_help(op_error_vector(context, node),
            "reshape turns a vector into an image, as in reshape([7, 7, 32])");
  return false;
}

static AxisPeriod resize_axis_period(const Node *node, int axis) {
  const int64_t in = resized_size(node->in[0], axis), out = resized_size(node, axis),
                corners = arg_bool(node, "corners");
  if (in == 1) return (AxisPeriod){.from = 0, .to = 1};
  if (out == 1) return (AxisPeriod){.from = in, .to = 1};
  const int64_t divisor = common_divisor(in - corners, out - corners);
  return (AxisPeriod){.from = (in - corners) / divisor, .to = (out - corners) / divisor};
}

static bool period_fits(ShapeContext *context, const Node *node, const char *param, int axis) {
  const AxisPeriod period = resize_axis_period(node, axis);
  const int64_t in = resized_size(node->in[0], axis), out = resized_size(node, axis);
  if (period.from <= AXIS_PERIOD && period.to <= AXIS_PERIOD) return true;
  const int corners = arg_bool(node, "corners");
  Diag *diag = op_error_at(context, node, param, DIAG_too_large,
                           "%s from %lld to %lld: the numerator or denominator of the ratio is too large",
                           node->op->name, (long long)in, (long long)out);
  diag_fact(diag, "%s: %lld%s / %lld%s is %lld/%lld in lowest terms, and neither number may be above %d",
            window_axis_name(node, axis), (long long)out - corners, corners ? " steps" : "",
            (long long)in - corners, corners ? " steps" : "", (long long)period.to, (long long)period.from,
            AXIS_PERIOD);
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "use a size with more factors in common with %lld", (long long)in);
  return false;
}

void resize_to(ShapeContext *context, Node *node, const char *param, const int64_t size[2]) {
  const Extent in = shape_extent(node->in[0]->shape);
  int64_t elements;
  if (!size_multiply(size[0], size[1], &elements) || !size_multiply(elements, in.c, &elements) ||
      elements > SHAPE_MOST_ELEMENTS) {
    Diag *diag = op_error(
        context, node, DIAG_too_large, "%s would return %s for its %s input, more than 2147483647 elements",
        node->op->name, shape_text(context->arena, window_shape(node, size[0], size[1], in.c)),
        shape_text(context->arena, node->in[0]->shape));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  node->shape = window_shape(node, size[0], size[1], in.c);
  for (int axis = 0; axis < 2; axis++)
    if (!period_fits(context, node, param, axis)) {
      node->shape = POISON;
      return;
    }
}

static void shape(ShapeContext *context, Node *node) {
  int64_t size[2];
  if (!resize_input(context, node) || !window_pair(context, node, "size", size)) return;
  if (is_nearest(node) && arg_bool(node, "corners")) {
    Diag *diag = op_error_at(context, node, "corners", DIAG_bad_value,
                             "corners=true is for mode=bilinear and mode=cubic: %s does not interpolate",
                             arg_const(node, "mode")->s);
    diag_help(diag, "remove corners, or replace mode=%s", arg_const(node, "mode")->s);
    return;
  }
  resize_to(context, node, "size", size);
}

/* ---- reference ---- */
static double keys(double distance) { /* Keys, 1981 */
  const double a = -0.75, d = fabs(distance);
  return d <= 1  ? (a + 2) * d * d * d - (a + 3) * d * d + 1
         : d < 2 ? a * (d * d * d - 5 * d * d + 8 * d - 4)
                 : 0;
}

static int eval_cubic(const Node *node, int axis, double o, AxisTap tap[AXIS_TAPS]) {
  const double in = (double)resized_size(node->in[0], axis), out = (double)resized_size(node, axis),
               at = !arg_bool(node, "corners") ? (o + 0.5) * in / out - 0.5
                    : out > 1                  ? o * (in - 1) / (out - 1)
                                               : 0;
  for (int k = 0; k < 4; k++) {
    const double from = floor(at) - 1 + k;
    tap[k] = (AxisTap){(int64_t)fmax(0, fmin(from, in - 1)), keys(at - from)};
  }
  return 4;
}

static int resize_eval_rule(const Node *node, int axis, int64_t to, AxisTap tap[AXIS_TAPS]) {
  const double in = (double)resized_size(node->in[0], axis), out = (double)resized_size(node, axis),
               o = (double)to;
  if (is_cubic(node)) return eval_cubic(node, axis, o, tap);
  if (is_nearest(node)) {
    tap[0] = (AxisTap){is_exact(node) ? (2 * to + 1) * (int64_t)in / (2 * (int64_t)out)
                                      : to * (int64_t)in / (int64_t)out,
                       1};
    return 1;
  }
  const double at = !arg_bool(node, "corners") ? fmax(0, (o + 0.5) * in / out - 0.5)
                    : out > 1                  ? o * (in - 1) / (out - 1)
                                               : 0;
  const double below = floor(at);
  tap[0] = (AxisTap){(int64_t)below, 1 - (at - below)};
  tap[1] = (AxisTap){(int64_t)fmin(below + 1, in - 1), at - below};
  return 2;
}

void resize_eval(const Eval *eval) { axes_run(eval, resize_eval_rule); }
static void back_eval(const Eval *eval) { axes_run_back(eval, resize_eval_rule); }

/* ---- the nest: the reference's rules with integer positions, so that periodic weights are bit-equal ---- */
static int nest_cubic(int64_t in, int64_t below, double t, AxisTap tap[AXIS_TAPS]) {
  if (in == 1) {
    tap[0] = (AxisTap){0, 1};
    return 1;
  }
  const double a = -0.75, u = 1 - t, outer = a * t * u; /* w(1 + t) = outer * u; w(1 + u) = outer * t */
  const double weight[4] = {outer * u, 1 - t * t * (a + 3 - (a + 2) * t), 1 - u * u * (a + 3 - (a + 2) * u),
                            outer * t};
  for (int k = 0; k < 4; k++) tap[k] = (AxisTap){larger(0, smaller(below - 1 + k, in - 1)), weight[k]};
  return 4;
}

static int resize_nest_rule(const Node *node, int axis, int64_t to, AxisTap tap[AXIS_TAPS]) {
  const int64_t in = resized_size(node->in[0], axis), out = resized_size(node, axis);
  if (is_nearest(node)) {
    tap[0] = (AxisTap){is_exact(node) ? (2 * to + 1) * in / (2 * out) : to * in / out, 1};
    return 1;
  }
  const bool corners = arg_bool(node, "corners");
  const int64_t parts = corners ? larger(1, out - 1) : 2 * out,
                middle = corners ? to * (in - 1) : (2 * to + 1) * in - out,
                at = is_cubic(node) ? middle : larger(0, middle);
  const int64_t below = floor_divide(at, parts);
  const double above = (double)(at - below * parts) / (double)parts;
  if (is_cubic(node)) return nest_cubic(in, below, above, tap);
  tap[0] = (AxisTap){below, 1 - above};
  tap[1] = (AxisTap){smaller(below + 1, in - 1), above};
  return 2;
}

void resize_lower(Lower *l) { axes_lower(l, resize_nest_rule, resize_axis_period); }
static void back_lower(Lower *l) { axes_lower_back(l, resize_nest_rule, resize_axis_period); }

static const Op op_back = {.name = "resize input gradient", .eval = back_eval, .lower = back_lower};

void resize_gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

bool resize_identity(const Node *node) { return shape_equal(node->shape, node->in[0]->shape); }

bool resize_repeats(const Node *node, int64_t factor[2]) {
  if (!is_nearest(node)) return false;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t in = resized_size(node->in[0], axis), out = resized_size(node, axis);
    if (out % in) return false;
    factor[axis] = out / in;
  }
  return true;
}

void resize_field(const Node *node, int axis, int64_t *sees, double *jump) {
  const int64_t in = resized_size(node->in[0], axis), out = resized_size(node, axis);
  *sees = is_nearest(node) || in == 1 || in == out ? 1 : is_cubic(node) ? 4 : 2;
  *jump *= (double)in / (double)out;
}

const Op op_resize = {
    .name = "resize",
    .group = "shape",
    .summary = "resizes the input",
    .detail =
        "Along an axis of I input and O output elements, output element o is at position s of the input. "
        "mode=bilinear: s = max(0, (o + 0.5)*I/O - 0.5), or with corners=true s = o*(I - 1)/(O - 1); the "
        "result is the mean of x[floor(s)] and the next element, weighted by distance. mode=cubic: the same "
        "s, except that s may be negative; the result is a sum of four elements, weighted with Keys's "
        "kernel, a = -3/4. mode=nearest: x[floor(o*I/O)]. mode=nearest_exact: x[floor((o + 0.5)*I/O)]",
    .params = params,
    .example = "resize(56x56, mode=nearest)",
    .traits.needs_axes = true,
    .shape = shape,
    .identity = resize_identity,
    .traits.repeats = resize_repeats,
    .traits.receptive_field = resize_field,
    .eval = resize_eval,
    .gradient = resize_gradient,
    .lower = resize_lower,
    .traits.stream = STREAM_REPEATED,
};
