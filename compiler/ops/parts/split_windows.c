/* split_windows.c: split_windows: parts of an image become rows of the leading axis. The parts are blocks of
 * neighboring pixels (Liu et al., 2021: Swin) or pixels at equal distances (Tu et al., 2022: MaxViT; the
 * patches of MobileViT). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/window.h"
#include "ops/parts/moves.h"

static const Param params[] = {
    {"size", PARAM_WINDOW, NULL, "size of a window; with mode=grid, the number of windows along each axis", 0,
     0, NULL},
    {"mode", PARAM_CHOICE, "block",
     "block: a window has neighboring pixels; grid: a window has pixels at regular intervals", 0, 0,
     "block grid"},
    {"shift", PARAM_NUMBERS, "0", "N or [dy, dx]: pixel (y, x) is read from ((y+dy) mod H, (x+dx) mod W)", 0,
     0, NULL},
    {0}};

static void report_rest(ShapeContext *context, const Node *node, const int64_t size[2]) {
  const Shape in = node->in[0]->shape;
  static const char *const axis_name[] = {"height", "width"};
  Diag *diag = op_error_at(context, node, "size", DIAG_groups_mismatch,
                           "size %lldx%lld of %s does not divide its %lldx%lld input", (long long)size[0],
                           (long long)size[1], node->op->name, (long long)in.dim[0], (long long)in.dim[1]);
  int64_t missing[2];
  for (int axis = 0; axis < 2; axis++) {
    const int64_t rest = in.dim[axis] % size[axis];
    missing[axis] = rest ? size[axis] - rest : 0;
    if (rest)
      diag_fact(diag, "%s: %lld / %lld leaves %lld", axis_name[axis], (long long)in.dim[axis],
                (long long)size[axis], (long long)rest);
  }
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "zero_pad([0, %lld, 0, %lld]) before it makes %lldx%lld", (long long)missing[0],
            (long long)missing[1], (long long)(in.dim[0] + missing[0]), (long long)(in.dim[1] + missing[1]));
}

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  int64_t size[2];
  if (!in.rank) return;
  if (in.rank != 3 || in.regions) {
    Diag *diag =
        op_error(context, node, DIAG_wrong_shape, "split_windows takes an image, but its input is %s",
                 shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  if (!window_size(context, node, "size", size)) return;
  if (in.dim[0] % size[0] || in.dim[1] % size[1]) {
    report_rest(context, node, size);
    return;
  }
  Windows *w = NEW(context->arena, Windows);
  w->grid = arg_is(node, "mode", "grid");
  for (int axis = 0; axis < 2; axis++) {
    w->count[axis] = w->grid ? size[axis] : in.dim[axis] / size[axis];
    w->size[axis] = in.dim[axis] / w->count[axis];
  }
  if (!windows_shift(context, node, in.dim, w->shift)) return;
  node->detail = w;
  node->shape = shape_image(w->size[0], w->size[1], in.dim[2]);
  node->shape.regions = w->count[0] * w->count[1];
  node->shape.parts = true;
}

static void run(const Eval *eval) { windows_run(eval, true); }
static void lower(Lower *l) { windows_lower(l, true); }

static void back_run(const Eval *eval) { windows_run(eval, false); }
static void back_lower(Lower *l) { windows_lower(l, false); }
static const Op op_back = {
    .name = "split_windows input gradient", .traits.mixes_rows = true, .eval = back_run, .lower = back_lower};
static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_split_windows = {
    .name = "split_windows",
    .group = "attention",
    .summary = "turns the windows of an image into rows: HxWxC becomes R rows of hxwxC",
    .detail =
        "mode=block: (H/h)*(W/w) windows, ordered row by row. mode=grid with size [gh, gw]: row i*gw + j "
        "contains the pixels (y*gh + i, x*gw + j). The image is shifted first, as with torch.roll by -shift",
    .params = params,
    .example = "split_windows(7, shift=3)",
    .traits.mixes_rows = true,
    .traits.int8 = INT8_MOVE,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
