/* window.h: Helpers for operators with windows or other arguments of the form HxW. For convolutions and
 * pools, op_window (op.h) reads all window arguments. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WINDOW_H
#define CNNC_WINDOW_H
#include "graph/shape.h"
#include "graph/op.h"

/* Stores a PARAM_WINDOW argument in to[axis]. The argument has the form N, HxW or [h, w]. On a sequence the
 * argument is N, and to[0] is set to 1. Returns false after an error. */
bool window_pair(ShapeContext *, const Node *, const char *param, int64_t to[2]);
bool window_size(ShapeContext *, const Node *, const char *param,
                 int64_t to[2]); /* like window_pair, but the argument is always read as for an image */
/* Fills kernel, stride, dilation and explicit padding from the arguments; groups and multiplier are 1.
 * Returns false after an error, or if the shape of the input is unknown after an earlier error. */
bool window_arguments(ShapeContext *, const Node *, Window *, PadRule *);
/* The shape of the node's output: the input's shape, but with size h x w and c channels. */
Shape window_shape(const Node *, int64_t h, int64_t w, int64_t c);
const char *window_size_text(Arena *, const Node *, const int64_t size[2]); /* "5x5", on sequences "5" */
const char *window_axis_name(const Node *, int axis);                       /* "height", "width", "length" */
/* Whether all positions that windows reach on the large side fit into int32. If not, reports an error with
 * the size, padding, stride and dilation, and suggests a smaller argument. large: the side over which windows
 * move; small: the side with one element per window. */
bool window_addressable(ShapeContext *, const Node *, const Window *, const int64_t large[2],
                        const int64_t small[2]);
/* Windows of a sequence from the arguments size, step and pad: sets node->window, and stores the number of
 * windows in *frames. */
bool window_frames(ShapeContext *, Node *, int64_t *frames);
bool window_groups_fit(ShapeContext *, const Node *, int64_t channels,
                       int64_t filters); /* whether groups= divides `channels` and `filters`; if not, reports
                                            their common divisors */
#endif
