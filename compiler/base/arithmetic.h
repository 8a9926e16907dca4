/* arithmetic.h: Bit-exact reference arithmetic of quantized nets. An int8 or int16 value q represents
 * (q - zero) * scale. The functions compute integers as int64, like the operators' eval. Nests use the
 * primitives of nest/primitive.h instead, which share no code with this file.
 *
 * RSH(x, s) is x / 2^s, rounded down. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ARITHMETIC_H
#define CNNC_ARITHMETIC_H
#include <stdbool.h>
#include <stdint.h>

/* How the product of a number x and a Multiplier (m, e, real) is rounded: a property of the quantized net,
 * not of the target. */
typedef enum Rounding {
  ROUNDING_SINGLE, /* RSH(x*m + 2^(30-e), 31 - e): ruy, TOSA; the default of cnnc quantize */
  ROUNDING_DOUBLE, /* rounds after the product, and again after the shift: gemmlowp, TFLM, CMSIS-NN */
  ROUNDING_FLOAT,  /* (float)x * real, rounded half to even: XNNPACK, onnxruntime */
} Rounding;
enum { ROUNDINGS = 3 };
const char *rounding_name(Rounding); /* "single" */
bool rounding_find(const char *name, Rounding *);

/* A factor m * 2^(e - 31), with 2^30 <= m < 2^31 or m = 0; and the same factor as a float. */
typedef struct Multiplier {
  int32_t m, e; /* e >= -31; a factor that needs a smaller e becomes 0 */
  float real;
  bool far; /* x * 2^e may exceed int32: kernels multiply in int64, and saturate (multiplier_reaching) */
} Multiplier;
enum { MULTIPLIER_LEAST = -31, MULTIPLIER_MOST = 30 }; /* range of e in layers */
Multiplier multiplier_of(double factor);
/* The factor of int32 sums whose absolute value is at most `most`: sets `far`. As in TFLite, a factor of 2^30
 * or more becomes nearly 2^30; either factor saturates every sum except 0. */
Multiplier multiplier_reaching(Multiplier, int64_t most);
/* The multiplier `in * weight / out`. one: a dense layer with one scale for all units; for such a layer,
 * TFLite first rounds the product of scales to float. */
Multiplier multiplier_of_scales(float in, float weight, float out, bool one);
int64_t multiplier_apply(Rounding, int64_t x, Multiplier); /* x: int32 */
/* Requantizes a sum of a layer with int16 values, -2^47 < x < 2^47. As in TFLite, DOUBLE rounds only once
 * here, and multiplies by the rounded upper 15 bits of m. */
enum { WIDE_SUM_BITS = 47, WIDE_MULTIPLIER_MOST = 14 };
int64_t multiplier_apply_wide(Rounding, int64_t x, Multiplier);
int32_t multiplier_reduced(Multiplier);             /* the upper 15 bits of m, rounded */
int64_t multiply_exactly(int64_t x, double factor); /* rounds half away from zero, clamps to +-2^30 */

/* Bounds to which an integer q is clamped, after the addition of the zero point. */
typedef enum Bound { BOUND_NONE, BOUND_RELU, BOUND_RELU6 } Bound;
typedef struct Stored {
  int32_t zero, lo, hi;
  Bound bound;  /* the bound from which stored_of computed lo and hi */
  bool settled; /* the argument of stored_put already contains the zero point */
} Stored;
Stored stored_of(float scale, int32_t zero, bool wide, Bound); /* wide: 16 bits, otherwise 8 */
int32_t stored_put(Stored, int64_t rounded);

/* Whether sums up to `most` can be requantized in int32 with every Rounding by a Multiplier with exponent e:
 * most * 2^max(e, 0) + 256 must fit in int32. */
bool sum_fits(int64_t most, int32_t e);
/* For means: the maximum number of int8 or int16 numbers whose sum fits in int32. */
enum { MOST_SUMMED = INT32_MAX / 256, MOST_WIDE_SUMMED = INT32_MAX >> 16 };

/* A sum of n values; some values may be subtracted. If n > 2, the sum has ceil(log2(n)) - 1 fewer fractional
 * bits, so that it does not overflow. Exception: a sum with FLOAT and an int16 value loses no bits. */
typedef struct Addend {
  float scale;
  bool minus;
  Multiplier factor; /* SINGLE, DOUBLE: `scale` divided by twice the largest scale */
  int64_t whole;     /* FLOAT: `scale` divided by the output's scale, times 2^shift; negative: subtracted */
} Addend;
typedef struct Addition {
  const Addend *addend;
  int32_t count;
  int32_t bits; /* SINGLE, DOUBLE: (q - zero) * 2^bits is multiplied by the addend's factor and rounded; the
                   sum is multiplied by `out` and rounded */
  Multiplier out;
  int32_t shift;     /* FLOAT: the result is RSH(2^(shift-1) + (sum of all whole * (q - zero)), shift) */
  bool floats_round; /* FLOAT: each addend's scale / the sum's scale is below 2^ADDITION_FLOAT_MOST, so that
                        shift >= 1 */
} Addition;
/* Fractional bits of the sum of two values: ADDITION_BITS for int8, WIDE_ADDITION_BITS for int16. FLOAT
 * always uses ADDITION_BITS. */
enum { ADDITION_BITS = 20, WIDE_ADDITION_BITS = 15, ADDITION_FLOAT_MOST = 16 };
/* Sets the factors of addends from their members scale and minus. wide: an addend or the result is int16. */
Addition addition_of(Addend *, int32_t count, float out, bool wide);
int64_t addition_part(Rounding, const Addition *, int32_t k,
                      int64_t x); /* the term of addend k; x: its value minus the zero point */
int64_t addition_rounded(Rounding, const Addition *, int64_t parts);
/* SINGLE, DOUBLE: an upper bound of |parts|, the argument of addition_rounded, if |q - zero| <= most */
int64_t addition_most(const Addition *, int64_t most);
bool addition_fits(Rounding, const Addition *, int64_t most); /* supported, if all |q - zero| <= most */

int64_t average_of(int64_t sum, int64_t n);   /* sum / n, rounded half away from zero */
int64_t average_even(int64_t sum, int64_t n); /* sum / n, rounded half to even */

/* Lookup tables of a function: one entry per int8 value, from -128 to 127. A function with parameters per
 * channel has one table per channel; MOST_TABLES limits their number. */
enum { MOST_TABLES = 4096 };
typedef double RealFunction(const void *context, double x);
void table_of(int8_t to[256], float in_scale, int32_t in_zero, float out_scale, Stored out, RealFunction *,
              const void *context);
/* The table that requantizes to another scale. */
void table_requantize(int8_t to[256], Rounding, float in_scale, int32_t in_zero, float out_scale, Stored out);
int32_t quantize_real(double x, float scale, Stored); /* rounds half away from zero */

/* The tables of imported nets, computed like TensorFlow Lite's kernels: in gemmlowp's fixed point. The output
 * of logistic has scale 1/256 and zero point -128; tanh: 1/128 and 0. */
void table_logistic(int8_t to[256], float in_scale, int32_t in_zero);
void table_tanh(int8_t to[256], float in_scale, int32_t in_zero);
/* All variants of relu: q - zero is multiplied by `above` if it is positive, otherwise by `slope` and by
 * `below`. */
void table_pieces(int8_t to[256], Rounding, int32_t in_zero, Multiplier above, int32_t slope,
                  Multiplier below, Stored out);
/* False: TensorFlow Lite's kernel does not support the scales: the output's scale is too small, or the
 * input's scale is too large. */
bool table_hard_swish(int8_t to[256], float in_scale, int32_t in_zero, float out_scale, int32_t out_zero);

/* Softmax of gemmlowp, without floats. The output has scale 1/256 and zero point -128. */
enum { SOFTMAX_CHANNELS = 4095 };     /* the most channels: a sum of exponentials has 12 integer bits */
bool softmax_scale_fits(float scale); /* scale: of softmax's input */
void softmax_table(int32_t exponential[256],
                   float in_scale);        /* exp as Q0.31, indexed by d = (largest q) - q; 0 for large d */
int32_t softmax_part(int32_t exponential); /* the term of the sum for this exponential, as Q12.19 */
int32_t softmax_reciprocal(int32_t sum);   /* 1 / s as Q0.31; s: the sum, shifted so that 1 <= s < 2 */
int32_t softmax_value(int32_t exponential, int32_t sum, int32_t reciprocal);

/* ---- functions of int16 values, as TensorFlow Lite's reference kernels compute them ---- */
/* Whether the scale is nearly a power of two 2^e. Products with such a scale can be computed as shifts. */
bool scale_is_power(float scale, int *e);

/* Sigmoid, and tanh as 2 * sigmoid(2x) - 1; the output has scale 2^-15. The curve is the sigmoid at multiples
 * of 1/24, interpolated linearly between these points, and constant after the last point. */
enum { CURVE_STEPS = 255, CURVE_MIDDLE = 1 << 15 };
typedef struct Curve {
  int32_t factor, shift; /* the position of q on the curve is RSH(q * factor + 2^(shift-1), shift). The unit
                            of a position is the distance between two points, divided by 2^curve_bits */
  bool tanh;
} Curve;
bool curve_fits(float in_scale); /* whether q * factor fits in int32 (Curve) */
Curve curve_of(float in_scale, bool tanh);
int32_t curve_point(int32_t n);     /* approximately sigmoid(n / 24) * 2^16; n: from 0 to 255 */
int32_t curve_bits(const Curve *);  /* number of fractional bits of a position */
int32_t curve_end(const Curve *);   /* value of the constant part, in units of 2^(-16 - curve_bits) */
int32_t curve_start(const Curve *); /* value at 0, in the same units */
int32_t curve_shift(const Curve *); /* number of bits of the right shift from these units to int16 */
int64_t curve_value(const Curve *, int64_t q);

/* ---- recurrent layers: sums have the scale 2^-12, gates 2^-15 ---- */
int64_t cut_wide(int64_t);                     /* saturates to int16 */
int64_t cut_narrow(int64_t);                   /* saturates to int8 */
int64_t shift_half_up(int64_t x, int32_t s);   /* x / 2^s, rounded half up */
int64_t shift_half_away(int64_t x, int32_t s); /* x / 2^s, rounded half away from zero */
/* Sigmoid of an input with the scale 2^-12, and tanh of an input with the scale 2^-(15 - whole). Both use
 * gemmlowp's 16-bit fixed point, as in LiteRT's LSTM kernel. */
enum { FIXED_WHOLE = 3, FIXED_WHOLE_MOST = 6 };
int64_t fixed_logistic(int64_t q);
int64_t fixed_tanh(int64_t q, int32_t whole);

/* Tables for linear interpolation: LINES + 1 points of a function, at the positions -32768, -32640, ...,
 * 32768. */
enum { LINES = 512, LINES_BITS = 7 };
/* Softmax of int16 values; the output has scale 2^-15. One table has exp(x) for x from -10 to 0, the other
 * table 1 / (1 + x) for x from 0 to 1. */
enum { SOFTMAX_WIDE_CHANNELS = 65535 };
void softmax_wide_tables(int16_t exponential[LINES + 1], int16_t reciprocal[LINES + 1]);
Multiplier softmax_wide_factor(float in_scale);
bool softmax_wide_fits(float in_scale);
int32_t softmax_wide_exponential(const int16_t exponential[LINES + 1],
                                 int64_t below); /* below: q - (largest q), scaled and rounded; at most 0 */
int32_t softmax_wide_reciprocal(const int16_t reciprocal[LINES + 1], int32_t sum);
int32_t softmax_wide_value(int32_t exponential, int32_t sum, int32_t reciprocal);
#endif
