/* correlation.h: Convolutions, their transposes and the gradients of both: geometry, reference evaluation and
 * reference nests.
 *
 * A correlation relates a large side to a small side, two images or sequences. The tap (ky, kx) connects
 * pixel (y, x) of the small side to pixel (y', x') of the large side: y' = y*stride + ky*dilation - before,
 * and x' has the same formula. In w[s][l][ky][kx], s is a channel of the small side, and l is a channel of
 * the large side, counted within the group of s:
 *
 * gather   small[y][x][s] = sum over ky, kx, l of large[y'][x'][l] * w[s][l][ky][kx]:
 *           conv, and the input gradient of conv_transpose
 * spread   large[y'][x'][l] = sum over all contributions small[y][x][s] * w[s][l][ky][kx]:
 *           conv_transpose, and the input gradient of conv
 * weights  w[s][l][ky][kx] = sum over y, x of small[y][x][s] * large[y'][x'][l]:
 *           the weight gradients of conv and conv_transpose
 *
 * conv and conv_transpose have the same weight layout, as in PyTorch: s is a filter of conv, or an input
 * channel of conv_transpose. A depthwise convolution has as many groups as the large side has channels. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CORRELATION_H
#define CNNC_CORRELATION_H
#include "kernel/lower.h"

typedef struct Correlation {
  Extent large, small;
  int64_t kernel[2], stride[2], dilation[2], before[2];
  int64_t groups, l, s; /* l, s: number of channels per group on the large and on the small side */
  int rank;             /* rank of the weight: 3 on sequences, 2 with op->traits.matrix, otherwise 4 */
  bool taps;            /* the weight is [s*l][kx]: op->traits.matrix_of_taps */
} Correlation;

/* The correlation of a conv, depthwise or conv_transpose, of another operator that is computed as a
 * convolution (as in svdf), or of a hidden operator of their backward pass. */
Correlation correlation_of(const Node *);

bool correlation_pointwise(const Correlation *); /* output pixel i depends only on input pixel i */
bool correlation_spreads(const Node *); /* whether the node computes the large side from the small side */
/* The node's correlation as a gather. A spread with stride 1 equals a gather from the small side with padding
 * D*(K - 1) - P, flipped weights and exchanged channels (D: dilation, K: kernel size, P: padding of the
 * spread). */
Correlation correlation_gathering(const Node *);

/* Reference evaluation in double with simple loops. gather and spread add the bias, eval->weight[1], if it
 * exists and the node is not a gradient. */
void correlation_eval_gather(const Eval *);  /* in[0]: the large side */
void correlation_eval_spread(const Eval *);  /* in[0]: the small side */
void correlation_eval_weights(const Eval *); /* in[0]: the large side, in[1]: the small side; adds to out */

/* The reference nests of the sums gather, spread and weights. */
void correlation_lower_gather(Lower *);
void correlation_lower_spread(Lower *);
void correlation_lower_weights(Lower *);

/* Sets `at` to the index of weight element [s][l][ky][kx] in the natural layout; returns the rank. */
int correlation_weight_index(const Correlation *, Ix *at, const Ix *s, const Ix *l, const Ix *ky,
                             const Ix *kx);
/* The bias plus the constants of nodes folded into the kernel (batchnorm, normalize), then zeros up to
 * `padded` elements; NULL if there is neither a bias nor a constant. spread: the outputs are the large side's
 * channels. copies: number of copies of the bias before the zeros. */
Buf *correlation_bias(Lower *, const Correlation *, bool spread, int64_t padded);
Buf *correlation_bias_copies(Lower *, const Correlation *, bool spread, int64_t copies, int64_t padded);
int64_t correlation_macs(const Correlation *);
Cost correlation_cost(const Node *);
/* Whether the sizes are too large for schedules with tiles, packed weights or separate taps: their indices
 * might need more than 31 bits, or they might run for years. The reference nests support all sizes that the
 * operator's shape rule permits. */
bool correlation_near_limits(const Correlation *);

/* Appends the required gradients of the backward pass. input, weights: the hidden operators that compute the
 * gradients of the input and of the weights. */
void correlation_backward(Gradient *, Node *, Node *dy, const Op *input, const Op *weights);
/* Sets the shape, weight and bias of a forward node whose window is known; the shape is h x w x outputs. */
void correlation_shape(ShapeContext *, Node *, int64_t h, int64_t w, int64_t outputs);

extern const Op op_conv, op_depthwise;
/* hidden operator: the gradient of a bias, which is the sum of dy over the pixels */
extern const Op op_channel_sum;
#endif
