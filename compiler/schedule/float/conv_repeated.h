/* conv_repeated.h: Convolutions after nearest upsampling that are computed from the small image. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_REPEATED_H
#define CNNC_CONV_REPEATED_H
#include "kernel/lower.h"

/* By node id: the convolutions for which this is faster on the target; target NULL: all convolutions for
 * which it is possible. */
bool *conv_repeated_where(Arena *, const Graph *, const Target *);
#endif
