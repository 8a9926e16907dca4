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

/* Streaming: which input rows a row of the output depends on. The inputs are endless sequences, and each call
 * receives the next few rows of them (rules: passes/stream_rules.c). */
typedef enum StreamRule {
  STREAM_WHOLE,      /* any row depends on all rows: not streamable */
  STREAM_ROWS,       /* output row i depends on row i of each operand */
  STREAM_WINDOW,     /* on the rows of node->window */
  STREAM_TRANSPOSED, /* transposed convolution: on the input rows whose windows contain row i */
  STREAM_REPEATED,   /* upsampling: each input row becomes several output rows */
  STREAM_CROPPED,    /* rows at both ends are removed */
  STREAM_PADDED,     /* rows at both ends are added */
  STREAM_SHAPED,     /* reshape: row by row if the first axis stays */
  STREAM_DEEPER,     /* several input rows become one output row */
  STREAM_FLATTER,    /* parts of an input row become output rows */
  STREAM_RECURRENT,  /* on row i and, through a state, all before it */
  STREAM_AHEAD,      /* on later rows, without padding that says how many */
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
  bool mixes_rows; /* an output row depends on several input rows, or on a part of one: eval and the nest run
                      once for all rows, not once per row */

  /* streaming (passes/stream.c). Not set: FAMILY_MAP is STREAM_ROWS, FAMILY_ALIAS is STREAM_SHAPED, others
   * are STREAM_WHOLE */
  StreamRule stream;
  StreamRule (*stream_rule)(const Node *); /* where it depends on the arguments */
  double (*row_fill)(const Node *);        /* value of the elements of rows before the first; not set: 0 */
  bool (*counts_inside)(const Node *);     /* is it a mean that leaves padding out of its count? */
  /* Its result depends on row numbers: lets a copy of it in the step graph count from the start of the
   * stream. `calls` is the number k of the call, and row 0 of the copy's input is row k*rows + offset of the
   * stream. Not set: its rows cannot be counted. */
  void (*count_rows)(Arena *, Node *, Node *calls, int64_t rows, int64_t offset);
  /* STREAM_CROPPED, STREAM_PADDED: get and set the numbers of elements at both ends of each axis */
  void (*border)(const Node *, int64_t before[2], int64_t after[2]);
  void (*set_border)(Arena *, Node *, const int64_t before[2], const int64_t after[2]);

  bool weights_of_input; /* eval reads the parameters of in[0] instead of its own */
  bool recurrent;        /* each direction has several parameters, whose names end in its own suffix */
  bool layer_part; /* one of several kernels of a layer: named after its own node, not after the layer */
  bool needs_axes; /* it needs a height or length: T regions of n elements are read as a sequence T x n */
  bool features;   /* audio features: stays f32 in int8 models, as do values that only such operators read */
  bool front_end;  /* audio front end without a gradient: layers before it cannot be trained */
  bool matrix;     /* of a convolution: its weight is a matrix, outputs by inputs, its window one pixel */
  /* weight[2] is a second bias, of the first output channels: their number */
  int64_t (*second_bias)(const Node *);

  Int8Form int8;   /* in int8 models (quantize/) */
  bool transposed; /* weights have the input channels first; init=bilinear is for them */
} OpTraits;
#endif
