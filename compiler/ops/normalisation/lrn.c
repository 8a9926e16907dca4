/* lrn.c: lrn, local response normalisation over neighbouring channels  (Krizhevsky, Sutskever and Hinton,
 * 2012):
 *
 *     y[c] = x[c] / d[c]^beta,     d[c] = bias + alpha/size * sum of x[k]^2 over k from c - size/2 to c +
 * (size - 1)/2
 *
 * (alpha divided by size, and an even window beginning at c - size/2, as PyTorch and ONNX.) Backward, with
 * t[c] = dy[c] * x[c] / d[c]^(beta + 1):
 *
 *     dx[c] = dy[c] / d[c]^beta - 2*alpha*beta/size * x[c] * sum of t[k] over the k whose window holds c:
 * from c - (size - 1)/2 to c + size/2 */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "graph/shape.h"
#include "ops/engine/map.h"
#include "ops/engine/walk.h"

enum { UNROLL_MOST = 16 };

static const Param params[] = {
    {"size", PARAM_INT, "5", "channels of the window", 1, 1e6, NULL},
    {"alpha", PARAM_NUMBER, "1e-4", "factor of the sum of squares, divided by size", 0, 0, NULL},
    {"beta", PARAM_NUMBER, "0.75", "exponent", 0, 0, NULL},
    {"bias", PARAM_NUMBER, "1", "added to the sum", 0, 0, NULL},
    {0},
};

static int64_t size_of(const Node *node) { return arg_int(node, "size"); }
static double factor_of(const Node *node) { return arg_number(node, "alpha") / (double)size_of(node); }

static int64_t padded_of(const Node *node) { return shape_extent(node->shape).c + size_of(node) - 1; }

static void shape(ShapeContext *context, Node *node) {
  map_shape(context, node);
  if (!node->shape.rank || padded_of(node) <= SHAPE_MOST_ELEMENTS) return;
  Diag *diag = op_error(context, node, DIAG_too_large,
                        "a row of lrn with the window's zeros on both sides is too long");
  diag_fact(diag, "%lld channels + %lld - 1 = %lld, more than %lld", (long long)shape_extent(node->shape).c,
            (long long)size_of(node), (long long)padded_of(node), (long long)SHAPE_MOST_ELEMENTS);
  op_note_origin(context, diag, node->in[0]);
  node->shape = POISON;
}

/* ---- eval ---- */
static double denominator(const Node *node, const double *x, int64_t channels, int64_t c) {
  const int64_t size = size_of(node);
  double sum = 0;
  for (int64_t k = c - size / 2; k <= c + (size - 1) / 2; k++)
    if (k >= 0 && k < channels) sum += x[k] * x[k];
  return arg_number(node, "bias") + factor_of(node) * sum;
}

static void run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++)
      eval->out[p * e.c + c] =
          eval->in[0][p * e.c + c] *
          pow(denominator(node, eval->in[0] + p * e.c, e.c, c), -arg_number(node, "beta"));
}

static void gradient_run(const Eval *eval) { /* inputs dy, x; straight from the derivative */
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const int64_t size = size_of(node);
  const double beta = arg_number(node, "beta");
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *dy = eval->in[0] + p * e.c, *x = eval->in[1] + p * e.c;
    double *dx = eval->out + p * e.c;
    for (int64_t c = 0; c < e.c; c++) dx[c] = 0;
    for (int64_t c = 0; c < e.c; c++) {
      const double d = denominator(node, x, e.c, c);
      dx[c] += dy[c] * pow(d, -beta);
      for (int64_t k = c - size / 2; k <= c + (size - 1) / 2; k++)
        if (k >= 0 && k < e.c) dx[k] -= dy[c] * x[c] * beta * pow(d, -beta - 1) * factor_of(node) * 2 * x[k];
    }
  }
}

/* ---- lower: a row of scratch with zeros on both sides, so that no window needs a test ---- */
typedef struct Rows {
  Buf *squares, *terms, *scaled;
  int64_t before, after;
} Rows;

static void zero_row(Lower *l, Buf *row, const Ix *y) {
  Nest *b = l->b;
  NEST_FOR(b, i, row->dim[row->rank - 1]) walk_put(l, row, num(b, 0), y, NULL, &i, 1, 1);
}

/* The sum of size elements of a row from c on, where the row began with zeros. */
static Val window_sum(Lower *l, Buf *row, const Ix *y, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  const int64_t size = size_of(l->node);
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_LOOP(b, k, size <= UNROLL_MOST && !l->plain ? UNROLLED : SERIAL, 1, NEST_IX(0), 1, NEST_IX(size)) {
    const Ix from = *c + k;
    nest_store(b, nest_at(b, sum, 0),
               add(nest_get(b, nest_at(b, sum, 0)), walk_load(l, row, y, NULL, &from, part, lanes)));
  }
  return nest_get(b, nest_at(b, sum, 0));
}

/* d^-beta: by exp and log where there is nothing better. */
static Val to_minus_beta(Nest *b, Val d, double beta) {
  if (beta == 1) return div_(num(b, 1), d);
  if (beta == 0.5) return div_(num(b, 1), vsqrt(d));
  if (beta == 0.75) return vpower_minus_three_quarters(d);
  return vexp(mul(num(b, -beta), vlog(d)));
}

static void square_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const Rows *rows = context;
  const Ix to = *c + rows->before;
  Val value = walk_load(l, l->in[l->node->hidden ? 1 : 0], y, x, c, part, lanes);
  walk_put(l, rows->squares, mul(value, value), y, x, &to, part, lanes);
}

static Val denominator_value(Lower *l, const Rows *rows, const Ix *y, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  return nest_let(b, "d",
                  fma_(window_sum(l, rows->squares, y, c, part, lanes), num(b, factor_of(l->node)),
                       num(b, arg_number(l->node, "bias"))));
}

static void result_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  Val d = denominator_value(l, context, y, c, part, lanes);
  lower_store(
      l,
      mul(walk_load(l, l->in[0], y, x, c, part, lanes), to_minus_beta(l->b, d, arg_number(l->node, "beta"))),
      y, x, c, part, lanes);
}

static Rows make_rows(Lower *l, LoopKind kind, Extent e) {
  const int64_t size = size_of(l->node);
  Rows rows = {.before = size / 2, .after = (size - 1) / 2};
  rows.squares = walk_row_scratch(l, "squares", kind, e.h, padded_of(l->node));
  return rows;
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const bool shares = l->threads && bounded_product(e.h, padded_of(l->node)) <= SHAPE_MOST_ELEMENTS;
  const LoopKind kind = shares ? walk_rows(l, e.h * e.w * e.c * size_of(l->node)) : SERIAL;
  const Rows rows = make_rows(l, kind, e);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, kind, 1, NEST_IX(0), 1, NEST_IX(e.h)) {
    zero_row(l, rows.squares, &y);
    NEST_FOR(b, x, e.w) {
      walk_channels(l, e.c, &y, &x, square_body, &rows);
      walk_channels(l, e.c, &y, &x, result_body, &rows);
    }
  }
}

static void terms_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Rows *rows = context;
  Nest *b = l->b;
  const Ix to = *c + rows->after;
  Val d = denominator_value(l, rows, y, c, part, lanes);
  Val scaled = nest_let(
      b, "scaled",
      mul(walk_load(l, l->in[0], y, x, c, part, lanes), to_minus_beta(b, d, arg_number(l->node, "beta"))));
  walk_put(l, rows->scaled, scaled, y, x, c, part, lanes);
  walk_put(l, rows->terms, div_(mul(scaled, walk_load(l, l->in[1], y, x, c, part, lanes)), d), y, x, &to,
           part, lanes);
}

static void gradient_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  const Rows *rows = context;
  Nest *b = l->b;
  Val spread = mul(walk_load(l, l->in[1], y, x, c, part, lanes),
                   num(b, -2 * factor_of(l->node) * arg_number(l->node, "beta")));
  lower_store(l,
              fma_(spread, window_sum(l, rows->terms, y, c, part, lanes),
                   walk_load(l, rows->scaled, y, x, c, part, lanes)),
              y, x, c, part, lanes);
}

static void gradient_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int64_t padded = padded_of(l->node);
  Rows rows = make_rows(l, SERIAL, e);
  rows.terms = lower_scratch(l, "terms", 1, &padded);
  rows.scaled = lower_scratch(l, "scaled", 1, &e.c);
  nest_fn(b, b->name, false);
  zero_row(l, rows.squares, NULL);
  zero_row(l, rows.terms, NULL);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      walk_channels(l, e.c, &y, &x, square_body, &rows);
      walk_channels(l, e.c, &y, &x, terms_body, &rows);
      walk_channels(l, e.c, &y, &x, gradient_body, &rows);
    }
}

static const Op op_gradient = {.name = "lrn input gradient", .eval = gradient_run, .lower = gradient_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_gradient, node, 2, (Node *[]){dy, node->in[0]});
}

const Op op_lrn = {
    .name = "lrn",
    .group = "normalisation",
    .summary = "local response normalisation over neighbouring channels",
    .detail = "y[c] = x[c] / (bias + alpha/size * sum of x[k]^2)^beta, k from c - size/2 to c + (size - 1)/2",
    .params = params,
    .example = "conv(96, 11x11, stride=4) -> relu -> lrn(5)",
    .keeps_spatial = true,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
