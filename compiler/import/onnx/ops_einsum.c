/* ops_einsum.c: Import of products of a value and a constant over any dimensions: Einsum, and MatMul with
 * several matrices or with the constant first. Such products become a dense layer or a 1x1 convolution. The
 * groups of the convolution are the dimensions that are in both operands and in the result. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "import/onnx/products.h"

typedef enum Role { ROLE_NONE, ROLE_GROUP, ROLE_SUM, ROLE_NEW, ROLE_PLACE } Role;

static Role role_of(const Letters *x, const Letters *w, const Letters *out, char letter) {
  const bool in_x = letter_place(x, letter) >= 0, in_w = letter_place(w, letter) >= 0,
             kept = letter_place(out, letter) >= 0;
  if (in_x && in_w) return kept ? ROLE_GROUP : ROLE_SUM;
  if (!kept) return ROLE_NONE;
  return in_x ? ROLE_PLACE : in_w ? ROLE_NEW : ROLE_NONE;
}

/* Letters with the same role, their sizes, and the product of these sizes (all). */
typedef struct Part {
  Letters letters;
  int64_t size[MOST_DIMS], all;
} Part;

static void add_letter(Part *part, char letter, int64_t size) {
  part->size[part->letters.n] = size;
  part->letters.at[part->letters.n++] = letter;
  part->all *= size;
}

typedef struct Contraction {
  const View *x;
  const Tensor *w;
  double scale;
  Letters in, weight, out;
  Part group, sum, made; /* made: the letters that only the constant has */
} Contraction;

static bool read_roles(ModelImport *im, Contraction *c) {
  c->group.all = c->sum.all = c->made.all = 1;
  for (int d = 0; d < c->in.n; d++) {
    const char letter = c->in.at[d];
    const int of = letter_place(&c->weight, letter);
    const Role role = role_of(&c->in, &c->weight, &c->out, letter);
    if (of >= 0 && c->w->dim[of] != c->x->size[d]) return no(im, "a constant of the wrong shape"), false;
    if (role == ROLE_NONE || letter_place(&c->in, letter) != d)
      return no(im, "an equation with a diagonal of the value, or a sum over dimensions of the value only"),
             false;
    if (role == ROLE_SUM) add_letter(&c->sum, letter, c->x->size[d]);
  }
  for (int d = 0; d < c->weight.n; d++)
    if (letter_place(&c->weight, c->weight.at[d]) != d ||
        role_of(&c->in, &c->weight, &c->out, c->weight.at[d]) == ROLE_NONE)
      return no(im,
                "an equation with a diagonal of the constant, or a sum over dimensions of the constant only"),
             false;
  for (int d = 0; d < c->out.n; d++) {
    const char letter = c->out.at[d];
    const Role role = role_of(&c->in, &c->weight, &c->out, letter);
    if (role == ROLE_NONE || letter_place(&c->out, letter) != d)
      return no(im, "an unsupported equation"), false;
    if (role == ROLE_GROUP) add_letter(&c->group, letter, c->w->dim[letter_place(&c->weight, letter)]);
    if (role == ROLE_NEW) add_letter(&c->made, letter, c->w->dim[letter_place(&c->weight, letter)]);
  }
  return true;
}

/* The offset of element i in the constant; i combines the indices of all letters of `part`. The last letter
 * varies fastest. */
static int64_t offset_of(const Contraction *c, const Part *part, int64_t i) {
  int64_t at = 0;
  for (int k = part->letters.n - 1; k >= 0; k--) {
    int64_t stride = 1;
    for (int d = letter_place(&c->weight, part->letters.at[k]) + 1; d < c->w->rank; d++)
      stride *= c->w->dim[d];
    at += i % part->size[k] * stride;
    i /= part->size[k];
  }
  return at;
}

/* The constant as [groups * made][sum], times the factor. */
static const Tensor *by_filters(ModelImport *im, const Contraction *c) {
  const int64_t filters = c->group.all * c->made.all, dim[] = {filters, c->sum.all};
  Tensor *t = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!t) return NULL;
  for (int64_t f = 0; f < filters; f++) {
    const int64_t from = offset_of(c, &c->group, f / c->made.all) + offset_of(c, &c->made, f % c->made.all);
    for (int64_t i = 0; i < c->sum.all; i++)
      tensor_put(t, f * c->sum.all + i, c->scale * tensor_number(c->w, from + offset_of(c, &c->sum, i)));
  }
  t->name = c->w->name;
  return t;
}

/* Maps a dimension of the result to its part of the channels. */
static void set_channels(const Contraction *c, View *y, int d, int axis) {
  const bool group = letter_place(&c->group.letters, c->out.at[d]) >= 0;
  const Part *part = group ? &c->group : &c->made;
  const int k = letter_place(&part->letters, c->out.at[d]);
  int64_t inner = group ? c->made.all : 1;
  for (int more = k + 1; more < part->letters.n; more++) inner *= part->size[more];
  y->size[d] = part->size[k];
  y->along[d] = factors_one(axis, inner, part->size[k]);
}

static View *view_of_result(ModelImport *im, const Contraction *c, Value *v, int npos, const int *pos) {
  View *y = view_new(im, v, c->out.n);
  for (int d = 0; d < c->out.n; d++) {
    const int from = letter_place(&c->in, c->out.at[d]);
    if (from < 0 || letter_place(&c->weight, c->out.at[d]) >= 0) {
      set_channels(c, y, d, v->shape.rank - 1);
      continue;
    }
    y->size[d] = c->x->size[from];
    y->along[d] = c->x->along[from]; /* for positions, view_set sets another axis below */
    for (int k = 0; k < npos; k++)
      if (pos[k] == from) view_set(y, d, k);
  }
  return y;
}

static View *contracted(ModelImport *im, const OnnxNode *node, int constant, Contraction *c) {
  int chan[2 * MOST_DIMS], nchan = 0, pos[MOST_DIMS], npos = 0;
  if (c->w->n == 0 || !read_roles(im, c)) return c->w->n ? NULL : no(im, "a constant without elements");
  for (int k = 0; k < c->group.letters.n; k++) chan[nchan++] = letter_place(&c->in, c->group.letters.at[k]);
  for (int k = 0; k < c->sum.letters.n; k++) chan[nchan++] = letter_place(&c->in, c->sum.letters.at[k]);
  for (int d = 0; d < c->in.n; d++) {
    const Factors *along = &c->x->along[d];
    const bool place = letter_place(&c->weight, c->in.at[d]) < 0;
    if (place && along->n && along->f[0].axis != BATCH) pos[npos++] = d;
  }
  Value *v = lay(im, c->x, nchan, chan, npos, pos, true);
  const Tensor *w = v ? by_filters(im, c) : NULL;
  if (!w) return NULL;
  const long long groups = c->group.all, filters = w->dim[0];
  const int64_t dim[] = {w->dim[0], w->dim[1], 1, 1};
  const char *layer = layer_of(im, node, constant);
  const char *end = arena_printf(im->arena, "bias=false, name=\"%s\")", layer);
  if (groups > 1) end = arena_printf(im->arena, "groups=%lld, %s", groups, end);
  if (npos == 0 && groups > 1)
    v = emit_one(im, v, shape_image(1, 1, w->dim[1] * groups), "reshape(1x1x%lld)",
                 (long long)w->dim[1] * groups);
  Shape to = v->shape;
  to.dim[to.rank - 1] = w->dim[0];
  const int axes = to.rank - 1;
  if (axes == 0) v = emit_one(im, v, to, "dense(%lld, %s", filters, end);
  else v = emit_one(im, v, to, "conv(%lld, %s, %s", filters, axes == 2 ? "1x1" : "1", end);
  put_weight(im, layer, "weight", w, 2 + axes, dim);
  return view_of_result(im, c, v, npos, pos);
}

/* ---- Einsum ---- */
/* Appends the letters of an ellipsis of n dimensions. These letters are the digits n - 1 to 0. */
static bool put_ellipsis(Letters *to, int n) {
  if (n < 0 || to->n + n > MOST_DIMS) return false;
  while (n-- > 0) to->at[to->n++] = (char)('0' + n);
  return true;
}

/* Reads the letters of an operand or of the result, up to one of the characters in `ends`. rank: the
 * operand's rank; -1: the result. *hidden: the number of dimensions of the longest ellipsis so far; the
 * result's ellipsis has the same number. NULL: a character is invalid, or there are too many letters. */
static const char *read_letters(const char *at, const char *ends, int rank, int *hidden, Letters *to) {
  int letters = 0;
  for (const char *c = at; *c && !strchr(ends, *c); c++) letters += isalpha((unsigned char)*c) != 0;
  if (rank >= 0 && rank - letters > *hidden) *hidden = rank - letters;
  for (to->n = 0; *at && !strchr(ends, *at); at++) {
    if (*at == ' ') continue;
    if (strncmp(at, "...", 3) == 0) {
      if (!put_ellipsis(to, rank >= 0 ? rank - letters : *hidden)) return NULL;
      at += 2;
      continue;
    }
    if (!isalpha((unsigned char)*at) || to->n == MOST_DIMS) return NULL;
    to->at[to->n++] = *at;
  }
  return at;
}

View *import_einsum(ModelImport *im, const OnnxNode *node) {
  const char *at = onnx_text(node, "equation", "");
  Letters in[2];
  if (node->nin > 2) return no(im, "a product of %d operands", node->nin);
  if (node->nin < 2) return no(im, "an Einsum that is not a matrix product");
  const int constant = constant_of(im, node, 0) ? 0 : 1;
  Contraction c = {.w = constant_of(im, node, constant), .scale = 1};
  View *x[2] = {NULL};
  for (int k = 0; k < 2; k++)
    if ((!c.w || k != constant) && !(x[k] = view_of(im, node, k))) return NULL;
  const int rank[] = {x[0] ? x[0]->rank : c.w->rank, x[1] ? x[1]->rank : c.w->rank};
  int hidden = 0; /* the number of dimensions of an ellipsis in the result */
  at = read_letters(at, ",", rank[0], &hidden, &in[0]);
  at = at && *at ? read_letters(at + 1, "-", rank[1], &hidden, &in[1]) : NULL;
  at = at && at[0] == '-' && at[1] == '>' ? read_letters(at + 2, "", -1, &hidden, &c.out) : NULL;
  if (!at) return no(im, "the equation %s", onnx_text(node, "equation", ""));
  for (int k = 0; k < 2; k++)
    if (in[k].n != rank[k]) return no(im, "an equation that does not match its operands");
  bool summed = c.w != NULL;
  for (int d = 0; d < in[0].n; d++)
    summed = summed || (letter_place(&in[1], in[0].at[d]) >= 0 && letter_place(&c.out, in[0].at[d]) < 0);
  if (!summed) return no(im, "an Einsum that is not a matrix product");
  if (!c.w) return product_of_two(im, node, x, in, &c.out, 1);
  c.x = x[!constant];
  c.in = in[!constant];
  c.weight = in[constant];
  return contracted(im, node, constant, &c);
}

/* ---- MatMul ---- */
static const char columns[] =
    "abcdef"; /* letters of the dimensions before the last two, from right to left */

/* The letters of an operand, one per dimension. The last two dimensions, which are the matrix, have the
 * letters of `last`. */
static void matrix_letters(Letters *to, int rank, const int64_t *size, bool constant, const char *last) {
  to->n = rank;
  for (int d = 0; d < rank; d++) {
    const int from_end = rank - 1 - d;
    to->at[d] = from_end < 2 ? last[1 - from_end] : columns[from_end - 2];
    /* no letter: the constant is broadcast along this dimension */
    if (constant && from_end >= 2 && size[d] == 1) to->at[d] = 0;
  }
}

View *import_matrices(ModelImport *im, const OnnxNode *node, int constant) {
  const Tensor *w = constant_of(im, node, constant);
  const View *x = view_of(im, node, !constant);
  Tensor *few = NEW(im->arena, Tensor);
  if (!x) return NULL;
  const int rank = x->rank > w->rank ? x->rank : w->rank;
  if (x->rank < 2 || w->rank < 2) return no(im, "a product with several matrices");
  Contraction c = {.x = x, .w = few, .scale = onnx_float(node, "alpha", 1)};
  const char *const last[] = {onnx_int(node, "transA", 0) ? "kr" : "rk",
                              onnx_int(node, "transB", 0) ? "nk" : "kn"};
  matrix_letters(&c.in, x->rank, x->size, false, last[!constant]);
  matrix_letters(&c.weight, w->rank, w->dim, true, last[constant]);
  *few = *w;
  few->rank = 0;
  int n = 0;
  for (int d = 0; d < w->rank; d++)
    if (c.weight.at[d]) few->dim[few->rank++] = w->dim[d], c.weight.at[n++] = c.weight.at[d];
  c.weight.n = n;
  matrix_letters(&c.out, rank, NULL, false, "rn");
  for (int d = 0; d < rank - x->rank; d++)
    if (letter_place(&c.weight, c.out.at[d]) < 0) return no(im, "a product with several matrices");
  return contracted(im, node, constant, &c);
}
