/* bands.c: Row bands (patch-based inference): computes the first layers of a net some rows at a time. A
 * layer computes rows when the next layer needs them, and keeps the earlier rows that will be read again: for
 * example, two rows for a 3x3 convolution with stride 1. Only the input image, a few rows of each value, and
 * the last value of these layers are stored. No row is computed twice.
 *
 * (Lin et al., 2021, "MCUNetV2: memory-efficient patch-based inference for tiny deep learning", divide the
 * first layers into patches, whose borders are computed twice.)
 *
 * Requires: a graph for inference, the node at which the bands end, and the number of bands. Preserves:
 * values, bit for bit; creates copies of nodes, one per band. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "graph/shape.h"
#include "passes/passes.h"
#include "ops/registry.h"

/* ---- layers ---- */
/* Whether each window contains at least one row of the image. False for windows with `ceil`. */
static bool reads_whole_image(const Node *node) {
  const Window *w = node->window;
  return !w->ceil && window_end(w, 0, 0) > 0 &&
         window_first(w, 0, node->shape.dim[0] - 1) < node->in[0]->shape.dim[0];
}

/* Whether each row depends only on the input rows of its window or, without a window, on the same input
 * row. */
static bool is_row_local(const Node *node) {
  if (!(node->op->traits.row_local || node->op->family == FAMILY_MAP) || node->result != RESULT_SAMPLE ||
      !node->nin)
    return false;
  const Extent out = shape_extent(node->shape);
  for (int k = 0; k < node->nin; k++) {
    const Shape in = node->in[k]->shape;
    const Extent e = shape_extent(in);
    if (in.rank != 3 || in.regions || (!node->window && (e.h != out.h || e.w != out.w || e.c != out.c)))
      return false;
  }
  return node->shape.rank == 3 && (!node->window || reads_whole_image(node));
}

/* By node id: whether the node is `end` or a node that `end` depends on; the net's inputs are excluded. */
static bool *ancestors(Arena *arena, const Graph *graph, int end) {
  bool *of = NEW_ARRAY(arena, bool, graph->nodes.n + 1);
  of[end] = true;
  for (int i = end; i >= 0; i--) {
    const Node *node = graph->nodes.data[i];
    if (node_is_input(node)) of[i] = false;
    for (int k = 0; of[i] && k < node->nin; k++) of[node->in[k]->id] = true;
  }
  return of;
}

/* Whether bands can end at node `end`: all layers up to `end` are row-local, and of their values only the
 * value of `end` has users outside these layers. */
static bool can_end_at(const Graph *graph, const bool *of, int end) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (of[i] && !is_row_local(node)) return false;
    for (int k = 0; !of[i] && k < node->nin; k++)
      if (of[node->in[k]->id] && node->in[k]->id != end) return false;
  }
  for (int o = 0; o < graph->outputs.n; o++)
    if (of[graph->outputs.data[o].node->id] && graph->outputs.data[o].node->id != end) return false;
  return true;
}

bool bands_can_end_at(Arena *arena, const Graph *graph, int end) {
  const Node *node = graph->nodes.data[end];
  return !graph->stream && !node_is_input(node) && node->shape.rank == 3 && node->shape.dim[0] > 1 &&
         node->shape.dim[0] <= MOST_JOINED && can_end_at(graph, ancestors(arena, graph, end), end);
}

/* ---- bands ---- */
typedef struct Rows { /* stored rows of a layer's value: first .. made - 1 */
  Node *node;
  int64_t first;
  int64_t made, step; /* step: number of rows computed at a time */
} Rows;

typedef struct Banding {
  const Graph *from;
  Graph *to;
  int end;
  const bool *of; /* by node id of `from`: whether the node is computed in bands */
  Rows *rows;     /* by node id: stored rows of a value that is computed in bands */
  Node **map;     /* by node id: the node in `to`; NULL for nodes in bands before `end` */
  Node **part;    /* the bands of the last value */
  int parts;
} Banding;

/* reads_from: the first input row that row `lo` of the value depends on; reads_to: the end of the input
 * rows that the rows before `hi` depend on. Both are clipped to the input. */
static int64_t reads_from(const Node *node, const Node *in, int64_t lo) {
  return node->window ? smaller(larger(window_first(node->window, 0, lo), 0), in->shape.dim[0]) : lo;
}
static int64_t reads_to(const Node *node, const Node *in, int64_t hi) {
  return node->window ? smaller(window_end(node->window, 0, hi - 1), in->shape.dim[0]) : hi;
}

static Node *band_operand(const Banding *b, const Node *in, int64_t lo, int64_t hi) {
  if (!b->of[in->id]) return rows_cut(b->to, b->map[in->id], lo, hi - lo);
  const Rows *rows = &b->rows[in->id];
  return rows_cut(b->to, rows->node, lo - rows->first, hi - lo);
}

/* The window for rows [lo, hi): only rows outside of the whole image are padding. */
static const Window *band_window(const Banding *b, const Node *node, int64_t lo, int64_t hi) {
  if (!node->window) return NULL;
  Window *window = NEW(b->to->arena, Window);
  *window = *node->window;
  window->before[0] = larger(-window_first(node->window, 0, lo), 0);
  window->after[0] = larger(window_end(node->window, 0, hi - 1) - node->in[0]->shape.dim[0], 0);
  return window;
}

static Node *make_band(const Banding *b, const Node *node, int64_t lo, int64_t hi) {
  Node *made = graph_copy_node(b->to->arena, node, NULL);
  for (int k = 0; k < node->nin; k++) {
    const Node *in = node->in[k];
    made->in[k] = band_operand(b, in, reads_from(node, in, lo), reads_to(node, in, hi));
  }
  made->shape.dim[0] = hi - lo;
  made->window = band_window(b, node, lo, hi);
  graph_append(b->to, made);
  return made;
}

/* The first row of value `of` that its users need for their next rows. */
static int64_t oldest(const Banding *b, int of) {
  int64_t row = b->rows[of].made;
  for (int i = of + 1; i <= b->end; i++) {
    const Node *node = b->from->nodes.data[i];
    for (int k = 0; b->of[i] && k < node->nin; k++)
      if (node->in[k]->id == of) row = smaller(row, reads_from(node, node->in[k], b->rows[i].made));
  }
  return larger(row, b->rows[of].first);
}

static void add_rows(Banding *b, int i, int64_t hi) {
  Rows *rows = &b->rows[i];
  const int64_t first = oldest(b, i);
  Node *part[2] = {NULL};
  int n = 0;
  if (first < rows->made)
    part[n++] = rows_kept(b->to, rows_cut(b->to, rows->node, first - rows->first, rows->made - first));
  part[n++] = make_band(b, b->from->nodes.data[i], rows->made, hi);
  rows->node = rows_stacked(b->to, n, part);
  rows->first = first;
  rows->made = hi;
}

/* Appends nodes that compute the rows before row `hi` of node i, and the rows of earlier layers that these
 * rows need. The depth of the recursion is at most the number of layers in bands. */
static void compute_rows_up_to(Banding *b, int i, int64_t hi) {
  const Node *node = b->from->nodes.data[i];
  Rows *rows = &b->rows[i];
  while (rows->made < hi) {
    const int64_t to = smaller(rows->made + rows->step, hi);
    for (int k = 0; k < node->nin; k++) {
      const Node *in = node->in[k];
      if (b->of[in->id]) compute_rows_up_to(b, in->id, reads_to(node, in, to));
    }
    if (i < b->end) {
      add_rows(b, i, to);
      continue;
    }
    b->part[b->parts++] = make_band(b, node, rows->made, to);
    rows->made = to;
  }
}

static Node *all_bands(Banding *b, int64_t bands) {
  const int64_t height = b->from->nodes.data[b->end]->shape.dim[0];
  b->part = NEW_ARRAY(b->to->arena, Node *, height);
  for (int i = 0; i <= b->end; i++)
    if (b->of[i]) b->rows[i].step = larger(b->from->nodes.data[i]->shape.dim[0] / bands, 1);
  compute_rows_up_to(b, b->end, height);
  return rows_stacked(b->to, b->parts, b->part);
}

void pass_bands(PassState *state) {
  const Bands *bands = &state->options.bands;
  const Graph *from = state->plan->graph;
  Arena *arena = state->arena;
  if (!bands->n) return;
  const int n = from->nodes.n;
  Banding b = {.from = from,
               .to = graph_copy_head(arena, from),
               .end = bands->end,
               .of = ancestors(arena, from, bands->end),
               .rows = NEW_ARRAY(arena, Rows, n + 1),
               .map = NEW_ARRAY(arena, Node *, n + 1)};
  for (int i = 0; i < n; i++) {
    if (b.of[i]) {
      if (i == b.end) b.map[i] = all_bands(&b, bands->n);
      continue;
    }
    b.map[i] = graph_copy_node(arena, from->nodes.data[i], b.map);
    graph_append(b.to, b.map[i]);
  }
  graph_copy_ports(b.to, from, b.map);
  state->plan->graph = b.to;
  state->plan->bands = true;
}
