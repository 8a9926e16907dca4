/* join_windows.c: join_windows, the inverse of split_windows: an image from its windows. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/window.h"
#include "ops/parts/moves.h"

static const Param params[] = {
    {"size", PARAM_WINDOW, NULL, "height and width of the image", 0, 0, NULL},
    {"mode", PARAM_CHOICE, "block", "as in split_windows", 0, 0, "block grid"},
    {"shift", PARAM_NUMBERS, "0", "the shift of split_windows; join_windows undoes this shift", 0, 0, NULL},
    {0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  int64_t size[2];
  if (!in.rank || !window_size(context, node, "size", size)) return;
  if (in.rank != 3) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape, "join_windows takes windows, but its input is %s",
                          shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  Windows *w = NEW(context->arena, Windows);
  int64_t windows = 1;
  w->grid = arg_is(node, "mode", "grid");
  for (int axis = 0; axis < 2; axis++) {
    w->size[axis] = in.dim[axis];
    w->count[axis] = size[axis] / in.dim[axis];
    if (size[axis] % in.dim[axis]) windows = 0;
    windows *= w->count[axis];
  }
  if (windows != shape_rows(in)) {
    Arena *arena = context->arena;
    Diag *diag =
        op_error_at(context, node, "size", DIAG_shape_mismatch, "%s do not make %lldx%lld%s",
                    shape_text(arena, in), (long long)size[0], (long long)size[1],
                    windows ? arena_printf(arena, ": that is %s", text_counted(arena, windows, "window"))
                            : ": not a whole number of windows");
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  if (!windows_shift(context, node, size, w->shift)) return;
  node->detail = w;
  node->shape = shape_image(size[0], size[1], in.dim[2]);
}

static void run(const Eval *eval) { windows_run(eval, false); }
static void lower(Lower *l) { windows_lower(l, false); }

static void back_run(const Eval *eval) { windows_run(eval, true); }
static void back_lower(Lower *l) { windows_lower(l, true); }
static const Op op_back = {
    .name = "join_windows input gradient", .traits.mixes_rows = true, .eval = back_run, .lower = back_lower};
static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_join_windows = {
    .name = "join_windows",
    .group = "attention",
    .summary = "the inverse of split_windows: R rows of hxwxC become HxWxC",
    .detail = "pass the same mode and shift as to split_windows; join_windows undoes the shift",
    .params = params,
    .example = "split_windows(7, shift=3) -> join_windows([56, 56], shift=3)",
    .traits.mixes_rows = true,
    .traits.int8 = INT8_MOVE,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
