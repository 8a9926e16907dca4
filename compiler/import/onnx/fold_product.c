/* fold_product.c: Constant folding of products: Einsum, MatMul, Gemm, and Conv with 1x1 kernels. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/fold.h"

/* ---- sums of products over indices, as in Einsum ---- */
enum { LABELS = 26 + 26 + MOST_DIMS, ELLIPSIS_LABELS = 52, MOST_OPERANDS = 8 };
typedef struct Labels { /* labels of an operand's dimensions */
  int n, label[2 * MOST_DIMS];
} Labels;
typedef struct Product {
  int operands;
  const Tensor *operand[MOST_OPERANDS];
  Labels in[MOST_OPERANDS], out;
  int64_t size[LABELS]; /* 0: the label is unused */
} Product;

static bool give_sizes(ModelImport *im, Product *p) {
  for (int k = 0; k < p->operands; k++) {
    const Tensor *t = p->operand[k];
    if (p->in[k].n != t->rank) return no(im, "an equation that does not match its operands"), false;
    for (int d = 0; d < t->rank; d++) {
      int64_t *size = &p->size[p->in[k].label[d]];
      if (t->dim[d] == 0) return no(im, "a product of no elements"), false;
      if (*size > 1 && t->dim[d] > 1 && *size != t->dim[d])
        return no(im, "constants whose shapes do not match"), false;
      if (t->dim[d] > *size) *size = t->dim[d];
    }
  }
  return true;
}

/* For each of the n labels in `label`: the operand's stride along the dimensions with this label. */
static void strides_by(const Tensor *t, const Labels *of, int n, const int *label, int64_t *by) {
  int64_t stride[MOST_DIMS];
  strides_of(t, stride);
  for (int i = 0; i < n; i++) {
    by[i] = 0;
    for (int d = 0; d < t->rank; d++)
      if (of->label[d] == label[i] && t->dim[d] > 1) by[i] += stride[d];
  }
}

/* Lists the labels of the result, then the labels that are summed. */
static int all_labels(const Product *p, int *label) {
  int n = 0;
  for (; n < p->out.n; n++) label[n] = p->out.label[n];
  for (int l = 0; l < LABELS; l++) {
    bool there = p->size[l] == 0;
    for (int i = 0; i < p->out.n && !there; i++) there = p->out.label[i] == l;
    if (!there) label[n++] = l;
  }
  return n;
}

static const Tensor *fold_contracted(ModelImport *im, Product *p) {
  int label[LABELS];
  int64_t dim[2 * MOST_DIMS], by[MOST_OPERANDS][LABELS], index[LABELS] = {0}, terms = 1, work = 1;
  double *number[MOST_OPERANDS];
  if (!give_sizes(im, p)) return NULL;
  const int n = all_labels(p, label);
  for (int i = 0; i < n; i++) {
    if (p->size[label[i]] == 0) return no(im, "an equation that does not match its operands");
    if (i < p->out.n) dim[i] = p->size[label[i]];
    else terms *= p->size[label[i]];
    work *= p->size[label[i]];
    if (terms > INT32_MAX || work > INT64_MAX / INT32_MAX) return no(im, "constants that are too large");
  }
  Tensor *to = constant_new(im, p->operand[0]->type, p->out.n, dim);
  if (!to || !may_compute(im, (size_t)work)) return NULL; /* limits the time */
  for (int k = 0; k < p->operands; k++) {
    strides_by(p->operand[k], &p->in[k], n, label, by[k]);
    if (!(number[k] = fold_numbers(im, p->operand[k]))) return NULL;
  }
  int64_t at[MOST_OPERANDS] = {0};
  for (int64_t i = 0; i < to->n; i++) {
    double sum = 0;
    for (int64_t t = 0; t < terms; t++) {
      double term = 1;
      for (int k = 0; k < p->operands; k++) term *= number[k][at[k]];
      sum += term;
      for (int d = n - 1; d >= 0; d--) { /* advances to the next index */
        const bool over = ++index[d] == p->size[label[d]];
        for (int k = 0; k < p->operands; k++) at[k] += over ? (1 - index[d]) * by[k][d] : by[k][d];
        if (!over) break;
        index[d] = 0;
      }
    }
    tensor_put(to, i, sum);
  }
  return to;
}

/* ---- equations ---- */
static int einsum_label(char c) {
  return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? c - 'A' + 26 : -1;
}

/* Reads labels up to a comma, an arrow or the end, and returns the rest. An ellipsis means all
 * dimensions without a letter. NULL: invalid labels. */
static const char *read_labels(const char *at, int rank, Labels *to) {
  int letters = 0;
  bool spread = false; /* the ellipsis has been read */
  for (const char *c = at; *c && *c != ',' && *c != '-'; c++) letters += einsum_label(*c) >= 0;
  to->n = 0;
  for (; *at && *at != ',' && *at != '-'; at++) {
    const int label = einsum_label(*at), more = rank - letters;
    if (*at == ' ') continue;
    if (strncmp(at, "...", 3) == 0 && !spread && more >= 0 && more <= MOST_DIMS) {
      spread = true;
      for (int i = 0; i < more; i++) to->label[to->n++] = ELLIPSIS_LABELS + MOST_DIMS - more + i;
      at += 2;
    } else if (label < 0 || to->n >= MOST_DIMS) return NULL;
    else to->label[to->n++] = label;
  }
  return at;
}

/* The result's labels if there is no arrow: the ellipsis, then the labels that occur once, in alphabetical
 * order. */
static void implied_labels(Product *p, int ellipsis) {
  int count[LABELS] = {0};
  for (int i = MOST_DIMS - ellipsis; i < MOST_DIMS; i++) p->out.label[p->out.n++] = ELLIPSIS_LABELS + i;
  for (int k = 0; k < p->operands; k++)
    for (int d = 0; d < p->in[k].n; d++) count[p->in[k].label[d]]++;
  for (int upper = 1; upper >= 0; upper--)
    for (int l = 26 * upper; l < 26 * upper + 26 && p->out.n < MOST_DIMS; l++)
      if (count[l] == 1) p->out.label[p->out.n++] = l;
}

const Tensor *fold_einsum(ModelImport *im, const OnnxNode *node) {
  Product p = {.operands = node->nin};
  const char *at = onnx_text(node, "equation", "");
  int ellipsis = 0;
  if (node->nin > MOST_OPERANDS) return no(im, "a product of more than %d constants", MOST_OPERANDS);
  for (int k = 0; at && k < node->nin; k++) {
    p.operand[k] = constant_of(im, node, k);
    if (!p.operand[k]) return no(im, "an input is missing");
    at = read_labels(at, p.operand[k]->rank, &p.in[k]);
    for (int d = 0; at && d < p.in[k].n; d++) {
      const int own = ELLIPSIS_LABELS + MOST_DIMS - p.in[k].label[d];
      if (p.in[k].label[d] >= ELLIPSIS_LABELS && own > ellipsis) ellipsis = own;
    }
    if (at && k + 1 < node->nin) at = *at == ',' ? at + 1 : NULL;
  }
  int letters = 0;
  for (const char *c = at; c && *c; c++) letters += einsum_label(*c) >= 0;
  if (at && strncmp(at, "->", 2) == 0) at = read_labels(at + 2, letters + ellipsis, &p.out);
  else if (at && !*at) implied_labels(&p, ellipsis);
  else at = NULL;
  for (int i = 0; i < p.out.n; i++)
    for (int k = 0; k < i; k++)
      if (p.out.label[i] == p.out.label[k]) at = NULL;
  return at && !*at ? fold_contracted(im, &p) : no(im, "an unsupported equation");
}

/* ---- matrices ---- */
enum { ROW, COLUMN, INNER };

/* Multiplies x [..., row, inner] by y [..., inner, column]; a vector is one row or one column. */
static const Tensor *times(ModelImport *im, const Tensor *x, bool x_turned, const Tensor *y, bool y_turned) {
  Product p = {.operands = 2, .operand = {x, y}};
  const int batch = x->rank > y->rank ? x->rank - 2 : y->rank - 2;
  if (x->rank < 1 || y->rank < 1 || x->n == 0 || y->n == 0) return no(im, "a product of no elements");
  for (int k = 0; k < 2; k++) {
    const Tensor *t = p.operand[k];
    const int own = k ? COLUMN : ROW;
    const bool turned = k ? !y_turned : x_turned;
    for (int d = 0; d < t->rank - 2; d++) p.in[k].label[d] = ELLIPSIS_LABELS + MOST_DIMS - (t->rank - 2) + d;
    p.in[k].n = t->rank;
    if (t->rank > 1) p.in[k].label[t->rank - 2] = turned ? INNER : own;
    p.in[k].label[t->rank - 1] = t->rank > 1 && turned ? own : INNER;
  }
  for (int d = 0; d < batch; d++) p.out.label[p.out.n++] = ELLIPSIS_LABELS + MOST_DIMS - batch + d;
  if (x->rank > 1) p.out.label[p.out.n++] = ROW;
  if (y->rank > 1) p.out.label[p.out.n++] = COLUMN;
  const int64_t inner = x->dim[x->rank - 1 - (x->rank > 1 && x_turned)],
                other = y->dim[y->rank > 1 ? y->rank - 2 + y_turned : 0];
  return inner == other ? fold_contracted(im, &p) : no(im, "constants whose shapes do not match");
}

const Tensor *fold_matmul(ModelImport *im, const OnnxNode *node) {
  const Tensor *y = constant_of(im, node, 1);
  return y ? times(im, constant_of(im, node, 0), false, y, false) : no(im, "an input is missing");
}

const Tensor *fold_gemm(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *y = constant_of(im, node, 1), *c = constant_of(im, node, 2);
  const double alpha = onnx_float(node, "alpha", 1), beta = onnx_float(node, "beta", 1);
  int64_t dim[MOST_DIMS];
  int rank;
  if (!y || x->rank != 2 || y->rank != 2) return no(im, "a product of operands that are not matrices");
  const Tensor *product = times(im, x, onnx_int(node, "transA", 0) != 0, y, onnx_int(node, "transB", 0) != 0);
  if (!product || (c && !common_shape(im, product, c, &rank, dim))) return NULL;
  Tensor *to = constant_new(im, product->type, 2, product->dim);
  if (to && c && (rank != 2 || dim[0] != to->dim[0] || dim[1] != to->dim[1]))
    return no(im, "constants whose shapes do not match");
  for (int64_t i = 0; to && i < to->n; i++) {
    const double added = c ? beta * tensor_number(c, repeated_at(c, 2, to->dim, i)) : 0;
    tensor_put(to, i, alpha * tensor_number(product, i) + added);
  }
  return to;
}

/* ---- 1x1 convolutions of constants ---- */
static bool is_trivial(const OnnxNode *node, const char *name, int64_t number) {
  const WireInts *list = onnx_ints(node, name);
  for (int i = 0; list && i < list->n; i++)
    if (list->data[i] != number) return false;
  return true;
}

const Tensor *fold_conv(ModelImport *im, const OnnxNode *node) {
  enum { IMAGE, FILTER, CHANNEL, FIRST_PLACE };
  const Tensor *x = constant_of(im, node, 0), *w = constant_of(im, node, 1), *bias = constant_of(im, node, 2);
  Product p = {.operands = 2};
  bool pointwise = w && x->rank > 2 && w->rank == x->rank && w->dim[1] == x->dim[1] &&
                   onnx_int(node, "group", 1) == 1 && is_trivial(node, "strides", 1) &&
                   is_trivial(node, "pads", 0);
  for (int d = 2; pointwise && d < w->rank; d++) pointwise = w->dim[d] == 1;
  if (!pointwise) return no(im, "a convolution of constants that is not a plain 1x1 convolution");
  if (bias && bias->n != w->dim[0]) return no(im, "constants whose shapes do not match");
  p.operand[0] = x;
  p.operand[1] = tensor_shaped(im->arena, w, 2, w->dim);
  p.in[0] = p.out = (Labels){x->rank, {IMAGE, CHANNEL}};
  for (int d = 2; d < x->rank; d++) p.in[0].label[d] = p.out.label[d] = FIRST_PLACE + d;
  p.in[1] = (Labels){2, {FILTER, CHANNEL}};
  p.out.label[1] = FILTER;
  const Tensor *product = fold_contracted(im, &p);
  if (!product || !bias) return product;
  Tensor *to = constant_new(im, product->type, product->rank, product->dim);
  const int64_t places = product->n / (product->dim[0] * product->dim[1]);
  for (int64_t i = 0; to && i < to->n; i++)
    tensor_put(to, i, tensor_number(product, i) + tensor_number(bias, i / places % bias->n));
  return to;
}
