/* weave.h: Transposes channels of one or several pixels as a matrix with `ways` rows, or transposes them
 * back. Used by channel_shuffle, depth_to_space and space_to_depth. Vectors are loaded and stored whole;
 * their elements are permuted in registers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WEAVE_H
#define CNNC_WEAVE_H
#include "kernel/lower.h"

typedef struct Spot {
  Ix y, x, c;
} Spot; /* an element of the input or of the result */

/* Whether weave_together and weave_apart can use vectors for `ways` rows of n elements each. */
bool weave_fits(const Lower *, int64_t ways, int64_t n);
/* Interleaves n elements from each of `ways` spots: from[0][0], from[1][0], ..., from[0][1], ... */
void weave_together(Lower *, int64_t ways, int64_t n, const Spot *from, const Spot *to);
/* The inverse: element k*ways + w of `from` becomes element k of to[w]. */
void weave_apart(Lower *, int64_t ways, int64_t n, const Spot *from, const Spot *to);
/* Copies n elements in their order. */
void weave_copy(Lower *, int64_t n, const Spot *from, const Spot *to);

#endif
