/* unfold.c: unfold: the windows of a sequence become regions, which later layers process one by one. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/window.h"
#include "ops/audio/audio.h"

static const Param params[] = {
    {"size", PARAM_INT, NULL, "number of rows in a window", 0, 0, NULL},
    {"step", PARAM_INT, "size", "number of rows between the starts of adjacent windows", 0, 0, NULL},
    {"pad", PARAM_PAD, "valid",
     "rows of zeros around the sequence: valid, same, causal, N or [before, after]", 0, 0, NULL},
    {0}};

static void shape(ShapeContext *context, Node *node) {
  int64_t windows;
  if (!audio_sequence(context, node, false)) return;
  if (node->in[0]->shape.regions) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape, "unfold needs one sequence, but its input is %s",
                          shape_text(context->arena, node->in[0]->shape));
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "put flatten before it to turn each region into a row of a sequence");
    return;
  }
  if (!window_frames(context, node, &windows)) return;
  node->shape = shape_sequence(node->window->kernel[1], node->in[0]->shape.dim[1]);
  node->shape.regions = windows;
}

/* The row of the sequence that is row `n` of a window. */
static int64_t sequence_row(const Node *node, int64_t window, int64_t n) {
  return window * node->window->stride[1] + n - node->window->before[1];
}

static void run(const Eval *eval) {
  const Extent in = shape_extent(eval->node->in[0]->shape), e = shape_extent(eval->node->shape);
  const double zero = eval->node->quant ? eval->node->quant->zero : 0;
  for (int64_t n = 0; n < e.w; n++)
    for (int64_t c = 0; c < e.c; c++) {
      const int64_t row = sequence_row(eval->node, eval->row, n);
      eval->out[n * e.c + c] = row >= 0 && row < in.w ? eval->in[0][row * in.c + c] : zero;
    }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent in = shape_extent(l->node->in[0]->shape), e = shape_extent(l->node->shape);
  const Window *w = l->node->window;
  const double zero = l->node->quant ? l->node->quant->zero : 0;
  nest_fn(b, b->name, false);
  NEST_LOOP(b, t, walk_rows(l, e.n * e.w * e.c), 1, NEST_IX(0), 1, NEST_IX(e.n)) {
    l->row = &t;
    NEST_FOR(b, n, e.w)
      NEST_FOR(b, c, e.c) {
        const Ix row = t * w->stride[1] + n - w->before[1], top = {0};
        Val x = nest_load(b, nest_at(b, l->in[0], 0, row, c), 1);
        if (w->before[1] || w->after[1])
          x = pick(b, nest_within(b, row, 0, in.w), x,
                   l->node->elem == F32 ? num(b, zero) : convert(num_i32(b, (int32_t)zero), l->node->elem));
        lower_store(l, x, &top, &n, &c, 1, 1);
      }
  }
}

/* ---- the backward pass: the gradient of a row is the sum over the windows that contain the row ---- */
static void back_run(const Eval *eval) {
  const Node *node = node_forward(eval->node);
  const Extent in = shape_extent(eval->node->shape), e = shape_extent(node->shape);
  for (int64_t i = 0; i < in.w * in.c; i++) eval->out[i] = 0;
  for (int64_t t = 0; t < e.n; t++)
    for (int64_t n = 0; n < e.w; n++)
      for (int64_t c = 0; c < e.c; c++) {
        const int64_t row = sequence_row(node, t, n);
        if (row >= 0 && row < in.w) eval->out[row * in.c + c] += eval->in[0][(t * e.w + n) * e.c + c];
      }
}

static void back_lower(Lower *l) {
  Nest *b = l->b;
  const Node *node = node_forward(l->node);
  const Extent in = shape_extent(l->node->shape), e = shape_extent(node->shape);
  const Window *w = node->window;
  Buf *sum = walk_sum_begin(l, in);
  nest_fn(b, b->name, false);
  walk_clear(l, sum, in);
  NEST_FOR(b, t, e.n)
    NEST_FOR(b, n, e.w) {
      const Ix row = t * w->stride[1] + n - w->before[1];
      NEST_IF(b, nest_within(b, row, 0, in.w))
        NEST_FOR(b, c, e.c) {
          const Ref at = nest_at(b, sum, 0, row, c);
          nest_store(b, at, add(nest_load(b, at, 1), nest_load(b, nest_at(b, l->in[0], t, n, c), 1)));
        }
    }
  walk_sum_end(l, sum, in);
}

static const Op op_back = {.name = "unfold input gradient", .eval = back_run, .lower = back_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_unfold = {
    .name = "unfold",
    .group = "audio",
    .summary = "cuts a sequence into windows; each window is a region",
    .detail = "y[t][n] = x[t*step + n - before], with `before` rows of padding at the start. An L x C "
              "sequence becomes T windows of size x C. Later layers process each window separately. For "
              "example, flatten -> dense(n) returns T vectors of n numbers, which the next operator can read "
              "as a T x n sequence",
    .params = params,
    .example = "unfold(576, step=512, pad=[64, 0]) -> conv(64, 5) -> flatten -> dense(128)",
    .traits.loops_over_rows = true,
    .traits.stream = STREAM_WINDOW,
    .traits.int8 = INT8_MOVE,
    .traits.needs_axes = true,
    .shape = shape,
    .eval = run,
    .gradient = gradient,
    .lower = lower,
};
