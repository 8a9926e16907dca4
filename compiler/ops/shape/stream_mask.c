/* stream_mask.c: hidden operators that replace rows before the start of an endless sequence by the padding of
 * their reader, and count calls for that (passes/stream.c). */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"
#include "kernel/walk.h"
#include "ops/registry.h"
#include "ops/shape/stream_mask.h"

/* ---- calls so far, up to the number after which no row is masked ---- */
static double most_calls(const Node *node) { return *(const double *)node->detail; }

MAP_EVAL(count_eval) { return fmin(x[0] + 1, most_calls(node)); }
MAP_VALUE(count_map) { return vmin(add(m->x[0], num(m->b, 1)), num(m->b, most_calls(m->node))); }

static const Op op_stream_count = {
    .name = "stream_count", MAP_OPERATOR, .map_eval = count_eval, .map = count_map};

Node *stream_counter(Graph *graph, int64_t most) {
  Node *state = state_hidden(graph, "calls", shape_vector(1), F32, NULL, 0);
  Node *count = graph_hidden(graph, &op_stream_count, NULL, state->shape, RESULT_SAMPLE, 1, &state);
  double *detail = NEW(graph->arena, double);
  *detail = (double)most;
  count->detail = detail;
  count->name = state->name;
  update_hidden(graph, count, state);
  return state;
}

/* ---- which row is the first ---- */
double stream_first_row(const Eval *eval, const StreamRow *row) {
  return eval->in[1][0] * (double)row->rows + (double)row->offset;
}

/* The number of the row at that index, as a float: the counter stays small. */
Val stream_row_number(Lower *l, const StreamRow *row, const Ix *index) {
  Nest *b = l->b;
  const Val calls = nest_load(b, nest_at(b, l->in[1], 0, 0, 0), 1),
            first = add(mul(calls, num(b, (double)row->rows)), num(b, (double)row->offset));
  return add(first, convert(position(b, index), F32));
}

/* ---- the mask ---- */
typedef struct Mask {
  StreamRow row;
  double fill; /* in an int8 model the stored number */
} Mask;

static void mask_run(const Eval *eval) {
  const Mask *mask = eval->node->detail;
  const int64_t rows = eval->node->shape.dim[0], row = shape_elements(eval->node->shape) / rows;
  for (int64_t i = 0; i < rows * row; i++) {
    const bool real = stream_first_row(eval, &mask->row) + (double)(i / row) >= 0;
    eval->out[i] = real ? eval->in[0][i] : mask->fill;
  }
}

static void mask_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  Nest *b = l->b;
  const Mask *mask = context;
  const Elem elem = l->node->elem;
  const bool floats = elem == F32;
  const Val before = less(stream_row_number(l, &mask->row, l->node->shape.rank == 2 ? x : y), num(b, 0)),
            value = walk_load(l, l->in[0], y, x, c, part, lanes),
            fill = floats ? num(b, mask->fill) : num_i32(b, (int32_t)mask->fill),
            made =
                choose(before, lanes > 1 ? splat(fill, lanes) : fill, floats ? value : convert(value, I32));
  lower_store(l, floats ? made : convert(made, elem), y, x, c, part, lanes);
}

static void mask_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), mask_body, l->node->detail);
}

static const Op op_stream_mask = {.name = "stream_mask",
                                  .traits.per_image = true,
                                  .traits.keeps_spatial = true,
                                  .eval = mask_run,
                                  .lower = mask_lower};

Node *stream_masked(Graph *graph, Node *value, Node *counter, int64_t rows, int64_t offset, double fill) {
  Node *in[2] = {value, counter};
  Node *node = graph_hidden(graph, &op_stream_mask, NULL, value->shape, RESULT_SAMPLE, 2, in);
  Mask *mask = NEW(graph->arena, Mask);
  *mask = (Mask){{rows, offset}, number_stored(value->quant, fill)};
  node->detail = mask;
  node->name = value->name;
  node->span = value->span;
  node->site = value->site;
  node->elem = value->elem;
  node->quant = value->quant;
  return node;
}
