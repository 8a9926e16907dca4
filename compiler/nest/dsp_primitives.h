/* dsp_primitives.h: Named primitives on packed 16-bit halves, two per word, as in the DSP instructions of
 * Cortex-M, and for requantization to int8. -DCNN_PLAIN selects plain C instead of the DSP instructions. */
// SPDX-License-Identifier: MIT-0
#include <stdint.h>

/* Loads a word, the lowest byte first. */
INLINE int32_t cnn_word(const void *bytes) {
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  typedef int32_t anywhere __attribute__((may_alias, aligned(1)));
  return *(const anywhere *)bytes;
#else
  const uint8_t *b = bytes;
  return (int32_t)(b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
#endif
}

/* Stores a word, the lowest byte first, and returns the word. */
INLINE int32_t cnn_put_word(void *bytes, int32_t word) {
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  typedef int32_t anywhere __attribute__((may_alias, aligned(1)));
  *(anywhere *)bytes = word;
#else
  uint8_t *b = bytes;
  for (int i = 0; i < 4; i++) b[i] = (uint8_t)((uint32_t)word >> 8 * i & 255);
#endif
  return word;
}

/* Like cnn_dot_halves, but volatile: compilers that move such sums run out of registers. */
INLINE int32_t cnn_dot2_here(int32_t c, int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  __asm__ volatile("smlad %0, %1, %2, %0" : "+r"(c) : "r"(a), "r"(b));
  return c;
#else
  return (int32_t)((uint32_t)c + (uint32_t)((int16_t)a * (int16_t)b) + (uint32_t)((a >> 16) * (b >> 16)));
#endif
}

/* Adds bytes 0 and 2 of v, which are signed, to the low and the high half of a. */
INLINE int32_t cnn_add_even8(int32_t a, int32_t v) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("sxtab16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(v));
  return r;
#else
  return (int32_t)(((uint32_t)a + (uint32_t)(int8_t)v) & 0xffffu) |
         (int32_t)((uint32_t)((a >> 16) + (int8_t)(v >> 16)) << 16);
#endif
}

/* Adds bytes 1 and 3 of v, which are signed, to the low and the high half of a. */
INLINE int32_t cnn_add_odd8(int32_t a, int32_t v) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(a), "r"(v));
  return r;
#else
  return (int32_t)(((uint32_t)a + (uint32_t)(int8_t)(v >> 8)) & 0xffffu) |
         (int32_t)((uint32_t)((a >> 16) + (int8_t)(v >> 24)) << 16);
#endif
}

/* Packs the low halves of two words; the first word's half becomes the low half. */
INLINE int32_t cnn_low_halves(int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(r) : "r"(a), "r"(b));
  return r;
#else
  return (int32_t)(((uint32_t)a & 0xffffu) | (uint32_t)b << 16);
#endif
}

/* Packs the high halves of two words; the first word's half becomes the low half. */
INLINE int32_t cnn_high_halves(int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(r) : "r"(b), "r"(a));
  return r;
#else
  return (int32_t)((uint32_t)a >> 16 | ((uint32_t)b & 0xffff0000u));
#endif
}

/* c + low half of a * high half of b, modulo 2^32. */
INLINE int32_t cnn_low_high(int32_t c, int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_DSP) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("smlabt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
#else
  return (int32_t)((uint32_t)c + (uint32_t)((int16_t)a * (b >> 16)));
#endif
}

/* c + high half of a * low half of b, modulo 2^32. */
INLINE int32_t cnn_high_low(int32_t c, int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_DSP) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("smlatb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
#else
  return (int32_t)((uint32_t)c + (uint32_t)((a >> 16) * (int16_t)b));
#endif
}

/* x * 2^(8-s), rounded down, where mix is a + 256*x. */
INLINE int32_t cnn_rest256(int32_t mix, int32_t a, int32_t s) {
  return (int32_t)((uint32_t)mix - (uint32_t)a) >> s;
}

/* c + a * b / 2^32, rounded down. */
INLINE int32_t cnn_high_sum(int32_t c, int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("smmla %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
#else
  return (int32_t)((uint32_t)c + (uint32_t)(int32_t)(((int64_t)a * b) >> 32));
#endif
}

/* c + a * b / 2^32, rounded to nearest. */
INLINE int32_t cnn_high_sum_rounded(int32_t c, int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
#else
  return (int32_t)((uint32_t)c + (uint32_t)(int32_t)(((int64_t)a * b + INT64_C(0x80000000)) >> 32));
#endif
}

/* c - 1 if x is negative, otherwise c. */
INLINE int32_t cnn_less_sign(int32_t c, int32_t x) { return c + (x >> 31); }

/* Clamps to int8. */
INLINE int32_t cnn_clamp8(int32_t x) {
#if defined(__ARM_FEATURE_SAT) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("ssat %0, #8, %1" : "=r"(r) : "r"(x));
  return r;
#else
  return x < -128 ? -128 : x > 127 ? 127 : x;
#endif
}

/* Clamps to int16. */
INLINE int32_t cnn_clamp16(int32_t x) {
#if defined(__ARM_FEATURE_SAT) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("ssat %0, #16, %1" : "=r"(r) : "r"(x));
  return r;
#else
  return x < -32768 ? -32768 : x > 32767 ? 32767 : x;
#endif
}

/* Adds halves separately, modulo 2^16. */
INLINE int32_t cnn_add_halves(int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
  return r;
#else
  const uint32_t x = (uint32_t)a, y = (uint32_t)b;
  return (int32_t)(((x + y) & 0xffffu) | ((x & 0xffff0000u) + (y & 0xffff0000u)));
#endif
}

/* Subtracts halves separately, modulo 2^16. */
INLINE int32_t cnn_sub_halves(int32_t a, int32_t b) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("ssub16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
  return r;
#else
  const uint32_t x = (uint32_t)a, y = (uint32_t)b;
  return (int32_t)(((x - y) & 0xffffu) | ((x & 0xffff0000u) - (y & 0xffff0000u)));
#endif
}

/* a + b * 2^s, modulo 2^32. */
INLINE int32_t cnn_wrap_sum(int32_t a, int32_t b, int32_t s) {
  return (int32_t)((uint32_t)a + ((uint32_t)b << s));
}

/* a - b, modulo 2^32. */
INLINE int32_t cnn_wrap_difference(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }

/* y * 2^(6-s), where x is 576 * y modulo 2^32 and -2^25 <= y < 2^25: 576 is 9 * 64 and 0x38e38e39
 * is 1 / 9 modulo 2^32, so the product is 64 * y. */
INLINE int32_t cnn_part576(int32_t x, int32_t s) { return (int32_t)((uint32_t)x * 0x38e38e39u) >> s; }
