/* matmul.c: matmul, the product of two values as matrices: y = scale * A*B, where A is the current value.
 * Both A and B may be transposed. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/parts.h"
#include "kernel/walk.h"
#include "ops/attention/matmul.h"

static const Param params[] = {
    {"x", PARAM_VALUE, NULL, "the right factor B: a sequence, or a vector, which is a matrix with one row", 0,
     0, NULL},
    {"transpose", PARAM_CHOICE, "none",
     "factors that are transposed: left is the current value A, right is B", 0, 0, "none left right both"},
    {"scale", PARAM_NUMBER, "1", "factor by which the product is multiplied", 0, 0, NULL},
    {0}};

static int64_t matrix_rows(Shape s) { return shape_extent(s).w; }
static int64_t matrix_columns(Shape s) { return shape_extent(s).c; }

/* Sets the sizes of the product. Returns false if the inner sizes differ. */
static bool inner_sizes_fit(Shape a, Shape b, bool left, bool right, MatrixProduct *p) {
  *p = (MatrixProduct){.l = left ? matrix_columns(a) : matrix_rows(a),
                       .k = left ? matrix_rows(a) : matrix_columns(a),
                       .m = right ? matrix_rows(b) : matrix_columns(b),
                       .left = left,
                       .right = right};
  return p->k == (right ? matrix_columns(b) : matrix_rows(b));
}

/* ---- the shape ---- */
static bool is_matrix(ShapeContext *context, const Node *node, const Node *value) {
  const Shape s = value->shape;
  if (s.rank < 3) return true;
  Diag *diag = op_error(context, node, DIAG_wrong_shape, "matmul takes sequences, but its %s is %s",
                        value == node->in[0] ? "input" : "operand", shape_text(context->arena, s));
  op_note_origin(context, diag, value);
  diag_help(diag, "reshape([%lld, %lld]) counts its pixels, split_rows takes each row of pixels as a matrix",
            (long long)(s.dim[0] * s.dim[1]), (long long)s.dim[2]);
  return false;
}

static const char *const choice_word[] = {"none", "left", "right", "both"};

static void inner_sizes_differ(ShapeContext *context, const Node *node, const MatrixProduct *p) {
  static const char *const choice_help[] = {
      "without a transpose the sizes match", "transpose=left transposes the current value",
      "transpose=right transposes the operand", "transpose=both transposes both factors"};
  const Shape a = node->in[0]->shape, b = node->in[1]->shape;
  Diag *diag = op_error(context, node, DIAG_shape_mismatch, "matmul of %s and %s: the inner sizes differ",
                        shape_text(context->arena, a), shape_text(context->arena, b));
  diag_fact(diag, "%lld %s on the left, %lld %s on the right", (long long)p->k, p->left ? "rows" : "columns",
            (long long)(p->right ? matrix_columns(b) : matrix_rows(b)), p->right ? "columns" : "rows");
  op_note_origin(context, diag, node->in[0]);
  op_note_origin(context, diag, node->in[1]);
  static const int likely[] = {2, 1, 3, 0};
  int fits = -1, n = 0;
  for (int i = 0; i < 4; i++) {
    MatrixProduct other;
    if (!inner_sizes_fit(a, b, likely[i] & 1, likely[i] >> 1, &other)) continue;
    if (!n++) fits = likely[i];
  }
  if (n) diag_help(diag, "%s", choice_help[fits]);
  if (n != 1) return;
  const Span written = arg_const(node, "transpose")->span, x = arg_const(node, "x")->span;
  if (written.file) diag_fix(diag, written, "%s", choice_word[fits]);
  else if (x.file) diag_fix(diag, (Span){x.file, x.end, x.end}, ", transpose=%s", choice_word[fits]);
}

static void shape(ShapeContext *context, Node *node) {
  const Shape a = node->in[0]->shape, b = node->in[1]->shape;
  if (!a.rank || !b.rank || !is_matrix(context, node, node->in[0]) || !is_matrix(context, node, node->in[1]))
    return;
  const bool both = arg_is(node, "transpose", "both");
  MatrixProduct *p = NEW(context->arena, MatrixProduct);
  if (!inner_sizes_fit(a, b, both || arg_is(node, "transpose", "left"),
                       both || arg_is(node, "transpose", "right"), p)) {
    inner_sizes_differ(context, node, p);
    return;
  }
  const Node *rows = op_common_rows(context, node);
  if (!rows) return;
  p->scale = arg_number(node, "scale");
  node->detail = p;
  node->shape = shape_with_rows(shape_sequence(p->l, p->m), rows->shape);
}

MatrixProduct matmul_sizes(const Node *node) { return *(const MatrixProduct *)node->detail; }

static Cost cost(const Node *node) {
  const MatrixProduct p = matmul_sizes(node);
  return (Cost){.macs = bounded_product(bounded_product(p.l, p.k), p.m)};
}

/* ---- reference ---- */
static void run(const Eval *eval) {
  const MatrixProduct p = matmul_sizes(eval->node);
  const double *a = eval->in[0], *b = eval->in[1];
  for (int64_t i = 0; i < p.l; i++)
    for (int64_t j = 0; j < p.m; j++) {
      double sum = 0;
      for (int64_t k = 0; k < p.k; k++)
        sum += a[p.left ? k * p.l + i : i * p.k + k] * b[p.right ? j * p.k + k : k * p.m + j];
      eval->out[i * p.m + j] = p.scale * sum;
    }
}

/* ---- the nest ----
 * Each tile, a few rows by a few vectors of columns, is computed in registers. B is read in vectors of
 * columns. If B is stored transposed, a copy is made first, in which each row of B is contiguous. */
typedef struct Tiles {
  Lower *l;
  MatrixProduct p;
  Buf *b; /* [K][M] */
  int rows, vectors;
} Tiles;

static Val left_factor(const Tiles *t, const Ix *i, const Ix *k) {
  Nest *b = t->l->b;
  Buf *a = t->l->in[0];
  return nest_load(b, t->p.left ? nest_at(b, a, 0, *k, *i) : nest_at(b, a, 0, *i, *k), 1);
}

static Val right_factor(const Tiles *t, const Ix *k, const Ix *j, int part, int lanes) {
  Nest *b = t->l->b;
  return nest_load_part(
      b, t->b->rank - t->b->leads == 2 ? nest_at(b, t->b, *k, *j) : nest_at(b, t->b, 0, *k, *j), part, lanes);
}

static void product_tile(const Tiles *t, const Ix *i0, int rows, const Ix *j0, int vectors, int part,
                         int lanes) {
  Nest *b = t->l->b;
  const Ix zero = {0};
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, rows, vectors);
  NEST_UNROLL(b, r, rows)
    NEST_UNROLL(b, v, vectors) nest_store(b, nest_at(b, sum, r, v), num(b, 0));
  NEST_FOR(b, k, t->p.k) {
    Val w[8];
    for (int v = 0; v < vectors; v++) {
      const Ix j = *j0 + v * lanes;
      w[v] = nest_let(b, nest_text(b, "w%d", v), right_factor(t, &k, &j, part, lanes));
    }
    NEST_UNROLL(b, r, rows) {
      const Ix i = *i0 + r;
      Val x = nest_let(b, "x", left_factor(t, &i, &k));
      for (int v = 0; v < vectors; v++) nest_accumulate(b, nest_at(b, sum, r, v), x, w[v]);
    }
  }
  NEST_UNROLL(b, r, rows)
    NEST_UNROLL(b, v, vectors) {
      const Ix i = *i0 + r, j = *j0 + v * lanes;
      Val y = nest_get(b, nest_at(b, sum, r, v));
      if (t->p.scale != 1) y = mul(y, num(b, t->p.scale));
      lower_store(t->l, y, &zero, &i, &j, part, lanes);
    }
}

static void tile_row(const Tiles *t, const Ix *i, int rows) {
  Nest *b = t->l->b;
  const int lanes = walk_lanes(t->l, t->p.m), wide = lanes * t->vectors;
  const int64_t groups = t->p.m / wide, singles = t->p.m % wide / lanes, rest = t->p.m % lanes;
  const Ix zero = {0}, first = zero + groups * wide, tail = first + singles * lanes;
  if (groups)
    NEST_FOR(b, g, groups) {
      const Ix j = g * wide;
      product_tile(t, i, rows, &j, t->vectors, lanes, lanes);
    }
  if (singles) product_tile(t, i, rows, &first, (int)singles, lanes, lanes);
  if (rest) product_tile(t, i, rows, &tail, 1, (int)rest, walk_lanes(t->l, rest));
}

static Buf *transposed_operand(const Tiles *t, Buf *to) {
  Nest *b = t->l->b;
  const MatrixProduct *p = &t->p;
  NEST_LOOP(b, k, walk_rows(t->l, p->k * p->m), 1, NEST_IX(0), 1, NEST_IX(p->k))
    NEST_FOR(b, j, p->m)
      nest_store(b, nest_at(b, to, k, j), nest_load(b, nest_at(b, t->l->in[1], 0, j, k), 1));
  return to;
}

static void lower_plain(Lower *l, const MatrixProduct *p) {
  Nest *b = l->b;
  const Tiles t = {.l = l, .p = *p, .b = l->in[1]};
  const Ix zero = {0};
  NEST_FOR(b, i, p->l)
    NEST_FOR(b, j, p->m) {
      Buf *sum = NEST_REGISTERS(b, "sum", 1, 1);
      nest_store(b, nest_at(b, sum, 0), num(b, 0));
      NEST_FOR(b, k, p->k) {
        Val y = p->right ? nest_load(b, nest_at(b, l->in[1], 0, j, k), 1) : right_factor(&t, &k, &j, 1, 1);
        nest_accumulate(b, nest_at(b, sum, 0), left_factor(&t, &i, &k), y);
      }
      Val y = nest_get(b, nest_at(b, sum, 0));
      if (p->scale != 1) y = mul(y, num(b, p->scale));
      lower_store(l, y, &zero, &i, &j, 1, 1);
    }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  Tiles t = {.l = l, .p = matmul_sizes(l->node), .b = l->in[1]};
  const bool few = l->target->registers < 32, vectors = !l->plain && walk_lanes(l, t.p.m) > 1;
  Buf *scratch = vectors && t.p.right ? lower_scratch(l, "turned", 2, (int64_t[]){t.p.k, t.p.m}) : NULL;
  nest_fn(b, b->name, false);
  if (!vectors) {
    lower_plain(l, &t.p);
    return;
  }
  if (scratch) t.b = transposed_operand(&t, scratch);
  t.rows = few ? 6 : 8;
  t.vectors = few ? 2 : 3;
  const int64_t tiles = t.p.l / t.rows, rest = t.p.l % t.rows;
  const Ix zero = {0}, last = zero + tiles * t.rows;
  if (tiles)
    NEST_LOOP(b, tile, walk_rows(l, t.p.l * t.p.m * t.p.k), 1, NEST_IX(0), 1, NEST_IX(tiles)) {
      const Ix i = tile * t.rows;
      tile_row(&t, &i, t.rows);
    }
  if (rest) tile_row(&t, &last, (int)rest);
}

/* ---- the gradient: products of dy and the other factor ---- */
static const Op op_factor = {.name = "matmul gradient",
                             .traits.product = true,
                             .traits.reads_anywhere = true,
                             .cost = cost,
                             .eval = run,
                             .lower = lower};

static Node *product_node(Gradient *gradient, Node *of, int operand, Node *a, bool left, Node *b,
                          bool right) {
  Graph *graph = gradient_graph(gradient);
  const Shape shape = shape_with_rows(shape_row(of->in[operand]->shape), of->shape);
  Node *node = graph_hidden(graph, &op_factor, of, shape, RESULT_SAMPLE, 2, (Node *[]){a, b});
  MatrixProduct *p = NEW(graph->arena, MatrixProduct);
  inner_sizes_fit(a->shape, b->shape, left, right, p);
  p->scale = matmul_sizes(of).scale;
  node->detail = p;
  node->hidden->wrt = operand;
  return node;
}

static void backward(Gradient *gradient, Node *node, Node *dy) {
  const MatrixProduct p = matmul_sizes(node);
  Node *a = node->in[0], *b = node->in[1];
  for (int k = 0; k < 2; k++) {
    if (!gradient_wanted(gradient, node->in[k])) continue;
    Node *dx = k == 0 ? (p.left ? product_node(gradient, node, 0, b, p.right, dy, true)
                                : product_node(gradient, node, 0, dy, false, b, !p.right))
                      : (p.right ? product_node(gradient, node, 1, dy, true, a, p.left)
                                 : product_node(gradient, node, 1, a, !p.left, dy, false));
    gradient_add(gradient, node->in[k], parts_gradient(gradient, node, node->in[k]->shape, dx));
  }
}

const Op op_matmul = {
    .name = "matmul",
    .family = FAMILY_MATMUL,
    .group = "attention",
    .summary = "matrix product of the current value A (LxK) and the value B (KxM); the result is LxM",
    .detail = "y = scale * sum over k of A*B; with transpose=right, B is MxK; with transpose=left, A is KxL; "
              "a vector is a matrix with one row; regions and heads are multiplied separately",
    .params = params,
    .example = "q -> matmul(k, transpose=right, scale=0.125) -> softmax -> matmul(v)",
    .shape = shape,
    .cost = cost,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.int8 = INT8_MATMUL,
    .traits.product = true,
    .traits.equal_rows = true,
    .traits.reads_anywhere = true,
};
