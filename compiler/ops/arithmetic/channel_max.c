/* channel_max.c: channel_max, the largest channel of each pixel (Woo et al., 2018, CBAM). NaN counts as the
 * largest. Channels equal to the maximum share its gradient evenly, as in torch.amax. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/channels.h"

static const Param params[] = {{0}};

static double largest_of(const double *x, int64_t channels) {
  double largest = x[0];
  for (int64_t c = 1; c < channels; c++)
    if (x[c] > largest || isnan(x[c])) largest = x[c];
  return largest;
}

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) eval->out[p] = largest_of(eval->in[0] + p * e.c, e.c);
}

/* 0, or NaN if the input element is NaN. */
static Val not_a_number(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  (void)context;
  Val v = nest_let(l->b, "v", walk_load(l, l->in[0], y, x, c, part, lanes));
  return choose(equal(v, v), num(l->b, 0), v);
}

static Val most(Lower *l, const Ix *y, const Ix *x, int64_t channels) {
  const Val unknown = walk_row_sum(l, channels, y, x, not_a_number, NULL);
  return add(walk_row_max(l, l->in[0], y, x, channels), unknown);
}

static void lower(Lower *l) { channels_lower(l, most); }

/* ---- input gradient; inputs dy, x, y ---- */
static void back_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *x = eval->in[1] + p * e.c;
    double count = 0;
    for (int64_t c = 0; c < e.c; c++) count += x[c] == eval->in[2][p];
    for (int64_t c = 0; c < e.c; c++)
      eval->out[p * e.c + c] = x[c] == eval->in[2][p] ? eval->in[0][p] / count : 0;
  }
}

typedef struct Row {
  Val largest, share;
} Row;

static Val is_largest(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  const Row *row = context;
  return choose(equal(walk_load(l, l->in[1], y, x, c, part, lanes), row->largest), num(l->b, 1),
                num(l->b, 0));
}

/* In the last vector, lanes after the last channel contain zeros. If the largest channel is also 0, these
 * lanes were counted as channels equal to the maximum. Returns the number of such lanes, which may be 0. */
static Val counted_beyond(Lower *l, int64_t channels, Val largest) {
  const int lanes = walk_lanes(l, channels);
  const int64_t rest = channels % lanes;
  Val none = num(l->b, 0);
  return rest ? choose(equal(largest, none), num(l->b, (double)(lanes - rest)), none) : none;
}

static void share_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Row *row = context;
  Val v = walk_load(l, l->in[1], y, x, c, part, lanes);
  lower_store(l, choose(equal(v, row->largest), row->share, num(l->b, 0)), y, x, c, part, lanes);
}

static void back_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, 2 * e.h * e.w * e.c), 1, NEST_IX(0), 1, NEST_IX(e.h))
    NEST_FOR(b, x, e.w) {
      Row row = {.largest = nest_let(b, "largest", walk_load(l, l->in[2], &y, &x, &zero, 1, 1))};
      Val count = sub(walk_row_sum(l, e.c, &y, &x, is_largest, &row), counted_beyond(l, e.c, row.largest));
      row.share = nest_let(b, "share", div_(walk_load(l, l->in[0], &y, &x, &zero, 1, 1), count));
      walk_channels(l, e.c, &y, &x, share_body, &row);
    }
}

static const Op op_back = {.name = "channel_max input gradient", .eval = back_run, .lower = back_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 3, (Node *[]){dy, node->in[0], node});
}

const Op op_channel_max = {
    .name = "channel_max",
    .group = "combining",
    .summary = "maximum over the channels of each pixel: an image becomes HxWx1",
    .detail = "y = max over c of x[c]",
    .params = params,
    .example = "channel_max -> sigmoid -> multiply(features)",
    .traits.keeps_spatial = true,
    .shape = channels_shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.stream = STREAM_ROWS,
};
