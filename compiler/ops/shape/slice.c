/* slice.c: slice, some channels of the input. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/shape/region.h"

static const Param params[] = {
    {"channels", PARAM_RANGE, NULL,
     "from..to: channels from, from + 1, ..., to - 1; from..: channels from, ..., the last channel", 0, 0,
     NULL},
    {0}};

static int64_t whole_item(const Const *item) { return item->kind == CONST_INT ? item->i : (int64_t)item->f; }
static bool is_open(const Const *end) { return end->kind == CONST_FLOAT && isinf(end->f) && end->f > 0; }

static int64_t from_of(const Node *node) { return whole_item(&arg_const(node, "channels")->items[0]); }
static int64_t to_of(const Node *node, int64_t channels) {
  const Const *end = &arg_const(node, "channels")->items[1];
  return is_open(end) ? channels : whole_item(end);
}

static bool whole_numbers(const Const *range) {
  for (int i = 0; i < 2; i++)
    if (range->items[i].kind != CONST_INT && !(i == 1 && is_open(&range->items[i])) &&
        !(range->items[i].f == floor(range->items[i].f) && fabs(range->items[i].f) < 1e15))
      return false;
  return true;
}
static Box slice_region(const Node *node) { return (Box){0, 0, from_of(node)}; }

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank || arg_const(node, "channels")->kind != CONST_RANGE) return;
  if (!whole_numbers(arg_const(node, "channels"))) {
    op_error_at(context, node, "channels", DIAG_wrong_type, "slice takes integers: from..to are channels");
    return;
  }
  const int64_t channels = in.dim[in.rank - 1], from = from_of(node), to = to_of(node, channels);
  if (from >= 0 && from < to && to <= channels) {
    node->shape = in;
    node->shape.dim[in.rank - 1] = to - from;
    return;
  }
  const char *range = arena_printf(context->arena, "%lld..%lld", (long long)from, (long long)to),
             *text = shape_text(context->arena, in);
  Diag *diag = from >= to ? op_error_at(context, node, "channels", DIAG_index_range,
                                        "slice of %s selects no channels of its %s input", range, text)
                          : op_error_at(context, node, "channels", DIAG_index_range,
                                        "slice of channels %s, but its %s input has channels 0 to %lld",
                                        range, text, (long long)(channels - 1));
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "the end is not included: 0..1 selects the first channel, 0..%lld selects all",
            (long long)channels);
}

static void run(const Eval *eval) {
  box_cut(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
          slice_region(eval->node));
}
static void lower(Lower *l) { box_lower_cut(l, slice_region(l->node)); }

static void backward(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_wanted(gradient, node->in[0]))
    gradient_add(gradient, node->in[0],
                 box_gradient_place(gradient, node, dy, node->in[0]->shape, slice_region(node)));
}

const Op op_slice = {
    .name = "slice",
    .group = "shape",
    .summary = "selects channels; 2..5 are the channels 2, 3 and 4",
    .detail = "y[c] = x[from + c]",
    .params = params,
    .example = "slice(0..16)",
    .traits.keeps_spatial = true,
    .shape = shape,
    .traits.channel_slice = from_of,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.int8 = INT8_MOVE,
    .traits.stream = STREAM_ROWS,
};
