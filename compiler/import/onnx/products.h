/* products.h: Products of two computed values, and values with rows. Private to import/onnx/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PRODUCTS_H
#define CNNC_PRODUCTS_H
#include "import/import.h"

/* The letter of each dimension, as in an Einsum equation; 0: broadcast. */
typedef struct Letters {
  int n;
  char at[MOST_DIMS];
} Letters;
int letter_place(const Letters *, char letter); /* the dimension with this letter, or -1 */

/* A matmul of two values. The result has the dimensions [rows, positions of side[0], positions of
 * side[1]]. */
struct Product {
  View *side[2]; /* the two values; dimensions: rows, positions, the summed dimension */
  double scale;  /* factor of the product */
  Value *joined; /* the product with its rows as an axis; unread if a sum of rows reads the product */
};

/* The product of two views, times `scale`. in, out: the letters of the dimensions of the views and of the
 * result. NULL after no(). */
View *product_of_two(ModelImport *, const OnnxNode *, View *const x[2], const Letters in[2],
                     const Letters *out, double scale);

/* ---- ops_product.c ---- */
/* A view [rows, n, ...] as a value with `rows` rows of n x c elements, or without rows if there is only one
 * row. NULL after no(). */
Value *laid_as_rows(ModelImport *, const View *, int64_t n, int64_t c);
/* The shape of a value with `rows` rows of shape `row`; for one row: `row`. */
Shape shape_of_parts(int64_t rows, Shape row);
/* Returns the result of an equal earlier statement on the value, or emits the statement. */
Value *emitted_once(ModelImport *, Value *, Shape, const char *call);
/* as_rows converts a value to `rows` rows of nxc; joined_rows is the inverse. */
Value *as_rows(ModelImport *, Value *, int64_t rows, int64_t n, int64_t c);
Value *joined_rows(ModelImport *, Value *, int64_t rows, Shape);

/* ---- view_parts.c ---- */
/* The first dimension of an image tensor, if it is a part of the value and not a batch: for example the
 * number of windows. Otherwise 1. */
int64_t rows_of_images(const View *);
/* Like lay_standard and view_standard, but the tensor's first dimension may also count images that are a part
 * of the value (rows_of_images). If there are several such images, lay_images returns a value with one row
 * per image or, if pointwise, an image of rows x positions x channels. */
Value *lay_images(ModelImport *, const View *, bool pointwise);
View *view_images(ModelImport *, Value *, const View *like);

/* ---- forms_attention.c ---- */
/* Imports the product of softmax(scores) and a value as attention. Dimensions of the softmax (`chances`):
 * rows, queries, keys; of the value: rows, keys, channels; of the result: rows, queries, channels. NULL: the
 * product has another form. */
View *attention_of_product(ModelImport *, const OnnxNode *, const View *chances, const View *values,
                           double scale);
/* Whether a value is a softmax that is 0 where softmax() is NaN, that is, if all scores are minus
 * infinity. */
bool is_zero_where_none_counts(const Value *);
#endif
