/* int8.h: Operators of int8 and int16 models. The files of quantize/ create these nodes from the nodes of a
 * float net and a file with scales; base/arithmetic.h defines the arithmetic. A quantized value has the type
 * I8, or I16 with zero point 0, and a Quant (graph.h). node->detail is the operator's struct, if it has one.
 * A source cannot contain these operators. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_H
#define CNNC_INT8_H
#include "ops/convolution/correlation.h"
#include "base/arithmetic.h"
#include "ops/attention/matmul.h"
#include "ops/shape/stream_mask.h"

/* conv, depthwise, dense, conv_transpose: (bias + sum of weight * (q - zero)) * factor, rounded. weight:
 * [filters][channels per group][kernel][kernel], also in conv_transpose. */
typedef struct Int8Product {
  Rounding rounding;
  Stored stored;
  const int8_t *weight;
  int weight_most;          /* maximum absolute weight */
  const int32_t *bias;      /* one per filter; NULL: wide_bias is used instead */
  const int64_t *wide_bias; /* like bias, 64-bit; used if the input or the value is int16 */
  const Multiplier *factor; /* one per filter */
  const double *real;       /* for 64-bit sums: exact factors, one per filter; NULL: `factor` is used */
  bool dense;
} Int8Product;

/* add of two or more values; subtract and multiply of two values. Dimensions of size 1 are broadcast. */
typedef struct Int8Combine {
  Rounding rounding;
  Stored stored;
  bool wide; /* an operand or the result is int16 */
  bool product;
  Addition addition; /* factors of sums and differences */
  Multiplier factor; /* factor of products */
} Int8Combine;

/* A sum or difference of two int8 values as one linear function: (factor[0]*a + factor[1]*b + constant) >>
 * shift, clamped to the bounds of the value. For all pairs of bytes a and b, the result is the same byte as
 * that of the definition (linear_sum.c). */
typedef struct LinearSum {
  int32_t factor[2], constant, shift;
} LinearSum;
/* Returns false if the node is not a sum or difference of two int8 values, if it has ROUNDING_FLOAT, or if
 * the search finds no such function. */
bool linear_sum(const Node *, const Int8Combine *, LinearSum *);
/* The result of the function for a and b, before it is clamped. */
Val linear_sum_value(Lower *, const LinearSum *, Val a, Val b);

/* Pools. */
typedef struct Int8Pool {
  bool mean; /* computes the mean; otherwise the maximum */
  bool count_pad;
  bool scaled; /* mean of n elements: (sum - n*zero) * factor, rounded; all windows are inside the image */
  bool even;   /* mean of q - zero, ties rounded to even; otherwise mean of q, ties rounded away from zero */
  Rounding rounding;
  Multiplier factor;
  Stored stored;
  bool from_first; /* rows before the first row of the stream do not count; in[1]: number of earlier calls */
  StreamRow row;   /* index of the first row that the pool reads */
} Int8Pool;

/* Matrix product of two values. */
typedef struct Int8Matmul {
  MatrixProduct of;
  Rounding rounding;
  Stored stored;
  Multiplier factor;
} Int8Matmul;
/* Builds the nest that multiplies packed words. Returns false, and builds nothing, if the target or the sizes
 * are not supported. */
bool int8_matmul_words(Lower *, const Int8Matmul *);

/* embedding: rows of a table, selected by index. */
typedef struct Int8Embedding {
  const int8_t *table; /* [count][channels], with the value's scale */
  int64_t count;
} Int8Embedding;

/* The same value with another scale or type (int8 or int16), and clamped if the node is a relu or relu6. A
 * leaky_relu multiplies negative numbers by another factor, `below`. */
typedef struct Int8Rescale {
  Rounding rounding;
  Stored stored;
  Multiplier factor, below;
  bool leaks;
} Int8Rescale;

/* Any unary int8 function. */
typedef struct Int8Table {
  const int8_t (*value)[256]; /* a table per channel, or one for all */
  int64_t channels;           /* 1: one table for all */
} Int8Table;

typedef struct Int8Softmax {
  int32_t exponential[256], part[256]; /* indexed by maximum - q. part: the exponential as a term of the sum
                                          (Q12.19) */
} Int8Softmax;

/* int16 softmax. */
typedef struct Int8SoftmaxWide {
  Rounding rounding;
  Multiplier factor; /* converts a distance from the maximum to a table position */
  int16_t exponential[LINES + 1], reciprocal[LINES + 1];
} Int8SoftmaxWide;

/* int16 sigmoid and tanh. */
typedef struct Int8Curve {
  Curve curve;
  Stored stored;
} Int8Curve;

/* Nearest upsampling: repeats each element. */
typedef struct Int8Repeat {
  int64_t factor[2]; /* rows, columns */
} Int8Repeat;

/* zero_pad with zeros: adds elements that represent 0. */
typedef struct Int8Border {
  int64_t before[2]; /* rows, columns */
} Int8Border;

extern const Op op_int8_border, op_int8_repeat, op_int8_rescale;
extern const Op op_int8_product, op_int8_transposed, op_int8_combine, op_int8_pool, op_int8_table,
    op_int8_softmax, op_int8_softmax_wide, op_int8_curve, op_int8_matmul;
extern const Op op_int8_softmax_lines; /* softmax along an axis other than the channels */
extern const Op op_int8_from_float,
    op_int8_to_float; /* used at inputs and outputs, and around operators without an int8 form */
extern const Op op_int8_from_bytes, op_int8_to_bytes; /* conversions from and to u8 (q + 128) */
extern const Op op_int8_same;                         /* an alias: the same q, with its own Quant */
extern const Op op_int8_class;  /* I32: index of the first channel that has the maximum */
extern const Op op_int8_argmax; /* like op_int8_class, as a float */
extern const Op op_int8_embedding;

bool int8_is_wide(const Node *);      /* whether the node's value or an operand is int16 */
int64_t int8_most(const Node *value); /* maximum of |q - zero|, with q and zero of the value's type */
int64_t int8_most_read(const Node *); /* maximum of int8_most over all operands */

/* The geometry of a product: a dense layer is a convolution of one pixel; the output of a transposed
 * convolution is the large side. */
Correlation int8_geometry(const Node *product);
Cost int8_product_cost(const Node *);
/* Evaluates a product or a transposed convolution: the output of filter f at (y, x) is the sum that Int8SumAt
 * returns, rounded. */
typedef int64_t Int8SumAt(const Eval *, const Correlation *, int64_t y, int64_t x, int64_t f);
void int8_product_eval(const Eval *, Int8SumAt *);

/* For a float layer: number of filters, and index of the weight of a filter's term. The terms of a filter are
 * numbered as [channels][taps]. */
int64_t int8_filters(const Node *);
int64_t int8_weight_index(const Node *, int64_t filter, int64_t term);

/* A multiplication by a Multiplier in 32-bit steps, for vectors. ROUNDING_SINGLE: (x * 2^left * m / 2^32 +
 * half) / 2^shift, with each step rounded down. ROUNDING_DOUBLE: the same steps, but the product is rounded
 * to nearest, and the division by 2^shift rounds to nearest, ties away from zero. */
typedef struct Steps {
  int32_t left, m, half, shift;
} Steps;
Steps int8_steps(Rounding, Multiplier);
/* Whether x * 2^left fits in int32 for all |x| up to `most`; true for ROUNDING_FLOAT, which has no steps. */
bool int8_steps_fit(Rounding, Multiplier, int64_t most);

int32_t int8_halves(int32_t low, int32_t high); /* a word of two int16 numbers */
/* A word is an operand of the target's dot product: four bytes, each q or q + 128, or two int16 numbers q. */
int32_t words_lift(Dot);                    /* the number added to each q: 128 or 0 */
const Primitive *words_dot(Dot, int lanes); /* operands: sum, word of q (plus words_lift), word of weights */

/* ---- shared by the nests of these operators ---- */
/* The multipliers of a product's filters, as constants of the model. */
typedef struct Int8Factors {
  Buf *factor, *exponent; /* exponent: NULL if the multipliers are floats */
  const Primitive *by;    /* the requantization */
} Int8Factors;
Int8Factors int8_factors(Lower *, int64_t filters);
Val int8_factored(Lower *, const Int8Factors *, Val sum, const Ix *f); /* sum * multiplier, rounded */
/* Like int8_factors, for the multipliers of n other sums; wide: the sums are int64. */
Int8Factors int8_factors_of(Lower *, Rounding, bool wide, int64_t n, const Multiplier *);
/* Constants of the model for the reference nests of a product. Weights are
 * [filters][kernel][kernel][channels], with channels innermost as in an image. */
typedef struct Int8Constants {
  Buf *weight, *bias;
  Int8Factors factors;
} Int8Constants;
Int8Constants int8_constants(Lower *, const Correlation *, int64_t channels);
/* The accumulator of a product's terms: 32-bit or 64-bit. */
Ref int8_sum(Lower *);
void int8_add_term(Lower *, Ref sum, Val q, Val weight); /* q: the zero point is already
                                                            subtracted; q and weight are I32 */
/* Multiplies x by a factor, in the steps that struct Steps describes. left, m, half and shift are values of
 * the nest. If `left` is NULL, x is not shifted to the left. */
Val int8_stepped(Lower *, Rounding, Val x, Val left, Val m, Val half, Val shift);
/* Views each row of the value and of its operands as one pixel with w*c channels. Exceptions: the reference
 * schedule, elements that are not contiguous, and fused nodes with weights. Returns the extent of this view
 * or, in these exceptions, the value's own extent. */
Extent int8_joined(Lower *);
Val int8_load_part(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes); /* as I32 */
/* Adds the zero point, clamps, and converts to the type of the node's value. */
Val int8_stored(Lower *, Stored, Val rounded);
Val int8_load(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c); /* as I32 */
/* int16 sigmoid or tanh: int8_curve_place gives the position of q between points of the table;
 * int8_curve_value interpolates there, and must be called inside NEST_CHOSEN of `step`. */
typedef struct CurvePlace {
  Val at, size, step;
} CurvePlace;
Buf *int8_curve_points(Lower *);
CurvePlace int8_curve_place(Lower *, const Curve *, Val q);
Val int8_curve_value(Lower *, const Curve *, Buf *points, const CurvePlace *, const Ix *step);
/* sum: I32 or I64. far: int32 sums may exceed int32 during the requantization. */
const Primitive *int8_requantizer(Rounding, Elem sum, bool far);
bool int8_reaches_far(Lower *, const Multiplier *, int64_t n); /* for int8_requantizer: `far` of n sums */
/* The sum times the multiplier, rounded. name: prefix of the names of the multiplier's numbers in the
 * kernel. */
Val int8_rounded(Lower *, Rounding, Val sum, Multiplier, const char *name);
/* Numbers that the kernel uses: the zero point of an operand; the zero point that is added to a result; the
 * lower and the upper limit of a result. */
Val int8_zero(Lower *, int operand);
Val int8_stored_zero(Lower *, Stored), int8_lowest(Lower *, Stored), int8_highest(Lower *, Stored);
Val int8_cut(Lower *, Stored, Val q); /* q, clamped to these limits */
/* For int8 results: whether the kernel must clamp at the lower or the upper limit, or add the zero point. */
bool int8_cuts_below(const Lower *, Stored), int8_cuts_above(const Lower *, Stored);
bool int8_adds_zero(const Lower *, Stored);
void int8_store(Lower *, Val rounded, Stored, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
#endif
