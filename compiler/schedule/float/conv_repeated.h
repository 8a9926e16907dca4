/* conv_repeated.h: Convolutions after nearest upsampling that are computed from the small image. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_REPEATED_H
#define CNNC_CONV_REPEATED_H
#include "kernel/lower.h"

/* By node id: whether the node is a convolution that is faster on the target if it is computed from the small
 * image. If target is NULL: whether the node is a convolution that can be computed from the small image. */
bool *conv_repeated_where(Arena *, const Graph *, const Target *);
#endif
