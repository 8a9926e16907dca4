/* inputs.h: the inputs on which the results of the nets of this folder are compared, and the hash of the
 * values that a layer stores. tests/golden/models.py, the harness and the programs for boards generate the
 * same inputs, so no file contains them. This header needs no C library. */
// SPDX-License-Identifier: Apache-2.0
#ifndef MODEL_INPUTS_H
#define MODEL_INPUTS_H
#include <stdint.h>

/* The first input has the least number everywhere, the second the greatest; a hundred inputs are random. */
enum { MODEL_EXTREMES = 2, MODEL_INPUTS = MODEL_EXTREMES + 100 };

static inline int32_t model_input_byte(uint64_t *state) { /* 0 to 255 */
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int32_t)(*state >> 56);
}

/* Every fourth random input is noise over the whole range. From such noise, layers compute only few different
 * values. The other random inputs are noise over 1/2, 1/4 or 1/8 of the range, around a random value. */
static inline void model_input(int number, int8_t *to, int64_t n) {
  uint64_t state = (uint64_t)(number + 1) * UINT64_C(0x9e3779b97f4a7c15);
  const int32_t own = model_input_byte(&state) - 128, divisor = 1 << number % 4,
                least = (divisor > 1 ? own : 0) - 128 / divisor;
  for (int64_t i = 0; i < n; i++) {
    const int32_t x = least + model_input_byte(&state) / divisor;
    to[i] = (int8_t)(number < MODEL_EXTREMES ? number * 255 - 128 : x < -128 ? -128 : x > 127 ? 127 : x);
  }
}

/* Like model_input_byte and model_input, but for int16 values. */
static inline int32_t model_input_word(uint64_t *state) { /* 0 to 65535 */
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int32_t)(*state >> 48);
}

static inline void model_input_wide(int number, int16_t *to, int64_t n) {
  uint64_t state = (uint64_t)(number + 1) * UINT64_C(0x9e3779b97f4a7c15);
  const int32_t own = model_input_word(&state) - 32768, divisor = 1 << number % 4,
                least = (divisor > 1 ? own : 0) - 32768 / divisor;
  for (int64_t i = 0; i < n; i++) {
    const int32_t x = least + model_input_word(&state) / divisor;
    to[i] = (int16_t)(number < MODEL_EXTREMES ? number * 65535 - 32768
                      : x < -32768            ? -32768
                      : x > 32767             ? 32767
                                              : x);
  }
}

#define MODEL_HASH_START UINT64_C(0xcbf29ce484222325)
static inline uint64_t model_hash_byte(uint64_t hash, uint8_t byte) { /* FNV-1a */
  return (hash ^ byte) * UINT64_C(0x100000001b3);
}
#endif
