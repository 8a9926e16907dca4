/* lines.h: Common code of softmax, log_softmax and l2norm for their argument axis=. A line is the channels of
 * a pixel, or one channel along positions. */
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

/* Reference evaluation of one line of n elements, along any axis. */
typedef void LinesEval(const Node *, int64_t n, double *const *in, double *out);
void lines_run(const Eval *, LinesEval);

/* The nest of the operator `other`. Lines run along positions, and a vector has one element of each of `part`
 * adjacent lines: the same position in adjacent channels. */
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
/* Computes the term or result of one element of the line. in: the element's value in each input of the node.
 */
typedef Val LineValue(const Line *, Val const *in, const void *context);
Val line_sum(const Line *, const char *name, LineValue, const void *context);
Val line_max(const Line *); /* the largest element of in[0] in the line */
void line_store(const Line *, LineValue, const void *context);
#endif
