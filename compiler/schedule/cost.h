/* cost.h: Predicted cycles of a kernel on one core, from the target's table, to rank schedules of the same
 * kernel and name the bottleneck. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COST_H
#define CNNC_COST_H
#include "ops/convolution/correlation.h"

typedef struct Cycles {
  double products;   /* cycles of multiply-adds */
  double transforms; /* all other cycles, for example of transforms and of partial stores */
  /* cycles to load weights (in cost_stream also values); the loads overlap with the products */
  double memory;
  double total;
  int64_t weight_bytes; /* size of the weights that are loaded */
  const char *from;     /* source of the weights: "memory" or the name of a cache; NULL: no weights */
} Cycles;

/* Sets the load time of own_bytes bytes of weights, and the total; `products` and `transforms` must be
 * set. */
Cycles cost_with_weights(Cycles, const Target *, int64_t own_bytes, int64_t weight_bytes);
/* In all functions, weight_bytes is the size of all weights of the net. It determines the cache level of a
 * layer's weights. */
Cycles cost_direct(const Target *, const Correlation *, int64_t weight_bytes);
/* The cost of a kernel with tile registers. floats: the cost of the float kernel; products: cycles of the
 * products in tile registers. */
Cycles cost_tiles(Cycles floats, const Target *, const Correlation *, double products);
/* Like cost_tiles, without the time to copy the input and to store sums. */
Cycles cost_pair_tiles(Cycles floats, const Target *, double products);
/* The cost of a kernel that multiplies words of two bf16 numbers. floats: the cost of the float kernel. */
Cycles cost_pairs(Cycles floats, const Target *);
/* A convolution after nearest upsampling by `factor`; the kernel reads the image before the upsampling. */
Cycles cost_repeated(const Target *, const Correlation *, const int64_t factor[2], int64_t weight_bytes);
Cycles cost_phases(const Target *, const Correlation *,
                   int64_t weight_bytes); /* a transposed convolution, phase by phase */
Cycles cost_joined(const Target *, const Correlation *,
                   int64_t weight_bytes); /* a transposed convolution, all phases together */
Cycles
cost_groups(const Target *, const Correlation *,
            int64_t weight_bytes); /* a convolution with groups narrower than a vector (conv_groups.c) */
/* A convolution with vectors of output columns, whose `outputs` outputs are stored one by one. */
Cycles cost_columns(const Target *, const Correlation *, int64_t outputs, int64_t weight_bytes);
Cycles
cost_winograd(const Target *, const Correlation *, int m, int64_t batch,
              int64_t weight_bytes); /* m: number of outputs of a tile along each axis on which the kernel is
                                        longer than 1; batch: number of images for which weights are packed
                                        once; 0: the weights are packed before the call */
Cycles cost_strassen(const Target *, const Correlation *, int parts, int64_t batch,
                     int64_t weight_bytes); /* batch: as in cost_winograd */
Cycles cost_groups_weights(
    const Target *,
    const Correlation *); /* a weight gradient with groups narrower than a vector (conv_groups_weights.c) */
Cycles cost_weights(const Target *, const Correlation *); /* a weight gradient, tap by tap */
Cycles cost_winograd_weights(const Target *, const Correlation *,
                             int m); /* a weight gradient, with Winograd */
/* For schedules without their own model: the cost computed from the kernel's multiply-adds, weights and
 * values. May be used as Schedule.cycles. */
Cycles cost_kernel(const Lower *, const Target *, const Choice *);
double cost_read(const Target *, int64_t bytes); /* cycles to load bytes that are read once per call */
/* Cycles per image to store and load values of `bytes` bytes for a batched kernel, which needs the values of
 * all images. `bytes` is the size for one image. Without batching, these values stay in a cache and cost
 * nothing. */
double cost_passed(const Target *, double bytes, int64_t batch);
/* Cycles per image of a batched convolution, or of its input gradient. spread: the kernel computes the input
 * side; turned: the kernel permutes the weights first. */
Cycles cost_rows(const Target *, const Correlation *, bool spread, bool turned, int64_t batch,
                 int64_t weight_bytes);
Cycles cost_rows_weights(const Target *, const Correlation *, int64_t batch,
                         int64_t weight_bytes); /* cycles per image of a batched weight gradient */
/* Cycles per image of a batched convolution, or of its input gradient, with Winograd. packs: the weights are
 * transformed for each batch. */
Cycles cost_winograd_rows(const Target *, const Correlation *, int m, bool packs, int64_t batch,
                          int64_t weight_bytes);
Cycles cost_winograd_rows_weights(const Target *, const Correlation *, int m, int64_t batch,
                                  int64_t weight_bytes);
/* Sizes of a block for a weight gradient with Winograd; at least 1. cost_winograd_lines: rows of tiles whose
 * points together fit in the second-level cache. cost_winograd_images: images whose points together fit in a
 * quarter of the last-level cache. */
int64_t cost_winograd_lines(const Target *, const Correlation *, int m);
int64_t cost_winograd_images(const Target *, const Correlation *, int m, int64_t batch);
double cost_gradient_sums(const Target *, const Correlation *,
                          int64_t weight_bytes); /* cycles to load and store weight gradients; 0 if cached */
Cycles cost_stream(const Target *, int64_t macs, int64_t value_bytes, int64_t own_bytes,
                   int64_t weight_bytes); /* any other kernel, which loads own_bytes bytes of weights and
                                             value_bytes bytes of values */
Cycles cost_together(const Target *, int64_t macs, int64_t own_bytes, int64_t batch,
                     int64_t weight_bytes); /* cycles per image of a batched dense layer */
/* Cycles per image of a batched dense layer in training, with Strassen. */
Cycles cost_dense_strassen(const Target *, const Node *, int64_t batch, int64_t weight_bytes);
/* If taps in the padding are skipped, adds their fraction to --emit=schedule. */
void cost_padding_detail(Lower *, const Correlation *);

#endif
