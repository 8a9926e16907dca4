/* region.c: Copies out of a box of a larger value, and copies into a box of a larger value whose other
 * elements are a constant. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/shape/region.h"
#include "graph/shape.h"

/* ---- eval ---- */
void box_cut(const double *from, Extent large, double *to, Extent small, Box box) {
  for (int64_t y = 0; y < small.h; y++)
    for (int64_t x = 0; x < small.w; x++)
      for (int64_t c = 0; c < small.c; c++)
        to[(y * small.w + x) * small.c + c] = from[((y + box.y) * large.w + x + box.x) * large.c + c + box.c];
}

void box_place(const double *from, Extent small, double *to, Extent large, Box box, double around) {
  for (int64_t i = 0; i < large.h * large.w * large.c; i++) to[i] = around;
  for (int64_t y = 0; y < small.h; y++)
    for (int64_t x = 0; x < small.w; x++)
      for (int64_t c = 0; c < small.c; c++)
        to[((y + box.y) * large.w + x + box.x) * large.c + c + box.c] = from[(y * small.w + x) * small.c + c];
}

/* ---- lower ---- */
static void cut_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                     const void *context) {
  const Box *box = context;
  const Ix fy = *y + box->y, fx = *x + box->x, fc = *c + box->c;
  lower_store(l, walk_load(l, l->in[0], &fy, &fx, &fc, part, lanes), y, x, c, part, lanes);
}

void box_lower_cut(Lower *l, Box box) {
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), cut_body, &box);
}

static void place_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Box *box = context;
  const Ix ty = *y + box->y, tx = *x + box->x, tc = *c + box->c;
  lower_store(l, walk_load(l, l->in[0], y, x, c, part, lanes), &ty, &tx, &tc, part, lanes);
}

typedef struct Fill {
  Box corner;
  double around;
} Fill;

static void fill_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  const Fill *of = context;
  const Box *corner = &of->corner;
  const Ix ty = *y + corner->y, tx = *x + corner->x, tc = *c + corner->c;
  Nest *b = l->b;
  lower_store(l, num(b, of->around), &ty, &tx, &tc, part, lanes);
}

/* Stores `around` in rows y0 .. y1-1, columns x0 .. x1-1, channels c0 .. c1-1 of the result. */
static void fill_region(Lower *l, double around, int64_t y0, int64_t y1, int64_t x0, int64_t x1, int64_t c0,
                        int64_t c1) {
  const Fill of = {{y0, x0, c0}, around};
  if (y0 < y1 && x0 < x1 && c0 < c1) walk_pixels(l, (Extent){1, y1 - y0, x1 - x0, c1 - c0}, fill_body, &of);
}

void box_lower_place(Lower *l, Box box, double around) {
  const Extent large = shape_extent(l->node->shape), small = shape_extent(l->node->in[0]->shape);
  const int64_t bottom = box.y + small.h, right = box.x + small.w;
  nest_fn(l->b, l->b->name, false);
  fill_region(l, around, 0, box.y, 0, large.w, 0, large.c);
  fill_region(l, around, box.y, bottom, 0, box.x, 0, large.c);
  fill_region(l, around, box.y, bottom, box.x, right, 0, box.c);
  walk_pixels(l, small, place_body, &box);
  fill_region(l, around, box.y, bottom, box.x, right, box.c + small.c, large.c);
  fill_region(l, around, box.y, bottom, right, large.w, 0, large.c);
  fill_region(l, around, bottom, large.h, 0, large.w, 0, large.c);
}

/* ---- backward ---- */
static const Box *node_region(const Node *node) { return node->detail; }

static int64_t cut_part(const Node *node) {
  const Extent small = shape_extent(node->shape), large = shape_extent(node->in[0]->shape);
  return small.h == large.h && small.w == large.w ? node_region(node)->c : -1;
}

static void cut_run(const Eval *eval) {
  box_cut(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
          *node_region(eval->node));
}
static void place_run(const Eval *eval) {
  box_place(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
            *node_region(eval->node), 0);
}
static void cut_lower(Lower *l) { box_lower_cut(l, *node_region(l->node)); }
static void place_lower(Lower *l) { box_lower_place(l, *node_region(l->node), 0); }

static const Op op_cut = {
    .name = "cut box", .traits.channel_slice = cut_part, .eval = cut_run, .lower = cut_lower};
static const Op op_place = {.name = "place box", .eval = place_run, .lower = place_lower};

static Node *hidden(Gradient *gradient, const Op *op, Node *of, Node *dy, Shape shape, Box box) {
  Graph *graph = gradient_graph(gradient);
  Node *node = graph_hidden(graph, op, of, shape, RESULT_SAMPLE, 1, &dy);
  Box *detail = NEW(graph->arena, Box);
  *detail = box;
  node->detail = detail;
  return node;
}

Node *box_gradient_cut(Gradient *gradient, Node *of, Node *dy, Shape shape, Box box) {
  return hidden(gradient, &op_cut, of, dy, shape, box);
}
Node *box_gradient_place(Gradient *gradient, Node *of, Node *dy, Shape shape, Box box) {
  return hidden(gradient, &op_place, of, dy, shape, box);
}

/* ---- borders ---- */
void box_border_of(const Node *node, const char *param, int64_t before[2], int64_t after[2]) {
  const Const *value = arg_const(node, param);
  const bool list = value->kind == CONST_LIST || value->kind == CONST_DIMS,
             sequence = node->in[0]->shape.rank == 2;
  const int n = list ? value->n : 1;
  int64_t p[4];
  for (int i = 0; i < 4; i++) p[i] = list ? value->items[i < n ? i : n - 1].i : value->i;
  if (sequence) {
    before[0] = after[0] = 0;
    before[1] = p[0];
    after[1] = p[1];
  } else if (n == 4) {
    before[0] = p[0];
    after[0] = p[1];
    before[1] = p[2];
    after[1] = p[3];
  } else {
    before[0] = after[0] = p[0];
    before[1] = after[1] = p[1];
  }
}

void box_set_border(Arena *arena, Node *node, const int64_t before[2], const int64_t after[2]) {
  const bool sequence = node->in[0]->shape.rank == 2;
  const int64_t n[4] = {before[sequence], after[sequence], before[1], after[1]};
  int params = 0;
  while (node->op->params[params].name) params++;
  Const *arg = NEW_ARRAY(arena, Const, params), *item = NEW_ARRAY(arena, Const, 4);
  for (int i = 0; i < params; i++) arg[i] = node->arg[i];
  for (int i = 0; i < 4; i++) item[i] = (Const){.kind = CONST_INT, .i = n[i]};
  arg[0] = (Const){.kind = CONST_LIST, .n = sequence ? 2 : 4, .items = item};
  node->arg = arg;
}

Box box_inside(const Node *node, const char *param) {
  int64_t before[2], after[2];
  box_border_of(node, param, before, after);
  return (Box){before[0], before[1], 0};
}

bool box_border(ShapeContext *context, const Node *node, const char *param, int64_t before[2],
                int64_t after[2]) {
  const Shape in = node->in[0]->shape;
  const Const *value = arg_const(node, param);
  if (!in.rank || value->kind == CONST_POISON) return false;
  if (in.rank == 1) {
    diag_help(op_error_vector(context, node), "a vector has no border");
    return false;
  }
  const int n = value->kind == CONST_LIST || value->kind == CONST_DIMS ? value->n : 1;
  if (n != 1 && n != 2 && (n != 4 || in.rank == 2)) {
    Diag *diag = op_error_at(context, node, param, DIAG_wrong_type, "%s of a %s takes %s, not %d numbers",
                             node->op->name, in.rank == 2 ? "sequence" : "image",
                             in.rank == 2 ? "one number or [before, after]"
                                          : "one number, [height, width] or [top, bottom, left, right]",
                             n);
    op_note_origin(context, diag, node->in[0]);
    return false;
  }
  box_border_of(node, param, before, after);
  for (int axis = 0; axis < 2; axis++) {
    const int64_t least = before[axis] < after[axis] ? before[axis] : after[axis],
                  most = before[axis] > after[axis] ? before[axis] : after[axis];
    if (least >= 0 && most <= SHAPE_MOST_ELEMENTS) continue;
    op_error_at(context, node, param, least < 0 ? DIAG_bad_size : DIAG_too_large, "%s by %lld",
                node->op->name, (long long)(least < 0 ? least : most));
    return false;
  }
  return true;
}
