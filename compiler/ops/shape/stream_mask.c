/* stream_mask.c: Hidden operators for endless sequences (passes/stream.c): one counts calls, one replaces
 * rows before the start with padding, and one replaces a state with a given value in call 0. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"
#include "kernel/walk.h"
#include "ops/registry.h"
#include "ops/shape/stream_mask.h"

/* ---- number of calls, at most the number after which no row is masked ---- */
static double most_calls(const Node *node) { return *(const double *)node->detail; }

MAP_EVAL(count_eval) { return fmin(x[0] + 1, most_calls(node)); }
MAP_VALUE(count_map) { return vmin(add(m->x[0], num(m->b, 1)), num(m->b, most_calls(m->node))); }

static const Op op_stream_count = {
    .name = "stream_count", MAP_OPERATOR, .map_eval = count_eval, .map = count_map};

Node *stream_counter(Graph *graph, int64_t most) {
  double *detail = NEW(graph->arena, double);
  *detail = (double)most;
  return state_advanced(graph, "calls", 1, &op_stream_count, detail);
}

/* ---- indices of a call's rows in the sequence; negative before the start of the sequence ---- */
double stream_first_row(const Eval *eval, const StreamRow *row) {
  return eval->in[1][0] * (double)row->rows + (double)row->offset;
}

/* The index, in the sequence, of the value's row `index`, as a float. The float is exact because the counter
 * stays small. */
Val stream_row_number(Lower *l, const StreamRow *row, const Ix *index) {
  Nest *b = l->b;
  const Val calls = nest_load(b, nest_at(b, l->in[1], 0, 0, 0), 1),
            first = add(mul(calls, num(b, (double)row->rows)), num(b, (double)row->offset));
  return add(first, convert(position(b, index), F32));
}

/* ---- the mask ---- */
typedef struct Mask {
  StreamRow row;
  double fill;           /* replaces the masked elements; in an int8 model, the stored integer */
  const double *channel; /* NULL, or one fill per channel, used instead of `fill` */
} Mask;

static void mask_run(const Eval *eval) {
  const Mask *mask = eval->node->detail;
  const Shape shape = eval->node->shape;
  const int64_t rows = shape.dim[0], row = shape_elements(shape) / rows, channels = shape_extent(shape).c;
  for (int64_t i = 0; i < rows * row; i++) {
    const bool real = stream_first_row(eval, &mask->row) + (double)(i / row) >= 0;
    eval->out[i] = real ? eval->in[0][i] : mask->channel ? mask->channel[i % channels] : mask->fill;
  }
}

/* The fill of the channels from c on. */
static Val mask_fill(Lower *l, const Mask *mask, Buf *channels, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  const bool floats = l->node->elem == F32;
  if (channels) {
    const Val fill = nest_load_part(b, nest_at(b, channels, *c), part, lanes);
    return floats ? fill : convert(fill, I32);
  }
  const Val fill = floats ? num(b, mask->fill) : num_i32(b, (int32_t)mask->fill);
  return lanes > 1 ? splat(fill, lanes) : fill;
}

static void mask_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  Nest *b = l->b;
  const Mask *mask = l->node->detail;
  const Elem elem = l->node->elem;
  const bool floats = elem == F32;
  const Val before = less(stream_row_number(l, &mask->row, l->node->shape.rank == 2 ? x : y), num(b, 0)),
            value = walk_load(l, l->in[0], y, x, c, part, lanes),
            fill = mask_fill(l, mask, *(Buf *const *)context, c, part, lanes),
            made = choose(before, fill, floats ? value : convert(value, I32));
  lower_store(l, floats ? made : convert(made, elem), y, x, c, part, lanes);
}

static void mask_lower(Lower *l) {
  const Mask *mask = l->node->detail;
  const int64_t channels = shape_extent(l->node->shape).c;
  Buf *table = NULL;
  if (mask->channel) {
    float *values = NEW_ARRAY(l->arena, float, channels);
    for (int64_t c = 0; c < channels; c++) values[c] = (float)mask->channel[c];
    table = lower_table(l, values, channels);
  }
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), mask_body, &table);
}

static const Op op_stream_mask = {.name = "stream_mask",
                                  .traits.per_image = true,
                                  .traits.keeps_spatial = true,
                                  .eval = mask_run,
                                  .lower = mask_lower};

static Node *masked_rows(Graph *graph, Node *value, Node *counter, Mask of) {
  Node *in[2] = {value, counter};
  Node *node = graph_hidden(graph, &op_stream_mask, NULL, value->shape, RESULT_SAMPLE, 2, in);
  Mask *mask = NEW(graph->arena, Mask);
  *mask = of;
  node->detail = mask;
  node->name = value->name;
  node->span = value->span;
  node->site = value->site;
  node->elem = value->elem;
  node->quant = value->quant;
  return node;
}

Node *stream_masked(Graph *graph, Node *value, Node *counter, int64_t rows, int64_t offset, double fill) {
  return masked_rows(graph, value, counter, (Mask){{rows, offset}, number_stored(value->quant, fill), NULL});
}

Node *stream_masked_channels(Graph *graph, Node *value, Node *counter, int64_t rows, int64_t offset,
                             const double *fill) {
  return masked_rows(graph, value, counter, (Mask){{rows, offset}, 0, fill});
}

/* ---- a given value in call 0, the state in later calls ---- */
static void started_run(const Eval *eval) {
  const double *from = eval->in[eval->in[2][0] == 0 ? 0 : 1];
  for (int64_t i = 0; i < shape_elements(eval->node->shape); i++) eval->out[i] = from[i];
}

static void started_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  (void)context;
  Nest *b = l->b;
  const bool floats = l->node->elem == F32;
  const Val calls = nest_load(b, nest_at(b, l->in[2], 0, 0, 0), 1),
            first = walk_load(l, l->in[0], y, x, c, part, lanes),
            later = walk_load(l, l->in[1], y, x, c, part, lanes),
            value = choose(less(calls, num(b, 1)), floats ? first : convert(first, I32),
                           floats ? later : convert(later, I32));
  lower_store(l, floats ? value : convert(value, l->node->elem), y, x, c, part, lanes);
}

static void started_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), started_body, NULL);
}

static const Op op_stream_start = {.name = "stream_start",
                                   .traits.per_image = true,
                                   .traits.layer_part = true,
                                   .eval = started_run,
                                   .lower = started_lower};

Node *stream_started(Graph *graph, Node *first, Node *state, Node *counter) {
  Node *in[3] = {first, state, counter};
  Node *node = graph_hidden(graph, &op_stream_start, NULL, state->shape, RESULT_SAMPLE, 3, in);
  node->name = arena_printf(graph->arena, "%s_start", state->name);
  node->span = state->span;
  node->site = state->site;
  node->elem = state->elem;
  node->quant = state->quant;
  return node;
}
