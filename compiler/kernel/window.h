/* window.h: Helpers for operators with windows or other arguments of the form HxW. window.c also defines
 * op_window (op.h). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WINDOW_H
#define CNNC_WINDOW_H
#include "graph/shape.h"
#include "graph/op.h"

/* Stores a PARAM_WINDOW argument, N, HxW or [h, w], as height and width in `to`. A missing argument is 1. On
 * a sequence, only N is valid, and to[0] is 1. Returns false after an error. */
bool window_pair(ShapeContext *, const Node *, const char *param, int64_t to[2]);
bool window_size(ShapeContext *, const Node *, const char *param,
                 int64_t to[2]); /* like window_pair, as if the input were an image */
/* Reads kernel, stride, dilation and pad; groups and multiplier are 1. With PAD_EXPLICIT, also sets the
 * padding; the other rules need the input size. Returns false after an error, or if the shape of the input is
 * unknown after an earlier error. */
bool window_arguments(ShapeContext *, const Node *, Window *, PadRule *);
/* The input's shape with size h x w and c channels; a sequence ignores h. */
Shape window_shape(const Node *, int64_t h, int64_t w, int64_t c);
const char *window_size_text(Arena *, const Node *, const int64_t size[2]); /* "5x5", on sequences "5" */
const char *window_axis_name(const Node *, int axis);                       /* "height", "width", "length" */
/* Whether the positions that windows reach fit into int32. If not, reports an error. large: size of the input
 * or, for conv_transpose, of the output; small: number of windows. */
bool window_addressable(ShapeContext *, const Node *, const Window *, const int64_t large[2],
                        const int64_t small[2]);
/* Reads size, step and pad of windows over a sequence: sets node->window, and *frames to the number of
 * windows. Returns false after an error. */
bool window_frames(ShapeContext *, Node *, int64_t *frames);
bool window_groups_fit(ShapeContext *, const Node *, int64_t channels,
                       int64_t filters); /* whether groups= divides both numbers; if not, reports an error */
#endif
