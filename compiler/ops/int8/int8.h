/* int8.h: Operators of int8 and int16 models. quantize/values.c creates their nodes from those of a float net
 * and a file with scales; the arithmetic is that of base/arithmetic.h. A value has the type I8, or I16 with
 * zero point 0, and a Quant (graph.h). Further data of an operator is in node->detail. Programs cannot
 * contain these operators. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_H
#define CNNC_INT8_H
#include "ops/convolution/correlation.h"
#include "base/arithmetic.h"
#include "ops/attention/matmul.h"
#include "ops/shape/stream_mask.h"

/* conv, depthwise, dense: bias + sum of weight * (q - zero), then rounded. Weights in their usual order; for
 * conv_transpose filter by filter. */
typedef struct Int8Product {
  Rounding rounding;
  Stored stored;
  const int8_t *weight;
  int weight_most;          /* maximum absolute weight */
  const int32_t *bias;      /* by filter; NULL: wide_bias is used instead */
  const int64_t *wide_bias; /* 64-bit bias, if the input or the value is int16 */
  const Multiplier *factor; /* by filter */
  const double *real;       /* NULL, or with 64-bit sums: by filter, instead of `factor` */
  bool dense;
} Int8Product;

/* add of two or more values; subtract, multiply of two. A side of 1 is broadcast. */
typedef struct Int8Combine {
  Rounding rounding;
  Stored stored;
  bool wide; /* an operand or the result is int16 */
  bool product;
  Addition addition; /* for sums and differences */
  Multiplier factor; /* of a product */
} Int8Combine;

/* Pools. */
typedef struct Int8Pool {
  bool mean; /* otherwise the maximum */
  bool count_pad;
  bool scaled; /* a mean (sum - n*zero) * factor, rounded; all windows are inside the image */
  bool even;   /* a mean of q - zero, halves to even; otherwise of q, halves away from zero */
  Rounding rounding;
  Multiplier factor;
  Stored stored;
  bool from_first; /* streaming: rows before the first one are not counted; in[1]: number of earlier calls */
  StreamRow row;   /* the first row that it reads */
} Int8Pool;

/* Product of two values. */
typedef struct Int8Matmul {
  MatrixProduct of;
  Rounding rounding;
  Stored stored;
  Multiplier factor;
} Int8Matmul;
bool int8_matmul_words(Lower *, const Int8Matmul *); /* the whole nest; false: it has none for this target */

/* Rows of a table by index. */
typedef struct Int8Embedding {
  const int8_t *table; /* [count][channels], with the value's scale */
  int64_t count;
} Int8Embedding;

/* The same value with another scale or type, one of which is int16; clamped as with relu or relu6. For
 * leaky_relu, negative numbers have their own factor. */
typedef struct Int8Rescale {
  Rounding rounding;
  Stored stored;
  Multiplier factor, below;
  bool leaks;
} Int8Rescale;

/* Any unary int8 function. */
typedef struct Int8Table {
  const int8_t (*value)[256]; /* by channel, or one for all */
  int64_t channels;           /* 1: for all */
} Int8Table;

typedef struct Int8Softmax {
  int32_t exponential[256], part[256]; /* index: maximum - q */
} Int8Softmax;

/* int16 softmax. */
typedef struct Int8SoftmaxWide {
  Rounding rounding;
  Multiplier factor; /* distance from the maximum, as a table position */
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
extern const Op op_int8_softmax_lines; /* softmax along another axis than the channels */
extern const Op op_int8_from_float,
    op_int8_to_float; /* at inputs and outputs, and around operators without an int8 form */
extern const Op op_int8_from_bytes, op_int8_to_bytes; /* u8, which is q + 128 */
extern const Op op_int8_same;                         /* an alias: the same q with another scale */
extern const Op op_int8_class;  /* I32: the channel of the maximum, the first of equal ones */
extern const Op op_int8_argmax; /* the same as a float */
extern const Op op_int8_embedding;

bool int8_is_wide(const Node *);      /* is its value or an operand int16? */
int64_t int8_most(const Node *value); /* maximum of its numbers minus its zero point */
int64_t int8_most_read(const Node *); /* maximum over all operands */

/* A dense layer is a convolution of one pixel; for a transposed one the output is the large side. */
Correlation int8_geometry(const Node *product);
Cost int8_product_cost(const Node *);
/* Outputs of a product or a transposed one: each is the sum of filter f at a position, rounded. */
typedef int64_t Int8SumAt(const Eval *, const Correlation *, int64_t y, int64_t x, int64_t f);
void int8_product_eval(const Eval *, Int8SumAt *);

/* For a float layer: its filters, and the index of the weight of a filter's term, [channels][taps] each. */
int64_t int8_filters(const Node *);
int64_t int8_weight_index(const Node *, int64_t filter, int64_t term);

/* A multiplier in 32-bit steps for vectors; each step rounds down. ROUNDING_SINGLE: (x * 2^left * m / 2^32 +
 * half) / 2^shift. ROUNDING_DOUBLE: the same, with the product rounded to nearest, then halves away from
 * zero. */
typedef struct Steps {
  int32_t left, m, half, shift;
} Steps;
Steps int8_steps(Rounding, Multiplier);
/* For |x| up to `most`: x * 2^left fits in int32. */
bool int8_steps_fit(Rounding, Multiplier, int64_t most);

int32_t int8_halves(int32_t low, int32_t high); /* a word of two int16 numbers */
/* Words are operands of the target's dot product: four bytes q + 128 or q, or two halves q. */
int32_t words_lift(Dot);                    /* the number added to each q: 128 or 0 */
const Primitive *words_dot(Dot, int lanes); /* operands: a sum, a word, one of weights, which is not lifted */

/* ---- shared by their nests ---- */
/* The multipliers of a product's filters, as constants of the model. */
typedef struct Int8Factors {
  Buf *factor, *exponent; /* exponent: NULL if multipliers are floats */
} Int8Factors;
Int8Factors int8_factors(Lower *, int64_t filters);
Val int8_factored(Lower *, const Int8Factors *, Val sum, const Ix *f); /* the sum, rounded */
/* The same for n other sums; wide: of int64. */
Int8Factors int8_factors_of(Lower *, Rounding, bool wide, int64_t n, const Multiplier *);
Val int8_factored_of(Lower *, Rounding, const Int8Factors *, Val sum, const Ix *s);
/* Constants of the model for a product's reference nests, and their description. Weights are
 * [filters][kernel] [kernel][channels]: channels innermost, as in an image. */
typedef struct Int8Constants {
  Buf *weight, *bias;
  Int8Factors factors;
} Int8Constants;
Int8Constants int8_constants(Lower *, const Correlation *, int64_t channels);
/* The accumulator of a product's terms: 32-bit or 64-bit. */
Ref int8_sum(Lower *);
void int8_add_term(Lower *, Ref sum, Val q, Val weight); /* q: minus its zero point; both 32-bit */
/* The steps as values; left NULL: all are 0. */
Val int8_stepped(Lower *, Rounding, Val x, Val left, Val m, Val half, Val shift);
/* If images of one size are contiguous, views rows of pixels as [1][w*c]. */
Extent int8_joined(Lower *);
Val int8_load_part(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes); /* as I32 */
Val int8_stored(Lower *, Stored, Val rounded);                        /* in the type of the node's value */
Val int8_load(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c); /* as I32 */
/* int16 sigmoid or tanh: q's position between the table's points, and, inside NEST_CHOSEN of `step`, its
 * value. */
typedef struct CurvePlace {
  Val at, size, step;
} CurvePlace;
Buf *int8_curve_points(Lower *);
CurvePlace int8_curve_place(Lower *, const Curve *, Val q);
Val int8_curve_value(Lower *, const Curve *, Buf *points, const CurvePlace *, const Ix *step);
const Primitive *int8_requantizer(Rounding, bool wide); /* wide: of int64 sums */
/* name: base of the names of the factor's numbers in the kernel. */
Val int8_rounded(Lower *, Rounding, Val sum, Multiplier, const char *name);
/* The zero point of an operand, and added and clamping numbers: as numbers of the kernel. */
Val int8_zero(Lower *, int operand);
Val int8_stored_zero(Lower *, Stored), int8_lowest(Lower *, Stored), int8_highest(Lower *, Stored);
/* Does this clamp, or add, have an effect? */
bool int8_cuts_below(const Lower *, Stored), int8_cuts_above(const Lower *, Stored);
bool int8_adds_zero(const Lower *, Stored);
void int8_store(Lower *, Val rounded, Stored, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
#endif
