/* weave.h: channels in another order, as a matrix of `ways` rows is turned over: what channel_shuffle,
 * depth_to_space and space_to_depth do at each pixel. Vectors are loaded and stored whole; their elements
 * change places in registers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WEAVE_H
#define CNNC_WEAVE_H
#include "kernel/lower.h"

typedef struct Spot {
  Ix y, x, c;
} Spot; /* an element of the input or of the result */

/* Whether the next two have vectors for so many ways of n elements each. */
bool weave_fits(const Lower *, int64_t ways, int64_t n);
/* n elements from each of `from` to the result, element by element: from[0][0], from[1][0], ..., from[0][1].
 */
void weave_together(Lower *, int64_t ways, int64_t n, const Spot *from, const Spot *to);
/* The other way: the element k*ways + w behind `from` becomes element k behind to[w]. */
void weave_apart(Lower *, int64_t ways, int64_t n, const Spot *from, const Spot *to);
/* n elements in their order. */
void weave_copy(Lower *, int64_t n, const Spot *from, const Spot *to);

#endif
