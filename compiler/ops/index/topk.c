/* topk.c: topk, the k largest or smallest numbers of a vector, sorted, with their indices, as in torch.topk;
 * equal numbers are ordered by index. NaN is larger than all numbers. The indices have no gradient. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include "kernel/routine.h"
#include "ops/index/index.h"

static const char text[] =
#include "ops/index/topk_text.inc"
    ;

enum { PAIR = 2 };

static const Param params[] = {
    {"k", PARAM_INT, NULL, "number of results", 0, 0, NULL},
    {"largest", PARAM_BOOL, "true", "select the largest numbers; false: select the smallest numbers", 0, 0,
     NULL},
    {0},
};

/* ---- the shape ---- */
static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank || arg_const(node, "k")->kind == CONST_POISON) return;
  const int64_t k = arg_int(node, "k"), n = in.dim[0];
  if (in.rank != 1) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape, "topk takes a vector, but its input is %s",
                          shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    if (in.rank == 3) diag_help(diag, "channel_max -> flatten ranks pixels by their largest channel");
    else diag_help(diag, "channel_max -> flatten ranks positions by their largest channel");
    return;
  }
  if (k > n) {
    Diag *diag = op_error_at(context, node, "k", DIAG_bad_value,
                             "'k' of topk is %lld, but its input has %lld number%s", (long long)k,
                             (long long)n, n == 1 ? "" : "s");
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  if (!index_fits(context, node, node->in[0], n)) return;
  node->shape = shape_sequence(k, PAIR);
  node->shape.regions = in.regions;
}

/* ---- reference ---- */
typedef struct Ranked {
  double value; /* the number, or minus the number if the largest numbers are selected */
  int64_t index;
  bool odd;
} Ranked;

static int rank_order(const void *a, const void *b) {
  const Ranked *x = a, *y = b;
  if (x->odd != y->odd) return x->odd < y->odd ? -1 : 1;
  if (!x->odd && x->value != y->value) return x->value < y->value ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static void select_best(const double *x, int64_t n, int64_t k, bool largest, double *out) {
  Arena *arena = arena_new();
  Ranked *ranked = NEW_ARRAY(arena, Ranked, n);
  int64_t odd = 0;
  for (int64_t i = 0; i < n; i++) {
    ranked[i] = (Ranked){largest ? -x[i] : x[i], i, isnan(x[i])};
    odd += ranked[i].odd;
  }
  qsort(ranked, (size_t)n, sizeof *ranked, rank_order);
  for (int64_t i = 0; i < k; i++) {
    const int64_t from = !largest ? i : i < odd ? n - odd + i : i - odd, index = ranked[from].index;
    out[PAIR * i] = x[index];
    out[PAIR * i + 1] = (double)index;
  }
  arena_free(arena);
}

static void eval(const Eval *eval) {
  const Node *node = eval->node;
  select_best(eval->in[0], shape_row_elements(node->in[0]->shape), arg_int(node, "k"),
              arg_bool(node, "largest"), eval->out);
}

/* ---- the nest ---- */
static void run_routine(double *const *buf, const double *number) {
  const int64_t n = (int64_t)number[0], k = (int64_t)number[1];
  for (int64_t i = 0; i < 2 * n; i++) buf[1][i] = 0;
  select_best(buf[0], n, k, number[2] != 0, buf[2]);
}

static const Routine routine = {.name = "topk",
                                .depth = 4,
                                .text = text,
                                .uses = &best_routine,
                                .nbufs = 3,
                                .nnumbers = 3,
                                .elem = {F32, F32, F32},
                                .writes = {[1] = true, [2] = true},
                                .whole = {true, true, true},
                                .run = run_routine};

static void lower(Lower *l) {
  Nest *b = l->b;
  const int64_t n = shape_row_elements(l->node->in[0]->shape), k = arg_int(l->node, "k");
  Buf *work = lower_scratch(l, "work", 2, (int64_t[]){2, n}),
      *best = lower_scratch(l, "best", 2, (int64_t[]){k, PAIR});
  nest_fn(b, b->name, false);
  Buf *x = lower_contiguous(l, "numbers", l->in[0]);
  nest_routine(b, &routine, (Buf *[]){x, work, best},
               (double[]){(double)n, (double)k, arg_bool(l->node, "largest")});
  NEST_FOR(b, i, k)
    NEST_FOR(b, c, PAIR) {
      const Ix y = 0 * i;
      lower_store(l, nest_load(b, nest_at(b, best, i, c), 1), &y, &i, &c, 1, 1);
    }
}

/* ---- the gradient: inputs dy and the result, whose second column is the index ---- */
static void back_eval(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape), k = arg_int(node_forward(eval->node), "k");
  for (int64_t i = 0; i < n; i++) eval->out[i] = 0;
  for (int64_t i = 0; i < k; i++) eval->out[index_of(eval->in[1][PAIR * i + 1], n)] += eval->in[0][PAIR * i];
}

static void back_lower(Lower *l) {
  Nest *b = l->b;
  const int64_t n = shape_row_elements(l->node->shape), k = arg_int(node_forward(l->node), "k");
  const Extent e = shape_extent(l->node->shape);
  Buf *sum = walk_sum_begin(l, e);
  nest_fn(b, b->name, false);
  walk_clear(l, sum, e);
  NEST_FOR(b, i, k) NEST_CHOSEN(b, c, nest_load(b, nest_at(b, l->in[1], 0, i, 1), 1), 0, n) {
      const Ix zero = {0};
      walk_put(l, sum,
               add(walk_load(l, sum, &zero, &zero, &c, 1, 1), nest_load(b, nest_at(b, l->in[0], 0, i, 0), 1)),
               &zero, &zero, &c, 1, 1);
    }
  walk_sum_end(l, sum, e);
}

static const Op op_back = {.name = "topk input gradient", .eval = back_eval, .lower = back_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 2, (Node *[]){dy, node});
}

const Op op_topk = {
    .name = "topk",
    .group = "index",
    .summary = "the k largest numbers of a vector, sorted, with their indices",
    .detail =
        "row i of the result is a number and its index. If numbers are equal, the number with the lower "
        "index is first; NaN counts as larger than all numbers; no gradient passes to the indices",
    .params = params,
    .example = "scores -> channel_max -> flatten -> topk(300)",
    .traits.per_image = true,
    .traits.indices = true,
    .shape = shape,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
