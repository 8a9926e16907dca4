/* attention.h: softmax(scale * Q*K^T + bias + mask) * V, head by head, without a matrix of scores in memory.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ATTENTION_H
#define CNNC_ATTENTION_H
#include "kernel/parts.h"

enum { QUERY, KEY, VALUE }; /* among the inputs of the operator */
typedef struct Attention {
  int64_t l, m;          /* queries, keys */
  int64_t heads, shared; /* shared: query heads of one head of keys */
  int64_t dk, dv;        /* channels of a head */
  int mask, bias;        /* inputs; -1: none */
  bool by_head;          /* bias is heads x L x M */
  bool causal, windowed; /* causal: j <= i; windowed: i - before <= j <= i + after */
  int64_t before, after;
  double scale;
} Attention;
Attention attention_of(const Node *); /* of the operator, or of a node of its backward pass */

/* attention_core.c */
void attention_lower(Lower *);
/* Values with their pixels as positions along the width, before nest_fn: input k is [1][positions][channels],
 * but for a bias by head. */
void attention_flatten(Lower *);
/* The score with bias, mask and -infinity where the key is not seen, from the scaled product; i, j:
 * positions, at: which inputs of the node hold mask and bias. */
Val attention_score(Lower *, const Attention *, Val product, const Ix *h, const Ix *i, const Ix *j,
                    const int at[2]);

/* attention_slopes.c */
void attention_gradient(Gradient *, Node *, Node *dy);
#endif
