/* stream.c: Pass that builds the graph of one step, which computes the next rows of an endless sequence. A
 * reader that needs rows of earlier calls gets a concatenation: the rows in a state (the history), then the
 * new rows. The state is updated with the last of these rows. Thus the graph of a step is an ordinary net
 * with states.
 *
 * If a history is long and there are few new rows, the state also contains the new rows. The concatenation
 * can then be made in the state itself (passes/states.c): the old rows move to its start, and the new rows
 * follow them. A history can be a gather ring if a dilated window reads it, and all readers together need
 * fewer rows than the history has. From a gather ring, only the rows that the readers need are copied
 * (ops/shape/stream_ring.c).
 *
 * With --slide, layers can be computed in steps only if they read no padding at the edges of the sliding
 * window. A layer that is not computed in steps computes the whole sliding window in each call.
 *
 * Requires: a checked graph. Preserves: the values of the computed rows, bit for bit. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/stream.h"
#include "base/number.h"
#include "ops/registry.h"
#include "ops/shape/stream_ring.h"
#include "passes/passes.h"

/* ---- rows of earlier calls ---- */
/* The rows that a reader of a ring needs, numbered as in StreamNeed. */
typedef struct Reader {
  RingTaps taps;
  Node *rows; /* for a gather ring: the gathered rows; NULL: not yet created */
} Reader;

/* Rows of a value for some of its readers: a history and the new rows. Rows before the sequence have the
 * value `fill`. */
typedef struct Ring {
  const Node *of;
  double fill;
  bool any, masked, dilated; /* dilated: at least one reader is a dilated window */
  int64_t history;
  VEC(Reader) readers; /* one for each different set of rows that readers of the history need */
  int gather;          /* index of the gather ring in Step.places; -1: not a gather ring */
  Node *rows;          /* the history, then the new rows; for a gather ring only the new rows */
  Node *state;         /* for a gather ring: the state that stores the history */
  /* only if the state also stores the new rows. kept: the state; moved: the history, moved to the start of
   * the state */
  Node *kept, *moved;
} Ring;

typedef struct Step {
  Streams *streams;
  Graph *to;
  Node **map;  /* by node id: the rows of a step, or the whole value */
  Node *calls; /* the number of earlier calls; NULL: no node has needed it so far */
  VEC(Ring) rings;
  VEC(RingPlace) places; /* one per gather ring */
  Node *positions;       /* by gather ring: the index of the ring's oldest row; NULL: no ring */
} Step;

static StepRows stream_steps(const Step *s, const Node *node) { return s->streams->flow[node->id].step; }

static Ring *ring_of(Step *s, const Node *of, const StreamNeed *need) {
  for (int i = 0; i < s->rings.n; i++) {
    Ring *ring = &s->rings.data[i];
    if (ring->of != of) continue;
    if (need->any || (ring->masked == need->masked && (ring->any || ring->fill == need->fill))) return ring;
  }
  return NULL;
}

/* The rows that a reader reads. A dilated window reads only some of the rows in `need`. If `reader` is NULL,
 * all rows in `need` are read. */
static RingTaps ring_taps(const Step *s, const Node *reader, const StreamNeed *need) {
  const RingTaps all = {1, need->first, 0, need->count};
  if (!reader || !s->streams->flow[reader->id].flows || !reader->window || stream_in_regions(reader) ||
      stream_rule(reader) != STREAM_WINDOW || stream_counts_rows(reader))
    return all;
  const int axis = stream_axis(reader->in[0]->shape);
  const int64_t taps = reader->window->kernel[axis], apart = reader->window->dilation[axis];
  return apart == 1 || taps == 1 ? all
                                 : (RingTaps){taps, need->first, apart, need->count - apart * (taps - 1)};
}

static Reader *ring_reader(const Ring *ring, const RingTaps *taps) {
  for (int i = 0; i < ring->readers.n; i++) {
    const RingTaps *other = &ring->readers.data[i].taps;
    if (other->n == taps->n && other->first == taps->first && other->apart == taps->apart &&
        other->rows == taps->rows)
      return &ring->readers.data[i];
  }
  return NULL;
}

/* Whether exactly the new rows are needed. */
static bool needs_new(const Step *s, const Node *of, const StreamNeed *need) {
  const StepRows rows = stream_steps(s, of);
  return need->first == rows.offset && need->count == rows.rows && !need->masked;
}

static void add_need(Step *s, const Node *of, const Node *reader, const StreamNeed *need) {
  Ring *ring = ring_of(s, of, need);
  const RingTaps taps = ring_taps(s, reader, need);
  if (!ring) {
    const Ring new = {.of = of, .any = true, .masked = need->masked, .gather = -1};
    vec_push(s->streams->arena, s->rings, new);
    ring = &s->rings.data[s->rings.n - 1];
  }
  ring->dilated = ring->dilated || taps.n > 1;
  if (!needs_new(s, of, need) && !ring_reader(ring, &taps))
    vec_push(s->streams->arena, ring->readers, ((Reader){taps, NULL}));
  if (!need->any) {
    ring->any = false;
    ring->fill = need->fill;
  }
  ring->history = larger(ring->history, step_history(stream_steps(s, of), need->first));
}

/* Readers that depend on the fill are processed first. Other readers can then use the rings of these
 * readers. */
static void find_rings(Step *s) {
  const Graph *graph = s->streams->graph;
  StreamNeed need;
  for (int any = 0; any < 2; any++)
    for (int i = 0; i < graph->nodes.n; i++) {
      const Node *node = graph->nodes.data[i];
      for (int k = 0; k < node->nin; k++)
        if (s->streams->live[i] && stream_needs(s->streams, node, k, &need) && need.any == any)
          add_need(s, node->in[k], node, &need);
    }
  for (int o = 0; o < graph->outputs.n && s->streams->window; o++)
    if (stream_needs_window(s->streams, graph->outputs.data[o].node, &need))
      add_need(s, graph->outputs.data[o].node, NULL, &need);
}

static void find_gather_rings(Step *s) {
  for (int i = 0; i < s->rings.n; i++) {
    Ring *ring = &s->rings.data[i];
    int64_t gathered = 0;
    const int64_t added = stream_steps(s, ring->of).rows;
    for (int k = 0; k < ring->readers.n; k++)
      gathered += ring->readers.data[k].taps.n * ring->readers.data[k].taps.rows;
    if (!ring->dilated || gathered >= ring->history || ring->history > MOST_RING_ROWS) continue;
    if (added > ring->history) continue; /* positions wrap at most once per call */
    ring->gather = s->places.n;
    const RingPlace place = {ring->gather, ring->history, added};
    vec_push(s->to->arena, s->places, place);
  }
  if (s->places.n) s->positions = ring_positions(s->to, s->places.n, s->places.data);
}

/* ---- nodes ---- */
static Node *kept_state(Step *s, const Ring *ring, const Node *value, int64_t rows) {
  Shape shape = value->shape;
  if (shape.regions) shape = shape_sequence(shape.regions, shape_row_elements(shape));
  Node *state = state_hidden(s->to, arena_printf(s->to->arena, "%s_past", value->name),
                             stream_with_rows(shape, rows), value->elem, value->quant, ring->fill);
  state->span = value->span;
  state->site = value->site;
  return state;
}

/* Whether the value is already an operand of a concat. That can happen because several values of the program,
 * such as crops of one value, may be the same value in a step. */
static bool is_stacked(const Graph *graph, const Node *value) {
  for (int i = value->id + 1; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    for (int k = 0; k < node->nin && node->op->traits.concat_offset; k++)
      if (node->in[k] == value) return true;
  }
  return false;
}

/* Whether the kernel of the value can write the value directly after the history. */
static bool can_follow(const Step *s, const Node *value) {
  const OpTraits *traits = &value->op->traits;
  if (is_stacked(s->to, value)) return false;
  for (int i = 0; i < s->streams->graph->outputs.n; i++)
    if (s->map[s->streams->graph->outputs.data[i].node->id] == value) return false;
  return !node_is_input(value) && !value->op->source && value->op->family != FAMILY_ALIAS &&
         !traits->channel_slice && !traits->channel_offset && !traits->slice_offset && !traits->concat_offset;
}

/* The number of calls after which no row with a negative index is read. */
static int64_t calls_before(const Step *s) {
  const Graph *graph = s->streams->graph;
  int64_t most = 1;
  StreamNeed need;
  for (int i = 0; i < graph->nodes.n; i++)
    for (int k = 0; k < graph->nodes.data[i]->nin; k++)
      if (stream_needs(s->streams, graph->nodes.data[i], k, &need)) {
        const StepRows rows = stream_steps(s, graph->nodes.data[i]->in[k]);
        most = larger(most, ceil_divide(-smaller(need.first, rows.offset), rows.rows));
      }
  return most;
}

static Node *calls_so_far(Step *s) {
  if (!s->calls) s->calls = stream_counter(s->to, calls_before(s));
  return s->calls;
}

/* Whether the state also stores the new rows: only if they make the state larger by at most a quarter. */
static bool keeps_new_rows(const Step *s, const Ring *ring) {
  enum { HISTORY = 4 };
  return ring->gather < 0 && ring->history >= HISTORY * stream_steps(s, ring->of).rows;
}

/* Moves the rows of the history to the start of the state, before the new rows are computed. */
static void move_rings(Step *s, const Node *of) {
  for (int i = 0; i < s->rings.n; i++) {
    Ring *ring = &s->rings.data[i];
    if (ring->of != of || !keeps_new_rows(s, ring)) continue;
    const int64_t rows = stream_steps(s, of).rows;
    ring->kept = kept_state(s, ring, of, ring->history + rows);
    ring->moved = rows_moved(s->to, ring->kept, rows);
  }
}

static void make_ring(Step *s, Ring *ring) {
  Node *value = s->map[ring->of->id];
  const StepRows rows = stream_steps(s, ring->of);
  if (ring->history || ring->masked) value = rows_of_regions(s->to, value);
  if (ring->masked) value = stream_masked(s->to, value, calls_so_far(s), rows.rows, rows.offset, ring->fill);
  ring->rows = value;
  if (ring->gather >= 0) ring->state = kept_state(s, ring, s->map[ring->of->id], ring->history);
  if (!ring->history || ring->state) return;
  Node *state = ring->kept ? ring->kept : kept_state(s, ring, s->map[ring->of->id], ring->history),
       *kept = ring->kept ? ring->moved : rows_kept(s->to, state);
  Node *part[2] = {kept, ring->masked || can_follow(s, value) ? value : rows_kept(s->to, value)};
  ring->rows = rows_stacked(s->to, 2, part);
  update_hidden(s->to, ring->kept ? ring->rows : rows_cut(s->to, ring->rows, rows.rows, ring->history),
                state);
}

static void make_rings(Step *s, const Node *of) {
  for (int i = 0; i < s->rings.n; i++)
    if (s->rings.data[i].of == of) make_ring(s, &s->rings.data[i]);
}

/* Whether the needed rows are copied out of a gather ring. */
static bool needs_gathered(Step *s, const Node *of, const StreamNeed *need) {
  return ring_of(s, of, need)->state && !needs_new(s, of, need);
}

static Node *gathered_rows(Step *s, const Ring *ring, RingTaps taps) {
  Reader *reader = ring_reader(ring, &taps);
  taps.first -= stream_steps(s, ring->of).offset - ring->history; /* relative to the oldest row */
  if (!reader->rows)
    reader->rows =
        ring_gathered(s->to, ring->rows, ring->state, s->positions, &s->places.data[ring->gather], &taps);
  return reader->rows;
}

static Node *needed_rows(Step *s, const Node *of, const Node *reader, const StreamNeed *need) {
  const Ring *ring = ring_of(s, of, need);
  const StepRows rows = stream_steps(s, of);
  if (needs_new(s, of, need) && (of->shape.regions || !ring->history || ring->state)) return s->map[of->id];
  if (needs_gathered(s, of, need))
    return regions_of_rows(s->to, gathered_rows(s, ring, ring_taps(s, reader, need)), of->shape);
  Node *all = rows_of_regions(s->to, ring->rows);
  return regions_of_rows(
      s->to, rows_cut(s->to, all, need->first - (rows.offset - ring->history), need->count), of->shape);
}

/* ---- layers ---- */
/* Sets the window on the rows of a step: without padding along the rows; for a transposed convolution, with a
 * crop that leaves only the step's rows. Gathered rows are ordered by tap: all rows of tap 0, then all rows
 * of tap 1, and so on. So for gathered rows the dilation is the number of rows per tap. */
static void set_step_window(Step *s, Node *step, const Node *node, const StreamNeed *need) {
  const int axis = stream_axis(node->in[0]->shape);
  Window *window = NEW(s->to->arena, Window);
  *window = *node->window;
  window->before[axis] = window->after[axis] = 0;
  const RingTaps taps = ring_taps(s, node, need);
  if (taps.n > 1 && needs_gathered(s, node->in[0], need)) window->dilation[axis] = taps.rows;
  if (stream_rule(node) == STREAM_TRANSPOSED) {
    const int64_t stride = window->stride[axis];
    window->before[axis] = stream_steps(s, node).offset + node->window->before[axis] - need->first * stride;
    window->after[axis] = (need->count - 1) * stride + window->dilation[axis] * (window->kernel[axis] - 1) +
                          1 - window->before[axis] - stream_steps(s, node).rows;
  }
  step->window = window;
}

/* Sets the border of a zero_pad or crop along the rows to 0, because the rows that the step reads already
 * account for this border. False: no border remains, so the step does not need the node. */
static bool set_border(Step *s, Node *step, const Node *node) {
  int64_t before[2], after[2];
  const int axis = stream_axis(node->shape);
  node->op->traits.border(node, before, after);
  before[axis] = after[axis] = 0;
  node->op->traits.set_border(s->to->arena, step, before, after);
  return before[!axis] || after[!axis] || shape_extent(node->shape).c != shape_extent(node->in[0]->shape).c;
}

/* Appends a layer that continues from its final state in the previous call; returns the node of the layer's
 * value. */
static Node *kept_layer(Step *s, const Node *node, Node *step) {
  const StepRows in = stream_steps(s, node->in[0]), out = stream_steps(s, node);
  const bool counts = stream_state_counts(node, in, out);
  return node->op->keep(s->to, step, counts ? calls_so_far(s) : NULL, out.rows, out.offset);
}

static Node *step_node(Step *s, const Node *node) {
  const bool flows = s->streams->flow[node->id].flows, regions = stream_in_regions(node);
  const StreamRule rule = stream_rule(node);
  Node *step = graph_copy_node(s->to->arena, node, s->map);
  StreamNeed need = {0};
  for (int k = node->nin - 1; k >= 0; k--)
    if (stream_needs(s->streams, node, k, &need)) step->in[k] = needed_rows(s, node->in[k], node, &need);
  if (flows) {
    step->shape = stream_with_rows(node->shape, stream_steps(s, node).rows);
    if (!regions && (rule == STREAM_WINDOW || rule == STREAM_TRANSPOSED))
      set_step_window(s, step, node, &need);
    if (!regions && stream_counts_rows(node))
      node->op->traits.count_rows(s->to->arena, step, calls_so_far(s), stream_steps(s, node->in[0]).rows,
                                  need.first);
    if (!regions && (rule == STREAM_CROPPED || rule == STREAM_PADDED) && !set_border(s, step, node))
      return step->in[0];
  }
  /* If a call gets the whole input, the layer computes all rows, and does not continue from a state. */
  const bool continues = node->op->keep && s->streams->flow[node->in[0]->id].flows;
  if (continues && !s->streams->window) return kept_layer(s, node, step);
  graph_append(s->to, step);
  return step;
}

static void add_nodes(Step *s) {
  const Graph *graph = s->streams->graph;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!s->streams->live[i] && !node_is_input(node)) continue;
    move_rings(s, node);
    s->map[i] = step_node(s, node);
    make_rings(s, node);
  }
}

/* Whether the value (or, for an alias, the aliased value) is a part of another value or contains other
 * values. */
static bool is_part_of_rows(const Graph *graph, const Node *value) {
  while (value->op->family == FAMILY_ALIAS && value->nin) value = value->in[0];
  return value->op->traits.slice_offset || value->op->traits.concat_offset || is_stacked(graph, value);
}

/* With --slide, outputs have the rows of a window. Outputs that share rows with other values are copied. */
static void add_outputs(Step *s) {
  const Graph *graph = s->streams->graph;
  StreamNeed need;
  graph_copy_ports(s->to, graph, s->map);
  for (int o = 0; o < graph->outputs.n; o++) {
    const Node *node = graph->outputs.data[o].node;
    Node **made = &s->to->outputs.data[o].node;
    if (s->streams->window && stream_needs_window(s->streams, node, &need))
      *made = needed_rows(s, node, NULL, &need);
    if (is_part_of_rows(s->to, *made)) *made = rows_kept(s->to, *made);
  }
}

static void update_gather_rings(Step *s) {
  for (int i = 0; i < s->rings.n; i++) {
    const Ring *ring = &s->rings.data[i];
    if (ring->state) ring_update(s->to, ring->rows, ring->state, s->positions, &s->places.data[ring->gather]);
  }
}

/* ---- for header, summary and JSON ---- */
static StreamLayer stream_layer_of(Step *s, const Node *node) {
  const Flow *flow = &s->streams->flow[node->id];
  StreamLayer layer = {.flows = flow->flows, .rows = larger(stream_rows(node->shape), 1)};
  StreamNeed need;
  if (flow->flows) layer = (StreamLayer){true, flow->step.rows, flow->step.offset, 0, false, flow->late};
  for (int k = 0; k < node->nin; k++)
    if (stream_needs(s->streams, node, k, &need)) {
      layer.history = larger(layer.history, step_history(stream_steps(s, node->in[k]), need.first));
      layer.gathers = layer.gathers || (ring_of(s, node->in[k], &need)->state && layer.history);
    }
  if (flow->flows && node->op->traits.kept_rows && !s->streams->window)
    layer.history = node->op->traits.kept_rows(node);
  return layer;
}

/* The number of calls, from the first one on, in which all rows of all outputs have negative indices. */
static int64_t calls_before_rows(const StreamLayer *output, int n) {
  int64_t calls = n ? INT64_MAX : 0;
  for (int o = 0; o < n; o++)
    calls = smaller(calls, output[o].flows && output[o].rows ? -output[o].offset / output[o].rows : 0);
  return calls;
}

static const Stream *stream_of(Step *s, const Graph *whole, Node *const *tidy) {
  Arena *arena = s->to->arena;
  const Streams *streams = s->streams;
  StreamLayer *layer = NEW_ARRAY(arena, StreamLayer, whole->nodes.n + 1),
              *output = NEW_ARRAY(arena, StreamLayer, whole->outputs.n + 1);
  for (int i = 0; i < whole->nodes.n; i++)
    if (tidy[i]) layer[i] = stream_layer_of(s, tidy[i]);
  for (int o = 0; o < whole->outputs.n; o++) {
    output[o] = layer[whole->outputs.data[o].node->id];
    if (streams->window) output[o].offset = 0;
  }
  Stream *stream = NEW(arena, Stream);
  *stream = (Stream){.whole = whole, .layer = layer, .output = output, .window = streams->window};
  stream->ready = streams->window ? ceil_divide(streams->window, streams->options->slide) - 1
                                  : calls_before_rows(output, whole->outputs.n);
  return stream;
}

Graph *stream_graph(Arena *arena, Diags *diags, const Graph *from, const Graph *written,
                    const Streaming *options) {
  Node **tidy = NULL;
  Streams streams = {.arena = arena,
                     .graph = inference_tidy(arena, from, &tidy),
                     .written = written,
                     .options = options,
                     .diags = diags};
  if (!stream_rules(&streams)) return NULL;
  Step s = {.streams = &streams, .to = graph_copy_head(arena, streams.graph)};
  s.map = NEW_ARRAY(arena, Node *, streams.graph->nodes.n + 1);
  find_rings(&s);
  find_gather_rings(&s);
  add_nodes(&s);
  add_outputs(&s);
  update_gather_rings(&s);
  for (int i = 0; i < s.to->nodes.n; i++)
    s.to->nodes.data[i]->hidden = NULL; /* later passes treat these nodes like nodes of the source */
  s.to->stream = stream_of(&s, from, tidy);
  return s.to;
}
