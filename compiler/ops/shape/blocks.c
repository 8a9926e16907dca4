/* blocks.c: Values whose pixels are blocks of fy x fx pixels of another value. Channel c of pixel (i, j) of a
 * block becomes channel c*fy*fx + i*fx + j (crd) or (i*fx + j)*C + c (dcr); C is the number of channels of
 * the other value. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/shape/blocks.h"
#include "base/number.h"
#include "kernel/walk.h"
#include "kernel/window.h"
#include "ops/shape/weave.h"

typedef struct Blocks {
  Extent deep, flat;
  int64_t fy, fx;
  bool dcr;
} Blocks;

bool blocks_factor(ShapeContext *context, const Node *node, int64_t factor[2]) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return false;
  if (in.rank > 1) return window_pair(context, node, "factor", factor);
  diag_help(op_error_vector(context, node),
            "reshape turns a vector into an image, as in reshape([7, 7, 32])");
  return false;
}

static Blocks blocks_of(const Node *node, bool to_deep) {
  const Extent in = shape_extent(node->in[0]->shape), out = shape_extent(node->shape);
  const Extent deep = to_deep ? out : in, flat = to_deep ? in : out;
  return (Blocks){deep, flat, flat.h / deep.h, flat.w / deep.w, arg_is(node, "order", "dcr")};
}

/* ---- reference ---- */
void blocks_run(const Eval *eval, bool to_deep) {
  const Blocks k = blocks_of(eval->node, to_deep);
  const int64_t channels = k.flat.c, area = k.fy * k.fx;
  for (int64_t y = 0; y < k.flat.h; y++)
    for (int64_t x = 0; x < k.flat.w; x++)
      for (int64_t c = 0; c < channels; c++) {
        const int64_t part = y % k.fy * k.fx + x % k.fx, flat = (y * k.flat.w + x) * channels + c;
        const int64_t deep =
            (y / k.fy * k.deep.w + x / k.fx) * k.deep.c + (k.dcr ? part * channels + c : c * area + part);
        if (to_deep) eval->out[deep] = eval->in[0][flat];
        else eval->out[flat] = eval->in[0][deep];
      }
}

/* ---- the nest ---- */
static Spot flat_spot(const Blocks *k, const Spot *deep, const Ix *i, const Ix *j) {
  return (Spot){deep->y * k->fy + *i, deep->x * k->fx + *j, {0}};
}

/* Copies in vectors of channels, which are assembled from the elements of a block, or split into them. */
static void woven(Lower *l, const Blocks *k, const Spot *deep, bool to_deep) {
  const int64_t area = k->fy * k->fx;
  const Ix zero = {0};
  Spot *flat = NEW_ARRAY(l->arena, Spot, area);
  for (int64_t p = 0; p < area; p++) {
    const Ix i = zero + p / k->fx, j = zero + p % k->fx;
    flat[p] = flat_spot(k, deep, &i, &j);
  }
  if (to_deep) weave_together(l, area, k->flat.c, flat, deep);
  else weave_apart(l, area, k->flat.c, deep, flat);
}

/* Copies pixel by pixel: the channels of a flat pixel are contiguous in both values. */
static void copied(Lower *l, const Blocks *k, const Spot *deep, bool to_deep) {
  Nest *b = l->b;
  NEST_FOR(b, i, k->fy)
    NEST_FOR(b, j, k->fx) {
      const Spot flat = flat_spot(k, deep, &i, &j), first = {deep->y, deep->x, (i * k->fx + j) * k->flat.c};
      weave_copy(l, k->flat.c, to_deep ? &flat : &first, to_deep ? &first : &flat);
    }
}

static void move_one(Lower *l, const Spot *from, const Spot *to) {
  Nest *b = l->b;
  lower_store(l, nest_load(b, nest_at(b, l->in[0], from->y, from->x, from->c), 1), &to->y, &to->x, &to->c, 1,
              1);
}

/* Copies element by element, in the order of the result. */
static void gather_block(Lower *l, const Blocks *k, const Spot *deep) {
  Nest *b = l->b;
  NEST_FOR(b, c, k->flat.c)
    NEST_FOR(b, i, k->fy)
      NEST_FOR(b, j, k->fx) {
        const Spot from = {deep->y * k->fy + i, deep->x * k->fx + j, c},
                   to = {deep->y, deep->x, (c * k->fy + i) * k->fx + j};
        move_one(l, &from, &to);
      }
}

static void scattered(Lower *l, const Blocks *k, const Spot *deep) {
  Nest *b = l->b;
  NEST_FOR(b, i, k->fy)
    NEST_FOR(b, j, k->fx)
      NEST_FOR(b, c, k->flat.c) {
        const Spot from = {deep->y, deep->x, (c * k->fy + i) * k->fx + j},
                   to = {deep->y * k->fy + i, deep->x * k->fx + j, c};
        move_one(l, &from, &to);
      }
}

static void block(Lower *l, const Blocks *k, const Spot *deep, bool to_deep) {
  const int64_t area = k->fy * k->fx;
  if (k->dcr || area == 1 || k->flat.c == 1) copied(l, k, deep, to_deep);
  else if (weave_fits(l, area, k->flat.c)) woven(l, k, deep, to_deep);
  else if (to_deep) gather_block(l, k, deep);
  else scattered(l, k, deep);
}

void blocks_lower(Lower *l, bool to_deep) {
  Nest *b = l->b;
  const Blocks k = blocks_of(l->node, to_deep);
  const int64_t work = shape_row_elements(l->node->shape);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, work), 1, NEST_IX(0), 1, NEST_IX(k.deep.h))
    NEST_FOR(b, x, k.deep.w) {
      const Spot deep = {y, x, {0}};
      block(l, &k, &deep, to_deep);
    }
}

/* ---- backward: the inverse operator ---- */
static void deep_run(const Eval *eval) { blocks_run(eval, true); }
static void flat_run(const Eval *eval) { blocks_run(eval, false); }
static void deep_lower(Lower *l) { blocks_lower(l, true); }
static void flat_lower(Lower *l) { blocks_lower(l, false); }

static const Op op_to_deep = {.name = "depth_to_space input gradient", .eval = deep_run, .lower = deep_lower};
static const Op op_to_flat = {.name = "space_to_depth input gradient", .eval = flat_run, .lower = flat_lower};

void blocks_gradient(Gradient *gradient, Node *node, Node *dy, bool to_deep) {
  gradient_input(gradient, to_deep ? &op_to_flat : &op_to_deep, node, 1, &dy);
}

void blocks_field(const Node *node, int axis, int64_t *sees, double *jump) {
  const Extent in = shape_extent(node->in[0]->shape), out = shape_extent(node->shape);
  const int64_t large = extent_side(in, axis), small = extent_side(out, axis);
  *sees = larger(1, large / small);
  *jump = (double)large / (double)small;
}
