/* window.h: the arguments of window operators, read before the formula is applied. op_window (op.h) is what
 * most operators call. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WINDOW_H
#define CNNC_WINDOW_H
#include "graph/shape.h"
#include "graph/op.h"

/* N, HxW or [h, w], positive numbers, into to[axis]; on a sequence N, and to[0] is 1. False after an error.
 */
bool window_pair(ShapeContext *, const Node *, const char *param, int64_t to[2]);
bool window_size(ShapeContext *, const Node *, const char *param,
                 int64_t to[2]); /* of a picture, whatever the input is */
/* Fills kernel, stride, dilation and explicit padding from the arguments; groups and multiplier are 1. False
 * after an error, or when the input is poison. */
bool window_arguments(ShapeContext *, const Node *, Window *, PadRule *);
/* The shape of node's output: like its input's, with another size and other channels. */
Shape window_shape(const Node *, int64_t h, int64_t w, int64_t c);
const char *window_size_text(Arena *, const Node *, const int64_t size[2]); /* "5x5", on sequences "5" */
const char *window_axis_name(const Node *, int axis);                       /* "height", "width", "length" */
/* Whether an index of the large side can be computed in 31 bits; a message says by which numbers it
 * cannot. */
bool window_addressable(ShapeContext *, const Node *, const Window *, const int64_t large[2],
                        const int64_t small[2]);
/* The windows of a sequence by the arguments size, step and pad: node->window, and how many there are. */
bool window_frames(ShapeContext *, Node *, int64_t *frames);
bool window_groups_fit(ShapeContext *, const Node *, int64_t channels,
                       int64_t filters); /* groups divides both, or a message says which numbers would */
#endif
