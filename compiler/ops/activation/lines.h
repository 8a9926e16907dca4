/* lines.h: operators over one axis of positions, or over all positions, channel by channel: what softmax,
 * log_softmax and l2norm do with axis=. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LINES_H
#define CNNC_LINES_H
#include "kernel/walk.h"

#define LINES_AXIS                                                                                           \
  {"axis",                                                                                                   \
   PARAM_CHOICE,                                                                                             \
   "channels",                                                                                               \
   "channels of each pixel; height or width of images, length of sequences; positions: all pixels",          \
   0,                                                                                                        \
   0,                                                                                                        \
   "channels length height width positions"}

/* The shape rule. Where the axis is not the channels, `other` takes the place of the operator. */
void lines_shape(ShapeContext *, Node *, const Op *other);

/* eval: in and out of one line, of as many elements as `n` says. */
typedef void LinesEval(const Node *, int64_t n, double *const *in, double *out);
void lines_run(const Eval *, LinesEval);

/* The nest: for each line, in vectors of channels. */
typedef struct Line {
  Lower *l;
  const Ix *y, *x, *c; /* where the line begins */
  int part, lanes;
  int64_t size[2]; /* of the line, along height and width */
} Line;
typedef void LinesBody(const Line *);
void lines_lower(Lower *, LinesBody);
/* The value of an element of the line, from what the inputs have there. */
typedef Val LineValue(const Line *, Val const *in, const void *context);
Val line_sum(const Line *, const char *name, LineValue, const void *context);
Val line_max(const Line *); /* of in[0] */
void line_store(const Line *, LineValue, const void *context);
#endif
