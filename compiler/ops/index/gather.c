/* gather.c: gather, positions of a value by index: y[k][c] = x[index[k]][c], as in torch.index_select; with
 * each=true every channel has its own index, as in torch.gather. The positions of an image are its pixels,
 * row by row. The gradient of a position is the sum of dy over the results that select it; the index has no
 * gradient. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "ops/index/index.h"

static const Param params[] = {
    {"index", PARAM_VALUE, NULL, "indices of positions: a vector of K elements, or Kx1; with each=true, KxC",
     0, 0, NULL},
    {"each", PARAM_BOOL, "false", "use a separate index for each channel", 0, 0, NULL},
    {0},
};

/* ---- the shape ---- */
/* The positions and channels of x. A vector of N elements has N positions with one channel. */
typedef struct Table {
  Extent e; /* h x w positions of c channels */
  int64_t taken;
  bool each;
} Table;

static Extent gathered_extent(Shape shape) {
  Extent e = shape_extent(shape);
  if (shape.rank == 1) e = (Extent){e.n, 1, e.c, 1};
  return e;
}

static Table gathered_table(const Node *node) {
  const Node *forward = node_forward(node);
  return (Table){gathered_extent(forward->in[0]->shape), forward->shape.dim[0], arg_bool(forward, "each")};
}

static bool takes_index(ShapeContext *context, const Node *node) {
  const Shape index = node->in[1]->shape;
  const bool each = arg_bool(node, "each");
  const int64_t channels = gathered_extent(node->in[0]->shape).c;
  if (each ? (index.rank == 2 && index.dim[1] == channels) || (index.rank == 1 && channels == 1)
           : index.rank < 3 && index_is_flat(index))
    return true;
  Diag *diag = op_error_at(
      context, node, "index", DIAG_wrong_shape,
      each ? "index of gather is %s, but each=true needs an index for each of %lld channels: Kx%lld"
           : "index of gather is %s, but must have one number for each position: a vector of K or Kx1",
      shape_text(context->arena, index), (long long)channels, (long long)channels);
  op_note_origin(context, diag, node->in[1]);
  if (!each && index.rank == 2 && index.dim[1] == channels)
    diag_help(diag, "each=true uses a separate index for each channel");
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape, index = node->in[1]->shape;
  if (!in.rank || !index.rank) return;
  const Extent e = gathered_extent(in);
  if (!takes_index(context, node) || !op_same_regions(context, node, node->in[0], node->in[1]) ||
      !index_fits(context, node, node->in[0], e.h * e.w))
    return;
  node->shape = shape_sequence(index.dim[0], e.c);
  node->shape.regions = in.regions;
}

static int64_t gathered_positions(const Node *node, int k) {
  const Extent e = gathered_extent(node->in[0]->shape);
  return k == 1 ? e.h * e.w : 0;
}

/* ---- reference ---- */
/* Index of the element of x that becomes channel c of position k of the result. */
static int64_t gathered_from(const Table *t, const double *index, int64_t k, int64_t c) {
  return index_of(index[t->each ? k * t->e.c + c : k], t->e.h * t->e.w) * t->e.c + c;
}

static void eval(const Eval *eval) {
  const Table t = gathered_table(eval->node);
  for (int64_t k = 0; k < t.taken; k++)
    for (int64_t c = 0; c < t.e.c; c++)
      eval->out[k * t.e.c + c] = eval->in[0][gathered_from(&t, eval->in[1], k, c)];
}

static void back_eval(const Eval *eval) {
  const Table t = gathered_table(eval->node);
  for (int64_t i = 0; i < t.e.h * t.e.w * t.e.c; i++) eval->out[i] = 0;
  for (int64_t k = 0; k < t.taken; k++)
    for (int64_t c = 0; c < t.e.c; c++)
      eval->out[gathered_from(&t, eval->in[1], k, c)] += eval->in[0][k * t.e.c + c];
}

/* ---- the nest ---- */
typedef struct Work {
  Table table;
  Shape in;        /* shape of x */
  Buf *x, *dy;     /* backward pass: x is the gradient of x, to which dy is added; otherwise dy is NULL */
  const Ix *k, *c; /* k: row of the index; c: its channel, or NULL if the index is for all channels */
} Work;

/* If x is a vector, its positions are the channels of its only pixel. */
static void at_positions(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  const Work *w = context;
  const Ix zero = {0};
  const bool vector = w->in.rank == 1;
  const Ix *from = vector ? &zero : x, *channel = vector ? x : c;
  Val value = walk_load(l, w->x, y, from, channel, part, lanes);
  if (w->dy)
    walk_put(l, w->x, add(value, walk_load(l, w->dy, &zero, w->k, c, part, lanes)), y, from, channel, part,
             lanes);
  else lower_store(l, value, &zero, w->k, c, part, lanes);
}

static void at_pixel(Lower *l, const IndexPixel *p, const void *context) {
  const Work *w = context;
  if (w->c) at_positions(l, p->y, p->x, w->c, 1, 1, w);
  else walk_channels(l, w->table.e.c, p->y, p->x, at_positions, w);
}

static void gather_positions(Lower *l, Work *w, Buf *index, LoopKind kind) {
  Nest *b = l->b;
  NEST_LOOP(b, k, kind, 1, NEST_IX(0), 1, NEST_IX(w->table.taken)) {
    w->k = &k;
    if (!w->table.each || w->table.e.c == 1)
      index_choose(l, w->table.e, nest_load(b, index_element(l, index, &k), 1), at_pixel, w);
    else
      NEST_FOR(b, c, w->table.e.c) {
        w->c = &c;
        index_choose(l, w->table.e, nest_load(b, nest_at(b, index, 0, k, c), 1), at_pixel, w);
      }
  }
}

static void lower(Lower *l) {
  const Table table = gathered_table(l->node);
  Work w = {.table = table, .in = l->node->in[0]->shape, .x = l->in[0]};
  nest_fn(l->b, l->b->name, false);
  gather_positions(l, &w, l->in[1], walk_rows(l, bounded_product(table.taken, table.e.c)));
}

/* ---- the gradient: inputs dy and the index ---- */
static void back_lower(Lower *l) {
  Work w = {.table = gathered_table(l->node), .in = l->node->shape, .dy = l->in[0]};
  const Extent e = shape_extent(w.in);
  w.x = walk_sum_begin(l, e);
  nest_fn(l->b, l->b->name, false);
  walk_clear(l, w.x, e);
  gather_positions(l, &w, l->in[1], SERIAL);
  walk_sum_end(l, w.x, e);
}

static const Op op_back = {.name = "gather input gradient", .eval = back_eval, .lower = back_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 2, (Node *[]){dy, node->in[1]});
}

const Op op_gather = {
    .name = "gather",
    .group = "index",
    .summary = "positions of the current value, selected by index",
    .detail = "y[k][c] = x[index[k]][c]; each=true: y[k][c] = x[index[k][c]][c]. The positions of an image "
              "are its pixels, ordered row by row; a vector of N elements has N positions of one channel. "
              "Indices are truncated to integers and clamped to 0 .. last; the index NaN counts as 0. No "
              "gradient passes to the index",
    .params = params,
    .example = "memory -> gather(chosen)",
    .traits.per_image = true,
    .traits.index_count = gathered_positions,
    .traits.int8 = INT8_GATHER,
    .shape = shape,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
