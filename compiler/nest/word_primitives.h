/* word_primitives.h: Named primitives on packed words, the operands of fast int8 loops: four bytes or two
 * halves per int32, the first in the lowest bits. Sums are modulo 2^32. -DCNN_PLAIN selects plain C instead
 * of the DSP instructions, to test that both compute the same result. */
// SPDX-License-Identifier: MIT-0
#include <stdint.h>

/* c + the dot product of the four bytes of x, from 0 to 255, and those of w, from -128 to 127. */
INLINE int32_t cnn_dot_bytes(int32_t c, int32_t x, int32_t w) {
  uint32_t sum = (uint32_t)c;
  for (int i = 0; i < 32; i += 8)
    sum += (uint32_t)((int32_t)((uint32_t)x >> i & 255) * (int8_t)((uint32_t)w >> i & 255));
  return (int32_t)sum;
}

/* c + the dot product of two words of four signed bytes. */
INLINE int32_t cnn_dot_signed(int32_t c, int32_t x, int32_t w) {
  uint32_t sum = (uint32_t)c;
  for (int i = 0; i < 32; i += 8)
    sum += (uint32_t)((int8_t)((uint32_t)x >> i & 255) * (int8_t)((uint32_t)w >> i & 255));
  return (int32_t)sum;
}

/* c + the dot product of two words of two int16 numbers each. */
INLINE int32_t cnn_dot_halves(int32_t c, int32_t x, int32_t w) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(x), "r"(w), "r"(c));
  return r;
#else
  uint32_t sum = (uint32_t)c;
  for (int i = 0; i < 32; i += 16)
    sum += (uint32_t)((int16_t)((uint32_t)x >> i & 65535) * (int16_t)((uint32_t)w >> i & 65535));
  return (int32_t)sum;
#endif
}

/* Bytes 0 and 2 of w as two int16 numbers in a word. */
INLINE int32_t cnn_even_bytes(int32_t w) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(w));
  return r;
#else
  const uint32_t low = (uint32_t)(int8_t)(w & 255) & 65535, high = (uint32_t)(int8_t)(w >> 16 & 255);
  return (int32_t)(low | high << 16);
#endif
}

/* Bytes 1 and 3 of w as two int16 numbers in a word. */
INLINE int32_t cnn_odd_bytes(int32_t w) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(w));
  return r;
#else
  const uint32_t low = (uint32_t)(int8_t)(w >> 8 & 255) & 65535, high = (uint32_t)(int8_t)(w >> 24 & 255);
  return (int32_t)(low | high << 16);
#endif
}

/* The larger signed byte of a and b at each byte position. */
INLINE int32_t cnn_max_bytes(int32_t a, int32_t b) {
  uint32_t most = 0;
  for (int i = 0; i < 32; i += 8) {
    const int8_t x = (int8_t)((uint32_t)a >> i & 255), y = (int8_t)((uint32_t)b >> i & 255);
    most |= (uint32_t)(uint8_t)(x > y ? x : y) << i;
  }
  return (int32_t)most;
}

/* Adds 128 to each signed byte; the results are unsigned bytes. */
INLINE int32_t cnn_bytes_up(int32_t w) { return (int32_t)((uint32_t)w ^ 0x80808080u); }

/* Shifts the upper three bytes down; q becomes the top byte. */
INLINE int32_t cnn_push_byte(int32_t w, int32_t q) { return (int32_t)((uint32_t)w >> 8 | (uint32_t)q << 24); }

/* Shifts the upper half down; q becomes the new upper half. */
INLINE int32_t cnn_push_half(int32_t w, int32_t q) {
  return (int32_t)((uint32_t)w >> 16 | (uint32_t)q << 16);
}

/* Bytes 0 and 2 of both words in turn: a0 b0 a2 b2. */
INLINE int32_t cnn_even_of_two(int32_t a, int32_t b) {
  return (int32_t)(((uint32_t)a & 0x00ff00ffu) | ((uint32_t)b & 0x00ff00ffu) << 8);
}

/* Bytes 1 and 3 of both words in turn: a1 b1 a3 b3. */
INLINE int32_t cnn_odd_of_two(int32_t a, int32_t b) {
  return (int32_t)(((uint32_t)a >> 8 & 0x00ff00ffu) | ((uint32_t)b & 0xff00ff00u));
}

/* Packs a (low half) and b (high half) as int16, saturating. */
INLINE int32_t cnn_cut_halves(int32_t a, int32_t b) {
  const int32_t low = a < INT16_MIN   ? INT16_MIN
                      : a > INT16_MAX ? INT16_MAX
                                      : a,
                high = b < INT16_MIN   ? INT16_MIN
                       : b > INT16_MAX ? INT16_MAX
                                       : b;
  return (int32_t)(((uint32_t)low & 65535) | (uint32_t)high << 16);
}

/* Packs the halves of both words in turn as bytes, saturating: a0 b0 a1 b1. */
INLINE int32_t cnn_cut_bytes(int32_t a, int32_t b) {
  uint32_t bytes = 0;
  for (int i = 0; i < 32; i += 8) {
    const int16_t x = (int16_t)((uint32_t)(i & 8 ? b : a) >> (i & 16) & 65535);
    bytes |= ((uint32_t)(x < INT8_MIN ? INT8_MIN : x > INT8_MAX ? INT8_MAX : x) & 255) << i;
  }
  return (int32_t)bytes;
}

/* x * m / 2^32, rounded down. */
INLINE int32_t cnn_high_product(int32_t x, int32_t m) { return (int32_t)((int64_t)x * m >> 32); }

/* x * m / 2^32, rounded to nearest, ties upwards. */
INLINE int32_t cnn_high_product_rounded(int32_t x, int32_t m) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(CNN_PLAIN)
  int32_t r;
  __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(x), "r"(m));
  return r;
#else
  return (int32_t)(((int64_t)x * m + INT64_C(0x80000000)) >> 32);
#endif
}

/* x / 2^s, rounded to nearest, ties away from zero; half is 2^(s-1), or 0 if s is 0. */
INLINE int32_t cnn_shift_halves_away(int32_t x, int32_t half, int32_t s) {
  return (x + half - (half != 0 && x < 0)) >> s;
}

/* x * 2^s. */
INLINE int32_t cnn_shift_left(int32_t x, int32_t s) { return (int32_t)((uint32_t)x << s); }
