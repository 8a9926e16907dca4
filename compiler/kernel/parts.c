/* parts.c: Common code of operators that compute all rows in one nest: loads, sums over rows, an error
 * message. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/parts.h"

Val parts_load(Lower *l, Buf *buf, const Ix *n, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  return nest_load_part(b, buf->rank == 4 ? nest_at(b, buf, *n, *y, *x, *c) : nest_at(b, buf, *y, *x, *c),
                        part, lanes);
}

/* ---- messages ---- */
static const char *divisors_text(Arena *arena, int64_t all) {
  enum { SHOWN = 7 };
  Text out = {.arena = arena};
  int n = 0;
  for (int64_t d = 1; d <= all && n <= SHOWN; d++) {
    if (all % d) continue;
    if (n == SHOWN) text_put(&out, ", …");
    else text_put(&out, "%s%lld", n ? ", " : "", (long long)d);
    n++;
  }
  return out.s;
}

bool parts_divide(ShapeContext *context, const Node *node, const char *param, int64_t n, int64_t all,
                  const char *what, const char *of, const Node *value) {
  if (all % n == 0) return true;
  Diag *diag = op_error_at(context, node, param, DIAG_groups_mismatch,
                           "%s=%lld of %s does not divide the %lld %s of its %s", param, (long long)n,
                           node->op->name, (long long)all, what, of);
  diag_fact(diag, "%s: %lld / %lld is not whole", what, (long long)all, (long long)n);
  if (value) op_note_origin(context, diag, value);
  diag_help(diag, "%lld is divisible by %s", (long long)all, divisors_text(context->arena, all));
  return false;
}

/* ---- `sum over rows`: row j of r rows is the sum of the input's rows j, j + r, j + 2r, ... ---- */
static void sum_rows_run(const Eval *eval) {
  const int64_t n = shape_elements(eval->node->shape), all = shape_elements(eval->node->in[0]->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = 0;
  for (int64_t i = 0; i < all; i++) eval->out[i % n] += eval->in[0][i];
}

static void sum_rows_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  Nest *b = l->b;
  const int64_t rows = shape_rows(l->node->shape), rounds = shape_rows(l->node->in[0]->shape) / rows;
  (void)context;
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1);
  nest_store(b, nest_at(b, sum, 0), parts_load(l, l->in[0], l->row, y, x, c, part, lanes));
  if (rounds > 1)
    NEST_FROM(b, i, 1, rounds) {
      const Ix from = i * rows + *l->row;
      nest_store(b, nest_at(b, sum, 0),
                 add(nest_get(b, nest_at(b, sum, 0)), parts_load(l, l->in[0], &from, y, x, c, part, lanes)));
    }
  lower_store(l, nest_get(b, nest_at(b, sum, 0)), y, x, c, part, lanes);
}

static void sum_rows_lower(Lower *l) {
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, n, shape_rows(l->node->shape)) {
    l->row = &n;
    walk_pixels(l, shape_extent(l->node->shape), sum_rows_body, NULL);
  }
}

static const Op op_sum_rows = {
    .name = "sum over rows", .traits.mixes_rows = true, .eval = sum_rows_run, .lower = sum_rows_lower};

Node *parts_gradient(Gradient *gradient, Node *of, Shape operand, Node *dx) {
  if (dx->shape.regions == operand.regions) return dx;
  return graph_hidden(gradient_graph(gradient), &op_sum_rows, of, shape_with_rows(dx->shape, operand),
                      RESULT_SAMPLE, 1, &dx);
}
