/* conv_repeated.h: Convolutions after nearest upsampling that are computed from the small image. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_REPEATED_H
#define CNNC_CONV_REPEATED_H
#include "kernel/lower.h"

/* By node id: the convolutions that are faster on the target if they are computed from the small image;
 * target NULL: all convolutions for which that is possible. */
bool *conv_repeated_where(Arena *, const Graph *, const Target *);
#endif
