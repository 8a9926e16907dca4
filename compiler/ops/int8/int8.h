/* int8.h: the operators of nets of 8 and 16 bits. quantize/values.c makes their nodes from those of a net of
 * floats and a file that has scales; the arithmetic is that of base/arithmetic.h. A value has the type
 * I8, or I16 with the zero 0, and a Quant (graph.h). What an operator has to know besides stands in
 * node->detail. No program can write them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_H
#define CNNC_INT8_H
#include "ops/convolution/correlation.h"
#include "base/arithmetic.h"
#include "ops/shape/stream_mask.h"

/* conv, depthwise, dense: bias + sum of weight * (q - zero), then rounded. Weights in their usual order; of
 * conv_transpose filter by filter. */
typedef struct Int8Product {
  Rounding rounding;
  Stored stored;
  const int8_t *weight;
  int weight_most;          /* no weight is larger in size */
  const int32_t *bias;      /* by filter; NULL: there is wide_bias */
  const int64_t *wide_bias; /* where its input or its value has 16 bits: its sums have 64 */
  const Multiplier *factor; /* by filter */
  const double *real;       /* NULL, or where sums have 64 bits: by filter, instead of `factor` */
  bool dense;
} Int8Product;

/* add of two values or more; subtract, multiply of two. A side of 1 is repeated. */
typedef struct Int8Combine {
  Rounding rounding;
  Stored stored;
  bool wide; /* an operand or the result has 16 bits */
  bool product;
  Addition addition; /* else */
  Multiplier factor; /* of a product */
} Int8Combine;

/* Pools. */
typedef struct Int8Pool {
  bool mean; /* else the largest */
  bool count_pad;
  bool scaled; /* a mean that is (sum - n*zero) * factor, rounded; no window reaches over the edge */
  bool even;   /* a mean of q - zero, halves to even; else of q, halves away from zero */
  Rounding rounding;
  Multiplier factor;
  Stored stored;
  bool from_first; /* of an endless sequence: rows before the first one do not count; in[1]: calls so far */
  StreamRow row;   /* the first one that it reads */
} Int8Pool;

/* The same value in another scale or type, where one of them has 16 bits; cut as by relu or relu6. Of
 * leaky_relu numbers below 0 have a factor of their own. */
typedef struct Int8Rescale {
  Rounding rounding;
  Stored stored;
  Multiplier factor, below;
  bool leaks;
} Int8Rescale;

/* Any function of one number of 8 bits. */
typedef struct Int8Table {
  const int8_t (*value)[256]; /* by channel, or one for all */
  int64_t channels;           /* 1: for all */
} Int8Table;

typedef struct Int8Softmax {
  int32_t exponential[256], part[256]; /* by largest - q */
} Int8Softmax;

/* Of values of 16 bits. */
typedef struct Int8SoftmaxWide {
  Rounding rounding;
  Multiplier factor; /* what is below the largest, as a place in a table */
  int16_t exponential[LINES + 1], reciprocal[LINES + 1];
} Int8SoftmaxWide;

/* sigmoid and tanh of 16 bits. */
typedef struct Int8Curve {
  Curve curve;
  Stored stored;
} Int8Curve;

/* Nearest upsampling: each element so many times. */
typedef struct Int8Repeat {
  int64_t factor[2]; /* rows, columns */
} Int8Repeat;

/* zero_pad by zeros: elements that stand for 0 around. */
typedef struct Int8Border {
  int64_t before[2]; /* rows, columns */
} Int8Border;

extern const Op op_int8_border, op_int8_repeat, op_int8_rescale;
extern const Op op_int8_product, op_int8_transposed, op_int8_combine, op_int8_pool, op_int8_table,
    op_int8_softmax, op_int8_softmax_wide, op_int8_curve;
extern const Op op_int8_from_float, op_int8_to_float; /* at the edges, and around what has no int8 form */
extern const Op op_int8_from_bytes, op_int8_to_bytes; /* u8, which is q + 128 */
extern const Op op_int8_same;                         /* the same q in another scale: where its input lies */
extern const Op op_int8_class; /* I32: the channel of the largest, of several the first */

bool int8_is_wide(const Node *);      /* has a value or an operand of 16 bits */
int64_t int8_most(const Node *value); /* its numbers less its zero, at most */
int64_t int8_most_read(const Node *); /* of all of its operands */

int64_t int8_product_rounded(const Int8Product *, int64_t sum, int64_t filter);
/* A dense layer is a convolution of one pixel; the output of a transposed one is the large side. */
Correlation int8_geometry(const Node *product);
Cost int8_product_cost(const Node *);
/* The outputs of a product or a transposed one: each is the sum of filter f at a place, rounded. */
typedef int64_t Int8SumAt(const Eval *, const Correlation *, int64_t y, int64_t x, int64_t f);
void int8_product_eval(const Eval *, Int8SumAt *);

/* Of a layer of floats: its filters, and where the weight of a filter's term lies, [channels][taps] each. */
int64_t int8_filters(const Node *);
int64_t int8_weight_index(const Node *, int64_t filter, int64_t term);

/* A multiplier in 32 bits, as vectors take it; each step rounds down.
 *   ROUNDING_SINGLE: (x * 2^left * m / 2^32 + half) / 2^shift
 *   ROUNDING_DOUBLE: the same, where the product is rounded to the nearest, then halves away from zero */
typedef struct Steps {
  int32_t left, m, half, shift;
} Steps;
Steps int8_steps(Rounding, Multiplier);
bool int8_steps_fit(Rounding, Multiplier, int64_t most); /* of an |x| of so much: x * 2^left is in 32 bits */

int32_t int8_halves(int32_t low, int32_t high); /* a word of two numbers of 16 bits */

/* ---- shared by their nests ---- */
/* The factors of a product's filters, as constants of the model. */
typedef struct Int8Factors {
  Buf *factor, *exponent; /* exponent: NULL where floats round */
} Int8Factors;
Int8Factors int8_factors(Lower *, int64_t filters);
Val int8_factored(Lower *, const Int8Factors *, Val sum, const Ix *f); /* the sum, rounded */
/* The same for other int32 sums, n of them. */
Int8Factors int8_factors_of(Lower *, Rounding, int64_t n, const Multiplier *);
Val int8_factored_of(Lower *, Rounding, const Int8Factors *, Val sum, const Ix *s);
/* What the plain nests of a product read of the model, and their description. The weights are
 * [filters][kernel] [kernel][channels]: channels innermost, as they lie in a picture. */
typedef struct Int8Constants {
  Buf *weight, *bias;
  Int8Factors factors;
} Int8Constants;
Int8Constants int8_constants(Lower *, const Correlation *, int64_t channels);
/* What the terms of a product are added to: of 32 bits, or of 64. */
Ref int8_sum(Lower *);
void int8_add_term(Lower *, Ref sum, Val q, Val weight); /* q: less its zero; both of 32 bits */
/* The steps as values; left NULL: all are 0. */
Val int8_stepped(Lower *, Rounding, Val x, Val left, Val m, Val half, Val shift);
/* Where pictures of one size have no gaps, rows of pixels are seen as [1][w*c]. */
Extent int8_joined(Lower *);
Val int8_load_part(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes); /* as I32 */
Val int8_stored(Lower *, Stored, Val rounded);                        /* of the type of the node's value */
Val int8_load(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c); /* as I32 */
/* Sigmoid or tanh of 16 bits: where q lies among the points, and within NEST_CHOSEN of `step` its value. */
typedef struct CurvePlace {
  Val at, size, step;
} CurvePlace;
Buf *int8_curve_points(Lower *);
CurvePlace int8_curve_place(Lower *, const Curve *, Val q);
Val int8_curve_value(Lower *, const Curve *, Buf *points, const CurvePlace *, const Ix *step);
/* name: of the factor's numbers in the kernel. */
Val int8_rounded(Lower *, Rounding, Val sum, Multiplier, const char *name);
/* The zero of an operand, and what is added and cut: as numbers of the kernel. */
Val int8_zero(Lower *, int operand);
Val int8_stored_zero(Lower *, Stored), int8_lowest(Lower *, Stored), int8_highest(Lower *, Stored);
/* Is anything cut, or added, by such a number? */
bool int8_cuts_below(const Lower *, Stored), int8_cuts_above(const Lower *, Stored);
bool int8_adds_zero(const Lower *, Stored);
void int8_store(Lower *, Val rounded, Stored, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
#endif
