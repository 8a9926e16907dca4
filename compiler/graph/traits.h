/* traits.h: Operator properties that individual passes query; op.h has identity, shape, evaluation and
 * lowering. */
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
} Fold; /* folds into the weights of a neighbor: batchnorm after, normalize before */

typedef enum Scores {
  SCORES_NONE,
  SCORES_PROBABILITY,
  SCORES_LOG,
  SCORES_BINARY
} Scores; /* softmax, log_softmax, sigmoid */

typedef enum Finds {
  FINDS_NOTHING,
  FINDS_BOXES,   /* rows x1 y1 x2 y2 score class, in pixels of the input; class -1: unused row */
  FINDS_SEGMENTS /* class and instance of each pixel */
} Finds;

/* Form of an operator in an int8 model (quantize/values.c). Other unary functions become lookup tables. */
typedef enum Int8Form {
  INT8_NONE,
  INT8_PRODUCT, /* conv, conv_transpose, depthwise, dense */
  INT8_SUM,
  INT8_DIFFERENCE,
  INT8_MULTIPLY,
  INT8_MATMUL, /* product of two matrices that both are values */
  INT8_RELU,   /* a clamp on the value before it */
  INT8_RELU6,
  INT8_LEAKY,   /* a lookup table; in int16, two factors */
  INT8_LARGEST, /* pools */
  INT8_MEAN,
  INT8_SOFTMAX,
  INT8_UNIT,      /* a lookup table with values in 0 .. 1 */
  INT8_SIGNED,    /* in -1 .. 1 */
  INT8_MOVE,      /* copies elements of its inputs */
  INT8_RECURRENT, /* lstm, gru, rnn */
  INT8_GATHER,    /* elements of in[0], selected by in[1], which has indices */
  INT8_EMBEDDING, /* rows of an int8 table, selected by indices */
  INT8_ARGMAX,    /* its value is an index */
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

/* Operator properties that individual passes query. An unset member means that the property does not hold. */
typedef struct OpTraits {
  /* what an output means to its users: labels, metrics, losses (sema/, emit/network.c) */
  Scores scores;
  Finds finds;
  bool softmax;                     /* probabilities over the channels */
  int64_t (*classes)(const Node *); /* number of classes, where it differs from that of the channels */
  int64_t (*things)(const Node *);  /* FINDS_SEGMENTS: number of classes of objects: the last ones */
  bool class_target;  /* of a loss: the target is int32 classes, else floats of the output's shape */
  bool object_target; /* of a loss: the target is the annotations of an image, graph_truth */

  /* receptive fields (report/summary.c) */
  bool keeps_spatial; /* passes unchanged: kernel 1, stride 1 */
  /* An element depends on `sees` elements of the input along the axis; those of the next element begin
   * `jump` later. */
  void (*receptive_field)(const Node *, int axis, int64_t *sees, double *jump);

  /* simplification for inference (passes/inference.c) */
  bool (*commutes)(const Node *); /* is it commutative in its two inputs? */
  /* zero_pad: the padding that a following convolution can include in its window */
  bool (*padding)(const Node *, int64_t before[2], int64_t after[2]);
  /* Does it only repeat each element of its input, `factor` times along each axis? */
  bool (*repeats)(const Node *, int64_t factor[2]);
  const Op *after_repeats; /* conv: its replacement after a repeating operator; it reads that operator's
                              input, and `detail` has the factor */
  const Op *row_means;     /* computes the mean of each row of its input, and this node is the mean of that */

  /* fusion (passes/fuse.c) */
  Fold fold;
  bool (*fuses_pool)(const Node *, const Node *pool); /* can it compute the following pooling? */
  bool (*fuses_row_means)(const Node *); /* can it also compute the mean of each row of its value? */
  bool (*fuses_gate)(const Node *); /* is it faster to scale the weights than the channels of its input? */
  int (*gate)(
      const Node *); /* multiply: the input with one number per channel that scales the other one; -1: none */
  /* FAMILY_POOL: a window of n elements, without padding */
  const struct ValNode *(*pool)(const struct ValNode *const *x, int n);

  /* aliases (passes/alias.c): values that are parts of others. -1: not this node */
  int64_t (*channel_offset)(const Node *, int k); /* concat: the channel of its value where input k starts */
  int64_t (*channel_slice)(const Node *); /* its value is a range of channels of its input; the first one */
  bool splits_channels; /* its value is its input, the rows of which are groups of channels: split_heads */
  bool joins_channels;  /* the inverse: join_heads */
  bool reads_anywhere;  /* its nest reads and writes rows of pixels at any distance (Home) */
  int64_t (*slice_offset)(const Node *);         /* its value is one contiguous part of its input; the first
                                                    element */
  int64_t (*concat_offset)(const Node *, int k); /* its value is the concatenation of its inputs; the first
                                                    element of input k */

  /* layout of batches and row bands (passes/whole_batch.c, bands.c, recompute.c) */
  bool per_image;   /* its nest calls a runtime function or has data-dependent indices: never interleaved */
  bool row_local;   /* each row depends on the input rows of its window, or on the same row */
  bool elementwise; /* cheap, and each element depends on the same element of in[0] only: like FAMILY_MAP */
  bool loops_over_rows; /* its nest contains the loop over the rows of its value */
  bool mixes_rows;      /* an output row depends on several input rows, or on a part of one: eval and the nest
                           run once for all rows, not once per row */

  /* streaming (passes/stream.c). Not set: FAMILY_MAP is STREAM_ROWS, FAMILY_ALIAS is STREAM_SHAPED, others
   * are STREAM_WHOLE */
  StreamRule stream;
  StreamRule (*stream_rule)(const Node *); /* where it depends on the arguments */
  double (*row_fill)(const Node *);        /* value of the elements of rows before the first; not set: 0 */
  int64_t (*kept_rows)(const Node *);      /* STREAM_RECURRENT: rows of its state; not set: none */
  bool (*counts_inside)(const Node *);     /* a mean that does not count padding? */
  /* Its result depends on row numbers: makes its copy in the step graph count from the start of the
   * stream. `calls` is the number k of the call; row 0 of the copy's input is row k*rows + offset of the
   * stream. Not set: its rows cannot be counted. */
  void (*count_rows)(Arena *, Node *, Node *calls, int64_t rows, int64_t offset);
  /* STREAM_CROPPED, STREAM_PADDED: get and set the numbers of elements at both ends of each axis */
  void (*border)(const Node *, int64_t before[2], int64_t after[2]);
  void (*set_border)(Arena *, Node *, const int64_t before[2], const int64_t after[2]);

  bool stops_gradient;   /* its operand gets no gradient from it */
  bool weights_of_input; /* eval reads the parameters of in[0], not its own */
  bool recurrent;        /* each direction has several parameters, with names that end in its own suffix */
  bool layer_part;     /* one of several kernels of a layer: named after its own node, not after the layer */
  bool needs_axes;     /* needs a height or length: T regions of n elements are read as a sequence T x n */
  bool indices;        /* its value has indices: float in int8 models, exact */
  bool features;       /* audio features: float in int8 models, as are values that only such operators read */
  bool front_end;      /* audio front end without a gradient: layers before it cannot be trained */
  bool matrix;         /* of a convolution: its weight is a matrix, outputs by inputs, its window one pixel */
  bool matrix_of_taps; /* with matrix: a row of taps for each input channel of each output, on a sequence */
  /* weight[2] is a second bias, for the first output channels: their number */
  int64_t (*second_bias)(const Node *);

  Int8Form int8;   /* in int8 models (quantize/) */
  bool transposed; /* weights with the input channels first, as init=bilinear expects */
} OpTraits;
#endif
