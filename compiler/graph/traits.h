/* traits.h: what single passes ask of an operator, beside its identity, shape, meaning and lowering (op.h).
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TRAITS_H
#define CNNC_TRAITS_H
#include "graph/graph.h"

typedef struct Op Op;
struct ValNode;

typedef enum Fold {
  FOLD_NONE,
  FOLD_SCALE,
  FOLD_NORMALIZE
} Fold; /* what passes may fold into the weights of a neighbor: batchnorm after, normalize before */

typedef enum Scores {
  SCORES_NONE,
  SCORES_PROBABILITY,
  SCORES_LOG,
  SCORES_BINARY
} Scores; /* softmax, log_softmax, sigmoid */

typedef enum Finds {
  FINDS_NOTHING,
  FINDS_BOXES,   /* rows x1 y1 x2 y2 score class, in pixels of the input; class -1: none */
  FINDS_SEGMENTS /* for each pixel class and instance */
} Finds;

/* What an operator is in a net of 8 bits (quantize/values.c). Other functions of one number are tables. */
typedef enum Int8Form {
  INT8_NONE,
  INT8_PRODUCT, /* conv, conv_transpose, depthwise, dense */
  INT8_SUM,
  INT8_DIFFERENCE,
  INT8_MULTIPLY,
  INT8_RELU, /* a bound of what is before it */
  INT8_RELU6,
  INT8_LEAKY,   /* a table; in 16 bits two factors */
  INT8_LARGEST, /* pools */
  INT8_MEAN,
  INT8_SOFTMAX,
  INT8_UNIT,      /* a table whose value is in 0 .. 1 */
  INT8_SIGNED,    /* in -1 .. 1 */
  INT8_MOVE,      /* each element is one of an input's */
  INT8_RECURRENT, /* lstm, gru, rnn */
} Int8Form;

/* How rows of an operator's value depend on those of what it reads, where these are an endless sequence, a
 * few rows of which are given in each call (passes/stream_rules.c has what follows from each). */
typedef enum StreamRule {
  STREAM_WHOLE,      /* it needs all rows */
  STREAM_ROWS,       /* row i is computed from row i of each operand */
  STREAM_WINDOW,     /* from the rows of node->window */
  STREAM_TRANSPOSED, /* from the rows whose windows meet in row i */
  STREAM_REPEATED,   /* each row is several rows of its value */
  STREAM_CROPPED,    /* without rows at both ends */
  STREAM_PADDED,     /* with rows at both ends */
  STREAM_SHAPED,     /* the same elements in another shape: row by row if the first axis stays */
  STREAM_DEEPER,     /* several rows are one of its value */
  STREAM_FLATTER,    /* a row is several of its value, each a part of it */
  STREAM_RECURRENT,  /* from row i and all before it, through a state */
  STREAM_AHEAD,      /* from rows that follow: no padding says how many */
  STREAM_RULES
} StreamRule;

/* What single passes ask of an operator. Where a member is not set, the operator is nothing of the kind. */
typedef struct OpTraits {
  /* what an output is to its readers: labels, metrics, losses (sema/, emit/network.c) */
  Scores scores;
  Finds finds;
  bool softmax;                     /* probabilities over the channels */
  int64_t (*classes)(const Node *); /* number of classes, where it is not that of the channels */
  int64_t (*things)(const Node *);  /* FINDS_SEGMENTS: how many of them are of objects: the last ones */
  bool class_target;  /* of a loss: the target is int32 classes, else floats of the output's shape */
  bool object_target; /* of a loss: the target is the objects of an image, graph_truth */

  /* receptive fields (report/summary.c) */
  bool keeps_spatial; /* passes unchanged: kernel 1, stride 1 */
  /* An element sees `sees` elements of the input along the axis; the next one's begin `jump` further on. */
  void (*receptive_field)(const Node *, int axis, int64_t *sees, double *jump);

  /* simplification for inference (passes/inference.c) */
  bool (*commutes)(const Node *); /* is it the same with its two inputs exchanged? */
  /* zero_pad: the zeros that a following convolution can take into its window */
  bool (*padding)(const Node *, int64_t before[2], int64_t after[2]);
  /* Does its value repeat each element of its input factor times along each axis, and nothing else? */
  bool (*repeats)(const Node *, int64_t factor[2]);
  const Op *after_repeats; /* conv: its replacement after one that repeats, with the input of that and the
                              factor in `detail` */
  const Op *row_means;     /* computes the mean of each row of its input, whose mean this one is */

  /* fusion (passes/fuse.c) */
  Fold fold;
  bool (*fuses_pool)(const Node *, const Node *pool); /* can it compute the pooling that follows? */
  bool (*fuses_row_means)(const Node *); /* can it also compute the mean of each row of its value? */
  bool (*fuses_gate)(const Node *); /* is it faster to scale the weights than the channels of its input? */
  int (*gate)(
      const Node *); /* multiply: the input, one number a channel, that scales the other one; -1: none */
  /* FAMILY_POOL: a window of n elements, all of them inside */
  const struct ValNode *(*pool)(const struct ValNode *const *x, int n);

  /* aliases (passes/place.c): values that are parts of others. -1: this node is none */
  int64_t (*channel_offset)(const Node *, int k); /* concat: the channel of its value where input k starts */
  int64_t (*channel_slice)(const Node *);         /* its value is channels of its input, from this one on */
  int64_t (*slice_offset)(const Node *); /* its value is one piece of its input, from that element on */
  int64_t (*concat_offset)(const Node *,
                           int k); /* its value is its inputs in turn; the element where k starts */

  /* layout of batches and bands (passes/whole_batch.c, bands.c, recompute.c) */
  bool per_image;   /* its nest calls a routine or chooses indices by the image's values: never interleaved */
  bool row_local;   /* each row is computed from the rows of the inputs in its window, or the same row */
  bool elementwise; /* cheap, and each element depends on that one of in[0] alone: as FAMILY_MAP */
  bool loops_over_rows; /* its nest has the loop over the rows of its value */
  bool mixes_rows; /* a row of its value is computed from several rows of its inputs, or from a part of one:
                      eval and the nest see all rows at once */

  /* rows of endless sequences (passes/stream.c). Not set: FAMILY_MAP is STREAM_ROWS, FAMILY_ALIAS
   * STREAM_SHAPED */
  StreamRule stream;
  StreamRule (*stream_rule)(const Node *); /* where it depends on the arguments */
  double (*row_fill)(const Node *);        /* what rows outside count as; not set: 0 */
  bool (*counts_inside)(const Node *);     /* a mean of the elements that are inside */
  /* Of a copy of such a node: counts rows from 0 on, where row 0 of its input is row k*rows + offset in call
   * k. Not set: it cannot. */
  void (*count_rows)(Arena *, Node *, Node *calls, int64_t rows, int64_t offset);
  /* STREAM_CROPPED, STREAM_PADDED: elements at both ends of each axis; and another border */
  void (*border)(const Node *, int64_t before[2], int64_t after[2]);
  void (*set_border)(Arena *, Node *, const int64_t before[2], const int64_t after[2]);

  bool weights_of_input; /* eval computes with the parameters of in[0] */
  bool recurrent;        /* each direction has several parameters, whose names end in its own suffix */
  bool layer_part;       /* of what computes a layer: its kernel has its node's own name */
  bool needs_axes;       /* it needs a height or length: T vectors of regions are a sequence to it */
  bool features;  /* of sound: computes in floats in int8 models, as does all that only such operators read */
  bool front_end; /* of the audio front end: no gradient passes, and nothing trained may stand before it */
  /* weight[2] is a second bias of the output channels below this one */
  int64_t (*second_bias)(const Node *);

  Int8Form int8;   /* in int8 models (quantize/) */
  bool transposed; /* weights have the input channels first; init=bilinear is for them */
} OpTraits;
#endif
