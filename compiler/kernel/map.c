/* map.c: Common code of elementwise operators: shapes and broadcast operands, eval, the backward pass. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>
#include "kernel/channels.h"
#include "kernel/parts.h"
#include "kernel/walk.h"

/* ---- shapes ---- */
void map_shape(ShapeContext *context, Node *node) {
  (void)context;
  node->shape = node->in[0]->shape;
}

void map_shape_weight(ShapeContext *context, Node *node, const char *member, bool decay) {
  const Extent e = shape_extent(node->in[0]->shape);
  if (!node->in[0]->shape.rank) return;
  node->nweights = 1;
  node->weight = NEW_ARRAY(context->arena, Weight *, 1);
  node->weight[0] = op_weight(context, node, member, 1, &e.c, "init", 0, 1, 1, decay);
  if (node->weight[0]) node->shape = node->in[0]->shape;
}

void map_shape_weighted(ShapeContext *context, Node *node) {
  map_shape_weight(context, node, "weight", true);
}

static bool one_pixel(Extent e) { return e.h == 1 && e.w == 1; }

static bool same_extent(Shape a, Shape b) {
  const Extent x = shape_extent(a), y = shape_extent(b);
  return x.h == y.h && x.w == y.w && x.c == y.c;
}

/* Whether `part` is broadcast to `whole`: one pixel is used for all pixels, one channel for all channels, or
 * both. */
static bool map_repeats(Shape whole, Shape part) {
  const Extent w = shape_extent(whole), p = shape_extent(part);
  return !same_extent(whole, part) && (one_pixel(p) || (p.h == w.h && p.w == w.w)) &&
         (p.c == 1 || p.c == w.c);
}

/* The index of the operand's element from which the result's element at `pixel` and channel c is computed. */
static int64_t operand_element(Shape operand, int64_t pixel, int64_t c) {
  const Extent e = shape_extent(operand);
  return (one_pixel(e) ? 0 : pixel * e.c) + (e.c == 1 ? 0 : c);
}

/* The largest operand, to whose shape the other operands are broadcast. Of equally large operands, it is the
 * first with the highest rank. */
static Node *largest_operand(const Node *node) {
  Node *best = node->in[0];
  for (int i = 1; i < node->nin; i++) {
    const Shape a = best->shape, b = node->in[i]->shape;
    if (map_repeats(b, a) || (same_extent(a, b) && b.rank > a.rank)) best = node->in[i];
  }
  return best;
}

void map_shape_operands(ShapeContext *context, Node *node) {
  for (int i = 0; i < node->nin; i++)
    if (!node->in[i]->shape.rank) return;
  if (node->nin > 14) {
    op_error(context, node, DIAG_too_many_arguments, "%s takes at most 13 values besides the current one",
             node->op->name);
    return;
  }
  const Node *rows = op_common_rows(context, node);
  if (!rows) return;
  Node *whole = largest_operand(node);
  for (int i = 0; i < node->nin; i++) {
    Node *in = node->in[i];
    if (same_extent(in->shape, whole->shape) || map_repeats(whole->shape, in->shape)) continue;
    Arena *arena = context->arena;
    const char *a = shape_text(arena, node->in[0]->shape), *b = shape_text(arena, (i ? in : whole)->shape);
    Diag *diag = op_error(context, node, DIAG_shape_mismatch, "%s of %s and %s: the shapes differ",
                          node->op->name, a, b);
    op_note_origin(context, diag, node->in[0]);
    op_note_origin(context, diag, i ? in : whole);
    const Extent x = shape_extent(node->in[0]->shape), y = shape_extent((i ? in : whole)->shape);
    if (x.h == y.h && x.w == y.w)
      diag_help(diag, "conv(%lld, 1x1) gives the current value %lld channels", (long long)y.c,
                (long long)y.c);
    else if (x.c == y.c)
      diag_help(
          diag,
          "height and width must be equal (a stride or pad=same in one of the two branches?); only 1x1x%lld "
          "is broadcast to every pixel",
          (long long)x.c);
    else
      diag_help(diag, "the shapes must be equal, except that one operand may have one pixel or one channel");
    return;
  }
  node->shape = shape_with_rows(whole->shape, rows->shape);
}

/* ---- eval ---- */
static void gather_weights(const Eval *eval, int64_t c, double weight[MOST_WEIGHTS]) {
  for (int k = 0; k < eval->node->nweights; k++) weight[k] = eval->weight[k] ? eval->weight[k][c] : NAN;
}

void map_run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  double x[MOST_INPUTS], weight[MOST_WEIGHTS];
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) {
      for (int k = 0; k < node->nin; k++) x[k] = eval->in[k][operand_element(node->in[k]->shape, p, c)];
      gather_weights(eval, c, weight);
      eval->out[p * e.c + c] = node->op->map_eval(node, x, weight, c);
    }
}

/* ---- the backward pass ---- */
uint32_t map_needs_x(const Node *node, int wrt) {
  (void)node;
  return UINT32_C(1) << wrt;
}

uint32_t map_needs_y(const Node *node, int wrt) {
  (void)node;
  (void)wrt;
  return MAP_NEEDS_Y;
}

static uint32_t all_of_x(const Node *of) { return (UINT32_C(1) << of->nin) - 1; }
static uint32_t needs(const Node *of, int wrt) { return of->op->map_needs ? of->op->map_needs(of, wrt) : 0; }

/* The inputs of a node that computes a gradient of `of`: dy, the operands that `needed` marks, and y if
 * `needed` marks it. */
static int derivative_inputs(Node *of, uint32_t needed, Node *dy, Node *in[MOST_INPUTS]) {
  int n = 0;
  in[n++] = dy;
  for (int i = 0; i < of->nin; i++)
    if (needed >> i & 1) in[n++] = of->in[i];
  if (needed & MAP_NEEDS_Y) in[n++] = of;
  return n;
}

/* The gradient of an operand of shape `part`: dx, summed over the pixels and the channels to which the
 * operand is broadcast. */
static Node *sum_repeated(Graph *graph, Node *node, Shape part, Node *dx) {
  const Extent p = shape_extent(part), whole = shape_extent(node->shape);
  const bool over_channels = p.c != whole.c;
  if (one_pixel(p) && !one_pixel(whole)) {
    const Shape pixel = shape_with_rows(shape_image(1, 1, whole.c), part);
    dx = graph_hidden(graph, &op_sum_pixels, node, over_channels ? pixel : part, RESULT_SAMPLE, 1, &dx);
  }
  return over_channels ? graph_hidden(graph, &op_sum_channels, node, part, RESULT_SAMPLE, 1, &dx) : dx;
}

void map_backward_operand(Gradient *gradient, Node *node, Node *dy, int k, bool derivative_is_one) {
  if (!gradient_wanted(gradient, node->in[k])) return;
  Graph *graph = gradient_graph(gradient);
  Node *in[MOST_INPUTS], *dx = dy;
  if (!derivative_is_one) {
    dx = graph_hidden(graph, &op_map_gradient, node, node->shape, RESULT_SAMPLE,
                      derivative_inputs(node, needs(node, k), dy, in), in);
    dx->hidden->wrt = k;
  }
  dx = parts_gradient(gradient, node, node->in[k]->shape, dx);
  gradient_add(gradient, node->in[k], sum_repeated(graph, node, node->in[k]->shape, dx));
}

void map_backward(Gradient *gradient, Node *node, Node *dy) {
  Node *in[MOST_INPUTS];
  for (int k = 0; k < node->nin; k++) map_backward_operand(gradient, node, dy, k, !node->op->map_gradient);
  for (int k = 0; k < node->nweights; k++)
    if (gradient_trained(gradient, node, k))
      gradient_sum(gradient, &op_map_weight_gradient, node, k,
                   derivative_inputs(node, all_of_x(node), dy, in), in);
}

/* ---- `map gradient`: dy times the derivative with respect to x[wrt] ---- */
static double gradient_eval(const Node *node, const double *given, const double *weight, int64_t c) {
  const Node *of = node->hidden->of;
  const uint32_t needed = needs(of, node->hidden->wrt);
  double x[MOST_INPUTS], y = NAN; /* NAN if not needed */
  int n = 1;
  for (int i = 0; i < of->nin; i++) x[i] = needed >> i & 1 ? given[n++] : NAN;
  if (needed & MAP_NEEDS_Y) y = given[n];
  return given[0] * of->op->map_slope(of, x, y, weight, c, node->hidden->wrt);
}

static Val gradient_value(Map *m) {
  const Node *of = m->node->hidden->of;
  const uint32_t needed = needs(of, m->node->hidden->wrt);
  Map inner = *m;
  int n = 1;
  inner.node = of;
  for (int i = 0; i < of->nin; i++) inner.x[i] = needed >> i & 1 ? m->x[n++] : NULL;
  inner.y = needed & MAP_NEEDS_Y ? m->x[n] : NULL;
  return of->op->map_gradient(&inner, m->x[0], m->node->hidden->wrt);
}

const Op op_map_gradient = {
    .name = "map gradient",
    .family = FAMILY_MAP,
    .traits.keeps_spatial = true,
    .eval = map_run,
    .lower = lower_plain_map,
    .map_eval = gradient_eval,
    .map = gradient_value,
};

/* ---- `map weight gradient`: dw[c] += the sum over the pixels of dy times the derivative ---- */
static void weight_gradient_run(const Eval *eval) {
  const Node *node = eval->node, *of = node->hidden->of;
  const Extent e = shape_extent(of->shape);
  double x[MOST_INPUTS], weight[MOST_WEIGHTS];
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) {
      for (int i = 0; i < of->nin; i++) x[i] = eval->in[1 + i][operand_element(of->in[i]->shape, p, c)];
      gather_weights(eval, c, weight);
      eval->out[c] +=
          eval->in[0][p * e.c + c] * of->op->map_weight_slope(of, x, NAN, weight, c, node->hidden->wrt);
    }
}

/* Loads l->in[k] at a pixel and a channel. If in[k] is broadcast, loads from its only pixel or channel. */
static Val map_operand(Lower *l, int k, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  const int64_t *size = l->in[k]->dim + l->in[k]->leads;
  const Ix zero = {0}, *row = size[0] == 1 ? &zero : y, *column = size[1] == 1 ? &zero : x;
  return size[2] == 1 ? walk_load(l, l->in[k], row, column, &zero, 1, 1)
                      : walk_load(l, l->in[k], row, column, c, part, lanes);
}

/* The summand of the weight's gradient at one pixel. */
static Val weight_gradient_term(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                                const void *context) {
  (void)context;
  const Node *of = l->node->hidden->of;
  Map m = {.b = l->b, .node = of, .lower = l, .c = c, .part = part, .lanes = lanes};
  for (int i = 0; i < of->nin; i++) m.x[i] = map_operand(l, 1 + i, y, x, c, part, lanes);
  return of->op->map_weight_gradient(&m, map_operand(l, 0, y, x, c, part, lanes), l->node->hidden->wrt);
}

static void weight_gradient_lower(Lower *l) {
  for (int k = 0; k < l->node->nweights; k++) lower_weight(l, k);
  nest_fn(l->b, l->b->name, false);
  walk_sum_pixels(l, shape_extent(l->node->hidden->of->shape), weight_gradient_term, NULL);
}

const Op op_map_weight_gradient = {
    .name = "map weight gradient", .eval = weight_gradient_run, .lower = weight_gradient_lower};

/* ---- `sum over pixels` ---- */
static void sum_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t c = 0; c < e.c; c++) eval->out[c] = 0;
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) eval->out[c] += eval->in[0][p * e.c + c];
}

static Val sum_term(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                    const void *context) {
  (void)context;
  return walk_load(l, l->in[0], y, x, c, part, lanes);
}

static void sum_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_sum_pixels(l, shape_extent(l->node->in[0]->shape), sum_term, NULL);
}

const Op op_sum_pixels = {.name = "sum over pixels", .eval = sum_run, .lower = sum_lower};
