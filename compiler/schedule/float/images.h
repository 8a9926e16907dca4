/* images.h: Batch-innermost layout: a value is [h][w][c][images], one image per vector lane. Kernels are
 * scheduled as for a CPU without vectors, and then widened (nest/widen.c). So all lanes are used, even if
 * there are few channels. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_IMAGES_H
#define CNNC_IMAGES_H
#include "kernel/walk.h"

/* Number of interleaved images of a batch in a plan for these targets: the lanes of the widest target; 1: no
 * interleaving. */
int images_side_by_side(const Graph *, int ntargets, const Target *const *target, int64_t batch,
                        bool training);

Lower *
images_begin(Arena *, const Kernel *, const Target *,
             const LowerOptions *); /* like lower_begin, for a scalar nest with the target's registers */
void images_end(Lower *);           /* widens the nest that was built */
bool images_gather(Lower *); /* builds the nest that converts an input or target from the caller's order;
                                false: the kernel's root is neither an input nor a target */
/* For a nest that is built with vectors and not widened: adds the last dimension, the images, to values.
 * Must be called before nest_fn. */
void images_values(Lower *);
/* Builds the nest that converts a value to the caller's order. The nest's parameters: in, out, number of
 * images. */
Nest *images_scatter(Arena *, const Node *value, int images);
#endif
