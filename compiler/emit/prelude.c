/* prelude.c: Text of macros, vector types and inline functions at the top of a generated file. Most functions
 * have one text for scalars and vectors of every width. Placeholders in the text are: @F the type of floats,
 * @I of integers and masks, @U of unsigned integers; @(c) a float constant, @[c] an unsigned constant; @n the
 * suffix for width and target ("_x16_v4"); @a the attribute; @S the attribute for the size of a vector.
 * Functions of several element types use @T for the vector type, @E for the element type, and @l, which is @n
 * with the letter of the element type. A word before @n or @l is a function's name and gets the net's prefix.
 * Macros have no prefix; emit_prelude_end undefines them.
 *
 * The functions use no library and, except for Helium, no intrinsics. Error bounds were measured over all
 * floats with tests/unit/prelude.c (PRELUDE_STEP=1). The polynomials were fitted for cnnc (minimax on the
 * given interval, coefficients rounded one by one). The text may be copied with generated code under
 * MIT-0. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/prelude.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Function {
  const char *name, *text, *vector, *scalar;
  PreludeFn uses[6];
  int nuses;
} Function; /* text: for scalars and vectors; scalar, vector: separate texts; NULL: there is no such text */

static const char letters[] = "abcdefghijklmnopqrstuvwxyz_"; /* characters of names */

/* exp of this number is the smallest normal float; exp of the next smaller float is subnormal. */
#define LEAST "@(-87.33654f)"

/* exp(r) = 1 + r + r*r*p for |r| <= log(2)/2, within 4e-9 */
#define EXP_POLYNOMIAL                                                                                       \
  "  @F p = r * 1.38438714e-3f + 8.36954918e-3f;\n"                                                          \
  "  p = p * r + 4.16680612e-2f;\n"                                                                          \
  "  p = p * r + 1.66665137e-1f;\n"                                                                          \
  "  p = p * r + 4.99999940e-1f;\n"

/* Word i of the result is computed from x[w] and y[w], where w = i / 4 * 4 + first + i % 4 / 2. If i is even,
 * the word consists of the lower halves of x[w] and y[w], otherwise of their upper halves. */
#define INTERLEAVE(name, first)                                                                              \
  "// Each word of the result: 16 bits of x, then 16 bits of y. Reads two of each four words of x and y.\n"  \
  "INLINE @a@I interleave_" name "@l(@I x, @I y) {\n"                                                        \
  "  @I r = {0};\n"                                                                                          \
  "  for (int i = 0; i < (int)(sizeof r / sizeof r[0]); i++) {\n"                                            \
  "    const int word = i / 4 * 4 + " first " + i % 4 / 2, shift = i % 2 * 16;\n"                            \
  "    r[i] = (int32_t)(((uint32_t)x[word] >> shift & 0xffff) | (uint32_t)y[word] >> shift << 16);\n"        \
  "  }\n"                                                                                                    \
  "  return r;\n"                                                                                            \
  "}\n"

static const Function function[FN_COUNT] = {
    [FN_BITS] = {"bits",
                 .scalar = "INLINE @a@U bits@n(@F x) { union { @F f; @U u; } v = {x}; return v.u; }\n",
                 .vector = "INLINE @a@U bits@n(@F x) { return (@U)x; }\n"},
    [FN_FLOAT_OF] = {"float_of",
                     .scalar =
                         "INLINE @a@F float_of@n(@U u) { union { @U u; @F f; } v = {u}; return v.f; }\n",
                     .vector = "INLINE @a@F float_of@n(@U u) { return (@F)u; }\n"},
#ifndef __wasi__
    [FN_FROM_BF16] =
        {"float_of_upper",
         .scalar = "INLINE @afloat float_of_upper@l(@T x) {\n"
                   "  union { uint32_t u; float f; } v = {(uint32_t)x << 16};\n"
                   "  return v.f;\n"
                   "}\n",
         .vector =
             "INLINE @a@F float_of_upper@l(@T x) { return (@F)(__builtin_convertvector(x, @U) << 16); }\n",
         .uses = {FN_FLOAT_OF}, .nuses = 1},
    [FN_TO_BF16] =
        {"upper_of",
         .scalar = "// The upper half of a float, rounded to nearest, ties to even; NaN stays NaN.\n"
                   "INLINE @a@T upper_of@l(float x) {\n"
                   "  union { float f; uint32_t u; } v = {x};\n"
                   "  return (@T)((x == x ? v.u + 0x7fffu + (v.u >> 16 & 1) : v.u | 0x400000u) >> 16);\n"
                   "}\n",
         .vector = "// The upper halves of floats, rounded to nearest, ties to even; NaN stays NaN.\n"
                   "INLINE @a@T upper_of@l(@F x) {\n"
                   "  const @U u = (@U)x, number = (@U)(x == x);\n"
                   "  const @U r = ((u + 0x7fffu + (u >> 16 & 1)) & number) | ((u | 0x400000u) & ~number);\n"
                   "  return __builtin_convertvector(r >> 16, @T);\n"
                   "}\n",
         .uses = {FN_BITS}, .nuses = 1},
    [FN_FROM_F16] =
        {"float_of_half",
         .scalar = "INLINE @afloat float_of_half@l(@T x) {\n"
                   "#if defined(__arm__) && defined(__ARM_FP) && __ARM_FP & 2\n"
                   "  union { uint32_t u; float f; } v = {x};\n"
                   "  __asm__(\"vcvtb.f32.f16 %0, %0\" : \"+t\"(v.f));\n"
                   "#else\n"
                   "  union { uint32_t u; float f; } v = {((x & 0x7fffu) << 13) + 0x38000000u};\n"
                   "  if (!(x & 0x7c00)) v.f = v.f * 2.f - 0x1p-14f; // the f16 number is subnormal\n"
                   "  v.u |= (x & 0x7c00u) == 0x7c00 ? 0x7f800000 : 0;\n"
                   "  v.u |= (x & 0x8000u) << 16;\n"
                   "#endif\n"
                   "  return v.f;\n"
                   "}\n",
         .vector =
             "INLINE @a@F float_of_half@l(@T x) {\n"
             "  const @U half = __builtin_convertvector(x, @U), size = (half & 0x7fff) << 13;\n"
             "  const @F normal = (@F)(size + 0x38000000u), tiny = normal * 2.f - 0x1p-14f;\n"
             "  const @U subnormal = (@U)(size < 0x800000);\n"
             "  const @F number = (@F)(((@U)tiny & subnormal) | ((@U)normal & ~subnormal));\n"
             "  return (@F)((@U)number | ((@U)(size >= 0x0f800000) & 0x7f800000) | (half & 0x8000) << 16);\n"
             "}\n",
         .uses = {FN_FLOAT_OF}, .nuses = 1},
    [FN_TO_F16] =
        {"half_of",
         .scalar =
             "// A float as half precision, rounded to nearest, ties to even; NaN stays NaN.\n"
             "INLINE @a@T half_of@l(float x) {\n"
             "  union { float f; uint32_t u; } v = {x};\n"
             "  const uint32_t sign = v.u >> 16 & 0x8000, size = v.u & 0x7fffffff;\n"
             "  if (size > 0x7f800000) return (@T)(sign | 0x7e00);\n"
             "  if (size >= 0x477ff000) return (@T)(sign | 0x7c00);\n"
             "  if (size >= 0x38800000) return (@T)(sign | (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> "
             "13);\n"
             "  v.u = size;\n"
             "  v.f += 0.5f; // floats from 0.5 on have the spacing of the smallest half-precision numbers\n"
             "  return (@T)(sign | (v.u - 0x3f000000));\n"
             "}\n"},
    [FN_PAIRS] =
        {"pairs",
         .scalar = "INLINE @aint32_t pairs@l(const uint16_t *p) { return (int32_t)(p[0] | (uint32_t)p[1] << "
                   "16); }\n",
         .vector = "// Two bf16 numbers per lane.\nINLINE @a@T pairs@l(const uint16_t *p) {\n"
                   "  typedef int32_t words __attribute__((@S, aligned(2), may_alias));\n"
                   "  return (@T)*(const words *)p;\n}\n"},
    [FN_TILE_SHAPE] = {"tile_shape", .text = prelude_tile_shape},
    [FN_TILE_CLEAR] = {"tile_clear", .text = prelude_tile_clear},
    [FN_TILE_ADD] = {"tile_add", .text = prelude_tile_add},
    [FN_TILE_ADD_BYTES] = {"tile_add_bytes", .text = prelude_tile_add_bytes},
    [FN_TILE_AWAKE] = {"tile_awake", .text = prelude_tile_awake},
    [FN_TILE_STORE] = {"tile_store", .text = prelude_tile_store},
    [FN_DOT] = {"dot",
                .text = "// Adds the products of the two bf16 numbers in x and w to the sum.\n"
                        "INLINE @a@F dot@n(@I x, @I w, @F sum) {\n"
                        "  const @F low = float_of@n((@U)x << 16) * float_of@n((@U)w << 16) + sum;\n"
                        "  return float_of@n((@U)x & 0xffff0000u) * float_of@n((@U)w & 0xffff0000u) + low;\n"
                        "}\n",
                .uses = {FN_FLOAT_OF}, .nuses = 1},
    [FN_INTERLEAVE_LOW] = {"interleave_low", .vector = INTERLEAVE("low", "0")},
    [FN_INTERLEAVE_HIGH] = {"interleave_high", .vector = INTERLEAVE("high", "2")},
#endif
    [FN_SPLAT] = {"splat", .vector = "INLINE @a@T splat@l(@E x) { return x - (@T){0}; }\n"},
    [FN_SELECT] = {"select", .scalar = "INLINE @a@T select@l(@I mask, @T a, @T b) { return mask ? a : b; }\n",
                   .vector = "INLINE @a@T select@l(@I mask, @T a, @T b) { return (@T)((mask & (@I)a) | "
                             "(~mask & (@I)b)); }\n"},
    [FN_MAX] = {"max", .scalar = "INLINE @a@T max@l(@T a, @T b) { return a > b ? a : b; }\n",
                .vector = "INLINE @a@T max@l(@T a, @T b) { return select@l(a > b, a, b); }\n",
                .uses = {FN_SELECT}, .nuses = 1},
    [FN_MIN] = {"min", .scalar = "INLINE @a@T min@l(@T a, @T b) { return a < b ? a : b; }\n",
                .vector = "INLINE @a@T min@l(@T a, @T b) { return select@l(a < b, a, b); }\n",
                .uses = {FN_SELECT}, .nuses = 1},
    [FN_MAX_NAN] = {"max_nan",
                    .scalar = "INLINE @a@T max_nan@l(@T a, @T b) { return a > b || a != a ? a : b; }\n",
                    .vector = "INLINE @a@T max_nan@l(@T a, @T b) { return (@T)((@I)max@l(a, b) | (a != a)); "
                              "} // all bits set: NaN\n",
                    .uses = {FN_SELECT, FN_MAX}, .nuses = 2},
    [FN_ABS] = {"abs", .text = "INLINE @a@F abs@n(@F x) { return float_of@n(bits@n(x) & 0x7fffffffu); }\n",
                .uses = {FN_BITS, FN_FLOAT_OF}, .nuses = 2},
    [FN_EXP] = {"exp",
                .text = "// e to the power x, within 1.1 ulp, but at least the smallest normal number: 2^n "
                        "times a polynomial in r, with x = n*log(2) + r. 2^n is multiplied in two steps, "
                        "because 2^128 is not a float.\n"
                        "INLINE @a@F exp@n(@F x) {\n"
                        "  const @F top = select@n(x > @(89.f), @(89.f), x), c = select@n(top < " LEAST
                        ", " LEAST ", top);\n"
                        "  const @F shifted = c * 1.44269504f + 12583166.f, n = shifted - 12583166.f; // 1.5 "
                        "* 2^23 + 254: the sum's last bits are n + 254\n"
                        "  const @F r = (c - n * 0.693359375f) + n * 2.12194440e-4f;\n" EXP_POLYNOMIAL
                        "  p = p * (r * r) + r + 1.f;\n"
                        "  const @U e = bits@n(shifted), half = e >> 1;\n"
                        "  return p * float_of@n(half << 23) * float_of@n((e - half) << 23);\n"
                        "}\n",
                .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT}, .nuses = 3},
#ifndef __wasi__
    [FN_DECAY] = {"decay",
                  .text = "// e to the power x <= 0, within 1.1 ulp, but 0 for x < -64.\n"
                          "INLINE @a@F decay@n(@F x) {\n"
                          "  const @F shifted = x * 1.44269504f + 12583039.f, n = shifted - 12583039.f;\n"
                          "  const @F r = (x - n * 0.693359375f) + n * 2.12194440e-4f;\n" EXP_POLYNOMIAL
                          "  p = p * (r * r) + r + 1.f;\n"
                          "  return select@n(x < @(-64.f), @(0.f), p * float_of@n(bits@n(shifted) << 23));\n"
                          "}\n",
                  .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT}, .nuses = 3},
#endif
    [FN_LOG] = {"log",
                .text =
                    "// Natural logarithm, within 1.2 ulp: x = 2^k * m, sqrt(1/2) <= m < sqrt(2), a "
                    "polynomial in m - 1.\n"
                    "INLINE @a@F log@n(@F x) {\n"
                    "  const @I tiny = x < @(0.f) + 1.17549435e-38f;\n"
                    "  const @U u = bits@n(select@n(tiny, x * 8388608.f, x)) + (0x3f800000u - 0x3f3504f3u);\n"
                    "  const @F k = float_of@n((u >> 23) | 0x4b000000u) - select@n(tiny, @(8388758.f), "
                    "@(8388735.f));\n"
                    "  const @F f = float_of@n((u & 0x007fffffu) + 0x3f3504f3u) - 1.f, z = f * f;\n"
                    "  @F p = f * 4.96306717e-2f - 1.07510939e-1f;\n"
                    "  p = p * f + 1.21050552e-1f;\n"
                    "  p = p * f - 1.25501320e-1f;\n"
                    "  p = p * f + 1.42097622e-1f;\n"
                    "  p = p * f - 1.66593671e-1f;\n"
                    "  p = p * f + 2.00022236e-1f;\n"
                    "  p = p * f - 2.50001669e-1f;\n"
                    "  p = p * f + 3.33333135e-1f;\n"
                    "  @F r = f * z * p - k * 2.12194440e-4f;\n"
                    "  r = f + (r - 0.5f * z) + k * 0.693359375f;\n"
                    "  r = select@n(x > @(3.40282347e38f), x, r);\n"
                    "  r = select@n(x < @(0.f), float_of@n(@[0x7fc00000u]), r);\n"
                    "  r = select@n(x == @(0.f), float_of@n(@[0xff800000u]), r);\n"
                    "  return select@n(x == x, r, x);\n"
                    "}\n",
                .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT}, .nuses = 3},
    [FN_SQRT] =
        {"sqrt",
         .text =
             "// Square root, within 0.8 ulp: Newton's iteration for 1/sqrt(x), then one step for sqrt(x).\n"
             "INLINE @a@F sqrt@n(@F x) {\n"
             "  const @I tiny = x < @(0.f) + 1e-30f;\n"
             "  const @F s = select@n(tiny, x * 0x1p48f, x);\n"
             "  @F y = float_of@n(0x5f375a86u - (bits@n(s) >> 1));\n"
             "  y = y * (1.5f - 0.5f * s * y * y);\n"
             "  y = y * (1.5f - 0.5f * s * y * y);\n"
             "  y = y * (1.5f - 0.5f * s * y * y);\n"
             "  @F r = s * y;\n"
             "  r = r + 0.5f * y * (s - r * r);\n"
             "  r = select@n(tiny, r * 0x1p-24f, r);\n"
             "  r = select@n(x < @(0.f), float_of@n(@[0x7fc00000u]), r);\n"
             "  r = select@n(x > @(3.40282347e38f), x, r);\n"
             "  r = select@n(x == @(0.f), x, r);\n"
             "  return select@n(x == x, r, x);\n"
             "}\n",
         .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT}, .nuses = 3},
    [FN_TANH] = {"tanh",
                 .text = "// Hyperbolic tangent, within 2.7 ulp: H / (H + 1) with H = (exp(2|x|) - 1) / 2 = "
                         "2^n * (exp(2v) - 1) / 2 + (2^n - 1) / 2, which is accurate near zero.\n"
                         "INLINE @a@F tanh@n(@F x) {\n"
                         "  const @F a = abs@n(x), c = select@n(a > @(10.f), @(10.f), a);\n"
                         "  const @F shifted = c * 2.88539008f + 12583039.f, n = shifted - 12583039.f; // "
                         "1.5 * 2^23 + 127: the sum's last bits are the exponent of 2^n\n"
                         "  const @F v = c - n * 0.346573591f, two_n = float_of@n(bits@n(shifted) << 23);\n"
                         "  @F p = v * 4.44239937e-2f + 1.33866355e-1f;\n"
                         "  p = p * v + 3.33337635e-1f;\n"
                         "  p = p * v + 6.66661680e-1f;\n"
                         "  p = p * v + 9.99999940e-1f;\n"
                         "  p = p * (v * v) + v;\n"
                         "  const @F h = p * two_n + (two_n * 0.5f - 0.5f), y = h / (h + 1.f);\n"
                         "  return float_of@n(bits@n(y) | (bits@n(x) & 0x80000000u));\n"
                         "}\n",
                 .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT, FN_ABS}, .nuses = 4},
    [FN_SIGMOID] =
        {"sigmoid",
         .text = "// 1 / (1 + exp(-x)), within 2.5 ulp, but 0 where it is subnormal: exp(-x) is computed as "
                 "in exp, but with r for -r, and p = 2 * exp(-r). All terms are multiplied by 4, so that the "
                 "sum is infinite where the result is subnormal.\n"
                 "INLINE @a@F sigmoid@n(@F x) {\n"
                 "  const @F top = select@n(x > @(60.f), @(60.f), x), c = select@n(top < @(-88.f), "
                 "@(-88.f), top);\n"
                 "  const @F shifted = c * -1.44269504f + 12583040.f, n = shifted - 12583040.f; // 1.5 * "
                 "2^23 + 127 + 1: the sum's last bits are the exponent of 2^(n + 1)\n"
                 "  const @F r = (c + n * 0.693359375f) - n * 2.12194440e-4f;\n"
                 "  @F p = r * 2.76877428e-3f - 1.673909836e-2f;\n"
                 "  p = p * r + 8.33361224e-2f;\n"
                 "  p = p * r - 3.333302874e-1f;\n"
                 "  p = p * r + 9.99999880e-1f;\n"
                 "  p = p * r - 2.f;\n"
                 "  p = p * r + 2.f;\n"
                 "  return 4.f / (p * float_of@n(bits@n(shifted) << 23) + 4.f);\n"
                 "}\n",
         .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT}, .nuses = 3},
    [FN_CDF] =
        {"normal_cdf",
         .text = "// P(X <= x) for a standard normal X, within 1.9 * 2^-24; P(X <= -|x|) = 2^m / 2, where m "
                 "is a polynomial in |x|.\n"
                 "INLINE @a@F normal_cdf@n(@F x) {\n"
                 "  const @F a = abs@n(x);\n"
                 "  @F m = a * -1.59470358e-6f + 2.56106414e-5f;\n"
                 "  m = m * a - 1.26852261e-4f;\n"
                 "  m = m * a - 2.63807218e-4f;\n"
                 "  m = m * a + 7.20594963e-3f;\n"
                 "  m = m * a - 5.25778569e-2f;\n"
                 "  m = m * a - 4.59187090e-1f;\n"
                 "  m = m * a - 1.15110695f;\n"
                 "  m = m * a;\n"
                 "  m = select@n(m < @(-126.f), @(-126.f), m);\n"
                 "  const @F shifted = m + 12583038.f, r = m - (shifted - 12583038.f); // 1.5 * 2^23 + 126: "
                 "the sum's "
                 "last bits are the exponent of 2^n / 2\n"
                 "  @F p = r * 1.32695714e-3f + 9.67129413e-3f;\n"
                 "  p = p * r + 5.55071086e-2f;\n"
                 "  p = p * r + 2.40222469e-1f;\n"
                 "  p = p * r + 6.93147004e-1f;\n"
                 "  p = p * r + 1.f;\n"
                 "  const @F q = p * float_of@n(bits@n(shifted) << 23);\n"
                 "  return select@n(x > @(0.f), 1.f - q, q);\n"
                 "}\n",
         .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT, FN_ABS}, .nuses = 4},
    [FN_POWER] =
        {"power_minus_three_quarters",
         .text =
             "// x to the power -3/4, within 1.9 ulp (1.4 with fused multiply-adds): z^3 * (1 - e)^(-3/4), a "
             "polynomial in e = 1 - x*z^4. z approximates x^(-1/4) and is computed from the bits of x; it "
             "has so few bits that z^3 is exact, and |e| < 0.135.\n"
             "INLINE @a@F power_minus_three_quarters@n(@F x) {\n"
             "  const @I tiny = x < @(0.f) + 1.17549435e-38f;\n"
             "  const @F s = select@n(tiny, x * 0x1p64f + 0.f, x); // -0 becomes 0\n"
             "  const @F z = float_of@n((0x4f588000u - (bits@n(s) >> 2)) & 0xffff0000u), q = z * z;\n"
             "  const @F r = q * z, e = 1.f - s * q * q;\n"
             "  @F p = e * 5.27550220e-1f + 5.51503420e-1f;\n"
             "  p = p * e + 5.63849151e-1f;\n"
             "  p = p * e + 6.01421654e-1f;\n"
             "  p = p * e + 6.56250238e-1f;\n"
             "  p = p * e + 7.50000298e-1f;\n"
             "  p = p * (r * e) + r;\n"
             "  p = select@n(tiny, p * 0x1p48f, p); // infinite where x is 0: p is above 2^97\n"
             "  p = select@n(x < @(0.f), float_of@n(@[0x7fc00000u]), p);\n"
             "  return select@n(x > @(3.40282347e38f), @(0.f), p);\n"
             "}\n",
         .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT}, .nuses = 3},
    [FN_SINE] = {"sine", .text = prelude_sine, .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT, FN_ABS}, .nuses = 4},
    [FN_SIN] = {"sin", .text = "INLINE @a@F sin@n(@F x) { return sine@n(x, 0); }\n", .uses = {FN_SINE},
                .nuses = 1},
    [FN_COS] = {"cos", .text = "INLINE @a@F cos@n(@F x) { return sine@n(x, 1); }\n", .uses = {FN_SINE},
                .nuses = 1},
    [FN_FLOOR] = {"floor", .text = prelude_floor, .uses = {FN_BITS, FN_FLOAT_OF, FN_SELECT, FN_ABS},
                  .nuses = 4},
    [FN_SUM] = {.name = "sum"}, /* printed by emit_halves */
    [FN_HIGHEST] = {.name = "highest"},
    [FN_RANDOM] = {"random",
                   .vector = "INLINE @a@F random@n(@I key0, @I key1, @I counter) {\n"
                             "  @U x = (@U)counter * 0x9e3779b9u ^ (@U)key0;\n"
                             "  x ^= x >> 16, x *= 0x85ebca6bu, x ^= x >> 13;\n"
                             "  x += (@U)key1;\n"
                             "  x *= 0xc2b2ae35u, x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15;\n"
                             "  return __builtin_convertvector((@I)(x >> 8), @F) * 0x1p-24f;\n"
                             "}\n",
                   .scalar = "// A number in [0, 1) from two keys and a counter: the same in any order and "
                             "on any number of threads.\n"
                             "INLINE @a@F random@n(int32_t key0, int32_t key1, int32_t counter) {\n"
                             "  uint32_t x = (uint32_t)counter * 0x9e3779b9u ^ (uint32_t)key0;\n"
                             "  x ^= x >> 16, x *= 0x85ebca6bu, x ^= x >> 13;\n"
                             "  x += (uint32_t)key1;\n"
                             "  x *= 0xc2b2ae35u, x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15;\n"
                             "  return (float)(x >> 8) * 0x1p-24f;\n"
                             "}\n",
                   .uses = {FN_BITS}, .nuses = 1},
    [FN_CHOSEN] = {"chosen", .scalar = "// x as an index, clamped to lo .. last; NaN becomes lo.\n"
                                       "INLINE @aint chosen@l(@T x, int lo, int last) { return x > (@T)lo ? "
                                       "x < (@T)last ? (int)x : last : lo; }\n"},
    [FN_LOAD_PART] = {"load_part", .vector =
                                       "// The first n elements at p, then zeros.\n"
                                       "INLINE @a@T load_part@l(const @E *p, int n) {\n"
                                       "  @T v = {0};\n"
                                       "  UNROLL for (int i = 0; i < (int)(sizeof v / sizeof *p); i++)\n"
                                       "    if (i < n) v[i] = p[i];\n"
                                       "  return v;\n"
                                       "}\n"},
    [FN_STORE_PART] =
        {"store_part",
         .vector =
             "INLINE @a"
             "void store_part@l(@E *p, @T v, int n) {\n"
             "  UNROLL for (int i = 0; i < (int)(sizeof v / sizeof *p); i++)\n"
             "    if (i < n) p[i] = v[i];\n"
             "}\n"}, /* done element by element, because gcc would otherwise copy through memory and stall */
    [FN_WORDS] = {"words", .text =
                               "// Four bytes per lane, unaligned.\nINLINE @a@T words@l(const int8_t *p) {\n"
                               "  typedef int32_t words __attribute__((@S, aligned(1), may_alias));\n"
                               "  return (@T)*(const words *)p;\n}\n"},
    [FN_STORE_WORDS] = {"store_words",
                        .text = "INLINE @avoid store_words@l(int8_t *p, @T v) {\n"
                                "  typedef int32_t words __attribute__((@S, aligned(1), may_alias));\n"
                                "  *(words *)p = (words)v;\n}\n"},
    [FN_LOOKUP] = {"lookup", .text = prelude_lookup},
    [FN_LOAD_BYTES] = {.name = "load_bytes"}, /* printed by prelude_helium */
    [FN_STORE_BYTES] = {.name = "store_bytes"},
#ifndef __wasi__
    [FN_STORE_PAIR] = {.name = "store_pair"},
#endif
};

/* ---- needs ---- */
static uint8_t width_bit(int lanes) {
  return (uint8_t)(lanes == 1 ? 1 : lanes == 2 ? 2 : lanes == 4 ? 4 : lanes == 8 ? 8 : 16);
}

void prelude_need(PreludeNeeds *needs, PreludeFn fn, Elem elem, int lanes) {
  uint8_t bit = width_bit(lanes);
  needs->fn[fn][elem] |= bit;
  needs->inlined = true;
  if (fn == FN_LOAD_PART || fn == FN_STORE_PART) needs->unroll = true;
  if (lanes > 1) needs->type[elem] |= bit;
  if (lanes > 1 && function[fn].nuses) needs->type[I32] |= bit;
  if (lanes > 1 && (fn == FN_SELECT || fn == FN_LOAD_BYTES || fn == FN_STORE_BYTES)) needs->type[I32] |= bit;
  if (lanes == 1 && !function[fn].text) return; /* a separate text for scalars uses no functions */
  for (int i = 0; i < function[fn].nuses; i++)
    prelude_need(needs, function[fn].uses[i], elem_is_half(elem) ? F32 : elem, lanes);
  if ((fn == FN_SUM || fn == FN_HIGHEST) && lanes > 4) prelude_need(needs, fn, elem, lanes / 2);
  if (fn == FN_HIGHEST && lanes > 4) prelude_need(needs, FN_MAX, elem, lanes / 2);
  if (fn == FN_HIGHEST && lanes == 4) prelude_need(needs, FN_MAX, elem, 1);
}

void prelude_need_type(PreludeNeeds *needs, Elem elem, int lanes, bool memory) {
  if (lanes == 1) return;
  needs->type[elem] |= width_bit(lanes);
  if (memory) needs->memory[elem] |= width_bit(lanes);
}

void prelude_need_convert(PreludeNeeds *needs, Elem to, Elem from, int lanes) {
  uint8_t bit = width_bit(lanes);
  needs->convert[to][from] |= bit;
  needs->type[to] |= bit;
  needs->type[from] |= bit;
  needs->inlined = true;
  if (elem_bytes(to) != elem_bytes(from)) needs->type[I32] |= bit;
}

void prelude_need_routine(PreludeNeeds *needs, const Routine *routine) {
  int i = 0;
  if (routine->uses) prelude_need_routine(needs, routine->uses);
  if (routine->also) prelude_need_routine(needs, routine->also);
  while (i < ROUTINES && needs->routine[i] && needs->routine[i] != routine) i++;
  if (i == ROUTINES) {
    fprintf(stderr, "cnnc: internal error: ROUTINES is too small\n");
    exit(3);
  }
  needs->routine[i] = routine;
}

void prelude_need_primitive(PreludeNeeds *needs, const Primitive *primitive, int lanes) {
  for (int i = 0; i < PRIMITIVES; i++)
    if (primitive_table[i] == primitive) needs->primitive[i] |= width_bit(lanes);
  prelude_need_type(needs, I32, lanes, false);
  if (lanes > 1 && prelude_vector_of_floats(primitive)) prelude_need_type(needs, F32, lanes, false);
  needs->inlined = true;
}

static void or_bytes(uint8_t *into, const uint8_t *from, size_t n) {
  for (size_t i = 0; i < n; i++) into[i] |= from[i];
}

void prelude_merge(PreludeNeeds *into, const PreludeNeeds *from) {
  or_bytes(&into->fn[0][0], &from->fn[0][0], sizeof into->fn);
  or_bytes(&into->convert[0][0], &from->convert[0][0], sizeof into->convert);
  or_bytes(into->type, from->type, sizeof into->type);
  or_bytes(into->memory, from->memory, sizeof into->memory);
  for (int i = 0; i < ROUTINES && from->routine[i]; i++) prelude_need_routine(into, from->routine[i]);
  or_bytes(into->primitive, from->primitive, sizeof into->primitive);
  into->inlined |= from->inlined;
  into->kernel |= from->kernel;
  into->unroll |= from->unroll;
  into->roll |= from->roll;
  into->team |= from->team;
  into->modes |= from->modes;
  into->prefetch |= from->prefetch;
  into->pin |= from->pin;
  into->load2 |= from->load2;
  into->load4 |= from->load4;
  into->infinite |= from->infinite;
  into->helium |= from->helium;
}

/* ---- names ---- */
static const char *letter_of(Elem elem) {
  static const char *const letter[ELEMS] = {[F32] = "",  [I32] = "i", [U8] = "b",   [I8] = "c",
                                            [I16] = "s", [I64] = "l", [BF16] = "h", [F16] = "e"};
  return letter[elem];
}

const char *prelude_type(Arena *arena, Elem elem, int lanes) {
  return lanes == 1 ? elem_c_type(elem) : arena_printf(arena, "v%d%s", lanes, letter_of(elem));
}

const char *prelude_function(Arena *arena, const PreludeNames *names, PreludeFn fn, Elem elem, int lanes) {
  return arena_printf(arena, "%s%s_x%d%s%s", names->prefix, function[fn].name, lanes, letter_of(elem),
                      names->suffix);
}

const char *prelude_convert(Arena *arena, const PreludeNames *names, Elem to, Elem from, int lanes) {
  return arena_printf(arena, "%s%s_from_%s_x%d%s", names->prefix, elem_name((Elem)to), elem_name((Elem)from),
                      lanes, names->suffix);
}

const char *prelude_primitive(Arena *arena, const PreludeNames *names, const Primitive *primitive,
                              int lanes) {
  if (lanes == 1) return arena_printf(arena, "%s%s", names->prefix, primitive->name);
  return arena_printf(arena, "%s%s_x%d%s", names->prefix, primitive->name, lanes, names->suffix);
}

/* ---- once per file ---- */
static bool is_conversion(const char *name) { /* f32_from_u8_x16 */
  for (int to = 0; to < ELEMS; to++)
    for (int from = 0; from < ELEMS; from++) {
      const size_t a = strlen(elem_name((Elem)to)), b = strlen(elem_name((Elem)from));
      if (!strncmp(name, elem_name((Elem)to), a) && !strncmp(name + a, "_from_", 6) &&
          !strncmp(name + a + 6, elem_name((Elem)from), b))
        return !strncmp(name + a + 6 + b, "_x", 2);
    }
  return false;
}

static bool is_letter_of_elem(char c, const char *more) {
  for (int elem = 0; elem < ELEMS; elem++)
    if (*letter_of((Elem)elem) == c) return true;
  return strchr(more, c);
}

/* Whether the text is a number of lanes: digits, followed only by letters of element types or letters in
 * `more`. */
static bool ends_with_lanes(const char *s, const char *more) {
  const size_t digits = strspn(s, "0123456789");
  const char *at = s + digits;
  while (*at && is_letter_of_elem(*at, more)) at++;
  return digits && !*at;
}

bool prelude_has_name(const char *name) {
  if (prelude_has_macro(name)) return true;
  for (int fn = 0; fn < FN_COUNT; fn++) {
    const size_t length = strlen(function[fn].name);
    if (!strncmp(name, function[fn].name, length) && !strncmp(name + length, "_x", 2))
      return ends_with_lanes(name + length + 2, "");
  }
  for (int i = 0; i < PRIMITIVES; i++) {
    const size_t length = strlen(primitive_table[i]->name);
    if (strncmp(name, primitive_table[i]->name, length) != 0) continue;
    if (!name[length] || (!strncmp(name + length, "_x", 2) && ends_with_lanes(name + length + 2, "")))
      return true;
  }
  const char *routine = strstr(name, "_routine");
  if (routine && !routine[8]) return true;
  return (*name == 'v' && ends_with_lanes(name + 1, "ntu")) ||
         is_conversion(name); /* v16, v16u, v16i, v16iu, ... */
}

/* Whether any conversion between types of different sizes is needed. Such conversions use 16-bit integers in
 * between. */
static bool any_convert(const PreludeNeeds *needs, int bit) {
  int bits = 0;
  for (int to = 0; to < ELEMS; to++)
    for (int from = 0; from < ELEMS; from++)
      if (elem_bytes((Elem)to) != elem_bytes((Elem)from)) bits |= needs->convert[to][from];
  return bits & bit;
}

/* Declares a type with the prefix in its name, and a macro with the short name. prefix NULL: undefines the
 * short name. */
static void emit_type(Text *out, const char *prefix, const char *name, const char *of, const char *how) {
  if (!prefix) text_put(out, "#undef %s\n", name);
  else text_put(out, "typedef %s %s%s __attribute__((%s));\n", of, prefix, name, how);
  if (prefix && *prefix) text_put(out, "#define %s %s%s\n", name, prefix, name);
}

void prelude_types(Text *out, const PreludeNeeds *needs, const char *prefix) {
  Arena *arena = out->arena;
  for (int lanes = 4; lanes <= 16; lanes *= 2) {
    const int bit = width_bit(lanes);
    const char *short_vector = arena_printf(arena, "vector_size(%d)", 2 * lanes);
    for (int e = 0; e < ELEMS; e++) {
      if (!((needs->type[e] | needs->memory[e]) & bit)) continue;
      const char *name = prelude_type(arena, (Elem)e, lanes), *of = elem_c_type((Elem)e),
                 *size = arena_printf(arena, "vector_size(%d)", lanes * elem_bytes((Elem)e));
      emit_type(out, prefix, name, of, size);
      if (needs->memory[e] & bit)
        emit_type(out, prefix, arena_printf(arena, "%su", name), of,
                  arena_printf(arena, "%s, aligned(%d), may_alias", size, elem_bytes((Elem)e)));
    }
    if ((needs->fn[FN_BITS][F32] | needs->fn[FN_FLOAT_OF][F32]) & bit)
      emit_type(out, prefix, arena_printf(arena, "v%dn", lanes), "uint32_t",
                arena_printf(arena, "vector_size(%d)", 4 * lanes));
    if (!any_convert(needs, bit)) continue;
    if (!((needs->type[I16] | needs->memory[I16]) & bit))
      emit_type(out, prefix, arena_printf(arena, "v%ds", lanes), "int16_t", short_vector);
    emit_type(out, prefix, arena_printf(arena, "v%dt", lanes), "uint16_t", short_vector);
  }
}

static void emit_types(Text *out, const PreludeNeeds *needs, const char *prefix) {
  const size_t begin = out->n;
  text_put(out, "// Vectors (extensions of GCC and Clang). Types that end in u need not be aligned.\n"
                "#if !(defined(__GNUC__) || defined(__clang__)) || defined(__TINYC__)\n#error \"this "
                "compiler has no vector "
                "extensions: generate the C with cnnc --target=generic\"\n#endif\n");
  const size_t types = out->n;
  prelude_types(out, needs, prefix);
  if (out->n == types) out->n = begin;
  if (prelude_loads(needs))
    text_put(
        out,
        "#define LOAD(type, element) ((type)*(const type##u *)&(element)) // the vector that begins at an "
        "element\n"
        "#define AT(type, element) (*(type##u *)&(element))              // the same, as the target of a "
        "store\n");
}

static const char *upper_of(Arena *arena, const char *name) {
  char *upper = arena_printf(arena, "%s", name);
  for (char *c = upper; *c; c++)
    if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  return upper;
}

/* Prints the text of a routine or scalar primitive. The net's prefix replaces cnn_ and CNN_ in the names of
 * functions and macros. */
static void emit_own_text(Text *out, const char *text, const char *prefix) {
  static const char small[] = "cnn_", large[] = "CNN_";
  const char *upper = upper_of(out->arena, prefix);
  text_put(out, "\n");
  for (; *text; text++)
    if (!strncmp(text, small, strlen(small))) {
      text_put(out, "%s", prefix);
      text += strlen(small) - 1;
    } else if (!strncmp(text, large, strlen(large))) {
      text_put(out, "%s", upper);
      text += strlen(large) - 1;
    } else text_bytes(out, text, 1);
}

void emit_prelude_file(Text *out, const PreludeNeeds *needs, const char *prefix) {
  prelude_macros(out, needs, prefix);
  emit_types(out, needs, prefix);
  for (int i = 0; i < ROUTINES && needs->routine[i]; i++) emit_own_text(out, needs->routine[i]->text, prefix);
  for (int i = 0; i < PRIMITIVES; i++)
    if (needs->primitive[i] & width_bit(1))
      emit_own_text(out, primitive_text(out->arena, primitive_table[i]), prefix);
  text_put(out, "\n");
}

/* ---- once per target ---- */
/* Prints a word. A word before @n or @l is a function's name: the prefix is printed before this word. */
static const char *emit_word(Text *out, const char *text, const PreludeNames *names) {
  const size_t length = strspn(text, letters);
  const bool function_name = text[length] == '@' && (text[length + 1] == 'n' || text[length + 1] == 'l');
  text_put(out, "%s", function_name ? names->prefix : "");
  text_bytes(out, text, length ? length : 1);
  return text + (length ? length : 1);
}

void prelude_text(Text *out, const char *text, Elem elem, int lanes, const PreludeNames *names) {
  const char *gap = *names->attribute ? " " : "";
  while (*text) {
    if (*text != '@') {
      text = emit_word(out, text, names);
      continue;
    }
    switch (*++text) {
    case 'F': text_put(out, "%s", prelude_type(out->arena, F32, lanes)); break;
    case 'I': text_put(out, "%s", prelude_type(out->arena, I32, lanes)); break;
    case 'U': lanes == 1 ? text_put(out, "uint32_t") : text_put(out, "v%dn", lanes); break;
    case 'T': text_put(out, "%s", prelude_type(out->arena, elem, lanes)); break;
    case 'E': text_put(out, "%s", elem_c_type(elem)); break;
    case 'n': text_put(out, "_x%d%s", lanes, names->suffix); break;
    case 'l': text_put(out, "_x%d%s%s", lanes, letter_of(elem), names->suffix); break;
    case 'S':
      text_put(out, "%s", lanes > 1 ? arena_printf(out->arena, "vector_size(%d)", 4 * lanes) : "unused");
      break;
    case 'a': text_put(out, "%s%s", names->attribute, gap); break;
    case '(':
    case '[': /* puts a constant in all lanes of a vector */
      if (lanes > 1) text_put(out, "((v%d%s){0} + ", lanes, *text == '(' ? "" : "n");
      for (char end = *text == '(' ? ')' : ']'; *++text != end;) text_bytes(out, text, 1);
      if (lanes > 1) text_put(out, ")");
      break;
    }
    text++;
  }
}

static void emit_half(Text *out, int half, int first) {
  text_put(out, "__builtin_shufflevector(a, a");
  for (int i = 0; i < half; i++) text_put(out, ", %d", first + i);
  text_put(out, ")");
}

/* Prints a function that reduces a vector to its sum or maximum by combining halves. */
static void emit_halves(Text *out, PreludeFn fn, int lanes, const PreludeNames *names) {
  const char *type = prelude_type(out->arena, F32, lanes),
             *half_type = prelude_type(out->arena, F32, lanes / 2);
  const char *name = prelude_function(out->arena, names, fn, F32, lanes),
             *half = prelude_function(out->arena, names, fn, F32, lanes / 2);
  const char *max = prelude_function(out->arena, names, FN_MAX, F32, lanes > 4 ? lanes / 2 : 1);
  text_put(out, "INLINE %s%sfloat %s(%s a) {\n", names->attribute, *names->attribute ? " " : "", name, type);
  if (lanes == 4 && fn == FN_SUM) text_put(out, "  return (a[0] + a[2]) + (a[1] + a[3]);\n}\n");
  else if (lanes == 4) text_put(out, "  return %s(%s(a[0], a[2]), %s(a[1], a[3]));\n}\n", max, max, max);
  else {
    text_put(out, "  const %s low = ", half_type);
    emit_half(out, lanes / 2, 0);
    text_put(out, ", high = ");
    emit_half(out, lanes / 2, lanes / 2);
    if (fn == FN_SUM) text_put(out, ";\n  return %s(low + high);\n}\n", half);
    else text_put(out, ";\n  return %s(%s(low, high));\n}\n", half, max);
  }
}

/* Prints a conversion in several steps, because compilers find the instructions for single steps. */
static void emit_convert(Text *out, Elem to, Elem from, int lanes, const PreludeNames *names) {
  const char *value = "x", *vector = arena_printf(out->arena, "v%d", lanes);
  Arena *arena = out->arena;
  bool narrow = elem_bytes(to)<elem_bytes(from), wide = elem_bytes(to)> elem_bytes(from);
  if (from == F32 && to != I32)
    value = arena_printf(arena, "__builtin_convertvector(%s, %si)", value, vector);
  if (narrow) value = arena_printf(arena, "__builtin_convertvector(%s, %ss)", value, vector);
  if (wide)
    value = arena_printf(arena, "__builtin_convertvector(%s, %s%c)", value, vector, from == U8 ? 't' : 's');
  if (wide && to == F32) value = arena_printf(arena, "__builtin_convertvector(%s, %si)", value, vector);
  const char *type = prelude_type(arena, to, lanes);
  text_put(out, "INLINE %s%s%s %s(%s x) { return __builtin_convertvector(%s, %s); }\n", names->attribute,
           *names->attribute ? " " : "", type, prelude_convert(arena, names, to, from, lanes),
           prelude_type(arena, from, lanes), value, type);
}

void emit_prelude(Text *out, const PreludeNeeds *needs, const PreludeNames *names) {
  size_t start = out->n;
  for (int fn = 0; fn < FN_COUNT; fn++)
    for (int elem = 0; elem < ELEMS; elem++)
      for (int lanes = 1; lanes <= 16; lanes *= 2) {
        if (!(needs->fn[fn][elem] & width_bit(lanes))) continue;
        const Function *f = &function[fn];
        const char *own = names->helium ? prelude_helium((PreludeFn)fn, (Elem)elem, lanes)
                          : names->bf16 ? prelude_bf16((PreludeFn)fn, lanes, names->bf16)
                                        : NULL;
        if (!own && fn == FN_FROM_F16) own = prelude_f16(lanes, names->f16);
        const char *text = own ? own : f->text ? f->text : (lanes == 1 ? f->scalar : f->vector);
        if (text) prelude_text(out, text, (Elem)elem, lanes, names);
        else emit_halves(out, (PreludeFn)fn, lanes, names);
      }
  for (int to = 0; to < ELEMS; to++)
    for (int from = 0; from < ELEMS; from++)
      for (int lanes = 4; lanes <= 16; lanes *= 2)
        if (needs->convert[to][from] & width_bit(lanes))
          emit_convert(out, (Elem)to, (Elem)from, lanes, names);
  for (int i = 0; i < PRIMITIVES; i++)
    for (int lanes = 4; lanes <= 16; lanes *= 2)
      if (needs->primitive[i] & width_bit(lanes))
        prelude_vector_primitive(out, primitive_table[i], lanes, names);
  if (out->n != start) text_put(out, "\n");
}
