/* stream_ring.c: Hidden operators of gather rings, the state of dilated windows in an endless sequence
 * (passes/stream.c). A ring keeps the last rows of a value; the ring's position is the index of the oldest
 * row. Only the rows that the taps of a window read are copied out of the ring, and new rows replace the
 * oldest rows. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"
#include "ops/registry.h"
#include "ops/shape/stream_ring.h"

enum { NEW, KEPT, POSITIONS }; /* inputs of the operators for gathered rows and for the next ring */

static int64_t wrapped(int64_t row, int64_t rows) { return row < rows ? row : row - rows; }

/* The row of the ring that is `distance` rows after the oldest row. */
static Val ring_row(Nest *b, Buf *positions, const RingPlace *ring, const Ix *distance) {
  const Val row = add(nest_load(b, nest_at(b, positions, 0, 0, ring->index), 1),
                      convert(position(b, distance), F32)),
            rows = num(b, (double)ring->rows);
  return choose(less(row, rows), row, sub(row, rows));
}

/* ---- the positions of all rings: each call adds the number of new rows, modulo the ring's size ---- */
typedef struct Positions {
  int n;
  const RingPlace *ring;
} Positions;

static void positions_run(const Eval *eval) {
  const Positions *p = eval->node->detail;
  for (int i = 0; i < p->n; i++)
    eval->out[i] = (double)wrapped((int64_t)eval->in[0][i] + p->ring[i].added, p->ring[i].rows);
}

static void positions_lower(Lower *l) {
  Nest *b = l->b;
  const Positions *p = l->node->detail;
  nest_fn(b, b->name, false);
  for (int i = 0; i < p->n; i++) {
    const Ix none = {0}, channel = NEST_Z + i, by = NEST_Z + p->ring[i].added;
    lower_store(l, ring_row(b, l->in[0], &p->ring[i], &by), &none, &none, &channel, 1, 1);
  }
}

static const Op op_ring_positions = {
    .name = "ring positions", .traits.per_image = true, .eval = positions_run, .lower = positions_lower};

Node *ring_positions(Graph *graph, int n, const RingPlace *ring) {
  Positions *p = NEW(graph->arena, Positions);
  *p = (Positions){n, ring};
  return state_advanced(graph, "ring_position", n, &op_ring_positions, p);
}

/* ---- rows: along the height of an image or the length of a sequence ---- */
typedef struct RowCopy {
  Buf *from;
  const Ix *row;
  bool sequence;
} RowCopy;

static void copied_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const RowCopy *copy = context;
  lower_store(l,
              walk_load(l, copy->from, copy->sequence ? y : copy->row, copy->sequence ? copy->row : x, c,
                        part, lanes),
              y, x, c, part, lanes);
}

static void copy_ring_row(Lower *l, Buf *from, const Ix *row, const Ix *to) {
  const Extent e = shape_extent(l->node->shape);
  const Ix none = {0};
  const RowCopy copy = {from, row, l->node->shape.rank == 2};
  if (copy.sequence) walk_channels(l, e.c, &none, to, copied_body, &copy);
  else
    NEST_FOR(l->b, x, e.w) walk_channels(l, e.c, to, &x, copied_body, &copy);
}

static Node *ring_node(Graph *graph, const Op *op, int64_t rows, Node *value, Node *state, Node *positions) {
  Node *in[] = {[NEW] = value, [KEPT] = state, [POSITIONS] = positions};
  Node *node = graph_hidden(graph, op, NULL, state->shape, RESULT_SAMPLE, 3, in);
  node->shape.dim[0] = rows;
  node->name = value->name;
  node->elem = value->elem;
  node->quant = value->quant;
  node->span = value->span;
  node->site = value->site;
  return node;
}

/* ---- the rows of the taps ---- */
typedef struct Gathered {
  RingPlace ring;
  RingTaps taps;
} Gathered;

/* Number of rows of tap t that are in the ring; all other rows of the tap are new. */
static int64_t rows_kept_of(const Gathered *g, int64_t t) {
  const int64_t n = g->ring.rows - (g->taps.first + t * g->taps.apart);
  return n < 0 ? 0 : n < g->taps.rows ? n : g->taps.rows;
}

static void taps_run(const Eval *eval) {
  const Gathered *g = eval->node->detail;
  const int64_t position = (int64_t)eval->in[POSITIONS][g->ring.index],
                row = shape_elements(eval->node->shape) / eval->node->shape.dim[0];
  double *to = eval->out;
  for (int64_t t = 0; t < g->taps.n; t++)
    for (int64_t i = 0; i < g->taps.rows; i++, to += row) {
      const int64_t from = g->taps.first + t * g->taps.apart + i;
      const double *rows = from < g->ring.rows ? eval->in[KEPT] + wrapped(position + from, g->ring.rows) * row
                                               : eval->in[NEW] + (from - g->ring.rows) * row;
      for (int64_t c = 0; c < row; c++) to[c] = rows[c];
    }
}

static void tap_from_ring(Lower *l, const Gathered *g, const Ix *t, int64_t rows) {
  Nest *b = l->b;
  NEST_FOR(b, i, rows) {
    const Ix from = g->taps.first + g->taps.apart * *t + i, to = g->taps.rows * *t + i;
    NEST_CHOSEN(b, row, ring_row(b, l->in[POSITIONS], &g->ring, &from), 0, g->ring.rows)
    copy_ring_row(l, l->in[KEPT], &row, &to);
  }
}

static void tap_from_new(Lower *l, const Gathered *g, const Ix *t, int64_t first) {
  Nest *b = l->b;
  NEST_FROM(b, i, first, g->taps.rows) {
    const Ix from = g->taps.first - g->ring.rows + g->taps.apart * *t + i, to = g->taps.rows * *t + i;
    copy_ring_row(l, l->in[NEW], &from, &to);
  }
}

static void taps_lower(Lower *l) {
  Nest *b = l->b;
  const Gathered *g = l->node->detail;
  int64_t kept = 0;
  while (kept < g->taps.n && rows_kept_of(g, kept) == g->taps.rows) kept++;
  lower_about(l, "%d taps, %d rows each, from a ring of %d rows", (int)g->taps.n, (int)g->taps.rows,
              (int)g->ring.rows);
  nest_fn(b, b->name, false);
  if (kept)
    NEST_FOR(b, t, kept) tap_from_ring(l, g, &t, g->taps.rows);
  for (int64_t k = kept; k < g->taps.n; k++) {
    const Ix t = NEST_Z + k;
    const int64_t old = rows_kept_of(g, k);
    if (old) tap_from_ring(l, g, &t, old);
    if (old < g->taps.rows) tap_from_new(l, g, &t, old);
  }
}

static const Op op_ring_taps = {
    .name = "gathered rows", .traits.per_image = true, .eval = taps_run, .lower = taps_lower};

Node *ring_gathered(Graph *graph, Node *value, Node *state, Node *positions, const RingPlace *ring,
                    const RingTaps *taps) {
  Node *node = ring_node(graph, &op_ring_taps, taps->n * taps->rows, value, state, positions);
  Gathered *g = NEW(graph->arena, Gathered);
  *g = (Gathered){*ring, *taps};
  node->detail = g;
  return node;
}

/* ---- the next ring: new rows instead of the oldest ones ---- */
static void next_run(const Eval *eval) {
  const RingPlace *ring = eval->node->detail;
  const int64_t position = (int64_t)eval->in[POSITIONS][ring->index],
                row = shape_elements(eval->node->shape) / ring->rows;
  for (int64_t i = 0; i < ring->rows * row; i++) eval->out[i] = eval->in[KEPT][i];
  for (int64_t i = 0; i < ring->added * row; i++)
    eval->out[wrapped(position + i / row, ring->rows) * row + i % row] = eval->in[NEW][i];
}

static void next_lower(Lower *l) {
  Nest *b = l->b;
  const RingPlace *ring = l->node->detail;
  lower_about(l, "%d new rows into a ring of %d rows%s", (int)ring->added, (int)ring->rows,
              l->kernel->over ? "" : " (copy of the old ring)");
  nest_fn(b, b->name, false);
  if (!l->kernel->over)
    NEST_FOR(b, i, ring->rows) copy_ring_row(l, l->in[KEPT], &i, &i);
  NEST_FOR(b, i, ring->added) NEST_CHOSEN(b, row, ring_row(b, l->in[POSITIONS], ring, &i), 0, ring->rows)
  copy_ring_row(l, l->in[NEW], &i, &row);
}

static const Op op_ring_next = {.name = "ring",
                                .traits.per_image = true,
                                .traits.rewrites_state = true,
                                .eval = next_run,
                                .lower = next_lower};

void ring_update(Graph *graph, Node *value, Node *state, Node *positions, const RingPlace *ring) {
  Node *node = ring_node(graph, &op_ring_next, ring->rows, value, state, positions);
  RingPlace *detail = NEW(graph->arena, RingPlace);
  *detail = *ring;
  node->detail = detail;
  node->name = state->name;
  update_hidden(graph, node, state);
}
