/* lrn.c: lrn, local response normalization over neighboring channels  (Krizhevsky, Sutskever and Hinton,
 * 2012):
 *
 * y[c] = x[c] / d[c]^beta,     d[c] = bias + alpha/size * sum of x[k]^2 over k from c - before to c + after
 *
 * (alpha is divided by size, as in PyTorch and ONNX.) before + after + 1 = size. If size is even, before is
 * larger by one, as in PyTorch; with even=after, after is larger by one, as in ONNX. Backward, with t[c] =
 * dy[c] * x[c] / d[c]^(beta + 1):
 *
 * dx[c] = dy[c] / d[c]^beta - 2*alpha*beta/size * x[c] * sum of t[k] over the k whose window contains c: from
 * c - after to c + before */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "graph/shape.h"
#include "kernel/map.h"
#include "kernel/walk.h"

enum { UNROLL_MOST = 16 };
enum {
  BLOCK = 4
}; /* number of pixels whose scratch rows are written before the first row is read. A window spans two stored
      vectors: a load right after these stores would wait until both have left the CPU's store queue */

static const Param params[] = {
    {"size", PARAM_INT, "5", "number of channels in the window", 1, 1e6, NULL},
    {"alpha", PARAM_NUMBER, "1e-4", "alpha/size is the factor of the sum of squares", 0, 0, NULL},
    {"beta", PARAM_NUMBER, "0.75", "exponent", 0, 0, NULL},
    {"bias", PARAM_NUMBER, "1", "constant added to the sum before the power is taken", 0, 0, NULL},
    {"even", PARAM_CHOICE, "before",
     "if size is even, the side of the window with one more channel: before (as in PyTorch) or after (as in "
     "ONNX)",
     0, 0, "before after"},
    {0},
};

static int64_t lrn_size(const Node *node) { return arg_int(node, "size"); }
static int64_t before_of(const Node *node) {
  return arg_is(node, "even", "after") ? (lrn_size(node) - 1) / 2 : lrn_size(node) / 2;
}
static int64_t after_of(const Node *node) { return lrn_size(node) - 1 - before_of(node); }
static double factor_of(const Node *node) { return arg_number(node, "alpha") / (double)lrn_size(node); }

static int64_t padded_of(const Node *node) { return shape_extent(node->shape).c + lrn_size(node) - 1; }

static void shape(ShapeContext *context, Node *node) {
  map_shape(context, node);
  if (!node->shape.rank || padded_of(node) <= SHAPE_MOST_ELEMENTS) return;
  Diag *diag = op_error(context, node, DIAG_too_large,
                        "the input of lrn, with the padding of its window, has too many channels");
  diag_fact(diag, "%lld channels + %lld - 1 = %lld, more than %lld", (long long)shape_extent(node->shape).c,
            (long long)lrn_size(node), (long long)padded_of(node), (long long)SHAPE_MOST_ELEMENTS);
  op_note_origin(context, diag, node->in[0]);
  node->shape = POISON;
}

/* ---- eval ---- */
static double lrn_denominator(const Node *node, const double *x, int64_t channels, int64_t c) {
  double sum = 0;
  for (int64_t k = c - before_of(node); k <= c + after_of(node); k++)
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
          pow(lrn_denominator(node, eval->in[0] + p * e.c, e.c, c), -arg_number(node, "beta"));
}

static void gradient_run(const Eval *eval) { /* inputs dy, x; sums the derivatives of all outputs */
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const double beta = arg_number(node, "beta");
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *dy = eval->in[0] + p * e.c, *x = eval->in[1] + p * e.c;
    double *dx = eval->out + p * e.c;
    for (int64_t c = 0; c < e.c; c++) dx[c] = 0;
    for (int64_t c = 0; c < e.c; c++) {
      const double d = lrn_denominator(node, x, e.c, c);
      dx[c] += dy[c] * pow(d, -beta);
      for (int64_t k = c - before_of(node); k <= c + after_of(node); k++)
        if (k >= 0 && k < e.c) dx[k] -= dy[c] * x[c] * beta * pow(d, -beta - 1) * factor_of(node) * 2 * x[k];
    }
  }
}

/* ---- lower: each pixel of a block has a scratch row with zeros before its first channel and after its last
 * channel, so that windows need no bounds checks ---- */
typedef struct Rows {
  Buf *squares, *terms, *scaled; /* [pixel][c]; if threads share the image rows, [y][pixel][c] */
  int64_t before, after, pixels;
  Ix pixel; /* index in the block */
} Rows;

static int64_t block_columns(const Lower *l, Extent e) {
  const bool stores_vectors = walk_lanes(l, e.c) > 1;
  if (!stores_vectors || bounded_product(BLOCK, padded_of(l->node)) > SHAPE_MOST_ELEMENTS) return 1;
  return e.w < BLOCK ? e.w : BLOCK;
}

static Buf *block_scratch(Lower *l, const char *name, LoopKind kind, Extent e, int64_t channels) {
  const int64_t dim[] = {e.h, block_columns(l, e), channels};
  return kind == PARALLEL ? lower_scratch(l, name, 3, dim) : lower_scratch(l, name, 2, dim + 1);
}

static Val get(Lower *l, const Rows *rows, Buf *row, const Ix *y, const Ix *c, int part, int lanes) {
  const Ix *pixel = &rows->pixel;
  return walk_load(l, row, row->rank == 2 ? pixel : y, pixel, c, part, lanes);
}

static void put_lrn_row(Lower *l, const Rows *rows, Buf *row, Val value, const Ix *y, const Ix *c, int part,
                        int lanes) {
  const Ix *pixel = &rows->pixel;
  walk_put(l, row, value, row->rank == 2 ? pixel : y, pixel, c, part, lanes);
}

static void zero_block(Lower *l, Rows *rows, Buf *row, const Ix *y) {
  Nest *b = l->b;
  NEST_FOR(b, p, rows->pixels) {
    rows->pixel = p;
    NEST_FOR(b, i, padded_of(l->node)) put_lrn_row(l, rows, row, num(b, 0), y, &i, 1, 1);
  }
}

/* The sum over the window of channel c: elements c .. c+size-1 of the pixel's scratch row, which begins with
 * padding. */
static Val window_sum(Lower *l, const Rows *rows, Buf *row, const Ix *y, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  const int64_t size = lrn_size(l->node);
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_LOOP(b, k, size <= UNROLL_MOST && !l->plain ? UNROLLED : SERIAL, 1, NEST_IX(0), 1, NEST_IX(size)) {
    const Ix from = *c + k;
    nest_store(b, nest_at(b, sum, 0),
               add(nest_get(b, nest_at(b, sum, 0)), get(l, rows, row, y, &from, part, lanes)));
  }
  return nest_get(b, nest_at(b, sum, 0));
}

/* d^-beta, computed with exp and log unless there is a faster form. */
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
  put_lrn_row(l, rows, rows->squares, mul(value, value), y, &to, part, lanes);
}

static Val denominator_value(Lower *l, const Rows *rows, const Ix *y, const Ix *c, int part, int lanes) {
  Nest *b = l->b;
  return nest_let(b, "d",
                  fma_(window_sum(l, rows, rows->squares, y, c, part, lanes), num(b, factor_of(l->node)),
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
  Rows rows = {.before = before_of(l->node), .after = after_of(l->node), .pixels = block_columns(l, e)};
  rows.squares = block_scratch(l, "squares", kind, e, padded_of(l->node));
  return rows;
}

/* Runs one body after the other, each for `pixels` pixels of row y, starting at `first`. */
static void walk_block(Lower *l, const Ix *y, const Ix *first, int64_t pixels, Rows *rows, int n,
                       WalkBody *const *body) {
  Nest *b = l->b;
  for (int i = 0; i < n; i++)
    NEST_FOR(b, p, pixels) {
      const Ix x = *first + p;
      rows->pixel = p;
      walk_channels(l, shape_extent(l->node->shape).c, y, &x, body[i], rows);
    }
}

static void walk_blocks(Lower *l, Extent e, const Ix *y, Rows *rows, int n, WalkBody *const *body) {
  Nest *b = l->b;
  const int64_t blocks = e.w / rows->pixels, rest = e.w % rows->pixels;
  const Ix last = NEST_Z + blocks * rows->pixels;
  NEST_FOR(b, block, blocks) {
    const Ix first = block * rows->pixels;
    walk_block(l, y, &first, rows->pixels, rows, n, body);
  }
  if (rest) walk_block(l, y, &last, rest, rows, n, body);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int64_t scratch = block_columns(l, e) * padded_of(l->node);
  const bool shares = l->threads && bounded_product(e.h, scratch) <= SHAPE_MOST_ELEMENTS;
  const LoopKind kind = shares ? walk_rows(l, e.h * e.w * e.c * lrn_size(l->node)) : SERIAL;
  Rows rows = make_rows(l, kind, e);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, kind, 1, NEST_IX(0), 1, NEST_IX(e.h)) {
    zero_block(l, &rows, rows.squares, &y);
    walk_blocks(l, e, &y, &rows, 2, (WalkBody *const[]){square_body, result_body});
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
  put_lrn_row(l, rows, rows->scaled, scaled, y, c, part, lanes);
  put_lrn_row(l, rows, rows->terms, div_(mul(scaled, walk_load(l, l->in[1], y, x, c, part, lanes)), d), y,
              &to, part, lanes);
}

static void lrn_gradient_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                              const void *context) {
  const Rows *rows = context;
  Nest *b = l->b;
  Val spread = mul(walk_load(l, l->in[1], y, x, c, part, lanes),
                   num(b, -2 * factor_of(l->node) * arg_number(l->node, "beta")));
  lower_store(l,
              fma_(spread, window_sum(l, rows, rows->terms, y, c, part, lanes),
                   get(l, rows, rows->scaled, y, c, part, lanes)),
              y, x, c, part, lanes);
}

static void gradient_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  Rows rows = make_rows(l, SERIAL, e);
  rows.terms = block_scratch(l, "terms", SERIAL, e, padded_of(l->node));
  rows.scaled = block_scratch(l, "scaled", SERIAL, e, e.c);
  nest_fn(b, b->name, false);
  zero_block(l, &rows, rows.squares, NULL);
  zero_block(l, &rows, rows.terms, NULL);
  NEST_FOR(b, y, e.h)
    walk_blocks(l, e, &y, &rows, 3, (WalkBody *const[]){square_body, terms_body, lrn_gradient_body});
}

static const Op op_gradient = {.name = "lrn input gradient", .eval = gradient_run, .lower = gradient_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_gradient, node, 2, (Node *[]){dy, node->in[0]});
}

const Op op_lrn = {
    .name = "lrn",
    .group = "normalization",
    .summary = "local response normalization over neighboring channels",
    .detail = "y[c] = x[c] / (bias + alpha/size * sum of x[k]^2)^beta for k from c - size/2 to c + (size - "
              "1)/2, or, with even=after, from c - (size - 1)/2 to c + size/2",
    .params = params,
    .example = "conv(96, 11x11, stride=4) -> relu -> lrn(5)",
    .traits.keeps_spatial = true,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.stream = STREAM_ROWS,
};
