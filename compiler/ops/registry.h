/* registry.h: what ops/ has for others: the tables of the language, and the operators and functions that
 * passes use. Defined in ops/, by the name of each: the tables in op_table.c, losses in loss/elementwise.c.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_REGISTRY_H
#define CNNC_REGISTRY_H
#include "graph/op.h"

/* ---- losses ---- */
/* The parts of a loss. All see what lies before the activation that belongs to the loss (`absorbs`: softmax
 * before cross_entropy). op: SAMPLE, inputs (output, target, scale) -> this image's share of the mean; scale:
 * BATCH, inputs (target) -> vector(1), 1 / normalizer; gradient: SAMPLE, inputs (output, target, scale). */
typedef struct Loss {
  const Op *op, *scale, *gradient;
  const Op *slopes; /* NULL, or what the gradient takes instead of the scale: inputs output, target, scale ->
                       two numbers a channel, which depend on sums over all pixels */
  const Op *absorbs[4];
  /* Losses of objects: scale and gradient are NULL. op: SAMPLE, inputs (values, count, class, box and, if
   * `instances`, instance) -> vector: the share of this image, without weight and mean over the images, then
   * its gradients with respect to the first `trained` values, one behind the other. */
  int trained;
  bool instances;
  const Op *inside; /* NULL, or rpn: the loss is of a value of this operator, and works on what that reads;
                       then `of` of its node is that node */
} Loss;
typedef struct LossDetail {
  const Training *training;
  double weight;
  int64_t classes;
  Scores scores;
  int64_t at;         /* op_object_part: of the vector, from here on */
  const Node *made;   /* the value that the loss is of, as its activation gives it */
  const Graph *graph; /* of which it is, with those of the other losses; NULL while the program is read */
} LossDetail; /* node->detail of all three: label smoothing, the loss's weight (scale multiplies it), channels
                 of the output, and the kind of activation that was absorbed (SCORES_NONE: there was none) */
extern const Op op_object_scale, op_object_part; /* weight / images; a part of such a vector times that */
extern const Loss losses[];                      /* ends with op NULL */
const Loss *loss_parts(const Op *);
/* What a loss of a value works on: what lies before the activation that belongs to it, or what the operator
 * reads that it is inside of. How many nodes; loss may be NULL. */
int loss_operands(const Loss *, Node *value, Node **in);
extern const Op op_sum_gradients; /* hidden, FAMILY_MAP: adds its inputs, all of one shape */

/* ---- inputs and targets (ops/input.c) ---- */
/* The node of a part of the truth of an image, made where the graph has none yet. */
Node *graph_truth(Graph *, TruthPart);

/* Hidden, FAMILY_ALIAS: T vectors of regions as a sequence T x n (ops/shape/reshape.c). */
extern const Op op_region_rows;

/* ---- training for 8 bits (ops/rounding) ---- */
/* What stands for the value behind it: rounded to 8 bits, as soon as the switch says so. */
Node *rounding_value(Graph *, Node *value, const Rounds *);
/* Moves the range that so many values have in common. */
void rounding_observe(Graph *, int n, Node *const *value, const Rounds *);
/* For eval: node->weight[0] as the layer computes with it. */
const double *rounding_weights(Arena *, const Node *, const double *const *weight);

/* ---- rows of pictures and sequences (ops/shape/row_bands.c) ----
 * All are appended to the graph. Rows first .. first+n-1 of a picture; a copy of a picture; pictures of one
 * width and as many channels, one below the other. Of what is all of a picture, or one of them: it itself. */
Node *rows_cut(Graph *, Node *picture, int64_t first, int64_t n);
Node *rows_kept(Graph *, Node *picture);
Node *rows_stacked(Graph *, int n, Node *const *picture);

extern const Op *const
    op_table[]; /* the operators of the language, in the order of ops.def; ends with NULL */
extern const Op *const loss_table[]; /* same for losses */
extern const Form *const optimizer_table[],
    *const schedule_table[], *const augment_table[], *const metric_table[], *const init_table[],
                                                                                *const quantize_table[];
int64_t node_macs(const Node *);     /* multiply-adds; 0 where an operator has no cost */
const Op *op_find(const char *name); /* of op_table, or NULL */
extern const Op op_conv_transpose;

/* ---- states that no program names (ops/shape/state.c, stream_mask.c) ---- */
Node *state_hidden(Graph *, const char *name, Shape, Elem, const Quant *, double initial);
void update_hidden(Graph *, Node *value, Node *state);
/* Calls since the first one, at most `most`. */
Node *stream_counter(Graph *, int64_t most);
/* A value whose first row has the number k*rows + offset in call k; rows below 0 are the fill. */
Node *stream_masked(Graph *, Node *value, Node *counter, int64_t rows, int64_t offset, double fill);

extern const Op op_copy;             /* hidden, FAMILY_MAP: what lies elsewhere, as a part of a concat */
extern const Op op_row_mean;         /* hidden: the mean of each channel over each row of a picture */
extern const Op op_input, op_target; /* hidden: a network input; the target of a loss */
#endif
