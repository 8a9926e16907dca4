/* attention.h: Attention: softmax(scale * Q*K^T + bias + mask) * V for each head, without a matrix of scores
 * in memory. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ATTENTION_H
#define CNNC_ATTENTION_H
#include "kernel/parts.h"

enum { QUERY, KEY, VALUE }; /* inputs of the operator */
typedef struct Attention {
  int64_t l, m;          /* number of queries (L), of keys (M) */
  int64_t heads, shared; /* shared: number of query heads per key head */
  int64_t dk, dv;        /* channels of a head: dk in queries and keys, dv in values */
  int mask, bias;        /* indices of the inputs mask and bias; -1: none */
  bool by_head;          /* the bias is heads x L x M, one matrix per head */
  bool causal, windowed; /* causal: j <= i; windowed: i - before <= j <= i + after */
  int64_t before, after;
  double scale;
} Attention;
extern const Op op_attention, op_matmul, op_multihead_attention, op_slice;
/* the node is attention, or a node of its backward pass */
Attention attention_of(const Node *);
void attention_arguments(const Node *, Attention *); /* reads mask=causal and window= */
/* Checks that report errors. key and value are indices of inputs. attention_rows checks sizes, mask, bias and
 * the numbers of rows of the leading axis. It returns the input with the most rows, or NULL after an error;
 * the node's value has the same number of rows as that input. */
bool attention_lengths_fit(ShapeContext *, const Node *, int key, int value);
const Node *attention_rows(ShapeContext *, const Node *, const Attention *);
void attention_run(const Eval *, const Attention *);
/* Sets p[j] = exp(score of key j - largest score) for head h and query i; returns the sum of all p[j], which
 * is 0 if no key is visible. in: indices of the inputs mask and bias. */
double attention_exponentials(const Eval *, const Attention *, const int in[2], int64_t h, int64_t i,
                              double *p);

/* attention_core.c */
void attention_lower(Lower *);
/* Changes the dimensions of all buffers from images to sequences of positions; a bias with one matrix per
 * head becomes [1][heads*L][M]. Must be called before nest_fn. */
void attention_flatten(Lower *);
Ix attention_bias_row(const Attention *, const Ix *h, const Ix *i); /* row of query i in a flattened bias */
/* The score of query i and key j: `product` + mask + bias, or -infinity if the query does not see the key.
 * product: scale * Q*K^T. in: indices of the inputs mask and bias. */
Val attention_score(Lower *, const Attention *, Val product, const Ix *h, const Ix *i, const Ix *j,
                    const int in[2]);
/* `largest`, or 0 if it is -infinity because all keys are hidden: then exp(score - 0) is 0, not NaN */
Val attention_finite(Nest *, Val largest);
Val attention_inverse(Nest *, Val sum); /* 1/sum, or 0 if the sum is 0 */

Val attention_position(Nest *, const Ix *i); /* position i as a float */
/* `score`, or -infinity if query i does not see key j. i, j: positions as floats. */
Val attention_unless_seen(Nest *, const Attention *, Val i, Val j, Val score);
Val attention_added(Lower *, const Attention *, const Ix *h, const Ix *i, const Ix *j, int part, int lanes,
                    const int in[2]);

/* attention_tiles.c: the vectorized nest */
void attention_tiles(Lower *, const Attention *);
/* The vectorized nest of the gradient with respect to input `wrt`; bias: whether this input is the bias. */
void attention_slopes_tiles(Lower *, const Attention *, int wrt, bool bias);

/* relative_bias.c. bias_window: height and width of the operator's window. bias_row: the row of the weight
 * table for query pixel i and key pixel j of the window. */
void bias_window(const Node *, int64_t size[2]);
int64_t bias_row(const int64_t size[2], int64_t i, int64_t j);

/* multihead_attention.c: indices of the layer's parameters, which have the same order in weight files. If
 * query, key and value have the same number of channels, IN_WEIGHT has the rows of all three projections,
 * otherwise only the rows of the query's projection. */
enum { IN_WEIGHT, KEY_WEIGHT, VALUE_WEIGHT, IN_BIAS, OUT_WEIGHT, OUT_BIAS, LAYER_WEIGHTS };
enum { SOURCES = VALUE + 1 }; /* number of sources: QUERY, KEY and VALUE */
typedef struct MultiheadLayer {
  Attention core;
  int from[SOURCES];         /* index of the node's input for each source; sources may share an input */
  int64_t channels[SOURCES]; /* channels of each source */
  bool joined;               /* all sources have the same number of channels and share one weight */
} MultiheadLayer;
MultiheadLayer multihead_layer(const Node *);

/* attention_slopes.c */
void attention_gradient(Gradient *, Node *, Node *dy);
#endif
