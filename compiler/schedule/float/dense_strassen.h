/* dense_strassen.h: Common code of dense layers and their gradients with Strassen. Private to schedule/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DENSE_STRASSEN_H
#define CNNC_DENSE_STRASSEN_H
#include "kernel/lower.h"

enum {
  /* maximum number of elements of each half of the inner axis that are processed together; not for weight
   * gradients, which process the whole inner axis together */
  STRASSEN_DEPTH = 128
};

/* Strassen multiplies seven pairs of factors. This struct describes the seven factors of the operand that
 * consists of the images. This operand has four blocks. A block has one half of the images, and one half
 * (`depth` numbers) of each image. Element [image n][number k] of a factor is computed from the elements
 * [n][k] of the blocks, by additions and subtractions. */
typedef struct ImageFactors {
  Lower *l;
  const Ix *count; /* number of images of the batch; the missing images of a block are zeros */
  int64_t images, depth;
  int lanes, tile; /* tile: number of adjacent images that are stored together */
  bool right;      /* the images are the right operand; otherwise the left operand */
  Buf *to;         /* [tile][product][number][image] */
} ImageFactors;

/* Computes the factors of the images of tile m, for `part` numbers of each half from `first` on. */
void dense_image_factors(Nest *, const ImageFactors *, const Ix *m, const Ix *first, int part);
/* `part` numbers of image n, starting at `at`; zeros if there is no such image. */
Val dense_of_image(Nest *, const Ix *count, Buf *values, const Ix *n, const Ix *at, int part, int lanes);

bool dense_strassen_forward_fits(const Lower *); /* whether the sums of a chunk of units fit on the stack */
bool dense_strassen_forward(Lower *);            /* dense_strassen_forward.c */
#endif
