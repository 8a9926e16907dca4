/* traits.h: Operator properties that individual passes query, so that no pass compares operator names. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TRAITS_H
#define CNNC_TRAITS_H
#include "graph/graph.h"

typedef struct Op Op;
struct ValNode;

/* ---- kernel families, for schedules ---- */
typedef enum Family {
  FAMILY_NONE,          /* reference schedule only */
  FAMILY_MAP,           /* element-wise: can be fused into the producer of its input */
  FAMILY_CONV,          /* convolution as a gather */
  FAMILY_CONV_SCATTER,  /* convolution as a scatter: conv_transpose, and the input gradient of conv */
  FAMILY_CONV_REPEATED, /* convolution that includes the nearest-neighbor upsampling before it */
  FAMILY_CONV_WEIGHTS,  /* weight gradient of conv and conv_transpose */
  FAMILY_DEPTHWISE,
  FAMILY_DEPTHWISE_SCATTER,
  FAMILY_DEPTHWISE_WEIGHTS,
  FAMILY_DENSE,
  FAMILY_DENSE_INPUT,
  FAMILY_DENSE_WEIGHTS,
  FAMILY_MATMUL,
  FAMILY_POOL,
  FAMILY_INT8,  /* ops/int8 */
  FAMILY_ALIAS, /* a view of its input: flatten, reshape */
} Family;

typedef enum Fold {
  FOLD_NONE,
  FOLD_SCALE,
  FOLD_NORMALIZE
} Fold; /* folds into the weights of a convolution or dense layer: batchnorm (SCALE) after this layer,
           normalize before this layer */

typedef enum Scores {
  SCORES_NONE,
  SCORES_PROBABILITY,
  SCORES_LOG,
  SCORES_BINARY
} Scores; /* softmax, log_softmax, sigmoid */

typedef enum Detects {
  DETECTS_NOTHING,
  DETECTS_BOXES,   /* rows x1 y1 x2 y2 score class, in pixels of the input; class -1: an unused row */
  DETECTS_SEGMENTS /* class and instance of each pixel */
} Detects;

/* Form of an operator in an int8 model (quantize/values.c). INT8_NONE: a unary function becomes a lookup
 * table, an operator with the trait `repeats` or `padding` moves int8 values, and any other operator computes
 * in float. */
typedef enum Int8Form {
  INT8_NONE,
  INT8_PRODUCT, /* conv, conv_transpose, depthwise, dense */
  INT8_SUM,
  INT8_DIFFERENCE,
  INT8_MULTIPLY,
  INT8_MATMUL, /* matrix product of two values */
  INT8_RELU,   /* clamps its operand */
  INT8_RELU6,
  INT8_LEAKY,   /* a lookup table; with int16, two factors */
  INT8_LARGEST, /* max pooling */
  INT8_MEAN,
  INT8_SOFTMAX,
  INT8_UNIT,      /* a lookup table with values from 0 to 1; with int16, a Curve (base/arithmetic.h) */
  INT8_SIGNED,    /* a lookup table with values from -1 to 1; with int16, a Curve */
  INT8_MOVE,      /* copies elements of its inputs */
  INT8_RECURRENT, /* lstm, gru, rnn */
  INT8_SVDF,
  INT8_GATHER,    /* elements of in[0] at the indices in[1] */
  INT8_EMBEDDING, /* rows of an int8 table at indices */
  INT8_ARGMAX,    /* the value is an index */
} Int8Form;

/* Streaming: how output rows depend on the rows of an operand. The sequence is endless, and each call gets
 * its next rows (passes/stream_rules.c). */
typedef enum StreamRule {
  STREAM_WHOLE,      /* output row i depends on all rows: not streamable */
  STREAM_ROWS,       /* output row i depends on row i of each operand */
  STREAM_WINDOW,     /* output row i depends on the rows of window i of node->window */
  STREAM_TRANSPOSED, /* transposed convolution: output row i depends on the input rows whose windows contain
                        row i */
  STREAM_REPEATED,   /* upsampling: each input row becomes several output rows */
  STREAM_CROPPED,    /* removes rows at both ends */
  STREAM_PADDED,     /* adds rows at both ends */
  STREAM_SHAPED,     /* reshape: like STREAM_ROWS if the number of rows is unchanged; otherwise not
                        streamable */
  STREAM_DEEPER,     /* several input rows become one output row */
  STREAM_FLATTER,    /* parts of an input row become output rows */
  STREAM_RECURRENT,  /* output row i depends on row i and, through a state, on all rows before it */
  STREAM_AHEAD,      /* output row i depends on later rows, which a stream does not have yet: not
                        streamable */
  STREAM_RULES
} StreamRule;

enum { PART_SWITCH = 3 };

/* Properties are off, and functions NULL, unless an operator sets them. */
typedef struct OpTraits {
  /* meaning of an output, for labels, metrics and losses (sema/, emit/network.c) */
  Scores scores;
  Detects detects;
  bool softmax;                     /* probabilities over the channels, or their logarithms */
  int64_t (*classes)(const Node *); /* number of classes, if not equal to the number of channels */
  int64_t (*things)(
      const Node *);  /* DETECTS_SEGMENTS: number of classes of objects; these are the last classes */
  bool class_target;  /* loss: the target has int32 classes, otherwise floats like the output */
  bool object_target; /* loss: the target is the annotations of an image (graph_truth) */

  /* receptive fields (report/summary.c) */
  bool keeps_spatial; /* each element depends on one pixel of each input, as with kernel 1 and stride 1 */
  /* Along the axis, an output element depends on `sees` consecutive input elements; the next output element
   * depends on elements that start `jump` elements later. */
  void (*receptive_field)(const Node *, int axis, int64_t *sees, double *jump);

  /* meaning of an operand (graph/contents.c) */
  int64_t (*index_count)(const Node *, int k); /* number of valid indices in in[k]; 0: it has no indices */
  int (*mask)(const Node *);                   /* attention: the operand that is a mask; -1: none */

  /* for the simplification for inference (passes/inference.c) */
  bool (*commutes)(const Node *); /* whether the operator's two inputs can be swapped */
  /* zero_pad: the padding that a following convolution can include in its window; false: not possible */
  bool (*padding)(const Node *, int64_t before[2], int64_t after[2]);
  /* Whether the operator only repeats each element of its input, factor[i] times along axis i. */
  bool (*repeats)(const Node *, int64_t factor[2]);
  const Op *after_repeats; /* conv: the operator that replaces a repeating operator and the conv after it;
                              `detail` has the factor */
  const Op *row_means;     /* the operator for row means, if this node's value is the mean of its input's row
                              means */

  /* fusion (passes/fuse.c) */
  Fold fold;
  bool (*fuses_pool)(const Node *,
                     const Node *pool);  /* whether the operator can compute the pooling after it, too */
  bool (*fuses_row_means)(const Node *); /* whether the operator can compute the means of its rows, too */
  bool (*fuses_gate)(
      const Node *); /* whether it is faster to scale the operator's weights than the channels of its input */
  int (*gate)(const Node *); /* multiply: index of the input that has one factor per channel; -1: none */
  /* FAMILY_POOL: the value of a window of n elements, without padding */
  const struct ValNode *(*pool)(const struct ValNode *const *x, int n);

  /* aliases (passes/alias.c); the functions return -1 if the node is not an alias */
  int64_t (*channel_offset)(const Node *, int k); /* concat: the channel of the value where input k starts */
  int64_t (*channel_slice)(const Node *); /* slice of channels: the slice's first channel in the input */
  bool splits_channels; /* each row of the value is a group of channels of the input: split_heads */
  bool joins_channels;  /* the inverse of splits_channels: join_heads */
  bool reads_anywhere;  /* the nest supports any distance between the pixels (Home.pitch) and between the rows
                           (Home.rows) of its inputs */
  int64_t (*slice_offset)(const Node *); /* contiguous slice: the slice's first element in the input */
  int64_t (*concat_offset)(const Node *, int k); /* concatenation: the first element of input k */

  /* layout of batches and row bands (passes/whole_batch.c, bands.c, recompute.c) */
  bool per_image;   /* images cannot be interleaved, for example because the nest calls a runtime function or
                       has data-dependent indices */
  bool row_local;   /* each output row depends only on the input rows of its window, or on the input row with
                       the same index */
  bool elementwise; /* cheap, and each element depends only on the element of in[0] at the same index: like
                       FAMILY_MAP */
  bool loops_over_rows; /* the operator's nest contains the loop over the rows of the leading axis */
  bool mixes_rows; /* a row of the value's leading axis depends on several input rows, or on a part of a row:
                      eval and the nest run once for all rows */

  /* streaming (passes/stream.c) */
  StreamRule
      stream; /* default: STREAM_ROWS for FAMILY_MAP, STREAM_SHAPED for FAMILY_ALIAS, or STREAM_WHOLE */
  StreamRule (*stream_rule)(const Node *); /* if the rule depends on the arguments */
  double (*row_fill)(const Node *);        /* value of elements before the first row; default: 0 */
  int64_t (*kept_rows)(const Node *);      /* STREAM_RECURRENT: number of rows in the state, if it has rows */
  bool (*counts_inside)(const Node *);     /* whether the operator is a mean that does not count padding */
  /* For a result that depends on row numbers: changes a node's copy in the step graph, so that the copy
   * counts rows from the start of the stream. `calls` is the call number k; row 0 of the copy's input is row
   * k*rows + offset of the stream. */
  void (*count_rows)(Arena *, Node *, Node *calls, int64_t rows, int64_t offset);
  /* STREAM_CROPPED, STREAM_PADDED: get and set the numbers of elements that are removed or added at both ends
   * of each axis */
  void (*border)(const Node *, int64_t before[2], int64_t after[2]);
  void (*set_border)(Arena *, Node *, const int64_t before[2], const int64_t after[2]);

  /* The operator's value is the state in[1] with some rows replaced. Only these rows are written to the
   * state's memory. */
  bool rewrites_state;
  /* The operator's value is the last part of in[0]. The nest reads in[0] from front to back, so that the
   * value and in[0] can have the same memory. */
  bool moves_rows;

  bool stops_gradient;   /* the operator passes no gradient to its operand */
  bool weights_of_input; /* eval reads the parameters of in[0], not of this node */
  bool recurrent;        /* lstm, gru or rnn: has the argument direction= */
  bool layer_part; /* one of several kernels of a layer: named after its own node, not after the layer */
  bool needs_axes; /* needs a height or length: reads T regions of n elements as a sequence T x n */
  bool equal_rows; /* combines values with equal numbers of rows: if only some of them have regions, T regions
                      of n elements are read as T x n */
  bool indices;    /* the value contains indices, so int8 models store the value as floats */
  /* computes audio features: stays float in int8 models; values that only such operators read stay float,
   * too */
  bool features;
  bool front_end; /* audio front end without a gradient: layers before the front end cannot be trained */
  bool product;   /* multiplies operands, which precision=bf16 rounds */
  /* if precision=bf16, eval and the nest round the numbers that they multiply by weights of two or more
   * dimensions; in training the operator computes in float */
  bool rounds_itself;
  bool matrix; /* 1x1 convolution whose weight is a matrix, outputs by inputs */
  /* with `matrix`: on a sequence, the weight has a row of taps for each pair of input channel and output */
  bool matrix_of_taps;
  int64_t (*scale_rows)(const Node *);  /* part of a recurrent layer: number of weight rows that share an int8
                                           scale. QAT adds the switch as weight PART_SWITCH */
  int64_t (*second_bias)(const Node *); /* number of output channels with a second bias, weight[2] */

  Int8Form int8;   /* in int8 models (quantize/) */
  bool transposed; /* weights with the input channels first, as init=bilinear expects */
} OpTraits;
#endif
