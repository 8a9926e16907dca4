/* ops_product.c: Import of products of two computed values: MatMul, Gemm and Einsum as matmul; the
 * dimensions that are in both values and in the result become rows. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/products.h"

int letter_place(const Letters *in, char letter) {
  for (int d = 0; d < in->n; d++)
    if (in->at[d] == letter) return d;
  return -1;
}

/* ---- roles of dimensions ---- */
/* The roles of letters. ROWS: dimensions of both values and of the result. FREE: dimensions of one value and
 * of the result. SUMMED: dimensions of both values, but not of the result. */
enum { ROWS, FREE, SUMMED };
typedef struct Group {
  int n;
  char letter[MOST_DIMS];
  int64_t size[MOST_DIMS];
} Group;
typedef struct Roles {
  Group rows, of[2], summed;
} Roles;

static void add_to_group(Group *group, char letter, int64_t size) {
  group->size[group->n] = size;
  group->letter[group->n++] = letter;
}

static bool of_batch(const View *x, int d) { return x->along[d].n > 0 && x->along[d].f[0].axis == BATCH; }

/* Whether the operand has this dimension, with more than one element, and the dimension is neither broadcast
 * nor the batch. */
static bool dimension_is_there(const View *x, const Letters *in, char letter) {
  const int d = letter_place(in, letter);
  return d >= 0 && x->size[d] > 1 && x->along[d].n > 0 && !of_batch(x, d);
}

static bool find_roles(ModelImport *im, View *const x[2], const Letters in[2], const Letters *out,
                       Roles *to) {
  *to = (Roles){0};
  for (int d = 0; d < out->n; d++) {
    const char letter = out->at[d];
    const bool there[] = {dimension_is_there(x[0], &in[0], letter), dimension_is_there(x[1], &in[1], letter)};
    if (letter_place(out, letter) != d ||
        (letter_place(&in[0], letter) < 0 && letter_place(&in[1], letter) < 0))
      return no(im, "an unsupported equation"), false;
    for (int k = 0; k < 2; k++)
      if (there[k]) {
        const int64_t size = x[k]->size[letter_place(&in[k], letter)];
        if (!there[!k] || k == 0) add_to_group(there[!k] ? &to->rows : &to->of[k], letter, size);
      }
  }
  for (int k = 0; k < 2; k++)
    for (int d = 0; d < in[k].n; d++) {
      const char letter = in[k].at[d];
      const int other = letter_place(&in[!k], letter);
      if (!letter) continue;
      if (letter_place(&in[k], letter) != d) return no(im, "an Einsum that is not a matrix product"), false;
      if (other >= 0 && x[k]->size[d] != x[!k]->size[other])
        return no(im, "two values whose sizes do not match"), false;
      if (letter_place(out, letter) >= 0 || x[k]->size[d] == 1) continue;
      if (other < 0) return no(im, "an Einsum that is not a matrix product"), false;
      if (of_batch(x[k], d)) return no(im, "a sum over the batch"), false;
      if (k == 0) add_to_group(&to->summed, letter, x[k]->size[d]);
    }
  return true;
}

/* ---- the two values ---- */
static void append(View *to, int d, const View *x, const Letters *in, const Group *group) {
  for (int i = 0; i < group->n; i++) {
    const int from = letter_place(in, group->letter[i]);
    to->size[d] *= x->size[from];
    for (int f = 0; f < x->along[from].n; f++) factors_push(&to->along[d], x->along[from].f[f]);
  }
}

/* One of the two values as [rows, its own positions, summed]. */
static View *product_side(ModelImport *im, const View *x, const Letters *in, const Roles *roles, int k) {
  View *to = view_new(im, x->value, 3);
  append(to, ROWS, x, in, &roles->rows);
  append(to, FREE, x, in, &roles->of[k]);
  append(to, SUMMED, x, in, &roles->summed);
  return to;
}

Shape shape_of_parts(int64_t rows, Shape row) {
  row.regions = rows > 1 ? rows : 0;
  row.parts = rows > 1;
  return row;
}

Value *emitted_once(ModelImport *im, Value *v, Shape shape, const char *call) {
  for (int i = im->statements.n - 1; i >= 0; i--) {
    const Statement *s = im->statements.data[i];
    if (s->nin == 1 && s->in[0] == v && strcmp(s->call, call) == 0) return s->out;
  }
  return emit_one(im, v, shape, "%s", call);
}

Value *as_rows(ModelImport *im, Value *v, int64_t rows, int64_t n, int64_t c) {
  const Shape part = shape_of_parts(rows, shape_sequence(n, c));
  v = reshaped(im, v, rows > 1 ? shape_image(rows, n, c) : part);
  const bool joined = v->made && strcmp(v->made->call, "join_rows") == 0;
  if (rows == 1) return v;
  return joined && shape_equal(v->made->in[0]->shape, part) ? v->made->in[0]
                                                            : emitted_once(im, v, part, "split_rows");
}

Value *joined_rows(ModelImport *im, Value *v, int64_t rows, Shape shape) {
  return rows == 1 ? v : emit_one(im, v, shape, "join_rows");
}

Value *laid_as_rows(ModelImport *im, const View *x, int64_t n, int64_t c) {
  const int64_t rows = x->size[0];
  int pos[] = {0, 1}, chan[MOST_DIMS];
  for (int d = 2; d < x->rank; d++) chan[d - 2] = d;
  Value *v = lay(im, x, x->rank - 2, chan, rows > 1 ? 2 : 1, rows > 1 ? pos : pos + 1, false);
  return v ? as_rows(im, v, rows, n, c) : NULL;
}

/* Whether dimension d is innermost in memory, as channels. */
static bool channels_innermost(const View *x, int d) {
  const Factors *along = &x->along[d];
  return along->n && along->f[along->n - 1].axis == x->value->shape.rank - 1 &&
         along->f[along->n - 1].inner == 1;
}

/* The operand as one matrix [positions][summed dimension] per row. *turned: whether the matrix is transposed,
 * [summed dimension][positions]. */
static Value *laid_as_matrices(ModelImport *im, const View *side, bool *turned) {
  static const int order[2][3] = {{ROWS, FREE, SUMMED}, {ROWS, SUMMED, FREE}};
  const bool as_is = in_memory_order(side, 3, order[0]);
  *turned = !as_is && (in_memory_order(side, 3, order[1]) || channels_innermost(side, FREE));
  const View *x = view_permute(im, side, order[*turned], 3);
  return laid_as_rows(im, x, x->size[1], x->size[2]);
}

/* ---- the result ---- */
/* The product [rows, positions of the first, positions of the second] as a view with a dimension for each
 * letter of the result. */
static View *view_of_product(ModelImport *im, const View *made, View *const x[2], const Letters in[2],
                             const Letters *out, const Roles *roles) {
  const Group *const groups[] = {&roles->rows, &roles->of[0], &roles->of[1]};
  int64_t size[MOST_DIMS];
  char letter[MOST_DIMS];
  int n = 0;
  for (int g = 0; g < 3; g++)
    for (int i = 0; i < groups[g]->n; i++) {
      letter[n] = groups[g]->letter[i];
      size[n++] = groups[g]->size[i];
    }
  const View *apart = view_reshape(im, made, n, size);
  View *to = apart ? view_new(im, apart->value, out->n) : NULL;
  for (int d = 0; to && d < out->n; d++) {
    int from = 0;
    while (from < n && letter[from] != out->at[d]) from++;
    if (from < n) {
      to->size[d] = apart->size[from];
      to->along[d] = apart->along[from];
      continue;
    }
    for (int k = 0; k < 2; k++) { /* dimensions that are the batch, are broadcast, or have one element */
      const int of = letter_place(&in[k], out->at[d]);
      if (of < 0 || to->along[d].n) continue;
      to->size[d] = x[k]->size[of] > to->size[d] ? x[k]->size[of] : to->size[d];
      if (of_batch(x[k], of)) to->along[d] = x[k]->along[of];
    }
  }
  return to;
}

/* The value of a product as the view [rows, positions of the first, positions of the second]. */
static View *view_of_rows(ModelImport *im, Value *v, int64_t rows) {
  View *made = view_new(im, v, 3);
  for (int axis = 0, d = rows == 1; d < 3; d++) view_set(made, d, axis++);
  return made;
}

static View *multiplied(ModelImport *im, View *const side[2], double scale) {
  /* transpose= of matmul, by turned[0] and turned[1]. The second operand is [positions][summed] unless it is
   * turned. */
  static const char *const words[2][2] = {{"right", "none"}, {"both", "left"}};
  const int64_t rows = side[0]->size[ROWS], l = side[0]->size[FREE], m = side[1]->size[FREE];
  Value *both[2];
  bool turned[2];
  for (int k = 0; k < 2; k++)
    if (!(both[k] = laid_as_matrices(im, side[k], &turned[k]))) return NULL;
  const char *transpose = words[turned[0]][turned[1]];
  Text more = {.arena = im->arena};
  text_put(&more, "%s", "");
  if (strcmp(transpose, "none") != 0) text_put(&more, ", transpose=%s", transpose);
  if (scale != 1) text_put(&more, ", scale=%s", number_text(im->arena, scale));
  Value *made = emit(im, 2, both, shape_of_parts(rows, shape_sequence(l, m)), "matmul(%%1%s)", more.s),
        *v = joined_rows(im, made, rows, shape_image(rows, l, m));
  v->product = made->product = NEW(im->arena, Product);
  *v->product = (Product){{side[0], side[1]}, scale, v};
  return view_of_rows(im, v, rows);
}

static View *sides_exchanged(ModelImport *im, const View *x) {
  return view_permute(im, x, (const int[]){ROWS, SUMMED, FREE}, 3);
}

View *product_of_two(ModelImport *im, const OnnxNode *node, View *const x[2], const Letters in[2],
                     const Letters *out, double scale) {
  Roles roles;
  if (x[0]->value->regions || x[1]->value->regions) return no(im, "a matrix product of regions");
  if (!find_roles(im, x, in, out, &roles)) return NULL;
  View *side[] = {product_side(im, x[0], &in[0], &roles, 0), product_side(im, x[1], &in[1], &roles, 1)},
       *made = NULL;
  for (int k = 0; k < 2 && !made; k++) {
    const int tensor = node->in[k];
    if (!read_once(im, tensor, x[k]->value)) continue;
    made = attention_of_product(im, node, side[k], sides_exchanged(im, side[!k]), scale);
    if (made && k == 1) made = sides_exchanged(im, made);
  }
  for (int k = 0; k < 2 && !made; k++)
    if (is_zero_where_none_counts(x[k]->value))
      return no(im, "outside attention, a softmax that is 0 if all keys are masked");
  if (!made) made = multiplied(im, side, scale);
  return made ? view_of_product(im, made, x, in, out, &roles) : NULL;
}

/* ---- MatMul and Gemm ---- */
/* The letters of an operand: the letters of the dimensions before the last two, then the operand's own letter
 * and the summed letter. A vector only has the summed letter. A dimension of one element is broadcast, and
 * has no letter, if the other operand has several elements in this dimension. */
static void operand_letters(const View *x, const View *other, const char *last, char summed, Letters *to) {
  to->n = x->rank;
  for (int d = 0; d < x->rank; d++) {
    const int behind = x->rank - 1 - d, place = other->rank - 1 - behind;
    to->at[d] = x->rank == 1 ? summed : behind < 2 ? last[1 - behind] : (char)('a' + behind);
    if (behind >= 2 && place >= 0 && x->size[d] == 1 && other->size[place] > 1) to->at[d] = 0;
  }
}

View *import_two_matrices(ModelImport *im, const OnnxNode *node) {
  View *const x[] = {value_or_constant(im, node, 0), value_or_constant(im, node, 1)};
  Letters in[2], out = {0};
  if (!x[0] || !x[1]) return NULL;
  operand_letters(x[0], x[1], onnx_int(node, "transA", 0) ? "sr" : "rs", 's', &in[0]);
  operand_letters(x[1], x[0], onnx_int(node, "transB", 0) ? "ns" : "sn", 's', &in[1]);
  const int rank = in[0].n > in[1].n ? in[0].n : in[1].n;
  for (int behind = rank - 1; behind >= 2; behind--) out.at[out.n++] = (char)('a' + behind);
  if (in[0].n > 1) out.at[out.n++] = 'r';
  if (in[1].n > 1) out.at[out.n++] = 'n';
  return product_of_two(im, node, x, in, &out, onnx_float(node, "alpha", 1));
}

/* alpha * A * B + beta * C. */
View *import_two_gemm(ModelImport *im, const OnnxNode *node) {
  View *const x[] = {view_of(im, node, 0), view_of(im, node, 1)};
  const double beta = onnx_float(node, "beta", 1);
  const Letters in[] = {{2,
                         {onnx_int(node, "transA", 0) ? 's' : 'r', onnx_int(node, "transA", 0) ? 'r' : 's'}},
                        {2,
                         {onnx_int(node, "transB", 0) ? 'n' : 's', onnx_int(node, "transB", 0) ? 's' : 'n'}}},
                out = {2, {'r', 'n'}};
  if (!x[0] || !x[1]) return NULL;
  if (x[0]->rank != 2 || x[1]->rank != 2) return no(im, "a product of operands that are not matrices");
  View *y = product_of_two(im, node, x, in, &out, onnx_float(node, "alpha", 1));
  if (!y || !given(node, 2) || beta == 0) return y;
  const Tensor *c = constant_of(im, node, 2);
  if (!c) {
    const View *more = view_of(im, node, 2);
    if (more && beta != 1) more = map_view(im, more, "multiply(%s)", number_text(im->arena, beta));
    return more ? two_values(im, y, true, more, "add") : NULL;
  }
  Tensor *scaled = constant_new(im, TENSOR_FLOAT, c->rank, c->dim);
  if (!scaled) return NULL;
  for (int64_t i = 0; i < c->n; i++) tensor_put(scaled, i, beta * tensor_number(c, i));
  return beside_constant(im, node, 2, y, scaled, "add");
}
