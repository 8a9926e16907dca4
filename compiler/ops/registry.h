/* registry.h: Interface of ops/ to other folders: tables of the language (op_table.c), and the operators and
 * functions that other folders use. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_REGISTRY_H
#define CNNC_REGISTRY_H
#include "graph/op.h"

/* ---- losses ---- */
/* The operators of a loss. If an activation in `absorbs` computes the output, such as the softmax before a
 * cross_entropy, the loss absorbs this activation: the operators read the activation's input as `output`. op,
 * a RESULT_SAMPLE operator, computes this image's share of the mean from its inputs (output, target, scale).
 * scale, RESULT_BATCH, computes a vector of one element, the loss's weight / normalizer, from (target).
 * gradient, RESULT_SAMPLE, has the inputs (output, target, scale). */
typedef struct Loss {
  const Op *op, *scale, *gradient;
  const Op *slopes; /* NULL, or an operator whose result replaces the scale as input of `gradient`. This
                       operator has the inputs (output, target, scale). It computes two numbers per channel
                       from sums over the pixels */
  const Op *absorbs[4];
  /* Detection losses: scale and gradient are NULL. op, RESULT_SAMPLE, has the inputs (values, count, class,
   * box and, if `instances`, instance). Its result is a vector: the loss of this image, not yet multiplied by
   * the loss's weight or averaged over the images, then the gradients of this loss with respect to the first
   * `trained` values. */
  int trained;
  bool instances;
  const Op *inside; /* NULL, or (for rpn) an operator: in the source the loss applies to the operator's value,
                       but the loss reads the operator's inputs. In training, another node may replace the
                       operator's node; hidden->of of the new node is then the replaced node */
} Loss;
/* node->detail of all nodes of a loss: label smoothing, the loss's weight (a factor of scale), channels of
 * the output, and the kind of activation that was absorbed (SCORES_NONE: none) */
typedef struct LossDetail {
  const Training *training;
  double weight;
  int64_t classes;
  Scores scores;
  int64_t uncounted;  /* for the scale node: number of ignored rows at the start of the target (from
                         loss_from) */
  int64_t at;         /* op_object_part: the part's first index in the vector */
  const Node *made;   /* the value to which the loss applies, after its activation */
  const Graph *graph; /* the graph that contains all losses; NULL while the source is read */
} LossDetail;
/* op_object_scale: weight / images; op_object_part: a part of a loss's vector, times that scale */
extern const Op op_object_scale, op_object_part;
extern const Loss losses[]; /* ends with op NULL */
const Loss *loss_parts(const Op *);
/* The operands of a loss on a value: the inputs of the operator `inside`, or the value itself. If the loss
 * absorbs the first operand, `in` has the input of this activation instead. Returns the number of operands;
 * loss may be NULL. */
int loss_operands(const Loss *, Node *value, Node **in);
extern const Op op_sum_gradients; /* hidden, FAMILY_MAP: adds its inputs, all of the same shape */

/* ---- inputs and targets (ops/input.c) ---- */
/* The node of a part of an image's annotations, created on first use. */
Node *graph_truth(Graph *, TruthPart);

/* Hidden, FAMILY_ALIAS: T regions, each a vector of n elements, as a sequence T x n (ops/shape/reshape.c). */
extern const Op op_region_rows;

/* ---- quantization-aware training (ops/rounding) ---- */
/* Fake quantization of a value: rounds it to int8 steps if the switch (QatSettings.on) is on. */
Node *rounding_value(Graph *, Node *value, const QatRounding *);
/* Updates the range that several values share. */
void rounding_observe(Graph *, int n, Node *const *value, const QatRounding *);
/* Hidden, FAMILY_MAP: rounds each element to bf16. */
extern const Op op_round_bf16;
/* For eval: node->weight[0] with the layer's rounding. */
const double *rounding_weights(Arena *, const Node *, const double *const *weight);

/* ---- rows of images and sequences (ops/shape/row_bands.c) ----
 * These functions append their nodes to the graph. rows_cut: rows first .. first+n-1 of an image; rows_kept:
 * a copy of an image; rows_moved: a copy of the rows from `first` on, which can be made in the image's own
 * memory; rows_stacked: images with equal width and channels, stacked vertically. If a cut is the whole
 * image, or only one image is stacked, the image itself is returned. */
Node *rows_cut(Graph *, Node *picture, int64_t first, int64_t n);
Node *rows_moved(Graph *, Node *picture, int64_t first);
Node *rows_kept(Graph *, Node *picture);
/* rows_of_regions: regions as rows of a sequence; regions_of_rows: rows as regions of shape `region`. If the
 * value or `region` has no regions, the functions return their argument. */
Node *rows_of_regions(Graph *, Node *value);
Node *regions_of_rows(Graph *, Node *rows, Shape region);
Node *rows_stacked(Graph *, int n, Node *const *picture);

/* ---- training with `steps` (ops/shape/calls.c): a sample has several calls ----
 * The values of all calls are regions, one call after the other. calls_part: the value of call k, with the
 * given shape; calls_after: the values of call `first` and later; calls_joined: the value of all calls, from
 * the value of each call; calls_member: the value of call k from which calls_joined made `all`; NULL if
 * calls_joined did not make `all`. */
Node *calls_part(Graph *, Node *all, Shape, int64_t k);
Node *calls_after(Graph *, Node *all, int64_t calls, int64_t first);
Node *calls_joined(Graph *, int64_t n, Node *const *value);
Node *calls_member(const Node *all, int64_t k);
Node *calls_truncated(Graph *, Node *value); /* the same value, but without a gradient */

extern const Op *const
    op_table[]; /* the operators of the language, in the order of ops.def; ends with NULL */
extern const Op *const loss_table[]; /* the losses of the language; ends with NULL */
extern const Form *const optimizer_table[],
    *const schedule_table[], *const augment_table[], *const metric_table[], *const init_table[],
                                                                                *const quantize_table[];
int64_t node_macs(const Node *);     /* multiply-adds; 0 for operators without a cost */
const Op *op_find(const char *name); /* in op_table, or NULL */
extern const Op op_conv_transpose;

/* ---- hidden states, which no source declares (ops/shape/state.c, stream_mask.c) ---- */
Node *state_hidden(Graph *, const char *name, Shape, Elem, const Quant *, double initial);
void update_hidden(Graph *, Node *value, Node *state);
/* A hidden float state of n numbers, initially 0, which `op` computes from the state's previous value. */
Node *state_advanced(Graph *, const char *name, int n, const Op *op, const void *detail);
/* Number of earlier calls, at most `most`. */
Node *stream_counter(Graph *, int64_t most);
/* A copy of a value. In call k, the first row of the value is row k*rows + offset of the sequence. Rows with
 * negative indices get the fill. */
Node *stream_masked(Graph *, Node *value, Node *counter, int64_t rows, int64_t offset, double fill);
/* Like stream_masked, with a fill for each channel. */
Node *stream_masked_channels(Graph *, Node *value, Node *counter, int64_t rows, int64_t offset,
                             const double *fill);
Node *stream_started(Graph *, Node *first, Node *state,
                     Node *counter); /* `first` in call 0, then the state */

extern const Op op_copy;     /* hidden, FAMILY_MAP: copies a value, for example into the value of a concat */
extern const Op op_row_mean; /* hidden: the mean of each channel over each row of an image */
extern const Op op_input, op_target; /* hidden: a network input; the target of a loss */
extern const Op op_whole;            /* hidden: an output `as i32`: truncated and clamped to int32 */
#endif
