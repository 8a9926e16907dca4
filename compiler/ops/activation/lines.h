/* lines.h: Common code of softmax (float and int8), log_softmax and l2norm for their argument axis=. A line
 * consists of all channels of one pixel, or of one channel's elements along height, width or both. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LINES_H
#define CNNC_LINES_H
#include "kernel/walk.h"

#define LINES_AXIS                                                                                           \
  {"axis",                                                                                                   \
   PARAM_CHOICE,                                                                                             \
   "channels",                                                                                               \
   "axis of the sum: channels (of each pixel), height or width (of images), length (of sequences), "         \
   "positions (all pixels together)",                                                                        \
   0,                                                                                                        \
   0,                                                                                                        \
   "channels length height width positions"}

extern const Param lines_params[]; /* the argument axis= */

/* The shape rule. If the argument axis= is not `channels`, the node's operator becomes `other`. */
void lines_shape(ShapeContext *, Node *, const Op *other);

/* The stream rule of the operator `other`: with axis=width each line is within one row, so rows are
 * independent. */
StreamRule lines_stream_rule(const Node *);

/* Reference evaluation, along any axis. LinesEval evaluates one line of n elements; in: the line in each
 * input of the node. */
typedef void LinesEval(const Node *, int64_t n, double *const *in, double *out);
void lines_run(const Eval *, LinesEval);

/* The nest of the operator `other`. Lines are along height, width or both. A vector has one element of each
 * of `part` lines: the same position in adjacent channels. */
typedef struct Line {
  Lower *l;
  const Ix *y, *x, *c; /* start of the line */
  int part, lanes;
  int64_t size[2]; /* number of elements along height and width */
} Line;
typedef void LinesBody(const Line *);
void lines_lower(Lower *, LinesBody);
void lines_lower_numbers(Lower *, LinesBody); /* one channel at a time, without vectors */
int64_t lines_length(const Node *);           /* length of a line, along any axis */
/* line_each calls the LineElement for element `from` of a line and all elements after it. If the line has
 * several rows, `from` is ignored. */
typedef void LineElement(const Line *, const Ix *y, const Ix *x, const void *context);
void line_each(const Line *, int64_t from, LineElement, const void *context);
/* For one element of the line: computes its term in line_sum, or its result in line_store. in: the loaded
 * element of each input of the node. In line_sum, NULL is in[0]. */
typedef Val LineValue(const Line *, Val const *in, const void *context);
Val line_sum(const Line *, const char *name, LineValue, const void *context);
Val line_max(const Line *); /* the largest element of in[0] in the line */
void line_store(const Line *, LineValue, const void *context);
#endif
