/* channels.h: Reduction of a pixel's channels to one number: common code of channel_mean, channel_max, argmax
 * and the gradient of an operand that was broadcast over the channels. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CHANNELS_H
#define CNNC_CHANNELS_H
#include "kernel/walk.h"

typedef Val ChannelsValue(Lower *, const Ix *y, const Ix *x,
                          int64_t channels); /* reduces the channels of a pixel of in[0] to one value */

void channels_shape(ShapeContext *, Node *); /* sets the shape HxWx1, Lx1, or a vector of one element */
void channels_lower(Lower *, ChannelsValue);

extern const Op op_sum_channels; /* the gradient, HxWx1, of an operand that was broadcast over the channels */
#endif
