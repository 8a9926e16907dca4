/* permute.c: Any permutation of a value's elements, by exchanging adjacent blocks. */
// SPDX-License-Identifier: Apache-2.0
#include "import/import.h"

enum { MOST_BLOCKS = 3 * MOST_FACTORS };
/* A value's memory as nested blocks, the outermost first: their sizes, and their positions in the result. */
typedef struct Blocks {
  int n, wanted[MOST_BLOCKS];
  int64_t size[MOST_BLOCKS];
} Blocks;

/* Distance in memory between neighboring elements of a factor; 0 for the batch. */
static int64_t factor_stride(Factor f, Shape shape) {
  int64_t stride = f.axis == BATCH ? 0 : f.inner;
  for (int axis = shape.rank - 1; axis > f.axis && f.axis != BATCH; axis--) stride *= shape.dim[axis];
  return stride;
}

/* Sorts the factors into blocks by their strides. False: the factors do not cover each element of the value
 * exactly once. */
static bool permuted_blocks(const Factors *want, Shape shape, Blocks *b) {
  int64_t stride[MOST_BLOCKS], below = shape_elements(shape);
  b->n = 0;
  for (int i = 0; i < want->n && i < MOST_BLOCKS; i++) {
    const int64_t own = factor_stride(want->f[i], shape);
    int at = b->n++;
    for (; at > 0 && stride[at - 1] < own; at--) {
      stride[at] = stride[at - 1];
      b->size[at] = b->size[at - 1];
      b->wanted[at] = b->wanted[at - 1];
    }
    stride[at] = own;
    b->size[at] = want->f[i].size;
    b->wanted[at] = i;
  }
  for (int i = 0; i < b->n; below = stride[i++])
    if (stride[i] * b->size[i] != below) return false;
  return want->n == b->n && below == 1;
}

static int64_t size_between(const Blocks *b, int from, int to) {
  int64_t size = 1;
  for (int i = from; i < to; i++) size *= b->size[i];
  return size;
}

static Value *as_matrix(ModelImport *im, Value *v, int64_t rows, int64_t columns) {
  return shape_equal(v->shape, shape_sequence(rows, columns))
             ? v
             : emit_one(im, v, shape_sequence(rows, columns), "reshape([%lld, %lld])", (long long)rows,
                        (long long)columns);
}

/* In each row, transposes the columns as a matrix of first x second elements. */
static Value *turned(ModelImport *im, Value *v, int64_t rows, int64_t first, int64_t second) {
  v = as_matrix(im, v, rows, first * second);
  return emit_one(im, v, v->shape, "channel_shuffle(%lld)", (long long)first);
}

/* Transposes all elements as a matrix: from [rows][columns] to [columns][rows]. */
static Value *last_first(ModelImport *im, Value *v, int64_t columns) {
  const int64_t all = shape_elements(v->shape);
  return columns == 1 || columns == all ? v
                                        : emit_one(im, as_matrix(im, v, all / columns, columns),
                                                   shape_vector(all), "flatten(order=chw)");
}

/* Exchanges `first` and `second` in [before][first][second][after]. */
static Value *exchanged_axes(ModelImport *im, Value *v, int64_t before, int64_t first, int64_t second,
                             int64_t after) {
  if (before == 1 && after == 1) return last_first(im, v, second);
  Value *heads = after > 1 ? exchanged_as_heads(im, v, before, first, second, after) : NULL;
  if (heads) return heads;
  v = turned(im, last_first(im, v, after), after * before, first, second);
  return last_first(im, v, before * second * first);
}

static void move_blocks(Blocks *b, int from, int n, int to) {
  for (; n > 0; n--, to++, from++)
    for (int i = from; i > to; i--) {
      const int wanted = b->wanted[i];
      const int64_t size = b->size[i];
      b->wanted[i] = b->wanted[i - 1];
      b->size[i] = b->size[i - 1];
      b->wanted[i - 1] = wanted;
      b->size[i - 1] = size;
    }
}

Value *permuted(ModelImport *im, Value *v, const Factors *want) {
  Blocks b;
  if (!permuted_blocks(want, v->shape, &b)) return NULL;
  for (int at = 0; at < b.n; at++) {
    int from = at, n = 1;
    while (b.wanted[from] != at) from++;
    if (from == at) continue;
    while (from + n < b.n && b.wanted[from + n] == at + n) n++;
    v = exchanged_axes(im, v, size_between(&b, 0, at), size_between(&b, at, from),
                       size_between(&b, from, from + n), size_between(&b, from + n, b.n));
    move_blocks(&b, from, n, at);
  }
  return v;
}
